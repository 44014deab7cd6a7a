/* PUSH and ACK at the hub: what a node's outbox becomes. */
#include "proto/hub_session_internal.h"

#include "common/base/break.h"

#include <string.h>

static void send_ack(struct lm_hs_step *st, struct lm_ack_verdict *verdicts, size_t n)
{
    struct lm_hub_session *s = st->s;
    size_t offset = st->fx->bytes.len;
    struct lm_msg_ack m = {
        .branch = s->branch,
        .acked = s->acked,
        .safe_seq = s->safe_seq,
        .credit = st->now->loaded ? 1 : LM_WINDOW_MAX,
        .verdicts = verdicts,
        .n_verdicts = n < LM_ACK_VERDICTS_MAX ? n : LM_ACK_VERDICTS_MAX,
    };

    lm_ack_pack(&st->fx->bytes, &m);
    lm_hs_send(st, LM_MSG_ACK, offset);
}

/* The committed head of the session's branch, as far as the view knows better than the session. */
void lm_hs_learn_acked(struct lm_hs_step *st)
{
    struct lm_hub_session *s = st->s;

    if (st->view->branch == s->branch && st->view->acked.seq >= s->acked.seq &&
        st->view->acked.seq > 0) {
        s->acked = st->view->acked;
        s->safe_seq = st->view->safe_seq;
    }
    if (s->tail_seq < s->acked.seq) {
        s->tail_seq = s->acked.seq;
    }
}

void lm_hs_take_push(struct lm_hs_step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;
    struct lm_error err;
    struct lm_msg_push *m = lm_arena_alloc(ev->message.arena, sizeof(*m));
    uint64_t last;

    if (m == NULL) {
        lm_hs_error(st, "busy", "out of memory", LM_HS_RETRY_STORE_S);
        return;
    }
    if (!LM_HS_READ(push, m)) {
        return;
    }
    if (m->branch != s->branch) {
        lm_hs_log(st, "PUSH of another branch", m->branch);
        if (m->branch > s->branch) {
            lm_hs_error(st, "hello_first", "this branch was not named in HELLO", 1);
        }
        return; /* a late one of a closed branch needs no answer */
    }
    if (st->now->read_only) {
        lm_hs_error(st, "busy", "read-only until a technician acts", LM_HS_RETRY_PERSON_S);
        return;
    }
    lm_hs_learn_acked(st);
    if (m->first_seq > s->tail_seq + 1 && !LM_BREAK(GAP_ACCEPTED)) {
        lm_hs_log(st, "gap before PUSH", m->first_seq);
        send_ack(st, NULL, 0);
        return;
    }
    if (s->n_pushes >= LM_HUB_PUSHES_MAX) {
        lm_hs_log(st, "more PUSH messages than credit", m->first_seq);
        return; /* the node sends it again when no ACK comes */
    }
    last = m->first_seq + m->count - 1;
    if (m->count > 0 && last > s->tail_seq) {
        s->tail_seq = last;
    }
    s->n_pushes++;
    lm_hs_add(st, LM_HX_STORE_PUSH)->push = m;
}

void lm_hs_committed(struct lm_hs_step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;

    s->n_pushes -= ev->committed.n_pushes < s->n_pushes ? ev->committed.n_pushes : s->n_pushes;
    if (s->state != LM_HS_LIVE || ev->committed.branch != s->branch) {
        return; /* WELCOME tells, or has told */
    }
    if (ev->committed.acked.seq >= s->acked.seq && ev->committed.outcome != LM_PUSH_FAILED &&
        ev->committed.outcome != LM_PUSH_MALFORMED) {
        if (ev->committed.acked.seq > 0) {
            s->acked = ev->committed.acked;
        }
        s->safe_seq = ev->committed.safe_seq;
    }
    switch (ev->committed.outcome) {
    case LM_PUSH_OK:
        if (s->tail_seq < s->acked.seq) {
            s->tail_seq = s->acked.seq;
        }
        send_ack(st, ev->committed.verdicts, ev->committed.n_verdicts);
        break;
    case LM_PUSH_GAP:
        s->tail_seq = s->acked.seq;
        send_ack(st, ev->committed.verdicts, ev->committed.n_verdicts);
        break;
    case LM_PUSH_DIVERGED:
        lm_hs_set_state(st, LM_HS_NEW);
        lm_hs_rolled_back(st, s->branch, (struct lm_lease){0});
        break;
    case LM_PUSH_FAILED:
        s->tail_seq = s->acked.seq;
        lm_hs_error(st, "busy", "the batch could not be stored", LM_HS_RETRY_STORE_S);
        break;
    case LM_PUSH_MALFORMED:
        s->tail_seq = s->acked.seq;
        lm_hs_error(st, "malformed", "the batch does not unpack", 0);
        break;
    }
}
