/* lastmile-hub's commands: what each gets and where it runs.
 *
 * A command that writes runs under the lock "hub.lock": in its own process when no server runs,
 * otherwise inside the server, which executes it on its writer thread (common/control.h). A command
 * that only reads opens its own read-only store. So a command never touches stdin, stdout, exit()
 * or files named by the caller: main.c prepares those. */
#ifndef LM_HUB_PROGRAM_H
#define LM_HUB_PROGRAM_H

#include "common/cli.h"
#include "hub/keys.h"
#include "hub/store.h"

#include <limits.h>

#define LM_HUB_NAME "lastmile-hub"

struct lm_hub {
    struct lm_datadir dir;
    struct lm_catalog *catalog; /* the program's own; what is in force: lm_store_catalog() */
    struct lm_hub_keys keys;    /* loaded for commands that write and for serve */
    struct lm_store *store;     /* NULL for init */
    bool catalog_changed;       /* set by an import: the server tells every session */
    bool keys_changed;          /* set by `key …`: every session is to hear of it */
    bool keys_switched;         /* set by `key switch`: the sync port goes over to another key */
    bool registry_changed; /* set by commands that add, enrol or revoke: the server reloads what ZAP
                              lets in */
};

/* WRITE_ANYWAY: also while the hub is read-only. COPY: main.c makes or reads the copy, for its file
 * is named by the caller. */
enum lm_hub_needs {
    LM_NEEDS_NOTHING,
    LM_NEEDS_READ,
    LM_NEEDS_WRITE,
    LM_NEEDS_WRITE_ANYWAY,
    LM_NEEDS_SERVE,
    LM_NEEDS_COPY
};
struct lm_hub_command {
    const char *name;
    enum lm_hub_needs needs;
    bool reads_input;  /* its (last) positional argument FILE or "-" becomes cli->in */
    const char *usage; /* "station add CODE12 NAME [--level village|town] [--office NAME]" */
    const char *does;  /* one line, English; NULL: for the program itself, not shown */
    int (*run)(struct lm_hub *hub, struct lm_cli *cli);
};
/* The command that argv (its first one or two words) names, or NULL. The two-word ones come first
 * in the table. */
const struct lm_hub_command *lm_hub_command_find(int argc, char **argv);
extern const struct lm_hub_command lm_hub_commands[];
extern const size_t lm_hub_n_commands;

/* Runs it with its row in the audit log (command_log.c); returns the exit code. A command that
 * cannot be logged is not run. */
int lm_hub_run(struct lm_hub *hub, const struct lm_hub_command *command, struct lm_cli *cli);
/* The row alone, of a command that has ended with this exit code, which it returns; a failure to
 * write it is a failure. A slip in its words (LM_EXIT_USAGE) has no row. */
int lm_hub_ran(struct lm_hub *hub, const struct lm_hub_command *command, struct lm_cli *cli,
               int code);
enum lm_status lm_hub_log(const struct lm_hub *hub, const struct lm_hub_command *command,
                          const struct lm_cli *cli, const char *outcome,
                          struct lm_error *err) LM_MUST_USE;

/* lm_cli_options behind the command's own words, so that positional[0] is what follows "station
 * add". */
enum lm_status lm_hub_options(struct lm_cli *cli, const struct lm_cli_option *options,
                              size_t n_options, const char **positional, size_t max_positional,
                              size_t *n_positional, struct lm_error *err) LM_MUST_USE;
/* LM_OK also for NULL. A code that nobody registered is a slip, not an empty list. */
enum lm_status lm_hub_known_station(const struct lm_hub *hub, const char *code,
                                    struct lm_error *err) LM_MUST_USE;
/* Prints err and the command's usage when it is a usage error; returns the exit code. */
int lm_hub_fail(struct lm_cli *cli, const struct lm_error *err);

/* An lm_row_visit that prints; arg: the struct lm_cli. False when the output takes no more. */
bool lm_hub_row(void *arg, const json_t *row);
/* The end of a command that prints rows; returns the exit code. */
int lm_hub_rows_end(struct lm_cli *cli, enum lm_status status, const struct lm_error *err);
/* A whole command without words of its own that prints the rows of one list of the store. */
int lm_hub_list(struct lm_hub *hub, struct lm_cli *cli,
                enum lm_status (*list)(struct lm_store *store, lm_row_visit visit, void *arg,
                                       struct lm_error *err));

/* ENROLLED for a replica, with its certificate (enrolment.c). */
enum lm_status lm_hub_enrolled_pack(struct lm_hub *hub, const struct lm_replica *row,
                                    struct lm_buf *body) LM_MUST_USE;

int lm_cmd_init(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_serve(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_station_add(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_station_import(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_station_list(struct lm_hub *hub, struct lm_cli *cli);
json_t *lm_alarm_json(const struct lm_alarm *alarm); /* for station list and status; or NULL */
int lm_cmd_station_settle(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_station_merge(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_station_revoke(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_enrol(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_key(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_key_next(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_key_withdraw(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_key_switch(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_key_accept(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_key_forget(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_add(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_approve(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_send_back(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_count(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_summary(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_records(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_history(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_returned(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_held(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_held_release(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_held_refuse(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_conflicts(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_conflicts_resolve(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_catalog_show(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_catalog_list(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_catalog_check(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_catalog_import(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_catalog_export(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_transfers(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_transfers_confirm(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_duplicates(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_duplicates_merge(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_duplicates_unmerge(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_duplicates_dismiss(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_verify(struct lm_hub *hub, struct lm_cli *cli);
/* history.c. A backup as the command and the page make it: a checked copy through a reader of its
 * own, beside whatever runs. out->argv then goes to who holds the lock: the command that notes it.
 */
struct lm_backup_words {
    struct lm_backup made;
    char file[PATH_MAX], position[24], hash[2 * LM_HASH_BYTES + 1], bytes[24];
    char *argv[5];
};
enum lm_status lm_hub_backup(const struct lm_hub *hub, const char *file,
                             struct lm_backup_words *out, struct lm_error *err) LM_MUST_USE;
int lm_cmd_backup_noted(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_restore_adopt(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_incarnation_raise(struct lm_hub *hub, struct lm_cli *cli);
/* Tells what a restore did. */
void lm_hub_restored(struct lm_cli *cli, const char *file, const struct lm_restored *restored,
                     const char *aside);
int lm_cmd_status(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_bundle_import(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_bundle_salvage(struct lm_hub *hub, struct lm_cli *cli);
/* NUMBER or --all (*id 0) of a command that decides on what waits (commands/recovered.c). */
enum lm_status lm_hub_choice(struct lm_cli *cli, int64_t *id, struct lm_error *err);
int lm_cmd_recovered(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_recovered_accept(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_recovered_dismiss(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_salvaged(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_salvaged_accept(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_salvaged_dismiss(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_token_add(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_token_list(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_token_revoke(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_account_list(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_account_add(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_account_reset(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_account_replace(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_account_disable(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_account_enable(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_user_add(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_user_list(struct lm_hub *hub, struct lm_cli *cli);
int lm_cmd_user_disable(struct lm_hub *hub, struct lm_cli *cli);

/* catalog_dir.c: a directory of JSON files → its packed form into out, which is rewound; and back
 * into a directory that is made. For main.c and commands that run in their own process. */
enum lm_status lm_hub_catalog_pack_dir(const char *dir, FILE *out,
                                       struct lm_error *err) LM_MUST_USE;
enum lm_status lm_hub_catalog_write_dir(const char *dir, const uint8_t *packed, size_t n,
                                        struct lm_error *err) LM_MUST_USE;

#endif
