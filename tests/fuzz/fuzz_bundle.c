/* Bundles. The first byte chooses: even: the rest is a file as found on a stick; odd: the rest is
 * what an installation put into its box, sealed here as its program would, and every frame is read
 * as the hub would. Either way what opens has frames within bounds, and a file of our own opens. */
#include "proto/bundle.h"
#include "proto/message.h"

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t hub_secret[32], hub_public[32], own_secret[32], own_public[32];

static bool keys(void)
{
    if (sodium_init() < 0) {
        return false;
    }
    memset(hub_secret, 0x31, sizeof hub_secret);
    memset(own_secret, 0x32, sizeof own_secret);
    return crypto_scalarmult_base(hub_public, hub_secret) == 0 &&
           crypto_scalarmult_base(own_public, own_secret) == 0;
}

static void read_frames(struct lm_bundle_frames frames)
{
    struct lm_arena arena;
    struct lm_error err;
    struct lm_msg_hello hello;
    struct lm_msg_push push;
    struct lm_msg_want want;
    struct lm_msg_enrol enrol;
    const uint8_t *body;
    size_t n;
    uint8_t kind;

    lm_arena_init(&arena, 16 << 20);
    while (lm_bundle_next(&frames, &kind, &body, &n)) {
        LM_CHECK(n <= LM_FRAME_BYTES_MAX && body + n <= frames.end);
        lm_arena_reset(&arena);
        err.code[0] = 'x';
        bool read = kind == LM_MSG_HELLO   ? lm_hello_read(body, n, &arena, &hello, &err) == LM_OK
                    : kind == LM_MSG_PUSH  ? lm_push_read(body, n, &arena, &push, &err) == LM_OK
                    : kind == LM_MSG_WANT  ? lm_want_read(body, n, &arena, &want, &err) == LM_OK
                    : kind == LM_MSG_ENROL ? lm_enrol_read(body, n, &arena, &enrol, &err) == LM_OK
                                           : true;
        LM_CHECK(read || err.code[0] != '\0');
    }
    LM_CHECK(frames.p == frames.end);
    lm_arena_free(&arena);
}

static void open_file(uint8_t *file, size_t n, bool ours)
{
    struct lm_bundle_head head;
    struct lm_bundle_frames frames;
    struct lm_error err = {.code = ""};
    enum lm_status status = lm_bundle_head_read(file, n, &head, &err);

    LM_CHECK(!ours || status == LM_OK);
    if (status == LM_OK) {
        status = lm_bundle_open(file, n, &head, hub_secret, own_public, &frames, &err);
    }
    if (status == LM_OK) {
        LM_CHECK(head.part >= 1 && head.part <= head.parts);
        read_frames(frames);
    } else {
        LM_CHECK(err.code[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t nonce[LM_BUNDLE_NONCE_BYTES] = {9};
    struct lm_bundle_head head = {.kind = LM_BUNDLE_UP, .part = 1, .parts = 1, .number = 7};
    struct lm_buf buf;

    if (size == 0 || !keys()) {
        return 0;
    }
    lm_buf_init(&buf, LM_BUNDLE_BYTES_MAX);
    if (data[0] % 2 == 0) {
        lm_buf_add(&buf, data + 1, size - 1);
        open_file(buf.data, buf.len, false);
    } else {
        memcpy(head.key, own_public, 32);
        lm_bundle_begin(&buf);
        lm_buf_add(&buf, data + 1, size - 1); /* frames or what looks like them */
        LM_CHECK(lm_bundle_seal(&buf, &head, own_secret, hub_public, nonce) == LM_OK);
        open_file(buf.data, buf.len, true);
    }
    lm_buf_free(&buf);
    return 0;
}
