/* Whether one catalogue may follow another: it only adds, or asks for less. Pure.
 *
 * Old and new programs work on the same records at the same time, for weeks. So whatever a record
 * holds under one version must be readable under the other, every place of a field and of a
 * transition must stay, and nothing that an older station rightly saved may be wrong all at once.
 * What asks for more is expressed by something new: a new field may be required, an old one may
 * not become so (the hub judges "required" by the catalogue that a change was made with, but a
 * person who edits an old record would have to mend what others left out).
 *
 * Each breach is a sentence for the person who wrote the files. */
#include "proto/catalog.h"

#include <stdio.h>
#include <string.h>

struct compare {
    void (*report)(void *arg, const struct lm_error *breach);
    void *arg;
    size_t n;
    char place[96];
};

static void breach(struct compare *c, const char *code, const char *zh, const char *en,
                   const char *what)
{
    struct lm_error error = {0};

    c->n++;
    if (!c->report || c->n > LM_CATALOG_BREACHES_MAX) {
        return;
    }
    (void)lm_fail(&error, LM_ERR_INVALID, code, c->place, "%s：%s%.0s%s%s%s。", "%s: %.0s%s%s%s%s.",
                  c->place, zh, en, what ? " (" : "", what ? what : "", what ? ")" : "");
    c->report(c->arg, &error);
}

