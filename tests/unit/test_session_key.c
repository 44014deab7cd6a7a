/* Change of the hub's key: what the hub says of its keys, what a node pins of it, and what it does
 * not believe (PROTOCOL.md "Change of the hub's key"; P11). */
#include "session_alone.h"

#include "proto/proof.h"
#include "proto/version.h"

#include <sodium.h>

static uint8_t sign_secret[LM_SIGN_SECRET_BYTES], sign_public[LM_SIGN_PUBLIC_BYTES],
    other_secret[LM_SIGN_SECRET_BYTES];
static const uint8_t one[32] = {1}, two[32] = {2}, three[32] = {3};

static int group_setup(void **state)
{
    uint8_t seed[32] = {3}, other_public[LM_SIGN_PUBLIC_BYTES];

    (void)state;
    if (sodium_init() < 0 || crypto_sign_seed_keypair(sign_public, sign_secret, seed) != 0) {
        return -1;
    }
    seed[0] = 4;
    return crypto_sign_seed_keypair(other_public, other_secret, seed);
}

/* ---- the node ---- */

/* A node that pins these and has said HELLO over a socket under the first or the second. */
static struct world *pinned(const uint8_t *first, const uint8_t *second, bool under_second)
{
    struct world *w = world_new(1);
    struct lm_node_event ev = {.kind = LM_NE_CONNECTED, .connected.second = under_second};

    node_start(w);
    memcpy(w->ns.config.hub_sign_key, sign_public, sizeof sign_public);
    memcpy(w->ns.config.pins.first, first, 32);
    w->ns.config.pins.has_second = second != NULL;
    if (second) {
        memcpy(w->ns.config.pins.second, second, 32);
    }
    give(w, ev);
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_HELLO);
    return w;
}

/* The hub's word under `key`, with what follows it. */
static struct lm_msg_welcome word(const struct world *w, const uint8_t *key, const uint8_t *next,
                                  const uint8_t *secret)
{
    struct lm_msg_welcome m = welcome_of(w, 1);

    m.protocol = LM_PROTOCOL_KEYS;
    m.keys.has_next = next != NULL;
    if (next) {
        memcpy(m.keys.next, next, 32);
    }
    lm_key_word_sign(&m.keys, key, secret);
    return m;
}

static void refused(struct world *w, const struct lm_msg_welcome *m, const char *code)
{
    struct lm_hub_pins before = w->ns.config.pins;

    give_welcome(w, m);
    assert_true(node_did(w, LM_NX_RESET));
    assert_false(node_did(w, LM_NX_STORE_WELCOME));
    assert_false(node_did(w, LM_NX_SEND));
    assert_string_equal(w->ns.status.code, code);
    assert_memory_equal(&before, &w->ns.config.pins, sizeof before);
    world_free(w);
}

static const struct lm_msg_key *said_key(struct world *w)
{
    static struct lm_msg_key m;
    struct lm_error err;

    for (size_t i = 0; i < w->nfx.n; i++) {
        const struct lm_node_effect *e = &w->nfx.items[i];

        if (e->kind == LM_NX_SEND && e->send.kind == LM_MSG_KEY) {
            assert_int_equal(
                lm_key_read(lm_node_effect_bytes(&w->nfx, e), e->send.len, &w->narena, &m, &err),
                LM_OK);
            return &m;
        }
    }
    return NULL;
}

static void test_next_key_is_pinned_and_told(void **state)
{
    struct world *w = pinned(one, NULL, false);
    struct lm_msg_welcome m = word(w, one, two, sign_secret);
    const struct lm_node_effect *e;

    (void)state;
    give_welcome(w, &m);
    e = find(w, LM_NX_STORE_WELCOME);
    assert_non_null(e->welcome.pins);
    assert_false(e->welcome.switched);
    assert_memory_equal(e->welcome.pins->first, one, 32);
    assert_true(e->welcome.pins->has_second);
    assert_memory_equal(e->welcome.pins->second, two, 32);
    assert_null(said_key(w)); /* not before it is durable */
    give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
    assert_non_null(said_key(w));
    assert_memory_equal(said_key(w)->key, two, 32);
    assert_int_equal(said_key(w)->session, 9);
    /* The transport did not take it: said again. Then no more. */
    give(w, (struct lm_node_event){.kind = LM_NE_SEND_REFUSED, .refused.kind = LM_MSG_KEY});
    assert_null(said_key(w));
    w->now_ms += LM_NODE_REFUSED_MS;
    give(w, (struct lm_node_event){.kind = LM_NE_TICK});
    assert_non_null(said_key(w));
    w->now_ms += LM_NODE_REFUSED_MS;
    give(w, (struct lm_node_event){.kind = LM_NE_TICK});
    assert_null(said_key(w));
    world_free(w);
}

