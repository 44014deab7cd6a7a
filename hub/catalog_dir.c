/* A catalogue as a person edits it, a directory of JSON files, to and from its packed form. Runs in
 * the process of who asked: only its rights count. */
#include "hub/program.h"

#include "common/base/util.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct reading {
    const char *dir;
    struct lm_catalog_file files[LM_CATALOG_FILES_MAX];
    size_t n, bytes;
    struct lm_error *err;
};

static enum lm_status take_file(struct reading *r, const char *name)
{
    char path[PATH_MAX], *data = NULL, *copy;
    size_t n = 0;
    enum lm_status status;

    if (r->n == LM_CATALOG_FILES_MAX || r->bytes > LM_CATALOG_BYTES_MAX ||
        strlen(r->dir) + strlen(name) + 2 > sizeof path) {
        return lm_fail(
            r->err, LM_ERR_LIMIT, "too_large", "", "业务目录太大（上限4 MiB，%d个文件）。",
            "The catalogue is too large (limit 4 MiB in %d files).", LM_CATALOG_FILES_MAX);
    }
    (void)snprintf(path, sizeof path, "%s/%s", r->dir, name);
    status = lm_file_read(path, LM_CATALOG_BYTES_MAX, &data, &n, r->err);
    if (status != LM_OK) {
        return status;
    }
    copy = strdup(name);
    if (!copy) {
        free(data);
        return lm_fail(r->err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    r->files[r->n++] = (struct lm_catalog_file){.name = copy, .data = data, .size = n};
    r->bytes += n;
    return LM_OK;
}

/* Every *.json in dir or its folder (within, "" or "types/"); nothing else is looked at. */
static enum lm_status take_folder(struct reading *r, const char *within)
{
    char path[PATH_MAX], name[512];
    enum lm_status status = LM_OK;
    struct dirent *entry;
    DIR *dir;

    (void)snprintf(path, sizeof path, "%s/%s", r->dir, within);
    dir = opendir(path);
    if (!dir) {
        return lm_fail(r->err, LM_ERR_NOT_FOUND, "no_file", "", "打不开目录 %s：%s",
                       "cannot open %s: %s", path, strerror(errno));
    }
    while (status == LM_OK && (entry = readdir(dir)) != NULL) {
        size_t n = strlen(entry->d_name);

        if (n > 5 && n < 200 && strcmp(entry->d_name + n - 5, ".json") == 0 &&
            entry->d_name[0] != '.') {
            (void)snprintf(name, sizeof name, "%s%s", within, entry->d_name);
            status = take_file(r, name);
        }
    }
    (void)closedir(dir);
    return status;
}

enum lm_status lm_hub_catalog_pack_dir(const char *dir, FILE *out, struct lm_error *err)
{
    struct reading *r = calloc(1, sizeof *r);
    struct lm_buf packed;
    enum lm_status status;

    if (!r) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    r->dir = dir;
    r->err = err;
    lm_buf_init(&packed, LM_CATALOG_PACKED_BYTES_MAX);
    status = take_folder(r, "");
    if (status == LM_OK) {
        status = take_folder(r, "types/");
    }
    if (status == LM_OK) {
        status = lm_catalog_pack(r->files, r->n, &packed);
        if (status != LM_OK) {
            (void)lm_fail(err, status, lm_status_name(status), "",
                          "业务目录太大（上限4 MiB），或内存不足。",
                          "The catalogue is too large (limit 4 MiB), or memory is short.");
        }
    }
    if (status == LM_OK &&
        (fwrite(packed.data, 1, packed.len, out) != packed.len || fseek(out, 0, SEEK_SET) != 0)) {
        status = lm_fail(err, LM_ERR_IO, "io_error", "", "无法写入临时文件：%s",
                         "cannot write a temporary file: %s", strerror(errno));
    }
    for (size_t i = 0; i < r->n; i++) {
        free((void *)(uintptr_t)r->files[i].name);
        free((void *)(uintptr_t)r->files[i].data);
    }
    free(r);
    lm_buf_free(&packed);
    return status;
}

static enum lm_status make_folder(const char *path, struct lm_error *err)
{
    if (mkdir(path, 0755) == 0) {
        return LM_OK;
    }
    return lm_fail(err, errno == EEXIST ? LM_ERR_EXISTS : LM_ERR_IO,
                   errno == EEXIST ? "file_exists" : "io_error", "", "无法新建目录 %s：%s",
                   "cannot make the directory %s: %s", path, strerror(errno));
}

enum lm_status lm_hub_catalog_write_dir(const char *dir, const uint8_t *packed, size_t n,
                                        struct lm_error *err)
{
    char path[PATH_MAX];
    struct lm_catalog_file *files = NULL;
    struct lm_arena arena;
    size_t n_files = 0;
    enum lm_status status;

    if (strlen(dir) + 128 > sizeof path) {
        return lm_fail(err, LM_ERR_LIMIT, "path_too_long", "", "路径太长。",
                       "The path is too long.");
    }
    lm_arena_init(&arena, 2 * LM_CATALOG_BYTES_MAX);
    status = lm_catalog_unpack(packed, n, &arena, &files, &n_files, err);
    if (status == LM_OK) {
        status = make_folder(dir, err);
    }
    if (status == LM_OK) {
        (void)snprintf(path, sizeof path, "%s/types", dir);
        status = make_folder(path, err);
    }
    /* Names were checked when the catalogue was loaded: "x.json" or "types/x.json". */
    for (size_t i = 0; status == LM_OK && i < n_files; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, files[i].name);
        status = lm_file_write(path, files[i].data, files[i].size, 0644, err);
    }
    lm_arena_free(&arena);
    return status;
}
