/* See session_alone.h. */
#include "session_alone.h"

#include "proto/proof.h"

#include <string.h>

/* ---- the node ---- */

int count(const struct world *w, enum lm_node_effect_kind kind)
{
    int n = 0;

    for (size_t i = 0; i < w->nfx.n; i++) {
        n += w->nfx.items[i].kind == kind;
    }
    return n;
}

const struct lm_node_effect *find(const struct world *w, enum lm_node_effect_kind kind)
{
    for (size_t i = 0; i < w->nfx.n; i++) {
        if (w->nfx.items[i].kind == kind) {
            return &w->nfx.items[i];
        }
    }
    fail_msg("effect %d is missing", (int)kind);
    return NULL;
}

bool node_did(const struct world *w, enum lm_node_effect_kind kind)
{
    for (size_t i = 0; i < w->nfx.n; i++) {
        if (w->nfx.items[i].kind == kind) {
            return true;
        }
    }
    return false;
}

void give(struct world *w, struct lm_node_event ev)
{
    ev.mono_ms = w->now_ms;
    ev.wall_ms = w->now_ms;
    lm_node_session_step(&w->ns, &ev, &w->nfx);
}

void give_bytes(struct world *w, uint8_t kind, const void *body, size_t n)
{
    struct lm_node_event ev = {.kind = LM_NE_MESSAGE};

    lm_arena_reset(&w->narena);
    ev.message.kind = kind;
    ev.message.body = body;
    ev.message.n = n;
    ev.message.arena = &w->narena;
    give(w, ev);
}

void give_error(struct world *w, const char *code, const char *text, uint32_t retry_after_s)
{
    struct lm_buf buf;

    lm_buf_init(&buf, 1000);
    lm_error_message(&buf, code, text, retry_after_s);
    give_bytes(w, LM_MSG_ERROR, buf.data, buf.len);
    lm_buf_free(&buf);
}

struct lm_msg_welcome welcome_of(const struct world *w, uint64_t lease)
{
    struct lm_msg_welcome m = {.protocol = 1,
                               .session = 9,
                               .incarnation = {1, 5},
                               .branch = 1,
                               .lease = {lease, 77},
                               .catalog = 1,
                               .hub_time_ms = HUB_EPOCH_MS,
                               .credit = 4};

    m.acked = log_head(&w->node.log, 0);
    return m;
}

void give_welcome(struct world *w, const struct lm_msg_welcome *m)
{
    static const uint8_t none[sizeof m->signature];
    struct lm_buf buf;

    struct lm_msg_welcome said = *m;
    struct lm_proof proof = lm_proof_of(m);

    if (memcmp(m->signature, none, sizeof none) == 0) {
        lm_proof_sign(&proof, world_sign_secret());
        memcpy(said.signature, proof.signature, sizeof said.signature);
    }
    lm_buf_init(&buf, 1000);
    lm_welcome_pack(&buf, &said);
    assert_int_equal(buf.status, LM_OK);
    give_bytes(w, LM_MSG_WELCOME, buf.data, buf.len);
    lm_buf_free(&buf);
}

void give_ack(struct world *w, uint64_t seq, uint32_t credit)
{
    struct lm_msg_ack m = {.branch = 1, .credit = credit};
    struct lm_buf buf;

    m.acked = log_head(&w->node.log, seq);
    lm_buf_init(&buf, 1000);
    lm_ack_pack(&buf, &m);
    give_bytes(w, LM_MSG_ACK, buf.data, buf.len);
    lm_buf_free(&buf);
}

struct world *connected(uint64_t changes)
{
    struct world *w = world_new(1);

    for (uint64_t i = 0; i < changes; i++) {
        node_write(w);
    }
    node_start(w);
    give(w, (struct lm_node_event){.kind = LM_NE_CONNECTED});
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_HELLO);
    return w;
}

struct world *live(uint64_t changes)
{
    struct world *w = connected(changes);
    struct lm_msg_welcome m = welcome_of(w, 1);

    give_welcome(w, &m);
    assert_int_equal(w->ns.state, LM_NS_STORING);
    assert_int_equal(count(w, LM_NX_STORE_WELCOME), 1);
    assert_int_equal(count(w, LM_NX_SEND), 0); /* nothing before the lease is durable */
    give(w, (struct lm_node_event){.kind = LM_NE_WELCOME_STORED});
    assert_int_equal(w->ns.state, LM_NS_LIVE);
    assert_int_equal(find(w, LM_NX_SEND)->send.kind, LM_MSG_PULL);
    return w;
}

/* Answers READ_BATCH of the step before. */
void give_batch(struct world *w)
{
    struct answer a;

    node_read_batch(w, find(w, LM_NX_READ_BATCH)->read_batch.from_seq);
    a = w->answers[--w->n_answers];
    give(w, a.ev);
    free(a.packed);
}

/* ---- the hub ---- */

void hub_give(struct world *w, uint64_t peer, uint8_t kind, const struct lm_buf *body)
{
    struct lm_hub_now now = {
        .mono_ms = w->now_ms, .hub_time_ms = HUB_EPOCH_MS, .incarnation = {1, 5}, .catalog = 1};
    struct lm_hub_event ev = {.kind = LM_HE_MESSAGE, .now = &now, .view = &w->view};

    lm_arena_reset(&w->harena);
    ev.message.peer = peer;
    ev.message.kind = kind;
    ev.message.body = body->data;
    ev.message.n = body->len;
    ev.message.arena = &w->harena;
    lm_hub_session_step(&w->hs, &ev, &w->hfx);
}

/* The code of the ERROR among the effects, or "". */
const char *hub_error(struct world *w, struct lm_msg_error *m)
{
    for (size_t i = 0; i < w->hfx.n; i++) {
        const struct lm_hub_effect *e = &w->hfx.items[i];
        struct lm_error err;

        if (e->kind == LM_HX_SEND && e->send.kind == LM_MSG_ERROR) {
            assert_int_equal(
                lm_error_read(lm_hub_effect_bytes(&w->hfx, e), e->send.len, &w->harena, m, &err),
                LM_OK);
            return m->code;
        }
    }
    return "";
}

bool hub_did(const struct world *w, enum lm_hub_effect_kind kind)
{
    for (size_t i = 0; i < w->hfx.n; i++) {
        if (w->hfx.items[i].kind == kind) {
            return true;
        }
    }
    return false;
}

void hub_hello(struct world *w, uint64_t branch, struct lm_lease lease, uint64_t protocol)
{
    struct lm_msg_hello m = {.protocol_min = protocol,
                             .protocol_max = protocol,
                             .branch = branch,
                             .lease = lease,
                             .program = "t"};
    struct lm_buf buf;

    lm_buf_init(&buf, 2000);
    lm_hello_pack(&buf, &m);
    hub_start(w);
    hub_give(w, 1, LM_MSG_HELLO, &buf);
    lm_buf_free(&buf);
}
