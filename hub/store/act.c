/* What town staff and the program do: JSON to a change of replica 0, judged like any other.
 *
 * A change of the hub that is refused or would have to wait leaves nothing: it is undone and told
 * to who asked. */
#include "hub/store/store_internal.h"
#include "proto/period.h"
#include "proto/request.h"

#include <stdio.h>
#include <string.h>

enum { ACT_ARENA_MAX = 32 * 1024 * 1024 };

/* ---- saves: the same one again ---- */

static enum lm_status save_look(struct lm_store *store, const char *key, const uint8_t hash[32],
                                char id[40], bool *found, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_SAVE_GET, err);
    uint8_t old[32];
    enum lm_status status;

    *found = false;
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, key);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        lm_column_copy(stmt, 0, id, 40);
        lm_column_bytes(stmt, 1, old, sizeof old);
        *found = true;
    }
    (void)sqlite3_reset(stmt);
    if (status == LM_ERR_NOT_FOUND) {
        return LM_OK;
    }
    if (status == LM_OK && memcmp(old, hash, sizeof old) != 0) {
        return lm_fail(err, LM_ERR_EXISTS, "key_reused", strncmp(key, "id:", 3) == 0 ? "id" : "key",
                       "同一标识已用于另一内容", "The same id or key was used with other content");
    }
    return status;
}

static enum lm_status save_put(struct lm_store *store, const char *key, const char *id,
                               const uint8_t hash[32], struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_SAVE_PUT, err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, key);
    lm_bind_text(stmt, 2, id);
    lm_bind_blob(stmt, 3, hash, 32);
    return lm_query_run(store, stmt, err);
}

/* What "the same save" means: type, station and values, in the order of the catalogue. */
static enum lm_status content_hash(const struct lm_type *type, const char *station,
                                   const struct lm_fieldset *set, uint8_t out[32])
{
    struct lm_buf buf;
    enum lm_status status;

    lm_buf_init(&buf, 2 * LM_CHANGE_BYTES_MAX);
    lm_buf_printf(&buf, "%s|%s|", type->name, station);
    for (size_t f = 0; f < type->n_fields; f++) {
        const struct lm_value *value = lm_fieldset_get(set, (int)f);

        if (value && !lm_value_is_null(value)) {
            lm_buf_printf(&buf, "%s=", type->fields[f].name);
            lm_value_pack(&buf, value);
        }
    }
    status = buf.status;
    if (status == LM_OK) {
        lm_hash(out, buf.data, buf.len, NULL, 0, NULL, 0);
    }
    lm_buf_free(&buf);
    return status;
}

/* ---- acts ---- */

static enum lm_status fill_visit(struct lm_store *store, const struct lm_type *type,
                                 struct lm_fieldset *set, struct lm_arena *arena)
{
    const struct lm_field *persons, *category;
    const struct lm_value *value;
    struct lm_value filled;
    enum lm_status status;

    if (strcmp(type->name, "visit") != 0) {
        return LM_OK;
    }
    persons = lm_type_field(type, "persons");
    category = lm_type_field(type, "category_at_visit");
    value = persons ? lm_fieldset_get(set, persons->index) : NULL;
    if (!value || !category || lm_fieldset_get(set, category->index)) {
        return LM_OK;
    }
    status = lm_visit_categories(store->catalog, value, &store->lookup, arena, &filled);
    if (status == LM_OK) {
        lm_fieldset_put(set, category->index, filled);
    }
    return status;
}

/* A record is deleted by deleting it: a reason set like a value would stand in a live record. */
static enum lm_status no_deletion(const struct lm_type *type, const struct lm_record *before,
                                  const struct lm_fieldset *set, struct lm_error *err)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct lm_field *f = &type->fields[set->index[i]];

        if (f->group == LM_GROUP_DELETED && (before || !lm_value_is_null(&set->value[i]))) {
            return lm_fail(err, LM_ERR_INVALID, "use_delete", f->name,
                           "“%s”不能当作内容填写：要删除请用“删除”，要恢复请用“恢复”。%.0s",
                           "%.0sThe field %s is not set like a value: delete the record, or bring "
                           "it back.",
                           f->zh, f->name);
        }
    }
    return LM_OK;
}

