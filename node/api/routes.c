/* The addresses of the API, and who may use each. */
#include "node/api/api.h"

#include <stdlib.h>

#define V LM_API_V

const struct lm_api_route lm_api_routes[] = {
    {"GET", V "openapi.json", LM_API_ANYONE, lm_api_openapi},
    {"GET", V "setup", LM_API_ANYONE, lm_api_setup_get},
    {"POST", V "setup", LM_API_ANYONE, lm_api_setup},
    {"POST", V "session", LM_API_ANYONE, lm_api_login},
    {"GET", V "session", LM_API_LOCKED_TOO, lm_api_session},
    {"DELETE", V "session", LM_API_LOCKED_TOO, lm_api_logout},
    {"POST", V "session/lock", LM_API_LOCKED_TOO, lm_api_lock},
    {"POST", V "session/unlock", LM_API_LOCKED_TOO, lm_api_unlock},
    {"POST", V "session/password", LM_API_USER, lm_api_password},
    {"POST", V "training/reset", LM_API_USER, lm_api_training_reset},
    {"GET", V "users", LM_API_ADMIN, lm_api_users},
    {"POST", V "users", LM_API_ADMIN, lm_api_user_add},
    {"PATCH", V "users/{name}", LM_API_ADMIN, lm_api_user_edit},
    {"POST", V "users/{name}/successor", LM_API_ADMIN, lm_api_user_succeed},
    {"GET", V "status", LM_API_USER, lm_api_status},
    {"GET", V "tasks", LM_API_USER, lm_api_tasks},
    {"GET", V "staff", LM_API_USER, lm_api_staff},
    {"GET", V "usb", LM_API_USER, lm_api_usb},
    {"POST", V "usb/export", LM_API_USER, lm_api_usb_export},
    {"POST", V "usb/import", LM_API_USER, lm_api_usb_import},
    {"POST", V "usb/backup", LM_API_USER, lm_api_usb_backup},
    {"POST", V "usb/restore", LM_API_ADMIN, lm_api_usb_restore},
    {"GET", V "events", LM_API_USER, lm_api_events},
    {"POST", V "sync", LM_API_USER, lm_api_sync},
    {"GET", V "catalog", LM_API_USER, lm_api_catalog},
    {"GET", V "search", LM_API_USER, lm_api_search},
    {"GET", V "pending", LM_API_USER, lm_api_pending},
    {"GET", V "returned", LM_API_USER, lm_api_returned},
    {"GET", V "conflicts", LM_API_USER, lm_api_conflicts},
    {"GET", V "bin", LM_API_USER, lm_api_bin},
    {"GET", V "types/{type}/records", LM_API_USER, lm_api_list},
    {"POST", V "types/{type}/records", LM_API_USER, lm_api_create},
    {"POST", V "types/{type}/batches", LM_API_USER, lm_api_batch},
    {"POST", V "types/{type}/check", LM_API_USER, lm_api_check},
    {"POST", V "lines", LM_API_USER, lm_api_lines},
    {"GET", V "imports", LM_API_USER, lm_api_imports},
    {"GET", V "imports/{id}", LM_API_USER, lm_api_import},
    {"POST", V "imports/{id}/undone", LM_API_USER, lm_api_import_undone},
    {"GET", V "records/{id}", LM_API_USER, lm_api_get},
    {"PATCH", V "records/{id}", LM_API_USER, lm_api_edit},
    {"DELETE", V "records/{id}", LM_API_USER, lm_api_delete},
    {"POST", V "records/{id}/undelete", LM_API_USER, lm_api_undelete},
    {"GET", V "records/{id}/history", LM_API_USER, lm_api_history},
    {"POST", V "records/{id}/history", LM_API_USER, lm_api_history_fetch},
    {"GET", V "records/{id}/related", LM_API_USER, lm_api_related},
    {"POST", V "records/{id}/reveal", LM_API_USER, lm_api_reveal},
    {"GET", V "reveals", LM_API_ADMIN, lm_api_reveals},
    {"GET", V "drafts", LM_API_USER, lm_api_drafts},
    {"GET", V "drafts/{key}", LM_API_USER, lm_api_draft_get},
    {"PUT", V "drafts/{key}", LM_API_USER, lm_api_draft_put},
    {"DELETE", V "drafts/{key}", LM_API_USER, lm_api_draft_drop},
};
const size_t lm_api_n_routes = sizeof lm_api_routes / sizeof *lm_api_routes;

/* ---- life ---- */

static enum lm_status refresh(struct lm_api *api, struct lm_error *err)
{
    return lm_nstore_refresh(api->store, err);
}

enum lm_status lm_api_new(struct lm_node *node,
                          enum lm_status (*before)(struct lm_api *api, struct lm_error *err),
                          struct lm_api **out, struct lm_error *err)
{
    struct lm_api *api = calloc(1, sizeof *api);

    *out = api;
    if (!api) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    api->node = node;
    lm_rand_seed_system(&api->rnd);
    lm_sessions_init(&api->sessions, LM_API_IDLE_MS, LM_API_END_MS);
    api->door = (struct lm_api_door){.api = api,
                                     .sessions = &api->sessions,
                                     .cookie = api->cookie,
                                     .english = &api->english,
                                     .before = before};
    return LM_OK;
}

void lm_api_name_cookie(struct lm_api *api, const char *prefix, uint64_t replica)
{
    (void)snprintf(api->cookie, sizeof api->cookie, "%s_%llu", prefix, (unsigned long long)replica);
}

enum lm_status lm_api_open(struct lm_node *node, struct lm_api **out, struct lm_error *err)
{
    struct lm_me me;
    enum lm_status st = lm_api_new(node, refresh, out, err);

    if (st == LM_OK) {
        (*out)->door.still = lm_api_still;
        st = lm_nstore_open(&node->dir, node->catalog, false, &(*out)->store, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_me((*out)->store, &me, err);
    }
    if (st == LM_OK) {
        lm_api_name_cookie(*out, LM_API_COOKIE, me.replica);
    }
    if (st != LM_OK) {
        lm_api_close(out);
    }
    return st;
}

void lm_api_close(struct lm_api **api)
{
    if (!*api) {
        return;
    }
    lm_api_search_free(&(*api)->search);
    lm_catalog_answer_free(&(*api)->catalog);
    lm_nstore_close((*api)->store ? &(*api)->store : NULL);
    free(*api);
    *api = NULL;
}

const struct lm_page_first lm_api_first[] = {
    {.name = "session"}, {.name = "status"}, {.name = "setup", .outside_only = true}, {0}};
