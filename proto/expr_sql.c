/* Filters: SQL text for typed tables (tables "r_<type>", columns named as the fields, "_invalid"
 * 0/1, lists as JSON, booleans 0/1, decimals REAL, dates and date-times TEXT). Same answers as
 * expr_eval.c.
 *
 * Inner tables get the aliases "_x1", "_x2", … by depth, so that the caller's alias must not look
 * like that. Every literal is written through quote() or a number format; nothing from outside
 * reaches the text otherwise. */
#include "proto/expr_internal.h"

#include "common/base/util.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct sql {
    struct lm_buf *out;
    const char *alias;
    int depth;
    const char *area_level; /* of the outermost row, or NULL */
};

static void quote(struct lm_buf *out, char mark, const char *text, size_t n)
{
    lm_buf_add(out, &mark, 1);
    for (size_t i = 0; i < n; i++) {
        if (text[i] == mark) {
            lm_buf_add(out, &mark, 1);
        }
        lm_buf_add(out, &text[i], 1);
    }
    lm_buf_add(out, &mark, 1);
}

static void put_column(struct lm_buf *out, const char *alias, const char *name)
{
    quote(out, '"', alias, strlen(alias));
    lm_buf_text(out, ".");
    quote(out, '"', name, strlen(name));
}

static void put_table(struct lm_buf *out, const char *type, const char *alias)
{
    char name[128];

    snprintf(name, sizeof(name), "r_%.100s", type);
    quote(out, '"', name, strlen(name));
    lm_buf_text(out, " AS ");
    quote(out, '"', alias, strlen(alias));
}

static void inner_alias(const struct sql *s, char out[16])
{
    snprintf(out, 16, "_x%d", s->depth + 1);
}

static void put_literal(struct lm_buf *out, enum ex_class cls, const struct lm_value *v)
{
    uint64_t size;

    switch (v->kind) {
    case LM_BOOL:
        lm_buf_text(out, v->b ? "1" : "0");
        break;
    case LM_INT:
        if (cls != EX_DECIMAL) {
            lm_buf_printf(out, "%" PRId64, v->i);
            break;
        }
        size = v->i < 0 ? 0 - (uint64_t)v->i : (uint64_t)v->i;
        lm_buf_printf(out, "%s%" PRIu64 ".%04u", v->i < 0 ? "-" : "", size / LM_DECIMAL_SCALE,
                      (unsigned)(size % LM_DECIMAL_SCALE));
        break;
    case LM_TEXT:
        quote(out, '\'', v->text, v->len);
        break;
    case LM_NULL:
    case LM_LIST:
    case LM_MAP:
        lm_buf_text(out, "NULL");
        break;
    }
}

/* A field through a reference whose target may have been merged into another record: along
 * merged_into to the last that is there and not deleted. */
static void put_merged(const struct sql *s, const struct ex_path *path, const char *inner)
{
    lm_buf_text(s->out, "(WITH RECURSIVE \"_m\"(\"id\", \"n\") AS (SELECT ");
    put_column(s->out, s->alias, path->field->name);
    lm_buf_text(s->out, ", 0 UNION ALL SELECT \"_p\".\"merged_into\", \"_m\".\"n\" + 1"
                        " FROM \"_m\" JOIN ");
    put_table(s->out, path->ref_type->name, "_p");
    lm_buf_text(s->out, " ON \"_p\".\"id\" = \"_m\".\"id\" WHERE \"_p\".\"merged_into\" IS NOT NULL"
                        " AND \"_p\".\"deleted_at\" IS NULL");
    lm_buf_printf(s->out, " AND \"_m\".\"n\" < %d) SELECT ", EX_MERGED_HOPS_MAX);
    put_column(s->out, inner, path->ref_field->name);
    lm_buf_text(s->out, " FROM \"_m\" JOIN ");
    put_table(s->out, path->ref_type->name, inner);
    lm_buf_text(s->out, " ON ");
    put_column(s->out, inner, "id");
    lm_buf_text(s->out, " = \"_m\".\"id\" WHERE ");
    put_column(s->out, inner, "deleted_at");
    lm_buf_text(s->out, " IS NULL ORDER BY \"_m\".\"n\" DESC LIMIT 1)");
}

