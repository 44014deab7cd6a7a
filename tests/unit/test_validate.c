/* What a record must say: required and conditional fields, drafts, dates, and rules across fields;
 * and that a refusal says what is meant. Shapes: test_validate_shape.c; who may do what:
 * test_validate_authors.c; what programs fill in: test_validate_compute.c. */
#include "tests/unit/validate_world.h"

static void person(void **state)
{
    (void)state;
    save(&(struct save){.type = "person", .json = "{" PERSON "}"});
    expect_ok("person");
    /* Birth and sex come from the number, defaults from the catalogue. */
    assert_string_equal(lm_record_get(after, "birth_on")->text, "1953-08-01");
    assert_string_equal(lm_record_get(after, "sex")->text, "1");
    assert_string_equal(lm_record_get(after, "difficulty")->text, "none");
    assert_string_equal(lm_record_text(after, LM_C_STATE), "submitted");

    save(&(struct save){.type = "person", .json = "{" PERSON ",'name':'王二1'}"});
    expect(LM_WARN, "bad_format", "name", "digits are odd");
    expect_ok("but pass");
    save(&(struct save){.type = "person", .json = "{" PERSON ",'birth_on':'1953-08-02'}"});
    expect_refused("id_birth_mismatch", "birth_on", "birth");
    save(&(struct save){.type = "person", .json = "{" PERSON ",'sex':'2'}"});
    expect_refused("id_sex_mismatch", "sex", "sex");
    save(&(struct save){.type = "person", .json = "{'name':'王测试'}"});
    expect_refused("required", "id_status", "no status");
    expect_refused("required", "birth_on", "no birth");
    expect_refused("required", "is_resident", "no residence");
    expect_refused("required", "household_village", "neither in nor outside");
    expect_refused("required", "household_outside", "neither in nor outside");
    save(&(struct save){.type = "person",
                        .json = "{'name':'王测试','id_status':'valid','sex':'1',"
                                "'birth_on':'1953-08-01','is_resident':true,"
                                "'household_outside':'外县'}"});
    expect_refused("required", "id_no", "valid without number");
    assert_null(find("required", "household_village"));
    save(&(struct save){.type = "person",
                        .json = "{'name':'王测试','id_status':'missing','sex':'1',"
                                "'birth_on':'1853-08-01','is_resident':true,"
                                "'household_village':'999999100201'}"});
    expect_refused("required", "id_status_reason", "missing without reason");
    expect_refused("too_old", "birth_on", "173 years");
    save(&(struct save){.type = "person", .json = "{" PERSON ",'difficulty':'special'}"});
    expect_refused("required", "difficulty_reason", "hardship without a reason");
    save(&(struct save){.type = "person", .json = "{" PERSON ",'is_resident':'maybe'}"});
    expect_refused("bad_type", "is_resident", "said once");
    assert_null(find("required", "is_resident"));
}

static void drafts(void **state)
{
    (void)state;
    save(&(struct save){.type = "person", .json = "{'state':'draft'}"});
    expect_ok("an empty draft");
    save(&(struct save){.type = "person", .json = "{'state':'draft','name':'王@'}"});
    expect_refused("bad_format", "name", "drafts keep formats");
    save(&(struct save){.type = "person", .json = "{'state':'draft','birth_on':'2030-01-01'}"});
    expect_refused("not_future", "birth_on", "drafts keep natural limits");
    save(&(struct save){.type = "petition",
                        .json = "{'state':'draft','petitioners':[{'name':''}]}"});
    expect_refused("required", "petitioners[0]", "an empty item is nothing");
    save(&(struct save){.type = "benefit",
                        .author = LM_BY_TOWN,
                        .json = "{'state':'draft','end_on':'2026-01-01'}"});
    expect_ok("a draft with its end only");
    save(&(struct save){.type = "benefit",
                        .author = LM_BY_TOWN,
                        .json = "{'state':'draft','start_on':'2026-02-01','end_on':'2026-01-01'}"});
    expect_refused("date_order", "end_on", "drafts keep the order of what they hold");
}

