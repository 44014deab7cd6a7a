/* One seed from start to end: people act and things go wrong for a while, then faults stop and all
 * must come to rest. */
#include "tests/sim/sim.h"

#include "common/base/break.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define START_MS 1795000000000LL   /* a day of 2026 */
#define REST_MS (60LL * 60 * 1000) /* of virtual time that convergence may take */

/* ---- seeded randomness for libsodium, so that keys and ids repeat ---- */

static struct lm_rand sodium_rnd;

static const char *random_name(void)
{
    return "sim";
}

static uint32_t random_word(void)
{
    return (uint32_t)lm_rand_next(&sodium_rnd);
}

static void random_bytes(void *const out, const size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ((uint8_t *)out)[i] = (uint8_t)lm_rand_next(&sodium_rnd);
    }
}

static struct randombytes_implementation seeded = {
    .implementation_name = random_name, .random = random_word, .buf = random_bytes};

const char *sim_mistake = "none";

static void own_seed(struct lm_rand *rnd, uint64_t seed, int fault)
{
    lm_rand_seed(rnd, seed ^ (uint64_t)(fault + 1) << 48);
}

void sim_plan_of(uint64_t seed, struct sim_plan *out)
{
    struct lm_rand rnd;
    uint64_t size;

    lm_rand_seed(&rnd, seed);
    size = lm_rand_below(&rnd, 100);
    memset(out, 0, sizeof *out);
    out->seed = seed;
    out->stations = size < 75   ? 1 + (int)lm_rand_below(&rnd, 3)
                    : size < 99 ? 4 + (int)lm_rand_below(&rnd, 5)
                                : 16 + (int)lm_rand_below(&rnd, 49);
    out->actions = 20 + (int)lm_rand_below(&rnd, 80) + out->stations * 4;
    out->span_ms = 60000 + (int64_t)lm_rand_below(&rnd, 600000);
    for (int f = 0; f < F_FIRST_OF_ITS_OWN;
         f++) { /* swarm testing: each seed has some of the faults */
        if (lm_rand_below(&rnd, 2)) {
            out->faults |= 1u << f;
        }
    }
    if (lm_rand_below(&rnd, 2)) { /* a hub that goes back costs twice the time: in fewer seeds */
        out->faults &= ~(1u << F_HUB_RESTORE | 1u << F_HUB_BACK);
    }
    for (int f = F_FIRST_OF_ITS_OWN; f < F_COUNT; f++) {
        own_seed(&rnd, seed, f);
        if (lm_rand_below(&rnd, 4) == 0) {
            out->faults |= 1u << f;
        }
    }
    if (out->faults & 1u << F_CLONE) {
        out->faults &= ~(1u << F_USB); /* two PCs that number their exports alike: one at a time */
    }
    out->later = out->faults & SIM_FAULTS_LATER;
    out->faults &= ~SIM_FAULTS_LATER;
}

/* ---- steps ---- */

static void hub_round(void)
{
    sim->actor = -1;
    lm_server_gather(sim->server);
    if (sim->hub_crash == CRASH_BEFORE_COMMIT && sim->server->in_round) {
        sim_hub_crash("before COMMIT");
        return;
    }
    if (sim->hub_crash == CRASH_IN_COMMIT && sim->server->in_round) {
        sim_disk_die_after(DISK_HUB, 0);
        lm_server_end_round(sim->server);
        sim_net_deliver(); /* the network has what was sent before the power went */
        sim_hub_crash("in COMMIT");
        return;
    }
    if (sim->hub_crash == CRASH_AFTER_COMMIT && sim->server->in_round) {
        sim->hub_mute = true;
        lm_server_end_round(sim->server);
        sim_hub_crash("after COMMIT, before the answers");
        return;
    }
    lm_server_end_round(sim->server);
    if (!sim->server->failed) {
        sim_check_hub();
    }
}

