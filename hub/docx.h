/* The annual summary as a Word document (.docx: ECMA-376, WordprocessingML), laid out after GB/T
 * 9704: A4, margins of 37, 35, 28 and 26 mm, 28 characters by 22 lines, 第1页/共N页 at the foot. */
#ifndef LM_HUB_DOCX_H
#define LM_HUB_DOCX_H

#include "common/base/buf.h"

#include <jansson.h>

/* At most so much XML: the text (16 KiB), 64 villages and 20 versions with all their differences
 * are a tenth of it. */
#define LM_DOCX_XML_BYTES_MAX (8 * 1024 * 1024)
#define LM_DOCX_TYPE "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

/* summary: a document of lm_summary or lm_snapshot_doc with what lm_snapshot_annex adds. town: for
 * the place of the seal. Check out->status: LM_ERR_LIMIT when it got too long. Same input, same
 * bytes. */
void lm_summary_docx(const json_t *summary, const char *town, struct lm_buf *out);

#endif
