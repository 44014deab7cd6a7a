/* Export: the outbox from safe_seq on as PUSH frames, what a hub that went back is to be given back
 * as RECOVER frames, and the questions, cut into files. See bundle.h.
 *
 * Every part says how many there are, so all of it is gone through twice: once to count, once to
 * write. Head and number are fixed before, and the log is only appended to; what else there is was
 * gathered before the first pass. So both cut at the same places. */
#include "node/bundle.h"

#include "common/base/log.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OFFERS_ARENA_BYTES (4 * 1024 * 1024) /* one RECOVER before it is packed */

struct exporter {
    struct lm_nstore *store;
    const struct lm_node_key *key;
    struct lm_me me;
    struct lm_export row;
    const char *first; /* name of the first part */
    int64_t wall_ms;
    bool writing;
    uint16_t part, parts;
    uint32_t in_part; /* frames of the part at hand beside HELLO */
    struct lm_checkpoints checkpoints;
    /* Bodies of frames, each behind its length: what the hub is offered; asks for histories. */
    struct lm_buf offers, asks;
    struct lm_buf file, frame, packed;
    struct lm_batch batch;
    struct lm_error *err;
};

bool lm_node_part_name(const char *first, uint16_t part, char *out, size_t n)
{
    const char *slash = strrchr(first, '/'), *dot = strrchr(first, '.');
    size_t stem = dot && (!slash || dot > slash + 1) ? (size_t)(dot - first) : strlen(first);
    int len = part == 1
                  ? snprintf(out, n, "%s", first)
                  : snprintf(out, n, "%.*s-%u%s", (int)stem, first, (unsigned)part, first + stem);

    return len > 0 && (size_t)len < n;
}

static enum lm_status memory(struct exporter *x)
{
    return lm_fail(x->err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
}

/* Which next key of the hub is pinned here, in each part: whatever their order, the hub knows what
 * its reply may be sealed with. */
static bool add_key(struct exporter *x)
{
    struct lm_hub_pins pins = lm_nstore_pins(&x->me, x->key->hub_public_key);
    struct lm_msg_key m = {.session = 0};

    if (!pins.has_second) {
        return true;
    }
    memcpy(m.key, pins.second, sizeof m.key);
    lm_buf_reset(&x->frame);
    lm_key_pack(&x->frame, &m);
    return x->frame.status == LM_OK &&
           lm_bundle_add(&x->file, LM_MSG_KEY, x->frame.data, x->frame.len);
}

static bool add_hello(struct exporter *x)
{
    const struct lm_catalog *catalog = lm_nstore_catalog(x->store);
    struct lm_short_mark checkpoints[LM_CHECKPOINTS_MAX];
    struct lm_msg_hello m = {.protocol_min = LM_PROTOCOL_MIN,
                             .protocol_max = LM_PROTOCOL_MAX,
                             .branch = x->me.branch,
                             .head = x->me.head,
                             .lease = x->me.lease,
                             .cursor = x->me.cursor,
                             .seen = x->me.seen,
                             .proof = x->me.proof,
                             .catalog = catalog->number,
                             .wall_ms = x->wall_ms,
                             .program = "lastmile-node " LM_PROGRAM_VERSION,
                             .checkpoints = checkpoints,
                             .n_checkpoints = x->checkpoints.n};

    for (size_t i = 0; i < x->checkpoints.n; i++) {
        const struct lm_mark *mark = &x->checkpoints.items[i].mark;

        checkpoints[i].position = mark->position;
        memcpy(checkpoints[i].prefix, mark->hash, sizeof checkpoints[i].prefix);
    }
    memcpy(m.catalog_hash, catalog->hash, sizeof m.catalog_hash);
    lm_buf_reset(&x->frame);
    lm_hello_pack(&x->frame, &m);
    return x->frame.status == LM_OK &&
           lm_bundle_add(&x->file, LM_MSG_HELLO, x->frame.data, x->frame.len) && add_key(x);
}

static enum lm_status begin_part(struct exporter *x)
{
    if (x->part == LM_BUNDLE_PARTS_MAX) {
        return lm_fail(x->err, LM_ERR_LIMIT, "too_many_parts", "", "文件太小，装不下：最多 %d 个。",
                       "The files are too small: at most %d of them.", LM_BUNDLE_PARTS_MAX);
    }
    x->part++;
    x->in_part = 0;
    lm_bundle_begin(&x->file);
    return add_hello(x) ? LM_OK : memory(x);
}

static enum lm_status end_part(struct exporter *x)
{
    struct lm_bundle_head head = {
        .kind = LM_BUNDLE_UP, .part = x->part, .parts = x->parts, .number = x->row.number};
    struct lm_hub_pins pins = lm_nstore_pins(&x->me, x->key->hub_public_key);
    uint8_t nonce[LM_BUNDLE_NONCE_BYTES];
    char path[PATH_MAX];

