/* Counting: what hub/counts.c (periods, ratios, the document), hub/store/counts_sql.c (the SQL of
 * one indicator) and hub/store/counts_query.c (running it) share. */
#ifndef LM_HUB_COUNTS_INTERNAL_H
#define LM_HUB_COUNTS_INTERNAL_H

#include "hub/counts.h"

#include <stdint.h>

#define LM_COUNT_GROUPS_MAX 20000
#define LM_COUNT_SQL_MAX (64 * 1024)
#define LM_COUNT_FILLED_MAX 32

struct sqlite3;
struct sqlite3_stmt;

/* num/den. Plain counts have den 1; ratios and means keep both so that rounding can be exact. */
struct lm_figure {
    int64_t num, den;
};
struct lm_count_group {
    char key[256]; /* a code, an id, or a text of at most 80 characters */
    char label[256];
    struct lm_figure value;
    bool unreported; /* 未填报: of a share, one side was never entered here */
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
    int year; /* of to */
};

struct lm_counted {
    bool reported;          /* a row, opening or nil report of that type was ever entered */
    struct lm_figure value; /* without the opening */
    int64_t opening;
    int64_t opening_unverified; /* the part of it that no second person verified yet */
    struct lm_count_groups groups;
};
/* Counts one indicator that has a record type, and by groups when the scope says so. */
enum lm_status lm_count_query_run(struct lm_store *store, const struct lm_indicator *indicator,
                                  const struct lm_count_scope *scope, struct lm_counted *out,
                                  struct lm_error *err) LM_MUST_USE;

/* Was anything ever entered that speaks of this indicator in one village, or anywhere under an
 * office (the scope's grouping says which area is)? As lm_counted.reported, of a place. */
enum lm_status lm_count_query_entered(struct lm_store *store, const struct lm_indicator *indicator,
                                      const struct lm_count_scope *scope, const char *area,
                                      bool *out, struct lm_error *err) LM_MUST_USE;

/* Calls visit with the id of each row that an indicator counts, those of one group when key is not
 * NULL, the newest first, limit of them from offset on. *total_out: how many there are. */
enum lm_status lm_count_query_rows(struct lm_store *store, const struct lm_indicator *indicator,
                                   const struct lm_count_scope *scope, const char *key,
                                   size_t offset, size_t limit,
                                   bool (*visit)(void *arg, const char *id), void *arg,
                                   size_t *total_out, struct lm_error *err) LM_MUST_USE;

/* The same of the opening balances that the figure holds, by area; none where it holds none. */
enum lm_status lm_count_query_openings(struct lm_store *store, const struct lm_indicator *indicator,
                                       const struct lm_count_scope *scope, size_t offset,
                                       size_t limit, bool (*visit)(void *arg, const char *id),
                                       void *arg, size_t *total_out,
                                       struct lm_error *err) LM_MUST_USE;

/* ---- the statement (counts_sql.c) ---- */

struct lm_count_sql {
    const struct lm_indicator *ind;
    const struct lm_count_scope *scope;
    const struct lm_type *child;             /* person_identity, for indicators of persons */
    bool merged;                             /* there are persons who were merged into others */
    bool apart;                              /* persons said to differ, and ind counts by key */
    bool covered;                            /* there are opening balances of this indicator */
    const char *filled[LM_COUNT_FILLED_MAX]; /* file completeness: the fields that the setting
                                                names; none = the catalogue's */
    size_t n_filled;
    bool rows;       /* instead of figures: the ids of the rows behind them, with :limit :offset */
    bool total;      /* with rows: how many there are */
    const char *key; /* with rows: of this group alone (:key), or NULL */
    bool floor;      /* with rows: dated on or after :floor only */
};
/* SELECT key, numerator, denominator … with the parameters :from :to :as_of :today :year :station
 * :town :indicator :groups. */
enum lm_status lm_count_sql_put(struct lm_store *store, const struct lm_count_sql *in,
                                struct lm_buf *sql) LM_MUST_USE;
/* Openings take part: the indicator allows them, and nobody asked for a beginning. */
bool lm_count_openings(const struct lm_indicator *ind, const struct lm_count_scope *scope);
/* The statement gives no rows but calls lm_tally (counts_tally.c), and the whole is the sum of its
 * groups. */
