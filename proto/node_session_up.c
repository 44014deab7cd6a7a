/* The node's session, upwards: PUSH by window, ACK.
 *
 * Invariants: flights[] is contiguous and ascending; flights[0].first_seq ≤ acked + 1; next_before
 * is the last change of the last flight, or acked when none is under way. A PUSH is made only from
 * a batch that starts exactly there, so changes go out in order whatever was rewound meanwhile. */
#include "common/base/break.h"
#include "proto/node_session_internal.h"

#include <string.h>

void lm_ns_up_rewind(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;

    s->n_flights = 0;
    s->next_before = s->config.acked;
}

void lm_ns_up_begin(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;

    lm_ns_up_rewind(st);
    s->push_at_ms = 0;
    s->beat_due = true;
    s->beat_wait = false;
    s->push_sent_ms = st->now_ms;
}

bool lm_ns_up_outstanding(const struct lm_node_session *s)
{
    return s->n_flights > 0 || s->beat_wait;
}

static bool all_sent(const struct lm_node_session *s)
{
    return s->next_before.seq >= s->config.head.seq;
}

bool lm_ns_up_done(const struct lm_node_session *s)
{
    return s->n_flights == 0 && !s->beat_wait && !s->beat_due && all_sent(s) &&
           s->config.acked.seq == s->config.head.seq;
}

/* Takes the flights off that acked covers. */
static void slide(struct lm_node_session *s, int64_t now_ms)
{
    uint32_t done = 0;

    while (done < s->n_flights && s->flights[done].last.seq <= s->config.acked.seq) {
        if (done == 0) { /* its own time: sent_ms of those behind it begins with its ack */
            lm_pace_came(&s->up, s->flights[0].raw_bytes, now_ms - s->flights[0].sent_ms);
        }
        done++;
    }
    s->n_flights -= done;
    memmove(s->flights, s->flights + done, s->n_flights * sizeof(s->flights[0]));
}

/* Whether the acked position lies on our chain, as far as the hashes in memory can tell. */
static bool on_our_chain(const struct lm_node_session *s, const struct lm_head *acked)
{
    if (acked->seq == s->config.acked.seq) {
        return lm_ns_head_equal(acked, &s->config.acked);
    }
    if (acked->seq == s->config.head.seq && !lm_ns_head_equal(acked, &s->config.head)) {
        return false;
    }
    for (uint32_t i = 0; i < s->n_flights; i++) {
        if (acked->seq == s->flights[i].last.seq) {
            return lm_ns_head_equal(acked, &s->flights[i].last);
        }
    }
    return true;
}

void lm_ns_up_ack(struct lm_ns_step *st, const struct lm_msg_ack *ack)
{
    struct lm_node_session *s = st->s;
    struct lm_node_effect *e;
    bool moved;

    if (ack->branch != s->config.branch) {
        lm_ns_log(st, "ACK of another branch", ack->branch);
        return;
    }
    if (ack->acked.seq < s->config.acked.seq) {
        /* A late one, or a hub that went back: only WELCOME may lower what is known to be acked. */
        lm_ns_log(st, "ACK below what is acked", ack->acked.seq);
        return;
    }
    if (ack->acked.seq > s->config.head.seq || !on_our_chain(s, &ack->acked)) {
        /* The hub holds another log under our branch: a new HELLO settles who went back. */
        lm_ns_log(st, "ACK that does not fit our log", ack->acked.seq);
        lm_ns_reset(st, "resync");
        return;
    }
    s->credit = ack->credit < 1 ? 1 : ack->credit > LM_WINDOW_MAX ? LM_WINDOW_MAX : ack->credit;
    moved = ack->acked.seq > s->config.acked.seq;
    if (moved || ack->safe_seq != s->config.safe_seq) {
        s->config.acked = ack->acked;
        s->config.safe_seq = ack->safe_seq;
        e = lm_ns_add(st, LM_NX_SET_ACKED);
        e->acked.head = ack->acked;
        e->acked.safe_seq = ack->safe_seq;
    }
    if (moved) {
        s->epoch++;
        slide(s, st->now_ms);
        if (s->n_flights > 0) {
            s->flights[0].sent_ms = st->now_ms; /* progress: its turn to be waited for begins now */
        } else if (s->next_before.seq <= s->config.acked.seq) {
            s->next_before = s->config.acked;
        }
        if (s->n_flights == 0 && s->config.acked.seq == s->config.head.seq) {
            s->beat_due = true; /* tell that the outbox is empty as of now */
        }
    }
    if (s->n_flights > 0 && s->flights[0].first_seq > s->config.acked.seq + 1) {
        lm_ns_log(st, "gap: sending again from", s->config.acked.seq + 1);
        lm_ns_up_rewind(st);
    }
    if (s->n_flights == 0) {
        s->beat_wait = false;
    }
    if (ack->n_verdicts > 0) {
        lm_ns_add(st, LM_NX_VERDICT_HINTS)->ack = ack;
    }
}

