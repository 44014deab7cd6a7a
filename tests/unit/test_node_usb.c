/* The stick at the node, against a hub that is only keys and hand-made replies: the incarnation's
 * proof (P7), what is given back to a hub that went back (P7), the catalogue and histories that
 * come with a reply, and HLCs where the clock does not lead (P3, P8). */
#include "tests/unit/node_world.h"

#include "node/bundle.h"
#include "node/store/store_internal.h"
#include "proto/proof.h"

#include "tests/support/catalogs.h"

#include <sodium.h>

#define CONSULTATION                                                                               \
    "{'on':'2026-02-01','channel':'phone','topic':'policy','item_count':2,'state':'submitted'}"
#define FILE_BYTES (8 * 1024 * 1024)

struct hub {
    uint8_t curve_secret[32], sign_public[LM_SIGN_PUBLIC_BYTES], sign_secret[LM_SIGN_SECRET_BYTES];
    struct lm_node_key key; /* the PC's, as enrolled there */
    struct lm_buf reply;
    uint64_t answers; /* the export */
};
static struct hub hub;

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

static int setup(void **state)
{
    hub_make();
    return nw_setup(state);
}

/* ---- an export, opened ---- */

struct opened {
    uint8_t *data;
    struct lm_bundle_frames frames;
    struct lm_bundle_head head;
};

static struct opened open_part(struct nw *w, const struct lm_export_done *done, uint16_t part)
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
    (void)w;
    return o;
}

static struct lm_export_done make_export(struct nw *w, size_t max_bytes)
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

