/* user add, list, disable. */
#include "common/base/util.h"
#include "hub/program.h"

#include <sodium.h>
#include <string.h>

static bool known_role(const char *role)
{
    static const char *const roles[] = {"clerk", "leader", "admin", "security", "auditor"};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (strcmp(role, roles[i]) == 0) {
            return true;
        }
    }
    return false;
}

int lm_cmd_user_add(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *role = NULL, *person = NULL, *positional[2];
    size_t n = 0;
    const struct lm_cli_option options[] = {{.name = "--role", .value = &role},
                                            {.name = "--person", .value = &person}};
    struct lm_error err = {0};
    char password[256] = "";
    bool made = false;
    enum lm_status status = lm_hub_options(cli, options, 2, positional, 2, &n, &err);
    if (status == LM_OK && (n < 1 || !role)) {
        status = lm_fail(&err, LM_ERR_INVALID, "usage", "", "要写账号名和 --role",
                         "needs a name and --role");
    }
    if (status == LM_OK && !known_role(role)) {
        status = lm_fail(&err, LM_ERR_INVALID, "bad_code", "role", "没有角色 %.40s",
                         "no role %.40s", role);
    }
    if (status == LM_OK && n == 2) {
        if (!fgets(password, sizeof password, cli->in)) {
            password[0] = '\0';
        }
        password[strcspn(password, "\r\n")] = '\0';
        if (strlen(password) < 8) {
            status = lm_fail(&err, LM_ERR_INVALID, "password_short", "password", "密码至少 8 位",
                             "the password needs at least 8 characters");
        }
    } else if (status == LM_OK) {
        uint8_t random[12];
        randombytes_buf(random, sizeof random);
        sodium_bin2base64(password, sizeof password, random, sizeof random,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        made = true;
    }
    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
    }
    if (status == LM_OK) {
        status = lm_store_user_add(hub->store, positional[0], role, person, password, true,
                                   lm_clock_wall_ms(), &err);
    }
    if (status == LM_OK) {
        status = lm_store_commit(hub->store, &err);
    }
    int code = LM_EXIT_OK;
    if (status != LM_OK) {
        lm_store_rollback(hub->store);
        code = lm_hub_fail(cli, &err);
    } else if (cli->json) {
        json_t *doc = json_pack("{s:s,s:s}", "name", positional[0], "role", role);
        if (made) {
            json_object_set_new(doc, "password", json_string(password));
        }
        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        fprintf(cli->out, "%s (%s)%s%s\n", positional[0], role,
                made ? " 密码(只显示这一次)/ password, shown only now: " : "",
                made ? password : "");
    }
    sodium_memzero(password, sizeof password);
    return code;
}

static bool list_user(void *arg, const struct lm_user *user)
{
    json_t *row = json_pack("{s:s,s:s,s:s,s:s,s:b}", "id", user->id, "name", user->name, "person",
                            user->person, "role", user->role, "disabled", (int)user->disabled);
    json_array_append_new(arg, row);
    return true;
}

int lm_cmd_user_list(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *positional[1];
    size_t n = 0, i;
    struct lm_error err = {0};
    json_t *list = json_array(), *row;
    enum lm_status status = lm_hub_options(cli, NULL, 0, positional, 0, &n, &err);
    if (status == LM_OK) {
        status = lm_store_users(hub->store, list_user, list, &err);
    }
    if (status == LM_OK && cli->json) {
        lm_json_print(cli->out, list);
    } else if (status == LM_OK) {
        json_array_foreach(list, i, row)
        {
            fprintf(cli->out, "%s  %s  %s%s\n", json_string_value(json_object_get(row, "name")),
                    json_string_value(json_object_get(row, "role")),
                    json_string_value(json_object_get(row, "person")),
                    json_is_true(json_object_get(row, "disabled")) ? "  已停用 / disabled" : "");
        }
    }
    json_decref(list);
    return status == LM_OK ? LM_EXIT_OK : lm_hub_fail(cli, &err);
}

int lm_cmd_user_disable(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *positional[1];
    size_t n = 0;
    struct lm_error err = {0};
    enum lm_status status = lm_hub_options(cli, NULL, 0, positional, 1, &n, &err);
    if (status == LM_OK && n != 1) {
        status = lm_fail(&err, LM_ERR_INVALID, "usage", "", "缺少账号名", "a name is missing");
    }
    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
    }
    if (status == LM_OK) {
        status = lm_store_user_disable(hub->store, positional[0], true, &err);
    }
    if (status == LM_OK) {
        status = lm_store_commit(hub->store, &err);
    }
    if (status != LM_OK) {
        lm_store_rollback(hub->store);
        return lm_hub_fail(cli, &err);
    }
    if (cli->json) {
        json_t *doc = json_pack("{s:s,s:b}", "name", positional[0], "disabled", 1);
        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        fprintf(cli->out, "%s: 已停用 / disabled\n", positional[0]);
    }
    return LM_EXIT_OK;
}
