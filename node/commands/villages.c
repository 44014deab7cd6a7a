/* villages: runs every village of a folder in a process of its own, and the page that lists them.
 */
#include "node/villages/villages.h"
#include "common/base/util.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define LOOK_MS 2000 /* how soon a village that was enrolled meanwhile appears */
#define ROUND_MS 250 /* how soon one is started that is due */
#define END_MS 20000 /* for a village to end by itself */

static int open_signals(struct lm_error *err)
{
    sigset_t set;
    int fd;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGCHLD);
    fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)
                                                 : -1;
    if (fd < 0) {
        (void)lm_fail(err, LM_ERR_INTERNAL, "internal", "", "无法接收信号。",
                      "Signals cannot be received.");
    }
    return fd;
}

/* Whether one of them asks to end. */
static bool take_signals(int fd)
{
    struct signalfd_siginfo info;
    bool end = false;

    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
        end = end || info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT;
    }
    return end;
}

static enum lm_status serve(struct lm_villages *all, int signals, struct lm_error *err)
{
    int64_t look_at_ms = 0;
    enum lm_status st = LM_OK;

    for (;;) {
        struct pollfd fds[LM_VILLAGES_MAX + 1] = {{.fd = signals, .events = POLLIN}};
        nfds_t n = 1;
        int64_t now = lm_clock_mono_ms();

        if (now >= look_at_ms) {
            st = lm_villages_look(all, err);
            if (st != LM_OK) {
                return st;
            }
            look_at_ms = now + LOOK_MS;
        }
        lm_keeper_round(all, now);
        for (size_t i = 0; i < all->n; i++) {
            fds[n++] = (struct pollfd){.fd = all->at[i]->err_fd, .events = POLLIN};
        }
        (void)poll(fds, n, ROUND_MS);
        if (take_signals(signals)) {
            return LM_OK;
        }
        for (size_t i = 0; i < all->n; i++) {
            lm_keeper_hear(all->at[i]);
        }
    }
}

/* FOLDER holds the villages' data directories; it is none itself. It is made: a PC that starts this
 * at power-on may have no village yet. */
static enum lm_status open_folder(struct lm_villages *all, const char *path, struct lm_error *err)
{
    struct lm_node_key key;
    struct lm_error ignored;
    char full[PATH_MAX];
    enum lm_status st = lm_datadir_open(path, false, &all->folder, err);

    if (st == LM_OK && realpath(all->folder.path, full) && strlen(full) < sizeof full - 512) {
        (void)snprintf(all->folder.path, sizeof all->folder.path, "%s", full);
    }
    if (st == LM_OK && lm_node_key_load(&all->folder, &key, &ignored) != LM_ERR_NOT_FOUND) {
        lm_node_key_wipe(&key);
        return lm_fail(
            err, LM_ERR_INVALID, "is_a_village", "",
            "%s 是一个村的数据目录。请新建一个文件夹，把各村的数据目录放进去，再用 --data "
            "指定那个文件夹；只有一个村时用 lastmile-node serve。",
            "%s is the data directory of one village. Make a folder, move the villages' data "
            "directories into it, and name that folder with --data; for one village alone use "
            "lastmile-node serve.",
            all->folder.path);
    }
    return st == LM_OK ? lm_datadir_lock(&all->folder, LM_VILLAGES_LOCK, err) : st;
}

static enum lm_status open_mutex(struct lm_villages *all, struct lm_error *err)
{
    pthread_condattr_t attr;

    if (pthread_mutex_init(&all->mutex, NULL) != 0 || pthread_condattr_init(&attr) != 0 ||
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) != 0 ||
        pthread_cond_init(&all->wake, &attr) != 0) {
        return lm_fail(err, LM_ERR_INTERNAL, "internal", "", "系统资源不足。",
                       "The system lacks resources.");
    }
    (void)pthread_condattr_destroy(&attr);
    return LM_OK;
}

int lm_node_cmd_villages(struct lm_node *node, struct lm_cli *cli)
{
    const char *http = "127.0.0.1:5801", *positional[1];
    struct lm_error err = {0};
    size_t n = 0;
    int signals = -1;
    struct lm_villages *all = calloc(1, sizeof *all);
    enum lm_status st;

    (void)node;
    if (!all) {
        return LM_EXIT_FAILED;
    }
    all->folder.lock_fd = -1;
    {
        const struct lm_cli_option options[] = {{.name = "--http", .value = &http},
                                                {.name = "--sticks", .value = &all->sticks},
                                                {.name = "--idle", .value = &all->idle}};

        st = lm_cli_options(cli, options, 3, positional, 0, &n, &err);
    }
    if (st == LM_OK) {
        st = open_mutex(all, &err);
    }
    if (st == LM_OK) {
        st = open_folder(all, cli->data, &err);
    }
    if (st == LM_OK && (signals = open_signals(&err)) < 0) {
        st = LM_ERR_INTERNAL;
    }
    if (st == LM_OK) {
        st = lm_villages_look(all, &err);
    }
    if (st == LM_OK) {
        st = lm_front_start(all, http, &err);
    }
    if (st == LM_OK) {
        fprintf(cli->out, "ready http=%s villages=%zu\n", lm_http_address(all->http), all->n);
        (void)fflush(cli->out);
        st = serve(all, signals, &err);
    }
    lm_keeper_end(all, END_MS);
    lm_http_stop(&all->http);
    while (all->n > 0) {
        lm_villages_forget(all, all->at[0]);
    }
    lm_datadir_close(&all->folder);
    if (signals >= 0) {
        (void)close(signals);
    }
    free(all);
    return st == LM_OK ? LM_EXIT_OK : lm_node_fail(cli, &err);
}
