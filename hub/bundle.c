/* A bundle taken in, and its reply. See bundle.h. */
#include "hub/bundle.h"

#include "common/base/log.h"
#include "common/base/util.h"
#include "proto/proof.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#define ARENA_BYTES (64 * 1024 * 1024)
#define COMMIT_CHANGES 60000 /* as many as a round of the server gathers */

struct taking {
    struct lm_hub *hub;
    struct lm_store *store;
    struct lm_hub_bundle *out;
    struct lm_replica row;
    struct lm_msg_hello hello;
    struct lm_msg_want want;
    struct lm_msg_past_ask *asks; /* histories that are asked for */
    size_t n_asks;
    char given_back[40];   /* up to this id what was offered is kept; "" = nothing was */
    bool offers_end;       /* no more is taken: too much waits for a person */
    bool same_history;     /* HELLO knows this journal */
    struct lm_arena kept;  /* of HELLO, WANT and the asks */
    struct lm_arena arena; /* of one frame or page */
    struct lm_buf frame;
    uint32_t uncommitted;
    bool open; /* a transaction */
    struct lm_error *err;
};

static enum lm_status bad_bundle(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_INVALID, "bad_bundle", "", "数据包的内容不合规则，没有导入。",
                   "The bundle's content breaks the rules; it was not taken.");
}

static enum lm_status no_memory(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
}

/* ---- whose it is ---- */

static enum lm_status check_head(struct taking *t)
{
    const struct lm_bundle_head *head = &t->out->head;

    if (head->kind != LM_BUNDLE_UP && head->kind != LM_BUNDLE_REQUEST) {
        return lm_fail(t->err, LM_ERR_INVALID, "not_for_hub", "",
                       "这是镇里给村里的回复文件，应在村里的电脑上导入。",
                       "This is a reply to a station: it is imported there.");
    }
    if (memcmp(head->hub_id, t->hub->keys.hub_id, sizeof head->hub_id) != 0) {
        return lm_fail(t->err, LM_ERR_DENIED, "other_hub", "", "这个数据包是给别的镇的。",
                       "This bundle is for another hub.");
    }
    return LM_OK;
}

static enum lm_status find_replica(struct taking *t)
{
    enum lm_status status = lm_store_replica_by_key(t->store, t->out->head.key, &t->row);

    if (status == LM_ERR_NOT_FOUND) {
        return lm_fail(t->err, status, "unknown_pc", "",
                       "本镇没有登记过生成这个数据包的电脑，没有导入。",
                       "No installation with this bundle's key is enrolled here; not taken.");
    }
    if (status != LM_OK) {
        return lm_fail(t->err, status, lm_status_name(status), "", "读取登记失败。",
                       "The registry could not be read.");
    }
    t->out->replica = t->row.number;
    (void)snprintf(t->out->station, sizeof t->out->station, "%s", t->row.station);
    return LM_OK;
}

/* A node proves that this incarnation had told it of entries that the journal lacks: the database
 * was put back in silence. As over the network the next incarnation begins. */
static enum lm_status find_rollback(struct taking *t)
{
    struct lm_incarnation ours = lm_store_town(t->store)->incarnation;
    uint64_t common;
    bool held = true;
    enum lm_status status = LM_OK;

    if (t->hello.proof.incarnation.counter == ours.counter) {
        status = lm_store_common(t->store, &t->hello, &common, &held);
    }
    if (status == LM_OK && !held) {
        lm_log(LM_LOG_ERROR, "usb",
               "replica %" PRIu64 " has seen journal position %" PRIu64
               " of this incarnation, which is not here though this hub signed it: the database "
               "was set back",
               t->row.number, t->hello.proof.mark.position);
        status = lm_store_new_incarnation(t->store, "", "database was set back", lm_clock_wall_ms(),
                                          t->err);
    }
    return status;
}

static enum lm_status check_hello(struct taking *t)
{
    struct lm_msg_hello *m = &t->hello;
    struct lm_incarnation ours = lm_store_town(t->store)->incarnation;

