/* What goes back to a village by stick: made of committed state only (P2). See bundle_taking.h. */
#include "hub/bundle_taking.h"

#include "common/base/util.h"
#include "proto/hubkey.h"
#include "proto/proof.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

static bool add(struct lm_taking *t, struct lm_buf *reply, uint8_t kind)
{
    return t->frame.status == LM_OK && lm_bundle_add(reply, kind, t->frame.data, t->frame.len);
}

static enum lm_status add_welcome(struct lm_taking *t, struct lm_buf *reply)
{
    const struct lm_town *town = lm_store_town(t->store);
    const struct lm_hub_keys *keys = &t->hub->keys;
    uint64_t asked = t->hello.protocol_max;
    struct lm_msg_welcome w = {.protocol = asked < LM_PROTOCOL_MAX ? asked : LM_PROTOCOL_MAX,
                               .incarnation = town->incarnation,
                               .branch = t->hello.branch,
                               .catalog = lm_store_catalog(t->store)->number,
                               .hub_time_ms = lm_clock_wall_ms(),
                               .hlc_known = t->row.hlc_known,
                               .credit = 1};
    struct lm_proof proof = {.incarnation = town->incarnation};
    bool held = false;
    enum lm_status status =
        lm_store_branch_acked(t->store, t->row.number, t->hello.branch, &w.acked, t->err);

    if (status == LM_OK) {
        status = lm_store_head(t->store, &w.head);
    }
    if (status == LM_OK) {
        status = lm_store_common(t->store, &t->hello, &w.common, &held);
    }
    if (status != LM_OK) {
        return status;
    }
    proof.mark = w.head;
    lm_proof_sign(&proof, t->hub->keys.sign_secret);
    memcpy(w.signature, proof.signature, sizeof w.signature);
    if (w.protocol >= LM_PROTOCOL_KEYS) { /* behind a former key comes the one in force */
        bool present = t->line == &keys->curve;

        w.keys.has_next = !present || keys->has_next;
        memcpy(w.keys.next, present ? keys->next.public_key : keys->curve.public_key,
               sizeof w.keys.next);
        lm_key_word_sign(&w.keys, t->line->public_key, keys->sign_secret);
    }
    memcpy(w.hub_id, town->hub_id, sizeof w.hub_id);
    memcpy(w.catalog_hash, lm_store_catalog(t->store)->hash, sizeof w.catalog_hash);
    t->out->acked_seq = w.acked.seq;
    lm_buf_reset(&t->frame);
    lm_welcome_pack(&t->frame, &w);
    return add(t, reply, LM_MSG_WELCOME) ? LM_OK : lm_taking_no_memory(t->err);
}

static enum lm_status add_rolled_back(struct lm_taking *t, struct lm_buf *reply)
{
    char text[40];

    (void)snprintf(text, sizeof text, "branch=%" PRIu64, t->row.branch);
    lm_buf_reset(&t->frame);
    lm_error_pack(&t->frame, &(struct lm_msg_error){.code = "rolled_back", .text = text});
    return add(t, reply, LM_MSG_ERROR) ? LM_OK : lm_taking_no_memory(t->err);
}

/* The whole of the one in force when the PC has an older one: its records come behind it. */
static enum lm_status add_catalog(struct lm_taking *t, struct lm_buf *reply)
{
    const struct lm_catalog *c = lm_store_catalog(t->store);
    struct lm_msg_part part = {.number = c->number, .total = c->packed_len};

    if (c->number <= t->hello.catalog) {
        return LM_OK; /* WELCOME names it: what is another one is told of there */
    }
    memcpy(part.hash, c->hash, sizeof part.hash);
    for (; part.offset < part.total; part.offset += part.n) {
        uint64_t left = part.total - part.offset;

        part.bytes = c->packed + part.offset;
        part.n = left < LM_CATALOG_PART_BYTES_MAX ? (size_t)left : LM_CATALOG_PART_BYTES_MAX;
        lm_buf_reset(&t->frame);
        lm_part_pack(&t->frame, &part);
        if (!add(t, reply, LM_MSG_CATALOG)) {
            return lm_taking_no_memory(t->err);
        }
    }
    return LM_OK;
}

static enum lm_status add_given_back(struct lm_taking *t, struct lm_buf *reply)
{
    struct lm_msg_offered m = {0};

    if (!t->given_back[0]) {
        return LM_OK;
    }
    memcpy(m.id, t->given_back, sizeof m.id);
    lm_buf_reset(&t->frame);
    lm_offered_pack(&t->frame, &m);
    return add(t, reply, LM_MSG_RECOVER) ? LM_OK : lm_taking_no_memory(t->err);
}

