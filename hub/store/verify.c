/* Is everything here what the journal says? Three independent looks, one difference a line:
 *
 *  1. the chain of marks over every column of the journal, and every branch's chain over the
 * bodies, against the stored stretches;
 *  2. a replay: every entry is judged again, in its order, in a new database, by the code that
 * judged it first, and the verdict and rank must be the same;
 *  3. the new database's records, feed and review rows against the ones here, row by row, column by
 * column.
 *
 * It reads one snapshot and writes only its temporary file, so it runs beside a working hub.
 * Differences name table, row and column, never a value: values are personal data. */
#include "hub/store/store_internal.h"

#include "hub/keys.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    COMMIT_EVERY = 5000,
    REPORTED_MAX = 1000, /* further differences are only counted */
    ROW_ARENA_MAX = 16 * 1024 * 1024,
    COLUMNS_MAX = 160,
};

struct branch {
    uint64_t replica, branch, seq, hlc;
    uint8_t hash[LM_HASH_BYTES];
    size_t stretch; /* the stored stretch that holds the next seq */
};

struct verify {
    struct lm_store *store, *replay;
    struct lm_catalog *first; /* the replay begins with it */
    void (*report)(void *arg, const char *difference);
    void *arg;
    size_t n;
    struct lm_arena arena;
    struct branch *branches;
    size_t n_branches, size_branches, last_branch;
    struct lm_branch_row *stretches; /* all of them, in order of replica, branch, first_seq */
    size_t n_stretches;
    uint8_t mark[LM_HASH_BYTES];
    uint64_t pos;
    struct lm_error *err;
};

static void differ(struct verify *v, const char *fmt, ...) LM_PRINTF(2, 3);

static void differ(struct verify *v, const char *fmt, ...)
{
    char line[512];
    va_list args;

    v->n++;
    if (v->n > REPORTED_MAX || !v->report) {
        return;
    }
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    v->report(v->arg, line);
}

/* ---- branches ---- */

static enum lm_status load_stretches(struct verify *v)
{
    struct sqlite3_stmt *stmt = NULL;
    size_t size = 0;
    enum lm_status status = lm_db_prepare(
        v->store->db,
        "SELECT replica, branch, first_seq, last_seq, pos_first, hash_before, hash_after, hlc"
        " FROM branches ORDER BY replica, branch, first_seq",
        &stmt, v->err);

