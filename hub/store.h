/* The hub's store: the one narrow door to its data. SQLite behind it (hub/store/), a
 * PostgreSQL-protocol store may follow: so no SQL outside hub/store/, and no SQLite types here.
 *
 * Invariants:
 *  - A change, its verdict, the merge, the feed rows and the replica's acked head are one
 * transaction (P2). What the store keeps in memory (acked heads, HLC, journal head) changes after
 * COMMIT only.
 *  - The journal is append-only and hash-chained; a verdict that changes later (held → applied) is
 * a further journal entry.
 *  - One writer: a struct lm_store opened for writing belongs to one thread of the process that
 * holds the data directory's lock "hub.lock" (the caller takes it before lm_store_create or a
 * lm_store_open for writing). Readers open their own with LM_STORE_READ. */
#ifndef LM_HUB_STORE_H
#define LM_HUB_STORE_H

#include "common/account.h"
#include "common/base/arena.h"
#include "common/datadir.h"
#include "proto/credential.h"
#include "proto/feed.h"
#include "proto/hub_session.h"
#include "proto/merge.h"
#include "proto/message.h"

#include <jansson.h>

struct lm_store;

/* A merge is paid for by the page: with pages of 8 KiB it splits and balances half as often as with
 * SQLite's 4 (measured: a sixth more changes a second), and larger ones gain no more. */
#define LM_STORE_PAGE_BYTES 8192

enum lm_store_mode { LM_STORE_READ, LM_STORE_WRITE };

/* ---- life cycle ---- */

struct lm_store_init {
    const char *town_name, *town_code; /* 12 digits ending in 000 */
    const char *admin_name;            /* first account */
    const char *admin_password;
    bool password_made; /* by the program: must be changed at the first login */
    int64_t now_ms;
};
/* catalog: the program's own. The first one is stored and in force; later one with a higher number
 * takes its place when the database is opened for writing, if it may follow (catalog_compare).
 * Makes hub.db with town, incarnation (1, random), account, and the town's own area_unit and
 * station rows as the first journal entries. LM_ERR_EXISTS when there is one already. Keys are
 * files of their own: hub/keys.h. */
enum lm_status lm_store_create(const struct lm_datadir *dir, const struct lm_catalog *catalog,
                               const struct lm_store_init *init, struct lm_error *err) LM_MUST_USE;
enum lm_status lm_store_open(const struct lm_datadir *dir, const struct lm_catalog *catalog,
                             enum lm_store_mode mode, struct lm_store **out,
                             struct lm_error *err) LM_MUST_USE;
void lm_store_close(struct lm_store **store);
/* Before the file is put aside: what is in the log goes into it. */
void lm_store_checkpoint(struct lm_store *store);
/* Reads through one snapshot until lm_store_read_end: what a report or a feed page needs. Within
 * one that is open it is that one's; each begin has its end. */
enum lm_status lm_store_read_begin(struct lm_store *store, struct lm_error *err) LM_MUST_USE;
void lm_store_read_end(struct lm_store *store);
/* From now on what this connection counted is kept while nothing that it was counted from changes:
 * at most 320 figures (store/kept_figures.c). LM_ERR_MEMORY: none are kept. */
enum lm_status lm_store_keep_figures(struct lm_store *store, struct lm_error *err) LM_MUST_USE;
/* How many figures were given that were counted before. */
uint64_t lm_store_figures_kept(const struct lm_store *store);

struct lm_town {
    char name[200], code[16];
    uint8_t hub_id[16];
    struct lm_incarnation incarnation;
    uint64_t rival; /* another incarnation of this hub was shown: nothing is taken in; 0 = none */
    int64_t created_ms;
};
const struct lm_town *lm_store_town(const struct lm_store *store);
/* Key of dup_key (persons' natural key); 32 bytes, from hub/keys.h, set once after opening for
 * writing. */
void lm_store_set_dup_key(struct lm_store *store, const uint8_t key[32]);

/* ---- histories of the hub: PROTOCOL.md "Going back in time" ---- */

/* Begins an incarnation above every one known, in a transaction of its own; ends being read-only.
 * why: one English phrase, for the log and the journal. */
enum lm_status lm_store_new_incarnation(struct lm_store *store, const char *user, const char *why,
                                        int64_t now_ms, struct lm_error *err) LM_MUST_USE;
/* Read-only from now on, also after a restart, until the next incarnation. In a transaction of its
 * own. */
enum lm_status lm_store_set_rival(struct lm_store *store, uint64_t counter, int64_t now_ms,
                                  struct lm_error *err) LM_MUST_USE;
/* LM_ERR_DENIED "read_only" while another incarnation may be alive. */
enum lm_status lm_store_may_write(const struct lm_store *store, struct lm_error *err) LM_MUST_USE;
/* What of HELLO's marks the journal holds: see lm_hub_event.stored. */
enum lm_status lm_store_common(struct lm_store *store, const struct lm_msg_hello *hello,
                               uint64_t *common_out, bool *proof_held_out) LM_MUST_USE;
/* Whether revoked.log names the replica, known to this database or not. */
enum lm_status lm_store_was_revoked(struct lm_store *store, uint64_t replica,
                                    bool *out) LM_MUST_USE;
/* Writes to the files beside the database (beside.c) what it knows to be shut and they do not name:
 * at opening for writing by itself; before a restore of the one that is to be set aside, which may
 * be open for reading. */
enum lm_status lm_store_beside_note(struct lm_store *store, int64_t now_ms,
                                    struct lm_error *err) LM_MUST_USE;

