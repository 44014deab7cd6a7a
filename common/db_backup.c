/* Backups as files of their own: see db.h. */
#include "common/db.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void lm_db_remove(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    char name[PATH_MAX + 16];

    for (size_t i = 0; path[0] && i < sizeof suffixes / sizeof suffixes[0]; i++) {
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
}

static enum lm_status sync_path(const char *path, int flags, struct lm_error *err)
{
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    int number = errno;

    if (fd >= 0) {
        (void)close(fd);
    }
    /* Some file systems of USB sticks know no fsync of a directory. */
    return ok || (flags & O_DIRECTORY && number == EINVAL)
               ? LM_OK
               : lm_fail(err, number == ENOSPC ? LM_ERR_FULL : LM_ERR_IO, "io_error", "",
                         "无法写入 %s：%s", "Cannot write %s: %s", path, strerror(number));
}

enum lm_status lm_db_sync_file(const char *path, struct lm_error *err)
{
    return sync_path(path, 0, err);
}

enum lm_status lm_db_sync_directory_of(const char *path, struct lm_error *err)
{
    char directory[PATH_MAX];
    char *slash;

    (void)snprintf(directory, sizeof directory, "%s", path);
    slash = strrchr(directory, '/');
    if (!slash) {
        (void)snprintf(directory, sizeof directory, ".");
    } else {
        slash[slash == directory] = '\0';
    }
    return sync_path(directory, O_DIRECTORY, err);
}

static enum lm_status taken(const char *path, struct lm_error *err)
{
    return lm_fail(err, LM_ERR_EXISTS, "file_exists", "", "文件 %s 已存在，不覆盖",
                   "%s is there already and is not overwritten", path);
}

/* Gives the file its name unless something has it; file systems without links cannot say that in
 * one step. */
static enum lm_status name_file(const char *from, const char *path, struct lm_error *err)
{
    if (link(from, path) == 0) {
        (void)unlink(from);
        return LM_OK;
    }
    if (errno == EEXIST || access(path, F_OK) == 0) {
        return taken(path, err);
    }
    return rename(from, path) == 0 ? LM_OK
                                   : lm_fail(err, LM_ERR_IO, "io_error", "", "无法写入 %s：%s",
                                             "Cannot write %s: %s", path, strerror(errno));
}

/* Who opened the copy to judge it may have left SQLite's two files of a write-ahead log beside it:
 * what was written in is in the copy itself by now. */
static enum lm_status no_log_beside(const char *part, struct lm_error *err)
{
    char log[PATH_MAX + 8];
    struct stat info;

    (void)snprintf(log, sizeof log, "%s-wal", part);
    return stat(log, &info) != 0 || info.st_size == 0
               ? LM_OK
               : lm_fail(err, LM_ERR_INTERNAL, "internal", "", "备份还没有写完整",
                         "Something of the backup is still in its log");
}

/* Beside path, for what is being made of it; what an ended run left there goes. */
static bool name_part(const char *path, char part[PATH_MAX])
{
    char directory[PATH_MAX], mark[LM_RUN_MARK];
    const char *slash = strrchr(path, '/');

    if (strlen(path) >= PATH_MAX) {
        return false;
    }
    (void)snprintf(directory, sizeof directory, "%.*s",
                   !slash || slash == path ? 1 : (int)(slash - path), slash ? path : ".");
    lm_db_sweep(directory, ".part-", true, slash ? slash + 1 : path);
    lm_db_run_mark(mark);
    return (size_t)snprintf(part, PATH_MAX, "%s.part-%s", path, mark) < PATH_MAX;
}

enum lm_status lm_db_backup(struct lm_db *from, const char *path,
                            enum lm_status (*check)(void *arg, const char *copy,
                                                    struct lm_error *err),
                            void *arg, uint64_t *bytes_out, struct lm_error *err)
{
    char part[PATH_MAX];
    struct stat info;
    enum lm_status status;

    *bytes_out = 0;
    if (access(path, F_OK) == 0) {
        return taken(path, err);
    }
    if (!name_part(path, part)) {
        return lm_fail(err, LM_ERR_LIMIT, "path_too_long", "", "路径太长", "The path is too long");
    }
    status = lm_db_copy(from, part, err);
    if (status == LM_OK) {
        status = check(arg, part, err);
    }
    if (status == LM_OK) {
        status = no_log_beside(part, err);
    }
    if (status == LM_OK) {
        status = lm_db_sync_file(part, err);
    }
    if (status == LM_OK) {
        *bytes_out = stat(part, &info) == 0 ? (uint64_t)info.st_size : 0;
        status = name_file(part, path, err);
    }
    lm_db_remove(part); /* all of it, or what is beside what has its name now */
    return status == LM_OK ? lm_db_sync_directory_of(path, err) : status;
}
