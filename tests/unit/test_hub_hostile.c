/* What one station with a bad program, or bad intentions, sends must not stop the hub, the town's
 * work or any other installation (P4, P11, P12). */
#include "tests/unit/hub_store_world.h"

/* Field names that no catalogue has, said to be of a newer one. */
static void pc_unknown(struct world *w, struct pc *pc, const char *id, int round,
                       struct lm_version base)
{
    struct lm_change change = {.type = "person",
                               .op = LM_OP_EDIT,
                               .user = "李明",
                               .catalog = w->catalog->number + 1,
                               .offset_known = true,
                               .base_all = base};
    struct lm_buf *buf = &pc->outbox[pc->n];
    json_t *fields = json_object();
    char name[40], value[3601];

    memset(value, 'x', 3600);
    value[3600] = '\0';
    for (int i = 0; i < 17; i++) {
        (void)snprintf(name, sizeof name, "later_%d_%d", round, i);
        json_object_set_new(fields, name, json_string(value));
    }
    (void)snprintf(change.id, sizeof change.id, "%s", id);
    OK(lm_value_from_json(&w->arena, fields, &change.fields));
    json_decref(fields);
    change.hlc = lm_hlc_next(pc->hlc, base.hlc, w->now);
    pc->hlc = change.hlc;
    lm_buf_init(buf, LM_CHANGE_BYTES_MAX);
    lm_change_pack(buf, &change);
    assert_int_equal(buf->status, LM_OK);
    pc->n++;
}

static void test_record_stays_sendable(void **state)
{
    struct world *w = *state;
    struct lm_arena arena;
    struct lm_cursor cursor = {0};
    struct lm_msg_feed page;
    struct lm_replica other;
    struct lm_version v;
    struct lm_buf frame;
    char id[40];
    bool found = false;
    struct pc second = {0};

    v = pc_person(w, &w->a, "王建国", 1, id);
    for (int i = 0; i < 24; i++) {
        pc_unknown(w, &w->a, id, i, v);
    }
    for (uint64_t seq = 1; seq <= w->a.n; seq++) {
        push(w, &w->a, seq, seq);
        assert_int_equal(w->pushed.outcome, LM_TAKE_TAKEN);
    }
    enrol_pc(w, &second, VILLAGE_A, 9);
    other = second.replica;
    lm_arena_init(&arena, 64 * 1024 * 1024);
    lm_buf_init(&frame, LM_FRAME_BYTES_MAX);
    for (int i = 0; i < 20 && !found; i++) {
        lm_arena_reset(&arena);
        OK(lm_store_feed(w->store, &other, &cursor, LM_FEED_BYTES_MAX, &arena, &page, &err_));
        page.session = 1;
        page.branch = 1;
        lm_buf_reset(&frame);
        lm_feed_pack(&frame, &page);
        assert_int_equal(frame.status, LM_OK);
        for (size_t k = 0; k < page.n_entries; k++) {
            found = found || strcmp(page.entries[k].id, id) == 0;
        }
        if (page.done) {
            break;
        }
        cursor = page.next;
    }
    assert_true(found);
    lm_buf_free(&frame);
    lm_arena_free(&arena);
    assert_int_equal(verify(w), 0);
}

/* A clock at the end of time would leave no later one to anybody who builds on it. */
static void test_end_of_time(void **state)
{
    struct world *w = *state;
    struct lm_act act = {.user = "admin", .op = LM_OP_EDIT};
    struct lm_act_result done;
    char id[40], later[40];

    w->a.hlc = (uint64_t)INT64_MAX - 2;
    (void)pc_person(w, &w->a, "王建国", 1, id);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_REFUSED);
    assert_string_equal(w->pushed.verdicts[0].code, "clock");
    assert_null(get(w, "person", id));
    w->a.branch = 2; /* nor may anything follow it */
    lm_buf_free(&w->a.outbox[0]);
    w->a.n = 0;
    (void)pc_person(w, &w->a, "王建国", 1, id);
    push_all(w, &w->a);
    assert_string_equal(w->pushed.verdicts[0].code, "clock");
    w->a.hlc = LM_HLC_FAR - 1; /* the highest that is let through */
    (void)pc_person(w, &w->a, "王建国", 1, id);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_verdicts, 0);
    act.id = id;
    for (int i = 0; i < 3; i++) { /* the town works on it */
        json_t *fields = json_pack("{s:o}", "phone", json_sprintf("1380000000%d", i));

        act.fields = fields;
        world_begin(w);
        OK(lm_store_act(w->store, &act, w->now, &done, &err_));
        world_commit(w);
        json_decref(fields);
        w->now += 1000;
    }
    /* and on others' */
    (void)pc_person(w, &w->b, "赵秀英", 2, later);
    push_all(w, &w->b);
    act.id = later;
    json_t *phone = json_pack("{s:s}", "phone", "13800000009");
    act.fields = phone;
    world_begin(w);
    OK(lm_store_act(w->store, &act, w->now, &done, &err_));
    world_commit(w);
    json_decref(phone);
    assert_string_equal(text(get(w, "person", later), "phone"), "13800000009");
    assert_int_equal(verify(w), 0);
}

