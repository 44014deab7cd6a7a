/* Logging in and out, accounts, and the audit log. */
#include "common/account.h"
#include "hub/acts.h"
#include "hub/api/api.h"
#include "hub/api/xlsx.h"
#include "hub/settings.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* ---- passwords ---- */

static enum lm_status note_login(struct lm_api_call *call, const char *user, const char *role,
                                 const char *what)
{
    const struct lm_audit_entry entry = {
        .at_ms = lm_clock_wall_ms(), .user = user, .role = role, .what = what};

    return lm_audit_add(call->api->audit, &entry, &call->err);
}

void lm_town_tell_refused(struct lm_api *api, bool at_once)
{
    unsigned n = api->audit ? lm_tries_told(&api->tries, lm_clock_mono_ms(), at_once) : 0;
    struct lm_error ignored;
    char detail[32];
    const struct lm_audit_entry entry = {
        .at_ms = lm_clock_wall_ms(), .user = "?", .what = "login_refused", .detail = detail};

    (void)snprintf(detail, sizeof detail, "%u", n);
    if (n > 0 && lm_audit_add(api->audit, &entry, &ignored) != LM_OK) {
        api->tries.refused += n;
    }
}

/* Under what wrong passwords are counted: the name, known or not, and from where; so nobody locks
 * out somebody elsewhere, nor whoever is logged in. A hash: what strangers type is not kept. */
static void count_key(const struct lm_api_call *call, const char *name, bool inside,
                      char out[LM_HASH_BYTES * 2 + 1])
{
    const char *address = call->request->address;
    uint8_t hash[LM_HASH_BYTES];

    lm_hash(hash, name, strlen(name) + 1, inside ? "in" : "out", inside ? 3 : 4, address,
            strlen(address));
    (void)sodium_bin2hex(out, LM_HASH_BYTES * 2 + 1, hash, sizeof hash);
}

/* Judges a password and keeps count; the outcome is in the audit log before it is told. inside: of
 * who is logged in already. */
static enum lm_status try_password(struct lm_api_call *call, const char *name, const char *password,
                                   bool inside, struct lm_user *user)
{
    struct lm_api *api = call->api;
    char hash[LM_PASSWORD_HASH_BYTES], key[LM_HASH_BYTES * 2 + 1];
    struct lm_error ignored = {0};
    unsigned failures = 0;
    int64_t failed_ms = 0, now = lm_clock_wall_ms(), left;
    enum lm_status st = lm_store_user_get(api->store, name, user, hash, &ignored);
    bool known = st == LM_OK && !user->disabled, right;

    if (st != LM_OK && st != LM_ERR_NOT_FOUND) {
        call->err = ignored;
        return st;
    }
    count_key(call, name, inside, key);
    st = lm_audit_failures(api->audit, key, &failures, &failed_ms, &call->err);
    left = lm_lockout_left_ms(failures, failed_ms, now);
    if (st != LM_OK || left > 0) {
        return st != LM_OK ? st : lm_api_locked_out(call, left);
    }
    st = inside ? LM_OK : lm_api_try(call, &api->tries);
    if (st != LM_OK) {
        return st;
    }
    right = lm_password_matches(known ? hash : NULL, password);
    if (!inside) {
        lm_tries_end(&api->tries, call->request->address, right, lm_clock_mono_ms());
    }
    st = note_login(call, known ? user->name : "?", known ? user->role : "",
                    right ? "login" : "login_failed");
    if (st == LM_OK && (!right || failures > 0)) {
        st = lm_audit_set_failures(api->audit, key, right ? 0 : failures + 1, now, &call->err);
    }
    return st != LM_OK ? st
           : right     ? LM_OK
                       : lm_fail(&call->err, LM_ERR_DENIED, "wrong_password", "password",
                                 "账号或密码不对。", "The account or the password is wrong.");
}

/* ---- sessions ---- */

/* 1: it cannot be read, and fits no account. */
static uint64_t mark_of(struct lm_api *api, const char *name)
{
    struct lm_user user;
    struct lm_error ignored = {0};
    char hash[LM_PASSWORD_HASH_BYTES];

    return lm_store_user_get(api->store, name, &user, hash, &ignored) == LM_OK
               ? lm_account_mark(hash)
               : 1;
}

