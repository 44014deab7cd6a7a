/* The data directory: made, checked, locked; whole files in and out.
 *
 * A lock is a flock on a file of the directory that is never removed: removing it would let two
 * processes hold locks on two files of the same name. Its content, the holder's process id, is for
 * people only. */
#include "common/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static enum lm_status fail_read_only(struct lm_error *err, const char *path)
{
    return lm_fail(
        err, LM_ERR_DENIED, "read_only_disk", "",
        "%s 所在的磁盘现在是只读的，什么都存不进去：可能是磁盘出错，系统为保护数据改成了只读，"
        "或是U盘开了写保护。请技术人员先看 dmesg、检查磁盘，再重新挂载为可写。",
        "The disk of %s is read-only now, so nothing can be saved: it may have failed, "
        "and the system protects it, or a stick's lock is on. Look at dmesg and check "
        "the disk, then mount it writable again.",
        path);
}

static enum lm_status fail_errno(struct lm_error *err, int number, const char *path)
{
    const char *text = strerror(number);

    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return lm_fail(err, LM_ERR_NOT_FOUND, "not_found", "", "找不到 %s（%s）。",
                       "%s was not found (%s).", path, text);
    case EROFS:
        return fail_read_only(err, path);
    case EACCES:
    case EPERM:
        return lm_fail(err, LM_ERR_DENIED, "denied", "",
                       "没有访问 %s 的权限（%s）。请换用有权限的用户。",
                       "No permission for %s (%s). Run as a user that has it.", path, text);
    case ENOSPC:
    case EDQUOT:
        return lm_fail(err, LM_ERR_FULL, "disk_full", "",
                       "磁盘空间已满，没有写入 %s（%s）。请清理后重试。",
                       "The disk is full; %s was not written (%s). Free some space and try again.",
                       path, text);
    case ENOMEM:
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足：%s（%s）。",
                       "Out of memory: %s (%s).", path, text);
    case ENAMETOOLONG:
        return lm_fail(err, LM_ERR_LIMIT, "path_too_long", "", "路径过长：%s（%s）。",
                       "The path is too long: %s (%s).", path, text);
    default:
        return lm_fail(err, LM_ERR_IO, "io_error", "", "读写 %s 出错（%s）。请检查磁盘。",
                       "Reading or writing %s failed (%s). Check the disk.", path, text);
    }
}

/* ---- the directory ---- */

/* Every missing level, the last one 0700; the ones above as the umask says. */
static int make_directories(const char *path)
{
    char part[PATH_MAX];
    size_t n = strlen(path);

    memcpy(part, path, n + 1);
    for (size_t i = 1; i < n; i++) {
        if (part[i] != '/') {
            continue;
        }
        part[i] = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST) {
            return errno;
        }
        part[i] = '/';
    }
    return mkdir(path, 0700) != 0 && errno != EEXIST ? errno : 0;
}

static enum lm_status fail_owner(struct lm_error *err, const char *path, const struct stat *info)
{
    char name[64] = "", buf[1024];
    struct passwd entry, *found = NULL;

    if (getpwuid_r(info->st_uid, &entry, buf, sizeof(buf), &found) == 0 && found) {
        (void)snprintf(name, sizeof(name), "%s", found->pw_name);
    } else {
        (void)snprintf(name, sizeof(name), "uid %u", (unsigned)info->st_uid);
    }
    return lm_fail(
        err, LM_ERR_DENIED, "data_dir_denied", "",
        "数据目录 %s 属于用户 %s，当前用户不能写入。请用该用户运行本命令。",
        "The data directory %s belongs to %s and can't be written by the current user. Run the "
        "command as that user.",
        path, name);
}

static void drop_slashes(char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/') {
        path[--n] = '\0';
    }
}

enum lm_status lm_datadir_open(const char *path, bool must_exist, struct lm_datadir *out,
                               struct lm_error *err)
{
    struct stat info;
    int number;

