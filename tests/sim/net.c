/* The network of the simulation, in place of common/transport.c: what a DEALER and the ROUTER give
 * each other lies in one list with the time at which it arrives. Worse than TCP where the plan says
 * so: messages of one connection may vanish, come twice or overtake each other. */
#include "tests/sim/sim.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    LINES_MAX = SIM_NODES_MAX,
    FLIGHT_MAX = 20000,
    PAGE_SLACK = 4096, /* what a page says besides, and its entries' heads */
};

struct lm_context {
    int dummy;
};
struct lm_router {
    lm_zap_allow allow;
    void *arg;
    uint8_t *held; /* body of the message that is looked at */
};
struct lm_dealer {
    int node;
    struct lm_keypair keys;
    uint8_t *held;
    bool open;     /* connected and let in */
    uint32_t line; /* number of the connection; a new one for every connection */
    uint32_t connections;
    char user_id[41];
    const char *state;
    uint32_t asked; /* most that one page may hold, by the last PULLs: the greater of two */
    uint32_t asked_before;
    int64_t up_ms, down_ms; /* when the last message on its way each direction arrives */
};

struct flight {
    int64_t at_ms;
    uint64_t order;
    uint32_t line;
    bool to_hub;
    uint8_t kind;
    size_t n;
    uint8_t *body;
};

static struct flight flights[FLIGHT_MAX];
static size_t n_flights;
static uint64_t order;
static uint32_t lines;
static struct lm_dealer *dealers[LINES_MAX];
static struct lm_router *the_router;

void sim_net_reset(void)
{
    for (size_t i = 0; i < n_flights; i++) {
        free(flights[i].body);
    }
    n_flights = 0;
    order = 0;
    lines = 0;
    memset(dealers, 0, sizeof dealers);
    the_router = NULL;
}

static void drop_flight(size_t i)
{
    free(flights[i].body);
    flights[i] = flights[--n_flights];
}

static void close_line(struct lm_dealer *d, const char *state)
{
    for (size_t i = n_flights; i-- > 0;) {
        if (flights[i].line == d->line) {
            drop_flight(i);
        }
    }
    d->open = false;
    d->state = state;
    d->up_ms = d->down_ms = 0;
}

void sim_net_tear(int node)
{
    for (int i = 0; i < LINES_MAX; i++) {
        if (dealers[i] && dealers[i]->open && (node < 0 || node == i)) {
            close_line(dealers[i], "unreachable");
        }
    }
}

void sim_net_deliver(void)
{
    for (size_t i = 0; i < n_flights; i++) {
        if (!flights[i].to_hub) {
            flights[i].at_ms = sim->now_ms;
        }
    }
    for (int i = 0; i < sim->n_nodes; i++) {
        struct sim_node *node = &sim->nodes[i];

        if (node->up && sim_net_due_for(i)) {
            sim->actor = i;
            lm_link_round(&node->link, NULL, 0, NULL, 0);
            if (sim_disk_dead(i)) {
                sim_node_crash(node, "died while syncing");
            }
        }
    }
    sim->actor = -1;
}

static bool cut_off(const struct lm_dealer *d)
{
    return !sim->hub_up || !the_router || sim->nodes[d->node].away_ms > sim->now_ms;
}

/* As libzmq does by itself: connects as soon as it can. */
static void try_connect(struct lm_dealer *d)
{
    if (d->open && cut_off(d)) {
        close_line(d, "unreachable");
    }
    if (d->open || cut_off(d)) {
        return;
    }
    if (!the_router->allow(the_router->arg, d->keys.public_key, "127.0.0.1", d->user_id)) {
        d->state = "refused by the hub (unknown or revoked key)";
        return;
    }
    d->open = true;
    d->line = ++lines;
    d->connections++;
    d->state = "connected";
}

static int64_t delay_ms(void)
{
    bool slow = !sim->calm && sim->plan.faults & 1u << F_DELAY && sim_chance(4);

    return 1 + (int64_t)lm_rand_below(&sim->rnd, slow ? 20000 : 60);
}

static bool faulty(enum sim_fault fault, unsigned one_in)
{
    return !sim->calm && sim->plan.faults & 1u << fault && sim_chance(one_in);
}

static void put(struct lm_dealer *d, bool to_hub, uint8_t kind, const void *body, size_t n)
{
    int64_t *last = to_hub ? &d->up_ms : &d->down_ms;
    struct flight f = {.line = d->line, .to_hub = to_hub, .kind = kind, .n = n};

    if (n_flights == FLIGHT_MAX) {
        sim_fail("P12 bounded", "more than %d messages are on their way", FLIGHT_MAX);
        return;
    }
    f.at_ms = sim->now_ms + delay_ms();
    if (!faulty(F_REORDER, 3)) {
        f.at_ms = f.at_ms > *last ? f.at_ms : *last;
        *last = f.at_ms;
    }
    f.order = order++;
    f.body = malloc(n ? n : 1);
    if (!f.body) {
        abort();
    }
    memcpy(f.body, body, n);
    flights[n_flights++] = f;
}

