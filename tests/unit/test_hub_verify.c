/* verify: clean after everything that can happen, and telling of whatever was changed behind the
 * journal's back. */
#include "tests/unit/hub_store_world.h"

#include "hub/store/store_internal.h"

struct found {
    char lines[64][512];
    size_t n;
};

static void take(void *arg, const char *difference)
{
    struct found *f = arg;

    if (f->n < 64) {
        (void)snprintf(f->lines[f->n++], sizeof f->lines[0], "%s", difference);
    }
}

static struct found found;

static size_t run(struct world *w)
{
    size_t n = 0;

    memset(&found, 0, sizeof found);
    OK(lm_store_verify(w->store, take, &found, &n, &err_));
    return n;
}

static bool told(const char *a, const char *b)
{
    for (size_t i = 0; i < found.n; i++) {
        if (strstr(found.lines[i], a) && strstr(found.lines[i], b)) {
            return true;
        }
    }
    for (size_t i = 0; i < found.n; i++) {
        print_message("    %s\n", found.lines[i]);
    }
    return false;
}

static void sql(struct world *w, const char *fmt, ...) LM_PRINTF(2, 3);

static void sql(struct world *w, const char *fmt, ...)
{
    char text_[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text_, sizeof text_, fmt, args);
    va_end(args);
    OK(lm_db_exec(w->store->db, text_, &err_));
    assert_true(sqlite3_changes(w->store->sql) > 0);
}

static void edit(struct world *w, const char *id, const char *field, const char *value)
{
    json_t *fields = json_pack("{s:s}", field, value);
    struct lm_act act = {.user = "张主任", .id = id, .fields = fields, .op = LM_OP_EDIT};
    struct lm_act_result result;

    world_begin(w);
    OK(lm_store_act(w->store, &act, w->now, &result, &err_));
    world_commit(w);
    w->now += 1000;
    json_decref(fields);
}

/* A little of everything: applied, concurrent, invalid and mended, refused, held, an act. Returns
 * the first person's id. */
static void live(struct world *w, char id[40])
{
    char other[40], visit[40], nobody[40];
    struct lm_version v = pc_person(w, &w->a, "王建国", 1, id);
    json_t *fields;

    push_all(w, &w->a);
    pc_person(w, &w->b, "王建国", 1, other);
    pc_set(w, &w->b, "person", id, "phone", "13800000002", v);
    push_all(w, &w->b);
    pc_set(w, &w->a, "person", id, "phone", "13800000001", v);
    edit(w, id, "phone", "13900000009");
    push_all(w, &w->a);
    new_id(w, visit);
    new_id(w, nobody);
    fields = json_pack("{s:s,s:s,s:i,s:[s],s:[{s:s}],s:s,s:s,s:s}", "visit_on", "2026-09-01",
                       "occasion", "daily", "occasion_year", 2026, "persons", nobody,
                       "category_at_visit", "difficulty", "none", "visitors", "李明",
                       "visitor_level", "village", "state", "submitted");
    pc_add(w, &w->a, "visit", visit, LM_OP_CREATE, fields, (struct lm_version){0, 0});
    json_decref(fields);
    push_all(w, &w->a);
    assert_int_equal(totals(w).held, 1);
    assert_int_equal(totals(w).conflicts, 1);
    assert_int_equal(totals(w).duplicates, 1);
    assert_int_equal(totals(w).returned, 1);
    assert_int_equal(run(w), 0);
}

static uint64_t position(struct world *w, const char *id)
{
    return (uint64_t)get(w, "person", id)->position;
}

static void test_clean_through_a_reader(void **state)
{
    struct world *w = *state;
    struct lm_store *reader = NULL;
    char id[40];
    size_t n = 0;

    live(w, id);
    OK(lm_store_open(&w->dir, w->catalog, LM_STORE_READ, &reader, &err_));
    lm_store_set_dup_key(reader, w->store->dup_key);
    OK(lm_store_read_begin(reader, &err_));
    edit(w, id, "phone", "13900000010"); /* the hub goes on meanwhile */
    OK(lm_store_verify(reader, print_difference, NULL, &n, &err_));
    lm_store_read_end(reader);
    assert_int_equal(n, 0);
    lm_store_close(&reader);
    assert_int_equal(run(w), 0);
}

