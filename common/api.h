/* What the JSON APIs of both programs share, /api/v1: who may use an address, bodies, errors, and
 * what handlers read from a request. Handlers run on the HTTP server's thread. Each program has a
 * struct lm_api of its own, a table of routes, and an openapi.json that a test holds against it. */
#ifndef LM_COMMON_API_H
#define LM_COMMON_API_H

#include "common/account.h"
#include "common/base/util.h"
#include "common/http.h"
#include "common/tries.h"
#include "proto/validate.h"

#include <jansson.h>
#include <stdio.h>

#define LM_API_V "/api/v1/"

struct lm_api; /* the program's */
struct lm_api_call;

enum lm_api_who {
    LM_API_ANYONE,     /* before login */
    LM_API_LOCKED_TOO, /* a session that is locked: to unlock or to leave it */
    LM_API_USER,
    LM_API_ADMIN,
    /* At the hub. Records are clerks' work; a leader sees figures and masked rows only. Who keeps
     * the machines (admin), the accounts (security) or watches both (auditor) has none of it, and
     * no two of the three are one person's (hub/store/accounts.c). */
    LM_API_CLERK,
    LM_API_DESK,     /* clerk, admin: settings, sticks */
    LM_API_FIGURES,  /* clerk, leader */
    LM_API_BOARD,    /* clerk, leader, admin: the stations board */
    LM_API_SIGNER,   /* leader: signs what clerks made */
    LM_API_SECURITY, /* accounts */
    LM_API_AUDITOR   /* the audit log */
};

/* One request at work. */
struct lm_api_call {
    struct lm_api *api;
    const struct lm_api_door *door;
    const struct lm_http_request *request;
    struct lm_http_response *response;
    struct lm_session *session; /* NULL for LM_API_ANYONE without one */
    json_t *body;               /* an object, or NULL */
    json_t *answer;             /* what the handler gives; NULL = 204 or a body of its own */
    json_t *more;               /* further members of an error's document, or NULL */
    bool whole;                 /* who asks may see all of the answer: the door covers nothing */
    struct lm_error err;
};
/* LM_OK: answer (or the response itself) is filled in. Else err says why. */
typedef enum lm_status (*lm_api_handler)(struct lm_api_call *call);
struct lm_api_route {
    const char *method, *path;
    enum lm_api_who who;
    lm_api_handler handler;
};

/* What stands behind every address of one program. */
struct lm_api_door {
    struct lm_api *api;
    struct lm_sessions *sessions;
    const char *cookie; /* its name */
    /* Whether the account is as it was when the session began: another process may have closed it,
     * or changed its password. False ends the session. NULL = nobody else changes accounts. */
    bool (*still)(struct lm_api *api, const struct lm_session *session);
    /* Before each handler: whether who asks reads the pages in English (a cookie of theirs says so;
     * who has none reads Chinese). NULL = nobody wants to know. */
    bool *english;
    /* Before each handler; NULL = nothing to do. */
    enum lm_status (*before)(struct lm_api *api, struct lm_error *err);
    /* Around the handler of a GET, behind `before`: all that it reads is of one moment. NULL = it
     * need not be. hold_end follows each hold_begin that was LM_OK. */
    enum lm_status (*hold_begin)(struct lm_api *api, struct lm_error *err);
    void (*hold_end)(struct lm_api *api);
    /* Takes out of answer, more and err what who asks may not see. NULL = nothing. */
    void (*cover)(struct lm_api_call *call);
};
struct lm_api_binding {
    const struct lm_api_door *door;
    const struct lm_api_route *route;
};
/* Fills routes[n] and bindings[n] for the n routes of table; door, table and bindings must outlive
 * the server. */
void lm_api_bind(const struct lm_api_door *door, const struct lm_api_route *table, size_t n,
                 struct lm_api_binding *bindings, struct lm_http_route *routes);

/* ---- for handlers ---- */

/* A member of the body as text; LM_ERR_INVALID names it when it is missing (required) or no text.
 * *out NULL: not there. */
enum lm_status lm_api_text(struct lm_api_call *call, const char *name, bool required,
                           const char **out) LM_MUST_USE;
/* A whole number of the query, at least min and at most max; fallback when absent. */
enum lm_status lm_api_number(struct lm_api_call *call, const char *name, int64_t min, int64_t max,
                             int64_t fallback, int64_t *out) LM_MUST_USE;
/* Runs a command in the loop of the server that this thread belongs to, through its control socket
 * (common/control.h), and waits: what it printed is in out; when it failed, its message is err.
 * Nobody but the page's own words go into argv: no argument may begin with "-" that a person gave.
 */
enum lm_status lm_api_command(struct lm_api_call *call, const char *dir, int argc, char **argv,
                              FILE *in, int wait_s, struct lm_buf *out) LM_MUST_USE;
/* Before a password of somebody who is not logged in is judged (tries.h). LM_ERR_BUSY
 * LM_API_TOO_MANY_TRIES: it is not; 429 with Retry-After. */
#define LM_API_TOO_MANY_TRIES "too_many_tries"
enum lm_status lm_api_try(struct lm_api_call *call, struct lm_tries *tries) LM_MUST_USE;
/* LM_ERR_DENIED "locked_out", the same words for every name. */
enum lm_status lm_api_locked_out(struct lm_api_call *call, int64_t left_ms) LM_MUST_USE;
enum lm_status lm_api_no_memory(struct lm_api_call *call);
/* A path's {id} in canonical form; LM_ERR_NOT_FOUND else. */
enum lm_status lm_api_id(struct lm_api_call *call, size_t param,
                         char out[LM_UUID_TEXT + 1]) LM_MUST_USE;

/* [{code, field, text, level}]; what is doubtful ("warn") or wrong ("refuse") with an entry. New
 * reference. */
json_t *lm_api_issues(const struct lm_issues *issues);

#endif
