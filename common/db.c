/* The one place that opens databases. Everything that is acked goes through WAL with
 * synchronous=FULL: NORMAL may lose committed rows at a power cut.
 *
 * A connection is opened without SQLite's mutexes: it belongs to one thread. Invariants: an open
 * database has our application_id and a user_version of exactly n_migrations (a reader: any that is
 * not newer); the file is 0600. */
#include "common/db.h"

#include "common/base/break.h"
#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BUSY_TIMEOUT_MS = 10000,
    PAGE_BYTES_DEFAULT = 4096,
    CACHE_KIB_DEFAULT = 8 * 1024,
    CHECKPOINT_PAGES_DEFAULT = 4000,
    WAL_KEPT_BYTES = 64 * 1024 * 1024, /* journal_size_limit: what a large WAL is cut back to */
};

struct lm_db {
    sqlite3 *handle;
};

/* ---- errors ---- */

static enum lm_status fail_full(struct lm_error *err, const char *doing, const char *text)
{
    return lm_fail(
        err, LM_ERR_FULL, "disk_full", "",
        "磁盘空间已满，没有保存。请清理磁盘空间后重试。（%s：%s）",
        "The disk is full and nothing was saved. Free some space and try again. (%s: %s)", doing,
        text);
}

static enum lm_status fail_denied(struct lm_error *err, const char *doing, const char *text)
{
    return lm_fail(
        err, LM_ERR_DENIED, "read_only", "",
        "没有写数据库文件的权限。请用数据目录的所有者运行，或改正文件权限。（%s：%s）",
        "No permission to write the database file. Run as the owner of the data directory, or "
        "correct the file's permissions. (%s: %s)",
        doing, text);
}

static enum lm_status fail_io(struct lm_error *err, const char *doing, const char *text)
{
    return lm_fail(
        err, LM_ERR_IO, "io_error", "",
        "读写磁盘出错，没有保存。请检查磁盘，必要时从备份恢复。（%s：%s）",
        "Reading or writing the disk failed and nothing was saved. Check the disk; restore from "
        "a backup if it is damaged. (%s: %s)",
        doing, text);
}

static enum lm_status fail_corrupt(struct lm_error *err, const char *doing, const char *text)
{
    return lm_fail(
        err, LM_ERR_CORRUPT, "corrupt", "",
        "数据库文件已损坏，或者不是数据库。请不要再写入，从备份恢复。（%s：%s）",
        "The database file is damaged or not a database. Do not write to it any more; restore "
        "from a backup. (%s: %s)",
        doing, text);
}

/* What the operating system said about a file, for SQLITE_IOERR and SQLITE_CANTOPEN. */
static enum lm_status fail_system(struct lm_error *err, int number, const char *doing,
                                  const char *text)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return fail_full(err, doing, text);
    case EACCES:
    case EPERM:
    case EROFS:
        return fail_denied(err, doing, text);
    default:
        return fail_io(err, doing, number ? strerror(number) : text);
    }
}

static enum lm_status fail_constraint(struct lm_error *err, int rc, const char *doing,
                                      const char *text)
{
    if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
        rc == SQLITE_CONSTRAINT_ROWID) {
        return lm_fail(err, LM_ERR_EXISTS, "exists", "", "已有同样的记录，没有重复保存。（%s：%s）",
                       "There is such a record already; it was not stored twice. (%s: %s)", doing,
                       text);
    }
    return lm_fail(
        err, LM_ERR_INTERNAL, "constraint", "",
        "数据不符合数据库的约束，没有保存。请把这条信息告诉技术人员。（%s：%s）",
        "The data breaks a constraint of the database and was not saved. Tell the technician. "
        "(%s: %s)",
        doing, text);
}

