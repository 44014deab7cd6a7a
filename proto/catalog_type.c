/* Record types: JSON → structures. Each type gets its own copy of the common fields, first and in
 * the order of LM_C_*. References between types are checked in catalog_check.c, when all are known.
 * Pure. */
#include "proto/catalog_internal.h"

#include <stdio.h>
#include <string.h>

/* In the order of LM_C_*. */
static const char *const common_names[LM_C_COUNT] = {
    "id",        "village_code", "station",       "state",         "created_by",  "created_at",
    "device_id", "deleted_at",   "correction_of", "delete_reason", "return_note", "close_note",
};
static const char *const common_groups[] = {"origin", "state",
                                            "deleted"}; /* in the order of LM_GROUP_* */

/* ---- groups ---- */

/* The groups named in `groups`; members are assigned by name. first = index of the first of them.
 */
static void read_named_groups(struct cat_loader *l, struct lm_type *type, const json_t *root,
                              bool common)
{
    static const char *const keys[] = {"name", "fields", "guarded", "note", NULL};
    const json_t *array = cat_array(l, root, "groups", common, LM_GROUPS_PER_TYPE_MAX);
    size_t n = json_array_size(array);

    if (l->status == LM_OK && common && n != 3) {
        cat_bad(l, "通用字段的合并组应为 origin、state、deleted",
                "the common merge groups are origin, state and deleted", NULL);
    }
    for (size_t i = 0; i < n && l->status == LM_OK; i++) {
        const json_t *item = json_array_get(array, i);
        struct lm_group *group = &type->groups[type->n_groups];
        const char **members;
        size_t n_members;

        cat_at(l, "%s.groups[%zu]", type->name, i);
        if (!cat_object(l, item, keys)) {
            return;
        }
        if (type->n_groups == LM_GROUPS_PER_TYPE_MAX) {
            cat_bad(l, "合并组太多", "there are too many merge groups", NULL);
            return;
        }
        group->name = cat_name(l, item, "name");
        group->guarded = cat_flag(l, item, "guarded", false);
        members = cat_texts(l, item, "fields", true, &n_members);
        if (l->status == LM_OK && common && strcmp(group->name, common_groups[i]) != 0) {
            cat_bad(l, "通用字段的合并组应为 origin、state、deleted",
                    "the common merge groups are origin, state and deleted", group->name);
        }
        if (l->status == LM_OK && !n_members) {
            cat_bad(l, "合并组没有字段", "the merge group has no field", group->name);
        }
        for (size_t k = 0; k < n_members && l->status == LM_OK; k++) {
            struct lm_field *f = NULL;

            for (size_t m = 0; m < type->n_fields && !f; m++) {
                if (strcmp(type->fields[m].name, members[k]) == 0) {
                    f = &type->fields[m];
                }
            }
            if (!f || f->common != common) {
                cat_bad(l, "合并组里的字段不存在", "a field of the merge group is not there",
                        members[k]);
            } else if (f->group >= 0) {
                cat_bad(l, "字段同时属于两个合并组", "a field is in two merge groups", members[k]);
            } else {
                f->group = (int)type->n_groups;
            }
        }
        type->n_groups++;
    }
}

/* Every field that no named group took is a group of its own. */
static void add_single_groups(struct cat_loader *l, struct lm_type *type, const json_t *own_fields)
{
    for (size_t i = 0; i < type->n_fields && l->status == LM_OK; i++) {
        struct lm_field *f = &type->fields[i];
        const json_t *obj = f->common ? NULL : json_array_get(own_fields, i - LM_C_COUNT);
        bool guarded;

        cat_at(l, "%s.%s", type->name, f->name);
        guarded = obj && cat_flag(l, obj, "guarded", false);
        if (f->group >= 0) {
            if (guarded) {
                cat_bad(l, "合并组里的字段由组标明是否守护",
                        "the group of the field says whether it is guarded", "guarded");
            }
            continue;
        }
        if (type->n_groups == LM_GROUPS_PER_TYPE_MAX) {
            cat_bad(l, "合并组太多", "there are too many merge groups", NULL);
            return;
        }
        type->groups[type->n_groups] = (struct lm_group){.name = f->name, .guarded = guarded};
        f->group = (int)type->n_groups++;
    }
    cat_at(l, "%s.groups", type->name);
    type->groups_by_name = cat_index(l, type->groups, type->n_groups, sizeof(*type->groups));
}

