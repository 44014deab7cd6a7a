/* The table of lastmile-hub's commands. */
#include "hub/program.h"

#include <string.h>

const struct lm_hub_command lm_hub_commands[] = {
    {"init", LM_NEEDS_NOTHING, false,
     "init --town NAME --code CODE12 [--admin NAME] [--admin-password-file FILE]",
     "makes the data directory: database, keys, first account", lm_cmd_init},
    {"serve", LM_NEEDS_SERVE, false,
     "serve [--sync tcp://ADDR:PORT] [--http ADDR:PORT] [--backups DIR]",
     "takes in what stations send and answers them", lm_cmd_serve},
    {"station add", LM_NEEDS_WRITE, false,
     "station add CODE12 NAME [--level village|town] [--office NAME]",
     "registers a station with its area, office and station rows", lm_cmd_station_add},
    {"station import", LM_NEEDS_WRITE, true, "station import FILE.csv|-",
     "registers many; the header line names code,name,level,office", lm_cmd_station_import},
    {"station list", LM_NEEDS_READ, false, "station list", "stations and their replicas",
     lm_cmd_station_list},
    {"station revoke", LM_NEEDS_WRITE, false, "station revoke CODE12 [--replica N]",
     "shuts a station's PCs out, at once", lm_cmd_station_revoke},
    {"station settle", LM_NEEDS_WRITE, false, "station settle CODE12 --note TEXT",
     "a person looked into a station's alarms and possible gap: closed, with who and why",
     lm_cmd_station_settle},
    {"station merge", LM_NEEDS_WRITE, false,
     "station merge CODE12 --into CODE12 --on DATE --reason TEXT [--preview]",
     "villages merged (撤并): what lives on becomes the other's; cannot be undone",
     lm_cmd_station_merge},
    {"enrol", LM_NEEDS_WRITE, false,
     "enrol CODE12 --out KIT [--endpoint tcp://ADDR:PORT] [--expires HOURS]",
     "makes a one-time enrolment kit for a station", lm_cmd_enrol},
    {"key next", LM_NEEDS_WRITE, false, "key next",
     "makes the next key of this hub and announces it to the stations", lm_cmd_key_next},
    {"key withdraw", LM_NEEDS_WRITE, false, "key withdraw", "the next key is not to come into use",
     lm_cmd_key_withdraw},
    {"key switch", LM_NEEDS_WRITE, false, "key switch [--leave-out] [--drop-old]",
     "the next key comes into use, at once; names who has not heard of it, and then wants "
     "--leave-out. --drop-old: the present one was stolen, and opens no USB files any more",
     lm_cmd_key_switch},
    {"key forget", LM_NEEDS_WRITE, false, "key forget [--leave-out]",
     "former keys open no USB files any more; names who has not spoken under the present one, and "
     "then wants --leave-out",
     lm_cmd_key_forget},
    {"key accept", LM_NEEDS_WRITE, false, "key accept",
     "an older hub.key is to be used: a newer one was in force, and is lost", lm_cmd_key_accept},
    {"key", LM_NEEDS_READ, false, "key",
     "the keys of this hub, and which stations have not heard of the next one", lm_cmd_key},
    {"count", LM_NEEDS_READ, false,
     "count [INDICATOR…] [--by village|office|month|category] [--from DATE] [--to DATE] [--station "
     "CODE12]",
     "consolidated counts with their coverage", lm_cmd_count},
    {"summary", LM_NEEDS_READ, false, "summary [--year Y] [--out F.html|F.docx]",
     "the annual work summary (工作总结), since the beginning or of one year", lm_cmd_summary},
    {"records", LM_NEEDS_READ, false, "records TYPE [--station CODE12] [--where FIELD=VALUE]…",
     "current records as NDJSON", lm_cmd_records},
    {"history", LM_NEEDS_READ, false, "history ID", "every change of one record, with its outcome",
     lm_cmd_history},
    {"add", LM_NEEDS_WRITE, true, "add [FILE|-]",
     "records and edits of the town's own or on behalf of a station, NDJSON", lm_cmd_add},
    {"approve", LM_NEEDS_WRITE, false, "approve TYPE [--station CODE12] [--where FIELD=VALUE]…",
     "verifies submitted records in bulk", lm_cmd_approve},
    {"send-back", LM_NEEDS_WRITE, false, "send-back ID --note TEXT",
     "returns a record to its village for correction", lm_cmd_send_back},
    {"returned", LM_NEEDS_READ, false, "returned [--station CODE12]",
     "what was refused or is invalid, with the reason", lm_cmd_returned},
    {"held release", LM_NEEDS_WRITE, false, "held release POSITION",
     "judges a held change although what it waits for is missing", lm_cmd_held_release},
    {"held refuse", LM_NEEDS_WRITE, false,
     "held refuse POSITION --note WHY | --station CODE12 --code CODE "
     "(--note WHY [--through N] | --preview)",
     "says no to a held change, or to all of a station's of one code: their authors read why",
     lm_cmd_held_refuse},
    {"held", LM_NEEDS_READ, false, "held", "changes that wait for something not there yet",
     lm_cmd_held},
    {"conflicts resolve", LM_NEEDS_WRITE, false, "conflicts resolve ID --keep N",
     "keeps one of the values in conflict", lm_cmd_conflicts_resolve},
    {"conflicts", LM_NEEDS_READ, false, "conflicts", "open conflicts and their values",
     lm_cmd_conflicts},
    {"catalog show", LM_NEEDS_READ, false, "catalog show [NUMBER]",
     "record types, fields and code lists in force", lm_cmd_catalog_show},
    {"catalog list", LM_NEEDS_READ, false, "catalog list",
     "every catalogue that was in force, and which the stations have", lm_cmd_catalog_list},
    {"catalog check", LM_NEEDS_READ, true, "catalog check DIR|FILE.lmcat|-",
     "whether a catalogue may follow the one in force; names each breach", lm_cmd_catalog_check},
    {"catalog import", LM_NEEDS_WRITE, true, "catalog import DIR|FILE.lmcat|-",
     "puts a catalogue into force, here and at every station", lm_cmd_catalog_import},
    {"catalog export", LM_NEEDS_READ, false, "catalog export [NUMBER] --out DIR|FILE.lmcat",
     "its files, to be edited", lm_cmd_catalog_export},
    {"transfers list", LM_NEEDS_READ, false, "transfers list",
     "moves between villages that wait: released by the old one or claimed by the new",
     lm_cmd_transfers},
    {"transfers confirm", LM_NEEDS_WRITE, false, "transfers confirm ID [--person ID]",
     "the file goes to the new village; --person says whom a claim means",
     lm_cmd_transfers_confirm},
    {"duplicates list", LM_NEEDS_READ, false, "duplicates list",
     "records that may be the same person or thing twice", lm_cmd_duplicates},
    {"duplicates merge", LM_NEEDS_WRITE, false, "duplicates merge ID --into ID",
     "one person's two files: the first becomes a pointer to the second", lm_cmd_duplicates_merge},
    {"duplicates unmerge", LM_NEEDS_WRITE, false, "duplicates unmerge ID",
     "undoes a merge: the file is as it was before", lm_cmd_duplicates_unmerge},
    {"duplicates dismiss", LM_NEEDS_WRITE, false, "duplicates dismiss ID ID",
     "the two are different: not shown as a possible double again", lm_cmd_duplicates_dismiss},
    {"verify", LM_NEEDS_READ, false, "verify",
     "recomputes chains, master and feed from the journal and compares", lm_cmd_verify},
    {"backup", LM_NEEDS_COPY, false, "backup FILE",
     "a checked copy of the database, made while the hub works", NULL},
    {"backup-noted", LM_NEEDS_WRITE_ANYWAY, false, "backup-noted FILE POSITION HASH BYTES", NULL,
     lm_cmd_backup_noted},
    {"restore", LM_NEEDS_COPY, false, "restore FILE",
     "goes back to a backup; the database that is here is set aside", NULL},
    {"restore-adopt", LM_NEEDS_WRITE_ANYWAY, false,
     "restore-adopt FILE STAGED POSITION INCARNATION KITS", NULL, lm_cmd_restore_adopt},
    {"incarnation raise", LM_NEEDS_WRITE_ANYWAY, false, "incarnation raise",
     "this hub is the one that stays: ends being read-only after another was seen",
     lm_cmd_incarnation_raise},
    {"status", LM_NEEDS_READ, false, "status", "stations, lag, returned, conflicts, journal",
     lm_cmd_status},
    {"bundle import", LM_NEEDS_WRITE, true, "bundle import FILE… [--reply FILE|FOLDER]",
     "takes in what a USB stick brought, enrolment requests too, and writes the replies",
     lm_cmd_bundle_import},
    {"bundle salvage", LM_NEEDS_WRITE, true, "bundle salvage FILE…",
     "puts what a revoked PC had not sent into review; nothing is applied", lm_cmd_bundle_salvage},
    {"recovered accept", LM_NEEDS_WRITE, false, "recovered accept NUMBER|--all",
     "takes over what stations gave back after a restore", lm_cmd_recovered_accept},
    {"recovered dismiss", LM_NEEDS_WRITE, false, "recovered dismiss NUMBER|--all",
     "drops what stations gave back", lm_cmd_recovered_dismiss},
    {"recovered list", LM_NEEDS_READ, false, "recovered list",
     "what stations gave back after a restore and a person must confirm", lm_cmd_recovered},
    {"recovered", LM_NEEDS_READ, false, "recovered", "the same", lm_cmd_recovered},
    {"salvaged accept", LM_NEEDS_WRITE, false, "salvaged accept NUMBER|--all",
     "takes over what was salvaged, as its author's change", lm_cmd_salvaged_accept},
    {"salvaged dismiss", LM_NEEDS_WRITE, false, "salvaged dismiss NUMBER|--all",
     "drops what was salvaged", lm_cmd_salvaged_dismiss},
    {"salvaged", LM_NEEDS_READ, false, "salvaged",
     "changes of revoked PCs that wait for a decision", lm_cmd_salvaged},
    {"token add", LM_NEEDS_WRITE, false, "token add NAME",
     "an address from which Excel or WPS refreshes figures; printed once", lm_cmd_token_add},
    {"token list", LM_NEEDS_READ, false, "token list", "those addresses, by name",
     lm_cmd_token_list},
    {"token revoke", LM_NEEDS_WRITE, false, "token revoke NAME", "the address ends",
     lm_cmd_token_revoke},
    {"account list", LM_NEEDS_READ, false, "account list [CODE12]",
     "accounts of the stations, valid at their PCs without a network", lm_cmd_account_list},
    {"account add", LM_NEEDS_WRITE, true,
     "account add CODE12 NAME [--shown TEXT] [--role secretary|admin] [-]",
     "makes an account of a station; - reads the first password from stdin, else one is made and "
     "printed once",
     lm_cmd_account_add},
    {"account reset", LM_NEEDS_WRITE, true, "account reset CODE12 NAME [-]",
     "gives it a new first password", lm_cmd_account_reset},
    {"account replace", LM_NEEDS_WRITE, true, "account replace CODE12 OLD NEW [--shown TEXT] [-]",
     "a new secretary takes over: OLD is disabled, its unfinished forms go to NEW",
     lm_cmd_account_replace},
    {"account disable", LM_NEEDS_WRITE, false, "account disable CODE12 NAME",
     "shuts it, at each PC with its next exchange", lm_cmd_account_disable},
    {"account enable", LM_NEEDS_WRITE, false, "account enable CODE12 NAME", "opens it again",
     lm_cmd_account_enable},
    {"user add", LM_NEEDS_WRITE, true,
     "user add NAME --role clerk|leader|admin|security|auditor [PASSWORD-FILE|-]",
     "makes an account; without a file a password is made and printed once", lm_cmd_user_add},
    {"user list", LM_NEEDS_READ, false, "user list", "accounts", lm_cmd_user_list},
    {"user disable", LM_NEEDS_WRITE, false, "user disable NAME", "shuts an account",
     lm_cmd_user_disable},
};
const size_t lm_hub_n_commands = sizeof lm_hub_commands / sizeof *lm_hub_commands;

