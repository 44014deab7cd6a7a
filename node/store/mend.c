/* A restore over a database that is damaged: the backup becomes this PC's database, with the
 * changes that can still be read out of the damaged file; that file is set aside under another
 * name.
 *
 * All of it is put together in the folder where the backup was staged, and takes the place of the
 * damaged file by one rename: a crash before leaves things as they were, and it is run again.
 *
 * A change that is read is believed as much as one that SQLite reads: its bytes are a change of the
 * record, type and HLC that its row names, and where the change before it is known, the chain's
 * hash must fit. What cannot be read is counted as far as the log's numbers tell. */
#include "node/store/store_internal.h"

#include "common/base/log.h"
#include "node/store/damaged.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Exports since the backup are not known: their replies must not be taken for those of later ones.
 */
#define EXPORTS_SKIPPED "1000"

struct mend {
    struct lm_nstore *s; /* the staged backup */
    uint64_t replica;
    struct lm_arena arena;
    struct lm_restore_done *done;
    struct lm_error *err;
};

static enum lm_status run(struct mend *m, const char *sql)
{
    return lm_db_exec(m->s->db, sql, m->err);
}

/* One number of one row. */
static enum lm_status read_number(struct mend *m, const char *sql, uint64_t *out)
{
    sqlite3_stmt *q = NULL;
    enum lm_status st = lm_db_prepare(m->s->db, sql, &q, m->err);

    *out = 0;
    if (st == LM_OK) {
        st = ns_row(m->s, q, "count", m->err);
    }
    if (st == LM_OK) {
        *out = ns_column_u64(q, 0);
    }
    (void)sqlite3_finalize(q);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

/* ---- what can be read ---- */

static enum lm_status keep_row(void *arg, const struct ns_raw_row *row)
{
    struct mend *m = arg;
    struct lm_change change;
    struct lm_error ignored;
    sqlite3_stmt *q = NULL;
    enum lm_status st;