/* ---- backup and restore (store/backup.c) ---- */

struct lm_backup {
    struct lm_mark head; /* of the copy's journal */
    uint64_t bytes;
};
/* Copies one snapshot to path, checks the copy (SQLite's integrity, the journal's chain), gives it
 * its name and syncs it. The store may be a reader's; a working hub goes on meanwhile.
 * LM_ERR_EXISTS "file_exists"; LM_ERR_CORRUPT: this database is damaged. No half of a file is left.
 */
enum lm_status lm_store_backup(struct lm_store *store, const char *path, struct lm_backup *out,
                               struct lm_error *err) LM_MUST_USE;
/* A backup up to this mark exists since now_ms: safe_seq and the backup's age follow.
 * LM_ERR_INVALID "other_history". In a transaction of its own. */
enum lm_status lm_store_backup_note(struct lm_store *store, const struct lm_mark *head,
                                    int64_t now_ms, struct lm_error *err) LM_MUST_USE;
/* When the last one was noted; 0 = never, or not since a restore. */
enum lm_status lm_store_backup_ms(struct lm_store *store, int64_t *out,
                                  struct lm_error *err) LM_MUST_USE;

struct lm_restored {
    char staged[64]; /* file in the data directory that is ready to take the database's place */
    uint64_t position, incarnation; /* journal entries of the backup; the incarnation that begins */
    size_t kits_void;
};
/* Prepares a restore beside the database, whoever has that open: copies and checks file (a backup
 * of this hub: LM_ERR_DENIED "other_hub"), repeats the revocations of revoked.log, voids every kit
 * that nobody used, begins a new incarnation. Takes nothing's place yet. */
enum lm_status lm_store_restore_stage(const struct lm_datadir *dir,
                                      const struct lm_catalog *catalog, const uint8_t hub_id[16],
                                      const char *user, const char *file, int64_t now_ms,
                                      struct lm_restored *out, struct lm_error *err) LM_MUST_USE;
/* Removes the copies of the database that a restore, or a backup into the data directory, left half
 * made when it was killed. */
void lm_store_sweep(const struct lm_datadir *dir);
/* Puts it in place, under the lock and with the store closed: the old database is set aside as
 * aside_out ("" = there was none). */
enum lm_status lm_store_restore_adopt(const struct lm_datadir *dir, const char *staged,
                                      int64_t now_ms, char aside_out[96],
                                      struct lm_error *err) LM_MUST_USE;

/* ---- transactions ---- */

enum lm_status lm_store_begin(struct lm_store *store, struct lm_error *err) LM_MUST_USE;
/* LM_ERR_IO and LM_ERR_FULL here: the caller ends the process without acking (P2). */
enum lm_status lm_store_commit(struct lm_store *store, struct lm_error *err) LM_MUST_USE;
void lm_store_rollback(struct lm_store *store);
/* True once a COMMIT failed for an I/O error: nothing more may be told or saved; the process ends
 * (P2). */
bool lm_store_broken(const struct lm_store *store);

/* ---- registry: stations, replicas, kits, accounts
 * -------------------------------------------------------------------------------- */

struct lm_station {
    char code[16], name[200], level[8];     /* "village", "town" */
    char office_code[16], office_name[200]; /* "" = none */
};
/* Adds the station and, through journaled changes of the hub, its office, area_unit and station
 * records. The same again is no error and changes nothing; another name or office updates the rows.
 */
enum lm_status lm_store_station_add(struct lm_store *store, const char *user,
                                    const struct lm_station *station, int64_t now_ms,
                                    struct lm_error *err) LM_MUST_USE;
enum lm_status lm_store_station_get(struct lm_store *store, const char *code,
                                    struct lm_station *out) LM_MUST_USE;
enum lm_status lm_store_stations(struct lm_store *store,
                                 bool (*visit)(void *arg, const struct lm_station *station),
                                 void *arg, struct lm_error *err) LM_MUST_USE;

/* Villages merged (撤并): see store/mergers.c. A town has at most 999 villages. */
#define LM_MERGERS_MAX 1024
struct lm_merger {
    char code[16], into[16], on[16]; /* the village, what it was merged into, its last day */
    int64_t entered_ms;              /* when that was entered */
};
/* All that are recorded and in force, in no order; at most max. */
enum lm_status lm_store_mergers(struct lm_store *store, struct lm_merger *out, size_t max,
                                size_t *n_out, struct lm_error *err) LM_MUST_USE;
/* NULL: that village is not merged. */
const struct lm_merger *lm_merger_find(const struct lm_merger *all, size_t n, const char *code);
struct lm_merge_villages {
    const char *user, *code, *into;
    const char *on;     /* YYYY-MM-DD, the village's last day; not to come */
    const char *reason; /* 1 … 200 characters; not for a preview */
};
/* What merging would do: {"code","name","into","into_name","on","moves":[{"type","zh","en","n"}],
 * "posts","renumbered","left":[{"type","id","code","text","text_en"}] (the first 20 of "left_n"
 * rows that do not let themselves be moved), "kept":[{"type","id","household_no","taken"}] (the
 * first 20 of "kept_n" rows whose household number has no room for the village's digits; taken: the
 * other village has that number too), "waits":{"pcs","pending","last_contact","held","returned"},
 * "stays"}. It is done inside the caller's transaction, so that every rule has its say, and the
 * caller rolls back whatever the status. */
