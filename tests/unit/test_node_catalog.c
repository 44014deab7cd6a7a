/* Catalogues at the node: taken in part by part and put into force in one transaction, seen by
 * every process before its next save; whatever is not for this PC leaves its own in force. P1, P6,
 * P12. */
#include "tests/unit/node_world.h"

#include "proto/feed.h"

#include "tests/support/catalogs.h"

#define CONSULTATION                                                                               \
    "{'on':'2026-02-01','channel':'phone','topic':'policy','item_count':2,'state':'submitted'}"
#define HALF 20000

static struct lm_msg_part part_of(uint32_t number, const uint8_t hash[32], const uint8_t *packed,
                                  size_t total, size_t from, size_t to)
{
    struct lm_msg_part part = {.number = number, .total = total, .offset = from};

    memcpy(part.hash, hash, 32);
    part.bytes = packed + from;
    part.n = to - from;
    return part;
}

static enum lm_catalog_outcome offer(struct nw *w, const struct lm_catalog *c, uint64_t *offset)
{
    enum lm_catalog_outcome outcome;
    struct lm_error err = {0};

    if (lm_nstore_catalog_offer(w->store, c->number, c->hash, &outcome, offset, &err) != LM_OK) {
        fail_msg("offer: %s", err.en);
    }
    return outcome;
}

static enum lm_catalog_outcome give(struct nw *w, const struct lm_catalog *c, size_t from,
                                    size_t to, uint64_t *offset)
{
    struct lm_msg_part part = part_of(c->number, c->hash, c->packed, c->packed_len, from, to);
    enum lm_catalog_outcome outcome;
    struct lm_error err = {0};

    if (lm_nstore_catalog_part(w->store, &part, &outcome, offset, &err) != LM_OK) {
        fail_msg("part: %s", err.en);
    }
    return outcome;
}

static struct lm_hub_catalog told(struct nw *w)
{
    struct lm_hub_catalog hub;
    struct lm_error err = {0};

    assert_int_equal(lm_nstore_hub_catalog(w->store, &hub, &err), LM_OK);
    return hub;
}

static struct lm_record *find(struct nw *w, const char *type, const char *id)
{
    const struct lm_type *t = lm_catalog_type(lm_nstore_catalog(w->store), type);
    struct lm_record *rec = NULL;

    assert_non_null(t);
    assert_int_equal(lm_tables_get(lm_nstore_tables(w->store), &w->arena, t, id, &rec), LM_OK);
    return rec;
}

static void it_comes_into_force_with_its_last_part(void **state)
{
    struct nw *w = *state;
    struct lm_catalog *two = catalog_next();
    struct lm_nstore *other = NULL;
    struct lm_error err = {0};
    uint64_t at = 9;
    char id[40];

    nw_create(w, "consultation", CONSULTATION, id);
    assert_int_equal(lm_nstore_open(&w->dir, w->catalog, false, &other, &err), LM_OK);
    assert_int_equal(offer(w, two, &at), LM_CATALOG_ASK);
    assert_int_equal(at, 0);
    assert_int_equal(told(w).number, CATALOG_NEXT);
    assert_string_equal(told(w).code, "");
    assert_int_equal(give(w, two, 0, HALF, &at), LM_CATALOG_ASK);
    assert_int_equal(at, HALF);
    assert_int_equal(lm_nstore_catalog(w->store)->number, CATALOG_OWN);
    /* The process ends here: what is stored stays. */
    nw_close_store(w);
    nw_open_store(w);
    assert_int_equal(offer(w, two, &at), LM_CATALOG_ASK);
    assert_int_equal(at, HALF);
    assert_int_equal(give(w, two, HALF, two->packed_len, &at), LM_CATALOG_IN_FORCE);
    assert_int_equal(lm_nstore_catalog(w->store)->number, CATALOG_NEXT);
    assert_int_equal(nw_me(w).catalog, CATALOG_NEXT);
    assert_memory_equal(nw_me(w).catalog_hash, two->hash, 32);
    assert_int_equal(told(w).number, 0);
    assert_int_equal(offer(w, two, &at), LM_CATALOG_IN_FORCE);
    assert_true(lm_value_is_null(lm_record_get(find(w, "consultation", id), "mood")));
    /* Another process sees it before its next save, and a reader when it looks. */
    assert_int_equal(lm_nstore_catalog(other)->number, CATALOG_OWN);
    assert_int_equal(lm_nstore_begin(other, &err), LM_OK);
    assert_int_equal(lm_nstore_catalog(other)->number, CATALOG_NEXT);
    lm_nstore_rollback(other);
    lm_nstore_close(&other);
    assert_int_equal(nw_save_entry(w, LM_OP_CREATE, "consultation", NULL, NULL, CONSULTATION),
                     LM_ERR_INVALID);
    assert_string_equal(w->err.field, "urgency");
    nw_create(w, "drill", "{'kind':'window','opened_on':'2020-01-01'}", id);
    nw_check_chain(w);
    /* And after a restart with a program that brings the first one. */
    nw_close_store(w);
    nw_open_store(w);
    assert_int_equal(lm_nstore_catalog(w->store)->number, CATALOG_NEXT);
    lm_catalog_destroy(&two);
}

