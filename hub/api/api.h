/* The JSON API of the town's page, /api/v1. It runs on the HTTP server's thread with a read-only
 * store of its own; what changes something goes to the writer (lm_server_do) and through the same
 * functions as the command line's.
 *
 * Who may do what: routes.c. Leaders see figures, and rows with names and numbers masked; nobody
 * sees what the catalogue calls sensitivity 2 (ID and bank numbers, illness, hardship) without
 * asking for one record, with a reason, which goes to the audit log first (mask.c, records.c). ID
 * numbers in what people typed are covered in every answer (numbers.c).
 * openapi.json describes it and is served; a unit test holds it against the table. */
#ifndef LM_HUB_API_H
#define LM_HUB_API_H

#include "common/api.h"
#include "common/catalog_answer.h"
#include "hub/audit.h"
#include "hub/server.h"

#define LM_TOWN_COOKIE "lm_hub"
#define LM_TOWN_IDLE_MS (15 * 60 * 1000) /* until idle_minutes is read */
#define LM_TOWN_END_MS (12 * 60 * 60 * 1000)
#define LM_TOWN_ROWS_MAX 500
#define LM_TOWN_ROWS_DEFAULT 100
#define LM_TOWN_BULK_MAX 500 /* records that one request approves */
#define LM_TOWN_BACKUPS_MAX                                                                        \
    100 /* files of backups in the folder above which the page makes no more */

/* What this program's struct lm_api is. */
struct lm_api {
    struct lm_server *server;
    struct lm_store *store; /* read-only, this thread's */
    unsigned generation;    /* of the database that is open: a restore changes it */
    struct lm_audit *audit;
    struct lm_sessions sessions;
    struct lm_tries tries;
    struct lm_api_door door;
    struct lm_catalog_answer catalog;
    struct lm_town_uploads *uploads; /* bundles.c; NULL until the first */
    struct lm_town_backup *backup;   /* backups.c; NULL until the first */
};
extern const struct lm_api_route lm_town_routes[];
extern const size_t lm_town_n_routes;

enum lm_status lm_town_open(struct lm_server *server, struct lm_api **out,
                            struct lm_error *err) LM_MUST_USE;
void lm_town_close(struct lm_api **api);

/* metrics.c. What /metrics says of the data, in Prometheus text. */
void lm_town_metrics(struct lm_api *api, struct lm_buf *out);

/* ---- for handlers ---- */

/* Writes to the audit log in the name of who asks. */
enum lm_status lm_town_log(struct lm_api_call *call, const char *what, const char *object,
                           const char *reason, const char *detail) LM_MUST_USE;

/* mask.c. How much of a record somebody sees. */
enum lm_town_sight { LM_SIGHT_LEADER, LM_SIGHT_STAFF, LM_SIGHT_FULL };
enum lm_town_sight lm_town_sight(const struct lm_api_call *call);
/* The record's JSON with "rev", "label" and, where something was covered, "masked": true. New
 * reference, NULL: no memory. */
json_t *lm_town_record(struct lm_store *store, const struct lm_record *rec,
                       enum lm_town_sight sight);
/* Its name in one line, as far as it may be seen. */
void lm_town_label(struct lm_store *store, const struct lm_record *rec, enum lm_town_sight sight,
                   char *out, size_t n);
/* Covers what stands in a map of field values, e.g. a conflict's siblings; type NULL: all of it. */
void lm_town_mask_fields(const struct lm_type *type, json_t *fields, enum lm_town_sight sight);

/* numbers.c. Covers the ID numbers that stand in a text, whoever typed them there, and with phones
 * the mobile numbers: in place, never longer. True: something was covered. */
bool lm_town_cover_numbers(char *text, bool phones);
bool lm_town_cover_string(json_t *value, bool phones);
/* In all strings of a document, but for ids and names of accounts. */
void lm_town_cover_json(json_t *document, bool phones);
/* LM_ERR_INVALID "covered": text has a covered number where `now`, which it is to replace, has one
 * in full. Both nullable. */
enum lm_status lm_town_not_covered(const char *field, const char *text, const char *now,
                                   struct lm_error *err) LM_MUST_USE;
/* The door's: what an answer or an error says to who asks. Phones are covered from those from whom
 * the catalogue's level 1 is. */
void lm_town_cover(struct lm_api_call *call);

/* records.c. What the records are called that a row refers to, by id: {"id":"label"} in into. */
struct lm_town_labels {
    struct lm_api *api;
    struct lm_arena arena;
    enum lm_town_sight sight;
    json_t *into;
};
void lm_town_add_labels(struct lm_town_labels *labels, const struct lm_record *rec);