enum lm_status lm_store_merge_villages_preview(struct lm_store *store,
                                               const struct lm_merge_villages *act, int64_t now_ms,
                                               json_t **out, struct lm_error *err) LM_MUST_USE;
/* Does it, inside the caller's transaction: the area's row, its station, its open posts, and all
 * that lives on; who, why and when are in the journal. Undone by nothing but the caller's rollback:
 * which numbers were whose is not known afterwards. LM_ERR_INVALID "not_moved": a row does not let
 * itself be moved, and the caller rolls back. out as the preview's, without waits and stays. */
enum lm_status lm_store_merge_villages(struct lm_store *store, const struct lm_merge_villages *act,
                                       int64_t now_ms, json_t **out,
                                       struct lm_error *err) LM_MUST_USE;

struct lm_replica {
    uint64_t number;
    char station[16];
    uint8_t public_key[32];
    int64_t enrolled_ms, revoked_ms; /* revoked_ms 0 = not */
    char machine[72], program[72];
    uint64_t branch;         /* highest branch known; 0 = none yet */
    struct lm_head acked;    /* of that branch */
    uint64_t safe_seq;       /* of that branch: in a backup of the hub too */
    struct lm_head head;     /* newest it named */
    int64_t as_of_ms;        /* hub time at which it named that head; 0 = never */
    int64_t complete_ms;     /* complete through: greatest as_of whose head is acked; 0 = never */
    int64_t last_contact_ms; /* 0 = never */
    int64_t clock_offset_ms;
    bool clock_known; /* hub minus node at the last HELLO */
    struct lm_lease lease_issued, lease_confirmed;
    uint64_t hlc_known;
    bool in_doubt; /* it went back, and has not pushed all since: see lm_replica_in_doubt */
    bool possible_gap;
    bool gap_settled; /* a person has looked into what it named and did not send */
    int64_t clone_ms; /* when a second installation was refused; 0 = none, or settled */
    uint32_t twins;   /* abandoned leases shown since a person last looked */
    struct lm_abandoned abandoned[LM_ABANDONED_MAX]; /* by lm_store_replica_get and _by_key */
    size_t n_abandoned;
    bool hub_key_known;  /* of this installation: */
    uint8_t hub_key[32]; /* the newest of the hub's keys that it has pinned */
    bool hub_spoke_known;
    uint8_t hub_spoke[32]; /* the one that it last spoke under, on the line or on a stick */
};
/* Whether more may be there than its figures tell: a fork not ended, a lease given out that it was
 * not seen to hold, or a second installation. */
bool lm_replica_in_doubt(const struct lm_replica *replica);
enum lm_status lm_store_replica_get(struct lm_store *store, uint64_t number,
                                    struct lm_replica *out) LM_MUST_USE;
enum lm_status lm_store_replica_by_key(struct lm_store *store, const uint8_t public_key[32],
                                       struct lm_replica *out) LM_MUST_USE;
enum lm_status lm_store_replicas(struct lm_store *store, const char *station /* nullable */,
                                 bool (*visit)(void *arg, const struct lm_replica *replica),
                                 void *arg, struct lm_error *err) LM_MUST_USE;
/* A certificate of this hub (its signature was checked) of an installation that this database may
 * not know, having gone back in time: its row is made again, with a notice (alarm "readmitted") and
 * an entry in the journal; a station that is not known either is registered by its code. Known
 * already: nothing changes. LM_ERR_DENIED "revoked": by the registry, or by revoked.log. Inside a
 * transaction. */
enum lm_status lm_store_readmit(struct lm_store *store, const struct lm_certificate *certificate,
                                int64_t now_ms, struct lm_replica *out,
                                struct lm_error *err) LM_MUST_USE;
/* What a HELLO told and what was issued: wall offset, program, head, as_of, lease_issued, last
 * contact. held: the lease that it showed; the newest one issued counts as confirmed then. A higher
 * branch than known: it went back. */
enum lm_status lm_store_replica_hello(struct lm_store *store, const struct lm_replica *replica,
                                      struct lm_lease held, struct lm_error *err) LM_MUST_USE;

/* What the town is to know of a station's PCs. kind: "clone" (a second installation was refused),
 * "twin" (it may be one), "went_back", "readmitted" (mend themselves: closed from the start). */
struct lm_alarm {
    char station[16], kind[16];
    uint64_t replica, branch;
    uint64_t low, high;       /* lease shown, newest lease then */
    int64_t at_ms, closed_ms; /* closed_ms 0 = open */
    char closed_by[260], note[1024];
};
enum lm_status lm_store_note_clone(struct lm_store *store, const struct lm_replica *replica,
                                   struct lm_lease held, int64_t now_ms,
                                   struct lm_error *err) LM_MUST_USE;
/* Also a possible gap: what the other line had not sent is not known. */
enum lm_status lm_store_note_twin(struct lm_store *store, const struct lm_replica *replica,
                                  struct lm_lease held, int64_t now_ms,
                                  struct lm_error *err) LM_MUST_USE;
/* It was told that it went back: in doubt until it has pushed all that it has. */
enum lm_status lm_store_note_back(struct lm_store *store, uint64_t replica,
                                  struct lm_error *err) LM_MUST_USE;
/* Newest first; station NULL = of all. */
enum lm_status lm_store_alarms(struct lm_store *store, const char *station, bool open_only,
                               bool (*visit)(void *arg, const struct lm_alarm *alarm), void *arg,
                               struct lm_error *err) LM_MUST_USE;
/* A person has looked into what is shown of a station's PCs: alarms and possible gaps are closed,
 * with who and why in the journal. *n_out: alarms closed. */
