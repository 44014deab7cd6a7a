/* Many records: lists with filters, what belongs to a record, what waits for the town, what came
 * back. */
#include "node/api/api.h"

#include "common/pinyin.h"
#include "proto/request.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES (64 * 1024 * 1024)
#define PAGE_ARENA_BYTES (32 * 1024 * 1024)
#define WHERE_MAX 8
#define RELATED_ROWS_MAX 100
#define FILTER_BYTES_MAX 200
#define ROWS_WITH_RECORD 100 /* of what came back */
#define BIN_ROWS_MAX 200

/* ---- labels of what rows refer to ---- */

static void add_label(struct lm_api *api, struct lm_arena *arena, json_t *labels, const char *type,
                      const char *id)
{
    const struct lm_type *t = lm_catalog_type(lm_nstore_catalog(api->store), type);
    struct lm_record *rec = NULL;
    char label[LM_LABEL_BYTES];

    if (!t || json_object_get(labels, id) ||
        lm_tables_get(lm_nstore_tables(api->store), arena, t, id, &rec) != LM_OK) {
        return;
    }
    lm_node_label(api->store, api->english, rec, label);
    (void)json_object_set_new(labels, id, json_string(label));
}

/* "type:id" */
static void add_referred(struct lm_api *api, struct lm_arena *arena, json_t *labels,
                         const char *text)
{
    const char *colon = strchr(text, ':');
    char type[LM_NAME_BYTES_MAX + 1];

    if (colon && (size_t)(colon - text) < sizeof type) {
        (void)snprintf(type, sizeof type, "%.*s", (int)(colon - text), text);
        add_label(api, arena, labels, type, colon + 1);
    }
}

static void add_labels(struct lm_api *api, struct lm_arena *arena, json_t *labels,
                       const struct lm_record *rec)
{
    for (size_t i = 0; i < rec->type->n_fields; i++) {
        const struct lm_field *f = &rec->type->fields[i];
        const struct lm_value *v = &rec->fields[i];

        if (f->ftype == LM_F_REF && !f->is_list && v->kind == LM_TEXT) {
            add_referred(api, arena, labels, v->text);
        }
        if (f->ftype != LM_F_UUID || !f->ref || lm_value_is_null(v)) {
            continue;
        }
        if (!f->is_list) {
            add_label(api, arena, labels, f->ref, lm_record_text(rec, (int)i));
        }
        for (size_t k = 0; f->is_list && v->kind == LM_LIST && k < v->len; k++) {
            if (v->items[k].kind == LM_TEXT) {
                add_label(api, arena, labels, f->ref, v->items[k].text);
            }
        }
    }
}

/* ---- a list ---- */

struct row {
    char id[40];
    const char *key; /* what it is sorted by, in the arena */
};
struct listing {
    struct lm_api_call *call;
    struct lm_arena arena;
    struct row *rows;
    size_t n, size;
    struct lm_me me;
    const char *filter;  /* a part of any text, or NULL */
    const char **people; /* whom the filter finds as the search box does, in rising order */
    size_t n_people;
    int sort; /* field index */
    bool deleted, failed;
};

