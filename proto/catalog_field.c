/* Code lists, fields and rules: JSON → structures. Expressions are kept as text and compiled when
 * all types are known. Pure. */
#include "proto/catalog_internal.h"

#include <stdio.h>
#include <string.h>

const char *const lm_catalog_formats[] = {
    "name",        "phone",           "idno",        "division",       "area_code",
    "digits",      "month",           "record_type", "person_or_name", "late_materials",
    "stage_dates", "aligned_persons", NULL,
};

static const char *const ftype_words[] = {
    "text",     "code", "char", "int",  "decimal", "bool", "date",
    "datetime", "uuid", "ref",  "file", "hex",     "map",  NULL,
};

/* ---- code lists ---- */

static bool code_valid(const char *code)
{
    static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";

    return strlen(code) <= CAT_NAME_MAX && strspn(code, chars) == strlen(code);
}

static void read_list(struct cat_loader *l, const json_t *obj, struct lm_list *out)
{
    static const char *const keys[] = {"name", "codes", "note", NULL};
    static const char *const code_keys[] = {"code", "zh", "en", "retired", NULL};
    const json_t *codes;

    if (!cat_object(l, obj, keys)) {
        return;
    }
    out->name = cat_name(l, obj, "name");
    if (!out->name) {
        return;
    }
    cat_at(l, "%s", out->name);
    codes = cat_array(l, obj, "codes", true, CAT_CODES_MAX);
    out->n_codes = json_array_size(codes);
    if (codes && !out->n_codes) {
        cat_bad(l, "代码表是空的", "the code list is empty", NULL);
    }
    out->codes = cat_alloc(l, out->n_codes, sizeof(*out->codes));
    for (size_t i = 0; out->codes && i < out->n_codes && l->status == LM_OK; i++) {
        const json_t *item = json_array_get(codes, i);
        struct lm_code *code = &out->codes[i];

        cat_at(l, "%s[%zu]", out->name, i);
        if (!cat_object(l, item, code_keys)) {
            return;
        }
        code->code = cat_text(l, item, "code", true, CAT_NAME_MAX);
        if (code->code && !code_valid(code->code)) {
            cat_bad(l, "代码只能用字母、数字和下划线",
                    "a code takes letters, digits and underscores", code->code);
        }
        cat_labels(l, item, &code->zh, &code->en);
        code->retired = cat_flag(l, item, "retired", false);
    }
    cat_at(l, "%s", out->name);
    out->by_code = cat_index(l, out->codes, out->n_codes, sizeof(*out->codes));
}

void cat_read_lists(struct cat_loader *l)
{
    static const char *const keys[] = {"lists", "note", NULL};
    const json_t *root = cat_file(l, "lists.json");
    const json_t *lists;

    if (!cat_object(l, root, keys)) {
        return;
    }
    lists = cat_array(l, root, "lists", true, CAT_LISTS_MAX);
    l->cat->lists = cat_alloc(l, json_array_size(lists), sizeof(*l->cat->lists));
    if (!l->cat->lists) {
        return;
    }
    l->cat->n_lists = json_array_size(lists);
    for (size_t i = 0; i < l->cat->n_lists && l->status == LM_OK; i++) {
        cat_at(l, "lists[%zu]", i);
        read_list(l, json_array_get(lists, i), &l->cat->lists[i]);
    }
    cat_at(l, "lists");
    l->cat->lists_by_name = cat_index(l, l->cat->lists, l->cat->n_lists, sizeof(*l->cat->lists));
}

/* ---- fields ---- */

