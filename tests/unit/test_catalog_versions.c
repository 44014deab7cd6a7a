/* From one version of the catalogue to the next: what may follow what, and the form in which
 * catalogues are stored and sent. */
#include "proto/catalog.h"

#include "common/base/util.h"
#include "proto/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include <cmocka.h>

#include "tests/support/catalogs.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define CONSULTATION "types/consultation.json"
#define FACILITY "types/facility.json"
#define PERSON "types/person.json"
#define VISIT "types/visit.json"
#define REPORT "types/media_report.json"
#define LISTS "lists.json"
#define BY "\"sensitivity\":0,\"edit_by\":[\"village\",\"town\"]"
#define NEW(name, rest) "{\"name\":\"" name "\",\"zh\":\"新\",\"en\":\"New\"," rest "," BY "}"
#define TEXT "\"type\":\"text\",\"max_chars\":20"

static struct lm_catalog *cat;

static int load_once(void **state)
{
    struct lm_error err = {0};

    (void)state;
    return lm_catalog_load_embedded(&cat, &err) == LM_OK ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    lm_catalog_destroy(&cat);
    return 0;
}

/* ---- what may follow ---- */

struct step {
    struct edit edits[4];
    const char *code;  /* of the first breach; NULL: it may follow */
    const char *place; /* part of where */
};

