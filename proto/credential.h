/* What the hub signs with its Ed25519 key: the enrolment kit that a person carries to a station,
 * and the certificate that a station keeps. Pure: libsodium and jansson; the caller has the clock
 * and the keys, and has called sodium_init(). PROTOCOL.md "Kit" and "Certificate" are the
 * description.
 *
 * The hub's fingerprint (hub id) is the first 16 bytes of BLAKE2b-256 of its Ed25519 public key, so
 * a kit whose hub id a person has compared cannot be made by anybody else. */
#ifndef LM_PROTO_CREDENTIAL_H
#define LM_PROTO_CREDENTIAL_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/status.h"

#include <stdint.h>

#define LM_KIT_VERSION 1
#define LM_KIT_BYTES_MAX (256 * 1024) /* the file */
#define LM_KIT_RECORDS_MAX 16
#define LM_KIT_TEXT_CHARS_MAX 200 /* town, endpoint, station name */
#define LM_SIGN_PUBLIC_BYTES 32   /* Ed25519 */
#define LM_SIGN_SECRET_BYTES 64
#define LM_Z85_KEY_CHARS 40 /* a CURVE key as text */

struct lm_kit_record { /* a packed record body, proto/feed.h */
    const uint8_t *body;
    size_t len;
};
/* Texts are NUL-terminated, never empty, ≤ LM_KIT_TEXT_CHARS_MAX characters, without control
 * characters. */
struct lm_kit {
    uint8_t hub_id[16];
    const char *town, *endpoint;               /* endpoint: "tcp://…" */
    char hub_public_key[LM_Z85_KEY_CHARS + 1]; /* CURVE, Z85 */
    uint8_t hub_sign_key[LM_SIGN_PUBLIC_BYTES];
    char station[13]; /* 12 digits */
    const char *station_name;
    char level[8]; /* "village" or "town" */
    char enrol_public_key[LM_Z85_KEY_CHARS + 1],
        enrol_secret_key[LM_Z85_KEY_CHARS + 1]; /* one-time CURVE pair */
    int64_t expires_ms;            /* by the hub's clock; the hub is who refuses a late one */
    struct lm_kit_record *records; /* the station's own area and station rows */
    size_t n_records;              /* ≤ LM_KIT_RECORDS_MAX */
};

/* hub id = first 16 bytes of BLAKE2b-256(sign_public). */
void lm_hub_id_of(const uint8_t sign_public[LM_SIGN_PUBLIC_BYTES], uint8_t out[16]);
/* Replica number of an installation: the first 8 bytes, little-endian, of BLAKE2b-256 of its CURVE
 * public key, without the top bit; 1 instead of 0, which is the hub. */
uint64_t lm_replica_of(const uint8_t public_key[32]);

/* The kit as JSON text with a newline at its end, appended to out; hub_id and hub_sign_key are
 * taken from sign_secret, not from kit. LM_ERR_INVALID: a member breaks the rules above (err->field
 * names it); LM_ERR_LIMIT; LM_ERR_MEMORY. */
enum lm_status lm_kit_write(const struct lm_kit *kit,
                            const uint8_t sign_secret[LM_SIGN_SECRET_BYTES], struct lm_buf *out,
                            struct lm_error *err) LM_MUST_USE;
/* Reads and verifies. Everything that kit points to is in the arena. err->code and status:
 *   "not_a_kit"    LM_ERR_INVALID  no JSON object with the members of a kit
 *   "kit_tampered" LM_ERR_CORRUPT  a kit whose signature or hub id does not fit its content
 *   "kit_newer"    LM_ERR_VERSION  a kit of a newer program
 *   "too_large"    LM_ERR_LIMIT    more than LM_KIT_BYTES_MAX
 * and LM_ERR_MEMORY. Whether it has expired is not judged here. */
enum lm_status lm_kit_read(const char *text, size_t n, struct lm_arena *arena, struct lm_kit *kit,
                           struct lm_error *err) LM_MUST_USE;

/* The CURVE pair with which an installation that the hub does not know asks to be readmitted: made
 * from what every kit of this hub tells, so it is no secret among those who once had one, and the
 * hub lets it say READMIT only. Who shows a certificate need not prove more: it helps nobody but
 * the holder of the key that it names. PROTOCOL.md "Readmission". */
void lm_readmit_key(const uint8_t hub_id[16], const uint8_t hub_public_key[32],
                    uint8_t public_out[32], uint8_t secret_out[32]);

struct lm_certificate {
    uint8_t hub_id[16];
    char station[13];       /* 12 digits */
    char level[8];          /* "village" or "town" */
    uint64_t replica;       /* = lm_replica_of(public_key) */
    uint8_t public_key[32]; /* the installation's CURVE public key */
    int64_t issued_ms;
};
#define LM_CERTIFICATE_BYTES_MAX 256

/* Appends the signed bytes to out; hub_id is taken from sign_secret. out->status tells of limit or
 * memory. */
void lm_certificate_make(struct lm_buf *out, const struct lm_certificate *certificate,
                         const uint8_t sign_secret[LM_SIGN_SECRET_BYTES]);
/* Strict reading and the signature by sign_public. LM_ERR_INVALID "not_a_certificate";
 * LM_ERR_CORRUPT "certificate_tampered" (signature, hub id or replica number does not fit);
 * LM_ERR_VERSION "certificate_newer". */
enum lm_status lm_certificate_check(const uint8_t *data, size_t n,
                                    const uint8_t sign_public[LM_SIGN_PUBLIC_BYTES],
                                    struct lm_certificate *out, struct lm_error *err) LM_MUST_USE;

#endif