    if (!x->writing) {
        return LM_OK;
    }
    memcpy(head.hub_id, x->key->hub_id, sizeof head.hub_id);
    memcpy(head.key, x->key->own.public_key, sizeof head.key);
    randombytes_buf(nonce, sizeof nonce);
    if (lm_bundle_seal(&x->file, &head, x->key->own.secret_key, pins.first, nonce) != LM_OK ||
        !lm_node_part_name(x->first, x->part, path, sizeof path)) {
        return memory(x);
    }
    return lm_file_write(path, x->file.data, x->file.len, 0600, x->err);
}

/* The changes from `from` on, at most max of them, as a PUSH in x->frame. */
static enum lm_status make_push(struct exporter *x, const struct lm_head *before, uint32_t max,
                                struct lm_head *last)
{
    struct lm_node_batch batch;
    struct lm_msg_push push;
    uint64_t from = before->seq + 1, left = x->me.head.seq - before->seq;
    enum lm_status st;

    *last = *before;
    memset(&batch, 0, sizeof batch);
    if (left > 0) {
        st = lm_nstore_read_batch(x->store, from, left < max ? (uint32_t)left : max,
                                  LM_BATCH_BYTES_MAX, &x->batch, &x->packed, &batch, x->err);
        if (st != LM_OK) {
            return st;
        }
        if (batch.count == 0 || memcmp(batch.before, before->hash, LM_HASH_BYTES) != 0) {
            return lm_fail(x->err, LM_ERR_BUSY, "try_again", "", "导出时数据有变动，请再导出一次。",
                           "The log changed while it was exported: export again.");
        }
        *last = batch.last;
    }
    push = (struct lm_msg_push){.branch = x->me.branch,
                                .first_seq = from,
                                .count = batch.count,
                                .raw_bytes = batch.raw_bytes,
                                .packed = batch.packed,
                                .packed_len = batch.packed_len,
                                .head = x->me.head,
                                .as_of_ms = x->wall_ms + x->me.offset_ms};
    push.as_of_ms = push.as_of_ms > 0 ? push.as_of_ms : 0;
    memcpy(push.before, before->hash, LM_HASH_BYTES);
    lm_buf_reset(&x->frame);
    lm_push_pack(&x->frame, &push);
    return x->frame.status == LM_OK ? LM_OK : memory(x);
}

/* The PUSH after `before` into this part or the next one; a part too small for a batch gets less.
 */
static enum lm_status put_push(struct exporter *x, struct lm_head *before)
{
    uint32_t max = LM_BATCH_CHANGES_MAX;
    struct lm_head last;

    for (;;) {
        enum lm_status st = make_push(x, before, max, &last);

        if (st != LM_OK) {
            return st;
        }
        if (lm_bundle_add(&x->file, LM_MSG_PUSH, x->frame.data, x->frame.len)) {
            x->in_part++;
            *before = last;
            return LM_OK;
        }
        if (x->in_part > 0) {
            st = end_part(x);
            if (st == LM_OK) {
                st = begin_part(x);
            }
            if (st != LM_OK) {
                return st;
            }
        } else if (last.seq - before->seq <= 1) {
            return memory(x);
        } else {
            max = (uint32_t)(last.seq - before->seq) / 2;
        }
    }
}

/* ---- what is gathered before ---- */

/* x->frame behind its length. False: no more of these this time. */
static bool gather(struct exporter *x, struct lm_buf *into)
{
    uint32_t n = (uint32_t)x->frame.len;

    if (x->frame.status != LM_OK || into->len + sizeof n + n > into->max) {
        return false;
    }
    lm_buf_add(into, &n, sizeof n);
    lm_buf_add(into, x->frame.data, n);
    return into->status == LM_OK;
}

static bool next_gathered(const struct lm_buf *from, size_t *at, const uint8_t **body, uint32_t *n)
{
    if (*at >= from->len) {
        return false;
    }
    memcpy(n, from->data + *at, sizeof *n);
    *body = from->data + *at + sizeof *n;
    *at += sizeof *n + *n;
    return true;
}

/* All that waits to be given back, as far as the hub would have it (LM_RECOVERED_BYTES_MAX). Pages
 * fit into a small file several times. */
static enum lm_status gather_offers(struct exporter *x)
{
    size_t max_bytes = x->file.max / 4 < LM_OFFER_BYTES_MAX ? x->file.max / 4 : LM_OFFER_BYTES_MAX;
    struct lm_arena arena;
    struct lm_msg_offer m = {0};
    char after[40] = "";
    enum lm_status st;

