/* A station and a hub in memory: the two sessions, a model store behind each, and a network between
 * them that loses, repeats, delays and reorders. All of it runs from one seed; lm_world_digest
 * tells whether two runs were the same.
 *
 * Every rule that can be checked at a single step is checked there (see check_* and the asserts
 * below). */
#ifndef LM_TEST_SESSION_WORLD_H
#define LM_TEST_SESSION_WORLD_H

#include "proto/hub_session.h"
#include "proto/node_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLICA 77
#define CHANGES_MAX 2048
#define JOURNAL_MAX 4096
#define NET_MAX 512
#define ANSWERS_MAX 64
#define BODY_MAX 48
#define STEP_MS 50
#define HUB_EPOCH_MS 1700000000000LL
#define BATCH_CHANGES 7

struct change {
    uint64_t id;
    size_t n;
    uint8_t body[BODY_MAX];
};
struct log { /* one branch: changes[seq - 1]; hash[seq] is the chain after seq */
    uint64_t branch, n;
    struct change changes[CHANGES_MAX];
    uint8_t hash[CHANGES_MAX + 1][LM_HASH_BYTES];
};
struct packet {
    bool used, to_hub;
    uint64_t connection;
    uint8_t kind;
    uint8_t *body;
    size_t n;
    int64_t due_ms;
    uint64_t number;
};
struct answer { /* to the node's session, in the order of the effects */
    struct lm_node_event ev;
    uint8_t *packed;
    int64_t due_ms;
};
struct durable { /* what the node's database holds */
    struct log log;
    struct lm_head acked;
    struct lm_lease lease;
    struct lm_cursor cursor;
    struct lm_mark seen;
    struct lm_incarnation incarnation;
    bool wanted[JOURNAL_MAX];
    bool past_wanted;
    uint64_t past_after;
    bool differ[JOURNAL_MAX]; /* what lies here is not what the hub gave */
    uint32_t catalog;         /* in force */
    uint32_t incoming;        /* on its way, and how much of it is here */
    uint64_t incoming_n;
};
struct journal_entry {
    bool own, mismatch;
};

struct world {
    struct lm_rand rnd;
    int64_t now_ms;
    bool faults, loaded;
    uint64_t loss_percent, repeat_percent;
    struct packet net[NET_MAX];
    uint64_t packets;
    int64_t line_bytes_s;    /* 0: no limit */
    int64_t line_free_ms[2]; /* down, up: when it has carried what was sent so far */
    uint64_t carried;        /* bytes, down */
    size_t entry_bytes;      /* of a body; 0: a few, and nine to a page */
    uint8_t digest[LM_HASH_BYTES];
    /* node */
    struct durable node, saved;
    uint64_t next_id;
    bool lost[CHANGES_MAX]; /* ids that only a rolled-back database held */
    struct lm_node_session ns;
    struct lm_node_effects nfx;
    struct lm_arena narena;
    struct answer answers[ANSWERS_MAX];
    size_t n_answers;
    uint64_t connection;
    int64_t connect_at_ms; /* −1: none waits */
    bool connected, hello_on_connection, stored_on_connection;
    int64_t wall_offset_ms;
    int synced, forks, resets;
    const char *fork_reason;
    char status[32];
    /* hub */
    struct log hub_log;
    struct lm_replica_view view;
    struct lm_incarnation incarnation;
    struct journal_entry journal[JOURNAL_MAX];
    uint64_t journal_n, journal_scope_told;
    uint8_t effects[CHANGES_MAX];
    struct lm_hub_session hs;
    struct lm_hub_effects hfx;
    struct lm_arena harena;
    struct packet pushes[LM_HUB_PUSHES_MAX]; /* wait for the group commit */
    size_t n_pushes;
    int64_t commit_at_ms;
    int64_t last_as_of_ms;
    uint64_t confirmed, clones, rolled_back;
    uint32_t catalog;
    uint64_t asked; /* parts given */
    bool sums;      /* the last page carries the scope's sum */
    uint64_t digests_given;
    uint64_t past_n;   /* entries of the hub's journal about the record PAST_ID */
    bool past_unknown; /* a hub of before HISTORY: it does not answer */
    uint64_t past_asked;
};
#define PAST_ID "0192f4a1-7c3e-7d2a-9b1f-3c2d1e0f9a88"

#define CATALOG_BYTES 150000 /* three parts */

