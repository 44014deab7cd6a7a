/* The bundle's file: what is written reads back; cut at any length, changed in any byte, for
 * another hub, of another installation or with another header it is refused with a word of its own
 * (P11, P12). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/bundle.h"
#include "proto/message.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static uint8_t hub_secret[32], hub_public[32], own_secret[32], own_public[32];
static const uint8_t nonce[LM_BUNDLE_NONCE_BYTES] = {1, 2, 3};

static int setup(void **state)
{
    (void)state;
    memset(hub_secret, 0x31, 32);
    memset(own_secret, 0x32, 32);
    return sodium_init() < 0 || crypto_scalarmult_base(hub_public, hub_secret) != 0 ||
                   crypto_scalarmult_base(own_public, own_secret) != 0
               ? -1
               : 0;
}

static struct lm_bundle_head head_of(uint64_t number, uint16_t part, uint16_t parts)
{
    struct lm_bundle_head head = {
        .kind = LM_BUNDLE_UP, .part = part, .parts = parts, .number = number};
    memset(head.hub_id, 0xaa, sizeof head.hub_id);
    memcpy(head.key, own_public, sizeof head.key);
    return head;
}

/* Two frames. */
static struct lm_buf sealed(const struct lm_bundle_head *head)
{
    struct lm_buf buf;
    lm_buf_init(&buf, LM_BUNDLE_BYTES_MAX);
    lm_bundle_begin(&buf);
    assert_true(lm_bundle_add(&buf, LM_MSG_HELLO, (const uint8_t *)"hello", 5));
    assert_true(lm_bundle_add(&buf, LM_MSG_PUSH, (const uint8_t *)"", 0));
    assert_int_equal(lm_bundle_seal(&buf, head, own_secret, hub_public, nonce), LM_OK);
    return buf;
}

static enum lm_status open_copy(const struct lm_buf *file, size_t n, const uint8_t *secret,
                                const uint8_t *public_key, struct lm_error *err)
{
    struct lm_bundle_head head;
    struct lm_bundle_frames frames;
    uint8_t *copy = malloc(n + 1);
    memcpy(copy, file->data, n);
    memset(err, 0, sizeof *err);
    enum lm_status status = lm_bundle_head_read(copy, n, &head, err);
    if (status == LM_OK) {
        status = lm_bundle_open(copy, n, &head, secret, public_key, &frames, err);
    }
    free(copy);
    return status;
}

static void reads_back(void **state)
{
    (void)state;
    struct lm_bundle_head head = head_of(7, 2, 3), read;
    struct lm_buf file = sealed(&head);
    struct lm_bundle_frames frames;
    struct lm_error err = {.code = ""};
    uint8_t kind;
    const uint8_t *body;
    size_t n;
    assert_int_equal(file.len, LM_BUNDLE_OVERHEAD + 2 * LM_BUNDLE_FRAME_OVERHEAD + 5);
    assert_int_equal(lm_bundle_head_read(file.data, file.len, &read, &err), LM_OK);
    assert_int_equal(read.kind, LM_BUNDLE_UP);
    assert_int_equal(read.number, 7);
    assert_int_equal(read.part, 2);
    assert_int_equal(read.parts, 3);
    assert_memory_equal(read.key, own_public, 32);
    assert_memory_equal(read.hub_id, head.hub_id, 16);
    assert_int_equal(
        lm_bundle_open(file.data, file.len, &read, hub_secret, own_public, &frames, &err), LM_OK);
    assert_true(lm_bundle_next(&frames, &kind, &body, &n));
    assert_int_equal(kind, LM_MSG_HELLO);
    assert_int_equal(n, 5);
    assert_memory_equal(body, "hello", 5);
    assert_true(lm_bundle_next(&frames, &kind, &body, &n));
    assert_int_equal(n, 0);
    assert_false(lm_bundle_next(&frames, &kind, &body, &n));
    lm_buf_free(&file);
}

static void cut_anywhere(void **state)
{
    (void)state;
    struct lm_bundle_head head = head_of(7, 1, 1);
    struct lm_buf file = sealed(&head);
    struct lm_error err;
    for (size_t n = 0; n < file.len; n++) {
        enum lm_status status = open_copy(&file, n, hub_secret, own_public, &err);
        assert_int_equal(status, n == 0 ? LM_ERR_INVALID : LM_ERR_CORRUPT);
        assert_string_equal(err.code, n == 0 ? "not_a_bundle" : "bundle_cut");
        assert_true(err.zh[0] && err.en[0]);
    }
    lm_buf_add(&file, "x", 1); /* something behind it */
    assert_int_equal(open_copy(&file, file.len, hub_secret, own_public, &err), LM_ERR_CORRUPT);
    lm_buf_free(&file);
}

