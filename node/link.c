/* The link's life: opening, the socket, readmission, one round after the other. What the session
 * wants done with what comes is link_effects.c's. */
#include "node/link_internal.h"

#include "common/base/log.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES (48 * 1024 * 1024) /* a decoded page of LM_FRAME_BYTES_MAX */
#define OFFERS_BYTES (4 * 1024 * 1024) /* one RECOVER before it is packed */
#define TICK_MS 500
#define MESSAGES_A_ROUND 64
#define READMIT_WAIT_MS 10000 /* for the answer to READMIT; the node's own key waits meanwhile */
#define READMIT_AGAIN_MS 240000
#define REFUSED_SURE_MS 3000 /* a key that the hub refuses for this long is refused */

static int64_t now_ms(void)
{
    return lm_clock_mono_ms();
}

/* ---- what status shows ---- */

bool lm_link_refused(struct lm_link *link)
{
    return link->dealer && link->readmit_until_ms < 0 &&
           strncmp(lm_dealer_state(link->dealer), "refused", 7) == 0;
}

bool lm_link_wrong_hub(struct lm_link *link)
{
    return link->dealer && strcmp(lm_dealer_state(link->dealer), "wrong hub key") == 0;
}

bool lm_link_why(struct lm_link *link, struct lm_error *err)
{
    const struct lm_node_status *s = &link->session.status;
    const char *state = link->dealer ? lm_dealer_state(link->dealer) : "";

    if (s->person_needed) {
        (void)lm_fail(err, LM_ERR_DENIED, s->code, "", "%s%.0s", "%.0s%s", s->zh, s->en);
        return true;
    }
    if (link->refused_ms >= 0) {
        (void)lm_fail(
            err, LM_ERR_DENIED, "refused", "",
            "镇服务器不认识本机的密钥，或已撤销本机的登记，请联系镇服务站。",
            "The hub does not know this PC's key, or has revoked it: ask the town station.");
        return now_ms() - link->refused_ms >= REFUSED_SURE_MS && link->readmit_until_ms < 0 &&
               (link->readmit_at_ms > 0 || link->key->certificate_len == 0);
    }
    if (link->wrong_ms >= 0) {
        (void)lm_fail(
            err, LM_ERR_NETWORK, "wrong_hub_key", "",
            "%s 上的服务器没有本机认得的密钥。镇里换过密钥而本机当时没联网的话：导出U盘数据包"
            "拿到镇里导入，再导入回复；或请镇里发新的入网文件，运行 lastmile-node enrol 文件 "
            "--renew。"
            "记录不会丢。",
            "The server at %s has no key that this PC knows. If the town changed its key while "
            "this "
            "PC was away: take a USB file to the town and import its reply here; or ask for a new "
            "kit and run `lastmile-node enrol KIT --renew`. No record is lost.",
            link->key->endpoint);
        return false;
    }
    if (strcmp(state, "not a Lastmile hub") == 0) {
        (void)lm_fail(
            err, LM_ERR_NETWORK, "not_a_hub", "", "%s 上的不是镇服务器，请核对地址和网络。",
            "What answers at %s is not a Lastmile hub: check the address and the network.",
            link->key->endpoint);
        return false;
    }
    if (link->session.state == LM_NS_LIVE) {
        (void)lm_fail(err, LM_ERR_TIMEOUT, s->code, "", "%s%.0s", "%.0s%s", s->zh, s->en);
    } else {
        (void)lm_fail(err, LM_ERR_TIMEOUT, "unreachable", "",
                      "连不上镇服务器 %s（%s）。记录都在本机，联网后自动上传。",
                      "The hub at %s cannot be reached (%s). Records are kept here and sent later.",
                      link->key->endpoint, state[0] ? state : s->code);
    }
    return false;
}

