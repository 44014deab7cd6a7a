/* The counts document: its shape, openings, corrections, what was never entered, groupings and
 * errors. */
#include "tests/unit/hub_counts_world.h"

#define V1 "999999101201"
#define V2 "999999101202"
#define V3 "999999101203"
#define VISIT "occasion=spring;persons=p1;visit_on="

static json_t *figure(struct world *w, const char *question, json_t **doc)
{
    char id[16];

    OK(ask(w, question, doc, id));
    return json_object_get(json_object_get(*doc, "indicators"), id);
}

static void test_shape(void **state)
{
    struct world *w = *state;
    json_t *doc = NULL, *f, *group, *coverage;

    row(w, "visit", V1, "occasion=spring;persons=p1,p2,p3;visit_on=2025-01-25");
    f = figure(w, "I12 by=village", &doc);
    assert_string_equal(json_string_value(json_object_get(doc, "as_of")),
                        "2026-09-21T14:13:20.000Z");
    assert_true(json_is_null(json_object_get(doc, "from")));
    assert_string_equal(json_string_value(json_object_get(doc, "to")), "2026-09-21");
    coverage = json_object_get(doc, "coverage");
    assert_int_equal(json_integer_value(json_object_get(coverage, "stations")), 4);
    assert_true(json_is_array(json_object_get(coverage, "stale")));
    assert_int_equal(json_object_size(json_object_get(doc, "indicators")), 1);
    assert_string_equal(json_string_value(json_object_get(f, "label")), "走访人次");
    assert_string_equal(json_string_value(json_object_get(f, "unit")), "人次");
    assert_int_equal(json_integer_value(json_object_get(f, "value")), 3);
    assert_true(json_is_integer(json_object_get(f, "opening")));
    assert_string_equal(json_string_value(json_object_get(f, "display")), "3");
    assert_true(json_is_true(json_object_get(f, "reported")));
    assert_int_equal(json_array_size(json_object_get(f, "groups")), 1);
    group = json_array_get(json_object_get(f, "groups"), 0);
    assert_string_equal(json_string_value(json_object_get(group, "key")), V1);
    assert_string_equal(json_string_value(json_object_get(group, "label")), "东溪村");
    assert_int_equal(json_integer_value(json_object_get(group, "value")), 3);
    json_decref(doc);
    f = figure(w, "I12 from=2025-01-01 to=2025-12-31", &doc);
    assert_string_equal(json_string_value(json_object_get(doc, "from")), "2025-01-01");
    assert_string_equal(json_string_value(json_object_get(doc, "to")), "2025-12-31");
    assert_null(json_object_get(f, "groups"));
    json_decref(doc);
}

/* All lines at once: what can't be grouped as asked has no groups. */
static void test_all_lines(void **state)
{
    static const char *const questions[] = {"", "by=village", "by=office", "by=month",
                                            "by=category"};
    static const char *const grouped[] = {NULL, "I12", "I01v", "I17", "I09"}, *const plain[] = {
                                                                                  "I12", "I17",
                                                                                  "I17", "I01",
                                                                                  "I01"};
    struct world *w = *state;

    for (size_t i = 0; i < 5; i++) {
        json_t *doc = NULL, *all;
        char id[16];

        OK(ask(w, questions[i], &doc, id));
        all = json_object_get(doc, "indicators");
        assert_int_equal(json_object_size(all), w->catalog->n_indicators);
        assert_int_equal(json_object_size(all), 71);
        assert_true(!grouped[i] || json_object_get(json_object_get(all, grouped[i]), "groups"));
        assert_null(json_object_get(json_object_get(all, plain[i]), "groups"));
        json_decref(doc);
    }
}

