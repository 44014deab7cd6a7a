/* The door before the hub's ROUTER: see transport_guard.h.
 *
 * A connection goes to the ROUTER from an address of its own in 127.64.0.0/10, made of its serial
 * number: by it the ROUTER's messages and the ZAP handler's questions tell which connection they
 * are of. Numbers are not given again before four million others, so that a late message is not
 * counted for another connection.
 *
 * Invariants, under the mutex: a slot with serial 0 is free; untaken = came − taken of a slot;
 * total is the sum of all untaken. A connection is read from only while its bounds allow, and then
 * by at most one chunk more. */
#include "common/transport_guard.h"

#include "common/base/log.h"
#include "common/base/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OUTER = 0, /* the peer's side */
    INNER = 1, /* the ROUTER's */
    CHUNK = 16 * 1024,
    CHUNKS_AT_ONCE = 16,   /* of one connection, before others have their turn */
    INNER_BUFFER = 131072, /* the kernel's, of each inner socket and way */
    EVENTS = 128,
    TICK_MS = 1000,
    FILES_KEPT = 160,         /* for databases, HTTP, logs */
    FILES_PER_CONNECTION = 3, /* two here, one at the ROUTER */
    UNTAKEN_SMALL = 65536,    /* goes on also when the total is reached */
    SERIAL_BITS = 22,
};
#define TAG_LISTEN UINT64_MAX
#define TAG_WAKE (UINT64_MAX - 1)
#define INNER_NET 0x7F400000u /* 127.64.0.0 */

struct ahead { /* read from one side, not yet taken by the other */
    uint8_t *bytes;
    size_t from, to;
};
struct conn {
    uint32_t serial;
    int fd[2];
    uint32_t interest[2];
    bool connecting, known, doomed;
    struct ahead ahead[2];
    uint64_t untaken, came;
    int64_t stalled_ms; /* since when it may not go on; 0: it may */
    uint8_t key[32];
    char address[64];
};
struct lm_guard {
    pthread_mutex_t mutex;
    pthread_t thread;
    bool runs, stop;
    int listener, epoll, wake;
    bool deaf; /* no file left for another connection: the listener rests for a tick */
    uint16_t inner_port;
    struct conn *slots;
    size_t n_slots, n, n_strangers;
    uint32_t last_serial;
    uint64_t total; /* untaken of all */
    uint8_t buffer[CHUNK];
};

/* ---- who is who -------------------------------------------------------------------------------- */

static struct conn *by_serial(struct lm_guard *guard, uint32_t serial)
{
    struct conn *c = serial ? &guard->slots[serial % guard->n_slots] : NULL;
    return c && c->serial == serial ? c : NULL;
}

static struct conn *by_address(struct lm_guard *guard, const char *inner)
{
    static const char mapped[] = "::ffff:";
    struct in_addr at;
    if (strncmp(inner, mapped, sizeof mapped - 1) == 0) {
        inner += sizeof mapped - 1;
    }
    if (inet_pton(AF_INET, inner, &at) != 1 ||
        (ntohl(at.s_addr) >> SERIAL_BITS) != (INNER_NET >> SERIAL_BITS)) {
        return NULL;
    }
    return by_serial(guard, ntohl(at.s_addr) & ((1u << SERIAL_BITS) - 1));
}

static void wake(struct lm_guard *guard)
{
    uint64_t one = 1;
    (void)!write(guard->wake, &one, sizeof one); /* full: it is awake already */
}

bool lm_guard_address_of(struct lm_guard *guard, const char *inner, char out[64])
{
    pthread_mutex_lock(&guard->mutex);
    const struct conn *c = by_address(guard, inner);
    if (c) {
        memcpy(out, c->address, sizeof c->address);
    }
    pthread_mutex_unlock(&guard->mutex);
    return c != NULL;
}

