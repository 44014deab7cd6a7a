/* Records by question: one, or a list. */
#include "hub/store/store_internal.h"

#include "common/label.h"

#include <stdio.h>

const char *lm_text_of(const struct lm_record *rec, const char *field)
{
    const struct lm_value *value = lm_record_get(rec, field);

    return value && value->kind == LM_TEXT ? value->text : "";
}

struct lm_lookup lm_store_lookup(struct lm_store *store)
{
    return store->lookup;
}

static const struct lm_type *type_named(struct lm_store *store, const char *type,
                                        struct lm_error *err)
{
    const struct lm_type *found = lm_catalog_type(store->catalog, type);

    if (!found) {
        (void)lm_fail(err, LM_ERR_INVALID, "unknown_type", "type", "没有这种记录：%.40s",
                      "There is no record type %.40s", type);
    }
    return found;
}

enum lm_status lm_store_get(struct lm_store *store, struct lm_arena *arena, const char *type,
                            const char *id, struct lm_record **out)
{
    const struct lm_type *found = type_named(store, type, NULL);

    *out = NULL;
    return found ? lm_tables_get(store->tables, arena, found, id, out) : LM_ERR_NOT_FOUND;
}

enum lm_status lm_store_list(struct lm_store *store, struct lm_arena *arena, const char *type,
                             const char *village, const struct lm_where *where, size_t n_where,
                             bool (*visit)(void *arg, const struct lm_record *rec), void *arg,
                             struct lm_error *err)
{
    const struct lm_type *found = type_named(store, type, err);

    return found ? lm_tables_list(store->tables, arena, found, village, where, n_where, false,
                                  visit, arg, err)
                 : LM_ERR_INVALID;
}

void lm_store_words(struct lm_store *store, const struct lm_field *field, const char *text,
                    char *out, size_t n)
{
    lm_label_text(store->tables, store->catalog, false, field, text, out, n);
}

enum lm_status lm_store_in_state(struct lm_store *store, const struct lm_type *type,
                                 const char *state, size_t *out, struct lm_error *err)
{
    char sql[200];
    sqlite3_stmt *stmt = NULL;
    enum lm_status status;

    *out = 0;
    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*) FROM \"r_%s\" WHERE state=?1 AND deleted_at IS NULL",
                   type->name);
    status = lm_db_prepare(store->db, sql, &stmt, err);
    if (status == LM_OK) {
        int rc;

        sqlite3_bind_text(stmt, 1, state, -1, SQLITE_STATIC);
        rc = sqlite3_step(stmt);
        *out = rc == SQLITE_ROW ? (size_t)sqlite3_column_int64(stmt, 0) : 0;
        status = lm_db_status(store->db, rc, "count", err);
    }
    sqlite3_finalize(stmt);
    return status;
}