/* The same word again writes nothing; another next key takes the place of one that was withdrawn;
 * none leaves what is pinned, which opens nothing by itself. */
static void test_words_of_the_present_key(void **state)
{
    struct {
        const uint8_t *pinned, *said, *then;
        bool changed, told;
    } cases[] = {{two, two, two, false, true},
                 {two, three, three, true, true},
                 {two, NULL, two, false, false},
                 {NULL, NULL, NULL, false, false},
                 {NULL, one, NULL, false, false}}; /* itself is no next key */

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world *w = pinned(one, cases[i].pinned, false);
        struct lm_msg_welcome m = word(w, one, cases[i].said, sign_secret);

        give_welcome(w, &m);
        assert_int_equal(find(w, LM_NX_STORE_WELCOME)->welcome.pins != NULL, cases[i].changed);
        give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
        assert_int_equal(w->ns.config.pins.has_second, cases[i].then != NULL);
        if (cases[i].then) {
            assert_memory_equal(w->ns.config.pins.second, cases[i].then, 32);
        }
        assert_int_equal(said_key(w) != NULL, cases[i].told);
        world_free(w);
    }
}

static void test_false_words_move_nothing(void **state)
{
    struct world *w = pinned(one, NULL, false);
    struct lm_msg_welcome m = word(w, one, two, other_secret);

    (void)state;
    refused(w, &m, "bad_answer"); /* another signer: who has the CURVE secret alone */
    w = pinned(one, NULL, false);
    m = word(w, one, two, sign_secret);
    m.keys.next[5] ^= 1; /* changed after it was signed */
    refused(w, &m, "bad_answer");
    w = pinned(one, NULL, false);
    m = word(w, three, two, sign_secret); /* of another key's session */
    refused(w, &m, "bad_answer");
}

/* Under the second key nothing counts before the hub has said that it is in force. */
static void test_switch(void **state)
{
    struct world *w = pinned(one, two, true);
    struct lm_msg_welcome m = welcome_of(w, 1);
    const struct lm_node_effect *e;

    (void)state;
    refused(w, &m, "key_unproven"); /* protocol 1 says nothing of keys */
    w = pinned(one, two, true);
    m = word(w, one, two, sign_secret); /* the announcement, which every node has read */
    refused(w, &m, "key_unproven");
    w = pinned(one, two, true);
    m = word(w, two, NULL, other_secret);
    refused(w, &m, "key_unproven");

    w = pinned(one, two, true);
    m = word(w, two, NULL, sign_secret);
    give_welcome(w, &m);
    e = find(w, LM_NX_STORE_WELCOME);
    assert_true(e->welcome.switched);
    assert_memory_equal(e->welcome.pins->first, two, 32);
    assert_false(e->welcome.pins->has_second);
    give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
    assert_int_equal(w->ns.state, LM_NS_LIVE);
    world_free(w);

    w = pinned(one, two, true); /* nor does any other message of whoever has it */
    give_error(w, "rolled_back", "branch=42949672950", 0);
    assert_true(node_did(w, LM_NX_RESET));
    assert_false(node_did(w, LM_NX_FORK));
    assert_false(node_did(w, LM_NX_SEND));
    assert_string_equal(w->ns.status.code, "key_unproven");
    world_free(w);

    w = pinned(one, two, true); /* and the one after is announced in the same breath */
    m = word(w, two, three, sign_secret);
    give_welcome(w, &m);
    assert_memory_equal(find(w, LM_NX_STORE_WELCOME)->welcome.pins->first, two, 32);
    give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
    assert_memory_equal(said_key(w)->key, three, 32);
    world_free(w);
}

/* Who stole the former key, signed words of its time and all, has nothing for a node that switched.
 */
static void test_former_key_after_the_switch(void **state)
{
    struct world *w = pinned(two, NULL, false);
    struct lm_msg_welcome m = word(w, one, two, sign_secret);

    (void)state;
    refused(w, &m, "bad_answer");
    w = pinned(two, NULL, false);
    m = word(w, one, NULL, sign_secret);
    refused(w, &m, "bad_answer");
    w = pinned(two, NULL, true); /* a socket under a second key that is not there */
    m = word(w, two, NULL, sign_secret);
    refused(w, &m, "key_unproven");
}

/* A former key, its words of then and all: whoever has it can greet a node that still pins it. What
 * WELCOME says of the hub's history is signed by a key that he has not, in protocol 1 as well. */