static enum lm_status status_of(sqlite3 *handle, int rc, const char *doing, struct lm_error *err)
{
    const char *text = handle ? sqlite3_errmsg(handle) : sqlite3_errstr(rc);

    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return LM_OK;
    case SQLITE_FULL:
        return fail_full(err, doing, text);
    case SQLITE_IOERR:
        if (rc == SQLITE_IOERR_NOMEM) {
            break;
        }
        return fail_system(err, handle ? sqlite3_system_errno(handle) : 0, doing, text);
    case SQLITE_CANTOPEN:
        return fail_system(err, handle ? sqlite3_system_errno(handle) : 0, doing, text);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return fail_denied(err, doing, text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return lm_fail(
            err, LM_ERR_BUSY, "busy", "", "另一个程序正在使用数据库，请稍后重试。（%s：%s）",
            "Another program is using the database. Try again in a moment. (%s: %s)", doing, text);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return fail_corrupt(err, doing, text);
    case SQLITE_NOMEM:
        break;
    case SQLITE_TOOBIG:
        return lm_fail(
            err, LM_ERR_LIMIT, "too_large", "", "数据过大，没有保存。请缩短内容后重试。（%s：%s）",
            "The data is too large and was not saved. Shorten it and try again. (%s: %s)", doing,
            text);
    case SQLITE_INTERRUPT:
        return lm_fail(err, LM_ERR_TIMEOUT, "interrupted", "", "操作被中断，请重试。（%s：%s）",
                       "The operation was interrupted. Try again. (%s: %s)", doing, text);
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return fail_constraint(err, rc, doing, text);
    default:
        return lm_fail(err, LM_ERR_INTERNAL, "database", "",
                       "数据库操作失败。请把这条信息告诉技术人员。（%s：%s）",
                       "A database operation failed. Tell the technician. (%s: %s)", doing, text);
    }
    return lm_fail(err, LM_ERR_MEMORY, "memory", "",
                   "内存不足，没有保存。请关闭其他程序后重试。（%s：%s）",
                   "Out of memory; nothing was saved. Close other programs and try again. (%s: %s)",
                   doing, text);
}

enum lm_status lm_db_status(struct lm_db *db, int rc, const char *doing, struct lm_error *err)
{
    return status_of(db ? db->handle : NULL, rc, doing, err);
}

/* ---- statements and transactions ---- */

struct sqlite3 *lm_db_handle(struct lm_db *db)
{
    return db->handle;
}

enum lm_status lm_db_exec(struct lm_db *db, const char *sql, struct lm_error *err)
{
    return lm_db_status(db, sqlite3_exec(db->handle, sql, NULL, NULL, NULL), "execute", err);
}

enum lm_status lm_db_prepare(struct lm_db *db, const char *sql, struct sqlite3_stmt **out,
                             struct lm_error *err)
{
    *out = NULL;
    return lm_db_status(
        db, sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL),
        "prepare", err);
}

enum lm_status lm_db_begin(struct lm_db *db, struct lm_error *err)
{
    return lm_db_status(db, sqlite3_exec(db->handle, "BEGIN IMMEDIATE", NULL, NULL, NULL), "begin",
                        err);
}

enum lm_status lm_db_begin_read(struct lm_db *db, struct lm_error *err)
{
    return lm_db_status(db, sqlite3_exec(db->handle, "BEGIN DEFERRED", NULL, NULL, NULL),
                        "begin reading", err);
}

enum lm_status lm_db_commit(struct lm_db *db, struct lm_error *err)
{
    enum lm_status st =
        lm_db_status(db, sqlite3_exec(db->handle, "COMMIT", NULL, NULL, NULL), "commit", err);

    if (st != LM_OK) {
        lm_db_rollback(db);
    }
    return st;
}

void lm_db_rollback(struct lm_db *db)
{
    if (lm_db_in_transaction(db)) {
        (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    }
}

bool lm_db_in_transaction(struct lm_db *db)
{
    return sqlite3_get_autocommit(db->handle) == 0;
}

/* ---- opening ---- */

static enum lm_status read_number(struct lm_db *db, const char *sql, int64_t *out,
                                  struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum lm_status st;
    int rc;

    *out = 0;
    st = lm_db_prepare(db, sql, &stmt, err);
    if (st != LM_OK) {
        return st;
    }
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int64(stmt, 0);
    }
    st = lm_db_status(db, rc, "read the file's header", err);
    (void)sqlite3_finalize(stmt);
    return st;
}

