/* Opening, transactions, statements and the row `me`. */
#include "node/store/store_internal.h"

#include "common/base/log.h"

#include <stdlib.h>
#include <string.h>

/* ---- statements ---- */

sqlite3_stmt *ns_stmt(struct lm_nstore *s, enum ns_query q)
{
    sqlite3_stmt *stmt = s->stmts[q];

    (void)sqlite3_reset(stmt);
    (void)sqlite3_clear_bindings(stmt);
    return stmt;
}

void ns_done(sqlite3_stmt *stmt)
{
    (void)sqlite3_reset(stmt);
    (void)sqlite3_clear_bindings(stmt);
}

enum lm_status ns_run(struct lm_nstore *s, sqlite3_stmt *stmt, const char *doing,
                      struct lm_error *err)
{
    enum lm_status st = lm_db_status(s->db, sqlite3_step(stmt), doing, err);

    ns_done(stmt);
    return st;
}

enum lm_status ns_row(struct lm_nstore *s, sqlite3_stmt *stmt, const char *doing,
                      struct lm_error *err)
{
    int rc = sqlite3_step(stmt);
    enum lm_status st;

    if (rc == SQLITE_ROW) {
        return LM_OK;
    }
    st = rc == SQLITE_DONE ? LM_ERR_NOT_FOUND : lm_db_status(s->db, rc, doing, err);
    ns_done(stmt);
    return st;
}

void ns_bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
    (void)sqlite3_bind_text(stmt, at, text ? text : "", -1, SQLITE_TRANSIENT);
}

void ns_bind_u64(sqlite3_stmt *stmt, int at, uint64_t u)
{
    (void)sqlite3_bind_int64(stmt, at, (int64_t)u);
}

void ns_bind_blob(sqlite3_stmt *stmt, int at, const void *data, size_t n)
{
    (void)sqlite3_bind_blob64(stmt, at, data, n, SQLITE_TRANSIENT);
}

void ns_column_text(sqlite3_stmt *stmt, int at, char *out, size_t n)
{
    const char *text = (const char *)sqlite3_column_text(stmt, at);

    (void)snprintf(out, n, "%s", text ? text : "");
}

void ns_column_hash(sqlite3_stmt *stmt, int at, uint8_t out[LM_HASH_BYTES])
{
    const void *data = sqlite3_column_blob(stmt, at);

    memset(out, 0, LM_HASH_BYTES);
    if (data && sqlite3_column_bytes(stmt, at) == LM_HASH_BYTES) {
        memcpy(out, data, LM_HASH_BYTES);
    }
}

uint64_t ns_column_u64(sqlite3_stmt *stmt, int at)
{
    return (uint64_t)sqlite3_column_int64(stmt, at);
}

/* ---- opening ---- */

static enum lm_status open_store(const struct lm_datadir *dir, const char *name,
                                 uint32_t application_id, const struct lm_catalog *catalog,
                                 bool create, struct lm_nstore **out, struct lm_error *err)
{
    char path[PATH_MAX];
    struct lm_db_options options = {.path = path,
                                    .application_id = application_id,
                                    .migrations = ns_migrations,
                                    .n_migrations = ns_n_migrations,
                                    .create = create};
    struct lm_nstore *s = calloc(1, sizeof *s);
    enum lm_status st;

    *out = NULL;
    if (!s) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    s->embedded = s->catalog = catalog;
    st = lm_datadir_path(dir, name, path, sizeof path);
    if (st != LM_OK) {
        st = lm_fail(err, st, "path_too_long", "", "数据目录的路径太长。",
                     "The data directory's path is too long.");
    }
    if (st == LM_OK) {
        st = lm_db_open(&options, &s->db, err);
    }
    if (st == LM_ERR_NOT_FOUND) {
        st = lm_fail(err, st, "no_database", "",
                     "数据库 %s 不见了。有备份：运行 lastmile-node restore 备份文件；没有：用本村的"
                     "入网文件（用过的也行）再运行 enrol，镇里有的会发回来，没上报的找不回来。",
                     "The database %s is gone. With a backup: `lastmile-node restore FILE`. "
                     "Without: `enrol` again with a kit of this station, a used one too; what the "
                     "town has comes back, what was not sent is lost.",
                     path);
    }
    for (int i = 0; st == LM_OK && i < NS_COUNT; i++) {
        st = lm_db_prepare(s->db, ns_sql[i], &s->stmts[i], err);
    }
    if (st == LM_OK) {
        st = ns_catalog_open(s, err);
    }
    if (st != LM_OK) {
        lm_nstore_close(&s);
    }
    *out = s;
    return st;
}

