/* What the files of merge share: the working state of one verdict. Private to proto/merge*.c.
 *
 * lm_merge runs a list of steps over struct merge. A step that reaches a verdict sets `decided`
 * (merge_refuse, merge_hold) and returns LM_OK; a status other than LM_OK means that nothing is
 * decided. `current` is never written. */
#ifndef LM_PROTO_MERGE_INTERNAL_H
#define LM_PROTO_MERGE_INTERNAL_H

#include "proto/merge.h"

#include <stdio.h>

/* Steps through journaled changes (bases of refused changes, transfers, merged persons) stop here.
 */
#define MERGE_CHAIN_MAX 64

struct merge_group {
    bool touched;  /* the change sets a field of it */
    bool listed;   /* the change names its base by itself, not by base_all */
    bool resolved; /* base and seen below are filled */
    bool seen;     /* the base, resolved, is the current version */
    struct lm_version
        base; /* resolved: refused changes of the author replaced by what they were built on */
    uint64_t base_rank;
};

struct merge {
    const struct lm_merge_in *in;
    struct lm_arena *arena;
    struct lm_merge_out *out;
    const struct lm_catalog *catalog;
    const struct lm_change *change;
    const struct lm_type *type;
    const struct lm_record *current;
    bool creates; /* a creation of what is not there yet */
    bool newer;   /* made with a catalogue that is not here yet */
    struct lm_version version;
    struct lm_fieldset set;     /* without the origin of a creation */
    struct merge_group *groups; /* [type->n_groups] */
    bool dropped;               /* something that said nothing was left out of the set */
    bool transition;            /* the change asks for another state than the current one */
    bool changed;               /* some ordinary value of the record is another now */
    bool concurrent;
    struct lm_record *next;
    bool decided;
};

/* Verdicts: each ends the merge. */
void merge_refuse(struct merge *m, const char *code, const char *field, const char *zh,
                  const char *en);
/* The same about one field: "“label”zh", "\"Label\" en". */
void merge_refuse_field(struct merge *m, const char *code, const struct lm_field *field,
                        const char *zh, const char *en);
void merge_refuse_with(struct merge *m, const struct lm_error *error);
void merge_hold(struct merge *m, const char *code, const char *zh, const char *en);
#define MERGE_WAITS(m, ...)                                                                        \
    ((void)snprintf((m)->out->waits_for, sizeof((m)->out->waits_for), __VA_ARGS__))

/* merge_older.c: whether this fault can't be told of, or this refusal not given, because the change
 * was made with an older catalogue. */
bool merge_older_lacks(const struct merge *m, const struct lm_error *error);
bool merge_older_may(const struct merge *m, const struct lm_error *error);

/* Small questions. */
bool merge_state_in(const char *const *states, const char *state); /* false for NULL */
/* The author's wall clock, corrected by offset_ms and no later than received_ms, as canonical
 * date-time. */
enum lm_status merge_time(const struct lm_change *change, int64_t offset_ms, int64_t received_ms,
                          struct lm_arena *arena, struct lm_value *out) LM_MUST_USE;
int64_t merge_author_offset(const struct lm_change *change); /* as the author itself knew it */
enum lm_status merge_unknown(struct lm_record *rec, const struct lm_value *unknown,
                             struct lm_arena *arena) LM_MUST_USE;
/* Stamps what is unknown in this change by the fields' names. */
enum lm_status merge_unknown_stamps(struct lm_record *rec, const struct lm_value *unknown,
                                    struct lm_stamp stamp, struct lm_arena *arena);

/* Steps. */
enum lm_status merge_step_author(struct merge *m) LM_MUST_USE; /* merge_author.c */
enum lm_status merge_step_owner(struct merge *m) LM_MUST_USE;
enum lm_status merge_step_authorize(struct merge *m) LM_MUST_USE;
enum lm_status merge_step_bases(struct merge *m) LM_MUST_USE;   /* merge_bases.c */
enum lm_status merge_step_deleted(struct merge *m) LM_MUST_USE; /* merge_state.c */
enum lm_status merge_step_state(struct merge *m) LM_MUST_USE;
enum lm_status merge_step_reopen(struct merge *m) LM_MUST_USE;
enum lm_status merge_step_references(struct merge *m) LM_MUST_USE; /* merge_references.c */
enum lm_status merge_step_values(struct merge *m) LM_MUST_USE;     /* merge_groups.c */

/* Resolves the base of one group (merge_bases.c). May decide: held "base". */
enum lm_status merge_resolve(struct merge *m, int group) LM_MUST_USE;
/* The state that the author saw, or NULL when it can't be told (merge_bases.c). */
enum lm_status merge_seen_state(struct merge *m, const char **out) LM_MUST_USE;
/* Sets one group of next from the set, or keeps what is there and records the conflict
 * (merge_groups.c). With never_stands the change's value becomes a sibling whatever its rank. */
enum lm_status merge_group_values(struct merge *m, int group, const struct lm_fieldset *set,
                                  bool never_stands) LM_MUST_USE;
/* Records a conflict and makes the verdict concurrent; values are LM_MAPs of the group's fields
 * (merge_groups.c). */
enum lm_status merge_conflict(struct merge *m, int group, bool change_stands,
                              struct lm_value change_value,
                              struct lm_value current_value) LM_MUST_USE;
/* The group's fields as a map: the set's (nullable) where it has them, else the record's (NULL:
 * null) (merge_groups.c). */
enum lm_status merge_group_map(struct merge *m, int group, const struct lm_record *rec,
                               const struct lm_fieldset *set, struct lm_value *out) LM_MUST_USE;
void merge_stamp(struct merge *m,
                 int group); /* next's group now has this change's version and rank */

#endif
