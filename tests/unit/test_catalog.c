/* The embedded catalogue loads and says what it should; test_catalog_damage.c breaks it. */
#include "proto/catalog.h"

#include "proto/expr.h"
#include "proto/record.h"
#include "proto/validate.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
    assert_null(cat);
    lm_catalog_destroy(&cat);
    lm_catalog_destroy(NULL);
    return 0;
}

static const struct lm_field *field_of(const char *type, const char *field)
{
    const struct lm_type *t = lm_catalog_type(cat, type);
    const struct lm_field *f = t ? lm_type_field(t, field) : NULL;

    if (!f) {
        fail_msg("no field %s.%s", type, field);
    }
    return f;
}

/* ---- what the embedded catalogue says ---- */

static void test_counts(void **state)
{
    size_t lines = 0, codes = 0;

    (void)state;
    assert_int_equal(cat->number, 3);
    assert_int_equal(cat->n_types, 41);
    assert_int_equal(cat->n_indicators, 71);
    assert_int_equal(cat->n_lists, 66);
    for (size_t i = 0; i < cat->n_types; i++) {
        const struct lm_type *type = &cat->types[i];

        assert_int_equal(type->index, i);
        for (size_t k = 0; k < type->n_transitions; k++) {
            lines += (size_t)__builtin_popcount(type->transitions[k].by);
        }
    }
    assert_int_equal(lines, 588); /* one per from, to and author */
    for (size_t i = 0; i < cat->n_lists; i++) {
        codes += cat->lists[i].n_codes;
    }
    assert_true(codes > 350);
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

static void assert_labels(const char *what, const char *zh, const char *en, bool han)
{
    if (!zh || !zh[0] || !en || !en[0] || has_han(en) || (han && !has_han(zh))) {
        fail_msg("labels of %s: zh \"%s\", en \"%s\"", what, zh ? zh : "-", en ? en : "-");
    }
}

static void assert_rules(const struct lm_type *type, const struct lm_rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_labels(type->name, rules[i].zh, rules[i].en, true);
        assert_non_null(rules[i].need);
        assert_int_equal(rules[i].when != NULL, rules[i].when_text != NULL);
        assert_true(rules[i].level == LM_REFUSE || rules[i].level == LM_WARN);
        assert_true(strlen(rules[i].code) < sizeof(((struct lm_error *)0)->code));
    }
}

static void test_labels_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < cat->n_lists; i++) {
        for (size_t k = 0; k < cat->lists[i].n_codes; k++) {
            assert_labels(cat->lists[i].name, cat->lists[i].codes[k].zh, cat->lists[i].codes[k].en,
                          true);
        }
    }
    for (size_t i = 0; i < cat->n_types; i++) {
        const struct lm_type *type = &cat->types[i];

        assert_labels(type->name, type->zh, type->en, true);
        for (size_t k = 0; k < type->n_fields; k++) {
            const struct lm_field *f = &type->fields[k];

            assert_labels(f->name, f->zh, f->en, true);
            for (size_t m = 0; m < f->n_members; m++) {
                assert_labels(f->members[m].name, f->members[m].zh, f->members[m].en, true);
            }
        }
        assert_rules(type, type->rules, type->n_rules);
        for (size_t k = 0; k < type->n_transitions; k++) {
            assert_rules(type, type->transitions[k].rules, type->transitions[k].n_rules);
        }
    }
    for (size_t i = 0; i < cat->n_indicators; i++) {
        const struct lm_indicator *ind = &cat->indicators[i];

        assert_labels(ind->id, ind->zh, ind->en, true);
        assert_true(ind->unit && ind->unit[0]);
    }
}

/* A verifier is for programs: where values become JSON it is covered, and its type has no page. */
static void test_what_is_secret(void **state)
{
    const struct lm_field *f = field_of("station_account", "verifier");
    const struct lm_value v = lm_value_text("$argon2id$secret");
    json_t *json = lm_field_to_json(f, &v);

    (void)state;
    assert_int_equal(f->sensitivity, LM_SENSITIVITY_SECRET);
    assert_string_equal(json_string_value(json), "＊＊＊");
    json_decref(json);
    assert_null(lm_catalog_shown(cat, "station_account"));
    assert_non_null(lm_catalog_type(cat, "station_account"));
    assert_null(lm_catalog_shown(cat, NULL));
    assert_false(lm_type_shown(NULL));
    for (size_t i = 0; i < cat->n_types; i++) {
        const struct lm_type *type = &cat->types[i];

        assert_int_equal(lm_catalog_shown(cat, type->name) == type,
                         strcmp(type->name, "station_account") != 0);
    }
}

