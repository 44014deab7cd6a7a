/* Clocks and randomness that repeat: see seams.h. */
#include "tests/fuzz/seams.h"

#include "common/base/util.h"

#include <sodium.h>

struct seam_clock seam_clock;
static struct lm_rand rnd;

int64_t lm_clock_wall_ms(void)
{
    return seam_clock.wall_ms;
}

int64_t lm_clock_mono_ms(void)
{
    return seam_clock.mono_ms;
}

static const char *name(void)
{
    return "seam";
}

static uint32_t word(void)
{
    return (uint32_t)lm_rand_next(&rnd);
}

static void bytes(void *const out, const size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ((uint8_t *)out)[i] = (uint8_t)lm_rand_next(&rnd);
    }
}

void seam_random(uint64_t seed)
{
    static struct randombytes_implementation seeded = {
        .implementation_name = name, .random = word, .buf = bytes};

    lm_rand_seed(&rnd, seed);
    (void)randombytes_set_implementation(&seeded);
}