/* Notes for `status` what has changed. */
static void show(struct lm_link *link)
{
    struct lm_error why = {0}, err = {0};
    const char *state = "offline";
    bool refused;

    if (link->session.state == LM_NS_LIVE) {
        const struct lm_node_status *s = &link->session.status;

        state = "online";
        (void)lm_fail(&why, LM_OK, s->code, "", "%s%.0s", "%.0s%s", s->zh, s->en);
    } else {
        (void)lm_link_why(link, &why);
        if (link->session.status.person_needed || link->refused_ms >= 0 ||
            (link->wrong_ms >= 0 && now_ms() - link->wrong_ms >= REFUSED_SURE_MS)) {
            state = "refused";
        }
    }
    refused = strcmp(state, "refused") == 0;
    if (strcmp(why.code, link->shown) == 0 && refused == link->shown_refused) {
        return;
    }
    lm_log(LM_LOG_INFO, "link", "%s: %s", state, why.code);
    if (lm_nstore_set_state(link->store, state, why.code, why.zh, why.en, &err) == LM_OK) {
        (void)snprintf(link->shown, sizeof link->shown, "%s", why.code);
        link->shown_refused = refused;
    }
}

/* ---- life ---- */

static enum lm_status begin_session(struct lm_link *link, struct lm_error *err)
{
    struct lm_me me;
    struct lm_rand rnd;
    struct lm_node_config config;
    const struct lm_catalog *catalog = lm_nstore_catalog(link->store);
    enum lm_status st = lm_nstore_me(link->store, &me, err);

    memset(&config, 0, sizeof config);
    if (st == LM_OK) {
        st = lm_nstore_checkpoints(link->store, &config.checkpoints, err);
    }
    if (st != LM_OK) {
        return st;
    }
    if (me.replica != link->key->replica) {
        return lm_fail(
            err, LM_ERR_CORRUPT, "other_key", "",
            "密钥文件 node.key 不属于这个数据库：若换发登记没有完成，请用同一个入网文件再运行一次 "
            "lastmile-node enrol --renew；否则请把两者从同一份备份恢复。",
            "The key file node.key does not belong to this database: if `enrol --renew` "
            "did not finish, run it again with the same kit; else restore both from one "
            "copy.");
    }
    config.replica = me.replica;
    memcpy(config.hub_id, link->key->hub_id, sizeof config.hub_id);
    memcpy(config.hub_sign_key, link->key->hub_sign_key, sizeof config.hub_sign_key);
    config.pins = lm_nstore_pins(&me, link->key->hub_public_key);
    config.program = "lastmile-node " LM_PROGRAM_VERSION;
    lm_rand_seed_system(&rnd);
    config.seed = lm_rand_next(&rnd);
    config.branch = me.branch;
    config.head = me.head;
    config.acked = me.acked;
    config.safe_seq = me.safe_seq;
    config.lease = me.lease;
    config.cursor = me.cursor;
    config.seen = me.seen;
    config.incarnation = me.incarnation;
    config.proof = me.proof;
    config.catalog = catalog->number;
    memcpy(config.catalog_hash, catalog->hash, sizeof config.catalog_hash);
    lm_node_session_init(&link->session, &config);
    link->n_events = 0;
    link->restart_at_ms = -1;
    link->open_at_ms = now_ms();
    return LM_OK;
}

enum lm_status lm_link_open(struct lm_link *link, struct lm_nstore *store,
                            const struct lm_node_key *key, struct lm_error *err)
{
    enum lm_status st;

    memset(link, 0, sizeof *link);
    link->store = store;
    link->key = key;
    link->wrong_ms = -1;
    link->refused_ms = -1;
    link->readmit_until_ms = -1;
    lm_node_effects_init(&link->fx);
    lm_arena_init(&link->arena, ARENA_BYTES);
    lm_arena_init(&link->offers, OFFERS_BYTES);
    lm_batch_init(&link->batch);
    lm_buf_init(&link->packed, LM_FRAME_BYTES_MAX);
    link->wanted = calloc(LM_WANT_MAX, sizeof *link->wanted);
    if (!link->wanted) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    st = lm_context_new(&link->context);
    if (st != LM_OK) {
        return lm_fail(err, st, "network", "", "网络无法启动。",
                       "The network could not be started.");
    }
    return begin_session(link, err);
}

