/* Moves between villages that wait for the town: a release by the old village, a claim by the new
 * one (P4, P5, P6, P11). Who is "transferring" follows from what waits; a claim tells its village
 * nothing before the town decides; each meeting of claims, releases and other acts has one result,
 * and `verify` finds the journal to say the same. */
#include "tests/unit/claims_world.h"

#include "hub/store/store_internal.h"

/* ---- a release ---- */

static void test_release_waits(void **state)
{
    struct world *w = *state;
    char person[40], event[40], other[40];
    struct lm_version before;

    person_on_register(w, "王建国", 1, VILLAGE_A, person);
    before = get(w, "person", person)->stamps[LM_GROUP_STATE].version;
    release(w, &w->a, person, VILLAGE_B, event);
    stands(w, person, VILLAGE_A, "transferring");
    assert_int_equal(kind_in_feed(w, &w->a, person), LM_ENTRY_BODY); /* its village sees that */

    /* Work goes on, also by who has not seen it yet. */
    (void)pc_set(w, &w->a, "person", person, "phone", "13800000001", before);
    push_all(w, &w->a);
    assert_string_equal(text(get(w, "person", person), "phone"), "13800000001");
    stands(w, person, VILLAGE_A, "transferring");

    /* It ends with what it came from. */
    OK(send_back(w, event));
    stands(w, person, VILLAGE_A, "active");
    (void)pc_set(w, &w->a, "residency_event", event, "state", "submitted",
                 get(w, "residency_event", event)->stamps[LM_GROUP_STATE].version);
    push_all(w, &w->a);
    stands(w, person, VILLAGE_A, "transferring");
    assert_int_equal(
        edit(w, person, json_pack("{s:s,s:s}", "state", "cancelled", "close_note", "重复")),
        LM_ERR_INVALID); /* first the move, then the rest */
    OK(confirm(w, event, NULL));
    stands(w, person, VILLAGE_B, "active");

    /* A release of what is not the village's own makes nobody wait. */
    release(w, &w->a, person, VILLAGE_B, other);
    stands(w, person, VILLAGE_B, "active");
    assert_int_equal(verify(w), 0);
}

/* A file that is not verified yet has no such state; moving it works all the same. */
static void test_release_of_unverified(void **state)
{
    struct world *w = *state;
    char person[40], event[40];

    (void)pc_person(w, &w->a, "王建国", 1, person);
    release(w, &w->a, person, VILLAGE_B, event);
    stands(w, person, VILLAGE_A, "submitted");
    OK(edit(w, person,
            json_pack("{s:s,s:s,s:s}", "household_no", "H1", "notice_at", "2025-01-05",
                      "legal_basis", "duty")));
    OK(confirm(w, event, NULL));
    stands(w, person, VILLAGE_B, "submitted");
    assert_int_equal(verify(w), 0);
}

/* ---- a claim ---- */

static void test_claim_confirmed(void **state)
{
    struct world *w = *state;
    char person[40], event[40], plan[40];

    person_on_register(w, "王建国", 1, VILLAGE_A, person);
    OK(act(w, NULL, LM_OP_CREATE, "contact_plan", VILLAGE_A,
           json_pack("{s:s,s:s,s:s,s:s}", "person_id", person, "owner", PROOF, "frequency",
                     "quarter", "start_on", "2020-01-01"),
           plan));
    claim(w, &w->b, "王建国", 1, VILLAGE_A, event);
    stands(w, person, VILLAGE_A, "transferring"); /* the old village sees that something waits … */
    assert_int_equal(kind_in_feed(w, &w->a, event), -1);  /* … but not what was claimed */
    assert_int_equal(kind_in_feed(w, &w->b, person), -1); /* and the new one nothing at all */
    assert_false(lm_in_scope(get(w, "residency_event", event), VILLAGE_A));

    OK(confirm(w, event, NULL));
    stands(w, person, VILLAGE_B, "active");
    assert_string_equal(text(get(w, "residency_event", event), "person_id"), person);
    assert_string_equal(text(get(w, "residency_event", event), "from_village"), VILLAGE_A);
    assert_string_not_equal(text(get(w, "residency_event", event), "confirmed_by"), "");
    assert_string_equal(text(get(w, "contact_plan", plan), "village_code"), VILLAGE_B);
    assert_int_equal(kind_in_feed(w, &w->a, person), LM_ENTRY_GONE);
    assert_int_equal(kind_in_feed(w, &w->b, person), LM_ENTRY_BODY);
    assert_int_equal(kind_in_feed(w, &w->b, plan), LM_ENTRY_BODY);
    assert_int_equal(kind_in_feed(w, &w->a, event), LM_ENTRY_BODY); /* both see why */
    assert_int_equal(kind_in_feed(w, &w->b, event), LM_ENTRY_BODY);
    assert_int_equal(verify(w), 0);
}

