/* Filters: text → compiled form, checked against the types and lists of the catalogue.
 *
 * Grammar in expr.h. A word that could be both is read as a code of the list where the left side is a code, else as a
 * field of the type; "…" in double quotes is always a literal. Pure; everything lives in the caller's arena. */
#include "proto/expr_internal.h"

#include "common/base/util.h"

#include <stdio.h>
#include <string.h>

struct parser {
    struct lm_arena *arena;
    const struct lm_catalog *catalog;
    const char *at;
    const char *clause; /* start of the clause in hand, for messages */
    struct lm_error *err;
    int depth;
};

const char *const ex_uncounted_states[] = {"draft", "returned", "cancelled", "merged", NULL};
const char *const ex_quotes[] = {"“", "”", "\"", "'", "「", "」", "‘", "’", "『", "』", NULL};

/* The longest start of text, at most n bytes, that ends between characters. */
static size_t whole_chars(const char *text, size_t n)
{
    while (n && ((unsigned char)text[n] & 0xC0) == 0x80) {
        n--;
    }
    return n;
}

/* zh and en say what is wrong with `word` in the clause in hand. */
static enum lm_status bad(struct parser *p, const char *zh, const char *en, const char *word,
                          size_t n)
{
    char clause[121];
    char what[61];
    size_t len = 0;

    while (len < sizeof(clause) - 1 && p->clause[len] && p->clause[len] != '&') {
        len++;
    }
    len = whole_chars(p->clause, len);
    memcpy(clause, p->clause, len);
    clause[len] = 0;
    len = whole_chars(word, n < sizeof(what) - 1 ? n : sizeof(what) - 1);
    memcpy(what, word, len);
    what[len] = 0;
    if (p->err) {
        memset(p->err, 0, sizeof(*p->err));
        snprintf(p->err->code, sizeof(p->err->code), "bad_filter");
        snprintf(p->err->zh, sizeof(p->err->zh), "筛选条件“%s”有误:%s(%s)。", clause, zh, what);
        snprintf(p->err->en, sizeof(p->err->en), "The filter clause \"%s\" is wrong: %s (%s).",
                 clause, en, what);
    }
    return LM_ERR_INVALID;
}

static enum lm_status out_of_memory(struct parser *p)
{
    return lm_fail(p->err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
}

char *ex_unquote(struct lm_arena *arena, const char *text, size_t n, size_t *n_out)
{
    char *out = lm_arena_alloc(arena, n + 1);
    size_t len = 0;
    size_t i = 0;

    if (!out) {
        return NULL;
    }
    while (i < n) {
        size_t skip = 0;

        for (size_t q = 0; ex_quotes[q] && !skip; q++) {
            size_t m = strlen(ex_quotes[q]);

            if (n - i >= m && memcmp(text + i, ex_quotes[q], m) == 0) {
                skip = m;
            }
        }
        if (skip) {
            i += skip;
        } else {
            out[len++] = text[i++];
        }
    }
    *n_out = len;
    return out;
}

void ex_holder_of(const struct lm_type *type, struct ex_holder *out)
{
    out->post = lm_type_field(type, "post");
    out->person = lm_type_field(type, "holder_person_id");
    out->name = lm_type_field(type, "holder_name");
    out->from = lm_type_field(type, "from_on");
    out->to = lm_type_field(type, "to_on");
}

/* ---- words ---- */

static void skip_space(struct parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r') {
        p->at++;
    }
}

static bool take(struct parser *p, const char *text)
{
    size_t n = strlen(text);

    skip_space(p);
    if (strncmp(p->at, text, n) != 0) {
        return false;
    }
    p->at += n;
    return true;
}

static bool ident_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A keyword not followed by more of an identifier. */
static bool take_keyword(struct parser *p, const char *text)
{
    const char *start = p->at;

    if (take(p, text) && !ident_char(*p->at)) {
        return true;
    }
    p->at = start;
    return false;
}

