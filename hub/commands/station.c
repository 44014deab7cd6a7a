/* station add, import, list, revoke, settle. */
#include "common/base/util.h"
#include "hub/program.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define CSV_LINE_MAX 4096
#define CSV_COLUMNS_MAX 16
#define CSV_ROWS_MAX 10000
#define NOTE_CHARS_MAX 200

static enum lm_status set_text(char *out, size_t size, const char *value, const char *what,
                               struct lm_error *err)
{
    size_t chars = 0;
    if (!lm_utf8_valid(value, strlen(value), &chars) || strlen(value) >= size || chars > 60 ||
        lm_utf8_has_control(value, strlen(value))) {
        return lm_fail(err, LM_ERR_INVALID, "bad_text", what, "“%s”应为 60 个字以内的文本",
                       "%s must be a text of at most 60 characters", what);
    }
    snprintf(out, size, "%s", value);
    return LM_OK;
}

static enum lm_status make_station(struct lm_station *out, const char *code, const char *name,
                                   const char *level, const char *office, struct lm_error *err)
{
    memset(out, 0, sizeof *out);
    if (strlen(code) != 12 || strspn(code, "0123456789") != 12) {
        return lm_fail(err, LM_ERR_INVALID, "bad_format", "code", "区划代码应为 12 位数字:%.40s",
                       "a division code has 12 digits: %.40s", code);
    }
    if (strcmp(level, "village") != 0 && strcmp(level, "town") != 0) {
        return lm_fail(err, LM_ERR_INVALID, "bad_code", "level", "level 只能是 village 或 town",
                       "level is village or town");
    }
    if (!name[0]) {
        return lm_fail(err, LM_ERR_INVALID, "required", "name", "缺少名称", "a name is missing");
    }
    snprintf(out->code, sizeof out->code, "%s", code);
    snprintf(out->level, sizeof out->level, "%s", level);
    enum lm_status status = set_text(out->name, sizeof out->name, name, "name", err);
    return status == LM_OK
               ? set_text(out->office_name, sizeof out->office_name, office, "office", err)
               : status;
}

/* A town and its villages share the first nine digits; another code is a slip, or a village that
 * the town looks after by agreement. */
static void warn_of_code(const struct lm_hub *hub, const struct lm_cli *cli, const char *code)
{
    const char *town = lm_store_town(hub->store)->code;
    if (strncmp(code, town, 9) != 0) {
        fprintf(cli->err,
                "%s: 注意:%s 不在本镇 %.9s 之下,请核对代码 / note: %s does not begin with %.9s\n",
                LM_HUB_NAME, code, town, code, town);
    }
}

int lm_cmd_station_add(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *level = "village", *office = "", *positional[2];
    const struct lm_cli_option options[] = {{.name = "--level", .value = &level},
                                            {.name = "--office", .value = &office}};
    struct lm_error err = {0};
    size_t n = 0;
    struct lm_station station;
    enum lm_status status = lm_hub_options(cli, options, 2, positional, 2, &n, &err);
    if (status == LM_OK && n != 2) {
        status = lm_fail(&err, LM_ERR_INVALID, "usage", "", "要写区划代码和名称",
                         "needs a division code and a name");
    }
    if (status == LM_OK) {
        status = make_station(&station, positional[0], positional[1], level, office, &err);
    }
    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
    }
    if (status == LM_OK) {
        status = lm_store_station_add(hub->store, cli->user, &station, lm_clock_wall_ms(), &err);
    }
    if (status == LM_OK) {
        status = lm_store_commit(hub->store, &err);
    }
    if (status != LM_OK) {
        lm_store_rollback(hub->store);
        return lm_hub_fail(cli, &err);
    }
    hub->registry_changed = true;
    warn_of_code(hub, cli, station.code);
    if (cli->json) {
        json_t *doc = json_pack("{s:s,s:s,s:s}", "code", station.code, "name", station.name,
                                "level", station.level);
        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        fprintf(cli->out, "%s %s\n", station.code, station.name);
    }
    return LM_EXIT_OK;
}

/* RFC 4180 within one line: quotes, doubled quotes, commas. Cells point into the line. -1:
 * unbalanced quotes or too many cells. */
