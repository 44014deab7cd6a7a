/* A node's side of the USB stick: an export of what the hub may lack, and the hub's reply taken in.
 *
 * Export reads only and may run beside everything. Import writes what a session writes: whoever
 * calls it holds the link lock ("node.lock"), and begins its session anew afterwards. */
#ifndef LM_NODE_BUNDLE_H
#define LM_NODE_BUNDLE_H

#include "node/key.h"
#include "node/store.h"
#include "proto/bundle.h"

#include <limits.h>

#define LM_EXPORT_BYTES_MIN (128 * 1024) /* of --max-bytes: a change and HELLO fit by far */

struct lm_export_done {
    uint64_t number, head_seq;
    uint64_t changes; /* of which the town may lack some: also those that its backup lacks */
    uint64_t unsent;  /* of these: what it has not acked */
    uint16_t parts;
    bool gives_back;      /* of a hub that went back: what it lacks goes along */
    char first[PATH_MAX]; /* the others' names are lm_node_part_name's */
};
/* path: a file to be made, or a folder on the stick that gets one named by station and number. A
 * file that is there already is not overwritten. max_bytes: of each file. Whatever fails leaves no
 * file of this export. LM_ERR_EXISTS "file_exists"; LM_ERR_BUSY "try_again": the node forked
 * meanwhile; LM_ERR_FULL, LM_ERR_IO … of files and database. */
enum lm_status lm_node_export(struct lm_nstore *store, const struct lm_node_key *key,
                              const char *path, size_t max_bytes, struct lm_export_done *out,
                              struct lm_error *err) LM_MUST_USE;
/* The name of a part: the first is as given, "NAME.lmb" is followed by "NAME-2.lmb". */
bool lm_node_part_name(const char *first, uint16_t part, char *out, size_t n);

struct lm_import_done {
    uint64_t number;
    bool old;             /* a newer reply, or this one, was taken before: nothing was done */
    bool stale;           /* the network was faster: only what it acks counted */
    bool more;            /* the hub had more for this node than fitted: export again */
    bool forked;          /* this PC went back in time: what is unsent goes with the next export */
    bool gives_back;      /* the hub went back: what this PC has of it goes with the next export */
    uint32_t catalog;     /* number of a catalogue that came into force; 0 = none */
    bool catalog_refused; /* the town's is not for this PC: lm_nstore_hub_catalog tells why */
    uint64_t histories;   /* records whose history came */
    uint64_t acked_now, pending; /* changes newly acked; changes still to be acked */
    uint64_t records;            /* entries taken in */
};
/* data: the whole file; decrypted in place. err->code beside those of proto/bundle.h:
 * "other_hub", "other_pc", "not_a_reply", "unknown_export", "hub_says" (the hub's own words). */
enum lm_status lm_node_import(struct lm_nstore *store, const struct lm_node_key *key, uint8_t *data,
                              size_t n, struct lm_import_done *out,
                              struct lm_error *err) LM_MUST_USE;

#endif
