/* Typed tables after the catalogue grew: what was kept as unknown becomes columns. One pass over
 * the rows that hold something unknown, in the order of ids, so that both a hub and the replay that
 * verifies it do the same. */
#include "common/tables_internal.h"

#include "proto/feed.h"

#include <string.h>

enum { PAGE = 64, RECORD_ARENA_MAX = 64 * 1024 * 1024 };

struct adopt {
    struct lm_tables *tables;
    struct lm_arena arena; /* one record */
    uint64_t n;
    struct lm_error *err;
};

/* The next ids of rows with unknown values, after the last one. */
static enum lm_status next_ids(struct adopt *a, sqlite3_stmt *stmt, const char *after,
                               char ids[PAGE][40], size_t *n_out)
{
    enum lm_status st;
    int rc;

    *n_out = 0;
    (void)sqlite3_bind_text(stmt, 1, after, -1, SQLITE_STATIC);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && *n_out < PAGE) {
        (void)sqlite3_snprintf(40, ids[(*n_out)++], "%s",
                               (const char *)sqlite3_column_text(stmt, 0));
    }
    st = lm_db_status(a->tables->db, rc, "look for unknown fields", a->err);
    tb_release(stmt);
    return st;
}

static enum lm_status adopt_one(struct adopt *a, const struct lm_type *type, const char *id)
{
    struct lm_record *rec = NULL;
    enum lm_status st;

    lm_arena_reset(&a->arena);
    st = lm_tables_get(a->tables, &a->arena, type, id, &rec);
    if (st != LM_OK) {
        return lm_fail(a->err, st, lm_status_name(st), "", "记录 %s 无法读取。",
                       "Record %s cannot be read.", id);
    }
    if (!lm_record_adopt(rec)) {
        return LM_OK;
    }
    a->n++;
    return lm_tables_put(a->tables, rec, false, a->err);
}

static enum lm_status adopt_type(struct adopt *a, const struct lm_type *type)
{
    char ids[PAGE][40], after[40] = "";
    sqlite3_stmt *stmt = NULL;
    enum lm_status st;
    size_t n = 0;

    lm_buf_reset(&a->tables->sql);
    lm_buf_text(&a->tables->sql, "SELECT id FROM ");
    tb_put_table(&a->tables->sql, type);
    lm_buf_printf(&a->tables->sql,
                  " WHERE id > ?1 AND \"_unknown\" IS NOT NULL ORDER BY id LIMIT %d", PAGE);
    st = tb_prepare(a->tables, &stmt, a->err);
    do {
        st = st == LM_OK ? next_ids(a, stmt, after, ids, &n) : st;
        for (size_t i = 0; st == LM_OK && i < n; i++) {
            st = adopt_one(a, type, ids[i]);
        }
        if (n > 0) {
            memcpy(after, ids[n - 1], sizeof after);
        }
    } while (st == LM_OK && n == PAGE);
    (void)sqlite3_finalize(stmt);
    return st;
}

enum lm_status lm_tables_adopt(struct lm_tables *tables, uint64_t *n_out, struct lm_error *err)
{
    struct adopt a = {.tables = tables, .err = err};
    enum lm_status st = LM_OK;

    lm_arena_init(&a.arena, RECORD_ARENA_MAX);
    for (size_t i = 0; st == LM_OK && i < tables->catalog->n_types; i++) {
        st = adopt_type(&a, &tables->catalog->types[i]);
    }
    lm_arena_free(&a.arena);
    if (n_out) {
        *n_out = a.n;
    }
    return st;
}
