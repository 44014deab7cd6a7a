/* What an ended run left half made: see db.h. */
#include "common/base/log.h"
#include "common/base/util.h"
#include "common/db.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MARK_CHARS = 16, OTHERS_AFTER_S = 3600 };

void lm_db_run_mark(char out[LM_RUN_MARK])
{
    struct lm_rand rnd;

    lm_rand_seed_system(&rnd);
    (void)snprintf(out, LM_RUN_MARK, "%08x%08x", (unsigned)getpid(),
                   (unsigned)(lm_rand_next(&rnd) & UINT32_MAX));
}

/* Whether the process that the mark names is gone. */
static bool is_dead(const char *mark)
{
    char text[9];
    unsigned long pid;

    memcpy(text, mark, 8);
    text[8] = '\0';
    pid = strtoul(text, NULL, 16);
    return pid == 0 || pid > INT_MAX || (kill((pid_t)pid, 0) != 0 && errno == ESRCH);
}

/* The mark in a name START…PREFIX<mark>, with nothing behind it; NULL: it is none such. */
static const char *mark_in(const char *name, const char *prefix)
{
    size_t n = strlen(name), p = strlen(prefix);
    const char *mark = n >= p + MARK_CHARS ? name + n - MARK_CHARS : NULL;

    return mark && strspn(mark, "0123456789abcdef") == MARK_CHARS &&
                   strncmp(mark - p, prefix, p) == 0
               ? mark
               : NULL;
}

/* What another computer makes here just now (a stick, a shared folder) has a mark that says nothing
 * on this one: only its age does, unless it is of the very file that is to be made. */
static bool may_be_anothers(const char *path, const char *name, const char *own)
{
    struct stat info;

    return (!own || strncmp(name, own, strlen(own)) != 0) &&
           (stat(path, &info) != 0 ||
            lm_clock_wall_ms() / 1000 - (int64_t)info.st_mtime < OTHERS_AFTER_S);
}

void lm_db_sweep(const char *directory, const char *prefix, bool shared, const char *own)
{
    char path[PATH_MAX], inside[PATH_MAX + 16];
    struct dirent *entry;
    DIR *dir = opendir(directory);

    while (dir && (entry = readdir(dir)) != NULL) {
        const char *mark = mark_in(entry->d_name, prefix);

        if (!mark || (!shared && mark != entry->d_name + strlen(prefix)) || !is_dead(mark) ||
            (size_t)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) >= sizeof path ||
            (shared && may_be_anothers(path, entry->d_name, own))) {
            continue;
        }
        (void)snprintf(inside, sizeof inside, "%s/node.db", path);
        lm_db_remove(inside);
        if (rmdir(path) != 0) {
            lm_db_remove(path);
        }
        if (access(path, F_OK) == 0) {
            continue;
        }
        lm_log(LM_LOG_WARN, "db", "removed the unfinished copy that an ended run left: %s", path);
    }
    if (dir) {
        (void)closedir(dir);
    }
}