static struct lm_msg_hello hello_of(struct nw *w, const struct lm_export_done *done)
{
    struct opened o = open_part(w, done, 1);
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

/* ---- a reply ---- */

static void frame(uint8_t kind, struct lm_buf *body)
{
    assert_int_equal(body->status, LM_OK);
    assert_true(lm_bundle_add(&hub.reply, kind, body->data, body->len));
    lm_buf_free(body);
}

enum signature { TRUE_ONE, FALSE_ONE, MISSING };

static struct lm_msg_welcome welcome_of(struct nw *w, uint64_t incarnation, uint64_t head)
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

static void begin_reply(struct lm_msg_welcome m, enum signature how)
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

/* An empty page from the node's cursor on, or from the beginning. */
static void add_page(struct nw *w, struct lm_cursor from, struct lm_cursor next, uint64_t head,
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

static enum lm_status take(struct nw *w, uint64_t number, struct lm_import_done *done)
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

static void taken(struct nw *w, struct lm_import_done *done)
{
    if (take(w, hub.answers, done) != LM_OK) {
        fail_msg("import: %s %s", w->err.code, w->err.en);
    }
    assert_false(done->old);
}

/* A WELCOME alone, answering the newest export. */
static struct lm_import_done welcomed(struct nw *w, uint64_t incarnation, uint64_t head,
                                      uint64_t common)
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

static bool proof_holds(struct nw *w, uint64_t incarnation)
{
    struct lm_me me = nw_me(w);

    return me.incarnation.counter == incarnation && me.proof.incarnation.counter == incarnation &&
           lm_proof_verifies(&me.proof, hub.sign_public);
}

/* ---- proofs ---- */

static void a_true_proof_is_kept_and_shown(void **state)
{
    struct nw *w = *state;
    struct lm_export_done done;
    struct lm_msg_hello hello;

    assert_int_equal(nw_me(w).proof.incarnation.counter, 0);
    (void)welcomed(w, 1, 5, 0);
    assert_true(proof_holds(w, 1));
    assert_int_equal(nw_me(w).proof.mark.position, 5);
    done = make_export(w, LM_BUNDLE_BYTES_MAX);
    hello = hello_of(w, &done);
    assert_true(lm_proof_verifies(&hello.proof, hub.sign_public));
    assert_int_equal(hello.proof.mark.position, 5);
    assert_int_equal(hello.seen.position, 5);
}

/* Who has the box's key and not the signing key speaks for no history; nothing of it is taken. */
static void a_false_or_missing_proof_changes_nothing(void **state)
{
    struct nw *w = *state;
    struct lm_import_done done;
    struct lm_me before, after;
    const enum signature bad[] = {FALSE_ONE, MISSING};

    (void)welcomed(w, 1, 5, 0);
    nw_create(w, "consultation", CONSULTATION, (char[40]){0});
    (void)make_export(w, LM_BUNDLE_BYTES_MAX);
    before = nw_me(w);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct lm_msg_welcome m = welcome_of(w, 2, 9);

        m.acked = nw_me(w).head;
        m.common = 0;
        begin_reply(m, bad[i]);
        add_page(w, (struct lm_cursor){0}, (struct lm_cursor){.position = 9}, 9, NULL, 0);
        assert_int_equal(take(w, hub.answers, &done), LM_ERR_DENIED);
        assert_string_equal(w->err.code, "bad_proof");
        after = nw_me(w);
        assert_memory_equal(&before.proof, &after.proof, sizeof before.proof);
        assert_memory_equal(&before.acked, &after.acked, sizeof before.acked);
        assert_int_equal(after.incarnation.counter, 1);
        assert_int_equal(after.cursor.position, before.cursor.position);
        assert_int_equal(after.last_contact_ms, before.last_contact_ms);
    }
    /* Of another incarnation than it signs for. */
    {
        struct lm_msg_welcome m = welcome_of(w, 1, 9);
        struct lm_proof proof = {.incarnation = {4, 4}, .mark = m.head};
        struct lm_buf body;

        lm_proof_sign(&proof, hub.sign_secret);
        memcpy(m.signature, proof.signature, sizeof m.signature);
        lm_bundle_begin(&hub.reply);
        lm_buf_init(&body, LM_FRAME_BYTES_MAX);
        lm_welcome_pack(&body, &m);
        frame(LM_MSG_WELCOME, &body);
        assert_int_equal(take(w, hub.answers, &done), LM_ERR_DENIED);
    }
    /* The same export's true reply counts after all. */
    begin_reply(welcome_of(w, 1, 9), TRUE_ONE);
    taken(w, &done);
    assert_int_equal(nw_me(w).proof.mark.position, 9);
    assert_true(proof_holds(w, 1));
}

static void go_back_to(struct nw *w, const char *backup)
{
    struct lm_restore_done done;
    char staged[LM_STAGED_NAME];

    if (lm_nstore_stage(&w->dir, backup, staged, &w->err) != LM_OK ||
        lm_nstore_restore(w->store, &w->dir, staged, 1790000000000LL, &done, &w->err) != LM_OK) {
        fail_msg("restore: %s", w->err.en);
    }
    lm_nstore_unstage(&w->dir, staged);
}

/* A restore must not make the PC follow a hub that it knows to be over, nor leave it with a word of
 * the hub that fits no incarnation: then nobody would notice that the hub went back. */
static void a_restore_keeps_the_newest_incarnations_proof(void **state)
{
    struct nw *w = *state;
    uint64_t bytes;
    char first[PATH_MAX + 16], second[PATH_MAX + 16];

    (void)snprintf(first, sizeof first, "%s/first", w->dir.path);
    (void)snprintf(second, sizeof second, "%s/second", w->dir.path);
    assert_int_equal(lm_nstore_backup(w->store, first, &bytes, &w->err), LM_OK); /* none yet */
    (void)welcomed(w, 1, 5, 0);
    (void)welcomed(w, 1, 8, 5);
    go_back_to(w, first);
    assert_true(proof_holds(w, 1));
    assert_int_equal(nw_me(w).proof.mark.position, 8);
    assert_int_equal(lm_nstore_backup(w->store, second, &bytes, &w->err), LM_OK);
    (void)welcomed(w, 1, 11, 8);
    go_back_to(w, second); /* the same incarnation: the older word holds as well */
    assert_true(proof_holds(w, 1));
    (void)welcomed(w, 2, 6, 0);
    assert_true(proof_holds(w, 2));
    go_back_to(w, second);
    assert_true(proof_holds(w, 2));
    assert_int_equal(nw_me(w).proof.mark.position, 6);
    go_back_to(w, first);
    assert_true(proof_holds(w, 2));
}

/* ---- what is given back ---- */

/* A record of the town's at this position, as the feed brings it. */
static void town_record(struct nw *w, uint64_t position, unsigned seed, char id_out[40],
                        struct lm_buf *body)
{
    struct lm_record *rec;
    struct lm_rand rnd;
    char own[40];

