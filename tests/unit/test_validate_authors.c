/* Who may do what: villages, the town and the hub itself, by field, state and transition. */
#include "tests/unit/validate_world.h"

static void authors(void **state)
{
    struct lm_record *mine =
        fx_make(&fx, "person", FX_ID("01"),
                "{'name':'王测试','id_status':'valid','id_no':'999999195308010012','sex':'1',"
                "'birth_on':'1953-08-01','is_resident':true,'difficulty':'none',"
                "'household_village':'999999100201','legal_basis':'duty'}");
    struct lm_record *active = lm_record_copy(&fx.arena, mine);

    (void)state;
    assert_non_null(active);
    active->fields[LM_C_STATE] = lm_value_text("active");

    save(&(struct save){.type = "person", .before = mine, .json = "{'phone':'13800000000'}"});
    expect_ok("own field");
    save(&(struct save){.type = "person", .before = mine, .json = "{'bank_name':'某银行'}"});
    expect_refused("town_field", "bank_name", "town field");
    save(&(struct save){.type = "person", .before = mine, .json = "{'legal_basis':'duty'}"});
    expect_ok("the value it has already is no edit");
    save(&(struct save){.type = "person", .json = "{" PERSON ",'legal_basis':'duty'}"});
    expect_ok("nor is the default at creation");
    save(&(struct save){.type = "person", .json = "{" PERSON ",'legal_basis':'consent'}"});
    expect_refused("town_field", "legal_basis", "another one is");
    save(&(struct save){.type = "person",
                        .before = mine,
                        .author = LM_BY_TOWN,
                        .json = "{'bank_name':'某银行','phone':'13800000000'}"});
    expect_ok("the town sets both");
    save(&(struct save){.type = "person", .before = active, .json = "{'name':'李测试'}"});
    expect_refused("frozen_field", "name", "frozen");
    save(&(struct save){.type = "person",
                        .before = active,
                        .author = LM_BY_TOWN,
                        .json = "{'name':'李测试','household_no':'1','notice_at':'2026-01-01'}"});
    assert_null(find("frozen_field", "name"));

    /* transitions */
    save(&(struct save){.type = "person", .before = mine, .json = "{'state':'active'}"});
    expect_refused("not_allowed", "state", "a village verifies nobody");
    save(&(struct save){.type = "person", .before = mine, .json = "{'state':'draft'}"});
    expect_ok("taken back");
    save(&(struct save){.type = "person", .before = active, .json = "{'state':'draft'}"});
    expect_refused("bad_transition", "state", "no way back");
    save(&(struct save){
        .type = "person", .before = active, .author = LM_BY_TOWN, .json = "{'state':'deceased'}"});
    expect_refused("not_allowed", "state", "by an event only");
    save(&(struct save){.type = "person",
                        .before = active,
                        .author = LM_BY_SYSTEM,
                        .json = "{'state':'deceased'}"});
    expect_ok("the hub does it");
    save(&(struct save){.type = "person", .json = "{" PERSON ",'state':'deceased'}"});
    expect_refused("bad_transition", "state", "not as a new record");
    save(&(struct save){
        .type = "person", .before = mine, .author = LM_BY_TOWN, .json = "{'state':'returned'}"});
    expect_refused("required", "return_note", "why");
    save(&(struct save){.type = "person",
                        .before = mine,
                        .author = LM_BY_TOWN,
                        .json = "{'state':'returned','return_note':'缺照片'}"});
    expect_ok("returned");
    save(&(struct save){.type = "benefit", .json = "{'code':'01'}"});
    expect_refused("not_allowed", "state", "a town type");

    /* states, stations, deletes */
    mine->fields[LM_C_STATE] = lm_value_text("deceased");
    save(&(struct save){.type = "person", .before = mine, .json = "{'phone':'13800000000'}"});
    expect_refused("locked_state", "state", "locked");
    save(&(struct save){.type = "person", .before = mine, .json = "{'phone':null}"});
    expect_ok("nothing changes");
    mine->fields[LM_C_STATE] = lm_value_text("submitted");
    save(&(struct save){.type = "person",
                        .before = mine,
                        .station = "999999100202",
                        .json = "{'phone':'13800000000'}"});
    expect_refused("not_your_record", "village_code", "another village's");
    save(&(struct save){.type = "person", .before = mine, .deleting = true, .json = "{}"});
    expect_refused("required", "delete_reason", "a reason");
    save(&(struct save){.type = "person",
                        .before = mine,
                        .deleting = true,
                        .json = "{'delete_reason':'重复登记'}"});
    expect_ok("deleted");
    save(&(struct save){.type = "person",
                        .before = active,
                        .deleting = true,
                        .json = "{'delete_reason':'重复登记'}"});
    expect_refused("not_allowed", "state", "on the register");
    save(&(struct save){.type = "person",
                        .before = active,
                        .deleting = true,
                        .author = LM_BY_TOWN,
                        .json = "{'delete_reason':'重复登记'}"});
    expect_ok("the town deletes");
}

