/* backup, restore: this PC's own copy. A restore runs where the link is: in the running server, or
 * here under the link lock. */
#include "common/base/util.h"
#include "common/control.h"
#include "node/server.h"

#include <string.h>

static const char *only_file(struct lm_cli *cli, struct lm_error *err)
{
    const char *file[1] = {NULL};
    size_t n = 0;

    enum lm_status st = lm_cli_options(cli, NULL, 0, file, 1, &n, err);

    if (st == LM_OK && n != 1) {
        st = lm_node_usage(err, "缺少文件名", "FILE is missing");
    }
    return st == LM_OK ? file[0] : NULL;
}

int lm_node_cmd_backup(struct lm_node *node, struct lm_cli *cli)
{
    struct lm_error err = {0};
    const char *file = only_file(cli, &err);
    uint64_t bytes = 0;

    if (!file || lm_nstore_backup(node->store, file, &bytes, &err) != LM_OK) {
        return lm_node_fail(cli, &err);
    }
    /* The backup is there all the same: then the page only reminds of it too early. */
    if (lm_nstore_backed_up(node->store, lm_clock_wall_ms(), &err) != LM_OK) {
        fprintf(cli->err, "%s / %s\n", err.zh, err.en);
    }
    if (cli->json) {
        json_t *doc = json_pack("{s:s,s:I}", "backup", file, "bytes", (json_int_t)bytes);

        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        fprintf(cli->out, "%s: 已备份并核对，%llu KB / backed up and checked\n", file,
                (unsigned long long)(bytes + 1023) / 1024);
    }
    return LM_EXIT_OK;
}

/* The town has to hear of the PC that this one took the place of: it waits for that one else. */
static void print_other_pc(struct lm_cli *cli, const struct lm_restore_done *done)
{
    if (!done->other_pc) {
        return;
    }
    fprintf(
        cli->out,
        "备份来自另一台电脑，其中没上报的改动由本机接着上报 / the backup is of another PC: this "
        "one goes on with what it had not sent\n"
        "那台电脑不再用的，本机同步以后请告诉镇里停用它（lastmile-hub station revoke 区划代码 "
        "--replica %llu）；不停用，镇里会一直等它 / if that PC is used no more tell the town, "
        "once this one has synced, to revoke it (`lastmile-hub station revoke CODE --replica "
        "%llu`): the town waits for it otherwise\n",
        (unsigned long long)done->other_replica, (unsigned long long)done->other_replica);
}

/* What was read out of a damaged database, and what was not. */
static void print_mended(struct lm_cli *cli, const struct lm_restore_done *done)
{
    if (done->aside[0]) {
        fprintf(cli->out,
                "数据库已损坏，原文件改名为 %s，没有动里面的内容 / the database is damaged; "
                "the file is kept as %s\n",
                done->aside, done->aside);
    } else {
        fprintf(cli->out, "数据库文件不见了 / the database file was missing\n");
    }
    fprintf(
        cli->out,
        "已恢复到备份，从损坏的文件里找回备份之后在本机录入的 %llu 条改动 / restored; %llu changes "
        "entered here since the backup were read out of the damaged file\n",
        (unsigned long long)done->repeated, (unsigned long long)done->repeated);
    if (done->lost > 0) {
        fprintf(
            cli->out,
            "有 %llu 条改动找不回来：已报到镇里的会自动再发下来，没报的要重新录入 / %llu changes "
            "could not be read: what the town has comes again by itself, the rest has to be "
            "entered anew\n",
            (unsigned long long)done->lost, (unsigned long long)done->lost);
    }
    print_other_pc(cli, done);
    if (!done->end_known) {
        fprintf(
            cli->out,
            "文件损坏得看不出最后录到哪里：请对照纸质登记，核对最近录入的有没有缺 / how far the "
            "entries went cannot be told any more: compare the latest with your paper notes\n");
    }
}

/* By who holds the link lock. */
int lm_node_restore_adopt(struct lm_node *node, const char *staged, struct lm_cli *cli)
{
    struct lm_restore_done done;
    struct lm_error err = {0};

    if (lm_nstore_restore(node->store, &node->dir, staged, lm_clock_wall_ms(), &done, &err) !=
        LM_OK) {
        if (done.damaged) { /* its file cannot be changed while the programs have it open */
            (void)lm_fail(
                &err, LM_ERR_CORRUPT, "damaged", "",
                "本机数据库已损坏。请先停止 lastmile-node 程序，再运行 lastmile-node restore "
                "备份文件："
                "能读出来的都会保留。",
                "This PC's database is damaged. Stop lastmile-node first, then run `lastmile-node "
                "restore FILE`: what can be read is kept.");
        }
        return lm_cli_fail(cli, LM_NODE_NAME, &err);
    }
    if (cli->json) {
        json_t *doc =
            json_pack("{s:b,s:I,s:b,s:s}", "restored", 1, "repeated", (json_int_t)done.repeated,
                      "other_pc", (int)done.other_pc, "aside", done.aside);

        lm_json_print(cli->out, doc);
        json_decref(doc);
        return LM_EXIT_OK;
    }
    fprintf(
        cli->out,
        "已恢复；备份之后在本机录入的 %llu 条改动都已补上 / restored; %llu changes entered here "
        "since the backup were kept\n原来的数据另存为 %s / what was there is kept as %s\n",
        (unsigned long long)done.repeated, (unsigned long long)done.repeated, done.aside,
        done.aside);
    print_other_pc(cli, &done);
    fprintf(cli->out,
            "联网后会自动与镇里核对 / the rest comes from the town at the next contact\n");
    return LM_EXIT_OK;
}

