/* Forms that were not saved yet. What the page sends every few seconds while somebody types is on
 * disk before it is answered: a power cut costs the last words, not the form. */
#include "node/store/store_internal.h"

#include "common/base/util.h"

#include <string.h>

static enum lm_status check_draft(const char *key, const char *body, struct lm_error *err)
{
    size_t n = strlen(key), chars = 0;

    if (n == 0 || !lm_utf8_valid(key, n, &chars) || chars > LM_DRAFT_KEY_MAX) {
        return lm_fail(err, LM_ERR_INVALID, "bad_text", "key", "草稿的名称应为 1 至 %d 个字。",
                       "A draft's key has 1 to %d characters.", LM_DRAFT_KEY_MAX);
    }
    if (strlen(body) > LM_DRAFT_BYTES_MAX) {
        return lm_fail(err, LM_ERR_LIMIT, "too_large", "body", "草稿太长，请先保存。",
                       "The draft is too long: save it.");
    }
    return LM_OK;
}

static enum lm_status count_others(struct lm_nstore *store, const char *user, const char *key,
                                   struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_DRAFT_COUNT);
    uint64_t n = 0;
    enum lm_status st;

    ns_bind_text(q, 1, user);
    ns_bind_text(q, 2, key);
    st = ns_row(store, q, "count the drafts", err);
    if (st == LM_OK) {
        n = ns_column_u64(q, 0);
        ns_done(q);
    }
    if (st == LM_OK && n >= LM_DRAFTS_MAX) {
        return lm_fail(err, LM_ERR_LIMIT, "limit", "key", "草稿已有 %d 份，请先保存或删除一些。",
                       "There are %d drafts already: save or delete some.", LM_DRAFTS_MAX);
    }
    return st;
}

enum lm_status lm_nstore_draft_put(struct lm_nstore *store, const char *user, const char *key,
                                   const char *body, int64_t now_ms, struct lm_error *err)
{
    sqlite3_stmt *q;
    enum lm_status st = check_draft(key, body, err);

    if (st == LM_OK) {
        st = lm_nstore_begin(store, err);
    }
    if (st != LM_OK) {
        return st;
    }
    st = count_others(store, user, key, err);
    if (st == LM_OK) {
        q = ns_stmt(store, NS_DRAFT_PUT);
        ns_bind_text(q, 1, user);
        ns_bind_text(q, 2, key);
        ns_bind_text(q, 3, body);
        (void)sqlite3_bind_int64(q, 4, now_ms);
        st = ns_run(store, q, "keep a draft", err);
    }
    if (st == LM_OK) {
        st = lm_nstore_commit(store, err);
    }
    if (st != LM_OK) {
        lm_nstore_rollback(store);
    }
    return st;
}

static const char *text_at(sqlite3_stmt *q, int at)
{
    const unsigned char *text = sqlite3_column_text(q, at);

    return text ? (const char *)text : "";
}

enum lm_status lm_nstore_drafts(struct lm_nstore *store, const char *user, const char *key,
                                bool (*visit)(void *arg, const char *key, const char *body,
                                              int64_t saved_ms),
                                void *arg, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, key ? NS_DRAFT_GET : NS_DRAFT_LIST);
    int at = key ? 0 : 1;
    enum lm_status st;

    ns_bind_text(q, 1, user);
    if (key) {
        ns_bind_text(q, 2, key);
    }
    while ((st = ns_row(store, q, "read the drafts", err)) == LM_OK) {
        if (!visit(arg, key ? key : text_at(q, 0), text_at(q, at),
                   sqlite3_column_int64(q, at + 1))) {
            break;
        }
    }
    ns_done(q);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

enum lm_status lm_nstore_draft_drop(struct lm_nstore *store, const char *user, const char *key,
                                    struct lm_error *err)
{
    sqlite3_stmt *q;
    enum lm_status st = lm_nstore_begin(store, err);

    if (st != LM_OK) {
        return st;
    }
    q = ns_stmt(store, NS_DRAFT_DROP);
    ns_bind_text(q, 1, user);
    ns_bind_text(q, 2, key);
    st = ns_run(store, q, "drop a draft", err);
    if (st == LM_OK) {
        st = lm_nstore_commit(store, err);
    }
    if (st != LM_OK) {
        lm_nstore_rollback(store);
    }
    return st;
}
