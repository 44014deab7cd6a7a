/* Typed tables: every type of the real catalogue round-trips with every field set; columns come
 * later; lists, natural keys and look-ups find what they should. */
#include "common/tables.h"

#include "common/base/util.h"
#include "common/datadir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

struct fixture {
    char dir[64], path[96];
    struct lm_catalog *catalog;
    struct lm_db *db;
    struct lm_tables *tables;
    struct lm_arena arena;
    struct lm_error err;
    struct lm_rand rnd;
};

static void ok(struct fixture *f, enum lm_status st)
{
    if (st != LM_OK) {
        print_error("%s: %s %s\n", lm_status_name(st), f->err.code, f->err.en);
    }
    assert_int_equal(st, LM_OK);
}

static void open_database(struct fixture *f)
{
    struct lm_db_options options = {.path = f->path, .application_id = LM_APP_HUB, .create = true};

    ok(f, lm_db_open(&options, &f->db, &f->err));
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    strcpy(f->dir, "/tmp/lm-tables-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/t.db", f->dir);
    lm_arena_init(&f->arena, 64 * 1024 * 1024);
    lm_rand_seed(&f->rnd, 7);
    ok(f, lm_catalog_load_embedded(&f->catalog, &f->err));
    open_database(f);
    ok(f, lm_tables_migrate(f->db, f->catalog, true, &f->err));
    ok(f, lm_tables_open(f->db, f->catalog, &f->tables, &f->err));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    const char *endings[] = {"", "-wal", "-shm"};
    char path[128];

    lm_tables_close(&f->tables);
    lm_db_close(&f->db);
    lm_catalog_destroy(&f->catalog);
    lm_arena_free(&f->arena);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s%s", f->path, endings[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

/* ---- making records ---- */

static struct lm_value text_value(struct fixture *f, const char *text)
{
    char *copy = lm_arena_text(&f->arena, text, strlen(text));

    assert_non_null(copy);
    return lm_value_text(copy);
}

static struct lm_value uuid_value(struct fixture *f)
{
    char id[LM_UUID_TEXT + 1];

    lm_uuid_v7(&f->rnd, 1700000000000, id);
    return text_value(f, id);
}

static struct lm_value scalar_value(struct fixture *f, const struct lm_field *field, int salt);

static struct lm_value map_value(struct fixture *f, const struct lm_field *field, int salt)
{
    struct lm_pair *pairs = lm_arena_alloc(&f->arena, field->n_members * sizeof(*pairs));

    assert_non_null(pairs);
    for (size_t i = 0; i < field->n_members; i++) {
        pairs[i].key = field->members[i].name;
        pairs[i].key_len = (uint32_t)strlen(pairs[i].key);
        pairs[i].value = scalar_value(f, &field->members[i], salt + (int)i);
    }
    return (struct lm_value){.kind = LM_MAP, .len = (uint32_t)field->n_members, .pairs = pairs};
}

static struct lm_value scalar_value(struct fixture *f, const struct lm_field *field, int salt)
{
    char text[64];

    switch (field->ftype) {
    case LM_F_INT:
        return lm_value_int(salt % 3 == 0 ? INT64_C(9007199254740993) : -salt);
    case LM_F_DECIMAL:
        return lm_value_int(salt % 2 ? 123456789 : -1250);
    case LM_F_BOOL:
        return lm_value_bool(salt % 2);
    case LM_F_UUID:
    case LM_F_FILE:
        return uuid_value(f);
    case LM_F_CODE:
        return text_value(f, field->list && field->list->n_codes
                                 ? field->list->codes[(size_t)salt % field->list->n_codes].code
                                 : "code");
    case LM_F_DATE:
        return text_value(f, "2025-02-28");
    case LM_F_DATETIME:
        return text_value(f, "2025-02-28T08:00:00.123Z");
    case LM_F_REF:
        return text_value(f, "person:0190a6b0-0000-7000-8000-000000000001");
    case LM_F_MAP:
        return map_value(f, field, salt);
    case LM_F_TEXT:
    case LM_F_CHAR:
    case LM_F_HEX:
        break;
    }
    snprintf(text, sizeof(text), "张三\"\\\n\t第%d次", salt);
    return text_value(f, text);
}

static struct lm_value any_value(struct fixture *f, const struct lm_field *field, int salt)
{
    struct lm_value *items;

    if (!field->is_list) {
        return scalar_value(f, field, salt);
    }
    items = lm_arena_alloc(&f->arena, 3 * sizeof(*items));
    assert_non_null(items);
    for (int i = 0; i < 3; i++) {
        items[i] = scalar_value(f, field, salt + i);
    }
    return (struct lm_value){.kind = LM_LIST, .len = 3, .items = items};
}

static struct lm_record *new_record(struct fixture *f, const struct lm_type *type)
{
    struct lm_record *rec;
    char id[LM_UUID_TEXT + 1];

    lm_uuid_v7(&f->rnd, 1700000000000, id);
    rec = lm_record_new(&f->arena, type, id);
    assert_non_null(rec);
    for (size_t i = 0; i < type->n_groups; i++) {
        rec->stamps[i] = (struct lm_stamp){{100, 7}, 100};
    }
    return rec;
}

static struct lm_record *full_record(struct fixture *f, const struct lm_type *type)
{
    static struct lm_pair unknown;
    struct lm_record *rec = new_record(f, type);

    for (size_t i = LM_C_ID + 1; i < type->n_fields; i++) {
        rec->fields[i] = any_value(f, &type->fields[i], (int)i);
    }
    for (size_t i = 0; i < type->n_groups; i++) {
        rec->stamps[i] = (struct lm_stamp){{1000 + i, 77}, 2000 + i};
    }
    unknown = (struct lm_pair){"later", 5, lm_value_text("将来的字段")};
    rec->unknown = (struct lm_value){.kind = LM_MAP, .len = 1, .pairs = &unknown};
    rec->invalid = true;
    strcpy(rec->issue_code, "required");
    strcpy(rec->issue_field, "name");
    rec->issue_zh = "请填写“姓名”";
    rec->issue_en = "Fill in \"name\"";
    rec->position = INT64_C(1) << 40;
    return rec;
}

static void set(struct fixture *f, struct lm_record *rec, const char *field, const char *text)
{
    const struct lm_field *found = lm_type_field(rec->type, field);

    assert_non_null(found);
    rec->fields[found->index] = text ? text_value(f, text) : lm_value_null();
}

static const struct lm_type *type_of(struct fixture *f, const char *name)
{
    const struct lm_type *type = lm_catalog_type(f->catalog, name);

    assert_non_null(type);
    return type;
}

static void assert_same(const struct lm_record *a, const struct lm_record *b)
{
    assert_ptr_equal(a->type, b->type);
    assert_string_equal(a->id, b->id);
    for (size_t i = 0; i < a->type->n_fields; i++) {
        if (!lm_value_equal(&a->fields[i], &b->fields[i])) {
            fail_msg("%s.%s differs", a->type->name, a->type->fields[i].name);
        }
    }
    assert_memory_equal(a->stamps, b->stamps, a->type->n_groups * sizeof(*a->stamps));
    assert_true(lm_value_equal(&a->unknown, &b->unknown));
    assert_int_equal(a->invalid, b->invalid);
    assert_string_equal(a->issue_code, b->issue_code);
    assert_string_equal(a->issue_field, b->issue_field);
    assert_string_equal(a->issue_zh ? a->issue_zh : "", b->issue_zh ? b->issue_zh : "");
    assert_string_equal(a->issue_en ? a->issue_en : "", b->issue_en ? b->issue_en : "");
    assert_int_equal(a->position, b->position);
    assert_true(lm_record_digest(a) == lm_record_digest(b));
}

struct kept {
    size_t n;
    char id[8][40];
};

static bool keep(void *arg, const struct lm_record *rec)
{
    struct kept *kept = arg;

    assert_in_range(kept->n, 0, 7);
    strcpy(kept->id[kept->n++], rec->id);
    return true;
}

static bool stop(void *arg, const struct lm_record *rec)
{
    (void)rec;
    ++*(int *)arg;
    return false;
}

/* ---- rows ---- */

static void test_round_trip(void **state)
{
    struct fixture *f = *state;

    assert_in_range(f->catalog->n_types, 30, LM_TYPES_MAX);
    for (size_t i = 0; i < f->catalog->n_types; i++) {
        const struct lm_type *type = &f->catalog->types[i];
        struct lm_record *full = full_record(f, type), *empty = new_record(f, type), *got = NULL;
        struct lm_record *changed;

        assert_int_equal(lm_tables_get(f->tables, &f->arena, type, full->id, &got),
                         LM_ERR_NOT_FOUND);
        assert_false(lm_tables_exists(f->tables, type, full->id));
        ok(f, lm_tables_put(f->tables, full, true, &f->err));
        ok(f,
           lm_tables_put(f->tables, empty, false, &f->err)); /* no row yet: inserted all the same */
        assert_true(lm_tables_exists(f->tables, type, full->id));
        ok(f, lm_tables_get(f->tables, &f->arena, type, full->id, &got));
        assert_same(full, got);
        ok(f, lm_tables_get(f->tables, &f->arena, type, empty->id, &got));
        assert_same(empty, got);
        /* The same row, emptied: no value of before may stay. */
        changed = lm_record_copy(&f->arena, empty);
        assert_non_null(changed);
        memcpy(changed->id, full->id, sizeof(changed->id));
        ok(f, lm_tables_put(f->tables, changed, false, &f->err));
        ok(f, lm_tables_get(f->tables, &f->arena, type, full->id, &got));
        changed->fields[LM_C_ID] = lm_value_text(changed->id);
        assert_same(changed, got);
    }
}

static void test_fresh_twice_is_an_error(void **state)
{
    struct fixture *f = *state;
    struct lm_record *rec = new_record(f, type_of(f, "person"));

    ok(f, lm_tables_put(f->tables, rec, true, &f->err));
    assert_int_equal(lm_tables_put(f->tables, rec, true, &f->err), LM_ERR_EXISTS);
    assert_string_equal(f->err.code, "exists");
}

static void test_wrong_kind_is_refused(void **state)
{
    struct fixture *f = *state;
    struct lm_record *rec = new_record(f, type_of(f, "person"));

    rec->fields[lm_type_field(rec->type, "name")->index] = lm_value_int(5);
    assert_int_equal(lm_tables_put(f->tables, rec, true, &f->err), LM_ERR_INTERNAL);
    assert_string_equal(f->err.field, "name");
    assert_false(lm_tables_exists(f->tables, rec->type, rec->id));
}

static void test_update(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < f->catalog->n_types; i++) {
        const struct lm_type *type = &f->catalog->types[i];
        struct lm_record *rec = full_record(f, type), *after, *got = NULL;

        assert_int_equal(lm_tables_update(f->tables, rec, rec, &f->err), LM_ERR_NOT_FOUND);
        ok(f, lm_tables_put(f->tables, rec, true, &f->err));
        after = lm_record_copy(&f->arena, rec);
        after->fields[LM_C_RETURN_NOTE] = lm_value_text("请补充");
        after->fields[LM_C_CLOSE_NOTE] = lm_value_null();
        after->position = 5;
        ok(f, lm_tables_update(f->tables, rec, after, &f->err));
        ok(f, lm_tables_get(f->tables, &f->arena, type, rec->id, &got));
        assert_same(after, got);
        after->fields[LM_C_VILLAGE_CODE] = lm_value_text("999999101202"); /* indexed */
        ok(f, lm_tables_update(f->tables, got, after, &f->err));
        ok(f, lm_tables_get(f->tables, &f->arena, type, rec->id, &got));
        assert_same(after, got);
    }
}

