/* A catalogue as it is stored and sent: its files in one zstd frame. Pure; PROTOCOL.md "Catalogue".
 *
 *     content = ["lastmile-catalog-1", [[name, bytes], …]]      msgpack, files in name order
 *
 * What makes two catalogues the same is the hash of the files, not of the frame: another zstd may
 * pack them otherwise. Frames come from a peer or a file of somebody's: the declared size is looked
 * at first, and the content is checked as a whole before a name is believed. */
#include "proto/catalog.h"

#include "common/base/util.h"
#include "proto/pack.h"
#include "proto/prescan.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum {
    LEVEL = 5, /* every start packs: 9 saves 2 % of 31 KiB and touches 1.5 MiB more */
    WINDOW_LOG_MAX = 23,
    RAW_BYTES_MAX = LM_CATALOG_BYTES_MAX + 64 * 1024,
    UNPACKED_BYTES_MAX = 2 * LM_CATALOG_BYTES_MAX,
    NODES_MAX = 4 + 3 * LM_CATALOG_FILES_MAX,
    FILE_NAME_MAX = 100,
};
static const char kind[] = "lastmile-catalog-1";

/* ---- order and hash ---- */

static int by_name(const void *a, const void *b)
{
    const struct lm_catalog_file *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

static bool sort_files(const struct lm_catalog_file *files, size_t n,
                       const struct lm_catalog_file *order[LM_CATALOG_FILES_MAX])
{
    if (n > LM_CATALOG_FILES_MAX) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        order[i] = &files[i];
    }
    qsort(order, n, sizeof(order[0]), by_name);
    return true;
}

/* Name and length go along, so that no two sets of files share a hash by shifting bytes from one
 * file to the next. */
enum lm_status lm_catalog_hash(const struct lm_catalog_file *files, size_t n_files, uint8_t out[32])
{
    const struct lm_catalog_file *order[LM_CATALOG_FILES_MAX];
    struct lm_buf buf;
    enum lm_status status;

    if (!sort_files(files, n_files, order)) {
        return LM_ERR_LIMIT;
    }
    lm_buf_init(&buf, 2 * LM_CATALOG_BYTES_MAX);
    for (size_t i = 0; i < n_files; i++) {
        lm_buf_printf(&buf, "%s\n%zu\n", order[i]->name, order[i]->size);
        lm_buf_add(&buf, order[i]->data, order[i]->size);
    }
    status = buf.status;
    if (status == LM_OK) {
        lm_hash(out, buf.data, buf.len, NULL, 0, NULL, 0);
    }
    lm_buf_free(&buf);
    return status;
}

/* ---- packing ---- */

static enum lm_status compress(const struct lm_buf *raw, struct lm_buf *out)
{
    size_t bound = ZSTD_compressBound(raw->len), n;
    void *packed = malloc(bound);

    if (!packed) {
        return LM_ERR_MEMORY;
    }
    n = ZSTD_compress(packed, bound, raw->data, raw->len, LEVEL);
    if (!ZSTD_isError(n)) {
        lm_buf_add(out, packed, n);
    }
    free(packed);
    return ZSTD_isError(n) ? LM_ERR_MEMORY : out->status;
}

enum lm_status lm_catalog_pack(const struct lm_catalog_file *files, size_t n_files,
                               struct lm_buf *out)
{
    const struct lm_catalog_file *order[LM_CATALOG_FILES_MAX];
    struct lm_buf raw;
    enum lm_status status;

    if (!sort_files(files, n_files, order)) {
        return LM_ERR_LIMIT;
    }
    lm_buf_init(&raw, RAW_BYTES_MAX);
    lm_pack_array(&raw, 2);
    lm_pack_text(&raw, kind, sizeof(kind) - 1);
    lm_pack_array(&raw, n_files);
    for (size_t i = 0; i < n_files; i++) {
        lm_pack_array(&raw, 2);
        lm_pack_text(&raw, order[i]->name, strlen(order[i]->name));
        lm_pack_bin(&raw, order[i]->data, order[i]->size);
    }
    status = raw.status == LM_OK ? compress(&raw, out) : raw.status;
    lm_buf_free(&raw);
    return status;
}

/* ---- unpacking ---- */

static enum lm_status malformed(struct lm_error *err, const char *what)
{
    return lm_fail(err, LM_ERR_INVALID, "malformed", "catalog", "业务目录的数据有误（%s）。",
                   "The catalogue's data is malformed (%s).", what);
}

static enum lm_status too_large(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_LIMIT, "too_large", "catalog", "业务目录太大（上限4 MiB）。",
                   "The catalogue is too large (limit 4 MiB).");
}

