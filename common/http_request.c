/* A request on its way: checks of its head, the route that answers it, and the answer.
 *
 * Every answer, errors too, says that nothing may be cached (but what bears a hash in its name, or
 * an ETag, which is asked for anew each time), sniffed or framed. Against DNS rebinding a server
 * bound to this machine answers only to a literal address or localhost; against cross-site requests
 * an Origin must be the Host. */
#include "common/http_internal.h"

#include "common/base/util.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define PATH_BYTES_MAX 1024

/* What is kept of one request. */
struct exchange {
    struct lm_buf body;
    char path[PATH_BYTES_MAX]; /* cut at its slashes: what params point into */
};

/* ---- answers ---- */

static const char *const fixed_headers[][2] = {
    {"X-Content-Type-Options", "nosniff"},
    {"Content-Security-Policy",
     "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; "
     "form-action 'self'; object-src 'none'"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

void lm_http_fixed_headers(struct MHD_Response *response, const char *cache)
{
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, cache);
    for (size_t i = 0; i < sizeof(fixed_headers) / sizeof(fixed_headers[0]); i++) {
        (void)MHD_add_response_header(response, fixed_headers[i][0], fixed_headers[i][1]);
    }
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    if (value && value[0]) {
        (void)MHD_add_response_header(response, name, value);
    }
}

/* The answer's bytes as libmicrohttpd wants them; takes body's memory. */
static struct MHD_Response *make_response(struct lm_http_response *r)
{
    static char nothing[1];
    union {
        const void *in;
        void *out; /* only read: MHD_RESPMEM_PERSISTENT */
    } fixed = {.in = r->fixed};
    struct MHD_Response *response;

    if (r->fixed) {
        return MHD_create_response_from_buffer(r->fixed_n, fixed.out, MHD_RESPMEM_PERSISTENT);
    }
    if (!r->body.data) {
        return MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);
    }
    response = MHD_create_response_from_buffer(r->body.len, r->body.data, MHD_RESPMEM_MUST_FREE);
    if (response) {
        lm_buf_init(&r->body, 0); /* its memory is the response's now */
    }
    return response;
}

static void add_number(struct MHD_Response *response, const char *name, int value)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%d", value);
    add_header(response, name, value > 0 ? text : NULL);
}

static enum MHD_Result answer(struct MHD_Connection *connection, struct lm_http_response *r,
                              const char *allow)
{
    struct MHD_Response *response = make_response(r);
    enum MHD_Result rc;

    lm_buf_free(&r->body);
    if (!response) {
        return MHD_NO;
    }
    lm_http_fixed_headers(response, r->immutable ? "private, max-age=31536000, immutable"
                                    : r->etag[0] ? "private, no-cache"
                                                 : LM_HTTP_NO_STORE);
    add_header(response, MHD_HTTP_HEADER_ETAG, r->etag);
    add_header(response, MHD_HTTP_HEADER_VARY, r->etag[0] ? MHD_HTTP_HEADER_ACCEPT_ENCODING : NULL);
    add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
               r->content_type ? r->content_type : "application/json; charset=utf-8");
    add_header(response, MHD_HTTP_HEADER_ALLOW, allow);
    add_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, r->encoding);
    add_header(response, MHD_HTTP_HEADER_SET_COOKIE, r->cookie);
    add_header(response, MHD_HTTP_HEADER_CONTENT_DISPOSITION, r->disposition);
    add_header(response, MHD_HTTP_HEADER_LOCATION, r->location);
    add_number(response, MHD_HTTP_HEADER_RETRY_AFTER, r->retry_after_s);
    rc = MHD_queue_response(connection, (unsigned)r->status, response);
    MHD_destroy_response(response);
    return rc;
}

static enum MHD_Result answer_error(struct MHD_Connection *connection, int status, const char *code,
                                    const char *text, const char *allow)
{
    struct lm_http_response r = {.status = status};

    lm_buf_init(&r.body, 4096);
    /* Both are texts of this file: nothing in them needs escaping. */
    lm_buf_printf(&r.body, "{\"error\":{\"code\":\"%s\",\"text\":\"%s\",\"field\":\"\"}}\n", code,
                  text);
    return answer(connection, &r, allow);
}

/* ---- checks ---- */

