/* The layout of a bundle, byte by byte. See bundle.h and PROTOCOL.md "Bundle". */
#include "proto/bundle.h"

#include <sodium.h>
#include <string.h>

static const uint8_t magic[16] = "lastmile-bundle\n";

enum {
    AT_VERSION = 16,
    AT_KIND = 17,
    AT_PART = 18,
    AT_PARTS = 20,
    AT_ZERO = 22,
    AT_NUMBER = 24,
    AT_HUB = 32,
    AT_KEY = 48,
    AT_NONCE = 80,
    AT_CONTENT = 104,
    MAC_BYTES = crypto_box_MACBYTES,
    AT_BOX = LM_BUNDLE_HEAD_BYTES + MAC_BYTES, /* what is encrypted: header's hash, then frames */
    AT_FRAMES = AT_BOX + LM_HASH_BYTES,
};

static void put_le(uint8_t *out, uint64_t u, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint8_t)(u >> (8 * i));
    }
}

static uint64_t get_le(const uint8_t *p, size_t n)
{
    uint64_t u = 0;

    for (size_t i = n; i-- > 0;) {
        u = u << 8 | p[i];
    }
    return u;
}

/* ---- writing ---- */

void lm_bundle_begin(struct lm_buf *buf)
{
    static const uint8_t room[AT_FRAMES];

    lm_buf_reset(buf);
    lm_buf_add(buf, room, sizeof room);
}

bool lm_bundle_add(struct lm_buf *buf, uint8_t kind, const uint8_t *body, size_t n)
{
    uint8_t head[LM_BUNDLE_FRAME_OVERHEAD];
    size_t before = buf->len;

    if (n > LM_FRAME_BYTES_MAX || buf->status != LM_OK ||
        buf->len + sizeof head + n + LM_HASH_BYTES > buf->max) {
        return false;
    }
    head[0] = kind;
    put_le(head + 1, n, 4);
    lm_buf_add(buf, head, sizeof head);
    lm_buf_add(buf, body, n);
    if (buf->status != LM_OK) {
        buf->len = before;
        return false;
    }
    return true;
}

enum lm_status lm_bundle_seal(struct lm_buf *buf, const struct lm_bundle_head *head,
                              const uint8_t secret[32], const uint8_t public_key[32],
                              const uint8_t nonce[LM_BUNDLE_NONCE_BYTES])
{
    uint8_t *p = buf->data, hash[LM_HASH_BYTES];

    if (buf->status != LM_OK) {
        return buf->status;
    }
    LM_CHECK(buf->len >= AT_FRAMES && head->part >= 1 && head->part <= head->parts &&
             head->parts <= LM_BUNDLE_PARTS_MAX);
    memcpy(p, magic, sizeof magic);
    p[AT_VERSION] = LM_BUNDLE_VERSION;
    p[AT_KIND] = (uint8_t)head->kind;
    put_le(p + AT_PART, head->part, 2);
    put_le(p + AT_PARTS, head->parts, 2);
    put_le(p + AT_ZERO, 0, 2);
    put_le(p + AT_NUMBER, head->number, 8);
    memcpy(p + AT_HUB, head->hub_id, sizeof head->hub_id);
    memcpy(p + AT_KEY, head->key, sizeof head->key);
    memcpy(p + AT_NONCE, nonce, LM_BUNDLE_NONCE_BYTES);
    put_le(p + AT_CONTENT, buf->len - AT_FRAMES, 8);
    lm_hash(p + AT_BOX, p, LM_BUNDLE_HEAD_BYTES, NULL, 0, NULL, 0);
    if (crypto_box_detached(p + AT_BOX, p + LM_BUNDLE_HEAD_BYTES, p + AT_BOX, buf->len - AT_BOX,
                            nonce, public_key, secret) != 0) {
        return LM_ERR_INVALID; /* a public key that is no point of the curve */
    }
    lm_hash(hash, buf->data, buf->len, NULL, 0, NULL, 0);
    lm_buf_add(buf, hash, sizeof hash);
    return buf->status;
}

/* ---- reading ---- */

static enum lm_status cut(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_CORRUPT, "bundle_cut", "",
                   "数据包不完整，可能没有复制完就拔了U盘，请重新复制或重新导出。",
                   "The bundle is incomplete: the stick may have been pulled out before it was "
                   "copied. Copy or export it again.");
}

static enum lm_status damaged(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_CORRUPT, "bundle_damaged", "",
                   "数据包已损坏，请重新复制或重新导出。",
                   "The bundle is damaged: copy or export it again.");
}

static enum lm_status not_a_bundle(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_INVALID, "not_a_bundle", "", "这不是本系统的数据包。",
                   "This file is not a Lastmile bundle.");
}

