/* See account.h. Sources: RFC 9106 (argon2id), OWASP Password Storage and Session Management cheat
 * sheets (tokens of 256 random bits, stored hashed; the same answer and time for unknown names). */
#include "common/account.h"

#include "common/base/util.h"
#include "proto/limits.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* ---- passwords ---- */

/* Signs without a width (U+200B to U+200F, U+202A to U+202E, U+2060 to U+206F, U+FEFF), and spaces
 * that look like the plain one (U+00A0, U+3000): two names that look alike would be two people. */
static bool unseen(const char *name)
{
    const unsigned char *p = (const unsigned char *)name;

    for (; *p; p++) {
        if ((p[0] == 0xe2 && p[1] == 0x80 &&
             ((p[2] >= 0x8b && p[2] <= 0x8f) || (p[2] >= 0xaa && p[2] <= 0xae))) ||
            (p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xaf) ||
            (p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf) || (p[0] == 0xc2 && p[1] == 0xa0) ||
            (p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x80)) {
            return true;
        }
    }
    return false;
}

enum lm_status lm_account_name_check(const char *name, struct lm_error *err)
{
    size_t n = strlen(name), chars = 0;

    return n > 0 && lm_utf8_valid(name, n, &chars) && chars <= LM_USER_CHARS_MAX &&
                   !lm_utf8_has_control(name, n) && !unseen(name) && !strpbrk(name, "\n\t/") &&
                   name[0] != ' ' &&
                   name[n - 1] != ' '
               ? LM_OK
               : lm_fail(err, LM_ERR_INVALID, "bad_text", "user",
                         "账号名应为 1 至 %d 个字，前后没有空格，不含斜线和看不见的符号。",
                         "An account's name has 1 to %d characters, no space at its ends, no slash "
                         "and nothing invisible.",
                         LM_USER_CHARS_MAX);
}

static bool one_repeated(const char *text)
{
    return strspn(text, (const char[]){text[0], '\0'}) == strlen(text);
}

/* "123456", "987654", "1234567890": each digit one more, or one less, than the one before, and 0
 * behind 9. */
static bool run_of_digits(const char *text)
{
    int step = text[0] && text[1] ? text[1] - text[0] : 0;

    step = step == -9 ? 1 : step == 9 ? -1 : step;

    if (step != 1 && step != -1) {
        return false;
    }
    for (size_t i = 0; text[i]; i++) {
        if (text[i] < '0' || text[i] > '9' || (i > 0 && (text[i] - text[i - 1] - step) % 10 != 0)) {
            return false;
        }
    }
    return true;
}

enum lm_status lm_password_check(const char *name, const char *password, size_t chars_min,
                                 struct lm_error *err)
{
    size_t n = strlen(password), chars = 0;

    if (n > LM_PASSWORD_BYTES_MAX) {
        return lm_fail(err, LM_ERR_INVALID, "password_long", "password", "密码太长。",
                       "The password is too long.");
    }
    if (!lm_utf8_valid(password, n, &chars) || lm_utf8_has_control(password, n)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_text", "password", "密码里有不能用的字符。",
                       "The password has characters that cannot be used.");
    }
    if (chars < chars_min) {
        return lm_fail(err, LM_ERR_INVALID, "password_short", "password", "密码至少 %zu 位。",
                       "The password needs at least %zu characters.", chars_min);
    }
    if (one_repeated(password) || run_of_digits(password) || strcmp(password, name) == 0) {
        return lm_fail(err, LM_ERR_INVALID, "password_simple", "password",
                       "密码太简单：不能是同一个字符、连续数字或账号名。",
                       "The password is too simple: not one character, a run of digits or the "
                       "account's name.");
    }
    if (lm_password_common(password)) {
        return lm_fail(err, LM_ERR_INVALID, "password_common", "password",
                       "这个密码太常见，最先被人试到。请换一个，例如几个不相干的词连起来。",
                       "That password is among the first that are tried: choose another, for "
                       "instance some words that have nothing to do with each other.");
    }
    return LM_OK;
}

enum lm_status lm_password_hash(const char *password, char out[LM_PASSWORD_HASH_BYTES],
                                struct lm_error *err)
{
    _Static_assert(LM_PASSWORD_HASH_BYTES >= crypto_pwhash_STRBYTES, "room for libsodium's text");
    memset(out, 0, LM_PASSWORD_HASH_BYTES);
    if (crypto_pwhash_str(out, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足，无法处理密码。",
                       "Not enough memory for the password.");
    }
    return LM_OK;
}

