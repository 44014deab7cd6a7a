/* Batches: the changes of one PUSH, gathered and packed with zstd. Pure; PROTOCOL.md "Batch".
 *
 * Content before zstd: one msgpack bin for each change, end to end. zstd keeps blocks that do not
 * shrink as they are, so 768 KiB of noise grow by a few bytes per 128 KiB block and the frame stays
 * under 1 MiB. */
#include "proto/message.h"

#include "proto/pack.h"
#include "proto/prescan.h"

#include <stdlib.h>
#include <zstd.h>

enum { LEVEL = 3, WINDOW_LOG_MAX = 20 };

void lm_batch_init(struct lm_batch *batch)
{
    lm_buf_init(&batch->raw, LM_BATCH_BYTES_MAX);
    batch->count = 0;
}

void lm_batch_free(struct lm_batch *batch)
{
    if (batch) {
        lm_buf_free(&batch->raw);
        batch->count = 0;
    }
}

bool lm_batch_add(struct lm_batch *batch, const uint8_t *body, size_t n)
{
    uint8_t head[LM_PACK_HEAD];
    if (n == 0 || n > LM_CHANGE_BYTES_MAX || batch->count >= LM_BATCH_CHANGES_MAX) {
        return false;
    }
    size_t before = batch->raw.len;
    size_t head_len = lm_pack_head_of(head, LM_WIRE_BIN, n);
    if (head_len + n > LM_BATCH_BYTES_MAX - before) {
        return false;
    }
    lm_buf_add(&batch->raw, head, head_len);
    lm_buf_add(&batch->raw, body, n);
    if (batch->raw.status != LM_OK) {
        /* Out of memory: what was gathered so far is still whole and may be sent. */
        batch->raw.len = before;
        batch->raw.status = LM_OK;
        return false;
    }
    batch->count++;
    return true;
}

enum lm_status lm_batch_pack(const struct lm_batch *batch, struct lm_buf *out)
{
    if (batch->count == 0) {
        return LM_OK;
    }
    size_t bound = ZSTD_compressBound(batch->raw.len);
    void *packed = malloc(bound);
    if (!packed) {
        return LM_ERR_MEMORY;
    }
    size_t n = ZSTD_compress(packed, bound, batch->raw.data, batch->raw.len, LEVEL);
    enum lm_status status;
    if (ZSTD_isError(n)) {
        /* Room is enough by compressBound: only its own working memory can be missing. */
        status = LM_ERR_MEMORY;
    } else {
        lm_buf_add(out, packed, n);
        status = out->status;
    }
    free(packed);
    return status;
}

static enum lm_status no_memory(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_MEMORY, "memory", "push.packed", "内存不足。", "Out of memory.");
}

static enum lm_status malformed(struct lm_error *err, const char *what)
{
    return lm_fail(err, LM_ERR_INVALID, "malformed", "push.packed", "批次数据有误（%s）。",
                   "The batch is malformed (%s).", what);
}

/* One frame, nothing after it, that says it is raw_bytes long: then memory is bounded by raw_bytes,
 * for the content is written straight to its place. The window cap is for what a later zstd may do
 * otherwise. */
static enum lm_status decompress(const uint8_t *packed, size_t packed_len, uint8_t *raw,
                                 uint32_t raw_bytes, struct lm_error *err)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (!context) {
        return no_memory(err);
    }
    enum lm_status status = LM_OK;
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    size_t n = ZSTD_decompressDCtx(context, raw, raw_bytes, packed, packed_len);
    if (ZSTD_isError(n) || n != raw_bytes) {
        status = malformed(err, "zstd");
    }
    ZSTD_freeDCtx(context);
    return status;
}

enum lm_status lm_batch_unpack(const uint8_t *packed, size_t packed_len, uint32_t raw_bytes,
                               uint32_t count, struct lm_arena *arena,
                               enum lm_status (*each)(void *arg, uint32_t i, const uint8_t *body,
                                                      size_t n),
                               void *arg, struct lm_error *err)
{
    if (count == 0) {
        return packed_len == 0 && raw_bytes == 0 ? LM_OK : malformed(err, "count");
    }
    if (raw_bytes > LM_BATCH_BYTES_MAX || count > LM_BATCH_CHANGES_MAX ||
        packed_len > LM_FRAME_BYTES_MAX) {
        return lm_fail(err, LM_ERR_LIMIT, "too_large", "push.packed", "批次超出限制。",
                       "The batch passes a limit.");
    }
    if (packed_len == 0 || raw_bytes == 0 ||
        ZSTD_getFrameContentSize(packed, packed_len) != raw_bytes) {
        return malformed(err, "raw_bytes");
    }
    if (ZSTD_findFrameCompressedSize(packed, packed_len) != packed_len) {
        return malformed(err, "zstd");
    }
    uint8_t *raw = lm_arena_alloc(arena, raw_bytes);
    if (!raw) {
        return no_memory(err);
    }
    enum lm_status status = decompress(packed, packed_len, raw, raw_bytes, err);
    if (status != LM_OK) {
        return status;
    }
    /* Look at all of it before the first is handed out: a batch is taken whole or not at all. */
    struct lm_reader reader;
    const uint8_t *body;
    size_t n;
    lm_reader_init(&reader, raw, raw_bytes);
    for (uint32_t i = 0; i < count; i++) {
        if (!lm_read_bin(&reader, &body, &n) || n == 0 || n > LM_CHANGE_BYTES_MAX) {
            return malformed(err, "bodies");
        }
    }
    if (!lm_reader_done(&reader)) {
        return malformed(err, "count");
    }
    lm_reader_init(&reader, raw, raw_bytes);
    for (uint32_t i = 0; i < count; i++) {
        lm_read_bin(&reader, &body, &n);
        status = each(arg, i, body, n);
        if (status != LM_OK) {
            return status;
        }
    }
    return LM_OK;
}
