/* References that a change newly makes: each must name a record that is there, of the right type.
 * Files are not checked: their bytes follow later. */
#include "proto/merge_internal.h"

#include <string.h>

#define REF_TEXT_MAX (LM_UUID_TEXT + 1)

static bool uuid_text(const char *text, size_t n, char out[REF_TEXT_MAX])
{
    if (!lm_uuid_valid(text, n)) {
        return false;
    }
    memcpy(out, text, LM_UUID_TEXT);
    out[LM_UUID_TEXT] = '\0';
    return true;
}

static enum lm_status get(struct merge *m, const char *type, const char *id, struct lm_record **out)
{
    const struct lm_lookup *lookup = m->in->lookup;

    *out = NULL;
    if (lookup == NULL || lookup->get == NULL) {
        return LM_ERR_NOT_FOUND;
    }
    return lookup->get(lookup->ctx, m->arena, type, id, out);
}

static void refuse(struct merge *m, const struct lm_field *field)
{
    merge_refuse_field(m, "bad_reference", field, "所指的不是应有的记录",
                       "names a record of the wrong kind");
}

/* Whether the id is a record of any other type. Asked only where it is not of the right one. */
static enum lm_status other_type(struct merge *m, const char *right, const char *id, bool *out)
{
    *out = false;
    for (size_t t = 0; t < m->catalog->n_types && !*out; t++) {
        struct lm_record *rec;
        enum lm_status status;

        if (right != NULL && strcmp(m->catalog->types[t].name, right) == 0) {
            continue;
        }
        status = get(m, m->catalog->types[t].name, id, &rec);
        if (status != LM_OK && status != LM_ERR_NOT_FOUND) {
            return status;
        }
        *out = status == LM_OK;
    }
    return LM_OK;
}

/* One reference. missing: the first id that is not there yet ("" = none). */
static enum lm_status one(struct merge *m, const struct lm_field *field, const char *type,
                          const char *id, char missing[REF_TEXT_MAX])
{
    struct lm_record *rec;
    enum lm_status status;
    bool other;

    if (strcmp(id, m->change->id) == 0) {
        refuse(m, field);
        return LM_OK;
    }
    if (type == NULL || lm_catalog_type(m->catalog, type) == NULL) {
        return LM_OK; /* an account, a device, or a type that a newer catalogue brought */
    }
    status = get(m, type, id, &rec);
    if (status != LM_ERR_NOT_FOUND) {
        return status;
    }
    status = other_type(m, type, id, &other);
    if (status != LM_OK) {
        return status;
    }
    if (other) {
        refuse(m, field);
    } else if (missing[0] == '\0') {
        memcpy(missing, id, REF_TEXT_MAX);
    }
    return LM_OK;
}

static enum lm_status element(struct merge *m, const struct lm_field *field,
                              const struct lm_value *value, char missing[REF_TEXT_MAX])
{
    char id[REF_TEXT_MAX];

    if (value->kind == LM_MAP && field->ftype == LM_F_MAP) {
        for (size_t i = 0; i < field->n_members && !m->decided; i++) {
            const struct lm_value *member = lm_value_member(value, field->members[i].name);
            enum lm_status status;

            if (member == NULL || member->kind != LM_TEXT) {
                continue;
            }
            status = element(m, &field->members[i], member, missing);
            if (status != LM_OK) {
                return status;
            }
        }
        return LM_OK;
    }
    if (value->kind != LM_TEXT) {
        return LM_OK;
    }
    if (field->ftype == LM_F_UUID && uuid_text(value->text, value->len, id)) {
        return one(m, field, field->ref, id, missing);
    }
    if (field->ftype == LM_F_REF) {
        const char *colon = memchr(value->text, ':', value->len);
        char type[48];
        size_t n = colon != NULL ? (size_t)(colon - value->text) : 0;

        if (n == 0 || n >= sizeof(type) || !uuid_text(colon + 1, value->len - n - 1, id)) {
            return LM_OK; /* lm_fields_check has let it pass: nothing to look for */
        }
        memcpy(type, value->text, n);
        type[n] = '\0';
        return one(m, field, type, id, missing);
    }
    return LM_OK;
}

static bool in_list(const struct lm_value *list, const struct lm_value *value)
{
    for (uint32_t i = 0; list->kind == LM_LIST && i < list->len; i++) {
        if (lm_value_equal(&list->items[i], value)) {
            return true;
        }
    }
    return false;
}

/* A merged record points to the one it became: following that must never come back here. */
static enum lm_status check_acyclic(struct merge *m, const struct lm_field *field,
                                    const struct lm_value *value)
{
    char id[REF_TEXT_MAX];
    struct lm_record *rec;

    if (value->kind != LM_TEXT || !uuid_text(value->text, value->len, id)) {
        return LM_OK;
    }
    for (int i = 0; i < MERGE_CHAIN_MAX; i++) {
        enum lm_status status = get(m, m->type->name, id, &rec);
        const struct lm_value *next;

        if (status == LM_ERR_NOT_FOUND) {
            return LM_OK;
        }
        if (status != LM_OK) {
            return status;
        }
        next = lm_record_get(rec, field->name);
        if (next == NULL || next->kind != LM_TEXT || !uuid_text(next->text, next->len, id)) {
            return LM_OK;
        }
        if (strcmp(id, m->change->id) == 0) {
            break;
        }
    }
    merge_refuse_field(m, "cycle", field, "会绕回本记录", "would lead back to this record");
    return LM_OK;
}

enum lm_status merge_step_references(struct merge *m)
{
    char missing[REF_TEXT_MAX] = "";

    for (size_t i = 0; i < m->set.n && !m->decided; i++) {
        const struct lm_field *field = &m->type->fields[m->set.index[i]];
        const struct lm_value *value = &m->set.value[i];
        struct lm_value none = lm_value_null();
        const struct lm_value *before =
            m->current != NULL ? &m->current->fields[m->set.index[i]] : &none;
        enum lm_status status = LM_OK;

        if (lm_value_is_null(value) || lm_value_equal(value, before)) {
            continue;
        }
        if (strcmp(field->name, "merged_into") == 0) {
            status = check_acyclic(m, field, value);
        }
        if (status == LM_OK && !m->decided && value->kind != LM_LIST) {
            status = element(m, field, value, missing);
        }
        for (uint32_t k = 0;
             value->kind == LM_LIST && k < value->len && status == LM_OK && !m->decided; k++) {
            if (!in_list(before, &value->items[k])) {
                status = element(m, field, &value->items[k], missing);
            }
        }
        if (status != LM_OK) {
            return status;
        }
    }
    if (!m->decided && missing[0] != '\0' && !m->in->released) {
        merge_hold(m, "reference", "所引用的记录尚未到达，等待中",
                   "A record that it refers to has not arrived yet");
        MERGE_WAITS(m, "record:%s", missing);
    }
    return LM_OK;
}
