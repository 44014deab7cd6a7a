/* One PUSH: overlap, gap and divergence against the branch's chain, then every new change in its
 * order.
 *
 * A SAVEPOINT holds the whole push. If a change breaks (a status where a verdict should be), the
 * push is done again with a SAVEPOINT for each change, and the one that breaks is journaled as held
 * "internal": nothing blocks, nothing is skipped (P4). */
#include "common/base/break.h"
#include "hub/store/store_internal.h"

#include <stdlib.h>
#include <string.h>

enum { CODES_MAX = 256 };

struct bodies {
    const uint8_t **data;
    size_t *len;
};

static enum lm_status take_body(void *arg, uint32_t i, const uint8_t *body, size_t n)
{
    struct bodies *bodies = arg;

    bodies->data[i] = body;
    bodies->len[i] = n;
    return LM_OK;
}

/* A code that outlives the push: the same few again and again. */
static const char *keep_code(struct lm_store *store, const char *code)
{
    if (!store->codes) {
        store->codes = calloc(CODES_MAX, sizeof *store->codes);
    }
    if (!store->codes) {
        return "";
    }
    for (size_t i = 0; i < store->n_codes; i++) {
        if (strcmp(store->codes[i], code) == 0) {
            return store->codes[i];
        }
    }
    if (store->n_codes == CODES_MAX) {
        return "other";
    }
    (void)snprintf(store->codes[store->n_codes], sizeof *store->codes, "%s", code);
    return store->codes[store->n_codes++];
}

static enum lm_status bad(struct lm_push_result *out)
{
    out->outcome = LM_TAKE_BAD;
    return LM_OK;
}

static enum lm_status unpack(struct lm_store *store, const struct lm_msg_push *push,
                             struct bodies *bodies, struct lm_error *err)
{
    lm_arena_reset(&store->push_arena);
    if (push->count > LM_BATCH_CHANGES_MAX) {
        return lm_fail(err, LM_ERR_LIMIT, "too_many", "", "一次推送的修改太多",
                       "Too many changes in one push");
    }
    bodies->data = lm_arena_alloc(&store->push_arena, push->count * sizeof *bodies->data);
    bodies->len = lm_arena_alloc(&store->push_arena, push->count * sizeof *bodies->len);
    if (!bodies->data || !bodies->len) {
        return LM_ERR_MEMORY;
    }
    return lm_batch_unpack(push->packed, push->packed_len, push->raw_bytes, push->count,
                           &store->push_arena, take_body, bodies, err);
}

struct run {
    struct lm_store *store;
    const struct lm_replica *replica;
    const struct lm_msg_push *push;
    int64_t now_ms;
    const struct bodies *bodies;
    uint32_t from;             /* first change that is new */
    struct lm_branch_row last; /* of the branch before */
    struct lm_branch_row row;  /* what this push adds */
    uint64_t hlc_known;
    bool may_repeat; /* whatever its HLC, the journal may have it */
    struct lm_push_result *out;
};

static void tell(struct run *r, uint64_t seq, const struct lm_judge_out *judged)
{
    struct lm_push_result *out = r->out;

    if (judged->verdict == LM_V_APPLIED || out->n_verdicts == LM_ACK_VERDICTS_MAX) {
        return;
    }
    out->verdicts[out->n_verdicts++] =
        (struct lm_ack_verdict){.seq = seq,
                                .verdict = (uint8_t)judged->verdict,
                                .code = keep_code(r->store, judged->reason.code)};
}

static enum lm_status judge_one(struct run *r, uint32_t i, bool internal,
                                struct lm_judge_out *judged, struct lm_error *err)
{
    struct lm_judge_in in = {
        .entry = {.replica = r->replica->number,
                  .branch = r->push->branch,
                  .seq = r->push->first_seq + i,
                  .station = r->replica->station,
                  .body = r->bodies->data[i],
                  .body_len = r->bodies->len[i],
                  .received_ms = r->now_ms,
                  .offset_ms = r->replica->clock_known ? r->replica->clock_offset_ms : 0,
                  .by = LM_BY_VILLAGE},
        .hlc_floor = r->row.hlc,
        .hlc_known = r->may_repeat ? UINT64_MAX : r->hlc_known,
        .hlc_highest = r->hlc_known,
        .held_internal = internal,
    };

    memset(judged, 0, sizeof *judged);
    return lm_judge(r->store, &in, judged, err);
}

/* The change in a SAVEPOINT of its own; held "internal" when it breaks. */
static enum lm_status judge_safely(struct run *r, uint32_t i, struct lm_judge_out *judged,
                                   struct lm_error *err)
{
    struct lm_store *store = r->store;
    struct lm_store_state state = store->state;
    size_t n_redrive = store->n_redrive;
    enum lm_status status = lm_query_do(store, LM_Q_SAVEPOINT_ONE, err);

