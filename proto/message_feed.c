/* Messages on the way down: PULL, FEED (and BODIES, which has its shape), WANT. Pure.
 * PROTOCOL.md "PULL", "FEED", "WANT". */
#include "proto/message_in.h"

enum {
    CODE_BYTES_MAX = 31,
    FIELD_BYTES_MAX = 95,
    TEXT_BYTES_MAX = 399,
    VERDICTS_MAX = 100, /* open verdicts on one record */
};

/* ---- PULL, WANT ---- */

void lm_pull_pack(struct lm_buf *buf, const struct lm_msg_pull *m)
{
    lm_pack_array(buf, 3);
    lm_pack_uint(buf, m->session);
    lm_out_cursor(buf, &m->cursor);
    lm_pack_uint(buf, m->max_bytes);
}

enum lm_status lm_pull_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                            struct lm_msg_pull *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_pull){0};
    if (lm_in_begin(&in, "pull", data, n, LM_FRAME_BYTES_MAX, 3, arena, err)) {
        m->session = lm_in_uint(&in, "session", 0, UINT64_MAX);
        m->cursor = lm_in_cursor(&in, "cursor");
        m->max_bytes = (uint32_t)lm_in_uint(&in, "max_bytes", 1, LM_FRAME_BYTES_MAX);
    }
    return lm_in_end(&in, err);
}

void lm_want_pack(struct lm_buf *buf, const struct lm_msg_want *m)
{
    lm_pack_array(buf, 2);
    lm_pack_uint(buf, m->session);
    lm_pack_array(buf, m->n_ids);
    for (size_t i = 0; i < m->n_ids; i++) {
        lm_out_uuid(buf, m->ids[i]);
    }
}

enum lm_status lm_want_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                            struct lm_msg_want *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_want){0};
    if (lm_in_begin(&in, "want", data, n, LM_FRAME_BYTES_MAX, 2, arena, err)) {
        m->session = lm_in_uint(&in, "session", 0, UINT64_MAX);
        m->ids = lm_in_items(&in, "ids", LM_WANT_MAX, sizeof *m->ids, &m->n_ids);
        for (size_t i = 0; i < m->n_ids && lm_in_ok(&in); i++) {
            lm_in_uuid(&in, "ids", m->ids[i]);
        }
    }
    return lm_in_end(&in, err);
}

/* ---- FEED ---- */

static void pack_entry(struct lm_buf *buf, const struct lm_feed_entry *entry)
{
    lm_pack_array(buf, 6);
    lm_pack_uint(buf, (uint64_t)entry->kind);
    lm_out_uuid(buf, entry->id);
    lm_out_text(buf, entry->type);
    lm_pack_uint(buf, entry->position);
    switch (entry->kind) {
    case LM_ENTRY_BODY:
        lm_pack_bin(buf, entry->body, entry->body_len);
        break;
    case LM_ENTRY_DIGEST:
        lm_pack_uint(buf, entry->digest);
        break;
    case LM_ENTRY_GONE:
    case LM_ENTRY_ABSENT:
        lm_pack_nil(buf);
        break;
    }
    lm_pack_array(buf, entry->n_verdicts);
    for (size_t i = 0; i < entry->n_verdicts; i++) {
        const struct lm_feed_verdict *v = &entry->verdicts[i];
        lm_pack_array(buf, 6);
        lm_pack_uint(buf, v->hlc);
        lm_pack_uint(buf, v->verdict);
        lm_out_text(buf, v->code);
        lm_out_text(buf, v->field);
        lm_out_text(buf, v->zh);
        lm_out_text(buf, v->en);
    }
}

void lm_feed_pack(struct lm_buf *buf, const struct lm_msg_feed *m)
{
    lm_pack_array(buf, 10);
    lm_pack_uint(buf, m->session);
    lm_out_cursor(buf, &m->from);
    lm_out_cursor(buf, &m->next);
    lm_pack_uint(buf, m->branch);
    lm_out_head(buf, &m->acked);
    lm_out_mark(buf, &m->head);
    lm_pack_bool(buf, m->done);
    if (m->has_scope_sum) {
        lm_pack_uint(buf, m->scope_sum);
    } else {
        lm_pack_nil(buf);
    }
    lm_pack_array(buf, m->n_entries);
    for (size_t i = 0; i < m->n_entries; i++) {
        pack_entry(buf, &m->entries[i]);
    }
    if (m->has_signature) {
        lm_pack_bin(buf, m->signature, sizeof m->signature);
    } else {
        lm_pack_nil(buf);
    }
}

