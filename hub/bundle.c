/* The ways of a bundle through the hub: import, enrolment, salvage. See bundle.h; whose it is and
 * what it brings: bundle_taking.c; the reply: bundle_reply.c. */
#include "hub/bundle.h"

#include "common/base/util.h"
#include "hub/bundle_taking.h"

#include <string.h>

#define ARENA_BYTES (64 * 1024 * 1024)

static void start(struct lm_taking *t, struct lm_hub *hub, struct lm_hub_bundle *out,
                  struct lm_error *err)
{
    memset(t, 0, sizeof *t);
    memset(out, 0, sizeof *out);
    t->hub = hub;
    t->store = hub->store;
    t->out = out;
    t->err = err;
    lm_arena_init(&t->kept, ARENA_BYTES);
    lm_arena_init(&t->arena, ARENA_BYTES);
    lm_buf_init(&t->frame, LM_FRAME_BYTES_MAX);
}

static enum lm_status end(struct lm_taking *t, enum lm_status status)
{
    if (t->open) {
        lm_store_rollback(t->store);
    }
    if (status != LM_OK && t->err && !t->err->code[0]) {
        (void)lm_fail(t->err, status, lm_status_name(status), "", "镇数据库读写失败，没有导入完。",
                      "The hub's database failed; the bundle was not taken in whole.");
    }
    lm_arena_free(&t->kept);
    lm_arena_free(&t->arena);
    lm_buf_free(&t->frame);
    return status;
}

/* ---- enrolment ---- */

static enum lm_status take_request(struct lm_taking *t, struct lm_bundle_frames frames,
                                   struct lm_buf *reply)
{
    const uint8_t *body;
    uint8_t kind;
    size_t n;
    struct lm_kit_row kit;
    struct lm_msg_enrol enrol;
    enum lm_status status;

    if (!lm_bundle_next(&frames, &kind, &body, &n) || kind != LM_MSG_ENROL ||
        lm_enrol_read(body, n, &t->kept, &enrol, t->err) != LM_OK) {
        return lm_taking_bad(t->err);
    }
    if (enrol.protocol_min > LM_PROTOCOL_MAX || enrol.protocol_max < LM_PROTOCOL_MIN) {
        return lm_fail(t->err, LM_ERR_VERSION, "protocol", "",
                       "入网申请的版本与本程序不相容，请升级。",
                       "The request and this program have no version in common: upgrade.");
    }
    status = lm_store_kit_by_key(t->store, t->out->head.key, &kit);
    if (status == LM_OK) {
        status = lm_taking_begin(t);
    }
    if (status == LM_OK) {
        status = lm_store_enrol(t->store, kit.id, &enrol, lm_clock_wall_ms(), &t->row, t->err);
    }
    if (status == LM_OK) {
        status = lm_taking_commit(t);
    }
    if (status != LM_OK) {
        return status;
    }
    t->hub->registry_changed = true;
    t->out->enrolled = true;
    t->out->replica = t->row.number;
    (void)snprintf(t->out->station, sizeof t->out->station, "%s", t->row.station);
    return lm_taking_answer(t, reply);
}

/* Only a kit that this hub made opens its request. */
static enum lm_status known_kit(struct lm_taking *t)
{
    struct lm_kit_row kit;

    if (lm_store_kit_by_key(t->store, t->out->head.key, &kit) == LM_OK) {
        return LM_OK;
    }
    return lm_fail(t->err, LM_ERR_NOT_FOUND, "unknown_kit", "",
                   "入网申请所用的入网文件不是本镇发的，或已在恢复备份时失效，请重新生成。",
                   "The request's kit is not one of this hub's, or ended with a restore: make "
                   "another.");
}

/* ---- an export, and all of it ---- */

static enum lm_status take_up(struct lm_taking *t, uint8_t *data, size_t n, struct lm_buf *reply)
{
    struct lm_bundle_frames frames;
    enum lm_status status = lm_taking_find_replica(t);

