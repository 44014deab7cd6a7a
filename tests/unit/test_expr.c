/* Filters: what parses, what is refused, what they say of records, and the SQL text of each kind of
 * clause. That the SQL gives the same answers is tested where SQLite is at hand
 * (test_common_expr_sql.c). */
#include "proto/expr.h"
#include "tests/support/records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct fx fx;

static int setup(void **state)
{
    (void)state;
    fx_open(&fx);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fx_close(&fx);
    return 0;
}

static enum lm_status parse(const char *type, const char *text, const struct lm_expr **out,
                            struct lm_error *err)
{
    memset(err, 0, sizeof(*err));
    return lm_expr_parse(&fx.arena, fx.catalog, fx_type(&fx, type), text, out, err);
}

static const struct lm_expr *must_parse(const char *type, const char *text)
{
    const struct lm_expr *out;
    struct lm_error err;

    if (parse(type, text, &out, &err) != LM_OK) {
        fail_msg("%s: %s: %s", type, text, err.en);
    }
    return out;
}

static bool eval(const struct lm_record *rec, const char *text)
{
    struct lm_expr_env env = {.catalog = fx.catalog, .lookup = &fx.lookup, .year = 2026};
    bool out = false;

    memcpy(env.as_of, "2026-06-30", 11);
    memcpy(env.today, "2026-07-01", 11);
    assert_int_equal(lm_expr_eval(must_parse(rec->type->name, text), rec, &env, &fx.arena, &out),
                     LM_OK);
    return out;
}

/* Every filter of the catalogue and every clause of the domain's conditions. */
static void parses_domain(void **state)
{
    static const char *const cases[][2] = {
        {"area_unit", "level != county"},
        {"area_unit", "end_kind = merged"},
        {"person", "state in (active|transferring)"},
        {"person", "id_status != valid"},
        {"person_identity", "code = 07 & verified_on is set"},
        {"person_identity", "code in (09|10|11|12)"},
        {"benefit", "person_id->state = deceased"},
        {"service_history", "person_id has person_identity(code in (01|02|03|05|06|07))"},
        {"reception", "head_count = 1 & person_id is null"},
        {"aid_case", "amount_paid_fen > amount_approved_fen"},
        {"aid_case", "type = serious_illness & state in (reported|approved|paid|closed)"},
        {"petition", "extended_days > 0"},
        {"residency_event", "kind in (death|out|transfer) & state in (verified|locked)"},
        {"media_report", "subject ~ person:"},
        {"person", "id has person_identity(code in (01|02) & state = verified)"},
        {"staff_post", "same_holder(branch_secretary) & open_at(from_on, to_on)"},
        {"station_assessment", "latest(village_code;year) & area.level=village"},
        {"petition", "done_by(finish_due;replied_on,resolved_on)"},
        {"annual_confirm", "year = @year"},
        {"petition", "review_on <= replied_on + 30"},
        {"petition", "review_on <= replied_on + 30d"},
        {"service_history", "enlist_on >= person_id->birth_on + 16y"},
        {"aid_case", "illness_self_paid_fen = illness_total_fen - illness_insured_fen"},
        {"person", "birth_on >= @today - 120y"},
        {"opening_balance", "value >= 0.5"},
        {"honor", "title ~ \"十佳 兵书记\""},
    };
    size_t filters = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_non_null(must_parse(cases[i][0], cases[i][1]));
    }
    assert_non_null(must_parse("person", ""));
    for (size_t i = 0; i < fx.catalog->n_indicators; i++) {
        const struct lm_indicator *ind = &fx.catalog->indicators[i];

        if (ind->type && ind->filter_text && *ind->filter_text) {
            assert_non_null(must_parse(ind->type->name, ind->filter_text));
            filters++;
        }
    }
    assert_true(filters > 40);
}

