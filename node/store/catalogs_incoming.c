/* The hub's catalogue on its way to the node: asked for in parts, or whole from a stick; what
 * became of it; and why it is kept out. The rules are at the head of catalogs.c. */
#include "node/store/store_internal.h"

#include "common/base/log.h"

#include <inttypes.h>
#include <string.h>

static enum lm_status note_hub(struct lm_nstore *s, uint32_t number,
                               const uint8_t hash[LM_HASH_BYTES], const struct lm_error *why,
                               struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, NS_HUB_CATALOG_PUT);

    ns_bind_u64(q, 1, number);
    ns_bind_blob(q, 2, hash, LM_HASH_BYTES);
    ns_bind_text(q, 3, why ? why->code : "");
    ns_bind_text(q, 4, why ? why->zh : "");
    ns_bind_text(q, 5, why ? why->en : "");
    return ns_run(s, q, "note the hub's catalogue", err);
}

static enum lm_status run(struct lm_nstore *s, enum ns_query query, struct lm_error *err)
{
    return ns_run(s, ns_stmt(s, query), "forget what was on its way", err);
}

struct incoming {
    uint32_t number;
    uint8_t hash[LM_HASH_BYTES];
    uint64_t total, stored;
};

/* LM_ERR_NOT_FOUND: nothing is on its way. */
static enum lm_status read_incoming(struct lm_nstore *s, struct incoming *out, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, NS_IN_STATE);
    enum lm_status st = ns_row(s, q, "read what is on its way", err);

    memset(out, 0, sizeof *out);
    if (st == LM_OK) {
        out->number = (uint32_t)sqlite3_column_int64(q, 0);
        ns_column_hash(q, 1, out->hash);
        out->total = ns_column_u64(q, 2);
        out->stored = ns_column_u64(q, 3);
        ns_done(q);
    }
    return st;
}

static bool is_one(const struct incoming *in, uint32_t number, const uint8_t hash[LM_HASH_BYTES])
{
    return in->number == number && memcmp(in->hash, hash, LM_HASH_BYTES) == 0;
}

static enum lm_status gather(struct lm_nstore *s, const struct incoming *in, struct lm_buf *out,
                             struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, NS_IN_PARTS);
    enum lm_status st;

    while ((st = ns_row(s, q, "read what is on its way", err)) == LM_OK) {
        lm_buf_add(out, sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0));
    }
    if (st != LM_ERR_NOT_FOUND) {
        return st;
    }
    return out->status == LM_OK && out->len == in->total ? LM_OK : LM_ERR_CORRUPT;
}

static void take_breach(void *arg, const struct lm_error *breach)
{
    struct lm_error *first = arg;

    if (!first->code[0]) {
        *first = *breach;
    }
}

/* Why a catalogue that is whole is not taken, or LM_OK. */
static enum lm_status judge(struct lm_nstore *s, const struct incoming *in,
                            const struct lm_catalog *next, struct lm_error *why)
{
    struct lm_error breach = {0};

    if (next->number != in->number || memcmp(next->hash, in->hash, LM_HASH_BYTES) != 0) {
        return lm_fail(
            why, LM_ERR_CORRUPT, "damaged", "",
            "镇里下发的业务目录 %u 与其校验值不符，本机继续使用目录 %u。",
            "The town's catalogue %u is not what its hash says; this PC goes on with %u.",
            (unsigned)in->number, (unsigned)s->catalog->number);
    }
    if (lm_catalog_compare(s->catalog, next, take_breach, &breach) > 0) {
        return lm_fail(why, LM_ERR_INVALID, "not_additive", "",
                       "镇里的业务目录 %u 与本机的目录 %u 不能衔接，请联系镇服务站。（%.200s）%.0s",
                       "The town's catalogue %u can't follow this PC's %u: call the town station. "
                       "(%.0s%.200s)",
                       (unsigned)next->number, (unsigned)s->catalog->number, breach.zh, breach.en);
    }
    return LM_OK;
}

/* Whether the reason is the catalogue's own, and another program may see it otherwise. */
static bool keeps_out(enum lm_status st)
{
    return st == LM_ERR_INVALID || st == LM_ERR_LIMIT || st == LM_ERR_VERSION ||
           st == LM_ERR_CORRUPT;
}

