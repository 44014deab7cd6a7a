/* Rules of the town's own records that the catalogue cannot say, for whoever asks: the page, a
 * command, a table, and what nodes give back after a restore. They are judged on the record as it
 * would stand, inside the transaction of the change, which goes back with the error.
 *
 *   setting          there is such a one, and its meaning has bounds (hub/settings.c)
 *   notice           is for villages that are registered
 *   aid_case         is made public for as many working days as the town has set
 *   target           is of an area that there is
 *   opening_balance  of an area that there is; whole, or money; none inside another of its year;
 *                    verified by another person, and unchanged from then on
 *   station,         of a station in the registry: made, renamed and ended by its way alone, or
 *   area_unit        figures and coverage speak of different numbers of villages */
#include "hub/acts.h"
#include "hub/settings.h"
#include "hub/store/merger_internal.h"
#include "proto/caldate.h"

#include <stdio.h>
#include <string.h>

enum {
    RULES_ARENA_MAX = 4 * 1024 * 1024,
    FEN_SCALE = LM_DECIMAL_SCALE / 100,
    PUBLICITY_DAYS_MAX = 366, /* longer ones are not counted day by day */
};

bool lm_rules_has(const char *type)
{
    static const char *const types[] = {"setting", "opening_balance", "station", "area_unit",
                                        "notice",  "aid_case",        "target"};

    for (size_t i = 0; type && i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i], type) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- a second person ---- */

static enum lm_status before_opening(struct lm_store *store, const struct lm_act *act,
                                     const struct lm_record *rec, struct lm_error *err)
{
    const char *to = json_string_value(json_object_get(act->fields, "state"));
    enum lm_status status = lm_verified_stands(rec, act, err);

    return status == LM_OK && act->op == LM_OP_EDIT && to && strcmp(to, "verified") == 0 &&
                   strcmp(lm_record_text(rec, LM_C_STATE), "verified") != 0
               ? lm_second_person(store, act->user ? act->user : "", act->id, err)
               : status;
}

/* ---- the registry's own rows ---- */

static const char *code_field(const struct lm_record *rec)
{
    return strcmp(rec->type->name, "station") == 0 ? "area_code" : "code";
}

static enum lm_status use_registry(const char *field, struct lm_error *err)
{
    return lm_fail(
        err, LM_ERR_DENIED, "use_registry", field,
        "这是登记在册的服务站的记录：新建、撤并请由管理员在“村站”里办理（或用 station "
        "add、station merge），不能在这里新建、删除、退回或改代码、级别。",
        "The record belongs to a registered station: stations are added and merged by an "
        "administrator on the stations' page (or by station add, station merge); here it "
        "is not made, deleted or sent back, and its code and level do not change.");
}

static enum lm_status before_registered(struct lm_store *store, const struct lm_act *act,
                                        const struct lm_record *rec, struct lm_error *err)
{
    const char *names[] = {code_field(rec), "level"}, *code = lm_text_of(rec, names[0]), *to;
    struct lm_station station;

    if (lm_store_station_get(store, code, &station) != LM_OK) {
        return LM_OK;
    }
    /* what stood for an area in former days is not the row in force */
    if (act->op == LM_OP_DELETE && !lm_text_of(rec, "valid_to")[0] &&
        !lm_text_of(rec, "closed_on")[0]) {
        return use_registry("delete_reason", err);
    }
    for (size_t i = 0; act->op == LM_OP_EDIT && i < 2; i++) {
        const json_t *value = json_object_get(act->fields, names[i]);
        const char *text = json_string_value(value);

        if (value && (!text || strcmp(text, lm_text_of(rec, names[i])) != 0)) {
            return use_registry(names[i], err);
        }
    }
    /* sent back it would not count (I01), and the registry would still name it */
    to = json_string_value(json_object_get(act->fields, "state"));
    return act->op == LM_OP_EDIT && to && strcmp(to, "verified") != 0 &&
                   strcmp(lm_record_text(rec, LM_C_STATE), "verified") == 0
               ? use_registry("state", err)
               : LM_OK;
}

