/* Server-Sent Events (WHATWG HTML §9.2). A stream has nothing of its own to tell but the newest
 * event, so there is no queue: what a slow reader missed is not worth reading any more.
 *
 * A stream with nothing to write is suspended; lm_http_publish resumes it. The server's thread may
 * be inside read_event while another publishes, so both take the mutex around the decision to
 * wait. */
#include "common/http_internal.h"

#include <stdio.h>
#include <string.h>

/* The next bytes of the stream. 0 = suspended, nothing yet. */
static ssize_t read_event(void *arg, uint64_t position, char *out, size_t max)
{
    struct lm_http_stream *s = arg;
    struct lm_http *http = s->http;
    size_t n;

    (void)position;
    pthread_mutex_lock(&http->mutex);
    if (http->stopping) {
        pthread_mutex_unlock(&http->mutex);
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    if (s->at == s->n && s->told == http->generation) {
        s->waiting = true;
        MHD_suspend_connection(s->connection);
        pthread_mutex_unlock(&http->mutex);
        return 0;
    }
    if (s->at == s->n) {
        s->n = strlen(http->event);
        memcpy(s->text, http->event, s->n + 1);
        s->at = 0;
        s->told = http->generation;
    }
    pthread_mutex_unlock(&http->mutex);
    n = s->n - s->at < max ? s->n - s->at : max;
    memcpy(out, s->text + s->at, n);
    s->at += n;
    return (ssize_t)n;
}

static void free_stream(void *arg)
{
    struct lm_http_stream *s = arg;

    pthread_mutex_lock(&s->http->mutex);
    s->connection = NULL;
    s->waiting = false;
    pthread_mutex_unlock(&s->http->mutex);
}

static struct lm_http_stream *take_slot(struct lm_http *http, struct MHD_Connection *connection)
{
    struct lm_http_stream *found = NULL;

    pthread_mutex_lock(&http->mutex);
    for (size_t i = 0; !found && i < LM_HTTP_STREAMS_MAX; i++) {
        if (!http->streams[i].connection) {
            found = &http->streams[i];
            memset(found, 0, sizeof(*found));
            found->http = http;
            found->connection = connection;
            /* Something to read at once, so that the page knows that it is connected. */
            found->n = (size_t)snprintf(found->text, sizeof(found->text), "retry: 3000\n\n");
        }
    }
    pthread_mutex_unlock(&http->mutex);
    return found;
}

bool lm_http_stream_open(struct lm_http *http, struct MHD_Connection *connection,
                         enum MHD_Result *result_out)
{
    struct lm_http_stream *s = take_slot(http, connection);
    struct MHD_Response *response;

    if (!s) {
        return false;
    }
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, LM_HTTP_EVENT_BYTES_MAX,
                                                 read_event, s, free_stream);
    if (!response) {
        free_stream(s);
        *result_out = MHD_NO;
        return true;
    }
    lm_http_fixed_headers(response, LM_HTTP_NO_STORE);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                  "text/event-stream; charset=utf-8");
    *result_out = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return true;
}

/* Under the mutex. */
static void resume_all(struct lm_http *http)
{
    for (size_t i = 0; i < LM_HTTP_STREAMS_MAX; i++) {
        struct lm_http_stream *s = &http->streams[i];

        if (s->connection && s->waiting) {
            s->waiting = false;
            MHD_resume_connection(s->connection);
        }
    }
}

void lm_http_publish(struct lm_http *http, const char *event, const char *data)
{
    int n;

    if (!http) {
        return;
    }
    pthread_mutex_lock(&http->mutex);
    n = snprintf(http->event, sizeof(http->event), "event: %s\ndata: %s\n\n", event, data);
    if (n > 0 && (size_t)n < sizeof(http->event)) {
        http->generation++;
        resume_all(http);
    }
    pthread_mutex_unlock(&http->mutex);
}

void lm_http_streams_end(struct lm_http *http)
{
    pthread_mutex_lock(&http->mutex);
    http->stopping = true;
    resume_all(http);
    pthread_mutex_unlock(&http->mutex);
}