static const struct step steps[] = {
    /* it adds */
    {{{CONSULTATION, "/fields", APPEND, NEW("mood", TEXT)}}, NULL, NULL},
    {{{CONSULTATION, "/fields", APPEND, NEW("mood", TEXT ",\"required\":true")}}, NULL, NULL},
    {{{CONSULTATION, "/fields", APPEND,
       NEW("mood", TEXT ",\"conditions\":[{\"when\":\"item_count > 5\",\"level\":\"refuse\"}]")}},
     NULL,
     NULL},
    {{{CONSULTATION, "/fields", APPEND, NEW("mood", TEXT)},
      {CONSULTATION, "/fields", APPEND, NEW("why", TEXT)},
      {CONSULTATION, "/groups", APPEND, "{\"name\":\"feeling\",\"fields\":[\"mood\",\"why\"]}"}},
     NULL,
     NULL},
    {{{LISTS, "/lists/name=channel/codes", APPEND,
       "{\"code\":\"pigeon\",\"zh\":\"飞鸽\",\"en\":\"pigeon\"}"}},
     NULL,
     NULL},
    {{{LISTS, "/lists", APPEND,
       "{\"name\":\"mood\",\"codes\":[{\"code\":\"a\",\"zh\":\"一\",\"en\":\"a\"}]}"}},
     NULL,
     NULL},
    {{{CONSULTATION, "/rules", APPEND,
       "{\"code\":\"much\",\"field\":\"item_count\",\"zh\":\"多\",\"en\":\"Much\",\"need\":"
       "\"item_count < 9\",\"level\":\"warn\"}"}},
     NULL,
     NULL},
    {{{CONSULTATION, "/fields", APPEND, NEW("mood", TEXT)},
      {CONSULTATION, "/rules", APPEND,
       "{\"code\":\"much\",\"field\":\"mood\",\"zh\":\"多\",\"en\":\"Much\",\"when\":\"mood is "
       "set\",\"need\":\"item_count < 9\",\"level\":\"refuse\"}"}},
     NULL,
     NULL},
    {{{CONSULTATION, "/transitions", APPEND,
       "{\"from\":\"draft\",\"to\":\"locked\",\"by\":[\"town\"]}"}},
     NULL,
     NULL},
    {{{VISIT, "/fields/name=category_at_visit/members", APPEND,
       "{\"name\":\"note\",\"zh\":\"注\",\"en\":\"Note\"," TEXT "}"}},
     NULL,
     NULL},
    {{{"types/matter.json", "/kept_by", SET, "[\"town\",\"village\"]"}}, NULL, NULL},
    /* it asks for less */
    {{{FACILITY, "/fields/name=area_sqm/max", SET, "2000000"}}, NULL, NULL},
    {{{FACILITY, "/fields/name=area_sqm/min", DELETE, NULL}}, NULL, NULL},
    {{{REPORT, "/fields/name=outlet/max_chars", SET, "61"}}, NULL, NULL},
    {{{VISIT, "/fields/name=visit_on/not_future", DELETE, NULL}}, NULL, NULL},
    {{{VISIT, "/fields/name=persons/items/max", SET, "201"}}, NULL, NULL},
    {{{VISIT, "/fields/name=visitors/required", DELETE, NULL}}, NULL, NULL},
    {{{REPORT, "/fields/name=portrait_consent/conditions", DELETE, NULL}}, NULL, NULL},
    {{{REPORT, "/fields/name=portrait_consent/conditions/0/level", SET, "\"warn\""}}, NULL, NULL},
    {{{REPORT, "/natural_key", DELETE, NULL}}, NULL, NULL},
    {{{REPORT, "/village_edits_in", SET, "null"}}, NULL, NULL},
    {{{REPORT, "/fields/name=subject/ref_types", APPEND, "\"honor\""}}, NULL, NULL},
    {{{VISIT, "/groups/name=gift/guarded", SET, "false"}}, NULL, NULL},
    /* it retires, and says things otherwise */
    {{{CONSULTATION, "/fields/name=reception_id/retired", SET, "true"}}, NULL, NULL},
    {{{LISTS, "/lists/name=channel/codes/code=im/retired", SET, "true"}}, NULL, NULL},
    {{{CONSULTATION, "/fields/name=topic/zh", SET, "\"题目\""}}, NULL, NULL},
    {{{CONSULTATION, "/list_columns", SET, "[\"on\"]"}}, NULL, NULL},
    {{{CONSULTATION, "/fields/name=topic/sensitivity", SET, "2"}}, NULL, NULL},
    /* what may not be */
    {{{CONSULTATION, "/fields/name=reception_id", DELETE, NULL}},
     "field_dropped",
     "consultation.reception_id"},
    {{{FACILITY, "/fields/name=area_sqm/name", SET, "\"area\""},
      {FACILITY, "/list_columns", SET, "[\"kind\"]"}},
     "field_dropped",
     "facility.area_sqm"},
    {{{CONSULTATION, "/fields/name=reception_id", DELETE, NULL},
      {CONSULTATION, "/fields", APPEND, NEW("mood", TEXT)},
      {CONSULTATION, "/fields", APPEND,
       NEW("reception_id", "\"type\":\"uuid\",\"ref\":\"reception\"")}},
     "field_moved",
     "consultation.reception_id"},
    {{{CONSULTATION, "/fields/name=item_count/type", SET, "\"decimal\""}},
     "type_changed",
     "consultation.item_count"},
    {{{CONSULTATION, "/fields/name=reception_id/items", SET, "{\"max\":3}"}},
     "type_changed",
     "consultation.reception_id"},
    {{{REPORT, "/fields/name=outlet/max_chars", SET, "59"}}, "narrowed", "media_report.outlet"},
    {{{FACILITY, "/fields/name=area_sqm/max", SET, "999999"}}, "narrowed", "facility.area_sqm"},
    {{{FACILITY, "/fields/name=area_sqm/min", SET, "1"}}, "narrowed", "facility.area_sqm"},
    {{{VISIT, "/fields/name=persons/items/max", SET, "199"}}, "narrowed", "visit.persons"},
    {{{CONSULTATION, "/fields/name=on/not_future", SET, "true"}}, "narrowed", "consultation.on"},
    {{{REPORT, "/fields/name=channel/format", SET, "\"name\""}},
     "format_changed",
     "media_report.channel"},
    {{{CONSULTATION, "/fields/name=channel/codes", SET, "\"gift\""}},
     "list_changed",
     "consultation.channel"},
    {{{CONSULTATION, "/fields/name=reception_id/ref", SET, "\"person\""}},
     "ref_changed",
     "consultation.reception_id"},
    {{{REPORT, "/fields/name=subject/ref_types", SET, "[\"person\"]"}},
     "ref_changed",
     "media_report.subject"},
    {{{REPORT, "/fields/name=channel/required", SET, "true"}}, "required", "media_report.channel"},
    {{{REPORT, "/fields/name=channel/conditions", SET,
       "[{\"when\":\"outlet is set\",\"level\":\"refuse\"}]"}},
     "required",
     "media_report.channel"},
    {{{REPORT, "/fields/name=portrait_consent/conditions/0/when", SET, "\"subject is set\""}},
     "required",
     "media_report.portrait_consent"},
    {{{VISIT, "/fields/name=category_at_visit/members/name=identity/required", SET, "true"}},
     "required",
     "visit.category_at_visit.identity"},
    {{{VISIT, "/fields/name=category_at_visit/members", APPEND,
       "{\"name\":\"note\",\"zh\":\"注\",\"en\":\"Note\"," TEXT ",\"required\":true}"}},
     "required",
     "visit.category_at_visit.note"},
    {{{VISIT, "/fields/name=category_at_visit/members/name=benefit", DELETE, NULL}},
     "member_dropped",
     "visit.category_at_visit.benefit"},
    {{{FACILITY, "/fields/name=area_sqm/edit_by", SET, "[\"town\"]"}},
     "rights",
     "facility.area_sqm"},
    {{{FACILITY, "/fields/name=area_sqm/frozen_in", SET, "[\"submitted\"]"}},
     "rights",
     "facility.area_sqm"},
    {{{PERSON, "/fields/name=id_no/sensitivity", SET, "0"}}, "sensitivity", "person.id_no"},
    {{{CONSULTATION, "/fields/name=on/retired", SET, "true"},
      {CONSULTATION, "/fields/name=on/required", DELETE, NULL}},
     "retired",
     "consultation.on"},
    {{{CONSULTATION, "/fields", APPEND, NEW("mood", TEXT)},
      {CONSULTATION, "/groups", APPEND, "{\"name\":\"what\",\"fields\":[\"topic\",\"mood\"]}"}},
     "group_changed",
     "consultation.topic"},
    {{{VISIT, "/fields", APPEND, NEW("mood", TEXT)},
      {VISIT, "/groups/name=gift/fields", APPEND, "\"mood\""}},
     "group_changed",
     "visit.mood"},
    {{{CONSULTATION, "/fields", APPEND,
       "{\"name\":\"mood\",\"zh\":\"新\",\"en\":\"New\"," TEXT
       ",\"sensitivity\":0,\"edit_by\":[\"system\"],\"fill\":\"hub\"}"}},
     "fill_changed",
     "consultation.mood"},
    {{{FACILITY, "/groups", APPEND,
       "{\"name\":\"area_sqm\",\"fields\":[\"area_sqm\"],\"guarded\":true}"}},
     "guarded",
     "facility.area_sqm"},
    {{{LISTS, "/lists/name=frequency/codes/code=half", DELETE, NULL}},
     "code_dropped",
     "frequency.half"},
    {{{CONSULTATION, "/feed", SET, "\"all\""}}, "feed_changed", "consultation"},
    {{{CONSULTATION, "/kept_by", SET, "[\"village\"]"}}, "rights", "consultation"},
    {{{FACILITY, "/reporting_date", SET, "\"created_at\""}}, "date_changed", "facility"},
    {{{CONSULTATION, "/natural_key", SET, "{\"fields\":[\"on\"],\"mode\":\"warn\"}"}},
     "key_changed",
     "consultation"},
    {{{FACILITY, "/natural_key/fields", SET, "[\"kind\"]"}}, "key_changed", "facility"},
    {{{FACILITY, "/natural_key/mode", SET, "\"unique\""}}, "key_changed", "facility"},
    {{{FACILITY, "/default_state", SET, "\"draft\""}}, "states_changed", "facility"},
    {{{FACILITY, "/village_edits_in", SET, "[\"draft\"]"}}, "rights", "facility"},
    {{{CONSULTATION, "/rules", APPEND,
       "{\"code\":\"much\",\"field\":\"item_count\",\"zh\":\"多\",\"en\":\"Much\",\"need\":"
       "\"item_count < 9\",\"level\":\"refuse\"}"}},
     "rule_added",
     "consultation.item_count"},
    {{{"types/notice.json", "/rules/0/need", SET, "\"expires_on > published_on\""}},
     "rule_added",
     "notice.expires_on"},
    {{{FACILITY, "/transitions/from=draft,to=submitted/by", SET, "[\"town\"]"}},
     "transition_dropped",
     "facility.draft.submitted"},
    {{{"indicators.json", "/indicators/id=I02d", DELETE, NULL}}, "indicator_dropped", "I02d"},
};

