/* ZeroMQ with CURVE: the hub's ROUTER, a node's DEALER. The ROUTER's ZAP handler: transport_zap.c.
 *
 * Invariants. No socket listens before the ZAP handler runs, and a ZAP domain is enforced: a key
 * that the handler did not allow gets no byte through. Sends never wait: a message is queued whole
 * or refused whole. Every frame is bounded, and a message of more frames than LM_FRAMES_MAX is
 * drained and reported as hostile. What is not a whole message yet is bounded by the door before
 * the ROUTER (transport_guard.h): the ROUTER itself listens on the loopback address only. A socket
 * belongs to the thread that calls its functions. */
#include "common/transport_guard.h"
#include "common/transport_internal.h"

#include "common/base/util.h"
#include "proto/limits.h"

#include <errno.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93 /* a draft option in zmq.h; the library has it all the same */
#endif

/* What CURVE adds to a frame on the wire, which is what MAXMSGSIZE counts. */
#define CURVE_OVERHEAD 33
#define SHORT_FRAME_MAX 255 /* ZMTP: the longest frame whose length is one byte */
#define HUB_HWM 32 /* messages of one peer each way: who never reads keeps 8 MiB of pages here */
#define NODE_HWM 32
#define LINGER_MS 200
#define WAIT_FDS_MAX 16
#define ENDPOINT_BYTES 256

struct lm_context {
    void *zmq;
};

struct holder { /* the body of the message received last */
    zmq_msg_t body;
    bool full;
};

struct lm_router {
    void *socket;
    struct lm_zap *zap;
    struct lm_guard *guard;
    lm_zap_allow allow;
    void *allow_arg;
    struct holder held;
    char endpoint[ENDPOINT_BYTES];
};

struct lm_dealer {
    void *socket;
    void *monitor;
    bool tcp_up;  /* a TCP connection is there */
    bool greeted; /* its handshake has come to an end, either way */
    const char *state;
    uint32_t connections; /* handshakes that succeeded */
    struct holder held;
};

enum lm_status lm_net_fail(struct lm_error *err, const char *code, const char *endpoint)
{
    enum lm_status status = errno == EADDRINUSE ? LM_ERR_BUSY
                            : errno == ENOMEM   ? LM_ERR_MEMORY
                            : errno == EINVAL   ? LM_ERR_INVALID
                                                : LM_ERR_NETWORK;

    return lm_fail(err, status, code, "endpoint", "网络地址 %s 不能使用：%s。",
                   "The network address %s cannot be used: %s.", endpoint, zmq_strerror(errno));
}

bool lm_socket_set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof(value)) == 0;
}

void lm_keypair_make(struct lm_keypair *pair)
{
    crypto_box_keypair(pair->public_key, pair->secret_key);
}

bool lm_key_to_z85(const uint8_t key[LM_KEY_BYTES], char out[LM_KEY_Z85])
{
    return zmq_z85_encode(out, key, LM_KEY_BYTES) != NULL;
}

bool lm_key_from_z85(const char *text, uint8_t out[LM_KEY_BYTES])
{
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    char copy[LM_KEY_Z85];

    if (text == NULL || strlen(text) != LM_KEY_Z85 - 1 ||
        strspn(text, alphabet) != LM_KEY_Z85 - 1) {
        return false;
    }
    memcpy(copy, text, sizeof(copy));
    return zmq_z85_decode(out, copy) != NULL;
}

enum lm_status lm_context_new(struct lm_context **out)
{
    struct lm_context *context;

    *out = NULL;
    /* libsodium is initialised before libzmq's I/O threads can race for it. */
    if (sodium_init() < 0 || zmq_has("curve") != 1) {
        return LM_ERR_INTERNAL;
    }
    context = calloc(1, sizeof(*context));
    if (context == NULL) {
        return LM_ERR_MEMORY;
    }
    context->zmq = zmq_ctx_new();
    if (context->zmq == NULL) {
        free(context);
        return LM_ERR_MEMORY;
    }
    *out = context;
    return LM_OK;
}

