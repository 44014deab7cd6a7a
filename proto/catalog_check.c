/* Soundness of the catalogue across types, once all of them are read: references, life cycles, and
 * the expressions, which may speak of other types. Pure. */
#include "proto/catalog_internal.h"

#include "proto/expr.h"

#include <stdio.h>
#include <string.h>

static const char *type_file(struct cat_loader *l, const struct lm_type *type)
{
    char name[CAT_NAME_MAX + 16];

    snprintf(name, sizeof(name), "types/%s.json", type->name);
    for (size_t i = 0; i < l->n_files; i++) {
        if (strcmp(l->files[i].name, name) == 0) {
            return l->files[i].name;
        }
    }
    return "";
}

/* ---- references ---- */

static void check_reference(struct cat_loader *l, const struct lm_field *f)
{
    if (f->ref && !lm_catalog_type(l->cat, f->ref)) {
        cat_bad(l, "引用的记录类型不存在", "the record type referred to is not there", f->ref);
    }
    for (size_t i = 0; f->ref_types && f->ref_types[i]; i++) {
        if (!lm_catalog_type(l->cat, f->ref_types[i])) {
            cat_bad(l, "引用的记录类型不存在", "the record type referred to is not there",
                    f->ref_types[i]);
        }
    }
}

static void check_fields(struct cat_loader *l, const struct lm_type *type)
{
    for (size_t i = 0; i < type->n_fields && l->status == LM_OK; i++) {
        const struct lm_field *f = &type->fields[i];

        cat_at(l, "%s.%s", type->name, f->name);
        check_reference(l, f);
        for (size_t k = 0; k < f->n_members; k++) {
            cat_at(l, "%s.%s.%s", type->name, f->name, f->members[k].name);
            check_reference(l, &f->members[k]);
        }
        if (f->compute && l->status == LM_OK) {
            size_t n = strlen(type->name);

            if (strncmp(f->compute, type->name, n) != 0 || f->compute[n] != '.' ||
                strcmp(f->compute + n + 1, f->name) != 0) {
                cat_bad(l, "计算规则应以“类型.字段”命名", "a computing rule is named type.field",
                        f->compute);
            }
        }
        if (l->status == LM_OK && (f->edit_by & LM_BY_VILLAGE) &&
            !(type->kept_by & LM_BY_VILLAGE) && !f->common) {
            cat_bad(l, "村站不登记这种记录，不能编辑字段", "villages do not keep this record type",
                    "edit_by");
        }
    }
}

/* ---- what is noted elsewhere ---- */

/* What the most sensitive field says whose codes are of the list. */
static int list_sensitivity(const struct lm_catalog *cat, const struct lm_list *list)
{
    int most = 0;

    for (size_t i = 0; i < cat->n_types; i++) {
        for (size_t k = 0; k < cat->types[i].n_fields; k++) {
            const struct lm_field *f = &cat->types[i].fields[k];

            if (f->list == list && f->sensitivity > most &&
                f->sensitivity < LM_SENSITIVITY_SECRET) {
                most = f->sensitivity;
            }
        }
    }
    return most;
}

/* Items that note what another record said (a visit: the person's hardship that day) are shown to
 * nobody who may not read it there. The list is one value: it is as sensitive as its most sensitive
 * member. Raised and not refused: catalogues were published that say less. */
static void raise_lists_of_items(struct lm_catalog *cat)
{
    for (size_t i = 0; i < cat->n_types; i++) {
        struct lm_type *type = &cat->types[i];

        for (size_t k = 0; k < type->n_fields; k++) {
            struct lm_field *f = &type->fields[k];

            for (size_t m = 0; m < f->n_members; m++) {
                int noted = f->members[m].list ? list_sensitivity(cat, f->members[m].list) : 0;

                f->sensitivity = noted > f->sensitivity ? noted : f->sensitivity;
            }
            for (size_t m = 0; m < f->n_members; m++) {
                f->members[m].sensitivity = f->sensitivity;
            }
            if (f->n_members && f->sensitivity > type->sensitivity_max) {
                type->sensitivity_max = f->sensitivity;
            }
        }
    }
}

/* ---- life cycles ---- */

static size_t state_index(const struct lm_type *type, const char *state)
{
    size_t i = 0;

    while (i + 1 < type->states->n_codes && strcmp(type->states->codes[i].code, state) != 0) {
        i++;
    }
    return i;
}

