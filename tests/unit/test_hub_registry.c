/* What the registry and the hub's own entry refuse: kits of a station that was shut out, and second
 * records under one natural key, whatever village they are entered for; and what a fork leaves
 * open. */
#include "tests/unit/hub_store_world.h"

/* P11: who holds a kit that nobody used yet does not come in after the station was revoked. */
static void test_revoking_a_station_voids_its_kits(void **state)
{
    struct world *w = *state;
    struct lm_kit_row kit = {.made_ms = w->now, .expires_ms = w->now + 1000000};
    struct lm_msg_enrol enrol = {
        .protocol_min = 1, .protocol_max = 1, .machine = "", .program = ""};
    struct lm_replica r;
    size_t n = 0;

    (void)snprintf(kit.station, sizeof kit.station, VILLAGE_A);
    memset(kit.public_key, 0xA1, 32);
    memset(enrol.public_key, 0xA2, 32);
    world_begin(w);
    OK(lm_store_kit_add(w->store, &kit, &err_));
    OK(lm_store_kit_by_key(w->store, kit.public_key, &kit));
    OK(lm_store_revoke(w->store, "admin", VILLAGE_A, 0, w->now, &n, &err_));
    assert_int_equal(lm_store_enrol(w->store, kit.id, &enrol, w->now, &r, &err_), LM_ERR_DENIED);
    assert_string_equal(err_.code, "kit_expired");
    world_commit(w);
}

static enum lm_status act(struct world *w, const char *type, const char *station, json_t *fields,
                          char id[40])
{
    struct lm_act_result out;
    struct lm_act doing = {
        .user = "clerk", .type = type, .station = station, .fields = fields, .op = LM_OP_CREATE};
    memset(&out, 0, sizeof out);
    lm_issues_init(&out.issues);
    memset(&err_, 0, sizeof err_);
    enum lm_status status = lm_store_act(w->store, &doing, w->now, &out, &err_);
    if (id) {
        (void)snprintf(id, 40, "%s", out.id);
    }
    json_decref(fields);
    return status;
}

static json_t *station_json(const char *area)
{
    return json_pack("{s:s,s:s,s:s,s:b,s:b,s:b}", "area_code", area, "level", "village", "name",
                     "又一个站", "has_office", 1, "has_fulltime", 1, "has_rules", 1);
}

/* One station a village, for whomever the second is entered: else 服务站覆盖率 is 50 %. */
static void test_one_station_a_village(void **state)
{
    struct world *w = *state;

    world_begin(w);
    assert_int_equal(act(w, "station", NULL, station_json(VILLAGE_A), NULL), LM_ERR_INVALID);
    assert_string_equal(err_.code, "not_unique");
    assert_int_equal(act(w, "station", VILLAGE_B, station_json(VILLAGE_A), NULL), LM_ERR_INVALID);
    assert_string_equal(err_.code, "not_unique");
    world_commit(w);
}

/* Two villages may both know one person: refused within the village, a warning elsewhere. */
static void test_persons_are_unique_in_their_village(void **state)
{
    struct world *w = *state;
    char first[40];

    world_begin(w);
    assert_int_equal(act(w, "person", VILLAGE_A, person_json("测试甲", 1, VILLAGE_A), first),
                     LM_OK);
    assert_int_equal(act(w, "person", VILLAGE_A, person_json("测试乙", 1, VILLAGE_A), NULL),
                     LM_ERR_INVALID);
    assert_string_equal(err_.code, "not_unique");
    assert_non_null(strstr(err_.zh, first));
    assert_int_equal(act(w, "person", VILLAGE_B, person_json("测试甲", 1, VILLAGE_B), NULL), LM_OK);
    world_commit(w);
    assert_int_equal(totals(w).duplicates, 1);
}

/* P10: a PC that went back in time may have lost what it had named; a new, empty branch must not
 * pass for "complete as of then". */