    while (status == LM_OK && (status = lm_query_step(v->store, stmt, v->err)) == LM_OK) {
        struct lm_branch_row *row;

        if (v->n_stretches == size) {
            size = size ? 2 * size : 256;
            void *grown = realloc(v->stretches, size * sizeof *v->stretches);
            if (!grown) {
                status = LM_ERR_MEMORY;
                break;
            }
            v->stretches = grown;
        }
        row = &v->stretches[v->n_stretches++];
        row->replica = (uint64_t)sqlite3_column_int64(stmt, 0);
        row->branch = (uint64_t)sqlite3_column_int64(stmt, 1);
        row->first_seq = (uint64_t)sqlite3_column_int64(stmt, 2);
        row->last_seq = (uint64_t)sqlite3_column_int64(stmt, 3);
        row->pos_first = (uint64_t)sqlite3_column_int64(stmt, 4);
        lm_column_bytes(stmt, 5, row->before, LM_HASH_BYTES);
        lm_column_bytes(stmt, 6, row->after, LM_HASH_BYTES);
        row->hlc = (uint64_t)sqlite3_column_int64(stmt, 7);
    }
    (void)sqlite3_finalize(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static struct branch *branch_of(struct verify *v, uint64_t replica, uint64_t branch)
{
    struct branch *b;

    if (v->last_branch < v->n_branches && v->branches[v->last_branch].replica == replica &&
        v->branches[v->last_branch].branch == branch) {
        return &v->branches[v->last_branch];
    }
    for (size_t i = 0; i < v->n_branches; i++) {
        if (v->branches[i].replica == replica && v->branches[i].branch == branch) {
            v->last_branch = i;
            return &v->branches[i];
        }
    }
    if (v->n_branches == v->size_branches) {
        size_t size = v->size_branches ? 2 * v->size_branches : 64;
        void *grown = realloc(v->branches, size * sizeof *v->branches);
        if (!grown) {
            return NULL;
        }
        v->branches = grown;
        v->size_branches = size;
    }
    v->last_branch = v->n_branches;
    b = &v->branches[v->n_branches++];
    *b = (struct branch){.replica = replica, .branch = branch};
    lm_chain_start(replica, branch, b->hash);
    while (b->stretch < v->n_stretches && (v->stretches[b->stretch].replica != replica ||
                                           v->stretches[b->stretch].branch != branch)) {
        b->stretch++;
    }
    return b;
}

static void check_branch(struct verify *v, const struct lm_jentry *e, struct branch *b)
{
    const struct lm_branch_row *s = b->stretch < v->n_stretches ? &v->stretches[b->stretch] : NULL;

    if (e->seq != b->seq + 1) {
        differ(v,
               "journal %" PRIu64 ": seq %" PRIu64 " of replica %" PRIu64 " branch %" PRIu64
               " does not follow %" PRIu64,
               e->pos, e->seq, e->replica, e->branch, b->seq);
    }
    if (!s || s->replica != e->replica || s->branch != e->branch || e->seq < s->first_seq ||
        e->seq > s->last_seq || s->pos_first + (e->seq - s->first_seq) != e->pos) {
        differ(v,
               "branches: replica %" PRIu64 " branch %" PRIu64 ": no stretch for seq %" PRIu64
               " at position %" PRIu64,
               e->replica, e->branch, e->seq, e->pos);
        s = NULL;
    }
    if (s && e->seq == s->first_seq && memcmp(s->before, b->hash, LM_HASH_BYTES) != 0) {
        differ(v, "branches: replica %" PRIu64 " branch %" PRIu64 " seq %" PRIu64 ": hash_before",
               e->replica, e->branch, e->seq);
    }
    lm_chain_next(b->hash, e->body, e->body_len, b->hash);
    if (s && e->seq == s->last_seq) {
        if (memcmp(s->after, b->hash, LM_HASH_BYTES) != 0) {
            differ(v,
                   "branches: replica %" PRIu64 " branch %" PRIu64 " seq %" PRIu64 ": hash_after",
                   e->replica, e->branch, e->seq);
        }
        b->stretch++;
    }
    b->seq = e->seq;
}

/* Every stretch must have been walked to its end. */
static void check_ends(struct verify *v)
{
    for (size_t i = 0; i < v->n_stretches; i++) {
        const struct lm_branch_row *s = &v->stretches[i];
        const struct branch *b = branch_of(v, s->replica, s->branch);

        if (!b || b->seq < s->last_seq) {
            differ(v,
                   "branches: replica %" PRIu64 " branch %" PRIu64 ": seq %" PRIu64
                   " is not in the journal",
                   s->replica, s->branch, s->last_seq);
        }
    }
}

/* ---- replay ---- */

static void compare_verdict(struct verify *v, const struct lm_jentry *old, enum lm_verdict verdict,
                            uint64_t rank, const char *code)
{
    if (old->verdict != verdict) {
        differ(v, "journal %" PRIu64 ": verdict %s, judged again %s (catalogue %" PRIu32 ")",
               old->pos, lm_verdict_name(old->verdict), lm_verdict_name(verdict), old->catalog);
    }
    if (old->rank != rank) {
        differ(v, "journal %" PRIu64 ": rank", old->pos);
    }
    if (strcmp(old->code, code) != 0) {
        differ(v, "journal %" PRIu64 ": code %.32s, judged again %.32s", old->pos, old->code, code);
    }
}

static uint64_t highest_hlc(const struct verify *v, uint64_t replica)
{
    uint64_t highest = 0;

    for (size_t i = 0; i < v->n_branches; i++) {
        if (v->branches[i].replica == replica && v->branches[i].hlc > highest) {
            highest = v->branches[i].hlc;
        }
    }
    return highest;
}

static enum lm_status replay_change(struct verify *v, const struct lm_jentry *old, struct branch *b)
{
    struct lm_judge_in in = {
        .entry = *old,
        .hlc_floor = b->hlc,
        .hlc_known = UINT64_MAX,
        .hlc_highest = old->hlc >= LM_HLC_FAR ? highest_hlc(v, old->replica) : 0,
        .offset_given = true,
        .held_internal = strcmp(old->code, "internal") == 0,
    };
    struct lm_judge_out judged = {0};
    enum lm_status status = lm_judge(v->replay, &in, &judged, v->err);

    if (status != LM_OK && !lm_is_fatal(status)) {
        differ(v, "journal %" PRIu64 ": cannot be judged again (%s)", old->pos,
               lm_status_name(status));
        return status;
    }
    if (status == LM_OK) {
        compare_verdict(v, old, judged.verdict, in.entry.rank, judged.reason.code);
        if (in.entry.hlc != old->hlc || strcmp(in.entry.record, old->record) != 0 ||
            strcmp(in.entry.type, old->type) != 0) {
            differ(v, "journal %" PRIu64 ": type, record or hlc is not that of the body", old->pos);
        }
        b->hlc = judged.hlc > b->hlc ? judged.hlc : b->hlc;
    }
    return status;
}

/* Position and verdict of the newest entry of the new database. */
static enum lm_status newest(struct verify *v, struct lm_jentry *out)
{
    return lm_journal_at(v->replay, v->replay->state.head.position, &v->arena, out);
}

static enum lm_status replay_later(struct verify *v, const struct lm_jentry *old)
{
    enum lm_later what;
    uint64_t pos;
    const char *user, *a, *b;
    struct lm_jentry made, copy = *old;
    bool changed = true;
    enum lm_status status;

    if (!lm_later_read(old, &v->arena, &what, &pos, &user, &a, &b)) {
        differ(v, "journal %" PRIu64 ": body of a later verdict cannot be read", old->pos);
        return LM_ERR_CORRUPT;
    }
    switch (what) {
    case LM_LATER_REDRIVE:
    case LM_LATER_RELEASE:
    case LM_LATER_REFUSE:
        status = lm_judge_again(v->replay, pos, what, user, a, old->received_ms, &changed, v->err);
        break;
    case LM_LATER_SETTLE:
        status = lm_judge_settle(v->replay, user, old->record, a, b, old->received_ms, v->err);
        break;
    case LM_LATER_DIFFERENT:
        status = lm_judge_dismiss(v->replay, user, a, b, old->received_ms, v->err);
        break;
    case LM_LATER_INCARNATION:
        if (strcmp(a, LM_INCARNATION_RIVAL) != 0) {
            v->replay->went_back_ms = old->received_ms;
        }
        return lm_journal_append(v->replay, &copy, v->err);
    case LM_LATER_REVOKE:
    case LM_LATER_LOOKED:
    case LM_LATER_READMIT:
    case LM_LATER_MERGED:
        return lm_journal_append(v->replay, &copy, v->err);
    case LM_LATER_CATALOG:
        status = lm_catalogs_replay(v->replay, v->store, pos, a, old->pos, v->err);
        if (status != LM_OK && !lm_is_fatal(status)) {
            differ(v, "journal %" PRIu64 ": catalogue %" PRIu64 " is not the one that was imported",
                   old->pos, pos);
            return LM_ERR_CORRUPT;
        }
        return status == LM_OK ? lm_journal_append(v->replay, &copy, v->err) : status;
    default:
        differ(v, "journal %" PRIu64 ": unknown kind of later verdict", old->pos);
        return LM_ERR_CORRUPT;
    }
    if (status != LM_OK && !lm_is_fatal(status)) {
        differ(v, "journal %" PRIu64 ": cannot be judged again (%s)", old->pos,
               lm_status_name(status));
        return status;
    }
    if (status == LM_OK && !changed) {
        differ(v,
               "journal %" PRIu64 ": a later verdict, but position %" PRIu64
               " is still held when judged again",
               old->pos, pos);
        return LM_ERR_CORRUPT;
    }
    if (status == LM_OK) {
        status = newest(v, &made);
    }
    if (status == LM_OK) {
        compare_verdict(v, old, made.verdict, made.rank, made.code);
    }
    return status;
}

static enum lm_status replay_row(struct verify *v, const struct lm_jentry *e)
{
    uint8_t mark[LM_HASH_BYTES];
    struct branch *b = NULL;

    if (e->pos != v->pos + 1) {
        differ(v, "journal: position %" PRIu64 " follows %" PRIu64, e->pos, v->pos);
        return LM_ERR_CORRUPT;
    }
    v->pos = e->pos;
    lm_journal_mark(v->mark, e, mark);
    if (memcmp(mark, e->mark, LM_HASH_BYTES) != 0) {
        differ(v, "journal %" PRIu64 ": mark", e->pos);
    }
    memcpy(v->mark, e->mark, LM_HASH_BYTES);
    if (e->kind == LM_J_LATER) {
        return replay_later(v, e);
    }
    b = branch_of(v, e->replica, e->branch);
    if (!b) {
        return LM_ERR_MEMORY;
    }
    check_branch(v, e, b);
    return replay_change(v, e, b);
}

/* LM_ERR_CORRUPT after a difference was told that makes going on senseless. */
static enum lm_status replay_all(struct verify *v)
{
    struct sqlite3_stmt *stmt = NULL;
    struct lm_jentry e;
    enum lm_status status =
        lm_db_prepare(v->store->db, lm_query_sql[LM_Q_JOURNAL_RANGE], &stmt, v->err);

    if (status == LM_OK) {
        (void)sqlite3_bind_int64(stmt, 1, 0);
        status = lm_store_begin(v->replay, v->err);
    }
    while (status == LM_OK && (status = lm_query_step(v->store, stmt, v->err)) == LM_OK) {
        lm_arena_reset(&v->arena);
        status = lm_journal_row(stmt, &v->arena, &e);
        if (status == LM_OK) {
            status = replay_row(v, &e);
        }
        if (status == LM_OK && v->replay->state.head.position != v->pos) {
            differ(v, "journal %" PRIu64 ": judged again it leaves another number of entries",
                   v->pos);
            status = LM_ERR_CORRUPT;
        }
        if (status == LM_OK && v->pos % COMMIT_EVERY == 0) {
            status = lm_store_commit(v->replay, v->err);
            if (status == LM_OK) {
                status = lm_store_begin(v->replay, v->err);
            }
        }
    }
    (void)sqlite3_finalize(stmt);
    if (status == LM_ERR_NOT_FOUND) {
        return lm_store_commit(v->replay, v->err);
    }
    lm_store_rollback(v->replay);
    return status;
}

/* ---- tables ---- */

struct table {
    const char *name;
    const char *order; /* key columns */
    int n_key;
    const char *where; /* or NULL */
};

/* Column names of the new database: what this catalogue knows. Key columns come first, dup_key only
 * with its key. */
static enum lm_status select_text(struct verify *v, const struct table *t, struct lm_buf *sql)
{
    struct sqlite3_stmt *stmt = NULL;
    struct lm_buf probe;
    enum lm_status status;

    lm_buf_init(&probe, 1024);
    lm_buf_printf(&probe, "SELECT * FROM \"%s\" LIMIT 0", t->name);
    status = probe.status == LM_OK
                 ? lm_db_prepare(v->replay->db, (const char *)probe.data, &stmt, v->err)
                 : probe.status;
    lm_buf_free(&probe);
    if (status != LM_OK) {
        return status;
    }
    lm_buf_printf(sql, "SELECT %s", t->order);
    for (int i = 0; i < sqlite3_column_count(stmt) && i < COLUMNS_MAX; i++) {
        const char *name = sqlite3_column_name(stmt, i);
        if (!v->replay->has_dup_key && strcmp(name, "dup_key") == 0) {
            continue;
        }
        lm_buf_printf(sql, ", \"%s\"", name);
    }
    lm_buf_printf(sql, " FROM \"%s\"%s%s ORDER BY %s", t->name, t->where ? " WHERE " : "",
                  t->where ? t->where : "", t->order);
    (void)sqlite3_finalize(stmt);
    return sql->status;
}

static int compare_cell(struct sqlite3_stmt *a, struct sqlite3_stmt *b, int column)
{
    int ta = sqlite3_column_type(a, column), tb = sqlite3_column_type(b, column);

    if (ta != tb) {
        return ta < tb ? -1 : 1;
    }
    if (ta == SQLITE_INTEGER) {
        int64_t x = sqlite3_column_int64(a, column), y = sqlite3_column_int64(b, column);
        return x < y ? -1 : x > y;
    }
    if (ta == SQLITE_FLOAT) {
        double x = sqlite3_column_double(a, column), y = sqlite3_column_double(b, column);
        return x < y ? -1 : x > y;
    }
    if (ta == SQLITE_NULL) {
        return 0;
    }
    const void *x = sqlite3_column_blob(a, column), *y = sqlite3_column_blob(b, column);
    int nx = sqlite3_column_bytes(a, column), ny = sqlite3_column_bytes(b, column),
        n = nx < ny ? nx : ny;
    int order = n > 0 ? memcmp(x, y, (size_t)n) : 0;
    return order ? order : (nx > ny) - (nx < ny);
}

static int compare_key(struct sqlite3_stmt *a, struct sqlite3_stmt *b, int n_key)
{
    int order = 0;

    for (int i = 0; i < n_key && order == 0; i++) {
        order = compare_cell(a, b, i);
    }
    return order;
}

static void key_text(struct sqlite3_stmt *stmt, int n_key, char out[200])
{
    size_t len = 0;

    out[0] = '\0';
    for (int i = 0; i < n_key && len < 140; i++) {
        char id[40] = "";

        if (sqlite3_column_type(stmt, i) == SQLITE_BLOB) {
            lm_column_id(stmt, i, id);
        }
        len += (size_t)snprintf(out + len, 200 - len, "%s%.60s", i ? " " : "",
                                id[0] ? id : lm_column_str(stmt, i));
    }
}

static void compare_rows(struct verify *v, const struct table *t, struct sqlite3_stmt *here,
                         struct sqlite3_stmt *there)
{
    char key[200];

    for (int i = t->n_key; i < sqlite3_column_count(here); i++) {
        if (compare_cell(here, there, i) != 0) {
            key_text(here, t->n_key, key);
            differ(v, "%s %s: column %s", t->name, key, sqlite3_column_name(here, i));
        }
    }
}

static enum lm_status walk(struct verify *v, const struct table *t, struct sqlite3_stmt *here,
                           struct sqlite3_stmt *there)
{
    enum lm_status a = lm_query_step(v->store, here, v->err),
                   b = lm_query_step(v->replay, there, v->err);
    char key[200];

    while ((a == LM_OK || a == LM_ERR_NOT_FOUND) && (b == LM_OK || b == LM_ERR_NOT_FOUND) &&
           (a == LM_OK || b == LM_OK)) {
        int order = a != LM_OK ? 1 : b != LM_OK ? -1 : compare_key(here, there, t->n_key);

        if (order == 0) {
            compare_rows(v, t, here, there);
        } else {
            key_text(order < 0 ? here : there, t->n_key, key);
            differ(v, "%s %s: %s", t->name, key,
                   order < 0 ? "row without an entry in the journal" : "row is missing");
        }
        if (order <= 0) {
            a = lm_query_step(v->store, here, v->err);
        }
        if (order >= 0) {
            b = lm_query_step(v->replay, there, v->err);
        }
    }
    if (a != LM_OK && a != LM_ERR_NOT_FOUND) {
        return a;
    }
    return b == LM_ERR_NOT_FOUND ? LM_OK : b;
}

static enum lm_status compare_table(struct verify *v, const struct table *t)
{
    struct sqlite3_stmt *here = NULL, *there = NULL;
    struct lm_buf sql;
    enum lm_status status;

    lm_buf_init(&sql, 64 * 1024);
    status = select_text(v, t, &sql);
    if (status == LM_OK) {
        status = lm_db_prepare(v->store->db, (const char *)sql.data, &here, v->err);
    }
    if (status == LM_OK) {
        status = lm_db_prepare(v->replay->db, (const char *)sql.data, &there, v->err);
    }
    if (status == LM_OK) {
        status = walk(v, t, here, there);
    }
    (void)sqlite3_finalize(here);
    (void)sqlite3_finalize(there);
    lm_buf_free(&sql);
    return status;
}

static enum lm_status compare_tables(struct verify *v)
{
    const struct table fixed[] = {
        {"feed", "scope, record", 2, NULL},
        {"scope_sums", "scope", 1, "n <> 0"},
        {"returns", "pos", 1, NULL},
        {"held", "pos", 1, NULL},
        {"conflicts", "pos, grp", 2, NULL},
        {"siblings", "pos, grp, n", 3, NULL},
        {"duplicates", "a, b", 2, v->replay->has_dup_key ? NULL : "type <> 'person'"},
    };
    enum lm_status status = LM_OK;

    for (size_t i = 0; i < v->replay->catalog->n_types && status == LM_OK; i++) {
        char name[80];
        const struct table t = {name, "\"id\"", 1, NULL};

        (void)snprintf(name, sizeof name, "r_%s", v->replay->catalog->types[i].name);
        status = compare_table(v, &t);
    }
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0] && status == LM_OK; i++) {
        status = compare_table(v, &fixed[i]);
    }
    return status;
}