bool lm_count_adds_up(const struct lm_indicator *ind, const struct lm_count_scope *scope);
/* The newest rows are found from a floor upwards without reading the others. */
bool lm_count_has_floor(const struct lm_count_sql *in);
/* distinct(dup_key,id) */
bool lm_count_by_dup_key(const struct lm_indicator *ind);
const char *lm_count_place(const struct lm_type *type);
extern const char lm_count_no_category[];  /* key of what has no category */
extern const char lm_count_opening_live[]; /* condition on an opening balance o */

/* ---- the common tables (counts_with.c) ---- */

void lm_count_put_with(struct lm_buf *sql, const struct lm_count_sql *in);
/* alias.rowid is none of those left aside: a correction counts, and what it corrects no longer
 * does, once it is settled. */
void lm_count_put_stands(struct lm_buf *sql, const struct lm_type *type, const char *alias);
/* Rows are read place by place ("_place"), through the index. */
bool lm_count_by_place(const struct lm_count_sql *in);
bool lm_count_is_plan(const struct lm_indicator *ind);
/* The filter asks for the level of village_code ("_area"). */
bool lm_count_asks_level(const struct lm_indicator *ind);
bool lm_count_needs_areas(const struct lm_count_sql *in);
/* Openings of it hold rows that are left out ("_cover"). */
bool lm_count_is_covered(const struct lm_count_sql *in);
/* The day by which a stock's row is there, or NULL. */
const struct lm_field *lm_count_since(const struct lm_indicator *ind);

/* ---- groups that add up (counts_tally.c) ---- */

/* Makes lm_tally(groups, key, number) known to a connection: adds the number to the group of that
 * key; groups is a struct lm_count_groups *, bound with lm_count_tally_bind. And lm_distinct(x):
 * how many different x there are, NULL apart. */
enum lm_status lm_count_tally_register(struct sqlite3 *db) LM_MUST_USE;
void lm_count_tally_bind(struct sqlite3_stmt *stmt, struct lm_count_groups *groups);

/* ---- figures that are kept (kept_figures.c) ---- */

/* Fills *out with the figure as it was counted before, when nothing that it was counted from has
 * changed since; its groups are the caller's. */
bool lm_kept_figures_find(struct lm_store *store, const struct lm_indicator *ind,
                          const struct lm_count_scope *scope, struct lm_counted *out);
/* The same for what is no indicator's, under a key of less than 256 characters that says all that
 * it depends on beside the tables. */
bool lm_kept_find(struct lm_store *store, const char *key, struct lm_counted *out);
void lm_kept_keep(struct lm_store *store, const char *key, const struct lm_counted *counted);
/* Around the counting of one figure: which tables its statements read, and keeping it; counted NULL
 * when it failed. */
void lm_kept_figures_listen(struct lm_store *store);
void lm_kept_figures_keep(struct lm_store *store, const struct lm_indicator *ind,
                          const struct lm_count_scope *scope, const struct lm_counted *counted);

/* ---- coverage ---- */

/* The stations of which this database is known to lack something that nobody will send by itself
 * and a person has not decided on: what nodes gave back after it went back, of the town's own, of a
 * PC that it does not know or that is revoked (recover.c; what every village sees is the town's),
 * and what was salvaged of a revoked PC (salvage.c). Some may be visited twice. */
enum lm_status lm_recovered_missed(struct lm_store *store, void (*visit)(void *arg, const char *),
                                   void *arg, struct lm_error *err) LM_MUST_USE;
enum lm_status lm_salvaged_missed(struct lm_store *store, void (*visit)(void *arg, const char *),
                                  void *arg, struct lm_error *err) LM_MUST_USE;

/* ---- look-ups (counts_query.c) ---- */

/* Value of a setting record, or fallback when there is none or it is no number from 1 to
 * LM_COUNT_SETTING_MAX. */
#define LM_COUNT_SETTING_MAX 1000000
int64_t lm_count_setting(struct lm_store *store, const char *key, int64_t fallback);
/* Name of an area, code itself when unknown; and the key of the office above a village (the town's
 * code for others). */
void lm_count_area_label(struct lm_store *store, const char *code, char *out, size_t n);
void lm_count_office_of(struct lm_store *store, const char *code, const char *town, char out[16]);

#endif
