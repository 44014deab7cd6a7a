/* The hub's session alone, rule by rule: whom it lets in (P8: leases, clones, torn lines), and what
 * it answers at once. */
#include "session_alone.h"

static void test_who_may_say_hello(void **state)
{
    struct world *w = world_new(1);
    struct lm_msg_error m;
    struct lm_buf empty;

    (void)state;
    lm_buf_init(&empty, 10);
    hub_give(w, 1, LM_MSG_PULL, &empty);
    assert_string_equal(hub_error(w, &m), "hello_first");
    hub_give(w, 1, LM_MSG_HELLO, &empty);
    assert_string_equal(hub_error(w, &m), "malformed");
    hub_hello(w, 1, (struct lm_lease){0, 0}, LM_PROTOCOL_MAX + 1);
    assert_string_equal(hub_error(w, &m), "protocol");
    hub_hello(w, 1, (struct lm_lease){0, 0}, 1);
    assert_true(hub_did(w, LM_HX_STORE_HELLO)); /* the first of all */

    w->view.branch = 2;
    w->view.issued = (struct lm_lease){9, 90};
    w->view.confirmed = (struct lm_lease){7, 70};
    hub_hello(w, 2, (struct lm_lease){7, 70}, 1);
    assert_true(hub_did(w, LM_HX_STORE_HELLO));
    assert_int_equal(w->hs.lease.counter, 10);
    hub_hello(w, 2, (struct lm_lease){9, 90}, 1);
    assert_true(hub_did(w, LM_HX_STORE_HELLO));
    hub_hello(w, 2, (struct lm_lease){8, 80}, 1); /* issued between the two */
    assert_true(hub_did(w, LM_HX_STORE_HELLO));
    hub_hello(w, 2, (struct lm_lease){12, 1}, 1); /* the hub was restored */
    assert_true(hub_did(w, LM_HX_STORE_HELLO));
    assert_int_equal(w->hs.lease.counter, 13);
    hub_hello(w, 2, (struct lm_lease){6, 60}, 1);
    assert_string_equal(hub_error(w, &m), "rolled_back");
    assert_string_equal(m.text, "branch=2");
    assert_true(hub_did(w, LM_HX_ROLLED_BACK));
    hub_hello(w, 3, (struct lm_lease){6, 60}, 1); /* what the node does then */
    assert_true(hub_did(w, LM_HX_STORE_HELLO));
    hub_hello(w, 1, (struct lm_lease){9, 90}, 1);
    assert_string_equal(hub_error(w, &m), "rolled_back");
    hub_hello(w, 2, (struct lm_lease){9, 91}, 1);
    assert_string_equal(hub_error(w, &m), "clone");
    assert_true(hub_did(w, LM_HX_CLONE));
    hub_hello(w, 3, (struct lm_lease){7, 71}, 1); /* a fork does not launder it */
    assert_string_equal(hub_error(w, &m), "clone");

    w->view.clone = true;
    hub_hello(w, 2, (struct lm_lease){9, 90}, 1);
    assert_true(hub_did(w, LM_HX_STORE_HELLO)); /* the holder of the newest is served */
    hub_hello(w, 2, (struct lm_lease){6, 60}, 1);
    assert_string_equal(hub_error(w, &m), "clone"); /* nobody else is, until a person has acted */
    assert_false(hub_did(w, LM_HX_CLONE));          /* and it is told once */
    w->view.clone = false;

    w->view.abandoned[0] = (struct lm_abandoned){2, 5};
    w->view.n_abandoned = 1;
    hub_hello(w, 2, (struct lm_lease){2, 20}, 1); /* it went back to this one once more */
    assert_string_equal(hub_error(w, &m), "rolled_back");
    assert_false(hub_did(w, LM_HX_TWIN));
    hub_hello(w, 2, (struct lm_lease){5, 50}, 1); /* the line that was given up */
    assert_string_equal(hub_error(w, &m), "rolled_back");
    assert_true(hub_did(w, LM_HX_TWIN));
    w->view.twins = 1;
    hub_hello(w, 2, (struct lm_lease){4, 40}, 1); /* twice: two lines in turn */
    assert_string_equal(hub_error(w, &m), "clone");
    assert_true(hub_did(w, LM_HX_CLONE));
    w->view.revoked = true;
    hub_hello(w, 2, (struct lm_lease){9, 90}, 1);
    assert_string_equal(hub_error(w, &m), "revoked");
    hub_give(w, 1, LM_MSG_PUSH, &empty);
    assert_string_equal(hub_error(w, &m), "revoked");
    world_free(w);
}

