/* What was shut stays shut when an older database comes back: accounts of the town, and the tokens
 * of addresses for spreadsheets.
 *
 * doors.log lies beside the database, like revoked.log, so that a restore, or a snapshot put back
 * in silence, does not take it along. Each act on an account writes a line with all that decides
 * who comes in by it, after the row was written and before COMMIT; the last line of an account
 * holds. A line that was written for a COMMIT that failed holds from the hub's next start on.
 *
 *   AT_MS user NAME_HEX ROLE DISABLED MUST_CHANGE VERIFIER CHECK
 *   AT_MS token HASH_HEX CHECK                                     (revoked)
 *
 * CHECK is the start of the hash of what stands before it: a line that a power failure has cut, or
 * that somebody has edited, is none. The verifier is what the database holds too (argon2id); the
 * file is its owner's alone. An account that this database does not know is left alone: a name that
 * is given out again has a line of its own. */
#include "hub/store/store_internal.h"

#include "common/account.h"
#include "common/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    CHECK_BYTES = 8,
    LINE_BYTES_MAX = 1200, /* a name of 256 bytes in hex, a verifier, and the rest */
    COMPACT_BYTES = 1024 * 1024,
    /* Accounts and revoked tokens that are remembered; the oldest go first. A town makes some dozen
     * a year, and 10,000 lines stay within what lm_beside_lines reads. */
    DOORS_MAX = 10000,
};

static const char doors_file[] = "doors.log";

/* ---- lines ---- */

static void check_of(const char *text, size_t n, char out[2 * CHECK_BYTES + 1])
{
    uint8_t hash[LM_HASH_BYTES];

    lm_hash(hash, "lastmile door", 13, text, n, NULL, 0);
    lm_hex_encode(hash, CHECK_BYTES, out);
}

/* Where the line's check begins, or NULL: it is not whole. */
static const char *whole(const char *line)
{
    const char *last = strrchr(line, ' ');
    char check[2 * CHECK_BYTES + 1];

    if (!last) {
        return NULL;
    }
    check_of(line, (size_t)(last - line), check);
    return strcmp(last + 1, check) == 0 ? last : NULL;
}

struct door {
    char *line;
    const char *key; /* "user NAME_HEX" or "token HASH_HEX", in line */
    size_t key_len, at;
};
struct doors {
    struct door *door;
    size_t n, size;
    size_t seen, bad; /* lines; the number of the last one that could not be read, 0 = none */
};

static void doors_free(struct doors *d)
{
    for (size_t i = 0; i < d->n; i++) {
        free(d->door[i].line);
    }
    free(d->door);
    *d = (struct doors){0};
}

static enum lm_status take_line(void *arg, const char *line)
{
    struct doors *d = arg;
    const char *key = strchr(line, ' '), *end;
    struct door *door;

    d->seen++;
    end = whole(line) && key && strlen(line) < LINE_BYTES_MAX ? strchr(key + 1, ' ') : NULL;
    end = end ? strchr(end + 1, ' ') : NULL;
    if (!end) {
        d->bad = d->seen;
        return LM_OK;
    }
    if (d->n == d->size) {
        size_t size = d->size ? 2 * d->size : 64;
        void *grown = realloc(d->door, size * sizeof *d->door);

        if (!grown) {
            return LM_ERR_MEMORY;
        }
        d->door = grown;
        d->size = size;
    }
    door = &d->door[d->n];
    *door = (struct door){.line = strdup(line), .at = d->seen};
    if (!door->line) {
        return LM_ERR_MEMORY;
    }
    door->key = door->line + (key + 1 - line);
    door->key_len = (size_t)(end - key - 1);
    d->n++;
    return LM_OK;
}

static int by_key(const void *a, const void *b)
{
    const struct door *x = a, *y = b;
    size_t n = x->key_len < y->key_len ? x->key_len : y->key_len;
    int order = memcmp(x->key, y->key, n);

    if (order == 0 && x->key_len != y->key_len) {
        return x->key_len < y->key_len ? -1 : 1;
    }
    return order ? order : x->at < y->at ? -1 : 1;
}

static int by_age(const void *a, const void *b)
{
    const struct door *x = a, *y = b;

    return x->at < y->at ? -1 : 1;
}

/* The last line of each, in the order in which they were written. */
static enum lm_status read_doors(const struct lm_store *store, struct doors *d,
                                 struct lm_error *err)
{
    size_t n = 0;
    enum lm_status status = lm_beside_lines(store, doors_file, take_line, d, err);

