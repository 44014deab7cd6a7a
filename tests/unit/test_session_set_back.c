/* A hub whose database was set back, and two hubs of one key (P7): proofs that go round, and the
 * checkpoints by which a node notices. */
#include "session_alone.h"

#include "proto/proof.h"

#include <sodium.h>

static uint8_t hub_secret[LM_SIGN_SECRET_BYTES];

static void hub_key(void)
{
    uint8_t seed[32] = {3}, sign_public[LM_SIGN_PUBLIC_BYTES];

    assert_int_equal(crypto_sign_seed_keypair(sign_public, hub_secret, seed), 0);
}

static struct lm_proof proof_of(uint64_t counter, uint64_t random, uint64_t position)
{
    struct lm_proof proof = {.incarnation = {counter, random}, .mark = {.position = position}};

    memset(proof.mark.hash, (int)position, sizeof(proof.mark.hash));
    lm_proof_sign(&proof, hub_secret);
    return proof;
}

/* HELLO with this proof, and what the journal holds of it. */
static void hub_shown(struct world *w, const struct lm_proof *proof, uint64_t seen, uint64_t common,
                      bool held)
{
    struct lm_hub_now now = {.incarnation = {2, 5}, .sign_secret = hub_secret};
    struct lm_msg_hello m = {
        .protocol_min = 1, .protocol_max = 1, .branch = 1, .program = "t", .proof = *proof};
    struct lm_hub_event ev = {.kind = LM_HE_MESSAGE, .now = &now, .view = &w->view};
    struct lm_buf buf;

    lm_buf_init(&buf, 2000);
    m.seen.position = seen;
    lm_hello_pack(&buf, &m);
    hub_start(w);
    lm_arena_reset(&w->harena);
    ev.message.peer = 1;
    ev.message.kind = LM_MSG_HELLO;
    ev.message.body = buf.data;
    ev.message.n = buf.len;
    ev.message.arena = &w->harena;
    lm_hub_session_step(&w->hs, &ev, &w->hfx);
    lm_buf_free(&buf);
    if (w->hs.state == LM_HS_STORING) {
        struct lm_hub_event stored = {.kind = LM_HE_HELLO_STORED,
                                      .now = &now,
                                      .view = &w->view,
                                      .stored = {true, common, held}};

        lm_hub_session_step(&w->hs, &stored, &w->hfx);
    }
}

static bool hub_welcomed(const struct world *w)
{
    return w->hfx.n > 0 && w->hfx.items[w->hfx.n - 1].kind == LM_HX_SEND &&
           w->hfx.items[w->hfx.n - 1].send.kind == LM_MSG_WELCOME;
}

/* Two hubs of one key: only what the hub itself signed makes it stop; a number in HELLO does not.
 */
static void test_rival_hub_is_told(void **state)
{
    struct world *w = world_new(1);
    struct lm_proof proof = proof_of(3, 1, 9);
    struct lm_msg_error e;

    (void)state;
    hub_shown(w, &proof, 0, 0, false);
    assert_true(hub_did(w, LM_HX_RIVAL));
    assert_int_equal(w->hfx.items[0].rival.counter, 3);
    assert_string_equal(hub_error(w, &e), "rival");
    proof = proof_of(2, 6, 9); /* the same number, begun elsewhere */
    hub_shown(w, &proof, 0, 0, false);
    assert_true(hub_did(w, LM_HX_RIVAL));
    proof.incarnation.random ^= 1; /* not what was signed: somebody's invention */
    hub_shown(w, &proof, 0, 0, false);
    assert_false(hub_did(w, LM_HX_RIVAL));
    assert_true(hub_welcomed(w));
    proof = proof_of(1, 1, 9); /* an earlier one: of course */
    hub_shown(w, &proof, 12, 9, true);
    assert_false(hub_did(w, LM_HX_HUB_BEHIND));
    assert_true(hub_welcomed(w));
    world_free(w);
}

/* A hub whose database was set back without `restore` hears of it, however far its journal has
 * grown since: its head says nothing. */
static void test_hub_learns_that_it_was_set_back(void **state)
{
    struct world *w = world_new(1);
    struct lm_proof proof = proof_of(2, 5, 9);
    struct lm_msg_error e;

    (void)state;
    hub_shown(w, &proof, 9, 0, false);
    assert_true(hub_did(w, LM_HX_HUB_BEHIND));
    assert_true(w->hfx.items[0].behind.proven);
    assert_int_equal(w->hfx.items[0].behind.mark.position, 9);
    assert_string_equal(hub_error(w, &e), "busy"); /* until the new incarnation is there */
    assert_int_equal(w->hs.state, LM_HS_NEW);
    hub_shown(w, &proof, 12, 9, true); /* seen 12, but nobody signed that */
    assert_true(hub_did(w, LM_HX_HUB_BEHIND));
    assert_false(w->hfx.items[0].behind.proven);
    assert_true(hub_welcomed(w));
    hub_shown(w, &proof, 12, 12, true);
    assert_false(hub_did(w, LM_HX_HUB_BEHIND));
    assert_true(hub_welcomed(w));
    world_free(w);
}

