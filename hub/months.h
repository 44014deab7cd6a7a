/* Which village has reported which month (月报): for one record type, month by month, whether a
 * village entered records, a nil report (零报告), or neither (store/months.c). */
#ifndef LM_HUB_MONTHS_H
#define LM_HUB_MONTHS_H

#include "hub/store.h"

/* The document of GET months: {"type","year","due_days","months":["2026-01",…],"villages":[{"code",
 * "name","months":[{"status","rows","nil"}…]}]} (new reference in *out). A month is due
 * due_days (setting report_days, else 5) after its end. status: "reported" or "nil", by that day
 * (what was entered of a month before the town used the program is reported: nobody was late);
 * "late" or "nil_late", after it (by created_at and reported_on, as the villages' clocks had it);
 * "missing", due and neither; "open", not due yet; "none": nobody asks, because the town did not
 * use the program yet or the station was closed. Months to come are left out.
 * LM_ERR_INVALID "no_months": villages do not report records of this type, or they have no date. */
enum lm_status lm_store_months(struct lm_store *store, const char *type, int year, int64_t now_ms,
                               json_t **out, struct lm_error *err) LM_MUST_USE;

#endif