    lm_arena_reset(&m->arena);
    if (lm_change_read(row->body, row->len, &m->arena, &change, &ignored) != LM_OK ||
        strcmp(change.id, row->record) != 0 || strcmp(change.type, row->type) != 0 ||
        change.hlc != row->hlc) {
        return LM_OK;
    }
    st = lm_db_prepare(m->s->db,
                       "INSERT OR IGNORE INTO temp.found(branch, seq, hash, hlc, body) "
                       "VALUES(?1, ?2, ?3, ?4, ?5)",
                       &q, m->err);
    if (st == LM_OK) {
        ns_bind_u64(q, 1, row->branch);
        ns_bind_u64(q, 2, row->seq);
        ns_bind_blob(q, 3, row->hash, LM_HASH_BYTES);
        ns_bind_u64(q, 4, row->hlc);
        ns_bind_blob(q, 5, row->body, row->len);
        st = ns_run(m->s, q, "keep what was read", m->err);
    }
    (void)sqlite3_finalize(q);
    return st;
}

/* Whether the chain goes on with this row: 1 yes, 0 no, -1 what stood before it is not known. */
static enum lm_status judge(struct mend *m, sqlite3_stmt *before, uint64_t branch, uint64_t seq,
                            const uint8_t *body, size_t n, const uint8_t *hash, int *out)
{
    uint8_t next[LM_HASH_BYTES], start[LM_HASH_BYTES];
    enum lm_status st;

    *out = -1;
    if (seq == 1) { /* of a number that this PC had before, its chain begins otherwise */
        lm_chain_start(m->replica, branch, start);
        lm_chain_next(start, body, n, next);
        *out = memcmp(next, hash, sizeof next) == 0 ? 1 : -1;
        return LM_OK;
    }
    (void)sqlite3_reset(before);
    ns_bind_u64(before, 1, branch);
    ns_bind_u64(before, 2, seq - 1);
    while ((st = ns_row(m->s, before, "read what was found", m->err)) == LM_OK) {
        ns_column_hash(before, 0, start);
        lm_chain_next(start, body, n, next);
        if (memcmp(next, hash, sizeof next) == 0) {
            *out = 1;
            (void)sqlite3_reset(before);
            return LM_OK;
        }
        *out = 0;
    }
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

/* Of rows in one place at most one is the log's: marks what is believed. */
static enum lm_status judge_all(struct mend *m)
{
    sqlite3_stmt *q = NULL, *before = NULL, *put = NULL;
    enum lm_status st = lm_db_prepare(
        m->s->db, "SELECT rowid, branch, seq, body, hash FROM temp.found", &q, m->err);

    if (st == LM_OK) {
        st = lm_db_prepare(m->s->db,
                           "SELECT hash FROM temp.found WHERE branch = ?1 AND seq = ?2 UNION "
                           "SELECT hash FROM main.outbox WHERE branch = ?1 AND seq = ?2",
                           &before, m->err);
    }
    if (st == LM_OK) {
        st = lm_db_prepare(m->s->db, "UPDATE temp.found SET good = ?2 WHERE rowid = ?1", &put,
                           m->err);
    }
    while (st == LM_OK && (st = ns_row(m->s, q, "read what was found", m->err)) == LM_OK) {
        uint8_t hash[LM_HASH_BYTES];
        int good;

        ns_column_hash(q, 4, hash);
        st = judge(m, before, ns_column_u64(q, 1), ns_column_u64(q, 2), sqlite3_column_blob(q, 3),
                   (size_t)sqlite3_column_bytes(q, 3), hash, &good);
        if (st == LM_OK && good != 0) {
            (void)sqlite3_reset(put);
            ns_bind_u64(put, 1, ns_column_u64(q, 0));
            (void)sqlite3_bind_int(put, 2, good > 0 ? 2 : 1);
            st = ns_run(m->s, put, "mark what was found", m->err);
        }
    }
    (void)sqlite3_finalize(q);
    (void)sqlite3_finalize(before);
    (void)sqlite3_finalize(put);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

/* Numbers of the log that are neither in the backup nor were read, up to the highest known. */
static enum lm_status count_lost(struct mend *m, const struct lm_me *known)
{
    enum lm_status st = LM_OK;
    char sql[160];

    if (known) { /* its head is the end of the log */
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO temp.places(branch, seq, there) VALUES(%" PRIu64 ", %" PRIu64
                       ", 0)",
                       known->branch, known->head.seq);
        st = run(m, sql);
    }
    return st == LM_OK
               ? read_number(m,
                             "SELECT coalesce(sum(top - n), 0) FROM (SELECT max(seq) AS top, "
                             "count(DISTINCT CASE there WHEN 1 THEN seq END) AS n FROM temp.places "
                             "GROUP BY branch)",
                             &m->done->lost)
               : st;
}

static const char prepare[] =
    "DROP TABLE IF EXISTS temp.found; DROP TABLE IF EXISTS temp.places;"
    "CREATE TEMP TABLE found(branch INTEGER, seq INTEGER, hash BLOB, hlc INTEGER, body BLOB,"
    " good INTEGER NOT NULL DEFAULT 0, UNIQUE(branch, seq, hash, body));"
    "CREATE TEMP TABLE places(branch INTEGER, seq INTEGER, there INTEGER)";

/* A row whose predecessor is not known gives way to one in the same place whose is. */
static const char choose[] =
    "DELETE FROM temp.found AS f WHERE good = 0 OR (good = 1 AND EXISTS (SELECT 1 FROM temp.found "
    "AS g WHERE g.branch = f.branch AND g.seq = f.seq AND g.good = 2));"
    "INSERT INTO temp.places(branch, seq, there) SELECT branch, seq, 1 FROM temp.found UNION "
    "SELECT branch, seq, 1 FROM main.outbox;"
    "DROP TABLE IF EXISTS temp.since;"
    "CREATE TEMP TABLE since AS SELECT f.hlc AS hlc, f.body AS body FROM temp.found AS f WHERE NOT "
    "EXISTS (SELECT 1 FROM main.outbox AS p WHERE p.hlc = f.hlc AND p.body = f.body) GROUP BY "
    "f.hlc, f.body";

static const char skip_exports[] =
    "INSERT INTO exports(number, branch, lease_counter, lease_random, inc_counter, inc_random, "
    "seen_pos, seen_hash, cursor_pos, cursor_id, made_ms, taken) SELECT "
    "(SELECT coalesce(max(number), 0) FROM exports) + " EXPORTS_SKIPPED ", branch, 0, "
    "0, 0, 0, 0, zeroblob(32), 0, '', 0, 2 FROM me";

static enum lm_status take_what_is_left(struct mend *m, const char *path, const struct lm_me *known)
{
    uint64_t page_bytes = 0;
    enum lm_status st = read_number(m, "PRAGMA page_size", &page_bytes);

    if (st == LM_OK) {
        st = lm_nstore_begin(m->s, m->err);
    }
    if (st == LM_OK) {
        st = run(m, prepare);
    }
    if (st == LM_OK) {
        st = ns_damaged_rows(path, (size_t)page_bytes, keep_row, m);
    }
    if (st == LM_OK) {
        st = judge_all(m);
    }
    if (st == LM_OK) {
        st = run(m, choose);
    }
    if (st == LM_OK) {
        st = count_lost(m, known);
    }
    if (st == LM_OK && known) {
        st = ns_keep_highest(m->s, known, m->err);
    }
    if (st == LM_OK) {
        st = run(m, skip_exports);
    }
    if (st == LM_OK) {
        st = ns_repeat_since(m->s, m->done, m->err);
    }
    if (st == LM_OK) {
        st = lm_nstore_commit(m->s, m->err);
    }
    lm_nstore_rollback(m->s);
    return st;
}

/* ---- the files ---- */

static enum lm_status io_error(struct lm_error *err, const char *path)
{
    return lm_fail(err, errno == ENOSPC ? LM_ERR_FULL : LM_ERR_IO, "io_error", "",
                   "数据目录里的文件 %s 动不了（%s）。", "The file %s cannot be moved (%s).", path,
                   strerror(errno));
}

/* A name that nothing has, and whose log's name nothing has. */
static enum lm_status free_name(const struct lm_datadir *dir, int64_t now_ms,
                                char name[LM_STAGED_NAME], char path[PATH_MAX],
                                struct lm_error *err)
{
    time_t seconds = (time_t)(now_ms / 1000);
    char at[32] = "", wal[PATH_MAX + 8];
    struct tm tm;

    if (!gmtime_r(&seconds, &tm) || strftime(at, sizeof at, "%Y%m%dT%H%M%SZ", &tm) == 0) {
        (void)snprintf(at, sizeof at, "%" PRId64, now_ms);
    }
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, LM_STAGED_NAME, i ? "node.db.damaged-%s-%d" : "node.db.damaged-%s", at,
                       i + 1);
        if (lm_datadir_path(dir, name, path, PATH_MAX) != LM_OK) {
            break;
        }
        (void)snprintf(wal, sizeof wal, "%s-wal", path);
        if (access(path, F_OK) != 0 && access(wal, F_OK) != 0) {
            return LM_OK;
        }
    }
    return lm_fail(err, LM_ERR_IO, "io_error", "", "数据目录里放不下旧数据库的名字。",
                   "There is no free name for the old database.");
}

/* The mended database in the damaged one's place. The log must not be there when the new file is:
 * SQLite would put its pages into it. */
static enum lm_status change_places(const struct lm_datadir *dir, const char *mended,
                                    int64_t now_ms, struct lm_restore_done *done,
                                    struct lm_error *err)
{
    char place[PATH_MAX], aside[PATH_MAX], from[PATH_MAX + 8], to[PATH_MAX + 8];
    struct stat info;
    enum lm_status st = lm_datadir_path(dir, "node.db", place, sizeof place);

