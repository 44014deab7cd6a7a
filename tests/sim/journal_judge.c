/* See journal_model.h: what one change must have done. It predicts which change stands in each
 * group of fields, and marks as loose the groups of which that cannot be said. */
#include "tests/sim/journal_model_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BASES_DEEP = 64 };

static bool without_effect(const struct known *k)
{
    return k->verdict == LM_V_REFUSED || k->verdict == LM_V_HELD || k->verdict == LM_V_DUPLICATE;
}

/* Follows a base through the author's own changes without effect. *rank_out: of what was seen. */
static struct stamp resolve(struct journal_model *m, const struct entry *x, const struct rec *r,
                            const char *group, int g, uint64_t *rank_out)
{
    struct lm_version base = lm_change_base(&x->change, group);

    *rank_out = 0;
    for (int i = 0; i < BASES_DEEP && base.hlc != 0; i++) {
        struct known *k;
        struct lm_change change;

        if (base.hlc == r->stamps[g].hlc && base.replica == r->stamps[g].replica) {
            *rank_out = r->stamps[g].rank;
            break;
        }
        k = jm_find(m, r->id, base.replica, base.hlc);
        if (!k) {
            break;
        }
        if (base.replica != x->replica || !without_effect(k)) {
            *rank_out = k->rank;
            break;
        }
        lm_arena_reset(&m->deep);
        if (lm_change_read(k->body, k->n, &m->deep, &change, NULL) != LM_OK) {
            break;
        }
        base = lm_change_base(&change, group);
    }
    return (struct stamp){.hlc = base.hlc, .replica = base.replica};
}

static void touches(const struct entry *x, const struct lm_type *type, bool *out)
{
    const struct lm_value *fields = &x->change.fields;

    memset(out, 0, type->n_groups * sizeof *out);
    for (uint32_t i = 0; fields->kind == LM_MAP && i < fields->len; i++) {
        const struct lm_field *f =
            lm_type_fieldn(type, fields->pairs[i].key, fields->pairs[i].key_len);
        if (f) {
            out[f->group] = true;
        }
    }
    if (x->change.op == LM_OP_DELETE || x->change.op == LM_OP_UNDELETE) {
        out[LM_GROUP_DELETED] = true;
    }
}

static bool check_rank(struct journal_model *m, const struct entry *x, const struct rec *r)
{
    uint64_t received = lm_hlc_of_ms(x->received_ms);
    uint64_t least = x->hlc < received ? x->hlc : received, highest = 0;
    bool touched[LM_GROUPS_PER_TYPE_MAX];

    if (r) {
        touches(x, r->type, touched);
        for (size_t g = 0; g < jm_lasting(m, r); g++) {
            uint64_t rank;

            if (r->loose[g] || (!touched[g] && g != LM_GROUP_STATE && g != LM_GROUP_DELETED)) {
                continue;
            }
            (void)resolve(m, x, r, r->type->groups[g].name, (int)g, &rank);
            highest = rank > highest ? rank : highest;
        }
    }
    if (x->e->rank < least || x->e->rank <= highest) {
        return jm_wrong(m, "p6", x->e->pos,
                        "rank %" PRIu64 " of %s is not above %" PRIu64 " (bases %" PRIu64 ")",
                        x->e->rank, x->e->record, least, highest);
    }
    return true;
}

static const struct lm_value *member_of(const struct lm_value *map, const char *name)
{
    size_t n = strlen(name);

    for (uint32_t i = 0; map->kind == LM_MAP && i < map->len; i++) {
        if (map->pairs[i].key_len == n && memcmp(map->pairs[i].key, name, n) == 0) {
            return &map->pairs[i].value;
        }
    }
    return NULL;
}

/* Whether the change sets the group's fields to what the change of the standing stamp set them to.
 * -1: cannot be told from that one change. */
static int same_values(struct journal_model *m, const struct entry *x, const struct rec *r, int g)
{
    const struct known *k = jm_find(m, r->id, r->stamps[g].replica, r->stamps[g].hlc);
    struct lm_change other;
    int same = 1;

    lm_arena_reset(&m->deep);
    if (!k || lm_change_read(k->body, k->n, &m->deep, &other, NULL) != LM_OK) {
        return -1;
    }
    for (size_t f = 0; f < r->type->n_fields; f++) {
        const struct lm_field *field = &r->type->fields[f];
        const struct lm_value *mine, *theirs;

        if (field->group != g) {
            continue;
        }
        mine = member_of(&x->change.fields, field->name);
        theirs = member_of(&other.fields, field->name);
        if (!mine) {
            continue;
        }
        if (!theirs && other.op != LM_OP_CREATE) {
            return -1;
        }
        if (field->fill != LM_FILL_USER) {
            return -1;
        }
        if (!theirs ? !lm_value_is_null(mine) : !lm_value_equal(mine, theirs)) {
            same = theirs || lm_value_is_null(&field->preset) ? 0 : -1;
            if (same < 0) {
                return -1;
            }
        }
    }
    return same;
}

