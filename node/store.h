/* A node's database, node.db: typed tables, the outbox, the position of this replica, and what the
 * hub said.
 *
 * Several processes write it (serve, add, sync): whatever depends on the present (sequence number,
 * HLC, branch) is read inside BEGIN IMMEDIATE. One struct belongs to one thread. Nobody but
 * node/store/ sees SQLite.
 *
 * Invariants: in each branch seq is contiguous from 1 and the row of seq n carries the chain's hash
 * after n; `me` names the newest branch and its head; a change's outbox row and its effect on the
 * typed row are in one transaction. */
#ifndef LM_NODE_STORE_H
#define LM_NODE_STORE_H

#include "common/datadir.h"
#include "common/tables.h"
#include "proto/change.h"
#include "proto/message.h"
#include "proto/node_session.h"

#include <jansson.h>

#define LM_NSTATE_CODE_MAX 32
#define LM_NSTATE_TEXT_MAX 400

/* Who this replica is and how far it has come: the one row of `me`. */
struct lm_me {
    uint64_t replica;
    char station[16];
    char level[8]; /* "village" or "town" */
    char name[LM_NSTATE_TEXT_MAX * 2];
    uint64_t branch;
    struct lm_head head, acked; /* of that branch; seq 0: the chain's start */
    uint64_t safe_seq;          /* of that branch: in a backup of the hub too */
    uint64_t hlc; /* highest HLC ever made here, or known to the hub as this replica's */
    struct lm_cursor cursor;
    struct lm_lease lease;
    struct lm_incarnation incarnation;
    struct lm_mark seen;   /* highest journal position and mark ever seen */
    struct lm_proof proof; /* what the hub signed in its last WELCOME; counter 0 = none */
    bool offset_known;
    int64_t offset_ms;       /* hub clock minus this PC's wall clock, as of the last WELCOME */
    int64_t last_contact_ms; /* hub time of the last answer; 0 = never */
    char state[LM_NSTATE_CODE_MAX];      /* "online", "offline", "refused" */
    char state_code[LM_NSTATE_CODE_MAX]; /* the session's word */
    char state_zh[LM_NSTATE_TEXT_MAX], state_en[LM_NSTATE_TEXT_MAX];
    uint32_t catalog; /* number and hash of the catalogue that the feed was taken in with */
    uint8_t catalog_hash[32];
    bool hub_pinned;     /* more of the hub's keys than the one in node.key: lm_nstore_pins */
    uint8_t hub_kit[32]; /* that one, when these were stored */
    struct lm_hub_pins hub_pins;
};

#define LM_NPAST_RECORDS_MAX 1000

struct lm_nstore;
/* Opens dir/node.db and brings its tables to the catalogue; create: makes it when it is not there.
 * catalog: the program's own; it must outlive the store. In force is what the database says, or
 * this one when the database has none yet, or when it is newer and may follow. LM_ERR_VERSION
 * "newer_grammar": the catalogue in force needs a newer program. Statuses as lm_db_open. */
enum lm_status lm_nstore_open(const struct lm_datadir *dir, const struct lm_catalog *catalog,
                              bool create, struct lm_nstore **out,
                              struct lm_error *err) LM_MUST_USE;
/* The same for dir/training.db, which is no node's database: neither opens the other's. */
#define LM_TRAINING_DB "training.db"
enum lm_status lm_nstore_open_training(const struct lm_datadir *dir,
                                       const struct lm_catalog *catalog, bool create,
                                       struct lm_nstore **out, struct lm_error *err) LM_MUST_USE;
void lm_nstore_close(struct lm_nstore **store);
struct lm_tables *lm_nstore_tables(struct lm_nstore *store);
/* The one in force; another may take its place in lm_nstore_begin and lm_nstore_refresh. */
const struct lm_catalog *lm_nstore_catalog(const struct lm_nstore *store);
/* For who only reads: takes over what another process has put into force. */
enum lm_status lm_nstore_refresh(struct lm_nstore *store, struct lm_error *err) LM_MUST_USE;

