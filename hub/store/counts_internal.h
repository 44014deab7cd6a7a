/* Counting: what hub/counts.c (periods, coverage, the document) and hub/store/counts_query.c (the SQL of one indicator) share. */
#ifndef LM_HUB_COUNTS_INTERNAL_H
#define LM_HUB_COUNTS_INTERNAL_H

#include "hub/counts.h"

#include <stdint.h>

#define LM_COUNT_GROUPS_MAX 20000

/* num/den. Plain counts have den 1; ratios and means keep both so that rounding can be exact. */
struct lm_figure {
    int64_t num, den;
};
struct lm_count_group {
    char key[80];
    char label[256];
    struct lm_figure value;
};
struct lm_count_groups {
    struct lm_count_group *items; /* owned; sorted by key */
    size_t n, size;
};
void lm_count_groups_free(struct lm_count_groups *groups);
/* The group of that key, made with value 0/1 when missing; NULL: out of memory or too many. */
struct lm_count_group *lm_count_group(struct lm_count_groups *groups, const char *key);

enum lm_count_by { LM_BY_NOTHING, LM_BY_VILLAGE_CODE, LM_BY_OFFICE, LM_BY_MONTH, LM_BY_CATEGORY };

struct lm_count_scope {
    enum lm_count_by by;
    const struct lm_dimension *category; /* with LM_BY_CATEGORY */
    const char *from, *to;               /* from may be NULL; to never */
    const char *station;                 /* NULL = all */
    const char *town;
    char today[16];
    int year;                            /* of to */
};

struct lm_counted {
    bool reported;             /* a row, opening or nil report of that type was ever entered */
    struct lm_figure value;    /* without the opening */
    int64_t opening;
    struct lm_count_groups groups;
};
/* Counts one indicator that has a record type. LM_ERR_NOT_FOUND never. */
enum lm_status lm_count_query_run(struct lm_store *store, const struct lm_indicator *indicator,
                                  const struct lm_count_scope *scope, struct lm_counted *out,
                                  struct lm_error *err) LM_MUST_USE;
/* Value of a setting record, or fallback when there is none or it is no number ≥ 1. */
int64_t lm_count_setting(struct lm_store *store, const char *key, int64_t fallback);
/* Name of an area, code itself when unknown; and the key of the office above a village (the town's code for others). */
void lm_count_area_label(struct lm_store *store, const char *code, char *out, size_t n);
void lm_count_office_of(struct lm_store *store, const char *code, const char *town, char out[16]);

#endif
