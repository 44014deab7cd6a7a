/* Catalogues at the hub: a new one comes into force in one transaction, old and new stations go on
 * together, what waited for it is judged, and verify replays with the catalogue of each time. P3,
 * P4, P6, P12. */
#include "tests/unit/hub_store_world.h"

#include "common/tables.h"
#include "hub/store/store_internal.h"

#include <sys/stat.h>

#include "tests/support/catalogs.h"

#define NONE ((struct lm_version){0, 0})

static void take_breach(void *arg, const struct lm_error *breach)
{
    (void)breach;
    ++*(size_t *)arg;
}

static enum lm_status import_in(struct world *w, const struct lm_catalog *c, bool *again)
{
    size_t breaches = 0;
    enum lm_status status = lm_store_catalog_import(w->store, "张主任", c->packed, c->packed_len,
                                                    w->now, take_breach, &breaches, again, &err_);

    assert_true((status == LM_ERR_INVALID && strcmp(err_.code, "not_additive") == 0) ==
                (breaches > 0));
    return status;
}

/* Puts it into force, and lets go of the caller's. */
static void import(struct world *w, struct lm_catalog *c)
{
    bool again;

    world_begin(w);
    OK(import_in(w, c, &again));
    world_commit(w);
    assert_false(again);
    assert_int_equal(lm_store_catalog(w->store)->number, c->number);
    assert_memory_equal(lm_store_catalog(w->store)->hash, c->hash, 32);
    w->now += 1000;
    lm_catalog_destroy(&c);
}

static json_t *consultation(void)
{
    return json_pack("{s:s,s:s,s:s,s:i,s:s}", "on", "2026-09-01", "channel", "phone", "topic",
                     "policy", "item_count", 3, "state", "submitted");
}

/* extra (taken): more fields. */
static struct lm_version make(struct world *w, struct pc *pc, json_t *extra, char id[40])
{
    json_t *fields = consultation();
    struct lm_version version;

    if (extra) {
        json_object_update(fields, extra);
        json_decref(extra);
    }
    new_id(w, id);
    version = pc_add(w, pc, "consultation", id, LM_OP_CREATE, fields, NONE);
    json_decref(fields);
    return version;
}

static const struct lm_error *issue_of(const struct lm_record *rec)
{
    static struct lm_error none;

    (void)snprintf(none.code, sizeof none.code, "%s", rec->issue_code);
    (void)snprintf(none.field, sizeof none.field, "%s", rec->issue_field);
    return &none;
}

