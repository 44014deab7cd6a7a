/* What people ask the node's database: which type an id has, repeated saves, what was returned. */
#include "node/store/store_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const struct lm_type *lm_nstore_type_of(struct lm_nstore *store, const char *id)
{
    for (size_t i = 0; i < store->catalog->n_types; i++) {
        if (lm_tables_exists(store->tables, &store->catalog->types[i], id)) {
            return &store->catalog->types[i];
        }
    }
    return NULL;
}

/* ---- repeated saves ---- */

enum lm_status lm_nstore_saved(struct lm_nstore *store, const char *key, char id_out[40],
                               uint8_t hash_out[32], struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_SAVED);
    enum lm_status st;

    ns_bind_text(q, 1, key);
    st = ns_row(store, q, "look for an earlier save", err);
    if (st == LM_OK) {
        ns_column_text(q, 0, id_out, 40);
        ns_column_hash(q, 1, hash_out);
        ns_done(q);
    }
    return st;
}

enum lm_status lm_nstore_save_key(struct lm_nstore *store, const char *key, const char *id,
                                  const uint8_t hash[32], struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_SAVE_KEY);

    ns_bind_text(q, 1, key);
    ns_bind_text(q, 2, id);
    ns_bind_blob(q, 3, hash, LM_HASH_BYTES);
    return ns_run(store, q, "note the save's key", err);
}

/* ---- verdicts ---- */

bool lm_nstore_refused(struct lm_nstore *store, uint64_t hlc)
{
    sqlite3_stmt *q = ns_stmt(store, NS_VERDICT_OF);
    bool found;

    ns_bind_u64(q, 1, hlc);
    found = sqlite3_step(q) == SQLITE_ROW;
    ns_done(q);
    return found;
}

bool lm_nstore_has_refusal(struct lm_nstore *store, const char *id)
{
    sqlite3_stmt *q = ns_stmt(store, NS_VERDICT_RECORD);
    bool found;

    ns_bind_text(q, 1, id);
    found = sqlite3_step(q) == SQLITE_ROW;
    ns_done(q);
    return found;
}

enum lm_status lm_nstore_close_verdicts(struct lm_nstore *store, const char *id,
                                        struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_VERDICT_DROP);

    ns_bind_text(q, 1, id);
    return ns_run(store, q, "close verdicts", err);
}

enum lm_status lm_nstore_count_open(struct lm_nstore *store, enum lm_verdict verdict, size_t *n_out,
                                    struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_VERDICT_COUNT);
    enum lm_status st;

    *n_out = 0;
    (void)sqlite3_bind_int(q, 1, (int)verdict);
    st = ns_row(store, q, "count verdicts", err);
    if (st == LM_OK) {
        *n_out = (size_t)sqlite3_column_int64(q, 0);
        ns_done(q);
    }
    return st;
}

/* ---- pending ---- */

