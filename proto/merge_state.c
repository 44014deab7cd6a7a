/* State and deletion: what must not be merged by rank alone, because it approves, returns or ends a
 * record as a whole. */
#include "common/base/break.h"
#include "proto/merge_internal.h"

#include <string.h>

static bool differs_from_seen(const struct merge *m)
{
    if (LM_BREAK(SEEN_UNCOMPARED)) {
        return false;
    }
    if (m->change->has_seen) {
        return m->change->seen != lm_record_seen(m->current);
    }
    return !m->groups[LM_GROUP_STATE].seen || !m->groups[LM_GROUP_DELETED].seen;
}

static enum lm_status delete_record(struct merge *m)
{
    struct lm_fieldset set = {0};
    const struct lm_value *reason = lm_fieldset_get(&m->set, LM_C_DELETE_REASON);
    struct lm_value at, mine, theirs;
    int64_t offset = m->in->author.replica == 0 ? 0 : m->in->offset_used_ms;
    enum lm_status status;

    if (lm_record_deleted(m->current)) {
        /* Deleted by two: equal. By who saw it deleted: that is what was meant, and it stays as it
         * was deleted, by whom and when. */
        if (m->groups[LM_GROUP_DELETED].seen && !differs_from_seen(m)) {
            merge_stamp(m, LM_GROUP_DELETED);
        }
        return LM_OK;
    }
    status = merge_time(m->change, offset, m->in->received_ms, m->arena, &at);
    if (status != LM_OK) {
        return status;
    }
    if (!differs_from_seen(m)) {
        m->next->fields[LM_C_DELETED_AT] = at;
        m->next->fields[LM_C_DELETE_REASON] = reason != NULL ? *reason : lm_value_null();
        merge_stamp(m, LM_GROUP_DELETED);
        return LM_OK;
    }
    /* What was to be deleted is not what is there: the record stays until a person has looked. */
    lm_fieldset_put(&set, LM_C_DELETED_AT, at);
    lm_fieldset_put(&set, LM_C_DELETE_REASON, reason != NULL ? *reason : lm_value_null());
    status = merge_group_map(m, LM_GROUP_DELETED, m->current, &set, &mine);
    if (status == LM_OK) {
        status = merge_group_map(m, LM_GROUP_DELETED, m->current, NULL, &theirs);
    }
    if (status == LM_OK) {
        status = merge_conflict(m, LM_GROUP_DELETED, false, mine, theirs);
    }
    return status;
}

enum lm_status merge_step_deleted(struct merge *m)
{
    struct lm_fieldset none = {0};
    struct lm_value mine, theirs;
    enum lm_status status;

    if (m->creates) {
        return LM_OK;
    }
    if (m->change->op == LM_OP_DELETE) {
        return delete_record(m);
    }
    if (m->change->op == LM_OP_UNDELETE) {
        lm_fieldset_put(&none, LM_C_DELETED_AT, lm_value_null());
        lm_fieldset_put(&none, LM_C_DELETE_REASON, lm_value_null());
        return merge_group_values(m, LM_GROUP_DELETED, &none, false);
    }
    if (!lm_record_deleted(m->current)) {
        return m->groups[LM_GROUP_DELETED].touched
                   ? merge_group_values(m, LM_GROUP_DELETED, &m->set, false)
                   : LM_OK;
    }
    if (m->groups[LM_GROUP_DELETED].seen) {
        merge_refuse(m, "deleted", "", "记录已删除，不能修改；可先恢复",
                     "The record is deleted: bring it back before editing it");
        return LM_OK;
    }
    if (LM_BREAK(EDIT_REVIVES)) {
        m->next->fields[LM_C_DELETED_AT] = m->next->fields[LM_C_DELETE_REASON] = lm_value_null();
        merge_stamp(m, LM_GROUP_DELETED);
        return LM_OK;
    }
    /* The edit is merged into the deleted record, and a person decides which of the two was meant.
     */
    status = merge_group_map(m, LM_GROUP_DELETED, NULL, NULL, &mine);
    if (status == LM_OK) {
        status = merge_group_map(m, LM_GROUP_DELETED, m->current, NULL, &theirs);
    }
    if (status == LM_OK) {
        status = merge_conflict(m, LM_GROUP_DELETED, false, mine, theirs);
    }
    return status;
}

/* Whether the author of a transition had seen the current version of a guarded group. Without its
 * base in the change the author's word is base_all, and its own earlier changes are known to it in
 * any case. */
static enum lm_status guarded_seen(struct merge *m, int g, bool *out)
{
    struct lm_version version = m->current->stamps[g].version;
    enum lm_status status;

    if (m->groups[g].listed || m->groups[g].touched) {
        status = merge_resolve(m, g);
        *out = m->groups[g].seen;
        return status;
    }
    *out = version.hlc < m->change->hlc && (lm_version_equal(version, m->change->base_all) ||
                                            version.replica == m->in->author.replica);
    return LM_OK;
}

