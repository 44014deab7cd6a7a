/* ROUTER and DEALER over real sockets on the loopback address: who is let in, what is bounded, what
 * a node can tell of a hub that is not one. Every wait has a deadline and ends as soon as the thing
 * waited for is there. */
#include "common/base/util.h"
#include "common/transport.h"
#include "common/transport_guard.h"
#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#define DEADLINE_MS 10000
#define ANY "tcp://127.0.0.1:0"

struct world {
    struct lm_context *context;
    struct lm_router *router;
    struct lm_keypair hub, a, b, stranger;
    atomic_int asked;
    struct lm_dealer *dealers[4]; /* closed by teardown, also after a failed check */
    size_t n_dealers;
};

static bool allow(void *arg, const uint8_t key[LM_KEY_BYTES], const char *address, char user_id[41])
{
    struct world *w = arg;

    atomic_fetch_add(&w->asked, 1);
    if (strcmp(address, "127.0.0.1") != 0) {
        return false;
    }
    if (memcmp(key, w->a.public_key, LM_KEY_BYTES) == 0) {
        memcpy(user_id, "r1", 3);
        return true;
    }
    if (memcmp(key, w->b.public_key, LM_KEY_BYTES) == 0) {
        memcpy(user_id, "k2", 3);
        return true;
    }
    return false;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct lm_error err;

    assert_non_null(w);
    assert_int_equal(lm_context_new(&w->context), LM_OK);
    lm_keypair_make(&w->hub);
    lm_keypair_make(&w->a);
    lm_keypair_make(&w->b);
    lm_keypair_make(&w->stranger);
    assert_int_equal(lm_router_open(w->context, ANY, &w->hub, allow, w, &w->router, &err), LM_OK);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    while (w->n_dealers > 0) {
        lm_dealer_close(&w->dealers[--w->n_dealers]);
    }
    lm_router_close(&w->router);
    lm_context_destroy(&w->context);
    assert_null(w->context);
    free(w);
    return 0;
}

static struct lm_dealer *dial(struct world *w, const char *endpoint, const struct lm_keypair *hub,
                              const struct lm_keypair *keys)
{
    struct lm_dealer *dealer = NULL;
    struct lm_error err;

    assert_int_equal(lm_dealer_open(w->context, endpoint, hub->public_key, keys, &dealer, &err),
                     LM_OK);
    assert_true(w->n_dealers < sizeof(w->dealers) / sizeof(w->dealers[0]));
    w->dealers[w->n_dealers++] = dealer;
    return dealer;
}

static void hang_up(struct world *w, struct lm_dealer **dealer)
{
    for (size_t i = 0; i < w->n_dealers; i++) {
        if (w->dealers[i] == *dealer) {
            w->dealers[i] = w->dealers[--w->n_dealers];
        }
    }
    lm_dealer_close(dealer);
    assert_null(*dealer);
    lm_dealer_close(dealer); /* once more does nothing */
}

/* Sends as soon as the transport takes it. */
static void send_until_taken(struct lm_dealer *dealer, uint8_t kind, const void *body, size_t n)
{
    int64_t end_ms = lm_clock_mono_ms() + DEADLINE_MS;
    enum lm_status status;

    while ((status = lm_dealer_send(dealer, kind, body, n)) == LM_ERR_BUSY) {
        bool ready;

        assert_true(lm_clock_mono_ms() < end_ms);
        assert_int_equal(lm_dealer_wait(dealer, NULL, 0, NULL, 10, &ready), LM_OK);
    }
    assert_int_equal(status, LM_OK);
}

static void expect_state(struct lm_dealer *dealer, const char *state)
{
    int64_t end_ms = lm_clock_mono_ms() + DEADLINE_MS;
    bool ready;

    while (strcmp(lm_dealer_state(dealer), state) != 0 && lm_clock_mono_ms() < end_ms) {
        assert_int_equal(lm_dealer_wait(dealer, NULL, 0, NULL, 10, &ready), LM_OK);
    }
    assert_string_equal(lm_dealer_state(dealer), state);
}

