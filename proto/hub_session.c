/* The hub's side of one replica's session: one function a message, one for each answer of the
 * program.
 *
 * Who is refused, and why (PROTOCOL.md "Going back in time"): a lease below the last one confirmed,
 * or a branch below the highest known, was held before: the node went back in time and is told to
 * fork. The same counter with another random, an older lease while the holder of the newest is
 * alive, two peers that both go on talking, or leases of two lines in turn are two installations on
 * one key: the second is refused until a person acts, the holder of the newest lease goes on. */
#include "proto/hub_session.h"

#include "common/base/break.h"
#include "proto/proof.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RETRY_PERSON_S 300 /* for what a person must mend */
#define RETRY_STORE_S 5
#define FEED_BYTES_MIN 1024

struct step {
    struct lm_hub_session *s;
    const struct lm_hub_event *ev;
    struct lm_hub_effects *fx;
    const struct lm_hub_now *now;
    const struct lm_replica_view *view;
};

/* allowed[from] = states that may follow. */
#define TO(state) (1u << (state))
static const unsigned allowed[LM_HS_COUNT] = {
    [LM_HS_NEW] = TO(LM_HS_STORING) | TO(LM_HS_NEW),
    [LM_HS_STORING] = TO(LM_HS_LIVE) | TO(LM_HS_NEW),
    [LM_HS_LIVE] = TO(LM_HS_STORING) | TO(LM_HS_NEW),
};

void lm_hub_effects_init(struct lm_hub_effects *fx)
{
    memset(fx, 0, sizeof(*fx));
    lm_buf_init(&fx->bytes, LM_HUB_FX_BYTES_MAX);
}

void lm_hub_effects_free(struct lm_hub_effects *fx)
{
    if (fx != NULL) {
        lm_buf_free(&fx->bytes);
    }
}

const uint8_t *lm_hub_effect_bytes(const struct lm_hub_effects *fx, const struct lm_hub_effect *e)
{
    LM_CHECK(e->kind == LM_HX_SEND && e->send.offset + e->send.len <= fx->bytes.len);
    return fx->bytes.data + e->send.offset;
}

void lm_hub_session_init(struct lm_hub_session *session, uint64_t replica, uint64_t seed)
{
    memset(session, 0, sizeof(*session));
    session->replica = replica;
    session->state = LM_HS_NEW;
    session->contest_ms = -1;
    lm_rand_seed(&session->rnd, seed);
}

static void set_state(struct step *st, enum lm_hub_state to)
{
    LM_CHECK((allowed[st->s->state] & TO(to)) != 0);
    st->s->state = to;
}

static struct lm_hub_effect *add(struct step *st, enum lm_hub_effect_kind kind)
{
    struct lm_hub_effect *e;

    LM_CHECK(st->fx->n < LM_HUB_EFFECTS_MAX);
    e = &st->fx->items[st->fx->n++];
    memset(e, 0, sizeof(*e));
    e->kind = kind;
    return e;
}

static void add_log(struct step *st, const char *what, uint64_t number)
{
    struct lm_hub_effect *e = add(st, LM_HX_LOG);

    e->log.what = what;
    e->log.number = number;
}

static void send_packed(struct step *st, uint8_t kind, size_t offset)
{
    struct lm_buf *bytes = &st->fx->bytes;
    struct lm_hub_effect *e;

    if (bytes->status != LM_OK || bytes->len - offset > LM_FRAME_BYTES_MAX) {
        add_log(st, "message could not be packed", kind);
        bytes->len = offset < bytes->len ? offset : bytes->len;
        bytes->status = LM_OK;
        return;
    }
    e = add(st, LM_HX_SEND);
    e->send.kind = kind;
    e->send.offset = offset;
    e->send.len = bytes->len - offset;
}

void lm_error_message(struct lm_buf *buf, const char *code, const char *text,
                      uint32_t retry_after_s)
{
    struct lm_msg_error m = {.code = code, .text = text, .retry_after_s = retry_after_s};

    lm_error_pack(buf, &m);
}