struct told {
    struct lm_error first;
    size_t n;
    bool good_words;
};

static void tell(void *arg, const struct lm_error *breach)
{
    struct told *told = arg;

    if (told->n++ == 0) {
        told->first = *breach;
    }
    told->good_words = told->good_words || (strstr(breach->zh, "。") && strchr(breach->en, '.'));
}

static void each_step_is_judged_rightly(void **state)
{
    size_t may = 0, may_not = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(steps); i++) {
        const struct step *s = &steps[i];
        struct told told = {0};
        struct lm_catalog *next;
        size_t n = 0;

        while (n < COUNT(s->edits) && s->edits[n].file) {
            n++;
        }
        next = catalog_edited(CATALOG_NEXT, s->edits, n);
        n = lm_catalog_compare(cat, next, tell, &told);
        assert_int_equal(n, told.n);
        if (!s->code && n > 0) {
            fail_msg("step %zu may not follow: %s %s", i, told.first.code, told.first.en);
        }
        if (s->code && (n == 0 || strcmp(told.first.code, s->code) != 0 ||
                        !strstr(told.first.field, s->place) || !told.good_words)) {
            fail_msg("step %zu: %zu breaches, the first is %s at %s: %s", i, n, told.first.code,
                     told.first.field, told.first.en);
        }
        may += !s->code;
        may_not += s->code != NULL;
        lm_catalog_destroy(&next);
    }
    assert_true(may >= 25 && may_not >= 40);
}

