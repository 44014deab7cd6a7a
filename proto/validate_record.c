/* What a record must hold as a whole: required and conditional fields, numbers of items, members of
 * items, and the checks that look at several values (named by the field's format in the catalogue).
 */
#include "proto/validate_internal.h"

#include "common/base/util.h"

#include <string.h>

static bool is_draft(const struct lm_record *rec)
{
    return strcmp(lm_record_text(rec, LM_C_STATE), "draft") == 0;
}

/* ---- required ---- */

/* Origin and hub fields are filled after validation, computed ones follow from others that are
 * judged themselves. */
static bool judged_here(const struct lm_field *f)
{
    return !f->retired && (f->fill == LM_FILL_USER || f->fill == LM_FILL_PROGRAM);
}

/* A value that was wrong is missing now; it has been complained about already. */
static bool complained(const struct lm_issues *issues, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < issues->n; i++) {
        const char *field = issues->items[i].error.field;

        if (issues->items[i].level == LM_REFUSE && strncmp(field, name, n) == 0 &&
            (field[n] == 0 || field[n] == '[' || field[n] == '.')) {
            return true;
        }
    }
    return false;
}

static void complain_required(struct lm_issues *issues, enum lm_level level,
                              const struct lm_field *f)
{
    struct vx_place place = vx_field(f);

    if (complained(issues, f->name)) {
        return;
    }
    if (level == LM_WARN) {
        vx_complain(issues, LM_WARN, "required", &place, "最好填写。", "should be filled in.");
    } else {
        vx_complain(issues, LM_REFUSE, "required", &place, "必须填写。", "is required.");
    }
}

static enum lm_status judge_conditions(const struct lm_validate_in *in, const struct lm_field *f,
                                       const struct lm_expr_env *env, struct lm_arena *arena,
                                       struct lm_issues *issues)
{
    struct lm_field *state = &in->type->fields[LM_C_STATE];
    bool moved = !in->before || vx_changed(in, state);

    for (size_t i = 0; i < f->n_conditions; i++) {
        const struct lm_condition *c = &f->conditions[i];
        bool holds = false;
        enum lm_status st;

        /* "enter" without a state in it speaks of the moment of a transition, with one of every
         * save in that state. */
        if (c->level == LM_ENTER && !moved && !lm_expr_names(c->when, state->name)) {
            continue;
        }
        st = lm_expr_eval(c->when, in->after, env, arena, &holds);
        if (st != LM_OK) {
            return st;
        }
        if (holds) {
            complain_required(issues, c->level == LM_WARN ? LM_WARN : LM_REFUSE, f);
        }
    }
    return LM_OK;
}

static bool is_member(const struct lm_value *item, const struct lm_field *m)
{
    const struct lm_value *v = lm_value_member(item, m->name);

    return v && v->kind != LM_NULL;
}

/* Required members, and conditional ones where the item's references are all empty. */
static void judge_members(const struct lm_field *f, const struct lm_value *item, long at,
                          struct lm_issues *issues)
{
    bool refers = false;

    for (size_t m = 0; m < f->n_members; m++) {
        refers = refers || (f->members[m].ftype == LM_F_UUID && is_member(item, &f->members[m]));
    }
    for (size_t m = 0; m < f->n_members; m++) {
        struct vx_place place = {.field = f, .item = at, .member = &f->members[m]};

        if (!is_member(item, place.member) &&
            (place.member->required == LM_REQUIRED ||
             (place.member->required == LM_CONDITIONAL && !refers))) {
            vx_complain(issues, LM_REFUSE, "required", &place, "必须填写。", "is required.");
        }
    }
}

static void judge_items(const struct lm_field *f, const struct lm_value *v,
                        struct lm_issues *issues)
{
    struct vx_place place = vx_field(f);

    if (f->is_list && v->kind == LM_LIST && v->len < f->min_items) {
        vx_complain(issues, LM_REFUSE, "too_few_items", &place, "至少%zu项，现有%u项，请补充。",
                    "needs at least %zu items, not %u: add some.", f->min_items, (unsigned)v->len);
    }
    if (f->ftype != LM_F_MAP) {
        return;
    }
    if (v->kind == LM_MAP) {
        judge_members(f, v, -1, issues);
    }
    for (uint32_t i = 0; v->kind == LM_LIST && i < v->len; i++) {
        judge_members(f, &v->items[i], (long)i, issues);
    }
}

