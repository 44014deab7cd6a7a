/* See hub/audit.h. The hash of a row: BLAKE2b-256 over the hash before and the row as compact JSON
 * [n, at_ms, user, role, what, object, reason, detail]. */
#include "hub/audit.h"

#include "common/base/util.h"
#include "common/db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char first[] = "CREATE TABLE audit("
                            "  n INTEGER PRIMARY KEY,"
                            "  at_ms INTEGER NOT NULL,"
                            "  user TEXT NOT NULL,"
                            "  role TEXT NOT NULL,"
                            "  what TEXT NOT NULL,"
                            "  object TEXT NOT NULL,"
                            "  reason TEXT NOT NULL,"
                            "  detail TEXT NOT NULL,"
                            "  hash BLOB NOT NULL) STRICT;"
                            "CREATE INDEX audit_user ON audit(user, n);"
                            "CREATE INDEX audit_what ON audit(what, n);"
                            "CREATE TABLE failures("
                            "  user TEXT PRIMARY KEY,"
                            "  n INTEGER NOT NULL,"
                            "  at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;";
static const struct lm_migration migrations[] = {{first}};

struct lm_audit {
    struct lm_db *db;
    sqlite3 *sql;
    int64_t last;                /* number of the newest row */
    uint8_t hash[LM_HASH_BYTES]; /* its hash; zeros before the first */
};

static enum lm_status run(struct lm_audit *audit, sqlite3_stmt *stmt, struct lm_error *err)
{
    int rc = sqlite3_step(stmt);
    enum lm_status status = lm_db_status(audit->db, rc, "write the audit log", err);

    (void)sqlite3_finalize(stmt);
    return status;
}

static void bind(sqlite3_stmt *stmt, int index, const char *text)
{
    (void)sqlite3_bind_text(stmt, index, text ? text : "", -1, SQLITE_TRANSIENT);
}

static const char *column(sqlite3_stmt *stmt, int index)
{
    const unsigned char *text = sqlite3_column_text(stmt, index);

    return text ? (const char *)text : "";
}

static enum lm_status read_last(struct lm_audit *audit, struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum lm_status status =
        lm_db_prepare(audit->db, "SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1", &stmt, err);

    if (status == LM_OK && sqlite3_step(stmt) == SQLITE_ROW &&
        sqlite3_column_bytes(stmt, 1) == LM_HASH_BYTES) {
        audit->last = sqlite3_column_int64(stmt, 0);
        memcpy(audit->hash, sqlite3_column_blob(stmt, 1), LM_HASH_BYTES);
    }
    (void)sqlite3_finalize(stmt);
    return status;
}

enum lm_status lm_audit_open(const struct lm_datadir *dir, struct lm_audit **out,
                             struct lm_error *err)
{
    char path[PATH_MAX];
    struct lm_audit *audit = calloc(1, sizeof *audit);
    enum lm_status status =
        audit ? lm_datadir_path(dir, "audit.db", path, sizeof path)
              : lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    const struct lm_db_options options = {.path = path,
                                          .application_id = LM_APP_AUDIT,
                                          .migrations = migrations,
                                          .n_migrations = 1,
                                          .create = true,
                                          .cache_kib = 512};

    *out = NULL;
    if (status == LM_OK) {
        status = lm_db_open(&options, &audit->db, err);
    }
    if (status == LM_OK) {
        audit->sql = lm_db_handle(audit->db);
        status = read_last(audit, err);
    }
    if (status != LM_OK) {
        lm_audit_close(&audit);
    }
    *out = audit;
    return status;
}

void lm_audit_close(struct lm_audit **audit)
{
    if (*audit) {
        lm_db_close(&(*audit)->db);
        free(*audit);
        *audit = NULL;
    }
}

/* At most LM_AUDIT_TEXT_MAX characters of it, in out. */
static const char *cut(const char *text, char out[4 * LM_AUDIT_TEXT_MAX + 1])
{
    size_t n = 0, chars = 0;

    for (; text && text[n]; n++) {
        if (((unsigned char)text[n] & 0xc0) != 0x80 && chars++ == LM_AUDIT_TEXT_MAX) {
            break;
        }
        out[n] = text[n];
    }
    out[n] = '\0';
    return out;
}

static bool row_hash(const uint8_t before[LM_HASH_BYTES], int64_t n, int64_t at_ms,
                     const char *const texts[6], uint8_t out[LM_HASH_BYTES])
{
    json_t *row = json_pack("[I,I,s,s,s,s,s,s]", (json_int_t)n, (json_int_t)at_ms, texts[0],
                            texts[1], texts[2], texts[3], texts[4], texts[5]);
    char *text = row ? json_dumps(row, JSON_COMPACT) : NULL;

    if (text) {
        lm_hash(out, before, LM_HASH_BYTES, text, strlen(text), NULL, 0);
    }
    json_decref(row);
    free(text);
    return text != NULL;
}