    if (status != LM_OK || d->n == 0) {
        return status;
    }
    qsort(d->door, d->n, sizeof *d->door, by_key);
    for (size_t i = 0; i < d->n; i++) {
        const struct door *next = i + 1 < d->n ? &d->door[i + 1] : NULL;

        if (next && next->key_len == d->door[i].key_len &&
            memcmp(next->key, d->door[i].key, next->key_len) == 0) {
            free(d->door[i].line);
        } else {
            d->door[n++] = d->door[i];
        }
    }
    d->n = n;
    qsort(d->door, d->n, sizeof *d->door, by_age);
    return LM_OK;
}

/* Keeps the last line of each, and of those the newest DOORS_MAX. */
static enum lm_status compact(const struct lm_store *store, const char *path, struct lm_error *err)
{
    struct doors d = {0};
    struct lm_buf text;
    enum lm_status status = read_doors(store, &d, err);

    lm_buf_init(&text, (size_t)DOORS_MAX * LINE_BYTES_MAX);
    for (size_t i = d.n > DOORS_MAX ? d.n - DOORS_MAX : 0; i < d.n; i++) {
        lm_buf_printf(&text, "%s\n", d.door[i].line);
    }
    status = status == LM_OK ? text.status : status;
    if (status == LM_OK) {
        status = lm_file_write(path, text.data, text.len, 0600, err);
    }
    lm_buf_free(&text);
    doors_free(&d);
    return status;
}

static enum lm_status append(const struct lm_store *store, const char *text, struct lm_error *err)
{
    char line[LINE_BYTES_MAX + 4 * CHECK_BYTES], check[2 * CHECK_BYTES + 1], path[PATH_MAX];
    struct stat st;
    enum lm_status status = LM_OK;

    check_of(text, strlen(text), check);
    (void)snprintf(line, sizeof line, "%s %s\n", text, check);
    if (lm_datadir_path(&store->dir, doors_file, path, sizeof path) == LM_OK &&
        stat(path, &st) == 0 && st.st_size > COMPACT_BYTES) {
        status = compact(store, path, err);
    }
    return status == LM_OK ? lm_beside_append(store, doors_file, line, err) : status;
}

/* ---- written ---- */

static void account_text(const struct lm_user *user, const char *verifier, int64_t now_ms,
                         char text[LINE_BYTES_MAX])
{
    char hex[2 * sizeof user->name + 1];

    lm_hex_encode((const uint8_t *)user->name, strlen(user->name), hex);
    (void)snprintf(text, LINE_BYTES_MAX, "%" PRId64 " user %s %s %d %d %s", now_ms, hex, user->role,
                   (int)user->disabled, (int)user->must_change, verifier);
}

enum lm_status lm_door_account(struct lm_store *store, const char *name, int64_t now_ms,
                               struct lm_error *err)
{
    char text[LINE_BYTES_MAX], hash[LM_PASSWORD_HASH_BYTES];
    struct lm_user user;
    enum lm_status status = lm_store_user_get(store, name, &user, hash, err);

    if (status != LM_OK) {
        return status;
    }
    account_text(&user, hash, now_ms, text);
    return append(store, text, err);
}

enum lm_status lm_door_token(struct lm_store *store, const uint8_t hash[LM_HASH_BYTES],
                             int64_t now_ms, struct lm_error *err)
{
    char text[LINE_BYTES_MAX], hex[2 * LM_HASH_BYTES + 1];

    lm_hex_encode(hash, LM_HASH_BYTES, hex);
    (void)snprintf(text, sizeof text, "%" PRId64 " token %s", now_ms, hex);
    return append(store, text, err);
}

/* ---- written again ---- */

struct noting {
    struct lm_store *store;
    struct doors doors;
    int64_t now_ms;
    struct lm_error *err;
    enum lm_status status;
};

static const struct door *last_of(const struct doors *d, const char *key, size_t n)
{
    for (size_t i = 0; i < d->n; i++) {
        if (d->door[i].key_len == n && memcmp(d->door[i].key, key, n) == 0) {
            return &d->door[i];
        }
    }
    return NULL;
}

