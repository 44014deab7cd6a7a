/* What the town does by itself: it enters, edits and deletes, and decides about conflicts and about
 * two files of one person. */
#include "tests/unit/hub_store_world.h"

static struct lm_act_result act_result;

static enum lm_status act(struct world *w, const char *type, const char *id, const char *key,
                          enum lm_op op, json_t *fields)
{
    struct lm_act a = {
        .user = "张主任", .type = type, .id = id, .key = key, .fields = fields, .op = op};
    enum lm_status status;

    world_begin(w);
    status = lm_store_act(w->store, &a, w->now, &act_result, &err_);
    world_commit(w);
    w->now += 1000;
    json_decref(fields);
    return status;
}

static void test_conflict_and_resolve(void **state)
{
    struct world *w = *state;
    char id[40];
    struct rows rows = {json_array()};
    const json_t *row, *siblings;
    struct lm_version v = pc_person(w, &w->a, "王建国", 1, id);

    push_all(w, &w->a);
    pc_set(w, &w->a, "person", id, "phone", "13800000001", v); /* offline … */
    OK(act(w, NULL, id, NULL, LM_OP_EDIT, json_pack("{s:s}", "phone", "13900000009")));
    push_all(w, &w->a);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_CONCURRENT);
    assert_int_equal(totals(w).conflicts, 1);
    OK(lm_store_conflicts(w->store, collect, &rows, &err_));
    assert_int_equal(json_array_size(rows.all), 1);
    row = json_array_get(rows.all, 0);
    siblings = json_object_get(row, "siblings");
    assert_int_equal(json_array_size(siblings), 2);
    int keep = 0;
    for (size_t i = 0; i < 2; i++) {
        const json_t *s = json_array_get(siblings, i);
        if (!json_is_true(json_object_get(s, "stands"))) {
            keep = (int)json_integer_value(json_object_get(s, "n"));
        }
    }
    assert_true(keep > 0);
    char before[32], conflict[80];
    (void)snprintf(before, sizeof before, "%s", text(get(w, "person", id), "phone"));
    (void)snprintf(conflict, sizeof conflict, "%s", json_string_value(json_object_get(row, "id")));
    json_decref(rows.all);
    world_begin(w);
    assert_int_equal(lm_store_resolve(w->store, "张主任", conflict, 9, w->now, &act_result, &err_),
                     LM_ERR_NOT_FOUND);
    OK(lm_store_resolve(w->store, "张主任", conflict, keep, w->now, &act_result, &err_));
    world_commit(w);
    assert_string_not_equal(text(get(w, "person", id), "phone"), before);
    assert_int_equal(totals(w).conflicts, 0);
    assert_int_equal(verify(w), 0);
}

static void test_act_creates_edits_repeats(void **state)
{
    struct world *w = *state;
    char id[40];
    uint64_t entries;
    json_t *fields = person_json("周卫东", 31, VILLAGE_A);

    OK(act(w, "person", NULL, "row-1", LM_OP_CREATE, json_incref(fields)));
    (void)snprintf(id, sizeof id, "%s", act_result.id);
    assert_false(act_result.repeated);
    assert_string_equal(text(get(w, "person", id), "village_code"), TOWN);
    entries = totals(w).journal_entries;
    OK(act(w, NULL, id, NULL, LM_OP_EDIT, json_pack("{s:s}", "phone", "13900000009")));
    OK(act(w, "person", NULL, "row-1", LM_OP_CREATE,
           json_incref(fields))); /* again, after an edit */
    assert_true(act_result.repeated);
    assert_string_equal(act_result.id, id);
    assert_int_equal(totals(w).journal_entries, entries + 1);
    assert_string_equal(text(get(w, "person", id), "phone"), "13900000009");
    OK(act(w, NULL, id, NULL, LM_OP_EDIT,
           json_pack("{s:s}", "phone", "13900000009"))); /* nothing differs */
    assert_int_equal(totals(w).journal_entries, entries + 1);
    json_object_set_new(fields, "name", json_string("周卫红"));
    assert_int_equal(act(w, "person", NULL, "row-1", LM_OP_CREATE, json_incref(fields)),
                     LM_ERR_EXISTS);
    assert_string_equal(err_.code, "key_reused");
    assert_int_equal(act(w, "person", NULL, "row-2", LM_OP_CREATE, json_incref(fields)),
                     LM_ERR_INVALID); /* same ID number */
    assert_string_equal(err_.code, "not_unique");
    assert_int_equal(totals(w).journal_entries, entries + 1);
    json_decref(fields);
    assert_int_equal(act(w, "person", NULL, NULL, LM_OP_CREATE, json_pack("{s:s}", "name", "李四")),
                     LM_ERR_INVALID);
    assert_int_equal(act_result.issues.n_refused > 0, 1);
    assert_int_equal(totals(w).journal_entries, entries + 1);
    OK(act(w, NULL, id, NULL, LM_OP_DELETE, json_pack("{s:s}", "delete_reason", "重复登记")));
    assert_true(lm_record_deleted(get(w, "person", id)));
    OK(act(w, NULL, id, NULL, LM_OP_UNDELETE, json_object()));
    assert_false(lm_record_deleted(get(w, "person", id)));
    assert_int_equal(verify(w), 0);
}