bool lm_password_hash_usable(const char *hash)
{
    return strlen(hash) < crypto_pwhash_STRBYTES &&
           crypto_pwhash_str_needs_rehash(hash, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                          crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0;
}

void lm_password_make(const char *name, char out[LM_PASSWORD_MADE_BYTES])
{
    do {
        (void)snprintf(out, LM_PASSWORD_MADE_BYTES, "%08u",
                       (unsigned)randombytes_uniform(100000000));
    } while (lm_password_check(name, out, LM_PASSWORD_CHARS_MIN, NULL) != LM_OK);
}

bool lm_password_matches(const char *hash, const char *password)
{
    char waste[crypto_pwhash_STRBYTES];

    if (strlen(password) > LM_PASSWORD_BYTES_MAX) {
        return false;
    }
    if (!hash) {
        (void)!crypto_pwhash_str(waste, password, strlen(password),
                                 crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                 crypto_pwhash_MEMLIMIT_INTERACTIVE);
        return false;
    }
    return crypto_pwhash_str_verify(hash, password, strlen(password)) == 0;
}

int64_t lm_lockout_ms(unsigned failures)
{
    int64_t ms = 60 * 1000;

    if (failures < LM_LOCKOUT_FAILURES) {
        return 0;
    }
    for (unsigned i = LM_LOCKOUT_FAILURES; i < failures && ms < LM_LOCKOUT_MS_MAX; i++) {
        ms *= 2;
    }
    return ms < LM_LOCKOUT_MS_MAX ? ms : LM_LOCKOUT_MS_MAX;
}

int64_t lm_lockout_left_ms(unsigned failures, int64_t failed_ms, int64_t now_ms)
{
    int64_t lock = lm_lockout_ms(failures), since = now_ms - failed_ms;

    return lock > 0 && since >= -lock && since < lock ? lock - (since < 0 ? 0 : since) : 0;
}

/* ---- sessions ---- */

void lm_sessions_init(struct lm_sessions *sessions, int64_t idle_ms, int64_t end_ms)
{
    memset(sessions, 0, sizeof(*sessions));
    sessions->idle_ms = idle_ms;
    sessions->end_ms = end_ms;
}

static void hash_token(const char *token, size_t n, uint8_t out[LM_HASH_BYTES])
{
    lm_hash(out, token, n, NULL, 0, NULL, 0);
}

uint64_t lm_account_mark(const char *hash)
{
    uint64_t mark = 0;

    (void)crypto_generichash((unsigned char *)&mark, sizeof(mark), (const unsigned char *)hash,
                             strlen(hash), NULL, 0);
    return mark | 1;
}

struct lm_session *lm_session_open(struct lm_sessions *sessions, const char *user, const char *role,
                                   int64_t now_ms, char token[LM_SESSION_TOKEN_TEXT])
{
    struct lm_session *slot = &sessions->slots[0];
    uint8_t random[32];

    for (size_t i = 0; i < LM_SESSIONS_MAX; i++) {
        struct lm_session *s = &sessions->slots[i];

        if (!s->open) {
            slot = s;
            break;
        }
        slot = s->used_ms < slot->used_ms ? s : slot;
    }
    randombytes_buf(random, sizeof(random));
    (void)sodium_bin2base64(token, LM_SESSION_TOKEN_TEXT, random, sizeof(random),
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(random, sizeof(random));
    memset(slot, 0, sizeof(*slot));
    hash_token(token, strlen(token), slot->token_hash);
    (void)snprintf(slot->user, sizeof(slot->user), "%s", user);
    (void)snprintf(slot->role, sizeof(slot->role), "%s", role);
    slot->used_ms = now_ms;
    slot->open = true;
    return slot;
}

/* The value of the cookie `name` in "a=b; name=value"; NULL when it is not there. */
static const char *cookie_value(const char *cookies, const char *name, size_t *n_out)
{
    size_t length = strlen(name);

    while (cookies && *cookies) {
        cookies += strspn(cookies, "; ");
        if (strncmp(cookies, name, length) == 0 && cookies[length] == '=') {
            *n_out = strcspn(cookies + length + 1, ";");
            return cookies + length + 1;
        }
        cookies += strcspn(cookies, ";");
    }
    return NULL;
}

static struct lm_session *of_token(struct lm_sessions *sessions, const uint8_t hash[LM_HASH_BYTES])
{
    struct lm_session *found = NULL;

    for (size_t i = 0; i < LM_SESSIONS_MAX; i++) {
        struct lm_session *s = &sessions->slots[i];

        if (s->open && sodium_memcmp(s->token_hash, hash, LM_HASH_BYTES) == 0) {
            found = s;
        }
    }
    return found;
}

struct lm_session *lm_session_find(struct lm_sessions *sessions, const char *cookies,
                                   const char *name, int64_t now_ms, bool touch)
{
    size_t n = 0;
    const char *token = cookie_value(cookies, name, &n);
    uint8_t hash[LM_HASH_BYTES];
    struct lm_session *s;

    if (!token || n != LM_SESSION_TOKEN_TEXT - 1) {
        return NULL;
    }
    hash_token(token, n, hash);
    s = of_token(sessions, hash);
    if (!s) {
        return NULL;
    }
    if (now_ms - s->used_ms >= sessions->end_ms) {
        lm_session_close(s);
        return NULL;
    }
    s->locked = s->locked || now_ms - s->used_ms >= sessions->idle_ms;
    if (touch && !s->locked) {
        s->used_ms = now_ms;
    }
    return s;
}

void lm_session_close(struct lm_session *session)
{
    if (session) {
        sodium_memzero(session, sizeof(*session));
    }
}

size_t lm_sessions_open(const struct lm_sessions *sessions, int64_t now_ms)
{
    size_t n = 0;

    for (size_t i = 0; i < LM_SESSIONS_MAX; i++) {
        n += sessions->slots[i].open && now_ms - sessions->slots[i].used_ms < sessions->end_ms;
    }
    return n;
}

void lm_sessions_close_user(struct lm_sessions *sessions, const char *user)
{
    for (size_t i = 0; i < LM_SESSIONS_MAX; i++) {
        if (sessions->slots[i].open && strcmp(sessions->slots[i].user, user) == 0) {
            lm_session_close(&sessions->slots[i]);
        }
    }
}
