/* What programs fill in. */
#include "tests/unit/validate_world.h"

static void computed(void **state)
{
    struct lm_record *plan;

    (void)state;
    save(&(struct save){.type = "petition",
                        .author = LM_BY_TOWN,
                        .json = "{'received_on':'2026-01-20','accepted_on':'2026-02-01',"
                                "'extended_days':30}"});
    assert_string_equal(lm_record_get(after, "accept_due")->text, "2026-02-04");
    assert_string_equal(lm_record_get(after, "finish_due")->text, "2026-05-02");
    assert_false(lm_record_get(after, "is_backlog")->b);
    save(&(struct save){.type = "petition", .json = "{'received_on':'2026-01-20'}"});
    assert_int_equal(lm_record_get(after, "finish_due")->kind, LM_NULL);
    save(&(struct save){.type = "reception", .json = "{}"});
    assert_string_equal(lm_record_get(after, "level")->text, "village");

    save(&(struct save){.type = "contact_plan",
                        .json = "{'person_id':'" FX_ID("01") "','start_on':'2025-11-30'}"});
    assert_string_equal(lm_record_get(after, "frequency")->text, "quarter");
    assert_string_equal(lm_record_get(after, "next_due")->text, "2026-02-28");
    plan = after;
    fx_add(&fx, "visit", FX_ID("40"),
           "{'visit_on':'2026-03-15','persons':['" FX_ID("02") "','" FX_ID("01") "']}");
    fx_add(&fx, "visit", FX_ID("41"),
           "{'visit_on':'2026-05-15','persons':['" FX_ID("01") "'],'state':'returned'}");
    fx_add(&fx, "visit", FX_ID("42"), "{'visit_on':'2026-06-01','persons':['" FX_ID("02") "']}");
    save(&(struct save){.type = "contact_plan", .before = plan, .json = "{}"});
    assert_string_equal(lm_record_get(after, "next_due")->text, "2026-06-15");
    save(&(struct save){.type = "contact_plan",
                        .before = plan,
                        .author = LM_BY_TOWN,
                        .json = "{'frequency':'year'}"});
    assert_string_equal(lm_record_get(after, "next_due")->text, "2027-03-15");
}

static void categories(void **state)
{
    struct lm_value ids[2] = {lm_value_text(FX_ID("01")), lm_value_text(FX_ID("02"))};
    struct lm_value persons = {.kind = LM_LIST, .len = 2, .items = ids};
    const struct lm_type *visit = fx_type(&fx, "visit");
    const struct lm_type *benefit = fx_type(&fx, "benefit");
    const struct lm_list *codes = lm_type_field(benefit, "code")->list;
    char json[200];
    struct lm_value out;
    struct lm_fieldset set;
    struct lm_pair pair = {.key = "category_at_visit", .key_len = 17};
    struct lm_value map = {.kind = LM_MAP, .len = 1, .pairs = &pair};

    (void)state;
    fx_add(&fx, "person", FX_ID("01"), "{'difficulty':'general'}");
    fx_add(&fx, "person_identity", FX_ID("03"), "{'person_id':'" FX_ID("01") "','code':'07'}");
    fx_add(&fx, "person_identity", FX_ID("04"), "{'person_id':'" FX_ID("01") "','code':'02'}");
    fx_add(&fx, "person_identity", FX_ID("05"),
           "{'person_id':'" FX_ID("01") "','code':'01','state':'returned'}");
    snprintf(json, sizeof(json), "{'person_id':'" FX_ID("01") "','code':'%s'}",
             codes->codes[codes->n_codes - 1].code);
    fx_add(&fx, "benefit", FX_ID("06"), json);
    snprintf(json, sizeof(json),
             "{'person_id':'" FX_ID("01") "','code':'%s','end_on':'2020-01-01'}",
             codes->codes[0].code);
    fx_add(&fx, "benefit", FX_ID("07"), json);
    assert_int_equal(lm_visit_categories(fx.catalog, &persons, &fx.lookup, &fx.arena, &out), LM_OK);
    assert_int_equal(out.len, 2);
    assert_true(lm_value_is(lm_value_member(&out.items[0], "identity"), "02"));
    assert_true(lm_value_is(lm_value_member(&out.items[0], "benefit"),
                            codes->codes[codes->n_codes - 1].code));
    assert_true(lm_value_is(lm_value_member(&out.items[0], "difficulty"), "general"));
    assert_null(lm_value_member(&out.items[1], "identity"));
    assert_true(lm_value_is(lm_value_member(&out.items[1], "difficulty"), "none"));
    /* It is a canonical value of the field. */
    pair.value = out;
    lm_issues_init(&issues);
    assert_int_equal(lm_fields_check(fx.catalog, visit, &map, &fx.arena, &set, &issues), LM_OK);
    expect_ok("canonical");
    fx.fail = LM_ERR_IO;
    assert_int_equal(lm_visit_categories(fx.catalog, &persons, &fx.lookup, &fx.arena, &out),
                     LM_ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(computed),
        TEST(categories),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
