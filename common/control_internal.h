/* What control.c (the server) and control_client.c share: the address and the bounds. Nobody else
 * includes this. */
#ifndef LM_COMMON_CONTROL_INTERNAL_H
#define LM_COMMON_CONTROL_INTERNAL_H

#include "common/control.h"

#include <sys/un.h>

#define LM_CONTROL_SOCKET_NAME "control.sock"
#define LM_CONTROL_INPUT_BYTES_MAX (64LL * 1024 * 1024)

enum {
    LM_CONTROL_ARGUMENTS_MAX = 64,
    LM_CONTROL_ARGUMENT_BYTES_MAX = 16 * 1024,
    LM_CONTROL_HEAD_BYTES_MAX = 256 * 1024,
    LM_CONTROL_CHUNK_BYTES = 64 * 1024,
    LM_CONTROL_ANSWER_HEAD = 5, /* tag and length */
};

/* sun_path holds 108 bytes; through the directory's descriptor any length will do. Returns that
 * descriptor, which must stay open while the address is used, or -1 with errno. */
int lm_control_address(const char *dir, struct sockaddr_un *out);
enum lm_status lm_control_fail(struct lm_error *err, int number, const char *dir);

#endif
