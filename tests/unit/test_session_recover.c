/* RECOVER in the two sessions: who may offer (P11), what is answered when, and that nothing else
 * waits for it (P4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/hub_session.h"
#include "proto/node_session.h"
#include "proto/proof.h"

#include <sodium.h>
#include <string.h>

#define ID_A "01932f00-1111-7222-8333-444444444444"
#define ID_B "01932f00-5555-7666-8777-888888888888"

static uint8_t secret[LM_SIGN_SECRET_BYTES];

static struct lm_proof proof_of(uint64_t counter)
{
    struct lm_proof proof = {.incarnation = {counter, 5}, .mark = {.position = 9}};

    lm_proof_sign(&proof, secret);
    return proof;
}

/* ---- the hub ---- */

struct hub {
    struct lm_hub_session s;
    struct lm_hub_effects fx;
    struct lm_arena arena;
    struct lm_hub_now now;
    struct lm_replica_view view;
};

static void hub_step(struct hub *h, struct lm_hub_event *ev)
{
    ev->now = &h->now;
    ev->view = &h->view;
    lm_hub_session_step(&h->s, ev, &h->fx);
}

static void hub_message(struct hub *h, uint8_t kind, const struct lm_buf *body)
{
    struct lm_hub_event ev = {.kind = LM_HE_MESSAGE};

    ev.message.peer = 1;
    ev.message.kind = kind;
    ev.message.body = body->data;
    ev.message.n = body->len;
    ev.message.arena = &h->arena;
    hub_step(h, &ev);
}

static void hub_open(struct hub *h)
{
    struct lm_msg_hello hello = {
        .protocol_min = 1, .protocol_max = 1, .branch = 1, .program = "t", .proof = proof_of(1)};
    struct lm_hub_event stored = {.kind = LM_HE_HELLO_STORED,
                                  .stored = {.ok = true, .proof_held = true}};
    struct lm_buf body;

    memset(h, 0, sizeof *h);
    h->now.incarnation = (struct lm_incarnation){2, 5};
    h->now.sign_secret = secret;
    lm_hub_effects_init(&h->fx);
    lm_arena_init(&h->arena, 1024 * 1024);
    lm_hub_session_init(&h->s, 7, 1);
    lm_buf_init(&body, LM_FRAME_BYTES_MAX);
    lm_hello_pack(&body, &hello);
    hub_message(h, LM_MSG_HELLO, &body);
    hub_step(h, &stored);
    assert_int_equal(h->s.state, LM_HS_LIVE);
    lm_buf_free(&body);
}

static void hub_close(struct hub *h)
{
    lm_hub_effects_free(&h->fx);
    lm_arena_free(&h->arena);
}

static const struct lm_hub_effect *hub_find(const struct hub *h, enum lm_hub_effect_kind kind)
{
    for (size_t i = 0; i < h->fx.n; i++) {
        if (h->fx.items[i].kind == kind) {
            return &h->fx.items[i];
        }
    }
    return NULL;
}

static void hub_offered(struct hub *h, struct lm_proof proof, uint64_t session)
{
    struct lm_offer item = {.id = ID_A, .body = (const uint8_t *)"x", .len = 1};
    struct lm_msg_offer m = {.session = session, .proof = proof, .items = &item, .n = 1};
    struct lm_buf body;

    lm_buf_init(&body, LM_FRAME_BYTES_MAX);
    lm_offer_pack(&body, &m);
    lm_arena_reset(&h->arena);
    hub_message(h, LM_MSG_RECOVER, &body);
    lm_buf_free(&body);
}

