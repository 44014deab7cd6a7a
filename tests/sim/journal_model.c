/* See journal_model.h. */
#include "tests/sim/journal_model.h"

#include "hub/store/store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096, BASES_DEEP = 64, FORMER_MAX = 6 };

struct stamp {
    uint64_t hlc, replica, rank;
};
struct known { /* one change by identity */
    struct known *next;
    uint64_t replica, hlc, rank, pos;
    int verdict;
    bool recovered; /* made of what nodes gave back: its author's own bytes may still come */
    char record[40];
    uint8_t *body;
    size_t n;
};
struct rec {
    struct rec *next;
    char id[40];
    const struct lm_type *type;
    struct stamp *stamps; /* [type->n_groups] */
    bool *loose;          /* groups not predicted in this batch */
    bool deleted;
    char villages[FORMER_MAX][16]; /* where it is and was, the newest first */
    /* of this batch */
    bool touched, was_deleted, may_revive, all_loose;
    unsigned n_entries;
    int last_verdict;
    char last_station[16];
};
struct wait {
    struct wait *next;
    uint64_t pos;
    char key[96];
};
struct branch {
    struct branch *next;
    uint64_t replica, branch, seq, hlc;
    uint8_t hash[LM_HASH_BYTES];
    bool touched;
};
struct journal_model {
    const struct lm_catalog *first, *catalog; /* at the start, and the last one of this run */
    uint64_t pos;
    uint8_t mark[LM_HASH_BYTES];
    struct known *known[BUCKETS];
    struct rec *recs[BUCKETS];
    struct branch *branches;
    struct wait *waits;
    struct lm_arena arena, deep; /* one entry; a base's body */
    struct journal_fault *fault;
};

/* ---- small things ---- */

static unsigned bucket(uint64_t a, uint64_t b)
{
    uint64_t h = (a ^ (b * 0x9e3779b97f4a7c15ULL)) * 0xbf58476d1ce4e5b9ULL;

    return (unsigned)((h >> 40) % BUCKETS);
}

static unsigned bucket_of(const char *id)
{
    uint64_t h = 1469598103934665603ULL;

    for (; *id; id++) {
        h = (h ^ (uint8_t)*id) * 1099511628211ULL;
    }
    return (unsigned)((h >> 40) % BUCKETS);
}

static bool wrong(struct journal_model *m, const char *promise, uint64_t pos, const char *fmt, ...)
    LM_PRINTF(4, 5);
static bool wrong(struct journal_model *m, const char *promise, uint64_t pos, const char *fmt, ...)
{
    va_list args;

    (void)snprintf(m->fault->promise, sizeof m->fault->promise, "%s", promise);
    m->fault->pos = pos;
    va_start(args, fmt);
    (void)vsnprintf(m->fault->text, sizeof m->fault->text, fmt, args);
    va_end(args);
    return false;
}

/* record NULL: of any. (A PC that was set back may give out an HLC again, for another record.) */
static struct known *find(const struct journal_model *m, const char *record, uint64_t replica,
                          uint64_t hlc)
{
    struct known *k = m->known[bucket(replica, hlc)];

    while (k &&
           (k->replica != replica || k->hlc != hlc || (record && strcmp(record, k->record) != 0))) {
        k = k->next;
    }
    return k;
}

static struct rec *find_rec(const struct journal_model *m, const char *id)
{
    struct rec *r = m->recs[bucket_of(id)];

    while (r && strcmp(r->id, id) != 0) {
        r = r->next;
    }
    return r;
}

static void clear(struct journal_model *m)
{
    for (int i = 0; i < BUCKETS; i++) {
        while (m->known[i]) {
            struct known *k = m->known[i];
            m->known[i] = k->next;
            free(k->body);
            free(k);
        }
        while (m->recs[i]) {
            struct rec *r = m->recs[i];
            m->recs[i] = r->next;
            free(r->stamps);
            free(r->loose);
            free(r);
        }
    }
    while (m->branches) {
        struct branch *b = m->branches;
        m->branches = b->next;
        free(b);
    }
    while (m->waits) {
        struct wait *w = m->waits;
        m->waits = w->next;
        free(w);
    }
    m->pos = 0;
    memset(m->mark, 0, sizeof m->mark);
}