static void send_push(struct lm_ns_step *st, const struct lm_node_batch *batch)
{
    struct lm_node_session *s = st->s;
    size_t offset = st->fx->bytes.len;
    struct lm_msg_push push = {
        .branch = s->config.branch,
        .first_seq = batch->first_seq,
        .count = batch->count,
        .raw_bytes = batch->raw_bytes,
        .packed = batch->packed,
        .packed_len = batch->packed_len,
        .head = s->config.head,
        .as_of_ms = s->read_as_of_ms,
    };

    if (batch->count == 0) {
        push.raw_bytes = 0;
        push.packed = NULL;
        push.packed_len = 0;
    }
    memcpy(push.before, batch->before, sizeof(push.before));
    lm_push_pack(&st->fx->bytes, &push);
    if (!lm_ns_send(st, LM_MSG_PUSH, offset, batch->first_seq)) {
        s->push_at_ms = st->now_ms + LM_NODE_REFUSED_MS;
        return;
    }
    s->push_sent_ms = st->now_ms;
    if (batch->count == 0) {
        s->beat_due = false;
        s->beat_wait = true;
        s->beat_sent_ms = st->now_ms;
    } else {
        struct lm_node_flight *f = &s->flights[s->n_flights++];

        f->first_seq = batch->first_seq;
        f->last = batch->last;
        f->raw_bytes = batch->raw_bytes;
        f->sent_ms = st->now_ms;
        s->next_before = batch->last;
    }
}

void lm_ns_up_batch(struct lm_ns_step *st, const struct lm_node_batch *batch)
{
    struct lm_node_session *s = st->s;

    if (!s->reading) {
        lm_ns_log(st, "BATCH that was not asked for", batch->first_seq);
        return;
    }
    s->reading = false;
    if (s->state != LM_NS_LIVE || s->read_branch != s->config.branch) {
        return;
    }
    if (batch->first_seq == 0) {
        lm_ns_log(st, "outbox could not be read", 0);
        s->push_at_ms = st->now_ms + LM_NODE_RESEND_MS;
        return;
    }
    if (batch->head.seq >= s->config.head.seq) {
        s->config.head = batch->head;
    }
    if (batch->first_seq != s->next_before.seq + 1 || s->n_flights >= s->credit) {
        return; /* rewound while it was read; the pump asks again */
    }
    if (memcmp(batch->before, s->next_before.hash, LM_HASH_BYTES) != 0) {
        lm_ns_log(st, "outbox does not continue what is acked", batch->first_seq);
        lm_ns_reset(st, "resync");
        return;
    }
    if (batch->count == 0 && !all_sent(s)) {
        lm_ns_log(st, "outbox has a hole at", batch->first_seq);
        s->push_at_ms = st->now_ms + LM_NODE_RESEND_MS;
        return;
    }
    if (batch->count > 0) {
        LM_CHECK(batch->count <= LM_BATCH_CHANGES_MAX && batch->packed != NULL &&
                 batch->last.seq == batch->first_seq + batch->count - 1);
    }
    send_push(st, batch);
}

void lm_ns_up_refused(struct lm_ns_step *st, uint64_t first_seq)
{
    struct lm_node_session *s = st->s;

    s->push_at_ms = st->now_ms + LM_NODE_REFUSED_MS;
    if (s->beat_wait) { /* nothing else is under way then */
        s->beat_wait = false;
        s->beat_due = true;
        return;
    }
    for (uint32_t i = 0; i < s->n_flights; i++) {
        if (s->flights[i].first_seq >= first_seq) {
            s->n_flights = i;
            s->next_before = i > 0 ? s->flights[i - 1].last : s->config.acked;
            return;
        }
    }
}

void lm_ns_up_pump(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    struct lm_node_effect *e;

    if (s->n_flights > 0 &&
        st->now_ms - s->flights[0].sent_ms >= lm_pace_wait_ms(&s->up, LM_NODE_RESEND_MS)) {
        lm_ns_log(st, "no ACK: sending again from", s->config.acked.seq + 1);
        lm_pace_missed(&s->up);
        lm_ns_up_rewind(st);
    }
    if (s->beat_wait && st->now_ms - s->beat_sent_ms >= LM_NODE_RESEND_MS) {
        s->beat_wait = false;
        s->beat_due = true;
    }
    if (st->now_ms - s->push_sent_ms >= LM_NODE_BEAT_MS) {
        s->beat_due = true;
    }
    if (s->reading || st->now_ms < s->push_at_ms || st->now_ms < s->quiet_until_ms) {
        return;
    }
    if (all_sent(s) ? s->n_flights > 0 || s->beat_wait || !s->beat_due
                    : s->n_flights >= s->credit) {
        return;
    }
    s->reading = true;
    s->read_branch = s->config.branch;
    /* Before the head is read: what is told of this moment is then never too much. */
    s->read_as_of_ms =
        LM_BREAK(COVERAGE_BY_NODE) ? st->ev->wall_ms : lm_node_session_hub_time(s, st->now_ms);
    e = lm_ns_add(st, LM_NX_READ_BATCH);
    e->read_batch.from_seq = s->next_before.seq + 1;
    e->read_batch.max_changes = LM_BATCH_CHANGES_MAX;
    e->read_batch.max_bytes = s->up.bytes;
}
