/* Opening databases: what is refused and why, migrations, and errors as statuses with words. */
#include "common/db.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

struct fixture {
    char dir[64], path[96];
    struct lm_db_options options;
    struct lm_db *db;
    struct lm_error err;
};

static const struct lm_migration migrations[] = {
    {"CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT UNIQUE) STRICT; INSERT INTO t (x) VALUES "
     "('one')"},
    {"ALTER TABLE t ADD COLUMN y TEXT"},
    {"INSERT INTO t (x) VALUES ('two')"},
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    strcpy(f->dir, "/tmp/lm-db-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/a.db", f->dir);
    f->options = (struct lm_db_options){.path = f->path,
                                        .application_id = LM_APP_NODE,
                                        .migrations = migrations,
                                        .n_migrations = 2,
                                        .create = true};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    const char *endings[] = {"", "-wal", "-shm"};
    char path[128];

    lm_db_close(&f->db);
    lm_db_close(&f->db); /* harmless */
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s%s", f->path, endings[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static enum lm_status open_it(struct fixture *f)
{
    lm_db_close(&f->db);
    memset(&f->err, 0, sizeof(f->err));
    return lm_db_open(&f->options, &f->db, &f->err);
}

static sqlite3_int64 number(struct fixture *f, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3_int64 n;

    assert_int_equal(sqlite3_prepare_v2(lm_db_handle(f->db), sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    n = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return n;
}

static void assert_refused(struct fixture *f, enum lm_status want, const char *code)
{
    assert_int_equal(open_it(f), want);
    assert_null(f->db);
    assert_string_equal(f->err.code, code);
    assert_true(f->err.zh[0] && f->err.en[0]);
}

static void write_file(const char *path, const void *data, size_t n)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void test_open(void **state)
{
    struct fixture *f = *state;
    struct stat info;

    f->options.create = false;
    assert_refused(f, LM_ERR_NOT_FOUND, "no_database");
    f->options.create = true;
    assert_int_equal(open_it(f), LM_OK);
    assert_int_equal(number(f, "PRAGMA user_version"), 2);
    assert_int_equal(number(f, "PRAGMA application_id"), LM_APP_NODE);
    assert_int_equal(number(f, "PRAGMA synchronous"), 2); /* FULL */
    assert_int_equal(number(f, "PRAGMA foreign_keys"), 1);
    assert_int_equal(number(f, "PRAGMA busy_timeout"), 10000);
    assert_int_equal(number(f, "PRAGMA cache_size"), -8192);
    assert_int_equal(number(f, "PRAGMA wal_autocheckpoint"), 4000);
    assert_int_equal(
        number(f, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
    assert_int_equal(number(f, "SELECT count(*) FROM t"), 1);
    assert_int_equal(stat(f->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    f->options.n_migrations = 3;
    assert_int_equal(open_it(f), LM_OK);
    assert_int_equal(number(f, "SELECT count(*) FROM t"), 2);
    assert_int_equal(open_it(f), LM_OK); /* nothing twice */
    assert_int_equal(number(f, "SELECT count(*) FROM t"), 2);
}

static void test_newer_version(void **state)
{
    struct fixture *f = *state;

    f->options.n_migrations = 3;
    assert_int_equal(open_it(f), LM_OK);
    f->options.n_migrations = 2;
    assert_refused(f, LM_ERR_VERSION, "newer_database");
    assert_non_null(strstr(f->err.en, "version 3"));
}

static void test_other_application(void **state)
{
    struct fixture *f = *state;
    sqlite3 *other = NULL;

    assert_int_equal(open_it(f), LM_OK);
    f->options.application_id = LM_APP_HUB;
    assert_refused(f, LM_ERR_CORRUPT, "other_application");
    lm_db_close(&f->db);
    (void)unlink(f->path);
    /* Somebody's own database without an application_id stays as it is. */
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "CREATE TABLE letters (x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    assert_refused(f, LM_ERR_CORRUPT, "other_application");
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "SELECT x FROM letters", NULL, NULL, NULL), SQLITE_OK);
    assert_int_not_equal(sqlite3_exec(other, "SELECT x FROM t", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
}

static void test_not_a_database(void **state)
{
    struct fixture *f = *state;
    char junk[8192];

    memset(junk, 'j', sizeof(junk));
    write_file(f->path, junk, sizeof(junk));
    assert_refused(f, LM_ERR_CORRUPT, "corrupt");
    write_file(f->path, "", 0); /* an empty file is a new database */
    assert_int_equal(open_it(f), LM_OK);
}

static void test_damaged_page(void **state)
{
    struct fixture *f = *state;
    char junk[4096];
    int fd;

    assert_int_equal(open_it(f), LM_OK);
    assert_int_equal(
        lm_db_exec(f->db,
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 2000)"
                   "INSERT INTO t (x) SELECT i || '"
                   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' FROM n",
                   &f->err),
        LM_OK);
    lm_db_close(&f->db); /* checkpoints */
    memset(junk, 0xee, sizeof(junk));
    fd = open(f->path, O_WRONLY);
    for (int page = 4; page < 40; page++) {
        assert_int_equal(pwrite(fd, junk, sizeof(junk), page * 4096), (ssize_t)sizeof(junk));
    }
    close(fd);
    assert_int_equal(open_it(f), LM_OK);
    assert_int_equal(lm_db_exec(f->db, "UPDATE t SET y = 'z'", &f->err), LM_ERR_CORRUPT);
    assert_string_equal(f->err.code, "corrupt");
}

static void test_failed_migration_leaves_nothing(void **state)
{
    static const struct lm_migration bad[] = {
        {"CREATE TABLE t (x)"},
        {"CREATE TABLE u (x); INSERT INTO nowhere VALUES (1)"},
    };
    struct fixture *f = *state;

    f->options.migrations = bad;
    assert_int_equal(open_it(f), LM_ERR_INTERNAL);
    assert_null(f->db);
    f->options.n_migrations = 1;
    assert_int_equal(open_it(f), LM_OK);
    assert_int_equal(number(f, "PRAGMA user_version"), 1);
    assert_int_equal(number(f, "SELECT count(*) FROM sqlite_schema WHERE name = 'u'"), 0);
}

static void test_full_disk(void **state)
{
    struct fixture *f = *state;
    char sql[64];

    assert_int_equal(open_it(f), LM_OK);
    snprintf(sql, sizeof(sql), "PRAGMA max_page_count=%d", (int)number(f, "PRAGMA page_count") + 1);
    assert_int_equal(lm_db_exec(f->db, sql, &f->err), LM_OK);
    assert_int_equal(lm_db_begin(f->db, &f->err), LM_OK);
    assert_int_equal(lm_db_exec(f->db, "INSERT INTO t (x) VALUES (hex(zeroblob(100000)))", &f->err),
                     LM_ERR_FULL);
    assert_string_equal(f->err.code, "disk_full");
    lm_db_rollback(f->db);
    assert_false(lm_db_in_transaction(f->db));
    assert_int_equal(number(f, "SELECT count(*) FROM t"), 1);
}

static void test_busy(void **state)
{
    struct fixture *f = *state;
    struct lm_db *other = NULL;

    assert_int_equal(open_it(f), LM_OK);
    assert_int_equal(lm_db_open(&f->options, &other, &f->err), LM_OK);
    assert_int_equal(lm_db_begin(other, &f->err), LM_OK);
    sqlite3_busy_timeout(lm_db_handle(f->db), 0); /* not the ten seconds of every day */
    assert_int_equal(lm_db_begin(f->db, &f->err), LM_ERR_BUSY);
    assert_string_equal(f->err.code, "busy");
    assert_int_equal(lm_db_exec(other, "INSERT INTO t (x) VALUES ('o')", NULL), LM_OK);
    assert_int_equal(lm_db_commit(other, &f->err), LM_OK);
    assert_int_equal(lm_db_begin(f->db, &f->err), LM_OK);
    assert_int_equal(number(f, "SELECT count(*) FROM t"), 2);
    lm_db_rollback(f->db);
    lm_db_rollback(f->db); /* no-op */
    lm_db_close(&other);
}

static void test_read_only(void **state)
{
    struct fixture *f = *state;
    struct lm_db *reader = NULL;
    struct lm_db_options options = f->options;

    options.read_only = true;
    assert_int_equal(lm_db_open(&options, &reader, &f->err),
                     LM_ERR_NOT_FOUND); /* never makes one */
    assert_int_equal(open_it(f), LM_OK);
    assert_int_equal(lm_db_open(&options, &reader, &f->err), LM_OK);
    assert_int_equal(lm_db_exec(reader, "INSERT INTO t (x) VALUES ('r')", &f->err), LM_ERR_DENIED);
    assert_string_equal(f->err.code, "read_only");
    /* A reader's transaction is one moment, whatever is written meanwhile. */
    assert_int_equal(lm_db_begin_read(reader, &f->err), LM_OK);
    struct fixture r = {.db = reader};
    assert_int_equal(number(&r, "SELECT count(*) FROM t"), 1);
    assert_int_equal(lm_db_exec(f->db, "INSERT INTO t (x) VALUES ('w')", &f->err), LM_OK);
    assert_int_equal(number(&r, "SELECT count(*) FROM t"), 1);
    assert_int_equal(lm_db_commit(reader, &f->err), LM_OK);
    assert_int_equal(number(&r, "SELECT count(*) FROM t"), 2);
    lm_db_close(&reader);
}

static void test_statuses(void **state)
{
    struct fixture *f = *state;
    struct {
        int rc;
        enum lm_status st;
        const char *code;
    } cases[] = {
        {SQLITE_FULL, LM_ERR_FULL, "disk_full"},
        {SQLITE_IOERR_FSYNC, LM_ERR_IO, "io_error"},
        {SQLITE_IOERR_NOMEM, LM_ERR_MEMORY, "memory"},
        {SQLITE_NOMEM, LM_ERR_MEMORY, "memory"},
        {SQLITE_READONLY, LM_ERR_DENIED, "read_only"},
        {SQLITE_BUSY_SNAPSHOT, LM_ERR_BUSY, "busy"},
        {SQLITE_LOCKED, LM_ERR_BUSY, "busy"},
        {SQLITE_CORRUPT, LM_ERR_CORRUPT, "corrupt"},
        {SQLITE_NOTADB, LM_ERR_CORRUPT, "corrupt"},
        {SQLITE_CONSTRAINT_UNIQUE, LM_ERR_EXISTS, "exists"},
        {SQLITE_MISUSE, LM_ERR_INTERNAL, "database"},
        {SQLITE_TOOBIG, LM_ERR_LIMIT, "too_large"},
    };

    assert_int_equal(open_it(f), LM_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(lm_db_status(f->db, cases[i].rc, "test", &f->err), cases[i].st);
        assert_string_equal(f->err.code, cases[i].code);
        assert_non_null(strstr(f->err.en, "test"));
    }
    assert_int_equal(lm_db_status(f->db, SQLITE_ROW, "test", NULL), LM_OK);
    assert_int_equal(lm_db_status(f->db, SQLITE_DONE, "test", NULL), LM_OK);
    assert_int_equal(lm_db_exec(f->db, "INSERT INTO t (x) VALUES ('one')", &f->err), LM_ERR_EXISTS);
    assert_int_equal(lm_db_exec(f->db, "INSERT INTO t (id) VALUES ('text')", NULL),
                     LM_ERR_INTERNAL);
    f->options.path = "/nonexistent/a.db";
    assert_int_not_equal(open_it(f), LM_OK);
    assert_null(f->db);
    f->options.path = f->dir; /* a directory */
    assert_int_not_equal(open_it(f), LM_OK);
    assert_null(f->db);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_open),           T(test_newer_version), T(test_other_application),
        T(test_not_a_database), T(test_damaged_page),  T(test_failed_migration_leaves_nothing),
        T(test_full_disk),      T(test_busy),          T(test_read_only),
        T(test_statuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
