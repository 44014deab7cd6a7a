/* HELLO and WELCOME at the hub.
 *
 * Who is refused, and why (PROTOCOL.md "Going back in time"): a lease below the last one confirmed,
 * or a branch below the highest known, was held before: the node went back in time and is told to
 * fork. The same counter with another random, an older lease while the holder of the newest is
 * alive, two peers that both go on talking, or leases of two lines in turn are two installations on
 * one key: the second is refused until a person acts, the holder of the newest lease goes on. */
#include "proto/hub_session.h"
#include "proto/hub_session_internal.h"
#include "proto/hubkey.h"

#include "common/base/break.h"
#include "proto/proof.h"

#include <string.h>

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
static enum holder judge_holder(struct lm_hs_step *st)
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
static void answer_older(struct lm_hs_step *st, const struct lm_msg_hello *m)
{
    const struct lm_replica_view *view = st->view;
    bool twin = is_abandoned(view, m->lease.counter);

    if (view->clone || (twin && view->twins > 0)) {
        lm_hs_clone(st, m->lease);
        return;
    }
    switch (judge_holder(st)) {
    case HOLDER_ASKED:
        lm_hs_error(st, "busy", "another connection holds a newer lease", LM_HUB_CONTEST_S);
        return;
    case HOLDER_ALIVE:
        lm_hs_clone(st, m->lease);
        return;
    case HOLDER_AWAY:
        break;
    }
    if (twin) {
        lm_hs_add(st, LM_HX_TWIN)->held = m->lease;
    }
    lm_hs_rolled_back(st, view->branch, m->lease);
}

/* Only what this hub itself signed is believed about other incarnations: a number that anybody can
 * write must not stop the town. */