enum lm_status lm_audit_add(struct lm_audit *audit, const struct lm_audit_entry *e,
                            struct lm_error *err)
{
    char object[4 * LM_AUDIT_TEXT_MAX + 1], reason[4 * LM_AUDIT_TEXT_MAX + 1],
        detail[4 * LM_AUDIT_TEXT_MAX + 1];
    const char *const texts[6] = {
        e->user ? e->user : "", e->role ? e->role : "", e->what,
        cut(e->object, object), cut(e->reason, reason), cut(e->detail, detail)};
    uint8_t hash[LM_HASH_BYTES];
    sqlite3_stmt *stmt = NULL;
    enum lm_status status;

    /* A command may have written since: the chain goes on behind the newest row. */
    status = lm_db_begin(audit->db, err);
    if (status == LM_OK) {
        status = read_last(audit, err);
    }
    if (status == LM_OK && !row_hash(audit->hash, audit->last + 1, e->at_ms, texts, hash)) {
        status = lm_fail(err, LM_ERR_INVALID, "bad_text", "", "里面有不能用的字符。",
                         "It has characters that cannot be used.");
    }
    if (status == LM_OK) {
        status = lm_db_prepare(audit->db, "INSERT INTO audit VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)",
                               &stmt, err);
    }
    if (status != LM_OK) {
        lm_db_rollback(audit->db);
        return status;
    }
    (void)sqlite3_bind_int64(stmt, 1, audit->last + 1);
    (void)sqlite3_bind_int64(stmt, 2, e->at_ms);
    for (int i = 0; i < 6; i++) {
        bind(stmt, 3 + i, texts[i]);
    }
    (void)sqlite3_bind_blob(stmt, 9, hash, sizeof hash, SQLITE_STATIC);
    status = run(audit, stmt, err);
    if (status == LM_OK) {
        status = lm_db_commit(audit->db, err);
    }
    lm_db_rollback(audit->db);
    return status;
}

enum lm_status lm_audit_head(struct lm_audit *audit, int64_t *n_out, uint8_t hash[LM_HASH_BYTES],
                             struct lm_error *err)
{
    enum lm_status status = read_last(audit, err);

    *n_out = audit->last;
    memcpy(hash, audit->hash, LM_HASH_BYTES);
    return status;
}

static enum lm_status hash_of(struct lm_audit *audit, const char *sql, int64_t n,
                              uint8_t hash[LM_HASH_BYTES], int64_t *n_out, struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum lm_status status = lm_db_prepare(audit->db, sql, &stmt, err);
    int rc = SQLITE_DONE;

    memset(hash, 0, LM_HASH_BYTES);
    *n_out = 0;
    if (status == LM_OK) {
        (void)sqlite3_bind_int64(stmt, 1, n);
        rc = sqlite3_step(stmt);
        status = lm_db_status(audit->db, rc, "read the audit log", err);
    }
    if (status == LM_OK && rc == SQLITE_ROW) {
        *n_out = sqlite3_column_int64(stmt, 0);
        if (sqlite3_column_bytes(stmt, 1) == LM_HASH_BYTES) {
            memcpy(hash, sqlite3_column_blob(stmt, 1), LM_HASH_BYTES);
        }
    }
    (void)sqlite3_finalize(stmt);
    return status;
}

enum lm_status lm_audit_hash_at(struct lm_audit *audit, int64_t n, uint8_t hash[LM_HASH_BYTES],
                                struct lm_error *err)
{
    int64_t found = 0;
    enum lm_status status =
        hash_of(audit, "SELECT n, hash FROM audit WHERE n = ?1", n, hash, &found, err);

    return status == LM_OK && found != n ? LM_ERR_NOT_FOUND : status;
}

/* ---- what a backup holds of it ---- */

#define COLUMNS "n,at_ms,user,role,what,object,reason,detail,hash"

/* The rows that are here go behind the backup's, each with its time and words. */
static enum lm_status behind(struct lm_audit *audit, struct lm_error *err)
{
    sqlite3_stmt *from = NULL, *to = NULL;
    enum lm_status status =
        lm_db_exec(audit->db,
                   "CREATE TEMP TABLE own AS SELECT * FROM main.audit;"
                   "DELETE FROM main.audit;"
                   "INSERT INTO main.audit(" COLUMNS ") SELECT " COLUMNS " FROM kept.audit_kept",
                   err);
    int rc = SQLITE_DONE;

