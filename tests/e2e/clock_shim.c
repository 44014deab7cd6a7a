/* A wall clock that a test sets: preloaded into a real program (LD_PRELOAD), it answers
 * CLOCK_REALTIME, gettimeofday and time from the file that LASTMILE_TEST_CLOCK names:
 *
 *     +N or -N   the true time, so many milliseconds off
 *     =N         stands still at N milliseconds since 1970
 *
 * The file may change while the program runs: the clock jumps. Monotonic clocks stay true. No
 * malloc, no dlsym, only system calls: so it also works under AddressSanitizer, where libfaketime
 * hangs before main (it allocates before the sanitizer is there). Not part of any program. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int true_time(clockid_t clock, struct timespec *out)
{
    return (int)syscall(SYS_clock_gettime, clock, out);
}

/* The clock as the file says, or the true one when there is none that can be read. */
static int wall(struct timespec *out)
{
    const char *path = getenv("LASTMILE_TEST_CLOCK");
    char text[32];
    long n = 0;
    long long number = 0, ms;
    int fd, result = true_time(CLOCK_REALTIME, out);

    fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0) : -1;
    if (fd < 0) {
        return result;
    }
    n = syscall(SYS_read, fd, text, sizeof text - 1);
    (void)syscall(SYS_close, fd);
    if (n < 2) {
        return result;
    }
    for (long i = 1; i < n && text[i] >= '0' && text[i] <= '9'; i++) {
        number = number * 10 + (text[i] - '0');
    }
    ms = (long long)out->tv_sec * 1000 + out->tv_nsec / 1000000;
    ms = text[0] == '=' ? number : text[0] == '-' ? ms - number : ms + number;
    out->tv_sec = (time_t)(ms / 1000);
    out->tv_nsec = (long)(ms % 1000) * 1000000;
    return result;
}

int clock_gettime(clockid_t clock, struct timespec *out);
int gettimeofday(struct timeval *restrict out, void *restrict zone);
time_t time(time_t *out);

int clock_gettime(clockid_t clock, struct timespec *out)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? wall(out)
                                                                      : true_time(clock, out);
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec now;
    int result = wall(&now);

    (void)zone;
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return result;
}

time_t time(time_t *out)
{
    struct timespec now;

    (void)wall(&now);
    if (out) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}
