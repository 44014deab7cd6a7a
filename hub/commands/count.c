/* count and status: figures. */
#include "common/base/util.h"
#include "hub/counts.h"
#include "hub/program.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INDICATORS_MAX 128

static void print_groups(FILE *out, const json_t *groups)
{
    size_t i;
    json_t *group;
    json_array_foreach(groups, i, group)
    {
        const json_t *value = json_object_get(group, "value");
        fprintf(out, "      %-14s %-24s ", json_string_value(json_object_get(group, "key")),
                json_string_value(json_object_get(group, "label")));
        if (json_is_null(value)) {
            fprintf(out, "(未填报)\n");
        } else if (json_is_real(value)) {
            fprintf(out, "%.2f\n", json_real_value(value));
        } else {
            fprintf(out, "%lld\n", (long long)json_integer_value(value));
        }
    }
}

static void print_counts(FILE *out, const json_t *doc)
{
    const json_t *coverage = json_object_get(doc, "coverage");
    const json_t *through = json_object_get(coverage, "complete_through");
    const char *id;
    json_t *figure;
    fprintf(out, "截至 %s:%lld/%lld 村数据完整", json_string_value(json_object_get(doc, "to")),
            (long long)json_integer_value(json_object_get(coverage, "complete")),
            (long long)json_integer_value(json_object_get(coverage, "stations")));
    if (json_is_string(through)) {
        fprintf(out, ",完整至 %s", json_string_value(through));
    }
    fprintf(out, ",退回 %lld,待处理 %lld,冲突 %lld\n",
            (long long)json_integer_value(json_object_get(coverage, "returned")),
            (long long)json_integer_value(json_object_get(coverage, "held")),
            (long long)json_integer_value(json_object_get(coverage, "conflicts")));
    json_object_foreach(json_object_get(doc, "indicators"), id, figure)
    {
        const char *unit = json_string_value(json_object_get(figure, "unit"));
        unit = strcmp(unit, "%") == 0 ? "" : unit; /* shares show it already */
        fprintf(out, "  %-5s %s: %s%s\n", id, json_string_value(json_object_get(figure, "label")),
                json_string_value(json_object_get(figure, "display")),
                json_is_number(json_object_get(figure, "value")) ? unit : "");
        print_groups(out, json_object_get(figure, "groups"));
    }
}

int lm_cmd_count(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_count_query query = {.now_ms = lm_clock_wall_ms()};
    const char *positional[INDICATORS_MAX];
    size_t n = 0;
    const struct lm_cli_option options[] = {{.name = "--by", .value = &query.by},
                                            {.name = "--from", .value = &query.from},
                                            {.name = "--to", .value = &query.to},
                                            {.name = "--station", .value = &query.station}};
    struct lm_error err = {0};
    json_t *doc = NULL;
    enum lm_status status = lm_hub_options(cli, options, 4, positional, INDICATORS_MAX, &n, &err);
    if (status == LM_OK) {
        query.indicators = positional;
        query.n_indicators = n;
        status = lm_counts(hub->store, &query, &doc, &err);
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    if (cli->json) {
        lm_json_print(cli->out, doc);
    } else {
        print_counts(cli->out, doc);
    }
    json_decref(doc);
    return LM_EXIT_OK;
}

/* ---- status ---- */

struct status_run {
    json_t *replicas;
    int64_t lag, last_contact_ms;
    size_t stations;
};

static json_t *time_or_null(int64_t ms)
{
    char text[40];
    if (ms == 0) {
        return json_null();
    }
    lm_time_format(ms, text);
    return json_string(text);
}

static bool status_replica(void *arg, const struct lm_replica *r)
{
    struct status_run *run = arg;
    char number[24];
    int64_t lag = r->head.seq > r->acked.seq ? (int64_t)(r->head.seq - r->acked.seq) : 0;
    snprintf(number, sizeof number, "%llu", (unsigned long long)r->number);
    run->lag += r->revoked_ms ? 0 : lag;
    run->last_contact_ms =
        r->last_contact_ms > run->last_contact_ms ? r->last_contact_ms : run->last_contact_ms;
    json_array_append_new(
        run->replicas,
        json_pack("{s:s,s:s,s:o,s:o,s:I,s:I,s:o,s:b,s:b}", "station", r->station, "replica", number,
                  "last_contact", time_or_null(r->last_contact_ms), "complete_through",
                  time_or_null(r->complete_ms), "acked", (json_int_t)r->acked.seq, "lag",
                  (json_int_t)lag, "clock_offset_ms",
                  r->clock_known ? json_integer(r->clock_offset_ms) : json_null(), "revoked",
                  (int)(r->revoked_ms != 0), "in_doubt", (int)lm_replica_in_doubt(r)));
    return true;
}

json_t *lm_alarm_json(const struct lm_alarm *a)
{
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)a->replica);
    return json_pack("{s:s,s:s,s:s,s:o,s:I,s:o,s:s,s:s}", "station", a->station, "replica", number,
                     "kind", a->kind, "at", time_or_null(a->at_ms), "branch", (json_int_t)a->branch,
                     "closed", time_or_null(a->closed_ms), "closed_by", a->closed_by, "note",
                     a->note);
}

static bool status_alarm(void *arg, const struct lm_alarm *a)
{
    json_array_append_new(arg, lm_alarm_json(a));
    return true;
}

static bool status_station(void *arg, const struct lm_station *station)
{
    struct status_run *run = arg;
    (void)station;
    run->stations++;
    return true;
}

static bool count_row(void *arg, const json_t *row)
{
    (void)row;
    ++*(size_t *)arg;
    return true;
}

