/* Filters: clauses, from text to the compiled form. The words that they are made of are read in
 * expr_words.c. Pure. */
#include "common/base/util.h"
#include "proto/expr_internal.h"

#include <string.h>

static enum lm_status parse_filter(struct ex_parser *p, const struct lm_type *type, bool nested,
                                   const struct lm_expr **out);

static enum lm_status take_in(struct ex_parser *p, struct ex_clause *c)
{
    struct lm_value words[EX_WORDS_MAX];
    enum lm_status st;

    if (!ex_take(p, "(")) {
        return ex_bad(p, "in 之后应当是括号", "a bracket is expected after in", p->at,
                      strnlen(p->at, 20));
    }
    do {
        size_t n;
        bool quoted;
        const char *text = ex_take_word(p, &n, &quoted);

        if (c->n_words == EX_WORDS_MAX) {
            return ex_bad(p, "括号里的值太多", "too many values in the brackets", text, n);
        }
        st = ex_make_literal(p, c->path.cls, c->path.list, text, n, &words[c->n_words]);
        if (st != LM_OK) {
            return st;
        }
        c->n_words++;
    } while (ex_take(p, "|"));
    if (!ex_take(p, ")")) {
        return ex_bad(p, "括号没有闭合", "the bracket is not closed", p->at, strnlen(p->at, 20));
    }
    c->words = lm_arena_alloc(p->arena, c->n_words * sizeof(*c->words));
    if (!c->words) {
        return ex_out_of_memory(p);
    }
    memcpy(c->words, words, c->n_words * sizeof(*c->words));
    return LM_OK;
}

static enum lm_status take_has(struct ex_parser *p, struct ex_clause *c)
{
    const struct lm_field *own = c->path.ref_field ? c->path.ref_field : c->path.field;
    const struct lm_type *parent = NULL;
    char *name;
    size_t n;

    ex_skip_space(p);
    n = ex_ident_length(p->at);
    name = lm_arena_text(p->arena, p->at, n);
    if (!name) {
        return ex_out_of_memory(p);
    }
    c->child = lm_catalog_type(p->catalog, name);
    if (!c->child) {
        return ex_bad(p, "没有这种记录", "there is no such record type", p->at, n);
    }
    p->at += n;
    if (own && own->common && own->index == LM_C_ID) {
        parent = c->path.ref_type ? c->path.ref_type : c->path.type;
    } else if (own && own->ftype == LM_F_UUID && !own->is_list && own->ref) {
        parent = lm_catalog_type(p->catalog, own->ref);
    }
    if (!parent) {
        return ex_bad(p, "has 之前应当是 id 或指向记录的字段",
                      "id or a reference field is expected before has", name, n);
    }
    for (size_t i = LM_C_COUNT; i < c->child->n_fields && !c->child_ref; i++) {
        const struct lm_field *f = &c->child->fields[i];

        if (f->ftype == LM_F_UUID && !f->is_list && f->ref && strcmp(f->ref, parent->name) == 0) {
            c->child_ref = f;
        }
    }
    if (!c->child_ref) {
        return ex_bad(p, "这种记录不指向它", "that record type does not refer to it", name, n);
    }
    if (!ex_take(p, "(")) {
        return ex_bad(p, "has 类型之后应当是括号", "a bracket is expected after has TYPE", p->at,
                      strnlen(p->at, 20));
    }
    return parse_filter(p, c->child, true, &c->sub);
}

/* The arguments of a function: field names; the first separator may be ";". */
static enum lm_status take_args(struct ex_parser *p, const struct lm_type *type,
                                struct ex_clause *c, size_t min, size_t max)
{
    const struct lm_field *args[EX_ARGS_MAX] = {NULL};
    size_t n_args = 0;

    do {
        const char *start;
        size_t n;

        ex_skip_space(p);
        start = p->at;
        n = ex_ident_length(start);
        if (n_args == max || n_args == EX_ARGS_MAX) {
            return ex_bad(p, "参数太多", "too many arguments", start, n);
        }
        args[n_args] = lm_type_fieldn(type, start, n);
        if (!args[n_args] || args[n_args]->is_list) {
            return ex_bad(p, "没有这个字段", "there is no such field", start, n);
        }
        n_args++;
        p->at += n;
    } while (ex_take(p, ",") || ex_take(p, ";"));
    if (n_args < min || !ex_take(p, ")")) {
        return ex_bad(p, "参数不对", "the arguments are wrong", p->at, strnlen(p->at, 20));
    }
    c->args = lm_arena_alloc(p->arena, sizeof(args));
    if (!c->args) {
        return ex_out_of_memory(p);
    }
    memcpy(c->args, args, sizeof(args));
    c->n_args = n_args;
    return LM_OK;
}

static enum lm_status all_dates(struct ex_parser *p, const struct ex_clause *c)
{
    for (size_t i = 0; i < c->n_args; i++) {
        if (!ex_is_day(ex_class_of(c->args[i]))) {
            return ex_bad(p, "参数应当是日期字段", "the arguments must be date fields",
                          c->args[i]->name, strlen(c->args[i]->name));
        }
    }
    return LM_OK;
}

