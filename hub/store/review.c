/* Rows for people: what was sent back, what waits, conflicts; and settling a conflict. */
#include "hub/store/store_internal.h"

#include "proto/pack.h"
#include "proto/prescan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_ARENA_MAX = 32 * 1024 * 1024, SIBLINGS_MAX = 1000 };

/* Rows are read with a statement of their own: what visit does may ask the store again. */
static enum lm_status open_list(struct lm_store *store, enum lm_query query,
                                struct sqlite3_stmt **out, struct lm_error *err)
{
    return lm_db_prepare(store->db, lm_query_sql[query], out, err);
}

static enum lm_status end_list(struct sqlite3_stmt *stmt, enum lm_status status)
{
    (void)sqlite3_finalize(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

/* ---- sent back, waiting ---- */

/* The fields of the change at a position, or an empty object. */
static json_t *fields_at(struct lm_store *store, uint64_t pos, struct lm_arena *arena)
{
    struct lm_jentry e;
    struct lm_change change;

    lm_arena_reset(arena);
    if (lm_journal_at(store, pos, arena, &e) != LM_OK ||
        lm_change_read(e.body, e.body_len, arena, &change, NULL) != LM_OK) {
        return json_object();
    }
    return lm_row_fields(lm_catalog_type(store->catalog, change.type), &change.fields);
}

static json_t *returned_row(struct lm_store *store, struct sqlite3_stmt *stmt,
                            struct lm_arena *arena)
{
    json_t *row = json_object();
    char id[40];

    if (!row) {
        return NULL;
    }
    lm_column_id(stmt, 3, id);
    lm_row_text(row, "id", id);
    lm_row_number(row, "position", (uint64_t)sqlite3_column_int64(stmt, 0));
    lm_row_text(row, "type", lm_column_str(stmt, 4));
    lm_row_text(row, "station", lm_column_str(stmt, 5));
    lm_row_text(row, "verdict", lm_verdict_name((enum lm_verdict)sqlite3_column_int(stmt, 6)));
    lm_row_text(row, "code", lm_column_str(stmt, 7));
    lm_row_text(row, "field", lm_column_str(stmt, 8));
    lm_row_text(row, "text", lm_column_str(stmt, 9));
    lm_row_text(row, "text_en", lm_column_str(stmt, 10));
    lm_row_text(row, "user", lm_column_str(stmt, 11));
    lm_row_time(row, "at", sqlite3_column_int64(stmt, 12));
    (void)json_object_set_new(row, "fields",
                              fields_at(store, (uint64_t)sqlite3_column_int64(stmt, 0), arena));
    return row;
}

static json_t *held_json(struct lm_store *store, struct sqlite3_stmt *stmt, struct lm_arena *arena)
{
    json_t *row = json_object();
    char id[40];

    (void)store;
    (void)arena;
    if (!row) {
        return NULL;
    }
    lm_column_id(stmt, 3, id);
    lm_row_number(row, "position", (uint64_t)sqlite3_column_int64(stmt, 0));
    lm_row_text(row, "id", id);
    lm_row_text(row, "type", lm_column_str(stmt, 4));
    lm_row_text(row, "station", lm_column_str(stmt, 5));
    lm_row_text(row, "code", lm_column_str(stmt, 6));
    lm_row_text(row, "text", lm_column_str(stmt, 7));
    lm_row_text(row, "text_en", lm_column_str(stmt, 8));
    lm_row_text(row, "waits_for", lm_column_str(stmt, 9));
    lm_row_time(row, "at", sqlite3_column_int64(stmt, 10));
    return row;
}

static json_t *group_json(struct lm_store *store, struct sqlite3_stmt *stmt, struct lm_arena *arena)
{
    json_t *row = json_object();

    (void)store;
    (void)arena;
    if (!row) {
        return NULL;
    }
    lm_row_text(row, "station", lm_column_str(stmt, 1));
    lm_row_text(row, "code", lm_column_str(stmt, 2));
    lm_row_text(row, "text", lm_column_str(stmt, 3));
    lm_row_text(row, "text_en", lm_column_str(stmt, 4));
    lm_row_time(row, "at", sqlite3_column_int64(stmt, 5));
    lm_row_number(row, "n", (uint64_t)sqlite3_column_int64(stmt, 6));
    lm_row_number(row, "through", (uint64_t)sqlite3_column_int64(stmt, 7));
    return row;
}

typedef json_t *(*make_row)(struct lm_store *store, struct sqlite3_stmt *stmt,
                            struct lm_arena *arena);

static enum lm_status run_list(struct lm_store *store, struct sqlite3_stmt *stmt, make_row make,
                               lm_row_visit visit, void *arg, struct lm_error *err)
{
    struct lm_arena arena;
    bool more = true;
    enum lm_status status = LM_OK;

    lm_arena_init(&arena, ROW_ARENA_MAX);
    while (more && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        json_t *row;

        lm_arena_reset(&arena);
        row = make(store, stmt, &arena);
        if (!row) {
            status = LM_ERR_MEMORY;
            break;
        }
        more = visit(arg, row);
        json_decref(row);
    }
    lm_arena_free(&arena);
    return end_list(stmt, status);
}

enum lm_status lm_store_returned(struct lm_store *store, const char *station, lm_row_visit visit,
                                 void *arg, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status status = open_list(store, LM_Q_RETURN_LIST, &stmt, err);

    if (status != LM_OK) {
        return status;
    }
    lm_bind_text(stmt, 1, station);
    return run_list(store, stmt, returned_row, visit, arg, err);
}

enum lm_status lm_store_returned_counts(struct lm_store *store,
                                        bool (*visit)(void *arg, const char *station, int64_t n),
                                        void *arg, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status status = open_list(store, LM_Q_RETURN_COUNTS, &stmt, err);
    bool more = status == LM_OK;

    if (status != LM_OK) {
        return status;
    }
    while (more && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        more = visit(arg, lm_column_str(stmt, 0), sqlite3_column_int64(stmt, 1));
    }
    return end_list(stmt, status);
}

enum lm_status lm_store_held(struct lm_store *store, lm_row_visit visit, void *arg,
                             struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status status = open_list(store, LM_Q_HELD_LIST, &stmt, err);

    return status == LM_OK ? run_list(store, stmt, held_json, visit, arg, err) : status;
}

enum lm_status lm_store_held_groups(struct lm_store *store, lm_row_visit visit, void *arg,
                                    struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status status = open_list(store, LM_Q_HELD_GROUPS, &stmt, err);

    return status == LM_OK ? run_list(store, stmt, group_json, visit, arg, err) : status;
}

/* ---- conflicts ---- */

enum lm_status lm_sibling_read(const void *data, size_t n, struct lm_arena *arena,
                               struct lm_value *out)
{
    struct lm_reader reader;
    enum lm_status status = lm_prescan(data, n, LM_NODES_MAX, NULL);

    if (status != LM_OK) {
        return status;
    }
    lm_reader_init(&reader, data, n);
    return lm_read_value(&reader, arena, out) ? LM_OK : LM_ERR_CORRUPT;
}

static const char *group_label(const struct lm_type *type, int group)
{
    const char *label = NULL;
    size_t n = 0;

    for (size_t f = 0; f < type->n_fields; f++) {
        if (type->fields[f].group == group) {
            label = label ? label : type->fields[f].zh;
            n++;
        }
    }
    return n > 0 && label ? label : type->groups[group].name;
}

static bool find_change(struct lm_store *store, const char *record, struct lm_version version,
                        struct lm_arena *arena, struct lm_jentry *e, struct lm_change *change)
{
    return lm_journal_find(store, arena, record, version, e) == LM_OK &&
           lm_change_read(e->body, e->body_len, arena, change, NULL) == LM_OK;
}

/* The newest of what is in the record, the deletion aside. */
static struct lm_version newest(const struct lm_record *rec)
{
    struct lm_version out = {0, 0};

    for (size_t g = 0; g < rec->type->n_groups; g++) {
        if (g != LM_GROUP_DELETED && lm_version_compare(rec->stamps[g].version, out) > 0) {
            out = rec->stamps[g].version;
        }
    }
    return out;
}

/* Over a deletion, of the side that keeps the record: what was changed in it, and by which change:
 * that edit, which is the version itself where it came to a deleted record, and where the deletion
 * came to an edited one is not. */
static struct lm_version put_kept(struct lm_store *store, const struct lm_record *rec,
                                  struct lm_version version, struct lm_arena *arena, json_t *row)
{
    struct lm_jentry e;
    struct lm_change change;
    bool known = find_change(store, rec->id, version, arena, &e, &change);

    if (!known || change.op != LM_OP_EDIT) {
        version = newest(rec);
        known = find_change(store, rec->id, version, arena, &e, &change);
    }
    (void)json_object_set_new(row, "changed",
                              known && change.op == LM_OP_EDIT
                                  ? lm_row_fields(rec->type, &change.fields)
                                  : json_object());
    return version;
}

static void put_author(struct lm_store *store, json_t *row, const char *record,
                       struct lm_version version, struct lm_arena *arena)
{
    struct lm_jentry e;
    struct lm_change change;

    if (find_change(store, record, version, arena, &e, &change)) {
        lm_row_text(row, "user", change.user);
        lm_row_text(row, "station", e.station);
        lm_row_time(row, "at", lm_jentry_made_ms(&e, &change));
    } else {
        lm_row_text(row, "user", "");
        lm_row_text(row, "station", "");
        lm_row_time(row, "at", lm_hlc_ms(version.hlc));
    }
}

static json_t *siblings_json(struct lm_store *store, const struct lm_type *type,
                             const struct lm_record *rec, int64_t pos, const char *group,
                             struct lm_arena *arena)
{
    struct sqlite3_stmt *stmt = NULL;
    json_t *list = json_array();
    int g = lm_type_group(type, group, strlen(group));

    if (!list || open_list(store, LM_Q_SIBLING_LIST, &stmt, NULL) != LM_OK) {
        return list;
    }
    (void)sqlite3_bind_int64(stmt, 1, pos);
    lm_bind_text(stmt, 2, group);
    while (json_array_size(list) < SIBLINGS_MAX && lm_query_step(store, stmt, NULL) == LM_OK) {
        json_t *row = json_object();
        struct lm_value value;
        struct lm_version version = {.hlc = (uint64_t)sqlite3_column_int64(stmt, 1),
                                     .replica = (uint64_t)sqlite3_column_int64(stmt, 2)};
        struct lm_version by = version;

        lm_row_number(row, "n", (uint64_t)sqlite3_column_int64(stmt, 0));
        if (lm_sibling_read(sqlite3_column_blob(stmt, 3), (size_t)sqlite3_column_bytes(stmt, 3),
                            arena, &value) == LM_OK) {
            const struct lm_value *at = lm_value_member(&value, "deleted_at");

            (void)json_object_set_new(row, "value", lm_row_fields(type, &value));
            by = g == LM_GROUP_DELETED && (!at || lm_value_is_null(at))
                     ? put_kept(store, rec, version, arena, row)
                     : version;
        }
        put_author(store, row, rec->id, by, arena);
        (void)json_object_set_new(
            row, "stands",
            json_boolean(g >= 0 && lm_version_equal(rec->stamps[g].version, version)));
        (void)json_array_append_new(list, row);
    }
    (void)sqlite3_finalize(stmt);
    return list;
}

static json_t *conflict_row(struct lm_store *store, struct sqlite3_stmt *stmt,
                            struct lm_arena *arena)
{
    json_t *row = json_object();
    int64_t pos = sqlite3_column_int64(stmt, 0);
    char id[80], record[40];
    const char *group = lm_column_str(stmt, 3);
    const struct lm_type *type = lm_catalog_type(store->catalog, lm_column_str(stmt, 2));
    struct lm_record *rec = NULL;
    int g = type ? lm_type_group(type, group, strlen(group)) : -1;

    if (!row) {
        return NULL;
    }
    lm_column_id(stmt, 1, record);
    (void)snprintf(id, sizeof id, "%" PRId64 ".%.48s", pos, group);
    lm_row_text(row, "id", id);
    lm_row_text(row, "record", record);
    lm_row_text(row, "type", lm_column_str(stmt, 2));
    lm_row_text(row, "group", group);
    lm_row_text(row, "label", g >= 0 ? group_label(type, g) : group);
    lm_row_time(row, "at", sqlite3_column_int64(stmt, 4));
    if (type && lm_tables_get(store->tables, arena, type, record, &rec) == LM_OK) {
        lm_row_text(row, "village_code", lm_record_text(rec, LM_C_VILLAGE_CODE));
        (void)json_object_set_new(row, "siblings",
                                  siblings_json(store, type, rec, pos, group, arena));
    }
    return row;
}

struct settling {
    json_t *last;
};

static bool look_for_settling(void *arg, const json_t *row)
{
    struct settling *s = arg;
    const char *op = json_string_value(json_object_get(row, "op"));

    if (op && strcmp(op, "settle") == 0) {
        json_decref(s->last);
        s->last = json_pack("{s:O?,s:O?,s:O?}", "user", json_object_get(row, "user"), "station",
                            json_object_get(row, "station"), "at", json_object_get(row, "at"));
    }
    return true;
}

/* Of a settled conflict: which value the record has now, whoever set it, and who chose. What was
 * settled without a change (a version that stood was kept) has an entry of its own. */
static void put_settled(struct lm_store *store, json_t *row, const struct lm_record *rec, int group,
                        struct lm_arena *arena)
{
    json_t *now = lm_record_to_json(rec), *sibling, *value, *settled = json_object();
    struct settling s = {NULL};
    struct lm_error ignored = {0};
    const char *name;
    bool kept = false;
    size_t i;

    json_array_foreach(json_object_get(row, "siblings"), i, sibling)
    {
        bool same = true;

        kept = kept || json_is_true(json_object_get(sibling, "stands"));
        json_object_foreach(json_object_get(sibling, "value"), name, value)
        {
            const json_t *is = json_object_get(json_object_get(now, "fields"), name);

            is = is ? is : json_object_get(now, name);
            same = same && (json_equal(is, value) || (!is && json_is_null(value)));
        }
        (void)json_object_set_new(sibling, "stands", json_boolean(same));
    }
    put_author(store, settled, rec->id, rec->stamps[group].version, arena);
    if (kept && lm_store_history(store, rec->id, look_for_settling, &s, &ignored) == LM_OK &&
        s.last) {
        (void)json_object_update(settled, s.last);
    }
    json_decref(s.last);
    json_decref(now);
    (void)json_object_set_new(row, "settled", settled);
}

static json_t *past_row(struct lm_store *store, struct sqlite3_stmt *stmt, struct lm_arena *arena)
{
    json_t *row = conflict_row(store, stmt, arena);
    const char *record = json_string_value(json_object_get(row, "record"));
    const struct lm_type *type = lm_catalog_type(store->catalog, lm_column_str(stmt, 2));
    const char *group = lm_column_str(stmt, 3);
    int g = type ? lm_type_group(type, group, strlen(group)) : -1;
    bool open = sqlite3_column_int(stmt, 5) != 0;
    struct lm_record *rec = NULL;

    (void)json_object_set_new(row, "open", json_boolean(open));
    if (!open && g >= 0 && record &&
        lm_tables_get(store->tables, arena, type, record, &rec) == LM_OK) {
        put_settled(store, row, rec, g, arena);
    }
    return row;
}

enum lm_status lm_store_conflicts_of(struct lm_store *store, const char *record, lm_row_visit visit,
                                     void *arg, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status status = open_list(store, LM_Q_CONFLICT_ALL_OF, &stmt, err);

    if (status == LM_OK) {
        lm_bind_id(stmt, 1, record);
    }
    return status == LM_OK ? run_list(store, stmt, past_row, visit, arg, err) : status;
}

enum lm_status lm_store_conflicts(struct lm_store *store, lm_row_visit visit, void *arg,
                                  struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status status = open_list(store, LM_Q_CONFLICT_LIST, &stmt, err);

    return status == LM_OK ? run_list(store, stmt, conflict_row, visit, arg, err) : status;
}
