/* Rules of the town's own records that hold whoever asks: the store is asked as a command, a table
 * and what is recovered ask it. */
#include "tests/unit/hub_store_world.h"

#include "common/tables.h"

static struct lm_act_result act_result;

static enum lm_status act_as(struct world *w, const char *user, const char *type, const char *id,
                             enum lm_op op, json_t *fields)
{
    struct lm_act a = {.user = user, .type = type, .id = id, .fields = fields, .op = op};
    enum lm_status status;

    memset(&err_, 0, sizeof err_);
    world_begin(w);
    status = lm_store_act(w->store, &a, w->now, &act_result, &err_);
    world_commit(w);
    w->now += 1000;
    json_decref(fields);
    return status;
}

static enum lm_status create(struct world *w, const char *type, json_t *fields)
{
    return act_as(w, "甲", type, NULL, LM_OP_CREATE, fields);
}

static json_t *opening(struct world *w, const char *indicator, const char *area, const char *as_of,
                       double value)
{
    char id[40];

    new_id(w, id);
    return json_pack("{s:s,s:s,s:s,s:f,s:b,s:s,s:s}", "indicator", indicator, "area_code", area,
                     "as_of", as_of, "value", value, "is_approx", 0, "evidence", id, "approved_by",
                     id);
}

static bool count_one(void *arg, const struct lm_record *rec)
{
    *(size_t *)arg += rec->id[0] != '\0';
    return true;
}

static bool take_one(void *arg, const struct lm_record *rec)
{
    *(const struct lm_record **)arg = rec;
    return false;
}

static size_t n_of(struct world *w, const char *type)
{
    size_t n = 0;

    OK(lm_store_list(w->store, NULL, type, NULL, NULL, 0, count_one, &n, &err_));
    return n;
}

static void test_settings_have_bounds(void **state)
{
    struct world *w = *state;
    char id[40];

    assert_int_equal(
        create(w, "setting", json_pack("{s:s,s:s}", "key", "complete_days", "value", "99999")),
        LM_ERR_INVALID);
    assert_string_equal(err_.code, "out_of_range");
    assert_non_null(strstr(err_.en, "Days until a station is stale"));
    assert_int_equal(n_of(w, "setting"), 0);
    OK(create(w, "setting", json_pack("{s:s,s:s}", "key", "complete_days", "value", "30")));
    (void)snprintf(id, sizeof id, "%s", act_result.id);
    assert_int_equal(act_as(w, "甲", NULL, id, LM_OP_EDIT, json_pack("{s:s}", "value", "0")),
                     LM_ERR_INVALID);
    assert_string_equal(text(get(w, "setting", id), "value"), "30");
    OK(create(w, "setting", json_pack("{s:s,s:s}", "key", "town_name", "value", "明月镇")));
    assert_int_equal(verify(w), 0);
}

/* The catalogue takes any key: which there are, the program says that reads them. */
static void test_settings_are_those_that_are_read(void **state)
{
    struct world *w = *state;
    char id[40];

    assert_int_equal(
        create(w, "setting", json_pack("{s:s,s:s}", "key", "backlog_days", "value", "9")),
        LM_ERR_INVALID);
    assert_string_equal(err_.code, "unknown_setting");
    assert_string_equal(err_.field, "key");
    assert_int_equal(
        create(w, "setting",
               json_pack("{s:s,s:s,s:s}", "key", "nonsense", "value", "", "state", "draft")),
        LM_ERR_INVALID);
    OK(create(w, "setting", json_pack("{s:s,s:s}", "key", "report_days", "value", "9")));
    (void)snprintf(id, sizeof id, "%s", act_result.id);
    assert_int_equal(act_as(w, "甲", NULL, id, LM_OP_EDIT, json_pack("{s:s}", "key", "nonsense")),
                     LM_ERR_INVALID);
    assert_int_equal(n_of(w, "setting"), 1);
    assert_int_equal(verify(w), 0);
}

