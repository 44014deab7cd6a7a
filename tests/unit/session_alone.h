/* One of the two sessions of session_world.h alone: a test gives it events one by one and looks at
 * the effects of the last, w->nfx or w->hfx, which nobody carries out. */
#ifndef LM_TEST_SESSION_ALONE_H
#define LM_TEST_SESSION_ALONE_H

#include "session_world.h"

/* ---- the node ---- */

/* A node with so many changes that has said HELLO; and one whose WELCOME is stored. */
struct world *connected(uint64_t changes);
struct world *live(uint64_t changes);

void give(struct world *w, struct lm_node_event ev);
void give_bytes(struct world *w, uint8_t kind, const void *body, size_t n);
void give_error(struct world *w, const char *code, const char *text, uint32_t retry_after_s);
struct lm_msg_welcome welcome_of(const struct world *w, uint64_t lease);
/* Signed by the hub unless it has a signature already. */
void give_welcome(struct world *w, const struct lm_msg_welcome *m);
void give_ack(struct world *w, uint64_t seq, uint32_t credit);
void give_batch(struct world *w); /* answers READ_BATCH of the step before */

int count(const struct world *w, enum lm_node_effect_kind kind);
bool node_did(const struct world *w, enum lm_node_effect_kind kind);
/* The first such effect; fails when there is none. */
const struct lm_node_effect *find(const struct world *w, enum lm_node_effect_kind kind);

/* ---- the hub ---- */

void hub_give(struct world *w, uint64_t peer, uint8_t kind, const struct lm_buf *body);
/* To a hub that was just started. */
void hub_hello(struct world *w, uint64_t branch, struct lm_lease lease, uint64_t protocol);

bool hub_did(const struct world *w, enum lm_hub_effect_kind kind);
/* The code of the ERROR among the effects, or ""; it lies in m. */
const char *hub_error(struct world *w, struct lm_msg_error *m);

#endif
