/* The audit log: a chain that shows what was changed or taken out, and the count of wrong
 * passwords. */
#include "hub/audit.h"

#include "common/base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

static struct lm_datadir dir;
static struct lm_error err;

static int setup(void **state)
{
    struct lm_audit *audit = NULL;

    (void)snprintf(dir.path, sizeof dir.path, "/tmp/lm-audit-XXXXXX");
    dir.lock_fd = -1;
    if (!mkdtemp(dir.path) || lm_audit_open(&dir, &audit, &err) != LM_OK) {
        return 1;
    }
    *state = audit;
    return 0;
}

static int teardown(void **state)
{
    static const char *const files[] = {"audit.db", "audit.db-wal", "audit.db-shm"};
    struct lm_audit *audit = *state;

    lm_audit_close(&audit);
    for (int i = 0; i < 3; i++) {
        char path[PATH_MAX];

        if (lm_datadir_path(&dir, files[i], path, sizeof path) == LM_OK) {
            (void)unlink(path);
        }
    }
    return rmdir(dir.path);
}

static void add(struct lm_audit *audit, int64_t at_ms, const char *user, const char *what,
                const char *reason)
{
    const struct lm_audit_entry entry = {
        .at_ms = at_ms, .user = user, .role = "clerk", .what = what, .reason = reason};

    assert_int_equal(lm_audit_add(audit, &entry, &err), LM_OK);
}

static int64_t first_bad(struct lm_audit *audit)
{
    int64_t bad = -1, n = 0;

    assert_int_equal(lm_audit_verify(audit, &bad, &n, &err), LM_OK);
    return bad;
}

static void tamper(const char *sql)
{
    char path[PATH_MAX];
    sqlite3 *db = NULL;

    assert_int_equal(lm_datadir_path(&dir, "audit.db", path, sizeof path), LM_OK);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The server and a command may both have it open. */
static void test_two_writers_make_one_chain(void **state)
{
    struct lm_audit *second = NULL;

    add(*state, 1, "甲", "login", "");
    assert_int_equal(lm_audit_open(&dir, &second, &err), LM_OK);
    add(*state, 2, "甲", "logout", "");
    add(second, 3, "技术员", "account_add", "");
    add(*state, 4, "甲", "login", "");
    assert_int_equal(first_bad(*state), 0);
    assert_int_equal(first_bad(second), 0);
    lm_audit_close(&second);
}

static void test_a_row_that_was_changed_or_taken_out_shows(void **state)
{
    struct lm_audit *audit = *state;

    add(audit, 1000, "甲", "login", "");
    add(audit, 2000, "甲", "reveal", "核对身份证");
    add(audit, 1500, "乙", "login", "时钟拨回"); /* a clock that was set back is no gap */
    assert_int_equal(first_bad(audit), 0);
    tamper("UPDATE audit SET reason = '没有' WHERE n = 2");
    assert_int_equal(first_bad(audit), 2);
    tamper("UPDATE audit SET reason = '核对身份证' WHERE n = 2");
    assert_int_equal(first_bad(audit), 0);
    tamper("UPDATE audit SET n = 9 WHERE n = 3; DELETE FROM audit WHERE n = 2;"
           "UPDATE audit SET n = 2 WHERE n = 9");
    assert_int_equal(first_bad(audit), 2);
}

static void test_goes_on_after_a_restart(void **state)
{
    struct lm_audit *audit = *state;

    add(audit, 1000, "甲", "login", "");
    lm_audit_close(&audit);
    assert_int_equal(lm_audit_open(&dir, &audit, &err), LM_OK);
    *state = audit;
    add(audit, 2000, "甲", "logout", "");
    assert_int_equal(first_bad(audit), 0);
}

static void test_lists_by_what_and_who(void **state)
{
    struct lm_audit *audit = *state;
    json_t *doc = NULL;

    for (int i = 0; i < 10; i++) {
        add(audit, 1000 + i, i % 2 ? "甲" : "乙", i % 3 ? "login" : "reveal", "x");
    }
    assert_int_equal(lm_audit_list(audit, NULL, NULL, 0, 3, &doc, &err), LM_OK);
    assert_int_equal(json_array_size(json_object_get(doc, "rows")), 3);
    assert_int_equal(
        json_integer_value(json_object_get(json_array_get(json_object_get(doc, "rows"), 0), "n")),
        10);
    json_decref(doc);
    assert_int_equal(lm_audit_list(audit, "reveal", "乙", 10, 500, &doc, &err), LM_OK);
    assert_int_equal(json_array_size(json_object_get(doc, "rows")), 2); /* 1 and 7 */
    json_decref(doc);
}

static void test_long_and_odd_texts(void **state)
{
    struct lm_audit *audit = *state;
    char *text = malloc(300001);
    const struct lm_audit_entry bad = {.at_ms = 1, .user = "甲", .what = "\xff"};
    json_t *doc = NULL;
    const char *stored;

    for (size_t i = 0; i < 100000; i++) {
        memcpy(text + 3 * i, "字", 3);
    }
    text[300000] = '\0';
    add(audit, 1000, "甲", "reveal", text);
    free(text);
    assert_int_equal(lm_audit_list(audit, NULL, NULL, 0, 1, &doc, &err), LM_OK);
    stored = json_string_value(
        json_object_get(json_array_get(json_object_get(doc, "rows"), 0), "reason"));
    assert_int_equal(strlen(stored), 3 * LM_AUDIT_TEXT_MAX);
    json_decref(doc);
    assert_int_equal(lm_audit_add(audit, &bad, &err), LM_ERR_INVALID);
    assert_int_equal(first_bad(audit), 0);
}

static void test_wrong_passwords_hold_over_a_restart(void **state)
{
    struct lm_audit *audit = *state;
    unsigned n = 9;
    int64_t at = 9;

    assert_int_equal(lm_audit_failures(audit, "甲", &n, &at, &err), LM_OK);
    assert_int_equal(n, 0);
    assert_int_equal(lm_audit_set_failures(audit, "甲", 5, 1234, &err), LM_OK);
    lm_audit_close(&audit);
    assert_int_equal(lm_audit_open(&dir, &audit, &err), LM_OK);
    *state = audit;
    assert_int_equal(lm_audit_failures(audit, "甲", &n, &at, &err), LM_OK);
    assert_int_equal(n, 5);
    assert_int_equal(at, 1234);
}

static void test_the_oldest_wrong_passwords_give_way(void **state)
{
    struct lm_audit *audit = *state;
    char name[32];
    unsigned n = 9;
    int64_t at = 9;

    assert_int_equal(lm_audit_set_failures(audit, "甲", 5, 1000, &err), LM_OK);
    for (int i = 0; i < LM_AUDIT_FAILURES_MAX; i++) {
        (void)snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(lm_audit_set_failures(audit, name, 1, 2000 + i, &err), LM_OK);
    }
    assert_int_equal(lm_audit_failures(audit, "甲", &n, &at, &err), LM_OK);
    assert_int_equal(n, 0);
    assert_int_equal(lm_audit_failures(audit, "n0", &n, &at, &err), LM_OK);
    assert_int_equal(n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_two_writers_make_one_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_row_that_was_changed_or_taken_out_shows, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_goes_on_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lists_by_what_and_who, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_and_odd_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_passwords_hold_over_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_oldest_wrong_passwords_give_way, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
