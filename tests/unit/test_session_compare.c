/* The scope's sum: what differs at the node, for whatever reason, is found and mended, over a bad
 * network too; and what cannot be mended does not cost the line (P5, P12). */
#include "session_world.h"

#define SEEDS 20

static void run(struct world *w, int64_t ms)
{
    int64_t end_ms = w->now_ms + ms;

    while (w->now_ms < end_ms) {
        world_step(w);
    }
}

static uint64_t differ_count(const struct world *w)
{
    uint64_t n = 0;

    for (size_t p = 0; p < JOURNAL_MAX; p++) {
        n += w->node.differ[p];
    }
    return n;
}

static struct world *at_rest(uint64_t seed)
{
    struct world *w = world_new(seed);

    w->sums = true;
    for (int i = 0; i < 10; i++) {
        node_write(w);
    }
    for (uint64_t i = 100 + lm_rand_below(&w->rnd, 100); i > 0; i--) {
        journal_add(w, false);
    }
    world_settle(w);
    assert_int_equal(w->digests_given, 0);
    return w;
}

static void change_one(struct world *w)
{
    struct lm_hub_event news = {.kind = LM_HE_NEWS};

    journal_add(w, false);
    news.position = w->journal_n;
    hub_event(w, &news, 0);
}

static void test_differences_are_mended(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *w = at_rest(seed);
        uint64_t given;

        for (uint64_t i = 1 + lm_rand_below(&w->rnd, 20); i > 0; i--) {
            w->node.differ[1 + lm_rand_below(&w->rnd, w->journal_n)] = true;
        }
        w->faults = true;
        w->loss_percent = seed % 4 == 0 ? 0 : seed % 12;
        w->repeat_percent = seed % 7;
        change_one(w);
        run(w, 60000);
        world_settle(w);
        if (differ_count(w) > 0) { /* a comparison that was cut off is begun anew an hour later */
            run(w, LM_NODE_COMPARE_AGAIN_MS);
            change_one(w);
            world_settle(w);
            run(w, 60000);
        }
        assert_int_equal(differ_count(w), 0);
        for (int i = 0; w->ns.compare.active && i < 600; i++) {
            run(w, 1000); /* all is mended, but its last pages are still asked for */
        }
        given = w->digests_given;
        assert_true(given > 0);
        change_one(w);
        run(w, 2 * LM_NODE_COMPARE_AGAIN_MS);
        assert_int_equal(w->digests_given, given); /* nothing differs: nothing is compared */
        world_free(w);
    }
}

/* BODIES that were read before a page which has been applied would put older values back, and the
 * feed never brings the newer ones again. */
static void test_late_pages_are_dropped(void **state)
{
    (void)state;
    for (int bodies = 0; bodies < 2; bodies++) {
        struct world *w = at_rest(3);
        struct lm_node_event ev = {.kind = LM_NE_MESSAGE};
        struct lm_msg_feed page = {.session = w->ns.session,
                                   .branch = w->ns.config.branch,
                                   .from = w->ns.config.cursor,
                                   .next = w->ns.config.cursor,
                                   .head = w->ns.config.seen,
                                   .done = true};
        struct lm_buf buf;

        lm_buf_init(&buf, 4096);
        page.head.position--;
        page.acked = log_head(&w->node.log, w->node.log.n);
        lm_feed_pack(&buf, &page);
        w->ns.pulling = bodies == 0; /* asked for again */
        w->ns.wanting = bodies == 1;
        lm_arena_reset(&w->narena);
        ev.message.kind = bodies ? LM_MSG_BODIES : LM_MSG_FEED;
        ev.message.body = buf.data;
        ev.message.n = buf.len;
        ev.message.arena = &w->narena;
        node_event(w, &ev);
        assert_false(w->ns.applying);
        assert_true(bodies ? w->ns.wanting : w->ns.pulling);
        lm_buf_free(&buf);
        world_free(w);
    }
}

/* The hub's own sum is wrong, or a row here cannot be written: compared once an hour, no more. */
static void test_what_cannot_be_mended(void **state)
{
    struct world *w = at_rest(5);
    int64_t begun_ms = w->now_ms;
    uint64_t pages;

    (void)state;
    w->node.differ[0] = false;
    for (int i = 0; i < 400; i++) {
        w->node.differ[7] = true;
        if (i % 10 == 0) {
            change_one(w);
        }
        run(w, 27000); /* 3 h in all */
    }
    pages = (w->journal_n + 39) / 40;
    assert_true(w->digests_given >= 2 * pages - 4);
    assert_true(w->digests_given <=
                ((uint64_t)((w->now_ms - begun_ms) / LM_NODE_COMPARE_AGAIN_MS) + 2) * (pages + 1));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differences_are_mended),
        cmocka_unit_test(test_late_pages_are_dropped),
        cmocka_unit_test(test_what_cannot_be_mended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
