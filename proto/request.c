/* See request.h. */
#include "proto/request.h"

#include "proto/idnumber.h"
#include "proto/validate_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool lm_is_request(const struct lm_type *type)
{
    return strcmp(type->name, LM_REQUEST_TYPE) == 0;
}

static const char *text_of(const struct lm_record *rec, const char *name)
{
    const struct lm_value *v = lm_record_get(rec, name);

    return v && v->kind == LM_TEXT ? v->text : "";
}

const struct lm_type *lm_request_target(const struct lm_catalog *catalog,
                                        const struct lm_record *request, char id[LM_UUID_TEXT + 1])
{
    const struct lm_field *field = lm_type_field(request->type, "target");
    const char *text = text_of(request, "target"), *colon = strchr(text, ':');
    char name[LM_NAME_BYTES_MAX + 1];
    bool may = false;

    id[0] = '\0';
    if (!field || !colon || (size_t)(colon - text) >= sizeof name ||
        !lm_uuid_valid(colon + 1, strlen(colon + 1))) {
        return NULL;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)(colon - text), text);
    for (size_t i = 0; field->ref_types && field->ref_types[i]; i++) {
        may = may || strcmp(field->ref_types[i], name) == 0;
    }
    (void)snprintf(id, LM_UUID_TEXT + 1, "%s", colon + 1);
    return may ? lm_catalog_type(catalog, name) : NULL;
}

const struct lm_field *lm_request_field(const struct lm_type *type, const char *name)
{
    const struct lm_field *f = lm_type_field(type, name);

    if (!f || f->common || f->retired || f->is_list || f->fill != LM_FILL_USER ||
        !(f->edit_by & LM_BY_TOWN) || f->sensitivity >= LM_SENSITIVITY_SECRET) {
        return NULL;
    }
    switch (f->ftype) {
    case LM_F_TEXT:
    case LM_F_CODE:
    case LM_F_CHAR:
    case LM_F_INT:
    case LM_F_BOOL:
    case LM_F_DATE:
        return f;
    case LM_F_DECIMAL:
    case LM_F_DATETIME:
    case LM_F_UUID:
    case LM_F_REF:
    case LM_F_FILE:
    case LM_F_HEX:
    case LM_F_MAP:
        break;
    }
    return NULL;
}

static bool listed(const char *const *states, const char *state)
{
    for (size_t i = 0; states && states[i]; i++) {
        if (strcmp(states[i], state) == 0) {
            return true;
        }
    }
    return false;
}

bool lm_request_needless(const struct lm_type *type, const struct lm_field *field,
                         const char *state)
{
    return (field->edit_by & LM_BY_VILLAGE) && !listed(field->frozen_in, state) &&
           (!type->village_edits_in || listed(type->village_edits_in, state));
}

const char *lm_request_text(const struct lm_value *value, char scratch[LM_REQUEST_TEXT_MAX])
{
    switch (value->kind) {
    case LM_TEXT:
        return value->text;
    case LM_INT:
        (void)snprintf(scratch, LM_REQUEST_TEXT_MAX, "%" PRId64, value->i);
        return scratch;
    case LM_BOOL:
        return value->b ? "true" : "false";
    case LM_NULL:
    case LM_LIST:
    case LM_MAP:
        break;
    }
    return "";
}

/* A number that is none stays text, so that the field's own sentence says what is wrong with it. */
static json_t *value_json(const struct lm_field *field, const char *text)
{
    char *end = NULL;
    long long number;

    if (field->ftype == LM_F_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        return json_boolean(text[0] == 't');
    }
    if (field->ftype == LM_F_INT && text[0] && strlen(text) < 18) {
        number = strtoll(text, &end, 10);
        if (*end == '\0') {
            return json_integer(number);
        }
    }
    return json_string(text);
}

json_t *lm_request_fields(const struct lm_type *type, const struct lm_field *field,
                          const char *text)
{
    json_t *fields = json_pack("{s:o}", field->name, value_json(field, text));
    char birth[11], sex[2] = "";
    size_t n = strlen(text);

    if (fields && field->format && strcmp(field->format, "idno") == 0 && n == 18 &&
        lm_type_field(type, "birth_on") && lm_type_field(type, "sex") &&
        lm_idno_check(text, n, birth, sex) == LM_IDNO_OK) {
        (void)json_object_set_new(fields, "birth_on", json_string(birth));
        (void)json_object_set_new(fields, "sex", json_string(sex));
    }
    return fields;
}

/* What is said about the other record's fields is said beside the request's own. */
static void take_issues(const struct lm_issues *from, const struct lm_field *field,
                        struct lm_issues *into)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct lm_issue *one = &from->items[i];

        if (one->level == LM_REFUSE || strcmp(one->error.field, field->name) == 0) {
            lm_issue_add(into, one->level, one->error.code, "new_value", one->error.zh,
                         one->error.en);
        }
    }
}

enum lm_status lm_request_judge(const struct lm_validate_in *in, const struct lm_type *type,
                                const struct lm_field *field, const struct lm_record *now,
                                struct lm_arena *arena, struct lm_issues *issues,
                                struct lm_record **out)
{
    json_t *fields = lm_request_fields(type, field, text_of(in->after, "new_value"));
    struct lm_fieldset *set = lm_arena_alloc(arena, sizeof *set);
    struct lm_issues *found = lm_arena_alloc(arena, sizeof *found);
    enum lm_status st = fields && set && found ? LM_OK : LM_ERR_MEMORY;

