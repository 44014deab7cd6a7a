/* The local socket, the side of a command: sends its arguments and input to the running server and
 * copies the answer to stdout and stderr. Blocks, at most as long as the caller says. */
#include "common/control_internal.h"

#include "common/base/buf.h"
#include "common/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { CONNECT_S = 10 };

int lm_control_address(const char *dir, struct sockaddr_un *out)
{
    int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        memset(out, 0, sizeof(*out));
        out->sun_family = AF_UNIX;
        (void)snprintf(out->sun_path, sizeof(out->sun_path),
                       "/proc/self/fd/%d/" LM_CONTROL_SOCKET_NAME, fd);
    }
    return fd;
}

enum lm_status lm_control_fail(struct lm_error *err, int number, const char *dir)
{
    return lm_fail(
        err, number == EACCES || number == EPERM ? LM_ERR_DENIED : LM_ERR_IO, "control_socket", "",
        "数据目录 %s 的本地命令通道不可用（%s）。请检查目录权限。",
        "The local command socket of the data directory %s can't be used (%s). Check the "
        "directory's permissions.",
        dir, strerror(number));
}

struct call {
    int fd;
    FILE *out, *err;     /* where the answers go */
    int64_t deadline_ms; /* 0 = none */
};

static enum lm_status fail_call(struct lm_error *err, enum lm_status st)
{
    if (st == LM_ERR_TIMEOUT) {
        return lm_fail(
            err, st, "timeout", "", "服务程序没有及时回答；命令可能仍在执行，请查看状态后再试。",
            "The server did not answer in time; the command may still be running. Look at the "
            "status before trying again.");
    }
    return lm_fail(
        err, LM_ERR_NETWORK, "server_gone", "",
        "与服务程序的连接中断；命令可能没有执行完，请查看状态后再试。",
        "The connection to the server broke; the command may not have been finished. Look at the "
        "status before trying again.");
}

static enum lm_status await(const struct call *call, short events)
{
    struct pollfd p = {.fd = call->fd, .events = events};

    for (;;) {
        int64_t left = call->deadline_ms ? call->deadline_ms - lm_clock_mono_ms() : -1;
        int rc;

        if (call->deadline_ms && left <= 0) {
            return LM_ERR_TIMEOUT;
        }
        rc = poll(&p, 1, left > 60000 || left < 0 ? 60000 : (int)left);
        if (rc > 0) {
            return LM_OK;
        }
        if (rc < 0 && errno != EINTR) {
            return LM_ERR_NETWORK;
        }
    }
}

static enum lm_status send_all(const struct call *call, const char *data, size_t n)
{
    while (n > 0) {
        enum lm_status st = await(call, POLLOUT);
        ssize_t k = st == LM_OK ? send(call->fd, data, n, MSG_NOSIGNAL) : 0;

        if (st != LM_OK) {
            return st;
        }
        if (k < 0 && errno != EAGAIN && errno != EINTR) {
            return LM_ERR_NETWORK;
        }
        data += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
    }
    return LM_OK;
}

static enum lm_status receive_all(const struct call *call, char *data, size_t n)
{
    while (n > 0) {
        enum lm_status st = await(call, POLLIN);
        ssize_t k = st == LM_OK ? recv(call->fd, data, n, 0) : 0;

        if (st != LM_OK) {
            return st;
        }
        if (k == 0 || (k < 0 && errno != EAGAIN && errno != EINTR)) {
            return LM_ERR_NETWORK;
        }
        data += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
    }
    return LM_OK;
}

/* The input's size must stand before it: a pipe is read to its end first. */
static enum lm_status read_input(FILE *in, struct lm_buf *buf, struct lm_error *err)
{
    char data[LM_CONTROL_CHUNK_BYTES];
    size_t n;

    while (in && (n = fread(data, 1, sizeof(data), in)) > 0) {
        lm_buf_add(buf, data, n);
        if (buf->status == LM_ERR_LIMIT) {
            return lm_fail(
                err, LM_ERR_LIMIT, "too_large", "",
                "输入过大，最多 64 MiB。请分成几个文件，或先停止服务程序再导入。",
                "The input is too large: at most 64 MiB. Split it into several files, or stop the "
                "server first.");
        }
        if (buf->status != LM_OK) {
            return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
        }
    }
    if (in && ferror(in)) {
        return lm_fail(err, LM_ERR_IO, "io_error", "", "读取输入时出错。",
                       "The input could not be read.");
    }
    return LM_OK;
}

static enum lm_status fail_arguments(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_INVALID, "usage", "",
                   "参数过多、过长，或不是 UTF-8。最多 %d 个，每个 %d 字节。",
                   "Too many arguments, or one too long or not UTF-8. At most %d of %d bytes.",
                   LM_CONTROL_ARGUMENTS_MAX, LM_CONTROL_ARGUMENT_BYTES_MAX);
}