static void conditions(void **state)
{
    struct lm_record *aid = fx_make(
        &fx, "aid_case", FX_ID("01"),
        "{'type':'one_off','person_id':'" FX_ID(
            "02") "','situation':'other','reason':'测试',"
                  "'applied_on':'2026-01-05','form':'money','state':'approved','county_doc_no':'1',"
                  "'village_checked_on':'2026-01-06','village_opinion':'同意',"
                  "'town_reviewed_on':'2026-01-07','amount_approved_fen':50000}");

    (void)state;
    save(&(struct save){
        .type = "aid_case", .before = aid, .author = LM_BY_TOWN, .json = "{'state':'paid'}"});
    expect_refused("required", "paid_on", "enter paid");
    expect_refused("required", "amount_paid_fen", "enter paid");
    save(&(struct save){.type = "aid_case",
                        .before = aid,
                        .author = LM_BY_TOWN,
                        .json = "{'state':'paid','paid_on':'2026-02-01','amount_paid_fen':60000}"});
    expect_refused("required", "paid_reason", "more than approved");
    save(&(struct save){.type = "aid_case",
                        .before = aid,
                        .author = LM_BY_TOWN,
                        .json = "{'state':'paid','paid_on':'2026-01-01','amount_paid_fen':50000}"});
    expect_refused("date_order", "paid_on", "paid before it was asked for");
    save(&(struct save){.type = "aid_case",
                        .before = aid,
                        .author = LM_BY_TOWN,
                        .json = "{'state':'paid','paid_on':'2026-02-01','amount_paid_fen':50000}"});
    expect_ok("paid");

    save(&(struct save){.type = "reception",
                        .json = "{'at':'2026-06-01T01:00:00Z','head_count':1,"
                                "'matter_kind':'policy','appeal':'问','reply':'答',"
                                "'outcome':'on_spot','handler':'" FX_ID("09") "'}"});
    expect_refused("required", "visitor_name", "one visitor without a name");
    save(&(struct save){.type = "activity",
                        .json = "{'on':'2026-05-01','kind':'performance','session_count':2,"
                                "'is_voluntary':true}"});
    expect(LM_WARN, "required", "group_id", "a warning only");
    expect_ok("a warning does not refuse");
    save(&(struct save){.type = "matter",
                        .author = LM_BY_TOWN,
                        .json = "{'name':'x','version':1,'steps':'y','materials':[{'no':1}]}"});
    expect_refused("required", "materials[0].name", "members");
    save(&(struct save){.type = "petition",
                        .json = "{'received_on':'2026-06-01','channel':'visit',"
                                "'head_count':1,'demand':'x','petitioners':[{'name':'赵甲'}]}"});
    assert_null(find("required", "petitioners[0].name"));
}

static void dates_long_ago(void **state)
{
    (void)state;
    save(&(struct save){.type = "visit",
                        .json = "{'visit_on':'0052-07-01','occasion':'daily','occasion_year':2026,"
                                "'visitors':'赵甲','visitor_level':'village','persons':"
                                "['" FX_ID("01") "']}"});
    expect(LM_WARN, "long_ago", "visit_on", "a year of two digits");
    save(&(struct save){.type = "nil_report",
                        .json = "{'month':'2026-05','record':'visit','reported_on':'1949-10-01'}"});
    assert_null(find("long_ago", "reported_on"));
}

static void dates_ahead(void **state)
{
    static const char json[] =
        "{'visit_on':'2026-07-01','occasion':'daily','occasion_year':2026,'visitors':'赵甲',"
        "'visitor_level':'village','persons':['" FX_ID("01") "']}";

    (void)state;
    save(&(struct save){.type = "visit", .json = json});
    expect_refused("not_future", "visit_on", "tomorrow");
    save(&(struct save){.type = "visit", .json = json, .clock_doubtful = true});
    expect(LM_WARN, "not_future", "visit_on", "the clock may be wrong");
    now_ms += 14 * 3600 * 1000; /* 00:00 of 1 July in UTC+8 */
    save(&(struct save){.type = "visit", .json = json});
    assert_null(find("not_future", "visit_on"));
    now_ms -= 1;
    save(&(struct save){.type = "visit", .json = json});
    expect_refused("not_future", "visit_on", "one millisecond early");
    save(&(struct save){.type = "nil_report",
                        .json = "{'month':'2026-07','record':'visit','reported_on':'2026-06-30'}"});
    expect_refused("not_future", "month", "next month");
    save(&(struct save){.type = "nil_report",
                        .json = "{'month':'2026-06','record':'visit','reported_on':'2026-06-30'}"});
    expect(LM_WARN, "month_running", "month", "it is not over");
    expect_ok("a warning refuses nothing");
    save(&(struct save){.type = "nil_report",
                        .json = "{'month':'2026-05','record':'visit','reported_on':'2026-06-30'}"});
    assert_null(find("month_running", "month"));
    save(&(struct save){
        .type = "consultation",
        .json = "{'on':'2062-06-30','channel':'window','topic':'policy','item_count':1}"});
    expect(LM_WARN, "not_future", "on", "an event's date ahead is a slip or a plan");
    expect_ok("a plan may be entered");
    save(&(struct save){
        .type = "consultation",
        .json = "{'on':'2026-06-30','channel':'window','topic':'policy','item_count':1}"});
    assert_null(find("not_future", "on"));
}