static void refuses(void **state)
{
    static const char *const cases[][2] = {
        {"person", "nothing = 1"},
        {"person", "sex"},
        {"person", "sex ="},
        {"person", "sex = 7"},
        {"person", "sex in ()"},
        {"person", "sex in (1|7)"},
        {"person", "sex in (1|2"},
        {"person", "sex in 1"},
        {"person", "sex > 1"},
        {"person", "is_resident = yes"},
        {"person", "birth_on = 2026-02-30"},
        {"person", "birth_on > name"},
        {"person", "birth_on is empty"},
        {"person", "state = nowhere"},
        {"person", "sex = 1 &"},
        {"person", "sex = 1 & & sex = 2"},
        {"person", "sex = 1 sex = 2"},
        {"person", "sex = 1)"},
        {"person", "insurance = employee"},
        {"person", "name->name = x"},
        {"benefit", "person_id->nothing is set"},
        {"benefit", "person_id->"},
        {"person", "id has nothing()"},
        {"person", "id has visit()"},
        {"person", "id has person_identity(code = 99)"},
        {"person", "id has person_identity(code = 01"},
        {"person", "name has person_identity()"},
        {"person", "same_holder(branch_secretary)"},
        {"staff_post", "same_holder(king)"},
        {"staff_post", "open_at(from_on)"},
        {"staff_post", "open_at(from_on,post)"},
        {"staff_post", "open_at(from_on,to_on"},
        {"annual_confirm", "year = @month"},
        {"annual_confirm", "year = 20.5"},
        {"annual_confirm", "year = twenty"},
        {"annual_confirm", "year = 99999999999999999999"},
        {"aid_case", "amount_paid_fen ~ 5"},
        {"aid_case", "amount_paid_fen = paid_on + 3"},
        {"honor", "title ~ \""},
        {"person",
         "id has person_identity(person_id has person_identity(person_id has "
         "person_identity(person_id has person_identity(person_id has person_identity()))))"},
        {"person", "name = \xff"},
    };
    const struct lm_expr *out;
    struct lm_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum lm_status st = parse(cases[i][0], cases[i][1], &out, &err);

        if (st != LM_ERR_INVALID) {
            fail_msg("%s: %s: status %d", cases[i][0], cases[i][1], (int)st);
        }
        assert_string_equal(err.code, "bad_filter");
        assert_true(err.zh[0] && err.en[0]);
        assert_null(out);
    }
}

/* A filter cut anywhere never reads past its end (the sanitizer watches) and never crashes. */
static void cut_anywhere(void **state)
{
    static const char text[] =
        "id has person_identity(code in (01|02) & person_id->state = active) & "
        "birth_on >= @today - 120y & name ~ \"兵书记\"";
    const struct lm_expr *out;
    struct lm_error err;

    (void)state;
    for (size_t n = 0; n < sizeof(text); n++) {
        char *cut = strndup(text, n);

        assert_non_null(cut);
        (void)parse("person", cut, &out, &err);
        free(cut);
    }
    assert_int_equal(parse("person", text, &out, &err), LM_OK);
}

static void limits(void **state)
{
    char many[4096] = "sex = 1";
    const struct lm_expr *out;
    struct lm_error err;

    (void)state;
    for (int i = 1; i < 32; i++) {
        strcat(many, " & sex = 1");
    }
    assert_int_equal(parse("person", many, &out, &err), LM_OK);
    strcat(many, " & sex = 1");
    assert_int_equal(parse("person", many, &out, &err), LM_ERR_INVALID);
}

static void compares(void **state)
{
    static const struct {
        const char *filter;
        bool want;
    } cases[] = {
        {"", true},
        {"sex = 1", true},
        {"sex = 2", false},
        {"sex != 2", true},
        {"sex in (1|2)", true},
        {"sex in (2|9)", false},
        {"name = 王测试", true},
        {"name ~ 测", true},
        {"name ~ 李", false},
        {"is_resident = true", true},
        {"is_resident = false", false},
        {"is_resident != false", true},
        {"birth_on < 1960-01-01", true},
        {"birth_on <= 1953-08-01", true},
        {"birth_on < 1953-08-01", false},
        {"birth_on >= @today - 120y", true},
        {"birth_on >= @today - 60y", false},
        {"phone is null", true},
        {"phone is set", false},
        {"phone = 1", false},
        {"phone != 1", true},
        {"phone ~ 1", false},
        {"ethnic = 01", false},
        {"ethnic != 01", true},
        {"notice_at < 2026-01-01", false},
        {"notice_at > 2026-01-01", false},
        {"sex = 1 & name ~ 王 & phone is null", true},
        {"sex = 1 & name ~ 李", false},
        {"area.level = village", true},
        {"area.level = town", false},
        {"registered_on <= @as_of", true},
        {"registered_on = @as_of", true},
        {"registered_on < @as_of", false},
        {"registered_on < @today", true},
    };
    struct lm_record *rec =
        fx_add(&fx, "person", FX_ID("01"),
               "{'name':'王测试','sex':'1','birth_on':'1953-08-01','is_resident':true,"
               "'registered_on':'2026-06-30','state':'active'}");

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (eval(rec, cases[i].filter) != cases[i].want) {
            fail_msg("%s", cases[i].filter);
        }
    }
}

