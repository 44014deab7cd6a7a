/* add: NDJSON in, one line a record. Saved here and now; the link sends it when there is one. */
#include "common/control.h"
#include "node/program.h"
#include "node/save.h"

#include <errno.h>
#include <string.h>

#define BATCH_LINES 100
#define POKE_TIMEOUT_S 2

/* Tells a running server at once; without one, or when it is busy, it sees the outbox by itself
 * within half a second. */
static void poke(const struct lm_node *node)
{
    char changed[] = "changed", *argv[] = {changed};
    struct lm_error ignored;
    FILE *nowhere = fopen("/dev/null", "w");
    int code;

    if (nowhere) {
        (void)!lm_control_call_to(node->dir.path, 1, argv, NULL, POKE_TIMEOUT_S, nowhere, nowhere,
                                  &code, &ignored);
        (void)fclose(nowhere);
    }
}

int lm_node_cmd_add(struct lm_node *node, struct lm_cli *cli)
{
    const char *positional[1];
    size_t n = 0;
    struct lm_error err = {0};
    struct lm_node_saver saver;
    const struct lm_entry_sink sink = {
        .ctx = &saver, .save = lm_node_save, .flush = lm_node_saver_flush, .batch = BATCH_LINES};
    FILE *file = NULL;
    int code;
    enum lm_status st = lm_cli_options(cli, NULL, 0, positional, 1, &n, &err);

    if (st == LM_OK) {
        st = lm_node_check_user(cli, &err);
    }
    if (st == LM_OK && n == 1 && strcmp(positional[0], "-") != 0) {
        file = fopen(positional[0], "rbe");
        if (!file) {
            st = lm_fail(&err, LM_ERR_IO, "no_file", "", "打不开文件 %s：%s", "Cannot open %s: %s",
                         positional[0], strerror(errno));
        } else {
            cli->in = file;
        }
    }
    if (st != LM_OK) {
        return lm_node_fail(cli, &err);
    }
    lm_node_saver_init(&saver, node->store, node->dir.path, cli->user);
    code = lm_entry_run(cli, LM_NODE_NAME, &sink);
    if (saver.saved) {
        poke(node);
    }
    lm_node_saver_free(&saver);
    if (file) {
        (void)fclose(file);
    }
    return code;
}
