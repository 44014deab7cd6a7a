/* The hub's store: what goes in through PUSH and acts, what comes out through feed and review, and
 * what happens in between. */
#include "tests/unit/hub_store_world.h"

#include <sqlite3.h>
#include <sys/wait.h>

#include "hub/keys.h"

static void test_create_makes_town(void **state)
{
    struct world *w = *state;
    struct lm_station station;
    struct lm_store_init init = {.town_name = "明月镇",
                                 .town_code = TOWN,
                                 .admin_name = "admin",
                                 .admin_password = "a long password",
                                 .now_ms = T0};
    const struct lm_town *town = lm_store_town(w->store);

    assert_string_equal(town->code, TOWN);
    assert_string_equal(town->name, "明月镇");
    assert_int_equal(town->incarnation.counter, 1);
    OK(lm_store_station_get(w->store, TOWN, &station));
    assert_string_equal(station.level, "town");
    OK(lm_store_station_get(w->store, VILLAGE_A, &station));
    assert_string_equal(station.office_code, "999999101900");
    assert_int_equal(lm_store_create(&w->dir, w->catalog, &init, &err_), LM_ERR_EXISTS);
    /* town: unit and station; A: office, unit, station; B: unit, station */
    assert_int_equal(totals(w).journal_entries, 7);
}

static void test_station_again_changes_nothing(void **state)
{
    struct world *w = *state;
    struct lm_station station;
    uint64_t before = totals(w).journal_entries;

    OK(lm_store_station_get(w->store, VILLAGE_A, &station));
    world_begin(w);
    OK(lm_store_station_add(w->store, "admin", &station, w->now, &err_));
    world_commit(w);
    assert_int_equal(totals(w).journal_entries, before);
    (void)snprintf(station.name, sizeof station.name, "东溪新村");
    world_begin(w);
    OK(lm_store_station_add(w->store, "admin", &station, w->now, &err_));
    world_commit(w);
    assert_int_equal(totals(w).journal_entries, before + 2); /* unit and station row */
    assert_int_equal(verify(w), 0);
}

static void test_push_applies(void **state)
{
    struct world *w = *state;
    char id[40], id2[40];
    struct lm_record *rec;
    struct lm_replica now;

    pc_person(w, &w->a, "王建国", 1, id);
    pc_person(w, &w->a, "赵秀英", 2, id2);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_new, 2);
    assert_int_equal(w->pushed.acked.seq, 2);
    assert_int_equal(w->pushed.n_verdicts, 0);
    rec = get(w, "person", id);
    assert_non_null(rec);
    assert_false(rec->invalid);
    assert_string_equal(text(rec, "name"), "王建国");
    assert_string_equal(text(rec, "village_code"), VILLAGE_A);
    assert_int_equal(strlen(text(rec, "dup_key")), 64);
    OK(lm_store_replica_get(w->store, w->a.replica.number, &now));
    assert_int_equal(now.acked.seq, 2);
    assert_true(now.complete_ms > 0);
    assert_int_equal(now.hlc_known, w->a.hlc);
    assert_string_equal(lm_store_type_of(w->store, id), "person");
    assert_int_equal(verify(w), 0);
}

static void test_overlap_gap_divergence(void **state)
{
    struct world *w = *state;
    char id[5][40];
    uint64_t entries;

    for (int i = 0; i < 5; i++) {
        pc_person(w, &w->a, "王建国", 10 + i, id[i]);
    }
    push(w, &w->a, 1, 3);
    entries = totals(w).journal_entries;
    push(w, &w->a, 1, 3); /* the ack was lost */
    assert_int_equal(w->pushed.outcome, LM_TAKE_TAKEN);
    assert_int_equal(w->pushed.n_new, 0);
    assert_int_equal(w->pushed.acked.seq, 3);
    push(w, &w->a, 1, 2); /* an old one, late */
    assert_int_equal(w->pushed.outcome, LM_TAKE_TAKEN);
    assert_int_equal(w->pushed.acked.seq, 3);
    push(w, &w->a, 5, 5);
    assert_int_equal(w->pushed.outcome, LM_TAKE_GAP);
    assert_int_equal(w->pushed.acked.seq, 3);
    assert_int_equal(totals(w).journal_entries, entries);
    push(w, &w->a, 2, 5);
    assert_int_equal(w->pushed.outcome, LM_TAKE_TAKEN);
    assert_int_equal(w->pushed.n_new, 2);
    assert_int_equal(w->pushed.acked.seq, 5);
    /* the PC went back to 3 and wrote something else as 4 */
    lm_buf_free(&w->a.outbox[3]);
    w->a.n = 3;
    pc_person(w, &w->a, "孙立", 20, id[3]);
    push(w, &w->a, 4, 4);
    assert_int_equal(w->pushed.outcome, LM_TAKE_DIVERGED);
    assert_null(get(w, "person", id[3]));
    w->a.n = 5;
    lm_buf_free(&w->a.outbox[3]);
    w->a.n = 0;
    assert_int_equal(verify(w), 0);
}

