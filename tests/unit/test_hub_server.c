/* Rounds of the hub's server: several messages of one replica in one transaction, and what each
 * session is told after its COMMIT. No socket: a peer without a routing id is sent nothing. */
#include "tests/unit/hub_store_world.h"

#include "hub/server.h"

struct fixture {
    struct world *w;
    struct lm_hub hub;
    struct lm_server server;
    struct lm_hub_peer *peer;
    int64_t as_of_ms;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    void *world = NULL;

    assert_non_null(f);
    assert_int_equal(world_setup(&world), 0);
    f->w = world;
    f->hub.store = f->w->store;
    f->hub.catalog = f->w->catalog;
    f->server.hub = &f->hub;
    lm_rand_seed(&f->server.rnd, 7);
    lm_hub_effects_init(&f->server.fx);
    lm_arena_init(&f->server.message_arena, 16 * 1024 * 1024);
    lm_arena_init(&f->server.read_arena, 64 * 1024 * 1024);
    lm_arena_init(&f->server.round_arena, 64 * 1024 * 1024);
    f->server.peers = calloc(LM_PEERS_MAX, sizeof *f->server.peers);
    assert_non_null(f->server.peers);
    f->peer = lm_server_peer(&f->server, f->w->a.replica.number, &err_);
    assert_non_null(f->peer);
    f->as_of_ms = lm_clock_wall_ms() - 5000;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    void *world = f->w;

    for (size_t i = 0; i < f->server.n_peers; i++) {
        free(f->server.peers[i]);
    }
    free(f->server.peers);
    lm_hub_effects_free(&f->server.fx);
    lm_arena_free(&f->server.message_arena);
    lm_arena_free(&f->server.read_arena);
    lm_arena_free(&f->server.round_arena);
    (void)world_teardown(&world);
    free(f);
    return 0;
}

static void give(struct fixture *f, uint8_t kind, struct lm_buf *body)
{
    const struct lm_peer nobody = {.n = 0};
    struct lm_hub_event event = {.kind = LM_HE_MESSAGE};

    assert_int_equal(body->status, LM_OK);
    lm_arena_reset(&f->server.message_arena);
    event.message.peer = 1;
    event.message.kind = kind;
    event.message.body = body->data;
    event.message.n = body->len;
    event.message.arena = &f->server.message_arena;
    lm_server_step(&f->server, f->peer, &event, &nobody);
    lm_buf_free(body);
}

static void give_hello(struct fixture *f)
{
    const struct pc *pc = &f->w->a;
    struct lm_msg_hello m = {.protocol_min = 1,
                             .protocol_max = 1,
                             .branch = pc->branch,
                             .lease = f->peer->row.lease_issued,
                             .incarnation = lm_store_town(f->w->store)->incarnation,
                             .wall_ms = lm_clock_wall_ms(),
                             .program = "test"};
    struct lm_buf body;

    m.head.seq = pc->n;
    chain_at(pc, pc->n, m.head.hash);
    lm_buf_init(&body, LM_FRAME_BYTES_MAX);
    lm_hello_pack(&body, &m);
    give(f, LM_MSG_HELLO, &body);
}

static void give_push(struct fixture *f, uint64_t first, uint64_t last)
{
    const struct pc *pc = &f->w->a;
    struct lm_msg_push m = {.branch = pc->branch, .first_seq = first, .as_of_ms = f->as_of_ms};
    struct lm_batch batch;
    struct lm_buf packed, body;

    lm_batch_init(&batch);
    lm_buf_init(&packed, LM_FRAME_BYTES_MAX);
    for (uint64_t seq = first; seq <= last; seq++) {
        assert_true(lm_batch_add(&batch, pc->outbox[seq - 1].data, pc->outbox[seq - 1].len));
    }
    OK(lm_batch_pack(&batch, &packed));
    chain_at(pc, first - 1, m.before);
    m.count = batch.count;
    m.raw_bytes = (uint32_t)batch.raw.len;
    m.packed = packed.data;
    m.packed_len = packed.len;
    m.head.seq = pc->n;
    chain_at(pc, pc->n, m.head.hash);
    lm_buf_init(&body, LM_FRAME_BYTES_MAX);
    lm_push_pack(&body, &m);
    lm_buf_free(&packed);
    lm_batch_free(&batch);
    give(f, LM_MSG_PUSH, &body);
}

static void end_round(struct fixture *f)
{
    lm_server_end_round(&f->server);
    assert_false(f->server.failed);
    assert_false(f->server.in_round);
}

/* Three changes pushed and acked; then seq 3 becomes another change: the PC was set back. */
static void diverge(struct fixture *f)
{
    struct pc *pc = &f->w->a;
    char id[40];

    give_hello(f);
    end_round(f);
    assert_int_equal(f->peer->session.state, LM_HS_LIVE);
    for (int i = 1; i <= 3; i++) {
        (void)pc_person(f->w, pc, "王建国", i, id);
    }
    give_push(f, 1, 3);
    end_round(f);
    assert_int_equal(f->peer->session.acked.seq, 3);
    lm_buf_free(&pc->outbox[2]);
    pc->n = 2;
    for (int i = 4; i <= 6; i++) {
        (void)pc_person(f->w, pc, "赵秀英", i, id);
    }
}

/* The gap behind a divergence is its consequence: told of the gap alone, the PC would send the same
 * again for ever. */
static void test_divergence_before_gap(void **state)
{
    struct fixture *f = *state;

    diverge(f);
    give_push(f, 4, 4);
    give_push(f, 5, 5);
    end_round(f);
    assert_int_equal(f->peer->session.state, LM_HS_NEW);
}

/* What came of a closed branch says nothing about the one that HELLO opened meanwhile. */
static void test_old_branch_in_the_round_of_hello(void **state)
{
    struct fixture *f = *state;

    diverge(f);
    give_push(f, 4, 4);
    f->w->a.branch = 2;
    give_hello(f);
    end_round(f);
    assert_int_equal(f->peer->session.state, LM_HS_LIVE);
    assert_int_equal(f->peer->session.branch, 2);
    give_push(f, 1, 5);
    end_round(f);
    assert_int_equal(f->peer->session.acked.seq, 5);
}

/* HELLO is stored over what a PUSH of the same round has written, not over what was there before.
 */
static void test_hello_after_push_in_a_round(void **state)
{
    struct fixture *f = *state;
    struct lm_replica row;
    char id[40];

    give_hello(f);
    end_round(f);
    (void)pc_person(f->w, &f->w->a, "王建国", 1, id);
    give_push(f, 1, 1);
    (void)pc_person(f->w, &f->w->a, "赵秀英", 2, id);
    give_hello(f);
    end_round(f);
    OK(lm_store_replica_get(f->w->store, f->w->a.replica.number, &row));
    assert_int_equal(row.acked.seq, 1);
    assert_int_equal(row.head.seq, 2);
    assert_int_equal(row.as_of_ms, f->as_of_ms);
    assert_int_equal(row.complete_ms, f->as_of_ms);
    assert_int_equal(f->peer->session.state, LM_HS_LIVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_divergence_before_gap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_branch_in_the_round_of_hello, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hello_after_push_in_a_round, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
