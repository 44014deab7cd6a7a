/* What passes after a hub went back: RECOVER, what a node offers it; READMIT, an installation that
 * it does not know any more. See message.h. */
#include "proto/credential.h"
#include "proto/message_in.h"
#include "proto/pack.h"

void lm_offer_pack(struct lm_buf *buf, const struct lm_msg_offer *m)
{
    lm_pack_array(buf, 3);
    lm_pack_uint(buf, m->session);
    lm_out_proof(buf, &m->proof);
    lm_pack_array(buf, m->n);
    for (size_t i = 0; i < m->n; i++) {
        lm_pack_array(buf, 2);
        lm_out_uuid(buf, m->items[i].id);
        lm_pack_bin(buf, m->items[i].body, m->items[i].len);
    }
}

enum lm_status lm_offer_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                             struct lm_msg_offer *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_offer){0};
    if (lm_in_begin(&in, "recover", data, n, LM_FRAME_BYTES_MAX, 3, arena, err)) {
        m->session = lm_in_uint(&in, "session", 0, UINT64_MAX);
        m->proof = lm_in_proof(&in, "proof");
        m->items = lm_in_items(&in, "records", LM_OFFER_RECORDS_MAX, sizeof *m->items, &m->n);
        for (size_t i = 0; i < m->n && lm_in_ok(&in); i++) {
            lm_in_array_of(&in, "records", 2);
            lm_in_uuid(&in, "records", m->items[i].id);
            m->items[i].body = lm_in_bin(&in, "records", LM_FRAME_BYTES_MAX, &m->items[i].len);
        }
    }
    return lm_in_end(&in, err);
}

void lm_offered_pack(struct lm_buf *buf, const struct lm_msg_offered *m)
{
    lm_pack_array(buf, 2);
    lm_pack_uint(buf, m->session);
    lm_out_uuid(buf, m->id);
}

enum lm_status lm_offered_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                               struct lm_msg_offered *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_offered){0};
    if (lm_in_begin(&in, "recovered", data, n, LM_FRAME_BYTES_MAX, 2, arena, err)) {
        m->session = lm_in_uint(&in, "session", 0, UINT64_MAX);
        lm_in_uuid(&in, "id", m->id);
    }
    return lm_in_end(&in, err);
}

/* ---- READMIT ---- */

void lm_readmit_pack(struct lm_buf *buf, const struct lm_msg_readmit *m)
{
    lm_pack_array(buf, 1);
    lm_pack_bin(buf, m->certificate, m->certificate_len);
}

enum lm_status lm_readmit_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                               struct lm_msg_readmit *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_readmit){0};
    if (lm_in_begin(&in, "readmit", data, n, LM_FRAME_BYTES_MAX, 1, arena, err)) {
        m->certificate =
            lm_in_bin(&in, "certificate", LM_CERTIFICATE_BYTES_MAX, &m->certificate_len);
        if (lm_in_ok(&in) && m->certificate_len == 0) {
            lm_in_fail(&in, "certificate", LM_ERR_INVALID);
        }
    }
    return lm_in_end(&in, err);
}

void lm_readmitted_pack(struct lm_buf *buf, const struct lm_msg_readmitted *m)
{
    lm_pack_array(buf, 1);
    lm_pack_uint(buf, m->replica);
}

enum lm_status lm_readmitted_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                                  struct lm_msg_readmitted *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_readmitted){0};
    if (lm_in_begin(&in, "readmitted", data, n, LM_FRAME_BYTES_MAX, 1, arena, err)) {
        m->replica = lm_in_uint(&in, "replica", 1, LM_IN_NUMBER_MAX);
    }
    return lm_in_end(&in, err);
}
