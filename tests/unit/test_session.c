/* The two sessions: against each other over a bad network (200 seeds), and each alone, rule by
 * rule. */
#include "session_world.h"

#include "proto/proof.h"

#include <sodium.h>

#define SEEDS 200
#define FAULTY_MS (150 * 1000)

/* Two minutes and a half of work under faults, restarts of either side among them. */
static void run_faulty(struct world *w, uint64_t seed)
{
    w->faults = true;
    w->loss_percent = seed % 4 == 0 ? 0 : seed % 12;
    w->repeat_percent = seed % 7;
    while (w->now_ms < FAULTY_MS) {
        if (chance(w, 4) && w->next_id < 400) {
            for (uint64_t n = lm_rand_below(&w->rnd, 20); n > 0; n--) {
                node_write(w);
            }
        }
        if (chance(w, 1) && w->journal_n < 1500) {
            struct lm_hub_event news = {.kind = LM_HE_NEWS};

            journal_add(w, false);
            news.position = w->journal_n;
            hub_event(w, &news, 0);
        }
        if (lm_rand_below(&w->rnd, 1000) == 0) {
            node_start(w);
        }
        if (lm_rand_below(&w->rnd, 1000) == 0) {
            hub_start(w);
        }
        if (lm_rand_below(&w->rnd, 1500) == 0 && w->catalog < 9) {
            struct lm_hub_event imported = {.kind = LM_HE_CATALOG};

            w->catalog++;
            hub_event(w, &imported, 0);
        }
        w->loaded = chance(w, 20);
        world_step(w);
    }
}

static void test_bad_network(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *w = world_new(seed);

        run_faulty(w, seed);
        world_settle(w);
        assert_int_equal(w->node.log.branch, 1); /* nobody went back, so nobody forks */
        assert_int_equal(w->forks, 0);
        assert_int_equal(w->clones, 0);
        assert_true(w->synced > 0);
        assert_string_equal(w->status, "synced");
        for (uint64_t i = 0; i < w->hub_log.n; i++) { /* in order */
            assert_int_equal(w->hub_log.changes[i].id, i + 1);
        }
        world_free(w);
    }
}

static void test_same_seed_same_run(void **state)
{
    uint8_t digest[2][LM_HASH_BYTES];

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world *w = world_new(4711);

        run_faulty(w, 11);
        world_settle(w);
        memcpy(digest[i], w->digest, LM_HASH_BYTES);
        world_free(w);
    }
    assert_memory_equal(digest[0], digest[1], LM_HASH_BYTES);
}

/* The database comes back as it was some time ago: outbox cut, older lease, and new work on top. */
static void test_node_rolled_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world *w = world_new(seed + 1000);
        uint64_t kept;

        for (int i = 0; i < 30; i++) {
            node_write(w);
        }
        world_settle(w);
        for (uint64_t i = lm_rand_below(&w->rnd, 10); i > 0; i--) {
            node_write(w); /* not sent yet when the copy is made */
        }
        w->saved = w->node;
        kept = w->next_id;
        if (seed % 3 != 0) {
            node_start(w); /* another session: the lease of the copy becomes an old one */
        }
        for (uint64_t i = 5 + lm_rand_below(&w->rnd, 10); i > 0; i--) {
            node_write(w);
        }
        if (seed % 2 == 0) {
            run_faulty(w, seed);
        }
        world_settle(w);
        for (uint64_t id = kept; id < w->next_id; id++) {
            w->lost[id] = true;
            assert_int_equal(w->effects[id], 1); /* they had arrived, and stay */
        }
        w->node = w->saved;
        node_start(w);
        for (uint64_t i = lm_rand_below(&w->rnd, 30); i > 0; i--) {
            node_write(w);
        }
        world_settle(w);
        assert_true(w->forks >= 1);
        assert_int_equal(w->node.log.branch, w->forks + 1);
        assert_int_equal(w->clones, 0);
        for (uint64_t id = 1; id < w->next_id; id++) {
            assert_int_equal(w->effects[id], 1);
        }
        world_free(w);
    }
}

/* Two installations that run at once under one key are found out, whichever comes second. */
static void test_clone_alive(void **state)
{
    struct world *w = world_new(3);
    struct lm_buf pull;
    struct lm_msg_pull m = {.max_bytes = 1000};

    (void)state;
    node_write(w);
    world_settle(w);
    m.session = w->hs.session;
    lm_buf_init(&pull, 1000);
    lm_pull_pack(&pull, &m);
    for (int i = 0; i < 6 && w->clones == 0; i++) {
        struct lm_hub_event ev = {.kind = LM_HE_MESSAGE};

        lm_arena_reset(&w->harena);
        ev.message.peer = 999;
        ev.message.kind = LM_MSG_PULL;
        ev.message.body = pull.data;
        ev.message.n = pull.len;
        ev.message.arena = &w->harena;
        hub_event(w, &ev, 999);
        assert_true(w->clones == 0 || i > 0); /* one late message proves nothing */
        for (int64_t end_ms = w->now_ms + 25000; w->now_ms < end_ms;) {
            world_step(w);
        }
    }
    assert_int_equal(w->clones, 1);
    node_write(w); /* the one that greeted last is served on */
    world_settle(w);
    assert_int_equal(w->ns.state, LM_NS_LIVE);
    assert_int_equal(w->clones, 1);
    lm_buf_free(&pull);
    world_free(w);
}

/* ---- the node alone ---- */

static int count(const struct world *w, enum lm_node_effect_kind kind)
{
    int n = 0;

    for (size_t i = 0; i < w->nfx.n; i++) {
        n += w->nfx.items[i].kind == kind;
    }
    return n;
}

static const struct lm_node_effect *find(const struct world *w, enum lm_node_effect_kind kind)
{
    for (size_t i = 0; i < w->nfx.n; i++) {
        if (w->nfx.items[i].kind == kind) {
            return &w->nfx.items[i];
        }
    }
    fail_msg("effect %d is missing", (int)kind);
    return NULL;
}

static void give(struct world *w, struct lm_node_event ev)
{
    ev.mono_ms = w->now_ms;
    ev.wall_ms = w->now_ms;
    lm_node_session_step(&w->ns, &ev, &w->nfx);
}

static void give_bytes(struct world *w, uint8_t kind, const void *body, size_t n)
{
    struct lm_node_event ev = {.kind = LM_NE_MESSAGE};

    lm_arena_reset(&w->narena);
    ev.message.kind = kind;
    ev.message.body = body;
    ev.message.n = n;
    ev.message.arena = &w->narena;
    give(w, ev);
}

static void give_error(struct world *w, const char *code, const char *text, uint32_t retry_after_s)
{
    struct lm_buf buf;

    lm_buf_init(&buf, 1000);
    lm_error_message(&buf, code, text, retry_after_s);
    give_bytes(w, LM_MSG_ERROR, buf.data, buf.len);
    lm_buf_free(&buf);
}

static struct lm_msg_welcome welcome_of(const struct world *w, uint64_t lease)
{
    struct lm_msg_welcome m = {.protocol = 1,
                               .session = 9,
                               .incarnation = {1, 5},
                               .branch = 1,
                               .lease = {lease, 77},
                               .catalog = 1,
                               .hub_time_ms = HUB_EPOCH_MS,
                               .credit = 4};

    m.acked = log_head(&w->node.log, 0);
    return m;
}