    memset(out, 0, sizeof(*out));
    out->lock_fd = -1;
    if (!path || !*path) {
        path = getenv("LASTMILE_DATA");
    }
    if (!path || !*path) {
        return lm_fail(err, LM_ERR_INVALID, "no_data_dir", "",
                       "没有指定数据目录。请用 --data 目录，或设置环境变量 LASTMILE_DATA。",
                       "No data directory was given. Use --data DIR or set LASTMILE_DATA.");
    }
    if (strlen(path) >= sizeof(out->path) - 64) { /* room for the names inside */
        return fail_errno(err, ENAMETOOLONG, "--data");
    }
    memcpy(out->path, path, strlen(path) + 1);
    drop_slashes(out->path);
    if (stat(out->path, &info) != 0) {
        if (errno != ENOENT) {
            return fail_errno(err, errno, out->path);
        }
        if (must_exist) {
            return lm_fail(
                err, LM_ERR_NOT_FOUND, "no_data_dir", "",
                "数据目录 %s 不存在。镇级请先运行 lastmile-hub init，村级请先运行 lastmile-node "
                "enrol。",
                "There is no data directory %s. Make it with lastmile-hub init at the town, or "
                "with lastmile-node enrol at a station.",
                out->path);
        }
        number = make_directories(out->path);
        if (number == 0 && stat(out->path, &info) != 0) {
            number = errno;
        }
        if (number) {
            return fail_errno(err, number, out->path);
        }
    }
    if (!S_ISDIR(info.st_mode)) {
        return lm_fail(err, LM_ERR_INVALID, "not_a_directory", "", "%s 不是目录。请指定一个目录。",
                       "%s is not a directory. Name a directory.", out->path);
    }
    if (access(out->path, R_OK | W_OK | X_OK) != 0) {
        return errno == EROFS ? fail_read_only(err, out->path) : fail_owner(err, out->path, &info);
    }
    return LM_OK;
}

enum lm_status lm_datadir_path(const struct lm_datadir *dir, const char *name, char *out, size_t n)
{
    int len = snprintf(out, n, "%s/%s", dir->path, name);

    return len < 0 || (size_t)len >= n ? LM_ERR_LIMIT : LM_OK;
}

static enum lm_status fail_locked(struct lm_error *err, int fd)
{
    char holder[32] = "?";
    ssize_t n = pread(fd, holder, sizeof(holder) - 1, 0);

    if (n > 0) {
        holder[n] = '\0';
        holder[strspn(holder, "0123456789")] = '\0';
    }
    return lm_fail(
        err, LM_ERR_BUSY, "locked", "",
        "数据目录正被另一个进程（进程号 %s）使用。请先停止它，或通过它执行。",
        "The data directory is in use by another process (pid %s). Stop it first, or let it do "
        "the work.",
        holder[0] ? holder : "?");
}

enum lm_status lm_datadir_lock(struct lm_datadir *dir, const char *name, struct lm_error *err)
{
    char path[PATH_MAX], holder[32];
    int fd, n;

    if (lm_datadir_path(dir, name, path, sizeof(path)) != LM_OK) {
        return fail_errno(err, ENAMETOOLONG, name);
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return fail_errno(err, errno, path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        enum lm_status st =
            errno == EWOULDBLOCK ? fail_locked(err, fd) : fail_errno(err, errno, path);

        (void)close(fd);
        return st;
    }
    n = snprintf(holder, sizeof(holder), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, holder, (size_t)n, 0) != n) {
        enum lm_status st = fail_errno(err, errno ? errno : EIO, path);

        (void)close(fd);
        return st;
    }
    if (dir->lock_fd >= 0) {
        (void)close(dir->lock_fd);
    }
    dir->lock_fd = fd;
    return LM_OK;
}

void lm_datadir_close(struct lm_datadir *dir)
{
    if (dir && dir->lock_fd >= 0) {
        (void)close(dir->lock_fd);
        dir->lock_fd = -1;
    }
}

/* ---- files ---- */