    if (m->protocol_max < LM_PROTOCOL_MIN || m->protocol_min > LM_PROTOCOL_MAX) {
        return lm_fail(t->err, LM_ERR_VERSION, "protocol", "",
                       "数据包的版本与本程序不相容，请升级。",
                       "The bundle and this program have no version in common: upgrade.");
    }
    if (!lm_proof_verifies(&m->proof, t->hub->keys.sign_public)) {
        memset(&m->proof, 0, sizeof m->proof); /* only what this hub signed is believed */
    }
    if (m->proof.incarnation.counter > ours.counter ||
        (m->proof.incarnation.counter == ours.counter &&
         m->proof.incarnation.random != ours.random)) {
        return lm_fail(t->err, LM_ERR_DENIED, "rival", "",
                       "生成数据包的电脑见过另一个镇数据库，请技术人员先查明用哪一个。",
                       "The PC has seen another incarnation of this hub: a technician must say "
                       "which one counts.");
    }
    return LM_OK;
}

static enum lm_status open_box(struct taking *t, uint8_t *data, size_t n,
                               struct lm_bundle_frames *frames)
{
    return lm_bundle_open(data, n, &t->out->head, t->hub->keys.curve.secret_key, t->out->head.key,
                          frames, t->err);
}

static enum lm_status read_hello(struct taking *t, struct lm_bundle_frames *frames)
{
    const uint8_t *body;
    uint8_t kind;
    size_t n;

    if (!lm_bundle_next(frames, &kind, &body, &n) || kind != LM_MSG_HELLO ||
        lm_hello_read(body, n, &t->kept, &t->hello, t->err) != LM_OK) {
        return bad_bundle(t->err);
    }
    t->out->head_seq = t->hello.head.seq;
    return check_hello(t);
}

/* What the hub holds of what HELLO has seen: cursor and positions of another history mean nothing.
 */
static enum lm_status compare_history(struct taking *t)
{
    struct lm_incarnation ours;
    struct lm_mark mark = {0};
    enum lm_status status = find_rollback(t);

    if (status != LM_OK) {
        return status;
    }
    ours = lm_store_town(t->store)->incarnation;
    t->same_history = t->hello.proof.incarnation.counter == ours.counter &&
                      t->hello.proof.incarnation.random == ours.random;
    if (t->same_history && t->hello.seen.position > 0) {
        status = lm_store_mark_at(t->store, t->hello.seen.position, &mark);
        t->same_history =
            status == LM_OK && memcmp(mark.hash, t->hello.seen.hash, LM_HASH_BYTES) == 0;
    }
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

/* ---- what it brings ---- */

static enum lm_status begin(struct taking *t)
{
    enum lm_status status = t->open ? LM_OK : lm_store_begin(t->store, t->err);

    t->open = status == LM_OK;
    return status;
}

static enum lm_status commit(struct taking *t)
{
    enum lm_status status = t->open ? lm_store_commit(t->store, t->err) : LM_OK;

    if (status == LM_OK) {
        t->open = false;
        t->uncommitted = 0;
    }
    return status;
}

static enum lm_status take_push(struct taking *t, const uint8_t *body, size_t n)
{
    static struct lm_push_result result; /* the writer thread's */
    struct lm_msg_push push;
    enum lm_status status;

    lm_arena_reset(&t->arena);
    if (lm_push_read(body, n, &t->arena, &push, t->err) != LM_OK ||
        push.branch != t->hello.branch) {
        return bad_bundle(t->err);
    }
    status = begin(t);
    if (status == LM_OK) {
        status = lm_store_push(t->store, &t->row, &push, lm_clock_wall_ms(), &result, t->err);
    }
    if (status != LM_OK) {
        return status;
    }
    switch (result.outcome) {
    case LM_TAKE_TAKEN:
        t->out->n_sent += push.count;
        t->out->n_new += result.n_new;
        t->out->n_told += (uint32_t)result.n_verdicts;
        t->uncommitted += result.n_new;
        break;
    case LM_TAKE_GAP:
        t->out->gap = true;
        break;
    case LM_TAKE_DIVERGED:
        t->out->diverged = true;
        break;
    case LM_TAKE_BAD:
        return bad_bundle(t->err);
    }
    t->out->acked_seq = result.acked.seq;
    return t->uncommitted >= COMMIT_CHANGES ? commit(t) : LM_OK;
}

/* As RECOVER of the network: believed only with this hub's word that the PC knew an earlier
 * history, and without effect before a person has looked. */
static enum lm_status take_offer(struct taking *t, const uint8_t *body, size_t n)
{
    struct lm_incarnation ours = lm_store_town(t->store)->incarnation;
    struct lm_msg_offer m;
    struct lm_error why = {0};
    char last[40] = "";
    enum lm_status status;