enum lm_status lm_nstore_open(const struct lm_datadir *dir, const struct lm_catalog *catalog,
                              bool create, struct lm_nstore **out, struct lm_error *err)
{
    return open_store(dir, "node.db", LM_APP_NODE, catalog, create, out, err);
}

enum lm_status lm_nstore_open_training(const struct lm_datadir *dir,
                                       const struct lm_catalog *catalog, bool create,
                                       struct lm_nstore **out, struct lm_error *err)
{
    return open_store(dir, LM_TRAINING_DB, LM_APP_TRAINING, catalog, create, out, err);
}

void lm_nstore_close(struct lm_nstore **store)
{
    struct lm_nstore *s = store ? *store : NULL;

    if (!s) {
        return;
    }
    for (int i = 0; i < NS_COUNT; i++) {
        (void)sqlite3_finalize(s->stmts[i]);
    }
    lm_tables_close(&s->tables);
    ns_catalog_close(s);
    lm_db_close(&s->db);
    free(s);
    *store = NULL;
}

struct lm_tables *lm_nstore_tables(struct lm_nstore *store)
{
    return store->tables;
}

const struct lm_catalog *lm_nstore_catalog(const struct lm_nstore *store)
{
    return store->catalog;
}

/* ---- transactions ---- */

enum lm_status lm_nstore_begin(struct lm_nstore *store, struct lm_error *err)
{
    enum lm_status st = lm_db_begin(store->db, err);

    /* Several processes write here: what is in force is read inside the transaction, so that no
     * save is made with a catalogue that has just been replaced. */
    if (st == LM_OK) {
        st = ns_catalog_refresh(store, err);
        if (st != LM_OK) {
            lm_db_rollback(store->db);
        }
    }
    return st;
}

enum lm_status lm_nstore_refresh(struct lm_nstore *store, struct lm_error *err)
{
    return ns_catalog_refresh(store, err);
}

enum lm_status lm_nstore_commit(struct lm_nstore *store, struct lm_error *err)
{
    return lm_db_commit(store->db, err);
}

void lm_nstore_rollback(struct lm_nstore *store)
{
    lm_db_rollback(store->db);
}

enum lm_status lm_nstore_savepoint(struct lm_nstore *store, struct lm_error *err)
{
    return lm_db_exec(store->db, "SAVEPOINT one", err);
}

enum lm_status lm_nstore_release(struct lm_nstore *store, bool keep, struct lm_error *err)
{
    if (!keep) {
        enum lm_status st = lm_db_exec(store->db, "ROLLBACK TO one", err);

        if (st != LM_OK) {
            return st;
        }
    }
    return lm_db_exec(store->db, "RELEASE one", err);
}

/* ---- me ---- */

static bool read_key(sqlite3_stmt *q, int column, uint8_t out[32])
{
    bool there = sqlite3_column_bytes(q, column) == 32;

    if (there) {
        memcpy(out, sqlite3_column_blob(q, column), 32);
    }
    return there;
}