static bool contains(const struct lm_record *rec, const char *part)
{
    for (size_t i = LM_C_COUNT; i < rec->type->n_fields; i++) {
        const struct lm_value *v = &rec->fields[i];

        if (v->kind == LM_TEXT && strstr(v->text, part)) {
            return true;
        }
    }
    return false;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_found(const struct listing *l, const char *id)
{
    return l->n_people > 0 && bsearch(&id, l->people, l->n_people, sizeof *l->people, by_text);
}

/* The person himself, or a record that names him. */
static bool of_people(const struct listing *l, const struct lm_record *rec)
{
    if (l->n_people == 0 || strcmp(rec->type->name, "person") == 0) {
        return is_found(l, rec->id);
    }
    for (size_t i = LM_C_COUNT; i < rec->type->n_fields; i++) {
        const struct lm_field *f = &rec->type->fields[i];
        const struct lm_value *v = &rec->fields[i];

        if (f->ftype != LM_F_UUID || !f->ref || strcmp(f->ref, "person") != 0) {
            continue;
        }
        if (v->kind == LM_TEXT && is_found(l, v->text)) {
            return true;
        }
        for (size_t k = 0; v->kind == LM_LIST && k < v->len; k++) {
            if (v->items[k].kind == LM_TEXT && is_found(l, v->items[k].text)) {
                return true;
            }
        }
    }
    return false;
}

/* A text that sorts as the value does. */
static const char *sort_key(struct listing *l, const struct lm_record *rec)
{
    const struct lm_value *v = &rec->fields[l->sort];

    if (v->kind == LM_INT) {
        return lm_arena_printf(&l->arena, "%020llu",
                               (unsigned long long)v->i + (1ull << 63)); /* negative ones first */
    }
    return v->kind == LM_TEXT ? lm_arena_text(&l->arena, v->text, strlen(v->text)) : "";
}

bool lm_api_is_for(const struct lm_record *rec, const char *station)
{
    const struct lm_value *codes =
        strcmp(rec->type->name, "notice") == 0 ? lm_record_get(rec, "stations") : NULL;
    bool found = !codes || codes->kind != LM_LIST || codes->len == 0;

    for (size_t i = 0; !found && i < codes->len; i++) {
        found = codes->items[i].kind == LM_TEXT && strcmp(codes->items[i].text, station) == 0;
    }
    return found;
}

static bool take_row(void *arg, const struct lm_record *rec)
{
    struct listing *l = arg;

    if (lm_record_deleted(rec) != l->deleted || !lm_api_is_for(rec, l->me.station) ||
        (l->filter && !contains(rec, l->filter) && !of_people(l, rec))) {
        return true;
    }
    if (l->n == l->size) {
        size_t size = l->size ? 2 * l->size : 256;
        struct row *rows = realloc(l->rows, size * sizeof *rows);

        if (!rows) {
            l->failed = true;
            return false;
        }
        l->rows = rows;
        l->size = size;
    }
    (void)snprintf(l->rows[l->n].id, sizeof l->rows[l->n].id, "%s", rec->id);
    l->rows[l->n].key = sort_key(l, rec);
    l->failed = !l->rows[l->n].key;
    l->n++;
    return !l->failed;
}

static int by_key(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int c = strcmp(x->key, y->key);

    return c ? c : strcmp(x->id, y->id);
}

static int by_key_zh(const void *a, const void *b, void *pinyin)
{
    const struct row *x = a, *y = b;
    int c = lm_pinyin_compare(pinyin, x->key, y->key);

    return c ? c : strcmp(x->id, y->id);
}

static enum lm_status sort_rows(struct listing *l, const struct lm_field *f, bool down)
{
    struct lm_pinyin *pinyin = NULL;
    enum lm_status st;

    if (l->n < 2) {
        return LM_OK;
    }
    if (f->ftype == LM_F_TEXT) {
        st = lm_pinyin_open(&pinyin, &l->call->err);
        if (st != LM_OK) {
            return st;
        }
        qsort_r(l->rows, l->n, sizeof *l->rows, by_key_zh, pinyin);
        lm_pinyin_close(&pinyin);
    } else {
        qsort(l->rows, l->n, sizeof *l->rows, by_key);
    }
    for (size_t i = 0; down && i < l->n / 2; i++) {
        struct row other = l->rows[i];

        l->rows[i] = l->rows[l->n - 1 - i];
        l->rows[l->n - 1 - i] = other;
    }
    return LM_OK;
}

/* "sort=name", "sort=-visited_on"; without it people by name, the rest by their date, the newest
 * first. */
static enum lm_status take_sort(struct lm_api_call *call, const struct lm_type *type,
                                const struct lm_field **field_out, bool *down_out)
{
    const char *text = call->request->query(call->request, "sort");
    const struct lm_field *f;

    *field_out = strcmp(type->name, "person") == 0 ? lm_type_field(type, "name") : NULL;
    *down_out = !*field_out;
    if (!*field_out) {
        *field_out = &type->fields[type->reporting_date];
    }
    if (!text) {
        return LM_OK;
    }
    *down_out = text[0] == '-';
    f = lm_type_field(type, text + *down_out);
    if (!f || f->is_list || f->ftype == LM_F_MAP) {
        return lm_fail(&call->err, LM_ERR_INVALID, "bad_sort", "sort", "不能按“%.60s”排序。",
                       "The list cannot be sorted by \"%.60s\".", text);
    }
    *field_out = f;
    return LM_OK;
}

/* f.NAME=VALUE of the query. */
static enum lm_status take_where(struct lm_api_call *call, const struct lm_type *type,
                                 struct lm_where *where, size_t *n_out)
{
    char name[80];

    *n_out = 0;
    for (size_t i = 0; i < type->n_fields; i++) {
        const char *value;

        (void)snprintf(name, sizeof name, "f.%s", type->fields[i].name);
        value = call->request->query(call->request, name);
        if (value && *n_out == WHERE_MAX) {
            return lm_fail(&call->err, LM_ERR_LIMIT, "limit", type->fields[i].name,
                           "筛选条件最多 %d 个。", "At most %d conditions.", WHERE_MAX);
        }
        if (value) {
            where[(*n_out)++] = (struct lm_where){.field = type->fields[i].name, .value = value};
        }
    }
    return LM_OK;
}

static enum lm_status find_type(struct lm_api_call *call, const struct lm_type **out)
{
    *out = lm_catalog_shown(lm_nstore_catalog(call->api->store), call->request->params[0]);
    return *out ? LM_OK
                : lm_fail(&call->err, LM_ERR_NOT_FOUND, "unknown_type", "type",
                          "没有记录类型“%.40s”。", "No record type \"%.40s\".",
                          call->request->params[0]);
}

/* The rows from..from+n as JSON, with labels. */
static enum lm_status page_json(struct listing *l, const struct lm_type *type, size_t from,
                                size_t n, json_t *rows, json_t *labels)
{
    struct lm_api *api = l->call->api;
    struct lm_arena arena;
    enum lm_status st = LM_OK;

    lm_arena_init(&arena, PAGE_ARENA_BYTES);
    for (size_t i = from; st == LM_OK && i < l->n && i < from + n; i++) {
        struct lm_record *rec = NULL;

        lm_arena_reset(&arena);
        st = lm_tables_get(lm_nstore_tables(api->store), &arena, type, l->rows[i].id, &rec);
        if (st == LM_OK) {
            (void)json_array_append_new(rows, lm_api_record(api, &l->me, rec));
            add_labels(api, &arena, labels, rec);
        }
        st = st == LM_ERR_NOT_FOUND ? LM_OK : st;
    }
    lm_arena_free(&arena);
    return st;
}

static enum lm_status collect(struct listing *l, const struct lm_type *type,
                              const struct lm_where *where, size_t n_where)
{
    enum lm_status st = lm_nstore_me(l->call->api->store, &l->me, &l->call->err);

    if (st == LM_OK) {
        st = lm_tables_list(lm_nstore_tables(l->call->api->store), NULL, type, NULL, where, n_where,
                            l->deleted, take_row, l, &l->call->err);
    }
    return st == LM_OK && l->failed ? lm_api_no_memory(l->call) : st;
}

static enum lm_status answer_page(struct listing *l, const struct lm_type *type, size_t from,
                                  size_t n)
{
    json_t *rows = json_array(), *labels = json_object();
    enum lm_status st = page_json(l, type, from, n, rows, labels);

    l->call->answer =
        json_pack("{s:o,s:o,s:I}", "records", rows, "labels", labels, "total", (json_int_t)l->n);
    return st != LM_OK || l->call->answer ? st : lm_api_no_memory(l->call);
}

enum lm_status lm_api_list(struct lm_api_call *call)
{
    struct listing l = {.call = call, .filter = call->request->query(call->request, "q")};
    struct lm_where where[WHERE_MAX];
    const char *deleted = call->request->query(call->request, "deleted");
    const struct lm_type *type;
    const struct lm_field *sort = NULL;
    char q[LM_API_QUERY_BYTES + 1];
    bool down = false;
    size_t n_where = 0;
    int64_t from = 0, n = 0;
    enum lm_status st = find_type(call, &type);

    if (st == LM_OK) {
        st = lm_api_number(call, "offset", 0, 10000000, 0, &from);
    }
    if (st == LM_OK) {
        st = lm_api_number(call, "limit", 1, LM_API_ROWS_MAX, LM_API_ROWS_DEFAULT, &n);
    }
    if (st == LM_OK) {
        st = take_sort(call, type, &sort, &down);
    }
    if (st == LM_OK) {
        st = take_where(call, type, where, &n_where);
    }
    if (st == LM_OK && l.filter && strlen(l.filter) > FILTER_BYTES_MAX) {
        st = lm_fail(&call->err, LM_ERR_LIMIT, "limit", "q", "查找的文字太长。",
                     "The text to look for is too long.");
    }
    if (st != LM_OK) {
        return st;
    }
    lm_arena_init(&l.arena, ARENA_BYTES);
    l.filter = l.filter && l.filter[0] ? l.filter : NULL;
    if (l.filter && lm_api_query(l.filter, q)) {
        st = lm_api_people(call, q, &l.people, &l.n_people);
    }
    l.deleted = deleted && strcmp(deleted, "1") == 0;
    l.sort = sort->index;
    if (st == LM_OK) {
        st = collect(&l, type, where, n_where);
    }
    if (st == LM_OK) {
        st = sort_rows(&l, sort, down);
    }
    if (st == LM_OK) {
        st = answer_page(&l, type, (size_t)from, (size_t)n);
    }
    free(l.people);
    free(l.rows);
    lm_arena_free(&l.arena);
    return st;
}

/* ---- what belongs to a record ---- */

static enum lm_status related_by(struct lm_api_call *call, const struct lm_type *type,
                                 const struct lm_field *f, const char *id, json_t *groups,
                                 json_t *labels)
{
    struct listing l = {.call = call, .sort = type->reporting_date};
    const struct lm_where where = {.field = f->name, .value = id};
    json_t *rows = json_array();
    enum lm_status st;

    lm_arena_init(&l.arena, ARENA_BYTES);
    st = collect(&l, type, &where, 1);
    if (st == LM_OK) {
        st = sort_rows(&l, &type->fields[type->reporting_date], true);
    }
    if (st == LM_OK && l.n > 0) {
        st = page_json(&l, type, 0, RELATED_ROWS_MAX, rows, labels);
        (void)json_array_append_new(groups,
                                    json_pack("{s:s,s:s,s:I,s:O}", "type", type->name, "field",
                                              f->name, "total", (json_int_t)l.n, "records", rows));
    }
    json_decref(rows);
    free(l.rows);
    lm_arena_free(&l.arena);
    return st;
}

enum lm_status lm_api_related(struct lm_api_call *call)
{
    const struct lm_catalog *catalog = lm_nstore_catalog(call->api->store);
    json_t *groups = json_array(), *labels = json_object();
    char id[LM_UUID_TEXT + 1], target[LM_NAME_BYTES_MAX + LM_UUID_TEXT + 2];
    const struct lm_type *of = NULL;
    enum lm_status st = lm_api_id(call, 0, id);

    if (st == LM_OK && !lm_type_shown(of = lm_nstore_type_of(call->api->store, id))) {
        st = lm_fail(&call->err, LM_ERR_NOT_FOUND, "not_found", "id", "没有这条记录。",
                     "There is no such record.");
    }
    for (size_t t = 0; st == LM_OK && t < catalog->n_types; t++) {
        const struct lm_type *type = &catalog->types[t];

        for (size_t i = lm_type_shown(type) ? LM_C_COUNT : type->n_fields;
             st == LM_OK && i < type->n_fields; i++) {
            const struct lm_field *f = &type->fields[i];

            if (f->ftype == LM_F_UUID && f->ref && strcmp(f->ref, of->name) == 0) {
                st = related_by(call, type, f, id, groups, labels);
            } else if (f->ftype == LM_F_REF && lm_is_request(type)) {
                (void)snprintf(target, sizeof target, "%s:%s", of->name, id);
                st = related_by(call, type, f, target, groups, labels);
            }
        }
    }
    call->answer = json_pack("{s:o,s:o}", "groups", groups, "labels", labels);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

/* ---- what waits for the town, and what came back ---- */

/* The last who changed it on this PC. */
static void take_user(void *arg, json_t *change)
{
    if (!json_object_get(change, "hub")) {
        (void)json_object_set(arg, "user", json_object_get(change, "user"));
    }
}

/* A row with what the record is called; and the record as it stands, for labels not NULL. */
static enum lm_status name_row(struct lm_api *api, const struct lm_me *me, json_t *row,
                               json_t *labels, struct lm_error *err)
{
    const char *id = json_string_value(json_object_get(row, "id"));
    const struct lm_type *type = id ? lm_nstore_type_of(api->store, id) : NULL;
    struct lm_record *rec = NULL;
    struct lm_arena arena;
    char label[LM_LABEL_BYTES] = "";
    enum lm_status st = LM_OK;

    lm_arena_init(&arena, PAGE_ARENA_BYTES);
    if (type && lm_tables_get(lm_nstore_tables(api->store), &arena, type, id, &rec) == LM_OK) {
        lm_node_label(api->store, api->english, rec, label);
        if (labels) {
            (void)json_object_set_new(row, "record", lm_api_record(api, me, rec));
            add_labels(api, &arena, labels, rec);
            st = lm_nstore_history(api->store, id, take_user, row, NULL, err);
        }
    }
    (void)json_object_set_new(row, "label", json_string(label));
    lm_arena_free(&arena);
    return st;
}

static void add_row(void *arg, json_t *row)
{
    (void)json_array_append(arg, row);
}

/* with_records: those of the first ROWS_WITH_RECORD rows, as much as anybody reads at once. */
static enum lm_status answer_rows(struct lm_api_call *call, enum lm_status st, json_t *rows,
                                  bool with_records)
{
    json_t *row, *labels = with_records ? json_object() : NULL;
    struct lm_me me;
    size_t i;

    if (st == LM_OK) {
        st = lm_nstore_me(call->api->store, &me, &call->err);
    }
    json_array_foreach(rows, i, row)
    {
        if (st == LM_OK) {
            st = name_row(call->api, &me, row, i < ROWS_WITH_RECORD ? labels : NULL, &call->err);
        }
    }
    call->answer = json_pack("{s:o,s:o*}", "records", rows, "labels", labels);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

enum lm_status lm_api_returned(struct lm_api_call *call)
{
    json_t *rows = json_array();
    enum lm_status st = lm_nstore_returned(call->api->store, add_row, rows, NULL, &call->err);

    return answer_rows(call, st, rows, true);
}

static void add_conflict(void *arg, const char *id, const char *type)
{
    (void)json_array_append_new(arg, json_pack("{s:s,s:s}", "id", id, "type", type));
}

enum lm_status lm_api_conflicts(struct lm_api_call *call)
{
    json_t *rows = json_array();
    enum lm_status st = lm_nstore_conflict_records(call->api->store, LM_API_ROWS_MAX, add_conflict,
                                                   rows, &call->err);

    return answer_rows(call, st, rows, false);
}

static bool add_pending(void *arg, const char *id, const char *type, uint64_t n, const char *user,
                        int64_t at_ms)
{
    char at[LM_TIME_TEXT + 8];

    lm_time_format(at_ms, at);
    return json_array_append_new(arg,
                                 json_pack("{s:s,s:s,s:I,s:s,s:s}", "id", id, "type", type,
                                           "changes", (json_int_t)n, "user", user, "at", at)) == 0;
}

enum lm_status lm_api_pending(struct lm_api_call *call)
{
    json_t *rows = json_array();
    enum lm_status st =
        lm_nstore_pending_records(call->api->store, LM_API_ROWS_MAX, add_pending, rows, &call->err);

    return answer_rows(call, st, rows, false);
}

/* ---- the recycle bin ---- */

struct deleted {
    char id[40], at[LM_TIME_TEXT + 8];
    const struct lm_type *type;
};
struct bin {
    struct deleted *rows;
    size_t n, size;
};

static bool add_deleted(void *arg, const struct lm_type *type, const char *id, const char *at)
{
    struct bin *bin = arg;

    if (bin->n == bin->size) {
        size_t size = bin->size ? 2 * bin->size : 64;
        struct deleted *rows = realloc(bin->rows, size * sizeof *rows);

        if (!rows) {
            return false;
        }
        bin->rows = rows;
        bin->size = size;
    }
    bin->rows[bin->n].type = type;
    (void)snprintf(bin->rows[bin->n].id, sizeof bin->rows[bin->n].id, "%s", id);
    (void)snprintf(bin->rows[bin->n].at, sizeof bin->rows[bin->n].at, "%s", at);
    bin->n++;
    return true;
}

static int newest_first(const void *a, const void *b)
{
    const struct deleted *x = a, *y = b;
    int c = strcmp(y->at, x->at);

    return c ? c : strcmp(x->id, y->id);
}

/* The last who deleted it, as far as this PC knows. */
static void take_deleter(void *arg, json_t *change)
{
    const char *op = json_string_value(json_object_get(change, "op"));

    if (op && strcmp(op, "delete") == 0) {
        (void)json_object_set(arg, "user", json_object_get(change, "user"));
    }
}

static enum lm_status bin_row(struct lm_api_call *call, const struct lm_me *me,
                              const struct deleted *d, struct lm_arena *arena, json_t *rows,
                              json_t *labels)
{
    struct lm_record *rec = NULL;
    json_t *row;
    enum lm_status st;

    lm_arena_reset(arena);
    st = lm_tables_get(lm_nstore_tables(call->api->store), arena, d->type, d->id, &rec);
    if (st != LM_OK) {
        return st == LM_ERR_NOT_FOUND ? LM_OK : st;
    }
    row = json_pack("{s:o,s:s,s:s,s:b}", "record", lm_api_record(call->api, me, rec), "at", d->at,
                    "user", "", "town", rec->stamps[LM_GROUP_DELETED].version.replica == 0);
    st = lm_nstore_history(call->api->store, d->id, take_deleter, row, NULL, &call->err);
    add_labels(call->api, arena, labels, rec);
    (void)json_array_append_new(rows, row);
    return st;
}

/* Counted only. */
static bool pass_over(void *arg, const struct lm_type *type, const char *id, const char *at)
{
    (void)arg, (void)type, (void)id, (void)at;
    return true;
}

/* The newest max of the type asked for, or of every type; how many there are, by type. */
static enum lm_status collect_bin(struct lm_api_call *call, size_t max, struct bin *bin,
                                  json_t *types, size_t *total_out)
{
    const struct lm_catalog *catalog = lm_nstore_catalog(call->api->store);
    const char *only = call->request->query(call->request, "type");
    enum lm_status st = LM_OK;

    only = only && only[0] ? only : NULL;
    for (size_t i = 0; st == LM_OK && i < catalog->n_types; i++) {
        const struct lm_type *type = &catalog->types[i];
        bool asked = !only || strcmp(only, type->name) == 0;
        size_t n = 0;

        if (!(type->kept_by & LM_BY_VILLAGE)) {
            continue;
        }
        st = lm_nstore_deleted(call->api->store, type, asked ? max : 1,
                               asked ? add_deleted : pass_over, bin, &n, &call->err);
        if (n > 0) {
            (void)json_object_set_new(types, type->name, json_integer((json_int_t)n));
        }
        *total_out += asked ? n : 0;
    }
    if (bin->n > 1) {
        qsort(bin->rows, bin->n, sizeof *bin->rows, newest_first);
    }
    return st;
}

enum lm_status lm_api_bin(struct lm_api_call *call)
{
    json_t *rows = json_array(), *labels = json_object(), *types = json_object();
    struct bin bin = {NULL, 0, 0};
    struct lm_arena arena;
    struct lm_me me;
    size_t total = 0;
    int64_t from = 0, n = 0;
    enum lm_status st = lm_nstore_me(call->api->store, &me, &call->err);

    if (st == LM_OK) {
        st = lm_api_number(call, "offset", 0, 10000000, 0, &from);
    }
    if (st == LM_OK) {
        st = lm_api_number(call, "limit", 1, BIN_ROWS_MAX, BIN_ROWS_MAX, &n);
    }
    if (st == LM_OK) {
        st = collect_bin(call, (size_t)(from + n), &bin, types, &total);
    }
    lm_arena_init(&arena, PAGE_ARENA_BYTES);
    for (size_t i = (size_t)from; st == LM_OK && i < bin.n && i < (size_t)(from + n); i++) {
        st = bin_row(call, &me, &bin.rows[i], &arena, rows, labels);
    }
    lm_arena_free(&arena);
    free(bin.rows);
    call->answer = json_pack("{s:o,s:o,s:o,s:I}", "records", rows, "labels", labels, "types", types,
                             "total", (json_int_t)total);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}