static void put_path(const struct sql *s, const struct ex_path *path)
{
    char inner[16];

    inner_alias(s, inner);
    if (!path->field && s->area_level) {
        lm_buf_text(s->out, s->area_level);
        return;
    }
    if (!path->field) {
        lm_buf_text(s->out, "(SELECT ");
        put_column(s->out, inner, "level");
        lm_buf_text(s->out, " FROM ");
        put_table(s->out, "area_unit", inner);
        lm_buf_text(s->out, " WHERE ");
        put_column(s->out, inner, "code");
        lm_buf_text(s->out, " = ");
        put_column(s->out, s->alias, path->type->fields[LM_C_VILLAGE_CODE].name);
        lm_buf_text(s->out, " AND ");
        put_column(s->out, inner, "deleted_at");
        lm_buf_text(s->out, " IS NULL ORDER BY ");
        put_column(s->out, inner, "valid_from");
        lm_buf_text(s->out, " DESC LIMIT 1)");
        return;
    }
    if (!path->ref_field) {
        put_column(s->out, s->alias, path->field->name);
        return;
    }
    if (lm_type_field(path->ref_type, "merged_into")) {
        put_merged(s, path, inner);
        return;
    }
    lm_buf_text(s->out, "(SELECT ");
    put_column(s->out, inner, path->ref_field->name);
    lm_buf_text(s->out, " FROM ");
    put_table(s->out, path->ref_type->name, inner);
    lm_buf_text(s->out, " WHERE ");
    put_column(s->out, inner, "id");
    lm_buf_text(s->out, " = ");
    put_column(s->out, s->alias, path->field->name);
    lm_buf_text(s->out, " AND ");
    put_column(s->out, inner, "deleted_at");
    lm_buf_text(s->out, " IS NULL)");
}

static void put_primary(const struct sql *s, const struct ex_primary *p, bool as_day)
{
    switch (p->source) {
    case EX_LITERAL:
        put_literal(s->out, p->cls, &p->literal);
        break;
    case EX_AS_OF:
        lm_buf_text(s->out, ":as_of");
        break;
    case EX_TODAY:
        lm_buf_text(s->out, ":today");
        break;
    case EX_YEAR:
        lm_buf_text(s->out, ":year");
        break;
    case EX_PATH:
        if (as_day && p->cls == EX_DATETIME) {
            lm_buf_text(s->out, "date(");
            put_path(s, &p->path);
            lm_buf_text(s->out, ", '+8 hours')");
        } else {
            put_path(s, &p->path);
        }
        break;
    }
}

/* date(x, '+n months') runs over at a month's end; the smaller of it and that month's last day does
 * not. */
static void put_months(const struct sql *s, const struct ex_operand *o)
{
    int64_t n = o->b.literal.i * o->sign * (o->unit == EX_YEARS ? 12 : 1);

    lm_buf_text(s->out, "min(date(");
    put_primary(s, &o->a, true);
    lm_buf_printf(s->out, ", '%+" PRId64 " months'), date(", n);
    put_primary(s, &o->a, true);
    lm_buf_printf(s->out, ", 'start of month', '%+" PRId64 " months', '-1 day'))", n + 1);
}

static void put_operand(const struct sql *s, const struct ex_operand *o, bool as_day)
{
    if (!o->sign) {
        put_primary(s, &o->a, as_day);
    } else if (o->cls != EX_DATE) {
        lm_buf_text(s->out, "(");
        put_primary(s, &o->a, false);
        lm_buf_text(s->out, o->sign > 0 ? " + " : " - ");
        put_primary(s, &o->b, false);
        lm_buf_text(s->out, ")");
    } else if (o->unit != EX_DAYS) {
        put_months(s, o);
    } else {
        lm_buf_text(s->out, "date(");
        put_primary(s, &o->a, true);
        lm_buf_text(s->out, ", (");
        lm_buf_text(s->out, o->sign < 0 ? "-" : "");
        put_primary(s, &o->b, false);
        lm_buf_text(s->out, ") || ' days')");
    }
}

