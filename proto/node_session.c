/* The node's session: states, HELLO and WELCOME, forks, RESET with back-off, status for people.
 *
 * Invariants: the state moves only as allowed[] says. In CHECKING, FORKING and STORING an answer of the program is
 * due: messages are dropped and no RESET is given until it has come, so that no answer can be taken for another. */
#include "proto/node_session_internal.h"

#include <string.h>

/* allowed[from] = set of states that may follow (LM_NS_STOPPED may follow any). */
#define TO(state) (1u << (state))
static const unsigned allowed[LM_NS_COUNT] = {
    [LM_NS_OFFLINE] = TO(LM_NS_HELLO) | TO(LM_NS_OFFLINE),
    [LM_NS_HELLO] = TO(LM_NS_CHECKING) | TO(LM_NS_FORKING) | TO(LM_NS_STORING) | TO(LM_NS_OFFLINE) |
                    TO(LM_NS_BARRED) | TO(LM_NS_HELLO),
    [LM_NS_CHECKING] = TO(LM_NS_STORING) | TO(LM_NS_FORKING) | TO(LM_NS_BARRED),
    [LM_NS_FORKING] = TO(LM_NS_HELLO),
    [LM_NS_STORING] = TO(LM_NS_LIVE),
    [LM_NS_LIVE] = TO(LM_NS_HELLO) | TO(LM_NS_FORKING) | TO(LM_NS_OFFLINE) | TO(LM_NS_BARRED),
    [LM_NS_BARRED] = TO(LM_NS_HELLO) | TO(LM_NS_OFFLINE),
    [LM_NS_STOPPED] = 0,
};

/* What a person reads. */
static const struct lm_node_status statuses[] = {
    {.code = "connecting", .zh = "正在连接镇服务器。", .en = "Connecting to the town's server."},
    {.code = "syncing", .zh = "已连接，正在同步。", .en = "Connected; synchronising."},
    {.code = "synced", .zh = "已同步，数据与镇服务器一致。", .en = "In step with the town's server."},
    {.code = "no_answer",
     .zh = "镇服务器没有应答，稍后自动重试；录入不受影响。",
     .en = "The town's server does not answer; trying again later. Records can be entered as usual."},
    {.code = "lost",
     .zh = "与镇服务器的连接中断，稍后自动重试；录入不受影响。",
     .en = "The connection was lost; trying again later. Records can be entered as usual."},
    {.code = "resync", .zh = "正在与镇服务器重新核对。", .en = "Comparing anew with the town's server."},
    {.code = "busy", .zh = "镇服务器繁忙，稍后自动重试。", .en = "The town's server is busy; trying again later."},
    {.code = "bad_answer",
     .zh = "收到无法识别的应答，稍后自动重试。",
     .en = "The answer was not understood; trying again later."},
    {.code = "forking",
     .zh = "发现本机数据曾被还原，正在自动修复，未上传的记录会保留。",
     .en = "This PC's data went back in time; mending. Unsent records are kept."},
    {.code = "stopped", .zh = "同步已停止。", .en = "Synchronisation has been stopped."},
    {.code = "revoked",
     .zh = "本机的登记已被镇服务站撤销，请联系镇服务站。记录仍保存在本机。",
     .en = "The town has revoked this PC's enrolment: please call the town station. Records stay on this PC.",
     .person_needed = true},
    {.code = "unknown",
     .zh = "镇服务器不认识本机，请联系镇服务站重新登记。",
     .en = "The town's server does not know this PC: please ask the town station to enrol it again.",
     .person_needed = true},
    {.code = "clone",
     .zh = "有两台电脑在使用同一份登记，镇服务站处理前不能同步。记录仍保存在本机。",
     .en = "Two PCs use the same enrolment: no synchronisation until the town has acted. Records stay here.",
     .person_needed = true},
    {.code = "protocol",
     .zh = "本机程序与镇服务器的版本不相容，请升级。",
     .en = "This program and the town's server have no version in common: please upgrade.",
     .person_needed = true},
    {.code = "catalogue",
     .zh = "本机的目录版本与镇服务器不相容，请升级。",
     .en = "This PC's catalogue does not fit the town's server: please upgrade.",
     .person_needed = true},
    {.code = "other_hub",
     .zh = "应答的不是本机登记的镇服务器，请联系镇服务站。",
     .en = "Another server answered than the one this PC is enrolled at: please call the town station.",
     .person_needed = true},
    {.code = "hub_older",
     .zh = "镇服务器用的是旧的数据（可能有两台在运行），请联系镇服务站。",
     .en = "The town's server runs on older data (perhaps two are running): please call the town station.",
     .person_needed = true},
    {.code = "fork_loop",
     .zh = "自动修复没有成功，请联系镇服务站。记录仍保存在本机。",
     .en = "Mending did not succeed: please call the town station. Records stay on this PC.",
     .person_needed = true},
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
    return a->seq == b->seq && memcmp(a->hash, b->hash, sizeof(a->hash)) == 0;
}

