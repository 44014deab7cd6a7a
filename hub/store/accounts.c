/* Accounts at the hub: names, roles, argon2id passwords. */
#include "common/account.h"
#include "hub/store/store_internal.h"

#include <string.h>

static bool known_role(const char *role)
{
    static const char *const roles[] = {"secretary", "clerk",    "leader",
                                        "admin",     "security", "auditor"};

    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (role && strcmp(role, roles[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void read_user(struct sqlite3_stmt *stmt, struct lm_user *out)
{
    lm_column_copy(stmt, 0, out->name, sizeof out->name);
    lm_column_copy(stmt, 1, out->id, sizeof out->id);
    lm_column_copy(stmt, 2, out->role, sizeof out->role);
    out->disabled = sqlite3_column_int(stmt, 4) != 0;
    out->created_ms = sqlite3_column_int64(stmt, 5);
    out->must_change = sqlite3_column_int(stmt, 6) != 0;
}

enum lm_status lm_store_user_add(struct lm_store *store, const char *name, const char *role,
                                 const char *password, bool by_another, int64_t now_ms,
                                 struct lm_error *err)
{
    char hash[LM_PASSWORD_HASH_BYTES], id[LM_UUID_TEXT + 1];
    struct sqlite3_stmt *stmt;
    size_t chars = 0;
    enum lm_status status;

    if (!name || name[0] == '\0' || !lm_utf8_valid(name, strlen(name), &chars) ||
        chars > LM_USER_CHARS_MAX || lm_utf8_has_control(name, strlen(name)) ||
        strchr(name, '\n') || strchr(name, '\t')) {
        return lm_fail(err, LM_ERR_INVALID, "bad_text", "name", "账号名应为 1 至 64 个字",
                       "An account's name has 1 to 64 characters");
    }
    if (!known_role(role)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_code", "role",
                       "角色只能是 secretary、clerk、leader、admin、security、auditor",
                       "The role is one of secretary, clerk, leader, admin, security, auditor");
    }
    status = lm_password_check(name, password, LM_PASSWORD_CHARS_MIN, err);
    if (status == LM_OK) {
        status = lm_password_hash(password, hash, err);
    }
    if (status != LM_OK) {
        return status;
    }
    lm_user_id(store->town.code, name, id);
    stmt = lm_query(store, LM_Q_USER_ADD, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, name);
    lm_bind_text(stmt, 2, id);
    lm_bind_text(stmt, 3, role);
    lm_bind_text(stmt, 4, hash);
    (void)sqlite3_bind_int64(stmt, 5, now_ms);
    (void)sqlite3_bind_int(stmt, 6, by_another);
    status = lm_query_run(store, stmt, err);
    if (status == LM_ERR_EXISTS) {
        return lm_fail(err, status, "user_exists", "name", "已有账号 %s",
                       "There is an account %s already", name);
    }
    return status;
}

enum lm_status lm_store_user_get(struct lm_store *store, const char *name, struct lm_user *out,
                                 char hash[LM_PASSWORD_HASH_BYTES], struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status status = lm_db_prepare(store->db, lm_query_sql[LM_Q_USER_GET], &stmt, err);

    *out = (struct lm_user){0};
    if (status == LM_OK) {
        lm_bind_text(stmt, 1, name);
        status = lm_query_step(store, stmt, err);
    }
    if (status == LM_OK) {
        read_user(stmt, out);
        lm_column_copy(stmt, 3, hash, LM_PASSWORD_HASH_BYTES);
    }
    (void)sqlite3_finalize(stmt);
    return status;
}

enum lm_status lm_store_user_password(struct lm_store *store, const char *name,
                                      const char *password, bool by_another, struct lm_error *err)
{
    char hash[LM_PASSWORD_HASH_BYTES];
    struct sqlite3_stmt *stmt;
    enum lm_status status = lm_password_check(name, password, LM_PASSWORD_CHARS_MIN, err);

    if (status == LM_OK) {
        status = lm_password_hash(password, hash, err);
    }
    if (status != LM_OK) {
        return status;
    }
    stmt = lm_query(store, LM_Q_USER_PASSWORD, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, name);
    lm_bind_text(stmt, 2, hash);
    (void)sqlite3_bind_int(stmt, 3, by_another);
    status = lm_query_run(store, stmt, err);
    if (status == LM_OK && sqlite3_changes(store->sql) == 0) {
        return lm_fail(err, LM_ERR_NOT_FOUND, "no_user", "name", "没有账号 %s",
                       "There is no account %s", name);
    }
    return status;
}

enum lm_status lm_store_user_disable(struct lm_store *store, const char *name, bool disabled,
                                     struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_USER_DISABLE, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, name);
    (void)sqlite3_bind_int(stmt, 2, disabled);
    status = lm_query_run(store, stmt, err);
    if (status == LM_OK && sqlite3_changes(store->sql) == 0) {
        return lm_fail(err, LM_ERR_NOT_FOUND, "no_user", "name", "没有账号 %s",
                       "There is no account %s", name);
    }
    return status;
}

enum lm_status lm_store_users(struct lm_store *store,
                              bool (*visit)(void *arg, const struct lm_user *user), void *arg,
                              struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status status = lm_db_prepare(store->db, lm_query_sql[LM_Q_USER_LIST], &stmt, err);

    while (status == LM_OK && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        struct lm_user user = {0};

        read_user(stmt, &user);
        if (!visit(arg, &user)) {
            break;
        }
    }
    (void)sqlite3_finalize(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}
