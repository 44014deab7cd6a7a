/* Salvage: what a revoked or stolen PC had not sent waits here until a person decides.
 *
 * Nothing of it is applied before. What is accepted is judged like any change of its author, with
 * its identity, in a branch of its own from LM_SALVAGE_BRANCH on: so it is in the journal's chain,
 * a replay gives the same, and everybody sees that it was salvaged. */
#include "hub/store/counts_internal.h"
#include "hub/store/store_internal.h"

#include "common/base/util.h"

#include <string.h>

#define ROW_ARENA_BYTES (4 * 1024 * 1024)

/* ---- in ---- */

static enum lm_status is_known(struct lm_store *store, const struct lm_change *c, uint64_t replica,
                               bool *out)
{
    struct lm_arena arena;
    struct lm_jentry entry;
    enum lm_status status;

    lm_arena_init(&arena, ROW_ARENA_BYTES);
    status = lm_journal_find(store, &arena, c->id, (struct lm_version){c->hlc, replica}, &entry);
    *out = status == LM_OK;
    lm_arena_free(&arena);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static enum lm_status insert(struct lm_store *store, const struct lm_replica *r, uint64_t branch,
                             uint64_t seq, const struct lm_change *c, const uint8_t *body, size_t n,
                             int64_t now_ms, bool *added_out, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_SALVAGE_PUT, err);
    uint8_t hash[LM_HASH_BYTES];
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_hash(hash, body, n, NULL, 0, NULL, 0);
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)r->number);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)branch);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)seq);
    lm_bind_text(stmt, 4, r->station);
    lm_bind_id(stmt, 5, c->id);
    lm_bind_text(stmt, 6, c->type);
    (void)sqlite3_bind_int64(stmt, 7, (int64_t)c->hlc);
    lm_bind_text(stmt, 8, c->user);
    lm_bind_blob(stmt, 9, body, n);
    lm_bind_blob(stmt, 10, hash, sizeof hash);
    (void)sqlite3_bind_int64(stmt, 11, now_ms);
    status = lm_query_run(store, stmt, err);
    *added_out = status == LM_OK && sqlite3_changes(store->sql) > 0;
    return status;
}

enum lm_status lm_store_salvage_put(struct lm_store *store, const struct lm_replica *replica,
                                    uint64_t branch, uint64_t seq, const uint8_t *body, size_t n,
                                    int64_t now_ms, bool *added_out, struct lm_error *err)
{
    struct lm_arena arena;
    struct lm_change change;
    bool known = false;
    enum lm_status status;

    *added_out = false;
    lm_arena_init(&arena, ROW_ARENA_BYTES);
    status = lm_change_read(body, n, &arena, &change, err);
    if (status == LM_OK) {
        status = is_known(store, &change, replica->number, &known);
    }
    if (status == LM_OK && !known) {
        status = insert(store, replica, branch, seq, &change, body, n, now_ms, added_out, err);
    }
    lm_arena_free(&arena);
    return status;
}

/* ---- list ---- */

static void set(json_t *row, const char *name, json_t *value)
{
    (void)json_object_set_new(row, name, value);
}

static json_t *row_json(const struct lm_catalog *catalog, struct sqlite3_stmt *stmt,
                        struct lm_arena *arena)
{
    struct lm_change change;
    char at[LM_TIME_TEXT + 8], id[40];
    json_t *row = json_object();

    lm_column_id(stmt, 5, id);
    lm_time_format((int64_t)((uint64_t)sqlite3_column_int64(stmt, 7) >> 16), at);
    set(row, "id", json_integer(sqlite3_column_int64(stmt, 0)));
    set(row, "station", json_string(lm_column_str(stmt, 4)));
    set(row, "record", json_string(id));
    set(row, "type", json_string(lm_column_str(stmt, 6)));
    set(row, "user", json_string(lm_column_str(stmt, 8)));
    set(row, "at", json_string(at));
    if (lm_change_read(sqlite3_column_blob(stmt, 9), (size_t)sqlite3_column_bytes(stmt, 9), arena,
                       &change, NULL) == LM_OK) {
        static const char *const ops[] = {"create", "edit", "delete", "undelete"};

        set(row, "op", json_string(ops[change.op & 3]));
        set(row, "fields", lm_row_fields(lm_catalog_type(catalog, change.type), &change.fields));
    }
    return row;
}