/* True while only the state moves, and the record was in order before: then a field that a newer
 * catalogue requires is not asked for, or the town could verify nothing that was saved before it.
 * What a state itself asks for is a condition. */
static bool only_moves(const struct lm_validate_in *in)
{
    if (!in->before || in->before->invalid || is_draft(in->before) || in->undeleting) {
        return false;
    }
    for (size_t i = 0; i < in->set->n; i++) {
        const struct lm_field *f = &in->type->fields[in->set->index[i]];

        if (f->group != LM_GROUP_STATE && vx_changed(in, f)) {
            return false;
        }
    }
    return true;
}

enum lm_status vx_required(const struct lm_validate_in *in, const struct lm_expr_env *env,
                           struct lm_arena *arena, struct lm_issues *issues)
{
    enum lm_status st = LM_OK;
    bool moves = only_moves(in);

    if (is_draft(in->after)) {
        return LM_OK;
    }
    for (size_t i = 0; i < in->type->n_fields && st == LM_OK; i++) {
        const struct lm_field *f = &in->type->fields[i];
        const struct lm_value *v = &in->after->fields[i];

        if (!judged_here(f) || f->index == LM_C_STATE) {
            continue;
        }
        if (v->kind != LM_NULL) {
            judge_items(f, v, issues);
        } else if (f->required == LM_REQUIRED) {
            if (!moves || f->common) {
                complain_required(issues, LM_REFUSE, f);
            }
        } else {
            st = judge_conditions(in, f, env, arena, issues);
        }
    }
    return st;
}

/* ---- across values ---- */

static void judge_petitioners(const struct lm_field *f, const struct lm_value *v,
                              struct lm_issues *issues)
{
    struct vx_place place = vx_field(f);

    for (uint32_t i = 0; v->kind == LM_LIST && i < v->len; i++) {
        const struct lm_value *person = lm_value_member(&v->items[i], "person_id");
        const struct lm_value *name = lm_value_member(&v->items[i], "name");

        if ((!person || person->kind == LM_NULL) && (!name || name->kind == LM_NULL)) {
            place.item = (long)i;
            for (size_t m = 0; m < f->n_members; m++) {
                if (strcmp(f->members[m].name, "name") == 0) {
                    place.member = &f->members[m];
                }
            }
            vx_complain(issues, LM_REFUSE, "required", &place, "必须填写，或者选择服务对象。",
                        "is required unless a person is chosen.");
        }
    }
}

/* Dates do not fall; the last stage is the record's state. */
static void judge_stages(const struct lm_validate_in *in, const struct lm_field *f,
                         const struct lm_value *v, bool draft, struct lm_issues *issues)
{
    struct vx_place place = vx_field(f);
    const struct lm_value *last = NULL;
    const struct lm_value *stage;

    for (uint32_t i = 0; v->kind == LM_LIST && i < v->len; i++) {
        const struct lm_value *on = lm_value_member(&v->items[i], "on");

        if (on && last && on->kind == LM_TEXT && last->kind == LM_TEXT && on->len == last->len &&
            memcmp(on->text, last->text, on->len) < 0) {
            place.item = (long)i;
            vx_complain(issues, LM_REFUSE, "date_order", &place, "的日期早于前一环节，请核对。",
                        "is dated before the stage above it: check the dates.");
        }
        last = on ? on : last;
    }
    if (draft || v->kind != LM_LIST || v->len == 0) {
        return;
    }
    stage = lm_value_member(&v->items[v->len - 1], "stage");
    if (stage && !lm_value_equal(stage, &in->after->fields[LM_C_STATE])) {
        place.item = (long)v->len - 1;
        vx_complain(issues, LM_REFUSE, "stage_not_state", &place,
                    "应当是记录的当前状态，请补上这一环节的日期。",
                    "must be the record's state: add the date of that stage.");
    }
}

/* The numbers of materials of the service's matter that may come late. */
static enum lm_status judge_late(const struct lm_validate_in *in, const struct lm_field *f,
                                 const struct lm_value *v, struct lm_arena *arena,
                                 struct lm_issues *issues)
{
    const struct lm_field *ref = lm_type_field(in->type, "matter_id");
    const struct lm_value *id = ref ? &in->after->fields[ref->index] : NULL;
    const struct lm_value *materials;
    struct vx_place place = vx_field(f);
    struct lm_record *matter = NULL;
    enum lm_status st;

