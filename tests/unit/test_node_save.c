/* Saving at a node: every refusal, repeats by id and key (P1), batches, and several processes on
 * one directory. */
#include "tests/unit/node_world.h"

#include <sys/wait.h>

#define V7(two) "018f0000-0000-7000-8000-0000000000" two

static void refused_create(struct nw *w, const char *type, const char *id, const char *fields,
                           const char *code, const char *field)
{
    uint64_t head = nw_me(w).head.seq;

    assert_int_not_equal(nw_save_entry(w, LM_OP_CREATE, type, id, NULL, fields), LM_OK);
    assert_string_equal(w->err.code, code);
    assert_non_null(strstr(w->err.field, field));
    nw_flush(w);
    assert_int_equal(nw_me(w).head.seq, head);
}

static void refused_edit(struct nw *w, enum lm_op op, const char *id, const char *fields,
                         const char *code)
{
    uint64_t head = nw_me(w).head.seq;

    assert_int_not_equal(nw_save_entry(w, op, NULL, id, NULL, fields), LM_OK);
    assert_string_equal(w->err.code, code);
    nw_flush(w);
    assert_int_equal(nw_me(w).head.seq, head);
}

static bool warned(const struct nw *w, const char *code)
{
    for (size_t i = 0; i < w->result.issues.n; i++) {
        if (w->result.issues.items[i].level == LM_WARN &&
            strcmp(w->result.issues.items[i].error.code, code) == 0) {
            return true;
        }
    }
    return false;
}

static void creation_makes_row_and_change(void **state)
{
    struct nw *w = *state;
    char id[40];
    const struct lm_record *rec;

    nw_create(w, "person", NW_PERSON, id);
    rec = nw_get(w, "person", id);
    assert_non_null(rec);
    assert_true(lm_uuid_is_v7(id, strlen(id)));
    assert_string_equal(nw_text(rec, "name"), "张测试");
    assert_string_equal(lm_record_text(rec, LM_C_STATE), "submitted");
    assert_string_equal(lm_record_text(rec, LM_C_VILLAGE_CODE), NW_STATION);
    assert_int_equal(rec->position, 0);
    assert_int_equal(nw_me(w).head.seq, 1);
    assert_true(nw_me(w).hlc == rec->stamps[0].version.hlc);
    assert_true(rec->stamps[0].version.replica == NW_REPLICA);
    assert_true(lm_nstore_unacked(w->store, id, 1, 0));
    nw_check_chain(w);
}

static void creations_that_cannot_be(void **state)
{
    struct nw *w = *state;

    refused_create(w, "nothing", NULL, "{}", "unknown_type", "type");
    refused_create(w, "benefit", NULL, "{}", "not_your_type", "type");
    refused_create(w, "person", NULL, "{'foo':1}", "unknown_field", "foo");
    refused_create(w, "person", NULL, "{'name':'张测试'}", "required", "");
    refused_create(w, "person", NULL, "{'dup_key':'aa'}", "system_field", "dup_key");
    refused_create(w, "person", "018f0000-0000-4000-8000-000000000001", NW_PERSON, "bad_uuid",
                   "id");
    refused_create(
        w, "visit", NULL,
        "{'visit_on':'2026-08-01','occasion':'army_day','occasion_year':2026,'persons':['" V7(
            "99") "'],"
                  "'visitors':'李某','visitor_level':'village'}",
        "unknown_reference", "persons");
}

static void visit_keeps_categories(void **state)
{
    struct nw *w = *state;
    char person[40], visit[40], fields[400];
    const struct lm_value *v;

    nw_create(w, "person", NW_PERSON, person);
    (void)snprintf(
        fields, sizeof fields,
        "{'visit_on':'2026-08-01','occasion':'army_day','occasion_year':2026,'persons':['%s'],"
        "'visitors':'李某','visitor_level':'village'}",
        person);
    nw_create(w, "visit", fields, visit);
    v = lm_record_get(nw_get(w, "visit", visit), "category_at_visit");
    assert_int_equal(v->kind, LM_LIST);
    assert_int_equal(v->len, 1);
    assert_true(lm_value_is(lm_value_member(&v->items[0], "difficulty"), "none"));
    /* A person where a matter is asked for. */
    refused_create(w, "visit", NULL, "{'persons':['" V7("98") "'],'state':'draft'}",
                   "unknown_reference", "persons");
    (void)snprintf(fields, sizeof fields, "{'state':'draft','persons':['%s']}", visit);
    refused_create(w, "visit", NULL, fields, "bad_reference", "persons");
}

