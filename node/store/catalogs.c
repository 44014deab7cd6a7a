/* Catalogues at the node: the one in force, the hub's on its way, and the step from one to the
 * next.
 *
 * Invariants: `me` names the catalogue in force, and the record tables have at least its columns. A
 * new one comes into force in the transaction that stores its last part, together with its tables,
 * the values that become known, and the records that could not be read before: a crash leaves the
 * old one whole. The number never falls: a hub that went back to an older catalogue, or has another
 * one of the same number, is told of in `status`, and the node keeps its own; what it sends is kept
 * by the hub as unknown fields until that has caught up. */
#include "node/store/store_internal.h"

#include "common/base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- in force ---- */

static enum lm_status in_force(struct lm_nstore *s, uint32_t *number, uint8_t hash[LM_HASH_BYTES],
                               struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum lm_status st = lm_db_prepare(s->db, "SELECT catalog, catalog_hash FROM me", &stmt, err);

    if (st == LM_OK) {
        int rc = sqlite3_step(stmt);

        st = rc == SQLITE_ROW    ? LM_OK
             : rc == SQLITE_DONE ? LM_ERR_NOT_FOUND
                                 : lm_db_status(s->db, rc, "read this station's row", err);
        if (st == LM_OK) {
            *number = (uint32_t)sqlite3_column_int64(stmt, 0);
            ns_column_hash(stmt, 1, hash);
        }
    }
    (void)sqlite3_finalize(stmt);
    return st;
}

/* tables: made for next. made: to be freed by the store, or NULL for the program's own. */
static void take(struct lm_nstore *s, const struct lm_catalog *next, struct lm_catalog *made,
                 struct lm_tables *tables)
{
    lm_tables_close(&s->tables);
    lm_catalog_destroy(&s->loaded[1]);
    s->loaded[1] = s->loaded[0];
    s->loaded[0] = made;
    s->catalog = next;
    s->tables = tables;
}

void ns_catalog_close(struct lm_nstore *s)
{
    lm_catalog_destroy(&s->loaded[0]);
    lm_catalog_destroy(&s->loaded[1]);
}

/* A stored one; *made_out is the caller's unless it is the program's own. */
static enum lm_status load_stored(struct lm_nstore *s, uint32_t number,
                                  const uint8_t hash[LM_HASH_BYTES], const struct lm_catalog **out,
                                  struct lm_catalog **made_out, struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum lm_status st;

    *made_out = NULL;
    if (memcmp(s->embedded->hash, hash, LM_HASH_BYTES) == 0) {
        *out = s->embedded;
        return LM_OK;
    }
    st = lm_db_prepare(s->db, "SELECT packed FROM catalogs WHERE number = ?1", &stmt, err);
    if (st == LM_OK) {
        (void)sqlite3_bind_int64(stmt, 1, number);
        st = sqlite3_step(stmt) == SQLITE_ROW
                 ? lm_catalog_load_packed(sqlite3_column_blob(stmt, 0),
                                          (size_t)sqlite3_column_bytes(stmt, 0), made_out, err)
                 : LM_ERR_CORRUPT;
    }
    (void)sqlite3_finalize(stmt);
    if (st == LM_OK && memcmp((*made_out)->hash, hash, LM_HASH_BYTES) != 0) {
        lm_catalog_destroy(made_out);
        st = LM_ERR_CORRUPT;
    }
    if (st == LM_ERR_CORRUPT || st == LM_ERR_INVALID) {
        return lm_fail(
            err, LM_ERR_CORRUPT, "bad_catalog", "", "本机保存的业务目录 %u 已损坏，请从备份恢复。",
            "Catalogue %u in this PC's database is damaged: restore a backup.", (unsigned)number);
    }
    *out = *made_out;
    return st;
}

enum lm_status ns_catalog_refresh(struct lm_nstore *s, struct lm_error *err)
{
    uint8_t hash[LM_HASH_BYTES];
    uint32_t number = 0;
    const struct lm_catalog *next = NULL;
    struct lm_catalog *made = NULL;
    struct lm_tables *tables = NULL;
    enum lm_status st = in_force(s, &number, hash, err);

    if (st == LM_ERR_NOT_FOUND ||
        (st == LM_OK && memcmp(hash, s->catalog->hash, sizeof hash) == 0)) {
        return LM_OK;
    }
    if (st == LM_OK) {
        st = load_stored(s, number, hash, &next, &made, err);
    }
    if (st == LM_OK) {
        st = lm_tables_open(s->db, next, &tables, err);
    }
    if (st == LM_OK) {
        take(s, next, made, tables);
    } else {
        lm_catalog_destroy(&made);
    }
    return st;
}

/* ---- into force ---- */

static enum lm_status note_in_force(struct lm_nstore *s, const struct lm_catalog *c,
                                    struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, NS_CATALOG_PUT);
    enum lm_status st;

    ns_bind_u64(q, 1, c->number);
    ns_bind_blob(q, 2, c->hash, LM_HASH_BYTES);
    ns_bind_blob(q, 3, c->packed, c->packed_len);
    st = ns_run(s, q, "store the catalogue", err);
    if (st == LM_OK) {
        q = ns_stmt(s, NS_CATALOG_TRIM);
        ns_bind_u64(q, 1, c->number);
        st = ns_run(s, q, "forget an old catalogue", err);
    }
    if (st == LM_OK) {
        q = ns_stmt(s, NS_ME_CATALOG);
        ns_bind_u64(q, 1, c->number);
        ns_bind_blob(q, 2, c->hash, LM_HASH_BYTES);
        st = ns_run(s, q, "note the catalogue", err);
    }
    return st;
}

