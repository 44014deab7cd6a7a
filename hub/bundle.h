/* The hub's side of the USB stick: a bundle goes in through the same store calls as the network's
 * messages, in transactions of the same size; the reply is made of committed state only (P2).
 *
 * Runs on the writer thread, inside the server or under the lock. While a large bundle is taken in,
 * nothing else is served: 64 MiB are some hundred thousand changes at the most. */
#ifndef LM_HUB_BUNDLE_H
#define LM_HUB_BUNDLE_H

#include "hub/program.h"
#include "proto/bundle.h"

struct lm_hub_bundle {
    struct lm_bundle_head head;
    uint64_t replica;
    char station[16];
    uint32_t n_sent; /* changes in the file */
    uint32_t n_new;  /* changes journaled now; the others were here already */
    uint32_t n_told; /* of these, with a verdict other than "applied" */
    uint32_t n_back; /* records of an earlier history that it gives back: see `recovered` */
    uint64_t acked_seq, head_seq;
    bool gap;      /* an earlier part is missing */
    bool complete; /* everything that the export names is here */
    bool diverged; /* its log is another than the hub's: the PC went back, or there are two of it */
    bool enrolled; /* a request: answered */
    bool reply;    /* there is one */
    bool more;     /* the feed did not fit whole */
};
/* data: a whole file, decrypted in place. reply: empty unless out->reply. err->code beside those of
 * proto/bundle.h: "other_hub", "unknown_pc", "revoked", "rival", "protocol", "not_for_hub",
 * "bad_bundle", "unknown_kit" and those of lm_store_enrol. A status of the store (IO, FULL) means
 * that nothing since the last commit counts. */
enum lm_status lm_hub_bundle_take(struct lm_hub *hub, uint8_t *data, size_t n,
                                  struct lm_hub_bundle *out, struct lm_buf *reply,
                                  struct lm_error *err) LM_MUST_USE;
/* A revoked installation's bundle into review: nothing is applied. n_out: changes put there now. */
enum lm_status lm_hub_bundle_salvage(struct lm_hub *hub, uint8_t *data, size_t n,
                                     struct lm_hub_bundle *out, size_t *n_out,
                                     struct lm_error *err) LM_MUST_USE;

/* bundle import FILE… [--reply FILE|FOLDER]: at whoever has the files. `run` runs the command once,
 * here or in the server. */
int lm_hub_bundle_files(struct lm_hub *hub, const struct lm_hub_command *command,
                        struct lm_cli *cli,
                        int (*run)(struct lm_hub *hub, const struct lm_hub_command *command,
                                   struct lm_cli *cli));

#endif
