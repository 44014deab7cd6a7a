/* records, history, returned, held, conflicts, verify: what is there and what waits for a person.
 */
#include "common/base/util.h"
#include "common/tables.h"
#include "hub/audit.h"
#include "hub/program.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define WHERE_MAX 16

static enum lm_status usage(struct lm_error *err, const char *zh, const char *en)
{
    struct lm_error text = {.code = "usage"};
    snprintf(text.zh, sizeof text.zh, "%s", zh);
    snprintf(text.en, sizeof text.en, "%s", en);
    *err = text;
    return LM_ERR_INVALID;
}

static bool print_record(void *arg, const struct lm_record *rec)
{
    struct lm_cli *cli = arg;
    json_t *row = lm_record_to_json(rec);
    if (!row) {
        return false;
    }
    lm_cli_row(cli, row);
    json_decref(row);
    return !ferror(cli->out);
}

int lm_cmd_records(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *station = NULL, *where_text[WHERE_MAX], *positional[1];
    size_t n_where = 0, n = 0;
    const struct lm_cli_option options[] = {
        {.name = "--station", .value = &station},
        {.name = "--where", .many = where_text, .n_many = &n_where, .max_many = WHERE_MAX}};
    struct lm_error err = {0};
    struct lm_where where[WHERE_MAX];
    static char storage[WHERE_MAX][512];
    enum lm_status status = lm_hub_options(cli, options, 2, positional, 1, &n, &err);
    if (status == LM_OK && n != 1) {
        status = usage(&err, "缺少记录类型", "a record type is missing");
    }
    for (size_t i = 0; status == LM_OK && i < n_where; i++) {
        snprintf(storage[i], sizeof storage[i], "%s", where_text[i]);
        char *equals = strchr(storage[i], '=');
        if (!equals || equals == storage[i] || strlen(where_text[i]) >= sizeof storage[i]) {
            status = usage(&err, "--where 应写成 字段=值", "--where takes FIELD=VALUE");
            break;
        }
        *equals = '\0';
        where[i] = (struct lm_where){.field = storage[i], .value = equals + 1};
    }
    if (status == LM_OK && !lm_catalog_shown(lm_store_catalog(hub->store), positional[0])) {
        status = lm_fail(&err, LM_ERR_INVALID, "unknown_type", "type", "没有记录类型 %.40s",
                         "no record type %.40s", positional[0]);
    }
    if (status == LM_OK) {
        status = lm_hub_known_station(hub, station, &err);
    }
    if (status == LM_OK) {
        status = lm_store_list(hub->store, NULL, positional[0], station, where, n_where,
                               print_record, cli, &err);
    }
    return lm_hub_rows_end(cli, status, &err);
}

int lm_cmd_history(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *positional[1];
    size_t n = 0;
    struct lm_error err = {0};
    enum lm_status status = lm_hub_options(cli, NULL, 0, positional, 1, &n, &err);
    if (status == LM_OK && n != 1) {
        status = usage(&err, "缺少记录编号", "the record's id is missing");
    }
    if (status == LM_OK && !lm_uuid_valid(positional[0], strlen(positional[0]))) {
        status = lm_fail(&err, LM_ERR_INVALID, "bad_uuid", "id", "不是合法的编号:%.60s",
                         "not a UUID: %.60s", positional[0]);
    }
    if (status == LM_OK) {
        status = lm_store_history(hub->store, positional[0], lm_hub_row, cli, &err);
    }
    return lm_hub_rows_end(cli, status, &err);
}

int lm_cmd_returned(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *station = NULL, *positional[1];
    size_t n = 0;
    const struct lm_cli_option options[] = {{.name = "--station", .value = &station}};
    struct lm_error err = {0};
    enum lm_status status = lm_hub_options(cli, options, 1, positional, 0, &n, &err);
    if (status == LM_OK) {
        status = lm_hub_known_station(hub, station, &err);
    }
    if (status == LM_OK) {
        status = lm_store_returned(hub->store, station, lm_hub_row, cli, &err);
    }
    return lm_hub_rows_end(cli, status, &err);
}

int lm_cmd_held(struct lm_hub *hub, struct lm_cli *cli)
{
    return lm_hub_list(hub, cli, lm_store_held);
}

int lm_cmd_conflicts(struct lm_hub *hub, struct lm_cli *cli)
{
    return lm_hub_list(hub, cli, lm_store_conflicts);
}

/* Commits what one writing command did, or undoes it; prints the outcome. */
static int finish(struct lm_hub *hub, struct lm_cli *cli, enum lm_status status,
                  const struct lm_act_result *done, struct lm_error *err, const char *key,
                  const char *value)
{
    if (status == LM_OK) {
        status = lm_store_commit(hub->store, err);
    }
    if (status != LM_OK) {
        const struct lm_error *first = done ? lm_issues_first_refusal(&done->issues) : NULL;
        lm_store_rollback(hub->store);
        return lm_hub_fail(cli, first && !err->code[0] ? first : err);
    }
    if (cli->json) {
        json_t *doc = json_pack("{s:s}", key, value);
        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        fprintf(cli->out, "%s: 已处理 / done\n", value);
    }
    return LM_EXIT_OK;
}

