/* account list, add, reset, replace, disable, enable: accounts of the stations
 * (hub/station_accounts.h). */
#include "hub/audit.h"
#include "hub/program.h"
#include "hub/station_accounts.h"

#include <sodium.h>
#include <string.h>

static enum lm_status usage(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_INVALID, "usage", "", "缺少服务站代码或账号名",
                   "the station's code or the account's name is missing");
}

static bool print_one(void *arg, const struct lm_station_account *a)
{
    struct lm_cli *cli = arg;
    char at[LM_TIME_TEXT + 8];
    json_t *row;

    lm_time_format(a->changed_ms, at);
    row = json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:s,s:s}", "id", a->id, "station", a->station, "name",
                    a->name, "shown", a->shown, "role", a->role, "disabled", (int)a->disabled,
                    "replaces", a->replaces, "changed", at);
    lm_cli_row(cli, row);
    json_decref(row);
    return !ferror(cli->out);
}

int lm_cmd_account_list(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *positional[1] = {NULL};
    size_t n = 0;
    struct lm_error err = {0};
    enum lm_status status = lm_hub_options(cli, NULL, 0, positional, 1, &n, &err);

    if (status == LM_OK) {
        status = lm_hub_known_station(hub, n ? positional[0] : NULL, &err);
    }
    if (status == LM_OK) {
        status = lm_station_accounts(hub->store, n ? positional[0] : NULL, print_one, cli, &err);
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    lm_cli_rows_end(cli);
    return LM_EXIT_OK;
}

struct keeping {
    const char *what; /* for the audit log */
    struct lm_station_account account;
    const char *detail;
    char password[LM_PASSWORD_BYTES_MAX + 2]; /* the first one, if one was given or made */
    bool made;
};

/* From the first line of stdin, or made; and its verifier. */
static enum lm_status take_password(struct lm_cli *cli, struct keeping *k, const char *name,
                                    bool from_stdin, char verifier[LM_PASSWORD_HASH_BYTES],
                                    struct lm_error *err)
{
    enum lm_status status = LM_OK;

    if (!from_stdin) {
        char made[LM_PASSWORD_MADE_BYTES];

        lm_password_make(name, made);
        (void)snprintf(k->password, sizeof k->password, "%s", made);
        sodium_memzero(made, sizeof made);
        k->made = true;
    } else {
        if (!cli->in || !fgets(k->password, (int)sizeof k->password, cli->in)) {
            k->password[0] = '\0';
        }
        k->password[strcspn(k->password, "\r\n")] = '\0';
        status = lm_password_check(name, k->password, LM_PASSWORD_CHARS_MIN, err);
    }
    return status == LM_OK ? lm_password_hash(k->password, verifier, err) : status;
}

/* Durable before it is told; the log first says who did it. */
static int finish(struct lm_hub *hub, struct lm_cli *cli, struct keeping *k, enum lm_status status,
                  struct lm_error *err)
{
    struct lm_audit *audit = NULL;
    char object[sizeof k->account.station + sizeof k->account.name];

    (void)snprintf(object, sizeof object, "%s %s", k->account.station, k->account.name);
    if (status == LM_OK) {
        status = lm_audit_open(&hub->dir, &audit, err);
    }
    if (status == LM_OK) {
        const struct lm_audit_entry entry = {.at_ms = lm_clock_wall_ms(),
                                             .user = cli->user,
                                             .role = "command",
                                             .what = k->what,
                                             .object = object,
                                             .detail = k->detail ? k->detail : k->account.role};

        status = lm_audit_add(audit, &entry, err);
    }
    lm_audit_close(&audit);
    if (status == LM_OK) {
        status = lm_store_commit(hub->store, err);
    }
    if (status != LM_OK) {
        lm_store_rollback(hub->store);
        sodium_memzero(k->password, sizeof k->password);
        return lm_hub_fail(cli, err);
    }
    if (cli->json) {
        json_t *doc = json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:s*}", "id", k->account.id, "station",
                                k->account.station, "name", k->account.name, "shown",
                                k->account.shown, "role", k->account.role, "disabled",
                                (int)k->account.disabled, "password", k->made ? k->password : NULL);

        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        fprintf(cli->out, "%s %s (%s)%s%s%s\n", k->account.station, k->account.name,
                k->account.shown, k->account.disabled ? " 已停用 / disabled" : "",
                k->made ? " 首次密码(只显示这一次)/ first password, shown only now: " : "",
                k->made ? k->password : "");
    }
    sodium_memzero(k->password, sizeof k->password);
    return LM_EXIT_OK;
}