static void read_payload(struct lm_in *in, struct lm_feed_entry *entry)
{
    switch (entry->kind) {
    case LM_ENTRY_BODY:
        entry->body = lm_in_bin(in, "entries.body", LM_FRAME_BYTES_MAX, &entry->body_len);
        if (lm_in_ok(in) && entry->body_len == 0) {
            lm_in_fail(in, "entries.body", LM_ERR_INVALID);
        }
        break;
    case LM_ENTRY_DIGEST:
        entry->digest = lm_in_uint(in, "entries.digest", 0, UINT64_MAX);
        break;
    case LM_ENTRY_GONE:
    case LM_ENTRY_ABSENT:
        if (!lm_in_nil(in)) {
            lm_in_fail(in, "entries.payload", LM_ERR_INVALID);
        }
        break;
    }
}

static void read_verdicts(struct lm_in *in, struct lm_feed_entry *entry)
{
    entry->verdicts = lm_in_items(in, "entries.verdicts", VERDICTS_MAX, sizeof *entry->verdicts,
                                  &entry->n_verdicts);
    for (size_t i = 0; i < entry->n_verdicts && lm_in_ok(in); i++) {
        struct lm_feed_verdict *v = &entry->verdicts[i];
        lm_in_array_of(in, "entries.verdicts", 6);
        v->hlc = lm_in_uint(in, "entries.verdicts.hlc", 1, LM_IN_NUMBER_MAX);
        v->verdict =
            (uint8_t)lm_in_uint(in, "entries.verdicts.verdict", LM_V_APPLIED, LM_V_DUPLICATE);
        v->code = lm_in_text(in, "entries.verdicts.code", CODE_BYTES_MAX, CODE_BYTES_MAX);
        v->field = lm_in_text(in, "entries.verdicts.field", FIELD_BYTES_MAX, FIELD_BYTES_MAX);
        v->zh = lm_in_text(in, "entries.verdicts.zh", TEXT_BYTES_MAX, TEXT_BYTES_MAX);
        v->en = lm_in_text(in, "entries.verdicts.en", TEXT_BYTES_MAX, TEXT_BYTES_MAX);
    }
}

static void read_entry(struct lm_in *in, struct lm_feed_entry *entry)
{
    lm_in_array_of(in, "entries", 6);
    entry->kind =
        (enum lm_entry_kind)lm_in_uint(in, "entries.kind", LM_ENTRY_BODY, LM_ENTRY_ABSENT);
    lm_in_uuid(in, "entries.id", entry->id);
    /* What never came to be need not have a type: its change may have been unreadable. */
    entry->type = lm_in_name(in, "entries.type", entry->kind == LM_ENTRY_ABSENT);
    entry->position = lm_in_uint(in, "entries.position", 0, LM_IN_COUNT_MAX);
    read_payload(in, entry);
    read_verdicts(in, entry);
}

enum lm_status lm_feed_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                            struct lm_msg_feed *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_feed){0};
    if (lm_in_begin(&in, "feed", data, n, LM_FRAME_BYTES_MAX, 10, arena, err)) {
        m->session = lm_in_uint(&in, "session", 0, UINT64_MAX);
        m->from = lm_in_cursor(&in, "from");
        m->next = lm_in_cursor(&in, "next");
        m->branch = lm_in_uint(&in, "branch", 1, LM_IN_NUMBER_MAX);
        m->acked = lm_in_head(&in, "acked");
        m->head = lm_in_mark(&in, "head");
        m->done = lm_in_bool(&in, "done");
        if (!lm_in_nil(&in)) {
            m->scope_sum = lm_in_uint(&in, "scope_sum", 0, UINT64_MAX);
            m->has_scope_sum = lm_in_ok(&in);
        }
        m->entries =
            lm_in_items(&in, "entries", LM_FEED_ENTRIES_MAX, sizeof *m->entries, &m->n_entries);
        for (size_t i = 0; i < m->n_entries && lm_in_ok(&in); i++) {
            read_entry(&in, &m->entries[i]);
        }
        if (!lm_in_nil(&in)) {
            lm_in_bytes(&in, "signature", m->signature, sizeof m->signature);
            m->has_signature = lm_in_ok(&in);
        }
    }
    return lm_in_end(&in, err);
}