static void quotes_are_ignored(void **state)
{
    struct lm_record *a = fx_add(&fx, "honor", FX_ID("01"), "{'title':'全县十佳“兵书记”'}");
    struct lm_record *b = fx_add(&fx, "honor", FX_ID("02"), "{'title':'「兵」书记'}");
    struct lm_record *c = fx_add(&fx, "honor", FX_ID("03"), "{'title':'优秀书记'}");

    (void)state;
    assert_true(eval(a, "title ~ 兵书记"));
    assert_true(eval(a, "title ~ “兵书记”"));
    assert_true(eval(a, "title ~ 十佳兵书记"));
    assert_true(eval(b, "title ~ 兵书记"));
    assert_false(eval(c, "title ~ 兵书记"));
}

static void numbers_and_sums(void **state)
{
    struct lm_record *aid =
        fx_add(&fx, "aid_case", FX_ID("01"),
               "{'amount_approved_fen':50000,'amount_paid_fen':60000,'illness_total_fen':900,"
               "'illness_insured_fen':400,'illness_self_paid_fen':500}");
    struct lm_record *open = fx_add(&fx, "opening_balance", FX_ID("02"), "{'value':125000}");
    struct lm_record *pet = fx_add(&fx, "petition", FX_ID("03"),
                                   "{'replied_on':'2026-01-31','review_on':'2026-03-02'}");

    (void)state;
    assert_true(eval(aid, "amount_paid_fen > amount_approved_fen"));
    assert_false(eval(aid, "amount_paid_fen <= amount_approved_fen"));
    assert_false(eval(aid, "amount_paid_fen > amount_applied_fen"));
    assert_true(eval(aid, "illness_self_paid_fen = illness_total_fen - illness_insured_fen"));
    assert_false(eval(aid, "illness_self_paid_fen = illness_total_fen + illness_insured_fen"));
    assert_true(eval(open, "value = 12.5"));
    assert_true(eval(open, "value > 12.4999"));
    assert_false(eval(open, "value < 12.5"));
    assert_true(eval(pet, "review_on <= replied_on + 30"));
    assert_false(eval(pet, "review_on <= replied_on + 29d"));
    assert_true(eval(pet, "review_on > replied_on + 1m")); /* 31 January + 1 month = 28 February */
    assert_false(eval(pet, "accepted_on <= replied_on + 30"));
}

static void dates_beside_times(void **state)
{
    /* 2026-03-01 00:30 in UTC+8 */
    struct lm_record *item =
        fx_add(&fx, "service_item", FX_ID("01"),
               "{'notice_given_at':'2026-02-28T16:30:00.000Z','closed_on':'2026-03-01'}");

    (void)state;
    assert_true(eval(item, "closed_on >= notice_given_at"));
    assert_true(eval(item, "closed_on = notice_given_at"));
    assert_true(eval(item, "notice_given_at >= 2026-03-01"));
    assert_false(eval(item, "notice_given_at < 2026-03-01"));
}

