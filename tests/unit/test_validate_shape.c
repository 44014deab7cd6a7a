/* The shape of each type of field, in input lines and in changes: what is taken, what it becomes,
 * and what is said of the rest. */
#include "tests/unit/validate_world.h"

static void shapes(void **state)
{
    /* code NULL: accepted; want: the text it becomes, where that differs or matters. */
    static const struct {
        const char *type, *field, *json, *code, *path, *want;
    } cases[] = {
        /* text */
        {"person", "name", "'王测试'", NULL, NULL, "王测试"},
        {"person", "name", "'  王测试\xe3\x80\x80'", NULL, NULL, "王测试"},
        {"person", "name", "'   '", NULL, NULL, ""},
        {"person", "name", "null", NULL, NULL, ""},
        {"person", "name", "'阿不都·热合曼'", NULL, NULL, NULL},
        {"person", "name", "'\xf0\xa0\xae\xb7测'", NULL, NULL, NULL}, /* 𠮷: four bytes */
        {"person", "name", "'Anna Wang'", NULL, NULL, NULL},
        {"person", "name", "'王二1'", NULL, NULL, NULL},
        {"person", "name", "'12'", "bad_format", "name", NULL},
        {"person", "name", "'王@'", "bad_format", "name", NULL},
        {"person", "name", "'王<b>'", "bad_format", "name", NULL},
        {"person", "name", "'·'", "bad_format", "name", NULL},
        {"person", "name", "'王\\n测'", "bad_format", "name", NULL},
        {"person", "name", "'王\\u0007测'", "bad_format", "name", NULL},
        {"person", "name", "5", "bad_type", "name", NULL},
        {"person", "name", "['王']", "bad_type", "name", NULL},
        {"reception", "appeal", "'一行\\r\\n二行\\t三'", NULL, NULL, "一行\n二行\t三"},
        {"reception", "appeal", "'x\\u0001'", "bad_format", "appeal", NULL},
        {"reception", "appeal", "' \\n '", NULL, NULL, ""},
        {"person", "phone", "'13800000000'", NULL, NULL, NULL},
        {"person", "phone", "'0632-1234567'", NULL, NULL, NULL},
        {"person", "phone", "'12345'", "bad_format", "phone", NULL},
        {"person", "phone", "'10800000000'", "bad_format", "phone", NULL},
        {"person", "phone", "'1380000000a'", "bad_format", "phone", NULL},
        {"person", "bank_account", "'6222 0000'", "bad_format", "bank_account", NULL},
        {"nil_report", "month", "'2026-06'", NULL, NULL, NULL},
        {"nil_report", "month", "'2026-13'", "bad_format", "month", NULL},
        {"nil_report", "month", "'202606'", "bad_format", "month", NULL},
        {"nil_report", "record", "'visit'", NULL, NULL, NULL},
        {"nil_report", "record", "'nothing'", "bad_code", "record", NULL},
        /* code */
        {"person", "sex", "'1'", NULL, NULL, NULL},
        {"person", "sex", "' 1 '", NULL, NULL, "1"},
        {"person", "sex", "'7'", "bad_code", "sex", NULL},
        {"person", "sex", "1", "bad_type", "sex", NULL},
        {"person", "state", "'nowhere'", "bad_code", "state", NULL},
        /* char(n) and ID numbers */
        {"person", "id_no", "'999999195308010012'", NULL, NULL, NULL},
        {"person", "id_no", "' 11010519491231002x '", NULL, NULL, "11010519491231002X"},
        {"person", "id_no", "'999999195308010013'", "bad_check_digit", "id_no", NULL},
        {"person", "id_no", "'999999530801001'", "too_short", "id_no", NULL},
        {"person", "id_no", "'9999991953080100121'", "too_long", "id_no", NULL},
        {"person", "id_no", "'99999919530801001Z'", "bad_format", "id_no", NULL},
        {"person", "id_no", "'999999195302300012'", "bad_date", "id_no", NULL},
        {"person", "old_id_no", "'999999530801001'", NULL, NULL, NULL},
        {"person", "old_id_no", "'99999953080100'", "too_short", "old_id_no", NULL},
        {"person", "household_village", "'99999910020'", "too_short", "household_village", NULL},
        {"person", "household_village", "'9999991002011'", "too_long", "household_village", NULL},
        {"person", "household_village", "'99999910020A'", "bad_format", "household_village", NULL},
        {"person", "household_village", "'九九九九'", "bad_format", "household_village", NULL},
        /* int, decimal, bool */
        {"reception", "head_count", "3", NULL, NULL, NULL},
        {"reception", "head_count", "0", "out_of_range", "head_count", NULL},
        {"reception", "head_count", "-1", "out_of_range", "head_count", NULL},
        {"reception", "head_count", "9000000000000000000", "out_of_range", "head_count", NULL},
        {"reception", "head_count", "3.0", "bad_type", "head_count", NULL},
        {"reception", "head_count", "'3'", "bad_type", "head_count", NULL},
        {"facility", "area_sqm", "12.5", NULL, NULL, NULL},
        {"facility", "area_sqm", "12", NULL, NULL, NULL},
        {"facility", "area_sqm", "'12.5'", NULL, NULL, NULL},
        {"facility", "area_sqm", "12.34567", "bad_type", "area_sqm", NULL},
        {"facility", "area_sqm", "'12.34567'", "bad_type", "area_sqm", NULL},
        {"facility", "area_sqm", "'1e3'", "bad_type", "area_sqm", NULL},
        {"facility", "area_sqm", "'12.'", "bad_type", "area_sqm", NULL},
        {"facility", "area_sqm", "1e300", "bad_type", "area_sqm", NULL},
        {"facility", "area_sqm", "-1", "out_of_range", "area_sqm", NULL},
        {"person", "is_resident", "true", NULL, NULL, NULL},
        {"person", "is_resident", "1", "bad_type", "is_resident", NULL},
        {"person", "is_resident", "'true'", "bad_type", "is_resident", NULL},
        /* dates and times */
        {"visit", "visit_on", "'2024-02-29'", NULL, NULL, NULL},
        {"visit", "visit_on", "'2026-02-29'", "bad_date", "visit_on", NULL},
        {"visit", "visit_on", "'2026/02/28'", "bad_date", "visit_on", NULL},
        {"visit", "visit_on", "'2026-2-28'", "bad_date", "visit_on", NULL},
        {"reception", "at", "'2026-06-30T09:30:00+08:00'", NULL, NULL, "2026-06-30T01:30:00.000Z"},
        {"reception", "at", "'2026-06-30T01:30:00Z'", NULL, NULL, "2026-06-30T01:30:00.000Z"},
        {"reception", "at", "'2026-06-30'", "bad_time", "at", NULL},
        {"reception", "at", "'2026-06-30T25:00:00Z'", "bad_time", "at", NULL},
        /* ids and references */
        {"benefit", "person_id", "'018F0000-0000-7000-8000-00000000000A'", NULL, NULL,
         "018f0000-0000-7000-8000-00000000000a"},
        {"benefit", "person_id", "'018f0000'", "bad_uuid", "person_id", NULL},
        {"honor", "subject", "'person:" FX_ID("01") "'", NULL, NULL, NULL},
        {"honor", "subject", "'visit:" FX_ID("01") "'", "bad_code", "subject", NULL},
        {"honor", "subject", "'" FX_ID("01") "'", "bad_uuid", "subject", NULL},
        {"honor", "subject", "'person:1'", "bad_uuid", "subject", NULL},
        {"attachment", "sha256", "'abcd'", "bad_format", "sha256", NULL},
        {"person", "photo", "'x'", "bad_uuid", "photo", NULL},
        /* lists */
        {"person", "insurance", "['worker_med','resident_pen']", NULL, NULL, NULL},
        {"person", "insurance", "[]", NULL, NULL, ""},
        {"person", "insurance", "'worker_med'", "bad_type", "insurance", NULL},
        {"person", "insurance", "['worker_med','nothing']", "bad_code", "insurance[1]", NULL},
        {"person", "insurance", "['worker_med','worker_med']", "repeated", "insurance[1]", NULL},
        {"person", "insurance", "['worker_med',null]", "bad_type", "insurance[1]", NULL},
        {"person", "insurance", "['worker_med',' ']", "required", "insurance[1]", NULL},
        {"visit", "gift_kind", "['a','b','c','d']", "bad_code", "gift_kind[0]", NULL},
        {"matter", "materials",
         "[{'no':1,'name':'身份证','form':'copy','count':1,'may_be_late':true}]", NULL, NULL, NULL},
        {"matter", "materials", "[{'no':99,'name':'身份证'}]", "out_of_range", "materials[0].no",
         NULL},
        {"matter", "materials", "[{'no':1,'nam':'身份证'}]", "unknown_field", "materials[0].nam",
         NULL},
        {"matter", "materials", "[{}]", "required", "materials[0]", NULL},
        {"matter", "materials", "['x']", "bad_type", "materials[0]", NULL},
        /* names */
        {"person", "nmae", "'x'", "unknown_field", "nmae", NULL},
        {"person", "dup_key", "'00'", "system_field", "dup_key", NULL},
        {"person", "created_at", "'2026-06-30T01:30:00Z'", "system_field", "created_at", NULL},
        {"person", "village_code", "'999999100201'", "system_field", "village_code", NULL},
        {"petition", "accept_due", "'2026-06-30'", "system_field", "accept_due", NULL},
        {"visit", "category_at_visit", "[{'difficulty':'none'}]", "system_field",
         "category_at_visit", NULL},
        {"attachment", "mime", "'image/png'", NULL, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct lm_type *type = fx_type(&fx, cases[i].type);
        const struct lm_field *f = lm_type_field(type, cases[i].field);
        struct lm_fieldset set;
        char text[400];
        json_t *json;

        snprintf(text, sizeof(text), "{'%s':%s}", cases[i].field, cases[i].json);
        json = object(text);
        lm_issues_init(&issues);
        assert_int_equal(lm_fields_from_json(fx.catalog, type, json, &fx.arena, &set, &issues),
                         LM_OK);
        json_decref(json);
        if (cases[i].code) {
            expect_refused(cases[i].code, cases[i].path, text);
            assert_int_equal(set.n, 0);
            continue;
        }
        expect_ok(text);
        assert_int_equal(set.n, 1);
        assert_non_null(f);
        assert_int_equal(set.index[0], f->index);
        if (cases[i].want) {
            struct lm_value want = lm_value_text(cases[i].want);

            assert_true(lm_value_equal(&set.value[0], &want));
        }
    }
}

static void decimals_are_exact(void **state)
{
    static const struct {
        const char *json;
        int64_t want;
    } cases[] = {{"12.5", 125000},
                 {"0.1", 1000},
                 {"'0.0001'", 1},
                 {"7", 70000},
                 {"1234567.8912", 12345678912},
                 {"0.3", 3000}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct lm_type *type = fx_type(&fx, "opening_balance");
        struct lm_fieldset set;
        char text[100];
        json_t *json;

        snprintf(text, sizeof(text), "{'value':%s}", cases[i].json);
        json = object(text);
        lm_issues_init(&issues);
        assert_int_equal(lm_fields_from_json(fx.catalog, type, json, &fx.arena, &set, &issues),
                         LM_OK);
        json_decref(json);
        expect_ok(text);
        assert_int_equal(set.value[0].i, cases[i].want);
    }
}

static void long_texts(void **state)
{
    char json[400] = "{'name':'";

    (void)state;
    for (int i = 0; i < 50; i++) {
        strcat(json, "王");
    }
    strcat(json, "'}");
    save(&(struct save){.type = "person", .json = json});
    assert_null(find("too_long", "name"));
    strcpy(strrchr(json, '\''), "王'}");
    save(&(struct save){.type = "person", .json = json});
    expect_refused("too_long", "name", "51 characters");
}

/* What a change carries must be canonical already; what this catalogue does not know is kept. */
static void changes(void **state)
{
    const struct lm_type *type = fx_type(&fx, "person");
    static const char bad_utf8[] = {'\xff', 'a'};
    struct lm_pair pairs[] = {
        {.key = "name", .key_len = 4, .value = lm_value_text("王测试")},
        {.key = "future", .key_len = 6, .value = lm_value_int(7)},
        {.key = "village_code", .key_len = 12, .value = lm_value_text("999999100201")},
        {.key = "phone", .key_len = 5, .value = lm_value_null()},
    };
    static const struct {
        const char *field, *text, *code;
    } bad[] = {
        {"id_no", "11010519491231002x", "bad_format"},
        {"name", "  ", "bad_format"},
        {"sex", "7", "bad_code"},
        {"photo", "018F0000-0000-7000-8000-00000000000A", "bad_uuid"},
        {"birth_on", "1953-8-1", "bad_date"},
    };
    struct lm_value map = {.kind = LM_MAP, .len = 4, .pairs = pairs};
    struct lm_fieldset set;

    (void)state;
    lm_issues_init(&issues);
    assert_int_equal(lm_fields_check(fx.catalog, type, &map, &fx.arena, &set, &issues), LM_OK);
    expect_ok("canonical");
    assert_int_equal(set.n, 3);
    assert_true(lm_value_is(lm_fieldset_get(&set, LM_C_VILLAGE_CODE), "999999100201"));
    assert_null(lm_fieldset_get(&set, LM_C_STATION));
    assert_int_equal(set.unknown.kind, LM_MAP);
    assert_int_equal(lm_value_member(&set.unknown, "future")->i, 7);

    pairs[1] = pairs[0];
    lm_issues_init(&issues);
    assert_int_equal(lm_fields_check(fx.catalog, type, &map, &fx.arena, &set, &issues), LM_OK);
    expect_refused("repeated", "name", "twice");

    map.len = 1;
    pairs[0].value = lm_value_textn(bad_utf8, 2);
    lm_issues_init(&issues);
    assert_int_equal(lm_fields_check(fx.catalog, type, &map, &fx.arena, &set, &issues), LM_OK);
    expect_refused("bad_utf8", "name", "bytes");

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pairs[0].key = bad[i].field;
        pairs[0].key_len = (uint32_t)strlen(bad[i].field);
        pairs[0].value = lm_value_text(bad[i].text);
        lm_issues_init(&issues);
        assert_int_equal(lm_fields_check(fx.catalog, type, &map, &fx.arena, &set, &issues), LM_OK);
        expect_refused(bad[i].code, bad[i].field, bad[i].text);
        assert_int_equal(set.n, 0);
    }
    pairs[0].key = "is_resident";
    pairs[0].key_len = 11;
    pairs[0].value = lm_value_int(1);
    lm_issues_init(&issues);
    assert_int_equal(lm_fields_check(fx.catalog, type, &map, &fx.arena, &set, &issues), LM_OK);
    expect_refused("bad_type", "is_resident", "1 for true");

    pairs[0].key = "accept_due";
    pairs[0].key_len = 10;
    pairs[0].value = lm_value_text("2026-06-30");
    lm_issues_init(&issues);
    assert_int_equal(
        lm_fields_check(fx.catalog, fx_type(&fx, "petition"), &map, &fx.arena, &set, &issues),
        LM_OK);
    expect_refused("system_field", "accept_due", "computed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shapes),
        TEST(decimals_are_exact),
        TEST(long_texts),
        TEST(changes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