    nw_create(w, "consultation", CONSULTATION, own);
    rec = nw_get(w, "consultation", own);
    lm_rand_seed(&rnd, seed);
    lm_uuid_v7(&rnd, 1790000000000LL + seed, rec->id);
    for (size_t g = 0; g < rec->type->n_groups; g++) {
        rec->stamps[g].version.replica = 0;
    }
    rec->position = position;
    lm_buf_init(body, LM_FRAME_BYTES_MAX);
    lm_body_pack(body, rec);
    assert_int_equal(body->status, LM_OK);
    memcpy(id_out, rec->id, 40);
}

static void take_records(struct nw *w, uint64_t first, size_t n, char (*ids)[40])
{
    struct lm_import_done done;

    for (size_t i = 0; i < n; i++) {
        struct lm_feed_entry e = {
            .kind = LM_ENTRY_BODY, .type = "consultation", .position = first + i};
        struct lm_cursor next = {.position = first + i};
        struct lm_buf body;

        town_record(w, first + i, (unsigned)(first + i), ids[i], &body);
        memcpy(e.id, ids[i], sizeof e.id);
        memcpy(next.id, ids[i], sizeof next.id);
        e.body = body.data;
        e.body_len = body.len;
        (void)make_export(w, LM_BUNDLE_BYTES_MAX);
        begin_reply(welcome_of(w, 1, first + i), TRUE_ONE);
        add_page(w, nw_me(w).cursor, next, first + i, &e, 1);
        taken(w, &done);
        assert_int_equal(done.records, 1);
        lm_buf_free(&body);
    }
}

struct offered {
    size_t frames, records;
    char first[40], last[40];
    struct lm_proof proof;
};

static struct offered offered_in(struct nw *w, const struct lm_export_done *done)
{
    struct offered out = {0};

