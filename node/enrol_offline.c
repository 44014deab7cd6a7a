/* Enrolment by USB stick: the question and the answer of enrol.c as bundles between the kit's
 * one-time pair and the hub. Asking again is the same enrolment: key and nonce are in node.key. */
#include "common/base/util.h"
#include "node/enrol.h"
#include "proto/bundle.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (64 * 1024)
#define ARENA_BYTES (1024 * 1024)

enum lm_status lm_node_enrol_request(const struct lm_node_key *key, const char *program,
                                     const char *path, struct lm_error *err)
{
    struct lm_msg_enrol m = {.protocol_min = LM_PROTOCOL_MIN,
                             .protocol_max = LM_PROTOCOL_MAX,
                             .machine = "",
                             .program = program};
    struct lm_bundle_head head = {.kind = LM_BUNDLE_REQUEST, .part = 1, .parts = 1};
    uint8_t nonce[LM_BUNDLE_NONCE_BYTES];
    struct lm_buf file, frame;
    enum lm_status st;

    memcpy(m.public_key, key->own.public_key, sizeof m.public_key);
    memcpy(m.nonce, key->nonce, sizeof m.nonce);
    memcpy(head.hub_id, key->hub_id, sizeof head.hub_id);
    memcpy(head.key, key->kit.public_key, sizeof head.key);
    randombytes_buf(nonce, sizeof nonce);
    lm_buf_init(&frame, LM_FRAME_BYTES_MAX);
    lm_buf_init(&file, FILE_BYTES_MAX);
    lm_enrol_pack(&frame, &m);
    lm_bundle_begin(&file);
    st = frame.status == LM_OK && lm_bundle_add(&file, LM_MSG_ENROL, frame.data, frame.len)
             ? lm_bundle_seal(&file, &head, key->kit.secret_key, key->hub_public_key, nonce)
             : LM_ERR_MEMORY;
    st = st == LM_OK ? lm_file_write(path, file.data, file.len, 0600, err)
                     : lm_fail(err, st, "memory", "", "内存不足。", "Out of memory.");
    lm_buf_free(&frame);
    lm_buf_free(&file);
    return st;
}

static enum lm_status check_head(const struct lm_node_key *key, const struct lm_bundle_head *head,
                                 struct lm_error *err)
{
    if (head->kind != LM_BUNDLE_ANSWER) {
        return lm_fail(err, LM_ERR_INVALID, "not_an_answer", "", "这不是镇里对入网申请的答复文件。",
                       "This is not the town's answer to a request for enrolment.");
    }
    if (memcmp(head->hub_id, key->hub_id, sizeof head->hub_id) != 0 ||
        memcmp(head->key, key->kit_public_key, sizeof head->key) != 0) {
        return lm_fail(err, LM_ERR_DENIED, "other_pc", "", "这是对另一份入网申请的答复。",
                       "This answers another request for enrolment.");
    }
    return LM_OK;
}

static enum lm_status take(struct lm_node_key *key, struct lm_bundle_frames frames,
                           struct lm_error *err)
{
    struct lm_msg_enrolled enrolled;
    struct lm_arena arena;
    const uint8_t *body = NULL;
    uint8_t kind = 0;
    size_t n = 0;
    enum lm_status st;

    lm_arena_init(&arena, ARENA_BYTES);
    if (!lm_bundle_next(&frames, &kind, &body, &n) || kind != LM_MSG_ENROLLED ||
        lm_enrolled_read(body, n, &arena, &enrolled, err) != LM_OK) {
        st = lm_fail(err, LM_ERR_INVALID, "bad_bundle", "", "答复文件的内容不合规则。",
                     "The answer's content breaks the rules.");
    } else {
        st = lm_node_enrol_take(key, &enrolled, err);
    }
    /* The answer was some time on its way: it only shows that it is not earlier now. */
    key->hub_offset_ms = key->hub_offset_ms > 0 ? key->hub_offset_ms : 0;
    lm_arena_free(&arena);
    return st;
}

enum lm_status lm_node_enrol_answer(struct lm_node_key *key, const char *path, struct lm_error *err)
{
    struct lm_bundle_head head;
    struct lm_bundle_frames frames;
    char *data = NULL;
    size_t n = 0;
    enum lm_status st = lm_file_read(path, FILE_BYTES_MAX, &data, &n, err);

    if (st == LM_OK) {
        st = lm_bundle_head_read((uint8_t *)data, n, &head, err);
    }
    if (st == LM_OK) {
        st = check_head(key, &head, err);
    }
    if (st == LM_OK) {
        st = lm_bundle_open((uint8_t *)data, n, &head, key->kit.secret_key, key->hub_public_key,
                            &frames, err);
    }
    if (st == LM_OK) {
        st = take(key, frames, err);
    }
    free(data);
    return st;
}
