/* Writing msgpack: the shortest form of every value, so that the same content is always the same
 * bytes.
 *
 * The lm_pack_* functions append to a buffer and inherit its sticky failure. The lm_pack_head_*
 * functions give only the leading bytes, for whoever hashes without a buffer. */
#ifndef LM_PROTO_PACK_H
#define LM_PROTO_PACK_H

#include "common/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LM_PACK_HEAD 9 /* bytes of the longest head */

/* The kinds a reader tells apart. */
enum lm_wire {
    LM_WIRE_END, /* nothing left, or the reader has failed */
    LM_WIRE_NIL,
    LM_WIRE_BOOL,
    LM_WIRE_INT,
    LM_WIRE_TEXT,
    LM_WIRE_BIN,
    LM_WIRE_ARRAY,
    LM_WIRE_MAP,
    LM_WIRE_OTHER, /* float, ext, the unused byte c1: never ours */
};

/* Each writes the head and returns its length, 1 … LM_PACK_HEAD. */
size_t lm_pack_head_int(uint8_t head[LM_PACK_HEAD], int64_t i);
size_t lm_pack_head_uint(uint8_t head[LM_PACK_HEAD], uint64_t u);
/* kind: LM_WIRE_TEXT, BIN (n = bytes), ARRAY (items) or MAP (pairs). n ≤ UINT32_MAX. */
size_t lm_pack_head_of(uint8_t head[LM_PACK_HEAD], enum lm_wire kind, size_t n);

void lm_pack_nil(struct lm_buf *buf);
void lm_pack_bool(struct lm_buf *buf, bool b);
void lm_pack_int(struct lm_buf *buf, int64_t i);
void lm_pack_uint(struct lm_buf *buf, uint64_t u);
void lm_pack_text(struct lm_buf *buf, const char *text, size_t n); /* str */
void lm_pack_bin(struct lm_buf *buf, const void *data, size_t n);
void lm_pack_array(struct lm_buf *buf, size_t count); /* its items follow */
void lm_pack_map(struct lm_buf *buf, size_t count);   /* key, value, key, value … follow */

#endif
