/* Tables that the hub writes for spreadsheets, without a library: XLSX and CSV. */
#ifndef LM_HUB_XLSX_H
#define LM_HUB_XLSX_H

#include "common/base/buf.h"

#include <jansson.h>

/* rows: arrays of texts and numbers, at most 64 MiB as XML; out gets LM_ERR_LIMIT beyond. Texts
 * stay texts, whatever they begin with. sheet: its name, the program's own word. */
void lm_xlsx(const char *sheet, const json_t *rows, struct lm_buf *out);
/* RFC 4180 in UTF-8 with a mark, as Excel wants it; what a spreadsheet would take for a formula
 * gets a quote mark. table.c */
void lm_csv(const json_t *rows, struct lm_buf *out);

#endif
