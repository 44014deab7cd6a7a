/* The local socket: commands reach a running server of the same data directory.
 *
 * Server: one thread owns the listening socket and every client. It reads whole requests (bounded,
 * each read at most 30 s apart), hands them over through a queue and an eventfd, and writes the
 * answer once the request was finished. What passes between threads is `mutex`'s: the queue, each
 * request's state, `stopping`. A request belongs to the caller from lm_control_next to
 * lm_control_finish; the control lives on until the last one is finished.
 *
 * Only the owner of the directory gets in: the socket is 0600, and the peer's uid must be ours or
 * root's. */
#include "common/control_internal.h"

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CLIENTS_MAX = 16,
    STALL_MS = 30000, /* between two reads or writes of one client */
};

enum phase {
    PHASE_FREE,
    PHASE_HEAD,   /* reading the JSON line */
    PHASE_INPUT,  /* reading stdin's bytes into a file */
    PHASE_QUEUED, /* with the caller, or waiting for it */
    PHASE_ANSWER, /* writing */
};

struct client {
    struct lm_control_request request;
    struct lm_control *control;
    enum phase phase;
    int fd;
    int64_t deadline_ms;
    struct lm_buf head;
    int64_t input_left;
    char **argv;         /* owned, argc + 1 */
    struct client *next; /* in the queue */
    bool finished;       /* the mutex's */
    int exit_code;
    /* The answer: which part is being written, and how far. */
    int part;
    char chunk[LM_CONTROL_CHUNK_BYTES + LM_CONTROL_ANSWER_HEAD];
    size_t chunk_n, chunk_at;
};

struct lm_control {
    pthread_t thread;
    pthread_mutex_t mutex;
    int listen_fd, dir_fd;
    int ready_fd; /* eventfd, semaphore: one per queued request */
    int wake_fd;  /* eventfd: finished requests, stopping */
    int64_t accept_after_ms;
    bool stopping;
    size_t given; /* requests with the caller */
    bool closed;  /* lm_control_close has gone; the last finish frees */
    struct client *first, *last;
    struct client clients[CLIENTS_MAX];
};

/* ---- clients, on the server's thread ---- */

static void wake(int fd)
{
    uint64_t one = 1;

    (void)!write(fd, &one, sizeof(one));
}

static void free_request(struct client *c)
{
    FILE **files[3] = {&c->request.in, &c->request.out, &c->request.err};

    for (int i = 0; i < 3; i++) {
        if (*files[i]) {
            (void)fclose(*files[i]);
        }
        *files[i] = NULL;
    }
    for (int i = 0; c->argv && c->argv[i]; i++) {
        free(c->argv[i]);
    }
    free(c->argv);
    c->argv = NULL;
    lm_buf_free(&c->head);
}

static void drop_client(struct client *c)
{
    if (c->fd >= 0) {
        (void)close(c->fd);
    }
    c->fd = -1;
    free_request(c);
    c->phase = PHASE_FREE;
}

static void touch(struct client *c)
{
    c->deadline_ms = lm_clock_mono_ms() + STALL_MS;
}

static bool peer_allowed(int fd, unsigned *uid_out)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);
    bool allowed = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 &&
                   (peer.uid == geteuid() || peer.uid == 0);

    *uid_out = allowed ? peer.uid : 0;
    return allowed;
}

static void accept_client(struct lm_control *control)
{
    int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    unsigned uid = 0;

    if (fd < 0) {
        /* Out of descriptors: the connection stays in the backlog and would wake us at once again.
         */
        control->accept_after_ms =
            lm_clock_mono_ms() + (errno == EMFILE || errno == ENFILE ? 1000 : 0);
        return;
    }
    for (size_t i = 0; peer_allowed(fd, &uid) && i < CLIENTS_MAX; i++) {
        struct client *c = &control->clients[i];

        if (c->phase != PHASE_FREE) {
            continue;
        }
        memset(&c->request, 0, sizeof(c->request));
        c->request.uid = uid;
        c->fd = fd;
        c->finished = false;
        c->part = 0;
        c->chunk_n = c->chunk_at = 0;
        lm_buf_init(&c->head, LM_CONTROL_HEAD_BYTES_MAX);
        c->phase = PHASE_HEAD;
        touch(c);
        return;
    }
    (void)close(fd);
}

