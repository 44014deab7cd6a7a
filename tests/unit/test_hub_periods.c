/* Locked reporting periods: by whatever way a lock or a record comes in, what is verified inside
 * one is locked with it in one commit, nothing gets in unseen, and nothing that comes late is lost.
 */
#include "tests/unit/hub_store_world.h"

#include "hub/acts.h"

#include <sqlite3.h>

static struct lm_act_result done;

static enum lm_status act(struct world *w, const char *type, const char *id, enum lm_op op,
                          json_t *fields)
{
    const struct lm_act a = {.user = "张主任",
                             .station = type ? VILLAGE_A : NULL,
                             .type = type,
                             .id = id,
                             .fields = fields,
                             .op = op};
    enum lm_status status;

    world_begin(w);
    memset(&err_, 0, sizeof err_);
    status = lm_store_act(w->store, &a, w->now, &done, &err_);
    if (status == LM_OK) {
        world_commit(w);
    } else {
        lm_store_rollback(w->store);
    }
    w->now += 1000;
    json_decref(fields);
    return status;
}

static json_t *on_day(const char *day, const char *state)
{
    return json_pack("{s:s,s:s,s:s,s:i,s:s}", "on", day, "channel", "phone", "topic", "policy",
                     "item_count", 1, "state", state);
}

static void enter(struct world *w, const char *day, const char *state, char id[40])
{
    OK(act(w, "consultation", NULL, LM_OP_CREATE, on_day(day, state)));
    (void)snprintf(id, 40, "%s", done.id);
}

/* The first quarter's lock, submitted. */
static void quarter(struct world *w, char id[40])
{
    const struct lm_act a = {.user = "张主任",
                             .type = "period_lock",
                             .fields = json_pack("{s:s,s:s,s:s}", "from_on", "2026-01-01", "to_on",
                                                 "2026-03-31", "locked_on", "2026-07-01"),
                             .op = LM_OP_CREATE};

    world_begin(w);
    OK(lm_store_act(w->store, &a, w->now, &done, &err_));
    world_commit(w);
    json_decref((json_t *)(uintptr_t)a.fields);
    w->now += 1000;
    (void)snprintf(id, 40, "%s", done.id);
}

static void approve(struct world *w, const char *id)
{
    json_t *left = json_array();
    size_t n = 0;

    world_begin(w);
    OK(lm_approve_one(w->store, "李镇长", "verified", id, w->now, left, &n, &err_));
    world_commit(w);
    w->now += 1000;
    assert_int_equal(n, 1);
    json_decref(left);
}

static void send_back(struct world *w, const char *id)
{
    world_begin(w);
    OK(lm_send_back(w->store, "王书记", id, "还要补录", w->now, &err_));
    world_commit(w);
    w->now += 1000;
}

static const char *state_of(struct world *w, const char *id)
{
    return lm_record_text(get(w, "consultation", id), LM_C_STATE);
}

static void test_the_lock_takes_them_along(void **state)
{
    struct world *w = *state;
    char lock[40], in[40], out[40], waiting[40];

    enter(w, "2026-03-31", "verified", in);
    enter(w, "2026-04-01", "verified", out);
    enter(w, "2026-02-01", "submitted", waiting);
    quarter(w, lock);
    assert_string_equal(state_of(w, in), "verified");
    approve(w, lock); /* by the store's acts alone: no page, no server */
    assert_string_equal(state_of(w, in), "locked");
    assert_string_equal(state_of(w, out), "verified");
    assert_string_equal(state_of(w, waiting), "submitted");
    approve(w, waiting); /* what is verified after the lock is locked too */
    assert_string_equal(state_of(w, waiting), "locked");
    assert_int_equal(act(w, NULL, in, LM_OP_EDIT, json_pack("{s:i}", "item_count", 9)),
                     LM_ERR_DENIED);
    assert_string_equal(err_.code, "locked");
    assert_int_equal(act(w, NULL, in, LM_OP_DELETE, json_pack("{s:s}", "delete_reason", "试")),
                     LM_ERR_DENIED);
    send_back(w, lock);
    assert_string_equal(state_of(w, in), "verified");
    assert_string_equal(state_of(w, waiting), "verified");
    OK(act(w, NULL, in, LM_OP_EDIT, json_pack("{s:i}", "item_count", 9)));
    assert_int_equal(verify(w), 0);
}

