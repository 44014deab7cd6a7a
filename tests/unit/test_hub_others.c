/* Failure modes that other systems met, a test each, named after the report (P3, P4). In all of
 * them something that was acknowledged was not there, or not for anybody to see. ODK central #832
 * is in test_hub_hostile.c. */
#include "tests/unit/hub_store_world.h"

static const struct lm_version nothing = {0, 0};

static struct lm_version pc_create(struct world *w, struct pc *pc, const char *type, const char *id,
                                   json_t *fields)
{
    struct lm_version version = pc_add(w, pc, type, id, LM_OP_CREATE, fields, nothing);

    json_decref(fields);
    return version;
}

/* The entry of a record in the feed of a PC that begins anew; lives in w->arena. */
static const struct lm_feed_entry *fed(struct world *w, struct pc *pc, const char *id)
{
    struct lm_msg_feed *page = lm_arena_alloc(&w->arena, sizeof *page);
    struct lm_cursor cursor = {0, ""};

    assert_non_null(page);
    pc->replica.branch = pc->branch;
    do {
        OK(lm_store_feed(w->store, &pc->replica, &cursor, 0, &w->arena, page, &err_));
        for (size_t i = 0; i < page->n_entries; i++) {
            if (strcmp(page->entries[i].id, id) == 0) {
                return &page->entries[i];
            }
        }
        cursor = page->next;
    } while (!page->done);
    return NULL;
}

/* The verdict that the feed tells of a change; 0 when it tells none. */
static int told(struct world *w, struct pc *pc, const char *id, struct lm_version change)
{
    const struct lm_feed_entry *e = fed(w, pc, id);

    for (size_t i = 0; e && i < e->n_verdicts; i++) {
        if (e->verdicts[i].hlc == change.hlc) {
            assert_true(e->verdicts[i].zh[0] != '\0');
            return e->verdicts[i].verdict;
        }
    }
    return 0;
}

static json_t *history(struct world *w, const char *id)
{
    struct rows rows = {json_array()};

    OK(lm_store_history(w->store, id, collect, &rows, &err_));
    return rows.all;
}

/* ODK central #669: a child that comes before its parent is dropped, or stops what is behind it.
 * The second PC of a village knows a person by a stick; the file itself reaches the hub last. */
static void odk_669_child_before_parent(void **state)
{
    struct world *w = *state;
    struct pc second = {0};
    char person[40], visit[40], other[40];
    struct rows rows = {json_array()};
    struct lm_version made;

    enrol_pc(w, &second, VILLAGE_A, 9);
    new_id(w, person);
    new_id(w, visit);
    made = pc_create(w, &second, "visit", visit, visit_json(person));
    (void)pc_set(w, &second, "visit", visit, "findings", "身体尚好", made);
    (void)pc_person(w, &second, "赵秀英", 2, other); /* behind it, and not concerned */
    push_all(w, &second);
    assert_int_equal(w->pushed.acked.seq, 3);
    assert_non_null(get(w, "person", other));
    assert_null(get(w, "visit", visit));
    assert_int_equal(totals(w).held, 2);
    assert_int_equal(told(w, &second, visit, made), LM_V_HELD); /* its author knows why */
    OK(lm_store_held(w->store, collect, &rows, &err_));         /* and the town what it waits for */
    assert_non_null(strstr(
        json_string_value(json_object_get(json_array_get(rows.all, 0), "waits_for")), person));
    json_decref(rows.all);
    assert_int_equal(verify(w), 0);

    (void)pc_create(w, &w->a, "person", person, person_json("王建国", 1, VILLAGE_A));
    push_all(w, &w->a);
    assert_int_equal(totals(w).held, 0);
    assert_string_equal(text(get(w, "visit", visit), "findings"), "身体尚好");
    assert_int_equal(told(w, &second, visit, made), 0);
    assert_int_equal(fed(w, &w->a, visit)->kind, LM_ENTRY_BODY);
    assert_int_equal(verify(w), 0);
    for (uint64_t i = 0; i < second.n; i++) {
        lm_buf_free(&second.outbox[i]);
    }
}

/* couchdb #4676: a replicator passes over what it can't write, and says it has all. Each acked
 * change has a verdict on record, and each that had no effect is listed and told to its author. */
