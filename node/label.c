/* What a record is called in one line. */
#include "node/label.h"

#include "common/base/util.h"
#include "proto/request.h"

#include <stdio.h>
#include <string.h>

#define ARENA_BYTES (16 * 1024 * 1024)

static const char *said(bool english, const char *zh, const char *en)
{
    return english && en && en[0] ? en : zh;
}

/* The label of a code or of a record type, a text as it is; anything else as "". */
static void column_text(const struct lm_catalog *catalog, bool english, const struct lm_record *rec,
                        int index, char *out, size_t n)
{
    const struct lm_field *f = &rec->type->fields[index];
    const struct lm_value *v = &rec->fields[index];
    const struct lm_code *code;

    out[0] = '\0';
    if (f->is_list || lm_value_is_null(v)) {
        return;
    }
    if (f->format && strcmp(f->format, "record_type") == 0) {
        const struct lm_type *named = lm_catalog_type(catalog, lm_record_text(rec, index));

        (void)snprintf(out, n, "%s",
                       named ? said(english, named->zh, named->en) : lm_record_text(rec, index));
    } else if (f->ftype == LM_F_CODE) {
        code = lm_list_code(f->list, lm_record_text(rec, index));
        (void)snprintf(out, n, "%s",
                       code ? said(english, code->zh, code->en) : lm_record_text(rec, index));
    } else if (f->ftype == LM_F_TEXT || f->ftype == LM_F_DATE || f->ftype == LM_F_CHAR) {
        (void)snprintf(out, n, "%s", lm_record_text(rec, index));
    }
}

/* What snprintf cut in the middle of a character would be no text for JSON. */
static void whole_characters(char *text)
{
    size_t n = strlen(text);

    for (int i = 0; i < 3 && n > 0 && !lm_utf8_valid(text, n, NULL); i++) {
        text[--n] = '\0';
    }
}

/* What a change request is called: whose record it is about, and the field's label. */
static void request_label(struct lm_nstore *store, bool english, const struct lm_record *rec,
                          char out[LM_LABEL_BYTES])
{
    const struct lm_catalog *catalog = lm_nstore_catalog(store);
    struct lm_tables *tables = lm_nstore_tables(store);
    char id[LM_UUID_TEXT + 1], part[LM_LABEL_BYTES], whole[LM_LABEL_BYTES];
    const struct lm_type *type = lm_request_target(catalog, rec, id);
    const struct lm_value *name = lm_record_get(rec, "field"), *person;
    const struct lm_field *field =
        type && name && name->kind == LM_TEXT ? lm_type_field(type, name->text) : NULL;
    const struct lm_type *persons = lm_catalog_type(catalog, "person");
    struct lm_record *about = NULL, *whose = NULL;
    struct lm_arena arena;

    (void)snprintf(out, LM_LABEL_BYTES, "%s", said(english, rec->type->zh, rec->type->en));
    lm_arena_init(&arena, ARENA_BYTES);
    if (field && lm_tables_get(tables, &arena, type, id, &about) == LM_OK) {
        person = lm_record_get(about, "person_id");
        lm_node_label(store, english, about, part);
        if (person && person->kind == LM_TEXT &&
            lm_tables_get(tables, &arena, persons, person->text, &whose) == LM_OK) {
            lm_node_label(store, english, whose, whole);
            (void)snprintf(out, LM_LABEL_BYTES, "%s · %s · %s", whole, part,
                           said(english, field->zh, field->en));
        } else {
            (void)snprintf(out, LM_LABEL_BYTES, "%s · %s", part,
                           said(english, field->zh, field->en));
        }
        whole_characters(out);
    }
    lm_arena_free(&arena);
}

void lm_node_label(struct lm_nstore *store, bool english, const struct lm_record *rec,
                   char out[LM_LABEL_BYTES])
{
    const size_t n = LM_LABEL_BYTES;
    const struct lm_field *name = lm_type_field(rec->type, "name");
    const struct lm_field *title = name ? name : lm_type_field(rec->type, "title");
    char part[400];
    size_t parts = 0;

    out[0] = '\0';
    if (lm_is_request(rec->type)) {
        request_label(store, english, rec, out);
        return;
    }
    if (title && !lm_value_is_null(&rec->fields[title->index])) {
        (void)snprintf(out, n, "%s", lm_record_text(rec, title->index));
        whole_characters(out);
        return;
    }
    for (size_t i = 0; i < rec->type->n_list_columns && parts < 3; i++) {
        size_t at = strlen(out);

        column_text(lm_nstore_catalog(store), english, rec, rec->type->list_columns[i], part,
                    sizeof part);
        if (part[0]) {
            (void)snprintf(out + at, n - at, "%s%s", at ? " · " : "", part);
            whole_characters(out);
            parts++;
        }
    }
    if (!out[0]) {
        (void)snprintf(out, n, "%s", said(english, rec->type->zh, rec->type->en));
    }
}