    if (status == LM_OK) {
        status = judge_one(r, i, false, judged, err);
        if (status != LM_OK && !lm_is_fatal(status)) {
            status = lm_query_do(store, LM_Q_BACK_ONE, err);
            store->state = state;
            store->n_redrive = n_redrive;
            if (status == LM_OK && !LM_BREAK(POISON_DROPPED)) {
                status = judge_one(r, i, true, judged, err);
            }
        }
    }
    return status == LM_OK ? lm_query_do(store, LM_Q_RELEASE_ONE, err) : status;
}

static enum lm_status run_all(struct run *r, bool safely, struct lm_error *err)
{
    struct lm_store *store = r->store;
    enum lm_status status = LM_OK;

    r->out->n_new = 0;
    r->out->n_verdicts = 0;
    r->row = (struct lm_branch_row){.replica = r->replica->number,
                                    .branch = r->push->branch,
                                    .first_seq = r->push->first_seq + r->from,
                                    .pos_first = store->state.head.position + 1,
                                    .hlc = r->last.hlc};
    memcpy(r->row.before, r->last.after, LM_HASH_BYTES);
    memcpy(r->row.after, r->last.after, LM_HASH_BYTES);
    for (uint32_t i = r->from; i < r->push->count && status == LM_OK; i++) {
        struct lm_judge_out judged;

        status = safely ? judge_safely(r, i, &judged, err) : judge_one(r, i, false, &judged, err);
        if (status != LM_OK) {
            return status;
        }
        lm_chain_next(r->row.after, r->bodies->data[i], r->bodies->len[i], r->row.after);
        r->row.last_seq = r->push->first_seq + i;
        r->row.hlc = judged.hlc > r->row.hlc ? judged.hlc : r->row.hlc;
        r->hlc_known = judged.hlc > r->hlc_known ? judged.hlc : r->hlc_known;
        tell(r, r->row.last_seq, &judged);
        r->out->n_new++;
    }
    if (status == LM_OK) {
        status = lm_branch_add(store, &r->row, err);
    }
    return status == LM_OK ? lm_judge_redrive(store, r->now_ms, err) : status;
}

static enum lm_status take_new(struct run *r, struct lm_error *err)
{
    struct lm_store *store = r->store;
    uint64_t hlc_known = r->hlc_known;
    enum lm_status status = lm_query_do(store, LM_Q_SAVEPOINT_PUSH, err);

    if (status != LM_OK) {
        return status;
    }
    store->batch = store->state;
    status = run_all(r, false, err);
    if (status != LM_OK && !lm_is_fatal(status)) {
        status = lm_query_do(store, LM_Q_BACK_PUSH, err);
        store->state = store->batch;
        store->n_redrive = 0;
        r->hlc_known = hlc_known;
        if (status == LM_OK) {
            status = run_all(r, true, err);
        }
    }
    if (status == LM_OK) {
        return lm_query_do(store, LM_Q_RELEASE_PUSH, err);
    }
    store->state = store->batch;
    store->n_redrive = 0;
    if (lm_query_do(store, LM_Q_BACK_PUSH, NULL) != LM_OK ||
        lm_query_do(store, LM_Q_RELEASE_PUSH, NULL) != LM_OK) {
        return LM_ERR_IO;
    }
    return lm_is_fatal(status)
               ? status
               : LM_ERR_IO; /* not even held: the disk or the journal itself is at fault */
}

/* Where this push stands against what is here. Outcome TAKEN: from is the first new change. */
static enum lm_status place(struct lm_store *store, struct run *r, struct lm_error *err)
{
    const struct lm_msg_push *push = r->push;
    uint64_t overlap = 0;
    uint8_t ours[LM_HASH_BYTES], theirs[LM_HASH_BYTES];
    enum lm_status status;

    if (push->first_seq > r->last.last_seq + 1) {
        if (LM_BREAK(GAP_ACCEPTED)) {
            memcpy(r->last.after, push->before, LM_HASH_BYTES);
            return LM_OK;
        }
        r->out->outcome = LM_TAKE_GAP;
        return LM_OK;
    }
    if (r->last.last_seq >= push->first_seq) {
        overlap = r->last.last_seq - push->first_seq + 1;
        overlap = overlap < push->count ? overlap : push->count;
    }
    memcpy(theirs, push->before, LM_HASH_BYTES);
    for (uint64_t i = 0; i < overlap; i++) {
        lm_chain_next(theirs, r->bodies->data[i], r->bodies->len[i], theirs);
    }
    if (push->first_seq - 1 + overlap == r->last.last_seq) {
        memcpy(ours, r->last.after, LM_HASH_BYTES);
    } else {
        status = lm_branch_hash(store, r->replica->number, push->branch,
                                push->first_seq - 1 + overlap, ours, err);
        if (status != LM_OK) {
            return status;
        }
    }
    if (memcmp(ours, theirs, LM_HASH_BYTES) != 0 && !LM_BREAK(OVERLAP_UNCOMPARED)) {
        r->out->outcome = LM_TAKE_DIVERGED;
    }
    r->from = (uint32_t)overlap;
    return LM_OK;
}