static enum lm_status confirm_guarded(struct merge *m)
{
    for (size_t g = 0; g < m->type->n_groups; g++) {
        bool seen = true;
        enum lm_status status;

        if (!m->type->groups[g].guarded) {
            continue;
        }
        status = guarded_seen(m, (int)g, &seen);
        if (status != LM_OK || m->decided) {
            return status;
        }
        if (!seen) {
            merge_hold(
                m, "confirm", "办理所依据的内容此后已被修改，需要确认",
                "What this step was decided on has changed since: it waits for confirmation");
            return LM_OK;
        }
    }
    return LM_OK;
}

/* The record was there already when its creation came: a state it has since left says nothing any
 * more. */
static enum lm_status created_again(struct merge *m)
{
    const struct lm_stamp *stamps = m->current->stamps;

    if (!lm_version_equal(stamps[LM_GROUP_STATE].version, stamps[LM_GROUP_ORIGIN].version)) {
        return LM_OK;
    }
    return merge_group_values(m, LM_GROUP_STATE, &m->set, false);
}

static void refuse_transition(struct merge *m, const char *from, const char *to)
{
    bool seen = m->groups[LM_GROUP_STATE].seen;
    const struct lm_code *a = m->type->states != NULL ? lm_list_code(m->type->states, from) : NULL;
    const struct lm_code *b = m->type->states != NULL ? lm_list_code(m->type->states, to) : NULL;
    struct lm_error error = {.field = "state"};

    (void)snprintf(error.code, sizeof(error.code), "%s", seen ? "bad_transition" : "wrong_state");
    (void)snprintf(error.zh, sizeof(error.zh), "记录%s为“%s”，不能改为“%s”", seen ? "" : "现已",
                   a != NULL ? a->zh : from, b != NULL ? b->zh : to);
    (void)snprintf(error.en, sizeof(error.en), "The record is %s\"%s\": it can't become \"%s\"",
                   seen ? "" : "by now ", a != NULL ? a->en : from, b != NULL ? b->en : to);
    merge_refuse_with(m, &error);
}

enum lm_status merge_step_state(struct merge *m)
{
    const struct lm_value *value = lm_fieldset_get(&m->set, LM_C_STATE);
    const char *from, *to;
    bool seen = m->groups[LM_GROUP_STATE].seen;
    enum lm_status status;

    if (m->creates || !m->groups[LM_GROUP_STATE].touched) {
        return LM_OK;
    }
    if (m->change->op == LM_OP_CREATE) {
        return created_again(m);
    }
    if (m->in->recovered || value == NULL ||
        lm_value_equal(value, &m->current->fields[LM_C_STATE])) {
        return merge_group_values(m, LM_GROUP_STATE, &m->set, false);
    }
    from = lm_record_text(m->current, LM_C_STATE);
    to = value->kind == LM_TEXT ? value->text : "";
    if (lm_type_transition(m->type, from, to, m->in->author.by) == NULL) {
        refuse_transition(m, from, to);
        return LM_OK;
    }
    m->transition = true;
    /* An author at the hub sees the master itself unless it says otherwise. */
    if (!seen || (m->change->has_seen ? differs_from_seen(m) : m->in->author.replica != 0)) {
        if (!m->in->released) {
            status = confirm_guarded(m);
            if (status != LM_OK || m->decided) {
                return status;
            }
        }
        m->concurrent = m->concurrent || !seen || m->change->has_seen;
    }
    for (size_t i = 0; i < m->set.n; i++) {
        if (m->type->fields[m->set.index[i]].group == LM_GROUP_STATE) {
            m->next->fields[m->set.index[i]] = m->set.value[i];
        }
    }
    merge_stamp(m, LM_GROUP_STATE);
    return LM_OK;
}

/* A village's edit of what the town has verified meanwhile is kept, and the record is to be
 * verified again, where the life cycle has that way back. */
enum lm_status merge_step_reopen(struct merge *m)
{
    const char *state, *back = m->type->default_state;

    if (m->creates || m->in->author.by != LM_BY_VILLAGE || m->in->recovered ||
        m->groups[LM_GROUP_STATE].seen || m->transition || !m->changed || back == NULL ||
        m->type->village_edits_in == NULL) {
        return LM_OK;
    }
    state = lm_record_text(m->current, LM_C_STATE);
    /* A record merged into another stays so until a person undoes that: an edit from before is kept
     * in it, for the way back from there is no second look. */
    if (strcmp(state, "merged") == 0) {
        m->concurrent = true;
        return LM_OK;
    }
    if (merge_state_in(m->type->village_edits_in, state) ||
        lm_type_transition(m->type, state, back, LM_BY_SYSTEM) == NULL) {
        return LM_OK;
    }
    m->next->fields[LM_C_STATE] = lm_value_text(back);
    merge_stamp(m, LM_GROUP_STATE);
    m->concurrent = true;
    return LM_OK;
}
