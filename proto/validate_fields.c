/* The fields of one change: from what a person typed (JSON), or from a change's map. Every value
 * that ends up in the fieldset is canonical, in the caller's arena and its text NUL-terminated. A
 * value that does not fit is left out and complained about; the others still go through, so that a
 * person sees all complaints at once. */
#include "proto/validate_internal.h"

#include "common/base/util.h"

#include <stdio.h>
#include <string.h>

struct reader {
    const struct lm_catalog *catalog;
    const struct lm_type *type;
    struct lm_arena *arena;
    struct lm_issues *issues;
    enum lm_status status; /* memory only; complaints go into issues */
};

const struct lm_value *lm_fieldset_get(const struct lm_fieldset *set, int index)
{
    for (size_t i = 0; set && i < set->n; i++) {
        if (set->index[i] == index) {
            return &set->value[i];
        }
    }
    return NULL;
}

void lm_fieldset_put(struct lm_fieldset *set, int index, struct lm_value value)
{
    for (size_t i = 0; i < set->n; i++) {
        if (set->index[i] == index) {
            set->value[i] = value;
            return;
        }
    }
    LM_CHECK(set->n < LM_CHANGE_FIELDS_MAX);
    set->index[set->n] = index;
    set->value[set->n] = value;
    set->n++;
}

/* ---- from JSON ---- */

/* Jansson's iteration takes no const, but changes nothing. */
static json_t *for_reading(const json_t *json)
{
    union {
        const json_t *in;
        json_t *out;
    } u = {.in = json};

    return u.out;
}

static bool text_copy(struct reader *r, const char *text, size_t n, char **out)
{
    *out = lm_arena_text(r->arena, text, n);
    if (!*out) {
        r->status = LM_ERR_LIMIT;
    }
    return *out != NULL;
}

static void lower_hex(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] >= 'A' && text[i] <= 'F') {
            text[i] = (char)(text[i] - 'A' + 'a');
        }
    }
}

/* Line ends as \n alone; returns the new length. */
static size_t unix_lines(char *text, size_t n)
{
    size_t out = 0;

    for (size_t i = 0; i < n; i++) {
        if (text[i] != '\r' || i + 1 == n || text[i + 1] != '\n') {
            text[out++] = text[i];
        }
    }
    text[out] = 0;
    return out;
}

/* What is typed carelessly but surely meant: spaces at the ends, lower-case x, capitals in ids,
 * another time zone. */
static bool tidy_text(struct reader *r, const struct lm_field *f, const char *in, size_t n,
                      struct lm_value *out)
{
    bool lines = f->ftype == LM_F_TEXT && (!f->max_chars || f->max_chars > VX_LONG_TEXT);
    char time[LM_TIME_TEXT + 8];
    char *text;
    char *colon;
    int64_t ms;

    if (vx_blank(in, n)) {
        *out = lm_value_null();
        return true;
    }
    if (!lines) {
        in = vx_trim(in, n, &n);
    }
    if (f->ftype == LM_F_DATETIME && lm_time_parse(in, n, &ms)) {
        lm_time_format(ms, time);
        in = time;
        n = strlen(time);
    }
    if (!text_copy(r, in, n, &text)) {
        return false;
    }
    if (lines) {
        n = unix_lines(text, n);
    } else if (f->format && strcmp(f->format, "idno") == 0 && n == 18 && text[17] == 'x') {
        text[17] = 'X';
    } else if (f->ftype == LM_F_UUID || f->ftype == LM_F_FILE || f->ftype == LM_F_HEX) {
        lower_hex(text, n);
    } else if (f->ftype == LM_F_REF && (colon = memchr(text, ':', n)) != NULL) {
        lower_hex(colon, n - (size_t)(colon - text));
    }
    *out = lm_value_textn(text, n);
    return true;
}

/* "12.5", "-3": at most four places. */
static bool decimal_of_text(const char *text, size_t n, int64_t *out)
{
    bool negative = n && text[0] == '-';
    size_t i = negative;
    int places = -1;
    int64_t v = 0;

    if (i == n) {
        return false;
    }
    for (; i < n; i++) {
        if (text[i] == '.' && places < 0 && i > (size_t)negative && i + 1 < n) {
            places = 0;
            continue;
        }
        if (text[i] < '0' || text[i] > '9' || places == 4 || v > INT64_MAX / 1000000) {
            return false;
        }
        v = v * 10 + (text[i] - '0');
        places += places >= 0;
    }
    for (int k = places < 0 ? 0 : places; k < 4; k++) {
        if (__builtin_mul_overflow(v, (int64_t)10, &v)) {
            return false;
        }
    }
    *out = negative ? -v : v;
    return true;
}

