/* Sessions of connected replicas: events in, effects out, and the end of a round. See server.h. */
#include "common/base/break.h"
#include "common/base/log.h"
#include "hub/server.h"

#include <stdlib.h>
#include <string.h>

static void run_effects(struct lm_server *server, struct lm_hub_peer *peer,
                        const struct lm_peer *from);

/* ---- the table of peers -----------------------------------------------------------------------
 */

static size_t find_place(const struct lm_server *server, uint64_t replica)
{
    size_t low = 0, high = server->n_peers;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (server->peers[mid]->row.number < replica) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

void lm_server_drop_peer(struct lm_server *server, struct lm_hub_peer *peer)
{
    size_t at = find_place(server, peer->row.number);
    LM_CHECK(at < server->n_peers && server->peers[at] == peer);
    memmove(&server->peers[at], &server->peers[at + 1],
            (server->n_peers - at - 1) * sizeof *server->peers);
    server->n_peers--;
    free(peer);
}

static void make_room(struct lm_server *server)
{
    struct lm_hub_peer *oldest = NULL;
    for (size_t i = 0; i < server->n_peers; i++) {
        struct lm_hub_peer *peer = server->peers[i];
        if (!peer->touched && (!oldest || peer->session.heard_ms < oldest->session.heard_ms)) {
            oldest = peer;
        }
    }
    if (oldest) {
        lm_server_drop_peer(server, oldest);
    }
}

struct lm_hub_peer *lm_server_peer(struct lm_server *server, uint64_t replica, struct lm_error *err)
{
    size_t at = find_place(server, replica);
    if (at < server->n_peers && server->peers[at]->row.number == replica) {
        return server->peers[at];
    }
    struct lm_replica row;
    if (lm_store_replica_get(server->hub->store, replica, &row) != LM_OK) {
        (void)lm_fail(err, LM_ERR_NOT_FOUND, "unknown", "", "未知的电脑", "unknown replica");
        return NULL;
    }
    if (server->n_peers == LM_PEERS_MAX) {
        make_room(server);
        at = find_place(server, replica);
    }
    struct lm_hub_peer *peer = server->n_peers < LM_PEERS_MAX ? calloc(1, sizeof *peer) : NULL;
    if (!peer) {
        (void)lm_fail(err, LM_ERR_LIMIT, "busy", "", "连接太多", "too many sessions");
        return NULL;
    }
    peer->row = row;
    lm_hub_session_init(&peer->session, replica, lm_rand_next(&server->rnd));
    memmove(&server->peers[at + 1], &server->peers[at],
            (server->n_peers - at) * sizeof *server->peers);
    server->peers[at] = peer;
    server->n_peers++;
    return peer;
}

/* ---- one event --------------------------------------------------------------------------------
 */

static struct lm_hub_now now_of(struct lm_server *server)
{
    struct lm_hub_now now;
    const struct lm_town *town = lm_store_town(server->hub->store);
    memset(&now, 0, sizeof now);
    now.mono_ms = lm_clock_mono_ms();
    now.hub_time_ms = lm_clock_wall_ms();
    memcpy(now.hub_id, town->hub_id, sizeof now.hub_id);
    now.incarnation = town->incarnation;
    if (lm_store_head(server->hub->store, &now.head) != LM_OK) {
        memset(&now.head, 0, sizeof now.head);
    }
    const struct lm_catalog *catalog = lm_store_catalog(server->hub->store);
    now.catalog = catalog->number;
    memcpy(now.catalog_hash, catalog->hash, sizeof now.catalog_hash);
    now.catalog_packed = catalog->packed;
    now.catalog_packed_len = catalog->packed_len;
    now.read_only = town->rival != 0;
    now.sign_secret = server->hub->keys.sign_secret;
    now.line_key = server->hub->keys.curve.public_key;
    now.next_key = server->hub->keys.has_next ? server->hub->keys.next.public_key : NULL;
    now.loaded = server->round_changes > LM_GATHER_CHANGES / 2;
    return now;
}

static struct lm_replica_view view_of(const struct lm_hub_peer *peer)
{
    struct lm_replica_view view;
    memset(&view, 0, sizeof view);
    view.revoked = peer->row.revoked_ms != 0;
    view.clone = peer->row.clone_ms != 0;
    view.twins = peer->row.twins;
    memcpy(view.abandoned, peer->row.abandoned, sizeof view.abandoned);
    view.n_abandoned = peer->row.n_abandoned;
    view.branch = peer->row.branch;
    view.acked = peer->row.acked;
    view.safe_seq = peer->row.safe_seq;
    view.issued = peer->row.lease_issued;
    view.confirmed = peer->row.lease_confirmed;
    view.hlc_known = peer->row.hlc_known;
    return view;
}

void lm_server_step(struct lm_server *server, struct lm_hub_peer *peer, struct lm_hub_event *event,
                    const struct lm_peer *from)
{
    struct lm_hub_now now = now_of(server);
    struct lm_replica_view view = view_of(peer);
    event->now = &now;
    event->view = &view;
    lm_hub_session_step(&peer->session, event, &server->fx);
    run_effects(server, peer, from);
}

bool lm_server_reaches(struct lm_server *server, const struct lm_hub_peer *peer)
{
    struct lm_msg_news news = {0};
    struct lm_mark head;
    struct lm_buf body;
    bool gone = peer->last.n == 0;
    lm_buf_init(&body, 64);
    if (!gone && lm_store_head(server->hub->store, &head) == LM_OK) {
        news.position = head.position;
        lm_news_pack(&body, &news); /* does no harm: it is pulled once more */
        gone = body.status == LM_OK && lm_router_send(server->router, &peer->last, LM_MSG_NEWS,
                                                      body.data, body.len) == LM_ERR_NOT_FOUND;
    }
    lm_buf_free(&body);
    return !gone;
}

bool lm_server_round(struct lm_server *server)
{
    struct lm_error err = {0};
    if (server->in_round) {
        return true;
    }
    if (server->failed || lm_store_begin(server->hub->store, &err) != LM_OK) {
        lm_log(LM_LOG_ERROR, "serve", "cannot begin a transaction: %s", err.en);
        server->failed = true;
        return false;
    }
    server->in_round = true;
    return true;
}

/* Of several pushes of a round the gravest outcome is told: a gap behind a divergence, or behind
 * what cannot be read, is only its consequence, and would have the node send the same again for
 * ever. */
static int gravity(enum lm_push_outcome outcome)
{
    switch (outcome) {
    case LM_PUSH_OK:
        return 0;
    case LM_PUSH_GAP:
        return 1;
    case LM_PUSH_FAILED:
        return 2;
    case LM_PUSH_MALFORMED:
        return 3;
    case LM_PUSH_DIVERGED:
        break;
    }
    return 4;
}

static void store_push(struct lm_server *server, struct lm_hub_peer *peer,
                       const struct lm_msg_push *push)
{
    struct lm_error err = {0};
    struct lm_push_result result;
    memset(&result, 0, sizeof result);
    if (!lm_server_round(server)) {
        return;
    }
    enum lm_status status =
        lm_store_push(server->hub->store, &peer->row, push, lm_clock_wall_ms(), &result, &err);
    if (status != LM_OK) {
        /* Disk or memory: nothing of this round may be acked. */
        lm_log(LM_LOG_ERROR, "serve", "cannot store a batch: %s", err.en);
        server->failed = true;
        return;
    }
    enum lm_push_outcome outcome = LM_PUSH_OK;
    if (result.outcome == LM_TAKE_GAP) {
        outcome = LM_PUSH_GAP;
    } else if (result.outcome == LM_TAKE_DIVERGED) {
        outcome = LM_PUSH_DIVERGED;
    } else if (result.outcome == LM_TAKE_BAD) {
        outcome = LM_PUSH_MALFORMED;
        lm_log(LM_LOG_WARN, "serve", "replica %llu sent a batch that does not unpack: %s",
               (unsigned long long)peer->row.number, err.en);
    }
    /* Verdicts of several pushes of a round are told together; the later result has the newer head.
     */
    size_t kept = peer->n_pushes ? peer->result.n_verdicts : 0;
    for (size_t i = 0; i < result.n_verdicts && kept < LM_ACK_VERDICTS_MAX; i++) {
        peer->result.verdicts[kept++] = result.verdicts[i];
    }
    memcpy(result.verdicts, peer->result.verdicts, sizeof result.verdicts);
    result.n_verdicts = kept;
    peer->result = result;
    if (LM_BREAK(MARK_BEFORE_COMMIT) && push->branch == peer->row.branch &&
        result.outcome == LM_TAKE_TAKEN) {
        peer->row.acked = result.acked;
    }
    if (peer->n_pushes == 0 || push->branch != peer->push_branch ||
        gravity(outcome) > gravity(peer->outcome)) {
        peer->outcome = outcome;
    }
    peer->push_branch = push->branch;
    peer->n_pushes++;
    peer->touched = true;
    server->round_changes += result.n_new;
}

/* What the installation has pinned of ours: the key that is in force when it speaks under it, the
 * next one when it says so. Written when it is news only. */
static enum lm_status note_key(struct lm_server *server, const struct lm_replica *row,
                               const uint8_t key[32], struct lm_error *err)
{
    const struct lm_hub_keys *keys = &server->hub->keys;
    bool present = memcmp(key, keys->curve.public_key, 32) == 0;
    bool next = keys->has_next && memcmp(key, keys->next.public_key, 32) == 0;
    bool knows_next = keys->has_next && row->hub_key_known &&
                      memcmp(row->hub_key, keys->next.public_key, 32) == 0;

    if ((!present && !next) || knows_next ||
        (row->hub_key_known && memcmp(row->hub_key, key, 32) == 0)) {
        return LM_OK;
    }
    return lm_store_replica_hub_key(server->hub->store, row->number, key, err);
}

static void key_pinned(struct lm_server *server, struct lm_hub_peer *peer, const uint8_t key[32])
{
    struct lm_error err = {0};
    struct lm_replica row;
    if (!lm_server_round(server)) {
        return;
    }
    if (lm_store_replica_get(server->hub->store, peer->row.number, &row) != LM_OK ||
        note_key(server, &row, key, &err) != LM_OK) {
        lm_log(LM_LOG_ERROR, "serve", "cannot note which key a replica has: %s", err.en);
        server->failed = true;
    }
    peer->touched = true;
}

static void store_hello(struct lm_server *server, struct lm_hub_peer *peer,
                        const struct lm_hub_effect *e, const struct lm_peer *from)
{
    struct lm_error err = {0};
    struct lm_replica row;
    const struct lm_msg_hello *hello = e->hello.hello;
    if (!lm_server_round(server)) {
        return;
    }
    /* As it is in this round's transaction: a PUSH before it may have moved what it names. */
    if (lm_store_replica_get(server->hub->store, peer->row.number, &row) != LM_OK) {
        lm_log(LM_LOG_ERROR, "serve", "a replica's row cannot be read");
        server->failed = true;
        return;
    }
    if (lm_store_common(server->hub->store, hello, &peer->common, &peer->proof_held) != LM_OK) {
        lm_log(LM_LOG_ERROR, "serve", "the journal's marks cannot be read");
        server->failed = true;
        return;
    }
    row.lease_issued = e->hello.lease;
    row.clock_offset_ms = e->hello.node_offset_ms;
    row.clock_known = true;
    row.last_contact_ms = lm_clock_wall_ms();
    snprintf(row.program, sizeof row.program, "%.70s", hello->program);
    if (hello->branch > row.branch) {
        row.branch = hello->branch;
        row.acked.seq = 0;
        lm_chain_start(row.number, row.branch, row.acked.hash);
    }
    row.head = hello->head;
    if (lm_store_replica_hello(server->hub->store, &row, hello->lease, &err) != LM_OK ||
        note_key(server, &row, server->hub->keys.curve.public_key, &err) != LM_OK ||
        lm_store_replica_spoke(server->hub->store, &row, server->hub->keys.curve.public_key,
                               &err) != LM_OK ||
        lm_store_catalog_seen(server->hub->store, row.number, hello->catalog, hello->catalog_hash,
                              &err) != LM_OK) {
        lm_log(LM_LOG_ERROR, "serve", "cannot store a greeting: %s", err.en);
        server->failed = true;
        return;
    }
    peer->hello_waits = true;
    peer->hello_from = *from;
    peer->touched = true;
}

static void store_offer(struct lm_server *server, struct lm_hub_peer *peer,
                        const struct lm_msg_offer *offer)
{
    struct lm_error err = {0};
    if (!lm_server_round(server)) {
        return;
    }
    enum lm_status status = lm_store_recover(server->hub->store, &peer->row, offer,
                                             lm_clock_wall_ms(), peer->recovered_id, &err);
    peer->recovered = status == LM_OK;
    peer->offer_waits = true;
    peer->touched = true;
    if (status == LM_ERR_LIMIT) {
        lm_log(LM_LOG_WARN, "serve", "replica %llu: %s", (unsigned long long)peer->row.number,
               err.en);
    } else if (status != LM_OK) {
        lm_log(LM_LOG_ERROR, "serve", "cannot keep what a node gave back: %s", err.en);
        server->failed = true;
    }
}

static void queue_read(struct lm_server *server, struct lm_hub_peer *peer,
                       const struct lm_hub_effect *e)
{
    bool bodies = e->kind == LM_HX_READ_BODIES;
    if (server->n_reads == LM_READS_MAX) {
        return; /* the node asks again */
    }
    struct lm_hub_read *read = &server->reads[server->n_reads];
    memset(read, 0, sizeof *read);
    read->peer = peer;
    read->bodies = bodies;
    read->digests = e->kind == LM_HX_READ_DIGESTS;
    read->past = e->kind == LM_HX_READ_PAST;
    if (read->past) {
        read->ask = *e->past;
    } else if (read->digests) {
        read->compare = *e->compare;
    } else if (bodies) {
        const struct lm_msg_want *want = e->want.want;
        read->cursor = e->want.cursor;
        read->n_ids = want->n_ids;
        read->ids = lm_arena_alloc(&server->round_arena, (want->n_ids + 1) * sizeof *read->ids);
        if (!read->ids) {
            return;
        }
        memcpy(read->ids, want->ids, want->n_ids * sizeof *read->ids);
    } else {
        read->cursor = e->feed.cursor;
        read->max_bytes = e->feed.max_bytes;
    }
    peer->touched = true;
    server->n_reads++;
}

static void confirm_lease(struct lm_server *server, struct lm_hub_peer *peer, struct lm_lease lease)
{
    struct lm_error err = {0};
    if (!lm_server_round(server)) {
        return;
    }
    if (lm_store_lease_confirm(server->hub->store, peer->row.number, lease, &err) != LM_OK) {
        lm_log(LM_LOG_ERROR, "serve", "cannot store a lease: %s", err.en);
        server->failed = true;
    }
    peer->touched = true;
}

static void send_effect(struct lm_server *server, struct lm_hub_peer *peer,
                        const struct lm_hub_effect *e, const struct lm_peer *from)
{
    const struct lm_peer *to = from ? from : &peer->last;
    if (to->n == 0) {
        return;
    }
    enum lm_status status = lm_router_send(server->router, to, e->send.kind,
                                           lm_hub_effect_bytes(&server->fx, e), e->send.len);
    if (status != LM_OK) {
        lm_log(LM_LOG_DEBUG, "serve", "a message to replica %llu was dropped (%s): it asks again",
               (unsigned long long)peer->row.number, lm_status_name(status));
    }
    if (e->send.kind == LM_MSG_ERROR) {
        server->metrics.errors++;
    }
}

/* What the town is to know of a replica, durably. */
static void note(struct lm_server *server, struct lm_hub_peer *peer, const struct lm_hub_effect *e)
{
    struct lm_error err = {0};
    struct lm_store *store = server->hub->store;
    int64_t now_ms = lm_clock_wall_ms();
    unsigned long long number = (unsigned long long)peer->row.number;
    enum lm_status status = LM_ERR_INTERNAL;
    if (!lm_server_round(server)) {
        return;
    }
    if (e->kind == LM_HX_CLONE) {
        lm_log(LM_LOG_WARN, "serve",
               "two installations use replica %llu: the second is refused; a person must act",
               number);
        status = lm_store_note_clone(store, &peer->row, e->held, now_ms, &err);
        peer->row.clone_ms = now_ms; /* for what comes in the same round */
    } else if (e->kind == LM_HX_TWIN) {
        lm_log(LM_LOG_WARN, "serve", "replica %llu came with an abandoned lease", number);
        status = lm_store_note_twin(store, &peer->row, e->held, now_ms, &err);
        peer->row.twins++;
    } else {
        lm_log(LM_LOG_WARN, "serve", "replica %llu went back in time; it opens a new branch",
               number);
        status = lm_store_note_back(store, peer->row.number, &err);
    }
    if (status != LM_OK) {
        lm_log(LM_LOG_ERROR, "serve", "cannot note what became of a replica: %s", err.en);
        server->failed = true;
    }
    peer->touched = true;
}

static void run_effects(struct lm_server *server, struct lm_hub_peer *peer,
                        const struct lm_peer *from)
{
    for (size_t i = 0; i < server->fx.n; i++) {
        const struct lm_hub_effect *e = &server->fx.items[i];
        unsigned long long number = (unsigned long long)peer->row.number;
        switch (e->kind) {
        case LM_HX_SEND:
            send_effect(server, peer, e, from);
            break;
        case LM_HX_STORE_HELLO:
            store_hello(server, peer, e, from ? from : &peer->last);
            break;
        case LM_HX_LEASE_CONFIRMED:
            confirm_lease(server, peer, e->lease);
            break;
        case LM_HX_STORE_PUSH:
            store_push(server, peer, e->push);
            break;
        case LM_HX_KEY_PINNED:
            key_pinned(server, peer, e->key);
            break;
        case LM_HX_STORE_OFFER:
            store_offer(server, peer, e->offer);
            break;
        case LM_HX_READ_FEED:
        case LM_HX_READ_BODIES:
        case LM_HX_READ_DIGESTS:
        case LM_HX_READ_PAST:
            queue_read(server, peer, e);
            break;
        case LM_HX_CLONE:
        case LM_HX_TWIN:
        case LM_HX_ROLLED_BACK:
            note(server, peer, e);
            break;
        case LM_HX_RIVAL:
            lm_log(LM_LOG_ERROR, "serve",
                   "replica %llu shows incarnation %llu, signed by this hub: two of it may be "
                   "alive; read-only until `lastmile-hub incarnation raise`",
                   number, (unsigned long long)e->rival.counter);
            server->rival = e->rival.counter > server->rival ? e->rival.counter : server->rival;
            break;
        case LM_HX_HUB_BEHIND:
            lm_log(LM_LOG_ERROR, "serve",
                   "replica %llu has seen journal position %llu of this incarnation, which is not "
                   "here%s: the database was set back",
                   number, (unsigned long long)e->behind.mark.position,
                   e->behind.proven ? " though this hub signed it" : "");
            server->went_back = server->went_back || e->behind.proven;
            break;
        case LM_HX_CLOSE:
            break; /* the tick drops idle peers */
        case LM_HX_LOG:
            lm_log(LM_LOG_INFO, "serve", "replica %llu: %s (%llu)", number, e->log.what,
                   (unsigned long long)e->log.number);
            break;
        }
    }
}

void lm_server_catalog(struct lm_server *server)
{
    for (size_t i = 0; i < server->n_peers; i++) {
        struct lm_hub_event event;
        memset(&event, 0, sizeof event);
        event.kind = LM_HE_CATALOG;
        lm_server_step(server, server->peers[i], &event, NULL);
    }
}

/* ---- the end of a round -----------------------------------------------------------------------
 */

static void tell_peer(struct lm_server *server, struct lm_hub_peer *peer)
{
    struct lm_hub_event event;
    if (peer->hello_waits) {
        memset(&event, 0, sizeof event);
        event.kind = LM_HE_HELLO_STORED;
        event.stored.ok = true;
        event.stored.common = peer->common;
        event.stored.proof_held = peer->proof_held;
        peer->hello_waits = false;
        peer->last = peer->hello_from;
        lm_server_step(server, peer, &event, &peer->last);
    }
    if (peer->offer_waits) {
        memset(&event, 0, sizeof event);
        event.kind = LM_HE_RECOVERED;
        event.recovered.ok = peer->recovered;
        memcpy(event.recovered.id, peer->recovered_id, sizeof event.recovered.id);
        peer->offer_waits = false;
        lm_server_step(server, peer, &event, NULL);
    }
    if (peer->n_pushes > 0) {
        memset(&event, 0, sizeof event);
        event.kind = LM_HE_COMMITTED;
        event.committed.n_pushes = peer->n_pushes;
        event.committed.outcome = peer->outcome;
        event.committed.branch = peer->push_branch;
        event.committed.acked = peer->row.acked;
        event.committed.safe_seq = peer->row.safe_seq;
        event.committed.verdicts = peer->result.verdicts;
        event.committed.n_verdicts = peer->result.n_verdicts;
        bool news = peer->result.n_verdicts > 0;
        server->metrics.changes += peer->result.n_new;
        server->metrics.duplicates_or_gaps += peer->outcome == LM_PUSH_OK ? 0 : 1;
        peer->n_pushes = 0;
        lm_server_step(server, peer, &event, NULL);
        if (news) {
            memset(&event, 0, sizeof event);
            event.kind = LM_HE_NEWS;
            event.position = peer->result.position;
            lm_server_step(server, peer, &event, NULL);
        }
    }
}

static void answer_digests(struct lm_server *server, struct lm_hub_read *read)
{
    struct lm_error err = {0};
    struct lm_msg_digests page;
    struct lm_hub_event event;
    enum lm_status status;
    lm_arena_reset(&server->read_arena);
    status = lm_store_digests(server->hub->store, &read->peer->row, &read->compare,
                              &server->read_arena, &page, &err);
    if (status != LM_OK) {
        lm_log(LM_LOG_ERROR, "serve", "cannot read a scope's digests: %s", err.en);
    } else if (read->compare.after[0] == '\0') {
        lm_log(LM_LOG_WARN, "serve",
               "station %s, replica %llu: what it holds is not what is here; it compares",
               read->peer->row.station, (unsigned long long)read->peer->row.number);
    }
    memset(&event, 0, sizeof event);
    event.kind = LM_HE_DIGESTS;
    event.digests.ok = status == LM_OK;
    event.digests.page = &page;
    lm_server_step(server, read->peer, &event, NULL);
}

static void answer_past(struct lm_server *server, struct lm_hub_read *read)
{
    struct lm_error err = {0};
    struct lm_msg_past page;
    struct lm_hub_event event;
    enum lm_status status;
    lm_arena_reset(&server->read_arena);
    status = lm_store_past(server->hub->store, &read->peer->row, &read->ask, &server->read_arena,
                           &page, &err);
    if (status != LM_OK) {
        lm_log(LM_LOG_ERROR, "serve", "cannot read the history of %s: %s", read->ask.id, err.en);
    }
    memset(&event, 0, sizeof event);
    event.kind = LM_HE_PAST;
    event.past.ok = status == LM_OK;
    event.past.page = &page;
    lm_server_step(server, read->peer, &event, NULL);
}

static void answer_read(struct lm_server *server, struct lm_hub_read *read)
{
    if (read->digests) {
        answer_digests(server, read);
        return;
    }
    if (read->past) {
        answer_past(server, read);
        return;
    }
    struct lm_error err = {0};
    struct lm_msg_feed page;
    struct lm_hub_event event;
    enum lm_status status;
    memset(&page, 0, sizeof page);
    lm_arena_reset(&server->read_arena);
    if (read->bodies) {
        struct lm_msg_want want = {.ids = read->ids, .n_ids = read->n_ids};
        status = lm_store_bodies(server->hub->store, &read->peer->row, &want, &server->read_arena,
                                 &page, &err);
        page.from = page.next = read->cursor;
    } else {
        status = lm_store_feed(server->hub->store, &read->peer->row, &read->cursor, read->max_bytes,
                               &server->read_arena, &page, &err);
    }
    if (status != LM_OK) {
        lm_log(LM_LOG_ERROR, "serve", "cannot read a feed page: %s", err.en);
    }
    memset(&event, 0, sizeof event);
    event.kind = LM_HE_PAGE;
    event.page.is_bodies = read->bodies;
    event.page.ok = status == LM_OK;
    event.page.page = &page;
    server->metrics.feed_pages++;
    lm_server_step(server, read->peer, &event, NULL);
}

/* See LM_BREAK(ACK_BEFORE_COMMIT). */
static void tell_too_early(struct lm_server *server)
{
    for (size_t i = 0; i < server->n_peers; i++) {
        struct lm_hub_peer *peer = server->peers[i];
        if (peer->n_pushes > 0 &&
            lm_store_replica_get(server->hub->store, peer->row.number, &peer->row) == LM_OK) {
            tell_peer(server, peer);
        }
    }
}

/* What nodes have shown of other histories of this hub, acted upon between rounds. */
static void settle_history(struct lm_server *server)
{
    struct lm_error err = {0};
    enum lm_status status = LM_OK;

    if (server->rival != 0) {
        status = lm_store_set_rival(server->hub->store, server->rival, lm_clock_wall_ms(), &err);
    } else if (server->went_back && lm_store_may_write(server->hub->store, NULL) == LM_OK) {
        status = lm_store_new_incarnation(server->hub->store, "", "database was set back",
                                          lm_clock_wall_ms(), &err);
    }
    server->rival = 0;
    server->went_back = false;
    if (status != LM_OK) {
        lm_log(LM_LOG_ERROR, "serve", "cannot note another history: %s", err.en);
        server->failed = true;
    }
}

/* See LM_BREAK(MARK_BEFORE_COMMIT): what memory says is told although nothing was stored. */
static void tell_from_memory(struct lm_server *server)
{
    lm_store_rollback(server->hub->store);
    for (size_t i = 0; i < server->n_peers; i++) {
        if (server->peers[i]->touched) {
            server->peers[i]->touched = false;
            tell_peer(server, server->peers[i]);
        }
    }
}

void lm_server_end_round(struct lm_server *server)
{
    struct lm_error err = {0};
    if (server->failed) {
        lm_store_rollback(server->hub->store);
        return;
    }
    /* A session's answer may ask for more to be stored (a lease confirmed by a stray PULL):
     * bounded, each pass ends a transaction. */
    for (int pass = 0; server->in_round && pass < 4; pass++) {
        if (LM_BREAK(ACK_BEFORE_COMMIT)) {
            tell_too_early(server);
        }
        if (lm_store_commit(server->hub->store, &err) != LM_OK) {
            lm_log(LM_LOG_ERROR, "serve", "COMMIT failed: %s; ending without an ack", err.en);
            if (LM_BREAK(MARK_BEFORE_COMMIT)) {
                tell_from_memory(server);
            }
            server->failed = true;
            return;
        }
        server->in_round = false;
        server->metrics.commits++;
        lm_server_answer_enrolments(server);
        for (size_t i = 0; i < server->n_peers; i++) {
            struct lm_hub_peer *peer = server->peers[i];
            if (!peer->touched) {
                continue;
            }
            peer->touched = false;
            if (lm_store_replica_get(server->hub->store, peer->row.number, &peer->row) != LM_OK) {
                /* Unanswered, its session would wait for this answer for ever. */
                lm_log(LM_LOG_ERROR, "serve", "a replica's row cannot be read");
                server->failed = true;
                return;
            }
            tell_peer(server, peer);
        }
        server->round_changes = 0;
    }
    lm_server_news(server);
    for (size_t i = 0; i < server->n_reads; i++) {
        server->reads[i].peer->touched = false;
        answer_read(server, &server->reads[i]);
    }
    server->n_reads = 0;
    lm_arena_reset(&server->round_arena);
    if (server->rival != 0 || server->went_back) {
        settle_history(server);
    }
}

void lm_server_news(struct lm_server *server)
{
    struct lm_mark head;
    if (!lm_store_has_news(server->hub->store) ||
        lm_store_head(server->hub->store, &head) != LM_OK) {
        return;
    }
    for (size_t i = 0; i < server->n_peers; i++) {
        struct lm_hub_event event;
        if (!lm_store_news_for(server->hub->store, &server->peers[i]->row)) {
            continue;
        }
        memset(&event, 0, sizeof event);
        event.kind = LM_HE_NEWS;
        event.position = head.position;
        lm_server_step(server, server->peers[i], &event, NULL);
    }
    lm_store_news_clear(server->hub->store);
}