static enum lm_status first_refusal(const struct lm_act_result *out, struct lm_error *err)
{
    const struct lm_error *why = lm_issues_first_refusal(&out->issues);

    if (!why) {
        return LM_OK;
    }
    if (err) {
        *err = *why;
    }
    return lm_denied_code(why->code) ? LM_ERR_DENIED : LM_ERR_INVALID;
}

static enum lm_status read_fields(struct lm_store *store, const struct lm_act *act,
                                  const struct lm_type *type, struct lm_arena *arena,
                                  struct lm_fieldset *set, struct lm_act_result *out,
                                  struct lm_error *err)
{
    enum lm_status status = LM_OK;

    memset(set, 0, sizeof *set);
    if (act->fields && act->by_system) { /* what the program sets, nobody types: canonical values,
                                            the hub's own fields too */
        struct lm_value map;

        status = lm_value_from_json(arena, act->fields, &map);
        if (status == LM_OK) {
            status = lm_fields_check(store->catalog, type, &map, arena, set, &out->issues);
        }
    } else if (act->fields) {
        status = lm_fields_from_json(store->catalog, type, act->fields, arena, set, &out->issues);
    }
    if (status == LM_OK || status == LM_ERR_INVALID) {
        enum lm_status refused = first_refusal(out, err);
        return refused != LM_OK ? refused : status;
    }
    return status;
}

static enum lm_status new_id(struct lm_store *store, const struct lm_act *act, int64_t now_ms,
                             char out[40], struct lm_error *err)
{
    const char *type;

    if (!act->id) {
        lm_uuid_v7(&store->rnd, now_ms, out);
        return LM_OK;
    }
    if (!lm_uuid_is_v7(act->id, strlen(act->id))) {
        return lm_fail(err, LM_ERR_INVALID, "bad_uuid", "id", "记录标识不是UUIDv7",
                       "The record's id is not a UUIDv7");
    }
    uint8_t bytes[16];
    if (!lm_uuid_parse(act->id, strlen(act->id), bytes)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_uuid", "id", "记录标识不是UUIDv7",
                       "The record's id is not a UUIDv7");
    }
    lm_uuid_format(bytes, out);
    type = lm_store_type_of(store, out);
    return type ? lm_fail(err, LM_ERR_EXISTS, "key_reused", "id", "这个标识已有记录",
                          "There is a record of this id already")
                : LM_OK;
}

/* Merging villages has a preview, a reason and consequences that are checked: it is not one more
 * field that anybody sets who may edit an area. Taking it out again is; and a village that has no
 * station here ended before there was anything to move. */
static enum lm_status check_merger(struct lm_store *store, const struct lm_act *act,
                                   const struct lm_type *type, const struct lm_record *before,
                                   const struct lm_fieldset *set, struct lm_error *err)
{
    /* with the code, an ended area without a station would become one that has */
    static const char *const ending[] = {"end_kind", "valid_to", "successor_code", "code"};
    const struct lm_field *kind = lm_type_field(type, "end_kind");
    const struct lm_field *code = lm_type_field(type, "code");
    const struct lm_value *value;
    struct lm_station station;
    const char *village;
    bool touched = false, merged;

    if (act->merging || strcmp(type->name, "area_unit") != 0 || !kind) {
        return LM_OK;
    }
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
        const struct lm_field *field = lm_type_field(type, ending[i]);

        touched = touched || (field && lm_fieldset_get(set, field->index));
    }
    value = lm_fieldset_get(set, kind->index);
    merged = value ? lm_value_is(value, "merged")
                   : before && strcmp(lm_text_of(before, "end_kind"), "merged") == 0;
    value = code ? lm_fieldset_get(set, code->index) : NULL;
    village = value && value->kind == LM_TEXT ? value->text
              : before                        ? lm_text_of(before, "code")
                                              : "";
    return touched && merged && lm_store_station_get(store, village, &station) == LM_OK
               ? lm_fail(err, LM_ERR_DENIED, "use_merger", "end_kind",
                         "撤并请由管理员在“村站”里办理（或用 station merge），不能直接改这几项",
                         "Villages are merged by an administrator on the stations' page (or by "
                         "station merge), not by editing these fields")
               : LM_OK;
}