enum lm_status lm_store_settle(struct lm_store *store, const char *user, const char *station,
                               const char *note, int64_t now_ms, size_t *n_out,
                               struct lm_error *err) LM_MUST_USE;
/* The hub's clock was set back: what was told of times still to come is not known any more, and
 * counts as never told (P10). *n_out: replicas concerned. Inside a transaction. */
enum lm_status lm_store_clock_back(struct lm_store *store, int64_t now_ms, size_t *n_out,
                                   struct lm_error *err) LM_MUST_USE;
enum lm_status lm_store_lease_confirm(struct lm_store *store, uint64_t replica,
                                      struct lm_lease lease, struct lm_error *err) LM_MUST_USE;
/* The installation has pinned this key of the hub. Inside a transaction. */
enum lm_status lm_store_replica_hub_key(struct lm_store *store, uint64_t replica,
                                        const uint8_t key[32], struct lm_error *err) LM_MUST_USE;
/* It has spoken under this key of the hub; replica: its row as it is. Written when it is news only.
 * Inside a transaction. */
enum lm_status lm_store_replica_spoke(struct lm_store *store, const struct lm_replica *replica,
                                      const uint8_t key[32], struct lm_error *err) LM_MUST_USE;
/* Notes which line key hub.key holds. LM_ERR_DENIED "hub_key_older" when one of a higher number, or
 * another of this number, was in force, unless it is on_purpose. A transaction of its own. */
enum lm_status lm_store_line_key(struct lm_store *store, uint32_t number, const uint8_t key[32],
                                 bool on_purpose, struct lm_error *err) LM_MUST_USE;
/* number 0 = every replica of the station. Also appended to revoked.log beside the database,
 * fsynced, before the commit. */
enum lm_status lm_store_revoke(struct lm_store *store, const char *user, const char *station,
                               uint64_t number, int64_t now_ms, size_t *n_out,
                               struct lm_error *err) LM_MUST_USE;

/* After a revocation or its COMMIT failed: when revoked.log may have it, err says so, for the next
 * start then revokes in any case ("revoked_at_restart"). Gives status. */
enum lm_status lm_store_revoke_failed(const struct lm_store *store, enum lm_status status,
                                      struct lm_error *err);

struct lm_kit_row {
    int64_t id;
    char station[16];
    uint8_t public_key[32];                        /* one-time CURVE key */
    int64_t made_ms, expires_ms, used_ms, void_ms; /* 0 = not */
};
enum lm_status lm_store_kit_add(struct lm_store *store, const struct lm_kit_row *kit,
                                struct lm_error *err) LM_MUST_USE;
enum lm_status lm_store_kit_by_key(struct lm_store *store, const uint8_t public_key[32],
                                   struct lm_kit_row *out) LM_MUST_USE;
enum lm_status lm_store_kits(struct lm_store *store,
                             bool (*visit)(void *arg, const struct lm_kit_row *kit), void *arg,
                             struct lm_error *err) LM_MUST_USE;
/* Enrols: same kit, key and nonce again → the same replica; a used kit with another key or nonce →
 * LM_ERR_DENIED "kit_used"; expired → "kit_expired"; a key known already under another kit →
 * "key_known". The replica's number is the first 8 bytes (little-endian) of BLAKE2b-256 of the
 * public key, top bit cleared, never 0. */
enum lm_status lm_store_enrol(struct lm_store *store, int64_t kit_id,
                              const struct lm_msg_enrol *enrol, int64_t now_ms,
                              struct lm_replica *out, struct lm_error *err) LM_MUST_USE;

struct lm_user {
    char id[40], name[260], role[16];
    char person[260]; /* whose it is: what was said, else the account's name */
    bool disabled;
    bool must_change; /* the password was given by somebody else */
    int64_t created_ms;
};
/* person: whose it is, NULL: the name says it. LM_ERR_DENIED "two_duties": that person has an
 * account in use of another of the three separated roles (admin, security, auditor). */
enum lm_status lm_store_user_add(struct lm_store *store, const char *name, const char *role,
                                 const char *person, const char *password, bool by_another,
                                 int64_t now_ms, struct lm_error *err) LM_MUST_USE;
/* LM_ERR_DENIED "two_duties"; LM_ERR_NOT_FOUND. */
enum lm_status lm_store_user_person(struct lm_store *store, const char *name, const char *person,
                                    struct lm_error *err) LM_MUST_USE;
/* Spaces apart. */
bool lm_same_person(const char *a, const char *b);
/* LM_ERR_DENIED "two_duties" also when one that was disabled is to be used again. */
enum lm_status lm_store_user_disable(struct lm_store *store, const char *name, bool disabled,
                                     struct lm_error *err) LM_MUST_USE;
/* LM_ERR_NOT_FOUND: no such account. */
enum lm_status lm_store_user_get(struct lm_store *store, const char *name, struct lm_user *out,
                                 char hash[LM_PASSWORD_HASH_BYTES],
                                 struct lm_error *err) LM_MUST_USE;
/* by_another: its owner must choose one of their own at the next login. Inside a transaction. */
enum lm_status lm_store_user_password(struct lm_store *store, const char *name,
                                      const char *password, bool by_another,
                                      struct lm_error *err) LM_MUST_USE;
enum lm_status lm_store_users(struct lm_store *store,
                              bool (*visit)(void *arg, const struct lm_user *user), void *arg,
                              struct lm_error *err) LM_MUST_USE;

