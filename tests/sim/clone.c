/* A PC is copied, disk and key, as a virtual machine or a cloned drive is: both go on under one
 * enrolment. What either saves must arrive. The hub may serve the one and then the other, as long
 * as it notices; at the end a person gives the copy an enrolment of its own (`enrol KIT --renew`).
 */
#include "tests/sim/sim.h"

#include <string.h>

static struct sim_node *somebody(void)
{
    struct sim_node *node = &sim->nodes[sim_own_below(F_CLONE, (uint64_t)sim->n_nodes)];

    return node->made && !node->retired && !node->copied ? node : NULL;
}

void sim_clone_act(void)
{
    struct sim_node *node = somebody(), *copy = &sim->nodes[sim->n_nodes];
    struct lm_error err = {0};

    if (!node || sim->n_nodes > SIM_NODES_MAX - 2) {
        return;
    }
    if (sim_own_below(F_CLONE, 2)) { /* or as it runs, with the lease that it holds */
        sim_node_crash(node, "to be copied");
    }
    memset(copy, 0, sizeof *copy);
    copy->index = sim->n_nodes;
    copy->station = node->station;
    copy->key = node->key;
    copy->skew_ms = node->skew_ms;
    copy->dir.lock_fd = -1;
    (void)snprintf(copy->path, sizeof copy->path, "%.4000s/n%d", sim->work, copy->index);
    sim_disk_heal(copy->index);
    if (lm_datadir_open(copy->path, false, &copy->dir, &err) != LM_OK ||
        !sim_copy_database(node->path, copy->path, "node.db", "node.db")) {
        sim_note("the disk cannot be copied: %s", err.en);
        return;
    }
    if (sim_hub_times_back() > 0) {
        sim_hub_distrust(copy); /* as its original, until it has heard of the hub as it is */
    }
    copy->made = true;
    copy->copy_of = node->index + 1;
    copy->copied = node->copied = true;
    sim->n_nodes++;
    sim_note("pc %d is a copy of pc %d", copy->index, node->index);
    sim_node_start(copy);
}

static bool renew(struct sim_node *node)
{
    struct lm_keypair old = node->key.own;
    uint64_t former = node->key.replica, n = 0;
    struct lm_nstore *store = NULL;
    struct lm_error err = {0};
    enum lm_status st;

    sim_node_crash(node, "to be enrolled anew");
    sim->actor = -1;
    lm_keypair_make(&node->key.own);
    if (!sim_node_enrol(node)) {
        node->key.own = old;
        sim->actor = -2;
        return false;
    }
    sim->actor = node->index;
    st = lm_nstore_open(&node->dir, sim->catalog, false, &store, &err);
    if (st == LM_OK) {
        st = lm_nstore_renew(store, node->key.replica, &n, &err);
    }
    lm_nstore_close(&store);
    sim->actor = -2;
    if (st != LM_OK) {
        sim_fail("P8 a clone is healed", "pc %d cannot be enrolled anew: %s", node->index, err.en);
        return false;
    }
    for (size_t i = 0; sim_hub_times_back() > 0 && i < sim->n_saves; i++) {
        /* What a hub that is gone had acked under the former name, and this PC has overwritten
         * since, nobody gives back: the newest of each record is offered (hub_back.c looks). */
        sim->saves[i].excused = sim->saves[i].excused || sim->saves[i].node == node->index;
    }
    node->former = former;
    node->copy_of = 0;
    node->images = 0; /* of another enrolment */
    node->acked_seen = node->acked_branch = 0;
    sim_note("pc %d enrolled anew, %llu changes with it", node->index, (unsigned long long)n);
    sim_node_start(node);
    return true;
}

bool sim_clones_renew(void)
{
    bool any = false;

    for (int i = 0; i < sim->n_nodes && sim->hub_up && !sim->failure[0]; i++) {
        if (sim->nodes[i].copy_of) {
            any = renew(&sim->nodes[i]) || any;
        }
    }
    return any;
}

uint64_t sim_other_name(const struct sim_save *save)
{
    const struct sim_node *node = &sim->nodes[save->node];

    return node->former == save->replica ? node->key.replica : save->replica;
}