/* Whether the person exists, where, and whether the town has looked: the claim's own village gets
 * the same for all of them until the town answers. */
static void test_claim_tells_nothing(void **state)
{
    struct world *w = *state;
    char person[40], claims[4][40];
    const struct lm_feed_entry *first = NULL;

    person_on_register(w, "王建国", 1, VILLAGE_A, person);
    claim(w, &w->b, "王建国", 1, VILLAGE_A, claims[0]);       /* exactly that one */
    claim(w, &w->b, "王建军", 1, VILLAGE_A, claims[1]);       /* the number, not the name */
    claim(w, &w->b, "李玉兰", 2, VILLAGE_A, claims[2]);       /* nobody */
    claim(w, &w->b, "王建国", -1, "999999101299", claims[3]); /* a name, from nowhere */
    for (size_t i = 0; i < 4; i++) {
        const struct lm_record *rec = get(w, "residency_event", claims[i]);
        const struct lm_feed_entry *entry = in_feed(w, &w->b, claims[i]);

        assert_non_null(entry);
        first = first ? first : entry;
        assert_int_equal(entry->kind, LM_ENTRY_DIGEST); /* applied as sent */
        assert_int_equal(entry->n_verdicts, 0);
        assert_int_equal(entry->kind, first->kind);
        assert_string_equal(text(rec, "person_id"), "");
        for (size_t g = 0; g < rec->type->n_groups; g++) {
            assert_int_equal(rec->stamps[g].version.replica, w->b.replica.number);
        }
        assert_int_equal(kind_in_feed(w, &w->a, claims[i]), -1);
    }
    assert_int_equal(kind_in_feed(w, &w->b, person), -1);
    assert_int_equal(totals(w).duplicates, 0);

    /* The first confirmed, the rest are the clerk's to decide. */
    stands(w, person, VILLAGE_A, "transferring");
    refused(w, claims[1], NULL, "no_match");
    refused(w, claims[2], NULL, "no_match");
    refused(w, claims[3], NULL, "no_match");
    assert_int_equal(kind_in_feed(w, &w->b, claims[1]), LM_ENTRY_DIGEST); /* a try leaves nothing */
    OK(confirm(w, claims[1], person)); /* the village had the name wrong: the clerk knows better */
    stands(w, person, VILLAGE_B, "active");
    OK(send_back(w, claims[2]));
    assert_string_equal(text(get(w, "residency_event", claims[2]), "return_note"), "请核对");
    assert_int_equal(kind_in_feed(w, &w->b, claims[2]), LM_ENTRY_BODY);
    assert_int_equal(kind_in_feed(w, &w->a, claims[2]), -1); /* nor does the old one learn of it */
    assert_int_equal(verify(w), 0);
}

/* A village claims for itself, a move between villages, by a name. */
static void test_claim_shape(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *field, *value, *code;
    } wrong[] = {{"to_village", VILLAGE_A, "claim_to"}, {"kind", "restore", "claim_kind"}};
    char id[40];

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        json_t *fields =
            json_pack("{s:s,s:s,s:s,s:s,s:s}", "claim_name", "王建国", "kind", "transfer",
                      "event_on", "2026-09-10", "to_village", VILLAGE_B, "state", "submitted");

        (void)json_object_set_new(fields, wrong[i].field, json_string(wrong[i].value));
        new_id(w, id);
        (void)pc_add(w, &w->b, "residency_event", id, LM_OP_CREATE, fields, nothing);
        json_decref(fields);
        push_all(w, &w->b);
        assert_true(get(w, "residency_event", id)->invalid);
        assert_string_equal(get(w, "residency_event", id)->issue_code, wrong[i].code);
        assert_false(lm_in_scope(get(w, "residency_event", id), VILLAGE_A));
    }
    assert_int_equal(verify(w), 0);
}