static size_t ident_length(const char *text)
{
    size_t n = 0;

    while (ident_char(text[n])) {
        n++;
    }
    return n;
}

/* A bare or quoted word; *quoted tells. n = 0 when there is none. */
static const char *take_word(struct parser *p, size_t *n, bool *quoted)
{
    const char *start;

    skip_space(p);
    *quoted = *p->at == '"';
    if (*quoted) {
        const char *end = strchr(p->at + 1, '"');

        start = p->at + 1;
        *n = end ? (size_t)(end - start) : 0;
        p->at = end ? end + 1 : start + strlen(start);
        return start;
    }
    start = p->at;
    while (*p->at && !strchr(" \t\r\n&|(),;", *p->at)) {
        p->at++;
    }
    *n = (size_t)(p->at - start);
    return start;
}

/* ---- paths ---- */

static enum ex_class class_of(const struct lm_field *field)
{
    switch (field->ftype) {
    case LM_F_CODE:
        return EX_CODE;
    case LM_F_INT:
        return EX_INT;
    case LM_F_DECIMAL:
        return EX_DECIMAL;
    case LM_F_BOOL:
        return EX_BOOL;
    case LM_F_DATE:
        return EX_DATE;
    case LM_F_DATETIME:
        return EX_DATETIME;
    case LM_F_MAP:
        return EX_OTHER;
    case LM_F_TEXT:
    case LM_F_CHAR:
    case LM_F_UUID:
    case LM_F_REF:
    case LM_F_FILE:
    case LM_F_HEX:
        break;
    }
    return EX_TEXT;
}

static const struct lm_list *list_of(const struct lm_type *type, const struct lm_field *field)
{
    if (field->common && field->index == LM_C_STATE) {
        return type->states;
    }
    return field->list;
}

static enum lm_status resolve_path(struct parser *p, const struct lm_type *type, const char *text,
                                   size_t n, struct ex_path *out)
{
    const char *arrow = NULL;
    const struct lm_field *last;
    const struct lm_type *owner = type;
    size_t head;

    memset(out, 0, sizeof(*out));
    out->type = type;
    if (n == 10 && memcmp(text, "area.level", 10) == 0) {
        out->cls = EX_CODE;
        out->list = lm_catalog_list(p->catalog, "area_level");
        return LM_OK;
    }
    for (size_t i = 0; i + 1 < n && !arrow; i++) {
        if (text[i] == '-' && text[i + 1] == '>') {
            arrow = text + i;
        }
    }
    head = arrow ? (size_t)(arrow - text) : n;
    out->field = lm_type_fieldn(type, text, head);
    if (!out->field) {
        return bad(p, "没有这个字段", "there is no such field", text, head);
    }
    last = out->field;
    if (arrow) {
        const char *name = arrow + 2;
        size_t len = n - head - 2;

        if (last->ftype != LM_F_UUID || last->is_list || !last->ref ||
            !(out->ref_type = lm_catalog_type(p->catalog, last->ref))) {
            return bad(p, "这个字段不指向另一条记录", "the field does not refer to another record",
                       text, head);
        }
        out->ref_field = lm_type_fieldn(out->ref_type, name, len);
        if (!out->ref_field) {
            return bad(p, "被指向的记录没有这个字段", "the record referred to has no such field",
                       name, len);
        }
        last = out->ref_field;
        owner = out->ref_type;
    }
    out->cls = class_of(last);
    out->is_list = last->is_list;
    out->list = list_of(owner, last);
    return LM_OK;
}

/* Reads "field", "field->field" or "area.level". */
static enum lm_status take_path(struct parser *p, const struct lm_type *type, struct ex_path *out)
{
    const char *start;
    size_t n;

    skip_space(p);
    start = p->at;
    if (strncmp(start, "area.level", 10) == 0 && !ident_char(start[10])) {
        n = 10;
    } else {
        n = ident_length(start);
        if (n && start[n] == '-' && start[n + 1] == '>') {
            n += 2 + ident_length(start + n + 2);
        }
    }
    if (!n) {
        return bad(p, "这里应当是字段名", "a field name is expected here", start,
                   strnlen(start, 20));
    }
    p->at = start + n;
    return resolve_path(p, type, start, n, out);
}

