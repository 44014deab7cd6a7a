/* The node's session: HELLO and WELCOME, errors of the hub, forks.
 *
 * Invariants: WELCOME is taken once a HELLO, only with a lease above the one held, and becomes the
 * session only when the program has stored it. Nothing of another hub, of an older incarnation, or
 * that the hub's signing key does not stand behind, is believed. */
#include "common/base/break.h"
#include "proto/hubkey.h"
#include "proto/node_session_internal.h"
#include "proto/proof.h"

#include <string.h>

/* A clock may say anything; the wire carries 53 bits of it. */
static int64_t clamp_wall(int64_t wall_ms)
{
    const int64_t most = ((int64_t)1 << 53) - 1;

    return wall_ms > most ? most : wall_ms < -most ? -most : wall_ms;
}

void lm_ns_begin_hello(struct lm_ns_step *st, int64_t at_ms)
{
    lm_ns_set_state(st, LM_NS_HELLO);
    st->s->hello_sent = false;
    st->s->hello_at_ms = at_ms;
    st->s->synced = false;
}

void lm_ns_say_hello(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    const struct lm_node_config *c = &s->config;
    size_t offset = st->fx->bytes.len;
    struct lm_short_mark checkpoints[LM_CHECKPOINTS_MAX];
    struct lm_msg_hello m = {
        .protocol_min = LM_PROTOCOL_MIN,
        .protocol_max = LM_PROTOCOL_MAX,
        .branch = c->branch,
        .head = c->head,
        .lease = c->lease,
        .cursor = c->cursor,
        .seen = c->seen,
        .proof = c->proof,
        .catalog = c->catalog,
        .wall_ms = clamp_wall(st->ev->wall_ms),
        .program = c->program,
        .checkpoints = checkpoints,
        .n_checkpoints = c->checkpoints.n,
    };

    memcpy(m.catalog_hash, c->catalog_hash, sizeof(m.catalog_hash));
    for (size_t i = 0; i < c->checkpoints.n; i++) {
        const struct lm_mark *mark = &c->checkpoints.items[i].mark;

        checkpoints[i].position = mark->position;
        memcpy(checkpoints[i].prefix, mark->hash, sizeof(checkpoints[i].prefix));
    }
    lm_hello_pack(&st->fx->bytes, &m);
    s->hello_sent = lm_ns_send(st, LM_MSG_HELLO, offset, 0);
    s->hello_at_ms = st->now_ms + LM_NODE_REFUSED_MS; /* should it have failed */
    s->hello_said_ms = st->now_ms;
    s->hello_seen = c->seen.position;
}

static void store_welcome(struct lm_ns_step *st, const struct lm_msg_welcome *w)
{
    struct lm_node_session *s = st->s;
    struct lm_node_effect *e = lm_ns_add(st, LM_NX_STORE_WELCOME);
    const struct lm_incarnation *seen = &s->config.incarnation;

    lm_ns_set_state(st, LM_NS_STORING);
    e->welcome.welcome = w;
    e->welcome.hub_offset_ms = w->hub_time_ms - s->welcome_wall_ms;
    e->welcome.incarnation_changed = seen->counter != 0 && w->incarnation.counter > seen->counter;
    /* Judged by what the hub holds of what was seen, and not by its head: a journal that was set
     * back may have grown past it since. */
    e->welcome.hub_went_back = w->common < s->hello_seen;
    e->welcome.pins = s->pins_changed ? &s->config.pins : NULL;
    e->welcome.switched = s->switched;
    s->went_back = e->welcome.hub_went_back;
    s->incarnation_changed = e->welcome.incarnation_changed;
}

/* WELCOME is kept whole while the program checks the hash: its bytes may be gone by then, and it
 * holds no pointers. */