static size_t count_columns(struct world *w, const char *table, const char *column)
{
    struct sqlite3_stmt *stmt = NULL;
    size_t n;

    assert_int_equal(sqlite3_prepare_v2(w->store->sql,
                                        "SELECT count(*) FROM pragma_table_info(?1) WHERE ?2 = '' "
                                        "OR name = ?2",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    lm_bind_text(stmt, 1, table);
    lm_bind_text(stmt, 2, column);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    n = (size_t)sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return n;
}

/* ---- into force ---- */

static void tables_grow_with_the_catalogue(void **state)
{
    struct world *w = *state;
    struct lm_store *reader = NULL;
    char old[40];

    make(w, &w->a, NULL, old);
    push_all(w, &w->a);
    OK(lm_store_open(&w->dir, w->catalog, LM_STORE_READ, &reader, &err_));
    assert_int_equal(count_columns(w, "r_consultation", "mood"), 0);
    import(w, catalog_next());
    assert_int_equal(count_columns(w, "r_consultation", "mood"), 1);
    assert_int_equal(count_columns(w, "r_consultation", "reception_id"), 1); /* retired, kept */
    assert_true(count_columns(w, "r_drill", "") > 12);
    assert_non_null(get(w, "consultation", old));
    assert_false(get(w, "consultation", old)->invalid);
    /* A reader that was open sees it with its next look. */
    assert_int_equal(lm_store_catalog(reader)->number, CATALOG_OWN);
    OK(lm_store_read_begin(reader, &err_));
    assert_int_equal(lm_store_catalog(reader)->number, CATALOG_NEXT);
    assert_non_null(lm_catalog_type(lm_store_catalog(reader), "drill"));
    struct lm_record *rec = NULL;
    OK(lm_store_get(reader, &w->arena, "consultation", old, &rec));
    assert_non_null(lm_record_get(rec, "mood"));
    lm_store_read_end(reader);
    lm_store_close(&reader);
    /* And after a restart, with the program's own still the first. */
    lm_store_close(&w->store);
    world_open(w);
    assert_int_equal(lm_store_catalog(w->store)->number, CATALOG_NEXT);
    import(w, catalog_after());
    assert_int_equal(verify(w), 0);
}

static void a_rollback_brings_the_old_one_back(void **state)
{
    struct world *w = *state;
    struct lm_catalog *two = catalog_next(), *other;
    const struct edit edit = {"types/consultation.json", "/zh", SET, "\"来电\""};
    char id[40];
    bool again;

    world_begin(w);
    OK(import_in(w, two, &again));
    assert_int_equal(lm_store_catalog(w->store)->number, CATALOG_NEXT);
    lm_store_rollback(w->store);
    assert_int_equal(lm_store_catalog(w->store)->number, CATALOG_OWN);
    assert_int_equal(count_columns(w, "r_consultation", "mood"), 0);
    make(w, &w->a, NULL, id);
    push_all(w, &w->a);
    assert_non_null(get(w, "consultation", id));
    /* Another takes its number then. */
    other = catalog_edited(CATALOG_NEXT, &edit, 1);
    import(w, other);
    assert_string_equal(lm_catalog_type(lm_store_catalog(w->store), "consultation")->zh, "来电");
    lm_catalog_destroy(&two);
}

static void only_what_may_follow_is_imported(void **state)
{
    struct world *w = *state;
    struct lm_catalog *two = catalog_next(), *other;
    const struct edit edits[] = {
        {"types/facility.json", "/fields/name=area_sqm", DELETE, NULL},
        {"types/facility.json", "/list_columns", SET, "[\"kind\"]"},
        {"types/consultation.json", "/zh", SET, "\"来电\""},
    };
    struct lm_mark before, after;
    bool again;

    import(w, catalog_next());
    OK(lm_store_head(w->store, &before));
    world_begin(w);
    OK(import_in(w, two, &again)); /* the same again */
    assert_true(again);
    other = catalog_edited(CATALOG_NEXT, &edits[2], 1);
    assert_int_equal(import_in(w, other, &again), LM_ERR_EXISTS);
    assert_string_equal(err_.code, "same_number");
    lm_catalog_destroy(&other);
    other = catalog_edited(CATALOG_OWN, &edits[2], 1);
    assert_int_equal(import_in(w, other, &again), LM_ERR_INVALID);
    lm_catalog_destroy(&other);
    other = catalog_edited(CATALOG_AFTER, edits, 2);
    assert_int_equal(import_in(w, other, &again), LM_ERR_INVALID);
    assert_non_null(strstr(err_.zh, "没有导入"));
    lm_catalog_destroy(&other);
    assert_int_equal(lm_store_catalog_import(w->store, "", (const uint8_t *)"(", 1, w->now, NULL,
                                             NULL, &again, &err_),
                     LM_ERR_INVALID);
    world_commit(w);
    OK(lm_store_head(w->store, &after));
    assert_true(before.position == after.position);
    assert_int_equal(lm_store_catalog(w->store)->number, CATALOG_NEXT);
    lm_catalog_destroy(&two);
}

static void a_new_program_brings_its_catalogue(void **state)
{
    struct world *w = *state;
    struct lm_catalog *first = w->catalog, *two = catalog_next(), *three;
    const struct edit edits[] = {
        {"types/facility.json", "/fields/name=area_sqm", DELETE, NULL},
        {"types/facility.json", "/list_columns", SET, "[\"kind\"]"},
    };

    lm_store_close(&w->store);
    w->catalog = two;
    world_open(w);
    assert_ptr_equal(lm_store_catalog(w->store), two);
    lm_store_close(&w->store);
    /* The program went back: what is in force stays. */
    w->catalog = first;
    world_open(w);
    assert_int_equal(lm_store_catalog(w->store)->number, CATALOG_NEXT);
    lm_store_close(&w->store);
    /* One that can't follow does not stop the town. */
    three = catalog_edited(CATALOG_AFTER, edits, 2);
    w->catalog = three;
    world_open(w);
    assert_int_equal(lm_store_catalog(w->store)->number, CATALOG_NEXT);
    assert_int_equal(verify(w), 0);
    lm_store_close(&w->store);
    w->catalog = first;
    world_open(w);
    lm_catalog_destroy(&two);
    lm_catalog_destroy(&three);
}

/* A town that an earlier program made, with the catalogue that it brought. */
static void a_town_of_an_earlier_program_takes_the_newer_one(void **state)
{
    struct world *w = *state;
    struct lm_catalog *own = w->catalog, *old = catalog_published(1);
    const struct lm_store_init init = {.town_name = "明月镇",
                                       .town_code = TOWN,
                                       .admin_name = "admin",
                                       .admin_password = "a long password",
                                       .now_ms = T0};
    struct lm_act act = {.user = "甲", .type = "notice", .op = LM_OP_CREATE};
    struct lm_act_result done = {0};
    json_t *fields =
        json_pack("{s:s,s:s,s:s}", "title", "通知", "body", "请看。", "published_on", "2026-09-01");

    lm_store_close(&w->store);
    lm_datadir_close(&w->dir);
    remove_dir(w->path);
    assert_int_equal(mkdir(w->path, 0700), 0);
    OK(lm_datadir_open(w->path, true, &w->dir, &err_));
    OK(lm_store_create(&w->dir, old, &init, &err_));
    w->catalog = old;
    world_open(w);
    act.fields = fields;
    world_begin(w);
    OK(lm_store_act(w->store, &act, w->now, &done, &err_));
    world_commit(w);
    lm_store_close(&w->store);
    w->catalog = own;
    world_open(w);
    assert_ptr_equal(lm_store_catalog(w->store), own);
    assert_string_equal(text(get(w, "notice", done.id), "title"), "通知");
    assert_int_equal(verify(w), 0);
    json_decref(fields);
    lm_catalog_destroy(&old);
}

/* ---- old and new together ---- */

static void required_is_judged_by_the_changes_own_catalogue(void **state)
{
    struct world *w = *state;
    char before[40], older[40], newer[40];
    struct lm_version made = make(w, &w->a, NULL, before);

    push_all(w, &w->a);
    import(w, catalog_next());
    assert_false(get(w, "consultation", before)->invalid);
    w->made_with = CATALOG_OWN;
    make(w, &w->a, NULL, older);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_verdicts, 0);
    assert_false(get(w, "consultation", older)->invalid);
    w->made_with = CATALOG_NEXT;
    make(w, &w->b, NULL, newer);
    push_all(w, &w->b);
    assert_true(get(w, "consultation", newer)->invalid);
    assert_string_equal(issue_of(get(w, "consultation", newer))->code, "required");
    assert_string_equal(issue_of(get(w, "consultation", newer))->field, "urgency");
    /* An old record edited by who knows better. */
    pc_set(w, &w->a, "consultation", before, "topic", "other", made);
    push_all(w, &w->a);
    assert_true(get(w, "consultation", before)->invalid);
    /* What the older catalogue asked for is asked for. */
    w->made_with = CATALOG_OWN;
    json_t *fields = consultation();
    json_object_del(fields, "topic");
    new_id(w, newer);
    pc_add(w, &w->b, "consultation", newer, LM_OP_CREATE, fields, NONE);
    json_decref(fields);
    push_all(w, &w->b);
    assert_string_equal(issue_of(get(w, "consultation", newer))->field, "topic");
    assert_int_equal(verify(w), 0);
}

static void the_town_verifies_what_was_saved_before(void **state)
{
    struct world *w = *state;
    char id[40];
    json_t *fields = json_pack("{s:s}", "state", "verified");
    json_t *edit = json_pack("{s:i}", "item_count", 9);
    struct lm_act act = {.user = "张主任", .op = LM_OP_EDIT, .fields = fields};
    struct lm_act_result result;

    make(w, &w->a, NULL, id);
    push_all(w, &w->a);
    import(w, catalog_next());
    act.id = id;
    world_begin(w);
    act.fields = edit;
    assert_int_equal(lm_store_act(w->store, &act, w->now, &result, &err_), LM_ERR_INVALID);
    act.fields = fields;
    OK(lm_store_act(w->store, &act, w->now, &result, &err_));
    world_commit(w);
    assert_string_equal(text(get(w, "consultation", id), "state"), "verified");
    json_decref(fields);
    json_decref(edit);
}

static void retired_fields_and_codes_hold_for_who_did_not_know(void **state)
{
    struct world *w = *state;
    char old[40], late[40], now[40], set[40], reception[40];
    struct lm_version made;

    new_id(w, reception);
    import(w, catalog_next());
    w->made_with = CATALOG_OWN;
    make(w, &w->a, json_pack("{s:s}", "channel", "im"), old);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_verdicts, 0);
    assert_string_equal(text(get(w, "consultation", old), "channel"), "im");
    made = make(w, &w->a, NULL, late);
    push_all(w, &w->a);
    w->made_with = CATALOG_NEXT;
    make(w, &w->a, json_pack("{s:s,s:s}", "channel", "im", "urgency", "low"), now);
    push_all(w, &w->a);
    assert_string_equal(issue_of(get(w, "consultation", now))->code, "bad_code");
    make(w, &w->a, json_pack("{s:s,s:s}", "reception_id", reception, "urgency", "low"), set);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_verdicts, 1);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_REFUSED);
    assert_string_equal(w->pushed.verdicts[0].code, "retired_field");
    /* From an older station it is a field like any: here it waits for the reception it names. */
    w->made_with = CATALOG_OWN;
    pc_set(w, &w->a, "consultation", late, "reception_id", reception, made);
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_verdicts, 1);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_HELD);
    assert_int_equal(verify(w), 0);
}