static int siblings_with(struct lm_store *hub, const char *record, const char *group, uint64_t hlc,
                         uint64_t replica)
{
    static const char sql[] =
        "SELECT count(*) FROM conflicts c JOIN siblings s ON s.pos = c.pos AND s.grp = c.grp"
        " WHERE c.record = ?1 AND c.grp = ?2 AND s.hlc = ?3 AND s.replica = ?4";
    sqlite3_stmt *stmt = NULL;
    int n = -1;

    if (sqlite3_prepare_v2(hub->sql, sql, -1, &stmt, NULL) == SQLITE_OK) {
        lm_bind_id(stmt, 1, record);
        lm_bind_text(stmt, 2, group);
        (void)sqlite3_bind_int64(stmt, 3, (int64_t)hlc);
        (void)sqlite3_bind_int64(stmt, 4, (int64_t)replica);
        n = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int(stmt, 0) : -1;
    }
    (void)sqlite3_finalize(stmt);
    return n;
}

static bool outranks(const struct stamp *a, const struct stamp *b)
{
    if (a->rank != b->rank) {
        return a->rank > b->rank;
    }
    return a->hlc != b->hlc ? a->hlc > b->hlc : a->replica > b->replica;
}

/* Whether base is the change that stands, under the other number of a PC that was copied and
 * enrolled anew: it sends once more what the first has sent. */
static bool same_save(struct journal_model *m, const struct rec *r, const struct entry *x,
                      const struct stamp *base, const struct stamp *now)
{
    const struct known *a = jm_find(m, r->id, base->replica, base->hlc);
    const struct known *b = jm_find(m, r->id, now->replica, now->hlc);
    struct lm_change one, other;

    lm_arena_reset(&m->deep);
    return base->hlc == now->hlc && base->replica == x->replica && a && b &&
           lm_change_read(a->body, a->n, &m->deep, &one, NULL) == LM_OK &&
           lm_change_read(b->body, b->n, &m->deep, &other, NULL) == LM_OK && one.op == other.op &&
           lm_value_equal(&one.fields, &other.fields);
}

static bool edit_group(struct journal_model *m, struct lm_store *hub, const struct entry *x,
                       struct rec *r, int g)
{
    const char *name = r->type->groups[g].name;
    struct stamp own = {.hlc = x->hlc, .replica = x->replica, .rank = x->e->rank};
    struct stamp *now = &r->stamps[g];
    uint64_t rank;
    struct stamp base = resolve(m, x, r, name, g, &rank);
    int same;

    if ((base.hlc == now->hlc && base.replica == now->replica) || same_save(m, r, x, &base, now)) {
        *now = own;
        return true;
    }
    same = same_values(m, x, r, g);
    if (same < 0) {
        r->loose[g] = true;
        return true;
    }
    if (same == 0) {
        if (siblings_with(hub, r->id, name, now->hlc, now->replica) == 0 ||
            siblings_with(hub, r->id, name, own.hlc, own.replica) == 0) {
            return jm_wrong(
                m, "p6", x->e->pos,
                "%s.%s of %s was edited by two who had not seen each other, and not both "
                "values are siblings",
                r->type->name, name, r->id);
        }
        if (x->e->verdict == LM_V_APPLIED) {
            return jm_wrong(m, "p6", x->e->pos, "%s.%s of %s: concurrent, yet \"applied\"",
                            r->type->name, name, r->id);
        }
    } else if (r->n_entries == 1 && !x->later &&
               siblings_with(hub, r->id, name, own.hlc, own.replica) > 0) {
        return jm_wrong(m, "p6", x->e->pos, "%s.%s of %s: equal values are a conflict",
                        r->type->name, name, r->id);
    }
    if (x->e->by == LM_BY_VILLAGE && !r->loose[LM_GROUP_STATE]) {
        struct stamp state = resolve(m, x, r, "state", LM_GROUP_STATE, &rank);
        if (state.hlc != r->stamps[LM_GROUP_STATE].hlc) {
            r->loose[g] = true; /* may be frozen in a state that its author had not seen */
        }
    } else if (x->e->by == LM_BY_VILLAGE) {
        r->loose[g] = true;
    }
    if (outranks(&own, now)) {
        *now = own;
    }
    return true;
}

static bool check_deletion(struct journal_model *m, const struct entry *x, struct rec *r)
{
    struct lm_record shown = {.type = r->type};
    struct lm_stamp stamps[LM_GROUPS_PER_TYPE_MAX];

    if (jm_lasting(m, r) < r->type->n_groups) {
        return true; /* what its author saw depends on the catalogue there */
    }
    for (size_t g = 0; g < r->type->n_groups; g++) {
        if (r->loose[g]) {
            return true;
        }
        stamps[g] = (struct lm_stamp){
            .version = {.hlc = r->stamps[g].hlc, .replica = r->stamps[g].replica}};
    }
    shown.stamps = stamps;
    if (x->e->verdict == LM_V_APPLIED && x->change.has_seen && !r->deleted &&
        x->change.seen != lm_record_seen(&shown)) {
        return jm_wrong(m, "p6", x->e->pos, "%s %s was deleted by one who had not seen all of it",
                        r->type->name, r->id);
    }
    return true;
}