static enum lm_status answer_session(struct lm_api_call *call, const struct lm_session *s)
{
    const struct lm_town *town = lm_store_town(call->api->store);
    char name[LM_TOWN_NAME_BYTES];

    lm_town_name(call->api->store, name);
    call->answer =
        json_pack("{s:s,s:s,s:b,s:b,s:s,s:s,s:I}", "user", s->user, "role", s->role, "locked",
                  (int)s->locked, "must_change", (int)s->must_change, "town", name, "code",
                  town->code, "idle_ms", (json_int_t)call->api->sessions.idle_ms);
    return call->answer ? LM_OK : lm_api_no_memory(call);
}

static void set_cookie(struct lm_api_call *call, const char *token)
{
    (void)snprintf(call->response->cookie, sizeof call->response->cookie,
                   LM_TOWN_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict%s", token,
                   token[0] ? "" : "; Max-Age=0");
}

enum lm_status lm_town_login(struct lm_api_call *call)
{
    const char *name, *password;
    char token[LM_SESSION_TOKEN_TEXT];
    struct lm_user user;
    struct lm_session *s;
    enum lm_status st = lm_api_text(call, "user", true, &name);

    if (st == LM_OK) {
        st = lm_api_text(call, "password", true, &password);
    }
    if (st == LM_OK) {
        st = try_password(call, name, password, false, &user);
    }
    if (st != LM_OK) {
        return st;
    }
    lm_session_close(call->session); /* a new login, a new token */
    s = lm_session_open(&call->api->sessions, user.name, user.role, lm_clock_mono_ms(), token);
    s->must_change = user.must_change;
    s->account = mark_of(call->api, user.name);
    set_cookie(call, token);
    return answer_session(call, s);
}

enum lm_status lm_town_session(struct lm_api_call *call)
{
    return answer_session(call, call->session);
}

enum lm_status lm_town_logout(struct lm_api_call *call)
{
    enum lm_status st = lm_town_log(call, "logout", "", "", "");

    lm_session_close(call->session);
    set_cookie(call, "");
    return st;
}

enum lm_status lm_town_lock(struct lm_api_call *call)
{
    call->session->locked = true;
    return answer_session(call, call->session);
}

enum lm_status lm_town_unlock(struct lm_api_call *call)
{
    const char *password;
    struct lm_user user;
    enum lm_status st = lm_api_text(call, "password", true, &password);

    if (st == LM_OK) {
        st = try_password(call, call->session->user, password, true, &user);
    }
    if (st != LM_OK) {
        return st;
    }
    call->session->locked = false;
    call->session->used_ms = lm_clock_mono_ms();
    return answer_session(call, call->session);
}

/* ---- accounts ---- */

struct account_job {
    const char *name, *role, *person, *password; /* NULL = as it is */
    bool add, by_another, disable, enable;
};

static enum lm_status account_job(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    const struct account_job *job = arg;
    enum lm_status st = LM_OK;

    if (job->add) {
        return lm_store_user_add(hub->store, job->name, job->role, job->person, job->password, true,
                                 lm_clock_wall_ms(), err);
    }
    /* What may be refused comes first: the line in doors.log does not go back with the rest. */
    if (job->password) {
        st = lm_password_check(job->name, job->password, LM_PASSWORD_CHARS_MIN, err);
    }
    if (st == LM_OK && job->person) {
        st = lm_store_user_person(hub->store, job->name, job->person, err);
    }
    if (st == LM_OK && (job->disable || job->enable)) {
        st = lm_store_user_disable(hub->store, job->name, job->disable, err);
    }
    if (st == LM_OK && job->password) {
        st = lm_store_user_password(hub->store, job->name, job->password, job->by_another, err);
    }
    return st;
}

/* One's own: the old one shows that it is oneself. Every other session of the account ends. */
enum lm_status lm_town_password(struct lm_api_call *call)
{
    struct account_job job = {.name = call->session->user};
    struct lm_session mine = *call->session;
    const char *old;
    struct lm_user user;
    enum lm_status st = lm_api_text(call, "old", true, &old);