static void test_structure(void **state)
{
    (void)state;
    for (size_t i = 0; i < cat->n_types; i++) {
        const struct lm_type *type = &cat->types[i];

        assert_true(type->n_fields > LM_C_COUNT && type->n_fields <= LM_FIELDS_PER_TYPE_MAX);
        assert_string_equal(type->fields[LM_C_ID].name, "id");
        assert_string_equal(type->fields[LM_C_STATE].name, "state");
        assert_string_equal(type->fields[LM_C_CLOSE_NOTE].name, "close_note");
        assert_ptr_equal(type->fields[LM_C_STATE].list, type->states);
        assert_string_equal(type->fields[LM_C_CORRECTION_OF].ref, type->name);
        assert_string_equal(type->groups[LM_GROUP_ORIGIN].name, "origin");
        assert_string_equal(type->groups[LM_GROUP_STATE].name, "state");
        assert_string_equal(type->groups[LM_GROUP_DELETED].name, "deleted");
        assert_true(type->n_list_columns > 0);
        for (size_t k = 0; k < type->n_fields; k++) {
            const struct lm_field *f = &type->fields[k];

            assert_int_equal(f->index, k);
            assert_int_equal(f->common, k < LM_C_COUNT);
            assert_true(f->group >= 0 && (size_t)f->group < type->n_groups);
            assert_int_equal(f->ftype == LM_F_CODE, f->list != NULL);
            assert_int_equal(f->required == LM_CONDITIONAL, f->n_conditions > 0);
            for (size_t c = 0; c < f->n_conditions; c++) {
                assert_non_null(f->conditions[c].when);
            }
        }
        /* A record made without a state gets one, and a person can always correct what is sent
         * back. */
        assert_non_null(lm_type_transition(type, NULL, type->default_state, LM_BY_TOWN));
        if (type->kept_by & LM_BY_VILLAGE && strcmp(type->name, "station") != 0) {
            assert_non_null(lm_type_transition(type, NULL, type->default_state, LM_BY_VILLAGE));
        }
    }
}

static void test_person(void **state)
{
    const struct lm_type *person = lm_catalog_type(cat, "person");
    const struct lm_field *id_no = field_of("person", "id_no");
    const struct lm_transition *t;

    (void)state;
    assert_int_equal(id_no->sensitivity, 2);
    assert_int_equal(id_no->max_chars, 18);
    assert_string_equal(id_no->format, "idno");
    assert_int_equal(id_no->required, LM_CONDITIONAL);
    assert_int_equal(id_no->conditions[0].level, LM_REFUSE);
    assert_string_equal(id_no->frozen_in[0], "active");
    assert_int_equal(id_no->group, field_of("person", "birth_on")->group);
    assert_int_equal(id_no->group, field_of("person", "sex")->group);
    assert_int_equal(id_no->group, lm_type_group(person, "identity", 8));
    assert_true(person->groups[id_no->group].guarded);
    assert_true(person->groups[field_of("person", "name")->group].guarded);
    assert_false(person->groups[field_of("person", "phone")->group].guarded);
    assert_int_equal(person->key_mode, LM_KEY_UNIQUE);
    assert_int_equal(person->natural_key[0], id_no->index);
    assert_true(lm_value_is(&field_of("person", "difficulty")->preset, "none"));
    assert_int_equal(field_of("person", "dup_key")->fill, LM_FILL_HUB);
    assert_int_equal(field_of("person", "bank_account")->edit_by, LM_BY_TOWN);
    assert_int_equal(person->sensitivity_max, 2);

    t = lm_type_transition(person, "submitted", "active", LM_BY_TOWN);
    assert_non_null(t);
    assert_int_equal(t->n_rules, 2);
    assert_null(lm_type_transition(person, "submitted", "active", LM_BY_VILLAGE));
    assert_null(lm_type_transition(person, NULL, "active", LM_BY_VILLAGE));
    assert_non_null(lm_type_transition(person, NULL, "submitted", LM_BY_VILLAGE));
    assert_non_null(lm_type_transition(person, "active", "transferring", LM_BY_SYSTEM));
    assert_null(lm_type_transition(person, "active", "transferring", LM_BY_TOWN));
    assert_null(lm_type_transition(person, "active", NULL, LM_BY_TOWN));
}

