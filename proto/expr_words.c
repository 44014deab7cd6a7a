/* Filters: the words of the grammar: names, paths, literals and operands, each checked against the
 * catalogue.
 *
 * A word that could be both is read as a code of the list where the left side is a code, else as a
 * field of the type; "…" in double quotes is always a literal. Pure; everything lives in the
 * caller's arena. */
#include "common/base/util.h"
#include "proto/expr_internal.h"

#include <stdio.h>
#include <string.h>

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
enum lm_status ex_bad(struct ex_parser *p, const char *zh, const char *en, const char *word,
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

enum lm_status ex_out_of_memory(struct ex_parser *p)
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

void ex_skip_space(struct ex_parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r') {
        p->at++;
    }
}

bool ex_take(struct ex_parser *p, const char *text)
{
    size_t n = strlen(text);

    ex_skip_space(p);
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
bool ex_take_keyword(struct ex_parser *p, const char *text)
{
    const char *start = p->at;

    if (ex_take(p, text) && !ident_char(*p->at)) {
        return true;
    }
    p->at = start;
    return false;
}

size_t ex_ident_length(const char *text)
{
    size_t n = 0;

    while (ident_char(text[n])) {
        n++;
    }
    return n;
}

/* A bare or quoted word; *quoted tells. n = 0 when there is none. */
const char *ex_take_word(struct ex_parser *p, size_t *n, bool *quoted)
{
    const char *start;

    ex_skip_space(p);
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

enum ex_class ex_class_of(const struct lm_field *field)
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

static enum lm_status resolve_path(struct ex_parser *p, const struct lm_type *type,
                                   const char *text, size_t n, struct ex_path *out)
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
        return ex_bad(p, "没有这个字段", "there is no such field", text, head);
    }
    last = out->field;
    if (arrow) {
        const char *name = arrow + 2;
        size_t len = n - head - 2;

        if (last->ftype != LM_F_UUID || last->is_list || !last->ref ||
            !(out->ref_type = lm_catalog_type(p->catalog, last->ref))) {
            return ex_bad(p, "这个字段不指向另一条记录",
                          "the field does not refer to another record", text, head);
        }
        out->ref_field = lm_type_fieldn(out->ref_type, name, len);
        if (!out->ref_field) {
            return ex_bad(p, "被指向的记录没有这个字段", "the record referred to has no such field",
                          name, len);
        }
        last = out->ref_field;
        owner = out->ref_type;
    }
    out->cls = ex_class_of(last);
    out->is_list = last->is_list;
    out->list = list_of(owner, last);
    return LM_OK;
}

/* Reads "field", "field->field" or "area.level". */
enum lm_status ex_take_path(struct ex_parser *p, const struct lm_type *type, struct ex_path *out)
{
    const char *start;
    size_t n;

