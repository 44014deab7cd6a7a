/* What is not right in the records, for a clerk to mend (store/quality.c). Checks: "missing" (a
 * required field is empty), "dangling" (it names a record that is not there), both with a field of
 * any type; and the town's own: "near_duplicate", "age_100", "no_plaque" (households: of each one
 * person), "card_late", "card_expired", "in_merged". */
#ifndef LM_HUB_QUALITY_H
#define LM_HUB_QUALITY_H

#include "hub/store.h"

/* {"check","type","field","n"} of each check that finds something; field "" for the town's own.
 * Reads every table once, and again only what changed since, on a connection that keeps figures
 * (lm_store_keep_figures). */
enum lm_status lm_store_quality(struct lm_store *store, int64_t now_ms, lm_row_visit visit,
                                void *arg, struct lm_error *err) LM_MUST_USE;
/* What one of them finds, limit records from offset on; *total_out: how many there are.
 * LM_ERR_NOT_FOUND "unknown_check". Records live in arena. */
enum lm_status lm_store_quality_rows(struct lm_store *store, struct lm_arena *arena,
                                     const char *check, const char *type, const char *field,
                                     int64_t now_ms, size_t offset, size_t limit,
                                     bool (*visit)(void *arg, const struct lm_record *rec),
                                     void *arg, size_t *total_out,
                                     struct lm_error *err) LM_MUST_USE;

#endif
