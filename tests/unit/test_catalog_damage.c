/* Damaging the catalogue in every way is caught with a message that names file and place; what is
 * no damage loads. */
#include "proto/catalog.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/catalogs.h"

static struct lm_catalog *cat;

static int load_once(void **state)
{
    struct lm_error err = {0};

    (void)state;
    if (lm_catalog_load_embedded(&cat, &err) != LM_OK) {
        print_error("%s\n", err.en);
        return -1;
    }
    return 0;
}

static int unload(void **state)
{
    (void)state;
    lm_catalog_destroy(&cat);
    return 0;
}

static bool has_han(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text >= 0xE4) {
            return true;
        }
    }
    return false;
}

/* ---- damages ---- */

struct damage {
    const char *file, *path;
    enum op op;
    const char *value;
    const char *expect_file;  /* NULL: the file edited */
    const char *expect_place; /* part of err.field */
    const char *expect_text;  /* part of err.en */
};

#define PERSON "types/person.json"
#define VISIT "types/visit.json"
#define NOTICE "types/notice.json"
#define IND "indicators.json"

static const struct damage damages[] = {
    /* JSON itself */
    {NOTICE, "", RAW, "{\"name\": \"notice\",", NULL, "1:", "proper JSON"},
    {NOTICE, "", RAW, "", NULL, "", "proper JSON"},
    {NOTICE, "", RAW, "[]", NULL, "notice", "object is expected"},
    {"catalog.json", "", RAW, "{\"number\":1,\"number\":2,\"types\":[]}", NULL, "", "duplicate"},
    {NOTICE, "/colour", SET, "\"red\"", NULL, "notice", "colour"},
    {NOTICE, "/fields/name=title/colour", SET, "\"red\"", NULL, "notice.fields[0]", "colour"},
    {"lists.json", "/lists/name=gift/codes/0/colour", SET, "1", NULL, "gift[0]", "colour"},
    {"common.json", "/colour", SET, "1", NULL, "common", "colour"},
    /* files */
    {VISIT, "", DROP_FILE, NULL, NULL, "", "file is missing"},
    {"lists.json", "", DROP_FILE, NULL, NULL, "", "file is missing"},
    {"types/extra.json", "", ADD_FILE, "{}", NULL, "", "does not list"},
    {"types/visit.json", "", ADD_FILE, "{}", NULL, "", "twice"},
    {"readme.json", "", ADD_FILE, "{}", NULL, "", "does not list"},
    {VISIT, "/name", SET, "\"visits\"", NULL, "visit", "differs from the file"},
    {"catalog.json", "/number", DELETE, NULL, NULL, "catalog", "number"},
    {"catalog.json", "/number", SET, "0", NULL, "catalog", "number"},
    {"catalog.json", "/types", APPEND, "\"person\"", NULL, "catalog", "twice"},
    /* lists */
    {"lists.json", "/lists/name=gb4762", DELETE, NULL, PERSON, "person.politics", "gb4762"},
    {"lists.json", "/lists/name=state_aid", DELETE, NULL, "types/aid_case.json", "aid_case",
     "state_aid"},
    {"lists.json", "/lists/name=gift/codes", APPEND,
     "{\"code\":\"money\",\"zh\":\"钱\",\"en\":\"money\"}", NULL, "gift", "twice"},
    {"lists.json", "/lists", APPEND,
     "{\"name\":\"gift\",\"codes\":[{\"code\":\"a\",\"zh\":\"一\",\"en\":\"a\"}]}", NULL, "lists",
     "twice"},
    {"lists.json", "/lists/name=gift/codes", SET, "[]", NULL, "gift", "empty"},
    {"lists.json", "/lists/name=gift/codes/0/code", SET, "\"a'b\"", NULL, "gift[0]", "letters"},
    {"lists.json", "/lists/name=gift/codes/0/en", DELETE, NULL, NULL, "gift[0]", "en"},
    {"lists.json", "/lists/name=occasion/codes/code=spring", DELETE, NULL, IND, "I12", "spring"},
    {"lists.json", "/lists/name=state_item/codes", APPEND,
     "{\"code\":\"lost\",\"zh\":\"丢\",\"en\":\"lost\"}", NULL, "state_item", "lost"},
    {"lists.json", "/lists/name=indicator/codes/code=I12", DELETE, NULL, IND, "opening", "I12"},
    {"lists.json", "/lists/name=indicator/codes", APPEND,
     "{\"code\":\"I01\",\"zh\":\"站\",\"en\":\"stations\"}", IND, "opening", "takes no opening"},
    /* common fields */
    {"common.json", "/fields/name=return_note", DELETE, NULL, NULL, "area_unit", "common fields"},
    {"common.json", "/fields/name=station/name", SET, "\"place\"", NULL, "area_unit.place",
     "common fields"},
    {"common.json", "/fields/name=return_note/conditions/0/in_states", SET, "[\"retruned\"]", NULL,
     "common", "retruned"},
    {"common.json", "/groups/name=state/name", SET, "\"status\"", NULL, "groups[1]", "status"},
    {"common.json", "/groups/name=state/fields", SET, "[\"state\",\"close_not\"]", NULL,
     "groups[1]", "close_not"},
    /* fields */
    {PERSON, "/fields/name=sex/type", SET, "\"enum\"", NULL, "person.sex", "enum"},
    {PERSON, "/fields/name=sex/codes", SET, "\"gb2261_9\"", NULL, "person.sex", "gb2261_9"},
    {PERSON, "/fields/name=name/en", SET, "\"\"", NULL, "person.name", "empty"},
    {PERSON, "/fields/name=name/zh", DELETE, NULL, NULL, "person.name", "zh"},
    {PERSON, "/fields/name=name/name", SET, "\"name); DROP\"", NULL, "person.fields[0]",
     "lower-case"},
    {PERSON, "/fields/name=name/max_chars", SET, "5000", NULL, "person.name", "max_chars"},
    {PERSON, "/fields/name=name/max_chars", DELETE, NULL, NULL, "person.name", "max_chars"},
    {PERSON, "/fields/name=name/min", SET, "1", NULL, "person.name", "min"},
    {PERSON, "/fields/name=name/format", SET, "\"nam\"", NULL, "person.name", "nam"},
    {PERSON, "/fields/name=name/sensitivity", SET, "4", NULL, "person.name", "sensitivity"},
    {PERSON, "/fields/name=name/sensitivity", SET, "3", NULL, "person", "secret"},
    {PERSON, "/fields/name=name/sensitivity", DELETE, NULL, NULL, "person.name", "sensitivity"},
    {PERSON, "/fields/name=name/edit_by", SET, "[\"county\"]", NULL, "person.name", "county"},
    {PERSON, "/fields/name=name/edit_by", SET, "[\"system\"]", NULL, "person.name", "system"},
    {PERSON, "/fields/name=dup_key/edit_by", SET, "[\"town\"]", NULL, "person.dup_key", "system"},
    {PERSON, "/fields/name=name/frozen_in", SET, "[\"activ\"]", NULL, "person.name", "activ"},
    {PERSON, "/fields/name=name/retired", SET, "true", NULL, "person.name", "retired"},
    {PERSON, "/fields/name=difficulty/preset", SET, "\"nonsense\"", NULL, "person.difficulty",
     "preset"},
    {PERSON, "/fields/name=merged_into/ref", SET, "\"persn\"", NULL, "person.merged_into", "persn"},
    {PERSON, "/fields/name=id_no/conditions/0/when", SET, "\"id_statu = valid\"", NULL,
     "person.id_no.conditions[0]", "id_statu"},
    {PERSON, "/fields/name=id_no/conditions/0/when", SET, "\"id_status = vald\"", NULL,
     "person.id_no.conditions[0]", "vald"},
    {PERSON, "/fields/name=id_no/conditions/0/level", SET, "\"maybe\"", NULL, "person.id_no",
     "maybe"},
    {PERSON, "/fields/name=id_no/required", SET, "true", NULL, "person.id_no", "conditions"},
    {NOTICE, "/fields/name=need_receipt/preset", SET, "\"no\"", NULL, "notice.need_receipt",
     "preset"},
    {NOTICE, "/fields/name=title/edit_by", SET, "[\"village\"]", NULL, "notice.title",
     "villages do not keep"},
    {NOTICE, "/fields", APPEND,
     "{\"name\":\"title\",\"zh\":\"题\",\"en\":\"t\",\"type\":\"bool\",\"sensitivity\":0,\"edit_"
     "by\":[\"town\"]}",
     NULL, "notice.fields", "title"},
    {NOTICE, "/fields", APPEND,
     "{\"name\":\"id\",\"zh\":\"题\",\"en\":\"t\",\"type\":\"bool\",\"sensitivity\":0,\"edit_by\":["
     "\"town\"]}",
     NULL, "notice.fields", "id"},
    {VISIT, "/fields/name=occasion_year/min", SET, "3000", NULL, "visit.occasion_year", "minimum"},
    {VISIT, "/fields/name=persons/items/max", SET, "401", NULL, "visit.persons", "max"},
    {VISIT, "/fields/name=persons/ref", SET, "\"persn\"", NULL, "visit.persons", "persn"},
    {VISIT, "/fields/name=category_at_visit/members/0/codes", SET, "\"nix\"", NULL,
     "visit.category_at_visit", "nix"},
    {VISIT, "/fields/name=category_at_visit/items", DELETE, NULL, NULL, "visit.category_at_visit",
     "list"},
    {"types/honor.json", "/fields/name=subject/ref_types/0", SET, "\"persn\"", NULL,
     "honor.subject", "persn"},
    {"types/reception.json", "/fields/name=level/compute", DELETE, NULL, NULL, "reception.level",
     "compute"},
    {"types/reception.json", "/fields/name=level/compute", SET, "\"reception.lvl\"", NULL,
     "reception.level", "reception.lvl"},
    {"types/facility.json", "/fields/name=area_sqm/min", SET, "\"0.00001\"", NULL,
     "facility.area_sqm", "decimals"},
    {"types/facility.json", "/fields/name=area_sqm/min", SET, "0.5", NULL, "facility.area_sqm",
     "min"},
    /* groups, keys, columns */
    {PERSON, "/groups/name=bank/fields", SET, "[\"bank_name\",\"iban\"]", NULL, "person.groups[3]",
     "iban"},
    {PERSON, "/groups/name=bank/fields", SET, "[\"bank_name\",\"sex\"]", NULL, "person.groups[3]",
     "sex"},
    {PERSON, "/groups/name=bank/fields", SET, "[\"state\"]", NULL, "person.groups[3]", "state"},
    {PERSON, "/groups/name=bank/name", SET, "\"phone\"", NULL, "person.groups", "phone"},
    {PERSON, "/fields/name=sex/guarded", SET, "true", NULL, "person.sex", "guarded"},
    {PERSON, "/natural_key/fields", SET, "[\"id_number\"]", NULL, "person.natural_key",
     "id_number"},
    {PERSON, "/natural_key/mode", SET, "\"strict\"", NULL, "person.natural_key", "strict"},
    {"types/plaque.json", "/natural_key/when", SET, "\"change_kind != cancl\"", NULL,
     "plaque.natural_key", "cancl"},
    {PERSON, "/list_columns", APPEND, "\"nick_name\"", NULL, "person", "nick_name"},
    {VISIT, "/reporting_date", SET, "\"visitors\"", NULL, "visit", "visitors"},
    {VISIT, "/feed", SET, "\"everyone\"", NULL, "visit", "everyone"},
    /* life cycles */
    {VISIT, "/transitions/0/to", SET, "\"verifyed\"", NULL, "visit.transitions[0]", "verifyed"},
    {VISIT, "/transitions/from=draft,to=submitted/from", SET, "\"drafted\"", NULL,
     "visit.transitions", "drafted"},
    {VISIT, "/transitions/from=draft,to=submitted/to", SET, "\"draft\"", NULL, "visit.transitions",
     "another state"},
    {VISIT, "/transitions", APPEND, "{\"from\":\"draft\",\"to\":\"submitted\",\"by\":[\"town\"]}",
     NULL, "visit.transitions", "twice"},
    {VISIT, "/transitions/0/by", SET, "[]", NULL, "visit.transitions[0]", "nobody"},
    {VISIT, "/default_state", SET, "\"locked\"", NULL, "visit.default_state", "locked"},
    {VISIT, "/default_state", SET, "\"open\"", NULL, "visit", "open"},
    {VISIT, "/states", SET, "\"state_visit\"", NULL, "visit", "state_visit"},
    {VISIT, "/village_edits_in", SET, "[\"drafted\"]", NULL, "visit", "drafted"},
    {VISIT, "/village_edits_in", DELETE, NULL, NULL, "visit", "village_edits_in"},
    {"types/petition.json", "/transitions/to=recheck", DELETE, NULL, NULL, "petition.transitions",
     "recheck"},
    {NOTICE, "/transitions/0/by", SET, "[\"village\"]", NULL, "notice.transitions[0]",
     "villages do not keep"},
    /* rules */
    {"types/aid_case.json", "/rules/0/need", SET, "\"village_check_on >= applied_on\"", NULL,
     "aid_case.rules[0]", "village_check_on"},
    {"types/aid_case.json", "/rules/0/when", SET, "\"applied_on is full\"", NULL,
     "aid_case.rules[0]", "applied_on"},
    {"types/aid_case.json", "/rules/0/field", SET, "\"village_check_on\"", NULL, "aid_case.rules",
     "village_check_on"},
    {"types/aid_case.json", "/rules/0/need", DELETE, NULL, NULL, "aid_case.rules", "need"},
    {"types/aid_case.json", "/rules/0/level", SET, "\"enter\"", NULL, "aid_case.rules", "enter"},
    {PERSON, "/transitions/from=submitted,to=active/rules/0/need", SET,
     "\"id has person_identities()\"", NULL, "person.transitions", "person_identities"},
    /* indicators */
    {IND, "/indicators/id=I12/filter", SET, "\"occasoin in (spring)\"", NULL, "I12", "occasoin"},
    {IND, "/indicators/id=I12/type", SET, "\"visits\"", NULL, "I12", "visits"},
    {IND, "/indicators/id=I12/args", SET, "[\"person\"]", NULL, "I12", "person"},
    {IND, "/indicators/id=I12/args", SET, "[\"findings\"]", NULL, "I12", "findings"},
    {IND, "/indicators/id=I17/args", SET, "[\"appeal\"]", NULL, "I17", "appeal"},
    {IND, "/indicators/id=I17/args", SET, "[]", NULL, "I17", "arguments"},
    {IND, "/indicators/id=I17/measure", SET, "\"total\"", NULL, "I17", "total"},
    {IND, "/indicators/id=I17/date", SET, "\"handler\"", NULL, "I17", "handler"},
    {IND, "/indicators/id=I17/date", SET, "\"@as_of\"", NULL, "I17", "flow"},
    {IND, "/indicators/id=I09/date", SET, "\"birth_on\"", NULL, "I09", "birth_on"},
    {IND, "/indicators/id=I09/dimensions/1", SET, "\"street\"", NULL, "I09", "street"},
    {IND, "/indicators/id=I09/dimensions/2", SET, "\"category=person_identity.kode\"", NULL, "I09",
     "kode"},
    {IND, "/indicators/id=I09/dimensions/2", SET, "\"category=notice.title\"", NULL, "I09",
     "notice"},
    {IND, "/indicators/id=I09/dimensions/3", SET, "\"age=band(birthday)\"", NULL, "I09",
     "birthday"},
    {IND, "/indicators/id=I23/dimensions/3", SET, "\"category=matter\"", NULL, "I23", "matter"},
    {IND, "/indicators/id=I01r/args/0", SET, "\"I99\"", NULL, "I01r", "I99"},
    {IND, "/indicators/id=I01r/args/0", SET, "\"I01r\"", NULL, "I01r", "circle"},
    {IND, "/indicators/id=I08/number", DELETE, NULL, NULL, "I08", "number"},
    {IND, "/indicators/id=I01/opening", SET, "true", NULL, "opening", "I01"},
    {IND, "/indicators/id=I01/rounding", SET, "\"up\"", NULL, "I01", "up"},
    {IND, "/indicators/id=I01/id", SET, "\"I02\"", NULL, "indicators", "I02"},
};

