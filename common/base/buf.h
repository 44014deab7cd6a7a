/* A growing byte buffer that must be told its maximum. A failed append is sticky: later appends do
 * nothing, so that a writer may check once at its end (after curl's dynbuf). */
#ifndef LM_BASE_BUF_H
#define LM_BASE_BUF_H

#include "common/base/status.h"

#include <stddef.h>
#include <stdint.h>

struct lm_buf {
    uint8_t *data; /* owned; one NUL byte always follows the content, not counted in len */
    size_t len;
    size_t size;
    size_t max;
    enum lm_status status; /* LM_OK, LM_ERR_LIMIT or LM_ERR_MEMORY: the first failure */
};

void lm_buf_init(struct lm_buf *buf, size_t max);
void lm_buf_add(struct lm_buf *buf, const void *data, size_t n);
void lm_buf_text(struct lm_buf *buf, const char *text);
void lm_buf_printf(struct lm_buf *buf, const char *fmt, ...) LM_PRINTF(2, 3);
void lm_buf_reset(struct lm_buf *buf); /* len = 0, status = LM_OK, memory kept */
void lm_buf_free(struct lm_buf *buf);  /* accepts a zeroed struct */

#endif
