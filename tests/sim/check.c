/* What must hold. Safety after every step: no PC believes more acked than the hub has on disk, the
 * hub claims no completeness that it cannot know. At the end, when faults have stopped and all has
 * come to rest: nothing waits, every save that was answered is in the journal, every PC's scope is
 * the hub's, counts are those of a count made independently, and the journal gives the same master
 * again. What the hub made of each change is judged by journal_model.c. */
#include "hub/store/store_internal.h"
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <string.h>

#define ARENA_BYTES (64 * 1024 * 1024)

bool sim_chance(unsigned n)
{
    return lm_rand_below(&sim->rnd, n) == 0;
}

bool sim_turn(enum sim_fault fault, unsigned n)
{
    return sim->plan.faults & 1u << fault && sim_own_below(fault, n) == 0;
}

uint64_t sim_own_below(enum sim_fault fault, uint64_t n)
{
    return lm_rand_below(&sim->own[fault], n);
}

void sim_note(const char *fmt, ...)
{
    char text[400];
    uint8_t hash[LM_HASH_BYTES];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    lm_hash(hash, &sim->digest, sizeof sim->digest, &sim->now_ms, sizeof sim->now_ms, text,
            strlen(text));
    memcpy(&sim->digest, hash, sizeof sim->digest);
    if (sim->trace) {
        (void)printf("%10.3f  %s\n", (double)(sim->mono_ms) / 1000.0, text);
    }
}

void sim_fail(const char *name, const char *fmt, ...)
{
    char text[800];
    va_list args;

    if (sim->failure[0]) {
        return;
    }
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)snprintf(sim->failure, sizeof sim->failure, "%s: %s", name, text);
    sim_note("FAILED %s", sim->failure);
}

/* ---- P2: acked means durable ---- */

static void check_acked(struct sim_node *node)
{
    const struct lm_me *me = sim_me(node);
    const struct lm_replica *row = sim_row(node);

    if (!me || !row || sim_hub_distrusted(node, me)) {
        return;
    }
    if (me->branch == row->branch && me->acked.seq > row->acked.seq) {
        sim_fail("P2 acked means durable",
                 "pc %d believes %" PRIu64 " of branch %" PRIu64 " acked, the hub has %" PRIu64,
                 node->index, me->acked.seq, me->branch, row->acked.seq);
    }
    if (me->branch == row->branch && me->acked.seq == row->acked.seq && me->acked.seq > 0 &&
        memcmp(me->acked.hash, row->acked.hash, sizeof me->acked.hash) != 0) {
        sim_fail("P8 another history is noticed",
                 "pc %d and the hub have other hashes at %" PRIu64 " of branch %" PRIu64,
                 node->index, me->acked.seq, me->branch);
    }
}

/* ---- P10: completeness is never claimed beyond what the hub has ---- */

static void check_coverage(struct sim_node *node)
{
    const struct lm_me *me = sim_me(node);
    const struct lm_replica *row = sim_row(node);

    if (node->retired || node->copied || !me || !row) {
        return; /* of a copy's saves nobody can know before it speaks */
    }
    if (row->complete_ms > sim->now_ms) {
        sim_fail("P10 coverage", "pc %d is complete through %" PRId64 " ms from now", node->index,
                 row->complete_ms - sim->now_ms);
    }
    if (node->by_stick && sim->plan.faults & 1u << F_CLOCK) {
        return; /* "by station clock", as count says */
    }
    /* The first save that the hub cannot know: made and not acked. */
    if (me->branch != row->branch || me->acked.seq > row->acked.seq) {
        return;
    }
    for (size_t i = sim->n_saves; i-- > 0;) {
        const struct sim_save *s = &sim->saves[i];

        if (s->node != node->index || s->excused) {
            continue;
        }
        if (s->hlc > row->hlc_known && row->complete_ms > s->at_ms &&
            me->head.seq > row->acked.seq && s->at_ms + 1 < row->complete_ms) {
            sim_fail("P10 coverage",
                     "pc %d saved something %" PRId64 " ms before the time through which the hub "
                     "calls it complete, and the hub does not have it",
                     node->index, row->complete_ms - s->at_ms);
        }
        break; /* the newest is enough: an older one not known would be behind a gap */
    }
}

/* ---- P5: what a PC holds when nothing is on its way is what the hub says ---- */

/* The programs mend it by themselves; here nothing writes past them, so it must not happen. A PC
 * that was enrolled anew may have what a hub that is gone had acked under its former name. */