/* Writing transactions (BEGIN IMMEDIATE, at most 10 s of waiting → LM_ERR_BUSY). */
enum lm_status lm_nstore_begin(struct lm_nstore *store, struct lm_error *err) LM_MUST_USE;
enum lm_status lm_nstore_commit(struct lm_nstore *store, struct lm_error *err) LM_MUST_USE;
void lm_nstore_rollback(struct lm_nstore *store);
/* One save inside a transaction: undone alone when it fails. */
enum lm_status lm_nstore_savepoint(struct lm_nstore *store, struct lm_error *err) LM_MUST_USE;
enum lm_status lm_nstore_release(struct lm_nstore *store, bool keep,
                                 struct lm_error *err) LM_MUST_USE;

/* LM_ERR_NOT_FOUND "not_enrolled" when there is no row yet. */
enum lm_status lm_nstore_me(struct lm_nstore *store, struct lm_me *out,
                            struct lm_error *err) LM_MUST_USE;
/* The first row, with branch 1 empty; the same replica again changes nothing. Inside a transaction.
 */
enum lm_status lm_nstore_me_make(struct lm_nstore *store, uint64_t replica, const char *station,
                                 const char *level, const char *name,
                                 struct lm_error *err) LM_MUST_USE;

/* The hub's clock as told at enrolment: dates are judged by it before the first session. Inside a
 * transaction. */
enum lm_status lm_nstore_set_offset(struct lm_nstore *store, int64_t offset_ms,
                                    struct lm_error *err) LM_MUST_USE;

/* ---- backup and restore (store/backup.c) ---- */

#define LM_STAGED_NAME 96
/* Copies one snapshot to path, checks it (SQLite's integrity, the chain of the outbox), gives it
 * its name and syncs it, while everything goes on. LM_ERR_EXISTS "file_exists"; LM_ERR_CORRUPT:
 * this database is damaged. */
enum lm_status lm_nstore_backup(struct lm_nstore *store, const char *path, uint64_t *bytes_out,
                                struct lm_error *err) LM_MUST_USE;
/* A checked copy of a backup in the data directory; lm_nstore_unstage removes it. */
enum lm_status lm_nstore_stage(const struct lm_datadir *dir, const char *file,
                               char staged[LM_STAGED_NAME], struct lm_error *err) LM_MUST_USE;
void lm_nstore_unstage(const struct lm_datadir *dir, const char *staged);
/* Removes the copies that a restore left half made when it was killed. */
void lm_nstore_sweep(const struct lm_datadir *dir);

struct lm_restore_done {
    uint64_t repeated;          /* changes made here that the backup lacked: kept */
    bool other_pc;              /* the backup is of another enrolment of this station: */
    uint64_t other_replica;     /* that one's number, 0 without */
    char aside[LM_STAGED_NAME]; /* the database as it was, in the data directory */
    bool damaged;               /* it is: `repeated` is what could be read out of it */
    bool end_known;             /* of a damaged one: lost is all that was lost */
    uint64_t lost;              /* changes made here that could not be read */
};
/* Goes back to what was staged, by who holds the link lock, in one transaction; every change that
 * was made here since is repeated. LM_ERR_DENIED "other_station". */
enum lm_status lm_nstore_restore(struct lm_nstore *store, const struct lm_datadir *dir,
                                 const char *staged, int64_t now_ms, struct lm_restore_done *done,
                                 struct lm_error *err) LM_MUST_USE;

/* Whether node.db begins like one. False: it is not to be opened, not even to look. */
bool lm_nstore_header_is_whole(const struct lm_datadir *dir);
/* SQLite's check of the whole database: LM_ERR_CORRUPT. */
enum lm_status lm_nstore_check(struct lm_nstore *store, struct lm_error *err) LM_MUST_USE;
/* A restore over a damaged node.db, which nobody has open, by who holds the link lock
 * (store/mend.c). embedded: the program's catalogue. replica, station: this PC's, from its key.
 * known: what the damaged database said of itself when it could still be opened, or NULL. */
enum lm_status lm_nstore_mend(const struct lm_datadir *dir, const struct lm_catalog *embedded,
                              const char *staged, uint64_t replica, const char *station,
                              const struct lm_me *known, int64_t now_ms,
                              struct lm_restore_done *done, struct lm_error *err) LM_MUST_USE;

/* ---- the outbox (store/outbox.c) ---- */

/* Appends a packed change to the branch of me and moves me's head and HLC, in the database and in
 * *me. Inside a transaction in which *me was read. */