static void run_hub(void)
{
    if (!sim->hub_up) {
        if (sim->now_ms >= sim->hub_restart_ms) {
            sim_hub_start();
        }
        return;
    }
    if (sim_net_due_for_hub()) {
        hub_round();
    }
    if (sim->hub_up && sim->now_ms >= sim->hub_tick_ms) {
        sim->actor = -1;
        sim->hub_tick_ms = sim->now_ms + 1000;
        lm_server_tick(sim->server);
    }
    sim->actor = -2;
    if (sim->hub_up && (sim->server->failed || sim_disk_dead(DISK_HUB))) {
        sim_hub_crash("an error of its disk");
    }
}

static void run_node(struct sim_node *node)
{
    if (!node->up) {
        if (sim->now_ms >= node->restart_ms) {
            sim_node_start(node);
        }
        return;
    }
    if (!sim_net_due_for(node->index) && sim->now_ms < node->tick_ms) {
        return;
    }
    if (sim->now_ms >= node->tick_ms) {
        node->tick_ms = sim->now_ms + 500;
    }
    sim->actor = node->index;
    lm_link_round(&node->link, NULL, 0, NULL, 0);
    sim->actor = -2;
    if (sim_disk_dead(node->index)) {
        sim_node_crash(node, "died while syncing");
    }
}

static int64_t next_event(int64_t act_ms, int64_t fault_ms)
{
    int64_t next = sim_net_next_ms();

    next = sim->hub_up ? (sim->hub_tick_ms < next ? sim->hub_tick_ms : next)
                       : (sim->hub_restart_ms < next ? sim->hub_restart_ms : next);
    for (int i = 0; i < sim->n_nodes; i++) {
        const struct sim_node *node = &sim->nodes[i];
        int64_t at = node->up ? node->tick_ms : node->restart_ms;

        next = at < next ? at : next;
    }
    next = act_ms < next ? act_ms : next;
    next = fault_ms < next ? fault_ms : next;
    return next > sim->now_ms ? next : sim->now_ms + 1;
}

static void step_to(int64_t at_ms)
{
    sim->mono_ms += at_ms - sim->now_ms;
    sim->now_ms = at_ms;
    sim->steps++;
    run_hub();
    for (int i = 0; i < sim->n_nodes; i++) {
        run_node(&sim->nodes[i]);
    }
}

static void work_phase(void)
{
    int64_t end = sim->now_ms + sim->plan.span_ms, act_every, fault_every = 4000;
    int64_t act = sim->now_ms, fault = sim->now_ms + 2000;
    int acted = 0;

    act_every = sim->plan.span_ms / (sim->plan.actions + 1);
    while (sim->now_ms < end && !sim->failure[0]) {
        step_to(next_event(act, fault));
        if (sim->now_ms >= act && acted < sim->plan.actions) {
            sim_user_act();
            acted++;
            act = sim->now_ms + 1 + (int64_t)lm_rand_below(&sim->rnd, (uint64_t)act_every * 2);
        } else if (sim->now_ms >= act) {
            act = INT64_MAX;
        }
        if (sim->now_ms >= fault) {
            sim_fault_strike();
            fault = sim->now_ms + 1 + (int64_t)lm_rand_below(&sim->rnd, (uint64_t)fault_every * 2);
        }
        if (sim->steps % 8 == 0) {
            sim_check_step();
        }
    }
}

/* Faults stop: clocks go again as they are, lines stand, disks have room. */
static void make_calm(void)
{
    sim->calm = true;
    sim->hub_crash = CRASH_NONE;
    sim_disk_full(DISK_HUB, 0);
    for (int i = 0; i < sim->n_nodes; i++) {
        sim->nodes[i].away_ms = 0;
        sim->nodes[i].stopped_ms = 0;
        sim_disk_full(i, 0);
        if (!sim_disk_dead(i)) {
            sim_disk_heal(i);
        }
    }
    if (!sim_disk_dead(DISK_HUB)) {
        sim_disk_heal(DISK_HUB);
    }
    sim_note("calm");
}

