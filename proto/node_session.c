/* The node's session: states, events, the transport given up with back-off.
 *
 * Invariants: the state moves only as allowed[] says. In CHECKING, FORKING and STORING an answer of
 * the program is due: messages are dropped and no RESET is given until it has come, so that no
 * answer can be taken for another. */
#include "common/base/break.h"
#include "proto/node_session_internal.h"

#include <string.h>

/* allowed[from] = set of states that may follow (LM_NS_STOPPED may follow any). */
#define TO(state) (1u << (state))
static const unsigned allowed[LM_NS_COUNT] = {
    [LM_NS_OFFLINE] = TO(LM_NS_HELLO) | TO(LM_NS_OFFLINE),
    [LM_NS_HELLO] = TO(LM_NS_CHECKING) | TO(LM_NS_FORKING) | TO(LM_NS_STORING) | TO(LM_NS_OFFLINE) |
                    TO(LM_NS_BARRED) | TO(LM_NS_HELLO),
    [LM_NS_CHECKING] = TO(LM_NS_OFFLINE) | TO(LM_NS_STORING) | TO(LM_NS_FORKING) | TO(LM_NS_BARRED),
    [LM_NS_FORKING] = TO(LM_NS_HELLO) | TO(LM_NS_OFFLINE),
    [LM_NS_STORING] = TO(LM_NS_LIVE) | TO(LM_NS_OFFLINE),
    [LM_NS_LIVE] = TO(LM_NS_HELLO) | TO(LM_NS_FORKING) | TO(LM_NS_OFFLINE) | TO(LM_NS_BARRED),
    [LM_NS_BARRED] = TO(LM_NS_HELLO) | TO(LM_NS_OFFLINE),
    [LM_NS_STOPPED] = 0,
};

const char *lm_node_state_name(enum lm_node_state state)
{
    static const char *const names[LM_NS_COUNT] = {"offline", "hello", "checking", "forking",
                                                   "storing", "live",  "barred",   "stopped"};

    return (unsigned)state < LM_NS_COUNT ? names[state] : "?";
}

void lm_node_effects_init(struct lm_node_effects *fx)
{
    memset(fx, 0, sizeof(*fx));
    lm_buf_init(&fx->bytes, LM_NODE_FX_BYTES_MAX);
}

void lm_node_effects_free(struct lm_node_effects *fx)
{
    if (fx != NULL) {
        lm_buf_free(&fx->bytes);
    }
}

const uint8_t *lm_node_effect_bytes(const struct lm_node_effects *fx,
                                    const struct lm_node_effect *e)
{
    LM_CHECK(e->kind == LM_NX_SEND && e->send.offset + e->send.len <= fx->bytes.len);
    return fx->bytes.data + e->send.offset;
}

struct lm_node_effect *lm_ns_add(struct lm_ns_step *st, enum lm_node_effect_kind kind)
{
    struct lm_node_effect *e;

    LM_CHECK(st->fx->n < LM_NODE_EFFECTS_MAX);
    e = &st->fx->items[st->fx->n++];
    memset(e, 0, sizeof(*e));
    e->kind = kind;
    return e;
}

void lm_ns_log(struct lm_ns_step *st, const char *what, uint64_t number)
{
    struct lm_node_effect *e = lm_ns_add(st, LM_NX_LOG);

    e->log.what = what;
    e->log.number = number;
}

bool lm_ns_head_equal(const struct lm_head *a, const struct lm_head *b)
{
    return a->seq == b->seq &&
           (LM_BREAK(ACKED_WITHOUT_HASH) || memcmp(a->hash, b->hash, sizeof(a->hash)) == 0);
}

void lm_ns_set_state(struct lm_ns_step *st, enum lm_node_state to)
{
    struct lm_node_session *s = st->s;

    LM_CHECK(to == LM_NS_STOPPED || (allowed[s->state] & TO(to)) != 0);
    s->state = to;
    s->state_ms = st->now_ms;
}

