/* The node's session: what it offers a hub that went back.
 *
 * WELCOME_STORED has set aside, durably, the records that the node had taken in behind the point
 * where the two histories part. They are sent a page at a time, beside everything else; a page is
 * forgotten when the hub names its last record. A hub that does not answer can't take it now (too
 * much waits for a person there): it is asked ever more rarely, and nothing else waits for it. */
#include "proto/node_session_internal.h"

#include <string.h>

void lm_ns_recover_begin(struct lm_ns_step *st) /* on WELCOME_STORED */
{
    struct lm_node_session *s = st->s;

    s->recover.none = !st->ev->stored.offers;
    s->recover.asking = false;
    s->recover.left_waiting = 0;
    s->recover.at_ms = 0;
}

bool lm_ns_recover_done(const struct lm_node_session *s)
{
    return s->recover.none || s->recover.left_waiting > 0;
}

void lm_ns_recover_read(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    size_t n = st->ev->offers.n, offset = st->fx->bytes.len;
    struct lm_msg_offer m = {.session = s->session,
                             .proof = st->ev->offers.proof,
                             .items = st->ev->offers.items,
                             .n = n};

    if (!s->recover.reading) {
        lm_ns_log(st, "OFFERS that were not asked for", n);
        return;
    }
    s->recover.reading = false;
    if (s->state != LM_NS_LIVE) {
        return;
    }
    if (n == 0) {
        s->recover.none = true;
        return;
    }
    LM_CHECK(n <= LM_OFFER_RECORDS_MAX);
    lm_offer_pack(&st->fx->bytes, &m);
    if (!lm_ns_send(st, LM_MSG_RECOVER, offset, 0)) {
        s->recover.at_ms = st->now_ms + LM_NODE_OFFER_WAIT_MAX_MS;
        s->recover.left_waiting++;
        return;
    }
    memcpy(s->recover.last, m.items[n - 1].id, sizeof(s->recover.last));
    s->recover.asking = true;
    s->recover.at_ms =
        st->now_ms +
        (LM_NODE_OFFER_WAIT_MS << (s->recover.left_waiting < 5 ? s->recover.left_waiting : 5));
    if (s->recover.at_ms - st->now_ms > LM_NODE_OFFER_WAIT_MAX_MS) {
        s->recover.at_ms = st->now_ms + LM_NODE_OFFER_WAIT_MAX_MS;
    }
}

void lm_ns_recover_answer(struct lm_ns_step *st, const struct lm_msg_offered *m)
{
    struct lm_node_session *s = st->s;
    struct lm_msg_offered *kept;

    /* An answer to an earlier copy of this page is as good; one beyond it is to nothing of ours. */
    if (m->session != s->session || !s->recover.asking || strcmp(m->id, s->recover.last) > 0) {
        lm_ns_log(st, "answer to an earlier RECOVER", m->session);
        return;
    }
    kept = lm_arena_alloc(st->ev->message.arena, sizeof(*kept));
    if (kept == NULL) {
        return; /* offered again */
    }
    *kept = *m;
    s->recover.asking = false;
    s->recover.left_waiting = 0;
    s->recover.at_ms = 0;
    lm_ns_add(st, LM_NX_DROP_OFFERS)->offered = kept;
}

void lm_ns_recover_refused(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;

    if (s->recover.asking) {
        s->recover.asking = false;
        s->recover.at_ms = st->now_ms + LM_NODE_REFUSED_MS;
    }
}

void lm_ns_recover_pump(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;

    if (s->recover.none || s->recover.reading || st->now_ms < s->recover.at_ms ||
        st->now_ms < s->quiet_until_ms) {
        return;
    }
    if (s->recover.asking) {
        lm_ns_log(st, "no answer to RECOVER", s->recover.left_waiting);
        s->recover.asking = false;
        s->recover.left_waiting++;
    }
    s->recover.reading = true;
    lm_ns_add(st, LM_NX_READ_OFFERS);
}