bool lm_hs_proof_verifies(const struct lm_hs_step *st, const struct lm_proof *proof)
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
static bool judge_hello(struct lm_hs_step *st, struct lm_msg_hello *m)
{
    const struct lm_replica_view *view = st->view;
    const struct lm_hub_now *now = st->now;

    if (m->protocol_max < LM_PROTOCOL_MIN || m->protocol_min > LM_PROTOCOL_MAX) {
        lm_hs_error(st, "protocol", "no protocol version in common", LM_HS_RETRY_PERSON_S);
        return false;
    }
    if (m->proof.incarnation.counter != 0 && !lm_hs_proof_verifies(st, &m->proof)) {
        lm_hs_log(st, "HELLO with a proof that this hub did not sign",
                  m->proof.incarnation.counter);
        memset(&m->proof, 0, sizeof(m->proof));
    }
    if (is_rival(&m->proof.incarnation, &now->incarnation)) {
        lm_hs_add(st, LM_HX_RIVAL)->rival = m->proof.incarnation;
        lm_hs_error(st, "rival", "another incarnation of this hub was seen", LM_HS_RETRY_PERSON_S);
        return false;
    }
    if (now->read_only) {
        lm_hs_error(st, "busy", "read-only until a technician acts", LM_HS_RETRY_PERSON_S);
        return false;
    }
    if (lease_forged(m->lease, view->issued) || lease_forged(m->lease, view->confirmed)) {
        lm_hs_clone(st, m->lease);
        return false;
    }
    if (st->s->state == LM_HS_LIVE && st->ev->message.peer == st->s->peer &&
        m->branch == st->s->branch && st->s->confirmed && lease_equal(m->lease, st->s->shown)) {
        lm_hs_log(st, "the HELLO of this session once more", m->lease.counter);
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
static bool hub_is_behind(struct lm_hs_step *st)
{
    struct lm_hub_session *s = st->s;
    bool this_one = s->proof.incarnation.counter == st->now->incarnation.counter;
    struct lm_hub_effect *e;

    if (this_one && !st->ev->stored.proof_held) {
        e = lm_hs_add(st, LM_HX_HUB_BEHIND);
        e->behind.mark = s->proof.mark;
        e->behind.proven = true;
        return true;
    }
    if (this_one && st->ev->stored.common < s->seen.position) {
        e = lm_hs_add(
            st, LM_HX_HUB_BEHIND); /* of an earlier incarnation it may well have been longer */
        e->behind.mark = s->seen;
    }
    return false;
}

static uint64_t max3(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t m = a > b ? a : b;

    return m > c ? m : c;
}

/* A hub that went back does not know which leases it gave out in the history that is gone: those of
 * a later incarnation have numbers of their own, so that none can be taken for a forged one. */
static uint64_t first_lease(const struct lm_hub_now *now)
{
    uint64_t before = now->incarnation.counter > 0 ? now->incarnation.counter - 1 : 0;

    return (before < (1u << 30) ? before : (1u << 30)) << 32;
}

/* Without keys there is nothing that protocol 2 could say. */
static bool speaks_keys(const struct lm_hub_now *now)
{
    return now->line_key != NULL && now->sign_secret != NULL;
}

void lm_hs_take_hello(struct lm_hs_step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;
    struct lm_error err;
    struct lm_hub_effect *e;
    struct lm_msg_hello *m = lm_arena_alloc(ev->message.arena, sizeof(*m));
    uint64_t highest = speaks_keys(st->now) ? LM_PROTOCOL_MAX : LM_PROTOCOL_KEYS - 1;

    if (m == NULL) {
        lm_hs_error(st, "busy", "out of memory", LM_HS_RETRY_STORE_S);
        return;
    }
    if (s->state == LM_HS_STORING) {
        lm_hs_log(st, "HELLO while one is being stored", ev->message.peer);
        return;
    }
    if (!LM_HS_READ(hello, m) || !judge_hello(st, m)) {
        return;
    }
    lm_hs_set_state(st, LM_HS_STORING);
    s->peer = ev->message.peer;
    s->session = lm_rand_next(&s->rnd) >> 1; /* fits a signed 64-bit too, and is never 0 */
    s->session = s->session == 0 ? 1 : s->session;
    s->protocol = highest < m->protocol_max ? highest : m->protocol_max;
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
    s->reading_past = false;
    s->recovering = false;
    s->cursor = m->cursor;
    e = lm_hs_add(st, LM_HX_STORE_HELLO);
    e->hello.hello = m;
    e->hello.lease = s->lease;
    e->hello.node_offset_ms = st->now->hub_time_ms - m->wall_ms;
}

/* Said in every WELCOME, also with nothing to announce: under a key that was announced before, this
 * is what says that it is in force now. */
static void say_keys(const struct lm_hub_now *now, struct lm_key_word *word)
{
    if (!speaks_keys(now)) {
        return; /* the keys went away since HELLO: a signature of zeroes, which says nothing */
    }
    if (now->next_key != NULL) {
        word->has_next = true;
        memcpy(word->next, now->next_key, sizeof(word->next));
    }
    lm_key_word_sign(word, now->line_key, now->sign_secret);
}

void lm_hs_hello_stored(struct lm_hs_step *st)
{
    struct lm_hub_session *s = st->s;
    const struct lm_hub_now *now = st->now;
    size_t offset = st->fx->bytes.len;
    struct lm_msg_welcome m;
    struct lm_proof proof = {.incarnation = now->incarnation, .mark = now->head};

    if (s->state != LM_HS_STORING) {
        lm_hs_log(st, "HELLO_STORED without HELLO", 0);
        return;
    }
    if (!st->ev->stored.ok) {
        lm_hs_set_state(st, LM_HS_NEW);
        lm_hs_error(st, "busy", "the store failed", LM_HS_RETRY_STORE_S);
        return;
    }
    if (hub_is_behind(st)) {
        lm_hs_set_state(st, LM_HS_NEW);
        lm_hs_error(st, "busy", "a new incarnation begins", 1);
        return;
    }
    lm_hs_set_state(st, LM_HS_LIVE);
    s->acked.seq = 0;
    lm_chain_start(s->replica, s->branch, s->acked.hash);
    s->safe_seq = 0;
    s->tail_seq = 0;
    lm_hs_learn_acked(st);
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
    if (m.protocol >= LM_PROTOCOL_KEYS) {
        say_keys(now, &m.keys);
    }
    lm_welcome_pack(&st->fx->bytes, &m);
    lm_hs_send(st, LM_MSG_WELCOME, offset);
}

void lm_hs_take_key(struct lm_hs_step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_error err;
    struct lm_msg_key m;

    if (LM_HS_READ(key, &m) && lm_hs_names_session(st, m.session)) {
        memcpy(lm_hs_add(st, LM_HX_KEY_PINNED)->key, m.key, sizeof(m.key));
    }
}
