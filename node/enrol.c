/* The conversation of an enrolment; see enrol.h. */
#include "node/enrol.h"

#include "common/base/util.h"
#include "proto/node_session.h"

#include <stdio.h>
#include <string.h>

#define ASK_AGAIN_MS 3000
#define WAIT_MS 200
#define SOCKET_MS 8000   /* a socket refused or misled once never recovers: take a new one */
#define REFUSED_ENOUGH 2 /* sockets that the hub refused before that is believed */
#define ARENA_BYTES (1024 * 1024)

enum lm_status lm_node_enrol_take(struct lm_node_key *key, const struct lm_msg_enrolled *answer,
                                  struct lm_error *err)
{
    struct lm_certificate certificate;
    enum lm_status st = lm_certificate_check(answer->certificate, answer->certificate_len,
                                             key->hub_sign_key, &certificate, err);

    if (st != LM_OK) {
        return st;
    }
    if (memcmp(certificate.public_key, key->own.public_key, LM_KEY_BYTES) != 0 ||
        strcmp(certificate.station, key->station) != 0 || certificate.replica != answer->replica ||
        answer->certificate_len > sizeof key->certificate) {
        return lm_fail(err, LM_ERR_CORRUPT, "certificate_tampered", "",
                       "镇服务器的应答与入网文件不符，没有入网。",
                       "The hub's answer does not fit the kit; not enrolled.");
    }
    memcpy(key->certificate, answer->certificate, answer->certificate_len);
    key->certificate_len = answer->certificate_len;
    key->replica = certificate.replica;
    memcpy(key->level, certificate.level, sizeof key->level);
    if (answer->station_name[0] && strlen(answer->station_name) < sizeof key->station_name) {
        memcpy(key->station_name, answer->station_name, strlen(answer->station_name) + 1);
    }
    key->hub_offset_ms = answer->hub_time_ms - lm_clock_wall_ms();
    key->enrolled = true;
    memset(&key->kit, 0, sizeof key->kit);
    memset(key->nonce, 0, sizeof key->nonce);
    return LM_OK;
}

static enum lm_status refused_by_hub(const struct lm_msg_error *m, struct lm_error *err)
{
    static const struct {
        const char *code, *zh, *en;
    } known[] = {
        {"kit_used", "入网文件已经用过了，请镇里另发一个。",
         "The kit was used already: ask the town for another."},
        {"kit_expired", "入网文件已过期，请镇里另发一个。",
         "The kit has expired: ask the town for another."},
        {"key_known", "本机的密钥已登记在别处，请换一个数据目录重新入网。",
         "This PC's key is enrolled already: use a fresh data directory."},
        {"busy", "镇服务器现在什么都不收，要镇里的技术员先处理；入网文件仍然有效。",
         "The town's server takes nothing in until its technician acts; the kit stays valid."},
        {"protocol", "本机程序与镇服务器的版本不相容，请升级。",
         "This program and the town's server have no version in common: please upgrade."},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(m->code, known[i].code) == 0) {
            return lm_fail(err, LM_ERR_DENIED,
                           strcmp(m->code, "busy") == 0 ? "hub_read_only" : m->code, "", "%s%.0s",
                           "%.0s%s", known[i].zh, known[i].en);
        }
    }
    return lm_fail(err, LM_ERR_DENIED, m->code, "", "镇服务器拒绝了入网：%s",
                   "The hub refused the enrolment: %s", m->text);
}

/* One asking. */
struct asking {
    struct lm_node_key *key;
    struct lm_context *context;
    struct lm_dealer *dealer;
    struct lm_buf question;
    struct lm_arena arena;
    int64_t asked_ms, opened_ms;
    int refused;       /* sockets refused in a row */
    bool seen_refusal; /* by the present one */
};

/* LM_ERR_TIMEOUT: nothing decided yet. */
static enum lm_status take_answer(struct asking *a, const struct lm_incoming *in,
                                  struct lm_error *err)
{
    struct lm_msg_enrolled enrolled;
    struct lm_msg_error error;

    lm_arena_reset(&a->arena);
    if (in->kind == LM_MSG_ENROLLED &&
        lm_enrolled_read(in->body, in->n, &a->arena, &enrolled, err) == LM_OK) {
        return lm_node_enrol_take(a->key, &enrolled, err);
    }
    if (in->kind == LM_MSG_ERROR &&
        lm_error_read(in->body, in->n, &a->arena, &error, err) == LM_OK &&
        (strcmp(error.code, "busy") != 0 || error.retry_after_s >= LM_NODE_PERSON_S)) {
        return refused_by_hub(&error, err);
    }
    return LM_ERR_TIMEOUT;
}

