/* Named formats of texts: names, telephones, ID numbers, division codes, months … Pure, from the
 * text alone. */
#include "proto/validate_internal.h"

#include "common/base/util.h"
#include "proto/idnumber.h"

#include <stdio.h>
#include <string.h>

/* The next code point of valid UTF-8; *n = its bytes. */
static uint32_t next_char(const char *text, size_t left, size_t *n)
{
    unsigned char c = (unsigned char)text[0];
    size_t len = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    uint32_t cp = len == 1 ? c : len == 2 ? c & 0x1Fu : len == 3 ? c & 0x0Fu : c & 0x07u;

    if (len > left) {
        len = left;
    }
    for (size_t i = 1; i < len; i++) {
        cp = cp << 6 | ((unsigned char)text[i] & 0x3Fu);
    }
    *n = len;
    return cp;
}

static size_t space_at(const char *text, size_t left)
{
    if (strchr(" \t\r\n\v\f", text[0]) && text[0]) {
        return 1;
    }
    if (left >= 2 && memcmp(text, "\xC2\xA0", 2) == 0) {
        return 2;
    }
    return left >= 3 && memcmp(text, "\xE3\x80\x80", 3) == 0 ? 3 : 0;
}

const char *vx_trim(const char *text, size_t n, size_t *n_out)
{
    size_t start = 0;
    size_t end = 0; /* after the last character that is not white space */
    size_t i = 0;

    while (i < n) {
        size_t space = space_at(text + i, n - i);

        if (!space) {
            i++;
            end = i;
        } else {
            i += space;
            if (end == 0) {
                start = i;
            }
        }
    }
    *n_out = end > start ? end - start : 0;
    return text + (end > start ? start : 0);
}

bool vx_blank(const char *text, size_t n)
{
    size_t left;

    (void)vx_trim(text, n, &left);
    return left == 0;
}

/* CJK (compatibility forms, extensions and 〇 included), the dots of transcribed names, letters and
 * single spaces. */
static bool is_name(const char *text, size_t n)
{
    bool letter = false;

    for (size_t i = 0; i < n;) {
        size_t len;
        uint32_t cp = next_char(text + i, n - i, &len);
        bool cjk = (cp >= 0x3400 && cp <= 0x9FFF) || (cp >= 0xF900 && cp <= 0xFAFF) ||
                   (cp >= 0x20000 && cp <= 0x3FFFF) || cp == 0x3007 || cp == 0x3005 ||
                   (cp >= 0xE000 && cp <= 0xF8FF) || (cp >= 0x2E80 && cp <= 0x2FDF);
        bool latin = (cp >= 'A' && cp <= 'Z') || (cp >= 'a' && cp <= 'z') ||
                     (cp >= 0xC0 && cp <= 0x24F && cp != 0xD7 && cp != 0xF7) ||
                     (cp >= 0x370 && cp <= 0x1FFF) || (cp >= 0xA000 && cp <= 0xABFF);
        bool join = cp == 0xB7 || cp == 0x2022 || cp == 0x2027 || cp == 0x30FB || cp == 0xFF0E ||
                    cp == ' ' || cp == '.' || cp == '-' || cp == '\'' || cp == 0x2019;

        if (!cjk && !latin && !join && !(cp >= '0' && cp <= '9')) {
            return false;
        }
        letter = letter || cjk || latin;
        i += len;
    }
    return letter;
}

static bool all_digits(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
    }
    return n > 0;
}

/* An 11-digit mobile number, or a land line: 7–8 digits, area code and extension with "-" or
 * without, "+86 ". */
static bool is_phone(const char *text, size_t n)
{
    size_t digits = 0;

    for (size_t i = 0; i < n; i++) {
        if (text[i] >= '0' && text[i] <= '9') {
            digits++;
        } else if (!(text[i] == '+' && i == 0) &&
                   !((text[i] == '-' || text[i] == ' ') && i > 0 && i + 1 < n)) {
            return false;
        }
    }
    if (digits == n && n == 11 && text[0] == '1') {
        return text[1] >= '3';
    }
    return digits >= 7 && digits <= 16;
}

