/* A station and the records that go with it: its area_unit, its office's area_unit, and its station
 * row, all changes of the hub. */
#include "hub/store/store_internal.h"

#include <stdio.h>
#include <string.h>

/* The registry is not told since when a village exists; it did before its first record, and figures
 * of years past count it. Town staff may set the true date. */
#define SINCE_LONG "2000-01-01"
#define STATION_SUFFIX "退役军人服务站"

enum {
    OFFICE_FIRST = 900,
    OFFICE_LAST = 999,
    NAME_CHARS_MAX = 60,
    SUFFIX_CHARS = 7,
    ROW_ARENA_MAX = 16 * 1024 * 1024
};

struct work {
    struct lm_store *store;
    struct lm_arena arena; /* records looked at */
    const char *user;
    int64_t now_ms;
    struct lm_error *err;
};

struct match {
    const char *field, *value; /* a further field that must fit, or NULL */
    const char *open;          /* a field that must be null */
    char id[40], code[16];
};

static bool take_match(void *arg, const struct lm_record *rec)
{
    struct match *m = arg;

    if (lm_text_of(rec, m->open)[0] ||
        (m->field && strcmp(lm_text_of(rec, m->field), m->value) != 0)) {
        return true;
    }
    (void)snprintf(m->id, sizeof m->id, "%s", rec->id);
    (void)snprintf(m->code, sizeof m->code, "%.12s", lm_text_of(rec, "code"));
    return false;
}

static enum lm_status find(struct work *w, const char *type, const char *field, const char *value,
                           struct match *m)
{
    m->id[0] = m->code[0] = '\0';
    return w->store->lookup.each(w->store->lookup.ctx, &w->arena, type, field, value, take_match,
                                 m);
}

static void put(struct lm_fieldset *set, const struct lm_type *type, const char *field,
                struct lm_value value)
{
    const struct lm_field *f = lm_type_field(type, field);

    if (f) {
        lm_fieldset_put(set, f->index, value);
    }
}

/* Makes the row of id "" or brings the fields of the one there up to date. */
static enum lm_status save_row(struct work *w, const struct lm_type *type, const char *id,
                               const char *village, struct lm_fieldset *set)
{
    struct lm_own own = {.user = w->user, .by = LM_BY_TOWN};
    struct lm_act_result out = {0};
    struct lm_record *before = NULL;
    char made[40];
    size_t n = 0;
    enum lm_status status;

    lm_issues_init(&out.issues);
    if (id[0] == '\0') {
        lm_uuid_v7(&w->store->rnd, w->now_ms, made);
        own.op = LM_OP_CREATE;
        own.station = village;
        return lm_own_change(w->store, &own, type, made, NULL, set, w->now_ms, &out, w->err);
    }
    status = lm_tables_get(w->store->tables, &w->arena, type, id, &before);
    if (status != LM_OK) {
        return status;
    }
    for (size_t i = 0; i < set->n; i++) {
        if (!lm_value_equal(&set->value[i], &before->fields[set->index[i]])) {
            set->index[n] = set->index[i];
            set->value[n++] = set->value[i];
        }
    }
    set->n = n;
    own.op = LM_OP_EDIT;
    return n == 0 ? LM_OK
                  : lm_own_change(w->store, &own, type, id, before, set, w->now_ms, &out, w->err);
}

static enum lm_status save_unit(struct work *w, const char *code, const char *name,
                                const char *level, const char *parent)
{
    const struct lm_type *type = lm_catalog_type(w->store->catalog, "area_unit");
    struct match m = {.open = "valid_to"};
    struct lm_fieldset set = {0};
    enum lm_status status;

    if (!type) {
        return LM_ERR_INTERNAL;
    }
    status = find(w, "area_unit", "code", code, &m);
    if (status != LM_OK) {
        return status;
    }
    put(&set, type, "name", lm_value_text(name));
    put(&set, type, "level", lm_value_text(level));
    put(&set, type, "parent_code", lm_value_text(parent));
    if (m.id[0] == '\0') {
        put(&set, type, "code", lm_value_text(code));
        put(&set, type, "valid_from", lm_value_text(SINCE_LONG));
        lm_fieldset_put(&set, LM_C_STATE, lm_value_text("verified"));
    }
    return save_row(w, type, m.id, code, &set);
}

static enum lm_status save_station(struct work *w, const struct lm_station *station)
{
    const struct lm_type *type = lm_catalog_type(w->store->catalog, "station");
    struct match m = {.open = "closed_on"};
    struct lm_fieldset set = {0};
    char name[sizeof station->name + sizeof STATION_SUFFIX];
    size_t chars = 0;
    bool suffixed = strstr(station->name, "服务站") != NULL ||
                    !lm_utf8_valid(station->name, strlen(station->name), &chars) ||
                    chars > NAME_CHARS_MAX - SUFFIX_CHARS;
    enum lm_status status;

