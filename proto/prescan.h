/* Reading msgpack from outside: an iterative check of the whole, then a strict cursor over checked
 * bytes. Pure; nothing is allocated but what lm_read_value puts into the caller's arena. Writing:
 * proto/pack.h.
 *
 * Use: lm_prescan() once over the bytes as received, then lm_reader_init() and one lm_read_* for
 * each value in the order the schema says. A read of the wrong kind fails the reader, and from then
 * on every read fails and gives zero, NULL or no items: check `failed` (or lm_reader_done) once at
 * the end. The reader never leaves its bytes, also when they were not prescanned. */
#ifndef LM_PROTO_PRESCAN_H
#define LM_PROTO_PRESCAN_H

#include "common/base/arena.h"
#include "common/base/status.h"
#include "proto/limits.h"
#include "proto/pack.h"
#include "proto/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LM_MAP_PAIRS_MAX (2 * LM_CHANGE_FIELDS_MAX)

/* One msgpack value that fills exactly n bytes. Of nil, bool, int, str, bin, array and map;
 * containers nested at most LM_DEPTH_MAX deep; at most max_nodes values in all (map keys count); no
 * container says more items than there are bytes left; str is UTF-8 without U+0000; keys are str,
 * at most LM_MAP_PAIRS_MAX of them in a map and no two alike; nothing after it. LM_ERR_LIMIT:
 * depth, nodes, pairs. LM_ERR_INVALID: anything else. err nullable, its code "malformed" or
 * "too_large". */
enum lm_status lm_prescan(const uint8_t *data, size_t n, size_t max_nodes,
                          struct lm_error *err) LM_MUST_USE;

struct lm_reader {
    const uint8_t *p; /* the next value */
    const uint8_t *end;
    bool failed;
    enum lm_status status; /* why it failed: LM_ERR_INVALID, or MEMORY or LIMIT of an arena */
};

void lm_reader_init(struct lm_reader *reader, const uint8_t *data, size_t n);
/* True if every read succeeded and nothing is left. */
bool lm_reader_done(const struct lm_reader *reader);
/* What comes next, without moving. */
enum lm_wire lm_reader_peek_kind(const struct lm_reader *reader);
/* Fails the reader for a reason of the caller's (a value out of range). Returns false. */
bool lm_reader_fail(struct lm_reader *reader);
/* The same with a status other than LM_ERR_INVALID. */
bool lm_reader_fail_as(struct lm_reader *reader, enum lm_status status);

/* Takes a nil if one comes next; otherwise false, and neither moves nor fails. */
bool lm_read_nil(struct lm_reader *reader);
/* The others return !failed, and on failure set their results to 0, false or NULL. */
bool lm_read_bool(struct lm_reader *reader, bool *out);
bool lm_read_int(struct lm_reader *reader, int64_t *out);   /* fails above INT64_MAX */
bool lm_read_uint(struct lm_reader *reader, uint64_t *out); /* fails below 0 */
/* Borrowed from the bytes, not NUL-terminated. */
bool lm_read_text(struct lm_reader *reader, const char **text_out, size_t *n_out);
bool lm_read_bin(struct lm_reader *reader, const uint8_t **data_out, size_t *n_out);
/* A bin of exactly n bytes, copied to out (zeroed on failure). */
bool lm_read_bin_exact(struct lm_reader *reader, uint8_t *out, size_t n);
/* A str of at most size - 1 bytes, copied and NUL-terminated; "" on failure. size ≥ 1. */
bool lm_read_text_copy(struct lm_reader *reader, char *out, size_t size);
/* The items (or pairs of key and value) follow and are read one by one. Never more than bytes left.
 */
bool lm_read_array(struct lm_reader *reader, size_t *count_out);
bool lm_read_map(struct lm_reader *reader, size_t *count_out);
/* Like lm_read_array, but fails unless it has exactly count items. */
bool lm_read_array_of(struct lm_reader *reader, size_t count);
/* The inverse of lm_value_pack: bin of 16 bytes → UUID text, other bin fails; empty str and array →
 * LM_NULL. Text and containers are made in the arena; text is NUL-terminated. *out = LM_NULL on
 * failure. */
bool lm_read_value(struct lm_reader *reader, struct lm_arena *arena, struct lm_value *out);
/* Passes over one whole value, whatever it is; the bytes are those between p before and p after. */
bool lm_reader_skip(struct lm_reader *reader);

#endif
