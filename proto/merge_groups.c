/* Values: one merge group after the other, each set, kept, or kept as a sibling.
 *
 * The stamp that stands is always the highest by (rank, version) of those that nobody overwrote
 * knowingly, so the outcome does not depend on the order of arrival. That is why equal values leave
 * the higher of the two stamps. */
#include "common/base/break.h"
#include "proto/merge_internal.h"

static struct lm_stamp own_stamp(const struct merge *m)
{
    return (struct lm_stamp){.version = m->version, .rank = m->out->rank};
}

void merge_stamp(struct merge *m, int g)
{
    m->next->stamps[g] = own_stamp(m);
}

static bool outranks(struct lm_stamp a, struct lm_stamp b)
{
    if (a.rank != b.rank) {
        return a.rank > b.rank;
    }
    return lm_version_compare(a.version, b.version) > 0;
}

enum lm_status merge_group_map(struct merge *m, int g, const struct lm_record *rec,
                               const struct lm_fieldset *set, struct lm_value *out)
{
    struct lm_pair *pairs = lm_arena_alloc(m->arena, m->type->n_fields * sizeof(*pairs));
    uint32_t n = 0;

    if (pairs == NULL) {
        return LM_ERR_MEMORY;
    }
    for (size_t f = 0; f < m->type->n_fields; f++) {
        const struct lm_field *field = &m->type->fields[f];
        const struct lm_value *value = set != NULL ? lm_fieldset_get(set, (int)f) : NULL;

        if (field->group != g) {
            continue;
        }
        if (value == NULL && rec != NULL) {
            value = &rec->fields[f];
        }
        pairs[n].key = field->name;
        for (const char *c = field->name; *c != '\0'; c++) {
            pairs[n].key_len++;
        }
        pairs[n++].value = value != NULL ? *value : lm_value_null();
    }
    *out = (struct lm_value){.kind = LM_MAP, .len = n, .pairs = pairs};
    return LM_OK;
}

enum lm_status merge_conflict(struct merge *m, int g, bool change_stands,
                              struct lm_value change_value, struct lm_value current_value)
{
    struct lm_merge_out *out = m->out;

    if (out->conflicts == NULL) { /* a group is decided at most once, "deleted" perhaps twice */
        out->conflicts =
            lm_arena_alloc(m->arena, (m->type->n_groups + 1) * sizeof(*out->conflicts));
        if (out->conflicts == NULL) {
            return LM_ERR_MEMORY;
        }
    }
    if (out->n_conflicts > m->type->n_groups) {
        return LM_ERR_INTERNAL;
    }
    out->conflicts[out->n_conflicts++] = (struct lm_sibling_out){
        .group = g,
        .change_stands = change_stands,
        .change_value = change_value,
        .current_value = current_value,
        .change_version = m->version,
        .current_version = m->current->stamps[g].version,
    };
    m->concurrent = true;
    return LM_OK;
}

static void put(struct merge *m, int g, const struct lm_fieldset *set)
{
    for (size_t i = 0; i < set->n; i++) {
        if (m->type->fields[set->index[i]].group == g) {
            m->next->fields[set->index[i]] = set->value[i];
        }
    }
    merge_stamp(m, g);
}

enum lm_status merge_group_values(struct merge *m, int g, const struct lm_fieldset *set,
                                  bool never_stands)
{
    struct lm_stamp current = m->current->stamps[g];
    bool seen = m->groups[g].seen, stands, equal = !LM_BREAK(EQUAL_CONFLICTS);
    struct lm_value mine, theirs;
    enum lm_status status;

    for (size_t i = 0; i < set->n; i++) {
        if (m->type->fields[set->index[i]].group == g) {
            equal = equal && lm_value_equal(&set->value[i], &m->current->fields[set->index[i]]);
        }
    }
    stands = !never_stands && (seen || outranks(own_stamp(m), current));
    if (!equal && (!seen || never_stands) && !LM_BREAK(LAST_WRITER_WINS)) {
        status = merge_group_map(m, g, m->current, set, &mine);
        if (status == LM_OK) {
            status = merge_group_map(m, g, m->current, NULL, &theirs);
        }
        if (status == LM_OK) {
            status = merge_conflict(m, g, stands, mine, theirs);
        }
        if (status != LM_OK) {
            return status;
        }
    }
    if (stands) {
        put(m, g, set);
        m->changed = m->changed || !equal;
    }
    return LM_OK;
}

/* A field that is frozen for a village in a state which that village had not seen. */
static bool frozen_since(const struct merge *m, int g)
{
    const char *state = lm_record_text(m->current, LM_C_STATE);

    if (m->in->author.by != LM_BY_VILLAGE || m->in->recovered || m->groups[LM_GROUP_STATE].seen) {
        return false;
    }
    for (size_t i = 0; i < m->set.n; i++) {
        const struct lm_field *field = &m->type->fields[m->set.index[i]];
        if (field->group == g && merge_state_in(field->frozen_in, state)) {
            return true;
        }
    }
    return false;
}

/* A record keeps of a newer catalogue what one change may hold. More waits, in the journal, until
 * the catalogue is here: without a bound the record would outgrow what can be read and sent. */
static enum lm_status keep_unknown(struct merge *m)
{
    struct lm_buf packed;
    enum lm_status status =
        LM_BREAK(UNKNOWN_DROPPED) ? LM_OK : merge_unknown(m->next, &m->set.unknown, m->arena);

    if (status == LM_OK && !m->creates) {
        status = merge_unknown_stamps(m->next, &m->set.unknown, own_stamp(m), m->arena);
    }
    if (status != LM_OK || m->set.unknown.kind != LM_MAP || m->set.unknown.len == 0) {
        return status;
    }
    lm_buf_init(&packed, LM_CHANGE_BYTES_MAX);
    lm_value_pack(&packed, &m->next->unknown);
    if ((m->next->unknown.kind == LM_MAP && m->next->unknown.len > LM_CHANGE_FIELDS_MAX) ||
        m->next->n_unknown_stamps > LM_CHANGE_FIELDS_MAX || packed.status == LM_ERR_LIMIT) {
        merge_hold(m, "catalogue", "内容来自较新的目录，等待中",
                   "It was made with a newer catalogue");
    } else {
        status = packed.status;
    }
    lm_buf_free(&packed);
    return status;
}

enum lm_status merge_step_values(struct merge *m)
{
    for (size_t g = 0; !m->creates && g < m->type->n_groups; g++) {
        enum lm_status status;

        if (!m->groups[g].touched || g == LM_GROUP_STATE || g == LM_GROUP_DELETED) {
            continue; /* merge_state.c */
        }
        status = merge_group_values(m, (int)g, &m->set, frozen_since(m, (int)g));
        if (status != LM_OK) {
            return status;
        }
    }
    return keep_unknown(m);
}