/* Two locks over one day: it is open when both are. */
static void test_two_locks(void **state)
{
    struct world *w = *state;
    char lock[40], half[40], in[40];

    enter(w, "2026-03-31", "verified", in);
    quarter(w, lock);
    approve(w, lock);
    OK(act(w, "period_lock", NULL, LM_OP_CREATE,
           json_pack("{s:s,s:s,s:s,s:s}", "from_on", "2026-01-01", "to_on", "2026-06-30",
                     "locked_on", "2026-07-01", "state", "verified")));
    (void)snprintf(half, sizeof half, "%s", done.id);
    send_back(w, lock);
    assert_string_equal(state_of(w, in), "locked");
    send_back(w, half);
    assert_string_equal(state_of(w, in), "verified");
    assert_int_equal(verify(w), 0);
}

static void test_staff_are_refused(void **state)
{
    struct world *w = *state;
    char lock[40], in[40], out[40];
    json_t *fields;

    enter(w, "2026-03-31", "verified", in);
    enter(w, "2026-04-01", "submitted", out);
    quarter(w, lock);
    approve(w, lock);
    assert_int_equal(act(w, "consultation", NULL, LM_OP_CREATE, on_day("2026-01-01", "submitted")),
                     LM_ERR_DENIED);
    assert_string_equal(err_.code, "period_locked");
    assert_string_equal(err_.field, "on");
    assert_non_null(strstr(err_.zh, "2026-01-01 至 2026-03-31"));
    assert_int_equal(act(w, NULL, out, LM_OP_EDIT, json_pack("{s:s}", "on", "2026-03-30")),
                     LM_ERR_DENIED);
    assert_string_equal(err_.code, "period_locked");
    enter(w, "2026-01-01", "draft", out);
    assert_int_equal(act(w, NULL, out, LM_OP_EDIT, json_pack("{s:s}", "state", "submitted")),
                     LM_ERR_DENIED);
    fields = on_day("2026-03-31", "submitted");
    json_object_set_new(fields, "correction_of", json_string(in));
    OK(act(w, "consultation", NULL, LM_OP_CREATE, fields));
    send_back(w, lock);
    enter(w, "2026-01-01", "submitted", in);
    assert_int_equal(verify(w), 0);
}

static uint64_t held_position;
static char held_code[40], held_text[400];

static bool take_held(void *arg, const json_t *row)
{
    (void)arg;
    held_position = (uint64_t)json_integer_value(json_object_get(row, "position"));
    (void)snprintf(held_code, sizeof held_code, "%s",
                   json_string_value(json_object_get(row, "code")));
    (void)snprintf(held_text, sizeof held_text, "%s",
                   json_string_value(json_object_get(row, "text")));
    return true;
}

static void village_enters(struct world *w, const char *day, char id[40])
{
    json_t *fields = on_day(day, "submitted");

    new_id(w, id);
    (void)pc_add(w, &w->a, "consultation", id, LM_OP_CREATE, fields, (struct lm_version){0, 0});
    json_decref(fields);
    push_all(w, &w->a);
    w->now += 1000;
}

/* A village's late record waits; it is neither counted unseen nor lost. */
static void test_what_comes_late_waits(void **state)
{
    struct world *w = *state;
    char lock[40], first[40], second[40], third[40], open[40];

    quarter(w, lock);
    approve(w, lock);
    village_enters(w, "2026-04-02", open);
    assert_string_equal(state_of(w, open), "submitted");
    village_enters(w, "2026-02-01", first);
    assert_int_equal(totals(w).held, 1);
    assert_null(get(w, "consultation", first));
    OK(lm_store_held(w->store, take_held, NULL, &err_));
    assert_string_equal(held_code, "period_locked");
    assert_non_null(strstr(held_text, "2026-01-01 至 2026-03-31"));
    world_begin(w);
    OK(lm_store_release(w->store, "张主任", held_position, w->now, &err_));
    world_commit(w);
    assert_string_equal(state_of(w, first), "submitted");
    approve(w, first);
    assert_string_equal(state_of(w, first), "locked");
    village_enters(w, "2026-02-02", second);
    OK(lm_store_held(w->store, take_held, NULL, &err_));
    world_begin(w);
    OK(lm_store_refuse(w->store, "张主任", held_position, "已报县", w->now, &err_));
    world_commit(w);
    assert_null(get(w, "consultation", second));
    village_enters(w, "2026-02-03", third);
    assert_int_equal(totals(w).held, 1);
    assert_int_equal(verify(w), 0);
    send_back(w, lock); /* opened: what waited for that is taken in */
    assert_int_equal(totals(w).held, 0);
    assert_string_equal(state_of(w, third), "submitted");
    assert_int_equal(verify(w), 0);
}