static void same_id_is_the_same_save(void **state)
{
    struct nw *w = *state;

    nw_save(w, LM_OP_CREATE, "person", V7("01"), NW_PERSON, NULL);
    nw_save(w, LM_OP_EDIT, NULL, V7("01"), "{'phone':'13900000000'}", NULL);
    nw_save(w, LM_OP_CREATE, "person", V7("01"), NW_PERSON, NULL);
    assert_string_equal(w->result.id, V7("01"));
    assert_int_equal(nw_me(w).head.seq, 2);
    assert_string_equal(nw_text(nw_get(w, "person", V7("01")), "phone"), "13900000000");
    refused_create(w, "person", V7("01"), "{'name':'别人'}", "key_reused", "id");
    refused_create(w, "asset", V7("01"), "{'state':'draft'}", "key_reused", "id");
}

static void same_key_is_the_same_save(void **state)
{
    struct nw *w = *state;
    char id[40];

    assert_int_equal(nw_save_entry(w, LM_OP_CREATE, "person", NULL, "k-1", NW_PERSON), LM_OK);
    memcpy(id, w->result.id, sizeof id);
    /* Again within the same batch, and in the next one. */
    assert_int_equal(nw_save_entry(w, LM_OP_CREATE, "person", NULL, "k-1", NW_PERSON), LM_OK);
    assert_string_equal(w->result.id, id);
    nw_flush(w);
    nw_close_store(w);
    nw_open_store(w);
    assert_int_equal(nw_save_entry(w, LM_OP_CREATE, "person", NULL, "k-1", NW_PERSON), LM_OK);
    assert_string_equal(w->result.id, id);
    nw_flush(w);
    assert_int_equal(nw_me(w).head.seq, 1);
    assert_int_equal(nw_save_entry(w, LM_OP_CREATE, "person", NULL, "k-1", "{'name':'别人'}"),
                     LM_ERR_EXISTS);
    assert_string_equal(w->err.code, "key_reused");
    assert_string_equal(w->err.field, "key");
}

#define PERSON_WITH_NO                                                                             \
    "{'name':'%s','id_status':'valid','id_no':'%s','sex':'1','birth_on':'1953-08-01','household_"  \
    "village':'999999101201',"                                                                     \
    "'is_resident':true,'household_no':'1','difficulty':'none','notice_at':'2026-01-01'}"

static void natural_keys(void **state)
{
    struct nw *w = *state;
    char id[40], fields[600];
    /* 999999195308011 + order + check character */
    char no[19] = "99999919530801011";

    no[17] = '\0';
    for (int c = 0; c < 11; c++) {
        no[17] = "0123456789X"[c];
        (void)snprintf(fields, sizeof fields, PERSON_WITH_NO, "甲测试", no);
        if (nw_save_entry(w, LM_OP_CREATE, "person", NULL, NULL, fields) == LM_OK) {
            break;
        }
    }
    memcpy(id, w->result.id, sizeof id);
    nw_flush(w);
    assert_int_equal(nw_me(w).head.seq, 1);
    (void)snprintf(fields, sizeof fields, PERSON_WITH_NO, "乙测试", no);
    refused_create(w, "person", NULL, fields, "not_unique", "id_no");
    assert_string_equal(w->result.other, id);
    /* One name and one date of birth: only a warning. */
    nw_create(w, "person", NW_PERSON, id);
    assert_false(warned(w, "near_duplicate"));
    nw_create(w, "person", NW_PERSON, id);
    assert_true(warned(w, "near_duplicate"));
}

