/* Chinese text for searching and sorting, through ICU: pinyin of names ("Han-Latin/Names": 单雄信
 * is shan xiong xin) and the order of a Chinese dictionary. One owner; not thread-safe. */
#ifndef LM_COMMON_PINYIN_H
#define LM_COMMON_PINYIN_H

#include "common/base/status.h"

struct lm_pinyin;
enum lm_status lm_pinyin_open(struct lm_pinyin **out, struct lm_error *err) LM_MUST_USE;
void lm_pinyin_close(struct lm_pinyin **pinyin);
/* The syllables in lower case without tones, one space between: "zhang san". What has no reading
 * stays as it is. Cut to fit n. text: UTF-8. */
void lm_pinyin_of(struct lm_pinyin *pinyin, const char *text, char *out, size_t n);
/* "zhang san" → "zs". */
void lm_pinyin_initials(const char *syllables, char *out, size_t n);
/* As strcmp, in the order of a Chinese dictionary. */
int lm_pinyin_compare(struct lm_pinyin *pinyin, const char *a, const char *b);

#endif
