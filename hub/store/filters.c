/* Filters of the registers that somebody keeps under a name (常用筛选): a text a user, which the
 * page's API reads and bounds (hub/api/filters.c). */
#include "hub/store/store_internal.h"

enum lm_status lm_store_filters(struct lm_store *store, const char *user, struct lm_buf *out,
                                struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status st = lm_db_prepare(store->db, lm_query_sql[LM_Q_FILTERS_GET], &stmt, err);

    if (st == LM_OK) {
        lm_bind_text(stmt, 1, user);
        st = lm_query_step(store, stmt, err);
    }
    if (st == LM_OK) {
        lm_buf_text(out, lm_column_str(stmt, 0));
        st = out->status;
    }
    (void)sqlite3_finalize(stmt);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

enum lm_status lm_store_filters_put(struct lm_store *store, const char *user, const char *filters,
                                    struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_FILTERS_PUT, err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, user);
    lm_bind_text(stmt, 2, filters);
    return lm_query_run(store, stmt, err);
}
