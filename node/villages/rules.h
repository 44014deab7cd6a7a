/* What the page of all villages decides, without files, processes or clocks: which mark a village
 * has, how it stands, when it is started again, and what is told of it. */
#ifndef LM_NODE_VILLAGES_RULES_H
#define LM_NODE_VILLAGES_RULES_H

#include "common/base/status.h"
#include "node/server.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    LM_VILLAGE_FOLDER_BYTES = 256,
    LM_VILLAGE_ASK_MS = 1000,    /* between two questions to one village */
    LM_VILLAGE_HEARD_MS = 6000,  /* for how long an answer holds: longer than a question may take */
    LM_VILLAGE_START_MS = 20000, /* a slow disk, a database that went through a power cut */
    LM_VILLAGE_WELL_MS = 60000,  /* who ran that long begins anew with its failures */
    LM_VILLAGE_AGAIN_MS_MAX = 60000,
};

/* Marks. A village keeps its mark, and with it the port and the colour of its pages, whatever comes
 * or goes beside it: at[mark - 1] is a folder's name, "" = free. */
struct lm_village_marks {
    char at[LM_VILLAGES_MAX][LM_VILLAGE_FOLDER_BYTES];
    bool present[LM_VILLAGES_MAX];
};
/* The mark of a folder, which is there from now on; 0 when all are taken by others that are there.
 * A mark of somebody who is not there is given away last. *changed: it is a new one. */
int lm_village_mark_take(struct lm_village_marks *marks, const char *folder, bool *changed);
void lm_village_mark_leave(struct lm_village_marks *marks, const char *folder);
/* {"marks":{"folder":1,…}}, and back: what is not such a document, or of which two have one mark,
 * is false and leaves *marks empty. New reference; NULL: no memory. */
json_t *lm_village_marks_json(const struct lm_village_marks *marks);
bool lm_village_marks_read(const json_t *doc, struct lm_village_marks *marks);

/* How it stands. Times: mono ms; 0 = never. */
enum lm_village_state {
    LM_VILLAGE_UP,       /* answered just now */
    LM_VILLAGE_STARTING, /* its process is young and has not answered yet */
    LM_VILLAGE_SILENT,   /* its process is there and does not answer */
    LM_VILLAGE_DOWN,     /* no process */
};
enum lm_village_state lm_village_state(bool runs, int64_t started_ms, int64_t heard_ms,
                                       int64_t now_ms);
const char *lm_village_state_name(enum lm_village_state state); /* "up", "starting", … */
/* How long to wait after the n-th failure in a row: 1 s, 2 s, 4 s … LM_VILLAGE_AGAIN_MS_MAX. */
int64_t lm_village_again_ms(unsigned failures);
/* Takes "lastmile-node: 中文 / English (code)" apart into *err; false: it is no such line. */
bool lm_village_why(const char *line, struct lm_error *err);

/* What is told of one. */
struct lm_village_facts {
    int mark;
    const char *folder, *station, *name; /* name: of its enrolment */
    enum lm_village_state state;
    int port;                   /* of its page; 0 = not known */
    const struct lm_error *why; /* why it is down; code "" = not known */
    const char *word;           /* what it said of itself (JSON of `introduce`), or NULL */
};
/* The element of GET /api/v1/villages that node/villages/openapi.json describes. New reference;
 * NULL: no memory. */
json_t *lm_village_json(const struct lm_village_facts *facts);
/* The port at the end of "127.0.0.1:5802"; 0 when there is none. */
int lm_village_port(const char *address);

#endif