/* Makes the file itself, so that it is 0600 whatever the umask; SQLite gives -wal and -shm the same
 * mode. Only a file that is not there yet is opened here: closing a descriptor of a database in use
 * would drop SQLite's locks. */
static enum lm_status make_file(const struct lm_db_options *options, struct lm_error *err)
{
    struct stat info;
    int fd;

    if (stat(options->path, &info) == 0) {
        return LM_OK;
    }
    if (errno != ENOENT) {
        return fail_system(err, errno, "open", options->path);
    }
    if (!options->create || options->read_only) {
        return lm_fail(
            err, LM_ERR_NOT_FOUND, "no_database", "",
            "没有数据库文件：%s。请检查数据目录，或先初始化。",
            "There is no database file: %s. Check the data directory, or initialise it first.",
            options->path);
    }
    fd = open(options->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST) {
        return fail_system(err, errno, "create", options->path);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return LM_OK;
}

static enum lm_status set_journal(struct lm_db *db, struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum lm_status st = lm_db_prepare(db, "PRAGMA journal_mode=WAL", &stmt, err);
    bool wal = false;
    int rc;

    if (st != LM_OK) {
        return st;
    }
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        const unsigned char *mode = sqlite3_column_text(stmt, 0);
        wal = mode && strcmp((const char *)mode, "wal") == 0;
    }
    st = lm_db_status(db, rc, "switch to the write-ahead log", err);
    (void)sqlite3_finalize(stmt);
    if (st == LM_OK && !wal) {
        st = lm_fail(
            err, LM_ERR_IO, "io_error", "",
            "数据库所在的文件系统不支持 WAL 日志。请把数据目录放在本机磁盘上。",
            "The file system of the database does not support a write-ahead log. Keep the data "
            "directory on a local disk.");
    }
    return st;
}

static enum lm_status configure(struct lm_db *db, const struct lm_db_options *options,
                                struct lm_error *err)
{
    int cache = options->cache_kib > 0 ? options->cache_kib : CACHE_KIB_DEFAULT;
    int pages =
        options->checkpoint_pages > 0 ? options->checkpoint_pages : CHECKPOINT_PAGES_DEFAULT;
    bool unsafe = options->application_id == LM_APP_HUB ? LM_BREAK(HUB_SYNC_NORMAL)
                                                        : LM_BREAK(NODE_SYNC_NORMAL);
    char sql[256];
    enum lm_status st = LM_OK;

    (void)sqlite3_extended_result_codes(db->handle, 1);
    (void)sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    /* DEFENSIVE keeps SQL from writing the schema or shadow tables. trusted_schema stays on: JSON
     * functions in CHECK and full-text triggers need it, and the file is our own. */
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    if (!options->read_only) {
        /* Counts for a new file only; an old one keeps its size. */
        (void)sqlite3_snprintf(sizeof(sql), sql, "PRAGMA page_size=%d",
                               options->page_bytes > 0 ? options->page_bytes : PAGE_BYTES_DEFAULT);
        st = lm_db_exec(db, sql, err);
        st = st == LM_OK ? set_journal(db, err) : st;
    }
    if (st != LM_OK) {
        return st;
    }
    (void)sqlite3_snprintf(
        sizeof(sql), sql,
        "PRAGMA synchronous=%s; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;"
        "PRAGMA cache_size=-%d; PRAGMA journal_size_limit=%d; PRAGMA "
        "wal_autocheckpoint=%d; PRAGMA query_only=%d",
        unsafe ? "NORMAL" : "FULL", cache, (int)WAL_KEPT_BYTES, pages, options->read_only ? 1 : 0);
    return lm_db_exec(db, sql, err);
}