static bool id_number(const struct vx_place *place, const struct lm_value *v,
                      struct lm_issues *issues)
{
    switch (lm_idno_check(v->text, v->len, NULL, NULL)) {
    case LM_IDNO_OK:
        if (v->text[17] != 'x') {
            return true;
        }
        vx_complain(issues, LM_REFUSE, "bad_format", place, "末位的X应当大写。",
                    "must end in a capital X.");
        return false;
    case LM_IDNO_LENGTH:
        if (v->len == 15 && all_digits(v->text, v->len)) {
            vx_complain(issues, LM_REFUSE, "too_short", place,
                        "是旧的15位号码，请填18位号码；旧号码填到“旧15位号码”一栏。",
                        "is an old 15-digit number: enter the 18-digit one, and put the old one in "
                        "\"Former 15-digit number\".");
        } else {
            vx_complain(issues, LM_REFUSE, v->len < 18 ? "too_short" : "too_long", place,
                        "应当是18位，请对照证件重新填写。",
                        "must have 18 characters: check it against the card.");
        }
        return false;
    case LM_IDNO_DIGITS:
        vx_complain(issues, LM_REFUSE, "bad_format", place,
                    "只能是17位数字加一位数字或X，请对照证件重新填写。",
                    "must be 17 digits and a digit or X: check it against the card.");
        return false;
    case LM_IDNO_BIRTH:
        vx_complain(issues, LM_REFUSE, "bad_date", place,
                    "里的出生日期不存在，请对照证件重新填写。",
                    "holds a date of birth that does not exist: check it against the card.");
        return false;
    case LM_IDNO_CHECK:
        vx_complain(issues, LM_REFUSE, "bad_check_digit", place,
                    "的校验码不对，可能有一位写错，请对照证件重新填写。",
                    "has a wrong check digit; a digit may be mistyped: check it against the card.");
        return false;
    }
    return false;
}

static bool is_month(const char *text, size_t n)
{
    char day[11];
    int64_t out;

    if (n != 7) {
        return false;
    }
    memcpy(day, text, 7);
    memcpy(day + 7, "-01", 4);
    return lm_date_parse(day, 10, &out);
}

static bool is_type_name(const struct lm_catalog *catalog, const struct lm_value *v)
{
    char name[64];

    if (v->len >= sizeof(name)) {
        return false;
    }
    memcpy(name, v->text, v->len);
    name[v->len] = 0;
    return lm_catalog_type(catalog, name) != NULL;
}

bool vx_format_check(const struct lm_catalog *catalog, const struct lm_field *f,
                     const struct vx_place *place, const struct lm_value *v,
                     struct lm_issues *issues)
{
    const char *format = f->format;

    if (!format || v->kind != LM_TEXT) {
        return true;
    }
    if (strcmp(format, "idno") == 0) {
        return id_number(place, v, issues);
    }
    if (strcmp(format, "name") == 0 && !is_name(v->text, v->len)) {
        vx_complain(issues, LM_REFUSE, "bad_format", place,
                    "只能有汉字、字母、间隔号“·”和空格，请去掉其他符号。",
                    "may hold only Chinese characters, letters, \"·\" and spaces.");
        return false;
    }
    if (strcmp(format, "phone") == 0 && !is_phone(v->text, v->len)) {
        vx_complain(
            issues, LM_REFUSE, "bad_format", place,
            "应当是11位手机号或带区号的固定电话，只用数字和“-”。",
            "must be an 11-digit mobile number or a land line, with digits and \"-\" only.");
        return false;
    }
    if (strcmp(format, "digits") == 0 && !all_digits(v->text, v->len)) {
        vx_complain(issues, LM_REFUSE, "bad_format", place, "只能填数字。", "must be digits only.");
        return false;
    }
    if ((strcmp(format, "division") == 0 || strcmp(format, "area_code") == 0) &&
        !(v->len == 12 && all_digits(v->text, v->len))) {
        vx_complain(issues, LM_REFUSE, "bad_format", place, "应当是12位数字的区划代码。",
                    "must be a division code of 12 digits.");
        return false;
    }
    if (strcmp(format, "month") == 0 && !is_month(v->text, v->len)) {
        vx_complain(issues, LM_REFUSE, "bad_format", place, "应当写成“年-月”，如2026-01。",
                    "must be written YYYY-MM, such as 2026-01.");
        return false;
    }
    if (strcmp(format, "record_type") == 0 && !is_type_name(catalog, v)) {
        vx_complain(issues, LM_REFUSE, "bad_code", place, "不是本系统的记录类型，请从列表中选择。",
                    "is not a record type: choose one from the list.");
        return false;
    }
    return true;
}
