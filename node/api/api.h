/* The JSON API of a node's page, /api/v1. It runs on the HTTP server's thread with a database
 * connection of its own, so that a slow page never holds up synchronisation; saves go through the
 * same node/save as the command line's.
 *
 * routes.c: the table of addresses, who may use them, errors; session.c, records.c, search.c,
 * catalog.c, drafts.c, status.c: one subject each. openapi.json describes it and is served; a unit
 * test holds it against the table. */
#ifndef LM_NODE_API_H
#define LM_NODE_API_H

#include "common/account.h"
#include "common/http.h"
#include "node/program.h"
#include "node/server.h"

#define LM_API_COOKIE "lm_node"
#define LM_API_IDLE_MS (10 * 60 * 1000)
#define LM_API_END_MS (12 * 60 * 60 * 1000)
#define LM_API_ROWS_MAX 500
#define LM_API_ROWS_DEFAULT 100

struct lm_api_search;
struct lm_api {
    struct lm_node *node; /* its directory and catalogue; its store is another thread's */
    struct lm_nstore *store;
    struct lm_sessions sessions;
    struct lm_api_search *search; /* built at the first search */
    void (*sync)(void *arg);      /* "synchronise now"; any thread */
    void *sync_arg;
    struct lm_rand rnd;
};

enum lm_api_who {
    LM_API_ANYONE,     /* before login */
    LM_API_LOCKED_TOO, /* a session that is locked: to unlock or to leave it */
    LM_API_USER,
    LM_API_ADMIN
};

/* One request at work. */
struct lm_api_call {
    struct lm_api *api;
    const struct lm_http_request *request;
    struct lm_http_response *response;
    struct lm_session *session; /* NULL for LM_API_ANYONE without one */
    json_t *body;               /* an object, or NULL */
    json_t *answer;             /* what the handler gives; NULL = 204 or a body of its own */
    json_t *more;               /* further members of an error's document, or NULL */
    struct lm_error err;
};
/* LM_OK: answer (or the response itself) is filled in. Else err says why. */
typedef enum lm_status (*lm_api_handler)(struct lm_api_call *call);
struct lm_api_route {
    const char *method, *path;
    enum lm_api_who who;
    lm_api_handler handler;
};
extern const struct lm_api_route lm_api_routes[];
extern const size_t lm_api_n_routes;

/* Opens the API's own store. */
enum lm_status lm_api_open(struct lm_node *node, struct lm_api **out,
                           struct lm_error *err) LM_MUST_USE;
void lm_api_close(struct lm_api **api);
/* Fills routes[lm_api_n_routes] and bindings[lm_api_n_routes]; both must outlive the server. */
struct lm_api_binding {
    struct lm_api *api;
    const struct lm_api_route *route;
};
void lm_api_bind(struct lm_api *api, struct lm_api_binding *bindings, struct lm_http_route *routes);

/* The status document: `status --json` and what the page shows. New reference, NULL: no memory. */
enum lm_status lm_api_status_json(struct lm_nstore *store, json_t **out,
                                  struct lm_error *err) LM_MUST_USE;

/* ---- for handlers ---- */

/* A member of the body as text; LM_ERR_INVALID names it when it is missing (required) or no text.
 * *out NULL: not there. */
enum lm_status lm_api_text(struct lm_api_call *call, const char *name, bool required,
                           const char **out) LM_MUST_USE;
/* A whole number of the query, at least min and at most max; fallback when absent. */
enum lm_status lm_api_number(struct lm_api_call *call, const char *name, int64_t min, int64_t max,
                             int64_t fallback, int64_t *out) LM_MUST_USE;
enum lm_status lm_api_no_memory(struct lm_api_call *call);
/* A path's {id} in canonical form; LM_ERR_NOT_FOUND else. */
enum lm_status lm_api_id(struct lm_api_call *call, size_t param,
                         char out[LM_UUID_TEXT + 1]) LM_MUST_USE;
/* A record's JSON with what this node knows besides: "pending", "refused", "deleted", and "rev",
 * which changes with every change of it. */
json_t *lm_api_record(struct lm_api *api, const struct lm_me *me, const struct lm_record *rec);
/* What a record is called in one line: a person's name, else its first list columns. */
void lm_api_label(struct lm_api *api, const struct lm_record *rec, char *out, size_t n);

enum lm_status lm_api_setup_get(struct lm_api_call *call);
enum lm_status lm_api_setup(struct lm_api_call *call);
enum lm_status lm_api_login(struct lm_api_call *call);
enum lm_status lm_api_session(struct lm_api_call *call);
enum lm_status lm_api_logout(struct lm_api_call *call);
enum lm_status lm_api_lock(struct lm_api_call *call);
enum lm_status lm_api_unlock(struct lm_api_call *call);
enum lm_status lm_api_password(struct lm_api_call *call);
enum lm_status lm_api_users(struct lm_api_call *call);
enum lm_status lm_api_user_add(struct lm_api_call *call);
enum lm_status lm_api_user_edit(struct lm_api_call *call);
enum lm_status lm_api_status(struct lm_api_call *call);
enum lm_status lm_api_events(struct lm_api_call *call);
enum lm_status lm_api_sync(struct lm_api_call *call);
enum lm_status lm_api_catalog(struct lm_api_call *call);
enum lm_status lm_api_openapi(struct lm_api_call *call);
enum lm_status lm_api_list(struct lm_api_call *call);
enum lm_status lm_api_create(struct lm_api_call *call);
enum lm_status lm_api_check(struct lm_api_call *call);
enum lm_status lm_api_get(struct lm_api_call *call);
enum lm_status lm_api_edit(struct lm_api_call *call);
enum lm_status lm_api_delete(struct lm_api_call *call);
enum lm_status lm_api_undelete(struct lm_api_call *call);
enum lm_status lm_api_history(struct lm_api_call *call);
enum lm_status lm_api_related(struct lm_api_call *call);
enum lm_status lm_api_returned(struct lm_api_call *call);
enum lm_status lm_api_pending(struct lm_api_call *call);
enum lm_status lm_api_search(struct lm_api_call *call);
enum lm_status lm_api_drafts(struct lm_api_call *call);
enum lm_status lm_api_draft_get(struct lm_api_call *call);
enum lm_status lm_api_draft_put(struct lm_api_call *call);
enum lm_status lm_api_draft_drop(struct lm_api_call *call);

void lm_api_search_free(struct lm_api_search **search);

#endif