static enum lm_status open_socket(struct asking *a, struct lm_error *err)
{
    a->asked_ms = INT64_MIN / 2;
    a->opened_ms = lm_clock_mono_ms();
    a->seen_refusal = false;
    lm_dealer_close(&a->dealer);
    return lm_dealer_open(a->context, a->key->endpoint, a->key->hub_public_key, &a->key->kit,
                          &a->dealer, err);
}

static enum lm_status ask_once(struct asking *a, struct lm_error *err)
{
    struct lm_incoming in;
    int64_t now = lm_clock_mono_ms();
    enum lm_status st;

    if (now - a->asked_ms >= ASK_AGAIN_MS &&
        lm_dealer_send(a->dealer, LM_MSG_ENROL, a->question.data, a->question.len) == LM_OK) {
        a->asked_ms = now;
    }
    st = lm_dealer_receive(a->dealer, WAIT_MS, &in);
    if (st == LM_OK) {
        st = in.hostile ? LM_ERR_TIMEOUT : take_answer(a, &in, err);
        lm_incoming_release(&in);
        return st;
    }
    if (st != LM_ERR_TIMEOUT) {
        return lm_fail(err, st, "network", "", "网络出错。", "The network failed.");
    }
    if (!a->seen_refusal && strncmp(lm_dealer_state(a->dealer), "refused", 7) == 0) {
        a->seen_refusal = true;
        a->refused++;
    }
    if (a->refused >= REFUSED_ENOUGH) {
        return lm_fail(
            err, LM_ERR_DENIED, "kit_refused", "",
            "镇服务器不接受这个入网文件：可能已用过、已过期或已作废，请镇里另发一个。",
            "The hub does not accept this kit: used, expired or void. Ask the town for another.");
    }
    return now - a->opened_ms >= (a->seen_refusal ? 1000 : SOCKET_MS) ? LM_ERR_BUSY
                                                                      : LM_ERR_TIMEOUT;
}

static enum lm_status no_answer(struct asking *a, struct lm_error *err)
{
    const char *state = a->dealer ? lm_dealer_state(a->dealer) : "unreachable";

    if (strcmp(state, "wrong hub key") == 0) {
        return lm_fail(err, LM_ERR_NETWORK, "wrong_hub_key", "",
                       "%s 上的服务器不是入网文件所说的镇服务器。",
                       "The server at %s is not the hub of this kit.", a->key->endpoint);
    }
    if (strcmp(state, "not a Lastmile hub") == 0) {
        return lm_fail(
            err, LM_ERR_NETWORK, "not_a_hub", "", "%s 上的不是镇服务器，请核对地址和网络。",
            "What answers at %s is not a Lastmile hub: check the address and the network.",
            a->key->endpoint);
    }
    return lm_fail(err, LM_ERR_TIMEOUT, "unreachable", "",
                   "连不上镇服务器 %s（%s），请检查网络后再试；入网文件仍然有效。",
                   "The hub at %s cannot be reached (%s): check the network and try again; the kit "
                   "stays valid.",
                   a->key->endpoint, state);
}

enum lm_status lm_node_enrol_ask(struct lm_node_key *key, const char *program, int timeout_ms,
                                 struct lm_error *err)
{
    struct asking a = {.key = key};
    struct lm_msg_enrol m = {.protocol_min = LM_PROTOCOL_MIN,
                             .protocol_max = LM_PROTOCOL_MAX,
                             .machine = "",
                             .program = program};
    int64_t until = lm_clock_mono_ms() + timeout_ms;
    enum lm_status st;

    memcpy(m.public_key, key->own.public_key, sizeof m.public_key);
    memcpy(m.nonce, key->nonce, sizeof m.nonce);
    lm_arena_init(&a.arena, ARENA_BYTES);
    lm_buf_init(&a.question, LM_FRAME_BYTES_MAX);
    lm_enrol_pack(&a.question, &m);
    st = a.question.status;
    if (st == LM_OK) {
        st = lm_context_new(&a.context);
    }
    if (st != LM_OK) {
        (void)lm_fail(err, st, "network", "", "网络无法启动。",
                      "The network could not be started.");
        goto out;
    }
    st = open_socket(&a, err);
    while (st == LM_OK || st == LM_ERR_TIMEOUT || st == LM_ERR_BUSY) {
        if (lm_clock_mono_ms() >= until) {
            st = no_answer(&a, err);
            break;
        }
        if (st == LM_ERR_BUSY) {
            st = open_socket(&a, err);
            continue;
        }
        st = ask_once(&a, err);
        if (st == LM_OK) {
            break;
        }
    }
out:
    lm_dealer_close(&a.dealer);
    lm_context_destroy(&a.context);
    lm_buf_free(&a.question);
    lm_arena_free(&a.arena);
    return st;
}
