/* The data directory of a program: made 0700, checked before use, locked by who serves. */
#ifndef LM_COMMON_DATADIR_H
#define LM_COMMON_DATADIR_H

#include "common/base/status.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lm_datadir {
    char path[PATH_MAX];
    int lock_fd; /* -1 when not locked */
};
/* path: --data, else LASTMILE_DATA, else NULL → error "no_data_dir". must_exist: a missing
 * directory is LM_ERR_NOT_FOUND with the command that makes one; else it is made. LM_ERR_DENIED
 * when not writable (says who owns it). */
enum lm_status lm_datadir_open(const char *path, bool must_exist, struct lm_datadir *out,
                               struct lm_error *err) LM_MUST_USE;
/* Takes the named lock file (flock, not waiting): LM_ERR_BUSY names the process that holds it. */
enum lm_status lm_datadir_lock(struct lm_datadir *dir, const char *name,
                               struct lm_error *err) LM_MUST_USE;
void lm_datadir_close(struct lm_datadir *dir);
/* path/name into out; LM_ERR_LIMIT when too long. */
enum lm_status lm_datadir_path(const struct lm_datadir *dir, const char *name, char *out,
                               size_t n) LM_MUST_USE;
/* Whole file, ≤ max bytes, NUL-terminated, malloc'ed. LM_ERR_NOT_FOUND, LM_ERR_LIMIT, LM_ERR_IO. */
enum lm_status lm_file_read(const char *path, size_t max, char **out, size_t *n_out,
                            struct lm_error *err) LM_MUST_USE;
/* Written to a temporary beside it, fsynced, renamed, directory fsynced. mode e.g. 0600. */
enum lm_status lm_file_write(const char *path, const void *data, size_t n, int mode,
                             struct lm_error *err) LM_MUST_USE;
/* Free bytes for ordinary users on the file system of path; -1 when unknown. */
int64_t lm_free_bytes(const char *path);

#endif
