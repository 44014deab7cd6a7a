/* The node's side of synchronisation as a step function: an event goes in, a bounded list of
 * effects comes out. Pure: no sockets, no database, no clock, no thread. Time comes with each
 * event, randomness from a seed. PROTOCOL.md "Session" is the description; proto/hub_session.h is
 * the other side.
 *
 * How a program drives it (one thread):
 *   - It builds an event, calls lm_node_session_step, then carries out the effects in their order.
 * Only then does it give the events that came of them (BATCH for READ_BATCH and so on), each in a
 * step of its own; an answer may come at once or much later.
 *   - It gives LM_NE_TICK at least once a second.
 *   - Pointers in effects point into the event's arena, the event's body or static text: they are
 * valid until the arena is reset. Messages to send are in fx->bytes until the next step.
 *
 * Invariants (checked by tests/unit/test_session*.c and their world):
 *   - Nothing but HELLO is sent on a fresh socket before WELCOME, and nothing before
 * WELCOME_STORED: the lease is durable before the first PUSH.
 *   - At most `credit` (≤ LM_WINDOW_MAX) PUSH messages with changes are under way, contiguous and
 * in order.
 *   - The acked position known here falls by a WELCOME only.
 *   - One PULL and one WANT at most are unanswered, and one page at a time is being applied.
 *   - as_of is hub time of the WELCOME plus monotonic time since, taken before the outbox's head is
 * read. */
#ifndef LM_PROTO_NODE_SESSION_H
#define LM_PROTO_NODE_SESSION_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/status.h"
#include "common/base/util.h"
#include "proto/checkpoint.h"
#include "proto/hubkey.h"
#include "proto/message.h"
#include "proto/pace.h"

#include <stdbool.h>
#include <stdint.h>

#define LM_NODE_EFFECTS_MAX 16
#define LM_NODE_FX_BYTES_MAX (LM_FRAME_BYTES_MAX + 16 * 1024) /* all messages of one step */
#define LM_NODE_WELCOME_WAIT_MS 10000 /* no WELCOME on a fresh socket → RESET */
#define LM_NODE_SILENCE_MS 90000 /* nothing received while something is outstanding → RESET */
#define LM_NODE_RESEND_MS                                                                          \
    30000 /* PUSH not acked, nothing else heard of it → sent again from acked */
#define LM_NODE_BEAT_MS 60000 /* a PUSH of any kind at least this often while live */
#define LM_NODE_BACKOFF_MIN_MS 1000
#define LM_NODE_BACKOFF_MAX_MS 300000
#define LM_NODE_PERSON_S 300          /* told to wait this long: a person has to act first */
#define LM_NODE_REFUSED_MS 500        /* a refused send is tried again after this */
#define LM_NODE_UNSENT_MS 15000       /* the transport takes nothing for this long → RESET */
#define LM_NODE_HURRY_MS 120000       /* SYNC_NOW: this long no jitter and no back-off above … */
#define LM_NODE_HURRY_BACKOFF_MS 2000 /* … this */
#define LM_NODE_INCARNATION_JITTER_MS 60000
#define LM_NODE_FORKS_MAX                                                                          \
    3 /* forks without a stored WELCOME between them; then a person is needed */

enum lm_node_state {
    LM_NS_OFFLINE,  /* no socket: before the first CONNECTED, or a RESET is under way */
    LM_NS_HELLO,    /* socket there; HELLO sent or to be sent; waits for WELCOME */
    LM_NS_CHECKING, /* CHECK_HASH given: is the hub's acked a prefix of our log? */
    LM_NS_FORKING,  /* FORK given; waits for FORKED */
    LM_NS_STORING,  /* STORE_WELCOME given; waits for WELCOME_STORED */
    LM_NS_LIVE,     /* pushes and pulls */
    LM_NS_BARRED,   /* no socket; refused for a reason that a person must mend; tries again every 5
                       min */
    LM_NS_STOPPED,
    LM_NS_COUNT
};
const char *lm_node_state_name(enum lm_node_state state); /* "offline", … */

