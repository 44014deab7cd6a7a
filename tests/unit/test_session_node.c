/* The node's session alone, rule by rule: when it greets, pushes, waits, forks and gives up. */
#include "session_alone.h"

#include "proto/proof.h"

#include <string.h>

static void test_no_welcome(void **state)
{
    struct world *w = connected(0);
    uint32_t delay_ms = 0;

    (void)state;
    for (int i = 0; i < 12; i++) {
        const struct lm_node_effect *e;

        w->now_ms += LM_NODE_WELCOME_WAIT_MS - 1;
        give(w, (struct lm_node_event){.kind = LM_NE_TICK});
        assert_int_equal(count(w, LM_NX_RESET), 0);
        w->now_ms += 1;
        give(w, (struct lm_node_event){.kind = LM_NE_TICK});
        e = find(w, LM_NX_RESET);
        delay_ms = e->reset.delay_ms;
        assert_true(delay_ms >= (i < 9 ? 500u << i : LM_NODE_BACKOFF_MAX_MS / 2));
        assert_true(delay_ms <= (i < 9 ? 1000u << i : LM_NODE_BACKOFF_MAX_MS));
        assert_int_equal(w->ns.state, LM_NS_OFFLINE);
        assert_string_equal(w->ns.status.code, "no_answer");
        give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
    }
    world_free(w);
}

/* A program that gave up the socket by itself: on the fresh one HELLO comes first. */
static void test_fresh_socket_while_live(void **state)
{
    struct world *w = live(3);
    struct lm_msg_welcome m = welcome_of(w, 2);

    (void)state;
    give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
    assert_int_equal(w->ns.state, LM_NS_HELLO);
    assert_int_equal(count(w, LM_NX_SEND), 1);
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_HELLO);
    w->now_ms += 1000;
    give(w, (struct lm_node_event){.kind = LM_NE_TICK});
    assert_int_equal(count(w, LM_NX_SEND), 0);
    give_welcome(w, &m);
    give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
    assert_int_equal(w->ns.state, LM_NS_LIVE);
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_PULL);
    world_free(w);
}

static void test_barred_until_mended(void **state)
{
    static const char *const codes[] = {"revoked", "unknown", "protocol", "clone", "catalogue"};

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct world *w = connected(0);
        struct lm_msg_welcome m = welcome_of(w, 1);

        give_error(w, codes[i], "", 300);
        assert_int_equal(w->ns.state, LM_NS_BARRED);
        assert_true(find(w, LM_NX_RESET)->reset.delay_ms >= LM_NODE_BACKOFF_MAX_MS / 2);
        assert_string_equal(find(w, LM_NX_STATUS)->status.code, codes[i]);
        assert_true(find(w, LM_NX_STATUS)->status.person_needed);
        give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
        assert_string_equal(w->ns.status.code, codes[i]); /* still shown while it tries */
        give_welcome(w, &m);
        give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
        assert_string_equal(w->ns.status.code, "syncing");
        world_free(w);
    }
}

static void test_refuses_other_hubs(void **state)
{
    struct world *w = connected(0);
    struct lm_msg_welcome m = welcome_of(w, 1);

    (void)state;
    w->ns.config.incarnation = (struct lm_incarnation){2, 5};
    give_welcome(w, &m); /* an older incarnation */
    assert_string_equal(w->ns.status.code, "hub_older");
    give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
    m.incarnation = (struct lm_incarnation){2, 6}; /* a rival */
    give_welcome(w, &m);
    assert_int_equal(w->ns.state, LM_NS_BARRED);
    give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
    m.incarnation.random = 5;
    memset(w->ns.config.hub_id, 3, 16);
    give_welcome(w, &m);
    assert_string_equal(w->ns.status.code, "other_hub");
    give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
    memset(m.hub_id, 3, 16);
    m.incarnation.counter = 3; /* restored from a backup: accepted, and said so */
    give_welcome(w, &m);
    assert_true(find(w, LM_NX_STORE_WELCOME)->welcome.incarnation_changed);
    assert_false(find(w, LM_NX_STORE_WELCOME)->welcome.hub_went_back); /* nothing seen is gone */
    give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
    assert_int_equal(w->ns.state, LM_NS_LIVE);
    assert_true(w->ns.quiet_until_ms <= w->now_ms + LM_NODE_INCARNATION_JITTER_MS);
    world_free(w);
}

