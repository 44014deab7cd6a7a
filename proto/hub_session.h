/* The hub's side of synchronisation with one replica, as a step function. Pure, like
 * proto/node_session.h.
 *
 * How a program drives it (one thread): one lm_hub_session for each replica, kept while the replica
 * is connected or was lately (the replica is known from the authenticated key of each message,
 * never from its content). It gives events with what it knows at that moment (`now` and `view`,
 * both never NULL), and carries out the effects in their order before it gives the next event.
 * Pointers in effects point into the event's arena or body.
 *
 * Where SEND goes: to the sender of the event's message; for events that are no message, to the
 * peer whose HELLO was last accepted (session->peer). LM_ERR_BUSY or NOT_FOUND from the transport:
 * drop the message, nothing else; the node asks again.
 *
 * Invariants: WELCOME goes out after the new lease is stored; ACK names committed positions only;
 * at most one READ_FEED and one READ_BODIES are unanswered; at most LM_HUB_PUSHES_MAX pushes wait
 * for their commit; NEWS is sent once until the next PULL. */
#ifndef LM_PROTO_HUB_SESSION_H
#define LM_PROTO_HUB_SESSION_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/status.h"
#include "common/base/util.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stdint.h>

#define LM_HUB_EFFECTS_MAX 8
#define LM_HUB_FX_BYTES_MAX (LM_FRAME_BYTES_MAX + 16 * 1024)
#define LM_HUB_PUSHES_MAX                                                                          \
    (2 * LM_WINDOW_MAX)       /* pushes of one session that wait for their commit                  \
                               */
#define LM_HUB_OFFER_MS 60000 /* a node with another catalogue is told of the hub's this often */
#define LM_HUB_IDLE_MS 300000 /* nothing heard → CLOSE */
#define LM_HUB_STRAY_MS                                                                            \
    30000 /* messages of an older peer are late ones for this long after HELLO */
#define LM_HUB_STRAY_AGAIN_MS                                                                      \
    20000 /* two of them this far apart: two installations live on one key */
#define LM_HUB_ALIVE_MS                                                                            \
    100000 /* heard within this: a live node pulls every 30 s and tells its head every 60 */
#define LM_HUB_PROBE_MS 1500   /* so long after an older lease is shown, its holder is asked */
#define LM_HUB_CONTEST_MS 4000 /* and so long after it, whether it spoke decides */
#define LM_HUB_CONTEST_S 5     /* what the one that showed it is told to wait */
#define LM_ABANDONED_MAX 16    /* ranges of leases given up by going back that are remembered */

/* Leases above low, up to high: their holder went back to low. Who shows one of them later is
 * another copy of the installation, or one that was put back a second time. */
struct lm_abandoned {
    uint64_t low, high;
};
/* What the hub knows of the replica at the moment of the event. */
struct lm_replica_view {
    bool revoked;
    bool clone; /* a second installation was refused under this key, and no person has acted yet:
                   whoever shows an older lease stays refused, the holder of the newest is served */
    uint32_t twins; /* times an abandoned lease was shown since a person last looked */
    struct lm_abandoned abandoned[LM_ABANDONED_MAX]; /* the newest ones */
    size_t n_abandoned;
    uint64_t branch;           /* highest branch known; 0 = none yet */
    struct lm_head acked;      /* committed head of that branch (seq 0: chain start) */
    uint64_t safe_seq;         /* of that branch: in a backup too */
    struct lm_lease issued;    /* last one given out; zero = none */
    struct lm_lease confirmed; /* last one that the replica was seen to hold; zero = none */
    uint64_t hlc_known;        /* highest HLC of this replica in the journal */
};
/* What is true of the hub at the moment of the event. */
struct lm_hub_now {
    int64_t mono_ms;
    int64_t hub_time_ms;
    uint8_t hub_id[16];
    struct lm_incarnation incarnation;
    struct lm_mark head;
    uint32_t catalog;
    uint8_t catalog_hash[32];
    const uint8_t *catalog_packed; /* its files: lm_catalog.packed */
    size_t catalog_packed_len;
    bool loaded;                /* many sessions wait for the writer: credit 1 */
    bool read_only;             /* a rival incarnation was shown: answer "busy" to HELLO and PUSH */
    const uint8_t *sign_secret; /* LM_SIGN_SECRET_BYTES; NULL: nothing is signed, and no proof is
                                   believed */
    const uint8_t *line_key;    /* the CURVE public key that sessions are under; NULL: not told, and
                                   protocol 1 is spoken */
    const uint8_t *next_key;    /* the one to follow it; NULL: none is announced */
};

