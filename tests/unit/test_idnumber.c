/* Citizen identity numbers (GB 11643): check characters, births, sexes and every way to be wrong.
 */
#include "proto/idnumber.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void valid_numbers(void **state)
{
    static const struct {
        const char *text, *birth;
        char sex;
    } cases[] = {
        {"999999195308010012", "1953-08-01", '1'}, {"999999196203150021", "1962-03-15", '2'},
        {"999999198810010038", "1988-10-01", '1'}, {"11010519491231002X", "1949-12-31", '2'},
        {"11010519491231002x", "1949-12-31", '2'}, {"440524188001010014", "1880-01-01", '1'},
    };
    char birth[11];
    char sex;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(lm_idno_check(cases[i].text, 18, birth, &sex), LM_IDNO_OK);
        assert_string_equal(birth, cases[i].birth);
        assert_int_equal(sex, cases[i].sex);
        assert_int_equal(lm_idno_check(cases[i].text, 18, NULL, NULL), LM_IDNO_OK);
    }
}

static void wrong_numbers(void **state)
{
    static const struct {
        const char *text;
        enum lm_idno want;
    } cases[] = {
        {"", LM_IDNO_LENGTH},
        {"999999530801001", LM_IDNO_LENGTH},
        {"99999919530801001", LM_IDNO_LENGTH},
        {"9999991953080100121", LM_IDNO_LENGTH},
        {"99999919530801001X", LM_IDNO_CHECK},
        {"999999195308010013", LM_IDNO_CHECK},
        {"999999195308010102", LM_IDNO_CHECK},
        {"99999919530801001Y", LM_IDNO_DIGITS},
        {"9999991953O8010012", LM_IDNO_DIGITS},
        {"X99999195308010012", LM_IDNO_DIGITS},
        {"99999919530801 012", LM_IDNO_DIGITS},
        {"999999195302290012", LM_IDNO_BIRTH},
        {"999999195313010012", LM_IDNO_BIRTH},
        {"999999195300010012", LM_IDNO_BIRTH},
    };
    char birth[11] = "untouched";

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(lm_idno_check(cases[i].text, strlen(cases[i].text), birth, NULL),
                         cases[i].want);
        assert_string_equal(birth, "untouched");
    }
}

/* The code finds every single wrong digit and every swap of neighbours. */
static void finds_slips(void **state)
{
    static const char right[] = "999999196203150021";

    (void)state;
    for (size_t i = 0; i < 17; i++) {
        char text[19];

        for (char c = '0'; c <= '9'; c++) {
            memcpy(text, right, sizeof(text));
            text[i] = c;
            assert_int_equal(lm_idno_check(text, 18, NULL, NULL) == LM_IDNO_OK, c == right[i]);
        }
        memcpy(text, right, sizeof(text));
        text[i] = right[i + 1];
        text[i + 1] = right[i];
        assert_int_equal(lm_idno_check(text, 18, NULL, NULL) == LM_IDNO_OK,
                         right[i] == right[i + 1]);
    }
}

static void check_characters(void **state)
{
    (void)state;
    assert_int_equal(lm_idno_check_char("99999919530801001"), '2');
    assert_int_equal(lm_idno_check_char("11010519491231002"), 'X');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_numbers),
        cmocka_unit_test(wrong_numbers),
        cmocka_unit_test(finds_slips),
        cmocka_unit_test(check_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