bool lm_ns_send(struct lm_ns_step *st, uint8_t kind, size_t offset, uint64_t first_seq)
{
    struct lm_buf *bytes = &st->fx->bytes;
    struct lm_node_effect *e;

    if (bytes->status != LM_OK || bytes->len - offset > LM_FRAME_BYTES_MAX) {
        lm_ns_log(st, "message could not be packed", kind);
        bytes->len = offset < bytes->len ? offset : bytes->len;
        bytes->status = LM_OK;
        return false;
    }
    e = lm_ns_add(st, LM_NX_SEND);
    e->send.kind = kind;
    e->send.offset = offset;
    e->send.len = bytes->len - offset;
    e->send.first_seq = first_seq;
    return true;
}

/* 1 s doubling to 5 min, less up to half of it at random: 64 stations must not come back in step.
 */
static uint32_t back_off(struct lm_node_session *s, int64_t now_ms, bool barred)
{
    uint64_t ms = LM_NODE_BACKOFF_MAX_MS;

    if (!barred && s->resets < 9) {
        ms = (uint64_t)LM_NODE_BACKOFF_MIN_MS << s->resets;
        ms = ms < LM_NODE_BACKOFF_MAX_MS ? ms : LM_NODE_BACKOFF_MAX_MS;
    }
    if (!barred && now_ms < s->hurry_until_ms && ms > LM_NODE_HURRY_BACKOFF_MS) {
        ms = LM_NODE_HURRY_BACKOFF_MS;
    }
    return (uint32_t)(ms - lm_rand_below(&s->rnd, ms / 2));
}

static void give_up_socket(struct lm_ns_step *st, enum lm_node_state to, uint32_t delay_ms)
{
    struct lm_node_session *s = st->s;

    lm_ns_set_state(st, to);
    if (s->pulling || s->wanting) {
        lm_pace_missed(&s->down);
    }
    if (s->n_flights > 0) {
        lm_pace_missed(&s->up);
    }
    s->resets++;
    s->synced = false;
    s->hello_sent = false;
    s->unsent = false;
    s->waiting = false;
    s->pulling = false;
    s->wanting = false;
    s->catalog.asking = false;
    s->compare.asking = false;
    s->compare.active = false;
    lm_ns_up_rewind(st);
    s->beat_wait = false;
    lm_ns_add(st, LM_NX_RESET)->reset.delay_ms = delay_ms;
}

void lm_ns_reset(struct lm_ns_step *st, const char *code)
{
    give_up_socket(st, LM_NS_OFFLINE, back_off(st->s, st->now_ms, false));
    lm_ns_set_status(st, code);
}

void lm_ns_bar(struct lm_ns_step *st, const char *code)
{
    give_up_socket(st, LM_NS_BARRED, back_off(st->s, st->now_ms, true));
    lm_ns_set_status(st, code);
}

void lm_ns_fork(struct lm_ns_step *st, const char *reason, uint64_t branch_min)
{
    struct lm_node_session *s = st->s;
    struct lm_node_effect *e;

    if (s->forks >= LM_NODE_FORKS_MAX) {
        lm_ns_bar(st, "fork_loop");
        s->forks = 0; /* the next try, in 5 min, may fork again */
        return;
    }
    s->forks++;
    s->synced = false;
    lm_ns_set_state(st, LM_NS_FORKING);
    e = lm_ns_add(st, LM_NX_FORK);
    e->fork.reason = reason;
    e->fork.branch_min = branch_min > s->config.branch ? branch_min : s->config.branch + 1;
    lm_ns_set_status(st, "forking");
}

int64_t lm_node_session_hub_time(const struct lm_node_session *session, int64_t mono_ms)
{
    return session->hub_base_ms == 0 ? 0 : session->hub_base_ms + (mono_ms - session->mono_base_ms);
}

void lm_node_session_catalog(struct lm_node_session *session, uint32_t number,
                             const uint8_t hash[32])
{
    session->config.catalog = number;
    memcpy(session->config.catalog_hash, hash, sizeof(session->config.catalog_hash));
}

/* The start of a branch has a known hash; a store that has nothing yet may leave it zero. */
void lm_ns_fill_chain_start(const struct lm_node_config *config, struct lm_head *head)
{
    if (head->seq == 0) {
        lm_chain_start(config->replica, config->branch, head->hash);
    }
}