    for (uint16_t part = 1; part <= done->parts; part++) {
        struct opened o = open_part(w, done, part);
        const uint8_t *body;
        uint8_t kind;
        size_t n;

        while (lm_bundle_next(&o.frames, &kind, &body, &n)) {
            struct lm_msg_offer m;

            if (kind != LM_MSG_RECOVER) {
                continue;
            }
            assert_int_equal(lm_offer_read(body, n, &w->arena, &m, &w->err), LM_OK);
            assert_int_equal(m.session, 0);
            out.frames++;
            for (size_t i = 0; i < m.n; i++) {
                assert_true(strcmp(m.items[i].id, out.last) > 0); /* over all parts */
                memcpy(out.records == 0 ? out.first : out.last, m.items[i].id, 40);
                memcpy(out.last, m.items[i].id, 40);
                out.records++;
            }
            out.proof = m.proof;
        }
        free(o.data);
    }
    return out;
}

static void answer_offers(const char *id)
{
    struct lm_msg_offered m = {0};
    struct lm_buf body;

    memcpy(m.id, id, sizeof m.id);
    lm_buf_init(&body, 64);
    lm_offered_pack(&body, &m);
    frame(LM_MSG_RECOVER, &body);
}

static bool has_offers(struct nw *w)
{
    struct lm_error err = {0};
    bool out;

    assert_int_equal(lm_nstore_has_offers(w->store, &out, &err), LM_OK);
    return out;
}

static void what_the_hub_lost_goes_with_the_next_export(void **state)
{
    struct nw *w = *state;
    struct lm_import_done done;
    struct lm_export_done out;
    struct offered o;
    char ids[6][40];

    take_records(w, 11, 6, ids);
    out = make_export(w, LM_BUNDLE_BYTES_MAX);
    assert_false(out.gives_back);
    assert_int_equal(hello_of(w, &out).n_checkpoints, 6); /* so the hub can say where they part */
    /* The hub went back to position 13: three of the six are gone there. */
    done = welcomed(w, 2, 13, 13);
    assert_true(done.gives_back);
    out = make_export(w, LM_BUNDLE_BYTES_MAX);
    assert_true(out.gives_back);
    o = offered_in(w, &out);
    assert_int_equal(o.records, 3);
    assert_string_equal(o.last, ids[5]);
    assert_int_equal(o.proof.incarnation.counter, 1);
    assert_true(lm_proof_verifies(&o.proof, hub.sign_public));
    /* Not answered: all of it goes again. */
    begin_reply(welcome_of(w, 2, 14), TRUE_ONE);
    taken(w, &done);
    assert_true(done.gives_back);
    out = make_export(w, LM_BUNDLE_BYTES_MAX);
    assert_int_equal(offered_in(w, &out).records, 3);
    /* Answered in part: the rest. */
    begin_reply(welcome_of(w, 2, 14), TRUE_ONE);
    answer_offers(ids[4]);
    taken(w, &done);
    assert_true(done.gives_back);
    out = make_export(w, LM_BUNDLE_BYTES_MAX);
    o = offered_in(w, &out);
    assert_int_equal(o.records, 1);
    begin_reply(welcome_of(w, 2, 14), TRUE_ONE);
    answer_offers(ids[5]);
    taken(w, &done);
    assert_false(done.gives_back);
    assert_int_equal(take(w, hub.answers, &done), LM_OK); /* the stick once more */
    assert_true(done.old);
    out = make_export(w, LM_BUNDLE_BYTES_MAX);
    assert_false(out.gives_back);
    /* The hub goes back again, to where it has every mark: what waited for a person is gone. */
    done = welcomed(w, 3, 14, nw_me(w).seen.position);
    assert_true(done.gives_back);
    out = make_export(w, LM_BUNDLE_BYTES_MAX);
    assert_int_equal(offered_in(w, &out).records, 3);
    nw_check_chain(w); /* nothing of it is a change of the PC's */
    assert_string_equal(nw_text(nw_get(w, "consultation", ids[5]), "topic"), "policy");
}

/* What an answer names was offered in its export; more may lie below that id since. */
static void an_answer_of_another_history_gives_nothing_up(void **state)
{
    struct nw *w = *state;
    struct lm_import_done done;
    char ids[4][40];
    uint64_t old;

    take_records(w, 11, 4, ids);
    (void)welcomed(w, 2, 13, 13);
    (void)make_export(w, LM_BUNDLE_BYTES_MAX);
    old = hub.answers;
    /* The answer comes from a hub that went back once more meanwhile. */
    {
        struct lm_msg_welcome m = welcome_of(w, 3, 12);

        m.common = 12;
        begin_reply(m, TRUE_ONE);
        answer_offers(ids[3]);
        taken(w, &done);
        assert_true(done.gives_back);
        assert_true(has_offers(w));
    }
    /* And an old one, to an export from before that. */
    begin_reply(welcome_of(w, 2, 13), TRUE_ONE);
    answer_offers(ids[3]);
    assert_int_equal(take(w, old, &done), LM_OK);
    assert_true(done.old);
    (void)make_export(w, LM_BUNDLE_BYTES_MAX);
    old = hub.answers;
    (void)welcomed(w, 3, 12, nw_me(w).seen.position);
    begin_reply(welcome_of(w, 3, 12), TRUE_ONE);
    answer_offers(ids[3]);
    assert_int_equal(take(w, old, &done), LM_OK);
    assert_true(done.old);
    assert_true(has_offers(w));
}

/* n records of the town's of some 4 KB each, put there as the feed would, from this position on. */
static void put_large_records(struct nw *w, unsigned n, uint64_t position)
{
    const struct lm_type *type = lm_catalog_type(w->catalog, "consultation");
    const struct lm_field *field = lm_type_field(type, "return_note");
    char text[LM_TEXT_CHARS_MAX + 1], id[40];
    struct lm_record *rec;
    struct lm_arena arena;
    struct lm_rand rnd;

    assert_non_null(field);
    nw_create(w, "consultation", CONSULTATION, id);
    lm_arena_init(&arena, 8 * 1024 * 1024);
    assert_int_equal(lm_nstore_begin(w->store, &w->err), LM_OK);
    for (unsigned i = 0; i < n; i++) {
        lm_arena_reset(&arena);
        assert_int_equal(lm_tables_get(lm_nstore_tables(w->store), &arena, type, id, &rec), LM_OK);
        lm_rand_seed(&rnd, i + 1);
        lm_uuid_v7(&rnd, 1790000000000LL + i, rec->id);
        for (size_t c = 0; c < LM_TEXT_CHARS_MAX; c++) {
            text[c] = (char)('a' + lm_rand_below(&rnd, 26));
        }
        text[LM_TEXT_CHARS_MAX] = '\0';
        rec->fields[field->index] =
            (struct lm_value){.kind = LM_TEXT, .text = text, .len = LM_TEXT_CHARS_MAX};
        for (size_t g = 0; g < type->n_groups; g++) {
            rec->stamps[g].version.replica = 0;
        }
        rec->position = position + i;
        assert_int_equal(lm_tables_put(lm_nstore_tables(w->store), rec, true, &w->err), LM_OK);
    }
    assert_int_equal(lm_nstore_commit(w->store, &w->err), LM_OK);
    lm_arena_free(&arena);
}

static void small_files_hold_it_in_parts(void **state)
{
    struct nw *w = *state;
    struct lm_export_done out;
    struct offered o;

    (void)welcomed(w, 1, 5, 0);
    put_large_records(w, 100, 100);
    (void)welcomed(w, 2, 5, 4);
    out = make_export(w, LM_EXPORT_BYTES_MIN);
    assert_in_range(out.parts, 4, 12);
    o = offered_in(w, &out);
    assert_int_equal(o.records, 100);
    assert_in_range(o.frames, 12, 40);
    out = make_export(w, LM_BUNDLE_BYTES_MAX);
    assert_int_equal(out.parts, 1);
    o = offered_in(w, &out);
    assert_int_equal(o.records, 100);
    assert_in_range(o.frames, 2, 4);
}

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
    struct lm_catalog *two = catalog_2();
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
            .number = 2, .total = two->packed_len, .bytes = two->packed, .n = 1000};
        enum lm_catalog_outcome outcome;
        uint64_t at;

        memcpy(part.hash, two->hash, sizeof part.hash);
        assert_int_equal(lm_nstore_catalog_part(w->store, &part, &outcome, &at, &w->err), LM_OK);
    }
    begin_reply(with_catalog(w, two), TRUE_ONE);
    add_catalog(two);
    taken(w, &done);
    assert_int_equal(done.catalog, 2);
    assert_false(done.catalog_refused);
    assert_int_equal(lm_nstore_catalog(w->store)->number, 2);
    assert_int_equal(nw_me(w).catalog, 2);
    assert_int_equal(lm_nstore_hub_catalog(w->store, &told, &w->err), LM_OK);
    assert_int_equal(told.number, 0);
    out = make_export(w, LM_BUNDLE_BYTES_MAX);
    assert_int_equal(hello_of(w, &out).catalog, 2);
    /* An older reply brings nothing back. */
    begin_reply(welcome_of(w, 1, 5), TRUE_ONE);
    assert_int_equal(take(w, old, &done), LM_OK);
    assert_true(done.old);
    assert_int_equal(nw_me(w).catalog, 2);
    lm_catalog_destroy(&two);
}

