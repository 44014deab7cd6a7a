/* sync: asks the running server, or runs the link here until everything is sent and fetched. */
#include "common/base/util.h"
#include "node/server.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_AGAIN_MS 200
#define ANSWER_EXTRA_S 10 /* the server answers in its own time after the wait is over */

enum lm_status lm_node_sync_options(struct lm_cli *cli, int *timeout_s, struct lm_error *err)
{
    const char *seconds = NULL, *positional[1];
    const struct lm_cli_option options[] = {{.name = "--timeout", .value = &seconds}};
    size_t n = 0;
    char *end = NULL;
    long s = LM_SYNC_TIMEOUT_S_DEFAULT;
    enum lm_status st = lm_cli_options(cli, options, 1, positional, 0, &n, err);

    if (st == LM_OK && seconds) {
        s = strtol(seconds, &end, 10);
        if (end == seconds || *end || s < 1 || s > LM_SYNC_TIMEOUT_S_MAX) {
            st = lm_node_usage(err, "--timeout 应为 1 至 86400 秒",
                               "--timeout takes 1 to 86400 seconds");
        }
    }
    *timeout_s = (int)s;
    return st;
}

/* The link here, until in step or out of time. */
static enum lm_status run_link(struct lm_node *node, int64_t until_ms, struct lm_error *err)
{
    struct lm_node_key key;
    struct lm_link *link = calloc(1, sizeof *link);
    enum lm_status st = lm_node_key_enrolled(&node->dir, &key, err);

    if (!link) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    if (st == LM_OK) {
        st = lm_link_open(link, node->store, &key, err);
    }
    if (st == LM_OK) {
        lm_link_hurry(link);
        while (link->synced == 0) {
            struct lm_error why = {0};

            lm_link_round(link, NULL, 0, NULL, LM_LINK_POLL_MS);
            if (link->synced == 0 && (lm_link_why(link, &why) || lm_clock_mono_ms() >= until_ms)) {
                *err = why;
                st = LM_ERR_NETWORK;
                break;
            }
        }
    }
    lm_link_close(link);
    free(link);
    lm_node_key_wipe(&key);
    return st;
}

/* LM_ERR_NOT_FOUND: no server to ask. */
static enum lm_status ask_server(struct lm_node *node, struct lm_cli *cli, int timeout_s, int *code,
                                 struct lm_error *err)
{
    char sync[] = "sync", option[] = "--timeout", seconds[16];
    char *argv[] = {sync, option, seconds};

    (void)snprintf(seconds, sizeof seconds, "%d", timeout_s);
    return lm_control_call_to(node->dir.path, 3, argv, NULL, timeout_s + ANSWER_EXTRA_S, cli->out,
                              cli->err, code, err);
}

static int done(struct lm_node *node, struct lm_cli *cli)
{
    struct lm_error err = {0};
    struct lm_me me;

    if (lm_nstore_me(node->store, &me, &err) != LM_OK) {
        return lm_node_fail(cli, &err);
    }
    if (cli->json) {
        json_t *doc = json_pack("{s:b,s:I,s:I,s:I}", "synced", 1, "pending",
                                (json_int_t)(me.head.seq - me.acked.seq), "acked",
                                (json_int_t)me.acked.seq, "cursor", (json_int_t)me.cursor.position);

        if (doc) {
            lm_json_print(cli->out, doc);
        }
        json_decref(doc);
    } else {
        fprintf(cli->out, "已同步 / in step: acked %llu, cursor %llu\n",
                (unsigned long long)me.acked.seq, (unsigned long long)me.cursor.position);
    }
    return LM_EXIT_OK;
}

/* Either way: here, or by the server that holds the link. *code: the server's answer. */
static enum lm_status sync_now(struct lm_node *node, struct lm_cli *cli, int timeout_s, int *code,
                               struct lm_error *err)
{
    struct lm_error busy = {0};
    int64_t until_ms = lm_clock_mono_ms() + (int64_t)timeout_s * 1000;

    *code = LM_EXIT_OK;
    for (;;) {
        enum lm_status st = lm_datadir_lock(&node->dir, LM_NODE_LOCK, &busy);

        if (st == LM_OK) {
            return run_link(node, until_ms, err);
        }
        if (st != LM_ERR_BUSY) {
            *err = busy;
            return st;
        }
        st = ask_server(node, cli, timeout_s, code, err);
        if (st == LM_OK) {
            return st;
        }
        /* Another `sync` holds the link, or the server is just starting or ending. */
        if (st != LM_ERR_NOT_FOUND || lm_clock_mono_ms() >= until_ms) {
            *err = st == LM_ERR_NOT_FOUND ? busy : *err;
            return st;
        }
        (void)poll(NULL, 0, LOCK_AGAIN_MS);
    }
}

enum lm_status lm_node_sync_quietly(struct lm_node *node, const struct lm_cli *cli, int timeout_s,
                                    int *code, struct lm_error *err)
{
    struct lm_cli quiet = *cli;
    enum lm_status st;

    quiet.out = fopen("/dev/null", "w");
    if (!quiet.out) {
        return lm_fail(err, LM_ERR_IO, "io", "", "打不开 /dev/null。",
                       "/dev/null cannot be opened.");
    }
    st = sync_now(node, &quiet, timeout_s, code, err);
    (void)fclose(quiet.out);
    return st;
}

int lm_node_cmd_sync(struct lm_node *node, struct lm_cli *cli)
{
    struct lm_error err = {0};
    int timeout_s = 0, code = LM_EXIT_OK;
    enum lm_status st = lm_node_sync_options(cli, &timeout_s, &err);

    if (st == LM_OK) {
        st = sync_now(node, cli, timeout_s, &code, &err);
    }
    if (st != LM_OK) {
        return lm_node_fail(cli, &err);
    }
    return code == LM_EXIT_OK ? done(node, cli) : code;
}
