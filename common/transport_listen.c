/* The listening socket of the door before the hub's ROUTER (transport_guard.h). */
#include "common/transport_guard.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int lm_guard_socket(const char *endpoint)
{
    char host[256];
    const char *at = endpoint + strlen("tcp://"), *colon = strrchr(at, ':'), *port;
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
                    *found = NULL;
    const int one = 1, zero = 0;
    int fd = -1, code = EINVAL;
    size_t n = colon ? (size_t)(colon - at) : 0;
    if (n == 0 || n >= sizeof host || colon[1] == '\0') {
        errno = EINVAL;
        return -1;
    }
    if (at[0] == '[' && at[n - 1] == ']') {
        at++;
        n -= 2;
    }
    memcpy(host, at, n);
    host[n] = '\0';
    port = strcmp(colon + 1, "*") == 0 ? "0" : colon + 1;
    if (getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, port, &hints, &found) != 0) {
        errno = EINVAL;
        return -1;
    }
    for (int pass = 0; pass < 2 && fd < 0; pass++) {
        for (struct addrinfo *a = found; a && fd < 0; a = a->ai_next) {
            if ((a->ai_family == AF_INET6) != (pass == 0)) {
                continue; /* IPv6 first: open to both where * is meant */
            }
            fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
            if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
                            (a->ai_family == AF_INET6 &&
                             setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero) != 0) ||
                            bind(fd, a->ai_addr, a->ai_addrlen) != 0 ||
                            listen(fd, LM_GUARD_STRANGERS_MAX) != 0)) {
                code = errno;
                close(fd);
                fd = -1;
            } else if (fd < 0) {
                code = errno;
            }
        }
    }
    freeaddrinfo(found);
    errno = code;
    return fd;
}
