/* A record as both sides hold it: canonical values by field, a stamp (version and rank) by merge
 * group. Pure.
 *
 * Creation stamps every group, set or not, so a fresh record has one stamp throughout. */
#ifndef LM_PROTO_RECORD_H
#define LM_PROTO_RECORD_H

#include "common/base/arena.h"
#include "proto/catalog.h"
#include "proto/value.h"
#include "proto/version.h"

struct lm_stamp {
    struct lm_version version;
    uint64_t rank; /* decides between concurrent versions; the hub's, 0 at a node for what is not
                      acked */
};

/* A group that this catalogue lacks: kept, so that the record's digests are those of a holder that
 * has it. */
struct lm_unknown_stamp {
    char group[LM_NAME_BYTES_MAX + 1];
    struct lm_stamp stamp;
};

struct lm_record {
    const struct lm_type *type;
    char id[40];
    struct lm_value *fields; /* [type->n_fields]; fields[LM_C_ID] is the id as well */
    struct lm_stamp *stamps; /* [type->n_groups] */
    struct lm_value
        unknown; /* LM_MAP of fields this catalogue does not know, kept and forwarded; or LM_NULL */
    struct lm_unknown_stamp *unknown_stamps; /* in the arena; never changed in place */
    size_t n_unknown_stamps;
    /* Judged by the hub; a node shows what the feed said. */
    bool invalid; /* stored, shown as 退回, not counted */
    char issue_code[32], issue_field[96];
    const char *issue_zh, *issue_en; /* NULL or in the arena */
    int64_t position; /* journal position of its last change; 0 = not yet at the hub */
};

/* An empty record in the arena: every value LM_NULL, every stamp zero. NULL when the arena is out.
 */
struct lm_record *lm_record_new(struct lm_arena *arena, const struct lm_type *type, const char *id);
/* Shallow values, own arrays: changing one leaves the other alone. NULL when the arena is out. */
struct lm_record *lm_record_copy(struct lm_arena *arena, const struct lm_record *from);
const struct lm_value *lm_record_get(const struct lm_record *rec,
                                     const char *field); /* NULL: no such field */
/* Borrowed NUL-terminated text of a text field, or "" (record values are always NUL-terminated). */
const char *lm_record_text(const struct lm_record *rec, int field_index);
bool lm_record_deleted(const struct lm_record *rec);

/* Stamps to and from their stored and wire form (msgpack; most records: one stamp, 24 bytes).
 * with_rank false leaves ranks out (0 on reading). Stamps of unknown groups are kept in arena.
 * LM_ERR_INVALID: malformed, the record is as it was. */
void lm_stamps_pack(struct lm_buf *buf, const struct lm_record *rec, bool with_rank);
enum lm_status lm_stamps_unpack(struct lm_record *rec, const uint8_t *data, size_t n,
                                struct lm_arena *arena) LM_MUST_USE;

/* Digest of what a record is: type, id, every non-null field in name order, known or not, and the
 * versions of its groups. The first 8 bytes of BLAKE2b-256, little-endian. Equal on both sides iff
 * the states are equal, whatever catalogues the two have: a field that one of them does not know
 * counts like any other. Fields of the hub only (fill = hub) take part: they travel in the feed as
 * well; fields with fill = computed do not. */
uint64_t lm_record_digest(const struct lm_record *rec);
/* What an author saw, for deletes and transitions: 8 bytes likewise, over the versions of the
 * groups that were touched since the record's origin was set. */
uint64_t lm_record_seen(const struct lm_record *rec);

/* {"id","type","village_code","state","fields":{…}} plus "invalid":{code,field,zh,en} when set; new
 * reference or NULL. Fields that are null are left out; computed fields are in. */
json_t *lm_record_to_json(const struct lm_record *rec);
/* A secret field's value is covered. */
json_t *lm_field_to_json(const struct lm_field *field, const struct lm_value *v);

#endif
