/* Who may do what: fields by author, ownership of the record, and the rules of states as the author
 * saw them. */
#include "common/base/break.h"
#include "proto/merge_internal.h"

#include <string.h>

/* Whether this author may send the field at all, whatever the state. */
static const char *field_fault(const struct merge *m, int index)
{
    const struct lm_field *field = &m->type->fields[index];
    enum lm_author by = m->in->author.by;

    if (field->fill == LM_FILL_COMPUTED || index == LM_C_DELETED_AT) {
        return "system_field"; /* deletion is an operation, not a field */
    }
    if (m->in->recovered && (field->group != LM_GROUP_ORIGIN || index == LM_C_VILLAGE_CODE)) {
        return NULL;
    }
    if (field->group == LM_GROUP_ORIGIN) {
        bool named = index == LM_C_VILLAGE_CODE && by != LM_BY_VILLAGE &&
                     (m->change->op == LM_OP_CREATE || by == LM_BY_SYSTEM);
        return named ? NULL : "system_field";
    }
    if (by != LM_BY_VILLAGE) {
        return NULL; /* lm_authorize judges the hub's authors */
    }
    if (field->fill == LM_FILL_HUB) {
        return "system_field";
    }
    if (field->fill == LM_FILL_USER && (field->edit_by & LM_BY_VILLAGE) == 0) {
        return (field->edit_by & LM_BY_TOWN) != 0 ? "town_field" : "system_field";
    }
    return NULL;
}

/* What a program sends along without saying anything: the value that is there, or would be filled
 * in. */
static bool says_nothing(const struct merge *m, size_t i)
{
    int index = m->set.index[i];
    const struct lm_value *value = &m->set.value[i];

    if (m->current != NULL) {
        return lm_value_equal(value, &m->current->fields[index]);
    }
    return lm_value_is_null(value) || lm_value_equal(value, &m->type->fields[index].preset);
}

enum lm_status merge_step_author(struct merge *m)
{
    size_t kept = 0;

    if (!m->in->recovered && m->change->op == LM_OP_CREATE &&
        (m->type->kept_by & LM_BY_VILLAGE) == 0 && m->in->author.by == LM_BY_VILLAGE) {
        merge_refuse(m, "not_your_type", "", "这类记录由镇服务站登记",
                     "Records of this type are kept by the town");
        return LM_OK;
    }
    for (size_t i = 0; i < m->set.n; i++) {
        const struct lm_field *field = &m->type->fields[m->set.index[i]];
        const char *fault = field_fault(m, m->set.index[i]);

        if (fault != NULL && says_nothing(m, i)) {
            m->dropped = true;
            continue;
        }
        if (fault != NULL) {
            bool town = strcmp(fault, "town_field") == 0;
            merge_refuse_field(m, fault, field, town ? "由镇服务站填写" : "由系统填写",
                               town ? "is filled in by the town" : "is filled in by the system");
            return LM_OK;
        }
        if (field->group == LM_GROUP_ORIGIN && m->change->op == LM_OP_CREATE) {
            continue; /* lm_origin_fill takes it from the change */
        }
        m->set.index[kept] = m->set.index[i];
        m->set.value[kept++] = m->set.value[i];
    }
    m->set.n = kept;
    return LM_OK;
}

/* Whether the record was once of the author's village, by the journal of its origin: its creation
 * and the transfers since, newest first. (Where it is now is another village: merge_step_owner has
 * looked.) */
static enum lm_status once_ours(struct merge *m, bool *out)
{
    struct lm_version version = m->current->stamps[LM_GROUP_ORIGIN].version;