static void test_damages(void **state)
{
    size_t failed = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        const struct damage *d = &damages[i];
        const char *file = d->expect_file ? d->expect_file : d->file;
        struct copy copy;
        struct lm_catalog *out = NULL;
        struct lm_error err = {0};
        enum lm_status st;

        copy_init(&copy);
        copy_edit(&copy, d->file, d->path, d->op, d->value);
        st = lm_catalog_load(copy.files, copy.n, &out, &err);
        if (st != LM_ERR_INVALID || out || !strstr(err.en, file) || !strstr(err.zh, file) ||
            strstr(err.en, "..") || !strstr(err.field, d->expect_place) ||
            !strstr(err.en, d->expect_text) || !has_han(err.zh)) {
            print_error("damage %zu: %s %s %s\n  status %s, field \"%s\"\n  en %s\n", i, d->file,
                        d->path, d->value ? d->value : "-", lm_status_name(st), err.field, err.en);
            failed++;
        }
        lm_catalog_destroy(&out);
        copy_free(&copy);
    }
    assert_int_equal(failed, 0);
}

/* A circle through two indicators. */
static void test_long_circle(void **state)
{
    struct copy copy;
    struct lm_catalog *out;
    struct lm_error err = {0};

    (void)state;
    copy_init(&copy);
    copy_edit(&copy, IND, "/indicators/id=I03/args/0", SET, "\"I04\"");
    copy_edit(&copy, IND, "/indicators/id=I04/args/0", SET, "\"I03\"");
    assert_int_equal(lm_catalog_load(copy.files, copy.n, &out, &err), LM_ERR_INVALID);
    assert_non_null(strstr(err.en, "circle"));
    copy_free(&copy);
}