    lm_arena_reset(&t->arena);
    if (lm_offer_read(body, n, &t->arena, &m, t->err) != LM_OK) {
        return bad_bundle(t->err);
    }
    if (m.n == 0 || t->offers_end) {
        return LM_OK;
    }
    if (!lm_proof_verifies(&m.proof, t->hub->keys.sign_public) ||
        m.proof.incarnation.counter >= ours.counter) {
        lm_log(LM_LOG_INFO, "usb", "RECOVER without a proof of an earlier history");
        t->offers_end = true;
        return LM_OK;
    }
    status = begin(t);
    if (status == LM_OK) {
        status = lm_store_recover(t->store, &t->row, &m, lm_clock_wall_ms(), last, &why);
    }
    if (status == LM_ERR_LIMIT) { /* offered again */
        lm_log(LM_LOG_WARN, "usb", "replica %" PRIu64 ": %s", t->row.number, why.en);
        t->offers_end = true;
        return LM_OK;
    }
    if (status != LM_OK) {
        *t->err = why;
        return status;
    }
    memcpy(t->given_back, last, sizeof t->given_back);
    t->out->n_back += (uint32_t)m.n;
    t->uncommitted += (uint32_t)m.n;
    return t->uncommitted >= COMMIT_CHANGES ? commit(t) : LM_OK;
}

static enum lm_status take_ask(struct taking *t, const uint8_t *body, size_t n)
{
    struct lm_msg_past_ask m;

    if (!t->asks) {
        t->asks = lm_arena_alloc(&t->kept, LM_BUNDLE_PASTS_MAX * sizeof *t->asks);
    }
    if (!t->asks) {
        return no_memory(t->err);
    }
    if (lm_past_ask_read(body, n, &t->kept, &m, t->err) != LM_OK) {
        return bad_bundle(t->err);
    }
    if (t->n_asks < LM_BUNDLE_PASTS_MAX) {
        t->asks[t->n_asks++] = m;
    }
    return LM_OK;
}

static enum lm_status take_frames(struct taking *t, struct lm_bundle_frames frames)
{
    const uint8_t *body;
    uint8_t kind;
    size_t n;
    enum lm_status status = LM_OK;

    while (status == LM_OK && !t->out->gap && !t->out->diverged &&
           lm_bundle_next(&frames, &kind, &body, &n)) {
        if (kind == LM_MSG_PUSH) {
            status = take_push(t, body, n);
        } else if (kind == LM_MSG_WANT) {
            status = lm_want_read(body, n, &t->kept, &t->want, t->err) == LM_OK
                         ? LM_OK
                         : bad_bundle(t->err);
        } else if (kind == LM_MSG_RECOVER) {
            status = take_offer(t, body, n);
        } else if (kind == LM_MSG_HISTORY) {
            status = take_ask(t, body, n);
        } else if (kind != LM_MSG_HELLO) {
            lm_log(LM_LOG_INFO, "usb", "a frame of kind %u is passed over", (unsigned)kind);
        }
    }
    return status;
}

/* A branch that was not known: as a HELLO of the network opens it, but for lease and clock. */
static enum lm_status open_branch(struct taking *t)
{
    struct lm_replica r = t->row;
    enum lm_status status = LM_OK;

    if (t->hello.branch <= t->row.branch) {
        return LM_OK;
    }
    r.branch = t->hello.branch;
    r.head = t->hello.head;
    r.last_contact_ms = lm_clock_wall_ms();
    (void)snprintf(r.program, sizeof r.program, "%.70s", t->hello.program);
    status = begin(t);
    return status == LM_OK ? lm_store_replica_hello(t->store, &r, t->row.lease_confirmed, t->err)
                           : status;
}

/* Notes the export, and that completeness which came of it is by the station's clock. */
static enum lm_status note(struct taking *t)
{
    struct lm_replica now;
    enum lm_status status = begin(t);