static inline void catalog_hash(uint32_t number, uint8_t out[32])
{
    memset(out, (int)number - 1, 32);
}

static inline const uint8_t *catalog_bytes(uint32_t number)
{
    static uint8_t bytes[CATALOG_BYTES + 256]; /* each a window of the same bytes */

    for (size_t i = 0; bytes[1] == 0 && i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 31 + i / 251);
    }
    return bytes + number;
}

static inline void trace(struct world *w, const char *what, uint64_t number)
{
    lm_hash(w->digest, w->digest, sizeof(w->digest), what, strlen(what), &number, sizeof(number));
}

static inline bool chance(struct world *w, uint64_t percent)
{
    return lm_rand_below(&w->rnd, 100) < percent;
}

static inline void log_start(struct log *log, uint64_t branch)
{
    log->branch = branch;
    log->n = 0;
    lm_chain_start(REPLICA, branch, log->hash[0]);
}

static inline void log_add(struct log *log, const struct change *c)
{
    assert_true(log->n < CHANGES_MAX);
    log->changes[log->n] = *c;
    lm_chain_next(log->hash[log->n], c->body, c->n, log->hash[log->n + 1]);
    log->n++;
}

static inline struct lm_head log_head(const struct log *log, uint64_t seq)
{
    struct lm_head head = {.seq = seq};

    memcpy(head.hash, log->hash[seq], LM_HASH_BYTES);
    return head;
}

static inline void position_id(uint64_t position, char out[40])
{
    (void)snprintf(out, 40, "00000000-0000-7000-8000-%012" PRIx64, position);
}

static inline struct lm_mark hub_mark(const struct world *w)
{
    struct lm_mark mark = {.position = w->journal_n};

    lm_hash(mark.hash, &w->incarnation, sizeof(w->incarnation), &w->journal_n, sizeof(w->journal_n),
            NULL, 0);
    return mark;
}

/* ---- network ---- */

static inline void post(struct world *w, bool to_hub, uint64_t connection, uint8_t kind,
                        const uint8_t *body, size_t n)
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

/* ---- hub ---- */

static inline void hub_event(struct world *w, struct lm_hub_event *ev, uint64_t from);

static inline void hub_digests(struct world *w, const struct lm_msg_compare *ask);
static inline void hub_past(struct world *w, const struct lm_msg_past_ask *ask);

static inline void hub_feed(struct world *w, struct lm_cursor cursor, uint32_t max_bytes,
                            const struct lm_msg_want *want)
{
    static struct lm_feed_entry entries[LM_WANT_MAX];
    static const uint8_t large[2000] = "body";
    size_t a_page = w->entry_bytes > 0 ? max_bytes / (w->entry_bytes + 96) : 9;
    struct lm_msg_feed page = {.branch = w->hub_log.branch,
                               .acked = log_head(&w->hub_log, w->hub_log.n),
                               .head = hub_mark(w),
                               .entries = entries,
                               .from = cursor,
                               .next = cursor};
    struct lm_hub_event ev = {.kind = LM_HE_PAGE};
    uint64_t first = cursor.position + 1, n = 0;

    while (want != NULL ? n < want->n_ids : n < a_page && first + n <= w->journal_n) {
        struct lm_feed_entry *e = &entries[n];
        uint64_t position = first + n;

        memset(e, 0, sizeof(*e));
        if (want != NULL) {
            assert_int_equal(sscanf(want->ids[n] + 24, "%" SCNx64, &position), 1);
        }
        position_id(position, e->id);
        e->type = "visit";
        e->position = position;
        if (want == NULL && w->journal[position].own) {
            e->kind = LM_ENTRY_DIGEST;
            e->digest = w->journal[position].mismatch ? 1 : 2;
        } else {
            e->kind = LM_ENTRY_BODY;
            assert_true(w->entry_bytes <= sizeof(large));
            e->body = large;
            e->body_len = w->entry_bytes > 0 ? w->entry_bytes : 4;
        }
        n++;
    }
    page.n_entries = n;
    if (want == NULL) {
        page.next.position = cursor.position + n;
        page.done = page.next.position >= w->journal_n;
        page.has_scope_sum = page.done && w->sums;
        page.scope_sum = w->journal_n;
    }
    ev.page.is_bodies = want != NULL;
    ev.page.ok = !(w->faults && chance(w, 3));
    ev.page.page = &page;
    hub_event(w, &ev, 0);
}