/* Every byte, and with the file's hash made again, as who forges would. */
static void changed_anywhere(void **state)
{
    (void)state;
    struct lm_bundle_head head = head_of(7, 1, 2);
    struct lm_buf file = sealed(&head);
    struct lm_error err;
    for (size_t i = 0; i < file.len; i++) {
        struct lm_buf bad;
        lm_buf_init(&bad, LM_BUNDLE_BYTES_MAX);
        lm_buf_add(&bad, file.data, file.len);
        bad.data[i] ^= 1;
        assert_int_not_equal(open_copy(&bad, bad.len, hub_secret, own_public, &err), LM_OK);
        assert_true(err.code[0]);
        lm_hash(bad.data + bad.len - LM_HASH_BYTES, bad.data, bad.len - LM_HASH_BYTES, NULL, 0,
                NULL, 0);
        if (i < file.len - LM_HASH_BYTES) {
            assert_int_not_equal(open_copy(&bad, bad.len, hub_secret, own_public, &err), LM_OK);
            assert_true(err.code[0]);
        }
        lm_buf_free(&bad);
    }
    lm_buf_free(&file);
}

static void other_ends(void **state)
{
    (void)state;
    struct lm_bundle_head head = head_of(7, 1, 1);
    struct lm_buf file = sealed(&head);
    struct lm_error err;
    uint8_t other_secret[32], other_public[32];
    memset(other_secret, 0x33, 32);
    assert_int_equal(crypto_scalarmult_base(other_public, other_secret), 0);
    assert_int_equal(open_copy(&file, file.len, other_secret, own_public, &err), LM_ERR_DENIED);
    assert_string_equal(err.code, "bundle_forged");
    assert_int_equal(open_copy(&file, file.len, hub_secret, other_public, &err), LM_ERR_DENIED);
    /* The box is the same from either end: a replica can't be told that its own file is a reply,
     * for the kind stands in the header. */
    assert_int_equal(open_copy(&file, file.len, own_secret, hub_public, &err), LM_OK);
    file.data[16] = LM_BUNDLE_VERSION + 1;
    assert_int_equal(open_copy(&file, file.len, hub_secret, own_public, &err), LM_ERR_VERSION);
    assert_string_equal(err.code, "bundle_newer");
    lm_buf_free(&file);
}

/* What is rightly sealed and still not made of frames. */
static void frames_out_of_bounds(void **state)
{
    (void)state;
    static const uint8_t bad[][9] = {{5}, {5, 1, 0, 0, 0}, {5, 0xff, 0xff, 0xff, 0xff}};
    static const size_t len[] = {1, 5, 9};
    struct lm_error err;
    for (size_t i = 0; i < 3; i++) {
        struct lm_bundle_head head = head_of(1, 1, 1);
        struct lm_buf buf;
        lm_buf_init(&buf, LM_BUNDLE_BYTES_MAX);
        lm_bundle_begin(&buf);
        lm_buf_add(&buf, bad[i], len[i]);
        assert_int_equal(lm_bundle_seal(&buf, &head, own_secret, hub_public, nonce), LM_OK);
        assert_int_equal(open_copy(&buf, buf.len, hub_secret, own_public, &err), LM_ERR_CORRUPT);
        lm_buf_free(&buf);
    }
}

static void limits(void **state)
{
    (void)state;
    struct lm_bundle_head head = head_of(1, 1, 1);
    struct lm_error err;
    struct lm_buf buf, file;
    uint8_t *frame = calloc(1, LM_FRAME_BYTES_MAX + 1);
    lm_buf_init(&buf, 4096);
    lm_bundle_begin(&buf);
    size_t before = buf.len;
    assert_false(lm_bundle_add(&buf, 5, frame, 4096));
    assert_int_equal(buf.len, before);
    while (lm_bundle_add(&buf, 5, frame, 100)) {
    }
    assert_int_equal(lm_bundle_seal(&buf, &head, own_secret, hub_public, nonce), LM_OK);
    assert_true(buf.len <= 4096);
    assert_int_equal(open_copy(&buf, buf.len, hub_secret, own_public, &err), LM_OK);
    lm_buf_free(&buf);
    lm_buf_init(&file, LM_BUNDLE_BYTES_MAX);
    lm_bundle_begin(&file);
    assert_false(lm_bundle_add(&file, 5, frame, LM_FRAME_BYTES_MAX + 1));
    while (lm_bundle_add(&file, 5, frame, LM_FRAME_BYTES_MAX)) {
    }
    assert_int_equal(lm_bundle_seal(&file, &head, own_secret, hub_public, nonce), LM_OK);
    assert_true(file.len <= LM_BUNDLE_BYTES_MAX && file.len > LM_BUNDLE_BYTES_MAX - (2 << 20));
    assert_int_equal(open_copy(&file, file.len, hub_secret, own_public, &err), LM_OK);
    assert_int_equal(lm_bundle_head_read(file.data, LM_BUNDLE_BYTES_MAX + 1UL, &head, &err),
                     LM_ERR_LIMIT);
    lm_buf_free(&file);
    free(frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back),           cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(changed_anywhere),     cmocka_unit_test(other_ends),
        cmocka_unit_test(frames_out_of_bounds), cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
