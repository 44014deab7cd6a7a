/* The hub's store: what goes in through PUSH, what is made of it, and what a crash, a rollback or
 * another program's look leaves of it. Its feed: test_hub_feed.c; the town's own acts:
 * test_hub_acts.c. */
#include "tests/unit/hub_store_world.h"

#include <sqlite3.h>
#include <sys/wait.h>

static void test_create_makes_town(void **state)
{
    struct world *w = *state;
    struct lm_station station;
    struct lm_store_init init = {.town_name = "明月镇",
                                 .town_code = TOWN,
                                 .admin_name = "admin",
                                 .admin_password = "a long password",
                                 .now_ms = T0};
    const struct lm_town *town = lm_store_town(w->store);

    assert_string_equal(town->code, TOWN);
    assert_string_equal(town->name, "明月镇");
    assert_int_equal(town->incarnation.counter, 1);
    OK(lm_store_station_get(w->store, TOWN, &station));
    assert_string_equal(station.level, "town");
    OK(lm_store_station_get(w->store, VILLAGE_A, &station));
    assert_string_equal(station.office_code, "999999101900");
    assert_int_equal(lm_store_create(&w->dir, w->catalog, &init, &err_), LM_ERR_EXISTS);
    /* town: unit and station; A: office, unit, station; B: unit, station */
    assert_int_equal(totals(w).journal_entries, 7);
}

static void test_station_again_changes_nothing(void **state)
{
    struct world *w = *state;
    struct lm_station station;
    uint64_t before = totals(w).journal_entries;

    OK(lm_store_station_get(w->store, VILLAGE_A, &station));
    world_begin(w);
    OK(lm_store_station_add(w->store, "admin", &station, w->now, &err_));
    world_commit(w);
    assert_int_equal(totals(w).journal_entries, before);
    (void)snprintf(station.name, sizeof station.name, "东溪新村");
    world_begin(w);
    OK(lm_store_station_add(w->store, "admin", &station, w->now, &err_));
    world_commit(w);
    assert_int_equal(totals(w).journal_entries, before + 2); /* unit and station row */
    assert_int_equal(verify(w), 0);
}

static void test_push_applies(void **state)
{
    struct world *w = *state;
    char id[40], id2[40];
    struct lm_record *rec;
    struct lm_replica now;

    pc_person(w, &w->a, "王建国", 1, id);
    pc_person(w, &w->a, "赵秀英", 2, id2);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_new, 2);
    assert_int_equal(w->pushed.acked.seq, 2);
    assert_int_equal(w->pushed.n_verdicts, 0);
    rec = get(w, "person", id);
    assert_non_null(rec);
    assert_false(rec->invalid);
    assert_string_equal(text(rec, "name"), "王建国");
    assert_string_equal(text(rec, "village_code"), VILLAGE_A);
    assert_int_equal(strlen(text(rec, "dup_key")), 64);
    OK(lm_store_replica_get(w->store, w->a.replica.number, &now));
    assert_int_equal(now.acked.seq, 2);
    assert_true(now.complete_ms > 0);
    assert_int_equal(now.hlc_known, w->a.hlc);
    assert_string_equal(lm_store_type_of(w->store, id), "person");
    assert_int_equal(verify(w), 0);
}

static void test_overlap_gap_divergence(void **state)
{
    struct world *w = *state;
    char id[5][40];
    uint64_t entries;

    for (int i = 0; i < 5; i++) {
        pc_person(w, &w->a, "王建国", 10 + i, id[i]);
    }
    push(w, &w->a, 1, 3);
    entries = totals(w).journal_entries;
    push(w, &w->a, 1, 3); /* the ack was lost */
    assert_int_equal(w->pushed.outcome, LM_TAKE_TAKEN);
    assert_int_equal(w->pushed.n_new, 0);
    assert_int_equal(w->pushed.acked.seq, 3);
    push(w, &w->a, 1, 2); /* an old one, late */
    assert_int_equal(w->pushed.outcome, LM_TAKE_TAKEN);
    assert_int_equal(w->pushed.acked.seq, 3);
    push(w, &w->a, 5, 5);
    assert_int_equal(w->pushed.outcome, LM_TAKE_GAP);
    assert_int_equal(w->pushed.acked.seq, 3);
    assert_int_equal(totals(w).journal_entries, entries);
    push(w, &w->a, 2, 5);
    assert_int_equal(w->pushed.outcome, LM_TAKE_TAKEN);
    assert_int_equal(w->pushed.n_new, 2);
    assert_int_equal(w->pushed.acked.seq, 5);
    /* the PC went back to 3 and wrote something else as 4 */
    lm_buf_free(&w->a.outbox[3]);
    w->a.n = 3;
    pc_person(w, &w->a, "孙立", 20, id[3]);
    push(w, &w->a, 4, 4);
    assert_int_equal(w->pushed.outcome, LM_TAKE_DIVERGED);
    assert_null(get(w, "person", id[3]));
    w->a.n = 5;
    lm_buf_free(&w->a.outbox[3]);
    w->a.n = 0;
    assert_int_equal(verify(w), 0);
}

