/* Held changes whose time has come: what became available is noted while a batch is judged, and
 * what waits for it is judged again at the batch's end, in the order of the journal, within a
 * bound. What passes the bound stays noted in the database. */
#include "hub/store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REDRIVE_MAX = 10000, /* held changes judged again in one commit */
    REDRIVE_PAGE = 64,
    REDRIVE_KEYS_MAX = 65536, /* keys kept in memory; further ones go to the table */
};

enum lm_status lm_redrive_note(struct lm_store *store, const char *key)
{
    if (store->n_redrive == REDRIVE_KEYS_MAX) {
        struct sqlite3_stmt *stmt = lm_query(store, LM_Q_REDRIVE_PUT, NULL);
        enum lm_status status;

        if (!stmt) {
            return LM_ERR_IO;
        }
        lm_bind_text(stmt, 1, key);
        status = lm_query_run(store, stmt, NULL);
        store->state.n_redrive += status == LM_OK ? sqlite3_changes(store->sql) : 0;
        return status;
    }
    if (store->n_redrive == store->size_redrive) {
        size_t size = store->size_redrive ? 2 * store->size_redrive : 64;
        void *grown = realloc(store->redrive, size * sizeof *store->redrive);

        if (!grown) {
            return LM_ERR_MEMORY;
        }
        store->redrive = grown;
        store->size_redrive = size;
    }
    (void)snprintf(store->redrive[store->n_redrive++], sizeof *store->redrive, "%s", key);
    return LM_OK;
}

static enum lm_status load_noted(struct lm_store *store, struct lm_error *err)
{
    struct sqlite3_stmt *stmt;
    enum lm_status status;