static int split_csv(char *line, char *cells[CSV_COLUMNS_MAX])
{
    int n = 0;
    char *from = line;
    for (;;) {
        if (n == CSV_COLUMNS_MAX) {
            return -1;
        }
        char *to = from;
        cells[n++] = to;
        char *p = from;
        if (*p == '"') {
            for (p++;; p++) {
                if (*p == '\0') {
                    return -1;
                }
                if (*p == '"') {
                    if (p[1] != '"') {
                        p++;
                        break;
                    }
                    p++;
                }
                *to++ = *p;
            }
        }
        while (*p != ',' && *p != '\0') {
            *to++ = *p++;
        }
        char end = *p;
        *to = '\0';
        from = p + 1;
        if (end == '\0') {
            return n;
        }
    }
}

enum { COL_CODE, COL_NAME, COL_LEVEL, COL_OFFICE, COL_COUNT };

static bool all_empty(char *cells[], int n)
{
    for (int i = 0; i < n; i++) {
        if (cells[i][strspn(cells[i], " \t")]) {
            return false;
        }
    }
    return true;
}

static enum lm_status read_header(char *cells[], int n, int columns[COL_COUNT],
                                  struct lm_error *err)
{
    static const char *const names[] = {"code", "name", "level", "office"};
    for (int c = 0; c < COL_COUNT; c++) {
        columns[c] = -1;
        for (int i = 0; i < n; i++) {
            if (strcmp(cells[i], names[c]) == 0) {
                columns[c] = i;
            }
        }
    }
    if (columns[COL_CODE] < 0 || columns[COL_NAME] < 0) {
        return lm_fail(err, LM_ERR_INVALID, "bad_header", "",
                       "第一行应为表头 code,name,level,office",
                       "the first line must be the header code,name,level,office");
    }
    return LM_OK;
}

static enum lm_status import_row(struct lm_hub *hub, struct lm_cli *cli, char *cells[], int n,
                                 const int columns[COL_COUNT], struct lm_error *err)
{
    const char *value[COL_COUNT] = {"", "", "village", ""};
    for (int c = 0; c < COL_COUNT; c++) {
        if (columns[c] >= 0 && columns[c] < n && cells[columns[c]][0]) {
            value[c] = cells[columns[c]];
        }
    }
    struct lm_station station;
    enum lm_status status = make_station(&station, value[COL_CODE], value[COL_NAME],
                                         value[COL_LEVEL], value[COL_OFFICE], err);
    return status == LM_OK
               ? (warn_of_code(hub, cli, station.code),
                  lm_store_station_add(hub->store, cli->user, &station, lm_clock_wall_ms(), err))
               : status;
}

/* All or nothing: a list of stations with a wrong line is mended and imported again. */
int lm_cmd_station_import(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    char line[CSV_LINE_MAX], *cells[CSV_COLUMNS_MAX];
    int columns[COL_COUNT] = {-1, -1, -1, -1}, rows = 0, line_no = 0;
    bool header = false;
    const char *positional[1];
    size_t n_positional = 0;
    enum lm_status status = lm_hub_options(cli, NULL, 0, positional, 1, &n_positional, &err);
    if (status == LM_OK && n_positional != 1) {
        status = lm_fail(&err, LM_ERR_INVALID, "usage", "", "缺少文件名", "a file is missing");
    }
    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    while (status == LM_OK && fgets(line, sizeof line, cli->in)) {
        line_no++;
        size_t n = strlen(line);
        if (n + 1 == sizeof line && line[n - 1] != '\n') {
            status =
                lm_fail(&err, LM_ERR_LIMIT, "line_too_long", "", "一行太长", "a line is too long");
            break;
        }
        line[strcspn(line, "\r\n")] = '\0';
        char *text = line;
        if (line_no == 1 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
            text += 3; /* Excel writes a byte order mark */
        }
        if (!text[0]) {
            continue;
        }
        int n_cells = split_csv(text, cells);
        if (n_cells > 0 && all_empty(cells, n_cells)) {
            continue; /* spreadsheets write rows that only look empty */
        }
        if (n_cells < 0) {
            status = lm_fail(&err, LM_ERR_INVALID, "bad_csv", "", "引号不成对或列太多",
                             "unbalanced quotes or too many columns");
        } else if (!header) {
            status = read_header(cells, n_cells, columns, &err);
            header = true;
        } else if (rows == CSV_ROWS_MAX) {
            status = lm_fail(&err, LM_ERR_LIMIT, "too_many_rows", "", "最多 %d 行",
                             "at most %d rows", CSV_ROWS_MAX);
        } else {
            status = import_row(hub, cli, cells, n_cells, columns, &err);
            rows++;
        }
    }
    if (status == LM_OK && !header) {
        status = lm_fail(&err, LM_ERR_INVALID, "bad_header", "", "文件是空的", "the file is empty");
        line_no = 1;
    }
    if (status == LM_OK) {
        status = lm_store_commit(hub->store, &err);
    }
    if (status != LM_OK) {
        lm_store_rollback(hub->store);
        struct lm_error at;
        (void)lm_fail(&at, status, err.code, err.field, "第 %d 行有误,整个文件没有导入",
                      "line %d is wrong; nothing of the file was imported", line_no);
        (void)lm_hub_fail(cli, &err);
        return lm_hub_fail(cli, &at);
    }
    hub->registry_changed = true;
    if (cli->json) {
        json_t *doc = json_pack("{s:i}", "imported", rows);
        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        fprintf(cli->out, "已登记 %d 个服务站 / %d stations registered\n", rows, rows);
    }
    return LM_EXIT_OK;
}