/* Addresses for spreadsheets (store/tokens.c). */
enum { LM_TOKEN_TEXT = 44 }; /* 32 random bytes, base64url, and its NUL */
enum { LM_TOKENS_MAX = 50 };
/* Inside a transaction. LM_ERR_EXISTS "token_exists"; LM_ERR_INVALID "too_many". */
enum lm_status lm_store_token_add(struct lm_store *store, const char *name, const char *user,
                                  int64_t now_ms, char token_out[LM_TOKEN_TEXT],
                                  struct lm_error *err) LM_MUST_USE;
enum lm_status lm_store_token_revoke(struct lm_store *store, const char *name,
                                     struct lm_error *err) LM_MUST_USE;
/* Whose it is; LM_ERR_NOT_FOUND (err untouched). */
enum lm_status lm_store_token_name(struct lm_store *store, const char *token, char name_out[260],
                                   struct lm_error *err) LM_MUST_USE;
enum lm_status lm_store_tokens(struct lm_store *store,
                               bool (*visit)(void *arg, const char *name, const char *user,
                                             int64_t made_ms),
                               void *arg, struct lm_error *err) LM_MUST_USE;

/* Filters that somebody keeps, as the text that was put last (store/filters.c): nothing is added to
 * out when there is none. What may be in it the caller says. */
enum lm_status lm_store_filters(struct lm_store *store, const char *user, struct lm_buf *out,
                                struct lm_error *err) LM_MUST_USE;
/* Inside a transaction. */
enum lm_status lm_store_filters_put(struct lm_store *store, const char *user, const char *filters,
                                    struct lm_error *err) LM_MUST_USE;

/* ---- up: what replicas push, what town staff do
 * ---------------------------------------------------------------------------------- */

struct lm_push_result {
    enum {
        LM_TAKE_TAKEN,
        LM_TAKE_GAP,
        LM_TAKE_DIVERGED,
        LM_TAKE_BAD
    } outcome; /* BAD: content does not unpack, or the replica is revoked; err says why */
    struct lm_head
        acked;      /* after this push once committed; for GAP and DIVERGED: what the hub has */
    uint32_t n_new; /* changes journaled now */
    struct lm_ack_verdict verdicts[LM_ACK_VERDICTS_MAX]; /* those that are not "applied" */
    size_t n_verdicts;
    uint64_t position; /* journal head after it */
};
/* Journals and merges one PUSH inside the caller's transaction. Overlap is recognised by seq and
 * chain hash, a change sent under another branch by its identity. A change that breaks (a status
 * instead of a verdict) is journaled as held "internal" and the rest go on (P4); LM_ERR_IO,
 * LM_ERR_FULL, LM_ERR_MEMORY are returned: roll back. Updates head, as_of and complete_ms. */
enum lm_status lm_store_push(struct lm_store *store, const struct lm_replica *replica,
                             const struct lm_msg_push *push, int64_t now_ms,
                             struct lm_push_result *out, struct lm_error *err) LM_MUST_USE;

/* One thing that town staff (or, with user "", the program) do. The fields are JSON as in an add
 * line. */
struct lm_act {
    const char *user;
    const char *type;    /* creation: type name; else NULL */
    const char *id;      /* creation: NULL or a UUIDv7 of the caller's; else the record */
    const char *key;     /* creation: idempotence key or NULL */
    const char *station; /* creation: village_code, NULL = the town's own */
    const json_t *fields;
    enum lm_op op;
    bool by_system; /* a transition that only the program may make */
    bool merging;   /* part of lm_store_merge_villages */
};
struct lm_act_result {
    char id[40];
    bool repeated; /* the same save again: nothing was done */
    struct lm_issues
        issues; /* warnings; or the refusals when the status is LM_ERR_INVALID or LM_ERR_DENIED */
};
/* Validates, journals as replica 0 and merges inside the caller's transaction (in a SAVEPOINT of
 * its own: a refused act leaves nothing). A change of residence that becomes verified takes its
 * consequences along (residency.c), or is refused with them. */
enum lm_status lm_store_act(struct lm_store *store, const struct lm_act *act, int64_t now_ms,
                            struct lm_act_result *out, struct lm_error *err) LM_MUST_USE;

/* A lock of a reporting period takes its records along in its own commit, up to a bound; this goes
 * on with the rest, as far, in a commit of its own (periods.c). *more_out: there is still more. */
enum lm_status lm_store_periods_more(struct lm_store *store, int64_t now_ms, bool *more_out,
                                     struct lm_error *err) LM_MUST_USE;

/* The record that holds a setting, and its value in value[n]; id "" when there never was one.
 * counts: figures read it; else it was sent back, or deleted. */
struct lm_setting_row {
    char id[40];
    bool counts, deleted;
};
enum lm_status lm_store_setting(struct lm_store *store, const char *key, struct lm_setting_row *out,
                                char *value, size_t n, struct lm_error *err) LM_MUST_USE;

/* ---- what nodes give back after the hub went back (recover.c) ---- */

/* Keeps for a person what of these records is not known here. Nothing has effect before. Inside the
 * caller's transaction. last_out: id up to which nothing need be offered again; LM_ERR_LIMIT: too
 * much of this replica waits already, nothing was kept. */
enum lm_status lm_store_recover(struct lm_store *store, const struct lm_replica *replica,
                                const struct lm_msg_offer *offer, int64_t now_ms, char last_out[40],
                                struct lm_error *err) LM_MUST_USE;