/* ---- a newer station ---- */

static void what_is_newer_waits_and_is_judged_then(void **state)
{
    struct world *w = *state;
    char pigeon[40], drill[40], moody[40], lazy[40];
    json_t *fields = json_pack("{s:s,s:s,s:s}", "kind", "window", "opened_on", "2020-01-01",
                               "state", "submitted");
    struct lm_version made;
    uint64_t digest, seen;
    const struct lm_value *mood;

    w->made_with = CATALOG_NEXT;
    made = make(w, &w->a, json_pack("{s:s,s:s}", "mood", "平静", "urgency", "low"), moody);
    make(w, &w->a, json_pack("{s:s}", "channel", "pigeon"), pigeon);
    make(w, &w->a, NULL, lazy);
    new_id(w, drill);
    pc_add(w, &w->a, "drill", drill, LM_OP_CREATE, fields, NONE);
    json_decref(fields);
    push_all(w, &w->a);
    assert_int_equal(totals(w).held, 2);
    pc_set(w, &w->a, "consultation", moody, "mood", "焦急", made);
    push_all(w, &w->a);
    assert_false(get(w, "consultation", moody)->invalid);
    mood = lm_value_member(&get(w, "consultation", moody)->unknown, "mood");
    assert_non_null(mood);
    assert_string_equal(mood->text, "焦急");
    digest = lm_record_digest(get(w, "consultation", moody));
    seen = lm_record_seen(get(w, "consultation", moody));

    import(w, catalog_next());
    assert_int_equal(totals(w).held, 0);
    assert_string_equal(text(get(w, "drill", drill), "kind"), "window");
    assert_string_equal(text(get(w, "consultation", pigeon), "channel"), "pigeon");
    assert_string_equal(text(get(w, "consultation", moody), "mood"), "焦急");
    assert_string_equal(text(get(w, "consultation", moody), "urgency"), "low");
    assert_true(lm_value_is_null(&get(w, "consultation", moody)->unknown));
    assert_true(lm_record_digest(get(w, "consultation", moody)) == digest);
    assert_true(lm_record_seen(get(w, "consultation", moody)) == seen);
    /* pigeon lacks what its own catalogue requires; lazy was judged by a hub that did not know. */
    assert_true(get(w, "consultation", pigeon)->invalid);
    /* Edits go on from the version that the station had. */
    w->made_with = CATALOG_NEXT;
    pc_set(w, &w->a, "consultation", moody, "mood", "满意",
           (struct lm_version){.hlc = w->a.hlc, .replica = w->a.replica.number});
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_verdicts, 0);
    assert_int_equal(totals(w).conflicts, 0);
    assert_int_equal(verify(w), 0);
}

