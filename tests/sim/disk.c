/* The failing disk: a VFS in front of SQLite's own. A death is a power cut: what was not synced is
 * undone, and nothing is written after. A full disk refuses writes for a while. Files belong to the
 * owner that their path names: …/hub/… or …/n<index>/… */
#include "tests/sim/sim.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct owner {
    int die_after; /* writes left; -1 = lives on */
    int full;      /* writes to refuse */
    bool dead;
};
static struct owner owners[DISK_OWNERS];

/* What stood where a write went that no sync has followed yet. */
struct undo {
    sqlite3_int64 at, size; /* of the file before */
    int n;                  /* old bytes kept behind this struct */
    struct undo *older;
};
struct file {
    sqlite3_file base;
    int owner; /* -1: nobody's */
    sqlite3_file *real;
    struct undo *unsynced; /* the newest first */
    struct file *next;     /* open files of all owners */
};
static struct file *open_files;

static void forget(struct file *f)
{
    while (f->unsynced) {
        struct undo *older = f->unsynced->older;

        free(f->unsynced);
        f->unsynced = older;
    }
}

/* Keeps what a write of n bytes will overwrite. */
static void remember(struct file *f, int n, sqlite3_int64 at)
{
    sqlite3_int64 size = 0;
    struct undo *u;
    int old;

    if (f->owner < 0 || f->real->pMethods->xFileSize(f->real, &size) != SQLITE_OK) {
        return;
    }
    old = at >= size ? 0 : size - at < n ? (int)(size - at) : n;
    u = malloc(sizeof *u + (size_t)old);
    if (!u) {
        abort();
    }
    *u = (struct undo){.at = at, .size = size, .n = old, .older = f->unsynced};
    if (old > 0) {
        (void)f->real->pMethods->xRead(f->real, u + 1, old, at);
    }
    f->unsynced = u;
}

/* The power goes: what no sync has followed was never there. */
static void lose_unsynced(int owner)
{
    for (struct file *f = open_files; f; f = f->next) {
        for (struct undo *u = f->unsynced; f->owner == owner && u; u = u->older) {
            if (u->n > 0) {
                (void)f->real->pMethods->xWrite(f->real, u + 1, u->n, u->at);
            }
            (void)f->real->pMethods->xTruncate(f->real, u->size);
        }
        if (f->owner == owner) {
            forget(f);
        }
    }
}

static int owner_of(const char *path)
{
    const char *at = path ? strstr(path, "/lm-sim.") : NULL;

    at = at ? strchr(at + 1, '/') : NULL;
    if (at && strncmp(at, "/hub/", 5) == 0) {
        return DISK_HUB;
    }
    return at && at[1] == 'n' ? atoi(at + 2) : -1;
}

static int before_write(const struct file *f)
{
    struct owner *o = f->owner >= 0 ? &owners[f->owner] : NULL;

    if (!o) {
        return SQLITE_OK;
    }
    if (o->full > 0) {
        o->full--;
        return SQLITE_FULL;
    }
    if (!o->dead && o->die_after >= 0 && o->die_after-- == 0) {
        o->dead = true;
        lose_unsynced(f->owner);
    }
    return o->dead ? SQLITE_IOERR : SQLITE_OK;
}

static struct file *of(sqlite3_file *file)
{
    return (struct file *)(void *)file;
}

static int x_close(sqlite3_file *file)
{
    struct file *f = of(file);
    int rc = f->real->pMethods ? f->real->pMethods->xClose(f->real) : SQLITE_OK;

    for (struct file **at = &open_files; *at; at = &(*at)->next) {
        if (*at == f) {
            *at = f->next;
            break;
        }
    }
    forget(f);
    sqlite3_free(f->real);
    return rc;
}

static int x_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at)
{
    return of(file)->real->pMethods->xRead(of(file)->real, out, n, at);
}

static int x_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 at)
{
    int rc = before_write(of(file));

    if (rc == SQLITE_OK) {
        remember(of(file), n, at);
        rc = of(file)->real->pMethods->xWrite(of(file)->real, data, n, at);
    }
    return rc;
}

static int x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int rc = before_write(of(file));

    return rc ? rc : of(file)->real->pMethods->xTruncate(of(file)->real, size);
}

static int x_sync(sqlite3_file *file, int flags)
{
    struct file *f = of(file);

    (void)flags; /* nothing is gained by waiting for the real disk */
    if (f->owner >= 0 && owners[f->owner].dead) {
        return SQLITE_IOERR_FSYNC;
    }
    forget(f);
    return SQLITE_OK;
}

static int x_size(sqlite3_file *file, sqlite3_int64 *out)
{
    return of(file)->real->pMethods->xFileSize(of(file)->real, out);
}

