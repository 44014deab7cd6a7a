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

    world_begin(w);
    OK(lm_store_replica_get(w->store, w->a.replica.number, &r));
    complete = r.complete_ms;
    r.branch = 1;
    r.head.seq = 10; /* named, never pushed */
    OK(lm_store_replica_hello(w->store, &r, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_false(r.possible_gap);
    r.as_of_ms = w->now; /* as of then it had ten changes */
    OK(lm_store_replica_hello(w->store, &r, &err_));
    r.branch = 2;
    r.head.seq = 0;
    OK(lm_store_replica_hello(w->store, &r, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_true(r.possible_gap);
    assert_true(r.complete_ms == complete);
    OK(lm_store_gap_close(w->store, VILLAGE_A, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_false(r.possible_gap);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