static void read_fields(const uint8_t *data, struct lm_bundle_head *out)
{
    out->kind = (enum lm_bundle_kind)data[AT_KIND];
    out->part = (uint16_t)get_le(data + AT_PART, 2);
    out->parts = (uint16_t)get_le(data + AT_PARTS, 2);
    out->number = get_le(data + AT_NUMBER, 8);
    memcpy(out->hub_id, data + AT_HUB, sizeof out->hub_id);
    memcpy(out->key, data + AT_KEY, sizeof out->key);
    out->content = get_le(data + AT_CONTENT, 8);
}

void lm_bundle_head_peek(const uint8_t data[LM_BUNDLE_HEAD_BYTES], struct lm_bundle_head *out)
{
    memset(out, 0, sizeof *out);
    if (memcmp(data, magic, sizeof magic) == 0) {
        read_fields(data, out);
    }
}

enum lm_status lm_bundle_head_read(const uint8_t *data, size_t n, struct lm_bundle_head *out,
                                   struct lm_error *err)
{
    uint8_t hash[LM_HASH_BYTES];

    memset(out, 0, sizeof *out);
    if (n > LM_BUNDLE_BYTES_MAX) {
        return lm_fail(err, LM_ERR_LIMIT, "too_large", "", "文件太大，不是本系统的数据包。",
                       "The file is too large for a Lastmile bundle.");
    }
    if (n == 0 || memcmp(data, magic, n < sizeof magic ? n : sizeof magic) != 0) {
        return not_a_bundle(err);
    }
    if (n > AT_VERSION && data[AT_VERSION] > LM_BUNDLE_VERSION) {
        return lm_fail(err, LM_ERR_VERSION, "bundle_newer", "",
                       "数据包由更新版本的程序生成，请先升级。",
                       "The bundle was made by a newer program: upgrade first.");
    }
    if (n < LM_BUNDLE_OVERHEAD) {
        return cut(err);
    }
    read_fields(data, out);
    if (out->content != n - LM_BUNDLE_OVERHEAD) {
        return cut(err);
    }
    lm_hash(hash, data, n - LM_HASH_BYTES, NULL, 0, NULL, 0);
    if (memcmp(hash, data + n - LM_HASH_BYTES, sizeof hash) != 0) {
        return damaged(err);
    }
    if (data[AT_VERSION] != LM_BUNDLE_VERSION || out->kind < LM_BUNDLE_UP ||
        out->kind > LM_BUNDLE_ANSWER || get_le(data + AT_ZERO, 2) != 0 || out->part < 1 ||
        out->part > out->parts || out->parts > LM_BUNDLE_PARTS_MAX || out->number > INT64_MAX) {
        return not_a_bundle(err);
    }
    return LM_OK;
}

static enum lm_status forged(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_DENIED, "bundle_forged", "",
                   "数据包的密封打不开：不是它所说的那台电脑和本镇服务器之间的，不能导入。",
                   "The bundle's seal does not open: it is not between the PC it names and this "
                   "hub. It is not taken.");
}

static bool frames_fit(struct lm_bundle_frames frames)
{
    uint8_t kind;
    const uint8_t *body;
    size_t n;

    while (lm_bundle_next(&frames, &kind, &body, &n)) {
    }
    return frames.p == frames.end;
}

enum lm_status lm_bundle_open(uint8_t *data, size_t n, const struct lm_bundle_head *head,
                              const uint8_t secret[32], const uint8_t public_key[32],
                              struct lm_bundle_frames *out, struct lm_error *err)
{
    uint8_t hash[LM_HASH_BYTES];

    memset(out, 0, sizeof *out);
    if (n < LM_BUNDLE_OVERHEAD || head->content != n - LM_BUNDLE_OVERHEAD) {
        return cut(err);
    }
    if (crypto_box_open_detached(data + AT_BOX, data + AT_BOX, data + LM_BUNDLE_HEAD_BYTES,
                                 n - LM_HASH_BYTES - AT_BOX, data + AT_NONCE, public_key,
                                 secret) != 0) {
        return forged(err);
    }
    lm_hash(hash, data, LM_BUNDLE_HEAD_BYTES, NULL, 0, NULL, 0);
    if (memcmp(hash, data + AT_BOX, sizeof hash) != 0) {
        return forged(err);
    }
    out->p = data + AT_FRAMES;
    out->end = data + n - LM_HASH_BYTES;
    if (!frames_fit(*out)) {
        memset(out, 0, sizeof *out);
        return damaged(err);
    }
    return LM_OK;
}

bool lm_bundle_next(struct lm_bundle_frames *frames, uint8_t *kind, const uint8_t **body, size_t *n)
{
    size_t left = (size_t)(frames->end - frames->p);
    uint64_t len;

    if (left < LM_BUNDLE_FRAME_OVERHEAD) {
        return false;
    }
    len = get_le(frames->p + 1, 4);
    if (len > LM_FRAME_BYTES_MAX || len > left - LM_BUNDLE_FRAME_OVERHEAD) {
        return false;
    }
    *kind = frames->p[0];
    *body = frames->p + LM_BUNDLE_FRAME_OVERHEAD;
    *n = (size_t)len;
    frames->p += LM_BUNDLE_FRAME_OVERHEAD + len;
    return true;
}
