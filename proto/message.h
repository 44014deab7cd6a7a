/* Messages: frames ↔ structs. A message is two frames, [kind: 1 byte][body: one msgpack array].
 * Pure. PROTOCOL.md is the description; this file follows it field by field. Every reader is
 * strict: element count, types, ranges, limits, nothing trailing; unknown further elements at the
 * end of an array are an error in protocol 1. Byte strings in structs read from a message point
 * into its body; texts are NUL-terminated in the arena. */
#ifndef LM_PROTO_MESSAGE_H
#define LM_PROTO_MESSAGE_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/util.h"
#include "proto/change.h"
#include "proto/limits.h"

enum lm_kind_msg {
    LM_MSG_ENROL = 1,
    LM_MSG_ENROLLED = 2,
    LM_MSG_HELLO = 3,
    LM_MSG_WELCOME = 4,
    LM_MSG_PUSH = 5,
    LM_MSG_ACK = 6,
    LM_MSG_PULL = 7,
    LM_MSG_FEED = 8,
    LM_MSG_WANT = 9,
    LM_MSG_BODIES = 10,
    LM_MSG_HISTORY = 11,
    LM_MSG_RECOVER = 12,
    LM_MSG_CATALOG = 13,
    LM_MSG_NEWS = 14,
    LM_MSG_ERROR = 15,
    LM_MSG_COMPARE = 16,
    LM_MSG_DIGESTS = 17,
    LM_MSG_KEY = 18,
    LM_MSG_READMIT = 20,
    LM_MSG_READMITTED = 21
};

enum lm_verdict { /* numbers are on the wire and in the journal */
                  LM_V_APPLIED = 1,
                  LM_V_CONCURRENT = 2,
                  LM_V_INVALID = 3,
                  LM_V_HELD = 4,
                  LM_V_REFUSED = 5,
                  LM_V_DUPLICATE = 6
};
const char *lm_verdict_name(enum lm_verdict verdict); /* "applied", … */

struct lm_head {
    uint64_t seq;
    uint8_t hash[LM_HASH_BYTES];
}; /* a log position and its chain hash; seq 0: chain start */
struct lm_mark {
    uint64_t position;
    uint8_t hash[LM_HASH_BYTES];
}; /* a journal position and the chain's hash there */
struct lm_lease {
    uint64_t counter;
    uint64_t random;
}; /* zero: none yet */
struct lm_incarnation {
    uint64_t counter;
    uint64_t random;
};
struct lm_cursor {
    uint64_t position;
    char id[40];
}; /* (0, "") = the beginning */
/* What the hub signed of its own history: proto/proof.h. Counter 0: none. */
struct lm_proof {
    struct lm_incarnation incarnation;
    struct lm_mark mark;
    uint8_t signature[64];
};
#define LM_MARK_PREFIX_BYTES 8
struct lm_short_mark { /* enough to find out where two histories part */
    uint64_t position;
    uint8_t prefix[LM_MARK_PREFIX_BYTES];
};

