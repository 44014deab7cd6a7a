/* What comes with a reply on the stick: the catalogue, and histories that were asked for. */
#include "tests/unit/usb_world.h"

#include "node/store/store_internal.h"
#include "proto/hubkey.h"
#include "tests/support/catalogs.h"

#include <sodium.h>

/* ---- the catalogue ---- */

static struct lm_msg_welcome with_catalog(struct nw *w, const struct lm_catalog *c)
{
    struct lm_msg_welcome m = welcome_of(w, 1, 5);

    m.catalog = c->number;
    memcpy(m.catalog_hash, c->hash, sizeof m.catalog_hash);
    return m;
}

static void add_part(const struct lm_catalog *c, uint64_t from, uint64_t to)
{
    struct lm_msg_part part = {.number = c->number,
                               .total = c->packed_len,
                               .offset = from,
                               .bytes = c->packed + from,
                               .n = to - from};
    struct lm_buf body;

    memcpy(part.hash, c->hash, sizeof part.hash);
    lm_buf_init(&body, LM_FRAME_BYTES_MAX);
    lm_part_pack(&body, &part);
    frame(LM_MSG_CATALOG, &body);
}

static void add_catalog(const struct lm_catalog *c)
{
    for (uint64_t at = 0; at < c->packed_len; at += LM_CATALOG_PART_BYTES_MAX) {
        uint64_t end = at + LM_CATALOG_PART_BYTES_MAX;

        add_part(c, at, end < c->packed_len ? end : c->packed_len);
    }
}

static void a_newer_catalogue_comes_with_the_reply(void **state)
{
    struct nw *w = *state;
    struct lm_catalog *two = catalog_next();
    struct lm_import_done done;
    struct lm_export_done out;
    struct lm_hub_catalog told;
    uint64_t old;

    (void)make_export(w, LM_BUNDLE_BYTES_MAX);
    old = hub.answers;
    (void)make_export(w, LM_BUNDLE_BYTES_MAX);
    /* Part of it had come over the network before the line broke: it is not needed. */
    {
        struct lm_msg_part part = {
            .number = CATALOG_NEXT, .total = two->packed_len, .bytes = two->packed, .n = 1000};
        enum lm_catalog_outcome outcome;
        uint64_t at;

        memcpy(part.hash, two->hash, sizeof part.hash);
        assert_int_equal(lm_nstore_catalog_part(w->store, &part, &outcome, &at, &w->err), LM_OK);
    }
    begin_reply(with_catalog(w, two), TRUE_ONE);
    add_catalog(two);
    taken(w, &done);
    assert_int_equal(done.catalog, CATALOG_NEXT);
    assert_false(done.catalog_refused);
    assert_int_equal(lm_nstore_catalog(w->store)->number, CATALOG_NEXT);
    assert_int_equal(nw_me(w).catalog, CATALOG_NEXT);
    assert_int_equal(lm_nstore_hub_catalog(w->store, &told, &w->err), LM_OK);
    assert_int_equal(told.number, 0);
    out = make_export(w, LM_BUNDLE_BYTES_MAX);
    assert_int_equal(hello_of(w, &out).catalog, CATALOG_NEXT);
    /* An older reply brings nothing back. */
    begin_reply(welcome_of(w, 1, 5), TRUE_ONE);
    assert_int_equal(take(w, old, &done), LM_OK);
    assert_true(done.old);
    assert_int_equal(nw_me(w).catalog, CATALOG_NEXT);
    lm_catalog_destroy(&two);
}