    ex_skip_space(p);
    start = p->at;
    if (strncmp(start, "area.level", 10) == 0 && !ident_char(start[10])) {
        n = 10;
    } else {
        n = ex_ident_length(start);
        if (n && start[n] == '-' && start[n + 1] == '>') {
            n += 2 + ex_ident_length(start + n + 2);
        }
    }
    if (!n) {
        return ex_bad(p, "这里应当是字段名", "a field name is expected here", start,
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
enum lm_status ex_make_literal(struct ex_parser *p, enum ex_class cls, const struct lm_list *list,
                               const char *text, size_t n, struct lm_value *out)
{
    int64_t number = 0;
    char *copy = lm_arena_text(p->arena, text, n);

    if (!copy) {
        return ex_out_of_memory(p);
    }
    switch (cls) {
    case EX_CODE:
        if (!has_code(list, copy)) {
            return ex_bad(p, "代码表里没有这个代码", "the code list has no such code", text, n);
        }
        break;
    case EX_INT:
        if (!parse_int(text, n, &number)) {
            return ex_bad(p, "这里应当是整数", "a whole number is expected here", text, n);
        }
        *out = lm_value_int(number);
        return LM_OK;
    case EX_DECIMAL:
        if (!parse_decimal(text, n, &number)) {
            return ex_bad(p, "这里应当是数字", "a number is expected here", text, n);
        }
        *out = lm_value_int(number);
        return LM_OK;
    case EX_BOOL:
        if (!is_word(text, n, "true") && !is_word(text, n, "false")) {
            return ex_bad(p, "这里应当是 true 或 false", "true or false is expected here", text, n);
        }
        *out = lm_value_bool(text[0] == 't');
        return LM_OK;
    case EX_DATE:
    case EX_DATETIME:
        if (!lm_date_parse(text, n, &number)) {
            return ex_bad(p, "这里应当是日期 YYYY-MM-DD", "a date YYYY-MM-DD is expected here",
                          text, n);
        }
        break;
    case EX_OTHER:
        return ex_bad(p, "这个字段不能比较", "this field cannot be compared", text, n);
    case EX_TEXT:
        break;
    }
    if (!n) {
        return ex_bad(p, "缺少比较的值", "the value to compare with is missing", text, n);
    }
    *out = lm_value_textn(copy, n);
    return LM_OK;
}

bool ex_is_day(enum ex_class cls)
{
    return cls == EX_DATE || cls == EX_DATETIME;
}

static bool is_number(enum ex_class cls)
{
    return cls == EX_INT || cls == EX_DECIMAL;
}

static bool comparable(enum ex_class a, enum ex_class b)
{
    if (ex_is_day(a) || is_number(a)) {
        return ex_is_day(a) ? ex_is_day(b) : is_number(b);
    }
    if (a == EX_CODE || a == EX_TEXT) {
        return b == EX_CODE || b == EX_TEXT;
    }
    return a == b && a != EX_OTHER;
}

/* One operand without arithmetic; want is the class of the left side. */
static enum lm_status take_primary(struct ex_parser *p, const struct lm_type *type,
                                   enum ex_class want, const struct lm_list *list,
                                   struct ex_primary *out)
{
    enum lm_status st;
    size_t n;
    bool quoted;
    const char *text = ex_take_word(p, &n, &quoted);
    size_t ident = ex_ident_length(text);
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
            return ex_bad(p, "没有这个变量", "there is no such variable", text, n);
        }
        return LM_OK;
    }
    path_like = !quoted && n && ident > 0 && !(text[0] >= '0' && text[0] <= '9') &&
                (ident == n || (text[ident] == '-' && text[ident + 1] == '>') ||
                 is_word(text, n, "area.level"));
    if (path_like && want == EX_CODE && list) {
        char *copy = lm_arena_text(p->arena, text, n);

        if (!copy) {
            return ex_out_of_memory(p);
        }
        path_like = lm_list_code(list, copy) == NULL;
    }
    if (path_like && (lm_type_fieldn(type, text, ident) || is_word(text, n, "area.level"))) {
        out->source = EX_PATH;
        st = resolve_path(p, type, text, n, &out->path);
        if (st == LM_OK && out->path.is_list) {
            return ex_bad(p, "不能与列表字段比较", "a list field cannot be compared with", text, n);
        }
        out->cls = out->path.cls;
        return st;
    }
    out->source = EX_LITERAL;
    st = ex_make_literal(p, want, list, text, n, &out->literal);
    if (want == EX_DATETIME) {
        out->cls = EX_DATE;
    }
    return st;
}

/* What follows + or -: whole number with an optional unit (30, 30d, 6m, 16y), or a number field. */
static enum lm_status take_offset(struct ex_parser *p, const struct lm_type *type,
                                  struct ex_operand *out)
{
    const char *start = p->at;
    size_t n;
    bool quoted;
    const char *text = ex_take_word(p, &n, &quoted);
    int64_t number;

    out->unit = EX_DAYS;
    if (ex_is_day(out->a.cls) && n > 1 && !quoted && parse_int(text, n - 1, &number) &&
        strchr("dmy", text[n - 1])) {
        out->unit = text[n - 1] == 'd' ? EX_DAYS : text[n - 1] == 'm' ? EX_MONTHS : EX_YEARS;
        out->b.source = EX_LITERAL;
        out->b.cls = EX_INT;
        out->b.literal = lm_value_int(number);
        return LM_OK;
    }
    p->at = start;
    return take_primary(p, type, ex_is_day(out->a.cls) ? EX_INT : out->a.cls, NULL, &out->b);
}

enum lm_status ex_take_operand(struct ex_parser *p, const struct lm_type *type,
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
    ex_skip_space(p);
    if (*p->at == '+' || *p->at == '-') {
        out->sign = *p->at == '+' ? 1 : -1;
        p->at++;
        st = take_offset(p, type, out);
        if (st != LM_OK) {
            return st;
        }
        if (!(ex_is_day(out->a.cls) && out->b.cls == EX_INT) &&
            !(is_number(out->a.cls) && is_number(out->b.cls))) {
            return ex_bad(p, "只能对数字或日期加减", "only numbers and dates can be added to",
                          start, (size_t)(p->at - start));
        }
        if (ex_is_day(out->cls)) {
            out->cls = EX_DATE;
        } else if (out->b.cls == EX_DECIMAL) {
            out->cls = EX_DECIMAL;
        }
    }
    if (!comparable(left->cls, out->cls)) {
        return ex_bad(p, "两边的类型不同,不能比较", "the two sides are of different types", start,
                      (size_t)(p->at - start));
    }
    return LM_OK;
}