struct lm_msg_enrol { /* over the kit's one-time CURVE key */
    uint64_t protocol_min, protocol_max;
    uint8_t public_key[32]; /* the node's own CURVE public key */
    uint8_t nonce[16];   /* made once per enrolment: same kit, key and nonce again = same answer */
    const char *machine; /* machine id, ≤ 64 chars, may be "" */
    const char *program; /* "lastmile-node 0.1.0" */
};
struct lm_msg_enrolled {
    uint64_t replica;
    const char *station;              /* 12 digits */
    const char *station_name, *level; /* level: "village" or "town" */
    const uint8_t *certificate;
    size_t certificate_len; /* signed by the hub: PROTOCOL.md "Certificate" */
    int64_t hub_time_ms;
};
struct lm_msg_hello {
    uint64_t protocol_min, protocol_max;
    uint64_t branch;       /* from 1 */
    struct lm_head head;   /* newest change in the outbox of that branch */
    struct lm_lease lease; /* last held */
    struct lm_cursor cursor;
    struct lm_mark seen;   /* highest journal position and mark ever seen */
    struct lm_proof proof; /* of the last WELCOME, as the hub signed it */
    uint32_t catalog;
    uint8_t catalog_hash[32];
    int64_t wall_ms;
    const char *program;
    struct lm_short_mark *checkpoints; /* kept ones, ≤ LM_CHECKPOINTS_MAX, in any order */
    size_t n_checkpoints;
};
/* The hub's word about its CURVE keys: proto/hubkey.h. */
struct lm_key_word {
    bool has_next;
    uint8_t next[32];      /* the one that is to follow the one that this came under */
    uint8_t signature[64]; /* of both, by the hub's signing key */
};
struct lm_msg_welcome {
    uint64_t protocol; /* chosen */
    uint64_t session;  /* random, names this session in PULL and FEED */
    uint8_t hub_id[16];
    struct lm_incarnation incarnation;
    uint64_t branch; /* the branch acked speaks of: the one in HELLO */
    struct lm_head acked;
    uint64_t safe_seq;
    struct lm_lease lease; /* new; to be stored before the first PUSH */
    struct lm_mark head;   /* journal head */
    uint32_t catalog;
    uint8_t catalog_hash[32];
    int64_t hub_time_ms;
    uint64_t hlc_known;    /* highest HLC of this replica in the journal */
    uint32_t credit;       /* PUSH messages that may be under way, 1 … LM_WINDOW_MAX */
    uint64_t common;       /* highest position among HELLO's seen and checkpoints whose mark the hub
                              holds; 0 = none */
    uint8_t signature[64]; /* of incarnation and head: the node's next proof */
    struct lm_key_word keys; /* from protocol LM_PROTOCOL_KEYS on */
};
struct lm_msg_push {
    uint64_t branch, first_seq;
    uint8_t before[LM_HASH_BYTES]; /* chain hash before first_seq */
    uint32_t count;                /* 0 … LM_BATCH_CHANGES_MAX; 0 = only head and as_of */
    uint32_t raw_bytes;            /* size of the unpacked content */
    const uint8_t *packed;
    size_t packed_len;   /* one zstd frame of `count` msgpack bin objects; empty when count is 0 */
    struct lm_head head; /* newest change at the node when this was made */
    int64_t as_of_ms;    /* hub time by the node's reckoning when head was read; 0 = unknown */
};
struct lm_ack_verdict {
    uint64_t seq;
    uint8_t verdict;
    const char *code;
};
struct lm_msg_ack {
    uint64_t branch;
    struct lm_head acked;
    uint64_t safe_seq;
    uint32_t credit;
    struct lm_ack_verdict *verdicts;
    size_t n_verdicts; /* a hint: the feed carries them for sure */
};
struct lm_msg_pull {
    uint64_t session;
    struct lm_cursor cursor;
    uint32_t max_bytes;
};

struct lm_feed_verdict { /* a change of the pulling replica that was not applied as sent */
    uint64_t hlc;
    uint8_t verdict;
    const char *code, *field, *zh, *en;
};
enum lm_entry_kind {
    LM_ENTRY_BODY = 0,
    LM_ENTRY_DIGEST = 1,
    LM_ENTRY_GONE = 2,
    LM_ENTRY_ABSENT = 3
};
struct lm_feed_entry {
    enum lm_entry_kind kind;
    char id[40];
    const char *type;
    uint64_t position;
    uint64_t digest; /* DIGEST */
    const uint8_t *body;
    size_t body_len; /* BODY: a packed record, proto/feed.h */
    struct lm_feed_verdict *verdicts;
    size_t n_verdicts; /* open verdicts on this record */
};
struct lm_msg_feed { /* FEED; BODIES has the same shape with from = next = the cursor asked with */
    uint64_t session;
    struct lm_cursor from, next;
    uint64_t branch;
    struct lm_head acked; /* as of the same read transaction as the entries */
    struct lm_mark head;
    bool done; /* nothing after next at that moment */
    uint64_t scope_sum;
    bool has_scope_sum;
    struct lm_feed_entry *entries;
    size_t n_entries;
    bool has_signature;    /* not in bundles */
    uint8_t signature[64]; /* of the session's incarnation and head: a newer proof than WELCOME's */
};
struct lm_msg_want {
    uint64_t session;
    char (*ids)[40];
    size_t n_ids;
};
/* COMPARE: the digests of the scope's records behind this id, at most max of them. */
struct lm_msg_compare {
    uint64_t session;
    char after[40]; /* "" = from the first on */
    uint32_t max;   /* 1 … LM_COMPARE_MAX */
};
struct lm_scope_entry {
    char id[40];
    uint64_t digest;
};
struct lm_msg_digests {
    uint64_t session;
    char after[40]; /* of the question */
    uint64_t branch;
    struct lm_head acked; /* as of the same read transaction */
    bool done;            /* no id lies behind the last */
    struct lm_scope_entry *items;
    size_t n; /* in order of id; 0 only when done */
};
/* HISTORY of a node: what became of this record, from behind this journal position on. */
struct lm_msg_past_ask {
    uint64_t session;
    char id[40];
    uint64_t after;     /* 0 = from the oldest on */
    uint32_t max_bytes; /* 1 … LM_HISTORY_BYTES_MAX; one entry always comes */
};
/* One entry of the hub's journal about a record. */
struct lm_past {
    uint64_t position;
    uint64_t of; /* the position of the change that this entry judges again; 0: it is a change */
    uint64_t replica, hlc;
    const char *station; /* the author's code */
    const char *user;    /* who did it; "" for what the hub did by itself */
    const char *op;      /* create, edit, delete, undelete; release, settle, again */
    int64_t at_ms;       /* when, by the hub's clock as far as it is known */
    enum lm_verdict verdict;
    const char *code, *zh, *en; /* the reason; "" = none */
    const uint8_t *body;        /* the change; n = 0 when `of` is set */
    size_t len;
};
/* HISTORY of a hub: entries in order of position, none without done. A record that the station does
 * not see has none. */