void lm_context_destroy(struct lm_context **context)
{
    if (context == NULL || *context == NULL) {
        return;
    }
    while (zmq_ctx_term((*context)->zmq) != 0 && errno == EINTR) {
    }
    free(*context);
    *context = NULL;
}

/* What both sides' sockets have in common. */
static bool set_common(void *socket, int hwm)
{
    int64_t frame_max = LM_FRAME_BYTES_MAX + CURVE_OVERHEAD;

    return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof(frame_max)) ==
               0 && /* −1 by default */
           lm_socket_set_int(socket, ZMQ_SNDHWM, hwm) &&
           lm_socket_set_int(socket, ZMQ_RCVHWM, hwm) &&
           lm_socket_set_int(socket, ZMQ_SNDTIMEO, 0) &&
           lm_socket_set_int(socket, ZMQ_LINGER, LINGER_MS) &&
           lm_socket_set_int(socket, ZMQ_HEARTBEAT_IVL, 15000) &&
           lm_socket_set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, 45000) &&
           lm_socket_set_int(socket, ZMQ_HEARTBEAT_TTL, 60000) &&
           lm_socket_set_int(socket, ZMQ_HANDSHAKE_IVL,
                             15000) && /* half-open peers must not hold a descriptor */
           lm_socket_set_int(socket, ZMQ_TCP_KEEPALIVE, 1) &&
           lm_socket_set_int(socket, ZMQ_IPV6, 1);
}

/* ---- receiving ---- */

static void holder_free(struct holder *held)
{
    if (held->full) {
        zmq_msg_close(&held->body);
        held->full = false;
    }
}

void lm_incoming_release(struct lm_incoming *in)
{
    if (in != NULL && in->internal != NULL) {
        holder_free(in->internal);
        in->internal = NULL;
        in->body = NULL;
        in->n = 0;
    }
}

/* What a frame took of the connection. */
static size_t wire_bytes(zmq_msg_t *msg)
{
    size_t n = zmq_msg_size(msg) + CURVE_OVERHEAD;

    return n + (n <= SHORT_FRAME_MAX ? 2 : 9);
}

static void take_user_id(struct lm_incoming *in, zmq_msg_t *msg)
{
    const char *user_id = zmq_msg_gets(msg, "User-Id");

    in->user_id[0] = '\0';
    if (user_id != NULL && strlen(user_id) < sizeof(in->user_id)) {
        memcpy(in->user_id, user_id, strlen(user_id) + 1);
    }
}

/* Reads one whole message without waiting: [routing id at a ROUTER] [kind] [body]. */
static enum lm_status receive_now(void *socket, struct holder *held, struct lm_guard *guard,
                                  struct lm_incoming *in)
{
    const bool routed = guard != NULL;
    const size_t kind_at = routed ? 1 : 0, body_at = kind_at + 1;
    size_t n = 0, wire = 0;
    bool more = true, good = true;

    memset(in, 0, sizeof(*in));
    holder_free(held);
    while (more) {
        zmq_msg_t msg;
        int rc;

        zmq_msg_init(&msg);
        do {
            rc = zmq_msg_recv(&msg, socket, ZMQ_DONTWAIT);
        } while (rc < 0 && errno == EINTR);
        if (rc < 0) {
            int code = errno;

            zmq_msg_close(&msg);
            return code == EAGAIN ? LM_ERR_TIMEOUT : LM_ERR_IO;
        }
        more = zmq_msg_more(&msg);
        wire += routed && n == 0 ? 0 : wire_bytes(&msg);
        if (routed && n == 0) {
            if (zmq_msg_size(&msg) <= sizeof(in->peer.id)) {
                in->peer.n = zmq_msg_size(&msg);
                memcpy(in->peer.id, zmq_msg_data(&msg), in->peer.n);
            } else {
                good = false; /* ours never name themselves; libzmq's ids have 5 bytes */
            }
        } else if (n == kind_at) {
            good = good && zmq_msg_size(&msg) == 1;
            in->kind = zmq_msg_size(&msg) == 1 ? *(const uint8_t *)zmq_msg_data(&msg) : 0;
        } else if (n == body_at && zmq_msg_size(&msg) <= LM_FRAME_BYTES_MAX) {
            zmq_msg_init(&held->body);
            zmq_msg_move(&held->body, &msg);
            held->full = true;
        } else {
            good = false;
        }
        if (!more) {
            /* The last frame: after a poll the first one may carry no User-Id (libzmq 4.3.4). */
            zmq_msg_t *last = n == body_at && held->full ? &held->body : &msg;
            const char *address = routed ? zmq_msg_gets(last, "Peer-Address") : NULL;

            take_user_id(in, last);
            if (address != NULL) {
                lm_guard_took(guard, address, wire);
            }
        }
        zmq_msg_close(&msg);
        n = n <= LM_FRAMES_MAX ? n + 1 : n;
    }
    in->internal = held;
    if (!good || n != body_at + 1 || !held->full || (routed && in->user_id[0] == '\0')) {
        in->hostile = true;
        holder_free(held);
        return LM_OK;
    }
    in->body = zmq_msg_data(&held->body);
    in->n = zmq_msg_size(&held->body);
    return LM_OK;
}

