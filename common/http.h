/* The HTTP server of both programs (libmicrohttpd, epoll, one thread). Handlers run on its thread
 * and must not block; what they need from the program's threads they read from snapshots under a
 * mutex or from their own read connection. */
#ifndef LM_COMMON_HTTP_H
#define LM_COMMON_HTTP_H

#include "common/base/buf.h"
#include "common/base/status.h"

struct lm_http;
struct lm_http_request {
    const char *method, *path;
    const char *(*query)(const struct lm_http_request *request,
                         const char *name); /* NULL when absent */
    const void *body;                       /* NULL when there is none */
    size_t body_n;
    void *internal;
};
struct lm_http_response {
    int status;               /* 200 … */
    const char *content_type; /* static text */
    struct lm_buf body;       /* initialised by the server, ≤ 4 MiB */
};
typedef void (*lm_http_handler)(void *arg, const struct lm_http_request *request,
                                struct lm_http_response *response);
struct lm_http_route {
    const char *method, *path; /* exact path */
    lm_http_handler handler;
    void *arg;
};
/* address "127.0.0.1:5801" or "[::1]:0"; port 0 = any. routes are copied. Checks Host (a literal
 * address or localhost unless the server was bound elsewhere), limits connections (64, 16 an
 * address), body ≤ 1 MiB, idle time 30 s. */
enum lm_status lm_http_start(const char *address, const struct lm_http_route *routes,
                             size_t n_routes, struct lm_http **out,
                             struct lm_error *err) LM_MUST_USE;
/* "127.0.0.1:5801" as bound. */
const char *lm_http_address(const struct lm_http *http);
void lm_http_stop(struct lm_http **http);

/* Prometheus text; name may bear labels: name{station="…"}. lm_metric(buf, "lastmile_pending",
 * "gauge", "Changes not yet acked", value). */
void lm_metric(struct lm_buf *buf, const char *name, const char *kind, const char *help,
               double value);

#endif
