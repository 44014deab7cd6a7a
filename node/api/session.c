/* Logging in and out, the lock of the screen, and the accounts of this PC. All of it works without
 * a network. */
#include "node/api/api.h"

#include <sodium.h>
#include <string.h>

/* Which of several villages on this PC it is, and where the page of all of them is; null where
 * there is no other. New reference. */
static json_t *front_json(const struct lm_api *api)
{
    int front = api->front ? atomic_load(api->front) : 0;

    return front
               ? json_pack("{s:i,s:i}", "port", LM_FRONT_PORT(front), "mark", LM_FRONT_MARK(front))
               : json_null();
}

/* ---- the first account ---- */

static enum lm_status count_accounts(struct lm_api_call *call, size_t *out)
{
    static _Thread_local struct lm_account accounts[LM_ACCOUNTS_LISTED];

    return lm_nstore_accounts(call->api->store, accounts, out, &call->err);
}

enum lm_status lm_api_setup_get(struct lm_api_call *call)
{
    struct lm_me me;
    size_t n = 0;
    enum lm_status st = count_accounts(call, &n);

    if (st == LM_OK) {
        st = lm_nstore_me(call->api->store, &me, &call->err);
    }
    if (st == LM_OK) {
        call->answer = json_pack("{s:b,s:s,s:s,s:o}", "needed", n == 0, "station", me.station,
                                 "name", me.name, "front", front_json(call->api));
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    return st;
}

/* role NULL: in the place of the account `old`. */
static enum lm_status make_account(struct lm_api_call *call, const char *role, const char *old,
                                   bool must_change)
{
    struct lm_nstore *store = call->api->store;
    int64_t now = lm_clock_wall_ms();
    const char *user, *password;
    char hash[LM_PASSWORD_HASH_BYTES];
    enum lm_status st = lm_api_text(call, "user", true, &user);

    if (st == LM_OK) {
        st = lm_api_text(call, "password", true, &password);
    }
    if (st == LM_OK) {
        st = lm_password_check(user, password, LM_PIN_CHARS_MIN, &call->err);
    }
    if (st == LM_OK) {
        st = lm_password_hash(password, hash, &call->err);
    }
    if (st != LM_OK) {
        return st;
    }
    return role ? lm_nstore_account_add(store, user, role, hash, must_change, now, &call->err)
                : lm_nstore_account_succeed(store, old, user, hash, must_change, now, &call->err);
}

/* The first account is made at the PC itself, by whoever installs it. */
enum lm_status lm_api_setup(struct lm_api_call *call)
{
    size_t n = 0;
    enum lm_status st = count_accounts(call, &n);

    if (strncmp(call->request->address, "127.", 4) != 0 &&
        strcmp(call->request->address, "::1") != 0) {
        return lm_fail(&call->err, LM_ERR_DENIED, "not_here", "",
                       "第一个账号要在装程序的那台电脑上建。",
                       "The first account is made at the PC itself.");
    }
    if (st == LM_OK && n > 0) {
        return lm_fail(&call->err, LM_ERR_EXISTS, "set_up", "",
                       "本机已有账号，请登录；忘记密码请联系镇里。",
                       "This PC has accounts already: log in, or ask the town.");
    }
    st = st == LM_OK ? make_account(call, "admin", NULL, false) : st;
    return st == LM_OK ? lm_api_login(call) : st;
}

/* ---- login ---- */

static enum lm_status wrong_password(struct lm_api_call *call)
{
    return lm_fail(&call->err, LM_ERR_DENIED, "wrong_password", "password", "账号或密码不对。",
                   "The account or the password is wrong.");
}

/* Judges a password and keeps count. *account is filled in when it is right. inside: of who is
 * logged in already. */
static enum lm_status try_password(struct lm_api_call *call, const char *user, const char *password,
                                   bool inside, struct lm_account *account)
{
    struct lm_nstore *store = call->api->store;
    struct lm_tries *tries = &call->api->tries;
    struct lm_error ignored;
    unsigned failures = 0;
    int64_t now = lm_clock_wall_ms(), failed_ms = 0, left;
    enum lm_status st = lm_nstore_account(store, user, account, &ignored);
    bool known = st == LM_OK && !account->disabled, right;

    if (st != LM_OK && st != LM_ERR_NOT_FOUND) {
        call->err = ignored;
        return st;
    }
    if (known) {
        failures = account->failures;
        failed_ms = account->failed_ms;
    } else {
        lm_tries_unknown(tries, user, &failures, &failed_ms);
    }
    left = lm_lockout_left_ms(failures, failed_ms, now);
    if (left > 0) {
        return lm_api_locked_out(call, left);
    }
    st = inside ? LM_OK : lm_api_try(call, tries);
    if (st != LM_OK) {
        return st;
    }
    right = lm_password_matches(known ? account->hash : NULL, password);
    if (!inside) {
        lm_tries_end(tries, call->request->address, right, lm_clock_mono_ms());
    }
    if (!known) {
        lm_tries_unknown_failed(tries, user, now);
    } else if (!right || failures > 0) {
        st = lm_nstore_account_failures(store, account->name, right ? 0 : failures + 1, now,
                                        &call->err);
    }
    return st != LM_OK ? st : right ? LM_OK : wrong_password(call);
}

/* 1: it cannot be read, and fits no account. */
static uint64_t mark_of(struct lm_api *api, const char *user)
{
    struct lm_account account;
    struct lm_error ignored;

    return lm_nstore_account(api->store, user, &account, &ignored) == LM_OK
               ? lm_account_mark(account.hash)
               : 1;
}

bool lm_api_still(struct lm_api *api, const struct lm_session *session)
{
    struct lm_account account;
    struct lm_error ignored;
    enum lm_status st = lm_nstore_account(api->store, session->user, &account, &ignored);

    return st == LM_OK ? !account.disabled && lm_account_mark(account.hash) == session->account &&
                             strcmp(account.role, session->role) == 0
                       : st != LM_ERR_NOT_FOUND; /* what cannot be read says so by itself */
}

static enum lm_status answer_session(struct lm_api_call *call, const struct lm_session *s)
{
    struct lm_me me;
    struct lm_account account = {0};
    struct lm_error ignored;
    enum lm_status st = lm_nstore_me(call->api->store, &me, &call->err);

