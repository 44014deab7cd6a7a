/* The compiled form of a filter, shared by expr_parse.c, expr_eval.c and expr_sql.c only. */
#ifndef LM_PROTO_EXPR_INTERNAL_H
#define LM_PROTO_EXPR_INTERNAL_H

#include "proto/expr.h"

#define EX_CLAUSES_MAX 32
#define EX_WORDS_MAX 64
#define EX_DEPTH_MAX 4

/* What a value is compared as. */
enum ex_class { EX_TEXT, EX_CODE, EX_INT, EX_DECIMAL, EX_BOOL, EX_DATE, EX_DATETIME, EX_OTHER };

struct ex_path {
    const struct lm_type *type;      /* of the record it starts from */
    const struct lm_field *field;    /* NULL for area.level */
    const struct lm_type *ref_type;  /* after "->", or NULL */
    const struct lm_field *ref_field;
    const struct lm_list *list;      /* of a code, or NULL */
    enum ex_class cls;               /* of the value, or of a list's items */
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
    EX_COMPARE, EX_IN, EX_SET, EX_NULL, EX_HAS, EX_OPEN_AT, EX_LATEST, EX_SAME_HOLDER, EX_DONE_BY
};
struct ex_clause {
    enum ex_kind kind;
    struct ex_path path;          /* COMPARE, IN, SET, NULL, HAS */
    enum ex_op op;
    struct ex_operand operand;
    struct lm_value *words;       /* IN: literals; SAME_HOLDER: the post */
    size_t n_words;
    const struct lm_type *child;  /* HAS */
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