enum lm_node_event_kind {
    LM_NE_TICK,
    LM_NE_CONNECTED,      /* .connected: a fresh socket is there (RESET done; also the first one) */
    LM_NE_MESSAGE,        /* .message */
    LM_NE_OUTBOX,         /* .head: the outbox of the branch grew */
    LM_NE_BATCH,          /* .batch: answer to READ_BATCH */
    LM_NE_WELCOME_STORED, /* .stored: answer to STORE_WELCOME; it is durable */
    LM_NE_FEED_APPLIED,   /* .applied: answer to APPLY_FEED; the transaction is committed */
    LM_NE_WANTED,         /* .wanted: answer to READ_WANTED */
    LM_NE_SUM,            /* .sum: answer to CHECK_SUM */
    LM_NE_COMPARED,       /* .compared: answer to COMPARE */
    LM_NE_HASH_CHECKED,   /* .hash_ok: answer to CHECK_HASH */
    LM_NE_FORKED,         /* .forked: answer to FORK */
    LM_NE_OFFERS,         /* .offers: answer to READ_OFFERS */
    LM_NE_PAST,    /* .past: answer to READ_PAST and STORE_PAST: what is to be asked for next */
    LM_NE_CATALOG, /* .catalog: answer to OFFER and STORE_PART */
    LM_NE_SEND_REFUSED, /* .refused: the transport took neither this message nor a part of it */
    LM_NE_SYNC_NOW,     /* a person or `sync` asks: no waiting; SYNCED will be told again */
    LM_NE_STOP,
    LM_NE_FAILED /* CHECK_HASH, STORE_WELCOME or FORK could not be done (disk full …): RESET, later
                    again. The other answers tell of a failure themselves: see there. */
};

/* Changes of the outbox from READ_BATCH's from_seq on, packed by lm_batch_pack, or none (count 0).
 * head is the outbox's head read in the same transaction: it is what "as of" speaks of.
 * The outbox could not be read: first_seq 0; asked again after LM_NODE_RESEND_MS. */
struct lm_node_batch {
    uint64_t first_seq;            /* = from_seq */
    uint8_t before[LM_HASH_BYTES]; /* chain hash before first_seq (chain start when 1) */
    uint32_t count;                /* 0 = nothing at or above from_seq */
    uint32_t raw_bytes;
    struct lm_head last; /* last change in this batch; unused when count is 0 */
    const uint8_t *packed;
    size_t packed_len;
    struct lm_head head;
};

/* What the program makes of the hub's catalogue. */
enum lm_catalog_outcome {
    LM_CATALOG_ASK,      /* wanted, from .offset on */
    LM_CATALOG_IN_FORCE, /* it is the node's now, durably */
    LM_CATALOG_KEPT_OUT, /* older, rival, not for this program: the node keeps its own. Not asked
                           for again in this session */
    LM_CATALOG_FAILED    /* the disk's fault: later again */
};

enum lm_sum_outcome {
    LM_SUM_SAME,
    LM_SUM_DIFFERENT,
    LM_SUM_UNSURE /* something is on its way, or could not be read: asked again with a later page */
};

struct lm_node_event {
    enum lm_node_event_kind kind;
    int64_t mono_ms; /* monotonic, never falls */
    int64_t wall_ms; /* may be wrong in any way */
    union {
        struct {
            uint8_t kind;
            const uint8_t *body;
            size_t n;
            struct lm_arena *arena; /* decoded content goes here; the caller resets it when the
                                       effects are done */
        } message;
        struct {
            bool second; /* the socket holds the hub to the second of the pinned keys */
        } connected;
        struct lm_head head;
        struct lm_node_batch batch;
        struct {
            struct lm_cursor
                cursor;      /* to pull from: unchanged, or set back when hub_went_back was given */
            uint64_t wanted; /* ids in the wanted list */
            bool offers;     /* something is to be offered to a hub that went back */
            uint64_t branch; /* another one than WELCOME's: opened for a hub that went back, with
                                all that is to be sent again */
            struct lm_head head;  /* of that branch */
            struct lm_head acked; /* and its start */
        } stored;
        struct {
            struct lm_cursor cursor; /* the node's cursor now: the page's next, or where it stood
                                        for BODIES, or when the page could not be applied */
            uint64_t wanted; /* ids left in the wanted list, those of this page among them */
        } applied;
        struct {
            char (*ids)[40];
            size_t n; /* ≤ LM_WANT_MAX */
        } wanted;
        enum lm_sum_outcome sum;
        struct {
            bool ok; /* false: the disk's fault */
            uint64_t wanted;
        } compared;
        bool hash_ok;
        struct {
            uint64_t branch;      /* > the former one and ≥ FORK's branch_min */
            struct lm_head head;  /* of the new branch, which already carries what was unsent */
            struct lm_head acked; /* seq 0 with the chain start of the new branch */
        } forked;
        struct {
            struct lm_proof proof;
            struct lm_offer *items; /* n = 0: nothing to be offered, or it could not be read */
            size_t n;
        } offers;
        struct {
            char id[40];    /* a record whose history a person wants; "" = none, or the disk's
                               fault: asked again with the next session or SYNC_NOW */
            uint64_t after; /* what is stored of it already */
        } past;
        struct {
            uint32_t number; /* of the effect that it answers */
            uint8_t hash[32];
            enum lm_catalog_outcome outcome;
            uint64_t offset; /* ASK: bytes that are stored already */
        } catalog;
        struct {
            uint8_t kind;       /* as in the SEND effect */
            uint64_t first_seq; /* as in the SEND effect */
        } refused;
    };
};