static void give_welcome(struct world *w, const struct lm_msg_welcome *m)
{
    struct lm_buf buf;

    lm_buf_init(&buf, 1000);
    lm_welcome_pack(&buf, m);
    assert_int_equal(buf.status, LM_OK);
    give_bytes(w, LM_MSG_WELCOME, buf.data, buf.len);
    lm_buf_free(&buf);
}

static void give_ack(struct world *w, uint64_t seq, uint32_t credit)
{
    struct lm_msg_ack m = {.branch = 1, .credit = credit};
    struct lm_buf buf;

    m.acked = log_head(&w->node.log, seq);
    lm_buf_init(&buf, 1000);
    lm_ack_pack(&buf, &m);
    give_bytes(w, LM_MSG_ACK, buf.data, buf.len);
    lm_buf_free(&buf);
}

static struct world *connected(uint64_t changes)
{
    struct world *w = world_new(1);

    for (uint64_t i = 0; i < changes; i++) {
        node_write(w);
    }
    node_start(w);
    give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_HELLO);
    return w;
}

static struct world *live(uint64_t changes)
{
    struct world *w = connected(changes);
    struct lm_msg_welcome m = welcome_of(w, 1);

    give_welcome(w, &m);
    assert_int_equal(w->ns.state, LM_NS_STORING);
    assert_int_equal(count(w, LM_NX_STORE_WELCOME), 1);
    assert_int_equal(count(w, LM_NX_SEND), 0); /* nothing before the lease is durable */
    give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
    assert_int_equal(w->ns.state, LM_NS_LIVE);
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_PULL);
    return w;
}

/* A program that gave up the socket by itself: on the fresh one HELLO comes first. */
static void test_fresh_socket_while_live(void **state)
{
    struct world *w = live(3);
    struct lm_msg_welcome m = welcome_of(w, 2);

    (void)state;
    give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
    assert_int_equal(w->ns.state, LM_NS_HELLO);
    assert_int_equal(count(w, LM_NX_SEND), 1);
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_HELLO);
    w->now_ms += 1000;
    give(w, (struct lm_node_event){.kind = LM_NE_TICK});
    assert_int_equal(count(w, LM_NX_SEND), 0);
    give_welcome(w, &m);
    give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
    assert_int_equal(w->ns.state, LM_NS_LIVE);
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_PULL);
    world_free(w);
}

/* Answers READ_BATCH of the step before. */
static void give_batch(struct world *w)
{
    struct answer a;

    node_read_batch(w, find(w, LM_NX_READ_BATCH)->read_batch.from_seq);
    a = w->answers[--w->n_answers];
    give(w, a.ev);
    free(a.packed);
}

static void test_no_welcome(void **state)
{
    struct world *w = connected(0);
    uint32_t delay_ms = 0;

    (void)state;
    for (int i = 0; i < 12; i++) {
        const struct lm_node_effect *e;

        w->now_ms += LM_NODE_WELCOME_WAIT_MS - 1;
        give(w, (struct lm_node_event){.kind = LM_NE_TICK});
        assert_int_equal(count(w, LM_NX_RESET), 0);
        w->now_ms += 1;
        give(w, (struct lm_node_event){.kind = LM_NE_TICK});
        e = find(w, LM_NX_RESET);
        delay_ms = e->reset.delay_ms;
        assert_true(delay_ms >= (i < 9 ? 500u << i : LM_NODE_BACKOFF_MAX_MS / 2));
        assert_true(delay_ms <= (i < 9 ? 1000u << i : LM_NODE_BACKOFF_MAX_MS));
        assert_int_equal(w->ns.state, LM_NS_OFFLINE);
        assert_string_equal(w->ns.status.code, "no_answer");
        give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
    }
    world_free(w);
}

static void test_barred_until_mended(void **state)
{
    static const char *const codes[] = {"revoked", "unknown", "protocol", "clone", "catalogue"};

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct world *w = connected(0);
        struct lm_msg_welcome m = welcome_of(w, 1);

        give_error(w, codes[i], "", 300);
        assert_int_equal(w->ns.state, LM_NS_BARRED);
        assert_true(find(w, LM_NX_RESET)->reset.delay_ms >= LM_NODE_BACKOFF_MAX_MS / 2);
        assert_string_equal(find(w, LM_NX_STATUS)->status.code, codes[i]);
        assert_true(find(w, LM_NX_STATUS)->status.person_needed);
        give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
        assert_string_equal(w->ns.status.code, codes[i]); /* still shown while it tries */
        give_welcome(w, &m);
        give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
        assert_string_equal(w->ns.status.code, "syncing");
        world_free(w);
    }
}

static void test_refuses_other_hubs(void **state)
{
    struct world *w = connected(0);
    struct lm_msg_welcome m = welcome_of(w, 1);

    (void)state;
    w->ns.config.incarnation = (struct lm_incarnation){2, 5};
    give_welcome(w, &m); /* an older incarnation */
    assert_string_equal(w->ns.status.code, "hub_older");
    give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
    m.incarnation = (struct lm_incarnation){2, 6}; /* a rival */
    give_welcome(w, &m);
    assert_int_equal(w->ns.state, LM_NS_BARRED);
    give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
    m.incarnation.random = 5;
    memset(w->ns.config.hub_id, 3, 16);
    give_welcome(w, &m);
    assert_string_equal(w->ns.status.code, "other_hub");
    give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
    memset(m.hub_id, 3, 16);
    m.incarnation.counter = 3; /* restored from a backup: accepted, and said so */
    give_welcome(w, &m);
    assert_true(find(w, LM_NX_STORE_WELCOME)->welcome.incarnation_changed);
    assert_false(find(w, LM_NX_STORE_WELCOME)->welcome.hub_went_back); /* nothing seen is gone */
    give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
    assert_int_equal(w->ns.state, LM_NS_LIVE);
    assert_true(w->ns.quiet_until_ms <= w->now_ms + LM_NODE_INCARNATION_JITTER_MS);
    world_free(w);
}

static void test_window_and_acks(void **state)
{
    struct world *w = live(5 * BATCH_CHANGES);

    (void)state;
    for (int i = 0; i < LM_WINDOW_MAX; i++) {
        assert_int_equal(w->ns.n_flights, i);
        give_batch(w);
        assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_PUSH);
        assert_int_equal(find(w, LM_NX_SEND)->send.first_seq, 1 + i * BATCH_CHANGES);
    }
    assert_int_equal(count(w, LM_NX_READ_BATCH), 0); /* the window is full */
    give_ack(w, BATCH_CHANGES, 4);
    assert_int_equal(find(w, LM_NX_SET_ACKED)->acked.head.seq, BATCH_CHANGES);
    assert_int_equal(w->ns.n_flights, 3);
    give_batch(w);
    assert_int_equal(w->ns.n_flights, 4);
    give_ack(w, 3, 4); /* late: only WELCOME lowers acked */
    assert_int_equal(w->ns.config.acked.seq, BATCH_CHANGES);
    assert_int_equal(count(w, LM_NX_SET_ACKED), 0);
    give_ack(w, 3 * BATCH_CHANGES + 2, 1); /* in the midst of a batch, and less credit */
    assert_int_equal(w->ns.n_flights, 2);
    assert_int_equal(count(w, LM_NX_READ_BATCH), 0);
    w->now_ms += LM_NODE_RESEND_MS;
    give(w, (struct lm_node_event){.kind = LM_NE_TICK});
    assert_int_equal(find(w, LM_NX_READ_BATCH)->read_batch.from_seq, 3 * BATCH_CHANGES + 3);
    give_batch(w);
    give_ack(w, 4 * BATCH_CHANGES + 2, 1);
    give_batch(w);
    give_ack(w, 5 * BATCH_CHANGES, 1);
    assert_int_equal(w->ns.n_flights, 0);
    give_batch(w); /* the outbox is empty: count 0 says so */
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_PUSH);
    assert_true(w->ns.beat_wait);
    world_free(w);
}

