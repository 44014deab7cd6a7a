/* A whole session at the hub: the input is a sequence of events (messages well formed and not, from
 * the peer and from strangers to the session, answers of the store early, late and failed, time,
 * revocation), and a model of the store stands behind the step function. The invariants are those
 * at the head of proto/hub_session.h. */
#include "proto/hub_session.h"
#include "proto/proof.h"

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REPLICA = 77, EVENTS_MAX = 400, LOG_MAX = 256 };

struct input {
    const uint8_t *at, *end;
};

static uint8_t sign_secret[LM_SIGN_SECRET_BYTES];
static const uint8_t line_key[32] = {7}, next_key[32] = {8};

static uint8_t take(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

struct model {
    struct input in;
    struct lm_hub_session session;
    struct lm_hub_effects fx;
    struct lm_arena arena;
    struct lm_hub_now now;
    struct lm_replica_view view;
    uint64_t peer;
    /* the store */
    uint8_t chain[LOG_MAX + 1][LM_HASH_BYTES]; /* of the highest branch; acked.seq of them count */
    uint64_t offered;                          /* last seq that a STORE_PUSH could bring */
    bool hello_open;                           /* STORE_HELLO not answered */
    struct lm_lease hello_lease;
    uint64_t hello_branch;
    uint32_t pushes; /* STORE_PUSH not answered */
    bool feed_open, bodies_open, offer_open;
    struct lm_cursor cursor;
    bool welcomed, news_sent; /* in this session */
};

static void chain_of(struct model *m, uint64_t branch)
{
    lm_chain_start(REPLICA, branch, m->chain[0]);
    for (size_t i = 0; i < LOG_MAX; i++) {
        lm_chain_next(m->chain[i], (const uint8_t *)&i, sizeof(i), m->chain[i + 1]);
    }
}

static struct lm_head head_at(const struct model *m, uint64_t seq)
{
    struct lm_head head = {.seq = seq};
    memcpy(head.hash, m->chain[seq], LM_HASH_BYTES);
    return head;
}

static void check_ack(struct model *m, const uint8_t *body, size_t n)
{
    struct lm_msg_ack ack;
    struct lm_error err;
    LM_CHECK(lm_ack_read(body, n, &m->arena, &ack, &err) == LM_OK);
    LM_CHECK(m->welcomed && ack.branch == m->session.branch);
    LM_CHECK(ack.acked.seq <= m->view.acked.seq); /* committed positions only */
    LM_CHECK(memcmp(ack.acked.hash, m->chain[ack.acked.seq], LM_HASH_BYTES) == 0);
    LM_CHECK(ack.credit >= 1 && ack.credit <= LM_WINDOW_MAX);
}

static void check_send(struct model *m, const struct lm_hub_event *ev,
                       const struct lm_hub_effect *e)
{
    const uint8_t *body = lm_hub_effect_bytes(&m->fx, e);
    struct lm_msg_welcome welcome;
    struct lm_msg_feed feed;
    struct lm_error err;

    LM_CHECK(e->send.len <= LM_FRAME_BYTES_MAX);
    switch (e->send.kind) {
    case LM_MSG_WELCOME:
        LM_CHECK(ev->kind == LM_HE_HELLO_STORED && ev->stored.ok && !m->welcomed);
        LM_CHECK(lm_welcome_read(body, e->send.len, &m->arena, &welcome, &err) == LM_OK);
        LM_CHECK(welcome.lease.counter == m->view.issued.counter &&
                 welcome.lease.random == m->view.issued.random); /* stored before it is told */
        LM_CHECK(welcome.acked.seq <= m->view.acked.seq);
        m->welcomed = true;
        m->news_sent = false;
        break;
    case LM_MSG_ACK:
        check_ack(m, body, e->send.len);
        break;
    case LM_MSG_FEED:
    case LM_MSG_BODIES:
        LM_CHECK(m->welcomed && ev->kind == LM_HE_PAGE && ev->page.ok);
        LM_CHECK(lm_feed_read(body, e->send.len, &m->arena, &feed, &err) == LM_OK);
        LM_CHECK(feed.session == m->session.session);
        break;
    case LM_MSG_NEWS:
        LM_CHECK(m->welcomed && (!m->news_sent || ev->kind == LM_HE_TICK));
        m->news_sent = true;
        break;
    default:
        LM_CHECK(e->send.kind == LM_MSG_ERROR);
        break;
    }
}

static void carry_out(struct model *m, const struct lm_hub_event *ev)
{
    bool barred = ev->kind == LM_HE_MESSAGE && m->view.revoked;

    for (size_t i = 0; i < m->fx.n; i++) {
        const struct lm_hub_effect *e = &m->fx.items[i];
        LM_CHECK(!barred || (e->kind == LM_HX_SEND && e->send.kind == LM_MSG_ERROR));
        switch (e->kind) {
        case LM_HX_SEND:
            check_send(m, ev, e);
            break;
        case LM_HX_STORE_HELLO:
            LM_CHECK(!m->hello_open && e->hello.lease.counter > m->view.issued.counter &&
                     e->hello.lease.counter > m->view.confirmed.counter);
            LM_CHECK(e->hello.hello->branch >= m->view.branch);
            m->hello_open = true;
            m->hello_lease = e->hello.lease;
            m->hello_branch = e->hello.hello->branch;
            m->welcomed = m->feed_open = m->bodies_open = m->offer_open = false;
            break;
        case LM_HX_LEASE_CONFIRMED:
            LM_CHECK(m->welcomed && e->lease.counter == m->view.issued.counter);
            m->view.confirmed = e->lease;
            break;
        case LM_HX_STORE_PUSH:
            LM_CHECK(m->welcomed && !m->now.read_only && ++m->pushes <= LM_HUB_PUSHES_MAX);
            LM_CHECK(e->push->branch == m->session.branch);
            if (e->push->first_seq + e->push->count - 1 > m->offered) {
                m->offered = e->push->first_seq + e->push->count - 1;
            }
            break;
        case LM_HX_READ_FEED:
            LM_CHECK(m->welcomed && !m->feed_open);
            LM_CHECK(e->feed.max_bytes >= 1 && e->feed.max_bytes <= LM_FEED_BYTES_MAX);
            m->feed_open = true;
            m->news_sent = false;
            m->cursor = e->feed.cursor;
            break;
        case LM_HX_READ_BODIES:
            LM_CHECK(m->welcomed && !m->bodies_open && e->want.want->n_ids <= LM_WANT_MAX);
            m->bodies_open = true;
            break;
        case LM_HX_READ_DIGESTS:
            LM_CHECK(m->welcomed && e->compare->max >= 1 && e->compare->max <= LM_COMPARE_MAX);
            break;
        case LM_HX_READ_PAST:
            LM_CHECK(m->welcomed && e->past->max_bytes >= 1 &&
                     e->past->max_bytes <= LM_HISTORY_BYTES_MAX);
            break;
        case LM_HX_STORE_OFFER:
            LM_CHECK(m->welcomed && !m->now.read_only && !m->offer_open && e->offer->n > 0);
            LM_CHECK(e->offer->proof.incarnation.counter < m->now.incarnation.counter);
            m->offer_open = true;
            break;
        case LM_HX_CLONE:
            LM_CHECK(!m->view.clone);
            m->view.clone = true;
            break;
        case LM_HX_KEY_PINNED:
            LM_CHECK(m->welcomed);
            break;
        case LM_HX_TWIN:
            m->view.twins++;
            break;
        case LM_HX_RIVAL:
            m->now.read_only = true;
            break;
        case LM_HX_CLOSE:
            LM_CHECK(ev->kind == LM_HE_TICK);
            m->welcomed = false;
            break;
        case LM_HX_ROLLED_BACK:
        case LM_HX_HUB_BEHIND:
        case LM_HX_LOG:
            break;
        }
    }
    m->welcomed = m->welcomed && m->session.state == LM_HS_LIVE;
}

static void step(struct model *m, struct lm_hub_event *ev)
{
    ev->now = &m->now;
    ev->view = &m->view;
    lm_hub_session_step(&m->session, ev, &m->fx);
    carry_out(m, ev);
    LM_CHECK(m->session.n_pushes <= LM_HUB_PUSHES_MAX);
    lm_arena_reset(&m->arena);
}

static void message(struct model *m, uint8_t kind, const uint8_t *body, size_t n)
{
    struct lm_hub_event ev = {.kind = LM_HE_MESSAGE};
    ev.message.peer = m->peer;
    ev.message.kind = kind;
    ev.message.body = body;
    ev.message.n = n;
    ev.message.arena = &m->arena;
    step(m, &ev);
}

static void say_hello(struct model *m, struct lm_buf *out)
{
    uint8_t how = take(&m->in);
    struct lm_msg_hello h = {.protocol_min = 1,
                             .protocol_max = how & 1 ? 9 : 1,
                             .branch = m->view.branch + (how >> 1 & 1),
                             .lease = how & 4 ? m->view.issued : m->view.confirmed,
                             .program = "fuzz"};
    if (how & 8) {
        h.lease.random ^= 1;
    }
    if (how & 16) {
        h.proof.incarnation = m->now.incarnation;
        h.proof.incarnation.counter += how >> 5 & 1;
        h.proof.mark.position = m->now.head.position + (how >> 6 & 1);
        lm_proof_sign(&h.proof, sign_secret);
        h.proof.signature[0] ^= take(&m->in) % 4 == 0; /* now and then somebody's invention */
        h.seen = h.proof.mark;
    }
    h.branch = h.branch == 0 ? 1 : h.branch - (h.branch > 1 && how & 128);
    lm_chain_start(REPLICA, h.branch, h.head.hash);
    lm_hello_pack(out, &h);
    message(m, LM_MSG_HELLO, out->data, out->len);
}

static void say_push(struct model *m, struct lm_buf *out)
{
    uint8_t how = take(&m->in), count = take(&m->in) % 8;
    uint64_t base = how & 1 ? m->view.acked.seq : m->session.tail_seq;
    uint64_t first = base + 1 + (how >> 1 & 3) - (base > 3 && how & 8 ? 3 : 0);
    struct lm_msg_push p = {.branch = m->session.branch + (how >> 4 & 1) - (how >> 5 & 1)};
    if (first + 8 >= LOG_MAX || p.branch == 0 || p.branch > INT64_MAX) {
        return;
    }
    p.first_seq = first;
    p.count = count;
    p.raw_bytes = count;
    p.packed = (const uint8_t *)"";
    p.packed_len = 0;
    memcpy(p.before, m->chain[first - 1], LM_HASH_BYTES);
    p.head = head_at(m, first + count - 1);
    lm_push_pack(out, &p);
    message(m, LM_MSG_PUSH, out->data, out->len);
}

static void say_pull(struct model *m, struct lm_buf *out)
{
    uint8_t how = take(&m->in);
    struct lm_msg_pull p = {.session = m->session.session ^ (how & 1),
                            .max_bytes = 1u + how * 5000u};
    p.cursor.position = how >> 1;
    lm_pull_pack(out, &p);
    message(m, LM_MSG_PULL, out->data, out->len);
}

static void say_want(struct model *m, struct lm_buf *out)
{
    static char ids[2][40] = {"01932f00-1111-7222-8333-444444444444",
                              "01932f00-5555-7666-8777-888888888888"};
    uint8_t how = take(&m->in);
    struct lm_msg_want w = {
        .session = m->session.session ^ (how & 1), .ids = ids, .n_ids = how >> 1 & 1 ? 2 : 1};
    lm_want_pack(out, &w);
    message(m, LM_MSG_WANT, out->data, out->len);
}

static void say_noise(struct model *m)
{
    uint8_t kind = take(&m->in);
    size_t n = take(&m->in), left = (size_t)(m->in.end - m->in.at);
    n = n < left ? n : left;
    message(m, kind, m->in.at, n);
    m->in.at += n;
}

static void answer_hello(struct model *m)
{
    struct lm_hub_event ev = {.kind = LM_HE_HELLO_STORED};
    if (!m->hello_open) {
        return;
    }
    m->hello_open = false;
    uint8_t how = take(&m->in);
    ev.stored.ok = how % 8 != 0;
    ev.stored.common = how >> 3 & 3;
    ev.stored.proof_held = how >> 5 & 1;
    if (ev.stored.ok) {
        m->view.issued = m->hello_lease;
        if (m->hello_branch > m->view.branch) {
            m->view.branch = m->hello_branch;
            chain_of(m, m->hello_branch);
            m->view.acked = head_at(m, 0);
            m->offered = 0;
        }
    }
    step(m, &ev);
}

static void answer_pushes(struct model *m)
{
    struct lm_hub_event ev = {.kind = LM_HE_COMMITTED};
    uint8_t how = take(&m->in);
    if (m->pushes == 0) {
        return;
    }
    ev.committed.n_pushes = how & 1 ? m->pushes : 1;
    m->pushes -= ev.committed.n_pushes;
    ev.committed.outcome = how % 16 < 10 ? LM_PUSH_OK : (enum lm_push_outcome)(how % 16 - 10);
    if (ev.committed.outcome > LM_PUSH_MALFORMED) {
        ev.committed.outcome = LM_PUSH_OK;
    }
    if (ev.committed.outcome == LM_PUSH_OK && m->offered > m->view.acked.seq &&
        m->offered < LOG_MAX) {
        m->view.acked = head_at(m, how & 2 ? m->offered : m->view.acked.seq + 1);
    }
    ev.committed.branch = m->view.branch;
    ev.committed.acked = m->view.acked;
    step(m, &ev);
}

static void answer_page(struct model *m)
{
    uint8_t how = take(&m->in);
    struct lm_msg_feed page = {.from = m->cursor, .next = m->cursor, .branch = m->view.branch};
    struct lm_hub_event ev = {.kind = LM_HE_PAGE};
    bool *open = how & 1 ? &m->bodies_open : &m->feed_open;
    if (!*open || m->view.branch == 0) {
        return;
    }
    *open = false;
    page.acked = m->view.acked;
    page.head = m->now.head;
    page.done = how >> 1 & 1;
    ev.page.is_bodies = how & 1;
    ev.page.ok = how % 16 != 15;
    ev.page.page = &page;
    step(m, &ev);
}

static void event(struct model *m, struct lm_buf *out)
{
    struct lm_hub_event ev = {.kind = LM_HE_TICK};
    uint8_t how;

    lm_buf_reset(out);
    switch (take(&m->in) % 12) {
    case 0:
        m->now.mono_ms += (int64_t)take(&m->in) * 2000;
        m->now.hub_time_ms += 1000;
        step(m, &ev);
        break;
    case 1:
        say_hello(m, out);
        break;
    case 2:
    case 3:
        say_push(m, out);
        break;
    case 4:
        say_pull(m, out);
        break;
    case 5:
        say_want(m, out);
        break;
    case 6:
        say_noise(m);
        break;
    case 7:
        answer_hello(m);
        break;
    case 8:
        answer_pushes(m);
        break;
    case 9:
        answer_page(m);
        break;
    case 10:
        ev.kind = LM_HE_NEWS;
        ev.position = ++m->now.head.position;
        step(m, &ev);
        break;
    default:
        how = take(&m->in);
        m->peer = how & 1 ? m->peer + (how >> 1 & 1) : 1;
        m->view.revoked = how >> 2 == 1;
        if (how >> 2 == 2) { /* a person has acted */
            m->view.clone = false;
            m->view.twins = 0;
        }
        m->now.read_only = m->now.read_only && how >> 2 != 3;
        m->now.loaded = how >> 2 & 1;
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model m;
    struct lm_buf out;

    memset(&m, 0, sizeof(m));
    m.in = (struct input){data, data + size};
    m.peer = 1;
    m.now.hub_time_ms = 1700000000000;
    m.now.incarnation = (struct lm_incarnation){1, 5};
    m.now.head.position = 3;
    if (sign_secret[0] == 0) {
        uint8_t sign_public[LM_SIGN_PUBLIC_BYTES], seed[32] = {1};
        (void)crypto_sign_seed_keypair(sign_public, sign_secret, seed);
    }
    m.now.sign_secret = sign_secret;
    m.now.line_key = line_key;
    m.now.next_key = next_key;
    lm_hub_session_init(&m.session, REPLICA, 1);
    lm_hub_effects_init(&m.fx);
    lm_arena_init(&m.arena, 8 << 20);
    lm_buf_init(&out, LM_FRAME_BYTES_MAX);
    chain_of(&m, 1);
    for (int i = 0; i < EVENTS_MAX && m.in.at < m.in.end; i++) {
        event(&m, &out);
    }
    lm_buf_free(&out);
    lm_arena_free(&m.arena);
    lm_hub_effects_free(&m.fx);
    return 0;
}