static void parts_that_do_not_continue_begin_anew(void **state)
{
    struct nw *w = *state;
    struct lm_catalog *two = catalog_next(), *three = catalog_after();
    uint64_t at = 0;

    assert_int_equal(offer(w, two, &at), LM_CATALOG_ASK);
    assert_int_equal(give(w, two, 0, HALF, &at), LM_CATALOG_ASK);
    assert_int_equal(give(w, two, HALF + 1, HALF + 100, &at), LM_CATALOG_ASK);
    assert_int_equal(at, 0);
    assert_int_equal(give(w, two, 0, HALF, &at), LM_CATALOG_ASK);
    /* The hub has another one since. */
    assert_int_equal(offer(w, three, &at), LM_CATALOG_ASK);
    assert_int_equal(at, 0);
    assert_int_equal(give(w, three, 0, three->packed_len, &at), LM_CATALOG_IN_FORCE);
    assert_int_equal(nw_me(w).catalog, CATALOG_AFTER);
    lm_catalog_destroy(&two);
    lm_catalog_destroy(&three);
}

/* A whole catalogue in one part, said to be number and hash. */
static enum lm_catalog_outcome give_all(struct nw *w, uint32_t number, const uint8_t hash[32],
                                        const uint8_t *packed, size_t n)
{
    struct lm_msg_part part = part_of(number, hash, packed, n, 0, n);
    enum lm_catalog_outcome outcome;
    struct lm_error err = {0};
    uint64_t at = 0;

    assert_int_equal(lm_nstore_catalog_offer(w->store, number, hash, &outcome, &at, &err), LM_OK);
    if (outcome == LM_CATALOG_ASK) {
        assert_int_equal(lm_nstore_catalog_part(w->store, &part, &outcome, &at, &err), LM_OK);
    }
    return outcome;
}