enum lm_node_effect_kind {
    LM_NX_SEND, /* .send → lm_dealer_send; LM_ERR_BUSY → SEND_REFUSED with its kind and first_seq */
    LM_NX_RESET, /* .reset: destroy the socket if there is one, wait, create a new one → CONNECTED.
                    A later RESET replaces one that still waits. */
    LM_NX_READ_BATCH, /* .read_batch → BATCH, always (also when there is nothing) */
    LM_NX_CHECK_HASH, /* .check: is the chain hash after seq (1 … head) this one? → HASH_CHECKED */
    LM_NX_STORE_WELCOME, /* .welcome: make lease, incarnation, mark, clock offset and acked durable
                            → WELCOME_STORED */
    LM_NX_SET_ACKED,     /* .acked: remember; no answer. Losing it is harmless. */
    LM_NX_VERDICT_HINTS, /* .ack: verdicts to show early; no answer */
    LM_NX_APPLY_FEED,    /* .feed: one transaction: entries, wanted list, and for a FEED cursor and
                            mark → FEED_APPLIED */
    LM_NX_CHECK_SUM,     /* .sum: is that the sum of all that is here, at that cursor? → SUM */
    LM_NX_COMPARE,       /* .digests: what differs from them into the wanted list → COMPARED */
    LM_NX_READ_WANTED,   /* → WANTED with up to LM_WANT_MAX ids */
    LM_NX_READ_OFFERS, /* → OFFERS with the first of what is to be offered to a hub that went back
                        */
    LM_NX_DROP_OFFERS, /* .offered: the hub has what was offered up to this id; no answer. Losing it
                          is harmless */
    LM_NX_READ_PAST,   /* → PAST: the first of the records whose history is wanted */
    LM_NX_STORE_PAST,  /* .past: keep it → PAST */
    LM_NX_OFFER, /* .part: the hub has this catalogue and we another → CATALOG. No bytes in it. */
    LM_NX_STORE_PART, /* .part: keep these bytes; when all are there, take the catalogue in, in one
                         transaction → CATALOG */
    LM_NX_FORK,       /* .fork: close the branch, open a new one with what is unsent → FORKED */
    LM_NX_STATUS,     /* .status: for people; given when it changes */
    LM_NX_SYNCED, /* all acked, feed caught up, nothing wanted: told once each time it becomes true
                   */
    LM_NX_LOG     /* .log: worth a line in the log */
};

struct lm_node_status {
    enum lm_node_state state;
    const char *code; /* stable word: "connecting", "live", "synced", "no_answer", "revoked", … */
    const char *zh, *en; /* static sentences */
    bool person_needed;  /* will not mend itself */
};

struct lm_node_effect {
    enum lm_node_effect_kind kind;
    union {
        struct {
            uint8_t kind;       /* enum lm_kind_msg */
            size_t offset, len; /* in fx->bytes: lm_node_effect_bytes() */
            uint64_t first_seq; /* PUSH; else 0 */
        } send;
        struct {
            uint32_t delay_ms;
        } reset;
        struct {
            uint64_t from_seq;
            uint32_t max_changes; /* LM_BATCH_CHANGES_MAX */
            uint32_t max_bytes;   /* ≤ LM_BATCH_BYTES_MAX, before packing; one change always
                                     fits */
        } read_batch;
        struct lm_head check;
        struct {
            const struct lm_msg_welcome *welcome; /* in the session; acked, lease, incarnation,
                                                     head, catalogue, hlc_known, hub_time … */
            int64_t hub_offset_ms;                /* hub time minus wall clock at receipt */
            bool incarnation_changed; /* a higher counter than the last seen (false when none was
                                         seen) */
            const struct lm_hub_pins *pins; /* keys of the hub to be pinned from now on, durably,
                                               before the rest; NULL: as they are */
            bool switched;      /* the second of them has become the first: sockets use it */
            bool hub_went_back; /* the hub's journal no longer holds what was seen of it: set the
                                   cursor back to the checkpoint at welcome->common, or to the
                                   beginning, and forget those above it */
        } welcome;
        struct {
            struct lm_head head;
            uint64_t safe_seq;
        } acked;
        const struct lm_msg_ack *ack;
        struct {
            const struct lm_msg_feed *page;
            bool is_bodies;
        } feed;
        struct {
            uint64_t sum;
            struct lm_cursor cursor;
            uint64_t acked_seq; /* the sum is with the branch's changes up to here */
        } sum;
        const struct lm_msg_digests *digests;
        const struct lm_msg_offered *offered;
        const struct lm_msg_past *past;
        const struct lm_msg_part *part;
        struct {
            const char *reason;  /* "acked_beyond_head", "hash_differs", "rolled_back" */
            uint64_t branch_min; /* the new branch's number is at least this */
        } fork;
        struct lm_node_status status;
        struct {
            const char *what; /* static */
            uint64_t number;  /* a kind, a seq … */
        } log;
    };
};

