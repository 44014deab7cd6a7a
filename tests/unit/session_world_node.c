/* See session_world.h: the node's store, the outbox and what came down. What the session asks for
 * is answered later, in order, as a store in another thread does. */
#include "session_world.h"

#include "proto/credential.h"

#include <sodium.h>

static struct answer *add_answer(struct world *w, enum lm_node_event_kind kind)
{
    struct answer *a;

    assert_true(w->n_answers < ANSWERS_MAX);
    a = &w->answers[w->n_answers++];
    memset(a, 0, sizeof(*a));
    a->ev.kind = kind;
    a->due_ms = w->now_ms + (int64_t)lm_rand_below(&w->rnd, w->faults ? 200 : 1);
    return a;
}

uint64_t wanted_count(const struct durable *d)
{
    uint64_t n = 0;

    for (size_t i = 0; i < JOURNAL_MAX; i++) {
        n += d->wanted[i];
    }
    return n;
}

void node_read_batch(struct world *w, uint64_t from_seq)
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

static void node_apply(struct world *w, const struct lm_msg_feed *page, bool is_bodies)
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

static void node_check_sum(struct world *w, const struct lm_node_effect *e)
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

static void node_compare(struct world *w, const struct lm_msg_digests *m)
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

static void next_past(struct world *w)
{
    struct answer *a = add_answer(w, LM_NE_PAST);

    if (w->node.past_wanted) {
        memcpy(a->ev.past.id, PAST_ID, sizeof(PAST_ID));
        a->ev.past.after = w->node.past_after;
    }
}

static void node_past(struct world *w, const struct lm_msg_past *m)
{
    assert_string_equal(m->id, PAST_ID);
    assert_int_equal(m->after, w->node.past_after); /* without a gap, and none twice */
    w->node.past_after += m->n;
    w->node.past_wanted = !m->done;
    next_past(w);
}

static void node_fork(struct world *w, uint64_t branch_min)
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
static void node_catalog(struct world *w, const struct lm_msg_part *part)
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

static void node_send(struct world *w, const struct lm_node_effect *e)
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

void drop_answers(struct world *w)
{
    for (size_t i = 0; i < w->n_answers; i++) {
        free(w->answers[i].packed);
    }
    w->n_answers = 0;
}

void node_event(struct world *w, struct lm_node_event *ev)
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

void node_answers(struct world *w)
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

const uint8_t *world_sign_secret(void)
{
    static uint8_t secret[LM_SIGN_SECRET_BYTES], sign_public[LM_SIGN_PUBLIC_BYTES];

    if (secret[0] == 0) {
        uint8_t seed[32] = {3};

        assert_int_equal(crypto_sign_seed_keypair(sign_public, secret, seed), 0);
    }
    return secret;
}

/* The process starts over from its database. */
void node_start(struct world *w)
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

    memcpy(c.hub_sign_key, world_sign_secret() + LM_SIGN_SECRET_BYTES - LM_SIGN_PUBLIC_BYTES,
           sizeof(c.hub_sign_key));
    catalog_hash(c.catalog, c.catalog_hash);
    drop_answers(w);
    w->connected = false;
    w->connect_at_ms = w->now_ms + 100;
    lm_node_session_init(&w->ns, &c);
}

void node_write(struct world *w)
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
