/* Indicators: JSON → structures, checked against the types and against each other. Pure. */
#include "proto/catalog_internal.h"

#include "proto/expr.h"

#include <stdio.h>
#include <string.h>

static const char *const measure_words[] = {
    "count", "sum",    "sum_len",     "distinct",        "ratio",
    "gap",   "filled", "median_days", "stations_within", NULL,
};
static const char *const rounding_words[] = {
    "exact", "yu10", "yu100", "yu1000", "yu10000yuan", "pct0", "yuan", NULL,
};

static bool of_indicators(const struct lm_indicator *ind)
{
    return ind->measure == LM_M_RATIO || ind->measure == LM_M_GAP;
}

/* ---- dimensions ---- */

static bool plain_dimension(const char *name)
{
    return strcmp(name, "village") == 0 || strcmp(name, "office") == 0 ||
           strcmp(name, "month") == 0;
}

/* "month", "category=field", "category=child.field", "age=band(field)". */
static void read_dimension(struct cat_loader *l, const char *text, struct lm_dimension *out)
{
    const char *equals = strchr(text, '=');
    const char *right = equals ? equals + 1 : NULL;
    const char *dot;
    size_t n;

    if (!right) {
        out->name = text;
        if (!plain_dimension(text)) {
            cat_bad(l, "没有这种分组", "there is no such grouping", text);
        }
        return;
    }
    out->name = lm_arena_text(&l->cat->arena, text, (size_t)(equals - text));
    out->text = right;
    n = strlen(right);
    if (n > 6 && strncmp(right, "band(", 5) == 0 && right[n - 1] == ')') {
        out->field = lm_arena_text(&l->cat->arena, right + 5, n - 6);
        dot = NULL;
    } else {
        dot = strchr(right, '.');
        out->field = dot ? dot + 1 : right;
    }
    if (dot) {
        out->child = lm_arena_text(&l->cat->arena, right, (size_t)(dot - right));
    }
    if (!out->name || !out->field || (dot && !out->child)) {
        (void)cat_alloc(l, 1, (size_t)CAT_ARENA_BYTES + 1);
        return;
    }
    if (!out->name[0] || plain_dimension(out->name)) {
        cat_bad(l, "没有这种分组", "there is no such grouping", text);
    }
}

/* type: of the rows counted; for ratios, of those of the first indicator below. */
static void check_dimension(struct cat_loader *l, const struct lm_type *type,
                            const struct lm_dimension *d)
{
    const struct lm_type *owner = type;

    if (!d->field) {
        return;
    }
    if (d->child) {
        bool refers = false;

        owner = lm_catalog_type(l->cat, d->child);
        for (size_t i = 0; owner && type && i < owner->n_fields; i++) {
            refers |= owner->fields[i].ref && strcmp(owner->fields[i].ref, type->name) == 0;
        }
        if (!owner || !refers) {
            cat_bad(l, "分组用的子记录不存在", "the child record of a grouping is not there",
                    d->text);
            return;
        }
    }
    if (!owner || !lm_type_field(owner, d->field)) {
        cat_bad(l, "分组用的字段不存在", "the field of a grouping is not there", d->text);
    }
}

/* ---- arguments ---- */

/* How many arguments a measure takes (max 0 = none; SIZE_MAX = any number). */
static void arg_count(enum lm_measure measure, size_t *min, size_t *max)
{
    *min = *max = 1;
    switch (measure) {
    case LM_M_COUNT:
    case LM_M_STATIONS_WITHIN:
        *min = *max = 0;
        break;
    case LM_M_RATIO:
    case LM_M_GAP:
    case LM_M_MEDIAN_DAYS:
        *min = *max = 2;
        break;
    case LM_M_DISTINCT:
    case LM_M_FILLED:
        *max = SIZE_MAX;
        break;
    case LM_M_SUM:
    case LM_M_SUM_LEN:
        break;
    }
}

static bool arg_fits(const struct lm_indicator *ind, const struct lm_field *f)
{
    if (ind->measure == LM_M_SUM) {
        return !f->is_list && (f->ftype == LM_F_INT || f->ftype == LM_F_DECIMAL);
    }
    if (ind->measure == LM_M_SUM_LEN) {
        return f->is_list;
    }
    if (ind->measure == LM_M_MEDIAN_DAYS) {
        return f->ftype == LM_F_DATE || f->ftype == LM_F_DATETIME;
    }
    return ind->measure == LM_M_FILLED || !f->is_list;
}