static void check_sum(const struct sim_node *node)
{
    if (node->up && node->link.differed > 0 && !(node->former && sim_hub_times_back() > 0)) {
        sim_fail("P5 convergence", "pc %d: the sum of its scope was not the hub's", node->index);
    }
}

void sim_check_step(void)
{
    sim->actor = -2;
    if (sim->failure[0] || !sim->hub_up) {
        return;
    }
    for (int i = 0; i < sim->n_nodes && !sim->failure[0]; i++) {
        check_acked(&sim->nodes[i]);
        check_coverage(&sim->nodes[i]);
        check_sum(&sim->nodes[i]);
    }
    if (sim->steps % 256 == 0 && !sim->failure[0] && !sim->server->failed) {
        sim->actor = -1;
        sim_check_completeness();
        sim->actor = -2;
    }
}

/* What the hub made of each change since the last look. */
void sim_check_hub(void)
{
    struct journal_fault fault = {0};

    if (sim->hub_up && !sim->failure[0] && !sim->server->failed && !sim_disk_dead(DISK_HUB) &&
        !journal_model_follow(sim->model, sim->hub.store, &fault)) {
        sim_fail(fault.promise, "journal %" PRIu64 ": %s", fault.pos, fault.text);
    }
}

/* ---- at rest ---- */

static bool at_rest(struct sim_node *node)
{
    const struct lm_me *me = sim_me(node);
    struct lm_mark head;

    if (node->retired) {
        return true;
    }
    return me && node->link.session.state == LM_NS_LIVE && me->head.seq == me->acked.seq &&
           lm_store_head(sim->hub.store, &head) == LM_OK && me->seen.position == head.position &&
           lm_nstore_catalog(node->store)->number >= lm_store_catalog(sim->hub.store)->number &&
           node->link.synced > 0 && strcmp(node->link.session.status.code, "synced") == 0;
}

bool sim_converged(void)
{
    if (!sim->hub_up || sim_net_in_flight() > 0) {
        return false;
    }
    for (int i = 0; i < sim->n_nodes; i++) {
        if (!at_rest(&sim->nodes[i])) {
            return false;
        }
    }
    return true;
}

/* ---- the end ---- */

static sqlite3 *open_raw(const char *dir, const char *name)
{
    char path[PATH_MAX];
    sqlite3 *db = NULL;

    (void)snprintf(path, sizeof path, "%.4000s/%s", dir, name);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK) {
        sqlite3_close(db);
        return NULL;
    }
    return db;
}

/* P1 and P3: what was answered is in the journal, once. */
static void check_saves(sqlite3 *hub)
{
    sqlite3_stmt *q = NULL;

    if (sqlite3_prepare_v2(
            hub,
            "SELECT ifnull(max(n), 0) FROM (SELECT count(*) AS n FROM journal WHERE "
            "kind = 0 AND replica IN (?1, ?3) AND hlc = ?2 AND verdict <> 6 GROUP BY record, "
            "replica)",
            -1, &q, NULL) != SQLITE_OK) {
        sim_fail("sim", "the journal cannot be read: %s", sqlite3_errmsg(hub));
        return;
    }
    for (size_t i = 0; i < sim->n_saves && !sim->failure[0]; i++) {
        const struct sim_save *s = &sim->saves[i];

        (void)sqlite3_reset(q);
        (void)sqlite3_bind_int64(q, 1, (sqlite3_int64)s->replica);
        (void)sqlite3_bind_int64(q, 2, (sqlite3_int64)s->hlc);
        (void)sqlite3_bind_int64(q, 3, (sqlite3_int64)sim_other_name(s));
        if (sqlite3_step(q) != SQLITE_ROW) {
            sim_fail("sim", "the journal cannot be read: %s", sqlite3_errmsg(hub));
        } else if (sqlite3_column_int(q, 0) == 0 && !s->excused) {
            sim_fail("P1 saved means saved",
                     "save %zu of pc %d (hlc %" PRIu64 ", %" PRId64
                     " ms ago) is not in the journal",
                     i, s->node, s->hlc, sim->now_ms - s->at_ms);
        } else if (sqlite3_column_int(q, 0) > 1) {
            sim_fail("P3 exactly once", "save %zu of pc %d took effect %d times", i, s->node,
                     sqlite3_column_int(q, 0));
        }
    }
    (void)sqlite3_finalize(q);
}

