/* Judging a change: may this author do this at all (lm_authorize), and does the record then keep
 * the catalogue's rules (lm_validate)? The same code runs where the change is made and at the hub,
 * and again when the journal is replayed, so that everything it looks at is in its input. Pure; see
 * validate.h. */
#include "proto/validate_internal.h"

#include "common/base/util.h"
#include "proto/caldate.h"
#include "proto/idnumber.h"
#include "proto/request.h"

#include <stdio.h>
#include <string.h>

static const struct lm_value nothing = {.kind = LM_NULL};

static const char *state_of(const struct lm_record *rec)
{
    return rec ? lm_record_text(rec, LM_C_STATE) : "";
}

bool vx_changed(const struct lm_validate_in *in, const struct lm_field *field)
{
    const struct lm_value *before = in->before ? &in->before->fields[field->index] : &nothing;

    return !lm_value_equal(before, &in->after->fields[field->index]);
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

/* ---- authorisation ---- */

static bool origin_field(const struct lm_field *f)
{
    return f->common && f->group == LM_GROUP_ORIGIN;
}

static void authorize_field(const struct lm_validate_in *in, const struct lm_field *f,
                            struct lm_issues *issues)
{
    struct vx_place place = vx_field(f);
    bool town_only = !(f->edit_by & LM_BY_VILLAGE);

    if (f->fill == LM_FILL_COMPUTED) {
        vx_complain(issues, LM_REFUSE, "system_field", &place, "由系统计算，不能填写。",
                    "is computed and cannot be set.");
        return;
    }
    if (in->author == LM_BY_SYSTEM || f->fill == LM_FILL_PROGRAM || f->index == LM_C_STATE) {
        return;
    }
    /* The origin travels with a creation; the merge judges it against the author's certificate. */
    if (origin_field(f) && !in->before) {
        return;
    }
    if (f->index == LM_C_DELETED_AT && (in->deleting || in->undeleting)) {
        return;
    }
    if (f->fill == LM_FILL_HUB || !(f->edit_by & (LM_BY_VILLAGE | LM_BY_TOWN))) {
        vx_complain(issues, LM_REFUSE, "system_field", &place, "由系统填写，不能修改。",
                    "is set by the system and cannot be changed.");
        return;
    }
    if (f->retired) {
        vx_complain(issues, LM_REFUSE, "retired_field", &place, "已停用，只保留原有内容。",
                    "is no longer used: what it holds is kept as it is.");
        return;
    }
    if (in->author != LM_BY_VILLAGE) {
        return;
    }
    if (town_only) {
        vx_complain(issues, LM_REFUSE, "town_field", &place, "由镇服务站填写，请联系镇里修改。",
                    "is set by the town station: ask the town to change it.");
        return;
    }
    if (in->before && listed(f->frozen_in, state_of(in->before))) {
        vx_complain(issues, LM_REFUSE, "frozen_field", &place,
                    "在当前状态下不能由村里修改，请提交变更申请或联系镇里。",
                    "cannot be changed by a village in this state: file a change request.");
    }
}

static const char *state_label(const struct lm_type *type, const char *state, bool zh)
{
    const struct lm_code *code = type->states ? lm_list_code(type->states, state) : NULL;

    return code ? (zh ? code->zh : (code->en && *code->en ? code->en : state)) : state;
}

static void authorize_transition(const struct lm_validate_in *in, struct lm_issues *issues)
{
    struct vx_place place = vx_field(&in->type->fields[LM_C_STATE]);
    const char *to = state_of(in->after);
    const char *from = in->before ? state_of(in->before) : NULL;
    bool exists;

    if (!*to) {
        vx_complain(issues, LM_REFUSE, "bad_transition", &place, "不能为空。", "cannot be empty.");
        return;
    }
    if ((from && strcmp(from, to) == 0) || lm_type_transition(in->type, from, to, in->author)) {
        return;
    }
    exists = lm_type_transition(in->type, from, to, LM_BY_VILLAGE) ||
             lm_type_transition(in->type, from, to, LM_BY_TOWN) ||
             lm_type_transition(in->type, from, to, LM_BY_SYSTEM);
    if (exists && !from && !(in->type->kept_by & (unsigned)in->author)) {
        vx_complain(issues, LM_REFUSE, "not_allowed", &place,
                    "无法登记：这种记录由镇服务站登记，请联系镇里。",
                    "refused: records of this type are entered by the town station.");
    } else if (exists && !from && in->author == LM_BY_VILLAGE) {
        vx_complain(issues, LM_REFUSE, "not_allowed", &place,
                    "无法登记：这样的新记录由镇服务站登记，请联系镇里。",
                    "refused: a new record like this is entered by the town station.");
    } else if (exists) {
        bool village = in->author == LM_BY_VILLAGE;

        vx_complain(issues, LM_REFUSE, "not_allowed", &place,
                    village ? "不能由村里改成这样，请联系镇服务站。" : "只能由系统改成这样。",
                    village ? "cannot be changed like this by a village: ask the town station."
                            : "is changed like this by the system only.");
    } else if (from) {
        char zh[200];
        char en[200];

        snprintf(zh, sizeof(zh), "不能从“%.60s”改为“%.60s”，请按办理顺序进行。",
                 state_label(in->type, from, true), state_label(in->type, to, true));
        snprintf(en, sizeof(en), "cannot go from \"%.60s\" to \"%.60s\": follow the steps.",
                 state_label(in->type, from, false), state_label(in->type, to, false));
        vx_complain(issues, LM_REFUSE, "bad_transition", &place, "%s%.0s", "%.0s%s", zh, en);
    } else {
        vx_complain(issues, LM_REFUSE, "bad_transition", &place,
                    "不能作为新记录的状态，请先登记再办理。",
                    "cannot be the state of a new record: enter it first.");
    }
}

/* True when the change sets some field but the state to another value. */
static bool sets_values(const struct lm_validate_in *in)
{
    for (size_t i = 0; i < in->set->n; i++) {
        const struct lm_field *f = &in->type->fields[in->set->index[i]];

        if (f->index != LM_C_STATE && f->index != LM_C_CLOSE_NOTE && vx_changed(in, f)) {
            return true;
        }
    }
    /* Who confirms a deletion, or that there is none, does nothing to the record. */
    return (in->deleting || in->undeleting) && lm_record_deleted(in->before) == in->undeleting;
}

/* A village deletes what the town has not taken up yet: states in which it may create a record,
 * drafts, returned. */
static bool village_deletes(const struct lm_validate_in *in)
{
    const char *state = state_of(in->before);

    return (in->type->kept_by & LM_BY_VILLAGE) &&
           (strcmp(state, "draft") == 0 || strcmp(state, "returned") == 0 ||
            lm_type_transition(in->type, NULL, state, LM_BY_VILLAGE));
}

static void authorize_record(const struct lm_validate_in *in, struct lm_issues *issues)
{
    struct vx_place place = vx_field(&in->type->fields[LM_C_STATE]);
    const struct lm_record *owner = in->before ? in->before : in->after;
    const char *village = lm_record_text(owner, LM_C_VILLAGE_CODE);

    if (in->author != LM_BY_VILLAGE) {
        return;
    }
    if (in->station && *village && strcmp(in->station, village) != 0) {
        struct vx_place where = vx_field(&in->type->fields[LM_C_VILLAGE_CODE]);

        vx_complain(issues, LM_REFUSE, "not_your_record", &where,
                    "是别的村，本站只能修改自己村的记录。",
                    "is another village's: a station edits its own village's records only.");
    }
    if (!in->before || !sets_values(in)) {
        return;
    }
    if (in->deleting && !village_deletes(in)) {
        vx_complain(issues, LM_REFUSE, "not_allowed", &place,
                    "不允许村里删除这条记录，请联系镇服务站。",
                    "does not let a village delete the record: ask the town station.");
        return;
    }
    if (in->type->village_edits_in && !listed(in->type->village_edits_in, state_of(in->before))) {
        char zh[64];
        char en[64];

        snprintf(zh, sizeof(zh), "%.60s", state_label(in->type, state_of(in->before), true));
        snprintf(en, sizeof(en), "%.60s", state_label(in->type, state_of(in->before), false));
        vx_complain(issues, LM_REFUSE, "locked_state", &place,
                    "是“%s”，村里不能再修改；需要更正请联系镇服务站退回。%.0s",
                    "is such that a village cannot edit any more (%.0s%s): ask the town to send "
                    "the record back.",
                    zh, en);
    }
}

static bool is_preset(const struct lm_validate_in *in, const struct lm_field *f)
{
    return !in->before && f->preset.kind != LM_NULL &&
           lm_value_equal(&f->preset, &in->after->fields[f->index]);
}

enum lm_status lm_authorize(const struct lm_validate_in *in, struct lm_arena *arena,
                            struct lm_issues *issues)
{
    (void)arena; /* so far nothing here needs another record */
    authorize_record(in, issues);
    if (in->deleting) {
        return LM_OK;
    }
    authorize_transition(in, issues);
    for (size_t i = 0; i < in->set->n; i++) {
        const struct lm_field *f = &in->type->fields[in->set->index[i]];

        /* Setting a field to the value that it has already, or would be given, is no edit. */
        if (vx_changed(in, f) && !is_preset(in, f)) {
            authorize_field(in, f, issues);
        }
    }
    return LM_OK;
}

/* ---- rules ---- */

static enum lm_status judge_rule(const struct lm_validate_in *in, const struct lm_rule *rule,
                                 const struct lm_expr_env *env, struct lm_arena *arena,
                                 struct lm_issues *issues)
{
    bool holds = true;
    enum lm_status st = lm_expr_eval(rule->when, in->after, env, arena, &holds);

    if (st != LM_OK || !holds) {
        return st;
    }
    st = lm_expr_eval(rule->need, in->after, env, arena, &holds);
    if (st == LM_OK && !holds) {
        lm_issue_add(issues, rule->level, rule->code, rule->field ? rule->field : "", rule->zh,
                     rule->en);
    }
    return st;
}

/* A draft may lack anything: a rule about something that is missing waits. */
static bool draft_waits(const struct lm_rule *rule, const struct lm_record *rec)
{
    return rule->need && !lm_expr_complete(rule->need, rec);
}

static enum lm_status judge_rules(const struct lm_validate_in *in, const struct lm_expr_env *env,
                                  bool draft, struct lm_arena *arena, struct lm_issues *issues)
{
    const struct lm_type *type = in->type;
    const char *from = in->before ? state_of(in->before) : NULL;
    const char *to = state_of(in->after);
    const struct lm_transition *t = NULL;
    enum lm_status st = LM_OK;

    for (size_t i = 0; i < type->n_rules && st == LM_OK; i++) {
        if (!draft || !draft_waits(&type->rules[i], in->after)) {
            st = judge_rule(in, &type->rules[i], env, arena, issues);
        }
    }
    if (!from || strcmp(from, to) != 0) {
        t = lm_type_transition(type, from, to, in->author);
    }
    for (size_t i = 0; t && i < t->n_rules && st == LM_OK; i++) {
        st = judge_rule(in, &t->rules[i], env, arena, issues);
    }
    return st;
}

/* ---- single fields ---- */

static void judge_future(const struct lm_validate_in *in, const struct lm_field *f,
                         struct lm_issues *issues, enum lm_level level)
{
    const struct lm_value *v = &in->after->fields[f->index];
    struct vx_place place = vx_field(f);
    bool ahead = false;
    int64_t at;

    if (f->ftype == LM_F_DATE) {
        ahead = lm_value_day(v, &at) && at > lm_day_utc8(in->now_ms);
    } else if (f->ftype == LM_F_DATETIME && v->kind == LM_TEXT) {
        ahead = lm_time_parse(v->text, v->len, &at) && at > in->now_ms + LM_SKEW_MS;
    }
    if (ahead) {
        vx_complain(issues, level, "not_future", &place,
                    f->not_future ? "不能晚于今天，请核对日期。" : "晚于今天，请核对日期。",
                    f->not_future ? "cannot be in the future: check the date."
                                  : "is in the future: check the date.");
    }
}

static void judge_retired(const struct lm_validate_in *in, const struct lm_field *f,
                          struct lm_issues *issues)
{
    const struct lm_list *list = vx_list_of(in->type, f);
    const struct lm_value *v = &in->after->fields[f->index];
    const struct lm_value *before = in->before ? &in->before->fields[f->index] : &nothing;
    struct vx_place place = vx_field(f);
    uint32_t n = v->kind == LM_LIST ? v->len : 1;

    for (uint32_t i = 0; list && i < n; i++) {
        const struct lm_value *item = v->kind == LM_LIST ? &v->items[i] : v;
        const struct lm_code *code = item->kind == LM_TEXT ? lm_list_code(list, item->text) : NULL;
        bool old = false;

        for (uint32_t k = 0; before->kind == LM_LIST && k < before->len; k++) {
            old = old || lm_value_equal(&before->items[k], item);
        }
        if (code && code->retired && !old) {
            place.item = v->kind == LM_LIST ? (long)i : -1;
            vx_complain(issues, LM_REFUSE, "bad_code", &place, "的代码已停用，请另选一个。",
                        "is a code that is no longer used: choose another.");
        }
    }
}

/* Nothing that a village reports happened before there was one: "0052-01-01" is what a date box
 * makes of "52". */
static void judge_long_ago(const struct lm_validate_in *in, const struct lm_field *f,
                           struct lm_issues *issues)
{
    const struct lm_value *v = &in->after->fields[f->index];
    struct vx_place place = vx_field(f);

    if (f->ftype == LM_F_DATE && v->kind == LM_TEXT && v->len == 10 &&
        memcmp(v->text, "1949-10-01", 10) < 0) {
        vx_complain(issues, LM_WARN, "long_ago", &place, "早于1949年10月，请核对年份。",
                    "is before October 1949: check the year.");
    }
}

/* id_no says when a person was born and which sex is registered. */
static void judge_person(const struct lm_validate_in *in, struct lm_issues *issues)
{
    const struct lm_field *id = lm_type_field(in->type, "id_no");
    const struct lm_field *birth = lm_type_field(in->type, "birth_on");
    const struct lm_field *sex = lm_type_field(in->type, "sex");
    const struct lm_value *v;
    char of_birth[11];
    char of_sex[2] = "";

    if (!id || !birth || !sex) {
        return;
    }
    v = &in->after->fields[id->index];
    if (v->kind != LM_TEXT || lm_idno_check(v->text, v->len, of_birth, of_sex) != LM_IDNO_OK) {
        return;
    }
    v = &in->after->fields[birth->index];
    if (v->kind != LM_NULL && !lm_value_is(v, of_birth)) {
        struct vx_place place = vx_field(birth);

        vx_complain(issues, LM_REFUSE, "id_birth_mismatch", &place,
                    "与公民身份号码里的出生日期不一致，请核对证件。",
                    "differs from the date of birth in the ID number: check the card.");
    }
    v = &in->after->fields[sex->index];
    if (v->kind != LM_NULL && !lm_value_is(v, of_sex)) {
        struct vx_place place = vx_field(sex);

        vx_complain(issues, LM_REFUSE, "id_sex_mismatch", &place,
                    "与公民身份号码里的性别不一致，请核对证件。",
                    "differs from the sex in the ID number: check the card.");
    }
}

static void make_env(const struct lm_validate_in *in, struct lm_expr_env *env)
{
    env->catalog = in->catalog;
    env->lookup = in->lookup;
    lm_date_format(lm_day_utc8(in->now_ms), env->today);
    memcpy(env->as_of, env->today, sizeof(env->as_of));
    env->year = 0;
    for (int i = 0; i < 4; i++) {
        env->year = env->year * 10 + (env->today[i] - '0');
    }
}

enum lm_status lm_validate(const struct lm_validate_in *in, struct lm_arena *arena,
                           struct lm_issues *issues)
{
    const struct lm_type *type = in->type;
    struct lm_expr_env env;
    bool draft = strcmp(state_of(in->after), "draft") == 0;
    enum lm_status st = lm_authorize(in, arena, issues);

    if (st != LM_OK) {
        return st;
    }
    make_env(in, &env);
    if (in->deleting) {
        const struct lm_field *f = &type->fields[LM_C_DELETE_REASON];
        struct vx_place place = vx_field(f);

        /* However incomplete a record is, it may be deleted; only the reason is due. */
        if (in->after->fields[f->index].kind == LM_NULL) {
            vx_complain(issues, LM_REFUSE, "required", &place, "必须填写。", "is required.");
        }
        return LM_OK;
    }
    for (size_t i = 0; i < type->n_fields && st == LM_OK; i++) {
        const struct lm_field *f = &type->fields[i];

        if (in->after->fields[i].kind == LM_NULL || f->fill == LM_FILL_COMPUTED) {
            continue;
        }
        if (vx_changed(in, f)) {
            if (f->not_future) {
                judge_future(in, f, issues, in->clock_confirmed ? LM_REFUSE : LM_WARN);
            } else if (f->index == type->reporting_date && type->kept_by & LM_BY_VILLAGE) {
                judge_future(in, f, issues, LM_WARN); /* planned perhaps, a slip more likely */
            }
            if (f->index == type->reporting_date && type->kept_by & LM_BY_VILLAGE) {
                judge_long_ago(in, f, issues);
            }
            if (f->ftype == LM_F_CODE) {
                judge_retired(in, f, issues);
            }
        }
        st = vx_across(in, f, draft, arena, issues);
    }
    if (st == LM_OK) {
        st = vx_required(in, &env, arena, issues);
    }
    if (st == LM_OK && strcmp(type->name, "person") == 0) {
        judge_person(in, issues);
    }
    if (st == LM_OK && lm_is_request(type)) {
        st = vx_request(in, arena, issues);
    }
    return st == LM_OK ? judge_rules(in, &env, draft, arena, issues) : st;
}