static void test_duplicates_under_new_branch(void **state)
{
    struct world *w = *state;
    char id[40], id2[40];
    struct lm_version v;
    uint64_t feed_before;
    struct lm_record *rec;

    v = pc_person(w, &w->a, "王建国", 1, id);
    push_all(w, &w->a);
    feed_before = (uint64_t)get(w, "person", id)->position;
    w->a.branch = 2; /* forked: the same change again, then a new one */
    pc_set(w, &w->a, "person", id, "phone", "13800000001", v);
    pc_person(w, &w->a, "赵秀英", 2, id2);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_new, 3);
    assert_int_equal(w->pushed.n_verdicts, 1);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_DUPLICATE);
    assert_int_equal(w->pushed.verdicts[0].seq, 1);
    rec = get(w, "person", id);
    assert_string_equal(text(rec, "phone"), "13800000001");
    assert_true((uint64_t)rec->position == feed_before + 2);
    assert_non_null(get(w, "person", id2));
    assert_int_equal(verify(w), 0);
}

static void test_same_identity_other_body(void **state)
{
    struct world *w = *state;
    char id[40];
    struct lm_version v = pc_person(w, &w->a, "王建国", 1, id);
    json_t *fields = person_json("王建军", 1, VILLAGE_A);

    push_all(w, &w->a);
    w->a.branch = 2;
    lm_buf_free(&w->a.outbox[0]);
    w->a.n = 0;
    w->a.hlc = v.hlc - 1;
    w->now = lm_hlc_ms(v.hlc) - 5;
    pc_add(w, &w->a, "person", id, LM_OP_CREATE, fields, (struct lm_version){0, 0});
    json_decref(fields);
    w->now = T0 + 5000;
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_verdicts, 1);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_REFUSED);
    assert_string_equal(w->pushed.verdicts[0].code, "identity");
    assert_string_equal(text(get(w, "person", id), "name"), "王建国");
    assert_int_equal(verify(w), 0);
}

static void test_uncommitted_is_nothing(void **state)
{
    struct world *w = *state;
    char id[40];
    uint64_t before = totals(w).journal_entries;
    struct lm_mark head, after;

    OK(lm_store_head(w->store, &head));
    pc_person(w, &w->a, "王建国", 1, id);
    world_begin(w);
    OK(push_raw(w, &w->a, 1, 1));
    assert_int_equal(w->pushed.n_new, 1);
    lm_store_close(&w->store); /* the process dies before the commit */
    world_open(w);
    assert_null(get(w, "person", id));
    assert_int_equal(totals(w).journal_entries, before);
    OK(lm_store_head(w->store, &after));
    assert_memory_equal(&head, &after, sizeof head);
    push_all(w, &w->a);
    assert_non_null(get(w, "person", id));
    assert_int_equal(verify(w), 0);
}

static void test_rollback_restores_state(void **state)
{
    struct world *w = *state;
    char id[40];
    struct lm_mark head, after;

    OK(lm_store_head(w->store, &head));
    pc_person(w, &w->a, "王建国", 1, id);
    world_begin(w);
    OK(push_raw(w, &w->a, 1, 1));
    OK(lm_store_head(w->store, &after));
    assert_memory_equal(&head, &after, sizeof head); /* P2: not before the commit */
    lm_store_rollback(w->store);
    push_all(w, &w->a);
    OK(lm_store_head(w->store, &after));
    assert_int_equal(after.position, head.position + 1);
    assert_int_equal(verify(w), 0);
}