static void check_args(struct cat_loader *l, const struct lm_indicator *ind)
{
    size_t min, max;

    arg_count(ind->measure, &min, &max);
    if (ind->n_args < min || ind->n_args > max) {
        cat_bad(l, "参数个数不对", "the number of arguments is wrong", "args");
        return;
    }
    if ((ind->measure == LM_M_GAP || ind->measure == LM_M_STATIONS_WITHIN) !=
        (ind->arg_number > 0)) {
        cat_bad(l, "只有 gap 和 stations_within 写数字",
                "gap and stations_within take a number, no other does", "number");
    }
    for (size_t i = 0; i < ind->n_args && l->status == LM_OK; i++) {
        const struct lm_field *f;

        if (of_indicators(ind)) {
            if (!lm_catalog_indicator(l->cat, ind->args[i])) {
                cat_bad(l, "没有这个指标", "there is no such indicator", ind->args[i]);
            }
            continue;
        }
        f = lm_type_field(ind->type, ind->args[i]);
        if (!f || !arg_fits(ind, f)) {
            cat_bad(l, "没有这个字段，或类型不适合该计算",
                    "there is no such field, or its type does not suit the measure", ind->args[i]);
        }
    }
}

/* ---- one indicator ---- */

static void read_filter(struct cat_loader *l, const json_t *obj, struct lm_indicator *out)
{
    struct lm_error inner = {0};
    enum lm_status st;

    out->filter_text = cat_text(l, obj, "filter", false, CAT_FILTER_MAX);
    if (!out->filter_text) {
        return;
    }
    if (!out->type) {
        cat_bad(l, "没有记录类型，就没有筛选条件", "without a record type there is no filter",
                "filter");
        return;
    }
    st = lm_expr_parse(&l->cat->arena, l->cat, out->type, out->filter_text, &out->filter, &inner);
    if (st != LM_OK) {
        cat_wrap(l, st, &inner);
        return;
    }
    out->filter_names_state = lm_expr_names(out->filter, "state");
}

static void read_date(struct cat_loader *l, const json_t *obj, struct lm_indicator *out)
{
    const struct lm_field *f;

    out->date_field = cat_text(l, obj, "date", !of_indicators(out), CAT_NAME_MAX);
    if (!out->date_field || l->status != LM_OK) {
        return;
    }
    if (of_indicators(out)) {
        cat_bad(l, "比率没有日期字段", "a ratio or gap has no date field", "date");
        return;
    }
    if (strcmp(out->date_field, "@as_of") == 0) {
        if (out->flow) {
            cat_bad(l, "时期数须有日期字段", "a flow needs a date field", "date");
        }
        return;
    }
    f = out->type ? lm_type_field(out->type, out->date_field) : NULL;
    if (!out->flow || !f || (f->ftype != LM_F_DATE && f->ftype != LM_F_DATETIME)) {
        cat_bad(l, "时点数用 @as_of，时期数用日期字段", "a stock has @as_of, a flow a date field",
                out->date_field);
    }
}

