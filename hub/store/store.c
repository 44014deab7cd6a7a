/* Opening, closing and the transactions of the hub's store. */
#include "hub/store/counts_internal.h"
#include "hub/store/store_internal.h"

#include "hub/keys.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CHANGE_ARENA_MAX = 64 * 1024 * 1024, /* one change with what it looks up */
    PUSH_ARENA_MAX = 8 * 1024 * 1024,
    CACHE_KIB = 256 * 1024, /* filled as it is needed: a small town never does */
    READER_CACHE_KIB = 16 * 1024,
    CHECKPOINT_PAGES =
        25000, /* larger than the default: a merge touches many pages again and again */
};

bool lm_is_fatal(enum lm_status status)
{
    return status == LM_ERR_IO || status == LM_ERR_FULL || status == LM_ERR_MEMORY;
}

/* ---- meta ---- */

enum lm_status lm_meta_put(struct lm_store *store, const char *name, const char *value,
                           struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_META_PUT, err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, name);
    lm_bind_text(stmt, 2, value);
    return lm_query_run(store, stmt, err);
}

enum lm_status lm_meta_get(struct lm_store *store, const char *name, char *out, size_t n,
                           struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_META_GET, err);
    enum lm_status status;

    out[0] = '\0';
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, name);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        lm_column_copy(stmt, 0, out, n);
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

/* ---- opening ---- */

static enum lm_status make_tables(struct lm_store *store, struct lm_error *err)
{
    enum lm_status status = lm_db_begin(store->db, err);

    if (status != LM_OK) {
        return status;
    }
    status = lm_catalogs_first(store, err);
    if (status == LM_OK) {
        status = lm_tables_migrate(store->db, store->catalog, true, err);
    }
    if (status == LM_OK) {
        status = lm_views_make(store->db, store->catalog, err);
    }
    if (status == LM_OK) {
        return lm_db_commit(store->db, err);
    }
    lm_db_rollback(store->db);
    return status;
}

enum lm_status lm_store_open_file(const char *path, const struct lm_catalog *catalog, bool create,
                                  bool read_only, struct lm_store **out, struct lm_error *err)
{
    struct lm_store *store = calloc(1, sizeof *store);
    const struct lm_db_options options = {
        .path = path,
        .application_id = LM_APP_HUB,
        .migrations = lm_store_migrations,
        .n_migrations = lm_store_n_migrations,
        .create = create,
        .read_only = read_only,
        .page_bytes = LM_STORE_PAGE_BYTES,
        .cache_kib = read_only ? READER_CACHE_KIB : CACHE_KIB,
        .checkpoint_pages = CHECKPOINT_PAGES,
    };
    enum lm_status status;

    *out = NULL;
    if (!store) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足", "Out of memory");
    }
    store->catalog = store->embedded = catalog;
    store->dir.lock_fd = -1;
    store->mode = read_only ? LM_STORE_READ : LM_STORE_WRITE;
    lm_arena_init(&store->arena, CHANGE_ARENA_MAX);
    lm_arena_init(&store->push_arena, PUSH_ARENA_MAX);
    lm_rand_seed_system(&store->rnd);
    status = lm_db_open(&options, &store->db, err);
    if (status == LM_OK) {
        store->sql = lm_db_handle(store->db);
        status = lm_count_tally_register(store->sql);
    }
    if (status == LM_OK) {
        status = lm_catalogs_choose(store, err);
    }
    if (status == LM_OK && !read_only) {
        status = make_tables(store, err);
    }
    if (status == LM_OK) {
        status = lm_tables_open(store->db, store->catalog, &store->tables, err);
    }
    if (status != LM_OK) {
        lm_store_close(&store);
        return status;
    }
    if (!read_only) {
        lm_changes_watch(store);
    }
    store->lookup = lm_tables_lookup(store->tables);
    *out = store;
    return LM_OK;
}