/* ---- literals and operands ---- */

static bool parse_decimal(const char *text, size_t n, int64_t *out)
{
    size_t i = 0;
    bool negative = n && text[0] == '-';
    int64_t value = 0;
    int places = -1;

    for (i = negative; i < n; i++) {
        if (text[i] == '.' && places < 0 && i > (size_t)negative) {
            places = 0;
            continue;
        }
        if (text[i] < '0' || text[i] > '9' || places == 4 || value > INT64_MAX / 100000000) {
            return false;
        }
        value = value * 10 + (text[i] - '0');
        places += places >= 0;
    }
    if (n == (size_t)negative || places == 0) {
        return false;
    }
    for (int k = places < 0 ? 0 : places; k < 4; k++) {
        value *= 10;
    }
    *out = negative ? -value : value;
    return true;
}

static bool parse_int(const char *text, size_t n, int64_t *out)
{
    int64_t scaled;

    if (memchr(text, '.', n) || !parse_decimal(text, n, &scaled)) {
        return false;
    }
    *out = scaled / LM_DECIMAL_SCALE;
    return true;
}

static bool is_word(const char *text, size_t n, const char *word)
{
    return n == strlen(word) && memcmp(text, word, n) == 0;
}

static bool has_code(const struct lm_list *list, const char *code)
{
    return !list || lm_list_code(list, code) != NULL;
}

/* A literal of the class, or LM_ERR_INVALID. */
static enum lm_status make_literal(struct parser *p, enum ex_class cls, const struct lm_list *list,
                                   const char *text, size_t n, struct lm_value *out)
{
    int64_t number = 0;
    char *copy = lm_arena_text(p->arena, text, n);

    if (!copy) {
        return out_of_memory(p);
    }
    switch (cls) {
    case EX_CODE:
        if (!has_code(list, copy)) {
            return bad(p, "代码表里没有这个代码", "the code list has no such code", text, n);
        }
        break;
    case EX_INT:
        if (!parse_int(text, n, &number)) {
            return bad(p, "这里应当是整数", "a whole number is expected here", text, n);
        }
        *out = lm_value_int(number);
        return LM_OK;
    case EX_DECIMAL:
        if (!parse_decimal(text, n, &number)) {
            return bad(p, "这里应当是数字", "a number is expected here", text, n);
        }
        *out = lm_value_int(number);
        return LM_OK;
    case EX_BOOL:
        if (!is_word(text, n, "true") && !is_word(text, n, "false")) {
            return bad(p, "这里应当是 true 或 false", "true or false is expected here", text, n);
        }
        *out = lm_value_bool(text[0] == 't');
        return LM_OK;
    case EX_DATE:
    case EX_DATETIME:
        if (!lm_date_parse(text, n, &number)) {
            return bad(p, "这里应当是日期 YYYY-MM-DD", "a date YYYY-MM-DD is expected here", text,
                       n);
        }
        break;
    case EX_OTHER:
        return bad(p, "这个字段不能比较", "this field cannot be compared", text, n);
    case EX_TEXT:
        break;
    }
    if (!n) {
        return bad(p, "缺少比较的值", "the value to compare with is missing", text, n);
    }
    *out = lm_value_textn(copy, n);
    return LM_OK;
}

static bool is_day(enum ex_class cls)
{
    return cls == EX_DATE || cls == EX_DATETIME;
}

static bool is_number(enum ex_class cls)
{
    return cls == EX_INT || cls == EX_DECIMAL;
}

static bool comparable(enum ex_class a, enum ex_class b)
{
    if (is_day(a) || is_number(a)) {
        return is_day(a) ? is_day(b) : is_number(b);
    }
    if (a == EX_CODE || a == EX_TEXT) {
        return b == EX_CODE || b == EX_TEXT;
    }
    return a == b && a != EX_OTHER;
}

