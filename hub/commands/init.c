/* init: the data directory of a new hub. */
#include "common/base/util.h"
#include "hub/program.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 16 characters without look-alikes, about 80 bits. */
static void make_password(char out[20])
{
    static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    int n = 0;
    for (int i = 0; i < 16; i++) {
        if (i > 0 && i % 4 == 0) {
            out[n++] = '-';
        }
        out[n++] = letters[randombytes_uniform((uint32_t)strlen(letters))];
    }
    out[n] = '\0';
}

int lm_cmd_init(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *town = NULL, *code = NULL, *file = NULL, *admin = "admin";
    const struct lm_cli_option options[] = {{.name = "--town", .value = &town},
                                            {.name = "--code", .value = &code},
                                            {.name = "--admin", .value = &admin},
                                            {.name = "--admin-password-file", .value = &file}};
    struct lm_error err = {0};
    size_t n_positional = 0;
    char made[20] = "", *text = NULL;
    const char *password = made;
    enum lm_status status = lm_hub_options(cli, options, 4, NULL, 0, &n_positional, &err);
    if (status == LM_OK && (!town || !code)) {
        status = lm_fail(&err, LM_ERR_INVALID, "usage", "", "缺少 --town 或 --code",
                         "--town or --code is missing");
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    if (file) {
        size_t n = 0;
        if (lm_file_read(file, 1024, &text, &n, &err) != LM_OK) {
            return lm_hub_fail(cli, &err);
        }
        text[strcspn(text, "\r\n")] = '\0';
        password = text;
        if (strlen(text) < 8) {
            free(text);
            (void)lm_fail(&err, LM_ERR_INVALID, "password_short", "", "密码至少 8 位",
                          "the password needs at least 8 characters");
            return lm_hub_fail(cli, &err);
        }
    } else {
        make_password(made);
    }
    struct lm_store_init init = {.town_name = town,
                                 .town_code = code,
                                 .admin_name = admin,
                                 .admin_password = password,
                                 .password_made = password == made,
                                 .now_ms = lm_clock_wall_ms()};
    status = lm_datadir_open(cli->data, false, &hub->dir, &err);
    if (status == LM_OK) {
        status = lm_datadir_lock(&hub->dir, "hub.lock", &err);
    }
    if (status == LM_OK) {
        status = lm_hub_keys_make(&hub->dir, &hub->keys, &err);
    }
    if (status == LM_OK) {
        status = lm_store_create(&hub->dir, hub->catalog, &init, &err);
        char path[PATH_MAX];
        /* The keys of this attempt: left behind, they would bar the next one. */
        if (status != LM_OK && lm_datadir_path(&hub->dir, "hub.key", path, sizeof path) == LM_OK) {
            (void)unlink(path);
        }
    }
    int exit_code = LM_EXIT_OK;
    if (status != LM_OK) {
        exit_code = lm_hub_fail(cli, &err);
    } else {
        char hub_id[33];
        lm_hex_encode(hub->keys.hub_id, 16, hub_id);
        if (cli->json) {
            json_t *doc = json_pack("{s:s,s:s,s:s,s:s,s:s}", "data", hub->dir.path, "town", town,
                                    "code", code, "hub_id", hub_id, "admin", admin);
            if (!file) {
                json_object_set_new(doc, "password", json_string(made));
            }
            lm_json_print(cli->out, doc);
            json_decref(doc);
        } else {
            fprintf(cli->out, "%s: 已建立 %s (%s) 的中心 / hub made, id %s\n", hub->dir.path, town,
                    code, hub_id);
            if (!file) {
                fprintf(cli->out,
                        "账号 %s 的密码(只显示这一次)/ password of %s, shown only now: %s\n", admin,
                        admin, made);
            }
            fprintf(cli->out,
                    "下一步:定安全管理员,其余账号由他在网页上开 / next, who keeps the accounts: "
                    "lastmile-hub user add NAME --role security\n");
        }
    }
    if (text) {
        sodium_memzero(text, strlen(text));
        free(text);
    }
    sodium_memzero(made, sizeof made);
    return exit_code;
}