bool lm_guard_admit(struct lm_guard *guard, const char *inner, const uint8_t key[32])
{
    pthread_mutex_lock(&guard->mutex);
    struct conn *c = by_address(guard, inner), *oldest = NULL;
    size_t same = 0;
    if (c && !c->known) {
        c->known = true;
        guard->n_strangers--;
        memcpy(c->key, key, sizeof c->key);
        for (size_t i = 0; i < guard->n_slots; i++) {
            struct conn *other = &guard->slots[i];
            if (other->serial && other != c && other->known && !other->doomed &&
                memcmp(other->key, key, 32) == 0) {
                same++;
                oldest = !oldest || other->serial < oldest->serial ? other : oldest;
            }
        }
        if (same >= LM_GUARD_PER_KEY_MAX) {
            oldest->doomed = true;
            wake(guard);
        }
    }
    pthread_mutex_unlock(&guard->mutex);
    return c != NULL;
}

void lm_guard_took(struct lm_guard *guard, const char *inner, size_t bytes)
{
    pthread_mutex_lock(&guard->mutex);
    struct conn *c = by_address(guard, inner);
    if (c) {
        bytes = bytes < c->untaken ? bytes : c->untaken;
        c->untaken -= bytes;
        guard->total -= bytes;
        if (c->stalled_ms) {
            wake(guard);
        }
    }
    pthread_mutex_unlock(&guard->mutex);
}

void lm_guard_waiting(struct lm_guard *guard, uint64_t *bytes_out, size_t *connections_out)
{
    pthread_mutex_lock(&guard->mutex);
    *bytes_out = guard->total;
    *connections_out = guard->n;
    pthread_mutex_unlock(&guard->mutex);
}

/* ---- one connection ---------------------------------------------------------------------------- */

static void conn_close(struct lm_guard *guard, struct conn *c)
{
    pthread_mutex_lock(&guard->mutex);
    guard->total -= c->untaken;
    guard->n_strangers -= !c->known;
    guard->n--;
    for (int side = 0; side < 2; side++) {
        if (c->fd[side] >= 0) {
            close(c->fd[side]);
        }
        free(c->ahead[side].bytes);
    }
    memset(c, 0, sizeof *c);
    pthread_mutex_unlock(&guard->mutex);
}

static bool may_read(struct lm_guard *guard, struct conn *c)
{
    pthread_mutex_lock(&guard->mutex);
    bool may = c->untaken < LM_GUARD_UNTAKEN_MAX &&
               (guard->total < LM_GUARD_UNTAKEN_TOTAL_MAX || c->untaken < UNTAKEN_SMALL);
    if (may) {
        c->stalled_ms = 0;
    } else if (c->stalled_ms == 0) {
        c->stalled_ms = lm_clock_mono_ms();
    }
    pthread_mutex_unlock(&guard->mutex);
    return may;
}

static bool watch(struct lm_guard *guard, struct conn *c, int side, uint32_t interest)
{
    struct epoll_event event = {.events = interest,
                                .data.u64 = (uint64_t)c->serial << 1 | (unsigned)side};
    if (interest == c->interest[side]) {
        return true;
    }
    c->interest[side] = interest;
    return epoll_ctl(guard->epoll, EPOLL_CTL_MOD, c->fd[side], &event) == 0;
}

/* Tells epoll what the connection waits for now. */
static bool rearm(struct lm_guard *guard, struct conn *c)
{
    uint32_t want[2] = {0, 0};
    for (int side = 0; side < 2; side++) {
        if (!c->connecting && !c->ahead[side].bytes && (side == INNER || may_read(guard, c))) {
            want[side] |= EPOLLIN;
        }
        if (c->ahead[1 - side].bytes) {
            want[side] |= EPOLLOUT;
        }
    }
    if (c->connecting) {
        want[INNER] = EPOLLOUT;
    }
    return watch(guard, c, OUTER, want[OUTER]) && watch(guard, c, INNER, want[INNER]);
}

/* Writes what was read from `side` to the other. False: that side is gone. */
static bool flush(struct conn *c, int side)
{
    struct ahead *a = &c->ahead[side];
    while (a->bytes && a->from < a->to) {
        ssize_t n = send(c->fd[1 - side], a->bytes + a->from, a->to - a->from, MSG_NOSIGNAL);
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        a->from += (size_t)n;
    }
    free(a->bytes);
    memset(a, 0, sizeof *a);
    return true;
}

