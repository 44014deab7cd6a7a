/* What the page of all villages decides: marks, how a village stands, when it is started again,
 * what is told of it. */
#include "node/villages/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- marks ---- */

static int take(struct lm_village_marks *m, const char *folder, bool expect_new)
{
    bool changed;
    int mark = lm_village_mark_take(m, folder, &changed);

    assert_int_equal(changed, expect_new);
    return mark;
}

static void test_a_mark_is_kept(void **state)
{
    struct lm_village_marks m = {0};

    (void)state;
    assert_int_equal(take(&m, "乙村", true), 1);
    assert_int_equal(take(&m, "丙村", true), 2);
    assert_int_equal(take(&m, "甲村", true), 3); /* whatever its name sorts before */
    assert_int_equal(take(&m, "乙村", false), 1);
    lm_village_mark_leave(&m, "丙村");
    assert_int_equal(take(&m, "丁村", true), 4); /* it may come back: a free one first */
    assert_int_equal(take(&m, "丙村", false), 2);
}

static void test_marks_are_bounded(void **state)
{
    struct lm_village_marks m = {0};
    char folder[LM_VILLAGE_FOLDER_BYTES + 8];

    (void)state;
    for (int i = 1; i <= LM_VILLAGES_MAX; i++) {
        (void)snprintf(folder, sizeof folder, "村%d", i);
        assert_int_equal(take(&m, folder, true), i);
    }
    assert_int_equal(take(&m, "第九村", false), 0);
    assert_int_equal(take(&m, "村8", false), 8);
    lm_village_mark_leave(&m, "村5");
    lm_village_mark_leave(&m, "不在的村");
    assert_int_equal(take(&m, "第九村", true), 5);
    assert_int_equal(take(&m, "村5", false), 0);
    lm_village_mark_leave(&m, "村1");
    memset(folder, 'x', sizeof folder - 1);
    folder[sizeof folder - 1] = '\0';
    assert_int_equal(take(&m, folder, false), 0);
}

static void test_marks_are_written_and_read(void **state)
{
    static const char *const bad[] = {
        "[]",
        "{}",
        "{\"marks\":[]}",
        "{\"marks\":{\"a\":0}}",
        "{\"marks\":{\"a\":9}}",
        "{\"marks\":{\"a\":\"1\"}}",
        "{\"marks\":{\"\":1}}",
        "{\"marks\":{\"a\":1,\"b\":1}}",
        "{\"marks\":{\"a\":2,\"b\":4294967297}}",
    };
    struct lm_village_marks m = {0}, again;
    json_t *doc;

    (void)state;
    (void)take(&m, "甲村", true);
    (void)take(&m, "乙村", true);
    doc = lm_village_marks_json(&m);
    assert_true(lm_village_marks_read(doc, &again));
    json_decref(doc);
    assert_false(again.present[0]); /* known, not seen yet */
    assert_int_equal(take(&again, "乙村", false), 2);
    assert_int_equal(take(&again, "甲村", false), 1);
    assert_false(lm_village_marks_read(NULL, &again));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        doc = json_loads(bad[i], 0, NULL);
        assert_non_null(doc);
        assert_false(lm_village_marks_read(doc, &again));
        json_decref(doc);
        assert_int_equal(take(&again, "丙村", true), 1); /* nothing of it was taken */
    }
}

/* ---- how it stands ---- */

static void test_state(void **state)
{
    const int64_t now = 1000000;

    (void)state;
    assert_int_equal(lm_village_state(false, 0, 0, now), LM_VILLAGE_DOWN);
    assert_int_equal(lm_village_state(false, now, now, now), LM_VILLAGE_DOWN);
    assert_int_equal(lm_village_state(true, now, 0, now), LM_VILLAGE_STARTING);
    assert_int_equal(lm_village_state(true, now - LM_VILLAGE_START_MS, 0, now),
                     LM_VILLAGE_STARTING);
    assert_int_equal(lm_village_state(true, now - LM_VILLAGE_START_MS - 1, 0, now),
                     LM_VILLAGE_SILENT);
    assert_int_equal(lm_village_state(true, 1, now - LM_VILLAGE_HEARD_MS, now), LM_VILLAGE_UP);
    assert_int_equal(lm_village_state(true, now, now - LM_VILLAGE_HEARD_MS - 1, now),
                     LM_VILLAGE_SILENT);
    assert_string_equal(lm_village_state_name(LM_VILLAGE_SILENT), "silent");
}

static void test_again(void **state)
{
    (void)state;
    assert_int_equal(lm_village_again_ms(0), 0);
    assert_int_equal(lm_village_again_ms(1), 1000);
    assert_int_equal(lm_village_again_ms(2), 2000);
    assert_int_equal(lm_village_again_ms(4), 8000);
    assert_int_equal(lm_village_again_ms(7), LM_VILLAGE_AGAIN_MS_MAX);
    assert_int_equal(lm_village_again_ms(UINT32_MAX), LM_VILLAGE_AGAIN_MS_MAX);
}

