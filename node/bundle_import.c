/* Import: the hub's reply to an export. See bundle.h.
 *
 * Each step is a transaction of its own that may be repeated: WELCOME with its pin, then the
 * catalogue, whose number never falls, what was given back, each page, which only counts where the
 * cursor stands at its beginning, and histories, which only count where the one before ended; last
 * of all the reply is noted as taken. A power cut in between is mended by importing the same file
 * again. */
#include "node/bundle.h"

#include "common/base/log.h"

#include "proto/hubkey.h"
#include "proto/proof.h"

#include <inttypes.h>
#include <string.h>

#define ARENA_BYTES (64 * 1024 * 1024)

struct importer {
    struct lm_nstore *store;
    const struct lm_node_key *key;
    struct lm_export row;
    struct lm_usb_welcome welcome;
    struct lm_hub_pins pins;
    bool under_second; /* the box opened with the second of them */
    struct lm_import_done *out;
    uint32_t pages;
    uint32_t catalog; /* of WELCOME, and its hash */
    uint8_t catalog_hash[LM_HASH_BYTES];
    struct lm_buf packed; /* what has come of it */
    struct lm_arena arena;
    struct lm_error *err;
};

static enum lm_status check_head(const struct lm_node_key *key, const struct lm_bundle_head *head,
                                 struct lm_error *err)
{
    if (head->kind != LM_BUNDLE_REPLY) {
        return lm_fail(err, LM_ERR_INVALID, "not_a_reply", "",
                       "这不是镇里的回复文件，请选镇里导入后生成的那个文件。",
                       "This is not a reply of the hub: choose the file that the town made when it "
                       "imported yours.");
    }
    if (memcmp(head->hub_id, key->hub_id, sizeof head->hub_id) != 0) {
        return lm_fail(err, LM_ERR_DENIED, "other_hub", "", "这是别的镇的回复文件。",
                       "This reply is of another hub.");
    }
    if (memcmp(head->key, key->own.public_key, sizeof head->key) != 0) {
        return lm_fail(err, LM_ERR_DENIED, "other_pc", "", "这是给另一台电脑的回复文件。",
                       "This reply is for another PC.");
    }
    return LM_OK;
}

static enum lm_status bad_content(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_INVALID, "bad_bundle", "", "回复文件的内容不合规则，没有导入。",
                   "The reply's content breaks the rules; it was not taken.");
}

static enum lm_status do_fork(struct importer *im, uint64_t branch_min)
{
    struct lm_me me;
    enum lm_status st = lm_nstore_fork(im->store, branch_min, &me, im->err);

    im->out->forked = st == LM_OK;
    return st;
}

/* "branch=N" → N, else 0. */
static uint64_t branch_named(const char *text)
{
    uint64_t n = 0;

    return sscanf(text, "branch=%" SCNu64, &n) == 1 && n < INT64_MAX ? n : 0;
}

static enum lm_status take_error(struct importer *im, const uint8_t *body, size_t n)
{
    struct lm_msg_error m;

    if (lm_error_read(body, n, &im->arena, &m, im->err) != LM_OK) {
        return bad_content(im->err);
    }
    if (strcmp(m.code, "rolled_back") == 0) {
        uint64_t highest = branch_named(m.text);

        return im->welcome.newest && !im->out->forked && highest >= im->welcome.me.branch
                   ? do_fork(im, highest + 1)
                   : LM_OK;
    }
    return lm_fail(im->err, LM_ERR_DENIED, "hub_says", "", "镇服务器没有接收：%s（%s）",
                   "The hub did not take it: %s (%s)", m.text, m.code);
}

static enum lm_status take_page(struct importer *im, const uint8_t *body, size_t n, bool bodies)
{
    struct lm_msg_feed page;
    struct lm_cursor cursor;
    struct lm_me me;
    uint64_t wanted = 0;
    enum lm_status st;

