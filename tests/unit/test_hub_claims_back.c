/* The hub went back to before a claim or a decision on one (P4, P6, P7): the claim comes and waits
 * again, the decision is given back, and takes its consequences along. */
#include "tests/unit/claims_world.h"
#include "tests/unit/went_back_world.h"

/* The backup holds neither claim nor decision: the claim comes again and waits again; the decision
 * is given back, and takes its consequences along. */
static void test_hub_back_before_the_claim(void **state)
{
    struct world *w = *state;
    char person[40], plan[40], claimed[40];
    struct lm_buf event, file;

    person_on_register(w, "王建国", 1, VILLAGE_A, person);
    OK(act(w, NULL, LM_OP_CREATE, "contact_plan", VILLAGE_A,
           json_pack("{s:s,s:s,s:s,s:s}", "person_id", person, "owner", PROOF, "frequency",
                     "quarter", "start_on", "2020-01-01"),
           plan));
    keep(w);
    claim(w, &w->b, "王建国", 1, VILLAGE_A, claimed);
    OK(confirm(w, claimed, NULL));
    event = body_of(w, "residency_event", claimed);
    file = body_of(w, "person", person);
    go_back(w);
    stands(w, person, VILLAGE_A, "active");
    push_all(w, &w->b);
    stands(w, person, VILLAGE_A, "transferring");

    offer(w, &w->a, claimed, &event);
    offer(w, &w->b, claimed, &event);
    offer(w, &w->b, person, &file); /* another village's here: left for a person to look at */
    assert_true(accept_all(w).n >= 1);
    assert_string_equal(text(get(w, "residency_event", claimed), "state"), "verified");
    stands(w, person, VILLAGE_B, "active");
    assert_string_equal(text(get(w, "contact_plan", plan), "village_code"), VILLAGE_B);
    (void)accept_all(w);
    stands(w, person, VILLAGE_B, "active");
    assert_int_equal(verify(w), 0);
    lm_buf_free(&event);
    lm_buf_free(&file);
}

/* A release was verified and undone by a move back in the history that is gone; both are given
 * back: the person stays where the later one says. What cannot be followed is left, with why. */
static void test_hub_back_before_two_decisions(void **state)
{
    struct world *w = *state;
    char person[40], there[40], back[40];
    struct lm_buf first, second;
    size_t left;

    person_on_register(w, "王建国", 1, VILLAGE_A, person);
    release(w, &w->a, person, VILLAGE_B, there);
    keep(w);
    OK(confirm(w, there, NULL));
    OK(act(w, NULL, LM_OP_CREATE, "residency_event", VILLAGE_B,
           json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "person_id", person, "kind", "transfer",
                     "event_on", "2026-09-11", "from_village", VILLAGE_B, "to_village", VILLAGE_A,
                     "proof", PROOF),
           back));
    OK(confirm(w, back, NULL));
    first = body_of(w, "residency_event", there);
    second = body_of(w, "residency_event", back);
    go_back(w);
    stands(w, person, VILLAGE_A, "transferring");

    offer(w, &w->b, back, &second);
    offer(w, &w->b, there, &first);
    offer(w, &w->a, back, &second);
    offer(w, &w->a, there, &first);
    (void)accept_all(w);
    stands(w, person, VILLAGE_A, "active");
    assert_string_equal(text(get(w, "residency_event", there), "state"), "verified");
    assert_string_equal(text(get(w, "residency_event", back), "state"), "verified");
    assert_int_equal(verify(w), 0);

    /* A decision that does not fit what is here now waits for a person. */
    go_back(w);
    OK(act(w, person, LM_OP_DELETE, NULL, NULL, json_pack("{s:s}", "delete_reason", "重复"), NULL));
    offer(w, &w->b, there, &first);
    offer(w, &w->a, there, &first);
    left = accept_all(w).left;
    assert_true(left >= 1);
    assert_string_equal(text(get(w, "residency_event", there), "state"), "submitted");
    assert_int_equal(verify(w), 0);
    lm_buf_free(&first);
    lm_buf_free(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hub_back_before_the_claim, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_hub_back_before_two_decisions, world_setup,
                                        world_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
