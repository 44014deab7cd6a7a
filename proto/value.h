/* A field's value in memory, whatever its type, and its two outside forms: JSON and msgpack.
 *
 * Canonical form (what validate makes, what records and changes hold):
 *   bool → LM_BOOL; int → LM_INT; decimal → LM_INT in ten-thousandths (12.5 = 125000);
 *   text, code, char(n), date (YYYY-MM-DD), datetime (UTC, RFC 3339 with ms, Z), uuid (36 chars
 * lower case), ref ("type:uuid") → LM_TEXT; lists → LM_LIST; elements with members → LM_MAP, keys
 * in catalogue order. null, empty text, empty list and absent are one thing: LM_NULL.
 *
 * Memory: values point into an arena or into the message they were decoded from; nobody frees one
 * value. Text is valid UTF-8, NUL-terminated when it comes from an arena (not when it points into a
 * message). */
#ifndef LM_PROTO_VALUE_H
#define LM_PROTO_VALUE_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum lm_kind { LM_NULL, LM_BOOL, LM_INT, LM_TEXT, LM_LIST, LM_MAP };

#define LM_DECIMAL_SCALE 10000

struct lm_pair;
struct lm_value {
    enum lm_kind kind;
    uint32_t len; /* LM_TEXT: bytes; LM_LIST: items; LM_MAP: pairs */
    union {
        bool b;
        int64_t i;
        const char *text;
        struct lm_value *items;
        struct lm_pair *pairs;
    };
};
struct lm_pair {
    const char *key; /* NUL-terminated when from an arena */
    uint32_t key_len;
    struct lm_value value;
};

struct lm_value lm_value_null(void);
struct lm_value lm_value_bool(bool b);
struct lm_value lm_value_int(int64_t i);
struct lm_value lm_value_text(const char *text); /* borrowed, NUL-terminated; "" → LM_NULL */
struct lm_value lm_value_textn(const char *text, size_t n); /* borrowed; n = 0 → LM_NULL */
bool lm_value_is_null(const struct lm_value *v);
bool lm_value_is(const struct lm_value *v, const char *text); /* LM_TEXT equal to text */
bool lm_value_equal(const struct lm_value *a,
                    const struct lm_value *b); /* deep; map order matters */
/* The value of a map's key, or NULL. */
const struct lm_value *lm_value_member(const struct lm_value *map, const char *key);
/* Deep copy into the arena. LM_ERR_MEMORY or LM_ERR_LIMIT when the arena is out. */
enum lm_status lm_value_copy(struct lm_arena *arena, const struct lm_value *from,
                             struct lm_value *out) LM_MUST_USE;

/* msgpack, independent of the catalogue: nil, bool, int, str, array, map with str keys; a text that
 * is a canonical UUID (36 chars, lower case) travels as bin 16 and comes back as text. The encoding
 * is the shortest form of each (deterministic), maps in the order given. */
void lm_value_pack(struct lm_buf *buf, const struct lm_value *v);
/* Plain JSON: LM_INT as integer. (Decimal fields are divided by their scale in lm_field_to_json.)
 * New reference, or NULL when out of memory. */
json_t *lm_value_to_json(const struct lm_value *v);
/* JSON of any shape into a value without looking at a catalogue: reals are refused
 * (LM_ERR_INVALID), depth ≤ LM_DEPTH_MAX. Empty text, list → LM_NULL. */
enum lm_status lm_value_from_json(struct lm_arena *arena, const json_t *json,
                                  struct lm_value *out) LM_MUST_USE;

#endif
