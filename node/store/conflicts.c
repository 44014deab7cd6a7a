/* Conflicts that the hub keeps open about records here: the feed names the versions (verdict
 * "concurrent" with the groups in `field`), their values are in the outbox or in what the hub told
 * of the record's past. A person ends one by setting the group, to either value. */
#include "node/store/store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { VERSIONS_MAX = 256 };

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

/* What a change says, as far as it is known here. */
struct said {
    struct lm_change change;
    int64_t at_ms;
    char station[16];
};

static bool find_said(struct lm_nstore *store, const char *id, uint64_t hlc, struct lm_arena *arena,
                      struct said *out)
{
    sqlite3_stmt *q = ns_stmt(store, NS_SAID);
    struct lm_error err = {0};
    bool known;

    ns_bind_text(q, 1, id);
    ns_bind_u64(q, 2, hlc);
    if (sqlite3_step(q) != SQLITE_ROW) {
        ns_done(q);
        return false;
    }
    known = sqlite3_column_bytes(q, 0) > 0 &&
            lm_change_read(sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0), arena,
                           &out->change, &err) == LM_OK;
    if (known) {
        const struct lm_change *c = &out->change;

        out->at_ms =
            sqlite3_column_type(q, 1) != SQLITE_NULL
                ? sqlite3_column_int64(q, 1)
                : lm_hlc_ms(c->hlc) + c->wall_delta_ms + (c->offset_known ? c->offset_ms : 0);
        ns_column_text(q, 2, out->station, sizeof out->station);
    }
    ns_done(q);
    return known;
}

/* The fields of the group, as the change sets them; those that a creation leaves out are null. */
static json_t *values_of(const struct lm_type *type, int group, const struct lm_change *change)
{
    json_t *out = json_object(), *all = ns_fields_json(type, &change->fields);

    for (size_t i = 0; out && i < type->n_fields; i++) {
        const struct lm_field *f = &type->fields[i];
        json_t *value = json_object_get(all, f->name);

        if (f->group == group && (value || change->op == LM_OP_CREATE)) {
            (void)json_object_set(out, f->name, value ? value : json_null());
        }
    }
    json_decref(all);
    return out;
}

/* The newest of what is in the record, the deletion aside. */
static uint64_t newest(const struct lm_record *rec)
{
    uint64_t hlc = 0;

    for (size_t g = 0; g < rec->type->n_groups; g++) {
        if (g != LM_GROUP_DELETED && rec->stamps[g].version.hlc > hlc) {
            hlc = rec->stamps[g].version.hlc;
        }
    }
    return hlc;
}

/* A deletion, with its reason, or that the record stays, with what was changed in it: by the edit
 * that is this version, or, where a deletion came to what was edited before, by that edit. */
static json_t *deletion_values(struct lm_nstore *store, const struct lm_record *rec,
                               struct lm_arena *arena, struct said *said, json_t *row)
{
    json_t *out = NULL;

    if (said->change.op == LM_OP_DELETE) {
        out = ns_fields_json(rec->type, &said->change.fields);
    } else if (said->change.op == LM_OP_EDIT ||
               find_said(store, rec->id, newest(rec), arena, said)) {
        out = said->change.op == LM_OP_EDIT ? ns_fields_json(rec->type, &said->change.fields)
                                            : json_object();
    }
    (void)json_object_set_new(row, "deletes", json_boolean(said->change.op == LM_OP_DELETE));
    return out;
}

static void put_said(struct lm_nstore *store, const struct lm_record *rec, int group, uint64_t hlc,
                     struct lm_arena *arena, json_t *row)
{
    struct said said;
    json_t *values;

    if (!find_said(store, rec->id, hlc, arena, &said)) {
        return; /* what it says is not known here yet */
    }
    values = group == LM_GROUP_DELETED ? deletion_values(store, rec, arena, &said, row)
                                       : values_of(rec->type, group, &said.change);
    if (!values) {
        return;
    }
    (void)json_object_set_new(row, "user", json_string(said.change.user));
    ns_set_time(row, "at", said.at_ms);
    if (said.station[0]) {
        (void)json_object_set_new(row, "station", json_string(said.station));
    }
    (void)json_object_set_new(row, "values", values);
}

static json_t *row_of(struct lm_nstore *store, const struct lm_record *rec, int group, uint64_t hlc,
                      struct lm_arena *arena)
{
    char text[24];
    json_t *row, *names = json_array();

    for (size_t i = 0; i < rec->type->n_fields; i++) {
        if (rec->type->fields[i].group == group) {
            (void)json_array_append_new(names, json_string(rec->type->fields[i].name));
        }
    }
    (void)snprintf(text, sizeof text, "%" PRIu64, hlc);
    row = json_pack("{s:s,s:s,s:b,s:o}", "hlc", text, "group", rec->type->groups[group].name,
                    "stands", rec->stamps[group].version.hlc == hlc, "fields", names);
    if (row) {
        put_said(store, rec, group, hlc, arena, row);
    }
    return row;
}

/* A version of a group that was set on two sides. */
struct version {
    int group;
    uint64_t hlc;
};

static size_t versions_of(struct lm_nstore *store, const struct lm_record *rec, struct version *out,
                          size_t max)
{
    sqlite3_stmt *q = ns_stmt(store, NS_CONFLICT_OF);
    size_t n = 0;

    ns_bind_text(q, 1, rec->id);
    while (n < max && sqlite3_step(q) == SQLITE_ROW) {
        const char *groups = (const char *)sqlite3_column_text(q, 1);

        for (size_t g = 0; n < max && g < rec->type->n_groups; g++) {
            if (is_among(groups, rec->type->groups[g].name)) {
                out[n++] = (struct version){.group = (int)g, .hlc = ns_column_u64(q, 0)};
            }
        }
    }
    ns_done(q);
    return n;
}

bool lm_nstore_to_decide(struct lm_nstore *store, const struct lm_record *rec, int group)
{
    struct version versions[VERSIONS_MAX];
    size_t n = versions_of(store, rec, versions, VERSIONS_MAX);
    bool stands = false;

    for (size_t i = 0; i < n; i++) {
        stands = stands ||
                 (versions[i].group == group && versions[i].hlc == rec->stamps[group].version.hlc);
    }
    return stands;
}

void lm_nstore_conflicts_of(struct lm_nstore *store, const struct lm_record *rec, json_t *rows)
{
    struct version versions[VERSIONS_MAX];
    size_t n = versions_of(store, rec, versions, VERSIONS_MAX);
    struct lm_arena arena;

    lm_arena_init(&arena, NS_RECORD_ARENA_BYTES);
    for (size_t g = 0; g < rec->type->n_groups; g++) {
        for (size_t i = 0; i < n; i++) {
            if (versions[i].group == (int)g) {
                lm_arena_reset(&arena);
                (void)json_array_append_new(rows,
                                            row_of(store, rec, (int)g, versions[i].hlc, &arena));
            }
        }
    }
    lm_arena_free(&arena);
}