static void hello_from(struct world *w, uint64_t peer, uint64_t branch, struct lm_lease lease,
                       bool former_gone)
{
    struct lm_hub_now now = {
        .mono_ms = w->now_ms, .hub_time_ms = HUB_EPOCH_MS, .incarnation = {1, 5}, .catalog = 1};
    struct lm_hub_event ev = {.kind = LM_HE_MESSAGE, .now = &now, .view = &w->view};
    struct lm_msg_hello m = {
        .protocol_min = 1, .protocol_max = 1, .branch = branch, .lease = lease, .program = "t"};
    struct lm_buf buf;

    lm_buf_init(&buf, 2000);
    lm_hello_pack(&buf, &m);
    lm_arena_reset(&w->harena);
    ev.message.peer = peer;
    ev.message.kind = LM_MSG_HELLO;
    ev.message.body = buf.data;
    ev.message.n = buf.len;
    ev.message.arena = &w->harena;
    ev.message.former_gone = former_gone;
    lm_hub_session_step(&w->hs, &ev, &w->hfx);
    lm_buf_free(&buf);
}

static void hub_only(struct world *w, enum lm_hub_event_kind kind)
{
    struct lm_hub_now now = {
        .mono_ms = w->now_ms, .hub_time_ms = HUB_EPOCH_MS, .incarnation = {1, 5}, .catalog = 1};
    struct lm_hub_event ev = {.kind = kind, .now = &now, .view = &w->view};

    ev.stored.ok = kind == LM_HE_HELLO_STORED;
    lm_hub_session_step(&w->hs, &ev, &w->hfx);
}

/* P8: an older lease while the holder of the newest is alive is a second installation; when the
 * holder is gone, or does not answer, it is one PC that went back. */
static void test_older_lease_and_the_holder(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) { /* gone, silent, alive, alive but only late messages */
        struct world *w = world_new(1);
        struct lm_msg_error m;
        struct lm_buf empty;

        lm_buf_init(&empty, 10);
        w->view.branch = 1;
        w->view.issued = w->view.confirmed = (struct lm_lease){9, 90};
        hello_from(w, 1, 1, (struct lm_lease){9, 90}, false);
        w->view.issued = w->view.confirmed = w->hs.lease;
        hub_only(w, LM_HE_HELLO_STORED);
        w->now_ms += 1000;
        hello_from(w, 2, 1, (struct lm_lease){5, 50}, way == 0);
        if (way == 0) {
            assert_string_equal(hub_error(w, &m), "rolled_back");
            world_free(w);
            continue;
        }
        assert_string_equal(hub_error(w, &m), "busy");
        assert_int_equal(m.retry_after_s, LM_HUB_CONTEST_S);
        if (way == 3) {
            w->now_ms += 500;
            hub_give(w, 1, LM_MSG_PULL, &empty);
        }
        w->now_ms += 2000;
        hub_only(w, LM_HE_TICK);
        assert_int_equal(w->hfx.n, 1); /* the holder is asked */
        assert_int_equal(w->hfx.items[0].send.kind, LM_MSG_NEWS);
        hub_only(w, LM_HE_TICK);
        assert_int_equal(w->hfx.n, 0);
        if (way == 2) {
            w->now_ms += 100;
            hub_give(w, 1, LM_MSG_PULL, &empty);
        }
        w->now_ms += 2500;
        hello_from(w, 2, 1, (struct lm_lease){5, 50}, false);
        assert_string_equal(hub_error(w, &m), way == 2 ? "clone" : "rolled_back");
        assert_int_equal(hub_did(w, LM_HX_CLONE), way == 2);
        assert_int_equal(w->hs.peer, 1); /* the holder's session goes on */
        world_free(w);
    }
}

/* P8: a HELLO that comes twice on one connection is late; it must not make its PC fork. */
static void test_late_hello_of_the_session(void **state)
{
    struct world *w = world_new(1);
    struct lm_lease held = {9, 90};

    (void)state;
    w->view.branch = 1;
    w->view.issued = w->view.confirmed = held;
    hello_from(w, 1, 1, held, false);
    hub_only(w, LM_HE_HELLO_STORED);
    w->view.issued = w->view.confirmed = w->hs.lease;
    w->hs.confirmed = true;
    hello_from(w, 1, 1, held, false);
    assert_false(hub_did(w, LM_HX_SEND));
    assert_false(hub_did(w, LM_HX_ROLLED_BACK));
    assert_int_equal(w->hs.state, LM_HS_LIVE);
    hello_from(w, 2, 1, held, true); /* a new connection: it did go back */
    assert_true(hub_did(w, LM_HX_ROLLED_BACK));
    world_free(w);
}

/* P8: a line that was torn and made again by the transport: its node is asked to greet. Only who
 * goes on without is a second installation. */
