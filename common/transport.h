/* ZeroMQ with CURVE: the hub's ROUTER with its own ZAP handler, a node's DEALER. Socket options as
 * found necessary by running libzmq 4.3.4 (the reasons stand beside each in transport.c). One
 * thread owns a socket; the ZAP handler has its own thread. */
#ifndef LM_COMMON_TRANSPORT_H
#define LM_COMMON_TRANSPORT_H

#include "common/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LM_KEY_BYTES 32
#define LM_KEY_Z85 41

struct lm_keypair {
    uint8_t public_key[LM_KEY_BYTES], secret_key[LM_KEY_BYTES];
};
void lm_keypair_make(struct lm_keypair *pair);

/* What a client's CURVE key may do; asked on the ZAP thread for every handshake. user_id_out (≤ 40
 * chars) comes back with every message of that connection: "r<number>" for a replica, "k<n>" for a
 * kit. False = refused (400). */
typedef bool (*lm_zap_allow)(void *arg, const uint8_t public_key[LM_KEY_BYTES], const char *address,
                             char user_id_out[41]);

struct lm_context; /* the process's one ZeroMQ context */
enum lm_status lm_context_new(struct lm_context **out) LM_MUST_USE;
void lm_context_destroy(struct lm_context **context);

struct lm_router;
/* endpoint "tcp://ADDR:PORT", port * or 0 = any. Starts the ZAP thread before binding. */
enum lm_status lm_router_open(struct lm_context *context, const char *endpoint,
                              const struct lm_keypair *keys, lm_zap_allow allow, void *allow_arg,
                              struct lm_router **out, struct lm_error *err) LM_MUST_USE;
const char *lm_router_endpoint(const struct lm_router *router); /* as bound */
int lm_router_fd(
    struct lm_router *router); /* edge-triggered: drain with receive until LM_ERR_TIMEOUT */

struct lm_peer { /* routing id: 5 bytes at libzmq */
    uint8_t id[32];
    size_t n;
};
struct lm_incoming {
    struct lm_peer peer;
    char user_id[41]; /* from the last frame; "" = drop */
    uint8_t kind;
    const uint8_t *body; /* valid until the next receive or lm_incoming_release */
    size_t n;
    bool hostile; /* too many frames, wrong shape: user_id tells who; body is empty */
    void *internal;
};
/* Waits up to timeout_ms (0 = not) → LM_ERR_TIMEOUT. */
enum lm_status lm_router_receive(struct lm_router *router, int timeout_ms,
                                 struct lm_incoming *in) LM_MUST_USE;
void lm_incoming_release(struct lm_incoming *in);
/* LM_ERR_BUSY: its queue is full; LM_ERR_NOT_FOUND: gone. Nothing is queued then. */
enum lm_status lm_router_send(struct lm_router *router, const struct lm_peer *peer, uint8_t kind,
                              const void *body, size_t n) LM_MUST_USE;
/* Waits for a message or for any of fds to become readable, at most timeout_ms. ready[i] tells
 * which. */
enum lm_status lm_router_wait(struct lm_router *router, const int *fds, size_t n_fds, bool *ready,
                              int timeout_ms, bool *message_ready) LM_MUST_USE;
/* What came in from all peers and was not received yet, in bytes on the wire (bounds:
 * transport_guard.h), and how many connections there are. */
void lm_router_waiting(struct lm_router *router, uint64_t *bytes_out, size_t *connections_out);
void lm_router_close(struct lm_router **router);

struct lm_dealer;
enum lm_status lm_dealer_open(struct lm_context *context, const char *endpoint,
                              const uint8_t hub_key[LM_KEY_BYTES], const struct lm_keypair *keys,
                              struct lm_dealer **out, struct lm_error *err) LM_MUST_USE;
/* LM_ERR_BUSY: not connected or queue full; nothing is queued. */
enum lm_status lm_dealer_send(struct lm_dealer *dealer, uint8_t kind, const void *body,
                              size_t n) LM_MUST_USE;
enum lm_status lm_dealer_receive(struct lm_dealer *dealer, int timeout_ms,
                                 struct lm_incoming *in) LM_MUST_USE;
enum lm_status lm_dealer_wait(struct lm_dealer *dealer, const int *fds, size_t n_fds, bool *ready,
                              int timeout_ms, bool *message_ready) LM_MUST_USE;
/* What the socket's monitor saw last: "connecting", "connected", "refused by the hub (unknown or
 * revoked key)", "not a Lastmile hub", "wrong hub key", "unreachable". Never NULL. */
const char *lm_dealer_state(struct lm_dealer *dealer);
/* How many connections with the hub this socket has made: above 1, an earlier one was torn and
 * libzmq made another by itself. The hub takes it for a stranger's until it greets. */
uint32_t lm_dealer_connections(struct lm_dealer *dealer);
void lm_dealer_close(struct lm_dealer **dealer);

bool lm_key_to_z85(const uint8_t key[LM_KEY_BYTES], char out[LM_KEY_Z85]);
bool lm_key_from_z85(const char *text, uint8_t out[LM_KEY_BYTES]);

#endif