struct list_run {
    struct lm_hub *hub;
    struct lm_cli *cli;
    json_t *array;
    json_t *replicas;
    json_t *alarms;
};

/* One line of advice for each open alarm: what happened and what to do. */
static bool list_alarm(void *arg, const struct lm_alarm *a)
{
    struct list_run *run = arg;
    char at[LM_TIME_TEXT + 8];
    lm_time_format(a->at_ms, at);
    if (run->cli->json) {
        json_array_append_new(run->alarms, lm_alarm_json(a));
    } else if (strcmp(a->kind, "clone") == 0) {
        fprintf(
            run->cli->out,
            "  ! %s "
            "有第二台电脑在用同一份登记（%llu），已拒绝。请为它生成新的入网文件，在那台电脑上运行 "
            "lastmile-node enrol KIT --renew（未上传的记录会一并带上），然后 station settle %s。\n"
            "    a second PC uses this enrolment and is refused: make it a kit of its own, run "
            "`lastmile-node enrol KIT --renew` there, then `station settle`\n",
            at, (unsigned long long)a->replica, a->station);
    } else {
        fprintf(run->cli->out,
                "  ! %s 电脑 %llu 用过已放弃的凭据：可能有第二台电脑，或又还原了另一份备份。核实后 "
                "station "
                "settle %s。\n"
                "    an abandoned lease was shown: perhaps a second PC, or another copy put back; "
                "look into it, then `station settle`\n",
                at, (unsigned long long)a->replica, a->station);
    }
    return true;
}

static json_t *time_json(int64_t ms)
{
    char text[40];
    if (ms == 0) {
        return json_null();
    }
    lm_time_format(ms, text);
    return json_string(text);
}

static bool list_replica(void *arg, const struct lm_replica *r)
{
    struct list_run *run = arg;
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)r->number);
    json_array_append_new(
        run->replicas,
        json_pack("{s:s,s:o,s:o,s:o,s:I,s:I,s:I,s:o,s:s,s:b,s:b,s:o}", "replica", number,
                  "enrolled", time_json(r->enrolled_ms), "revoked", time_json(r->revoked_ms),
                  "last_contact", time_json(r->last_contact_ms), "branch", (json_int_t)r->branch,
                  "acked", (json_int_t)r->acked.seq, "head", (json_int_t)r->head.seq,
                  "complete_through", time_json(r->complete_ms), "program", r->program, "in_doubt",
                  (int)lm_replica_in_doubt(r), "possible_gap", (int)r->possible_gap, "clone",
                  time_json(r->clone_ms)));
    return true;
}

