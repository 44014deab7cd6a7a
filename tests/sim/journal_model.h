/* An independent judge of the hub: follows the journal, entry by entry, with a small model of what
 * each change must have done, and compares that with what the hub's tables say.
 *
 * What is checked, by promise:
 *   p2  positions and marks are one chain; a branch's head in `branches` is the chain of its bodies
 *   p3  an identity (replica, HLC) takes effect once; "duplicate" is said of known bodies only
 *   p4  a branch has no gap; what waits really waits, and is not refused instead; a correction ends
 *       what was sent back
 *   p6  a group of fields edited concurrently has both values as siblings, equal values have none;
 *       the higher rank stands; a deletion that had not seen everything does not delete; an edit
 *       does not revive; a rank is above the ranks of its bases
 *   p9  an HLC is above its bases and above the one before it in its branch
 *   p11 a village's change has effect on that village's records only
 *
 * The model trusts the tables for state, deletion and origin after each batch (their rules are the
 * catalogue's), and predicts every other group itself. It reads bodies with proto's decoder and
 * nothing else of the merge. One thread. */
#ifndef LM_TESTS_SIM_JOURNAL_MODEL_H
#define LM_TESTS_SIM_JOURNAL_MODEL_H

#include "hub/store.h"

#include <stdbool.h>

struct journal_model;
/* What was found: the promise ("p6"), the journal position, and words. */
struct journal_fault {
    char promise[8];
    uint64_t pos;
    char text[360];
};

/* first: the catalogue in force at the start; newest: the last that the town uses, which may follow
 * it. Borrowed. NULL: out of memory. */
struct journal_model *journal_model_new(const struct lm_catalog *first,
                                        const struct lm_catalog *newest);
void journal_model_destroy(struct journal_model **model);
/* Takes in what the committed journal has beyond what is known. A journal that went back or has
 * another history is followed from its beginning. False: *fault is filled. */
bool journal_model_follow(struct journal_model *model, struct lm_store *hub,
                          struct journal_fault *fault);
/* At the end, when all was delivered: nothing may wait for what is there. */
bool journal_model_quiet(struct journal_model *model, struct journal_fault *fault);
/* Whether the journal that was followed has this change, and with which verdict now (0: no). */
int journal_model_verdict(const struct journal_model *model, const char *record, uint64_t replica,
                          uint64_t hlc);
/* The bytes of a change that had effect or waits; borrowed until the next follow. */
bool journal_model_body(const struct journal_model *model, const char *record,
                        struct lm_version version, const uint8_t **body_out, size_t *n_out);
/* A record that is there, and which change stands in each group of it. */
struct journal_record {
    const char *id;
    const struct lm_type *type;
    struct lm_version stands[LM_GROUPS_PER_TYPE_MAX]; /* [type->n_groups] */
};
/* Every one, until visit says false. */
void journal_model_records(const struct journal_model *model,
                           bool (*visit)(void *arg, const struct journal_record *record),
                           void *arg);

#endif
