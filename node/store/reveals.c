/* Who looked at whole numbers, and at whose. Numbers are covered until somebody asks for
 * them; that somebody did is written down before they are shown. */
#include "node/store/store_internal.h"

enum lm_status lm_nstore_reveal_note(struct lm_nstore *store, const struct lm_reveal *reveal,
                                     struct lm_error *err)
{
    sqlite3_stmt *q;
    enum lm_status st = lm_nstore_begin(store, err);

    if (st != LM_OK) {
        return st;
    }
    q = ns_stmt(store, NS_REVEAL_ADD);
    (void)sqlite3_bind_int64(q, 1, reveal->at_ms);
    ns_bind_text(q, 2, reveal->user);
    ns_bind_text(q, 3, reveal->record);
    st = ns_run(store, q, "note who saw a number", err);
    if (st == LM_OK) {
        q = ns_stmt(store, NS_REVEAL_TRIM);
        (void)sqlite3_bind_int64(q, 1, LM_REVEALS_MAX);
        st = ns_run(store, q, "note who saw a number", err);
    }
    if (st == LM_OK) {
        st = lm_nstore_commit(store, err);
    }
    if (st != LM_OK) {
        lm_nstore_rollback(store);
    }
    return st;
}

enum lm_status lm_nstore_reveals(struct lm_nstore *store, int64_t before, int64_t n,
                                 bool (*visit)(void *arg, const struct lm_reveal *reveal),
                                 void *arg, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_REVEAL_LIST);
    enum lm_status st;

    (void)sqlite3_bind_int64(q, 1, before);
    (void)sqlite3_bind_int64(q, 2, n);
    while ((st = ns_row(store, q, "read who saw numbers", err)) == LM_OK) {
        const struct lm_reveal reveal = {.id = sqlite3_column_int64(q, 0),
                                         .at_ms = sqlite3_column_int64(q, 1),
                                         .user = (const char *)sqlite3_column_text(q, 2),
                                         .record = (const char *)sqlite3_column_text(q, 3)};

        if (!reveal.user || !reveal.record || !visit(arg, &reveal)) {
            break;
        }
    }
    ns_done(q);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}