static bool list_station(void *arg, const struct lm_station *s)
{
    struct list_run *run = arg;
    struct lm_error err = {0};
    run->replicas = json_array();
    if (lm_store_replicas(run->hub->store, s->code, list_replica, run, &err) != LM_OK) {
        json_decref(run->replicas);
        return false;
    }
    if (run->cli->json) {
        run->alarms = json_array();
        bool ok = lm_store_alarms(run->hub->store, s->code, false, list_alarm, run, &err) == LM_OK;
        json_array_append_new(run->array,
                              json_pack("{s:s,s:s,s:s,s:s,s:o,s:o}", "code", s->code, "name",
                                        s->name, "level", s->level, "office", s->office_name,
                                        "replicas", run->replicas, "alarms", run->alarms));
        return ok;
    }
    fprintf(run->cli->out, "%s  %-8s %s%s%s  %zu 台电脑 / PCs\n", s->code, s->level, s->name,
            s->office_name[0] ? " · " : "", s->office_name, json_array_size(run->replicas));
    json_decref(run->replicas);
    return lm_store_alarms(run->hub->store, s->code, true, list_alarm, run, &err) == LM_OK;
}

int lm_cmd_station_list(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    const char *positional[1];
    size_t n = 0;
    struct list_run run = {.hub = hub, .cli = cli, .array = json_array()};
    enum lm_status status = lm_hub_options(cli, NULL, 0, positional, 0, &n, &err);
    if (status == LM_OK) {
        status = lm_store_stations(hub->store, list_station, &run, &err);
    }
    if (status == LM_OK && cli->json) {
        lm_json_print(cli->out, run.array);
    }
    json_decref(run.array);
    return status == LM_OK ? LM_EXIT_OK : lm_hub_fail(cli, &err);
}

int lm_cmd_station_revoke(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *replica = NULL, *positional[1];
    const struct lm_cli_option options[] = {{.name = "--replica", .value = &replica}};
    struct lm_error err = {0};
    size_t n = 0, revoked = 0;
    uint64_t number = 0;
    bool begun = false;
    enum lm_status status = lm_hub_options(cli, options, 1, positional, 1, &n, &err);
    if (status == LM_OK && n != 1) {
        status = lm_fail(&err, LM_ERR_INVALID, "usage", "", "缺少区划代码",
                         "a division code is missing");
    }
    if (status == LM_OK && replica) {
        char *end = NULL;
        number = strtoull(replica, &end, 10);
        if (number == 0 || !isdigit((unsigned char)replica[0]) || *end) {
            status = lm_fail(&err, LM_ERR_INVALID, "bad_number", "replica", "--replica 应为编号",
                             "--replica takes a number");
        }
    }
    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
        begun = status == LM_OK;
    }
    if (status == LM_OK) {
        status = lm_store_revoke(hub->store, cli->user, positional[0], number, lm_clock_wall_ms(),
                                 &revoked, &err);
    }
    if (status == LM_OK) {
        status = lm_store_commit(hub->store, &err);
    }
    if (status != LM_OK) {
        if (begun) {
            status = lm_store_revoke_failed(hub->store, status, &err);
        }
        lm_store_rollback(hub->store);
        return lm_hub_fail(cli, &err);
    }
    hub->registry_changed = true;
    if (cli->json) {
        json_t *doc =
            json_pack("{s:s,s:I}", "station", positional[0], "revoked", (json_int_t)revoked);
        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        fprintf(cli->out, "%s: 已停用 %zu 台 / %zu revoked\n", positional[0], revoked, revoked);
    }
    return LM_EXIT_OK;
}

int lm_cmd_station_settle(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *note = NULL, *positional[1];
    const struct lm_cli_option options[] = {{.name = "--note", .value = &note}};
    struct lm_error err = {0};
    size_t n = 0, closed = 0, chars = 0;
    enum lm_status status = lm_hub_options(cli, options, 1, positional, 1, &n, &err);
    if (status == LM_OK && (n != 1 || !note || !note[0])) {
        status = lm_fail(&err, LM_ERR_INVALID, "usage", "",
                         n != 1 ? "缺少区划代码" : "请用 --note 写明查到了什么",
                         n != 1 ? "a division code is missing" : "say with --note what was found");
    }
    if (status == LM_OK && (!lm_utf8_valid(note, strlen(note), &chars) || chars > NOTE_CHARS_MAX ||
                            lm_utf8_has_control(note, strlen(note)))) {
        status = lm_fail(&err, LM_ERR_INVALID, "too_long", "note", "--note 最多 %d 个字",
                         "--note takes at most %d characters", NOTE_CHARS_MAX);
    }
    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
    }
    if (status == LM_OK) {
        status = lm_store_settle(hub->store, cli->user, positional[0], note, lm_clock_wall_ms(),
                                 &closed, &err);
    }
    if (status == LM_OK) {
        status = lm_store_commit(hub->store, &err);
    }
    if (status != LM_OK) {
        lm_store_rollback(hub->store);
        return lm_hub_fail(cli, &err);
    }
    hub->registry_changed = true;
    if (cli->json) {
        json_t *doc = json_pack("{s:s,s:b,s:I}", "station", positional[0], "possible_gap", 0,
                                "alarms_closed", (json_int_t)closed);
        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        fprintf(cli->out, "%s: 已核实 / settled (%zu)\n", positional[0], closed);
    }
    return LM_EXIT_OK;
}