static enum lm_status load_state(struct lm_store *store, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_JOURNAL_HEAD, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    memset(&store->state, 0, sizeof store->state);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        store->state.head.position = (uint64_t)sqlite3_column_int64(stmt, 0);
        lm_column_bytes(stmt, 1, store->state.head.hash, LM_HASH_BYTES);
    }
    (void)sqlite3_reset(stmt);
    if (status != LM_OK && status != LM_ERR_NOT_FOUND) {
        return status;
    }
    stmt = lm_query(store, LM_Q_JOURNAL_TOTALS, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        store->state.n_returns = sqlite3_column_int64(stmt, 1);
        store->state.n_held = sqlite3_column_int64(stmt, 2);
        store->state.n_conflicts = sqlite3_column_int64(stmt, 3);
        store->state.n_duplicates = sqlite3_column_int64(stmt, 4);
        store->state.n_redrive = sqlite3_column_int64(stmt, 5);
    }
    (void)sqlite3_reset(stmt);
    return status;
}

enum lm_status lm_town_load(struct lm_store *store, struct lm_error *err)
{
    char number[32];
    struct lm_branch_row row;
    struct sqlite3_stmt *stmt;
    enum lm_status status =
        lm_meta_get(store, "town_name", store->town.name, sizeof store->town.name, err);

    if (status == LM_OK) {
        status = lm_meta_get(store, "town_code", store->town.code, sizeof store->town.code, err);
    }
    if (status == LM_OK) {
        status = lm_meta_get(store, "incarnation_counter", number, sizeof number, err);
        store->town.incarnation.counter = strtoull(number, NULL, 10);
    }
    if (status == LM_OK) {
        status = lm_meta_get(store, "incarnation_random", number, sizeof number, err);
        store->town.incarnation.random = strtoull(number, NULL, 10);
    }
    if (status == LM_OK) {
        status = lm_meta_get(store, "rival", number, sizeof number, err);
        store->town.rival = strtoull(number, NULL, 10);
    }
    if (status == LM_OK) {
        status = lm_meta_get(store, "incarnation_position", number, sizeof number, err);
        store->begins = strtoull(number, NULL, 10);
    }
    if (status == LM_OK) {
        status = lm_incarnation_load(store);
    }
    if (status == LM_OK) {
        status = lm_meta_get(store, "backup_position", number, sizeof number, err);
        store->backup_position = strtoull(number, NULL, 10);
    }
    if (status == LM_OK) {
        status = lm_meta_get(store, "created_ms", number, sizeof number, err);
        store->town.created_ms = strtoll(number, NULL, 10);
    }
    if (status != LM_OK) {
        return status;
    }
    if (store->town.code[0] == '\0' || store->town.incarnation.counter == 0) {
        return lm_fail(err, LM_ERR_CORRUPT, "not_initialised", "",
                       "数据库没有建完，请重新运行 init",
                       "The database was not made completely: run init again");
    }
    status = lm_branch_last(store, 0, store->town.incarnation.counter, &row, err);
    if (status != LM_OK) {
        return status;
    }
    store->state.hub.seq = row.last_seq;
    memcpy(store->state.hub.hash, row.after, LM_HASH_BYTES);
    stmt = lm_query(store, LM_Q_BRANCH_HLC, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, 0);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        store->state.hub_hlc = (uint64_t)sqlite3_column_int64(stmt, 0);
    }
    (void)sqlite3_reset(stmt);
    return status;
}

enum lm_status lm_store_load(struct lm_store *store, bool with_town, struct lm_error *err)
{
    enum lm_status status = load_state(store, err);

    if (status == LM_OK && with_town) {
        status = lm_town_load(store, err);
    }
    store->committed = store->state;
    return status;
}

/* hub_id follows from the key file; a store without one (before init is done, in tests) has none.
 */
void lm_hub_id_load(struct lm_store *store)
{
    struct lm_hub_keys keys;

    if (lm_hub_keys_load(&store->dir, &keys, NULL) == LM_OK) {
        memcpy(store->town.hub_id, keys.hub_id, sizeof keys.hub_id);
        lm_store_set_dup_key(store, keys.dup_key);
    }
    lm_hub_keys_wipe(&keys);
}

enum lm_status lm_store_open(const struct lm_datadir *dir, const struct lm_catalog *catalog,
                             enum lm_store_mode mode, struct lm_store **out, struct lm_error *err)
{
    char path[PATH_MAX];
    struct lm_store *store = NULL;
    enum lm_status status = lm_datadir_path(dir, LM_HUB_DB_FILE, path, sizeof path);