/* Pages of 40 ids at most. */
static inline void hub_digests(struct world *w, const struct lm_msg_compare *ask)
{
    static struct lm_scope_entry items[40];
    struct lm_msg_digests page = {
        .branch = w->hub_log.branch, .acked = log_head(&w->hub_log, w->hub_log.n), .items = items};
    struct lm_hub_event ev = {.kind = LM_HE_DIGESTS};
    uint64_t position = 0;

    assert_true(ask->max >= 1 && ask->max <= LM_COMPARE_MAX);
    memcpy(page.after, ask->after, sizeof(page.after));
    if (ask->after[0] != '\0') {
        assert_int_equal(sscanf(ask->after + 24, "%" SCNx64, &position), 1);
    }
    while (position < w->journal_n && page.n < 40 && page.n < ask->max) {
        position_id(++position, items[page.n].id);
        items[page.n++].digest = position;
    }
    page.done = position >= w->journal_n;
    w->digests_given++;
    ev.digests.ok = !(w->faults && chance(w, 5));
    ev.digests.page = &page;
    hub_event(w, &ev, 0);
}

/* Pages of three entries. */
static inline void hub_past(struct world *w, const struct lm_msg_past_ask *ask)
{
    static struct lm_past items[3];
    struct lm_msg_past page = {.after = ask->after, .items = items};
    struct lm_hub_event ev = {.kind = LM_HE_PAST};

    assert_true(ask->max_bytes >= 1 && ask->max_bytes <= LM_HISTORY_BYTES_MAX);
    assert_string_equal(ask->id, PAST_ID);
    memcpy(page.id, ask->id, sizeof(page.id));
    while (ask->after + page.n < w->past_n && page.n < 3) {
        items[page.n] = (struct lm_past){.position = ask->after + page.n + 1,
                                         .station = "999999101201",
                                         .user = "王秀兰",
                                         .op = "edit",
                                         .verdict = LM_V_APPLIED,
                                         .code = "",
                                         .zh = "",
                                         .en = "",
                                         .body = (const uint8_t *)"x",
                                         .len = 1};
        page.n++;
    }
    page.done = ask->after + page.n >= w->past_n;
    w->past_asked++;
    ev.past.ok = !w->past_unknown && !(w->faults && chance(w, 5));
    ev.past.page = &page;
    hub_event(w, &ev, 0);
}

static inline void journal_add(struct world *w, bool own)
{
    assert_true(w->journal_n + 1 < JOURNAL_MAX);
    w->journal_n++;
    w->journal[w->journal_n].own = own;
    w->journal[w->journal_n].mismatch = own && chance(w, 20);
}

struct unpack {
    struct world *w;
    const struct lm_msg_push *push;
    uint8_t hash[LM_HASH_BYTES];
    bool diverged;
};

static inline enum lm_status commit_one(void *arg, uint32_t i, const uint8_t *body, size_t n)
{
    struct unpack *u = arg;
    struct world *w = u->w;
    uint64_t seq = u->push->first_seq + i;
    struct change c = {.n = n};

    assert_true(n >= sizeof(c.id) && n <= BODY_MAX);
    lm_chain_next(u->hash, body, n, u->hash);
    if (seq <= w->hub_log.n) {
        u->diverged = u->diverged || memcmp(u->hash, w->hub_log.hash[seq], LM_HASH_BYTES) != 0;
        return u->diverged ? LM_ERR_CORRUPT : LM_OK;
    }
    memcpy(c.body, body, n);
    memcpy(&c.id, body, sizeof(c.id));
    log_add(&w->hub_log, &c);
    if (w->effects[c.id] == 0) { /* known by identity when another branch brought it */
        w->effects[c.id]++;
        journal_add(w, true);
    } else {
        assert_true(w->hub_log.branch > 1);
    }
    return LM_OK;
}

static inline enum lm_push_outcome commit_push(struct world *w, const struct lm_msg_push *push)
{
    struct unpack u = {.w = w, .push = push};
    struct lm_arena arena;
    struct lm_error err;
    enum lm_status status;

    assert_true(push->as_of_ms > 0 && push->as_of_ms <= HUB_EPOCH_MS + w->now_ms);
    w->last_as_of_ms = push->as_of_ms;
    if (push->first_seq > w->hub_log.n + 1) {
        return LM_PUSH_GAP;
    }
    if (memcmp(push->before, w->hub_log.hash[push->first_seq - 1], LM_HASH_BYTES) != 0) {
        return LM_PUSH_DIVERGED;
    }
    if (push->count == 0) {
        return LM_PUSH_OK;
    }
    memcpy(u.hash, push->before, LM_HASH_BYTES);
    lm_arena_init(&arena, 4 * LM_BATCH_BYTES_MAX);
    status = lm_batch_unpack(push->packed, push->packed_len, push->raw_bytes, push->count, &arena,
                             commit_one, &u, &err);
    lm_arena_free(&arena);
    assert_true(status == LM_OK || u.diverged);
    return u.diverged ? LM_PUSH_DIVERGED : LM_PUSH_OK;
}

