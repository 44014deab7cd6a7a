/* How a request becomes an answer. A request that changes something must come as application/json:
 * a form of another site cannot send that without asking first, and the server answers no such
 * question. Together with Origin (common/http) and a SameSite=Strict cookie that no script can
 * read, no other site acts in a user's name. */
#include "common/api.h"
#include "common/base/util.h"
#include "common/cli.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- answers ---- */

static int http_status(enum lm_status st, const struct lm_error *err)
{
    switch (st) {
    case LM_OK:
        return 200;
    case LM_ERR_INVALID:
        return strcmp(err->code, "bad_json") == 0 || strcmp(err->code, "bad_utf8") == 0 ? 400 : 422;
    case LM_ERR_LIMIT:
        return 413;
    case LM_ERR_NOT_FOUND:
        return 404;
    case LM_ERR_EXISTS:
        return 409;
    case LM_ERR_DENIED:
        return 403;
    case LM_ERR_FULL:
        return 507;
    case LM_ERR_BUSY:
        return strcmp(err->code, LM_API_TOO_MANY_TRIES) == 0 ? 429 : 503;
    case LM_ERR_TIMEOUT:
    case LM_ERR_NETWORK:
    case LM_ERR_MEMORY:
        return 503;
    case LM_ERR_IO:
    case LM_ERR_CORRUPT:
    case LM_ERR_VERSION:
    case LM_ERR_INTERNAL:
        break;
    }
    return 500;
}

static int add_bytes(const char *bytes, size_t n, void *out)
{
    lm_buf_add(out, bytes, n);
    return 0;
}

static void answer_json(struct lm_api_call *call, const json_t *json)
{
    (void)json_dump_callback(json, add_bytes, &call->response->body,
                             JSON_COMPACT | JSON_ENCODE_ANY);
    lm_buf_text(&call->response->body, "\n");
}

static void answer_failure(struct lm_api_call *call, int status)
{
    json_t *doc;

    if (call->door->cover) {
        call->door->cover(call);
    }
    doc = json_pack("{s:o}", "error", lm_error_json(&call->err));
    call->response->status = status;
    if (doc && call->more) {
        (void)json_object_update(doc, call->more);
    }
    if (doc) {
        answer_json(call, doc);
    }
    json_decref(doc);
}

static void refuse(struct lm_api_call *call, int status, const char *code, const char *zh,
                   const char *en)
{
    (void)lm_fail(&call->err, LM_ERR_DENIED, code, "", "%s%.0s", "%.0s%s", zh, en);
    answer_failure(call, status);
}

/* ---- who ---- */

static bool has_word(const char *words, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = words; n > 0 && (at = strstr(at, word)); at += n) {
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0')) {
            return true;
        }
    }
    return false;
}

/* False: it was answered. */
static bool let_in(struct lm_api_call *call, enum lm_api_who who)
{
    static const char *const roles[] = {[LM_API_ADMIN] = "admin",
                                        [LM_API_CLERK] = "clerk",
                                        [LM_API_DESK] = "clerk admin",
                                        [LM_API_FIGURES] = "clerk leader",
                                        [LM_API_BOARD] = "clerk leader admin",
                                        [LM_API_SIGNER] = "leader",
                                        [LM_API_SECURITY] = "security",
                                        [LM_API_AUDITOR] = "auditor"};
    const char *path = strstr(call->request->path, LM_API_V); /* below whatever it hangs */
    /* What a page asks by itself is no sign that somebody sits there. */
    bool by_itself =
        path && (strcmp(path, LM_API_V "status") == 0 || strcmp(path, LM_API_V "session") == 0 ||
                 strcmp(path, LM_API_V "events") == 0);

    call->session =
        lm_session_find(call->door->sessions, call->request->header(call->request, "Cookie"),
                        call->door->cookie, lm_clock_mono_ms(), !by_itself);
    if (call->session && call->session->account != 0 && call->door->still &&
        !call->door->still(call->api, call->session)) {
        lm_session_close(call->session);
        call->session = NULL;
    }
    if (who == LM_API_ANYONE) {
        return true;
    }
    if (!call->session) {
        refuse(call, 401, "no_session", "请先登录。", "Log in first.");
        return false;
    }
    if (call->session->locked && who != LM_API_LOCKED_TOO) {
        refuse(call, 423, "locked", "屏幕已锁定，请输入密码。",
               "The screen is locked: enter your password.");
        return false;
    }
    if (call->session->must_change && who != LM_API_LOCKED_TOO &&
        strcmp(path, LM_API_V "session/password") != 0) {
        refuse(call, 403, "must_change", "请先修改密码。", "Change your password first.");
        return false;
    }
    if (roles[who] && !has_word(roles[who], call->session->role)) {
        refuse(call, 403, "not_allowed", "您的账号没有这项权限。", "Your account may not do this.");
        return false;
    }
    return true;
}