    *out = NULL;
    if (status != LM_OK) {
        return lm_fail(err, status, "path_too_long", "", "数据目录的路径太长",
                       "The data directory's path is too long");
    }
    status = lm_store_open_file(path, catalog, false, mode == LM_STORE_READ, &store, err);
    if (status == LM_OK) {
        store->dir = *dir;
        store->dir.lock_fd = -1; /* the caller's */
        status = lm_store_load(store, true, err);
    }
    if (status == LM_OK) {
        lm_hub_id_load(store);
        if (mode == LM_STORE_WRITE) {
            status = lm_store_heal(store, err);
        }
        if (mode == LM_STORE_WRITE && status == LM_OK) {
            status = lm_scope_sums_upgrade(store, err);
        }
        if (mode == LM_STORE_WRITE && status == LM_OK) {
            status = lm_catalogs_upgrade(store, err);
        }
        if (mode == LM_STORE_WRITE && status == LM_OK) { /* one commit; the ticks go on */
            bool more = false;

            status = lm_store_periods_more(store, lm_clock_wall_ms(), &more, err);
        }
    }
    if (status != LM_OK) {
        lm_store_close(&store);
        return status;
    }
    *out = store;
    return LM_OK;
}

void lm_store_checkpoint(struct lm_store *store)
{
    lm_db_checkpoint(store->db);
}

void lm_store_close(struct lm_store **store)
{
    struct lm_store *s = store ? *store : NULL;

    if (!s) {
        return;
    }
    for (int i = 0; i < LM_Q_COUNT; i++) {
        (void)sqlite3_finalize(s->stmt[i]);
    }
    if (s->db) {
        lm_db_rollback(s->db);
    }
    lm_kept_figures_free(s);
    lm_tables_close(&s->tables);
    lm_catalogs_close(s);
    lm_db_close(&s->db);
    lm_arena_free(&s->arena);
    lm_arena_free(&s->push_arena);
    free(s->redrive);
    free(s->moves);
    free(s->locking);
    free(s->codes);
    sodium_memzero(s->dup_key, sizeof s->dup_key);
    free(s);
    *store = NULL;
}

const struct lm_town *lm_store_town(const struct lm_store *store)
{
    return &store->town;
}

const struct lm_catalog *lm_store_catalog(const struct lm_store *store)
{
    return store->catalog;
}

void lm_store_set_dup_key(struct lm_store *store, const uint8_t key[32])
{
    memcpy(store->dup_key, key, sizeof store->dup_key);
    store->has_dup_key = true;
}

/* ---- transactions ---- */

enum lm_status lm_store_begin(struct lm_store *store, struct lm_error *err)
{
    enum lm_status status = lm_db_begin(store->db, err);

    if (status == LM_OK) {
        store->state = store->committed;
        store->n_redrive = 0;
        lm_moves_forget(store);
        lm_periods_forget(store);
    }
    return status;
}

enum lm_status lm_store_commit(struct lm_store *store, struct lm_error *err)
{
    enum lm_status status = lm_mergers_settle(store, err);

    if (status == LM_OK) { /* whose state follows from where those files are now */
        status = lm_moves_settle(store, err);
    }
    if (status == LM_OK) {
        status = lm_periods_settle(store, err);
    }
    if (status == LM_OK) {
        status = lm_changes_flush(store, err);
    }
    if (status == LM_OK) {
        status = lm_db_commit(store->db, err);
    } else {
        lm_db_rollback(store->db);
    }
    if (status == LM_OK) {
        store->committed = store->state;
        lm_catalogs_committed(store);
    } else {
        lm_catalogs_rolled_back(store);
        lm_mergers_forget(store);
        lm_moves_forget(store);
        lm_periods_forget(store);
    }
    store->broken = store->broken || status == LM_ERR_IO || status == LM_ERR_CORRUPT;
    return status;
}

bool lm_store_broken(const struct lm_store *store)
{
    return store->broken;
}

void lm_store_rollback(struct lm_store *store)
{
    lm_db_rollback(store->db);
    lm_catalogs_rolled_back(store);
    lm_mergers_forget(store);
    store->state = store->committed;
    store->n_redrive = 0;
    store->changes.n = 0;
    store->changes.more = false;
    lm_moves_forget(store);
    lm_periods_forget(store);
}