    if (status == LM_OK) {
        status = lm_store_replica_get(t->store, t->row.number, &now);
    }
    if (status == LM_OK) {
        status = lm_store_catalog_seen(t->store, t->row.number, t->hello.catalog,
                                       t->hello.catalog_hash, t->err);
    }
    if (status == LM_OK && (t->out->diverged || t->hello.branch < t->row.branch)) {
        status = lm_store_note_back(t->store, t->row.number, t->err);
    }
    if (status == LM_OK) {
        status = lm_store_usb_note(t->store, t->row.number, t->out->head.number,
                                   now.complete_ms > t->row.complete_ms ? now.complete_ms : 0,
                                   lm_clock_wall_ms(), t->err);
    }
    if (status == LM_OK) {
        status = commit(t);
    }
    if (status == LM_OK) {
        status = lm_store_replica_get(t->store, t->row.number, &t->row);
    }
    return status;
}

/* ---- the reply ---- */

static bool add(struct taking *t, struct lm_buf *reply, uint8_t kind)
{
    return t->frame.status == LM_OK && lm_bundle_add(reply, kind, t->frame.data, t->frame.len);
}

static enum lm_status add_welcome(struct taking *t, struct lm_buf *reply)
{
    const struct lm_town *town = lm_store_town(t->store);
    struct lm_msg_welcome w = {.protocol = LM_PROTOCOL_MAX,
                               .incarnation = town->incarnation,
                               .branch = t->hello.branch,
                               .catalog = lm_store_catalog(t->store)->number,
                               .hub_time_ms = lm_clock_wall_ms(),
                               .hlc_known = t->row.hlc_known,
                               .credit = 1};
    struct lm_proof proof = {.incarnation = town->incarnation};
    bool held = false;
    enum lm_status status =
        lm_store_branch_acked(t->store, t->row.number, t->hello.branch, &w.acked, t->err);

    if (status == LM_OK) {
        status = lm_store_head(t->store, &w.head);
    }
    if (status == LM_OK) {
        status = lm_store_common(t->store, &t->hello, &w.common, &held);
    }
    if (status != LM_OK) {
        return status;
    }
    proof.mark = w.head;
    lm_proof_sign(&proof, t->hub->keys.sign_secret);
    memcpy(w.signature, proof.signature, sizeof w.signature);
    memcpy(w.hub_id, town->hub_id, sizeof w.hub_id);
    memcpy(w.catalog_hash, lm_store_catalog(t->store)->hash, sizeof w.catalog_hash);
    t->out->acked_seq = w.acked.seq;
    lm_buf_reset(&t->frame);
    lm_welcome_pack(&t->frame, &w);
    return add(t, reply, LM_MSG_WELCOME) ? LM_OK : no_memory(t->err);
}

static enum lm_status add_rolled_back(struct taking *t, struct lm_buf *reply)
{
    char text[40];

    (void)snprintf(text, sizeof text, "branch=%" PRIu64, t->row.branch);
    lm_buf_reset(&t->frame);
    lm_error_pack(&t->frame, &(struct lm_msg_error){.code = "rolled_back", .text = text});
    return add(t, reply, LM_MSG_ERROR) ? LM_OK : no_memory(t->err);
}

/* The whole of the one in force when the PC has an older one: its records come behind it. */
static enum lm_status add_catalog(struct taking *t, struct lm_buf *reply)
{
    const struct lm_catalog *c = lm_store_catalog(t->store);
    struct lm_msg_part part = {.number = c->number, .total = c->packed_len};

    if (c->number <= t->hello.catalog) {
        return LM_OK; /* WELCOME names it: what is another one is told of there */
    }
    memcpy(part.hash, c->hash, sizeof part.hash);
    for (; part.offset < part.total; part.offset += part.n) {
        uint64_t left = part.total - part.offset;

        part.bytes = c->packed + part.offset;
        part.n = left < LM_CATALOG_PART_BYTES_MAX ? (size_t)left : LM_CATALOG_PART_BYTES_MAX;
        lm_buf_reset(&t->frame);
        lm_part_pack(&t->frame, &part);
        if (!add(t, reply, LM_MSG_CATALOG)) {
            return no_memory(t->err);
        }
    }
    return LM_OK;
}

static enum lm_status add_given_back(struct taking *t, struct lm_buf *reply)
{
    struct lm_msg_offered m = {0};

    if (!t->given_back[0]) {
        return LM_OK;
    }
    memcpy(m.id, t->given_back, sizeof m.id);
    lm_buf_reset(&t->frame);
    lm_offered_pack(&t->frame, &m);
    return add(t, reply, LM_MSG_RECOVER) ? LM_OK : no_memory(t->err);
}

/* Each to its end; what does not fit is asked for again. */
static enum lm_status add_histories(struct taking *t, struct lm_buf *reply)
{
    struct lm_msg_past page;