static enum lm_status send_request(const struct call *call, int argc, char **argv,
                                   const struct lm_buf *input, struct lm_error *err)
{
    json_t *args = json_array();
    json_t *json = NULL;
    char *text = NULL;
    enum lm_status st = argc >= 1 && argc <= LM_CONTROL_ARGUMENTS_MAX ? LM_OK : LM_ERR_INVALID;

    for (int i = 0; st == LM_OK && i < argc; i++) {
        /* json_string refuses what is not UTF-8 */
        if (strlen(argv[i]) > LM_CONTROL_ARGUMENT_BYTES_MAX ||
            json_array_append_new(args, json_string(argv[i])) != 0) {
            st = LM_ERR_INVALID;
        }
    }
    json = json_pack("{s:o, s:I}", "argv", args, "stdin_bytes", (json_int_t)input->len);
    text = st == LM_OK && json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (st == LM_OK && !text) {
        st = lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    } else if (st != LM_OK || strlen(text) >= LM_CONTROL_HEAD_BYTES_MAX) {
        st = fail_arguments(err);
    } else {
        st = send_all(call, text, strlen(text));
        st = st == LM_OK ? send_all(call, "\n", 1) : st;
        st = st == LM_OK && input->len ? send_all(call, (const char *)input->data, input->len) : st;
        st = st == LM_OK ? st : fail_call(err, st);
    }
    free(text);
    json_decref(json);
    return st;
}

static enum lm_status copy_record(const struct call *call, size_t n, FILE *to)
{
    char data[LM_CONTROL_CHUNK_BYTES];
    enum lm_status st = LM_OK;

    while (st == LM_OK && n > 0) {
        size_t k = n < sizeof(data) ? n : sizeof(data);

        st = receive_all(call, data, k);
        if (st == LM_OK) {
            (void)!fwrite(data, 1, k, to);
        }
        n -= k;
    }
    return st;
}

static enum lm_status receive_answer(const struct call *call, int *exit_out, struct lm_error *err)
{
    enum lm_status st;

    for (;;) {
        unsigned char head[LM_CONTROL_ANSWER_HEAD];
        char code[16] = "";
        size_t n;

        st = receive_all(call, (char *)head, sizeof(head));
        if (st != LM_OK) {
            return fail_call(err, st);
        }
        n = (size_t)head[1] | (size_t)head[2] << 8 | (size_t)head[3] << 16 | (size_t)head[4] << 24;
        if (head[0] == 'O' || head[0] == 'E') {
            st = copy_record(call, n, head[0] == 'O' ? call->out : call->err);
        } else if (head[0] == 'X' && n < sizeof(code)) {
            st = receive_all(call, code, n);
            *exit_out = st == LM_OK ? atoi(code) : 1;
            (void)fflush(call->out);
            return st == LM_OK ? LM_OK : fail_call(err, st);
        } else {
            st = LM_ERR_NETWORK;
        }
        if (st != LM_OK) {
            return fail_call(err, st);
        }
    }
}

static enum lm_status connect_server(const char *dir, struct call *call, struct lm_error *err)
{
    struct sockaddr_un address;
    int dir_fd = lm_control_address(dir, &address);
    struct timeval limit = {.tv_sec = CONNECT_S};
    int number = 0;

    call->fd = dir_fd < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (call->fd >= 0) { /* connecting waits while the server's backlog is full */
        (void)setsockopt(call->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    }
    if (call->fd < 0 || connect(call->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        number = errno;
    }
    if (dir_fd >= 0) {
        (void)close(dir_fd);
    }
    if (number == ENOENT || number == ECONNREFUSED || number == ENOTDIR) {
        return lm_fail(err, LM_ERR_NOT_FOUND, "no_server", "", "服务程序没有运行。",
                       "No server is running.");
    }
    if (number == EAGAIN) {
        return lm_fail(err, LM_ERR_BUSY, "busy", "", "服务程序正忙，请稍后重试。",
                       "The server is busy. Try again in a moment.");
    }
    if (number) {
        return lm_control_fail(err, number, dir);
    }
    (void)fcntl(call->fd, F_SETFL, O_NONBLOCK);
    return LM_OK;
}

bool lm_control_answers(const char *dir)
{
    struct call call = {.fd = -1};
    struct lm_error ignored;
    enum lm_status st = connect_server(dir, &call, &ignored);

    if (call.fd >= 0) {
        (void)close(call.fd);
    }
    return st == LM_OK;
}

enum lm_status lm_control_call(const char *dir, int argc, char **argv, FILE *in, int timeout_s,
                               int *exit_out, struct lm_error *err)
{
    return lm_control_call_to(dir, argc, argv, in, timeout_s, stdout, stderr, exit_out, err);
}

enum lm_status lm_control_call_to(const char *dir, int argc, char **argv, FILE *in, int timeout_s,
                                  FILE *out, FILE *err_out, int *exit_out, struct lm_error *err)
{
    struct call call = {.fd = -1, .out = out, .err = err_out};
    struct lm_buf input;
    enum lm_status st;

    *exit_out = 1;
    lm_buf_init(&input, (size_t)LM_CONTROL_INPUT_BYTES_MAX);
    st = connect_server(dir, &call, err);
    if (st == LM_OK && in) {
        /* Reading may take a person's time at a terminal, longer than the server waits: it is asked
         * again after. */
        (void)close(call.fd);
        call.fd = -1;
        st = read_input(in, &input, err);
        st = st == LM_OK ? connect_server(dir, &call, err) : st;
    }
    if (st == LM_OK) {
        call.deadline_ms = timeout_s > 0 ? lm_clock_mono_ms() + (int64_t)timeout_s * 1000 : 0;
        st = send_request(&call, argc, argv, &input, err);
    }
    if (st == LM_OK) {
        st = receive_answer(&call, exit_out, err);
    }
    if (call.fd >= 0) {
        (void)close(call.fd);
    }
    lm_buf_free(&input);
    return st;
}