static int ask_server(struct lm_node *node, struct lm_cli *cli, char *staged,
                      const struct lm_error *busy)
{
    static char command[] = "restore-adopt", json[] = "--json";
    char *argv[] = {command, staged, json};
    struct lm_error err = {0};
    int code = LM_EXIT_FAILED;
    enum lm_status st = lm_control_call_to(node->dir.path, cli->json ? 3 : 2, argv, NULL, 0,
                                           cli->out, cli->err, &code, &err);

    return st == LM_OK ? code : lm_node_fail(cli, st == LM_ERR_NOT_FOUND ? busy : &err);
}

/* Whether the database opens and is whole; *known: what it says of this PC all the same. */
static enum lm_status look(struct lm_node *node, struct lm_me *known, bool *told,
                           struct lm_error *err)
{
    struct lm_error ignored;
    enum lm_status st;

    *told = false;
    if (!lm_nstore_header_is_whole(&node->dir)) {
        return lm_fail(err, LM_ERR_CORRUPT, "corrupt", "", "本机数据库已损坏。",
                       "This PC's database is damaged.");
    }
    st = lm_nstore_open(&node->dir, node->catalog, false, &node->store, err);
    if (st == LM_OK) {
        *told = lm_nstore_me(node->store, known, &ignored) == LM_OK;
        st = lm_nstore_check(node->store, err);
    }
    return st;
}

static int mend(struct lm_node *node, const char *staged, const struct lm_me *known,
                struct lm_cli *cli)
{
    struct lm_restore_done done;
    struct lm_node_key key;
    struct lm_error err = {0};
    enum lm_status st = lm_node_key_enrolled(&node->dir, &key, &err);

    lm_nstore_close(&node->store);
    if (st == LM_OK) {
        st = lm_nstore_mend(&node->dir, node->catalog, staged, key.replica, key.station, known,
                            lm_clock_wall_ms(), &done, &err);
    }
    lm_node_key_wipe(&key);
    if (st != LM_OK) {
        return lm_node_fail(cli, &err);
    }
    if (cli->json) {
        json_t *doc = json_pack("{s:b,s:I,s:b,s:s,s:b,s:I,s:b}", "restored", 1, "repeated",
                                (json_int_t)done.repeated, "other_pc", (int)done.other_pc, "aside",
                                done.aside, "damaged", 1, "lost", (json_int_t)done.lost,
                                "end_known", (int)done.end_known);

        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        print_mended(cli, &done);
    }
    return LM_EXIT_OK;
}

/* With the lock: as it is, or over what is damaged. A newer program's database is not damaged. */
static int restore_here(struct lm_node *node, const char *staged, struct lm_cli *cli)
{
    struct lm_error err = {0};
    struct lm_me known;
    bool told = false;
    enum lm_status st = look(node, &known, &told, &err);

    if (st == LM_OK) {
        return lm_node_restore_adopt(node, staged, cli);
    }
    if (st != LM_ERR_CORRUPT && st != LM_ERR_IO) {
        return lm_node_fail(cli, &err);
    }
    fprintf(cli->err, "%s / %s\n", err.zh, err.en);
    return mend(node, staged, told ? &known : NULL, cli);
}

int lm_node_cmd_restore(struct lm_node *node, struct lm_cli *cli)
{
    struct lm_error err = {0};
    const char *file = only_file(cli, &err);
    char staged[LM_STAGED_NAME];
    int code;
    enum lm_status st;

    if (!file || lm_nstore_stage(&node->dir, file, staged, &err) != LM_OK) {
        return lm_node_fail(cli, &err);
    }
    st = lm_datadir_lock(&node->dir, LM_NODE_LOCK, &err);
    code = st == LM_ERR_BUSY ? ask_server(node, cli, staged, &err)
           : st == LM_OK     ? restore_here(node, staged, cli)
                             : lm_node_fail(cli, &err);
    lm_nstore_unstage(&node->dir, staged);
    return code;
}
