/* Key words and what nodes pin. See hubkey.h. */
#include "proto/hubkey.h"

#include "proto/message_in.h"

#include <sodium.h>
#include <string.h>

static const char kind[] = "lastmile-key-1";
enum { TEXT_BYTES_MAX = 160 };

static void pack_text(struct lm_buf *buf, const struct lm_key_word *word, const uint8_t key[32],
                      const uint8_t sign_public[LM_SIGN_PUBLIC_BYTES])
{
    uint8_t hub_id[16];

    lm_hub_id_of(sign_public, hub_id);
    lm_pack_array(buf, 4);
    lm_out_text(buf, kind);
    lm_pack_bin(buf, hub_id, sizeof(hub_id));
    lm_pack_bin(buf, key, 32);
    if (word->has_next) {
        lm_pack_bin(buf, word->next, sizeof(word->next));
    } else {
        lm_pack_nil(buf);
    }
}

void lm_key_word_sign(struct lm_key_word *word, const uint8_t key[32],
                      const uint8_t sign_secret[LM_SIGN_SECRET_BYTES])
{
    uint8_t sign_public[LM_SIGN_PUBLIC_BYTES];
    struct lm_buf text;

    (void)crypto_sign_ed25519_sk_to_pk(sign_public, sign_secret);
    lm_buf_init(&text, TEXT_BYTES_MAX);
    pack_text(&text, word, key, sign_public);
    memset(word->signature, 0, sizeof(word->signature)); /* without memory: says nothing */
    if (text.status == LM_OK) {
        (void)crypto_sign_detached(word->signature, NULL, text.data, text.len, sign_secret);
    }
    lm_buf_free(&text);
}

bool lm_key_word_verifies(const struct lm_key_word *word, const uint8_t key[32],
                          const uint8_t sign_public[LM_SIGN_PUBLIC_BYTES])
{
    struct lm_buf text;
    bool ok;

    lm_buf_init(&text, TEXT_BYTES_MAX);
    pack_text(&text, word, key, sign_public);
    ok = text.status == LM_OK &&
         crypto_sign_verify_detached(word->signature, text.data, text.len, sign_public) == 0;
    lm_buf_free(&text);
    return ok;
}

static bool says_keys(const struct lm_msg_welcome *w)
{
    return w->protocol >= LM_PROTOCOL_KEYS;
}

enum lm_pins_verdict lm_pins_judge(const struct lm_hub_pins *pins, bool under_second,
                                   const struct lm_msg_welcome *w,
                                   const uint8_t sign_public[LM_SIGN_PUBLIC_BYTES])
{
    const uint8_t *key = under_second ? pins->second : pins->first;

    if (under_second && (!pins->has_second || !says_keys(w))) {
        return LM_PINS_REFUSED;
    }
    if (says_keys(w) && !lm_key_word_verifies(&w->keys, key, sign_public)) {
        return LM_PINS_REFUSED;
    }
    return under_second ? LM_PINS_SWITCHED : LM_PINS_FIRST;
}

bool lm_pins_learn(struct lm_hub_pins *pins, enum lm_pins_verdict verdict,
                   const struct lm_msg_welcome *w, bool newest)
{
    bool changed = false;

    if (verdict == LM_PINS_SWITCHED) {
        memcpy(pins->first, pins->second, sizeof(pins->first));
        memset(pins->second, 0, sizeof(pins->second));
        pins->has_second = false;
        changed = true;
    }
    if (verdict == LM_PINS_REFUSED || !says_keys(w) || !w->keys.has_next ||
        (pins->has_second && !newest) ||
        memcmp(w->keys.next, pins->first, sizeof(pins->first)) == 0) {
        return changed;
    }
    if (!pins->has_second || memcmp(w->keys.next, pins->second, sizeof(pins->second)) != 0) {
        memcpy(pins->second, w->keys.next, sizeof(pins->second));
        pins->has_second = true;
        changed = true;
    }
    return changed;
}