static enum lm_status take_same_holder(struct ex_parser *p, const struct lm_type *type,
                                       struct ex_clause *c)
{
    struct ex_holder h;
    size_t n;
    bool quoted;
    const char *text = ex_take_word(p, &n, &quoted);

    ex_holder_of(type, &h);
    if (!h.post || !h.person || !h.name || !h.from || !h.to) {
        return ex_bad(p, "same_holder 只用于岗位任职", "same_holder is for posts only", text, n);
    }
    c->words = lm_arena_alloc(p->arena, sizeof(*c->words));
    if (!c->words) {
        return ex_out_of_memory(p);
    }
    c->n_words = 1;
    if (ex_make_literal(p, EX_CODE, h.post->list, text, n, c->words) != LM_OK) {
        return LM_ERR_INVALID;
    }
    if (!ex_take(p, ")")) {
        return ex_bad(p, "括号没有闭合", "the bracket is not closed", p->at, strnlen(p->at, 20));
    }
    return LM_OK;
}

/* True when the clause was a function; *st tells how it went. */
static bool take_function(struct ex_parser *p, const struct lm_type *type, struct ex_clause *c,
                          enum lm_status *st)
{
    if (ex_take(p, "open_at(")) {
        c->kind = EX_OPEN_AT;
        *st = take_args(p, type, c, 2, 2);
        if (*st == LM_OK) {
            *st = all_dates(p, c);
        }
    } else if (ex_take(p, "latest(")) {
        c->kind = EX_LATEST;
        *st = take_args(p, type, c, 2, 2);
    } else if (ex_take(p, "done_by(")) {
        c->kind = EX_DONE_BY;
        *st = take_args(p, type, c, 2, EX_ARGS_MAX);
        if (*st == LM_OK) {
            *st = all_dates(p, c);
        }
    } else if (ex_take(p, "same_holder(")) {
        c->kind = EX_SAME_HOLDER;
        *st = take_same_holder(p, type, c);
    } else {
        return false;
    }
    return true;
}

static bool take_op(struct ex_parser *p, enum ex_op *out)
{
    static const struct {
        const char *text;
        enum ex_op op;
    } ops[] = {{"!=", EX_NE}, {"<=", EX_LE}, {">=", EX_GE},     {"=", EX_EQ},
               {"<", EX_LT},  {">", EX_GT},  {"~", EX_CONTAINS}};

    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (ex_take(p, ops[i].text)) {
            *out = ops[i].op;
            return true;
        }
    }
    return false;
}

static enum lm_status check_op(struct ex_parser *p, const struct ex_clause *c)
{
    bool ordered = c->op == EX_LT || c->op == EX_LE || c->op == EX_GT || c->op == EX_GE;
    enum ex_class cls = c->path.cls;

    if (c->path.is_list && (c->op != EX_CONTAINS || cls == EX_OTHER)) {
        return ex_bad(p, "列表字段只能用 ~、in、is", "a list takes only ~, in and is", "", 0);
    }
    if (ordered && (cls == EX_CODE || cls == EX_BOOL)) {
        return ex_bad(p, "代码和是否不分大小", "codes and booleans have no order", "", 0);
    }
    if (c->op == EX_CONTAINS && !c->path.is_list && cls != EX_TEXT && cls != EX_CODE) {
        return ex_bad(p, "~ 只用于文字", "~ is for text only", "", 0);
    }
    if (c->op == EX_CONTAINS && c->path.is_list &&
        (c->operand.a.source != EX_LITERAL || c->operand.sign)) {
        return ex_bad(p, "列表的 ~ 之后应当是固定的值", "~ on a list takes a literal", "", 0);
    }
    return LM_OK;
}

static enum lm_status parse_clause(struct ex_parser *p, const struct lm_type *type,
                                   struct ex_clause *c)
{
    enum lm_status st;

    memset(c, 0, sizeof(*c));
    ex_skip_space(p);
    p->clause = p->at;
    if (take_function(p, type, c, &st)) {
        return st;
    }
    st = ex_take_path(p, type, &c->path);
    if (st != LM_OK) {
        return st;
    }
    if (ex_take_keyword(p, "in")) {
        c->kind = EX_IN;
        return take_in(p, c);
    }
    if (ex_take_keyword(p, "is")) {
        c->kind = ex_take_keyword(p, "set") ? EX_SET : EX_NULL;
        if (c->kind == EX_NULL && !ex_take_keyword(p, "null")) {
            return ex_bad(p, "is 之后应当是 set 或 null", "set or null is expected after is", p->at,
                          strnlen(p->at, 20));
        }
        return LM_OK;
    }
    if (ex_take_keyword(p, "has")) {
        c->kind = EX_HAS;
        return take_has(p, c);
    }
    c->kind = EX_COMPARE;
    if (!take_op(p, &c->op)) {
        return ex_bad(p, "缺少比较符号", "a comparison is expected here", p->at,
                      strnlen(p->at, 20));
    }
    st = ex_take_operand(p, type, &c->path, &c->operand);
    return st == LM_OK ? check_op(p, c) : st;
}

