/* lastmile-node's commands: what each gets. They run in their own process: saving needs no server,
 * since every process writes the database under SQLite's lock. Only the link with the hub has one
 * holder (the lock "node.lock"). */
#ifndef LM_NODE_PROGRAM_H
#define LM_NODE_PROGRAM_H

#include "common/cli.h"
#include "node/key.h"
#include "node/store.h"

#define LM_NODE_NAME "lastmile-node"
#define LM_NODE_LOCK "node.lock"

struct lm_node {
    struct lm_datadir dir;
    struct lm_catalog *catalog;
    struct lm_nstore *store; /* for commands that need it */
};

/* KEY: an enrolled data directory, whose database may not open. */
enum lm_node_needs { LM_NODE_NEEDS_NOTHING, LM_NODE_NEEDS_KEY, LM_NODE_NEEDS_STORE };
struct lm_node_command {
    const char *name;
    enum lm_node_needs needs;
    const char *usage; /* "list TYPE [--where FIELD=VALUE]…" */
    const char *does;  /* one line, English */
    int (*run)(struct lm_node *node, struct lm_cli *cli);
};
extern const struct lm_node_command lm_node_commands[];
extern const size_t lm_node_n_commands;
const struct lm_node_command *lm_node_command_find(const char *name); /* or NULL */

/* Prints err and the command's usage when it is a usage error; returns the exit code. */
int lm_node_fail(struct lm_cli *cli, const struct lm_error *err);
/* A usage error: what is wrong, in both languages. */
enum lm_status lm_node_usage(struct lm_error *err, const char *zh, const char *en) LM_MUST_USE;
/* --user: at most LM_USER_CHARS_MAX characters of valid text. */
enum lm_status lm_node_check_user(const struct lm_cli *cli, struct lm_error *err) LM_MUST_USE;

/* The document of `status --json`. New reference, NULL when out of memory. */
json_t *lm_node_status_json(const struct lm_me *me, size_t pending_records, size_t returned,
                            size_t held, size_t conflicts);

int lm_node_cmd_enrol(struct lm_node *node, struct lm_cli *cli);
int lm_node_cmd_serve(struct lm_node *node, struct lm_cli *cli);
int lm_node_cmd_villages(struct lm_node *node, struct lm_cli *cli);
int lm_node_cmd_sync(struct lm_node *node, struct lm_cli *cli);
int lm_node_cmd_add(struct lm_node *node, struct lm_cli *cli);
int lm_node_cmd_get(struct lm_node *node, struct lm_cli *cli);
int lm_node_cmd_list(struct lm_node *node, struct lm_cli *cli);
int lm_node_cmd_history(struct lm_node *node, struct lm_cli *cli);
int lm_node_cmd_returned(struct lm_node *node, struct lm_cli *cli);
int lm_node_cmd_bundle(struct lm_node *node, struct lm_cli *cli);
int lm_node_cmd_backup(struct lm_node *node, struct lm_cli *cli);
int lm_node_cmd_restore(struct lm_node *node, struct lm_cli *cli);
/* The second half of a restore, by who holds the link lock. */
int lm_node_restore_adopt(struct lm_node *node, const char *staged, struct lm_cli *cli);
int lm_node_cmd_status(struct lm_node *node, struct lm_cli *cli);
int lm_node_cmd_user(struct lm_node *node, struct lm_cli *cli);

#endif
