/* See pinyin.h. */
#include "common/pinyin.h"

#include "common/base/util.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/ucol.h>
#include <unicode/ustring.h>
#include <unicode/utrans.h>

enum { UNITS_MAX = 1024 };

struct lm_pinyin {
    UTransliterator *latin;
    UCollator *order;
};

static enum lm_status failed(struct lm_error *err, UErrorCode code)
{
    return lm_fail(err, code == U_MEMORY_ALLOCATION_ERROR ? LM_ERR_MEMORY : LM_ERR_INTERNAL, "icu",
                   "", "拼音组件不能启动（%s）。", "ICU cannot be used (%s).", u_errorName(code));
}

enum lm_status lm_pinyin_open(struct lm_pinyin **out, struct lm_error *err)
{
    static const char rules[] = "Han-Latin/Names; Latin-ASCII; Lower";
    struct lm_pinyin *p = calloc(1, sizeof(*p));
    UChar id[sizeof(rules)];
    UErrorCode code = U_ZERO_ERROR;

    *out = NULL;
    if (!p) {
        return failed(err, U_MEMORY_ALLOCATION_ERROR);
    }
    u_uastrcpy(id, rules);
    p->latin = utrans_openU(id, -1, UTRANS_FORWARD, NULL, 0, NULL, &code);
    if (U_SUCCESS(code)) {
        p->order = ucol_open("zh", &code);
    }
    if (U_FAILURE(code)) {
        lm_pinyin_close(&p);
        return failed(err, code);
    }
    *out = p;
    return LM_OK;
}

void lm_pinyin_close(struct lm_pinyin **pinyin)
{
    struct lm_pinyin *p = *pinyin;

    if (!p) {
        return;
    }
    if (p->latin) {
        utrans_close(p->latin);
    }
    if (p->order) {
        ucol_close(p->order);
    }
    free(p);
    *pinyin = NULL;
}

/* Single spaces, none at the ends; dots between parts of a name go as well. */
static void tidy(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        bool dot = strncmp(from, "\xc2\xb7", 2) == 0;

        if (*from == ' ' || dot) {
            from += dot;
            if (to > text && to[-1] != ' ') {
                *to++ = ' ';
            }
        } else {
            *to++ = *from;
        }
    }
    while (to > text && to[-1] == ' ') {
        to--;
    }
    *to = '\0';
}

void lm_pinyin_of(struct lm_pinyin *pinyin, const char *text, char *out, size_t n)
{
    UChar units[UNITS_MAX];
    int32_t length = 0, limit, bytes = 0;
    UErrorCode code = U_ZERO_ERROR;

    out[0] = '\0';
    /* A syllable takes up to seven units: what is converted may grow that much. */
    u_strFromUTF8(units, UNITS_MAX / 8, &length, text, -1, &code);
    if (code == U_BUFFER_OVERFLOW_ERROR) {
        length = UNITS_MAX / 8;
        code = U_ZERO_ERROR;
    }
    limit = length;
    if (U_SUCCESS(code)) {
        utrans_transUChars(pinyin->latin, units, &length, UNITS_MAX, 0, &limit, &code);
    }
    if (U_SUCCESS(code)) {
        u_strToUTF8(out, (int32_t)n - 1, &bytes, units, length, &code);
    }
    if (U_FAILURE(code) || bytes > (int32_t)n - 1) {
        bytes = 0; /* half a character is worth nothing */
    }
    out[bytes] = '\0';
    tidy(out);
}

void lm_pinyin_initials(const char *syllables, char *out, size_t n)
{
    size_t to = 0;

    while (*syllables) {
        size_t width = 1;

        while (((unsigned char)syllables[width] & 0xc0) == 0x80) {
            width++;
        }
        if (to + width >= n) {
            break;
        }
        memcpy(out + to, syllables, width);
        to += width;
        syllables += strcspn(syllables, " ");
        syllables += strspn(syllables, " ");
    }
    out[to] = '\0';
}

int lm_pinyin_compare(struct lm_pinyin *pinyin, const char *a, const char *b)
{
    UErrorCode code = U_ZERO_ERROR;
    UCollationResult r = ucol_strcollUTF8(pinyin->order, a, -1, b, -1, &code);

    return U_FAILURE(code) ? strcmp(a, b) : r == UCOL_LESS ? -1 : r == UCOL_GREATER;
}
