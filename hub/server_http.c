/* /healthz and /metrics. On the HTTP thread: reads the loop's heart beat and a copy of its figures.
 */
#include "common/base/util.h"
#include "hub/server.h"

#define STUCK_MS 60000

static bool able_to_save(struct lm_server *server)
{
    int64_t silent_ms = lm_clock_mono_ms() - atomic_load(&server->ticked_mono_ms);
    int64_t free_bytes = lm_free_bytes(server->hub->dir.path);
    return silent_ms < STUCK_MS && (free_bytes < 0 || free_bytes > LM_FREE_BYTES_MIN);
}

static void handle_health(void *arg, const struct lm_http_request *request,
                          struct lm_http_response *response)
{
    (void)request;
    bool ok = able_to_save(arg);
    response->status = ok ? 200 : 503;
    response->content_type = "application/json; charset=utf-8";
    lm_buf_text(&response->body,
                ok ? "{\"status\":\"ok\"}\n" : "{\"status\":\"unable to save\"}\n");
}

static void handle_metrics(void *arg, const struct lm_http_request *request,
                           struct lm_http_response *response)
{
    struct lm_server *server = arg;
    struct lm_buf *out = &response->body;
    (void)request;
    response->status = 200;
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    pthread_mutex_lock(&server->metrics_mutex);
    lm_metric(out, "lastmile_hub_uptime_seconds", "gauge", "Seconds since start",
              (double)(lm_clock_wall_ms() - server->started_ms) / 1000.0);
    lm_metric(out, "lastmile_hub_journal_entries", "gauge", "Journal entries",
              (double)server->metrics.journal_entries);
    lm_metric(out, "lastmile_hub_sessions", "gauge", "Replicas in session",
              (double)server->metrics.sessions);
    lm_metric(out, "lastmile_hub_returned", "gauge", "Open refused and invalid changes",
              (double)server->metrics.returned);
    lm_metric(out, "lastmile_hub_held", "gauge", "Held changes", (double)server->metrics.held);
    lm_metric(out, "lastmile_hub_conflicts", "gauge", "Open conflicts",
              (double)server->metrics.conflicts);
    lm_metric(out, "lastmile_hub_healthy", "gauge", "1 when able to save",
              able_to_save(server) ? 1 : 0);
    pthread_mutex_unlock(&server->metrics_mutex);
}

enum lm_status lm_server_http_start(struct lm_server *server, const char *address,
                                    struct lm_error *err)
{
    const struct lm_http_route routes[] = {
        {.method = "GET", .path = "/healthz", .handler = handle_health, .arg = server},
        {.method = "GET", .path = "/metrics", .handler = handle_metrics, .arg = server},
    };
    return lm_http_start(address, routes, sizeof routes / sizeof *routes, &server->http, err);
}