/* Inside a transaction. The old tables are put back into *s when a step fails; *old_out (the
 * caller's) is what they were otherwise. */
static enum lm_status put_into_force(struct lm_nstore *s, const struct lm_catalog *next,
                                     struct lm_tables **old_out, struct lm_error *err)
{
    const struct lm_catalog *old = s->catalog;
    struct lm_tables *tables = NULL;
    enum lm_status st = lm_tables_migrate(s->db, next, false, err);

    *old_out = NULL;
    if (st == LM_OK) {
        st = note_in_force(s, next, err);
    }
    if (st == LM_OK) {
        st = lm_tables_open(s->db, next, &tables, err);
    }
    if (st != LM_OK) {
        return st;
    }
    *old_out = s->tables;
    s->tables = tables;
    s->catalog = next;
    st = lm_tables_adopt(s->tables, NULL, err);
    if (st == LM_OK) {
        st = ns_later_take(s, err);
    }
    if (st != LM_OK) {
        lm_tables_close(&s->tables);
        s->tables = *old_out;
        s->catalog = old;
        *old_out = NULL;
    }
    return st;
}

/* Begins with the open transaction, and ends it. made (taken): the new one, or NULL when next is
 * the program's own. */
static enum lm_status finish_step(struct lm_nstore *s, const struct lm_catalog *next,
                                  struct lm_catalog *made, struct lm_error *err)
{
    const struct lm_catalog *old = s->catalog;
    struct lm_tables *old_tables = NULL, *tables;
    enum lm_status st = put_into_force(s, next, &old_tables, err);

    if (st == LM_OK) {
        st = lm_db_commit(s->db, err);
    }
    if (st != LM_OK) {
        lm_db_rollback(s->db);
        if (old_tables) {
            lm_tables_close(&s->tables);
            s->tables = old_tables;
            s->catalog = old;
        }
        lm_catalog_destroy(&made);
        return st;
    }
    tables = s->tables;
    s->tables = old_tables;
    take(s, next, made, tables);
    lm_log(LM_LOG_INFO, "store", "catalogue %" PRIu32 " is in force", next->number);
    return LM_OK;
}

/* The program brings a newer one: taken when it may follow. */
static enum lm_status upgrade(struct lm_nstore *s, struct lm_error *err)
{
    const struct lm_catalog *own = s->embedded;
    enum lm_status st;

    if (own->number <= s->catalog->number) {
        return LM_OK;
    }
    if (lm_catalog_compare(s->catalog, own, NULL, NULL) > 0) {
        lm_log(LM_LOG_ERROR, "store", "the program's catalogue %" PRIu32 " can't follow %" PRIu32,
               own->number, s->catalog->number);
        return LM_OK;
    }
    st = lm_nstore_begin(s, err); /* another process may have done it meanwhile */
    if (st == LM_OK && own->number > s->catalog->number) {
        return finish_step(s, own, NULL, err);
    }
    lm_db_rollback(s->db);
    return st;
}

enum lm_status ns_catalog_open(struct lm_nstore *s, struct lm_error *err)
{
    uint8_t hash[LM_HASH_BYTES];
    uint32_t number = 0;
    struct lm_catalog *made = NULL;
    enum lm_status st = in_force(s, &number, hash, err);
    bool fresh = st == LM_ERR_NOT_FOUND;

    if (fresh) { /* `me` is made with what is in force: the program's own */
        st = lm_db_begin(s->db, err);
        if (st == LM_OK) {
            st = lm_tables_migrate(s->db, s->catalog, false, err);
        }
        if (st == LM_OK) {
            st = note_in_force(s, s->catalog, err);
        }
        if (st == LM_OK) {
            st = lm_db_commit(s->db, err);
        }
        lm_db_rollback(s->db);
    } else if (st == LM_OK) {
        st = load_stored(s, number, hash, &s->catalog, &made, err);
        s->loaded[0] = made;
    }
    if (st == LM_OK) {
        st = lm_tables_open(s->db, s->catalog, &s->tables, err);
    }
    return st == LM_OK && !fresh ? upgrade(s, err) : st;
}

/* ---- what the hub has ---- */

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
            return finish_step(s, next, next, err);
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

/* ---- records for later ---- */

enum lm_status ns_later_put(struct lm_nstore *s, const char *id, const char *type,
                            const uint8_t *body, size_t n, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, NS_LATER_PUT);

    ns_bind_text(q, 1, id);
    ns_bind_text(q, 2, type);
    ns_bind_blob(q, 3, body, n);
    return ns_run(s, q, "keep a record for later", err);
}

enum lm_status ns_later_drop(struct lm_nstore *s, const char *id, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(s, NS_LATER_DROP);

    ns_bind_text(q, 1, id);
    return ns_run(s, q, "forget what was kept of a record", err);
}

bool lm_nstore_later(struct lm_nstore *store, const char *id, char type_out[48])
{
    sqlite3_stmt *q = ns_stmt(store, NS_LATER_GET);
    bool found;

    ns_bind_text(q, 1, id);
    found = ns_row(store, q, "look for a record", NULL) == LM_OK;
    if (found) {
        ns_column_text(q, 0, type_out, 48);
        ns_done(q);
    }
    return found;
}
