/* Rows of `outbox` in a database file that SQLite does not open. See damaged.c. */
#ifndef LM_NODE_STORE_DAMAGED_H
#define LM_NODE_STORE_DAMAGED_H

#include "common/base/status.h"
#include "common/base/util.h"
#include "proto/limits.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ns_raw_row {
    uint64_t branch, seq, hlc;
    char record[40], type[LM_NAME_BYTES_MAX + 8];
    const uint8_t *body; /* until visit returns */
    size_t len;
    uint8_t hash[LM_HASH_BYTES];
};
/* Whether the file begins like a database of this application: only then SQLite is let near it, for
 * it empties the log beside a file without a first page. */
bool ns_header_is_whole(const char *path, uint32_t application_id);
/* Calls visit for everything in the file, and in the log beside it up to its last commit, that
 * reads as a row of outbox; the same row may come several times. page_bytes: a power of two, 512 …
 * 65536. A file that is not there has none. LM_ERR_MEMORY, LM_ERR_INVALID, and what visit returns
 * other than LM_OK, at which it stops. Blocks for as long as the disk reads the file once. */
enum lm_status ns_damaged_rows(const char *path, size_t page_bytes,
                               enum lm_status (*visit)(void *arg, const struct ns_raw_row *row),
                               void *arg) LM_MUST_USE;

#endif
