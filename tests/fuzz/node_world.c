/* See node_world.h. What must hold (PROTOCOL.md, design P1, P3, P5, P6, P12):
 *   - nothing that a hub says makes the store fail: the link never starts anew on a sound disk;
 *   - every message sent can be read, tells of what is stored, and changes only go out after a
 *     WELCOME over the same socket whose lease is stored;
 *   - what was saved stays in the outbox, and is what the tables show while no hub has claimed it;
 *   - the acked position of a branch falls by a WELCOME only, and branches rise. */
#include "tests/fuzz/node_world.h"

#include "common/base/log.h"
#include "node/store/store_internal.h"
#include "tests/fuzz/seams.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct node_world *world;
static char work[64];

struct lm_context {
    int nothing;
};
struct lm_dealer {
    uint8_t *held; /* the message that is looked at */
};

/* ---- what is sent ---- */

struct replay {
    uint8_t hash[LM_HASH_BYTES];
};

static enum lm_status chain_one(void *arg, uint32_t i, const uint8_t *body, size_t n)
{
    struct replay *r = arg;

    (void)i;
    lm_chain_next(r->hash, body, n, r->hash);
    return LM_OK;
}

static void check_push(struct node_world *w, struct lm_arena *arena, const uint8_t *body, size_t n)
{
    struct lm_msg_push m;
    struct lm_error err;
    struct lm_head at;
    struct lm_me me;
    struct replay r;

    LM_CHECK(w->greeted);
    LM_CHECK(lm_push_read(body, n, arena, &m, &err) == LM_OK);
    LM_CHECK(lm_nstore_me(w->store, &me, &err) == LM_OK);
    LM_CHECK(m.branch == me.branch && m.head.seq <= me.head.seq);
    LM_CHECK(me.lease.counter == w->link.session.welcome.lease.counter); /* it is stored */
    if (m.count == 0) {
        return;
    }
    LM_CHECK(m.first_seq > 1 || m.first_seq == 1);
    if (m.first_seq == 1) {
        lm_chain_start(NW_REPLICA, m.branch, at.hash);
    } else {
        LM_CHECK(nw_hash_at(w, m.first_seq - 1, &at));
    }
    LM_CHECK(memcmp(at.hash, m.before, LM_HASH_BYTES) == 0);
    memcpy(r.hash, m.before, LM_HASH_BYTES);
    LM_CHECK(lm_batch_unpack(m.packed, m.packed_len, m.raw_bytes, m.count, arena, chain_one, &r,
                             &err) == LM_OK);
    LM_CHECK(nw_hash_at(w, m.first_seq + m.count - 1, &at));
    LM_CHECK(memcmp(at.hash, r.hash, LM_HASH_BYTES) == 0);
}

static void check_sent(struct node_world *w, uint8_t kind, const uint8_t *body, size_t n)
{
    union {
        struct lm_msg_hello hello;
        struct lm_msg_pull pull;
        struct lm_msg_want want;
        struct lm_msg_compare compare;
        struct lm_msg_ask ask;
        struct lm_msg_offer offer;
        struct lm_msg_past_ask past;
        struct lm_msg_readmit readmit;
    } m;
    struct lm_error err;
    struct lm_arena arena;

    LM_CHECK(n <= LM_FRAME_BYTES_MAX);
    lm_arena_init(&arena, 64 << 20);
    switch (kind) {
    case LM_MSG_HELLO:
        LM_CHECK(lm_hello_read(body, n, &arena, &m.hello, &err) == LM_OK);
        break;
    case LM_MSG_PUSH:
        check_push(w, &arena, body, n);
        break;
    case LM_MSG_PULL:
        LM_CHECK(w->greeted && lm_pull_read(body, n, &arena, &m.pull, &err) == LM_OK);
        break;
    case LM_MSG_WANT:
        LM_CHECK(w->greeted && lm_want_read(body, n, &arena, &m.want, &err) == LM_OK);
        break;
    case LM_MSG_COMPARE:
        LM_CHECK(w->greeted && lm_compare_read(body, n, &arena, &m.compare, &err) == LM_OK);
        break;
    case LM_MSG_CATALOG:
        LM_CHECK(w->greeted && lm_ask_read(body, n, &arena, &m.ask, &err) == LM_OK);
        break;
    case LM_MSG_RECOVER:
        LM_CHECK(w->greeted && lm_offer_read(body, n, &arena, &m.offer, &err) == LM_OK);
        break;
    case LM_MSG_HISTORY:
        LM_CHECK(w->greeted && lm_past_ask_read(body, n, &arena, &m.past, &err) == LM_OK);
        break;
    default:
        LM_CHECK(kind == LM_MSG_READMIT &&
                 lm_readmit_read(body, n, &arena, &m.readmit, &err) == LM_OK);
    }
    lm_arena_free(&arena);
}

