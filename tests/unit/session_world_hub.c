/* See session_world.h: the hub's store, a log of one node's changes and a journal that counts. What
 * the session asks for is done at once; only PUSH waits for a group commit. */
#include "session_world.h"

struct lm_mark hub_mark(const struct world *w)
{
    struct lm_mark mark = {.position = w->journal_n};

    lm_hash(mark.hash, &w->incarnation, sizeof(w->incarnation), &w->journal_n, sizeof(w->journal_n),
            NULL, 0);
    return mark;
}

static void hub_feed(struct world *w, struct lm_cursor cursor, uint32_t max_bytes,
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
static void hub_digests(struct world *w, const struct lm_msg_compare *ask)
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
static void hub_past(struct world *w, const struct lm_msg_past_ask *ask)
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

void journal_add(struct world *w, bool own)
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

static enum lm_status commit_one(void *arg, uint32_t i, const uint8_t *body, size_t n)
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

static enum lm_push_outcome commit_push(struct world *w, const struct lm_msg_push *push)
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

void hub_commit(struct world *w)
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

static void hub_send(struct world *w, const struct lm_hub_effect *e, uint64_t to)
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

void hub_event(struct world *w, struct lm_hub_event *ev, uint64_t from)
{
    struct lm_hub_now now = {.mono_ms = w->now_ms,
                             .hub_time_ms = HUB_EPOCH_MS + w->now_ms,
                             .incarnation = w->incarnation,
                             .head = hub_mark(w),
                             .sign_secret = world_sign_secret(),
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
        case LM_HX_KEY_PINNED: /* this hub speaks protocol 1: it announces none */
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

void hub_start(struct world *w)
{
    for (size_t i = 0; i < w->n_pushes; i++) {
        free(w->pushes[i].body);
    }
    w->n_pushes = 0; /* not committed: lost with the process */
    lm_hub_session_init(&w->hs, REPLICA, lm_rand_next(&w->rnd));
}