/* Programs that take over a database of an earlier one take their own into force only when it may
 * follow, and only under a higher number: an edit without it would never reach a town. */
static void the_embedded_one_follows_all_that_were_published(void **state)
{
    (void)state;
    assert_int_equal(cat->number, CATALOG_OWN);
    for (uint32_t number = 1; number < CATALOG_OWN; number++) {
        struct lm_catalog *old = catalog_published(number);
        struct told told = {0};

        if (lm_catalog_compare(old, cat, tell, &told) > 0) {
            fail_msg("it can't follow number %u: %s", (unsigned)number, told.first.en);
        }
        assert_memory_not_equal(old->hash, cat->hash, sizeof cat->hash);
        lm_catalog_destroy(&old);
    }
}

/* What a list of items notes of another record is as sensitive as it is there, also by a catalogue
 * of a time when nobody had thought of it. */
static void what_is_noted_elsewhere_is_as_sensitive_there(void **state)
{
    const struct edit edits[] = {
        {VISIT, "/fields/name=category_at_visit/sensitivity", SET, "0"},
        {"types/petition.json", "/fields/name=petitioners/sensitivity", SET, "1"}};
    struct lm_catalog *next = catalog_edited(CATALOG_NEXT, edits, 2);
    const struct lm_field *f;

    (void)state;
    for (uint32_t number = 1; number < CATALOG_OWN; number++) {
        struct lm_catalog *old = catalog_published(number);

        f = lm_type_field(lm_catalog_type(old, "visit"), "category_at_visit");
        assert_int_equal(f->sensitivity, 2);
        assert_int_equal(f->members[0].sensitivity, 2);
        assert_int_equal(lm_catalog_type(old, "visit")->sensitivity_max, 2);
        lm_catalog_destroy(&old);
    }
    f = lm_type_field(lm_catalog_type(next, "visit"), "category_at_visit");
    assert_int_equal(f->sensitivity, 2);
    f = lm_type_field(lm_catalog_type(next, "petition"), "petitioners");
    assert_int_equal(f->sensitivity, 1); /* no codes: as it says */
    lm_catalog_destroy(&next);
    /* And no field by itself notes what is more sensitive under its own name. */
    for (size_t i = 0; i < cat->n_types; i++) {
        for (size_t k = 0; k < cat->types[i].n_fields; k++) {
            f = &cat->types[i].fields[k];
            for (size_t t = 0; f->list && f->list != cat->types[i].states && t < cat->n_types;
                 t++) {
                for (size_t o = 0; o < cat->types[t].n_fields; o++) {
                    const struct lm_field *other = &cat->types[t].fields[o];

                    if (other->list == f->list && other->sensitivity == 2 && f->sensitivity < 2) {
                        fail_msg("%s.%s tells what %s.%s covers", cat->types[i].name, f->name,
                                 cat->types[t].name, other->name);
                    }
                }
            }
        }
    }
}