static void send_over(struct lm_dealer *d, bool to_hub, uint8_t kind, const void *body, size_t n)
{
    if (faulty(F_LOSS, 12)) {
        sim_note("lost %s %u kind %u", to_hub ? "from" : "to", (unsigned)d->node, kind);
        return;
    }
    put(d, to_hub, kind, body, n);
    if (faulty(F_DUPLICATE, 10)) {
        put(d, to_hub, kind, body, n);
    }
}

int64_t sim_net_next_ms(void)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < n_flights; i++) {
        next = flights[i].at_ms < next ? flights[i].at_ms : next;
    }
    return next;
}

size_t sim_net_in_flight(void)
{
    return n_flights;
}

/* The earliest message that has arrived there; n_flights = none. line 0: for the hub. */
static size_t find_due(bool to_hub, uint32_t line)
{
    size_t best = n_flights;

    for (size_t i = 0; i < n_flights; i++) {
        const struct flight *f = &flights[i];

        if (f->to_hub != to_hub || f->at_ms > sim->now_ms || (line && f->line != line)) {
            continue;
        }
        if (best == n_flights || f->at_ms < flights[best].at_ms ||
            (f->at_ms == flights[best].at_ms && f->order < flights[best].order)) {
            best = i;
        }
    }
    return best;
}

bool sim_net_due_for_hub(void)
{
    return find_due(true, 0) < n_flights;
}

bool sim_net_due_for(int node)
{
    const struct lm_dealer *d = dealers[node];

    return d && d->open && find_due(false, d->line) < n_flights;
}

/* Takes a message out; its body is the receiver's. */
static void take(size_t at, struct lm_incoming *in, uint8_t **held)
{
    struct flight f = flights[at];

    flights[at] = flights[--n_flights];
    free(*held);
    *held = f.body;
    memset(in, 0, sizeof *in);
    in->kind = f.kind;
    in->body = f.body;
    in->n = f.n;
}

/* ---- common/transport.h ---- */

void lm_keypair_make(struct lm_keypair *pair)
{
    randombytes_buf(pair->secret_key, sizeof pair->secret_key);
    LM_CHECK(crypto_scalarmult_base(pair->public_key, pair->secret_key) == 0);
}

bool lm_key_to_z85(const uint8_t key[LM_KEY_BYTES], char out[LM_KEY_Z85])
{
    return zmq_z85_encode(out, key, LM_KEY_BYTES) != NULL;
}

bool lm_key_from_z85(const char *text, uint8_t out[LM_KEY_BYTES])
{
    return strlen(text) == LM_KEY_Z85 - 1 && zmq_z85_decode(out, text) != NULL;
}

enum lm_status lm_context_new(struct lm_context **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? LM_OK : LM_ERR_MEMORY;
}

void lm_context_destroy(struct lm_context **context)
{
    free(*context);
    *context = NULL;
}

enum lm_status lm_router_open(struct lm_context *context, const char *endpoint,
                              const struct lm_keypair *keys, lm_zap_allow allow, void *allow_arg,
                              struct lm_router **out, struct lm_error *err)
{
    struct lm_router *r = calloc(1, sizeof *r);

    (void)context;
    (void)endpoint;
    (void)keys;
    (void)err;
    if (!r) {
        return LM_ERR_MEMORY;
    }
    r->allow = allow;
    r->arg = allow_arg;
    the_router = r;
    *out = r;
    return LM_OK;
}

const char *lm_router_endpoint(const struct lm_router *router)
{
    (void)router;
    return "tcp://127.0.0.1:5800";
}

int lm_router_fd(struct lm_router *router)
{
    (void)router;
    return -1;
}

enum lm_status lm_router_receive(struct lm_router *router, int timeout_ms, struct lm_incoming *in)
{
    size_t at = find_due(true, 0);
    uint32_t line;

    (void)timeout_ms;
    if (at == n_flights || sim->hub_mute) {
        return LM_ERR_TIMEOUT;
    }
    line = flights[at].line;
    take(at, in, &router->held);
    memcpy(in->peer.id, &line, sizeof line);
    in->peer.n = sizeof line;
    for (int i = 0; i < LINES_MAX; i++) {
        if (dealers[i] && dealers[i]->open && dealers[i]->line == line) {
            memcpy(in->user_id, dealers[i]->user_id, sizeof in->user_id);
        }
    }
    return LM_OK;
}

void lm_incoming_release(struct lm_incoming *in)
{
    in->body = NULL;
    in->n = 0;
}