static inline void hub_commit(struct world *w)
{
    struct lm_hub_event ev = {.kind = LM_HE_COMMITTED};
    uint64_t before = w->journal_n;

    for (size_t i = 0; i < w->n_pushes; i++) {
        struct packet *p = &w->pushes[i];
        struct lm_arena arena;
        struct lm_msg_push push;
        struct lm_error err;
        enum lm_push_outcome outcome = LM_PUSH_OK;

        lm_arena_init(&arena, 1 << 20);
        assert_int_equal(lm_push_read(p->body, p->n, &arena, &push, &err), LM_OK);
        ev.committed.branch = push.branch;
        ev.committed.n_pushes++;
        if (push.branch == w->hub_log.branch) {
            outcome = w->faults && chance(w, 2) ? LM_PUSH_FAILED : commit_push(w, &push);
        }
        if (outcome != LM_PUSH_OK) {
            ev.committed.outcome = outcome;
        }
        lm_arena_free(&arena);
        free(p->body);
    }
    w->n_pushes = 0;
    if (ev.committed.n_pushes > 0) {
        w->view.acked = log_head(&w->hub_log, w->hub_log.n);
        ev.committed.acked = w->view.acked;
        hub_event(w, &ev, 0);
    }
    if (w->journal_n != before) {
        struct lm_hub_event news = {.kind = LM_HE_NEWS, .position = w->journal_n};

        hub_event(w, &news, 0);
    }
}

static inline void hub_send(struct world *w, const struct lm_hub_effect *e, uint64_t to)
{
    const uint8_t *body = lm_hub_effect_bytes(&w->hfx, e);

    if (e->send.kind == LM_MSG_ACK) {
        struct lm_arena arena;
        struct lm_msg_ack ack;
        struct lm_error err;

        lm_arena_init(&arena, 65536);
        assert_int_equal(lm_ack_read(body, e->send.len, &arena, &ack, &err), LM_OK);
        if (ack.branch == w->hub_log.branch) {
            assert_true(ack.acked.seq <= w->hub_log.n); /* P2: acked means committed */
            assert_memory_equal(ack.acked.hash, w->hub_log.hash[ack.acked.seq], LM_HASH_BYTES);
        }
        lm_arena_free(&arena);
    }
    post(w, false, to, e->send.kind, body, e->send.len);
}