static void test_window_and_acks(void **state)
{
    struct world *w = live(5 * BATCH_CHANGES);

    (void)state;
    for (int i = 0; i < LM_WINDOW_MAX; i++) {
        assert_int_equal(w->ns.n_flights, i);
        give_batch(w);
        assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_PUSH);
        assert_int_equal(find(w, LM_NX_SEND)->send.first_seq, 1 + i * BATCH_CHANGES);
    }
    assert_int_equal(count(w, LM_NX_READ_BATCH), 0); /* the window is full */
    give_ack(w, BATCH_CHANGES, 4);
    assert_int_equal(find(w, LM_NX_SET_ACKED)->acked.head.seq, BATCH_CHANGES);
    assert_int_equal(w->ns.n_flights, 3);
    give_batch(w);
    assert_int_equal(w->ns.n_flights, 4);
    give_ack(w, 3, 4); /* late: only WELCOME lowers acked */
    assert_int_equal(w->ns.config.acked.seq, BATCH_CHANGES);
    assert_int_equal(count(w, LM_NX_SET_ACKED), 0);
    give_ack(w, 3 * BATCH_CHANGES + 2, 1); /* in the midst of a batch, and less credit */
    assert_int_equal(w->ns.n_flights, 2);
    assert_int_equal(count(w, LM_NX_READ_BATCH), 0);
    w->now_ms += LM_NODE_RESEND_MS;
    give(w, (struct lm_node_event){.kind = LM_NE_TICK});
    assert_int_equal(find(w, LM_NX_READ_BATCH)->read_batch.from_seq, 3 * BATCH_CHANGES + 3);
    give_batch(w);
    give_ack(w, 4 * BATCH_CHANGES + 2, 1);
    give_batch(w);
    give_ack(w, 5 * BATCH_CHANGES, 1);
    assert_int_equal(w->ns.n_flights, 0);
    give_batch(w); /* the outbox is empty: count 0 says so */
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_PUSH);
    assert_true(w->ns.beat_wait);
    world_free(w);
}

static void test_ack_of_another_log(void **state)
{
    struct world *w = live(3);

    (void)state;
    give_batch(w);
    w->node.log.hash[3][0] ^= 1;
    give_ack(w, 3, 4);
    assert_int_equal(count(w, LM_NX_RESET), 1);
    assert_int_equal(w->ns.config.acked.seq, 0);
    world_free(w);
}

static void test_fork_when_hub_has_more(void **state)
{
    struct world *w = connected(2);
    struct lm_msg_welcome m = welcome_of(w, 1);

    (void)state;
    m.acked.seq = 3;
    give_welcome(w, &m);
    assert_string_equal(find(w, LM_NX_FORK)->fork.reason, "acked_beyond_head");
    assert_int_equal(find(w, LM_NX_FORK)->fork.branch_min, 2);
    give_welcome(w, &m); /* nothing moves until FORKED */
    give_error(w, "revoked", "", 0);
    assert_int_equal(w->ns.state, LM_NS_FORKING);
    give(w, (struct lm_node_event){.kind = LM_NE_FORKED, .forked = {.branch = 2}});
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_HELLO);
    give_error(w, "rolled_back", "branch=1", 0); /* a late one, of the former branch */
    assert_int_equal(w->ns.state, LM_NS_HELLO);
    give_error(w, "rolled_back", "branch=6", 0);
    assert_int_equal(find(w, LM_NX_FORK)->fork.branch_min, 7);
    world_free(w);

    w = connected(2);
    m.acked = log_head(&w->node.log, 1);
    give_welcome(w, &m);
    assert_int_equal(find(w, LM_NX_CHECK_HASH)->check.seq, 1);
    give(w, (struct lm_node_event){.kind = LM_NE_HASH_CHECKED, .hash_ok = false});
    assert_string_equal(find(w, LM_NX_FORK)->fork.reason, "hash_differs");
    world_free(w);
}

/* What was read before a rewind is not sent after it. */
static void test_batch_read_before_rewind(void **state)
{
    struct world *w = live(3 * BATCH_CHANGES);
    struct answer late;

    (void)state;
    give_batch(w);
    node_read_batch(w, find(w, LM_NX_READ_BATCH)->read_batch.from_seq);
    late = w->answers[--w->n_answers];
    w->now_ms += LM_NODE_RESEND_MS;
    give(w, (struct lm_node_event){.kind = LM_NE_TICK});
    assert_int_equal(w->ns.n_flights, 0);
    give(w, late.ev);
    free(late.packed);
    assert_int_equal(w->ns.state, LM_NS_LIVE);
    assert_int_equal(w->ns.n_flights, 0);
    assert_int_equal(find(w, LM_NX_READ_BATCH)->read_batch.from_seq, 1);
    give_batch(w);
    assert_int_equal(find(w, LM_NX_SEND)->send.first_seq, 1);
    world_free(w);
}

