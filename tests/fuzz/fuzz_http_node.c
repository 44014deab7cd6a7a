/* The village page's API: any sequence of requests to the real handlers over the real store. What
 * must hold of answers stands at the head of http_world.c; besides, no request takes a change out
 * of the outbox or a row out of a table. */
#include "tests/fuzz/http_world.h"

#include "common/base/log.h"
#include "node/api/api.h"
#include "node/save.h"
#include "node/store/store_internal.h"
#include "tests/fuzz/seams.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const char lm_node_openapi[], lm_node_openapi_end[];

/* Ids that seeds name: the records made at the beginning. */
static const char person_id[] = "01932f00-1111-7222-8333-444444444401";
static const char visit_id[] = "01932f00-1111-7222-8333-444444444402";

static struct http_world world;
static struct lm_node node;
static struct lm_api *api;
static char work[64];

static void sync_nothing(void *arg)
{
    (void)arg;
}

static int64_t written(void)
{
    return seam_disk_written("node.db");
}

static void save(const char *type, const char *id, const char *json)
{
    struct lm_node_saver saver;
    struct lm_entry_result result;
    struct lm_error err = {0};
    struct lm_entry entry = {.op = LM_OP_CREATE, .type = type, .id = id};

    memset(&result, 0, sizeof result);
    lm_issues_init(&result.issues);
    entry.fields = json_loads(json, 0, NULL);
    lm_node_saver_init(&saver, api->store, node.dir.path, "王秘书");
    if (lm_node_save(&saver, &entry, &result, &err) != LM_OK ||
        lm_node_saver_flush(&saver, &err) != LM_OK) {
        (void)fprintf(stderr, "%s: %s %s %s\n", type, err.code, err.field, err.en);
        abort();
    }
    lm_node_saver_free(&saver);
    json_decref(entry.fields);
}

static void remove_work(void)
{
    char path[96];

    (void)snprintf(path, sizeof path, "%s/node.db", work);
    (void)unlink(path);
    (void)rmdir(work);
}

static void account(const char *name, const char *role, const char *password)
{
    char hash[LM_PASSWORD_HASH_BYTES];
    struct lm_error err;

    LM_CHECK(lm_password_hash(password, hash, &err) == LM_OK);
    LM_CHECK(lm_nstore_account_add(api->store, name, role, hash, false, seam_clock.wall_ms, &err) ==
             LM_OK);
}

static void make(void)
{
    struct lm_error err;
    struct lm_nstore *store;

    seam_clock = (struct seam_clock){.wall_ms = 1790000000000, .mono_ms = 1000000};
    seam_random(1);
    lm_log_set_level(LM_LOG_ERROR);
    (void)snprintf(work, sizeof work, "/tmp/lm-fuzz.XXXXXX");
    LM_CHECK(mkdtemp(work));
    (void)atexit(remove_work);
    seam_disk_install();
    LM_CHECK(lm_catalog_load_embedded(&node.catalog, &err) == LM_OK);
    LM_CHECK(lm_datadir_open(work, false, &node.dir, &err) == LM_OK);
    LM_CHECK(lm_nstore_open(&node.dir, node.catalog, true, &store, &err) == LM_OK);
    LM_CHECK(lm_nstore_begin(store, &err) == LM_OK);
    LM_CHECK(lm_nstore_me_make(store, 77, "999999101201", "village", "示例村", &err) == LM_OK);
    LM_CHECK(lm_nstore_commit(store, &err) == LM_OK);
    lm_nstore_close(&store);
    LM_CHECK(lm_api_open(&node, &api, &err) == LM_OK);
    api->sync = sync_nothing;
    api->sticks = work; /* holds none */
    save("person", person_id,
         "{\"name\":\"测试甲\",\"id_status\":\"missing\",\"id_status_reason\":\"未办理\",\"sex\":"
         "\"1\","
         "\"birth_on\":\"1953-08-01\",\"household_village\":\"999999101201\",\"is_resident\":true,"
         "\"household_no\":\"H1\",\"difficulty\":\"none\",\"notice_at\":\"2026-01-01\"}");
    save("consultation", visit_id,
         "{\"on\":\"2026-03-02\",\"channel\":\"phone\",\"topic\":\"policy\",\"item_count\":3}");
    account("管理员", "admin", "246813");
    account("王秘书", "secretary", "135792");
    LM_CHECK(lm_nstore_draft_put(api->store, "王秘书", "new:person", "{\"name\":\"半\"}",
                                 seam_clock.wall_ms, &err) == LM_OK);
    hw_open(&world, &api->door, lm_api_routes, lm_api_n_routes, lm_node_openapi,
            (size_t)(lm_node_openapi_end - lm_node_openapi));
    world.written = written;
    seam_disk_keep();
}

static int64_t count(const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    struct lm_error err;
    int64_t n;

    LM_CHECK(lm_db_prepare(api->store->db, sql, &stmt, &err) == LM_OK);
    LM_CHECK(sqlite3_step(stmt) == SQLITE_ROW);
    n = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lm_error err;
    struct lm_me me;

    if (!api) {
        make();
    }
    seam_disk_restore();
    seam_clock = (struct seam_clock){.wall_ms = 1790000000000, .mono_ms = 1000000};
    seam_random(2);
    lm_rand_seed(&api->rnd, 3);
    lm_sessions_init(&api->sessions, LM_API_IDLE_MS, LM_API_END_MS);
    memset(&api->tries, 0, sizeof api->tries);
    lm_api_search_free(&api->search); /* of a database that was put back */
    world.n_cookies = 0;
    hw_session(&world, &api->sessions, api->cookie, "王秘书", "secretary");
    hw_session(&world, &api->sessions, api->cookie, "管理员", "admin");
    hw_requests(&world, data, size);
    LM_CHECK(!lm_db_in_transaction(api->store->db));
    LM_CHECK(lm_nstore_me(api->store, &me, &err) == LM_OK);
    LM_CHECK((uint64_t)count("SELECT count(*) FROM outbox") == me.head.seq && me.head.seq >= 2);
    LM_CHECK(count("SELECT count(*) FROM r_person") >= 1);
    LM_CHECK(count("SELECT count(*) FROM r_consultation") >= 1);
    return 0;
}
