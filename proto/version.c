/* Hybrid logical clock and versions. Pure arithmetic. */
#include "proto/version.h"

#include "common/base/break.h"

enum { COUNTER_BITS = 16 };

#define MS_MAX (((int64_t)1 << 48) - 1)

uint64_t lm_hlc_of_ms(int64_t ms)
{
    uint64_t clamped = ms < 0 ? 0 : ms > MS_MAX ? (uint64_t)MS_MAX : (uint64_t)ms;
    return clamped << COUNTER_BITS;
}

int64_t lm_hlc_ms(uint64_t hlc)
{
    return (int64_t)(hlc >> COUNTER_BITS);
}

uint64_t lm_hlc_next(uint64_t last, uint64_t floor, int64_t wall_ms)
{
    if (LM_BREAK(HLC_FROM_CLOCK)) {
        last = 0;
    }
    if (LM_BREAK(HLC_BELOW_BASE)) {
        floor = 0;
    }
    uint64_t wall = lm_hlc_of_ms(wall_ms);
    uint64_t above = last > floor ? last : floor;
    if (wall > above && wall < LM_HLC_FAR) {
        return wall;
    }
    /* At the very end of time there is no next one; never wrap to the beginning. */
    return above < UINT64_MAX ? above + 1 : UINT64_MAX;
}

bool lm_version_equal(struct lm_version a, struct lm_version b)
{
    return a.hlc == b.hlc && a.replica == b.replica;
}

int lm_version_compare(struct lm_version a, struct lm_version b)
{
    if (a.hlc != b.hlc) {
        return a.hlc < b.hlc ? -1 : 1;
    }
    if (a.replica != b.replica) {
        return a.replica < b.replica ? -1 : 1;
    }
    return 0;
}