void lm_ns_take_welcome(struct lm_ns_step *st, const struct lm_msg_welcome *w)
{
    static const uint8_t any[16];
    struct lm_node_session *s = st->s;
    const struct lm_node_config *c = &s->config;
    struct lm_proof proof = lm_proof_of(w);
    enum lm_pins_verdict pins;

    if (w->branch != c->branch || w->lease.counter <= c->lease.counter) {
        lm_ns_log(st, "WELCOME to an earlier HELLO", w->lease.counter);
        return;
    }
    if (w->protocol < LM_PROTOCOL_MIN || w->protocol > LM_PROTOCOL_MAX) {
        lm_ns_bar(st, "protocol");
        return;
    }
    /* Before anything of it counts: the second key's holder may be no hub at all. */
    pins = lm_pins_judge(&c->pins, s->under_second, w, c->hub_sign_key);
    if (pins == LM_PINS_REFUSED) {
        lm_ns_reset(st, s->under_second ? "key_unproven" : "bad_answer");
        return;
    }
    if (memcmp(c->hub_id, any, sizeof(any)) != 0 &&
        memcmp(c->hub_id, w->hub_id, sizeof(any)) != 0) {
        lm_ns_bar(st, "other_hub");
        return;
    }
    /* The line shows who has its key, and that may be who stole a former one. */
    if (!lm_proof_verifies(&proof, c->hub_sign_key)) {
        lm_ns_reset(st, "hub_unproven");
        return;
    }
    if (w->incarnation.counter < c->incarnation.counter ||
        (c->incarnation.counter != 0 && w->incarnation.counter == c->incarnation.counter &&
         w->incarnation.random != c->incarnation.random)) {
        lm_ns_bar(st, "hub_older");
        return;
    }
    s->switched = pins == LM_PINS_SWITCHED || s->switched;
    s->pins_changed = lm_pins_learn(&s->config.pins, pins, w, true) || s->pins_changed;
    s->under_second = false;
    s->welcome = *w;
    s->welcome_wall_ms = clamp_wall(st->ev->wall_ms);
    s->hub_base_ms = w->hub_time_ms;
    s->mono_base_ms = st->now_ms;
    s->session = w->session;
    s->resets = 0;
    if (w->acked.seq > c->head.seq) {
        lm_ns_fork(st, "acked_beyond_head", 0);
    } else if (w->acked.seq == c->head.seq) {
        if (lm_ns_head_equal(&w->acked, &c->head)) {
            store_welcome(st, &s->welcome);
        } else {
            lm_ns_fork(st, "hash_differs", 0);
        }
    } else if (w->acked.seq == 0) {
        struct lm_head start = {.seq = 0};

        lm_ns_fill_chain_start(c, &start);
        if (lm_ns_head_equal(&w->acked, &start)) {
            store_welcome(st, &s->welcome);
        } else {
            lm_ns_fork(st, "hash_differs", 0);
        }
    } else {
        lm_ns_set_state(st, LM_NS_CHECKING);
        lm_ns_add(st, LM_NX_CHECK_HASH)->check = w->acked;
    }
}

void lm_ns_go_live(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    const struct lm_msg_welcome *w = &s->welcome;

    lm_ns_set_state(st, LM_NS_LIVE);
    s->forks = 0;
    s->pins_changed = false;
    s->switched = false;
    s->key_due = w->protocol >= LM_PROTOCOL_KEYS && w->keys.has_next && s->config.pins.has_second;
    s->key_at_ms = 0;
    s->config.acked = w->acked;
    s->config.safe_seq = w->safe_seq;
    s->config.lease = w->lease;
    s->config.incarnation = w->incarnation;
    s->config.proof = lm_proof_of(w);
    s->config.cursor = st->ev->stored.cursor;
    if (s->went_back) {
        lm_checkpoints_cut(&s->config.checkpoints, w->common);
    }
    if (s->went_back || w->head.position > s->config.seen.position) {
        s->config.seen = w->head;
    }
    s->wanted = st->ev->stored.wanted;
    s->credit = w->credit < 1 ? 1 : w->credit > LM_WINDOW_MAX ? LM_WINDOW_MAX : w->credit;
    s->quiet_until_ms = 0;
    if (s->incarnation_changed && st->now_ms >= s->hurry_until_ms) {
        /* Every station has just learnt of it: they must not all come at once. */
        s->quiet_until_ms =
            st->now_ms + (int64_t)lm_rand_below(&s->rnd, LM_NODE_INCARNATION_JITTER_MS);
    }
    s->waiting = false;
    if (st->ev->stored.branch > s->config.branch) {
        s->config.branch = st->ev->stored.branch;
        s->config.head = st->ev->stored.head;
        s->config.acked = st->ev->stored.acked;
        lm_ns_up_rewind(st);
        lm_ns_begin_hello(st, s->quiet_until_ms > 0 ? s->quiet_until_ms : st->now_ms);
        lm_ns_set_status(st, "resync");
        return;
    }
    lm_ns_up_begin(st);
    lm_ns_down_begin(st);
    lm_ns_catalog_begin(st);
    lm_ns_compare_begin(st);
    lm_ns_recover_begin(st);
    lm_ns_past_begin(st);
    lm_ns_set_status(st, "syncing");
}

/* So that the town knows, before it switches, who would be left out. Not answered; a session that
 * ends before it came says it again. */