/* ---- fields ---- */

static void read_fields(struct cat_loader *l, struct lm_type *type, const json_t *root,
                        const json_t *common)
{
    const char *file = l->file;
    const json_t *own = cat_array(l, root, "fields", true, LM_FIELDS_PER_TYPE_MAX - LM_C_COUNT);
    const json_t *shared = cat_array(l, common, "fields", true, LM_C_COUNT);
    size_t n_own = json_array_size(own);

    if (l->status == LM_OK && json_array_size(shared) != LM_C_COUNT) {
        l->file = "common.json";
        cat_bad(l, "通用字段的个数或顺序不对", "the common fields are not those of the program",
                NULL);
    }
    type->fields = cat_alloc(l, LM_C_COUNT + n_own, sizeof(*type->fields));
    type->groups = cat_alloc(l, LM_GROUPS_PER_TYPE_MAX, sizeof(*type->groups));
    if (!type->groups) {
        return;
    }
    for (size_t i = 0; i < LM_C_COUNT + n_own && l->status == LM_OK; i++) {
        bool is_common = i < LM_C_COUNT;
        struct lm_field *f = &type->fields[i];

        l->file = is_common ? "common.json" : file;
        cat_at(l, "%s.fields[%zu]", type->name, is_common ? i : i - LM_C_COUNT);
        cat_read_field(l, type,
                       json_array_get(is_common ? shared : own, is_common ? i : i - LM_C_COUNT),
                       is_common, f);
        f->index = (int)i;
        f->group = -1;
        if (l->status == LM_OK && is_common && strcmp(f->name, common_names[i]) != 0) {
            cat_bad(l, "通用字段的个数或顺序不对", "the common fields are not those of the program",
                    f->name);
        }
        if (!is_common && f->sensitivity > type->sensitivity_max) {
            type->sensitivity_max = f->sensitivity;
        }
    }
    if (l->status != LM_OK) {
        return;
    }
    type->n_fields = LM_C_COUNT + n_own;
    l->file = "common.json";
    read_named_groups(l, type, common, true);
    l->file = l->status == LM_OK ? file : l->file;
    cat_at(l, "%s.fields", type->name);
    type->fields_by_name = cat_index(l, type->fields, type->n_fields, sizeof(*type->fields));
    read_named_groups(l, type, root, false);
    add_single_groups(l, type, own);
}

/* Positions of the named fields. */
static int *read_columns(struct cat_loader *l, const struct lm_type *type, const json_t *obj,
                         const char *key, size_t *n_out)
{
    size_t n;
    const char **names = cat_texts(l, obj, key, true, &n);
    int *out;

    *n_out = 0;
    if (names && !n) {
        cat_bad(l, "至少写一个字段", "at least one field is needed", key);
    }
    out = cat_alloc(l, n, sizeof(*out));
    for (size_t i = 0; out && i < n; i++) {
        const struct lm_field *f = lm_type_field(type, names[i]);

        if (!f) {
            cat_bad(l, "没有这个字段", "there is no such field", names[i]);
            return NULL;
        }
        if (f->sensitivity >= LM_SENSITIVITY_SECRET) {
            cat_bad(l, "保密字段不能列出，也不能作标识",
                    "a secret field is neither listed nor a key", names[i]);
            return NULL;
        }
        out[i] = f->index;
    }
    *n_out = out ? n : 0;
    return out;
}