static void test_torn_line_is_asked_to_greet(void **state)
{
    struct world *w = world_new(1);
    struct lm_msg_error m;
    struct lm_buf empty;

    (void)state;
    lm_buf_init(&empty, 10);
    hello_from(w, 1, 1, (struct lm_lease){0, 0}, false);
    hub_only(w, LM_HE_HELLO_STORED);
    w->now_ms += LM_HUB_STRAY_MS - 1;
    hub_give(w, 2, LM_MSG_PULL, &empty);
    assert_false(hub_did(w, LM_HX_SEND)); /* may be late */
    w->now_ms += 1;
    hub_give(w, 2, LM_MSG_PULL, &empty);
    assert_string_equal(hub_error(w, &m), "hello_first");
    assert_false(hub_did(w, LM_HX_CLONE));
    w->now_ms += LM_HUB_STRAY_AGAIN_MS - 1;
    hub_give(w, 2, LM_MSG_PULL, &empty);
    assert_false(hub_did(w, LM_HX_SEND));
    w->now_ms += 1;
    hub_give(w, 2, LM_MSG_PULL, &empty);
    assert_string_equal(hub_error(w, &m), "clone");
    assert_true(hub_did(w, LM_HX_CLONE));
    world_free(w);
}

static void test_gap_is_answered_at_once(void **state)
{
    struct world *w = world_new(1);
    struct lm_msg_push push = {.branch = 1, .first_seq = 5};
    struct lm_hub_now now = {.incarnation = {1, 5}};
    struct lm_hub_event stored = {
        .kind = LM_HE_HELLO_STORED, .now = &now, .view = &w->view, .stored = {.ok = true}};
    struct lm_buf buf;

    (void)state;
    hub_hello(w, 1, (struct lm_lease){0, 0}, 1);
    lm_hub_session_step(&w->hs, &stored, &w->hfx);
    assert_int_equal(w->hs.state, LM_HS_LIVE);
    lm_buf_init(&buf, 2000);
    lm_push_pack(&buf, &push);
    hub_give(w, 1, LM_MSG_PUSH, &buf);
    assert_false(hub_did(w, LM_HX_STORE_PUSH));
    assert_int_equal(w->hfx.items[w->hfx.n - 1].send.kind, LM_MSG_ACK);
    lm_buf_reset(&buf);
    push.first_seq = 1;
    lm_push_pack(&buf, &push);
    for (int i = 0; i < LM_HUB_PUSHES_MAX; i++) {
        hub_give(w, 1, LM_MSG_PUSH, &buf);
        assert_true(hub_did(w, LM_HX_STORE_PUSH));
    }
    hub_give(w, 1, LM_MSG_PUSH, &buf); /* more than any credit allows */
    assert_false(hub_did(w, LM_HX_STORE_PUSH));
    lm_buf_free(&buf);
    world_free(w);
}

/* NEWS goes out once until the node pulls again. */
static void test_news_once(void **state)
{
    struct world *w = world_new(1);
    struct lm_hub_now now = {.incarnation = {1, 5}};
    struct lm_hub_event stored = {
        .kind = LM_HE_HELLO_STORED, .now = &now, .view = &w->view, .stored = {.ok = true}};
    struct lm_hub_event news = {.kind = LM_HE_NEWS, .now = &now, .view = &w->view, .position = 3};
    struct lm_msg_pull pull = {.max_bytes = 1000};
    struct lm_msg_error m;
    struct lm_buf buf;

    (void)state;
    hub_hello(w, 1, (struct lm_lease){0, 0}, 1);
    lm_hub_session_step(&w->hs, &news, &w->hfx);
    assert_int_equal(w->hfx.n, 0); /* before WELCOME */
    lm_hub_session_step(&w->hs, &stored, &w->hfx);
    lm_hub_session_step(&w->hs, &news, &w->hfx);
    assert_int_equal(w->hfx.items[0].send.kind, LM_MSG_NEWS);
    lm_hub_session_step(&w->hs, &news, &w->hfx);
    assert_int_equal(w->hfx.n, 0);
    lm_buf_init(&buf, 2000);
    pull.session = w->hs.session;
    lm_pull_pack(&buf, &pull);
    hub_give(w, 1, LM_MSG_PULL, &buf);
    assert_true(hub_did(w, LM_HX_LEASE_CONFIRMED));
    assert_true(hub_did(w, LM_HX_READ_FEED));
    hub_give(w, 1, LM_MSG_PULL, &buf); /* one page at a time */
    assert_false(hub_did(w, LM_HX_READ_FEED));
    lm_hub_session_step(&w->hs, &news, &w->hfx);
    assert_int_equal(w->hfx.items[0].send.kind, LM_MSG_NEWS);
    lm_buf_reset(&buf);
    pull.session ^= 1; /* of a session that has ended */
    lm_pull_pack(&buf, &pull);
    hub_give(w, 1, LM_MSG_PULL, &buf);
    assert_string_equal(hub_error(w, &m), "hello_first");
    lm_buf_free(&buf);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_may_say_hello),
        cmocka_unit_test(test_older_lease_and_the_holder),
        cmocka_unit_test(test_late_hello_of_the_session),
        cmocka_unit_test(test_torn_line_is_asked_to_greet),
        cmocka_unit_test(test_gap_is_answered_at_once),
        cmocka_unit_test(test_news_once),
    };

    return cmocka_run_group_tests_name("session of the hub", tests, NULL, NULL);
}