static void test_held_then_redriven(void **state)
{
    struct world *w = *state;
    char person[40], visit[40];
    json_t *fields;
    struct lm_version v;

    /* A visit to somebody whose file is written by another PC of the village and comes later. */
    new_id(w, person);
    new_id(w, visit);
    fields = visit_json(person);
    v = pc_add(w, &w->a, "visit", visit, LM_OP_CREATE, fields, (struct lm_version){0, 0});
    json_decref(fields);
    pc_set(w, &w->a, "visit", visit, "findings", "身体尚好", v);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_verdicts, 2);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_HELD);
    assert_int_equal(w->pushed.verdicts[1].verdict, LM_V_HELD);
    assert_null(get(w, "visit", visit));
    assert_int_equal(totals(w).held, 2);
    assert_int_equal(verify(w), 0);
    fields = person_json("王建国", 1, VILLAGE_A);
    pc_add(w, &w->a, "person", person, LM_OP_CREATE, fields, (struct lm_version){0, 0});
    json_decref(fields);
    push_all(w, &w->a);
    assert_int_equal(totals(w).held, 0);
    assert_non_null(get(w, "visit", visit));
    assert_string_equal(text(get(w, "visit", visit), "findings"), "身体尚好");
    assert_int_equal(verify(w), 0);
}

static void test_refused_is_returned(void **state)
{
    struct world *w = *state;
    char id[40];
    struct rows rows = {json_array()};
    struct lm_version v = pc_person(w, &w->a, "王建国", 1, id);

    push_all(w, &w->a);
    pc_set(w, &w->b, "person", id, "phone", "13800000002", v); /* B edits A's record */
    push_all(w, &w->b);
    assert_int_equal(w->pushed.n_verdicts, 1);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_REFUSED);
    assert_string_equal(text(get(w, "person", id), "phone"), "");
    OK(lm_store_returned(w->store, VILLAGE_B, collect, &rows, &err_));
    assert_int_equal(json_array_size(rows.all), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows.all, 0), "id")), id);
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows.all, 0), "verdict")),
                        "refused");
    json_array_clear(rows.all);
    OK(lm_store_returned(w->store, VILLAGE_A, collect, &rows, &err_));
    assert_int_equal(json_array_size(rows.all), 0);
    json_decref(rows.all);
    assert_int_equal(verify(w), 0);
}

static void test_malformed_is_kept(void **state)
{
    struct world *w = *state;
    struct lm_buf *buf = &w->a.outbox[0];

    lm_buf_init(buf, 100);
    lm_buf_text(buf, "not a change");
    w->a.n = 1;
    push_all(w, &w->a);
    assert_int_equal(w->pushed.acked.seq, 1);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_REFUSED);
    assert_int_equal(totals(w).returned, 1);
    assert_int_equal(verify(w), 0);
}

static void test_invalid_then_corrected(void **state)
{
    struct world *w = *state;
    char id[40];
    json_t *fields = person_json("王建国", 1, VILLAGE_A);
    struct lm_version v;

    json_object_set_new(fields, "birth_on",
                        json_string("1954-08-01")); /* not what the ID number says */
    new_id(w, id);
    v = pc_add(w, &w->a, "person", id, LM_OP_CREATE, fields, (struct lm_version){0, 0});
    json_decref(fields);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_INVALID);
    assert_non_null(get(w, "person", id));
    assert_true(get(w, "person", id)->invalid);
    assert_int_equal(totals(w).returned, 1);
    pc_set(w, &w->a, "person", id, "birth_on", "1953-08-01", v);
    push_all(w, &w->a);
    assert_false(get(w, "person", id)->invalid);
    assert_int_equal(totals(w).returned, 0);
    assert_int_equal(verify(w), 0);
}

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

