/* Calendar arithmetic on days since 1970-01-01 (proleptic Gregorian) and on YYYY-MM-DD text. Pure.
 */
#ifndef LM_PROTO_CALDATE_H
#define LM_PROTO_CALDATE_H

#include "proto/value.h"

#include <stdbool.h>
#include <stdint.h>

/* The same day of the month `months` later (or earlier); the month's last day where it has no such
 * day. */
int64_t lm_day_add_months(int64_t day, int64_t months);
/* The day of a canonical date, or of a canonical date-time in UTC+8. False for null and anything
 * else. */
bool lm_value_day(const struct lm_value *v, int64_t *day_out);

#endif
