/* The hub's keys: DIR/hub.key, a JSON file of mode 0600 beside the database and never in it.
 * Whoever has it is the hub. */
#ifndef LM_HUB_KEYS_H
#define LM_HUB_KEYS_H

#include "common/datadir.h"
#include "common/transport.h"
#include "proto/credential.h"

#include <stdint.h>

struct lm_hub_keys {
    struct lm_keypair curve; /* CURVE: who the sync port is */
    uint8_t sign_seed[32];   /* Ed25519 */
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
 * LM_ERR_DENIED, LM_ERR_IO. */
enum lm_status lm_hub_keys_load(const struct lm_datadir *dir, struct lm_hub_keys *out,
                                struct lm_error *err) LM_MUST_USE;
/* Overwrites the secrets in memory. */
void lm_hub_keys_wipe(struct lm_hub_keys *keys);

#endif
