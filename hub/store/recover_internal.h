/* What recover.c and recover_accept.c share. */
#ifndef LM_HUB_STORE_RECOVER_INTERNAL_H
#define LM_HUB_STORE_RECOVER_INTERNAL_H

#include "hub/store/store_internal.h"

#define LM_RECOVER_ARENA_BYTES (32 * 1024 * 1024) /* one record or change, decoded */

/* Whether the journal has this version; entry (nullable): its pos and by. */
enum lm_status lm_recovered_known(struct lm_store *store, const char *record,
                                  struct lm_version version, struct lm_jentry *entry,
                                  bool *out) LM_MUST_USE;

#endif