static void test_welcome_of_an_earlier_hello(void **state)
{
    struct world *w = connected(0);
    struct lm_msg_welcome m = welcome_of(w, 4);

    (void)state;
    w->ns.config.lease.counter = 4;
    give_welcome(w, &m); /* the lease is not newer than the one held */
    assert_int_equal(w->ns.state, LM_NS_HELLO);
    m.lease.counter = 5;
    m.branch = 2;
    give_welcome(w, &m);
    assert_int_equal(w->ns.state, LM_NS_HELLO);
    m.branch = 1;
    give_welcome(w, &m);
    assert_int_equal(w->ns.state, LM_NS_STORING);
    world_free(w);
}

static void test_as_of_follows_hub_time(void **state)
{
    struct world *w = live(0);
    struct lm_msg_push push;
    struct lm_error err;
    int64_t asked_ms;

    (void)state;
    give(w,
         (struct lm_node_event){.kind = LM_NE_TICK}); /* READ_BATCH was given with WELCOME_STORED */
    assert_true(w->ns.reading);
    asked_ms = w->now_ms;
    w->now_ms += 1234;
    node_read_batch(w, 1);
    give(w, w->answers[--w->n_answers].ev);
    assert_int_equal(lm_push_read(lm_node_effect_bytes(&w->nfx, find(w, LM_NX_SEND)),
                                  find(w, LM_NX_SEND)->send.len, &w->narena, &push, &err),
                     LM_OK);
    assert_int_equal(push.count, 0);
    assert_int_equal(push.as_of_ms, HUB_EPOCH_MS + asked_ms - w->ns.mono_base_ms);
    world_free(w);
}

static void test_silence_and_refusals(void **state)
{
    struct world *w = live(0);

    (void)state;
    /* PULL unanswered, asked again every 30 s, nothing heard for 90 s. */
    for (int i = 0; i < 89; i++) {
        w->now_ms += 1000;
        give(w, (struct lm_node_event){.kind = LM_NE_TICK});
        assert_int_equal(w->ns.state, LM_NS_LIVE);
        assert_true(count(w, LM_NX_SEND) <= 1);
    }
    w->now_ms += 1000;
    give(w, (struct lm_node_event){.kind = LM_NE_TICK});
    assert_int_equal(w->ns.state, LM_NS_OFFLINE);
    assert_string_equal(w->ns.status.code, "lost");
    world_free(w);

    w = live(0);
    for (int i = 0; i < 15; i++) { /* the transport takes nothing */
        assert_int_equal(w->ns.state, LM_NS_LIVE);
        give(w,
             (struct lm_node_event){.kind = LM_NE_SEND_REFUSED, .refused = {.kind = LM_MSG_PULL}});
        w->now_ms += 1000;
        give(w, (struct lm_node_event){.kind = LM_NE_TICK});
    }
    assert_int_equal(w->ns.state, LM_NS_OFFLINE);
    world_free(w);
}

/* The disk is full: nothing is taken for done, and everything is tried again. */
static void test_store_failures(void **state)
{
    struct world *w = connected(0);
    struct lm_msg_welcome m = welcome_of(w, 1);
    struct lm_msg_feed page = {.session = 9, .branch = 1, .next = {.position = 4}, .done = true};
    struct lm_buf buf;

    (void)state;
    give_welcome(w, &m);
    give(w, (struct lm_node_event){.kind = LM_NE_FAILED});
    assert_int_equal(w->ns.state, LM_NS_OFFLINE);
    assert_int_equal(count(w, LM_NX_RESET), 1);
    assert_string_equal(w->ns.status.code, "store_failed");
    assert_int_equal(w->ns.config.lease.counter, 0);
    world_free(w);

    w = live(0);
    give(w, (struct lm_node_event){.kind = LM_NE_BATCH}); /* first_seq 0: not read */
    assert_int_equal(count(w, LM_NX_SEND) + count(w, LM_NX_READ_BATCH), 0);
    lm_buf_init(&buf, 4000);
    page.acked = log_head(&w->node.log, 0);
    lm_feed_pack(&buf, &page);
    give_bytes(w, LM_MSG_FEED, buf.data, buf.len);
    assert_int_equal(count(w, LM_NX_APPLY_FEED), 1);
    give(w, (struct lm_node_event){.kind = LM_NE_FEED_APPLIED}); /* the cursor has not moved */
    assert_false(w->ns.feed_done);
    assert_int_equal(count(w, LM_NX_SEND), 0);
    w->now_ms += LM_PULL_AGAIN_MS;
    give(w, (struct lm_node_event){.kind = LM_NE_TICK});
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_PULL);
    assert_int_equal(w->ns.config.cursor.position, 0);
    lm_buf_free(&buf);
    world_free(w);
}