static enum lm_status note_push(struct lm_store *store, const struct lm_replica *row,
                                const struct lm_msg_push *push, const struct lm_push_result *out,
                                uint64_t hlc_known, int64_t now_ms, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_REPLICA_PUSHED, err);
    struct lm_head head = row->head;
    uint64_t branch = row->branch;
    int64_t as_of = row->as_of_ms, complete = row->complete_ms;
    bool in_doubt = row->in_doubt;

    if (!stmt) {
        return LM_ERR_IO;
    }
    if (push->branch >= branch && push->as_of_ms > 0) {
        branch = push->branch;
        head = push->head;
        as_of = push->as_of_ms < now_ms || LM_BREAK(COVERAGE_BY_NODE) ? push->as_of_ms : now_ms;
        if (complete > now_ms && !LM_BREAK(COVERAGE_BY_NODE)) {
            complete = 0; /* told under a clock that was set back since */
        }
        if (out->acked.seq >= head.seq || LM_BREAK(COVERAGE_UNACKED)) {
            complete = as_of > complete ? as_of : complete;
            in_doubt = false; /* all that it has, on its newest branch, is here */
        }
    } else if (push->branch > branch) {
        branch = push->branch;
        head = push->head;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)row->number);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)branch);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)head.seq);
    (void)sqlite3_bind_blob(stmt, 4, head.hash, LM_HASH_BYTES, SQLITE_TRANSIENT);
    (void)sqlite3_bind_int64(stmt, 5, as_of);
    (void)sqlite3_bind_int64(stmt, 6, complete);
    (void)sqlite3_bind_int64(stmt, 7, now_ms);
    (void)sqlite3_bind_int64(stmt, 8, (int64_t)hlc_known);
    (void)sqlite3_bind_int(stmt, 9, in_doubt);
    return lm_query_run(store, stmt, err);
}

enum lm_status lm_store_push(struct lm_store *store, const struct lm_replica *replica,
                             const struct lm_msg_push *push, int64_t now_ms,
                             struct lm_push_result *out, struct lm_error *err)
{
    struct lm_replica row;
    struct bodies bodies = {0};
    struct run r = {.store = store,
                    .replica = &row,
                    .push = push,
                    .now_ms = now_ms,
                    .bodies = &bodies,
                    .out = out};
    enum lm_status status;

    memset(out, 0, sizeof *out);
    out->position = store->state.head.position;
    status = lm_store_replica_get(store, replica->number, &row);
    if (status == LM_OK) {
        status = lm_branch_last(store, row.number, push->branch, &r.last, err);
    }
    if (status != LM_OK) {
        return status;
    }
    out->acked.seq = r.last.last_seq;
    memcpy(out->acked.hash, r.last.after, LM_HASH_BYTES);
    if (row.revoked_ms != 0) {
        (void)lm_fail(err, LM_ERR_DENIED, "revoked", "", "这台电脑已被停用",
                      "This installation was revoked");
        return bad(out);
    }
    if (push->branch == 0 || push->branch > INT64_MAX || push->first_seq == 0 ||
        push->first_seq > INT64_MAX - LM_BATCH_CHANGES_MAX) {
        (void)lm_fail(err, LM_ERR_INVALID, "bad_push", "", "推送的编号无效",
                      "The push has no valid numbers");
        return bad(out);
    }
    r.hlc_known = row.hlc_known;
    if (push->count > 0) {
        status = unpack(store, push, &bodies, err);
        if (lm_is_fatal(status)) {
            return status;
        }
        if (status != LM_OK) {
            return bad(out);
        }
        status = place(store, &r, err);
        if (status != LM_OK || out->outcome != LM_TAKE_TAKEN) {
            return status;
        }
        if (r.from < push->count) {
            status = take_new(&r, err);
            if (status != LM_OK) {
                return status;
            }
            out->acked.seq = r.row.last_seq;
            memcpy(out->acked.hash, r.row.after, LM_HASH_BYTES);
            out->position = store->state.head.position;
        }
    }
    return note_push(store, &row, push, out, r.hlc_known, now_ms, err);
}

static enum lm_status highest_hlc(struct lm_store *store, uint64_t replica, uint64_t *out,
                                  struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_BRANCH_HLC, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)replica);
    status = lm_query_step(store, stmt, err);
    *out = status == LM_OK ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    return status;
}

enum lm_status lm_push_salvaged(struct lm_store *store, const struct lm_replica *replica,
                                uint64_t branch, const uint8_t *body, size_t n, int64_t now_ms,
                                struct lm_error *err)
{
    struct lm_push_result result = {.outcome = LM_TAKE_TAKEN};
    struct bodies bodies = {.data = &body, .len = &n};
    struct lm_msg_push push = {.branch = branch, .count = 1};
    struct run r = {.store = store,
                    .replica = replica,
                    .push = &push,
                    .now_ms = now_ms,
                    .bodies = &bodies,
                    .may_repeat = true,
                    .out = &result};
    enum lm_status status = lm_branch_last(store, replica->number, branch, &r.last, err);

    if (status == LM_OK) {
        status = highest_hlc(store, replica->number, &r.hlc_known, err);
    }
    push.first_seq = r.last.last_seq + 1;
    return status == LM_OK ? take_new(&r, err) : status;
}
