/* serve: takes the link lock, prints the ready line, runs rounds until told to stop. */
#include "common/base/log.h"
#include "common/base/util.h"
#include "node/api/api.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define IDLE_S_MIN 2
#define IDLE_S_MAX 3600
#define FIGURES_MS 1000
#define TRY_FIRST_MS                                                                               \
    5000 /* an earlier refusal may have been mended: a `sync` tries anew before it believes it */

static int open_signals(struct lm_error *err)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)
                                                 : -1;
    if (fd < 0) {
        (void)lm_fail(err, LM_ERR_INTERNAL, "internal", "", "无法接收信号。",
                      "Signals cannot be received.");
    }
    return fd;
}

static void take_signals(struct lm_node_server *server, int fd)
{
    struct signalfd_siginfo info;

    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
        server->stop = server->stop || info.ssi_signo != SIGHUP;
    }
}

/* ---- the control socket ---- */

static void finish_failed(struct lm_control_request *request, const struct lm_error *why)
{
    struct lm_cli cli = {.out = request->out, .err = request->err};

    lm_control_finish(request, lm_cli_fail(&cli, LM_NODE_NAME, why));
}

static void begin_sync(struct lm_node_server *server, struct lm_control_request *request,
                       struct lm_cli *cli)
{
    struct lm_error err = {0};
    int timeout_s = 0;
    struct lm_node_waiter *w;

    if (lm_node_sync_options(cli, &timeout_s, &err) != LM_OK) {
        finish_failed(request, &err);
        return;
    }
    if (server->n_waiters == LM_NODE_WAITERS_MAX) {
        (void)lm_fail(&err, LM_ERR_BUSY, "busy", "", "等待同步的命令太多。",
                      "Too many commands wait for synchronisation.");
        finish_failed(request, &err);
        return;
    }
    w = &server->waiters[server->n_waiters++];
    *w = (struct lm_node_waiter){.request = request,
                                 .asked_ms = lm_clock_mono_ms(),
                                 .until_ms = lm_clock_mono_ms() + (int64_t)timeout_s * 1000,
                                 .synced = server->link.synced};
    lm_link_hurry(&server->link);
}

/* A whole number of at most max; -1 when it is none. */
static int read_number(const char *text, int max)
{
    char *end = NULL;
    long n = text && text[0] >= '0' && text[0] <= '9' ? strtol(text, &end, 10) : -1;

    return end && !*end && n <= max ? (int)n : -1;
}

/* introduce: the page of all villages of this PC says where it is, and is told how this one is. */
static void be_introduced(struct lm_node_server *server, struct lm_control_request *request,
                          struct lm_cli *cli)
{
    const char *port = NULL, *mark = NULL, *positional[1];
    const struct lm_cli_option options[] = {{.name = "--port", .value = &port},
                                            {.name = "--mark", .value = &mark}};
    struct lm_error err = {0};
    json_t *doc = NULL;
    size_t n = 0;
    enum lm_status st = lm_cli_options(cli, options, 2, positional, 0, &n, &err);
    int p = read_number(port, 65535), m = read_number(mark, LM_VILLAGES_MAX);

    if (st == LM_OK && (p < 0 || m < 0)) {
        st = lm_node_usage(&err, "--port 和 --mark 应为数字", "--port and --mark take numbers");
    }
    if (st == LM_OK) {
        st = lm_api_status_json(server->node->store, &doc, &err);
    }
    if (st != LM_OK) {
        finish_failed(request, &err);
        return;
    }
    atomic_store(&server->front, LM_FRONT(p, m));
    (void)json_object_set_new(doc, "http", json_string(lm_http_address(server->http)));
    lm_json_print(request->out, doc);
    json_decref(doc);
    lm_control_finish(request, LM_EXIT_OK);
}

static void take_request(struct lm_node_server *server, struct lm_control_request *request)
{
    struct lm_error err = {0};
    struct lm_cli cli;

    memset(&cli, 0, sizeof cli);
    cli.in = request->in;
    cli.out = request->out;
    cli.err = request->err;
    if (lm_cli_parse(request->argc, request->argv, &cli, &err) != LM_OK) {
        finish_failed(request, &err);
    } else if (cli.argc > 0 && strcmp(cli.argv[0], "changed") == 0) {
        lm_control_finish(request, LM_EXIT_OK);
        lm_link_poke(&server->link);
    } else if (cli.argc > 0 && strcmp(cli.argv[0], "introduce") == 0) {
        be_introduced(server, request, &cli);
    } else if (cli.argc > 0 && strcmp(cli.argv[0], "sync") == 0) {
        begin_sync(server, request, &cli);
    } else if (cli.argc > 1 && strcmp(cli.argv[0], "bundle") == 0 &&
               strcmp(cli.argv[1], "import") == 0) {
        lm_control_finish(request, lm_node_bundle_import(server->node->store, &server->key, &cli));
        lm_link_restart(&server->link);
    } else if (cli.argc == 2 && strcmp(cli.argv[0], "restore-adopt") == 0) {
        lm_control_finish(request, lm_node_restore_adopt(server->node, cli.argv[1], &cli));
        lm_link_restart(&server->link);
    } else {
        fprintf(request->err, "%s: 服务器不执行这个命令 / the server does not run this command\n",
                LM_NODE_NAME);
        lm_control_finish(request, LM_EXIT_USAGE);
    }
}

