/* The filter grammar of the catalogue: parse, check against a type, evaluate on a record, write as
 * SQL. Pure.
 *
 *   filter  = clause *( " & " clause )
 *   clause  = path op operand | path "in" "(" word *( "|" word ) ")" | path "is" ("set"|"null")
 *           | path "has" TYPE "(" [filter] ")"          children of that type whose reference to
 * this record holds | "open_at(" from "," to ")"                from <= @as_of (or null) and to
 * null or >= @as_of | "latest(" key ";" order ")"               this row has the highest order
 * among rows of the same key | "same_holder(" post ")"                   staff_post: same person
 * holds that post too, same village, open | "done_by(" due ";" date *("," date) ")"   one of the
 * dates is set and the earliest set one is <= due path    = field | field "->" field through a
 * reference | "area.level"                              level of village_code ("village", "town",
 * …) op      = "=" "!=" "<" "<=" ">" ">=" "~"            ~ = contains, after removing quotation
 * marks of both operand = term [ ("+"|"-") term ]                   numbers, or a date and days
 * (30, 30d), months (6m), years (16y) term    = path | @as_of | @year | @today | literal (number,
 * true, false, code, date, text, "text in quotes")
 *
 * Comparing with null is false, except "!=": null != x is true. A reference to a deleted record
 * reads as null; one to a record that was merged reads as the record that it was merged into.
 * Children of has, and rows that latest and same_holder compare with, leave out what a filter
 * without "state" leaves out (a has that names state: only what is deleted or invalid). Look-ups
 * may be called again from within each's visit. */
#ifndef LM_PROTO_EXPR_H
#define LM_PROTO_EXPR_H

#include "common/base/buf.h"
#include "proto/catalog.h"
#include "proto/record.h"

struct lm_expr;

/* Parses and checks: every field, type, code and function must resolve against the types and lists
 * given (types need their fields, not yet their expressions). Allocates in arena. LM_ERR_INVALID
 * with err.zh/en naming the clause and what is wrong in it. */
enum lm_status lm_expr_parse(struct lm_arena *arena, const struct lm_catalog *catalog,
                             const struct lm_type *type, const char *text,
                             const struct lm_expr **out, struct lm_error *err) LM_MUST_USE;
/* True if some clause tests field by name at the top level (used for "state"). */
bool lm_expr_names(const struct lm_expr *expr, const char *field);
/* True if some clause reads field of the record itself (not of another one), on either side. */
bool lm_expr_reads(const struct lm_expr *expr, const struct lm_field *field);
/* True if every field of the record that the top level compares (but not what "is set|null" asks
 * about) has a value: a draft is not judged by rules about what it does not hold yet. */
bool lm_expr_complete(const struct lm_expr *expr, const struct lm_record *rec);

/* How an evaluation reaches other records. All callbacks may be NULL: the clause is then false. */
struct lm_lookup {
    void *ctx;
    /* The record, into arena; LM_ERR_NOT_FOUND when it is not there. Deleted records are found. */
    enum lm_status (*get)(void *ctx, struct lm_arena *arena, const char *type, const char *id,
                          struct lm_record **out);
    /* Calls visit for each record of type, not deleted, whose field equals value, until visit
     * returns false. */
    enum lm_status (*each)(void *ctx, struct lm_arena *arena, const char *type, const char *field,
                           const char *value, bool (*visit)(void *arg, const struct lm_record *rec),
                           void *arg);
    /* Level of a division code: "village", "town", "office", "county", or NULL when unknown. */
    const char *(*area_level)(void *ctx, const char *code);
};
struct lm_expr_env {
    const struct lm_catalog *catalog;
    const struct lm_lookup *lookup; /* nullable */
    char as_of[16];                 /* date, UTC+8 */
    char today[16];
    int year;
};
/* Evaluates on a record; uses arena for records it looks up. An I/O failure in a look-up → that
 * status. */
enum lm_status lm_expr_eval(const struct lm_expr *expr, const struct lm_record *rec,
                            const struct lm_expr_env *env, struct lm_arena *arena,
                            bool *out) LM_MUST_USE;

/* SQL text of a condition on a row aliased `alias` of the typed tables (SQLite dialect, tables
 * "r_<type>", columns named as the fields). Literals are written quoted and escaped;
 * @as_of, @year and @today become the named parameters :as_of, :year and :today.
 * Text lists are stored as JSON text. area_level: SQL text for the level of this row's place, where
 * the caller has joined it; NULL = it is looked up in "r_area_unit" for each row. */
enum lm_status lm_expr_sql(const struct lm_expr *expr, const struct lm_catalog *catalog,
                           const struct lm_type *type, const char *alias, const char *area_level,
                           struct lm_buf *out) LM_MUST_USE;

#endif
