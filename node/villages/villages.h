/* Several villages on one PC. FOLDER holds a data directory for each, of an enrolment of its own:
 * own key, own database, nothing shared. `lastmile-node villages --data FOLDER` runs a `serve` of
 * its own for each of them, and a page (the front) that lists them at one address: a village that
 * crashes, hangs or has a damaged database is shown as such, is started again, and stops no other.
 *
 * The front opens no database and no key's secret: what it tells of a village that village told it,
 * through its control socket (`introduce`), and at that occasion learns where the front is and
 * which mark tells it from its neighbours.
 *
 *   list.c    which folders are villages, and the mark that each keeps (FOLDER/villages.json)
 *   keeper.c  their processes: started, heard on stderr, ended, started again
 *   asker.c   one thread a village that asks it how it stands, so that one who hangs holds up
 * nobody front.c   the page and its API rules.c   decisions without files, processes or clocks
 *
 * The loop (node/commands/villages.c) owns the list and the processes; what other threads read is
 * written under the mutex. */
#ifndef LM_NODE_VILLAGES_H
#define LM_NODE_VILLAGES_H

#include "common/datadir.h"
#include "common/http.h"
#include "node/key.h"
#include "node/villages/rules.h"

#include <pthread.h>
#include <sys/types.h>

#define LM_VILLAGES_LOCK "villages.lock"
#define LM_VILLAGE_LINE_BYTES 1024

struct lm_villages;
struct lm_village {
    struct lm_villages *all;
    /* set when it is found */
    int mark;
    char folder[LM_VILLAGE_FOLDER_BYTES], path[PATH_MAX];
    char station[13], name[LM_NODE_KEY_TEXT_MAX]; /* of its enrolment; station "": not known */
    pthread_t asker;
    bool asked; /* the thread is there */
    /* the loop's alone */
    int err_fd; /* its stderr; -1 = none */
    char line[LM_VILLAGE_LINE_BYTES];
    size_t line_n;
    int64_t start_at_ms; /* mono: not to be started before */
    unsigned failures;   /* in a row */
    bool leaving;        /* its folder is gone: it is ended and forgotten */
    /* the mutex's, written by the loop */
    pid_t pid;    /* 0 = none of ours */
    bool foreign; /* somebody else serves it */
    int64_t started_ms;
    struct lm_error why; /* what it said last before it ended; code "" = nothing */
    /* the mutex's, written by its asker */
    char *word;       /* malloc'ed, NULL = none */
    int64_t heard_ms; /* mono */
    int port;         /* of its page, as it said; 0 = not known. Kept for its next start */
    /* the mutex's */
    bool stopping; /* its asker is to end */
};
struct lm_villages {
    struct lm_datadir folder;  /* locked */
    char host[80];             /* of --http, without the port */
    int port;                  /* of the front, as bound */
    bool fixed;                /* --http named the port: villages have those behind it */
    const char *sticks, *idle; /* --sticks, --idle for each serve, or NULL */
    struct lm_http *http;
    struct lm_village_marks marks;
    bool too_many; /* it was said that there are */
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* askers that are to stop */
    struct lm_village *at[LM_VILLAGES_MAX];
    size_t n; /* the loop changes it under the mutex */
};

/* Looks for villages in the folder: new ones are added, those whose folder is gone begin to leave.
 * Says what is wrong on stderr; only LM_ERR_MEMORY and LM_ERR_INTERNAL are failures. */
enum lm_status lm_villages_look(struct lm_villages *all, struct lm_error *err) LM_MUST_USE;
/* Forgets a village that has no process any more; waits for its asker (10 s at most). */
void lm_villages_forget(struct lm_villages *all, struct lm_village *village);

/* Starts whoever is due, and notes who has ended. now_ms: mono. */
void lm_keeper_round(struct lm_villages *all, int64_t now_ms);
/* Takes what it said on stderr, and passes it on with its name before it. */
void lm_keeper_hear(struct lm_village *village);
/* Ends all of them: SIGTERM, and SIGKILL after wait_ms. Blocks. */
void lm_keeper_end(struct lm_villages *all, int64_t wait_ms);

enum lm_status lm_asker_start(struct lm_village *village, struct lm_error *err) LM_MUST_USE;
/* Blocks until its question has been answered or given up (10 s at most). */
void lm_asker_stop(struct lm_village *village);

/* address: of --http. Fills in host, port, fixed. */
enum lm_status lm_front_start(struct lm_villages *all, const char *address,
                              struct lm_error *err) LM_MUST_USE;

#endif