static void couchdb_4676_nothing_is_skipped_in_silence(void **state)
{
    struct world *w = *state;
    char good[40], theirs[40], orphan[40], nobody[40], strange[40], wrong[40];
    struct lm_version v, stranger, waiting, unknown, refused;
    struct rows held = {json_array()}, returned = {json_array()};
    struct lm_buf *raw;
    uint64_t entries = totals(w).journal_entries;

    v = pc_person(w, &w->b, "孙玉兰", 3, theirs);
    push_all(w, &w->b);
    (void)pc_person(w, &w->a, "王建国", 1, good);                             /* 1 */
    stranger = pc_set(w, &w->a, "person", theirs, "phone", "13800000002", v); /* 2 another's */
    new_id(w, orphan);
    new_id(w, nobody);
    waiting = pc_create(w, &w->a, "visit", orphan, visit_json(nobody)); /* 3 held */
    new_id(w, strange);
    unknown = pc_create(w, &w->a, "no_such_type", strange, json_pack("{s:s}", "a", "b")); /* 4 */
    raw = &w->a.outbox[w->a.n++]; /* 5 no change at all */
    lm_buf_init(raw, 100);
    lm_buf_text(raw, "not a change");
    new_id(w, wrong);
    refused = pc_create(w, &w->a, "person", wrong, json_pack("{s:s}", "merged_into", good)); /* 6 */
    push_all(w, &w->a);
    assert_int_equal(w->pushed.acked.seq, 6);
    assert_int_equal(w->pushed.n_new, 6);
    assert_int_equal(totals(w).journal_entries, entries + 1 + 6);
    assert_int_equal(w->pushed.n_verdicts, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(w->pushed.verdicts[i].seq, i + 2);
        assert_true(w->pushed.verdicts[i].code[0] != '\0');
    }
    OK(lm_store_held(w->store, collect, &held, &err_));
    OK(lm_store_returned(w->store, VILLAGE_A, collect, &returned, &err_));
    assert_int_equal(json_array_size(held.all) + json_array_size(returned.all), 5);
    json_decref(held.all);
    json_decref(returned.all);
    assert_int_equal(told(w, &w->a, theirs, stranger), LM_V_REFUSED);
    assert_int_equal(told(w, &w->a, orphan, waiting), LM_V_HELD);
    assert_int_equal(told(w, &w->a, strange, unknown),
                     w->pushed.verdicts[2].verdict); /* refused, or held for a catalogue */
    assert_int_equal(told(w, &w->a, wrong, refused), LM_V_REFUSED);
    assert_int_equal(told(w, &w->a, good, v), 0);
    assert_int_equal(verify(w), 0);
}

/* corrosion #577: a change is dropped when its transaction fails, but its version is remembered as
 * seen, and so it is never asked for again. What a rollback took away is as if it had never come:
 * positions, identities, what waits and what was waited for. */
static void corrosion_577_dropped_is_not_seen(void **state)
{
    struct world *w = *state;
    char person[40], visit[40];
    struct lm_replica r;
    json_t *rows;

    new_id(w, person);
    new_id(w, visit);
    (void)pc_create(w, &w->a, "visit", visit, visit_json(person));
    push_all(w, &w->a);
    assert_int_equal(totals(w).held, 1);
    (void)pc_create(w, &w->a, "person", person, person_json("王建国", 1, VILLAGE_A));
    for (int i = 0; i < 3; i++) { /* the disk is full, three times */
        world_begin(w);
        OK(push_raw(w, &w->a, 2, 2));
        assert_int_equal(w->pushed.n_new, 1);
        lm_store_rollback(w->store);
        OK(lm_store_replica_get(w->store, w->a.replica.number, &r));
        assert_int_equal(r.acked.seq, 1);
        assert_null(get(w, "person", person));
        assert_null(get(w, "visit", visit));
        assert_int_equal(totals(w).held, 1);
    }
    push(w, &w->a, 2, 2);
    assert_int_equal(w->pushed.n_new, 1);
    assert_int_equal(w->pushed.n_verdicts, 0); /* no duplicate of what was dropped */
    assert_int_equal(w->pushed.acked.seq, 2);
    assert_non_null(get(w, "person", person));
    assert_non_null(get(w, "visit", visit));
    assert_int_equal(totals(w).held, 0);
    push(w, &w->a, 1, 2); /* and what was taken is seen */
    assert_int_equal(w->pushed.n_new, 0);
    rows = history(w, visit); /* it came once, and was judged again once */
    assert_int_equal(json_array_size(rows), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = json_array_get(rows, i);

        assert_string_equal(json_string_value(json_object_get(row, "verdict")),
                            i == 0 ? "held" : "applied");
    }
    json_decref(rows);
    assert_int_equal(verify(w), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

/* Silent divergence (cr-sqlite #413): a PC that was set back repeats its creation, which is known,
 * and lacks the edit that it made afterwards. The page that comes while the repetition is not acked
 * cannot be compared; so the record is told of once more. */
static void set_back_pc_hears_again_of_what_it_repeats(void **state)
{
    struct world *w = *state;
    struct lm_msg_feed *page = lm_arena_alloc(&w->arena, sizeof *page);
    struct lm_cursor cursor = {0, ""};
    char person[40];
    struct lm_version made = pc_person(w, &w->a, "王建国", 1, person);

    (void)pc_set(w, &w->a, "person", person, "phone", "13800000001", made);
    push_all(w, &w->a);
    w->a.replica.branch = w->a.branch = 2;
    do {
        OK(lm_store_feed(w->store, &w->a.replica, &cursor, 0, &w->arena, page, &err_));
        cursor = page->next;
    } while (!page->done);
    lm_buf_free(&w->a.outbox[1]);
    w->a.n = 1;
    push_all(w, &w->a);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_DUPLICATE);
    OK(lm_store_feed(w->store, &w->a.replica, &cursor, 0, &w->arena, page, &err_));
    assert_int_equal(page->n_entries, 1);
    assert_string_equal(page->entries[0].id, person);
    assert_int_equal(page->entries[0].kind, LM_ENTRY_DIGEST);
    assert_int_equal(page->acked.seq, 1);
    assert_int_equal(verify(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(odk_669_child_before_parent),
        T(couchdb_4676_nothing_is_skipped_in_silence),
        T(corrosion_577_dropped_is_not_seen),
        T(set_back_pc_hears_again_of_what_it_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
