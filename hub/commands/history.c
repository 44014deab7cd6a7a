/* backup, restore and incarnation: what a technician does about the hub's own history. The copies
 * themselves are made by main.c, by who asked and where files are named from; what is to be noted
 * in the database or put in its place runs where the lock is held. */
#include "common/base/log.h"
#include "common/base/util.h"
#include "hub/program.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum lm_status lm_hub_backup(const struct lm_hub *hub, const char *file,
                             struct lm_backup_words *out, struct lm_error *err)
{
    static char noted[] = "backup-noted";
    struct lm_store *store = NULL;
    enum lm_status status;

    memset(out, 0, sizeof *out);
    status = lm_store_open(&hub->dir, hub->catalog, LM_STORE_READ, &store, err);
    if (status == LM_OK) {
        status = lm_store_backup(store, file, &out->made, err);
    }
    lm_store_close(&store);
    (void)snprintf(out->file, sizeof out->file, "%s", file);
    (void)snprintf(out->position, sizeof out->position, "%" PRIu64, out->made.head.position);
    (void)snprintf(out->bytes, sizeof out->bytes, "%" PRIu64, out->made.bytes);
    lm_hex_encode(out->made.head.hash, LM_HASH_BYTES, out->hash);
    out->argv[0] = noted;
    out->argv[1] = out->file;
    out->argv[2] = out->position;
    out->argv[3] = out->hash;
    out->argv[4] = out->bytes;
    return status;
}

/* backup-noted FILE POSITION HASH BYTES */
int lm_cmd_backup_noted(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *words[4];
    struct lm_error err = {0};
    struct lm_mark head;
    size_t n = 0;
    int64_t now_ms = lm_clock_wall_ms();
    char at[LM_TIME_TEXT + 8];
    enum lm_status status = lm_hub_options(cli, NULL, 0, words, 4, &n, &err);

    memset(&head, 0, sizeof head);
    if (status == LM_OK && (n != 4 || strlen(words[2]) != 2 * LM_HASH_BYTES ||
                            !lm_hex_decode(words[2], head.hash, LM_HASH_BYTES))) {
        status = lm_fail(&err, LM_ERR_INVALID, "usage", "", "这个命令由 backup 使用",
                         "this command is for backup to use");
    }
    if (status == LM_OK) {
        head.position = strtoull(words[1], NULL, 10);
        status = lm_store_backup_note(hub->store, &head, now_ms, &err);
    }
    if (status == LM_OK && lm_store_audit_anchor(hub->store, now_ms, &err) != LM_OK) {
        /* the backup is made and noted; the next one anchors */
        lm_log(LM_LOG_WARN, "backup", "the audit log could not be anchored: %s", err.en);
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    lm_time_format(now_ms, at);
    if (cli->json) {
        json_t *doc = json_pack("{s:s,s:s,s:I,s:I}", "backup", words[0], "at", at, "entries",
                                (json_int_t)head.position, "bytes", strtoll(words[3], NULL, 10));
        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        fprintf(cli->out,
                "%s: 备份完成并已校验,流水账 %" PRIu64 " 条 / backed up and checked, %" PRIu64
                " journal entries\n",
                words[0], head.position, head.position);
    }
    return LM_EXIT_OK;
}

void lm_hub_restored(struct lm_cli *cli, const char *file, const struct lm_restored *r,
                     const char *aside)
{
    if (cli->json) {
        json_t *doc = json_pack("{s:s,s:I,s:I,s:I,s:s}", "restored", file, "entries",
                                (json_int_t)r->position, "incarnation", (json_int_t)r->incarnation,
                                "kits_void", (json_int_t)r->kits_void, "set_aside", aside);
        lm_json_print(cli->out, doc);
        json_decref(doc);
        return;
    }
    fprintf(
        cli->out,
        "已恢复到 %s(流水账 %" PRIu64 " 条),现为第 %" PRIu64
        " 代;各站下次连接时补报其后的修改。未用的入网文件 %zu 份已作废。原数据库改名为 %s\n"
        "restored to %s (%" PRIu64 " journal entries), incarnation %" PRIu64
        "; stations send again what came later. %zu unused kits are void. The database that was "
        "here is now %s\n"
        "换掉、报废、丢失的旧电脑请先停用(station revoke 区划代码 --replica 编号,编号见 station "
        "list):"
        "不停用的,它写的要等它自己补传,等到以前那个村算没报全\n"
        "revoke PCs that were replaced or are gone (`station revoke CODE --replica N`): what such "
        "a "
        "one wrote waits for it otherwise, and its village counts as incomplete meanwhile\n",
        file, r->position, r->incarnation, r->kits_void, aside[0] ? aside : "-", file, r->position,
        r->incarnation, r->kits_void, aside[0] ? aside : "-");
}

/* The server alone puts a restored database in the place of the one it has open (serve.c). */
int lm_cmd_restore_adopt(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};

    (void)hub;
    (void)lm_fail(&err, LM_ERR_INVALID, "usage", "", "这个命令由 restore 使用",
                  "this command is for restore to use");
    return lm_hub_fail(cli, &err);
}

int lm_cmd_incarnation_raise(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *positional[1];
    struct lm_error err = {0};
    size_t n = 0;
    enum lm_status status = lm_hub_options(cli, NULL, 0, positional, 0, &n, &err);

    if (status == LM_OK) {
        status = lm_store_new_incarnation(hub->store, cli->user, "raised by a person",
                                          lm_clock_wall_ms(), &err);
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    uint64_t counter = lm_store_town(hub->store)->incarnation.counter;
    if (cli->json) {
        json_t *doc = json_pack("{s:I}", "incarnation", (json_int_t)counter);
        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        fprintf(cli->out,
                "现为第 %" PRIu64 " 代,恢复收发;请确认另一台已停用 / incarnation %" PRIu64
                ", taking in again: make sure that the other one stays off\n",
                counter, counter);
    }
    return LM_EXIT_OK;
}
