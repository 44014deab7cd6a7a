/* The record that a setting is kept in. See store.h; hub/settings.c knows what the settings mean.
 */
#include "hub/store/store_internal.h"

#include <string.h>

/* Those that figures read first (counts_query.c), then what waits, was sent back or never finished,
 * then what was deleted. */
static const char sql[] =
    "SELECT id, value, deleted_at IS NOT NULL, deleted_at IS NULL AND _invalid = 0 AND state IN"
    " ('submitted','verified','locked') AS counts FROM r_setting WHERE key = ?1"
    " ORDER BY counts DESC, deleted_at IS NOT NULL, id DESC LIMIT 1";

enum lm_status lm_store_setting(struct lm_store *store, const char *key, struct lm_setting_row *out,
                                char *value, size_t n, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status st = lm_db_prepare(store->db, sql, &stmt, err);

    memset(out, 0, sizeof *out);
    value[0] = '\0';
    if (st == LM_OK) {
        lm_bind_text(stmt, 1, key);
        st = lm_query_step(store, stmt, err);
    }
    if (st == LM_OK) {
        lm_column_copy(stmt, 0, out->id, sizeof out->id);
        lm_column_copy(stmt, 1, value, n);
        out->deleted = sqlite3_column_int(stmt, 2) != 0;
        out->counts = sqlite3_column_int(stmt, 3) != 0;
    }
    (void)sqlite3_finalize(stmt);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}