static void only_with_a_proof_of_an_earlier_history(void **state)
{
    struct hub h;
    struct lm_proof forged = proof_of(1);
    struct lm_hub_event done = {.kind = LM_HE_RECOVERED, .recovered = {.ok = true, .id = ID_A}};
    const struct lm_hub_effect *e;

    (void)state;
    hub_open(&h);
    forged.mark.position++;
    hub_offered(&h, forged, h.s.session);
    assert_null(hub_find(&h, LM_HX_STORE_OFFER));
    hub_offered(&h, (struct lm_proof){0}, h.s.session);
    assert_null(hub_find(&h, LM_HX_STORE_OFFER));
    hub_offered(&h, proof_of(2), h.s.session); /* of the history that stands */
    assert_null(hub_find(&h, LM_HX_STORE_OFFER));
    hub_offered(&h, proof_of(1), h.s.session + 1);
    assert_null(hub_find(&h, LM_HX_STORE_OFFER));
    h.now.read_only = true;
    hub_offered(&h, proof_of(1), h.s.session);
    assert_null(hub_find(&h, LM_HX_STORE_OFFER));
    h.now.read_only = false;
    hub_offered(&h, proof_of(1), h.s.session);
    assert_non_null(hub_find(&h, LM_HX_STORE_OFFER));
    hub_offered(&h, proof_of(1), h.s.session); /* P12: one at a time */
    assert_null(hub_find(&h, LM_HX_STORE_OFFER));
    hub_step(&h, &done);
    e = hub_find(&h, LM_HX_SEND);
    assert_non_null(e);
    assert_int_equal(e->send.kind, LM_MSG_RECOVER);
    hub_offered(&h, proof_of(1), h.s.session);
    done.recovered.ok = false; /* too much waits: no answer, and the next try is taken */
    hub_step(&h, &done);
    assert_null(hub_find(&h, LM_HX_SEND));
    hub_offered(&h, proof_of(1), h.s.session);
    assert_non_null(hub_find(&h, LM_HX_STORE_OFFER));
    hub_close(&h);
}

/* ---- the node ---- */

struct node {
    struct lm_node_session s;
    struct lm_node_effects fx;
    struct lm_arena arena;
    int64_t now_ms;
};

static void give(struct node *n, struct lm_node_event ev)
{
    ev.mono_ms = n->now_ms;
    ev.wall_ms = 1790000000000 + n->now_ms;
    lm_node_session_step(&n->s, &ev, &n->fx);
}

static const struct lm_node_effect *find(const struct node *n, enum lm_node_effect_kind kind)
{
    for (size_t i = 0; i < n->fx.n; i++) {
        if (n->fx.items[i].kind == kind) {
            return &n->fx.items[i];
        }
    }
    return NULL;
}

static const struct lm_node_effect *sent(const struct node *n, uint8_t kind)
{
    for (size_t i = 0; i < n->fx.n; i++) {
        if (n->fx.items[i].kind == LM_NX_SEND && n->fx.items[i].send.kind == kind) {
            return &n->fx.items[i];
        }
    }
    return NULL;
}

static void message(struct node *n, uint8_t kind, const struct lm_buf *body)
{
    struct lm_node_event ev = {.kind = LM_NE_MESSAGE};

    lm_arena_reset(&n->arena);
    ev.message.kind = kind;
    ev.message.body = body->data;
    ev.message.n = body->len;
    ev.message.arena = &n->arena;
    give(n, ev);
}

static void answer(struct node *n, const char *id)
{
    struct lm_msg_offered m = {.session = n->s.session};
    struct lm_buf body;

    memcpy(m.id, id, strlen(id) + 1);
    lm_buf_init(&body, 1024);
    lm_offered_pack(&body, &m);
    message(n, LM_MSG_RECOVER, &body);
    lm_buf_free(&body);
}

static void node_open(struct node *n, bool offers)
{
    struct lm_node_config config = {.replica = 7, .program = "t", .seed = 1, .branch = 1};
    struct lm_msg_welcome w = {.protocol = 1,
                               .session = 3,
                               .incarnation = {2, 5},
                               .branch = 1,
                               .lease = {1, 2},
                               .hub_time_ms = 1790000000000,
                               .credit = 4};
    struct lm_node_event stored = {.kind = LM_NE_WELCOME_STORED};
    struct lm_proof proof;
    struct lm_buf body;

    memset(n, 0, sizeof *n);
    n->now_ms = 1000;
    lm_node_effects_init(&n->fx);
    lm_arena_init(&n->arena, 1024 * 1024);
    memcpy(config.hub_sign_key, secret + LM_SIGN_SECRET_BYTES - LM_SIGN_PUBLIC_BYTES,
           sizeof config.hub_sign_key);
    lm_node_session_init(&n->s, &config);
    give(n, (struct lm_node_event){.kind = LM_NE_CONNECTED});
    lm_chain_start(7, 1, w.acked.hash);
    lm_buf_init(&body, LM_FRAME_BYTES_MAX);
    proof = lm_proof_of(&w);
    lm_proof_sign(&proof, secret);
    memcpy(w.signature, proof.signature, sizeof w.signature);
    lm_welcome_pack(&body, &w);
    message(n, LM_MSG_WELCOME, &body);
    stored.stored.offers = offers;
    give(n, stored);
    assert_int_equal(n->s.state, LM_NS_LIVE);
    lm_buf_free(&body);
}