static bool note_account(void *arg, const struct lm_user *user)
{
    struct noting *n = arg;
    char text[LINE_BYTES_MAX], hash[LM_PASSWORD_HASH_BYTES];
    struct lm_user same;
    const struct door *last;
    const char *key;
    int disabled = 0;

    n->status = lm_store_user_get(n->store, user->name, &same, hash, n->err);
    if (n->status != LM_OK) {
        return false;
    }
    account_text(&same, hash, n->now_ms, text);
    key = strchr(text, ' ') + 1;
    last = last_of(&n->doors, key, (size_t)(strchr(strchr(key, ' ') + 1, ' ') - key));
    if (last) {
        (void)sscanf(last->key, "user %*s %*s %d", &disabled);
        /* A line that cannot be read may have been its last one: then what is shut in either stays
         * shut, and else the database is right. */
        if (last->at > n->doors.bad || (disabled && !same.disabled) ||
            strncmp(last->key, key, strlen(key)) == 0) {
            return true;
        }
    }
    lm_log(LM_LOG_WARN, "store", "%s did not have account %s as it is: added", doors_file, same.id);
    n->status = append(n->store, text, n->err);
    return n->status == LM_OK;
}

enum lm_status lm_doors_note(struct lm_store *store, int64_t now_ms, struct lm_error *err)
{
    struct noting n = {.store = store, .now_ms = now_ms, .err = err};
    enum lm_status status = read_doors(store, &n.doors, err);

    if (status == LM_OK && n.doors.bad > 0) {
        lm_log(LM_LOG_WARN, "store", "%s: line %zu cannot be read", doors_file, n.doors.bad);
    }
    if (status == LM_OK) {
        status = lm_store_users(store, note_account, &n, err);
    }
    doors_free(&n.doors);
    return status == LM_OK ? n.status : status;
}

/* ---- shut again ---- */

static enum lm_status shut_token(struct lm_store *store, const char *hex, struct lm_error *err)
{
    uint8_t hash[LM_HASH_BYTES];
    struct sqlite3_stmt *stmt;
    enum lm_status status;

    if (strlen(hex) != 2 * LM_HASH_BYTES || !lm_hex_decode(hex, hash, LM_HASH_BYTES)) {
        return LM_OK;
    }
    stmt = lm_query(store, LM_Q_TOKEN_SHUT, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_blob(stmt, 1, hash, sizeof hash);
    status = lm_query_run(store, stmt, err);
    if (status == LM_OK && sqlite3_changes(store->sql) > 0) {
        lm_log(LM_LOG_WARN, "store", "an address for spreadsheets was revoked before: shut again");
    }
    return status;
}

static enum lm_status shut_account(struct lm_store *store, const char *hex, const char *role,
                                   bool disabled, bool must_change, const char *verifier,
                                   int64_t now_ms, struct lm_error *err)
{
    char hash[LM_PASSWORD_HASH_BYTES], name[sizeof((struct lm_user *)0)->name];
    struct lm_user user;
    struct sqlite3_stmt *stmt;
    size_t n = strlen(hex) / 2;
    enum lm_status status;

    if (n == 0 || n >= sizeof name || !lm_hex_decode(hex, (uint8_t *)name, n) ||
        !lm_password_hash_usable(verifier)) {
        return LM_OK;
    }
    name[n] = '\0';
    status = lm_store_user_get(store, name, &user, hash, err);
    if (status != LM_OK) {
        return status == LM_ERR_NOT_FOUND ? LM_OK : status;
    }
    if (user.disabled && !disabled) { /* whoever opens it again says so in this database too */
        return lm_door_account(store, name, now_ms, err);
    }
    if (user.disabled == disabled && strcmp(user.role, role) == 0 && strcmp(hash, verifier) == 0) {
        return LM_OK;
    }
    stmt = lm_query(store, LM_Q_USER_SHUT, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, name);
    lm_bind_text(stmt, 2, role);
    lm_bind_text(stmt, 3, verifier);
    (void)sqlite3_bind_int(stmt, 4, disabled);
    (void)sqlite3_bind_int(stmt, 5, must_change);
    status = lm_query_run(store, stmt, err);
    lm_log(LM_LOG_WARN, "store", "account %s was changed later than this database: %s", user.id,
           disabled ? "disabled again" : "its last password and role hold");
    return status;
}

enum lm_status lm_doors_again(struct lm_store *store, int64_t now_ms, struct lm_error *err)
{
    struct doors d = {0};
    enum lm_status status = read_doors(store, &d, err);

    for (size_t i = 0; i < d.n && status == LM_OK; i++) {
        char hex[600], role[32], verifier[LM_PASSWORD_HASH_BYTES];
        int disabled, must_change;

        if (sscanf(d.door[i].key, "token %599s", hex) == 1) {
            status = shut_token(store, hex, err);
        } else if (sscanf(d.door[i].key, "user %599s %31s %d %d %127s", hex, role, &disabled,
                          &must_change, verifier) == 5) {
            status = shut_account(store, hex, role, disabled != 0, must_change != 0, verifier,
                                  now_ms, err);
        }
    }
    doors_free(&d);
    return status;
}