/* Counts what came from the peer. False: more than a handshake takes, from a stranger. */
static bool count(struct lm_guard *guard, struct conn *c, size_t n)
{
    pthread_mutex_lock(&guard->mutex);
    c->came += n;
    c->untaken += n;
    guard->total += n;
    bool good = c->known || c->came <= LM_GUARD_HANDSHAKE_BYTES_MAX;
    pthread_mutex_unlock(&guard->mutex);
    return good;
}

/* Carries what `side` has to say, as far as bounds and the other side allow. False: close. */
static bool carry(struct lm_guard *guard, struct conn *c, int side)
{
    for (int i = 0;
         i < CHUNKS_AT_ONCE && !c->ahead[side].bytes && (side == INNER || may_read(guard, c));
         i++) {
        ssize_t n = recv(c->fd[side], guard->buffer, CHUNK, 0), sent;
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        if (n == 0) {
            return false;
        }
        if (side == OUTER && !count(guard, c, (size_t)n)) {
            return false;
        }
        sent = send(c->fd[1 - side], guard->buffer, (size_t)n, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            return false;
        }
        sent = sent < 0 ? 0 : sent;
        if (sent < n) {
            struct ahead *a = &c->ahead[side];
            a->bytes = malloc((size_t)(n - sent));
            if (!a->bytes) {
                return false;
            }
            a->to = (size_t)(n - sent);
            memcpy(a->bytes, guard->buffer + sent, a->to);
        }
    }
    return true;
}

static bool connected(struct conn *c)
{
    int code = 0;
    socklen_t size = sizeof code;
    c->connecting = false;
    return getsockopt(c->fd[INNER], SOL_SOCKET, SO_ERROR, &code, &size) == 0 && code == 0;
}

static void conn_event(struct lm_guard *guard, struct conn *c, int side, uint32_t events)
{
    bool good = true;
    if (c->connecting) {
        good = side != INNER || connected(c);
    } else {
        if (events & EPOLLOUT) {
            good = flush(c, 1 - side);
        }
        if (good && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            good = c->ahead[side].bytes ? (events & (EPOLLHUP | EPOLLERR)) == 0
                                        : carry(guard, c, side);
        }
    }
    if (!good || !rearm(guard, c)) {
        conn_close(guard, c);
    }
}

/* ---- new connections --------------------------------------------------------------------------- */

static int dial_router(const struct lm_guard *guard, uint32_t serial, bool *connecting)
{
    const int one = 1, size = INNER_BUFFER;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INNER_NET | serial)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(guard->inner_port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0) {
        close(fd);
        return -1;
    }
    *connecting = false;
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        *connecting = errno == EINPROGRESS;
        if (!*connecting) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

/* The stranger that has been here longest goes: an honest handshake takes moments. */
static bool make_room(struct lm_guard *guard)
{
    struct conn *oldest = NULL;
    pthread_mutex_lock(&guard->mutex);
    for (size_t i = 0; i < guard->n_slots; i++) {
        struct conn *c = &guard->slots[i];
        if (c->serial && !c->known && (!oldest || c->serial < oldest->serial)) {
            oldest = c;
        }
    }
    pthread_mutex_unlock(&guard->mutex);
    if (oldest) {
        conn_close(guard, oldest);
    }
    return oldest != NULL;
}

static struct conn *free_slot(struct lm_guard *guard)
{
    for (size_t tries = 0; tries <= guard->n_slots; tries++) {
        guard->last_serial = (guard->last_serial + 1) & ((1u << SERIAL_BITS) - 1);
        struct conn *c = &guard->slots[guard->last_serial % guard->n_slots];
        if (guard->last_serial && c->serial == 0) {
            return c;
        }
    }
    return NULL;
}

static void name_address(const struct sockaddr_storage *from, char out[64])
{
    static const char mapped[] = "::ffff:";
    char text[INET6_ADDRSTRLEN] = "?";
    if (from->ss_family == AF_INET) {
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)from)->sin_addr, text, sizeof text);
    } else if (from->ss_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)from)->sin6_addr, text,
                        sizeof text);
    }
    (void)snprintf(out, 64, "%s",
                   strncmp(text, mapped, sizeof mapped - 1) == 0 ? text + sizeof mapped - 1 : text);
}

