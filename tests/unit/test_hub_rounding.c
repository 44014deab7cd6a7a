/* How figures are shown: 余, whole percents, yuan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hub/counts.h"

#include <string.h>

static void test_display(void **state)
{
    static const struct {
        enum lm_rounding rounding;
        int64_t num, den;
        const char *text;
    } cases[] = {
        {LM_R_YU10, 126, 1, "120余"},
        {LM_R_YU10, 120, 1, "120"},
        {LM_R_YU10, 9, 1, "9"},
        {LM_R_YU10, 10, 1, "10"},
        {LM_R_YU10, 11, 1, "10余"},
        {LM_R_YU10, 0, 1, "0"},
        {LM_R_YU100, 534, 1, "500余"},
        {LM_R_YU100, 500, 1, "500"},
        {LM_R_YU100, 99, 1, "99"},
        {LM_R_YU100, 712, 1, "700余"},
        {LM_R_YU1000, 2067, 1, "2000余"},
        {LM_R_YU1000, 999, 1, "999"},
        {LM_R_YU1000, 2000, 1, "2000"},
        {LM_R_YU10000YUAN, 1086000, 1, "1万余"},
        {LM_R_YU10000YUAN, 1000000, 1, "1万"},
        {LM_R_YU10000YUAN, 1000001, 1, "1万余"},
        {LM_R_YU10000YUAN, 999999, 1, "9999.99"},
        {LM_R_YU10000YUAN, 25999999, 1, "25万余"},
        {LM_R_PCT0, 18, 64, "28%"},
        {LM_R_PCT0, 1, 200, "1%"},
        {LM_R_PCT0, 9, 2000, "0%"},
        {LM_R_PCT0, 199, 200, "99%"},
        {LM_R_PCT0, 999, 1000, "99%"},
        {LM_R_PCT0, 200, 200, "100%"},
        {LM_R_PCT0, 0, 5, "0%"},
        {LM_R_PCT0, 6, 5, "120%"},
        {LM_R_PCT0, 60, 64, "94%"},
        {LM_R_PCT0, 0, 0, "—"},
        {LM_R_PCT0, 1, 0, "—"},
        {LM_R_EXACT, 64, 1, "64"},
        {LM_R_EXACT, 41, 2, "20.5"},
        {LM_R_EXACT, 40, 2, "20"},
        {LM_R_YUAN, 500050, 1, "5000.50"},
        {LM_R_YUAN, 7, 1, "0.07"},
        {LM_R_YUAN, 0, 1, "0.00"},
        {LM_R_EXACT, 0, 0, "—"},
    };
    char text[48];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lm_count_display(cases[i].rounding, cases[i].num, cases[i].den, text);
        if (strcmp(text, cases[i].text) != 0) {
            fail_msg("%lld/%lld: %s, not %s", (long long)cases[i].num, (long long)cases[i].den,
                     text, cases[i].text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_display)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