    if (store->state.n_redrive == 0) {
        return LM_OK;
    }
    stmt = lm_query(store, LM_Q_REDRIVE_LIST, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    while ((status = lm_query_step(store, stmt, err)) == LM_OK) {
        if (store->n_redrive == REDRIVE_KEYS_MAX) {
            break;
        }
        status = lm_redrive_note(store, lm_column_str(stmt, 0));
        if (status != LM_OK) {
            break;
        }
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static enum lm_status run_key(struct lm_store *store, enum lm_query query, const char *key,
                              int sign, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, query, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, key);
    status = lm_query_run(store, stmt, err);
    if (status == LM_OK) {
        store->state.n_redrive += sign * sqlite3_changes(store->sql);
    }
    return status;
}

/* Each in a SAVEPOINT: one that breaks stays held, the rest go on. */
static enum lm_status again_safely(struct lm_store *store, uint64_t pos, int64_t now_ms,
                                   struct lm_error *err)
{
    struct lm_store_state state = store->state;
    size_t n_redrive = store->n_redrive;
    bool changed;
    enum lm_status status = lm_query_do(store, LM_Q_SAVEPOINT_ONE, err);

    if (status != LM_OK) {
        return status;
    }
    status = lm_judge_again(store, pos, LM_LATER_REDRIVE, "", "", now_ms, &changed, err);
    if (status != LM_OK && !lm_is_fatal(status)) {
        status = lm_query_do(store, LM_Q_BACK_ONE, err);
        store->state = state;
        store->n_redrive = n_redrive;
    }
    return status == LM_OK ? lm_query_do(store, LM_Q_RELEASE_ONE, err) : status;
}

static enum lm_status redrive_key(struct lm_store *store, const char *key, int64_t now_ms,
                                  size_t *budget, struct lm_error *err)
{
    int64_t found[REDRIVE_PAGE], after = 0;

    while (*budget > 0) {
        struct sqlite3_stmt *stmt = lm_query(store, LM_Q_HELD_WAITING, err);
        enum lm_status status;
        size_t n = 0;

        if (!stmt) {
            return LM_ERR_IO;
        }
        lm_bind_text(stmt, 1, key);
        (void)sqlite3_bind_int64(stmt, 2, after);
        (void)sqlite3_bind_int(stmt, 3, REDRIVE_PAGE);
        while ((status = lm_query_step(store, stmt, err)) == LM_OK) {
            found[n++] = sqlite3_column_int64(stmt, 0);
        }
        (void)sqlite3_reset(stmt);
        if (status != LM_OK && status != LM_ERR_NOT_FOUND) {
            return status;
        }
        if (n == 0) {
            return LM_OK;
        }
        for (size_t i = 0; i<n && * budget> 0; i++, (*budget)--) {
            status = again_safely(store, (uint64_t)found[i], now_ms, err);
            if (status != LM_OK) {
                return status;
            }
            after = found[i];
        }
    }
    return LM_OK;
}

enum lm_status lm_judge_redrive(struct lm_store *store, int64_t now_ms, struct lm_error *err)
{
    size_t budget = REDRIVE_MAX;
    enum lm_status status = load_noted(store, err);

    for (size_t i = 0; i < store->n_redrive && status == LM_OK; i++) {
        char key[96];

        (void)snprintf(key, sizeof key, "%s", store->redrive[i]); /* the list may move */
        if (store->state.n_held > 0 && budget > 0) {
            status = redrive_key(store, key, now_ms, &budget, err);
        }
        if (status == LM_OK && budget == 0) {
            status = run_key(store, LM_Q_REDRIVE_PUT, key, 1, err);
        } else if (status == LM_OK && store->state.n_redrive > 0) {
            status = run_key(store, LM_Q_REDRIVE_DELETE, key, -1, err);
        }
    }
    store->n_redrive = 0;
    return status;
}

static enum lm_status act_on_held(struct lm_store *store, enum lm_later what, const char *user,
                                  uint64_t position, const char *why, int64_t now_ms,
                                  struct lm_error *err)
{
    bool changed = false;
    struct lm_store_state state = store->state;
    enum lm_status status = lm_query_do(store, LM_Q_SAVEPOINT_ONE, err);

    if (status != LM_OK) {
        return status;
    }
    status = lm_judge_again(store, position, what, user, why, now_ms, &changed, err);
    if (status == LM_OK && !changed) {
        status =
            what == LM_LATER_RELEASE
                ? lm_fail(err, LM_ERR_INVALID, "still_held", "", "仍然缺少所需内容，无法放行",
                          "Something it cannot do without is still missing")
                : lm_fail(err, LM_ERR_INVALID, "still_held", "",
                          "这条修改来自更新的程序，本程序还读不懂，请先升级再决定",
                          "This change is of a newer program, which must be installed here first");
    }
    if (status == LM_OK) {
        status = lm_judge_redrive(store, now_ms, err);
    }
    if (status != LM_OK && !lm_is_fatal(status)) {
        store->state = state;
        store->n_redrive = 0;
        if (lm_query_do(store, LM_Q_BACK_ONE, NULL) != LM_OK ||
            lm_query_do(store, LM_Q_RELEASE_ONE, NULL) != LM_OK) {
            return LM_ERR_IO;
        }
        return status;
    }
    return status == LM_OK ? lm_query_do(store, LM_Q_RELEASE_ONE, err) : status;
}

enum lm_status lm_store_release(struct lm_store *store, const char *user, uint64_t position,
                                int64_t now_ms, struct lm_error *err)
{
    return act_on_held(store, LM_LATER_RELEASE, user, position, "", now_ms, err);
}

static enum lm_status check_why(const char *why, struct lm_error *err)
{
    size_t n = strlen(why);

    return n == 0 || n > LM_REFUSE_WHY_BYTES_MAX || !lm_utf8_valid(why, n, NULL) ||
                   lm_utf8_has_control(why, n)
               ? lm_fail(err, LM_ERR_INVALID, "required", "note",
                         "请用一句话写明退回的原因（不超过 %d 字节）。",
                         "Say in one sentence why it is refused (at most %d bytes).",
                         LM_REFUSE_WHY_BYTES_MAX)
               : LM_OK;
}

enum lm_status lm_store_refuse(struct lm_store *store, const char *user, uint64_t position,
                               const char *why, int64_t now_ms, struct lm_error *err)
{
    enum lm_status status = check_why(why, err);

    return status == LM_OK ? act_on_held(store, LM_LATER_REFUSE, user, position, why, now_ms, err)
                           : status;
}

/* One more than is done at a time, which says whether there is more. */
static enum lm_status next_of_group(struct lm_store *store, const struct lm_refuse_many *act,
                                    int64_t found[LM_REFUSE_MANY_MAX + 1], size_t *n_out,
                                    struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_HELD_OF_GROUP, err);
    enum lm_status status;

    *n_out = 0;
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, act->station);
    lm_bind_text(stmt, 2, act->code);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)act->after);
    (void)sqlite3_bind_int64(stmt, 4, (int64_t)act->through);
    (void)sqlite3_bind_int(stmt, 5, LM_REFUSE_MANY_MAX + 1);
    while ((status = lm_query_step(store, stmt, err)) == LM_OK) {
        found[(*n_out)++] = sqlite3_column_int64(stmt, 0);
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static enum lm_status count_unseen(struct lm_store *store, const struct lm_refuse_many *act,
                                   size_t *n_out, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_HELD_UNSEEN, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, act->station);
    lm_bind_text(stmt, 2, act->code);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)act->through);
    status = lm_query_step(store, stmt, err);
    *n_out = status == LM_OK ? (size_t)sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_reset(stmt);
    return status;
}

enum lm_status lm_store_refuse_many(struct lm_store *store, const struct lm_refuse_many *act,
                                    int64_t now_ms, struct lm_refused_many *out,
                                    struct lm_error *err)
{
    int64_t found[LM_REFUSE_MANY_MAX + 1];
    size_t n = 0;
    enum lm_status status = check_why(act->why, err);

    memset(out, 0, sizeof *out);
    if (status == LM_OK && (!act->station[0] || !act->code[0])) {
        status = lm_fail(err, LM_ERR_INVALID, "required", act->station[0] ? "code" : "station",
                         "请写明退回哪个村、因为什么在等的修改",
                         "Say which station's changes are refused, and of which code");
    }
    if (status == LM_OK) {
        status = next_of_group(store, act, found, &n, err);
    }
    for (size_t i = 0; status == LM_OK && i < n && i < LM_REFUSE_MANY_MAX; i++) {
        struct lm_error why = {0};

        status = act_on_held(store, LM_LATER_REFUSE, act->user, (uint64_t)found[i], act->why,
                             now_ms, &why);
        out->refused += status == LM_OK;
        /* not found: it went with one before it, on which it built */
        out->kept += status != LM_OK && status != LM_ERR_NOT_FOUND;
        if (!lm_is_fatal(status)) {
            status = LM_OK;
        } else if (err) {
            *err = why;
        }
    }
    out->next = n > LM_REFUSE_MANY_MAX ? (uint64_t)found[LM_REFUSE_MANY_MAX - 1] : 0;
    return status == LM_OK ? count_unseen(store, act, &out->left, err) : status;
}
