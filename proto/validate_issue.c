/* What a validation has to say: issues with whole sentences in Chinese and English.
 *
 * Texts are cut between characters, never inside one. Values of a record are not repeated in texts:
 * they may be personal, and texts travel and are logged. */
#include "proto/validate_internal.h"

#include <stdio.h>
#include <string.h>

/* Copies as many whole characters as fit. */
static void put_text(char *out, size_t size, const char *text)
{
    size_t n = strlen(text);

    if (n > size - 1) {
        n = size - 1;
        while (n && ((unsigned char)text[n] & 0xC0) == 0x80) {
            n--;
        }
    }
    memcpy(out, text, n);
    out[n] = 0;
}

void lm_issues_init(struct lm_issues *issues)
{
    issues->n = 0;
    issues->n_refused = 0;
}

void lm_issue_add(struct lm_issues *issues, enum lm_level level, const char *code,
                  const char *field, const char *zh, const char *en)
{
    struct lm_issue *issue;
    enum lm_level kept = level == LM_WARN ? LM_WARN : LM_REFUSE;
    size_t at = issues->n;

    for (size_t i = 0; i < issues->n; i++) {
        if (issues->items[i].level == kept && strcmp(issues->items[i].error.code, code) == 0 &&
            strcmp(issues->items[i].error.field, field) == 0) {
            return;
        }
    }
    if (kept == LM_REFUSE) {
        issues->n_refused++;
    }
    if (at == LM_ISSUES_MAX) {
        /* A refusal must be seen: it takes the place of a warning. */
        for (at = 0; at < LM_ISSUES_MAX && issues->items[at].level != LM_WARN; at++) {
        }
        if (kept == LM_WARN || at == LM_ISSUES_MAX) {
            return;
        }
    } else {
        issues->n++;
    }
    issue = &issues->items[at];
    issue->level = kept;
    put_text(issue->error.code, sizeof(issue->error.code), code);
    put_text(issue->error.field, sizeof(issue->error.field), field);
    put_text(issue->error.zh, sizeof(issue->error.zh), zh);
    put_text(issue->error.en, sizeof(issue->error.en), en);
}

const struct lm_error *lm_issues_first_refusal(const struct lm_issues *issues)
{
    for (size_t i = 0; i < issues->n; i++) {
        if (issues->items[i].level == LM_REFUSE) {
            return &issues->items[i].error;
        }
    }
    return NULL;
}

struct vx_place vx_field(const struct lm_field *field)
{
    return (struct vx_place){.field = field, .item = -1};
}

void vx_complain(struct lm_issues *issues, enum lm_level level, const char *code,
                 const struct vx_place *place, const char *zh, const char *en, ...)
{
    char path[192];
    char tail_zh[400];
    char tail_en[400];
    char text_zh[900];
    char text_en[900];
    char item[32] = "";
    char item_zh[48] = "";
    char item_en[48] = "";
    const struct lm_field *m = place->member;
    va_list args;

    va_start(args, en);
    vsnprintf(tail_zh, sizeof(tail_zh), zh, args);
    va_end(args);
    va_start(args, en);
    vsnprintf(tail_en, sizeof(tail_en), en, args);
    va_end(args);
    if (place->item >= 0) {
        snprintf(item, sizeof(item), "[%ld]", place->item);
        snprintf(item_zh, sizeof(item_zh), "第%ld项", place->item + 1);
        snprintf(item_en, sizeof(item_en), " item %ld", place->item + 1);
    }
    snprintf(path, sizeof(path), "%.60s%s%s%.60s", place->field->name, item, m ? "." : "",
             m ? m->name : "");
    snprintf(text_zh, sizeof(text_zh), "“%.120s”%s%s%.120s%s%s", place->field->zh, item_zh,
             m ? "“" : "", m ? m->zh : "", m ? "”" : "", tail_zh);
    snprintf(text_en, sizeof(text_en), "\"%.120s\"%s%s%.120s%s %s", place->field->en, item_en,
             m ? " \"" : "", m ? m->en : "", m ? "\"" : "", tail_en);
    lm_issue_add(issues, level, code, path, text_zh, text_en);
}