    if (!type) {
        return LM_ERR_INTERNAL;
    }
    (void)snprintf(name, sizeof name, "%s%s", station->name, suffixed ? "" : STATION_SUFFIX);
    status = find(w, "station", "area_code", station->code, &m);
    if (status != LM_OK) {
        return status;
    }
    put(&set, type, "name", lm_value_text(name));
    put(&set, type, "level", lm_value_text(station->level));
    if (m.id[0] == '\0') {
        put(&set, type, "area_code", lm_value_text(station->code));
        put(&set, type, "has_office", lm_value_bool(false));
        put(&set, type, "has_fulltime", lm_value_bool(false));
        put(&set, type, "has_rules", lm_value_bool(false));
        lm_fieldset_put(&set, LM_C_STATE, lm_value_text("verified"));
    }
    return save_row(w, type, m.id, station->code, &set);
}

/* The office's code: the unit of that name, or a new one with the next free code under the town. */
static enum lm_status find_office(struct work *w, const char *name, char code[16])
{
    struct match m = {.field = "level", .value = "office", .open = "valid_to"};
    enum lm_status status = find(w, "area_unit", "name", name, &m);

    if (status != LM_OK) {
        return status;
    }
    if (m.code[0]) {
        (void)snprintf(code, 16, "%.12s", m.code);
        return LM_OK;
    }
    for (int n = OFFICE_FIRST; n <= OFFICE_LAST; n++) {
        struct match taken = {.open = "deleted_at"};

        (void)snprintf(code, 16, "%.9s%03u", w->store->town.code, (unsigned)n % 1000u);
        status = find(w, "area_unit", "code", code, &taken);
        if (status != LM_OK) {
            return status;
        }
        if (taken.id[0] == '\0') {
            return save_unit(w, code, name, "office", w->store->town.code);
        }
    }
    return lm_fail(w->err, LM_ERR_LIMIT, "too_many_offices", "office", "办事处代码已用完",
                   "There is no free code for an office left");
}

static enum lm_status put_row(struct work *w, const struct lm_station *station)
{
    struct sqlite3_stmt *stmt = lm_query(w->store, LM_Q_STATION_PUT, w->err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, station->code);
    lm_bind_text(stmt, 2, station->name);
    lm_bind_text(stmt, 3, station->level);
    lm_bind_text(stmt, 4, station->office_code);
    lm_bind_text(stmt, 5, station->office_name);
    return lm_query_run(w->store, stmt, w->err);
}

static enum lm_status check(struct lm_store *store, const struct lm_station *s,
                            struct lm_error *err)
{
    bool town = strcmp(s->code, store->town.code) == 0;

    if (strlen(s->code) != 12 || strspn(s->code, "0123456789") != 12) {
        return lm_fail(err, LM_ERR_INVALID, "bad_format", "code", "区划代码应为 12 位数字",
                       "A division code has 12 digits");
    }
    if (strcmp(s->level, "village") != 0 && strcmp(s->level, "town") != 0) {
        return lm_fail(err, LM_ERR_INVALID, "bad_code", "level", "level 只能是 village 或 town",
                       "The level is village or town");
    }
    if (town != (strcmp(s->level, "town") == 0)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_code", "level", "镇级站只有一个，代码与镇相同",
                       "There is one station of the town, with the town's code");
    }
    if (s->name[0] == '\0') {
        return lm_fail(err, LM_ERR_INVALID, "required", "name", "缺少名称", "A name is missing");
    }
    return LM_OK;
}

static bool same_station(const struct lm_station *a, const struct lm_station *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->level, b->level) == 0 &&
           strcmp(a->office_name, b->office_name) == 0;
}

static enum lm_status add_records(struct work *w, struct lm_station *s)
{
    const char *parent = w->store->town.code;
    char county[16];
    enum lm_status status = LM_OK;

    if (strcmp(s->level, "town") == 0) {
        (void)snprintf(county, sizeof county, "%.6s000000", s->code);
        parent = county;
    } else if (s->office_name[0]) {
        status = find_office(w, s->office_name, s->office_code);
        parent = s->office_code;
    }
    if (status == LM_OK) {
        status = put_row(w, s);
    }
    if (status == LM_OK) {
        status = save_unit(w, s->code, s->name, s->level, parent);
    }
    return status == LM_OK ? save_station(w, s) : status;
}

enum lm_status lm_store_station_add(struct lm_store *store, const char *user,
                                    const struct lm_station *station, int64_t now_ms,
                                    struct lm_error *err)
{
    struct work w = {.store = store, .user = user ? user : "", .now_ms = now_ms, .err = err};
    struct lm_station old = {.name = ""}, s = *station;
    enum lm_status status = check(store, &s, err);

    if (status != LM_OK) {
        return status;
    }
    s.office_code[0] = '\0';
    status = lm_store_station_get(store, s.code, &old);
    if (status == LM_OK && same_station(&old, &s)) {
        return LM_OK;
    }
    if (status != LM_OK && status != LM_ERR_NOT_FOUND) {
        return status;
    }
    char now[16];

    status = lm_merger_now(store, s.code, now, err);
    if (status == LM_OK && strcmp(now, s.code) != 0) {
        status = lm_fail(err, LM_ERR_DENIED, "merged", "code", "%s已撤并，不能再登记或改名",
                         "%s was merged: it can't be added or renamed", old.name);
    }
    if (status != LM_OK) {
        return status;
    }
    lm_arena_init(&w.arena, ROW_ARENA_MAX);
    status = add_records(&w, &s);
    lm_arena_free(&w.arena);
    return status;
}
