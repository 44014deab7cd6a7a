/* What a person or a peer hands over signed: the kit's text and the certificate's bytes. The first
 * byte says which. Whatever reads must write as the same text again once it is signed anew, and
 * nothing reads that is not signed. */
#include "proto/credential.h"

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t public_key[LM_SIGN_PUBLIC_BYTES], secret_key[LM_SIGN_SECRET_BYTES];

static void kit(const char *text, size_t n)
{
    struct lm_arena arena;
    struct lm_kit kit, again;
    struct lm_error err;
    struct lm_buf out;

    lm_arena_init(&arena, 8 << 20);
    lm_buf_init(&out, 2 * LM_KIT_BYTES_MAX);
    if (lm_kit_read(text, n, &arena, &kit, &err) == LM_OK &&
        lm_kit_write(&kit, secret_key, &out, &err) == LM_OK) {
        LM_CHECK(lm_kit_read((const char *)out.data, out.len, &arena, &again, &err) == LM_OK);
        LM_CHECK(strcmp(kit.station, again.station) == 0 && strcmp(kit.town, again.town) == 0 &&
                 kit.n_records == again.n_records);
        LM_CHECK(kit.n_records <= LM_KIT_RECORDS_MAX);
    }
    lm_buf_free(&out);
    lm_arena_free(&arena);
}

/* The body of a certificate as it is, then with a right signature under it: so that what is behind
 * the signature is reached. */
static void certificate(const uint8_t *data, size_t n)
{
    static uint8_t whole[LM_CERTIFICATE_BYTES_MAX + 66];
    struct lm_certificate c;
    struct lm_error err;

    if (lm_certificate_check(data, n, public_key, &c, &err) == LM_OK) {
        LM_CHECK(c.replica == lm_replica_of(c.public_key) && strlen(c.station) == 12);
    }
    if (n < 1 || n > LM_CERTIFICATE_BYTES_MAX) {
        return;
    }
    memcpy(whole, data, n);
    whole[0] = 0x97;
    whole[n] = 0xc4;
    whole[n + 1] = 64;
    crypto_sign_detached(whole + n + 2, NULL, whole, n, secret_key);
    whole[0] = 0x98;
    if (lm_certificate_check(whole, n + 66, public_key, &c, &err) == LM_OK) {
        LM_CHECK(c.replica == lm_replica_of(c.public_key) && strlen(c.station) == 12);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t seed[32];
    static bool ready;

    if (!ready) {
        LM_CHECK(sodium_init() >= 0);
        memset(seed, 0x11, sizeof(seed)); /* the document's own example key */
        crypto_sign_seed_keypair(public_key, secret_key, seed);
        ready = true;
    }
    if (size == 0) {
        return 0;
    }
    if (data[0] == '{') {
        kit((const char *)data, size);
    } else {
        certificate(data, size);
    }
    return 0;
}
