/* Files beside the database survive when the database alone is put back: incarnations.log (every
 * incarnation ever begun) and revoked.log, which are appended to and never shortened, and doors.log
 * (doors.c). What they know and the database does not is made good when the store is opened for
 * writing; what the database knows and they do not, as one was lost or damaged, is written to them
 * again then and before a restore. */
#include "hub/store/store_internal.h"

#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOG_BYTES_MAX = 16 * 1024 * 1024 };

/* ---- append-only files ---- */

static enum lm_status path_of(const struct lm_store *store, const char *name, char path[PATH_MAX],
                              struct lm_error *err)
{
    enum lm_status status = lm_datadir_path(&store->dir, name, path, PATH_MAX);

    return status == LM_OK ? LM_OK
                           : lm_fail(err, status, "path_too_long", "", "数据目录的路径太长",
                                     "The data directory's path is too long");
}

enum lm_status lm_beside_append(const struct lm_store *store, const char *name, const char *line,
                                struct lm_error *err)
{
    char path[PATH_MAX];
    size_t n = strlen(line);
    char last = '\n';
    bool ok;
    off_t size;
    int fd, number;
    enum lm_status status = path_of(store, name, path, err);

    if (status != LM_OK) {
        return status;
    }
    fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    /* A line that was cut ends where it ends: the next one does not go on in it. */
    ok = fd >= 0 && (size <= 0 || (pread(fd, &last, 1, size - 1) == 1 &&
                                   (last == '\n' || write(fd, "\n", 1) == 1)));
    ok = ok && write(fd, line, n) == (ssize_t)n && fsync(fd) == 0;
    number = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (ok && size == 0) {
        return lm_db_sync_directory_of(path, err);
    }
    return ok ? LM_OK
              : lm_fail(err, number == ENOSPC ? LM_ERR_FULL : LM_ERR_IO, "io_error", "",
                        "无法写入 %s：%s", "Cannot write %s: %s", path, strerror(number));
}

enum lm_status lm_beside_lines(const struct lm_store *store, const char *name,
                               enum lm_status (*visit)(void *arg, const char *line), void *arg,
                               struct lm_error *err)
{
    char path[PATH_MAX], *text = NULL, *rest = NULL;
    size_t n = 0;
    enum lm_status status = path_of(store, name, path, err);

    if (status != LM_OK) {
        return status;
    }
    status = lm_file_read(path, LOG_BYTES_MAX, &text, &n, err);
    if (status != LM_OK) {
        return status == LM_ERR_NOT_FOUND ? LM_OK : status;
    }
    for (size_t i = 0; i < n; i++) { /* a power failure may leave zeros where a line should be */
        text[i] = text[i] == '\0' ? '\n' : text[i];
    }
    for (char *line = strtok_r(text, "\n", &rest); line && status == LM_OK;
         line = strtok_r(NULL, "\n", &rest)) {
        status = visit(arg, line);
    }
    free(text);
    return status;
}

/* ---- what the files know better ---- */

static enum lm_status highest(void *arg, const char *line)
{
    uint64_t *counter = arg, n = 0;
    int64_t at_ms;

    if (sscanf(line, "%" SCNd64 " %" SCNu64, &at_ms, &n) == 2 && n > *counter && n < INT64_MAX) {
        *counter = n;
    }
    return LM_OK;
}

enum lm_status lm_incarnation_highest(struct lm_store *store, uint64_t *counter,
                                      struct lm_error *err)
{
    return lm_beside_lines(store, LM_INCARNATIONS_FILE, highest, counter, err);
}

struct revoking {
    struct lm_store *store;
    int64_t now_ms;
    struct lm_error *err;
};

static enum lm_status revoke_again(void *arg, const char *line)
{
    struct revoking *r = arg;
    struct lm_replica row;
    int64_t at_ms;
    uint64_t number = 0;
    char station[16];
    enum lm_status status;

