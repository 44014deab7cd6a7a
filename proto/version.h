/* Hybrid logical clock and versions (Kulkarni et al., "Logical Physical Clocks", 2014). Pure.
 *
 * hlc = milliseconds since 1970 << 16 | counter. A replica's HLCs rise strictly and exceed every
 * base that the change builds on. A version names the change that last set a field or group: (hlc,
 * replica). */
#ifndef LM_PROTO_VERSION_H
#define LM_PROTO_VERSION_H

#include <stdbool.h>
#include <stdint.h>

struct lm_version {
    uint64_t hlc;     /* 0 = never set */
    uint64_t replica; /* 63 bits; 0 = the hub */
};

/* From here on (the year 4199) an HLC is no clock's. Half of the numbers lie beyond, so that
 * whoever builds on a change always finds a higher one; PROTOCOL.md "HLC" says who may pass it. */
#define LM_HLC_FAR ((uint64_t)1 << 62)
#define LM_HLC_FAR_STEP 65536 /* and by how much at once */
/* No HLC comes this far in that way. A hub that says it knows one is not believed: after the last
 * number there is none, and two changes of one HLC are taken for one. */
#define LM_HLC_TOP (LM_HLC_FAR + LM_HLC_FAR / 2)

/* The next HLC: above last, above floor (the highest base), and not below the wall clock.
 * wall_ms may be wrong in any way; negative counts as 0, and a clock beyond LM_HLC_FAR says
 * nothing. */
uint64_t lm_hlc_next(uint64_t last, uint64_t floor, int64_t wall_ms);
int64_t lm_hlc_ms(uint64_t hlc);
uint64_t lm_hlc_of_ms(int64_t ms); /* counter 0, clamped */
bool lm_version_equal(struct lm_version a, struct lm_version b);
/* Order by (hlc, replica): -1, 0, 1. */
int lm_version_compare(struct lm_version a, struct lm_version b);

#endif
