/* The villages' processes. Each is this very program with `serve`; it ends when the front does
 * (PR_SET_PDEATHSIG), so that none is left without anybody who would start it again.
 *
 * Who cannot be started is tried again for ever, ever less often: a disk that is full today has
 * room tomorrow. A process that hangs is left alone: it may be at work. */
#include "common/base/log.h"
#include "common/base/util.h"
#include "node/villages/villages.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOREIGN_MS 2000 /* how often to look whether somebody else's `serve` has ended */
#define ARGUMENTS_MAX 12

/* ---- what they say ---- */

static void pass_on(struct lm_village *v)
{
    struct lm_error why;

    v->line[v->line_n] = '\0';
    if (v->line_n > 0) {
        (void)fprintf(stderr, "[%s] %s\n", v->folder, v->line);
        if (lm_village_why(v->line, &why)) {
            pthread_mutex_lock(&v->all->mutex);
            v->why = why;
            pthread_mutex_unlock(&v->all->mutex);
        }
    }
    v->line_n = 0;
}

void lm_keeper_hear(struct lm_village *v)
{
    char data[4096];
    ssize_t n;

    while (v->err_fd >= 0 && (n = read(v->err_fd, data, sizeof data)) != -1) {
        for (ssize_t i = 0; i < n; i++) {
            if (data[i] == '\n' || v->line_n == sizeof v->line - 1) {
                pass_on(v);
            }
            if (data[i] != '\n' && data[i] != '\0') {
                v->line[v->line_n++] = data[i];
            }
        }
        if (n == 0) {
            pass_on(v);
            (void)close(v->err_fd);
            v->err_fd = -1;
        }
    }
}

/* ---- their beginning ---- */

/* Between fork and exec of a process with threads: nothing but system calls. */
static _Noreturn void become(char *const *argv, pid_t parent, int null_fd, int err_fd)
{
    sigset_t none;

    (void)sigemptyset(&none);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent ||
        sigprocmask(SIG_SETMASK, &none, NULL) != 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
        dup2(null_fd, STDOUT_FILENO) < 0 || dup2(err_fd, STDERR_FILENO) < 0) {
        _exit(126);
    }
    (void)execv("/proc/self/exe", argv);
    _exit(127);
}

static pid_t spawn(char *const *argv, int *err_fd_out)
{
    int pipe_fds[2], null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    pid_t pid = -1, parent = getpid();

    *err_fd_out = -1;
    if (null_fd >= 0 && pipe2(pipe_fds, O_CLOEXEC) == 0) {
        pid = fork();
        if (pid == 0) {
            become(argv, parent, null_fd, pipe_fds[1]);
        }
        (void)close(pipe_fds[1]);
        if (pid > 0 && fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK) == 0) {
            *err_fd_out = pipe_fds[0];
        } else {
            (void)close(pipe_fds[0]);
        }
    }
    if (null_fd >= 0) {
        (void)close(null_fd);
    }
    return pid;
}

static void start(struct lm_village *v, int64_t now_ms)
{
    static char program[] = LM_NODE_NAME, serve[] = "serve", data[] = "--data", http[] = "--http",
                sticks[] = "--sticks", idle[] = "--idle";
    struct lm_villages *all = v->all;
    char address[128], sticks_at[PATH_MAX], idle_s[32];
    char *argv[ARGUMENTS_MAX] = {program, serve, data, v->path, http, address};
    int n = 6, err_fd = -1;
    pid_t pid;

    (void)snprintf(address, sizeof address, "%s:%d", all->host,
                   all->fixed ? all->port + v->mark : v->port);
    if (all->sticks) {
        (void)snprintf(sticks_at, sizeof sticks_at, "%s", all->sticks);
        argv[n++] = sticks;
        argv[n++] = sticks_at;
    }
    if (all->idle) {
        (void)snprintf(idle_s, sizeof idle_s, "%s", all->idle);
        argv[n++] = idle;
        argv[n++] = idle_s;
    }
    pid = spawn(argv, &err_fd);
    if (pid < 0) {
        lm_log(LM_LOG_ERROR, "villages", "%s cannot be started: %s", v->folder, strerror(errno));
        v->failures++;
        v->start_at_ms = now_ms + lm_village_again_ms(v->failures);
        return;
    }
    v->err_fd = err_fd;
    v->line_n = 0;
    pthread_mutex_lock(&all->mutex);
    v->pid = pid;
    v->foreign = false;
    v->started_ms = now_ms;
    v->heard_ms = 0;
    memset(&v->why, 0, sizeof v->why);
    pthread_mutex_unlock(&all->mutex);
    lm_log(LM_LOG_INFO, "villages", "%s: process %d", v->folder, (int)pid);
}