/* More than one commit takes: the rest is noted with the lock, and done at the next start. */
static void test_more_than_a_commit_takes(void **state)
{
    enum { MANY = 1100 };
    struct world *w = *state;
    static char ids[MANY][40];
    char lock[40];
    size_t n = 0;
    bool more = true;

    world_begin(w);
    for (int i = 0; i < MANY; i++) {
        const struct lm_act a = {.user = "张主任",
                                 .station = VILLAGE_A,
                                 .type = "consultation",
                                 .fields = on_day("2026-02-01", "verified"),
                                 .op = LM_OP_CREATE};

        OK(lm_store_act(w->store, &a, w->now, &done, &err_));
        (void)snprintf(ids[i], sizeof ids[i], "%s", done.id);
        json_decref((json_t *)(uintptr_t)a.fields);
    }
    world_commit(w);
    quarter(w, lock);
    approve(w, lock);
    for (int i = 0; i < MANY; i++) {
        n += strcmp(state_of(w, ids[i]), "locked") == 0;
    }
    assert_int_equal(n, 1000);
    lm_store_close(&w->store); /* killed here, the lock is not left with open records */
    world_open(w);
    for (int i = 0; i < MANY; i++) {
        assert_string_equal(state_of(w, ids[i]), "locked");
    }
    send_back(w, lock);
    for (int i = 0; more; i++) { /* or by the ticks of a running hub */
        OK(lm_store_periods_more(w->store, w->now, &more, &err_));
        assert_true(i < 3);
    }
    for (int i = 0; i < MANY; i++) {
        assert_string_equal(state_of(w, ids[i]), "verified");
    }
    assert_int_equal(verify(w), 0);
}

static bool take_row(void *arg, const json_t *row)
{
    return json_array_append(arg, (json_t *)(uintptr_t)row) == 0;
}

/* Of the one open conflict: the value that stands, or the other. */
static enum lm_status choose(struct world *w, bool stands)
{
    json_t *rows = json_array(), *row, *sibling;
    char conflict[80];
    int keep = 0;
    size_t i;
    enum lm_status status;

    OK(lm_store_conflicts(w->store, take_row, rows, &err_));
    assert_int_equal(json_array_size(rows), 1);
    row = json_array_get(rows, 0);
    (void)snprintf(conflict, sizeof conflict, "%s", json_string_value(json_object_get(row, "id")));
    json_array_foreach(json_object_get(row, "siblings"), i, sibling)
    {
        if (json_is_true(json_object_get(sibling, "stands")) == stands) {
            keep = (int)json_integer_value(json_object_get(sibling, "n"));
        }
    }
    json_decref(rows);
    world_begin(w);
    status = lm_store_resolve(w->store, "张主任", conflict, keep, w->now, &done, &err_);
    world_commit(w);
    w->now += 1000;
    return status;
}

/* Nor does a choice between two versions get past a lock. */
static void test_a_choice_is_a_change_too(void **state)
{
    struct world *w = *state;
    char lock[40], in[40], person[40], visit[40];
    json_t *fields = on_day("2026-02-01", "submitted");
    struct lm_version made;

    new_id(w, in);
    made = pc_add(w, &w->a, "consultation", in, LM_OP_CREATE, fields, (struct lm_version){0, 0});
    json_decref(fields);
    push_all(w, &w->a);
    fields = json_pack("{s:i}", "item_count", 7);
    (void)pc_add(w, &w->a, "consultation", in, LM_OP_EDIT, fields, made);
    json_decref(fields);
    OK(act(w, NULL, in, LM_OP_EDIT, json_pack("{s:i}", "item_count", 9)));
    push_all(w, &w->a);
    OK(act(w, NULL, in, LM_OP_EDIT, json_pack("{s:s}", "state", "verified")));
    quarter(w, lock);
    approve(w, lock);
    assert_string_equal(state_of(w, in), "locked");
    assert_int_equal(choose(w, false), LM_ERR_DENIED);
    assert_string_equal(err_.code, "locked");
    OK(choose(w, true));
    assert_int_equal(totals(w).conflicts, 0);
    assert_string_equal(state_of(w, in), "locked");

    (void)pc_person(w, &w->a, "王建国", 1, person);
    fields = visit_json(person);
    new_id(w, visit);
    made = pc_add(w, &w->a, "visit", visit, LM_OP_CREATE, fields, (struct lm_version){0, 0});
    json_decref(fields);
    push_all(w, &w->a);
    (void)pc_set(w, &w->a, "visit", visit, "visit_on", "2026-08-31", made);
    OK(act(w, NULL, visit, LM_OP_EDIT, json_pack("{s:s}", "visit_on", "2026-08-01")));
    push_all(w, &w->a);
    OK(act(w, "period_lock", NULL, LM_OP_CREATE,
           json_pack("{s:s,s:s,s:s,s:s}", "from_on", "2026-07-01", "to_on", "2026-08-15",
                     "locked_on", "2026-09-01", "state", "verified")));
    assert_string_equal(text(get(w, "visit", visit), "visit_on"), "2026-08-31");
    assert_int_equal(choose(w, false), LM_ERR_DENIED);
    assert_string_equal(err_.code, "period_locked");
    assert_string_equal(text(get(w, "visit", visit), "visit_on"), "2026-08-31");
    OK(choose(w, true));
    assert_int_equal(verify(w), 0);
}