static void send_error(struct step *st, const char *code, const char *text, uint32_t retry_after_s)
{
    size_t offset = st->fx->bytes.len;

    lm_error_message(&st->fx->bytes, code, text, retry_after_s);
    send_packed(st, LM_MSG_ERROR, offset);
}

static void send_rolled_back(struct step *st, uint64_t branch, struct lm_lease held)
{
    char text[40];

    (void)snprintf(text, sizeof(text), "branch=%" PRIu64, branch);
    send_error(st, "rolled_back", text, 0);
    add(st, LM_HX_ROLLED_BACK)->held = held;
}

/* To the second installation, that is, to the sender of this message. Told to the town once: what
 * comes again and again changes nothing more. */
static void send_clone(struct step *st, struct lm_lease held)
{
    if (!st->view->clone) {
        add(st, LM_HX_CLONE)->held = held;
    }
    send_error(st, "clone", "two installations under one key; a person must act", RETRY_PERSON_S);
}

static void send_ack(struct step *st, struct lm_ack_verdict *verdicts, size_t n)
{
    struct lm_hub_session *s = st->s;
    size_t offset = st->fx->bytes.len;
    struct lm_msg_ack m = {
        .branch = s->branch,
        .acked = s->acked,
        .safe_seq = s->safe_seq,
        .credit = st->now->loaded ? 1 : LM_WINDOW_MAX,
        .verdicts = verdicts,
        .n_verdicts = n < LM_ACK_VERDICTS_MAX ? n : LM_ACK_VERDICTS_MAX,
    };

    lm_ack_pack(&st->fx->bytes, &m);
    send_packed(st, LM_MSG_ACK, offset);
}

/* The committed head of the session's branch, as far as the view knows better than the session. */
static void learn_acked(struct step *st)
{
    struct lm_hub_session *s = st->s;

    if (st->view->branch == s->branch && st->view->acked.seq >= s->acked.seq &&
        st->view->acked.seq > 0) {
        s->acked = st->view->acked;
        s->safe_seq = st->view->safe_seq;
    }
    if (s->tail_seq < s->acked.seq) {
        s->tail_seq = s->acked.seq;
    }
}

static bool lease_equal(struct lm_lease a, struct lm_lease b)
{
    return a.counter == b.counter && a.random == b.random;
}

/* Same counter, other random: somebody else was given what this one says it holds. */
static bool lease_forged(struct lm_lease held, struct lm_lease known)
{
    return !LM_BREAK(CLONE_SERVED) && held.counter != 0 && held.counter == known.counter &&
           !lease_equal(held, known);
}

static bool is_abandoned(const struct lm_replica_view *view, uint64_t counter)
{
    for (size_t i = 0; i < view->n_abandoned; i++) {
        if (counter > view->abandoned[i].low && counter <= view->abandoned[i].high) {
            return true;
        }
    }
    return false;
}

enum holder { HOLDER_AWAY, HOLDER_ASKED, HOLDER_ALIVE };

/* Whether the installation that said the last accepted HELLO is still there, now that another
 * connection shows an older lease. One PC that went back has ended its former process: that one
 * can't be reached, or does not answer when it is asked (tick). */
static enum holder judge_holder(struct step *st)
{
    struct lm_hub_session *s = st->s;
    int64_t mono_ms = st->now->mono_ms;

    if (s->state != LM_HS_LIVE || st->ev->message.peer == s->peer || st->ev->message.former_gone ||
        mono_ms - s->heard_ms >= LM_HUB_ALIVE_MS) {
        s->contest_ms = -1;
        return HOLDER_AWAY;
    }
    if (s->contest_ms < 0 || mono_ms - s->contest_ms >= LM_HUB_ALIVE_MS) {
        s->contest_ms = mono_ms;
        s->contest_asked = false;
    }
    if (mono_ms - s->contest_ms < LM_HUB_CONTEST_MS) {
        return HOLDER_ASKED;
    }
    /* What was sent before it was asked may only be late. */
    bool alive = s->contest_asked && s->heard_ms - s->contest_ms >= LM_HUB_PROBE_MS;
    s->contest_ms = -1;
    return alive ? HOLDER_ALIVE : HOLDER_AWAY;
}