/* P12: a page holds what was asked for, and one entry at least. */
static void check_page(const struct lm_dealer *d, const void *body, size_t n)
{
    uint32_t most = d->asked > d->asked_before ? d->asked : d->asked_before;
    struct lm_msg_feed page;
    struct lm_arena arena;

    if (most == 0 || n <= most + PAGE_SLACK) {
        return;
    }
    lm_arena_init(&arena, 64 * 1024 * 1024);
    if (lm_feed_read(body, n, &arena, &page, NULL) == LM_OK && page.n_entries > 1) {
        sim_fail("P12 bounded", "a page of %zu entries has %zu bytes, %u were asked for",
                 page.n_entries, n, (unsigned)most);
    }
    lm_arena_free(&arena);
}

static void note_pull(struct lm_dealer *d, const void *body, size_t n)
{
    struct lm_msg_pull pull;
    struct lm_arena arena;

    lm_arena_init(&arena, 1024 * 1024);
    if (lm_pull_read(body, n, &arena, &pull, NULL) == LM_OK) {
        d->asked_before = d->asked;
        d->asked = pull.max_bytes;
    }
    lm_arena_free(&arena);
}

enum lm_status lm_router_send(struct lm_router *router, const struct lm_peer *peer, uint8_t kind,
                              const void *body, size_t n)
{
    uint32_t line = 0;

    (void)router;
    if (sim->hub_mute) {
        return LM_OK; /* the process is gone; so is what it would have said */
    }
    memcpy(&line, peer->id, sizeof line);
    for (int i = 0; i < LINES_MAX; i++) {
        if (dealers[i] && dealers[i]->open && dealers[i]->line == line) {
            if (kind == LM_MSG_FEED) {
                check_page(dealers[i], body, n);
            }
            send_over(dealers[i], false, kind, body, n);
            return LM_OK;
        }
    }
    return LM_ERR_NOT_FOUND;
}

enum lm_status lm_router_wait(struct lm_router *router, const int *fds, size_t n_fds, bool *ready,
                              int timeout_ms, bool *message_ready)
{
    (void)router;
    (void)fds;
    (void)timeout_ms;
    for (size_t i = 0; i < n_fds; i++) {
        ready[i] = false;
    }
    *message_ready = sim_net_due_for_hub();
    return *message_ready ? LM_OK : LM_ERR_TIMEOUT;
}

void lm_router_waiting(struct lm_router *router, uint64_t *bytes_out, size_t *connections_out)
{
    (void)router;
    *bytes_out = 0;
    *connections_out = 0;
}

void lm_router_close(struct lm_router **router)
{
    if (*router) {
        free((*router)->held);
        free(*router);
        *router = NULL;
        the_router = NULL;
    }
    sim_net_tear(-1);
}

enum lm_status lm_dealer_open(struct lm_context *context, const char *endpoint,
                              const uint8_t hub_key[LM_KEY_BYTES], const struct lm_keypair *keys,
                              struct lm_dealer **out, struct lm_error *err)
{
    struct lm_dealer *d = calloc(1, sizeof *d);

    (void)context;
    (void)endpoint;
    (void)hub_key;
    (void)err;
    if (!d) {
        return LM_ERR_MEMORY;
    }
    d->node = sim->actor;
    d->keys = *keys;
    d->state = "connecting";
    dealers[d->node] = d;
    try_connect(d);
    *out = d;
    return LM_OK;
}

enum lm_status lm_dealer_send(struct lm_dealer *dealer, uint8_t kind, const void *body, size_t n)
{
    try_connect(dealer);
    if (!dealer->open) {
        return LM_ERR_BUSY;
    }
    if (kind == LM_MSG_PULL) {
        note_pull(dealer, body, n);
    }
    send_over(dealer, true, kind, body, n);
    return LM_OK;
}

enum lm_status lm_dealer_receive(struct lm_dealer *dealer, int timeout_ms, struct lm_incoming *in)
{
    size_t at;

    (void)timeout_ms;
    try_connect(dealer);
    at = dealer->open ? find_due(false, dealer->line) : n_flights;
    if (at == n_flights) {
        return LM_ERR_TIMEOUT;
    }
    take(at, in, &dealer->held);
    return LM_OK;
}

enum lm_status lm_dealer_wait(struct lm_dealer *dealer, const int *fds, size_t n_fds, bool *ready,
                              int timeout_ms, bool *message_ready)
{
    (void)fds;
    (void)timeout_ms;
    for (size_t i = 0; i < n_fds; i++) {
        ready[i] = false;
    }
    try_connect(dealer);
    *message_ready = sim_net_due_for(dealer->node);
    return *message_ready ? LM_OK : LM_ERR_TIMEOUT;
}

const char *lm_dealer_state(struct lm_dealer *dealer)
{
    return dealer->state;
}

uint32_t lm_dealer_connections(struct lm_dealer *dealer)
{
    return dealer->connections;
}

void lm_dealer_close(struct lm_dealer **dealer)
{
    if (*dealer) {
        if ((*dealer)->open) {
            close_line(*dealer, "closed");
        }
        if (dealers[(*dealer)->node] == *dealer) {
            dealers[(*dealer)->node] = NULL;
        }
        free((*dealer)->held);
        free(*dealer);
        *dealer = NULL;
    }
}
