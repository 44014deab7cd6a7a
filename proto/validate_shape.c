/* The shape of single values: is a value canonical for its field? Used for what persons type (after
 * validate_json.c has made it canonical) and for what changes carry. Nothing here looks at another
 * field or record. */
#include "proto/validate_internal.h"

#include "common/base/util.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CODES_TEXT 240 /* bytes; a sentence has 400 */

struct shape {
    const struct lm_catalog *catalog;
    const struct lm_type *type;
    const struct lm_field *f;
    const struct vx_place *place;
    struct lm_issues *issues;
};

const struct lm_list *vx_list_of(const struct lm_type *type, const struct lm_field *field)
{
    if (field->common && field->index == LM_C_STATE && type) {
        return type->states;
    }
    return field->list;
}

static bool is_text(const struct shape *s, const struct lm_value *v)
{
    if (v->kind == LM_TEXT) {
        return true;
    }
    vx_complain(s->issues, LM_REFUSE, "bad_type", s->place, "应当是文字。", "must be text.");
    return false;
}

/* What every text must be, whatever its field. */
static bool clean_text(const struct shape *s, const struct lm_value *v, bool lines)
{
    if (!lm_utf8_valid(v->text, v->len, NULL)) {
        vx_complain(s->issues, LM_REFUSE, "bad_utf8", s->place,
                    "的文字编码不对，请用UTF-8重新填写。", "is not valid UTF-8: enter it again.");
        return false;
    }
    if (lm_utf8_has_control(v->text, v->len) ||
        (!lines && (memchr(v->text, '\n', v->len) || memchr(v->text, '\t', v->len)))) {
        vx_complain(s->issues, LM_REFUSE, "bad_format", s->place, "含有换行或控制字符，请删去。",
                    "holds line breaks or control characters: remove them.");
        return false;
    }
    return true;
}

static bool check_text(const struct shape *s, const struct lm_value *v)
{
    size_t max = s->f->max_chars;
    size_t chars = 0;

    if (!max || max > LM_TEXT_CHARS_MAX) {
        max = LM_TEXT_CHARS_MAX;
    }
    if (!is_text(s, v) || !clean_text(s, v, max > VX_LONG_TEXT)) {
        return false;
    }
    if (vx_blank(v->text, v->len)) {
        vx_complain(s->issues, LM_REFUSE, "bad_format", s->place, "只有空格，请填写内容或留空。",
                    "holds only spaces: fill it in or leave it empty.");
        return false;
    }
    (void)lm_utf8_valid(v->text, v->len, &chars);
    if (chars > max) {
        vx_complain(s->issues, LM_REFUSE, "too_long", s->place, "最多%zu个字，现有%zu个，请缩短。",
                    "may have at most %zu characters, not %zu: shorten it.", max, chars);
        return false;
    }
    return vx_format_check(s->catalog, s->f, s->place, v, s->issues);
}

/* The codes that may be chosen, as many as a sentence bears: "window（窗口）、phone（电话）". */
static void codes_text(const struct lm_list *list, bool zh, char out[CODES_TEXT])
{
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < list->n_codes; i++) {
        const struct lm_code *c = &list->codes[i];
        char one[160];
        int len;

        if (c->retired) {
            continue;
        }
        len = zh ? snprintf(one, sizeof one, "%s%s（%s）", n ? "、" : "", c->code, c->zh)
                 : snprintf(one, sizeof one, "%s%s (%s)", n ? ", " : "", c->code, c->en);
        if (len < 0 || (size_t)len >= sizeof one || n + (size_t)len + sizeof "…" > CODES_TEXT) {
            memcpy(out + n, "…", sizeof "…");
            return;
        }
        memcpy(out + n, one, (size_t)len + 1);
        n += (size_t)len;
    }
}