static void the_number_rises(void **state)
{
    struct told told = {0};
    struct lm_catalog *two = catalog_next(), *same = catalog_edited(CATALOG_OWN, NULL, 0);

    (void)state;
    assert_int_equal(lm_catalog_compare(cat, two, NULL, NULL), 0);
    assert_int_equal(lm_catalog_compare(cat, cat, tell, &told), 1);
    assert_string_equal(told.first.code, "number");
    assert_int_equal(lm_catalog_compare(cat, same, NULL, NULL), 1);
    /* Back is more than a number: what was added is missing. */
    memset(&told, 0, sizeof told);
    assert_true(lm_catalog_compare(two, cat, tell, &told) > 3);
    assert_string_equal(told.first.code, "number");
    lm_catalog_destroy(&same);
    lm_catalog_destroy(&two);
}

static void what_was_retired_stays_so(void **state)
{
    static const struct {
        struct edit retire;
        const char *code;
    } cases[] = {
        {{CONSULTATION, "/fields/name=reception_id/retired", SET, "true"}, "name_reused"},
        {{LISTS, "/lists/name=channel/codes/code=im/retired", SET, "true"}, "code_reused"},
    };
    struct lm_catalog *three = catalog_edited(CATALOG_AFTER, NULL, 0);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct lm_catalog *two = catalog_edited(CATALOG_NEXT, &cases[i].retire, 1);
        struct told told = {0};

        assert_int_equal(lm_catalog_compare(cat, two, NULL, NULL), 0);
        assert_int_equal(lm_catalog_compare(two, three, tell, &told), 1);
        assert_string_equal(told.first.code, cases[i].code);
        lm_catalog_destroy(&two);
    }
    lm_catalog_destroy(&three);
}

static void a_new_required_field_breaks_no_rule_of_the_step(void **state)
{
    struct lm_catalog *two = catalog_next(), *three = catalog_after();

    (void)state;
    assert_int_equal(lm_catalog_compare(cat, three, NULL, NULL), 0); /* one version left out */
    assert_int_equal(lm_catalog_compare(two, three, NULL, NULL), 0);
    lm_catalog_destroy(&two);
    lm_catalog_destroy(&three);
}

/* ---- stored and sent ---- */

static void packed_catalogues_come_back(void **state)
{
    struct lm_catalog *two = catalog_next(), *back = NULL;
    struct lm_error err = {0};

    (void)state;
    assert_true(two->packed_len > 1000 && two->packed_len < 200000);
    assert_int_equal(lm_catalog_load_packed(two->packed, two->packed_len, &back, &err), LM_OK);
    assert_int_equal(back->number, CATALOG_NEXT);
    assert_memory_equal(back->hash, two->hash, 32);
    assert_memory_not_equal(back->hash, cat->hash, 32);
    assert_int_equal(back->packed_len, two->packed_len);
    assert_memory_equal(back->packed, two->packed, two->packed_len);
    assert_non_null(lm_catalog_type(back, "drill"));
    lm_catalog_destroy(&back);
    lm_catalog_destroy(&two);
}

