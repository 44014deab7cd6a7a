/* user: accounts of this PC's page. They are local and work without a network. */
#include "common/account.h"
#include "common/base/util.h"
#include "node/program.h"

#include <sodium.h>
#include <string.h>

/* From the first line of stdin, or made: eight digits, which people can copy from a screen. */
static enum lm_status take_password(struct lm_cli *cli, const char *name, bool from_stdin,
                                    char *out, size_t n, struct lm_error *err)
{
    if (!from_stdin) {
        lm_password_make(name, out);
        return LM_OK;
    }
    if (!fgets(out, (int)n, cli->in)) {
        out[0] = '\0';
    }
    out[strcspn(out, "\r\n")] = '\0';
    return lm_password_check(name, out, LM_PIN_CHARS_MIN, err);
}

/* Whose account gets which password. */
struct giving {
    const char *name, *role; /* role NULL: the account is there already */
    const char *old;         /* or NULL: the account in whose place it comes */
    bool must_change;
};

static enum lm_status store_password(struct lm_node *node, const struct giving *g,
                                     const char *password, struct lm_error *err)
{
    char hash[LM_PASSWORD_HASH_BYTES];
    enum lm_status st = lm_password_hash(password, hash, err);

    if (st != LM_OK) {
        return st;
    }
    if (g->old) {
        return lm_nstore_account_succeed(node->store, g->old, g->name, hash, g->must_change,
                                         lm_clock_wall_ms(), err);
    }
    return g->role ? lm_nstore_account_add(node->store, g->name, g->role, hash, g->must_change,
                                           lm_clock_wall_ms(), err)
                   : lm_nstore_account_password(node->store, g->name, hash, g->must_change, err);
}

/* add, password and replace. */
static enum lm_status give_password(struct lm_node *node, struct lm_cli *cli,
                                    const struct giving *g, bool from_stdin, struct lm_error *err)
{
    const char *name = g->name;
    char password[LM_PASSWORD_BYTES_MAX + 2] = "";
    enum lm_status st = take_password(cli, name, from_stdin, password, sizeof password, err);

    if (st == LM_OK) {
        st = store_password(node, g, password, err);
    }
    if (st == LM_OK && cli->json) {
        json_t *doc = json_pack("{s:s,s:s?,s:s?}", "name", name, "role", g->role, "password",
                                from_stdin ? NULL : password);

        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else if (st == LM_OK) {
        fprintf(cli->out, "%s: %s%s\n", name,
                from_stdin ? "密码已设置 / password set"
                           : "密码（只显示这一次）/ password, shown only now: ",
                from_stdin ? "" : password);
    }
    sodium_memzero(password, sizeof password);
    return st;
}

static enum lm_status list_accounts(struct lm_node *node, struct lm_cli *cli, struct lm_error *err)
{
    static struct lm_account accounts[LM_ACCOUNTS_LISTED];
    size_t n = 0;
    enum lm_status st = lm_nstore_accounts(node->store, accounts, &n, err);

    for (size_t i = 0; st == LM_OK && i < n; i++) {
        json_t *row = json_pack("{s:s,s:s,s:b,s:b,s:s}", "name", accounts[i].name, "role",
                                accounts[i].role, "disabled", (int)accounts[i].disabled, "of_town",
                                (int)accounts[i].of_town, "shown", accounts[i].shown);

        lm_cli_row(cli, row);
        json_decref(row);
    }
    if (st == LM_OK) {
        lm_cli_rows_end(cli);
    }
    return st;
}

static enum lm_status set_disabled(struct lm_node *node, struct lm_cli *cli, const char *name,
                                   bool disabled, struct lm_error *err)
{
    enum lm_status st = lm_nstore_account_disable(node->store, name, disabled, err);

    if (st == LM_OK) {
        json_t *row = json_pack("{s:s,s:b}", "name", name, "disabled", (int)disabled);

        lm_cli_row(cli, row);
        json_decref(row);
        lm_cli_rows_end(cli);
    }
    return st;
}

int lm_node_cmd_user(struct lm_node *node, struct lm_cli *cli)
{
    const char *role = NULL, *positional[4] = {NULL};
    bool must_change = false;
    const struct lm_cli_option options[] = {{.name = "--role", .value = &role},
                                            {.name = "--must-change", .flag = &must_change}};
    struct lm_error err = {0};
    size_t n = 0;
    enum lm_status st = lm_cli_options(cli, options, 2, positional, 4, &n, &err);
    const char *verb = n > 0 ? positional[0] : "";
    bool replacing = strcmp(verb, "replace") == 0;
    bool from_stdin = n == 3 + (size_t)replacing && strcmp(positional[n - 1], "-") == 0;
    struct giving g = {.name = positional[1], .must_change = must_change};

    if (st == LM_OK && strcmp(verb, "list") == 0 && n == 1) {
        st = list_accounts(node, cli, &err);
    } else if (st == LM_OK && strcmp(verb, "add") == 0 && (n == 2 || from_stdin)) {
        g.role = role ? role : "secretary";
        st = give_password(node, cli, &g, from_stdin, &err);
    } else if (st == LM_OK && strcmp(verb, "password") == 0 && (n == 2 || from_stdin)) {
        st = give_password(node, cli, &g, from_stdin, &err);
    } else if (st == LM_OK && replacing && (n == 3 || from_stdin) && !role) {
        g.old = positional[1];
        g.name = positional[2];
        st = give_password(node, cli, &g, from_stdin, &err);
    } else if (st == LM_OK && n == 2 &&
               (strcmp(verb, "disable") == 0 || strcmp(verb, "enable") == 0)) {
        st = set_disabled(node, cli, positional[1], verb[0] == 'd', &err);
    } else if (st == LM_OK) {
        st = lm_node_usage(
            &err,
            "应写成 user add|password|disable|enable NAME，user replace 旧账号 新账号，或 user "
            "list",
            "say user add|password|disable|enable NAME, user replace OLD NEW, or user list");
    }
    return st == LM_OK ? LM_EXIT_OK : lm_node_fail(cli, &err);
}
