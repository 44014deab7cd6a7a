/* Backups of the hub's database, and going back to one.
 *
 * A backup is a copy of one snapshot, made beside the working hub, checked before it gets its name:
 * SQLite's own integrity and the journal's chain of marks. A restore is prepared in a file of its
 * own, complete with its new incarnation, and takes the database's place by one rename; what was
 * there is set aside under a dated name and never removed. */
#include "hub/store/store_internal.h"

#include "common/base/log.h"
#include "hub/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROW_ARENA_MAX = 4 * 1024 * 1024 };

static const char staged_prefix[] = LM_HUB_DB_FILE ".restore-";

/* ---- checks ---- */

/* The chain of marks over the whole journal. head_out: where it ends. */
static enum lm_status check_chain(struct lm_store *store, struct lm_mark *head_out,
                                  struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    struct lm_arena arena;
    struct lm_jentry e;
    uint8_t mark[LM_HASH_BYTES];
    enum lm_status status = lm_db_prepare(store->db, lm_query_sql[LM_Q_JOURNAL_RANGE], &stmt, err);

    memset(head_out, 0, sizeof *head_out);
    lm_arena_init(&arena, ROW_ARENA_MAX);
    if (status == LM_OK) {
        (void)sqlite3_bind_int64(stmt, 1, 0);
    }
    while (status == LM_OK && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        lm_arena_reset(&arena);
        status = lm_journal_row(stmt, &arena, &e);
        if (status != LM_OK) {
            break;
        }
        lm_journal_mark(head_out->hash, &e, mark);
        if (e.pos != head_out->position + 1 || memcmp(mark, e.mark, LM_HASH_BYTES) != 0) {
            status = lm_fail(err, LM_ERR_CORRUPT, "chain_broken", "",
                             "流水账在第 %" PRIu64 " 条处与校验链不符，不能使用这份数据",
                             "The journal does not fit its chain at entry %" PRIu64
                             ": this data cannot be used",
                             e.pos);
            break;
        }
        head_out->position = e.pos;
        memcpy(head_out->hash, e.mark, LM_HASH_BYTES);
    }
    (void)sqlite3_finalize(stmt);
    lm_arena_free(&arena);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

/* ---- backup ---- */

struct copy_check {
    const struct lm_catalog *catalog;
    const struct lm_datadir *dir; /* whose audit log goes along */
    struct lm_mark *head;         /* where the copy's journal ends */
};

static enum lm_status check_copy(void *arg, const char *path, struct lm_error *err)
{
    struct copy_check *c = arg;
    struct lm_store *copy = NULL;
    enum lm_status status;

    lm_audit_into_copy(c->dir, path);
    status = lm_store_open_file(path, c->catalog, false, true, &copy, err);
    if (status == LM_OK) {
        status = lm_db_check(copy->db, err);
    }
    if (status == LM_OK) {
        status = check_chain(copy, c->head, err);
    }
    lm_store_close(&copy);
    return status;
}

enum lm_status lm_store_backup(struct lm_store *store, const char *path, struct lm_backup *out,
                               struct lm_error *err)
{
    struct copy_check check = {.catalog = store->catalog, .dir = &store->dir, .head = &out->head};

    memset(out, 0, sizeof *out);
    return lm_db_backup(store->db, path, check_copy, &check, &out->bytes, err);
}

enum lm_status lm_store_backup_note(struct lm_store *store, const struct lm_mark *head,
                                    int64_t now_ms, struct lm_error *err)
{
    char text[32];
    struct lm_mark here;
    enum lm_status status = lm_store_mark_at(store, head->position, &here);

    if (status == LM_ERR_NOT_FOUND ||
        (status == LM_OK && memcmp(here.hash, head->hash, LM_HASH_BYTES) != 0)) {
        return lm_fail(err, LM_ERR_INVALID, "other_history", "", "这份备份不是当前数据的备份",
                       "That backup is not of the data as it is now");
    }
    if (status != LM_OK) {
        return status;
    }
    status = lm_store_begin(store, err);
    if (status == LM_OK) {
        (void)snprintf(text, sizeof text, "%" PRIu64, head->position);
        status = lm_meta_put(store, "backup_position", text, err);
    }
    if (status == LM_OK) {
        (void)snprintf(text, sizeof text, "%" PRId64, now_ms);
        status = lm_meta_put(store, "backup_ms", text, err);
    }
    if (status == LM_OK) {
        status = lm_store_commit(store, err);
    }
    if (status != LM_OK) {
        lm_store_rollback(store);
        return status;
    }
    store->backup_position = head->position;
    return LM_OK;
}

enum lm_status lm_store_backup_ms(struct lm_store *store, int64_t *out, struct lm_error *err)
{
    char text[32];
    enum lm_status status = lm_meta_get(store, "backup_ms", text, sizeof text, err);

    *out = strtoll(text, NULL, 10);
    return status;
}

/* ---- restore ---- */

/* Whose backup it is: that of the hub whose key is beside the database. */
static enum lm_status check_hub(struct lm_store *store, const uint8_t hub_id[16],
                                struct lm_error *err)
{
    char ours[40], theirs[40];
    enum lm_status status = lm_meta_get(store, "hub_id", theirs, sizeof theirs, err);

    lm_hex_encode(hub_id, 16, ours);
    if (status == LM_OK && strcmp(ours, theirs) != 0) {
        status = lm_fail(err, LM_ERR_DENIED, "other_hub", "",
                         "这份备份属于另一个中心（%s，编号 %.32s），本机密钥的编号是 %s",
                         "The backup is of another hub (%s, id %.32s); the key here has the id %s",
                         store->town.name, theirs[0] ? theirs : "?", ours);
    }
    return status;
}

/* made_ms: when the file was. It was checked just now, so it is a backup; what PCs may throw away
 * waits for the next one all the same. */
static enum lm_status prepare(struct lm_store *store, const char *user, int64_t made_ms,
                              int64_t now_ms, struct lm_restored *out, struct lm_error *err)
{
    struct sqlite3_stmt *stmt;
    enum lm_status status = lm_store_begin(store, err);

    if (status == LM_OK) {
        status = lm_revoke_again(store, now_ms, err);
    }
    if (status == LM_OK) {
        status = lm_doors_again(store, now_ms, err);
    }
    stmt = status == LM_OK ? lm_query(store, LM_Q_KIT_VOID_ALL, err) : NULL;
    if (status == LM_OK && !stmt) {
        status = LM_ERR_IO;
    }
    if (status == LM_OK) { /* whoever holds one may have had it used in the days that are gone */
        (void)sqlite3_bind_int64(stmt, 1, now_ms);
        status = lm_query_run(store, stmt, err);
        out->kits_void = (size_t)sqlite3_changes(store->sql);
    }
    if (status == LM_OK) {
        status = lm_meta_put(store, "backup_position", "0", err);
    }
    if (status == LM_OK) {
        char made[32];

        (void)snprintf(made, sizeof made, "%" PRId64, made_ms < now_ms ? made_ms : now_ms);
        status = lm_meta_put(store, "backup_ms", made, err);
    }
    if (status == LM_OK) {
        char text[32];

        (void)snprintf(text, sizeof text, "%" PRId64, now_ms);
        status = lm_meta_put(store, "restored_ms", text, err);
    }
    if (status == LM_OK) {
        status = lm_store_commit(store, err);
    }
    if (status != LM_OK) {
        lm_store_rollback(store);
        return status;
    }
    return lm_store_new_incarnation(store, user, "restored from a backup", now_ms, err);
}

static enum lm_status stage(const struct lm_datadir *dir, const struct lm_catalog *catalog,
                            const uint8_t hub_id[16], const char *user, const char *path,
                            int64_t made_ms, int64_t now_ms, struct lm_restored *out,
                            struct lm_error *err)
{
    struct lm_store *store = NULL;
    struct lm_mark head;
    enum lm_status status = lm_store_open_file(path, catalog, false, false, &store, err);

    if (status == LM_OK) {
        store->dir = *dir;
        store->dir.lock_fd = -1;
        status = lm_store_load(store, true, err);
    }
    if (status == LM_OK) {
        status = check_hub(store, hub_id, err);
    }
    if (status == LM_OK) {
        status = lm_db_check(store->db, err);
    }
    if (status == LM_OK) {
        status = check_chain(store, &head, err);
    }
    if (status == LM_OK) {
        status = lm_audit_out_of_copy(store, path, now_ms, err);
    }
    if (status == LM_OK) {
        out->position = head.position;
        status = prepare(store, user, made_ms, now_ms, out, err);
        out->incarnation = store->town.incarnation.counter;
    }
    lm_store_close(&store);
    return status;
}

enum lm_status lm_store_restore_stage(const struct lm_datadir *dir,
                                      const struct lm_catalog *catalog, const uint8_t hub_id[16],
                                      const char *user, const char *file, int64_t now_ms,
                                      struct lm_restored *out, struct lm_error *err)
{
    const struct lm_db_options options = {
        .path = file,
        .application_id = LM_APP_HUB,
        .migrations = lm_store_migrations,
        .n_migrations = lm_store_n_migrations,
        .read_only = true,
    };
    char path[PATH_MAX], used[PATH_MAX];
    struct stat made, in_use;
    struct lm_db *from = NULL;
    char mark[LM_RUN_MARK];
    enum lm_status status;

    memset(out, 0, sizeof *out);
    if (stat(file, &made) != 0) {
        made.st_mtime = 0; /* opening it says what is wrong */
    } else if (lm_datadir_path(dir, LM_HUB_DB_FILE, used, sizeof used) == LM_OK &&
               stat(used, &in_use) == 0 && in_use.st_dev == made.st_dev &&
               in_use.st_ino == made.st_ino) {
        return lm_fail(err, LM_ERR_INVALID, "in_use", "", "这就是正在用的数据库，不是备份。",
                       "That is the database in use, not a backup.");
    }
    lm_store_sweep(dir);
    lm_db_run_mark(mark);
    (void)snprintf(out->staged, sizeof out->staged, "%s%s", staged_prefix, mark);
    status = lm_datadir_path(dir, out->staged, path, sizeof path);
    if (status != LM_OK) {
        return lm_fail(err, status, "path_too_long", "", "数据目录的路径太长",
                       "The data directory's path is too long");
    }
    status = lm_db_open(&options, &from, err);
    if (status == LM_OK) {
        status = lm_db_copy(from, path, err);
    }
    lm_db_close(&from);
    if (status == LM_OK) {
        status = stage(dir, catalog, hub_id, user, path, (int64_t)made.st_mtime * 1000, now_ms, out,
                       err);
    }
    if (status == LM_OK) {
        status = lm_db_sync_file(path, err);
    }
    if (status != LM_OK) {
        lm_db_remove(path);
    }
    return status;
}

void lm_store_sweep(const struct lm_datadir *dir)
{
    lm_db_sweep(dir->path, staged_prefix, false, NULL);
    lm_db_sweep(dir->path, ".part-", true, LM_HUB_DB_FILE);
}

enum lm_status lm_aside_name(const struct lm_datadir *dir, const char *base, int64_t now_ms,
                             char name[96], char path[PATH_MAX], struct lm_error *err)
{
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;
    char at[32];

    if (!gmtime_r(&seconds, &tm) || strftime(at, sizeof at, "%Y%m%dT%H%M%SZ", &tm) == 0) {
        (void)snprintf(at, sizeof at, "%" PRId64, now_ms);
    }
    for (int i = 1; i < 1000; i++) {
        char more[16] = "";

        if (i > 1) {
            (void)snprintf(more, sizeof more, "-%d", i);
        }
        (void)snprintf(name, 96, "%s-%s%s", base, at, more);
        if (lm_datadir_path(dir, name, path, PATH_MAX) == LM_OK && access(path, F_OK) != 0) {
            return LM_OK;
        }
    }
    return lm_fail(err, LM_ERR_IO, "io_error", "", "数据目录里放不下旧数据库的名字",
                   "There is no free name for the old database");
}

enum lm_status lm_store_restore_adopt(const struct lm_datadir *dir, const char *staged,
                                      int64_t now_ms, char aside_out[96], struct lm_error *err)
{
    static const char *const suffixes[] = {"-wal", "-shm"};
    char path[PATH_MAX], from[PATH_MAX], aside[PATH_MAX], a[PATH_MAX + 8], b[PATH_MAX + 8];
    enum lm_status status = LM_OK;

    aside_out[0] = '\0';
    if (strncmp(staged, staged_prefix, sizeof staged_prefix - 1) != 0 || strchr(staged, '/') ||
        lm_datadir_path(dir, staged, from, sizeof from) != LM_OK ||
        lm_datadir_path(dir, LM_HUB_DB_FILE, path, sizeof path) != LM_OK ||
        access(from, F_OK) != 0) {
        return lm_fail(err, LM_ERR_INVALID, "not_staged", "", "没有准备好的恢复数据：%.80s",
                       "No restore has been prepared under this name: %.80s", staged);
    }
    if (access(path, F_OK) == 0) {
        status =
            lm_aside_name(dir, LM_HUB_DB_FILE ".before-restore", now_ms, aside_out, aside, err);
        if (status != LM_OK) {
            return status;
        }
        /* Its log goes first: left here, it would be taken for the new database's. */
        for (int i = 0; i < 2; i++) {
            (void)snprintf(a, sizeof a, "%s%s", path, suffixes[i]);
            (void)snprintf(b, sizeof b, "%s%s", aside, suffixes[i]);
            if (rename(a, b) != 0 && errno != ENOENT) {
                status = LM_ERR_IO;
            }
        }
        if (status == LM_OK && link(path, aside) != 0 && rename(path, aside) != 0) {
            status = LM_ERR_IO;
        }
    }
    if (status == LM_OK && rename(from, path) != 0) {
        status = LM_ERR_IO;
    }
    if (status != LM_OK) {
        return lm_fail(err, status, "io_error", "", "无法换上恢复的数据库：%s",
                       "The restored database cannot be put in place: %s", strerror(errno));
    }
    return lm_db_sync_directory_of(path, err);
}