/* A HELLO with a lease or a branch that is not the newest: a node that went back, or a second
 * installation. The answer is given. */
static void answer_older(struct step *st, const struct lm_msg_hello *m)
{
    const struct lm_replica_view *view = st->view;
    bool twin = is_abandoned(view, m->lease.counter);

    if (view->clone || (twin && view->twins > 0)) {
        send_clone(st, m->lease);
        return;
    }
    switch (judge_holder(st)) {
    case HOLDER_ASKED:
        send_error(st, "busy", "another connection holds a newer lease", LM_HUB_CONTEST_S);
        return;
    case HOLDER_ALIVE:
        send_clone(st, m->lease);
        return;
    case HOLDER_AWAY:
        break;
    }
    if (twin) {
        add(st, LM_HX_TWIN)->held = m->lease;
    }
    send_rolled_back(st, view->branch, m->lease);
}

/* Only what this hub itself signed is believed about other incarnations: a number that anybody can
 * write must not stop the town. */
static bool proof_verifies(const struct step *st, const struct lm_proof *proof)
{
    uint8_t sign_public[LM_SIGN_PUBLIC_BYTES];

    if (st->now->sign_secret == NULL) {
        return false;
    }
    /* An Ed25519 secret key ends with its public half. */
    memcpy(sign_public, st->now->sign_secret + LM_SIGN_SECRET_BYTES - LM_SIGN_PUBLIC_BYTES,
           sizeof(sign_public));
    return lm_proof_verifies(proof, sign_public);
}

/* Whether HELLO shows an incarnation that is not before this one's line: higher, or of the same
 * number with another random. */
static bool is_rival(const struct lm_incarnation *shown, const struct lm_incarnation *ours)
{
    return shown->counter > ours->counter ||
           (shown->counter == ours->counter && shown->random != ours->random);
}

/* True when HELLO may be accepted; otherwise the answer is given. */
static bool judge_hello(struct step *st, struct lm_msg_hello *m)
{
    const struct lm_replica_view *view = st->view;
    const struct lm_hub_now *now = st->now;

    if (m->protocol_max < LM_PROTOCOL_MIN || m->protocol_min > LM_PROTOCOL_MAX) {
        send_error(st, "protocol", "no protocol version in common", RETRY_PERSON_S);
        return false;
    }
    if (m->proof.incarnation.counter != 0 && !proof_verifies(st, &m->proof)) {
        add_log(st, "HELLO with a proof that this hub did not sign", m->proof.incarnation.counter);
        memset(&m->proof, 0, sizeof(m->proof));
    }
    if (is_rival(&m->proof.incarnation, &now->incarnation)) {
        add(st, LM_HX_RIVAL)->rival = m->proof.incarnation;
        send_error(st, "rival", "another incarnation of this hub was seen", RETRY_PERSON_S);
        return false;
    }
    if (now->read_only) {
        send_error(st, "busy", "read-only until a technician acts", RETRY_PERSON_S);
        return false;
    }
    if (lease_forged(m->lease, view->issued) || lease_forged(m->lease, view->confirmed)) {
        send_clone(st, m->lease);
        return false;
    }
    if (st->s->state == LM_HS_LIVE && st->ev->message.peer == st->s->peer &&
        m->branch == st->s->branch && st->s->confirmed && lease_equal(m->lease, st->s->shown)) {
        add_log(st, "the HELLO of this session once more", m->lease.counter);
        return false; /* a PC that went back has a new connection */
    }
    if (m->branch < view->branch ||
        (m->branch == view->branch && m->lease.counter < view->confirmed.counter)) {
        answer_older(st, m);
        return false;
    }
    return true;
}

