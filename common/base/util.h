/* Small things everyone needs: text, hex, ids, seeded randomness. No state of its own. */
#ifndef LM_BASE_UTIL_H
#define LM_BASE_UTIL_H

#include "common/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LM_UUID_TEXT 36
#define LM_HASH_BYTES 32

/* UTF-8 (RFC 3629: no overlong forms, no surrogates, ≤ U+10FFFF). Returns false for anything else;
 * else *chars_out (nullable) = number of code points. */
bool lm_utf8_valid(const char *text, size_t n, size_t *chars_out);
/* True if the text holds a control character (U+0000–001F but \n and \t, U+007F–009F). */
bool lm_utf8_has_control(const char *text, size_t n);

/* out must hold 2 n + 1 bytes; lower case. */
void lm_hex_encode(const uint8_t *data, size_t n, char *out);
/* False unless text is exactly 2 n hex digits. */
bool lm_hex_decode(const char *text, uint8_t *out, size_t n);

/* UUIDs (RFC 9562), canonical lower-case text. */
bool lm_uuid_valid(const char *text, size_t n); /* any version, 36 chars, lower or upper hex */
bool lm_uuid_is_v7(const char *text, size_t n);
bool lm_uuid_parse(const char *text, size_t n, uint8_t out[16]);
void lm_uuid_format(const uint8_t id[16], char out[LM_UUID_TEXT + 1]);

/* xoshiro256** seeded by splitmix64: the same seed gives the same numbers everywhere. Programs seed
 * it from the system; simulations from their seed. Not for keys: those come from libsodium. */
struct lm_rand {
    uint64_t s[4];
};
void lm_rand_seed(struct lm_rand *rnd, uint64_t seed);
void lm_rand_seed_system(struct lm_rand *rnd);
uint64_t lm_rand_next(struct lm_rand *rnd);
uint64_t lm_rand_below(struct lm_rand *rnd, uint64_t n); /* 0 … n-1; n ≥ 1 */
/* UUIDv7 from a wall clock (ms since 1970, clamped to 48 bits) and randomness. */
void lm_uuid_v7(struct lm_rand *rnd, int64_t now_ms, char out[LM_UUID_TEXT + 1]);
/* A UUIDv8 that is the same for the same bytes: BLAKE2b-128 of them. */
void lm_uuid_of(const void *data, size_t n, char out[LM_UUID_TEXT + 1]);

/* BLAKE2b-256 over up to 3 parts (NULL parts are skipped). */
void lm_hash(uint8_t out[LM_HASH_BYTES], const void *a, size_t an, const void *b, size_t bn,
             const void *c, size_t cn);

/* Time as text. ms = milliseconds since 1970-01-01T00:00:00Z. */
#define LM_TIME_TEXT 24
void lm_time_format(int64_t ms, char out[LM_TIME_TEXT + 8]); /* 2026-11-23T08:00:00.000Z */
/* RFC 3339 with Z or ±hh:mm, fraction 0–9 digits. False if not a real instant in years 1–9999. */
bool lm_time_parse(const char *text, size_t n, int64_t *ms_out);
/* Days since 1970-01-01 of a proleptic Gregorian YYYY-MM-DD. False if the day does not exist. */
bool lm_date_parse(const char *text, size_t n, int64_t *day_out);
void lm_date_format(int64_t day, char out[16]);
/* The calendar day in UTC+8 of an instant, as days since 1970. */
int64_t lm_day_utc8(int64_t ms);

/* The real clocks. Only programs call them: proto/ gets time with the event. */
int64_t lm_clock_wall_ms(void);
int64_t lm_clock_mono_ms(void);

#endif
