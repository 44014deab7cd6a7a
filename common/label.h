/* What a record is called in one line, the same at both programs: its name or title, else what
 * stands in its first list columns. */
#ifndef LM_COMMON_LABEL_H
#define LM_COMMON_LABEL_H

#include "common/tables.h"

enum { LM_LABEL_PARTS_MAX = 3 };

/* Takes away the part of a character at the end, as snprintf leaves it: it would be no text for
 * JSON. */
void lm_label_whole(char *text);

/* en when English is wanted and there is one, else zh. */
const char *lm_label_said(bool english, const char *zh, const char *en);

/* A text value in words: a code's label, a record type's, an area's name; a text or a date as it
 * is; "" for what is no word to anybody (an id). */
void lm_label_text(struct lm_tables *tables, const struct lm_catalog *catalog, bool english,
                   const struct lm_field *f, const char *text, char *out, size_t n);

/* Fields above the sensitivity are left out. Never empty: the type's label when nothing is there.
 */
void lm_label_record(struct lm_tables *tables, const struct lm_catalog *catalog, bool english,
                     const struct lm_record *rec, int sensitivity, char *out, size_t n);

#endif
