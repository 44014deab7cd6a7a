/* The outbox: appending to the chain, batches for PUSH, forks, and which groups have changes under
 * way. */
#include "node/store/store_internal.h"

#include "common/base/break.h"
#include "common/base/log.h"

#include <inttypes.h>
#include <string.h>

enum lm_status lm_nstore_append(struct lm_nstore *store, struct lm_me *me,
                                const struct lm_change *change, const uint8_t *body, size_t n,
                                struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_OUT_ADD);
    struct lm_head head = {.seq = me->head.seq + 1};
    enum lm_status st;

    lm_chain_next(me->head.hash, body, n, head.hash);
    ns_bind_u64(q, 1, me->branch);
    ns_bind_u64(q, 2, head.seq);
    ns_bind_text(q, 3, change->id);
    ns_bind_text(q, 4, change->type);
    ns_bind_u64(q, 5, change->hlc);
    ns_bind_text(q, 6, change->user);
    ns_bind_blob(q, 7, body, n);
    ns_bind_blob(q, 8, head.hash, sizeof head.hash);
    st = ns_run(store, q, "add to the outbox", err);
    if (st != LM_OK) {
        return st;
    }
    q = ns_stmt(store, NS_ME_HEAD);
    ns_bind_u64(q, 1, head.seq);
    ns_bind_blob(q, 2, head.hash, sizeof head.hash);
    ns_bind_u64(q, 3, change->hlc);
    st = ns_run(store, q, "move the outbox's head", err);
    if (st == LM_OK) {
        me->head = head;
        me->hlc = change->hlc > me->hlc ? change->hlc : me->hlc;
    }
    return st;
}

/* The chain hash after seq; LM_ERR_NOT_FOUND when there is no such change. */
static enum lm_status hash_after(struct lm_nstore *store, const struct lm_me *me, uint64_t seq,
                                 uint8_t out[LM_HASH_BYTES], struct lm_error *err)
{
    sqlite3_stmt *q;
    enum lm_status st;

    if (seq == 0) {
        lm_chain_start(me->replica, me->branch, out);
        return LM_OK;
    }
    q = ns_stmt(store, NS_OUT_HASH);
    ns_bind_u64(q, 1, me->branch);
    ns_bind_u64(q, 2, seq);
    st = ns_row(store, q, "read a chain hash", err);
    if (st == LM_OK) {
        ns_column_hash(q, 0, out);
        ns_done(q);
    }
    return st;
}

static enum lm_status gather(struct lm_nstore *store, const struct lm_me *me, uint32_t max_changes,
                             uint32_t max_bytes, struct lm_batch *batch, struct lm_node_batch *out,
                             struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_OUT_FROM);
    enum lm_status st;

    ns_bind_u64(q, 1, me->branch);
    ns_bind_u64(q, 2, out->first_seq);
    while (batch->count < max_changes && (st = ns_row(store, q, "read the outbox", err)) == LM_OK) {
        const uint8_t *body = sqlite3_column_blob(q, 1);

        if (ns_column_u64(q, 0) != out->first_seq + batch->count) {
            ns_done(q);
            return lm_fail(err, LM_ERR_CORRUPT, "corrupt", "",
                           "待发队列在第 %" PRIu64 " 条处有缺口。",
                           "The outbox has a hole at %" PRIu64 ".", out->first_seq + batch->count);
        }
        if ((batch->count > 0 && batch->raw.len + (size_t)sqlite3_column_bytes(q, 1) > max_bytes) ||
            !lm_batch_add(batch, body, (size_t)sqlite3_column_bytes(q, 1))) {
            break;
        }
        out->last.seq = ns_column_u64(q, 0);
        ns_column_hash(q, 2, out->last.hash);
    }
    if (batch->count < max_changes && st != LM_OK) {
        return st == LM_ERR_NOT_FOUND ? LM_OK : st;
    }
    ns_done(q);
    return LM_OK;
}

enum lm_status lm_nstore_read_batch(struct lm_nstore *store, uint64_t from_seq,
                                    uint32_t max_changes, uint32_t max_bytes,
                                    struct lm_batch *batch, struct lm_buf *packed,
                                    struct lm_node_batch *out, struct lm_error *err)
{
    struct lm_me me;
    enum lm_status st = lm_db_begin_read(store->db, err);

