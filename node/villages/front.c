/* The page of all villages at one address, and its API, described by node/villages/openapi.json. It
 * reads what askers and the loop have noted, and nothing else: it never waits for a village.
 *
 * Everybody who reaches the address may read it, before any login: villages' names, how their
 * programs run, and how many records wait; no persons. */
#include "common/api.h"
#include "common/assets.h"
#include "common/base/util.h"
#include "node/villages/villages.h"

#include <stdlib.h>
#include <string.h>

#define ROUTES_MAX 32

extern const struct lm_asset lm_node_villages_assets[];
extern const size_t lm_node_villages_assets_n;
extern const char lm_node_villages_openapi[], lm_node_villages_openapi_end[];

/* Under the mutex. */
static enum lm_village_state state_of(const struct lm_village *v, int64_t now_ms)
{
    return lm_village_state(v->pid || v->foreign, v->started_ms, v->heard_ms, now_ms);
}

/* Under the mutex: the one with this mark, or NULL. */
static const struct lm_village *with_mark(const struct lm_villages *all, int mark)
{
    for (size_t i = 0; i < all->n; i++) {
        if (all->at[i]->mark == mark) {
            return all->at[i];
        }
    }
    return NULL;
}

static json_t *villages_json(struct lm_villages *all)
{
    json_t *rows = json_array();
    int64_t now = lm_clock_mono_ms();

    pthread_mutex_lock(&all->mutex);
    for (int mark = 1; mark <= LM_VILLAGES_MAX; mark++) {
        const struct lm_village *v = with_mark(all, mark);

        if (v) {
            const struct lm_village_facts facts = {.mark = mark,
                                                   .folder = v->folder,
                                                   .station = v->station,
                                                   .name = v->name,
                                                   .state = state_of(v, now),
                                                   .port = v->port,
                                                   .why = &v->why,
                                                   .word = v->word};

            (void)json_array_append_new(rows, lm_village_json(&facts));
        }
    }
    pthread_mutex_unlock(&all->mutex);
    return json_pack("{s:o}", "villages", rows);
}

static int add_bytes(const char *bytes, size_t n, void *out)
{
    lm_buf_add(out, bytes, n);
    return 0;
}

static void handle_villages(void *arg, const struct lm_http_request *request,
                            struct lm_http_response *response)
{
    json_t *doc = villages_json(arg);

    (void)request;
    response->content_type = "application/json; charset=utf-8";
    if (!doc || json_dump_callback(doc, add_bytes, &response->body, JSON_COMPACT) != 0) {
        response->body.status = LM_ERR_MEMORY; /* the server says so */
    }
    lm_buf_text(&response->body, "\n");
    json_decref(doc);
}

static void handle_openapi(void *arg, const struct lm_http_request *request,
                           struct lm_http_response *response)
{
    (void)arg;
    (void)request;
    response->content_type = "application/json; charset=utf-8";
    response->fixed = lm_node_villages_openapi;
    response->fixed_n = (size_t)(lm_node_villages_openapi_end - lm_node_villages_openapi);
}

/* How many there are and how many of them answer; *only_port: of the page of the only one, or 0. */
static void count(struct lm_villages *all, size_t *n_out, size_t *up_out, int *only_port)
{
    int64_t now = lm_clock_mono_ms();

    pthread_mutex_lock(&all->mutex);
    *n_out = all->n;
    *up_out = 0;
    *only_port = 0;
    for (size_t i = 0; i < all->n; i++) {
        if (state_of(all->at[i], now) == LM_VILLAGE_UP) {
            *only_port = all->n == 1 ? all->at[i]->port : 0;
            ++*up_out;
        }
    }
    pthread_mutex_unlock(&all->mutex);
}

static void handle_health(void *arg, const struct lm_http_request *request,
                          struct lm_http_response *response)
{
    size_t n, up;
    int only;

    (void)request;
    count(arg, &n, &up, &only);
    response->content_type = "application/json; charset=utf-8";
    response->status = up == n ? 200 : 503;
    if (up == n) {
        lm_buf_text(&response->body, "{\"status\":\"ok\"}\n");
    } else {
        lm_buf_printf(&response->body, "{\"status\":\"%zu of %zu villages do not answer\"}\n",
                      n - up, n);
    }
}

