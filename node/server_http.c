/* What the HTTP server serves: /healthz and /metrics, from the loop's heart beat and a copy of its
 * figures, and the API. */
#include "common/assets.h"
#include "common/base/util.h"
#include "node/training.h"

#include <stdlib.h>
#include <string.h>

#define STUCK_MS 60000
#define TELL_MS 10000
#define ROUTES_MAX 192

extern const struct lm_asset lm_node_assets[];
extern const size_t lm_node_assets_n;

static bool able_to_save(struct lm_node_server *server)
{
    int64_t silent_ms = lm_clock_mono_ms() - atomic_load(&server->ticked_mono_ms);
    int64_t free_bytes = lm_free_bytes(server->node->dir.path);

    return silent_ms < STUCK_MS && (free_bytes < 0 || free_bytes >= LM_FREE_BYTES_MIN);
}

static void handle_health(void *arg, const struct lm_http_request *request,
                          struct lm_http_response *response)
{
    bool ok = able_to_save(arg);

    (void)request;
    response->status = ok ? 200 : 503;
    response->content_type = "application/json; charset=utf-8";
    lm_buf_text(&response->body,
                ok ? "{\"status\":\"ok\"}\n" : "{\"status\":\"unable to save\"}\n");
}

static void handle_metrics(void *arg, const struct lm_http_request *request,
                           struct lm_http_response *response)
{
    struct lm_node_server *server = arg;
    struct lm_buf *out = &response->body;
    struct lm_node_figures f;

    (void)request;
    pthread_mutex_lock(&server->mutex);
    f = server->figures;
    pthread_mutex_unlock(&server->mutex);
    response->status = 200;
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    lm_metric(out, "lastmile_node_uptime_seconds", "gauge", "Seconds since start",
              (double)(lm_clock_wall_ms() - server->started_ms) / 1000.0);
    lm_metric(out, "lastmile_node_pending", "gauge", "Changes not yet acked", f.pending);
    lm_metric(out, "lastmile_node_acked", "gauge",
              "Changes of this branch that the hub has made durable", f.acked);
    lm_metric(out, "lastmile_node_returned", "gauge", "Records and changes to be corrected",
              f.returned);
    lm_metric(out, "lastmile_node_held", "gauge", "Changes that wait at the hub", f.held);
    lm_metric(out, "lastmile_node_online", "gauge", "1 while in session with the hub", f.online);
    lm_metric(out, "lastmile_node_clock_offset_ms", "gauge", "Hub clock minus this PC's clock",
              f.offset_ms);
    lm_metric(out, "lastmile_node_last_contact_seconds", "gauge",
              "Hub time of its last answer, seconds since 1970", f.last_contact_s);
    lm_metric(out, "lastmile_node_healthy", "gauge", "1 when able to save",
              able_to_save(server) ? 1 : 0);
}

void lm_node_figures_update(struct lm_node_server *server)
{
    struct lm_nstore *store = server->node->store;
    struct lm_error err = {0};
    struct lm_me me;
    size_t returned = 0, held = 0;

    if (lm_nstore_me(store, &me, &err) != LM_OK ||
        lm_nstore_returned(store, NULL, NULL, &returned, &err) != LM_OK ||
        lm_nstore_count_open(store, LM_V_HELD, &held, &err) != LM_OK) {
        return; /* the figures stay; the heart beat goes on */
    }
    pthread_mutex_lock(&server->mutex);
    server->figures =
        (struct lm_node_figures){.pending = (double)(me.head.seq - me.acked.seq),
                                 .acked = (double)me.acked.seq,
                                 .returned = (double)returned,
                                 .held = (double)held,
                                 .online = strcmp(me.state, "online") == 0 ? 1 : 0,
                                 .offset_ms = (double)me.offset_ms,
                                 .last_contact_s = (double)me.last_contact_ms / 1000.0};
    pthread_mutex_unlock(&server->mutex);
}

void lm_node_tell_pages(struct lm_node_server *server, int64_t now_ms)
{
    struct lm_error err = {0};
    json_t *doc = NULL;
    char *text;

    if (lm_api_status_json(server->node->store, &doc, &err) != LM_OK) {
        return; /* the pages keep what they have */
    }
    text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    if (text &&
        (!server->told || strcmp(text, server->told) != 0 || now_ms - server->told_ms >= TELL_MS)) {
        lm_http_publish(server->http, "status", text);
        server->told_ms = now_ms;
        free(server->told);
        server->told = text;
        text = NULL;
    }
    free(text);
}

/* On the HTTP thread. */
static void ask_to_sync(void *arg)
{
    struct lm_node_server *server = arg;

    atomic_store(&server->hurry, true);
}

enum lm_status lm_node_http_start(struct lm_node_server *server, const char *address,
                                  struct lm_error *err)
{
    static struct lm_api_binding bindings[ROUTES_MAX];
    static struct lm_page page;
    struct lm_http_route routes[ROUTES_MAX] = {
        {.method = "GET", .path = "/healthz", .handler = handle_health, .arg = server},
        {.method = "GET", .path = "/metrics", .handler = handle_metrics, .arg = server},
    };
    size_t n = 2;
    enum lm_status st = lm_api_open(server->node, &server->api, err);

    if (st != LM_OK) {
        return st;
    }
    st = lm_training_new(server->api, &server->training, err);
    if (st != LM_OK) {
        return st;
    }
    LM_CHECK(n + lm_node_assets_n + lm_api_n_routes + LM_TRAINING_ROUTES_MAX <= ROUTES_MAX);
    server->api->sessions.idle_ms = server->idle_ms;
    lm_training_idle(server->training, server->idle_ms);
    server->api->front = &server->front;
    lm_training_front(server->training, &server->front);
    server->api->sync = ask_to_sync;
    server->api->sync_arg = server;
    server->api->sticks = server->sticks;
    lm_api_bind(&server->api->door, lm_api_routes, lm_api_n_routes, bindings, routes + n);
    n += lm_api_n_routes;
    for (size_t i = 0; i < lm_node_assets_n; i++) {
        const struct lm_asset *asset = &lm_node_assets[i];

        routes[n] = strcmp(asset->path, "/") == 0
                        ? lm_page_route(&page, asset, LM_API_V, lm_api_first, routes, n)
                        : lm_asset_route(asset);
        n++;
    }
    n += lm_training_routes(server->training, routes + n);
    return lm_http_start(address, routes, n, &server->http, err);
}

void lm_node_http_stop(struct lm_node_server *server)
{
    lm_http_stop(&server->http); /* its thread uses the APIs */
    lm_training_free(&server->training);
    lm_api_close(&server->api);
    free(server->told);
    server->told = NULL;
}