struct lm_recovered_result {
    size_t n;       /* taken over, or dismissed */
    size_t came;    /* had come by themselves meanwhile */
    size_t left;    /* still wait: their reason is in the list */
    size_t awaited; /* of these: their author, enrolled and not revoked, may still send them */
};
/* id 0: all that wait, other than those whose author may still send them, whose contents nodes do
 * not agree on, or which are of another station's record when their turn comes: these are decided
 * by number. Accepted moves and mergers take effect first, so it goes over what is left as long as
 * something was accepted, 16 times at most. Inside the caller's transaction. LM_ERR_NOT_FOUND
 * "no_recovered". With a number that cannot be taken over: LM_ERR_INVALID with its reason. */
enum lm_status lm_store_recovered_decide(struct lm_store *store, int64_t id, bool accept,
                                         const char *user, int64_t now_ms,
                                         struct lm_recovered_result *out,
                                         struct lm_error *err) LM_MUST_USE;

/* ---- USB sticks (usb.c, salvage.c) ---- */

/* A bundle of the replica was taken in; complete_ms: what it moved replicas.complete_ms to, 0 =
 * nothing. */
enum lm_status lm_store_usb_note(struct lm_store *store, uint64_t replica, uint64_t number,
                                 int64_t complete_ms, int64_t now_ms,
                                 struct lm_error *err) LM_MUST_USE;
/* Whether the replica's completeness is by its own clock: a bundle said it last. */
bool lm_store_by_station_clock(struct lm_store *store, const struct lm_replica *replica);
/* What is committed of any branch of it. */
enum lm_status lm_store_branch_acked(struct lm_store *store, uint64_t replica, uint64_t branch,
                                     struct lm_head *out, struct lm_error *err) LM_MUST_USE;
/* A change of a revoked replica into review, unless the journal or the review has it. A change that
 * does not read is LM_ERR_INVALID. */
enum lm_status lm_store_salvage_put(struct lm_store *store, const struct lm_replica *replica,
                                    uint64_t branch, uint64_t seq, const uint8_t *body, size_t n,
                                    int64_t now_ms, bool *added_out,
                                    struct lm_error *err) LM_MUST_USE;
/* Accepts (journals and judges, with author and identity) or dismisses one, or with id 0 all that
 * wait. Inside the caller's transaction. LM_ERR_NOT_FOUND "no_salvaged". */
enum lm_status lm_store_salvage_decide(struct lm_store *store, int64_t id, bool accept,
                                       const char *user, int64_t now_ms, size_t *n_out,
                                       struct lm_error *err) LM_MUST_USE;

/* ---- down ---- */

/* A FEED page for the replica from cursor, within max_bytes and LM_FEED_ENTRIES_MAX, with acked and
 * journal head of the same snapshot. Everything out points to lives in arena. session is filled in
 * by the caller. */
enum lm_status lm_store_feed(struct lm_store *store, const struct lm_replica *replica,
                             const struct lm_cursor *cursor, size_t max_bytes,
                             struct lm_arena *arena, struct lm_msg_feed *out,
                             struct lm_error *err) LM_MUST_USE;
/* BODIES for wanted ids in the replica's scope; ids outside it come as GONE. */
enum lm_status lm_store_bodies(struct lm_store *store, const struct lm_replica *replica,
                               const struct lm_msg_want *want, struct lm_arena *arena,
                               struct lm_msg_feed *out, struct lm_error *err) LM_MUST_USE;
/* What the journal holds of one record behind a position, for a replica whose station sees the
 * record; for others none. Everything out points to lives in arena; session is filled in by the
 * caller. */
enum lm_status lm_store_past(struct lm_store *store, const struct lm_replica *replica,
                             const struct lm_msg_past_ask *ask, struct lm_arena *arena,
                             struct lm_msg_past *out, struct lm_error *err) LM_MUST_USE;
/* Digests of what is in the replica's scope, by id, as the feed would give it: answers COMPARE.
 * Everything out points to lives in arena; session is filled in by the caller. */
enum lm_status lm_store_digests(struct lm_store *store, const struct lm_replica *replica,
                                const struct lm_msg_compare *ask, struct lm_arena *arena,
                                struct lm_msg_digests *out, struct lm_error *err) LM_MUST_USE;
/* Whether feeds moved since lm_store_news_clear, and whether the replica's did by what is not its
 * own change. May say yes for what was rolled back. */
bool lm_store_has_news(const struct lm_store *store);
bool lm_store_news_for(const struct lm_store *store, const struct lm_replica *replica);
void lm_store_news_clear(struct lm_store *store);
/* Journal head as of the last commit of this process (readers: as of now). */
enum lm_status lm_store_head(struct lm_store *store, struct lm_mark *out) LM_MUST_USE;
/* The mark at a position; LM_ERR_NOT_FOUND beyond the head. */
enum lm_status lm_store_mark_at(struct lm_store *store, uint64_t position,
                                struct lm_mark *out) LM_MUST_USE;

/* ---- catalogues (PROTOCOL.md "Catalogue") ---- */

struct lm_catalog_row {
    uint32_t number;
    uint8_t hash[LM_HASH_BYTES];
    size_t packed_len;
    uint64_t position; /* journal entry of its import; 0 = the first */
    int64_t at_ms;
    char user[264]; /* "" = came with the program */
    bool in_force;
};
/* All that were ever in force, oldest first. */
enum lm_status lm_store_catalogs(struct lm_store *store,
                                 bool (*visit)(void *arg, const struct lm_catalog_row *row),
                                 void *arg, struct lm_error *err) LM_MUST_USE;
