/* serve: one thread runs the link and answers the control socket; the HTTP thread reads a copy of
 * the figures. */
#ifndef LM_NODE_SERVER_H
#define LM_NODE_SERVER_H

#include "common/control.h"
#include "common/http.h"
#include "node/link.h"
#include "node/program.h"

#include <pthread.h>
#include <stdatomic.h>

#define LM_NODE_WAITERS_MAX 16
#define LM_SYNC_TIMEOUT_S_DEFAULT 60
/* The page of all villages of this PC (node/villages) introduces itself to each: its port, and the
 * mark (1 … LM_VILLAGES_MAX) by which its pages tell this village from the others; 0 = there is no
 * such page, or no other village. */
#define LM_VILLAGES_MAX 8
#define LM_FRONT(port, mark) ((mark) ? (port) << 4 | (mark) : 0)
#define LM_FRONT_PORT(front) ((front) >> 4)
#define LM_FRONT_MARK(front) ((front)&15)
#define LM_SYNC_TIMEOUT_S_MAX 86400

/* A `sync` that waits for the server to be in step. */
struct lm_node_waiter {
    struct lm_control_request *request;
    int64_t asked_ms, until_ms; /* mono */
    uint64_t synced;            /* link->synced when it came */
};
struct lm_node_figures {
    double pending, acked, returned, held, online, offset_ms, last_contact_s;
};
struct lm_api;
struct lm_training;
struct lm_node_server {
    struct lm_node *node;
    struct lm_node_key key;
    struct lm_link link;
    struct lm_control *control;
    struct lm_http *http;
    struct lm_api *api;
    struct lm_training *training;
    const char *sticks; /* --sticks, or NULL */
    int64_t idle_ms;    /* --idle */
    atomic_bool hurry;  /* a page asked to synchronise now */
    int64_t told_ms;    /* mono: when the pages were told the status last */
    char *told;         /* and what */
    int64_t started_ms;
    bool stop;
    atomic_int front; /* LM_FRONT */
    struct lm_node_waiter waiters[LM_NODE_WAITERS_MAX];
    size_t n_waiters;
    atomic_llong ticked_mono_ms; /* the loop's heart beat */
    pthread_mutex_t mutex;       /* guards figures */
    struct lm_node_figures figures;
};
enum lm_status lm_node_http_start(struct lm_node_server *server, const char *address,
                                  struct lm_error *err) LM_MUST_USE;
void lm_node_http_stop(struct lm_node_server *server);
/* Tells the open pages the status when it has changed, and every 10 s that the line still stands.
 * now_ms: mono. */
void lm_node_tell_pages(struct lm_node_server *server, int64_t now_ms);
/* Copies what the metrics tell from the database. */
void lm_node_figures_update(struct lm_node_server *server);
/* --timeout of `sync`. */
/* As `sync`, without its output. *code: what the running server answered with, else LM_EXIT_OK. */
enum lm_status lm_node_sync_quietly(struct lm_node *node, const struct lm_cli *cli, int timeout_s,
                                    int *code, struct lm_error *err) LM_MUST_USE;
enum lm_status lm_node_sync_options(struct lm_cli *cli, int *timeout_s,
                                    struct lm_error *err) LM_MUST_USE;

/* `bundle import` of cli->in by who holds the link lock; the session is to begin anew afterwards.
 */
int lm_node_bundle_import(struct lm_nstore *store, const struct lm_node_key *key,
                          struct lm_cli *cli);

#endif