int lm_cmd_conflicts_resolve(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *keep = NULL, *positional[1];
    size_t n = 0;
    const struct lm_cli_option options[] = {{.name = "--keep", .value = &keep}};
    struct lm_error err = {0};
    struct lm_act_result done;
    memset(&done, 0, sizeof done);
    lm_issues_init(&done.issues);
    enum lm_status status = lm_hub_options(cli, options, 1, positional, 1, &n, &err);
    if (status == LM_OK &&
        (n != 1 || !keep || !isdigit((unsigned char)keep[0]) || strlen(keep) > 6)) {
        status = usage(&err, "要写冲突编号和 --keep 序号", "needs the conflict's id and --keep N");
    }
    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    status = lm_store_resolve(hub->store, cli->user, positional[0], (int)strtol(keep, NULL, 10),
                              lm_clock_wall_ms(), &done, &err);
    return finish(hub, cli, status, &done, &err, "id", positional[0]);
}

static enum lm_status take_position(const char *const *positional, size_t n, uint64_t *out,
                                    struct lm_error *err)
{
    char *end = NULL;

    *out =
        n == 1 && isdigit((unsigned char)positional[0][0]) ? strtoull(positional[0], &end, 10) : 0;
    return *out > 0 && !*end ? LM_OK
                             : usage(err, "缺少序号(见 held 的 position)",
                                     "needs the position that `held` shows");
}

int lm_cmd_held_release(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *positional[1];
    size_t n = 0;
    struct lm_error err = {0};
    uint64_t position = 0;
    enum lm_status status = lm_hub_options(cli, NULL, 0, positional, 1, &n, &err);
    if (status == LM_OK) {
        status = take_position(positional, n, &position, &err);
    }
    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    status = lm_store_release(hub->store, cli->user, position, lm_clock_wall_ms(), &err);
    return finish(hub, cli, status, NULL, &err, "position", positional[0]);
}

struct group {
    const char *station, *code;
    json_t *row; /* as lm_store_held_groups gives it; NULL: there is none */
};

static bool find_group(void *arg, const json_t *row)
{
    struct group *g = arg;

    if (strcmp(json_string_value(json_object_get(row, "station")), g->station) == 0 &&
        strcmp(json_string_value(json_object_get(row, "code")), g->code) == 0) {
        g->row = json_deep_copy(row);
    }
    return !g->row;
}

/* One commit of them; the audit log first says who did it, and how many are meant. */
static enum lm_status refuse_some(struct lm_hub *hub, struct lm_cli *cli,
                                  const struct lm_refuse_many *act, struct lm_refused_many *out,
                                  struct lm_error *err)
{
    struct lm_audit *audit = NULL;
    char detail[96];
    enum lm_status status = lm_store_begin(hub->store, err);

    if (status != LM_OK) {
        return status;
    }
    status = lm_store_refuse_many(hub->store, act, lm_clock_wall_ms(), out, err);
    if (status == LM_OK) {
        status = lm_audit_open(&hub->dir, &audit, err);
    }
    if (status == LM_OK) {
        const struct lm_audit_entry entry = {.at_ms = lm_clock_wall_ms(),
                                             .user = cli->user,
                                             .role = "command",
                                             .what = "refuse_many",
                                             .object = act->station,
                                             .reason = act->why,
                                             .detail = detail};

        (void)snprintf(detail, sizeof detail, "%.32s %zu/%zu", act->code, out->refused,
                       out->refused + out->kept);
        status = lm_audit_add(audit, &entry, err);
    }
    lm_audit_close(&audit);
    if (status == LM_OK) {
        status = lm_store_commit(hub->store, err);
    }
    if (status != LM_OK) {
        lm_store_rollback(hub->store);
    }
    return status;
}

/* All of a station's of one code that there were at the preview whose `through` is given, else when
 * it began. Stopped in between, the rest still waits, and the same command goes on with it. */
