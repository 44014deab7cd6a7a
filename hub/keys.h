/* The hub's keys: DIR/hub.key, a JSON file of mode 0600 beside the database and never in it.
 * Whoever has it is the hub.
 *
 * The CURVE pair may change without new kits (PROTOCOL.md "Change of the hub's key"): the next one
 * is made and announced, then it is switched to; the former ones are kept for a time, for USB files
 * that are still on their way. All of them stand in the one file, which is replaced in one rename:
 * a crash leaves what was before or what is after, and nothing in between. */
#ifndef LM_HUB_KEYS_H
#define LM_HUB_KEYS_H

#include "common/datadir.h"
#include "common/transport.h"
#include "proto/credential.h"

#include <stdbool.h>
#include <stdint.h>

#define LM_HUB_KEYS_OLD_MAX 2    /* former pairs that are kept, … */
#define LM_HUB_KEYS_OLD_DAYS 180 /* … each for so long */
#define LM_HUB_KEYS_OLD_MS (LM_HUB_KEYS_OLD_DAYS * 86400000LL)

struct lm_hub_old_key {
    struct lm_keypair pair;
    int64_t until_ms; /* opens USB files before that time by the hub's clock */
};
struct lm_hub_keys {
    struct lm_keypair curve; /* CURVE: who the sync port is */
    uint32_t number;         /* of it: 1 for the first one, one more with each switch */
    int64_t since_ms;        /* when it was switched to; 0 = the first one, or not known */
    bool has_next;
    struct lm_keypair next;                         /* announced; not in force */
    int64_t next_ms;                                /* when it was made */
    struct lm_hub_old_key old[LM_HUB_KEYS_OLD_MAX]; /* the newest first */
    size_t n_old;
    uint8_t sign_seed[32]; /* Ed25519 */
    uint8_t sign_public[LM_SIGN_PUBLIC_BYTES],
        sign_secret[LM_SIGN_SECRET_BYTES]; /* made from the seed */
    uint8_t dup_key[32];                   /* keyed hash of persons' natural keys */
    uint8_t hub_id[16];                    /* lm_hub_id_of(sign_public) */
};
/* Makes new keys and writes them. LM_ERR_EXISTS when there is a file already; LM_ERR_IO,
 * LM_ERR_DENIED, LM_ERR_FULL. */
enum lm_status lm_hub_keys_make(const struct lm_datadir *dir, struct lm_hub_keys *out,
                                struct lm_error *err) LM_MUST_USE;
/* LM_ERR_NOT_FOUND, LM_ERR_CORRUPT (not such a file, or its parts do not fit together),
 * LM_ERR_DENIED, LM_ERR_IO. A file from before there were next keys has none. */
enum lm_status lm_hub_keys_load(const struct lm_datadir *dir, struct lm_hub_keys *out,
                                struct lm_error *err) LM_MUST_USE;

/* Each changes *keys and the file; when the file could not be written *keys is what the file says.
 * Only by who holds the lock "hub.lock". */

/* Makes the key that is announced from now on. LM_ERR_EXISTS "next_key_exists". */
enum lm_status lm_hub_keys_next(const struct lm_datadir *dir, struct lm_hub_keys *keys,
                                int64_t now_ms, struct lm_error *err) LM_MUST_USE;
/* It is not announced any more, and forgotten. LM_ERR_NOT_FOUND "no_next_key". */
enum lm_status lm_hub_keys_withdraw(const struct lm_datadir *dir, struct lm_hub_keys *keys,
                                    struct lm_error *err) LM_MUST_USE;
/* The next key takes the present one's place, which is kept among the old ones (keep_old), or
 * forgotten with all of them. LM_ERR_NOT_FOUND "no_next_key". */
enum lm_status lm_hub_keys_switch(const struct lm_datadir *dir, struct lm_hub_keys *keys,
                                  bool keep_old, int64_t now_ms, struct lm_error *err) LM_MUST_USE;
/* Forgets the old ones; *n_out: how many. */
enum lm_status lm_hub_keys_forget(const struct lm_datadir *dir, struct lm_hub_keys *keys,
                                  size_t *n_out, struct lm_error *err) LM_MUST_USE;

/* Overwrites the secrets in memory. */
void lm_hub_keys_wipe(struct lm_hub_keys *keys);

#endif
