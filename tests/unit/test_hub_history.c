/* The hub's own histories (P7): incarnations, what of a node's marks the journal holds, a database
 * that was put back, and a hub that may have a living twin. */
#include "tests/unit/hub_store_world.h"

#include "hub/audit.h"

#include "common/account.h"

static void read_file(const char *path, char **data, size_t *n)
{
    OK(lm_file_read(path, 64 * 1024 * 1024, data, n, &err_));
}

/* Puts the database alone back to what `data` holds, as a copy of a file does. */
static void put_back(struct world *w, const char *data, size_t n)
{
    char path[PATH_MAX];

    lm_store_close(&w->store);
    (void)snprintf(path, sizeof path, "%s/hub.db", w->path);
    OK(lm_file_write(path, data, n, 0600, &err_));
    world_open(w);
}

static void save_copy(struct world *w, char **data, size_t *n)
{
    char path[PATH_MAX];

    lm_store_close(&w->store); /* the last connection: its log is in the file */
    (void)snprintf(path, sizeof path, "%s/hub.db", w->path);
    read_file(path, data, n);
    world_open(w);
}

/* Something that town staff do: journaled by the hub as author. */
static enum lm_status act(struct world *w, const char *code, const char *name)
{
    struct lm_station station = {.level = "village"};
    enum lm_status status;

    (void)snprintf(station.code, sizeof station.code, "%s", code);
    (void)snprintf(station.name, sizeof station.name, "%s", name);
    memset(&err_, 0, sizeof err_);
    world_begin(w);
    status = lm_store_station_add(w->store, "admin", &station, w->now, &err_);
    if (status == LM_OK) {
        world_commit(w);
    } else {
        lm_store_rollback(w->store);
    }
    return status;
}

static void test_incarnations_rise(void **state)
{
    struct world *w = *state;
    struct lm_incarnation first = lm_store_town(w->store)->incarnation, second;

    OK(lm_store_new_incarnation(w->store, "admin", "test", w->now, &err_));
    second = lm_store_town(w->store)->incarnation;
    assert_int_equal(second.counter, first.counter + 1);
    assert_true(second.random != first.random);
    lm_store_close(&w->store);
    world_open(w);
    assert_memory_equal(&lm_store_town(w->store)->incarnation, &second, sizeof second);
    /* The hub goes on as an author, in a branch of its own. */
    assert_int_equal(act(w, "999999101203", "南溪村"), LM_OK);
    assert_int_equal(verify(w), 0);
}

/* cht-core #8093, and the revocation that must not be lost with the days it was in. */
static void test_database_alone_put_back(void **state)
{
    struct world *w = *state;
    struct lm_incarnation then, now;
    struct lm_replica row;
    char *copy = NULL;
    size_t n = 0, n_revoked = 0;
    bool was = false;

    save_copy(w, &copy, &n);
    OK(lm_store_new_incarnation(w->store, "admin", "test", w->now, &err_));
    then = lm_store_town(w->store)->incarnation;
    world_begin(w);
    OK(lm_store_revoke(w->store, "admin", VILLAGE_A, 0, w->now, &n_revoked, &err_));
    world_commit(w);
    assert_int_equal(n_revoked, 1);
    put_back(w, copy, n);
    now = lm_store_town(w->store)->incarnation;
    assert_int_equal(now.counter, then.counter + 1); /* no number twice */
    OK(lm_store_replica_get(w->store, w->a.replica.number, &row));
    assert_true(row.revoked_ms != 0);
    OK(lm_store_replica_get(w->store, w->b.replica.number, &row));
    assert_true(row.revoked_ms == 0);
    OK(lm_store_was_revoked(w->store, w->a.replica.number, &was));
    assert_true(was);
    OK(lm_store_was_revoked(w->store, w->b.replica.number, &was));
    assert_false(was);
    assert_int_equal(verify(w), 0);
    free(copy);
}

