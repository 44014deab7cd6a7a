/* A change request as a clerk reads it: whose record it is about, the values in the words and under
 * the cover of the field that they are for, and whether the record still holds the old one. */
#include "hub/api/api.h"
#include "proto/request.h"

#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 8 * 1024 * 1024 };

static const char *text_of(const struct lm_record *rec, const char *field)
{
    const struct lm_value *value = lm_record_get(rec, field);

    return value && value->kind == LM_TEXT ? value->text : "";
}

/* A value under the cover of the field that it is for, not of the request's own. */
static json_t *covered(const struct lm_type *type, const struct lm_field *field, const char *text,
                       enum lm_town_sight sight)
{
    json_t *fields = text[0] ? json_pack("{s:s}", field->name, text) : json_object();
    json_t *value;

    lm_town_mask_fields(type, fields, sight);
    value = json_incref(json_object_get(fields, field->name));
    json_decref(fields);
    return value ? value : json_null();
}

static void label_of(struct lm_api *api, struct lm_arena *arena, const struct lm_record *about,
                     enum lm_town_sight sight, char *out, size_t n)
{
    struct lm_record *person = NULL;
    char own[400];

    lm_town_label(api->store, about, sight, out, n);
    if (text_of(about, "person_id")[0] &&
        lm_store_get(api->store, arena, "person", text_of(about, "person_id"), &person) == LM_OK) {
        (void)snprintf(own, sizeof own, "%s", out);
        lm_town_label(api->store, person, sight, out, n);
        (void)snprintf(out + strlen(out), n - strlen(out), " · %s", own);
    }
}

void lm_town_request(struct lm_api *api, const struct lm_record *rec, enum lm_town_sight sight,
                     json_t *row)
{
    const struct lm_catalog *catalog = lm_store_catalog(api->store);
    char id[LM_UUID_TEXT + 1], label[820] = "", words[1000], scratch[LM_REQUEST_TEXT_MAX];
    const struct lm_type *type;
    const struct lm_field *field;
    struct lm_record *about = NULL;
    struct lm_arena arena;
    json_t *out;

    if (!lm_is_request(rec->type)) {
        return;
    }
    type = lm_request_target(catalog, rec, id);
    field = type ? lm_request_field(type, text_of(rec, "field")) : NULL;
    if (!field) {
        return; /* it stays as it was entered: there are no better words for it */
    }
    lm_arena_init(&arena, ARENA_BYTES);
    if (lm_store_get(api->store, &arena, type->name, id, &about) == LM_OK) {
        label_of(api, &arena, about, sight, label, sizeof label);
    }
    out = json_pack("{s:s,s:s,s:s,s:s,s:o,s:o}", "type", type->name, "id", id, "label", label,
                    "field", field->name, "old",
                    covered(type, field, text_of(rec, "old_value"), sight), "new",
                    covered(type, field, text_of(rec, "new_value"), sight));
    if (out && about) {
        const char *now = lm_request_text(&about->fields[field->index], scratch);

        (void)json_object_set_new(out, "now", covered(type, field, now, sight));
        (void)json_object_set_new(
            out, "stands",
            json_boolean(!lm_record_deleted(about) && strcmp(now, text_of(rec, "old_value")) == 0));
    }
    (void)snprintf(words, sizeof words, "%s%s%s", label, label[0] ? " · " : "", field->zh);
    (void)json_object_set_new(row, "label", json_string(words));
    (void)json_object_set_new(row, "request", out);
    lm_arena_free(&arena);
}
