/* A change: what one replica did to one record; its exact bytes, identity and hash chain. Pure.
 *
 * Body (msgpack array, PROTOCOL.md "Change"): [format 1, type, id (bin 16), op, hlc, user,
 * catalogue, wall delta ms, offset ms | nil, fields {name: value}, bases, seen | nil]. Identity is
 * (replica, hlc); the replica is known from the log that carries the change, not from its body. The
 * bytes are hashed and stored as received, never re-encoded. */
#ifndef LM_PROTO_CHANGE_H
#define LM_PROTO_CHANGE_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/util.h"
#include "proto/limits.h"
#include "proto/value.h"
#include "proto/version.h"

enum lm_op { LM_OP_CREATE = 0, LM_OP_EDIT = 1, LM_OP_DELETE = 2, LM_OP_UNDELETE = 3 };

struct lm_base {
    const char *group; /* NUL-terminated */
    struct lm_version version;
};

struct lm_change {
    const char *type; /* NUL-terminated, ≤ 40 bytes of [a-z_0-9] */
    char id[40];      /* UUID text */
    enum lm_op op;
    uint64_t hlc;          /* > 0 */
    const char *user;      /* ≤ LM_USER_CHARS_MAX characters; "" = the program itself */
    uint32_t catalog;      /* number of the catalogue it was validated with */
    int64_t wall_delta_ms; /* author's raw wall clock minus the HLC's milliseconds */
    bool offset_known;     /* whether the author knew its offset to the hub's clock */
    int64_t offset_ms;     /* hub clock minus author's wall clock, ± */
    struct lm_value
        fields; /* LM_MAP or LM_NULL; ≤ LM_CHANGE_FIELDS_MAX; a null value empties the field */
    /* Versions that the editor saw. base_all speaks for every group touched, and for "state" and
     * "deleted", that is not in bases. Creation: no bases, base_all zero. */
    struct lm_version base_all;
    struct lm_base *bases;
    size_t n_bases; /* ≤ LM_CHANGE_FIELDS_MAX */
    bool has_seen;  /* deletes and transitions: lm_record_seen() of what the author saw */
    uint64_t seen;
};

/* Appends the body to buf; buf->status tells of a limit (give it LM_CHANGE_BYTES_MAX). */
void lm_change_pack(struct lm_buf *buf, const struct lm_change *change);
/* Strict: prescan, every element's type and range. Strings and values go into the arena.
 * LM_ERR_INVALID or LM_ERR_LIMIT with err; LM_ERR_MEMORY. LM_ERR_VERSION: format newer than 1. */
enum lm_status lm_change_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                              struct lm_change *out, struct lm_error *err) LM_MUST_USE;
/* The version seen of a group. */
struct lm_version lm_change_base(const struct lm_change *change, const char *group);

/* Hash before the first change of a branch: BLAKE2b-256("lastmile branch" || replica u64le ||
 * branch u64le). */
void lm_chain_start(uint64_t replica, uint64_t branch, uint8_t out[LM_HASH_BYTES]);
/* BLAKE2b-256(before || body). in == out allowed. */
void lm_chain_next(const uint8_t before[LM_HASH_BYTES], const uint8_t *body, size_t n,
                   uint8_t out[LM_HASH_BYTES]);

#endif
