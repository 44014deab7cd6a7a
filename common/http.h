/* The HTTP server of both programs (libmicrohttpd, epoll, one thread). Handlers run on its thread
 * and must not wait for the network or for people; what they need from the program's threads they
 * read from snapshots under a mutex or from a database connection of that thread.
 *
 * http.c: life and addresses; http_request.c: checks, routes, answers; http_stream.c: Server-Sent
 * Events. */
#ifndef LM_COMMON_HTTP_H
#define LM_COMMON_HTTP_H

#include "common/base/buf.h"
#include "common/base/status.h"

#include <stdbool.h>

#define LM_HTTP_PARAMS_MAX 4
#define LM_HTTP_STREAMS_MAX 16
#define LM_HTTP_EVENT_BYTES_MAX 4096
#define LM_HTTP_ETAG_BYTES 48

struct lm_http;
struct lm_http_request {
    const char *method, *path;
    const char *(*query)(const struct lm_http_request *request,
                         const char *name); /* NULL when absent */
    const char *(*header)(const struct lm_http_request *request,
                          const char *name); /* NULL when absent */
    const char *params[LM_HTTP_PARAMS_MAX];  /* what stood for each {…} of the route's path */
    const void *body;                        /* NULL when there is none */
    size_t body_n;
    /* who asks: "192.168.1.7"; of IPv6 the network, "2001:db8:1:2::", for one neighbour has all of
     * it; "" when it is not known */
    char address[48];
    void *internal;
};
struct lm_http_response {
    int status;               /* 200 … */
    const char *content_type; /* static text */
    struct lm_buf body;       /* initialised by the server, ≤ 4 MiB */
    const void *fixed;        /* instead of body: memory that lives as long as the server */
    size_t fixed_n;
    const char *encoding;  /* static text, e.g. "gzip" */
    bool immutable;        /* the address bears a hash: may be kept for a year */
    char cookie[256];      /* a whole Set-Cookie value, or "" */
    char disposition[256]; /* a whole Content-Disposition value, or "" */
    char location[160];    /* a whole Location value (of a 302), or "" */
    /* W/"…", or "": a browser may keep the answer and asks each time whether it still holds
     * (If-None- Match), which the server answers with 304 */
    char etag[LM_HTTP_ETAG_BYTES];
    int retry_after_s; /* of a 429; 0: no such header */
    bool stream;       /* Server-Sent Events: body is ignored, see lm_http_publish */
};
typedef void (*lm_http_handler)(void *arg, const struct lm_http_request *request,
                                struct lm_http_response *response);
struct lm_http_route {
    const char *method;
    const char *path; /* "/api/v1/records/{type}": a part in braces stands for one non-empty part */
    lm_http_handler handler;
    void *arg;
};
/* address "127.0.0.1:5801" or "[::1]:0"; port 0 = any. routes are copied; the first that fits is
 * taken. Checks Host (a literal address or localhost unless the server was bound elsewhere) and
 * Origin, limits connections (256, 192 an address), body ≤ 1 MiB, idle time 30 s. */
enum lm_status lm_http_start(const char *address, const struct lm_http_route *routes,
                             size_t n_routes, struct lm_http **out,
                             struct lm_error *err) LM_MUST_USE;
/* "127.0.0.1:5801" as bound. */
const char *lm_http_address(const struct lm_http *http);
void lm_http_stop(struct lm_http **http);

/* What every open stream (response.stream) is told next: one event of this name with one line of
 * data, ≤ LM_HTTP_EVENT_BYTES_MAX in all. A stream that is slow misses the older of two events,
 * never the newest; a new stream is told the newest at once. Called again within 15 s it also keeps
 * connections from being taken for dead. Any thread. */
void lm_http_publish(struct lm_http *http, const char *event, const char *data);

/* Prometheus text; name may bear labels: name{station="…"}. lm_metric(buf, "lastmile_pending",
 * "gauge", "Changes not yet acked", value). */
void lm_metric(struct lm_buf *buf, const char *name, const char *kind, const char *help,
               double value);

#endif
