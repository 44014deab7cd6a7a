/* The verdict on a change: the steps in their order, and what follows a merge (hub's own values,
 * computed fields, validation). merge_internal.h describes the state, the other merge_*.c hold the
 * steps.
 *
 * Order matters: what is wrong in itself is refused before anything is waited for, so that nobody
 * waits for a change that could never be applied; waiting comes before merging, so that a held
 * change leaves no trace in the record. */
#include "common/base/break.h"
#include "proto/merge_internal.h"

#include <string.h>

/* ---- verdicts ---- */

static void decide(struct merge *m, enum lm_verdict verdict)
{
    m->out->verdict = verdict;
    m->out->record = NULL;
    m->out->as_sent = false;
    m->out->conflicts = NULL;
    m->out->n_conflicts = 0;
    m->decided = true;
}

static void fill(struct lm_error *error, const char *code, const char *field, const char *zh,
                 const char *en)
{
    memset(error, 0, sizeof(*error));
    (void)snprintf(error->code, sizeof(error->code), "%s", code);
    (void)snprintf(error->field, sizeof(error->field), "%s", field);
    (void)snprintf(error->zh, sizeof(error->zh), "%s", zh);
    (void)snprintf(error->en, sizeof(error->en), "%s", en);
}

void merge_refuse(struct merge *m, const char *code, const char *field, const char *zh,
                  const char *en)
{
    decide(m, LM_V_REFUSED);
    fill(&m->out->reason, code, field, zh, en);
}

void merge_refuse_field(struct merge *m, const char *code, const struct lm_field *field,
                        const char *zh, const char *en)
{
    merge_refuse(m, code, field->name, "", "");
    (void)snprintf(m->out->reason.zh, sizeof(m->out->reason.zh), "“%s”%s", field->zh, zh);
    (void)snprintf(m->out->reason.en, sizeof(m->out->reason.en), "\"%s\" %s", field->en, en);
}

void merge_refuse_with(struct merge *m, const struct lm_error *error)
{
    decide(m, LM_V_REFUSED);
    m->out->reason = *error;
}

void merge_hold(struct merge *m, const char *code, const char *zh, const char *en)
{
    decide(m, LM_BREAK(HELD_REFUSED) ? LM_V_REFUSED : LM_V_HELD);
    fill(&m->out->reason, code, "", zh, en);
    m->out->waits_for[0] = '\0';
}

