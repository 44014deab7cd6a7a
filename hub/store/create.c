/* A new hub's database: town, first incarnation, first account, and the town's own records as the
 * first journal entries. What could not be made completely is removed. */
#include "hub/store/store_internal.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum lm_status check_init(const struct lm_store_init *init, struct lm_error *err)
{
    size_t chars = 0;

    if (!init->town_code || strlen(init->town_code) != 12 ||
        strspn(init->town_code, "0123456789") != 12 || strcmp(init->town_code + 9, "000") != 0 ||
        strcmp(init->town_code + 6, "000000") == 0) {
        return lm_fail(err, LM_ERR_INVALID, "bad_format", "code",
                       "镇代码应为 12 位数字，后 3 位为 000",
                       "A town's code has 12 digits and ends in 000");
    }
    if (!init->town_name || init->town_name[0] == '\0' ||
        !lm_utf8_valid(init->town_name, strlen(init->town_name), &chars) || chars > 40 ||
        lm_utf8_has_control(init->town_name, strlen(init->town_name))) {
        return lm_fail(err, LM_ERR_INVALID, "bad_text", "town", "镇名应为 1 至 40 个字",
                       "The town's name has 1 to 40 characters");
    }
    return LM_OK;
}

static enum lm_status put_town(struct lm_store *store, const struct lm_store_init *init,
                               struct lm_error *err)
{
    char text[32];
    uint64_t random = 0;
    enum lm_status status = lm_meta_put(store, "town_name", init->town_name, err);

    if (status == LM_OK) {
        status = lm_meta_put(store, "town_code", init->town_code, err);
    }
    if (status == LM_OK) {
        status = lm_meta_put(store, "incarnation_counter", "1", err);
    }
    if (status == LM_OK) {
        randombytes_buf(&random, sizeof random);
        (void)snprintf(text, sizeof text, "%" PRIu64, random);
        status = lm_meta_put(store, "incarnation_random", text, err);
    }
    if (status == LM_OK) {
        (void)snprintf(text, sizeof text, "%" PRId64, init->now_ms);
        status = lm_meta_put(store, "created_ms", text, err);
    }
    return status;
}

static enum lm_status fill_new(struct lm_store *store, const struct lm_store_init *init,
                               struct lm_error *err)
{
    struct lm_station station = {.level = "town"};
    enum lm_status status = lm_store_begin(store, err);

    if (status == LM_OK) {
        status = put_town(store, init, err);
    }
    if (status == LM_OK) {
        status = lm_town_load(store, err);
    }
    if (status == LM_OK) {
        status = lm_store_user_add(store, init->admin_name, "admin", NULL, init->admin_password,
                                   init->password_made, init->now_ms, err);
    }
    if (status == LM_OK) {
        (void)snprintf(station.code, sizeof station.code, "%s", init->town_code);
        (void)snprintf(station.name, sizeof station.name, "%s", init->town_name);
        status = lm_store_station_add(store, "", &station, init->now_ms, err);
    }
    if (status == LM_OK) { /* by which a restore knows whose backup it is */
        char hub_id[40];

        lm_hex_encode(store->town.hub_id, 16, hub_id);
        status = lm_meta_put(store, "hub_id", hub_id, err);
    }
    if (status == LM_OK) {
        status = lm_incarnation_note(store, "init", init->now_ms, err);
    }
    return status == LM_OK ? lm_store_commit(store, err) : status;
}

static void remove_files(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char name[PATH_MAX + 8];

    for (int i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        (void)unlink(name);
    }
}

enum lm_status lm_store_create(const struct lm_datadir *dir, const struct lm_catalog *catalog,
                               const struct lm_store_init *init, struct lm_error *err)
{
    char path[PATH_MAX];
    struct lm_store *store = NULL;
    enum lm_status status = lm_datadir_path(dir, LM_HUB_DB_FILE, path, sizeof path);

    if (status != LM_OK) {
        return lm_fail(err, status, "path_too_long", "", "数据目录的路径太长",
                       "The data directory's path is too long");
    }
    status = check_init(init, err);
    if (status != LM_OK) {
        return status;
    }
    if (access(path, F_OK) == 0) {
        return lm_fail(err, LM_ERR_EXISTS, "exists", "", "这里已有数据库 %s，不会被覆盖",
                       "There is a database %s already; it is not overwritten", path);
    }
    status = lm_store_open_file(path, catalog, true, false, &store, err);
    if (status == LM_OK) {
        store->dir = *dir;
        store->dir.lock_fd = -1;
        lm_hub_id_load(store);
        status = fill_new(store, init, err);
    }
    lm_store_close(&store);
    if (status != LM_OK) {
        remove_files(path);
    }
    return status;
}