static enum lm_status create(struct lm_store *store, const struct lm_act *act, int64_t now_ms,
                             struct lm_arena *arena, struct lm_act_result *out,
                             struct lm_error *err)
{
    const struct lm_type *type = act->type ? lm_catalog_type(store->catalog, act->type) : NULL;
    const char *station = act->station && act->station[0] ? act->station : store->town.code;
    const struct lm_own own = {.user = act->user ? act->user : "",
                               .station = station,
                               .by = act->by_system ? LM_BY_SYSTEM : LM_BY_TOWN,
                               .op = LM_OP_CREATE};
    struct lm_station there;
    struct lm_fieldset set;
    char id_key[64], key[8 + 4 * LM_KEY_CHARS_MAX + 1];
    uint8_t hash[32];
    bool found = false;
    enum lm_status status;

    if (!type) {
        return lm_fail(err, LM_ERR_INVALID, "unknown_type", "type", "没有这种记录：%.40s",
                       "There is no record type %.40s", act->type ? act->type : "");
    }
    if (lm_store_station_get(store, station, &there) != LM_OK) {
        return lm_fail(err, LM_ERR_INVALID, "no_station", "station", "没有登记这个服务站：%.40s",
                       "No such station: %.40s", station);
    }
    status = read_fields(store, act, type, arena, &set, out, err);
    if (status == LM_OK) {
        status = no_deletion(type, NULL, &set, err);
    }
    if (status == LM_OK) {
        status = check_merger(store, act, type, NULL, &set, err);
    }
    if (status == LM_OK) {
        status = content_hash(type, station, &set, hash);
    }
    (void)snprintf(id_key, sizeof id_key, "id:%.40s", act->id ? act->id : "");
    (void)snprintf(key, sizeof key, "key:%s", act->key ? act->key : "");
    if (status == LM_OK && act->id) {
        status = save_look(store, id_key, hash, out->id, &found, err);
    }
    if (status == LM_OK && !found && act->key) {
        status = save_look(store, key, hash, out->id, &found, err);
    }
    if (status != LM_OK || found) {
        out->repeated = found && status == LM_OK;
        return status;
    }
    status = new_id(store, act, now_ms, out->id, err);
    if (status == LM_OK) {
        status = fill_visit(store, type, &set, arena);
    }
    if (status == LM_OK) {
        status = lm_residency_fill(store, act, type, NULL, &set, arena, out, err);
    }
    if (status == LM_OK && !lm_fieldset_get(&set, LM_C_STATE) && type->default_state) {
        lm_fieldset_put(&set, LM_C_STATE, lm_value_text(type->default_state));
    }
    if (status == LM_OK) {
        status = lm_own_change(store, &own, type, out->id, NULL, &set, now_ms, out, err);
    }
    if (status == LM_OK && act->id) {
        status = save_put(store, id_key, out->id, hash, err);
    }
    if (status == LM_OK && act->key) {
        status = save_put(store, key, out->id, hash, err);
    }
    return status;
}

static void drop_unchanged(const struct lm_record *rec, struct lm_fieldset *set)
{
    size_t n = 0;

    for (size_t i = 0; i < set->n; i++) {
        if (!lm_value_equal(&set->value[i], &rec->fields[set->index[i]])) {
            set->index[n] = set->index[i];
            set->value[n++] = set->value[i];
        }
    }
    set->n = n;
}

static enum lm_status change_record(struct lm_store *store, const struct lm_act *act,
                                    int64_t now_ms, struct lm_arena *arena,
                                    struct lm_act_result *out, struct lm_error *err)
{
    const struct lm_own own = {.user = act->user ? act->user : "",
                               .by = act->by_system ? LM_BY_SYSTEM : LM_BY_TOWN,
                               .op = act->op};
    const char *name = act->id ? lm_store_type_of(store, act->id) : NULL;
    const struct lm_type *type = name ? lm_catalog_type(store->catalog, name) : NULL;
    struct lm_record *before = NULL;
    struct lm_fieldset set;
    enum lm_status status =
        type ? lm_tables_get(store->tables, arena, type, act->id, &before) : LM_ERR_NOT_FOUND;