static void test_why(void **state)
{
    static const char *const bad[] = {
        "",
        "lastmile-node: ",
        "lastmile-node: 中文",
        "lastmile-node: 中文 / English",
        "lastmile-node: 中文 / English)",
        "lastmile-node:  / English (code)",
        "lastmile-node: 中文 / (code)",
        "2026-11-30T00:00:00Z warn link 中文 / English (code)",
    };
    struct lm_error err;
    char line[2048];

    (void)state;
    assert_true(lm_village_why(
        "lastmile-node: 数据库损坏（a/b）。 / The database (x) is damaged. (corrupt)", &err));
    assert_string_equal(err.zh, "数据库损坏（a/b）。");
    assert_string_equal(err.en, "The database (x) is damaged.");
    assert_string_equal(err.code, "corrupt");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(lm_village_why(bad[i], &err));
    }
    /* Too long for its place: cut between two characters. */
    (void)snprintf(line, sizeof line, "lastmile-node: a");
    for (int i = 0; i < 300; i++) {
        strcat(line, "中");
    }
    strcat(line, " / x (y)");
    assert_true(lm_village_why(line, &err));
    assert_int_equal(strlen(err.zh) % 3, 1);
    assert_in_range(strlen(err.zh), 396, 399);
}

static void test_port(void **state)
{
    (void)state;
    assert_int_equal(lm_village_port("127.0.0.1:5802"), 5802);
    assert_int_equal(lm_village_port("[::1]:80"), 80);
    assert_int_equal(lm_village_port("127.0.0.1:65536"), 0);
    assert_int_equal(lm_village_port("127.0.0.1:-1"), 0);
    assert_int_equal(lm_village_port("127.0.0.1:80x"), 0);
    assert_int_equal(lm_village_port("127.0.0.1:"), 0);
    assert_int_equal(lm_village_port("127.0.0.1"), 0);
    assert_int_equal(lm_village_port(NULL), 0);
}

/* ---- what is told ---- */

static const char *text_of(const json_t *doc, const char *name)
{
    return json_string_value(json_object_get(doc, name));
}

static void test_told(void **state)
{
    static const char word[] =
        "{\"name\":\"示例村改名\",\"pending\":4,\"pending_records\":3,\"returned\":1,\"conflicts\":"
        "0,\"state\":"
        "\"offline\","
        "\"state_text\":\"没有网络\",\"state_text_en\":\"no network\",\"last_contact\":null}";
    struct lm_error why = {0};
    struct lm_village_facts f = {.mark = 2,
                                 .folder = "乙村",
                                 .station = "999999101202",
                                 .name = "示例村2",
                                 .state = LM_VILLAGE_UP,
                                 .port = 5803,
                                 .why = &why,
                                 .word = word};
    json_t *doc = lm_village_json(&f);

    (void)state;
    assert_string_equal(text_of(doc, "name"), "示例村改名"); /* what it is called now */
    assert_string_equal(text_of(doc, "state"), "up");
    assert_string_equal(text_of(doc, "text"), "");
    assert_string_equal(text_of(doc, "link"), "offline");
    assert_int_equal(json_integer_value(json_object_get(doc, "pending")), 3);
    assert_int_equal(json_integer_value(json_object_get(doc, "port")), 5803);
    json_decref(doc);
    /* Down: nothing that it said before is told as if it still held. */
    f.state = LM_VILLAGE_DOWN;
    doc = lm_village_json(&f);
    assert_string_equal(text_of(doc, "name"), "示例村2");
    assert_non_null(strstr(text_of(doc, "text"), "意外停止"));
    assert_true(json_is_null(json_object_get(doc, "port")));
    assert_true(json_is_null(json_object_get(doc, "pending")));
    assert_true(json_is_null(json_object_get(doc, "link")));
    json_decref(doc);
    assert_true(lm_village_why("lastmile-node: 坏了 / broken (corrupt)", &why));
    doc = lm_village_json(&f);
    assert_string_equal(text_of(doc, "text"), "坏了");
    assert_string_equal(text_of(doc, "text_en"), "broken");
    json_decref(doc);
    /* A word that is none: told as if it had not spoken. */
    f.state = LM_VILLAGE_UP;
    f.word = "noise";
    doc = lm_village_json(&f);
    assert_string_equal(text_of(doc, "name"), "示例村2");
    assert_true(json_is_null(json_object_get(doc, "pending")));
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_mark_is_kept),
        cmocka_unit_test(test_marks_are_bounded),
        cmocka_unit_test(test_marks_are_written_and_read),
        cmocka_unit_test(test_state),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_why),
        cmocka_unit_test(test_port),
        cmocka_unit_test(test_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
