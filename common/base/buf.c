/* A growing byte buffer with a maximum and a sticky failure.
 * Invariant: data is NULL or has size > len bytes with data[len] = 0; size ≤ max + 1. */
#include "common/base/buf.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SIZE = 256 };

void lm_buf_init(struct lm_buf *buf, size_t max)
{
    /* One byte is kept for the NUL, so the largest maximum is one less than addressable. */
    *buf = (struct lm_buf){.max = max < SIZE_MAX / 2 ? max : SIZE_MAX / 2};
}

/* Room for n more bytes and the NUL. */
static bool reserve(struct lm_buf *buf, size_t n)
{
    if (buf->status != LM_OK) {
        return false;
    }
    if (n > buf->max - buf->len) {
        buf->status = LM_ERR_LIMIT;
        return false;
    }
    size_t need = buf->len + n + 1;
    if (need <= buf->size) {
        return true;
    }
    size_t size = buf->size ? buf->size : FIRST_SIZE;
    while (size < need) {
        size *= 2;
    }
    if (size > buf->max + 1) {
        size = buf->max + 1;
    }
    uint8_t *data = realloc(buf->data, size);
    if (!data) {
        buf->status = LM_ERR_MEMORY;
        return false;
    }
    buf->data = data;
    buf->size = size;
    buf->data[buf->len] = 0;
    return true;
}

void lm_buf_add(struct lm_buf *buf, const void *data, size_t n)
{
    if (!reserve(buf, n)) {
        return;
    }
    if (n) {
        memcpy(buf->data + buf->len, data, n);
    }
    buf->len += n;
    buf->data[buf->len] = 0;
}

void lm_buf_text(struct lm_buf *buf, const char *text)
{
    lm_buf_add(buf, text, strlen(text));
}

void lm_buf_printf(struct lm_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_list again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    if (n < 0) {
        if (buf->status == LM_OK) {
            buf->status = LM_ERR_LIMIT;
        }
    } else if (reserve(buf, (size_t)n)) {
        (void)vsnprintf((char *)buf->data + buf->len, (size_t)n + 1, fmt, again);
        buf->len += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void lm_buf_reset(struct lm_buf *buf)
{
    buf->len = 0;
    buf->status = LM_OK;
    if (buf->data) {
        buf->data[0] = 0;
    }
}

void lm_buf_free(struct lm_buf *buf)
{
    free(buf->data);
    buf->data = NULL;
    buf->len = 0;
    buf->size = 0;
    buf->status = LM_OK;
}
