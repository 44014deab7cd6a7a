/* Messages on the way up: PUSH and its ACK. Pure. PROTOCOL.md "PUSH", "ACK". */
#include "proto/message_in.h"

enum { CODE_BYTES_MAX = 31 };

void lm_push_pack(struct lm_buf *buf, const struct lm_msg_push *m)
{
    lm_pack_array(buf, 8);
    lm_pack_uint(buf, m->branch);
    lm_pack_uint(buf, m->first_seq);
    lm_pack_bin(buf, m->before, sizeof m->before);
    lm_pack_uint(buf, m->count);
    lm_pack_uint(buf, m->raw_bytes);
    lm_pack_bin(buf, m->packed, m->packed_len);
    lm_out_head(buf, &m->head);
    lm_pack_int(buf, m->as_of_ms);
}

enum lm_status lm_push_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                            struct lm_msg_push *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_push){0};
    if (lm_in_begin(&in, "push", data, n, LM_FRAME_BYTES_MAX, 8, arena, err)) {
        m->branch = lm_in_uint(&in, "branch", 1, LM_IN_NUMBER_MAX);
        /* The seq after the last stays a number of 63 bits. */
        m->first_seq = lm_in_uint(&in, "first_seq", 1, LM_IN_NUMBER_MAX - LM_BATCH_CHANGES_MAX);
        lm_in_bytes(&in, "before", m->before, sizeof m->before);
        m->count = (uint32_t)lm_in_uint(&in, "count", 0, LM_BATCH_CHANGES_MAX);
        m->raw_bytes = (uint32_t)lm_in_uint(&in, "raw_bytes", 0, LM_BATCH_BYTES_MAX);
        m->packed = lm_in_bin(&in, "packed", LM_FRAME_BYTES_MAX, &m->packed_len);
        m->head = lm_in_head(&in, "head");
        m->as_of_ms = lm_in_int(&in, "as_of_ms", 0, LM_IN_TIME_MAX);
        if ((m->count == 0) != (m->raw_bytes == 0) || (m->count == 0) != (m->packed_len == 0)) {
            lm_in_fail(&in, "count", LM_ERR_INVALID);
        }
    }
    return lm_in_end(&in, err);
}

void lm_ack_pack(struct lm_buf *buf, const struct lm_msg_ack *m)
{
    lm_pack_array(buf, 5);
    lm_pack_uint(buf, m->branch);
    lm_out_head(buf, &m->acked);
    lm_pack_uint(buf, m->safe_seq);
    lm_pack_uint(buf, m->credit);
    lm_pack_array(buf, m->n_verdicts);
    for (size_t i = 0; i < m->n_verdicts; i++) {
        lm_pack_array(buf, 3);
        lm_pack_uint(buf, m->verdicts[i].seq);
        lm_pack_uint(buf, m->verdicts[i].verdict);
        lm_out_text(buf, m->verdicts[i].code);
    }
}

enum lm_status lm_ack_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                           struct lm_msg_ack *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_ack){0};
    if (lm_in_begin(&in, "ack", data, n, LM_FRAME_BYTES_MAX, 5, arena, err)) {
        m->branch = lm_in_uint(&in, "branch", 1, LM_IN_NUMBER_MAX);
        m->acked = lm_in_head(&in, "acked");
        m->safe_seq = lm_in_uint(&in, "safe_seq", 0, LM_IN_NUMBER_MAX);
        m->credit = (uint32_t)lm_in_uint(&in, "credit", 0, LM_WINDOW_MAX);
        m->verdicts =
            lm_in_items(&in, "verdicts", LM_ACK_VERDICTS_MAX, sizeof *m->verdicts, &m->n_verdicts);
        for (size_t i = 0; i < m->n_verdicts && lm_in_ok(&in); i++) {
            struct lm_ack_verdict *v = &m->verdicts[i];
            lm_in_array_of(&in, "verdicts", 3);
            v->seq = lm_in_uint(&in, "verdicts", 1, LM_IN_NUMBER_MAX);
            v->verdict = (uint8_t)lm_in_uint(&in, "verdicts", LM_V_APPLIED, LM_V_DUPLICATE);
            v->code = lm_in_text(&in, "verdicts", CODE_BYTES_MAX, CODE_BYTES_MAX);
        }
    }
    return lm_in_end(&in, err);
}