static void at(struct compare *c, const char *a, const char *b, const char *d)
{
    (void)snprintf(c->place, sizeof c->place, "%s%s%s%s%s", a, b ? "." : "", b ? b : "",
                   d ? "." : "", d ? d : "");
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* ---- small sets ---- */

static bool listed(const char *const *texts, const char *text)
{
    for (size_t i = 0; texts && texts[i]; i++) {
        if (strcmp(texts[i], text) == 0) {
            return true;
        }
    }
    return false;
}

/* The first text of a that b lacks, or NULL. */
static const char *first_missing(const char *const *a, const char *const *b)
{
    for (size_t i = 0; a && a[i]; i++) {
        if (!listed(b, a[i])) {
            return a[i];
        }
    }
    return NULL;
}

/* ---- code lists ---- */

static void compare_list(struct compare *c, const struct lm_list *now, const struct lm_list *next)
{
    for (size_t i = 0; i < now->n_codes; i++) {
        const struct lm_code *code = &now->codes[i], *then = lm_list_code(next, code->code);

        at(c, now->name, code->code, NULL);
        if (!then) {
            breach(c, "code_dropped", "代码不能删除，请改为停用",
                   "a code is never dropped: mark it retired", NULL);
        } else if (code->retired && !then->retired) {
            breach(c, "code_reused", "停用的代码不能重新启用，请另用一个代码",
                   "a retired code does not come back: use another", NULL);
        }
    }
}

static void compare_lists(struct compare *c, const struct lm_catalog *now,
                          const struct lm_catalog *next)
{
    for (size_t i = 0; i < now->n_lists; i++) {
        const struct lm_list *then = lm_catalog_list(next, now->lists[i].name);

        at(c, now->lists[i].name, NULL, NULL);
        if (!then) {
            breach(c, "list_dropped", "代码表不能删除", "a code list is never dropped", NULL);
        } else {
            compare_list(c, &now->lists[i], then);
        }
    }
}

/* ---- fields ---- */

static void compare_value_kind(struct compare *c, const struct lm_field *now,
                               const struct lm_field *next)
{
    if (now->ftype != next->ftype || now->is_list != next->is_list) {
        breach(c, "type_changed", "字段的类型不能改变，请新增字段",
               "a field's type does not change: add a new field", NULL);
        return;
    }
    if (now->ftype == LM_F_TEXT ? next->max_chars < now->max_chars
                                : next->max_chars != now->max_chars) {
        breach(c, "narrowed", "长度只能放宽", "a text may only become longer", NULL);
    }
    if (next->min > now->min || next->max < now->max) {
        breach(c, "narrowed", "取值范围只能放宽", "a range may only become wider", NULL);
    }
    if (next->min_items > now->min_items || next->max_items < now->max_items ||
        (next->unique_items && !now->unique_items)) {
        breach(c, "narrowed", "列表的项数只能放宽", "a list may only take more", NULL);
    }
    if (next->not_future && !now->not_future) {
        breach(c, "narrowed", "不能改为不许晚于今天", "a date can't become bound to the past",
               NULL);
    }
    if (!same(now->format, next->format) && next->format) {
        breach(c, "format_changed", "格式检查只能取消，不能更换",
               "a format may be lifted, not changed", next->format);
    }
    if (!same(now->list ? now->list->name : NULL, next->list ? next->list->name : NULL)) {
        breach(c, "list_changed", "字段所用的代码表不能更换，请在表中新增代码",
               "a field keeps its code list: add codes to it", NULL);
    }
    if (!same(now->ref, next->ref)) {
        breach(c, "ref_changed", "引用的记录类型不能更换",
               "a reference keeps the type it refers to", next->ref);
    }
    if (next->ref_types && (!now->ref_types || first_missing(now->ref_types, next->ref_types))) {
        breach(c, "ref_changed", "引用的记录类型只能增加", "a reference may only take more types",
               NULL);
    }
}

static void compare_members(struct compare *c, const char *type, const struct lm_field *now,
                            const struct lm_field *next)
{
    for (size_t i = 0; i < now->n_members; i++) {
        const struct lm_field *m = &now->members[i];
        const struct lm_field *then = i < next->n_members ? &next->members[i] : NULL;

        at(c, type, now->name, m->name);
        if (!then || strcmp(then->name, m->name) != 0) {
            breach(c, "member_dropped", "成员不能删除、改名或换位，新成员放在最后",
                   "a member stays where it is: new ones come last", NULL);
            return;
        }
        compare_value_kind(c, m, then);
        if (then->required != LM_OPTIONAL && m->required == LM_OPTIONAL) {
            breach(c, "required", "原有成员不能改为必填", "a member can't become required", NULL);
        }
    }
    for (size_t i = now->n_members; i < next->n_members; i++) {
        at(c, type, next->name, next->members[i].name);
        if (next->members[i].required != LM_OPTIONAL) {
            breach(c, "required", "列表的新成员不能必填，旧的各项里没有它",
                   "a new member can't be required: the items that are there lack it", NULL);
        }
    }
}

/* A demand of `next` that is there word for word already, or is only a warning. */
static bool demand_is_old(const struct lm_field *now, const struct lm_condition *demand)
{
    if (demand->level == LM_WARN) {
        return true;
    }
    for (size_t i = 0; i < now->n_conditions; i++) {
        if (strcmp(now->conditions[i].text, demand->text) == 0 &&
            (now->conditions[i].level == demand->level || now->conditions[i].level == LM_REFUSE)) {
            return true;
        }
    }
    return now->required == LM_REQUIRED;
}

static void compare_demands(struct compare *c, const struct lm_field *now,
                            const struct lm_field *next)
{
    if (next->required == LM_REQUIRED && now->required != LM_REQUIRED) {
        breach(c, "required", "原有字段不能改为必填，请新增字段",
               "a field that is there can't become required: add a new one", NULL);
    }
    for (size_t i = 0; i < next->n_conditions; i++) {
        if (!demand_is_old(now, &next->conditions[i])) {
            breach(c, "required", "原有字段的必填条件只能减少",
                   "a field that is there may only be demanded less often",
                   next->conditions[i].text);
        }
    }
}

static void compare_rights(struct compare *c, const struct lm_field *now,
                           const struct lm_field *next)
{
    const char *state = first_missing(next->frozen_in, now->frozen_in);

    if (now->edit_by & ~next->edit_by) {
        breach(c, "rights", "填写权限只能增加", "who may set a field may only become more", NULL);
    }
    if (now->fill != next->fill || !same(now->compute, next->compute)) {
        breach(c, "fill_changed", "字段由谁填写不能改变", "who fills a field does not change",
               NULL);
    }
    if (state) {
        breach(c, "rights", "不能再新增冻结该字段的状态",
               "a field can't become frozen in more states", state);
    }
    if (next->sensitivity < now->sensitivity) {
        breach(c, "sensitivity", "敏感程度只能提高", "a field may only become more sensitive",
               NULL);
    }
}

static bool in_key(const struct lm_type *type, const struct lm_field *field)
{
    for (size_t i = 0; i < type->n_natural_key; i++) {
        if (type->natural_key[i] == field->index) {
            return true;
        }
    }
    return type->reporting_date == field->index;
}

static void compare_retired(struct compare *c, const struct lm_type *type,
                            const struct lm_field *now, const struct lm_field *next)
{
    if (now->retired && !next->retired) {
        breach(c, "name_reused", "停用的字段不能重新启用，请新增字段",
               "a retired field does not come back: add a new one", NULL);
    } else if (next->retired && !now->retired && (next->common || in_key(type, next))) {
        breach(c, "retired", "通用字段、自然键和统计日期不能停用",
               "a common field, part of the key or the reporting date can't be retired", NULL);
    }
    for (size_t i = 0; next->retired && i < type->n_rules; i++) {
        if (type->rules[i].level == LM_REFUSE && strcmp(type->rules[i].field, next->name) == 0) {
            breach(c, "retired", "停用的字段不能还有必须满足的规则",
                   "no rule may refuse for a retired field", type->rules[i].code);
        }
    }
}

static void compare_field(struct compare *c, const struct lm_type *now, const struct lm_type *next,
                          size_t i)
{
    const struct lm_field *f = &now->fields[i], *then = &next->fields[i];

    at(c, now->name, f->name, NULL);
    compare_value_kind(c, f, then);
    compare_demands(c, f, then);
    compare_rights(c, f, then);
    compare_retired(c, next, f, then);
    if (strcmp(now->groups[f->group].name, next->groups[then->group].name) != 0) {
        breach(c, "group_changed", "字段不能换到另一个合并组", "a field keeps its merge group",
               next->groups[then->group].name);
    }
    compare_members(c, now->name, f, then);
}

static void compare_new_field(struct compare *c, const struct lm_type *now,
                              const struct lm_type *next, const struct lm_field *field)
{
    const char *group = next->groups[field->group].name;

    at(c, next->name, field->name, NULL);
    if (lm_type_group(now, group, strlen(group)) >= 0) {
        breach(c, "group_changed", "新字段不能加入原有的合并组，旧版程序不会一起送来",
               "a new field can't join a merge group that is there: older programs send it without",
               group);
    }
    if (field->fill == LM_FILL_COMPUTED || field->fill == LM_FILL_HUB) {
        breach(c, "fill_changed", "由系统填写或计算的新字段须随新版程序发布",
               "a new field that programs fill comes with a new program", NULL);
    }
}

static void compare_fields(struct compare *c, const struct lm_type *now, const struct lm_type *next)
{
    for (size_t i = 0; i < now->n_fields; i++) {
        const struct lm_field *f = &now->fields[i];
        const struct lm_field *then = lm_type_field(next, f->name);

        at(c, now->name, f->name, NULL);
        if (!then) {
            breach(c, "field_dropped", "字段不能删除或改名，请改为停用",
                   "a field is never dropped or renamed: mark it retired", NULL);
        } else if (then->index != f->index) {
            breach(c, "field_moved", "字段的次序不能改变，新字段放在最后",
                   "fields keep their order: new ones come last", NULL);
            return; /* the rest would all be said again */
        } else {
            compare_field(c, now, next, i);
        }
    }
    for (size_t i = 0; i < next->n_fields; i++) {
        if (!lm_type_field(now, next->fields[i].name)) {
            compare_new_field(c, now, next, &next->fields[i]);
        }
    }
}

/* ---- rules and life cycles ---- */

static bool mentions(const char *text, const char *name)
{
    static const char chars[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    size_t n = strlen(name);

    for (const char *p = text; p && (p = strstr(p, name)) != NULL; p++) {
        if ((p == text || !strchr(chars, p[-1])) && (p[n] == '\0' || !strchr(chars, p[n]))) {
            return true;
        }
    }
    return false;
}

/* A rule may demand what only new fields can lack: older records do not hold them. */
static bool about_new_field(const struct lm_type *now, const struct lm_type *next,
                            const struct lm_rule *rule)
{
    for (size_t i = 0; i < next->n_fields; i++) {
        const char *name = next->fields[i].name;

        if (!lm_type_field(now, name) && mentions(rule->when_text, name)) {
            return true;
        }
    }
    return false;
}

static void compare_rules(struct compare *c, const struct lm_type *now, const struct lm_rule *old,
                          size_t n_old, const struct lm_type *next, const struct lm_rule *rules,
                          size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct lm_rule *r = &rules[i];
        bool known = r->level == LM_WARN || about_new_field(now, next, r);

        for (size_t k = 0; k < n_old && !known; k++) {
            known = old[k].level == LM_REFUSE && same(old[k].when_text, r->when_text) &&
                    same(old[k].need_text, r->need_text);
        }
        if (!known) {
            at(c, next->name, r->field, NULL);
            breach(c, "rule_added",
                   "不能新增或改动必须满足的规则，除非只在新字段有值时适用；可先设为提醒",
                   "a rule that refuses can't be added or changed unless it holds only when a new "
                   "field is set: make it a warning",
                   r->code);
        }
    }
}

static const struct lm_transition *find_transition(const struct lm_type *type,
                                                   const struct lm_transition *wanted, unsigned by)
{
    for (size_t i = 0; i < type->n_transitions; i++) {
        const struct lm_transition *t = &type->transitions[i];

        if (same(t->from, wanted->from) && strcmp(t->to, wanted->to) == 0 && (t->by & by)) {
            return t;
        }
    }
    return NULL;
}

static void compare_cycle(struct compare *c, const struct lm_type *now, const struct lm_type *next)
{
    for (size_t i = 0; i < now->n_transitions; i++) {
        const struct lm_transition *t = &now->transitions[i];

        for (unsigned bit = LM_BY_VILLAGE; bit <= LM_BY_SYSTEM; bit <<= 1) {
            const struct lm_transition *then = t->by & bit ? find_transition(next, t, bit) : NULL;

            at(c, now->name, t->from ? t->from : "-", t->to);
            if ((t->by & bit) && !then) {
                breach(c, "transition_dropped", "状态变化不能取消，也不能减少可操作的人",
                       "a transition is never taken from anyone", NULL);
            } else if (then) {
                compare_rules(c, now, t->rules, t->n_rules, next, then->rules, then->n_rules);
            }
        }
    }
}

/* ---- types ---- */

static bool same_key(const struct lm_type *now, const struct lm_type *next)
{
    bool equal = now->n_natural_key == next->n_natural_key;

    for (size_t i = 0; equal && i < now->n_natural_key; i++) {
        equal = strcmp(now->fields[now->natural_key[i]].name,
                       next->fields[next->natural_key[i]].name) == 0;
    }
    return equal && same(now->key_when_text, next->key_when_text);
}

static void compare_key(struct compare *c, const struct lm_type *now, const struct lm_type *next)
{
    if (next->key_mode > now->key_mode || (next->key_mode != LM_KEY_FREE && !same_key(now, next))) {
        breach(c, "key_changed", "自然键只能放宽，不能更换", "the natural key may only be relaxed",
               NULL);
    }
}

static void compare_states(struct compare *c, const struct lm_type *now, const struct lm_type *next)
{
    const char *state;

    if (strcmp(now->states->name, next->states->name) != 0 ||
        strcmp(now->default_state, next->default_state) != 0) {
        breach(c, "states_changed", "状态表和新记录的状态不能更换",
               "the list of states and the state of new records stay", NULL);
    }
    state = next->village_edits_in ? first_missing(now->village_edits_in, next->village_edits_in)
                                   : NULL;
    if ((next->village_edits_in && !now->village_edits_in) || state) {
        breach(c, "rights", "村里可修改的状态只能增加",
               "a village may only be let edit in more states", state);
    }
}

static void compare_type(struct compare *c, const struct lm_type *now, const struct lm_type *next)
{
    at(c, now->name, NULL, NULL);
    if (now->kept_by & ~next->kept_by) {
        breach(c, "rights", "登记权限只能增加", "who keeps a record type may only become more",
               NULL);
    }
    if (now->feed != next->feed) {
        breach(c, "feed_changed", "记录下发的范围不能改变",
               "which stations receive a record type does not change", NULL);
    }
    if (strcmp(now->fields[now->reporting_date].name, next->fields[next->reporting_date].name) !=
        0) {
        breach(c, "date_changed", "统计日期不能更换", "the reporting date stays",
               next->fields[next->reporting_date].name);
    }
    compare_key(c, now, next);
    compare_states(c, now, next);
    compare_fields(c, now, next);
    for (size_t i = 0; i < now->n_groups; i++) {
        int g = lm_type_group(next, now->groups[i].name, strlen(now->groups[i].name));

        at(c, now->name, now->groups[i].name, NULL);
        if (g >= 0 && next->groups[g].guarded && !now->groups[i].guarded) {
            breach(c, "guarded", "原有字段不能改为须确认的字段",
                   "fields that are there can't become guarded", NULL);
        }
    }
    compare_rules(c, now, now->rules, now->n_rules, next, next->rules, next->n_rules);
    compare_cycle(c, now, next);
}

static void compare_new_type(struct compare *c, const struct lm_type *next)
{
    for (size_t i = LM_C_COUNT; i < next->n_fields; i++) {
        const struct lm_field *field = &next->fields[i];

        at(c, next->name, field->name, NULL);
        if (field->fill == LM_FILL_COMPUTED || field->fill == LM_FILL_HUB) {
            breach(c, "fill_changed", "由系统填写或计算的新字段须随新版程序发布",
                   "a new field that programs fill comes with a new program", NULL);
        }
    }
}

size_t lm_catalog_compare(const struct lm_catalog *now, const struct lm_catalog *next,
                          void (*report)(void *arg, const struct lm_error *breach), void *arg)
{
    struct compare c = {.report = report, .arg = arg};

    at(&c, "catalog.number", NULL, NULL);
    if (next->number <= now->number) {
        char numbers[48];

        (void)snprintf(numbers, sizeof numbers, "%u ≤ %u", (unsigned)next->number,
                       (unsigned)now->number);
        breach(&c, "number", "目录编号必须大于现行目录的编号",
               "the number must be higher than that of the catalogue in force", numbers);
    }
    compare_lists(&c, now, next);
    for (size_t i = 0; i < now->n_types; i++) {
        const struct lm_type *then = lm_catalog_type(next, now->types[i].name);

        at(&c, now->types[i].name, NULL, NULL);
        if (!then) {
            breach(&c, "type_dropped", "记录类型不能删除", "a record type is never dropped", NULL);
        } else {
            compare_type(&c, &now->types[i], then);
        }
    }
    for (size_t i = 0; i < next->n_types; i++) {
        if (!lm_catalog_type(now, next->types[i].name)) {
            compare_new_type(&c, &next->types[i]);
        }
    }
    for (size_t i = 0; i < now->n_indicators; i++) {
        at(&c, now->indicators[i].id, NULL, NULL);
        if (!lm_catalog_indicator(next, now->indicators[i].id)) {
            breach(&c, "indicator_dropped", "指标不能删除，报表和外部程序会引用它",
                   "an indicator is never dropped: reports and other programs name it", NULL);
        }
    }
    return c.n;
}