static void test_a_fork_leaves_a_possible_gap(void **state)
{
    struct world *w = *state;
    struct lm_replica r;
    int64_t complete;
    size_t n = 0;

    world_begin(w);
    OK(lm_store_replica_get(w->store, w->a.replica.number, &r));
    complete = r.complete_ms;
    r.branch = 1;
    r.head.seq = 10; /* named, never pushed */
    OK(lm_store_replica_hello(w->store, &r, r.lease_issued, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_false(r.possible_gap);
    r.as_of_ms = w->now; /* as of then it had ten changes */
    OK(lm_store_replica_hello(w->store, &r, r.lease_issued, &err_));
    r.branch = 2;
    r.head.seq = 0;
    OK(lm_store_replica_hello(w->store, &r, r.lease_issued, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_true(r.possible_gap);
    assert_true(r.complete_ms == complete);
    OK(lm_store_settle(w->store, "admin", VILLAGE_A, "looked", w->now, &n, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_false(r.possible_gap);
    world_commit(w);
}

static bool count_alarm(void *arg, const struct lm_alarm *alarm)
{
    struct lm_alarm *last = arg;

    last->low++; /* how many */
    (void)snprintf(last->kind, sizeof last->kind, "%s", alarm->kind);
    (void)snprintf(last->note, sizeof last->note, "%s", alarm->note);
    (void)snprintf(last->closed_by, sizeof last->closed_by, "%s", alarm->closed_by);
    return true;
}

static uint64_t alarms(struct world *w, bool open_only, struct lm_alarm *last)
{
    memset(last, 0, sizeof *last);
    OK(lm_store_alarms(w->store, VILLAGE_A, open_only, count_alarm, last, &err_));
    return last->low;
}

/* P8: a second installation stays marked until a person settles it, with who and why in the
 * journal; and what went back gives up the leases in between. */
static void test_alarms(void **state)
{
    struct world *w = *state;
    struct lm_replica r;
    struct lm_alarm last;
    struct lm_mark before, after;
    size_t n = 0;

    world_begin(w);
    OK(lm_store_replica_get(w->store, w->a.replica.number, &r));
    r.branch = 1;
    r.lease_issued = (struct lm_lease){9, 90};
    OK(lm_store_replica_hello(w->store, &r, (struct lm_lease){0}, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_true(lm_replica_in_doubt(&r)); /* given out, not seen held */
    r.lease_issued = (struct lm_lease){10, 100};
    OK(lm_store_replica_hello(w->store, &r, (struct lm_lease){9, 90}, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_int_equal(r.lease_confirmed.counter, 9); /* who shows it has it */
    OK(lm_store_lease_confirm(w->store, r.number, r.lease_issued, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_false(lm_replica_in_doubt(&r));
    r.branch = 2;
    r.lease_issued = (struct lm_lease){11, 110};
    OK(lm_store_replica_hello(w->store, &r, (struct lm_lease){4, 40}, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_int_equal(r.n_abandoned, 1);
    assert_int_equal(r.abandoned[0].low, 4);
    assert_int_equal(r.abandoned[0].high, 10);
    assert_int_equal(alarms(w, true, &last), 0); /* it mends itself */
    assert_int_equal(alarms(w, false, &last), 1);
    assert_string_equal(last.kind, "went_back");

    OK(lm_store_note_twin(w->store, &r, (struct lm_lease){7, 70}, w->now, &err_));
    OK(lm_store_note_clone(w->store, &r, (struct lm_lease){7, 70}, w->now, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_true(r.clone_ms == w->now && r.twins == 1 && r.possible_gap);
    assert_true(lm_replica_in_doubt(&r));
    assert_int_equal(alarms(w, true, &last), 2);
    world_commit(w);

    OK(lm_store_head(w->store, &before));
    world_begin(w);
    OK(lm_store_settle(w->store, "王技术员", VILLAGE_A, "第二台已换发", w->now, &n, &err_));
    world_commit(w);
    assert_int_equal(n, 2);
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_true(r.clone_ms == 0 && r.twins == 0 && !r.possible_gap);
    assert_int_equal(r.lease_issued.counter, 12); /* nobody's: whoever stays forks and goes on */
    assert_int_equal(r.lease_confirmed.counter, 12);
    assert_true(r.lease_issued.random == r.lease_confirmed.random && r.lease_issued.random != 110);
    assert_false(lm_replica_in_doubt(&r));
    assert_int_equal(alarms(w, true, &last), 0);
    OK(lm_store_head(w->store, &after));
    assert_int_equal(after.position, before.position + 1);
    assert_int_equal(alarms(w, false, &last), 3);
    world_begin(w);
    assert_int_equal(lm_store_settle(w->store, "x", "999999999999", "no such", w->now, &n, &err_),
                     LM_ERR_NOT_FOUND);
    lm_store_rollback(w->store);
}

/* P10: the same branch, shorter than it was named: what was named as of then is gone, and "complete
 * as of then" must not come of it. */
static void test_a_shorter_branch_leaves_a_possible_gap(void **state)
{
    struct world *w = *state;
    struct lm_replica r;
    int64_t complete;

    world_begin(w);
    OK(lm_store_replica_get(w->store, w->a.replica.number, &r));
    complete = r.complete_ms;
    r.branch = 1;
    r.head.seq = r.acked.seq + 10;
    OK(lm_store_replica_hello(w->store, &r, r.lease_issued, &err_));
    r.as_of_ms = w->now;
    OK(lm_store_replica_hello(w->store, &r, r.lease_issued, &err_));
    r.head.seq = r.acked.seq;
    OK(lm_store_replica_hello(w->store, &r, r.lease_issued, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_true(r.possible_gap);
    assert_true(r.complete_ms == complete);
    world_commit(w);
}

/* P10: after the hub's clock was set back, times still to come say nothing. */
static void test_clock_back(void **state)
{
    struct world *w = *state;
    struct lm_replica r;
    size_t n = 0;

    world_begin(w);
    OK(lm_store_replica_get(w->store, w->a.replica.number, &r));
    r.as_of_ms = r.complete_ms = w->now + 86400000;
    OK(lm_store_replica_hello(w->store, &r, r.lease_issued, &err_));
    OK(lm_store_clock_back(w->store, w->now, &n, &err_));
    assert_int_equal(n, 1);
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_true(r.as_of_ms == 0 && r.complete_ms == 0);
    OK(lm_store_clock_back(w->store, w->now, &n, &err_));
    assert_int_equal(n, 0);
    world_commit(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_revoking_a_station_voids_its_kits, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_one_station_a_village, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_persons_are_unique_in_their_village, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_a_fork_leaves_a_possible_gap, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_alarms, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_shorter_branch_leaves_a_possible_gap, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_clock_back, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