static inline void hub_event(struct world *w, struct lm_hub_event *ev, uint64_t from)
{
    struct lm_hub_now now = {.mono_ms = w->now_ms,
                             .hub_time_ms = HUB_EPOCH_MS + w->now_ms,
                             .incarnation = w->incarnation,
                             .head = hub_mark(w),
                             .loaded = w->loaded,
                             .catalog = w->catalog,
                             .catalog_packed = catalog_bytes(w->catalog),
                             .catalog_packed_len = CATALOG_BYTES};
    struct lm_hub_effect items[LM_HUB_EFFECTS_MAX];
    struct lm_cursor feed = {0};
    struct lm_msg_want want = {0};
    struct lm_msg_compare compare = {0};
    struct lm_msg_past_ask past = {0};
    bool past_read = false;
    bool stored = false, read_feed = false, read_bodies = false, compared = false;
    uint64_t seen = 0;
    uint32_t max_bytes = 0;
    size_t n;

    catalog_hash(w->catalog, now.catalog_hash);
    ev->now = &now;
    ev->view = &w->view;
    lm_hub_session_step(&w->hs, ev, &w->hfx);
    n = w->hfx.n;
    memcpy(items, w->hfx.items, sizeof(items));
    for (size_t i = 0; i < n; i++) {
        const struct lm_hub_effect *e = &items[i];

        trace(w, "hub effect", e->kind);
        switch (e->kind) {
        case LM_HX_SEND:
            hub_send(w, e, from != 0 ? from : w->hs.peer);
            break;
        case LM_HX_STORE_HELLO:
            assert_true(e->hello.lease.counter > w->view.issued.counter);
            w->view.issued = e->hello.lease;
            if (e->hello.hello->branch > w->view.branch) {
                w->view.branch = e->hello.hello->branch;
                log_start(&w->hub_log, w->view.branch);
                w->view.acked = log_head(&w->hub_log, 0);
            }
            seen = e->hello.hello->seen.position;
            stored = true;
            break;
        case LM_HX_LEASE_CONFIRMED:
            w->view.confirmed = e->lease;
            w->confirmed++;
            break;
        case LM_HX_STORE_PUSH:
            assert_true(w->n_pushes < LM_HUB_PUSHES_MAX);
            w->pushes[w->n_pushes] =
                (struct packet){.n = ev->message.n, .body = malloc(ev->message.n + 1)};
            memcpy(w->pushes[w->n_pushes++].body, ev->message.body, ev->message.n);
            if (w->n_pushes == 1) {
                w->commit_at_ms =
                    w->now_ms + (int64_t)lm_rand_below(&w->rnd, w->faults ? 500 : 100);
            }
            break;
        case LM_HX_READ_FEED:
            feed = e->feed.cursor;
            max_bytes = e->feed.max_bytes;
            read_feed = true;
            break;
        case LM_HX_READ_BODIES:
            want = *e->want.want;
            feed = e->want.cursor;
            read_bodies = true;
            break;
        case LM_HX_CLONE:
            w->clones++;
            w->view.clone = true;
            break;
        case LM_HX_TWIN:
            w->view.twins++;
            break;
        case LM_HX_ROLLED_BACK:
            w->rolled_back++;
            break;
        case LM_HX_READ_DIGESTS:
            compare = *e->compare;
            compared = true;
            break;
        case LM_HX_READ_PAST:
            past = *e->past;
            past_read = true;
            break;
        case LM_HX_STORE_OFFER:
        case LM_HX_RIVAL:
        case LM_HX_HUB_BEHIND:
            fail_msg("the hub did not go back");
            break;
        case LM_HX_CLOSE:
        case LM_HX_LOG:
            break;
        }
    }
    /* Answers, once all effects are carried out. */
    if (stored) {
        struct lm_hub_event answer = {.kind = LM_HE_HELLO_STORED,
                                      .stored = {.ok = true, .common = seen, .proof_held = true}};

        hub_event(w, &answer, 0);
    }
    if (read_feed) {
        hub_feed(w, feed, max_bytes, NULL);
    }
    if (read_bodies) {
        hub_feed(w, feed, 0, &want);
    }
    if (compared) {
        hub_digests(w, &compare);
    }
    if (past_read) {
        hub_past(w, &past);
    }
}

/* ---- node ---- */

static inline void node_event(struct world *w, struct lm_node_event *ev);

static inline struct answer *add_answer(struct world *w, enum lm_node_event_kind kind)
{
    struct answer *a;

    assert_true(w->n_answers < ANSWERS_MAX);
    a = &w->answers[w->n_answers++];
    memset(a, 0, sizeof(*a));
    a->ev.kind = kind;
    a->due_ms = w->now_ms + (int64_t)lm_rand_below(&w->rnd, w->faults ? 200 : 1);
    return a;
}

static inline uint64_t wanted_count(const struct durable *d)
{
    uint64_t n = 0;

    for (size_t i = 0; i < JOURNAL_MAX; i++) {
        n += d->wanted[i];
    }
    return n;
}

static inline void node_read_batch(struct world *w, uint64_t from_seq)
{
    const struct log *log = &w->node.log;
    struct answer *a = add_answer(w, LM_NE_BATCH);
    struct lm_node_batch *b = &a->ev.batch;
    struct lm_batch batch;
    struct lm_buf packed;

    assert_true(from_seq >= 1 && from_seq <= log->n + 1);
    lm_batch_init(&batch);
    lm_buf_init(&packed, LM_FRAME_BYTES_MAX);
    b->first_seq = from_seq;
    memcpy(b->before, log->hash[from_seq - 1], LM_HASH_BYTES);
    b->head = log_head(log, log->n);
    for (uint64_t seq = from_seq; seq <= log->n && b->count < BATCH_CHANGES; seq++, b->count++) {
        assert_true(lm_batch_add(&batch, log->changes[seq - 1].body, log->changes[seq - 1].n));
        b->last = log_head(log, seq);
    }
    if (b->count > 0) {
        assert_int_equal(lm_batch_pack(&batch, &packed), LM_OK);
        b->raw_bytes = (uint32_t)batch.raw.len;
        b->packed_len = packed.len;
        a->packed = malloc(packed.len);
        assert_non_null(a->packed);
        memcpy(a->packed, packed.data, packed.len);
        b->packed = a->packed;
    }
    lm_batch_free(&batch);
    lm_buf_free(&packed);
}