static bool check_code(const struct shape *s, const struct lm_value *v)
{
    const struct lm_list *list = vx_list_of(s->type, s->f);
    char code[64];

    if (!is_text(s, v)) {
        return false;
    }
    if (v->len < sizeof(code)) {
        memcpy(code, v->text, v->len);
        code[v->len] = 0;
        if (!memchr(v->text, 0, v->len) && (!list || lm_list_code(list, code))) {
            return true;
        }
    }
    if (!list || !list->n_codes) {
        vx_complain(s->issues, LM_REFUSE, "bad_code", s->place, "的代码太长，请核对。",
                    "is too long for a code: check it.");
    } else {
        char zh[CODES_TEXT], en[CODES_TEXT];

        codes_text(list, true, zh);
        codes_text(list, false, en);
        vx_complain(s->issues, LM_REFUSE, "bad_code", s->place,
                    "的代码不在代码表里，请从中选择：%s%.0s", "is not a code of its list: %.0s%s",
                    zh, en);
    }
    return false;
}

static bool check_char(const struct shape *s, const struct lm_value *v)
{
    if (!is_text(s, v) || !clean_text(s, v, false)) {
        return false;
    }
    if (s->f->format && strcmp(s->f->format, "idno") == 0) {
        return vx_format_check(s->catalog, s->f, s->place, v, s->issues);
    }
    if (v->len != s->f->max_chars) {
        vx_complain(s->issues, LM_REFUSE, v->len < s->f->max_chars ? "too_short" : "too_long",
                    s->place, "应当正好是%zu位。", "must have exactly %zu characters.",
                    s->f->max_chars);
        return false;
    }
    for (uint32_t i = 0; i < v->len; i++) {
        if (v->text[i] < 0x21 || v->text[i] > 0x7E) {
            vx_complain(s->issues, LM_REFUSE, "bad_format", s->place, "只能有数字和字母。",
                        "may hold only digits and letters.");
            return false;
        }
    }
    return vx_format_check(s->catalog, s->f, s->place, v, s->issues);
}

/* Ten-thousandths as a person writes them. */
static void decimal_text(int64_t v, char out[32])
{
    uint64_t size = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    int n = snprintf(out, 32, "%s%" PRIu64 ".%04u", v < 0 ? "-" : "", size / LM_DECIMAL_SCALE,
                     (unsigned)(size % LM_DECIMAL_SCALE));

    while (n > 0 && out[n - 1] == '0') {
        out[--n] = 0;
    }
    if (n > 0 && out[n - 1] == '.') {
        out[n - 1] = 0;
    }
}

static bool check_number(const struct shape *s, const struct lm_value *v)
{
    bool decimal = s->f->ftype == LM_F_DECIMAL;
    char min[32];
    char max[32];

    if (v->kind != LM_INT) {
        if (decimal) {
            vx_complain(s->issues, LM_REFUSE, "bad_type", s->place, "应当是数字。",
                        "must be a number.");
        } else {
            vx_complain(s->issues, LM_REFUSE, "bad_type", s->place, "应当是整数。",
                        "must be a whole number.");
        }
        return false;
    }
    if (v->i >= s->f->min && v->i <= s->f->max) {
        return true;
    }
    if (decimal) {
        decimal_text(s->f->min, min);
        decimal_text(s->f->max, max);
    } else {
        snprintf(min, sizeof(min), "%" PRId64, s->f->min);
        snprintf(max, sizeof(max), "%" PRId64, s->f->max);
    }
    if (v->i < s->f->min) {
        vx_complain(s->issues, LM_REFUSE, "out_of_range", s->place, "不能小于%s。",
                    "must not be below %s.", min);
    } else {
        vx_complain(s->issues, LM_REFUSE, "out_of_range", s->place, "不能大于%s。",
                    "must not be above %s.", max);
    }
    return false;
}

static bool check_date(const struct shape *s, const struct lm_value *v)
{
    int64_t day;

    if (!is_text(s, v)) {
        return false;
    }
    if (v->len == 10 && lm_date_parse(v->text, v->len, &day)) {
        return true;
    }
    vx_complain(s->issues, LM_REFUSE, "bad_date", s->place,
                "不是存在的日期，请写成“年-月-日”，如2026-01-31。",
                "is not a real date: write it YYYY-MM-DD, such as 2026-01-31.");
    return false;
}