/* "127.0.0.1:5801", "[::1]", "localhost": not a name that somebody's DNS answers for. */
static bool literal_host(const char *host)
{
    bool v6 = host[0] == '[';
    const char *start = v6 ? host + 1 : host;
    size_t n = strcspn(start, v6 ? "]" : ":");
    const char *rest = start + n + (v6 && start[n] == ']');
    char name[64];
    struct in6_addr address;

    if (n == 0 || n >= sizeof(name) || (v6 && start[n] != ']') || (*rest != '\0' && *rest != ':')) {
        return false;
    }
    memcpy(name, start, n);
    name[n] = '\0';
    return v6 ? inet_pton(AF_INET6, name, &address) == 1
              : strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &address) == 1;
}

static bool same_origin(const char *origin, const char *host)
{
    const char *rest = strstr(origin, "://");

    return rest && strcasecmp(rest + 3, host) == 0;
}

static enum MHD_Result check_text(void *arg, enum MHD_ValueKind kind, const char *key,
                                  const char *value)
{
    bool *good = arg;

    (void)kind;
    *good = *good && lm_utf8_valid(key, strlen(key), NULL) &&
            (!value || lm_utf8_valid(value, strlen(value), NULL));
    return *good ? MHD_YES : MHD_NO;
}

/* What is wrong with the head of a request: an answer was queued (*done_out), or nothing. */
static enum MHD_Result check_head(const struct lm_http *http, struct MHD_Connection *connection,
                                  const char *path, const char *method, bool *done_out)
{
    const char *host =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
    const char *origin =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ORIGIN);
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    bool text = lm_utf8_valid(path, strlen(path), NULL);

    *done_out = true;
    if (!host || (http->loopback && !literal_host(host))) {
        return answer_error(connection, 403, "bad_host", "请用本机地址访问，例如 http://127.0.0.1/",
                            NULL);
    }
    if (!reads && origin && !same_origin(origin, host)) {
        return answer_error(connection, 403, "bad_origin", "不接受来自其他网站的请求", NULL);
    }
    if (length && (strlen(length) > 10 || atoll(length) > LM_HTTP_REQUEST_BODY_MAX)) {
        return answer_error(connection, 413, "too_large", "请求内容过大，最多 1 MiB", NULL);
    }
    (void)MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, check_text, &text);
    if (!text) {
        return answer_error(connection, 400, "bad_utf8", "地址不是 UTF-8 编码", NULL);
    }
    *done_out = false;
    return MHD_YES;
}

/* ---- requests ---- */

static const char *look_up_query(const struct lm_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->internal, MHD_GET_ARGUMENT_KIND, name);
}

static const char *look_up_header(const struct lm_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->internal, MHD_HEADER_KIND, name);
}

static void take_address(struct MHD_Connection *connection, char *out, socklen_t n)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *from = info ? info->client_addr : NULL;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    if (from && from->sa_family == AF_INET) {
        memcpy(&v4, from, sizeof(v4));
        (void)inet_ntop(AF_INET, &v4.sin_addr, out, n);
    } else if (from && from->sa_family == AF_INET6) {
        memcpy(&v6, from, sizeof(v6));
        if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
            (void)inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], out, n);
            return;
        }
        if (!IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr)) {
            memset(&v6.sin6_addr.s6_addr[8], 0, 8);
        }
        (void)inet_ntop(AF_INET6, &v6.sin6_addr, out, n);
    }
}

/* Whether path is what the route's path describes; params point into copy, which is cut up. */
static bool path_fits(const char *route, char *path, const char *params[LM_HTTP_PARAMS_MAX])
{
    size_t n_params = 0;

    while (*route && *path) {
        if (*route == '{' && n_params < LM_HTTP_PARAMS_MAX) {
            size_t n = strcspn(path, "/");

            params[n_params++] = path;
            route += strcspn(route, "}") + 1;
            path += n;
            if (n == 0 || (*path && *route != '/')) {
                return false;
            }
            if (*path) { /* the slash ends the parameter */
                *path++ = '\0';
                route++;
            }
        } else if (*route++ != *path++) {
            return false;
        }
    }
    return *route == '\0' && *path == '\0';
}