void lm_node_session_init(struct lm_node_session *session, const struct lm_node_config *config)
{
    memset(session, 0, sizeof(*session));
    session->config = *config;
    lm_rand_seed(&session->rnd, config->seed);
    lm_ns_fill_chain_start(config, &session->config.head);
    lm_ns_fill_chain_start(config, &session->config.acked);
    session->state = LM_NS_OFFLINE;
    session->status = *lm_ns_find_status("connecting");
    session->credit = 1;
    lm_pace_start(&session->up, LM_BATCH_BYTES_MAX);
    lm_pace_start(&session->down, LM_FEED_BYTES_MAX);
    session->next_before = session->config.acked;
}

static bool live_only(struct lm_ns_step *st)
{
    if (st->s->state != LM_NS_LIVE) {
        lm_ns_log(st, "message before WELCOME", st->ev->message.kind);
        return false;
    }
    return true;
}

/* Reads the body; a malformed one costs the connection. */
#define READ(name, m)                                                                              \
    (lm_##name##_read(ev->message.body, ev->message.n, ev->message.arena, (m), &err) == LM_OK ||   \
     (malformed(st), false))

static void malformed(struct lm_ns_step *st)
{
    lm_ns_log(st, "malformed message", st->ev->message.kind);
    lm_ns_reset(st, "bad_answer");
}

static void take_page(struct lm_ns_step *st, bool is_bodies)
{
    const struct lm_node_event *ev = st->ev;
    struct lm_error err;
    struct lm_msg_feed *m = lm_arena_alloc(ev->message.arena, sizeof(*m));

    if (m == NULL) {
        lm_ns_log(st, "no memory for a page", ev->message.n);
    } else if (READ(feed, m)) {
        lm_ns_down_page(st, m, is_bodies);
    }
}

static void take_ack(struct lm_ns_step *st)
{
    const struct lm_node_event *ev = st->ev;
    struct lm_error err;
    struct lm_msg_ack *m = lm_arena_alloc(ev->message.arena, sizeof(*m));

    if (m == NULL) {
        lm_ns_log(st, "no memory for an ACK", ev->message.n);
    } else if (READ(ack, m)) {
        lm_ns_up_ack(st, m);
    }
}

static void take_message(struct lm_ns_step *st)
{
    const struct lm_node_event *ev = st->ev;
    struct lm_node_session *s = st->s;
    struct lm_error err;

    if (s->state != LM_NS_HELLO && s->state != LM_NS_LIVE) {
        lm_ns_log(st, "message not awaited", ev->message.kind);
        return;
    }
    if (s->under_second && ev->message.kind != LM_MSG_WELCOME) {
        /* Whoever has this key has not shown the hub's word that it is in force. */
        lm_ns_reset(st, "key_unproven");
        return;
    }
    s->heard_ms = st->now_ms;
    s->unsent = false;
    switch (ev->message.kind) {
    case LM_MSG_WELCOME: {
        struct lm_msg_welcome m;

        if (s->state == LM_NS_HELLO && READ(welcome, &m)) {
            lm_ns_take_welcome(st, &m);
        }
        break;
    }
    case LM_MSG_ACK:
        if (live_only(st)) {
            take_ack(st);
        }
        break;
    case LM_MSG_FEED:
    case LM_MSG_BODIES:
        if (live_only(st)) {
            take_page(st, ev->message.kind == LM_MSG_BODIES);
        }
        break;
    case LM_MSG_NEWS: {
        struct lm_msg_news m;

        if (live_only(st) && READ(news, &m)) {
            lm_ns_down_news(st, m.position);
        }
        break;
    }
    case LM_MSG_CATALOG: {
        struct lm_msg_part *m = lm_arena_alloc(ev->message.arena, sizeof(*m));

        if (m != NULL && live_only(st) && READ(part, m)) {
            lm_ns_catalog_part(st, m);
        }
        break;
    }
    case LM_MSG_DIGESTS: {
        struct lm_msg_digests *m = lm_arena_alloc(ev->message.arena, sizeof *m);

        if (m != NULL && live_only(st) && READ(digests, m)) {
            lm_ns_compare_digests(st, m);
        }
        break;
    }
    case LM_MSG_RECOVER: {
        struct lm_msg_offered m;

        if (live_only(st) && READ(offered, &m)) {
            lm_ns_recover_answer(st, &m);
        }
        break;
    }
    case LM_MSG_ERROR: {
        struct lm_msg_error m;

        if (READ(error, &m)) {
            lm_ns_take_error(st, &m);
        }
        break;
    }
    case LM_MSG_HISTORY: {
        struct lm_msg_past *m = lm_arena_alloc(ev->message.arena, sizeof(*m));

        if (m != NULL && live_only(st) && READ(past, m)) {
            lm_ns_past_answer(st, m);
        }
        break;
    }
    default:
        lm_ns_log(st, "unknown kind of message", ev->message.kind);
        break;
    }
}