static void test_history_without_proof(void **state)
{
    const uint8_t *secrets[] = {other_secret, sign_secret, sign_secret, sign_secret};

    (void)state;
    for (int i = 0; i < 8; i++) {
        struct world *w = pinned(one, NULL, false);
        struct lm_msg_welcome m = word(w, one, NULL, sign_secret);
        struct lm_proof proof;

        m.protocol = i < 4 ? LM_PROTOCOL_KEYS : LM_PROTOCOL_MIN;
        m.head.position = 9;
        proof = lm_proof_of(&m);
        lm_proof_sign(&proof, secrets[i % 4]);
        memcpy(m.signature, proof.signature, sizeof m.signature);
        m.incarnation.counter += i % 4 == 1; /* a true one, of another moment */
        m.incarnation.random += i % 4 == 2;
        m.head.position += i % 4 == 3;
        refused(w, &m, "hub_unproven");
    }
}

/* Numbers at the end of their range, whoever signed them: from there no higher one is left. */
static void test_numbers_out_of_range(void **state)
{
    const uint64_t far = (uint64_t)1 << 62;

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct world *w = pinned(one, NULL, false);
        struct lm_msg_welcome m = word(w, one, NULL, sign_secret);

        m.lease.counter = i == 0 ? far : 1;
        m.hlc_known = i == 1 ? LM_HLC_TOP : 0;
        m.head.position = i == 2 ? far : 0;
        m.incarnation.counter = i == 3 ? far : 1;
        m.common = i == 4 ? far : 0;
        refused(w, &m, "bad_answer");
    }
}

/* What the store could not take is given with the next WELCOME: a pin is not forgotten. */
static void test_pins_survive_a_failed_store(void **state)
{
    struct world *w = pinned(one, two, true);
    struct lm_msg_welcome m = word(w, two, NULL, sign_secret);

    (void)state;
    give_welcome(w, &m);
    give(w, (struct lm_node_event){.kind = LM_NE_FAILED});
    assert_true(node_did(w, LM_NX_RESET));
    give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
    give_welcome(w, &m);
    assert_non_null(find(w, LM_NX_STORE_WELCOME)->welcome.pins);
    assert_true(find(w, LM_NX_STORE_WELCOME)->welcome.switched);
    world_free(w);
}

/* ---- the bytes ---- */

static enum lm_status read_welcome(const struct lm_buf *buf)
{
    struct lm_arena arena;
    struct lm_msg_welcome m;
    struct lm_error err;
    enum lm_status st;

    lm_arena_init(&arena, 10000);
    st = lm_welcome_read(buf->data, buf->len, &arena, &m, &err);
    lm_arena_free(&arena);
    return st;
}

static void test_bytes(void **state)
{
    struct world *w = pinned(one, NULL, false);
    struct lm_msg_welcome m = word(w, one, two, sign_secret);
    struct lm_buf buf;

    (void)state;
    lm_buf_init(&buf, 1000);
    lm_welcome_pack(&buf, &m);
    assert_int_equal(read_welcome(&buf), LM_OK);
    assert_int_equal(buf.data[2], 17);
    buf.data[3] = 1; /* protocol 1 has 16 elements */
    assert_int_equal(read_welcome(&buf), LM_ERR_INVALID);
    buf.data[3] = 2;
    assert_int_equal(buf.data[buf.len - 66 - 34 - 1], 0x92);
    buf.data[buf.len - 66 - 34 - 1] = 0x93; /* keys of three */
    assert_int_equal(read_welcome(&buf), LM_ERR_INVALID);
    lm_buf_reset(&buf);
    m.protocol = 1;
    lm_welcome_pack(&buf, &m);
    assert_int_equal(read_welcome(&buf), LM_OK);
    assert_int_equal(buf.data[2], 16);
    buf.data[3] = 2; /* protocol 2 has 17 */
    assert_int_equal(read_welcome(&buf), LM_ERR_INVALID);
    /* A key of another length. */
    for (size_t n = 31; n <= 33; n++) {
        struct lm_msg_key key;
        struct lm_error err;
        uint8_t bytes[40] = {0x92, 9, 0xc4, (uint8_t)n};

        assert_int_equal(lm_key_read(bytes, 4 + n, &w->narena, &key, &err),
                         n == 32 ? LM_OK : LM_ERR_INVALID);
    }
    lm_buf_free(&buf);
    world_free(w);
}

/* ---- the hub ---- */

static struct lm_hub_now now_of(const uint8_t *key, const uint8_t *next)
{
    return (struct lm_hub_now){.incarnation = {1, 5},
                               .hub_time_ms = HUB_EPOCH_MS,
                               .sign_secret = sign_secret,
                               .line_key = key,
                               .next_key = next};
}

