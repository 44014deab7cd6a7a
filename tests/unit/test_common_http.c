/* The HTTP server, asked over raw sockets. */
#include "common/http.h"
#include "common/http_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct lm_http *http;
    int port;
    _Atomic int calls; /* counted by the server's threads */
    char reply[65536];
};

static void hello(void *arg, const struct lm_http_request *request,
                  struct lm_http_response *response)
{
    const char *name = request->query(request, "name");

    ++*(_Atomic int *)arg;
    response->content_type = "text/plain; charset=utf-8";
    lm_buf_printf(&response->body, "hello %s %s", request->method, name ? name : "-");
}

static void take(void *arg, const struct lm_http_request *request,
                 struct lm_http_response *response)
{
    (void)arg;
    response->status = 201;
    lm_buf_printf(&response->body, "{\"bytes\":%zu,\"first\":%d}", request->body_n,
                  request->body_n ? ((const char *)request->body)[0] : 0);
}

static void too_much(void *arg, const struct lm_http_request *request,
                     struct lm_http_response *response)
{
    static const char block[65536];

    (void)arg;
    (void)request;
    for (int i = 0; i <= LM_HTTP_RESPONSE_BODY_MAX / (int)sizeof(block); i++) {
        lm_buf_add(&response->body, block, sizeof(block));
    }
}

static void nothing(void *arg, const struct lm_http_request *request,
                    struct lm_http_response *response)
{
    (void)arg;
    (void)request;
    response->status = 204;
}

static void show(void *arg, const struct lm_http_request *request,
                 struct lm_http_response *response)
{
    const char *cookie = request->header(request, "cookie");

    (void)arg;
    response->immutable = true;
    (void)snprintf(response->cookie, sizeof(response->cookie), "s=1; Path=/; HttpOnly");
    lm_buf_printf(&response->body, "[%s][%s][%s]", request->params[0],
                  request->params[1] ? request->params[1] : "-", cookie ? cookie : "-");
}

static void events(void *arg, const struct lm_http_request *request,
                   struct lm_http_response *response)
{
    (void)arg;
    (void)request;
    response->stream = true;
}

static void tagged(void *arg, const struct lm_http_request *request,
                   struct lm_http_response *response)
{
    ++*(_Atomic int *)arg;
    response->status = request->query(request, "bad") ? 404 : 200;
    response->encoding = "gzip"; /* of a body that is not sent there is none */
    (void)snprintf(response->etag, sizeof(response->etag), "W/\"abc\"");
    lm_buf_text(&response->body, "the whole");
}

static void elsewhere(void *arg, const struct lm_http_request *request,
                      struct lm_http_response *response)
{
    (void)arg;
    (void)request;
    response->status = 302;
    (void)snprintf(response->location, sizeof(response->location), "//127.0.0.1:1/");
}

static void start(struct fixture *f, const char *address)
{
    const struct lm_http_route routes[] = {
        {"GET", "/hello", hello, &f->calls},    {"POST", "/take", take, NULL},
        {"GET", "/too-much", too_much, NULL},   {"GET", "/nothing", nothing, NULL},
        {"GET", "/a/{x}", show, NULL},          {"GET", "/a/{x}/b/{y}", show, NULL},
        {"GET", "/events", events, NULL},       {"GET", "/tagged", tagged, &f->calls},
        {"GET", "/elsewhere", elsewhere, NULL},
    };
    struct lm_error err;

    assert_int_equal(
        lm_http_start(address, routes, sizeof(routes) / sizeof(routes[0]), &f->http, &err), LM_OK);
    f->port = atoi(strrchr(lm_http_address(f->http), ':') + 1);
    assert_in_range(f->port, 1, 65535);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    start(f, "127.0.0.1:0");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    lm_http_stop(&f->http);
    lm_http_stop(&f->http); /* harmless */
    free(f);
    return 0;
}

static int dial(struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)f->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* Sends it all and reads until the server closes. Returns the status, 0 when there was no answer.
 */
