/* Consolidated counts with their coverage: what `count --json` and GET /api/v1/counts answer. What
 * a figure is, the catalogue's indicators say (proto/catalog/indicators.json); the queries are in
 * hub/store/counts_*.c.
 *
 * In an indicator's object: "reported" false = nothing was ever entered of it (value null, display
 * "(未填报)"). A share or a median of nothing is reported, with value null and display "—". Shares
 * have their value in percent, unrounded, and numerator and denominator beside it; money has its
 * value in fen. */
#ifndef LM_HUB_COUNTS_H
#define LM_HUB_COUNTS_H

#include "hub/store.h"

struct lm_count_query {
    const char **indicators;
    size_t n_indicators;   /* none = all */
    const char *by;        /* "village", "office", "month", "category" or NULL */
    const char *from, *to; /* dates or NULL */
    const char *station;   /* 12 digits or NULL */
    int64_t now_ms;
};
/* The document of the contract (new reference in *out). LM_ERR_INVALID: unknown indicator, bad
 * date, from after to, a named indicator that cannot be grouped as asked, unknown station. */
enum lm_status lm_counts(struct lm_store *store, const struct lm_count_query *query, json_t **out,
                         struct lm_error *err) LM_MUST_USE;
/* What stands behind one figure: {"total","type","records":[…]}, the newest first, limit of them
 * from offset on; query names one indicator, and key one of its groups or NULL. A share's are its
 * numerator's. row makes a record's JSON (new reference). LM_ERR_INVALID "no_rows": a figure that
 * counts no records. */
enum lm_status lm_count_rows(struct lm_store *store, const struct lm_count_query *query,
                             const char *key, size_t offset, size_t limit,
                             json_t *(*row)(void *arg, const struct lm_record *rec), void *arg,
                             json_t **out, struct lm_error *err) LM_MUST_USE;
/* The coverage object alone (also for status and metrics). to NULL: without a period. */
enum lm_status lm_coverage(struct lm_store *store, const char *to, int64_t now_ms, json_t **out,
                           struct lm_error *err) LM_MUST_USE;
/* The same, and code → true when that village is complete within the last 7 days (before to, when
 * to is past). New references. */
enum lm_status lm_coverage_villages(struct lm_store *store, const char *to, int64_t now_ms,
                                    json_t **out, json_t **villages_out,
                                    struct lm_error *err) LM_MUST_USE;
/* An instant of the coverage as the town's clock has it (UTC+8), for paper and spreadsheets:
 * "2026-11-16 09:12". Empty when through is NULL or no instant. */
void lm_coverage_time(const char *through, char out[40]);
/* "120余", "28%", "1万余", "10860.00". num/den: a count in the indicator's own unit (fen for the
 * roundings in yuan) with den 1, or a ratio; den 0 gives "—". */
void lm_count_display(enum lm_rounding rounding, int64_t num, int64_t den, char out[48]);
/* Both for the page in English: "2000余" as "2000+", a unit as a word after the number. */
void lm_count_display_en(const char *display, char out[48]);
const char *lm_count_unit_en(const char *unit);

#endif
