/* What a scope holds, in one number and record by record: so that a node whose tables differ from
 * the master finds out, whatever the reason, and mends only what differs.
 *
 * Invariant: scope_sums has for each scope the number of its records and the sum, modulo 2^64, of
 * their digests as they go down the feed; moved in the transaction that stores the record. */
#include "hub/store/store_internal.h"

#include "common/base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- the sums ---- */

struct scope_sum {
    int64_t scope;
    int64_t n;
    uint64_t sum;
};

static enum lm_status get_sum(struct lm_store *store, int64_t scope, struct scope_sum *out,
                              struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_SCOPE_SUM_GET, err);
    enum lm_status status;

    *out = (struct scope_sum){.scope = scope};
    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, scope);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        out->n = sqlite3_column_int64(stmt, 0);
        out->sum = (uint64_t)sqlite3_column_int64(stmt, 1);
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static enum lm_status put_sum(struct lm_store *store, const struct scope_sum *sum,
                              struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_SCOPE_SUM_PUT, err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, sum->scope);
    (void)sqlite3_bind_int64(stmt, 2, sum->n);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)sum->sum);
    return lm_query_run(store, stmt, err);
}

static enum lm_status fed_digest(struct lm_arena *arena, const struct lm_record *rec, uint64_t *out)
{
    const struct lm_record *shown = lm_record_for_feed(arena, rec);

    if (!shown) {
        return LM_ERR_MEMORY;
    }
    *out = lm_record_digest(shown);
    return LM_OK;
}

static enum lm_status move(struct lm_store *store, const struct lm_scopes *scopes, int64_t n,
                           uint64_t by, struct lm_error *err)
{
    enum lm_status status = LM_OK;

    for (size_t i = 0; status == LM_OK && i < scopes->n; i++) {
        struct scope_sum sum;

        status = get_sum(store, scopes->code[i], &sum, err);
        sum.n += n;
        sum.sum += by;
        if (status == LM_OK) {
            status = put_sum(store, &sum, err);
        }
    }
    return status;
}

static bool same_scopes(const struct lm_scopes *a, const struct lm_scopes *b)
{
    return a->n == b->n && memcmp(a->code, b->code, a->n * sizeof a->code[0]) == 0;
}

enum lm_status lm_scope_sums_move(struct lm_store *store, const struct lm_record *before,
                                  const struct lm_record *after, struct lm_error *err)
{
    struct lm_scopes was = {.n = 0}, is = {.n = 0};
    uint64_t old = 0, new = 0;
    enum lm_status status = fed_digest(&store->arena, after, &new);

    lm_scopes_of(after, &is);
    if (before && status == LM_OK) {
        lm_scopes_of(before, &was);
        status = fed_digest(&store->arena, before, &old);
    }
    if (status == LM_OK && same_scopes(&was, &is)) {
        return old == new ? LM_OK : move(store, &is, 0, new - old, err);
    }
    if (status == LM_OK) {
        status = move(store, &was, -1, 0 - old, err);
    }
    return status == LM_OK ? move(store, &is, 1, new, err) : status;
}

enum lm_status lm_scope_sum(struct lm_store *store, const char *station, uint64_t *out,
                            struct lm_error *err)
{
    struct scope_sum own, all;
    enum lm_status status = get_sum(store, strtoll(station, NULL, 10), &own, err);

    if (status == LM_OK) {
        status = get_sum(store, 0, &all, err);
    }
    *out = own.sum + all.sum;
    return status;
}

/* ---- a database that was made without them ---- */

enum { FILL_SCOPES_MAX = 4096 };

struct fill {
    struct lm_store *store;
    struct scope_sum *sums;
    size_t n;
    struct lm_arena arena;
    enum lm_status status;
};

static struct scope_sum *sum_of(struct fill *f, int64_t scope)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->sums[i].scope == scope) {
            return &f->sums[i];
        }
    }
    if (f->n == FILL_SCOPES_MAX) {
        return NULL;
    }
    f->sums[f->n] = (struct scope_sum){.scope = scope};
    return &f->sums[f->n++];
}

static bool add_record(void *arg, const struct lm_record *rec)
{
    struct fill *f = arg;
    struct lm_scopes scopes = {.n = 0};
    uint64_t digest = 0;

    lm_arena_reset(&f->arena);
    lm_scopes_of(rec, &scopes);
    f->status = fed_digest(&f->arena, rec, &digest);
    for (size_t i = 0; f->status == LM_OK && i < scopes.n; i++) {
        struct scope_sum *sum = sum_of(f, scopes.code[i]);

        if (!sum) {
            f->status = LM_ERR_LIMIT;
        } else {
            sum->n++;
            sum->sum += digest;
        }
    }
    return f->status == LM_OK;
}

static enum lm_status fill_all(struct fill *f, struct lm_error *err)
{
    const struct lm_catalog *catalog = f->store->catalog;
    enum lm_status status = LM_OK;

    for (size_t i = 0; status == LM_OK && i < catalog->n_types; i++) {
        status = lm_tables_list(f->store->tables, NULL, &catalog->types[i], NULL, NULL, 0, true,
                                add_record, f, err);
        status = status == LM_OK ? f->status : status;
    }
    for (size_t i = 0; status == LM_OK && i < f->n; i++) {
        status = put_sum(f->store, &f->sums[i], err);
    }
    return status == LM_OK ? lm_meta_put(f->store, "scope_sums", "1", err) : status;
}

enum lm_status lm_scope_sums_upgrade(struct lm_store *store, struct lm_error *err)
{
    struct fill f = {.store = store};
    char done[8];
    enum lm_status status = lm_meta_get(store, "scope_sums", done, sizeof done, err);

