/* HISTORY: what the hub's journal holds of one record, for a station that took a person over, or a
 * PC that took another one's place. Pure. PROTOCOL.md "HISTORY". */
#include "proto/message_in.h"

enum { OP_BYTES = 16, ENTRY_ELEMENTS = 13, CODE_BYTES = 32, TEXT_BYTES = 400 };

void lm_past_ask_pack(struct lm_buf *buf, const struct lm_msg_past_ask *m)
{
    lm_pack_array(buf, 4);
    lm_pack_uint(buf, m->session);
    lm_out_uuid(buf, m->id);
    lm_pack_uint(buf, m->after);
    lm_pack_uint(buf, m->max_bytes);
}

enum lm_status lm_past_ask_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                                struct lm_msg_past_ask *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_past_ask){0};
    if (lm_in_begin(&in, "past_ask", data, n, LM_FRAME_BYTES_MAX, 4, arena, err)) {
        m->session = lm_in_uint(&in, "session", 0, UINT64_MAX);
        lm_in_uuid(&in, "id", m->id);
        m->after = lm_in_uint(&in, "after", 0, LM_IN_NUMBER_MAX);
        m->max_bytes = (uint32_t)lm_in_uint(&in, "max_bytes", 1, LM_HISTORY_BYTES_MAX);
    }
    return lm_in_end(&in, err);
}

static void pack_entry(struct lm_buf *buf, const struct lm_past *e)
{
    lm_pack_array(buf, ENTRY_ELEMENTS);
    lm_pack_uint(buf, e->position);
    lm_pack_uint(buf, e->of);
    lm_pack_uint(buf, e->replica);
    lm_pack_uint(buf, e->hlc);
    lm_out_text(buf, e->station);
    lm_out_text(buf, e->user);
    lm_out_text(buf, e->op);
    lm_pack_int(buf, e->at_ms);
    lm_pack_uint(buf, e->verdict);
    lm_out_text(buf, e->code);
    lm_out_text(buf, e->zh);
    lm_out_text(buf, e->en);
    lm_pack_bin(buf, e->body, e->len);
}

static void read_entry(struct lm_in *in, struct lm_past *e)
{
    lm_in_array_of(in, "entries", ENTRY_ELEMENTS);
    e->position = lm_in_uint(in, "entries.position", 1, LM_IN_COUNT_MAX);
    e->of = lm_in_uint(in, "entries.of", 0, LM_IN_NUMBER_MAX);
    e->replica = lm_in_uint(in, "entries.replica", 0, LM_IN_NUMBER_MAX);
    e->hlc = lm_in_uint(in, "entries.hlc", 0, LM_IN_NUMBER_MAX);
    e->station = lm_in_text(in, "entries.station", 16, 16);
    e->user = lm_in_text(in, "entries.user", 4 * LM_USER_CHARS_MAX, LM_USER_CHARS_MAX);
    e->op = lm_in_text(in, "entries.op", OP_BYTES, OP_BYTES);
    e->at_ms = lm_in_int(in, "entries.at", -LM_IN_TIME_MAX, LM_IN_TIME_MAX);
    e->verdict = (enum lm_verdict)lm_in_uint(in, "entries.verdict", LM_V_APPLIED, LM_V_DUPLICATE);
    e->code = lm_in_text(in, "entries.code", CODE_BYTES, CODE_BYTES);
    e->zh = lm_in_text(in, "entries.zh", TEXT_BYTES, TEXT_BYTES);
    e->en = lm_in_text(in, "entries.en", TEXT_BYTES, TEXT_BYTES);
    e->body = lm_in_bin(in, "entries.body", LM_CHANGE_BYTES_MAX, &e->len);
}

void lm_past_pack(struct lm_buf *buf, const struct lm_msg_past *m)
{
    lm_pack_array(buf, 5);
    lm_pack_uint(buf, m->session);
    lm_out_uuid(buf, m->id);
    lm_pack_uint(buf, m->after);
    lm_pack_bool(buf, m->done);
    lm_pack_array(buf, m->n);
    for (size_t i = 0; i < m->n; i++) {
        pack_entry(buf, &m->items[i]);
    }
}

enum lm_status lm_past_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                            struct lm_msg_past *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_past){0};
    if (lm_in_begin(&in, "past", data, n, LM_FRAME_BYTES_MAX, 5, arena, err)) {
        m->session = lm_in_uint(&in, "session", 0, UINT64_MAX);
        lm_in_uuid(&in, "id", m->id);
        m->after = lm_in_uint(&in, "after", 0, LM_IN_NUMBER_MAX);
        m->done = lm_in_bool(&in, "done");
        m->items = lm_in_items(&in, "entries", LM_HISTORY_MAX, sizeof *m->items, &m->n);
        for (size_t i = 0; i < m->n && lm_in_ok(&in); i++) {
            uint64_t before = i > 0 ? m->items[i - 1].position : m->after;

            read_entry(&in, &m->items[i]);
            if (lm_in_ok(&in) && m->items[i].position <= before) {
                lm_in_fail(&in, "entries.position", LM_ERR_INVALID); /* each once, in order */
            }
        }
        if (lm_in_ok(&in) && !m->done && m->n == 0) {
            lm_in_fail(&in, "entries", LM_ERR_INVALID); /* leads nowhere */
        }
    }
    return lm_in_end(&in, err);
}
