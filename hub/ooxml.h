/* What the hub's XLSX and DOCX have in common (ECMA-376): parts in a zip, and text inside XML. */
#ifndef LM_HUB_OOXML_H
#define LM_HUB_OOXML_H

#include "common/base/buf.h"

#include <stdbool.h>

#define LM_OOXML_PARTS_MAX 12

struct lm_ooxml_part {
    const char *name; /* "word/document.xml" */
    const void *data; /* borrowed */
    size_t n;
};
/* The parts in their order, at most LM_OOXML_PARTS_MAX, as a zip without dates: the same parts give
 * the same bytes. pack: deflated, else stored. Whole only when out->status is LM_OK. */
void lm_ooxml_zip(const struct lm_ooxml_part *parts, size_t n, bool pack, struct lm_buf *out);

/* Text between tags or in an attribute in double quotes. What XML may not hold (XML 1.0, 2.2:
 * control characters, U+FFFE, U+FFFF) is left out, for a file with it in is called damaged. */
void lm_ooxml_text(struct lm_buf *out, const char *text);

#endif
