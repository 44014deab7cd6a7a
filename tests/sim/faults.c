/* What goes wrong, one thing at a time, as the plan allows. */
#include "tests/sim/sim.h"

#include <string.h>

#define YEAR_MS (365LL * 86400000)

const char *const sim_fault_names[F_COUNT] = {
    "loss",      "duplicate",   "reorder",  "delay",     "partition", "tear",     "node-crash",
    "hub-crash", "disk-full",   "clock",    "node-back", "staff",     "resolve",  "two-pcs",
    "revoke",    "hub-restore", "hub-back", "doubles",   "burst",     "stranger", "poison",
    "newer",     "moves",       "usb",      "clone",     "upgrade",
};

static uint64_t below(uint64_t n)
{
    return lm_rand_below(&sim->rnd, n);
}

static struct sim_node *any(void)
{
    return &sim->nodes[below((uint64_t)sim->n_nodes)];
}

static void strike_clock(struct sim_node *node)
{
    static const int64_t steps[] = {1000,    60000,        3600000,     86400000,
                                    YEAR_MS, 11 * YEAR_MS, 20 * YEAR_MS};

    if (below(5) == 0) {
        node->stopped_ms = node->stopped_ms ? 0 : sim->now_ms + node->skew_ms;
    } else {
        node->skew_ms = steps[below(sizeof steps / sizeof *steps)] * (below(2) ? 1 : -1);
    }
    sim_note("pc %d clock %lld%s", node->index, (long long)node->skew_ms,
             node->stopped_ms ? " stopped" : "");
}

void sim_retire(struct sim_node *node)
{
    node->retired = true;
    for (size_t i = 0; i < sim->n_saves; i++) {
        sim->saves[i].excused = sim->saves[i].excused || sim->saves[i].node == node->index;
    }
}

/* Another PC takes its place. What only the old one has is a loss that the town must be shown
 * (possible gap), so it need not converge any more. */
static void strike_revoke(struct sim_node *node)
{
    struct lm_error err = {0};
    size_t n = 0;
    enum lm_status st;
    bool asked = false;

    if (node->retired || node->copied || !sim->hub_up || sim->n_nodes > SIM_NODES_MAX - 2) {
        return;
    }
    st = lm_store_begin(sim->hub.store, &err);
    if (st == LM_OK) {
        asked = true; /* it is in revoked.log before COMMIT, and holds at the hub's next start */
        st = lm_store_revoke(sim->hub.store, "admin", sim_station_code(node->station),
                             node->key.replica, sim->now_ms, &n, &err);
    }
    if (st == LM_OK) {
        st = lm_store_commit(sim->hub.store, &err);
    }
    if (st != LM_OK) {
        lm_store_rollback(sim->hub.store);
        if (asked) {
            sim_retire(node);
        }
        if (sim_disk_dead(DISK_HUB) || lm_store_broken(sim->hub.store)) {
            sim_hub_crash("died in a revocation");
        }
        return;
    }
    sim_note("pc %d revoked", node->index);
    node->revoked = true;
    sim_retire(node);
    if (lm_gate_reload(sim->server->gate, sim->hub.store, &err) != LM_OK) {
        sim_fail("P11 only its own", "the gate cannot be read anew: %s", err.en);
    }
    for (size_t i = 0; i < sim->server->n_peers; i++) {
        struct lm_hub_peer *peer = sim->server->peers[i];

        if (lm_store_replica_get(sim->hub.store, peer->row.number, &peer->row) != LM_OK) {
            sim_fail("P11 only its own", "a replica's row cannot be read");
        }
    }
    sim_node_crash(node, "revoked");
    node->restart_ms = sim->now_ms + 1000; /* it goes on trying */
    (void)sim_node_add(node->station);
}

void sim_fault_strike(void)
{
    enum sim_fault fault;
    struct sim_node *node;

    if (sim->plan.faults & (1u << F_HUB_RESTORE | 1u << F_HUB_BACK) && below(8) == 0) {
        bool silent = !(sim->plan.faults & 1u << F_HUB_RESTORE) ||
                      (sim->plan.faults & 1u << F_HUB_BACK && below(2));

        sim->n_faults++;
        sim_hub_back_strike(silent);
        return;
    }
    fault = (enum sim_fault)below(F_HUB_RESTORE);
    node = any();

    if (!(sim->plan.faults & 1u << fault)) {
        return;
    }
    sim->n_faults++;
    switch (fault) {
    case F_PARTITION:
        node->away_ms = sim->now_ms + 1000 + (int64_t)below(180000);
        sim_note("pc %d away", node->index);
        break;
    case F_TEAR:
        sim_net_tear(below(4) ? node->index : -1);
        sim_note("lines torn");
        break;
    case F_NODE_CRASH:
        if (below(2)) {
            sim_node_crash(node, "killed");
        } else {
            sim_disk_die_after(node->index, 1 + (int)below(30));
        }
        break;
    case F_HUB_CRASH:
        switch (below(4)) {
        case 0:
            sim_hub_crash("killed");
            break;
        case 1:
            sim->hub_crash = sim->steps % 2 ? CRASH_BEFORE_COMMIT : CRASH_IN_COMMIT;
            break;
        case 2:
            sim->hub_crash = CRASH_AFTER_COMMIT;
            break;
        default:
            sim_disk_die_after(DISK_HUB, 1 + (int)below(60));
            break;
        }
        break;
    case F_DISK_FULL:
        sim_disk_full(below(3) ? node->index : DISK_HUB, 1 + (int)below(20));
        sim_note("disk full");
        break;
    case F_CLOCK:
        strike_clock(node);
        break;
    case F_NODE_BACK:
        if (node->images == 0 || below(3) == 0) {
            sim_node_keep_image(node);
        } else {
            sim_node_go_back(node);
        }
        break;
    case F_REVOKE:
        if (below(4) == 0) {
            strike_revoke(node);
        }
        break;
    case F_LOSS: /* net.c's */
    case F_DUPLICATE:
    case F_REORDER:
    case F_DELAY:
    case F_STAFF: /* users.c's */
    case F_RESOLVE:
    case F_TWO_PCS:
    case F_HUB_RESTORE:
    case F_HUB_BACK:
    case F_DOUBLES: /* each in a file of its own, or users.c's */
    case F_BURST:
    case F_STRANGER:
    case F_POISON:
    case F_NEWER:
    case F_MOVES:
    case F_USB:
    case F_CLONE:
    case F_UPGRADE:
    case F_COUNT:
        break;
    }
}