/* Whether some process serves it already: started by hand, or by a front that was killed. */
static bool served_by_others(const struct lm_village *v)
{
    struct lm_datadir dir = {.lock_fd = -1};
    struct lm_error ignored;
    enum lm_status st;

    (void)snprintf(dir.path, sizeof dir.path, "%s", v->path);
    st = lm_datadir_lock(&dir, LM_NODE_LOCK, &ignored);
    if (st == LM_OK) {
        lm_datadir_close(&dir);
    }
    return st == LM_ERR_BUSY;
}

static void start_if_due(struct lm_village *v, int64_t now_ms)
{
    bool foreign;

    if (v->pid || v->leaving || now_ms < v->start_at_ms) {
        return;
    }
    foreign = served_by_others(v);
    if (foreign != v->foreign) {
        pthread_mutex_lock(&v->all->mutex);
        v->foreign = foreign;
        v->started_ms = now_ms;
        v->heard_ms = 0;
        pthread_mutex_unlock(&v->all->mutex);
    }
    if (foreign) {
        v->start_at_ms = now_ms + FOREIGN_MS;
    } else {
        start(v, now_ms);
    }
}

/* ---- their end ---- */

static void note_end(struct lm_village *v, int how, int64_t now_ms)
{
    bool killed = WIFSIGNALED(how);

    lm_keeper_hear(v);
    if (v->err_fd >= 0) { /* a child of its own holds it: nothing of it matters any more */
        pass_on(v);
        (void)close(v->err_fd);
        v->err_fd = -1;
    }
    v->failures = now_ms - v->started_ms >= LM_VILLAGE_WELL_MS ? 1 : v->failures + 1;
    v->start_at_ms = now_ms + lm_village_again_ms(v->failures);
    pthread_mutex_lock(&v->all->mutex);
    v->pid = 0;
    v->heard_ms = 0;
    free(v->word);
    v->word = NULL;
    if (killed) { /* what it had said before is not why */
        memset(&v->why, 0, sizeof v->why);
    }
    pthread_mutex_unlock(&v->all->mutex);
    lm_log(LM_LOG_WARN, "villages", "%s ended: %s %d", v->folder, killed ? "signal" : "exit",
           killed ? WTERMSIG(how) : WEXITSTATUS(how));
}

/* Whether it has ended; then it is noted. */
static bool reap(struct lm_village *v, int64_t now_ms)
{
    int how = 0;
    pid_t got = v->pid ? waitpid(v->pid, &how, WNOHANG) : 0;

    if (got > 0 || (got < 0 && errno == ECHILD)) {
        note_end(v, how, now_ms);
        return true;
    }
    return false;
}

void lm_keeper_round(struct lm_villages *all, int64_t now_ms)
{
    for (size_t i = 0; i < all->n; i++) {
        struct lm_village *v = all->at[i];

        (void)reap(v, now_ms);
        if (v->leaving && v->pid) {
            (void)kill(v->pid, SIGTERM);
        }
        if (v->leaving && !v->pid) {
            lm_log(LM_LOG_INFO, "villages", "%s: its folder is gone", v->folder);
            lm_villages_forget(all, v);
            i--;
            continue;
        }
        start_if_due(v, now_ms);
    }
}

void lm_keeper_end(struct lm_villages *all, int64_t wait_ms)
{
    int64_t until_ms = lm_clock_mono_ms() + wait_ms;
    bool forced = false;
    size_t left;

    for (size_t i = 0; i < all->n; i++) {
        if (all->at[i]->pid) {
            (void)kill(all->at[i]->pid, SIGTERM);
        }
    }
    do {
        int64_t now = lm_clock_mono_ms();
        struct pollfd fds[LM_VILLAGES_MAX];
        nfds_t n = 0;

        left = 0;
        for (size_t i = 0; i < all->n; i++) {
            struct lm_village *v = all->at[i];

            if (!v->pid || reap(v, now)) {
                continue;
            }
            left++;
            lm_keeper_hear(v);
            fds[n++] = (struct pollfd){.fd = v->err_fd, .events = POLLIN};
            if (now >= until_ms && !forced) {
                lm_log(LM_LOG_WARN, "villages", "%s does not end: killed", v->folder);
                (void)kill(v->pid, SIGKILL);
            }
        }
        forced = forced || now >= until_ms;
        if (left) {
            (void)poll(fds, n, 50);
        }
    } while (left);
}