/* Our own temporary file without a name; tmpfile() would do but for its close-on-exec. */
static FILE *temporary_file(struct lm_control *control)
{
    char path[64] = "/tmp/lastmile-XXXXXX";
    int fd = openat(control->dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    FILE *file;

    if (fd < 0) { /* a file system without O_TMPFILE */
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0) {
            (void)unlink(path);
        }
    }
    file = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (!file && fd >= 0) {
        (void)close(fd);
    }
    return file;
}

/* {"argv":[…],"stdin_bytes":n} */
static bool parse_head(struct client *c, const char *text, size_t n)
{
    json_t *json = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    const json_t *argv = json_object_get(json, "argv");
    const json_t *bytes = json_object_get(json, "stdin_bytes");
    size_t argc = json_array_size(argv);
    bool good = argc >= 1 && argc <= LM_CONTROL_ARGUMENTS_MAX && json_is_integer(bytes) &&
                json_integer_value(bytes) >= 0 &&
                json_integer_value(bytes) <= LM_CONTROL_INPUT_BYTES_MAX;

    c->argv = good ? calloc(argc + 1, sizeof(*c->argv)) : NULL;
    good = good && c->argv;
    for (size_t i = 0; good && i < argc; i++) {
        const char *arg = json_string_value(json_array_get(argv, i));

        good = arg && strlen(arg) <= LM_CONTROL_ARGUMENT_BYTES_MAX;
        c->argv[i] = good ? strdup(arg) : NULL;
        good = good && c->argv[i];
    }
    if (good) {
        c->input_left = json_integer_value(bytes);
        c->request.argc = (int)argc;
        c->request.argv = c->argv;
    }
    json_decref(json);
    return good;
}

static bool enqueue(struct client *c)
{
    struct lm_control *control = c->control;

    if (fflush(c->request.in) != 0) {
        return false;
    }
    rewind(c->request.in);
    c->request.internal = c;
    c->phase = PHASE_QUEUED;
    pthread_mutex_lock(&control->mutex);
    c->next = NULL;
    if (control->last) {
        control->last->next = c;
    } else {
        control->first = c;
    }
    control->last = c;
    wake(control->ready_fd); /* under the mutex, so that its count is the queue's length */
    pthread_mutex_unlock(&control->mutex);
    return true;
}

static bool take_input(struct client *c, const char *data, size_t n)
{
    if ((int64_t)n > c->input_left || fwrite(data, 1, n, c->request.in) != n) {
        return false; /* more than was announced, or the disk is full */
    }
    c->input_left -= (int64_t)n;
    return c->input_left > 0 || enqueue(c);
}

/* Bytes from a client. False: it is to be dropped. */
static bool take_bytes(struct client *c, const char *data, size_t n)
{
    const char *end;
    size_t line;

    if (c->phase == PHASE_INPUT) {
        return take_input(c, data, n);
    }
    end = memchr(data, '\n', n);
    line = end ? (size_t)(end - data) : n;
    lm_buf_add(&c->head, data, line);
    if (c->head.status != LM_OK) {
        return false;
    }
    if (!end) {
        return true;
    }
    if (!parse_head(c, (const char *)c->head.data, c->head.len)) {
        return false;
    }
    c->request.in = temporary_file(c->control);
    c->request.out = temporary_file(c->control);
    c->request.err = temporary_file(c->control);
    if (!c->request.in || !c->request.out || !c->request.err) {
        lm_log(LM_LOG_ERROR, "control", "no temporary file: %s", strerror(errno));
        return false;
    }
    c->phase = PHASE_INPUT;
    return take_input(c, end + 1, n - line - 1);
}

static void read_client(struct client *c)
{
    char data[LM_CONTROL_CHUNK_BYTES];
    ssize_t n = recv(c->fd, data, sizeof(data), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0 || !take_bytes(c, data, (size_t)n)) {
        drop_client(c);
        return;
    }
    touch(c);
}

/* ---- answers ---- */

static void put_head(char *out, char tag, size_t n)
{
    out[0] = tag;
    for (int i = 0; i < 4; i++) {
        out[1 + i] = (char)(n >> (8 * i) & 0xff);
    }
}