    lm_arena_init(&arena, OFFERS_ARENA_BYTES);
    do {
        lm_arena_reset(&arena);
        st = lm_nstore_offers(x->store, after, max_bytes, &arena, &m.proof, &m.items, &m.n, x->err);
        if (st != LM_OK || m.n == 0) {
            break;
        }
        memcpy(after, m.items[m.n - 1].id, sizeof after);
        lm_buf_reset(&x->frame);
        lm_offer_pack(&x->frame, &m);
    } while (gather(x, &x->offers));
    lm_arena_free(&arena);
    return st;
}

static bool gather_ask(void *arg, const char *id, uint64_t after)
{
    struct exporter *x = arg;
    struct lm_msg_past_ask m = {.after = after, .max_bytes = LM_HISTORY_BYTES_MAX};

    (void)snprintf(m.id, sizeof m.id, "%s", id);
    lm_buf_reset(&x->frame);
    lm_past_ask_pack(&x->frame, &m);
    return gather(x, &x->asks);
}

/* One unanswered page makes those behind it useless: ids are answered in their order. */
static enum lm_status put_offers(struct exporter *x)
{
    const uint8_t *body;
    size_t at = 0;
    uint32_t n;

    while (next_gathered(&x->offers, &at, &body, &n)) {
        if (!lm_bundle_add(&x->file, LM_MSG_RECOVER, body, n)) {
            enum lm_status st = x->in_part > 0 ? end_part(x) : LM_OK;

            if (st == LM_OK && x->in_part > 0) {
                st = begin_part(x);
            }
            if (st != LM_OK) {
                return st;
            }
            if (!lm_bundle_add(&x->file, LM_MSG_RECOVER, body, n)) {
                lm_log(LM_LOG_WARN, "usb",
                       "a record of %u bytes to be given back needs larger "
                       "files",
                       (unsigned)n);
                break;
            }
        }
        x->in_part++;
    }
    return LM_OK;
}

/* What does not fit is asked for next time. */
static void put_asks(struct exporter *x)
{
    const uint8_t *body;
    size_t at = 0;
    uint32_t n;

    while (next_gathered(&x->asks, &at, &body, &n) &&
           lm_bundle_add(&x->file, LM_MSG_HISTORY, body, n)) {
    }
}

/* Ids whose digest differed; what does not fit is asked for next time. */
static enum lm_status add_want(struct exporter *x)
{
    char(*ids)[40] = calloc(LM_WANT_MAX, sizeof *ids);
    struct lm_msg_want m = {.ids = ids};
    enum lm_status st =
        ids ? lm_nstore_wanted(x->store, ids, LM_WANT_MAX, &m.n_ids, x->err) : memory(x);

    if (st == LM_OK && m.n_ids > 0) {
        lm_buf_reset(&x->frame);
        lm_want_pack(&x->frame, &m);
        if (x->frame.status != LM_OK ||
            !lm_bundle_add(&x->file, LM_MSG_WANT, x->frame.data, x->frame.len)) {
            lm_log(LM_LOG_INFO, "usb", "no room for %zu wanted ids", m.n_ids);
        }
    }
    free(ids);
    return st;
}

static enum lm_status start_hash(struct exporter *x, struct lm_head *before)
{
    struct lm_node_batch batch;
    enum lm_status st = LM_OK;

    memset(before, 0, sizeof *before);
    before->seq = x->me.safe_seq < x->me.acked.seq ? x->me.safe_seq : x->me.acked.seq;
    if (before->seq == 0) {
        lm_chain_start(x->me.replica, x->me.branch, before->hash);
    } else {
        st = lm_nstore_read_batch(x->store, before->seq + 1, 1, 1, &x->batch, &x->packed, &batch,
                                  x->err);
        memcpy(before->hash, batch.before, LM_HASH_BYTES);
    }
    return st;
}

static enum lm_status run_pass(struct exporter *x)
{
    struct lm_head before;
    enum lm_status st = start_hash(x, &before);

