/* The local socket through which commands reach a running server of the same data directory:
 * DIR/control.sock, a Unix stream socket (0600) addressed through /proc/self/fd so that long paths
 * work.
 *
 * Request: one JSON line {"argv":[…],"stdin_bytes":n} then n bytes. Answer: records [tag 1 byte 'O'
 * 'E' 'X'][length u32le][bytes]: stdout, stderr, exit code as text. Bounds: 64 arguments, 64 MiB of
 * input, 16 clients. */
#ifndef LM_COMMON_CONTROL_H
#define LM_COMMON_CONTROL_H

#include "common/base/status.h"

#include <stdbool.h>
#include <stdio.h>

struct lm_control;
struct lm_control_request {
    int argc;
    char **argv;     /* argv[0] = the command */
    FILE *in;        /* unlinked temporary file, at its start */
    FILE *out, *err; /* temporary files; sent when the request is finished */
    unsigned uid;    /* of the user whose process asks, as the kernel has it */
    void *internal;
};
/* Server side: an own thread accepts and reads whole requests, then hands them over one at a time.
 * fd: readable when lm_control_next has one (for zmq_poll). */
enum lm_status lm_control_open(const char *dir, struct lm_control **out,
                               struct lm_error *err) LM_MUST_USE;
int lm_control_fd(struct lm_control *control);
/* NULL when none waits. The caller finishes it from any thread, at any later time. */
struct lm_control_request *lm_control_next(struct lm_control *control);
void lm_control_finish(struct lm_control_request *request, int exit_code);
void lm_control_close(struct lm_control **control);
/* Whether a server takes commands there at this moment. */
bool lm_control_answers(const char *dir);
/* Client side: sends argv and, when in is not NULL, all of it; copies the answers to stdout and
 * stderr. LM_ERR_NOT_FOUND: no server. timeout_s 0 = wait for ever (the server may be at work on
 * it). */
enum lm_status lm_control_call(const char *dir, int argc, char **argv, FILE *in, int timeout_s,
                               int *exit_out, struct lm_error *err) LM_MUST_USE;
/* The same with the answers going to out and err_out. */
enum lm_status lm_control_call_to(const char *dir, int argc, char **argv, FILE *in, int timeout_s,
                                  FILE *out, FILE *err_out, int *exit_out,
                                  struct lm_error *err) LM_MUST_USE;

#endif