/* Figures are read from indexes alone: they must say what the tables say. */
static enum lm_status check_file(struct verify *v)
{
    struct lm_error why = {0};
    enum lm_status status = lm_db_check(v->store->db, &why);

    if (status == LM_ERR_CORRUPT) {
        differ(v, "database file: %s", why.en);
        return LM_OK;
    }
    return status;
}

/* ---- all of it ---- */

/* What was judged first was judged by the first catalogue. Owned by v, for the store may let go of
 * it. */
static enum lm_status first_catalog(struct verify *v, const struct lm_catalog **out)
{
    struct sqlite3_stmt *stmt = lm_query(v->store, LM_Q_CATALOG_FIRST, v->err);
    const uint8_t *packed = NULL;
    uint8_t hash[LM_HASH_BYTES];
    uint32_t number = 0;
    size_t n = 0;
    enum lm_status status = stmt ? lm_query_step(v->store, stmt, v->err) : LM_ERR_IO;

    if (status == LM_OK) {
        number = (uint32_t)sqlite3_column_int64(stmt, 0);
        lm_column_bytes(stmt, 1, hash, sizeof hash);
    }
    (void)sqlite3_reset(stmt);
    if (status == LM_OK) {
        status = lm_store_catalog_packed(v->store, number, &v->arena, &packed, &n, v->err);
    }
    if (status == LM_OK) {
        status = lm_catalog_load_packed(packed, n, &v->first, v->err);
    }
    if (status == LM_OK && memcmp(v->first->hash, hash, sizeof hash) != 0) {
        differ(v, "catalogs %" PRIu32 ": hash", number);
    }
    lm_arena_reset(&v->arena);
    *out = v->first;
    return status;
}

