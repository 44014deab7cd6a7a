/* What a record is called in one line: a person's name, a title, else its first list columns; a
 * change request: whose record it is about, and the field. As pages and messages show it: what the
 * catalogue names (codes, types, fields) in Chinese or English. */
#ifndef LM_NODE_LABEL_H
#define LM_NODE_LABEL_H

#include "node/store.h"

#define LM_LABEL_BYTES 200

void lm_node_label(struct lm_nstore *store, bool english, const struct lm_record *rec,
                   char out[LM_LABEL_BYTES]);

#endif