static void welcome(struct lm_guard *guard, int outer, const struct sockaddr_storage *from)
{
    const int one = 1;
    struct conn *c = NULL;
    pthread_mutex_lock(&guard->mutex);
    bool room = guard->n < guard->n_slots && guard->n_strangers < LM_GUARD_STRANGERS_MAX;
    pthread_mutex_unlock(&guard->mutex);
    if (room || make_room(guard)) {
        c = free_slot(guard);
    }
    bool connecting = false;
    int inner = c ? dial_router(guard, guard->last_serial, &connecting) : -1;
    if (inner < 0) {
        close(outer);
        return;
    }
    (void)setsockopt(outer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    pthread_mutex_lock(&guard->mutex);
    memset(c, 0, sizeof *c);
    c->serial = guard->last_serial;
    c->fd[OUTER] = outer;
    c->fd[INNER] = inner;
    c->connecting = connecting;
    name_address(from, c->address);
    guard->n++;
    guard->n_strangers++;
    pthread_mutex_unlock(&guard->mutex);
    struct epoll_event event = {.data.u64 = (uint64_t)c->serial << 1 | OUTER};
    bool good = epoll_ctl(guard->epoll, EPOLL_CTL_ADD, outer, &event) == 0;
    event.data.u64 = (uint64_t)c->serial << 1 | INNER;
    good = good && epoll_ctl(guard->epoll, EPOLL_CTL_ADD, inner, &event) == 0;
    if (!good || !rearm(guard, c)) {
        conn_close(guard, c);
    }
}

static void listen_again(struct lm_guard *guard, bool deaf)
{
    struct epoll_event event = {.events = deaf ? 0 : EPOLLIN, .data.u64 = TAG_LISTEN};
    guard->deaf = deaf;
    (void)epoll_ctl(guard->epoll, EPOLL_CTL_MOD, guard->listener, &event);
}

static void accept_some(struct lm_guard *guard)
{
    for (int i = 0; i < EVENTS; i++) {
        struct sockaddr_storage from;
        socklen_t size = sizeof from;
        int fd =
            accept4(guard->listener, (struct sockaddr *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if ((errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) &&
                !make_room(guard)) {
                listen_again(guard, true); /* trying at once again would spin */
            }
            return;
        }
        welcome(guard, fd, &from);
    }
}

/* ---- the thread -------------------------------------------------------------------------------- */

/* Who may go on again, goes on; who may not for too long, or is one too many of its key, is closed.
 */
static void look_after(struct lm_guard *guard)
{
    int64_t now_ms = lm_clock_mono_ms();
    for (size_t i = 0; i < guard->n_slots; i++) {
        struct conn *c = &guard->slots[i];
        if (c->serial == 0) {
            continue;
        }
        pthread_mutex_lock(&guard->mutex);
        bool doomed = c->doomed, waits = c->stalled_ms != 0,
             late = waits && now_ms - c->stalled_ms >= LM_GUARD_STALLED_MS;
        unsigned long long untaken = c->untaken;
        pthread_mutex_unlock(&guard->mutex);
        if (late && !may_read(guard, c)) {
            lm_log(LM_LOG_WARN, "guard",
                   "closed a connection from %s: it sent %llu bytes that make no message",
                   c->address, untaken);
        }
        if (doomed || (late && c->stalled_ms != 0) || (waits && !rearm(guard, c))) {
            conn_close(guard, c);
        }
    }
}

static void *guard_main(void *arg)
{
    struct lm_guard *guard = arg;
    int64_t looked_ms = lm_clock_mono_ms();
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(guard->epoll, events, EVENTS, TICK_MS);
        bool look = lm_clock_mono_ms() - looked_ms >= TICK_MS;
        for (int i = 0; i < n; i++) {
            uint64_t tag = events[i].data.u64;
            struct conn *c;
            if (tag == TAG_WAKE) {
                uint64_t count_of;
                (void)!read(guard->wake, &count_of, sizeof count_of);
                look = true;
            } else if (tag == TAG_LISTEN) {
                accept_some(guard);
            } else if ((c = by_serial(guard, (uint32_t)(tag >> 1))) != NULL) {
                conn_event(guard, c, (int)(tag & 1), events[i].events);
            }
        }
        pthread_mutex_lock(&guard->mutex);
        bool stop = guard->stop;
        pthread_mutex_unlock(&guard->mutex);
        if (stop) {
            return NULL;
        }
        if (look) {
            looked_ms = lm_clock_mono_ms();
            look_after(guard);
            if (guard->deaf) {
                listen_again(guard, false);
            }
        }
    }
}

/* ---- opening and closing ----------------------------------------------------------------------- */

enum lm_status lm_guard_new(struct lm_guard **out)
{
    struct lm_guard *guard = calloc(1, sizeof *guard);
    struct rlimit files;
    *out = NULL;
    if (!guard) {
        return LM_ERR_MEMORY;
    }
    guard->listener = guard->epoll = guard->wake = -1;
    guard->n_slots = LM_GUARD_CONNECTIONS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY) {
        size_t may = files.rlim_cur > FILES_KEPT + 48
                         ? (files.rlim_cur - FILES_KEPT) / FILES_PER_CONNECTION
                         : 16;
        guard->n_slots = may < guard->n_slots ? may : guard->n_slots;
    }
    guard->slots = calloc(guard->n_slots, sizeof *guard->slots);
    if (!guard->slots || pthread_mutex_init(&guard->mutex, NULL) != 0) {
        free(guard->slots);
        free(guard);
        return LM_ERR_MEMORY;
    }
    *out = guard;
    return LM_OK;
}