static void node_close(struct node *n)
{
    lm_node_effects_free(&n->fx);
    lm_arena_free(&n->arena);
}

static void offers_read(struct node *n, size_t count)
{
    static struct lm_offer items[2] = {{.id = ID_A, .body = (const uint8_t *)"x", .len = 1},
                                       {.id = ID_B, .body = (const uint8_t *)"y", .len = 1}};
    struct lm_node_event ev = {.kind = LM_NE_OFFERS};

    ev.offers.proof = proof_of(1);
    ev.offers.items = items;
    ev.offers.n = count;
    give(n, ev);
}

static void offered_until_the_hub_has_it(void **state)
{
    struct node n;

    (void)state;
    node_open(&n, false);
    assert_null(find(&n, LM_NX_READ_OFFERS)); /* nothing set aside: nothing is asked */
    node_close(&n);
    node_open(&n, true);
    assert_non_null(find(&n, LM_NX_READ_OFFERS));
    assert_non_null(sent(&n, LM_MSG_PULL)); /* the rest goes on beside it */
    offers_read(&n, 2);
    assert_non_null(sent(&n, LM_MSG_RECOVER));
    answer(&n, "01ffffff-0000-7000-8000-000000000000"); /* beyond what was offered */
    assert_null(find(&n, LM_NX_DROP_OFFERS));
    answer(&n, ID_B);
    assert_string_equal(find(&n, LM_NX_DROP_OFFERS)->offered->id, ID_B);
    assert_non_null(find(&n, LM_NX_READ_OFFERS));
    answer(&n, ID_B); /* a late copy */
    assert_null(find(&n, LM_NX_DROP_OFFERS));
    offers_read(&n, 0);
    n.now_ms += 3600000;
    give(&n, (struct lm_node_event){.kind = LM_NE_TICK});
    assert_null(find(&n, LM_NX_READ_OFFERS));
    node_close(&n);
}

static void asked_ever_more_rarely(void **state)
{
    struct node n;
    int64_t waits[8], since;

    (void)state;
    node_open(&n, true);
    for (int i = 0; i < 8; i++) {
        offers_read(&n, 1);
        assert_non_null(sent(&n, LM_MSG_RECOVER));
        since = n.now_ms;
        for (int t = 0; t < 2000; t++) {
            struct lm_buf news;
            struct lm_msg_news m = {.position = 1};

            n.now_ms += 1000;
            lm_buf_init(&news, 64); /* the hub is there: it only does not answer this */
            lm_news_pack(&news, &m);
            message(&n, LM_MSG_NEWS, &news);
            lm_buf_free(&news);
            if (find(&n, LM_NX_READ_OFFERS)) {
                break;
            }
        }
        waits[i] = n.now_ms - since;
    }
    assert_int_equal(waits[0], LM_NODE_OFFER_WAIT_MS);
    assert_int_equal(waits[1], 2 * LM_NODE_OFFER_WAIT_MS);
    assert_int_equal(waits[7], LM_NODE_OFFER_WAIT_MAX_MS);
    node_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_with_a_proof_of_an_earlier_history),
        cmocka_unit_test(offered_until_the_hub_has_it),
        cmocka_unit_test(asked_ever_more_rarely),
    };
    uint8_t seed[32] = {1}, sign_public[LM_SIGN_PUBLIC_BYTES];

    if (sodium_init() < 0 || crypto_sign_seed_keypair(sign_public, secret, seed) != 0) {
        return 1;
    }
    return cmocka_run_group_tests_name("recover sessions", tests, NULL, NULL);
}