    for (size_t i = 0; i < t->n_asks; i++) {
        struct lm_msg_past_ask ask = t->asks[i];

        ask.after = t->same_history ? ask.after : 0;
        do {
            enum lm_status status;

            lm_arena_reset(&t->arena);
            status = lm_store_past(t->store, &t->row, &ask, &t->arena, &page, t->err);
            if (status != LM_OK) {
                return status;
            }
            page.session = 0;
            lm_buf_reset(&t->frame);
            lm_past_pack(&t->frame, &page);
            if (!add(t, reply, LM_MSG_HISTORY)) {
                return LM_OK;
            }
            ask.after = page.n > 0 ? page.items[page.n - 1].position : ask.after;
        } while (!page.done);
    }
    return LM_OK;
}

static enum lm_status add_feed(struct taking *t, struct lm_buf *reply)
{
    /* From the beginning when what the PC saw is not part of this journal. */
    struct lm_cursor cursor = t->same_history ? t->hello.cursor : (struct lm_cursor){0};
    struct lm_msg_feed page;

    for (;;) {
        enum lm_status status;

        lm_arena_reset(&t->arena);
        status =
            lm_store_feed(t->store, &t->row, &cursor, LM_FEED_BYTES_MAX, &t->arena, &page, t->err);
        if (status != LM_OK) {
            return status;
        }
        lm_buf_reset(&t->frame);
        lm_feed_pack(&t->frame, &page);
        if (!add(t, reply, LM_MSG_FEED)) {
            t->out->more = true;
            return LM_OK;
        }
        if (page.done) {
            return LM_OK;
        }
        cursor = page.next;
    }
}

static enum lm_status add_bodies(struct taking *t, struct lm_buf *reply)
{
    struct lm_msg_feed page;
    enum lm_status status;

    if (t->want.n_ids == 0) {
        return LM_OK;
    }
    lm_arena_reset(&t->arena);
    status = lm_store_bodies(t->store, &t->row, &t->want, &t->arena, &page, t->err);
    if (status == LM_OK) {
        page.from = page.next = t->hello.cursor;
        lm_buf_reset(&t->frame);
        lm_feed_pack(&t->frame, &page);
        t->out->more = !add(t, reply, LM_MSG_BODIES) || t->out->more;
    }
    return status;
}

static enum lm_status seal(struct taking *t, struct lm_buf *reply, enum lm_bundle_kind kind)
{
    struct lm_bundle_head head = t->out->head;
    uint8_t nonce[LM_BUNDLE_NONCE_BYTES];
    enum lm_status status;

    head.kind = kind;
    head.part = head.parts = 1;
    randombytes_buf(nonce, sizeof nonce);
    status = lm_bundle_seal(reply, &head, t->hub->keys.curve.secret_key, head.key, nonce);
    t->out->reply = status == LM_OK;
    return status == LM_OK ? LM_OK : no_memory(t->err);
}

static enum lm_status make_reply(struct taking *t, struct lm_buf *reply)
{
    enum lm_status status;

    lm_bundle_begin(reply);
    status = add_welcome(t, reply);
    t->out->complete = !t->out->gap && !t->out->diverged &&
                       (t->out->acked_seq >= t->hello.head.seq || t->hello.branch < t->row.branch);
    if (status != LM_OK || (!t->out->complete && !t->out->diverged)) {
        lm_buf_reset(reply);
        return status;
    }
    if (t->out->diverged || t->hello.branch < t->row.branch) {
        status = add_rolled_back(t, reply);
    } else {
        status = add_catalog(t, reply);
        if (status == LM_OK) {
            status = add_given_back(t, reply);
        }
        if (status == LM_OK) {
            status = add_feed(t, reply);
        }
        if (status == LM_OK) {
            status = add_bodies(t, reply);
        }
        if (status == LM_OK) {
            status = add_histories(t, reply);
        }
    }
    return status == LM_OK ? seal(t, reply, LM_BUNDLE_REPLY) : status;
}

/* ---- enrolment ---- */

static enum lm_status take_request(struct taking *t, struct lm_bundle_frames frames,
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
        return bad_bundle(t->err);
    }
    if (enrol.protocol_min > LM_PROTOCOL_MAX || enrol.protocol_max < LM_PROTOCOL_MIN) {
        return lm_fail(t->err, LM_ERR_VERSION, "protocol", "",
                       "入网申请的版本与本程序不相容，请升级。",
                       "The request and this program have no version in common: upgrade.");
    }
    status = lm_store_kit_by_key(t->store, t->out->head.key, &kit);
    if (status == LM_OK) {
        status = begin(t);
    }
    if (status == LM_OK) {
        status = lm_store_enrol(t->store, kit.id, &enrol, lm_clock_wall_ms(), &t->row, t->err);
    }
    if (status == LM_OK) {
        status = commit(t);
    }
    if (status != LM_OK) {
        return status;
    }
    t->hub->registry_changed = true;
    t->out->enrolled = true;
    t->out->replica = t->row.number;
    (void)snprintf(t->out->station, sizeof t->out->station, "%s", t->row.station);
    lm_buf_reset(&t->frame);
    status = lm_hub_enrolled_pack(t->hub, &t->row, &t->frame);
    lm_bundle_begin(reply);
    if (status != LM_OK || !add(t, reply, LM_MSG_ENROLLED)) {
        return no_memory(t->err);
    }
    return seal(t, reply, LM_BUNDLE_ANSWER);
}