void lm_ns_set_state(struct lm_ns_step *st, enum lm_node_state to)
{
    struct lm_node_session *s = st->s;

    LM_CHECK(to == LM_NS_STOPPED || (allowed[s->state] & TO(to)) != 0);
    s->state = to;
    s->state_ms = st->now_ms;
}

static const struct lm_node_status *find_status(const char *code)
{
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (strcmp(statuses[i].code, code) == 0) {
            return &statuses[i];
        }
    }
    return NULL;
}

void lm_ns_set_status(struct lm_ns_step *st, const char *code)
{
    struct lm_node_session *s = st->s;
    const struct lm_node_status *found = find_status(code);

    LM_CHECK(found != NULL);
    /* What a person must mend stays shown through the retries, until a WELCOME says that it is mended. */
    if (s->status.person_needed && !found->person_needed && s->state != LM_NS_LIVE &&
        s->state != LM_NS_STOPPED) {
        return;
    }
    if (s->status.code != found->code) {
        s->status = *found;
        s->status.state = s->state;
        lm_ns_add(st, LM_NX_STATUS)->status = s->status;
    }
    s->status.state = s->state;
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

/* 1 s doubling to 5 min, less up to half of it at random: 64 stations must not come back in step. */
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
    s->resets++;
    s->synced = false;
    s->hello_sent = false;
    s->unsent = false;
    s->waiting = false;
    s->pulling = false;
    s->wanting = false;
    lm_ns_up_rewind(st);
    s->beat_wait = false;
    lm_ns_add(st, LM_NX_RESET)->reset.delay_ms = delay_ms;
}

void lm_ns_reset(struct lm_ns_step *st, const char *code)
{
    give_up_socket(st, LM_NS_OFFLINE, back_off(st->s, st->now_ms, false));
    lm_ns_set_status(st, code);
}

static void bar(struct lm_ns_step *st, const char *code)
{
    give_up_socket(st, LM_NS_BARRED, back_off(st->s, st->now_ms, true));
    lm_ns_set_status(st, code);
}