static void rest_phase(void)
{
    int64_t end = sim->now_ms + REST_MS;
    int quiet = 0;

    while (quiet < 20 && !sim->failure[0]) {
        if (sim->now_ms > end) {
            for (int i = 0; i < sim->n_nodes; i++) {
                struct sim_node *node = &sim->nodes[i];
                struct lm_me me;
                struct lm_error err = {0};

                if (!node->retired && node->up && lm_nstore_me(node->store, &me, &err) == LM_OK &&
                    (me.head.seq != me.acked.seq ||
                     strcmp(node->link.session.status.code, "synced") != 0)) {
                    sim_fail("P5 convergence",
                             "no rest within an hour: pc %d says \"%s\", %llu of %llu acked", i,
                             node->link.session.status.code, (unsigned long long)me.acked.seq,
                             (unsigned long long)me.head.seq);
                }
            }
            sim_fail("P5 convergence", "no rest within an hour");
            return;
        }
        step_to(next_event(INT64_MAX, INT64_MAX));
        if (sim->steps % 64 == 0) {
            (void)sim_hub_raise();
            sim_hub_settle_all();
            (void)sim_clones_renew();
        }
        quiet = sim_converged() ? quiet + 1 : 0;
        if (quiet == 20 && sim_hub_accept_all()) {
            quiet = 0;
        }
        if (sim->steps % 64 == 0) {
            sim_check_step();
        }
    }
    sim_note("at rest");
}

bool sim_run(const struct sim_plan *plan, bool trace, uint64_t *digest_out, char failure[1000],
             uint64_t *steps_out)
{
    static struct lm_catalog *catalog;
    struct lm_error err = {0};
    bool made;

    if (!catalog && lm_catalog_load_embedded(&catalog, &err) != LM_OK) {
        (void)snprintf(failure, 1000, "sim: %s", err.en);
        return false;
    }
    sim = calloc(1, sizeof *sim);
    LM_CHECK(sim);
    sim->plan = *plan;
    sim->trace = trace;
    sim->catalog = catalog;
    sim->now_ms = START_MS;
    sim->mono_ms = 1000;
    sim->actor = -2;
    lm_rand_seed(&sim->rnd, plan->seed * 2 + 1);
    for (int f = F_FIRST_OF_ITS_OWN; f < F_COUNT; f++) {
        own_seed(&sim->own[f], plan->seed, f);
        (void)lm_rand_next(&sim->own[f]); /* drawn for the plan */
    }
    sim_ledger_reset();
    sim_usb_reset();
    sim_hostile_reset();
    sim_doubles_reset();
    if (!sim_upgrade_prepare()) {
        (void)snprintf(failure, 1000, "sim: the next catalogues cannot be made");
        free(sim);
        sim = NULL;
        return false;
    }
    sim->model = journal_model_new(catalog, sim->newest);
    LM_CHECK(sim->model);
    /* The templates are made in the first run of a process: from a seed of their own, and without
     * the mistake. */
    (void)lm_break_choose("none");
    lm_rand_seed(&sodium_rnd, 1);
    (void)randombytes_set_implementation(&seeded);
    made = sim_templates() && lm_break_choose(sim_mistake);
    lm_rand_seed(&sodium_rnd, plan->seed * 2 + 2);
    if (made && sim_world_open()) {
        work_phase();
        make_calm();
        rest_phase();
        if (!sim->failure[0]) {
            sim_check_step();
        }
        if (!sim->failure[0]) {
            sim_check_end();
        }
    } else {
        sim_fail("sim", "the town could not be made");
    }
    *digest_out = sim->digest;
    *steps_out = sim->steps;
    (void)snprintf(failure, 1000, "%s", sim->failure);
    sim_world_close();
    journal_model_destroy(&sim->model);
    free(sim);
    sim = NULL;
    return failure[0] == '\0';
}