enum lm_status lm_nstore_append(struct lm_nstore *store, struct lm_me *me,
                                const struct lm_change *change, const uint8_t *body, size_t n,
                                struct lm_error *err) LM_MUST_USE;
/* Fills out from from_seq on within the limits: max_bytes (1 … LM_BATCH_BYTES_MAX) before packing,
 * but one change at least. Packed content goes into packed, the changes pass through batch. In a
 * read transaction of its own. */
enum lm_status lm_nstore_read_batch(struct lm_nstore *store, uint64_t from_seq,
                                    uint32_t max_changes, uint32_t max_bytes,
                                    struct lm_batch *batch, struct lm_buf *packed,
                                    struct lm_node_batch *out, struct lm_error *err) LM_MUST_USE;
/* Whether the branch's chain hash after head->seq is head->hash. */
enum lm_status lm_nstore_hash_is(struct lm_nstore *store, const struct lm_head *head, bool *out,
                                 struct lm_error *err) LM_MUST_USE;
/* Closes the branch: a new one, numbered at least branch_min, carries the changes above acked in
 * their order, byte for byte. *me is what is true then. In a transaction of its own. */
enum lm_status lm_nstore_fork(struct lm_nstore *store, uint64_t branch_min, struct lm_me *me,
                              struct lm_error *err) LM_MUST_USE;
/* This installation goes on as another replica: what it had not sent is carried into a new branch
 * under the new name, the feed starts over (store/renew.c). The same replica again changes nothing.
 * *n_out: changes carried over. In a transaction of its own. */
enum lm_status lm_nstore_renew(struct lm_nstore *store, uint64_t replica, uint64_t *n_out,
                               struct lm_error *err) LM_MUST_USE;
/* True when a change of this record lies above acked. */
bool lm_nstore_unacked(struct lm_nstore *store, const char *id, uint64_t branch,
                       uint64_t acked_seq);
/* pending[g] of type->n_groups: whether the record's unacked changes touch the group. any_out: some
 * do. */
enum lm_status lm_nstore_pending(struct lm_nstore *store, const struct lm_type *type,
                                 const char *id, uint64_t branch, uint64_t acked_seq, bool *pending,
                                 bool *any_out, struct lm_error *err) LM_MUST_USE;

/* ---- what synchronisation writes (store/sync.c, store/feed.c) ---- */

/* Makes a WELCOME durable; went_back: the feed goes on from the checkpoint at welcome->common, or
 * starts over, and what was taken in behind it is wanted anew. *me is what is true then, *wanted
 * the ids still to be asked for. */
enum lm_status lm_nstore_welcome(struct lm_nstore *store, const struct lm_msg_welcome *welcome,
                                 int64_t offset_ms, bool went_back, struct lm_me *me,
                                 uint64_t *wanted, struct lm_error *err) LM_MUST_USE;
enum lm_status lm_nstore_checkpoints(struct lm_nstore *store, struct lm_checkpoints *out,
                                     struct lm_error *err) LM_MUST_USE;
enum lm_status lm_nstore_set_acked(struct lm_nstore *store, uint64_t branch,
                                   const struct lm_head *acked, uint64_t safe_seq,
                                   int64_t contact_ms, struct lm_error *err) LM_MUST_USE;
/* For `status`: state is "online", "offline" or "refused". */
enum lm_status lm_nstore_set_state(struct lm_nstore *store, const char *state, const char *code,
                                   const char *zh, const char *en,
                                   struct lm_error *err) LM_MUST_USE;
enum lm_status lm_nstore_verdict_hints(struct lm_nstore *store, const struct lm_msg_ack *ack,
                                       struct lm_error *err) LM_MUST_USE;
/* A FEED or BODIES page in one transaction: records, verdicts, wanted list and, for a FEED, cursor
 * and mark. *cursor and *wanted are what is true then. Entries that can't be read are logged and
 * wanted again never: they are of a newer catalogue. */
enum lm_status lm_nstore_apply_page(struct lm_nstore *store, const struct lm_msg_feed *page,
                                    bool is_bodies, int64_t contact_ms, struct lm_cursor *cursor,
                                    uint64_t *wanted, struct lm_error *err) LM_MUST_USE;