/* A page that is signed as the hub signs, and not by the hub, is somebody else's. */
static void test_page_of_a_false_hub(void **state)
{
    (void)state;
    for (int bad = 0; bad < 2; bad++) {
        struct world *w = live(0);
        struct lm_msg_feed page = {.session = 9, .branch = 1, .done = true, .has_signature = true};
        struct lm_proof proof = {.incarnation = {1, 5}, .mark = {.position = 3}};
        struct lm_buf buf;

        page.acked = log_head(&w->node.log, 0);
        page.head = proof.mark;
        lm_proof_sign(&proof, world_sign_secret());
        memcpy(page.signature, proof.signature, sizeof page.signature);
        page.head.position += (uint64_t)bad;
        lm_buf_init(&buf, 4000);
        lm_feed_pack(&buf, &page);
        give_bytes(w, LM_MSG_FEED, buf.data, buf.len);
        assert_int_equal(count(w, LM_NX_APPLY_FEED), !bad);
        assert_int_equal(count(w, LM_NX_RESET), bad);
        assert_string_equal(w->ns.status.code, bad ? "hub_unproven" : "syncing");
        lm_buf_free(&buf);
        world_free(w);
    }
}

static void test_odd_messages(void **state)
{
    struct world *w = live(0);

    (void)state;
    give_bytes(w, 99, "x", 1);
    assert_int_equal(count(w, LM_NX_LOG), 1);
    assert_int_equal(w->ns.state, LM_NS_LIVE);
    give_error(w, "busy", "", 20);
    assert_string_equal(w->ns.status.code, "busy");
    w->now_ms += 19000;
    give(w, (struct lm_node_event){.kind = LM_NE_SEND_REFUSED, .refused = {.kind = LM_MSG_PUSH}});
    assert_int_equal(count(w, LM_NX_SEND) + count(w, LM_NX_READ_BATCH), 0);
    w->now_ms += 1000;
    give(w, (struct lm_node_event){.kind = LM_NE_TICK});
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_PULL);
    give_error(w, "hello_first", "", 1);
    assert_int_equal(w->ns.state, LM_NS_HELLO);
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_HELLO);
    give_bytes(w, LM_MSG_WELCOME, "\xc0", 1); /* malformed */
    assert_int_equal(w->ns.state, LM_NS_OFFLINE);
    give(w, (struct lm_node_event){.kind = LM_NE_SYNC_NOW});
    assert_int_equal(find(w, LM_NX_RESET)->reset.delay_ms, 0);
    give(w, (struct lm_node_event){.kind = LM_NE_STOP});
    give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
    assert_int_equal(w->nfx.n, 0);
    assert_int_equal(w->ns.state, LM_NS_STOPPED);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_welcome),
        cmocka_unit_test(test_fresh_socket_while_live),
        cmocka_unit_test(test_barred_until_mended),
        cmocka_unit_test(test_refuses_other_hubs),
        cmocka_unit_test(test_window_and_acks),
        cmocka_unit_test(test_ack_of_another_log),
        cmocka_unit_test(test_fork_when_hub_has_more),
        cmocka_unit_test(test_batch_read_before_rewind),
        cmocka_unit_test(test_welcome_of_an_earlier_hello),
        cmocka_unit_test(test_as_of_follows_hub_time),
        cmocka_unit_test(test_silence_and_refusals),
        cmocka_unit_test(test_store_failures),
        cmocka_unit_test(test_page_of_a_false_hub),
        cmocka_unit_test(test_odd_messages),
    };

    return cmocka_run_group_tests_name("session of the node", tests, NULL, NULL);
}