void lm_ns_key_pump(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    struct lm_msg_key m = {.session = s->session};
    size_t offset = st->fx->bytes.len;

    if (!s->key_due || st->now_ms < s->key_at_ms || st->now_ms < s->quiet_until_ms) {
        return;
    }
    memcpy(m.key, s->config.pins.second, sizeof(m.key));
    lm_key_pack(&st->fx->bytes, &m);
    s->key_due = !lm_ns_send(st, LM_MSG_KEY, offset, 0);
    s->key_at_ms = st->now_ms + LM_NODE_REFUSED_MS;
}

void lm_ns_take_hash_checked(struct lm_ns_step *st, bool ok)
{
    if (ok || LM_BREAK(ACKED_WITHOUT_HASH)) {
        store_welcome(st, &st->s->welcome);
    } else {
        lm_ns_fork(st, "hash_differs", 0);
    }
}

/* "branch=N" → N, else 0. */
static uint64_t branch_named(const char *text)
{
    static const char prefix[] = "branch=";
    uint64_t n = 0;

    if (text == NULL || strncmp(text, prefix, sizeof(prefix) - 1) != 0) {
        return 0;
    }
    for (const char *p = text + sizeof(prefix) - 1; *p >= '0' && *p <= '9' && n < UINT32_MAX; p++) {
        n = n * 10 + (uint64_t)(*p - '0');
    }
    return n;
}

static void take_busy(struct lm_ns_step *st, uint32_t retry_after_s)
{
    struct lm_node_session *s = st->s;
    int64_t wait_ms = (int64_t)(retry_after_s < 1 ? 1 : retry_after_s) * 1000;
    int64_t until_ms;

    wait_ms = wait_ms < LM_NODE_BACKOFF_MAX_MS ? wait_ms : LM_NODE_BACKOFF_MAX_MS;
    until_ms = st->now_ms + wait_ms;
    s->synced = false;
    if (s->state == LM_NS_HELLO) {
        s->hello_sent = false;
        s->hello_at_ms = until_ms;
        s->state_ms = until_ms; /* the wait for WELCOME begins then */
    } else {
        s->quiet_until_ms = until_ms;
        lm_ns_up_rewind(st);
        s->beat_due = s->beat_due || s->beat_wait;
        s->beat_wait = false;
        s->news = s->news || s->pulling;
        s->pulling = false;
        s->wanting = false;
    }
    lm_ns_set_status(st, "busy");
}

void lm_ns_take_error(struct lm_ns_step *st, const struct lm_msg_error *m)
{
    static const char *const barring[] = {"revoked", "unknown", "clone", "protocol", "catalogue"};
    struct lm_node_session *s = st->s;

    for (size_t i = 0; i < sizeof(barring) / sizeof(barring[0]); i++) {
        if (strcmp(m->code, barring[i]) == 0) {
            lm_ns_bar(st, barring[i]);
            return;
        }
    }
    if (strcmp(m->code, "rival") == 0) {
        lm_ns_bar(st, "hub_older");
    } else if (strcmp(m->code, "busy") == 0 && m->retry_after_s >= LM_NODE_PERSON_S) {
        lm_ns_bar(st, "hub_read_only"); /* it will not pass by itself: people have to hear of it */
    } else if (strcmp(m->code, "busy") == 0) {
        take_busy(st, m->retry_after_s);
    } else if (strcmp(m->code, "rolled_back") == 0) {
        uint64_t highest = branch_named(m->text);

        if (highest < s->config.branch) {
            lm_ns_log(st, "rolled_back of an earlier branch", highest);
        } else {
            lm_ns_fork(st, "rolled_back", highest + 1);
        }
    } else if (strcmp(m->code, "hello_first") == 0) {
        if (s->state == LM_NS_LIVE) { /* the hub restarted: one HELLO a second at most */
            int64_t at_ms = s->hello_said_ms + LM_NODE_BACKOFF_MIN_MS;

            lm_ns_begin_hello(st, at_ms > st->now_ms ? at_ms : st->now_ms);
            lm_ns_set_status(st, "resync");
        }
    } else {
        lm_ns_log(st, "ERROR of the hub; seconds to wait", m->retry_after_s);
        lm_ns_reset(st, "bad_answer");
    }
}

void lm_ns_take_forked(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;

    LM_CHECK(st->ev->forked.branch > s->config.branch);
    s->config.branch = st->ev->forked.branch;
    s->config.head = st->ev->forked.head;
    s->config.acked = st->ev->forked.acked;
    lm_ns_fill_chain_start(&s->config, &s->config.head);
    lm_ns_fill_chain_start(&s->config, &s->config.acked);
    lm_ns_up_rewind(st);
    lm_ns_begin_hello(st, st->now_ms);
}