/* The files of one in their packed form, in arena; LM_ERR_NOT_FOUND. */
enum lm_status lm_store_catalog_packed(struct lm_store *store, uint32_t number,
                                       struct lm_arena *arena, const uint8_t **packed_out,
                                       size_t *n_out, struct lm_error *err) LM_MUST_USE;
/* Puts a catalogue into force inside the caller's transaction: tables, values that become known,
 * the act in the journal, and what was held for it judged again. The same again changes nothing
 * (*again_out). LM_ERR_INVALID "not_additive": report was called with each breach; LM_ERR_EXISTS:
 * another one of this number is in force; "malformed", LM_ERR_LIMIT, LM_ERR_VERSION as
 * lm_catalog_load_packed. Afterwards lm_store_catalog() is the new one; a rollback brings the old
 * one back. */
enum lm_status lm_store_catalog_import(struct lm_store *store, const char *user,
                                       const uint8_t *packed, size_t n, int64_t now_ms,
                                       void (*report)(void *arg, const struct lm_error *breach),
                                       void *arg, bool *again_out,
                                       struct lm_error *err) LM_MUST_USE;
/* What a replica said it has (HELLO). */
enum lm_status lm_store_catalog_seen(struct lm_store *store, uint64_t replica, uint32_t number,
                                     const uint8_t hash[LM_HASH_BYTES],
                                     struct lm_error *err) LM_MUST_USE;
/* How many installations have which catalogue, in order of numbers. */
enum lm_status lm_store_catalogs_seen(struct lm_store *store,
                                      bool (*visit)(void *arg, uint32_t number,
                                                    const uint8_t hash[LM_HASH_BYTES], size_t n),
                                      void *arg, struct lm_error *err) LM_MUST_USE;

/* ---- the audit log's anchors (audit_kept.c) ---- */

struct lm_audit;
/* Notes the newest row of the audit log, in a transaction of its own. */
enum lm_status lm_store_audit_anchor(struct lm_store *store, int64_t now_ms,
                                     struct lm_error *err) LM_MUST_USE;
/* *first_bad_out: the first anchored row that is another now (0 = none); *anchored_out: the highest
 * anchored row: a log with fewer rows has lost its end. */
enum lm_status lm_store_audit_check(struct lm_store *store, struct lm_audit *audit,
                                    int64_t *first_bad_out, int64_t *anchored_out,
                                    struct lm_error *err) LM_MUST_USE;

/* ---- questions ---- */

/* The one in force; valid until the next commit, rollback or lm_store_read_begin. */
const struct lm_catalog *lm_store_catalog(const struct lm_store *store);
struct lm_lookup lm_store_lookup(struct lm_store *store);
enum lm_status lm_store_get(struct lm_store *store, struct lm_arena *arena, const char *type,
                            const char *id, struct lm_record **out) LM_MUST_USE;
/* How many rows of the type stand in that state, deleted ones apart. */
enum lm_status lm_store_in_state(struct lm_store *store, const struct lm_type *type,
                                 const char *state, size_t *out, struct lm_error *err) LM_MUST_USE;
/* The type under which an id is known (in the master or only in the journal), or NULL. */
const char *lm_store_type_of(struct lm_store *store, const char *id);

struct lm_where;
enum lm_status lm_store_list(struct lm_store *store, struct lm_arena *arena, const char *type,
                             const char *village, const struct lm_where *where, size_t n_where,
                             bool (*visit)(void *arg, const struct lm_record *rec), void *arg,
                             struct lm_error *err) LM_MUST_USE;
/* A field's text value in words: see lm_label_text in common/label.h. */
void lm_store_words(struct lm_store *store, const struct lm_field *field, const char *text,
                    char *out, size_t n);

/* Rows for people, as JSON objects (borrowed by visit), oldest first:
 * history:
 * {"position","replica","station","branch","seq","hlc","at","clock_at","clock_offset_ms","received_at","user","op","fields","verdict","code","text","rank"}
 * returned: {"id","type","station","verdict","code","field","text","text_en","at","user","fields"}
 * open invalid and refused held: {"position","id","type","station","code","waits_for","text","at"}
 * conflicts:{"id","record","type","group","label","at","siblings":[{"n","value","user","station","at","stands"}]}
 */
typedef bool (*lm_row_visit)(void *arg, const json_t *row);
enum lm_status lm_store_history(struct lm_store *store, const char *id, lm_row_visit visit,
                                void *arg, struct lm_error *err) LM_MUST_USE;
enum lm_status lm_store_returned(struct lm_store *store, const char *station, lm_row_visit visit,
                                 void *arg, struct lm_error *err) LM_MUST_USE;
/* How many are returned, of each station that has some. */
enum lm_status lm_store_returned_counts(struct lm_store *store,
                                        bool (*visit)(void *arg, const char *station, int64_t n),
                                        void *arg, struct lm_error *err) LM_MUST_USE;
enum lm_status lm_store_held(struct lm_store *store, lm_row_visit visit, void *arg,
                             struct lm_error *err) LM_MUST_USE;
enum lm_status lm_store_conflicts(struct lm_store *store, lm_row_visit visit, void *arg,
                                  struct lm_error *err) LM_MUST_USE;
/* All conflicts of one record, the newest first, at most 50: as above with "open"; of a settled one
 * "stands" says whose value the record has now, and "settled" {"user","station","at"} who chose
 * last. */
enum lm_status lm_store_conflicts_of(struct lm_store *store, const char *record, lm_row_visit visit,
                                     void *arg, struct lm_error *err) LM_MUST_USE;
