/* Rounds of the hub's server: several messages of one replica in one transaction, and what each
 * session is told after its COMMIT. No socket: a peer without a routing id is sent nothing. */
#include "tests/unit/hub_store_world.h"

#include "hub/server.h"

struct fixture {
    struct world *w;
    struct lm_hub hub;
    struct lm_server server;
    struct pc *pc;            /* who speaks … */
    struct lm_hub_peer *peer; /* … and its session */
    struct pc sibling;        /* another PC of village A */
    int64_t as_of_ms;
};

static struct lm_hub_peer *peer_of(struct fixture *f, const struct pc *pc)
{
    struct lm_hub_peer *peer = lm_server_peer(&f->server, pc->replica.number, &err_);

    assert_non_null(peer);
    return peer;
}

static void speak_as(struct fixture *f, struct pc *pc)
{
    f->pc = pc;
    f->peer = peer_of(f, pc);
}

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
    speak_as(f, &f->w->a);
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
    for (size_t i = 0; i < OUTBOX_MAX; i++) {
        lm_buf_free(&f->sibling.outbox[i]);
    }
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
    const struct pc *pc = f->pc;
    struct lm_msg_hello m = {.protocol_min = 1,
                             .protocol_max = 1,
                             .branch = pc->branch,
                             .lease = f->peer->row.lease_issued,
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
    const struct pc *pc = f->pc;
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

/* ---- NEWS ---- */

static void greet_as(struct fixture *f, struct pc *pc)
{
    speak_as(f, pc);
    give_hello(f);
    end_round(f);
    assert_int_equal(f->peer->session.state, LM_HS_LIVE);
}

/* Three PCs in session: two of village A, one of village B. */
static void three(struct fixture *f)
{
    enrol_pc(f->w, &f->sibling, VILLAGE_A, 3);
    lm_store_news_clear(f->w->store); /* of the stations that the setup added */
    greet_as(f, &f->w->b);
    greet_as(f, &f->sibling);
    greet_as(f, &f->w->a);
}

/* Which of a, its sibling and b were sent NEWS since the last look (they pull then): "a", "s", "b".
 */
static const char *told(struct fixture *f, char out[4])
{
    struct pc *const pcs[] = {&f->w->a, &f->sibling, &f->w->b};
    size_t n = 0;

    for (size_t i = 0; i < 3; i++) {
        struct lm_hub_session *s = &peer_of(f, pcs[i])->session;

        if (s->news_sent) {
            out[n++] = "asb"[i];
        }
        s->news_sent = false;
    }
    out[n] = '\0';
    return out;
}

/* P5: what one PC pushed is told to the village's other PC at once, and to nobody else; its author
 * pulls by itself. */
static void test_news_to_the_sibling(void **state)
{
    struct fixture *f = *state;
    char id[40], who[4];

    three(f);
    assert_string_equal(told(f, who), "");
    (void)pc_person(f->w, f->pc, "王建国", 1, id);
    give_push(f, 1, 1);
    end_round(f);
    assert_string_equal(told(f, who), "s");
    give_push(f, 1, 1); /* the same again is no news */
    end_round(f);
    assert_string_equal(told(f, who), "");
}

/* Both PCs of a village in one round: each has news of the other. */
static void test_news_of_two_authors(void **state)
{
    struct fixture *f = *state;
    char id[40], who[4];

    three(f);
    (void)pc_person(f->w, &f->w->a, "王建国", 1, id);
    (void)pc_person(f->w, &f->sibling, "赵秀英", 2, id);
    give_push(f, 1, 1);
    speak_as(f, &f->sibling);
    give_push(f, 1, 1);
    end_round(f);
    assert_string_equal(told(f, who), "as");
}

/* What town staff enter on a village's behalf is told to its PCs, what is of the whole town to all.
 */
static void test_news_of_town_acts(void **state)
{
    struct fixture *f = *state;
    struct lm_act act = {.user = "admin", .type = "person", .station = VILLAGE_A};
    struct lm_act_result made;
    char who[4];
    json_t *fields = person_json("王建国", 1, VILLAGE_A);

    three(f);
    json_object_del(fields, "state");
    act.fields = fields;
    world_begin(f->w);
    OK(lm_store_act(f->w->store, &act, f->w->now, &made, &err_));
    world_commit(f->w);
    lm_server_news(&f->server);
    assert_string_equal(told(f, who), "as");
    json_decref(fields);
    /* A town-wide row: every village sees it. */
    struct lm_station station = {.level = "village"};
    (void)snprintf(station.code, sizeof station.code, "999999101203");
    (void)snprintf(station.name, sizeof station.name, "南溪村");
    world_begin(f->w);
    OK(lm_store_station_add(f->w->store, "admin", &station, f->w->now, &err_));
    world_commit(f->w);
    lm_server_news(&f->server);
    assert_string_equal(told(f, who), "asb");
    lm_server_news(&f->server);
    assert_string_equal(told(f, who), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_divergence_before_gap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_branch_in_the_round_of_hello, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hello_after_push_in_a_round, setup, teardown),
        cmocka_unit_test_setup_teardown(test_news_to_the_sibling, setup, teardown),
        cmocka_unit_test_setup_teardown(test_news_of_two_authors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_news_of_town_acts, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