static void take_refused(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;

    if (!s->unsent) {
        s->unsent = true;
        s->unsent_ms = st->now_ms;
    }
    if (st->ev->refused.kind == LM_MSG_HELLO) {
        s->hello_sent = false;
    } else if (s->state == LM_NS_LIVE && st->ev->refused.kind == LM_MSG_PUSH) {
        lm_ns_up_refused(st, st->ev->refused.first_seq);
    } else if (s->state == LM_NS_LIVE && st->ev->refused.kind == LM_MSG_KEY) {
        s->key_due = true;
    } else if (s->state == LM_NS_LIVE && st->ev->refused.kind == LM_MSG_CATALOG) {
        lm_ns_catalog_refused(st);
    } else if (s->state == LM_NS_LIVE && st->ev->refused.kind == LM_MSG_COMPARE) {
        lm_ns_compare_refused(st);
    } else if (s->state == LM_NS_LIVE && st->ev->refused.kind == LM_MSG_HISTORY) {
        lm_ns_past_refused(st);
    } else if (s->state == LM_NS_LIVE && st->ev->refused.kind == LM_MSG_RECOVER) {
        lm_ns_recover_refused(st);
    } else if (s->state == LM_NS_LIVE) {
        lm_ns_down_refused(st, st->ev->refused.kind);
    }
}

static void take_sync_now(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;

    s->hurry_until_ms = st->now_ms + LM_NODE_HURRY_MS;
    s->synced = false;
    s->epoch++;
    s->beat_due = true;
    s->want_at_ms = 0;
    s->quiet_until_ms = 0;
    if (s->state == LM_NS_OFFLINE || s->state == LM_NS_BARRED) {
        lm_ns_set_state(st, LM_NS_OFFLINE);
        lm_ns_add(st, LM_NX_RESET)->reset.delay_ms = 0;
    } else if (s->state == LM_NS_LIVE) {
        s->past.look = true; /* a person may want another one */
        s->past.tries = 0;
        lm_ns_set_status(st, "syncing");
    }
}

static void take_event(struct lm_ns_step *st)
{
    const struct lm_node_event *ev = st->ev;
    struct lm_node_session *s = st->s;

    switch (ev->kind) {
    case LM_NE_TICK:
        break;
    case LM_NE_CONNECTED:
        /* LIVE too: the program may give up a socket for reasons of its own (readmission). */
        if (s->state == LM_NS_OFFLINE || s->state == LM_NS_BARRED || s->state == LM_NS_HELLO ||
            s->state == LM_NS_LIVE) {
            lm_ns_begin_hello(st, st->now_ms);
            s->under_second = ev->connected.second;
            s->unsent = false;
            lm_ns_set_status(st, "connecting");
        } else {
            lm_ns_log(st, "CONNECTED in state", s->state);
        }
        break;
    case LM_NE_MESSAGE:
        take_message(st);
        break;
    case LM_NE_OUTBOX:
        if (ev->head.seq > s->config.head.seq && s->state != LM_NS_FORKING) {
            s->config.head = ev->head;
        }
        break;
    case LM_NE_BATCH:
        lm_ns_up_batch(st, &ev->batch);
        break;
    case LM_NE_WELCOME_STORED:
        LM_CHECK(s->state == LM_NS_STORING);
        lm_ns_go_live(st);
        break;
    case LM_NE_FEED_APPLIED:
        lm_ns_down_applied(st, &ev->applied.cursor, ev->applied.wanted);
        break;
    case LM_NE_WANTED:
        lm_ns_down_wanted(st, ev->wanted.ids, ev->wanted.n);
        break;
    case LM_NE_SUM:
        lm_ns_compare_summed(st, ev->sum);
        break;
    case LM_NE_COMPARED:
        lm_ns_compare_looked(st, ev->compared.ok, ev->compared.wanted);
        break;
    case LM_NE_PAST:
        lm_ns_past_looked(st);
        break;
    case LM_NE_OFFERS:
        lm_ns_recover_read(st);
        break;
    case LM_NE_CATALOG:
        lm_ns_catalog_looked(st);
        break;
    case LM_NE_HASH_CHECKED:
        LM_CHECK(s->state == LM_NS_CHECKING);
        lm_ns_take_hash_checked(st, ev->hash_ok);
        break;
    case LM_NE_FORKED:
        LM_CHECK(s->state == LM_NS_FORKING);
        lm_ns_take_forked(st);
        break;
    case LM_NE_SEND_REFUSED:
        take_refused(st);
        break;
    case LM_NE_SYNC_NOW:
        take_sync_now(st);
        break;
    case LM_NE_FAILED:
        LM_CHECK(s->state == LM_NS_CHECKING || s->state == LM_NS_STORING ||
                 s->state == LM_NS_FORKING);
        s->forks = 0; /* the disk's fault: not one more fork that did not help */
        lm_ns_reset(st, "store_failed");
        break;
    case LM_NE_STOP:
        lm_ns_set_state(st, LM_NS_STOPPED);
        lm_ns_set_status(st, "stopped");
        break;
    }
}