static int x_lock(sqlite3_file *file, int level)
{
    return of(file)->real->pMethods->xLock(of(file)->real, level);
}

static int x_unlock(sqlite3_file *file, int level)
{
    return of(file)->real->pMethods->xUnlock(of(file)->real, level);
}

static int x_reserved(sqlite3_file *file, int *out)
{
    return of(file)->real->pMethods->xCheckReservedLock(of(file)->real, out);
}

static int x_control(sqlite3_file *file, int op, void *arg)
{
    return of(file)->real->pMethods->xFileControl(of(file)->real, op, arg);
}

static int x_sector(sqlite3_file *file)
{
    return of(file)->real->pMethods->xSectorSize(of(file)->real);
}

static int x_device(sqlite3_file *file)
{
    return of(file)->real->pMethods->xDeviceCharacteristics(of(file)->real);
}

static int x_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    return of(file)->real->pMethods->xShmMap(of(file)->real, page, size, extend, out);
}

static int x_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return of(file)->real->pMethods->xShmLock(of(file)->real, offset, n, flags);
}

static void x_shm_barrier(sqlite3_file *file)
{
    of(file)->real->pMethods->xShmBarrier(of(file)->real);
}

static int x_shm_unmap(sqlite3_file *file, int delete)
{
    return of(file)->real->pMethods->xShmUnmap(of(file)->real, delete);
}

static const sqlite3_io_methods methods = {.iVersion = 2,
                                           .xClose = x_close,
                                           .xRead = x_read,
                                           .xWrite = x_write,
                                           .xTruncate = x_truncate,
                                           .xSync = x_sync,
                                           .xFileSize = x_size,
                                           .xLock = x_lock,
                                           .xUnlock = x_unlock,
                                           .xCheckReservedLock = x_reserved,
                                           .xFileControl = x_control,
                                           .xSectorSize = x_sector,
                                           .xDeviceCharacteristics = x_device,
                                           .xShmMap = x_shm_map,
                                           .xShmLock = x_shm_lock,
                                           .xShmBarrier = x_shm_barrier,
                                           .xShmUnmap = x_shm_unmap};

static int v_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                  int *flags_out)
{
    sqlite3_vfs *real = vfs->pAppData;
    struct file *f = of(file);
    int rc;

    memset(f, 0, sizeof *f);
    f->owner = owner_of(name);
    f->real = sqlite3_malloc(real->szOsFile);
    if (!f->real) {
        return SQLITE_NOMEM;
    }
    memset(f->real, 0, (size_t)real->szOsFile);
    rc = real->xOpen(real, name, f->real, flags, flags_out);
    if (rc == SQLITE_OK) {
        f->base.pMethods = &methods;
        f->next = open_files;
        open_files = f;
    } else {
        sqlite3_free(f->real);
    }
    return rc;
}

static int v_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    sqlite3_vfs *real = vfs->pAppData;
    int owner = owner_of(name);

    (void)sync;
    return owner >= 0 && owners[owner].dead ? SQLITE_IOERR_DELETE : real->xDelete(real, name, 0);
}

static int no_lock(int fd, int cmd, ...)
{
    va_list args;
    struct flock *lock;

    (void)fd;
    va_start(args, cmd);
    lock = va_arg(args, struct flock *);
    va_end(args);
    if (cmd == F_GETLK) {
        lock->l_type = F_UNLCK;
    }
    return 0;
}

void sim_disk_install(void)
{
    static sqlite3_vfs vfs;
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);

    /* A town lives in one process: between its connections SQLite keeps the locks itself, and
     * asking the system as well took a seventh of the time. */
    (void)real->xSetSystemCall(real, "fcntl", (sqlite3_syscall_ptr)no_lock);

    vfs = *real;
    vfs.zName = "sim";
    vfs.szOsFile = (int)sizeof(struct file);
    vfs.pAppData = real;
    vfs.xOpen = v_open;
    vfs.xDelete = v_delete;
    (void)sqlite3_vfs_register(&vfs, 1);
    for (int i = 0; i < DISK_OWNERS; i++) {
        sim_disk_heal(i);
    }
}

void sim_disk_die_after(int owner, int writes)
{
    owners[owner].die_after = writes;
    if (writes == 0 && !owners[owner].dead) {
        owners[owner].dead = true;
        lose_unsynced(owner);
    }
}

void sim_disk_full(int owner, int writes)
{
    owners[owner].full = writes;
}

bool sim_disk_dead(int owner)
{
    return owners[owner].dead;
}

void sim_disk_heal(int owner)
{
    owners[owner] = (struct owner){.die_after = -1};
}
