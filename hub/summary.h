/* The annual work summary (工作总结): the town's own text with figures bound into it
 * (summary/template.txt, data), and a table of the villages with exact values. Each figure keeps
 * its indicator, so that a page can open what stands behind it; what nobody reported says so and is
 * never 0. */
#ifndef LM_HUB_SUMMARY_H
#define LM_HUB_SUMMARY_H

#include "hub/counts.h"

/* year 0: since the beginning, opening balances included; else that calendar year, up to today
 * while it runs. {"title","year","as_of","from","to","coverage":{…},
 *  "parts":[{"kind":"heading"|"note"|"text","pieces":[{"text"}|{"indicator","display","unit","value",
 *  "opening","reported"}]}],
 *  "villages":{"columns":[{"indicator","label","unit"}],"rows":[{"code","name","complete","values":[…]}]}}
 * New reference. LM_ERR_INVALID: no such year. */
enum lm_status lm_summary(struct lm_store *store, int year, int64_t now_ms, json_t **out,
                          struct lm_error *err) LM_MUST_USE;
/* What a summary of that year is made of: the town's figures, and the period and the coverage in
 * words. counts_out: new reference. LM_ERR_INVALID "bad_year". */
enum lm_status lm_summary_figures(struct lm_store *store, int year, int64_t now_ms,
                                  json_t **counts_out, char period_out[200], char coverage_out[400],
                                  struct lm_error *err) LM_MUST_USE;
/* A text in the template's notation with its figures bound: "parts" of the document. counts needs
 * only "indicators". strict: LM_ERR_INVALID "unknown_token" for a figure that counts has not; else
 * it says (未填报). New reference. */
enum lm_status lm_summary_parts(const json_t *counts, const char *town, const char *period,
                                const char *coverage, const char *text, size_t n, bool strict,
                                json_t **parts_out, struct lm_error *err) LM_MUST_USE;
/* The town's own text (summary/template.txt), n_out bytes. */
const char *lm_summary_template_text(size_t *n_out);
/* The document as plain text, or as a page that browsers, Word and WPS open and print on A4. */
void lm_summary_text(const json_t *summary, struct lm_buf *out);
void lm_summary_html(const json_t *summary, struct lm_buf *out);

#endif