    lm_arena_reset(&im->arena);
    if (lm_feed_read(body, n, &im->arena, &page, im->err) != LM_OK) {
        return bad_content(im->err);
    }
    if (!bodies) {
        im->out->more = !page.done;
    }
    if ((!im->welcome.newest && !im->welcome.resumed) || im->out->forked) {
        im->out->stale = !im->out->forked;
        return LM_OK;
    }
    if (!bodies && im->welcome.newest && im->pages++ == 0 && page.from.position == 0 &&
        page.from.id[0] == '\0') {
        st = lm_nstore_usb_restart(im->store, im->err); /* the hub knows that ours does not hold */
        if (st != LM_OK) {
            return st;
        }
    }
    st = lm_nstore_me(im->store, &me, im->err);
    if (st != LM_OK || page.branch != me.branch ||
        (!bodies &&
         (page.from.position != me.cursor.position || strcmp(page.from.id, me.cursor.id) != 0))) {
        return st; /* taken already, before a power cut */
    }
    im->out->records += page.n_entries;
    return lm_nstore_apply_page(im->store, &page, bodies, im->welcome.me.last_contact_ms, &cursor,
                                &wanted, im->err);
}

/* ---- catalogue, history, what was given back ---- */

/* Whether what the reply brings beside acks is believed: as its pages. */
static bool counts(const struct importer *im)
{
    return (im->welcome.newest || im->welcome.resumed) && !im->out->forked;
}

/* The hub has another one than this PC: said in `status`, also when it is not for this PC. */
static enum lm_status note_catalog(struct importer *im)
{
    enum lm_catalog_outcome outcome;
    uint64_t offset;
    enum lm_status st;

    if (!counts(im) || im->catalog == 0) {
        return LM_OK;
    }
    st = lm_nstore_catalog_offer(im->store, im->catalog, im->catalog_hash, &outcome, &offset,
                                 im->err);
    im->out->catalog_refused = st == LM_OK && outcome == LM_CATALOG_KEPT_OUT;
    return st;
}

/* Parts come in order, all in one reply; with the last one it comes into force. */
static enum lm_status take_catalog(struct importer *im, const uint8_t *body, size_t n)
{
    struct lm_msg_part part;
    enum lm_catalog_outcome outcome;
    enum lm_status st;

