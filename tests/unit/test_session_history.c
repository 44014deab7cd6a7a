/* HISTORY: a record's past comes whole, in order and once, over a bad network too; it does not keep
 * a session from being in step for ever (P5, P6). */
#include "session_world.h"

#define SEEDS 40

static void want(struct world *w)
{
    w->node.past_wanted = true;
    node_event(w, &(struct lm_node_event){.kind = LM_NE_SYNC_NOW});
}

static void run_until_told(struct world *w)
{
    int64_t end_ms = w->now_ms + 3600 * 1000;

    while (w->node.past_wanted && w->now_ms < end_ms) {
        world_step(w);
    }
    assert_false(w->node.past_wanted);
    assert_int_equal(w->node.past_after, w->past_n);
}

static void test_comes_in_pages(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world *w = world_new(seed);

        w->past_n = lm_rand_below(&w->rnd, 20);
        w->faults = seed % 2 == 0;
        node_write(w);
        want(w);
        run_until_told(w);
        w->past_n += 4; /* asked for again, only what is new comes */
        want(w);
        run_until_told(w);
        w->faults = false;
        world_settle(w);
        world_free(w);
    }
}

static void test_nothing_is_asked_unasked(void **state)
{
    struct world *w = world_new(1);

    (void)state;
    w->past_n = 5;
    node_write(w);
    world_settle(w);
    assert_int_equal(w->past_asked, 0);
    world_free(w);
}

/* A hub of before HISTORY does not answer: three times a session, and the PC is in step again. */
static void test_a_hub_that_does_not_know_it(void **state)
{
    struct world *w = world_new(1);
    int64_t synced;

    (void)state;
    world_settle(w);
    w->past_unknown = true;
    synced = (int64_t)w->synced;
    want(w);
    for (int64_t end_ms = w->now_ms + 600 * 1000; w->now_ms < end_ms;) {
        world_step(w);
    }
    assert_int_equal(w->past_asked, 3);
    assert_true((int64_t)w->synced > synced);
    assert_true(w->node.past_wanted); /* asked for again another time */
    w->past_unknown = false;
    want(w);
    run_until_told(w);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_in_pages),
        cmocka_unit_test(test_nothing_is_asked_unasked),
        cmocka_unit_test(test_a_hub_that_does_not_know_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