static json_t *notice(json_t *stations)
{
    return json_pack("{s:s,s:s,s:s,s:o}", "title", "通知", "body", "请看。", "published_on",
                     "2026-09-01", "stations", stations);
}

static void test_notices_are_for_villages_that_there_are(void **state)
{
    struct world *w = *state;
    char id[40];

    assert_int_equal(create(w, "notice", notice(json_pack("[s,s]", VILLAGE_A, "999999101999"))),
                     LM_ERR_INVALID);
    assert_string_equal(err_.code, "unknown_station");
    assert_string_equal(err_.field, "stations");
    assert_non_null(strstr(err_.zh, "999999101999"));
    assert_int_equal(create(w, "notice", notice(json_pack("[s]", TOWN))), LM_ERR_INVALID);
    assert_string_equal(err_.code, "unknown_station");
    assert_int_equal(n_of(w, "notice"), 0);
    OK(create(w, "notice", notice(json_null())));
    OK(create(w, "notice", notice(json_array())));
    OK(create(w, "notice", notice(json_pack("[s]", VILLAGE_A))));
    (void)snprintf(id, sizeof id, "%s", act_result.id);
    assert_int_equal(act_as(w, "甲", NULL, id, LM_OP_EDIT,
                            json_pack("{s:[s,s]}", "stations", VILLAGE_B, "999999101999")),
                     LM_ERR_INVALID);
    OK(act_as(w, "甲", NULL, id, LM_OP_EDIT,
              json_pack("{s:[s,s]}", "stations", VILLAGE_A, VILLAGE_B)));
    assert_int_equal(lm_record_get(get(w, "notice", id), "stations")->len, 2);
    assert_int_equal(verify(w), 0);
}

/* A Friday to the next Wednesday are four working days. */
static void test_publicity_lasts_as_long_as_the_town_has_set(void **state)
{
    struct world *w = *state;
    char person[40], id[40];

    OK(create(w, "person", json_pack("{s:s,s:s}", "name", "张建国", "state", "draft")));
    (void)snprintf(person, sizeof person, "%s", act_result.id);
    OK(create(w, "aid_case", json_pack("{s:s,s:s}", "person_id", person, "state", "draft")));
    (void)snprintf(id, sizeof id, "%s", act_result.id);
    assert_int_equal(act_as(w, "甲", NULL, id, LM_OP_EDIT,
                            json_pack("{s:s,s:s}", "publicity_from", "2025-03-07", "publicity_to",
                                      "2025-03-12")),
                     LM_ERR_INVALID);
    assert_string_equal(err_.code, "publicity_short");
    assert_string_equal(err_.field, "publicity_to");
    assert_non_null(strstr(err_.zh, "只有 4 个"));
    assert_string_equal(text(get(w, "aid_case", id), "publicity_to"), "");
    OK(act_as(
        w, "甲", NULL, id, LM_OP_EDIT,
        json_pack("{s:s,s:s}", "publicity_from", "2025-03-07", "publicity_to", "2025-03-13")));
    OK(create(w, "setting", json_pack("{s:s,s:s}", "key", "publicity_workdays", "value", "6")));
    /* what is there already stays, and is judged when it is touched again */
    OK(act_as(w, "甲", NULL, id, LM_OP_EDIT, json_pack("{s:s}", "county_doc_no", "1")));
    assert_int_equal(
        act_as(w, "甲", NULL, id, LM_OP_EDIT, json_pack("{s:s}", "publicity_from", "2025-03-10")),
        LM_ERR_INVALID);
    OK(act_as(w, "甲", NULL, id, LM_OP_EDIT, json_pack("{s:s}", "publicity_to", "2025-03-14")));
    assert_int_equal(verify(w), 0);
}

