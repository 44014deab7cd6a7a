/* Places in the hub's journal that a node remembers, so that a hub which went back in time costs it
 * the feed from there and not from the beginning. Pure; kept by the node's session (for HELLO) and
 * its database alike, with the same rule. PROTOCOL.md "Going back in time". */
#ifndef LM_PROTO_CHECKPOINT_H
#define LM_PROTO_CHECKPOINT_H

#include "proto/message.h"

#include <stdbool.h>

/* When the journal stood at mark, the feed up to cursor had been taken in: whoever still holds that
 * mark may be asked for the feed from that cursor. */
struct lm_checkpoint {
    struct lm_mark mark;
    struct lm_cursor cursor;
};
/* Sorted by position, which rises; at most LM_CHECKPOINTS_MAX. */
struct lm_checkpoints {
    struct lm_checkpoint items[LM_CHECKPOINTS_MAX];
    size_t n;
};

/* Adds one, or moves the cursor of the one with this position; positions 0 and below the newest are
 * left out. When there are too many one is given up: *dropped_out (nullable) is its position, else
 * 0. The older, the sparser: what is kept lies at roughly equal ratios of age. */
void lm_checkpoints_add(struct lm_checkpoints *checkpoints, const struct lm_mark *mark,
                        const struct lm_cursor *cursor, uint64_t *dropped_out);
/* Forgets those above position. */
void lm_checkpoints_cut(struct lm_checkpoints *checkpoints, uint64_t position);
/* The one at exactly this position, or NULL. */
const struct lm_checkpoint *lm_checkpoints_at(const struct lm_checkpoints *checkpoints,
                                              uint64_t position);

#endif