enum lm_status lm_rules_before(struct lm_store *store, const struct lm_act *act,
                               struct lm_error *err)
{
    const char *name = act->id ? lm_store_type_of(store, act->id) : NULL;
    const struct lm_type *type = name ? lm_catalog_type(store->catalog, name) : NULL;
    struct lm_record *rec = NULL;
    struct lm_arena arena;
    enum lm_status status;

    if (act->op == LM_OP_CREATE || !type) {
        return LM_OK;
    }
    lm_arena_init(&arena, RULES_ARENA_MAX);
    status = lm_tables_get(store->tables, &arena, type, act->id, &rec);
    if (status == LM_OK && strcmp(name, "opening_balance") == 0) {
        status = before_opening(store, act, rec, err);
    } else if (status == LM_OK &&
               (strcmp(name, "station") == 0 || strcmp(name, "area_unit") == 0)) {
        status = before_registered(store, act, rec, err);
    }
    lm_arena_free(&arena);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status; /* the act says it */
}

/* ---- as it would stand ---- */

static enum lm_status after_setting(struct lm_store *store, const struct lm_record *rec,
                                    struct lm_error *err)
{
    const char *key = lm_text_of(rec, "key"), *value = lm_text_of(rec, "value");

    return key[0] ? lm_setting_check(store->catalog, key, value[0] ? value : NULL, err) : LM_OK;
}

/* Judged when it is said whom it is for: a village that goes away later leaves it as it is. */
static enum lm_status after_notice(struct lm_store *store, const struct lm_act *act,
                                   const struct lm_record *rec, struct lm_error *err)
{
    const struct lm_value *codes = lm_record_get(rec, "stations");
    struct lm_station station;

    if (!act || !json_object_get(act->fields, "stations") || !codes || codes->kind != LM_LIST) {
        return LM_OK;
    }
    for (size_t i = 0; i < codes->len; i++) {
        const char *code = codes->items[i].kind == LM_TEXT ? codes->items[i].text : "";

        if (!lm_is_village(store, code, &station)) {
            return lm_fail(err, LM_ERR_INVALID, "unknown_station", "stations",
                           "没有登记村级服务站 %.12s，请核对代码。",
                           "No village station %.12s is registered.", code);
        }
    }
    return LM_OK;
}

/* Monday to Friday, both days counted. */
static int weekdays(int64_t from, int64_t to)
{
    int n = 0;

    for (int64_t day = from; day <= to; day++) { /* day 0 was a Thursday */
        n += (day % 7 + 7) % 7 != 2 && (day % 7 + 7) % 7 != 3;
    }
    return n;
}

/* Judged when the days of publicity are entered, or the case goes into it. */
static enum lm_status after_aid(struct lm_store *store, const struct lm_act *act,
                                const struct lm_record *rec, struct lm_error *err)
{
    const json_t *fields = act ? act->fields : NULL;
    const char *state = json_string_value(json_object_get(fields, "state"));
    const char *a = lm_text_of(rec, "publicity_from"), *b = lm_text_of(rec, "publicity_to");
    int64_t from, to, least = lm_setting_number(store, "publicity_workdays");

    if ((!json_object_get(fields, "publicity_from") && !json_object_get(fields, "publicity_to") &&
         !(state && strcmp(state, "publicity") == 0)) ||
        !lm_date_parse(a, strlen(a), &from) || !lm_date_parse(b, strlen(b), &to) ||
        to - from > PUBLICITY_DAYS_MAX || weekdays(from, to) >= least) {
        return LM_OK;
    }
    return lm_fail(err, LM_ERR_INVALID, "publicity_short", "publicity_to",
                   "公示要满 %lld 个工作日（见“设置”）：%.10s 至 %.10s 只有 %d 个。",
                   "Publicity takes %lld working days (a setting): %.10s to %.10s has %d.",
                   (long long)least, a, b, weekdays(from, to));
}

static enum lm_status after_station(struct lm_store *store, const struct lm_record *rec,
                                    struct lm_error *err)
{
    struct lm_station station;

