/* Backups of this PC's database, and going back to one.
 *
 * A restore does not change files under the programs that have them open: it replaces the rows, in
 * one transaction, by those of the backup, and then repeats whatever was entered here since, change
 * by change, in the bytes it had. So nothing that was saved is lost (P1), and whoever reads
 * meanwhile sees the state before or the state after. The hub sees an older lease, and the node is
 * told that it went back (PROTOCOL.md "Going back in time"): what both have is known by its
 * identity.
 *
 * What is not taken from the backup: accounts of this PC, if it has any; forms that were not saved;
 * notes of repeated saves, of exports and of verdicts, which only grow; the highest HLC and the
 * highest journal position ever seen. */
#include "node/store/store_internal.h"

#include "common/base/log.h"
#include "proto/merge.h"
#include "proto/validate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME_MAX_BYTES 128
#define TABLES_MAX 256
#define COLUMNS_BYTES_MAX 16384

/* ---- backup ---- */

/* Each branch's chain of hashes, over all of the outbox: LM_ERR_CORRUPT "chain_broken". */
static enum lm_status check_outbox(struct lm_nstore *s, struct lm_error *err)
{
    sqlite3_stmt *q = NULL;
    struct lm_me me;
    uint64_t branch = 0, seq = 0;
    uint8_t hash[LM_HASH_BYTES] = {0}, stored[LM_HASH_BYTES];
    enum lm_status st = lm_nstore_me(s, &me, err);
    bool renewed = false; /* branches of a former replica begin with its number, which is gone */

    if (st == LM_OK) {
        st = lm_db_prepare(s->db, "SELECT branch, seq, body, hash FROM outbox ORDER BY branch, seq",
                           &q, err);
    }
    while (st == LM_OK && (st = ns_row(s, q, "check the outbox", err)) == LM_OK) {
        if (ns_column_u64(q, 0) != branch) {
            branch = ns_column_u64(q, 0);
            seq = 0;
            lm_chain_start(me.replica, branch, hash);
            renewed = branch < me.branch;
        }
        ns_column_hash(q, 3, stored);
        lm_chain_next(hash, sqlite3_column_blob(q, 2), (size_t)sqlite3_column_bytes(q, 2), hash);
        if (ns_column_u64(q, 1) != ++seq ||
            (memcmp(hash, stored, sizeof hash) != 0 && !(renewed && seq == 1))) {
            st = lm_fail(err, LM_ERR_CORRUPT, "chain_broken", "",
                         "数据在第 %" PRIu64 " 条改动处与校验链不符，不能使用。",
                         "The outbox does not fit its chain at change %" PRIu64 ".", seq);
            break;
        }
        memcpy(hash, stored, sizeof hash);
    }
    (void)sqlite3_finalize(q);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

static enum lm_status open_beside(const struct lm_nstore *like, const char *directory,
                                  struct lm_nstore **out, struct lm_error *err)
{
    struct lm_datadir dir = {.lock_fd = -1};

    (void)snprintf(dir.path, sizeof dir.path, "%s", directory);
    return lm_nstore_open(&dir, like->embedded, false, out, err);
}

static enum lm_status check_copy(void *arg, const char *path, struct lm_error *err)
{
    const struct lm_db_options options = {.path = path,
                                          .application_id = LM_APP_NODE,
                                          .migrations = ns_migrations,
                                          .n_migrations = ns_n_migrations,
                                          .read_only = true};
    struct lm_db *copy = NULL;
    enum lm_status st = lm_db_open(&options, &copy, err);

    (void)arg;
    if (st == LM_OK) {
        st = lm_db_check(copy, err);
    }
    lm_db_close(&copy);
    return st;
}

enum lm_status lm_nstore_backup(struct lm_nstore *store, const char *path, uint64_t *bytes_out,
                                struct lm_error *err)
{
    enum lm_status st = check_outbox(store, err);

