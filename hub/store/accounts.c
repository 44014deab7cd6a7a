/* Accounts at the hub: names, roles, argon2id passwords, and whose they are.
 *
 * Separated duties (三员分立): the one who keeps the machines, the one who keeps the accounts and
 * the one who reads the audit log are three persons, whatever accounts they have. A business
 * account (clerk, leader) beside one of the three is another account with a name of its own. */
#include "common/account.h"
#include "hub/store/store_internal.h"

#include <stdio.h>
#include <string.h>

static bool known_role(const char *role)
{
    /* a secretary's account is a station's (station_accounts.c) */
    static const char *const roles[] = {"clerk", "leader", "admin", "security", "auditor"};

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
    lm_column_copy(stmt, 7, out->person, sizeof out->person);
    if (out->person[0] == '\0') {
        (void)snprintf(out->person, sizeof out->person, "%s", out->name);
    }
}

/* ---- whose they are ---- */

/* Behind the spaces at p, ASCII and full-width. */
static const char *behind_spaces(const char *p)
{
    for (size_t n; (n = *p == ' ' ? 1 : strncmp(p, "\xe3\x80\x80", 3) == 0 ? 3 : 0) > 0; p += n) {
    }
    return p;
}

bool lm_same_person(const char *a, const char *b)
{
    for (a = behind_spaces(a), b = behind_spaces(b); *a && *a == *b;) {
        a = behind_spaces(a + 1);
        b = behind_spaces(b + 1);
    }
    return *a == '\0' && *b == '\0';
}

/* The separated duty of a role in words, or NULL: it is none. */
static const char *duty_of(const char *role)
{
    return strcmp(role, "admin") == 0      ? "系统管理员"
           : strcmp(role, "security") == 0 ? "安全管理员"
           : strcmp(role, "auditor") == 0  ? "审计员"
                                           : NULL;
}

struct duties {
    const char *name, *role, *person;
    struct lm_user other;
    bool found;
};

static bool look_for_other_duty(void *arg, const struct lm_user *user)
{
    struct duties *d = arg;

    if (!user->disabled && duty_of(user->role) && strcmp(user->role, d->role) != 0 &&
        strcmp(user->name, d->name) != 0 && lm_same_person(user->person, d->person)) {
        d->other = *user;
        d->found = true;
    }
    return !d->found;
}

/* An account of this name and role may be in use for this person. */
static enum lm_status check_duties(struct lm_store *store, const char *name, const char *role,
                                   const char *person, struct lm_error *err)
{
    struct duties d = {.name = name, .role = role, .person = person};
    enum lm_status status =
        duty_of(role) ? lm_store_users(store, look_for_other_duty, &d, err) : LM_OK;

    return status != LM_OK || !d.found
               ? status
               : lm_fail(
                     err, LM_ERR_DENIED, "two_duties", "person",
                     "%.80s已有%s账号“%.80s”：系统管理员、安全管理员、审计员要由三个人分别担任。"
                     "请换一个人；如果只是同名，请在姓名后面注明，例如“张伟（办公室）”。",
                     "%.80s has the %s account \"%.80s\" already: admin, security and auditor "
                     "are three persons. Choose another person, or tell namesakes apart by "
                     "what stands behind the name.",
                     d.other.person, duty_of(d.other.role), d.other.name);
}

static bool is_name(const char *text)
{
    size_t chars = 0;

    return text[0] && lm_utf8_valid(text, strlen(text), &chars) && chars <= LM_USER_CHARS_MAX &&
           !lm_utf8_has_control(text, strlen(text)) && !strchr(text, '\n') && !strchr(text, '\t');
}

static enum lm_status check_person(const char *person, struct lm_error *err)
{
    return is_name(person) && *behind_spaces(person)
               ? LM_OK
               : lm_fail(err, LM_ERR_INVALID, "bad_text", "person", "姓名应为 1 至 %d 个字",
                         "A person's name has 1 to %d characters", LM_USER_CHARS_MAX);
}

enum lm_status lm_store_user_person(struct lm_store *store, const char *name, const char *person,
                                    struct lm_error *err)
{
    char hash[LM_PASSWORD_HASH_BYTES];
    struct lm_user user;
    struct sqlite3_stmt *stmt;
    enum lm_status status = check_person(person, err);

    if (status == LM_OK) {
        status = lm_store_user_get(store, name, &user, hash, err);
    }
    if (status == LM_ERR_NOT_FOUND) {
        return lm_fail(err, status, "no_user", "name", "没有账号 %s", "There is no account %s",
                       name);
    }
    if (status == LM_OK && !user.disabled) {
        status = check_duties(store, name, user.role, person, err);
    }
    if (status != LM_OK) {
        return status;
    }
    stmt = lm_query(store, LM_Q_USER_PERSON, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, name);
    lm_bind_text(stmt, 2, person);
    return lm_query_run(store, stmt, err);
}

/* ---- accounts ---- */

enum lm_status lm_store_user_add(struct lm_store *store, const char *name, const char *role,
                                 const char *person, const char *password, bool by_another,
                                 int64_t now_ms, struct lm_error *err)
{
    char hash[LM_PASSWORD_HASH_BYTES], id[LM_UUID_TEXT + 1];
    struct sqlite3_stmt *stmt;
    enum lm_status status = person ? check_person(person, err) : LM_OK;

    if (status != LM_OK) {
        return status;
    }
    if (!name || !is_name(name)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_text", "name", "账号名应为 1 至 64 个字",
                       "An account's name has 1 to 64 characters");
    }
    if (!known_role(role)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_code", "role",
                       "角色只能是 clerk、leader、admin、security、auditor",
                       "The role is one of clerk, leader, admin, security, auditor");
    }
    status = lm_password_check(name, password, LM_PASSWORD_CHARS_MIN, err);
    if (status == LM_OK) {
        status = check_duties(store, name, role, person ? person : name, err);
    }
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
    lm_bind_text(stmt, 7, person ? person : "");
    status = lm_query_run(store, stmt, err);
    if (status == LM_ERR_EXISTS) {
        return lm_fail(err, status, "user_exists", "name", "已有账号 %s",
                       "There is an account %s already", name);
    }
    return status == LM_OK ? lm_door_account(store, name, now_ms, err) : status;
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
    return status == LM_OK ? lm_door_account(store, name, lm_clock_wall_ms(), err) : status;
}

enum lm_status lm_store_user_disable(struct lm_store *store, const char *name, bool disabled,
                                     struct lm_error *err)
{
    char hash[LM_PASSWORD_HASH_BYTES];
    struct lm_user user;
    struct sqlite3_stmt *stmt;
    enum lm_status status = LM_OK;

    if (!disabled && lm_store_user_get(store, name, &user, hash, err) == LM_OK) {
        status = check_duties(store, name, user.role, user.person, err);
    }
    if (status != LM_OK) {
        return status;
    }
    stmt = lm_query(store, LM_Q_USER_DISABLE, err);
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
    return status == LM_OK ? lm_door_account(store, name, lm_clock_wall_ms(), err) : status;
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