/* One exchange in both directions. */
static void exchange(struct world *w, struct lm_dealer *dealer, const char *user_id)
{
    struct lm_incoming in;

    send_until_taken(dealer, 3, "hello", 5);
    assert_int_equal(lm_router_receive(w->router, DEADLINE_MS, &in), LM_OK);
    assert_false(in.hostile);
    assert_string_equal(in.user_id, user_id);
    assert_int_equal(in.kind, 3);
    assert_int_equal(in.n, 5);
    assert_memory_equal(in.body, "hello", 5);
    assert_int_equal(lm_router_send(w->router, &in.peer, 4, "welcome", 7), LM_OK);
    lm_incoming_release(&in);
    assert_null(in.body);
    assert_int_equal(lm_dealer_receive(dealer, DEADLINE_MS, &in), LM_OK);
    assert_false(in.hostile);
    assert_int_equal(in.kind, 4);
    assert_int_equal(in.n, 7);
    assert_memory_equal(in.body, "welcome", 7);
    lm_incoming_release(&in);
    assert_string_equal(lm_dealer_state(dealer), "connected");
}

static void test_good_key(void **state)
{
    struct world *w = *state;
    struct lm_dealer *dealer = dial(w, lm_router_endpoint(w->router), &w->hub, &w->a);
    struct lm_incoming in;

    assert_true(lm_router_fd(w->router) >= 0);
    exchange(w, dealer, "r1");
    exchange(w, dealer, "r1");
    assert_int_equal(atomic_load(&w->asked), 1); /* asked at connect only */
    assert_int_equal(lm_router_receive(w->router, 0, &in), LM_ERR_TIMEOUT);
    assert_int_equal(lm_dealer_receive(dealer, 0, &in), LM_ERR_TIMEOUT);
    hang_up(w, &dealer);
}

static void test_empty_and_largest_body(void **state)
{
    struct world *w = *state;
    struct lm_dealer *dealer = dial(w, lm_router_endpoint(w->router), &w->hub, &w->a);
    struct lm_incoming in;
    uint8_t *big = malloc(LM_FRAME_BYTES_MAX + 1);

    assert_non_null(big);
    memset(big, 7, LM_FRAME_BYTES_MAX + 1);
    send_until_taken(dealer, 14, NULL, 0);
    assert_int_equal(lm_router_receive(w->router, DEADLINE_MS, &in), LM_OK);
    assert_false(in.hostile);
    assert_int_equal(in.kind, 14);
    assert_int_equal(in.n, 0);
    send_until_taken(dealer, 5, big, LM_FRAME_BYTES_MAX);
    assert_int_equal(lm_router_receive(w->router, DEADLINE_MS, &in), LM_OK);
    assert_int_equal(in.n, LM_FRAME_BYTES_MAX);
    assert_memory_equal(in.body, big, LM_FRAME_BYTES_MAX);
    assert_int_equal(lm_dealer_send(dealer, 5, big, LM_FRAME_BYTES_MAX + 1), LM_ERR_LIMIT);
    assert_int_equal(lm_router_send(w->router, &in.peer, 5, big, LM_FRAME_BYTES_MAX + 1),
                     LM_ERR_LIMIT);
    free(big);
    exchange(w, dealer, "r1");
    hang_up(w, &dealer);
}

static void test_unknown_key(void **state)
{
    struct world *w = *state;
    struct lm_dealer *stranger = dial(w, lm_router_endpoint(w->router), &w->hub, &w->stranger);
    struct lm_dealer *dealer = dial(w, lm_router_endpoint(w->router), &w->hub, &w->a);
    struct lm_incoming in;

    expect_state(stranger, "refused by the hub (unknown or revoked key)");
    assert_int_equal(lm_dealer_send(stranger, 3, "x", 1), LM_ERR_BUSY); /* nothing is queued */
    exchange(w, dealer, "r1");
    assert_int_equal(lm_router_receive(w->router, 0, &in), LM_ERR_TIMEOUT);
    hang_up(w, &stranger);
    hang_up(w, &dealer);
}

