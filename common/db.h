/* The one place that opens databases: SQLite with WAL and synchronous=FULL, migrations,
 * transactions, and SQLite's errors as statuses with words. One connection belongs to one thread.
 *
 * A process must not open a database's files in any other way while it has it open here (not to
 * read its size, not to copy it): closing that descriptor would drop SQLite's locks on it, and the
 * write-ahead log could be taken away from under us (howtocorrupt.html, 2.2).
 *
 * Only stores (common/tables, hub/store, node/store) use lm_db_handle(); nobody else sees SQLite.
 */
#ifndef LM_COMMON_DB_H
#define LM_COMMON_DB_H

#include "common/base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct sqlite3;
struct sqlite3_stmt;
struct lm_db;

/* Migration i brings user_version from i to i+1 in one transaction; never edited once released. */
struct lm_migration {
    const char *sql;
};
struct lm_db_options {
    const char *path;
    uint32_t application_id; /* LM_APP_NODE, LM_APP_HUB, …; another one in the file is an error */
    const struct lm_migration *migrations;
    int n_migrations;
    bool create;          /* else a missing file is LM_ERR_NOT_FOUND */
    bool read_only;       /* no migration; a reader in WAL mode */
    int page_bytes;       /* of a new file; 0 = 4096 */
    int cache_kib;        /* page cache; 0 = 8 MiB */
    int checkpoint_pages; /* wal_autocheckpoint; 0 = 4000 */
};
#define LM_APP_NODE 0x4c4d4e31u
#define LM_APP_HUB 0x4c4d4831u
#define LM_APP_AUDIT 0x4c4d4131u
#define LM_APP_TRAINING 0x4c4d5431u

/* LM_ERR_VERSION: the file's user_version is newer than n_migrations (err says which program is
 * needed). LM_ERR_CORRUPT: not a database, another application's, or damaged. LM_ERR_IO,
 * LM_ERR_DENIED, LM_ERR_FULL, LM_ERR_BUSY. */
enum lm_status lm_db_open(const struct lm_db_options *options, struct lm_db **out,
                          struct lm_error *err) LM_MUST_USE;
void lm_db_close(struct lm_db **db);
struct sqlite3 *lm_db_handle(struct lm_db *db);
/* Sets aside memory for n pages of cache, once for the process and before the first lm_db_open: a
 * server with a large cache then does not ask malloc for every page. Without it, or when there is
 * no such memory, pages come from malloc. */
void lm_db_reserve_pages(int n, int page_bytes);

/* A copy of one snapshot of the database into a new file of mode 0600 that stands alone (no log
 * beside it); writers go on meanwhile. LM_ERR_EXISTS when the file is there; LM_ERR_IO,
 * LM_ERR_FULL, LM_ERR_DENIED: no file is left. The caller fsyncs. */
enum lm_status lm_db_copy(struct lm_db *from, const char *path, struct lm_error *err) LM_MUST_USE;
/* SQLite's own check of the whole file: LM_ERR_CORRUPT. */
enum lm_status lm_db_check(struct lm_db *db, struct lm_error *err) LM_MUST_USE;
/* A copy with a name: made beside it as PATH.part-…, judged by check (which may open it; LM_OK = it
 * is good), synced, and only then given the name. LM_ERR_EXISTS "file_exists": nothing is
 * overwritten. No half of a file is left. common/db_backup.c. */
enum lm_status lm_db_backup(struct lm_db *from, const char *path,
                            enum lm_status (*check)(void *arg, const char *copy,
                                                    struct lm_error *err),
                            void *arg, uint64_t *bytes_out, struct lm_error *err) LM_MUST_USE;
enum lm_status lm_db_sync_file(const char *path, struct lm_error *err) LM_MUST_USE;
enum lm_status lm_db_sync_directory_of(const char *path, struct lm_error *err) LM_MUST_USE;
/* The file and what SQLite puts beside it; nobody may have it open. */
void lm_db_remove(const char *path);
/* A mark for the names of unfinished copies: this process, and a random number. */
#define LM_RUN_MARK 17
void lm_db_run_mark(char out[LM_RUN_MARK]);
/* Removes from the directory the unfinished copies whose makers have ended: PREFIX<mark>, a file or
 * a staged folder; and logs it. shared: others use the directory too, names are
 * ANYTHINGPREFIX<mark>, and only those that begin with own, or are an hour old, are removed. */
void lm_db_sweep(const char *directory, const char *prefix, bool shared, const char *own);
/* Writes the log back into the file and empties it, as far as no reader is in the way. */
void lm_db_checkpoint(struct lm_db *db);

/* err nullable everywhere below. */
enum lm_status lm_db_exec(struct lm_db *db, const char *sql, struct lm_error *err) LM_MUST_USE;
enum lm_status lm_db_prepare(struct lm_db *db, const char *sql, struct sqlite3_stmt **out,
                             struct lm_error *err) LM_MUST_USE;
/* BEGIN IMMEDIATE, waiting at most busy_timeout (10 s) → LM_ERR_BUSY. */
enum lm_status lm_db_begin(struct lm_db *db, struct lm_error *err) LM_MUST_USE;
enum lm_status lm_db_begin_read(struct lm_db *db, struct lm_error *err) LM_MUST_USE;
/* After a failed commit nothing of the transaction is there. LM_ERR_FULL, LM_ERR_IO: see P2 for
 * what a hub must do. */
enum lm_status lm_db_commit(struct lm_db *db, struct lm_error *err) LM_MUST_USE;
void lm_db_rollback(struct lm_db *db); /* no-op outside a transaction */
bool lm_db_in_transaction(struct lm_db *db);
/* What an sqlite3 result code means: SQLITE_ROW, DONE and OK → LM_OK; fills err with `doing`
 * (English verb phrase) and SQLite's text. */
enum lm_status lm_db_status(struct lm_db *db, int rc, const char *doing, struct lm_error *err);

#endif