static bool decimal_of_real(double real, int64_t *out)
{
    double scaled = real * LM_DECIMAL_SCALE;
    double slack = (scaled < 0 ? -scaled : scaled) * 4e-16;
    double off;

    if (!(scaled > -9e15 && scaled < 9e15)) {
        return false;
    }
    *out = (int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    off = scaled - (double)*out;
    /* A JSON real is exact to 53 bits: what is further off than that has more than four places. */
    if (slack < 1e-6) {
        slack = 1e-6;
    }
    return off <= slack && off >= -slack;
}

static bool read_decimal(struct reader *r, const struct vx_place *place, const json_t *json,
                         struct lm_value *out)
{
    int64_t v = 0;
    bool ok = false;

    if (json_is_integer(json)) {
        ok = !__builtin_mul_overflow((int64_t)json_integer_value(json), (int64_t)LM_DECIMAL_SCALE,
                                     &v);
    } else if (json_is_real(json)) {
        ok = decimal_of_real(json_real_value(json), &v);
    } else if (json_is_string(json)) {
        size_t n;
        const char *text = vx_trim(json_string_value(json), json_string_length(json), &n);

        if (!n) {
            *out = lm_value_null();
            return true;
        }
        ok = decimal_of_text(text, n, &v);
    }
    if (!ok) {
        vx_complain(r->issues, LM_REFUSE, "bad_type", place, "应当是数字，最多四位小数。",
                    "must be a number with at most four decimal places.");
        return false;
    }
    *out = lm_value_int(v);
    return true;
}

static bool read_item(struct reader *r, const struct lm_field *f, const struct vx_place *place,
                      const json_t *json, struct lm_value *out);

static bool unknown_name(struct reader *r, const char *name, const char *prefix)
{
    const char *meant = prefix[0] ? NULL : vx_meant_name(r->type, name);
    char field[96];
    char zh[200];
    char en[200];
    size_t n = strlen(name);

    if (n > 48) {
        n = 48;
        while (n && ((unsigned char)name[n] & 0xC0) == 0x80) {
            n--;
        }
    }
    snprintf(field, sizeof(field), "%.40s%.*s", prefix, (int)n, name);
    if (meant) {
        snprintf(zh, sizeof(zh), "没有“%s”这个字段，是不是“%s”？", field, meant);
        snprintf(en, sizeof(en), "There is no field \"%s\": is \"%s\" meant?", field, meant);
    } else {
        snprintf(zh, sizeof(zh), "没有“%s”这个字段，请检查拼写或删去。", field);
        snprintf(en, sizeof(en), "There is no field \"%s\": check its spelling or leave it out.",
                 field);
    }
    lm_issue_add(r->issues, LM_REFUSE, "unknown_field", field, zh, en);
    return false;
}

static bool read_map(struct reader *r, const struct lm_field *f, const struct vx_place *place,
                     const json_t *json, struct lm_value *out)
{
    struct lm_pair *pairs;
    const char *key;
    json_t *item;
    uint32_t n = 0;
    bool ok = true;

    if (!json_is_object(json)) {
        vx_complain(r->issues, LM_REFUSE, "bad_type", place, "应当是一组内容。",
                    "must be an object with members.");
        return false;
    }
    json_object_foreach(for_reading(json), key, item)
    {
        size_t m = 0;

        while (m < f->n_members && strcmp(f->members[m].name, key) != 0) {
            m++;
        }
        if (m == f->n_members) {
            char prefix[64];

            snprintf(prefix, sizeof(prefix), "%.28s[%ld].", place->field->name, place->item);
            return unknown_name(r, key, prefix);
        }
    }
    pairs = lm_arena_alloc(r->arena, (f->n_members ? f->n_members : 1) * sizeof(*pairs));
    if (!pairs) {
        r->status = LM_ERR_LIMIT;
        return false;
    }
    for (size_t m = 0; m < f->n_members; m++) {
        struct vx_place inner = *place;
        struct lm_value v = lm_value_null();

        inner.member = &f->members[m];
        item = json_object_get(json, inner.member->name);
        if (item && !json_is_null(item)) {
            ok = read_item(r, inner.member, &inner, item, &v) && ok;
        }
        if (ok && v.kind != LM_NULL) {
            pairs[n].key = inner.member->name;
            pairs[n].key_len = (uint32_t)strlen(inner.member->name);
            pairs[n].value = v;
            n++;
        }
    }
    if (ok && n == 0) {
        vx_complain(r->issues, LM_REFUSE, "required", place, "是空的，请填写或删去这一项。",
                    "is empty: fill it in or remove it.");
        return false;
    }
    *out = (struct lm_value){.kind = LM_MAP, .len = n, .pairs = pairs};
    return ok;
}

/* One value that is not a list, made canonical and checked. */
static bool read_item(struct reader *r, const struct lm_field *f, const struct vx_place *place,
                      const json_t *json, struct lm_value *out)
{
    const char *text;

    switch (f->ftype) {
    case LM_F_INT:
        if (json_is_integer(json)) {
            *out = lm_value_int((int64_t)json_integer_value(json));
            break;
        }
        if (json_is_string(json)) {
            vx_complain(r->issues, LM_REFUSE, "bad_type", place, "应当是整数，不加引号。",
                        "must be a whole number, without quotes.");
        } else {
            vx_complain(r->issues, LM_REFUSE, "bad_type", place, "应当是整数。",
                        "must be a whole number.");
        }
        return false;
    case LM_F_DECIMAL:
        if (!read_decimal(r, place, json, out)) {
            return false;
        }
        break;
    case LM_F_BOOL:
        if (json_is_boolean(json)) {
            *out = lm_value_bool(json_is_true(json));
            break;
        }
        vx_complain(r->issues, LM_REFUSE, "bad_type", place, "应当是“是”或“否”(true/false)。",
                    "must be true or false.");
        return false;
    case LM_F_MAP:
        return read_map(r, f, place, json, out);
    case LM_F_TEXT:
    case LM_F_CODE:
    case LM_F_CHAR:
    case LM_F_DATE:
    case LM_F_DATETIME:
    case LM_F_UUID:
    case LM_F_REF:
    case LM_F_FILE:
    case LM_F_HEX:
        text = json_string_value(json);
        if (!text) {
            vx_complain(r->issues, LM_REFUSE, "bad_type", place, "应当是文字(加引号)。",
                        "must be text (in quotes).");
            return false;
        }
        if (!tidy_text(r, f, text, json_string_length(json), out)) {
            return false;
        }
        break;
    }
    return out->kind == LM_NULL || vx_canonical_item(r->catalog, r->type, f, place, out, r->issues);
}

static bool read_list(struct reader *r, const struct lm_field *f, const json_t *json,
                      struct lm_value *out)
{
    struct vx_place place = vx_field(f);
    size_t n = json_array_size(json);
    struct lm_value *items;
    bool ok = true;

    if (!json_is_array(json)) {
        vx_complain(r->issues, LM_REFUSE, "bad_type", &place, "应当是列表。", "must be a list.");
        return false;
    }
    if (n == 0) {
        *out = lm_value_null();
        return true;
    }
    if (n > LM_LIST_ITEMS_MAX) {
        vx_complain(r->issues, LM_REFUSE, "too_many_items", &place, "最多%d项，请减少。",
                    "may have at most %d items: take some out.", LM_LIST_ITEMS_MAX);
        return false;
    }
    items = lm_arena_alloc(r->arena, n * sizeof(*items));
    if (!items) {
        r->status = LM_ERR_LIMIT;
        return false;
    }
    for (size_t i = 0; i < n && ok; i++) {
        place.item = (long)i;
        ok = read_item(r, f, &place, json_array_get(json, i), &items[i]);
        if (ok && items[i].kind == LM_NULL) {
            vx_complain(r->issues, LM_REFUSE, "required", &place, "是空的，请填写或删去这一项。",
                        "is empty: fill it in or remove it.");
            ok = false;
        }
    }
    *out = (struct lm_value){.kind = LM_LIST, .len = (uint32_t)n, .items = items};
    return ok && vx_list_check(f, out, r->issues);
}

/* A person may not set what programs fill; an attachment's facts are filled by the page that
 * uploads it. */
static bool may_type(const struct lm_type *type, const struct lm_field *f)
{
    if (f->index == LM_C_STATE) {
        return true;
    }
    if (f->fill == LM_FILL_PROGRAM) {
        return strcmp(type->name, "attachment") == 0;
    }
    return f->fill == LM_FILL_USER && (f->edit_by & (LM_BY_VILLAGE | LM_BY_TOWN)) != 0;
}

enum lm_status lm_fields_from_json(const struct lm_catalog *catalog, const struct lm_type *type,
                                   const json_t *fields, struct lm_arena *arena,
                                   struct lm_fieldset *out, struct lm_issues *issues)
{
    struct reader r = {.catalog = catalog, .type = type, .arena = arena, .issues = issues};
    const char *key;
    json_t *json;

    out->n = 0;
    out->unknown = lm_value_null();
    if (!fields || json_is_null(fields)) {
        return LM_OK;
    }
    if (!json_is_object(fields)) {
        lm_issue_add(issues, LM_REFUSE, "bad_type", "fields", "“fields”应当是一组字段和值。",
                     "\"fields\" must be an object of fields and values.");
        return LM_OK;
    }
    json_object_foreach(for_reading(fields), key, json)
    {
        const struct lm_field *f = lm_type_field(type, key);
        struct vx_place place = vx_field(f);
        struct lm_value v = lm_value_null();
        bool ok = true;

        if (!f) {
            (void)unknown_name(&r, key, "");
            continue;
        }
        if (!may_type(type, f)) {
            vx_complain(issues, LM_REFUSE, "system_field", &place, "由系统填写，请从输入中删去。",
                        "is set by the system: leave it out.");
            continue;
        }
        if (json_is_null(json)) {
            ok = true;
        } else if (f->is_list) {
            ok = read_list(&r, f, json, &v);
        } else {
            ok = read_item(&r, f, &place, json, &v);
        }
        if (r.status != LM_OK) {
            return r.status;
        }
        if (ok) {
            lm_fieldset_put(out, f->index, v);
        }
    }
    return LM_OK;
}

/* ---- from a change ---- */

static bool same_key(const struct lm_pair *a, const struct lm_pair *b)
{
    return a->key_len == b->key_len && memcmp(a->key, b->key, a->key_len) == 0;
}

static bool repeated(const struct lm_value *map, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++) {
        if (same_key(&map->pairs[i], &map->pairs[at])) {
            return true;
        }
    }
    return false;
}

