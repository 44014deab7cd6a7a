/* The hub's ZAP handler (RFC 27, https://rfc.zeromq.org/spec/27/): one thread that asks
 * lm_zap_allow for every CURVE handshake and names whom it lets in.
 *
 * Invariants: whatever is not a well-formed request of our domain, with a CURVE key that was
 * allowed and a name to go with it, is answered 400. The thread owns `socket` and `stop_peer`; the
 * thread that started it owns `stop`. */
#include "common/transport_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_FRAMES 16 /* a request has 9 */

struct lm_zap {
    void *socket, *stop_peer; /* the thread's, once it runs */
    void *stop;               /* PAIR to the thread: a message ends it */
    pthread_t thread;
    bool runs;
    lm_zap_allow allow;
    void *allow_arg;
};

static bool frame_is(zmq_msg_t *msg, const char *text)
{
    return zmq_msg_size(msg) == strlen(text) && memcmp(zmq_msg_data(msg), text, strlen(text)) == 0;
}

static bool send_bytes(void *socket, const void *data, size_t n, bool more)
{
    int rc;

    do {
        rc = zmq_send(socket, data, n, more ? ZMQ_SNDMORE : 0);
    } while (rc < 0 && errno == EINTR);
    return rc >= 0;
}

/* Request: [routing id] [] "1.0" id domain address identity mechanism key. True: user_id is filled.
 */
static bool zap_judge(struct lm_zap *zap, zmq_msg_t *frames, size_t n, char user_id[41])
{
    static const char mapped[] = "::ffff:"; /* an IPv4 address at an IPv6 socket */
    const size_t skip = sizeof(mapped) - 1;
    char address[64];
    size_t len;

    if (n != 9 || !frame_is(&frames[2], "1.0") || !frame_is(&frames[4], LM_ZAP_DOMAIN) ||
        !frame_is(&frames[7], "CURVE") || zmq_msg_size(&frames[8]) != LM_KEY_BYTES) {
        return false;
    }
    len = zmq_msg_size(&frames[5]);
    len = len < sizeof(address) - 1 ? len : sizeof(address) - 1;
    memcpy(address, zmq_msg_data(&frames[5]), len);
    address[len] = '\0';
    memset(user_id, 0, 41);
    if (!zap->allow(zap->allow_arg, zmq_msg_data(&frames[8]),
                    strncmp(address, mapped, skip) == 0 ? address + skip : address, user_id)) {
        return false;
    }
    user_id[40] = '\0';
    return user_id[0] != '\0'; /* whom nobody can name is not let in */
}

static void zap_answer(struct lm_zap *zap)
{
    zmq_msg_t frames[ZAP_FRAMES];
    size_t n = 0;
    char user_id[41] = "";
    bool more = true, allowed, sent;

    while (more) {
        zmq_msg_t extra;
        zmq_msg_t *msg = n < ZAP_FRAMES ? &frames[n] : &extra;

        zmq_msg_init(msg);
        if (zmq_msg_recv(msg, zap->socket, 0) < 0) {
            zmq_msg_close(msg);
            goto out;
        }
        more = zmq_msg_more(msg);
        if (n < ZAP_FRAMES) {
            n++;
        } else {
            zmq_msg_close(msg);
        }
    }
    if (n < 4) {
        goto out; /* no envelope and request id to answer to */
    }
    allowed = zap_judge(zap, frames, n, user_id);
    sent = send_bytes(zap->socket, zmq_msg_data(&frames[0]), zmq_msg_size(&frames[0]), true) &&
           send_bytes(zap->socket, "", 0, true) && send_bytes(zap->socket, "1.0", 3, true) &&
           send_bytes(zap->socket, zmq_msg_data(&frames[3]), zmq_msg_size(&frames[3]), true) &&
           send_bytes(zap->socket, allowed ? "200" : "400", 3, true) &&
           send_bytes(zap->socket, allowed ? "OK" : "No", 2, true) &&
           send_bytes(zap->socket, user_id, allowed ? strlen(user_id) : 0, true) &&
           send_bytes(zap->socket, "", 0, false);
    (void)sent; /* a handshake that gets no answer ends by HANDSHAKE_IVL */
out:
    for (size_t i = 0; i < n; i++) {
        zmq_msg_close(&frames[i]);
    }
}