/* {"id","station","record","type","user","at","op","fields"} of what waits for a decision. */
enum lm_status lm_store_recovered(struct lm_store *store, lm_row_visit visit, void *arg,
                                  struct lm_error *err) LM_MUST_USE;
enum lm_status lm_store_salvaged(struct lm_store *store, lm_row_visit visit, void *arg,
                                 struct lm_error *err) LM_MUST_USE;
/* Keeps sibling n: itself a change of the hub with the current version as base. id: the conflict's,
 * or the record's when only one is open. */
enum lm_status lm_store_resolve(struct lm_store *store, const char *user, const char *id, int keep,
                                int64_t now_ms, struct lm_act_result *out,
                                struct lm_error *err) LM_MUST_USE;
/* Another choice in a conflict that is settled: again a change of the hub, whose base is the record
 * as it is then. LM_ERR_DENIED "state_moves_on": a state, which goes its own steps; "locked". */
enum lm_status lm_store_choose_again(struct lm_store *store, const char *user, const char *id,
                                     int keep, int64_t now_ms, struct lm_act_result *out,
                                     struct lm_error *err) LM_MUST_USE;
/* Moves between villages that wait for the town, releases and claims: {"id","type","fields",…,
 * "claim": bool, "records": [the files that are or may be meant: {"id","name","village_code",
 * "state","same_number","same_name"}]}. */
enum lm_status lm_store_transfers(struct lm_store *store, lm_row_visit visit, void *arg,
                                  struct lm_error *err) LM_MUST_USE;
/* Open pairs of possible doubles:
 * {"type","position","records":[{"id","village_code","state","name"}]}.
 */
enum lm_status lm_store_duplicates(struct lm_store *store, lm_row_visit visit, void *arg,
                                   struct lm_error *err) LM_MUST_USE;
/* One person's two files: id becomes a redirect to into (state merged, merged_into), references
 * stay. */
enum lm_status lm_store_merge(struct lm_store *store, const char *user, const char *id,
                              const char *into, int64_t now_ms, struct lm_act_result *out,
                              struct lm_error *err) LM_MUST_USE;
/* Back to the state before the merge. */
enum lm_status lm_store_unmerge(struct lm_store *store, const char *user, const char *id,
                                int64_t now_ms, struct lm_act_result *out,
                                struct lm_error *err) LM_MUST_USE;
/* The pair is none; it is not shown again. LM_ERR_NOT_FOUND when it is not open. */
enum lm_status lm_store_dismiss(struct lm_store *store, const char *user, const char *a,
                                const char *b, int64_t now_ms, struct lm_error *err) LM_MUST_USE;
/* Judges a held change again although what it waits for is not there. position: of its journal
 * entry. LM_ERR_INVALID "still_held": it cannot do without, as one that waits for another village's
 * record to move. */
enum lm_status lm_store_release(struct lm_store *store, const char *user, uint64_t position,
                                int64_t now_ms, struct lm_error *err) LM_MUST_USE;
/* A person says no to a held change: it is refused, with why as the reason that its author reads.
 * What waits for it is judged again. LM_ERR_NOT_FOUND: nothing held has that position. */
#define LM_REFUSE_WHY_BYTES_MAX 360
enum lm_status lm_store_refuse(struct lm_store *store, const char *user, uint64_t position,
                               const char *why, int64_t now_ms, struct lm_error *err) LM_MUST_USE;

/* The held changes by station and code: {"station","code","text","text_en","at" (of the first),"n",
 * "through"}; through: the journal's highest position, for lm_store_refuse_many. */
enum lm_status lm_store_held_groups(struct lm_store *store, lm_row_visit visit, void *arg,
                                    struct lm_error *err) LM_MUST_USE;
/* Refuses a station's held changes of one code in positions after < p <= through, the first
 * LM_REFUSE_MANY_MAX of them: a commit of that size holds the hub for a part of a second. A caller
 * goes on with after = next in a commit of its own, until next is 0. What came after through was
 * counted, or was judged again since and is held for another cause than then, is not refused unseen
 * (left: how many); the same again finds nothing. kept: those that this program cannot
 * read yet (single refusals say "still_held"). What built upon a refused one is refused with it.
 * LM_ERR_INVALID "required": no code, station or why. */
#define LM_REFUSE_MANY_MAX 200
struct lm_refuse_many {
    const char *user, *station, *code, *why; /* why: as in lm_store_refuse */
    uint64_t after, through;
};
struct lm_refused_many {
    size_t refused, kept, left;
    uint64_t next;
};
enum lm_status lm_store_refuse_many(struct lm_store *store, const struct lm_refuse_many *act,
                                    int64_t now_ms, struct lm_refused_many *out,
                                    struct lm_error *err) LM_MUST_USE;

struct lm_store_totals {
    uint64_t journal_entries, journal_bytes, returned, held, conflicts, duplicates;
};
enum lm_status lm_store_totals(struct lm_store *store, struct lm_store_totals *out) LM_MUST_USE;

/* Checks the file (its indexes hold what its tables hold: figures are read from them), recomputes
 * the journal's chain and every branch's chain, replays the journal into a new database
 * (in memory or a temporary file beside the data) and compares master, feed and review rows. report
 * is called for each difference; LM_OK with *n_out differences. */
enum lm_status lm_store_verify(struct lm_store *store,
                               void (*report)(void *arg, const char *difference), void *arg,
                               size_t *n_out, struct lm_error *err) LM_MUST_USE;

#endif