    if (status == LM_ERR_NOT_FOUND) {
        return lm_fail(err, status, "no_such_record", "id", "没有这条记录",
                       "There is no such record");
    }
    if (status != LM_OK) {
        return status;
    }
    (void)snprintf(out->id, sizeof out->id, "%s", before->id);
    if (strcmp(type->name, "report_snapshot") == 0 &&
        strcmp(lm_record_text(before, LM_C_STATE), "locked") == 0) {
        return lm_fail(err, LM_ERR_DENIED, "signed", "state",
                       "已签发的总结不能再改，请另做新的一版",
                       "A signed summary never changes: make another version");
    }
    if (store->judging_periods && lm_period_takes(type) &&
        strcmp(lm_record_text(before, LM_C_STATE), "locked") == 0) {
        return lm_fail(err, LM_ERR_DENIED, "locked", "state",
                       "所在的报告期已锁定，不能再改；请先解锁，或另录一条更正。",
                       "Its reporting period is locked: open it first, or enter a correction.");
    }
    status = read_fields(store, act, type, arena, &set, out, err);
    if (status == LM_OK && act->op == LM_OP_EDIT) {
        status = fill_visit(store, type, &set, arena);
        if (status == LM_OK) {
            status = lm_residency_fill(store, act, type, before, &set, arena, out, err);
        }
        drop_unchanged(before, &set);
        status = status == LM_OK ? no_deletion(type, before, &set, err) : status;
        status = status == LM_OK ? check_merger(store, act, type, before, &set, err) : status;
    }
    if (status != LM_OK) {
        return status;
    }
    if ((act->op == LM_OP_EDIT && set.n == 0) ||
        (act->op == LM_OP_DELETE && lm_record_deleted(before)) ||
        (act->op == LM_OP_UNDELETE && !lm_record_deleted(before))) {
        out->repeated = true;
        return LM_OK;
    }
    return lm_own_change(store, &own, type, before->id, before, &set, now_ms, out, err);
}

static enum lm_status do_act(struct lm_store *store, const struct lm_act *act, int64_t now_ms,
                             struct lm_act_result *out, struct lm_error *err)
{
    struct lm_arena arena;
    enum lm_status status;

    lm_arena_init(&arena, ACT_ARENA_MAX);
    status = act->op == LM_OP_CREATE ? create(store, act, now_ms, &arena, out, err)
                                     : change_record(store, act, now_ms, &arena, out, err);
    lm_arena_free(&arena);
    return status;
}

/* ---- changes of residence, and what villages ask for ---- */

static bool is_of(struct lm_store *store, const struct lm_act *act, const char *name)
{
    const char *type = act->op == LM_OP_CREATE            ? act->type
                       : act->op == LM_OP_EDIT && act->id ? lm_store_type_of(store, act->id)
                                                          : NULL;

    return type && strcmp(type, name) == 0;
}

static enum lm_status act_on_event(struct lm_store *store, const struct lm_act *act, int64_t now_ms,
                                   struct lm_act_result *out, struct lm_error *err)
{
    bool before = false, after = false;
    enum lm_status status =
        act->op == LM_OP_EDIT ? lm_residency_in_force(store, act->id, &before) : LM_OK;

    if (status == LM_OK) {
        status = do_act(store, act, now_ms, out, err);
    }
    if (status == LM_OK && !out->repeated) {
        status = lm_residency_in_force(store, out->id, &after);
    }
    if (status == LM_OK && !before && after) {
        status = lm_residency_follow(store, act->user ? act->user : "", out->id, now_ms, out, err);
    }
    if (status == LM_OK && before && !after && !out->repeated && !act->by_system) {
        lm_issue_add(&out->issues, LM_REFUSE, "in_force", "state",
                     "这次变动已经生效，不能退回；有误请登记“恢复”或反向转移",
                     "It has taken effect: enter a restoration or a transfer back instead");
        status = first_refusal(out, err);
    }
    return status;
}

static enum lm_status act_on_request(struct lm_store *store, const struct lm_act *act,
                                     int64_t now_ms, struct lm_act_result *out,
                                     struct lm_error *err)
{
    const struct lm_type *type = lm_catalog_type(store->catalog, LM_REQUEST_TYPE);
    struct lm_record *before = NULL;
    struct lm_arena arena;
    bool was = false, is = false;
    enum lm_status status = LM_OK;

