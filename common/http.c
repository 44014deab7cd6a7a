/* The HTTP server: libmicrohttpd with epoll on one thread of its own. Here: where it listens, its
 * start and its end. */
#include "common/http_internal.h"

#include "common/base/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

static void format_address(const union any_address *address, char out[LM_HTTP_ADDRESS_TEXT])
{
    char host[INET6_ADDRSTRLEN] = "";

    if (address->head.sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof(host));
        (void)snprintf(out, LM_HTTP_ADDRESS_TEXT, "%s:%u", host,
                       (unsigned)ntohs(address->v4.sin_port));
    } else {
        (void)inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof(host));
        (void)snprintf(out, LM_HTTP_ADDRESS_TEXT, "[%s]:%u", host,
                       (unsigned)ntohs(address->v6.sin6_port));
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
    if (bind(fd, &address.head, n) != 0 || listen(fd, LM_HTTP_CONNECTIONS_MAX) != 0 ||
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
    if (http) {
        (void)pthread_mutex_init(&http->mutex, NULL);
    }
    if (!http || !copy_routes(http, routes, n_routes)) {
        (void)lm_fail(err, st, "memory", "", "内存不足。", "Out of memory.");
        goto out;
    }
    st = listen_on(http, address, &fd, err);
    if (st != LM_OK) {
        goto out;
    }
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        lm_http_handle, http, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)LM_HTTP_CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)LM_HTTP_CONNECTIONS_PER_ADDRESS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)LM_HTTP_IDLE_S, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED,
        lm_http_finished, NULL, MHD_OPTION_END);
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
        lm_http_streams_end(h);
        MHD_stop_daemon(h->daemon);
    }
    for (size_t i = 0; i < h->n_routes; i++) {
        free_text(h->routes[i].method);
        free_text(h->routes[i].path);
    }
    free(h->routes);
    (void)pthread_mutex_destroy(&h->mutex);
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
