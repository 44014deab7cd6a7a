/* What USB bundles leave in the store beside their changes: the newest export seen of each
 * installation, and whether its completeness is by its own clock. */
#include "hub/store/store_internal.h"

#include <string.h>

enum lm_status lm_store_usb_note(struct lm_store *store, uint64_t replica, uint64_t number,
                                 int64_t complete_ms, int64_t now_ms, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_USB_NOTE, err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)replica);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)number);
    (void)sqlite3_bind_int64(stmt, 3, now_ms);
    (void)sqlite3_bind_int64(stmt, 4, complete_ms);
    return lm_query_run(store, stmt, err);
}

/* What the network said since is by the hub's clock: it moved complete_ms on. */
bool lm_store_by_station_clock(struct lm_store *store, const struct lm_replica *replica)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_USB_GET, NULL);
    bool by_clock = false;

    if (!stmt) {
        return false;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)replica->number);
    if (lm_query_step(store, stmt, NULL) == LM_OK) {
        by_clock =
            replica->complete_ms > 0 && sqlite3_column_int64(stmt, 0) == replica->complete_ms;
    }
    (void)sqlite3_reset(stmt);
    return by_clock;
}

enum lm_status lm_store_branch_acked(struct lm_store *store, uint64_t replica, uint64_t branch,
                                     struct lm_head *out, struct lm_error *err)
{
    struct lm_branch_row last;
    enum lm_status status = lm_branch_last(store, replica, branch, &last, err);

    memset(out, 0, sizeof *out);
    if (status == LM_OK) {
        out->seq = last.last_seq;
        memcpy(out->hash, last.after, LM_HASH_BYTES);
    }
    return status;
}