static void read_key(struct cat_loader *l, struct lm_type *type, const json_t *root)
{
    static const char *const keys[] = {"fields", "mode", "when", "note", NULL};
    static const char *const modes[] = {"free", "warn", "unique", NULL};
    const json_t *obj = json_object_get(root, "natural_key");

    type->key_mode = LM_KEY_FREE;
    if (!obj || l->status != LM_OK) {
        return;
    }
    cat_at(l, "%s.natural_key", type->name);
    if (!cat_object(l, obj, keys)) {
        return;
    }
    type->natural_key = read_columns(l, type, obj, "fields", &type->n_natural_key);
    type->key_mode = (enum lm_key_mode)cat_word(l, obj, "mode", modes, -1);
    type->key_when_text = cat_text(l, obj, "when", false, CAT_FILTER_MAX);
}

/* ---- life cycles ---- */

static const char *read_state(struct cat_loader *l, const struct lm_type *type, const json_t *obj,
                              const char *key, bool required)
{
    const char *state = cat_text(l, obj, key, required, CAT_NAME_MAX);
    const struct lm_code *code = state ? lm_list_code(type->states, state) : NULL;

    if (state && !code) {
        cat_bad(l, "没有这个状态", "there is no such state", state);
    }
    return code ? code->code : NULL;
}

static void read_transitions(struct cat_loader *l, struct lm_type *type, const json_t *root)
{
    static const char *const keys[] = {"from", "to", "by", "rules", "note", NULL};
    const json_t *array = cat_array(l, root, "transitions", true, CAT_CODES_MAX);
    size_t n = json_array_size(array);

    type->transitions = cat_alloc(l, n, sizeof(*type->transitions));
    if (!type->transitions) {
        return;
    }
    for (size_t i = 0; i < n && l->status == LM_OK; i++) {
        const json_t *item = json_array_get(array, i);
        struct lm_transition *t = &type->transitions[i];

        cat_at(l, "%s.transitions[%zu]", type->name, i);
        if (!cat_object(l, item, keys)) {
            return;
        }
        t->from = read_state(l, type, item, "from", false);
        t->to = read_state(l, type, item, "to", true);
        t->by = cat_authors(l, item, "by");
        cat_read_rules(l, type, item, &t->rules, &t->n_rules);
        for (size_t k = 0; k < i && l->status == LM_OK; k++) {
            const struct lm_transition *other = &type->transitions[k];
            bool same_from =
                t->from && other->from ? strcmp(t->from, other->from) == 0 : t->from == other->from;

            if (same_from && strcmp(t->to, other->to) == 0 && (t->by & other->by)) {
                cat_bad(l, "状态变化重复", "the transition is there twice", t->to);
            }
        }
        if (l->status == LM_OK && t->from && strcmp(t->from, t->to) == 0) {
            cat_bad(l, "状态不能变成自己", "a transition must lead to another state", t->to);
        }
    }
    type->n_transitions = n;
}

static void read_village_states(struct cat_loader *l, struct lm_type *type, const json_t *root)
{
    size_t n;

    if (l->status == LM_OK && !json_object_get(root, "village_edits_in")) {
        cat_bad(l, "缺少项目", "a key is missing", "village_edits_in");
    }
    type->village_edits_in = cat_texts(l, root, "village_edits_in", false, &n);
    for (size_t i = 0; i < n; i++) {
        if (!lm_list_code(type->states, type->village_edits_in[i])) {
            cat_bad(l, "没有这个状态", "there is no such state", type->village_edits_in[i]);
        }
    }
}

/* ---- types ---- */

