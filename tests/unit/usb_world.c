/* See usb_world.h. */
#include "tests/unit/usb_world.h"

#include <sodium.h>

struct hub hub;

static void hub_make(void)
{
    lm_buf_free(&hub.reply);
    memset(&hub, 0, sizeof hub);
    (void)crypto_sign_keypair(hub.sign_public, hub.sign_secret);
    (void)crypto_box_keypair(hub.key.hub_public_key, hub.curve_secret);
    (void)crypto_box_keypair(hub.key.own.public_key, hub.key.own.secret_key);
    memcpy(hub.key.hub_sign_key, hub.sign_public, sizeof hub.sign_public);
    lm_hub_id_of(hub.sign_public, hub.key.hub_id);
    (void)snprintf(hub.key.station, sizeof hub.key.station, NW_STATION);
    lm_buf_init(&hub.reply, FILE_BYTES);
}

int usb_group_setup(void **state)
{
    (void)state;
    return sodium_init() < 0 ? -1 : 0;
}

int usb_group_teardown(void **state)
{
    (void)state;
    lm_buf_free(&hub.reply);
    return 0;
}

int usb_setup(void **state)
{
    hub_make();
    return nw_setup(state);
}

struct opened open_part(const struct lm_export_done *done, uint16_t part)
{
    struct opened o = {0};
    struct lm_error err = {0};
    char path[PATH_MAX];
    char *text = NULL;
    size_t n = 0;

    assert_true(lm_node_part_name(done->first, part, path, sizeof path));
    assert_int_equal(lm_file_read(path, FILE_BYTES, &text, &n, &err), LM_OK);
    o.data = (uint8_t *)text;
    assert_int_equal(lm_bundle_head_read(o.data, n, &o.head, &err), LM_OK);
    assert_int_equal(lm_bundle_open(o.data, n, &o.head, hub.curve_secret, hub.key.own.public_key,
                                    &o.frames, &err),
                     LM_OK);
    return o;
}

struct lm_export_done make_export(struct nw *w, size_t max_bytes)
{
    static unsigned number;
    struct lm_export_done done;
    char path[PATH_MAX + 32];

    (void)snprintf(path, sizeof path, "%s/e%u.lmb", w->dir.path, ++number);
    if (lm_node_export(w->store, &hub.key, path, max_bytes, &done, &w->err) != LM_OK) {
        fail_msg("export: %s", w->err.en);
    }
    hub.answers = done.number;
    return done;
}

struct lm_msg_hello hello_of(struct nw *w, const struct lm_export_done *done)
{
    struct opened o = open_part(done, 1);
    struct lm_msg_hello m;
    const uint8_t *body;
    uint8_t kind;
    size_t n;

    assert_true(lm_bundle_next(&o.frames, &kind, &body, &n));
    assert_int_equal(kind, LM_MSG_HELLO);
    assert_int_equal(lm_hello_read(body, n, &w->arena, &m, &w->err), LM_OK);
    free(o.data);
    return m;
}

void frame(uint8_t kind, struct lm_buf *body)
{
    assert_int_equal(body->status, LM_OK);
    assert_true(lm_bundle_add(&hub.reply, kind, body->data, body->len));
    lm_buf_free(body);
}

struct lm_msg_welcome welcome_of(struct nw *w, uint64_t incarnation, uint64_t head)
{
    struct lm_me me = nw_me(w);
    struct lm_msg_welcome m = {.protocol = 1,
                               .incarnation = {incarnation, 7 + incarnation},
                               .branch = me.branch,
                               .acked = me.acked,
                               .head = {.position = head},
                               .catalog = w->catalog->number,
                               .hub_time_ms = 1790000000000LL,
                               .credit = 1,
                               .common = me.seen.position};

    memset(m.head.hash, (int)(head + incarnation), sizeof m.head.hash);
    memcpy(m.hub_id, hub.key.hub_id, sizeof m.hub_id);
    memcpy(m.catalog_hash, w->catalog->hash, sizeof m.catalog_hash);
    return m;
}

void begin_reply(struct lm_msg_welcome m, enum signature how)
{
    struct lm_proof proof = {.incarnation = m.incarnation, .mark = m.head};
    struct lm_buf body;

    lm_bundle_begin(&hub.reply);
    lm_proof_sign(&proof, hub.sign_secret);
    proof.signature[5] ^= how == FALSE_ONE;
    memcpy(m.signature, proof.signature, sizeof m.signature);
    if (how == MISSING) {
        memset(m.signature, 0, sizeof m.signature);
    }
    lm_buf_init(&body, LM_FRAME_BYTES_MAX);
    lm_welcome_pack(&body, &m);
    frame(LM_MSG_WELCOME, &body);
}

void add_page(struct nw *w, struct lm_cursor from, struct lm_cursor next, uint64_t head,
              struct lm_feed_entry *entries, size_t n)
{
    struct lm_me me = nw_me(w);
    struct lm_msg_feed page = {.from = from,
                               .next = next,
                               .branch = me.branch,
                               .acked = me.acked,
                               .head = {.position = head},
                               .done = true,
                               .entries = entries,
                               .n_entries = n};
    struct lm_buf body;

    lm_buf_init(&body, LM_FRAME_BYTES_MAX);
    lm_feed_pack(&body, &page);
    frame(LM_MSG_FEED, &body);
}

enum lm_status take(struct nw *w, uint64_t number, struct lm_import_done *done)
{
    struct lm_bundle_head head = {.kind = LM_BUNDLE_REPLY, .part = 1, .parts = 1, .number = number};
    uint8_t nonce[LM_BUNDLE_NONCE_BYTES];
    struct lm_buf file;
    enum lm_status st;

    memcpy(head.hub_id, hub.key.hub_id, sizeof head.hub_id);
    memcpy(head.key, hub.key.own.public_key, sizeof head.key);
    randombytes_buf(nonce, sizeof nonce);
    lm_buf_init(&file, FILE_BYTES); /* the reply itself stays, to be taken again */
    lm_buf_add(&file, hub.reply.data, hub.reply.len);
    assert_int_equal(lm_bundle_seal(&file, &head, hub.curve_secret, hub.key.own.public_key, nonce),
                     LM_OK);
    memset(&w->err, 0, sizeof w->err);
    st = lm_node_import(w->store, &hub.key, file.data, file.len, done, &w->err);
    lm_buf_free(&file);
    return st;
}

void taken(struct nw *w, struct lm_import_done *done)
{
    if (take(w, hub.answers, done) != LM_OK) {
        fail_msg("import: %s %s", w->err.code, w->err.en);
    }
    assert_false(done->old);
}

struct lm_import_done welcomed(struct nw *w, uint64_t incarnation, uint64_t head, uint64_t common)
{
    struct lm_import_done done;
    struct lm_msg_welcome m;

    (void)make_export(w, LM_BUNDLE_BYTES_MAX);
    m = welcome_of(w, incarnation, head);
    m.common = common;
    begin_reply(m, TRUE_ONE);
    taken(w, &done);
    return done;
}