/* The newest change of the outbox as if its author had seen this version. */
static void claim_seen(struct world *w, struct pc *pc, struct lm_version seen)
{
    struct lm_buf *buf = &pc->outbox[pc->n - 1];
    struct lm_change change;
    uint8_t bytes[1000];
    size_t n = buf->len;

    assert_true(n < sizeof bytes);
    memcpy(bytes, buf->data, n);
    OK(lm_change_read(bytes, n, &w->arena, &change, &err_));
    change.base_all = seen;
    lm_buf_reset(buf);
    lm_change_pack(buf, &change);
    assert_int_equal(buf->status, LM_OK);
}

/* A version that nobody can have made is not waited for; what comes after it goes on. */
static void test_base_at_the_end_of_time(void **state)
{
    struct world *w = *state;
    struct lm_version made;
    char id[40];

    made = pc_person(w, &w->a, "王建国", 1, id);
    (void)pc_set(w, &w->a, "person", id, "phone", "13800000001", made);
    claim_seen(w, &w->a, (struct lm_version){.hlc = (uint64_t)INT64_MAX, .replica = 77});
    (void)pc_set(w, &w->a, "person", id, "phone", "13800000002", made);
    claim_seen(w, &w->a, (struct lm_version){.hlc = LM_HLC_TOP, .replica = 77});
    (void)pc_set(w, &w->a, "person", id, "phone", "13800000003", made);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_verdicts, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(w->pushed.verdicts[i].verdict, LM_V_REFUSED);
        assert_string_equal(w->pushed.verdicts[i].code, "clock");
    }
    assert_string_equal(text(get(w, "person", id), "phone"), "13800000003");
    assert_int_equal(verify(w), 0);
}

/* A refused creation under another type must not decide as what the record is told to others. */
static void test_refused_type_then_record(void **state)
{
    struct world *w = *state;
    struct lm_arena arena;
    struct lm_cursor cursor = {0};
    struct lm_msg_feed page;
    struct pc second = {0};
    json_t *fields = json_pack("{s:s}", "name", "x");
    json_t *person = person_json("王建国", 1, VILLAGE_A);
    char id[40];
    bool found = false;

    new_id(w, id);
    (void)pc_add(w, &w->a, "no_such_type", id, LM_OP_CREATE, fields, (struct lm_version){0, 0});
    (void)pc_add(w, &w->a, "person", id, LM_OP_CREATE, person, (struct lm_version){0, 0});
    json_decref(fields);
    json_decref(person);
    push_all(w, &w->a);
    assert_non_null(get(w, "person", id));
    enrol_pc(w, &second, VILLAGE_A, 9);
    lm_arena_init(&arena, 64 * 1024 * 1024);
    for (int i = 0; i < 20 && !found; i++) {
        OK(lm_store_feed(w->store, &second.replica, &cursor, LM_FEED_BYTES_MAX, &arena, &page,
                         &err_));
        for (size_t k = 0; k < page.n_entries; k++) {
            if (strcmp(page.entries[k].id, id) == 0) {
                assert_int_equal(page.entries[k].kind, LM_ENTRY_BODY);
                found = true;
            }
        }
        if (page.done) {
            break;
        }
        cursor = page.next;
    }
    lm_arena_free(&arena);
    assert_true(found);
    assert_int_equal(verify(w), 0);
}

/* A refused change of as many bytes as fit, built on another. */
static struct lm_version pc_large(struct world *w, struct pc *pc, const char *id,
                                  struct lm_version base)
{
    json_t *fields = json_object();
    char name[40], value[3901];
    struct lm_version version;

    memset(value, 'x', 3900);
    value[3900] = '\0';
    for (int i = 0; i < 16; i++) {
        (void)snprintf(name, sizeof name, "no_%d", i);
        json_object_set_new(fields, name, json_string(value));
    }
    version = pc_add(w, pc, "person", id, LM_OP_EDIT, fields, base);
    json_decref(fields);
    lm_arena_reset(&w->arena);
    return version;
}

