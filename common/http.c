/* The HTTP server: libmicrohttpd with epoll on one thread of its own.
 *
 * Every answer, errors too, says that nothing may be cached, sniffed or framed. Against DNS
 * rebinding a server bound to this machine answers only to a literal address or localhost; against
 * cross-site requests an Origin must be the Host. Handlers run on the server's thread and must not
 * block. */
#include "common/http.h"

#include "common/base/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 64,
    CONNECTIONS_PER_ADDRESS_MAX = 16,
    IDLE_S = 30,
    REQUEST_BODY_MAX = 1024 * 1024,
    RESPONSE_BODY_MAX = 4 * 1024 * 1024,
    ADDRESS_TEXT = 80,
};

struct lm_http {
    struct MHD_Daemon *daemon;
    struct lm_http_route *routes; /* names copied */
    size_t n_routes;
    bool loopback;
    char address[ADDRESS_TEXT];
};

/* One request on its way. */
struct exchange {
    struct lm_buf body;
};

/* ---- answers ---- */

static const char *const fixed_headers[][2] = {
    {"Cache-Control", "no-store"},
    {"X-Content-Type-Options", "nosniff"},
    {"Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'"},
    {"Referrer-Policy", "no-referrer"},
};

/* Takes body's memory. */
static enum MHD_Result answer(struct MHD_Connection *connection, int status, const char *type,
                              const char *allow, struct lm_buf *body)
{
    struct MHD_Response *response;
    enum MHD_Result rc;

    if (body->data) {
        response = MHD_create_response_from_buffer(body->len, body->data, MHD_RESPMEM_MUST_FREE);
    } else {
        static char nothing[1];
        response = MHD_create_response_from_buffer(0, nothing, MHD_RESPMEM_PERSISTENT);
    }
    if (!response) {
        lm_buf_free(body);
        return MHD_NO;
    }
    lm_buf_init(body, 0); /* its memory is the response's now */
    for (size_t i = 0; i < sizeof(fixed_headers) / sizeof(fixed_headers[0]); i++) {
        (void)MHD_add_response_header(response, fixed_headers[i][0], fixed_headers[i][1]);
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                  type ? type : "application/json; charset=utf-8");
    if (allow) {
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
    }
    rc = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return rc;
}

