/* See journal_model.h: what is known of changes, records and branches, and the way along the
 * journal. */
#include "tests/sim/journal_model_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is known ---- */

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

bool jm_wrong(struct journal_model *m, const char *promise, uint64_t pos, const char *fmt, ...)
{
    va_list args;

    (void)snprintf(m->fault->promise, sizeof m->fault->promise, "%s", promise);
    m->fault->pos = pos;
    va_start(args, fmt);
    (void)vsnprintf(m->fault->text, sizeof m->fault->text, fmt, args);
    va_end(args);
    return false;
}

struct known *jm_find(const struct journal_model *m, const char *record, uint64_t replica,
                      uint64_t hlc)
{
    struct known *k = m->known[bucket(replica, hlc)];

    while (k &&
           (k->replica != replica || k->hlc != hlc || (record && strcmp(record, k->record) != 0))) {
        k = k->next;
    }
    return k;
}

struct rec *jm_find_rec(const struct journal_model *m, const char *id)
{
    struct rec *r = m->recs[bucket_of(id)];

    while (r && strcmp(r->id, id) != 0) {
        r = r->next;
    }
    return r;
}

struct rec *jm_add_rec(struct journal_model *m, const struct entry *x)
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

void jm_note_village(struct rec *r, const char *village)
{
    if (strcmp(r->villages[0], village) != 0) {
        memmove(r->villages[1], r->villages[0], sizeof r->villages - sizeof r->villages[0]);
        (void)snprintf(r->villages[0], sizeof r->villages[0], "%s", village);
    }
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

void jm_add_wait(struct journal_model *m, uint64_t pos, const char *station, const char *reason)
{
    struct wait *w = calloc(1, sizeof *w);
    struct lm_error ignored;

    LM_CHECK(w != NULL);
    w->pos = pos;
    (void)snprintf(w->station, sizeof w->station, "%s", station);
    lm_reason_read(reason, &ignored, w->key);
    w->next = m->waits;
    m->waits = w;
}

size_t jm_lasting(const struct journal_model *m, const struct rec *r)
{
    const struct lm_type *type = lm_catalog_type(m->first, r->type->name);

    return type ? type->n_groups : 0;
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
    m->went_back_ms = 0;
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
    const struct known *k = jm_find(m, record, replica, hlc);

    return k ? k->verdict : 0;
}

bool journal_model_body(const struct journal_model *m, const char *record,
                        struct lm_version version, const uint8_t **body_out, size_t *n_out)
{
    const struct known *k = jm_find(m, record, version.replica, version.hlc);

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

/* ---- along the journal ---- */

static bool check_hlc(struct journal_model *m, const struct entry *x)
{
    const struct lm_change *c = &x->change;
    uint64_t highest = c->base_all.hlc;

    for (size_t i = 0; i < c->n_bases; i++) {
        highest = c->bases[i].version.hlc > highest ? c->bases[i].version.hlc : highest;
    }
    if (c->hlc <= highest) {
        return jm_wrong(m, "p9", x->e->pos, "HLC %" PRIu64 " does not exceed its base %" PRIu64,
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
        return jm_wrong(m, "p4", e->pos,
                        "branch %" PRIu64 "/%" PRIu64 " goes from %" PRIu64 " to %" PRIu64,
                        e->replica, e->branch, b->seq, e->seq);
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
                   : jm_wrong(m, "p4", e->pos, "a body that cannot be read had effect");
    }
    before = jm_find(m, e->record, e->replica, e->hlc);
    if (before && before->recovered && e->verdict != LM_V_DUPLICATE) {
        return jm_judge(m, hub, &x);
    }
    if (before) {
        bool same = before->n == e->body_len && memcmp(before->body, e->body, e->body_len) == 0;

        if (e->verdict == LM_V_DUPLICATE ? same : e->verdict == LM_V_REFUSED) {
            return true;
        }
        return jm_wrong(m, "p3", e->pos,
                        "change %" PRIu64 "/%" PRIu64 " is at %" PRIu64 " already, and here %s",
                        e->replica, e->hlc, before->pos, lm_verdict_name(e->verdict));
    }
    if (e->verdict == LM_V_DUPLICATE) {
        return jm_wrong(m, "p3", e->pos, "\"duplicate\" of a change that is not in the journal");
    }
    if (!check_hlc(m, &x)) {
        return false;
    }
    /* Its own bases must not find it, so it is noted after it was judged. */
    if (!jm_judge(m, hub, &x)) {
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

    if (!lm_later_read(e, &m->arena, &what, &pos, &user, &a, &b)) {
        return true;
    }
    if (what == LM_LATER_INCARNATION && strcmp(a, LM_INCARNATION_RIVAL) != 0) {
        m->went_back_ms = e->received_ms;
    }
    if (what != LM_LATER_REDRIVE && what != LM_LATER_RELEASE && what != LM_LATER_REFUSE) {
        return true;
    }
    if (lm_journal_at(hub, pos, &m->arena, &first) != LM_OK) {
        return jm_wrong(m, "p4", e->pos, "a later verdict on nothing (%" PRIu64 ")", pos);
    }
    x.self = jm_find(m, first.record, first.replica, first.hlc);
    if (!x.self || x.self->verdict != LM_V_HELD) {
        return jm_wrong(m, "p3", e->pos, "a later verdict on what was not held (%" PRIu64 ")", pos);
    }
    x.replica = first.replica;
    x.hlc = first.hlc;
    x.received_ms = first.received_ms;
    if (lm_change_read(first.body, first.body_len, &m->arena, &x.change, NULL) != LM_OK) {
        return true;
    }
    end_wait(m, pos);
    if (what == LM_LATER_REFUSE && e->verdict != LM_V_REFUSED) {
        return jm_wrong(m, "p4", e->pos, "a person refused it, and it is not (%" PRIu64 ")", pos);
    }
    if (what != LM_LATER_REFUSE && !jm_judge(m, hub, &x)) {
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
        return jm_wrong(m, "p2", e->pos, "journal position %" PRIu64 " follows %" PRIu64, e->pos,
                        m->pos);
    }
    lm_journal_mark(m->mark, e, mark);
    if (memcmp(mark, e->mark, sizeof mark) != 0) {
        return jm_wrong(m, "p2", e->pos, "the journal's chain is broken");
    }
    m->pos = e->pos;
    memcpy(m->mark, mark, sizeof mark);
    return e->kind == LM_J_CHANGE ? take_change(m, hub, e) : take_later(m, hub, e);
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
        return jm_wrong(m, "p2", m->pos, "the journal cannot be read");
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
        ok = !b->touched || jm_compare_branch(m, hub, b);
    }
    for (int i = 0; ok && any && i < BUCKETS; i++) {
        for (struct rec *r = m->recs[i]; ok && r; r = r->next) {
            ok = !r->touched || jm_compare_record(m, hub, r);
        }
    }
    return ok;
}

/* What waits itself is no base yet. */
static bool is_there(const struct journal_model *m, uint64_t replica, uint64_t hlc)
{
    const struct known *k = jm_find(m, NULL, replica, hlc);
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
        const struct rec *r = strncmp(w->key, "moved:", 6) == 0 ? jm_find_rec(m, w->key + 6) : NULL;
        uint64_t hlc, replica;

        if (r && strcmp(r->villages[0], w->station) == 0) {
            return jm_wrong(m, "p4", w->pos, "held for %s, which has come to %s", w->key,
                            w->station);
        }
        if (strncmp(w->key, "record:", 7) == 0 && jm_find_rec(m, w->key + 7)) {
            return jm_wrong(m, "p4", w->pos, "held for %s, which is there", w->key);
        }
        if (sscanf(w->key, "base:%" SCNu64 ":%" SCNu64, &hlc, &replica) == 2 &&
            is_there(m, replica, hlc)) {
            return jm_wrong(m, "p4", w->pos, "held for %s, which is there", w->key);
        }
    }
    return true;
}