/* One operand without arithmetic; want is the class of the left side. */
static enum lm_status take_primary(struct parser *p, const struct lm_type *type, enum ex_class want,
                                   const struct lm_list *list, struct ex_primary *out)
{
    enum lm_status st;
    size_t n;
    bool quoted;
    const char *text = take_word(p, &n, &quoted);
    size_t ident = ident_length(text);
    bool path_like;

    memset(out, 0, sizeof(*out));
    out->cls = want;
    if (!quoted && n && text[0] == '@') {
        if (is_word(text, n, "@year")) {
            out->source = EX_YEAR;
            out->cls = EX_INT;
        } else if (is_word(text, n, "@as_of") || is_word(text, n, "@today")) {
            out->source = text[1] == 'a' ? EX_AS_OF : EX_TODAY;
            out->cls = EX_DATE;
        } else {
            return bad(p, "没有这个变量", "there is no such variable", text, n);
        }
        return LM_OK;
    }
    path_like = !quoted && n && ident > 0 && !(text[0] >= '0' && text[0] <= '9') &&
                (ident == n || (text[ident] == '-' && text[ident + 1] == '>') ||
                 is_word(text, n, "area.level"));
    if (path_like && want == EX_CODE && list) {
        char *copy = lm_arena_text(p->arena, text, n);

        if (!copy) {
            return out_of_memory(p);
        }
        path_like = lm_list_code(list, copy) == NULL;
    }
    if (path_like && (lm_type_fieldn(type, text, ident) || is_word(text, n, "area.level"))) {
        out->source = EX_PATH;
        st = resolve_path(p, type, text, n, &out->path);
        if (st == LM_OK && out->path.is_list) {
            return bad(p, "不能与列表字段比较", "a list field cannot be compared with", text, n);
        }
        out->cls = out->path.cls;
        return st;
    }
    out->source = EX_LITERAL;
    st = make_literal(p, want, list, text, n, &out->literal);
    if (want == EX_DATETIME) {
        out->cls = EX_DATE;
    }
    return st;
}

/* What follows + or -: whole number with an optional unit (30, 30d, 6m, 16y), or a number field. */
static enum lm_status take_offset(struct parser *p, const struct lm_type *type,
                                  struct ex_operand *out)
{
    const char *start = p->at;
    size_t n;
    bool quoted;
    const char *text = take_word(p, &n, &quoted);
    int64_t number;

    out->unit = EX_DAYS;
    if (is_day(out->a.cls) && n > 1 && !quoted && parse_int(text, n - 1, &number) &&
        strchr("dmy", text[n - 1])) {
        out->unit = text[n - 1] == 'd' ? EX_DAYS : text[n - 1] == 'm' ? EX_MONTHS : EX_YEARS;
        out->b.source = EX_LITERAL;
        out->b.cls = EX_INT;
        out->b.literal = lm_value_int(number);
        return LM_OK;
    }
    p->at = start;
    return take_primary(p, type, is_day(out->a.cls) ? EX_INT : out->a.cls, NULL, &out->b);
}

static enum lm_status take_operand(struct parser *p, const struct lm_type *type,
                                   const struct ex_path *left, struct ex_operand *out)
{
    enum lm_status st;
    const char *start = p->at;

    memset(out, 0, sizeof(*out));
    st = take_primary(p, type, left->cls, left->list, &out->a);
    if (st != LM_OK) {
        return st;
    }
    out->cls = out->a.cls;
    skip_space(p);
    if (*p->at == '+' || *p->at == '-') {
        out->sign = *p->at == '+' ? 1 : -1;
        p->at++;
        st = take_offset(p, type, out);
        if (st != LM_OK) {
            return st;
        }
        if (!(is_day(out->a.cls) && out->b.cls == EX_INT) &&
            !(is_number(out->a.cls) && is_number(out->b.cls))) {
            return bad(p, "只能对数字或日期加减", "only numbers and dates can be added to", start,
                       (size_t)(p->at - start));
        }
        if (is_day(out->cls)) {
            out->cls = EX_DATE;
        } else if (out->b.cls == EX_DECIMAL) {
            out->cls = EX_DECIMAL;
        }
    }
    if (!comparable(left->cls, out->cls)) {
        return bad(p, "两边的类型不同,不能比较", "the two sides are of different types", start,
                   (size_t)(p->at - start));
    }
    return LM_OK;
}