int lm_cmd_status(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *positional[1];
    size_t n = 0;
    struct lm_error err = {0};
    struct lm_store_totals totals;
    struct status_run run = {.replicas = json_array()};
    json_t *server = json_null(), *alarms = json_array();
    int64_t now_ms = lm_clock_wall_ms();
    char path[PATH_MAX], *text = NULL;
    size_t size = 0, salvaged = 0, recovered = 0;
    enum lm_status status = lm_hub_options(cli, NULL, 0, positional, 0, &n, &err);
    if (status == LM_OK) {
        status = lm_store_totals(hub->store, &totals);
    }
    if (status == LM_OK) {
        status = lm_store_salvaged(hub->store, count_row, &salvaged, &err);
    }
    if (status == LM_OK) {
        status = lm_store_recovered(hub->store, count_row, &recovered, &err);
    }
    if (status == LM_OK) {
        status = lm_store_replicas(hub->store, NULL, status_replica, &run, &err);
    }
    if (status == LM_OK) {
        status = lm_store_stations(hub->store, status_station, &run, &err);
    }
    if (status == LM_OK) {
        status = lm_store_alarms(hub->store, NULL, true, status_alarm, alarms, &err);
    }
    if (status != LM_OK) {
        json_decref(run.replicas);
        json_decref(alarms);
        return lm_hub_fail(cli, &err);
    }
    if (lm_datadir_path(&hub->dir, "serving.json", path, sizeof path) == LM_OK &&
        lm_file_read(path, 4096, &text, &size, NULL) == LM_OK) {
        json_t *read = json_loadb(text, size, 0, NULL);
        free(text);
        /* A server that was killed leaves its file behind. */
        json_int_t pid = json_integer_value(json_object_get(read, "pid"));
        if (pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM)) {
            server = read;
        } else {
            json_decref(read);
        }
    }
    int64_t started = 0, backup_ms = 0;
    if (lm_store_backup_ms(hub->store, &backup_ms, &err) != LM_OK) {
        backup_ms = 0;
    }
    const struct lm_town *town = lm_store_town(hub->store);
    const char *since = json_string_value(json_object_get(server, "started"));
    if (since && !lm_time_parse(since, strlen(since), &started)) {
        started = 0;
    }
    json_t *doc = json_pack(
        "{s:s,s:s,s:o,s:o,s:I,s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:{s:I,s:I},s:o,s:I,s:b,s:o,s:o}", "town",
        lm_store_town(hub->store)->name, "code", lm_store_town(hub->store)->code, "server", server,
        "uptime_s", started ? json_integer((now_ms - started) / 1000) : json_null(), "stations",
        (json_int_t)run.stations, "last_contact", time_or_null(run.last_contact_ms), "lag",
        (json_int_t)run.lag, "returned", (json_int_t)totals.returned, "held",
        (json_int_t)totals.held, "conflicts", (json_int_t)totals.conflicts, "salvaged",
        (json_int_t)salvaged, "recovered", (json_int_t)recovered, "journal", "entries",
        (json_int_t)totals.journal_entries, "bytes", (json_int_t)totals.journal_bytes,
        "backup_age_s", backup_ms > 0 ? json_integer((now_ms - backup_ms) / 1000) : json_null(),
        "incarnation", (json_int_t)town->incarnation.counter, "read_only", (int)(town->rival != 0),
        "replicas", run.replicas, "alarms", alarms);
    if (cli->json) {
        lm_json_print(cli->out, doc);
    } else {
        char up[64], backup[64] = "从未备份";
        if (backup_ms > 0) {
            snprintf(backup, sizeof backup, "最近备份于 %lld 小时前",
                     (long long)(now_ms - backup_ms) / 3600000);
        }
        snprintf(up, sizeof up, "已运行 %lld 小时 %02lld 分",
                 (long long)(now_ms - started) / 3600000,
                 (long long)(now_ms - started) / 60000 % 60);
        fprintf(cli->out,
                "%s (%s): %s,服务站 %zu,最近联系 %s,待收 %lld,退回 %llu,待处理 %llu,冲突 %llu,日志 "
                "%llu 条 %llu KB,%s\n",
                lm_store_town(hub->store)->name, lm_store_town(hub->store)->code,
                started ? up : "服务没有运行", run.stations,
                run.last_contact_ms ? json_string_value(json_object_get(doc, "last_contact"))
                                    : "无",
                (long long)run.lag, (unsigned long long)totals.returned,
                (unsigned long long)totals.held, (unsigned long long)totals.conflicts,
                (unsigned long long)totals.journal_entries,
                (unsigned long long)(totals.journal_bytes / 1024), backup);
        if (salvaged > 0 || recovered > 0) {
            fprintf(
                cli->out,
                "  ! 抢救回来待审 %zu 条(见 salvaged),恢复后交还待确认 %zu 条(见 recovered),"
                "办完以前这些村算没报全 / %zu salvaged, %zu given back wait for a decision: see "
                "`salvaged`, `recovered`\n",
                salvaged, recovered, salvaged, recovered);
        }
        if (json_array_size(alarms) > 0) {
            fprintf(cli->out,
                    "  ! 有 %zu 项需要核实，见 station list / %zu alarms: see `station list`\n",
                    json_array_size(alarms), json_array_size(alarms));
        }
        if (town->rival != 0 && lm_store_may_write(hub->store, &err) != LM_OK) {
            fprintf(cli->out, "%s / %s\n", err.zh, err.en);
        }
    }
    json_decref(doc);
    return LM_EXIT_OK;
}
