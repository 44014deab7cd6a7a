/* Accounts of this PC: who may use its pages. Local ones are made here and never leave it; the
 * town's come with the feed (town_accounts.c). Both live in one table, so that lock-out, first
 * password and drafts are the same for both: `record` tells them apart. */
#include "node/store/store_internal.h"

#include "common/account.h"
#include "common/base/util.h"

#include <string.h>

static enum lm_status check_account(struct lm_nstore *store, const char *name, const char *role,
                                    struct lm_error *err)
{
    sqlite3_stmt *q;
    uint64_t count = 0;
    enum lm_status st = lm_account_name_check(name, err);

    if (st != LM_OK) {
        return st;
    }
    if (strcmp(role, "secretary") != 0 && strcmp(role, "admin") != 0) {
        return lm_fail(err, LM_ERR_INVALID, "bad_code", "role",
                       "角色只能是 secretary（村级人员）或 admin（管理本机）。",
                       "The role is secretary or admin (who manages this PC).");
    }
    q = ns_stmt(store, NS_ACCOUNT_COUNT);
    st = ns_row(store, q, "count the accounts", err);
    if (st == LM_OK) {
        count = ns_column_u64(q, 0);
        ns_done(q);
    }
    if (st == LM_OK && count >= LM_ACCOUNTS_MAX) {
        return lm_fail(err, LM_ERR_LIMIT, "limit", "user", "本机最多 %d 个账号。",
                       "This PC has at most %d accounts.", LM_ACCOUNTS_MAX);
    }
    return st;
}

/* What the town decides about its accounts is not decided here. */
static enum lm_status of_town(struct lm_nstore *store, const char *name, struct lm_error *err)
{
    struct lm_account account;
    enum lm_status st = lm_nstore_account(store, name, &account, err);

    return st == LM_OK && account.of_town
               ? lm_fail(err, LM_ERR_DENIED, "town_account", "user",
                         "账号“%.80s”由镇里管理，停用、启用和交接请联系镇里。",
                         "The town keeps the account \"%.80s\": ask the town to disable, enable or "
                         "hand it over.",
                         name)
               : st;
}

static enum lm_status no_such(struct lm_error *err, const char *name)
{
    return lm_fail(err, LM_ERR_NOT_FOUND, "no_user", "user", "没有账号“%.80s”。",
                   "There is no account \"%.80s\".", name);
}

/* Runs a statement that touches one account, in a transaction of its own. */
static enum lm_status run(struct lm_nstore *store, sqlite3_stmt *q, const char *doing,
                          bool *changed_out, struct lm_error *err)
{
    enum lm_status st = ns_run(store, q, doing, err);

    if (st == LM_OK) {
        *changed_out = sqlite3_changes(sqlite3_db_handle(q)) > 0;
        st = lm_nstore_commit(store, err);
    }
    if (st != LM_OK) {
        lm_nstore_rollback(store);
    }
    return st;
}

/* Inside a transaction. */
static enum lm_status insert(struct lm_nstore *store, const char *name, const char *role,
                             const char *hash, int64_t now_ms, struct lm_error *err)
{
    sqlite3_stmt *q;
    enum lm_status st = check_account(store, name, role, err);

    if (st != LM_OK) {
        return st;
    }
    q = ns_stmt(store, NS_ACCOUNT_ADD);
    ns_bind_text(q, 1, name);
    ns_bind_text(q, 2, role);
    ns_bind_text(q, 3, hash);
    (void)sqlite3_bind_int64(q, 4, now_ms);
    st = ns_run(store, q, "add an account", err);
    if (st == LM_OK && sqlite3_changes(sqlite3_db_handle(q)) == 0) {
        st = lm_fail(err, LM_ERR_EXISTS, "user_exists", "user", "已有账号“%.80s”。",
                     "There is an account \"%.80s\" already.", name);
    }
    return st;
}

static enum lm_status commit_if(struct lm_nstore *store, enum lm_status st, struct lm_error *err)
{
    if (st == LM_OK) {
        st = lm_nstore_commit(store, err);
    }
    if (st != LM_OK) {
        lm_nstore_rollback(store);
    }
    return st;
}

static enum lm_status must_change(struct lm_nstore *store, const char *name, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_ACCOUNT_MUST);

    ns_bind_text(q, 1, name);
    return ns_run(store, q, "ask for another password", err);
}

enum lm_status lm_nstore_account_add(struct lm_nstore *store, const char *name, const char *role,
                                     const char *hash, bool must, int64_t now_ms,
                                     struct lm_error *err)
{
    enum lm_status st = lm_nstore_begin(store, err);

    if (st != LM_OK) {
        return st;
    }
    st = insert(store, name, role, hash, now_ms, err);
    if (st == LM_OK && must) {
        st = must_change(store, name, err);
    }
    return commit_if(store, st, err);
}