static void test_ack_of_another_log(void **state)
{
    struct world *w = live(3);

    (void)state;
    give_batch(w);
    w->node.log.hash[3][0] ^= 1;
    give_ack(w, 3, 4);
    assert_int_equal(count(w, LM_NX_RESET), 1);
    assert_int_equal(w->ns.config.acked.seq, 0);
    world_free(w);
}

static void test_fork_when_hub_has_more(void **state)
{
    struct world *w = connected(2);
    struct lm_msg_welcome m = welcome_of(w, 1);

    (void)state;
    m.acked.seq = 3;
    give_welcome(w, &m);
    assert_string_equal(find(w, LM_NX_FORK)->fork.reason, "acked_beyond_head");
    assert_int_equal(find(w, LM_NX_FORK)->fork.branch_min, 2);
    give_welcome(w, &m); /* nothing moves until FORKED */
    give_error(w, "revoked", "", 0);
    assert_int_equal(w->ns.state, LM_NS_FORKING);
    give(w, (struct lm_node_event){.kind = LM_NE_FORKED, .forked = {.branch = 2}});
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_HELLO);
    give_error(w, "rolled_back", "branch=1", 0); /* a late one, of the former branch */
    assert_int_equal(w->ns.state, LM_NS_HELLO);
    give_error(w, "rolled_back", "branch=6", 0);
    assert_int_equal(find(w, LM_NX_FORK)->fork.branch_min, 7);
    world_free(w);

    w = connected(2);
    m.acked = log_head(&w->node.log, 1);
    give_welcome(w, &m);
    assert_int_equal(find(w, LM_NX_CHECK_HASH)->check.seq, 1);
    give(w, (struct lm_node_event){.kind = LM_NE_HASH_CHECKED, .hash_ok = false});
    assert_string_equal(find(w, LM_NX_FORK)->fork.reason, "hash_differs");
    world_free(w);
}

/* What was read before a rewind is not sent after it. */
static void test_batch_read_before_rewind(void **state)
{
    struct world *w = live(3 * BATCH_CHANGES);
    struct answer late;

    (void)state;
    give_batch(w);
    node_read_batch(w, find(w, LM_NX_READ_BATCH)->read_batch.from_seq);
    late = w->answers[--w->n_answers];
    w->now_ms += LM_NODE_RESEND_MS;
    give(w, (struct lm_node_event){.kind = LM_NE_TICK});
    assert_int_equal(w->ns.n_flights, 0);
    give(w, late.ev);
    free(late.packed);
    assert_int_equal(w->ns.state, LM_NS_LIVE);
    assert_int_equal(w->ns.n_flights, 0);
    assert_int_equal(find(w, LM_NX_READ_BATCH)->read_batch.from_seq, 1);
    give_batch(w);
    assert_int_equal(find(w, LM_NX_SEND)->send.first_seq, 1);
    world_free(w);
}

static void test_welcome_of_an_earlier_hello(void **state)
{
    struct world *w = connected(0);
    struct lm_msg_welcome m = welcome_of(w, 4);

    (void)state;
    w->ns.config.lease.counter = 4;
    give_welcome(w, &m); /* the lease is not newer than the one held */
    assert_int_equal(w->ns.state, LM_NS_HELLO);
    m.lease.counter = 5;
    m.branch = 2;
    give_welcome(w, &m);
    assert_int_equal(w->ns.state, LM_NS_HELLO);
    m.branch = 1;
    give_welcome(w, &m);
    assert_int_equal(w->ns.state, LM_NS_STORING);
    world_free(w);
}

static void test_as_of_follows_hub_time(void **state)
{
    struct world *w = live(0);
    struct lm_msg_push push;
    struct lm_error err;
    int64_t asked_ms;

    (void)state;
    give(w,
         (struct lm_node_event){.kind = LM_NE_TICK}); /* READ_BATCH was given with WELCOME_STORED */
    assert_true(w->ns.reading);
    asked_ms = w->now_ms;
    w->now_ms += 1234;
    node_read_batch(w, 1);
    give(w, w->answers[--w->n_answers].ev);
    assert_int_equal(lm_push_read(lm_node_effect_bytes(&w->nfx, find(w, LM_NX_SEND)),
                                  find(w, LM_NX_SEND)->send.len, &w->narena, &push, &err),
                     LM_OK);
    assert_int_equal(push.count, 0);
    assert_int_equal(push.as_of_ms, HUB_EPOCH_MS + asked_ms - w->ns.mono_base_ms);
    world_free(w);
}

static void test_silence_and_refusals(void **state)
{
    struct world *w = live(0);

    (void)state;
    /* PULL unanswered, asked again every 30 s, nothing heard for 90 s. */
    for (int i = 0; i < 89; i++) {
        w->now_ms += 1000;
        give(w, (struct lm_node_event){.kind = LM_NE_TICK});
        assert_int_equal(w->ns.state, LM_NS_LIVE);
        assert_true(count(w, LM_NX_SEND) <= 1);
    }
    w->now_ms += 1000;
    give(w, (struct lm_node_event){.kind = LM_NE_TICK});
    assert_int_equal(w->ns.state, LM_NS_OFFLINE);
    assert_string_equal(w->ns.status.code, "lost");
    world_free(w);

    w = live(0);
    for (int i = 0; i < 15; i++) { /* the transport takes nothing */
        assert_int_equal(w->ns.state, LM_NS_LIVE);
        give(w,
             (struct lm_node_event){.kind = LM_NE_SEND_REFUSED, .refused = {.kind = LM_MSG_PULL}});
        w->now_ms += 1000;
        give(w, (struct lm_node_event){.kind = LM_NE_TICK});
    }
    assert_int_equal(w->ns.state, LM_NS_OFFLINE);
    world_free(w);
}

/* The disk is full: nothing is taken for done, and everything is tried again. */
static void test_store_failures(void **state)
{
    struct world *w = connected(0);
    struct lm_msg_welcome m = welcome_of(w, 1);
    struct lm_msg_feed page = {.session = 9, .branch = 1, .next = {.position = 4}, .done = true};
    struct lm_buf buf;

    (void)state;
    give_welcome(w, &m);
    give(w, (struct lm_node_event){.kind = LM_NE_FAILED});
    assert_int_equal(w->ns.state, LM_NS_OFFLINE);
    assert_int_equal(count(w, LM_NX_RESET), 1);
    assert_string_equal(w->ns.status.code, "store_failed");
    assert_int_equal(w->ns.config.lease.counter, 0);
    world_free(w);

    w = live(0);
    give(w, (struct lm_node_event){.kind = LM_NE_BATCH}); /* first_seq 0: not read */
    assert_int_equal(count(w, LM_NX_SEND) + count(w, LM_NX_READ_BATCH), 0);
    lm_buf_init(&buf, 4000);
    page.acked = log_head(&w->node.log, 0);
    lm_feed_pack(&buf, &page);
    give_bytes(w, LM_MSG_FEED, buf.data, buf.len);
    assert_int_equal(count(w, LM_NX_APPLY_FEED), 1);
    give(w, (struct lm_node_event){.kind = LM_NE_FEED_APPLIED}); /* the cursor has not moved */
    assert_false(w->ns.feed_done);
    assert_int_equal(count(w, LM_NX_SEND), 0);
    w->now_ms += LM_PULL_AGAIN_MS;
    give(w, (struct lm_node_event){.kind = LM_NE_TICK});
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_PULL);
    assert_int_equal(w->ns.config.cursor.position, 0);
    lm_buf_free(&buf);
    world_free(w);
}