/* The next piece to write into chunk. False at the end. */
static bool next_chunk(struct client *c)
{
    FILE *files[2] = {c->request.out, c->request.err};
    size_t n;

    c->chunk_at = c->chunk_n = 0;
    while (c->part < 2) {
        n = fread(c->chunk + LM_CONTROL_ANSWER_HEAD, 1, LM_CONTROL_CHUNK_BYTES, files[c->part]);
        if (n > 0) {
            put_head(c->chunk, c->part == 0 ? 'O' : 'E', n);
            c->chunk_n = LM_CONTROL_ANSWER_HEAD + n;
            return true;
        }
        c->part++;
    }
    if (c->part == 2) {
        n = (size_t)snprintf(c->chunk + LM_CONTROL_ANSWER_HEAD, 16, "%d", c->exit_code);
        put_head(c->chunk, 'X', n);
        c->chunk_n = LM_CONTROL_ANSWER_HEAD + n;
        c->part++;
        return true;
    }
    return false;
}

static void write_client(struct client *c)
{
    ssize_t n;

    if (c->chunk_at == c->chunk_n && !next_chunk(c)) {
        drop_client(c);
        return;
    }
    n = send(c->fd, c->chunk + c->chunk_at, c->chunk_n - c->chunk_at, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        drop_client(c);
    } else if (n > 0) {
        c->chunk_at += (size_t)n;
        touch(c);
    }
}

/* Requests that their callers have finished. */
static void collect_finished(struct lm_control *control)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = &control->clients[i];
        bool finished = false;

        if (c->phase == PHASE_QUEUED) {
            pthread_mutex_lock(&control->mutex);
            finished = c->finished;
            pthread_mutex_unlock(&control->mutex);
        }
        if (!finished) {
            continue;
        }
        if (fflush(c->request.out) != 0 || fflush(c->request.err) != 0) {
            lm_log(LM_LOG_ERROR, "control", "an answer was lost: %s", strerror(errno));
            c->exit_code = c->exit_code ? c->exit_code : 1;
        }
        rewind(c->request.out);
        rewind(c->request.err);
        c->phase = PHASE_ANSWER;
        touch(c);
    }
}

/* ---- the thread ---- */

static size_t fill_polls(struct lm_control *control, struct pollfd *polls, struct client **owners,
                         int *timeout_ms)
{
    int64_t now = lm_clock_mono_ms();
    size_t n = 0;
    bool room = false;

    *timeout_ms = -1;
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = &control->clients[i];
        int64_t left = c->deadline_ms - now;

        room = room || c->phase == PHASE_FREE;
        if (c->phase == PHASE_FREE || c->phase == PHASE_QUEUED) {
            continue; /* a client that leaves meanwhile is found out when it is answered */
        }
        left = left < 0 ? 0 : left;
        *timeout_ms = *timeout_ms < 0 || left < *timeout_ms ? (int)left : *timeout_ms;
        owners[n] = c;
        polls[n++] =
            (struct pollfd){.fd = c->fd, .events = c->phase == PHASE_ANSWER ? POLLOUT : POLLIN};
    }
    if (room && control->accept_after_ms > now) {
        room = false;
        *timeout_ms = *timeout_ms < 0 || *timeout_ms > 1000 ? 1000 : *timeout_ms;
    }
    owners[n] = NULL;
    polls[n++] = (struct pollfd){.fd = control->wake_fd, .events = POLLIN};
    owners[n] = NULL;
    polls[n++] = (struct pollfd){.fd = room ? control->listen_fd : -1, .events = POLLIN};
    return n;
}

static void serve_client(struct client *c, short events)
{
    if (events == 0) {
        if (lm_clock_mono_ms() >= c->deadline_ms) {
            drop_client(c);
        }
    } else if (c->phase == PHASE_ANSWER) {
        write_client(c);
    } else {
        read_client(c);
    }
}

static void *serve(void *arg)
{
    struct lm_control *control = arg;
    struct pollfd polls[CLIENTS_MAX + 2];
    struct client *owners[CLIENTS_MAX + 2];

    for (;;) {
        int timeout_ms;
        size_t n = fill_polls(control, polls, owners, &timeout_ms);
        uint64_t count;
        bool stopping;

        if (poll(polls, n, timeout_ms) < 0 && errno != EINTR) {
            lm_log(LM_LOG_ERROR, "control", "poll: %s", strerror(errno));
            return NULL;
        }
        if (polls[n - 2].revents) {
            (void)!read(control->wake_fd, &count, sizeof(count));
        }
        pthread_mutex_lock(&control->mutex);
        stopping = control->stopping;
        pthread_mutex_unlock(&control->mutex);
        if (stopping) {
            return NULL;
        }
        for (size_t i = 0; i < n - 2; i++) {
            serve_client(owners[i], polls[i].revents);
        }
        collect_finished(control);
        if (polls[n - 1].revents) {
            accept_client(control);
        }
    }
}