/* Whether the journal lacks what it had in this incarnation: compared by the marks that the node
 * has seen, for a journal that was set back may have grown past them since. True: no WELCOME. */
static bool hub_is_behind(struct step *st)
{
    struct lm_hub_session *s = st->s;
    bool this_one = s->proof.incarnation.counter == st->now->incarnation.counter;
    struct lm_hub_effect *e;

    if (this_one && !st->ev->stored.proof_held) {
        e = add(st, LM_HX_HUB_BEHIND);
        e->behind.mark = s->proof.mark;
        e->behind.proven = true;
        return true;
    }
    if (this_one && st->ev->stored.common < s->seen.position) {
        e = add(st, LM_HX_HUB_BEHIND); /* of an earlier incarnation it may well have been longer */
        e->behind.mark = s->seen;
    }
    return false;
}

static uint64_t max3(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t m = a > b ? a : b;

    return m > c ? m : c;
}

/* Reads the body; a malformed one is answered. */
#define READ(name, m)                                                                              \
    (lm_##name##_read(ev->message.body, ev->message.n, ev->message.arena, (m), &err) == LM_OK ||   \
     (malformed(st), false))

static void malformed(struct step *st)
{
    add_log(st, "malformed message", st->ev->message.kind);
    send_error(st, "malformed", "message could not be read", RETRY_STORE_S);
}

/* A hub that went back does not know which leases it gave out in the history that is gone: those of
 * a later incarnation have numbers of their own, so that none can be taken for a forged one. */
static uint64_t first_lease(const struct lm_hub_now *now)
{
    uint64_t before = now->incarnation.counter > 0 ? now->incarnation.counter - 1 : 0;

    return (before < (1u << 30) ? before : (1u << 30)) << 32;
}

static void take_hello(struct step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;
    struct lm_error err;
    struct lm_hub_effect *e;
    struct lm_msg_hello *m = lm_arena_alloc(ev->message.arena, sizeof(*m));

    if (m == NULL) {
        send_error(st, "busy", "out of memory", RETRY_STORE_S);
        return;
    }
    if (s->state == LM_HS_STORING) {
        add_log(st, "HELLO while one is being stored", ev->message.peer);
        return;
    }
    if (!READ(hello, m) || !judge_hello(st, m)) {
        return;
    }
    set_state(st, LM_HS_STORING);
    s->peer = ev->message.peer;
    s->session = lm_rand_next(&s->rnd) >> 1; /* fits a signed 64-bit too, and is never 0 */
    s->session = s->session == 0 ? 1 : s->session;
    s->protocol = LM_PROTOCOL_MAX < m->protocol_max ? LM_PROTOCOL_MAX : m->protocol_max;
    s->branch = m->branch;
    s->shown = m->lease;
    s->lease.counter =
        max3(st->view->issued.counter, st->view->confirmed.counter, m->lease.counter) + 1;
    if (s->lease.counter < first_lease(st->now)) {
        s->lease.counter = first_lease(st->now);
    }
    s->lease.random = lm_rand_next(&s->rnd) >> 1;
    s->confirmed = false;
    memcpy(s->catalog_hash, m->catalog_hash, sizeof(s->catalog_hash));
    s->offered_ms = st->now->mono_ms; /* WELCOME says it */
    s->seen = m->seen;
    s->proof = m->proof;
    s->hello_ms = st->now->mono_ms;
    s->heard_ms = st->now->mono_ms;
    s->stray_peer = 0;
    s->contest_ms = -1;
    s->news_sent = false;
    s->reading_feed = false;
    s->reading_bodies = false;
    s->reading_digests = false;
    s->recovering = false;
    s->cursor = m->cursor;
    e = add(st, LM_HX_STORE_HELLO);
    e->hello.hello = m;
    e->hello.lease = s->lease;
    e->hello.node_offset_ms = st->now->hub_time_ms - m->wall_ms;
}