void lm_link_close(struct lm_link *link)
{
    struct lm_error err = {0};

    if (link->store && link->shown[0] && link->session.state == LM_NS_LIVE) {
        (void)!lm_nstore_set_state(link->store, "offline", "stopped", "同步已停止。",
                                   "Synchronisation has been stopped.", &err);
    }
    lm_dealer_close(&link->dealer);
    lm_context_destroy(&link->context);
    lm_node_effects_free(&link->fx);
    lm_arena_free(&link->arena);
    lm_arena_free(&link->offers);
    lm_batch_free(&link->batch);
    lm_buf_free(&link->packed);
    free(link->wanted);
    memset(link, 0, sizeof *link);
}

/* ---- which of the hub's keys ---- */

static const uint8_t *hub_key(const struct lm_link *link)
{
    const struct lm_hub_pins *pins = &link->session.config.pins;

    return link->use_second && pins->has_second ? pins->second : pins->first;
}

/* What answers has another key than the one that this socket holds it to: the other pinned one, at
 * once, and once between two RESETs. So the session's back-off goes for both together, and nobody
 * who only hangs up makes this PC try more often. */
static void try_other_key(struct lm_link *link)
{
    const char *state = link->dealer ? lm_dealer_state(link->dealer) : "connecting";

    if (lm_link_wrong_hub(link) && (link->tried_other || !link->session.config.pins.has_second)) {
        link->wrong_ms = link->wrong_ms >= 0 ? link->wrong_ms : now_ms();
    } else if (!lm_link_wrong_hub(link) && strcmp(state, "connecting") != 0) {
        link->wrong_ms = -1; /* another reason now, or none; between two sockets it stays */
    }
    if (!link->session.config.pins.has_second || link->tried_other || link->restart_at_ms >= 0 ||
        !lm_link_wrong_hub(link)) {
        return;
    }
    link->tried_other = true;
    link->use_second = !link->use_second;
    lm_log(LM_LOG_INFO, "link", "the hub has another key: trying the %s of the two pinned",
           link->use_second ? "second" : "first");
    link->readmit_until_ms = -1;
    lm_dealer_close(&link->dealer);
    link->open_at_ms = now_ms();
}

/* ---- readmission: the hub does not know this key; it may have gone back to before our enrolment */

static bool may_readmit(const struct lm_link *link)
{
    return link->refused_ms >= 0 && now_ms() - link->refused_ms >= REFUSED_SURE_MS &&
           link->key->certificate_len > 0 && now_ms() >= link->readmit_at_ms;
}

/* One try with the readmission key in the place of our own: no session is there meanwhile. */
static bool begin_readmit(struct lm_link *link)
{
    struct lm_error err = {0};
    struct lm_keypair keys;
    int64_t now = now_ms();

    if (!may_readmit(link)) {
        return false;
    }
    link->readmit_at_ms = now + READMIT_AGAIN_MS;
    lm_readmit_key(link->key->hub_id, hub_key(link), keys.public_key, keys.secret_key);
    if (lm_dealer_open(link->context, link->key->endpoint, hub_key(link), &keys, &link->dealer,
                       &err) != LM_OK) {
        return false;
    }
    link->readmit_until_ms = now + READMIT_WAIT_MS;
    link->readmit_asked = false;
    lm_log(LM_LOG_INFO, "link", "the hub does not know this key: showing the certificate");
    return true;
}

static void end_readmit(struct lm_link *link)
{
    link->readmit_until_ms = -1;
    lm_dealer_close(&link->dealer);
    link->open_at_ms = now_ms();
}

