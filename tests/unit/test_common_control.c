/* The local command socket: a server's loop in one thread, clients in the test's own; clients that
 * lie or leave. */
#include "common/control.h"

#include "common/base/util.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char top[64], dir[512];
    struct lm_control *control;
    pthread_t loop;
    int stop[2];
};

/* What the server does: "echo" copies stdin to stdout and arguments to stderr; "fail" exits 7. */
static void run(struct lm_control_request *request)
{
    char data[4096];
    size_t n;

    if (strcmp(request->argv[0], "fail") == 0) {
        fprintf(request->err, "no\n");
        lm_control_finish(request, 7);
        return;
    }
    while ((n = fread(data, 1, sizeof(data), request->in)) > 0) {
        fwrite(data, 1, n, request->out);
    }
    for (int i = 1; i < request->argc; i++) {
        fprintf(request->err, "[%s]", request->argv[i]);
    }
    lm_control_finish(request, 0);
}

static void *loop(void *arg)
{
    struct fixture *f = arg;
    struct pollfd polls[2] = {{.fd = lm_control_fd(f->control), .events = POLLIN},
                              {.fd = f->stop[0], .events = POLLIN}};

    while (poll(polls, 2, -1) >= 0 && !polls[1].revents) {
        struct lm_control_request *request;

        while ((request = lm_control_next(f->control))) {
            run(request);
        }
    }
    return NULL;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct lm_error err;

    assert_non_null(f);
    strcpy(f->top, "/tmp/lm-control-XXXXXX");
    assert_non_null(mkdtemp(f->top));
    /* Longer than a socket's address may be. */
    snprintf(f->dir, sizeof(f->dir), "%s/%0200d", f->top, 1);
    assert_int_equal(mkdir(f->dir, 0700), 0);
    assert_int_equal(pipe(f->stop), 0);
    assert_int_equal(lm_control_open(f->dir, &f->control, &err), LM_OK);
    assert_int_equal(pthread_create(&f->loop, NULL, loop, f), 0);
    *state = f;
    return 0;
}

static void stop_loop(struct fixture *f)
{
    if (f->stop[1] >= 0) {
        close(f->stop[1]);
        f->stop[1] = -1;
        pthread_join(f->loop, NULL);
    }
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char path[600];

    stop_loop(f);
    close(f->stop[0]);
    lm_control_close(&f->control);
    lm_control_close(&f->control); /* harmless */
    snprintf(path, sizeof(path), "%s/control.sock", f->dir);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(rmdir(f->dir), 0);
    assert_int_equal(rmdir(f->top), 0);
    free(f);
    return 0;
}

/* ---- calls, with stdout and stderr caught ---- */

struct caught {
    char *text;
    size_t n;
};

static int divert(int fd, FILE *to)
{
    int saved = dup(fd);

    fflush(fd == 1 ? stdout : stderr);
    assert_true(saved >= 0 && dup2(fileno(to), fd) == fd);
    return saved;
}

static void restore(int fd, int saved, FILE *from, struct caught *out)
{
    long n;

    fflush(fd == 1 ? stdout : stderr);
    dup2(saved, fd);
    close(saved);
    n = lseek(fileno(from), 0, SEEK_END);
    out->n = (size_t)n;
    out->text = calloc(1, (size_t)n + 1);
    assert_non_null(out->text);
    assert_int_equal(pread(fileno(from), out->text, (size_t)n, 0), n);
    fclose(from);
}

static enum lm_status call(const char *dir, int argc, char **argv, FILE *in, int *exit_code,
                           struct caught *out, struct caught *errors, struct lm_error *err)
{
    FILE *files[2] = {tmpfile(), tmpfile()};
    int saved[2];
    enum lm_status st;

    assert_true(files[0] && files[1]);
    saved[0] = divert(1, files[0]);
    saved[1] = divert(2, files[1]);
    st = lm_control_call(dir, argc, argv, in, 60, exit_code, err);
    restore(1, saved[0], files[0], out);
    restore(2, saved[1], files[1], errors);
    return st;
}