static void hello_stored(struct step *st)
{
    struct lm_hub_session *s = st->s;
    const struct lm_hub_now *now = st->now;
    size_t offset = st->fx->bytes.len;
    struct lm_msg_welcome m;
    struct lm_proof proof = {.incarnation = now->incarnation, .mark = now->head};

    if (s->state != LM_HS_STORING) {
        add_log(st, "HELLO_STORED without HELLO", 0);
        return;
    }
    if (!st->ev->stored.ok) {
        set_state(st, LM_HS_NEW);
        send_error(st, "busy", "the store failed", RETRY_STORE_S);
        return;
    }
    if (hub_is_behind(st)) {
        set_state(st, LM_HS_NEW);
        send_error(st, "busy", "a new incarnation begins", 1);
        return;
    }
    set_state(st, LM_HS_LIVE);
    s->acked.seq = 0;
    lm_chain_start(s->replica, s->branch, s->acked.hash);
    s->safe_seq = 0;
    s->tail_seq = 0;
    learn_acked(st);
    memset(&m, 0, sizeof(m));
    m.protocol = s->protocol;
    m.session = s->session;
    memcpy(m.hub_id, now->hub_id, sizeof(m.hub_id));
    m.incarnation = now->incarnation;
    s->incarnation = now->incarnation;
    m.branch = s->branch;
    m.acked = s->acked;
    m.safe_seq = s->safe_seq;
    m.lease = s->lease;
    m.head = now->head;
    m.catalog = now->catalog;
    memcpy(m.catalog_hash, now->catalog_hash, sizeof(m.catalog_hash));
    m.hub_time_ms = now->hub_time_ms;
    m.hlc_known = st->view->hlc_known;
    m.credit = now->loaded ? 1 : LM_WINDOW_MAX;
    m.common = st->ev->stored.common;
    if (now->sign_secret != NULL) {
        lm_proof_sign(&proof, now->sign_secret);
        memcpy(m.signature, proof.signature, sizeof(m.signature));
    }
    lm_welcome_pack(&st->fx->bytes, &m);
    send_packed(st, LM_MSG_WELCOME, offset);
}

static void take_push(struct step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;
    struct lm_error err;
    struct lm_msg_push *m = lm_arena_alloc(ev->message.arena, sizeof(*m));
    uint64_t last;

    if (m == NULL) {
        send_error(st, "busy", "out of memory", RETRY_STORE_S);
        return;
    }
    if (!READ(push, m)) {
        return;
    }
    if (m->branch != s->branch) {
        add_log(st, "PUSH of another branch", m->branch);
        if (m->branch > s->branch) {
            send_error(st, "hello_first", "this branch was not named in HELLO", 1);
        }
        return; /* a late one of a closed branch needs no answer */
    }
    if (st->now->read_only) {
        send_error(st, "busy", "read-only until a technician acts", RETRY_PERSON_S);
        return;
    }
    learn_acked(st);
    if (m->first_seq > s->tail_seq + 1 && !LM_BREAK(GAP_ACCEPTED)) {
        add_log(st, "gap before PUSH", m->first_seq);
        send_ack(st, NULL, 0);
        return;
    }
    if (s->n_pushes >= LM_HUB_PUSHES_MAX) {
        add_log(st, "more PUSH messages than credit", m->first_seq);
        return; /* the node sends it again when no ACK comes */
    }
    last = m->first_seq + m->count - 1;
    if (m->count > 0 && last > s->tail_seq) {
        s->tail_seq = last;
    }
    s->n_pushes++;
    add(st, LM_HX_STORE_PUSH)->push = m;
}

