/* Catalogues at the node: the one in force, and the step to the next. The hub's on its way:
 * catalogs_incoming.c.
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

enum lm_status ns_catalog_finish(struct lm_nstore *s, const struct lm_catalog *next,
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
        return ns_catalog_finish(s, own, NULL, err);
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