    if (st == LM_OK) {
        st = free_name(dir, now_ms, done->aside, aside, err);
    }
    if (st == LM_OK) {
        st = lm_db_sync_file(mended, err);
    }
    if (st != LM_OK) {
        return st;
    }
    if (stat(place, &info) != 0) {
        done->aside[0] = '\0'; /* there was none */
    } else if (link(place, aside) != 0) {
        return io_error(err, place);
    }
    (void)snprintf(from, sizeof from, "%s-wal", place);
    (void)snprintf(to, sizeof to, "%s-wal", aside);
    if (rename(from, to) != 0 && errno != ENOENT) {
        return io_error(err, from);
    }
    (void)snprintf(from, sizeof from, "%s-shm", place);
    (void)unlink(from);
    if (rename(mended, place) != 0) {
        return io_error(err, mended);
    }
    return lm_db_sync_directory_of(place, err);
}

bool lm_nstore_header_is_whole(const struct lm_datadir *dir)
{
    char path[PATH_MAX];

    return lm_datadir_path(dir, "node.db", path, sizeof path) == LM_OK &&
           ns_header_is_whole(path, LM_APP_NODE);
}

enum lm_status lm_nstore_check(struct lm_nstore *store, struct lm_error *err)
{
    return lm_db_check(store->db, err);
}

enum lm_status lm_nstore_mend(const struct lm_datadir *dir, const struct lm_catalog *embedded,
                              const char *staged, uint64_t replica, const char *station,
                              const struct lm_me *known, int64_t now_ms,
                              struct lm_restore_done *done, struct lm_error *err)
{
    struct mend m = {.replica = replica, .done = done, .err = err};
    char path[PATH_MAX], mended[PATH_MAX + 16];
    struct lm_datadir folder = {.lock_fd = -1};
    enum lm_status st;

    memset(done, 0, sizeof *done);
    done->damaged = true;
    done->end_known = known != NULL;
    lm_arena_init(&m.arena, NS_RECORD_ARENA_BYTES);
    st = lm_datadir_path(dir, "node.db", path, sizeof path);
    if (st == LM_OK) {
        st = lm_datadir_path(dir, staged, folder.path, sizeof folder.path);
    }
    if (st == LM_OK) {
        st = lm_nstore_open(&folder, embedded, false, &m.s, err);
    }
    if (st == LM_OK) {
        st = ns_make_ours(m.s, replica, station, done, err);
    }
    if (st == LM_OK) {
        st = take_what_is_left(&m, path, known);
    }
    lm_nstore_close(&m.s); /* the last one to close it: what is in the log goes into the file */
    lm_arena_free(&m.arena);
    if (st == LM_OK) {
        char wal[PATH_MAX + 32];

        (void)snprintf(mended, sizeof mended, "%s/node.db", folder.path);
        (void)snprintf(wal, sizeof wal, "%s-wal", mended);
        st = access(wal, F_OK) == 0 ? io_error(err, wal)
                                    : change_places(dir, mended, now_ms, done, err);
    }
    if (st != LM_OK && !err->code[0]) {
        (void)lm_fail(err, st, lm_status_name(st), "", "恢复没有完成，原来的文件没有动。",
                      "The restore did not finish; the files are as they were.");
    }
    return st;
}