/* Each to its end; what does not fit is asked for again. */
static enum lm_status add_histories(struct lm_taking *t, struct lm_buf *reply)
{
    struct lm_msg_past page;

    for (size_t i = 0; i < t->n_asks; i++) {
        struct lm_msg_past_ask ask = t->asks[i];

        ask.after = t->same_history ? ask.after : 0;
        do {
            enum lm_status status;

            lm_arena_reset(&t->arena);
            status = lm_store_past(t->store, &t->row, &ask, &t->arena, &page, t->err);
            if (status != LM_OK) {
                return status;
            }
            page.session = 0;
            lm_buf_reset(&t->frame);
            lm_past_pack(&t->frame, &page);
            if (!add(t, reply, LM_MSG_HISTORY)) {
                return LM_OK;
            }
            ask.after = page.n > 0 ? page.items[page.n - 1].position : ask.after;
        } while (!page.done);
    }
    return LM_OK;
}

static enum lm_status add_feed(struct lm_taking *t, struct lm_buf *reply)
{
    /* From the beginning when what the PC saw is not part of this journal. */
    struct lm_cursor cursor = t->same_history ? t->hello.cursor : (struct lm_cursor){0};
    struct lm_msg_feed page;

    for (;;) {
        enum lm_status status;

        lm_arena_reset(&t->arena);
        status =
            lm_store_feed(t->store, &t->row, &cursor, LM_FEED_BYTES_MAX, &t->arena, &page, t->err);
        if (status != LM_OK) {
            return status;
        }
        lm_buf_reset(&t->frame);
        lm_feed_pack(&t->frame, &page);
        if (!add(t, reply, LM_MSG_FEED)) {
            t->out->more = true;
            return LM_OK;
        }
        if (page.done) {
            return LM_OK;
        }
        cursor = page.next;
    }
}

static enum lm_status add_bodies(struct lm_taking *t, struct lm_buf *reply)
{
    struct lm_msg_feed page;
    enum lm_status status;

    if (t->want.n_ids == 0) {
        return LM_OK;
    }
    lm_arena_reset(&t->arena);
    status = lm_store_bodies(t->store, &t->row, &t->want, &t->arena, &page, t->err);
    if (status == LM_OK) {
        page.from = page.next = t->hello.cursor;
        lm_buf_reset(&t->frame);
        lm_feed_pack(&t->frame, &page);
        t->out->more = !add(t, reply, LM_MSG_BODIES) || t->out->more;
    }
    return status;
}

static enum lm_status seal(struct lm_taking *t, struct lm_buf *reply, enum lm_bundle_kind kind)
{
    struct lm_bundle_head head = t->out->head;
    uint8_t nonce[LM_BUNDLE_NONCE_BYTES];
    enum lm_status status;

    head.kind = kind;
    head.part = head.parts = 1;
    randombytes_buf(nonce, sizeof nonce);
    status = lm_bundle_seal(reply, &head, t->line->secret_key, head.key, nonce);
    t->out->reply = status == LM_OK;
    return status == LM_OK ? LM_OK : lm_taking_no_memory(t->err);
}

enum lm_status lm_taking_reply(struct lm_taking *t, struct lm_buf *reply)
{
    enum lm_status status;

    lm_bundle_begin(reply);
    status = add_welcome(t, reply);
    t->out->complete = !t->out->gap && !t->out->diverged &&
                       (t->out->acked_seq >= t->hello.head.seq || t->hello.branch < t->row.branch);
    if (status != LM_OK || (!t->out->complete && !t->out->diverged)) {
        lm_buf_reset(reply);
        return status;
    }
    if (t->out->diverged || t->hello.branch < t->row.branch) {
        status = add_rolled_back(t, reply);
    } else {
        status = add_catalog(t, reply);
        if (status == LM_OK) {
            status = add_given_back(t, reply);
        }
        if (status == LM_OK) {
            status = add_feed(t, reply);
        }
        if (status == LM_OK) {
            status = add_bodies(t, reply);
        }
        if (status == LM_OK) {
            status = add_histories(t, reply);
        }
    }
    return status == LM_OK ? seal(t, reply, LM_BUNDLE_REPLY) : status;
}

enum lm_status lm_taking_answer(struct lm_taking *t, struct lm_buf *reply)
{
    enum lm_status status;

    lm_buf_reset(&t->frame);
    status = lm_hub_enrolled_pack(t->hub, &t->row, &t->frame);
    lm_bundle_begin(reply);
    if (status != LM_OK || !add(t, reply, LM_MSG_ENROLLED)) {
        return lm_taking_no_memory(t->err);
    }
    return seal(t, reply, LM_BUNDLE_ANSWER);
}
