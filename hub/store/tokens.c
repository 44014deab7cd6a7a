/* Addresses that a spreadsheet refreshes from: each bears a token of 256 random bits, which is kept
 * hashed, so that a copy of the database opens nothing. */
#include "hub/store/store_internal.h"

#include <sodium.h>
#include <string.h>

static void hash_of(const char *token, uint8_t out[LM_HASH_BYTES])
{
    lm_hash(out, "lastmile table token", 20, token, strlen(token), NULL, 0);
}

static bool count_one(void *arg, const char *name, const char *user, int64_t made_ms)
{
    (void)name;
    (void)user;
    (void)made_ms;
    (*(size_t *)arg)++;
    return true;
}

enum lm_status lm_store_token_add(struct lm_store *store, const char *name, const char *user,
                                  int64_t now_ms, char token_out[LM_TOKEN_TEXT],
                                  struct lm_error *err)
{
    uint8_t random[32], hash[LM_HASH_BYTES];
    struct sqlite3_stmt *stmt;
    size_t chars = 0, there = 0;
    enum lm_status status;

    if (!name[0] || !lm_utf8_valid(name, strlen(name), &chars) || chars > LM_USER_CHARS_MAX ||
        lm_utf8_has_control(name, strlen(name))) {
        return lm_fail(err, LM_ERR_INVALID, "bad_text", "name", "名称应为 1 至 64 个字",
                       "A name has 1 to 64 characters");
    }
    status = lm_store_tokens(store, count_one, &there, err);
    if (status == LM_OK && there >= LM_TOKENS_MAX) {
        status =
            lm_fail(err, LM_ERR_INVALID, "too_many", "name", "取数地址最多 %d 个，请先作废不用的。",
                    "There are %d addresses already: revoke one that is not used.", LM_TOKENS_MAX);
    }
    if (status != LM_OK) {
        return status;
    }
    randombytes_buf(random, sizeof random);
    sodium_bin2base64(token_out, LM_TOKEN_TEXT, random, sizeof random,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    hash_of(token_out, hash);
    stmt = lm_query(store, LM_Q_TOKEN_ADD, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, name);
    (void)sqlite3_bind_blob(stmt, 2, hash, sizeof hash, SQLITE_TRANSIENT);
    lm_bind_text(stmt, 3, user);
    (void)sqlite3_bind_int64(stmt, 4, now_ms);
    status = lm_query_run(store, stmt, err);
    return status == LM_ERR_EXISTS
               ? lm_fail(err, status, "token_exists", "name", "已有这个名称：%s",
                         "There is one of this name already: %s", name)
               : status;
}

enum lm_status lm_store_token_revoke(struct lm_store *store, const char *name, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_TOKEN_HASH, err);
    uint8_t hash[LM_HASH_BYTES];
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, name);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        lm_column_bytes(stmt, 0, hash, sizeof hash);
    }
    (void)sqlite3_reset(stmt);
    if (status == LM_ERR_NOT_FOUND) {
        return lm_fail(err, status, "no_token", "name", "没有 %s", "There is no %s", name);
    }
    stmt = status == LM_OK ? lm_query(store, LM_Q_TOKEN_DROP, err) : NULL;
    if (!stmt) {
        return status == LM_OK ? LM_ERR_IO : status;
    }
    lm_bind_text(stmt, 1, name);
    status = lm_query_run(store, stmt, err);
    return status == LM_OK ? lm_door_token(store, hash, lm_clock_wall_ms(), err) : status;
}

enum lm_status lm_store_token_name(struct lm_store *store, const char *token, char name_out[260],
                                   struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    uint8_t hash[LM_HASH_BYTES];
    enum lm_status status = lm_db_prepare(store->db, lm_query_sql[LM_Q_TOKEN_GET], &stmt, err);

    hash_of(token, hash);
    if (status == LM_OK) {
        (void)sqlite3_bind_blob(stmt, 1, hash, sizeof hash, SQLITE_STATIC);
        status = lm_query_step(store, stmt, err);
    }
    if (status == LM_OK) {
        lm_column_copy(stmt, 0, name_out, 260);
    }
    (void)sqlite3_finalize(stmt);
    return status;
}

enum lm_status lm_store_tokens(struct lm_store *store,
                               bool (*visit)(void *arg, const char *name, const char *user,
                                             int64_t made_ms),
                               void *arg, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status status = lm_db_prepare(store->db, lm_query_sql[LM_Q_TOKEN_LIST], &stmt, err);

    while (status == LM_OK && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        if (!visit(arg, lm_column_str(stmt, 0), lm_column_str(stmt, 1),
                   sqlite3_column_int64(stmt, 2))) {
            break;
        }
    }
    (void)sqlite3_finalize(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}
