/* recovered: what stations gave back after this hub went back in time; a person confirms it. */
#include "common/base/util.h"
#include "hub/program.h"

#include <stdlib.h>
#include <string.h>

enum lm_status lm_hub_choice(struct lm_cli *cli, int64_t *id, struct lm_error *err)
{
    bool all = false;
    const char *positional[1];
    const struct lm_cli_option options[] = {{.name = "--all", .flag = &all}};
    size_t n = 0;
    char *end = NULL;
    enum lm_status status = lm_hub_options(cli, options, 1, positional, 1, &n, err);

    *id = 0;
    if (status == LM_OK && n == 1) {
        *id = strtoll(positional[0], &end, 10);
    }
    if (status == LM_OK && ((n == 1) == all || (n == 1 && (*end || *id < 1)))) {
        status = lm_fail(err, LM_ERR_INVALID, "usage", "", "应给出一个编号,或 --all",
                         "takes a number, or --all");
    }
    return status;
}

int lm_cmd_recovered(struct lm_hub *hub, struct lm_cli *cli)
{
    return lm_hub_list(hub, cli, lm_store_recovered);
}

/* The reason and the way on of the first row that waits for its author: a scrapped PC's have all
 * the same. */
static bool print_awaited(void *arg, const json_t *row)
{
    const json_t *why = json_object_get(row, "why");
    const char *code = json_string_value(json_object_get(why, "code"));

    if (!code || strcmp(code, "author_may_send") != 0) {
        return true;
    }
    fprintf(arg, "%s\n%s\n", json_string_value(json_object_get(why, "zh")),
            json_string_value(json_object_get(why, "en")));
    return false;
}

static int decide(struct lm_hub *hub, struct lm_cli *cli, bool accept)
{
    struct lm_error err = {0};
    struct lm_recovered_result out = {0};
    int64_t id = 0;
    enum lm_status status = lm_hub_choice(cli, &id, &err);

    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
        if (status == LM_OK) {
            status = lm_store_recovered_decide(hub->store, id, accept, cli->user,
                                               lm_clock_wall_ms(), &out, &err);
        }
        if (status == LM_OK) {
            status = lm_store_commit(hub->store, &err);
        } else {
            lm_store_rollback(hub->store);
        }
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    if (cli->json) {
        json_t *doc = json_pack("{s:I,s:I,s:I,s:I}", accept ? "accepted" : "dismissed",
                                (json_int_t)out.n, "came_by_itself", (json_int_t)out.came, "left",
                                (json_int_t)out.left, "author_may_send", (json_int_t)out.awaited);

        lm_json_print(cli->out, doc);
        json_decref(doc);
        return LM_EXIT_OK;
    }
    fprintf(cli->out,
            accept ? "已确认找回 %zu 条 / %zu accepted\n" : "已舍弃 %zu 条 / %zu dismissed\n",
            out.n, out.n);
    if (out.came > 0) {
        fprintf(cli->out, "其中 %zu 条已由原电脑自己补传 / %zu came by themselves\n", out.came,
                out.came);
    }
    if (out.left > 0) {
        fprintf(cli->out,
                "还有 %zu 条要逐条处理，原因见 recovered list / %zu wait to be decided by number\n",
                out.left, out.left);
    }
    status =
        out.awaited > 0 ? lm_store_recovered(hub->store, print_awaited, cli->out, &err) : LM_OK;
    return status == LM_OK ? LM_EXIT_OK : lm_hub_fail(cli, &err);
}

int lm_cmd_recovered_accept(struct lm_hub *hub, struct lm_cli *cli)
{
    return decide(hub, cli, true);
}

int lm_cmd_recovered_dismiss(struct lm_hub *hub, struct lm_cli *cli)
{
    return decide(hub, cli, false);
}