/* ---- clauses ---- */

static enum lm_status parse_filter(struct parser *p, const struct lm_type *type, bool nested,
                                   const struct lm_expr **out);

static enum lm_status take_in(struct parser *p, struct ex_clause *c)
{
    struct lm_value words[EX_WORDS_MAX];
    enum lm_status st;

    if (!take(p, "(")) {
        return bad(p, "in 之后应当是括号", "a bracket is expected after in", p->at,
                   strnlen(p->at, 20));
    }
    do {
        size_t n;
        bool quoted;
        const char *text = take_word(p, &n, &quoted);

        if (c->n_words == EX_WORDS_MAX) {
            return bad(p, "括号里的值太多", "too many values in the brackets", text, n);
        }
        st = make_literal(p, c->path.cls, c->path.list, text, n, &words[c->n_words]);
        if (st != LM_OK) {
            return st;
        }
        c->n_words++;
    } while (take(p, "|"));
    if (!take(p, ")")) {
        return bad(p, "括号没有闭合", "the bracket is not closed", p->at, strnlen(p->at, 20));
    }
    c->words = lm_arena_alloc(p->arena, c->n_words * sizeof(*c->words));
    if (!c->words) {
        return out_of_memory(p);
    }
    memcpy(c->words, words, c->n_words * sizeof(*c->words));
    return LM_OK;
}

static enum lm_status take_has(struct parser *p, struct ex_clause *c)
{
    const struct lm_field *own = c->path.ref_field ? c->path.ref_field : c->path.field;
    const struct lm_type *parent = NULL;
    char *name;
    size_t n;

    skip_space(p);
    n = ident_length(p->at);
    name = lm_arena_text(p->arena, p->at, n);
    if (!name) {
        return out_of_memory(p);
    }
    c->child = lm_catalog_type(p->catalog, name);
    if (!c->child) {
        return bad(p, "没有这种记录", "there is no such record type", p->at, n);
    }
    p->at += n;
    if (own && own->common && own->index == LM_C_ID) {
        parent = c->path.ref_type ? c->path.ref_type : c->path.type;
    } else if (own && own->ftype == LM_F_UUID && !own->is_list && own->ref) {
        parent = lm_catalog_type(p->catalog, own->ref);
    }
    if (!parent) {
        return bad(p, "has 之前应当是 id 或指向记录的字段",
                   "id or a reference field is expected before has", name, n);
    }
    for (size_t i = LM_C_COUNT; i < c->child->n_fields && !c->child_ref; i++) {
        const struct lm_field *f = &c->child->fields[i];

        if (f->ftype == LM_F_UUID && !f->is_list && f->ref && strcmp(f->ref, parent->name) == 0) {
            c->child_ref = f;
        }
    }
    if (!c->child_ref) {
        return bad(p, "这种记录不指向它", "that record type does not refer to it", name, n);
    }
    if (!take(p, "(")) {
        return bad(p, "has 类型之后应当是括号", "a bracket is expected after has TYPE", p->at,
                   strnlen(p->at, 20));
    }
    return parse_filter(p, c->child, true, &c->sub);
}