/* ---- the transport, in place of common/transport.c ---- */

void lm_keypair_make(struct lm_keypair *pair)
{
    randombytes_buf(pair->secret_key, sizeof pair->secret_key);
    LM_CHECK(crypto_scalarmult_base(pair->public_key, pair->secret_key) == 0);
}

bool lm_key_to_z85(const uint8_t key[LM_KEY_BYTES], char out[LM_KEY_Z85])
{
    (void)key;
    out[0] = '\0';
    return false;
}

bool lm_key_from_z85(const char *text, uint8_t out[LM_KEY_BYTES])
{
    (void)text;
    (void)out;
    return false;
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

enum lm_status lm_dealer_open(struct lm_context *context, const char *endpoint,
                              const uint8_t hub_key[LM_KEY_BYTES], const struct lm_keypair *keys,
                              struct lm_dealer **out, struct lm_error *err)
{
    (void)context;
    (void)endpoint;
    (void)hub_key;
    (void)keys;
    (void)err;
    *out = calloc(1, sizeof **out);
    world->greeted = false;
    return *out ? LM_OK : LM_ERR_MEMORY;
}

enum lm_status lm_dealer_send(struct lm_dealer *dealer, uint8_t kind, const void *body, size_t n)
{
    (void)dealer;
    if (world->refuse) {
        return LM_ERR_BUSY;
    }
    check_sent(world, kind, body, n);
    return LM_OK;
}

enum lm_status lm_dealer_receive(struct lm_dealer *dealer, int timeout_ms, struct lm_incoming *in)
{
    (void)timeout_ms;
    if (!world->body) {
        return LM_ERR_TIMEOUT;
    }
    memset(in, 0, sizeof *in);
    in->kind = world->kind;
    in->n = world->n;
    in->body = dealer->held = world->body;
    in->internal = dealer;
    world->body = NULL;
    world->greeted = world->greeted || in->kind == LM_MSG_WELCOME;
    return LM_OK;
}

void lm_incoming_release(struct lm_incoming *in)
{
    struct lm_dealer *dealer = in->internal;

    free(dealer->held);
    dealer->held = NULL;
}

enum lm_status lm_dealer_wait(struct lm_dealer *dealer, const int *fds, size_t n_fds, bool *ready,
                              int timeout_ms, bool *message_ready)
{
    (void)dealer;
    (void)fds;
    (void)n_fds;
    (void)ready;
    (void)timeout_ms;
    *message_ready = world->body != NULL;
    return *message_ready ? LM_OK : LM_ERR_TIMEOUT;
}

uint32_t lm_dealer_connections(struct lm_dealer *dealer)
{
    (void)dealer;
    return 1;
}

const char *lm_dealer_state(struct lm_dealer *dealer)
{
    (void)dealer;
    return world->state;
}

void lm_dealer_close(struct lm_dealer **dealer)
{
    if (*dealer) {
        free((*dealer)->held);
        free(*dealer);
        *dealer = NULL;
    }
}

/* ---- what must hold ---- */

static int64_t number_of(struct node_world *w, const char *sql, uint64_t a, uint64_t b)
{
    sqlite3_stmt *stmt = NULL;
    struct lm_error err;
    int64_t n = -1;

    LM_CHECK(lm_db_prepare(w->store->db, sql, &stmt, &err) == LM_OK);
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)a);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)b);
    if (sqlite3_step(stmt) == SQLITE_ROW) {
        n = sqlite3_column_int64(stmt, 0);
    }
    (void)sqlite3_finalize(stmt);
    return n;
}

bool nw_hash_at(struct node_world *w, uint64_t seq, struct lm_head *out)
{
    sqlite3_stmt *q = ns_stmt(w->store, NS_OUT_HASH);
    struct lm_error err;
    bool there;

    ns_bind_u64(q, 1, w->link.session.config.branch);
    ns_bind_u64(q, 2, seq);
    there = ns_row(w->store, q, "read a hash", &err) == LM_OK;
    if (there) {
        out->seq = seq;
        ns_column_hash(q, 0, out->hash);
        ns_done(q);
    }
    return there;
}

