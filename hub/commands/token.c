/* token add, list, revoke: addresses from which Excel or WPS refreshes figures. */
#include "common/base/util.h"
#include "hub/audit.h"
#include "hub/program.h"

#include <string.h>

/* Into the audit log, as the page does it (api/tokens.c). */
static enum lm_status note(struct lm_hub *hub, struct lm_cli *cli, const char *what,
                           const char *name, struct lm_error *err)
{
    const struct lm_audit_entry entry = {.at_ms = lm_clock_wall_ms(),
                                         .user = cli->user,
                                         .role = "command",
                                         .what = what,
                                         .object = name};
    struct lm_audit *audit = NULL;
    enum lm_status status = lm_audit_open(&hub->dir, &audit, err);

    if (status == LM_OK) {
        status = lm_audit_add(audit, &entry, err);
    }
    lm_audit_close(&audit);
    return status;
}

static int finish(struct lm_hub *hub, struct lm_cli *cli, enum lm_status status, const char *what,
                  const char *name, struct lm_error *err)
{
    if (status == LM_OK) {
        status = note(hub, cli, what, name, err);
    }
    if (status == LM_OK) {
        status = lm_store_commit(hub->store, err);
    }
    if (status != LM_OK) {
        lm_store_rollback(hub->store);
        return lm_hub_fail(cli, err);
    }
    return LM_EXIT_OK;
}

static enum lm_status one_name(struct lm_hub *hub, struct lm_cli *cli, const char **name,
                               struct lm_error *err)
{
    size_t n = 0;
    enum lm_status status = lm_hub_options(cli, NULL, 0, name, 1, &n, err);

    if (status == LM_OK && n != 1) {
        status = lm_fail(err, LM_ERR_INVALID, "usage", "", "缺少名称", "a name is missing");
    }
    return status == LM_OK ? lm_store_begin(hub->store, err) : status;
}

int lm_cmd_token_add(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    const char *name[1] = {""};
    char token[LM_TOKEN_TEXT];
    enum lm_status status = one_name(hub, cli, name, &err);
    int code;

    if (status == LM_OK) {
        status =
            lm_store_token_add(hub->store, name[0], cli->user, lm_clock_wall_ms(), token, &err);
    }
    code = finish(hub, cli, status, "token_add", name[0], &err);
    if (code == LM_EXIT_OK && cli->json) {
        json_t *doc = json_pack("{s:s,s:s}", "name", name[0], "token", token);

        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else if (code == LM_EXIT_OK) {
        fprintf(cli->out,
                "%s: 在 Excel 或 WPS 里“自网站”导入这个地址(只显示这一次)/ the address, shown only "
                "now:\n  http://中心地址:5880/api/v1/tables/%s/counts.csv?by=village\n",
                name[0], token);
    }
    return code;
}

int lm_cmd_token_revoke(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    const char *name[1] = {""};
    enum lm_status status = one_name(hub, cli, name, &err);
    int code;

    if (status == LM_OK) {
        status = lm_store_token_revoke(hub->store, name[0], &err);
    }
    code = finish(hub, cli, status, "token_revoke", name[0], &err);
    if (code == LM_EXIT_OK && cli->json) {
        json_t *doc = json_pack("{s:s,s:b}", "name", name[0], "revoked", 1);

        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else if (code == LM_EXIT_OK) {
        fprintf(cli->out, "%s: 已作废 / revoked\n", name[0]);
    }
    return code;
}

static bool list_token(void *arg, const char *name, const char *user, int64_t made_ms)
{
    struct lm_cli *cli = arg;
    char at[LM_TIME_TEXT + 8];
    json_t *row;

    lm_time_format(made_ms, at);
    row = json_pack("{s:s,s:s,s:s}", "name", name, "user", user, "made", at);
    lm_cli_row(cli, row);
    json_decref(row);
    return !ferror(cli->out);
}

int lm_cmd_token_list(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    const char *none[1];
    size_t n = 0;
    enum lm_status status = lm_hub_options(cli, NULL, 0, none, 0, &n, &err);

    if (status == LM_OK) {
        status = lm_store_tokens(hub->store, list_token, cli, &err);
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    lm_cli_rows_end(cli);
    return LM_EXIT_OK;
}