static void test_labels(void **state)
{
    static const struct {
        const char *question, *key, *label;
    } want[] = {
        {"I12 by=category", "01", "军队转业干部"},
        {"I12 by=category", "b03", "烈士遗属"},
        {"I12 by=category", "none", "未分类"},
        {"I12 by=month", "2025-01", "2025-01"},
        {"I12 by=office", "999999101901", "东片"},
        {"I12 by=office", TOWN, "明月镇"},
        {"I12 by=village", TOWN, "明月镇"},
        {"I12 by=village", "999999101299", "999999101299"},
        {"I12 by=village", "opening", "期初"},
        {"I17 by=category", "policy", "政策"},
        {"I09 by=category", "02", "退役士兵"},
    };
    struct world *w = *state;

    row(w, "visit", V1,
        "occasion=spring;persons=p1,p2,p3;visit_on=2025-01-25;category_at_visit=01/,/b03,/");
    row(w, "visit", TOWN, VISIT "2025-01-25");
    row(w, "visit", "999999101299", VISIT "2025-01-25"); /* no such area */
    row(w, "reception", TOWN,
        "at=2025-03-10T01:30:00.000Z;level=town;head_count=3;matter_kind=policy");
    row(w, "person", V1, "id=p1;state=active");
    row(w, "person_identity", V1, "person_id=p1;code=02");
    row(w, "opening_balance", TOWN, "indicator=I12;area_code=" TOWN ";as_of=2024-12-31;value=7");
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        json_t *doc = NULL, *group,
               *groups = json_object_get(figure(w, want[i].question, &doc), "groups");
        size_t g, found = 0;

        json_array_foreach(groups, g, group)
        {
            if (strcmp(json_string_value(json_object_get(group, "key")), want[i].key) == 0) {
                assert_string_equal(json_string_value(json_object_get(group, "label")),
                                    want[i].label);
                found++;
            }
        }
        if (found != 1) {
            print_message("    %s: %zu groups %s\n", want[i].question, found, want[i].key);
        }
        assert_int_equal(found, 1);
        json_decref(doc);
    }
}

static void test_openings(void **state)
{
    struct world *w = *state;

    row(w, "visit", V1, VISIT "2024-12-31"); /* the town's opening holds it */
    row(w, "visit", V1, VISIT "2025-01-01");
    row(w, "visit", TOWN, VISIT "2024-06-30");
    row(w, "visit", "999999101299",
        VISIT "2024-06-30"); /* an unknown place is inside the town too */
    row(w, "visit", V3, VISIT "2025-03-31");
    SAYS(w, "I12", "5 5");
    row(w, "opening_balance", TOWN, "indicator=I12;area_code=" TOWN ";as_of=2024-12-31;value=300");
    row(w, "opening_balance", TOWN,
        "indicator=I12;area_code=" TOWN ";as_of=2024-12-31;value=1;state=draft");
    row(w, "opening_balance", TOWN,
        "indicator=I12;area_code=" TOWN ";as_of=2024-12-31;value=2;state=returned");
    row(w, "opening_balance", TOWN,
        "indicator=I12;area_code=" TOWN ";as_of=2024-12-31;value=4;invalid=1");
    row(w, "opening_balance", TOWN,
        "indicator=I12;area_code=" TOWN
        ";as_of=2024-12-31;value=8;deleted_at=2025-01-01T00:00:00.000Z");
    row(w, "opening_balance", TOWN, "indicator=I12b;area_code=" TOWN ";as_of=2024-12-31;value=16");
    SAYS(w, "I12", "302 300余 +300");
    SAYS(w, "I12 by=village", "302 300余 +300 | opening=300 201=1 203=1");
    SAYS(w, "I12 by=office", "302 300余 +300 | opening=300 901=1 902=1");
    SAYS(w, "I12 by=month", "302 300余 +300 | opening=300 2025-01=1 2025-03=1");
    SAYS(w, "I12 from=2000-01-01", "5 5"); /* with a beginning: live rows alone */
    SAYS(w, "I12 to=2024-12-30", "2 2");   /* before the opening's day it says nothing yet */
    SAYS(w, "I12 to=2024-12-31", "300 300 +300");
    SAYS(w, "I12 station=" V1, "1 1"); /* the town's opening is not that village's */
    SAYS(w, "I12c", "0 0");
    /* a village's and an office's */
    row(w, "opening_balance", TOWN, "indicator=I12;area_code=" V3 ";as_of=2025-03-31;value=10");
    SAYS(w, "I12", "311 310余 +310");
    SAYS(w, "I12 station=" V3, "10 10 +10");
    row(w, "opening_balance", TOWN,
        "indicator=I12;area_code=999999101901;as_of=2025-02-01;value=20");
    SAYS(w, "I12", "330 330 +330");
    row(w, "opening_balance", TOWN,
        "indicator=I12;area_code=" TOWN
        ";as_of=2025-06-30;value=400"); /* newer: holds the older one */
    SAYS(w, "I12", "430 430 +430");
    row(w, "visit", V1, VISIT "2025-06-30");
    SAYS(w, "I12", "430 430 +430");
    row(w, "visit", V1, VISIT "2025-07-01");
    SAYS(w, "I12", "431 430余 +430");
    SAYS(w, "I12 by=category", "431 430余 +430 | opening=430 none=1");
    /* money: entered in yuan, counted in fen */
    row(w, "opening_balance", TOWN,
        "indicator=I29;area_code=" TOWN ";as_of=2024-12-31;value=10860.5");
    SAYS(w, "I29", "1086050 1万余 +1086050");
}