/* ---- meetings ---- */

static void test_two_claims(void **state)
{
    struct world *w = *state;
    static struct pc c;
    char person[40], by_b[40], by_c[40];

    village_c(w, &c);
    person_on_register(w, "王建国", 1, VILLAGE_A, person);
    claim(w, &w->b, "王建国", 1, VILLAGE_A, by_b);
    claim(w, &c, "王建国", 1, VILLAGE_A, by_c);
    OK(confirm(w, by_b, NULL));
    stands(w, person, VILLAGE_B,
           "transferring"); /* the other one waits still, about where it is now */
    OK(send_back(w, by_c));
    stands(w, person, VILLAGE_B, "active");

    /* Or it is right after all: then it moves on, from where it is. */
    (void)pc_set(w, &c, "residency_event", by_c, "state", "submitted",
                 get(w, "residency_event", by_c)->stamps[LM_GROUP_STATE].version);
    push_all(w, &c);
    stands(w, person, VILLAGE_B, "transferring");
    OK(confirm(w, by_c, NULL));
    stands(w, person, VILLAGE_C, "active");
    assert_string_equal(text(get(w, "residency_event", by_c), "from_village"), VILLAGE_B);
    assert_int_equal(verify(w), 0);
    free_pc(&c);
    memset(&c, 0, sizeof c);
}

static void test_release_and_claim(void **state)
{
    struct world *w = *state;
    char one[40], two[40], released[40], claimed[40];

    /* The claim first: what the old village says is then only noted. */
    person_on_register(w, "王建国", 1, VILLAGE_A, one);
    release(w, &w->a, one, VILLAGE_B, released);
    claim(w, &w->b, "王建国", 1, NULL, claimed);
    assert_int_equal(totals(w).duplicates, 0);
    OK(confirm(w, claimed, NULL));
    stands(w, one, VILLAGE_B, "active");
    OK(confirm(w, released, NULL));
    stands(w, one, VILLAGE_B, "active");

    /* The release first: the claim asks for what is done, and is sent back. */
    person_on_register(w, "李玉兰", 2, VILLAGE_A, two);
    release(w, &w->a, two, VILLAGE_B, released);
    claim(w, &w->b, "李玉兰", 2, NULL, claimed);
    OK(confirm(w, released, NULL));
    stands(w, two, VILLAGE_B, "active");
    refused(w, claimed, NULL, "already_here");
    refused(w, claimed, two, "already_here");
    OK(send_back(w, claimed));
    stands(w, two, VILLAGE_B, "active");
    assert_int_equal(verify(w), 0);
}

static void test_moved_meanwhile(void **state)
{
    struct world *w = *state;
    static struct pc c;
    char person[40], released[40], claimed[40];

    village_c(w, &c);
    person_on_register(w, "王建国", 1, VILLAGE_A, person);
    claim(w, &w->b, "王建国", 1, VILLAGE_A, claimed);
    release(w, &w->a, person, VILLAGE_C, released);
    OK(confirm(w, released, NULL));
    stands(w, person, VILLAGE_C, "transferring");
    OK(confirm(w, claimed, NULL));
    stands(w, person, VILLAGE_B, "active"); /* from where it is, whatever the claim says */
    assert_string_equal(text(get(w, "residency_event", claimed), "from_village"), VILLAGE_C);
    assert_int_equal(verify(w), 0);
    free_pc(&c);
    memset(&c, 0, sizeof c);
}

