/* What a session with the hub makes durable besides records: WELCOME, acks, verdict hints, the
 * wanted list, the state shown. */
#include "common/base/break.h"
#include "node/store/store_internal.h"

#include "proto/proof.h"

#include <string.h>

enum lm_status ns_wanted_count(struct lm_nstore *s, uint64_t *out, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, NS_WANT_COUNT);
    enum lm_status st = ns_row(s, q, "count what is wanted", err);

    *out = 0;
    if (st == LM_OK) {
        *out = ns_column_u64(q, 0);
        ns_done(q);
    }
    return st;
}

/* ---- checkpoints ---- */

enum lm_status lm_nstore_checkpoints(struct lm_nstore *store, struct lm_checkpoints *out,
                                     struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_CHECK_LIST);
    enum lm_status st = LM_OK;

    out->n = 0;
    while (out->n < LM_CHECKPOINTS_MAX &&
           (st = ns_row(store, q, "read the checkpoints", err)) == LM_OK) {
        struct lm_checkpoint *c = &out->items[out->n++];

        memset(c, 0, sizeof *c);
        c->mark.position = ns_column_u64(q, 0);
        ns_column_hash(q, 1, c->mark.hash);
        c->cursor.position = ns_column_u64(q, 2);
        ns_column_text(q, 3, c->cursor.id, sizeof c->cursor.id);
    }
    ns_done(q);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

static enum lm_status run_at(struct lm_nstore *s, enum ns_query query, uint64_t position,
                             struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, query);

    ns_bind_u64(q, 1, position);
    return ns_run(s, q, "forget a checkpoint", err);
}

enum lm_status ns_checkpoint_add(struct lm_nstore *s, const struct lm_mark *mark,
                                 const struct lm_cursor *cursor, struct lm_error *err)
{
    struct lm_checkpoints kept;
    uint64_t dropped = 0;
    sqlite3_stmt *q;
    enum lm_status st = lm_nstore_checkpoints(s, &kept, err);

    if (st != LM_OK) {
        return st;
    }
    lm_checkpoints_add(&kept, mark, cursor, &dropped);
    if (lm_checkpoints_at(&kept, mark->position) == NULL) {
        return LM_OK;
    }
    q = ns_stmt(s, NS_CHECK_PUT);
    ns_bind_u64(q, 1, mark->position);
    ns_bind_blob(q, 2, mark->hash, LM_HASH_BYTES);
    ns_bind_u64(q, 3, cursor->position);
    ns_bind_text(q, 4, cursor->id);
    st = ns_run(s, q, "note a checkpoint", err);
    return st == LM_OK && dropped > 0 ? run_at(s, NS_CHECK_DROP, dropped, err) : st;
}

enum lm_status ns_checkpoints_cut(struct lm_nstore *s, uint64_t position, struct lm_error *err)
{
    return run_at(s, NS_CHECK_CUT, position, err);
}

/* The feed from the checkpoint on tells of what changed behind it in the history that stands now,
 * but not of what changed only in the one that is gone: the hub is asked for those by name. */
enum lm_status ns_want_newer(struct lm_nstore *s, uint64_t position, struct lm_error *err)
{
    enum lm_status st = LM_OK;

    for (size_t i = 0; i < s->catalog->n_types && st == LM_OK; i++) {
        sqlite3_stmt *stmt = NULL;
        char sql[400];

        (void)sqlite3_snprintf(
            sizeof sql, sql,
            "INSERT INTO wanted(id, n) SELECT id, (SELECT coalesce(max(n), 0) FROM wanted) + "
            "row_number() OVER (ORDER BY _pos) FROM \"r_%w\" WHERE _pos > ?1 "
            "ON CONFLICT(id) DO NOTHING",
            s->catalog->types[i].name);
        st = lm_db_prepare(s->db, sql, &stmt, err);
        if (st == LM_OK) {
            ns_bind_u64(stmt, 1, position);
            st = ns_run(s, stmt, "note what is wanted", err);
        }
        (void)sqlite3_finalize(stmt);
    }
    if (st == LM_OK) {
        sqlite3_stmt *q = ns_stmt(s, NS_WANT_GONE);

        ns_bind_u64(q, 1, position);
        st = ns_run(s, q, "note what is wanted", err);
    }
    return st;
}