/* A bound of a number: a whole number, or for decimals also a text such as "0.0001". */
static int64_t read_bound(struct cat_loader *l, const json_t *obj, const char *key, bool decimal,
                          int64_t otherwise)
{
    const json_t *v = json_object_get(obj, key);
    const char *text;
    int64_t value = 0;
    int places = -1;

    if (!decimal) {
        return cat_int(l, obj, key, INT64_MIN, INT64_MAX, otherwise);
    }
    if (!json_is_string(v)) {
        int64_t limit = INT64_MAX / LM_DECIMAL_SCALE;
        int64_t n = cat_int(l, obj, key, -limit, limit, INT64_MAX);

        return n == INT64_MAX ? otherwise : n * LM_DECIMAL_SCALE;
    }
    text = json_string_value(v);
    for (size_t i = 0; text[i]; i++) {
        if (text[i] == '.' && places < 0 && i) {
            places = 0;
        } else if (text[i] < '0' || text[i] > '9' || places == 4 || value > INT64_MAX / 100000000) {
            cat_bad(l, "这里应当是数字，最多四位小数",
                    "a number with at most four decimals is expected here", text);
            return otherwise;
        } else {
            value = value * 10 + (text[i] - '0');
            places += places >= 0;
        }
    }
    for (int k = places < 0 ? 0 : places; k < 4; k++) {
        value *= 10;
    }
    return value;
}

static void read_preset(struct cat_loader *l, const json_t *obj, struct lm_field *f)
{
    const json_t *v = json_object_get(obj, "preset");
    bool good = false;

    if (!v || json_is_null(v) || l->status != LM_OK) {
        return;
    }
    if (f->is_list) {
        cat_bad(l, "列表字段没有默认值", "a list has no default", NULL);
        return;
    }
    if (f->ftype == LM_F_BOOL && json_is_boolean(v)) {
        f->preset = lm_value_bool(json_is_true(v));
        good = true;
    } else if (f->ftype == LM_F_INT && json_is_integer(v)) {
        f->preset = lm_value_int(json_integer_value(v));
        good = json_integer_value(v) >= f->min && json_integer_value(v) <= f->max;
    } else if (f->ftype == LM_F_CODE && json_is_string(v)) {
        const struct lm_code *code = f->list ? lm_list_code(f->list, json_string_value(v)) : NULL;

        good = code && !code->retired;
        if (good) {
            f->preset = lm_value_text(code->code);
        }
    } else if (f->ftype == LM_F_TEXT && json_is_string(v)) {
        const char *text = cat_text(l, obj, "preset", true, f->max_chars);

        if (text) {
            f->preset = lm_value_text(text);
        }
        good = true;
    }
    if (!good) {
        cat_bad(l, "默认值不合该字段的规定", "the default does not fit the field", "preset");
    }
}

static bool has_format(const char *format)
{
    for (size_t i = 0; lm_catalog_formats[i]; i++) {
        if (strcmp(lm_catalog_formats[i], format) == 0) {
            return true;
        }
    }
    return false;
}

/* Refuses a key that says something about another kind of field. */
static void only_for(struct cat_loader *l, const json_t *obj, const char *key, bool fits)
{
    if (l->status == LM_OK && !fits && json_object_get(obj, key)) {
        cat_bad(l, "这个项目不适用于该类型的字段", "the key does not fit the field's type", key);
    }
}

/* What a value may be: the keys that fields and members share. */
static void read_value_kind(struct cat_loader *l, const struct lm_type *type, const json_t *obj,
                            struct lm_field *f)
{
    bool text, fixed, number;
    size_t n;