static void edits(void **state)
{
    struct nw *w = *state;
    char id[40];

    nw_create(w, "person", NW_PERSON, id);
    nw_save(w, LM_OP_EDIT, NULL, id, "{'phone':'13900000000'}", NULL);
    assert_int_equal(nw_me(w).head.seq, 2);
    /* What changes nothing is no change. */
    nw_save(w, LM_OP_EDIT, NULL, id, "{'phone':'13900000000','name':'张测试'}", NULL);
    assert_int_equal(nw_me(w).head.seq, 2);
    nw_save(w, LM_OP_EDIT, NULL, id, "{'phone':null}", NULL);
    assert_true(lm_value_is_null(lm_record_get(nw_get(w, "person", id), "phone")));
    refused_edit(w, LM_OP_EDIT, id, "{'state':'active'}", "not_allowed");
    refused_edit(w, LM_OP_EDIT, V7("77"), "{'phone':'13900000000'}", "not_found");
    refused_edit(w, LM_OP_EDIT, id, "{'name':null}", "required");
    nw_check_chain(w);
}

static void deletes(void **state)
{
    struct nw *w = *state;
    char id[40];

    nw_create(w, "person", NW_PERSON, id);
    refused_edit(w, LM_OP_DELETE, id, "{}", "required");
    nw_save(w, LM_OP_DELETE, NULL, id, "{'delete_reason':'录错'}", NULL);
    assert_true(lm_record_deleted(nw_get(w, "person", id)));
    nw_save(w, LM_OP_DELETE, NULL, id, "{'delete_reason':'录错'}", NULL);
    assert_int_equal(nw_me(w).head.seq, 2);
    refused_edit(w, LM_OP_EDIT, id, "{'phone':'13900000000'}", "deleted");
    nw_save(w, LM_OP_UNDELETE, NULL, id, "{}", NULL);
    assert_false(lm_record_deleted(nw_get(w, "person", id)));
    assert_int_equal(nw_me(w).head.seq, 3);
}

/* HLCs rise whatever the wall clock does: a clock known to be far ahead was used before. */
static void hlc_rises(void **state)
{
    struct nw *w = *state;
    char a[40], b[40];

    nw_create(w, "person", NW_PERSON, a);
    nw_create(w, "person", NW_PERSON, b);
    assert_true(nw_get(w, "person", b)->stamps[0].version.hlc >
                nw_get(w, "person", a)->stamps[0].version.hlc);
}

static void bad_entry_leaves_its_batch_alone(void **state)
{
    struct nw *w = *state;

    assert_int_equal(nw_save_entry(w, LM_OP_CREATE, "person", V7("01"), NULL, NW_PERSON), LM_OK);
    assert_int_not_equal(
        nw_save_entry(w, LM_OP_CREATE, "person", V7("02"), NULL, "{'name':'乙测试'}"), LM_OK);
    assert_int_equal(nw_save_entry(w, LM_OP_CREATE, "person", V7("03"), NULL, NW_PERSON), LM_OK);
    nw_flush(w);
    assert_non_null(nw_get(w, "person", V7("01")));
    assert_null(nw_get(w, "person", V7("02")));
    assert_non_null(nw_get(w, "person", V7("03")));
    assert_int_equal(nw_me(w).head.seq, 2);
    nw_check_chain(w);
}

/* P1: what was not flushed was not saved; no half of it is there. */
static void unflushed_batch_is_gone(void **state)
{
    struct nw *w = *state;

    assert_int_equal(nw_save_entry(w, LM_OP_CREATE, "person", V7("01"), NULL, NW_PERSON), LM_OK);
    nw_close_store(w);
    nw_open_store(w);
    assert_null(nw_get(w, "person", V7("01")));
    assert_int_equal(nw_me(w).head.seq, 0);
    nw_save(w, LM_OP_CREATE, "person", V7("01"), NW_PERSON, NULL);
    assert_int_equal(nw_me(w).head.seq, 1);
}

enum { PROCESSES = 4, EACH = 40, BATCH = 7 };