/* The hub's journal parts from what was seen behind `common`. */
static enum lm_status go_back(struct lm_nstore *s, uint64_t common, struct lm_me *me,
                              struct lm_error *err)
{
    struct lm_checkpoints kept;
    const struct lm_checkpoint *at;
    enum lm_status st = lm_nstore_checkpoints(s, &kept, err);

    if (st != LM_OK) {
        return st;
    }
    at = lm_checkpoints_at(&kept, common);
    st = ns_want_newer(s, common, err);
    if (at) {
        me->cursor = at->cursor;
    } else { /* the feed is state: from the beginning it brings whatever is true now */
        me->cursor = (struct lm_cursor){0};
        common = 0;
    }
    return st == LM_OK ? ns_checkpoints_cut(s, common, err) : st;
}

/* ---- WELCOME and ACK ---- */

enum lm_status lm_nstore_welcome(struct lm_nstore *store, const struct lm_msg_welcome *w,
                                 int64_t offset_ms, bool went_back, struct lm_me *me,
                                 uint64_t *wanted, struct lm_error *err)
{
    sqlite3_stmt *q;
    enum lm_status st = lm_nstore_begin(store, err);

    if (st == LM_OK) {
        st = lm_nstore_me(store, me, err);
    }
    if (st != LM_OK) {
        goto out;
    }
    if (went_back && !LM_BREAK(CURSOR_KEPT)) {
        st = LM_BREAK(NOTHING_OFFERED) ? LM_OK : ns_offers_keep(store, w->common, me, err);
        if (st == LM_OK) {
            st = go_back(store, w->common, me, err);
        }
        if (st != LM_OK) {
            goto out;
        }
        st = ns_past_forget(store, err);
        if (st != LM_OK) {
            goto out;
        }
        me->seen = w->head;
    } else if (w->head.position > me->seen.position) {
        me->seen = w->head;
    }
    if (!went_back && w->incarnation.counter > me->incarnation.counter) {
        /* What it was given back waits for a person and is not in its journal: a hub that was set
         * back to before that, and not to before its newest entry, has the marks and lacks it. */
        st = ns_run(store, ns_stmt(store, NS_OFFER_AGAIN), "offer again", err);
        if (st != LM_OK) {
            goto out;
        }
    }
    if (went_back ||
        (me->incarnation.counter > 0 && w->incarnation.counter > me->incarnation.counter)) {
        st = ns_carry_closed(store, me, err);
        if (st != LM_OK) {
            goto out;
        }
    }
    me->proof = lm_proof_of(w);
    me->lease = w->lease;
    me->incarnation = w->incarnation;
    if (me->branch == w->branch) { /* else it was closed just now: acked is the new one's start */
        me->acked = w->acked;
        me->safe_seq = w->safe_seq;
    }
    me->hlc = w->hlc_known > me->hlc && w->hlc_known < LM_HLC_FAR ? w->hlc_known : me->hlc;
    me->offset_known = true;
    me->offset_ms = offset_ms;
    me->last_contact_ms = w->hub_time_ms;
    q = ns_stmt(store, NS_ME_WELCOME);
    ns_bind_u64(q, 1, me->lease.counter);
    ns_bind_u64(q, 2, me->lease.random);
    ns_bind_u64(q, 3, me->incarnation.counter);
    ns_bind_u64(q, 4, me->incarnation.random);
    ns_bind_u64(q, 5, me->acked.seq);
    ns_bind_blob(q, 6, me->acked.hash, LM_HASH_BYTES);
    ns_bind_u64(q, 7, me->safe_seq);
    ns_bind_u64(q, 8, me->hlc);
    ns_bind_u64(q, 9, me->seen.position);
    ns_bind_blob(q, 10, me->seen.hash, LM_HASH_BYTES);
    ns_bind_u64(q, 11, me->cursor.position);
    ns_bind_text(q, 12, me->cursor.id);
    (void)sqlite3_bind_int64(q, 13, offset_ms);
    (void)sqlite3_bind_int64(q, 14, me->last_contact_ms);
    ns_bind_u64(q, 15, me->proof.mark.position);
    ns_bind_blob(q, 16, me->proof.mark.hash, LM_HASH_BYTES);
    ns_bind_blob(q, 17, me->proof.signature, sizeof me->proof.signature);
    st = ns_run(store, q, "store the hub's welcome", err);
    if (st == LM_OK) {
        st = ns_wanted_count(store, wanted, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_commit(store, err);
    }
out:
    lm_nstore_rollback(store);
    return st;
}

struct lm_hub_pins lm_nstore_pins(const struct lm_me *me, const uint8_t kit_key[32])
{
    struct lm_hub_pins pins = {.has_second = false};

    if (me->hub_pinned && memcmp(me->hub_kit, kit_key, sizeof me->hub_kit) == 0) {
        return me->hub_pins;
    }
    memcpy(pins.first, kit_key, sizeof pins.first);
    return pins;
}

enum lm_status lm_nstore_pin(struct lm_nstore *store, const uint8_t kit_key[32],
                             const struct lm_hub_pins *pins, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_ME_HUB_KEYS);

    ns_bind_blob(q, 1, kit_key, 32);
    ns_bind_blob(q, 2, pins->first, sizeof pins->first);
    if (pins->has_second) {
        ns_bind_blob(q, 3, pins->second, sizeof pins->second);
    } else {
        (void)sqlite3_bind_null(q, 3);
    }
    return ns_run(store, q, "pin the hub's keys", err);
}

