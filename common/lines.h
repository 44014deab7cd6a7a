/* Many saves in one request, each by itself: what the pages' import of tables sends.
 *
 *   {"keep":true|false,"lines":[{"type","id","fields"} | {"id","delete":true,"reason"[,"rev"]},…]}
 *
 * One answer a line, in their order: {"good":true,"id","rev","repeated","issues"} or
 * {"good":false,"error","issues"}. With "keep" false all are judged as a save would judge them, one
 * after the other, and nothing stays. A creation brings its own id, so that a request repeated
 * after a lost answer is the same save (P3). Which types, and how a line is saved, is the
 * program's. */
#ifndef LM_COMMON_LINES_H
#define LM_COMMON_LINES_H

#include "common/api.h"
#include "common/entry.h"
#include "proto/record.h"

#define LM_LINES_MAX 500 /* of one request: one transaction of the program */

struct lm_lines {
    const json_t *rows; /* of the body, borrowed */
    bool keep;
    json_t *answers; /* in the order of rows */
};

/* Reads the body. LM_ERR_INVALID, LM_ERR_LIMIT (more than LM_LINES_MAX lines), LM_ERR_MEMORY:
 * call->err says what is wrong. Whatever it returns, lm_lines_free. */
enum lm_status lm_lines_read(struct lm_api_call *call, struct lm_lines *out) LM_MUST_USE;
void lm_lines_free(struct lm_lines *lines);

/* One line as an entry; its texts are borrowed from the row, its fields are a new reference that
 * the caller releases (NULL unless LM_OK). LM_ERR_INVALID: err says what is missing. */
enum lm_status lm_lines_entry(const json_t *row, struct lm_entry *out,
                              struct lm_error *err) LM_MUST_USE;

/* A record that a line named which was saved before and deleted since: LM_ERR_INVALID "deleted". */
enum lm_status lm_lines_there(const struct lm_record *rec, struct lm_error *err) LM_MUST_USE;

/* The answer to the next line. rev: the record's, by which a deletion undoes it; repeated: it was
 * saved before. */
void lm_lines_good(struct lm_lines *lines, const char *id, const char *rev, bool repeated,
                   const struct lm_issues *issues);
/* err, or the first refusal among the issues when err names nothing. */
void lm_lines_bad(struct lm_lines *lines, const struct lm_issues *issues,
                  const struct lm_error *err);

/* The request's answer. */
enum lm_status lm_lines_answer(struct lm_api_call *call, const struct lm_lines *lines) LM_MUST_USE;

#endif
