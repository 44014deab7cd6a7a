/* Any bytes as a message: the first byte is the kind, the rest its body, as the two frames on the
 * wire. What reads packs to bytes that pack again to the same; the packed content of a PUSH is
 * unpacked as the hub would. Kind 0 is a certificate and kind 255 a kit, which come from files and
 * disks. */
#include "proto/credential.h"
#include "proto/message.h"

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads; packs; what was packed reads, and packs to the same bytes. */
#define ROUND(name)                                                                                \
    do {                                                                                           \
        struct lm_msg_##name m, again;                                                             \
        if (lm_##name##_read(body, n, &arena, &m, &err) == LM_OK) {                                \
            lm_##name##_pack(&first, &m);                                                          \
            LM_CHECK(first.status == LM_OK && first.len <= n);                                     \
            LM_CHECK(lm_##name##_read(first.data, first.len, &arena, &again, &err) == LM_OK);      \
            lm_##name##_pack(&second, &again);                                                     \
            LM_CHECK(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);  \
            read = true;                                                                           \
        }                                                                                          \
    } while (0)

struct gathered {
    uint32_t n;
    struct lm_batch batch;
};

static enum lm_status gather(void *arg, uint32_t i, const uint8_t *body, size_t n)
{
    struct gathered *g = arg;
    LM_CHECK(i == g->n++ && n > 0 && n <= LM_CHANGE_BYTES_MAX);
    LM_CHECK(lm_batch_add(&g->batch, body, n));
    return LM_OK;
}

static void unpack(const uint8_t *body, size_t n, struct lm_arena *arena)
{
    struct lm_msg_push push;
    struct lm_error err;
    struct gathered g = {.n = 0};
    if (lm_push_read(body, n, arena, &push, &err) != LM_OK) {
        return;
    }
    lm_batch_init(&g.batch);
    enum lm_status status = lm_batch_unpack(push.packed, push.packed_len, push.raw_bytes,
                                            push.count, arena, gather, &g, &err);
    LM_CHECK(status == LM_OK ? g.n == push.count : g.n == 0);
    lm_batch_free(&g.batch);
}

static void credentials(const uint8_t *data, size_t size, struct lm_arena *arena)
{
    static const uint8_t sign_public[LM_SIGN_PUBLIC_BYTES] = {1};
    struct lm_certificate certificate;
    struct lm_kit kit;
    struct lm_error err;
    LM_CHECK(lm_certificate_check(data + 1, size - 1, sign_public, &certificate, &err) != LM_OK);
    if (lm_kit_read((const char *)data + 1, size - 1, arena, &kit, &err) == LM_OK) {
        LM_CHECK(kit.town && kit.endpoint && kit.station_name &&
                 kit.n_records <= LM_KIT_RECORDS_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lm_arena arena;
    struct lm_buf first, second;
    struct lm_error err;
    bool read = false;
    if (size == 0 || sodium_init() < 0) {
        return 0;
    }
    const uint8_t *body = data + 1;
    size_t n = size - 1;
    lm_arena_init(&arena, 64 << 20);
    lm_buf_init(&first, LM_FRAME_BYTES_MAX);
    lm_buf_init(&second, LM_FRAME_BYTES_MAX);
    err.code[0] = '\0';
    switch (data[0]) {
    case 0:
    case 255:
        credentials(data, size, &arena);
        break;
    case LM_MSG_ENROL:
        ROUND(enrol);
        break;
    case LM_MSG_ENROLLED:
        ROUND(enrolled);
        break;
    case LM_MSG_HELLO:
        ROUND(hello);
        break;
    case LM_MSG_WELCOME:
        ROUND(welcome);
        break;
    case LM_MSG_KEY:
        ROUND(key);
        break;
    case LM_MSG_PUSH:
        ROUND(push);
        unpack(body, n, &arena);
        break;
    case LM_MSG_ACK:
        ROUND(ack);
        break;
    case LM_MSG_PULL:
        ROUND(pull);
        break;
    case LM_MSG_FEED:
    case LM_MSG_BODIES:
        ROUND(feed);
        break;
    case LM_MSG_WANT:
        ROUND(want);
        break;
    case LM_MSG_COMPARE:
        ROUND(compare);
        break;
    case LM_MSG_DIGESTS:
        ROUND(digests);
        break;
    case LM_MSG_HISTORY:
        ROUND(past);
        break;
    case LM_MSG_HISTORY + 100:
        ROUND(past_ask);
        break;
    case LM_MSG_NEWS:
        ROUND(news);
        break;
    case LM_MSG_ERROR:
        ROUND(error);
        break;
    default:
        read = true;
        break;
    }
    LM_CHECK(read || data[0] == 0 || data[0] == 255 || err.code[0] != '\0');
    lm_buf_free(&second);
    lm_buf_free(&first);
    lm_arena_free(&arena);
    return 0;
}
