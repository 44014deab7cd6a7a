/* Versions of the annual summary (工作总结), kept as report_snapshot records: the figures as they
 * were, the text that a person wrote around them ("{I12}" stands for a figure), and who signed.
 *
 * Invariant: once signed ("locked") nothing of it changes, whoever asks: hub/store/act.c refuses.
 * A later summary of the same year is another version. All of these run inside the caller's
 * transaction, on the writer's thread, but for lm_snapshot_list and lm_snapshot_doc. */
#ifndef LM_HUB_SNAPSHOT_H
#define LM_HUB_SNAPSHOT_H

#include "hub/store.h"

/* A draft with the figures of now; the text is that of the newest version of the same period, or
 * the template's. year 0: since the beginning. LM_ERR_INVALID "bad_year". */
enum lm_status lm_snapshot_make(struct lm_store *store, const char *user, int year, int64_t now_ms,
                                char id_out[40], struct lm_error *err) LM_MUST_USE;
/* text nullable: as it is. figures: taken anew. Of a draft only: LM_ERR_DENIED "signed".
 * seen: the "rev" that user saw, or NULL: LM_ERR_EXISTS "changed_meanwhile", which says who saved
 * since, and nothing is changed.
 * LM_ERR_INVALID "unknown_token": braces with something else than a figure's id in them. */
enum lm_status lm_snapshot_edit(struct lm_store *store, const char *user, const char *id,
                                const char *seen, const char *text, bool figures, int64_t now_ms,
                                struct lm_error *err) LM_MUST_USE;
/* LM_ERR_DENIED "second_person" when user made or edited it. seen: the "rev" that user read:
 * LM_ERR_EXISTS "changed_meanwhile" when it says something else by now. */
enum lm_status lm_snapshot_sign(struct lm_store *store, const char *user, const char *id,
                                const char *seen, int64_t now_ms, struct lm_error *err) LM_MUST_USE;
/* {"rows":[{"id","year","version","state","as_of","signed_by"}]}, the newest first. New reference.
 */
enum lm_status lm_snapshot_list(struct lm_store *store, json_t **out,
                                struct lm_error *err) LM_MUST_USE;
/* As lm_summary's document, with "id", "rev" (another one after each change), "version", "state",
 * "text", "signed_by" and "figures":
 * {"I12":{…}} of all indicators; villages has no rows, for a version keeps the town's figures only.
 * LM_ERR_NOT_FOUND. New reference. */
enum lm_status lm_snapshot_doc(struct lm_store *store, const char *id, json_t **out,
                               struct lm_error *err) LM_MUST_USE;

#endif
