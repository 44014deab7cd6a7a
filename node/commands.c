/* The table of lastmile-node's commands, and what they share. */
#include "node/program.h"

#include "common/base/util.h"
#include "proto/limits.h"

#include <string.h>

const struct lm_node_command lm_node_commands[] = {
    {"enrol", LM_NODE_NEEDS_NOTHING,
     "enrol KIT [--renew] [--timeout S] | enrol KIT --offline --out FILE | enrol --finish FILE",
     "makes keys and enrols at the hub with a one-time kit, by network or by USB stick; --renew: "
     "anew, "
     "with what is unsent",
     lm_node_cmd_enrol},
    {"serve", LM_NODE_NEEDS_STORE, "serve [--http ADDR:PORT] [--sticks DIR] [--idle S]",
     "synchronises in the background and serves the page; USB sticks are looked for in DIR, or "
     "where systems mount them; the page locks after S seconds without anybody (600)",
     lm_node_cmd_serve},
    {"villages", LM_NODE_NEEDS_NOTHING, "villages [--http ADDR:PORT] [--sticks DIR] [--idle S]",
     "several villages on one PC: --data is a folder that holds a data directory for each (at most "
     "8); runs serve for each of them, on the ports behind PORT, and serves the page that lists "
     "them",
     lm_node_cmd_villages},
    {"add", LM_NODE_NEEDS_STORE, "add [FILE|-]",
     "records, edits and deletions, one JSON object a line", lm_node_cmd_add},
    {"get", LM_NODE_NEEDS_STORE, "get ID", "one record", lm_node_cmd_get},
    {"list", LM_NODE_NEEDS_STORE, "list TYPE [--where FIELD=VALUE]…", "records as NDJSON",
     lm_node_cmd_list},
    {"history", LM_NODE_NEEDS_STORE, "history ID [--fetch|--ask]",
     "every change of one record made here, with its outcome; --fetch: others' too, from the hub; "
     "--ask: with the next contact or bundle",
     lm_node_cmd_history},
    {"returned", LM_NODE_NEEDS_STORE, "returned", "what needs correcting, with the reason",
     lm_node_cmd_returned},
    {"sync", LM_NODE_NEEDS_STORE, "sync [--timeout S]", "sends and fetches everything, then ends",
     lm_node_cmd_sync},
    {"status", LM_NODE_NEEDS_STORE, "status", "what is pending, returned, and how the link is",
     lm_node_cmd_status},
    {"bundle", LM_NODE_NEEDS_STORE,
     "bundle export FILE|FOLDER [--max-bytes N] | bundle import FILE",
     "what a USB stick carries to the town, and the town's reply", lm_node_cmd_bundle},
    {"backup", LM_NODE_NEEDS_STORE, "backup FILE",
     "a checked copy of this PC's data, while it runs", lm_node_cmd_backup},
    {"restore", LM_NODE_NEEDS_KEY, "restore FILE",
     "goes back to a backup and keeps what was entered since; also when the database is damaged",
     lm_node_cmd_restore},
    {"user", LM_NODE_NEEDS_STORE,
     "user add NAME [-] [--role secretary|admin] [--must-change] | password NAME [-] "
     "[--must-change] "
     "| replace OLD NEW [-] [--must-change] | disable NAME | enable NAME | list",
     "accounts of this PC's page; - reads the password from stdin; --must-change: it has to be "
     "changed at the first login",
     lm_node_cmd_user},
};
const size_t lm_node_n_commands = sizeof lm_node_commands / sizeof *lm_node_commands;

const struct lm_node_command *lm_node_command_find(const char *name)
{
    for (size_t i = 0; i < lm_node_n_commands; i++) {
        if (strcmp(lm_node_commands[i].name, name) == 0) {
            return &lm_node_commands[i];
        }
    }
    return NULL;
}

int lm_node_fail(struct lm_cli *cli, const struct lm_error *err)
{
    int code = lm_cli_fail(cli, LM_NODE_NAME, err);
    const struct lm_node_command *command =
        cli->argc > 0 ? lm_node_command_find(cli->argv[0]) : NULL;

    if (code == LM_EXIT_USAGE && command) {
        fprintf(cli->err, "usage: %s %s\n", LM_NODE_NAME, command->usage);
    }
    return code;
}

enum lm_status lm_node_usage(struct lm_error *err, const char *zh, const char *en)
{
    return lm_fail(err, LM_ERR_INVALID, "usage", "", "%s%.0s", "%.0s%s", zh, en);
}

enum lm_status lm_node_check_user(const struct lm_cli *cli, struct lm_error *err)
{
    size_t n = strlen(cli->user), chars = 0;

    if (!lm_utf8_valid(cli->user, n, &chars) || chars > LM_USER_CHARS_MAX ||
        lm_utf8_has_control(cli->user, n)) {
        return lm_fail(err, LM_ERR_INVALID, "usage", "user", "--user 最多 %d 个字，不能有控制字符",
                       "--user takes at most %d characters without control characters",
                       LM_USER_CHARS_MAX);
    }
    return LM_OK;
}
