/* ID numbers, bank cards and mobile numbers in what people typed. */
#include "hub/api/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void covers(const char *text, const char *wanted, bool phones)
{
    char *copy = strdup(text); /* of exactly that size: sanitizers see a byte beyond */

    assert_non_null(copy);
    assert_int_equal(lm_town_cover_numbers(copy, phones), strcmp(text, wanted) != 0);
    assert_string_equal(copy, wanted);
    free(copy);
}

static void numbers_are_covered(void **state)
{
    static const char *const pairs[][2] = {
        {"陪同张建国130123195001012341家属13800001234",
         "陪同张建国1301************41家属138****34"},
        {"13012319500101234X", "1301************4X"},
        {"13012319500101234x，见附件", "1301************4X，见附件"},
        {"13012319500101234", "1301***********34"},
        {"旧证130123500101234。", "旧证1301*********34。"},
        {"130123 19500101 2341", "1301************41"},
        {"130123-19500101-234X", "1301************4X"},
        {"1301 2319 5001 0123 41", "1301************41"},
        {"１３０１２３１９５００１０１２３４Ｘ", "1301************4X"},
        {"卡号6217000010001234567", "卡号6217*************67"},
        {"卡号6217 0000 1000 1234 567", "卡号6217*************67"},
        {"6222-0210-0112-3456", "6222**********56"},
        {"13012319500101234113800001234", "1301***********************34"},
        {"138 0000 1234/139-0000-1234", "138****34/139****34"},
        {"+8613800001234", "+861****34"},
        {"ID130123195001012341", "ID1301************41"},
        {"2025-02-01 130123195001012341", "2025-02-01 1301************41"},
        {"13800001234 13900001234", "138****34 139****34"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        covers(pairs[i][0], pairs[i][1], true);
    }
    covers("130123195001012341家属13800001234", "1301************41家属13800001234", false);
}

static void what_is_no_number_stays(void **state)
{
    static const char *const texts[] = {
        "",
        "999999101201",
        "999999101201 999999101202",
        "2021 2022 2023 2024",
        "01234567-0123-7123-8123-012345678901",
        "2025-02-01T13:00:00.000Z",
        "2025-02-01 13:00",
        "20250201-20250301",
        "1949-10-01 123",
        "2025-02-01 2025-03-01",
        "0311-12345678",
        "1234567890",
        "00112233445566778899001122334455667788990011223344556677889900ff",
        "1301************41",
        "138****34",
        "＊＊＊",
        "\xef\xbc", /* a text that was cut */
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        covers(texts[i], texts[i], true);
    }
}

static void documents_keep_their_ids(void **state)
{
    json_t *doc = json_pack("{s:s,s:s,s:s,s:{s:[s,s]},s:i}", "replica", "123456789012345678", "rev",
                            "0123456789012345", "user", "13800001234", "a", "b",
                            "130123195001012341", "13800001234", "n", 5);
    json_t *wanted = json_pack("{s:s,s:s,s:s,s:{s:[s,s]},s:i}", "replica", "123456789012345678",
                               "rev", "0123456789012345", "user", "13800001234", "a", "b",
                               "1301************41", "138****34", "n", 5);

    (void)state;
    lm_town_cover_json(doc, true);
    assert_true(json_equal(doc, wanted));
    json_decref(doc);
    /* A number under such a name that is none of ours. */
    doc = json_pack("{s:s}", "replica", "张130123195001012341");
    lm_town_cover_json(doc, true);
    assert_string_equal(json_string_value(json_object_get(doc, "replica")), "张1301************41");
    json_decref(doc);
    json_decref(wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_covered),
        cmocka_unit_test(what_is_no_number_stays),
        cmocka_unit_test(documents_keep_their_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