static enum lm_status open_replay(struct verify *v, char path[PATH_MAX])
{
    char name[64];
    struct lm_hub_keys keys;
    enum lm_status status;
    const struct lm_catalog *first = NULL;

    (void)snprintf(name, sizeof name, "verify-%ld-%016" PRIx64 ".db", (long)getpid(),
                   lm_rand_next(&v->store->rnd));
    status = lm_datadir_path(&v->store->dir, name, path, PATH_MAX);
    if (status != LM_OK) {
        path[0] = '\0';
        return lm_fail(v->err, status, "path_too_long", "", "数据目录的路径太长",
                       "The data directory's path is too long");
    }
    status = first_catalog(v, &first);
    if (status == LM_OK) {
        status = lm_store_open_file(path, first, true, false, &v->replay, v->err);
    }
    if (status != LM_OK) {
        return status;
    }
    v->replay->replaying = true;
    v->replay->town = v->store->town;
    v->replay->dir = v->store->dir;
    if (v->store->has_dup_key) {
        lm_store_set_dup_key(v->replay, v->store->dup_key);
    } else if (lm_hub_keys_load(&v->store->dir, &keys, NULL) == LM_OK) {
        lm_store_set_dup_key(v->replay, keys.dup_key);
        lm_hub_keys_wipe(&keys);
    }
    /* Thrown away in the end: nothing to be kept through a power cut. */
    status = lm_db_exec(v->replay->db, "PRAGMA synchronous = OFF", v->err);
    return status == LM_OK ? lm_store_load(v->replay, false, v->err) : status;
}