/* Whether the sum of the digests of all that the hub has given is this, at this cursor and with the
 * branch's changes up to acked_seq; UNSURE when something came or was made since (store/compare.c).
 */
enum lm_status lm_nstore_check_sum(struct lm_nstore *store, uint64_t sum,
                                   const struct lm_cursor *cursor, uint64_t acked_seq,
                                   enum lm_sum_outcome *out, struct lm_error *err) LM_MUST_USE;
/* What differs from the hub's digests into the wanted list, in a transaction of its own. *wanted:
 * in the list then; *differ_out: of these ids. */
enum lm_status lm_nstore_compare(struct lm_nstore *store, const struct lm_msg_digests *digests,
                                 uint64_t *wanted, uint64_t *differ_out,
                                 struct lm_error *err) LM_MUST_USE;
/* Up to max ids of the wanted list, the longest waiting first. */
enum lm_status lm_nstore_wanted(struct lm_nstore *store, char (*ids)[40], size_t max, size_t *n_out,
                                struct lm_error *err) LM_MUST_USE;
/* A record as the hub gave it in a kit: stored unless it is there. Inside a transaction. */
enum lm_status lm_nstore_put_kit_record(struct lm_nstore *store, const uint8_t *body, size_t n,
                                        const char *level, struct lm_error *err) LM_MUST_USE;

/* ---- what a hub that went back is offered (store/offers.c) ---- */

/* Those behind this id ("" = from the first on), in order of id, as many as fit one message and
 * max_bytes (≤ LM_OFFER_BYTES_MAX; one always), with the proof that they need. Everything is in
 * arena. *n_out 0: nothing is left. */
enum lm_status lm_nstore_offers(struct lm_nstore *store, const char *after, size_t max_bytes,
                                struct lm_arena *arena, struct lm_proof *proof,
                                struct lm_offer **out, size_t *n_out,
                                struct lm_error *err) LM_MUST_USE;
/* The hub has those up to this id. */
enum lm_status lm_nstore_offers_drop(struct lm_nstore *store, const char *id,
                                     struct lm_error *err) LM_MUST_USE;
/* Whether there is any. */
enum lm_status lm_nstore_has_offers(struct lm_nstore *store, bool *out,
                                    struct lm_error *err) LM_MUST_USE;

/* The keys of the hub that count. kit_key: the one in node.key; with another than theirs (the PC
 * was enrolled anew since) what is stored says nothing. */
struct lm_hub_pins lm_nstore_pins(const struct lm_me *me, const uint8_t kit_key[32]);
/* From now on these, durably. In a transaction of its own, or in the one that is open. */
enum lm_status lm_nstore_pin(struct lm_nstore *store, const uint8_t kit_key[32],
                             const struct lm_hub_pins *pins, struct lm_error *err) LM_MUST_USE;

/* ---- over a USB stick (store/usb.c) ---- */

enum { LM_EXPORT_OPEN = 0, LM_EXPORT_TAKING = 1, LM_EXPORT_TAKEN = 2 };
/* An export, with what the node knew when it was made. */
struct lm_export {
    uint64_t number, branch;
    struct lm_lease lease;
    struct lm_incarnation incarnation;
    struct lm_mark seen;
    struct lm_cursor cursor;
    int taken;
};
/* Numbers the next export and commits that. *me and *checkpoints are what it speaks of, as of one
 * moment. The last 64 are kept. */
enum lm_status lm_nstore_export_begin(struct lm_nstore *store, struct lm_me *me,
                                      struct lm_checkpoints *checkpoints, struct lm_export *out,
                                      int64_t now_ms, struct lm_error *err) LM_MUST_USE;
/* LM_ERR_NOT_FOUND (err untouched): no such export, or too long ago. */
enum lm_status lm_nstore_export_get(struct lm_nstore *store, uint64_t number, struct lm_export *out,
                                    struct lm_error *err) LM_MUST_USE;
/* 0: none yet. */
enum lm_status lm_nstore_export_newest_taken(struct lm_nstore *store, uint64_t *number_out,
                                             struct lm_error *err) LM_MUST_USE;
enum lm_status lm_nstore_export_take(struct lm_nstore *store, uint64_t number, int taken,
                                     struct lm_error *err) LM_MUST_USE;