static void release(struct caught *a, struct caught *b)
{
    free(a->text);
    free(b->text);
}

static void test_call(void **state)
{
    struct fixture *f = *state;
    char echo[] = "echo", one[] = "一 \"号\"", empty[] = "", fail[] = "fail";
    char *argv[] = {echo, one, empty, NULL}, *failing[] = {fail, NULL};
    struct caught out, errors;
    struct lm_error err;
    struct stat info;
    char path[600];
    int code = -1;

    assert_int_equal(call(f->dir, 3, argv, NULL, &code, &out, &errors, &err), LM_OK);
    assert_int_equal(code, 0);
    assert_int_equal(out.n, 0);
    assert_string_equal(errors.text, "[一 \"号\"][]");
    release(&out, &errors);
    assert_int_equal(call(f->dir, 1, failing, NULL, &code, &out, &errors, &err), LM_OK);
    assert_int_equal(code, 7);
    assert_string_equal(errors.text, "no\n");
    release(&out, &errors);
    snprintf(path, sizeof(path), "%s/control.sock", f->dir);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

/* 5 MB with every byte value, through and back. */
static void test_big_input(void **state)
{
    struct fixture *f = *state;
    enum { BYTES = 5000000 };
    char echo[] = "echo", *argv[] = {echo, NULL};
    unsigned char *data = malloc(BYTES);
    struct caught out, errors;
    struct lm_error err;
    struct lm_rand rnd;
    FILE *in = tmpfile();
    int code = -1;

    assert_true(data && in);
    lm_rand_seed(&rnd, 3);
    for (size_t i = 0; i < BYTES; i++) {
        data[i] = (unsigned char)lm_rand_next(&rnd);
    }
    assert_int_equal(fwrite(data, 1, BYTES, in), BYTES);
    rewind(in);
    assert_int_equal(call(f->dir, 1, argv, in, &code, &out, &errors, &err), LM_OK);
    assert_int_equal(code, 0);
    assert_int_equal(out.n, BYTES);
    assert_memory_equal(out.text, data, BYTES);
    release(&out, &errors);
    fclose(in);
    free(data);
}

static void test_no_server(void **state)
{
    struct fixture *f = *state;
    char echo[] = "echo", *argv[] = {echo, NULL};
    struct caught out, errors;
    struct lm_error err;
    int code;

    assert_int_equal(call(f->top, 1, argv, NULL, &code, &out, &errors, &err), LM_ERR_NOT_FOUND);
    release(&out, &errors);
    assert_int_equal(call("/nonexistent", 1, argv, NULL, &code, &out, &errors, &err),
                     LM_ERR_NOT_FOUND);
    release(&out, &errors);
}

static void test_bad_arguments(void **state)
{
    struct fixture *f = *state;
    char echo[] = "echo", bad[] = "\xff\xfe";
    char *argv[65], *invalid[] = {echo, bad};
    struct caught out, errors;
    struct lm_error err;
    int code;

    for (int i = 0; i < 65; i++) {
        argv[i] = echo;
    }
    assert_int_equal(call(f->dir, 65, argv, NULL, &code, &out, &errors, &err), LM_ERR_INVALID);
    release(&out, &errors);
    assert_int_equal(call(f->dir, 2, invalid, NULL, &code, &out, &errors, &err), LM_ERR_INVALID);
    assert_string_equal(err.code, "usage");
    release(&out, &errors);
    assert_int_equal(call(f->dir, 64, argv, NULL, &code, &out, &errors, &err), LM_OK);
    release(&out, &errors);
}

/* ---- raw clients ---- */

static int connect_raw(struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int dir = open(f->dir, O_PATH | O_DIRECTORY);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/control.sock", dir);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(dir);
    return fd;
}

/* The server hangs up without an answer. */
static void assert_dropped(struct fixture *f, const char *text, size_t n)
{
    int fd = connect_raw(f);
    char byte;

    while (n > 0) {
        ssize_t k = send(fd, text, n, MSG_NOSIGNAL);

        if (k <= 0) {
            break;
        }
        text += k;
        n -= (size_t)k;
    }
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
}

static void test_hostile_clients(void **state)
{
    struct fixture *f = *state;
    const char *bad[] = {"\n",
                         "[]\n",
                         "{\"argv\":[],\"stdin_bytes\":0}\n",
                         "{\"argv\":[1],\"stdin_bytes\":0}\n",
                         "{\"argv\":[\"echo\"],\"stdin_bytes\":-1}\n",
                         "{\"argv\":[\"echo\"],\"stdin_bytes\":1e30}\n",
                         "{\"argv\":[\"echo\"],\"stdin_bytes\":99999999999}\n",
                         "{\"argv\":[\"echo\"]}\n",
                         "{\"argv\":[\"echo\"],\"stdin_bytes\":1}\ntoo much"};
    char *endless = malloc(1 << 20);
    char echo[] = "echo", *argv[] = {echo, NULL};
    struct caught out, errors;
    struct lm_error err;
    int code = -1, fds[8];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_dropped(f, bad[i], strlen(bad[i]));
    }
    assert_non_null(endless);
    memset(endless, 'x', 1 << 20);
    assert_dropped(f, endless, 1 << 20);
    free(endless);
    /* Some that stall half-way, some that leave before the answer: the others are served. */
    for (int i = 0; i < 8; i++) {
        const char *half = "{\"argv\":[\"echo\"],\"stdin_bytes\":100}\nhalf";

        fds[i] = connect_raw(f);
        assert_int_equal(send(fds[i], half, strlen(half), MSG_NOSIGNAL), (ssize_t)strlen(half));
    }
    for (int i = 0; i < 4; i++) {
        const char *whole = "{\"argv\":[\"echo\"],\"stdin_bytes\":0}\n";
        int fd = connect_raw(f);

        assert_int_equal(send(fd, whole, strlen(whole), MSG_NOSIGNAL), (ssize_t)strlen(whole));
        close(fd);
    }
    assert_int_equal(call(f->dir, 1, argv, NULL, &code, &out, &errors, &err), LM_OK);
    assert_int_equal(code, 0);
    release(&out, &errors);
    for (int i = 0; i < 8; i++) {
        close(fds[i]);
    }
}

