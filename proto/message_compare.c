/* COMPARE and DIGESTS: which records of a scope differ, when a sum said that some do. Pure.
 * PROTOCOL.md "COMPARE", "DIGESTS". */
#include "proto/message_in.h"

#include <string.h>

void lm_compare_pack(struct lm_buf *buf, const struct lm_msg_compare *m)
{
    lm_pack_array(buf, 3);
    lm_pack_uint(buf, m->session);
    lm_out_uuid(buf, m->after);
    lm_pack_uint(buf, m->max);
}

static void id_or_nil(struct lm_in *in, const char *element, char out[40])
{
    out[0] = '\0';
    if (!lm_in_nil(in)) {
        lm_in_uuid(in, element, out);
    }
}

enum lm_status lm_compare_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                               struct lm_msg_compare *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_compare){0};
    if (lm_in_begin(&in, "compare", data, n, LM_FRAME_BYTES_MAX, 3, arena, err)) {
        m->session = lm_in_uint(&in, "session", 0, UINT64_MAX);
        id_or_nil(&in, "after", m->after);
        m->max = (uint32_t)lm_in_uint(&in, "max", 1, LM_COMPARE_MAX);
    }
    return lm_in_end(&in, err);
}

void lm_digests_pack(struct lm_buf *buf, const struct lm_msg_digests *m)
{
    lm_pack_array(buf, 6);
    lm_pack_uint(buf, m->session);
    lm_out_uuid(buf, m->after);
    lm_pack_uint(buf, m->branch);
    lm_out_head(buf, &m->acked);
    lm_pack_bool(buf, m->done);
    lm_pack_array(buf, m->n);
    for (size_t i = 0; i < m->n; i++) {
        lm_pack_array(buf, 2);
        lm_out_uuid(buf, m->items[i].id);
        lm_pack_uint(buf, m->items[i].digest);
    }
}

enum lm_status lm_digests_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                               struct lm_msg_digests *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_digests){0};
    if (lm_in_begin(&in, "digests", data, n, LM_FRAME_BYTES_MAX, 6, arena, err)) {
        m->session = lm_in_uint(&in, "session", 0, UINT64_MAX);
        id_or_nil(&in, "after", m->after);
        m->branch = lm_in_uint(&in, "branch", 1, LM_IN_NUMBER_MAX);
        m->acked = lm_in_head(&in, "acked");
        m->done = lm_in_bool(&in, "done");
        m->items = lm_in_items(&in, "items", LM_COMPARE_MAX, sizeof *m->items, &m->n);
        for (size_t i = 0; i < m->n && lm_in_ok(&in); i++) {
            const char *before = i > 0 ? m->items[i - 1].id : m->after;

            lm_in_array_of(&in, "items", 2);
            lm_in_uuid(&in, "items.id", m->items[i].id);
            m->items[i].digest = lm_in_uint(&in, "items.digest", 0, UINT64_MAX);
            if (lm_in_ok(&in) && strcmp(before, m->items[i].id) >= 0) {
                lm_in_fail(&in, "items.id", LM_ERR_INVALID); /* each once, in order */
            }
        }
        if (lm_in_ok(&in) && !m->done && m->n == 0) {
            lm_in_fail(&in, "items", LM_ERR_INVALID); /* leads nowhere */
        }
    }
    return lm_in_end(&in, err);
}
