/* The addresses of the town's API, and who may use each. */
#include "hub/api/api.h"
#include "hub/settings.h"

#include <stdlib.h>
#include <string.h>

#define V LM_API_V
#define MINUTE_MS (60 * 1000)

const struct lm_api_route lm_town_routes[] = {
    {"GET", V "openapi.json", LM_API_ANYONE, lm_town_openapi},
    {"POST", V "session", LM_API_ANYONE, lm_town_login},
    {"GET", V "session", LM_API_LOCKED_TOO, lm_town_session},
    {"DELETE", V "session", LM_API_LOCKED_TOO, lm_town_logout},
    {"POST", V "session/lock", LM_API_LOCKED_TOO, lm_town_lock},
    {"POST", V "session/unlock", LM_API_LOCKED_TOO, lm_town_unlock},
    {"POST", V "session/password", LM_API_USER, lm_town_password},
    {"GET", V "users", LM_API_SECURITY, lm_town_users},
    {"POST", V "users", LM_API_SECURITY, lm_town_user_add},
    {"PATCH", V "users/{name}", LM_API_SECURITY, lm_town_user_edit},
    {"GET", V "accounts", LM_API_SECURITY, lm_town_accounts},
    {"POST", V "accounts", LM_API_SECURITY, lm_town_account_add},
    {"PATCH", V "accounts/{id}", LM_API_SECURITY, lm_town_account_edit},
    {"POST", V "accounts/{id}/password", LM_API_SECURITY, lm_town_account_password},
    {"POST", V "accounts/{id}/successor", LM_API_SECURITY, lm_town_account_succeed},
    {"GET", V "audit", LM_API_AUDITOR, lm_town_audit},
    {"GET", V "audit/export", LM_API_AUDITOR, lm_town_audit_export},
    {"POST", V "audit/note", LM_API_BOARD, lm_town_note},
    {"GET", V "counts", LM_API_FIGURES, lm_town_counts},
    {"GET", V "counts/{indicator}/rows", LM_API_FIGURES, lm_town_count_rows},
    {"GET", V "tables/{token}/counts.csv", LM_API_ANYONE, lm_town_table},
    {"GET", V "tables/{token}/counts.xlsx", LM_API_ANYONE, lm_town_table_xlsx},
    {"GET", V "tokens", LM_API_ADMIN, lm_town_tokens},
    {"POST", V "tokens", LM_API_ADMIN, lm_town_token_add},
    {"DELETE", V "tokens/{name}", LM_API_ADMIN, lm_town_token_revoke},
    {"GET", V "backups", LM_API_ADMIN, lm_town_backups},
    {"POST", V "backups", LM_API_ADMIN, lm_town_backup_make},
    {"GET", V "quality", LM_API_CLERK, lm_town_quality},
    {"GET", V "quality/{check}/rows", LM_API_CLERK, lm_town_quality_rows},
    {"GET", V "months", LM_API_CLERK, lm_town_months},
    {"GET", V "national/{file}", LM_API_CLERK, lm_town_national},
    {"POST", V "national/{file}", LM_API_CLERK, lm_town_national_file},
    {"GET", V "summary", LM_API_FIGURES, lm_town_summary},
    {"GET", V "summaries", LM_API_FIGURES, lm_town_snapshots},
    {"POST", V "summaries", LM_API_CLERK, lm_town_snapshot_make},
    {"GET", V "summaries/{id}", LM_API_FIGURES, lm_town_snapshot},
    {"PATCH", V "summaries/{id}", LM_API_CLERK, lm_town_snapshot_edit},
    {"POST", V "summaries/{id}/sign", LM_API_SIGNER, lm_town_snapshot_sign},
    {"GET", V "targets", LM_API_FIGURES, lm_town_targets},
    {"GET", V "settings", LM_API_USER, lm_town_settings},
    {"PUT", V "settings/{key}", LM_API_DESK, lm_town_setting_put},
    {"GET", V "filters", LM_API_CLERK, lm_town_filters},
    {"PUT", V "filters", LM_API_CLERK, lm_town_filters_put},
    {"GET", V "status", LM_API_USER, lm_town_status},
    {"GET", V "stations", LM_API_BOARD, lm_town_stations},
    {"POST", V "stations", LM_API_ADMIN, lm_town_station_add},
    {"POST", V "stations/{code}/kit", LM_API_ADMIN, lm_town_station_kit},
    {"POST", V "stations/{code}/revoke", LM_API_ADMIN, lm_town_station_revoke},
    {"POST", V "stations/{code}/settle", LM_API_ADMIN, lm_town_station_settle},
    {"GET", V "stations/{code}/merger", LM_API_ADMIN, lm_town_merger},
    {"POST", V "stations/{code}/merger", LM_API_ADMIN, lm_town_merger_make},
    {"POST", V "bundles/parts", LM_API_DESK, lm_town_bundle_part},
    {"POST", V "bundles", LM_API_DESK, lm_town_bundle_take},
    {"GET", V "bundles/{upload}/reply", LM_API_DESK, lm_town_bundle_reply},
    {"GET", V "catalog", LM_API_USER, lm_town_catalog},
    {"GET", V "types/{type}/records", LM_API_CLERK, lm_town_list},
    {"POST", V "types/{type}/records", LM_API_CLERK, lm_town_create},
    {"POST", V "lines", LM_API_CLERK, lm_town_lines},
    {"GET", V "search", LM_API_CLERK, lm_town_search},
    {"GET", V "staff", LM_API_CLERK, lm_town_staff},
    {"PATCH", V "records/{id}", LM_API_CLERK, lm_town_edit},
    {"GET", V "records/{id}", LM_API_FIGURES, lm_town_get},
    {"GET", V "records/{id}/history", LM_API_CLERK, lm_town_history},
    {"POST", V "records/{id}/reveal", LM_API_CLERK, lm_town_reveal},
    {"POST", V "records/{id}/return", LM_API_FIGURES, lm_town_send_back},
    {"GET", V "review/{kind}", LM_API_CLERK, lm_town_review},
    {"POST", V "review/{kind}/decide", LM_API_CLERK, lm_town_decide},
    {"POST", V "review/step", LM_API_CLERK, lm_town_step},
    {"POST", V "review/approve", LM_API_CLERK, lm_town_approve},
    {"POST", V "review/conflicts/{id}/resolve", LM_API_CLERK, lm_town_resolve},
    {"POST", V "review/held/refuse", LM_API_CLERK, lm_town_refuse_many},
    {"POST", V "review/held/{position}/release", LM_API_CLERK, lm_town_release},
    {"POST", V "review/held/{position}/refuse", LM_API_CLERK, lm_town_refuse},
    {"POST", V "review/duplicates/merge", LM_API_CLERK, lm_town_merge},
    {"POST", V "review/duplicates/unmerge", LM_API_CLERK, lm_town_unmerge},
    {"POST", V "review/duplicates/dismiss", LM_API_CLERK, lm_town_dismiss},
};
const size_t lm_town_n_routes = sizeof lm_town_routes / sizeof *lm_town_routes;