/* A damaged audit log stops no backup; a restore sets it aside and begins it from the backup. */
static void test_a_damaged_audit_log(void **state)
{
    const struct lm_audit_entry entry = {
        .at_ms = 1, .user = "甲", .role = "clerk", .what = "login"};
    struct world *w = *state;
    char good[PATH_MAX], without[PATH_MAX], log[PATH_MAX];
    struct lm_audit *audit = NULL;
    struct lm_restored restored;
    struct lm_backup made;
    int64_t n = 0;
    size_t aside = 0;
    uint8_t hash[LM_HASH_BYTES];
    struct dirent *file;
    FILE *f;
    DIR *dir;

    (void)snprintf(good, sizeof good, "%s/good.db", w->path);
    (void)snprintf(without, sizeof without, "%s/without.db", w->path);
    (void)snprintf(log, sizeof log, "%s/audit.db", w->path);
    OK(lm_audit_open(&w->dir, &audit, &err_));
    OK(lm_audit_add(audit, &entry, &err_));
    lm_audit_close(&audit);
    OK(lm_store_backup(w->store, good, &made, &err_));
    f = fopen(log, "w");
    assert_non_null(f);
    for (int i = 0; i < 4096; i++) {
        (void)fputs("no", f);
    }
    assert_int_equal(fclose(f), 0);
    OK(lm_store_backup(w->store, without, &made, &err_));
    OK(lm_store_restore_stage(&w->dir, w->catalog, lm_store_town(w->store)->hub_id, "admin", good,
                              w->now, &restored, &err_));
    OK(lm_audit_open(&w->dir, &audit, &err_));
    OK(lm_audit_head(audit, &n, hash, &err_));
    lm_audit_close(&audit);
    assert_int_equal(n, 1);
    dir = opendir(w->path);
    while ((file = readdir(dir)) != NULL) {
        aside += strncmp(file->d_name, "audit.db.damaged-", 17) == 0;
    }
    (void)closedir(dir);
    assert_int_equal(aside, 1);
}

static bool opens(struct world *w, const char *name, const char *password)
{
    char hash[LM_PASSWORD_HASH_BYTES];
    struct lm_user user;

    return lm_store_user_get(w->store, name, &user, hash, &err_) == LM_OK && !user.disabled &&
           lm_password_matches(hash, password);
}

/* Who was shut out after the copy was made stays out, and a line that was cut in doors.log takes
 * none with it. */
static void test_doors_stay_shut(void **state)
{
    static const char cut[] = "1790000000000 user 6162";
    struct world *w = *state;
    char token[LM_TOKEN_TEXT], kept[LM_TOKEN_TEXT], name[260], path[PATH_MAX], *copy = NULL;
    struct lm_user user;
    char hash[LM_PASSWORD_HASH_BYTES];
    size_t n = 0;
    FILE *log;

    world_begin(w);
    OK(lm_store_user_add(w->store, "离任", "clerk", NULL, "first Password1", true, w->now, &err_));
    OK(lm_store_user_add(w->store, "改密", "clerk", NULL, "first Password2", true, w->now, &err_));
    OK(lm_store_user_add(w->store, "又开", "clerk", NULL, "first Password3", true, w->now, &err_));
    OK(lm_store_token_add(w->store, "tk", "admin", w->now, token, &err_));
    OK(lm_store_token_add(w->store, "kept", "admin", w->now, kept, &err_));
    world_commit(w);
    save_copy(w, &copy, &n);
    (void)snprintf(path, sizeof path, "%s/doors.log", w->path);
    log = fopen(path, "ae");
    assert_non_null(log);
    assert_true(fputs(cut, log) >= 0);
    assert_int_equal(fclose(log), 0);
    world_begin(w);
    OK(lm_store_user_disable(w->store, "离任", true, &err_));
    OK(lm_store_user_password(w->store, "改密", "second Password2", false, &err_));
    OK(lm_store_user_disable(w->store, "又开", true, &err_));
    OK(lm_store_user_disable(w->store, "又开", false, &err_));
    OK(lm_store_token_revoke(w->store, "tk", &err_));
    assert_int_equal(lm_store_token_revoke(w->store, "tk", &err_), LM_ERR_NOT_FOUND);
    world_commit(w);
    put_back(w, copy, n);
    assert_false(opens(w, "离任", "first Password1"));
    assert_false(opens(w, "改密", "first Password2"));
    assert_true(opens(w, "改密", "second Password2"));
    OK(lm_store_user_get(w->store, "改密", &user, hash, &err_));
    assert_false(user.must_change);
    assert_true(opens(w, "又开", "first Password3"));
    assert_int_equal(lm_store_token_name(w->store, token, name, &err_), LM_ERR_NOT_FOUND);
    OK(lm_store_token_name(w->store, kept, name, &err_));
    /* What somebody opens again on purpose stays open at the next start. */
    world_begin(w);
    OK(lm_store_user_disable(w->store, "离任", false, &err_));
    world_commit(w);
    lm_store_close(&w->store);
    world_open(w);
    assert_true(opens(w, "离任", "first Password1"));
    assert_int_equal(verify(w), 0);
    free(copy);
}

