/* The addresses of the API, who may use each, and how an error becomes an answer.
 *
 * A request that changes something must come as application/json: a form of another site cannot
 * send that without asking first, and the server answers no such question. Together with Origin
 * (common/http) and a SameSite=Strict cookie that no script can read, no other site acts in a
 * user's name. */
#include "node/api/api.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define V "/api/v1/"

const struct lm_api_route lm_api_routes[] = {
    {"GET", V "openapi.json", LM_API_ANYONE, lm_api_openapi},
    {"GET", V "setup", LM_API_ANYONE, lm_api_setup_get},
    {"POST", V "setup", LM_API_ANYONE, lm_api_setup},
    {"POST", V "session", LM_API_ANYONE, lm_api_login},
    {"GET", V "session", LM_API_LOCKED_TOO, lm_api_session},
    {"DELETE", V "session", LM_API_LOCKED_TOO, lm_api_logout},
    {"POST", V "session/lock", LM_API_LOCKED_TOO, lm_api_lock},
    {"POST", V "session/unlock", LM_API_LOCKED_TOO, lm_api_unlock},
    {"POST", V "session/password", LM_API_USER, lm_api_password},
    {"GET", V "users", LM_API_ADMIN, lm_api_users},
    {"POST", V "users", LM_API_ADMIN, lm_api_user_add},
    {"PATCH", V "users/{name}", LM_API_ADMIN, lm_api_user_edit},
    {"GET", V "status", LM_API_USER, lm_api_status},
    {"GET", V "events", LM_API_USER, lm_api_events},
    {"POST", V "sync", LM_API_USER, lm_api_sync},
    {"GET", V "catalog", LM_API_USER, lm_api_catalog},
    {"GET", V "search", LM_API_USER, lm_api_search},
    {"GET", V "pending", LM_API_USER, lm_api_pending},
    {"GET", V "returned", LM_API_USER, lm_api_returned},
    {"GET", V "types/{type}/records", LM_API_USER, lm_api_list},
    {"POST", V "types/{type}/records", LM_API_USER, lm_api_create},
    {"POST", V "types/{type}/check", LM_API_USER, lm_api_check},
    {"GET", V "records/{id}", LM_API_USER, lm_api_get},
    {"PATCH", V "records/{id}", LM_API_USER, lm_api_edit},
    {"DELETE", V "records/{id}", LM_API_USER, lm_api_delete},
    {"POST", V "records/{id}/undelete", LM_API_USER, lm_api_undelete},
    {"GET", V "records/{id}/history", LM_API_USER, lm_api_history},
    {"GET", V "records/{id}/related", LM_API_USER, lm_api_related},
    {"GET", V "drafts", LM_API_USER, lm_api_drafts},
    {"GET", V "drafts/{key}", LM_API_USER, lm_api_draft_get},
    {"PUT", V "drafts/{key}", LM_API_USER, lm_api_draft_put},
    {"DELETE", V "drafts/{key}", LM_API_USER, lm_api_draft_drop},
};
const size_t lm_api_n_routes = sizeof lm_api_routes / sizeof *lm_api_routes;

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
    json_t *doc = json_pack("{s:o}", "error", lm_error_json(&call->err));

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

/* False: it was answered. */
static bool let_in(struct lm_api_call *call, enum lm_api_who who)
{
    const char *path = call->request->path;
    /* What a page asks by itself is no sign that somebody sits there. */
    bool by_itself = strcmp(path, V "status") == 0 || strcmp(path, V "session") == 0 ||
                     strcmp(path, V "events") == 0;

    call->session =
        lm_session_find(&call->api->sessions, call->request->header(call->request, "Cookie"),
                        LM_API_COOKIE, lm_clock_mono_ms(), !by_itself);
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
    if (who == LM_API_ADMIN && strcmp(call->session->role, "admin") != 0) {
        refuse(call, 403, "not_allowed", "这项操作需要本机管理员。",
               "Only an administrator of this PC may do this.");
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

static void handle(void *arg, const struct lm_http_request *request,
                   struct lm_http_response *response)
{
    const struct lm_api_binding *binding = arg;
    struct lm_api_call call = {.api = binding->api, .request = request, .response = response};
    enum lm_status st;

    response->content_type = "application/json; charset=utf-8";
    if (let_in(&call, binding->route->who) && take_body(&call)) {
        st = lm_nstore_refresh(binding->api->store, &call.err);
        st = st == LM_OK ? binding->route->handler(&call) : st;
        if (st != LM_OK) {
            if (!call.err.code[0]) {
                (void)lm_fail(&call.err, st, lm_status_name(st), "", "没有完成，请重试。",
                              "Not done; try again.");
            }
            answer_failure(&call, http_status(st, &call.err));
        } else if (call.answer) {
            answer_json(&call, call.answer);
        } else if (!response->fixed && !response->stream && response->body.len == 0) {
            response->status = 204;
        }
    }
    json_decref(call.body);
    json_decref(call.answer);
    json_decref(call.more);
}

void lm_api_bind(struct lm_api *api, struct lm_api_binding *bindings, struct lm_http_route *routes)
{
    for (size_t i = 0; i < lm_api_n_routes; i++) {
        bindings[i] = (struct lm_api_binding){.api = api, .route = &lm_api_routes[i]};
        routes[i] = (struct lm_http_route){.method = lm_api_routes[i].method,
                                           .path = lm_api_routes[i].path,
                                           .handler = handle,
                                           .arg = &bindings[i]};
    }
}

/* ---- life ---- */

enum lm_status lm_api_open(struct lm_node *node, struct lm_api **out, struct lm_error *err)
{
    struct lm_api *api = calloc(1, sizeof *api);
    enum lm_status st;

    *out = NULL;
    if (!api) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    api->node = node;
    lm_rand_seed_system(&api->rnd);
    lm_sessions_init(&api->sessions, LM_API_IDLE_MS, LM_API_END_MS);
    st = lm_nstore_open(&node->dir, node->catalog, false, &api->store, err);
    if (st != LM_OK) {
        lm_api_close(&api);
    }
    *out = api;
    return st;
}

void lm_api_close(struct lm_api **api)
{
    if (!*api) {
        return;
    }
    lm_api_search_free(&(*api)->search);
    lm_nstore_close((*api)->store ? &(*api)->store : NULL);
    free(*api);
    *api = NULL;
}

/* ---- for handlers ---- */

enum lm_status lm_api_no_memory(struct lm_api_call *call)
{
    return lm_fail(&call->err, LM_ERR_MEMORY, "memory", "", "内存不足，请稍后再试。",
                   "Out of memory; try again later.");
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