/* guard: NULL at a DEALER. */
static enum lm_status receive(void *socket, struct holder *held, struct lm_guard *guard,
                              int timeout_ms, struct lm_incoming *in)
{
    enum lm_status status = receive_now(socket, held, guard, in);

    if (status == LM_ERR_TIMEOUT && timeout_ms > 0) {
        zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};

        if (zmq_poll(&item, 1, timeout_ms) < 0 && errno != EINTR) {
            return LM_ERR_IO;
        }
        status = receive_now(socket, held, guard, in);
    }
    return status;
}

static enum lm_status wait_for(void *socket, const int *fds, size_t n_fds, bool *ready,
                               int timeout_ms, bool *message_ready)
{
    zmq_pollitem_t items[1 + WAIT_FDS_MAX];

    *message_ready = false;
    if (n_fds > WAIT_FDS_MAX) {
        return LM_ERR_LIMIT;
    }
    memset(items, 0, sizeof(items));
    items[0].socket = socket;
    items[0].events = ZMQ_POLLIN;
    for (size_t i = 0; i < n_fds; i++) {
        items[1 + i].fd = fds[i];
        items[1 + i].events = ZMQ_POLLIN;
        ready[i] = false;
    }
    if (zmq_poll(items, (int)n_fds + 1, timeout_ms) < 0) {
        return errno == EINTR ? LM_OK : LM_ERR_IO;
    }
    *message_ready = (items[0].revents & ZMQ_POLLIN) != 0;
    for (size_t i = 0; i < n_fds; i++) {
        ready[i] = items[1 + i].revents != 0;
    }
    return LM_OK;
}

/* ---- sending ---- */

static int send_frame(void *socket, zmq_msg_t *msg, bool more)
{
    int rc;

    do {
        rc = zmq_msg_send(msg, socket, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    } while (rc < 0 && errno == EINTR);
    return rc < 0 ? errno : 0;
}

/* The first frame decides: when it is taken, libzmq takes the others too (queues count whole
 * messages), or drops all of them with the connection. All memory is there before it is tried. */
static enum lm_status send_message(void *socket, const struct lm_peer *peer, uint8_t kind,
                                   const void *body, size_t n)
{
    zmq_msg_t frames[3];
    const size_t first = peer != NULL ? 0 : 1;
    size_t made = first;
    enum lm_status status = LM_ERR_MEMORY;
    int code = 0;

    if (n > LM_FRAME_BYTES_MAX) {
        return LM_ERR_LIMIT;
    }
    for (; made < 3; made++) {
        size_t size = made == 0 ? peer->n : made == 1 ? 1 : n;

        if (zmq_msg_init_size(&frames[made], size) != 0) {
            goto out;
        }
    }
    if (peer != NULL) {
        memcpy(zmq_msg_data(&frames[0]), peer->id, peer->n);
    }
    *(uint8_t *)zmq_msg_data(&frames[1]) = kind;
    if (n > 0) {
        memcpy(zmq_msg_data(&frames[2]), body, n);
    }
    status = LM_OK;
    for (size_t i = first; i < 3 && status == LM_OK; i++) {
        code = send_frame(socket, &frames[i], i < 2);
        if (code != 0) {
            status = code == EAGAIN         ? LM_ERR_BUSY
                     : code == EHOSTUNREACH ? LM_ERR_NOT_FOUND
                                            : LM_ERR_IO;
        }
    }
out:
    for (size_t i = first; i < made; i++) {
        zmq_msg_close(&frames[i]);
    }
    return status;
}

/* ---- ROUTER ---- */

static bool set_router(void *socket, const struct lm_keypair *keys)
{
    return set_common(socket, HUB_HWM) && lm_socket_set_int(socket, ZMQ_CURVE_SERVER, 1) &&
           zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, LM_KEY_BYTES) == 0 &&
           zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, LM_ZAP_DOMAIN, strlen(LM_ZAP_DOMAIN)) == 0 &&
           /* Without it a CURVE server lets any key in while no handler runs. By number: czmq's
              setter does nothing. */
           lm_socket_set_int(socket, ZMQ_ZAP_ENFORCE_DOMAIN, 1) &&
           /* With 1 an authenticated station could take over another's routing id and its answers.
            */
           lm_socket_set_int(socket, ZMQ_ROUTER_HANDOVER, 0) &&
           /* With 0 what cannot be sent is lost in silence. */
           lm_socket_set_int(socket, ZMQ_ROUTER_MANDATORY, 1) &&
           lm_socket_set_int(socket, ZMQ_BACKLOG, LM_GUARD_STRANGERS_MAX);
}

