/* The catalogue on its way down, in parts: only what was asked for is stored (P12), and only what
 * is in force is given. */
#include "session_alone.h"

static void part_into(struct lm_buf *buf, uint32_t number, uint64_t offset, size_t n)
{
    struct lm_msg_part m = {.number = number, .total = CATALOG_BYTES, .offset = offset, .n = n};

    catalog_hash(number, m.hash);
    m.bytes = catalog_bytes(number) + offset;
    lm_buf_reset(buf);
    lm_part_pack(buf, &m);
}

static void give_part(struct world *w, uint32_t number, uint64_t offset, size_t n)
{
    struct lm_buf buf;

    lm_buf_init(&buf, LM_FRAME_BYTES_MAX);
    part_into(&buf, number, offset, n);
    give_bytes(w, LM_MSG_CATALOG, buf.data, buf.len);
    lm_buf_free(&buf);
}

static size_t asks(const struct world *w, uint64_t *offset)
{
    size_t n = 0;

    for (size_t i = 0; i < w->nfx.n; i++) {
        const struct lm_node_effect *e = &w->nfx.items[i];
        struct lm_msg_ask m;
        struct lm_error err;

        if (e->kind == LM_NX_SEND && e->send.kind == LM_MSG_CATALOG) {
            assert_int_equal(
                lm_ask_read(lm_node_effect_bytes(&w->nfx, e), e->send.len, NULL, &m, &err), LM_OK);
            *offset = m.offset;
            n++;
        }
    }
    return n;
}

static void looked(struct world *w, uint32_t number, enum lm_catalog_outcome outcome,
                   uint64_t offset)
{
    struct lm_node_event ev = {.kind = LM_NE_CATALOG};

    ev.catalog.number = number;
    catalog_hash(number, ev.catalog.hash);
    ev.catalog.outcome = outcome;
    ev.catalog.offset = offset;
    give(w, ev);
}

/* P12: what was not asked for is not stored, whatever a hub sends, and questions end. */
static void test_catalogue_in_parts(void **state)
{
    struct world *w = live(0);
    uint64_t at = 0;

    (void)state;
    give_part(w, 2, 0, 1000); /* bytes out of the blue */
    assert_false(node_did(w, LM_NX_STORE_PART));
    give_part(w, 2, 0, 0);
    assert_true(node_did(w, LM_NX_OFFER));
    give_part(w, 3, 0, 0); /* while the program looks */
    assert_false(node_did(w, LM_NX_OFFER));
    looked(w, 2, LM_CATALOG_ASK, 1000); /* some of it is here */
    assert_int_equal(asks(w, &at), 1);
    assert_int_equal(at, 1000);
    give_part(w, 2, 0, 1000); /* not from there */
    assert_false(node_did(w, LM_NX_STORE_PART));
    give_part(w, 3, 1000, 1000); /* not of that one */
    assert_false(node_did(w, LM_NX_STORE_PART));
    give_part(w, 2, 1000, 2000);
    assert_true(node_did(w, LM_NX_STORE_PART));
    give_part(w, 2, 1000, 2000); /* twice */
    assert_false(node_did(w, LM_NX_STORE_PART));
    looked(w, 2, LM_CATALOG_ASK, 3000);
    assert_int_equal(asks(w, &at), 1);
    assert_int_equal(at, 3000);
    /* Never answered: some questions, then none until the hub speaks of it again. */
    size_t n = 0;
    for (int i = 0; i < 40; i++) {
        w->now_ms += 31000;
        give(w, (struct lm_node_event){.kind = LM_NE_TICK});
        n += asks(w, &at);
        if (w->ns.state != LM_NS_LIVE) {
            break;
        }
    }
    assert_true(n <= LM_NODE_CATALOG_TRIES_MAX);
    world_free(w);
}

static void test_catalogue_is_kept_out_or_taken(void **state)
{
    struct world *w = live(0);
    uint64_t at = 0;

    (void)state;
    give_part(w, 2, 0, 0);
    looked(w, 2, LM_CATALOG_KEPT_OUT, 0);
    assert_int_equal(asks(w, &at), 0);
    give_part(w, 2, 0, 0); /* the hub says it every minute */
    assert_false(node_did(w, LM_NX_OFFER));
    give_part(w, 3, 0, 0);
    assert_true(node_did(w, LM_NX_OFFER));
    looked(w, 3, LM_CATALOG_FAILED, 0); /* the disk's fault: with the next offer */
    assert_int_equal(asks(w, &at), 0);
    give_part(w, 3, 0, 0);
    assert_true(node_did(w, LM_NX_OFFER));
    looked(w, 3, LM_CATALOG_IN_FORCE, 0);
    assert_int_equal(w->ns.state, LM_NS_HELLO); /* the hub must know */
    assert_int_equal(w->ns.config.catalog, 3);
    world_free(w);
}

static void test_hub_gives_what_is_in_force(void **state)
{
    struct world *w = world_new(1);
    struct lm_msg_ask ask = {.number = 2};
    struct lm_msg_part part;
    struct lm_error err;
    struct lm_buf buf;

    (void)state;
    w->catalog = 2;
    world_settle(w); /* it took it */
    assert_int_equal(w->node.catalog, 2);
    lm_buf_init(&buf, 2000);
    for (int i = 0; i < 4; i++) {
        struct lm_hub_event ev = {.kind = LM_HE_MESSAGE};
        const struct lm_hub_effect *e;

        catalog_hash(2, ask.hash);
        ask.number = i == 1 ? 7 : 2; /* one that it has not */
        ask.hash[0] ^= (uint8_t)(i == 2);
        ask.offset = i == 3 ? CATALOG_BYTES : 100; /* beyond its end */
        lm_buf_reset(&buf);
        lm_ask_pack(&buf, &ask);
        lm_arena_reset(&w->harena);
        ev.message.peer = w->hs.peer;
        ev.message.kind = LM_MSG_CATALOG;
        ev.message.body = buf.data;
        ev.message.n = buf.len;
        ev.message.arena = &w->harena;
        struct lm_hub_now now = {.mono_ms = w->now_ms,
                                 .catalog = 2,
                                 .catalog_packed = catalog_bytes(2),
                                 .catalog_packed_len = CATALOG_BYTES};
        catalog_hash(2, now.catalog_hash);
        ev.now = &now;
        ev.view = &w->view;
        lm_hub_session_step(&w->hs, &ev, &w->hfx);
        assert_int_equal(w->hfx.n, 1);
        e = &w->hfx.items[0];
        assert_int_equal(e->send.kind, LM_MSG_CATALOG);
        assert_int_equal(
            lm_part_read(lm_hub_effect_bytes(&w->hfx, e), e->send.len, &w->harena, &part, &err),
            LM_OK);
        assert_int_equal(part.number, 2);
        assert_int_equal(part.n, i == 0 ? LM_CATALOG_PART_BYTES_MAX : 0);
        assert_int_equal(part.offset, i == 0 ? 100 : 0);
    }
    lm_buf_free(&buf);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_catalogue_in_parts),
        cmocka_unit_test(test_catalogue_is_kept_out_or_taken),
        cmocka_unit_test(test_hub_gives_what_is_in_force),
    };

    return cmocka_run_group_tests_name("session: the catalogue", tests, NULL, NULL);
}
