/* See nil_report.h. */
#include "common/nil_report.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(const struct lm_record *rec, const char *name)
{
    const struct lm_field *field = lm_type_field(rec->type, name);

    return field ? lm_record_text(rec, field->index) : "";
}

enum lm_status lm_nil_check(struct lm_tables *tables, const struct lm_catalog *catalog,
                            const struct lm_record *rec, const char *village,
                            struct lm_issues *issues)
{
    const char *month = text_of(rec, "month");
    const struct lm_type *of;
    char zh[300], en[300];
    bool has = false;
    enum lm_status st;

    if (strcmp(rec->type->name, "nil_report") != 0 || strlen(month) != 7) {
        return LM_OK;
    }
    of = lm_catalog_type(catalog, text_of(rec, "record"));
    if (!of) {
        return LM_OK;
    }
    st = lm_tables_in_month(tables, of, village, month, &has);
    if (st == LM_OK && has) {
        (void)snprintf(zh, sizeof zh, "%s已经登记过“%s”，有记录不用零报告，请核对月份和类型。",
                       month, of->zh);
        (void)snprintf(en, sizeof en,
                       "There are records of \"%s\" in %s already: no nil report is needed. Check "
                       "month and type.",
                       of->en, month);
        lm_issue_add(issues, LM_WARN, "has_records", "record", zh, en);
    }
    return st == LM_ERR_INVALID ? LM_OK : st; /* no month: said elsewhere */
}