static int refuse_group(struct lm_hub *hub, struct lm_cli *cli, struct lm_refuse_many *act,
                        bool preview)
{
    struct group g = {.station = act->station, .code = act->code};
    struct lm_refused_many out = {.next = 0};
    struct lm_error err = {0};
    size_t refused = 0, kept = 0;
    enum lm_status status = lm_hub_known_station(hub, act->station, &err);
    if (status == LM_OK) {
        status = lm_store_held_groups(hub->store, find_group, &g, &err);
    }
    uint64_t seen = (uint64_t)json_integer_value(json_object_get(g.row, "through"));
    if (status == LM_OK && !preview) {
        act->through = act->through ? act->through : seen;
        do {
            status = refuse_some(hub, cli, act, &out, &err);
            refused += status == LM_OK ? out.refused : 0;
            kept += status == LM_OK ? out.kept : 0;
            act->after = out.next;
        } while (status == LM_OK && out.next != 0);
    }
    json_int_t waiting = json_integer_value(json_object_get(g.row, "n"));
    if (status != LM_OK) {
        json_decref(g.row);
        return lm_hub_fail(cli, &err);
    }
    if (cli->json) {
        json_t *doc = json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:I}", "station", act->station, "code",
                                act->code, "waiting", waiting, "refused", (json_int_t)refused,
                                "kept", (json_int_t)kept, "left", (json_int_t)out.left, "through",
                                (json_int_t)(act->through ? act->through : seen));
        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else if (preview) {
        fprintf(cli->out,
                "%s 有 %lld 条在等(%s),会退回给村里 / %lld wait and would be sent back\n"
                "只是预览,没有写入 / a preview; nothing was written\n",
                act->station, (long long)waiting, act->code, (long long)waiting);
        if (seen > 0) {
            fprintf(
                cli->out,
                "照这次看到的退回,加 / to refuse what it saw and nothing else: --through %llu\n",
                (unsigned long long)seen);
        }
    } else {
        fprintf(cli->out, "%s: 已退回 %zu 条 / %zu refused", act->station, refused, refused);
        if (kept > 0) {
            fprintf(cli->out,
                    ";%zu 条来自更新的程序,还不能退回 / %zu are of a newer program, which must be "
                    "installed here first",
                    kept, kept);
        }
        if (out.left > 0) {
            fprintf(cli->out,
                    ";%zu 条是后来才这样等着的,没有动 / %zu wait so only since, and were left",
                    out.left, out.left);
        }
        fprintf(cli->out, "\n");
    }
    json_decref(g.row);
    return LM_EXIT_OK;
}

int lm_cmd_held_refuse(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_refuse_many many = {.user = cli->user};
    const char *positional[1], *note = NULL, *through = NULL;
    bool preview = false;
    const struct lm_cli_option options[] = {{.name = "--note", .value = &note},
                                            {.name = "--station", .value = &many.station},
                                            {.name = "--code", .value = &many.code},
                                            {.name = "--through", .value = &through},
                                            {.name = "--preview", .flag = &preview}};
    size_t n = 0;
    struct lm_error err = {0};
    uint64_t position = 0;
    enum lm_status status = lm_hub_options(cli, options, 5, positional, 1, &n, &err);
    if (status == LM_OK && through) {
        status = take_position(&through, 1, &many.through, &err);
    }
    if (status == LM_OK && (many.station || many.code || preview || through)) {
        if (n > 0 || !many.station || !many.code || (!note && !preview)) {
            status = usage(
                &err, "一次退回多条要写 --station 村代码、--code 原因代码(见 held)和 --note 原因",
                "for many: --station, the --code that `held` shows, and --note WHY");
        }
        many.why = note ? note : "";
        return status == LM_OK ? refuse_group(hub, cli, &many, preview) : lm_hub_fail(cli, &err);
    }
    if (status == LM_OK) {
        status = take_position(positional, n, &position, &err);
    }
    if (status == LM_OK && !note) {
        status = usage(&err, "缺少 --note 原因", "needs --note WHY, which the village reads");
    }
    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    status = lm_store_refuse(hub->store, cli->user, position, note, lm_clock_wall_ms(), &err);
    return finish(hub, cli, status, NULL, &err, "position", positional[0]);
}

static void report_difference(void *arg, const char *difference)
{
    json_array_append_new(arg, json_string(difference));
}

int lm_cmd_verify(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *positional[1];
    size_t n = 0, differences = 0;
    struct lm_error err = {0};
    struct lm_mark head;
    json_t *list = json_array();
    enum lm_status status = lm_hub_options(cli, NULL, 0, positional, 0, &n, &err);
    if (status == LM_OK) {
        status = lm_store_verify(hub->store, report_difference, list, &differences, &err);
    }
    if (status == LM_OK) {
        status = lm_store_head(hub->store, &head);
    }
    int code = LM_EXIT_FAILED;
    if (status != LM_OK) {
        code = lm_hub_fail(cli, &err);
    } else {
        code = differences == 0 ? LM_EXIT_OK : LM_EXIT_FAILED;
        if (cli->json) {
            json_t *doc = json_pack("{s:b,s:I,s:I,s:O}", "clean", (int)(differences == 0),
                                    "entries", (json_int_t)head.position, "differences",
                                    (json_int_t)differences, "list", list);
            lm_json_print(cli->out, doc);
            json_decref(doc);
        } else {
            for (size_t i = 0; i < json_array_size(list); i++) {
                fprintf(cli->out, "%s\n", json_string_value(json_array_get(list, i)));
            }
            fprintf(cli->out,
                    differences == 0
                        ? "核对无误:%llu 条日志 / clean: %llu journal entries\n"
                        : "核对发现差异(日志 %llu 条)/ differences found in %llu entries\n",
                    (unsigned long long)head.position, (unsigned long long)head.position);
        }
    }
    json_decref(list);
    return code;
}