static bool revoked(struct world *w, uint64_t replica)
{
    struct lm_replica row;

    return lm_store_replica_get(w->store, replica, &row) == LM_OK && row.revoked_ms != 0;
}

static void damage(struct world *w, const char *name, bool append)
{
    char path[PATH_MAX], zeros[40] = {0};
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s", w->path, name);
    f = fopen(path, append ? "ae" : "we");
    assert_non_null(f);
    assert_int_equal(fwrite(zeros, 1, sizeof zeros, f), sizeof zeros);
    assert_int_equal(fclose(f), 0);
}

/* Zeros, as a power failure leaves them, hide no line after them. */
static void test_zeros_beside(void **state)
{
    struct world *w = *state;
    char *copy = NULL;
    size_t size = 0, n = 0;
    uint64_t counter;

    world_begin(w);
    OK(lm_store_user_add(w->store, "离任", "clerk", NULL, "first Password1", true, w->now, &err_));
    world_commit(w);
    save_copy(w, &copy, &size);
    damage(w, "revoked.log", true);
    damage(w, "doors.log", true);
    damage(w, "incarnations.log", true);
    world_begin(w);
    OK(lm_store_user_disable(w->store, "离任", true, &err_));
    OK(lm_store_revoke(w->store, "admin", VILLAGE_A, 0, w->now, &n, &err_));
    world_commit(w);
    OK(lm_store_new_incarnation(w->store, "admin", "test", w->now, &err_));
    counter = lm_store_town(w->store)->incarnation.counter;
    put_back(w, copy, size);
    assert_false(opens(w, "离任", "first Password1"));
    assert_true(revoked(w, w->a.replica.number));
    assert_true(lm_store_town(w->store)->incarnation.counter > counter);
    free(copy);
}

/* A file that is lost or written over is made again from the database, at the next start. */
static void test_files_beside_made_again(void **state)
{
    struct world *w = *state;
    char *copy = NULL;
    size_t size = 0, n = 0;
    uint64_t counter;

    world_begin(w);
    OK(lm_store_user_add(w->store, "离任", "clerk", NULL, "first Password1", true, w->now, &err_));
    OK(lm_store_user_add(w->store, "改密", "clerk", NULL, "first Password2", true, w->now, &err_));
    world_commit(w);
    save_copy(w, &copy, &size);
    world_begin(w);
    OK(lm_store_user_disable(w->store, "离任", true, &err_));
    OK(lm_store_user_password(w->store, "改密", "second Password2", false, &err_));
    OK(lm_store_revoke(w->store, "admin", VILLAGE_A, 0, w->now, &n, &err_));
    world_commit(w);
    OK(lm_store_new_incarnation(w->store, "admin", "test", w->now, &err_));
    counter = lm_store_town(w->store)->incarnation.counter;
    damage(w, "revoked.log", false);
    damage(w, "doors.log", false);
    damage(w, "incarnations.log", false);
    lm_store_close(&w->store);
    world_open(w);
    put_back(w, copy, size);
    assert_false(opens(w, "离任", "first Password1"));
    assert_true(opens(w, "改密", "second Password2"));
    assert_true(revoked(w, w->a.replica.number));
    assert_true(lm_store_town(w->store)->incarnation.counter > counter);
    assert_int_equal(verify(w), 0);
    free(copy);
}

