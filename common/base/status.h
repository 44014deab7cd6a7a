/* Outcomes. Every function that can fail returns enum lm_status; functions at a boundary (a file, a
 * peer, a person) also fill a caller-owned struct lm_error with words for people.
 *
 * LM_CHECK is for our own mistakes only and stays on in release. What a peer, a file, a user, a
 * disk or the memory does is a status, never a check. */
#ifndef LM_BASE_STATUS_H
#define LM_BASE_STATUS_H

#include <stdarg.h>
#include <stddef.h>

#define LM_MUST_USE __attribute__((warn_unused_result))
#define LM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

enum lm_status {
    LM_OK = 0,
    LM_ERR_INVALID,   /* the input is wrong: mend it, a repeat will not help */
    LM_ERR_LIMIT,     /* a stated bound of limits.h was passed */
    LM_ERR_NOT_FOUND, /* nothing of that name or id */
    LM_ERR_EXISTS,    /* there already, with other content */
    LM_ERR_DENIED,    /* not allowed for who asks */
    LM_ERR_BUSY,      /* somebody else holds it: try again */
    LM_ERR_IO,        /* file, disk or socket failed */
    LM_ERR_FULL,      /* no space left */
    LM_ERR_CORRUPT,   /* stored data is not what was stored */
    LM_ERR_VERSION,   /* made by a newer program, protocol or catalogue */
    LM_ERR_NETWORK,   /* peer not reachable, or not who it should be */
    LM_ERR_TIMEOUT,
    LM_ERR_MEMORY,
    LM_ERR_INTERNAL, /* our own mistake, seen in time */
};

/* What to tell a person. zh and en are whole sentences; field is a path that contains the field's
 * name, or "". code is a stable word for programs ("required", "bad_code", "disk_full", …). */
struct lm_error {
    char code[32];
    char field[96];
    char zh[400];
    char en[400];
};

/* Fills *err (nullable) and returns status, so that a caller can `return lm_fail(err, …)`.
 * zh and en share one argument list: both formats take the same arguments in the same order. Texts
 * that are data (of the catalogue, of a library) go through "%s". */
enum lm_status lm_fail(struct lm_error *err, enum lm_status status, const char *code,
                       const char *field, const char *zh, const char *en, ...) LM_PRINTF(5, 7)
    LM_PRINTF(6, 7);

/* A short constant English name of a status ("invalid", "limit", …). Never NULL. */
const char *lm_status_name(enum lm_status status);

/* Ends the process with file, line and text on stderr. */
_Noreturn void lm_check_failed(const char *file, int line, const char *what);
#define LM_CHECK(cond) ((cond) ? (void)0 : lm_check_failed(__FILE__, __LINE__, #cond))

#endif
