/* The door before the hub's ROUTER. libzmq bounds a frame but not a message: a peer may send frames
 * with MORE for ever, and all of them are held before the program sees one. So the hub's ROUTER
 * listens on the loopback address only, and this is what listens outside: a thread that carries
 * bytes between each peer and the ROUTER, and stops reading from a peer whose bytes are not taken
 * as messages.
 *
 * What it bounds (P12): connections in all and those that have not shown their key; the bytes of a
 * handshake; for each connection and for all of them, the bytes that came in and were not taken by
 * the program yet; connections of one key. It reads nothing of what it carries: CURVE goes from end
 * to end through it.
 *
 * One thread owns the descriptors; took, admit and address_of may be called from any. */
#ifndef LM_COMMON_TRANSPORT_GUARD_H
#define LM_COMMON_TRANSPORT_GUARD_H

#include "common/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LM_GUARD_CONNECTIONS_MAX 2048 /* fewer where the process may open fewer files */
#define LM_GUARD_STRANGERS_MAX                                                                     \
    1024                       /* of them: whose key is not known yet; the oldest makes room       \
                                */
#define LM_GUARD_PER_KEY_MAX 4 /* of one key; the oldest makes room */
#define LM_GUARD_HANDSHAKE_BYTES_MAX 4096 /* CURVE's handshake takes some 600 */
#define LM_GUARD_UNTAKEN_MAX                                                                       \
    (8 * 1024 * 1024) /* of a connection: a full window of PUSH is half of it */
#define LM_GUARD_UNTAKEN_TOTAL_MAX (256 * 1024 * 1024)
#define LM_GUARD_STALLED_MS 10000 /* a connection that may not go on is closed after this */

struct lm_guard;
enum lm_status lm_guard_new(struct lm_guard **out) LM_MUST_USE;
/* Listens on endpoint ("tcp://HOST:PORT"; HOST a literal address, a name or *; PORT 0 or * = any)
 * and carries to 127.0.0.1:inner_port. *port_out: the port that it got. LM_ERR_INVALID: no such
 * endpoint; LM_ERR_BUSY: the port is taken. */
enum lm_status lm_guard_listen(struct lm_guard *guard, const char *endpoint, uint16_t inner_port,
                               uint16_t *port_out, struct lm_error *err) LM_MUST_USE;
/* The peer's own address, of the address that the ROUTER sees. False: not one of ours. */
bool lm_guard_address_of(struct lm_guard *guard, const char *inner, char out[64]);
/* The connection has shown this key and is let in. False: not one of ours. */
bool lm_guard_admit(struct lm_guard *guard, const char *inner, const uint8_t key[32]);
/* The program has taken a message that came from there; bytes: its size on the wire. */
void lm_guard_took(struct lm_guard *guard, const char *inner, size_t bytes);
/* What came in and was not taken yet, of all connections. */
void lm_guard_waiting(struct lm_guard *guard, uint64_t *bytes_out, size_t *connections_out);
/* A socket that listens on the endpoint, or -1 with errno (EINVAL: no such endpoint). */
int lm_guard_socket(const char *endpoint);
/* Closes everything and waits for the thread. Accepts NULL. */
void lm_guard_close(struct lm_guard **guard);

#endif