    *bytes_out = 0;
    return st == LM_OK ? lm_db_backup(store->db, path, check_copy, NULL, bytes_out, err) : st;
}

/* ---- staging ---- */

void lm_nstore_sweep(const struct lm_datadir *dir)
{
    lm_db_sweep(dir->path, "restore-", false, NULL);
    lm_db_sweep(dir->path, ".part-", true, "node.db");
}

enum lm_status lm_nstore_stage(const struct lm_datadir *dir, const char *file,
                               char staged[LM_STAGED_NAME], struct lm_error *err)
{
    const struct lm_db_options options = {.path = file,
                                          .application_id = LM_APP_NODE,
                                          .migrations = ns_migrations,
                                          .n_migrations = ns_n_migrations,
                                          .read_only = true};
    char directory[PATH_MAX], path[PATH_MAX + 16];
    struct lm_db *from = NULL;
    char mark[LM_RUN_MARK];
    enum lm_status st = lm_db_open(&options, &from, err);

    lm_nstore_sweep(dir);
    lm_db_run_mark(mark);
    (void)snprintf(staged, LM_STAGED_NAME, "restore-%s", mark);
    if (st == LM_OK) {
        st = lm_db_check(from, err);
    }
    if (st == LM_ERR_CORRUPT || st == LM_ERR_IO) { /* what is said of a database would be taken for
                                                      this PC's own */
        st = lm_fail(err, LM_ERR_INVALID, "bad_backup", "file",
                     "这份备份坏了，或者不是本程序的备份；本机的数据没有动。请换一份备份再试。",
                     "This backup is damaged, or is none of this program's; the data here is as it "
                     "was. Try another backup.");
    }
    if (st == LM_OK && lm_datadir_path(dir, staged, directory, sizeof directory) != LM_OK) {
        st = lm_fail(err, LM_ERR_LIMIT, "path_too_long", "", "数据目录的路径太长。",
                     "The data directory's path is too long.");
    }
    if (st == LM_OK && mkdir(directory, 0700) != 0) {
        st = lm_fail(err, LM_ERR_IO, "io_error", "", "无法在数据目录里建立文件夹。",
                     "No folder can be made in the data directory.");
    }
    if (st == LM_OK) {
        (void)snprintf(path, sizeof path, "%s/node.db", directory);
        st = lm_db_copy(from, path, err);
        if (st != LM_OK) {
            (void)rmdir(directory);
        }
    }
    lm_db_close(&from);
    return st;
}

void lm_nstore_unstage(const struct lm_datadir *dir, const char *staged)
{
    char directory[PATH_MAX], path[PATH_MAX + 16];

    if (strncmp(staged, "restore-", 8) == 0 && !strchr(staged, '/') &&
        lm_datadir_path(dir, staged, directory, sizeof directory) == LM_OK) {
        (void)snprintf(path, sizeof path, "%s/node.db", directory);
        lm_db_remove(path);
        (void)rmdir(directory);
    }
}

/* ---- restore ---- */

struct restore {
    struct lm_nstore *s;
    struct lm_me before; /* as this PC was */
    struct lm_restore_done *done;
    struct lm_error *err;
};

static enum lm_status run(struct restore *r, const char *sql)
{
    return lm_db_exec(r->s->db, sql, r->err);
}

/* Whether the rows of a table stay and only what is missing is added. */
static bool grows_only(const char *table)
{
    static const char *const names[] = {"drafts",      "exports", "saves",   "verdicts",
                                        "import_rows", "imports", "backups", "reveals"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(table, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static enum lm_status read_names(struct restore *r, const char *sql, char *const *out, size_t max,
                                 size_t *n_out)
{
    sqlite3_stmt *q = NULL;
    enum lm_status st = lm_db_prepare(r->s->db, sql, &q, r->err);

    *n_out = 0;
    while (st == LM_OK && (st = ns_row(r->s, q, "read the tables", r->err)) == LM_OK) {
        if (*n_out == max) {
            st = lm_fail(r->err, LM_ERR_LIMIT, "too_many", "", "数据表太多。", "Too many tables.");
            break;
        }
        ns_column_text(q, 0, out[(*n_out)++], NAME_MAX_BYTES);
    }
    (void)sqlite3_finalize(q);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

/* "a","b": the columns that both have. A newer catalogue's columns stay empty until the hub sends
 * their values again. */
static enum lm_status columns_of(struct restore *r, const char *table, char *out, size_t n)
{
    char sql[512];
    sqlite3_stmt *q = NULL;
    size_t at = 0;
    enum lm_status st;

    (void)snprintf(sql, sizeof sql,
                   "SELECT name FROM pragma_table_info('%s','main') INTERSECT "
                   "SELECT name FROM pragma_table_info('%s','old')",
                   table, table);
    st = lm_db_prepare(r->s->db, sql, &q, r->err);
    while (st == LM_OK && (st = ns_row(r->s, q, "read the columns", r->err)) == LM_OK) {
        char name[NAME_MAX_BYTES];

        ns_column_text(q, 0, name, sizeof name);
        if (at + strlen(name) + 4 > n) {
            st = lm_fail(r->err, LM_ERR_LIMIT, "too_many", "", "数据表的列太多。",
                         "Too many columns.");
            break;
        }
        at += (size_t)snprintf(out + at, n - at, "%s\"%s\"", at ? "," : "", name);
    }
    (void)sqlite3_finalize(q);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

static enum lm_status replace_table(struct restore *r, const char *table)
{
    char columns[COLUMNS_BYTES_MAX] = "";
    char *sql;
    enum lm_status st = columns_of(r, table, columns, sizeof columns);

    if (st == LM_OK && !grows_only(table)) {
        sql = sqlite3_mprintf("DELETE FROM main.\"%w\"", table);
        st = sql ? run(r, sql) : LM_ERR_MEMORY;
        sqlite3_free(sql);
    }
    if (st == LM_OK && columns[0]) {
        sql = sqlite3_mprintf("INSERT OR IGNORE INTO main.\"%w\"(%s) SELECT %s FROM old.\"%w\"",
                              table, columns, columns, table);
        st = sql ? run(r, sql) : LM_ERR_MEMORY;
        sqlite3_free(sql);
    }
    return st;
}

static enum lm_status replace_all(struct restore *r)
{
    static const char tables[] =
        "SELECT name FROM main.sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite~_%' "
        "ESCAPE '~' AND name IN (SELECT name FROM old.sqlite_master WHERE type='table') "
        "AND (name <> 'accounts' OR NOT EXISTS (SELECT 1 FROM main.accounts))";
    char *names[TABLES_MAX], *memory = calloc(TABLES_MAX, NAME_MAX_BYTES);
    size_t n = 0;
    enum lm_status st;

    if (!memory) {
        return lm_fail(r->err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    for (size_t i = 0; i < TABLES_MAX; i++) {
        names[i] = memory + i * NAME_MAX_BYTES;
    }
    st = read_names(r, tables, names, TABLES_MAX, &n);
    for (size_t i = 0; i < n && st == LM_OK; i++) {
        st = replace_table(r, names[i]);
    }
    free(memory);
    return st;
}

/* What must not go back although the rest does. */
enum lm_status ns_keep_highest(struct lm_nstore *s, const struct lm_me *b, struct lm_error *err)
{
    sqlite3_stmt *q = NULL;
    enum lm_status st =
        lm_db_prepare(s->db,
                      "UPDATE me SET hlc = max(hlc, ?1), "
                      "seen_hash = CASE WHEN ?2 > seen_pos THEN ?3 ELSE seen_hash END, "
                      "seen_pos = max(seen_pos, ?2), "
                      "inc_random = CASE WHEN ?4 > inc_counter THEN ?5 ELSE inc_random END, "
                      "proof_pos = CASE WHEN ?4 > inc_counter THEN ?6 ELSE proof_pos END, "
                      "proof_hash = CASE WHEN ?4 > inc_counter THEN ?7 ELSE proof_hash END, "
                      "proof_sig = CASE WHEN ?4 > inc_counter THEN ?8 ELSE proof_sig END, "
                      "inc_counter = max(inc_counter, ?4)",
                      &q, err);

    if (st != LM_OK) {
        return st;
    }
    ns_bind_u64(q, 1, b->hlc);
    ns_bind_u64(q, 2, b->seen.position);
    ns_bind_blob(q, 3, b->seen.hash, LM_HASH_BYTES);
    ns_bind_u64(q, 4, b->incarnation.counter);
    ns_bind_u64(q, 5, b->incarnation.random);
    ns_bind_u64(q, 6, b->proof.mark.position); /* signed for its incarnation only */
    ns_bind_blob(q, 7, b->proof.mark.hash, LM_HASH_BYTES);
    ns_bind_blob(q, 8, b->proof.signature, sizeof b->proof.signature);
    st = ns_run(s, q, "keep what was seen", err);
    (void)sqlite3_finalize(q);
    /* A copy from before the hub changed its key would hold this PC to the former one. */
    return st == LM_OK && b->hub_pinned ? lm_nstore_pin(s, b->hub_kit, &b->hub_pins, err) : st;
}

/* One change of this PC that the backup lacks: its effect on the record, and its place in the log.
 * What cannot be applied here (its record came from the hub, or its type is not known) is in the
 * log all the same; the hub has the record, and sends it. */
static enum lm_status repeat(struct restore *r, struct lm_me *me, const struct lm_change *change,
                             const uint8_t *body, size_t n, struct lm_arena *arena)
{
    const struct lm_merge_author author = {
        .replica = me->replica, .by = LM_BY_VILLAGE, .station = me->station};
    const struct lm_type *type = lm_catalog_type(r->s->catalog, change->type);
    struct lm_record *current = NULL, *after = NULL;
    struct lm_lookup lookup = lm_tables_lookup(r->s->tables);
    struct lm_fieldset set;
    struct lm_issues issues;
    enum lm_status st = LM_ERR_INVALID;

    memset(&set, 0, sizeof set);
    lm_issues_init(&issues);
    if (type) {
        st = lm_fields_check(r->s->catalog, type, &change->fields, arena, &set, &issues);
    }
    if (st == LM_OK) {
        st = lm_tables_get(r->s->tables, arena, type, change->id, &current);
        st = st == LM_ERR_NOT_FOUND ? LM_OK : st;
    }
    if (st == LM_OK) {
        st = lm_change_apply_local(r->s->catalog, change->op == LM_OP_CREATE ? NULL : current,
                                   change, &set, author, arena, &after);
    }
    if (st == LM_OK) {
        st =
            lm_compute(r->s->catalog, after, change->op == LM_OP_CREATE, me->level, &lookup, arena);
    }
    if (st == LM_OK) {
        after->position = current ? current->position : 0;
        st = lm_tables_put(r->s->tables, after, current == NULL, r->err);
    } else if (st == LM_ERR_INVALID || st == LM_ERR_LIMIT) {
        lm_log(LM_LOG_WARN, "store", "a change of %s is repeated in the log only", change->id);
        st = LM_OK;
    }
    return st == LM_OK ? lm_nstore_append(r->s, me, change, body, n, r->err) : st;
}

static enum lm_status repeat_all(struct restore *r)
{
    struct lm_arena arena;
    struct lm_change change;
    struct lm_me me;
    sqlite3_stmt *q = NULL;
    enum lm_status st = lm_nstore_me(r->s, &me, r->err);

    lm_arena_init(&arena, NS_RECORD_ARENA_BYTES);
    if (st == LM_OK) {
        st = lm_db_prepare(r->s->db, "SELECT body FROM temp.since ORDER BY hlc", &q, r->err);
    }
    while (st == LM_OK && (st = ns_row(r->s, q, "read what was entered since", r->err)) == LM_OK) {
        const uint8_t *body = sqlite3_column_blob(q, 0);
        size_t n = (size_t)sqlite3_column_bytes(q, 0);

        lm_arena_reset(&arena);
        st = lm_change_read(body, n, &arena, &change, r->err);
        if (st == LM_OK) {
            st = repeat(r, &me, &change, body, n, &arena);
            r->done->repeated++;
        }
        if (st == LM_ERR_NOT_FOUND) {
            st = LM_ERR_INTERNAL;
        }
    }
    (void)sqlite3_finalize(q);
    lm_arena_free(&arena);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

enum lm_status ns_repeat_since(struct lm_nstore *s, struct lm_restore_done *done,
                               struct lm_error *err)
{
    struct restore r = {.s = s, .done = done, .err = err};

    return repeat_all(&r);
}

/* What is in the log here and not in the backup's, each change once. */
static const char since[] =
    "DROP TABLE IF EXISTS temp.since;"
    "CREATE TEMP TABLE since AS SELECT o.hlc AS hlc, o.body AS body FROM main.outbox AS o "
    "WHERE NOT EXISTS (SELECT 1 FROM old.outbox AS p WHERE p.hlc = o.hlc AND p.body = o.body) "
    "GROUP BY o.hlc, o.body";

static enum lm_status swap(struct restore *r)
{
    enum lm_status st = lm_nstore_begin(r->s, r->err);

    if (st != LM_OK) {
        return st;
    }
    st = lm_nstore_me(r->s, &r->before, r->err);
    if (st == LM_OK) {
        st = run(r, since);
    }
    if (st == LM_OK) {
        st = replace_all(r);
    }
    if (st == LM_OK) {
        st = ns_keep_highest(r->s, &r->before, r->err);
    }
    if (st == LM_OK) {
        st = ns_catalog_refresh(r->s, r->err);
    }
    if (st == LM_OK) {
        st = ns_town_accounts_all(r->s, r->err);
    }
    if (st == LM_OK) {
        st = repeat_all(r);
    }
    if (st == LM_OK) {
        st = lm_nstore_commit(r->s, r->err);
    }
    lm_nstore_rollback(r->s);
    return st;
}

/* The database as it is, under a dated name. */
static enum lm_status set_aside(struct lm_nstore *store, const struct lm_datadir *dir,
                                int64_t now_ms, char name[LM_STAGED_NAME], struct lm_error *err)
{
    time_t seconds = (time_t)(now_ms / 1000);
    char path[PATH_MAX], at[32] = "";
    uint64_t bytes = 0;
    struct tm tm;

    if (!gmtime_r(&seconds, &tm) || strftime(at, sizeof at, "%Y%m%dT%H%M%SZ", &tm) == 0) {
        (void)snprintf(at, sizeof at, "%" PRId64, now_ms);
    }
    for (int i = 0; i < 1000; i++) {
        enum lm_status st;

        (void)snprintf(name, LM_STAGED_NAME,
                       i ? "node.db.before-restore-%s-%d" : "node.db.before-restore-%s", at, i + 1);
        if (lm_datadir_path(dir, name, path, sizeof path) != LM_OK) {
            break;
        }
        st = lm_db_backup(store->db, path, check_copy, NULL, &bytes, err);
        if (st != LM_ERR_EXISTS) {
            return st;
        }
    }
    return lm_fail(err, LM_ERR_IO, "io_error", "", "数据目录里放不下旧数据库的名字。",
                   "There is no free name for the old database.");
}

enum lm_status ns_make_ours(struct lm_nstore *old, uint64_t replica, const char *station,
                            struct lm_restore_done *done, struct lm_error *err)
{
    struct lm_me there;
    uint64_t carried = 0;
    enum lm_status st = check_outbox(old, err);

    if (st == LM_OK) {
        st = lm_nstore_me(old, &there, err);
    }
    if (st == LM_OK && strcmp(station, there.station) != 0) {
        st =
            lm_fail(err, LM_ERR_DENIED, "other_station", "",
                    "这份备份是 %s（%s）的，本机是 %s，不能恢复到本机。",
                    "The backup is of %s (%s); this PC is %s.", there.name, there.station, station);
    }
    if (st == LM_OK && replica != there.replica) {
        done->other_pc = true;
        done->other_replica = there.replica;
        st = lm_nstore_renew(old, replica, &carried, err);
    }
    return st;
}

static enum lm_status make_ours(struct lm_nstore *store, const char *directory,
                                struct lm_restore_done *done, struct lm_error *err)
{
    struct lm_nstore *old = NULL;
    struct lm_me here;
    enum lm_status st = lm_nstore_me(store, &here, err);

    if (st == LM_OK) {
        st = open_beside(store, directory, &old, err);
    }
    if (st == LM_OK) {
        st = ns_make_ours(old, here.replica, here.station, done, err);
    }
    lm_nstore_close(&old);
    return st;
}

enum lm_status lm_nstore_restore(struct lm_nstore *store, const struct lm_datadir *dir,
                                 const char *staged, int64_t now_ms, struct lm_restore_done *done,
                                 struct lm_error *err)
{
    struct restore r = {.s = store, .done = done, .err = err};
    char directory[PATH_MAX];
    char *attach;
    enum lm_status st;

    memset(done, 0, sizeof *done);
    if (strncmp(staged, "restore-", 8) != 0 || strchr(staged, '/') ||
        lm_datadir_path(dir, staged, directory, sizeof directory) != LM_OK) {
        return lm_fail(err, LM_ERR_INVALID, "not_staged", "", "没有准备好的恢复数据：%.80s",
                       "No restore has been prepared under this name: %.80s", staged);
    }
    st = make_ours(store, directory, done, err);
    if (st == LM_OK) {
        st = set_aside(store, dir, now_ms, done->aside, err);
        done->damaged = st == LM_ERR_CORRUPT; /* no whole copy of it can be made */
    }
    if (st != LM_OK) {
        return st;
    }
    attach = sqlite3_mprintf("ATTACH DATABASE %Q || '/node.db' AS old", directory);
    st = attach ? run(&r, attach) : LM_ERR_MEMORY;
    sqlite3_free(attach);
    if (st == LM_OK) {
        struct lm_error ignored;

        st = swap(&r);
        (void)!lm_db_exec(store->db, "DROP TABLE IF EXISTS temp.since", &ignored);
        (void)!lm_db_exec(store->db, "DETACH DATABASE old", &ignored);
    }
    return st;
}
