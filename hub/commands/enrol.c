/* enrol: a one-time kit, printed. It holds a one-time CURVE key, the hub's public keys and the
 * station's own area and station rows, signed. */
#include "common/base/util.h"
#include "common/tables.h"
#include "common/transport.h"
#include "hub/program.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define EXPIRES_HOURS_DEFAULT 72
#define EXPIRES_HOURS_MAX (24 * 90)

struct rows {
    struct lm_kit_record records[LM_KIT_RECORDS_MAX];
    struct lm_buf bodies[LM_KIT_RECORDS_MAX];
    size_t n;
};

static bool take_row(void *arg, const struct lm_record *rec)
{
    struct rows *rows = arg;
    if (rows->n == LM_KIT_RECORDS_MAX) {
        return false;
    }
    struct lm_buf *body = &rows->bodies[rows->n];
    lm_buf_init(body, LM_CHANGE_BYTES_MAX * 2);
    lm_body_pack(body, rec);
    if (body->status != LM_OK) {
        return false;
    }
    rows->records[rows->n] = (struct lm_kit_record){.body = body->data, .len = body->len};
    rows->n++;
    return true;
}

static enum lm_status own_rows(struct lm_hub *hub, const char *code, struct rows *rows,
                               struct lm_arena *arena, struct lm_error *err)
{
    struct lm_where area = {.field = "code", .value = code},
                    station = {.field = "area_code", .value = code};
    enum lm_status status =
        lm_store_list(hub->store, arena, "area_unit", NULL, &area, 1, take_row, rows, err);
    return status == LM_OK
               ? lm_store_list(hub->store, arena, "station", NULL, &station, 1, take_row, rows, err)
               : status;
}

static bool count_in_use(void *arg, const struct lm_replica *r)
{
    *(size_t *)arg += r->revoked_ms == 0;
    return true;
}

/* A kit for a station that has a PC is mostly for that one's successor. */
static void remind_of_the_old(struct lm_hub *hub, const char *code, struct lm_cli *cli)
{
    struct lm_error ignored;
    size_t n = 0;

    if (lm_store_replicas(hub->store, code, count_in_use, &n, &ignored) == LM_OK && n > 0) {
        fprintf(cli->err,
                "%s: 服务站 %s 已有 %zu 台电脑在册：新电脑是来换旧电脑的，新的恢复备份并同步以后，"
                "请停用旧的（station revoke %s --replica 编号）；不停用，镇里会一直等它 / the "
                "station has %zu enrolled already: when this one replaces another, revoke that "
                "one (`station revoke %s --replica N`) once the new one has restored and synced\n",
                LM_HUB_NAME, code, n, code, n, code);
    }
}

int lm_cmd_enrol(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *out_path = NULL, *endpoint = "tcp://127.0.0.1:5800", *hours_text = NULL,
               *positional[1];
    const struct lm_cli_option options[] = {{.name = "--out", .value = &out_path},
                                            {.name = "--endpoint", .value = &endpoint},
                                            {.name = "--expires", .value = &hours_text}};
    struct lm_error err = {0};
    struct lm_arena arena;
    struct lm_buf text;
    struct rows rows = {.n = 0};
    struct lm_station station;
    struct lm_keypair pair;
    struct lm_kit kit;
    size_t n = 0;
    long hours = EXPIRES_HOURS_DEFAULT;
    memset(&kit, 0, sizeof kit);
    lm_arena_init(&arena, 16 * 1024 * 1024);
    lm_buf_init(&text, LM_KIT_BYTES_MAX);
    enum lm_status status = lm_hub_options(cli, options, 3, positional, 1, &n, &err);
    if (status == LM_OK && n != 1) {
        status = lm_fail(&err, LM_ERR_INVALID, "usage", "", "缺少区划代码",
                         "a division code is missing");
    }
    if (status == LM_OK && hours_text) {
        char *end = NULL;
        hours = strtol(hours_text, &end, 10);
        if (*end || hours < 1 || hours > EXPIRES_HOURS_MAX) {
            status = lm_fail(&err, LM_ERR_INVALID, "out_of_range", "expires",
                             "--expires 应为 1 至 %d 小时", "--expires takes 1 to %d hours",
                             EXPIRES_HOURS_MAX);
        }
    }
    if (status == LM_OK && strncmp(endpoint, "tcp://", 6) != 0) {
        status =
            lm_fail(&err, LM_ERR_INVALID, "bad_format", "endpoint",
                    "--endpoint 应为 tcp://地址:端口", "--endpoint must be tcp://ADDRESS:PORT");
    }
    if (status == LM_OK) {
        status = lm_store_station_get(hub->store, positional[0], &station);
        if (status == LM_ERR_NOT_FOUND) {
            status = lm_fail(&err, status, "unknown_station", "station",
                             "没有登记服务站 %.40s,请先用 station add 登记",
                             "no station %.40s; add it first with `station add`", positional[0]);
        }
    }
    if (status == LM_OK) {
        status = own_rows(hub, station.code, &rows, &arena, &err);
    }
    if (status == LM_OK) {
        int64_t now_ms = lm_clock_wall_ms();
        struct lm_kit_row row = {.made_ms = now_ms, .expires_ms = now_ms + hours * 3600 * 1000};
        lm_keypair_make(&pair);
        memcpy(row.public_key, pair.public_key, sizeof row.public_key);
        snprintf(row.station, sizeof row.station, "%s", station.code);
        kit.town = lm_store_town(hub->store)->name;
        kit.endpoint = endpoint;
        kit.station_name = station.name;
        snprintf(kit.station, sizeof kit.station, "%.12s", station.code);
        snprintf(kit.level, sizeof kit.level, "%s", station.level);
        kit.expires_ms = row.expires_ms;
        kit.records = rows.records;
        kit.n_records = rows.n;
        if (!lm_key_to_z85(hub->keys.curve.public_key, kit.hub_public_key) ||
            !lm_key_to_z85(pair.public_key, kit.enrol_public_key) ||
            !lm_key_to_z85(pair.secret_key, kit.enrol_secret_key)) {
            status = lm_fail(&err, LM_ERR_INTERNAL, "internal", "", "密钥无法编码",
                             "a key could not be encoded");
        }
        if (status == LM_OK) {
            status = lm_kit_write(&kit, hub->keys.sign_secret, &text, &err);
        }
        if (status == LM_OK) {
            status = lm_store_begin(hub->store, &err);
        }
        if (status == LM_OK) {
            status = lm_store_kit_add(hub->store, &row, &err);
        }
        if (status == LM_OK) {
            status = lm_store_commit(hub->store, &err);
        }
        if (status != LM_OK) {
            lm_store_rollback(hub->store);
        }
        sodium_memzero(&pair, sizeof pair);
    }
    if (status == LM_OK) {
        hub->registry_changed = true;
        fwrite(text.data, 1, text.len, cli->out);
        remind_of_the_old(hub, station.code, cli);
    }
    int code = status == LM_OK ? LM_EXIT_OK : lm_hub_fail(cli, &err);
    for (size_t i = 0; i < rows.n; i++) {
        lm_buf_free(&rows.bodies[i]);
    }
    if (text.data) {
        sodium_memzero(text.data, text.len);
    }
    sodium_memzero(&kit, sizeof kit);
    lm_buf_free(&text);
    lm_arena_free(&arena);
    return code;
}