    x->part = 0;
    if (st == LM_OK) {
        st = begin_part(x);
    }
    while (st == LM_OK && (before.seq < x->me.head.seq || x->in_part == 0)) {
        st = put_push(x, &before);
    }
    if (st == LM_OK) {
        st = put_offers(x);
    }
    if (st == LM_OK) {
        st = add_want(x);
    }
    if (st == LM_OK) {
        put_asks(x);
    }
    return st == LM_OK ? end_part(x) : st;
}

static enum lm_status none_there(struct exporter *x)
{
    for (uint16_t part = 1; part <= x->parts; part++) {
        char path[PATH_MAX];

        if (!lm_node_part_name(x->first, part, path, sizeof path)) {
            return lm_fail(x->err, LM_ERR_LIMIT, "path_too_long", "", "路径过长。",
                           "The path is too long.");
        }
        if (access(path, F_OK) == 0) {
            return lm_fail(x->err, LM_ERR_EXISTS, "file_exists", "", "文件 %s 已存在，不覆盖。",
                           "%s is there already and is not overwritten.", path);
        }
    }
    return LM_OK;
}

static void remove_parts(struct exporter *x)
{
    for (uint16_t part = 1; part < x->part; part++) {
        char path[PATH_MAX];

        if (lm_node_part_name(x->first, part, path, sizeof path)) {
            (void)unlink(path);
        }
    }
}

/* A folder gets a name that FAT can hold and that says nothing of persons. */
static enum lm_status choose_name(struct exporter *x, const char *path, char *out, size_t n)
{
    struct stat info;
    bool folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    int len =
        folder ? snprintf(out, n, "%s/lm-%s-%" PRIu64 ".lmb", path, x->key->station, x->row.number)
               : snprintf(out, n, "%s", path);

    if (len < 0 || (size_t)len >= n) {
        return lm_fail(x->err, LM_ERR_LIMIT, "path_too_long", "", "路径过长。",
                       "The path is too long.");
    }
    return LM_OK;
}

static enum lm_status write_all(struct exporter *x, const char *path, struct lm_export_done *out)
{
    enum lm_status st = choose_name(x, path, out->first, sizeof out->first);

    x->first = out->first;
    if (st == LM_OK) {
        st = run_pass(x);
    }
    x->parts = x->part;
    if (st == LM_OK) {
        st = none_there(x);
    }
    if (st == LM_OK) {
        x->writing = true;
        st = run_pass(x);
        LM_CHECK(st != LM_OK || x->part == x->parts);
        if (st != LM_OK) {
            remove_parts(x);
        }
    }
    return st;
}

enum lm_status lm_node_export(struct lm_nstore *store, const struct lm_node_key *key,
                              const char *path, size_t max_bytes, struct lm_export_done *out,
                              struct lm_error *err)
{
    struct exporter x = {.store = store, .key = key, .wall_ms = lm_clock_wall_ms(), .err = err};
    enum lm_status st;

    memset(out, 0, sizeof *out);
    lm_buf_init(&x.file, max_bytes < LM_BUNDLE_BYTES_MAX ? max_bytes : LM_BUNDLE_BYTES_MAX);
    lm_buf_init(&x.frame, LM_FRAME_BYTES_MAX);
    lm_buf_init(&x.packed, LM_FRAME_BYTES_MAX);
    lm_buf_init(&x.offers, LM_RECOVERED_BYTES_MAX);
    lm_buf_init(&x.asks, LM_FRAME_BYTES_MAX);
    lm_batch_init(&x.batch);
    st = lm_nstore_export_begin(store, &x.me, &x.checkpoints, &x.row, x.wall_ms, err);
    if (st == LM_OK) {
        st = gather_offers(&x);
    }
    if (st == LM_OK) {
        st = lm_nstore_past_wanted(store, LM_BUNDLE_PASTS_MAX, gather_ask, &x, err);
    }
    if (st == LM_OK) {
        st = write_all(&x, path, out);
    }
    out->number = x.row.number;
    out->head_seq = x.me.head.seq;
    out->changes =
        x.me.head.seq - (x.me.safe_seq < x.me.acked.seq ? x.me.safe_seq : x.me.acked.seq);
    out->unsent = x.me.head.seq - x.me.acked.seq;
    out->parts = x.parts;
    out->gives_back = x.offers.len > 0;
    lm_batch_free(&x.batch);
    lm_buf_free(&x.asks);
    lm_buf_free(&x.offers);
    lm_buf_free(&x.packed);
    lm_buf_free(&x.frame);
    lm_buf_free(&x.file);
    return st;
}
