/* What the parts of the hub's session share: hub_session.c (states, effects, events),
 * hub_session_hello.c (HELLO, WELCOME, who is refused), hub_session_up.c (PUSH, ACK),
 * hub_session_down.c (PULL, FEED, WANT, BODIES, COMPARE, HISTORY, CATALOG), hub_session_recover.c.
 */
#ifndef LM_PROTO_HUB_SESSION_INTERNAL_H
#define LM_PROTO_HUB_SESSION_INTERNAL_H

#include "proto/hub_session.h"

#define LM_HS_RETRY_PERSON_S 300 /* for what a person must mend */
#define LM_HS_RETRY_STORE_S 5

/* One step at work. */
struct lm_hs_step {
    struct lm_hub_session *s;
    const struct lm_hub_event *ev;
    struct lm_hub_effects *fx;
    const struct lm_hub_now *now;
    const struct lm_replica_view *view;
};

void lm_hs_set_state(struct lm_hs_step *st, enum lm_hub_state to);
struct lm_hub_effect *lm_hs_add(struct lm_hs_step *st, enum lm_hub_effect_kind kind);
void lm_hs_log(struct lm_hs_step *st, const char *what, uint64_t number);
/* The message was packed into fx->bytes from offset on. */
void lm_hs_send(struct lm_hs_step *st, uint8_t kind, size_t offset);
void lm_hs_error(struct lm_hs_step *st, const char *code, const char *text, uint32_t retry_after_s);
void lm_hs_rolled_back(struct lm_hs_step *st, uint64_t branch, struct lm_lease held);
void lm_hs_clone(struct lm_hs_step *st, struct lm_lease held);
void lm_hs_malformed(struct lm_hs_step *st);
/* Whether the message names the session that runs; the others are told to greet. */
bool lm_hs_names_session(struct lm_hs_step *st, uint64_t session);

/* Reads the message's body with lm_NAME_read, which wants `ev` and `err` in the caller; false when
 * it is malformed: that is answered. */
#define LM_HS_READ(name, m)                                                                        \
    (lm_##name##_read(ev->message.body, ev->message.n, ev->message.arena, (m), &err) == LM_OK ||   \
     (lm_hs_malformed(st), false))

/* hub_session_hello.c */
void lm_hs_take_hello(struct lm_hs_step *st);
void lm_hs_hello_stored(struct lm_hs_step *st);
void lm_hs_take_key(struct lm_hs_step *st);
/* Whether this hub signed it. */
bool lm_hs_proof_verifies(const struct lm_hs_step *st, const struct lm_proof *proof);

/* hub_session_up.c */
void lm_hs_take_push(struct lm_hs_step *st);
void lm_hs_committed(struct lm_hs_step *st);
void lm_hs_learn_acked(struct lm_hs_step *st);

/* hub_session_down.c */
void lm_hs_take_pull(struct lm_hs_step *st);
void lm_hs_take_want(struct lm_hs_step *st);
void lm_hs_page_read(struct lm_hs_step *st);
void lm_hs_take_compare(struct lm_hs_step *st);
void lm_hs_digests_read(struct lm_hs_step *st);
void lm_hs_take_past(struct lm_hs_step *st);
void lm_hs_past_read(struct lm_hs_step *st);
void lm_hs_take_ask(struct lm_hs_step *st);
void lm_hs_offer_catalog(struct lm_hs_step *st);

/* hub_session_recover.c */
void lm_hs_take_offer(struct lm_hs_step *st);
void lm_hs_recovered(struct lm_hs_step *st);

#endif
