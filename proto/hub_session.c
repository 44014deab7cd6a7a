/* The hub's side of one replica's session: states, effects, and which function takes which event.
 */
#include "proto/hub_session_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* allowed[from] = states that may follow. */
#define TO(state) (1u << (state))
static const unsigned allowed[LM_HS_COUNT] = {
    [LM_HS_NEW] = TO(LM_HS_STORING) | TO(LM_HS_NEW),
    [LM_HS_STORING] = TO(LM_HS_LIVE) | TO(LM_HS_NEW),
    [LM_HS_LIVE] = TO(LM_HS_STORING) | TO(LM_HS_NEW),
};

void lm_hub_effects_init(struct lm_hub_effects *fx)
{
    memset(fx, 0, sizeof(*fx));
    lm_buf_init(&fx->bytes, LM_HUB_FX_BYTES_MAX);
}

void lm_hub_effects_free(struct lm_hub_effects *fx)
{
    if (fx != NULL) {
        lm_buf_free(&fx->bytes);
    }
}

const uint8_t *lm_hub_effect_bytes(const struct lm_hub_effects *fx, const struct lm_hub_effect *e)
{
    LM_CHECK(e->kind == LM_HX_SEND && e->send.offset + e->send.len <= fx->bytes.len);
    return fx->bytes.data + e->send.offset;
}

void lm_hub_session_init(struct lm_hub_session *session, uint64_t replica, uint64_t seed)
{
    memset(session, 0, sizeof(*session));
    session->replica = replica;
    session->state = LM_HS_NEW;
    session->contest_ms = -1;
    lm_rand_seed(&session->rnd, seed);
}

void lm_hs_set_state(struct lm_hs_step *st, enum lm_hub_state to)
{
    LM_CHECK((allowed[st->s->state] & TO(to)) != 0);
    st->s->state = to;
}

struct lm_hub_effect *lm_hs_add(struct lm_hs_step *st, enum lm_hub_effect_kind kind)
{
    struct lm_hub_effect *e;

    LM_CHECK(st->fx->n < LM_HUB_EFFECTS_MAX);
    e = &st->fx->items[st->fx->n++];
    memset(e, 0, sizeof(*e));
    e->kind = kind;
    return e;
}

void lm_hs_log(struct lm_hs_step *st, const char *what, uint64_t number)
{
    struct lm_hub_effect *e = lm_hs_add(st, LM_HX_LOG);

    e->log.what = what;
    e->log.number = number;
}

void lm_hs_send(struct lm_hs_step *st, uint8_t kind, size_t offset)
{
    struct lm_buf *bytes = &st->fx->bytes;
    struct lm_hub_effect *e;

    if (bytes->status != LM_OK || bytes->len - offset > LM_FRAME_BYTES_MAX) {
        lm_hs_log(st, "message could not be packed", kind);
        bytes->len = offset < bytes->len ? offset : bytes->len;
        bytes->status = LM_OK;
        return;
    }
    e = lm_hs_add(st, LM_HX_SEND);
    e->send.kind = kind;
    e->send.offset = offset;
    e->send.len = bytes->len - offset;
}

void lm_error_message(struct lm_buf *buf, const char *code, const char *text,
                      uint32_t retry_after_s)
{
    struct lm_msg_error m = {.code = code, .text = text, .retry_after_s = retry_after_s};

    lm_error_pack(buf, &m);
}

void lm_hs_error(struct lm_hs_step *st, const char *code, const char *text, uint32_t retry_after_s)
{
    size_t offset = st->fx->bytes.len;

    lm_error_message(&st->fx->bytes, code, text, retry_after_s);
    lm_hs_send(st, LM_MSG_ERROR, offset);
}

void lm_hs_rolled_back(struct lm_hs_step *st, uint64_t branch, struct lm_lease held)
{
    char text[40];

    (void)snprintf(text, sizeof(text), "branch=%" PRIu64, branch);
    lm_hs_error(st, "rolled_back", text, 0);
    lm_hs_add(st, LM_HX_ROLLED_BACK)->held = held;
}

/* To the second installation, that is, to the sender of this message. Told to the town once: what
 * comes again and again changes nothing more. */
void lm_hs_clone(struct lm_hs_step *st, struct lm_lease held)
{
    if (!st->view->clone) {
        lm_hs_add(st, LM_HX_CLONE)->held = held;
    }
    lm_hs_error(st, "clone", "two installations under one key; a person must act",
                LM_HS_RETRY_PERSON_S);
}

void lm_hs_malformed(struct lm_hs_step *st)
{
    lm_hs_log(st, "malformed message", st->ev->message.kind);
    lm_hs_error(st, "malformed", "message could not be read", LM_HS_RETRY_STORE_S);
}

bool lm_hs_names_session(struct lm_hs_step *st, uint64_t session)
{
    if (session != st->s->session) {
        lm_hs_error(st, "hello_first", "the session has ended", 1);
        return false;
    }
    return true;
}