static void read_indicator(struct cat_loader *l, const json_t *obj, struct lm_indicator *out)
{
    static const char *const keys[] = {
        "id",     "zh",   "en",         "unit",     "type", "measure", "args",          "number",
        "filter", "date", "dimensions", "rounding", "kind", "opening", "source_figure", "note",
        NULL,
    };
    static const char *const kinds[] = {"flow", "stock", NULL};
    const char *type;
    const char **dimensions;
    bool typed;

    if (!cat_object(l, obj, keys)) {
        return;
    }
    out->id = cat_text(l, obj, "id", true, 8);
    if (!out->id) {
        return;
    }
    cat_at(l, "%s", out->id);
    if (strspn(out->id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") !=
        strlen(out->id)) {
        cat_bad(l, "指标编号只能用字母、数字和下划线",
                "an id takes letters, digits and underscores", out->id);
    }
    cat_labels(l, obj, &out->zh, &out->en);
    out->unit = cat_text(l, obj, "unit", true, CAT_LABEL_MAX);
    out->source_figure = cat_text(l, obj, "source_figure", false, CAT_LABEL_MAX);
    out->measure = (enum lm_measure)cat_word(l, obj, "measure", measure_words, -1);
    out->rounding = (enum lm_rounding)cat_word(l, obj, "rounding", rounding_words, -1);
    out->flow = cat_word(l, obj, "kind", kinds, -1) == 0;
    out->opening = cat_flag(l, obj, "opening", false);
    out->arg_number = cat_int(l, obj, "number", 1, 1000000, 0);
    out->args = cat_texts(l, obj, "args", false, &out->n_args);
    type = cat_text(l, obj, "type", !of_indicators(out), CAT_NAME_MAX);
    if (l->status != LM_OK) {
        return;
    }
    typed = !of_indicators(out) && out->measure != LM_M_STATIONS_WITHIN;
    out->type = type ? lm_catalog_type(l->cat, type) : NULL;
    if (typed ? !out->type : (type && strcmp(type, "@coverage") != 0)) {
        cat_bad(l, "没有这种记录，或此指标不应写明记录类型",
                "there is no such record type, or the measure takes none", type);
    }
    read_filter(l, obj, out);
    read_date(l, obj, out);
    dimensions = cat_texts(l, obj, "dimensions", true, &out->n_dimensions);
    out->dimensions = cat_alloc(l, out->n_dimensions, sizeof(*out->dimensions));
    for (size_t i = 0; dimensions && out->dimensions && i < out->n_dimensions && l->status == LM_OK;
         i++) {
        read_dimension(l, dimensions[i], &out->dimensions[i]);
    }
}

/* ---- all of them ---- */

/* The type of the rows behind an indicator; follows ratios and gaps. Refuses circles. */
static const struct lm_type *rows_of(struct cat_loader *l, const struct lm_indicator *ind,
                                     size_t depth)
{
    const struct lm_type *first = NULL;

    if (l->status != LM_OK || !of_indicators(ind)) {
        return ind->type;
    }
    if (depth > 8) {
        cat_bad(l, "指标互相引用成了循环，或层次太深",
                "the indicators refer to each other in a circle, or too deeply", ind->id);
        return NULL;
    }
    for (size_t i = 0; i < ind->n_args; i++) {
        const struct lm_indicator *arg = lm_catalog_indicator(l->cat, ind->args[i]);
        const struct lm_type *type = arg ? rows_of(l, arg, depth + 1) : NULL;

        first = i == 0 ? type : first;
    }
    return first;
}

/* Opening balances are entered for exactly the indicators that allow them: the code list says
 * which. */
static void check_openings(struct cat_loader *l)
{
    const struct lm_list *list = lm_catalog_list(l->cat, "indicator");
    size_t n = 0;

    cat_at(l, "opening");
    if (!list) {
        cat_bad(l, "没有这个代码表", "there is no such code list", "indicator");
        return;
    }
    for (size_t i = 0; i < l->cat->n_indicators && l->status == LM_OK; i++) {
        const struct lm_indicator *ind = &l->cat->indicators[i];

        n += ind->opening;
        if (ind->opening && !lm_list_code(list, ind->id)) {
            cat_bad(l, "可有期初数的指标不在代码表 indicator 里",
                    "an indicator with openings is not in the list \"indicator\"", ind->id);
        }
    }
    if (l->status == LM_OK && n != list->n_codes) {
        cat_bad(l, "代码表 indicator 里有不允许期初数的指标",
                "the list \"indicator\" names one that takes no opening", NULL);
    }
}

void cat_read_indicators(struct cat_loader *l)
{
    static const char *const keys[] = {"indicators", "note", NULL};
    const json_t *root = cat_file(l, "indicators.json");
    const json_t *array;
    struct lm_indicator *items;
    size_t n;

    cat_at(l, "indicators");
    if (!cat_object(l, root, keys)) {
        return;
    }
    array = cat_array(l, root, "indicators", true, CAT_INDICATORS_MAX);
    n = json_array_size(array);
    items = cat_alloc(l, n, sizeof(*items));
    for (size_t i = 0; items && i < n && l->status == LM_OK; i++) {
        cat_at(l, "indicators[%zu]", i);
        read_indicator(l, json_array_get(array, i), &items[i]);
    }
    if (l->status != LM_OK) {
        return;
    }
    l->cat->indicators = items;
    l->cat->n_indicators = n;
    cat_at(l, "indicators");
    l->cat->indicators_by_id = cat_index(l, items, n, sizeof(*items));
    for (size_t i = 0; i < n && l->status == LM_OK; i++) {
        cat_at(l, "%s", items[i].id);
        check_args(l, &items[i]);
    }
    for (size_t i = 0; i < n && l->status == LM_OK; i++) {
        const struct lm_type *type;

        cat_at(l, "%s", items[i].id);
        type = rows_of(l, &items[i], 0);
        for (size_t k = 0; k < items[i].n_dimensions && l->status == LM_OK; k++) {
            check_dimension(l, type, &items[i].dimensions[k]);
        }
    }
    if (l->status == LM_OK) {
        check_openings(l);
    }
}
