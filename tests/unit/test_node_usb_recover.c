/* What a node gives back, by stick, to a hub that went back (P7). */
#include "tests/unit/usb_world.h"

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
        struct opened o = open_part(done, part);
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

#define T(f) cmocka_unit_test_setup_teardown(f, usb_setup, nw_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_the_hub_lost_goes_with_the_next_export),
        T(an_answer_of_another_history_gives_nothing_up),
        T(small_files_hold_it_in_parts),
    };
    return cmocka_run_group_tests(tests, usb_group_setup, usb_group_teardown);
}
