/* Outcomes and the words that go with them. No state. */
#include "common/base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long the whole UTF-8 character at text is; 0: there is none. */
static size_t whole_char(const char *text)
{
    unsigned char lead = (unsigned char)text[0];
    size_t want = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;

    for (size_t i = 1; i < want; i++) {
        if (((unsigned char)text[i] & 0xC0) != 0x80) {
            return 0; /* the end of the text too */
        }
    }
    return want;
}

/* Takes out what is left of characters that were cut, at the end or where a format shortened what
 * it was given: a person must never be shown half a character, and JSON writers refuse it. */
static void trim_utf8(char *text)
{
    char *to = text;

    while (*text) {
        size_t n = whole_char(text);

        if (n == 0) {
            text++;
            continue;
        }
        memmove(to, text, n);
        to += n;
        text += n;
    }
    *to = '\0';
}

static void copy_text(char *out, size_t size, const char *text)
{
    if (!text) {
        text = "";
    }
    size_t n = strnlen(text, size - 1);
    memcpy(out, text, n);
    out[n] = '\0';
    trim_utf8(out);
}

enum lm_status lm_fail(struct lm_error *err, enum lm_status status, const char *code,
                       const char *field, const char *zh, const char *en, ...)
{
    if (!err) {
        return status;
    }
    /* The caller may pass texts of the very struct that is filled (a wrapped message), so it is
     * made aside first. */
    struct lm_error made = {0};
    va_list args;
    va_list again;
    va_start(args, en);
    va_copy(again, args);
    copy_text(made.code, sizeof(made.code), code);
    copy_text(made.field, sizeof(made.field), field);
    if (zh && vsnprintf(made.zh, sizeof(made.zh), zh, args) < 0) {
        made.zh[0] = '\0';
    }
    if (en && vsnprintf(made.en, sizeof(made.en), en, again) < 0) {
        made.en[0] = '\0';
    }
    va_end(again);
    va_end(args);
    trim_utf8(made.zh);
    trim_utf8(made.en);
    *err = made;
    return status;
}

const char *lm_status_name(enum lm_status status)
{
    switch (status) {
    case LM_OK:
        return "ok";
    case LM_ERR_INVALID:
        return "invalid";
    case LM_ERR_LIMIT:
        return "limit";
    case LM_ERR_NOT_FOUND:
        return "not_found";
    case LM_ERR_EXISTS:
        return "exists";
    case LM_ERR_DENIED:
        return "denied";
    case LM_ERR_BUSY:
        return "busy";
    case LM_ERR_IO:
        return "io";
    case LM_ERR_FULL:
        return "full";
    case LM_ERR_CORRUPT:
        return "corrupt";
    case LM_ERR_VERSION:
        return "version";
    case LM_ERR_NETWORK:
        return "network";
    case LM_ERR_TIMEOUT:
        return "timeout";
    case LM_ERR_MEMORY:
        return "memory";
    case LM_ERR_INTERNAL:
        return "internal";
    }
    return "unknown";
}

_Noreturn void lm_check_failed(const char *file, int line, const char *what)
{
    (void)fprintf(stderr, "%s:%d: check failed: %s\n", file, line, what);
    (void)fflush(stderr);
    abort();
}