/* The port of the loopback address that the ROUTER was given; 0: none. */
static uint16_t inner_port(void *socket)
{
    char bound[ENDPOINT_BYTES];
    size_t size = sizeof(bound);
    const char *port;

    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &size) != 0) {
        return 0;
    }
    port = strrchr(bound, ':');
    return port != NULL ? (uint16_t)strtoul(port + 1, NULL, 10) : 0;
}

/* The address as it was given, with the port that was got. */
static bool name_endpoint(struct lm_router *router, const char *given, uint16_t port)
{
    int host = (int)(strrchr(given, ':') - given);
    int n = snprintf(router->endpoint, sizeof(router->endpoint), "%.*s:%u", host, given, port);

    return n > 0 && (size_t)n < sizeof(router->endpoint);
}

/* On the ZAP thread. The address that the caller is told is the peer's own. */
static bool allow_through_guard(void *arg, const uint8_t public_key[LM_KEY_BYTES],
                                const char *address, char user_id_out[41])
{
    struct lm_router *router = arg;
    char own[64];

    return lm_guard_address_of(router->guard, address, own) &&
           router->allow(router->allow_arg, public_key, own, user_id_out) &&
           lm_guard_admit(router->guard, address, public_key);
}

enum lm_status lm_router_open(struct lm_context *context, const char *endpoint,
                              const struct lm_keypair *keys, lm_zap_allow allow, void *allow_arg,
                              struct lm_router **out, struct lm_error *err)
{
    struct lm_router *router;
    uint16_t port = 0;
    enum lm_status status;