static void a_catalogue_that_is_not_what_it_says_is_kept_out(void **state)
{
    struct nw *w = *state;
    struct lm_catalog *two = catalog_next(), *three = catalog_after();
    struct lm_import_done done;
    struct lm_hub_catalog told;
    struct lm_msg_welcome m;
    char id[40];

    /* Bytes of another one under this hash. */
    (void)make_export(w, LM_BUNDLE_BYTES_MAX);
    m = with_catalog(w, two);
    begin_reply(m, TRUE_ONE);
    memcpy(three->hash, two->hash, sizeof three->hash);
    three->number = CATALOG_NEXT;
    add_catalog(three);
    taken(w, &done);
    assert_true(done.catalog_refused);
    assert_int_equal(done.catalog, 0);
    assert_int_equal(nw_me(w).catalog, CATALOG_OWN);
    assert_int_equal(lm_nstore_hub_catalog(w->store, &told, &w->err), LM_OK);
    assert_string_equal(told.code, "damaged");
    /* Parts that do not follow each other, and of one that WELCOME does not name. */
    (void)make_export(w, LM_BUNDLE_BYTES_MAX);
    begin_reply(m, TRUE_ONE);
    add_part(two, 1, 100);
    assert_int_equal(take(w, hub.answers, &done), LM_ERR_INVALID);
    assert_string_equal(w->err.code, "bad_bundle");
    begin_reply(welcome_of(w, 1, 5), TRUE_ONE);
    add_part(two, 0, 100);
    assert_int_equal(take(w, hub.answers, &done), LM_ERR_INVALID);
    assert_int_equal(nw_me(w).catalog, CATALOG_OWN);
    /* A hub with another one of the same number is told of, as over the network. */
    m = welcome_of(w, 1, 5);
    m.catalog_hash[0] ^= 1;
    begin_reply(m, TRUE_ONE);
    taken(w, &done);
    assert_true(done.catalog_refused);
    assert_int_equal(lm_nstore_hub_catalog(w->store, &told, &w->err), LM_OK);
    assert_string_equal(told.code, "rival");
    nw_create(w, "consultation", CONSULTATION, id);
    lm_catalog_destroy(&two);
    lm_catalog_destroy(&three);
}

/* The network was faster: what the reply brings is of the past. */
static void a_stale_reply_brings_no_catalogue(void **state)
{
    struct nw *w = *state;
    struct lm_catalog *two = catalog_next();
    struct lm_import_done done;
    struct lm_me me;
    uint64_t wanted;
    struct lm_msg_welcome m;

    (void)make_export(w, LM_BUNDLE_BYTES_MAX);
    m = welcome_of(w, 1, 5);
    m.lease = (struct lm_lease){3, 3};
    assert_int_equal(lm_nstore_welcome(w->store, &m, 0, false, &me, &wanted, &w->err), LM_OK);
    begin_reply(with_catalog(w, two), TRUE_ONE);
    add_catalog(two);
    taken(w, &done);
    assert_int_equal(done.catalog, 0);
    assert_int_equal(nw_me(w).catalog, CATALOG_OWN);
    lm_catalog_destroy(&two);
}

/* ---- the hub's keys ---- */

/* The reply's WELCOME under `key`, with what follows it. */
static struct lm_msg_welcome with_keys(struct nw *w, const uint8_t key[32], const uint8_t *next)
{
    struct lm_msg_welcome m = welcome_of(w, 1, 5);

    m.protocol = LM_PROTOCOL_KEYS;
    m.keys.has_next = next != NULL;
    if (next) {
        memcpy(m.keys.next, next, 32);
    }
    lm_key_word_sign(&m.keys, key, hub.sign_secret);
    return m;
}

static struct lm_hub_pins pins_of(struct nw *w)
{
    struct lm_me me = nw_me(w);

    return lm_nstore_pins(&me, hub.key.hub_public_key);
}

/* The key that the export says is pinned; false: it says none. */
static bool says_key(const struct lm_export_done *done, uint8_t out[32])
{
    struct opened o = open_part(done, 1);
    struct lm_error err = {0};
    struct lm_arena arena;
    struct lm_msg_key m = {0};
    const uint8_t *body;
    uint8_t kind;
    size_t n;
    bool said = false;

    lm_arena_init(&arena, 10000);
    while (lm_bundle_next(&o.frames, &kind, &body, &n)) {
        if (kind == LM_MSG_KEY) {
            assert_int_equal(lm_key_read(body, n, &arena, &m, &err), LM_OK);
            said = true;
        }
    }
    memcpy(out, m.key, 32);
    lm_arena_free(&arena);
    free(o.data);
    return said;
}

