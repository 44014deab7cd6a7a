/* See label.h. */
#include "common/label.h"

#include "common/base/util.h"

#include <stdio.h>
#include <string.h>

#define PART_BYTES 400
#define AREA_CHARS 12

void lm_label_whole(char *text)
{
    size_t n = strlen(text);

    for (int i = 0; i < 3 && n > 0 && !lm_utf8_valid(text, n, NULL); i++) {
        text[--n] = '\0';
    }
}

const char *lm_label_said(bool english, const char *zh, const char *en)
{
    return english && en && en[0] ? en : zh;
}

struct area {
    char *out;
    size_t n;
};

static bool take_name(void *arg, const struct lm_record *rec)
{
    struct area *a = arg;
    const struct lm_value *name = lm_record_get(rec, "name");

    if (name && name->kind == LM_TEXT) {
        (void)snprintf(a->out, a->n, "%s", name->text);
    }
    return true; /* the last one, should the code have been given anew */
}

/* A code that no area has stays a code. */
static void area_name(struct lm_tables *tables, const struct lm_catalog *catalog, const char *code,
                      char *out, size_t n)
{
    const struct lm_type *areas = lm_catalog_type(catalog, "area_unit");
    const struct lm_where where = {.field = "code", .value = code};
    struct area area = {out, n};

    (void)snprintf(out, n, "%s", code);
    if (areas && strlen(code) == AREA_CHARS) {
        (void)!lm_tables_list(tables, NULL, areas, NULL, &where, 1, false, take_name, &area, NULL);
    }
}

void lm_label_text(struct lm_tables *tables, const struct lm_catalog *catalog, bool english,
                   const struct lm_field *f, const char *text, char *out, size_t n)
{
    const char *format = f->format ? f->format : "";
    const struct lm_type *named =
        strcmp(format, "record_type") == 0 ? lm_catalog_type(catalog, text) : NULL;
    const struct lm_code *code = f->list ? lm_list_code(f->list, text) : NULL;

    out[0] = '\0';
    if (named || code) {
        (void)snprintf(out, n, "%s",
                       named ? lm_label_said(english, named->zh, named->en)
                             : lm_label_said(english, code->zh, code->en));
    } else if (strcmp(format, "division") == 0) {
        area_name(tables, catalog, text, out, n);
    } else if (f->ftype == LM_F_TEXT || f->ftype == LM_F_DATE || f->ftype == LM_F_CHAR ||
               f->ftype == LM_F_CODE) {
        (void)snprintf(out, n, "%s", text);
    }
    lm_label_whole(out);
}

void lm_label_record(struct lm_tables *tables, const struct lm_catalog *catalog, bool english,
                     const struct lm_record *rec, int sensitivity, char *out, size_t n)
{
    const struct lm_field *name = lm_type_field(rec->type, "name");
    const struct lm_field *title = name ? name : lm_type_field(rec->type, "title");
    char part[PART_BYTES];
    size_t parts = 0;

    out[0] = '\0';
    if (title && title->sensitivity <= sensitivity && lm_record_text(rec, title->index)[0]) {
        (void)snprintf(out, n, "%s", lm_record_text(rec, title->index));
        lm_label_whole(out);
        return;
    }
    for (size_t i = 0; i < rec->type->n_list_columns && parts < LM_LABEL_PARTS_MAX; i++) {
        const struct lm_field *f = &rec->type->fields[rec->type->list_columns[i]];
        size_t at = strlen(out);

        if (f->sensitivity > sensitivity || rec->fields[f->index].kind != LM_TEXT) {
            continue;
        }
        lm_label_text(tables, catalog, english, f, rec->fields[f->index].text, part, sizeof part);
        if (part[0]) {
            (void)snprintf(out + at, n - at, "%s%s", at ? " · " : "", part);
            lm_label_whole(out);
            parts++;
        }
    }
    if (!out[0]) {
        (void)snprintf(out, n, "%s", lm_label_said(english, rec->type->zh, rec->type->en));
    }
}
