/* The catalogue: the embedded one loads and says what the domain files say; each way of damaging it
 * is caught with a message that names file and place. */
#include "proto/catalog.h"

#include "proto/expr.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FILES_MAX 128

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
    assert_int_equal(cat->number, 1);
    assert_int_equal(cat->n_types, 39);
    assert_int_equal(cat->n_indicators, 71);
    assert_int_equal(cat->n_lists, 65);
    for (size_t i = 0; i < cat->n_types; i++) {
        const struct lm_type *type = &cat->types[i];

        assert_int_equal(type->index, i);
        for (size_t k = 0; k < type->n_transitions; k++) {
            lines += (size_t)__builtin_popcount(type->transitions[k].by);
        }
    }
    assert_int_equal(lines, 575); /* one per from, to and author */
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

/* ---- editing a copy of the files ---- */

struct copy {
    struct lm_catalog_file files[FILES_MAX];
    char *owned[FILES_MAX];
    size_t n;
};

static void copy_init(struct copy *c)
{
    const struct lm_catalog_file *files = lm_catalog_embedded(&c->n);

    memset(c->owned, 0, sizeof(c->owned));
    assert_true(c->n < FILES_MAX - 1);
    memcpy(c->files, files, c->n * sizeof(*files));
}

static void copy_free(struct copy *c)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        free(c->owned[i]);
    }
}

static size_t copy_find(const struct copy *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->files[i].name, name) == 0) {
            return i;
        }
    }
    fail_msg("no file %s", name);
    return 0;
}

static void copy_put(struct copy *c, size_t i, const char *name, char *text)
{
    c->owned[i] = text;
    c->files[i] = (struct lm_catalog_file){name, text, strlen(text)};
}

/* One step of a path: a key, a number, or "key=value[,key=value]" that picks the first such element
 * of an array. */
static bool element_fits(const json_t *item, const char *step)
{
    char buf[128];
    char *save = NULL;

    assert_true(strlen(step) < sizeof(buf));
    strcpy(buf, step);
    for (char *part = strtok_r(buf, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(part, '=');
        const char *have;

        assert_non_null(equals);
        *equals = 0;
        have = json_string_value(json_object_get(item, part));
        if (!have || strcmp(have, equals + 1) != 0) {
            return false;
        }
    }
    return true;
}

static size_t element_index(const json_t *array, const char *step)
{
    size_t i = 0;

    if (!strchr(step, '=')) {
        return (size_t)atoi(step);
    }
    while (i < json_array_size(array) && !element_fits(json_array_get(array, i), step)) {
        i++;
    }
    if (i == json_array_size(array)) {
        fail_msg("no element %s", step);
    }
    return i;
}

enum op { SET, DELETE, APPEND, RAW, DROP_FILE, ADD_FILE };

static void edit_json(json_t *root, const char *path, enum op op, const char *value)
{
    json_t *at = root;
    json_t *made = value ? json_loads(value, JSON_DECODE_ANY, NULL) : NULL;
    char buf[256];
    char *save = NULL;
    char *step, *next;

    assert_true(!value || made);
    assert_true(strlen(path) < sizeof(buf));
    strcpy(buf, path);
    step = strtok_r(buf, "/", &save);
    while (step && (next = strtok_r(NULL, "/", &save))) {
        at = json_is_array(at) ? json_array_get(at, element_index(at, step))
                               : json_object_get(at, step);
        assert_non_null(at);
        step = next;
    }
    if (op == APPEND) {
        at = json_is_array(at) ? json_array_get(at, element_index(at, step))
                               : json_object_get(at, step);
        assert_int_equal(json_array_append_new(at, made), 0);
    } else if (json_is_array(at)) {
        size_t i = element_index(at, step);

        assert_int_equal(op == DELETE ? json_array_remove(at, i) : json_array_set_new(at, i, made),
                         0);
    } else {
        assert_int_equal(
            op == DELETE ? json_object_del(at, step) : json_object_set_new(at, step, made), 0);
    }
}

static void copy_edit(struct copy *c, const char *file, const char *path, enum op op,
                      const char *value)
{
    size_t i;
    json_t *root;
    json_error_t error;

    if (op == ADD_FILE) {
        copy_put(c, c->n++, file, strdup(value));
        return;
    }
    i = copy_find(c, file);
    if (op == DROP_FILE) {
        c->files[i] = c->files[--c->n];
        return;
    }
    if (op == RAW) {
        copy_put(c, i, file, strdup(value));
        return;
    }
    root = json_loadb(c->files[i].data, c->files[i].size, 0, &error);
    assert_non_null(root);
    edit_json(root, path, op, value);
    copy_put(c, i, file, json_dumps(root, 0));
    json_decref(root);
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
    {PERSON, "/fields/name=name/sensitivity", SET, "3", NULL, "person.name", "sensitivity"},
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
    char *first = copy.owned[copy_find(&copy, IND)];
    copy_edit(&copy, IND, "/indicators/id=I04/args/0", SET, "\"I03\"");
    free(first);
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
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_labels_everywhere),
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_person),
        cmocka_unit_test(test_other_types),
        cmocka_unit_test(test_indicators),
        cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_damages),
        cmocka_unit_test(test_long_circle),
        cmocka_unit_test(test_new_field),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_no_error_wanted),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, load_once, unload);
}
