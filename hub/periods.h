/* Locked reporting periods (报告期锁定): what was verified and is dated inside one is locked with
 * it, and opened again with it. A lock is a period_lock record in state "verified". */
#ifndef LM_HUB_PERIODS_H
#define LM_HUB_PERIODS_H

#include "hub/store.h"

#define LM_PERIOD_BATCH 200

/* Brings up to LM_PERIOD_BATCH records to what the lock with this id asks for, inside the caller's
 * transaction; *n_out of them: less than the batch = done. Again is no error. A record that another
 * lock holds stays locked. */
enum lm_status lm_period_apply(struct lm_store *store, const char *user, const char *id,
                               int64_t now_ms, size_t *n_out, struct lm_error *err) LM_MUST_USE;

#endif