static inline void node_apply(struct world *w, const struct lm_msg_feed *page, bool is_bodies)
{
    struct answer *a = add_answer(w, LM_NE_FEED_APPLIED);

    for (size_t i = 0; i < page->n_entries; i++) {
        const struct lm_feed_entry *e = &page->entries[i];

        if (!is_bodies) {
            assert_int_equal(e->position, w->node.cursor.position + 1 + i); /* nothing skipped */
        }
        if (e->kind == LM_ENTRY_DIGEST && e->digest == 1) {
            w->node.wanted[e->position] = true;
        } else if (e->kind == LM_ENTRY_BODY) {
            w->node.wanted[e->position] = false;
            w->node.differ[e->position] = false;
        }
    }
    if (!is_bodies) {
        assert_int_equal(page->from.position, w->node.cursor.position);
        w->node.cursor = page->next;
    }
    if (page->head.position > w->node.seen.position) {
        w->node.seen = page->head;
    }
    a->ev.applied.cursor = w->node.cursor;
    a->ev.applied.wanted = wanted_count(&w->node);
}

static inline void node_check_sum(struct world *w, const struct lm_node_effect *e)
{
    struct answer *a = add_answer(w, LM_NE_SUM);

    assert_int_equal(e->sum.cursor.position, w->node.cursor.position);
    assert_int_equal(e->sum.sum, e->sum.cursor.position);
    assert_true(e->sum.acked_seq <= w->node.log.n);
    assert_int_equal(wanted_count(&w->node), 0);
    a->ev.sum = LM_SUM_SAME;
    for (uint64_t p = 1; p <= w->node.cursor.position; p++) {
        if (w->node.differ[p]) {
            a->ev.sum = LM_SUM_DIFFERENT;
        }
    }
}

static inline void node_compare(struct world *w, const struct lm_msg_digests *m)
{
    struct answer *a = add_answer(w, LM_NE_COMPARED);

    for (size_t i = 0; i < m->n; i++) {
        if (m->items[i].digest <= w->node.cursor.position && w->node.differ[m->items[i].digest]) {
            w->node.wanted[m->items[i].digest] = true;
        }
    }
    a->ev.compared.ok = true;
    a->ev.compared.wanted = wanted_count(&w->node);
}

static inline void next_past(struct world *w)
{
    struct answer *a = add_answer(w, LM_NE_PAST);

    if (w->node.past_wanted) {
        memcpy(a->ev.past.id, PAST_ID, sizeof(PAST_ID));
        a->ev.past.after = w->node.past_after;
    }
}

static inline void node_past(struct world *w, const struct lm_msg_past *m)
{
    assert_string_equal(m->id, PAST_ID);
    assert_int_equal(m->after, w->node.past_after); /* without a gap, and none twice */
    w->node.past_after += m->n;
    w->node.past_wanted = !m->done;
    next_past(w);
}

static inline void node_fork(struct world *w, uint64_t branch_min)
{
    struct answer *a = add_answer(w, LM_NE_FORKED);
    struct log *old = malloc(sizeof(*old));

    assert_non_null(old);
    *old = w->node.log;
    assert_true(branch_min > old->branch);
    log_start(&w->node.log, branch_min);
    for (uint64_t seq = w->node.acked.seq + 1; seq <= old->n; seq++) {
        log_add(&w->node.log, &old->changes[seq - 1]);
    }
    free(old);
    w->node.acked = log_head(&w->node.log, 0);
    a->ev.forked.branch = w->node.log.branch;
    a->ev.forked.head = log_head(&w->node.log, w->node.log.n);
    a->ev.forked.acked = w->node.acked;
}