/* Empties every field that a village may. */
static void pc_empty_all(struct world *w, struct pc *pc, const char *id, struct lm_version base)
{
    const struct lm_type *type = lm_catalog_type(w->catalog, "person");
    json_t *fields = json_object();

    for (size_t i = 0; i < type->n_fields; i++) {
        const struct lm_field *field = &type->fields[i];

        if (field->fill == LM_FILL_USER && (field->edit_by & LM_BY_VILLAGE) != 0 &&
            field->group != LM_GROUP_ORIGIN && field->group != LM_GROUP_STATE &&
            field->group != LM_GROUP_DELETED) {
            json_object_set_new(fields, field->name, json_null());
        }
    }
    (void)pc_add(w, pc, "person", id, LM_OP_EDIT, fields, base);
    json_decref(fields);
}

/* ODK central #832, P4: a poisonous change blocks what is behind it. What takes too much memory to
 * judge is that change's fault, not the machine's: it alone is held, and its batch and what comes
 * later go on. */
static void odk_832_poison_blocks_nothing(void **state)
{
    struct world *w = *state;
    struct lm_version v;
    struct rows rows = {json_array()};
    char id[40], before[40], next[40], later[40];
    uint64_t poison;

    v = pc_person(w, &w->a, "王建国", 1, id);
    for (int i = 0; i < 57; i++) {
        v = pc_large(w, &w->a, id, v);
    }
    for (uint64_t seq = 1; seq <= w->a.n; seq++) {
        push(w, &w->a, seq, seq);
    }
    (void)pc_person(w, &w->a, "孙玉兰", 3, before);
    v = pc_large(w, &w->a, id, v);
    pc_empty_all(w, &w->a, id, v);
    poison = w->a.n;
    (void)pc_person(w, &w->a, "赵秀英", 2, next);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_new, 4);
    assert_int_equal(w->pushed.acked.seq, w->a.n);
    assert_int_equal(w->pushed.n_verdicts, 2); /* the large one is refused, as the others were */
    assert_int_equal(w->pushed.verdicts[1].seq, poison);
    assert_int_equal(w->pushed.verdicts[1].verdict, LM_V_HELD);
    assert_string_equal(w->pushed.verdicts[1].code, "internal");
    assert_non_null(get(w, "person", before));
    assert_non_null(get(w, "person", next));
    (void)pc_person(w, &w->a, "周德福", 5, later);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.acked.seq, w->a.n);
    assert_int_equal(w->pushed.n_verdicts, 0);
    assert_non_null(get(w, "person", later));
    OK(lm_store_held(w->store, collect, &rows, &err_)); /* and a person sees it */
    assert_int_equal(json_array_size(rows.all), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows.all, 0), "id")), id);
    json_decref(rows.all);
    assert_int_equal(verify(w), 0);
}

/* A node that wants what the hub, restored meanwhile, has never heard of must be told so: else it
 * asks for ever and is never in step. */
static void test_unknown_wanted(void **state)
{
    struct world *w = *state;
    struct lm_arena arena;
    struct lm_msg_feed page, there;
    struct lm_buf frame;
    char id[2][40];
    const struct lm_msg_want want = {.ids = id, .n_ids = 2};

    (void)pc_person(w, &w->a, "王建国", 1, id[0]);
    push_all(w, &w->a);
    new_id(w, id[1]);
    lm_arena_init(&arena, 64 * 1024 * 1024);
    OK(lm_store_bodies(w->store, &w->a.replica, &want, &arena, &page, &err_));
    assert_int_equal(page.n_entries, 2);
    assert_int_equal(page.entries[0].kind, LM_ENTRY_BODY);
    assert_int_equal(page.entries[1].kind, LM_ENTRY_ABSENT);
    assert_string_equal(page.entries[1].id, id[1]);
    assert_string_equal(page.entries[1].type, "");
    page.session = page.branch = 1; /* and the node can read it */
    lm_buf_init(&frame, LM_FRAME_BYTES_MAX);
    lm_feed_pack(&frame, &page);
    OK(lm_feed_read(frame.data, frame.len, &arena, &there, &err_));
    assert_int_equal(there.entries[1].kind, LM_ENTRY_ABSENT);
    lm_buf_free(&frame);
    lm_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_record_stays_sendable, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_end_of_time, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_base_at_the_end_of_time, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_refused_type_then_record, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(odk_832_poison_blocks_nothing, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_unknown_wanted, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
