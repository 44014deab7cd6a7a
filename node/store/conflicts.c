/* Conflicts that the hub keeps open about records here: the feed names the versions (verdict
 * "concurrent" with the groups in `field`), their values are in the outbox or in what the hub told
 * of the record's past. A person ends one by setting the group, to either value. */
#include "node/store/store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Whether `name` is one of "a,b,c". */
static bool is_among(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        if (strncmp(at, name, n) == 0 && (at[n] == ',' || at[n] == '\0')) {
            return true;
        }
    }
    return false;
}

bool lm_nstore_in_conflict(struct lm_nstore *store, const char *id, const char *group)
{
    sqlite3_stmt *q = ns_stmt(store, NS_CONFLICT_GROUPS);
    bool found = false;

    ns_bind_text(q, 1, id);
    while (!found && sqlite3_step(q) == SQLITE_ROW) {
        found = is_among((const char *)sqlite3_column_text(q, 0), group);
    }
    ns_done(q);
    return found;
}

enum lm_status lm_nstore_count_conflicts(struct lm_nstore *store, size_t *n_out,
                                         struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_CONFLICT_COUNT);
    enum lm_status st = ns_row(store, q, "count conflicts", err);

    *n_out = 0;
    if (st == LM_OK) {
        *n_out = (size_t)sqlite3_column_int64(q, 0);
        ns_done(q);
    }
    return st;
}

enum lm_status lm_nstore_conflict_records(struct lm_nstore *store, size_t max,
                                          void (*visit)(void *arg, const char *id,
                                                        const char *type),
                                          void *arg, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_CONFLICT_RECORDS);
    enum lm_status st;

    ns_bind_u64(q, 1, max);
    while ((st = ns_row(store, q, "read the conflicts", err)) == LM_OK) {
        visit(arg, (const char *)sqlite3_column_text(q, 0),
              (const char *)sqlite3_column_text(q, 1));
    }
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

/* The fields of the groups, as the change sets them; those that a creation leaves out are null. */
static json_t *values_of(const struct lm_type *type, const char *groups,
                         const struct lm_change *change)
{
    json_t *out = json_object(), *all = ns_fields_json(type, &change->fields);

    for (size_t i = 0; out && i < type->n_fields; i++) {
        const struct lm_field *f = &type->fields[i];
        json_t *value = json_object_get(all, f->name);

        if (is_among(groups, type->groups[f->group].name) &&
            (value || change->op == LM_OP_CREATE)) {
            (void)json_object_set(out, f->name, value ? value : json_null());
        }
    }
    json_decref(all);
    return out;
}

static json_t *row_of(sqlite3_stmt *q, const struct lm_record *rec, struct lm_arena *arena)
{
    const char *groups = (const char *)sqlite3_column_text(q, 1);
    uint64_t hlc = ns_column_u64(q, 0);
    char text[24];
    bool stands = false;
    struct lm_change change;
    struct lm_error err = {0};
    json_t *row, *names = json_array();

    for (size_t g = 0; g < rec->type->n_groups; g++) {
        if (is_among(groups, rec->type->groups[g].name)) {
            stands = stands || rec->stamps[g].version.hlc == hlc;
        }
    }
    for (size_t i = 0; i < rec->type->n_fields; i++) {
        if (is_among(groups, rec->type->groups[rec->type->fields[i].group].name)) {
            (void)json_array_append_new(names, json_string(rec->type->fields[i].name));
        }
    }
    (void)snprintf(text, sizeof text, "%" PRIu64, hlc);
    row = json_pack("{s:s,s:s,s:b,s:o}", "hlc", text, "groups", groups, "stands", stands, "fields",
                    names);
    if (!row || sqlite3_column_bytes(q, 2) == 0 ||
        lm_change_read(sqlite3_column_blob(q, 2), (size_t)sqlite3_column_bytes(q, 2), arena,
                       &change, &err) != LM_OK) {
        return row; /* what it says is not known here yet */
    }
    (void)json_object_set_new(row, "user", json_string(change.user));
    ns_set_time(row, "at",
                sqlite3_column_type(q, 3) != SQLITE_NULL
                    ? sqlite3_column_int64(q, 3)
                    : lm_hlc_ms(change.hlc) + change.wall_delta_ms +
                          (change.offset_known ? change.offset_ms : 0));
    if (sqlite3_column_type(q, 4) != SQLITE_NULL) {
        (void)json_object_set_new(row, "station",
                                  json_string((const char *)sqlite3_column_text(q, 4)));
    }
    (void)json_object_set_new(row, "values", values_of(rec->type, groups, &change));
    return row;
}

enum lm_status lm_nstore_conflicts_of(struct lm_nstore *store, const struct lm_record *rec,
                                      json_t *rows, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_CONFLICT_OF);
    struct lm_arena arena;
    enum lm_status st;

    lm_arena_init(&arena, NS_RECORD_ARENA_BYTES);
    ns_bind_text(q, 1, rec->id);
    while ((st = ns_row(store, q, "read the conflicts", err)) == LM_OK) {
        lm_arena_reset(&arena);
        (void)json_array_append_new(rows, row_of(q, rec, &arena));
    }
    lm_arena_free(&arena);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}