    if (sscanf(line, "%" SCNd64 " %15s %" SCNu64, &at_ms, station, &number) != 3) {
        return LM_OK;
    }
    status = lm_store_replica_get(r->store, number, &row);
    if (status != LM_OK || row.revoked_ms != 0) {
        return status == LM_ERR_NOT_FOUND ? LM_OK : status;
    }
    lm_log(LM_LOG_WARN, "store", "replica %" PRIu64 " of %s was revoked before: revoked again",
           number, row.station);
    return lm_revoke_row(r->store, "", &row, r->now_ms, r->err);
}

static enum lm_status find_revoked(void *arg, const char *line)
{
    uint64_t *wanted = arg, number = 0;
    int64_t at_ms;
    char station[16];

    if (sscanf(line, "%" SCNd64 " %15s %" SCNu64, &at_ms, station, &number) == 3 &&
        number == *wanted) {
        return LM_ERR_EXISTS;
    }
    return LM_OK;
}

enum lm_status lm_store_was_revoked(struct lm_store *store, uint64_t replica, bool *out)
{
    enum lm_status status = lm_beside_lines(store, LM_REVOKED_FILE, find_revoked, &replica, NULL);

    *out = status == LM_ERR_EXISTS;
    return *out ? LM_OK : status;
}

enum lm_status lm_revoke_again(struct lm_store *store, int64_t now_ms, struct lm_error *err)
{
    struct revoking r = {.store = store, .now_ms = now_ms, .err = err};

    return lm_beside_lines(store, LM_REVOKED_FILE, revoke_again, &r, err);
}

/* ---- what the database knows better ---- */

struct unlisted {
    struct lm_store *store;
    int64_t now_ms;
    struct lm_error *err;
    enum lm_status status;
};

static bool note_revoked(void *arg, const struct lm_replica *r)
{
    struct unlisted *u = arg;
    bool there = false;

    if (r->revoked_ms == 0) {
        return true;
    }
    u->status = lm_store_was_revoked(u->store, r->number, &there);
    if (u->status == LM_OK && !there) {
        lm_log(LM_LOG_WARN, "store",
               LM_REVOKED_FILE " did not name replica %" PRIu64 " of %s, which is revoked: added",
               r->number, r->station);
        u->status = lm_revocation_note(u->store, r, u->now_ms, u->err);
    }
    return u->status == LM_OK;
}

static enum lm_status note_incarnation(struct lm_store *store, int64_t now_ms, struct lm_error *err)
{
    uint64_t counter = 0;
    enum lm_status status = lm_incarnation_highest(store, &counter, err);

    if (status != LM_OK || counter >= store->town.incarnation.counter) {
        return status;
    }
    lm_log(LM_LOG_WARN, "store",
           LM_INCARNATIONS_FILE " knew %" PRIu64 " and not %" PRIu64 ": added", counter,
           store->town.incarnation.counter);
    return lm_incarnation_note(store, "noted again", now_ms, err);
}

enum lm_status lm_store_beside_note(struct lm_store *store, int64_t now_ms, struct lm_error *err)
{
    struct unlisted u = {.store = store, .now_ms = now_ms, .err = err};
    enum lm_status status = lm_store_replicas(store, NULL, note_revoked, &u, err);

    status = status == LM_OK ? u.status : status;
    if (status == LM_OK) {
        status = lm_doors_note(store, now_ms, err);
    }
    return status == LM_OK ? note_incarnation(store, now_ms, err) : status;
}

/* ---- at opening ---- */

enum lm_status lm_store_heal(struct lm_store *store, struct lm_error *err)
{
    int64_t now_ms = lm_clock_wall_ms();
    uint64_t counter = 0;
    enum lm_status status = lm_store_beside_note(store, now_ms, err);

    if (status == LM_OK) {
        status = lm_store_begin(store, err);
    }
    if (status != LM_OK) {
        return status;
    }
    status = lm_revoke_again(store, now_ms, err);
    if (status == LM_OK) {
        status = lm_doors_again(store, now_ms, err);
    }
    if (status == LM_OK) {
        status = lm_store_commit(store, err);
    }
    if (status != LM_OK) {
        lm_store_rollback(store);
        return status;
    }
    status = lm_incarnation_highest(store, &counter, err);
    if (status == LM_OK && counter > store->town.incarnation.counter && store->town.rival == 0) {
        status = lm_store_new_incarnation(store, "", "database put back", now_ms, err);
    }
    return status;
}