enum lm_status lm_nstore_pending_records(struct lm_nstore *store, size_t max,
                                         bool (*visit)(void *arg, const char *id, const char *type,
                                                       uint64_t n, const char *user, int64_t at_ms),
                                         void *arg, struct lm_error *err)
{
    sqlite3_stmt *q;
    struct lm_me me;
    enum lm_status st = lm_nstore_me(store, &me, err);

    if (st != LM_OK) {
        return st;
    }
    q = ns_stmt(store, NS_OUT_PENDING);
    ns_bind_u64(q, 1, me.branch);
    ns_bind_u64(q, 2, me.acked.seq);
    ns_bind_u64(q, 3, max);
    while ((st = ns_row(store, q, "read what waits", err)) == LM_OK) {
        if (!visit(arg, (const char *)sqlite3_column_text(q, 0),
                   (const char *)sqlite3_column_text(q, 1), ns_column_u64(q, 2),
                   (const char *)sqlite3_column_text(q, 3), lm_hlc_ms(ns_column_u64(q, 4)))) {
            break;
        }
    }
    ns_done(q);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

/* data_version tells of others' commits, total_changes of our own. */
enum lm_status lm_nstore_version(struct lm_nstore *store, uint64_t *out, struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum lm_status st = lm_db_prepare(store->db, "PRAGMA data_version", &stmt, err);

    if (st == LM_OK) {
        st = ns_row(store, stmt, "read the database's version", err);
    }
    if (st == LM_OK) {
        *out =
            ns_column_u64(stmt, 0) << 32 | (uint32_t)sqlite3_total_changes(sqlite3_db_handle(stmt));
    }
    (void)sqlite3_finalize(stmt);
    return st;
}

enum lm_status lm_nstore_count_pending(struct lm_nstore *store, const struct lm_me *me,
                                       size_t *n_out, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_OUT_PENDING_COUNT);
    enum lm_status st;

    *n_out = 0;
    ns_bind_u64(q, 1, me->branch);
    ns_bind_u64(q, 2, me->acked.seq);
    st = ns_row(store, q, "count what waits", err);
    if (st == LM_OK) {
        *n_out = (size_t)sqlite3_column_int64(q, 0);
        ns_done(q);
    }
    return st;
}

/* ---- the recycle bin ---- */