/* What WELCOME signs is shown in the next HELLO, and the hub that signed it believes it. */
static void test_proof_goes_round(void **state)
{
    struct world *w = connected(0);
    struct lm_msg_welcome m = welcome_of(w, 1);
    struct lm_proof proof = proof_of(1, 5, 4);

    (void)state;
    m.head = proof.mark;
    memcpy(m.signature, proof.signature, sizeof(m.signature));
    give_welcome(w, &m);
    give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
    assert_int_equal(w->ns.state, LM_NS_LIVE);
    assert_true(lm_proof_verifies(&w->ns.config.proof, hub_secret + 32));
    assert_int_equal(w->ns.config.proof.mark.position, 4);
    world_free(w);
}

/* The journal was set back and has grown past what the node had seen: its head is above, and still
 * the node must notice (sync_gateway #1090). */
static void test_hub_went_back_and_grew(void **state)
{
    struct world *w = connected(0);
    struct lm_msg_welcome m = welcome_of(w, 1);
    struct lm_mark mark = {.position = 5};

    (void)state;
    lm_checkpoints_add(&w->ns.config.checkpoints, &mark, &w->ns.config.cursor, NULL);
    mark.position = 10;
    lm_checkpoints_add(&w->ns.config.checkpoints, &mark, &w->ns.config.cursor, NULL);
    w->ns.config.seen = mark;
    w->ns.hello_seen = 10;
    m.head.position = 20;
    m.common = 5;
    give_welcome(w, &m);
    assert_true(find(w, LM_NX_STORE_WELCOME)->welcome.hub_went_back);
    assert_false(find(w, LM_NX_STORE_WELCOME)->welcome.incarnation_changed);
    give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
    assert_int_equal(w->ns.config.seen.position, 20);
    assert_int_equal(w->ns.config.checkpoints.n, 1);
    world_free(w);
}

/* 1,000 nodes learn of a new incarnation at once: each waits, but who asks for it does not. */
static void test_jitter_after_a_restore(void **state)
{
    int64_t earliest = INT64_MAX, latest = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct world *w = connected(0);
        struct lm_msg_welcome m = welcome_of(w, 1);

        lm_rand_seed(&w->ns.rnd, seed);
        w->ns.config.incarnation = (struct lm_incarnation){1, 5};
        m.incarnation = (struct lm_incarnation){2, 7};
        give_welcome(w, &m);
        give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
        int64_t wait_ms = w->ns.quiet_until_ms - w->now_ms;
        earliest = wait_ms < earliest ? wait_ms : earliest;
        latest = wait_ms > latest ? wait_ms : latest;
        assert_in_range(wait_ms, 0, LM_NODE_INCARNATION_JITTER_MS - 1);
        world_free(w);
    }
    assert_true(earliest < LM_NODE_INCARNATION_JITTER_MS / 10);
    assert_true(latest > LM_NODE_INCARNATION_JITTER_MS * 9 / 10);
}

static void test_checkpoints_kept(void **state)
{
    static struct lm_checkpoints kept;
    uint64_t dropped;

    (void)state;
    for (uint64_t p = 1; p <= 100000; p++) {
        struct lm_mark mark = {.position = p};
        struct lm_cursor cursor = {.position = p};

        lm_checkpoints_add(&kept, &mark, &cursor, &dropped);
        assert_true(kept.n <= LM_CHECKPOINTS_MAX && (dropped == 0) == (p <= LM_CHECKPOINTS_MAX));
    }
    /* The oldest and the newest are there; going back from any place costs at most some more than
     * the way back itself. */
    assert_int_equal(kept.items[0].mark.position, 1);
    assert_int_equal(kept.items[kept.n - 1].mark.position, 100000);
    for (uint64_t back = 1; back <= 50000; back *= 2) {
        uint64_t at = 100000 - back, found = 0;

        for (size_t i = 0; i < kept.n && kept.items[i].mark.position <= at; i++) {
            found = kept.items[i].mark.position;
        }
        assert_true(at - found <= back);
    }
    assert_null(lm_checkpoints_at(&kept, 100001));
    lm_checkpoints_cut(&kept, 1);
    assert_int_equal(kept.n, 1);
    assert_non_null(lm_checkpoints_at(&kept, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rival_hub_is_told),
        cmocka_unit_test(test_hub_learns_that_it_was_set_back),
        cmocka_unit_test(test_proof_goes_round),
        cmocka_unit_test(test_hub_went_back_and_grew),
        cmocka_unit_test(test_jitter_after_a_restore),
        cmocka_unit_test(test_checkpoints_kept),
    };

    hub_key();
    return cmocka_run_group_tests_name("session: a hub set back", tests, NULL, NULL);
}