static void test_odd_messages(void **state)
{
    struct world *w = live(0);

    (void)state;
    give_bytes(w, 99, "x", 1);
    assert_int_equal(count(w, LM_NX_LOG), 1);
    assert_int_equal(w->ns.state, LM_NS_LIVE);
    give_error(w, "busy", "", 20);
    assert_string_equal(w->ns.status.code, "busy");
    w->now_ms += 19000;
    give(w, (struct lm_node_event){.kind = LM_NE_SEND_REFUSED, .refused = {.kind = LM_MSG_PUSH}});
    assert_int_equal(count(w, LM_NX_SEND) + count(w, LM_NX_READ_BATCH), 0);
    w->now_ms += 1000;
    give(w, (struct lm_node_event){.kind = LM_NE_TICK});
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_PULL);
    give_error(w, "hello_first", "", 1);
    assert_int_equal(w->ns.state, LM_NS_HELLO);
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_HELLO);
    give_bytes(w, LM_MSG_WELCOME, "\xc0", 1); /* malformed */
    assert_int_equal(w->ns.state, LM_NS_OFFLINE);
    give(w, (struct lm_node_event){.kind = LM_NE_SYNC_NOW});
    assert_int_equal(find(w, LM_NX_RESET)->reset.delay_ms, 0);
    give(w, (struct lm_node_event){.kind = LM_NE_STOP});
    give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
    assert_int_equal(w->nfx.n, 0);
    assert_int_equal(w->ns.state, LM_NS_STOPPED);
    world_free(w);
}

/* ---- the hub alone ---- */

static void hub_give(struct world *w, uint64_t peer, uint8_t kind, const struct lm_buf *body)
{
    struct lm_hub_now now = {
        .mono_ms = w->now_ms, .hub_time_ms = HUB_EPOCH_MS, .incarnation = {1, 5}, .catalog = 1};
    struct lm_hub_event ev = {.kind = LM_HE_MESSAGE, .now = &now, .view = &w->view};

    lm_arena_reset(&w->harena);
    ev.message.peer = peer;
    ev.message.kind = kind;
    ev.message.body = body->data;
    ev.message.n = body->len;
    ev.message.arena = &w->harena;
    lm_hub_session_step(&w->hs, &ev, &w->hfx);
}

/* The code of the ERROR among the effects, or "". */
static const char *hub_error(struct world *w, struct lm_msg_error *m)
{
    for (size_t i = 0; i < w->hfx.n; i++) {
        const struct lm_hub_effect *e = &w->hfx.items[i];
        struct lm_error err;

        if (e->kind == LM_HX_SEND && e->send.kind == LM_MSG_ERROR) {
            assert_int_equal(
                lm_error_read(lm_hub_effect_bytes(&w->hfx, e), e->send.len, &w->harena, m, &err),
                LM_OK);
            return m->code;
        }
    }
    return "";
}

static bool hub_did(const struct world *w, enum lm_hub_effect_kind kind)
{
    for (size_t i = 0; i < w->hfx.n; i++) {
        if (w->hfx.items[i].kind == kind) {
            return true;
        }
    }
    return false;
}

static void hub_hello(struct world *w, uint64_t branch, struct lm_lease lease, uint64_t protocol)
{
    struct lm_msg_hello m = {.protocol_min = protocol,
                             .protocol_max = protocol,
                             .branch = branch,
                             .lease = lease,
                             .program = "t"};
    struct lm_buf buf;

    lm_buf_init(&buf, 2000);
    lm_hello_pack(&buf, &m);
    hub_start(w);
    hub_give(w, 1, LM_MSG_HELLO, &buf);
    lm_buf_free(&buf);
}

static void test_who_may_say_hello(void **state)
{
    struct world *w = world_new(1);
    struct lm_msg_error m;
    struct lm_buf empty;

    (void)state;
    lm_buf_init(&empty, 10);
    hub_give(w, 1, LM_MSG_PULL, &empty);
    assert_string_equal(hub_error(w, &m), "hello_first");
    hub_give(w, 1, LM_MSG_HELLO, &empty);
    assert_string_equal(hub_error(w, &m), "malformed");
    hub_hello(w, 1, (struct lm_lease){0, 0}, LM_PROTOCOL_MAX + 1);
    assert_string_equal(hub_error(w, &m), "protocol");
    hub_hello(w, 1, (struct lm_lease){0, 0}, 1);
    assert_true(hub_did(w, LM_HX_STORE_HELLO)); /* the first of all */

    w->view.branch = 2;
    w->view.issued = (struct lm_lease){9, 90};
    w->view.confirmed = (struct lm_lease){7, 70};
    hub_hello(w, 2, (struct lm_lease){7, 70}, 1);
    assert_true(hub_did(w, LM_HX_STORE_HELLO));
    assert_int_equal(w->hs.lease.counter, 10);
    hub_hello(w, 2, (struct lm_lease){9, 90}, 1);
    assert_true(hub_did(w, LM_HX_STORE_HELLO));
    hub_hello(w, 2, (struct lm_lease){8, 80}, 1); /* issued between the two */
    assert_true(hub_did(w, LM_HX_STORE_HELLO));
    hub_hello(w, 2, (struct lm_lease){12, 1}, 1); /* the hub was restored */
    assert_true(hub_did(w, LM_HX_STORE_HELLO));
    assert_int_equal(w->hs.lease.counter, 13);
    hub_hello(w, 2, (struct lm_lease){6, 60}, 1);
    assert_string_equal(hub_error(w, &m), "rolled_back");
    assert_string_equal(m.text, "branch=2");
    assert_true(hub_did(w, LM_HX_ROLLED_BACK));
    hub_hello(w, 3, (struct lm_lease){6, 60}, 1); /* what the node does then */
    assert_true(hub_did(w, LM_HX_STORE_HELLO));
    hub_hello(w, 1, (struct lm_lease){9, 90}, 1);
    assert_string_equal(hub_error(w, &m), "rolled_back");
    hub_hello(w, 2, (struct lm_lease){9, 91}, 1);
    assert_string_equal(hub_error(w, &m), "clone");
    assert_true(hub_did(w, LM_HX_CLONE));
    hub_hello(w, 3, (struct lm_lease){7, 71}, 1); /* a fork does not launder it */
    assert_string_equal(hub_error(w, &m), "clone");

    w->view.clone = true;
    hub_hello(w, 2, (struct lm_lease){9, 90}, 1);
    assert_true(hub_did(w, LM_HX_STORE_HELLO)); /* the holder of the newest is served */
    hub_hello(w, 2, (struct lm_lease){6, 60}, 1);
    assert_string_equal(hub_error(w, &m), "clone"); /* nobody else is, until a person has acted */
    assert_false(hub_did(w, LM_HX_CLONE));          /* and it is told once */
    w->view.clone = false;

    w->view.abandoned[0] = (struct lm_abandoned){2, 5};
    w->view.n_abandoned = 1;
    hub_hello(w, 2, (struct lm_lease){2, 20}, 1); /* it went back to this one once more */
    assert_string_equal(hub_error(w, &m), "rolled_back");
    assert_false(hub_did(w, LM_HX_TWIN));
    hub_hello(w, 2, (struct lm_lease){5, 50}, 1); /* the line that was given up */
    assert_string_equal(hub_error(w, &m), "rolled_back");
    assert_true(hub_did(w, LM_HX_TWIN));
    w->view.twins = 1;
    hub_hello(w, 2, (struct lm_lease){4, 40}, 1); /* twice: two lines in turn */
    assert_string_equal(hub_error(w, &m), "clone");
    assert_true(hub_did(w, LM_HX_CLONE));
    w->view.revoked = true;
    hub_hello(w, 2, (struct lm_lease){9, 90}, 1);
    assert_string_equal(hub_error(w, &m), "revoked");
    hub_give(w, 1, LM_MSG_PUSH, &empty);
    assert_string_equal(hub_error(w, &m), "revoked");
    world_free(w);
}