static enum lm_status check_known(struct reader *r, const struct lm_field *f,
                                  const struct lm_value *v, struct lm_fieldset *out)
{
    struct vx_place place = vx_field(f);
    struct lm_value copy;
    enum lm_status st;

    if ((v->kind == LM_TEXT || v->kind == LM_LIST) && v->len == 0) {
        lm_fieldset_put(out, f->index, lm_value_null());
        return LM_OK;
    }
    if (f->fill == LM_FILL_COMPUTED) {
        vx_complain(r->issues, LM_REFUSE, "system_field", &place, "由系统计算，变更里不应当有它。",
                    "is computed and must not be in a change.");
        return LM_OK;
    }
    if (!vx_canonical(r->catalog, r->type, f, v, r->issues)) {
        return LM_OK;
    }
    st = lm_value_copy(r->arena, v, &copy);
    if (st == LM_OK) {
        lm_fieldset_put(out, f->index, copy);
    }
    return st;
}

enum lm_status lm_fields_check(const struct lm_catalog *catalog, const struct lm_type *type,
                               const struct lm_value *map, struct lm_arena *arena,
                               struct lm_fieldset *out, struct lm_issues *issues)
{
    struct reader r = {.catalog = catalog, .type = type, .arena = arena, .issues = issues};
    struct lm_pair *unknown;
    uint32_t n_unknown = 0;
    enum lm_status st = LM_OK;