/* Durable when it is answered, so a restart before that loses the last part only. */
static inline void node_catalog(struct world *w, const struct lm_msg_part *part)
{
    struct durable *d = &w->node;
    struct answer *a;

    if (part->number != d->incoming) {
        d->incoming = part->number;
        d->incoming_n = 0;
    }
    if (part->n > 0) {
        assert_true(part->offset == d->incoming_n);
        assert_true(part->n <= LM_CATALOG_PART_BYTES_MAX);
        assert_memory_equal(part->bytes, catalog_bytes(part->number) + part->offset, part->n);
        d->incoming_n += part->n;
    }
    a = add_answer(w, LM_NE_CATALOG);
    a->ev.catalog.number = part->number;
    memcpy(a->ev.catalog.hash, part->hash, 32);
    a->ev.catalog.outcome = part->number <= d->catalog ? LM_CATALOG_KEPT_OUT : LM_CATALOG_ASK;
    a->ev.catalog.offset = d->incoming_n;
    if (part->number == d->catalog) {
        a->ev.catalog.outcome = LM_CATALOG_IN_FORCE;
    } else if (part->number > d->catalog && d->incoming_n == CATALOG_BYTES) {
        d->catalog = part->number;
        a->ev.catalog.outcome = LM_CATALOG_IN_FORCE;
    }
}

static inline void node_send(struct world *w, const struct lm_node_effect *e)
{
    assert_true(w->connected);
    if (e->send.kind == LM_MSG_HELLO) {
        w->hello_on_connection = true;
    } else {
        assert_true(w->hello_on_connection);
        assert_true(w->stored_on_connection);
        assert_int_equal(w->node.lease.counter, w->ns.welcome.lease.counter);
    }
    if (w->faults && chance(w, 3)) {
        struct answer *a = add_answer(w, LM_NE_SEND_REFUSED);

        a->ev.refused.kind = e->send.kind;
        a->ev.refused.first_seq = e->send.first_seq;
        return;
    }
    post(w, true, w->connection, e->send.kind, lm_node_effect_bytes(&w->nfx, e), e->send.len);
}

static inline void drop_answers(struct world *w)
{
    for (size_t i = 0; i < w->n_answers; i++) {
        free(w->answers[i].packed);
    }
    w->n_answers = 0;
}

static inline void node_event(struct world *w, struct lm_node_event *ev)
{
    uint64_t acked_before = w->ns.config.acked.seq, branch_before = w->ns.config.branch;

    ev->mono_ms = w->now_ms;
    ev->wall_ms = w->now_ms + w->wall_offset_ms;
    lm_node_session_step(&w->ns, ev, &w->nfx);
    assert_true(w->ns.n_flights <= LM_WINDOW_MAX);
    if (ev->kind != LM_NE_WELCOME_STORED && w->ns.config.branch == branch_before) {
        assert_true(w->ns.config.acked.seq >= acked_before);
    }
    for (size_t i = 0; i < w->nfx.n; i++) {
        const struct lm_node_effect *e = &w->nfx.items[i];
        struct answer *a;

        trace(w, "node effect", e->kind);
        switch (e->kind) {
        case LM_NX_SEND:
            node_send(w, e);
            break;
        case LM_NX_RESET:
            w->resets++;
            w->connected = false;
            w->connect_at_ms = w->now_ms + e->reset.delay_ms;
            break;
        case LM_NX_READ_BATCH:
            node_read_batch(w, e->read_batch.from_seq);
            break;
        case LM_NX_CHECK_HASH:
            a = add_answer(w, LM_NE_HASH_CHECKED);
            assert_true(e->check.seq > 0 && e->check.seq < w->node.log.n + 1);
            a->ev.hash_ok =
                memcmp(e->check.hash, w->node.log.hash[e->check.seq], LM_HASH_BYTES) == 0;
            break;
        case LM_NX_STORE_WELCOME: /* becomes durable when it is answered */
            a = add_answer(w, LM_NE_WELCOME_STORED);
            assert_false(e->welcome.hub_went_back);
            assert_int_equal(e->welcome.hub_offset_ms - (HUB_EPOCH_MS - w->wall_offset_ms) <= 0, 1);
            break;
        case LM_NX_SET_ACKED:
            w->node.acked = e->acked.head;
            assert_true(w->node.log.branch != w->hub_log.branch ||
                        e->acked.head.seq <= w->hub_log.n);
            break;
        case LM_NX_APPLY_FEED:
            node_apply(w, e->feed.page, e->feed.is_bodies);
            break;
        case LM_NX_READ_WANTED: {
            static char ids[LM_WANT_MAX][40];
            size_t n = 0;

            a = add_answer(w, LM_NE_WANTED);
            for (uint64_t p = 0; p < JOURNAL_MAX && n < 5; p++) {
                if (w->node.wanted[p]) {
                    position_id(p, ids[n++]);
                }
            }
            a->ev.wanted.ids = ids;
            a->ev.wanted.n = n;
            break;
        }
        case LM_NX_CHECK_SUM:
            node_check_sum(w, e);
            break;
        case LM_NX_COMPARE:
            node_compare(w, e->digests);
            break;
        case LM_NX_READ_PAST:
            next_past(w);
            break;
        case LM_NX_STORE_PAST:
            node_past(w, e->past);
            break;
        case LM_NX_READ_OFFERS:
        case LM_NX_DROP_OFFERS:
            fail_msg("nothing is to be offered");
            break;
        case LM_NX_OFFER:
        case LM_NX_STORE_PART:
            node_catalog(w, e->part);
            break;
        case LM_NX_FORK:
            w->forks++;
            w->fork_reason = e->fork.reason;
            node_fork(w, e->fork.branch_min);
            break;
        case LM_NX_STATUS:
            (void)snprintf(w->status, sizeof(w->status), "%s", e->status.code);
            break;
        case LM_NX_SYNCED:
            w->synced++;
            break;
        case LM_NX_VERDICT_HINTS:
        case LM_NX_LOG:
            break;
        }
    }
}