    lm_arena_reset(&im->arena);
    if (lm_part_read(body, n, &im->arena, &part, im->err) != LM_OK || part.number != im->catalog ||
        memcmp(part.hash, im->catalog_hash, sizeof part.hash) != 0 ||
        part.offset != im->packed.len || part.n == 0) {
        return bad_content(im->err);
    }
    lm_buf_add(&im->packed, part.bytes, part.n);
    if (im->packed.status != LM_OK) {
        return lm_fail(im->err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    if (im->packed.len < part.total || !counts(im) || im->out->catalog_refused) {
        return LM_OK;
    }
    part.bytes = im->packed.data;
    part.n = im->packed.len;
    st = lm_nstore_catalog_whole(im->store, &part, &outcome, im->err);
    if (st == LM_OK && outcome == LM_CATALOG_IN_FORCE) {
        im->out->catalog = part.number;
    } else if (st == LM_OK) {
        im->out->catalog_refused = true;
    }
    return st;
}

static enum lm_status take_given_back(struct importer *im, const uint8_t *body, size_t n)
{
    struct lm_msg_offered m;

    lm_arena_reset(&im->arena);
    if (lm_offered_read(body, n, &im->arena, &m, im->err) != LM_OK) {
        return bad_content(im->err);
    }
    return counts(im) && im->welcome.answers ? lm_nstore_offers_drop(im->store, m.id, im->err)
                                             : LM_OK;
}

static enum lm_status take_history(struct importer *im, const uint8_t *body, size_t n)
{
    struct lm_msg_past m;
    bool taken = false;
    enum lm_status st;

    lm_arena_reset(&im->arena);
    if (lm_past_read(body, n, &im->arena, &m, im->err) != LM_OK) {
        return bad_content(im->err);
    }
    if (!counts(im)) {
        return LM_OK;
    }
    st = lm_nstore_past_answer(im->store, &m, im->welcome.me.last_contact_ms, &taken, im->err);
    im->out->histories += st == LM_OK && taken && m.done;
    return st;
}

/* ---- WELCOME, and all of it ---- */

static enum lm_status take_welcome(struct importer *im, const uint8_t *body, size_t n,
                                   const uint8_t hub_id[16])
{
    struct lm_msg_welcome w;
    struct lm_proof proof;
    enum lm_pins_verdict pins;
    enum lm_status st;

    if (lm_welcome_read(body, n, &im->arena, &w, im->err) != LM_OK ||
        memcmp(w.hub_id, hub_id, sizeof w.hub_id) != 0) {
        return bad_content(im->err);
    }
    proof = lm_proof_of(&w);
    if (!lm_proof_verifies(&proof, im->key->hub_sign_key)) {
        return lm_fail(im->err, LM_ERR_DENIED, "bad_proof", "",
                       "回复文件里镇服务器的签名不对，没有导入。请镇里重新导入并生成回复，"
                       "再不行请联系技术人员。",
                       "The hub's signature in this reply is not its own; nothing was taken. Have "
                       "the town import again and make another; else call the technician.");
    }
    if (w.protocol < LM_PROTOCOL_MIN || w.protocol > LM_PROTOCOL_MAX) {
        return lm_fail(im->err, LM_ERR_VERSION, "protocol", "",
                       "本机程序与镇服务器的版本不相容，请升级。",
                       "This program and the town's server have no version in common: upgrade.");
    }
    pins = lm_pins_judge(&im->pins, im->under_second, &w, im->key->hub_sign_key);
    if (pins == LM_PINS_REFUSED) {
        return lm_fail(
            im->err, LM_ERR_DENIED, "key_unproven", "",
            "回复文件里没有镇里关于密钥的签名，或签名不对，没有导入。请镇里重新导入并生成"
            "回复，再不行请联系技术人员。",
            "The reply lacks the hub's signed word about its keys, or it is not its own; "
            "nothing was taken. Have the town import again and make another; else call "
            "the technician.");
    }
    im->catalog = w.catalog;
    memcpy(im->catalog_hash, w.catalog_hash, sizeof im->catalog_hash);
    st = lm_nstore_usb_welcome(im->store, &im->row, &w,
                               &(const struct lm_usb_pins){.kit_key = im->key->hub_public_key,
                                                           .verdict = pins,
                                                           .pins = &im->pins},
                               lm_clock_wall_ms(), &im->welcome, im->err);
    if (st == LM_OK && im->welcome.fork) {
        lm_log(LM_LOG_WARN, "usb", "the hub's log of this PC is another one: forking");
        st = do_fork(im, 0);
    }
    return st == LM_OK ? note_catalog(im) : st;
}

static enum lm_status take_frames(struct importer *im, struct lm_bundle_frames frames,
                                  const uint8_t hub_id[16])
{
    const uint8_t *body;
    uint8_t kind;
    size_t n;
    enum lm_status st;

    if (!lm_bundle_next(&frames, &kind, &body, &n) || kind != LM_MSG_WELCOME) {
        return bad_content(im->err);
    }
    st = take_welcome(im, body, n, hub_id);
    while (st == LM_OK && lm_bundle_next(&frames, &kind, &body, &n)) {
        if (kind == LM_MSG_FEED || kind == LM_MSG_BODIES) {
            st = take_page(im, body, n, kind == LM_MSG_BODIES);
        } else if (kind == LM_MSG_ERROR) {
            st = take_error(im, body, n);
        } else if (kind == LM_MSG_CATALOG) {
            st = take_catalog(im, body, n);
        } else if (kind == LM_MSG_RECOVER) {
            st = take_given_back(im, body, n);
        } else if (kind == LM_MSG_HISTORY) {
            st = take_history(im, body, n);
        } else {
            lm_log(LM_LOG_INFO, "usb", "a frame of kind %u is passed over", (unsigned)kind);
        }
    }
    return st;
}

/* The box is the hub's under the first of the pinned keys, or the second. */
static enum lm_status open_box(struct importer *im, uint8_t *data, size_t n,
                               const struct lm_bundle_head *head, struct lm_bundle_frames *frames)
{
    const uint8_t *secret = im->key->own.secret_key;
    struct lm_error ignored = {0};
    struct lm_me me;
    enum lm_status st = lm_nstore_me(im->store, &me, im->err);

    if (st != LM_OK) {
        return st;
    }
    im->pins = lm_nstore_pins(&me, im->key->hub_public_key);
    st = lm_bundle_open(data, n, head, secret, im->pins.first, frames, im->err);
    if (st == LM_ERR_DENIED && im->pins.has_second &&
        lm_bundle_open(data, n, head, secret, im->pins.second, frames, &ignored) == LM_OK) {
        im->under_second = true;
        memset(im->err, 0, sizeof *im->err);
        return LM_OK;
    }
    return st;
}

/* LM_OK with out->old: there is nothing to do. */
static enum lm_status find_export(struct importer *im, uint64_t number)
{
    uint64_t newest = 0;
    enum lm_status st = lm_nstore_export_newest_taken(im->store, &newest, im->err);

    if (st == LM_OK && number <= newest) {
        im->out->old = true;
        return LM_OK;
    }
    if (st == LM_OK) {
        st = lm_nstore_export_get(im->store, number, &im->row, im->err);
    }
    if (st == LM_ERR_NOT_FOUND) {
        st = lm_fail(im->err, st, "unknown_export", "",
                     "本机没有第 %" PRIu64 " 次导出的记录，这个回复不能用，请重新导出。",
                     "This PC knows of no export %" PRIu64 ": the reply is of no use. Export "
                     "again.",
                     number);
    }
    return st;
}

static void tell_pending(struct importer *im)
{
    struct lm_me me;
    struct lm_error ignored;

    (void)!lm_nstore_has_offers(im->store, &im->out->gives_back, &ignored);
    if (lm_nstore_me(im->store, &me, &ignored) == LM_OK) {
        im->out->pending = me.head.seq - me.acked.seq;
        im->out->acked_now = !im->out->forked && me.acked.seq > im->welcome.acked_before
                                 ? me.acked.seq - im->welcome.acked_before
                                 : 0;
    }
}

enum lm_status lm_node_import(struct lm_nstore *store, const struct lm_node_key *key, uint8_t *data,
                              size_t n, struct lm_import_done *out, struct lm_error *err)
{
    struct importer im = {.store = store, .key = key, .out = out, .err = err};
    struct lm_bundle_head head;
    struct lm_bundle_frames frames;
    enum lm_status st = lm_bundle_head_read(data, n, &head, err);

    memset(out, 0, sizeof *out);
    lm_arena_init(&im.arena, ARENA_BYTES);
    lm_buf_init(&im.packed, LM_CATALOG_PACKED_BYTES_MAX);
    if (st == LM_OK) {
        st = check_head(key, &head, err);
    }
    if (st == LM_OK) {
        st = open_box(&im, data, n, &head, &frames);
    }
    if (st == LM_OK) {
        out->number = head.number;
        st = find_export(&im, head.number);
    }
    if (st == LM_OK && !out->old) {
        st = take_frames(&im, frames, key->hub_id);
        if (st == LM_OK) {
            st = lm_nstore_export_take(store, head.number, LM_EXPORT_TAKEN, err);
        }
    }
    if (st == LM_OK) {
        im.welcome.acked_before = out->old ? UINT64_MAX : im.welcome.acked_before;
        tell_pending(&im);
    }
    lm_buf_free(&im.packed);
    lm_arena_free(&im.arena);
    return st;
}
