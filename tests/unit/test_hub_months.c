/* Who has reported which month: records and nil reports, in time and late; what is missing, not
 * due, or asked of nobody. */
#include "hub/months.h"
#include "tests/unit/hub_counts_world.h"

#define V1 "999999101201"
#define V2 "999999101202"
#define V3 "999999101203"

/* "status" or "status rows" of a village's months, in one line. */
static void months_of(struct world *w, const char *type, int year, const char *code, char out[512])
{
    json_t *doc = NULL, *village, *month;
    size_t i, k, at = 0;

    OK(lm_store_months(w->store, type, year, NOW_MS, &doc, &err_));
    assert_int_equal(json_integer_value(json_object_get(doc, "year")), year);
    assert_int_equal(json_array_size(json_object_get(doc, "villages")), 4); /* the town is none */
    out[0] = '\0';
    json_array_foreach(json_object_get(doc, "villages"), i, village)
    {
        if (strcmp(json_string_value(json_object_get(village, "code")), code) != 0) {
            continue;
        }
        assert_int_equal(json_array_size(json_object_get(village, "months")),
                         json_array_size(json_object_get(doc, "months")));
        json_array_foreach(json_object_get(village, "months"), k, month)
        {
            json_int_t rows = json_integer_value(json_object_get(month, "rows"));

            at += (size_t)snprintf(out + at, 512 - at, "%s%s", k ? " " : "",
                                   json_string_value(json_object_get(month, "status")));
            if (rows > 0) {
                at += (size_t)snprintf(out + at, 512 - at, "=%lld", (long long)rows);
            }
        }
    }
    json_decref(doc);
}

static void says_months(struct world *w, const char *type, int year, const char *code,
                        const char *expected)
{
    char text[512];

    months_of(w, type, year, code, text);
    assert_string_equal(text, expected);
}

/* NOW is 2026-09-21; the journal began in April 2024. */
static void test_months(void **state)
{
    struct world *w = *state;

    row(w, "visit", V1,
        "visit_on=2026-01-31;occasion=daily;persons=p1;created_at=2026-02-05T15:59:00.000Z");
    row(w, "visit", V1,
        "visit_on=2026-01-02;occasion=daily;persons=p1;created_at=2026-03-01T00:00:00.000Z");
    row(w, "visit", V1,
        "visit_on=2026-02-10;occasion=daily;persons=p1;created_at=2026-03-05T16:00:00.000Z");
    row(w, "visit", V1, "visit_on=2026-04-10;occasion=daily;persons=p1;state=draft");
    row(w, "visit", V1, "visit_on=2026-05-10;occasion=daily;persons=p1;invalid=1");
    row(w, "visit", V1,
        "visit_on=2026-06-10;occasion=daily;persons=p1;deleted_at=2026-06-11T00:00:00.000Z");
    row(w, "visit", V1,
        "visit_on=2026-09-10;occasion=daily;persons=p1;created_at=2026-09-10T00:00:00.000Z");
    row(w, "nil_report", V1, "month=2026-03;record=visit;reported_on=2026-04-05");
    row(w, "nil_report", V1, "month=2026-04;record=visit;reported_on=2026-05-06");
    row(w, "nil_report", V1, "month=2026-05;record=consultation;reported_on=2026-06-01");
    row(w, "nil_report", V1, "month=2026-06;record=visit;reported_on=2026-07-01;state=returned");
    /* a nil report in time, and a record that came after all */
    row(w, "nil_report", V1, "month=2026-07;record=visit;reported_on=2026-08-01");
    row(w, "visit", V1,
        "visit_on=2026-07-10;occasion=daily;persons=p1;created_at=2026-09-01T00:00:00.000Z");
    says_months(w, "visit", 2026, V1,
                "reported=2 late=1 nil nil_late missing missing nil=1 missing reported=1");
    says_months(w, "visit", 2026, V2,
                "missing missing missing missing missing missing missing missing open");
    says_months(w, "consultation", 2026, V1,
                "missing missing missing missing nil missing missing missing open");
    /* before the town began: nobody asks and nobody was late; what is there is shown */
    row(w, "visit", V3,
        "visit_on=2024-02-01;occasion=daily;persons=p1;created_at=2024-05-01T00:00:00.000Z");
    says_months(w, "visit", 2024, V3,
                "none reported=1 none missing missing missing missing missing missing missing "
                "missing missing");
    says_months(w, "visit", 2027, V3, "");
    row(w, "station", V3, "area_code=" V3 ";level=village;closed_on=2026-03-15");
    says_months(w, "visit", 2026, V3, "missing missing missing none none none none none none");
    row(w, "setting", TOWN, "key=report_days;value=60");
    says_months(w, "visit", 2026, V2,
                "missing missing missing missing missing missing open open open");
}

static void test_times_are_the_towns_days(void **state)
{
    struct world *w = *state;

    row(w, "reception", V1,
        "at=2026-01-31T16:00:00.000Z;level=village;head_count=1;matter_kind=policy;created_at=2026-"
        "02-01T00:00:00.000Z");
    says_months(w, "reception", 2026, V1,
                "missing reported=1 missing missing missing missing missing missing open");
}

static void test_what_is_not_reported_by_month(void **state)
{
    static const char *const types[] = {"notice", "nil_report", "nonsense", ""};
    struct world *w = *state;
    json_t *doc = NULL;

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        assert_int_equal(lm_store_months(w->store, types[i], 2026, NOW_MS, &doc, &err_),
                         LM_ERR_INVALID);
        assert_string_equal(err_.code, "no_months");
        assert_null(doc);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, counts_begin, counts_rollback)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_months),
        TEST(test_times_are_the_towns_days),
        TEST(test_what_is_not_reported_by_month),
    };

    return cmocka_run_group_tests(tests, counts_setup, world_teardown);
}