void lm_ns_fork(struct lm_ns_step *st, const char *reason, uint64_t branch_min)
{
    struct lm_node_session *s = st->s;
    struct lm_node_effect *e;

    if (s->forks >= LM_NODE_FORKS_MAX) {
        bar(st, "fork_loop");
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

void lm_node_session_catalog(struct lm_node_session *session, uint32_t number, const uint8_t hash[32])
{
    session->config.catalog = number;
    memcpy(session->config.catalog_hash, hash, sizeof(session->config.catalog_hash));
}

/* The start of a branch has a known hash; a store that has nothing yet may leave it zero. */
static void fill_chain_start(const struct lm_node_config *config, struct lm_head *head)
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
    fill_chain_start(config, &session->config.head);
    fill_chain_start(config, &session->config.acked);
    session->state = LM_NS_OFFLINE;
    session->status = *find_status("connecting");
    session->credit = 1;
    session->next_before = session->config.acked;
}

/* A clock may say anything; the wire carries 53 bits of it. */
static int64_t clamp_wall(int64_t wall_ms)
{
    const int64_t most = ((int64_t)1 << 53) - 1;

    return wall_ms > most ? most : wall_ms < -most ? -most : wall_ms;
}

static void begin_hello(struct lm_ns_step *st, int64_t at_ms)
{
    lm_ns_set_state(st, LM_NS_HELLO);
    st->s->hello_sent = false;
    st->s->hello_at_ms = at_ms;
    st->s->synced = false;
}

static void say_hello(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    const struct lm_node_config *c = &s->config;
    size_t offset = st->fx->bytes.len;
    struct lm_msg_hello m = {
        .protocol_min = LM_PROTOCOL_MIN,
        .protocol_max = LM_PROTOCOL_MAX,
        .branch = c->branch,
        .head = c->head,
        .lease = c->lease,
        .cursor = c->cursor,
        .seen = c->seen,
        .incarnation = c->incarnation,
        .catalog = c->catalog,
        .wall_ms = clamp_wall(st->ev->wall_ms),
        .program = c->program,
    };

    memcpy(m.catalog_hash, c->catalog_hash, sizeof(m.catalog_hash));
    lm_hello_pack(&st->fx->bytes, &m);
    s->hello_sent = lm_ns_send(st, LM_MSG_HELLO, offset, 0);
    s->hello_at_ms = st->now_ms + LM_NODE_REFUSED_MS; /* should it have failed */
    s->hello_said_ms = st->now_ms;
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
    e->welcome.hub_went_back =
        e->welcome.incarnation_changed || w->head.position < s->config.seen.position ||
        (w->head.position > 0 && w->head.position == s->config.seen.position &&
         memcmp(w->head.hash, s->config.seen.hash, sizeof(w->head.hash)) != 0);
    s->went_back = e->welcome.hub_went_back;
    s->incarnation_changed = e->welcome.incarnation_changed;
}

/* WELCOME is kept whole while the program checks the hash: its bytes may be gone by then, and it holds no pointers. */
static void take_welcome(struct lm_ns_step *st, const struct lm_msg_welcome *w)
{
    static const uint8_t any[16];
    struct lm_node_session *s = st->s;
    const struct lm_node_config *c = &s->config;

    if (w->branch != c->branch || w->lease.counter <= c->lease.counter) {
        lm_ns_log(st, "WELCOME to an earlier HELLO", w->lease.counter);
        return;
    }
    if (w->protocol < LM_PROTOCOL_MIN || w->protocol > LM_PROTOCOL_MAX) {
        bar(st, "protocol");
        return;
    }
    if (memcmp(c->hub_id, any, sizeof(any)) != 0 && memcmp(c->hub_id, w->hub_id, sizeof(any)) != 0) {
        bar(st, "other_hub");
        return;
    }
    if (w->incarnation.counter < c->incarnation.counter ||
        (c->incarnation.counter != 0 && w->incarnation.counter == c->incarnation.counter &&
         w->incarnation.random != c->incarnation.random)) {
        bar(st, "hub_older");
        return;
    }
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

        fill_chain_start(c, &start);
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

static void go_live(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;
    const struct lm_msg_welcome *w = &s->welcome;

    lm_ns_set_state(st, LM_NS_LIVE);
    s->forks = 0;
    s->config.acked = w->acked;
    s->config.safe_seq = w->safe_seq;
    s->config.lease = w->lease;
    s->config.incarnation = w->incarnation;
    s->config.cursor = st->ev->stored.cursor;
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
    lm_ns_up_begin(st);
    lm_ns_down_begin(st);
    lm_ns_set_status(st, "syncing");
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

static void take_error(struct lm_ns_step *st, const struct lm_msg_error *m)
{
    static const char *const barring[] = {"revoked", "unknown", "clone", "protocol", "catalogue"};
    struct lm_node_session *s = st->s;

    for (size_t i = 0; i < sizeof(barring) / sizeof(barring[0]); i++) {
        if (strcmp(m->code, barring[i]) == 0) {
            bar(st, barring[i]);
            return;
        }
    }
    if (strcmp(m->code, "rival") == 0) {
        bar(st, "hub_older");
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

            begin_hello(st, at_ms > st->now_ms ? at_ms : st->now_ms);
            lm_ns_set_status(st, "resync");
        }
    } else {
        lm_ns_log(st, "ERROR of the hub; seconds to wait", m->retry_after_s);
        lm_ns_reset(st, "bad_answer");
    }
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
#define READ(name, m) \
    (lm_##name##_read(ev->message.body, ev->message.n, ev->message.arena, (m), &err) == LM_OK || \
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
    s->heard_ms = st->now_ms;
    s->unsent = false;
    switch (ev->message.kind) {
    case LM_MSG_WELCOME: {
        struct lm_msg_welcome m;

        if (s->state == LM_NS_HELLO && READ(welcome, &m)) {
            take_welcome(st, &m);
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
    case LM_MSG_ERROR: {
        struct lm_msg_error m;

        if (READ(error, &m)) {
            take_error(st, &m);
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
        lm_ns_set_status(st, "syncing");
    }
}

static void take_forked(struct lm_ns_step *st)
{
    struct lm_node_session *s = st->s;

    LM_CHECK(st->ev->forked.branch > s->config.branch);
    s->config.branch = st->ev->forked.branch;
    s->config.head = st->ev->forked.head;
    s->config.acked = st->ev->forked.acked;
    fill_chain_start(&s->config, &s->config.head);
    fill_chain_start(&s->config, &s->config.acked);
    lm_ns_up_rewind(st);
    begin_hello(st, st->now_ms);
}

static void take_event(struct lm_ns_step *st)
{
    const struct lm_node_event *ev = st->ev;
    struct lm_node_session *s = st->s;

    switch (ev->kind) {
    case LM_NE_TICK:
        break;
    case LM_NE_CONNECTED:
        if (s->state == LM_NS_OFFLINE || s->state == LM_NS_BARRED || s->state == LM_NS_HELLO) {
            begin_hello(st, st->now_ms);
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
        go_live(st);
        break;
    case LM_NE_FEED_APPLIED:
        lm_ns_down_applied(st, &ev->applied.cursor, ev->applied.wanted);
        break;
    case LM_NE_WANTED:
        lm_ns_down_wanted(st, ev->wanted.ids, ev->wanted.n);
        break;
    case LM_NE_HASH_CHECKED:
        LM_CHECK(s->state == LM_NS_CHECKING);
        if (ev->hash_ok) {
            store_welcome(st, &s->welcome);
        } else {
            lm_ns_fork(st, "hash_differs", 0);
        }
        break;
    case LM_NE_FORKED:
        LM_CHECK(s->state == LM_NS_FORKING);
        take_forked(st);
        break;
    case LM_NE_SEND_REFUSED:
        take_refused(st);
        break;
    case LM_NE_SYNC_NOW:
        take_sync_now(st);
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
    bool waiting = lm_ns_up_outstanding(s) || lm_ns_down_outstanding(s);

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
    bool synced = lm_ns_up_done(s) && lm_ns_down_done(s);

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
            say_hello(st);
        }
        if (st->now_ms - s->state_ms >= LM_NODE_WELCOME_WAIT_MS) {
            lm_ns_reset(st, "no_answer");
        }
    } else if (s->state == LM_NS_LIVE) {
        watch_silence(st);
        if (s->state == LM_NS_LIVE) {
            lm_ns_down_pump(st); /* PULL first: it tells the hub that the lease is held */
            lm_ns_up_pump(st);
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