static bool is_json(const char *type)
{
    static const char wanted[] = "application/json";

    return type && strncasecmp(type, wanted, sizeof wanted - 1) == 0 &&
           (type[sizeof wanted - 1] == '\0' || type[sizeof wanted - 1] == ';' ||
            type[sizeof wanted - 1] == ' ');
}

/* False: it was answered. */
static bool take_body(struct lm_api_call *call)
{
    const struct lm_http_request *request = call->request;
    bool reads = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    enum lm_status st;

    if (reads) {
        return true;
    }
    if (!is_json(request->header(request, "Content-Type"))) {
        refuse(call, 415, "not_json", "请求应为 application/json。",
               "The request must be application/json.");
        return false;
    }
    if (request->body_n == 0) {
        return true;
    }
    st = lm_json_object(request->body, request->body_n, &call->body, &call->err);
    if (st != LM_OK) {
        answer_failure(call, st == LM_ERR_MEMORY ? 503 : 400);
    }
    return st == LM_OK;
}

/* The pages keep their looks in cookies (common/web/src/kept.ts). */
static bool reads_english(const struct lm_http_request *request)
{
    static const char wanted[] = "lm_look_language=en";
    const char *cookies = request->header(request, "Cookie");
    const char *at = cookies ? strstr(cookies, wanted) : NULL;
    char after = at ? at[sizeof wanted - 1] : 0;

    return at && (at == cookies || at[-1] == ' ' || at[-1] == ';') &&
           (after == '\0' || after == ';' || after == ' ');
}

static enum lm_status run_handler(struct lm_api_call *call, const struct lm_api_route *route)
{
    const struct lm_api_door *door = call->door;
    bool held = door->hold_begin && strcmp(call->request->method, "GET") == 0;
    enum lm_status st = door->before ? door->before(door->api, &call->err) : LM_OK;

    if (st != LM_OK) {
        return st;
    }
    if (door->english) {
        *door->english = reads_english(call->request);
    }
    if (held) {
        st = door->hold_begin(door->api, &call->err);
        held = st == LM_OK;
    }
    if (st == LM_OK) {
        st = route->handler(call);
    }
    if (held) {
        door->hold_end(door->api);
    }
    return st;
}

static void handle(void *arg, const struct lm_http_request *request,
                   struct lm_http_response *response)
{
    const struct lm_api_binding *binding = arg;
    const struct lm_api_door *door = binding->door;
    struct lm_api_call call = {
        .api = door->api, .door = door, .request = request, .response = response};
    enum lm_status st;

    response->content_type = "application/json; charset=utf-8";
    if (let_in(&call, binding->route->who) && take_body(&call)) {
        st = run_handler(&call, binding->route);
        if (st != LM_OK) {
            if (!call.err.code[0]) {
                (void)lm_fail(&call.err, st, lm_status_name(st), "", "没有完成，请重试。",
                              "Not done; try again.");
            }
            answer_failure(&call, http_status(st, &call.err));
        } else if (call.answer) {
            if (door->cover) {
                door->cover(&call);
            }
            answer_json(&call, call.answer);
        } else if (!response->fixed && !response->stream && response->body.len == 0) {
            response->status = 204;
        }
    }
    json_decref(call.body);
    json_decref(call.answer);
    json_decref(call.more);
}

