/* Validation of what persons type and of what changes carry: every type of field, authors, states,
 * required and conditional fields, drafts, rules, and what programs fill in. Uses the catalogue
 * that the programs use. */
#include "proto/validate.h"
#include "tests/support/records.h"

#include "common/base/util.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct fx fx;
static struct lm_issues issues;
static struct lm_record *after;
static int64_t now_ms;

static int setup(void **state)
{
    (void)state;
    fx_open(&fx);
    assert_true(lm_time_parse("2026-06-30T02:00:00Z", 20, &now_ms));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fx_close(&fx);
    return 0;
}

static json_t *object(const char *json)
{
    char *text = lm_arena_text(&fx.arena, json, strlen(json));
    json_error_t err;
    json_t *out;

    assert_non_null(text);
    for (char *p = text; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    out = json_loads(text, 0, &err);
    if (!out) {
        fail_msg("%s: %s", err.text, text);
    }
    return out;
}

struct save {
    const char *type;
    const struct lm_record *before;
    const char *json;
    enum lm_author author;
    bool deleting, clock_doubtful;
    const char *station;
};

/* What a program does with an input line; the record afterwards is in `after`, complaints in
 * `issues`. */
static void save(const struct save *s)
{
    const struct lm_type *type = fx_type(&fx, s->type);
    json_t *json = object(s->json);
    struct lm_fieldset set;
    struct lm_validate_in in = {.catalog = fx.catalog, .type = type, .before = s->before};

    lm_issues_init(&issues);
    assert_int_equal(lm_fields_from_json(fx.catalog, type, json, &fx.arena, &set, &issues), LM_OK);
    json_decref(json);
    if (s->before) {
        after = lm_record_copy(&fx.arena, s->before);
        assert_non_null(after);
    } else {
        after = fx_make(&fx, s->type, FX_ID("50"), "{}");
        after->fields[LM_C_STATE] = lm_value_null();
    }
    for (size_t i = 0; i < set.n; i++) {
        after->fields[set.index[i]] = set.value[i];
    }
    if (s->deleting) {
        after->fields[LM_C_DELETED_AT] = lm_value_text("2026-06-30T02:00:00.000Z");
    }
    assert_int_equal(lm_compute(fx.catalog, after, !s->before, "village", &fx.lookup, &fx.arena),
                     LM_OK);
    in.after = after;
    in.set = &set;
    in.author = s->author ? s->author : LM_BY_VILLAGE;
    in.deleting = s->deleting;
    in.lookup = &fx.lookup;
    in.now_ms = now_ms;
    in.clock_confirmed = !s->clock_doubtful;
    in.station = s->station;
    assert_int_equal(lm_validate(&in, &fx.arena, &issues), LM_OK);
}

static const struct lm_issue *find(const char *code, const char *field)
{
    for (size_t i = 0; i < issues.n; i++) {
        if (strcmp(issues.items[i].error.code, code) == 0 &&
            strcmp(issues.items[i].error.field, field) == 0) {
            return &issues.items[i];
        }
    }
    return NULL;
}

static void print_issues(const char *what)
{
    print_message("%s\n", what);
    for (size_t i = 0; i < issues.n; i++) {
        const struct lm_error *e = &issues.items[i].error;

        print_message("  %s %s: %s / %s\n", e->code, e->field, e->zh, e->en);
    }
}

static void expect_ok(const char *what)
{
    if (issues.n_refused) {
        print_issues(what);
        fail_msg("%s: refused", what);
    }
}

static void expect(enum lm_level level, const char *code, const char *field, const char *what)
{
    const struct lm_issue *issue = find(code, field);

    if (!issue || issue->level != level) {
        print_issues(what);
        fail_msg("%s: no %s about %s", what, code, field);
    }
    assert_true(issue->error.zh[0] && issue->error.en[0]);
    assert_true(lm_utf8_valid(issue->error.zh, strlen(issue->error.zh), NULL));
}

static void expect_refused(const char *code, const char *field, const char *what)
{
    expect(LM_REFUSE, code, field, what);
    assert_true(issues.n_refused > 0);
    assert_non_null(lm_issues_first_refusal(&issues));
}

#define PERSON                                                                                     \
    "'name':'王测试','id_status':'valid','id_no':'999999195308010012','is_resident':true,"      \
    "'household_village':'999999100201'"

/* ---- shapes ---- */

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

/* ---- a person ---- */

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

/* ---- who may do what ---- */

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

/* ---- conditions and rules ---- */

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

/* ---- what programs fill ---- */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(shapes),
        TEST(decimals_are_exact),
        TEST(long_texts),
        TEST(changes),
        TEST(person),
        TEST(drafts),
        TEST(authors),
        TEST(hub_fields),
        TEST(transitions_have_rules),
        TEST(conditions),
        TEST(dates_ahead),
        TEST(refusals_say_what_is_meant),
        TEST(across_fields),
        TEST(computed),
        TEST(categories),
        TEST(many_issues),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