    return lm_store_station_get(store, lm_text_of(rec, "area_code"), &station) == LM_OK
               ? LM_OK
               : use_registry("area_code", err);
}

/* Persons, cases and batches are whole; money has its fen. The names of both languages go to both
 * texts; each leaves out the other's. */
static enum lm_status whole(struct lm_store *store, const struct lm_record *rec,
                            struct lm_error *err)
{
    const struct lm_indicator *ind =
        lm_catalog_indicator(store->catalog, lm_text_of(rec, "indicator"));
    const struct lm_value *value = lm_record_get(rec, "value");
    bool yuan = ind && (ind->rounding == LM_R_YUAN || ind->rounding == LM_R_YU10000YUAN);

    if (!ind || !value || value->kind != LM_INT ||
        value->i % (yuan ? FEN_SCALE : LM_DECIMAL_SCALE) == 0) {
        return LM_OK;
    }
    return yuan
               ? lm_fail(err, LM_ERR_INVALID, "not_whole", "value",
                         "“%s%.0s”的期初数以元为单位，最多两位小数。",
                         "%.0sThe opening balance of \"%s\" is in yuan, with at most two decimals.",
                         ind->zh, ind->en)
               : lm_fail(err, LM_ERR_INVALID, "not_whole", "value", "“%s%.0s”的期初数应为整数。",
                         "%.0sThe opening balance of \"%s\" must be a whole number.", ind->zh,
                         ind->en);
}

static const char area_sql[] =
    "SELECT 1 FROM r_area_unit WHERE code=?1 AND deleted_at IS NULL AND _invalid=0 LIMIT 1";

/* Another one whose area lies inside this one's, or this one's inside its: both would count, so
 * what they have in common counts twice. Those of the same year first. ?1 indicator, ?2 id,
 * ?3 area, ?4 the town (which holds also what the registry of areas does not know), ?5 day. */
#define LIVE                                                                                       \
    "o.indicator=?1 AND o.deleted_at IS NULL AND o._invalid=0 AND o.state NOT IN "                 \
    "('draft','returned','cancelled','merged')"
static const char nested_sql[] =
    "WITH RECURSIVE up(id,at,n) AS ("
    " SELECT o.id,o.area_code,0 FROM r_opening_balance o WHERE " LIVE
    " UNION SELECT up.id,a.parent_code,up.n+1 FROM up JOIN r_area_unit a ON a.code=up.at WHERE"
    " a.deleted_at IS NULL AND a.parent_code IS NOT NULL AND up.n<8)"
    " SELECT o.area_code,o.as_of,substr(o.as_of,1,4)=substr(?5,1,4),"
    "  coalesce((SELECT a.name FROM r_area_unit a WHERE a.code=o.area_code AND a.deleted_at IS NULL"
    "   ORDER BY a.valid_from DESC LIMIT 1),''),"
    "  o.area_code=?4 OR EXISTS (SELECT 1 FROM up WHERE up.id=?2 AND up.at=o.area_code) AS holds"
    " FROM r_opening_balance o WHERE " LIVE " AND o.id<>?2 AND o.area_code<>?3 AND (holds OR ?3=?4"
    "  OR EXISTS (SELECT 1 FROM up WHERE up.id=o.id AND up.at=?3))"
    " ORDER BY 3 DESC,o.area_code LIMIT 1";

static enum lm_status area_there(struct lm_store *store, const char *code, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status status = lm_db_prepare(store->db, area_sql, &stmt, err);

    if (status == LM_OK) {
        lm_bind_text(stmt, 1, code);
        status = lm_query_step(store, stmt, err);
    }
    (void)sqlite3_finalize(stmt);
    return status != LM_ERR_NOT_FOUND
               ? status
               : lm_fail(err, LM_ERR_INVALID, "unknown_area", "area_code",
                         "没有登记区划 %.12s，请核对代码。", "No area %.12s is registered.", code);
}