static void test_other_types(void **state)
{
    const struct lm_field *f;

    (void)state;
    assert_null(lm_catalog_type(cat, "station")->village_edits_in);
    assert_non_null(lm_catalog_type(cat, "notice")->village_edits_in);
    assert_null(lm_catalog_type(cat, "notice")->village_edits_in[0]);
    assert_int_equal(lm_catalog_type(cat, "notice")->kept_by, LM_BY_TOWN);
    assert_int_equal(lm_catalog_type(cat, "notice")->feed, LM_FEED_ALL);
    assert_int_equal(lm_catalog_type(cat, "opening_balance")->feed, LM_FEED_HUB);
    assert_int_equal(lm_catalog_type(cat, "consultation")->key_mode, LM_KEY_FREE);
    assert_string_equal(lm_catalog_type(cat, "contact_plan")->key_when_text, "end_on is null");
    assert_non_null(lm_catalog_type(cat, "contact_plan")->key_when);
    assert_int_equal(lm_catalog_type(cat, "visit")->reporting_date,
                     field_of("visit", "visit_on")->index);

    f = field_of("visit", "persons");
    assert_true(f->is_list && f->unique_items && f->ftype == LM_F_UUID);
    assert_int_equal(f->min_items, 1);
    assert_int_equal(f->max_items, 200);
    assert_string_equal(f->ref, "person");
    f = field_of("visit", "category_at_visit");
    assert_int_equal(f->fill, LM_FILL_PROGRAM);
    assert_int_equal(f->n_members, 3);
    assert_string_equal(f->members[0].list->name, "identity");
    assert_int_equal(f->sensitivity, 2); /* the person's hardship and benefits, noted */
    f = field_of("reception", "level");
    assert_int_equal(f->fill, LM_FILL_COMPUTED);
    assert_string_equal(f->compute, "reception.level");
    f = field_of("facility", "area_sqm");
    assert_int_equal(f->min, 1); /* ten-thousandths */
    f = field_of("honor", "subject");
    assert_string_equal(f->ref_types[4], "staff_post");
    assert_null(f->ref_types[5]);
    assert_null(field_of("attachment", "owner_ref")->ref_types);
    f = field_of("petition", "is_backlog");
    assert_int_equal(f->preset.kind, LM_BOOL);
    assert_false(f->preset.b);
    /* Common conditions take the states that the type has. */
    assert_string_equal(field_of("aid_case", "close_note")->conditions[0].text,
                        "state in (rejected|withdrawn)");
    assert_int_equal(field_of("service_item", "return_note")->n_conditions, 0);
}

static void test_indicators(void **state)
{
    const struct lm_indicator *i12 = lm_catalog_indicator(cat, "I12");
    const struct lm_indicator *i08 = lm_catalog_indicator(cat, "I08");
    const struct lm_indicator *i09 = lm_catalog_indicator(cat, "I09");
    const struct lm_indicator *i10d = lm_catalog_indicator(cat, "I10d");
    size_t openings = 0;

    (void)state;
    assert_string_equal(i12->type->name, "visit");
    assert_int_equal(i12->measure, LM_M_SUM_LEN);
    assert_string_equal(i12->args[0], "persons");
    assert_null(i12->args[1]);
    assert_true(i12->flow && i12->opening);
    assert_false(i12->filter_names_state);
    assert_int_equal(i12->rounding, LM_R_YU10);
    assert_string_equal(i12->source_figure, "120余");
    assert_int_equal(i08->measure, LM_M_GAP);
    assert_int_equal(i08->arg_number, 500);
    assert_null(i08->type);
    assert_null(i08->date_field);
    assert_true(i09->filter_names_state && i10d->filter_names_state);
    assert_string_equal(i09->date_field, "@as_of");
    assert_int_equal(i09->n_dimensions, 4);
    assert_string_equal(i09->dimensions[2].name, "category");
    assert_string_equal(i09->dimensions[2].child, "person_identity");
    assert_string_equal(i09->dimensions[2].field, "code");
    assert_string_equal(i09->dimensions[3].name, "age");
    assert_string_equal(i09->dimensions[3].field, "birth_on");
    assert_null(i09->dimensions[3].child);
    assert_null(lm_catalog_indicator(cat, "I24")->filter);
    assert_int_equal(lm_catalog_indicator(cat, "I31n")->arg_number, 7);
    assert_null(lm_catalog_indicator(cat, "I31n")->type);
    for (size_t i = 0; i < cat->n_indicators; i++) {
        openings += cat->indicators[i].opening;
        assert_int_equal(cat->indicators[i].filter != NULL, cat->indicators[i].filter_text != NULL);
    }
    assert_int_equal(openings, lm_catalog_list(cat, "indicator")->n_codes);
}