    memset(out, 0, sizeof *out);
    out->first_seq = from_seq;
    lm_batch_free(batch);
    lm_batch_init(batch);
    lm_buf_reset(packed);
    if (st == LM_OK) {
        st = lm_nstore_me(store, &me, err);
    }
    if (st == LM_OK && from_seq > 0) {
        out->head = me.head;
        st = hash_after(store, &me, from_seq - 1, out->before, err);
    }
    if (st == LM_OK) {
        st = gather(store, &me, max_changes, max_bytes, batch, out, err);
    } else if (st == LM_ERR_NOT_FOUND) {
        st = LM_OK; /* nothing there to build on: the session sees it from `before` */
    }
    lm_db_rollback(store->db);
    if (st == LM_OK && batch->count > 0) {
        st = lm_batch_pack(batch, packed);
        out->count = batch->count;
        out->raw_bytes = (uint32_t)batch->raw.len;
        out->packed = packed->data;
        out->packed_len = packed->len;
    }
    return st;
}

enum lm_status lm_nstore_hash_is(struct lm_nstore *store, const struct lm_head *head, bool *out,
                                 struct lm_error *err)
{
    struct lm_me me;
    uint8_t hash[LM_HASH_BYTES];
    enum lm_status st = lm_nstore_me(store, &me, err);

    *out = false;
    if (st == LM_OK) {
        st = hash_after(store, &me, head->seq, hash, err);
        *out = st == LM_OK && memcmp(hash, head->hash, sizeof hash) == 0;
    }
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

/* ---- forks ---- */

/* Copies one change into the new branch; head is the new branch's. */
static enum lm_status carry_over(struct lm_nstore *store, sqlite3_stmt *from, uint64_t branch,
                                 struct lm_head *head, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_OUT_ADD);
    const uint8_t *body = sqlite3_column_blob(from, 5);
    size_t n = (size_t)sqlite3_column_bytes(from, 5);

    lm_chain_next(head->hash, body, n, head->hash);
    head->seq++;
    ns_bind_u64(q, 1, branch);
    ns_bind_u64(q, 2, head->seq);
    ns_bind_text(q, 3, (const char *)sqlite3_column_text(from, 1));
    ns_bind_text(q, 4, (const char *)sqlite3_column_text(from, 2));
    ns_bind_u64(q, 5, ns_column_u64(from, 3));
    ns_bind_text(q, 6, (const char *)sqlite3_column_text(from, 4));
    ns_bind_blob(q, 7, body, n);
    ns_bind_blob(q, 8, head->hash, sizeof head->hash);
    return ns_run(store, q, "carry a change over", err);
}

/* Opens the branch that head is of; what was carried into it is there. */
static enum lm_status open_branch(struct lm_nstore *store, uint64_t branch,
                                  const struct lm_head *head, struct lm_me *me,
                                  struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_ME_FORK);
    uint8_t start[LM_HASH_BYTES];
    enum lm_status st;

    lm_chain_start(me->replica, branch, start);
    ns_bind_u64(q, 1, branch);
    ns_bind_u64(q, 2, head->seq);
    ns_bind_blob(q, 3, head->hash, sizeof head->hash);
    ns_bind_blob(q, 4, start, sizeof start);
    st = ns_run(store, q, "open a branch", err);
    if (st == LM_OK) {
        me->branch = branch;
        me->head = *head;
        me->acked.seq = 0;
        memcpy(me->acked.hash, start, sizeof start);
        me->safe_seq = 0;
    }
    return st;
}

enum lm_status lm_nstore_fork(struct lm_nstore *store, uint64_t branch_min, struct lm_me *me,
                              struct lm_error *err)
{
    sqlite3_stmt *q;
    struct lm_head head = {0};
    uint64_t branch, closed = 0;
    enum lm_status st = lm_nstore_begin(store, err);

