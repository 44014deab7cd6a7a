/* Writing msgpack in its shortest forms. Pure. */
#include "proto/pack.h"

/* tag, then the low `bytes` bytes of u in network order. */
static size_t put(uint8_t head[LM_PACK_HEAD], unsigned tag, uint64_t u, size_t bytes)
{
    head[0] = (uint8_t)tag;
    for (size_t i = 0; i < bytes; i++) {
        head[bytes - i] = (uint8_t)(u >> (8 * i));
    }
    return bytes + 1;
}

size_t lm_pack_head_uint(uint8_t head[LM_PACK_HEAD], uint64_t u)
{
    if (u < 0x80) {
        return put(head, (unsigned)u, 0, 0);
    }
    if (u <= UINT8_MAX) {
        return put(head, 0xcc, u, 1);
    }
    if (u <= UINT16_MAX) {
        return put(head, 0xcd, u, 2);
    }
    if (u <= UINT32_MAX) {
        return put(head, 0xce, u, 4);
    }
    return put(head, 0xcf, u, 8);
}

size_t lm_pack_head_int(uint8_t head[LM_PACK_HEAD], int64_t i)
{
    uint64_t bits = (uint64_t)i;
    if (i >= 0) {
        return lm_pack_head_uint(head, bits);
    }
    if (i >= -32) {
        return put(head, (unsigned)(bits & 0xff), 0, 0);
    }
    if (i >= INT8_MIN) {
        return put(head, 0xd0, bits, 1);
    }
    if (i >= INT16_MIN) {
        return put(head, 0xd1, bits, 2);
    }
    if (i >= INT32_MIN) {
        return put(head, 0xd2, bits, 4);
    }
    return put(head, 0xd3, bits, 8);
}

size_t lm_pack_head_of(uint8_t head[LM_PACK_HEAD], enum lm_wire kind, size_t n)
{
    LM_CHECK(n <= UINT32_MAX);
    LM_CHECK(kind == LM_WIRE_TEXT || kind == LM_WIRE_BIN || kind == LM_WIRE_ARRAY ||
             kind == LM_WIRE_MAP);
    if (kind == LM_WIRE_TEXT || kind == LM_WIRE_BIN) {
        unsigned tag8 = kind == LM_WIRE_TEXT ? 0xd9 : 0xc4;
        if (kind == LM_WIRE_TEXT && n < 32) {
            return put(head, 0xa0 | (unsigned)n, 0, 0);
        }
        if (n <= UINT8_MAX) {
            return put(head, tag8, n, 1);
        }
        return n <= UINT16_MAX ? put(head, tag8 + 1, n, 2) : put(head, tag8 + 2, n, 4);
    }
    if (n < 16) {
        return put(head, (kind == LM_WIRE_MAP ? 0x80U : 0x90U) | (unsigned)n, 0, 0);
    }
    unsigned tag16 = kind == LM_WIRE_MAP ? 0xde : 0xdc;
    return n <= UINT16_MAX ? put(head, tag16, n, 2) : put(head, tag16 + 1, n, 4);
}

static void add_of(struct lm_buf *buf, enum lm_wire kind, size_t n)
{
    if (n > UINT32_MAX) {
        /* No such head exists; the buffer could not hold its content either. */
        if (buf->status == LM_OK) {
            buf->status = LM_ERR_LIMIT;
        }
        return;
    }
    uint8_t head[LM_PACK_HEAD];
    lm_buf_add(buf, head, lm_pack_head_of(head, kind, n));
}

void lm_pack_nil(struct lm_buf *buf)
{
    lm_buf_add(buf, "\xc0", 1);
}

void lm_pack_bool(struct lm_buf *buf, bool b)
{
    lm_buf_add(buf, b ? "\xc3" : "\xc2", 1);
}

void lm_pack_int(struct lm_buf *buf, int64_t i)
{
    uint8_t head[LM_PACK_HEAD];
    lm_buf_add(buf, head, lm_pack_head_int(head, i));
}

void lm_pack_uint(struct lm_buf *buf, uint64_t u)
{
    uint8_t head[LM_PACK_HEAD];
    lm_buf_add(buf, head, lm_pack_head_uint(head, u));
}

void lm_pack_text(struct lm_buf *buf, const char *text, size_t n)
{
    add_of(buf, LM_WIRE_TEXT, n);
    lm_buf_add(buf, text, n);
}

void lm_pack_bin(struct lm_buf *buf, const void *data, size_t n)
{
    add_of(buf, LM_WIRE_BIN, n);
    lm_buf_add(buf, data, n);
}

void lm_pack_array(struct lm_buf *buf, size_t count)
{
    add_of(buf, LM_WIRE_ARRAY, count);
}

void lm_pack_map(struct lm_buf *buf, size_t count)
{
    add_of(buf, LM_WIRE_MAP, count);
}
