/* What the hub tells a node: pages of the feed, bodies, digests, the past of a record, the
 * catalogue.
 */
#include "proto/hub_session_internal.h"

#include "proto/proof.h"

#include <string.h>

#define FEED_BYTES_MIN 1024

/* ---- CATALOG ---- */

static void send_part(struct lm_hs_step *st, uint64_t offset, size_t max)
{
    const struct lm_hub_now *now = st->now;
    size_t from = st->fx->bytes.len;
    struct lm_msg_part m = {
        .number = now->catalog, .total = now->catalog_packed_len, .offset = offset};

    if (now->catalog_packed_len == 0) {
        return;
    }
    memcpy(m.hash, now->catalog_hash, sizeof(m.hash));
    m.bytes = now->catalog_packed + offset;
    m.n = now->catalog_packed_len - offset < max ? now->catalog_packed_len - offset : max;
    lm_part_pack(&st->fx->bytes, &m);
    lm_hs_send(st, LM_MSG_CATALOG, from);
}

/* Only the one in force is given: who asks for another is told which that is. */
void lm_hs_take_ask(struct lm_hs_step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_error err;
    struct lm_msg_ask m;

    if (!LM_HS_READ(ask, &m)) {
        return;
    }
    if (m.number != st->now->catalog ||
        memcmp(m.hash, st->now->catalog_hash, sizeof(m.hash)) != 0 ||
        m.offset >= st->now->catalog_packed_len) {
        send_part(st, 0, 0);
        return;
    }
    send_part(st, m.offset, LM_CATALOG_PART_BYTES_MAX);
}

static bool has_other(const struct lm_hs_step *st)
{
    return st->s->state == LM_HS_LIVE &&
           memcmp(st->s->catalog_hash, st->now->catalog_hash, sizeof(st->s->catalog_hash)) != 0;
}

/* A node that has another catalogue, and may have missed that it changed, hears of it again. */
static void offer_again(struct lm_hs_step *st)
{
    if (has_other(st) && st->now->mono_ms - st->s->offered_ms >= LM_HUB_OFFER_MS) {
        st->s->offered_ms = st->now->mono_ms;
        send_part(st, 0, 0);
    }
}

void lm_hs_offer_catalog(struct lm_hs_step *st)
{
    if (has_other(st)) {
        st->s->offered_ms = st->now->mono_ms;
        send_part(st, 0, 0);
    }
}

static void confirm_lease(struct lm_hs_step *st)
{
    if (!st->s->confirmed) {
        st->s->confirmed = true;
        lm_hs_add(st, LM_HX_LEASE_CONFIRMED)->lease = st->s->lease;
    }
}

void lm_hs_take_pull(struct lm_hs_step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;
    struct lm_error err;
    struct lm_hub_effect *e;
    struct lm_msg_pull m;

    if (!LM_HS_READ(pull, &m)) {
        return;
    }
    if (!lm_hs_names_session(st, m.session)) {
        return;
    }
    confirm_lease(st); /* only PULL names the session, and so the lease that came with it */
    offer_again(st);
    if (s->reading_feed) {
        lm_hs_log(st, "PULL while a page is being read", m.cursor.position);
        return;
    }
    s->reading_feed = true;
    s->feed_session = s->session;
    s->news_sent = false;
    s->cursor = m.cursor;
    e = lm_hs_add(st, LM_HX_READ_FEED);
    e->feed.cursor = m.cursor;
    e->feed.max_bytes = m.max_bytes < FEED_BYTES_MIN      ? FEED_BYTES_MIN
                        : m.max_bytes > LM_FEED_BYTES_MAX ? LM_FEED_BYTES_MAX
                                                          : m.max_bytes;
}

void lm_hs_take_want(struct lm_hs_step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;
    struct lm_error err;
    struct lm_hub_effect *e;
    struct lm_msg_want *m = lm_arena_alloc(ev->message.arena, sizeof(*m));

    if (m == NULL) {
        lm_hs_error(st, "busy", "out of memory", LM_HS_RETRY_STORE_S);
        return;
    }
    if (!LM_HS_READ(want, m)) {
        return;
    }
    if (!lm_hs_names_session(st, m->session)) {
        return;
    }
    if (s->reading_bodies) {
        lm_hs_log(st, "WANT while bodies are being read", m->n_ids);
        return;
    }
    s->reading_bodies = true;
    s->bodies_session = s->session;
    e = lm_hs_add(st, LM_HX_READ_BODIES);
    e->want.want = m;
    e->want.cursor = s->cursor;
}