enum lm_status lm_store_salvaged(struct lm_store *store, lm_row_visit visit, void *arg,
                                 struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_SALVAGE_LIST, err);
    struct lm_arena arena;
    enum lm_status status = LM_OK;
    bool more = true;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, 0);
    lm_arena_init(&arena, ROW_ARENA_BYTES);
    while (more && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        json_t *row;

        lm_arena_reset(&arena);
        row = row_json(store->catalog, stmt, &arena);
        more = visit(arg, row);
        json_decref(row);
    }
    (void)sqlite3_reset(stmt);
    lm_arena_free(&arena);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

enum lm_status lm_salvaged_missed(struct lm_store *store, void (*visit)(void *arg, const char *),
                                  void *arg, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_SALVAGE_MISSED, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    while ((status = lm_query_step(store, stmt, err)) == LM_OK) {
        visit(arg, lm_column_str(stmt, 0));
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

/* ---- a person decides ---- */

static enum lm_status close_row(struct lm_store *store, int64_t id, int state, const char *user,
                                int64_t now_ms, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_SALVAGE_CLOSE, err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, id);
    (void)sqlite3_bind_int(stmt, 2, state);
    lm_bind_text(stmt, 3, user);
    (void)sqlite3_bind_int64(stmt, 4, now_ms);
    return lm_query_run(store, stmt, err);
}

struct one {
    int64_t id;
    uint64_t replica;
    uint8_t *body;
    size_t n;
};

/* The first open row after `after`, in the order in which its author made it. */
static enum lm_status next_open(struct lm_store *store, int64_t id, struct lm_arena *arena,
                                struct one *out, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_SALVAGE_LIST, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, id);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        out->id = sqlite3_column_int64(stmt, 0);
        out->replica = (uint64_t)sqlite3_column_int64(stmt, 1);
        out->n = (size_t)sqlite3_column_bytes(stmt, 9);
        out->body = lm_arena_alloc(arena, out->n + 1);
        if (out->body) {
            memcpy(out->body, sqlite3_column_blob(stmt, 9), out->n);
        } else {
            status = LM_ERR_MEMORY;
        }
    }
    (void)sqlite3_reset(stmt);
    return status;
}

static enum lm_status accept_one(struct lm_store *store, const struct one *one, uint64_t *branch,
                                 uint64_t *of, const char *user, int64_t now_ms,
                                 struct lm_error *err)
{
    struct lm_replica row;
    enum lm_status status = lm_store_replica_get(store, one->replica, &row);

    if (status != LM_OK) {
        return status;
    }
    if (*of != one->replica) { /* a branch for each time that a person accepts something */
        *of = one->replica;
        *branch = row.branch >= LM_SALVAGE_BRANCH ? row.branch + 1 : LM_SALVAGE_BRANCH;
    }
    status = lm_push_salvaged(store, &row, *branch, one->body, one->n, now_ms, err);
    return status == LM_OK ? close_row(store, one->id, 1, user, now_ms, err) : status;
}

enum lm_status lm_store_salvage_decide(struct lm_store *store, int64_t id, bool accept,
                                       const char *user, int64_t now_ms, size_t *n_out,
                                       struct lm_error *err)
{
    struct lm_arena arena;
    struct one one;
    uint64_t branch = 0, of = 0;
    enum lm_status status;

    *n_out = 0;
    lm_arena_init(&arena, ROW_ARENA_BYTES);
    while ((status = next_open(store, id, &arena, &one, err)) == LM_OK) {
        status = accept ? accept_one(store, &one, &branch, &of, user, now_ms, err)
                        : close_row(store, one.id, 2, user, now_ms, err);
        if (status != LM_OK) {
            break;
        }
        (*n_out)++;
        lm_arena_reset(&arena);
    }
    lm_arena_free(&arena);
    if (status == LM_ERR_NOT_FOUND && id != 0 && *n_out == 0) {
        return lm_fail(err, status, "no_salvaged", "", "没有这条待审的抢救数据",
                       "No such change waits for a decision");
    }
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}
