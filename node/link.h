/* The link with the hub: drives the node's session (proto/node_session.h) with a socket, a clock
 * and the database.
 *
 * One holder at a time: who has the lock "node.lock". One thread. It keeps no state of its own that
 * matters: after a failure of the database it starts a session anew from what is stored. */
#ifndef LM_NODE_LINK_H
#define LM_NODE_LINK_H

#include "common/transport.h"
#include "node/key.h"
#include "node/store.h"
#include "proto/node_session.h"

#define LM_LINK_EVENTS_MAX 32
#define LM_LINK_POLL_MS 500 /* how soon a save of another process is seen without being told */

struct lm_link {
    struct lm_nstore *store;       /* borrowed */
    const struct lm_node_key *key; /* borrowed */
    struct lm_context *context;
    struct lm_dealer *dealer; /* NULL between two sockets */
    bool use_second;          /* sockets hold the hub to the second of the pinned keys … */
    bool tried_other;         /* … or the first: both were tried since the last RESET */
    uint32_t connection;      /* of the dealer, on which the session greeted */
    struct lm_node_session session;
    struct lm_node_effects fx;
    struct lm_arena arena;  /* of the message at hand */
    struct lm_arena offers; /* the next RECOVER */
    struct lm_batch batch;
    struct lm_buf packed;     /* the batch on its way into a PUSH */
    char (*wanted)[40];       /* [LM_WANT_MAX] */
    int64_t open_at_ms;       /* mono: when to make the next socket; -1 = not */
    int64_t restart_at_ms;    /* mono: when to begin anew after a failure; -1 = not */
    int64_t tick_ms;          /* mono: last TICK */
    int64_t wrong_ms;         /* mono: since when what answers has none of the pinned keys; -1 */
    int64_t refused_ms;       /* mono: since when the hub refuses the key; -1 = it does not */
    int64_t readmit_until_ms; /* mono: the socket is for READMIT until then; -1 = it is not */
    int64_t readmit_at_ms;    /* mono: not to be asked for before */
    bool readmit_asked;
    uint64_t differed; /* how often the records here were found not to be the hub's */
    uint64_t synced;   /* how often SYNCED was told */
    struct lm_node_event events[LM_LINK_EVENTS_MAX]; /* answers to effects, to be given in order */
    size_t n_events;
    char shown[LM_NSTATE_CODE_MAX]; /* what was last noted for `status` */
    bool shown_refused;
};
/* Makes the context and begins a session; the first socket is opened in the first round. */
enum lm_status lm_link_open(struct lm_link *link, struct lm_nstore *store,
                            const struct lm_node_key *key, struct lm_error *err) LM_MUST_USE;
/* Notes "offline" and closes everything. Accepts a zeroed struct. */
void lm_link_close(struct lm_link *link);
/* Waits for the hub, for one of fds, or at most timeout_ms; then does what there is to do. ready[i]
 * tells which fd is readable. */
void lm_link_round(struct lm_link *link, const int *fds, size_t n_fds, bool *ready, int timeout_ms);
/* Looks whether the outbox grew, now. */
void lm_link_poke(struct lm_link *link);
/* A person asks: no waiting; link->synced rises when all is sent and fetched. */
void lm_link_hurry(struct lm_link *link);
/* The database changed under the session (a bundle): it begins anew from what is stored. */
void lm_link_restart(struct lm_link *link);
/* Fills err with why it is not in step now. true: waiting longer will not help, a person is needed.
 */
bool lm_link_why(struct lm_link *link, struct lm_error *err);

/* Gives the session one event and carries out its effects and what follows from them. */
void lm_link_give(struct lm_link *link, const struct lm_node_event *event);

#endif