static void test_duplicates_under_new_branch(void **state)
{
    struct world *w = *state;
    char id[40], id2[40];
    struct lm_version v;
    uint64_t feed_before;
    struct lm_record *rec;

    v = pc_person(w, &w->a, "王建国", 1, id);
    push_all(w, &w->a);
    feed_before = (uint64_t)get(w, "person", id)->position;
    w->a.branch = 2; /* forked: the same change again, then a new one */
    pc_set(w, &w->a, "person", id, "phone", "13800000001", v);
    pc_person(w, &w->a, "赵秀英", 2, id2);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_new, 3);
    assert_int_equal(w->pushed.n_verdicts, 1);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_DUPLICATE);
    assert_int_equal(w->pushed.verdicts[0].seq, 1);
    rec = get(w, "person", id);
    assert_string_equal(text(rec, "phone"), "13800000001");
    assert_true((uint64_t)rec->position == feed_before + 2);
    assert_non_null(get(w, "person", id2));
    assert_int_equal(verify(w), 0);
}

static void test_same_identity_other_body(void **state)
{
    struct world *w = *state;
    char id[40];
    struct lm_version v = pc_person(w, &w->a, "王建国", 1, id);
    json_t *fields = person_json("王建军", 1, VILLAGE_A);

    push_all(w, &w->a);
    w->a.branch = 2;
    lm_buf_free(&w->a.outbox[0]);
    w->a.n = 0;
    w->a.hlc = v.hlc - 1;
    w->now = lm_hlc_ms(v.hlc) - 5;
    pc_add(w, &w->a, "person", id, LM_OP_CREATE, fields, (struct lm_version){0, 0});
    json_decref(fields);
    w->now = T0 + 5000;
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_verdicts, 1);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_REFUSED);
    assert_string_equal(w->pushed.verdicts[0].code, "identity");
    assert_string_equal(text(get(w, "person", id), "name"), "王建国");
    assert_int_equal(verify(w), 0);
}

static void test_uncommitted_is_nothing(void **state)
{
    struct world *w = *state;
    char id[40];
    uint64_t before = totals(w).journal_entries;
    struct lm_mark head, after;

    OK(lm_store_head(w->store, &head));
    pc_person(w, &w->a, "王建国", 1, id);
    world_begin(w);
    OK(push_raw(w, &w->a, 1, 1));
    assert_int_equal(w->pushed.n_new, 1);
    lm_store_close(&w->store); /* the process dies before the commit */
    world_open(w);
    assert_null(get(w, "person", id));
    assert_int_equal(totals(w).journal_entries, before);
    OK(lm_store_head(w->store, &after));
    assert_memory_equal(&head, &after, sizeof head);
    push_all(w, &w->a);
    assert_non_null(get(w, "person", id));
    assert_int_equal(verify(w), 0);
}

static void test_rollback_restores_state(void **state)
{
    struct world *w = *state;
    char id[40];
    struct lm_mark head, after;

    OK(lm_store_head(w->store, &head));
    pc_person(w, &w->a, "王建国", 1, id);
    world_begin(w);
    OK(push_raw(w, &w->a, 1, 1));
    OK(lm_store_head(w->store, &after));
    assert_memory_equal(&head, &after, sizeof head); /* P2: not before the commit */
    lm_store_rollback(w->store);
    push_all(w, &w->a);
    OK(lm_store_head(w->store, &after));
    assert_int_equal(after.position, head.position + 1);
    assert_int_equal(verify(w), 0);
}

static void test_held_then_redriven(void **state)
{
    struct world *w = *state;
    char person[40], visit[40];
    json_t *fields;
    struct lm_version v;

    /* A visit to somebody whose file is written by another PC of the village and comes later. */
    new_id(w, person);
    new_id(w, visit);
    fields = visit_json(person);
    v = pc_add(w, &w->a, "visit", visit, LM_OP_CREATE, fields, (struct lm_version){0, 0});
    json_decref(fields);
    pc_set(w, &w->a, "visit", visit, "findings", "身体尚好", v);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_verdicts, 2);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_HELD);
    assert_int_equal(w->pushed.verdicts[1].verdict, LM_V_HELD);
    assert_null(get(w, "visit", visit));
    assert_int_equal(totals(w).held, 2);
    assert_int_equal(verify(w), 0);
    fields = person_json("王建国", 1, VILLAGE_A);
    pc_add(w, &w->a, "person", person, LM_OP_CREATE, fields, (struct lm_version){0, 0});
    json_decref(fields);
    push_all(w, &w->a);
    assert_int_equal(totals(w).held, 0);
    assert_non_null(get(w, "visit", visit));
    assert_string_equal(text(get(w, "visit", visit), "findings"), "身体尚好");
    assert_int_equal(verify(w), 0);
}