static int add_many(struct nw *w, int process)
{
    struct nw own = {.catalog = w->catalog, .dir = w->dir};
    struct lm_error err = {0};
    int bad = lm_nstore_open(&own.dir, own.catalog, false, &own.store, &err) != LM_OK;

    if (bad) {
        return 1;
    }
    lm_node_saver_init(&own.saver, own.store, own.dir.path, "");
    for (int i = 0; i < EACH && !bad; i++) {
        char fields[600];

        (void)snprintf(fields, sizeof fields,
                       "{'name':'测试','id_status':'missing','id_status_reason':'未办理','sex':'1',"
                       "'birth_on':'19%02d-01-%02d',"
                       "'household_village':'999999101201','is_resident':true,'household_no':'%d','"
                       "difficulty':'none',"
                       "'notice_at':'2026-01-01'}",
                       30 + process, 1 + i % 28, i);
        bad = nw_save_entry(&own, LM_OP_CREATE, "person", NULL, NULL, fields) != LM_OK ||
              (i % BATCH == 0 && lm_node_saver_flush(&own.saver, &err) != LM_OK);
    }
    bad = bad || lm_node_saver_flush(&own.saver, &err) != LM_OK;
    lm_node_saver_free(&own.saver);
    lm_nstore_close(&own.store);
    return bad;
}

static bool count_one(void *arg, const struct lm_record *rec)
{
    (void)rec;
    ++*(size_t *)arg;
    return true;
}

static void several_processes_make_one_chain(void **state)
{
    struct nw *w = *state;
    struct lm_error err = {0};
    size_t n = 0;
    pid_t pids[PROCESSES];

    nw_close_store(w); /* a connection must not cross fork() */
    for (int p = 0; p < PROCESSES; p++) {
        pids[p] = fork();
        assert_true(pids[p] >= 0);
        if (pids[p] == 0) {
            _exit(add_many(w, p));
        }
    }
    for (int p = 0; p < PROCESSES; p++) {
        int how = 0;

        assert_int_equal(waitpid(pids[p], &how, 0), pids[p]);
        assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    }
    nw_open_store(w);
    assert_int_equal(nw_me(w).head.seq, PROCESSES * EACH);
    nw_check_chain(w);
    assert_int_equal(lm_tables_list(lm_nstore_tables(w->store), NULL,
                                    lm_catalog_type(w->catalog, "person"), NULL, NULL, 0, false,
                                    count_one, &n, &err),
                     LM_OK);
    assert_int_equal(n, PROCESSES * EACH);
}

static void print_nothing(void *arg, json_t *row)
{
    json_t *rows = arg;

    assert_int_equal(json_array_append(rows, row), 0);
}

static void history_tells_every_change(void **state)
{
    struct nw *w = *state;
    struct lm_error err = {0};
    char id[40];
    size_t n = 0;
    json_t *rows = json_array();

    nw_create(w, "person", NW_PERSON, id);
    nw_save(w, LM_OP_EDIT, NULL, id, "{'phone':'13900000000'}", NULL);
    nw_save(w, LM_OP_DELETE, NULL, id, "{'delete_reason':'录错'}", NULL);
    assert_int_equal(lm_nstore_history(w->store, id, print_nothing, rows, &n, &err), LM_OK);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < 3; i++) {
        static const char *const ops[] = {"create", "edit", "delete"};
        const json_t *row = json_array_get(rows, i);

        assert_string_equal(json_string_value(json_object_get(row, "op")), ops[i]);
        assert_int_equal(json_integer_value(json_object_get(row, "seq")), (json_int_t)i + 1);
        assert_string_equal(json_string_value(json_object_get(row, "user")), "王秘书");
        assert_true(json_is_false(json_object_get(row, "acked")));
    }
    json_decref(rows);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, nw_setup, nw_teardown)
    const struct CMUnitTest tests[] = {
        TEST(creation_makes_row_and_change),
        TEST(creations_that_cannot_be),
        TEST(visit_keeps_categories),
        TEST(same_id_is_the_same_save),
        TEST(same_key_is_the_same_save),
        TEST(natural_keys),
        TEST(edits),
        TEST(deletes),
        TEST(hlc_rises),
        TEST(bad_entry_leaves_its_batch_alone),
        TEST(unflushed_batch_is_gone),
        TEST(several_processes_make_one_chain),
        TEST(history_tells_every_change),
    };
    return cmocka_run_group_tests_name("node_save", tests, NULL, NULL);
}