void lm_api_bind(const struct lm_api_door *door, const struct lm_api_route *table, size_t n,
                 struct lm_api_binding *bindings, struct lm_http_route *routes)
{
    for (size_t i = 0; i < n; i++) {
        bindings[i] = (struct lm_api_binding){.door = door, .route = &table[i]};
        routes[i] = (struct lm_http_route){.method = table[i].method,
                                           .path = table[i].path,
                                           .handler = handle,
                                           .arg = &bindings[i]};
    }
}

/* ---- for handlers ---- */

enum lm_status lm_api_no_memory(struct lm_api_call *call)
{
    return lm_fail(&call->err, LM_ERR_MEMORY, "memory", "", "内存不足，请稍后再试。",
                   "Out of memory; try again later.");
}

enum lm_status lm_api_try(struct lm_api_call *call, struct lm_tries *tries)
{
    int64_t wait = lm_tries_begin(tries, call->request->address, lm_clock_mono_ms());

    if (wait == 0) {
        return LM_OK;
    }
    call->response->retry_after_s = (int)((wait + 999) / 1000);
    return lm_fail(&call->err, LM_ERR_BUSY, LM_API_TOO_MANY_TRIES, "",
                   "刚才试密码的太多，请 %d 秒后再登录。",
                   "Too many passwords are being tried: log in again in %d seconds.",
                   call->response->retry_after_s);
}

enum lm_status lm_api_locked_out(struct lm_api_call *call, int64_t left_ms)
{
    return lm_fail(&call->err, LM_ERR_DENIED, "locked_out", "password",
                   "密码输错次数太多，请 %lld 分钟后再试。",
                   "Too many wrong passwords: try again in %lld minutes.",
                   (long long)(left_ms / 60000 + 1));
}

enum lm_status lm_api_text(struct lm_api_call *call, const char *name, bool required,
                           const char **out)
{
    const json_t *value = json_object_get(call->body, name);

    *out = json_string_value(value);
    if (value && !json_is_null(value) && !*out) {
        return lm_fail(&call->err, LM_ERR_INVALID, "bad_type", name, "“%s”应为文字。",
                       "\"%s\" must be a text.", name);
    }
    if (*out && strlen(*out) != json_string_length(value)) {
        return lm_fail(&call->err, LM_ERR_INVALID, "bad_text", name, "“%s”里有不能用的字符。",
                       "\"%s\" has characters that cannot be used.", name);
    }
    if (required && !*out) {
        return lm_fail(&call->err, LM_ERR_INVALID, "required", name, "缺少“%s”。",
                       "\"%s\" is missing.", name);
    }
    return LM_OK;
}

enum lm_status lm_api_number(struct lm_api_call *call, const char *name, int64_t min, int64_t max,
                             int64_t fallback, int64_t *out)
{
    const char *text = call->request->query(call->request, name);
    char *end = NULL;
    long long n;

    *out = fallback;
    if (!text) {
        return LM_OK;
    }
    n = strlen(text) <= 18 ? strtoll(text, &end, 10) : -1;
    if (!end || end == text || *end || n < min || n > max) {
        return lm_fail(&call->err, LM_ERR_INVALID, "bad_number", name,
                       "“%s”应为 %lld 至 %lld 的整数。",
                       "\"%s\" must be a whole number from %lld to %lld.", name, (long long)min,
                       (long long)max);
    }
    *out = n;
    return LM_OK;
}

enum lm_status lm_api_id(struct lm_api_call *call, size_t param, char out[LM_UUID_TEXT + 1])
{
    const char *text = call->request->params[param];
    uint8_t bytes[16];

    if (!text || !lm_uuid_parse(text, strlen(text), bytes)) {
        return lm_fail(&call->err, LM_ERR_NOT_FOUND, "not_found", "id", "没有这条记录。",
                       "There is no such record.");
    }
    lm_uuid_format(bytes, out);
    return LM_OK;
}

json_t *lm_api_issues(const struct lm_issues *issues)
{
    json_t *out = json_array();

    for (size_t i = 0; i < issues->n; i++) {
        json_t *row = lm_error_json(&issues->items[i].error);

        (void)json_object_set_new(
            row, "level", json_string(issues->items[i].level == LM_WARN ? "warn" : "refuse"));
        (void)json_array_append_new(out, row);
    }
    return out;
}