static void hello_from(struct world *w, uint64_t peer, uint64_t branch, struct lm_lease lease,
                       bool former_gone)
{
    struct lm_hub_now now = {
        .mono_ms = w->now_ms, .hub_time_ms = HUB_EPOCH_MS, .incarnation = {1, 5}, .catalog = 1};
    struct lm_hub_event ev = {.kind = LM_HE_MESSAGE, .now = &now, .view = &w->view};
    struct lm_msg_hello m = {
        .protocol_min = 1, .protocol_max = 1, .branch = branch, .lease = lease, .program = "t"};
    struct lm_buf buf;

    lm_buf_init(&buf, 2000);
    lm_hello_pack(&buf, &m);
    lm_arena_reset(&w->harena);
    ev.message.peer = peer;
    ev.message.kind = LM_MSG_HELLO;
    ev.message.body = buf.data;
    ev.message.n = buf.len;
    ev.message.arena = &w->harena;
    ev.message.former_gone = former_gone;
    lm_hub_session_step(&w->hs, &ev, &w->hfx);
    lm_buf_free(&buf);
}

static void hub_only(struct world *w, enum lm_hub_event_kind kind)
{
    struct lm_hub_now now = {
        .mono_ms = w->now_ms, .hub_time_ms = HUB_EPOCH_MS, .incarnation = {1, 5}, .catalog = 1};
    struct lm_hub_event ev = {.kind = kind, .now = &now, .view = &w->view};

    ev.stored.ok = kind == LM_HE_HELLO_STORED;
    lm_hub_session_step(&w->hs, &ev, &w->hfx);
}

/* P8: an older lease while the holder of the newest is alive is a second installation; when the
 * holder is gone, or does not answer, it is one PC that went back. */
static void test_older_lease_and_the_holder(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) { /* gone, silent, alive, alive but only late messages */
        struct world *w = world_new(1);
        struct lm_msg_error m;
        struct lm_buf empty;

        lm_buf_init(&empty, 10);
        w->view.branch = 1;
        w->view.issued = w->view.confirmed = (struct lm_lease){9, 90};
        hello_from(w, 1, 1, (struct lm_lease){9, 90}, false);
        w->view.issued = w->view.confirmed = w->hs.lease;
        hub_only(w, LM_HE_HELLO_STORED);
        w->now_ms += 1000;
        hello_from(w, 2, 1, (struct lm_lease){5, 50}, way == 0);
        if (way == 0) {
            assert_string_equal(hub_error(w, &m), "rolled_back");
            world_free(w);
            continue;
        }
        assert_string_equal(hub_error(w, &m), "busy");
        assert_int_equal(m.retry_after_s, LM_HUB_CONTEST_S);
        if (way == 3) {
            w->now_ms += 500;
            hub_give(w, 1, LM_MSG_PULL, &empty);
        }
        w->now_ms += 2000;
        hub_only(w, LM_HE_TICK);
        assert_int_equal(w->hfx.n, 1); /* the holder is asked */
        assert_int_equal(w->hfx.items[0].send.kind, LM_MSG_NEWS);
        hub_only(w, LM_HE_TICK);
        assert_int_equal(w->hfx.n, 0);
        if (way == 2) {
            w->now_ms += 100;
            hub_give(w, 1, LM_MSG_PULL, &empty);
        }
        w->now_ms += 2500;
        hello_from(w, 2, 1, (struct lm_lease){5, 50}, false);
        assert_string_equal(hub_error(w, &m), way == 2 ? "clone" : "rolled_back");
        assert_int_equal(hub_did(w, LM_HX_CLONE), way == 2);
        assert_int_equal(w->hs.peer, 1); /* the holder's session goes on */
        world_free(w);
    }
}

/* P8: a HELLO that comes twice on one connection is late; it must not make its PC fork. */
static void test_late_hello_of_the_session(void **state)
{
    struct world *w = world_new(1);
    struct lm_lease held = {9, 90};

    (void)state;
    w->view.branch = 1;
    w->view.issued = w->view.confirmed = held;
    hello_from(w, 1, 1, held, false);
    hub_only(w, LM_HE_HELLO_STORED);
    w->view.issued = w->view.confirmed = w->hs.lease;
    w->hs.confirmed = true;
    hello_from(w, 1, 1, held, false);
    assert_false(hub_did(w, LM_HX_SEND));
    assert_false(hub_did(w, LM_HX_ROLLED_BACK));
    assert_int_equal(w->hs.state, LM_HS_LIVE);
    hello_from(w, 2, 1, held, true); /* a new connection: it did go back */
    assert_true(hub_did(w, LM_HX_ROLLED_BACK));
    world_free(w);
}

/* P8: a line that was torn and made again by the transport: its node is asked to greet. Only who
 * goes on without is a second installation. */
static void test_torn_line_is_asked_to_greet(void **state)
{
    struct world *w = world_new(1);
    struct lm_msg_error m;
    struct lm_buf empty;

    (void)state;
    lm_buf_init(&empty, 10);
    hello_from(w, 1, 1, (struct lm_lease){0, 0}, false);
    hub_only(w, LM_HE_HELLO_STORED);
    w->now_ms += LM_HUB_STRAY_MS - 1;
    hub_give(w, 2, LM_MSG_PULL, &empty);
    assert_false(hub_did(w, LM_HX_SEND)); /* may be late */
    w->now_ms += 1;
    hub_give(w, 2, LM_MSG_PULL, &empty);
    assert_string_equal(hub_error(w, &m), "hello_first");
    assert_false(hub_did(w, LM_HX_CLONE));
    w->now_ms += LM_HUB_STRAY_AGAIN_MS - 1;
    hub_give(w, 2, LM_MSG_PULL, &empty);
    assert_false(hub_did(w, LM_HX_SEND));
    w->now_ms += 1;
    hub_give(w, 2, LM_MSG_PULL, &empty);
    assert_string_equal(hub_error(w, &m), "clone");
    assert_true(hub_did(w, LM_HX_CLONE));
    world_free(w);
}