/* Whose file it is: ours, a fresh one (*fresh_out), or an error. */
static enum lm_status check_owner(struct lm_db *db, const struct lm_db_options *options,
                                  bool *fresh_out, struct lm_error *err)
{
    int64_t id, version, tables;
    enum lm_status st = read_number(db, "PRAGMA application_id", &id, err);

    if (st == LM_OK) {
        st = read_number(db, "PRAGMA user_version", &version, err);
    }
    if (st == LM_OK) {
        st = read_number(db, "SELECT count(*) FROM sqlite_schema", &tables, err);
    }
    if (st != LM_OK) {
        return st;
    }
    *fresh_out = id == 0 && version == 0 && tables == 0;
    if (*fresh_out && options->create && !options->read_only) {
        return LM_OK;
    }
    if ((uint32_t)id != options->application_id) {
        return lm_fail(
            err, LM_ERR_CORRUPT, "other_application", "",
            "%s 不是本程序的数据库。请检查数据目录是否选对。",
            "%s is not a database of this program. Check that it is the right data directory.",
            options->path);
    }
    if (version > options->n_migrations) {
        return lm_fail(err, LM_ERR_VERSION, "newer_database", "",
                       "数据库版本是 %" PRId64
                       "，本程序只支持到 %d。请安装更新版本的程序后再打开。",
                       "The database has version %" PRId64
                       " and this program knows up to %d. Install the newer program to open it.",
                       version, options->n_migrations);
    }
    return LM_OK;
}

/* One step; another process may have made it meanwhile, so the version is read inside the
 * transaction. */
static enum lm_status migrate_step(struct lm_db *db, const struct lm_db_options *options,
                                   bool *done_out, struct lm_error *err)
{
    int64_t version = 0;
    char sql[96];
    enum lm_status st = lm_db_begin(db, err);

    if (st != LM_OK) {
        return st;
    }
    st = read_number(db, "PRAGMA user_version", &version, err);
    if (st == LM_OK && version >= options->n_migrations) {
        *done_out = true;
        lm_db_rollback(db);
        return LM_OK;
    }
    if (st == LM_OK) {
        st = lm_db_exec(db, options->migrations[version].sql, err);
    }
    if (st == LM_OK) {
        (void)sqlite3_snprintf(sizeof(sql), sql,
                               "PRAGMA application_id=%d; PRAGMA user_version=%lld",
                               (int)options->application_id, (long long)version + 1);
        st = lm_db_exec(db, sql, err);
    }
    if (st == LM_OK) {
        st = lm_db_commit(db, err);
    }
    if (st != LM_OK) {
        lm_db_rollback(db);
        return st;
    }
    lm_log(LM_LOG_DEBUG, "db", "migrated to version %" PRId64, version + 1);
    return LM_OK;
}

static enum lm_status migrate(struct lm_db *db, const struct lm_db_options *options, bool fresh,
                              struct lm_error *err)
{
    bool done = false;
    enum lm_status st = LM_OK;
    char sql[64];

    if (options->read_only) {
        return LM_OK;
    }
    if (fresh && options->n_migrations == 0) {
        (void)sqlite3_snprintf(sizeof(sql), sql, "PRAGMA application_id=%d",
                               (int)options->application_id);
        return lm_db_exec(db, sql, err);
    }
    while (st == LM_OK && !done) {
        st = migrate_step(db, options, &done, err);
    }
    return st;
}