/* The arguments of a function: field names; the first separator may be ";". */
static enum lm_status take_args(struct parser *p, const struct lm_type *type, struct ex_clause *c,
                                size_t min, size_t max)
{
    const struct lm_field *args[8];
    size_t n_args = 0;

    do {
        const char *start;
        size_t n;

        skip_space(p);
        start = p->at;
        n = ident_length(start);
        if (n_args == max || n_args == sizeof(args) / sizeof(args[0])) {
            return bad(p, "参数太多", "too many arguments", start, n);
        }
        args[n_args] = lm_type_fieldn(type, start, n);
        if (!args[n_args] || args[n_args]->is_list) {
            return bad(p, "没有这个字段", "there is no such field", start, n);
        }
        n_args++;
        p->at += n;
    } while (take(p, ",") || take(p, ";"));
    if (n_args < min || !take(p, ")")) {
        return bad(p, "参数不对", "the arguments are wrong", p->at, strnlen(p->at, 20));
    }
    c->args = lm_arena_alloc(p->arena, n_args * sizeof(*c->args));
    if (!c->args) {
        return out_of_memory(p);
    }
    memcpy(c->args, args, n_args * sizeof(*c->args));
    c->n_args = n_args;
    return LM_OK;
}

static enum lm_status all_dates(struct parser *p, const struct ex_clause *c)
{
    for (size_t i = 0; i < c->n_args; i++) {
        if (!is_day(class_of(c->args[i]))) {
            return bad(p, "参数应当是日期字段", "the arguments must be date fields",
                       c->args[i]->name, strlen(c->args[i]->name));
        }
    }
    return LM_OK;
}

static enum lm_status take_same_holder(struct parser *p, const struct lm_type *type,
                                       struct ex_clause *c)
{
    struct ex_holder h;
    size_t n;
    bool quoted;
    const char *text = take_word(p, &n, &quoted);

    ex_holder_of(type, &h);
    if (!h.post || !h.person || !h.name || !h.from || !h.to) {
        return bad(p, "same_holder 只用于岗位任职", "same_holder is for posts only", text, n);
    }
    c->words = lm_arena_alloc(p->arena, sizeof(*c->words));
    if (!c->words) {
        return out_of_memory(p);
    }
    c->n_words = 1;
    if (make_literal(p, EX_CODE, h.post->list, text, n, c->words) != LM_OK) {
        return LM_ERR_INVALID;
    }
    if (!take(p, ")")) {
        return bad(p, "括号没有闭合", "the bracket is not closed", p->at, strnlen(p->at, 20));
    }
    return LM_OK;
}

/* True when the clause was a function; *st tells how it went. */
static bool take_function(struct parser *p, const struct lm_type *type, struct ex_clause *c,
                          enum lm_status *st)
{
    if (take(p, "open_at(")) {
        c->kind = EX_OPEN_AT;
        *st = take_args(p, type, c, 2, 2);
        if (*st == LM_OK) {
            *st = all_dates(p, c);
        }
    } else if (take(p, "latest(")) {
        c->kind = EX_LATEST;
        *st = take_args(p, type, c, 2, 2);
    } else if (take(p, "done_by(")) {
        c->kind = EX_DONE_BY;
        *st = take_args(p, type, c, 2, 8);
        if (*st == LM_OK) {
            *st = all_dates(p, c);
        }
    } else if (take(p, "same_holder(")) {
        c->kind = EX_SAME_HOLDER;
        *st = take_same_holder(p, type, c);
    } else {
        return false;
    }
    return true;
}

static bool take_op(struct parser *p, enum ex_op *out)
{
    static const struct {
        const char *text;
        enum ex_op op;
    } ops[] = {{"!=", EX_NE}, {"<=", EX_LE}, {">=", EX_GE},      {"=", EX_EQ},
               {"<", EX_LT},  {">", EX_GT},  {"~", EX_CONTAINS}};

    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (take(p, ops[i].text)) {
            *out = ops[i].op;
            return true;
        }
    }
    return false;
}

static enum lm_status check_op(struct parser *p, const struct ex_clause *c)
{
    bool ordered = c->op == EX_LT || c->op == EX_LE || c->op == EX_GT || c->op == EX_GE;
    enum ex_class cls = c->path.cls;

