/* Logs on stderr, one write(2) a line, so that lines of several threads never mix.
 *
 * The level is the one piece of state, an atomic that is read from the environment at first use. A
 * line is at most LINE_MAX_BYTES; line breaks and other control characters inside it become spaces,
 * so that a text from outside can't forge a line. */
#include "common/base/log.h"

#include "common/base/util.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024, LEVEL_UNREAD = -1 };

static atomic_int level_now = LEVEL_UNREAD;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static int level_from_environment(void)
{
    const char *text = getenv("LASTMILE_LOG");
    for (int i = LM_LOG_ERROR; text && i <= LM_LOG_DEBUG; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            return i;
        }
    }
    return LM_LOG_INFO;
}

static int level_get(void)
{
    int level = atomic_load(&level_now);
    if (level == LEVEL_UNREAD) {
        int unread = LEVEL_UNREAD;
        level = level_from_environment();
        if (!atomic_compare_exchange_strong(&level_now, &unread, level)) {
            level = unread; /* somebody set it meanwhile */
        }
    }
    return level;
}

void lm_log_set_level(enum lm_log_level level)
{
    atomic_store(&level_now, (int)level);
}

void lm_log(enum lm_log_level level, const char *area, const char *fmt, ...)
{
    if ((int)level > level_get()) {
        return;
    }
    int saved_errno = errno;
    char line[LINE_MAX_BYTES + 1];
    char time_text[LM_TIME_TEXT + 8];
    lm_time_format(lm_clock_wall_ms(), time_text);
    int head = snprintf(line, LINE_MAX_BYTES, "%s %s %.32s: ", time_text, level_names[level], area);
    size_t len = head < 0 ? 0 : (size_t)head;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line + len, LINE_MAX_BYTES - len, fmt, args);
    va_end(args);
    if (n > 0) {
        size_t room = LINE_MAX_BYTES - 1 - len;
        bool cut = (size_t)n > room;
        len += cut ? room : (size_t)n;
        /* Back to the last whole character. */
        while (cut && len && !lm_utf8_valid(line, len, NULL) && len + 4 > LINE_MAX_BYTES - 1) {
            len--;
        }
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7F) {
            line[i] = ' ';
        }
    }
    line[len++] = '\n';
    ssize_t done = write(STDERR_FILENO, line, len);
    (void)done; /* nowhere to report to */
    errno = saved_errno;
}
