/* What a verified change of residence does: transfer between villages, death, moving out, coming
 * back (P4, P5, P6). All of it or nothing, and `verify` finds the journal to say the same. */
#include "tests/unit/hub_store_world.h"

#define PROOF "01932f00-1111-7222-8333-444444444444"

static const struct lm_version nothing = {0, 0};

static enum lm_status act(struct world *w, const char *id, const char *type, const char *station,
                          json_t *fields, char out_id[40], struct lm_act_result *out)
{
    const struct lm_act a = {.user = "admin",
                             .type = id ? NULL : type,
                             .id = id,
                             .station = station,
                             .fields = fields,
                             .op = id ? LM_OP_EDIT : LM_OP_CREATE};
    enum lm_status status;

    memset(&err_, 0, sizeof err_);
    world_begin(w);
    status = lm_store_act(w->store, &a, w->now, out, &err_);
    world_commit(w);
    w->now += 1000;
    if (out_id) {
        (void)snprintf(out_id, 40, "%s", out->id);
    }
    json_decref(fields);
    return status;
}

static void town(struct world *w, const char *type, const char *station, json_t *fields,
                 char id[40])
{
    struct lm_act_result out;

    OK(act(w, NULL, type, station, fields, id, &out));
}

static enum lm_status approve(struct world *w, const char *id, struct lm_act_result *out)
{
    return act(w, id, NULL, NULL, json_pack("{s:s}", "state", "verified"), NULL, out);
}

static json_t *event_json(const char *kind, const char *person, const char *from, const char *to)
{
    json_t *e = json_pack("{s:s,s:s,s:s,s:s}", "person_id", person, "kind", kind, "event_on",
                          "2026-09-10", "state", "submitted");

    if (from) {
        (void)json_object_set_new(e, "from_village", json_string(from));
    }
    if (to) {
        (void)json_object_set_new(e, "to_village", json_string(to));
    }
    if (strcmp(kind, "out") == 0 || strcmp(kind, "in") == 0) {
        (void)json_object_set_new(e, "outside_text", json_string("外地"));
    }
    if (strcmp(kind, "in") != 0 && strcmp(kind, "restore") != 0) {
        (void)json_object_set_new(e, "proof", json_string(PROOF));
    }
    return e;
}

static void pc_event(struct world *w, struct pc *pc, json_t *fields, char id[40])
{
    new_id(w, id);
    (void)pc_add(w, pc, "residency_event", id, LM_OP_CREATE, fields, nothing);
    json_decref(fields);
    push_all(w, pc);
    assert_string_equal(text(get(w, "residency_event", id), "state"), "submitted");
}

static int kind_in_feed(struct world *w, struct pc *pc, const char *id)
{
    struct lm_msg_feed *page = lm_arena_alloc(&w->arena, sizeof *page);
    struct lm_cursor cursor = {0, ""};

    pc->replica.branch = pc->branch;
    do {
        OK(lm_store_feed(w->store, &pc->replica, &cursor, 0, &w->arena, page, &err_));
        for (size_t i = 0; i < page->n_entries; i++) {
            if (strcmp(page->entries[i].id, id) == 0) {
                return (int)page->entries[i].kind;
            }
        }
        cursor = page->next;
    } while (!page->done);
    return -1;
}

static void add_benefit_and_plan(struct world *w, const char *person, char benefit[40],
                                 char plan[40])
{
    town(w, "benefit", VILLAGE_A,
         json_pack("{s:s,s:s,s:s,s:s}", "person_id", person, "code", "b01", "start_on",
                   "2020-01-01", "approved_doc", "文号1"),
         benefit);
    town(w, "contact_plan", VILLAGE_A,
         json_pack("{s:s,s:s,s:s,s:s}", "person_id", person, "owner", PROOF, "frequency", "quarter",
                   "start_on", "2020-01-01"),
         plan);
}