struct lm_node_effects {
    struct lm_node_effect items[LM_NODE_EFFECTS_MAX];
    size_t n;
    struct lm_buf bytes; /* owned; its memory is kept from step to step */
};
void lm_node_effects_init(struct lm_node_effects *fx);
void lm_node_effects_free(struct lm_node_effects *fx);
/* Body of a LM_NX_SEND effect; valid until the next step. */
const uint8_t *lm_node_effect_bytes(const struct lm_node_effects *fx,
                                    const struct lm_node_effect *e);

/* What the database holds when the session starts. Texts are borrowed for the session's life. */
struct lm_node_config {
    uint64_t replica;
    uint8_t hub_id[16]; /* zero: any */
    uint8_t hub_sign_key[LM_SIGN_PUBLIC_BYTES];
    struct lm_hub_pins pins;
    const char *program; /* "lastmile-node 0.1.0" */
    uint64_t seed;
    uint64_t branch;
    struct lm_head head, acked; /* seq 0: the chain start of the branch */
    uint64_t safe_seq;
    struct lm_lease lease;
    struct lm_cursor cursor;
    struct lm_mark seen;
    struct lm_incarnation incarnation;
    struct lm_proof proof;
    struct lm_checkpoints checkpoints;
    uint32_t catalog;
    uint8_t catalog_hash[32];
};

struct lm_node_flight { /* a PUSH under way */
    uint64_t first_seq;
    struct lm_head last;
    uint32_t raw_bytes;
    int64_t sent_ms;
};

/* Fields are for lm_node_session_* only; tests and status pages may read them. */
struct lm_node_session {
    struct lm_node_config config; /* branch, head, acked, lease, cursor, seen, incarnation, proof,
                                     checkpoints, pins: kept up to date */
    struct lm_rand rnd;
    enum lm_node_state state;
    struct lm_node_status status;
    uint32_t resets;        /* since the last WELCOME: the back-off's exponent */
    uint32_t forks;         /* since the last WELCOME stored */
    int64_t hurry_until_ms; /* mono: after SYNC_NOW, until SYNCED: no jitter, short back-off */
    bool synced;

    bool under_second;           /* this socket's */
    bool pins_changed, switched; /* by the WELCOME at hand */
    bool key_due;                /* the hub is to be told which next key is pinned */
    int64_t key_at_ms;           /* mono: not before */

    bool hello_sent;
    int64_t state_ms;       /* mono: since when in this state, for WELCOME_WAIT */
    int64_t heard_ms;       /* mono: last message */
    bool waiting;           /* something is outstanding */
    int64_t waiting_ms;     /* mono: since when */
    bool unsent;            /* the transport refused, and nothing was heard since */
    int64_t unsent_ms;      /* mono: since when */
    int64_t hello_at_ms;    /* mono: when to say (again) HELLO */
    int64_t quiet_until_ms; /* mono: neither PUSH nor PULL before (busy, jitter) */

    int64_t hello_said_ms; /* mono: last HELLO */
    uint64_t hello_seen;   /* position of `seen` in it */

    uint64_t session;                    /* of the last WELCOME */
    struct lm_msg_welcome welcome;       /* the last one; without pointers */
    int64_t welcome_wall_ms;             /* wall clock at its receipt */
    bool went_back, incarnation_changed; /* as told in STORE_WELCOME */
    int64_t hub_base_ms;                 /* hub time at mono_base_ms */
    int64_t mono_base_ms;
    uint32_t credit;
    struct lm_pace up, down; /* of PUSH before packing, of FEED; kept over sessions */

    struct lm_node_flight flights[LM_WINDOW_MAX];
    uint32_t n_flights;
    struct lm_head
        next_before; /* what the next PUSH builds on: seq = next_seq - 1; hash valid if known */
    bool reading;    /* READ_BATCH given */
    uint64_t read_branch;  /* of which branch */
    int64_t read_as_of_ms; /* hub time when it was given */
    int64_t push_at_ms;    /* mono: not before (a send was refused) */
    bool beat_due;         /* say head and as_of though there is nothing to send */
    bool beat_wait;        /* such a PUSH is unanswered */
    int64_t beat_sent_ms;
    int64_t push_sent_ms; /* mono: last PUSH of any kind */

