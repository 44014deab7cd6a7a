/* Text, hex, ids, hashes, randomness. Pure but for lm_rand_seed_system. */
#include "common/base/util.h"

#include <sodium.h>
#include <string.h>

/* Table 3-7 of the Unicode Standard (well-formed UTF-8 byte sequences), as in RFC 3629. */
bool lm_utf8_valid(const char *text, size_t n, size_t *chars_out)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t chars = 0;
    size_t i = 0;
    while (i < n) {
        unsigned char c = s[i];
        size_t more;
        unsigned char low = 0x80;
        unsigned char high = 0xBF;
        if (c < 0x80) {
            more = 0;
        } else if (c >= 0xC2 && c <= 0xDF) {
            more = 1;
        } else if (c >= 0xE0 && c <= 0xEF) {
            more = 2;
            low = c == 0xE0 ? 0xA0 : low;   /* overlong */
            high = c == 0xED ? 0x9F : high; /* surrogates */
        } else if (c >= 0xF0 && c <= 0xF4) {
            more = 3;
            low = c == 0xF0 ? 0x90 : low;   /* overlong */
            high = c == 0xF4 ? 0x8F : high; /* above U+10FFFF */
        } else {
            return false;
        }
        if (more > n - i - 1) {
            return false;
        }
        for (size_t k = 1; k <= more; k++) {
            if (s[i + k] < low || s[i + k] > high) {
                return false;
            }
            low = 0x80;
            high = 0xBF;
        }
        i += more + 1;
        chars++;
    }
    if (chars_out) {
        *chars_out = chars;
    }
    return true;
}

bool lm_utf8_has_control(const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0; i < n; i++) {
        if ((s[i] < 0x20 && s[i] != '\n' && s[i] != '\t') || s[i] == 0x7F) {
            return true;
        }
        if (s[i] == 0xC2 && i + 1 < n && s[i + 1] >= 0x80 && s[i + 1] <= 0x9F) {
            return true;
        }
    }
    return false;
}

void lm_hex_encode(const uint8_t *data, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * n] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool lm_hex_decode(const char *text, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        /* A NUL is no digit, so reading stops at the end of a shorter text. */
        int high = hex_digit(text[2 * i]);
        int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);
        if (low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return text[2 * n] == '\0';
}

bool lm_uuid_parse(const char *text, size_t n, uint8_t out[16])
{
    if (n != LM_UUID_TEXT) {
        return false;
    }
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            if (text[at++] != '-') {
                return false;
            }
        }
        int high = hex_digit(text[at]);
        int low = hex_digit(text[at + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    return true;
}

bool lm_uuid_valid(const char *text, size_t n)
{
    uint8_t id[16];
    return lm_uuid_parse(text, n, id);
}

bool lm_uuid_is_v7(const char *text, size_t n)
{
    uint8_t id[16];
    return lm_uuid_parse(text, n, id) && id[6] >> 4 == 7 && id[8] >> 6 == 2;
}

void lm_uuid_format(const uint8_t id[16], char out[LM_UUID_TEXT + 1])
{
    char hex[33];
    lm_hex_encode(id, 16, hex);
    size_t at = 0;
    for (size_t i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) {
            out[at++] = '-';
        }
        out[at++] = hex[i];
    }
    out[at] = '\0';
}

/* splitmix64 and xoshiro256** by Blackman and Vigna (public domain reference algorithms). */
void lm_rand_seed(struct lm_rand *rnd, uint64_t seed)
{
    for (size_t i = 0; i < 4; i++) {
        seed += 0x9E3779B97F4A7C15U;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
        rnd->s[i] = z ^ (z >> 31);
    }
}

void lm_rand_seed_system(struct lm_rand *rnd)
{
    do {
        randombytes_buf(rnd->s, sizeof(rnd->s));
    } while (!(rnd->s[0] | rnd->s[1] | rnd->s[2] | rnd->s[3])); /* all zero would stay zero */
}

static uint64_t rotate_left(uint64_t x, unsigned k)
{
    return x << k | x >> (64 - k);
}

uint64_t lm_rand_next(struct lm_rand *rnd)
{
    uint64_t *s = rnd->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t lm_rand_below(struct lm_rand *rnd, uint64_t n)
{
    LM_CHECK(n >= 1);
    /* Values below 2^64 mod n would make the low results likelier. */
    uint64_t skip = (0 - n) % n;
    uint64_t x;
    do {
        x = lm_rand_next(rnd);
    } while (x < skip);
    return x % n;
}

static void uuid_set_version(uint8_t id[16], unsigned version)
{
    id[6] = (uint8_t)((id[6] & 0x0F) | version << 4);
    id[8] = (uint8_t)((id[8] & 0x3F) | 0x80);
}

static void put_u64_be(uint8_t *out, uint64_t x)
{
    for (int i = 7; i >= 0; i--) {
        out[i] = (uint8_t)x;
        x >>= 8;
    }
}

void lm_uuid_v7(struct lm_rand *rnd, int64_t now_ms, char out[LM_UUID_TEXT + 1])
{
    const int64_t ms_max = ((int64_t)1 << 48) - 1;
    uint64_t ms = now_ms < 0 ? 0 : now_ms > ms_max ? (uint64_t)ms_max : (uint64_t)now_ms;
    uint8_t id[16];
    put_u64_be(id, ms << 16 | (lm_rand_next(rnd) >> 48));
    put_u64_be(id + 8, lm_rand_next(rnd));
    uuid_set_version(id, 7);
    lm_uuid_format(id, out);
}

void lm_uuid_of(const void *data, size_t n, char out[LM_UUID_TEXT + 1])
{
    uint8_t id[16];
    (void)crypto_generichash(id, sizeof(id), data, n, NULL, 0);
    uuid_set_version(id, 8);
    lm_uuid_format(id, out);
}

void lm_hash(uint8_t out[LM_HASH_BYTES], const void *a, size_t an, const void *b, size_t bn,
             const void *c, size_t cn)
{
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, LM_HASH_BYTES);
    if (a) {
        (void)crypto_generichash_update(&state, a, an);
    }
    if (b) {
        (void)crypto_generichash_update(&state, b, bn);
    }
    if (c) {
        (void)crypto_generichash_update(&state, c, cn);
    }
    (void)crypto_generichash_final(&state, out, LM_HASH_BYTES);
}