static void a_value_that_does_not_fit_stays_unknown(void **state)
{
    struct world *w = *state;
    char id[40];
    uint64_t digest;

    w->made_with = 9; /* a catalogue of somebody's in which mood is a number */
    make(w, &w->a, json_pack("{s:i,s:s}", "mood", 7, "urgency", "low"), id);
    push_all(w, &w->a);
    digest = lm_record_digest(get(w, "consultation", id));
    import(w, catalog_next());
    assert_true(lm_value_is_null(lm_record_get(get(w, "consultation", id), "mood")));
    assert_int_equal(lm_value_member(&get(w, "consultation", id)->unknown, "mood")->i, 7);
    assert_true(lm_record_digest(get(w, "consultation", id)) == digest);
    assert_int_equal(verify(w), 0);
}

/* ---- verify ---- */

static void verify_tells_of_another_catalogue(void **state)
{
    struct world *w = *state;
    struct lm_catalog *other;
    const struct edit edit = {"types/consultation.json", "/zh", SET, "\"来电\""};
    struct sqlite3_stmt *stmt = NULL;

    import(w, catalog_next());
    other = catalog_edited(CATALOG_NEXT, &edit, 1);
    assert_int_equal(sqlite3_prepare_v2(w->store->sql,
                                        "UPDATE catalogs SET packed = ?1, hash = ?2 "
                                        "WHERE number = ?3",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    lm_bind_blob(stmt, 1, other->packed, other->packed_len);
    lm_bind_blob(stmt, 2, other->hash, 32);
    assert_int_equal(sqlite3_bind_int(stmt, 3, CATALOG_NEXT), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
    (void)sqlite3_finalize(stmt);
    assert_true(verify(w) > 0);
    lm_catalog_destroy(&other);
}

struct seen {
    uint32_t numbers[8];
    size_t n, count;
};

static bool take_row(void *arg, const struct lm_catalog_row *row)
{
    struct seen *s = arg;

    s->numbers[s->n++] = row->number;
    s->count += row->in_force;
    return true;
}

static bool take_seen(void *arg, uint32_t number, const uint8_t hash[LM_HASH_BYTES], size_t n)
{
    struct seen *s = arg;

    (void)hash;
    s->numbers[s->n++] = number;
    s->count += n;
    return true;
}

static void versions_are_listed(void **state)
{
    struct world *w = *state;
    struct seen rows = {0}, seen = {0};

    import(w, catalog_next());
    OK(lm_store_catalogs(w->store, take_row, &rows, &err_));
    assert_int_equal(rows.n, 2);
    assert_int_equal(rows.numbers[1], CATALOG_NEXT);
    assert_int_equal(rows.count, 1);
    world_begin(w);
    OK(lm_store_catalog_seen(w->store, w->a.replica.number, CATALOG_OWN, w->catalog->hash, &err_));
    OK(lm_store_catalog_seen(w->store, w->b.replica.number, CATALOG_OWN, w->catalog->hash, &err_));
    OK(lm_store_catalog_seen(w->store, w->b.replica.number, CATALOG_NEXT,
                             lm_store_catalog(w->store)->hash, &err_));
    world_commit(w);
    OK(lm_store_catalogs_seen(w->store, take_seen, &seen, &err_));
    assert_int_equal(seen.n, 2);
    assert_int_equal(seen.count, 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(tables_grow_with_the_catalogue),
        TEST(a_rollback_brings_the_old_one_back),
        TEST(only_what_may_follow_is_imported),
        TEST(a_new_program_brings_its_catalogue),
        TEST(a_town_of_an_earlier_program_takes_the_newer_one),
        TEST(required_is_judged_by_the_changes_own_catalogue),
        TEST(the_town_verifies_what_was_saved_before),
        TEST(retired_fields_and_codes_hold_for_who_did_not_know),
        TEST(what_is_newer_waits_and_is_judged_then),
        TEST(a_value_that_does_not_fit_stays_unknown),
        TEST(verify_tells_of_another_catalogue),
        TEST(versions_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