    f->ftype = (enum lm_ftype)cat_word(l, obj, "type", ftype_words, -1);
    text = f->ftype == LM_F_TEXT;
    fixed = f->ftype == LM_F_CHAR || f->ftype == LM_F_HEX;
    number = f->ftype == LM_F_INT || f->ftype == LM_F_DECIMAL;
    only_for(l, obj, "max_chars", text);
    only_for(l, obj, "chars", fixed);
    only_for(l, obj, "min", number);
    only_for(l, obj, "max", number);
    only_for(l, obj, "codes", f->ftype == LM_F_CODE);
    only_for(l, obj, "ref", f->ftype == LM_F_UUID);
    only_for(l, obj, "ref_types", f->ftype == LM_F_REF);
    only_for(l, obj, "not_future", f->ftype == LM_F_DATE || f->ftype == LM_F_DATETIME);
    only_for(l, obj, "members", f->ftype == LM_F_MAP);
    f->min = INT64_MIN;
    f->max = INT64_MAX;
    if (text || fixed) {
        const char *key = text ? "max_chars" : "chars";

        f->max_chars = (size_t)cat_int(l, obj, key, 1, LM_TEXT_CHARS_MAX, 0);
        if (l->status == LM_OK && !f->max_chars) {
            cat_bad(l, "缺少项目", "a key is missing", key);
        }
    }
    if (number) {
        f->min = read_bound(l, obj, "min", f->ftype == LM_F_DECIMAL, INT64_MIN);
        f->max = read_bound(l, obj, "max", f->ftype == LM_F_DECIMAL, INT64_MAX);
        if (l->status == LM_OK && f->min > f->max) {
            cat_bad(l, "最小值大于最大值", "the minimum is above the maximum", NULL);
        }
    }
    if (f->ftype == LM_F_CODE) {
        const char *list = cat_text(l, obj, "codes", true, CAT_NAME_MAX);

        if (list) {
            f->list =
                strcmp(list, "@states") == 0 && type ? type->states : lm_catalog_list(l->cat, list);
            if (!f->list) {
                cat_bad(l, "没有这个代码表", "there is no such code list", list);
            }
        }
    }
    if (f->ftype == LM_F_UUID) {
        f->ref = cat_text(l, obj, "ref", false, CAT_NAME_MAX);
        if (f->ref && strcmp(f->ref, "@self") == 0) {
            f->ref = type ? type->name : NULL;
        }
    }
    f->ref_types = cat_texts(l, obj, "ref_types", false, &n);
    f->not_future = cat_flag(l, obj, "not_future", false);
    f->format = cat_text(l, obj, "format", false, CAT_NAME_MAX);
    if (f->format && !has_format(f->format)) {
        cat_bad(l, "没有这种格式检查", "there is no such format", f->format);
    }
}

static void read_members(struct cat_loader *l, const json_t *obj, struct lm_field *f)
{
    static const char *const keys[] = {
        "name", "zh",  "en",       "type",       "max_chars", "chars", "codes", "min",
        "max",  "ref", "required", "not_future", "format",    "note",  NULL,
    };
    const json_t *members;

    if (f->ftype != LM_F_MAP) {
        return;
    }
    members = cat_array(l, obj, "members", true, LM_FIELDS_PER_TYPE_MAX);
    f->n_members = json_array_size(members);
    if (l->status == LM_OK && (!f->n_members || !f->is_list)) {
        cat_bad(l, "这种字段须是列表，且写明成员", "such a field must be a list with members",
                NULL);
    }
    f->members = cat_alloc(l, f->n_members, sizeof(*f->members));
    for (size_t i = 0; f->members && i < f->n_members && l->status == LM_OK; i++) {
        const json_t *item = json_array_get(members, i);
        struct lm_field *m = &f->members[i];

        if (!cat_object(l, item, keys)) {
            return;
        }
        m->name = cat_name(l, item, "name");
        cat_labels(l, item, &m->zh, &m->en);
        read_value_kind(l, NULL, item, m);
        m->required = cat_flag(l, item, "required", false) ? LM_REQUIRED : LM_OPTIONAL;
        m->index = (int)i;
        m->sensitivity = f->sensitivity;
        m->edit_by = f->edit_by;
        m->fill = f->fill;
        if (l->status == LM_OK && m->ftype == LM_F_MAP) {
            cat_bad(l, "成员不能再有成员", "a member cannot have members", m->name);
        }
    }
    (void)cat_index(l, f->members, f->n_members, sizeof(*f->members));
}

