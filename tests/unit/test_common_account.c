/* Passwords, lock-out, sessions. */
#include "common/account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

static void test_password_rules(void **state)
{
    static const struct {
        const char *password, *code;
    } cases[] = {
        {"", "password_short"},
        {"12345", "password_short"},
        {"111111", "password_simple"},
        {"123456", "password_simple"},
        {"987654", "password_simple"},
        {"1234567890", "password_simple"},
        {"0987654321", "password_simple"},
        {"zhangsan", "password_simple"},
        {"a\x01"
         "bcdef",
         "bad_text"},
        {"\xff\xff\xff\xff\xff\xff", "bad_text"},
        {"password", "password_common"},
        {"PassW0rd", "password_common"},
        {"1qaz2wsx", "password_common"},
        {"password of mine", NULL},
        {"135792", NULL},
        {"123455", NULL},
        {"春天花会开了", NULL},
    };
    char longer[LM_PASSWORD_BYTES_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lm_error err = {0};
        enum lm_status st =
            lm_password_check("zhangsan", cases[i].password, LM_PIN_CHARS_MIN, &err);

        assert_int_equal(st, cases[i].code ? LM_ERR_INVALID : LM_OK);
        assert_string_equal(err.code, cases[i].code ? cases[i].code : "");
    }
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(lm_password_check("a", longer, LM_PIN_CHARS_MIN, NULL), LM_ERR_INVALID);
}

static void test_hash(void **state)
{
    char hash[LM_PASSWORD_HASH_BYTES], again[LM_PASSWORD_HASH_BYTES];

    (void)state;
    assert_int_equal(lm_password_hash("135792", hash, NULL), LM_OK);
    assert_int_equal(lm_password_hash("135792", again, NULL), LM_OK);
    assert_memory_equal(hash, "$argon2id$", 10);
    assert_string_not_equal(hash, again);
    assert_true(lm_password_matches(hash, "135792"));
    assert_false(lm_password_matches(hash, "135793"));
    assert_false(lm_password_matches(NULL, "135792"));
    assert_false(lm_password_matches("rubbish", "135792"));
}

static void test_lockout(void **state)
{
    (void)state;
    assert_int_equal(lm_lockout_ms(0), 0);
    assert_int_equal(lm_lockout_ms(4), 0);
    assert_int_equal(lm_lockout_ms(5), 60000);
    assert_int_equal(lm_lockout_ms(6), 120000);
    assert_int_equal(lm_lockout_ms(9), LM_LOCKOUT_MS_MAX);
    assert_int_equal(lm_lockout_ms(4000000000u), LM_LOCKOUT_MS_MAX);
}

static struct lm_session *find(struct lm_sessions *s, const char *token, int64_t now, bool touch)
{
    char cookies[200];

    (void)snprintf(cookies, sizeof(cookies), "other=1; lm_node=%s; last=2", token);
    return lm_session_find(s, cookies, "lm_node", now, touch);
}

static void test_session(void **state)
{
    static struct lm_sessions s;
    char token[LM_SESSION_TOKEN_TEXT], other[LM_SESSION_TOKEN_TEXT];
    struct lm_session *mine;

    (void)state;
    lm_sessions_init(&s, 1000, 5000);
    mine = lm_session_open(&s, "王秘书", "secretary", 0, token);
    assert_int_equal(strlen(token), LM_SESSION_TOKEN_TEXT - 1);
    assert_ptr_equal(find(&s, token, 0, true), mine);
    (void)lm_session_open(&s, "李秘书", "secretary", 0, other);
    assert_string_not_equal(token, other);
    assert_ptr_equal(find(&s, token, 900, true), mine);
    assert_false(mine->locked);
    /* Looking without use does not keep it open; once locked, use does not open it. */
    assert_ptr_equal(find(&s, token, 1500, false), mine);
    assert_false(mine->locked);
    assert_ptr_equal(find(&s, token, 1900, true), mine);
    assert_true(mine->locked);
    assert_ptr_equal(find(&s, token, 2000, true), mine);
    assert_true(mine->locked);
    assert_null(find(&s, token, 5900, true)); /* ended: 5 s after its last use */
    assert_null(find(&s, token, 2000, true)); /* and stays so */
    lm_sessions_close_user(&s, "李秘书");
    assert_null(find(&s, other, 0, true));
}

static void test_cookies(void **state)
{
    static struct lm_sessions s;
    char token[LM_SESSION_TOKEN_TEXT], text[300];

    (void)state;
    lm_sessions_init(&s, 1000, 5000);
    (void)lm_session_open(&s, "a", "secretary", 0, token);
    assert_null(lm_session_find(&s, NULL, "lm_node", 0, true));
    assert_null(lm_session_find(&s, "", "lm_node", 0, true));
    assert_null(lm_session_find(&s, "lm_node", "lm_node", 0, true));
    assert_null(lm_session_find(&s, "lm_node=", "lm_node", 0, true));
    (void)snprintf(text, sizeof(text), "xlm_node=%s", token);
    assert_null(lm_session_find(&s, text, "lm_node", 0, true));
    (void)snprintf(text, sizeof(text), "lm_node=%sx", token);
    assert_null(lm_session_find(&s, text, "lm_node", 0, true));
    (void)snprintf(text, sizeof(text), ";;  lm_node=%s", token);
    assert_non_null(lm_session_find(&s, text, "lm_node", 0, true));
}

/* More logins than slots: the longest unused gives way. */
static void test_bound(void **state)
{
    static struct lm_sessions s;
    char first[LM_SESSION_TOKEN_TEXT], second[LM_SESSION_TOKEN_TEXT], more[LM_SESSION_TOKEN_TEXT];

    (void)state;
    lm_sessions_init(&s, 1000000, 5000000);
    (void)lm_session_open(&s, "first", "secretary", 0, first);
    (void)lm_session_open(&s, "second", "secretary", 1, second);
    for (int i = 2; i < LM_SESSIONS_MAX; i++) {
        (void)lm_session_open(&s, "x", "secretary", i, more);
    }
    assert_non_null(find(&s, first, 500, true));
    (void)lm_session_open(&s, "x", "secretary", 501, more);
    assert_non_null(find(&s, first, 502, true));
    assert_null(find(&s, second, 502, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_password_rules), cmocka_unit_test(test_hash),
        cmocka_unit_test(test_lockout),        cmocka_unit_test(test_session),
        cmocka_unit_test(test_cookies),        cmocka_unit_test(test_bound),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
