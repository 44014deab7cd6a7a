/* USB sticks beside the network: a PC exports, the town imports and answers, the PC imports the
 * answer. Sticks are carried in any order, some twice, some cut short or changed by a byte, some
 * never; PC and hub may have gone on, or back in time, meanwhile. Nothing that the other checks
 * hold may break by it, and a damaged file has no effect at all. */
#include "tests/sim/sim.h"

#include "hub/bundle.h"
#include "node/bundle.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STICKS = 6, FILE_MAX = 4 * 1024 * 1024 };

struct stick {
    int node;
    bool reply;
    uint8_t *data;
    size_t n;
    unsigned times_back; /* of the hub, when it was written */
};
static struct stick sticks[STICKS];

void sim_usb_reset(void)
{
    for (int i = 0; i < STICKS; i++) {
        free(sticks[i].data);
    }
    memset(sticks, 0, sizeof sticks);
}

static uint64_t below(uint64_t n)
{
    return sim_own_below(F_USB, n);
}

static void keep(int node, bool reply, const uint8_t *data, size_t n)
{
    struct stick *s = &sticks[below(STICKS)]; /* one that is overwritten was lost on the way */

    free(s->data);
    *s = (struct stick){.node = node,
                        .reply = reply,
                        .data = malloc(n ? n : 1),
                        .n = n,
                        .times_back = sim_hub_times_back()};
    LM_CHECK(s->data);
    memcpy(s->data, data, n);
}

static void export_from(struct sim_node *node)
{
    struct lm_export_done done;
    struct lm_error err = {0};
    char path[PATH_MAX];
    uint8_t *data = malloc(FILE_MAX);
    FILE *file;
    enum lm_status st;

    LM_CHECK(data);
    (void)snprintf(path, sizeof path, "%.4000s/stick.lmb", node->path);
    (void)unlink(path);
    sim->actor = node->index;
    st = lm_node_export(node->store, &node->key, path, FILE_MAX, &done, &err);
    sim->actor = -2;
    sim_note("pc %d exports: %s %s", node->index, lm_status_name(st), err.code);
    file = st == LM_OK ? fopen(path, "rb") : NULL;
    if (file) {
        keep(node->index, false, data, fread(data, 1, FILE_MAX, file));
        (void)fclose(file);
        node->by_stick = true;
    }
    (void)unlink(path);
    free(data);
    if (sim_disk_dead(node->index)) {
        sim_node_crash(node, "died while exporting");
    }
}

/* The rows in memory are read again, as `serve` does after a command. */
static void refresh_peers(void)
{
    for (size_t p = 0; sim->hub_up && p < sim->server->n_peers; p++) {
        struct lm_hub_peer *peer = sim->server->peers[p];

        if (lm_store_replica_get(sim->hub.store, peer->row.number, &peer->row) != LM_OK) {
            sim_note("a replica's row cannot be read");
        }
    }
}

static void to_town(const struct stick *s, uint8_t *data, size_t n, bool damaged)
{
    struct lm_hub_bundle out;
    struct lm_mark before, after;
    struct lm_error err = {0};
    struct lm_buf reply;
    enum lm_status st = lm_store_head(sim->hub.store, &before);

    sim->actor = -1;
    memset(&out, 0, sizeof out);
    lm_buf_init(&reply, FILE_MAX);
    st = st == LM_OK ? lm_hub_bundle_take(&sim->hub, data, n, &out, &reply, &err) : st;
    sim_note("the town imports from pc %d: %s %s, %u new", s->node, lm_status_name(st), err.code,
             (unsigned)out.n_new);
    if (sim_disk_dead(DISK_HUB) || lm_store_broken(sim->hub.store)) {
        sim_hub_crash("died while importing");
    } else {
        if (damaged && (st == LM_OK || lm_store_head(sim->hub.store, &after) != LM_OK ||
                        after.position != before.position)) {
            sim_fail("P11 only its own", "a damaged bundle of pc %d had effect", s->node);
        }
        if (st == LM_OK && out.reply) {
            keep(s->node, true, reply.data, reply.len);
        }
        refresh_peers();
        sim_check_hub();
        lm_server_news(sim->server);
    }
    lm_buf_free(&reply);
    sim->actor = -2;
}

static void to_village(const struct stick *s, uint8_t *data, size_t n, bool damaged)
{
    struct sim_node *node = &sim->nodes[s->node];
    struct lm_import_done out;
    struct lm_error err = {0};
    enum lm_status st;

    sim->actor = node->index;
    memset(&out, 0, sizeof out);
    st = lm_node_import(node->store, &node->key, data, n, &out, &err);
    sim_note("pc %d imports: %s %s%s%s, %u acked", s->node, lm_status_name(st), err.code,
             out.old ? " old" : "", out.stale ? " stale" : "", (unsigned)out.acked_now);
    if (st == LM_OK && s->times_back != sim_hub_times_back()) {
        sim_hub_distrust(node); /* what it says is acked was, in a history that is gone */
    }
    if (damaged && st == LM_OK) {
        sim_fail("P11 only its own", "pc %d took a damaged reply", s->node);
    }
    if (sim_disk_dead(node->index)) {
        sim->actor = -2;
        sim_node_crash(node, "died while importing");
        return;
    }
    lm_link_restart(&node->link);
    sim->actor = -2;
}

void sim_usb_act(void)
{
    struct sim_node *node = &sim->nodes[below((uint64_t)sim->n_nodes)];
    const struct stick *s = &sticks[below(STICKS)];
    struct stick copy = *s;
    uint8_t *data;
    size_t n = s->n;
    bool damaged = false;

    if (below(3) == 0 || !s->data) {
        if (node->up && !node->retired) {
            export_from(node);
        }
        return;
    }
    if (s->reply ? !sim->nodes[s->node].up || sim->nodes[s->node].retired : !sim->hub_up) {
        return;
    }
    data = malloc(n);
    LM_CHECK(data);
    memcpy(data, s->data, n);
    if (below(6) == 0 && n > 0) {
        damaged = true;
        if (below(2)) {
            n = below(n);
        } else {
            data[below(n)] ^= (uint8_t)(1u << below(8));
        }
    }
    if (s->reply) {
        to_village(&copy, data, n, damaged);
    } else {
        to_town(&copy, data, n, damaged);
    }
    free(data);
}