/* requests.c. Of a change request: adds "request" to its row, with what the record it is about is
 * called and the values under the cover of the field that they are for, and a "label" in words. */
void lm_town_request(struct lm_api *api, const struct lm_record *rec, enum lm_town_sight sight,
                     json_t *row);

/* mask.c. What the page calls "rev": it changes with every change of the record. */
#define LM_REV_TEXT 16
void lm_town_rev(const struct lm_record *rec, char out[LM_REV_TEXT + 1]);

/* mask.c. LM_ERR_EXISTS "changed_meanwhile" when the record is no longer as who acts on it saw it,
 * LM_ERR_NOT_FOUND when there is none. Called by the job that acts, in its transaction: whoever
 * approves 500 does not approve the 5,000 that it became. rev: nullable: nothing was seen. */
enum lm_status lm_town_unchanged(struct lm_store *store, const char *id, const char *rev,
                                 struct lm_error *err) LM_MUST_USE;

/* entry.c. One save, on the writer's thread: the catalogue's rules, and the town's (locked periods,
 * the second person). was: values that its author saw, or NULL. */
enum lm_status lm_town_act(struct lm_store *store, const struct lm_act *act, const json_t *was,
                           struct lm_act_result *done, struct lm_error *err) LM_MUST_USE;

/* lines.c */
enum lm_status lm_town_lines(struct lm_api_call *call);
enum lm_status lm_town_months(struct lm_api_call *call);
/* settings.c */
enum lm_status lm_town_settings(struct lm_api_call *call);
enum lm_status lm_town_setting_put(struct lm_api_call *call);
/* filters.c */
enum lm_status lm_town_filters(struct lm_api_call *call);
enum lm_status lm_town_filters_put(struct lm_api_call *call);
/* bundles.c */
struct lm_town_uploads;
void lm_town_uploads_free(struct lm_town_uploads **uploads);
enum lm_status lm_town_bundle_part(struct lm_api_call *call);
enum lm_status lm_town_bundle_take(struct lm_api_call *call);
enum lm_status lm_town_bundle_reply(struct lm_api_call *call);

/* backups.c. Waits for one that is being made; the control socket must be closed before, for nobody
 * answers it any more. */
struct lm_town_backup;
void lm_town_backup_free(struct lm_town_backup **backup);
enum lm_status lm_town_backups(struct lm_api_call *call);
enum lm_status lm_town_backup_make(struct lm_api_call *call);

/* session.c. Into the audit log, in one row, what tries of passwords were refused in the last
 * minute (at_once: so far). What cannot be written is in the next one. */
void lm_town_tell_refused(struct lm_api *api, bool at_once);
enum lm_status lm_town_login(struct lm_api_call *call);
enum lm_status lm_town_session(struct lm_api_call *call);
enum lm_status lm_town_logout(struct lm_api_call *call);
enum lm_status lm_town_lock(struct lm_api_call *call);
enum lm_status lm_town_unlock(struct lm_api_call *call);
enum lm_status lm_town_password(struct lm_api_call *call);
enum lm_status lm_town_users(struct lm_api_call *call);
/* staff.c */
enum lm_status lm_town_staff(struct lm_api_call *call);
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
/* tokens.c */
enum lm_status lm_town_tokens(struct lm_api_call *call);
enum lm_status lm_town_token_add(struct lm_api_call *call);
enum lm_status lm_town_token_revoke(struct lm_api_call *call);
/* national.c */
enum lm_status lm_town_national(struct lm_api_call *call);
enum lm_status lm_town_national_file(struct lm_api_call *call);
/* figures.c. "html" or "docx" when the query asks for a paper of that kind, else NULL. */
const char *lm_town_paper(struct lm_api_call *call);
/* Answers with doc (of lm_summary, or of version id) as that paper, covered as who asks may see it;
 * name: what the file's name ends in. doc stays the caller's. */
enum lm_status lm_town_put_paper(struct lm_api_call *call, const char *format, const char *id,
                                 const char *name, json_t *doc);
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
enum lm_status lm_town_station_settle(struct lm_api_call *call);
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
enum lm_status lm_town_step(struct lm_api_call *call);
enum lm_status lm_town_send_back(struct lm_api_call *call);
enum lm_status lm_town_resolve(struct lm_api_call *call);
enum lm_status lm_town_release(struct lm_api_call *call);
enum lm_status lm_town_refuse(struct lm_api_call *call);
enum lm_status lm_town_refuse_many(struct lm_api_call *call);
enum lm_status lm_town_merge(struct lm_api_call *call);
enum lm_status lm_town_unmerge(struct lm_api_call *call);
enum lm_status lm_town_dismiss(struct lm_api_call *call);

#endif
