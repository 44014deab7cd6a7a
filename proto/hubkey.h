/* The hub's line key (CURVE) may change without new kits: the hub announces the next one, nodes pin
 * two, the hub switches. Pure. PROTOCOL.md "Change of the hub's key" is the description.
 *
 * The line alone does not move a pin. What names a next key, and what says that a next key is in
 * force, is the hub's *key word*, signed by the signing key that the kit told: so neither who has
 * stolen the CURVE secret alone, nor who has a next key's secret before it is in force, nor who has
 * an installation's own secret (and could seal a reply to it) can give a node another hub. */
#ifndef LM_PROTO_HUBKEY_H
#define LM_PROTO_HUBKEY_H

#include "proto/credential.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stdint.h>

/* What a node pins. */
struct lm_hub_pins {
    uint8_t first[32];
    bool has_second;
    uint8_t second[32];
};

/* key: the CURVE public key that the session or the box is under. Signs word->has_next and next. */
void lm_key_word_sign(struct lm_key_word *word, const uint8_t key[32],
                      const uint8_t sign_secret[LM_SIGN_SECRET_BYTES]);
bool lm_key_word_verifies(const struct lm_key_word *word, const uint8_t key[32],
                          const uint8_t sign_public[LM_SIGN_PUBLIC_BYTES]);

enum lm_pins_verdict {
    LM_PINS_FIRST,    /* the hub speaks under the first key: what it says counts */
    LM_PINS_SWITCHED, /* under the second, and it has said that this one is in force */
    LM_PINS_REFUSED   /* nothing of it counts */
};
/* A WELCOME that came under the first key or (under_second) under the second. */
enum lm_pins_verdict lm_pins_judge(const struct lm_hub_pins *pins, bool under_second,
                                   const struct lm_msg_welcome *w,
                                   const uint8_t sign_public[LM_SIGN_PUBLIC_BYTES]);
/* What is pinned after a WELCOME that was not refused. newest: false for a reply on a stick that
 * something newer has overtaken; its next key then fills an empty place only. A next key that is
 * named no more stays: it opens nothing before the hub has said that it is in force. True when
 * something changed. */
bool lm_pins_learn(struct lm_hub_pins *pins, enum lm_pins_verdict verdict,
                   const struct lm_msg_welcome *w, bool newest);

#endif
