/* What the hub signs about its own history: "in this incarnation my journal stood at this mark". A
 * node keeps the newest and shows it in HELLO. So a hub that was set back, or that has a living
 * twin, learns of it from itself, and nobody else can tell it so: an enrolled PC that lies could
 * otherwise stop the town by a number. Pure; libsodium. PROTOCOL.md "Proof" is the description. */
#ifndef LM_PROTO_PROOF_H
#define LM_PROTO_PROOF_H

#include "proto/credential.h"
#include "proto/message.h"

/* Ed25519 over the packed array [kind, hub id, incarnation, mark]; the hub id is that of the key.
 */
void lm_proof_sign(struct lm_proof *proof, const uint8_t sign_secret[LM_SIGN_SECRET_BYTES]);
/* False also for "none" (counter 0). */
bool lm_proof_verifies(const struct lm_proof *proof,
                       const uint8_t sign_public[LM_SIGN_PUBLIC_BYTES]) LM_MUST_USE;
/* What a WELCOME proves: its incarnation, head and signature. */
struct lm_proof lm_proof_of(const struct lm_msg_welcome *welcome);

#endif