enum lm_status lm_nstore_set_acked(struct lm_nstore *store, uint64_t branch,
                                   const struct lm_head *acked, uint64_t safe_seq,
                                   int64_t contact_ms, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_ME_ACKED);

    ns_bind_u64(q, 1, branch);
    ns_bind_u64(q, 2, acked->seq);
    ns_bind_blob(q, 3, acked->hash, LM_HASH_BYTES);
    ns_bind_u64(q, 4, safe_seq);
    (void)sqlite3_bind_int64(q, 5, contact_ms);
    return ns_run(store, q, "note what is acked", err);
}

enum lm_status lm_nstore_set_state(struct lm_nstore *store, const char *state, const char *code,
                                   const char *zh, const char *en, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_ME_STATE);

    ns_bind_text(q, 1, state);
    ns_bind_text(q, 2, code);
    ns_bind_text(q, 3, zh);
    ns_bind_text(q, 4, en);
    return ns_run(store, q, "note the state", err);
}

static enum lm_status hint(struct lm_nstore *store, uint64_t branch, const struct lm_ack_verdict *v,
                           struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_OUT_AT), *put;
    enum lm_status st;

    ns_bind_u64(q, 1, branch);
    ns_bind_u64(q, 2, v->seq);
    st = ns_row(store, q, "read the outbox", err);
    if (st != LM_OK) {
        return st == LM_ERR_NOT_FOUND ? LM_OK : st;
    }
    put = ns_stmt(store, NS_VERDICT_HINT);
    ns_bind_u64(put, 1, ns_column_u64(q, 0));
    ns_bind_text(put, 2, (const char *)sqlite3_column_text(q, 1));
    ns_bind_text(put, 3, (const char *)sqlite3_column_text(q, 2));
    ns_done(q);
    (void)sqlite3_bind_int(put, 4, v->verdict);
    ns_bind_text(put, 5, v->code);
    return ns_run(store, put, "note a verdict", err);
}

enum lm_status lm_nstore_verdict_hints(struct lm_nstore *store, const struct lm_msg_ack *ack,
                                       struct lm_error *err)
{
    enum lm_status st = lm_nstore_begin(store, err);

    for (size_t i = 0; st == LM_OK && i < ack->n_verdicts; i++) {
        const struct lm_ack_verdict *v = &ack->verdicts[i];

        if (v->verdict == LM_V_INVALID || v->verdict == LM_V_HELD || v->verdict == LM_V_REFUSED) {
            st = hint(store, ack->branch, v, err);
        }
    }
    if (st == LM_OK) {
        st = lm_nstore_commit(store, err);
    }
    lm_nstore_rollback(store);
    return st;
}

enum lm_status lm_nstore_wanted(struct lm_nstore *store, char (*ids)[40], size_t max, size_t *n_out,
                                struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_WANT_LIST);
    enum lm_status st = LM_OK;

    *n_out = 0;
    (void)sqlite3_bind_int64(q, 1, (int64_t)max);
    while (*n_out < max && (st = ns_row(store, q, "read what is wanted", err)) == LM_OK) {
        ns_column_text(q, 0, ids[(*n_out)++], 40);
    }
    ns_done(q);
    for (size_t i = 0; LM_BREAK(WANT_DROPPED_EARLY) && i < *n_out; i++) {
        q = ns_stmt(store, NS_WANT_DROP);
        ns_bind_text(q, 1, ids[i]);
        (void)!ns_run(store, q, "forget what is wanted", err);
    }
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}
