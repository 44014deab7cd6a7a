/* The two sessions against each other over a bad network: whatever it does, all comes over once,
 * and only who went back forks. */
#include "session_world.h"

#define SEEDS 100
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_network),
        cmocka_unit_test(test_same_seed_same_run),
        cmocka_unit_test(test_node_rolled_back),
        cmocka_unit_test(test_clone_alive),
    };

    return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
