/* Catalogues at the hub: stored with their files, the highest number in force.
 *
 * A new one comes into force in one transaction with the tables that it needs, the values that
 * become known by it, its journal entry, and the changes that waited for it. Until the COMMIT the
 * old tables are kept aside; a rollback puts them back. Old catalogues stay: they say what could be
 * asked of a change made with them, and a verification replays with the catalogue of that time. */
#include "hub/store/store_internal.h"

#include "common/base/log.h"

#include <stdio.h>
#include <string.h>

/* ---- stored ones ---- */

static enum lm_status bad_stored(struct lm_error *err, uint32_t number)
{
    return lm_fail(err, LM_ERR_CORRUPT, "bad_catalog", "",
                   "数据库里的业务目录 %u 已损坏，请从备份恢复。",
                   "Catalogue %u in the database is damaged: restore a backup.", (unsigned)number);
}

static enum lm_status top(struct lm_store *store, uint32_t *number, uint8_t hash[LM_HASH_BYTES],
                          struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_CATALOG_TOP, err);
    enum lm_status status = stmt ? lm_query_step(store, stmt, err) : LM_ERR_IO;

    if (status == LM_OK) {
        *number = (uint32_t)sqlite3_column_int64(stmt, 0);
        lm_column_bytes(stmt, 1, hash, LM_HASH_BYTES);
    }
    (void)sqlite3_reset(stmt);
    return status;
}

/* Makes room: neither the one in force nor the one that a rollback would bring back. */
static void forget_one(struct lm_store *store)
{
    for (size_t i = 0; i < store->n_loaded; i++) {
        if (store->loaded[i] != store->catalog && store->loaded[i] != store->old_catalog) {
            lm_catalog_destroy(&store->loaded[i]);
            store->n_loaded--;
            memmove(&store->loaded[i], &store->loaded[i + 1],
                    (store->n_loaded - i) * sizeof *store->loaded);
            return;
        }
    }
}

static enum lm_status load(struct lm_store *store, const uint8_t *packed, size_t n,
                           const struct lm_catalog **out, struct lm_error *err)
{
    struct lm_catalog *made = NULL;
    enum lm_status status;

    if (store->n_loaded == LM_STORE_CATALOGS_MAX) {
        forget_one(store);
    }
    status = lm_catalog_load_packed(packed, n, &made, err);
    if (status == LM_OK) {
        store->loaded[store->n_loaded++] = made;
        *out = made;
    }
    return status;
}

enum lm_status lm_catalogs_get(struct lm_store *store, uint32_t number,
                               const struct lm_catalog **out, struct lm_error *err)
{
    struct sqlite3_stmt *stmt;
    uint8_t hash[LM_HASH_BYTES];
    enum lm_status status;

    *out = NULL;
    if (store->catalog && store->catalog->number == number) {
        *out = store->catalog;
        return LM_OK;
    }
    for (size_t i = 0; i < store->n_loaded; i++) {
        if (store->loaded[i]->number == number) {
            *out = store->loaded[i];
            return LM_OK;
        }
    }
    stmt = lm_query(store, LM_Q_CATALOG_GET, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, number);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        lm_column_bytes(stmt, 0, hash, sizeof hash);
        if (store->embedded && store->embedded->number == number &&
            memcmp(store->embedded->hash, hash, sizeof hash) == 0) {
            *out = store->embedded;
        } else {
            status = load(store, sqlite3_column_blob(stmt, 1),
                          (size_t)sqlite3_column_bytes(stmt, 1), out, err);
        }
    }
    (void)sqlite3_reset(stmt);
    if (status == LM_ERR_NOT_FOUND) {
        return LM_OK;
    }
    if (status == LM_OK && memcmp((*out)->hash, hash, sizeof hash) != 0) {
        return bad_stored(err, number);
    }
    return status == LM_ERR_INVALID || status == LM_ERR_LIMIT ? bad_stored(err, number) : status;
}

enum lm_status lm_catalogs_choose(struct lm_store *store, struct lm_error *err)
{
    const struct lm_catalog *found = NULL, *embedded = store->embedded;
    uint8_t hash[LM_HASH_BYTES];
    uint32_t number = 0;
    enum lm_status status = top(store, &number, hash, err);

