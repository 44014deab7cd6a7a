/* A station and a hub in memory: the two sessions, a model store behind each, and a network between
 * them that loses, repeats, delays and reorders. All of it runs from one seed; world.digest tells
 * whether two runs were the same.
 *
 * Every rule that can be checked at a single step is checked there. session_world.c has the network
 * and the clock, session_world_hub.c the hub's store, session_world_node.c the node's. One session
 * alone, rule by rule: session_alone.h. */
#ifndef LM_TEST_SESSION_WORLD_H
#define LM_TEST_SESSION_WORLD_H

#include "proto/hub_session.h"
#include "proto/node_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLICA 77
#define CHANGES_MAX 2048
#define JOURNAL_MAX 4096
#define NET_MAX 512
#define ANSWERS_MAX 64
#define BODY_MAX 48
#define STEP_MS 50
#define HUB_EPOCH_MS 1700000000000LL
#define BATCH_CHANGES 7

struct change {
    uint64_t id;
    size_t n;
    uint8_t body[BODY_MAX];
};
struct log { /* one branch: changes[seq - 1]; hash[seq] is the chain after seq */
    uint64_t branch, n;
    struct change changes[CHANGES_MAX];
    uint8_t hash[CHANGES_MAX + 1][LM_HASH_BYTES];
};
struct packet {
    bool used, to_hub;
    uint64_t connection;
    uint8_t kind;
    uint8_t *body;
    size_t n;
    int64_t due_ms;
    uint64_t number;
};
struct answer { /* to the node's session, in the order of the effects */
    struct lm_node_event ev;
    uint8_t *packed;
    int64_t due_ms;
};
struct durable { /* what the node's database holds */
    struct log log;
    struct lm_head acked;
    struct lm_lease lease;
    struct lm_cursor cursor;
    struct lm_mark seen;
    struct lm_incarnation incarnation;
    bool wanted[JOURNAL_MAX];
    bool past_wanted;
    uint64_t past_after;
    bool differ[JOURNAL_MAX]; /* what lies here is not what the hub gave */
    uint32_t catalog;         /* in force */
    uint32_t incoming;        /* on its way, and how much of it is here */
    uint64_t incoming_n;
};
struct journal_entry {
    bool own, mismatch;
};

struct world {
    struct lm_rand rnd;
    int64_t now_ms;
    bool faults, loaded;
    uint64_t loss_percent, repeat_percent;
    struct packet net[NET_MAX];
    uint64_t packets;
    int64_t line_bytes_s;    /* 0: no limit */
    int64_t line_free_ms[2]; /* down, up: when it has carried what was sent so far */
    uint64_t carried;        /* bytes, down */
    size_t entry_bytes;      /* of a body; 0: a few, and nine to a page */
    uint8_t digest[LM_HASH_BYTES];
    /* node */
    struct durable node, saved;
    uint64_t next_id;
    bool lost[CHANGES_MAX]; /* ids that only a rolled-back database held */
    struct lm_node_session ns;
    struct lm_node_effects nfx;
    struct lm_arena narena;
    struct answer answers[ANSWERS_MAX];
    size_t n_answers;
    uint64_t connection;
    int64_t connect_at_ms; /* −1: none waits */
    bool connected, hello_on_connection, stored_on_connection;
    int64_t wall_offset_ms;
    int synced, forks, resets;
    const char *fork_reason;
    char status[32];
    /* hub */
    struct log hub_log;
    struct lm_replica_view view;
    struct lm_incarnation incarnation;
    struct journal_entry journal[JOURNAL_MAX];
    uint64_t journal_n, journal_scope_told;
    uint8_t effects[CHANGES_MAX];
    struct lm_hub_session hs;
    struct lm_hub_effects hfx;
    struct lm_arena harena;
    struct packet pushes[LM_HUB_PUSHES_MAX]; /* wait for the group commit */
    size_t n_pushes;
    int64_t commit_at_ms;
    int64_t last_as_of_ms;
    uint64_t confirmed, clones, rolled_back;
    uint32_t catalog;
    uint64_t asked; /* parts given */
    bool sums;      /* the last page carries the scope's sum */
    uint64_t digests_given;
    uint64_t past_n;   /* entries of the hub's journal about the record PAST_ID */
    bool past_unknown; /* a hub of before HISTORY: it does not answer */
    uint64_t past_asked;
};
#define PAST_ID "0192f4a1-7c3e-7d2a-9b1f-3c2d1e0f9a88"

#define CATALOG_BYTES 150000 /* three parts */

/* ---- for tests ---- */

struct world *world_new(uint64_t seed);
void world_free(struct world *w);
void world_step(struct world *w); /* STEP_MS go by */
/* All that the node has is at the hub, once, and all of the feed is at the node. */
bool world_quiet(const struct world *w);
/* Ends the faults and steps until it is quiet; fails when it does not become so. */
void world_settle(struct world *w);

bool chance(struct world *w, uint64_t percent);
void node_write(struct world *w); /* somebody saves */
void node_start(struct world *w); /* the process starts over from its database */
/* The hub's signing key pair; its second half is the public key. */
const uint8_t *world_sign_secret(void);
void hub_start(struct world *w); /* … and what was not committed is lost */
void journal_add(struct world *w, bool own);
void node_event(struct world *w, struct lm_node_event *ev);
/* `from`: the connection that an answer goes to; 0: the session's. */
void hub_event(struct world *w, struct lm_hub_event *ev, uint64_t from);

void catalog_hash(uint32_t number, uint8_t out[32]);
const uint8_t *catalog_bytes(uint32_t number);
struct lm_head log_head(const struct log *log, uint64_t seq);
/* Puts the answer to READ_BATCH behind w->answers. */
void node_read_batch(struct world *w, uint64_t from_seq);

/* ---- between the three files ---- */

void trace(struct world *w, const char *what, uint64_t number);
void post(struct world *w, bool to_hub, uint64_t connection, uint8_t kind, const uint8_t *body,
          size_t n);
void log_start(struct log *log, uint64_t branch);
void log_add(struct log *log, const struct change *c);
void position_id(uint64_t position, char out[40]);
struct lm_mark hub_mark(const struct world *w);
void hub_commit(struct world *w);
void node_answers(struct world *w); /* gives the session what is due */
void drop_answers(struct world *w);
uint64_t wanted_count(const struct durable *d);

#endif
