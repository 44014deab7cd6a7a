/* A nil report says that a village had nothing of a kind in a month. */
#ifndef LM_COMMON_NIL_REPORT_H
#define LM_COMMON_NIL_REPORT_H

#include "common/tables.h"
#include "proto/validate.h"

/* Warns ("has_records", at "record") where the village has some: what one knows of stays a matter
 * of who reports. Says nothing of other types, nor of a report that is incomplete. */
enum lm_status lm_nil_check(struct lm_tables *tables, const struct lm_catalog *catalog,
                            const struct lm_record *rec, const char *village,
                            struct lm_issues *issues) LM_MUST_USE;

#endif