    out->n = 0;
    out->unknown = lm_value_null();
    if (map->kind == LM_NULL) {
        return LM_OK;
    }
    if (map->kind != LM_MAP || map->len > LM_CHANGE_FIELDS_MAX) {
        lm_issue_add(issues, LM_REFUSE, "bad_type", "fields",
                     "变更的字段不是一组字段和值，或数量太多。",
                     "The change's fields are not a map, or there are too many.");
        return LM_OK;
    }
    unknown = lm_arena_alloc(arena, (map->len ? map->len : 1) * sizeof(*unknown));
    if (!unknown) {
        return LM_ERR_LIMIT;
    }
    for (uint32_t i = 0; i < map->len && st == LM_OK; i++) {
        const struct lm_pair *pair = &map->pairs[i];
        const struct lm_field *f = lm_type_fieldn(type, pair->key, pair->key_len);

        if (repeated(map, i)) {
            lm_issue_add(issues, LM_REFUSE, "repeated", f ? f->name : "fields",
                         "变更里有重复的字段。", "The change names a field twice.");
        } else if (f) {
            st = check_known(&r, f, &pair->value, out);
        } else {
            unknown[n_unknown++] = *pair;
        }
    }
    if (st == LM_OK && n_unknown) {
        struct lm_value rest = {.kind = LM_MAP, .len = n_unknown, .pairs = unknown};

        st = lm_value_copy(arena, &rest, &out->unknown);
    }
    return st;
}