    if (c->path.is_list && (c->op != EX_CONTAINS || cls == EX_OTHER)) {
        return bad(p, "列表字段只能用 ~、in、is", "a list takes only ~, in and is", "", 0);
    }
    if (ordered && (cls == EX_CODE || cls == EX_BOOL)) {
        return bad(p, "代码和是否不分大小", "codes and booleans have no order", "", 0);
    }
    if (c->op == EX_CONTAINS && !c->path.is_list && cls != EX_TEXT && cls != EX_CODE) {
        return bad(p, "~ 只用于文字", "~ is for text only", "", 0);
    }
    if (c->op == EX_CONTAINS && c->path.is_list &&
        (c->operand.a.source != EX_LITERAL || c->operand.sign)) {
        return bad(p, "列表的 ~ 之后应当是固定的值", "~ on a list takes a literal", "", 0);
    }
    return LM_OK;
}

static enum lm_status parse_clause(struct parser *p, const struct lm_type *type,
                                   struct ex_clause *c)
{
    enum lm_status st;

    memset(c, 0, sizeof(*c));
    skip_space(p);
    p->clause = p->at;
    if (take_function(p, type, c, &st)) {
        return st;
    }
    st = take_path(p, type, &c->path);
    if (st != LM_OK) {
        return st;
    }
    if (take_keyword(p, "in")) {
        c->kind = EX_IN;
        return take_in(p, c);
    }
    if (take_keyword(p, "is")) {
        c->kind = take_keyword(p, "set") ? EX_SET : EX_NULL;
        if (c->kind == EX_NULL && !take_keyword(p, "null")) {
            return bad(p, "is 之后应当是 set 或 null", "set or null is expected after is", p->at,
                       strnlen(p->at, 20));
        }
        return LM_OK;
    }
    if (take_keyword(p, "has")) {
        c->kind = EX_HAS;
        return take_has(p, c);
    }
    c->kind = EX_COMPARE;
    if (!take_op(p, &c->op)) {
        return bad(p, "缺少比较符号", "a comparison is expected here", p->at, strnlen(p->at, 20));
    }
    st = take_operand(p, type, &c->path, &c->operand);
    return st == LM_OK ? check_op(p, c) : st;
}

static enum lm_status parse_filter(struct parser *p, const struct lm_type *type, bool nested,
                                   const struct lm_expr **out)
{
    struct ex_clause *clauses;
    struct lm_expr *expr;
    size_t n = 0;
    enum lm_status st = LM_OK;

    if (++p->depth > EX_DEPTH_MAX) {
        return bad(p, "括号嵌套太深", "the brackets are nested too deep", "", 0);
    }
    /* Small filters are many: gather in a block of the most there may be, keep what there is. */
    clauses = lm_arena_alloc(p->arena, 4 * sizeof(*clauses));
    expr = lm_arena_alloc(p->arena, sizeof(*expr));
    if (!clauses || !expr) {
        return out_of_memory(p);
    }
    skip_space(p);
    if (*p->at && *p->at != ')') {
        size_t room = 4;

        do {
            if (n == EX_CLAUSES_MAX) {
                return bad(p, "条件太多", "too many clauses", "", 0);
            }
            if (n == room) {
                struct ex_clause *more = lm_arena_alloc(p->arena, 2 * room * sizeof(*more));

                if (!more) {
                    return out_of_memory(p);
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
        } while (take(p, "&"));
    }
    skip_space(p);
    if (nested ? *p->at != ')' : *p->at != 0) {
        return bad(p, "条件之后有多余的内容", "there is something left after the clause", p->at,
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
                             const struct lm_type *type, const char *text, const struct lm_expr **out,
                             struct lm_error *err)
{
    struct parser p = {.arena = arena, .catalog = catalog, .err = err};

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
        if (c->kind == EX_COMPARE &&
            (!primary_set(&c->operand.a, rec) ||
             (c->operand.sign && !primary_set(&c->operand.b, rec)))) {
            return false;
        }
    }
    return true;
}