static void test_wrong_hub_key(void **state)
{
    struct world *w = *state;
    struct lm_dealer *dealer = dial(w, lm_router_endpoint(w->router), &w->stranger, &w->a);

    expect_state(dealer, "wrong hub key");
    assert_int_equal(lm_dealer_send(dealer, 3, "x", 1), LM_ERR_BUSY);
    assert_int_equal(atomic_load(&w->asked), 0);
    hang_up(w, &dealer);
    dealer = dial(w, lm_router_endpoint(w->router), &w->hub, &w->a);
    exchange(w, dealer, "r1");
    hang_up(w, &dealer);
}

/* A captive portal: takes connections, waits for bytes, answers like a web server, hangs up. */
struct portal {
    int fd;
    atomic_bool stop;
};

static void *portal_main(void *arg)
{
    static const char answer[] = "HTTP/1.1 302 Found\r\nLocation: http://portal.invalid/\r\n\r\n";
    struct portal *p = arg;

    while (!atomic_load(&p->stop)) {
        struct pollfd wait = {.fd = p->fd, .events = POLLIN};

        if (poll(&wait, 1, 20) == 1) {
            char bytes[64];
            int fd = accept(p->fd, NULL, NULL);

            if (fd >= 0) {
                (void)recv(fd, bytes, sizeof(bytes), 0);
                (void)send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
                (void)shutdown(fd, SHUT_WR);
                while (recv(fd, bytes, sizeof(bytes), 0) > 0) {
                }
                close(fd);
            }
        }
    }
    return NULL;
}

static void test_portal_then_hub(void **state)
{
    struct world *w = *state;
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    struct portal portal = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    struct lm_dealer *dealer;
    struct lm_error err;
    pthread_t thread;
    char endpoint[64];
    int one = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(portal.fd >= 0);
    assert_int_equal(setsockopt(portal.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    assert_int_equal(bind(portal.fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(portal.fd, 8), 0);
    assert_int_equal(getsockname(portal.fd, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(endpoint, sizeof(endpoint), "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&thread, NULL, portal_main, &portal), 0);

    dealer = dial(w, endpoint, &w->hub, &w->a);
    expect_state(dealer, "not a Lastmile hub");
    assert_int_equal(lm_dealer_send(dealer, 3, "x", 1), LM_ERR_BUSY);
    hang_up(w, &dealer);
    atomic_store(&portal.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(portal.fd);

    dealer = dial(w, endpoint, &w->hub, &w->a); /* nobody is there now */
    expect_state(dealer, "unreachable");
    hang_up(w, &dealer);

    lm_router_close(&w->router);
    assert_int_equal(lm_router_open(w->context, endpoint, &w->hub, allow, w, &w->router, &err),
                     LM_OK);
    assert_string_equal(lm_router_endpoint(w->router), endpoint);
    dealer = dial(w, endpoint, &w->hub, &w->a);
    exchange(w, dealer, "r1");
    hang_up(w, &dealer);
}

/* Somebody points a browser at the sync port: no message comes of it, and others are served. */
static void test_web_client_at_the_port(void **state)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    struct world *w = *state;
    struct sockaddr_in address = {.sin_family = AF_INET};
    const char *colon = strrchr(lm_router_endpoint(w->router), ':');
    struct lm_dealer *dealer;
    struct lm_incoming in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(colon + 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
    dealer = dial(w, lm_router_endpoint(w->router), &w->hub, &w->b);
    exchange(w, dealer, "k2");
    assert_int_equal(lm_router_receive(w->router, 0, &in), LM_ERR_TIMEOUT);
    close(fd);
    hang_up(w, &dealer);
}

/* A station's own key in the hands of a program that keeps no bounds. */
static void *raw_dealer(struct world *w, void **context_out)
{
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_DEALER);
    int linger_ms = 0, timeout_ms = DEADLINE_MS;

    assert_int_equal(zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof(linger_ms)), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_SNDTIMEO, &timeout_ms, sizeof(timeout_ms)), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, w->hub.public_key, 32), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, w->b.public_key, 32), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, w->b.secret_key, 32), 0);
    assert_int_equal(zmq_connect(socket, lm_router_endpoint(w->router)), 0);
    *context_out = context;
    return socket;
}

static void test_wrong_frames(void **state)
{
    struct world *w = *state;
    void *context, *raw = raw_dealer(w, &context);
    struct lm_dealer *dealer;
    struct lm_incoming in;

    for (int i = 0; i < 40; i++) { /* far too many frames */
        assert_int_equal(zmq_send(raw, "\3", 1, i < 39 ? ZMQ_SNDMORE : 0), 1);
    }
    assert_int_equal(zmq_send(raw, "\3", 1, 0), 1);             /* no body */
    assert_int_equal(zmq_send(raw, "\3\4", 2, ZMQ_SNDMORE), 2); /* a kind of two bytes */
    assert_int_equal(zmq_send(raw, "body", 4, 0), 4);
    assert_int_equal(zmq_send(raw, "\5", 1, ZMQ_SNDMORE), 1); /* and one that is right */
    assert_int_equal(zmq_send(raw, "body", 4, 0), 4);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lm_router_receive(w->router, DEADLINE_MS, &in), LM_OK);
        assert_true(in.hostile);
        assert_string_equal(in.user_id, "k2");
        assert_null(in.body);
        assert_int_equal(in.n, 0);
    }
    assert_int_equal(lm_router_receive(w->router, DEADLINE_MS, &in), LM_OK);
    assert_false(in.hostile);
    assert_int_equal(in.kind, 5);
    assert_memory_equal(in.body, "body", 4);
    lm_incoming_release(&in);
    dealer = dial(w, lm_router_endpoint(w->router), &w->hub, &w->a);
    exchange(w, dealer, "r1");
    hang_up(w, &dealer);
    zmq_close(raw);
    zmq_ctx_term(context);
}

