/* Requests as bytes, given to common/http_request.c and the API behind it without a socket: stands
 * in for libmicrohttpd, whose parsing of the wire is not ours. An input is a sequence of requests:
 *
 *   METHOD SP target LF (header LF)* LF body [0x1e next request]
 *
 * What a page always sends is there unless the input says otherwise: Host, Content-Type and the
 * cookie of a session. A header line "~" followed by a digit takes another session's cookie, "~x"
 * none. */
#ifndef LM_TESTS_FUZZ_HTTP_WORLD_H
#define LM_TESTS_FUZZ_HTTP_WORLD_H

#include "common/api.h"
#include "common/http_internal.h"

enum { HW_SESSIONS_MAX = 6 };

struct http_world {
    struct lm_http http;
    json_t *document;                  /* openapi.json */
    char cookies[HW_SESSIONS_MAX][96]; /* [0] is the one that is sent */
    size_t n_cookies;
    const struct lm_session *sessions; /* [n_sessions]; whether one is open */
    size_t n_sessions;
    /* How much is stored: a number that every write changes. */
    int64_t (*written)(void);
};

/* routes and table must outlive it. */
void hw_open(struct http_world *w, const struct lm_api_door *door, const struct lm_api_route *table,
             size_t n, const char *openapi, size_t openapi_n);
/* One more session's cookie. */
void hw_session(struct http_world *w, struct lm_sessions *sessions, const char *cookie,
                const char *user, const char *role);
void hw_requests(struct http_world *w, const uint8_t *data, size_t size);

#endif