    if (st == LM_OK) {
        st = lm_api_text(call, "password", true, &job.password);
    }
    if (st == LM_OK) {
        st = try_password(call, mine.user, old, true, &user);
    }
    if (st == LM_OK && strcmp(old, job.password) == 0) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "password_same", "password",
                     "新密码不能与旧密码相同。", "The new password must differ from the old one.");
    }
    if (st == LM_OK) {
        st = lm_server_do(call->api->server, account_job, &job, &call->err);
    }
    if (st == LM_OK) {
        lm_sessions_close_user(&call->api->sessions, mine.user);
        *call->session = mine;
        call->session->must_change = false;
        call->session->account = mark_of(call->api, mine.user);
        st = lm_town_log(call, "password", mine.user, "", "");
    }
    return st;
}

static bool add_user(void *arg, const struct lm_user *user)
{
    json_t *row = json_pack("{s:s,s:s,s:s,s:b,s:b}", "name", user->name, "person", user->person,
                            "role", user->role, "disabled", (int)user->disabled, "must_change",
                            (int)user->must_change);

    return row && json_array_append_new(arg, row) == 0;
}

enum lm_status lm_town_users(struct lm_api_call *call)
{
    json_t *rows = json_array();
    enum lm_status st = lm_store_users(call->api->store, add_user, rows, &call->err);

    call->answer = json_pack("{s:o}", "users", rows);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

/* With the role of a new one, and whose it was said to be. */
static enum lm_status log_account(struct lm_api_call *call, const char *what,
                                  const struct account_job *job)
{
    char detail[LM_PERSON_BYTES + 16];

    (void)snprintf(detail, sizeof detail, "%s%s%s", job->role ? job->role : "",
                   job->role && job->person ? " " : "", job->person ? job->person : "");
    return lm_town_log(call, what, job->name, "", detail);
}

enum lm_status lm_town_user_add(struct lm_api_call *call)
{
    struct account_job job = {.add = true};
    enum lm_status st = lm_api_text(call, "user", true, &job.name);

    if (st == LM_OK) {
        st = lm_api_text(call, "role", true, &job.role);
    }
    if (st == LM_OK) {
        st = lm_api_text(call, "password", true, &job.password);
    }
    if (st == LM_OK) {
        st = lm_api_text(call, "person", false, &job.person);
    }
    if (st == LM_OK) {
        st = lm_server_do(call->api->server, account_job, &job, &call->err);
    }
    if (st == LM_OK) {
        st = log_account(call, "account_add", &job);
    }
    if (st == LM_OK) {
        call->response->status = 201;
        call->answer = json_pack("{s:s,s:s}", "name", job.name, "role", job.role);
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    return st;
}

/* Another's password, whose it is, or whether the account may be used. */
enum lm_status lm_town_user_edit(struct lm_api_call *call)
{
    struct account_job job = {.name = call->request->params[0], .by_another = true};
    const json_t *disabled = json_object_get(call->body, "disabled");
    enum lm_status st = lm_api_text(call, "password", false, &job.password);

    if (st == LM_OK) {
        st = lm_api_text(call, "person", false, &job.person);
    }
    if (st == LM_OK && disabled && !json_is_boolean(disabled)) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_type", "disabled", "“disabled”应为是或否。",
                     "\"disabled\" must be true or false.");
    }
    job.disable = json_is_true(disabled);
    job.enable = json_is_false(disabled);
    if (st == LM_OK && strcmp(job.name, call->session->user) == 0) {
        st = lm_fail(&call->err, LM_ERR_DENIED, "own_account", "name",
                     "不能这样改自己的账号；自己的密码请在“修改密码”里改。",
                     "One's own account is not changed here.");
    }
    if (st == LM_OK) {
        st = lm_server_do(call->api->server, account_job, &job, &call->err);
    }
    if (st == LM_OK) {
        lm_sessions_close_user(&call->api->sessions, job.name);
        st = log_account(call,
                         job.disable    ? "account_disable"
                         : job.enable   ? "account_enable"
                         : job.password ? "account_password"
                                        : "account_edit",
                         &job);
    }
    return st;
}