/* Only a kit that this hub made opens its request. */
static enum lm_status known_kit(struct taking *t)
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

/* ---- all of it ---- */

static void start(struct taking *t, struct lm_hub *hub, struct lm_hub_bundle *out,
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

static enum lm_status end(struct taking *t, enum lm_status status)
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

static enum lm_status take_up(struct taking *t, uint8_t *data, size_t n, struct lm_buf *reply)
{
    struct lm_bundle_frames frames;
    enum lm_status status = find_replica(t);

    if (status == LM_OK && t->row.revoked_ms != 0) {
        status = lm_fail(t->err, LM_ERR_DENIED, "revoked", "",
                         "生成数据包的电脑已被停用。要抢救其中的数据，请用 bundle salvage。",
                         "The PC that made this bundle was revoked. To save what is in it, use "
                         "`bundle salvage`.");
    }
    if (status == LM_OK) {
        status = open_box(t, data, n, &frames);
    }
    if (status == LM_OK) {
        status = read_hello(t, &frames);
    }
    if (status == LM_OK) {
        status = compare_history(t);
    }
    if (status == LM_OK) {
        status = open_branch(t);
    }
    if (status == LM_OK) {
        status = take_frames(t, frames);
    }
    if (status == LM_OK) {
        status = note(t);
    }
    if (status == LM_OK) {
        t->hub->registry_changed = true; /* sessions of this PC read their row anew */
        status = make_reply(t, reply);
    }
    return status;
}

enum lm_status lm_hub_bundle_take(struct lm_hub *hub, uint8_t *data, size_t n,
                                  struct lm_hub_bundle *out, struct lm_buf *reply,
                                  struct lm_error *err)
{
    struct taking t;
    struct lm_bundle_frames frames;
    enum lm_status status;

    start(&t, hub, out, err);
    status = lm_bundle_head_read(data, n, &out->head, err);
    if (status == LM_OK) {
        status = check_head(&t);
    }
    if (status == LM_OK && out->head.kind == LM_BUNDLE_UP) {
        status = take_up(&t, data, n, reply);
    } else if (status == LM_OK) {
        status = known_kit(&t);
        if (status == LM_OK) {
            status = open_box(&t, data, n, &frames);
        }
        if (status == LM_OK) {
            status = take_request(&t, frames, reply);
        }
    }
    return end(&t, status);
}

/* ---- salvage ---- */

struct salvaging {
    struct taking *t;
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
    struct taking *t = s->t;
    struct lm_msg_push push;
    enum lm_status status = begin(t);

    lm_arena_reset(&t->arena);
    if (status == LM_OK && lm_push_read(body, n, &t->arena, &push, t->err) != LM_OK) {
        status = bad_bundle(t->err);
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
    struct taking t;
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
        status = check_head(&t);
    }
    if (status == LM_OK && out->head.kind != LM_BUNDLE_UP) {
        status = bad_bundle(err);
    }
    if (status == LM_OK) {
        status = find_replica(&t);
    }
    if (status == LM_OK && t.row.revoked_ms == 0) {
        status = lm_fail(err, LM_ERR_INVALID, "not_revoked", "",
                         "这台电脑没有停用，请用 bundle import 直接导入。",
                         "This PC is not revoked: use `bundle import`.");
    }
    if (status == LM_OK) {
        status = open_box(&t, data, n, &frames);
    }
    if (status == LM_OK) {
        status = read_hello(&t, &frames);
    }
    while (status == LM_OK && lm_bundle_next(&frames, &kind, &body, &len)) {
        status = kind == LM_MSG_PUSH ? salvage_push(&s, body, len) : LM_OK;
    }
    if (status == LM_OK) {
        status = commit(&t);
    }
    *n_out = status == LM_OK ? s.n : 0;
    return end(&t, status);
}