static void committed(struct step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;

    s->n_pushes -= ev->committed.n_pushes < s->n_pushes ? ev->committed.n_pushes : s->n_pushes;
    if (s->state != LM_HS_LIVE || ev->committed.branch != s->branch) {
        return; /* WELCOME tells, or has told */
    }
    if (ev->committed.acked.seq >= s->acked.seq && ev->committed.outcome != LM_PUSH_FAILED &&
        ev->committed.outcome != LM_PUSH_MALFORMED) {
        if (ev->committed.acked.seq > 0) {
            s->acked = ev->committed.acked;
        }
        s->safe_seq = ev->committed.safe_seq;
    }
    switch (ev->committed.outcome) {
    case LM_PUSH_OK:
        if (s->tail_seq < s->acked.seq) {
            s->tail_seq = s->acked.seq;
        }
        send_ack(st, ev->committed.verdicts, ev->committed.n_verdicts);
        break;
    case LM_PUSH_GAP:
        s->tail_seq = s->acked.seq;
        send_ack(st, ev->committed.verdicts, ev->committed.n_verdicts);
        break;
    case LM_PUSH_DIVERGED:
        set_state(st, LM_HS_NEW);
        send_rolled_back(st, s->branch, (struct lm_lease){0});
        break;
    case LM_PUSH_FAILED:
        s->tail_seq = s->acked.seq;
        send_error(st, "busy", "the batch could not be stored", RETRY_STORE_S);
        break;
    case LM_PUSH_MALFORMED:
        s->tail_seq = s->acked.seq;
        send_error(st, "malformed", "the batch does not unpack", 0);
        break;
    }
}

/* ---- CATALOG ---- */

static void send_part(struct step *st, uint64_t offset, size_t max)
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
    send_packed(st, LM_MSG_CATALOG, from);
}

/* Only the one in force is given: who asks for another is told which that is. */
static void take_ask(struct step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_error err;
    struct lm_msg_ask m;

    if (!READ(ask, &m)) {
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

static bool has_other(const struct step *st)
{
    return st->s->state == LM_HS_LIVE &&
           memcmp(st->s->catalog_hash, st->now->catalog_hash, sizeof(st->s->catalog_hash)) != 0;
}

/* A node that has another catalogue, and may have missed that it changed, hears of it again. */
static void offer_again(struct step *st)
{
    if (has_other(st) && st->now->mono_ms - st->s->offered_ms >= LM_HUB_OFFER_MS) {
        st->s->offered_ms = st->now->mono_ms;
        send_part(st, 0, 0);
    }
}

static void offer(struct step *st)
{
    if (has_other(st)) {
        st->s->offered_ms = st->now->mono_ms;
        send_part(st, 0, 0);
    }
}

static void confirm_lease(struct step *st)
{
    if (!st->s->confirmed) {
        st->s->confirmed = true;
        add(st, LM_HX_LEASE_CONFIRMED)->lease = st->s->lease;
    }
}

static void take_pull(struct step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;
    struct lm_error err;
    struct lm_hub_effect *e;
    struct lm_msg_pull m;

    if (!READ(pull, &m)) {
        return;
    }
    if (m.session != s->session) {
        send_error(st, "hello_first", "the session has ended", 1);
        return;
    }
    confirm_lease(st); /* only PULL names the session, and so the lease that came with it */
    offer_again(st);
    if (s->reading_feed) {
        add_log(st, "PULL while a page is being read", m.cursor.position);
        return;
    }
    s->reading_feed = true;
    s->feed_session = s->session;
    s->news_sent = false;
    s->cursor = m.cursor;
    e = add(st, LM_HX_READ_FEED);
    e->feed.cursor = m.cursor;
    e->feed.max_bytes = m.max_bytes < FEED_BYTES_MIN      ? FEED_BYTES_MIN
                        : m.max_bytes > LM_FEED_BYTES_MAX ? LM_FEED_BYTES_MAX
                                                          : m.max_bytes;
}

static void take_want(struct step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;
    struct lm_error err;
    struct lm_hub_effect *e;
    struct lm_msg_want *m = lm_arena_alloc(ev->message.arena, sizeof(*m));

    if (m == NULL) {
        send_error(st, "busy", "out of memory", RETRY_STORE_S);
        return;
    }
    if (!READ(want, m)) {
        return;
    }
    if (m->session != s->session) {
        send_error(st, "hello_first", "the session has ended", 1);
        return;
    }
    if (s->reading_bodies) {
        add_log(st, "WANT while bodies are being read", m->n_ids);
        return;
    }
    s->reading_bodies = true;
    s->bodies_session = s->session;
    e = add(st, LM_HX_READ_BODIES);
    e->want.want = m;
    e->want.cursor = s->cursor;
}

/* What the node has seen of this history it can prove from now on, however long the session lasts.
 * Of a later incarnation than its WELCOME told it would take the signature for that one's. */
static void sign_page(const struct step *st, struct lm_msg_feed *m)
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

static void page_read(struct step *st)
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
        send_error(st, "busy", "the store failed", RETRY_STORE_S);
        return;
    }
    m = *ev->page.page;
    m.session = s->session;
    sign_page(st, &m);
    lm_feed_pack(&st->fx->bytes, &m);
    send_packed(st, ev->page.is_bodies ? LM_MSG_BODIES : LM_MSG_FEED, offset);
}