    if (st != LM_OK) {
        return st;
    }
    st = lm_nstore_me(store, me, err);
    if (st != LM_OK) {
        goto out;
    }
    closed = me->branch;
    branch = branch_min > me->branch ? branch_min : me->branch + 1;
    lm_chain_start(me->replica, branch, head.hash);
    q = ns_stmt(store, NS_OUT_COPY);
    ns_bind_u64(q, 1, me->branch);
    ns_bind_u64(q, 2, LM_BREAK(FORK_DROPS_UNSENT) ? me->head.seq : me->acked.seq);
    while ((st = ns_row(store, q, "read the outbox", err)) == LM_OK) {
        st = carry_over(store, q, branch, &head, err);
        if (st != LM_OK) {
            ns_done(q);
            goto out;
        }
    }
    if (st != LM_ERR_NOT_FOUND) {
        goto out;
    }
    st = open_branch(store, branch, &head, me, err);
    if (st == LM_OK) {
        st = lm_nstore_commit(store, err);
    }
    if (st == LM_OK) {
        lm_log(LM_LOG_WARN, "store",
               "branch %" PRIu64 " closed; %" PRIu64 " carries %" PRIu64 " unsent changes", closed,
               branch, head.seq);
    }
out:
    lm_nstore_rollback(store);
    return st;
}

enum lm_status ns_carry_closed(struct lm_nstore *s, struct lm_me *me, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, NS_OUT_CLOSED);
    struct lm_head head = {0};
    enum lm_status st;

    ns_bind_u64(q, 1, me->branch);
    st = ns_row(s, q, "read the closed branches", err);
    if (st != LM_OK) {
        return st == LM_ERR_NOT_FOUND ? LM_OK : st;
    }
    ns_done(q);
    /* In a branch of their own with what is in the open one: a branch's HLCs rise. */
    lm_chain_start(me->replica, me->branch + 1, head.hash);
    ns_bind_u64(q, 1, me->branch + 1);
    while ((st = ns_row(s, q, "read the branches", err)) == LM_OK) {
        st = carry_over(s, q, me->branch + 1, &head, err);
        if (st != LM_OK) {
            ns_done(q);
            return st;
        }
    }
    if (st != LM_ERR_NOT_FOUND) {
        return st;
    }
    lm_log(LM_LOG_WARN, "store",
           "the hub went back: branch %" PRIu64 " carries all %" PRIu64
           " changes of the branches before it once more",
           me->branch + 1, head.seq);
    return open_branch(s, me->branch + 1, &head, me, err);
}

/* ---- what is under way ---- */

bool lm_nstore_unacked(struct lm_nstore *store, const char *id, uint64_t branch, uint64_t acked_seq)
{
    sqlite3_stmt *q = ns_stmt(store, NS_OUT_UNACKED);
    bool found;

    ns_bind_text(q, 1, id);
    ns_bind_u64(q, 2, branch);
    ns_bind_u64(q, 3, acked_seq);
    found = sqlite3_step(q) == SQLITE_ROW;
    ns_done(q);
    return found;
}

static void mark_groups(const struct lm_type *type, const struct lm_change *change, bool *pending)
{
    if (change->op == LM_OP_CREATE) {
        for (size_t g = 0; g < type->n_groups; g++) {
            pending[g] = true;
        }
    } else if (change->op != LM_OP_EDIT) {
        pending[LM_GROUP_DELETED] = true;
    }
    for (uint32_t i = 0; change->fields.kind == LM_MAP && i < change->fields.len; i++) {
        const struct lm_pair *pair = &change->fields.pairs[i];
        const struct lm_field *field = lm_type_fieldn(type, pair->key, pair->key_len);

        if (field) {
            pending[field->group] = true;
        }
    }
}

enum lm_status lm_nstore_pending(struct lm_nstore *store, const struct lm_type *type,
                                 const char *id, uint64_t branch, uint64_t acked_seq, bool *pending,
                                 bool *any_out, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_OUT_RECORD);
    struct lm_arena arena;
    struct lm_change change;
    enum lm_status st;

    memset(pending, 0, type->n_groups * sizeof *pending);
    *any_out = false;
    lm_arena_init(&arena, NS_RECORD_ARENA_BYTES);
    ns_bind_text(q, 1, id);
    ns_bind_u64(q, 2, branch);
    ns_bind_u64(q, 3, acked_seq);
    while ((st = ns_row(store, q, "read the outbox", err)) == LM_OK) {
        lm_arena_reset(&arena);
        st = lm_change_read(sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0), &arena,
                            &change, err);
        if (st != LM_OK) {
            ns_done(q);
            break;
        }
        *any_out = true;
        mark_groups(type, &change, pending);
    }
    lm_arena_free(&arena);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}