static void what_is_not_for_this_pc_leaves_its_own(void **state)
{
    struct nw *w = *state;
    struct lm_catalog *two = catalog_next(), *other;
    const struct edit dropped[] = {
        {"types/facility.json", "/fields/name=area_sqm", DELETE, NULL},
        {"types/facility.json", "/list_columns", SET, "[\"kind\"]"},
    };
    const struct edit said = {"types/facility.json", "/zh", SET, "\"设施\""};
    uint8_t hash[32] = {7}, noise[500];
    char id[40];

    /* Not what its hash says; not a catalogue at all. */
    assert_int_equal(give_all(w, CATALOG_NEXT, hash, two->packed, two->packed_len),
                     LM_CATALOG_KEPT_OUT);
    assert_string_equal(told(w).code, "damaged");
    assert_int_equal(give_all(w, 5, two->hash, two->packed, two->packed_len), LM_CATALOG_KEPT_OUT);
    memset(noise, 0x5a, sizeof noise);
    assert_int_equal(give_all(w, CATALOG_NEXT, two->hash, noise, sizeof noise),
                     LM_CATALOG_KEPT_OUT);
    assert_string_equal(told(w).code, "malformed");
    /* One that can't follow. */
    other = catalog_edited(CATALOG_NEXT, dropped, 2);
    assert_int_equal(give_all(w, CATALOG_NEXT, other->hash, other->packed, other->packed_len),
                     LM_CATALOG_KEPT_OUT);
    assert_string_equal(told(w).code, "not_additive");
    assert_non_null(strstr(told(w).zh, "area_sqm"));
    lm_catalog_destroy(&other);
    /* The same number with other contents, and a lower one: not even asked for. */
    other = catalog_edited(CATALOG_OWN, &said, 1);
    assert_int_equal(give_all(w, CATALOG_OWN, other->hash, other->packed, other->packed_len),
                     LM_CATALOG_KEPT_OUT);
    assert_string_equal(told(w).code, "rival");
    lm_catalog_destroy(&other);
    assert_int_equal(nw_me(w).catalog, CATALOG_OWN);
    nw_create(w, "consultation", CONSULTATION, id);
    assert_int_equal(give_all(w, CATALOG_NEXT, two->hash, two->packed, two->packed_len),
                     LM_CATALOG_IN_FORCE);
    assert_int_equal(
        give_all(w, CATALOG_OWN, w->catalog->hash, w->catalog->packed, w->catalog->packed_len),
        LM_CATALOG_KEPT_OUT);
    assert_string_equal(told(w).code, "hub_older");
    assert_int_equal(nw_me(w).catalog, CATALOG_NEXT);
    lm_catalog_destroy(&two);
}

static void one_for_a_newer_program_waits_for_it(void **state)
{
    struct nw *w = *state;
    struct copy c;
    struct lm_buf packed;
    uint8_t hash[32];
    uint64_t at = 0;
    enum lm_catalog_outcome outcome;
    struct lm_error err = {0};

    copy_init(&c);
    copy_edit(&c, "catalog.json", "/number", SET, "3");
    copy_edit(&c, "catalog.json", "/grammar", SET, "99");
    lm_buf_init(&packed, LM_CATALOG_PACKED_BYTES_MAX);
    assert_int_equal(lm_catalog_hash(c.files, c.n, hash), LM_OK);
    assert_int_equal(lm_catalog_pack(c.files, c.n, &packed), LM_OK);
    assert_int_equal(give_all(w, CATALOG_NEXT, hash, packed.data, packed.len), LM_CATALOG_KEPT_OUT);
    assert_string_equal(told(w).code, "newer_grammar");
    assert_non_null(strstr(told(w).zh, "升级"));
    /* It is not fetched again: a newer program finds it here. */
    assert_int_equal(lm_nstore_catalog_offer(w->store, CATALOG_NEXT, hash, &outcome, &at, &err),
                     LM_OK);
    assert_int_equal(outcome, LM_CATALOG_KEPT_OUT);
    assert_int_equal(nw_me(w).catalog, CATALOG_OWN);
    lm_buf_free(&packed);
    copy_free(&c);
}

static void take_body(struct nw *w, struct lm_record *rec, uint64_t position)
{
    struct lm_feed_entry entry = {.kind = LM_ENTRY_BODY, .position = position};
    struct lm_msg_feed page = {.done = true, .entries = &entry, .n_entries = 1};
    struct lm_me me = nw_me(w);
    struct lm_cursor cursor;
    struct lm_error err = {0};
    struct lm_buf buf;
    uint64_t wanted;

    lm_buf_init(&buf, LM_FRAME_BYTES_MAX);
    rec->position = (int64_t)position;
    lm_body_pack(&buf, rec);
    memcpy(entry.id, rec->id, sizeof entry.id);
    entry.type = rec->type->name;
    entry.body = buf.data;
    entry.body_len = buf.len;
    page.branch = me.branch;
    page.acked = me.acked;
    page.from = me.cursor;
    page.next.position = page.head.position = position;
    memcpy(page.next.id, rec->id, sizeof page.next.id);
    assert_int_equal(lm_nstore_apply_page(w->store, &page, false, 1, &cursor, &wanted, &err),
                     LM_OK);
    assert_int_equal(cursor.position, position);
    assert_int_equal(wanted, 0);
    lm_buf_free(&buf);
}