    status = status == LM_OK ? read_last(audit, err) : status;
    if (status == LM_OK) {
        status =
            lm_db_prepare(audit->db, "SELECT " COLUMNS " FROM temp.own ORDER BY n", &from, err);
    }
    if (status == LM_OK) {
        status = lm_db_prepare(
            audit->db, "INSERT INTO main.audit VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)", &to, err);
    }
    while (status == LM_OK && (rc = sqlite3_step(from)) == SQLITE_ROW) {
        const char *texts[6];

        for (int i = 0; i < 6; i++) {
            texts[i] = column(from, 2 + i);
        }
        if (!row_hash(audit->hash, audit->last + 1, sqlite3_column_int64(from, 1), texts,
                      audit->hash)) {
            status = lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
            break;
        }
        (void)sqlite3_bind_int64(to, 1, ++audit->last);
        (void)sqlite3_bind_int64(to, 2, sqlite3_column_int64(from, 1));
        for (int i = 0; i < 6; i++) {
            bind(to, 3 + i, texts[i]);
        }
        (void)sqlite3_bind_blob(to, 9, audit->hash, LM_HASH_BYTES, SQLITE_TRANSIENT);
        status = lm_db_status(audit->db, sqlite3_step(to), "write the audit log", err);
        (void)sqlite3_reset(to);
    }
    if (status == LM_OK) {
        status = lm_db_status(audit->db, rc, "read the audit log", err);
    }
    (void)sqlite3_finalize(from);
    (void)sqlite3_finalize(to);
    return status == LM_OK ? lm_db_exec(audit->db, "DROP TABLE temp.own", err) : status;
}

static enum lm_status join_attached(struct lm_audit *audit, int64_t *taken_out,
                                    struct lm_error *err)
{
    uint8_t newest[LM_HASH_BYTES], same[LM_HASH_BYTES];
    int64_t kept = 0, at = 0, here;
    enum lm_status status = read_last(audit, err);

    here = audit->last;
    if (status == LM_OK) {
        status = hash_of(audit, "SELECT n, hash FROM kept.audit_kept ORDER BY n DESC LIMIT 1", 0,
                         newest, &kept, err);
    }
    if (status == LM_OK && kept > here) {
        status = hash_of(audit, "SELECT n, hash FROM kept.audit_kept WHERE n = ?1", here, same, &at,
                         err);
        if (status == LM_OK && (here == 0 || memcmp(same, audit->hash, LM_HASH_BYTES) == 0)) {
            char sql[256];

            (void)snprintf(sql, sizeof sql,
                           "INSERT INTO main.audit(" COLUMNS ") SELECT " COLUMNS
                           " FROM kept.audit_kept WHERE n > %lld ORDER BY n",
                           (long long)here);
            status = lm_db_exec(audit->db, sql, err);
            *taken_out = kept - here;
        } else if (status == LM_OK) {
            status = behind(audit, err);
            *taken_out = kept;
        }
    }
    return status;
}

enum lm_status lm_audit_join(struct lm_audit *audit, const char *backup_path, int64_t *taken_out,
                             struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum lm_status status = lm_db_prepare(audit->db, "ATTACH ?1 AS kept", &stmt, err);

    *taken_out = 0;
    if (status == LM_OK) {
        bind(stmt, 1, backup_path);
        status = run(audit, stmt, err);
    }
    if (status != LM_OK) {
        return status;
    }
    status = lm_db_begin(audit->db, err);
    if (status == LM_OK) {
        status = join_attached(audit, taken_out, err);
    }
    if (status == LM_OK) {
        status = lm_db_commit(audit->db, err);
    }
    lm_db_rollback(audit->db);
    if (lm_db_exec(audit->db, "DETACH kept", NULL) != LM_OK && status == LM_OK) {
        status = lm_fail(err, LM_ERR_IO, "io_error", "", "审计日志合并后无法收尾。",
                         "The audit log was joined, but the backup cannot be let go.");
    }
    return status;
}

