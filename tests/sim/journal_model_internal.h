/* What the files of the journal model share: what it knows, and what it predicts. journal_model.c
 * has the knowledge and follows the journal, journal_judge.c says what a change must have done,
 * journal_compare.c holds the hub's tables against it. */
#ifndef LM_TESTS_SIM_JOURNAL_MODEL_INTERNAL_H
#define LM_TESTS_SIM_JOURNAL_MODEL_INTERNAL_H

#include "tests/sim/journal_model.h"

#include "hub/store/store_internal.h"

enum { BUCKETS = 4096, FORMER_MAX = 6 };

struct stamp {
    uint64_t hlc, replica, rank;
};
struct known { /* one change by identity */
    struct known *next;
    uint64_t replica, hlc, rank, pos;
    int verdict;
    bool recovered; /* made of what nodes gave back: its author's own bytes may still come */
    char record[40];
    uint8_t *body;
    size_t n;
};
struct rec {
    struct rec *next;
    char id[40];
    const struct lm_type *type;
    struct stamp *stamps; /* [type->n_groups] */
    bool *loose;          /* groups not predicted in this batch */
    bool deleted;
    char villages[FORMER_MAX][16]; /* where it is and was, the newest first */
    /* of this batch */
    bool touched, was_deleted, may_revive, all_loose;
    unsigned n_entries;
    int last_verdict;
    char last_station[16];
};
struct wait {
    struct wait *next;
    uint64_t pos;
    char key[96], station[16];
};
struct branch {
    struct branch *next;
    uint64_t replica, branch, seq, hlc;
    uint8_t hash[LM_HASH_BYTES];
    bool touched;
};
struct journal_model {
    const struct lm_catalog *first, *catalog; /* at the start, and the last one of this run */
    uint64_t pos;
    int64_t went_back_ms; /* when this history began, if it is not the first; 0 */
    uint8_t mark[LM_HASH_BYTES];
    struct known *known[BUCKETS];
    struct rec *recs[BUCKETS];
    struct branch *branches;
    struct wait *waits;
    struct lm_arena arena, deep; /* one entry; a base's body */
    struct journal_fault *fault;
};

/* An entry of the journal that is judged: a change, or a later verdict on one. */
struct entry {
    const struct lm_jentry *e;
    struct lm_change change;
    struct known *self; /* the change that it is about */
    uint64_t replica, hlc;
    int64_t received_ms; /* of the change itself */
    bool later;
};

/* Fills m->fault; always false. */
bool jm_wrong(struct journal_model *m, const char *promise, uint64_t pos, const char *fmt, ...)
    LM_PRINTF(4, 5);
/* NULL: not known. record NULL: of any. (A PC that was set back may give out an HLC again, for
 * another record.) */
struct known *jm_find(const struct journal_model *m, const char *record, uint64_t replica,
                      uint64_t hlc);
struct rec *jm_find_rec(const struct journal_model *m, const char *id);
/* NULL: of a type that this catalogue lacks. */
struct rec *jm_add_rec(struct journal_model *m, const struct entry *x);
void jm_add_wait(struct journal_model *m, uint64_t pos, const char *station, const char *reason);
void jm_note_village(struct rec *r, const char *village); /* where it is from now on */
/* Groups that the first catalogue has. What becomes of a later one's depends on which was in force
 * when: the master is believed (ledger.c holds its values against what was said). */
size_t jm_lasting(const struct journal_model *m, const struct rec *r);

/* Whether verdict, rank and effect of this entry are what the rules say; notes what must have come
 * of it. */
bool jm_judge(struct journal_model *m, struct lm_store *hub, const struct entry *x);
/* After a batch: whether the master has what was predicted of r, and `branches` what was followed.
 */
bool jm_compare_record(struct journal_model *m, struct lm_store *hub, struct rec *r);
bool jm_compare_branch(struct journal_model *m, struct lm_store *hub, struct branch *b);

#endif