int lm_cmd_account_add(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *positional[3] = {NULL}, *shown = NULL, *role = NULL;
    const struct lm_cli_option options[] = {{.name = "--shown", .value = &shown},
                                            {.name = "--role", .value = &role}};
    char verifier[LM_PASSWORD_HASH_BYTES];
    struct keeping k = {.what = "account_add"};
    struct lm_error err = {0};
    size_t n = 0;
    enum lm_status status = lm_hub_options(cli, options, 2, positional, 3, &n, &err);

    if (status == LM_OK && (n < 2 || (n == 3 && strcmp(positional[2], "-") != 0))) {
        status = usage(&err);
    }
    if (status == LM_OK) {
        status = take_password(cli, &k, positional[1], n == 3, verifier, &err);
    }
    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
    }
    if (status == LM_OK) {
        const struct lm_station_account_new what = {.station = positional[0],
                                                    .name = positional[1],
                                                    .shown = shown,
                                                    .role = role,
                                                    .verifier = verifier};

        status = lm_station_account_add(hub->store, cli->user, &what, lm_clock_wall_ms(),
                                        &k.account, &err);
    }
    return finish(hub, cli, &k, status, &err);
}

int lm_cmd_account_replace(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *positional[4] = {NULL}, *shown = NULL;
    const struct lm_cli_option options[] = {{.name = "--shown", .value = &shown}};
    char verifier[LM_PASSWORD_HASH_BYTES];
    struct keeping k = {.what = "account_hand_over"};
    struct lm_station_account old;
    struct lm_error err = {0};
    size_t n = 0;
    enum lm_status status = lm_hub_options(cli, options, 1, positional, 4, &n, &err);

    if (status == LM_OK && (n < 3 || (n == 4 && strcmp(positional[3], "-") != 0))) {
        status = usage(&err);
    }
    if (status == LM_OK) {
        status = lm_station_account(hub->store, NULL, positional[0], positional[1], &old, &err);
    }
    if (status == LM_OK) {
        status = take_password(cli, &k, positional[2], n == 4, verifier, &err);
    }
    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
    }
    if (status == LM_OK) {
        const struct lm_station_account_new what = {
            .name = positional[2], .shown = shown, .verifier = verifier, .replaces = old.id};

        k.detail = old.name;
        status = lm_station_account_add(hub->store, cli->user, &what, lm_clock_wall_ms(),
                                        &k.account, &err);
    }
    return finish(hub, cli, &k, status, &err);
}

/* reset, disable, enable. */
static int edit(struct lm_hub *hub, struct lm_cli *cli, const char *what_done, bool disable,
                bool enable)
{
    const char *positional[3] = {NULL};
    bool reset = !disable && !enable;
    char verifier[LM_PASSWORD_HASH_BYTES];
    struct lm_station_account_edit what = {.disable = disable, .enable = enable};
    struct keeping k = {.what = what_done};
    struct lm_station_account there;
    struct lm_error err = {0};
    size_t n = 0;
    enum lm_status status = lm_hub_options(cli, NULL, 0, positional, reset ? 3 : 2, &n, &err);

    if (status == LM_OK && (n < 2 || (n == 3 && strcmp(positional[2], "-") != 0))) {
        status = usage(&err);
    }
    if (status == LM_OK) {
        status = lm_station_account(hub->store, NULL, positional[0], positional[1], &there, &err);
    }
    if (status == LM_OK && reset) {
        status = take_password(cli, &k, there.name, n == 3, verifier, &err);
        what.verifier = verifier;
    }
    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
    }
    if (status == LM_OK) {
        status = lm_station_account_edit(hub->store, cli->user, there.id, &what, lm_clock_wall_ms(),
                                         &err);
    }
    if (status == LM_OK) {
        status = lm_station_account(hub->store, there.id, NULL, NULL, &k.account, &err);
    }
    return finish(hub, cli, &k, status, &err);
}

int lm_cmd_account_reset(struct lm_hub *hub, struct lm_cli *cli)
{
    return edit(hub, cli, "account_password", false, false);
}

int lm_cmd_account_disable(struct lm_hub *hub, struct lm_cli *cli)
{
    return edit(hub, cli, "account_disable", true, false);
}

int lm_cmd_account_enable(struct lm_hub *hub, struct lm_cli *cli)
{
    return edit(hub, cli, "account_enable", false, true);
}