static sqlite3 *open_beside(struct world *w)
{
    char path[PATH_MAX];
    sqlite3 *db = NULL;

    assert_int_equal(lm_datadir_path(&w->dir, "hub.db", path, sizeof path), LM_OK);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static const char *plaque_state(struct world *w, const char *id)
{
    return lm_record_text(get(w, "plaque", id), LM_C_STATE);
}

static int locked_rows(struct world *w)
{
    sqlite3 *db = open_beside(w);
    sqlite3_stmt *stmt = NULL;
    int n;

    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM r_plaque WHERE state = 'locked'",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    n = sqlite3_column_int(stmt, 0);
    (void)sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return n;
}

/* What cannot follow its lock (here: of a plaque whose holder has died since) neither holds up the
 * rest nor keeps the hub from starting. */
static void test_what_cannot_follow_holds_up_nothing(void **state)
{
    enum { STUCK = 2100, GOOD = 30 };
    struct world *w = *state;
    static char good[GOOD][40];
    char lock[40], person[40];
    sqlite3 *db = NULL;
    bool more = true;

    (void)pc_person(w, &w->a, "张三", 1, person);
    push_all(w, &w->a);
    world_begin(w);
    for (int i = 0; i < STUCK + GOOD; i++) {
        char household[16];
        struct lm_act a = {
            .user = "张主任", .station = VILLAGE_A, .type = "plaque", .op = LM_OP_CREATE};

        (void)snprintf(household, sizeof household, "H%d", i);
        a.fields = json_pack("{s:s,s:s,s:s,s:s,s:s*,s:s}", "household_no", household, "hung_on",
                             "2026-02-01", "signed_by", "张三", "change_kind", "damage",
                             "holder_person_id", i < STUCK ? person : NULL, "state", "verified");
        OK(lm_store_act(w->store, &a, w->now++, &done, &err_));
        json_decref((json_t *)(uintptr_t)a.fields);
        if (i >= STUCK) {
            (void)snprintf(good[i - STUCK], sizeof good[0], "%s", done.id);
        }
    }
    world_commit(w);
    db = open_beside(w);
    assert_int_equal(sqlite3_exec(db, "UPDATE r_person SET state = 'deceased'", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    quarter(w, lock);
    approve(w, lock); /* more than one commit tries */
    assert_string_equal(plaque_state(w, good[0]), "verified");
    lm_store_close(&w->store);
    world_open(w);
    assert_string_equal(plaque_state(w, good[0]), "verified");
    for (int i = 0; more; i++) { /* goes on behind those that it tried */
        OK(lm_store_periods_more(w->store, w->now, &more, &err_));
        assert_true(i < 2);
    }
    for (int i = 0; i < GOOD; i++) {
        assert_string_equal(plaque_state(w, good[i]), "locked");
    }
    assert_int_equal(locked_rows(w), GOOD);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_the_lock_takes_them_along), T(test_two_locks),
        T(test_staff_are_refused),         T(test_what_comes_late_waits),
        T(test_more_than_a_commit_takes),  T(test_what_cannot_follow_holds_up_nothing),
        T(test_a_choice_is_a_change_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
