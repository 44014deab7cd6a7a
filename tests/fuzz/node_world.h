/* A node as it runs, its hub being whoever feeds it: the real link, session, store and saves over a
 * disk in memory, a transport that hands over what it is given, and what must hold after each
 * event. */
#ifndef LM_TESTS_FUZZ_NODE_WORLD_H
#define LM_TESTS_FUZZ_NODE_WORLD_H

#include "node/link.h"
#include "node/save.h"

enum { NW_REPLICA = 77, NW_OWN_MAX = 12 };
#define NW_STATION "999999101201"

/* A record made here, as last saved. */
struct nw_own {
    char id[40];
    uint64_t hlc;   /* of the last save */
    int64_t number; /* item_count as last saved; -1 = deleted */
    bool claimed; /* a hub had it: should that one go back, it is sent again, whatever shows now */
};

struct node_world {
    struct lm_catalog *catalog;
    struct lm_datadir dir;
    struct lm_nstore *store;
    struct lm_node_key key;
    struct lm_link link;
    /* the wire */
    const char *state; /* what the socket says of itself */
    bool refuse;       /* takes nothing */
    uint8_t kind;      /* the next message */
    uint8_t *body;     /* NULL = none; exactly n bytes, so that a sanitizer sees one too many */
    size_t n;
    /* what is known of it from outside */
    uint64_t branch;     /* of the outbox */
    uint64_t told_acked; /* highest that any message has told of that branch */
    uint64_t acked;      /* as the session believed it before the event */
    bool welcome;        /* the event brings a WELCOME */
    bool greeted;        /* a WELCOME came over this socket */
    size_t saves;
    struct nw_own own[NW_OWN_MAX];
    size_t n_own;
};

/* Everything as it is right after enrolment. */
/* The signing key of the hub that the world enrolled at; its second half is the public one. */
const uint8_t *nw_sign_secret(void);
void nw_begin(struct node_world *w);
void nw_end(struct node_world *w);
/* The process dies and comes again. */
void nw_restart(struct node_world *w);
/* The loop goes round once. */
void nw_round(struct node_world *w);
/* A message of the hub, then a round. */
void nw_deliver(struct node_world *w, uint8_t kind, const uint8_t *body, size_t n);
/* Somebody saves: own[i] made when there is none, edited, or deleted (number -1). */
void nw_save(struct node_world *w, size_t i, int64_t number);
/* The chain's hash after seq in the outbox; false: there is no such change. */
bool nw_hash_at(struct node_world *w, uint64_t seq, struct lm_head *out);

#endif