static enum MHD_Result answer_error(struct MHD_Connection *connection, int status, const char *code,
                                    const char *text, const char *allow)
{
    struct lm_buf body;

    lm_buf_init(&body, 4096);
    /* Both are texts of this file: nothing in them needs escaping. */
    lm_buf_printf(&body, "{\"error\":{\"code\":\"%s\",\"text\":\"%s\",\"field\":\"\"}}\n", code,
                  text);
    return answer(connection, status, NULL, allow, &body);
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
    if (length && (strlen(length) > 10 || atoll(length) > REQUEST_BODY_MAX)) {
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

static const struct lm_http_route *find_route(const struct lm_http *http, const char *method,
                                              const char *path, const char **other_out)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;

    *other_out = NULL;
    for (size_t i = 0; i < http->n_routes; i++) {
        if (strcmp(http->routes[i].path, path) != 0) {
            continue;
        }
        if (strcmp(http->routes[i].method, wanted) == 0) {
            return &http->routes[i];
        }
        *other_out = http->routes[i].method;
    }
    return NULL;
}

static enum MHD_Result dispatch(const struct lm_http *http, struct MHD_Connection *connection,
                                const char *path, const char *method, struct exchange *exchange)
{
    struct lm_http_request request = {.method = method,
                                      .path = path,
                                      .query = look_up_query,
                                      .body = exchange->body.data,
                                      .body_n = exchange->body.len,
                                      .internal = connection};
    struct lm_http_response response = {.status = 200};
    const char *other;
    const struct lm_http_route *route = find_route(http, method, path, &other);
    enum lm_status st;

    if (!route && other) {
        return answer_error(connection, 405, "bad_method", "这个地址不支持该方法", other);
    }
    if (!route) {
        return answer_error(connection, 404, "not_found", "没有这个地址", NULL);
    }
    lm_buf_init(&response.body, RESPONSE_BODY_MAX);
    route->handler(route->arg, &request, &response);
    st = response.body.status;
    if (st != LM_OK) {
        lm_buf_free(&response.body);
        return answer_error(connection, 500, lm_status_name(st),
                            "结果过大或内存不足，请缩小范围后重试", NULL);
    }
    return answer(connection, response.status, response.content_type, NULL, &response.body);
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *data,
                              size_t *data_n, void **state)
{
    const struct lm_http *http = arg;
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
        lm_buf_init(&exchange->body, REQUEST_BODY_MAX);
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

static void finish(void *arg, struct MHD_Connection *connection, void **state,
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

/* ---- life ---- */

union any_address {
    struct sockaddr head;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse_port(const char *text, in_port_t *out)
{
    char *end = NULL;
    long port;

    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    port = strtol(text, &end, 10);
    *out = htons((uint16_t)port);
    return *end == '\0' && port <= 65535;
}

static bool parse_address(const char *text, union any_address *out, socklen_t *n_out)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    char host[64];

    memset(out, 0, sizeof(*out));
    if (!colon || n == 0 || n >= sizeof(host)) {
        return false;
    }
    memcpy(host, text, n);
    host[n] = '\0';
    if (host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = '\0';
        out->v6.sin6_family = AF_INET6;
        *n_out = sizeof(out->v6);
        return inet_pton(AF_INET6, host + 1, &out->v6.sin6_addr) == 1 &&
               parse_port(colon + 1, &out->v6.sin6_port);
    }
    out->v4.sin_family = AF_INET;
    *n_out = sizeof(out->v4);
    return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host,
                     &out->v4.sin_addr) == 1 &&
           parse_port(colon + 1, &out->v4.sin_port);
}

static bool is_loopback(const union any_address *address)
{
    if (address->head.sa_family == AF_INET) {
        return ntohl(address->v4.sin_addr.s_addr) >> 24 == 127;
    }
    return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

static void format_address(const union any_address *address, char out[ADDRESS_TEXT])
{
    char host[INET6_ADDRSTRLEN] = "";

    if (address->head.sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof(host));
        (void)snprintf(out, ADDRESS_TEXT, "%s:%u", host, (unsigned)ntohs(address->v4.sin_port));
    } else {
        (void)inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof(host));
        (void)snprintf(out, ADDRESS_TEXT, "[%s]:%u", host, (unsigned)ntohs(address->v6.sin6_port));
    }
}

static enum lm_status fail_listen(struct lm_error *err, int number, const char *address)
{
    switch (number) {
    case EADDRINUSE:
        return lm_fail(
            err, LM_ERR_BUSY, "address_in_use", "",
            "网页地址 %s 已被其他程序占用。请停止那个程序，或用 --http 换一个端口。",
            "The address %s is in use by another program. Stop that program, or choose another "
            "port with --http.",
            address);
    case EACCES:
    case EPERM:
        return lm_fail(err, LM_ERR_DENIED, "address_denied", "",
                       "没有权限使用网页地址 %s。请用 --http 换一个 1024 以上的端口。",
                       "No permission for the address %s. Choose a port above 1023 with --http.",
                       address);
    default:
        return lm_fail(err, LM_ERR_NETWORK, "address_failed", "",
                       "不能在 %s 提供网页（%s）。请用 --http 指定本机的地址。",
                       "Cannot listen on %s (%s). Name an address of this machine with --http.",
                       address, strerror(number));
    }
}

/* A socket of our own: the port chosen for 0 is then known for sure. */
static enum lm_status listen_on(struct lm_http *http, const char *text, int *fd_out,
                                struct lm_error *err)
{
    union any_address address;
    socklen_t n = 0;
    int one = 1, fd, number;

    if (!parse_address(text, &address, &n)) {
        return lm_fail(
            err, LM_ERR_INVALID, "bad_address", "",
            "地址“%s”不对，应当像 127.0.0.1:5801 或 [::1]:5801。",
            "The address \"%s\" is wrong; it should look like 127.0.0.1:5801 or [::1]:5801.", text);
    }
    fd = socket(address.head.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return fail_listen(err, errno, text);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, &address.head, n) != 0 || listen(fd, CONNECTIONS_MAX) != 0 ||
        getsockname(fd, &address.head, &n) != 0) {
        number = errno;
        (void)close(fd);
        return fail_listen(err, number, text);
    }
    http->loopback = is_loopback(&address);
    format_address(&address, http->address);
    *fd_out = fd;
    return LM_OK;
}