static bool take_effect(struct journal_model *m, struct lm_store *hub, const struct entry *x,
                        struct rec *r)
{
    bool touched[LM_GROUPS_PER_TYPE_MAX];

    touches(x, r->type, touched);
    if (x->change.op == LM_OP_DELETE && !check_deletion(m, x, r)) {
        return false;
    }
    for (size_t g = 0; g < r->type->n_groups; g++) {
        if (g == LM_GROUP_STATE || g == LM_GROUP_DELETED || g == LM_GROUP_ORIGIN) {
            continue;
        }
        if (touched[g] && (r->loose[g] || g >= jm_lasting(m, r))) {
            continue;
        }
        if (touched[g] && !edit_group(m, hub, x, r, (int)g)) {
            return false;
        }
    }
    r->loose[LM_GROUP_STATE] = r->loose[LM_GROUP_ORIGIN] = r->loose[LM_GROUP_DELETED] = true;
    return true;
}

static bool writes_here(const struct rec *r, const char *station)
{
    for (int i = 0; i < FORMER_MAX; i++) {
        if (strcmp(r->villages[i], station) == 0) {
            return true;
        }
    }
    return r->villages[0][0] == '\0';
}

static bool apply(struct journal_model *m, struct lm_store *hub, const struct entry *x)
{
    struct rec *r = jm_find_rec(m, x->e->record);
    bool fresh = r == NULL;
    const struct lm_value *village;

    if (fresh && x->change.op != LM_OP_CREATE) {
        return jm_wrong(m, "p4", x->e->pos, "%s %s was changed before it was there", x->e->type,
                        x->e->record);
    }
    if (!check_rank(m, x, fresh ? NULL : r)) {
        return false;
    }
    if (fresh) {
        r = jm_add_rec(m, x);
        if (!r) {
            return true; /* of a type that this catalogue lacks */
        }
    } else if (x->e->by == LM_BY_VILLAGE && !writes_here(r, x->e->station)) {
        return jm_wrong(m, "p11", x->e->pos, "%s wrote %s %s of %s", x->e->station, x->e->type,
                        x->e->record, r->villages[0]);
    }
    if (!r->touched) {
        r->touched = true;
        r->was_deleted = r->deleted;
        r->may_revive = false;
        r->n_entries = 0;
        r->all_loose = fresh;
    }
    village = member_of(&x->change.fields, "village_code");
    if (village && village->kind == LM_TEXT && village->len < sizeof r->villages[0]) {
        char code[sizeof r->villages[0]];

        (void)snprintf(code, sizeof code, "%.*s", (int)village->len, village->text);
        jm_note_village(r, code); /* now: the whole journal may be one batch */
    } else if (fresh) {
        jm_note_village(r, x->e->station);
    }
    r->n_entries++;
    r->last_verdict = x->e->verdict;
    (void)snprintf(r->last_station, sizeof r->last_station, "%s", x->e->station);
    r->may_revive = r->may_revive || x->change.op == LM_OP_UNDELETE || x->e->replica == 0;
    if (fresh) {
        return true;
    }
    if (x->change.op == LM_OP_CREATE || x->e->by & LM_BY_RECOVERED) {
        for (size_t g = 0; g < r->type->n_groups; g++) {
            r->loose[g] = true;
        }
        return true;
    }
    return take_effect(m, hub, x, r);
}

static bool is_waiting_code(const char *code)
{
    static const char *const codes[] = {"record",    "base",    "reference",
                                        "catalogue", "confirm", "moved"};

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (strcmp(code, codes[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool jm_judge(struct journal_model *m, struct lm_store *hub, const struct entry *x)
{
    const struct lm_jentry *e = x->e;

    if (e->verdict == LM_V_REFUSED && is_waiting_code(e->code)) {
        return jm_wrong(m, "p4", e->pos, "a change that only waits (%s) was refused", e->code);
    }
    if (e->verdict == LM_V_REFUSED &&
        (strcmp(e->code, "hlc_order") == 0 || strcmp(e->code, "base_order") == 0)) {
        return jm_wrong(m, "p9", e->pos, "a change of replica %" PRIu64 " was refused: %s",
                        e->replica, e->code);
    }
    if (e->verdict == LM_V_HELD && strcmp(e->code, "moved") == 0 && m->went_back_ms == 0) {
        return jm_wrong(m, "p4", e->pos, "it waits for a move that no history of this hub had");
    }
    if (e->verdict == LM_V_REFUSED && strcmp(e->code, "not_your_record") == 0 &&
        m->went_back_ms != 0 && x->change.op != LM_OP_CREATE &&
        x->received_ms - m->went_back_ms <= LM_MOVED_DAYS * 86400000LL) {
        return jm_wrong(m, "p7", e->pos,
                        "%s wrote %s, and may have had it before the hub went back", e->station,
                        e->record);
    }
    if (e->verdict == LM_V_HELD) {
        jm_add_wait(m, x->self ? x->self->pos : e->pos, e->station, e->reason);
    }
    if (e->verdict == LM_V_APPLIED || e->verdict == LM_V_CONCURRENT || e->verdict == LM_V_INVALID) {
        return apply(m, hub, x);
    }
    return true;
}
