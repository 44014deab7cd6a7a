/* What a record is called in one line. */
#include "node/label.h"

#include "common/base/util.h"
#include "common/label.h"
#include "proto/request.h"

#include <stdio.h>
#include <string.h>

#define ARENA_BYTES (16 * 1024 * 1024)

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

    (void)snprintf(out, LM_LABEL_BYTES, "%s", lm_label_said(english, rec->type->zh, rec->type->en));
    lm_arena_init(&arena, ARENA_BYTES);
    if (field && lm_tables_get(tables, &arena, type, id, &about) == LM_OK) {
        person = lm_record_get(about, "person_id");
        lm_node_label(store, english, about, part);
        if (person && person->kind == LM_TEXT &&
            lm_tables_get(tables, &arena, persons, person->text, &whose) == LM_OK) {
            lm_node_label(store, english, whose, whole);
            (void)snprintf(out, LM_LABEL_BYTES, "%s · %s · %s", whole, part,
                           lm_label_said(english, field->zh, field->en));
        } else {
            (void)snprintf(out, LM_LABEL_BYTES, "%s · %s", part,
                           lm_label_said(english, field->zh, field->en));
        }
        lm_label_whole(out);
    }
    lm_arena_free(&arena);
}

void lm_node_label(struct lm_nstore *store, bool english, const struct lm_record *rec,
                   char out[LM_LABEL_BYTES])
{
    if (lm_is_request(rec->type)) {
        request_label(store, english, rec, out);
    } else {
        lm_label_record(lm_nstore_tables(store), lm_nstore_catalog(store), english, rec,
                        LM_SENSITIVITY_SECRET - 1, out, LM_LABEL_BYTES);
    }
}