    *out = NULL;
    if (st == LM_OK) {
        lm_issues_init(found);
        st = lm_fields_from_json(in->catalog, type, fields, arena, set, found);
    }
    json_decref(fields);
    if (st == LM_OK && now && found->n_refused == 0) {
        struct lm_record *after = lm_record_copy(arena, now);
        struct lm_validate_in as_entry = {.catalog = in->catalog,
                                          .type = type,
                                          .before = now,
                                          .after = after,
                                          .set = set,
                                          .author = LM_BY_TOWN,
                                          .lookup = in->lookup,
                                          .now_ms = in->now_ms,
                                          .clock_confirmed = in->clock_confirmed};

        if (!after) {
            return LM_ERR_MEMORY;
        }
        for (size_t i = 0; i < set->n; i++) {
            after->fields[set->index[i]] = set->value[i];
        }
        st = lm_validate(&as_entry, arena, found);
        *out = after;
    }
    if (st == LM_OK) {
        take_issues(found, field, issues);
        *out = found->n_refused == 0 ? *out : NULL;
    }
    return st;
}

/* ---- a request, when it is entered or handed in ---- */

static struct vx_place place_of(const struct lm_validate_in *in, const char *name)
{
    return vx_field(lm_type_field(in->type, name));
}

static bool is_new(const struct lm_validate_in *in)
{
    static const char *const what[] = {"target", "field", "old_value", "new_value"};

    if (!in->before || in->before->invalid ||
        strcmp(lm_record_text(in->before, LM_C_STATE), "draft") == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof what / sizeof what[0]; i++) {
        const struct lm_field *f = lm_type_field(in->type, what[i]);

        if (f && vx_changed(in, f)) {
            return true;
        }
    }
    return false;
}

static bool agreed(const struct lm_record *request)
{
    return strcmp(lm_record_text(request, LM_C_STATE), "verified") == 0 &&
           strcmp(text_of(request, "decision"), "approved") == 0;
}

/* Only what waits for the town's word, or gets its consent, is judged: to say no, or to send a
 * request back, must be possible whatever it asks for. */
static bool stands(const struct lm_validate_in *in)
{
    return strcmp(lm_record_text(in->after, LM_C_STATE), "submitted") == 0 ||
           (agreed(in->after) && !(in->before && agreed(in->before)));
}

static void judge_present(const struct lm_validate_in *in, const struct lm_type *type,
                          const struct lm_field *field, const struct lm_record *now,
                          struct lm_issues *issues)
{
    struct vx_place target = place_of(in, "target"), old = place_of(in, "old_value"),
                    what = place_of(in, "field"), wanted = place_of(in, "new_value");
    const char *state = lm_record_text(now, LM_C_STATE), *present;
    char scratch[LM_REQUEST_TEXT_MAX];

    if (lm_record_deleted(now) || strcmp(state, "merged") == 0) {
        vx_complain(issues, LM_REFUSE, "gone", &target,
                    "已删除或已并入另一份，请对现在用的那一份提出。",
                    "is deleted or merged into another one: ask about the one that is in use.");
        return;
    }
    if (strcmp(lm_record_text(now, LM_C_VILLAGE_CODE),
               lm_record_text(in->after, LM_C_VILLAGE_CODE)) != 0) {
        vx_complain(issues, LM_REFUSE, "other_village", &target,
                    "不属于提出申请的村，请由现在所属的村提出。",
                    "belongs to another village: that one asks for it.");
        return;
    }
    if (in->author == LM_BY_VILLAGE && lm_request_needless(type, field, state)) {
        vx_complain(issues, LM_REFUSE, "needless", &what, "“%s”本村现在可以直接改，不用申请。%.0s",
                    "\"%.0s%s\" can be changed by the village itself: edit the record.", field->zh,
                    field->en);
        return;
    }
    present = lm_request_text(&now->fields[field->index], scratch);
    if (strcmp(text_of(in->after, "new_value"), present) == 0) {
        vx_complain(issues, LM_REFUSE, "no_change", &wanted, "与档案里现在的内容一样，不用申请。",
                    "is what the record holds already: there is nothing to ask for.");
    } else if (strcmp(text_of(in->after, "old_value"), present) != 0) {
        vx_complain(issues, LM_REFUSE, "stale_value", &old,
                    "与档案里现在的“%s”不一样，请打开档案核对后重新填写。%.0s",
                    "is not what the record holds as \"%.0s%s\" now: look at it and ask again.",
                    field->zh, field->en);
    }
}

enum lm_status vx_request(const struct lm_validate_in *in, struct lm_arena *arena,
                          struct lm_issues *issues)
{
    char id[LM_UUID_TEXT + 1];
    const struct lm_type *type = lm_request_target(in->catalog, in->after, id);
    const char *name = text_of(in->after, "field");
    const struct lm_field *field = type && *name ? lm_request_field(type, name) : NULL;
    struct lm_record *now = NULL, *would;
    struct vx_place what = place_of(in, "field");
    enum lm_status st;

    if (!type || !*name || !stands(in) || !is_new(in)) {
        return LM_OK; /* what is missing is complained about as for every type */
    }
    if (!field) {
        vx_complain(issues, LM_REFUSE, "unknown_field", &what,
                    "不是“%s”里可以申请更正的字段，请从名称中选择。%.0s",
                    "is no field of \"%.0s%s\" that can be asked for: choose one by its name.",
                    type->zh, type->en);
        return LM_OK;
    }
    if (in->lookup && in->lookup->get) {
        st = in->lookup->get(in->lookup->ctx, arena, type->name, id, &now);
        if (st != LM_OK && st != LM_ERR_NOT_FOUND) {
            return st;
        }
    }
    if (now) {
        size_t refused = issues->n_refused;

        judge_present(in, type, field, now, issues);
        if (issues->n_refused > refused) {
            return LM_OK;
        }
    }
    return *text_of(in->after, "new_value")
               ? lm_request_judge(in, type, field, now, arena, issues, &would)
               : LM_OK;
}