    *out = NULL;
    if (strncmp(endpoint, "tcp://", 6) != 0 || strlen(endpoint) >= ENDPOINT_BYTES) {
        errno = EINVAL;
        return lm_net_fail(err, "bad_endpoint", endpoint);
    }
    router = calloc(1, sizeof(*router));
    if (router == NULL || lm_guard_new(&router->guard) != LM_OK) {
        free(router);
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    router->allow = allow;
    router->allow_arg = allow_arg;
    status = lm_zap_start(context->zmq, allow_through_guard, router, &router->zap, err);
    if (status != LM_OK) {
        goto out;
    }
    router->socket = zmq_socket(context->zmq, ZMQ_ROUTER);
    if (router->socket == NULL || !set_router(router->socket, keys) ||
        zmq_bind(router->socket, "tcp://127.0.0.1:*") != 0) {
        status = lm_net_fail(err, "listen", "127.0.0.1");
        goto out;
    }
    status = lm_guard_listen(router->guard, endpoint, inner_port(router->socket), &port, err);
    if (status == LM_OK && !name_endpoint(router, endpoint, port)) {
        errno = EINVAL;
        status = lm_net_fail(err, "listen", endpoint);
    }
    if (status != LM_OK) {
        goto out;
    }
    *out = router;
out:
    if (status != LM_OK) {
        lm_router_close(&router);
    }
    return status;
}

const char *lm_router_endpoint(const struct lm_router *router)
{
    return router->endpoint;
}

int lm_router_fd(struct lm_router *router)
{
    int fd = -1;
    size_t size = sizeof(fd);

    return zmq_getsockopt(router->socket, ZMQ_FD, &fd, &size) == 0 ? fd : -1;
}

enum lm_status lm_router_receive(struct lm_router *router, int timeout_ms, struct lm_incoming *in)
{
    return receive(router->socket, &router->held, router->guard, timeout_ms, in);
}

enum lm_status lm_router_send(struct lm_router *router, const struct lm_peer *peer, uint8_t kind,
                              const void *body, size_t n)
{
    LM_CHECK(peer->n <= sizeof(peer->id));
    return send_message(router->socket, peer, kind, body, n);
}

enum lm_status lm_router_wait(struct lm_router *router, const int *fds, size_t n_fds, bool *ready,
                              int timeout_ms, bool *message_ready)
{
    return wait_for(router->socket, fds, n_fds, ready, timeout_ms, message_ready);
}

void lm_router_waiting(struct lm_router *router, uint64_t *bytes_out, size_t *connections_out)
{
    lm_guard_waiting(router->guard, bytes_out, connections_out);
}

void lm_router_close(struct lm_router **router)
{
    if (router == NULL || *router == NULL) {
        return;
    }
    holder_free(&(*router)->held);
    if ((*router)->socket != NULL) {
        zmq_close((*router)->socket);
    }
    lm_zap_stop(&(*router)->zap);
    lm_guard_close(&(*router)->guard);
    free(*router);
    *router = NULL;
}

/* ---- DEALER ---- */

static bool set_dealer(void *socket, const uint8_t hub_key[LM_KEY_BYTES],
                       const struct lm_keypair *keys)
{
    return set_common(socket, NODE_HWM) &&
           zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, hub_key, LM_KEY_BYTES) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public_key, LM_KEY_BYTES) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, LM_KEY_BYTES) == 0 &&
           lm_socket_set_int(socket, ZMQ_IMMEDIATE,
                             1) && /* nothing is queued here while the hub is away */
           lm_socket_set_int(socket, ZMQ_RECONNECT_IVL, 1000) &&
           lm_socket_set_int(socket, ZMQ_RECONNECT_IVL_MAX, 300000) &&
           lm_socket_set_int(socket, ZMQ_CONNECT_TIMEOUT, 10000);
}

static bool open_monitor(struct lm_context *context, struct lm_dealer *dealer)
{
    static atomic_uint
        number; /* an address must not be used again while the former one is being closed */
    char name[64];

    (void)snprintf(name, sizeof(name), "inproc://lastmile.monitor.%u",
                   atomic_fetch_add(&number, 1));
    if (zmq_socket_monitor(dealer->socket, name, ZMQ_EVENT_ALL) != 0) {
        return false;
    }
    dealer->monitor = zmq_socket(context->zmq, ZMQ_PAIR);
    return dealer->monitor != NULL && lm_socket_set_int(dealer->monitor, ZMQ_LINGER, 0) &&
           /* Unlimited, so that the I/O thread never waits for us; every call here empties it. */
           lm_socket_set_int(dealer->monitor, ZMQ_RCVHWM, 0) &&
           zmq_connect(dealer->monitor, name) == 0;
}

enum lm_status lm_dealer_open(struct lm_context *context, const char *endpoint,
                              const uint8_t hub_key[LM_KEY_BYTES], const struct lm_keypair *keys,
                              struct lm_dealer **out, struct lm_error *err)
{
    struct lm_dealer *dealer;
    enum lm_status status = LM_OK;

