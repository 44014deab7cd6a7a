/* Proofs of the hub's history. See proof.h. */
#include "proto/proof.h"

#include "proto/message_in.h"

#include <sodium.h>
#include <string.h>

static const char kind[] = "lastmile-mark-1";
enum { TEXT_BYTES_MAX = 160 };

static void pack_text(struct lm_buf *buf, const struct lm_proof *p,
                      const uint8_t sign_public[LM_SIGN_PUBLIC_BYTES])
{
    uint8_t hub_id[16];

    lm_hub_id_of(sign_public, hub_id);
    lm_pack_array(buf, 4);
    lm_out_text(buf, kind);
    lm_pack_bin(buf, hub_id, sizeof(hub_id));
    lm_out_pair(buf, p->incarnation.counter, p->incarnation.random);
    lm_out_mark(buf, &p->mark);
}

void lm_proof_sign(struct lm_proof *proof, const uint8_t sign_secret[LM_SIGN_SECRET_BYTES])
{
    uint8_t sign_public[LM_SIGN_PUBLIC_BYTES];
    struct lm_buf text;

    (void)crypto_sign_ed25519_sk_to_pk(sign_public, sign_secret);
    lm_buf_init(&text, TEXT_BYTES_MAX);
    pack_text(&text, proof, sign_public);
    memset(proof->signature, 0, sizeof(proof->signature)); /* without memory: proves nothing */
    if (text.status == LM_OK) {
        (void)crypto_sign_detached(proof->signature, NULL, text.data, text.len, sign_secret);
    }
    lm_buf_free(&text);
}

bool lm_proof_verifies(const struct lm_proof *proof,
                       const uint8_t sign_public[LM_SIGN_PUBLIC_BYTES])
{
    struct lm_buf text;
    bool ok;

    if (proof->incarnation.counter == 0) {
        return false;
    }
    lm_buf_init(&text, TEXT_BYTES_MAX);
    pack_text(&text, proof, sign_public);
    ok = text.status == LM_OK &&
         crypto_sign_verify_detached(proof->signature, text.data, text.len, sign_public) == 0;
    lm_buf_free(&text);
    return ok;
}

struct lm_proof lm_proof_of(const struct lm_msg_welcome *w)
{
    struct lm_proof proof = {.incarnation = w->incarnation, .mark = w->head};

    memcpy(proof.signature, w->signature, sizeof(proof.signature));
    return proof;
}