static void test_openings_are_of_an_area_and_whole(void **state)
{
    struct world *w = *state;

    assert_int_equal(
        create(w, "opening_balance", opening(w, "I12", "999999101999", "2024-12-31", 100)),
        LM_ERR_INVALID);
    assert_string_equal(err_.code, "unknown_area");
    assert_int_equal(create(w, "opening_balance", opening(w, "I28", TOWN, "2024-12-31", 2.7)),
                     LM_ERR_INVALID);
    assert_string_equal(err_.code, "not_whole");
    assert_string_equal(err_.field, "value");
    assert_int_equal(create(w, "opening_balance", opening(w, "I29", TOWN, "2024-12-31", 0.125)),
                     LM_ERR_INVALID);
    assert_int_equal(n_of(w, "opening_balance"), 0);
    OK(create(w, "opening_balance", opening(w, "I28", TOWN, "2024-12-31", 3)));
    OK(create(w, "opening_balance", opening(w, "I29", TOWN, "2024-12-31", 10860.5)));
    assert_int_equal(verify(w), 0);
}

/* 40 of the town and 7 of one of its villages are 40, not 47. */
static void test_openings_do_not_lie_inside_each_other(void **state)
{
    static const char office[] = "999999101900"; /* of VILLAGE_A: the first that was made */
    struct world *w = *state;
    char town[40], village[40];

    OK(create(w, "opening_balance", opening(w, "I12b", TOWN, "2024-12-31", 40)));
    (void)snprintf(town, sizeof town, "%s", act_result.id);
    assert_int_equal(create(w, "opening_balance", opening(w, "I12b", VILLAGE_A, "2024-12-31", 7)),
                     LM_ERR_INVALID);
    assert_string_equal(err_.code, "overlaps");
    assert_non_null(strstr(err_.zh, "明月镇"));
    assert_non_null(strstr(err_.zh, "2024-12-31"));
    /* of another figure it says nothing, nor as long as it does not count */
    OK(create(w, "opening_balance", opening(w, "I12", VILLAGE_A, "2024-12-31", 7)));
    json_t *draft = opening(w, "I12b", VILLAGE_A, "2024-12-31", 7);
    (void)json_object_set_new(draft, "state", json_string("draft"));
    OK(create(w, "opening_balance", draft));
    (void)snprintf(village, sizeof village, "%s", act_result.id);
    assert_int_equal(
        act_as(w, "甲", NULL, village, LM_OP_EDIT, json_pack("{s:s}", "state", "submitted")),
        LM_ERR_INVALID);
    assert_string_equal(err_.code, "overlaps");
    assert_string_equal(text(get(w, "opening_balance", village), "state"), "draft");
    /* the larger one afterwards: it names the smaller */
    assert_int_equal(create(w, "opening_balance", opening(w, "I12", office, "2024-06-30", 9)),
                     LM_ERR_INVALID);
    assert_string_equal(err_.code, "overlaps");
    assert_non_null(strstr(err_.zh, "东溪村"));
    /* villages beside each other, and what begins where the other ended: told, not barred */
    OK(create(w, "opening_balance", opening(w, "I12", VILLAGE_B, "2024-12-31", 5)));
    assert_int_equal(act_result.issues.n, 0);
    OK(create(w, "opening_balance", opening(w, "I12b", VILLAGE_B, "2025-12-31", 5)));
    assert_int_equal(act_result.issues.n, 1);
    assert_string_equal(act_result.issues.items[0].error.code, "overlaps");
    /* once the town's is gone, the village's may count */
    OK(act_as(w, "甲", NULL, town, LM_OP_DELETE, json_pack("{s:s}", "delete_reason", "按村填")));
    OK(act_as(w, "甲", NULL, village, LM_OP_EDIT, json_pack("{s:s}", "state", "submitted")));
    assert_int_equal(act_as(w, "甲", NULL, town, LM_OP_UNDELETE, NULL), LM_ERR_INVALID);
    assert_string_equal(err_.code, "overlaps");
    assert_int_equal(verify(w), 0);
}

