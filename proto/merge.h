/* The verdict on a change: merge and rules as a pure function of the change, its author and the
 * current record. design: PROTOCOL.md "Merge". The store calls it inside the transaction that
 * journals the change; `verify` calls it again on replay, so everything that decides must be in its
 * input.
 *
 * Groups: current version = base → set. Otherwise concurrent: the higher rank stands (ties: the
 * higher version), the other is kept as a sibling in a conflict. Equal values are no conflict: of
 * their two stamps the higher one stands, so that the outcome never depends on the order of
 * arrival. A record with a conflict that is also invalid has verdict invalid. */
#ifndef LM_PROTO_MERGE_H
#define LM_PROTO_MERGE_H

#include "proto/change.h"
#include "proto/message.h"
#include "proto/record.h"
#include "proto/validate.h"

struct lm_merge_author {
    uint64_t replica;  /* 0 = the hub */
    enum lm_author by; /* LM_BY_VILLAGE for every node (a town's node too), LM_BY_TOWN for the hub,
                          LM_BY_SYSTEM for what the hub's program does by itself */
    const char *station; /* 12 digits of the author's station; the town's code for the hub */
};

/* What the journal says of an earlier change, for bases that are not current. */
struct lm_known_change {
    enum lm_verdict verdict;
    uint64_t rank;
    struct lm_change change; /* decoded into the arena given */
};

struct lm_merge_in {
    const struct lm_catalog *catalog;
    /* The catalogue that the change names, when that is an older one and is known here; else NULL.
     * It says what could be asked of the author. */
    const struct lm_catalog *made_with;
    const struct lm_change *change;
    struct lm_merge_author author;
    const struct lm_record *current; /* NULL: not in the master */
    const char *type_of_id;          /* type name under which this id is known already, or NULL */
    bool creation_refused;           /* the master lacks it because its creation was refused */
    int64_t received_ms;             /* hub clock */
    int64_t went_back_ms;   /* hub clock when this hub last began a new history, having gone
                               back in time; 0: it never did. Moves of records between
                               villages may be lost since */
    int64_t offset_used_ms; /* for created_at: hub-corrected = author's wall + this */
    const struct lm_lookup
        *lookup; /* master as of now; get is also used to see whether references exist */
    /* LM_ERR_NOT_FOUND when the journal has no such change. */
    enum lm_status (*known)(void *ctx, struct lm_arena *arena, const char *id,
                            struct lm_version version, struct lm_known_change *out);
    void *known_ctx;
    bool released;  /* a person released it from held: missing references and bases, and guarded
                       groups changed meanwhile ("confirm"), no longer hold it */
    bool recovered; /* a version out of a history of the hub that is gone, taken over by a person:
                       what its author might do was judged there and is not judged again. A state
                       that has moved since is argued about by rank, like a value. Goes with
                       released */
};

struct lm_sibling_out { /* one group in conflict */
    int group;
    bool change_stands;                          /* else the current value stands */
    struct lm_value change_value, current_value; /* LM_MAP of the group's fields */
    struct lm_version change_version, current_version;
};

struct lm_merge_out {
    enum lm_verdict verdict;
    struct lm_error reason;   /* held, refused, invalid; code "" otherwise */
    char waits_for[96];       /* held: "record:UUID", "type:NAME", "base:HLC:REPLICA",
                                 "moved:UUID" or "" */
    struct lm_record *record; /* NULL when nothing is to be stored (held, refused) */
    bool as_sent;             /* applied, and the record is what the author's own copy now is */
    uint64_t rank;
    struct lm_sibling_out *conflicts;
    size_t n_conflicts;
};

/* LM_OK: out is the verdict, whatever it is. Other statuses: a look-up failed or the arena is out;
 * nothing is decided. Allocates in arena. */
enum lm_status lm_merge(const struct lm_merge_in *in, struct lm_arena *arena,
                        struct lm_merge_out *out) LM_MUST_USE;

/* Fills the origin of a record that `change` creates (lm_record_new has set its id): village_code
 * (the author's station; an author at the hub may name another in the change's fields), station,
 * created_by, created_at and device_id. created_at = the author's raw wall clock + offset_ms, never
 * later than received_ms (INT64_MAX: no bound). The hub passes the offset it journaled and its
 * receipt time; a node its own offset (0 when unknown) and INT64_MAX. LM_ERR_MEMORY: the arena is
 * out. */
enum lm_status lm_origin_fill(struct lm_record *rec, const struct lm_change *change,
                              struct lm_merge_author author, int64_t offset_ms, int64_t received_ms,
                              struct lm_arena *arena) LM_MUST_USE;

/* The author's own copy after its own change: values set, groups touched stamped (all of them at
 * creation) with rank 0, deleted_at set or cleared. current NULL: creation. Computed fields and
 * presets are not filled: call lm_compute. set is what lm_fields_check made of change->fields.
 * Judges nothing. LM_ERR_INVALID: an edit without a record. */
enum lm_status lm_change_apply_local(const struct lm_catalog *catalog,
                                     const struct lm_record *current,
                                     const struct lm_change *change, const struct lm_fieldset *set,
                                     struct lm_merge_author author, struct lm_arena *arena,
                                     struct lm_record **out) LM_MUST_USE;

/* What the editor saw, written into change: base_all, bases and, for deletes and transitions, seen;
 * current is the record as shown to the editor (NULL at creation). Needs change->op. Every program
 * that makes changes uses it: a transition or delete also names the versions of the guarded groups.
 * *highest_out (nullable): the highest HLC among these bases, which the change's HLC must exceed.
 * LM_ERR_MEMORY. */
enum lm_status lm_change_see(const struct lm_type *type, const struct lm_record *current,
                             const struct lm_fieldset *set, struct lm_change *change,
                             struct lm_arena *arena, uint64_t *highest_out) LM_MUST_USE;
/* Adds to set the other fields of every merge group that it touches, as current holds them, where
 * this author may edit them: a group is versioned, and argued about, as one. Fields past
 * LM_CHANGE_FIELDS_MAX are left out. */
void lm_fieldset_complete(const struct lm_type *type, const struct lm_record *current,
                          enum lm_author author, struct lm_fieldset *set);

/* created_by: the account's id, the same wherever it is computed: lm_uuid_of("user" station name).
 */
void lm_user_id(const char *station, const char *user, char out[LM_UUID_TEXT + 1]);

#endif