static bool day_class(enum ex_class cls)
{
    return cls == EX_DATE || cls == EX_DATETIME;
}

/* A date beside a date-time: both as days in UTC+8. */
static void put_left(const struct sql *s, const struct ex_path *path, bool as_day)
{
    if (as_day && path->cls == EX_DATETIME) {
        lm_buf_text(s->out, "date(");
        put_path(s, path);
        lm_buf_text(s->out, ", '+8 hours')");
    } else {
        put_path(s, path);
    }
}

static void put_unquoted(const struct sql *s, const struct ex_path *path)
{
    size_t n = 0;

    while (ex_quotes[n]) {
        lm_buf_text(s->out, "replace(");
        n++;
    }
    put_path(s, path);
    for (size_t i = 0; i < n; i++) {
        lm_buf_text(s->out, ", ");
        quote(s->out, '\'', ex_quotes[i], strlen(ex_quotes[i]));
        lm_buf_text(s->out, ", '')");
    }
}

static enum lm_status put_contains(const struct sql *s, const struct ex_clause *c)
{
    const struct ex_primary *right = &c->operand.a;
    struct lm_arena arena;
    enum lm_status st = LM_OK;
    size_t n;
    char *text;

    if (c->path.is_list) {
        lm_buf_text(s->out, "EXISTS (SELECT 1 FROM json_each(");
        put_path(s, &c->path);
        lm_buf_text(s->out, ") AS \"_j\" WHERE \"_j\".\"value\" = ");
        put_literal(s->out, c->path.cls, &right->literal);
        lm_buf_text(s->out, ")");
        return LM_OK;
    }
    lm_buf_text(s->out, "instr(");
    put_unquoted(s, &c->path);
    lm_buf_text(s->out, ", ");
    if (right->source == EX_PATH) {
        put_unquoted(s, &right->path);
    } else {
        lm_arena_init(&arena, 64 * 1024);
        text = ex_unquote(&arena, right->literal.text, right->literal.len, &n);
        if (text) {
            quote(s->out, '\'', text, n);
        } else {
            st = LM_ERR_MEMORY;
        }
        lm_arena_free(&arena);
    }
    lm_buf_text(s->out, ") > 0");
    return st;
}

static enum lm_status put_compare(const struct sql *s, const struct ex_clause *c)
{
    static const char *const ops[] = {" = ", " <> ", " < ", " <= ", " > ", " >= ", ""};
    bool as_day = day_class(c->path.cls) && c->path.cls != c->operand.cls;

    if (c->op == EX_CONTAINS) {
        return put_contains(s, c);
    }
    lm_buf_text(s->out, c->op == EX_NE ? "COALESCE(" : "");
    put_left(s, &c->path, as_day);
    lm_buf_text(s->out, ops[c->op]);
    put_operand(s, &c->operand, as_day);
    lm_buf_text(s->out, c->op == EX_NE ? ", 1)" : "");
    return LM_OK;
}

static void put_in(const struct sql *s, const struct ex_clause *c)
{
    if (c->path.is_list) {
        lm_buf_text(s->out, "EXISTS (SELECT 1 FROM json_each(");
        put_path(s, &c->path);
        lm_buf_text(s->out, ") AS \"_j\" WHERE \"_j\".\"value\"");
    } else {
        put_left(s, &c->path, true);
    }
    lm_buf_text(s->out, " IN (");
    for (size_t i = 0; i < c->n_words; i++) {
        lm_buf_text(s->out, i ? ", " : "");
        put_literal(s->out, c->path.cls, &c->words[i]);
    }
    lm_buf_text(s->out, c->path.is_list ? "))" : ")");
}

