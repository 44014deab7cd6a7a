/* See session_world.h: the network, the clock, and what both stores share. */
#include "session_world.h"

void catalog_hash(uint32_t number, uint8_t out[32])
{
    memset(out, (int)number - 1, 32);
}

const uint8_t *catalog_bytes(uint32_t number)
{
    static uint8_t bytes[CATALOG_BYTES + 256]; /* each a window of the same bytes */

    for (size_t i = 0; bytes[1] == 0 && i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 31 + i / 251);
    }
    return bytes + number;
}

void trace(struct world *w, const char *what, uint64_t number)
{
    lm_hash(w->digest, w->digest, sizeof(w->digest), what, strlen(what), &number, sizeof(number));
}

bool chance(struct world *w, uint64_t percent)
{
    return lm_rand_below(&w->rnd, 100) < percent;
}

void log_start(struct log *log, uint64_t branch)
{
    log->branch = branch;
    log->n = 0;
    lm_chain_start(REPLICA, branch, log->hash[0]);
}

void log_add(struct log *log, const struct change *c)
{
    assert_true(log->n < CHANGES_MAX);
    log->changes[log->n] = *c;
    lm_chain_next(log->hash[log->n], c->body, c->n, log->hash[log->n + 1]);
    log->n++;
}

struct lm_head log_head(const struct log *log, uint64_t seq)
{
    struct lm_head head = {.seq = seq};

    memcpy(head.hash, log->hash[seq], LM_HASH_BYTES);
    return head;
}

void position_id(uint64_t position, char out[40])
{
    (void)snprintf(out, 40, "00000000-0000-7000-8000-%012" PRIx64, position);
}

/* ---- network ---- */

void post(struct world *w, bool to_hub, uint64_t connection, uint8_t kind, const uint8_t *body,
          size_t n)
{
    int copies = 1;
    int64_t due_ms = w->now_ms + (w->faults ? (int64_t)lm_rand_below(&w->rnd, 400) : STEP_MS);

    if (w->line_bytes_s > 0) {
        int64_t *free_ms = &w->line_free_ms[to_hub];

        *free_ms =
            (*free_ms > w->now_ms ? *free_ms : w->now_ms) + (int64_t)n * 1000 / w->line_bytes_s;
        due_ms += *free_ms - w->now_ms;
        w->carried += to_hub ? 0 : n;
    }
    trace(w, to_hub ? "up" : "down", kind);
    if (w->faults && chance(w, w->loss_percent)) {
        copies = 0;
    } else if (w->faults && chance(w, w->repeat_percent)) {
        copies = 2;
    }
    for (size_t i = 0; i < NET_MAX && copies > 0; i++) {
        struct packet *p = &w->net[i];

        if (p->used) {
            continue;
        }
        *p = (struct packet){.used = true,
                             .to_hub = to_hub,
                             .connection = connection,
                             .kind = kind,
                             .n = n,
                             .number = w->packets++,
                             .due_ms = due_ms};
        p->body = malloc(n + 1);
        assert_non_null(p->body);
        memcpy(p->body, body, n);
        copies--;
    }
    assert_int_equal(copies, 0); /* the sessions keep their traffic bounded */
}

static void deliver(struct world *w)
{
    for (;;) {
        struct packet *next = NULL;
        struct packet p;

        for (size_t i = 0; i < NET_MAX; i++) {
            struct packet *q = &w->net[i];

            if (q->used && q->due_ms <= w->now_ms &&
                (next == NULL || q->due_ms < next->due_ms ||
                 (q->due_ms == next->due_ms && q->number < next->number))) {
                next = q;
            }
        }
        if (next == NULL) {
            return;
        }
        p = *next;
        next->used = false;
        if (p.to_hub) {
            struct lm_hub_event ev = {.kind = LM_HE_MESSAGE};

            lm_arena_reset(&w->harena);
            ev.message.peer = p.connection;
            ev.message.kind = p.kind;
            ev.message.body = p.body;
            ev.message.n = p.n;
            ev.message.arena = &w->harena;
            hub_event(w, &ev, p.connection);
        } else if (w->connected && p.connection == w->connection) {
            struct lm_node_event ev = {.kind = LM_NE_MESSAGE};

            lm_arena_reset(&w->narena);
            ev.message.kind = p.kind;
            ev.message.body = p.body;
            ev.message.n = p.n;
            ev.message.arena = &w->narena;
            node_event(w, &ev);
        }
        free(p.body);
    }
}

