/* lastmile-node: finds the command, opens what it needs, and runs it. */
#include "node/program.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

static void print_help(FILE *out)
{
    fprintf(out,
            "lastmile-node %s: 村级退役军人服务台账 / a station's node\n\n"
            "usage: lastmile-node COMMAND [ARGUMENTS] [--data DIR] [--user NAME] [--json]\n"
            "  --data DIR   data directory (or LASTMILE_DATA)\n"
            "  --user NAME  who does it\n"
            "  --json       one JSON document on stdout\n\n",
            LM_PROGRAM_VERSION);
    for (size_t i = 0; i < lm_node_n_commands; i++) {
        fprintf(out, "  %s\n        %s\n", lm_node_commands[i].usage, lm_node_commands[i].does);
    }
}

/* SQLite takes a file without a byte for a new database, and throws away the log beside it: the
 * last changes may be in there, and `restore` reads them. */
static enum lm_status not_emptied(const struct lm_datadir *dir, struct lm_error *err)
{
    char path[PATH_MAX];
    struct stat info;

    if (lm_datadir_path(dir, "node.db", path, sizeof path) != LM_OK || stat(path, &info) != 0 ||
        info.st_size > 0) {
        return LM_OK;
    }
    return lm_fail(err, LM_ERR_CORRUPT, "corrupt", "",
                   "数据库文件 %s 是空的，已损坏。请从备份恢复：lastmile-node restore 备份文件",
                   "The database file %s is empty: it is damaged. Restore a backup: lastmile-node "
                   "restore FILE",
                   path);
}

static int run(struct lm_node *node, const struct lm_node_command *command, struct lm_cli *cli)
{
    struct lm_error err = {0};
    enum lm_status st = lm_catalog_load_embedded(&node->catalog, &err);

    if (st == LM_OK && command->needs != LM_NODE_NEEDS_NOTHING) {
        struct lm_node_key key;

        st = lm_datadir_open(cli->data, true, &node->dir, &err);
        if (st == LM_OK) {
            st = lm_node_key_enrolled(&node->dir, &key, &err);
            lm_node_key_wipe(&key);
        }
        if (st == LM_OK && command->needs == LM_NODE_NEEDS_STORE) {
            st = not_emptied(&node->dir, &err);
        }
        if (st == LM_OK && command->needs == LM_NODE_NEEDS_STORE) {
            st = lm_nstore_open(&node->dir, node->catalog, false, &node->store, &err);
        }
    }
    return st == LM_OK ? command->run(node, cli) : lm_node_fail(cli, &err);
}

/* --help and --version stand anywhere before "--". */
static bool wants(const struct lm_cli *cli, const char *option)
{
    for (int i = 0; i < cli->argc && strcmp(cli->argv[i], "--") != 0; i++) {
        if (strcmp(cli->argv[i], option) == 0) {
            return true;
        }
    }
    return false;
}

static void help(const struct lm_cli *cli)
{
    const struct lm_node_command *command =
        cli->argc > 0 ? lm_node_command_find(cli->argv[0]) : NULL;

    if (command) {
        printf("usage: %s %s\n  %s\n", LM_NODE_NAME, command->usage, command->does);
    } else {
        print_help(stdout);
    }
}

int main(int argc, char **argv)
{
    struct lm_node node = {.dir = {.lock_fd = -1}};
    struct lm_cli cli;
    struct lm_error err = {0};
    const struct lm_node_command *command;
    int code;

    memset(&cli, 0, sizeof cli);
    cli.in = stdin;
    cli.out = stdout;
    cli.err = stderr;
    (void)signal(SIGPIPE, SIG_IGN);
    if (sodium_init() < 0) {
        fprintf(stderr, "lastmile-node: libsodium does not start\n");
        return LM_EXIT_FAILED;
    }
    if (lm_cli_parse(argc > 0 ? argc - 1 : 0, argv + 1, &cli, &err) != LM_OK) {
        cli.argc = 0;
        return lm_node_fail(&cli, &err);
    }
    if (wants(&cli, "--help") || wants(&cli, "-h")) {
        help(&cli);
        return LM_EXIT_OK;
    }
    if (wants(&cli, "--version")) {
        printf(cli.json ? "{\"program\": \"lastmile-node\", \"version\": \"%s\"}\n"
                        : "lastmile-node %s\n",
               LM_PROGRAM_VERSION);
        return LM_EXIT_OK;
    }
    command = cli.argc > 0 ? lm_node_command_find(cli.argv[0]) : NULL;
    if (!command) {
        fprintf(stderr,
                cli.argc > 0 ? "lastmile-node: 没有这个命令 / no such command: %s\n"
                             : "lastmile-node: 缺少命令 / no command%s\n",
                cli.argc > 0 ? cli.argv[0] : "");
        fprintf(stderr, "lastmile-node --help 列出全部命令 / lists the commands\n");
        return LM_EXIT_USAGE;
    }
    code = run(&node, command, &cli);
    if (fflush(stdout) != 0 && code == LM_EXIT_OK) {
        fprintf(stderr, "lastmile-node: 输出写不出去 / cannot write the output: %s\n",
                strerror(errno));
        code = LM_EXIT_FAILED;
    }
    lm_nstore_close(&node.store);
    lm_datadir_close(&node.dir);
    lm_catalog_destroy(&node.catalog);
    return code;
}