/* P12: frames with MORE are held by libzmq until the last one; the door before the ROUTER lets only
 * so much of them in. */
static void test_endless_message(void **state)
{
    enum { FRAMES = 400, FRAME = 65536 };
    struct world *w = *state;
    void *context, *raw = raw_dealer(w, &context);
    uint8_t *frame = calloc(1, FRAME);
    struct lm_dealer *dealer;
    struct lm_incoming in;
    uint64_t waiting = 0, most = 0;
    size_t connections;
    int64_t end_ms = lm_clock_mono_ms() + DEADLINE_MS;

    assert_non_null(frame);
    for (int i = 0; i < FRAMES; i++) {
        assert_int_equal(zmq_send(raw, frame, FRAME, i < FRAMES - 1 ? ZMQ_SNDMORE : 0), FRAME);
    }
    while (most < LM_GUARD_UNTAKEN_MAX && lm_clock_mono_ms() < end_ms) {
        assert_int_equal(lm_router_receive(w->router, 1, &in), LM_ERR_TIMEOUT);
        lm_router_waiting(w->router, &waiting, &connections);
        most = waiting > most ? waiting : most;
    }
    assert_true(most >= LM_GUARD_UNTAKEN_MAX);
    dealer = dial(w, lm_router_endpoint(w->router), &w->hub, &w->a); /* others go on */
    for (int i = 0; i < 20; i++) {
        exchange(w, dealer, "r1");
    }
    lm_router_waiting(w->router, &waiting, &connections);
    assert_true(waiting <
                LM_GUARD_UNTAKEN_MAX + 2 * 16384); /* by a chunk over, not by the rest of 25 MiB */
    assert_int_equal(connections, 2);
    hang_up(w, &dealer);
    zmq_close(raw);
    zmq_ctx_term(context);
    free(frame);
}

/* What was received no longer counts, to the byte but for handshakes. */
static void test_bytes_taken(void **state)
{
    struct world *w = *state;
    struct lm_dealer *dealer = dial(w, lm_router_endpoint(w->router), &w->hub, &w->a);
    uint8_t *body = calloc(1, LM_FRAME_BYTES_MAX);
    struct lm_incoming in;
    uint64_t before, after;
    size_t connections;

    assert_non_null(body);
    exchange(w, dealer, "r1");
    lm_router_waiting(w->router, &before, &connections);
    assert_true(before > 0 && before <= LM_GUARD_HANDSHAKE_BYTES_MAX);
    for (int i = 0; i < 12; i++) { /* more than may wait at once */
        send_until_taken(dealer, 5, body, i % 3 ? LM_FRAME_BYTES_MAX : (size_t)200 + (size_t)i);
        assert_int_equal(lm_router_receive(w->router, DEADLINE_MS, &in), LM_OK);
        assert_false(in.hostile);
        lm_incoming_release(&in);
    }
    lm_router_waiting(w->router, &after, &connections);
    assert_int_equal(after, before);
    assert_int_equal(connections, 1);
    hang_up(w, &dealer);
    free(body);
}