static void a_next_key_comes_with_the_reply_and_is_switched_to(void **state)
{
    struct nw *w = *state;
    uint8_t next[32], next_secret[32], old_secret[32], said[32];
    const uint8_t *first = hub.key.hub_public_key;
    uint64_t renewed = 0;
    struct lm_import_done done;
    struct lm_export_done out = make_export(w, LM_BUNDLE_BYTES_MAX);

    (void)crypto_box_keypair(next, next_secret);
    memcpy(old_secret, hub.curve_secret, 32);
    assert_false(says_key(&out, said));
    begin_reply(with_keys(w, first, next), TRUE_ONE);
    taken(w, &done);
    assert_true(pins_of(w).has_second);
    assert_memory_equal(pins_of(w).second, next, 32);
    assert_memory_equal(pins_of(w).first, first, 32);
    out = make_export(w, LM_BUNDLE_BYTES_MAX); /* for the key in force, and it says what it has */
    assert_true(says_key(&out, said));
    assert_memory_equal(said, next, 32);

    /* Sealed with the next key, without the hub's word that it is in force: who has its secret. */
    memcpy(hub.curve_secret, next_secret, 32);
    begin_reply(with_keys(w, first, next), TRUE_ONE);
    assert_int_equal(take(w, hub.answers, &done), LM_ERR_DENIED);
    assert_string_equal(w->err.code, "key_unproven");
    begin_reply(welcome_of(w, 1, 5), TRUE_ONE);
    assert_int_equal(take(w, hub.answers, &done), LM_ERR_DENIED);
    assert_string_equal(w->err.code, "key_unproven");
    assert_memory_equal(pins_of(w).first, first, 32);
    begin_reply(with_keys(w, next, NULL), TRUE_ONE);
    taken(w, &done);
    assert_memory_equal(pins_of(w).first, next, 32);
    assert_false(pins_of(w).has_second);

    /* From now on the former key opens nothing here, and exports are for the new one. */
    out = make_export(w, LM_BUNDLE_BYTES_MAX);
    assert_false(says_key(&out, said));
    memcpy(hub.curve_secret, old_secret, 32);
    begin_reply(with_keys(w, first, said), TRUE_ONE);
    assert_int_equal(take(w, hub.answers, &done), LM_ERR_DENIED);
    assert_string_equal(w->err.code, "bundle_forged");
    /* A new kit of the former key, which alone the hub has left: enrolled anew, it is the one. */
    assert_int_equal(lm_nstore_renew(w->store, 99, &renewed, &w->err), LM_OK);
    assert_memory_equal(pins_of(w).first, hub.key.hub_public_key, 32);
    assert_false(pins_of(w).has_second);
    /* A new kit: what was pinned beside the former one says nothing. */
    hub.key.hub_public_key[0] ^= 1;
    assert_memory_equal(pins_of(w).first, hub.key.hub_public_key, 32);
    assert_false(pins_of(w).has_second);
}

static int commits_left;

static int fail_commit(void *arg)
{
    (void)arg;
    return commits_left-- <= 0; /* the power goes: all from here on is rolled back */
}

/* A power cut at any of the import's commits: whoever has the reply's word about the hub's history
 * has its word about the keys, also when the file is lost then and never imported again. */
static void a_power_cut_tears_no_pin_off(void **state)
{
    struct nw *w = *state;
    struct lm_import_done done;
    struct lm_msg_welcome m;
    struct lm_hub_pins before;
    uint64_t seen;
    uint8_t next[32], first[32];
    bool whole = false;

    for (int n = 0; n < 20 && !whole; n++) {
        (void)make_export(w, LM_BUNDLE_BYTES_MAX);
        before = pins_of(w);
        memcpy(first, before.first, 32);
        memset(next, 10 + n, sizeof next);
        seen = nw_me(w).seen.position;
        m = with_keys(w, first, next);
        m.head.position = seen + 1;
        begin_reply(m, TRUE_ONE);
        commits_left = n;
        (void)sqlite3_commit_hook(lm_db_handle(w->store->db), fail_commit, NULL);
        whole = take(w, hub.answers, &done) == LM_OK;
        (void)sqlite3_commit_hook(lm_db_handle(w->store->db), NULL, NULL);
        if (nw_me(w).proof.mark.position > seen || whole) {
            assert_memory_equal(pins_of(w).second, next, 32);
        }
    }
    assert_true(whole);
}

/* The network has told of a newer next key since: the reply's is of the past. */
static void a_stale_reply_takes_no_pin_away(void **state)
{
    struct nw *w = *state;
    const uint8_t older[32] = {5};
    struct lm_hub_pins pins = {.has_second = true, .second = {6}};
    struct lm_import_done done;
    struct lm_me me;
    uint64_t wanted;
    struct lm_msg_welcome m;

    (void)make_export(w, LM_BUNDLE_BYTES_MAX);
    m = welcome_of(w, 1, 5);
    m.lease = (struct lm_lease){3, 3};
    assert_int_equal(lm_nstore_welcome(w->store, &m, 0, false, &me, &wanted, &w->err), LM_OK);
    memcpy(pins.first, hub.key.hub_public_key, 32);
    assert_int_equal(lm_nstore_pin(w->store, hub.key.hub_public_key, &pins, &w->err), LM_OK);
    begin_reply(with_keys(w, pins.first, older), TRUE_ONE);
    taken(w, &done);
    assert_int_equal(pins_of(w).second[0], 6);
}

/* ---- histories ---- */