/* issues NULL: nobody reads a warning. */
static enum lm_status nested(struct lm_store *store, const struct lm_record *rec,
                             struct lm_issues *issues, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    struct lm_error why = {0};
    char code[16] = "", name[256] = "", day[16] = "";
    bool same_year = false, holds = false;
    enum lm_status status = lm_db_prepare(store->db, nested_sql, &stmt, err);

    if (status == LM_OK) {
        lm_bind_text(stmt, 1, lm_text_of(rec, "indicator"));
        lm_bind_text(stmt, 2, rec->id);
        lm_bind_text(stmt, 3, lm_text_of(rec, "area_code"));
        lm_bind_text(stmt, 4, store->town.code);
        lm_bind_text(stmt, 5, lm_text_of(rec, "as_of"));
        status = lm_query_step(store, stmt, err);
    }
    if (status == LM_OK) {
        lm_column_copy(stmt, 0, code, sizeof code);
        lm_column_copy(stmt, 1, day, sizeof day);
        same_year = sqlite3_column_int(stmt, 2) != 0;
        lm_column_copy(stmt, 3, name, sizeof name);
        holds = sqlite3_column_int(stmt, 4) != 0;
    }
    (void)sqlite3_finalize(stmt);
    if (status != LM_OK) {
        return status == LM_ERR_NOT_FOUND ? LM_OK : status;
    }
    (void)(holds
               ? lm_fail(&why, LM_ERR_INVALID, "overlaps", "area_code",
                         "“%.40s”（%s）已有截止 %s 的期初数，里面已经有本地区的，会重复计算。请只"
                         "留一处。",
                         "%.40s (%s) has an opening balance as of %s, which holds this area's "
                         "already: it would count twice. Keep one of them.",
                         name, code, day)
               : lm_fail(&why, LM_ERR_INVALID, "overlaps", "area_code",
                         "本地区里面的“%.40s”（%s）已有截止 %s 的期初数，会重复计算。请只留一处。",
                         "%.40s (%s), which lies inside this area, has an opening balance as of "
                         "%s: it would count twice. Keep one of them.",
                         name, code, day));
    if (!same_year) { /* what one says of a later year may be what came since */
        if (issues) {
            lm_issue_add(issues, LM_WARN, why.code, why.field, why.zh, why.en);
        }
        return LM_OK;
    }
    *err = why;
    return LM_ERR_INVALID;
}

static enum lm_status after_opening(struct lm_store *store, const struct lm_record *rec,
                                    struct lm_issues *issues, struct lm_error *err)
{
    const char *state = lm_record_text(rec, LM_C_STATE);
    bool counts = strcmp(state, "draft") != 0 && strcmp(state, "returned") != 0;
    enum lm_status status = area_there(store, lm_text_of(rec, "area_code"), err);

    status = status == LM_OK ? whole(store, rec, err) : status;
    return status == LM_OK && counts ? nested(store, rec, issues, err) : status;
}

enum lm_status lm_rules_after(struct lm_store *store, const struct lm_act *act, const char *id,
                              struct lm_issues *issues, struct lm_error *err)
{
    const char *name = lm_store_type_of(store, id);
    const struct lm_type *type = name ? lm_catalog_type(store->catalog, name) : NULL;
    struct lm_record *rec = NULL;
    struct lm_arena arena;
    enum lm_status status;

    if (!type || !lm_rules_has(name)) {
        return LM_OK;
    }
    lm_arena_init(&arena, RULES_ARENA_MAX);
    status = lm_tables_get(store->tables, &arena, type, id, &rec);
    if (status == LM_OK && !lm_record_deleted(rec)) {
        status = strcmp(name, "setting") == 0           ? after_setting(store, rec, err)
                 : strcmp(name, "opening_balance") == 0 ? after_opening(store, rec, issues, err)
                 : strcmp(name, "station") == 0         ? after_station(store, rec, err)
                 : strcmp(name, "notice") == 0          ? after_notice(store, act, rec, err)
                 : strcmp(name, "aid_case") == 0        ? after_aid(store, act, rec, err)
                 : strcmp(name, "target") == 0
                     ? area_there(store, lm_text_of(rec, "area_code"), err)
                     : LM_OK;
    }
    lm_arena_free(&arena);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}