struct lm_msg_past {
    uint64_t session;
    char id[40];
    uint64_t after; /* of the question */
    bool done;
    struct lm_past *items;
    size_t n; /* ≤ LM_HISTORY_MAX */
};
struct lm_msg_news {
    uint64_t position;
};
/* CATALOG of a node: the bytes from offset on of the packed catalogue with this number and hash. */
struct lm_msg_ask {
    uint32_t number;
    uint8_t hash[LM_HASH_BYTES];
    uint64_t offset;
};
/* CATALOG of a hub: some of the one in force; without bytes it says only which that is. */
struct lm_msg_part {
    uint32_t number;
    uint8_t hash[LM_HASH_BYTES];
    uint64_t total, offset;
    const uint8_t *bytes;
    size_t n;
};
/* RECOVER of a node: records as it held them in a history of the hub that is gone, in order of id.
 * proof: the hub's own word that this node knew a history before the one that stands. */
struct lm_offer {
    char id[40];
    const uint8_t *body; /* proto/feed.h */
    size_t len;
};
struct lm_msg_offer {
    uint64_t session;
    struct lm_proof proof;
    struct lm_offer *items;
    size_t n; /* ≤ LM_OFFER_RECORDS_MAX */
};
/* RECOVER of a hub: what was offered up to this id needs not be offered again. */
struct lm_msg_offered {
    uint64_t session;
    char id[40];
};
/* READMIT, over the readmission key: an installation that a restored hub does not know. */
struct lm_msg_readmit {
    const uint8_t *certificate;
    size_t certificate_len; /* 1 … LM_CERTIFICATE_BYTES_MAX */
};
struct lm_msg_readmitted {
    uint64_t replica; /* known now: it may connect with its own key */
};
/* KEY: the node has this key of the hub pinned, durably. */
struct lm_msg_key {
    uint64_t session; /* 0 in bundles */
    uint8_t key[32];
};
struct lm_msg_error {
    const char *code, *text;
    uint32_t retry_after_s;
};

/* One reader and one writer each: lm_enrol_pack(buf, &m), lm_enrol_read(data, n, arena, &m, err),
 * and so on. */
#define LM_MESSAGE(name)                                                                           \
    void lm_##name##_pack(struct lm_buf *buf, const struct lm_msg_##name *m);                      \
    enum lm_status lm_##name##_read(const uint8_t *data, size_t n, struct lm_arena *arena,         \
                                    struct lm_msg_##name *m, struct lm_error *err) LM_MUST_USE
LM_MESSAGE(enrol);
LM_MESSAGE(enrolled);
LM_MESSAGE(hello);
LM_MESSAGE(welcome);
LM_MESSAGE(push);
LM_MESSAGE(ack);
LM_MESSAGE(pull);
LM_MESSAGE(feed);
LM_MESSAGE(want);
LM_MESSAGE(compare);
LM_MESSAGE(digests);
LM_MESSAGE(past_ask);
LM_MESSAGE(past);
LM_MESSAGE(news);
LM_MESSAGE(ask);
LM_MESSAGE(part);
LM_MESSAGE(offer);
LM_MESSAGE(offered);
LM_MESSAGE(readmit);
LM_MESSAGE(readmitted);
LM_MESSAGE(key);
LM_MESSAGE(error);

/* Batches: gathers changes until a limit says stop, then packs them. */
struct lm_batch {
    struct lm_buf raw; /* msgpack bin objects, ≤ LM_BATCH_BYTES_MAX */
    uint32_t count;
};
void lm_batch_init(struct lm_batch *batch);
void lm_batch_free(struct lm_batch *batch);
/* False when the change does not fit any more (batch unchanged). */
bool lm_batch_add(struct lm_batch *batch, const uint8_t *body, size_t n);
/* zstd level 3 into out (max LM_FRAME_BYTES_MAX); falls back to a stored frame when incompressible.
 */
enum lm_status lm_batch_pack(const struct lm_batch *batch, struct lm_buf *out) LM_MUST_USE;
/* Unpacks after checking the declared size against raw_bytes and LM_BATCH_BYTES_MAX. Calls each for
 * every body, in order; stops at the first status other than LM_OK. Exactly count bodies must be
 * there. */
enum lm_status lm_batch_unpack(const uint8_t *packed, size_t packed_len, uint32_t raw_bytes,
                               uint32_t count, struct lm_arena *arena,
                               enum lm_status (*each)(void *arg, uint32_t i, const uint8_t *body,
                                                      size_t n),
                               void *arg, struct lm_error *err) LM_MUST_USE;

#endif