static void read_items(struct cat_loader *l, const json_t *obj, struct lm_field *f)
{
    static const char *const keys[] = {"min", "max", "unique", NULL};
    const json_t *items = json_object_get(obj, "items");

    if (!items || l->status != LM_OK || !cat_object(l, items, keys)) {
        return;
    }
    f->is_list = true;
    f->min_items = (size_t)cat_int(l, items, "min", 0, LM_LIST_ITEMS_MAX, 0);
    f->max_items = (size_t)cat_int(l, items, "max", 1, LM_LIST_ITEMS_MAX, LM_LIST_ITEMS_MAX);
    f->unique_items = cat_flag(l, items, "unique", false);
    if (l->status == LM_OK && f->min_items > f->max_items) {
        cat_bad(l, "最小值大于最大值", "the minimum is above the maximum", "items");
    }
}

/* "state in (a|b)" of those states that the type has; NULL when it has none. */
static const char *states_filter(struct cat_loader *l, const struct lm_type *type,
                                 const json_t *item)
{
    char text[CAT_FILTER_MAX] = "state in (";
    size_t len = strlen(text);
    size_t n, used = 0;
    const char **states = cat_texts(l, item, "in_states", true, &n);

    for (size_t i = 0; states && i < n; i++) {
        if (!lm_list_code(type->states, states[i])) {
            continue;
        }
        if (len + strlen(states[i]) + 3 > sizeof(text)) {
            cat_bad(l, "条件太长", "the condition is too long", "in_states");
            return NULL;
        }
        len +=
            (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", used++ ? "|" : "", states[i]);
    }
    if (!used) {
        return NULL;
    }
    text[len++] = ')';
    char *out = cat_alloc(l, len + 1, 1);
    if (out) {
        memcpy(out, text, len);
    }
    return out;
}

static void read_conditions(struct cat_loader *l, const struct lm_type *type, const json_t *obj,
                            bool common, struct lm_field *f)
{
    static const char *const own_keys[] = {"when", "level", NULL};
    static const char *const common_keys[] = {"when", "in_states", "level", NULL};
    static const char *const levels[] = {"refuse", "enter", "warn", NULL};
    const json_t *array = cat_array(l, obj, "conditions", false, CAT_RULES_MAX);
    size_t n = json_array_size(array);

    if (!n) {
        return;
    }
    if (f->required == LM_REQUIRED) {
        cat_bad(l, "必填字段不再有条件", "a required field has no conditions", "conditions");
    }
    f->conditions = cat_alloc(l, n, sizeof(*f->conditions));
    for (size_t i = 0; f->conditions && i < n && l->status == LM_OK; i++) {
        const json_t *item = json_array_get(array, i);
        struct lm_condition *c = &f->conditions[f->n_conditions];

        if (!cat_object(l, item, common ? common_keys : own_keys)) {
            return;
        }
        c->level = (enum lm_level)cat_word(l, item, "level", levels, -1);
        c->text = json_object_get(item, "in_states")
                      ? states_filter(l, type, item)
                      : cat_text(l, item, "when", true, CAT_FILTER_MAX);
        f->n_conditions += c->text != NULL;
    }
    if (f->n_conditions) {
        f->required = LM_CONDITIONAL;
    }
}

void cat_read_field(struct cat_loader *l, const struct lm_type *type, const json_t *obj,
                    bool common, struct lm_field *out)
{
    static const char *const keys[] = {
        "name",    "zh",        "en",         "type",    "max_chars",   "chars",   "codes",
        "min",     "max",       "not_future", "format",  "items",       "ref",     "ref_types",
        "members", "required",  "conditions", "preset",  "sensitivity", "edit_by", "fill",
        "compute", "frozen_in", "guarded",    "retired", "note",        NULL,
    };
    static const char *const fills[] = {"user", "program", "hub", "computed", NULL};
    size_t n;

    if (!cat_object(l, obj, keys)) {
        return;
    }
    out->name = cat_name(l, obj, "name");
    if (!out->name) {
        return;
    }
    cat_at(l, "%s.%s", type->name, out->name);
    cat_labels(l, obj, &out->zh, &out->en);
    read_value_kind(l, type, obj, out);
    read_items(l, obj, out);
    out->required = cat_flag(l, obj, "required", false) ? LM_REQUIRED : LM_OPTIONAL;
    out->sensitivity = (int)cat_int(l, obj, "sensitivity", 0, LM_SENSITIVITY_SECRET, -1);
    if (l->status == LM_OK && out->sensitivity < 0) {
        cat_bad(l, "缺少项目", "a key is missing", "sensitivity");
    }
    out->edit_by = cat_authors(l, obj, "edit_by");
    out->fill = (enum lm_fill)cat_word(l, obj, "fill", fills, LM_FILL_USER);
    out->compute = cat_text(l, obj, "compute", false, 2 * CAT_NAME_MAX);
    out->retired = cat_flag(l, obj, "retired", false);
    out->common = common;
    out->frozen_in = cat_texts(l, obj, "frozen_in", false, &n);
    for (size_t i = 0; i < n; i++) {
        if (!lm_list_code(type->states, out->frozen_in[i])) {
            cat_bad(l, "没有这个状态", "there is no such state", out->frozen_in[i]);
        }
    }
    read_members(l, obj, out);
    read_preset(l, obj, out);
    read_conditions(l, type, obj, common, out);
    if (l->status == LM_OK && (out->fill == LM_FILL_USER ? (out->edit_by & LM_BY_SYSTEM)
                                                         : out->edit_by != LM_BY_SYSTEM)) {
        cat_bad(l, "系统填写的字段由 system 编辑，其他字段由人编辑",
                "a field that programs fill is edited by system, any other by people", "edit_by");
    }
    if (l->status == LM_OK && (out->fill == LM_FILL_COMPUTED) != (out->compute != NULL)) {
        cat_bad(l, "计算字段须写明计算规则", "a computed field names its rule, no other does",
                "compute");
    }
    if (l->status == LM_OK && out->retired && out->required != LM_OPTIONAL) {
        cat_bad(l, "停用的字段不能必填", "a retired field cannot be required", "retired");
    }
}

/* ---- rules ---- */

void cat_read_rules(struct cat_loader *l, const struct lm_type *type, const json_t *obj,
                    struct lm_rule **out, size_t *n_out)
{
    static const char *const keys[] = {"code", "field", "zh",   "en", "when",
                                       "need", "level", "note", NULL};
    static const char *const levels[] = {"refuse", "warn", NULL};
    const json_t *array = cat_array(l, obj, "rules", false, CAT_RULES_MAX);
    size_t n = json_array_size(array);
    struct lm_rule *rules;

    *n_out = 0;
    *out = NULL;
    if (!n) {
        return;
    }
    rules = cat_alloc(l, n, sizeof(*rules));
    for (size_t i = 0; rules && i < n && l->status == LM_OK; i++) {
        const json_t *item = json_array_get(array, i);
        struct lm_rule *r = &rules[i];

        if (!cat_object(l, item, keys)) {
            return;
        }
        r->code = cat_name(l, item, "code");
        r->field = cat_name(l, item, "field");
        if (r->field && !lm_type_field(type, r->field)) {
            cat_bad(l, "规则指向的字段不存在", "the rule speaks of a field that is not there",
                    r->field);
        }
        cat_labels(l, item, &r->zh, &r->en);
        r->when_text = cat_text(l, item, "when", false, CAT_FILTER_MAX);
        r->need_text = cat_text(l, item, "need", true, CAT_FILTER_MAX);
        r->level = cat_word(l, item, "level", levels, -1) ? LM_WARN : LM_REFUSE;
    }
    *out = rules;
    *n_out = rules ? n : 0;
}
