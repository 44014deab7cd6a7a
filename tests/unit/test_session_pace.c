/* Slow lines: what is asked for and sent at once follows the line, so that a first load ends
 * (cht-core #10406), each message is carried about once, and a page never outlasts the wait for
 * it (P5, P12). */
#include "session_world.h"

#define RECORDS 3000
#define RECORD_BYTES 1000

/* A first load of 3 MB; returns how long it took in virtual seconds. */
static int64_t first_load(int64_t bytes_s, uint64_t *carried_out)
{
    struct world *w = world_new(7);
    int64_t end_ms, took_ms;

    w->entry_bytes = RECORD_BYTES;
    w->line_bytes_s = bytes_s;
    for (int i = 0; i < RECORDS; i++) {
        journal_add(w, false);
    }
    end_ms = w->now_ms + 4 * (int64_t)RECORDS * RECORD_BYTES * 1000 / bytes_s + 60000;
    while (!world_quiet(w)) {
        world_step(w);
        if (w->now_ms > end_ms) {
            fail_msg("%d bytes/s: only %" PRIu64 " of %d records after %d s, %" PRIu64
                     " bytes carried",
                     (int)bytes_s, w->node.cursor.position, RECORDS, (int)(w->now_ms / 1000),
                     w->carried);
        }
    }
    assert_int_equal(w->resets, 0);
    took_ms = w->now_ms;
    *carried_out = w->carried;
    world_free(w);
    return took_ms / 1000;
}

static void test_first_load_ends_on_any_line(void **state)
{
    static const int64_t lines[] = {1000, 2400, 8000, 64000, 1000000};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        uint64_t carried, bytes = (uint64_t)RECORDS * (RECORD_BYTES + 64);
        int64_t s = first_load(lines[i], &carried);

        if (carried > bytes * 5 / 4) {
            fail_msg("%d bytes/s: %" PRIu64 " bytes carried for %" PRIu64 " in %d s", (int)lines[i],
                     carried, bytes, (int)s);
        }
    }
}

static void test_pace_rules(void **state)
{
    struct lm_pace p;

    (void)state;
    lm_pace_start(&p, 100000);
    assert_int_equal(p.bytes, LM_PACE_START_BYTES);
    lm_pace_came(&p, 100, 10); /* a short one tells nothing of the line */
    assert_int_equal(p.bytes, LM_PACE_START_BYTES);
    lm_pace_came(&p, LM_PACE_START_BYTES, LM_PACE_FAST_MS);
    assert_int_equal(p.bytes, LM_PACE_START_BYTES);
    lm_pace_came(&p, LM_PACE_START_BYTES, LM_PACE_FAST_MS - 1);
    assert_int_equal(p.bytes, 2 * LM_PACE_START_BYTES);
    lm_pace_came(&p, p.bytes, 0);
    assert_int_equal(p.bytes, 100000);
    lm_pace_came(&p, 1, LM_PACE_SLOW_MS + 1);
    assert_int_equal(p.bytes, 50000);
    lm_pace_missed(&p);
    assert_int_equal(p.bytes, 12500);
    assert_int_equal(lm_pace_wait_ms(&p, 30000), 60000);
    for (int i = 0; i < 40; i++) {
        lm_pace_missed(&p);
    }
    assert_int_equal(p.bytes, LM_PACE_MIN_BYTES);
    assert_int_equal(lm_pace_wait_ms(&p, 30000), 60000);
    lm_pace_came(&p, 1, 5000);
    assert_int_equal(lm_pace_wait_ms(&p, 30000), 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_load_ends_on_any_line),
        cmocka_unit_test(test_pace_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
