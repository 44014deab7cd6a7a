/* What the parts of the node's session share: node_session.c (states, events, RESET),
 * node_session_hello.c (HELLO, WELCOME, errors, forks), node_session_up.c (PUSH, ACK),
 * node_session_down.c (PULL, FEED, WANT, BODIES), node_session_history.c (HISTORY) and
 * node_session_status.c (what people read). */
#ifndef LM_PROTO_NODE_SESSION_INTERNAL_H
#define LM_PROTO_NODE_SESSION_INTERNAL_H

#include "proto/node_session.h"

/* One step at work. */
struct lm_ns_step {
    struct lm_node_session *s;
    const struct lm_node_event *ev;
    struct lm_node_effects *fx;
    int64_t now_ms; /* mono */
};

struct lm_node_effect *lm_ns_add(struct lm_ns_step *st, enum lm_node_effect_kind kind);
void lm_ns_log(struct lm_ns_step *st, const char *what, uint64_t number);
void lm_ns_set_state(struct lm_ns_step *st, enum lm_node_state to);
/* code is one of the table in node_session_status.c. */
void lm_ns_set_status(struct lm_ns_step *st, const char *code);
/* The message was packed into fx->bytes from offset on. False when it could not be packed: nothing
 * is sent. */
bool lm_ns_send(struct lm_ns_step *st, uint8_t kind, size_t offset, uint64_t first_seq);
/* Gives the socket up, with back-off. code: the status to show. */
void lm_ns_reset(struct lm_ns_step *st, const char *code);
/* Gives it up for about 5 min: a person must mend what code says. */
void lm_ns_bar(struct lm_ns_step *st, const char *code);
void lm_ns_fork(struct lm_ns_step *st, const char *reason, uint64_t branch_min);
bool lm_ns_head_equal(const struct lm_head *a, const struct lm_head *b);

const struct lm_node_status *lm_ns_find_status(const char *code); /* NULL: none */
/* The start of a branch has a known hash; a store that has nothing yet may leave it zero. */
void lm_ns_fill_chain_start(const struct lm_node_config *config, struct lm_head *head);

/* HELLO: node_session_hello.c */
void lm_ns_begin_hello(struct lm_ns_step *st, int64_t at_ms);
void lm_ns_say_hello(struct lm_ns_step *st);
void lm_ns_key_pump(struct lm_ns_step *st);
void lm_ns_take_welcome(struct lm_ns_step *st, const struct lm_msg_welcome *w);
void lm_ns_take_hash_checked(struct lm_ns_step *st, bool ok);
void lm_ns_go_live(struct lm_ns_step *st); /* on WELCOME_STORED */
void lm_ns_take_error(struct lm_ns_step *st, const struct lm_msg_error *m);
void lm_ns_take_forked(struct lm_ns_step *st);

/* Up: node_session_up.c */
void lm_ns_up_begin(struct lm_ns_step *st); /* a session begins: PUSH from acked + 1 */
void lm_ns_up_rewind(struct lm_ns_step *st);
void lm_ns_up_ack(struct lm_ns_step *st, const struct lm_msg_ack *ack);
void lm_ns_up_batch(struct lm_ns_step *st, const struct lm_node_batch *batch);
void lm_ns_up_refused(struct lm_ns_step *st, uint64_t first_seq);
void lm_ns_up_pump(struct lm_ns_step *st);
bool lm_ns_up_outstanding(const struct lm_node_session *s);
bool lm_ns_up_done(const struct lm_node_session *s); /* nothing to send, nothing under way */

/* Down: node_session_down.c */
void lm_ns_down_begin(struct lm_ns_step *st);
void lm_ns_down_page(struct lm_ns_step *st, const struct lm_msg_feed *page, bool is_bodies);
void lm_ns_down_applied(struct lm_ns_step *st, const struct lm_cursor *cursor, uint64_t wanted);
void lm_ns_down_wanted(struct lm_ns_step *st, char (*ids)[40], size_t n);
void lm_ns_down_news(struct lm_ns_step *st, uint64_t position);
void lm_ns_down_refused(struct lm_ns_step *st, uint8_t kind);
void lm_ns_down_pump(struct lm_ns_step *st);
bool lm_ns_down_outstanding(const struct lm_node_session *s);
bool lm_ns_down_done(const struct lm_node_session *s); /* caught up, nothing wanted */

/* Whether the scope is what the hub has: node_session_compare.c */
void lm_ns_compare_begin(struct lm_ns_step *st); /* a session begins */
/* A page was applied that ends the feed; config.cursor is behind it. */
void lm_ns_compare_page(struct lm_node_session *s, bool has_sum, uint64_t sum, uint64_t acked_seq);
void lm_ns_compare_summed(struct lm_ns_step *st, enum lm_sum_outcome outcome); /* on SUM */
void lm_ns_compare_digests(struct lm_ns_step *st, const struct lm_msg_digests *m);
void lm_ns_compare_looked(struct lm_ns_step *st, bool ok, uint64_t wanted); /* on COMPARED */
void lm_ns_compare_refused(struct lm_ns_step *st);
void lm_ns_compare_pump(struct lm_ns_step *st);
bool lm_ns_compare_done(const struct lm_node_session *s);

/* What became of one record, when a person wants to know: node_session_history.c */
void lm_ns_past_begin(struct lm_ns_step *st);  /* a session begins, or SYNC_NOW */
void lm_ns_past_looked(struct lm_ns_step *st); /* on PAST */
void lm_ns_past_answer(struct lm_ns_step *st, const struct lm_msg_past *m);
void lm_ns_past_refused(struct lm_ns_step *st);
void lm_ns_past_pump(struct lm_ns_step *st);
bool lm_ns_past_done(const struct lm_node_session *s);

/* What a hub that went back is offered: node_session_recover.c */
void lm_ns_recover_begin(struct lm_ns_step *st); /* a session begins */
void lm_ns_recover_read(struct lm_ns_step *st);  /* on OFFERS */
void lm_ns_recover_answer(struct lm_ns_step *st, const struct lm_msg_offered *m);
void lm_ns_recover_refused(struct lm_ns_step *st);
void lm_ns_recover_pump(struct lm_ns_step *st);
/* All is offered, or the hub does not take more now. */
bool lm_ns_recover_done(const struct lm_node_session *s);

/* The catalogue: node_session_catalog.c */
void lm_ns_catalog_begin(struct lm_ns_step *st); /* a session begins: WELCOME told of the hub's */
void lm_ns_catalog_part(struct lm_ns_step *st, const struct lm_msg_part *part);
void lm_ns_catalog_looked(struct lm_ns_step *st); /* on CATALOG */
void lm_ns_catalog_refused(struct lm_ns_step *st);
void lm_ns_catalog_pump(struct lm_ns_step *st);
bool lm_ns_catalog_done(const struct lm_node_session *s); /* nothing of it is on its way */

#endif