static enum lm_status cannot(struct lm_error *err, enum lm_status status, const char *endpoint,
                             const char *why)
{
    return lm_fail(err, status, "listen", "endpoint", "网络地址 %s 不能使用：%s。",
                   "The network address %s cannot be used: %s.", endpoint, why);
}

enum lm_status lm_guard_listen(struct lm_guard *guard, const char *endpoint, uint16_t inner_port,
                               uint16_t *port_out, struct lm_error *err)
{
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = TAG_LISTEN};
    guard->inner_port = inner_port;
    guard->listener = lm_guard_socket(endpoint);
    if (guard->listener < 0) {
        enum lm_status status = errno == EADDRINUSE ? LM_ERR_BUSY
                                : errno == EINVAL   ? LM_ERR_INVALID
                                                    : LM_ERR_NETWORK;
        return cannot(err, status, endpoint, strerror(errno));
    }
    guard->epoll = epoll_create1(EPOLL_CLOEXEC);
    guard->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (guard->epoll < 0 || guard->wake < 0 ||
        getsockname(guard->listener, (struct sockaddr *)&bound, &size) != 0 ||
        epoll_ctl(guard->epoll, EPOLL_CTL_ADD, guard->listener, &event) != 0) {
        return cannot(err, LM_ERR_NETWORK, endpoint, strerror(errno));
    }
    event.data.u64 = TAG_WAKE;
    if (epoll_ctl(guard->epoll, EPOLL_CTL_ADD, guard->wake, &event) != 0 ||
        pthread_create(&guard->thread, NULL, guard_main, guard) != 0) {
        return cannot(err, LM_ERR_NETWORK, endpoint, strerror(errno));
    }
    guard->runs = true;
    *port_out = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                  : ((struct sockaddr_in *)&bound)->sin_port);
    return LM_OK;
}

void lm_guard_close(struct lm_guard **guard_p)
{
    struct lm_guard *guard = guard_p ? *guard_p : NULL;
    if (!guard) {
        return;
    }
    if (guard->runs) {
        pthread_mutex_lock(&guard->mutex);
        guard->stop = true;
        pthread_mutex_unlock(&guard->mutex);
        wake(guard);
        pthread_join(guard->thread, NULL);
    }
    for (size_t i = 0; i < guard->n_slots; i++) {
        if (guard->slots[i].serial) {
            conn_close(guard, &guard->slots[i]);
        }
    }
    int fds[] = {guard->listener, guard->epoll, guard->wake};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    pthread_mutex_destroy(&guard->mutex);
    free(guard->slots);
    free(guard);
    *guard_p = NULL;
}