static bool copy_routes(struct lm_http *http, const struct lm_http_route *routes, size_t n)
{
    http->routes = calloc(n ? n : 1, sizeof(*http->routes));
    for (size_t i = 0; http->routes && i < n; i++) {
        struct lm_http_route *to = &http->routes[i];

        *to = routes[i];
        to->method = strdup(routes[i].method);
        to->path = strdup(routes[i].path);
        http->n_routes = i + 1;
        if (!to->method || !to->path) {
            return false;
        }
    }
    return http->routes != NULL;
}

static void free_text(const char *text)
{
    union {
        const char *in;
        void *out;
    } memory = {.in = text};

    free(memory.out);
}

enum lm_status lm_http_start(const char *address, const struct lm_http_route *routes,
                             size_t n_routes, struct lm_http **out, struct lm_error *err)
{
    struct lm_http *http = calloc(1, sizeof(*http));
    enum lm_status st = LM_ERR_MEMORY;
    int fd = -1;

    *out = NULL;
    if (!http || !copy_routes(http, routes, n_routes)) {
        (void)lm_fail(err, st, "memory", "", "内存不足。", "Out of memory.");
        goto out;
    }
    st = listen_on(http, address, &fd, err);
    if (st != LM_OK) {
        goto out;
    }
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, handle, http,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)CONNECTIONS_PER_ADDRESS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_NOTIFY_COMPLETED, finish, NULL, MHD_OPTION_END);
    if (!http->daemon) {
        (void)close(fd);
        st = lm_fail(
            err, LM_ERR_IO, "http_failed", "", "不能启动网页服务。请重试，或检查系统资源。",
            "The web server could not be started. Try again, or check the system's resources.");
    }
out:
    if (st != LM_OK) {
        lm_http_stop(&http);
    }
    *out = http;
    return st;
}

const char *lm_http_address(const struct lm_http *http)
{
    return http->address;
}

void lm_http_stop(struct lm_http **http)
{
    struct lm_http *h = http ? *http : NULL;

    if (!h) {
        return;
    }
    if (h->daemon) {
        MHD_stop_daemon(h->daemon);
    }
    for (size_t i = 0; i < h->n_routes; i++) {
        free_text(h->routes[i].method);
        free_text(h->routes[i].path);
    }
    free(h->routes);
    free(h);
    *http = NULL;
}

/* ---- metrics ---- */

void lm_metric(struct lm_buf *buf, const char *name, const char *kind, const char *help,
               double value)
{
    char type_line[160];
    int base = (int)strcspn(name, "{");

    (void)snprintf(type_line, sizeof(type_line), "# TYPE %.*s ", base, name);
    /* Once a family: the same name comes again with other labels. */
    if (!buf->data || !memmem(buf->data, buf->len, type_line, strlen(type_line))) {
        lm_buf_printf(buf, "# HELP %.*s %s\n%s%s\n", base, name, help, type_line, kind);
    }
    if (value != value) {
        lm_buf_printf(buf, "%s NaN\n", name);
    } else if (value > -9e15 && value < 9e15 && value == (double)(int64_t)value) {
        lm_buf_printf(buf, "%s %lld\n", name, (long long)value);
    } else {
        lm_buf_printf(buf, "%s %.17g\n", name, value);
    }
}