static void check_cycle(struct cat_loader *l, const struct lm_type *type, uint64_t *used_out)
{
    uint64_t used = 0, reached = 0;
    bool default_made = false, grew = true;

    for (size_t i = 0; i < type->n_transitions; i++) {
        const struct lm_transition *t = &type->transitions[i];

        cat_at(l, "%s.transitions[%zu]", type->name, i);
        if ((t->by & LM_BY_VILLAGE) && !(type->kept_by & LM_BY_VILLAGE)) {
            cat_bad(l, "村站不登记这种记录，不能改变状态", "villages do not keep this record type",
                    t->to);
        }
        used |= UINT64_C(1) << state_index(type, t->to);
        if (t->from) {
            used |= UINT64_C(1) << state_index(type, t->from);
        } else {
            reached |= UINT64_C(1) << state_index(type, t->to);
            default_made |= strcmp(t->to, type->default_state) == 0;
        }
    }
    cat_at(l, "%s.default_state", type->name);
    if (l->status == LM_OK && !default_made) {
        cat_bad(l, "新记录到不了默认状态", "no creation leads to the default state",
                type->default_state);
    }
    while (grew) {
        uint64_t before = reached;

        for (size_t i = 0; i < type->n_transitions; i++) {
            const struct lm_transition *t = &type->transitions[i];

            if (t->from && (reached >> state_index(type, t->from) & 1)) {
                reached |= UINT64_C(1) << state_index(type, t->to);
            }
        }
        grew = reached != before;
    }
    cat_at(l, "%s.transitions", type->name);
    for (size_t i = 0; i < type->states->n_codes && l->status == LM_OK; i++) {
        if ((used & ~reached) >> i & 1) {
            cat_bad(l, "从新建到不了这个状态", "no way leads from creation to a state",
                    type->states->codes[i].code);
        }
    }
    used_out[type->states - l->cat->lists] |= used;
}

/* A state that no life cycle of its list uses is a slip of the pen. */
static void check_states_used(struct cat_loader *l, const uint64_t *used)
{
    for (size_t i = 0; i < l->cat->n_lists && l->status == LM_OK; i++) {
        const struct lm_list *list = &l->cat->lists[i];

        l->file = "lists.json";
        cat_at(l, "%s", list->name);
        for (size_t k = 0; used[i] && k < list->n_codes; k++) {
            if (!(used[i] >> k & 1) && !list->codes[k].retired) {
                cat_bad(l, "没有一种记录会到这个状态", "no record type ever reaches a state",
                        list->codes[k].code);
            }
        }
    }
}

/* The states that common conditions name exist somewhere (a type takes those that it has). */
static void check_common_states(struct cat_loader *l)
{
    const json_t *root = cat_file(l, "common.json");
    const json_t *fields = json_object_get(root, "fields");

    for (size_t i = 0; i < json_array_size(fields) && l->status == LM_OK; i++) {
        const json_t *conditions = json_object_get(json_array_get(fields, i), "conditions");

        cat_at(l, "common.fields[%zu]", i);
        for (size_t c = 0; c < json_array_size(conditions); c++) {
            const json_t *states = json_object_get(json_array_get(conditions, c), "in_states");

            for (size_t s = 0; s < json_array_size(states); s++) {
                const char *state = json_string_value(json_array_get(states, s));
                bool found = false;

                for (size_t t = 0; state && t < l->cat->n_types && !found; t++) {
                    found = lm_list_code(l->cat->types[t].states, state) != NULL;
                }
                if (!found) {
                    cat_bad(l, "没有这个状态", "there is no such state",
                            state ? state : "in_states");
                }
            }
        }
    }
}

void cat_check_types(struct cat_loader *l)
{
    uint64_t *used = cat_alloc(l, l->cat->n_lists, sizeof(*used));

    for (size_t i = 0; i < l->cat->n_types && l->status == LM_OK; i++) {
        const struct lm_type *type = &l->cat->types[i];

        l->file = type_file(l, type);
        check_fields(l, type);
        check_cycle(l, type, used);
    }
    if (l->status == LM_OK) {
        check_states_used(l, used);
        check_common_states(l);
        raise_lists_of_items(l->cat);
    }
}

/* ---- expressions ---- */

static void compile(struct cat_loader *l, const struct lm_type *type, const char *text,
                    const struct lm_expr **out)
{
    struct lm_error inner = {0};
    enum lm_status st;

    if (!text || l->status != LM_OK) {
        return;
    }
    st = lm_expr_parse(&l->cat->arena, l->cat, type, text, out, &inner);
    if (st != LM_OK) {
        cat_wrap(l, st, &inner);
    }
}

static void compile_rules(struct cat_loader *l, const struct lm_type *type, struct lm_rule *rules,
                          size_t n)
{
    char place[sizeof(l->place)];

    memcpy(place, l->place, sizeof(place));
    for (size_t i = 0; i < n && l->status == LM_OK; i++) {
        cat_at(l, "%.70s.rules[%zu]", place, i);
        compile(l, type, rules[i].when_text, &rules[i].when);
        compile(l, type, rules[i].need_text, &rules[i].need);
    }
}

void cat_compile(struct cat_loader *l)
{
    for (size_t i = 0; i < l->cat->n_types && l->status == LM_OK; i++) {
        struct lm_type *type = &l->cat->types[i];

        l->file = type_file(l, type);
        for (size_t k = 0; k < type->n_fields; k++) {
            for (size_t c = 0; c < type->fields[k].n_conditions && l->status == LM_OK; c++) {
                struct lm_condition *condition = &type->fields[k].conditions[c];

                cat_at(l, "%s.%s.conditions[%zu]", type->name, type->fields[k].name, c);
                compile(l, type, condition->text, &condition->when);
            }
        }
        cat_at(l, "%s.natural_key", type->name);
        compile(l, type, type->key_when_text, &type->key_when);
        cat_at(l, "%s", type->name);
        compile_rules(l, type, type->rules, type->n_rules);
        for (size_t k = 0; k < type->n_transitions && l->status == LM_OK; k++) {
            cat_at(l, "%s.transitions[%zu]", type->name, k);
            compile_rules(l, type, type->transitions[k].rules, type->transitions[k].n_rules);
        }
    }
}