/* What a reply's WELCOME came to. */
struct lm_usb_welcome {
    bool newest;    /* nothing was heard of the hub since the export: the reply is its last word */
    bool resumed;   /* this reply was being taken in when the power went */
    bool went_back; /* the hub did: the feed starts over */
    bool answers;   /* it answers in the history that the export knew: what the export offered the
                       hub and the answer names is given back */
    bool older_hub; /* it speaks for an incarnation that is over */
    bool fork;      /* the hub's log of this branch is another one, or longer */
    uint64_t acked_before;
    struct lm_me me; /* what is true now */
};
/* What a reply's WELCOME says of the hub's keys. */
struct lm_usb_pins {
    const uint8_t *kit_key;
    enum lm_pins_verdict verdict; /* not LM_PINS_REFUSED */
    struct lm_hub_pins *pins;     /* before; and what is pinned when the call succeeds */
};
/* A reply's WELCOME, and what is pinned by it, in a transaction of its own. acked is taken where
 * its hash is in our log, and lowered by the newest word only; cursor, mark and incarnation are the
 * newest word's alone. */
enum lm_status lm_nstore_usb_welcome(struct lm_nstore *store, const struct lm_export *made,
                                     const struct lm_msg_welcome *welcome,
                                     const struct lm_usb_pins *pins, int64_t wall_ms,
                                     struct lm_usb_welcome *out, struct lm_error *err) LM_MUST_USE;
/* The feed from its beginning. */
enum lm_status lm_nstore_usb_restart(struct lm_nstore *store, struct lm_error *err) LM_MUST_USE;

/* ---- the hub's catalogue (store/catalogs.c) ---- */

/* The hub has this one in force. *offset_out: from which byte on it is wanted (ASK). */
enum lm_status lm_nstore_catalog_offer(struct lm_nstore *store, uint32_t number,
                                       const uint8_t hash[32], enum lm_catalog_outcome *outcome,
                                       uint64_t *offset_out, struct lm_error *err) LM_MUST_USE;
/* Some of its bytes. With the last of them it comes into force in the same transaction: its tables,
 * the values and records that were unknown till now. */
enum lm_status lm_nstore_catalog_part(struct lm_nstore *store, const struct lm_msg_part *part,
                                      enum lm_catalog_outcome *outcome, uint64_t *offset_out,
                                      struct lm_error *err) LM_MUST_USE;
struct lm_hub_catalog {
    uint32_t number; /* of the hub's, when it is another than ours; 0 = the same, as far as known */
    char code[LM_NSTATE_CODE_MAX]; /* why it is not ours; "" = it is on its way */
    char zh[LM_NSTATE_TEXT_MAX], en[LM_NSTATE_TEXT_MAX];
    size_t later; /* records kept that can't be read yet */
};
enum lm_status lm_nstore_hub_catalog(struct lm_nstore *store, struct lm_hub_catalog *out,
                                     struct lm_error *err) LM_MUST_USE;
/* The type of a record that is kept but can't be read yet; false: there is none. */
bool lm_nstore_later(struct lm_nstore *store, const char *id, char type_out[48]);

/* All of its bytes at once, out of a bundle: outcome is IN_FORCE or KEPT_OUT. What had come of it
 * otherwise is dropped. */
enum lm_status lm_nstore_catalog_whole(struct lm_nstore *store, const struct lm_msg_part *whole,
                                       enum lm_catalog_outcome *outcome,
                                       struct lm_error *err) LM_MUST_USE;

/* ---- reading (store/read.c) ---- */

/* The type under which an id is known here, or NULL. */
const struct lm_type *lm_nstore_type_of(struct lm_nstore *store, const char *id);
/* Repeated saves: key is "id:UUID" or "key:TEXT". LM_ERR_NOT_FOUND when it was not saved yet. */
enum lm_status lm_nstore_saved(struct lm_nstore *store, const char *key, char id_out[40],
                               uint8_t hash_out[32], struct lm_error *err) LM_MUST_USE;
enum lm_status lm_nstore_save_key(struct lm_nstore *store, const char *key, const char *id,
                                  const uint8_t hash[32], struct lm_error *err) LM_MUST_USE;
/* True while the hub's refusal of the change with this HLC is open. */
bool lm_nstore_refused(struct lm_nstore *store, uint64_t hlc);
bool lm_nstore_has_refusal(struct lm_nstore *store,
                           const char *id); /* any open refusal of this record */