    *out = false;
    for (int i = 0; i < MERGE_CHAIN_MAX && version.hlc != 0 && m->in->known != NULL; i++) {
        struct lm_known_change known = {0};
        const struct lm_value *code;
        enum lm_status status =
            m->in->known(m->in->known_ctx, m->arena, m->change->id, version, &known);

        if (status != LM_OK) {
            return status == LM_ERR_NOT_FOUND ? LM_OK : status;
        }
        code = lm_value_member(&known.change.fields, "village_code");
        if (code == NULL && known.change.op == LM_OP_CREATE) {
            code = &m->current->fields[LM_C_STATION];
        }
        if (code != NULL && lm_value_is(code, m->in->author.station)) {
            *out = true;
            return LM_OK;
        }
        if (known.change.op == LM_OP_CREATE) {
            return LM_OK;
        }
        version = lm_change_base(&known.change, "origin");
    }
    return LM_OK;
}

/* Whether this hub may have forgotten, by going back in time, that the record moved to the author's
 * village. Its villages go on writing for as long as they have not heard of that: they are given
 * LM_MOVED_DAYS by the hub's clock, whatever theirs say; and without end where they build on a
 * version of the record that this journal lacks. */
static enum lm_status move_may_be_lost(struct merge *m, bool *out)
{
    const int64_t day_ms = 86400000;
    const struct lm_merge_in *in = m->in;
    const struct lm_change *change = m->change;

    *out = false;
    if (in->went_back_ms == 0 || change->op == LM_OP_CREATE) {
        return LM_OK;
    }
    *out = in->received_ms - in->went_back_ms <= LM_MOVED_DAYS * day_ms;
    for (size_t i = 0; i <= change->n_bases && !*out && in->known != NULL; i++) {
        struct lm_version base = i == change->n_bases ? change->base_all : change->bases[i].version;
        struct lm_known_change known = {0};
        enum lm_status status;

        if (base.hlc == 0) {
            continue;
        }
        status = in->known(in->known_ctx, m->arena, change->id, base, &known);
        if (status != LM_OK && status != LM_ERR_NOT_FOUND) {
            return status;
        }
        *out = status == LM_ERR_NOT_FOUND;
    }
    return LM_OK;
}

/* Another village's record. Held, it has no effect, and is judged by this same rule once the record
 * has moved: so nobody gets at what is not its own by waiting. */
static enum lm_status not_ours(struct merge *m)
{
    bool lost = false;
    enum lm_status status = move_may_be_lost(m, &lost);

    if (status != LM_OK) {
        return status;
    }
    if (!lost) {
        merge_refuse(m, "not_your_record", "", "这条记录不属于本站",
                     "The record belongs to another station");
        return LM_OK;
    }
    merge_hold(
        m, "moved",
        "镇服务器恢复过备份，这条记录在镇里还属于别的村，转给写这条修改的村的那次变动可能还没找回。"
        "镇里确认“恢复后各村交还的”，或重新核定转移、登记撤并以后，会自动采用；没有这回事的，由镇里"
        "退回（不予采纳）",
        "The town's server was restored: there the record is still another village's, and its "
        "move to the village that wrote this may not have come back yet. When the town confirms "
        "what was given back, or makes the move or merger again, this is taken in; if there was "
        "none, the town refuses it");
    MERGE_WAITS(m, "moved:%s", m->change->id);
    return LM_OK;
}

/* A village writes its own village's records only; and those that were moved away before it could
 * know, while what it saw of the state is older than the move (which need not have changed the
 * state). */
enum lm_status merge_step_owner(struct merge *m)
{
    bool ours = false;
    enum lm_status status;

    if (m->current == NULL || m->in->author.by != LM_BY_VILLAGE || m->in->recovered ||
        LM_BREAK(STRANGER_WRITES) ||
        strcmp(lm_record_text(m->current, LM_C_VILLAGE_CODE), m->in->author.station) == 0) {
        return LM_OK;
    }
    status = once_ours(m, &ours);
    if (status != LM_OK) {
        return status;
    }
    if (ours) {
        status = merge_resolve(m, LM_GROUP_STATE);
        if (status != LM_OK) {
            return status;
        }
        ours = m->groups[LM_GROUP_STATE].base.hlc < m->current->stamps[LM_GROUP_ORIGIN].version.hlc;
    }
    if (m->decided && (ours || m->in->went_back_ms == 0)) {
        return LM_OK; /* waits for what it builds on, a state from before the record moved away */
    }
    if (!ours) { /* or it saw a state of the history that is gone: the record came back here */
        return not_ours(m);
    }
    m->concurrent = true;
    return LM_OK;
}