const struct lm_hub_command *lm_hub_command_find(int argc, char **argv)
{
    char two[64] = "";
    if (argc < 1) {
        return NULL;
    }
    if (argc >= 2 && strlen(argv[0]) + strlen(argv[1]) + 2 < sizeof two) {
        snprintf(two, sizeof two, "%s %s", argv[0], argv[1]);
    }
    for (size_t i = 0; i < lm_hub_n_commands; i++) {
        const char *name = lm_hub_commands[i].name;
        if (strcmp(name, two) == 0 || strcmp(name, argv[0]) == 0) {
            return &lm_hub_commands[i];
        }
    }
    return NULL;
}

enum lm_status lm_hub_options(struct lm_cli *cli, const struct lm_cli_option *options,
                              size_t n_options, const char **positional, size_t max_positional,
                              size_t *n_positional, struct lm_error *err)
{
    const struct lm_hub_command *command = lm_hub_command_find(cli->argc, cli->argv);
    struct lm_cli rest = *cli;
    if (command && strchr(command->name, ' ')) {
        rest.argc--;
        rest.argv++;
    }
    return lm_cli_options(&rest, options, n_options, positional, max_positional, n_positional, err);
}

enum lm_status lm_hub_known_station(const struct lm_hub *hub, const char *code,
                                    struct lm_error *err)
{
    struct lm_station station;
    enum lm_status status = code ? lm_store_station_get(hub->store, code, &station) : LM_OK;
    if (status == LM_ERR_NOT_FOUND) {
        return lm_fail(err, LM_ERR_INVALID, "unknown_station", "station", "没有登记服务站 %.40s",
                       "no station %.40s is registered", code);
    }
    if (status != LM_OK) {
        (void)lm_fail(err, status, lm_status_name(status), "station", "读取服务站失败",
                      "the registry could not be read");
    }
    return status;
}