/* ---- feed ---- */

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
    OK(act(w, NULL, id, NULL, LM_OP_EDIT, json_pack("{s:s}", "phone", "13900000009")));
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
    struct lm_act move = {.user = "", .fields = NULL, .op = LM_OP_EDIT, .by_system = true};

    pc_person(w, &w->a, "王建国", 1, id);
    push_all(w, &w->a);
    pull(w, &w->a, &a);
    pull(w, &w->b, &b);
    move.id = id;
    move.fields = json_pack("{s:s}", "village_code", VILLAGE_B);
    world_begin(w);
    OK(lm_store_act(w->store, &move, w->now, &act_result, &err_));
    world_commit(w);
    json_decref((json_t *)(uintptr_t)move.fields);
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

/* ---- registry ---- */

static void test_kits(void **state)
{
    struct world *w = *state;
    struct lm_kit_row kit = {.made_ms = w->now, .expires_ms = w->now + 1000};
    struct lm_msg_enrol enrol = {.machine = "", .program = ""};
    struct lm_replica r, again;

    (void)snprintf(kit.station, sizeof kit.station, VILLAGE_A);
    memset(kit.public_key, 0x91, 32);
    memset(enrol.public_key, 0x11, 32);
    world_begin(w);
    OK(lm_store_kit_add(w->store, &kit, &err_));
    OK(lm_store_kit_by_key(w->store, kit.public_key, &kit));
    assert_int_equal(lm_store_enrol(w->store, kit.id, &enrol, w->now + 2000, &r, &err_),
                     LM_ERR_DENIED);
    assert_string_equal(err_.code, "kit_expired");
    OK(lm_store_enrol(w->store, kit.id, &enrol, w->now, &r, &err_));
    assert_true(r.number == lm_replica_of(enrol.public_key));
    OK(lm_store_enrol(w->store, kit.id, &enrol, w->now + 5000, &again,
                      &err_)); /* the answer was lost */
    assert_true(again.number == r.number);
    enrol.nonce[0] = 1;
    assert_int_equal(lm_store_enrol(w->store, kit.id, &enrol, w->now, &again, &err_),
                     LM_ERR_DENIED);
    assert_string_equal(err_.code, "kit_used");
    memset(kit.public_key, 0x92, 32);
    OK(lm_store_kit_add(w->store, &kit, &err_));
    OK(lm_store_kit_by_key(w->store, kit.public_key, &kit));
    assert_int_equal(lm_store_enrol(w->store, kit.id, &enrol, w->now, &again, &err_),
                     LM_ERR_DENIED);
    assert_string_equal(err_.code, "key_known");
    world_commit(w);
}

static void test_revoke(void **state)
{
    struct world *w = *state;
    char id[40], path[128];
    size_t n = 0;
    struct lm_replica r;
    struct stat st;

    pc_person(w, &w->a, "王建国", 1, id);
    world_begin(w);
    OK(lm_store_revoke(w->store, "admin", VILLAGE_A, 0, w->now, &n, &err_));
    assert_int_equal(n, 1);
    OK(lm_store_revoke(w->store, "admin", VILLAGE_A, 0, w->now, &n, &err_));
    assert_int_equal(n, 0);
    assert_int_equal(lm_store_revoke(w->store, "admin", "999999101299", 0, w->now, &n, &err_),
                     LM_ERR_NOT_FOUND);
    world_commit(w);
    OK(lm_store_replica_get(w->store, w->a.replica.number, &r));
    assert_true(r.revoked_ms != 0);
    (void)snprintf(path, sizeof path, "%s/revoked.log", w->path);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > 0);
    push(w, &w->a, 1, 1);
    assert_int_equal(w->pushed.outcome, LM_TAKE_BAD);
    assert_null(get(w, "person", id));
    assert_int_equal(verify(w), 0);
}

