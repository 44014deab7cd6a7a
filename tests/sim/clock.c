/* The clocks of the simulation, in place of common/base/clock.c. Each PC has a wall clock of its
 * own; time that passes is the same for all. */
#include "tests/sim/sim.h"

struct sim *sim;

int64_t lm_clock_wall_ms(void)
{
    const struct sim_node *node;

    if (!sim || sim->actor < 0) {
        return sim ? sim->now_ms : 1790000000000;
    }
    node = &sim->nodes[sim->actor];
    return node->stopped_ms ? node->stopped_ms : sim->now_ms + node->skew_ms;
}

int64_t lm_clock_mono_ms(void)
{
    return sim ? sim->mono_ms : 1000;
}