/* ---- life ---- */

static void free_control(struct lm_control *control)
{
    int fds[4] = {control->listen_fd, control->dir_fd, control->ready_fd, control->wake_fd};

    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (control->clients[i].phase != PHASE_FREE) {
            drop_client(&control->clients[i]);
        }
    }
    for (int i = 0; i < 4; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    (void)pthread_mutex_destroy(&control->mutex);
    free(control);
}

static int start_listening(struct lm_control *control, const char *dir)
{
    struct sockaddr_un address;

    control->dir_fd = lm_control_address(dir, &address);
    if (control->dir_fd < 0) {
        return errno;
    }
    control->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (control->listen_fd < 0) {
        return errno;
    }
    /* Whoever serves holds the directory's lock, so a socket that is there is a dead server's. */
    if (unlinkat(control->dir_fd, LM_CONTROL_SOCKET_NAME, 0) != 0 && errno != ENOENT) {
        return errno;
    }
    /* Nobody can connect before listen(): by then the mode is right. */
    if (bind(control->listen_fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        fchmodat(control->dir_fd, LM_CONTROL_SOCKET_NAME, 0600, 0) != 0 ||
        listen(control->listen_fd, CLIENTS_MAX) != 0) {
        return errno;
    }
    return 0;
}

enum lm_status lm_control_open(const char *dir, struct lm_control **out, struct lm_error *err)
{
    struct lm_control *control = calloc(1, sizeof(*control));
    int number;

    *out = NULL;
    if (!control) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    (void)pthread_mutex_init(&control->mutex, NULL);
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        control->clients[i].fd = -1;
        control->clients[i].control = control;
    }
    control->listen_fd = control->dir_fd = -1;
    control->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
    control->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    number = control->ready_fd < 0 || control->wake_fd < 0 ? errno : start_listening(control, dir);
    if (number == 0) {
        number = pthread_create(&control->thread, NULL, serve, control);
    }
    if (number) {
        free_control(control);
        return lm_control_fail(err, number, dir);
    }
    *out = control;
    return LM_OK;
}

int lm_control_fd(struct lm_control *control)
{
    return control->ready_fd;
}

struct lm_control_request *lm_control_next(struct lm_control *control)
{
    struct client *c;
    uint64_t one;

    pthread_mutex_lock(&control->mutex);
    c = control->first;
    if (c) {
        control->first = c->next;
        control->last = c->next ? control->last : NULL;
        control->given++;
        (void)!read(control->ready_fd, &one, sizeof(one));
    }
    pthread_mutex_unlock(&control->mutex);
    return c ? &c->request : NULL;
}

void lm_control_finish(struct lm_control_request *request, int exit_code)
{
    struct client *c = request->internal;
    struct lm_control *control = c->control;
    bool last;

    pthread_mutex_lock(&control->mutex);
    c->exit_code = exit_code;
    c->finished = true;
    control->given--;
    last = control->closed && control->given == 0;
    if (!last && !control->closed) {
        wake(control->wake_fd);
    }
    pthread_mutex_unlock(&control->mutex);
    if (last) {
        free_control(control);
    }
}

/* Answers of requests finished just before closing still go out, as far as their clients take them
 * at once. */
static void flush_answers(struct lm_control *control)
{
    collect_finished(control);
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *c = &control->clients[i];
        struct pollfd poll_out = {.fd = c->fd, .events = POLLOUT};

        while (c->phase == PHASE_ANSWER && poll(&poll_out, 1, 1000) > 0) {
            write_client(c);
        }
    }
}

void lm_control_close(struct lm_control **control)
{
    struct lm_control *c = control ? *control : NULL;
    bool last;

    if (!c) {
        return;
    }
    *control = NULL;
    pthread_mutex_lock(&c->mutex);
    c->stopping = true;
    pthread_mutex_unlock(&c->mutex);
    wake(c->wake_fd);
    (void)pthread_join(c->thread, NULL);
    flush_answers(c);
    (void)unlinkat(c->dir_fd, LM_CONTROL_SOCKET_NAME, 0);
    pthread_mutex_lock(&c->mutex);
    c->closed = true;
    last = c->given == 0;
    pthread_mutex_unlock(&c->mutex);
    if (last) {
        free_control(c);
    }
}