/* In which fields and versions two copies of a record differ. */
static void differences(const struct lm_record *a, const struct lm_record *b, char *out, size_t n)
{
    size_t at = 0;

    out[0] = '\0';
    for (size_t f = 0; f < a->type->n_fields && f < b->type->n_fields && at < n; f++) {
        if (!lm_value_equal(&a->fields[f], &b->fields[f])) {
            at += (size_t)snprintf(out + at, n - at, " %s", a->type->fields[f].name);
        }
    }
    for (size_t g = 0; g < a->type->n_groups && g < b->type->n_groups && at < n; g++) {
        const struct lm_version *x = &a->stamps[g].version, *y = &b->stamps[g].version;

        if (x->hlc != y->hlc || x->replica != y->replica) {
            at += (size_t)snprintf(out + at, n - at, " %s@%s", a->type->groups[g].name,
                                   x->hlc < y->hlc ? "newer here" : "older here");
        }
    }
}

/* dup_key never leaves the hub. */
static void hide_from_nodes(struct lm_record *rec)
{
    const struct lm_field *field = lm_type_field(rec->type, "dup_key");

    if (field) {
        rec->fields[field->index] = lm_value_null();
    }
}

/* P5: each PC shows what the hub has in its scope, record by record. */
static void check_scope(struct sim_node *node, sqlite3 *hub)
{
    sqlite3_stmt *q = NULL;
    struct lm_arena arena;
    size_t n = 0;

    lm_arena_init(&arena, ARENA_BYTES);
    if (sqlite3_prepare_v2(hub, "SELECT record, type FROM feed WHERE scope IN (0, ?1)", -1, &q,
                           NULL) != SQLITE_OK) {
        sim_fail("sim", "the feed cannot be read: %s", sqlite3_errmsg(hub));
        return;
    }
    (void)sqlite3_bind_int64(q, 1, atoll(sim_station_code(node->station)));
    while (!sim->failure[0] && sqlite3_step(q) == SQLITE_ROW) {
        const char *type_name = (const char *)sqlite3_column_text(q, 1);
        const struct lm_type *type = lm_catalog_type(lm_store_catalog(sim->hub.store), type_name);
        const struct lm_type *there = lm_catalog_type(lm_nstore_catalog(node->store), type_name);
        struct lm_record *theirs = NULL, *ours = NULL;
        char id[LM_UUID_TEXT + 1];
        uint64_t want, have;
        bool found;

        lm_arena_reset(&arena);
        lm_uuid_format(sqlite3_column_blob(q, 0), id);
        if (!type || lm_store_get(sim->hub.store, &arena, type_name, id, &theirs) != LM_OK) {
            continue; /* refused creations have a place in the feed and no record */
        }
        found = there &&
                lm_tables_get(lm_nstore_tables(node->store), &arena, there, id, &ours) == LM_OK;
        if (!lm_in_scope(theirs, sim_station_code(node->station))) { /* moved away, or never ours */
            if (found && ours->position > 0) {
                sim_fail("P5 convergence", "pc %d still has %s %s of another village", node->index,
                         type_name, id);
            }
            continue;
        }
        if (!found) {
            sim_fail("P5 convergence", "pc %d lacks %s %s", node->index, type_name, id);
            break;
        }
        hide_from_nodes(theirs);
        want = lm_record_digest(theirs);
        have = lm_record_digest(ours);
        if (want != have) {
            char where[300];

            differences(theirs, ours, where, sizeof where);
            sim_fail("P5 convergence", "pc %d and the hub differ in %s %s:%s", node->index,
                     type_name, id, where);
        }
        if (theirs->invalid != ours->invalid) {
            sim_fail("P4 verdicts travel back", "pc %d does not know that %s %s is %s", node->index,
                     type_name, id, theirs->invalid ? "invalid" : "valid");
        }
        n++;
    }
    (void)sqlite3_finalize(q);
    lm_arena_free(&arena);
    sim_note("pc %d has %zu records", node->index, n);
}

