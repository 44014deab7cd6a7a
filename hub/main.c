/* lastmile-hub: finds the command, prepares what it needs, and runs it here or inside the running
 * server. */
#include "common/base/log.h"
#include "common/base/util.h"
#include "common/control.h"
#include "common/db.h"
#include "hub/bundle.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_WAIT_MS 10000
#define LOCK_AGAIN_MS 50
#define SERVER_CACHE_PAGES                                                                         \
    18000 /* the writer's 64 MiB and what readers of the same process take                         \
           */

/* A drain asks for and returns frames and batches of up to a megabyte thousands of times: glibc
 * would give each back to the kernel and fault it in again (a sixth of the hub's time when it was
 * measured). */
static void keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, 256 * 1024 * 1024);
    (void)mallopt(M_TOP_PAD, 4 * 1024 * 1024);
}

static void print_help(FILE *out)
{
    fprintf(out,
            "lastmile-hub %s: 镇级退役军人服务台账中心 / the town's hub\n\n"
            "usage: lastmile-hub COMMAND [ARGUMENTS] [--data DIR] [--user NAME] [--json]\n"
            "  --data DIR   data directory (or LASTMILE_DATA)\n"
            "  --user NAME  who does it\n"
            "  --json       one JSON document on stdout\n\n",
            LM_PROGRAM_VERSION);
    for (size_t i = 0; i < lm_hub_n_commands; i++) {
        if (lm_hub_commands[i].does) {
            fprintf(out, "  %s\n        %s\n", lm_hub_commands[i].usage, lm_hub_commands[i].does);
        }
    }
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

/* Help of one command where it is named, also of all that share its first word ("station"). */
static void help(const struct lm_cli *cli)
{
    const struct lm_hub_command *command = lm_hub_command_find(cli->argc, cli->argv);
    const char *word = cli->argc > 0 ? cli->argv[0] : "";
    size_t n = strlen(word), shown = 0;
    for (size_t i = 0; n > 0 && i < lm_hub_n_commands; i++) {
        const struct lm_hub_command *c = &lm_hub_commands[i];
        bool same = strncmp(c->name, word, n) == 0 && (c->name[n] == '\0' || c->name[n] == ' ');
        if (same && c->does && (!command || command == c || !strchr(command->name, ' '))) {
            printf("usage: %s %s\n  %s\n", LM_HUB_NAME, c->usage, c->does);
            shown++;
        }
    }
    if (shown == 0) {
        print_help(stdout);
    }
}

/* Its files are opened one by one, by lm_hub_bundle_files. */
static bool is_bundle(const struct lm_hub_command *command)
{
    return strncmp(command->name, "bundle ", 7) == 0;
}

static bool is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Opens the input of a command that reads one, and puts "-" where its name stood. */
static enum lm_status open_input(const struct lm_hub_command *command, struct lm_cli *cli,
                                 struct lm_error *err)
{
    cli->in = stdin;
    int words = strchr(command->name, ' ') ? 2 : 1;
    int last = cli->argc - 1;
    if (strncmp(command->name, "account ", 8) == 0) { /* a first password, from "-" alone */
        cli->in = last >= words && strcmp(cli->argv[last], "-") == 0 ? stdin : NULL;
        return LM_OK;
    }
    bool is_user_add = strcmp(command->name, "user add") == 0;
    int first = is_user_add ? words + 1 : words;
    if (last < first || cli->argv[last][0] == '-' ||
        (last > 0 && (strcmp(cli->argv[last - 1], "--role") == 0 ||
                      strcmp(cli->argv[last - 1], "--person") == 0))) {
        return LM_OK;
    }
    if (strncmp(command->name, "catalog ", 8) == 0 && is_directory(cli->argv[last])) {
        cli->in = tmpfile();
        if (cli->in) {
            enum lm_status status = lm_hub_catalog_pack_dir(cli->argv[last], cli->in, err);
            if (status != LM_OK) {
                return status;
            }
        }
    } else {
        cli->in = fopen(cli->argv[last], "rb");
    }
    if (!cli->in) {
        cli->in = stdin;
        return lm_fail(err, LM_ERR_IO, "no_file", "", "打不开文件 %s:%s", "cannot open %s: %s",
                       cli->argv[last], strerror(errno));
    }
    static char dash[] = "-";
    cli->argv[last] = dash;
    return LM_OK;
}

/* The one command that opens a database which has seen a newer key in force. */
static bool is_key_accept(const struct lm_cli *cli)
{
    const struct lm_hub_command *command = lm_hub_command_find(cli->argc, cli->argv);

    return command && command->run == lm_cmd_key_accept;
}

static enum lm_status hub_open(struct lm_hub *hub, const struct lm_cli *cli,
                               enum lm_store_mode mode, struct lm_error *err)
{
    enum lm_status status = LM_OK;
    if (mode == LM_STORE_WRITE) {
        status = lm_hub_keys_load(&hub->dir, &hub->keys, err);
    }
    if (status == LM_OK) {
        status = lm_store_open(&hub->dir, hub->catalog, mode, &hub->store, err);
    }
    if (status == LM_OK && mode == LM_STORE_WRITE) {
        lm_store_set_dup_key(hub->store, hub->keys.dup_key);
        status = lm_store_line_key(hub->store, hub->keys.number, hub->keys.curve.public_key,
                                   is_key_accept(cli), err);
    }
    return status;
}

/* enrol --out KIT: the command prints the kit, wherever it runs; the file is written here, by who
 * asked. */
static int write_kit(struct lm_cli *cli, const char *path, FILE *from, struct lm_error *err)
{
    static char kit[LM_KIT_BYTES_MAX];
    rewind(from);
    size_t n = fread(kit, 1, sizeof kit, from);
    if (lm_file_write(path, kit, n, 0600, err) != LM_OK) {
        return lm_hub_fail(cli, err);
    }
    json_t *doc = json_loadb(kit, n, 0, NULL);
    const char *expires = json_string_value(json_object_get(doc, "expires"));
    if (cli->json) {
        json_t *out = json_pack("{s:s,s:O,s:s}", "kit", path, "station",
                                json_object_get(doc, "station"), "expires", expires ? expires : "");
        lm_json_print(stdout, out);
        json_decref(out);
    } else {
        printf("%s: 入网文件已生成,一次有效,%s 前使用 / one-time kit, use it before %s\n", path,
               expires ? expires : "", expires ? expires : "");
    }
    json_decref(doc);
    return LM_EXIT_OK;
}

/* The lock, or LM_ERR_BUSY once a server takes commands. Another command that has it, and a server
 * that is just starting, are waited for; stdin has not been read meanwhile. */
static enum lm_status lock_or_server(struct lm_hub *hub, struct lm_error *err)
{
    int64_t until_ms = lm_clock_mono_ms() + LOCK_WAIT_MS;
    enum lm_status st;

    for (;;) {
        st = lm_datadir_lock(&hub->dir, "hub.lock", err);
        if (st != LM_ERR_BUSY || lm_control_answers(hub->dir.path) ||
            lm_clock_mono_ms() >= until_ms) {
            return st;
        }
        (void)poll(NULL, 0, LOCK_AGAIN_MS);
    }
}

static int run_write(struct lm_hub *hub, const struct lm_hub_command *command, struct lm_cli *cli)
{
    struct lm_error err = {0};
    if (hub->store) { /* of several files the next one */
        return lm_hub_run(hub, command, cli);
    }
    enum lm_status status = lock_or_server(hub, &err);
    if (status == LM_OK) {
        status = hub_open(hub, cli, LM_STORE_WRITE, &err);
        if (status == LM_OK && command->needs == LM_NEEDS_WRITE) {
            status = lm_store_may_write(hub->store, &err);
        }
        return status == LM_OK ? lm_hub_run(hub, command, cli) : lm_hub_fail(cli, &err);
    }
    if (status != LM_ERR_BUSY) {
        return lm_hub_fail(cli, &err);
    }
    /* The server holds it: it runs the command. The shared options go along. */
    char *argv[72];
    int argc = 0, code = LM_EXIT_FAILED;
    static char json_option[] = "--json", user_option[] = "--user";
    char user[512];
    if (cli->argc > 60) {
        (void)lm_fail(&err, LM_ERR_LIMIT, "usage", "", "参数太多", "too many arguments");
        return lm_hub_fail(cli, &err);
    }
    for (int i = 0; i < cli->argc; i++) {
        argv[argc++] = cli->argv[i];
    }
    snprintf(user, sizeof user, "%s", cli->user);
    if (user[0]) {
        argv[argc++] = user_option;
        argv[argc++] = user;
    }
    if (cli->json) {
        argv[argc++] = json_option;
    }
    memset(&err, 0, sizeof err);
    status = lm_control_call_to(hub->dir.path, argc, argv, command->reads_input ? cli->in : NULL, 0,
                                cli->out, cli->err, &code, &err);
    if (status == LM_ERR_NOT_FOUND) {
        (void)lm_fail(&err, LM_ERR_BUSY, "busy", "", "另一条命令正占用数据，请稍后重试。",
                      "Another command is at work on the data. Try again in a moment.");
    }
    return status == LM_OK ? code : lm_hub_fail(cli, &err);
}

/* Runs a command that the user did not type, with the shared options of the one that was. */
static int run_inner(struct lm_hub *hub, struct lm_cli *cli, int argc, char **argv)
{
    struct lm_cli inner = *cli;

    inner.argc = argc;
    inner.argv = argv;
    return run_write(hub, lm_hub_command_find(argc, argv), &inner);
}

static const char *only_file(struct lm_cli *cli, struct lm_error *err)
{
    const char *file[1] = {NULL};
    size_t n = 0;

    if (lm_hub_options(cli, NULL, 0, file, 1, &n, err) == LM_OK && n != 1) {
        (void)lm_fail(err, LM_ERR_INVALID, "usage", "", "缺少文件名", "FILE is missing");
    }
    return n == 1 ? file[0] : NULL;
}

/* backup FILE: copied here, beside whatever runs; noted by who holds the lock. */
static int run_backup(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    struct lm_backup_words words;
    const char *file = only_file(cli, &err);

    if (!file || lm_hub_backup(hub, file, &words, &err) != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    return run_inner(hub, cli, 5, words.argv);
}

/* What the database that is to be set aside knows to be shut, and the files beside it may not. It
 * may be past opening: that is why another takes its place. */
static void note_what_is_shut(struct lm_hub *hub, int64_t now_ms)
{
    struct lm_error err = {0};
    enum lm_status status =
        lm_store_open(&hub->dir, hub->catalog, LM_STORE_READ, &hub->store, &err);

    if (status == LM_OK) {
        status = lm_store_beside_note(hub->store, now_ms, &err);
    }
    if (status != LM_OK) {
        lm_log(LM_LOG_WARN, "restore",
               "who was shut out cannot be read from the database in use (%s); the files beside it "
               "hold",
               err.en);
    }
    lm_store_close(&hub->store);
}

/* restore FILE: prepared here; put in place by who holds the lock. */
static int run_restore(struct lm_hub *hub, struct lm_cli *cli)
{
    static char adopt[] = "restore-adopt";
    struct lm_error err = {0};
    struct lm_restored r;
    const char *file = only_file(cli, &err);
    char path[PATH_MAX], aside[96], position[24], incarnation[24], kits[24];
    int64_t now_ms = lm_clock_wall_ms();
    char *argv[] = {adopt, path, r.staged, position, incarnation, kits};
    enum lm_status status = file ? lm_hub_keys_load(&hub->dir, &hub->keys, &err) : LM_ERR_INVALID;
    bool mine = false;

    if (status == LM_OK) {
        status = lm_datadir_lock(&hub->dir, "hub.lock", &err);
        mine = status == LM_OK;
        if (status == LM_ERR_BUSY) {
            memset(&err, 0, sizeof err);
            status = LM_OK;
        }
    }
    if (status == LM_OK && mine) {
        note_what_is_shut(hub, now_ms);
    }
    if (status == LM_OK) {
        status = lm_store_restore_stage(&hub->dir, hub->catalog, hub->keys.hub_id, cli->user, file,
                                        now_ms, &r, &err);
    }
    if (status == LM_OK && !mine) {
        snprintf(path, sizeof path, "%s", file);
        snprintf(position, sizeof position, "%llu", (unsigned long long)r.position);
        snprintf(incarnation, sizeof incarnation, "%llu", (unsigned long long)r.incarnation);
        snprintf(kits, sizeof kits, "%zu", r.kits_void);
        return run_inner(hub, cli, 6, argv);
    }
    if (status == LM_OK) {
        /* What is in the old one's log goes into it, unless it is past opening. */
        struct lm_error old = {0};
        if (lm_store_open(&hub->dir, hub->catalog, LM_STORE_READ, &hub->store, &old) == LM_OK) {
            lm_store_checkpoint(hub->store);
        }
        lm_store_close(&hub->store);
        status = lm_store_restore_adopt(&hub->dir, r.staged, now_ms, aside, &err);
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    lm_hub_restored(cli, file, &r, aside);
    return lm_hub_ran(hub, lm_hub_command_find(cli->argc, cli->argv), cli, LM_EXIT_OK);
}

static int run_enrol(struct lm_hub *hub, const struct lm_hub_command *command, struct lm_cli *cli)
{
    struct lm_error err = {0};
    const char *path = NULL;
    static char dash[] = "-";
    for (int i = 1; i < cli->argc; i++) {
        if (strcmp(cli->argv[i], "--out") == 0 && i + 1 < cli->argc) {
            path = cli->argv[i + 1];
            cli->argv[i + 1] = dash;
        } else if (strncmp(cli->argv[i], "--out=", 6) == 0) {
            path = cli->argv[i] + 6;
            static char out_dash[] = "--out=-";
            cli->argv[i] = out_dash;
        }
    }
    if (!path) {
        (void)lm_fail(&err, LM_ERR_INVALID, "usage", "", "缺少 --out KIT", "--out KIT is missing");
        return lm_hub_fail(cli, &err);
    }
    if (strcmp(path, "-") == 0) {
        return run_write(hub, command, cli);
    }
    if (access(path, F_OK) == 0) {
        (void)lm_fail(&err, LM_ERR_EXISTS, "file_exists", "", "文件 %s 已存在,不覆盖",
                      "%s is there already and is not overwritten", path);
        return lm_hub_fail(cli, &err);
    }
    cli->out = tmpfile();
    if (!cli->out) {
        cli->out = stdout;
        (void)lm_fail(&err, LM_ERR_IO, "io_error", "", "无法建立临时文件:%s",
                      "cannot make a temporary file: %s", strerror(errno));
        return lm_hub_fail(cli, &err);
    }
    int code = run_write(hub, command, cli);
    if (code == LM_EXIT_OK) {
        code = write_kit(cli, path, cli->out, &err);
    }
    fclose(cli->out);
    cli->out = stdout;
    return code;
}

static int run(struct lm_hub *hub, const struct lm_hub_command *command, struct lm_cli *cli)
{
    struct lm_error err = {0};
    enum lm_status status = lm_catalog_load_embedded(&hub->catalog, &err);
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    if (command->needs == LM_NEEDS_NOTHING) {
        int code = command->run(hub, cli);
        return code == LM_EXIT_OK ? lm_hub_ran(hub, command, cli, code) : code; /* else no log */
    }
    status = lm_datadir_open(cli->data, true, &hub->dir, &err);
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    switch (command->needs) {
    case LM_NEEDS_READ:
        status = hub_open(hub, cli, LM_STORE_READ, &err);
        return status == LM_OK ? lm_hub_run(hub, command, cli) : lm_hub_fail(cli, &err);
    case LM_NEEDS_SERVE:
        keep_memory();
        lm_db_reserve_pages(SERVER_CACHE_PAGES, LM_STORE_PAGE_BYTES);
        if ((status = lock_or_server(hub, &err)) != LM_OK ||
            (status = hub_open(hub, cli, LM_STORE_WRITE, &err)) != LM_OK) {
            return lm_hub_fail(cli, &err);
        }
        return command->run(hub, cli);
    case LM_NEEDS_WRITE:
    case LM_NEEDS_WRITE_ANYWAY:
        if (is_bundle(command)) {
            return lm_hub_bundle_files(hub, command, cli, run_write);
        }
        return strcmp(command->name, "enrol") == 0 ? run_enrol(hub, command, cli)
                                                   : run_write(hub, command, cli);
    case LM_NEEDS_COPY:
        return strcmp(command->name, "backup") == 0 ? run_backup(hub, cli) : run_restore(hub, cli);
    case LM_NEEDS_NOTHING:
        break;
    }
    return LM_EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct lm_hub hub = {.dir = {.lock_fd = -1}};
    struct lm_cli cli;
    struct lm_error err = {0};
    if (sodium_init() < 0) {
        fprintf(stderr, "lastmile-hub: libsodium does not start\n");
        return LM_EXIT_FAILED;
    }
    enum lm_status status = lm_cli_parse(argc > 0 ? argc - 1 : 0, argv + 1, &cli, &err);
    cli.in = stdin;
    cli.out = stdout;
    cli.err = stderr;
    if (status != LM_OK) {
        cli.argc = 0;
        return lm_hub_fail(&cli, &err);
    }
    if (wants(&cli, "--help") || wants(&cli, "-h")) {
        help(&cli);
        return LM_EXIT_OK;
    }
    if (wants(&cli, "--version")) {
        printf(cli.json ? "{\"program\": \"lastmile-hub\", \"version\": \"%s\"}\n"
                        : "lastmile-hub %s\n",
               LM_PROGRAM_VERSION);
        return LM_EXIT_OK;
    }
    const struct lm_hub_command *command = lm_hub_command_find(cli.argc, cli.argv);
    if (!command) {
        fprintf(stderr,
                cli.argc > 0 ? "lastmile-hub: 没有这个命令 / no such command: %s\n"
                             : "lastmile-hub: 缺少命令 / no command%s\n",
                cli.argc > 0 ? cli.argv[0] : "");
        fprintf(stderr, "lastmile-hub --help 列出全部命令 / lists the commands\n");
        return LM_EXIT_USAGE;
    }
    if (command->reads_input && !is_bundle(command) &&
        (status = open_input(command, &cli, &err)) != LM_OK) {
        return lm_hub_fail(&cli, &err);
    }
    int code = run(&hub, command, &cli);
    if (fflush(stdout) != 0 && code == LM_EXIT_OK) {
        fprintf(stderr, "lastmile-hub: 输出写不出去 / cannot write the output: %s\n",
                strerror(errno));
        code = LM_EXIT_FAILED;
    }
    lm_store_close(&hub.store);
    lm_datadir_close(&hub.dir);
    lm_catalog_destroy(&hub.catalog);
    sodium_memzero(&hub.keys, sizeof hub.keys);
    return code;
}