static void a_catalogue_that_is_not_what_it_says_is_kept_out(void **state)
{
    struct nw *w = *state;
    struct lm_catalog *two = catalog_2(), *three = catalog_3();
    struct lm_import_done done;
    struct lm_hub_catalog told;
    struct lm_msg_welcome m;
    char id[40];

    /* Bytes of another one under this hash. */
    (void)make_export(w, LM_BUNDLE_BYTES_MAX);
    m = with_catalog(w, two);
    begin_reply(m, TRUE_ONE);
    memcpy(three->hash, two->hash, sizeof three->hash);
    three->number = 2;
    add_catalog(three);
    taken(w, &done);
    assert_true(done.catalog_refused);
    assert_int_equal(done.catalog, 0);
    assert_int_equal(nw_me(w).catalog, 1);
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
    assert_int_equal(nw_me(w).catalog, 1);
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
    struct lm_catalog *two = catalog_2();
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
    assert_int_equal(nw_me(w).catalog, 1);
    lm_catalog_destroy(&two);
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
    struct opened o = open_part(w, done, 1);
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

/* ---- HLCs where the clock does not lead ---- */

/* The HLC of a save that is taken back: the PC was set back to before it. */
static uint64_t hlc_of_a_save(struct nw *w)
{
    uint64_t hlc;

    assert_int_equal(nw_save_entry(w, LM_OP_CREATE, "consultation", NULL, NULL, CONSULTATION),
                     LM_OK);
    hlc = w->saver.me.hlc;
    nw_close_store(w); /* without a flush: nothing was saved */
    nw_open_store(w);
    return hlc;
}

static void put_hlc(struct nw *w, uint64_t hlc)
{
    char sql[80];

    (void)snprintf(sql, sizeof sql, "UPDATE me SET hlc = %llu", (unsigned long long)hlc);
    assert_int_equal(lm_db_exec(w->store->db, sql, &w->err), LM_OK);
}

/* Where the clock leads, the HLC is the clock; where it stands, a PC that was set back must not
 * come to the same HLC for another change: the hub would take the two for one. */
static void hlcs_of_a_standing_clock_differ(void **state)
{
    struct nw *w = *state;
    uint64_t ahead = lm_hlc_of_ms(lm_clock_wall_ms() + 3600 * 1000), seen[24];
    size_t same = 0;

    assert_int_equal(hlc_of_a_save(w) & 0xffff, 0);
    put_hlc(w, ahead);
    for (size_t i = 0; i < 24; i++) {
        seen[i] = hlc_of_a_save(w);
        assert_in_range(seen[i], ahead + 1, ahead + 4096);
        for (size_t j = 0; j < i; j++) {
            same += seen[j] == seen[i];
        }
    }
    assert_true(same <= 2); /* 276 pairs of 4,096: 3 or more in one run of 20,000 */
    /* At the end of what an HLC may be there is no room to skip. */
    put_hlc(w, LM_HLC_FAR - 10);
    assert_int_equal(hlc_of_a_save(w), LM_HLC_FAR - 9);
    assert_int_equal(hlc_of_a_save(w), LM_HLC_FAR - 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_true_proof_is_kept_and_shown, setup, nw_teardown),
        cmocka_unit_test_setup_teardown(a_false_or_missing_proof_changes_nothing, setup,
                                        nw_teardown),
        cmocka_unit_test_setup_teardown(a_restore_keeps_the_newest_incarnations_proof, setup,
                                        nw_teardown),
        cmocka_unit_test_setup_teardown(what_the_hub_lost_goes_with_the_next_export, setup,
                                        nw_teardown),
        cmocka_unit_test_setup_teardown(an_answer_of_another_history_gives_nothing_up, setup,
                                        nw_teardown),
        cmocka_unit_test_setup_teardown(small_files_hold_it_in_parts, setup, nw_teardown),
        cmocka_unit_test_setup_teardown(a_newer_catalogue_comes_with_the_reply, setup, nw_teardown),
        cmocka_unit_test_setup_teardown(a_catalogue_that_is_not_what_it_says_is_kept_out, setup,
                                        nw_teardown),
        cmocka_unit_test_setup_teardown(a_stale_reply_brings_no_catalogue, setup, nw_teardown),
        cmocka_unit_test_setup_teardown(a_history_that_was_asked_for_comes_with_the_reply, setup,
                                        nw_teardown),
        cmocka_unit_test_setup_teardown(hlcs_of_a_standing_clock_differ, setup, nw_teardown),
    };
    int failed;

    if (sodium_init() < 0) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    lm_buf_free(&hub.reply);
    return failed;
}