static void add_history(const char *id, uint64_t after, uint64_t position, bool done)
{
    static const uint8_t body[] = {0x90};
    struct lm_past item = {.position = position,
                           .replica = 5,
                           .hlc = 77,
                           .station = NW_STATION,
                           .user = "王秘书",
                           .op = "edit",
                           .verdict = LM_V_APPLIED,
                           .code = "",
                           .zh = "",
                           .en = "",
                           .body = body,
                           .len = sizeof body};
    struct lm_msg_past m = {.after = after, .done = done, .items = &item, .n = 1};
    struct lm_buf buf;

    memcpy(m.id, id, sizeof m.id);
    lm_buf_init(&buf, LM_FRAME_BYTES_MAX);
    lm_past_pack(&buf, &m);
    frame(LM_MSG_HISTORY, &buf);
}

static size_t asks_in(struct nw *w, const struct lm_export_done *done, uint64_t *after)
{
    struct opened o = open_part(done, 1);
    const uint8_t *body;
    uint8_t kind;
    size_t n, count = 0;

    while (lm_bundle_next(&o.frames, &kind, &body, &n)) {
        struct lm_msg_past_ask m;

        if (kind == LM_MSG_HISTORY) {
            assert_int_equal(lm_past_ask_read(body, n, &w->arena, &m, &w->err), LM_OK);
            *after = m.after;
            count++;
        }
    }
    free(o.data);
    return count;
}

static bool wanted_still(struct nw *w, const char *id)
{
    bool wanted;
    int64_t fetched;

    assert_int_equal(lm_nstore_past_state(w->store, id, &wanted, &fetched, &w->err), LM_OK);
    return wanted;
}

static void a_history_that_was_asked_for_comes_with_the_reply(void **state)
{
    struct nw *w = *state;
    struct lm_import_done done;
    struct lm_export_done out;
    uint64_t after = 9;
    char id[40];

    nw_create(w, "consultation", CONSULTATION, id);
    (void)welcomed(w, 1, 5, 0);
    out = make_export(w, LM_BUNDLE_BYTES_MAX);
    assert_int_equal(asks_in(w, &out, &after), 0);
    assert_int_equal(lm_nstore_past_want(w->store, id, 1000, &w->err), LM_OK);
    out = make_export(w, LM_BUNDLE_BYTES_MAX);
    assert_int_equal(asks_in(w, &out, &after), 1);
    assert_int_equal(after, 0);
    /* One that does not go on where ours ends would leave a gap. */
    begin_reply(welcome_of(w, 1, 5), TRUE_ONE);
    add_history(id, 2, 4, true);
    taken(w, &done);
    assert_int_equal(done.histories, 0);
    assert_true(wanted_still(w, id));
    /* In two pages, of which the second is lost. */
    out = make_export(w, LM_BUNDLE_BYTES_MAX);
    begin_reply(welcome_of(w, 1, 5), TRUE_ONE);
    add_history(id, 0, 3, false);
    taken(w, &done);
    assert_true(wanted_still(w, id));
    out = make_export(w, LM_BUNDLE_BYTES_MAX);
    assert_int_equal(asks_in(w, &out, &after), 1);
    assert_int_equal(after, 3);
    begin_reply(welcome_of(w, 1, 5), TRUE_ONE);
    add_history(id, 3, 4, true);
    taken(w, &done);
    assert_int_equal(done.histories, 1);
    assert_false(wanted_still(w, id));
    /* Nobody asked: nothing is kept. */
    out = make_export(w, LM_BUNDLE_BYTES_MAX);
    assert_int_equal(asks_in(w, &out, &after), 0);
    begin_reply(welcome_of(w, 1, 5), TRUE_ONE);
    add_history(id, 4, 5, true);
    taken(w, &done);
    assert_int_equal(done.histories, 0);
    /* The hub went back: all of it is told anew. */
    (void)welcomed(w, 2, 2, 1);
    out = make_export(w, LM_BUNDLE_BYTES_MAX);
    assert_int_equal(asks_in(w, &out, &after), 1);
    assert_int_equal(after, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, usb_setup, nw_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_newer_catalogue_comes_with_the_reply),
        T(a_catalogue_that_is_not_what_it_says_is_kept_out),
        T(a_stale_reply_brings_no_catalogue),
        T(a_next_key_comes_with_the_reply_and_is_switched_to),
        T(a_power_cut_tears_no_pin_off),
        T(a_stale_reply_takes_no_pin_away),
        T(a_history_that_was_asked_for_comes_with_the_reply),
    };
    return cmocka_run_group_tests(tests, usb_group_setup, usb_group_teardown);
}