static enum lm_status hand_over(struct lm_nstore *store, const char *old, const char *name,
                                struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_ACCOUNT_DISABLE);
    enum lm_status st;

    ns_bind_text(q, 1, old);
    (void)sqlite3_bind_int(q, 2, 1);
    st = ns_run(store, q, "close an account", err);
    if (st == LM_OK) {
        q = ns_stmt(store, NS_DRAFT_TAKE);
        ns_bind_text(q, 1, old);
        ns_bind_text(q, 2, name);
        st = ns_run(store, q, "hand drafts over", err);
    }
    return st;
}

enum lm_status lm_nstore_account_succeed(struct lm_nstore *store, const char *old, const char *name,
                                         const char *hash, bool must, int64_t now_ms,
                                         struct lm_error *err)
{
    struct lm_account account;
    enum lm_status st = lm_nstore_begin(store, err);

    if (st != LM_OK) {
        return st;
    }
    st = of_town(store, old, err);
    if (st == LM_OK) {
        st = lm_nstore_account(store, old, &account, err);
    }
    if (st == LM_OK) {
        st = insert(store, name, account.role, hash, now_ms, err);
    }
    if (st == LM_OK && must) {
        st = must_change(store, name, err);
    }
    if (st == LM_OK) {
        st = hand_over(store, old, name, err);
    }
    return commit_if(store, st, err);
}

static void take_row(sqlite3_stmt *q, struct lm_account *out)
{
    memset(out, 0, sizeof *out);
    ns_column_text(q, 0, out->name, sizeof out->name);
    ns_column_text(q, 1, out->role, sizeof out->role);
    ns_column_text(q, 2, out->hash, sizeof out->hash);
    out->created_ms = sqlite3_column_int64(q, 3);
    out->disabled = sqlite3_column_int(q, 4) != 0;
    out->failures = (unsigned)sqlite3_column_int64(q, 5);
    out->failed_ms = sqlite3_column_int64(q, 6);
    out->must_change = sqlite3_column_int(q, 7) != 0;
    out->of_town = sqlite3_column_type(q, 8) != SQLITE_NULL;
    ns_column_text(q, 9, out->shown, sizeof out->shown);
}

enum lm_status lm_nstore_account(struct lm_nstore *store, const char *name, struct lm_account *out,
                                 struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_ACCOUNT_GET);
    enum lm_status st;

    ns_bind_text(q, 1, name);
    st = ns_row(store, q, "read an account", err);
    if (st == LM_OK) {
        take_row(q, out);
        ns_done(q);
    }
    return st == LM_ERR_NOT_FOUND ? no_such(err, name) : st;
}

enum lm_status lm_nstore_accounts(struct lm_nstore *store, struct lm_account *out, size_t *n_out,
                                  struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_ACCOUNT_LIST);
    enum lm_status st;

    *n_out = 0;
    while ((st = ns_row(store, q, "list the accounts", err)) == LM_OK &&
           *n_out < LM_ACCOUNTS_LISTED) {
        take_row(q, &out[(*n_out)++]);
    }
    ns_done(q);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

/* One of the three updates: its own values are bound already. */
static enum lm_status update(struct lm_nstore *store, sqlite3_stmt *q, const char *name,
                             const char *doing, struct lm_error *err)
{
    bool changed = false;
    enum lm_status st = lm_nstore_begin(store, err);

    if (st == LM_OK) {
        ns_bind_text(q, 1, name);
        st = run(store, q, doing, &changed, err);
    }
    return st == LM_OK && !changed ? no_such(err, name) : st;
}

enum lm_status lm_nstore_account_password(struct lm_nstore *store, const char *name,
                                          const char *hash, bool must_change, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_ACCOUNT_PASSWORD);

    ns_bind_text(q, 2, hash);
    (void)sqlite3_bind_int(q, 3, must_change);
    return update(store, q, name, "change a password", err);
}

enum lm_status lm_nstore_account_disable(struct lm_nstore *store, const char *name, bool disabled,
                                         struct lm_error *err)
{
    sqlite3_stmt *q;
    enum lm_status st = of_town(store, name, err);

    if (st != LM_OK) {
        return st;
    }
    q = ns_stmt(store, NS_ACCOUNT_DISABLE);
    (void)sqlite3_bind_int(q, 2, disabled);
    return update(store, q, name, "disable an account", err);
}

enum lm_status lm_nstore_account_failures(struct lm_nstore *store, const char *name,
                                          unsigned failures, int64_t now_ms, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_ACCOUNT_FAILURES);

    (void)sqlite3_bind_int64(q, 2, failures);
    (void)sqlite3_bind_int64(q, 3, now_ms);
    return update(store, q, name, "note a failed login", err);
}