    if (status == LM_ERR_NOT_FOUND) {
        store->catalog = embedded;
        return LM_OK;
    }
    if (status == LM_OK) {
        store->catalog = NULL; /* not to be taken for the stored one of the same number */
        status = lm_catalogs_get(store, number, &found, err);
        store->catalog = found ? found : embedded;
    }
    return status;
}

static enum lm_status add_row(struct lm_store *store, uint32_t number,
                              const uint8_t hash[LM_HASH_BYTES], const uint8_t *packed, size_t n,
                              uint64_t pos, int64_t now_ms, const char *user, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_CATALOG_ADD, err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, number);
    lm_bind_blob(stmt, 2, hash, LM_HASH_BYTES);
    lm_bind_blob(stmt, 3, packed, n);
    (void)sqlite3_bind_int64(stmt, 4, (int64_t)pos);
    (void)sqlite3_bind_int64(stmt, 5, now_ms);
    lm_bind_text(stmt, 6, user);
    return lm_query_run(store, stmt, err);
}

enum lm_status lm_catalogs_first(struct lm_store *store, struct lm_error *err)
{
    const struct lm_catalog *c = store->catalog;
    uint8_t hash[LM_HASH_BYTES];
    uint32_t number;
    enum lm_status status = top(store, &number, hash, err);

    if (status != LM_ERR_NOT_FOUND) {
        return status;
    }
    return add_row(store, c->number, c->hash, c->packed, c->packed_len, 0, lm_clock_wall_ms(), "",
                   err);
}

/* ---- into force ---- */

/* tables: made for next. The first old ones of a transaction are what a rollback brings back. */
static void take(struct lm_store *store, const struct lm_catalog *next, struct lm_tables *tables)
{
    if (!store->old_tables) {
        store->old_tables = store->tables;
        store->old_catalog = store->catalog;
    } else {
        lm_tables_close(&store->tables);
    }
    store->tables = tables;
    store->catalog = next;
    store->lookup = lm_tables_lookup(tables);
}

/* Stores and puts into force, with tables and the values that become known. Journals nothing. */
static enum lm_status switch_to(struct lm_store *store, uint32_t number,
                                const uint8_t hash[LM_HASH_BYTES], const uint8_t *packed, size_t n,
                                uint64_t pos, int64_t now_ms, const char *user,
                                struct lm_error *err)
{
    const struct lm_catalog *next = NULL;
    struct lm_tables *tables = NULL;
    enum lm_status status = add_row(store, number, hash, packed, n, pos, now_ms, user, err);

    if (status == LM_OK) {
        status = lm_catalogs_get(store, number, &next, err);
    }
    if (status == LM_OK && !next) {
        status = bad_stored(err, number);
    }
    if (status == LM_OK) {
        status = lm_tables_migrate(store->db, next, true, err);
    }
    if (status == LM_OK) {
        status = lm_views_make(store->db, next, err);
    }
    if (status == LM_OK) {
        status = lm_tables_open(store->db, next, &tables, err);
    }
    if (status == LM_OK) {
        take(store, next, tables);
        status = lm_tables_adopt(store->tables, NULL, err);
    }
    return status;
}

void lm_catalogs_committed(struct lm_store *store)
{
    lm_tables_close(&store->old_tables);
    store->old_catalog = NULL;
}

/* What was loaded of a catalogue that is not in the database after all is forgotten: another may
 * come with its number. */
static void forget_uncommitted(struct lm_store *store)
{
    size_t kept = 0;

    for (size_t i = 0; i < store->n_loaded; i++) {
        if (store->loaded[i]->number > store->catalog->number) {
            lm_catalog_destroy(&store->loaded[i]);
        } else {
            store->loaded[kept++] = store->loaded[i];
        }
    }
    store->n_loaded = kept;
}

void lm_catalogs_rolled_back(struct lm_store *store)
{
    if (store->old_tables) {
        lm_tables_close(&store->tables);
        store->tables = store->old_tables;
        store->catalog = store->old_catalog;
        store->lookup = lm_tables_lookup(store->tables);
        store->old_tables = NULL;
        store->old_catalog = NULL;
    }
    forget_uncommitted(store);
}

void lm_catalogs_close(struct lm_store *store)
{
    lm_tables_close(&store->old_tables);
    while (store->n_loaded > 0) {
        lm_catalog_destroy(&store->loaded[--store->n_loaded]);
    }
}