static void test_nobody_to_move(void **state)
{
    struct world *w = *state;
    char dead[40], deleted[40], merged[40], kept[40], death[40], claimed[4][40];

    person_on_register(w, "王建国", 1, VILLAGE_A, dead);
    person_on_register(w, "李玉兰", 2, VILLAGE_A, deleted);
    person_on_register(w, "张学军", 3, VILLAGE_A, merged);
    person_on_register(w, "张学军", 4, VILLAGE_A, kept);
    claim(w, &w->b, "王建国", 1, VILLAGE_A, claimed[0]);
    stands(w, dead, VILLAGE_A, "transferring");
    OK(act(w, NULL, LM_OP_CREATE, "residency_event", VILLAGE_A,
           json_pack("{s:s,s:s,s:s,s:s,s:s}", "person_id", dead, "kind", "death", "event_on",
                     "2026-09-11", "from_village", VILLAGE_A, "proof", PROOF),
           death));
    OK(confirm(w, death, NULL)); /* a death is entered whatever waits */
    stands(w, dead, VILLAGE_A, "deceased");
    refused(w, claimed[0], NULL, "no_match");
    refused(w, claimed[0], dead, "not_on_register");

    claim(w, &w->b, "李玉兰", 2, VILLAGE_A, claimed[1]);
    stands(w, deleted, VILLAGE_A, "transferring");
    OK(act(w, deleted, LM_OP_DELETE, NULL, NULL, json_pack("{s:s}", "delete_reason", "重复"),
           NULL));
    refused(w, claimed[1], NULL, "no_match");
    refused(w, claimed[1], deleted, "deleted");
    OK(act(w, deleted, LM_OP_UNDELETE, NULL, NULL, NULL, NULL));
    stands(w, deleted, VILLAGE_A, "transferring");

    {
        struct lm_act_result out;

        claim(w, &w->b, "张学军", 3, VILLAGE_A, claimed[2]);
        world_begin(w);
        assert_int_equal(lm_store_merge(w->store, "admin", merged, kept, w->now, &out, &err_),
                         LM_ERR_INVALID); /* not while it is being moved */
        assert_string_equal(err_.code, "moving");
        world_commit(w);
        OK(send_back(w, claimed[2]));
        world_begin(w);
        OK(lm_store_merge(w->store, "admin", merged, kept, w->now, &out, &err_));
        world_commit(w);
        w->now += 1000;
        claim(w, &w->b, "张学军", 3, VILLAGE_A, claimed[3]);
        refused(w, claimed[3], NULL, "no_match");
        refused(w, claimed[3], merged, "merged");
        OK(confirm(w, claimed[3], kept));
        stands(w, kept, VILLAGE_B, "active");
        stands(w, merged, VILLAGE_A, "merged");
    }
    assert_int_equal(verify(w), 0);
}

/* Two files of one number, in two villages: nobody knows which one is meant. */
static void test_two_files(void **state)
{
    struct world *w = *state;
    static struct pc c;
    char one[40], two[40], claimed[40];

    village_c(w, &c);
    person_on_register(w, "王建国", 1, VILLAGE_A, one);
    claim(w, &w->b, "王建国", 1, NULL, claimed);
    stands(w, one, VILLAGE_A, "transferring");
    person_on_register(w, "王建国", 1, VILLAGE_C, two);
    stands(w, one, VILLAGE_A, "active");
    stands(w, two, VILLAGE_C, "active");
    refused(w, claimed, NULL, "choose_person");
    OK(confirm(w, claimed, two));
    stands(w, one, VILLAGE_A, "active");
    stands(w, two, VILLAGE_B, "active");
    assert_int_equal(verify(w), 0);
    free_pc(&c);
    memset(&c, 0, sizeof c);
}

static void test_withdrawn(void **state)
{
    struct world *w = *state;
    char person[40], claimed[40];
    json_t *why = json_pack("{s:s}", "delete_reason", "填错了");
    struct lm_version base;

    person_on_register(w, "王建国", 1, VILLAGE_A, person);
    claim(w, &w->b, "王建国", 1, NULL, claimed);
    stands(w, person, VILLAGE_A, "transferring");
    base = get(w, "residency_event", claimed)->stamps[LM_GROUP_STATE].version;
    (void)pc_add(w, &w->b, "residency_event", claimed, LM_OP_DELETE, why, base);
    push_all(w, &w->b);
    stands(w, person, VILLAGE_A, "active");
    assert_int_equal(confirm(w, claimed, person), LM_ERR_INVALID);
    assert_string_equal(err_.code, "deleted");
    stands(w, person, VILLAGE_A, "active");

    /* Withdrawn too late: the person has moved, and who looks decides about the record. */
    claim(w, &w->b, "王建国", 1, NULL, claimed);
    base = get(w, "residency_event", claimed)->stamps[LM_GROUP_STATE].version;
    OK(confirm(w, claimed, NULL));
    (void)pc_add(w, &w->b, "residency_event", claimed, LM_OP_DELETE, why, base);
    push_all(w, &w->b);
    assert_false(lm_record_deleted(get(w, "residency_event", claimed)));
    assert_int_equal(totals(w).conflicts, 1);
    stands(w, person, VILLAGE_B, "active");
    json_decref(why);
    assert_int_equal(verify(w), 0);
}

