/* The audit log of the town: who logged in, saw what is sensitive, changed, printed or took
 * away what, and why. A database of its own beside the hub's ("audit.db"), written by the HTTP
 * thread and by the commands that keep accounts: reading a person's card must not wait for the
 * writer, and a restored hub keeps what was seen since. Each row's hash covers the row and the hash
 * before it, so that a row that was changed or taken out shows. The hub's own database keeps
 * anchors (the number and hash of the newest row, daily and at each backup), by which it shows that
 * the end is missing or that the file was begun anew. Nothing is ever deleted (a town writes a few
 * MB a year); backups of the hub hold it, and a restore brings back what is missing here.
 *
 * It also keeps how often a password was wrong in a row, for the lock-out must hold over a restart.
 */
#ifndef LM_HUB_AUDIT_H
#define LM_HUB_AUDIT_H

#include "common/base/util.h"
#include "common/datadir.h"

#include <jansson.h>

#define LM_AUDIT_ROWS_MAX 500
#define LM_AUDIT_TEXT_MAX 400 /* characters of a reason or detail; more is cut */

struct lm_audit;
/* Makes it when it is not there. One thread's. */
enum lm_status lm_audit_open(const struct lm_datadir *dir, struct lm_audit **out,
                             struct lm_error *err) LM_MUST_USE;
void lm_audit_close(struct lm_audit **audit);

struct lm_audit_entry {
    int64_t at_ms;
    const char *user, *role; /* "" before login */
    const char *what;        /* "login", "login_failed", "reveal", "approve" … */
    const char *object;      /* a record's id, a type, an account; or "" */
    const char *reason;      /* a person's words, or "" */
    const char *detail;      /* the program's, e.g. how many rows; or "" */
};
/* Durable when it returns: whoever is about to show something sensitive writes first. */
enum lm_status lm_audit_add(struct lm_audit *audit, const struct lm_audit_entry *entry,
                            struct lm_error *err) LM_MUST_USE;
/* {"rows":[{"n","at","user","role","what","object","reason","detail"}]}, newest first, those below
 * `before` (0 = from the newest), at most LM_AUDIT_ROWS_MAX; what and user NULL = all. New
 * reference. */
enum lm_status lm_audit_list(struct lm_audit *audit, const char *what, const char *user,
                             int64_t before, size_t rows, json_t **out,
                             struct lm_error *err) LM_MUST_USE;
/* The number of the first row whose hash does not follow, 0 = the chain holds; *n_out: rows. */
enum lm_status lm_audit_verify(struct lm_audit *audit, int64_t *first_bad_out, int64_t *n_out,
                               struct lm_error *err) LM_MUST_USE;

/* Number (0 = none) and hash of the newest row; the hash of row n (LM_ERR_NOT_FOUND). */
enum lm_status lm_audit_head(struct lm_audit *audit, int64_t *n_out, uint8_t hash[LM_HASH_BYTES],
                             struct lm_error *err) LM_MUST_USE;
enum lm_status lm_audit_hash_at(struct lm_audit *audit, int64_t n, uint8_t hash[LM_HASH_BYTES],
                                struct lm_error *err) LM_MUST_USE;
/* Takes over what a backup's database (its table audit_kept) has beyond this log: never fewer rows
 * than before. Where this log was begun anew and is shorter, the backup's stands and its rows
 * follow, chained anew. *taken_out: rows of the backup that were not here. */
enum lm_status lm_audit_join(struct lm_audit *audit, const char *backup_path, int64_t *taken_out,
                             struct lm_error *err) LM_MUST_USE;

/* Wrong passwords in a row for what the caller counts under `user`, and when the last was. At most
 * LM_AUDIT_FAILURES_MAX are kept: the oldest gives way. */
#define LM_AUDIT_FAILURES_MAX 4096
enum lm_status lm_audit_failures(struct lm_audit *audit, const char *user, unsigned *n_out,
                                 int64_t *at_ms_out, struct lm_error *err) LM_MUST_USE;
enum lm_status lm_audit_set_failures(struct lm_audit *audit, const char *user, unsigned n,
                                     int64_t at_ms, struct lm_error *err) LM_MUST_USE;

#endif