static void test_lookups(void **state)
{
    struct lm_list by_hand = {
        .name = "x", .codes = (struct lm_code[]){{.code = "b"}, {.code = "a"}}, .n_codes = 2};

    (void)state;
    for (size_t i = 0; i < cat->n_types; i++) {
        const struct lm_type *type = &cat->types[i];

        assert_ptr_equal(lm_catalog_type(cat, type->name), type);
        for (size_t k = 0; k < type->n_fields; k++) {
            assert_ptr_equal(lm_type_field(type, type->fields[k].name), &type->fields[k]);
        }
        for (size_t k = 0; k < type->n_groups; k++) {
            assert_int_equal(
                lm_type_group(type, type->groups[k].name, strlen(type->groups[k].name)), k);
        }
    }
    for (size_t i = 0; i < cat->n_lists; i++) {
        assert_ptr_equal(lm_catalog_list(cat, cat->lists[i].name), &cat->lists[i]);
        for (size_t k = 0; k < cat->lists[i].n_codes; k++) {
            assert_ptr_equal(lm_list_code(&cat->lists[i], cat->lists[i].codes[k].code),
                             &cat->lists[i].codes[k]);
        }
    }
    assert_null(lm_catalog_type(cat, "perso"));
    assert_null(lm_catalog_type(cat, "persons"));
    assert_null(lm_catalog_type(cat, ""));
    assert_null(lm_catalog_type(cat, NULL));
    assert_null(lm_catalog_list(cat, "nobody"));
    assert_null(lm_catalog_indicator(cat, "I99"));
    assert_ptr_equal(lm_type_fieldn(lm_catalog_type(cat, "person"), "name_and_more", 4),
                     field_of("person", "name"));
    assert_null(lm_type_fieldn(lm_catalog_type(cat, "person"), "name\0", 5));
    assert_int_equal(lm_type_group(lm_catalog_type(cat, "person"), "nothing", 7), -1);
    assert_ptr_equal(lm_list_code(&by_hand, "a"), &by_hand.codes[1]); /* without an index */
    assert_null(lm_list_code(&by_hand, "c"));
    assert_null(lm_list_code(NULL, "a"));
}

/* ---- what the rules say of records ---- */

struct verdict {
    const char *type, *rule, *field; /* the first rule of that code and field */
    const char *fields;              /* JSON */
    bool good;
};

