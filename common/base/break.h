/* Promises broken on purpose, to show that the checks notice (tests/sim/broken.py).
 *
 * LM_BREAK(NAME) stands where a well-known mistake would be made. It is the constant 0 in every
 * build but the preset "broken" (-DLM_BREAKABLE=ON), which is never installed. There one mistake is
 * chosen for the whole process: by LASTMILE_BREAK=name in the environment, or lm_break_choose.
 * A mistake is added as a row here, an `if (LM_BREAK(…))` at its place, and a line in
 * tests/sim/broken.py that says from which seed it is looked for. */
#ifndef LM_BASE_BREAK_H
#define LM_BASE_BREAK_H

#include <stdbool.h>

/* X(NAME, "name", "promise", "what is done wrong") */
#define LM_BREAKS(X)                                                                               \
    X(ACK_BEFORE_COMMIT, "ack-before-commit", "P2", "the hub acks before COMMIT")                  \
    X(MARK_BEFORE_COMMIT, "mark-before-commit", "P2",                                              \
      "the hub's high-water mark in memory moves before COMMIT")                                   \
    X(HUB_SYNC_NORMAL, "hub-sync-normal", "P2", "the hub commits without waiting for the disk")    \
    X(NODE_SYNC_NORMAL, "node-sync-normal", "P1", "a save does not wait for the disk")             \
    X(SAVE_BEFORE_COMMIT, "save-before-commit", "P1", "a save is answered before its COMMIT")      \
    X(ACKED_WITHOUT_HASH, "acked-without-hash", "P8",                                              \
      "the node believes an acked position without comparing its hash")                            \
    X(OVERLAP_UNCOMPARED, "overlap-uncompared", "P8",                                              \
      "the hub drops what it has without comparing the hash there")                                \
    X(GAP_ACCEPTED, "gap-accepted", "P4", "the hub takes a PUSH that leaves a gap")                \
    X(DEDUPE_BY_SEQ, "dedupe-by-seq", "P3", "a change is known by its seq, not by its identity")   \
    X(POISON_DROPPED, "poison-dropped", "P4", "a change that breaks its batch is left out")        \
    X(HELD_REFUSED, "held-refused", "P4", "what waits for something is refused")                   \
    X(NO_REDRIVE, "no-redrive", "P4", "what waited is not judged again when that comes")           \
    X(VERDICT_ONLY_IN_ACK, "verdict-only-in-ack", "P4", "verdicts travel in ACK, not in the feed") \
    X(RETURN_STAYS, "return-stays", "P4", "a correction does not end what was sent back")          \
    X(BLIND_ECHO, "blind-echo", "P5", "the feed leaves out records that the peer changed last")    \
    X(FEED_ONLY_APPLIED, "feed-only-applied", "P5", "concurrent outcomes do not move the feed")    \
    X(NEWEST_ACKED, "newest-acked", "P5", "a page is judged by the newest acked, not its own")     \
    X(WANT_NOT_STORED, "want-not-stored", "P5", "the wanted list is not stored")                   \
    X(WANT_DROPPED_EARLY, "want-dropped-early", "P5", "what is wanted is forgotten when asked")    \
    X(CURSOR_BEFORE_PAGE, "cursor-before-page", "P5", "the cursor is committed before its page")   \
    X(PAGE_FROM_ANYWHERE, "page-from-anywhere", "P5",                                              \
      "a page that does not start at the cursor is taken")                                         \
    X(NOTHING_OFFERED, "nothing-offered", "P7", "a hub that went back is offered nothing")         \
    X(REVOKED_READMITTED, "revoked-readmitted", "P7",                                              \
      "a certificate counts though it was revoked")                                                \
    X(CURSOR_KEPT, "cursor-kept", "P7", "the cursor is not reset when the hub went back")          \
    X(GONE_FORGOTTEN, "gone-forgotten", "P7",                                                      \
      "what left a village before the hub went back is not asked for")                             \
    X(FORK_DROPS_UNSENT, "fork-drops-unsent", "P8", "a fork carries no unsent changes over")       \
    X(CLONE_SERVED, "clone-served", "P8", "two installations on one key are both served")          \
    X(LAST_WRITER_WINS, "last-writer-wins", "P6", "the losing value of two is not kept")           \
    X(EDIT_REVIVES, "edit-revives", "P6", "an edit brings a deleted record back unasked")          \
    X(SEEN_UNCOMPARED, "seen-uncompared", "P6",                                                    \
      "a deletion or a step is taken whatever its author saw")                                     \
    X(EQUAL_CONFLICTS, "equal-conflicts", "P6", "equal values are called a conflict")              \
    X(RANK_WITHOUT_BASE, "rank-without-base", "P6", "a rank ignores the rank of its base")         \
    X(HLC_BELOW_BASE, "hlc-below-base", "P9", "an HLC need not exceed the bases it builds on")     \
    X(HLC_FROM_CLOCK, "hlc-from-clock", "P9", "an HLC is the wall clock, rising or not")           \
    X(COVERAGE_BY_NODE, "coverage-by-node", "P10", "\"as of\" is the node's own clock")            \
    X(COVERAGE_UNACKED, "coverage-unacked", "P10", "complete although the head is not acked")      \
    X(DOUBLES_COUNTED, "doubles-counted", "P10", "one person with two files is counted as two")    \
    X(STRANGER_WRITES, "stranger-writes", "P11", "a station may write another's records")          \
    X(UNKNOWN_DROPPED, "unknown-dropped", "P6", "fields of a newer catalogue are dropped")         \
    X(TYPE_DROPPED, "type-dropped", "P6", "records of a newer catalogue's type are dropped")       \
    X(PAGE_UNBOUNDED, "page-unbounded", "P12", "a page of the feed has no size limit")

enum lm_break {
    LM_BREAK_NONE,
#define LM_BREAK_NAME(name, text, promise, what) LM_BREAK_##name,
    LM_BREAKS(LM_BREAK_NAME)
#undef LM_BREAK_NAME
        LM_BREAK_COUNT
};

struct lm_break_row {
    const char *name, *promise, *what;
};
/* Rows of [1, LM_BREAK_COUNT). In every build. */
extern const struct lm_break_row lm_breaks[LM_BREAK_COUNT];

#ifdef LM_BREAKABLE
extern enum lm_break lm_break_chosen;
#define LM_BREAK(name) (lm_break_chosen == LM_BREAK_##name)
#else
#define LM_BREAK(name) false
#endif

/* Chooses by name; false when there is no such mistake, or this build cannot make any. Before any
 * thread is started. */
bool lm_break_choose(const char *name);

#endif