    if (!id || id->kind != LM_TEXT || !in->lookup || !in->lookup->get || v->kind != LM_LIST) {
        return LM_OK;
    }
    st = in->lookup->get(in->lookup->ctx, arena, "matter", id->text, &matter);
    if (st != LM_OK || !matter) {
        return st == LM_ERR_NOT_FOUND ? LM_OK : st;
    }
    materials = lm_record_get(matter, "materials");
    for (uint32_t i = 0; i < v->len; i++) {
        bool late = false;

        for (uint32_t k = 0; materials && materials->kind == LM_LIST && k < materials->len; k++) {
            const struct lm_value *no = lm_value_member(&materials->items[k], "no");
            const struct lm_value *may = lm_value_member(&materials->items[k], "may_be_late");

            late = late || (no && lm_value_equal(no, &v->items[i]) && may && may->kind == LM_BOOL &&
                            may->b);
        }
        if (!late) {
            place.item = (long)i;
            vx_complain(issues, LM_REFUSE, "bad_code", &place,
                        "不是该事项可以容缺的材料，请从可容缺的材料中选择。",
                        "is not a material of that matter that may be late: choose one that is.");
        }
    }
    return LM_OK;
}

static void judge_area_code(const struct lm_validate_in *in, const struct lm_field *f,
                            const struct lm_value *v, struct lm_issues *issues)
{
    const struct lm_value *level = lm_record_get(in->after, "level");
    struct vx_place place = vx_field(f);
    bool zeros;

    if (!level || v->kind != LM_TEXT || v->len != 12) {
        return;
    }
    zeros = memcmp(v->text + 9, "000", 3) == 0;
    if ((lm_value_is(level, "town") || lm_value_is(level, "county")) && !zeros) {
        vx_complain(issues, LM_REFUSE, "bad_format", &place, "镇级代码的末三位应当是000。",
                    "of a town must end in 000.");
    } else if ((lm_value_is(level, "village") || lm_value_is(level, "office")) && zeros) {
        vx_complain(issues, LM_REFUSE, "bad_format", &place, "村级代码的末三位不能是000。",
                    "of a village must not end in 000.");
    }
}

static void judge_month(const struct lm_validate_in *in, const struct lm_field *f,
                        const struct lm_value *v, struct lm_issues *issues)
{
    struct vx_place place = vx_field(f);
    char today[16];

    lm_date_format(lm_day_utc8(in->now_ms), today);
    if (v->kind != LM_TEXT || v->len != 7) {
        return;
    }
    if (memcmp(v->text, today, 7) > 0) {
        vx_complain(issues, in->clock_confirmed ? LM_REFUSE : LM_WARN, "not_future", &place,
                    "不能晚于本月，请核对。", "cannot be after this month: check it.");
    } else if (memcmp(v->text, today, 7) == 0) {
        vx_complain(issues, LM_WARN, "month_running", &place,
                    "还没有过完，月底前可能还有，请核对。",
                    "is not over yet, and there may still be some: check it.");
    }
}

enum lm_status vx_across(const struct lm_validate_in *in, const struct lm_field *field, bool draft,
                         struct lm_arena *arena, struct lm_issues *issues)
{
    const struct lm_value *v = &in->after->fields[field->index];
    const char *format = field->format;
    struct vx_place place = vx_field(field);

    if (!format) {
        return LM_OK;
    }
    if (strcmp(format, "person_or_name") == 0 && !draft) {
        judge_petitioners(field, v, issues);
    } else if (strcmp(format, "stage_dates") == 0) {
        judge_stages(in, field, v, draft, issues);
    } else if (strcmp(format, "late_materials") == 0) {
        return judge_late(in, field, v, arena, issues);
    } else if (strcmp(format, "aligned_persons") == 0 && v->kind == LM_LIST) {
        const struct lm_value *persons = lm_record_get(in->after, "persons");

        if (!persons || persons->kind != LM_LIST || persons->len != v->len) {
            vx_complain(issues, LM_REFUSE, "bad_format", &place,
                        "与走访对象的人数不一致，请重新保存。",
                        "does not match the number of persons: save again.");
        }
    } else if (strcmp(format, "area_code") == 0) {
        judge_area_code(in, field, v, issues);
    } else if (strcmp(format, "name") == 0 && v->kind == LM_TEXT && vx_changed(in, field) &&
               strpbrk(v->text, "0123456789")) {
        vx_complain(issues, LM_WARN, "bad_format", &place, "里有数字，请核对。",
                    "holds digits: check it.");
    } else if (strcmp(format, "month") == 0 && vx_changed(in, field)) {
        judge_month(in, field, v, issues);
    }
    return LM_OK;
}