/* ---- several at a time; finishing late ---- */

static void *ask(void *arg)
{
    struct fixture *f = arg;
    char fail[] = "fail", *argv[] = {fail, NULL};
    struct lm_error err;
    int code = -1;

    for (int i = 0; i < 20; i++) {
        if (lm_control_call(f->dir, 1, argv, NULL, 60, &code, &err) != LM_OK || code != 7) {
            return f;
        }
    }
    return NULL;
}

static void test_parallel(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[6];
    FILE *none = tmpfile();
    int saved;

    assert_non_null(none);
    saved = divert(2, none);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask, f), 0);
    }
    for (int i = 0; i < 6; i++) {
        void *failed;

        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    fclose(none);
}

/* A request that is still with the program when the socket is closed: finishing it then is allowed.
 */
static void test_finish_after_close(void **state)
{
    struct fixture *f = *state;
    const char *whole = "{\"argv\":[\"echo\"],\"stdin_bytes\":0}\n";
    struct lm_control_request *request = NULL;
    struct pollfd ready = {.events = POLLIN};
    char byte;
    int fd;

    stop_loop(f);
    fd = connect_raw(f);
    assert_int_equal(send(fd, whole, strlen(whole), MSG_NOSIGNAL), (ssize_t)strlen(whole));
    ready.fd = lm_control_fd(f->control);
    assert_int_equal(poll(&ready, 1, 10000), 1);
    request = lm_control_next(f->control);
    assert_non_null(request);
    assert_null(lm_control_next(f->control));
    assert_int_equal(poll(&ready, 1, 0), 0);
    lm_control_close(&f->control);
    fprintf(request->out, "late");
    lm_control_finish(request, 0);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_call),
        T(test_big_input),
        T(test_no_server),
        T(test_bad_arguments),
        T(test_hostile_clients),
        T(test_parallel),
        T(test_finish_after_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