/* What an edit of the data may do: a new field is enough. */
static void test_new_field(void **state)
{
    struct copy copy;
    struct lm_catalog *out;
    struct lm_error err = {0};
    const struct lm_field *f;

    (void)state;
    copy_init(&copy);
    copy_edit(&copy, VISIT, "/fields", APPEND,
              "{\"name\":\"weather\",\"zh\":\"天气\",\"en\":\"Weather\",\"type\":\"text\",\"max_"
              "chars\":20,"
              "\"sensitivity\":0,\"edit_by\":[\"village\",\"town\"],\"guarded\":true}");
    assert_int_equal(lm_catalog_load(copy.files, copy.n, &out, &err), LM_OK);
    f = lm_type_field(lm_catalog_type(out, "visit"), "weather");
    assert_non_null(f);
    assert_int_equal(f->index, lm_catalog_type(out, "visit")->n_fields - 1);
    assert_true(lm_catalog_type(out, "visit")->groups[f->group].guarded);
    assert_memory_not_equal(out->hash, cat->hash, sizeof(cat->hash));
    lm_catalog_destroy(&out);
    copy_free(&copy);
}

static void test_hash(void **state)
{
    struct copy copy;
    struct lm_catalog *out;
    struct lm_error err = {0};

    (void)state;
    copy_init(&copy);
    for (size_t i = 0; i < copy.n / 2; i++) { /* the order of the files does not matter */
        struct lm_catalog_file file = copy.files[i];

        copy.files[i] = copy.files[copy.n - 1 - i];
        copy.files[copy.n - 1 - i] = file;
    }
    assert_int_equal(lm_catalog_load(copy.files, copy.n, &out, &err), LM_OK);
    assert_memory_equal(out->hash, cat->hash, sizeof(cat->hash));
    lm_catalog_destroy(&out);
    copy_free(&copy);
}

