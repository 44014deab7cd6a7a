/* The compiled form of a filter, shared by expr_parse.c, expr_eval.c and expr_sql.c only. */
#ifndef LM_PROTO_EXPR_INTERNAL_H
#define LM_PROTO_EXPR_INTERNAL_H

#include "proto/expr.h"

#define EX_CLAUSES_MAX 32
#define EX_WORDS_MAX 64
#define EX_DEPTH_MAX 4
#define EX_ARGS_MAX 8
#define EX_MERGED_HOPS_MAX 8 /* records merged into one that was merged itself … */

/* What a value is compared as. */
enum ex_class { EX_TEXT, EX_CODE, EX_INT, EX_DECIMAL, EX_BOOL, EX_DATE, EX_DATETIME, EX_OTHER };

struct ex_path {
    const struct lm_type *type;     /* of the record it starts from */
    const struct lm_field *field;   /* NULL for area.level */
    const struct lm_type *ref_type; /* after "->", or NULL */
    const struct lm_field *ref_field;
    const struct lm_list *list; /* of a code, or NULL */
    enum ex_class cls;          /* of the value, or of a list's items */
    bool is_list;
};

enum ex_source { EX_LITERAL, EX_PATH, EX_AS_OF, EX_YEAR, EX_TODAY };
struct ex_primary {
    enum ex_source source;
    enum ex_class cls;
    struct lm_value literal; /* canonical: decimals in ten-thousandths */
    struct ex_path path;
};

enum ex_unit { EX_DAYS, EX_MONTHS, EX_YEARS };
struct ex_operand {
    struct ex_primary a;
    int sign; /* 0: only a; 1: a + b; -1: a - b */
    struct ex_primary b;
    enum ex_unit unit; /* of b where a is a date */
    enum ex_class cls;
};

enum ex_op { EX_EQ, EX_NE, EX_LT, EX_LE, EX_GT, EX_GE, EX_CONTAINS };
enum ex_kind {
    EX_COMPARE,
    EX_IN,
    EX_SET,
    EX_NULL,
    EX_HAS,
    EX_OPEN_AT,
    EX_LATEST,
    EX_SAME_HOLDER,
    EX_DONE_BY
};
struct ex_clause {
    enum ex_kind kind;
    struct ex_path path; /* COMPARE, IN, SET, NULL, HAS */
    enum ex_op op;
    struct ex_operand operand;
    struct lm_value *words; /* IN: literals; SAME_HOLDER: the post */
    size_t n_words;
    const struct lm_type *child; /* HAS */
    const struct lm_field *child_ref;
    const struct lm_expr *sub;
    const struct lm_field **args; /* OPEN_AT: from, to; LATEST: key, order; DONE_BY: due, dates… */
    size_t n_args;
};
struct lm_expr {
    const struct lm_type *type;
    struct ex_clause *clauses;
    size_t n_clauses;
};

/* ---- reading (expr_words.c) ---- */

struct ex_parser {
    struct lm_arena *arena;
    const struct lm_catalog *catalog;
    const char *at;
    const char *clause; /* start of the clause in hand, for messages */
    struct lm_error *err;
    int depth;
};

/* Says what is wrong with `word` in the clause in hand; always LM_ERR_INVALID. */
enum lm_status ex_bad(struct ex_parser *p, const char *zh, const char *en, const char *word,
                      size_t n);
enum lm_status ex_out_of_memory(struct ex_parser *p);
void ex_skip_space(struct ex_parser *p);
/* Steps over text, and white space before it, if it comes next. */
bool ex_take(struct ex_parser *p, const char *text);
/* The same for a word that no further letter may follow. */
bool ex_take_keyword(struct ex_parser *p, const char *text);
/* A bare or quoted word; n = 0 when there is none. */
const char *ex_take_word(struct ex_parser *p, size_t *n, bool *quoted);
size_t ex_ident_length(const char *text);
/* "field", "field->field" or "area.level". */
enum lm_status ex_take_path(struct ex_parser *p, const struct lm_type *type, struct ex_path *out);
enum lm_status ex_make_literal(struct ex_parser *p, enum ex_class cls, const struct lm_list *list,
                               const char *text, size_t n, struct lm_value *out);
/* The right side of a comparison; checks that it can be compared with left. */
enum lm_status ex_take_operand(struct ex_parser *p, const struct lm_type *type,
                               const struct ex_path *left, struct ex_operand *out);
enum ex_class ex_class_of(const struct lm_field *field);
bool ex_is_day(enum ex_class cls);

/* The fields that same_holder looks at, NULL where the type lacks one. */
struct ex_holder {
    const struct lm_field *post, *person, *name, *from, *to;
};
void ex_holder_of(const struct lm_type *type, struct ex_holder *out);

/* States whose rows a filter without "state" leaves out; NULL-terminated. */
extern const char *const ex_uncounted_states[];
/* Quotation marks that "~" removes; NULL-terminated. */
extern const char *const ex_quotes[];
/* text without quotation marks, in arena; NULL when the arena is out. */
char *ex_unquote(struct lm_arena *arena, const char *text, size_t n, size_t *n_out);

#endif