static void test_reception_opening_by_hour(void **state)
{
    struct world *w = *state;

    row(w, "opening_balance", TOWN, "indicator=I17;area_code=" TOWN ";as_of=2024-12-31;value=300");
    row(w, "reception", TOWN,
        "at=2024-12-31T15:59:59.999Z;level=town;head_count=4;matter_kind=policy");
    SAYS(w, "I17", "300 300 +300");
    row(w, "reception", TOWN,
        "at=2024-12-31T16:00:00.000Z;level=town;head_count=5;matter_kind=policy"); /* New Year's Day
                                                                                      in UTC+8 */
    SAYS(w, "I17", "305 300余 +300");
}

static void test_corrections(void **state)
{
    struct world *w = *state;

    row(w, "visit", V1, "id=o;state=locked;" VISIT "2025-01-25");
    row(w, "visit", V1,
        "id=c1;correction_of=o;occasion=spring;persons=p1,p2,p3;visit_on=2025-01-25;state="
        "submitted");
    SAYS(w, "I12", "1 1"); /* not verified: the original stands */
    row(w, "visit", V1,
        "id=c2;correction_of=o;occasion=spring;persons=p1,p2;visit_on=2025-01-25;state=verified;"
        "deleted_at=2025-08-02T00:00:00.000Z");
    row(w, "visit", V1,
        "id=c3;correction_of=o;occasion=spring;persons=p1,p2;visit_on=2025-01-25;state=verified;"
        "invalid=1");
    SAYS(w, "I12", "1 1");
    row(w, "visit", V1,
        "id=c4;correction_of=o;occasion=spring;persons=p1,p2,p3;visit_on=2025-01-26;state="
        "verified");
    SAYS(w, "I12", "3 3");
    row(w, "visit", V1,
        "id=c5;correction_of=c4;occasion=daily;persons=p1,p2,p3,p4;visit_on=2025-01-26;state="
        "locked");
    SAYS(w, "I12", "0 0"); /* no festival after all */
    SAYS(w, "I12c", "4 4");
    /* records with a life cycle of their own */
    row(w, "aid_case", V1,
        "id=a;type=one_off;state=closed;applied_on=2025-03-01;paid_on=2025-03-11;amount_paid_fen="
        "100");
    row(w, "aid_case", V1, "correction_of=a;type=one_off;state=applied;applied_on=2025-03-01");
    SAYS(w, "I14a", "100 1.00");
    row(w, "aid_case", V1,
        "correction_of=a;type=one_off;state=paid;applied_on=2025-03-01;paid_on=2025-03-11;amount_"
        "paid_fen=205");
    SAYS(w, "I14a", "205 2.05");
    row(w, "plaque", V1,
        "id=self;correction_of=self;state=verified;household_no=H1;hung_on=2025-01-01");
    SAYS(w, "I30bn", "1 1");
}