static void test_refused_is_returned(void **state)
{
    struct world *w = *state;
    char id[40];
    struct rows rows = {json_array()};
    struct lm_version v = pc_person(w, &w->a, "王建国", 1, id);

    push_all(w, &w->a);
    pc_set(w, &w->b, "person", id, "phone", "13800000002", v); /* B edits A's record */
    push_all(w, &w->b);
    assert_int_equal(w->pushed.n_verdicts, 1);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_REFUSED);
    assert_string_equal(text(get(w, "person", id), "phone"), "");
    OK(lm_store_returned(w->store, VILLAGE_B, collect, &rows, &err_));
    assert_int_equal(json_array_size(rows.all), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows.all, 0), "id")), id);
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows.all, 0), "verdict")),
                        "refused");
    json_array_clear(rows.all);
    OK(lm_store_returned(w->store, VILLAGE_A, collect, &rows, &err_));
    assert_int_equal(json_array_size(rows.all), 0);
    json_decref(rows.all);
    assert_int_equal(verify(w), 0);
}

static void test_malformed_is_kept(void **state)
{
    struct world *w = *state;
    struct lm_buf *buf = &w->a.outbox[0];

    lm_buf_init(buf, 100);
    lm_buf_text(buf, "not a change");
    w->a.n = 1;
    push_all(w, &w->a);
    assert_int_equal(w->pushed.acked.seq, 1);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_REFUSED);
    assert_int_equal(totals(w).returned, 1);
    assert_int_equal(verify(w), 0);
}

static void test_invalid_then_corrected(void **state)
{
    struct world *w = *state;
    char id[40];
    json_t *fields = person_json("王建国", 1, VILLAGE_A);
    struct lm_version v;

    json_object_set_new(fields, "birth_on",
                        json_string("1954-08-01")); /* not what the ID number says */
    new_id(w, id);
    v = pc_add(w, &w->a, "person", id, LM_OP_CREATE, fields, (struct lm_version){0, 0});
    json_decref(fields);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_INVALID);
    assert_non_null(get(w, "person", id));
    assert_true(get(w, "person", id)->invalid);
    assert_int_equal(totals(w).returned, 1);
    pc_set(w, &w->a, "person", id, "birth_on", "1953-08-01", v);
    push_all(w, &w->a);
    assert_false(get(w, "person", id)->invalid);
    assert_int_equal(totals(w).returned, 0);
    assert_int_equal(verify(w), 0);
}

#define LOOK "--look"

static int look(const char *path)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open(path, &db);

    rc = rc == SQLITE_OK ? sqlite3_exec(db, "SELECT * FROM meta", NULL, NULL, NULL) : rc;
    (void)sqlite3_close(db);
    return rc == SQLITE_OK ? 0 : 1;
}

/* P2: another tool's look at the database must not take the log of what was acked away: the last
 * connection to close removes it, and SQLite tells who is the last by locks that a process loses
 * when it closes any descriptor of that file. */
static void another_process_closes_the_database(void **state)
{
    struct world *w = *state;
    struct lm_store_totals t;
    char path[128], log[160];
    int status = 0;
    pid_t child;

    (void)snprintf(path, sizeof path, "%s/hub.db", w->path);
    (void)snprintf(log, sizeof log, "%s-wal", path);
    OK(lm_store_totals(w->store, &t));
    assert_true(t.journal_bytes > 0);
    assert_int_equal(access(log, F_OK), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) { /* a program of its own: SQLite keeps its locks by process */
        (void)execl("/proc/self/exe", "test_hub_store", LOOK, path, (char *)NULL);
        _exit(2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(access(log, F_OK), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], LOOK) == 0) {
        return look(argv[2]);
    }
    const struct CMUnitTest tests[] = {
        T(another_process_closes_the_database),
        T(test_create_makes_town),
        T(test_station_again_changes_nothing),
        T(test_push_applies),
        T(test_overlap_gap_divergence),
        T(test_duplicates_under_new_branch),
        T(test_same_identity_other_body),
        T(test_uncommitted_is_nothing),
        T(test_rollback_restores_state),
        T(test_held_then_redriven),
        T(test_refused_is_returned),
        T(test_malformed_is_kept),
        T(test_invalid_then_corrected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
