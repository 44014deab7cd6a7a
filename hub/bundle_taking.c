/* Whose a bundle is, and what it brings. See bundle_taking.h. */
#include "hub/bundle_taking.h"

#include "common/base/log.h"
#include "common/base/util.h"
#include "proto/proof.h"

#include <inttypes.h>
#include <string.h>

#define COMMIT_CHANGES 60000 /* as many as a round of the server gathers */

enum lm_status lm_taking_bad(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_INVALID, "bad_bundle", "", "数据包的内容不合规则，没有导入。",
                   "The bundle's content breaks the rules; it was not taken.");
}

enum lm_status lm_taking_no_memory(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
}

enum lm_status lm_taking_begin(struct lm_taking *t)
{
    enum lm_status status = t->open ? LM_OK : lm_store_begin(t->store, t->err);

    t->open = status == LM_OK;
    return status;
}

enum lm_status lm_taking_commit(struct lm_taking *t)
{
    enum lm_status status = t->open ? lm_store_commit(t->store, t->err) : LM_OK;

    if (status == LM_OK) {
        t->open = false;
        t->uncommitted = 0;
    }
    return status;
}

/* ---- whose it is ---- */

enum lm_status lm_taking_check_head(struct lm_taking *t)
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

enum lm_status lm_taking_find_replica(struct lm_taking *t)
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
static enum lm_status find_rollback(struct lm_taking *t)
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

static enum lm_status check_hello(struct lm_taking *t)
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

enum lm_status lm_taking_open(struct lm_taking *t, uint8_t *data, size_t n,
                              struct lm_bundle_frames *frames)
{
    const struct lm_hub_keys *keys = &t->hub->keys;
    struct lm_error err = {0};
    enum lm_status status = lm_bundle_open(data, n, &t->out->head, keys->curve.secret_key,
                                           t->out->head.key, frames, t->err);

    t->line = &keys->curve;
    t->line_old = false;
    for (size_t i = 0; status == LM_ERR_DENIED && i < keys->n_old; i++) {
        if (keys->old[i].until_ms > lm_clock_wall_ms() &&
            lm_bundle_open(data, n, &t->out->head, keys->old[i].pair.secret_key, t->out->head.key,
                           frames, &err) == LM_OK) {
            t->line = &keys->old[i].pair;
            t->line_old = true;
            status = LM_OK;
        }
    }
    if (status == LM_ERR_DENIED && keys->number > 1) {
        return lm_fail(t->err, status, "bundle_forged", "",
                       "数据包的密封打不开：不是它所说的那台电脑和本镇服务器之间的，或封给了已经"
                       "作废的旧密钥。若是后者，请给那台电脑发新的入网文件，在上面运行 "
                       "lastmile-node enrol 文件 --renew，再导出一次。",
                       "The bundle's seal does not open: it is not between the PC it names and "
                       "this hub, or it is for a former key that is kept no more. If so, make that "
                       "PC a new kit, run `lastmile-node enrol KIT --renew` there and export "
                       "again.");
    }
    if (status == LM_OK && t->err) {
        memset(t->err, 0, sizeof *t->err);
    }
    return status;
}

enum lm_status lm_taking_hello(struct lm_taking *t, struct lm_bundle_frames *frames)
{
    const uint8_t *body;
    uint8_t kind;
    size_t n;

    if (!lm_bundle_next(frames, &kind, &body, &n) || kind != LM_MSG_HELLO ||
        lm_hello_read(body, n, &t->kept, &t->hello, t->err) != LM_OK) {
        return lm_taking_bad(t->err);
    }
    t->out->head_seq = t->hello.head.seq;
    return check_hello(t);
}

/* What the hub holds of what HELLO has seen: cursor and positions of another history mean nothing.
 */
static enum lm_status compare_history(struct lm_taking *t)
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

static enum lm_status take_push(struct lm_taking *t, const uint8_t *body, size_t n)
{
    static struct lm_push_result result; /* the writer thread's */
    struct lm_msg_push push;
    enum lm_status status;

    lm_arena_reset(&t->arena);
    if (lm_push_read(body, n, &t->arena, &push, t->err) != LM_OK ||
        push.branch != t->hello.branch) {
        return lm_taking_bad(t->err);
    }
    status = lm_taking_begin(t);
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
        return lm_taking_bad(t->err);
    }
    t->out->acked_seq = result.acked.seq;
    return t->uncommitted >= COMMIT_CHANGES ? lm_taking_commit(t) : LM_OK;
}

/* As RECOVER of the network: believed only with this hub's word that the PC knew an earlier
 * history, and without effect before a person has looked. */
static enum lm_status take_offer(struct lm_taking *t, const uint8_t *body, size_t n)
{
    struct lm_incarnation ours = lm_store_town(t->store)->incarnation;
    struct lm_msg_offer m;
    struct lm_error why = {0};
    char last[40] = "";
    enum lm_status status;

