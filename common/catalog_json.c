/* The catalogue as a page needs it to make forms, lists and steps from. */
#include "common/catalog_json.h"

#include "proto/record.h"
#include "proto/request.h"

#include <string.h>

static const char *const kinds[] = {"text",     "code", "char", "int",  "decimal", "bool", "date",
                                    "datetime", "uuid", "ref",  "file", "hex",     "map"};

static json_t *texts(const char *const *list)
{
    json_t *out = json_array();

    for (size_t i = 0; list && list[i]; i++) {
        (void)json_array_append_new(out, json_string(list[i]));
    }
    return out;
}

static void set_new(json_t *to, const char *key, json_t *value)
{
    (void)json_object_set_new(to, key, value);
}

static json_t *conditions_json(const struct lm_field *f)
{
    static const char *const levels[] = {"refuse", "enter", "warn"};
    json_t *out = json_array();

    for (size_t i = 0; i < f->n_conditions; i++) {
        (void)json_array_append_new(out, json_pack("{s:s,s:s}", "when", f->conditions[i].text,
                                                   "level", levels[f->conditions[i].level]));
    }
    return out;
}

static json_t *members_json(const struct lm_field *field, enum lm_author by);

static json_t *field_json(const struct lm_type *type, const struct lm_field *f, enum lm_author by)
{
    bool entered = f->fill == LM_FILL_USER && (f->edit_by & by) && !f->retired;
    json_t *out = json_pack("{s:s,s:s,s:s,s:s,s:b,s:i,s:b}", "name", f->name, "zh", f->zh, "en",
                            f->en, "type", kinds[f->ftype], "entered", (int)entered, "sensitivity",
                            f->sensitivity, "required", f->required == LM_REQUIRED);

    if (!out) {
        return NULL;
    }
    if (f->is_list) {
        set_new(out, "items",
                json_pack("{s:I,s:I,s:b}", "min", (json_int_t)f->min_items, "max",
                          (json_int_t)f->max_items, "unique", (int)f->unique_items));
    }
    if (f->max_chars) {
        set_new(out, "max_chars", json_integer((json_int_t)f->max_chars));
    }
    if (f->ftype == LM_F_INT && f->min != INT64_MIN) {
        set_new(out, "min", json_integer(f->min));
    }
    if (f->ftype == LM_F_INT && f->max != INT64_MAX) {
        set_new(out, "max", json_integer(f->max));
    }
    if (f->format) {
        set_new(out, "format", json_string(f->format));
    }
    if (f->list) {
        set_new(out, "codes", json_string(f->list->name));
    }
    if (f->ref) {
        set_new(out, "ref", json_string(f->ref));
    }
    if (f->ref_types) {
        set_new(out, "ref_types", texts(f->ref_types));
    }
    if (f->n_conditions) {
        set_new(out, "conditions", conditions_json(f));
    }
    if (!lm_value_is_null(&f->preset)) {
        set_new(out, "preset", lm_field_to_json(f, &f->preset));
    }
    if (f->frozen_in) {
        set_new(out, "frozen_in", texts(f->frozen_in));
    }
    if (f->n_members) {
        set_new(out, "members", members_json(f, by));
    }
    if (f->retired) {
        set_new(out, "retired", json_true());
    }
    if (f->common) {
        set_new(out, "common", json_true());
    }
    if (type && type->groups[f->group].name && strcmp(type->groups[f->group].name, f->name) != 0) {
        set_new(out, "group", json_string(type->groups[f->group].name));
    }
    return out;
}

static json_t *members_json(const struct lm_field *field, enum lm_author by)
{
    json_t *out = json_array();

    for (size_t i = 0; i < field->n_members; i++) {
        (void)json_array_append_new(out, field_json(NULL, &field->members[i], by));
    }
    return out;
}

/* Names of the fields at these indexes. */
static json_t *names_json(const struct lm_type *type, const int *indexes, size_t n)
{
    json_t *out = json_array();

    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(out, json_string(type->fields[indexes[i]].name));
    }
    return out;
}

static json_t *transitions_json(const struct lm_type *type)
{
    json_t *out = json_array();

    for (size_t i = 0; i < type->n_transitions; i++) {
        const struct lm_transition *t = &type->transitions[i];

        (void)json_array_append_new(out, json_pack("{s:s?,s:s,s:b,s:b}", "from", t->from, "to",
                                                   t->to, "village", (t->by & LM_BY_VILLAGE) != 0,
                                                   "town", (t->by & LM_BY_TOWN) != 0));
    }
    return out;
}

/* Whether change requests are about records of this type. */
static bool asked_about(const struct lm_catalog *catalog, const struct lm_type *type)
{
    const struct lm_type *requests = lm_catalog_type(catalog, LM_REQUEST_TYPE);
    const struct lm_field *target = requests ? lm_type_field(requests, "target") : NULL;

    for (size_t i = 0; target && target->ref_types && target->ref_types[i]; i++) {
        if (strcmp(target->ref_types[i], type->name) == 0) {
            return true;
        }
    }
    return false;
}

static json_t *type_json(const struct lm_type *type, enum lm_author by, bool asked)
{
    json_t *fields = json_array();
    json_t *out = json_pack(
        "{s:s,s:s,s:s,s:b,s:s,s:s,s:s,s:o,s:o,s:o,s:o}", "name", type->name, "zh", type->zh, "en",
        type->en, "kept", (type->kept_by & by) != 0, "states", type->states->name, "default_state",
        type->default_state, "reporting_date", type->fields[type->reporting_date].name,
        "list_columns", names_json(type, type->list_columns, type->n_list_columns), "natural_key",
        names_json(type, type->natural_key, type->n_natural_key), "transitions",
        transitions_json(type), "fields", fields);

    for (size_t i = 0; out && i < type->n_fields; i++) {
        json_t *field = field_json(type, &type->fields[i], by);

        if (asked && field && lm_request_field(type, type->fields[i].name)) {
            set_new(field, "asked", json_true());
            set_new(field, "by_village", json_boolean(type->fields[i].edit_by & LM_BY_VILLAGE));
        }
        (void)json_array_append_new(fields, field);
    }
    if (out && type->village_edits_in) {
        set_new(out, "edits_in", texts(type->village_edits_in));
    }
    return out;
}

static json_t *list_json(const struct lm_list *list)
{
    json_t *out = json_array();

    for (size_t i = 0; i < list->n_codes; i++) {
        const struct lm_code *c = &list->codes[i];

        (void)json_array_append_new(out, json_pack("{s:s,s:s,s:s,s:b}", "code", c->code, "zh",
                                                   c->zh, "en", c->en, "retired", (int)c->retired));
    }
    return out;
}

json_t *lm_catalog_json(const struct lm_catalog *catalog, enum lm_author by)
{
    json_t *types = json_array(), *lists = json_object();

    for (size_t i = 0; i < catalog->n_types; i++) {
        if (!lm_type_shown(&catalog->types[i])) {
            continue;
        }
        (void)json_array_append_new(
            types, type_json(&catalog->types[i], by, asked_about(catalog, &catalog->types[i])));
    }
    for (size_t i = 0; i < catalog->n_lists; i++) {
        (void)json_object_set_new(lists, catalog->lists[i].name, list_json(&catalog->lists[i]));
    }
    return json_pack("{s:I,s:o,s:o}", "number", (json_int_t)catalog->number, "types", types,
                     "lists", lists);
}