struct journal_model *journal_model_new(const struct lm_catalog *first,
                                        const struct lm_catalog *newest)
{
    struct journal_model *m = calloc(1, sizeof *m);

    if (m) {
        m->first = first;
        m->catalog = newest;
        lm_arena_init(&m->arena, 64 * 1024 * 1024);
        lm_arena_init(&m->deep, 16 * 1024 * 1024);
    }
    return m;
}

void journal_model_destroy(struct journal_model **model)
{
    if (*model) {
        clear(*model);
        lm_arena_free(&(*model)->arena);
        lm_arena_free(&(*model)->deep);
        free(*model);
        *model = NULL;
    }
}

int journal_model_verdict(const struct journal_model *m, const char *record, uint64_t replica,
                          uint64_t hlc)
{
    const struct known *k = find(m, record, replica, hlc);

    return k ? k->verdict : 0;
}

bool journal_model_body(const struct journal_model *m, const char *record,
                        struct lm_version version, const uint8_t **body_out, size_t *n_out)
{
    const struct known *k = find(m, record, version.replica, version.hlc);

    *body_out = k ? k->body : NULL;
    *n_out = k ? k->n : 0;
    return k != NULL;
}

void journal_model_records(const struct journal_model *m,
                           bool (*visit)(void *arg, const struct journal_record *record), void *arg)
{
    bool more = true;

    for (int i = 0; more && i < BUCKETS; i++) {
        for (const struct rec *r = m->recs[i]; more && r; r = r->next) {
            struct journal_record out = {.id = r->id, .type = r->type};

            for (size_t g = 0; g < r->type->n_groups; g++) {
                out.stands[g] = (struct lm_version){r->stamps[g].hlc, r->stamps[g].replica};
            }
            more = visit(arg, &out);
        }
    }
}

/* ---- one entry ---- */

struct entry {
    const struct lm_jentry *e;
    struct lm_change change;
    struct known *self; /* the change that it is about */
    uint64_t replica, hlc;
    int64_t received_ms; /* of the change itself */
    bool later;
};

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
        k = find(m, r->id, base.replica, base.hlc);
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

/* Groups that the first catalogue has. What becomes of a later one's depends on which was in force
 * when: the master is believed (ledger.c holds its values against what was said). */
static size_t lasting(const struct journal_model *m, const struct rec *r)
{
    const struct lm_type *type = lm_catalog_type(m->first, r->type->name);

    return type ? type->n_groups : 0;
}