static void test_transfer(void **state)
{
    struct world *w = *state;
    char person[40], visit[40], event[40], benefit[40], plan[40];
    struct lm_version made;
    struct lm_act_result out;
    json_t *fields;

    made = pc_person(w, &w->a, "王建国", 1, person);
    new_id(w, visit);
    fields = visit_json(person);
    (void)pc_add(w, &w->a, "visit", visit, LM_OP_CREATE, fields, nothing);
    json_decref(fields);
    pc_event(w, &w->a, event_json("transfer", person, VILLAGE_A, VILLAGE_B), event);
    add_benefit_and_plan(w, person, benefit, plan);

    OK(approve(w, event, &out));
    assert_string_equal(text(get(w, "person", person), "village_code"), VILLAGE_B);
    assert_string_equal(text(get(w, "person", person), "household_village"), VILLAGE_B);
    assert_string_equal(text(get(w, "benefit", benefit), "village_code"), VILLAGE_B);
    assert_string_equal(text(get(w, "contact_plan", plan), "village_code"), VILLAGE_B);
    assert_string_equal(text(get(w, "visit", visit), "village_code"), VILLAGE_A);
    assert_string_not_equal(text(get(w, "residency_event", event), "confirmed_by"), "");
    assert_int_equal(kind_in_feed(w, &w->a, person), LM_ENTRY_GONE);
    assert_int_equal(kind_in_feed(w, &w->a, plan), LM_ENTRY_GONE);
    assert_int_equal(kind_in_feed(w, &w->b, person), LM_ENTRY_BODY);
    assert_int_equal(kind_in_feed(w, &w->b, benefit), LM_ENTRY_BODY);
    assert_int_equal(kind_in_feed(w, &w->b, event), LM_ENTRY_BODY); /* both villages see why */
    assert_int_equal(kind_in_feed(w, &w->a, event), LM_ENTRY_BODY);

    /* What the old village wrote before it knew is not lost. */
    (void)pc_set(w, &w->a, "person", person, "phone", "13800000001", made);
    push_all(w, &w->a);
    assert_string_equal(text(get(w, "person", person), "phone"), "13800000001");
    /* And the new one works on the file. */
    (void)pc_set(w, &w->b, "person", person, "residence_text", "西溪村三组",
                 get(w, "person", person)->stamps[LM_GROUP_ORIGIN].version);
    push_all(w, &w->b);
    assert_string_equal(text(get(w, "person", person), "residence_text"), "西溪村三组");
    assert_int_equal(verify(w), 0);

    /* It is in force: sending it back would leave the file where it is. */
    assert_int_equal(act(w, event, NULL, NULL,
                         json_pack("{s:s,s:s}", "state", "returned", "return_note", "有误"), NULL,
                         &out),
                     LM_ERR_INVALID);
    assert_string_equal(err_.code, "in_force");
    assert_string_equal(text(get(w, "residency_event", event), "state"), "verified");
    assert_int_equal(verify(w), 0);
}

static void test_refused_whole(void **state)
{
    struct world *w = *state;
    char person[40], event[40], theirs[40];
    struct lm_act_result out;

    (void)pc_person(w, &w->a, "王建国", 1, person);
    (void)pc_person(w, &w->b, "李玉兰", 2, theirs);
    push_all(w, &w->b);
    pc_event(w, &w->a, event_json("transfer", person, VILLAGE_A, "999999101299"), event);
    assert_int_equal(approve(w, event, &out), LM_ERR_INVALID);
    assert_string_equal(err_.code, "no_station");
    assert_string_equal(text(get(w, "residency_event", event), "state"), "submitted");
    assert_string_equal(text(get(w, "person", person), "village_code"), VILLAGE_A);

    /* A village cannot take, or give away, what is another's: the town sees that it does not fit.
     */
    pc_event(w, &w->a, event_json("transfer", theirs, VILLAGE_A, VILLAGE_B), event);
    OK(approve(w, event, &out)); /* already there */
    assert_string_equal(text(get(w, "person", theirs), "village_code"), VILLAGE_B);
    town(w, "residency_event", VILLAGE_A, event_json("death", person, VILLAGE_A, NULL), event);
    OK(approve(w, event, &out));
    town(w, "residency_event", VILLAGE_A,
         json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "person_id", person, "kind", "transfer", "event_on",
                   "2026-09-11", "from_village", VILLAGE_A, "to_village", VILLAGE_B, "proof",
                   PROOF),
         event);
    assert_int_equal(approve(w, event, &out), LM_ERR_INVALID);
    assert_string_equal(err_.code, "not_on_register");
    assert_string_equal(text(get(w, "person", person), "village_code"), VILLAGE_A);
    assert_int_equal(verify(w), 0);
}

