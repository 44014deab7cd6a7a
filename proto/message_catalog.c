/* CATALOG, both ways. PROTOCOL.md "CATALOG". */
#include "proto/message.h"

#include "proto/message_in.h"

void lm_ask_pack(struct lm_buf *buf, const struct lm_msg_ask *m)
{
    lm_pack_array(buf, 3);
    lm_pack_uint(buf, m->number);
    lm_pack_bin(buf, m->hash, LM_HASH_BYTES);
    lm_pack_uint(buf, m->offset);
}

enum lm_status lm_ask_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                           struct lm_msg_ask *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_ask){0};
    if (lm_in_begin(&in, "catalog", data, n, LM_FRAME_BYTES_MAX, 3, arena, err)) {
        m->number = (uint32_t)lm_in_uint(&in, "number", 1, UINT32_MAX);
        lm_in_bytes(&in, "hash", m->hash, LM_HASH_BYTES);
        m->offset = lm_in_uint(&in, "offset", 0, LM_CATALOG_PACKED_BYTES_MAX);
    }
    return lm_in_end(&in, err);
}

void lm_part_pack(struct lm_buf *buf, const struct lm_msg_part *m)
{
    lm_pack_array(buf, 5);
    lm_pack_uint(buf, m->number);
    lm_pack_bin(buf, m->hash, LM_HASH_BYTES);
    lm_pack_uint(buf, m->total);
    lm_pack_uint(buf, m->offset);
    lm_pack_bin(buf, m->bytes, m->n);
}

enum lm_status lm_part_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                            struct lm_msg_part *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_part){0};
    if (lm_in_begin(&in, "catalog", data, n, LM_FRAME_BYTES_MAX, 5, arena, err)) {
        m->number = (uint32_t)lm_in_uint(&in, "number", 1, UINT32_MAX);
        lm_in_bytes(&in, "hash", m->hash, LM_HASH_BYTES);
        m->total = lm_in_uint(&in, "total", 1, LM_CATALOG_PACKED_BYTES_MAX);
        m->offset = lm_in_uint(&in, "offset", 0, m->total);
        m->bytes = lm_in_bin(&in, "bytes", LM_CATALOG_PART_BYTES_MAX, &m->n);
        if (lm_in_ok(&in) && m->n > m->total - m->offset) {
            lm_in_fail(&in, "bytes", LM_ERR_INVALID);
        }
    }
    return lm_in_end(&in, err);
}
