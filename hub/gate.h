/* Who may open a connection: the registry's keys in memory, asked by the ZAP thread, filled by the
 * writer thread after COMMIT. */
#ifndef LM_HUB_GATE_H
#define LM_HUB_GATE_H

#include "hub/store.h"

struct lm_gate;
struct lm_gate *lm_gate_new(void); /* NULL when out of memory */
void lm_gate_destroy(struct lm_gate **gate);
/* Reads replicas and kits anew from the store (writer thread). */
enum lm_status lm_gate_reload(struct lm_gate *gate, struct lm_store *store,
                              struct lm_error *err) LM_MUST_USE;
/* The key with which an unknown installation may ask to be readmitted. Once, before it is used. */
void lm_gate_set_readmit(struct lm_gate *gate, const uint8_t public_key[32]);
/* An lm_zap_allow: "a" for the readmission key, "r<number>" for a replica that is not revoked,
 * "k<id>" for any kit: whether that is used or late is told in words. */
bool lm_gate_allow(void *gate, const uint8_t public_key[32], const char *address,
                   char user_id_out[41]);

#endif