enum lm_status lm_catalogs_refresh(struct lm_store *store, struct lm_error *err)
{
    const struct lm_catalog *next = NULL;
    struct lm_tables *tables = NULL;
    uint8_t hash[LM_HASH_BYTES];
    uint32_t number = 0;
    enum lm_status status = top(store, &number, hash, err);

    if (status == LM_ERR_NOT_FOUND) {
        return LM_OK;
    }
    if (status != LM_OK || memcmp(store->catalog->hash, hash, sizeof hash) == 0) {
        return status;
    }
    status = lm_catalogs_get(store, number, &next, err);
    if (status == LM_OK && next) {
        status = lm_tables_open(store->db, next, &tables, err);
    }
    if (status == LM_OK && tables) {
        take(store, next, tables);
        lm_catalogs_committed(store);
    }
    return status;
}

/* ---- importing ---- */

static enum lm_status journal_import(struct lm_store *store, const char *user,
                                     const struct lm_catalog *next, int64_t now_ms,
                                     struct lm_error *err)
{
    struct lm_jentry act = {.received_ms = now_ms, .by = user[0] ? LM_BY_TOWN : LM_BY_SYSTEM};
    char hex[2 * LM_HASH_BYTES + 1];

    lm_hex_encode(next->hash, LM_HASH_BYTES, hex);
    return lm_journal_later(store, &act, LM_LATER_CATALOG, next->number, user, hex, "", err);
}

/* Whatever waits for a catalogue, of whatever number: most of it is judged right at once. */
static enum lm_status redrive_held(struct lm_store *store, int64_t now_ms, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_HELD_KEYS, err);
    enum lm_status status = stmt ? LM_OK : LM_ERR_IO;

    while (status == LM_OK && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        status = lm_redrive_note(store, lm_column_str(stmt, 0));
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? lm_judge_redrive(store, now_ms, err) : status;
}

static enum lm_status check_step(const struct lm_catalog *now, const struct lm_catalog *next,
                                 void (*report)(void *arg, const struct lm_error *breach),
                                 void *arg, bool *again, struct lm_error *err)
{
    size_t n;

    *again = next->number == now->number && memcmp(next->hash, now->hash, sizeof now->hash) == 0;
    if (*again) {
        return LM_OK;
    }
    if (next->number == now->number) {
        return lm_fail(err, LM_ERR_EXISTS, "same_number", "number",
                       "编号 %u 已用于另一份目录，请把编号加一后再导入。",
                       "Number %u is that of another catalogue already: raise it by one.",
                       (unsigned)now->number);
    }
    n = lm_catalog_compare(now, next, report, arg);
    return n == 0 ? LM_OK
                  : lm_fail(err, LM_ERR_INVALID, "not_additive", "",
                            "新目录与现行目录 %u 不能衔接，共 %zu 处，没有导入。",
                            "The catalogue can't follow number %u: %zu breaches; it was not "
                            "imported.",
                            (unsigned)now->number, n);
}

enum lm_status lm_store_catalog_import(struct lm_store *store, const char *user,
                                       const uint8_t *packed, size_t n, int64_t now_ms,
                                       void (*report)(void *arg, const struct lm_error *breach),
                                       void *arg, bool *again_out, struct lm_error *err)
{
    struct lm_catalog *next = NULL;
    enum lm_status status = lm_catalog_load_packed(packed, n, &next, err);

    *again_out = false;
    if (status == LM_OK) {
        status = check_step(store->catalog, next, report, arg, again_out, err);
    }
    if (status == LM_OK && !*again_out) {
        /* Packed by this program, whoever packed it before. */
        status = switch_to(store, next->number, next->hash, next->packed, next->packed_len,
                           store->state.head.position + 1, now_ms, user, err);
        if (status == LM_OK) {
            status = journal_import(store, user, next, now_ms, err);
        }
        if (status == LM_OK) {
            status = redrive_held(store, now_ms, err);
        }
    }
    lm_catalog_destroy(&next);
    return status;
}

enum lm_status lm_catalogs_upgrade(struct lm_store *store, struct lm_error *err)
{
    const struct lm_catalog *own = store->embedded;
    bool again;
    enum lm_status status;