enum lm_status lm_nstore_me(struct lm_nstore *store, struct lm_me *me, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_ME);
    enum lm_status st = ns_row(store, q, "read this station's row", err);

    memset(me, 0, sizeof *me);
    if (st == LM_ERR_NOT_FOUND) {
        return lm_fail(err, st, "not_enrolled", "",
                       "本机还没有入网，请先运行 lastmile-node enrol。",
                       "This PC is not enrolled yet: run `lastmile-node enrol KIT` first.");
    }
    if (st != LM_OK) {
        return st;
    }
    me->replica = ns_column_u64(q, 0);
    ns_column_text(q, 1, me->station, sizeof me->station);
    ns_column_text(q, 2, me->level, sizeof me->level);
    ns_column_text(q, 3, me->name, sizeof me->name);
    me->branch = ns_column_u64(q, 4);
    me->head.seq = ns_column_u64(q, 5);
    ns_column_hash(q, 6, me->head.hash);
    me->acked.seq = ns_column_u64(q, 7);
    ns_column_hash(q, 8, me->acked.hash);
    me->safe_seq = ns_column_u64(q, 9);
    me->hlc = ns_column_u64(q, 10);
    me->cursor.position = ns_column_u64(q, 11);
    ns_column_text(q, 12, me->cursor.id, sizeof me->cursor.id);
    me->lease.counter = ns_column_u64(q, 13);
    me->lease.random = ns_column_u64(q, 14);
    me->incarnation.counter = ns_column_u64(q, 15);
    me->incarnation.random = ns_column_u64(q, 16);
    me->seen.position = ns_column_u64(q, 17);
    ns_column_hash(q, 18, me->seen.hash);
    me->offset_known = sqlite3_column_type(q, 19) != SQLITE_NULL;
    me->offset_ms = sqlite3_column_int64(q, 19);
    me->last_contact_ms = sqlite3_column_int64(q, 20);
    ns_column_text(q, 21, me->state, sizeof me->state);
    ns_column_text(q, 22, me->state_code, sizeof me->state_code);
    ns_column_text(q, 23, me->state_zh, sizeof me->state_zh);
    ns_column_text(q, 24, me->state_en, sizeof me->state_en);
    me->catalog = (uint32_t)sqlite3_column_int64(q, 25);
    ns_column_hash(q, 26, me->catalog_hash);
    if (sqlite3_column_bytes(q, 29) == (int)sizeof me->proof.signature) {
        me->proof.incarnation = me->incarnation;
        me->proof.mark.position = ns_column_u64(q, 27);
        ns_column_hash(q, 28, me->proof.mark.hash);
        memcpy(me->proof.signature, sqlite3_column_blob(q, 29), sizeof me->proof.signature);
    }
    me->hub_pinned = read_key(q, 30, me->hub_kit) && read_key(q, 31, me->hub_pins.first);
    me->hub_pins.has_second = read_key(q, 32, me->hub_pins.second);
    ns_done(q);
    return LM_OK;
}

enum lm_status lm_nstore_me_make(struct lm_nstore *store, uint64_t replica, const char *station,
                                 const char *level, const char *name, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_ME_ADD);
    uint8_t start[LM_HASH_BYTES];
    struct lm_me me;
    enum lm_status st;

    lm_chain_start(replica, 1, start);
    ns_bind_u64(q, 1, replica);
    ns_bind_text(q, 2, station);
    ns_bind_text(q, 3, level);
    ns_bind_text(q, 4, name);
    ns_bind_blob(q, 5, start, sizeof start);
    ns_bind_u64(q, 6, store->catalog->number);
    ns_bind_blob(q, 7, store->catalog->hash, LM_HASH_BYTES);
    st = ns_run(store, q, "make this station's row", err);
    if (st == LM_OK) {
        st = lm_nstore_me(store, &me, err);
    }
    if (st == LM_OK && me.replica != replica) {
        st = lm_fail(err, LM_ERR_EXISTS, "already_enrolled", "",
                     "数据目录里已有另一份登记的数据（服务站 %s）。",
                     "The data directory holds the data of another enrolment (station %s).",
                     me.station);
    }
    return st;
}

enum lm_status lm_nstore_set_offset(struct lm_nstore *store, int64_t offset_ms,
                                    struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_ME_OFFSET);

    (void)sqlite3_bind_int64(q, 1, offset_ms);
    return ns_run(store, q, "note the hub's clock", err);
}