enum lm_hub_event_kind {
    LM_HE_TICK,
    LM_HE_MESSAGE,      /* .message */
    LM_HE_HELLO_STORED, /* .stored: answer to STORE_HELLO; view is what is true after it */
    LM_HE_COMMITTED,    /* .committed: answer to one or more STORE_PUSH */
    LM_HE_PAGE,         /* .page: answer to READ_FEED or READ_BODIES */
    LM_HE_DIGESTS,      /* .digests: answer to READ_DIGESTS */
    LM_HE_PAST,         /* .past: answer to READ_PAST */
    LM_HE_RECOVERED,    /* .recovered: answer to STORE_OFFER */
    LM_HE_CATALOG,      /* another catalogue came into force (now) */
    LM_HE_NEWS          /* .position: the journal grew by something in this replica's scope */
};

enum lm_push_outcome {
    LM_PUSH_OK,       /* committed (or all known already) */
    LM_PUSH_GAP,      /* first_seq > acked + 1: nothing stored; acked says from where */
    LM_PUSH_DIVERGED, /* the hash at the overlap differs: the node was rolled back */
    LM_PUSH_FAILED,   /* store failure: nothing stored; the node sends it again later */
    LM_PUSH_MALFORMED /* a batch that does not unpack: nothing stored */
};

struct lm_hub_event {
    enum lm_hub_event_kind kind;
    const struct lm_hub_now *now;
    const struct lm_replica_view *view;
    union {
        struct {
            uint64_t peer; /* the sender's routing id as a number (libzmq's has 5 bytes) */
            uint8_t kind;
            const uint8_t *body;
            size_t n;
            struct lm_arena *arena;
            bool former_gone; /* the peer whose HELLO was last accepted can't be reached any more:
                                 its process has ended. False when that is not known. */
        } message;
        struct {
            bool ok;
            uint64_t common; /* highest position among HELLO's seen (its whole mark) and
                                checkpoints (position and prefix) that the journal holds; 0: none */
            bool proof_held; /* the journal holds the mark of HELLO's proof */
        } stored;
        struct {
            uint32_t n_pushes; /* how many STORE_PUSH this answers; the outcome is of the last that
                                  was not OK */
            enum lm_push_outcome outcome;
            uint64_t branch;
            struct lm_head acked; /* committed now */
            uint64_t safe_seq;
            struct lm_ack_verdict *verdicts; /* only what is not "applied" need be told */
            size_t n_verdicts;               /* further than LM_ACK_VERDICTS_MAX are left out */
        } committed;
        struct {
            bool is_bodies;
            bool ok; /* false: the store failed; page unused */
            const struct lm_msg_feed
                *page; /* its session is filled in here. The rest is the store's, in one read
                          transaction: entries, from, next, branch, acked, head, done, sum */
        } page;
        struct {
            bool ok;                           /* false: the store failed; page unused */
            const struct lm_msg_digests *page; /* its session is filled in here */
        } digests;
        struct {
            bool ok;
            const struct lm_msg_past *page; /* its session is filled in here */
        } past;
        struct {
            bool ok; /* false: nothing could be kept; the node is not answered and offers again */
            char id[40]; /* of the last record that need not be offered again */
        } recovered;
        uint64_t position;
    };
};

enum lm_hub_effect_kind {
    LM_HX_SEND,            /* .send */
    LM_HX_STORE_HELLO,     /* .hello: lease issued, clock, program, catalogue, head named; a branch
                              higher than known is     opened. Durable → HELLO_STORED. Remember the
                              sender     as the replica's peer. */
    LM_HX_LEASE_CONFIRMED, /* .lease: the replica holds it; no answer */
    LM_HX_STORE_PUSH,      /* .push: add to the group commit (also with count 0: head and as_of) →
                              COMMITTED.      It points into the message: copy it or keep message and
                              arena.
                            */
    LM_HX_READ_FEED,       /* .feed → PAGE */
    LM_HX_READ_BODIES,     /* .want → PAGE with is_bodies; from = next = .want.cursor */
    LM_HX_READ_DIGESTS,    /* .compare → DIGESTS. It points into the message */
    LM_HX_READ_PAST,       /* .past → PAST. It points into the message */
    LM_HX_STORE_OFFER, /* .offer: keep for a person what is not known here → RECOVERED. It points
                          into the message */
    LM_HX_CLONE, /* .held: a second installation under this key was refused: mark the replica and
                    tell the town, durably; no answer */
    LM_HX_TWIN,  /* .held: an abandoned lease was shown for the first time: it may be a second
                    installation; note it for the town, durably; no answer */
    LM_HX_ROLLED_BACK, /* .held: the node went back in time and was told to fork: what is known of
                          it is in doubt until it has pushed again; durably; no answer */
    LM_HX_RIVAL,       /* .rival: this hub itself signed a higher or rival incarnation: two of it
                          are alive, or it was set back behind a restore. Go read-only, durably, until a
                          technician raises the incarnation */
    LM_HX_HUB_BEHIND,  /* .behind: the node has seen a mark of this incarnation that the journal
                          does not hold: the hub's database went back without `restore`. proven: the
                          hub itself signed that mark. Raise the incarnation, durably; no WELCOME was
                          given, the node asks again. Else: tell the technician */
    LM_HX_KEY_PINNED,  /* .key: the replica has this key of the hub pinned, durably, it says; if it
                          is one of ours, remember it durably; no answer */
    LM_HX_CLOSE,       /* idle: the program may drop the session */
    LM_HX_LOG          /* .log */
};