static void test_gap_is_answered_at_once(void **state)
{
    struct world *w = world_new(1);
    struct lm_msg_push push = {.branch = 1, .first_seq = 5};
    struct lm_hub_now now = {.incarnation = {1, 5}};
    struct lm_hub_event stored = {
        .kind = LM_HE_HELLO_STORED, .now = &now, .view = &w->view, .stored = {.ok = true}};
    struct lm_buf buf;

    (void)state;
    hub_hello(w, 1, (struct lm_lease){0, 0}, 1);
    lm_hub_session_step(&w->hs, &stored, &w->hfx);
    assert_int_equal(w->hs.state, LM_HS_LIVE);
    lm_buf_init(&buf, 2000);
    lm_push_pack(&buf, &push);
    hub_give(w, 1, LM_MSG_PUSH, &buf);
    assert_false(hub_did(w, LM_HX_STORE_PUSH));
    assert_int_equal(w->hfx.items[w->hfx.n - 1].send.kind, LM_MSG_ACK);
    lm_buf_reset(&buf);
    push.first_seq = 1;
    lm_push_pack(&buf, &push);
    for (int i = 0; i < LM_HUB_PUSHES_MAX; i++) {
        hub_give(w, 1, LM_MSG_PUSH, &buf);
        assert_true(hub_did(w, LM_HX_STORE_PUSH));
    }
    hub_give(w, 1, LM_MSG_PUSH, &buf); /* more than any credit allows */
    assert_false(hub_did(w, LM_HX_STORE_PUSH));
    lm_buf_free(&buf);
    world_free(w);
}

/* NEWS goes out once until the node pulls again. */
static void test_news_once(void **state)
{
    struct world *w = world_new(1);
    struct lm_hub_now now = {.incarnation = {1, 5}};
    struct lm_hub_event stored = {
        .kind = LM_HE_HELLO_STORED, .now = &now, .view = &w->view, .stored = {.ok = true}};
    struct lm_hub_event news = {.kind = LM_HE_NEWS, .now = &now, .view = &w->view, .position = 3};
    struct lm_msg_pull pull = {.max_bytes = 1000};
    struct lm_msg_error m;
    struct lm_buf buf;

    (void)state;
    hub_hello(w, 1, (struct lm_lease){0, 0}, 1);
    lm_hub_session_step(&w->hs, &news, &w->hfx);
    assert_int_equal(w->hfx.n, 0); /* before WELCOME */
    lm_hub_session_step(&w->hs, &stored, &w->hfx);
    lm_hub_session_step(&w->hs, &news, &w->hfx);
    assert_int_equal(w->hfx.items[0].send.kind, LM_MSG_NEWS);
    lm_hub_session_step(&w->hs, &news, &w->hfx);
    assert_int_equal(w->hfx.n, 0);
    lm_buf_init(&buf, 2000);
    pull.session = w->hs.session;
    lm_pull_pack(&buf, &pull);
    hub_give(w, 1, LM_MSG_PULL, &buf);
    assert_true(hub_did(w, LM_HX_LEASE_CONFIRMED));
    assert_true(hub_did(w, LM_HX_READ_FEED));
    hub_give(w, 1, LM_MSG_PULL, &buf); /* one page at a time */
    assert_false(hub_did(w, LM_HX_READ_FEED));
    lm_hub_session_step(&w->hs, &news, &w->hfx);
    assert_int_equal(w->hfx.items[0].send.kind, LM_MSG_NEWS);
    lm_buf_reset(&buf);
    pull.session ^= 1; /* of a session that has ended */
    lm_pull_pack(&buf, &pull);
    hub_give(w, 1, LM_MSG_PULL, &buf);
    assert_string_equal(hub_error(w, &m), "hello_first");
    lm_buf_free(&buf);
    world_free(w);
}

/* ---- the catalogue ---- */

static bool node_did(const struct world *w, enum lm_node_effect_kind kind)
{
    for (size_t i = 0; i < w->nfx.n; i++) {
        if (w->nfx.items[i].kind == kind) {
            return true;
        }
    }
    return false;
}

static void part_into(struct lm_buf *buf, uint32_t number, uint64_t offset, size_t n)
{
    struct lm_msg_part m = {.number = number, .total = CATALOG_BYTES, .offset = offset, .n = n};

    catalog_hash(number, m.hash);
    m.bytes = catalog_bytes(number) + offset;
    lm_buf_reset(buf);
    lm_part_pack(buf, &m);
}

static void give_part(struct world *w, uint32_t number, uint64_t offset, size_t n)
{
    struct lm_buf buf;

    lm_buf_init(&buf, LM_FRAME_BYTES_MAX);
    part_into(&buf, number, offset, n);
    give_bytes(w, LM_MSG_CATALOG, buf.data, buf.len);
    lm_buf_free(&buf);
}

static size_t asks(const struct world *w, uint64_t *offset)
{
    size_t n = 0;

    for (size_t i = 0; i < w->nfx.n; i++) {
        const struct lm_node_effect *e = &w->nfx.items[i];
        struct lm_msg_ask m;
        struct lm_error err;

        if (e->kind == LM_NX_SEND && e->send.kind == LM_MSG_CATALOG) {
            assert_int_equal(
                lm_ask_read(lm_node_effect_bytes(&w->nfx, e), e->send.len, NULL, &m, &err), LM_OK);
            *offset = m.offset;
            n++;
        }
    }
    return n;
}

static void looked(struct world *w, uint32_t number, enum lm_catalog_outcome outcome,
                   uint64_t offset)
{
    struct lm_node_event ev = {.kind = LM_NE_CATALOG};

    ev.catalog.number = number;
    catalog_hash(number, ev.catalog.hash);
    ev.catalog.outcome = outcome;
    ev.catalog.offset = offset;
    give(w, ev);
}

/* P12: what was not asked for is not stored, whatever a hub sends, and questions end. */
static void test_catalogue_in_parts(void **state)
{
    struct world *w = live(0);
    uint64_t at = 0;

    (void)state;
    give_part(w, 2, 0, 1000); /* bytes out of the blue */
    assert_false(node_did(w, LM_NX_STORE_PART));
    give_part(w, 2, 0, 0);
    assert_true(node_did(w, LM_NX_OFFER));
    give_part(w, 3, 0, 0); /* while the program looks */
    assert_false(node_did(w, LM_NX_OFFER));
    looked(w, 2, LM_CATALOG_ASK, 1000); /* some of it is here */
    assert_int_equal(asks(w, &at), 1);
    assert_int_equal(at, 1000);
    give_part(w, 2, 0, 1000); /* not from there */
    assert_false(node_did(w, LM_NX_STORE_PART));
    give_part(w, 3, 1000, 1000); /* not of that one */
    assert_false(node_did(w, LM_NX_STORE_PART));
    give_part(w, 2, 1000, 2000);
    assert_true(node_did(w, LM_NX_STORE_PART));
    give_part(w, 2, 1000, 2000); /* twice */
    assert_false(node_did(w, LM_NX_STORE_PART));
    looked(w, 2, LM_CATALOG_ASK, 3000);
    assert_int_equal(asks(w, &at), 1);
    assert_int_equal(at, 3000);
    /* Never answered: some questions, then none until the hub speaks of it again. */
    size_t n = 0;
    for (int i = 0; i < 40; i++) {
        w->now_ms += 31000;
        give(w, (struct lm_node_event){.kind = LM_NE_TICK});
        n += asks(w, &at);
        if (w->ns.state != LM_NS_LIVE) {
            break;
        }
    }
    assert_true(n <= LM_NODE_CATALOG_TRIES_MAX);
    world_free(w);
}