static struct lm_record *hub_record(struct nw *w, const struct lm_catalog *c, const char *type,
                                    const char *id)
{
    struct lm_record *rec = lm_record_new(&w->arena, lm_catalog_type(c, type), id);

    assert_non_null(rec);
    for (size_t g = 0; g < rec->type->n_groups; g++) {
        rec->stamps[g] = (struct lm_stamp){.version = {50, 7}, .rank = 50};
    }
    rec->fields[LM_C_VILLAGE_CODE] = lm_value_text(NW_STATION);
    rec->fields[LM_C_STATE] = lm_value_text("submitted");
    return rec;
}

static void set(struct lm_record *rec, const char *field, struct lm_value value)
{
    const struct lm_field *f = lm_type_field(rec->type, field);

    assert_non_null(f);
    rec->fields[f->index] = value;
}

/* P5, P6: with the old catalogue a record keeps what it does not know, with the digest of the hub's
 * copy; with the new one it knows it. */
static void what_was_unknown_becomes_known(void **state)
{
    static const char consultation_id[] = "018f0000-0000-7000-8000-000000000001";
    static const char drill_id[] = "018f0000-0000-7000-8000-000000000002";
    struct nw *w = *state;
    struct lm_catalog *two = catalog_next();
    struct lm_record *consultation = hub_record(w, two, "consultation", consultation_id);
    struct lm_record *drill = hub_record(w, two, "drill", drill_id);
    const struct lm_field *mood = lm_type_field(consultation->type, "mood");
    uint64_t digest;
    char type[48];

    set(consultation, "on", lm_value_text("2026-02-01"));
    set(consultation, "channel", lm_value_text("pigeon")); /* a code of the newer list */
    set(consultation, "topic", lm_value_text("policy"));
    set(consultation, "item_count", lm_value_int(3));
    set(consultation, "mood", lm_value_text("平静"));
    consultation->stamps[mood->group].version.hlc = 60; /* set later than the rest */
    set(drill, "kind", lm_value_text("window"));
    set(drill, "opened_on", lm_value_text("2024-01-01"));
    digest = lm_record_digest(consultation);
    take_body(w, consultation, 5);
    take_body(w, drill, 6);
    assert_true(lm_record_digest(find(w, "consultation", consultation_id)) == digest);
    assert_string_equal(
        lm_value_member(&find(w, "consultation", consultation_id)->unknown, "mood")->text, "平静");
    assert_string_equal(nw_text(find(w, "consultation", consultation_id), "channel"), "pigeon");
    assert_true(lm_nstore_later(w->store, drill_id, type));
    assert_string_equal(type, "drill");
    assert_int_equal(told(w).later, 1);
    /* An edit beside what is not known leaves it alone. */
    nw_save(w, LM_OP_EDIT, NULL, consultation_id, "{'item_count':4}", NULL);
    assert_string_equal(
        lm_value_member(&find(w, "consultation", consultation_id)->unknown, "mood")->text, "平静");

    assert_int_equal(give_all(w, CATALOG_NEXT, two->hash, two->packed, two->packed_len),
                     LM_CATALOG_IN_FORCE);
    assert_string_equal(nw_text(find(w, "consultation", consultation_id), "mood"), "平静");
    assert_true(lm_value_is_null(&find(w, "consultation", consultation_id)->unknown));
    assert_int_equal(find(w, "consultation", consultation_id)->stamps[mood->group].version.hlc, 60);
    assert_string_equal(nw_text(find(w, "drill", drill_id), "kind"), "window");
    assert_false(lm_nstore_later(w->store, drill_id, type));
    assert_int_equal(told(w).later, 0);
    lm_catalog_destroy(&two);
}