/* A report within what a page reads: its end is not the end of the page's moment. */
static void test_reads_within_reads(void **state)
{
    struct world *w = *state;
    struct lm_store *reader = NULL;
    struct lm_record *rec = NULL;
    char id[40];

    live(w, id);
    OK(lm_store_open(&w->dir, w->catalog, LM_STORE_READ, &reader, &err_));
    OK(lm_store_read_begin(reader, &err_));
    OK(lm_store_get(reader, &w->arena, "person", id, &rec));
    OK(lm_store_read_begin(reader, &err_));
    edit(w, id, "phone", "13900000011");
    lm_store_read_end(reader);
    OK(lm_store_get(reader, &w->arena, "person", id, &rec));
    assert_string_not_equal(lm_record_text(rec, lm_type_field(rec->type, "phone")->index),
                            "13900000011");
    lm_store_read_end(reader);
    OK(lm_store_get(reader, &w->arena, "person", id, &rec));
    assert_string_equal(lm_record_text(rec, lm_type_field(rec->type, "phone")->index),
                        "13900000011");
    lm_store_read_end(reader); /* one too many is none */
    lm_store_close(&reader);
    assert_int_equal(run(w), 0);
}

static void test_leaves_no_file(void **state)
{
    struct world *w = *state;
    DIR *dir = opendir(w->path);
    struct dirent *entry;

    assert_int_equal(run(w), 0);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        assert_null(strstr(entry->d_name, "verify"));
    }
    (void)closedir(dir);
}