/* The last line of an account cannot be read: the one before it does not open what was shut since,
 * and does not bring back a password. */
static void test_last_line_damaged(void **state)
{
    struct world *w = *state;
    char path[PATH_MAX], *text = NULL;
    size_t n = 0;

    world_begin(w);
    OK(lm_store_user_add(w->store, "离任", "clerk", NULL, "first Password1", true, w->now, &err_));
    OK(lm_store_user_password(w->store, "离任", "second Password1", false, &err_));
    OK(lm_store_user_disable(w->store, "离任", true, &err_));
    world_commit(w);
    lm_store_close(&w->store);
    (void)snprintf(path, sizeof path, "%s/doors.log", w->path);
    read_file(path, &text, &n);
    text[n - 30] ^= 1;
    OK(lm_file_write(path, text, n, 0600, &err_));
    free(text);
    world_open(w);
    assert_false(opens(w, "离任", "second Password1"));
    world_begin(w);
    OK(lm_store_user_disable(w->store, "离任", false, &err_));
    world_commit(w);
    assert_true(opens(w, "离任", "second Password1"));
}

/* doors.log is rewritten when it is large: of each account and token the last word. */
static void test_doors_are_bounded(void **state)
{
    struct world *w = *state;
    char path[PATH_MAX], *copy = NULL, *line = NULL;
    size_t n = 0, n_line = 0;
    struct stat st;
    FILE *log;

    world_begin(w);
    OK(lm_store_user_add(w->store, "别人", "clerk", NULL, "first Password0", true, w->now, &err_));
    OK(lm_store_user_add(w->store, "离任", "clerk", NULL, "first Password1", true, w->now, &err_));
    world_commit(w);
    save_copy(w, &copy, &n);
    (void)snprintf(path, sizeof path, "%s/doors.log", w->path);
    read_file(path, &line, &n_line);
    world_begin(w);
    OK(lm_store_user_disable(w->store, "离任", true, &err_));
    world_commit(w);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true((size_t)st.st_size > n_line);
    log = fopen(path, "ae"); /* the same of another account, many times */
    assert_non_null(log);
    for (size_t i = 0; i < 1200000 / (strcspn(line, "\n") + 1); i++) {
        assert_true(fwrite(line, 1, strcspn(line, "\n") + 1, log) > 0);
    }
    assert_int_equal(fclose(log), 0);
    world_begin(w);
    OK(lm_store_user_add(w->store, "新来", "clerk", NULL, "first Password2", true, w->now, &err_));
    world_commit(w);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 4096);
    put_back(w, copy, n);
    assert_false(opens(w, "离任", "first Password1"));
    free(line);
    free(copy);
}

static void test_read_only_until_raised(void **state)
{
    struct world *w = *state;
    uint64_t before = lm_store_town(w->store)->incarnation.counter;

    OK(lm_store_may_write(w->store, &err_));
    OK(lm_store_set_rival(w->store, before + 7, w->now, &err_));
    assert_int_equal(lm_store_may_write(w->store, &err_), LM_ERR_DENIED);
    assert_string_equal(err_.code, "read_only");
    lm_store_close(&w->store); /* a restart does not mend it */
    world_open(w);
    assert_int_equal(lm_store_may_write(w->store, NULL), LM_ERR_DENIED);
    assert_int_equal(act(w, "999999101203", "南溪村"), LM_ERR_DENIED);
    assert_string_equal(err_.code, "read_only");
    OK(lm_store_new_incarnation(w->store, "admin", "raised", w->now, &err_));
    assert_int_equal(lm_store_town(w->store)->incarnation.counter, before + 8);
    assert_int_equal(act(w, "999999101203", "南溪村"), LM_OK);
    assert_int_equal(verify(w), 0);
}

