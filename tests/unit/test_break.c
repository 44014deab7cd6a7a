/* The list of mistakes that the preset "broken" can make (common/base/break.h): each has a name of
 * its own and says which promise it breaks, and no other build can make any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/break.h"

#include <string.h>

static void test_rows(void **state)
{
    (void)state;
    assert_true(LM_BREAK_COUNT > 24);
    for (int i = 1; i < LM_BREAK_COUNT; i++) {
        const struct lm_break_row *row = &lm_breaks[i];
        assert_non_null(row->name);
        assert_int_equal(strspn(row->name, "abcdefghijklmnopqrstuvwxyz-"), strlen(row->name));
        assert_int_equal(row->promise[0], 'P');
        assert_true(strlen(row->what) > 10);
        for (int k = 1; k < i; k++) {
            assert_string_not_equal(row->name, lm_breaks[k].name);
        }
    }
}

static void test_only_where_built_so(void **state)
{
    (void)state;
#ifdef LM_BREAKABLE
    assert_true(lm_break_choose("gap-accepted"));
    assert_true(LM_BREAK(GAP_ACCEPTED));
    assert_true(lm_break_choose("none"));
    assert_false(LM_BREAK(GAP_ACCEPTED));
#else
    assert_false(lm_break_choose("gap-accepted"));
    assert_false(LM_BREAK(GAP_ACCEPTED));
#endif
    assert_true(lm_break_choose("none"));
    assert_false(lm_break_choose("no-such-mistake"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_only_where_built_so)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