static inline void node_answers(struct world *w)
{
    while (w->n_answers > 0 && w->answers[0].due_ms <= w->now_ms) {
        struct answer a = w->answers[0];

        w->n_answers--;
        memmove(w->answers, w->answers + 1, w->n_answers * sizeof(a));
        if (a.ev.kind == LM_NE_WELCOME_STORED) {
            w->node.lease = w->ns.welcome.lease;
            w->node.incarnation = w->ns.welcome.incarnation;
            w->node.acked = w->ns.welcome.acked;
            a.ev.stored.cursor = w->node.cursor;
            a.ev.stored.wanted = wanted_count(&w->node);
            w->stored_on_connection = true;
        }
        node_event(w, &a.ev);
        free(a.packed);
    }
}

/* The process starts over from its database. */
static inline void node_start(struct world *w)
{
    struct lm_node_config c = {.replica = REPLICA,
                               .program = "test",
                               .seed = lm_rand_next(&w->rnd),
                               .branch = w->node.log.branch,
                               .head = log_head(&w->node.log, w->node.log.n),
                               .acked = w->node.acked,
                               .lease = w->node.lease,
                               .cursor = w->node.cursor,
                               .seen = w->node.seen,
                               .incarnation = w->node.incarnation,
                               .catalog = w->node.catalog};

    catalog_hash(c.catalog, c.catalog_hash);
    drop_answers(w);
    w->connected = false;
    w->connect_at_ms = w->now_ms + 100;
    lm_node_session_init(&w->ns, &c);
}

static inline void hub_start(struct world *w)
{
    for (size_t i = 0; i < w->n_pushes; i++) {
        free(w->pushes[i].body);
    }
    w->n_pushes = 0; /* not committed: lost with the process */
    lm_hub_session_init(&w->hs, REPLICA, lm_rand_next(&w->rnd));
}

static inline void node_write(struct world *w)
{
    struct change c = {.id = w->next_id++};
    struct lm_node_event ev = {.kind = LM_NE_OUTBOX};

    assert_true(c.id < CHANGES_MAX);
    c.n = sizeof(c.id) + lm_rand_below(&w->rnd, BODY_MAX - sizeof(c.id));
    memcpy(c.body, &c.id, sizeof(c.id));
    log_add(&w->node.log, &c);
    ev.head = log_head(&w->node.log, w->node.log.n);
    node_event(w, &ev);
}

static inline void deliver(struct world *w)
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

static inline void world_step(struct world *w)
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

static inline struct world *world_new(uint64_t seed)
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

static inline void world_free(struct world *w)
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
static inline bool world_quiet(const struct world *w)
{
    return w->ns.synced && w->hub_log.branch == w->node.log.branch &&
           w->hub_log.n == w->node.log.n && w->node.cursor.position == w->journal_n &&
           wanted_count(&w->node) == 0 && w->n_pushes == 0 && w->node.catalog == w->catalog;
}

/* Without faults everything comes to rest within ten minutes (a back-off may have grown to five).
 */
static inline void world_settle(struct world *w)
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

#endif
