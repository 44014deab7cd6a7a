/* The JSON API of a node's page, /api/v1. It runs on the HTTP server's thread with a database
 * connection of its own, so that a slow page never holds up synchronisation; saves go through the
 * same node/save as the command line's.
 *
 * routes.c: the table of addresses, who may use them, errors; session.c, records.c, batch.c,
 * lines.c, imports.c, reveals.c, search.c, catalog.c, drafts.c, status.c: one subject each.
 * openapi.json describes it and is served; a unit test holds it against the table. */
#ifndef LM_NODE_API_H
#define LM_NODE_API_H

#include "common/api.h"
#include "common/assets.h"
#include "common/catalog_answer.h"
#include "common/entry.h"
#include "node/label.h"
#include "node/program.h"
#include "node/server.h"

/* A browser sends a host's cookies to every port of it, and several villages may live on one PC:
 * the names end in the installation's replica number, so that logging in to one is nothing to
 * another. */
#define LM_API_COOKIE "lm_node"
#define LM_API_TRAINING_COOKIE "lm_training"
#define LM_API_COOKIE_NAME 40
#define LM_API_IDLE_MS (10 * 60 * 1000)
#define LM_API_END_MS (12 * 60 * 60 * 1000)
#define LM_API_ROWS_MAX 500
#define LM_API_ROWS_DEFAULT 100

struct lm_api_search;
struct lm_issues;
struct lm_training;
struct lm_api {
    struct lm_node *node; /* its directory and catalogue; its store is another thread's */
    struct lm_nstore *store;
    struct lm_sessions sessions;
    struct lm_tries tries;
    struct lm_api_door door;
    struct lm_api_search *search; /* built at the first search */
    struct lm_catalog_answer catalog;
    void (*sync)(void *arg); /* "synchronise now"; any thread */
    void *sync_arg;
    bool english;       /* who asks now reads the pages in English */
    const char *sticks; /* where sticks appear, or NULL: where systems mount them */
    struct lm_rand rnd;
    struct lm_training *training; /* whose API it is; NULL: the real data's */
    char cookie[LM_API_COOKIE_NAME];
    atomic_int *front; /* LM_FRONT of who introduced itself (server.h), or NULL */
};

extern const struct lm_api_route lm_api_routes[];
extern const size_t lm_api_n_routes;
/* What the page's document already answers. */
extern const struct lm_page_first lm_api_first[];

/* One without a store, for who opens it in `before`, and without a cookie's name. */
enum lm_status lm_api_new(struct lm_node *node,
                          enum lm_status (*before)(struct lm_api *api, struct lm_error *err),
                          struct lm_api **out, struct lm_error *err) LM_MUST_USE;
/* Opens the API's own store. */
enum lm_status lm_api_open(struct lm_node *node, struct lm_api **out,
                           struct lm_error *err) LM_MUST_USE;
void lm_api_close(struct lm_api **api);
/* Before the first request. prefix: LM_API_COOKIE or LM_API_TRAINING_COOKIE. */
void lm_api_name_cookie(struct lm_api *api, const char *prefix, uint64_t replica);
/* The status document: `status --json` and what the page shows. New reference, NULL: no memory. */
enum lm_status lm_api_status_json(struct lm_nstore *store, json_t **out,
                                  struct lm_error *err) LM_MUST_USE;

/* ---- for handlers ---- */

/* A record's JSON with what this node knows besides: "pending", "refused", "deleted", "origin" when
 * the town entered it for this village, and "rev", which changes with every change of it. */
json_t *lm_api_record(struct lm_api *api, const struct lm_me *me, const struct lm_record *rec);
/* Whether it is for this station: a notice to others is here too, and is left out of what is listed
 * and found. */
bool lm_api_is_for(const struct lm_record *rec, const char *station);
/* The issues of a save; one about a record that is there already names it: "other": {id, label}. */
json_t *lm_api_issues_of(struct lm_api *api, const struct lm_entry_result *result);

