/* What the files of the stick's side at the hub share: one bundle while it is taken in. bundle.c
 * has the ways through it (import, enrolment, salvage), bundle_taking.c whose it is and what it
 * brings, bundle_reply.c what goes back. The writer thread's, as bundle.h says. */
#ifndef LM_HUB_BUNDLE_TAKING_H
#define LM_HUB_BUNDLE_TAKING_H

#include "hub/bundle.h"

struct lm_taking {
    struct lm_hub *hub;
    struct lm_store *store;
    struct lm_hub_bundle *out;
    struct lm_replica row;
    struct lm_msg_hello hello;
    struct lm_msg_want want;
    struct lm_msg_past_ask *asks; /* histories that are asked for */
    size_t n_asks;
    char given_back[40];           /* up to this id what was offered is kept; "" = nothing was */
    const struct lm_keypair *line; /* the hub's pair that its box opened with; the reply's */
    bool line_old;                 /* a former one */
    bool offers_end;               /* no more is taken: too much waits for a person */
    bool same_history;             /* HELLO knows this journal */
    struct lm_arena kept;          /* of HELLO, WANT and the asks */
    struct lm_arena arena;         /* of one frame or page */
    struct lm_buf frame;
    uint32_t uncommitted;
    bool open; /* a transaction */
    struct lm_error *err;
};

/* Fill err: the content breaks the rules; no memory. */
enum lm_status lm_taking_bad(struct lm_error *err);
enum lm_status lm_taking_no_memory(struct lm_error *err);
/* A transaction, unless one is open; and its end, if one is. */
enum lm_status lm_taking_begin(struct lm_taking *t) LM_MUST_USE;
enum lm_status lm_taking_commit(struct lm_taking *t) LM_MUST_USE;

/* ---- whose it is ---- */

/* Whether it is for this hub, and of a kind that a hub takes. */
enum lm_status lm_taking_check_head(struct lm_taking *t) LM_MUST_USE;
/* The registry's row of the PC that made it, into t->row. */
enum lm_status lm_taking_find_replica(struct lm_taking *t) LM_MUST_USE;
/* Decrypts data in place, with the key in force or a former one that is kept. */
enum lm_status lm_taking_open(struct lm_taking *t, uint8_t *data, size_t n,
                              struct lm_bundle_frames *frames) LM_MUST_USE;
/* The first frame, into t->hello. A proof that this hub did not sign is cleared there. */
enum lm_status lm_taking_hello(struct lm_taking *t, struct lm_bundle_frames *frames) LM_MUST_USE;

/* ---- what it brings ---- */

/* All that comes after HELLO, in transactions as large as the network's; then the export is noted.
 * Nothing is uncommitted afterwards. A gap and another log are no errors: t->out says so. */
enum lm_status lm_taking_contents(struct lm_taking *t, struct lm_bundle_frames frames) LM_MUST_USE;

/* ---- the reply ---- */

/* To an export: none (reply empty) when a part of it is still missing. */
enum lm_status lm_taking_reply(struct lm_taking *t, struct lm_buf *reply) LM_MUST_USE;
/* To a request: ENROLLED for t->row. */
enum lm_status lm_taking_answer(struct lm_taking *t, struct lm_buf *reply) LM_MUST_USE;

#endif