/* P12: whatever was packed by somebody else is refused with a reason, and never half read. */
static void foreign_packs_are_refused(void **state)
{
    struct lm_buf raw, packed;
    struct lm_catalog *out = NULL;
    struct lm_error err = {0};
    uint8_t *cut = malloc(cat->packed_len + 1);
    static const struct {
        const char *bytes;
        size_t n;
    } contents[] = {
        {"\xc0", 1},
        {"\x90", 1},
        {"\x92\xb2lastmile-catalog-2\x90", 21},
        {"\x92\xb2lastmile-catalog-1\xc0", 21},
        {"\x92\xb2lastmile-catalog-1\x91\xc0", 22},
        {"\x92\xb2lastmile-catalog-1\x91\x92\xa0\xc4\x00", 25},
        {"\x92\xb2lastmile-catalog-1\x91\x92\xa1"
         "a\xa1"
         "b",
         26},
        {"\x92\xb2lastmile-catalog-1\x92\x92\xa1"
         "b\xc4\x00\x92\xa1"
         "a\xc4\x00",
         31},
        {"\x92\xb2lastmile-catalog-1\x92\x92\xa1"
         "a\xc4\x00\x92\xa1"
         "a\xc4\x00",
         31},
        {"\x92\xb2lastmile-catalog-1\x90\x00", 22},
    };

    (void)state;
    assert_non_null(cut);
    for (size_t i = 0; i < COUNT(contents); i++) {
        uint8_t frame[256];
        size_t n = ZSTD_compress(frame, sizeof frame, contents[i].bytes, contents[i].n, 1);

        assert_false(ZSTD_isError(n));
        if (lm_catalog_load_packed(frame, n, &out, &err) != LM_ERR_INVALID) {
            fail_msg("content %zu: %s", i, err.code);
        }
        assert_string_equal(err.code, "malformed");
    }
    for (size_t n = 0; n < cat->packed_len; n += 1 + cat->packed_len / 97) {
        assert_int_not_equal(lm_catalog_load_packed(cat->packed, n, &out, &err), LM_OK);
        assert_null(out);
    }
    memcpy(cut, cat->packed, cat->packed_len); /* one byte too many */
    cut[cat->packed_len] = 0;
    assert_int_equal(lm_catalog_load_packed(cut, cat->packed_len + 1, &out, &err), LM_ERR_INVALID);
    free(cut);

    /* A small frame that says it becomes 64 MiB. */
    lm_buf_init(&raw, 64 * 1024 * 1024);
    lm_buf_init(&packed, 1 << 20);
    for (size_t i = 0; i < 512; i++) {
        static const char nothing[128 * 1024];

        lm_buf_add(&raw, nothing, sizeof nothing);
    }
    void *frame = malloc(ZSTD_compressBound(raw.len));
    size_t n = ZSTD_compress(frame, ZSTD_compressBound(raw.len), raw.data, raw.len, 1);
    assert_int_equal(lm_catalog_load_packed(frame, n, &out, &err), LM_ERR_LIMIT);
    assert_string_equal(err.code, "too_large");
    free(frame);
    lm_buf_free(&raw);
    lm_buf_free(&packed);
}

static void a_newer_grammar_says_upgrade_first(void **state)
{
    struct copy c;
    struct lm_catalog *out = NULL;
    struct lm_error err = {0};

    (void)state;
    copy_init(&c);
    copy_edit(&c, "catalog.json", "/grammar", SET, "1");
    assert_int_equal(lm_catalog_load(c.files, c.n, &out, &err), LM_OK);
    lm_catalog_destroy(&out);
    /* What a newer grammar says besides may be anything. */
    copy_edit(&c, "catalog.json", "/grammar", SET, "2");
    copy_edit(&c, CONSULTATION, "/fields/0/type", SET, "\"hologram\"");
    assert_int_equal(lm_catalog_load(c.files, c.n, &out, &err), LM_ERR_VERSION);
    assert_string_equal(err.code, "newer_grammar");
    assert_non_null(strstr(err.zh, "升级"));
    copy_edit(&c, "catalog.json", "/grammar", SET, "\"new\"");
    assert_int_equal(lm_catalog_load(c.files, c.n, &out, &err), LM_ERR_INVALID);
    copy_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_is_judged_rightly),
        cmocka_unit_test(the_embedded_one_follows_all_that_were_published),
        cmocka_unit_test(what_is_noted_elsewhere_is_as_sensitive_there),
        cmocka_unit_test(the_number_rises),
        cmocka_unit_test(what_was_retired_stays_so),
        cmocka_unit_test(a_new_required_field_breaks_no_rule_of_the_step),
        cmocka_unit_test(packed_catalogues_come_back),
        cmocka_unit_test(foreign_packs_are_refused),
        cmocka_unit_test(a_newer_grammar_says_upgrade_first),
    };
    return cmocka_run_group_tests(tests, load_once, unload);
}