/* What the hub refuses outright in a change that no page would make. */
static void hub_fields(void **state)
{
    const struct lm_type *type = fx_type(&fx, "person");
    struct lm_record *before = fx_make(&fx, "person", FX_ID("01"), "{}");
    struct lm_fieldset set = {.n = 0};
    struct lm_validate_in in = {.catalog = fx.catalog, .type = type, .set = &set};
    const struct lm_field *registered = lm_type_field(type, "registered_on");

    (void)state;
    after = lm_record_copy(&fx.arena, before);
    assert_non_null(after);
    lm_fieldset_put(&set, registered->index, lm_value_text("2026-01-01"));
    after->fields[registered->index] = set.value[0];
    in.after = after;
    in.before = before;
    for (unsigned by = LM_BY_VILLAGE; by <= LM_BY_SYSTEM; by *= 2) {
        in.author = (enum lm_author)by;
        lm_issues_init(&issues);
        assert_int_equal(lm_authorize(&in, &fx.arena, &issues), LM_OK);
        assert_int_equal(issues.n_refused, by == LM_BY_SYSTEM ? 0 : 1);
    }
    /* village_code: at creation the merge judges it; nobody moves a record by an edit. */
    set.n = 0;
    after->fields[registered->index] = lm_value_null();
    lm_fieldset_put(&set, LM_C_VILLAGE_CODE, lm_value_text("999999100202"));
    after->fields[LM_C_VILLAGE_CODE] = set.value[0];
    in.author = LM_BY_TOWN;
    lm_issues_init(&issues);
    assert_int_equal(lm_authorize(&in, &fx.arena, &issues), LM_OK);
    expect_refused("system_field", "village_code", "moved by hand");
    in.before = NULL;
    lm_issues_init(&issues);
    assert_int_equal(lm_authorize(&in, &fx.arena, &issues), LM_OK);
    expect_ok("named at creation");
}

static void transitions_have_rules(void **state)
{
    struct lm_record *p =
        fx_add(&fx, "person", FX_ID("01"),
               "{'name':'王测试','id_status':'valid','id_no':'999999195308010012','sex':'1',"
               "'birth_on':'1953-08-01','is_resident':true,'difficulty':'none',"
               "'household_village':'999999100201','legal_basis':'duty'}");
    static const char active[] = "{'state':'active','household_no':'12','notice_at':'2026-01-01'}";

    (void)state;
    save(&(struct save){
        .type = "person", .before = p, .author = LM_BY_TOWN, .json = "{'state':'active'}"});
    expect_refused("required", "household_no", "due at active");
    expect_refused("required", "notice_at", "due at active");
    expect_refused("no_identity", "state", "nobody without an identity");
    fx_add(&fx, "person_identity", FX_ID("02"), "{'person_id':'" FX_ID("01") "','code':'02'}");
    save(&(struct save){.type = "person", .before = p, .author = LM_BY_TOWN, .json = active});
    expect_refused("no_service_history", "state", "a veteran served");
    fx_add(&fx, "service_history", FX_ID("03"),
           "{'person_id':'" FX_ID("01") "','enlist_on':'1972-01-01','discharge_on':'1976-01-01'}");
    save(&(struct save){.type = "person", .before = p, .author = LM_BY_TOWN, .json = active});
    expect_ok("verified");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(authors),
        TEST(hub_fields),
        TEST(transitions_have_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
