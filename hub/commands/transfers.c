/* transfers list, confirm: moves between villages that wait for the town. Sending one back is
 * send-back's. */
#include "common/base/util.h"
#include "hub/program.h"

#include <string.h>

int lm_cmd_transfers(struct lm_hub *hub, struct lm_cli *cli)
{
    return lm_hub_list(hub, cli, lm_store_transfers);
}

static enum lm_status confirm(struct lm_hub *hub, const char *user, const char *id,
                              const char *person, struct lm_error *err)
{
    json_t *fields = json_pack("{s:s}", "state", "verified");
    struct lm_act act = {.user = user, .id = id, .fields = fields, .op = LM_OP_EDIT};
    const char *type = lm_uuid_valid(id, strlen(id)) ? lm_store_type_of(hub->store, id) : NULL;
    struct lm_act_result done;
    enum lm_status status;

    if (!type || strcmp(type, "residency_event") != 0) {
        json_decref(fields);
        return lm_fail(err, LM_ERR_NOT_FOUND, "not_found", "id", "没有这次人户变动：%.40s",
                       "There is no such change of residence: %.40s", id);
    }
    if (person) {
        (void)json_object_set_new(fields, "person_id", json_string(person));
    }
    status = lm_store_begin(hub->store, err);
    if (status == LM_OK) {
        status = lm_store_act(hub->store, &act, lm_clock_wall_ms(), &done, err);
        if (status != LM_OK && !err->code[0] && lm_issues_first_refusal(&done.issues)) {
            *err = *lm_issues_first_refusal(&done.issues);
        }
        if (status == LM_OK) {
            status = lm_store_commit(hub->store, err);
        } else {
            lm_store_rollback(hub->store);
        }
    }
    json_decref(fields);
    return status;
}

int lm_cmd_transfers_confirm(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *person = NULL, *positional[1];
    size_t n = 0;
    const struct lm_cli_option options[] = {{.name = "--person", .value = &person}};
    struct lm_error err = {0};
    enum lm_status status = lm_hub_options(cli, options, 1, positional, 1, &n, &err);

    if (status == LM_OK && n != 1) {
        status = lm_fail(&err, LM_ERR_INVALID, "usage", "", "缺少编号（见 transfers list）",
                         "an id is missing: see `transfers list`");
    }
    if (status == LM_OK) {
        status = confirm(hub, cli->user, positional[0], person, &err);
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    if (cli->json) {
        json_t *doc = json_pack("{s:s}", "id", positional[0]);

        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        fprintf(cli->out, "%s: 已核定转移 / moved\n", positional[0]);
    }
    return LM_EXIT_OK;
}
