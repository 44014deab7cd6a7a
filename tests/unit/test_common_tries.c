/* How many passwords may be tried from where, and names that do not exist. */
#include "common/tries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct lm_tries tries;

static int fresh(void **state)
{
    (void)state;
    tries = (struct lm_tries){0};
    return 0;
}

static unsigned let_in(const char *address, unsigned n, int64_t now)
{
    unsigned in = 0;

    for (unsigned i = 0; i < n; i++) {
        in += lm_tries_begin(&tries, address, now) == 0;
    }
    return in;
}

static void an_address_has_its_budget(void **state)
{
    (void)state;
    assert_int_equal(let_in("10.0.0.1", 64, 5000), LM_TRIES_BURST);
    assert_int_equal(lm_tries_begin(&tries, "10.0.0.1", 5000), LM_TRIES_MS);
    assert_int_equal(let_in("10.0.0.1", 64, 5000 + LM_TRIES_MS), 1);
    assert_int_equal(let_in("10.0.0.2", 1, 5000), 1);
    assert_int_equal(let_in("10.0.0.1", 64, 5000 + 1000 * LM_TRIES_MS), LM_TRIES_BURST);
}

static void right_passwords_cost_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(lm_tries_begin(&tries, "10.0.0.1", 5000), 0);
        lm_tries_end(&tries, "10.0.0.1", true, 5100);
    }
    assert_int_equal(let_in("10.0.0.1", 64, 5000), LM_TRIES_BURST);
}

/* Strangers get a quarter of the thread, also where a try takes long. */
static void slow_tries_come_back_later(void **state)
{
    int64_t now = 5000, worked = 0;

    (void)state;
    while (now < 5000 + 1000 * 1000) {
        int64_t wait = lm_tries_begin(&tries, "10.0.0.1", now);

        if (wait == 0) {
            now += 2000;
            worked += 2000;
            lm_tries_end(&tries, "10.0.0.1", false, now);
        } else {
            now += wait;
        }
    }
    assert_in_range(worked, 240 * 1000, 290 * 1000);
}

/* Who is refused and asks again every millisecond takes nothing from what comes back. */
static void asking_often_takes_nothing(void **state)
{
    int64_t now = 5000;
    unsigned in = 0;

    (void)state;
    while (lm_tries_begin(&tries, "10.0.0.1", now) == 0) {
        now += 500; /* a slow PC: one comes back in LM_TRIES_SHARE times that */
        lm_tries_end(&tries, "10.0.0.1", false, now);
    }
    for (int i = 0; i < 3 * 500 * LM_TRIES_SHARE; i++) {
        in += lm_tries_begin(&tries, "10.0.0.1", ++now) == 0;
    }
    assert_in_range(in, 2, 4);
}

static void many_addresses_share_a_budget_but_not_with_those_who_were_in(void **state)
{
    char address[32];
    unsigned in = 0;

    (void)state;
    assert_int_equal(lm_tries_begin(&tries, "10.9.9.9", 5000), 0);
    lm_tries_end(&tries, "10.9.9.9", true, 5000);
    for (unsigned i = 0; i < 3 * LM_TRIES_ADDRESSES_MAX; i++) {
        (void)snprintf(address, sizeof address, "10.1.%u.%u", i / 256, i % 256);
        in += let_in(address, 2, 5000);
    }
    assert_int_equal(in, LM_TRIES_BURST_ALL);
    assert_int_equal(let_in("10.9.9.9", 64, 5000), LM_TRIES_BURST);
}

static void refusals_are_told_once_a_minute(void **state)
{
    (void)state;
    (void)let_in("10.0.0.1", 64, 5000);
    assert_int_equal(lm_tries_told(&tries, 5000 + LM_TRIES_TOLD_MS - 1, false), 0);
    assert_int_equal(lm_tries_told(&tries, 5000 + LM_TRIES_TOLD_MS, false), 64 - LM_TRIES_BURST);
    assert_int_equal(lm_tries_told(&tries, 5000 + 9 * LM_TRIES_TOLD_MS, false), 0);
    (void)let_in("10.0.0.1", LM_TRIES_BURST + 1, 5000 + 9 * LM_TRIES_TOLD_MS);
    assert_int_equal(lm_tries_told(&tries, 5000 + 9 * LM_TRIES_TOLD_MS, true), 1);
}

static void unknown_names_are_counted(void **state)
{
    char name[32];
    unsigned n;
    int64_t at;

    (void)state;
    lm_tries_unknown(&tries, "nobody", &n, &at);
    assert_int_equal(n, 0);
    for (int i = 0; i < 5; i++) {
        lm_tries_unknown_failed(&tries, "nobody", 1000 + i);
    }
    lm_tries_unknown(&tries, "nobody", &n, &at);
    assert_int_equal(n, 5);
    assert_int_equal(at, 1004);
    for (int i = 0; i < LM_TRIES_NAMES_MAX; i++) { /* the oldest gives way */
        (void)snprintf(name, sizeof name, "n%d", i);
        lm_tries_unknown_failed(&tries, name, 2000 + i);
    }
    lm_tries_unknown(&tries, "nobody", &n, &at);
    assert_int_equal(n, 0);
    lm_tries_unknown(&tries, name, &n, &at);
    assert_int_equal(n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_address_has_its_budget, fresh),
        cmocka_unit_test_setup(slow_tries_come_back_later, fresh),
        cmocka_unit_test_setup(asking_often_takes_nothing, fresh),
        cmocka_unit_test_setup(right_passwords_cost_nothing, fresh),
        cmocka_unit_test_setup(many_addresses_share_a_budget_but_not_with_those_who_were_in, fresh),
        cmocka_unit_test_setup(refusals_are_told_once_a_minute, fresh),
        cmocka_unit_test_setup(unknown_names_are_counted, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