static void test_catalogue_is_kept_out_or_taken(void **state)
{
    struct world *w = live(0);
    uint64_t at = 0;

    (void)state;
    give_part(w, 2, 0, 0);
    looked(w, 2, LM_CATALOG_KEPT_OUT, 0);
    assert_int_equal(asks(w, &at), 0);
    give_part(w, 2, 0, 0); /* the hub says it every minute */
    assert_false(node_did(w, LM_NX_OFFER));
    give_part(w, 3, 0, 0);
    assert_true(node_did(w, LM_NX_OFFER));
    looked(w, 3, LM_CATALOG_FAILED, 0); /* the disk's fault: with the next offer */
    assert_int_equal(asks(w, &at), 0);
    give_part(w, 3, 0, 0);
    assert_true(node_did(w, LM_NX_OFFER));
    looked(w, 3, LM_CATALOG_IN_FORCE, 0);
    assert_int_equal(w->ns.state, LM_NS_HELLO); /* the hub must know */
    assert_int_equal(w->ns.config.catalog, 3);
    world_free(w);
}

static void test_hub_gives_what_is_in_force(void **state)
{
    struct world *w = world_new(1);
    struct lm_msg_ask ask = {.number = 2};
    struct lm_msg_part part;
    struct lm_error err;
    struct lm_buf buf;

    (void)state;
    w->catalog = 2;
    world_settle(w); /* it took it */
    assert_int_equal(w->node.catalog, 2);
    lm_buf_init(&buf, 2000);
    for (int i = 0; i < 4; i++) {
        struct lm_hub_event ev = {.kind = LM_HE_MESSAGE};
        const struct lm_hub_effect *e;

        catalog_hash(2, ask.hash);
        ask.number = i == 1 ? 7 : 2; /* one that it has not */
        ask.hash[0] ^= (uint8_t)(i == 2);
        ask.offset = i == 3 ? CATALOG_BYTES : 100; /* beyond its end */
        lm_buf_reset(&buf);
        lm_ask_pack(&buf, &ask);
        lm_arena_reset(&w->harena);
        ev.message.peer = w->hs.peer;
        ev.message.kind = LM_MSG_CATALOG;
        ev.message.body = buf.data;
        ev.message.n = buf.len;
        ev.message.arena = &w->harena;
        struct lm_hub_now now = {.mono_ms = w->now_ms,
                                 .catalog = 2,
                                 .catalog_packed = catalog_bytes(2),
                                 .catalog_packed_len = CATALOG_BYTES};
        catalog_hash(2, now.catalog_hash);
        ev.now = &now;
        ev.view = &w->view;
        lm_hub_session_step(&w->hs, &ev, &w->hfx);
        assert_int_equal(w->hfx.n, 1);
        e = &w->hfx.items[0];
        assert_int_equal(e->send.kind, LM_MSG_CATALOG);
        assert_int_equal(
            lm_part_read(lm_hub_effect_bytes(&w->hfx, e), e->send.len, &w->harena, &part, &err),
            LM_OK);
        assert_int_equal(part.number, 2);
        assert_int_equal(part.n, i == 0 ? LM_CATALOG_PART_BYTES_MAX : 0);
        assert_int_equal(part.offset, i == 0 ? 100 : 0);
    }
    lm_buf_free(&buf);
    world_free(w);
}

/* ---- the hub's histories (P7) ---- */

static uint8_t hub_secret[LM_SIGN_SECRET_BYTES];

static void hub_key(void)
{
    uint8_t seed[32] = {3}, sign_public[LM_SIGN_PUBLIC_BYTES];

    assert_int_equal(crypto_sign_seed_keypair(sign_public, hub_secret, seed), 0);
}

static struct lm_proof proof_of(uint64_t counter, uint64_t random, uint64_t position)
{
    struct lm_proof proof = {.incarnation = {counter, random}, .mark = {.position = position}};

    memset(proof.mark.hash, (int)position, sizeof(proof.mark.hash));
    lm_proof_sign(&proof, hub_secret);
    return proof;
}

/* HELLO with this proof, and what the journal holds of it. */
static void hub_shown(struct world *w, const struct lm_proof *proof, uint64_t seen, uint64_t common,
                      bool held)
{
    struct lm_hub_now now = {.incarnation = {2, 5}, .sign_secret = hub_secret};
    struct lm_msg_hello m = {
        .protocol_min = 1, .protocol_max = 1, .branch = 1, .program = "t", .proof = *proof};
    struct lm_hub_event ev = {.kind = LM_HE_MESSAGE, .now = &now, .view = &w->view};
    struct lm_buf buf;

    lm_buf_init(&buf, 2000);
    m.seen.position = seen;
    lm_hello_pack(&buf, &m);
    hub_start(w);
    lm_arena_reset(&w->harena);
    ev.message.peer = 1;
    ev.message.kind = LM_MSG_HELLO;
    ev.message.body = buf.data;
    ev.message.n = buf.len;
    ev.message.arena = &w->harena;
    lm_hub_session_step(&w->hs, &ev, &w->hfx);
    lm_buf_free(&buf);
    if (w->hs.state == LM_HS_STORING) {
        struct lm_hub_event stored = {.kind = LM_HE_HELLO_STORED,
                                      .now = &now,
                                      .view = &w->view,
                                      .stored = {true, common, held}};

        lm_hub_session_step(&w->hs, &stored, &w->hfx);
    }
}

static bool hub_welcomed(const struct world *w)
{
    return w->hfx.n > 0 && w->hfx.items[w->hfx.n - 1].kind == LM_HX_SEND &&
           w->hfx.items[w->hfx.n - 1].send.kind == LM_MSG_WELCOME;
}

/* Two hubs of one key: only what the hub itself signed makes it stop; a number in HELLO does not.
 */
static void test_rival_hub_is_told(void **state)
{
    struct world *w = world_new(1);
    struct lm_proof proof = proof_of(3, 1, 9);
    struct lm_msg_error e;

    (void)state;
    hub_shown(w, &proof, 0, 0, false);
    assert_true(hub_did(w, LM_HX_RIVAL));
    assert_int_equal(w->hfx.items[0].rival.counter, 3);
    assert_string_equal(hub_error(w, &e), "rival");
    proof = proof_of(2, 6, 9); /* the same number, begun elsewhere */
    hub_shown(w, &proof, 0, 0, false);
    assert_true(hub_did(w, LM_HX_RIVAL));
    proof.incarnation.random ^= 1; /* not what was signed: somebody's invention */
    hub_shown(w, &proof, 0, 0, false);
    assert_false(hub_did(w, LM_HX_RIVAL));
    assert_true(hub_welcomed(w));
    proof = proof_of(1, 1, 9); /* an earlier one: of course */
    hub_shown(w, &proof, 12, 9, true);
    assert_false(hub_did(w, LM_HX_HUB_BEHIND));
    assert_true(hub_welcomed(w));
    world_free(w);
}

