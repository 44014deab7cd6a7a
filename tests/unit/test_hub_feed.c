/* What a village's PC is given: bodies, digests and verdicts of its own scope, in pages. */
#include "tests/unit/hub_store_world.h"

static struct lm_msg_feed page;

static void pull(struct world *w, struct pc *pc, struct lm_cursor *cursor)
{
    pc->replica.branch = pc->branch;
    OK(lm_store_feed(w->store, &pc->replica, cursor, 0, &w->arena, &page, &err_));
    *cursor = page.next;
}

static const struct lm_feed_entry *entry_of(const char *id)
{
    for (size_t i = 0; i < page.n_entries; i++) {
        if (strcmp(page.entries[i].id, id) == 0) {
            return &page.entries[i];
        }
    }
    return NULL;
}

/* By a clerk, or by the hub itself. */
static void edit(struct world *w, const char *id, bool by_system, json_t *fields)
{
    const struct lm_act act = {.user = by_system ? "" : "张主任",
                               .id = id,
                               .fields = fields,
                               .op = LM_OP_EDIT,
                               .by_system = by_system};
    static struct lm_act_result result;

    world_begin(w);
    OK(lm_store_act(w->store, &act, w->now, &result, &err_));
    world_commit(w);
    w->now += 1000;
    json_decref(fields);
}

static void test_feed_bodies_and_digests(void **state)
{
    struct world *w = *state;
    char id[40];
    struct lm_cursor a = {0, ""}, b = {0, ""};
    struct lm_record *rec = NULL, *kept;

    pull(w, &w->a, &a);
    assert_true(page.done);
    assert_int_equal(page.n_entries, 5); /* four area units and its own station row */
    for (size_t i = 1; i < page.n_entries; i++) {
        assert_true(page.entries[i].position > page.entries[i - 1].position);
    }
    pull(w, &w->b, &b);
    pc_person(w, &w->a, "王建国", 1, id);
    push_all(w, &w->a);
    pull(w, &w->a, &a);
    assert_int_equal(page.n_entries, 1);
    assert_int_equal(page.entries[0].kind, LM_ENTRY_DIGEST);
    assert_int_equal(page.acked.seq, 1);
    kept = get(w, "person", id);
    assert_true(page.entries[0].digest != lm_record_digest(kept)); /* dup_key stays at the hub */
    kept->fields[lm_type_field(kept->type, "dup_key")->index] = lm_value_null();
    assert_true(page.entries[0].digest == lm_record_digest(kept));
    pull(w, &w->b, &b);
    assert_int_equal(page.n_entries, 0);
    edit(w, id, false, json_pack("{s:s}", "phone", "13900000009"));
    pull(w, &w->a, &a);
    assert_int_equal(page.n_entries, 1);
    assert_int_equal(page.entries[0].kind, LM_ENTRY_BODY);
    OK(lm_body_read(w->catalog, page.entries[0].body, page.entries[0].body_len, &w->arena, &rec,
                    &err_));
    assert_string_equal(text(rec, "phone"), "13900000009");
    assert_string_equal(text(rec, "dup_key"), "");
    pull(w, &w->a, &a);
    assert_int_equal(page.n_entries, 0);
    assert_true(page.done);
}

static void test_feed_verdicts_and_absent(void **state)
{
    struct world *w = *state;
    char id[40], other[40];
    struct lm_cursor b = {0, ""};
    const struct lm_feed_entry *e;
    struct lm_version v = pc_person(w, &w->a, "王建国", 1, id), mine;
    json_t *fields = json_pack("{s:s}", "bank_account", "6222000011112222");

    push_all(w, &w->a);
    pull(w, &w->b, &b);
    pc_set(w, &w->b, "person", id, "phone", "13800000002", v);
    new_id(w, other);
    mine = pc_add(w, &w->b, "person", other, LM_OP_CREATE, fields,
                  (struct lm_version){0, 0}); /* a field of the town's */
    json_decref(fields);
    push_all(w, &w->b);
    pull(w, &w->b, &b);
    e = entry_of(id);
    assert_non_null(e);
    assert_int_equal(e->kind, LM_ENTRY_GONE);
    assert_int_equal(e->n_verdicts, 1);
    assert_int_equal(e->verdicts[0].verdict, LM_V_REFUSED);
    e = entry_of(other);
    assert_non_null(e);
    assert_int_equal(e->kind, LM_ENTRY_ABSENT);
    assert_int_equal(e->n_verdicts, 1);
    assert_true(e->verdicts[0].hlc == mine.hlc);
    assert_true(e->verdicts[0].zh[0] != '\0');
}

static void test_feed_gone_after_transfer(void **state)
{
    struct world *w = *state;
    char id[40];
    struct lm_cursor a = {0, ""}, b = {0, ""};

    pc_person(w, &w->a, "王建国", 1, id);
    push_all(w, &w->a);
    pull(w, &w->a, &a);
    pull(w, &w->b, &b);
    edit(w, id, true, json_pack("{s:s}", "village_code", VILLAGE_B));
    assert_string_equal(text(get(w, "person", id), "village_code"), VILLAGE_B);
    pull(w, &w->a, &a);
    assert_non_null(entry_of(id));
    assert_int_equal(entry_of(id)->kind, LM_ENTRY_GONE);
    pull(w, &w->b, &b);
    assert_non_null(entry_of(id));
    assert_int_equal(entry_of(id)->kind, LM_ENTRY_BODY);
    assert_int_equal(verify(w), 0);
}

static void test_bodies_only_of_own_scope(void **state)
{
    struct world *w = *state;
    char ids[2][40];
    struct lm_msg_want want = {.ids = ids, .n_ids = 2};

    pc_person(w, &w->a, "王建国", 1, ids[0]);
    pc_person(w, &w->b, "赵秀英", 2, ids[1]);
    push_all(w, &w->a);
    push_all(w, &w->b);
    OK(lm_store_bodies(w->store, &w->a.replica, &want, &w->arena, &page, &err_));
    assert_int_equal(page.n_entries, 2);
    assert_int_equal(entry_of(ids[0])->kind, LM_ENTRY_BODY);
    assert_int_equal(entry_of(ids[1])->kind, LM_ENTRY_GONE);
}

static void test_feed_pages(void **state)
{
    struct world *w = *state;
    char id[40];
    struct lm_cursor a = {0, ""};
    size_t n = 0, pages = 0;

    for (int i = 0; i < 40; i++) {
        pc_person(w, &w->a, "王建国", 100 + i, id);
    }
    push_all(w, &w->a);
    w->b.replica.branch = 0;
    do {
        (void)snprintf(w->b.replica.station, sizeof w->b.replica.station,
                       VILLAGE_A); /* another PC of the village */
        OK(lm_store_feed(w->store, &w->b.replica, &a, 2000, &w->arena, &page, &err_));
        assert_true(page.n_entries > 0);
        a = page.next;
        n += page.n_entries;
        pages++;
    } while (!page.done && pages < 100);
    assert_int_equal(n, 45);
    assert_true(pages > 5);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_feed_bodies_and_digests),
        T(test_feed_verdicts_and_absent),
        T(test_feed_gone_after_transfer),
        T(test_bodies_only_of_own_scope),
        T(test_feed_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
