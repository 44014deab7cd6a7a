/* Enrolment over the network or by USB stick: one question with the kit's one-time key, one answer
 * that the hub has signed. */
#ifndef LM_NODE_ENROL_H
#define LM_NODE_ENROL_H

#include "node/key.h"
#include "proto/message.h"

/* Asks the hub until it answers or timeout_ms have passed; key is a pending enrolment. On LM_OK key
 * is an answered one (not yet saved) and name_out the station's name by the hub. Blocks. Statuses:
 * LM_ERR_TIMEOUT "unreachable" …, LM_ERR_DENIED with the hub's code ("kit_used", "kit_expired",
 * "kit_refused" …), LM_ERR_NETWORK "wrong_hub_key", LM_ERR_CORRUPT: the answer is not what the
 * kit's hub would sign. */
enum lm_status lm_node_enrol_ask(struct lm_node_key *key, const char *program, int timeout_ms,
                                 struct lm_error *err) LM_MUST_USE;
/* Takes an ENROLLED in: the certificate must be signed by the kit's hub, for our own key and the
 * kit's station. */
enum lm_status lm_node_enrol_take(struct lm_node_key *key, const struct lm_msg_enrolled *answer,
                                  struct lm_error *err) LM_MUST_USE;

/* By USB stick (enrol_offline.c): the question of a pending enrolment into a file, and the hub's
 * answer taken in from one (key is then an answered one, not yet saved). err->code beside those of
 * proto/bundle.h and lm_node_enrol_take: "not_an_answer", "other_pc", "bad_bundle". */
enum lm_status lm_node_enrol_request(const struct lm_node_key *key, const char *program,
                                     const char *path, struct lm_error *err) LM_MUST_USE;
enum lm_status lm_node_enrol_answer(struct lm_node_key *key, const char *path,
                                    struct lm_error *err) LM_MUST_USE;

#endif
