/* RECOVER at the hub: what nodes still have of a history that is gone. */
#include "proto/hub_session_internal.h"

#include <string.h>

/* Only a node that this hub itself has told of an earlier history may say what was in it. What it
 * says has no effect before a person has looked. An offer without an answer comes again. */
void lm_hs_take_offer(struct lm_hs_step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;
    struct lm_error err;
    struct lm_msg_offer *m = lm_arena_alloc(ev->message.arena, sizeof(*m));

    if (m == NULL) {
        lm_hs_log(st, "no memory for RECOVER", ev->message.n);
        return;
    }
    if (!LM_HS_READ(offer, m)) {
        return;
    }
    if (!lm_hs_names_session(st, m->session)) {
        return;
    }
    if (!lm_hs_proof_verifies(st, &m->proof) ||
        m->proof.incarnation.counter >= st->now->incarnation.counter) {
        lm_hs_log(st, "RECOVER without a proof of an earlier history",
                  m->proof.incarnation.counter);
        return;
    }
    if (st->now->read_only || s->recovering || m->n == 0) {
        lm_hs_log(st, "RECOVER that cannot be taken now", m->n);
        return;
    }
    s->recovering = true;
    lm_hs_add(st, LM_HX_STORE_OFFER)->offer = m;
}

void lm_hs_recovered(struct lm_hs_step *st)
{
    struct lm_hub_session *s = st->s;
    struct lm_msg_offered m = {.session = s->session};
    size_t offset = st->fx->bytes.len;

    if (s->state != LM_HS_LIVE || !s->recovering) {
        return; /* of a session that has ended */
    }
    s->recovering = false;
    if (!st->ev->recovered.ok) {
        return;
    }
    memcpy(m.id, st->ev->recovered.id, sizeof(m.id));
    lm_offered_pack(&st->fx->bytes, &m);
    lm_hs_send(st, LM_MSG_RECOVER, offset);
}