/* HELLO of a node that speaks up to this protocol; the hub's WELCOME, read. */
static struct lm_msg_welcome greeted(struct world *w, const struct lm_hub_now *now, uint64_t max)
{
    struct lm_msg_hello hello = {
        .protocol_min = 1, .protocol_max = max, .branch = 1, .program = "t"};
    struct lm_hub_event ev = {.kind = LM_HE_MESSAGE, .now = now, .view = &w->view};
    const struct lm_hub_event stored = {
        .kind = LM_HE_HELLO_STORED, .now = now, .view = &w->view, .stored.ok = true};
    struct lm_msg_welcome m;
    struct lm_error err;
    struct lm_buf buf;
    const struct lm_hub_effect *e;

    lm_buf_init(&buf, 2000);
    lm_hello_pack(&buf, &hello);
    hub_start(w);
    lm_arena_reset(&w->harena);
    ev.message.peer = 1;
    ev.message.kind = LM_MSG_HELLO;
    ev.message.body = buf.data;
    ev.message.n = buf.len;
    ev.message.arena = &w->harena;
    lm_hub_session_step(&w->hs, &ev, &w->hfx);
    assert_true(hub_did(w, LM_HX_STORE_HELLO));
    lm_hub_session_step(&w->hs, &stored, &w->hfx);
    e = &w->hfx.items[w->hfx.n - 1];
    assert_int_equal(e->send.kind, LM_MSG_WELCOME);
    assert_int_equal(
        lm_welcome_read(lm_hub_effect_bytes(&w->hfx, e), e->send.len, &w->harena, &m, &err), LM_OK);
    lm_buf_free(&buf);
    return m;
}

static void test_hub_says_its_keys(void **state)
{
    struct world *w = world_new(1);
    struct lm_hub_now now = now_of(one, two);
    struct lm_msg_welcome m = greeted(w, &now, LM_PROTOCOL_MAX);

    (void)state;
    assert_int_equal(m.protocol, LM_PROTOCOL_KEYS);
    assert_true(m.keys.has_next);
    assert_memory_equal(m.keys.next, two, 32);
    assert_true(lm_key_word_verifies(&m.keys, one, sign_public));
    assert_false(lm_key_word_verifies(&m.keys, two, sign_public));
    now = now_of(two, NULL); /* after the switch */
    m = greeted(w, &now, LM_PROTOCOL_MAX);
    assert_false(m.keys.has_next);
    assert_true(lm_key_word_verifies(&m.keys, two, sign_public));
    m = greeted(w, &now, 1); /* an older node */
    assert_int_equal(m.protocol, 1);
    now.line_key = NULL;
    m = greeted(w, &now, LM_PROTOCOL_MAX);
    assert_int_equal(m.protocol, 1);
    world_free(w);
}

static void hub_told(struct world *w, uint64_t session, size_t n)
{
    struct lm_hub_now now = now_of(one, two);
    struct lm_hub_event ev = {.kind = LM_HE_MESSAGE, .now = &now, .view = &w->view};
    struct lm_msg_key key = {.session = session};
    struct lm_buf buf;

    memcpy(key.key, two, 32);
    lm_buf_init(&buf, 100);
    lm_key_pack(&buf, &key);
    ev.message.peer = 1;
    ev.message.kind = LM_MSG_KEY;
    ev.message.body = buf.data;
    ev.message.n = n ? n : buf.len;
    ev.message.arena = &w->harena;
    lm_hub_session_step(&w->hs, &ev, &w->hfx);
    lm_buf_free(&buf);
}

static void test_hub_hears_what_is_pinned(void **state)
{
    struct world *w = world_new(1);
    struct lm_hub_now now = now_of(one, two);
    struct lm_msg_welcome m = greeted(w, &now, LM_PROTOCOL_MAX);
    struct lm_msg_error e;

    (void)state;
    hub_told(w, m.session, 0);
    assert_true(hub_did(w, LM_HX_KEY_PINNED));
    assert_memory_equal(w->hfx.items[0].key, two, 32);
    hub_told(w, m.session + 1, 0);
    assert_false(hub_did(w, LM_HX_KEY_PINNED));
    assert_string_equal(hub_error(w, &e), "hello_first");
    hub_told(w, m.session, 20);
    assert_false(hub_did(w, LM_HX_KEY_PINNED));
    assert_string_equal(hub_error(w, &e), "malformed");
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next_key_is_pinned_and_told),
        cmocka_unit_test(test_words_of_the_present_key),
        cmocka_unit_test(test_false_words_move_nothing),
        cmocka_unit_test(test_switch),
        cmocka_unit_test(test_former_key_after_the_switch),
        cmocka_unit_test(test_history_without_proof),
        cmocka_unit_test(test_numbers_out_of_range),
        cmocka_unit_test(test_pins_survive_a_failed_store),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_hub_says_its_keys),
        cmocka_unit_test(test_hub_hears_what_is_pinned),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