/* Counting every allocation takes a mutex each time, and nobody reads the sums. */
static void configure_sqlite(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static pthread_once_t configured = PTHREAD_ONCE_INIT;

void lm_db_reserve_pages(int n, int page_bytes)
{
    static void *memory; /* SQLite's until the process ends */
    int header = 0, size;

    (void)pthread_once(&configured, configure_sqlite);
#ifdef __SANITIZE_ADDRESS__
    return; /* each page comes from malloc, so that an overrun of one is seen */
#endif
    if (memory || n <= 0 || sqlite3_config(SQLITE_CONFIG_PCACHE_HDRSZ, &header) != SQLITE_OK) {
        return;
    }
    size = (page_bytes + header + 7) / 8 * 8;
    memory = malloc((size_t)size * (size_t)n);
    if (memory && sqlite3_config(SQLITE_CONFIG_PAGECACHE, memory, size, n) != SQLITE_OK) {
        free(memory);
        memory = NULL;
    }
}

enum lm_status lm_db_open(const struct lm_db_options *options, struct lm_db **out,
                          struct lm_error *err)
{
    (void)pthread_once(&configured, configure_sqlite);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
                (options->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    struct lm_db *db = NULL;
    bool fresh = false;
    enum lm_status st;
    int rc;

    *out = NULL;
    st = make_file(options, err);
    if (st != LM_OK) {
        return st;
    }
    db = calloc(1, sizeof(*db));
    if (!db) {
        return status_of(NULL, SQLITE_NOMEM, "open", err);
    }
    rc = sqlite3_open_v2(options->path, &db->handle, flags, NULL);
    st = status_of(db->handle, rc, "open", err);
    if (st != LM_OK) {
        goto out;
    }
    /* Before anything is written: a foreign or newer file must stay as it is. */
    (void)sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    st = check_owner(db, options, &fresh, err);
    if (st == LM_OK) {
        st = configure(db, options, err);
    }
    if (st == LM_OK) {
        st = migrate(db, options, fresh, err);
    }
out:
    if (st != LM_OK) {
        lm_db_close(&db);
    }
    *out = db;
    return st;
}

void lm_db_close(struct lm_db **db)
{
    if (!db || !*db) {
        return;
    }
    /* _v2: statements that are still prepared (a table set closed later) do not make it fail. */
    (void)sqlite3_close_v2((*db)->handle);
    free(*db);
    *db = NULL;
}

/* ---- copies ---- */

enum lm_status lm_db_copy(struct lm_db *from, const char *path, struct lm_error *err)
{
    struct lm_db to = {NULL};
    sqlite3_backup *backup;
    enum lm_status st;
    int rc, fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno == EEXIST) {
        return lm_fail(err, LM_ERR_EXISTS, "file_exists", "", "文件 %s 已存在，不覆盖",
                       "%s is there already and is not overwritten", path);
    }
    if (fd < 0) {
        return fail_system(err, errno, "create", path);
    }
    (void)close(fd);
    rc = sqlite3_open_v2(path, &to.handle,
                         SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_READWRITE,
                         NULL);
    st = status_of(to.handle, rc, "open", err);
    if (st == LM_OK) {
        /* All at once: one snapshot, that no writer can make it begin again. */
        backup = sqlite3_backup_init(to.handle, "main", from->handle, "main");
        if (backup) {
            (void)sqlite3_backup_step(backup, -1);
            rc = sqlite3_backup_finish(backup);
        } else {
            rc = sqlite3_errcode(to.handle);
        }
        st = status_of(to.handle, rc, "copy the database", err);
    }
    if (st == LM_OK) { /* one file that stands alone */
        st = lm_db_exec(&to, "PRAGMA journal_mode=DELETE", err);
    }
    (void)sqlite3_close_v2(to.handle);
    if (st != LM_OK) {
        (void)unlink(path);
    }
    return st;
}

enum lm_status lm_db_check(struct lm_db *db, struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    bool sound = false;
    enum lm_status st = lm_db_prepare(db, "PRAGMA integrity_check(1)", &stmt, err);
    int rc;

    if (st != LM_OK) {
        return st;
    }
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(stmt, 0);

        sound = text && strcmp((const char *)text, "ok") == 0;
        st = sound ? LM_OK
                   : fail_corrupt(err, "check", text ? (const char *)text : "integrity_check");
    } else {
        st = lm_db_status(db, rc, "check", err);
    }
    (void)sqlite3_finalize(stmt);
    return st;
}

void lm_db_checkpoint(struct lm_db *db)
{
    (void)sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}