/* ---- who may verify ---- */

/* Consequences follow from acts at the hub. That is enough: whatever a PC pushes is a village's
 * word (push.c), a PC of the town's own station included, and no life cycle of this type lets a
 * village verify. */
static void test_nobody_verifies_by_push(void **state)
{
    struct world *w = *state;
    static struct pc at_town;
    const struct lm_type *type = lm_catalog_type(w->catalog, "residency_event");
    struct pc *pcs[] = {&w->a, &at_town};
    char person[40], event[40], made[40];

    enrol_pc(w, &at_town, TOWN, 4);
    for (size_t i = 0; i < type->n_transitions; i++) {
        if (strcmp(type->transitions[i].to, "verified") == 0) {
            assert_false(type->transitions[i].by & LM_BY_VILLAGE);
        }
    }
    person_on_register(w, "王建国", 1, VILLAGE_A, person);
    release(w, &w->a, person, VILLAGE_B, event);
    for (size_t i = 0; i < 2; i++) {
        json_t *fields = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "person_id", person, "kind",
                                   "transfer", "event_on", "2026-09-12", "from_village", VILLAGE_A,
                                   "to_village", VILLAGE_B, "proof", PROOF, "state", "verified");

        (void)pc_set(w, pcs[i], "residency_event", event, "state", "verified",
                     get(w, "residency_event", event)->stamps[LM_GROUP_STATE].version);
        push_all(w, pcs[i]);
        assert_int_equal(w->pushed.n_verdicts, 1);
        assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_REFUSED);
        new_id(w, made);
        (void)pc_add(w, pcs[i], "residency_event", made, LM_OP_CREATE, fields, nothing);
        json_decref(fields);
        push_all(w, pcs[i]);
        assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_REFUSED);
        assert_null(get(w, "residency_event", made));
    }
    stands(w, person, VILLAGE_A, "transferring");
    assert_int_equal(verify(w), 0);
    free_pc(&at_town);
    memset(&at_town, 0, sizeof at_town);
}

/* ---- what the clerk sees ---- */

static void test_shown(void **state)
{
    struct world *w = *state;
    char person[40], namesake[40], released[40], claimed[40];
    struct rows rows = {.all = json_array()};
    json_t *row;
    size_t i;

    person_on_register(w, "王建国", 1, VILLAGE_A, person);
    person_on_register(w, "李玉兰", 2, VILLAGE_A, namesake);
    release(w, &w->a, person, VILLAGE_B, released);
    claim(w, &w->b, "李玉兰", 5, VILLAGE_A, claimed); /* nobody has that number */
    OK(lm_store_transfers(w->store, collect, &rows, &err_));
    assert_int_equal(json_array_size(rows.all), 2);
    json_array_foreach(rows.all, i, row)
    {
        bool is_claim = json_is_true(json_object_get(row, "claim"));
        const json_t *side = json_array_get(json_object_get(row, "records"), 0);

        assert_string_equal(json_string_value(json_object_get(row, "id")),
                            is_claim ? claimed : released);
        assert_string_equal(json_string_value(json_object_get(side, "id")),
                            is_claim ? namesake : person);
        assert_string_equal(json_string_value(json_object_get(side, "village_code")), VILLAGE_A);
        assert_int_equal(json_is_true(json_object_get(side, "same_number")), !is_claim);
        assert_true(json_is_true(json_object_get(side, "same_name")));
    }
    json_decref(rows.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_release_waits, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_release_of_unverified, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_claim_confirmed, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_claim_tells_nothing, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_claim_shape, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_two_claims, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_release_and_claim, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_moved_meanwhile, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_nobody_to_move, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_two_files, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_withdrawn, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_nobody_verifies_by_push, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_shown, world_setup, world_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
