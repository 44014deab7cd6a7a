/* How much one message should hold on a line whose speed nobody knows: so much that it takes some
 * seconds. A page that takes longer than the time after which it is asked for again would never
 * come (cht-core #10406: the first sync never finishes), and ZMTP's heartbeats wait behind it.
 * Pure. */
#ifndef LM_PROTO_PACE_H
#define LM_PROTO_PACE_H

#include "common/base/util.h"

#include <stdbool.h>
#include <stdint.h>

#define LM_PACE_START_BYTES (32 * 1024)
#define LM_PACE_MIN_BYTES (4 * 1024)
#define LM_PACE_FAST_MS 3000  /* done sooner, and more than half full: twice as much next time */
#define LM_PACE_SLOW_MS 12000 /* done later: half as much */
#define LM_PACE_MISSES_MAX 1  /* the wait doubles this often */

struct lm_pace {
    uint32_t bytes, max; /* of the next message; LM_PACE_MIN_BYTES … max */
    uint32_t misses;     /* messages in a row that were waited for in vain */
};

static inline void lm_pace_start(struct lm_pace *pace, uint32_t max)
{
    *pace = (struct lm_pace){.bytes = LM_PACE_START_BYTES, .max = max};
}

/* A message of so many bytes has come, or was acked, so long after it was asked for or sent. */
static inline void lm_pace_came(struct lm_pace *pace, uint64_t bytes, int64_t took_ms)
{
    pace->misses = 0;
    if (took_ms > LM_PACE_SLOW_MS) {
        pace->bytes /= 2;
    } else if (took_ms < LM_PACE_FAST_MS && bytes > pace->bytes / 2) {
        pace->bytes = pace->bytes <= pace->max / 2 ? pace->bytes * 2 : pace->max;
    }
    pace->bytes = pace->bytes < LM_PACE_MIN_BYTES ? LM_PACE_MIN_BYTES : pace->bytes;
}

/* It has not come in time, or the connection was given up before it came. */
static inline void lm_pace_missed(struct lm_pace *pace)
{
    pace->misses += pace->misses < LM_PACE_MISSES_MAX;
    pace->bytes /= 4;
    pace->bytes = pace->bytes < LM_PACE_MIN_BYTES ? LM_PACE_MIN_BYTES : pace->bytes;
}

/* How long to wait before asking again. */
static inline int64_t lm_pace_wait_ms(const struct lm_pace *pace, int64_t first_ms)
{
    return first_ms << pace->misses;
}

#endif