static void test_changed_body(void **state)
{
    struct world *w = *state;
    char id[40], at[32];

    live(w, id);
    (void)snprintf(at, sizeof at, "journal 8:");
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_prepare_v2(w->store->sql, "SELECT body FROM journal WHERE pos = 8", -1,
                                        &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    size_t n = (size_t)sqlite3_column_bytes(stmt, 0);
    char body[2048], hex[4097];
    assert_true(n <= sizeof body);
    memcpy(body, sqlite3_column_blob(stmt, 0), n);
    (void)sqlite3_finalize(stmt);
    char *user = memmem(body, n, "李明", strlen("李明"));
    assert_non_null(user);
    memcpy(user, "李朋", strlen("李朋")); /* who did it: a lie of the same length */
    lm_hex_encode((const uint8_t *)body, n, hex);
    char update[8192];
    (void)snprintf(update, sizeof update, "UPDATE journal SET body = x'%s' WHERE pos = 8", hex);
    OK(lm_db_exec(w->store->db, update, &err_));
    assert_true(run(w) > 0);
    assert_true(told(at, "mark"));
    assert_true(told("branches", "hash"));
}

static void test_changed_verdict(void **state)
{
    struct world *w = *state;
    char id[40];

    live(w, id);
    sql(w, "UPDATE journal SET verdict = 5 WHERE pos = 8");
    assert_true(run(w) > 0);
    assert_true(told("journal 8:", "verdict refused, judged again applied"));
    assert_true(told("journal 8:", "mark"));
}

static void test_changed_rank(void **state)
{
    struct world *w = *state;
    char id[40];

    live(w, id);
    sql(w, "UPDATE journal SET rank = rank + 1 WHERE pos = 8");
    assert_true(run(w) > 0);
    assert_true(told("journal 8:", "rank"));
}

static void test_changed_cell(void **state)
{
    struct world *w = *state;
    char id[40];

    live(w, id);
    sql(w, "UPDATE r_person SET name = '王建军' WHERE id = '%s'", id);
    assert_int_equal(run(w), 1);
    assert_true(told(id, "column name"));
    assert_null(strstr(found.lines[0], "王")); /* no personal data in a report */
}

/* An index that says something else than its table: figures are read from it. */
static void test_index_apart_from_its_table(void **state)
{
    struct world *w = *state;
    char id[40];

    live(w, id);
    assert_int_equal(sqlite3_db_config(w->store->sql, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL),
                     SQLITE_OK);
    sql(w, "PRAGMA writable_schema=ON");
    sql(w,
        "UPDATE sqlite_schema SET sql=sql||' WHERE 0' WHERE name LIKE 'i_person_village_code%%'");
    sql(w, "PRAGMA writable_schema=RESET");
    sql(w, "UPDATE r_person SET household_no='other' WHERE id='%s'", id);
    sql(w, "PRAGMA writable_schema=ON");
    sql(w, "UPDATE sqlite_schema SET sql=replace(sql,' WHERE 0','') WHERE name LIKE "
           "'i_person_village_code%%'");
    sql(w, "PRAGMA writable_schema=RESET");
    assert_true(run(w) > 0);
    assert_true(told("database file", "i_person_village_code"));
}

static void test_added_and_removed_records(void **state)
{
    struct world *w = *state;
    char id[40];

    live(w, id);
    sql(w, "UPDATE r_person SET id = '01900000-0000-7000-8000-000000000001' WHERE id = '%s'", id);
    assert_int_equal(run(w), 2);
    assert_true(told(id, "row is missing"));
    assert_true(told("01900000-0000-7000-8000-000000000001", "without an entry"));
}

static void test_removed_feed_row(void **state)
{
    struct world *w = *state;
    char id[40];

    live(w, id);
    sql(w, "DELETE FROM feed WHERE pos = %llu AND scope = " VILLAGE_A,
        (unsigned long long)position(w, id));
    assert_int_equal(run(w), 1);
    assert_true(told("feed " VILLAGE_A, "row is missing"));
}

static void test_changed_review_rows(void **state)
{
    struct world *w = *state;
    char id[40];

    live(w, id);
    sql(w, "UPDATE returns SET open = 0");
    assert_int_equal(run(w), 1);
    assert_true(told("returns", "column open"));
    sql(w, "UPDATE returns SET open = 1");
    sql(w, "DELETE FROM siblings WHERE n = 1");
    assert_int_equal(run(w), 1);
    assert_true(told("siblings", "row is missing"));
}

static void test_removed_held_and_duplicate(void **state)
{
    struct world *w = *state;
    char id[40];

    live(w, id);
    sql(w, "DELETE FROM held");
    assert_int_equal(run(w), 1);
    assert_true(told("held", "row is missing"));
    sql(w, "DELETE FROM duplicates");
    assert_int_equal(run(w), 2);
    assert_true(told("duplicates", "row is missing"));
}

static void test_removed_entry_and_cut_tail(void **state)
{
    struct world *w = *state;
    char id[40];

    live(w, id);
    sql(w, "DELETE FROM journal WHERE pos = (SELECT max(pos) FROM journal)");
    assert_true(run(w) > 0);
    assert_true(told("branches", "is not in the journal"));
    sql(w, "DELETE FROM journal WHERE pos = 9");
    assert_true(run(w) > 0);
    assert_true(told("journal", "position 10 follows 8"));
}

static void test_changed_stretch(void **state)
{
    struct world *w = *state;
    char id[40];

    live(w, id);
    sql(w, "UPDATE branches SET hash_after = zeroblob(32) WHERE replica = %lld AND first_seq = 1",
        (long long)w->b.replica.number);
    assert_true(run(w) > 0);
    assert_true(told("branches", "hash_after"));
}

/* What a person does later is judged again at its place, too. */
static void test_release_and_settle(void **state)
{
    struct world *w = *state;
    char id[40];
    struct rows rows = {json_array()};
    struct lm_act_result result;
    json_int_t at;
    int stands = 0;

    live(w, id);
    OK(lm_store_held(w->store, collect, &rows, &err_));
    at = json_integer_value(json_object_get(json_array_get(rows.all, 0), "position"));
    world_begin(w);
    OK(lm_store_release(w->store, "张主任", (uint64_t)at, w->now, &err_));
    assert_int_equal(lm_store_release(w->store, "张主任", (uint64_t)at, w->now, &err_),
                     LM_ERR_NOT_FOUND);
    world_commit(w);
    assert_int_equal(totals(w).held, 0);
    assert_int_equal(run(w), 0);
    json_array_clear(rows.all);
    OK(lm_store_conflicts(w->store, collect, &rows, &err_));
    const json_t *siblings = json_object_get(json_array_get(rows.all, 0), "siblings");
    for (size_t i = 0; i < json_array_size(siblings); i++) {
        if (json_is_true(json_object_get(json_array_get(siblings, i), "stands"))) {
            stands = (int)json_integer_value(json_object_get(json_array_get(siblings, i), "n"));
        }
    }
    assert_true(stands > 0);
    world_begin(w);
    OK(lm_store_resolve(w->store, "张主任", id, stands, w->now, &result, &err_));
    world_commit(w);
    assert_int_equal(totals(w).conflicts, 0);
    assert_int_equal(run(w), 0);
    json_decref(rows.all);
}

/* A person says no to what waits: refused, with the reason that the village reads, and verified. */
static void test_refuse_what_waits(void **state)
{
    struct world *w = *state;
    char id[40];
    struct rows rows = {json_array()};
    const json_t *row;
    uint64_t at;

    live(w, id);
    OK(lm_store_held(w->store, collect, &rows, &err_));
    at = (uint64_t)json_integer_value(json_object_get(json_array_get(rows.all, 0), "position"));
    world_begin(w);
    assert_int_equal(lm_store_refuse(w->store, "张主任", at, "", w->now, &err_), LM_ERR_INVALID);
    OK(lm_store_refuse(w->store, "张主任", at, "这次走访没有做", w->now, &err_));
    assert_int_equal(lm_store_refuse(w->store, "张主任", at, "再退", w->now, &err_),
                     LM_ERR_NOT_FOUND);
    assert_int_equal(lm_store_release(w->store, "张主任", at, w->now, &err_), LM_ERR_NOT_FOUND);
    world_commit(w);
    assert_int_equal(totals(w).held, 0);
    json_array_clear(rows.all);
    OK(lm_store_returned(w->store, NULL, collect, &rows, &err_));
    row = NULL;
    for (size_t i = 0; i < json_array_size(rows.all); i++) {
        const json_t *r = json_array_get(rows.all, i);

        if ((uint64_t)json_integer_value(json_object_get(r, "position")) == at) {
            row = r;
        }
    }
    assert_non_null(row);
    assert_string_equal(json_string_value(json_object_get(row, "verdict")), "refused");
    assert_string_equal(json_string_value(json_object_get(row, "code")), "turned_down");
    assert_string_equal(json_string_value(json_object_get(row, "text")), "这次走访没有做");
    assert_int_equal(run(w), 0);
    json_decref(rows.all);
}

/* A change that breaks the hub itself is held, the others go on; what waits for a person is
 * released when the fault is mended. */
static void test_internal_fault_is_held(void **state)
{
    struct world *w = *state;
    char id[3][40];
    struct rows rows = {json_array()};

    for (int i = 0; i < 3; i++) {
        pc_person(w, &w->a, "王建国", 40 + i, id[i]);
    }
    char trigger[300];
    (void)snprintf(trigger, sizeof trigger,
                   "CREATE TEMP TRIGGER fault BEFORE INSERT ON main.r_person WHEN new.id = '%s' "
                   "BEGIN SELECT raise(ABORT, 'fault'); END",
                   id[1]);
    OK(lm_db_exec(w->store->db, trigger, &err_));
    push_all(w, &w->a);
    assert_int_equal(w->pushed.n_new, 3);
    assert_int_equal(w->pushed.n_verdicts, 1);
    assert_int_equal(w->pushed.verdicts[0].seq, 2);
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_HELD);
    assert_string_equal(w->pushed.verdicts[0].code, "internal");
    assert_non_null(get(w, "person", id[0]));
    assert_null(get(w, "person", id[1]));
    assert_non_null(get(w, "person", id[2]));
    OK(lm_db_exec(w->store->db, "DROP TRIGGER fault", &err_));
    assert_int_equal(run(w), 0);
    OK(lm_store_held(w->store, collect, &rows, &err_));
    world_begin(w);
    OK(lm_store_release(
        w->store, "张主任",
        (uint64_t)json_integer_value(json_object_get(json_array_get(rows.all, 0), "position")),
        w->now, &err_));
    world_commit(w);
    json_decref(rows.all);
    assert_non_null(get(w, "person", id[1]));
    assert_int_equal(totals(w).held, 0);
    assert_int_equal(run(w), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_clean_through_a_reader),
        T(test_reads_within_reads),
        T(test_leaves_no_file),
        T(test_changed_body),
        T(test_changed_verdict),
        T(test_changed_rank),
        T(test_changed_cell),
        T(test_index_apart_from_its_table),
        T(test_added_and_removed_records),
        T(test_removed_feed_row),
        T(test_changed_review_rows),
        T(test_removed_held_and_duplicate),
        T(test_removed_entry_and_cut_tail),
        T(test_changed_stretch),
        T(test_release_and_settle),
        T(test_refuse_what_waits),
        T(test_internal_fault_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