static void test_death_and_back(void **state)
{
    struct world *w = *state;
    char person[40], event[40], benefit[40], plan[40], back[40];
    struct lm_act_result out;

    (void)pc_person(w, &w->a, "王建国", 1, person);
    pc_event(w, &w->a, event_json("death", person, VILLAGE_A, NULL), event);
    add_benefit_and_plan(w, person, benefit, plan);
    OK(act(w, person, NULL, NULL,
           json_pack("{s:s,s:s,s:s}", "household_no", "H1", "notice_at", "2025-01-05",
                     "legal_basis", "duty"),
           NULL, &out));
    OK(approve(w, event, &out));
    assert_string_equal(text(get(w, "person", person), "state"), "deceased");
    assert_string_equal(text(get(w, "person", person), "left_on"), "2026-09-10");
    assert_string_equal(text(get(w, "benefit", benefit), "end_on"), "2026-09-10");
    assert_string_equal(text(get(w, "benefit", benefit), "end_reason"), "death");
    assert_string_equal(text(get(w, "contact_plan", plan), "end_on"), "2026-09-10");
    assert_int_equal(kind_in_feed(w, &w->a, person),
                     LM_ENTRY_BODY); /* the village keeps the file */
    assert_int_equal(verify(w), 0);

    town(w, "residency_event", VILLAGE_A, event_json("restore", person, NULL, VILLAGE_B), back);
    OK(approve(w, back, &out));
    assert_string_equal(text(get(w, "person", person), "left_on"), "");
    assert_string_equal(text(get(w, "person", person), "village_code"), VILLAGE_B);
    assert_string_equal(text(get(w, "benefit", benefit), "village_code"), VILLAGE_B);
    assert_string_equal(text(get(w, "benefit", benefit), "end_on"), "2026-09-10");
    assert_int_equal(verify(w), 0);
}

static void test_out_and_not_closed(void **state)
{
    struct world *w = *state;
    char person[40], event[40], benefit[40];
    struct lm_act_result out;

    (void)pc_person(w, &w->a, "王建国", 1, person);
    pc_event(w, &w->a, event_json("out", person, VILLAGE_A, NULL), event);
    town(w, "benefit", VILLAGE_A,
         json_pack("{s:s,s:s,s:s,s:s}", "person_id", person, "code", "b01", "start_on",
                   "2026-09-15", "approved_doc", "文号2"),
         benefit); /* begins after the day of the event: cannot end on it */
    assert_int_equal(approve(w, event, &out), LM_ERR_INVALID);
    assert_string_equal(err_.code, "not_closed");
    assert_non_null(strstr(err_.zh, "2026-09-15 · 文号2")); /* which one, in words */
    assert_null(strstr(err_.zh, benefit));
    assert_string_equal(text(get(w, "person", person), "state"), "submitted");
    assert_string_equal(text(get(w, "residency_event", event), "state"), "submitted");
    OK(act(w, benefit, NULL, NULL,
           json_pack("{s:s,s:s}", "end_on", "2026-09-15", "end_reason", "moved"), NULL, &out));
    OK(approve(w, event, &out));
    assert_string_equal(text(get(w, "person", person), "state"), "moved_out");
    assert_string_equal(text(get(w, "person", person), "left_on"), "2026-09-10");
    assert_int_equal(verify(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_transfer, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_refused_whole, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_death_and_back, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_out_and_not_closed, world_setup, world_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