static void test_reported(void **state)
{
    struct world *w = *state;
    json_t *doc = NULL, *f;

    SAYS(w, "I12", "- (未填报)");
    f = figure(w, "I12", &doc);
    assert_true(json_is_false(json_object_get(f, "reported")));
    json_decref(doc);
    SAYS(w, "I23", "- (未填报)");
    SAYS(w, "I01", "0 0"); /* the town's own station is there */
    row(w, "nil_report", V1, "month=2025-07;record=visit;reported_on=2025-08-01;state=draft");
    row(w, "nil_report", V1, "month=2025-07;record=visit;reported_on=2025-08-01;invalid=1");
    row(w, "visit", V1, "state=draft;" VISIT "2025-01-25");
    SAYS(w, "I12", "- (未填报)");
    row(w, "nil_report", V1, "month=2025-07;record=visit;reported_on=2025-08-01");
    SAYS(w, "I12", "0 0");
    SAYS(w, "I12c", "0 0");
    SAYS(w, "I12 station=" V1, "0 0");
    SAYS(w, "I12 station=" V2, "- (未填报)");
    SAYS(w, "I14", "- (未填报)");
    row(w, "opening_balance", TOWN, "indicator=I14;area_code=" TOWN ";as_of=2024-12-31;value=0");
    SAYS(w, "I14", "0 0");
    SAYS(w, "I14 from=2025-01-01", "0 0");
    SAYS(w, "I14a", "- (未填报)");
    row(w, "service_item", V1, "state=notified;notice_given_at=2025-03-01T02:00:00.000Z");
    SAYS(w, "I23n", "0 0");
    SAYS(w, "I23", "- —"); /* entered, but nothing to divide by */
    f = figure(w, "I23", &doc);
    assert_true(json_is_true(json_object_get(f, "reported")));
    assert_int_equal(json_integer_value(json_object_get(f, "denominator")), 0);
    json_decref(doc);
    row(w, "honor", V1, "title=a;awarded_on=2025-01-01;deleted_at=2025-08-02T00:00:00.000Z");
    SAYS(w, "I27", "0 0");
}

static void test_errors(void **state)
{
    static const struct {
        const char *question, *code, *field;
    } wrong[] = {
        {"I99", "unknown_indicator", "indicator"},
        {"I12 by=age", "bad_code", "by"},
        {"I12 by=occasion", "bad_code", "by"},
        {"I17 by=office", "cannot_group", "by"},
        {"I01 by=month", "cannot_group", "by"},
        {"I15 by=category", "cannot_group", "by"},
        {"I12 from=2025-02-30", "bad_date", "from"},
        {"I12 to=2025-1-1", "bad_date", "to"},
        {"I12 to=today", "bad_date", "to"},
        {"I12 from=2025-02-01 to=2025-01-31", "bad_period", "from"},
        {"I12 from=2026-09-22", "bad_period", "from"},
        {"I12 station=999999101250", "unknown_station", "station"},
        {"I12 station=x'", "unknown_station", "station"},
    };
    struct world *w = *state;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        json_t *doc = NULL;
        char id[16];

        err_ = (struct lm_error){0};
        if (ask(w, wrong[i].question, &doc, id) != LM_ERR_INVALID ||
            strcmp(err_.code, wrong[i].code) != 0) {
            fail_msg("%s: %s", wrong[i].question, err_.code);
        }
        assert_string_equal(err_.field, wrong[i].field);
        assert_true(err_.zh[0] != '\0');
        assert_null(doc);
    }
    SAYS(w, "I17 by=month", "- (未填报) |");
}

/* Through the hub's own acts: what people enter, the programs compute. */
static void test_acts(void **state)
{
    struct world *w = *state;
    struct lm_act act = {.user = "李明", .type = "reception", .op = LM_OP_CREATE};
    struct lm_act_result result;
    json_t *fields = json_pack(
        "{s:s,s:i,s:s,s:s,s:s,s:s,s:s,s:s}", "at", "2025-03-10T09:30:00+08:00", "head_count", 2,
        "matter_kind", "policy", "appeal", "询问", "reply", "已答复", "outcome", "done",
        "visitor_name", "王某", "handler", "0190a000-0000-7000-8000-000000000001");

    act.fields = fields;
    lm_issues_init(&result.issues);
    OK(lm_store_act(w->store, &act, w->now, &result, &err_));
    SAYS(w, "I17 by=month", "2 2 | 2025-03=2");
    SAYS(w, "I18", "0 0");
    act.station = V1;
    act.op = LM_OP_CREATE;
    lm_issues_init(&result.issues);
    OK(lm_store_act(w->store, &act, w->now + 1, &result, &err_));
    SAYS(w, "I18 by=village", "2 2 | 201=2");
    SAYS(w, "I17", "2 2");
    json_decref(fields);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, counts_begin, counts_rollback)
    const struct CMUnitTest tests[] = {T(test_shape),
                                       T(test_all_lines),
                                       T(test_labels),
                                       T(test_openings),
                                       T(test_reception_opening_by_hour),
                                       T(test_corrections),
                                       T(test_reported),
                                       T(test_errors),
                                       T(test_acts)};

    return cmocka_run_group_tests(tests, counts_setup, world_teardown);
}
