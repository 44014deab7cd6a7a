/* What the hub's database keeps of the audit log, which is a file of its own (hub/audit.h):
 * anchors, by which a missing end shows; and, in backups alone, the log itself. */
#include "hub/audit.h"
#include "hub/store/store_internal.h"

#include "common/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ANCHORS_MAX = 4096 }; /* ten years of days, some backups a month; the oldest gives way */

enum lm_status lm_store_audit_anchor(struct lm_store *store, int64_t now_ms, struct lm_error *err)
{
    struct lm_audit *audit = NULL;
    struct sqlite3_stmt *stmt = NULL;
    uint8_t hash[LM_HASH_BYTES];
    int64_t n = 0;
    enum lm_status status = lm_audit_open(&store->dir, &audit, err);

    if (status == LM_OK) {
        status = lm_audit_head(audit, &n, hash, err);
    }
    lm_audit_close(&audit);
    if (status != LM_OK || n == 0) {
        return status;
    }
    status = lm_store_begin(store, err);
    if (status == LM_OK) {
        status = lm_db_prepare(store->db,
                               "INSERT OR IGNORE INTO audit_anchors(n, hash, at_ms)"
                               " VALUES(?1, ?2, ?3)",
                               &stmt, err);
    }
    if (status == LM_OK) {
        (void)sqlite3_bind_int64(stmt, 1, n);
        lm_bind_blob(stmt, 2, hash, sizeof hash);
        (void)sqlite3_bind_int64(stmt, 3, now_ms);
        status = lm_db_status(store->db, sqlite3_step(stmt), "anchor the audit log", err);
    }
    (void)sqlite3_finalize(stmt);
    stmt = NULL;
    if (status == LM_OK) {
        status = lm_db_prepare(store->db,
                               "DELETE FROM audit_anchors WHERE n NOT IN (SELECT n FROM"
                               " audit_anchors ORDER BY n DESC LIMIT ?1)",
                               &stmt, err);
    }
    if (status == LM_OK) {
        (void)sqlite3_bind_int64(stmt, 1, ANCHORS_MAX);
        status = lm_db_status(store->db, sqlite3_step(stmt), "anchor the audit log", err);
    }
    (void)sqlite3_finalize(stmt);
    if (status == LM_OK) {
        status = lm_store_commit(store, err);
    }
    if (status != LM_OK) {
        lm_store_rollback(store);
    }
    return status;
}

enum lm_status lm_store_audit_check(struct lm_store *store, struct lm_audit *audit,
                                    int64_t *first_bad_out, int64_t *anchored_out,
                                    struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status status =
        lm_db_prepare(store->db, "SELECT n, hash FROM audit_anchors ORDER BY n", &stmt, err);
    int rc = SQLITE_DONE;

    *first_bad_out = *anchored_out = 0;
    while (status == LM_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        uint8_t here[LM_HASH_BYTES], anchor[LM_HASH_BYTES];
        int64_t n = sqlite3_column_int64(stmt, 0);

        lm_column_bytes(stmt, 1, anchor, sizeof anchor);
        status = lm_audit_hash_at(audit, n, here, err);
        if (status == LM_OK && *first_bad_out == 0 && memcmp(here, anchor, sizeof here) != 0) {
            *first_bad_out = n;
        }
        status = status == LM_ERR_NOT_FOUND ? LM_OK : status;
        *anchored_out = n;
    }
    if (status == LM_OK) {
        status = lm_db_status(store->db, rc, "read the anchors of the audit log", err);
    }
    (void)sqlite3_finalize(stmt);
    return status;
}

/* ---- in backups ---- */

static enum lm_status open_copy(const char *path, struct lm_db **out, struct lm_error *err)
{
    const struct lm_db_options options = {.path = path,
                                          .application_id = LM_APP_HUB,
                                          .migrations = lm_store_migrations,
                                          .n_migrations = lm_store_n_migrations};

    return lm_db_open(&options, out, err);
}