/* A record whose creation was refused is given up here: nothing about it needs correcting any more.
 */
enum lm_status lm_nstore_close_verdicts(struct lm_nstore *store, const char *id,
                                        struct lm_error *err) LM_MUST_USE;
/* Changes of one record made here, and those that the hub told of, oldest first: calls print with a
 * row of its own each. *n_out (nullable) counts. */
enum lm_status lm_nstore_history(struct lm_nstore *store, const char *id,
                                 void (*print)(void *arg, json_t *row), void *arg, size_t *n_out,
                                 struct lm_error *err) LM_MUST_USE;
/* The hub is to be asked what became of this record (HISTORY), with the next session or SYNC_NOW.
 * Of LM_NPAST_RECORDS_MAX records the answers are kept; what was asked for longest ago goes first.
 */
enum lm_status lm_nstore_past_want(struct lm_nstore *store, const char *id, int64_t now_ms,
                                   struct lm_error *err) LM_MUST_USE;
/* The next record to ask for, "" = none, and the journal position up to which it is here. */
enum lm_status lm_nstore_past_next(struct lm_nstore *store, char id_out[40], uint64_t *after_out,
                                   struct lm_error *err) LM_MUST_USE;
/* Keeps an answer, in one transaction; contact_ms: hub time. */
enum lm_status lm_nstore_past_store(struct lm_nstore *store, const struct lm_msg_past *m,
                                    int64_t contact_ms, struct lm_error *err) LM_MUST_USE;
/* Calls visit with the records to ask for, the longest waiting first, at most max; false stops. */
enum lm_status lm_nstore_past_wanted(struct lm_nstore *store, size_t max,
                                     bool (*visit)(void *arg, const char *id, uint64_t after),
                                     void *arg, struct lm_error *err) LM_MUST_USE;
/* Keeps an answer out of a bundle if it goes on where what is here ends, and is wanted still. */
enum lm_status lm_nstore_past_answer(struct lm_nstore *store, const struct lm_msg_past *m,
                                     int64_t contact_ms, bool *taken_out,
                                     struct lm_error *err) LM_MUST_USE;
/* *fetched_ms: hub time when it was told to its end; 0 = never. */
enum lm_status lm_nstore_past_state(struct lm_nstore *store, const char *id, bool *wanted,
                                    int64_t *fetched_ms, struct lm_error *err) LM_MUST_USE;
/* What needs correcting here: open refusals, invalid records, records sent back. print NULL: only
 * counted. */
enum lm_status lm_nstore_returned(struct lm_nstore *store, void (*print)(void *arg, json_t *row),
                                  void *arg, size_t *n_out, struct lm_error *err) LM_MUST_USE;
/* Open verdicts of one kind. */
enum lm_status lm_nstore_count_open(struct lm_nstore *store, enum lm_verdict verdict, size_t *n_out,
                                    struct lm_error *err) LM_MUST_USE;

/* Conflicts that the hub keeps open: a group was set on two sides, one value stands until a person
 * sets it again. Counted by record. */
enum lm_status lm_nstore_count_conflicts(struct lm_nstore *store, size_t *n_out,
                                         struct lm_error *err) LM_MUST_USE;
enum lm_status lm_nstore_conflict_records(struct lm_nstore *store, size_t max,
                                          void (*visit)(void *arg, const char *id,
                                                        const char *type),
                                          void *arg, struct lm_error *err) LM_MUST_USE;
bool lm_nstore_in_conflict(struct lm_nstore *store, const char *id, const char *group);
/* Whether the group is in conflict and what stands is one of the versions: once somebody here has
 * set it anew, which the hub may not know yet, it is not. */
bool lm_nstore_to_decide(struct lm_nstore *store, const struct lm_record *rec, int group);
/* Appends {hlc, group, fields, stands, user, at, station, values} of each version of each group,
 * one group after the other; without user and values while they are not known here
 * (lm_nstore_past_want). Of group "deleted" also "deletes": the values are its reason, or what the
 * side that keeps the record changed. */
void lm_nstore_conflicts_of(struct lm_nstore *store, const struct lm_record *rec, json_t *rows);
/* Records with changes that the hub has not acked: how many, who made the newest and when by this
 * PC's HLC; the newest first, at most max. */