static void remove_replay(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    char name[PATH_MAX + 16];

    for (size_t i = 0; path[0] && i < sizeof suffixes / sizeof suffixes[0]; i++) {
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
}

enum lm_status lm_store_verify(struct lm_store *store,
                               void (*report)(void *arg, const char *difference), void *arg,
                               size_t *n_out, struct lm_error *err)
{
    struct verify v = {.store = store, .report = report, .arg = arg, .err = err};
    char path[PATH_MAX] = "";
    bool own = false;
    enum lm_status status = lm_read_enter(store, &own, err);

    *n_out = 0;
    lm_arena_init(&v.arena, ROW_ARENA_MAX);
    if (status == LM_OK) {
        status = check_file(&v);
    }
    if (status == LM_OK) {
        status = open_replay(&v, path);
    }
    if (status == LM_OK) {
        status = load_stretches(&v);
    }
    if (status == LM_OK) {
        status = replay_all(&v);
        if (status == LM_OK) {
            check_ends(&v);
            status = compare_tables(&v);
        } else if (!lm_is_fatal(status) && v.n > 0) {
            status = LM_OK; /* what stopped it has been told */
        }
    }
    lm_read_leave(store, own);
    lm_store_close(&v.replay);
    lm_catalog_destroy(&v.first);
    remove_replay(path);
    lm_arena_free(&v.arena);
    free(v.branches);
    free(v.stretches);
    *n_out = v.n;
    return status;
}
