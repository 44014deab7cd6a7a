/* What is found not to be right: households without a plaque, one row each, as the indicators count
 * them; and that what was found is kept only while nothing it was read from changes. */
#include "hub/quality.h"
#include "tests/unit/hub_counts_world.h"

#define V1 PREFIX "201"
#define V2 PREFIX "202"

struct looked {
    const char *check, *type, *field;
    json_int_t n;
};

static bool look(void *arg, const json_t *row)
{
    struct looked *a = arg;

    if (strcmp(json_string_value(json_object_get(row, "check")), a->check) == 0 &&
        strcmp(json_string_value(json_object_get(row, "type")), a->type) == 0 &&
        strcmp(json_string_value(json_object_get(row, "field")), a->field) == 0) {
        a->n = json_integer_value(json_object_get(row, "n"));
    }
    return true;
}

/* How many that check finds; 0: it is not among those that find something. */
static json_int_t found(struct lm_store *store, const char *check, const char *type,
                        const char *field)
{
    struct looked a = {.check = check, .type = type, .field = field};

    OK(lm_store_quality(store, NOW_MS, look, &a, &err_));
    return a.n;
}

static bool take_id(void *arg, const struct lm_record *rec)
{
    char *out = arg;

    (void)snprintf(out + strlen(out), 200 - strlen(out), "%s ", rec->id);
    return true;
}

/* The rows behind the number are as many, and these. */
static void rows_are(struct world *w, const char *expected)
{
    char ids[200] = "";
    struct lm_arena arena;
    size_t total = 0;

    lm_arena_init(&arena, 1024 * 1024);
    OK(lm_store_quality_rows(w->store, &arena, "no_plaque", "person", "", NOW_MS, 0, 10, take_id,
                             ids, &total, &err_));
    assert_string_equal(ids, expected);
    assert_int_equal(total, found(w->store, "no_plaque", "person", ""));
    lm_arena_free(&arena);
}

static void one_id(char out[200], const char *a, const char *b)
{
    (void)snprintf(out, 200, "%s ", !b || strcmp(a, b) < 0 ? a : b);
}

static void test_a_plaque_is_a_households(void **state)
{
    struct world *w = *state;
    const char *him, *her;
    char expected[200];

    /* two of one household are one household; its first-entered person stands for it */
    him = row(w, "person", V1, "id=him;state=active;dup_key=1;household_no=H1");
    her = row(w, "person", V1, "id=her;state=transferring;dup_key=2;household_no=H1");
    (void)row(w, "person_identity", V1, "person_id=him;code=02");
    (void)row(w, "person_identity", V1, "person_id=her;code=11");
    /* not entitled: of no such kind, or no longer in the town's care */
    (void)row(w, "person", V1, "id=other;state=active;dup_key=3;household_no=H2");
    (void)row(w, "person_identity", V1, "person_id=other;code=04");
    (void)row(w, "person", V1, "id=none;state=active;dup_key=4;household_no=H3");
    (void)row(w, "person", V1, "id=gone;state=moved_out;dup_key=5;household_no=H4");
    (void)row(w, "person_identity", V1, "person_id=gone;code=02");
    one_id(expected, him, her);
    rows_are(w, expected);

    /* the same number in another village is another household */
    (void)row(w, "plaque", V2, "household_no=H1;hung_on=2025-01-20;signed_by=甲");
    rows_are(w, expected);
    (void)row(w, "plaque", V1,
              "household_no=H1;hung_on=2025-01-20;signed_by=甲;change_kind=cancel");
    rows_are(w, expected); /* taken down */
    (void)row(w, "plaque", V1, "household_no=H1;hung_on=2025-02-20;signed_by=甲");
    rows_are(w, "");
}

static void test_what_was_found_is_kept(void **state)
{
    struct world *w = *state;
    struct lm_store *keeps = NULL;
    uint64_t before;

    world_begin(w);
    (void)row(w, "person", V1,
              "id=a;state=active;dup_key=a;household_no=K1;name=同名;birth_on=1950-01-01");
    (void)row(w, "person_identity", V1, "person_id=a;code=02");
    world_commit(w);
    OK(lm_store_open(&w->dir, w->catalog, LM_STORE_READ, &keeps, &err_));
    OK(lm_store_keep_figures(keeps, &err_));
    assert_int_equal(found(keeps, "no_plaque", "person", ""), 1);
    assert_int_equal(found(keeps, "near_duplicate", "person", ""), 0);
    before = lm_store_figures_kept(keeps);
    assert_int_equal(found(keeps, "no_plaque", "person", ""), 1);
    assert_true(lm_store_figures_kept(keeps) > before + 10); /* every type's: nothing was read */

    /* each table that a check reads, also another's */
    world_begin(w);
    (void)row(w, "plaque", V1, "household_no=K1;hung_on=2025-01-20;signed_by=甲");
    world_commit(w);
    assert_int_equal(found(keeps, "no_plaque", "person", ""), 0);
    world_begin(w);
    (void)row(w, "person", V2,
              "id=b;state=active;dup_key=b;household_no=K2;name=同名;birth_on=1950-01-01");
    world_commit(w);
    assert_int_equal(found(keeps, "near_duplicate", "person", ""), 2);
    assert_int_equal(found(keeps, "dangling", "visit", "persons"), 0);
    world_begin(w);
    (void)row(w, "visit", V1, "visit_on=2025-01-25;occasion=spring;persons=nobody");
    world_commit(w);
    assert_int_equal(found(keeps, "dangling", "visit", "persons"), 1);
    world_begin(w);
    (void)row(w, "person", V1, "id=nobody;state=active;dup_key=n;household_no=K3");
    world_commit(w);
    assert_int_equal(found(keeps, "dangling", "visit", "persons"), 0);

    /* as if asked for the first time */
    assert_int_equal(found(keeps, "missing", "person", "phone"),
                     found(w->store, "missing", "person", "phone"));
    lm_store_close(&keeps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_plaque_is_a_households, counts_begin,
                                        counts_rollback),
        cmocka_unit_test(test_what_was_found_is_kept),
    };

    return cmocka_run_group_tests(tests, counts_setup, world_teardown);
}