static void test_two_persons_stand_for_an_opening(void **state)
{
    struct world *w = *state;
    char id[40];

    OK(create(w, "opening_balance", opening(w, "I12", TOWN, "2024-12-31", 40)));
    (void)snprintf(id, sizeof id, "%s", act_result.id);
    assert_int_equal(act_as(w, "甲", NULL, id, LM_OP_EDIT, json_pack("{s:s}", "state", "verified")),
                     LM_ERR_DENIED);
    assert_string_equal(err_.code, "second_person");
    OK(act_as(w, "乙", NULL, id, LM_OP_EDIT, json_pack("{s:s}", "state", "verified")));
    assert_int_equal(act_as(w, "乙", NULL, id, LM_OP_EDIT, json_pack("{s:i}", "value", 41)),
                     LM_ERR_DENIED);
    assert_string_equal(err_.code, "verified");
    assert_int_equal(
        act_as(w, "甲", NULL, id, LM_OP_DELETE, json_pack("{s:s}", "delete_reason", "误")),
        LM_ERR_DENIED);
    assert_int_equal(verify(w), 0);
}

static const struct lm_record *row_of(struct world *w, const char *type, const char *field,
                                      const char *code)
{
    const struct lm_where at = {.field = field, .value = code};
    const struct lm_record *found = NULL;

    OK(lm_store_list(w->store, &w->arena, type, NULL, &at, 1, take_one, &found, &err_));
    assert_non_null(found);
    return found;
}

/* Else I01 and the coverage speak of different numbers of villages. */
static void test_the_registrys_rows_are_the_registrys(void **state)
{
    struct world *w = *state;
    const struct lm_record *rows[] = {row_of(w, "station", "area_code", VILLAGE_A),
                                      row_of(w, "area_unit", "code", VILLAGE_A)};
    const char *codes[] = {"area_code", "code"};

    for (size_t i = 0; i < 2; i++) {
        const char *id = rows[i]->id;

        assert_int_equal(
            act_as(w, "甲", NULL, id, LM_OP_DELETE, json_pack("{s:s}", "delete_reason", "不要")),
            LM_ERR_DENIED);
        assert_string_equal(err_.code, "use_registry");
        assert_int_equal(
            act_as(w, "甲", NULL, id, LM_OP_EDIT, json_pack("{s:s}", codes[i], "999999101250")),
            LM_ERR_DENIED);
        assert_string_equal(err_.code, "use_registry");
        assert_int_equal(act_as(w, "甲", NULL, id, LM_OP_EDIT, json_pack("{s:s}", "level", "town")),
                         LM_ERR_DENIED);
        assert_int_equal(act_as(w, "甲", NULL, id, LM_OP_EDIT,
                                json_pack("{s:s,s:s}", "state", "returned", "return_note", "核")),
                         LM_ERR_DENIED);
        assert_string_equal(err_.code, "use_registry");
        assert_string_equal(err_.field, "state");
        OK(act_as(w, "甲", NULL, id, LM_OP_EDIT,
                  json_pack("{s:s,s:s}", "name", "东溪新村", codes[i], VILLAGE_A)));
    }
    assert_int_equal(create(w, "station",
                            json_pack("{s:s,s:s,s:s,s:b,s:b,s:b}", "area_code", "999999101250",
                                      "level", "village", "name", "没登记的站", "has_office", 1,
                                      "has_fulltime", 1, "has_rules", 1)),
                     LM_ERR_DENIED);
    assert_string_equal(err_.code, "use_registry");
    assert_int_equal(verify(w), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_settings_have_bounds),
        T(test_settings_are_those_that_are_read),
        T(test_notices_are_for_villages_that_there_are),
        T(test_publicity_lasts_as_long_as_the_town_has_set),
        T(test_openings_are_of_an_area_and_whole),
        T(test_openings_do_not_lie_inside_each_other),
        T(test_two_persons_stand_for_an_opening),
        T(test_the_registrys_rows_are_the_registrys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