/* The newest of a type, in (deleted_at, id) order; all are counted. */
static enum lm_status deleted_of_type(struct lm_nstore *s, const struct lm_type *type,
                                      const char *station, size_t max, lm_deleted_visit visit,
                                      void *arg, size_t *n_out, struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    char sql[256];
    enum lm_status st;

    (void)sqlite3_snprintf(
        sizeof sql, sql,
        "SELECT id, deleted_at, count(*) OVER () FROM \"r_%w\" WHERE deleted_at "
        "IS NOT NULL AND village_code = ?1 ORDER BY deleted_at DESC, id LIMIT ?2",
        type->name);
    st = lm_db_prepare(s->db, sql, &stmt, err);
    if (st == LM_OK) {
        ns_bind_text(stmt, 1, station);
        ns_bind_u64(stmt, 2, max);
    }
    for (bool first = true;
         st == LM_OK && (st = ns_row(s, stmt, "read deleted records", err)) == LM_OK;
         first = false) {
        *n_out += first ? (size_t)sqlite3_column_int64(stmt, 2) : 0;
        if (!visit(arg, type, (const char *)sqlite3_column_text(stmt, 0),
                   (const char *)sqlite3_column_text(stmt, 1))) {
            st = LM_ERR_MEMORY;
        }
    }
    (void)sqlite3_finalize(stmt);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

enum lm_status lm_nstore_deleted(struct lm_nstore *store, const struct lm_type *type, size_t max,
                                 lm_deleted_visit visit, void *arg, size_t *n_out,
                                 struct lm_error *err)
{
    struct lm_me me;
    enum lm_status st = lm_nstore_me(store, &me, err);

    *n_out = 0;
    return st == LM_OK ? deleted_of_type(store, type, me.station, max, visit, arg, n_out, err) : st;
}

/* ---- returned ---- */

struct returned {
    struct lm_nstore *s;
    void (*print)(void *arg, json_t *row);
    void *arg;
    size_t n;
};

static void set_text(json_t *row, const char *key, const char *text)
{
    (void)json_object_set_new(row, key, json_string(text ? text : ""));
}

static void give(struct returned *r, json_t *row)
{
    r->n++;
    if (r->print && row) {
        r->print(r->arg, row);
    }
    json_decref(row);
}

static enum lm_status returned_refused(struct returned *r, struct lm_arena *arena,
                                       struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(r->s, NS_VERDICT_LIST);
    enum lm_status st;

    while ((st = ns_row(r->s, q, "read refusals", err)) == LM_OK) {
        static const char *const names[] = {"code", "field", "text", "text_en"};
        const char *id = (const char *)sqlite3_column_text(q, 1);
        const struct lm_type *type =
            lm_catalog_type(r->s->catalog, (const char *)sqlite3_column_text(q, 2));
        struct lm_record *rec = NULL;
        json_t *row = json_object();

        lm_arena_reset(arena);
        set_text(row, "id", id);
        set_text(row, "type", (const char *)sqlite3_column_text(q, 2));
        if (r->print && type && lm_tables_get(r->s->tables, arena, type, id, &rec) == LM_OK) {
            set_text(row, "state", lm_record_text(rec, LM_C_STATE));
        } else {
            (void)json_object_set_new(row, "state", json_null());
        }
        set_text(row, "verdict", "refused");
        for (int i = 0; i < 4; i++) {
            set_text(row, names[i], (const char *)sqlite3_column_text(q, 4 + i));
        }
        set_text(row, "note", "");
        ns_set_time(row, "at", lm_hlc_ms(ns_column_u64(q, 0)));
        give(r, row);
    }
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

static json_t *returned_row(const struct lm_record *rec)
{
    json_t *row = json_object();
    bool invalid = rec->invalid;

    set_text(row, "id", rec->id);
    set_text(row, "type", rec->type->name);
    set_text(row, "state", lm_record_text(rec, LM_C_STATE));
    set_text(row, "verdict", invalid ? "invalid" : "returned");
    set_text(row, "code", invalid ? rec->issue_code : "returned");
    set_text(row, "field", invalid ? rec->issue_field : "");
    set_text(row, "text", invalid ? rec->issue_zh : "镇服务站退回，请按说明更正后重新提交。");
    set_text(row, "text_en",
             invalid ? rec->issue_en
                     : "Sent back by the town: correct it as noted and submit it again.");
    set_text(row, "note", lm_record_text(rec, LM_C_RETURN_NOTE));
    ns_set_time(row, "at", lm_hlc_ms(rec->stamps[LM_GROUP_STATE].version.hlc));
    return row;
}

static enum lm_status returned_of_type(struct returned *r, const struct lm_type *type,
                                       const char *station, struct lm_arena *arena,
                                       struct lm_error *err)
{
    sqlite3_stmt *stmt = NULL;
    char sql[256];
    enum lm_status st;

    (void)sqlite3_snprintf(
        sizeof sql, sql,
        "SELECT id FROM \"r_%w\" WHERE (_invalid = 1 OR state = 'returned') AND deleted_at IS NULL"
        " AND village_code = ?1 ORDER BY id",
        type->name);
    st = lm_db_prepare(r->s->db, sql, &stmt, err);
    if (st == LM_OK) {
        ns_bind_text(stmt, 1, station);
    }
    while (st == LM_OK && (st = ns_row(r->s, stmt, "read returned records", err)) == LM_OK) {
        struct lm_record *rec = NULL;

        lm_arena_reset(arena);
        if (!r->print) {
            r->n++;
            continue;
        }
        st = lm_tables_get(r->s->tables, arena, type, (const char *)sqlite3_column_text(stmt, 0),
                           &rec);
        if (st == LM_OK) {
            give(r, returned_row(rec));
        }
    }
    (void)sqlite3_finalize(stmt);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

enum lm_status lm_nstore_returned(struct lm_nstore *store, void (*print)(void *arg, json_t *row),
                                  void *arg, size_t *n_out, struct lm_error *err)
{
    struct returned r = {.s = store, .print = print, .arg = arg};
    struct lm_arena arena;
    struct lm_me me;
    enum lm_status st = lm_nstore_me(store, &me, err);

    lm_arena_init(&arena, NS_RECORD_ARENA_BYTES);
    if (st == LM_OK) {
        st = returned_refused(&r, &arena, err);
    }
    for (size_t i = 0; st == LM_OK && i < store->catalog->n_types; i++) {
        if (store->catalog->types[i].kept_by & LM_BY_VILLAGE) {
            st = returned_of_type(&r, &store->catalog->types[i], me.station, &arena, err);
        }
    }
    lm_arena_free(&arena);
    if (n_out) {
        *n_out = r.n;
    }
    return st;
}