enum lm_status lm_store_read_begin(struct lm_store *store, struct lm_error *err)
{
    enum lm_status status;
    bool own;

    if (store->reading > 0) { /* the same moment */
        store->reading++;
        return LM_OK;
    }
    status = lm_read_enter(store, &own, err);
    store->reading = own;
    if (status == LM_OK && own && store->mode == LM_STORE_READ) {
        status = lm_catalogs_refresh(store, err);
    }
    if (status != LM_OK) {
        lm_store_read_end(store);
    }
    return status;
}

void lm_store_read_end(struct lm_store *store)
{
    if (store->reading > 1) {
        store->reading--;
        return;
    }
    lm_read_leave(store, store->reading > 0);
    store->reading = 0;
    lm_kept_figures_moved(store);
}

enum lm_status lm_read_enter(struct lm_store *store, bool *own_out, struct lm_error *err)
{
    *own_out = false;
    if (lm_db_in_transaction(store->db)) {
        return LM_OK;
    }
    enum lm_status status = lm_db_begin_read(store->db, err);
    *own_out = status == LM_OK;
    return status;
}

void lm_read_leave(struct lm_store *store, bool own)
{
    if (own) {
        lm_db_rollback(store->db);
    }
}

/* ---- the journal's head ---- */

enum lm_status lm_store_head(struct lm_store *store, struct lm_mark *out)
{
    struct sqlite3_stmt *stmt;
    enum lm_status status;

    if (store->mode == LM_STORE_WRITE) {
        *out = store->committed.head;
        return LM_OK;
    }
    memset(out, 0, sizeof *out);
    stmt = lm_query(store, LM_Q_JOURNAL_HEAD, NULL);
    if (!stmt) {
        return LM_ERR_IO;
    }
    status = lm_query_step(store, stmt, NULL);
    if (status == LM_OK) {
        out->position = (uint64_t)sqlite3_column_int64(stmt, 0);
        lm_column_bytes(stmt, 1, out->hash, LM_HASH_BYTES);
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

enum lm_status lm_store_mark_at(struct lm_store *store, uint64_t position, struct lm_mark *out)
{
    struct sqlite3_stmt *stmt;
    enum lm_status status;

    memset(out, 0, sizeof *out);
    out->position = position;
    if (position == 0) {
        return LM_OK;
    }
    if (position > INT64_MAX) {
        return LM_ERR_NOT_FOUND;
    }
    stmt = lm_query(store, LM_Q_JOURNAL_AT, NULL);
    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)position);
    status = lm_query_step(store, stmt, NULL);
    if (status == LM_OK) {
        lm_column_bytes(stmt, 18, out->hash, LM_HASH_BYTES);
    }
    (void)sqlite3_reset(stmt);
    return status;
}

enum lm_status lm_store_totals(struct lm_store *store, struct lm_store_totals *out)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_JOURNAL_TOTALS, NULL);
    char path[PATH_MAX];
    enum lm_status status;

    memset(out, 0, sizeof *out);
    if (!stmt) {
        return LM_ERR_IO;
    }
    status = lm_query_step(store, stmt, NULL);
    if (status == LM_OK) {
        out->journal_entries = (uint64_t)sqlite3_column_int64(stmt, 0);
        out->returned = (uint64_t)sqlite3_column_int64(stmt, 1);
        out->held = (uint64_t)sqlite3_column_int64(stmt, 2);
        out->conflicts = (uint64_t)sqlite3_column_int64(stmt, 3);
        out->duplicates = (uint64_t)sqlite3_column_int64(stmt, 4);
    }
    (void)sqlite3_reset(stmt);
    if (status == LM_OK &&
        lm_datadir_path(&store->dir, LM_HUB_DB_FILE, path, sizeof path) == LM_OK) {
        /* Never opened: closing it would drop this process's locks on the database, and whoever
         * closes a connection next would take its log away (sqlite.org/howtocorrupt.html, 2.2). */
        struct stat info;
        out->journal_bytes = stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
    }
    return status;
}