enum lm_status lm_api_setup_get(struct lm_api_call *call);
enum lm_status lm_api_setup(struct lm_api_call *call);
enum lm_status lm_api_login(struct lm_api_call *call);
enum lm_status lm_api_session(struct lm_api_call *call);
/* For lm_api_door.still: `user` in another process may have changed the account. */
bool lm_api_still(struct lm_api *api, const struct lm_session *session);
enum lm_status lm_api_logout(struct lm_api_call *call);
enum lm_status lm_api_lock(struct lm_api_call *call);
enum lm_status lm_api_unlock(struct lm_api_call *call);
enum lm_status lm_api_password(struct lm_api_call *call);
enum lm_status lm_api_training_reset(struct lm_api_call *call);
enum lm_status lm_api_users(struct lm_api_call *call);
enum lm_status lm_api_user_add(struct lm_api_call *call);
enum lm_status lm_api_user_edit(struct lm_api_call *call);
enum lm_status lm_api_user_succeed(struct lm_api_call *call);
enum lm_status lm_api_status(struct lm_api_call *call);
enum lm_status lm_api_tasks(struct lm_api_call *call);
enum lm_status lm_api_staff(struct lm_api_call *call);
enum lm_status lm_api_usb(struct lm_api_call *call);
enum lm_status lm_api_usb_export(struct lm_api_call *call);
enum lm_status lm_api_usb_import(struct lm_api_call *call);
enum lm_status lm_api_usb_backup(struct lm_api_call *call);
enum lm_status lm_api_usb_restore(struct lm_api_call *call);
enum lm_status lm_api_events(struct lm_api_call *call);
enum lm_status lm_api_sync(struct lm_api_call *call);
enum lm_status lm_api_catalog(struct lm_api_call *call);
enum lm_status lm_api_openapi(struct lm_api_call *call);
enum lm_status lm_api_list(struct lm_api_call *call);
enum lm_status lm_api_create(struct lm_api_call *call);
enum lm_status lm_api_batch(struct lm_api_call *call);
enum lm_status lm_api_lines(struct lm_api_call *call);
enum lm_status lm_api_check(struct lm_api_call *call);
enum lm_status lm_api_get(struct lm_api_call *call);
enum lm_status lm_api_edit(struct lm_api_call *call);
enum lm_status lm_api_delete(struct lm_api_call *call);
enum lm_status lm_api_undelete(struct lm_api_call *call);
enum lm_status lm_api_history(struct lm_api_call *call);
enum lm_status lm_api_history_fetch(struct lm_api_call *call);
enum lm_status lm_api_related(struct lm_api_call *call);
enum lm_status lm_api_returned(struct lm_api_call *call);
enum lm_status lm_api_conflicts(struct lm_api_call *call);
enum lm_status lm_api_pending(struct lm_api_call *call);
enum lm_status lm_api_bin(struct lm_api_call *call);
enum lm_status lm_api_search(struct lm_api_call *call);
enum lm_status lm_api_drafts(struct lm_api_call *call);
enum lm_status lm_api_draft_get(struct lm_api_call *call);
enum lm_status lm_api_draft_put(struct lm_api_call *call);
enum lm_status lm_api_draft_drop(struct lm_api_call *call);
enum lm_status lm_api_reveal(struct lm_api_call *call);
enum lm_status lm_api_reveals(struct lm_api_call *call);
enum lm_status lm_api_imports(struct lm_api_call *call);
enum lm_status lm_api_import(struct lm_api_call *call);
enum lm_status lm_api_import_undone(struct lm_api_call *call);

void lm_api_search_free(struct lm_api_search **search);
/* What was typed as it is compared: lower case, full-width signs as half-width ones, no spaces.
 * False: nothing is left, or it is longer than LM_API_QUERY_BYTES. */
#define LM_API_QUERY_BYTES 200
bool lm_api_query(const char *from, char out[LM_API_QUERY_BYTES + 1]);
/* The persons that q (lm_api_query) finds, as the search box does: their ids in rising order, as
 * long as no other request is answered; free(*ids_out). */
enum lm_status lm_api_people(struct lm_api_call *call, const char *q, const char ***ids_out,
                             size_t *n_out) LM_MUST_USE;

#endif
