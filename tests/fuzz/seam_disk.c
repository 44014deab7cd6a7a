/* A disk in memory under SQLite: see seams.h.
 *
 * Putting a database back under an open connection is safe because it is in WAL mode: at the start
 * of every transaction SQLite compares the log's index, which lies here too, with what it
 * remembers, and forgets its pages when they differ. */
#include "tests/fuzz/seams.h"

#include "common/base/util.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 16, REGIONS_MAX = 16, REGION_BYTES = 32768, NAME_MAX_BYTES = 512 };

struct content {
    uint8_t *data;
    size_t n, room;
};
struct disk_file {
    char name[NAME_MAX_BYTES]; /* "" = free slot */
    bool there;
    int opened; /* by so many connections */
    struct content now, kept;
    bool kept_there;
    int64_t written;
    uint8_t *regions[REGIONS_MAX], *kept_regions[REGIONS_MAX]; /* the log's index */
};
struct handle {
    sqlite3_file base;
    struct disk_file *file;
    struct disk_file temporary; /* has no name */
};

static struct disk_file files[FILES_MAX];

static void *must(void *memory)
{
    if (!memory) {
        abort();
    }
    return memory;
}

static void resize(struct content *c, size_t n)
{
    if (n > c->room) {
        c->room = n + n / 2 + 4096;
        c->data = must(realloc(c->data, c->room));
    }
    if (n > c->n) {
        memset(c->data + c->n, 0, n - c->n);
    }
    c->n = n;
}

static void assign(struct content *to, const struct content *from)
{
    resize(to, from->n);
    if (from->n > 0) {
        memcpy(to->data, from->data, from->n);
    }
}

static struct disk_file *find(const char *name, bool make)
{
    struct disk_file *free_slot = NULL;

    for (int i = 0; i < FILES_MAX; i++) {
        if (strcmp(files[i].name, name) == 0) {
            return &files[i];
        }
        if (!free_slot && !files[i].name[0]) {
            free_slot = &files[i];
        }
    }
    LM_CHECK(!make || (free_slot && strlen(name) < NAME_MAX_BYTES));
    if (make) {
        memcpy(free_slot->name, name, strlen(name) + 1);
    }
    return make ? free_slot : NULL;
}

static struct handle *of(sqlite3_file *file)
{
    return (struct handle *)(void *)file;
}

static int x_close(sqlite3_file *file)
{
    of(file)->file->opened--;
    free(of(file)->temporary.now.data);
    of(file)->temporary.now = (struct content){NULL, 0, 0};
    return SQLITE_OK;
}

static int x_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at)
{
    const struct content *c = &of(file)->file->now;
    size_t left = (size_t)at < c->n ? c->n - (size_t)at : 0;
    size_t have = left < (size_t)n ? left : (size_t)n;

    if (have > 0) {
        memcpy(out, c->data + at, have);
    }
    memset((uint8_t *)out + have, 0, (size_t)n - have);
    return have == (size_t)n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int x_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 at)
{
    struct content *c = &of(file)->file->now;

    if ((size_t)at + (size_t)n > c->n) {
        resize(c, (size_t)at + (size_t)n);
    }
    memcpy(c->data + at, data, (size_t)n);
    of(file)->file->written++;
    return SQLITE_OK;
}

static int x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    resize(&of(file)->file->now, (size_t)size);
    return SQLITE_OK;
}

static int x_sync(sqlite3_file *file, int flags)
{
    (void)file;
    (void)flags;
    return SQLITE_OK;
}

static int x_size(sqlite3_file *file, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)of(file)->file->now.n;
    return SQLITE_OK;
}

/* Only who is alone may have it all: the last connection closes the log. */
static int x_lock(sqlite3_file *file, int level)
{
    return level == SQLITE_LOCK_EXCLUSIVE && of(file)->file->opened > 1 ? SQLITE_BUSY : SQLITE_OK;
}

static int x_unlock(sqlite3_file *file, int level)
{
    (void)file;
    (void)level;
    return SQLITE_OK;
}

static int x_reserved(sqlite3_file *file, int *out)
{
    (void)file;
    *out = 0;
    return SQLITE_OK;
}

static int x_control(sqlite3_file *file, int op, void *arg)
{
    (void)file;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int x_sector(sqlite3_file *file)
{
    (void)file;
    return 4096;
}

static int x_device(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_SAFE_APPEND | SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int x_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    struct disk_file *f = of(file)->file;

    LM_CHECK(page < REGIONS_MAX && size == REGION_BYTES);
    if (!f->regions[page] && extend) {
        f->regions[page] = must(calloc(1, REGION_BYTES));
    }
    *out = f->regions[page];
    return SQLITE_OK;
}

static int x_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    (void)file;
    (void)offset;
    (void)n;
    (void)flags;
    return SQLITE_OK;
}

static void x_shm_barrier(sqlite3_file *file)
{
    (void)file;
}

static int x_shm_unmap(sqlite3_file *file, int delete_it)
{
    struct disk_file *f = of(file)->file;

    for (int i = 0; delete_it && i < REGIONS_MAX; i++) {
        free(f->regions[i]);
        f->regions[i] = NULL;
    }
    return SQLITE_OK;
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
    struct handle *h = of(file);

    (void)vfs;
    memset(h, 0, sizeof *h);
    h->file = name ? find(name, true) : &h->temporary;
    h->file->there = true;
    h->file->opened++;
    h->base.pMethods = &methods;
    if (flags_out) {
        *flags_out = flags;
    }
    return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    struct disk_file *f = find(name, false);

    (void)vfs;
    (void)sync;
    if (f) {
        f->there = false;
        f->now.n = 0;
    }
    return SQLITE_OK;
}

static int v_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    const struct disk_file *f = find(name, false);

    (void)vfs;
    (void)flags;
    *out = f && f->there;
    return SQLITE_OK;
}

void seam_disk_install(void)
{
    static sqlite3_vfs vfs;
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);

    vfs = *real;
    vfs.zName = "seam";
    vfs.szOsFile = (int)sizeof(struct handle);
    vfs.xOpen = v_open;
    vfs.xDelete = v_delete;
    vfs.xAccess = v_access;
    LM_CHECK(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
}

void seam_disk_keep(void)
{
    for (int i = 0; i < FILES_MAX; i++) {
        struct disk_file *f = &files[i];

        assign(&f->kept, &f->now);
        f->kept_there = f->there;
        for (int r = 0; r < REGIONS_MAX; r++) {
            if (f->regions[r] && !f->kept_regions[r]) {
                f->kept_regions[r] = must(malloc(REGION_BYTES));
            }
            if (f->regions[r]) {
                memcpy(f->kept_regions[r], f->regions[r], REGION_BYTES);
            }
        }
    }
}

void seam_disk_restore(void)
{
    for (int i = 0; i < FILES_MAX; i++) {
        struct disk_file *f = &files[i];

        assign(&f->now, &f->kept);
        f->there = f->kept_there;
        for (int r = 0; r < REGIONS_MAX; r++) {
            if (f->regions[r] && f->kept_regions[r]) {
                memcpy(f->regions[r], f->kept_regions[r], REGION_BYTES);
            } else if (f->regions[r]) {
                memset(f->regions[r], 0, REGION_BYTES);
            }
        }
    }
}

int64_t seam_disk_written(const char *part)
{
    int64_t n = 0;

    for (int i = 0; i < FILES_MAX; i++) {
        n += strstr(files[i].name, part) ? files[i].written : 0;
    }
    return n;
}
