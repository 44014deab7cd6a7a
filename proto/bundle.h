/* Bundles: session frames recorded in a file that a person carries on a USB stick. Pure:
 * libsodium's box and hash; the caller has files, keys and randomness, and has called
 * sodium_init(). PROTOCOL.md "Bundle" is the description.
 *
 * A file is one crypto_box between an installation's CURVE pair (or a kit's one-time pair) and the
 * hub's, so it is authenticated both ways. What stands outside of the box is repeated inside it as
 * a hash: nothing of a file can be changed, and no file can pass for another's, another part or
 * another export.
 *
 * Invariants: a file that opens is whole, and every frame in it has a stated length within bounds;
 * so who applies frames never meets the end of the file in the middle of one. */
#ifndef LM_PROTO_BUNDLE_H
#define LM_PROTO_BUNDLE_H

#include "common/base/buf.h"
#include "common/base/status.h"
#include "common/base/util.h"
#include "proto/limits.h"

#include <stdbool.h>
#include <stdint.h>

#define LM_BUNDLE_VERSION 1
#define LM_BUNDLE_HEAD_BYTES 112
#define LM_BUNDLE_NONCE_BYTES 24
/* Everything but the frames: header, the box's 16, the header's hash in it, the file's hash. */
#define LM_BUNDLE_OVERHEAD (LM_BUNDLE_HEAD_BYTES + 16 + 2 * LM_HASH_BYTES)
#define LM_BUNDLE_FRAME_OVERHEAD 5

enum lm_bundle_kind {
    LM_BUNDLE_UP = 1,      /* installation → hub: HELLO, PUSH …, WANT */
    LM_BUNDLE_REPLY = 2,   /* hub → installation: WELCOME, FEED …, BODIES; or ERROR */
    LM_BUNDLE_REQUEST = 3, /* kit → hub: ENROL */
    LM_BUNDLE_ANSWER = 4   /* hub → kit: ENROLLED or ERROR */
};

struct lm_bundle_head {
    enum lm_bundle_kind kind;
    uint16_t part, parts; /* 1 … parts; parts ≤ LM_BUNDLE_PARTS_MAX */
    uint64_t number;      /* the export's; a reply bears the one it answers. 0 for an enrolment */
    uint8_t hub_id[16];
    uint8_t key[32];  /* public key of the installation or kit, at whichever end it is */
    uint64_t content; /* bytes of frames; filled by lm_bundle_seal and lm_bundle_head_read */
};

/* ---- writing ---- */

/* Empties buf and leaves room for the header; its max is the file's limit (≤ LM_BUNDLE_BYTES_MAX).
 */
void lm_bundle_begin(struct lm_buf *buf);
/* Appends a frame. False when it would pass the limit: the buffer is as before. */
bool lm_bundle_add(struct lm_buf *buf, uint8_t kind, const uint8_t *body, size_t n);
/* Closes the box in place. secret is the maker's, public_key the other's; nonce must be random.
 * LM_ERR_LIMIT or LM_ERR_MEMORY as the buffer says. */
enum lm_status lm_bundle_seal(struct lm_buf *buf, const struct lm_bundle_head *head,
                              const uint8_t secret[32], const uint8_t public_key[32],
                              const uint8_t nonce[LM_BUNDLE_NONCE_BYTES]) LM_MUST_USE;

/* ---- reading ---- */

/* Header and whole: nothing is believed of it yet, but it says whose key opens the box.
 * err->code and status:
 *   "not_a_bundle"   LM_ERR_INVALID  no such file
 *   "bundle_newer"   LM_ERR_VERSION  of a newer program
 *   "too_large"      LM_ERR_LIMIT    more than LM_BUNDLE_BYTES_MAX
 *   "bundle_cut"     LM_ERR_CORRUPT  shorter or longer than its header says
 *   "bundle_damaged" LM_ERR_CORRUPT  the hash does not fit */
enum lm_status lm_bundle_head_read(const uint8_t *data, size_t n, struct lm_bundle_head *out,
                                   struct lm_error *err) LM_MUST_USE;

/* The fields of LM_BUNDLE_HEAD_BYTES as they stand, unproven: for putting files in order. Zero when
 * they are none of a bundle. */
void lm_bundle_head_peek(const uint8_t data[LM_BUNDLE_HEAD_BYTES], struct lm_bundle_head *out);

struct lm_bundle_frames {
    const uint8_t *p, *end;
};
/* Opens the box in place (data is decrypted where it lies) and checks every frame's bounds. head:
 * from lm_bundle_head_read. LM_ERR_DENIED "bundle_forged": made with another key, or for another
 * one, or the header was changed. */
enum lm_status lm_bundle_open(uint8_t *data, size_t n, const struct lm_bundle_head *head,
                              const uint8_t secret[32], const uint8_t public_key[32],
                              struct lm_bundle_frames *out, struct lm_error *err) LM_MUST_USE;
/* The next frame; false at the end. The body points into the file. */
bool lm_bundle_next(struct lm_bundle_frames *frames, uint8_t *kind, const uint8_t **body,
                    size_t *n);

#endif