static void test_corrupt_list_is_told(void **state)
{
    struct fixture *f = *state;
    struct lm_record *rec = full_record(f, type_of(f, "visit")), *got = NULL;

    ok(f, lm_tables_put(f->tables, rec, true, &f->err));
    ok(f, lm_db_exec(f->db, "UPDATE r_visit SET persons = '[1'", &f->err));
    assert_int_equal(lm_tables_get(f->tables, &f->arena, rec->type, rec->id, &got), LM_ERR_CORRUPT);
    assert_null(got);
}

static void test_small_arena_is_a_limit(void **state)
{
    struct fixture *f = *state;
    struct lm_record *rec = full_record(f, type_of(f, "person")), *got = NULL;
    struct lm_arena small;

    ok(f, lm_tables_put(f->tables, rec, true, &f->err));
    for (size_t cap = 0; cap < 4096; cap += 256) {
        enum lm_status st;

        lm_arena_init(&small, cap);
        st = lm_tables_get(f->tables, &small, rec->type, rec->id, &got);
        assert_true(st == LM_ERR_LIMIT || (st == LM_OK && got));
        assert_true(cap > 0 || st == LM_ERR_LIMIT);
        lm_arena_free(&small);
    }
}

/* ---- schema ---- */

static int count_of(struct fixture *f, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int n;

    assert_int_equal(sqlite3_prepare_v2(lm_db_handle(f->db), sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    n = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return n;
}

static bool uses_index(struct fixture *f, const char *sql, const char *index)
{
    char plan[512];
    sqlite3_stmt *stmt = NULL;
    bool found;

    snprintf(plan, sizeof(plan), "EXPLAIN QUERY PLAN %s", sql);
    assert_int_equal(sqlite3_prepare_v2(lm_db_handle(f->db), plan, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    found = strstr((const char *)sqlite3_column_text(stmt, 3), index) != NULL;
    sqlite3_finalize(stmt);
    return found;
}

static void test_schema(void **state)
{
    struct fixture *f = *state;
    int before = count_of(f, "SELECT count(*) FROM sqlite_schema");

    assert_int_equal(
        count_of(f, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name GLOB 'r_*'"),
        (int)f->catalog->n_types);
    assert_int_equal(
        count_of(f, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name GLOB "
                    "'r_*' AND sql NOT GLOB '*STRICT'"),
        0);
    assert_int_equal(
        count_of(f, "SELECT sql LIKE '%\"id_no\" /* %身份%' FROM sqlite_schema WHERE name = "
                    "'r_person'"),
        1);
    assert_int_equal(
        count_of(f, "SELECT count(*) FROM sqlite_schema WHERE name = 'i_person_dup_key'"), 1);
    assert_true(uses_index(f, "SELECT * FROM r_service_item AS r WHERE r.matter_id = ?1",
                           "i_service_item_matter_id"));
    assert_true(
        uses_index(f, "SELECT * FROM r_person AS r WHERE r.dup_key = ?1", "i_person_dup_key"));
    assert_true(
        uses_index(f, "SELECT * FROM r_visit AS r WHERE r.village_code = ?1 AND r.visit_on >= ?2",
                   "i_visit_village_code_visit_on"));
    /* What a figure of visits reads is in that index; a file of before has the shorter one. */
    assert_true(uses_index(f,
                           "SELECT r.occasion FROM r_visit AS r WHERE r.village_code = ?1 AND "
                           "r.deleted_at IS NULL AND r._invalid = 0",
                           "COVERING INDEX i_visit_village_code_visit_on_state"));
    ok(f, lm_db_exec(f->db,
                     "DROP INDEX i_visit_village_code_visit_on_state_deleted_at_occasion__invalid; "
                     "CREATE INDEX i_visit_village_code_visit_on ON r_visit "
                     "(village_code, visit_on)",
                     &f->err));
    ok(f, lm_tables_migrate(f->db, f->catalog, true, &f->err));
    assert_int_equal(count_of(f, "SELECT count(*) FROM sqlite_schema WHERE name = "
                                 "'i_visit_village_code_visit_on'"),
                     0);
    ok(f, lm_tables_migrate(f->db, f->catalog, true, &f->err)); /* again: nothing to do */
    assert_int_equal(count_of(f, "SELECT count(*) FROM sqlite_schema"), before);
}

/* A file of an older catalogue: one column and one tail column less, rows in it. */
static void test_added_column(void **state)
{
    struct fixture *f = *state;
    struct lm_record *rec = full_record(f, type_of(f, "visit")), *got = NULL;

    ok(f, lm_tables_put(f->tables, rec, true, &f->err));
    ok(f, lm_db_exec(
              f->db,
              "DROP INDEX i_visit_village_code_visit_on_state_deleted_at_occasion__invalid;"
              "ALTER TABLE r_visit DROP COLUMN close_note; ALTER TABLE r_visit DROP COLUMN _issue;"
              "ALTER TABLE r_visit DROP COLUMN persons;",
              &f->err));
    assert_int_equal(lm_tables_get(f->tables, &f->arena, rec->type, rec->id, &got),
                     LM_ERR_INTERNAL);
    ok(f, lm_tables_migrate(f->db, f->catalog, true, &f->err));
    ok(f, lm_tables_get(f->tables, &f->arena, rec->type, rec->id, &got));
    assert_true(lm_value_is_null(lm_record_get(got, "persons")));
    assert_true(lm_value_is_null(lm_record_get(got, "close_note")));
    assert_true(lm_value_equal(lm_record_get(got, "visit_on"), lm_record_get(rec, "visit_on")));
    ok(f, lm_tables_put(f->tables, rec, false, &f->err));
    ok(f, lm_tables_get(f->tables, &f->arena, rec->type, rec->id, &got));
    assert_same(rec, got);
    assert_int_equal(
        count_of(f,
                 "SELECT sql LIKE '%\"persons\" /* %' FROM sqlite_schema WHERE name = 'r_visit'"),
        1);
}

static void test_changed_type_is_refused(void **state)
{
    struct fixture *f = *state;

    ok(f, lm_db_exec(
              f->db,
              "DROP TABLE r_visit; CREATE TABLE r_visit (id TEXT PRIMARY KEY, persons BLOB) STRICT",
              &f->err));
    assert_int_equal(lm_tables_migrate(f->db, f->catalog, true, &f->err), LM_ERR_VERSION);
    assert_string_equal(f->err.field, "persons");
    assert_false(lm_db_in_transaction(f->db));
}

/* ---- lists ---- */

static struct lm_record *put_visit(struct fixture *f, const char *village, const char *on,
                                   const char *a, const char *b)
{
    struct lm_record *rec = new_record(f, type_of(f, "visit"));
    struct lm_value *items = lm_arena_alloc(&f->arena, 2 * sizeof(*items));

    set(f, rec, "village_code", village);
    set(f, rec, "visit_on", on);
    set(f, rec, "occasion", "spring");
    set(f, rec, "state", "submitted");
    items[0] = text_value(f, a);
    items[1] = b ? text_value(f, b) : lm_value_null();
    rec->fields[lm_type_field(rec->type, "persons")->index] =
        (struct lm_value){.kind = LM_LIST, .len = b ? 2 : 1, .items = items};
    ok(f, lm_tables_put(f->tables, rec, true, &f->err));
    return rec;
}

#define V1 "999999101201"
#define V2 "999999101202"
#define P1 "0190a6b0-0000-7000-8000-000000000001"
#define P2 "0190a6b0-0000-7000-8000-000000000002"
#define P3 "0190a6b0-0000-7000-8000-000000000003"

static void test_list(void **state)
{
    struct fixture *f = *state;
    const struct lm_type *visit = type_of(f, "visit");
    struct lm_record *late = put_visit(f, V1, "2025-03-01", P1, P2);
    struct lm_record *early = put_visit(f, V1, "2025-01-01", P2, NULL);
    struct lm_record *other = put_visit(f, V2, "2025-02-01", P3, NULL);
    struct lm_record *gone = put_visit(f, V2, "2025-02-02", P1, NULL);
    struct lm_where where[2] = {{"persons", P2}, {"visit_on", "2025-03-01"}};
    struct kept kept = {0};
    int n = 0;

    set(f, gone, "deleted_at", "2025-02-03T00:00:00.000Z");
    ok(f, lm_tables_put(f->tables, gone, false, &f->err));

    ok(f, lm_tables_list(f->tables, NULL, visit, NULL, NULL, 0, false, keep, &kept, &f->err));
    assert_int_equal(kept.n, 3);
    assert_string_equal(kept.id[0], early->id);
    assert_string_equal(kept.id[1], other->id);
    assert_string_equal(kept.id[2], late->id);
    kept.n = 0;
    ok(f, lm_tables_list(f->tables, &f->arena, visit, V2, NULL, 0, true, keep, &kept, &f->err));
    assert_int_equal(kept.n, 2);
    kept.n = 0;
    ok(f, lm_tables_list(f->tables, NULL, visit, V1, where, 1, false, keep, &kept, &f->err));
    assert_int_equal(kept.n, 2);
    kept.n = 0;
    ok(f, lm_tables_list(f->tables, NULL, visit, V1, where, 2, false, keep, &kept, &f->err));
    assert_int_equal(kept.n, 1);
    assert_string_equal(kept.id[0], late->id);
    kept.n = 0;
    where[0] = (struct lm_where){"close_note", ""};
    ok(f, lm_tables_list(f->tables, NULL, visit, NULL, where, 1, false, keep, &kept, &f->err));
    assert_int_equal(kept.n, 3);
    ok(f, lm_tables_list(f->tables, NULL, visit, NULL, NULL, 0, false, stop, &n, &f->err));
    assert_int_equal(n, 1);
}

static void test_list_refuses(void **state)
{
    struct fixture *f = *state;
    struct lm_where unknown = {"no_such_field", "x"}, injection = {"id\" OR 1=1 --", "x"};
    struct lm_where number = {"amount_fen", "1 OR 1"}, when = {"created_at", "yesterday"};
    int n = 0;

    assert_int_equal(lm_tables_list(f->tables, NULL, type_of(f, "visit"), NULL, &unknown, 1, false,
                                    stop, &n, &f->err),
                     LM_ERR_INVALID);
    assert_string_equal(f->err.code, "unknown_field");
    assert_int_equal(lm_tables_list(f->tables, NULL, type_of(f, "visit"), NULL, &injection, 1,
                                    false, stop, &n, &f->err),
                     LM_ERR_INVALID);
    assert_int_equal(lm_tables_list(f->tables, NULL, type_of(f, "asset"), NULL, &number, 1, false,
                                    stop, &n, &f->err),
                     LM_ERR_INVALID);
    assert_string_equal(f->err.code, "bad_value");
    assert_int_equal(lm_tables_list(f->tables, NULL, type_of(f, "visit"), NULL, &when, 1, false,
                                    stop, &n, &f->err),
                     LM_ERR_INVALID);
    assert_int_equal(n, 0);
}

/* ---- natural keys ---- */

static size_t same_key(struct fixture *f, const struct lm_record *rec, const char *village,
                       struct kept *kept)
{
    kept->n = 0;
    ok(f, lm_tables_same_key(f->tables, &f->arena, rec, village, keep, kept));
    return kept->n;
}

static void test_same_key_of_a_text(void **state)
{
    struct fixture *f = *state;
    const struct lm_type *person = type_of(f, "person");
    struct lm_record *a = new_record(f, person), *b = new_record(f, person);
    struct kept kept;

    set(f, a, "village_code", V1);
    set(f, a, "id_no", "999999195001010012");
    ok(f, lm_tables_put(f->tables, a, true, &f->err));
    set(f, b, "village_code", V2);
    assert_int_equal(same_key(f, b, NULL, &kept), 0); /* no number: no key */
    set(f, b, "id_no", "999999195001010012");
    assert_int_equal(same_key(f, b, NULL, &kept), 1);
    assert_string_equal(kept.id[0], a->id);
    assert_int_equal(same_key(f, a, NULL, &kept), 0); /* never itself */
    assert_int_equal(same_key(f, b, V1, &kept), 1);
    assert_int_equal(same_key(f, b, V2, &kept), 0);
    set(f, a, "state", "merged");
    ok(f, lm_tables_put(f->tables, a, false, &f->err));
    assert_int_equal(same_key(f, b, NULL, &kept), 0);
    set(f, a, "state", NULL);
    set(f, a, "deleted_at", "2025-01-01T00:00:00.000Z");
    ok(f, lm_tables_put(f->tables, a, false, &f->err));
    assert_int_equal(same_key(f, b, NULL, &kept), 0);
}

static void test_same_key_of_a_list(void **state)
{
    struct fixture *f = *state;
    struct lm_record *a = put_visit(f, V1, "2025-01-20", P1, P2);
    struct lm_record *b = put_visit(f, V1, "2025-01-20", P2, P3);
    struct kept kept;

    (void)put_visit(f, V1, "2025-01-21", P2, P3);
    (void)put_visit(f, V1, "2025-01-20", P3, NULL);
    assert_int_equal(same_key(f, a, V1, &kept), 1);
    assert_string_equal(kept.id[0], b->id);
    assert_int_equal(same_key(f, a, V2, &kept), 0);
}

/* One open plan per person: key_when leaves ended ones out, on both sides of the comparison. */
static void test_same_key_when(void **state)
{
    struct fixture *f = *state;
    const struct lm_type *plan = type_of(f, "contact_plan");
    struct lm_record *a = new_record(f, plan), *b = new_record(f, plan);
    struct kept kept;

    assert_non_null(plan->key_when);
    set(f, a, "person_id", P1);
    set(f, b, "person_id", P1);
    ok(f, lm_tables_put(f->tables, a, true, &f->err));
    assert_int_equal(same_key(f, b, NULL, &kept), 1);
    set(f, b, "end_on", "2025-01-01");
    assert_int_equal(same_key(f, b, NULL, &kept), 0);
    set(f, b, "end_on", NULL);
    set(f, a, "end_on", "2025-01-01");
    ok(f, lm_tables_put(f->tables, a, false, &f->err));
    assert_int_equal(same_key(f, b, NULL, &kept), 0);
}

/* 2025-01-01T16:30Z and 2025-01-02T15:59Z are one day in UTC+8; 16:00Z begins the next. */
static void test_same_key_of_a_time(void **state)
{
    struct fixture *f = *state;
    const struct lm_type *type = type_of(f, "reception");
    const char *times[] = {"2025-01-02T15:59:59.999Z", "2025-01-02T16:00:00.000Z",
                           "2025-01-01T15:59:59.999Z"};
    struct lm_record *a = new_record(f, type), *b;
    struct kept kept;

    set(f, a, "at", "2025-01-01T16:30:00.000Z");
    set(f, a, "handler", "李四");
    for (int i = 0; i < 3; i++) {
        b = lm_record_copy(&f->arena, a);
        lm_uuid_v7(&f->rnd, 1700000000000, b->id);
        set(f, b, "at", times[i]);
        ok(f, lm_tables_put(f->tables, b, true, &f->err));
    }
    assert_int_equal(same_key(f, a, NULL, &kept), 1);
}

/* ---- look-ups ---- */

struct nested {
    struct fixture *f;
    struct lm_lookup lookup;
    size_t n;
};

static bool count_nested(void *arg, const struct lm_record *rec)
{
    (void)rec;
    ++*(size_t *)arg;
    return true;
}

static bool nest(void *arg, const struct lm_record *rec)
{
    struct nested *in = arg;

    assert_string_equal(rec->type->name, "visit");
    ok(in->f, in->lookup.each(in->lookup.ctx, &in->f->arena, "visit", "persons", P1, count_nested,
                              &in->n));
    return true;
}

static void test_lookup(void **state)
{
    struct fixture *f = *state;
    struct lm_lookup lookup = lm_tables_lookup(f->tables);
    struct lm_record *a = put_visit(f, V1, "2025-01-20", P1, P2), *got = NULL, *area;
    struct nested in = {f, lookup, 0};
    size_t n = 0;

    (void)put_visit(f, V2, "2025-01-20", P1, NULL);
    ok(f, lookup.get(lookup.ctx, &f->arena, "visit", a->id, &got));
    assert_same(a, got);
    assert_int_equal(lookup.get(lookup.ctx, &f->arena, "visit", P1, &got), LM_ERR_NOT_FOUND);
    ok(f, lookup.each(lookup.ctx, NULL, "visit", "persons", P2, count_nested, &n));
    assert_int_equal(n, 1);
    n = 0;
    ok(f, lookup.each(lookup.ctx, &f->arena, "visit", "village_code", V2, count_nested, &n));
    assert_int_equal(n, 1);
    ok(f, lookup.each(lookup.ctx, &f->arena, "visit", "persons", "", count_nested, &n));
    assert_int_equal(n, 1);
    /* The same look-up inside itself: both run to their ends. */
    ok(f, lookup.each(lookup.ctx, &f->arena, "visit", "persons", P1, nest, &in));
    assert_int_equal(in.n, 4);

    assert_null(lookup.area_level(lookup.ctx, V1));
    area = new_record(f, type_of(f, "area_unit"));
    set(f, area, "code", V1);
    set(f, area, "valid_from", "2000-01-01");
    set(f, area, "level", "village");
    ok(f, lm_tables_put(f->tables, area, true, &f->err));
    assert_string_equal(lookup.area_level(lookup.ctx, V1), "village");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_round_trip),
        T(test_fresh_twice_is_an_error),
        T(test_wrong_kind_is_refused),
        T(test_update),
        T(test_corrupt_list_is_told),
        T(test_small_arena_is_a_limit),
        T(test_schema),
        T(test_added_column),
        T(test_changed_type_is_refused),
        T(test_list),
        T(test_list_refuses),
        T(test_same_key_of_a_text),
        T(test_same_key_of_a_list),
        T(test_same_key_when),
        T(test_same_key_of_a_time),
        T(test_lookup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
