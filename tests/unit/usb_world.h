/* The stick at the node, against a hub that is only keys and hand-made replies: exports that can be
 * opened, and replies made frame by frame. */
#ifndef LM_TESTS_USB_WORLD_H
#define LM_TESTS_USB_WORLD_H

#include "tests/unit/node_world.h"

#include "node/bundle.h"
#include "proto/proof.h"

#define CONSULTATION                                                                               \
    "{'on':'2026-02-01','channel':'phone','topic':'policy','item_count':2,'state':'submitted'}"
#define FILE_BYTES (8 * 1024 * 1024)

struct hub {
    uint8_t curve_secret[32], sign_public[LM_SIGN_PUBLIC_BYTES], sign_secret[LM_SIGN_SECRET_BYTES];
    struct lm_node_key key; /* the PC's, as enrolled there */
    struct lm_buf reply;
    uint64_t answers; /* the export */
};
extern struct hub hub; /* of the test that runs */

int usb_group_setup(void **state);
int usb_group_teardown(void **state);
int usb_setup(void **state); /* a new hub, and nw_setup; its end is nw_teardown */

/* ---- an export, opened ---- */

struct opened {
    uint8_t *data;
    struct lm_bundle_frames frames;
    struct lm_bundle_head head;
};
struct opened open_part(const struct lm_export_done *done, uint16_t part); /* free(data) */

/* Exports to a file of its own; hub.answers becomes its number. */
struct lm_export_done make_export(struct nw *w, size_t max_bytes);
struct lm_msg_hello hello_of(struct nw *w, const struct lm_export_done *done);

/* ---- a reply ---- */

enum signature { TRUE_ONE, FALSE_ONE, MISSING };

struct lm_msg_welcome welcome_of(struct nw *w, uint64_t incarnation, uint64_t head);
void begin_reply(struct lm_msg_welcome m, enum signature how);
void frame(uint8_t kind, struct lm_buf *body); /* adds it to the reply and frees it */
/* A page between these two cursors. */
void add_page(struct nw *w, struct lm_cursor from, struct lm_cursor next, uint64_t head,
              struct lm_feed_entry *entries, size_t n);
/* Imports the reply as the answer to export `number`; `taken`: to the newest, and it must be taken.
 */
enum lm_status take(struct nw *w, uint64_t number, struct lm_import_done *done);
void taken(struct nw *w, struct lm_import_done *done);
/* A WELCOME alone, answering a new export. */
struct lm_import_done welcomed(struct nw *w, uint64_t incarnation, uint64_t head, uint64_t common);

#endif