static void references(void **state)
{
    struct lm_record *plan =
        fx_add(&fx, "contact_plan", FX_ID("10"), "{'person_id':'" FX_ID("01") "'}");
    struct lm_record *lost =
        fx_add(&fx, "contact_plan", FX_ID("11"), "{'person_id':'" FX_ID("99") "'}");
    struct lm_record *person = fx_add(&fx, "person", FX_ID("01"), "{'state':'active'}");
    const struct lm_field *merged = lm_type_field(person->type, "merged_into");
    struct lm_record *second;
    struct lm_expr_env env = {.catalog = fx.catalog, .lookup = &fx.lookup};
    bool out;

    (void)state;
    assert_true(eval(plan, "person_id->state in (active|transferring)"));
    assert_false(eval(plan, "person_id->state = deceased"));
    assert_false(eval(lost, "person_id->state = active"));
    assert_true(eval(lost, "person_id->state != active"));
    /* Merged: the file that remains answers, however often; a circle ends. */
    second = fx_add(&fx, "person", FX_ID("02"), "{'state':'moved_out'}");
    person->fields[merged->index] = lm_value_text(FX_ID("02"));
    assert_true(eval(plan, "person_id->state = moved_out"));
    fx_add(&fx, "person", FX_ID("03"), "{'state':'deceased'}");
    second->fields[merged->index] = lm_value_text(FX_ID("03"));
    assert_true(eval(plan, "person_id->state = deceased"));
    second->fields[merged->index] = lm_value_text(FX_ID("01"));
    assert_true(eval(plan, "person_id->state in (active|moved_out)"));
    person->fields[merged->index] = lm_value_text(FX_ID("99"));
    assert_true(eval(plan, "person_id->state = active"));
    person->fields[LM_C_DELETED_AT] = lm_value_text("2026-01-01T00:00:00.000Z");
    assert_true(eval(plan, "person_id->state is null"));
    /* A failed look-up is told; without look-ups nothing is found. */
    fx.fail = LM_ERR_IO;
    assert_int_equal(lm_expr_eval(must_parse("contact_plan", "person_id->state = active"), plan,
                                  &env, &fx.arena, &out),
                     LM_ERR_IO);
    fx.fail = LM_OK;
    env.lookup = NULL;
    assert_int_equal(lm_expr_eval(must_parse("contact_plan", "person_id->state is set"), plan, &env,
                                  &fx.arena, &out),
                     LM_OK);
    assert_false(out);
}

static void children(void **state)
{
    struct lm_record *person = fx_add(&fx, "person", FX_ID("01"), "{}");
    struct lm_record *history =
        fx_add(&fx, "service_history", FX_ID("02"), "{'person_id':'" FX_ID("01") "'}");
    struct lm_record *child;
    static const char filter[] = "id has person_identity(code in (01|02))";

    (void)state;
    assert_false(eval(person, "id has person_identity()"));
    child =
        fx_add(&fx, "person_identity", FX_ID("03"), "{'person_id':'" FX_ID("01") "','code':'02'}");
    assert_true(eval(person, filter));
    assert_true(eval(person, "id has person_identity()"));
    assert_true(eval(history, "person_id has person_identity(code = 02)"));
    assert_false(eval(person, "id has person_identity(code = 03)"));
    child->invalid = true;
    assert_false(eval(person, filter));
    child->invalid = false;
    child->fields[LM_C_STATE] = lm_value_text("returned");
    assert_false(eval(person, filter));
    assert_true(eval(person, "id has person_identity(code = 02 & state = returned)"));
    child->fields[LM_C_STATE] = lm_value_text("verified");
    assert_true(eval(person, filter));
    child->fields[LM_C_DELETED_AT] = lm_value_text("2026-01-01T00:00:00.000Z");
    assert_false(eval(person, filter));
}

static void posts(void **state)
{
    struct lm_record *head = fx_add(&fx, "staff_post", FX_ID("01"),
                                    "{'post':'head','holder_name':'赵甲','from_on':'2020-01-01'}");
    struct lm_record *other =
        fx_add(&fx, "staff_post", FX_ID("02"),
               "{'post':'branch_secretary','holder_name':'赵甲','from_on':'2020-01-01'}");
    static const char filter[] = "same_holder(branch_secretary)";
    const struct lm_field *to = lm_type_field(head->type, "to_on");
    const struct lm_field *person = lm_type_field(head->type, "holder_person_id");

    (void)state;
    assert_true(eval(head, filter));
    assert_false(eval(other, filter)); /* not by itself */
    /* Persons tell namesakes apart, where both are known. */
    head->fields[person->index] = lm_value_text(FX_ID("20"));
    assert_true(eval(head, filter));
    other->fields[person->index] = lm_value_text(FX_ID("21"));
    assert_false(eval(head, filter));
    other->fields[person->index] = lm_value_text(FX_ID("20"));
    assert_true(eval(head, filter));
    other->fields[to->index] = lm_value_text("2026-06-29");
    assert_false(eval(head, filter));
    assert_false(eval(other, "open_at(from_on,to_on)"));
    other->fields[to->index] = lm_value_text("2026-06-30");
    assert_true(eval(head, filter)); /* the last day is in */
    assert_true(eval(other, "open_at(from_on,to_on)"));
    other->fields[LM_C_VILLAGE_CODE] = lm_value_text("999999100202");
    assert_false(eval(head, filter));
}