static void handle_metrics(void *arg, const struct lm_http_request *request,
                           struct lm_http_response *response)
{
    struct lm_villages *all = arg;
    int64_t now = lm_clock_mono_ms();

    (void)request;
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    pthread_mutex_lock(&all->mutex);
    for (size_t i = 0; i < all->n; i++) {
        char name[64];

        (void)snprintf(name, sizeof name, "lastmile_village_up{station=\"%s\"}",
                       all->at[i]->station);
        lm_metric(&response->body, name, "gauge", "1 while the village's program answers",
                  state_of(all->at[i], now) == LM_VILLAGE_UP);
    }
    lm_metric(&response->body, "lastmile_villages", "gauge", "Villages on this PC", (double)all->n);
    pthread_mutex_unlock(&all->mutex);
}

/* "//127.0.0.1:5802/", on the host that the browser asked for. */
static bool address_on_host(const char *host, int port, char *out, size_t n)
{
    size_t end = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

    return strlen(host) >= end && (size_t)snprintf(out, n, "//%.*s:%d/", (int)end, host, port) < n;
}

/* A PC with one village has no use for a list: straight to it. */
static void handle_page(void *arg, const struct lm_http_request *request,
                        struct lm_http_response *response)
{
    const char *host = request->header(request, "Host");
    size_t n, up;
    int only;

    count(arg, &n, &up, &only);
    if (only && host &&
        address_on_host(host, only, response->location, sizeof response->location)) {
        response->status = 302;
        return;
    }
    response->location[0] = '\0';
    for (size_t i = 0; i < lm_node_villages_assets_n; i++) {
        if (strcmp(lm_node_villages_assets[i].path, "/") == 0) {
            struct lm_http_route page = lm_asset_route(&lm_node_villages_assets[i]);

            page.handler(page.arg, request, response);
        }
    }
}

/* Host and port of "127.0.0.1:5801"; what is wrong with it the server says. */
static enum lm_status read_address(struct lm_villages *all, const char *address,
                                   struct lm_error *err)
{
    const char *colon = strrchr(address, ':');
    int port = lm_village_port(address);

    (void)snprintf(all->host, sizeof all->host, "%.*s", colon ? (int)(colon - address) : 0,
                   address);
    all->fixed = port != 0;
    if (port > 65535 - LM_VILLAGES_MAX) {
        return lm_fail(err, LM_ERR_INVALID, "bad_address", "",
                       "端口 %d 太大：后面的 %d 个端口要留给各村的网页。",
                       "Port %d is too high: the %d ports behind it are the villages'.", port,
                       LM_VILLAGES_MAX);
    }
    return LM_OK;
}

enum lm_status lm_front_start(struct lm_villages *all, const char *address, struct lm_error *err)
{
    struct lm_http_route routes[ROUTES_MAX] = {
        {.method = "GET", .path = "/healthz", .handler = handle_health, .arg = all},
        {.method = "GET", .path = "/metrics", .handler = handle_metrics, .arg = all},
        {.method = "GET", .path = LM_API_V "villages", .handler = handle_villages, .arg = all},
        {.method = "GET", .path = LM_API_V "openapi.json", .handler = handle_openapi, .arg = all},
        {.method = "GET", .path = "/", .handler = handle_page, .arg = all},
    };
    size_t n = 5;
    enum lm_status st = read_address(all, address, err);

    LM_CHECK(n + lm_node_villages_assets_n <= ROUTES_MAX);
    for (size_t i = 0; i < lm_node_villages_assets_n; i++) {
        routes[n++] = lm_asset_route(&lm_node_villages_assets[i]); /* "/" is found above */
    }
    if (st == LM_OK) {
        st = lm_http_start(address, routes, n, &all->http, err);
    }
    if (st == LM_OK) {
        all->port = lm_village_port(lm_http_address(all->http));
    }
    return st;
}
