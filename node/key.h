/* The installation's key file, DIR/node.key (mode 0600): its own CURVE pair, which never leaves
 * this PC, and what the kit told of the hub. Until the hub has answered it also holds the kit's
 * one-time pair and the nonce, so that asking again is the same enrolment; the certificate ends
 * that. */
#ifndef LM_NODE_KEY_H
#define LM_NODE_KEY_H

#include "common/datadir.h"
#include "common/transport.h"
#include "proto/credential.h"

#include <stdbool.h>
#include <stdint.h>

#define LM_NODE_KEY_TEXT_MAX (LM_KIT_TEXT_CHARS_MAX * 4 + 1)

struct lm_node_key {
    struct lm_keypair own;
    uint8_t hub_public_key[LM_KEY_BYTES];
    uint8_t hub_id[16];
    uint8_t hub_sign_key[LM_SIGN_PUBLIC_BYTES];
    char endpoint[LM_NODE_KEY_TEXT_MAX], town[LM_NODE_KEY_TEXT_MAX];
    char station[13], level[8], station_name[LM_NODE_KEY_TEXT_MAX];
    uint8_t
        kit_public_key[LM_KEY_BYTES]; /* which kit it was: the public half of its one-time pair */
    /* An enrolment not yet answered: */
    struct lm_keypair kit;
    uint8_t nonce[16];
    /* An answered one: */
    bool enrolled;
    uint64_t replica;
    uint8_t certificate[LM_CERTIFICATE_BYTES_MAX];
    size_t certificate_len;
    int64_t hub_offset_ms; /* hub clock minus this PC's when the answer came; not in the file */
};
/* Whether DIR/node.db is there, with something in it. */
bool lm_node_has_database(const struct lm_datadir *dir);
/* LM_ERR_NOT_FOUND: no such file (err "not_enrolled"); LM_ERR_CORRUPT "bad_key_file": not such a
 * file, or its parts do not fit together; "key_lost": no such file beside a database that had one;
 * LM_ERR_DENIED, LM_ERR_IO. */
enum lm_status lm_node_key_load(const struct lm_datadir *dir, struct lm_node_key *out,
                                struct lm_error *err) LM_MUST_USE;
/* The same for who needs an answered enrolment: "not_enrolled" while it is not. */
enum lm_status lm_node_key_enrolled(const struct lm_datadir *dir, struct lm_node_key *out,
                                    struct lm_error *err) LM_MUST_USE;
/* Replaces the file. */
enum lm_status lm_node_key_save(const struct lm_datadir *dir, const struct lm_node_key *key,
                                struct lm_error *err) LM_MUST_USE;
/* Beside it, DIR/node.key.new: an enrolment that is to take this one's place (enrol --renew), until
 * the database has gone over to it. Then lm_node_key_save and lm_node_key_drop_new. */
enum lm_status lm_node_key_load_new(const struct lm_datadir *dir, struct lm_node_key *out,
                                    struct lm_error *err) LM_MUST_USE;
enum lm_status lm_node_key_save_new(const struct lm_datadir *dir, const struct lm_node_key *key,
                                    struct lm_error *err) LM_MUST_USE;
void lm_node_key_drop_new(const struct lm_datadir *dir);
void lm_node_key_wipe(struct lm_node_key *key); /* accepts NULL */

#endif