    if (st != LM_OK) {
        return st;
    }
    (void)!lm_nstore_account(call->api->store, s->user, &account, &ignored);
    call->answer =
        json_pack("{s:s,s:s,s:s,s:b,s:b,s:s,s:s,s:s,s:I,s:o}", "user", s->user, "shown",
                  account.shown[0] ? account.shown : s->user, "role", s->role, "locked",
                  (int)s->locked, "must_change", (int)s->must_change, "station", me.station,
                  "station_name", me.name, "level", me.level, "idle_ms",
                  (json_int_t)call->api->sessions.idle_ms, "front", front_json(call->api));
    return call->answer ? LM_OK : lm_api_no_memory(call);
}

static void set_cookie(struct lm_api_call *call, const char *token)
{
    (void)snprintf(call->response->cookie, sizeof call->response->cookie,
                   "%s=%s; Path=/; HttpOnly; SameSite=Strict%s", call->door->cookie, token,
                   token[0] ? "" : "; Max-Age=0");
}

enum lm_status lm_api_login(struct lm_api_call *call)
{
    const char *user, *password;
    char token[LM_SESSION_TOKEN_TEXT];
    struct lm_account account;
    struct lm_session *s;
    enum lm_status st = lm_api_text(call, "user", true, &user);

    if (st == LM_OK) {
        st = lm_api_text(call, "password", true, &password);
    }
    if (st == LM_OK) {
        st = try_password(call, user, password, false, &account);
    }
    if (st != LM_OK) {
        return st;
    }
    lm_session_close(call->session); /* a new login, a new token */
    s = lm_session_open(&call->api->sessions, account.name, account.role, lm_clock_mono_ms(),
                        token);
    s->must_change = account.must_change;
    s->account = lm_account_mark(account.hash);
    set_cookie(call, token);
    return answer_session(call, s);
}

enum lm_status lm_api_session(struct lm_api_call *call)
{
    return answer_session(call, call->session);
}

enum lm_status lm_api_logout(struct lm_api_call *call)
{
    lm_session_close(call->session);
    set_cookie(call, "");
    return LM_OK;
}

enum lm_status lm_api_lock(struct lm_api_call *call)
{
    call->session->locked = true;
    return answer_session(call, call->session);
}

enum lm_status lm_api_unlock(struct lm_api_call *call)
{
    const char *password;
    struct lm_account account;
    enum lm_status st = lm_api_text(call, "password", true, &password);

    if (st == LM_OK) {
        st = try_password(call, call->session->user, password, true, &account);
    }
    if (st != LM_OK) {
        return st;
    }
    call->session->locked = false;
    call->session->used_ms = lm_clock_mono_ms();
    return answer_session(call, call->session);
}

/* ---- accounts ---- */

static enum lm_status set_password(struct lm_api_call *call, const char *user, const char *password,
                                   bool must_change)
{
    char hash[LM_PASSWORD_HASH_BYTES];
    enum lm_status st = lm_password_check(user, password, LM_PIN_CHARS_MIN, &call->err);

    if (st == LM_OK) {
        st = lm_password_hash(password, hash, &call->err);
    }
    return st == LM_OK
               ? lm_nstore_account_password(call->api->store, user, hash, must_change, &call->err)
               : st;
}

/* One's own: the old one shows that it is oneself. Every other session of the account ends. */
enum lm_status lm_api_password(struct lm_api_call *call)
{
    const char *old, *password;
    struct lm_account account;
    struct lm_session mine = *call->session;
    enum lm_status st = lm_api_text(call, "old", true, &old);