/* NULL and *other_out: the address is there, for another method. */
static const struct lm_http_route *find_route(const struct lm_http *http, const char *method,
                                              const char *path, struct exchange *exchange,
                                              const char **params, const char **other_out)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;

    *other_out = NULL;
    if (strlen(path) >= PATH_BYTES_MAX) {
        return NULL;
    }
    for (size_t i = 0; i < http->n_routes; i++) {
        memcpy(exchange->path, path, strlen(path) + 1);
        memset(params, 0, LM_HTTP_PARAMS_MAX * sizeof(*params));
        if (!path_fits(http->routes[i].path, exchange->path, params)) {
            continue;
        }
        if (strcmp(http->routes[i].method, wanted) == 0) {
            return &http->routes[i];
        }
        *other_out = http->routes[i].method;
    }
    return NULL;
}

/* RFC 9110 §13.1.2, for one weak tag that we made ourselves: whether it is among those of the list.
 */
static bool has_tag(const char *list, const char *etag)
{
    const char *bare = strchr(etag, '"'); /* weak comparison: W/ does not matter */

    return list && bare && (strcmp(list, "*") == 0 || strstr(list, bare));
}

static enum MHD_Result open_stream(struct lm_http *http, struct MHD_Connection *connection)
{
    enum MHD_Result rc = MHD_NO;

    return lm_http_stream_open(http, connection, &rc)
               ? rc
               : answer_error(connection, 503, "too_many_streams",
                              "打开的页面太多，请关闭一些再刷新", NULL);
}

static enum MHD_Result dispatch(struct lm_http *http, struct MHD_Connection *connection,
                                const char *path, const char *method, struct exchange *exchange)
{
    struct lm_http_request request = {.method = method,
                                      .path = path,
                                      .query = look_up_query,
                                      .header = look_up_header,
                                      .body = exchange->body.data,
                                      .body_n = exchange->body.len,
                                      .internal = connection};
    struct lm_http_response response = {.status = 200};
    const char *other;
    const struct lm_http_route *route =
        find_route(http, method, path, exchange, request.params, &other);
    enum lm_status st;

    if (!route && other) {
        return answer_error(connection, 405, "bad_method", "这个地址不支持该方法", other);
    }
    if (!route) {
        return answer_error(connection, 404, "not_found", "没有这个地址", NULL);
    }
    take_address(connection, request.address, sizeof(request.address));
    lm_buf_init(&response.body, LM_HTTP_RESPONSE_BODY_MAX);
    route->handler(route->arg, &request, &response);
    st = response.body.status;
    if (st != LM_OK) {
        lm_buf_free(&response.body);
        return answer_error(connection, 500, lm_status_name(st),
                            "结果过大或内存不足，请缩小范围后重试", NULL);
    }
    if (response.stream) {
        lm_buf_free(&response.body);
        return open_stream(http, connection);
    }
    if (response.etag[0] && response.status == 200 &&
        has_tag(look_up_header(&request, MHD_HTTP_HEADER_IF_NONE_MATCH), response.etag)) {
        lm_buf_free(&response.body);
        response.fixed = NULL;
        response.encoding = NULL;
        response.status = 304;
    }
    return answer(connection, &response, NULL);
}

enum MHD_Result lm_http_handle(void *arg, struct MHD_Connection *connection, const char *path,
                               const char *method, const char *version, const char *data,
                               size_t *data_n, void **state)
{
    struct lm_http *http = arg;
    struct exchange *exchange = *state;
    enum MHD_Result rc;
    bool done;

    (void)version;
    if (!exchange) {
        rc = check_head(http, connection, path, method, &done);
        if (done) {
            return rc;
        }
        exchange = calloc(1, sizeof(*exchange));
        if (!exchange) {
            return MHD_NO;
        }
        lm_buf_init(&exchange->body, LM_HTTP_REQUEST_BODY_MAX);
        *state = exchange;
        return MHD_YES;
    }
    if (*data_n > 0) {
        lm_buf_add(&exchange->body, data, *data_n);
        *data_n = 0;
        return exchange->body.status == LM_OK ? MHD_YES
                                              : MHD_NO; /* chunked and too long: hang up */
    }
    return dispatch(http, connection, path, method, exchange);
}

void lm_http_finished(void *arg, struct MHD_Connection *connection, void **state,
                      enum MHD_RequestTerminationCode code)
{
    struct exchange *exchange = *state;

    (void)arg;
    (void)connection;
    (void)code;
    if (exchange) {
        lm_buf_free(&exchange->body);
        free(exchange);
        *state = NULL;
    }
}
