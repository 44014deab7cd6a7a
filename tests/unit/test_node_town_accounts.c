/* Accounts that the town made, as they stand in a PC's table of accounts (node/store/
 * town_accounts.c): the town's newest word counts, whatever arrives last; what its owner chose
 * stays until the town gives another; another station's opens nothing. */
#include "tests/unit/node_world.h"

#include "common/account.h"
#include "node/store/store_internal.h"

#include <sodium.h>

#define ID "01935f3e-6b7a-7c01-9abc-0123456789ab"

static char first[LM_PASSWORD_HASH_BYTES], second[LM_PASSWORD_HASH_BYTES];

static struct lm_value text(const char *value)
{
    return lm_value_text(value);
}

static void set(struct lm_record *rec, const char *field, struct lm_value value)
{
    const struct lm_field *f = lm_type_field(rec->type, field);

    assert_non_null(f);
    rec->fields[f->index] = value;
}

/* The town's word `said` about the account 李秘书 of a station. */
static struct lm_record *word(struct nw *w, const char *station, uint64_t said,
                              const char *verifier, bool disabled)
{
    const struct lm_type *type = lm_catalog_type(w->catalog, "station_account");
    struct lm_record *rec = lm_record_new(&w->arena, type, ID);

    assert_non_null(rec);
    rec->fields[LM_C_VILLAGE_CODE] = text(station);
    set(rec, "name", text("李秘书"));
    set(rec, "shown", text("李小明"));
    set(rec, "role", text("secretary"));
    set(rec, "verifier", text(verifier));
    set(rec, "disabled", lm_value_bool(disabled));
    for (size_t g = 0; g < type->n_groups; g++) {
        rec->stamps[g].version = (struct lm_version){.hlc = said << 16};
    }
    return rec;
}

static void hear(struct nw *w, const struct lm_record *rec)
{
    struct lm_error err = {0};

    assert_int_equal(lm_nstore_begin(w->store, &err), LM_OK);
    if (ns_town_account_take(w->store, rec, &err) != LM_OK) {
        fail_msg("%s", err.en);
    }
    assert_int_equal(lm_nstore_commit(w->store, &err), LM_OK);
}

static struct lm_account account(struct nw *w)
{
    struct lm_account a = {0};
    struct lm_error err = {0};

    assert_int_equal(lm_nstore_account(w->store, "李秘书", &a, &err), LM_OK);
    return a;
}

static bool is_there(struct nw *w)
{
    struct lm_account a;
    struct lm_error err = {0};

    return lm_nstore_account(w->store, "李秘书", &a, &err) == LM_OK;
}

static void choose(struct nw *w, const char *password)
{
    char hash[LM_PASSWORD_HASH_BYTES];
    struct lm_error err = {0};

    assert_int_equal(lm_password_hash(password, hash, &err), LM_OK);
    assert_int_equal(lm_nstore_account_password(w->store, "李秘书", hash, false, &err), LM_OK);
}

static void test_first_password_own_password_and_the_next(void **state)
{
    struct nw *w = *state;
    struct lm_account a;

    hear(w, word(w, NW_STATION, 10, first, false));
    a = account(w);
    assert_true(a.of_town && a.must_change && !a.disabled);
    assert_string_equal(a.shown, "李小明");
    assert_true(lm_password_matches(a.hash, "first-one"));
    choose(w, "own-one-1");
    /* The same word again, and another about something else, leave what was chosen. */
    hear(w, word(w, NW_STATION, 10, first, false));
    hear(w, word(w, NW_STATION, 11, first, false));
    a = account(w);
    assert_true(lm_password_matches(a.hash, "own-one-1"));
    assert_false(a.must_change);
    hear(w, word(w, NW_STATION, 12, second, false));
    a = account(w);
    assert_true(a.must_change);
    assert_true(lm_password_matches(a.hash, "second-one"));
    assert_false(lm_password_matches(a.hash, "own-one-1"));
}

/* A hub that was restored says again what it said before; whoever was shut out stays out. */
static void test_an_older_word_changes_nothing(void **state)
{
    struct nw *w = *state;

    hear(w, word(w, NW_STATION, 10, first, false));
    hear(w, word(w, NW_STATION, 12, second, true));
    assert_true(account(w).disabled);
    hear(w, word(w, NW_STATION, 10, first, false));
    assert_true(account(w).disabled);
    assert_true(lm_password_matches(account(w).hash, "second-one"));
    hear(w, word(w, NW_STATION, 13, second, false));
    assert_false(account(w).disabled);
}