    if (st == LM_OK) {
        st = lm_api_text(call, "password", true, &password);
    }
    if (st == LM_OK) {
        st = try_password(call, mine.user, old, true, &account);
    }
    if (st == LM_OK && mine.must_change && strcmp(old, password) == 0) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "same_password", "password",
                     "新密码不能和别人给您的那个一样，请换一个只有自己知道的。",
                     "The new password must differ from the one that you were given.");
    }
    if (st == LM_OK) {
        st = set_password(call, mine.user, password, false);
    }
    if (st == LM_OK) {
        mine.must_change = false;
        mine.account = mark_of(call->api, mine.user);
        lm_sessions_close_user(&call->api->sessions, mine.user);
        *call->session = mine;
    }
    return st;
}

enum lm_status lm_api_users(struct lm_api_call *call)
{
    static _Thread_local struct lm_account accounts[LM_ACCOUNTS_LISTED];
    size_t n = 0;
    json_t *rows = json_array();
    enum lm_status st = lm_nstore_accounts(call->api->store, accounts, &n, &call->err);

    for (size_t i = 0; st == LM_OK && i < n; i++) {
        const struct lm_account *a = &accounts[i];
        bool locked = lm_lockout_left_ms(a->failures, a->failed_ms, lm_clock_wall_ms()) > 0;

        (void)json_array_append_new(
            rows, json_pack("{s:s,s:s,s:b,s:b,s:b,s:b,s:s}", "name", a->name, "role", a->role,
                            "disabled", (int)a->disabled, "locked", (int)locked, "must_change",
                            (int)a->must_change, "of_town", (int)a->of_town, "shown", a->shown));
    }
    call->answer = json_pack("{s:o}", "users", rows);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

enum lm_status lm_api_user_add(struct lm_api_call *call)
{
    const char *role;
    enum lm_status st = lm_api_text(call, "role", true, &role);

    st = st == LM_OK ? make_account(call, role, NULL, true) : st;
    if (st == LM_OK) {
        call->response->status = 201;
        call->answer =
            json_pack("{s:O,s:s}", "name", json_object_get(call->body, "user"), "role", role);
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    return st;
}

/* "disabled" and a new "password" for somebody who forgot theirs. Nobody locks himself out. */
enum lm_status lm_api_user_edit(struct lm_api_call *call)
{
    const char *name = call->request->params[0], *password;
    const json_t *disabled = json_object_get(call->body, "disabled");
    struct lm_account account;
    enum lm_status st = lm_nstore_account(call->api->store, name, &account, &call->err);

    if (st == LM_OK) {
        st = lm_api_text(call, "password", false, &password);
    }
    if (st == LM_OK && disabled && !json_is_boolean(disabled)) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_type", "disabled",
                     "“disabled”应为 true 或 false。", "\"disabled\" must be true or false.");
    }
    if (st == LM_OK && json_is_true(disabled) && strcmp(name, call->session->user) == 0) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "own_account", "disabled", "不能停用自己的账号。",
                     "Nobody disables the own account.");
    }
    if (st == LM_OK && password) {
        st = set_password(call, name, password, strcmp(name, call->session->user) != 0);
    }
    if (st == LM_OK && disabled) {
        st = lm_nstore_account_disable(call->api->store, name, json_is_true(disabled), &call->err);
    }
    if (st == LM_OK && strcmp(name, call->session->user) != 0) {
        lm_sessions_close_user(&call->api->sessions, name);
    } else if (st == LM_OK) {
        call->session->account = mark_of(call->api, name);
    }
    return st;
}

/* A new secretary takes over from the old. */
enum lm_status lm_api_user_succeed(struct lm_api_call *call)
{
    const char *old = call->request->params[0];
    enum lm_status st = LM_OK;

    if (strcmp(old, call->session->user) == 0) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "own_account", "user", "不能停用自己的账号。",
                     "Nobody disables the own account.");
    }
    st = st == LM_OK ? make_account(call, NULL, old, true) : st;
    if (st == LM_OK) {
        lm_sessions_close_user(&call->api->sessions, old);
        call->response->status = 201;
        call->answer = json_pack("{s:O}", "name", json_object_get(call->body, "user"));
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    return st;
}