static enum lm_status parse_filter(struct ex_parser *p, const struct lm_type *type, bool nested,
                                   const struct lm_expr **out)
{
    struct ex_clause *clauses;
    struct lm_expr *expr;
    size_t n = 0;
    enum lm_status st = LM_OK;

    if (++p->depth > EX_DEPTH_MAX) {
        return ex_bad(p, "括号嵌套太深", "the brackets are nested too deep", "", 0);
    }
    /* Small filters are many: gather in a block of the most there may be, keep what there is. */
    clauses = lm_arena_alloc(p->arena, 4 * sizeof(*clauses));
    expr = lm_arena_alloc(p->arena, sizeof(*expr));
    if (!clauses || !expr) {
        return ex_out_of_memory(p);
    }
    ex_skip_space(p);
    if (*p->at && *p->at != ')') {
        size_t room = 4;

        do {
            if (n == EX_CLAUSES_MAX) {
                return ex_bad(p, "条件太多", "too many clauses", "", 0);
            }
            if (n == room) {
                struct ex_clause *more = lm_arena_alloc(p->arena, 2 * room * sizeof(*more));

                if (!more) {
                    return ex_out_of_memory(p);
                }
                memcpy(more, clauses, n * sizeof(*more));
                clauses = more;
                room *= 2;
            }
            st = parse_clause(p, type, &clauses[n]);
            if (st != LM_OK) {
                return st;
            }
            n++;
        } while (ex_take(p, "&"));
    }
    ex_skip_space(p);
    if (nested ? *p->at != ')' : *p->at != 0) {
        return ex_bad(p, "条件之后有多余的内容", "there is something left after the clause", p->at,
                      strnlen(p->at, 20));
    }
    if (nested) {
        p->at++;
    }
    expr->type = type;
    expr->clauses = clauses;
    expr->n_clauses = n;
    *out = expr;
    p->depth--;
    return LM_OK;
}

enum lm_status lm_expr_parse(struct lm_arena *arena, const struct lm_catalog *catalog,
                             const struct lm_type *type, const char *text,
                             const struct lm_expr **out, struct lm_error *err)
{
    struct ex_parser p = {.arena = arena, .catalog = catalog, .err = err};

    *out = NULL;
    p.at = text ? text : "";
    p.clause = p.at;
    if (!lm_utf8_valid(p.at, strlen(p.at), NULL)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_filter", "", "筛选条件不是有效的 UTF-8 文字。",
                       "The filter is not valid UTF-8.");
    }
    return parse_filter(&p, type, false, out);
}

bool lm_expr_names(const struct lm_expr *expr, const char *field)
{
    if (!expr) {
        return false;
    }
    for (size_t i = 0; i < expr->n_clauses; i++) {
        const struct ex_path *path = &expr->clauses[i].path;

        if (path->field && !path->ref_field && strcmp(path->field->name, field) == 0) {
            return true;
        }
    }
    return false;
}

static bool clause_reads(const struct ex_clause *c, const struct lm_field *field)
{
    const struct ex_primary *sides[2] = {&c->operand.a, &c->operand.b};

    if (c->path.field == field) {
        return true;
    }
    for (size_t i = 0; c->kind == EX_COMPARE && i < 2; i++) {
        if (sides[i]->source == EX_PATH && sides[i]->path.field == field) {
            return true;
        }
    }
    for (size_t i = 0; i < c->n_args; i++) {
        if (c->args[i] == field) {
            return true;
        }
    }
    return false;
}

bool lm_expr_reads(const struct lm_expr *expr, const struct lm_field *field)
{
    for (size_t i = 0; expr && i < expr->n_clauses; i++) {
        if (clause_reads(&expr->clauses[i], field)) {
            return true;
        }
    }
    return false;
}

static bool primary_set(const struct ex_primary *p, const struct lm_record *rec)
{
    return p->source != EX_PATH || !p->path.field ||
           rec->fields[p->path.field->index].kind != LM_NULL;
}

bool lm_expr_complete(const struct lm_expr *expr, const struct lm_record *rec)
{
    for (size_t i = 0; expr && i < expr->n_clauses; i++) {
        const struct ex_clause *c = &expr->clauses[i];
        bool compares = c->kind == EX_COMPARE || c->kind == EX_IN;

        if (compares && c->path.field && rec->fields[c->path.field->index].kind == LM_NULL) {
            return false;
        }
        if (c->kind == EX_COMPARE && (!primary_set(&c->operand.a, rec) ||
                                      (c->operand.sign && !primary_set(&c->operand.b, rec)))) {
            return false;
        }
    }
    return true;
}