static void send_news(struct lm_hs_step *st, uint64_t position)
{
    struct lm_msg_news m = {.position = position};
    size_t offset = st->fx->bytes.len;

    st->s->news_sent = true;
    lm_news_pack(&st->fx->bytes, &m);
    lm_hs_send(st, LM_MSG_NEWS, offset);
}

static void news(struct lm_hs_step *st)
{
    if (st->s->state == LM_HS_LIVE && !st->s->news_sent) {
        send_news(st, st->ev->position);
    }
}

/* A message of a peer that is not the one who said HELLO last. A node that made a new socket never
 * uses the old one again, so what is not merely late comes from a node whose line was torn and that
 * did not notice: it is asked to greet. Who goes on without is a second installation. Which of the
 * two came second can't be told when both showed the same lease: the one that greeted last is
 * served. */
static void take_stray(struct lm_hs_step *st)
{
    struct lm_hub_session *s = st->s;
    uint64_t peer = st->ev->message.peer;
    int64_t mono_ms = st->now->mono_ms;

    lm_hs_log(st, "message of an earlier connection", st->ev->message.kind);
    if (mono_ms - s->hello_ms < LM_HUB_STRAY_MS) {
        return;
    }
    if (s->stray_peer != peer) {
        s->stray_peer = peer;
        s->stray_ms = mono_ms;
        lm_hs_error(st, "hello_first", "another connection greeted since: say HELLO", 1);
    } else if (mono_ms - s->stray_ms >= LM_HUB_STRAY_AGAIN_MS) {
        lm_hs_clone(st, (struct lm_lease){0});
    }
}

static void take_message(struct lm_hs_step *st)
{
    const struct lm_hub_event *ev = st->ev;
    struct lm_hub_session *s = st->s;

    if (st->view->revoked) { /* at every message: keys are asked for at connect only */
        lm_hs_error(st, "revoked", "this replica has been revoked", LM_HS_RETRY_PERSON_S);
        return;
    }
    if (ev->message.kind == LM_MSG_HELLO) {
        lm_hs_take_hello(st);
        return;
    }
    if (s->state == LM_HS_NEW) {
        lm_hs_error(st, "hello_first", "say HELLO first", 1);
        return;
    }
    if (ev->message.peer != s->peer) {
        take_stray(st);
        return;
    }
    s->heard_ms = st->now->mono_ms;
    if (s->state == LM_HS_STORING) {
        lm_hs_log(st, "message before WELCOME", ev->message.kind);
        return;
    }
    switch (ev->message.kind) {
    case LM_MSG_PUSH:
        lm_hs_take_push(st);
        break;
    case LM_MSG_PULL:
        lm_hs_take_pull(st);
        break;
    case LM_MSG_WANT:
        lm_hs_take_want(st);
        break;
    case LM_MSG_COMPARE:
        lm_hs_take_compare(st);
        break;
    case LM_MSG_HISTORY:
        lm_hs_take_past(st);
        break;
    case LM_MSG_RECOVER:
        lm_hs_take_offer(st);
        break;
    case LM_MSG_CATALOG:
        lm_hs_take_ask(st);
        break;
    case LM_MSG_KEY:
        lm_hs_take_key(st);
        break;
    default:
        lm_hs_log(st, "unknown kind of message", ev->message.kind);
        break;
    }
}

static void tick(struct lm_hs_step *st)
{
    struct lm_hub_session *s = st->s;

    if (s->state == LM_HS_LIVE && st->now->mono_ms - s->heard_ms >= LM_HUB_IDLE_MS) {
        lm_hs_set_state(st, LM_HS_NEW);
        lm_hs_add(st, LM_HX_CLOSE);
        return;
    }
    if (s->state == LM_HS_LIVE && s->contest_ms >= 0 && !s->contest_asked &&
        st->now->mono_ms - s->contest_ms >= LM_HUB_PROBE_MS) {
        s->contest_asked = true;
        send_news(st, st->now->head.position); /* a live node pulls at once */
    }
}

void lm_hub_session_step(struct lm_hub_session *session, const struct lm_hub_event *ev,
                         struct lm_hub_effects *fx)
{
    struct lm_hs_step st = {.s = session, .ev = ev, .fx = fx, .now = ev->now, .view = ev->view};

    fx->n = 0;
    lm_buf_reset(&fx->bytes);
    switch (ev->kind) {
    case LM_HE_TICK:
        tick(&st);
        break;
    case LM_HE_MESSAGE:
        take_message(&st);
        break;
    case LM_HE_HELLO_STORED:
        lm_hs_hello_stored(&st);
        break;
    case LM_HE_COMMITTED:
        lm_hs_committed(&st);
        break;
    case LM_HE_PAGE:
        lm_hs_page_read(&st);
        break;
    case LM_HE_DIGESTS:
        lm_hs_digests_read(&st);
        break;
    case LM_HE_PAST:
        lm_hs_past_read(&st);
        break;
    case LM_HE_NEWS:
        news(&st);
        break;
    case LM_HE_RECOVERED:
        lm_hs_recovered(&st);
        break;
    case LM_HE_CATALOG:
        lm_hs_offer_catalog(&st);
        break;
    }
}
