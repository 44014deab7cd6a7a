/* What transport.c and transport_zap.c share. */
#ifndef LM_COMMON_TRANSPORT_INTERNAL_H
#define LM_COMMON_TRANSPORT_INTERNAL_H

#include "common/transport.h"

#define LM_ZAP_DOMAIN "lastmile"

/* Fills err from errno and the endpoint it is about. */
enum lm_status lm_net_fail(struct lm_error *err, const char *code, const char *endpoint);
bool lm_socket_set_int(void *socket, int option, int value);

struct lm_zap;
/* Starts the handler of a ZeroMQ context; there can be one in each. LM_ERR_BUSY: there is one
 * already. */
enum lm_status lm_zap_start(void *zmq, lm_zap_allow allow, void *allow_arg, struct lm_zap **out,
                            struct lm_error *err) LM_MUST_USE;
/* Waits for the thread to end. Accepts NULL. */
void lm_zap_stop(struct lm_zap **zap);

#endif