    bool pulling; /* PULL unanswered */
    int64_t pull_sent_ms;
    bool applying; /* APPLY_FEED given */
    bool applying_bodies;
    bool applying_done;
    uint64_t applying_session;
    struct lm_cursor applying_next;
    struct lm_mark applying_mark;
    bool applying_has_sum;
    uint64_t applying_sum, applying_acked_seq;
    bool applying_signed;
    uint8_t applying_signature[64];
    int64_t pull_at_ms;   /* mono: when to pull next without a reason */
    int64_t pull_held_ms; /* mono: not before (a send was refused) */
    bool news;            /* NEWS came while a page was under way */
    uint64_t epoch;       /* rises with each ack that moved and each SYNC_NOW */
    uint64_t pull_epoch;  /* epoch when the last PULL was sent */
    uint64_t done_epoch;  /* epoch that the last page with done covered */
    bool feed_done;

    uint64_t wanted;
    bool reading_wanted;
    bool wanting; /* WANT unanswered */
    int64_t want_sent_ms;
    int64_t want_at_ms; /* mono: not before */

    struct {
        bool has_sum; /* the last page carried one that was not looked at yet */
        uint64_t sum;
        struct lm_cursor at; /* the node's cursor behind that page */
        uint64_t acked_seq;  /* that page's */
        bool checking;       /* CHECK_SUM unanswered */
        uint64_t checked;    /* that sum */
        bool same;           /* same_sum was found to be the node's own, in this session */
        uint64_t same_sum;
        bool active;  /* a comparison is going on */
        bool asking;  /* COMPARE unanswered */
        bool looking; /* LM_NX_COMPARE unanswered */
        bool last;    /* of the DIGESTS that is looked at */
        char after[40], next[40];
        uint32_t tries;
        int64_t sent_ms, held_ms; /* mono: last question; the next not before */
        int64_t again_ms;         /* mono: no check before */
    } compare;

    struct {
        bool look;    /* READ_PAST is to be given */
        bool looking; /* READ_PAST or STORE_PAST unanswered */
        bool active;  /* id is to be asked for */
        bool asking;  /* HISTORY unanswered */
        char id[40];
        uint64_t after;
        uint32_t tries;
        int64_t sent_ms, held_ms; /* mono: last question; the next not before */
    } past;

    struct {
        struct lm_msg_part part; /* the hub's, as told last; without bytes */
        bool wanted;             /* to be asked for from part.offset on */
        bool looking;            /* OFFER or STORE_PART unanswered */
        bool asking;             /* CATALOG unanswered */
        bool kept_out;           /* this one is not for us: nothing more in this session */
        uint32_t tries;          /* questions in a row without a part */
        int64_t sent_ms, at_ms;  /* mono: last question; the next not before */
    } catalog;

    struct {
        bool none;             /* nothing (more) to be offered in this session */
        bool reading;          /* READ_OFFERS given */
        bool asking;           /* RECOVER unanswered */
        uint32_t left_waiting; /* times in a row that no answer came */
        char last[40];         /* id of the last record of that RECOVER */
        int64_t at_ms;         /* mono: not before; while asking: given up then */
    } recover;
};

#define LM_NODE_OFFER_WAIT_MS 30000 /* RECOVER not answered → again; twice as long each time … */
#define LM_NODE_OFFER_WAIT_MAX_MS 600000 /* … up to this */

#define LM_NODE_COMPARE_AGAIN_MS 3600000 /* from one comparison to the next */

#define LM_NODE_CATALOG_TRIES_MAX 5 /* questions without an answer; then with the next offer */

/* OFFLINE; the program creates the first socket and gives CONNECTED. */
void lm_node_session_init(struct lm_node_session *session, const struct lm_node_config *config);
/* fx is emptied first. Never fails: what a peer or the memory does wrong becomes LOG and RESET. */
void lm_node_session_step(struct lm_node_session *session, const struct lm_node_event *ev,
                          struct lm_node_effects *fx);
/* Another catalogue is in force: told to the hub with the next HELLO. */
void lm_node_session_catalog(struct lm_node_session *session, uint32_t number,
                             const uint8_t hash[32]);
/* Hub time by this session's reckoning, or 0 when there was no WELCOME yet. */
int64_t lm_node_session_hub_time(const struct lm_node_session *session, int64_t mono_ms);

#endif