int lm_hub_fail(struct lm_cli *cli, const struct lm_error *err)
{
    int code = lm_cli_fail(cli, LM_HUB_NAME, err);
    const struct lm_hub_command *command =
        cli->argc > 0 ? lm_hub_command_find(cli->argc, cli->argv) : NULL;
    if (code == LM_EXIT_USAGE && command) {
        fprintf(cli->err, "usage: %s %s\n", LM_HUB_NAME, command->usage);
    }
    return code;
}

bool lm_hub_row(void *arg, const json_t *row)
{
    struct lm_cli *cli = arg;

    lm_cli_row(cli, row);
    return !ferror(cli->out);
}

int lm_hub_rows_end(struct lm_cli *cli, enum lm_status status, const struct lm_error *err)
{
    if (status != LM_OK) {
        return lm_hub_fail(cli, err);
    }
    lm_cli_rows_end(cli);
    return LM_EXIT_OK;
}

int lm_hub_list(struct lm_hub *hub, struct lm_cli *cli,
                enum lm_status (*list)(struct lm_store *store, lm_row_visit visit, void *arg,
                                       struct lm_error *err))
{
    const char *positional[1];
    size_t n = 0;
    struct lm_error err = {0};
    enum lm_status status = lm_hub_options(cli, NULL, 0, positional, 0, &n, &err);

    if (status == LM_OK) {
        status = list(hub->store, lm_hub_row, cli, &err);
    }
    return lm_hub_rows_end(cli, status, &err);
}