static int exchange_n(struct fixture *f, const char *text, size_t len)
{
    int fd = dial(f), status = 0;
    size_t n = 0;
    ssize_t k;

    while (len > 0 && (k = send(fd, text, len, MSG_NOSIGNAL)) > 0) {
        text += k;
        len -= (size_t)k;
    }
    while (n < sizeof(f->reply) - 1 &&
           (k = recv(fd, f->reply + n, sizeof(f->reply) - 1 - n, 0)) > 0) {
        n += (size_t)k;
    }
    f->reply[n] = '\0';
    close(fd);
    return sscanf(f->reply, "HTTP/1.1 %d", &status) == 1 ? status : 0;
}

static int exchange(struct fixture *f, const char *text)
{
    return exchange_n(f, text, strlen(text));
}

static const char *body_of(const struct fixture *f)
{
    const char *body = strstr(f->reply, "\r\n\r\n");

    assert_non_null(body);
    return body + 4;
}

#define HOST "Host: 127.0.0.1\r\nConnection: close\r\n"

static void test_get(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(exchange(f, "GET /hello?name=%E5%BC%A0%20a HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_string_equal(body_of(f), "hello GET 张 a");
    assert_non_null(strstr(f->reply, "Content-Type: text/plain; charset=utf-8\r\n"));
    assert_non_null(strstr(f->reply, "Cache-Control: no-store\r\n"));
    assert_non_null(strstr(f->reply, "X-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(f->reply, "Content-Security-Policy: default-src 'self'"));
    assert_int_equal(exchange(f, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_string_equal(body_of(f), "hello GET -");
    assert_int_equal(exchange(f, "GET /nothing HTTP/1.1\r\n" HOST "\r\n"), 204);
    assert_string_equal(body_of(f), "");
}

static void test_head(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(exchange(f, "HEAD /hello HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_string_equal(body_of(f), "");
    assert_non_null(strstr(f->reply, "Content-Length: 12\r\n"));
}

static void test_errors_are_json(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(exchange(f, "GET /no HTTP/1.1\r\n" HOST "\r\n"), 404);
    assert_non_null(strstr(body_of(f), "{\"error\":{\"code\":\"not_found\",\"text\":\""));
    assert_non_null(strstr(body_of(f), "\"field\":\"\"}}"));
    assert_non_null(strstr(f->reply, "Content-Type: application/json"));
    assert_non_null(strstr(f->reply, "X-Content-Type-Options: nosniff\r\n"));
    assert_int_equal(exchange(f, "GET /hello/ HTTP/1.1\r\n" HOST "\r\n"), 404);
    assert_int_equal(exchange(f, "DELETE /hello HTTP/1.1\r\n" HOST "\r\n"), 405);
    assert_non_null(strstr(f->reply, "Allow: GET\r\n"));
    assert_int_equal(exchange(f, "GET /too-much HTTP/1.1\r\n" HOST "\r\n"), 500);
    assert_non_null(strstr(body_of(f), "\"code\":\"limit\""));
    assert_int_equal(exchange(f, "GET /hello?name=%ff HTTP/1.1\r\n" HOST "\r\n"), 400);
    assert_int_equal(f->calls, 0);
}

static void test_host(void **state)
{
    struct fixture *f = *state;
    const char *good[] = {"127.0.0.1",    "127.0.0.1:5801", "localhost",
                          "LocalHost:80", "[::1]",          "[::1]:80"};
    const char *bad[] = {"evil.example",
                         "127.0.0.1.evil.example",
                         "localhost.evil.example:80",
                         "[::1].evil",
                         "[evil]",
                         "[::1",
                         ":80",
                         "",
                         "127.0.0.1@evil"};
    char text[200];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(text, sizeof(text), "GET /hello HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                 good[i]);
        assert_int_equal(exchange(f, text), 200);
    }
    f->calls = 0;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "GET /hello HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                 bad[i]);
        assert_in_range(exchange(f, text), 400, 403);
    }
    assert_int_not_equal(exchange(f, "GET /hello HTTP/1.0\r\n\r\n"), 200);
    assert_int_equal(f->calls, 0);
    /* Bound elsewhere, any name will do: the town's server has one. */
    lm_http_stop(&f->http);
    start(f, "0.0.0.0:0");
    assert_int_equal(
        exchange(f, "GET /hello HTTP/1.1\r\nHost: hub.example\r\nConnection: close\r\n\r\n"), 200);
}

static void test_origin(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(exchange(f, "POST /take HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n"
                                 "Content-Length: 2\r\n\r\nhi"),
                     403);
    assert_int_equal(
        exchange(f, "POST /take HTTP/1.1\r\n" HOST "Origin: null\r\nContent-Length: 2\r\n\r\nhi"),
        403);
    assert_int_equal(exchange(f, "POST /take HTTP/1.1\r\n" HOST "Origin: http://127.0.0.1\r\n"
                                 "Content-Length: 2\r\n\r\nhi"),
                     201);
    assert_string_equal(body_of(f), "{\"bytes\":2,\"first\":104}");
}

static void test_bodies(void **state)
{
    struct fixture *f = *state;
    enum { MAX = 1024 * 1024, HEAD = 200 };
    char *text = malloc(HEAD + MAX + 64);
    int head;

    assert_non_null(text);
    assert_int_equal(exchange(f, "POST /take HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"), 201);
    assert_string_equal(body_of(f), "{\"bytes\":0,\"first\":0}");
    head = snprintf(text, HEAD, "POST /take HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", MAX);
    memset(text + head, 'a', MAX);
    assert_int_equal(exchange_n(f, text, (size_t)head + MAX), 201);
    assert_string_equal(body_of(f), "{\"bytes\":1048576,\"first\":97}");
    assert_int_equal(exchange(f, "POST /take HTTP/1.1\r\n" HOST "Content-Length: 1048577\r\n\r\n"),
                     413);
    assert_int_not_equal(
        exchange(f, "POST /take HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n"),
        201);
    /* Without a length: cut off once it is too long. */
    head = snprintf(text, HEAD,
                    "POST /take HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%x\r\n",
                    MAX + 16);
    memset(text + head, 'a', MAX + 16);
    memcpy(text + head + MAX + 16, "\r\n0\r\n\r\n", 7);
    assert_int_not_equal(exchange_n(f, text, (size_t)head + MAX + 16 + 7), 201);
    free(text);
    assert_int_equal(exchange(f, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), 200);
}

static void test_rubbish(void **state)
{
    struct fixture *f = *state;
    const char *texts[] = {"\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02", "GET / HTTP/9.9\r\n\r\n",
                           "GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int fd = dial(f);

        assert_int_equal(send(fd, texts[i], strlen(texts[i]), MSG_NOSIGNAL),
                         (ssize_t)strlen(texts[i]));
        close(fd);
    }
    assert_int_equal(exchange(f, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_int_equal(f->calls, 1);
}

/* So many connections an address; the next is closed, and there is room again when one has gone. */
static void test_connection_limit(void **state)
{
    struct fixture *f = *state;
    const char *text = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char byte;
    int fds[LM_HTTP_CONNECTIONS_PER_ADDRESS_MAX], more;

    for (int i = 0; i < LM_HTTP_CONNECTIONS_PER_ADDRESS_MAX; i++) {
        fds[i] = dial(f);
        assert_int_equal(send(fds[i], text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
        assert_int_equal(recv(fds[i], &byte, 1, 0), 1);
    }
    more = dial(f);
    (void)send(more, text, strlen(text), MSG_NOSIGNAL);
    assert_true(recv(more, &byte, 1, 0) <= 0);
    close(more);
    for (int i = 0; i < LM_HTTP_CONNECTIONS_PER_ADDRESS_MAX; i++) {
        close(fds[i]);
    }
}

static void test_params_and_headers(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(exchange(f, "GET /a/one HTTP/1.1\r\n" HOST "Cookie: k=v\r\n\r\n"), 200);
    assert_string_equal(body_of(f), "[one][-][k=v]");
    assert_non_null(strstr(f->reply, "Set-Cookie: s=1; Path=/; HttpOnly\r\n"));
    assert_non_null(strstr(f->reply, "Cache-Control: private, max-age=31536000, immutable\r\n"));
    assert_int_equal(exchange(f, "GET /a/%E5%BC%A0/b/2 HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_string_equal(body_of(f), "[张][2][-]");
    assert_int_equal(exchange(f, "GET /a/ HTTP/1.1\r\n" HOST "\r\n"), 404);
    assert_int_equal(exchange(f, "GET /a/x/ HTTP/1.1\r\n" HOST "\r\n"), 404);
    assert_int_equal(exchange(f, "GET /a/x/b HTTP/1.1\r\n" HOST "\r\n"), 404);
    assert_int_equal(exchange(f, "GET /a/x/b/y/z HTTP/1.1\r\n" HOST "\r\n"), 404);
    assert_int_equal(exchange(f, "DELETE /a/x HTTP/1.1\r\n" HOST "\r\n"), 405);
}

/* What a browser has is not sent again, and it asks each time. */
static void test_etag(void **state)
{
    static const char *const same[] = {"W/\"abc\"", "\"abc\"", "\"x\", W/\"abc\"", "*"};
    static const char *const other[] = {"W/\"abcd\"", "abc", "\"\"", "W/", "\"ABC\""};
    struct fixture *f = *state;
    char text[200];

    assert_int_equal(exchange(f, "GET /tagged HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_string_equal(body_of(f), "the whole");
    assert_non_null(strstr(f->reply, "ETag: W/\"abc\"\r\n"));
    assert_non_null(strstr(f->reply, "Cache-Control: private, no-cache\r\n"));
    assert_non_null(strstr(f->reply, "Vary: Accept-Encoding\r\n"));
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        snprintf(text, sizeof(text), "GET /tagged HTTP/1.1\r\n" HOST "If-None-Match: %s\r\n\r\n",
                 same[i]);
        assert_int_equal(exchange(f, text), 304);
        assert_string_equal(body_of(f), "");
        assert_non_null(strstr(f->reply, "ETag: W/\"abc\"\r\n"));
        assert_null(strstr(f->reply, "Content-Encoding"));
        assert_non_null(strstr(f->reply, "Content-Security-Policy: "));
    }
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        snprintf(text, sizeof(text), "GET /tagged HTTP/1.1\r\n" HOST "If-None-Match: %s\r\n\r\n",
                 other[i]);
        assert_int_equal(exchange(f, text), 200);
        assert_string_equal(body_of(f), "the whole");
    }
    /* Not of what is no answer, and not of what bears no tag. */
    assert_int_equal(exchange(f, "GET /tagged?bad=1 HTTP/1.1\r\n" HOST "If-None-Match: *\r\n\r\n"),
                     404);
    assert_int_equal(exchange(f, "GET /hello HTTP/1.1\r\n" HOST "If-None-Match: *\r\n\r\n"), 200);
    assert_non_null(strstr(f->reply, "Cache-Control: no-store\r\n"));
}

static void test_location(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(exchange(f, "GET /elsewhere HTTP/1.1\r\n" HOST "\r\n"), 302);
    assert_non_null(strstr(f->reply, "Location: //127.0.0.1:1/\r\n"));
    assert_string_equal(body_of(f), "");
}

/* Reads on until the stream has said `wanted`; false when it ends before. */
static bool hears(int fd, char *said, size_t size, const char *wanted)
{
    size_t n = strlen(said);
    ssize_t k = 1;

    while (!strstr(said, wanted) && n < size - 1 && (k = recv(fd, said + n, size - 1 - n, 0)) > 0) {
        n += (size_t)k;
        said[n] = '\0';
    }
    return strstr(said, wanted) != NULL;
}

static void test_events(void **state)
{
    struct fixture *f = *state;
    const char *ask = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char said[2][16384] = {"", ""}, text[64];
    int fds[2];

    for (int i = 0; i < 2; i++) {
        fds[i] = dial(f);
        assert_int_equal(send(fds[i], ask, strlen(ask), MSG_NOSIGNAL), (ssize_t)strlen(ask));
        assert_true(hears(fds[i], said[i], sizeof(said[i]), "retry: 3000"));
    }
    assert_non_null(strstr(said[0], "Content-Type: text/event-stream; charset=utf-8\r\n"));
    assert_non_null(strstr(said[0], "Cache-Control: no-store\r\n"));
    lm_http_publish(f->http, "status", "{\"n\":0}");
    assert_true(hears(fds[0], said[0], sizeof(said[0]), "event: status\ndata: {\"n\":0}\n\n"));
    for (int n = 1; n <= 50; n++) {
        (void)snprintf(text, sizeof(text), "{\"n\":%d}", n);
        lm_http_publish(f->http, "status", text);
    }
    /* Older ones may be missed, the newest never. */
    assert_true(hears(fds[0], said[0], sizeof(said[0]), "{\"n\":50}"));
    assert_true(hears(fds[1], said[1], sizeof(said[1]), "{\"n\":50}"));
    /* Others are served meanwhile, and the end of the server ends the streams. */
    assert_int_equal(exchange(f, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), 200);
    lm_http_stop(&f->http);
    assert_false(hears(fds[0], said[0], sizeof(said[0]), "never said"));
    close(fds[0]);
    close(fds[1]);
}

static void test_too_many_streams(void **state)
{
    struct fixture *f = *state;
    const char *ask = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char said[8192];
    int fds[LM_HTTP_STREAMS_MAX - 1], fd;

    for (int i = 0; i < LM_HTTP_STREAMS_MAX - 1;
         i++) { /* one connection less than an address has */
        said[0] = '\0';
        fds[i] = dial(f);
        assert_int_equal(send(fds[i], ask, strlen(ask), MSG_NOSIGNAL), (ssize_t)strlen(ask));
        assert_true(hears(fds[i], said, sizeof(said), "retry: 3000"));
    }
    for (int i = 0; i < LM_HTTP_STREAMS_MAX - 1; i++) {
        close(fds[i]);
    }
    /* Slots of those who have left are free again once something is written to them: more streams
     * than there are slots come and go. Until the server has seen them leave it may refuse one. */
    for (int opened = 0, tries = 0; opened < 3 * LM_HTTP_STREAMS_MAX; tries++) {
        assert_true(tries < 100000);
        lm_http_publish(f->http, "status", "{}");
        said[0] = '\0';
        fd = dial(f);
        (void)send(fd, ask, strlen(ask), MSG_NOSIGNAL);
        opened += hears(fd, said, sizeof(said), "retry: 3000");
        close(fd);
    }
}

static void test_addresses(void **state)
{
    struct fixture *f = *state;
    const char *bad[] = {"",
                         "127.0.0.1",
                         "127.0.0.1:",
                         "127.0.0.1:65536",
                         "127.0.0.1:x",
                         "host.example:80",
                         "[::1:80",
                         "::1:80x",
                         "127.0.0.1:-1",
                         ":80"};
    struct lm_http *http = NULL;
    struct lm_error err;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(lm_http_start(bad[i], NULL, 0, &http, &err), LM_ERR_INVALID);
        assert_null(http);
        assert_string_equal(err.code, "bad_address");
    }
    assert_int_equal(lm_http_start(lm_http_address(f->http), NULL, 0, &http, &err), LM_ERR_BUSY);
    assert_string_equal(err.code, "address_in_use");
    assert_memory_equal(lm_http_address(f->http), "127.0.0.1:", 10);
}

static void test_metric(void **state)
{
    struct lm_buf buf;

    (void)state;
    lm_buf_init(&buf, 4096);
    lm_metric(&buf, "lastmile_pending", "gauge", "Changes not yet acked", 42);
    lm_metric(&buf, "lastmile_lag{station=\"1\"}", "gauge", "Lag", 0.5);
    lm_metric(&buf, "lastmile_lag{station=\"2\"}", "gauge", "Lag", 1e12);
    assert_string_equal(
        (const char *)buf.data,
        "# HELP lastmile_pending Changes not yet acked\n# TYPE lastmile_pending gauge\n"
        "lastmile_pending 42\n# HELP lastmile_lag Lag\n# TYPE lastmile_lag gauge\n"
        "lastmile_lag{station=\"1\"} 0.5\nlastmile_lag{station=\"2\"} 1000000000000\n");
    lm_buf_free(&buf);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_get),
        T(test_head),
        T(test_errors_are_json),
        T(test_host),
        T(test_origin),
        T(test_bodies),
        T(test_rubbish),
        T(test_connection_limit),
        T(test_params_and_headers),
        T(test_etag),
        T(test_location),
        T(test_events),
        T(test_too_many_streams),
        T(test_addresses),
        cmocka_unit_test(test_metric),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