enum lm_status lm_audit_list(struct lm_audit *audit, const char *what, const char *user,
                             int64_t before, size_t rows, json_t **out, struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    json_t *list = json_array();
    enum lm_status status =
        lm_db_prepare(audit->db,
                      "SELECT n, at_ms, user, role, what, object, reason, detail FROM audit "
                      "WHERE (?1 = 0 OR n < ?1) AND (?2 IS NULL OR what = ?2) "
                      "AND (?3 IS NULL OR user = ?3) ORDER BY n DESC LIMIT ?4",
                      &stmt, err);
    int rc = SQLITE_DONE;

    *out = NULL;
    if (status == LM_OK) {
        (void)sqlite3_bind_int64(stmt, 1, before);
        (void)sqlite3_bind_text(stmt, 2, what, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(stmt, 3, user, -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(stmt, 4,
                                 (int64_t)(rows < LM_AUDIT_ROWS_MAX ? rows : LM_AUDIT_ROWS_MAX));
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            char at[LM_TIME_TEXT + 8];

            lm_time_format(sqlite3_column_int64(stmt, 1), at);
            (void)json_array_append_new(
                list, json_pack("{s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "n",
                                (json_int_t)sqlite3_column_int64(stmt, 0), "at", at, "user",
                                column(stmt, 2), "role", column(stmt, 3), "what", column(stmt, 4),
                                "object", column(stmt, 5), "reason", column(stmt, 6), "detail",
                                column(stmt, 7)));
        }
        status = lm_db_status(audit->db, rc, "read the audit log", err);
    }
    (void)sqlite3_finalize(stmt);
    *out = json_pack("{s:o}", "rows", list);
    return status;
}

enum lm_status lm_audit_verify(struct lm_audit *audit, int64_t *first_bad_out, int64_t *n_out,
                               struct lm_error *err)
{
    uint8_t before[LM_HASH_BYTES] = {0};
    sqlite3_stmt *stmt = NULL;
    int64_t n = 0;
    enum lm_status status = lm_db_prepare(
        audit->db,
        "SELECT n, at_ms, user, role, what, object, reason, detail, hash FROM audit ORDER BY n",
        &stmt, err);
    int rc = SQLITE_DONE;

    *first_bad_out = 0;
    while (status == LM_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        uint8_t hash[LM_HASH_BYTES] = {0};
        const char *texts[6];

        for (int i = 0; i < 6; i++) {
            texts[i] = column(stmt, 2 + i);
        }
        n++;
        if (sqlite3_column_int64(stmt, 0) != n ||
            !row_hash(before, n, sqlite3_column_int64(stmt, 1), texts, hash) ||
            sqlite3_column_bytes(stmt, 8) != LM_HASH_BYTES ||
            memcmp(hash, sqlite3_column_blob(stmt, 8), LM_HASH_BYTES) != 0) {
            *first_bad_out = n;
            break;
        }
        memcpy(before, hash, sizeof before);
    }
    if (status == LM_OK && *first_bad_out == 0) {
        status = lm_db_status(audit->db, rc, "read the audit log", err);
    }
    (void)sqlite3_finalize(stmt);
    *n_out = n;
    return status;
}

/* ---- wrong passwords ---- */

enum lm_status lm_audit_failures(struct lm_audit *audit, const char *user, unsigned *n_out,
                                 int64_t *at_ms_out, struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum lm_status status =
        lm_db_prepare(audit->db, "SELECT n, at_ms FROM failures WHERE user = ?1", &stmt, err);

    *n_out = 0;
    *at_ms_out = 0;
    if (status == LM_OK) {
        bind(stmt, 1, user);
        if (sqlite3_step(stmt) == SQLITE_ROW) {
            *n_out = (unsigned)sqlite3_column_int(stmt, 0);
            *at_ms_out = sqlite3_column_int64(stmt, 1);
        }
    }
    (void)sqlite3_finalize(stmt);
    return status;
}

/* The oldest gives way: strangers would fill the disk with names that they make up. */
static enum lm_status make_room(struct lm_audit *audit, struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum lm_status status =
        lm_db_prepare(audit->db,
                      "DELETE FROM failures WHERE (SELECT count(*) FROM failures) >= ?1 "
                      "AND user = (SELECT user FROM failures ORDER BY at_ms LIMIT 1)",
                      &stmt, err);

    if (status == LM_OK) {
        (void)sqlite3_bind_int64(stmt, 1, LM_AUDIT_FAILURES_MAX);
        status = run(audit, stmt, err);
    }
    return status;
}

enum lm_status lm_audit_set_failures(struct lm_audit *audit, const char *user, unsigned n,
                                     int64_t at_ms, struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum lm_status status = make_room(audit, err);

    if (status == LM_OK) {
        status = lm_db_prepare(audit->db,
                               "INSERT OR REPLACE INTO failures(user, n, at_ms) VALUES(?1,?2,?3)",
                               &stmt, err);
    }
    if (status != LM_OK) {
        return status;
    }
    bind(stmt, 1, user);
    (void)sqlite3_bind_int64(stmt, 2, n);
    (void)sqlite3_bind_int64(stmt, 3, at_ms);
    return run(audit, stmt, err);
}