static void test_act_with_missing_reference(void **state)
{
    struct world *w = *state;
    char nobody[40];
    uint64_t entries = totals(w).journal_entries;
    json_t *fields;

    new_id(w, nobody);
    fields = visit_json(nobody);
    json_object_del(fields, "category_at_visit");
    assert_int_equal(act(w, "visit", NULL, NULL, LM_OP_CREATE, fields), LM_ERR_INVALID);
    assert_string_equal(err_.code, "no_such_record");
    assert_string_equal(err_.field, "persons");
    assert_int_equal(totals(w).held, 0);
    assert_int_equal(totals(w).journal_entries, entries);
}

static void test_duplicate_persons_and_history(void **state)
{
    struct world *w = *state;
    char id[40], id2[40];
    struct rows rows = {json_array()};

    pc_person(w, &w->a, "王建国", 1, id);
    pc_person(w, &w->b, "王建国", 1, id2);
    push_all(w, &w->a);
    push_all(w, &w->b);
    assert_int_equal(totals(w).duplicates, 1);
    assert_non_null(get(w, "person", id2));
    OK(lm_store_history(w->store, id, collect, &rows, &err_));
    assert_int_equal(json_array_size(rows.all), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows.all, 0), "verdict")),
                        "applied");
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows.all, 0), "user")),
                        "李明");
    assert_int_equal(
        lm_store_history(w->store, "01900000-0000-7000-8000-000000000000", collect, &rows, &err_),
        LM_ERR_NOT_FOUND);
    json_decref(rows.all);
    assert_int_equal(verify(w), 0);
}

static enum lm_status decide_merge(struct world *w, const char *id, const char *into)
{
    enum lm_status status;

    world_begin(w);
    status = into ? lm_store_merge(w->store, "张主任", id, into, w->now, &act_result, &err_)
                  : lm_store_unmerge(w->store, "张主任", id, w->now, &act_result, &err_);
    if (status == LM_OK) {
        world_commit(w);
    } else {
        lm_store_rollback(w->store);
    }
    w->now += 1000;
    return status;
}

/* P6: a merge is a redirect, in a chain without a circle; a late edit of the merged file is kept
 * and does not undo it; an undone merge is an open pair again. */
static void test_merge_and_undo(void **state)
{
    struct world *w = *state;
    char a[40], b[40], c[40];
    struct lm_version va = pc_person(w, &w->a, "王建国", 1, a);

    pc_person(w, &w->b, "王建国", 1, b);
    pc_person(w, &w->b, "王建国", 1, c);
    push_all(w, &w->a);
    push_all(w, &w->b);
    assert_int_equal(totals(w).duplicates, 3);
    assert_int_equal(decide_merge(w, a, a), LM_ERR_INVALID);
    OK(decide_merge(w, a, b));
    assert_int_equal(totals(w).duplicates, 1); /* b and c */
    assert_int_equal(decide_merge(w, b, a), LM_ERR_INVALID);
    assert_int_equal(decide_merge(w, a, c), LM_ERR_INVALID);
    pc_set(w, &w->a, "person", a, "phone", "13800000001", va); /* offline, before it knew */
    push_all(w, &w->a);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_CONCURRENT);
    assert_string_equal(text(get(w, "person", a), "phone"), "13800000001");
    assert_string_equal(text(get(w, "person", a), "state"), "merged");
    assert_string_equal(text(get(w, "person", a), "merged_into"), b);
    OK(decide_merge(w, b, c));
    assert_int_equal(totals(w).duplicates, 0);
    OK(decide_merge(w, a, NULL));
    assert_string_equal(text(get(w, "person", a), "state"), "submitted");
    assert_string_equal(text(get(w, "person", a), "merged_into"), "");
    assert_int_equal(totals(w).duplicates, 1); /* a and c */
    assert_int_equal(decide_merge(w, a, NULL), LM_ERR_INVALID);
    assert_int_equal(verify(w), 0);
}

/* P6: a pair ends with its common key and is back with it; what a person dismissed stays so, in a
 * replay of the journal as well. */
static void test_pairs_come_and_go(void **state)
{
    struct world *w = *state;
    char a[40], b[40], number[19], other[19];
    struct rows rows = {json_array()};
    struct lm_version va = pc_person(w, &w->a, "王建国", 1, a);

    idno(1, number);
    idno(3, other);
    pc_person(w, &w->b, "王建国", 1, b);
    push_all(w, &w->a);
    push_all(w, &w->b);
    va = pc_set(w, &w->a, "person", a, "id_no", other, va);
    push_all(w, &w->a);
    assert_int_equal(totals(w).duplicates, 0);
    (void)pc_set(w, &w->a, "person", a, "id_no", number, va);
    push_all(w, &w->a);
    assert_int_equal(totals(w).duplicates, 1);
    OK(lm_store_duplicates(w->store, collect, &rows, &err_));
    assert_int_equal(json_array_size(rows.all), 1);
    json_decref(rows.all);
    world_begin(w);
    OK(lm_store_dismiss(w->store, "张主任", b, a, w->now, &err_));
    world_commit(w);
    assert_int_equal(totals(w).duplicates, 0);
    OK(act(w, NULL, b, NULL, LM_OP_DELETE, json_pack("{s:s}", "delete_reason", "误录")));
    OK(act(w, NULL, b, NULL, LM_OP_UNDELETE, NULL));
    assert_int_equal(totals(w).duplicates, 0);
    assert_int_equal(verify(w), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_conflict_and_resolve),
        T(test_act_creates_edits_repeats),
        T(test_act_with_missing_reference),
        T(test_duplicate_persons_and_history),
        T(test_merge_and_undo),
        T(test_pairs_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
