/* The JSON API of the town's page, /api/v1. It runs on the HTTP server's thread with a read-only
 * store of its own; what changes something goes to the writer (lm_server_do) and through the same
 * functions as the command line's.
 *
 * Who may do what: routes.c. Leaders see figures, and rows with names and numbers masked; nobody
 * sees what the catalogue calls sensitivity 2 (ID and bank numbers, illness, hardship) without
 * asking for one record, with a reason, which goes to the audit log first (mask.c, records.c).
 * openapi.json describes it and is served; a unit test holds it against the table. */
#ifndef LM_HUB_API_H
#define LM_HUB_API_H

#include "common/api.h"
#include "common/catalog_answer.h"
#include "hub/audit.h"
#include "hub/server.h"

#define LM_TOWN_COOKIE "lm_hub"
#define LM_TOWN_IDLE_MS (15 * 60 * 1000)
#define LM_TOWN_END_MS (12 * 60 * 60 * 1000)
#define LM_TOWN_ROWS_MAX 500
#define LM_TOWN_ROWS_DEFAULT 100
#define LM_TOWN_BULK_MAX 500 /* records that one request approves */

/* What this program's struct lm_api is. */
struct lm_api {
    struct lm_server *server;
    struct lm_store *store; /* read-only, this thread's */
    unsigned generation;    /* of the database that is open: a restore changes it */
    struct lm_audit *audit;
    struct lm_sessions sessions;
    struct lm_api_door door;
    struct lm_catalog_answer catalog;
    struct lm_town_uploads *uploads; /* bundles.c; NULL until the first */
};
extern const struct lm_api_route lm_town_routes[];
extern const size_t lm_town_n_routes;

enum lm_status lm_town_open(struct lm_server *server, struct lm_api **out,
                            struct lm_error *err) LM_MUST_USE;
void lm_town_close(struct lm_api **api);

/* ---- for handlers ---- */

/* Writes to the audit log in the name of who asks. */
enum lm_status lm_town_log(struct lm_api_call *call, const char *what, const char *object,
                           const char *reason, const char *detail) LM_MUST_USE;

/* mask.c. How much of a record somebody sees. */
enum lm_town_sight { LM_SIGHT_LEADER, LM_SIGHT_STAFF, LM_SIGHT_FULL };
enum lm_town_sight lm_town_sight(const struct lm_api_call *call);
/* The record's JSON with "rev", "label" and, where something was covered, "masked": true. New
 * reference, NULL: no memory. */
json_t *lm_town_record(const struct lm_record *rec, enum lm_town_sight sight);
/* Its name in one line, as far as it may be seen. */
void lm_town_label(const struct lm_record *rec, enum lm_town_sight sight, char *out, size_t n);
/* Covers what stands in a map of field values, e.g. a conflict's siblings; type NULL: all of it. */
void lm_town_mask_fields(const struct lm_type *type, json_t *fields, enum lm_town_sight sight);

/* records.c. What the records are called that a row refers to, by id: {"id":"label"} in into. */
struct lm_town_labels {
    struct lm_api *api;
    struct lm_arena arena;
    enum lm_town_sight sight;
    json_t *into;
};
void lm_town_add_labels(struct lm_town_labels *labels, const struct lm_record *rec);

/* entry.c. After any act about it: when id is a lock of a period, its records are locked or opened
 * with it, a batch a job, so that villages' pushes are not kept waiting. Done again it goes on
 * where it was interrupted. */
enum lm_status lm_town_lock_follows(struct lm_api_call *call, const char *id) LM_MUST_USE;

enum lm_status lm_town_months(struct lm_api_call *call);
/* bundles.c */
struct lm_town_uploads;
void lm_town_uploads_free(struct lm_town_uploads **uploads);
enum lm_status lm_town_bundle_part(struct lm_api_call *call);
enum lm_status lm_town_bundle_take(struct lm_api_call *call);
enum lm_status lm_town_bundle_reply(struct lm_api_call *call);