static void a_newer_program_brings_its_own(void **state)
{
    struct nw *w = *state;
    struct lm_catalog *first = w->catalog, *two = catalog_next();
    char id[40];

    nw_create(w, "consultation", CONSULTATION, id);
    assert_non_null(nw_get(w, "consultation", id));
    nw_close_store(w);
    w->catalog = two;
    nw_open_store(w);
    assert_int_equal(nw_me(w).catalog, CATALOG_NEXT);
    assert_ptr_equal(lm_nstore_catalog(w->store), two);
    assert_int_equal(lm_value_is_null(lm_record_get(find(w, "consultation", id), "mood")), 1);
    nw_close_store(w);
    w->catalog = first; /* the program went back: its catalogue does not */
    nw_open_store(w);
    assert_int_equal(lm_nstore_catalog(w->store)->number, CATALOG_NEXT);
    lm_catalog_destroy(&two);
}

/* A PC that an earlier program enrolled, with the catalogue that it brought. */
static void a_pc_of_an_earlier_program_takes_the_newer_one(void **state)
{
    struct nw *w = *state;
    struct lm_catalog *own = w->catalog, *old = catalog_published(1);
    struct lm_error err = {0};
    char path[600], id[40];

    nw_close_store(w);
    for (const char *const *end = (const char *const[]){"", "-wal", "-shm", NULL}; *end; end++) {
        (void)snprintf(path, sizeof path, "%s/node.db%s", w->dir.path, *end);
        (void)remove(path);
    }
    w->catalog = old;
    nw_open_store(w);
    assert_int_equal(lm_nstore_begin(w->store, &err), LM_OK);
    assert_int_equal(
        lm_nstore_me_make(w->store, NW_REPLICA, NW_STATION, "village", "一村服务站", &err), LM_OK);
    assert_int_equal(lm_nstore_commit(w->store, &err), LM_OK);
    nw_create(w, "consultation", CONSULTATION, id);
    assert_int_equal(nw_me(w).catalog, 1);
    nw_close_store(w);
    w->catalog = own;
    nw_open_store(w);
    assert_int_equal(nw_me(w).catalog, CATALOG_OWN);
    assert_ptr_equal(lm_nstore_catalog(w->store), own);
    assert_non_null(nw_get(w, "consultation", id));
    nw_check_chain(w);
    lm_catalog_destroy(&old);
}

/* A PC that was set back behind the catalogue gets what it made by that as digests: it must ask
 * for them, or it never has them again. */
static void a_digest_of_an_unknown_type_is_asked_for(void **state)
{
    struct nw *w = *state;
    struct lm_me me = nw_me(w);
    struct lm_feed_entry entry = {.kind = LM_ENTRY_DIGEST,
                                  .id = "01932f00-1111-7222-8333-444444444444",
                                  .type = "drill",
                                  .position = 9,
                                  .digest = 5};
    struct lm_msg_feed page = {.done = true,
                               .entries = &entry,
                               .n_entries = 1,
                               .branch = me.branch,
                               .acked = me.acked,
                               .from = me.cursor};
    struct lm_cursor cursor;
    struct lm_error err = {0};
    uint64_t wanted = 0;

    page.next.position = page.head.position = 9;
    memcpy(page.next.id, entry.id, sizeof page.next.id);
    assert_int_equal(lm_nstore_apply_page(w->store, &page, false, 1, &cursor, &wanted, &err),
                     LM_OK);
    assert_int_equal(wanted, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, nw_setup, nw_teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_comes_into_force_with_its_last_part),
        TEST(parts_that_do_not_continue_begin_anew),
        TEST(what_is_not_for_this_pc_leaves_its_own),
        TEST(one_for_a_newer_program_waits_for_it),
        TEST(what_was_unknown_becomes_known),
        TEST(a_newer_program_brings_its_own),
        TEST(a_pc_of_an_earlier_program_takes_the_newer_one),
        TEST(a_digest_of_an_unknown_type_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