bool merge_state_in(const char *const *states, const char *state)
{
    for (; states != NULL && *states != NULL; states++) {
        if (strcmp(*states, state) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- first steps ---- */

static enum lm_status step_type(struct merge *m)
{
    const struct lm_merge_in *in = m->in;
    const struct lm_change *change = m->change;

    m->newer = change->catalog > m->catalog->number;
    m->type = lm_catalog_type(m->catalog, change->type);
    if (m->type == NULL) {
        if (m->newer) {
            merge_hold(m, "catalogue", "记录类型来自较新的目录，等待中",
                       "Its record type is of a newer catalogue");
            MERGE_WAITS(m, "type:%s", change->type);
        } else {
            merge_refuse(m, "unknown_type", "", "没有这种记录", "There is no such record type");
        }
        return LM_OK;
    }
    if ((in->type_of_id != NULL && strcmp(in->type_of_id, m->type->name) != 0) ||
        (in->current != NULL && strcmp(in->current->type->name, m->type->name) != 0)) {
        merge_refuse(m, "other_type", "", "同一标识已用于另一种记录",
                     "A record of another type has this id");
        return LM_OK;
    }
    if (change->op == LM_OP_CREATE && !lm_uuid_is_v7(change->id, strlen(change->id))) {
        merge_refuse(m, "bad_uuid", "id", "记录标识不是UUIDv7", "The record's id is not a UUIDv7");
        return LM_OK;
    }
    m->creates = change->op == LM_OP_CREATE && in->current == NULL;
    m->groups = lm_arena_alloc(m->arena, m->type->n_groups * sizeof(*m->groups));
    return m->groups == NULL ? LM_ERR_MEMORY : LM_OK;
}

/* What a newer catalogue may have made right: a code, a longer text, a wider range. */
static bool may_be_newer(const struct lm_error *error)
{
    static const char *const codes[] = {"bad_code", "too_long", "too_many_items", "out_of_range",
                                        NULL};

    return merge_state_in(codes, error->code);
}

static enum lm_status step_shape(struct merge *m)
{
    struct lm_issues issues;
    const struct lm_error *error;
    enum lm_status status;

    lm_issues_init(&issues);
    status = lm_fields_check(m->catalog, m->type, &m->change->fields, m->arena, &m->set, &issues);
    error = lm_issues_first_refusal(&issues);
    if (error == NULL || (status != LM_OK && status != LM_ERR_INVALID)) {
        if (status == LM_OK && m->set.unknown.kind == LM_MAP && m->set.unknown.len > 0 &&
            !m->newer) {
            merge_refuse(m, "unknown_field", "", "含有没有定义的字段",
                         "It has a field that is not defined");
            (void)snprintf(
                m->out->reason.field, sizeof(m->out->reason.field), "%.*s",
                (int)(m->set.unknown.pairs[0].key_len < 64 ? m->set.unknown.pairs[0].key_len : 64),
                m->set.unknown.pairs[0].key);
        }
        return status;
    }
    if (m->newer && may_be_newer(error)) {
        merge_hold(m, "catalogue", "内容来自较新的目录，等待中",
                   "It was made with a newer catalogue");
        return LM_OK;
    }
    merge_refuse_with(m, error);
    return LM_OK;
}

static enum lm_status step_existence(struct merge *m)
{
    if (m->current != NULL || m->creates) {
        return LM_OK;
    }
    if (m->in->creation_refused) {
        merge_refuse(m, "base_refused", "", "记录的登记已被退回，修改随之退回",
                     "The record's creation was refused, and so is this");
        return LM_OK;
    }
    merge_hold(m, "record", "记录尚未到达，等待中", "The record has not arrived yet");
    MERGE_WAITS(m, "record:%s", m->change->id);
    return LM_OK;
}

/* The record to work on: a copy of what is there, or the creation as it is. */
static enum lm_status step_start(struct merge *m)
{
    int64_t offset = m->in->author.replica == 0 ? 0 : m->in->offset_used_ms;
    enum lm_status status;

    if (!m->creates) {
        m->next = lm_record_copy(m->arena, m->current);
        return m->next == NULL ? LM_ERR_MEMORY : LM_OK;
    }
    m->next = lm_record_new(m->arena, m->type, m->change->id);
    if (m->next == NULL) {
        return LM_ERR_MEMORY;
    }
    status =
        lm_origin_fill(m->next, m->change, m->in->author, offset, m->in->received_ms, m->arena);
    if (status != LM_OK) {
        return status;
    }
    for (size_t i = 0; i < m->set.n; i++) {
        m->next->fields[m->set.index[i]] = m->set.value[i];
    }
    if (lm_value_is_null(&m->next->fields[LM_C_STATE]) && m->type->default_state != NULL) {
        m->next->fields[LM_C_STATE] = lm_value_text(m->type->default_state);
    }
    return LM_OK;
}

static enum lm_status step_stamp_creation(struct merge *m)
{
    for (size_t g = 0; m->creates && g < m->type->n_groups; g++) {
        merge_stamp(m, (int)g);
    }
    return LM_OK;
}

/* ---- after the merge ---- */

/* A person enters the register on the day that the town first verified the file. */
static enum lm_status step_hub_values(struct merge *m)
{
    const struct lm_field *field = lm_type_field(m->type, "registered_on");
    char day[16], *kept;

    if (strcmp(m->type->name, "person") != 0 || field == NULL ||
        m->in->author.by == LM_BY_VILLAGE || m->in->recovered ||
        strcmp(lm_record_text(m->next, LM_C_STATE), "active") != 0 ||
        !lm_value_is_null(&m->next->fields[field->index]) || lm_record_deleted(m->next)) {
        return LM_OK;
    }
    lm_date_format(lm_day_utc8(m->in->received_ms), day);
    kept = lm_arena_text(m->arena, day, strlen(day));
    if (kept == NULL) {
        return LM_ERR_MEMORY;
    }
    m->next->fields[field->index] = lm_value_text(kept);
    merge_stamp(m, field->group);
    return LM_OK;
}

static enum lm_status step_compute(struct merge *m)
{
    const struct lm_lookup *lookup = m->in->lookup;
    const char *level = NULL;

    if (lookup != NULL && lookup->area_level != NULL) {
        level = lookup->area_level(lookup->ctx, lm_record_text(m->next, LM_C_VILLAGE_CODE));
    }
    return lm_compute(m->catalog, m->next, m->creates, level, lookup, m->arena);
}

/* Who may do what was judged by merge_step_authorize, by what the author saw; lm_validate sees the
 * merged record and would judge it again by what the author could not know. */
static bool judged_before(const struct lm_error *error)
{
    static const char *const codes[] = {
        "frozen_field", "locked_state", "bad_transition", "not_allowed",
        "town_field",   "system_field", "retired_field",  NULL};

    return merge_state_in(codes, error->code);
}

static const struct lm_error *first_fault(const struct merge *m, const struct lm_issues *issues)
{
    for (size_t i = 0; i < issues->n; i++) {
        const struct lm_error *error = &issues->items[i].error;
        if (issues->items[i].level == LM_REFUSE && !judged_before(error) &&
            !merge_older_lacks(m, error)) {
            return error;
        }
    }
    return NULL;
}

/* The fields of the change that stand in the record now. */
static void standing(const struct merge *m, struct lm_fieldset *out)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < m->set.n; i++) {
        if (lm_value_equal(&m->set.value[i], &m->next->fields[m->set.index[i]])) {
            lm_fieldset_put(out, m->set.index[i], m->set.value[i]);
        }
    }
    out->unknown = m->set.unknown;
}

static enum lm_status mark_invalid(struct merge *m, const struct lm_error *fault)
{
    struct lm_record *rec = m->next;

    (void)snprintf(rec->issue_code, sizeof(rec->issue_code), "%s", fault->code);
    (void)snprintf(rec->issue_field, sizeof(rec->issue_field), "%s", fault->field);
    rec->issue_zh = lm_arena_text(m->arena, fault->zh, strlen(fault->zh));
    rec->issue_en = lm_arena_text(m->arena, fault->en, strlen(fault->en));
    rec->invalid = true;
    return rec->issue_zh == NULL || rec->issue_en == NULL ? LM_ERR_MEMORY : LM_OK;
}

static void clear_invalid(struct lm_record *rec)
{
    rec->invalid = false;
    rec->issue_code[0] = rec->issue_field[0] = '\0';
    rec->issue_zh = rec->issue_en = NULL;
}

/* Town staff may work on a record that was invalid before, and need not mend all of it at once; but
 * it goes no further on its way while it is. */
static bool fault_was_there(const struct merge *m, const struct lm_error *fault)
{
    static const char *const back[] = {"draft",    "returned",     "cancelled", "withdrawn",
                                       "rejected", "not_accepted", NULL};

    return m->current != NULL && m->current->invalid &&
           strcmp(m->current->issue_code, fault->code) == 0 &&
           strcmp(m->current->issue_field, fault->field) == 0 &&
           (!m->transition || merge_state_in(back, lm_record_text(m->next, LM_C_STATE)));
}

static enum lm_status step_validate(struct merge *m)
{
    struct lm_fieldset set;
    struct lm_validate_in in = {
        .catalog = m->catalog,
        .type = m->type,
        .before = m->current,
        .after = m->next,
        .set = &set,
        .author = m->in->author.by,
        .deleting = m->change->op == LM_OP_DELETE && lm_record_deleted(m->next),
        .undeleting = m->change->op == LM_OP_UNDELETE && !lm_record_deleted(m->next),
        .lookup = m->in->lookup,
        .now_ms = m->in->received_ms,
        .clock_confirmed = true,
    };
    struct lm_issues issues;
    const struct lm_error *fault;
    enum lm_status status;

    standing(m, &set);
    lm_issues_init(&issues);
    status = lm_validate(&in, m->arena, &issues);
    if (status != LM_OK) {
        return status;
    }
    fault = first_fault(m, &issues);
    m->out->verdict = m->concurrent ? LM_V_CONCURRENT : LM_V_APPLIED;
    if (fault == NULL) {
        clear_invalid(m->next);
        return LM_OK;
    }
    if (m->in->author.by == LM_BY_VILLAGE || m->in->recovered) {
        m->out->verdict = LM_V_INVALID;
        m->out->reason = *fault;
        return mark_invalid(m, fault);
    }
    if (!fault_was_there(m, fault)) {
        merge_refuse_with(m, fault);
        return LM_OK;
    }
    return mark_invalid(m, fault);
}

/* Whether the author's own copy, made by lm_change_apply_local, is this record. */
static enum lm_status step_as_sent(struct merge *m)
{
    struct lm_value at;
    int field = m->creates ? LM_C_CREATED_AT : LM_C_DELETED_AT;
    enum lm_status status;

    m->out->record = m->next;
    if (m->out->verdict != LM_V_APPLIED || (m->current != NULL && m->current->invalid)) {
        return LM_OK; /* the flag that it clears is not in the digest */
    }
    if (m->dropped || (m->change->op == LM_OP_CREATE && !m->creates)) {
        return LM_OK; /* the author's copy has stamps of this change that are not here */
    }
    for (size_t g = 0; g < m->type->n_groups; g++) {
        bool expected = m->creates || m->groups[g].touched;
        if (lm_version_equal(m->next->stamps[g].version, m->version) != expected) {
            return LM_OK;
        }
    }
    if (m->creates || (m->change->op == LM_OP_DELETE && !lm_record_deleted(m->current))) {
        status = merge_time(m->change, merge_author_offset(m->change), INT64_MAX, m->arena, &at);
        if (status != LM_OK) {
            return status;
        }
        if (!lm_value_equal(&at, &m->next->fields[field])) {
            return LM_OK;
        }
    }
    m->out->as_sent = true;
    return LM_OK;
}

enum lm_status lm_merge(const struct lm_merge_in *in, struct lm_arena *arena,
                        struct lm_merge_out *out)
{
    static enum lm_status (*const steps[])(struct merge *) = {
        step_type,           step_shape,         merge_step_author, step_existence,
        merge_step_owner,    merge_step_bases,   step_start,        merge_step_authorize,
        step_stamp_creation, merge_step_deleted, merge_step_state,  merge_step_references,
        merge_step_values,   merge_step_reopen,  step_hub_values,   step_compute,
        step_validate,       step_as_sent,
    };
    struct merge m = {
        .in = in,
        .arena = arena,
        .out = out,
        .catalog = in->catalog,
        .change = in->change,
        .current = in->current,
        .version = {.hlc = in->change->hlc, .replica = in->author.replica},
    };

    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !m.decided; i++) {
        enum lm_status status = steps[i](&m);
        if (status != LM_OK) {
            memset(out, 0, sizeof(*out));
            return status;
        }
    }
    return LM_OK;
}