struct lm_hub_effect {
    enum lm_hub_effect_kind kind;
    union {
        struct {
            uint8_t kind;
            size_t offset, len; /* in fx->bytes: lm_hub_effect_bytes() */
        } send;
        struct {
            const struct lm_msg_hello *hello;
            struct lm_lease lease;  /* newly issued: hold it as `issued` */
            int64_t node_offset_ms; /* hub time minus the node's wall clock */
        } hello;
        struct lm_lease lease;
        struct lm_lease held; /* what the refused HELLO showed; zero when a PUSH showed it */
        const struct lm_msg_push *push;
        const struct lm_msg_offer *offer;
        const struct lm_msg_compare *compare;
        const struct lm_msg_past_ask *past;
        struct {
            struct lm_cursor cursor;
            uint32_t max_bytes; /* 1 … LM_FEED_BYTES_MAX */
        } feed;
        struct {
            const struct lm_msg_want *want;
            struct lm_cursor cursor; /* of the last PULL */
        } want;
        uint8_t key[32];
        struct lm_incarnation rival;
        struct {
            struct lm_mark mark;
            bool proven;
        } behind;
        struct {
            const char *what;
            uint64_t number;
        } log;
    };
};

struct lm_hub_effects {
    struct lm_hub_effect items[LM_HUB_EFFECTS_MAX];
    size_t n;
    struct lm_buf bytes;
};
void lm_hub_effects_init(struct lm_hub_effects *fx);
void lm_hub_effects_free(struct lm_hub_effects *fx);
const uint8_t *lm_hub_effect_bytes(const struct lm_hub_effects *fx, const struct lm_hub_effect *e);

enum lm_hub_state {
    LM_HS_NEW,     /* no HELLO yet: everything else is answered with ERROR hello_first */
    LM_HS_STORING, /* STORE_HELLO given */
    LM_HS_LIVE,
    LM_HS_COUNT
};

/* Fields are for lm_hub_session_* only; status pages may read them. */
struct lm_hub_session {
    uint64_t replica;
    struct lm_rand rnd;
    enum lm_hub_state state;
    uint64_t peer;    /* who said the last accepted HELLO */
    uint64_t session; /* its random name */
    uint64_t protocol;
    uint64_t branch;
    struct lm_lease lease; /* issued with it */
    struct lm_lease shown; /* in its HELLO */
    bool confirmed;
    struct lm_incarnation incarnation; /* of its WELCOME */
    struct lm_mark seen;               /* of that HELLO */
    struct lm_proof proof;             /* of that HELLO, when it verified; else none */
    int64_t heard_ms;                  /* mono: last message of the peer */
    int64_t hello_ms;                  /* mono */
    struct lm_head acked;              /* committed, as last told */
    uint64_t safe_seq;
    uint64_t tail_seq;       /* last seq handed to the group commit */
    uint32_t n_pushes;       /* STORE_PUSH not yet answered */
    struct lm_cursor cursor; /* of the last PULL */
    bool reading_feed, reading_bodies, reading_digests, reading_past;
    bool recovering; /* STORE_OFFER given */
    uint64_t feed_session, bodies_session, digests_session,
        past_session; /* for which session they were read */
    bool news_sent;
    uint8_t catalog_hash[32]; /* the node's, as HELLO said */
    int64_t offered_ms;       /* mono: when it was last told of another */
    uint64_t stray_peer;      /* an older peer that still talks */
    int64_t stray_ms;
    int64_t
        contest_ms; /* mono: when an older lease was shown while the holder was about; −1: not */
    bool contest_asked; /* and the holder was asked whether it is still there */
};

/* seed: from the system in a program (leases and session names must not be guessable), fixed in
 * simulations. */
void lm_hub_session_init(struct lm_hub_session *session, uint64_t replica, uint64_t seed);
/* fx is emptied first. Never fails: what a peer does wrong is answered with ERROR and logged. */
void lm_hub_session_step(struct lm_hub_session *session, const struct lm_hub_event *ev,
                         struct lm_hub_effects *fx);

/* A packed ERROR for peers that have no session (unknown replica, wrong kind of key): code, retry
 * in seconds. */
void lm_error_message(struct lm_buf *buf, const char *code, const char *text,
                      uint32_t retry_after_s);

#endif
