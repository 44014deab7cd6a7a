/* What the HTTP server serves: /healthz and /metrics, from the loop's heart beat and a copy of its
 * figures, the API, and the page. */
#include "common/assets.h"
#include "common/base/util.h"
#include "hub/api/api.h"

#include <string.h>

#define STUCK_MS 60000
#define ROUTES_MAX 128

extern const struct lm_asset lm_hub_assets[];
extern const size_t lm_hub_assets_n;

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
    lm_town_metrics(server->api, out);
}

enum lm_status lm_server_http_start(struct lm_server *server, const char *address,
                                    struct lm_error *err)
{
    static const struct lm_page_first first[] = {{.name = "session"}, {.name = "status"}, {0}};
    static struct lm_api_binding bindings[ROUTES_MAX];
    static struct lm_page page;
    struct lm_http_route routes[ROUTES_MAX] = {
        {.method = "GET", .path = "/healthz", .handler = handle_health, .arg = server},
        {.method = "GET", .path = "/metrics", .handler = handle_metrics, .arg = server},
    };
    size_t n = 2;
    enum lm_status status = lm_town_open(server, &server->api, err);

    if (status != LM_OK) {
        return status;
    }
    LM_CHECK(n + lm_hub_assets_n + lm_town_n_routes <= ROUTES_MAX);
    lm_api_bind(&server->api->door, lm_town_routes, lm_town_n_routes, bindings, routes + n);
    n += lm_town_n_routes;
    for (size_t i = 0; i < lm_hub_assets_n; i++) {
        const struct lm_asset *asset = &lm_hub_assets[i];

        routes[n] = strcmp(asset->path, "/") == 0
                        ? lm_page_route(&page, asset, LM_API_V, first, routes, n)
                        : lm_asset_route(asset);
        n++;
    }
    return lm_http_start(address, routes, n, &server->http, err);
}

void lm_server_http_stop(struct lm_server *server)
{
    lm_server_desk_close(server); /* its thread may wait for the writer, which is here */
    lm_http_stop(&server->http);
    lm_town_close(&server->api);
}
