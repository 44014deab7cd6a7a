/* Reading one message body or change element by element, each with its name and range, so that an
 * error can name what was wrong. Private to the codecs of proto/: change, message_*, credential.
 *
 * The first failure is kept; from then on every lm_in_* gives zero, "" or NULL, and lm_in_end()
 * tells. Texts are copied into the arena with a NUL; byte strings stay in the message. */
#ifndef LM_PROTO_MESSAGE_IN_H
#define LM_PROTO_MESSAGE_IN_H

#include "proto/message.h"
#include "proto/prescan.h"

#define LM_IN_NUMBER_MAX ((uint64_t)INT64_MAX) /* sequence numbers, HLCs, replicas */
/* Positions in the journal, and the counters of leases and incarnations: none comes so far by
 * counting, and what counts on from here always finds a higher one. */
#define LM_IN_COUNT_MAX (((uint64_t)1 << 62) - 1)
#define LM_IN_TIME_MAX (((int64_t)1 << 53) - 1) /* milliseconds, either way */
#define LM_IN_NAME_BYTES_MAX LM_NAME_BYTES_MAX  /* type, field and group names */

struct lm_in {
    struct lm_reader reader;
    struct lm_arena *arena; /* NULL where nothing is read that needs one */
    const char *what;       /* "hello" */
    const char *bad;        /* first element that failed, or NULL */
    enum lm_status status;
};

/* Prescan, then the outer array of exactly `elements`. False: lm_in_end() gives the reason, which
 * is in err already. n above bytes_max is LM_ERR_LIMIT. */
bool lm_in_begin(struct lm_in *in, const char *what, const uint8_t *data, size_t n,
                 size_t bytes_max, size_t elements, struct lm_arena *arena, struct lm_error *err);
/* LM_OK when every read succeeded and nothing is left; else fills err and gives the status. */
enum lm_status lm_in_end(struct lm_in *in, struct lm_error *err) LM_MUST_USE;
/* Fails for a reason of the caller's. Returns false. */
bool lm_in_fail(struct lm_in *in, const char *element, enum lm_status status);
bool lm_in_ok(const struct lm_in *in);

uint64_t lm_in_uint(struct lm_in *in, const char *element, uint64_t min, uint64_t max);
int64_t lm_in_int(struct lm_in *in, const char *element, int64_t min, int64_t max);
bool lm_in_bool(struct lm_in *in, const char *element);
bool lm_in_nil(struct lm_in *in); /* takes a nil if one comes next */
/* Never NULL. No control characters but \n and \t. */
const char *lm_in_text(struct lm_in *in, const char *element, size_t bytes_max, size_t chars_max);
/* [a-z_0-9], 1 … 40 bytes; "" too when may_be_empty. */
const char *lm_in_name(struct lm_in *in, const char *element, bool may_be_empty);
void lm_in_bytes(struct lm_in *in, const char *element, uint8_t *out,
                 size_t n); /* a bin of exactly n */
const uint8_t *lm_in_bin(struct lm_in *in, const char *element, size_t bytes_max, size_t *n_out);
void lm_in_uuid(struct lm_in *in, const char *element, char out[40]); /* bin 16 → text */
void lm_in_array_of(struct lm_in *in, const char *element, size_t count);
/* Items, and zeroed room for them in the arena (NULL when there are none). */
void *lm_in_items(struct lm_in *in, const char *element, size_t max, size_t item_bytes,
                  size_t *n_out);
void lm_in_value(struct lm_in *in, const char *element, struct lm_value *out);

/* Pairs that several messages share. */
struct lm_head lm_in_head(struct lm_in *in, const char *element);
struct lm_mark lm_in_mark(struct lm_in *in, const char *element);
struct lm_cursor lm_in_cursor(struct lm_in *in, const char *element);
struct lm_proof lm_in_proof(struct lm_in *in, const char *element); /* nil: none */
void lm_in_pair(struct lm_in *in, const char *element, uint64_t *counter, uint64_t *random);
/* [hlc, replica]; zero_ok: [0, 0] = never set. */
struct lm_version lm_in_version(struct lm_in *in, const char *element, bool zero_ok);

/* Writing the same. */
void lm_out_text(struct lm_buf *buf, const char *text); /* NULL = "" */
void lm_out_uuid(struct lm_buf *buf, const char *text); /* bin 16; nil for "" or what is no UUID */
void lm_out_head(struct lm_buf *buf, const struct lm_head *head);
void lm_out_mark(struct lm_buf *buf, const struct lm_mark *mark);
void lm_out_cursor(struct lm_buf *buf, const struct lm_cursor *cursor);
void lm_out_pair(struct lm_buf *buf, uint64_t counter, uint64_t random);
void lm_out_proof(struct lm_buf *buf, const struct lm_proof *proof);
void lm_out_version(struct lm_buf *buf, struct lm_version version);

#endif
