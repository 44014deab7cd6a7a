/* The town page's API: any sequence of requests of a clerk, an administrator, an auditor, a leader
 * and of nobody to the real handlers, over the real store and its writer. What must hold of answers
 * stands at the head of http_world.c; besides, the journal never grows shorter, and what was there
 * at the beginning stays. */
#include "tests/fuzz/http_world.h"

#include "common/base/log.h"
#include "hub/api/api.h"
#include "tests/fuzz/seams.h"

#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const char lm_hub_openapi[], lm_hub_openapi_end[];

/* Ids that seeds name. */
static const char person_id[] = "01932f00-1111-7222-8333-444444444401";
static const char consultation_id[] = "01932f00-1111-7222-8333-444444444402";

static struct http_world world;
static struct lm_hub hub;
static struct lm_server server;
static struct lm_api *api;
static char work[64];
static uint64_t journal; /* its head at the beginning */

static int64_t written(void)
{
    return seam_disk_written("hub.db");
}

/* The writer's thread: as the loop of `serve` does it. */
static void *write_on(void *arg)
{
    struct pollfd fd = {.fd = server.desk.fd, .events = POLLIN};

    (void)arg;
    for (;;) {
        if (poll(&fd, 1, -1) > 0) {
            lm_server_desk_run(&server);
        }
    }
    return NULL;
}

static void act(const char *type, const char *id, const char *json)
{
    struct lm_act_result result;
    struct lm_error err = {0};
    json_t *fields = json_loads(json, 0, NULL);
    const struct lm_act what = {.user = "李职员",
                                .type = type,
                                .id = id,
                                .station = "999999101201",
                                .fields = fields,
                                .op = LM_OP_CREATE};

    LM_CHECK(lm_store_begin(hub.store, &err) == LM_OK);
    if (lm_store_act(hub.store, &what, seam_clock.wall_ms, &result, &err) != LM_OK) {
        (void)fprintf(stderr, "%s: %s %s %s\n", type, err.code, err.field, err.en);
        abort();
    }
    LM_CHECK(lm_store_commit(hub.store, &err) == LM_OK);
    json_decref(fields);
}

static void remove_work(void)
{
    static const char *const names[] = {"hub.db", "hub.key", "audit.db", "revoked.log",
                                        "doors.log"};
    char path[96];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", work, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(work);
}

static void open_store(void)
{
    struct lm_error err;

    LM_CHECK(lm_store_open(&hub.dir, hub.catalog, LM_STORE_WRITE, &hub.store, &err) == LM_OK);
    lm_store_set_dup_key(hub.store, hub.keys.dup_key);
}

static uint64_t head(void)
{
    struct lm_mark mark;

    LM_CHECK(lm_store_head(hub.store, &mark) == LM_OK);
    return mark.position;
}

static void make(void)
{
    struct lm_error err = {0};
    pthread_t writer;
    const struct lm_store_init init = {.town_name = "示例镇",
                                       .town_code = "999999101000",
                                       .admin_name = "admin",
                                       .admin_password = "not-a-Secret1",
                                       .now_ms = 1790000000000};
    struct lm_station station = {.code = "999999101201", .name = "示例村", .level = "village"};

    seam_clock = (struct seam_clock){.wall_ms = 1790000000000, .mono_ms = 1000000};
    seam_random(1);
    lm_log_set_level(LM_LOG_ERROR);
    (void)snprintf(work, sizeof work, "/tmp/lm-fuzz.XXXXXX");
    LM_CHECK(mkdtemp(work));
    (void)atexit(remove_work);
    seam_disk_install();
    LM_CHECK(lm_catalog_load_embedded(&hub.catalog, &err) == LM_OK);
    LM_CHECK(lm_datadir_open(work, false, &hub.dir, &err) == LM_OK);
    LM_CHECK(lm_hub_keys_make(&hub.dir, &hub.keys, &err) == LM_OK);
    LM_CHECK(lm_store_create(&hub.dir, hub.catalog, &init, &err) == LM_OK);
    open_store();
    LM_CHECK(lm_store_begin(hub.store, &err) == LM_OK);
    LM_CHECK(lm_store_station_add(hub.store, "", &station, init.now_ms, &err) == LM_OK);
    LM_CHECK(lm_store_user_add(hub.store, "clerk", "clerk", NULL, "not-a-Secret1", false,
                               init.now_ms, &err) == LM_OK);
    LM_CHECK(lm_store_commit(hub.store, &err) == LM_OK);
    act("person", person_id,
        "{\"name\":\"测试甲\",\"id_status\":\"missing\",\"id_status_reason\":\"未办理\",\"sex\":"
        "\"1\","
        "\"birth_on\":\"1953-08-01\",\"household_village\":\"999999101201\",\"is_resident\":true,"
        "\"household_no\":\"H1\",\"difficulty\":\"none\",\"notice_at\":\"2026-01-01\"}");
    act("consultation", consultation_id,
        "{\"on\":\"2026-03-02\",\"channel\":\"phone\",\"topic\":\"policy\",\"item_count\":3}");
    LM_CHECK(lm_server_init(&server, &hub, &err) == LM_OK);
    LM_CHECK(lm_town_open(&server, &api, &err) == LM_OK);
    hw_open(&world, &api->door, lm_town_routes, lm_town_n_routes, lm_hub_openapi,
            (size_t)(lm_hub_openapi_end - lm_hub_openapi));
    world.written = written;
    journal = head();
    LM_CHECK(pthread_create(&writer, NULL, write_on, NULL) == 0 && pthread_detach(writer) == 0);
    seam_disk_keep();
}

/* What the stores remember of a database that was put back is wrong: they begin anew. */
static void begin_anew(void)
{
    struct lm_error err;

    lm_store_close(&hub.store);
    lm_store_close(&api->store);
    lm_audit_close(&api->audit);
    seam_disk_restore();
    open_store();
    LM_CHECK(lm_audit_open(&hub.dir, &api->audit, &err) == LM_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int64_t before = -1;
    static const char *const users[][2] = {{"clerk", "clerk"},
                                           {"admin", "admin"},
                                           {"sun", "auditor"},
                                           {"li", "leader"},
                                           {"wu", "security"}};
    struct lm_error err;
    int64_t first, n;

    if (!api) {
        make();
        before = seam_disk_written("");
    }
    if (seam_disk_written("") != before) {
        begin_anew();
    }
    before = seam_disk_written("");
    seam_clock = (struct seam_clock){.wall_ms = 1790000000000, .mono_ms = 1000000};
    seam_random(2);
    lm_sessions_init(&api->sessions, LM_TOWN_IDLE_MS, LM_TOWN_END_MS);
    memset(&api->tries, 0, sizeof api->tries);
    world.n_cookies = 0;
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        hw_session(&world, &api->sessions, LM_TOWN_COOKIE, users[i][0], users[i][1]);
    }
    hw_requests(&world, data, size);
    LM_CHECK(!server.failed && !lm_store_broken(hub.store));
    LM_CHECK(head() >= journal);
    LM_CHECK(lm_audit_verify(api->audit, &first, &n, &err) == LM_OK && first == 0);
    return 0;
}