/* Of connections with one key the oldest makes room. */
static void test_connections_of_one_key(void **state)
{
    struct world *w = *state;
    void *contexts[LM_GUARD_PER_KEY_MAX + 2], *raw[LM_GUARD_PER_KEY_MAX + 2];
    struct lm_incoming in;
    uint64_t bytes;
    size_t connections = 0;
    int64_t end_ms = lm_clock_mono_ms() + DEADLINE_MS;

    for (int i = 0; i < LM_GUARD_PER_KEY_MAX + 2; i++) {
        raw[i] = raw_dealer(w, &contexts[i]);
        assert_int_equal(zmq_send(raw[i], "\3", 1, ZMQ_SNDMORE), 1);
        assert_int_equal(zmq_send(raw[i], "body", 4, 0), 4);
        assert_int_equal(lm_router_receive(w->router, DEADLINE_MS, &in), LM_OK);
        lm_incoming_release(&in);
        zmq_setsockopt(raw[i], ZMQ_RECONNECT_IVL, &(int){-1}, sizeof(int));
    }
    do {
        lm_router_waiting(w->router, &bytes, &connections);
    } while (connections > LM_GUARD_PER_KEY_MAX && lm_clock_mono_ms() < end_ms);
    assert_int_equal(connections, LM_GUARD_PER_KEY_MAX);
    for (int i = 0; i < LM_GUARD_PER_KEY_MAX + 2; i++) {
        zmq_close(raw[i]);
        zmq_ctx_term(contexts[i]);
    }
}

static int raw_tcp(struct world *w)
{
    const char *port = strrchr(lm_router_endpoint(w->router), ':');
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)atoi(port + 1))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* P12: more half greetings than the door keeps: the oldest goes, whoever has a key is let in, and
 * nobody can send more than a handshake without one. */
static void test_strangers_make_room(void **state)
{
    enum { STRANGERS = 400 };
    static const uint8_t greeting[12] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0};
    struct world *w = *state;
    int fds[STRANGERS];
    uint8_t *noise = calloc(1, 65536);
    struct lm_dealer *dealer;

    assert_non_null(noise);
    for (int i = 0; i < STRANGERS; i++) {
        fds[i] = raw_tcp(w);
        (void)!send(fds[i], greeting, sizeof(greeting), MSG_NOSIGNAL);
    }
    dealer = dial(w, lm_router_endpoint(w->router), &w->hub, &w->a);
    exchange(w, dealer, "r1");
    /* One of those that is still open says more than a handshake takes. */
    while (send(fds[STRANGERS - 1], noise, 65536, MSG_NOSIGNAL) > 0) {
    }
    exchange(w, dealer, "r1");
    hang_up(w, &dealer);
    for (int i = 0; i < STRANGERS; i++) {
        close(fds[i]);
    }
    free(noise);
}

static void test_oversized_frame(void **state)
{
    struct world *w = *state;
    void *context, *raw = raw_dealer(w, &context), *monitor;
    uint8_t *big = calloc(1, LM_FRAME_BYTES_MAX + 1), event[6];
    struct lm_dealer *dealer;
    struct lm_incoming in;
    int timeout_ms = DEADLINE_MS;

    assert_non_null(big);
    assert_int_equal(zmq_socket_monitor(raw, "inproc://m", ZMQ_EVENT_DISCONNECTED), 0);
    monitor = zmq_socket(context, ZMQ_PAIR);
    assert_int_equal(zmq_setsockopt(monitor, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms)), 0);
    assert_int_equal(zmq_connect(monitor, "inproc://m"), 0);
    assert_int_equal(zmq_send(raw, "\5", 1, ZMQ_SNDMORE), 1);
    assert_int_equal(zmq_send(raw, big, LM_FRAME_BYTES_MAX + 1, 0), LM_FRAME_BYTES_MAX + 1);
    assert_int_equal(zmq_recv(monitor, event, sizeof(event), 0),
                     sizeof(event)); /* the hub hangs up */
    dealer = dial(w, lm_router_endpoint(w->router), &w->hub, &w->a);
    exchange(w, dealer, "r1");
    assert_int_equal(lm_router_receive(w->router, 0, &in), LM_ERR_TIMEOUT);
    hang_up(w, &dealer);
    zmq_socket_monitor(raw, NULL, 0);
    zmq_close(monitor);
    zmq_close(raw);
    zmq_ctx_term(context);
    free(big);
}