    if (status != LM_ERR_NOT_FOUND) {
        return status;
    }
    f.sums = calloc(FILL_SCOPES_MAX, sizeof *f.sums);
    if (!f.sums) {
        return LM_ERR_MEMORY;
    }
    lm_arena_init(&f.arena, 32 * 1024 * 1024);
    status = lm_store_begin(store, err);
    if (status == LM_OK) {
        status = fill_all(&f, err);
        status = status == LM_OK ? lm_store_commit(store, err) : status;
        lm_store_rollback(store);
    }
    lm_arena_free(&f.arena);
    free(f.sums);
    return status;
}

/* ---- record by record ---- */

struct row {
    char id[40], type[48];
};

struct reader {
    struct row *rows;
    size_t max, n, at;
};

enum { IDS_AT_ONCE_MIN = 256 }; /* rows of what was refused are read in vain */

static enum lm_status read_ids(struct lm_store *store, int64_t scope, const char *after,
                               struct reader *out, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_FEED_IDS, err);
    enum lm_status status = LM_OK;

    out->n = out->at = 0;
    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, scope);
    if (after[0]) {
        lm_bind_id(stmt, 2, after);
    } else {
        (void)sqlite3_bind_blob(stmt, 2, "", 0, SQLITE_STATIC);
    }
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)out->max);
    while (out->n < out->max && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        struct row *row = &out->rows[out->n++];

        lm_column_id(stmt, 0, row->id);
        lm_column_copy(stmt, 1, row->type, sizeof row->type);
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static const struct row *next_id(struct reader *a, struct reader *b)
{
    const struct row *x = a->at < a->n ? &a->rows[a->at] : NULL,
                     *y = b->at < b->n ? &b->rows[b->at] : NULL;
    int order = !x ? 1 : !y ? -1 : strcmp(x->id, y->id);

    a->at += x && order <= 0;
    b->at += y && order >= 0;
    return order <= 0 ? x : y;
}

/* *there false: nothing of it is in this scope (it was refused, or has left). */
static enum lm_status digest_of(struct lm_store *store, const struct lm_replica *replica,
                                const struct row *row, uint64_t *out, bool *there)
{
    const struct lm_type *type = lm_catalog_type(store->catalog, row->type);
    struct lm_record *rec = NULL;
    enum lm_status status = LM_ERR_NOT_FOUND;

    *there = false;
    lm_arena_reset(&store->arena);
    if (type) {
        status = lm_tables_get(store->tables, &store->arena, type, row->id, &rec);
    }
    if (status != LM_OK || !lm_in_scope(rec, replica->station)) {
        return status == LM_ERR_NOT_FOUND ? LM_OK : status;
    }
    *there = true;
    return fed_digest(&store->arena, rec, out);
}

/* Rows of what is not there are passed over, so that a page has entries unless it is the last. */
static enum lm_status gather(struct lm_store *store, const struct lm_replica *replica,
                             const struct lm_msg_compare *ask, struct lm_arena *arena,
                             struct lm_msg_digests *out, struct lm_error *err)
{
    const size_t max = ask->max < IDS_AT_ONCE_MIN ? IDS_AT_ONCE_MIN : ask->max;
    struct reader own = {.rows = lm_arena_alloc(arena, max * sizeof(struct row)), .max = max},
                  all = {.rows = lm_arena_alloc(arena, max * sizeof(struct row)), .max = max};
    char after[40];
    enum lm_status status = LM_OK;

    out->items = lm_arena_alloc(arena, ask->max * sizeof *out->items);
    if (!own.rows || !all.rows || !out->items) {
        return LM_ERR_MEMORY;
    }
    memcpy(after, ask->after, sizeof after);
    while (status == LM_OK && out->n < ask->max && !out->done) {
        bool whole;

        status = read_ids(store, strtoll(replica->station, NULL, 10), after, &own, err);
        if (status == LM_OK) {
            status = read_ids(store, 0, after, &all, err);
        }
        whole = own.n < max && all.n < max;
        /* Where one list was cut, the other's ids behind its end wait for the next round. */
        while (status == LM_OK && out->n < ask->max) {
            const struct row *row;
            struct lm_scope_entry *e = &out->items[out->n];
            bool there;

            if (!whole &&
                ((own.n == max && own.at == own.n) || (all.n == max && all.at == all.n))) {
                break;
            }
            row = next_id(&own, &all);
            if (!row) {
                break;
            }
            status = digest_of(store, replica, row, &e->digest, &there);
            memcpy(e->id, row->id, sizeof e->id);
            memcpy(after, row->id, sizeof after);
            out->n += there;
        }
        out->done = status == LM_OK && whole && own.at == own.n && all.at == all.n;
    }
    return status;
}

enum lm_status lm_store_digests(struct lm_store *store, const struct lm_replica *replica,
                                const struct lm_msg_compare *ask, struct lm_arena *arena,
                                struct lm_msg_digests *out, struct lm_error *err)
{
    struct lm_branch_row last;
    bool own = false;
    enum lm_status status = lm_read_enter(store, &own, err);

    *out = (struct lm_msg_digests){.branch = replica->branch};
    memcpy(out->after, ask->after, sizeof out->after);
    if (status == LM_OK) {
        status = lm_branch_last(store, replica->number, replica->branch, &last, err);
    }
    if (status == LM_OK) {
        out->acked.seq = last.last_seq;
        memcpy(out->acked.hash, last.after, LM_HASH_BYTES);
        status = gather(store, replica, ask, arena, out, err);
    }
    lm_read_leave(store, own);
    return status;
}