    lm_arena_init(&arena, ACT_ARENA_MAX);
    if (act->op == LM_OP_EDIT) {
        status = lm_tables_get(store->tables, &arena, type, act->id, &before);
        status = status == LM_ERR_NOT_FOUND ? LM_OK : status; /* the act says it */
        status = status == LM_OK ? lm_request_agreed(store, act->id, &was) : status;
    }
    if (status == LM_OK) {
        status = do_act(store, act, now_ms, out, err);
    }
    if (status == LM_OK && !out->repeated) {
        status = lm_request_agreed(store, out->id, &is);
        if (status == LM_OK && was && before && !act->by_system) {
            status = lm_request_stays(store, before, out, err);
        } else if (status == LM_OK && is && !was) {
            status =
                lm_request_follow(store, act->user ? act->user : "", out->id, now_ms, out, err);
        }
    }
    lm_arena_free(&arena);
    return status;
}

/* The type that the act is about, or NULL. */
static const char *type_of(struct lm_store *store, const struct lm_act *act)
{
    return act->op == LM_OP_CREATE ? act->type : act->id ? lm_store_type_of(store, act->id) : NULL;
}

/* What the program does by itself (locks of a period, a merger) has been judged where it began. */
static bool has_rules(struct lm_store *store, const struct lm_act *act)
{
    return !act->by_system && !act->merging && lm_rules_has(type_of(store, act));
}

static enum lm_status act_by_rules(struct lm_store *store, const struct lm_act *act, int64_t now_ms,
                                   struct lm_act_result *out, struct lm_error *err)
{
    enum lm_status status = lm_rules_before(store, act, err);

    if (status == LM_OK) {
        status = do_act(store, act, now_ms, out, err);
    }
    return status == LM_OK && !out->repeated
               ? lm_rules_after(store, act, out->id, &out->issues, err)
               : status;
}

/* The act with its rules and all that follows from it, or nothing. */
static enum lm_status act_whole(struct lm_store *store, const struct lm_act *act, int64_t now_ms,
                                struct lm_act_result *out, struct lm_error *err)
{
    struct lm_store_state state = store->state;
    enum lm_status status = lm_query_do(store, LM_Q_SAVEPOINT_ACT, err);

    if (status != LM_OK) {
        return status;
    }
    status = has_rules(store, act)                ? act_by_rules(store, act, now_ms, out, err)
             : is_of(store, act, LM_REQUEST_TYPE) ? act_on_request(store, act, now_ms, out, err)
                                                  : act_on_event(store, act, now_ms, out, err);
    if (status == LM_OK) {
        return lm_query_do(store, LM_Q_RELEASE_ACT, err);
    }
    store->state = state;
    store->mergers_known = false;
    if (lm_query_do(store, LM_Q_BACK_ACT, NULL) != LM_OK ||
        lm_query_do(store, LM_Q_RELEASE_ACT, NULL) != LM_OK) {
        return lm_is_fatal(status) ? status : LM_ERR_IO;
    }
    return status;
}

enum lm_status lm_store_act(struct lm_store *store, const struct lm_act *act, int64_t now_ms,
                            struct lm_act_result *out, struct lm_error *err)
{
    size_t chars = 0;
    bool nested = store->acting;
    enum lm_status status;

    memset(out, 0, sizeof *out);
    lm_issues_init(&out->issues);
    if (act->user &&
        (!lm_utf8_valid(act->user, strlen(act->user), &chars) || chars > LM_USER_CHARS_MAX)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_text", "user", "账号名太长",
                       "The user's name is too long");
    }
    if (act->key && (!lm_utf8_valid(act->key, strlen(act->key), &chars) || chars == 0 ||
                     chars > LM_KEY_CHARS_MAX)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_text", "key", "key 应为 1 至 80 个字符",
                       "A key has 1 to 80 characters");
    }
    store->acting = true;
    store->judging_periods = !nested && !act->by_system && !act->merging;
    status = has_rules(store, act) || is_of(store, act, "residency_event") ||
                     is_of(store, act, LM_REQUEST_TYPE)
                 ? act_whole(store, act, now_ms, out, err)
                 : do_act(store, act, now_ms, out, err);
    store->judging_periods = false;
    store->acting = nested;
    return status == LM_OK && !nested ? lm_periods_settle(store, err) : status;
}