void lm_audit_into_copy(const struct lm_datadir *dir, const char *copy)
{
    char path[PATH_MAX];
    struct lm_error err = {0};
    struct lm_db *db = NULL;
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status status = lm_datadir_path(dir, "audit.db", path, sizeof path);

    if (status != LM_OK || access(path, F_OK) != 0) { /* a hub that nobody has done anything at */
        return;
    }
    status = open_copy(copy, &db, &err);
    if (status == LM_OK) {
        status = lm_db_prepare(db, "ATTACH ?1 AS log", &stmt, &err);
    }
    if (status == LM_OK) {
        lm_bind_text(stmt, 1, path);
        status = lm_db_status(db, sqlite3_step(stmt), "read the audit log", &err);
    }
    (void)sqlite3_finalize(stmt);
    if (status == LM_OK) {
        status = lm_db_exec(db,
                            "DELETE FROM main.audit_kept;"
                            "INSERT INTO main.audit_kept SELECT"
                            " n,at_ms,user,role,what,object,reason,detail,hash FROM log.audit;"
                            "DETACH log",
                            &err);
    }
    lm_db_close(&db);
    if (status != LM_OK) { /* the figures' backup is not to wait for the log's repair */
        lm_log(LM_LOG_WARN, "store",
               "the audit log could not be read (%s): this backup is without it; a restore from an "
               "earlier backup begins it anew",
               err.en);
    }
}

static enum lm_status join(struct lm_store *staged, const char *path, struct lm_error *err)
{
    struct lm_audit *audit = NULL;
    int64_t taken = 0;
    enum lm_status status = lm_audit_open(&staged->dir, &audit, err);

    if (status == LM_OK) {
        status = lm_audit_join(audit, path, &taken, err);
    }
    lm_audit_close(&audit);
    return status;
}

static enum lm_status set_aside(const struct lm_store *staged, int64_t now_ms, struct lm_error *err)
{
    static const char *const suffixes[] = {"-wal", "-shm", ""};
    char name[96], path[PATH_MAX], aside[PATH_MAX], a[PATH_MAX + 8], b[PATH_MAX + 8];
    enum lm_status status = lm_datadir_path(&staged->dir, "audit.db", path, sizeof path);

    if (status == LM_OK) {
        status = lm_aside_name(&staged->dir, "audit.db.damaged", now_ms, name, aside, err);
    }
    for (int i = 0; status == LM_OK && i < 3; i++) {
        (void)snprintf(a, sizeof a, "%s%s", path, suffixes[i]);
        (void)snprintf(b, sizeof b, "%s%s", aside, suffixes[i]);
        if (rename(a, b) != 0 && errno != ENOENT) {
            status = lm_fail(err, LM_ERR_IO, "io_error", "", "无法移开损坏的审计日志：%s",
                             "The damaged audit log cannot be set aside: %s", strerror(errno));
        }
    }
    if (status == LM_OK) {
        lm_log(LM_LOG_WARN, "store",
               "the audit log is damaged: it is set aside as %s and begun anew from the backup",
               name);
    }
    return status;
}

enum lm_status lm_audit_out_of_copy(struct lm_store *staged, const char *path, int64_t now_ms,
                                    struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status status =
        lm_db_prepare(staged->db, "SELECT 1 FROM audit_kept LIMIT 1", &stmt, err);

    status = status == LM_OK ? lm_query_step(staged, stmt, err) : status;
    (void)sqlite3_finalize(stmt);
    if (status != LM_OK) { /* of before there was one: nothing to take */
        return status == LM_ERR_NOT_FOUND ? LM_OK : status;
    }
    status = join(staged, path, err);
    if (status == LM_ERR_CORRUPT) {
        status = set_aside(staged, now_ms, err);
        status = status == LM_OK ? join(staged, path, err) : status;
    }
    return status == LM_OK ? lm_db_exec(staged->db, "DELETE FROM audit_kept", err) : status;
}