/* Answers those whose wait is over. */
static void serve_waiters(struct lm_node_server *server)
{
    size_t kept = 0;

    for (size_t i = 0; i < server->n_waiters; i++) {
        struct lm_node_waiter *w = &server->waiters[i];
        struct lm_error why = {0};
        int64_t now = lm_clock_mono_ms();
        bool hopeless = lm_link_why(&server->link, &why) && now - w->asked_ms >= TRY_FIRST_MS;

        if (server->link.synced > w->synced) {
            lm_control_finish(w->request, LM_EXIT_OK);
        } else if (hopeless || now >= w->until_ms || server->stop) {
            finish_failed(w->request, &why);
        } else {
            server->waiters[kept++] = *w;
        }
    }
    server->n_waiters = kept;
}

/* ---- the loop ---- */

static void serve(struct lm_node_server *server, int signals)
{
    int64_t next_figures = 0;

    while (!server->stop) {
        const int fds[2] = {signals, lm_control_fd(server->control)};
        bool ready[2] = {false, false};
        struct lm_control_request *request;
        int64_t now;

        lm_link_round(&server->link, fds, 2, ready, LM_LINK_POLL_MS);
        take_signals(server, signals);
        while ((request = lm_control_next(server->control)) != NULL) {
            take_request(server, request);
        }
        serve_waiters(server);
        if (atomic_exchange(&server->hurry, false)) {
            lm_link_hurry(&server->link);
        }
        now = lm_clock_mono_ms();
        atomic_store(&server->ticked_mono_ms, now);
        if (now >= next_figures) {
            lm_node_figures_update(server);
            lm_node_tell_pages(server, now);
            next_figures = now + FIGURES_MS;
        }
    }
}

/* After how long without anybody the page locks itself. */
static enum lm_status read_idle(const char *text, int64_t *out_ms, struct lm_error *err)
{
    char *end = NULL;
    long s = text ? strtol(text, &end, 10) : LM_API_IDLE_MS / 1000;

    if (text && (end == text || *end || s < IDLE_S_MIN || s > IDLE_S_MAX)) {
        return lm_node_usage(err, "--idle 应为 2 至 3600 秒", "--idle takes 2 to 3600 seconds");
    }
    *out_ms = (int64_t)s * 1000;
    return LM_OK;
}

int lm_node_cmd_serve(struct lm_node *node, struct lm_cli *cli)
{
    const char *http = "127.0.0.1:5801", *positional[1];
    const char *sticks = NULL, *idle = NULL;
    const struct lm_cli_option options[] = {{.name = "--http", .value = &http},
                                            {.name = "--sticks", .value = &sticks},
                                            {.name = "--idle", .value = &idle}};
    struct lm_error err = {0};
    size_t n = 0;
    int signals = -1;
    struct lm_node_server *server = calloc(1, sizeof *server);
    enum lm_status st;

    if (!server) {
        return LM_EXIT_FAILED;
    }
    server->node = node;
    server->started_ms = lm_clock_wall_ms();
    atomic_store(&server->ticked_mono_ms, lm_clock_mono_ms());
    (void)pthread_mutex_init(&server->mutex, NULL);
    st = lm_cli_options(cli, options, 3, positional, 0, &n, &err);
    server->sticks = sticks;
    st = st == LM_OK ? read_idle(idle, &server->idle_ms, &err) : st;
    if (st == LM_OK) {
        st = lm_datadir_lock(&node->dir, LM_NODE_LOCK, &err);
    }
    if (st == LM_OK) {
        lm_nstore_sweep(&node->dir);
        st = lm_node_key_enrolled(&node->dir, &server->key, &err);
    }
    if (st == LM_OK && (signals = open_signals(&err)) < 0) {
        st = LM_ERR_INTERNAL;
    }
    if (st == LM_OK) {
        st = lm_link_open(&server->link, node->store, &server->key, &err);
    }
    if (st == LM_OK) {
        st = lm_control_open(node->dir.path, &server->control, &err);
    }
    if (st == LM_OK) {
        lm_node_figures_update(server);
        st = lm_node_http_start(server, http, &err);
    }
    if (st == LM_OK) {
        fprintf(cli->out, "ready http=%s\n", lm_http_address(server->http));
        (void)fflush(cli->out);
        serve(server, signals);
        serve_waiters(server);
    }
    lm_node_http_stop(server);
    lm_control_close(&server->control);
    lm_link_close(&server->link);
    lm_node_key_wipe(&server->key);
    (void)pthread_mutex_destroy(&server->mutex);
    if (signals >= 0) {
        (void)close(signals);
    }
    free(server);
    return st == LM_OK ? LM_EXIT_OK : lm_node_fail(cli, &err);
}
