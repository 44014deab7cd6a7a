/* Accounts of the pages: passwords and PINs (argon2id), lock-out, and the sessions of those who are
 * logged in. Where accounts are stored is each program's business. Nothing here blocks but for the
 * time that argon2id takes (about 0.1 s, 64 MiB). */
#ifndef LM_COMMON_ACCOUNT_H
#define LM_COMMON_ACCOUNT_H

#include "common/base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    LM_PASSWORD_HASH_BYTES = 128,
    LM_PASSWORD_BYTES_MAX = 256,
    LM_PIN_CHARS_MIN = 6,      /* a PIN of a shared PC */
    LM_PASSWORD_CHARS_MIN = 8, /* whoever may come over a network */
    LM_PASSWORD_MADE_BYTES = 9,
    LM_LOCKOUT_FAILURES = 5,
    LM_LOCKOUT_MS_MAX = 15 * 60 * 1000,
    LM_SESSIONS_MAX = 64,
    LM_SESSION_TOKEN_TEXT = 44, /* 32 random bytes, base64url, and its NUL */
    LM_SESSION_NAME_BYTES = 4 * 64 + 1,
};

/* Whether it may be an account's name: 1 to LM_USER_CHARS_MAX characters, none that names break at
 * in lists and addresses, no space at its ends. LM_ERR_INVALID "bad_text", field "user". */
enum lm_status lm_account_name_check(const char *name, struct lm_error *err) LM_MUST_USE;
/* One of some hundred that are tried first (common_passwords.c), in whatever case. */
bool lm_password_common(const char *password);
/* Whether it may be a password: chars_min or more characters, not one character repeated, not a run
 * of digits up or down ("123456"), not the account's name, not a common one. LM_ERR_INVALID
 * "password_short", "password_simple", "password_common", "password_long", "bad_text"; field
 * "password". */
enum lm_status lm_password_check(const char *name, const char *password, size_t chars_min,
                                 struct lm_error *err) LM_MUST_USE;
enum lm_status lm_password_hash(const char *password, char out[LM_PASSWORD_HASH_BYTES],
                                struct lm_error *err) LM_MUST_USE;
/* Whether a hash that came from elsewhere is one that lm_password_hash makes: another could ask for
 * any time and memory when a password is tried. */
bool lm_password_hash_usable(const char *hash);
/* Makes a password that people can copy from a screen: eight digits, none that
 * lm_password_check refuses. */
void lm_password_make(const char *name, char out[LM_PASSWORD_MADE_BYTES]);
/* hash NULL: takes as long and is false, so that nobody learns which names exist. */
bool lm_password_matches(const char *hash, const char *password);
/* Tells one password hash of an account from the next; never 0. */
uint64_t lm_account_mark(const char *hash);
/* For how long an account is locked after its n-th failure in a row: nothing before the
 * LM_LOCKOUT_FAILURES-th, then 1 min, doubling up to LM_LOCKOUT_MS_MAX. */
int64_t lm_lockout_ms(unsigned failures);
/* For how long it is still locked, in ms, when the last failure was at failed_ms (wall clock). A
 * clock that was set back locks no longer than the rule. */
int64_t lm_lockout_left_ms(unsigned failures, int64_t failed_ms, int64_t now_ms);

/* Those who are logged in. In memory: a restart asks everybody to log in again. One thread's. */
struct lm_session {
    uint8_t token_hash[32]; /* a copy of memory is no key to the door */
    char user[LM_SESSION_NAME_BYTES];
    char role[16];
    int64_t used_ms;  /* mono */
    uint64_t account; /* lm_account_mark when it began; 0 = nobody compares */
    bool locked;      /* idle or by hand: the same person's password opens it */
    bool must_change; /* nothing but another password until there is one */
    bool open;        /* slot in use */
};
struct lm_sessions {
    struct lm_session slots[LM_SESSIONS_MAX];
    int64_t idle_ms; /* after which a session locks */
    int64_t end_ms;  /* after which it ends */
};
void lm_sessions_init(struct lm_sessions *sessions, int64_t idle_ms, int64_t end_ms);
/* Opens one, in place of the longest unused when all slots are taken. token: what the browser
 * keeps. */
struct lm_session *lm_session_open(struct lm_sessions *sessions, const char *user, const char *role,
                                   int64_t now_ms, char token[LM_SESSION_TOKEN_TEXT]);
/* The session of a Cookie header, in which `name` holds its token; NULL: none. One that was idle
 * too long is locked now or gone. touch: this request counts as use. */
struct lm_session *lm_session_find(struct lm_sessions *sessions, const char *cookies,
                                   const char *name, int64_t now_ms, bool touch);
void lm_session_close(struct lm_session *session);
/* How many have not ended. */
size_t lm_sessions_open(const struct lm_sessions *sessions, int64_t now_ms);
/* All sessions of an account: its password changed, or it was disabled. */
void lm_sessions_close_user(struct lm_sessions *sessions, const char *user);

#endif
