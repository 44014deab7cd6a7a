/* See period.h. */
#include "proto/period.h"

#include "common/base/util.h"

#include <stdio.h>
#include <string.h>

bool lm_period_takes(const struct lm_type *type)
{
    return type->reporting_date >= 0 &&
           lm_type_transition(type, "verified", "locked", LM_BY_SYSTEM) != NULL;
}

bool lm_period_day(const struct lm_record *rec, char out[16])
{
    const char *text = lm_record_text(rec, rec->type->reporting_date);
    int64_t ms;

    if (strlen(text) > 10 && lm_time_parse(text, strlen(text), &ms)) {
        lm_date_format(lm_day_utc8(ms), out);
    } else {
        (void)snprintf(out, 16, "%.10s", text);
    }
    return out[0] != '\0';
}

bool lm_period_speaks(const struct lm_record *rec)
{
    static const char *const silent[] = {"draft",  "returned",  "cancelled",
                                         "merged", "withdrawn", "rejected"};
    const char *state = lm_record_text(rec, LM_C_STATE);

    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) {
        if (strcmp(state, silent[i]) == 0) {
            return false;
        }
    }
    return !lm_record_deleted(rec) && !lm_record_text(rec, LM_C_CORRECTION_OF)[0];
}