/* What the node has seen of this history it can prove from now on, however long the session lasts.
 * Of a later incarnation than its WELCOME told it would take the signature for that one's. */
static void sign_page(const struct lm_hs_step *st, struct lm_msg_feed *m)
{
    struct lm_proof proof = {.incarnation = st->s->incarnation, .mark = m->head};

    m->has_signature = st->now->sign_secret != NULL &&
                       proof.incarnation.counter == st->now->incarnation.counter &&
                       proof.incarnation.random == st->now->incarnation.random;
    if (m->has_signature) {
        lm_proof_sign(&proof, st->now->sign_secret);
        memcpy(m->signature, proof.signature, sizeof(m->signature));
    }
}

void lm_hs_page_read(struct lm_hs_step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;
    bool *reading = ev->page.is_bodies ? &s->reading_bodies : &s->reading_feed;
    uint64_t session = ev->page.is_bodies ? s->bodies_session : s->feed_session;
    size_t offset = st->fx->bytes.len;
    struct lm_msg_feed m;

    if (s->state != LM_HS_LIVE || !*reading || session != s->session) {
        return; /* of a session that has ended */
    }
    *reading = false;
    if (!ev->page.ok) {
        lm_hs_error(st, "busy", "the store failed", LM_HS_RETRY_STORE_S);
        return;
    }
    m = *ev->page.page;
    m.session = s->session;
    sign_page(st, &m);
    lm_feed_pack(&st->fx->bytes, &m);
    lm_hs_send(st, ev->page.is_bodies ? LM_MSG_BODIES : LM_MSG_FEED, offset);
}

/* ---- COMPARE ---- */

void lm_hs_take_compare(struct lm_hs_step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;
    struct lm_error err;
    struct lm_msg_compare *m = lm_arena_alloc(ev->message.arena, sizeof(*m));

    if (m == NULL) {
        lm_hs_log(st, "no memory for COMPARE", ev->message.n);
        return;
    }
    if (!LM_HS_READ(compare, m)) {
        return;
    }
    if (!lm_hs_names_session(st, m->session)) {
        return;
    }
    if (s->reading_digests) {
        lm_hs_log(st, "COMPARE while digests are being read", m->max);
        return;
    }
    s->reading_digests = true;
    s->digests_session = s->session;
    lm_hs_add(st, LM_HX_READ_DIGESTS)->compare = m;
}

void lm_hs_digests_read(struct lm_hs_step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;
    size_t offset = st->fx->bytes.len;
    struct lm_msg_digests m;

    if (s->state != LM_HS_LIVE || !s->reading_digests || s->digests_session != s->session) {
        return; /* of a session that has ended */
    }
    s->reading_digests = false;
    if (!ev->digests.ok) {
        return; /* asked again */
    }
    m = *ev->digests.page;
    m.session = s->session;
    lm_digests_pack(&st->fx->bytes, &m);
    lm_hs_send(st, LM_MSG_DIGESTS, offset);
}

/* ---- HISTORY ---- */

void lm_hs_take_past(struct lm_hs_step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;
    struct lm_error err;
    struct lm_msg_past_ask *m = lm_arena_alloc(ev->message.arena, sizeof(*m));

    if (m == NULL) {
        lm_hs_log(st, "no memory for HISTORY", ev->message.n);
        return;
    }
    if (!LM_HS_READ(past_ask, m)) {
        return;
    }
    if (!lm_hs_names_session(st, m->session)) {
        return;
    }
    if (s->reading_past) {
        lm_hs_log(st, "HISTORY while one is being read", m->after);
        return;
    }
    s->reading_past = true;
    s->past_session = s->session;
    lm_hs_add(st, LM_HX_READ_PAST)->past = m;
}

void lm_hs_past_read(struct lm_hs_step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;
    size_t offset = st->fx->bytes.len;
    struct lm_msg_past m;

    if (s->state != LM_HS_LIVE || !s->reading_past || s->past_session != s->session) {
        return; /* of a session that has ended */
    }
    s->reading_past = false;
    if (!ev->past.ok) {
        return; /* asked again */
    }
    m = *ev->past.page;
    m.session = s->session;
    lm_past_pack(&st->fx->bytes, &m);
    lm_hs_send(st, LM_MSG_HISTORY, offset);
}