static bool check_datetime(const struct shape *s, const struct lm_value *v)
{
    char text[LM_TIME_TEXT + 8];
    int64_t ms;

    if (!is_text(s, v)) {
        return false;
    }
    if (lm_time_parse(v->text, v->len, &ms)) {
        lm_time_format(ms, text);
        if (strlen(text) == v->len && memcmp(text, v->text, v->len) == 0) {
            return true;
        }
    }
    vx_complain(s->issues, LM_REFUSE, "bad_time", s->place,
                "不是有效的时间，请写成带时区的时间，如2026-01-31T09:30:00+08:00。",
                "is not a time: write it with its zone, such as 2026-01-31T09:30:00+08:00.");
    return false;
}

static bool canonical_uuid(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] >= 'A' && text[i] <= 'F') {
            return false;
        }
    }
    return lm_uuid_valid(text, n);
}

static bool check_uuid(const struct shape *s, const struct lm_value *v)
{
    if (!is_text(s, v)) {
        return false;
    }
    if (canonical_uuid(v->text, v->len)) {
        return true;
    }
    vx_complain(s->issues, LM_REFUSE, "bad_uuid", s->place,
                "不是有效的记录标识(UUID)，请重新选择。",
                "is not a record id (UUID): choose again.");
    return false;
}

static bool check_ref(const struct shape *s, const struct lm_value *v)
{
    const char *colon;
    char name[64];
    size_t n;
    bool known;

    if (!is_text(s, v)) {
        return false;
    }
    colon = memchr(v->text, ':', v->len);
    n = colon ? (size_t)(colon - v->text) : 0;
    if (!n || n >= sizeof(name) || !canonical_uuid(colon + 1, v->len - n - 1)) {
        vx_complain(s->issues, LM_REFUSE, "bad_uuid", s->place, "应当写成“类型:标识”，请重新选择。",
                    "must be written TYPE:UUID: choose again.");
        return false;
    }
    memcpy(name, v->text, n);
    name[n] = 0;
    known = s->f->ref_types ? false : lm_catalog_type(s->catalog, name) != NULL;
    for (size_t i = 0; s->f->ref_types && s->f->ref_types[i] && !known; i++) {
        known = strcmp(s->f->ref_types[i], name) == 0;
    }
    if (!known) {
        vx_complain(s->issues, LM_REFUSE, "bad_code", s->place, "不能指向这种记录，请重新选择。",
                    "cannot refer to a record of that type: choose again.");
    }
    return known;
}

static bool check_hex(const struct shape *s, const struct lm_value *v)
{
    bool ok;

    if (!is_text(s, v)) {
        return false;
    }
    ok = v->len % 2 == 0 && (!s->f->max_chars || v->len == s->f->max_chars) &&
         v->len <= LM_TEXT_CHARS_MAX;
    for (uint32_t i = 0; i < v->len && ok; i++) {
        ok = (v->text[i] >= '0' && v->text[i] <= '9') || (v->text[i] >= 'a' && v->text[i] <= 'f');
    }
    if (!ok) {
        vx_complain(s->issues, LM_REFUSE, "bad_format", s->place, "应当是十六进制数。",
                    "must be hexadecimal.");
    }
    return ok;
}