    if (status == LM_OK && t->row.revoked_ms != 0) {
        status = lm_fail(t->err, LM_ERR_DENIED, "revoked", "",
                         "生成数据包的电脑已被停用。要抢救其中的数据，请用 bundle salvage。",
                         "The PC that made this bundle was revoked. To save what is in it, use "
                         "`bundle salvage`.");
    }
    if (status == LM_OK) {
        status = lm_taking_open(t, data, n, &frames);
    }
    if (status == LM_OK) {
        status = lm_taking_hello(t, &frames);
    }
    if (status == LM_OK) {
        status = lm_taking_contents(t, frames);
    }
    if (status == LM_OK) {
        t->hub->registry_changed = true; /* sessions of this PC read their row anew */
        status = lm_taking_reply(t, reply);
    }
    return status;
}

enum lm_status lm_hub_bundle_take(struct lm_hub *hub, uint8_t *data, size_t n,
                                  struct lm_hub_bundle *out, struct lm_buf *reply,
                                  struct lm_error *err)
{
    struct lm_taking t;
    struct lm_bundle_frames frames;
    enum lm_status status;

    start(&t, hub, out, err);
    status = lm_bundle_head_read(data, n, &out->head, err);
    if (status == LM_OK) {
        status = lm_taking_check_head(&t);
    }
    if (status == LM_OK && out->head.kind == LM_BUNDLE_UP) {
        status = take_up(&t, data, n, reply);
    } else if (status == LM_OK) {
        status = known_kit(&t);
        if (status == LM_OK) {
            status = lm_taking_open(&t, data, n, &frames);
        }
        if (status == LM_OK) {
            status = take_request(&t, frames, reply);
        }
    }
    return end(&t, status);
}

/* ---- salvage ---- */

struct salvaging {
    struct lm_taking *t;
    const struct lm_msg_push *push;
    size_t n;
};

static enum lm_status salvage_one(void *arg, uint32_t i, const uint8_t *body, size_t n)
{
    struct salvaging *s = arg;
    bool added = false;
    enum lm_status status =
        lm_store_salvage_put(s->t->store, &s->t->row, s->push->branch, s->push->first_seq + i, body,
                             n, lm_clock_wall_ms(), &added, s->t->err);

    s->n += added;
    return status;
}

static enum lm_status salvage_push(struct salvaging *s, const uint8_t *body, size_t n)
{
    struct lm_taking *t = s->t;
    struct lm_msg_push push;
    enum lm_status status = lm_taking_begin(t);

    lm_arena_reset(&t->arena);
    if (status == LM_OK && lm_push_read(body, n, &t->arena, &push, t->err) != LM_OK) {
        status = lm_taking_bad(t->err);
    }
    if (status == LM_OK && push.count > 0) {
        s->push = &push;
        status = lm_batch_unpack(push.packed, push.packed_len, push.raw_bytes, push.count,
                                 &t->arena, salvage_one, s, t->err);
    }
    return status;
}

enum lm_status lm_hub_bundle_salvage(struct lm_hub *hub, uint8_t *data, size_t n,
                                     struct lm_hub_bundle *out, size_t *n_out, struct lm_error *err)
{
    struct lm_taking t;
    struct salvaging s = {.t = &t};
    struct lm_bundle_frames frames;
    const uint8_t *body;
    uint8_t kind;
    size_t len;
    enum lm_status status;

    *n_out = 0;
    start(&t, hub, out, err);
    status = lm_bundle_head_read(data, n, &out->head, err);
    if (status == LM_OK) {
        status = lm_taking_check_head(&t);
    }
    if (status == LM_OK && out->head.kind != LM_BUNDLE_UP) {
        status = lm_taking_bad(err);
    }
    if (status == LM_OK) {
        status = lm_taking_find_replica(&t);
    }
    if (status == LM_OK && t.row.revoked_ms == 0) {
        status = lm_fail(err, LM_ERR_INVALID, "not_revoked", "",
                         "这台电脑没有停用，请用 bundle import 直接导入。",
                         "This PC is not revoked: use `bundle import`.");
    }
    if (status == LM_OK) {
        status = lm_taking_open(&t, data, n, &frames);
    }
    if (status == LM_OK) {
        status = lm_taking_hello(&t, &frames);
    }
    while (status == LM_OK && lm_bundle_next(&frames, &kind, &body, &len)) {
        status = kind == LM_MSG_PUSH ? salvage_push(&s, body, len) : LM_OK;
    }
    if (status == LM_OK) {
        status = lm_taking_commit(&t);
    }
    *n_out = status == LM_OK ? s.n : 0;
    return end(&t, status);
}
