/* See journal_model.h: after a batch, the hub's tables against what was predicted; from then on the
 * model has what they say. */
#include "tests/sim/journal_model_internal.h"

#include <inttypes.h>
#include <string.h>

static bool open_return(struct lm_store *hub, const struct rec *r)
{
    static const char sql[] = "SELECT 1 FROM returns WHERE record = ?1 AND open = 1 AND verdict = "
                              "?2 AND station = ?3 LIMIT 1";
    sqlite3_stmt *stmt = NULL;
    bool found = false;

    if (sqlite3_prepare_v2(hub->sql, sql, -1, &stmt, NULL) == SQLITE_OK) {
        lm_bind_id(stmt, 1, r->id);
        (void)sqlite3_bind_int(stmt, 2, LM_V_INVALID);
        lm_bind_text(stmt, 3, r->last_station);
        found = sqlite3_step(stmt) == SQLITE_ROW;
    }
    (void)sqlite3_finalize(stmt);
    return found;
}

bool jm_compare_record(struct journal_model *m, struct lm_store *hub, struct rec *r)
{
    struct lm_record *master = NULL;

    lm_arena_reset(&m->arena);
    if (lm_store_get(hub, &m->arena, r->type->name, r->id, &master) != LM_OK) {
        return jm_wrong(m, "p6", m->pos, "%s %s is not in the master", r->type->name, r->id);
    }
    for (size_t g = 0; g < r->type->n_groups && g < master->type->n_groups; g++) {
        const struct lm_stamp *s = &master->stamps[g];

        if (!r->all_loose && !r->loose[g] && g < jm_lasting(m, r) &&
            (s->version.hlc != r->stamps[g].hlc || s->version.replica != r->stamps[g].replica) &&
            strcmp(r->type->groups[g].name, "registered_on") != 0) {
            return jm_wrong(m, "p6", m->pos,
                            "%s.%s of %s: the master has version %" PRIu64 "/%" PRIu64
                            ", the model %" PRIu64 "/%" PRIu64,
                            r->type->name, r->type->groups[g].name, r->id, s->version.hlc,
                            s->version.replica, r->stamps[g].hlc, r->stamps[g].replica);
        }
        r->stamps[g] = (struct stamp){s->version.hlc, s->version.replica, s->rank};
        r->loose[g] = false;
    }
    r->deleted = lm_record_deleted(master);
    jm_note_village(r, lm_record_text(master, LM_C_VILLAGE_CODE));
    r->touched = false;
    if (r->was_deleted && !r->deleted && !r->may_revive) {
        return jm_wrong(m, "p6", m->pos, "%s %s was deleted, and an edit brought it back",
                        r->type->name, r->id);
    }
    if (!master->invalid && r->last_verdict == LM_V_APPLIED && open_return(hub, r)) {
        return jm_wrong(m, "p4", m->pos, "%s %s was corrected, and is still sent back",
                        r->type->name, r->id);
    }
    return true;
}

bool jm_compare_branch(struct journal_model *m, struct lm_store *hub, struct branch *b)
{
    struct lm_branch_row row;

    b->touched = false;
    if (lm_branch_last(hub, b->replica, b->branch, &row, NULL) != LM_OK || row.last_seq != b->seq ||
        memcmp(row.after, b->hash, sizeof b->hash) != 0) {
        return jm_wrong(m, "p2", m->pos,
                        "branch %" PRIu64 "/%" PRIu64 " is not its journal at %" PRIu64, b->replica,
                        b->branch, b->seq);
    }
    return true;
}