static bool check_rank(struct journal_model *m, const struct entry *x, const struct rec *r)
{
    uint64_t received = lm_hlc_of_ms(x->received_ms);
    uint64_t least = x->hlc < received ? x->hlc : received, highest = 0;
    bool touched[LM_GROUPS_PER_TYPE_MAX];

    if (r) {
        touches(x, r->type, touched);
        for (size_t g = 0; g < lasting(m, r); g++) {
            uint64_t rank;

            if (r->loose[g] || (!touched[g] && g != LM_GROUP_STATE && g != LM_GROUP_DELETED)) {
                continue;
            }
            (void)resolve(m, x, r, r->type->groups[g].name, (int)g, &rank);
            highest = rank > highest ? rank : highest;
        }
    }
    if (x->e->rank < least || x->e->rank <= highest) {
        return wrong(m, "p6", x->e->pos,
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
    const struct known *k = find(m, r->id, r->stamps[g].replica, r->stamps[g].hlc);
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
    const struct known *a = find(m, r->id, base->replica, base->hlc);
    const struct known *b = find(m, r->id, now->replica, now->hlc);
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
            return wrong(m, "p6", x->e->pos,
                         "%s.%s of %s was edited by two who had not seen each other, and not both "
                         "values are siblings",
                         r->type->name, name, r->id);
        }
        if (x->e->verdict == LM_V_APPLIED) {
            return wrong(m, "p6", x->e->pos, "%s.%s of %s: concurrent, yet \"applied\"",
                         r->type->name, name, r->id);
        }
    } else if (r->n_entries == 1 && !x->later &&
               siblings_with(hub, r->id, name, own.hlc, own.replica) > 0) {
        return wrong(m, "p6", x->e->pos, "%s.%s of %s: equal values are a conflict", r->type->name,
                     name, r->id);
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

    if (lasting(m, r) < r->type->n_groups) {
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
        return wrong(m, "p6", x->e->pos, "%s %s was deleted by one who had not seen all of it",
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
        if (touched[g] && (r->loose[g] || g >= lasting(m, r))) {
            continue;
        }
        if (touched[g] && !edit_group(m, hub, x, r, (int)g)) {
            return false;
        }
    }
    r->loose[LM_GROUP_STATE] = r->loose[LM_GROUP_ORIGIN] = r->loose[LM_GROUP_DELETED] = true;
    return true;
}

static struct rec *add_rec(struct journal_model *m, const struct entry *x)
{
    const struct lm_type *type = lm_catalog_type(m->catalog, x->e->type);
    struct rec *r = type ? calloc(1, sizeof *r) : NULL;
    unsigned b = bucket_of(x->e->record);

    if (!r) {
        return NULL;
    }
    r->type = type;
    r->stamps = calloc(type->n_groups, sizeof *r->stamps);
    r->loose = calloc(type->n_groups, sizeof *r->loose);
    LM_CHECK(r->stamps && r->loose);
    (void)snprintf(r->id, sizeof r->id, "%s", x->e->record);
    for (size_t g = 0; g < type->n_groups; g++) {
        r->stamps[g] = (struct stamp){x->hlc, x->replica, x->e->rank};
    }
    r->next = m->recs[b];
    m->recs[b] = r;
    return r;
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

static void note_village(struct rec *r, const char *village)
{
    if (strcmp(r->villages[0], village) != 0) {
        memmove(r->villages[1], r->villages[0], sizeof r->villages - sizeof r->villages[0]);
        (void)snprintf(r->villages[0], sizeof r->villages[0], "%s", village);
    }
}

static bool apply(struct journal_model *m, struct lm_store *hub, const struct entry *x)
{
    struct rec *r = find_rec(m, x->e->record);
    bool fresh = r == NULL;
    const struct lm_value *village;

    if (fresh && x->change.op != LM_OP_CREATE) {
        return wrong(m, "p4", x->e->pos, "%s %s was changed before it was there", x->e->type,
                     x->e->record);
    }
    if (!check_rank(m, x, fresh ? NULL : r)) {
        return false;
    }
    if (fresh) {
        r = add_rec(m, x);
        if (!r) {
            return true; /* of a type that this catalogue lacks */
        }
    } else if (x->e->by == LM_BY_VILLAGE && !writes_here(r, x->e->station)) {
        return wrong(m, "p11", x->e->pos, "%s wrote %s %s of %s", x->e->station, x->e->type,
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
        note_village(r, code); /* now: the whole journal may be one batch */
    } else if (fresh) {
        note_village(r, x->e->station);
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
    static const char *const codes[] = {"record", "base", "reference", "catalogue", "confirm"};

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (strcmp(code, codes[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void end_wait(struct journal_model *m, uint64_t pos)
{
    for (struct wait **w = &m->waits; *w; w = &(*w)->next) {
        if ((*w)->pos == pos) {
            struct wait *gone = *w;
            *w = gone->next;
            free(gone);
            return;
        }
    }
}

static void add_wait(struct journal_model *m, uint64_t pos, const char *reason)
{
    struct wait *w = calloc(1, sizeof *w);
    struct lm_error ignored;

    LM_CHECK(w != NULL);
    w->pos = pos;
    lm_reason_read(reason, &ignored, w->key);
    w->next = m->waits;
    m->waits = w;
}

static bool judge(struct journal_model *m, struct lm_store *hub, const struct entry *x)
{
    const struct lm_jentry *e = x->e;

    if (e->verdict == LM_V_REFUSED && is_waiting_code(e->code)) {
        return wrong(m, "p4", e->pos, "a change that only waits (%s) was refused", e->code);
    }
    if (e->verdict == LM_V_REFUSED &&
        (strcmp(e->code, "hlc_order") == 0 || strcmp(e->code, "base_order") == 0)) {
        return wrong(m, "p9", e->pos, "a change of replica %" PRIu64 " was refused: %s", e->replica,
                     e->code);
    }
    if (e->verdict == LM_V_HELD) {
        add_wait(m, x->self ? x->self->pos : e->pos, e->reason);
    }
    if (e->verdict == LM_V_APPLIED || e->verdict == LM_V_CONCURRENT || e->verdict == LM_V_INVALID) {
        return apply(m, hub, x);
    }
    return true;
}

static bool check_hlc(struct journal_model *m, const struct entry *x)
{
    const struct lm_change *c = &x->change;
    uint64_t highest = c->base_all.hlc;

    for (size_t i = 0; i < c->n_bases; i++) {
        highest = c->bases[i].version.hlc > highest ? c->bases[i].version.hlc : highest;
    }
    if (c->hlc <= highest) {
        return wrong(m, "p9", x->e->pos, "HLC %" PRIu64 " does not exceed its base %" PRIu64,
                     c->hlc, highest);
    }
    return true;
}

static bool check_branch(struct journal_model *m, const struct lm_jentry *e)
{
    struct branch *b = m->branches;

    while (b && (b->replica != e->replica || b->branch != e->branch)) {
        b = b->next;
    }
    if (!b) {
        b = calloc(1, sizeof *b);
        LM_CHECK(b != NULL);
        b->replica = e->replica;
        b->branch = e->branch;
        lm_chain_start(e->replica, e->branch, b->hash);
        b->next = m->branches;
        m->branches = b;
    }
    if (e->seq != b->seq + 1) {
        return wrong(m, "p4", e->pos,
                     "branch %" PRIu64 "/%" PRIu64 " goes from %" PRIu64 " to %" PRIu64, e->replica,
                     e->branch, b->seq, e->seq);
    }
    b->seq = e->seq;
    lm_chain_next(b->hash, e->body, e->body_len, b->hash);
    b->touched = true;
    return true;
}

static struct known *add_known(struct journal_model *m, const struct lm_jentry *e)
{
    struct known *k = calloc(1, sizeof *k);
    unsigned b = bucket(e->replica, e->hlc);

    LM_CHECK(k != NULL);
    k->body = malloc(e->body_len + 1);
    LM_CHECK(k->body != NULL);
    memcpy(k->body, e->body, e->body_len);
    k->n = e->body_len;
    k->replica = e->replica;
    k->hlc = e->hlc;
    k->rank = e->rank;
    k->pos = e->pos;
    k->verdict = (int)e->verdict;
    k->recovered = (e->by & LM_BY_RECOVERED) != 0;
    (void)snprintf(k->record, sizeof k->record, "%s", e->record);
    k->next = m->known[b];
    m->known[b] = k;
    return k;
}

static bool take_change(struct journal_model *m, struct lm_store *hub, const struct lm_jentry *e)
{
    struct entry x = {.e = e, .replica = e->replica, .hlc = e->hlc, .received_ms = e->received_ms};
    struct known *before;

    if (!check_branch(m, e)) {
        return false;
    }
    if (lm_change_read(e->body, e->body_len, &m->arena, &x.change, NULL) != LM_OK) {
        return e->verdict == LM_V_REFUSED || e->verdict == LM_V_HELD
                   ? true
                   : wrong(m, "p4", e->pos, "a body that cannot be read had effect");
    }
    before = find(m, e->record, e->replica, e->hlc);
    if (before && before->recovered && e->verdict != LM_V_DUPLICATE) {
        return judge(m, hub, &x);
    }
    if (before) {
        bool same = before->n == e->body_len && memcmp(before->body, e->body, e->body_len) == 0;

        if (e->verdict == LM_V_DUPLICATE ? same : e->verdict == LM_V_REFUSED) {
            return true;
        }
        return wrong(m, "p3", e->pos,
                     "change %" PRIu64 "/%" PRIu64 " is at %" PRIu64 " already, and here %s",
                     e->replica, e->hlc, before->pos, lm_verdict_name(e->verdict));
    }
    if (e->verdict == LM_V_DUPLICATE) {
        return wrong(m, "p3", e->pos, "\"duplicate\" of a change that is not in the journal");
    }
    if (!check_hlc(m, &x)) {
        return false;
    }
    /* Its own bases must not find it, so it is noted after it was judged. */
    if (!judge(m, hub, &x)) {
        return false;
    }
    (void)add_known(m, e);
    return true;
}

static bool take_later(struct journal_model *m, struct lm_store *hub, const struct lm_jentry *e)
{
    struct entry x = {.e = e, .later = true};
    struct lm_jentry first;
    enum lm_later what;
    uint64_t pos = 0;
    const char *user, *a, *b;

    if (!lm_later_read(e, &m->arena, &what, &pos, &user, &a, &b) ||
        (what != LM_LATER_REDRIVE && what != LM_LATER_RELEASE && what != LM_LATER_REFUSE)) {
        return true;
    }
    if (lm_journal_at(hub, pos, &m->arena, &first) != LM_OK) {
        return wrong(m, "p4", e->pos, "a later verdict on nothing (%" PRIu64 ")", pos);
    }
    x.self = find(m, first.record, first.replica, first.hlc);
    if (!x.self || x.self->verdict != LM_V_HELD) {
        return wrong(m, "p3", e->pos, "a later verdict on what was not held (%" PRIu64 ")", pos);
    }
    x.replica = first.replica;
    x.hlc = first.hlc;
    x.received_ms = first.received_ms;
    if (lm_change_read(first.body, first.body_len, &m->arena, &x.change, NULL) != LM_OK) {
        return true;
    }
    end_wait(m, pos);
    if (what == LM_LATER_REFUSE && e->verdict != LM_V_REFUSED) {
        return wrong(m, "p4", e->pos, "a person refused it, and it is not (%" PRIu64 ")", pos);
    }
    if (what != LM_LATER_REFUSE && !judge(m, hub, &x)) {
        return false;
    }
    x.self->verdict = (int)e->verdict;
    x.self->rank = e->rank;
    return true;
}

static bool take_entry(struct journal_model *m, struct lm_store *hub, const struct lm_jentry *e)
{
    uint8_t mark[LM_HASH_BYTES];

    if (e->pos != m->pos + 1) {
        return wrong(m, "p2", e->pos, "journal position %" PRIu64 " follows %" PRIu64, e->pos,
                     m->pos);
    }
    lm_journal_mark(m->mark, e, mark);
    if (memcmp(mark, e->mark, sizeof mark) != 0) {
        return wrong(m, "p2", e->pos, "the journal's chain is broken");
    }
    m->pos = e->pos;
    memcpy(m->mark, mark, sizeof mark);
    return e->kind == LM_J_CHANGE ? take_change(m, hub, e) : take_later(m, hub, e);
}

/* ---- after a batch ---- */

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

static bool compare(struct journal_model *m, struct lm_store *hub, struct rec *r)
{
    struct lm_record *master = NULL;

    lm_arena_reset(&m->arena);
    if (lm_store_get(hub, &m->arena, r->type->name, r->id, &master) != LM_OK) {
        return wrong(m, "p6", m->pos, "%s %s is not in the master", r->type->name, r->id);
    }
    for (size_t g = 0; g < r->type->n_groups && g < master->type->n_groups; g++) {
        const struct lm_stamp *s = &master->stamps[g];

        if (!r->all_loose && !r->loose[g] && g < lasting(m, r) &&
            (s->version.hlc != r->stamps[g].hlc || s->version.replica != r->stamps[g].replica) &&
            strcmp(r->type->groups[g].name, "registered_on") != 0) {
            return wrong(m, "p6", m->pos,
                         "%s.%s of %s: the master has version %" PRIu64 "/%" PRIu64
                         ", the model %" PRIu64 "/%" PRIu64,
                         r->type->name, r->type->groups[g].name, r->id, s->version.hlc,
                         s->version.replica, r->stamps[g].hlc, r->stamps[g].replica);
        }
        r->stamps[g] = (struct stamp){s->version.hlc, s->version.replica, s->rank};
        r->loose[g] = false;
    }
    r->deleted = lm_record_deleted(master);
    note_village(r, lm_record_text(master, LM_C_VILLAGE_CODE));
    r->touched = false;
    if (r->was_deleted && !r->deleted && !r->may_revive) {
        return wrong(m, "p6", m->pos, "%s %s was deleted, and an edit brought it back",
                     r->type->name, r->id);
    }
    if (!master->invalid && r->last_verdict == LM_V_APPLIED && open_return(hub, r)) {
        return wrong(m, "p4", m->pos, "%s %s was corrected, and is still sent back", r->type->name,
                     r->id);
    }
    return true;
}

static bool compare_branch(struct journal_model *m, struct lm_store *hub, struct branch *b)
{
    struct lm_branch_row row;

    b->touched = false;
    if (lm_branch_last(hub, b->replica, b->branch, &row, NULL) != LM_OK || row.last_seq != b->seq ||
        memcmp(row.after, b->hash, sizeof b->hash) != 0) {
        return wrong(m, "p2", m->pos,
                     "branch %" PRIu64 "/%" PRIu64 " is not its journal at %" PRIu64, b->replica,
                     b->branch, b->seq);
    }
    return true;
}

static bool same_history(struct journal_model *m, struct lm_store *hub)
{
    struct lm_jentry e;

    if (m->pos == 0) {
        return true;
    }
    lm_arena_reset(&m->arena);
    return lm_journal_at(hub, m->pos, &m->arena, &e) == LM_OK &&
           memcmp(e.mark, m->mark, sizeof m->mark) == 0;
}

bool journal_model_follow(struct journal_model *m, struct lm_store *hub,
                          struct journal_fault *fault)
{
    struct sqlite3_stmt *stmt = NULL;
    bool ok = true, any = false;

    m->fault = fault;
    if (!same_history(m, hub)) {
        clear(m);
    }
    /* A statement of its own: what is looked up meanwhile uses the store's. */
    if (sqlite3_prepare_v2(hub->sql, lm_query_sql[LM_Q_JOURNAL_RANGE], -1, &stmt, NULL) !=
        SQLITE_OK) {
        return wrong(m, "p2", m->pos, "the journal cannot be read");
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)m->pos);
    while (ok && sqlite3_step(stmt) == SQLITE_ROW) {
        struct lm_jentry e;

        lm_arena_reset(&m->arena);
        any = true;
        ok = lm_journal_row(stmt, &m->arena, &e) == LM_OK && take_entry(m, hub, &e);
    }
    (void)sqlite3_finalize(stmt);
    for (struct branch *b = m->branches; ok && any && b; b = b->next) {
        ok = !b->touched || compare_branch(m, hub, b);
    }
    for (int i = 0; ok && any && i < BUCKETS; i++) {
        for (struct rec *r = m->recs[i]; ok && r; r = r->next) {
            ok = !r->touched || compare(m, hub, r);
        }
    }
    return ok;
}

/* What waits itself is no base yet. */
static bool is_there(const struct journal_model *m, uint64_t replica, uint64_t hlc)
{
    const struct known *k = find(m, NULL, replica, hlc);
    const struct wait *w = m->waits;

    while (k && w && w->pos != k->pos) {
        w = w->next;
    }
    return k && !w;
}

bool journal_model_quiet(struct journal_model *m, struct journal_fault *fault)
{
    m->fault = fault;
    for (const struct wait *w = m->waits; w; w = w->next) {
        uint64_t hlc, replica;

        if (strncmp(w->key, "record:", 7) == 0 && find_rec(m, w->key + 7)) {
            return wrong(m, "p4", w->pos, "held for %s, which is there", w->key);
        }
        if (sscanf(w->key, "base:%" SCNu64 ":%" SCNu64, &hlc, &replica) == 2 &&
            is_there(m, replica, hlc)) {
            return wrong(m, "p4", w->pos, "held for %s, which is there", w->key);
        }
    }
    return true;
}