/* sync_gateway #1090, #6837: the journal that was set back uses the same positions again. */
static void test_common_point(void **state)
{
    struct world *w = *state;
    struct lm_short_mark checkpoints[3];
    struct lm_msg_hello hello = {.checkpoints = checkpoints};
    struct lm_mark old, mid, lost, head;
    char *copy = NULL, id[40];
    size_t n = 0;
    uint64_t common;
    bool held;

    OK(lm_store_head(w->store, &old));
    pc_person(w, &w->a, "王一", 1, id);
    push_all(w, &w->a);
    OK(lm_store_head(w->store, &mid));
    save_copy(w, &copy, &n);
    pc_person(w, &w->a, "王二", 2, id);
    push_all(w, &w->a);
    OK(lm_store_head(w->store, &lost));
    put_back(w, copy, n);
    pc_person(w, &w->b, "赵三", 3, id);
    pc_person(w, &w->b, "赵四", 4, id);
    push_all(w, &w->b);
    OK(lm_store_head(w->store, &head));
    assert_true(head.position > lost.position); /* grown past it */

    hello.seen = lost;
    hello.proof.mark = lost;
    OK(lm_store_common(w->store, &hello, &common, &held));
    assert_int_equal(common, 0);
    assert_false(held);
    for (int i = 0; i < 3; i++) {
        const struct lm_mark *mark = i == 0 ? &old : i == 1 ? &mid : &lost;

        checkpoints[i].position = mark->position;
        memcpy(checkpoints[i].prefix, mark->hash, LM_MARK_PREFIX_BYTES);
    }
    hello.n_checkpoints = 3;
    hello.proof.mark = mid;
    OK(lm_store_common(w->store, &hello, &common, &held));
    assert_int_equal(common, mid.position);
    assert_true(held);
    hello.seen = head;
    OK(lm_store_common(w->store, &hello, &common, &held));
    assert_int_equal(common, head.position);
    hello.seen = (struct lm_mark){0}; /* a node that has seen nothing */
    OK(lm_store_common(w->store, &hello, &common, &held));
    assert_int_equal(common, 0);
    free(copy);
}

/* A revocation that could not be committed holds at the next start, and is said to. */
static void test_revocation_not_committed(void **state)
{
    struct world *w = *state;
    struct lm_replica row;
    size_t n = 0;

    world_begin(w);
    OK(lm_store_revoke(w->store, "", VILLAGE_A, w->a.replica.number, w->now, &n, &err_));
    assert_int_equal(lm_store_revoke_failed(w->store, LM_ERR_FULL, &err_), LM_ERR_FULL);
    assert_string_equal(err_.code, "revoked_at_restart");
    lm_store_rollback(w->store);
    OK(lm_store_replica_get(w->store, w->a.replica.number, &row));
    assert_int_equal(row.revoked_ms, 0);
    lm_store_close(&w->store);
    world_open(w);
    OK(lm_store_replica_get(w->store, w->a.replica.number, &row));
    assert_true(row.revoked_ms != 0);
    /* Nothing was written: the failure is only a failure. */
    world_begin(w);
    assert_int_equal(lm_store_revoke(w->store, "", "999999101299", 0, w->now, &n, &err_),
                     LM_ERR_NOT_FOUND);
    assert_int_equal(lm_store_revoke_failed(w->store, LM_ERR_NOT_FOUND, &err_), LM_ERR_NOT_FOUND);
    assert_string_equal(err_.code, "no_station");
    lm_store_rollback(w->store);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(test_incarnations_rise),
        T(test_doors_stay_shut),
        T(test_a_damaged_audit_log),
        T(test_doors_are_bounded),
        T(test_zeros_beside),
        T(test_files_beside_made_again),
        T(test_last_line_damaged),
        T(test_database_alone_put_back),
        T(test_read_only_until_raised),
        T(test_common_point),
        T(test_revocation_not_committed),
    };

    return cmocka_run_group_tests_name("hub_history", tests, NULL, NULL);
}