    if (own->number <= store->catalog->number) {
        return LM_OK;
    }
    status = lm_store_begin(store, err);
    if (status != LM_OK) {
        return status;
    }
    status = lm_store_catalog_import(store, "", own->packed, own->packed_len, lm_clock_wall_ms(),
                                     NULL, NULL, &again, err);
    if (status == LM_OK) {
        return lm_store_commit(store, err);
    }
    lm_store_rollback(store);
    if (status == LM_ERR_INVALID) {
        lm_log(LM_LOG_ERROR, "store", "the program's catalogue %u is not taken: %s",
               (unsigned)own->number, err ? err->en : "");
        status = LM_OK; /* the town goes on with its own; `catalog check` names each breach */
    }
    return status;
}

enum lm_status lm_catalogs_replay(struct lm_store *replay, struct lm_store *from, uint64_t number,
                                  const char *hash_hex, uint64_t pos, struct lm_error *err)
{
    struct lm_arena arena;
    uint8_t hash[LM_HASH_BYTES];
    const uint8_t *packed = NULL;
    size_t n = 0;
    enum lm_status status = LM_ERR_CORRUPT;

    lm_arena_init(&arena, 2 * LM_CATALOG_PACKED_BYTES_MAX);
    if (number <= UINT32_MAX && lm_hex_decode(hash_hex, hash, sizeof hash)) {
        status = lm_store_catalog_packed(from, (uint32_t)number, &arena, &packed, &n, err);
    }
    if (status == LM_OK) {
        status = switch_to(replay, (uint32_t)number, hash, packed, n, pos, 0, "", err);
    }
    lm_arena_free(&arena);
    return status;
}

/* ---- questions ---- */

enum lm_status lm_store_catalogs(struct lm_store *store,
                                 bool (*visit)(void *arg, const struct lm_catalog_row *row),
                                 void *arg, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_CATALOG_LIST, err);
    enum lm_status status = stmt ? LM_OK : LM_ERR_IO;

    while (status == LM_OK && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        struct lm_catalog_row row = {
            .number = (uint32_t)sqlite3_column_int64(stmt, 0),
            .packed_len = (size_t)sqlite3_column_int64(stmt, 2),
            .position = (uint64_t)sqlite3_column_int64(stmt, 3),
            .at_ms = sqlite3_column_int64(stmt, 4),
        };

        lm_column_bytes(stmt, 1, row.hash, sizeof row.hash);
        lm_column_copy(stmt, 5, row.user, sizeof row.user);
        row.in_force = row.number == store->catalog->number;
        if (!visit(arg, &row)) {
            break;
        }
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

enum lm_status lm_store_catalog_packed(struct lm_store *store, uint32_t number,
                                       struct lm_arena *arena, const uint8_t **packed_out,
                                       size_t *n_out, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_CATALOG_GET, err);
    enum lm_status status;
    uint8_t *copy = NULL;

    *packed_out = NULL;
    *n_out = 0;
    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, number);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        size_t n = (size_t)sqlite3_column_bytes(stmt, 1);

        copy = lm_arena_alloc(arena, n);
        status = copy ? LM_OK : LM_ERR_MEMORY;
        if (copy && n) {
            memcpy(copy, sqlite3_column_blob(stmt, 1), n);
        }
        *packed_out = copy;
        *n_out = copy ? n : 0;
    } else if (status == LM_ERR_NOT_FOUND) {
        (void)lm_fail(err, status, "not_found", "number", "没有编号为 %u 的目录。",
                      "There is no catalogue number %u.", (unsigned)number);
    }
    (void)sqlite3_reset(stmt);
    return status;
}

enum lm_status lm_store_catalog_seen(struct lm_store *store, uint64_t replica, uint32_t number,
                                     const uint8_t hash[LM_HASH_BYTES], struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_CATALOG_SEEN, err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)replica);
    (void)sqlite3_bind_int64(stmt, 2, number);
    lm_bind_blob(stmt, 3, hash, LM_HASH_BYTES);
    return lm_query_run(store, stmt, err);
}

enum lm_status lm_store_catalogs_seen(struct lm_store *store,
                                      bool (*visit)(void *arg, uint32_t number,
                                                    const uint8_t hash[LM_HASH_BYTES], size_t n),
                                      void *arg, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_CATALOG_SEEN_LIST, err);
    enum lm_status status = stmt ? LM_OK : LM_ERR_IO;

    while (status == LM_OK && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        uint8_t hash[LM_HASH_BYTES];

        lm_column_bytes(stmt, 1, hash, sizeof hash);
        if (!visit(arg, (uint32_t)sqlite3_column_int64(stmt, 0), hash,
                   (size_t)sqlite3_column_int64(stmt, 2))) {
            break;
        }
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}