    *out = NULL;
    if (strncmp(endpoint, "tcp://", 6) != 0) {
        errno = EINVAL;
        return lm_net_fail(err, "bad_endpoint", endpoint);
    }
    dealer = calloc(1, sizeof(*dealer));
    if (dealer == NULL) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    dealer->state = "connecting";
    dealer->socket = zmq_socket(context->zmq, ZMQ_DEALER);
    if (dealer->socket == NULL || !set_dealer(dealer->socket, hub_key, keys) ||
        !open_monitor(context, dealer) || zmq_connect(dealer->socket, endpoint) != 0) {
        status = lm_net_fail(err, "connect", endpoint);
        lm_dealer_close(&dealer);
        return status;
    }
    *out = dealer;
    return LM_OK;
}

/* What one event of the monitor says about the other side. */
static void judge_event(struct lm_dealer *dealer, unsigned event, unsigned value)
{
    switch (event) {
    case ZMQ_EVENT_CONNECTED:
        dealer->tcp_up = true;
        dealer->greeted = false;
        break;
    case ZMQ_EVENT_CLOSED:
        if (!dealer->tcp_up) {
            dealer->state = "unreachable";
        }
        break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        dealer->greeted = true;
        dealer->state = "connected";
        dealer->connections++;
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        dealer->greeted = true;
        dealer->state = "refused by the hub (unknown or revoked key)";
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        dealer->greeted = true;
        dealer->state =
            value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC ? "wrong hub key" : "not a Lastmile hub";
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        /* A hub that cannot open our HELLO, because it is meant for another key, hangs up without a
         * word. */
        dealer->greeted = true;
        dealer->state =
            value == EPIPE || value == ECONNRESET ? "wrong hub key" : "not a Lastmile hub";
        break;
    case ZMQ_EVENT_DISCONNECTED:
        if (!dealer->greeted) { /* what came was no ZMTP: a web server, a captive portal */
            dealer->state = "not a Lastmile hub";
        } else if (strcmp(dealer->state, "connected") == 0) {
            dealer->state = "connecting";
        }
        dealer->tcp_up = false;
        break;
    default:
        break;
    }
}

static void drain_monitor(struct lm_dealer *dealer)
{
    for (;;) {
        uint8_t head[6];
        char address[ENDPOINT_BYTES];
        uint16_t event;
        uint32_t value;
        int n = zmq_recv(dealer->monitor, head, sizeof(head), ZMQ_DONTWAIT);

        if (n < 0) {
            return;
        }
        (void)zmq_recv(dealer->monitor, address, sizeof(address), ZMQ_DONTWAIT);
        if (n == (int)sizeof(head)) {
            memcpy(&event, head, sizeof(event));
            memcpy(&value, head + sizeof(event), sizeof(value));
            judge_event(dealer, event, value);
        }
    }
}

enum lm_status lm_dealer_send(struct lm_dealer *dealer, uint8_t kind, const void *body, size_t n)
{
    drain_monitor(dealer);
    return send_message(dealer->socket, NULL, kind, body, n);
}

enum lm_status lm_dealer_receive(struct lm_dealer *dealer, int timeout_ms, struct lm_incoming *in)
{
    enum lm_status status = receive(dealer->socket, &dealer->held, NULL, timeout_ms, in);

    drain_monitor(dealer);
    return status;
}

enum lm_status lm_dealer_wait(struct lm_dealer *dealer, const int *fds, size_t n_fds, bool *ready,
                              int timeout_ms, bool *message_ready)
{
    enum lm_status status = wait_for(dealer->socket, fds, n_fds, ready, timeout_ms, message_ready);

    drain_monitor(dealer);
    return status;
}

const char *lm_dealer_state(struct lm_dealer *dealer)
{
    drain_monitor(dealer);
    return dealer->state;
}

uint32_t lm_dealer_connections(struct lm_dealer *dealer)
{
    drain_monitor(dealer);
    return dealer->connections;
}

void lm_dealer_close(struct lm_dealer **dealer)
{
    if (dealer == NULL || *dealer == NULL) {
        return;
    }
    holder_free(&(*dealer)->held);
    if ((*dealer)->socket != NULL) {
        (void)zmq_socket_monitor((*dealer)->socket, NULL, 0);
        zmq_close((*dealer)->socket);
    }
    if ((*dealer)->monitor != NULL) {
        zmq_close((*dealer)->monitor);
    }
    free(*dealer);
    *dealer = NULL;
}
