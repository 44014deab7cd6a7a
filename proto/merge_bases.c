/* What the author of a change had seen, resolved against the journal, and the change's rank.
 *
 * A base that is the author's own change without effect (refused, held, duplicate) stands for what
 * that change was built on. rank = max(min(HLC, receipt time), 1 + the highest rank seen): a change
 * outranks everything its author saw, and a clock that is ahead gains nothing. Ranks depend on the
 * change, its receipt and its bases only, never on the order of arrival. */
#include "common/base/break.h"
#include "proto/merge_internal.h"

#include <inttypes.h>
#include <string.h>

static bool without_effect(const struct lm_known_change *known)
{
    return known->verdict == LM_V_REFUSED || known->verdict == LM_V_HELD ||
           known->verdict == LM_V_DUPLICATE;
}

static enum lm_status look_up(struct merge *m, struct lm_version version,
                              struct lm_known_change *out)
{
    *out = (struct lm_known_change){0};
    if (m->in->known == NULL) {
        return LM_ERR_NOT_FOUND;
    }
    return m->in->known(m->in->known_ctx, m->arena, m->change->id, version, out);
}

/* Whether the version that stands is the very change that `base` names, under another number: a
 * copied PC that goes on under a new enrolment sends again what the first had sent, with the same
 * HLC and content. Which of the two stands is chance; who saw the one saw the other. */
static enum lm_status same_save(struct merge *m, struct lm_version base,
                                const struct lm_known_change *known, struct lm_version stands,
                                bool *out)
{
    struct lm_known_change other;
    enum lm_status status;

    *out = false;
    if (base.hlc != stands.hlc || base.replica != m->in->author.replica) {
        return LM_OK;
    }
    status = look_up(m, stands, &other);
    if (status == LM_OK) {
        *out = known->change.op == other.change.op &&
               lm_value_equal(&known->change.fields, &other.change.fields);
    }
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

enum lm_status merge_resolve(struct merge *m, int g)
{
    struct merge_group *group = &m->groups[g];
    const struct lm_stamp *stamp = &m->current->stamps[g];
    const char *name = m->type->groups[g].name;
    struct lm_version base = lm_change_base(m->change, name);
    struct lm_known_change known;
    enum lm_status status;

    if (group->resolved) {
        return LM_OK;
    }
    for (int i = 0; i < MERGE_CHAIN_MAX; i++) {
        if (lm_version_equal(base, stamp->version)) {
            group->seen = true;
            group->base_rank = stamp->rank;
            break;
        }
        if (base.hlc == 0) {
            break;
        }
        status = look_up(m, base, &known);
        if (status == LM_ERR_NOT_FOUND) {
            if (m->in->released) {
                break;
            }
            group->base = base;
            merge_hold(m, "base", "所依据的修改尚未到达，等待中",
                       "It builds on a change that has not arrived yet");
            MERGE_WAITS(m, "base:%" PRIu64 ":%" PRIu64, base.hlc, base.replica);
            return LM_OK;
        }
        if (status != LM_OK) {
            return status;
        }
        if (base.replica != m->in->author.replica || !without_effect(&known)) {
            group->base_rank = known.rank;
            status = same_save(m, base, &known, stamp->version, &group->seen);
            if (status != LM_OK) {
                return status;
            }
            if (group->seen && stamp->rank > known.rank) {
                group->base_rank = stamp->rank;
            }
            break;
        }
        base = lm_change_base(&known.change, name);
    }
    group->base = base;
    group->resolved = true;
    return LM_OK;
}

enum lm_status merge_seen_state(struct merge *m, const char **out)
{
    struct lm_version version = m->groups[LM_GROUP_STATE].base;
    struct lm_known_change known;

    *out = NULL;
    if (m->groups[LM_GROUP_STATE].seen) {
        *out = lm_record_text(m->current, LM_C_STATE);
        return LM_OK;
    }
    for (int i = 0; i < MERGE_CHAIN_MAX && version.hlc != 0; i++) {
        enum lm_status status = look_up(m, version, &known);
        const struct lm_value *state;

        if (status == LM_ERR_NOT_FOUND) {
            return LM_OK;
        }
        if (status != LM_OK) {
            return status;
        }
        state = lm_value_member(&known.change.fields, "state");
        if (state != NULL && state->kind == LM_TEXT) {
            char *text = lm_arena_text(m->arena, state->text, state->len);
            if (text == NULL) {
                return LM_ERR_MEMORY;
            }
            *out = text;
            return LM_OK;
        }
        if (known.change.op == LM_OP_CREATE ||
            (lm_value_member(&known.change.fields, "return_note") == NULL &&
             lm_value_member(&known.change.fields, "close_note") == NULL)) {
            /* Creation without a state, or an edit that took a verified record back:
             * merge_step_reopen. */
            *out = m->type->default_state;
            return LM_OK;
        }
        version = lm_change_base(&known.change, "state");
    }
    return LM_OK;
}

enum lm_status merge_step_bases(struct merge *m)
{
    uint64_t received = lm_hlc_of_ms(m->in->received_ms);
    uint64_t rank = m->change->hlc < received ? m->change->hlc : received;

    for (size_t i = 0; i < m->set.n; i++) {
        m->groups[m->type->fields[m->set.index[i]].group].touched = true;
    }
    if (m->change->op == LM_OP_DELETE || m->change->op == LM_OP_UNDELETE) {
        m->groups[LM_GROUP_DELETED].touched = true;
    }
    for (size_t i = 0; i < m->change->n_bases; i++) {
        const char *name = m->change->bases[i].group;
        int g = lm_type_group(m->type, name, strlen(name));
        if (g >= 0) { /* a group that only a newer catalogue knows says nothing here */
            m->groups[g].listed = true;
        }
    }
    for (size_t g = 0; !m->creates && g < m->type->n_groups; g++) {
        enum lm_status status;

        if (!m->groups[g].touched && g != LM_GROUP_STATE && g != LM_GROUP_DELETED) {
            continue;
        }
        status = merge_resolve(m, (int)g);
        if (status != LM_OK || m->decided) {
            return status;
        }
        if (m->groups[g].base_rank >= rank && m->groups[g].base_rank < UINT64_MAX &&
            !LM_BREAK(RANK_WITHOUT_BASE)) {
            rank = m->groups[g].base_rank + 1;
        }
    }
    m->out->rank = rank;
    return LM_OK;
}