/* What a filter without "state" leaves out. */
static void put_counts(struct lm_buf *out, const char *alias, bool any_state)
{
    put_column(out, alias, "deleted_at");
    lm_buf_text(out, " IS NULL AND ");
    put_column(out, alias, "_invalid");
    lm_buf_text(out, " = 0");
    if (any_state) {
        return;
    }
    lm_buf_text(out, " AND COALESCE(");
    put_column(out, alias, "state");
    lm_buf_text(out, ", '') NOT IN (");
    for (size_t i = 0; ex_uncounted_states[i]; i++) {
        lm_buf_text(out, i ? ", " : "");
        quote(out, '\'', ex_uncounted_states[i], strlen(ex_uncounted_states[i]));
    }
    lm_buf_text(out, ")");
}

static enum lm_status put_expr(const struct lm_expr *expr, const struct sql *s);

static enum lm_status put_has(const struct sql *s, const struct ex_clause *c)
{
    char inner[16];
    struct sql sub = {.out = s->out, .alias = inner, .depth = s->depth + 1};
    enum lm_status st;

    inner_alias(s, inner);
    lm_buf_text(s->out, "EXISTS (SELECT 1 FROM ");
    put_table(s->out, c->child->name, inner);
    lm_buf_text(s->out, " WHERE ");
    put_column(s->out, inner, c->child_ref->name);
    lm_buf_text(s->out, " = ");
    /* A path through a reference has a subquery of its own: name it apart from this one. */
    put_path(&(struct sql){.out = s->out, .alias = s->alias, .depth = s->depth + 1}, &c->path);
    lm_buf_text(s->out, " AND ");
    put_counts(s->out, inner, lm_expr_names(c->sub, "state"));
    lm_buf_text(s->out, " AND (");
    st = put_expr(c->sub, &sub);
    lm_buf_text(s->out, "))");
    return st;
}

static void put_day(const struct sql *s, const char *alias, const struct lm_field *field)
{
    if (field->ftype == LM_F_DATETIME) {
        lm_buf_text(s->out, "date(");
        put_column(s->out, alias, field->name);
        lm_buf_text(s->out, ", '+8 hours')");
    } else {
        put_column(s->out, alias, field->name);
    }
}

static void put_open_at(const struct sql *s, const char *alias, const struct lm_field *from,
                        const struct lm_field *to)
{
    lm_buf_text(s->out, "(");
    put_column(s->out, alias, from->name);
    lm_buf_text(s->out, " IS NULL OR ");
    put_day(s, alias, from);
    lm_buf_text(s->out, " <= :as_of) AND (");
    put_column(s->out, alias, to->name);
    lm_buf_text(s->out, " IS NULL OR ");
    put_day(s, alias, to);
    lm_buf_text(s->out, " >= :as_of)");
}

/* "inner"."column" op "outer"."column" */
static void put_pair(const struct sql *s, const char *inner, const char *column, const char *op)
{
    put_column(s->out, inner, column);
    lm_buf_text(s->out, op);
    put_column(s->out, s->alias, column);
}

static void put_latest(const struct sql *s, const struct ex_clause *c, const struct lm_type *type)
{
    const char *order = c->args[1]->name;
    char inner[16];

    inner_alias(s, inner);
    lm_buf_text(s->out, "NOT EXISTS (SELECT 1 FROM ");
    put_table(s->out, type->name, inner);
    lm_buf_text(s->out, " WHERE ");
    put_pair(s, inner, c->args[0]->name, " = ");
    lm_buf_text(s->out, " AND ");
    put_pair(s, inner, "id", " <> ");
    lm_buf_text(s->out, " AND ");
    put_counts(s->out, inner, false);
    lm_buf_text(s->out, " AND (");
    put_pair(s, inner, order, " > ");
    lm_buf_text(s->out, " OR (");
    put_column(s->out, s->alias, order);
    lm_buf_text(s->out, " IS NULL AND ");
    put_column(s->out, inner, order);
    lm_buf_text(s->out, " IS NOT NULL) OR (");
    put_pair(s, inner, order, " IS ");
    lm_buf_text(s->out, " AND ");
    put_pair(s, inner, "id", " > ");
    lm_buf_text(s->out, ")))");
}