static const struct verdict verdicts[] = {
    {"aid_case", "date_order", "village_checked_on",
     "{'applied_on':'2025-03-03','village_checked_on':'2025-03-02'}", false},
    {"aid_case", "date_order", "village_checked_on",
     "{'applied_on':'2025-03-03','village_checked_on':'2025-03-03'}", true},
    {"aid_case", "date_order", "village_checked_on", "{'village_checked_on':'2025-03-03'}", true},
    {"aid_case", "insured_above_total", "illness_insured_fen",
     "{'illness_total_fen':100,'illness_insured_fen':101}", false},
    {"aid_case", "self_paid_not_the_rest", "illness_self_paid_fen",
     "{'illness_total_fen':5000000,'illness_insured_fen':3000000,'illness_self_paid_fen':2000000}",
     true},
    {"aid_case", "self_paid_not_the_rest", "illness_self_paid_fen",
     "{'illness_total_fen':5000000,'illness_insured_fen':3000000,'illness_self_paid_fen':1}",
     false},
    {"aid_case", "illness_of_other_type", "illness_total_fen",
     "{'type':'one_off','illness_total_fen':1}", false},
    /* 2025-03-01 18:00 UTC is the 2nd in UTC+8 */
    {"service_item", "date_order", "closed_on",
     "{'notice_given_at':'2025-03-01T18:00:00Z','closed_on':'2025-03-01'}", false},
    {"service_item", "date_order", "closed_on",
     "{'notice_given_at':'2025-03-01T18:00:00Z','closed_on':'2025-03-02'}", true},
    {"residency_event", "same_village", "to_village",
     "{'from_village':'999999101201','to_village':'999999101201'}", false},
    {"residency_event", "same_village", "to_village",
     "{'from_village':'999999101201','to_village':'999999101202'}", true},
    {"person", "too_old", "birth_on", "{'birth_on':'1906-11-22'}", false},
    {"person", "too_old", "birth_on", "{'birth_on':'1906-11-23'}", true},
    {"person", "household_twice", "household_outside",
     "{'household_village':'999999101201','household_outside':'外县'}", false},
    {"petition", "outcome_of_state", "outcome", "{'state':'resolved','outcome':'closed'}", false},
    {"petition", "outcome_of_state", "outcome", "{'state':'resolved','outcome':'resolved'}", true},
    {"petition", "review_late", "review_on", "{'replied_on':'2025-03-01','review_on':'2025-03-31'}",
     true},
    {"petition", "review_late", "review_on", "{'replied_on':'2025-03-01','review_on':'2025-04-01'}",
     false},
    {"pref_card", "date_order", "valid_to", "{'issued_on':'2025-06-01','valid_to':'2025-05-31'}",
     false},
    {"pref_card", "date_order", "valid_to", "{'issued_on':'2025-06-01','valid_to':'2025-06-01'}",
     true},
    {"area_unit", "date_order", "valid_to", "{'valid_from':'2000-01-01','valid_to':'1999-12-31'}",
     false},
    {"station", "date_order", "closed_on",
     "{'established_on':'2019-05-01','closed_on':'2019-05-01'}", true},
};

static struct lm_record *record_of(struct lm_arena *arena, const struct lm_type *type,
                                   const char *fields)
{
    static struct lm_fieldset set;
    static struct lm_issues issues;
    struct lm_record *rec = lm_record_new(arena, type, "01890a5d-ac96-774b-bcce-b302099a8057");
    char text[400];
    json_t *json;

    assert_true(strlen(fields) < sizeof(text));
    for (size_t i = 0; (text[i] = fields[i] == '\'' ? '"' : fields[i]); i++) {
    }
    json = json_loads(text, 0, NULL);
    assert_non_null(json);
    memset(&set, 0, sizeof(set));
    lm_issues_init(&issues);
    assert_int_equal(lm_fields_from_json(cat, type, json, arena, &set, &issues), LM_OK);
    assert_int_equal(issues.n_refused, 0);
    assert_non_null(rec);
    for (size_t i = 0; i < set.n; i++) {
        rec->fields[set.index[i]] = set.value[i];
    }
    json_decref(json);
    return rec;
}

static void test_rules(void **state)
{
    struct lm_expr_env env = {
        .catalog = cat, .as_of = "2026-11-23", .today = "2026-11-23", .year = 2026};

    (void)state;
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        const struct verdict *v = &verdicts[i];
        const struct lm_type *type = lm_catalog_type(cat, v->type);
        const struct lm_rule *rule = NULL;
        struct lm_arena arena;
        struct lm_record *rec;
        bool when = true, need = false;

        assert_non_null(type);
        for (size_t k = 0; k < type->n_rules && !rule; k++) {
            if (strcmp(type->rules[k].code, v->rule) == 0 &&
                strcmp(type->rules[k].field, v->field) == 0) {
                rule = &type->rules[k];
            }
        }
        assert_non_null(rule);
        lm_arena_init(&arena, 1024 * 1024);
        rec = record_of(&arena, type, v->fields);
        if (rule->when) {
            assert_int_equal(lm_expr_eval(rule->when, rec, &env, &arena, &when), LM_OK);
        }
        assert_int_equal(lm_expr_eval(rule->need, rec, &env, &arena, &need), LM_OK);
        if ((!when || need) != v->good) {
            fail_msg("%s %s %s: when %d, need %d", v->type, v->rule, v->fields, when, need);
        }
        lm_arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),         cmocka_unit_test(test_labels_everywhere),
        cmocka_unit_test(test_what_is_secret), cmocka_unit_test(test_structure),
        cmocka_unit_test(test_person),         cmocka_unit_test(test_other_types),
        cmocka_unit_test(test_indicators),     cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_rules),
    };

    return cmocka_run_group_tests(tests, load_once, unload);
}