/* POST audit/note {"what":"export"|"print","object","detail"}: the page says what it takes away. */
enum lm_status lm_town_note(struct lm_api_call *call)
{
    const char *what, *object, *detail;
    enum lm_status st = lm_api_text(call, "what", true, &what);

    if (st == LM_OK) {
        st = lm_api_text(call, "object", true, &object);
    }
    if (st == LM_OK) {
        st = lm_api_text(call, "detail", false, &detail);
    }
    if (st == LM_OK && strcmp(what, "export") != 0 && strcmp(what, "print") != 0) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_code", "what", "只能记 export 或 print。",
                     "\"what\" is export or print.");
    }
    return st == LM_OK ? lm_town_log(call, what, object, "", detail) : st;
}

enum lm_status lm_town_audit(struct lm_api_call *call)
{
    const struct lm_http_request *request = call->request;
    int64_t before = 0, rows = 100, bad = 0, n = 0, other = 0, anchored = 0;
    enum lm_status st = lm_api_number(call, "before", 0, INT64_MAX / 2, 0, &before);

    if (st == LM_OK) {
        st = lm_api_number(call, "limit", 1, LM_AUDIT_ROWS_MAX, 100, &rows);
    }
    if (st == LM_OK) {
        st = lm_audit_list(call->api->audit, request->query(request, "what"),
                           request->query(request, "user"), before, (size_t)rows, &call->answer,
                           &call->err);
    }
    if (st == LM_OK && request->query(request, "verify")) {
        st = lm_audit_verify(call->api->audit, &bad, &n, &call->err);
        if (st == LM_OK) {
            st = lm_store_audit_check(call->api->store, call->api->audit, &other, &anchored,
                                      &call->err);
            bad = bad == 0 || (other > 0 && other < bad) ? other : bad;
        }
        if (st == LM_OK) {
            (void)json_object_set_new(call->answer, "missing_from",
                                      anchored > n ? json_integer(n + 1) : json_null());
            (void)json_object_set_new(call->answer, "entries", json_integer(n));
            (void)json_object_set_new(call->answer, "first_bad",
                                      bad ? json_integer(bad) : json_null());
        }
    }
    return st;
}

/* GET audit/export: all of it as CSV, oldest last; the log has the export first. */
enum lm_status lm_town_audit_export(struct lm_api_call *call)
{
    static const char *const names[] = {"n",    "at",     "user",   "role",
                                        "what", "object", "reason", "detail"};
    static const char *const heads[] = {"序号", "时间", "账号", "角色",
                                        "动作", "对象", "原因", "详情"};
    json_t *table = json_array(), *head = json_array(), *page, *row, *cells;
    int64_t before = 0;
    size_t i, n = 1;
    enum lm_status st = lm_town_log(call, "export", "audit", "", "csv");

    for (i = 0; i < sizeof names / sizeof *names; i++) {
        (void)json_array_append_new(head, json_string(heads[i]));
    }
    (void)json_array_append_new(table, head);
    while (st == LM_OK && n > 0) {
        page = NULL;
        st = lm_audit_list(call->api->audit, NULL, NULL, before, LM_AUDIT_ROWS_MAX, &page,
                           &call->err);
        lm_town_cover_json(page, true);
        n = json_array_size(json_object_get(page, "rows"));
        json_array_foreach(json_object_get(page, "rows"), i, row)
        {
            cells = json_array();
            for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
                (void)json_array_append(cells, json_object_get(row, names[k]));
            }
            (void)json_array_append_new(table, cells);
            before = json_integer_value(json_object_get(row, "n"));
        }
        json_decref(page);
        n = before > 1 ? n : 0;
    }
    if (st == LM_OK) {
        lm_csv(table, &call->response->body);
        call->response->content_type = "text/csv; charset=utf-8";
        (void)snprintf(call->response->disposition, sizeof call->response->disposition,
                       "attachment; filename=\"audit.csv\"");
        st = call->response->body.status == LM_OK ? LM_OK : lm_api_no_memory(call);
    }
    json_decref(table);
    return st;
}