static enum lm_status no_memory(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足，无法读入业务目录。",
                   "Not enough memory for the catalogue.");
}

static enum lm_status decompress(const uint8_t *data, size_t n, struct lm_arena *arena,
                                 uint8_t **raw_out, size_t *raw_len, struct lm_error *err)
{
    unsigned long long size;
    ZSTD_DCtx *context;
    uint8_t *raw;
    size_t made;

    if (n > LM_CATALOG_PACKED_BYTES_MAX) {
        return too_large(err);
    }
    size = n ? ZSTD_getFrameContentSize(data, n) : ZSTD_CONTENTSIZE_ERROR;
    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size == 0) {
        return malformed(err, "zstd");
    }
    if (size > RAW_BYTES_MAX) {
        return too_large(err);
    }
    if (ZSTD_findFrameCompressedSize(data, n) != n) {
        return malformed(err, "zstd");
    }
    raw = lm_arena_alloc(arena, (size_t)size);
    context = raw ? ZSTD_createDCtx() : NULL;
    if (!context) {
        return no_memory(err);
    }
    (void)ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    made = ZSTD_decompressDCtx(context, raw, (size_t)size, data, n);
    (void)ZSTD_freeDCtx(context);
    if (ZSTD_isError(made) || made != size) {
        return malformed(err, "zstd");
    }
    *raw_out = raw;
    *raw_len = made;
    return LM_OK;
}

static bool read_file(struct lm_reader *reader, struct lm_arena *arena, const char *after,
                      struct lm_catalog_file *out)
{
    const char *name = NULL;
    const uint8_t *bytes = NULL;
    size_t name_len = 0, n = 0;
    char *copy;

    if (!lm_read_array_of(reader, 2) || !lm_read_text(reader, &name, &name_len) ||
        !lm_read_bin(reader, &bytes, &n) || name_len == 0 || name_len > FILE_NAME_MAX) {
        return lm_reader_fail(reader);
    }
    copy = lm_arena_text(arena, name, name_len);
    if (!copy) {
        return lm_reader_fail_as(reader, LM_ERR_MEMORY);
    }
    /* In name order, none twice: one set of files has one content. */
    if (after && strcmp(after, copy) >= 0) {
        return lm_reader_fail(reader);
    }
    *out = (struct lm_catalog_file){.name = copy, .data = (const char *)bytes, .size = n};
    return true;
}

enum lm_status lm_catalog_unpack(const uint8_t *data, size_t n, struct lm_arena *arena,
                                 struct lm_catalog_file **files_out, size_t *n_out,
                                 struct lm_error *err)
{
    struct lm_catalog_file *files;
    struct lm_reader reader;
    char word[sizeof(kind)];
    size_t raw_len = 0, n_files = 0;
    uint8_t *raw = NULL;
    enum lm_status status = decompress(data, n, arena, &raw, &raw_len, err);

    *files_out = NULL;
    *n_out = 0;
    if (status != LM_OK) {
        return status;
    }
    if (lm_prescan(raw, raw_len, NODES_MAX, NULL) != LM_OK) {
        return malformed(err, "msgpack");
    }
    lm_reader_init(&reader, raw, raw_len);
    if (!lm_read_array_of(&reader, 2) || !lm_read_text_copy(&reader, word, sizeof word) ||
        strcmp(word, kind) != 0) {
        return malformed(err, "kind");
    }
    (void)lm_read_array(&reader, &n_files);
    if (n_files > LM_CATALOG_FILES_MAX) {
        return too_large(err);
    }
    files = lm_arena_alloc(arena, (n_files + 1) * sizeof *files);
    if (!files) {
        return no_memory(err);
    }
    for (size_t i = 0; i < n_files && !reader.failed; i++) {
        (void)read_file(&reader, arena, i ? files[i - 1].name : NULL, &files[i]);
    }
    if (!lm_reader_done(&reader)) {
        return reader.status == LM_ERR_MEMORY ? no_memory(err) : malformed(err, "files");
    }
    *files_out = files;
    *n_out = n_files;
    return LM_OK;
}

enum lm_status lm_catalog_load_packed(const uint8_t *data, size_t n, struct lm_catalog **out,
                                      struct lm_error *err)
{
    struct lm_catalog_file *files;
    struct lm_arena arena;
    size_t n_files;
    enum lm_status status;

    *out = NULL;
    lm_arena_init(&arena, UNPACKED_BYTES_MAX);
    status = lm_catalog_unpack(data, n, &arena, &files, &n_files, err);
    if (status == LM_OK) {
        status = lm_catalog_load(files, n_files, out, err);
    }
    lm_arena_free(&arena);
    return status;
}