static void test_key_file(void **state)
{
    struct world *w = *state;
    struct lm_hub_keys made, loaded;
    char path[128], *content = NULL;
    size_t n = 0;
    struct stat st;

    assert_int_equal(lm_hub_keys_load(&w->dir, &loaded, &err_), LM_ERR_NOT_FOUND);
    OK(lm_hub_keys_make(&w->dir, &made, &err_));
    (void)snprintf(path, sizeof path, "%s/hub.key", w->path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    OK(lm_hub_keys_load(&w->dir, &loaded, &err_));
    assert_memory_equal(&made, &loaded, sizeof made);
    assert_int_equal(lm_hub_keys_make(&w->dir, &made, &err_), LM_ERR_EXISTS);
    lm_store_close(&w->store);
    world_open(w);
    assert_memory_equal(lm_store_town(w->store)->hub_id, loaded.hub_id, 16);
    /* another seed: the hub's id no longer fits */
    OK(lm_file_read(path, 8192, &content, &n, &err_));
    char *seed = strstr(content, "sign_seed");
    assert_non_null(seed);
    seed += strlen("sign_seed\": \"");
    *seed = *seed == '0' ? '1' : '0';
    OK(lm_file_write(path, content, n, 0600, &err_));
    free(content);
    assert_int_equal(lm_hub_keys_load(&w->dir, &loaded, &err_), LM_ERR_CORRUPT);
    OK(lm_file_write(path, "{}", 2, 0600, &err_));
    assert_int_equal(lm_hub_keys_load(&w->dir, &loaded, &err_), LM_ERR_CORRUPT);
}

static void test_users(void **state)
{
    struct world *w = *state;

    world_begin(w);
    assert_int_equal(
        lm_store_user_add(w->store, "admin", "admin", "another password", true, w->now, &err_),
        LM_ERR_EXISTS);
    assert_int_equal(
        lm_store_user_add(w->store, "x", "king", "another password", true, w->now, &err_),
        LM_ERR_INVALID);
    assert_int_equal(lm_store_user_add(w->store, "x", "clerk", "short", true, w->now, &err_),
                     LM_ERR_INVALID);
    OK(lm_store_user_add(w->store, "x", "clerk", "another password", true, w->now, &err_));
    OK(lm_store_user_disable(w->store, "x", true, &err_));
    assert_int_equal(lm_store_user_disable(w->store, "y", true, &err_), LM_ERR_NOT_FOUND);
    world_commit(w);
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

#define LOOK "--look"

static int look(const char *path)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open(path, &db);

    rc = rc == SQLITE_OK ? sqlite3_exec(db, "SELECT * FROM meta", NULL, NULL, NULL) : rc;
    (void)sqlite3_close(db);
    return rc == SQLITE_OK ? 0 : 1;
}

/* P2: another tool's look at the database must not take the log of what was acked away: the last
 * connection to close removes it, and SQLite tells who is the last by locks that a process loses
 * when it closes any descriptor of that file. */
static void another_process_closes_the_database(void **state)
{
    struct world *w = *state;
    struct lm_store_totals t;
    char path[128], log[160];
    int status = 0;
    pid_t child;

    (void)snprintf(path, sizeof path, "%s/hub.db", w->path);
    (void)snprintf(log, sizeof log, "%s-wal", path);
    OK(lm_store_totals(w->store, &t));
    assert_true(t.journal_bytes > 0);
    assert_int_equal(access(log, F_OK), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) { /* a program of its own: SQLite keeps its locks by process */
        (void)execl("/proc/self/exe", "test_hub_store", LOOK, path, (char *)NULL);
        _exit(2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(access(log, F_OK), 0);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], LOOK) == 0) {
        return look(argv[2]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(another_process_closes_the_database, world_setup,
                                        world_teardown),
        T(test_create_makes_town),
        T(test_station_again_changes_nothing),
        T(test_push_applies),
        T(test_overlap_gap_divergence),
        T(test_duplicates_under_new_branch),
        T(test_merge_and_undo),
        T(test_pairs_come_and_go),
        T(test_same_identity_other_body),
        T(test_uncommitted_is_nothing),
        T(test_rollback_restores_state),
        T(test_held_then_redriven),
        T(test_refused_is_returned),
        T(test_malformed_is_kept),
        T(test_invalid_then_corrected),
        T(test_conflict_and_resolve),
        T(test_act_creates_edits_repeats),
        T(test_act_with_missing_reference),
        T(test_feed_bodies_and_digests),
        T(test_feed_verdicts_and_absent),
        T(test_feed_gone_after_transfer),
        T(test_bodies_only_of_own_scope),
        T(test_feed_pages),
        T(test_kits),
        T(test_revoke),
        T(test_key_file),
        T(test_users),
        T(test_duplicate_persons_and_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