/* The record as the author meant it to become, over what it was when the author saw it. */
static enum lm_status author_view(struct merge *m, struct lm_record *before, struct lm_record **out)
{
    struct lm_record *after = lm_record_copy(m->arena, before);

    if (after == NULL) {
        return LM_ERR_MEMORY;
    }
    for (size_t i = 0; i < m->set.n; i++) {
        after->fields[m->set.index[i]] = m->set.value[i];
    }
    if (m->change->op == LM_OP_DELETE) {
        char *at = lm_arena_alloc(m->arena, LM_TIME_TEXT + 8);
        if (at == NULL) {
            return LM_ERR_MEMORY;
        }
        lm_time_format(m->in->received_ms, at);
        after->fields[LM_C_DELETED_AT] = lm_value_text(at);
    } else if (m->change->op == LM_OP_UNDELETE) {
        after->fields[LM_C_DELETED_AT] = lm_value_null();
        after->fields[LM_C_DELETE_REASON] = lm_value_null();
    }
    *out = after;
    return LM_OK;
}

/* Transitions of an unseen state are judged against the current one by merge_step_state. */
enum lm_status merge_step_authorize(struct merge *m)
{
    struct lm_validate_in in = {
        .catalog = m->catalog,
        .type = m->type,
        .set = &m->set,
        .author = m->in->author.by,
        .deleting = m->change->op == LM_OP_DELETE,
        .undeleting = m->change->op == LM_OP_UNDELETE,
        .lookup = m->in->lookup,
        .now_ms = m->in->received_ms,
        .clock_confirmed = true,
    };
    struct lm_fieldset shown = m->set;
    struct lm_issues issues;
    enum lm_status status;

    if (m->in->recovered) {
        return LM_OK;
    }
    if (m->creates) {
        in.after = m->next;
    } else {
        struct lm_record *before = lm_record_copy(m->arena, m->current), *after = NULL;
        const char *state = NULL;

        if (before == NULL) {
            return LM_ERR_MEMORY;
        }
        if (!m->groups[LM_GROUP_STATE].seen) {
            if (m->in->author.by == LM_BY_VILLAGE &&
                strcmp(lm_record_text(m->current, LM_C_STATE), "locked") == 0) {
                merge_refuse(m, "locked_state", "state", "记录所在的报告期已锁定，不能修改",
                             "The record's period has been locked: it can't be changed");
                return LM_OK;
            }
            status = merge_seen_state(m, &state);
            if (status != LM_OK || state == NULL || m->change->op == LM_OP_CREATE) {
                return status;
            }
            before->fields[LM_C_STATE] = lm_value_text(state);
        }
        status = author_view(m, before, &after);
        if (status != LM_OK) {
            return status;
        }
        in.before = before;
        in.after = after;
    }
    /* A move by the system is judged by merge_step_author. */
    for (size_t i = 0; i < shown.n; i++) {
        if (m->type->fields[shown.index[i]].group == LM_GROUP_ORIGIN) {
            shown.n--;
            memmove(&shown.index[i], &shown.index[i + 1], (shown.n - i) * sizeof(shown.index[0]));
            memmove(&shown.value[i], &shown.value[i + 1], (shown.n - i) * sizeof(shown.value[0]));
            i--;
        }
    }
    in.set = &shown;
    lm_issues_init(&issues);
    status = lm_authorize(&in, m->arena, &issues);
    for (size_t i = 0; status == LM_OK && i < issues.n && !m->decided; i++) {
        if (issues.items[i].level == LM_REFUSE && !merge_older_may(m, &issues.items[i].error)) {
            merge_refuse_with(m, &issues.items[i].error);
        }
    }
    return status;
}