static void ask_readmit(struct lm_link *link)
{
    struct lm_msg_readmit m = {.certificate = link->key->certificate,
                               .certificate_len = link->key->certificate_len};
    struct lm_buf body;

    lm_buf_init(&body, LM_FRAME_BYTES_MAX);
    lm_readmit_pack(&body, &m);
    link->readmit_asked = body.status == LM_OK && lm_dealer_send(link->dealer, LM_MSG_READMIT,
                                                                 body.data, body.len) == LM_OK;
    lm_buf_free(&body);
}

static void take_readmit(struct lm_link *link, const struct lm_incoming *in)
{
    struct lm_error err = {0};
    struct lm_msg_readmitted m;
    struct lm_msg_error e;

    lm_arena_reset(&link->arena);
    if (in->kind == LM_MSG_READMITTED &&
        lm_readmitted_read(in->body, in->n, &link->arena, &m, &err) == LM_OK) {
        lm_log(LM_LOG_INFO, "link", "readmitted");
        link->refused_ms = -1;
    } else if (in->kind == LM_MSG_ERROR &&
               lm_error_read(in->body, in->n, &link->arena, &e, &err) == LM_OK) {
        lm_log(LM_LOG_WARN, "link", "not readmitted: %s", e.code);
    }
    link->readmit_until_ms = 0; /* whatever it says: our own key again */
}

/* What a round does for it: asks once, gives up waiting, and begins a try when our own key goes on
 * being refused. */
static void drive_readmit(struct lm_link *link, int64_t now)
{
    if (link->readmit_until_ms >= 0) {
        if (link->dealer && !link->readmit_asked) {
            ask_readmit(link);
        }
        if (now >= link->readmit_until_ms) {
            end_readmit(link);
        }
    }
    if (lm_link_refused(link) && link->refused_ms < 0) {
        link->refused_ms = now;
    }
    if (lm_link_refused(link) && may_readmit(link)) {
        lm_dealer_close(&link->dealer);
        if (!begin_readmit(link)) {
            link->open_at_ms = now;
        }
    }
}

static void open_socket(struct lm_link *link)
{
    struct lm_error err = {0};
    struct lm_node_event ev = {.kind = LM_NE_CONNECTED};

    link->open_at_ms = -1;
    link->connection = 1;
    lm_dealer_close(&link->dealer);
    if (begin_readmit(link)) {
        return;
    }
    link->use_second = link->use_second && link->session.config.pins.has_second;
    ev.connected.second = link->use_second;
    if (lm_dealer_open(link->context, link->key->endpoint, hub_key(link), &link->key->own,
                       &link->dealer, &err) != LM_OK) {
        lm_log(LM_LOG_ERROR, "link", "cannot make a socket: %s", err.en);
        link->open_at_ms = now_ms() + LM_LINK_RESTART_MS;
        return;
    }
    lm_link_give(link, &ev);
}

/* libzmq connects again by itself when a line was torn. To the hub that is another peer: what it
 * says without a HELLO is left unread, and looks like a second installation's. */
static void greet_again(struct lm_link *link)
{
    const struct lm_node_event ev = {.kind = LM_NE_CONNECTED, .connected.second = link->use_second};
    uint32_t now = link->dealer ? lm_dealer_connections(link->dealer) : 0;

    if (now > link->connection && link->readmit_until_ms < 0 &&
        (link->session.state == LM_NS_HELLO || link->session.state == LM_NS_LIVE)) {
        lm_log(LM_LOG_INFO, "link", "the line was torn and is there again: greeting");
        link->connection = now;
        lm_link_give(link, &ev);
    }
}