    lm_arena_reset(&t->arena);
    if (lm_offer_read(body, n, &t->arena, &m, t->err) != LM_OK) {
        return lm_taking_bad(t->err);
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
    status = lm_taking_begin(t);
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
    return t->uncommitted >= COMMIT_CHANGES ? lm_taking_commit(t) : LM_OK;
}

static enum lm_status take_ask(struct lm_taking *t, const uint8_t *body, size_t n)
{
    struct lm_msg_past_ask m;

    if (!t->asks) {
        t->asks = lm_arena_alloc(&t->kept, LM_BUNDLE_PASTS_MAX * sizeof *t->asks);
    }
    if (!t->asks) {
        return lm_taking_no_memory(t->err);
    }
    if (lm_past_ask_read(body, n, &t->kept, &m, t->err) != LM_OK) {
        return lm_taking_bad(t->err);
    }
    if (t->n_asks < LM_BUNDLE_PASTS_MAX) {
        t->asks[t->n_asks++] = m;
    }
    return LM_OK;
}

/* The PC has pinned this key of ours: the next one, or the one in force though it seals for a
 * former one still. Then it opens what is sealed with that. */
static enum lm_status take_key(struct lm_taking *t, const uint8_t *body, size_t n)
{
    const struct lm_hub_keys *keys = &t->hub->keys;
    struct lm_msg_key m;
    enum lm_status status;

    if (lm_key_read(body, n, &t->kept, &m, t->err) != LM_OK) {
        return lm_taking_bad(t->err);
    }
    if (t->line_old && memcmp(m.key, keys->curve.public_key, sizeof m.key) == 0) {
        t->line = &keys->curve;
    } else if (t->line_old || !keys->has_next ||
               memcmp(m.key, keys->next.public_key, sizeof m.key) != 0) {
        return LM_OK; /* of one that was withdrawn, or an older export */
    }
    status = lm_taking_begin(t);
    return status == LM_OK ? lm_store_replica_hub_key(t->store, t->row.number, m.key, t->err)
                           : status;
}

static enum lm_status take_frames(struct lm_taking *t, struct lm_bundle_frames frames)
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
                         : lm_taking_bad(t->err);
        } else if (kind == LM_MSG_RECOVER) {
            status = take_offer(t, body, n);
        } else if (kind == LM_MSG_HISTORY) {
            status = take_ask(t, body, n);
        } else if (kind == LM_MSG_KEY) {
            status = take_key(t, body, n);
        } else if (kind != LM_MSG_HELLO) {
            lm_log(LM_LOG_INFO, "usb", "a frame of kind %u is passed over", (unsigned)kind);
        }
    }
    return status;
}

/* A branch that was not known: as a HELLO of the network opens it, but for lease and clock. */
static enum lm_status open_branch(struct lm_taking *t)
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
    status = lm_taking_begin(t);
    return status == LM_OK ? lm_store_replica_hello(t->store, &r, t->row.lease_confirmed, t->err)
                           : status;
}

/* Who seals for the key in force has it; but not if it said that it has the next one, too. */
static enum lm_status note_line(struct lm_taking *t, const struct lm_replica *row)
{
    const struct lm_hub_keys *keys = &t->hub->keys;
    const uint8_t *present = keys->curve.public_key;
    bool next = keys->has_next && row->hub_key_known &&
                memcmp(row->hub_key, keys->next.public_key, 32) == 0;

    if (t->line_old || next || (row->hub_key_known && memcmp(row->hub_key, present, 32) == 0)) {
        return LM_OK;
    }
    return lm_store_replica_hub_key(t->store, row->number, present, t->err);
}

/* Notes the export, and that completeness which came of it is by the station's clock. */
static enum lm_status note(struct lm_taking *t)
{
    struct lm_replica now;
    enum lm_status status = lm_taking_begin(t);

    if (status == LM_OK) {
        status = lm_store_replica_get(t->store, t->row.number, &now);
    }
    if (status == LM_OK) {
        status = note_line(t, &now);
    }
    if (status == LM_OK && !t->line_old) {
        status = lm_store_replica_spoke(t->store, &now, t->hub->keys.curve.public_key, t->err);
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
        status = lm_taking_commit(t);
    }
    if (status == LM_OK) {
        status = lm_store_replica_get(t->store, t->row.number, &t->row);
    }
    return status;
}

enum lm_status lm_taking_contents(struct lm_taking *t, struct lm_bundle_frames frames)
{
    enum lm_status status = compare_history(t);

    if (status == LM_OK) {
        status = open_branch(t);
    }
    if (status == LM_OK) {
        status = take_frames(t, frames);
    }
    return status == LM_OK ? note(t) : status;
}