static void test_two_peers(void **state)
{
    struct world *w = *state;
    struct lm_dealer *a = dial(w, lm_router_endpoint(w->router), &w->hub, &w->a);
    struct lm_dealer *b = dial(w, lm_router_endpoint(w->router), &w->hub, &w->b);
    struct lm_incoming in;
    struct lm_peer peer_a, peer_b;
    int64_t end_ms = lm_clock_mono_ms() + DEADLINE_MS;
    enum lm_status status;

    send_until_taken(a, 3, "a", 1);
    assert_int_equal(lm_router_receive(w->router, DEADLINE_MS, &in), LM_OK);
    assert_string_equal(in.user_id, "r1");
    peer_a = in.peer;
    send_until_taken(b, 3, "b", 1);
    assert_int_equal(lm_router_receive(w->router, DEADLINE_MS, &in), LM_OK);
    assert_string_equal(in.user_id, "k2");
    peer_b = in.peer;
    assert_true(peer_a.n > 0 &&
                (peer_a.n != peer_b.n || memcmp(peer_a.id, peer_b.id, peer_a.n) != 0));
    assert_int_equal(lm_router_send(w->router, &peer_b, 14, "for b", 5), LM_OK);
    assert_int_equal(lm_router_send(w->router, &peer_a, 14, "for a", 5), LM_OK);
    assert_int_equal(lm_dealer_receive(a, DEADLINE_MS, &in), LM_OK);
    assert_memory_equal(in.body, "for a", 5);
    assert_int_equal(lm_dealer_receive(b, DEADLINE_MS, &in), LM_OK);
    assert_memory_equal(in.body, "for b", 5);

    hang_up(w, &a);
    while ((status = lm_router_send(w->router, &peer_a, 14, "x", 1)) != LM_ERR_NOT_FOUND) {
        bool ready;

        assert_true(status == LM_OK || status == LM_ERR_BUSY);
        assert_true(lm_clock_mono_ms() < end_ms);
        assert_int_equal(lm_router_wait(w->router, NULL, 0, NULL, 5, &ready), LM_OK);
    }
    exchange(w, b, "k2");
    hang_up(w, &b);
}

/* A peer that does not read: the hub's queue for it is bounded, and sending says so. */
static void test_full_queue(void **state)
{
    struct world *w = *state;
    struct lm_dealer *dealer = dial(w, lm_router_endpoint(w->router), &w->hub, &w->a);
    struct lm_incoming in;
    uint8_t *big = calloc(1, LM_FRAME_BYTES_MAX);
    struct lm_peer peer;
    int sent = 0;

    assert_non_null(big);
    send_until_taken(dealer, 3, "a", 1);
    assert_int_equal(lm_router_receive(w->router, DEADLINE_MS, &in), LM_OK);
    peer = in.peer;
    while (sent < 2000 && lm_router_send(w->router, &peer, 8, big, LM_FRAME_BYTES_MAX) == LM_OK) {
        sent++;
    }
    assert_true(sent < 2000);
    assert_int_equal(lm_router_send(w->router, &peer, 8, big, 1), LM_ERR_BUSY);
    for (int i = 0; i < sent; i++) { /* what was taken arrives whole and nothing else does */
        assert_int_equal(lm_dealer_receive(dealer, DEADLINE_MS, &in), LM_OK);
        assert_int_equal(in.n, LM_FRAME_BYTES_MAX);
    }
    assert_int_equal(lm_dealer_receive(dealer, 0, &in), LM_ERR_TIMEOUT);
    free(big);
    hang_up(w, &dealer);
}

