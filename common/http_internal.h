/* Shared by the files of the HTTP server. */
#ifndef LM_COMMON_HTTP_INTERNAL_H
#define LM_COMMON_HTTP_INTERNAL_H

#include "common/http.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdint.h>

enum {
    LM_HTTP_CONNECTIONS_MAX = 256,
    /* behind a proxy everybody has one address; a browser opens six */
    LM_HTTP_CONNECTIONS_PER_ADDRESS_MAX = 192,
    LM_HTTP_IDLE_S = 30,
    LM_HTTP_REQUEST_BODY_MAX = 1024 * 1024,
    LM_HTTP_RESPONSE_BODY_MAX = 64 * 1024 * 1024, /* an audit log of years */
    LM_HTTP_ADDRESS_TEXT = 80,
};

/* One open event stream. It belongs to the server's thread but for `waiting`. */
struct lm_http_stream {
    struct lm_http *http;
    struct MHD_Connection *connection; /* NULL = free slot */
    uint64_t told;                     /* generation of the event in text */
    char text[LM_HTTP_EVENT_BYTES_MAX + 1];
    size_t n, at;
    bool waiting; /* suspended until the next event; the mutex's */
};

struct lm_http {
    struct MHD_Daemon *daemon;
    struct lm_http_route *routes; /* names copied */
    size_t n_routes;
    bool loopback;
    char address[LM_HTTP_ADDRESS_TEXT];
    pthread_mutex_t mutex; /* guards what follows */
    char event[LM_HTTP_EVENT_BYTES_MAX + 1];
    uint64_t generation; /* of event; 0 = none yet */
    bool stopping;
    struct lm_http_stream streams[LM_HTTP_STREAMS_MAX];
};

/* libmicrohttpd's callbacks (http_request.c). arg: the struct lm_http. */
enum MHD_Result lm_http_handle(void *arg, struct MHD_Connection *connection, const char *path,
                               const char *method, const char *version, const char *data,
                               size_t *data_n, void **state);
void lm_http_finished(void *arg, struct MHD_Connection *connection, void **state,
                      enum MHD_RequestTerminationCode code);

/* cache: the value of Cache-Control. */
void lm_http_fixed_headers(struct MHD_Response *response, const char *cache);
#define LM_HTTP_NO_STORE "no-store"
/* Opens a stream on the connection. False: all slots are taken, nothing was queued. */
bool lm_http_stream_open(struct lm_http *http, struct MHD_Connection *connection,
                         enum MHD_Result *result_out);
/* Lets every suspended stream end; none is suspended afterwards. */
void lm_http_streams_end(struct lm_http *http);

#endif