static void note_waiting(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    bool waiting = lm_ns_up_outstanding(s) || lm_ns_down_outstanding(s) || s->catalog.asking ||
                   s->compare.asking || s->past.asking;

    if (waiting && !s->waiting) {
        s->waiting_ms = st->now_ms;
    }
    s->waiting = waiting;
}

static void watch_silence(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    int64_t since_ms = s->heard_ms > s->waiting_ms ? s->heard_ms : s->waiting_ms;

    if ((s->waiting && st->now_ms - since_ms >= LM_NODE_SILENCE_MS) ||
        (s->unsent && st->now_ms - s->unsent_ms >= LM_NODE_UNSENT_MS)) {
        lm_ns_reset(st, "lost");
    }
}

static void judge_synced(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    bool synced = lm_ns_up_done(s) && lm_ns_down_done(s) && lm_ns_catalog_done(s) &&
                  lm_ns_recover_done(s) && lm_ns_compare_done(s) && lm_ns_past_done(s);

    if (synced && !s->synced) {
        s->synced = true;
        s->hurry_until_ms = 0;
        lm_ns_add(st, LM_NX_SYNCED);
        lm_ns_set_status(st, "synced");
    } else if (!synced && s->synced && s->config.acked.seq != s->config.head.seq) {
        s->synced = false;
        lm_ns_set_status(st, "syncing");
    }
}

static void pump(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;

    if (s->state == LM_NS_HELLO) {
        if (!s->hello_sent && st->now_ms >= s->hello_at_ms) {
            lm_ns_say_hello(st);
        }
        if (st->now_ms - s->state_ms >= LM_NODE_WELCOME_WAIT_MS) {
            lm_ns_reset(st, "no_answer");
        }
    } else if (s->state == LM_NS_LIVE) {
        watch_silence(st);
        if (s->state == LM_NS_LIVE) {
            lm_ns_key_pump(st);  /* before PULL: who has its answer knows that this came, too */
            lm_ns_down_pump(st); /* PULL before PUSH: it tells the hub that the lease is held */
            lm_ns_up_pump(st);
            lm_ns_catalog_pump(st);
            lm_ns_recover_pump(st);
            lm_ns_compare_pump(st);
            lm_ns_past_pump(st);
            note_waiting(st);
            judge_synced(st);
        }
    }
}

void lm_node_session_step(struct lm_node_session *session, const struct lm_node_event *ev,
                          struct lm_node_effects *fx)
{
    struct lm_ns_step st = {.s = session, .ev = ev, .fx = fx, .now_ms = ev->mono_ms};

    fx->n = 0;
    lm_buf_reset(&fx->bytes);
    if (session->state == LM_NS_STOPPED) {
        return;
    }
    take_event(&st);
    pump(&st);
}