static void put_same_holder(const struct sql *s, const struct ex_clause *c,
                            const struct lm_type *type)
{
    struct ex_holder h;
    char inner[16];

    ex_holder_of(type, &h);
    inner_alias(s, inner);
    lm_buf_text(s->out, "EXISTS (SELECT 1 FROM ");
    put_table(s->out, type->name, inner);
    lm_buf_text(s->out, " WHERE ");
    put_pair(s, inner, "village_code", " = ");
    lm_buf_text(s->out, " AND ");
    put_pair(s, inner, "id", " <> ");
    lm_buf_text(s->out, " AND ");
    put_column(s->out, inner, h.post->name);
    lm_buf_text(s->out, " = ");
    put_literal(s->out, EX_CODE, &c->words[0]);
    lm_buf_text(s->out, " AND ");
    put_counts(s->out, inner, false);
    lm_buf_text(s->out, " AND ");
    put_open_at(s, inner, h.from, h.to);
    lm_buf_text(s->out, " AND CASE WHEN ");
    put_column(s->out, inner, h.person->name);
    lm_buf_text(s->out, " IS NOT NULL AND ");
    put_column(s->out, s->alias, h.person->name);
    lm_buf_text(s->out, " IS NOT NULL THEN ");
    put_pair(s, inner, h.person->name, " = ");
    lm_buf_text(s->out, " ELSE ");
    put_pair(s, inner, h.name->name, " = ");
    lm_buf_text(s->out, " END)");
}

static void put_done_by(const struct sql *s, const struct ex_clause *c)
{
    for (size_t i = 1; i < c->n_args; i++) {
        lm_buf_text(s->out, i > 1 ? " OR " : "");
        put_day(s, s->alias, c->args[i]);
        lm_buf_text(s->out, " <= ");
        put_day(s, s->alias, c->args[0]);
    }
}

static enum lm_status put_clause(const struct ex_clause *c, const struct sql *s,
                                 const struct lm_type *type)
{
    switch (c->kind) {
    case EX_COMPARE:
        return put_compare(s, c);
    case EX_IN:
        put_in(s, c);
        break;
    case EX_SET:
    case EX_NULL:
        put_path(s, &c->path);
        lm_buf_text(s->out, c->kind == EX_SET ? " IS NOT NULL" : " IS NULL");
        break;
    case EX_HAS:
        return put_has(s, c);
    case EX_OPEN_AT:
        put_open_at(s, s->alias, c->args[0], c->args[1]);
        break;
    case EX_LATEST:
        put_latest(s, c, type);
        break;
    case EX_SAME_HOLDER:
        put_same_holder(s, c, type);
        break;
    case EX_DONE_BY:
        put_done_by(s, c);
        break;
    }
    return LM_OK;
}

static enum lm_status put_expr(const struct lm_expr *expr, const struct sql *s)
{
    if (!expr || expr->n_clauses == 0) {
        lm_buf_text(s->out, "1");
        return LM_OK;
    }
    for (size_t i = 0; i < expr->n_clauses; i++) {
        enum lm_status st;

        lm_buf_text(s->out, i ? " AND (" : "(");
        st = put_clause(&expr->clauses[i], s, expr->type);
        if (st != LM_OK) {
            return st;
        }
        lm_buf_text(s->out, ")");
    }
    return LM_OK;
}

enum lm_status lm_expr_sql(const struct lm_expr *expr, const struct lm_catalog *catalog,
                           const struct lm_type *type, const char *alias, const char *area_level,
                           struct lm_buf *out)
{
    struct sql s = {.out = out, .alias = alias, .depth = 0, .area_level = area_level};
    enum lm_status st;

    (void)catalog; /* the compiled filter has resolved everything already */
    LM_CHECK(!expr || expr->type == type);
    st = put_expr(expr, &s);
    return st == LM_OK ? out->status : st;
}