/* What was saved and no hub has claimed is what is shown. */
static void check_own(struct node_world *w, struct nw_own *own)
{
    const struct lm_type *type = lm_catalog_type(w->store->catalog, "consultation");
    struct lm_record *rec = NULL;
    struct lm_arena arena;
    const struct lm_value *v;
    int64_t seq =
        number_of(w, "SELECT seq FROM outbox WHERE branch = ?1 AND hlc = ?2", w->branch, own->hlc);

    own->claimed = own->claimed || (seq > 0 && (uint64_t)seq <= w->told_acked);
    if (seq <= 0 || own->claimed) {
        return;
    }
    lm_arena_init(&arena, 1 << 20);
    LM_CHECK(lm_tables_get(w->store->tables, &arena, type, own->id, &rec) == LM_OK);
    v = lm_record_get(rec, "item_count");
    /* A hub may delete what is being edited here: a group of its own. */
    LM_CHECK(own->number >= 0 || lm_record_deleted(rec));
    LM_CHECK(own->number < 0 || (v->kind == LM_INT && v->i == own->number));
    lm_arena_free(&arena);
}

static void check(struct node_world *w)
{
    struct lm_error err;
    struct lm_me me;

    LM_CHECK(w->link.restart_at_ms < 0);
    LM_CHECK(!lm_db_in_transaction(w->store->db));
    LM_CHECK(lm_nstore_me(w->store, &me, &err) == LM_OK);
    LM_CHECK(me.branch >= w->branch && me.acked.seq <= me.head.seq);
    LM_CHECK(me.branch == w->link.session.config.branch);
    if (me.branch > w->branch) {
        w->branch = me.branch;
        w->told_acked = w->acked = 0;
    }
    LM_CHECK(w->welcome || w->link.session.config.acked.seq >= w->acked);
    w->acked = w->link.session.config.acked.seq;
    LM_CHECK(number_of(w, "SELECT count(DISTINCT hlc) FROM outbox", 0, 0) == (int64_t)w->saves);
    for (size_t i = 0; i < w->n_own; i++) {
        check_own(w, &w->own[i]);
    }
}

/* ---- events ---- */

void nw_round(struct node_world *w)
{
    lm_link_round(&w->link, NULL, 0, NULL, 0);
    check(w);
    w->welcome = false;
    free(w->body); /* nobody was there to take it */
    w->body = NULL;
}

/* What a message claims to have of us, whether it is believed or not. */
static void note_claim(struct node_world *w, uint8_t kind, const uint8_t *body, size_t n)
{
    struct lm_error err;
    struct lm_arena arena;
    struct lm_msg_welcome welcome;
    struct lm_msg_ack ack;
    struct lm_msg_feed feed;
    uint64_t branch = 0, seq = 0;

    lm_arena_init(&arena, 64 << 20);
    if (kind == LM_MSG_WELCOME && lm_welcome_read(body, n, &arena, &welcome, &err) == LM_OK) {
        branch = welcome.branch;
        seq = welcome.acked.seq;
    } else if (kind == LM_MSG_ACK && lm_ack_read(body, n, &arena, &ack, &err) == LM_OK) {
        branch = ack.branch;
        seq = ack.acked.seq;
    } else if ((kind == LM_MSG_FEED || kind == LM_MSG_BODIES) &&
               lm_feed_read(body, n, &arena, &feed, &err) == LM_OK) {
        branch = feed.branch;
        seq = feed.acked.seq;
    }
    if (branch == w->branch && seq > w->told_acked) {
        w->told_acked = seq;
    }
    lm_arena_free(&arena);
}

void nw_deliver(struct node_world *w, uint8_t kind, const uint8_t *body, size_t n)
{
    note_claim(w, kind, body, n);
    w->kind = kind;
    w->n = n;
    w->body = malloc(n ? n : 1);
    LM_CHECK(w->body);
    memcpy(w->body, body, n);
    w->welcome = kind == LM_MSG_WELCOME;
    nw_round(w);
}