static void *zap_main(void *arg)
{
    struct lm_zap *zap = arg;
    zmq_pollitem_t items[2] = {{.socket = zap->socket, .events = ZMQ_POLLIN},
                               {.socket = zap->stop_peer, .events = ZMQ_POLLIN}};

    for (;;) {
        if (zmq_poll(items, 2, -1) < 0) {
            if (errno == EINTR) {
                continue;
            }
            break;
        }
        if (items[1].revents & ZMQ_POLLIN) {
            break;
        }
        if (items[0].revents & ZMQ_POLLIN) {
            zap_answer(zap);
        }
    }
    (void)zmq_unbind(zap->socket, ZAP_ENDPOINT); /* at once: closing alone takes its time */
    zmq_close(zap->socket);
    zmq_close(zap->stop_peer);
    return NULL;
}

enum lm_status lm_zap_start(void *zmq, lm_zap_allow allow, void *allow_arg, struct lm_zap **out,
                            struct lm_error *err)
{
    struct lm_zap *zap = calloc(1, sizeof(*zap));
    enum lm_status status = LM_OK;
    static atomic_uint started;
    char name[64];

    *out = NULL;
    if (zap == NULL) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    zap->allow = allow;
    zap->allow_arg = allow_arg;
    /* A number, never an address: memory is given out again before libzmq has let go of a name. */
    (void)snprintf(name, sizeof(name), "inproc://lastmile.zap.%u", atomic_fetch_add(&started, 1));
    zap->socket = zmq_socket(zmq, ZMQ_ROUTER);
    zap->stop = zmq_socket(zmq, ZMQ_PAIR);
    zap->stop_peer = zmq_socket(zmq, ZMQ_PAIR);
    if (zap->socket == NULL || zap->stop == NULL || zap->stop_peer == NULL ||
        !lm_socket_set_int(zap->socket, ZMQ_LINGER, 0) ||
        !lm_socket_set_int(zap->stop, ZMQ_LINGER, 0) ||
        !lm_socket_set_int(zap->stop_peer, ZMQ_LINGER, 0) ||
        zmq_bind(zap->socket, ZAP_ENDPOINT) != 0 || zmq_bind(zap->stop, name) != 0 ||
        zmq_connect(zap->stop_peer, name) != 0) {
        status = lm_net_fail(err, "zap", ZAP_ENDPOINT);
        goto out;
    }
    /* Creating the thread is the full memory barrier that handing sockets over needs. */
    if (pthread_create(&zap->thread, NULL, zap_main, zap) != 0) {
        status = lm_fail(err, LM_ERR_MEMORY, "thread", "", "不能启动线程。",
                         "A thread could not be started.");
        goto out;
    }
    zap->runs = true;
    *out = zap;
out:
    if (status != LM_OK) {
        lm_zap_stop(&zap);
    }
    return status;
}

void lm_zap_stop(struct lm_zap **zap)
{
    struct lm_zap *z = zap != NULL ? *zap : NULL;

    if (z == NULL) {
        return;
    }
    if (z->runs) { /* the thread closes its two sockets */
        (void)send_bytes(z->stop, "", 0, false);
        (void)pthread_join(z->thread, NULL);
    } else {
        if (z->socket != NULL) {
            zmq_close(z->socket);
        }
        if (z->stop_peer != NULL) {
            zmq_close(z->stop_peer);
        }
    }
    if (z->stop != NULL) {
        zmq_close(z->stop);
    }
    free(z);
    *zap = NULL;
}