/* ---- COMPARE ---- */

static void take_compare(struct step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;
    struct lm_error err;
    struct lm_msg_compare *m = lm_arena_alloc(ev->message.arena, sizeof(*m));

    if (m == NULL) {
        add_log(st, "no memory for COMPARE", ev->message.n);
        return;
    }
    if (!READ(compare, m)) {
        return;
    }
    if (m->session != s->session) {
        send_error(st, "hello_first", "the session has ended", 1);
        return;
    }
    if (s->reading_digests) {
        add_log(st, "COMPARE while digests are being read", m->max);
        return;
    }
    s->reading_digests = true;
    s->digests_session = s->session;
    add(st, LM_HX_READ_DIGESTS)->compare = m;
}

static void digests_read(struct step *st)
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
    send_packed(st, LM_MSG_DIGESTS, offset);
}

/* ---- RECOVER ---- */

/* Only a node that this hub itself has told of an earlier history may say what was in it. What it
 * says has no effect before a person has looked. An offer without an answer comes again. */
static void take_offer(struct step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;
    struct lm_error err;
    struct lm_msg_offer *m = lm_arena_alloc(ev->message.arena, sizeof(*m));

    if (m == NULL) {
        add_log(st, "no memory for RECOVER", ev->message.n);
        return;
    }
    if (!READ(offer, m)) {
        return;
    }
    if (m->session != s->session) {
        send_error(st, "hello_first", "the session has ended", 1);
        return;
    }
    if (!proof_verifies(st, &m->proof) ||
        m->proof.incarnation.counter >= st->now->incarnation.counter) {
        add_log(st, "RECOVER without a proof of an earlier history", m->proof.incarnation.counter);
        return;
    }
    if (st->now->read_only || s->recovering || m->n == 0) {
        add_log(st, "RECOVER that cannot be taken now", m->n);
        return;
    }
    s->recovering = true;
    add(st, LM_HX_STORE_OFFER)->offer = m;
}

static void recovered(struct step *st)
{
    struct lm_hub_session *s = st->s;
    struct lm_msg_offered m = {.session = s->session};
    size_t offset = st->fx->bytes.len;

    if (s->state != LM_HS_LIVE || !s->recovering) {
        return; /* of a session that has ended */
    }
    s->recovering = false;
    if (!st->ev->recovered.ok) {
        return;
    }
    memcpy(m.id, st->ev->recovered.id, sizeof(m.id));
    lm_offered_pack(&st->fx->bytes, &m);
    send_packed(st, LM_MSG_RECOVER, offset);
}

static void send_news(struct step *st, uint64_t position)
{
    struct lm_msg_news m = {.position = position};
    size_t offset = st->fx->bytes.len;

    st->s->news_sent = true;
    lm_news_pack(&st->fx->bytes, &m);
    send_packed(st, LM_MSG_NEWS, offset);
}

