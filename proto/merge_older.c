/* What can't be asked of a change because the catalogue that it was made with did not say so: a
 * field that it lacks, a rule that came later, a code or a field that was not retired yet. Stations
 * take a new catalogue in when they next have a connection; until then they rightly save by the one
 * that they have. */
#include "proto/merge_internal.h"

#include <string.h>

static bool is_older(const struct merge *m)
{
    return m->change->catalog < m->catalog->number;
}

static const struct lm_field *field_at(const struct lm_type *type, const struct lm_error *error)
{
    return type ? lm_type_fieldn(type, error->field, strcspn(error->field, ".[")) : NULL;
}

/* The type as the author knew it; NULL: not known here, or not there yet. */
static const struct lm_type *old_type(const struct merge *m)
{
    return m->in->made_with ? lm_catalog_type(m->in->made_with, m->type->name) : NULL;
}

/* Every code of the value was there, and in use, when the change was made. */
static bool codes_were_good(const struct merge *m, const struct lm_error *error)
{
    const struct lm_field *now = field_at(m->type, error), *then = field_at(old_type(m), error);
    const struct lm_value *v = now ? &m->next->fields[now->index] : NULL;
    uint32_t n = v && v->kind == LM_LIST ? v->len : 1;

    if (!v || now->ftype != LM_F_CODE || !now->list || (then && !then->list)) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct lm_value *item = v->kind == LM_LIST ? &v->items[i] : v;
        const struct lm_code *code = NULL;

        if (item->kind == LM_TEXT) {
            code = lm_list_code(then ? then->list : now->list, item->text);
        }
        if (!code || (then && code->retired)) {
            return false;
        }
    }
    return true;
}

static bool has_rule(const struct lm_rule *rules, size_t n, const char *code)
{
    for (size_t i = 0; i < n; i++) {
        if (rules[i].level == LM_REFUSE && strcmp(rules[i].code, code) == 0) {
            return true;
        }
    }
    return false;
}

static bool type_has_rule(const struct lm_type *type, const char *code)
{
    bool found = has_rule(type->rules, type->n_rules, code);

    for (size_t i = 0; i < type->n_transitions && !found; i++) {
        found = has_rule(type->transitions[i].rules, type->transitions[i].n_rules, code);
    }
    return found;
}

/* Fields that are there do not become required, so one that the author knew was required then. */
static bool required_later(const struct merge *m, const struct lm_error *error)
{
    const struct lm_field *field = field_at(m->type, error);

    if (strcmp(error->code, "required") != 0 || (field && field->common)) {
        return false;
    }
    return !m->in->made_with || !field_at(old_type(m), error);
}

bool merge_older_lacks(const struct merge *m, const struct lm_error *error)
{
    const struct lm_type *then = old_type(m);

    if (!is_older(m)) {
        return false;
    }
    if (strcmp(error->code, "bad_code") == 0) {
        return codes_were_good(m, error);
    }
    return required_later(m, error) ||
           (then && type_has_rule(m->type, error->code) && !type_has_rule(then, error->code));
}

bool merge_older_may(const struct merge *m, const struct lm_error *error)
{
    const struct lm_field *then = field_at(old_type(m), error);

    return is_older(m) && strcmp(error->code, "retired_field") == 0 &&
           (!m->in->made_with || (then && !then->retired));
}