static void receive(struct lm_link *link)
{
    for (int i = 0; i < MESSAGES_A_ROUND && link->dealer; i++) {
        struct lm_incoming in;
        struct lm_node_event ev = {.kind = LM_NE_MESSAGE};
        const struct lm_dealer *from = link->dealer;

        if (lm_dealer_receive(link->dealer, 0, &in) != LM_OK) {
            return;
        }
        if (link->readmit_until_ms >= 0) {
            take_readmit(link, &in);
        } else if (!in.hostile) {
            lm_arena_reset(&link->arena);
            ev.message.kind = in.kind;
            ev.message.body = in.body;
            ev.message.n = in.n;
            ev.message.arena = &link->arena;
            lm_link_give(link, &ev);
        }
        if (link->dealer == from) { /* a RESET closed it, and with it what it had received */
            lm_incoming_release(&in);
        }
    }
}

void lm_link_poke(struct lm_link *link)
{
    struct lm_error err = {0};
    struct lm_me me;
    struct lm_node_event ev = {.kind = LM_NE_OUTBOX};

    if (lm_nstore_me(link->store, &me, &err) != LM_OK) {
        lm_log(LM_LOG_WARN, "link", "cannot look at the outbox: %s", err.en);
        return;
    }
    if (me.catalog !=
        link->session.config.catalog) { /* another process brought one: a new program */
        lm_node_session_catalog(&link->session, me.catalog, me.catalog_hash);
    }
    if (me.branch == link->session.config.branch && me.head.seq > link->session.config.head.seq) {
        ev.head = me.head;
        lm_link_give(link, &ev);
    }
}

void lm_link_restart(struct lm_link *link)
{
    link->restart_at_ms = now_ms();
}

void lm_link_hurry(struct lm_link *link)
{
    const struct lm_node_event ev = {.kind = LM_NE_SYNC_NOW};

    if (link->restart_at_ms > 0) {
        link->restart_at_ms = now_ms();
        return;
    }
    lm_link_poke(link);
    lm_link_give(link, &ev);
}

/* Waits without a socket. */
static void wait_fds(const int *fds, size_t n, bool *ready, int timeout_ms)
{
    struct pollfd polled[8];

    LM_CHECK(n <= sizeof polled / sizeof *polled);
    for (size_t i = 0; i < n; i++) {
        polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        ready[i] = false;
    }
    if (poll(polled, n, timeout_ms) > 0) {
        for (size_t i = 0; i < n; i++) {
            ready[i] = (polled[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
        }
    }
}

void lm_link_round(struct lm_link *link, const int *fds, size_t n_fds, bool *ready, int timeout_ms)
{
    struct lm_error err = {0};
    bool message = false;
    int64_t now = now_ms();
    int wait_ms = timeout_ms > LM_LINK_POLL_MS ? LM_LINK_POLL_MS : timeout_ms;

    if (link->restart_at_ms >= 0 && now >= link->restart_at_ms &&
        begin_session(link, &err) != LM_OK) {
        lm_link_fail(link, "cannot begin a session", &err);
    }
    if (link->restart_at_ms < 0 && link->open_at_ms >= 0 && now >= link->open_at_ms) {
        open_socket(link);
    } else if (link->open_at_ms >= 0 && link->open_at_ms - now < wait_ms) {
        wait_ms = link->open_at_ms > now ? (int)(link->open_at_ms - now) : 0;
    }
    if (link->dealer) {
        enum lm_status st = lm_dealer_wait(link->dealer, fds, n_fds, ready, wait_ms, &message);

        if (st != LM_OK && st != LM_ERR_TIMEOUT) {
            lm_log(LM_LOG_ERROR, "link", "waiting failed: %s", lm_status_name(st));
            wait_fds(fds, n_fds, ready, wait_ms);
        }
    } else {
        wait_fds(fds, n_fds, ready, wait_ms);
    }
    greet_again(link);
    receive(link);
    try_other_key(link);
    now = now_ms();
    drive_readmit(link, now);
    if (link->restart_at_ms < 0 && now - link->tick_ms >= TICK_MS) {
        const struct lm_node_event ev = {.kind = LM_NE_TICK};

        link->tick_ms = now;
        lm_link_poke(link);
        lm_link_give(link, &ev);
    }
    show(link);
}
