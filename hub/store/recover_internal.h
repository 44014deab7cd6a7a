/* What recover.c, recover_accept.c and recover_list.c share. */
#ifndef LM_HUB_STORE_RECOVER_INTERNAL_H
#define LM_HUB_STORE_RECOVER_INTERNAL_H

#include "hub/store/store_internal.h"

#define LM_RECOVER_ARENA_BYTES (32 * 1024 * 1024) /* one record or change, decoded */

/* Whether the journal has this version; entry (nullable): its pos and by. */
enum lm_status lm_recovered_known(struct lm_store *store, const char *record,
                                  struct lm_version version, struct lm_jentry *entry,
                                  bool *out) LM_MUST_USE;

/* Whether the record is another station's here, as things stand: what was accepted before may have
 * moved it to the one that gave this back. */
enum lm_status lm_recovered_is_others(struct lm_store *store, const char *type_name, const char *id,
                                      const char *station, struct lm_arena *arena,
                                      bool *out) LM_MUST_USE;
/* Whether it gives records to another village: a merger, or a change of residence in force. Such a
 * one is made up as easily as any, and takes what is not its giver's: by itself nobody accepts it
 * but a person who looked. (Both villages have a transfer, and all have the areas.) */
bool lm_recovered_gives_records(const char *type, const struct lm_change *change);

#endif