/* All bytes are here: into force, or a note why not. Ends the open transaction. */
static enum lm_status try_it(struct lm_nstore *s, const struct incoming *in,
                             enum lm_catalog_outcome *outcome, struct lm_error *err)
{
    struct lm_error why = {0};
    struct lm_catalog *next = NULL;
    struct lm_buf packed;
    enum lm_status st;

    lm_buf_init(&packed, LM_CATALOG_PACKED_BYTES_MAX);
    st = gather(s, in, &packed, &why);
    if (st == LM_OK) {
        st = lm_catalog_load_packed(packed.data, packed.len, &next, &why);
    }
    if (st == LM_OK) {
        st = judge(s, in, next, &why);
    }
    lm_buf_free(&packed);
    if (st == LM_OK) {
        st = run(s, NS_IN_DROP, err);
        st = st == LM_OK ? run(s, NS_HUB_CATALOG_DROP, err) : st;
        if (st == LM_OK) {
            *outcome = LM_CATALOG_IN_FORCE;
            return ns_catalog_finish(s, next, next, err);
        }
        lm_catalog_destroy(&next);
        lm_db_rollback(s->db);
        return st;
    }
    lm_catalog_destroy(&next);
    if (!keeps_out(st)) {
        lm_db_rollback(s->db);
        if (err && !err->code[0]) {
            *err = why;
        }
        return st;
    }
    lm_log(LM_LOG_ERROR, "store", "the hub's catalogue %" PRIu32 " is not taken: %s", in->number,
           why.en);
    *outcome = LM_CATALOG_KEPT_OUT;
    /* What only a newer program understands waits for it here; the rest is of no use. */
    st = st == LM_ERR_VERSION ? LM_OK : run(s, NS_IN_DROP, err);
    st = st == LM_OK ? note_hub(s, in->number, in->hash, &why, err) : st;
    if (st == LM_OK) {
        return lm_db_commit(s->db, err);
    }
    lm_db_rollback(s->db);
    return st;
}

/* Why the hub's is not even asked for; code "" when it is. */
static void look_at_number(const struct lm_nstore *s, uint32_t number, struct lm_error *why)
{
    if (number < s->catalog->number) {
        (void)lm_fail(
            why, LM_OK, "hub_older", "",
            "镇里的业务目录是 %u，比本机的 %u 旧；本机继续使用新的，等镇里更新。",
            "The town's catalogue is %u, older than this PC's %u; this PC keeps the newer "
            "until the town has it.",
            (unsigned)number, (unsigned)s->catalog->number);
    } else if (number == s->catalog->number) {
        (void)lm_fail(why, LM_OK, "rival", "",
                      "镇里的业务目录 %u 与本机的同号目录内容不同，请镇里以更大的编号重新发布。",
                      "The town's catalogue %u differs from this PC's of the same number: the town "
                      "must publish one with a higher number.",
                      (unsigned)number);
    }
}

enum lm_status lm_nstore_catalog_offer(struct lm_nstore *store, uint32_t number,
                                       const uint8_t hash[32], enum lm_catalog_outcome *outcome,
                                       uint64_t *offset_out, struct lm_error *err)
{
    struct lm_error why = {0};
    struct incoming in;
    enum lm_status st = lm_nstore_begin(store, err);

    *offset_out = 0;
    *outcome = LM_CATALOG_ASK;
    if (st != LM_OK) {
        return st;
    }
    if (memcmp(hash, store->catalog->hash, LM_HASH_BYTES) == 0) { /* another process was faster */
        *outcome = LM_CATALOG_IN_FORCE;
        st = run(store, NS_HUB_CATALOG_DROP, err);
        goto out;
    }
    look_at_number(store, number, &why);
    if (why.code[0]) {
        *outcome = LM_CATALOG_KEPT_OUT;
        st = note_hub(store, number, hash, &why, err);
        goto out;
    }
    st = read_incoming(store, &in, err);
    if (st == LM_OK && is_one(&in, number, hash) && in.stored == in.total) {
        return try_it(store, &in, outcome, err); /* this program may be a newer one */
    }
    if (st == LM_OK && !is_one(&in, number, hash)) {
        st = run(store, NS_IN_DROP, err);
    } else if (st == LM_OK) {
        *offset_out = in.stored;
    }
    st = st == LM_ERR_NOT_FOUND ? LM_OK : st;
    st = st == LM_OK ? note_hub(store, number, hash, NULL, err) : st;
out:
    if (st == LM_OK) {
        return lm_nstore_commit(store, err);
    }
    lm_nstore_rollback(store);
    return st;
}