enum lm_status lm_town_login(struct lm_api_call *call);
enum lm_status lm_town_session(struct lm_api_call *call);
enum lm_status lm_town_logout(struct lm_api_call *call);
enum lm_status lm_town_lock(struct lm_api_call *call);
enum lm_status lm_town_unlock(struct lm_api_call *call);
enum lm_status lm_town_password(struct lm_api_call *call);
enum lm_status lm_town_users(struct lm_api_call *call);
enum lm_status lm_town_user_add(struct lm_api_call *call);
enum lm_status lm_town_user_edit(struct lm_api_call *call);
/* accounts.c: those of the stations */
enum lm_status lm_town_accounts(struct lm_api_call *call);
enum lm_status lm_town_account_add(struct lm_api_call *call);
enum lm_status lm_town_account_edit(struct lm_api_call *call);
enum lm_status lm_town_account_password(struct lm_api_call *call);
enum lm_status lm_town_account_succeed(struct lm_api_call *call);
enum lm_status lm_town_audit(struct lm_api_call *call);

enum lm_status lm_town_audit_export(struct lm_api_call *call);
enum lm_status lm_town_quality(struct lm_api_call *call);
enum lm_status lm_town_quality_rows(struct lm_api_call *call);
enum lm_status lm_town_table_xlsx(struct lm_api_call *call);
enum lm_status lm_town_decide(struct lm_api_call *call);

enum lm_status lm_town_counts(struct lm_api_call *call);
enum lm_status lm_town_count_rows(struct lm_api_call *call);
enum lm_status lm_town_table(struct lm_api_call *call);
enum lm_status lm_town_note(struct lm_api_call *call);
/* national.c */
enum lm_status lm_town_national(struct lm_api_call *call);
enum lm_status lm_town_national_file(struct lm_api_call *call);
enum lm_status lm_town_summary(struct lm_api_call *call);
enum lm_status lm_town_snapshots(struct lm_api_call *call);
enum lm_status lm_town_snapshot(struct lm_api_call *call);
enum lm_status lm_town_snapshot_make(struct lm_api_call *call);
enum lm_status lm_town_snapshot_edit(struct lm_api_call *call);
enum lm_status lm_town_snapshot_sign(struct lm_api_call *call);
enum lm_status lm_town_targets(struct lm_api_call *call);
enum lm_status lm_town_search(struct lm_api_call *call);
enum lm_status lm_town_status(struct lm_api_call *call);
enum lm_status lm_town_stations(struct lm_api_call *call);
enum lm_status lm_town_station_add(struct lm_api_call *call);
enum lm_status lm_town_station_kit(struct lm_api_call *call);
enum lm_status lm_town_station_revoke(struct lm_api_call *call);
enum lm_status lm_town_merger(struct lm_api_call *call);
enum lm_status lm_town_merger_make(struct lm_api_call *call);
enum lm_status lm_town_catalog(struct lm_api_call *call);
enum lm_status lm_town_openapi(struct lm_api_call *call);

enum lm_status lm_town_list(struct lm_api_call *call);
enum lm_status lm_town_get(struct lm_api_call *call);
enum lm_status lm_town_create(struct lm_api_call *call);
enum lm_status lm_town_edit(struct lm_api_call *call);
enum lm_status lm_town_history(struct lm_api_call *call);
enum lm_status lm_town_reveal(struct lm_api_call *call);

enum lm_status lm_town_review(struct lm_api_call *call);
enum lm_status lm_town_approve(struct lm_api_call *call);
enum lm_status lm_town_send_back(struct lm_api_call *call);
enum lm_status lm_town_resolve(struct lm_api_call *call);
enum lm_status lm_town_release(struct lm_api_call *call);
enum lm_status lm_town_refuse(struct lm_api_call *call);
enum lm_status lm_town_merge(struct lm_api_call *call);
enum lm_status lm_town_unmerge(struct lm_api_call *call);
enum lm_status lm_town_dismiss(struct lm_api_call *call);

#endif