static void latest_and_done(void **state)
{
    struct lm_record *a = fx_add(&fx, "station_assessment", FX_ID("01"), "{'year':2024}");
    struct lm_record *b = fx_add(&fx, "station_assessment", FX_ID("02"), "{'year':2025}");
    struct lm_record *twin = fx_add(&fx, "station_assessment", FX_ID("03"), "{'year':2025}");
    struct lm_record *pet =
        fx_add(&fx, "petition", FX_ID("04"),
               "{'finish_due':'2026-05-01','replied_on':'2026-05-02','resolved_on':'2026-05-01'}");
    static const char filter[] = "latest(village_code;year)";

    (void)state;
    assert_false(eval(a, filter));
    assert_false(eval(b, filter)); /* of two alike one counts */
    assert_true(eval(twin, filter));
    twin->fields[LM_C_STATE] = lm_value_text("draft");
    assert_true(eval(b, filter));
    b->fields[LM_C_VILLAGE_CODE] = lm_value_text("999999100202");
    assert_true(eval(a, filter));
    assert_true(eval(pet, "done_by(finish_due;replied_on,resolved_on)"));
    assert_false(eval(pet, "done_by(finish_due;replied_on)"));
    assert_false(eval(pet, "done_by(accept_due;replied_on,resolved_on)"));
}

static void names_state(void **state)
{
    (void)state;
    assert_true(lm_expr_names(must_parse("person", "sex = 1 & state = active"), "state"));
    assert_false(lm_expr_names(must_parse("benefit", "person_id->state = active"), "state"));
    assert_false(
        lm_expr_names(must_parse("person", "id has person_identity(state = verified)"), "state"));
    assert_false(lm_expr_names(NULL, "state"));
}

static void writes_sql(void **state)
{
    static const char *const cases[][3] = {
        {"person", "", "1"},
        {"person", "sex = 1", "(\"t\".\"sex\" = '1')"},
        {"person", "sex != 1 & is_resident = true",
         "(COALESCE(\"t\".\"sex\" <> '1', 1)) AND (\"t\".\"is_resident\" = 1)"},
        {"honor", "issuer = \"O'Neil\"", "(\"t\".\"issuer\" = 'O''Neil')"},
        {"annual_confirm", "year = @year", "(\"t\".\"year\" = :year)"},
        {"opening_balance", "value >= 12.5", "(\"t\".\"value\" >= 12.5000)"},
        {"petition", "accept_due < @as_of", "(\"t\".\"accept_due\" < :as_of)"},
        {"petition", "review_on <= replied_on + 30",
         "(\"t\".\"review_on\" <= date(\"t\".\"replied_on\", (30) || ' days'))"},
        {"service_item", "closed_on >= notice_given_at",
         "(\"t\".\"closed_on\" >= date(\"t\".\"notice_given_at\", '+8 hours'))"},
    };
    struct lm_buf out;

    (void)state;
    lm_buf_init(&out, 64 * 1024);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        lm_buf_reset(&out);
        assert_int_equal(lm_expr_sql(must_parse(cases[i][0], cases[i][1]), fx.catalog,
                                     fx_type(&fx, cases[i][0]), "t", NULL, &out),
                         LM_OK);
        assert_string_equal((const char *)out.data, cases[i][2]);
    }
    lm_buf_free(&out);
    lm_buf_init(&out, 8); /* a buffer that is too small is told */
    assert_int_equal(lm_expr_sql(must_parse("person", "sex = 1"), fx.catalog,
                                 fx_type(&fx, "person"), "t", NULL, &out),
                     LM_ERR_LIMIT);
    lm_buf_free(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(parses_domain),
        TEST(refuses),
        TEST(cut_anywhere),
        TEST(limits),
        TEST(compares),
        TEST(quotes_are_ignored),
        TEST(numbers_and_sums),
        TEST(dates_beside_times),
        TEST(references),
        TEST(children),
        TEST(posts),
        TEST(latest_and_done),
        TEST(names_state),
        TEST(writes_sql),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
