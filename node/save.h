/* Saving at a node: one entry becomes one change, its outbox row and its effect on the typed row,
 * in one transaction (P1).
 *
 * A saver gathers entries into a transaction; the batch is durable after lm_node_saver_flush. An
 * entry that is refused leaves nothing behind and does not touch the others. */
#ifndef LM_NODE_SAVE_H
#define LM_NODE_SAVE_H

#include "common/entry.h"
#include "node/store.h"

struct lm_node_saver {
    struct lm_nstore *store;
    const char *dir;       /* whose free space is watched */
    const char *user;      /* ≤ LM_USER_CHARS_MAX characters */
    struct lm_arena arena; /* of one entry */
    struct lm_me me;       /* as read in the open transaction */
    bool open;             /* a transaction is open */
    bool saved;            /* some change was committed */
    bool dirty;            /* the open transaction holds a change */
    enum lm_status broken; /* what ended the batch: its flush fails with it */
    struct lm_error why;
};
void lm_node_saver_init(struct lm_node_saver *saver, struct lm_nstore *store, const char *dir,
                        const char *user);
void lm_node_saver_free(struct lm_node_saver *saver); /* rolls back what was not flushed */

/* What the page calls "rev": it changes with every change of the record, and with nothing else. */
#define LM_REV_TEXT 16
void lm_node_rev(const struct lm_record *rec, char out[LM_REV_TEXT + 1]);

/* The two callbacks of struct lm_entry_sink; ctx is the saver. wall clock: the system's.
 * Refusals (LM_ERR_INVALID, EXISTS, DENIED, NOT_FOUND, LIMIT) concern the entry alone. LM_ERR_FULL
 * "disk_full", IO, BUSY, MEMORY and CORRUPT end the batch: nothing since the last flush is kept. */
enum lm_status lm_node_save(void *ctx, const struct lm_entry *entry, struct lm_entry_result *result,
                            struct lm_error *err) LM_MUST_USE;
enum lm_status lm_node_saver_flush(void *ctx, struct lm_error *err) LM_MUST_USE;

#endif
