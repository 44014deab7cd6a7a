/* duplicates list, merge, unmerge, dismiss: records that may be the same thing twice. */
#include "common/base/util.h"
#include "hub/program.h"

#include <string.h>

int lm_cmd_duplicates(struct lm_hub *hub, struct lm_cli *cli)
{
    return lm_hub_list(hub, cli, lm_store_duplicates);
}

enum what { MERGE, UNMERGE, DISMISS };

static int decide(struct lm_hub *hub, struct lm_cli *cli, enum what what)
{
    const char *into = NULL, *positional[2];
    size_t n = 0;
    const struct lm_cli_option options[] = {{.name = "--into", .value = &into}};
    struct lm_error err = {0};
    struct lm_act_result done;
    int64_t now = lm_clock_wall_ms();
    enum lm_status status = lm_hub_options(cli, options, what == MERGE ? 1 : 0, positional,
                                           what == DISMISS ? 2 : 1, &n, &err);

    if (status == LM_OK && (n != (what == DISMISS ? 2 : 1) || (what == MERGE && !into))) {
        status = lm_fail(&err, LM_ERR_INVALID, "usage", "", "缺少记录编号", "an id is missing");
    }
    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    switch (what) {
    case MERGE:
        status = lm_store_merge(hub->store, cli->user, positional[0], into, now, &done, &err);
        break;
    case UNMERGE:
        status = lm_store_unmerge(hub->store, cli->user, positional[0], now, &done, &err);
        break;
    case DISMISS:
        status = lm_store_dismiss(hub->store, cli->user, positional[0], positional[1], now, &err);
        break;
    }
    if (status == LM_OK) {
        status = lm_store_commit(hub->store, &err);
    }
    if (status != LM_OK) {
        lm_store_rollback(hub->store);
        return lm_hub_fail(cli, &err);
    }
    if (cli->json) {
        json_t *doc = json_pack("{s:s}", "id", positional[0]);
        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        static const char *const said[] = {"已合并 / merged", "已撤销合并 / no longer merged",
                                           "已确认不是重复 / not the same"};
        fprintf(cli->out, "%s: %s\n", positional[0], said[what]);
    }
    return LM_EXIT_OK;
}

int lm_cmd_duplicates_merge(struct lm_hub *hub, struct lm_cli *cli)
{
    return decide(hub, cli, MERGE);
}

int lm_cmd_duplicates_unmerge(struct lm_hub *hub, struct lm_cli *cli)
{
    return decide(hub, cli, UNMERGE);
}

int lm_cmd_duplicates_dismiss(struct lm_hub *hub, struct lm_cli *cli)
{
    return decide(hub, cli, DISMISS);
}