/* With --preview it is done, told and taken back: nothing is written. */
int lm_cmd_station_merge(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_merge_villages act = {.user = cli->user};
    const char *positional[1];
    bool preview = false;
    const struct lm_cli_option options[] = {{.name = "--into", .value = &act.into},
                                            {.name = "--on", .value = &act.on},
                                            {.name = "--reason", .value = &act.reason},
                                            {.name = "--preview", .flag = &preview}};
    struct lm_error err = {0};
    json_t *doc = NULL, *row;
    size_t n = 0, i;
    int64_t now_ms = lm_clock_wall_ms();
    enum lm_status status = lm_hub_options(cli, options, 4, positional, 1, &n, &err);
    if (status == LM_OK && (n != 1 || !act.into || !act.on)) {
        status =
            lm_fail(&err, LM_ERR_INVALID, "usage", "", "要写撤销的村、--into 并入的村和 --on 日期",
                    "needs the village, --into the one it is merged into, and --on the day");
    }
    if (status == LM_OK) {
        act.code = positional[0];
        status = lm_store_begin(hub->store, &err);
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    status = preview ? lm_store_merge_villages_preview(hub->store, &act, now_ms, &doc, &err)
                     : lm_store_merge_villages(hub->store, &act, now_ms, &doc, &err);
    if (status == LM_OK && !preview) {
        status = lm_store_commit(hub->store, &err);
    }
    if (status != LM_OK || preview) {
        lm_store_rollback(hub->store);
    }
    if (status != LM_OK) {
        json_decref(doc);
        return lm_hub_fail(cli, &err);
    }
    hub->registry_changed = hub->registry_changed || !preview;
    if (cli->json) {
        lm_json_print(cli->out, doc);
    } else {
        fprintf(cli->out, "%s → %s (%s)\n", json_string_value(json_object_get(doc, "name")),
                json_string_value(json_object_get(doc, "into_name")), act.on);
        json_array_foreach(json_object_get(doc, "moves"), i, row)
        {
            fprintf(cli->out, "  %s: %lld\n", json_string_value(json_object_get(row, "zh")),
                    (long long)json_integer_value(json_object_get(row, "n")));
        }
        json_array_foreach(json_object_get(doc, "left"), i, row)
        {
            fprintf(cli->out, "  转不过去 / would not move: %s %s: %s / %s\n",
                    json_string_value(json_object_get(row, "type")),
                    json_string_value(json_object_get(row, "id")),
                    json_string_value(json_object_get(row, "text")),
                    json_string_value(json_object_get(row, "text_en")));
        }
        json_array_foreach(json_object_get(doc, "kept"), i, row)
        {
            fprintf(cli->out, "  户编号太长,不加前缀 / number too long for a prefix: %s %s %s%s\n",
                    json_string_value(json_object_get(row, "type")),
                    json_string_value(json_object_get(row, "id")),
                    json_string_value(json_object_get(row, "household_no")),
                    json_is_true(json_object_get(row, "taken"))
                        ? " (并入的村已有这个编号 / the other village has it)"
                        : "");
        }
        fprintf(cli->out, "%s\n",
                preview ? "只是预览,没有写入 / a preview; nothing was written"
                        : "已登记撤并 / the merger is recorded");
    }
    json_decref(doc);
    return LM_EXIT_OK;
}