void nw_save(struct node_world *w, size_t i, int64_t number)
{
    struct lm_node_saver saver;
    struct lm_entry_result result;
    struct lm_error err = {0};
    struct lm_me before, after;
    struct lm_entry entry = {.op = LM_OP_CREATE, .type = "consultation"};
    struct nw_own *own = &w->own[i < w->n_own ? i : w->n_own];

    if (i >= w->n_own && w->n_own == NW_OWN_MAX) {
        return;
    }
    if (i < w->n_own) {
        entry = (struct lm_entry){.op = number < 0 ? LM_OP_DELETE : LM_OP_EDIT, .id = own->id};
        entry.fields = number < 0 ? json_pack("{s:s}", "delete_reason", "重复录入")
                                  : json_pack("{s:I}", "item_count", (json_int_t)number);
    } else {
        number = number < 0 ? 1 : number;
        entry.fields = json_pack("{s:s,s:s,s:s,s:I}", "on", "2026-03-02", "channel", "phone",
                                 "topic", "policy", "item_count", (json_int_t)number);
    }
    memset(&result, 0, sizeof result);
    lm_issues_init(&result.issues);
    LM_CHECK(lm_nstore_me(w->store, &before, &err) == LM_OK);
    lm_node_saver_init(&saver, w->store, w->dir.path, "王秘书");
    if (lm_node_save(&saver, &entry, &result, &err) == LM_OK &&
        lm_node_saver_flush(&saver, &err) == LM_OK) {
        LM_CHECK(lm_nstore_me(w->store, &after, &err) == LM_OK);
        if (after.head.seq > before.head.seq) {
            w->saves++;
            (void)snprintf(own->id, sizeof own->id, "%s", result.id);
            own->hlc = after.hlc;
            own->claimed = false;
            own->number = number;
            w->n_own += own == &w->own[w->n_own];
        }
    } else { /* refused as an entry, and never for the disk's sake */
        enum lm_status st = saver.broken;

        LM_CHECK(st == LM_OK || st == LM_ERR_LIMIT);
    }
    lm_node_saver_free(&saver);
    json_decref(entry.fields);
    lm_link_poke(&w->link);
    check(w);
}

/* ---- life ---- */

static void open_link(struct node_world *w)
{
    struct lm_error err;

    LM_CHECK(lm_link_open(&w->link, w->store, &w->key, &err) == LM_OK);
    w->welcome = true; /* begins with what is stored: acks of the last moment may be lost */
    check(w);
    w->welcome = false;
}

void nw_restart(struct node_world *w)
{
    lm_link_close(&w->link);
    open_link(w);
}

static void remove_work(void)
{
    char path[96];

    (void)snprintf(path, sizeof path, "%s/node.db", work);
    (void)unlink(path);
    (void)rmdir(work);
}

const uint8_t *nw_sign_secret(void)
{
    static uint8_t secret[LM_SIGN_SECRET_BYTES], sign_public[LM_SIGN_PUBLIC_BYTES];

    if (secret[0] == 0) {
        uint8_t seed[32] = {3};

        LM_CHECK(crypto_sign_seed_keypair(sign_public, secret, seed) == 0);
    }
    return secret;
}

static void make(struct node_world *w)
{
    struct lm_error err;

    seam_clock = (struct seam_clock){.wall_ms = 1790000000000, .mono_ms = 1000000};
    seam_random(1);
    lm_log_set_level(LM_LOG_ERROR);
    (void)snprintf(work, sizeof work, "/tmp/lm-fuzz.XXXXXX");
    LM_CHECK(mkdtemp(work));
    (void)atexit(remove_work);
    seam_disk_install();
    LM_CHECK(lm_catalog_load_embedded(&w->catalog, &err) == LM_OK);
    LM_CHECK(lm_datadir_open(work, false, &w->dir, &err) == LM_OK);
    LM_CHECK(lm_nstore_open(&w->dir, w->catalog, true, &w->store, &err) == LM_OK);
    LM_CHECK(lm_nstore_begin(w->store, &err) == LM_OK);
    LM_CHECK(lm_nstore_me_make(w->store, NW_REPLICA, NW_STATION, "village", "示例村", &err) ==
             LM_OK);
    LM_CHECK(lm_nstore_commit(w->store, &err) == LM_OK);
    lm_keypair_make(&w->key.own);
    w->key.replica = NW_REPLICA;
    w->key.enrolled = true;
    memset(w->key.hub_id, 7, sizeof w->key.hub_id);
    memset(w->key.hub_public_key, 9, sizeof w->key.hub_public_key);
    memcpy(w->key.hub_sign_key, nw_sign_secret() + LM_SIGN_SECRET_BYTES - LM_SIGN_PUBLIC_BYTES,
           sizeof w->key.hub_sign_key);
    w->key.certificate_len = 8;
    seam_disk_keep();
}

void nw_begin(struct node_world *w)
{
    if (!w->store) {
        make(w);
    }
    seam_disk_restore();
    seam_clock = (struct seam_clock){.wall_ms = 1790000000000, .mono_ms = 1000000};
    seam_random(2);
    world = w;
    w->state = "connected";
    w->refuse = w->welcome = w->greeted = false;
    w->branch = 1;
    w->told_acked = w->acked = 0;
    w->saves = w->n_own = 0;
    open_link(w);
}

void nw_end(struct node_world *w)
{
    nw_restart(w);
    lm_link_close(&w->link);
    free(w->body);
    w->body = NULL;
}