static void contains(const char *code, const char *field, const char *part)
{
    const struct lm_issue *issue = find(code, field);

    if (!issue || (!strstr(issue->error.zh, part) && !strstr(issue->error.en, part))) {
        print_issues(field);
        fail_msg("%s of %s does not say %s", code, field, part);
    }
}

/* A person at a command line sees neither the list of codes nor the list of fields. */
static void refusals_say_what_is_meant(void **state)
{
    (void)state;
    save(&(struct save){.type = "consultation", .json = "{'channel':'窗口','item_count':'3'}"});
    contains("bad_code", "channel", "window（窗口）");
    contains("bad_code", "channel", "window (");
    contains("bad_type", "item_count", "不加引号");
    save(&(struct save){.type = "benefit", .json = "{'code':'nonsense'}"});
    contains("bad_code", "code", "…"); /* more codes than a sentence bears */
    save(&(struct save){.type = "consultation", .json = "{'item_cout':3,'渠道':'window'}"});
    contains("unknown_field", "item_cout", "item_count");
    contains("unknown_field", "渠道", "channel");
    save(&(struct save){.type = "consultation", .json = "{'shoe_size':43}"});
    contains("unknown_field", "shoe_size", "请检查拼写");
}

static void across_fields(void **state)
{
    struct lm_record *item;

    (void)state;
    fx_add(&fx, "matter", FX_ID("30"),
           "{'materials':[{'no':1,'may_be_late':true},{'no':2,'may_be_late':false}]}");
    item = fx_make(&fx, "service_item", FX_ID("31"), "{'matter_id':'" FX_ID("30") "'}");
    save(&(struct save){
        .type = "service_item", .before = item, .json = "{'missing_materials':[1]}"});
    assert_null(find("bad_code", "missing_materials[0]"));
    expect_refused("required", "missing_due", "until when");
    save(&(struct save){
        .type = "service_item", .before = item, .json = "{'missing_materials':[1,2]}"});
    expect_refused("bad_code", "missing_materials[1]", "may not be late");
    save(&(struct save){.type = "pref_card",
                        .author = LM_BY_TOWN,
                        .json = "{'stage_dates':[{'stage':'accepted','on':'2026-02-02'},"
                                "{'stage':'review','on':'2026-02-01'}]}"});
    expect_refused("date_order", "stage_dates[1]", "dates fall");
    expect_refused("stage_not_state", "stage_dates[1]", "the last stage is the state");
    save(&(struct save){
        .type = "area_unit",
        .author = LM_BY_TOWN,
        .json = "{'code':'999999100201','name':'x','level':'town','valid_from':'2000-01-01'}"});
    expect_refused("bad_format", "code", "a town ends in 000");
}

static void many_issues(void **state)
{
    (void)state;
    lm_issues_init(&issues);
    for (int i = 0; i < 2 * LM_ISSUES_MAX; i++) {
        char field[16];

        snprintf(field, sizeof(field), "f%d", i);
        lm_issue_add(&issues, LM_WARN, "w", field, "警告", "warning");
    }
    assert_int_equal(issues.n, LM_ISSUES_MAX);
    assert_null(lm_issues_first_refusal(&issues));
    lm_issue_add(&issues, LM_REFUSE, "r", "f", "拒绝", "refused");
    assert_int_equal(issues.n, LM_ISSUES_MAX);
    assert_int_equal(issues.n_refused, 1);
    assert_string_equal(lm_issues_first_refusal(&issues)->code, "r");
    lm_issue_add(&issues, LM_REFUSE, "r", "f", "拒绝", "refused");
    assert_int_equal(issues.n_refused, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(person),
        TEST(drafts),
        TEST(conditions),
        TEST(dates_ahead),
        TEST(dates_long_ago),
        TEST(refusals_say_what_is_meant),
        TEST(across_fields),
        TEST(many_issues),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
