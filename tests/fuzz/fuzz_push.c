/* A PUSH with what is in it: the message, the batch behind its zstd frame, each change, its values.
 * Seeds are PUSH bodies of a real node. Whatever unpacks packs again to something that unpacks to
 * the same changes, and the chain of it can be made. */
#include "proto/change.h"
#include "proto/message.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct lm_arena *arena;
    struct lm_batch batch;
    uint8_t chain[LM_HASH_BYTES];
    uint32_t n;
};

static enum lm_status each(void *arg, uint32_t i, const uint8_t *body, size_t n)
{
    struct seen *seen = arg;
    struct lm_change change;
    struct lm_error err;

    LM_CHECK(i == seen->n++ && n <= LM_FRAME_BYTES_MAX);
    lm_chain_next(seen->chain, body, n, seen->chain);
    if (lm_change_read(body, n, seen->arena, &change, &err) == LM_OK) {
        LM_CHECK(n <= LM_CHANGE_BYTES_MAX && change.hlc >= 1);
    }
    LM_CHECK(lm_batch_add(&seen->batch, body, n));
    return LM_OK;
}

static enum lm_status same(void *arg, uint32_t i, const uint8_t *body, size_t n)
{
    uint8_t *chain = arg;

    (void)i;
    lm_chain_next(chain, body, n, chain);
    return LM_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lm_arena arena;
    struct lm_msg_push push;
    struct lm_error err;
    struct seen seen = {.arena = &arena};
    struct lm_buf packed;
    uint8_t start[LM_HASH_BYTES], again[LM_HASH_BYTES];

    lm_arena_init(&arena, 16 << 20);
    lm_batch_init(&seen.batch);
    lm_buf_init(&packed, LM_FRAME_BYTES_MAX);
    lm_chain_start(1, 1, start);
    memcpy(seen.chain, start, sizeof(start));
    memcpy(again, start, sizeof(start));
    if (lm_push_read(data, size, &arena, &push, &err) == LM_OK && push.count > 0 &&
        lm_batch_unpack(push.packed, push.packed_len, push.raw_bytes, push.count, &arena, each,
                        &seen, &err) == LM_OK) {
        LM_CHECK(seen.n == push.count && seen.batch.raw.len == push.raw_bytes);
        LM_CHECK(lm_batch_pack(&seen.batch, &packed) == LM_OK);
        LM_CHECK(lm_batch_unpack(packed.data, packed.len, (uint32_t)seen.batch.raw.len,
                                 seen.batch.count, &arena, same, again, &err) == LM_OK);
        LM_CHECK(memcmp(again, seen.chain, sizeof(again)) == 0);
    }
    lm_buf_free(&packed);
    lm_batch_free(&seen.batch);
    lm_arena_free(&arena);
    return 0;
}