/* Known members in catalogue order, each once; members of a newer catalogue may follow them. */
static bool check_map(const struct shape *s, const struct lm_value *v)
{
    size_t next = 0;

    if (v->kind != LM_MAP || v->len == 0) {
        vx_complain(s->issues, LM_REFUSE, "bad_type", s->place, "应当是一组内容。",
                    "must be an object with members.");
        return false;
    }
    for (uint32_t i = 0; i < v->len; i++) {
        const struct lm_pair *pair = &v->pairs[i];
        struct vx_place place = *s->place;
        size_t m = 0;

        while (m < s->f->n_members &&
               (strlen(s->f->members[m].name) != pair->key_len ||
                memcmp(s->f->members[m].name, pair->key, pair->key_len) != 0)) {
            m++;
        }
        if (m == s->f->n_members) {
            next = m;
            continue;
        }
        place.member = &s->f->members[m];
        if (m < next || pair->value.kind == LM_NULL) {
            vx_complain(s->issues, LM_REFUSE, "bad_format", &place, "的次序不对。",
                        "is out of order, repeated or empty.");
            return false;
        }
        next = m + 1;
        if (!vx_canonical_item(s->catalog, s->type, place.member, &place, &pair->value,
                               s->issues)) {
            return false;
        }
    }
    return true;
}

bool vx_canonical_item(const struct lm_catalog *catalog, const struct lm_type *type,
                       const struct lm_field *f, const struct vx_place *place,
                       const struct lm_value *v, struct lm_issues *issues)
{
    struct shape s = {.catalog = catalog, .type = type, .f = f, .place = place, .issues = issues};

    switch (f->ftype) {
    case LM_F_TEXT:
        return check_text(&s, v);
    case LM_F_CODE:
        return check_code(&s, v);
    case LM_F_CHAR:
        return check_char(&s, v);
    case LM_F_INT:
    case LM_F_DECIMAL:
        return check_number(&s, v);
    case LM_F_BOOL:
        if (v->kind != LM_BOOL) {
            vx_complain(issues, LM_REFUSE, "bad_type", place, "应当是“是”或“否”(true/false)。",
                        "must be true or false.");
        }
        return v->kind == LM_BOOL;
    case LM_F_DATE:
        return check_date(&s, v);
    case LM_F_DATETIME:
        return check_datetime(&s, v);
    case LM_F_UUID:
    case LM_F_FILE:
        return check_uuid(&s, v);
    case LM_F_REF:
        return check_ref(&s, v);
    case LM_F_HEX:
        return check_hex(&s, v);
    case LM_F_MAP:
        return check_map(&s, v);
    }
    return false;
}

bool vx_list_check(const struct lm_field *field, const struct lm_value *v, struct lm_issues *issues)
{
    struct vx_place place = vx_field(field);
    size_t max = field->max_items;

    if (v->kind != LM_LIST) {
        vx_complain(issues, LM_REFUSE, "bad_type", &place, "应当是列表。", "must be a list.");
        return false;
    }
    if (!max || max > LM_LIST_ITEMS_MAX) {
        max = LM_LIST_ITEMS_MAX;
    }
    if (v->len > max) {
        vx_complain(issues, LM_REFUSE, "too_many_items", &place, "最多%zu项，现有%u项，请减少。",
                    "may have at most %zu items, not %u: take some out.", max, (unsigned)v->len);
        return false;
    }
    for (uint32_t i = 1; i < v->len && field->unique_items; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (lm_value_equal(&v->items[i], &v->items[k])) {
                place.item = (long)i;
                vx_complain(issues, LM_REFUSE, "repeated", &place, "与前面的重复，请删去一个。",
                            "repeats an earlier one: remove one of them.");
                return false;
            }
        }
    }
    return true;
}

bool vx_canonical(const struct lm_catalog *catalog, const struct lm_type *type,
                  const struct lm_field *field, const struct lm_value *v, struct lm_issues *issues)
{
    struct vx_place place = vx_field(field);

    if (v->kind == LM_NULL) {
        return true;
    }
    if (!field->is_list) {
        return vx_canonical_item(catalog, type, field, &place, v, issues);
    }
    if (!vx_list_check(field, v, issues)) {
        return false;
    }
    for (uint32_t i = 0; i < v->len; i++) {
        place.item = (long)i;
        if (!vx_canonical_item(catalog, type, field, &place, &v->items[i], issues)) {
            return false;
        }
    }
    return true;
}