static void news(struct step *st)
{
    if (st->s->state == LM_HS_LIVE && !st->s->news_sent) {
        send_news(st, st->ev->position);
    }
}

/* A message of a peer that is not the one who said HELLO last. A node that made a new socket never
 * uses the old one again, so what is not merely late comes from a second installation that is
 * alive. Which of the two came second can't be told when both showed the same lease: the one that
 * greeted last is served. */
static void take_stray(struct step *st)
{
    struct lm_hub_session *s = st->s;
    uint64_t peer = st->ev->message.peer;
    int64_t mono_ms = st->now->mono_ms;

    add_log(st, "message of an earlier connection", st->ev->message.kind);
    if (mono_ms - s->hello_ms < LM_HUB_STRAY_MS) {
        return;
    }
    if (s->stray_peer != peer) {
        s->stray_peer = peer;
        s->stray_ms = mono_ms;
    } else if (mono_ms - s->stray_ms >= LM_HUB_STRAY_AGAIN_MS) {
        send_clone(st, (struct lm_lease){0});
    }
}

static void take_message(struct step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;

    if (st->view->revoked) { /* at every message: keys are asked for at connect only */
        send_error(st, "revoked", "this replica has been revoked", RETRY_PERSON_S);
        return;
    }
    if (ev->message.kind == LM_MSG_HELLO) {
        take_hello(st);
        return;
    }
    if (s->state == LM_HS_NEW) {
        send_error(st, "hello_first", "say HELLO first", 1);
        return;
    }
    if (ev->message.peer != s->peer) {
        take_stray(st);
        return;
    }
    s->heard_ms = st->now->mono_ms;
    if (s->state == LM_HS_STORING) {
        add_log(st, "message before WELCOME", ev->message.kind);
        return;
    }
    switch (ev->message.kind) {
    case LM_MSG_PUSH:
        take_push(st);
        break;
    case LM_MSG_PULL:
        take_pull(st);
        break;
    case LM_MSG_WANT:
        take_want(st);
        break;
    case LM_MSG_COMPARE:
        take_compare(st);
        break;
    case LM_MSG_RECOVER:
        take_offer(st);
        break;
    case LM_MSG_CATALOG:
        take_ask(st);
        break;
    default:
        add_log(st, "unknown kind of message", ev->message.kind);
        break;
    }
}

static void tick(struct step *st)
{
    struct lm_hub_session *s = st->s;

    if (s->state == LM_HS_LIVE && st->now->mono_ms - s->heard_ms >= LM_HUB_IDLE_MS) {
        set_state(st, LM_HS_NEW);
        add(st, LM_HX_CLOSE);
        return;
    }
    if (s->state == LM_HS_LIVE && s->contest_ms >= 0 && !s->contest_asked &&
        st->now->mono_ms - s->contest_ms >= LM_HUB_PROBE_MS) {
        s->contest_asked = true;
        send_news(st, st->now->head.position); /* a live node pulls at once */
    }
}

void lm_hub_session_step(struct lm_hub_session *session, const struct lm_hub_event *ev,
                         struct lm_hub_effects *fx)
{
    struct step st = {.s = session, .ev = ev, .fx = fx, .now = ev->now, .view = ev->view};

    fx->n = 0;
    lm_buf_reset(&fx->bytes);
    switch (ev->kind) {
    case LM_HE_TICK:
        tick(&st);
        break;
    case LM_HE_MESSAGE:
        take_message(&st);
        break;
    case LM_HE_HELLO_STORED:
        hello_stored(&st);
        break;
    case LM_HE_COMMITTED:
        committed(&st);
        break;
    case LM_HE_PAGE:
        page_read(&st);
        break;
    case LM_HE_DIGESTS:
        digests_read(&st);
        break;
    case LM_HE_NEWS:
        news(&st);
        break;
    case LM_HE_RECOVERED:
        recovered(&st);
        break;
    case LM_HE_CATALOG:
        offer(&st);
        break;
    }
}