/* ---- the world ---- */

void world_step(struct world *w)
{
    struct lm_node_event tick = {.kind = LM_NE_TICK};
    struct lm_hub_event hub_tick = {.kind = LM_HE_TICK};

    w->now_ms += STEP_MS;
    deliver(w);
    if (w->n_pushes > 0 && w->now_ms >= w->commit_at_ms) {
        hub_commit(w);
    }
    node_answers(w);
    if (w->connect_at_ms >= 0 && w->now_ms >= w->connect_at_ms) {
        struct lm_node_event ev = {.kind = LM_NE_CONNECTED};

        w->connect_at_ms = -1;
        w->connected = true;
        w->connection++;
        w->hello_on_connection = false;
        w->stored_on_connection = false;
        node_event(w, &ev);
    }
    node_event(w, &tick);
    hub_event(w, &hub_tick, 0);
}

struct world *world_new(uint64_t seed)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    lm_rand_seed(&w->rnd, seed);
    w->incarnation = (struct lm_incarnation){.counter = 1, .random = 5};
    w->next_id = 1;
    w->wall_offset_ms = (int64_t)lm_rand_below(&w->rnd, 1000000000000) - 500000000000;
    w->catalog = w->node.catalog = 1;
    log_start(&w->node.log, 1);
    w->node.acked = log_head(&w->node.log, 0);
    lm_arena_init(&w->narena, 8 << 20);
    lm_arena_init(&w->harena, 8 << 20);
    lm_node_effects_init(&w->nfx);
    lm_hub_effects_init(&w->hfx);
    node_start(w);
    hub_start(w);
    return w;
}

void world_free(struct world *w)
{
    drop_answers(w);
    for (size_t i = 0; i < w->n_pushes; i++) {
        free(w->pushes[i].body);
    }
    for (size_t i = 0; i < NET_MAX; i++) {
        if (w->net[i].used) {
            free(w->net[i].body);
        }
    }
    lm_arena_free(&w->narena);
    lm_arena_free(&w->harena);
    lm_node_effects_free(&w->nfx);
    lm_hub_effects_free(&w->hfx);
    free(w);
}

/* All that the node has is at the hub, once, and all of the feed is at the node. */
bool world_quiet(const struct world *w)
{
    return w->ns.synced && w->hub_log.branch == w->node.log.branch &&
           w->hub_log.n == w->node.log.n && w->node.cursor.position == w->journal_n &&
           wanted_count(&w->node) == 0 && w->n_pushes == 0 && w->node.catalog == w->catalog;
}

/* Without faults everything comes to rest within ten minutes (a back-off may have grown to five).
 */
void world_settle(struct world *w)
{
    int64_t end_ms = w->now_ms + 15 * 60 * 1000;

    w->faults = false;
    w->loaded = false;
    while (!world_quiet(w)) {
        world_step(w);
        if (w->now_ms >= end_ms) {
            fail_msg("not quiet: state %s, status %s, acked %" PRIu64 " of %" PRIu64
                     ", cursor %" PRIu64 " of %" PRIu64 ", wanted %" PRIu64,
                     lm_node_state_name(w->ns.state), w->status, w->ns.config.acked.seq,
                     w->node.log.n, w->node.cursor.position, w->journal_n, wanted_count(&w->node));
        }
    }
    assert_memory_equal(w->hub_log.hash[w->hub_log.n], w->node.log.hash[w->node.log.n],
                        LM_HASH_BYTES);
    assert_int_equal(w->ns.config.acked.seq, w->node.log.n);
    for (uint64_t id = 1; id < w->next_id; id++) {
        if (!w->lost[id]) {
            assert_int_equal(w->effects[id], 1);
        }
    }
}