static void test_too_large(void **state)
{
    struct copy copy;
    struct lm_catalog *out;
    struct lm_error err = {0};
    char *blanks = malloc(LM_CATALOG_BYTES_MAX + 1);

    (void)state;
    assert_non_null(blanks);
    memset(blanks, ' ', LM_CATALOG_BYTES_MAX);
    blanks[LM_CATALOG_BYTES_MAX] = 0;
    copy_init(&copy);
    copy_put(&copy, copy.n, "types/blank.json", blanks);
    copy.n++;
    assert_int_equal(lm_catalog_load(copy.files, copy.n, &out, &err), LM_ERR_LIMIT);
    assert_null(out);
    assert_string_equal(err.code, "too_large");
    assert_int_equal(lm_catalog_load(copy.files, 0, &out, &err), LM_ERR_INVALID);
    copy_free(&copy);
}

/* ---- memory that runs out inside the JSON reader ---- */

static size_t allocations, allocations_max;

static void *counted_malloc(size_t n)
{
    return allocations++ < allocations_max ? malloc(n) : NULL;
}

static void test_no_memory(void **state)
{
    size_t total, memory = 0;
    struct lm_catalog *out;
    struct lm_error err;

    (void)state;
    json_set_alloc_funcs(counted_malloc, free);
    allocations = 0;
    allocations_max = SIZE_MAX;
    assert_int_equal(lm_catalog_load_embedded(&out, &err), LM_OK);
    lm_catalog_destroy(&out);
    total = allocations;
    assert_true(total > 1000);
    for (allocations_max = 0; allocations_max < total; allocations_max += total / 40) {
        allocations = 0;
        memset(&err, 0, sizeof(err));
        /* Inside a text jansson calls it a syntax error, so that is possible too. */
        enum lm_status st = lm_catalog_load_embedded(&out, &err);
        assert_true(st == LM_ERR_MEMORY || st == LM_ERR_INVALID);
        memory += st == LM_ERR_MEMORY;
        assert_null(out);
        assert_true(err.en[0] && has_han(err.zh));
    }
    assert_true(memory > 0);
    json_set_alloc_funcs(malloc, free);
}

/* The words are optional: a caller that wants only the status may pass none. */
static void test_no_error_wanted(void **state)
{
    struct copy copy;
    struct lm_catalog *out;

    (void)state;
    copy_init(&copy);
    copy_edit(&copy, IND, "/indicators/id=I12/filter", SET, "\"occasoin in (spring)\"");
    assert_int_equal(lm_catalog_load(copy.files, copy.n, &out, NULL), LM_ERR_INVALID);
    copy_free(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damages),   cmocka_unit_test(test_long_circle),
        cmocka_unit_test(test_new_field), cmocka_unit_test(test_hash),
        cmocka_unit_test(test_too_large), cmocka_unit_test(test_no_error_wanted),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, load_once, unload);
}