static void test_wait_for_fds(void **state)
{
    struct world *w = *state;
    struct lm_dealer *dealer = dial(w, lm_router_endpoint(w->router), &w->hub, &w->a);
    struct lm_incoming in;
    bool ready[2], message;
    int fds[2][2], many[64] = {0};
    bool many_ready[64];

    assert_int_equal(pipe(fds[0]), 0);
    assert_int_equal(pipe(fds[1]), 0);
    assert_int_equal(write(fds[1][1], "x", 1), 1);
    assert_int_equal(
        lm_router_wait(w->router, (int[]){fds[0][0], fds[1][0]}, 2, ready, DEADLINE_MS, &message),
        LM_OK);
    assert_false(ready[0]);
    assert_true(ready[1]);
    assert_false(message);
    send_until_taken(dealer, 3, "a", 1);
    assert_int_equal(lm_router_wait(w->router, (int[]){fds[0][0]}, 1, ready, DEADLINE_MS, &message),
                     LM_OK);
    assert_false(ready[0]);
    assert_true(message);
    assert_int_equal(lm_router_receive(w->router, 0, &in), LM_OK);
    assert_int_equal(lm_dealer_wait(dealer, (int[]){fds[1][0]}, 1, ready, DEADLINE_MS, &message),
                     LM_OK);
    assert_true(ready[0]);
    assert_false(message);
    assert_int_equal(lm_router_wait(w->router, many, 64, many_ready, 0, &message), LM_ERR_LIMIT);
    for (int i = 0; i < 2; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
    hang_up(w, &dealer);
}

static void test_open_errors(void **state)
{
    struct world *w = *state;
    struct lm_context *other = NULL;
    struct lm_router *router = NULL;
    struct lm_dealer *dealer = NULL;
    struct lm_error err;

    assert_int_equal(lm_context_new(&other), LM_OK);
    assert_int_equal(
        lm_router_open(other, lm_router_endpoint(w->router), &w->hub, allow, w, &router, &err),
        LM_ERR_BUSY);
    assert_null(router);
    assert_string_equal(err.code, "listen");
    assert_int_equal(lm_router_open(other, "ipc:///tmp/x", &w->hub, allow, w, &router, &err),
                     LM_ERR_INVALID);
    assert_int_equal(lm_router_open(other, "tcp://nowhere", &w->hub, allow, w, &router, &err),
                     LM_ERR_INVALID);
    assert_int_equal(lm_dealer_open(other, "inproc://x", w->hub.public_key, &w->a, &dealer, &err),
                     LM_ERR_INVALID);
    assert_null(dealer);
    /* One ZAP handler a context. */
    assert_int_equal(lm_router_open(w->context, ANY, &w->hub, allow, w, &router, &err),
                     LM_ERR_BUSY);
    assert_null(router);
    lm_context_destroy(&other);
}

static void test_keys_as_text(void **state)
{
    struct lm_keypair pair;
    uint8_t back[LM_KEY_BYTES];
    char text[LM_KEY_Z85 + 1];

    (void)state;
    lm_keypair_make(&pair);
    assert_true(lm_key_to_z85(pair.public_key, text));
    assert_int_equal(strlen(text), LM_KEY_Z85 - 1);
    assert_true(lm_key_from_z85(text, back));
    assert_memory_equal(back, pair.public_key, LM_KEY_BYTES);
    assert_false(lm_key_from_z85(NULL, back));
    assert_false(lm_key_from_z85("", back));
    text[39] = '"';
    assert_false(lm_key_from_z85(text, back));
    text[39] = '\0';
    assert_false(lm_key_from_z85(text, back));
    memset(text, '#', LM_KEY_Z85 - 1); /* beyond 2^32 */
    text[LM_KEY_Z85 - 1] = '\0';
    assert_false(lm_key_from_z85(text, back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_and_largest_body, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_hub_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_portal_then_hub, setup, teardown),
        cmocka_unit_test_setup_teardown(test_web_client_at_the_port, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_endless_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connections_of_one_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strangers_make_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_oversized_frame, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_peers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_queue, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wait_for_fds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_errors, setup, teardown),
        cmocka_unit_test(test_keys_as_text),
    };

    return cmocka_run_group_tests_name("transport", tests, NULL, NULL);
}