static void test_another_stations_account_is_none(void **state)
{
    struct nw *w = *state;

    hear(w, word(w, "999999101202", 10, first, false));
    assert_false(is_there(w));
}

/* What the town said goes nowhere: the log holds what was entered here, and nothing else. */
static void test_nothing_is_sent_back(void **state)
{
    struct nw *w = *state;
    char id[40];

    hear(w, word(w, NW_STATION, 10, first, false));
    choose(w, "own-one-1");
    nw_create(w, "consultation",
              "{'on':'2026-01-05','channel':'phone','topic':'policy','item_count':1}", id);
    assert_string_equal(nw_text(nw_get(w, "consultation", id), "topic"), "policy");
    assert_int_equal(nw_me(w).head.seq, 1);
    nw_check_chain(w);
}

/* A local account of the same name is the town's from then on; others stay as they are. */
static void test_a_local_account_of_the_name(void **state)
{
    struct nw *w = *state;
    struct lm_error err = {0};
    char hash[LM_PASSWORD_HASH_BYTES];
    struct lm_account a;

    assert_int_equal(lm_password_hash("local-one", hash, &err), LM_OK);
    assert_int_equal(lm_nstore_account_add(w->store, "李秘书", "admin", hash, false, 1, &err),
                     LM_OK);
    assert_int_equal(lm_nstore_account_add(w->store, "王秘书", "admin", hash, false, 1, &err),
                     LM_OK);
    hear(w, word(w, NW_STATION, 10, first, false));
    a = account(w);
    assert_true(a.of_town && a.must_change);
    assert_string_equal(a.role, "secretary");
    assert_false(lm_password_matches(a.hash, "local-one"));
    assert_int_equal(lm_nstore_account(w->store, "王秘书", &a, &err), LM_OK);
    assert_false(a.of_town);
    /* What the town decides is not decided here. */
    assert_int_equal(lm_nstore_account_disable(w->store, "李秘书", true, &err), LM_ERR_DENIED);
    assert_string_equal(err.code, "town_account");
    assert_int_equal(lm_nstore_account_succeed(w->store, "李秘书", "赵秘书", hash, true, 1, &err),
                     LM_ERR_DENIED);
    assert_int_equal(lm_nstore_account_disable(w->store, "王秘书", true, &err), LM_OK);
}

/* A verifier that would take any memory and time to try is not tried. */
static void test_a_strange_verifier_opens_nothing(void **state)
{
    struct nw *w = *state;

    hear(w, word(w, NW_STATION, 10, "$argon2id$v=19$m=4194304,t=99,p=1$AAAA$AAAA", false));
    assert_string_equal(account(w).hash, "");
    assert_false(lm_password_matches(account(w).hash, ""));
    assert_true(lm_password_hash_usable(first));
    assert_false(lm_password_hash_usable(""));
}

/* The forms that the old secretary left are the new one's. */
static void test_drafts_go_to_the_successor(void **state)
{
    struct nw *w = *state;
    struct lm_error err = {0};
    struct lm_record *rec = word(w, NW_STATION, 10, first, false);
    sqlite3_stmt *q;

    assert_int_equal(lm_nstore_draft_put(w->store, "王秘书", "new/person", "{}", 1, &err), LM_OK);
    set(rec, "replaces", text("王秘书"));
    hear(w, rec);
    assert_int_equal(
        sqlite3_prepare_v2(lm_db_handle(w->store->db), "SELECT user FROM drafts", -1, &q, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(q, 0), "李秘书");
    assert_int_equal(sqlite3_finalize(q), SQLITE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_password_own_password_and_the_next, nw_setup,
                                        nw_teardown),
        cmocka_unit_test_setup_teardown(test_an_older_word_changes_nothing, nw_setup, nw_teardown),
        cmocka_unit_test_setup_teardown(test_another_stations_account_is_none, nw_setup,
                                        nw_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_sent_back, nw_setup, nw_teardown),
        cmocka_unit_test_setup_teardown(test_a_local_account_of_the_name, nw_setup, nw_teardown),
        cmocka_unit_test_setup_teardown(test_a_strange_verifier_opens_nothing, nw_setup,
                                        nw_teardown),
        cmocka_unit_test_setup_teardown(test_drafts_go_to_the_successor, nw_setup, nw_teardown),
    };
    struct lm_error err = {0};

    return sodium_init() < 0 || lm_password_hash("first-one", first, &err) != LM_OK ||
                   lm_password_hash("second-one", second, &err) != LM_OK
               ? 1
               : cmocka_run_group_tests(tests, NULL, NULL);
}