/* P4: what was returned or is held is known at the PC that made it, and nothing else is. */
static void check_verdicts(const struct sim_node *node, sqlite3 *hub)
{
    static const char *const open_at_hub =
        "SELECT hlc, verdict, code, lower(hex(record)) FROM returns WHERE open = 1 AND replica = ?1"
        " UNION ALL SELECT hlc, 4, code, lower(hex(record)) FROM held WHERE replica = ?1";
    sqlite3 *own = open_raw(node->path, "node.db");
    sqlite3_stmt *q = NULL, *known = NULL;

    if (!own || sqlite3_prepare_v2(hub, open_at_hub, -1, &q, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(own, "SELECT verdict FROM verdicts WHERE hlc = ?1 AND open = 1", -1,
                           &known, NULL) != SQLITE_OK) {
        sim_fail("sim", "what was sent back cannot be read: %s", sqlite3_errmsg(hub));
    } else {
        (void)sqlite3_bind_int64(q, 1, (sqlite3_int64)node->key.replica);
    }
    while (!sim->failure[0] && sqlite3_step(q) == SQLITE_ROW) {
        (void)sqlite3_reset(known);
        (void)sqlite3_bind_int64(known, 1, sqlite3_column_int64(q, 0));
        if (sqlite3_step(known) != SQLITE_ROW ||
            sqlite3_column_int(known, 0) != sqlite3_column_int(q, 1)) {
            sim_fail("P4 verdicts travel back",
                     "pc %d does not know that its change of %s is %s: %s", node->index,
                     sqlite3_column_text(q, 3),
                     lm_verdict_name((enum lm_verdict)sqlite3_column_int(q, 1)),
                     sqlite3_column_text(q, 2));
        }
    }
    (void)sqlite3_finalize(q);
    (void)sqlite3_finalize(known);
    (void)sqlite3_close(own);
}

static void report(void *arg, const char *difference)
{
    (void)arg;
    sim_fail("P4 verify", "%s", difference);
}

/* P7, P11: a revocation outlives whatever happens to the database. */
static void check_revoked(void)
{
    for (int i = 0; i < sim->n_nodes && !sim->failure[0]; i++) {
        struct lm_replica row;
        bool revoked = false;

        if (!sim->nodes[i].revoked) {
            continue;
        }
        if (lm_store_was_revoked(sim->hub.store, sim->nodes[i].key.replica, &revoked) != LM_OK ||
            !revoked ||
            (lm_store_replica_get(sim->hub.store, sim->nodes[i].key.replica, &row) == LM_OK &&
             row.revoked_ms == 0)) {
            sim_fail("P7 revocations are kept", "pc %d was revoked, and is let in again", i);
        }
    }
}

/* An alarm that calls a town's people together for nothing is not read again. */
static void check_alarms(sqlite3 *hub)
{
    sqlite3_stmt *q = NULL;

    if (sqlite3_prepare_v2(hub, "SELECT replica FROM alarms WHERE kind = 'clone'", -1, &q, NULL) !=
        SQLITE_OK) {
        sim_fail("sim", "the hub's replicas cannot be read: %s", sqlite3_errmsg(hub));
    }
    while (q && sqlite3_step(q) == SQLITE_ROW && !sim->failure[0]) {
        uint64_t replica = (uint64_t)sqlite3_column_int64(q, 0);

        for (int i = 0; i < sim->n_nodes; i++) {
            const struct sim_node *node = &sim->nodes[i];

            /* One that was set back more than once shows leases in turn, as two would; a hub that
             * was set back in silence has given the counter that a PC shows to nobody yet. */
            if (node->key.replica == replica && !node->copied && node->times_back < 2 &&
                sim_hub_times_back() == 0) {
                sim_fail("P8 a clone is shown", "pc %d is called one, and is not", i);
            }
        }
    }
    (void)sqlite3_finalize(q);
}

void sim_check_end(void)
{
    sqlite3 *hub = open_raw(sim->hub.dir.path, "hub.db");
    struct lm_error err = {0};
    size_t n = 0;

    sim->actor = -1;
    if (!hub) {
        sim_fail("sim", "the hub's database cannot be opened");
        return;
    }
    sim_check_hub();
    if (!sim->failure[0]) {
        struct journal_fault fault = {0};

        if (!journal_model_quiet(sim->model, &fault)) {
            sim_fail(fault.promise, "journal %" PRIu64 ": %s", fault.pos, fault.text);
        }
    }
    check_revoked();
    check_alarms(hub);
    check_saves(hub);
    sim_check_given_back(hub);
    for (int i = 0; i < sim->n_nodes && !sim->failure[0]; i++) {
        if (!sim->nodes[i].retired) {
            check_scope(&sim->nodes[i], hub);
            if (!sim->nodes[i].copied) {
                check_verdicts(&sim->nodes[i], hub);
            }
        }
    }
    (void)sqlite3_close(hub);
    if (!sim->failure[0]) {
        sim_check_newer();
        sim_check_figures();
    }
    if (!sim->failure[0]) {
        sim_check_completeness();
    }
    if (!sim->failure[0] && lm_store_verify(sim->hub.store, report, NULL, &n, &err) != LM_OK) {
        sim_fail("P4 verify", "%s", err.en);
    }
    sim->actor = -2;
}