enum lm_status lm_nstore_pending_records(struct lm_nstore *store, size_t max,
                                         bool (*visit)(void *arg, const char *id, const char *type,
                                                       uint64_t n, const char *user, int64_t at_ms),
                                         void *arg, struct lm_error *err) LM_MUST_USE;
/* How many records those are. */
enum lm_status lm_nstore_count_pending(struct lm_nstore *store, const struct lm_me *me,
                                       size_t *n_out, struct lm_error *err) LM_MUST_USE;
/* The recycle bin: this station's deleted records of a type, the newest first, at most max (1 or
 * more) of them; *n_out: all. A visit that returns false ends it: LM_ERR_MEMORY. */
typedef bool (*lm_deleted_visit)(void *arg, const struct lm_type *type, const char *id,
                                 const char *deleted_at);
enum lm_status lm_nstore_deleted(struct lm_nstore *store, const struct lm_type *type, size_t max,
                                 lm_deleted_visit visit, void *arg, size_t *n_out,
                                 struct lm_error *err) LM_MUST_USE;
/* A number that changes with every commit into this database, of whatever process. */
enum lm_status lm_nstore_version(struct lm_nstore *store, uint64_t *out,
                                 struct lm_error *err) LM_MUST_USE;

/* ---- accounts of this PC (store/accounts.c) ---- */

#define LM_ACCOUNTS_MAX 50     /* made here */
#define LM_ACCOUNTS_LISTED 100 /* those and the town's */

struct lm_account {
    char name[LM_USER_CHARS_MAX * 4 + 1];
    char role[16];  /* "secretary", "admin" */
    char hash[128]; /* argon2id */
    int64_t created_ms;
    bool disabled;
    unsigned failures;      /* wrong passwords in a row */
    int64_t failed_ms;      /* wall clock of the last */
    bool must_change;       /* the password is somebody else's: first another, then anything else */
    bool of_town;           /* made by the town: it disables and hands over */
    char shown[4 * 40 + 1]; /* a town's: the person's name; "" else */
};
/* LM_ERR_EXISTS "user_exists", LM_ERR_INVALID (name, role), LM_ERR_LIMIT. The password was checked
 * and hashed by the caller. Each in a transaction of its own. */
enum lm_status lm_nstore_account_add(struct lm_nstore *store, const char *name, const char *role,
                                     const char *hash, bool must_change, int64_t now_ms,
                                     struct lm_error *err) LM_MUST_USE;
/* One person follows another: a new account of the old one's role, the old one closed, its forms
 * that were not saved yet are the new one's. What was done stays under the old name. */
enum lm_status lm_nstore_account_succeed(struct lm_nstore *store, const char *old, const char *name,
                                         const char *hash, bool must_change, int64_t now_ms,
                                         struct lm_error *err) LM_MUST_USE;
/* LM_ERR_NOT_FOUND "no_user". What the town decides about its own: LM_ERR_DENIED "town_account". */
enum lm_status lm_nstore_account(struct lm_nstore *store, const char *name, struct lm_account *out,
                                 struct lm_error *err) LM_MUST_USE;
/* Up to LM_ACCOUNTS_LISTED, by name. */
enum lm_status lm_nstore_accounts(struct lm_nstore *store, struct lm_account *out, size_t *n_out,
                                  struct lm_error *err) LM_MUST_USE;
enum lm_status lm_nstore_account_password(struct lm_nstore *store, const char *name,
                                          const char *hash, bool must_change,
                                          struct lm_error *err) LM_MUST_USE;
enum lm_status lm_nstore_account_disable(struct lm_nstore *store, const char *name, bool disabled,
                                         struct lm_error *err) LM_MUST_USE;
enum lm_status lm_nstore_account_failures(struct lm_nstore *store, const char *name,
                                          unsigned failures, int64_t now_ms,
                                          struct lm_error *err) LM_MUST_USE;

/* ---- forms that were not saved yet (store/drafts.c) ---- */

#define LM_DRAFT_BYTES_MAX 131072
#define LM_DRAFTS_MAX 200 /* of one user */
#define LM_DRAFT_KEY_MAX 80

/* ---- who looked at whole numbers (store/reveals.c) ---- */