/* The catalogue in force, and the database that is in place, may both have changed. */
static enum lm_status refresh(struct lm_api *api, struct lm_error *err)
{
    unsigned generation = atomic_load(&api->server->store_generation);
    enum lm_status st = LM_OK;

    lm_town_tell_refused(api, false);
    if (generation != api->generation || !api->store) {
        lm_store_close(&api->store);
        st = lm_store_open(&api->server->hub->dir, api->server->hub->catalog, LM_STORE_READ,
                           &api->store, err);
        st = st == LM_OK ? lm_store_keep_figures(api->store, err) : st;
        api->generation = generation;
    }
    if (st == LM_OK) {
        st = lm_store_read_begin(api->store, err);
        if (st == LM_OK) {
            api->sessions.idle_ms = lm_setting_number(api->store, "idle_minutes") * MINUTE_MS;
            lm_store_read_end(api->store);
        }
    }
    return st;
}

/* What a list says and its rows, a board and the coverage above it are of one moment, whatever
 * villages bring meanwhile. */
static enum lm_status hold_begin(struct lm_api *api, struct lm_error *err)
{
    return lm_store_read_begin(api->store, err);
}

static void hold_end(struct lm_api *api)
{
    lm_store_read_end(api->store);
}

/* An account that `user` closed by command, or that a restored database does not know. */
static bool still(struct lm_api *api, const struct lm_session *session)
{
    struct lm_user user;
    struct lm_error ignored = {0};
    char hash[LM_PASSWORD_HASH_BYTES];
    enum lm_status st = refresh(api, &ignored);

    if (st == LM_OK) {
        st = lm_store_user_get(api->store, session->user, &user, hash, &ignored);
    }
    return st == LM_OK ? !user.disabled && lm_account_mark(hash) == session->account
                       : st != LM_ERR_NOT_FOUND; /* what cannot be read says so by itself */
}

enum lm_status lm_town_open(struct lm_server *server, struct lm_api **out, struct lm_error *err)
{
    struct lm_api *api = calloc(1, sizeof *api);
    enum lm_status st;

    *out = NULL;
    if (!api) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    api->server = server;
    lm_sessions_init(&api->sessions, LM_TOWN_IDLE_MS, LM_TOWN_END_MS);
    api->door = (struct lm_api_door){.api = api,
                                     .sessions = &api->sessions,
                                     .cookie = LM_TOWN_COOKIE,
                                     .before = refresh,
                                     .hold_begin = hold_begin,
                                     .hold_end = hold_end,
                                     .still = still,
                                     .cover = lm_town_cover};
    st = lm_audit_open(&server->hub->dir, &api->audit, err);
    if (st == LM_OK) {
        st = refresh(api, err);
    }
    if (st != LM_OK) {
        lm_town_close(&api);
    }
    *out = api;
    return st;
}

void lm_town_close(struct lm_api **api)
{
    if (*api) {
        lm_town_tell_refused(*api, true);
        lm_town_uploads_free(&(*api)->uploads);
        lm_town_backup_free(&(*api)->backup);
        lm_catalog_answer_free(&(*api)->catalog);
        lm_store_close(&(*api)->store);
        lm_audit_close(&(*api)->audit);
        free(*api);
        *api = NULL;
    }
}

enum lm_status lm_town_log(struct lm_api_call *call, const char *what, const char *object,
                           const char *reason, const char *detail)
{
    const struct lm_session *s = call->session;
    const struct lm_audit_entry entry = {.at_ms = lm_clock_wall_ms(),
                                         .user = s ? s->user : "",
                                         .role = s ? s->role : "",
                                         .what = what,
                                         .object = object,
                                         .reason = reason,
                                         .detail = detail};

    return lm_audit_add(call->api->audit, &entry, &call->err);
}
