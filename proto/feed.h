/* A record on its way down: the body of a FEED entry, and how a node takes it in. Pure.
 *
 * Body: [type, id (bin 16), position, stamps, fields {name: value} (non-null; computed fields left
 * out), unknown {…} | nil, issue nil | [code, field, zh, en]]. */
#ifndef LM_PROTO_FEED_H
#define LM_PROTO_FEED_H

#include "proto/message.h"
#include "proto/record.h"

void lm_body_pack(struct lm_buf *buf, const struct lm_record *rec);
/* Fields that this catalogue does not know go to rec->unknown. LM_ERR_NOT_FOUND: unknown type (keep
 * the bytes). */
enum lm_status lm_body_read(const struct lm_catalog *catalog, const uint8_t *data, size_t n,
                            struct lm_arena *arena, struct lm_record **out,
                            struct lm_error *err) LM_MUST_USE;

/* What the node holds after taking in the hub's record: every group in pending[] (true = an own
 * change of it lies above the page's acked) keeps the local value and stamp; everything else
 * becomes the hub's. local NULL: the hub's. Computed fields are not filled: call lm_compute. */
enum lm_status lm_feed_take(const struct lm_record *local, const struct lm_record *hub,
                            const bool *pending, struct lm_arena *arena,
                            struct lm_record **out) LM_MUST_USE;

/* A record whose type has become that of a newer catalogue: values that were unknown become fields
 * where they fit. True when there were such; its digest is the same as before. */
bool lm_record_adopt(struct lm_record *rec);

#endif