#define LM_REVEALS_MAX 200000 /* more than 400 days of 400 a day */
struct lm_reveal {
    int64_t id, at_ms;
    const char *user, *record;
};
/* Durable when it returns. The oldest beyond LM_REVEALS_MAX go. */
enum lm_status lm_nstore_reveal_note(struct lm_nstore *store, const struct lm_reveal *reveal,
                                     struct lm_error *err) LM_MUST_USE;
/* visit with each before that id, the newest first, at most n, until it says false. */
enum lm_status lm_nstore_reveals(struct lm_nstore *store, int64_t before, int64_t n,
                                 bool (*visit)(void *arg, const struct lm_reveal *reveal),
                                 void *arg, struct lm_error *err) LM_MUST_USE;

/* ---- imports of tables, and the last backup (store/imports.c) ---- */

#define LM_IMPORTS_MAX 20 /* the newest; older ones are forgotten */
#define LM_IMPORT_ID_MAX 64
#define LM_IMPORT_FILE_MAX 200
struct lm_import {
    const char *id, *type, *file, *user;
    const char *source; /* the page's mark of which file it was */
    int64_t at_ms, undone_ms;
    int64_t rows;
};
/* LM_ERR_INVALID: a text of it is missing or too long. */
enum lm_status lm_nstore_import_check(const struct lm_import *import,
                                      struct lm_error *err) LM_MUST_USE;
/* Inside a transaction, of one that was checked: that there is one; noted once, later ones of that
 * id change nothing. */
enum lm_status lm_nstore_import_note(struct lm_nstore *store, const struct lm_import *import,
                                     struct lm_error *err) LM_MUST_USE;
/* Inside a transaction: a record that it brought, as it is then; the first rev of it stays. */
enum lm_status lm_nstore_import_row(struct lm_nstore *store, const char *id, const char *record,
                                    const char *rev, struct lm_error *err) LM_MUST_USE;
/* visit with each, the newest first, until it says false. */
enum lm_status lm_nstore_imports(struct lm_nstore *store,
                                 bool (*visit)(void *arg, const struct lm_import *import),
                                 void *arg, struct lm_error *err) LM_MUST_USE;
/* Its records. LM_ERR_NOT_FOUND. */
enum lm_status lm_nstore_import_rows(struct lm_nstore *store, const char *id,
                                     bool (*visit)(void *arg, const char *record, const char *rev),
                                     void *arg, struct lm_error *err) LM_MUST_USE;
/* Whether an import that was undone had brought the record, as far as imports are kept. */
enum lm_status lm_nstore_import_undid(struct lm_nstore *store, const char *record, bool *out,
                                      struct lm_error *err) LM_MUST_USE;
/* Durable when it returns. LM_ERR_NOT_FOUND. */
enum lm_status lm_nstore_import_undone(struct lm_nstore *store, const char *id, int64_t now_ms,
                                       struct lm_error *err) LM_MUST_USE;
/* A backup was written now, by this PC's clock: noted is the town's time, as far as it is known.
 * 0 = never, as far as this PC knows. */
enum lm_status lm_nstore_backed_up(struct lm_nstore *store, int64_t now_ms,
                                   struct lm_error *err) LM_MUST_USE;
enum lm_status lm_nstore_last_backup(struct lm_nstore *store, int64_t *ms_out,
                                     struct lm_error *err) LM_MUST_USE;

/* ---- drafts (store/drafts.c) ---- */

/* Durable when it returns. LM_ERR_LIMIT: body, key or number. */
enum lm_status lm_nstore_draft_put(struct lm_nstore *store, const char *user, const char *key,
                                   const char *body, int64_t now_ms,
                                   struct lm_error *err) LM_MUST_USE;
/* visit with each draft of the user, the newest first; key NULL = all of them, else that one. */
enum lm_status lm_nstore_drafts(struct lm_nstore *store, const char *user, const char *key,
                                bool (*visit)(void *arg, const char *key, const char *body,
                                              int64_t saved_ms),
                                void *arg, struct lm_error *err) LM_MUST_USE;
enum lm_status lm_nstore_draft_drop(struct lm_nstore *store, const char *user, const char *key,
                                    struct lm_error *err) LM_MUST_USE;

#endif
