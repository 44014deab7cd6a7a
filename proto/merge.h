/* The verdict on a change: merge and rules as a pure function of the change, its author and the current record.
 * design: PROTOCOL.md "Merge". The store calls it inside the transaction that journals the change; `verify` calls it again
 * on replay, so everything that decides must be in its input.
 *
 * Groups: current version = base → set. Otherwise concurrent: the higher rank stands (ties: the higher version), the
 * other is kept as a sibling in a conflict. Equal values are no conflict. */
#ifndef LM_PROTO_MERGE_H
#define LM_PROTO_MERGE_H

#include "proto/change.h"
#include "proto/message.h"
#include "proto/record.h"
#include "proto/validate.h"

struct lm_merge_author {
    uint64_t replica;        /* 0 = the hub */
    enum lm_author by;       /* LM_BY_VILLAGE for every node (a town's node too), LM_BY_TOWN for the hub,
                                LM_BY_SYSTEM for what the hub's program does by itself */
    const char *station;     /* 12 digits of the author's station; the town's code for the hub */
};

/* What the journal says of an earlier change, for bases that are not current. */
struct lm_known_change {
    enum lm_verdict verdict;
    uint64_t rank;
    struct lm_change change; /* decoded into the arena given */
};

struct lm_merge_in {
    const struct lm_catalog *catalog;
    const struct lm_change *change;
    struct lm_merge_author author;
    const struct lm_record *current;     /* NULL: not in the master */
    const char *type_of_id;              /* type name under which this id is known already, or NULL */
    bool creation_refused;               /* the master lacks it because its creation was refused */
    int64_t received_ms;                 /* hub clock */
    int64_t offset_used_ms;              /* for created_at: hub-corrected = author's wall + this */
    const struct lm_lookup *lookup;      /* master as of now; get is also used to see whether references exist */
    /* LM_ERR_NOT_FOUND when the journal has no such change. */
    enum lm_status (*known)(void *ctx, struct lm_arena *arena, const char *id, struct lm_version version,
                            struct lm_known_change *out);
    void *known_ctx;
    bool released;                       /* a person released it from held: missing references no longer hold it */
};

struct lm_sibling_out { /* one group in conflict */
    int group;
    bool change_stands;                  /* else the current value stands */
    struct lm_value change_value, current_value; /* LM_MAP of the group's fields */
    struct lm_version change_version, current_version;
};

struct lm_merge_out {
    enum lm_verdict verdict;
    struct lm_error reason;              /* held, refused, invalid; code "" otherwise */
    char waits_for[96];                  /* held: "record:UUID", "type:NAME", "base:HLC:REPLICA" or "" */
    struct lm_record *record;            /* NULL when nothing is to be stored (held, refused) */
    bool as_sent;                        /* applied, and the record is what the author's own copy now is */
    uint64_t rank;
    struct lm_sibling_out *conflicts;
    size_t n_conflicts;
};

/* LM_OK: out is the verdict, whatever it is. Other statuses: a look-up failed or the arena is out; nothing is
 * decided. Allocates in arena. */
enum lm_status lm_merge(const struct lm_merge_in *in, struct lm_arena *arena,
                        struct lm_merge_out *out) LM_MUST_USE;

/* created_by: the account's id, the same wherever it is computed: lm_uuid_of("user" station name). */
void lm_user_id(const char *station, const char *user, char out[LM_UUID_TEXT + 1]);

#endif
