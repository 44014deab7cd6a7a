/* The real clocks: a file of their own, so that a simulation can link its own in their place. */
#include "common/base/util.h"

#include <time.h>

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    LM_CHECK(clock_gettime(clock, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t lm_clock_wall_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

/* CLOCK_BOOTTIME goes on while the PC sleeps: time elapsed since the hub was heard must include it.
 */
int64_t lm_clock_mono_ms(void)
{
    return clock_ms(CLOCK_BOOTTIME);
}