static int read_all(int fd, char *data, size_t n, size_t *n_out)
{
    size_t got = 0;

    while (got < n) {
        ssize_t k = read(fd, data + got, n - got);

        if (k < 0 && errno == EINTR) {
            continue;
        }
        if (k < 0) {
            return errno;
        }
        if (k == 0) {
            break;
        }
        got += (size_t)k;
    }
    *n_out = got;
    return 0;
}

enum lm_status lm_file_read(const char *path, size_t max, char **out, size_t *n_out,
                            struct lm_error *err)
{
    struct stat info;
    char *data = NULL;
    size_t want, got = 0;
    enum lm_status st = LM_OK;
    int number = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */

    *out = NULL;
    if (fd < 0) {
        return fail_errno(err, errno, path);
    }
    if (fstat(fd, &info) != 0 || S_ISDIR(info.st_mode)) {
        st = fail_errno(err, S_ISDIR(info.st_mode) ? EISDIR : errno, path);
        goto out;
    }
    /* Devices and pipes say 0: read up to the bound. One byte more shows a file that is larger than
     * it said. */
    want =
        S_ISREG(info.st_mode) && (uint64_t)info.st_size < max ? (size_t)info.st_size + 1 : max + 1;
    data = malloc(want + 1);
    if (!data) {
        st = fail_errno(err, ENOMEM, path);
        goto out;
    }
    number = S_ISREG(info.st_mode) && (uint64_t)info.st_size > max ? EFBIG
                                                                   : read_all(fd, data, want, &got);
    if (number == EFBIG || got > max) {
        st = lm_fail(err, LM_ERR_LIMIT, "too_large", "", "文件 %s 过大，最多 %zu 字节。",
                     "The file %s is too large: at most %zu bytes.", path, max);
    } else if (number) {
        st = fail_errno(err, number, path);
    } else {
        data[got] = '\0';
        *out = data;
        if (n_out) {
            *n_out = got;
        }
        data = NULL;
    }
out:
    free(data);
    (void)close(fd);
    return st;
}

static int write_all(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, data, n);

        if (k < 0 && errno == EINTR) {
            continue;
        }
        if (k <= 0) {
            return k < 0 ? errno : EIO;
        }
        data += k;
        n -= (size_t)k;
    }
    return 0;
}

/* The rename itself must be on disk. Some file systems can't sync a directory: that is no failure.
 */
static int sync_directory(const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    int fd, number = 0;

    if (!slash) {
        memcpy(dir, ".", 2);
    } else {
        n = n ? n : 1; /* "/name" */
        memcpy(dir, path, n);
        dir[n] = '\0';
    }
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    if (fsync(fd) != 0 && errno != EINVAL) {
        number = errno;
    }
    (void)close(fd);
    return number;
}

enum lm_status lm_file_write(const char *path, const void *data, size_t n, int mode,
                             struct lm_error *err)
{
    char temporary[PATH_MAX];
    int len = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    int number = 0;
    int fd;

    if (len < 0 || (size_t)len >= sizeof(temporary)) {
        return fail_errno(err, ENAMETOOLONG, path);
    }
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(err, errno, path);
    }
    /* A stick's file system has no modes, and says EPERM to what it cannot keep. mkostemp gave 0600
     * where there are any. */
    number = fchmod(fd, (mode_t)mode) != 0 && errno != EPERM ? errno : 0;
    number = number ? number : write_all(fd, data, n);
    if (!number && fsync(fd) != 0) {
        number = errno;
    }
    if (close(fd) != 0 && !number) {
        number = errno;
    }
    if (!number && rename(temporary, path) != 0) {
        number = errno;
    }
    if (number) {
        (void)unlink(temporary);
    } else {
        number = sync_directory(path);
    }
    return number ? fail_errno(err, number, path) : LM_OK;
}

int64_t lm_free_bytes(const char *path)
{
    struct statvfs info;

    if (statvfs(path, &info) != 0) {
        return -1;
    }
    return (int64_t)info.f_bavail * (int64_t)info.f_frsize;
}