enum lm_status lm_nstore_catalog_part(struct lm_nstore *store, const struct lm_msg_part *part,
                                      enum lm_catalog_outcome *outcome, uint64_t *offset_out,
                                      struct lm_error *err)
{
    struct incoming in;
    sqlite3_stmt *q;
    enum lm_status st = lm_nstore_begin(store, err);

    *outcome = LM_CATALOG_ASK;
    *offset_out = 0;
    if (st != LM_OK) {
        return st;
    }
    st = read_incoming(store, &in, err);
    if (st == LM_ERR_NOT_FOUND) {
        in = (struct incoming){.number = part->number, .total = part->total};
        memcpy(in.hash, part->hash, sizeof in.hash);
        st = LM_OK;
    }
    if (st == LM_OK && (!is_one(&in, part->number, part->hash) || in.total != part->total ||
                        in.stored != part->offset)) {
        /* The hub packed it otherwise since, or another process stores parts: from the beginning.
         */
        st = run(store, NS_IN_DROP, err);
        goto out;
    }
    if (st == LM_OK) {
        q = ns_stmt(store, NS_IN_ADD);
        ns_bind_u64(q, 1, part->offset);
        ns_bind_u64(q, 2, part->number);
        ns_bind_blob(q, 3, part->hash, LM_HASH_BYTES);
        ns_bind_u64(q, 4, part->total);
        ns_bind_blob(q, 5, part->bytes, part->n);
        st = ns_run(store, q, "store a part of the catalogue", err);
        in.stored += part->n;
        *offset_out = in.stored;
    }
    if (st == LM_OK && in.stored == in.total) {
        return try_it(store, &in, outcome, err);
    }
out:
    if (st == LM_OK) {
        return lm_nstore_commit(store, err);
    }
    lm_nstore_rollback(store);
    return st;
}

enum lm_status lm_nstore_catalog_whole(struct lm_nstore *store, const struct lm_msg_part *whole,
                                       enum lm_catalog_outcome *outcome, struct lm_error *err)
{
    struct incoming in = {.number = whole->number, .total = whole->total};
    sqlite3_stmt *q;
    enum lm_status st = lm_nstore_begin(store, err);

    *outcome = LM_CATALOG_IN_FORCE;
    memcpy(in.hash, whole->hash, sizeof in.hash);
    if (st == LM_OK && memcmp(in.hash, store->catalog->hash, LM_HASH_BYTES) == 0) {
        lm_nstore_rollback(store); /* another process was faster */
        return LM_OK;
    }
    if (st == LM_OK) {
        st = run(store, NS_IN_DROP, err);
    }
    if (st == LM_OK) {
        q = ns_stmt(store, NS_IN_ADD);
        ns_bind_u64(q, 1, 0);
        ns_bind_u64(q, 2, whole->number);
        ns_bind_blob(q, 3, whole->hash, LM_HASH_BYTES);
        ns_bind_u64(q, 4, whole->total);
        ns_bind_blob(q, 5, whole->bytes, whole->n);
        st = ns_run(store, q, "store the catalogue", err);
    }
    if (st == LM_OK) {
        return try_it(store, &in, outcome, err);
    }
    lm_nstore_rollback(store);
    return st;
}

enum lm_status lm_nstore_hub_catalog(struct lm_nstore *store, struct lm_hub_catalog *out,
                                     struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_HUB_CATALOG_GET);
    enum lm_status st = ns_row(store, q, "read the hub's catalogue", err);

    memset(out, 0, sizeof *out);
    if (st == LM_OK) {
        out->number = (uint32_t)sqlite3_column_int64(q, 0);
        ns_column_text(q, 2, out->code, sizeof out->code);
        ns_column_text(q, 3, out->zh, sizeof out->zh);
        ns_column_text(q, 4, out->en, sizeof out->en);
        ns_done(q);
    }
    if (st == LM_OK || st == LM_ERR_NOT_FOUND) {
        q = ns_stmt(store, NS_LATER_COUNT);
        st = ns_row(store, q, "count what can't be read yet", err);
        out->later = st == LM_OK ? (size_t)ns_column_u64(q, 0) : 0;
        ns_done(q);
    }
    return st;
}
