/* What a locked reporting period (period_lock in state "verified") is about, alike at the hub,
 * where it holds, and at a node, which warns of it. */
#ifndef LM_PROTO_PERIOD_H
#define LM_PROTO_PERIOD_H

#include "proto/record.h"

/* Whether the type's records are locked with their period. */
bool lm_period_takes(const struct lm_type *type);
/* The day by which the record belongs to a period, in the town's time; of a type that
 * lm_period_takes. False: it has none. */
bool lm_period_day(const struct lm_record *rec, char out[16]);
/* Whether the record says something in its period: one that is taken back, not yet given, or
 * deleted does not, and a correction speaks of what it corrects. */
bool lm_period_speaks(const struct lm_record *rec);

#endif