static void read_type(struct cat_loader *l, struct lm_type *type, const json_t *root,
                      const json_t *common)
{
    static const char *const keys[] = {
        "name",
        "zh",
        "en",
        "note",
        "kept_by",
        "feed",
        "states",
        "default_state",
        "village_edits_in",
        "natural_key",
        "reporting_date",
        "list_columns",
        "groups",
        "fields",
        "rules",
        "transitions",
        NULL,
    };
    static const char *const feeds[] = {"own", "all", "hub", NULL};
    const char *states, *date;
    const struct lm_field *f;
    const char *name = type->name;

    if (!cat_object(l, root, keys)) {
        return;
    }
    type->name = cat_name(l, root, "name");
    if (l->status == LM_OK && strcmp(type->name, name) != 0) {
        cat_bad(l, "文件名与记录类型的名称不一致", "the name differs from the file's", type->name);
    }
    cat_labels(l, root, &type->zh, &type->en);
    type->kept_by = cat_authors(l, root, "kept_by");
    type->feed = (enum lm_feed)cat_word(l, root, "feed", feeds, -1);
    states = cat_text(l, root, "states", true, CAT_NAME_MAX);
    type->states = states ? lm_catalog_list(l->cat, states) : NULL;
    if (l->status == LM_OK && (!type->states || type->states->n_codes > CAT_STATES_MAX)) {
        cat_bad(l, "没有这个状态表", "there is no such list of states", states);
    }
    if (l->status != LM_OK) {
        return;
    }
    type->default_state = read_state(l, type, root, "default_state", true);
    read_village_states(l, type, root);
    read_fields(l, type, root, common);
    if (l->status != LM_OK) {
        return;
    }
    cat_at(l, "%s", type->name);
    type->list_columns = read_columns(l, type, root, "list_columns", &type->n_list_columns);
    date = cat_text(l, root, "reporting_date", true, CAT_NAME_MAX);
    f = date ? lm_type_field(type, date) : NULL;
    if (l->status == LM_OK && (!f || (f->ftype != LM_F_DATE && f->ftype != LM_F_DATETIME))) {
        cat_bad(l, "统计日期应是一个日期字段", "the reporting date must be a date field", date);
    }
    type->reporting_date = f ? f->index : 0;
    cat_at(l, "%s.rules", type->name);
    cat_read_rules(l, type, root, &type->rules, &type->n_rules);
    read_key(l, type, root);
    read_transitions(l, type, root);
}

void cat_read_types(struct cat_loader *l)
{
    static const char *const keys[] = {"number", "grammar", "types", "note", NULL};
    static const char *const common_keys[] = {"fields", "groups", "note", NULL};
    const json_t *common = cat_file(l, "common.json");
    const json_t *root;
    const char **names;
    size_t n;

    cat_at(l, "common");
    if (!cat_object(l, common, common_keys)) {
        return;
    }
    root = cat_file(l, "catalog.json");
    cat_at(l, "catalog");
    if (!cat_object(l, root, keys)) {
        return;
    }
    l->cat->number = (uint32_t)cat_int(l, root, "number", 1, UINT32_MAX, 0);
    if (l->status == LM_OK && !l->cat->number) {
        cat_bad(l, "缺少项目", "a key is missing", "number");
    }
    names = cat_texts(l, root, "types", true, &n);
    if (l->status == LM_OK && (!n || n > LM_TYPES_MAX)) {
        cat_bad(l, "记录类型太多或没有", "there are too many record types, or none", NULL);
    }
    l->cat->types = cat_alloc(l, n, sizeof(*l->cat->types));
    for (size_t i = 0; i < n && l->status == LM_OK; i++) {
        struct lm_type *type = &l->cat->types[i];
        char file[CAT_LABEL_MAX + 16];

        snprintf(file, sizeof(file), "types/%s.json", names[i]);
        cat_at(l, "%s", names[i]);
        type->name = names[i];
        type->index = (int)i;
        root = cat_file(l, file);
        read_type(l, type, root, common);
    }
    if (l->status != LM_OK) {
        return;
    }
    l->cat->n_types = n;
    l->file = "catalog.json";
    cat_at(l, "types");
    l->cat->types_by_name = cat_index(l, l->cat->types, n, sizeof(*l->cat->types));
}