/* A hub whose database was set back without `restore` hears of it, however far its journal has
 * grown since: its head says nothing. */
static void test_hub_learns_that_it_was_set_back(void **state)
{
    struct world *w = world_new(1);
    struct lm_proof proof = proof_of(2, 5, 9);
    struct lm_msg_error e;

    (void)state;
    hub_shown(w, &proof, 9, 0, false);
    assert_true(hub_did(w, LM_HX_HUB_BEHIND));
    assert_true(w->hfx.items[0].behind.proven);
    assert_int_equal(w->hfx.items[0].behind.mark.position, 9);
    assert_string_equal(hub_error(w, &e), "busy"); /* until the new incarnation is there */
    assert_int_equal(w->hs.state, LM_HS_NEW);
    hub_shown(w, &proof, 12, 9, true); /* seen 12, but nobody signed that */
    assert_true(hub_did(w, LM_HX_HUB_BEHIND));
    assert_false(w->hfx.items[0].behind.proven);
    assert_true(hub_welcomed(w));
    hub_shown(w, &proof, 12, 12, true);
    assert_false(hub_did(w, LM_HX_HUB_BEHIND));
    assert_true(hub_welcomed(w));
    world_free(w);
}

/* What WELCOME signs is shown in the next HELLO, and the hub that signed it believes it. */
static void test_proof_goes_round(void **state)
{
    struct world *w = connected(0);
    struct lm_msg_welcome m = welcome_of(w, 1);
    struct lm_proof proof = proof_of(1, 5, 4);

    (void)state;
    m.head = proof.mark;
    memcpy(m.signature, proof.signature, sizeof(m.signature));
    give_welcome(w, &m);
    give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
    assert_int_equal(w->ns.state, LM_NS_LIVE);
    assert_true(lm_proof_verifies(&w->ns.config.proof, hub_secret + 32));
    assert_int_equal(w->ns.config.proof.mark.position, 4);
    world_free(w);
}

/* The journal was set back and has grown past what the node had seen: its head is above, and still
 * the node must notice (sync_gateway #1090). */
static void test_hub_went_back_and_grew(void **state)
{
    struct world *w = connected(0);
    struct lm_msg_welcome m = welcome_of(w, 1);
    struct lm_mark mark = {.position = 5};

    (void)state;
    lm_checkpoints_add(&w->ns.config.checkpoints, &mark, &w->ns.config.cursor, NULL);
    mark.position = 10;
    lm_checkpoints_add(&w->ns.config.checkpoints, &mark, &w->ns.config.cursor, NULL);
    w->ns.config.seen = mark;
    w->ns.hello_seen = 10;
    m.head.position = 20;
    m.common = 5;
    give_welcome(w, &m);
    assert_true(find(w, LM_NX_STORE_WELCOME)->welcome.hub_went_back);
    assert_false(find(w, LM_NX_STORE_WELCOME)->welcome.incarnation_changed);
    give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
    assert_int_equal(w->ns.config.seen.position, 20);
    assert_int_equal(w->ns.config.checkpoints.n, 1);
    world_free(w);
}

/* 1,000 nodes learn of a new incarnation at once: each waits, but who asks for it does not. */
static void test_jitter_after_a_restore(void **state)
{
    int64_t earliest = INT64_MAX, latest = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct world *w = connected(0);
        struct lm_msg_welcome m = welcome_of(w, 1);

        lm_rand_seed(&w->ns.rnd, seed);
        w->ns.config.incarnation = (struct lm_incarnation){1, 5};
        m.incarnation = (struct lm_incarnation){2, 7};
        give_welcome(w, &m);
        give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
        int64_t wait_ms = w->ns.quiet_until_ms - w->now_ms;
        earliest = wait_ms < earliest ? wait_ms : earliest;
        latest = wait_ms > latest ? wait_ms : latest;
        assert_in_range(wait_ms, 0, LM_NODE_INCARNATION_JITTER_MS - 1);
        world_free(w);
    }
    assert_true(earliest < LM_NODE_INCARNATION_JITTER_MS / 10);
    assert_true(latest > LM_NODE_INCARNATION_JITTER_MS * 9 / 10);
}

static void test_checkpoints_kept(void **state)
{
    static struct lm_checkpoints kept;
    uint64_t dropped;

    (void)state;
    for (uint64_t p = 1; p <= 100000; p++) {
        struct lm_mark mark = {.position = p};
        struct lm_cursor cursor = {.position = p};

        lm_checkpoints_add(&kept, &mark, &cursor, &dropped);
        assert_true(kept.n <= LM_CHECKPOINTS_MAX && (dropped == 0) == (p <= LM_CHECKPOINTS_MAX));
    }
    /* The oldest and the newest are there; going back from any place costs at most some more than
     * the way back itself. */
    assert_int_equal(kept.items[0].mark.position, 1);
    assert_int_equal(kept.items[kept.n - 1].mark.position, 100000);
    for (uint64_t back = 1; back <= 50000; back *= 2) {
        uint64_t at = 100000 - back, found = 0;

        for (size_t i = 0; i < kept.n && kept.items[i].mark.position <= at; i++) {
            found = kept.items[i].mark.position;
        }
        assert_true(at - found <= back);
    }
    assert_null(lm_checkpoints_at(&kept, 100001));
    lm_checkpoints_cut(&kept, 1);
    assert_int_equal(kept.n, 1);
    assert_non_null(lm_checkpoints_at(&kept, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_network),
        cmocka_unit_test(test_same_seed_same_run),
        cmocka_unit_test(test_node_rolled_back),
        cmocka_unit_test(test_clone_alive),
        cmocka_unit_test(test_no_welcome),
        cmocka_unit_test(test_fresh_socket_while_live),
        cmocka_unit_test(test_barred_until_mended),
        cmocka_unit_test(test_refuses_other_hubs),
        cmocka_unit_test(test_window_and_acks),
        cmocka_unit_test(test_ack_of_another_log),
        cmocka_unit_test(test_fork_when_hub_has_more),
        cmocka_unit_test(test_batch_read_before_rewind),
        cmocka_unit_test(test_welcome_of_an_earlier_hello),
        cmocka_unit_test(test_as_of_follows_hub_time),
        cmocka_unit_test(test_silence_and_refusals),
        cmocka_unit_test(test_store_failures),
        cmocka_unit_test(test_odd_messages),
        cmocka_unit_test(test_who_may_say_hello),
        cmocka_unit_test(test_older_lease_and_the_holder),
        cmocka_unit_test(test_late_hello_of_the_session),
        cmocka_unit_test(test_torn_line_is_asked_to_greet),
        cmocka_unit_test(test_gap_is_answered_at_once),
        cmocka_unit_test(test_news_once),
        cmocka_unit_test(test_rival_hub_is_told),
        cmocka_unit_test(test_catalogue_in_parts),
        cmocka_unit_test(test_catalogue_is_kept_out_or_taken),
        cmocka_unit_test(test_hub_gives_what_is_in_force),
        cmocka_unit_test(test_hub_learns_that_it_was_set_back),
        cmocka_unit_test(test_proof_goes_round),
        cmocka_unit_test(test_hub_went_back_and_grew),
        cmocka_unit_test(test_jitter_after_a_restore),
        cmocka_unit_test(test_checkpoints_kept),
    };

    hub_key();
    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
