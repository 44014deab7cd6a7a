/* What the files of hub/store/ share: the connection, its prepared statements, and the parts of one
 * journal entry's way through the store. Nobody outside hub/store/ includes it.
 *
 * Invariants:
 *  - store->state is what the open transaction sees, store->committed what the last commit left; a
 * rollback copies it back (P2).
 *  - Whatever a verdict depends on is in the journal or follows from it: received_ms, offset_ms,
 * station and author travel with the entry, never from the registry. That is what makes `verify`
 * possible.
 *  - store->arena is reset for each change; nothing that outlives one change may point into it. */
#ifndef LM_HUB_STORE_INTERNAL_H
#define LM_HUB_STORE_INTERNAL_H

#include "common/db.h"
#include "common/tables.h"
#include "hub/store.h"

#include <sqlite3.h>

/* Every statement of the store, in queries.c; prepared at first use and kept until close. */
enum lm_query {
    LM_Q_SAVEPOINT_PUSH,
    LM_Q_RELEASE_PUSH,
    LM_Q_BACK_PUSH,
    LM_Q_SAVEPOINT_ACT,
    LM_Q_RELEASE_ACT,
    LM_Q_BACK_ACT,
    LM_Q_SAVEPOINT_ONE,
    LM_Q_RELEASE_ONE,
    LM_Q_BACK_ONE,
    LM_Q_META_GET,
    LM_Q_META_PUT,
    LM_Q_JOURNAL_ADD,
    LM_Q_JOURNAL_HEAD,
    LM_Q_JOURNAL_AT,
    LM_Q_JOURNAL_OF,
    LM_Q_JOURNAL_FIND,
    LM_Q_JOURNAL_HAS,
    LM_Q_JOURNAL_RANGE,
    LM_Q_JOURNAL_BODIES,
    LM_Q_JOURNAL_TOTALS,
    LM_Q_JOURNAL_TYPE,
    LM_Q_BRANCH_ADD,
    LM_Q_BRANCH_EXTEND,
    LM_Q_BRANCH_LAST,
    LM_Q_BRANCH_AT,
    LM_Q_BRANCH_HIGHEST,
    LM_Q_BRANCH_HLC,
    LM_Q_FEED_PUT,
    LM_Q_FEED_PAGE,
    LM_Q_FEED_IDS,
    LM_Q_SCOPE_SUM_GET,
    LM_Q_SCOPE_SUM_PUT,
    LM_Q_RETURN_PUT,
    LM_Q_RETURN_CLOSE_VALID,
    LM_Q_RETURN_CLOSE_STATION,
    LM_Q_RETURN_CLOSE_REFUSED,
    LM_Q_RETURN_OF,
    LM_Q_RETURN_LIST,
    LM_Q_RETURN_COUNTS,
    LM_Q_HELD_PUT,
    LM_Q_HELD_DELETE,
    LM_Q_HELD_WAITING,
    LM_Q_HELD_OF,
    LM_Q_HELD_LIST,
    LM_Q_HELD_AT,
    LM_Q_HELD_KEYS,
    LM_Q_HELD_MOVED,
    LM_Q_HELD_GROUPS,
    LM_Q_HELD_OF_GROUP,
    LM_Q_HELD_UNSEEN,
    LM_Q_REDRIVE_PUT,
    LM_Q_REDRIVE_DELETE,
    LM_Q_REDRIVE_LIST,
    LM_Q_CONFLICT_OPEN,
    LM_Q_CONFLICT_OF,
    LM_Q_CONFLICT_ADD,
    LM_Q_CONFLICT_CLOSE,
    LM_Q_CONFLICT_LIST,
    LM_Q_CONFLICT_ALL_OF,
    LM_Q_CONFLICT_GET,
    LM_Q_SIBLING_PUT,
    LM_Q_SIBLING_LIST,
    LM_Q_SIBLING_NEXT,
    LM_Q_DUPLICATE_PUT,
    LM_Q_DUPLICATE_CLOSE,
    LM_Q_CHANGED,
    LM_Q_DUPLICATE_PERSON,
    LM_Q_DUPLICATE_DISMISS,
    LM_Q_DUPLICATE_LIST,
    LM_Q_SAVE_GET,
    LM_Q_SAVE_PUT,
    LM_Q_STATION_PUT,
    LM_Q_STATION_GET,
    LM_Q_STATION_LIST,
    LM_Q_REPLICA_ADD,
    LM_Q_REPLICA_GET,
    LM_Q_REPLICA_BY_KEY,
    LM_Q_REPLICA_LIST,
    LM_Q_REPLICA_HELLO,
    LM_Q_REPLICA_PUSHED,
    LM_Q_REPLICA_LEASE,
    LM_Q_REPLICA_HUB_KEY,
    LM_Q_REPLICA_SPOKE,
    LM_Q_REPLICA_REVOKE,
    LM_Q_REPLICA_SETTLE,
    LM_Q_REPLICA_CLONE,
    LM_Q_REPLICA_TWIN,
    LM_Q_REPLICA_DOUBT,
    LM_Q_REPLICA_CLOCK,
    LM_Q_ALARM_ADD,
    LM_Q_ALARM_TRIM,
    LM_Q_ALARM_RANGES,
    LM_Q_ALARM_LIST,
    LM_Q_ALARM_CLOSE,
    LM_Q_KIT_ADD,
    LM_Q_KIT_GET,
    LM_Q_KIT_BY_KEY,
    LM_Q_KIT_LIST,
    LM_Q_KIT_USE,
    LM_Q_KIT_VOID,
    LM_Q_KIT_VOID_ALL,
    LM_Q_BRANCH_SAFE,
    LM_Q_USER_ADD,
    LM_Q_USER_GET,
    LM_Q_USER_PERSON,
    LM_Q_USER_PASSWORD,
    LM_Q_USER_DISABLE,
    LM_Q_USER_SHUT,
    LM_Q_USER_LIST,
    LM_Q_PERIOD_OVER,
    LM_Q_TOKEN_ADD,
    LM_Q_TOKEN_DROP,
    LM_Q_TOKEN_SHUT,
    LM_Q_TOKEN_HASH,
    LM_Q_TOKEN_GET,
    LM_Q_TOKEN_LIST,
    LM_Q_FILTERS_GET,
    LM_Q_FILTERS_PUT,
    LM_Q_CATALOG_ADD,
    LM_Q_CATALOG_TOP,
    LM_Q_CATALOG_FIRST,
    LM_Q_CATALOG_GET,
    LM_Q_CATALOG_LIST,
    LM_Q_CATALOG_SEEN,
    LM_Q_CATALOG_SEEN_LIST,
    LM_Q_USB_NOTE,
    LM_Q_USB_GET,
    LM_Q_SALVAGE_PUT,
    LM_Q_SALVAGE_LIST,
    LM_Q_SALVAGE_CLOSE,
    LM_Q_SALVAGE_MISSED,
    LM_Q_RECOVERED_SAME,
    LM_Q_RECOVERED_OPEN,
    LM_Q_RECOVERED_PUT,
    LM_Q_RECOVERED_GROW,
    LM_Q_RECOVERED_SECOND,
    LM_Q_RECOVERED_FROM,
    LM_Q_RECOVERED_LIST,
    LM_Q_RECOVERED_CLOSE,
    LM_Q_RECOVERED_WHY,
    LM_Q_RECOVERED_LOAD,
    LM_Q_RECOVERED_MISSED,
    LM_Q_COUNT
};

enum { LM_STORE_CATALOGS_MAX = 8 }; /* loaded catalogues kept in memory */

/* Numbers that follow from the database and are kept beside it: changed in a transaction, kept by
 * its commit. */
struct lm_store_state {
    struct lm_mark head; /* of the journal */
    struct lm_head hub;  /* the hub's own branch */
    uint64_t hub_hlc;    /* highest HLC the hub gave out */
    int64_t n_held, n_returns, n_conflicts, n_duplicates,
        n_redrive; /* open rows: 0 spares a look-up for each change */
};

/* A scope in whose feed something moved, and whose change that was: 0 the hub's, or of several. */
struct lm_touched {
    int64_t scope;
    uint64_t replica;
};
#define LM_TOUCHED_MAX 256

/* Tables that changed, with a number each (kept_figures.c). */
#define LM_CHANGED_MAX 64
struct lm_changed {
    char table[48];
    int64_t number;
};
struct lm_changed_list {
    struct lm_changed items[LM_CHANGED_MAX];
    size_t n;
    bool more; /* there were others */
};

enum { LM_PERIOD_SPANS_MAX = 16 };
struct lm_span {
    char from[11], to[11]; /* days, both ends included */
};

/* Where work on a span stands: types one after another, each locked, then opened. */
struct lm_settle_at {
    size_t t;    /* 2 * type + 1 when opening */
    char id[40]; /* behind this record of it */
};

struct lm_store {
    struct lm_db *db;
    struct sqlite3 *sql; /* lm_db_handle(db) */
    struct lm_tables *tables;
    const struct lm_catalog *catalog;                 /* in force */
    const struct lm_catalog *embedded;                /* the program's own; the caller's */
    struct lm_catalog *loaded[LM_STORE_CATALOGS_MAX]; /* others, from the database */
    size_t n_loaded;
    struct lm_tables
        *old_tables; /* while a new catalogue is not committed: what it takes the place */
    const struct lm_catalog *old_catalog; /* of */
    struct lm_datadir dir;                /* with the lock when it was opened for writing */
    enum lm_store_mode mode;
    struct lm_town town;
    uint8_t dup_key[32];
    bool has_dup_key;
    bool replaying; /* the new database of a verification: later verdicts come from the journal */
    struct lm_lookup lookup;
    struct lm_arena arena;                         /* one change */
    struct lm_store_state state, committed, batch; /* batch: as at the push's savepoint */
    struct lm_rand rnd;
    char (*redrive)[96]; /* what became available in this batch, as waits_for keys */
    size_t n_redrive, size_redrive;
    char (*moves)[48]; /* files whose moves are to be looked at before COMMIT (moves.c) */
    size_t n_moves, size_moves;
    int64_t moves_ms; /* when the newest change behind them was received */
    char (
        *locking)[40]; /* verified in a locked period: to be looked at before COMMIT (periods.c) */
    size_t n_locking, size_locking;
    struct lm_span spans[LM_PERIOD_SPANS_MAX]; /* of locks that came or went */
    size_t n_spans;
    int64_t locking_ms;            /* when the newest change behind them was received */
    char locked_by[264];           /* who locked or opened last */
    struct lm_settle_at settle_at; /* where the ticks go on with the first span noted in meta */
    bool settling_periods;         /* what is set meanwhile needs no second look */
    bool acting;          /* inside lm_store_act: what follows from an act is not judged like it */
    bool judging_periods; /* the act is a person's: locks hold for it */
    struct lm_arena push_arena; /* one PUSH: its unpacked changes */
    char (*codes)[32]; /* verdict codes told so far: they outlive the push that told them */
    size_t n_codes;
    uint64_t begins;          /* where the journal stood when this incarnation began */
    int64_t went_back_ms;     /* and when that was, for a history after the first; else 0 */
    uint64_t backup_position; /* the journal up to here is in a backup; 0 = nothing */
    bool revoke_logged;       /* lm_store_revoke has written to revoked.log since it began */
    bool broken;              /* a COMMIT failed for I/O: what is on disk is not known any more */
    unsigned reading;         /* how deep inside lm_store_read_begin */
    struct lm_touched touched[LM_TOUCHED_MAX]; /* since lm_store_news_clear */
    size_t n_touched;                          /* beyond the maximum: every scope */
    struct lm_changed_list changes;            /* of this transaction */
    struct lm_kept_figures *kept;              /* NULL: none are kept */
    struct lm_merger mergers[LM_MERGERS_MAX];  /* the writer's; as of the open transaction */
    size_t n_mergers;
    bool mergers_known;
    char strays[LM_MERGERS_MAX]
               [16]; /* merged villages for which something was stored since BEGIN */
    size_t n_strays;
    int64_t stray_ms; /* receipt of the newest */
    struct sqlite3_stmt *stmt[LM_Q_COUNT];
};

/* ---- statements (queries.c) ---- */

extern const char *const lm_query_sql[LM_Q_COUNT];
/* The statement, reset and unbound, or NULL (err says why; LM_ERR_IO or LM_ERR_MEMORY is meant by
 * NULL). */
struct sqlite3_stmt *lm_query(struct lm_store *store, enum lm_query query, struct lm_error *err);
/* Runs a statement that gives no rows, and resets it. */
enum lm_status lm_query_run(struct lm_store *store, struct sqlite3_stmt *stmt,
                            struct lm_error *err) LM_MUST_USE;
/* Steps once: LM_OK with a row, LM_ERR_NOT_FOUND (err untouched) without; the caller resets. */
enum lm_status lm_query_step(struct lm_store *store, struct sqlite3_stmt *stmt,
                             struct lm_error *err) LM_MUST_USE;
/* Simple commands such as savepoints. */
enum lm_status lm_query_do(struct lm_store *store, enum lm_query query,
                           struct lm_error *err) LM_MUST_USE;
void lm_bind_text(struct sqlite3_stmt *stmt, int index,
                  const char *text); /* NULL → null; text must live until the step */
void lm_bind_blob(struct sqlite3_stmt *stmt, int index, const void *data, size_t n);
void lm_bind_id(struct sqlite3_stmt *stmt, int index,
                const char *id); /* UUID text → 16 bytes; "" → empty blob */
void lm_column_id(struct sqlite3_stmt *stmt, int column, char out[40]); /* "" for an empty blob */
const char *lm_column_str(struct sqlite3_stmt *stmt, int column);       /* never NULL */
void lm_column_copy(struct sqlite3_stmt *stmt, int column, char *out, size_t n);
void lm_column_bytes(struct sqlite3_stmt *stmt, int column, uint8_t *out,
                     size_t n); /* zeroed when the size differs */

/* ---- schema and opening (schema.c, store.c)
 * ------------------------------------------------------------------------------------------- */

#define LM_HUB_DB_FILE "hub.db"
extern const struct lm_migration lm_store_migrations[];
extern const int lm_store_n_migrations;
/* Without the directory's lock and without reading the town: for a verification's new database. */
enum lm_status lm_store_open_file(const char *path, const struct lm_catalog *catalog, bool create,
                                  bool read_only, struct lm_store **out,
                                  struct lm_error *err) LM_MUST_USE;
/* Reads state (journal head, open rows) and, when with_town, the town and the hub's branch. */
enum lm_status lm_store_load(struct lm_store *store, bool with_town,
                             struct lm_error *err) LM_MUST_USE;
/* Town and the hub's own branch into store->town and store->state. */
enum lm_status lm_town_load(struct lm_store *store, struct lm_error *err) LM_MUST_USE;
enum lm_status lm_meta_put(struct lm_store *store, const char *name, const char *value,
                           struct lm_error *err) LM_MUST_USE;
/* Into out ("" when absent). */
enum lm_status lm_meta_get(struct lm_store *store, const char *name, char *out, size_t n,
                           struct lm_error *err) LM_MUST_USE;

/* ---- catalogues (catalogs.c) ---- */

/* The one that the database has in force, or the program's when it has none yet. */
enum lm_status lm_catalogs_choose(struct lm_store *store, struct lm_error *err) LM_MUST_USE;
/* Notes the catalogue in force as the first, unless there is one. */
enum lm_status lm_catalogs_first(struct lm_store *store, struct lm_error *err) LM_MUST_USE;
/* A stored catalogue; *out NULL: there is none of that number here. Valid until the next call for
 * another; the one in force stays. */
enum lm_status lm_catalogs_get(struct lm_store *store, uint32_t number,
                               const struct lm_catalog **out, struct lm_error *err) LM_MUST_USE;
/* Puts into force, in the store that `verify` replays, what the verified store's journal tells of.
 */
enum lm_status lm_catalogs_replay(struct lm_store *replay, struct lm_store *from, uint64_t number,
                                  const char *hash_hex, uint64_t pos,
                                  struct lm_error *err) LM_MUST_USE;
/* The program brings a newer one than is in force: imports it if it may follow. */
enum lm_status lm_catalogs_upgrade(struct lm_store *store, struct lm_error *err) LM_MUST_USE;
/* A reader: another process has put one into force since. */
enum lm_status lm_catalogs_refresh(struct lm_store *store, struct lm_error *err) LM_MUST_USE;
void lm_catalogs_committed(struct lm_store *store);
void lm_catalogs_rolled_back(struct lm_store *store);
void lm_catalogs_close(struct lm_store *store);

/* ---- histories (incarnation.c) ---- */

/* town.hub_id from the key file, when there is one (store.c). */
void lm_hub_id_load(struct lm_store *store);
/* store->went_back_ms, by the journal; the town and store->begins are known. */
enum lm_status lm_incarnation_load(struct lm_store *store) LM_MUST_USE;
/* The town's incarnation into incarnations.log. */
enum lm_status lm_incarnation_note(struct lm_store *store, const char *why, int64_t now_ms,
                                   struct lm_error *err) LM_MUST_USE;

/* ---- files beside the database (beside.c) ---- */

#define LM_INCARNATIONS_FILE "incarnations.log"
#define LM_REVOKED_FILE "revoked.log"
/* Appends a line to one, fsynced. */
enum lm_status lm_beside_append(const struct lm_store *store, const char *name, const char *line,
                                struct lm_error *err) LM_MUST_USE;
/* Calls visit with every line of such a file (≤ 16 MiB), zeros in it taken for ends of lines; a
 * missing one has none. A line that was cut by a power failure is left out by what visit makes of
 * it. */
enum lm_status lm_beside_lines(const struct lm_store *store, const char *name,
                               enum lm_status (*visit)(void *arg, const char *line), void *arg,
                               struct lm_error *err) LM_MUST_USE;
/* The highest counter in incarnations.log; *counter stays if it has none higher. */
enum lm_status lm_incarnation_highest(struct lm_store *store, uint64_t *counter,
                                      struct lm_error *err) LM_MUST_USE;
/* At opening for writing: revocations and incarnations that the files beside the database know and
 * it does not. In transactions of its own. */
enum lm_status lm_store_heal(struct lm_store *store, struct lm_error *err) LM_MUST_USE;
/* Repeats the revocations of revoked.log. Inside a transaction. */
enum lm_status lm_revoke_again(struct lm_store *store, int64_t now_ms,
                               struct lm_error *err) LM_MUST_USE;
/* A line in revoked.log (registry.c). */
enum lm_status lm_revocation_note(struct lm_store *store, const struct lm_replica *r,
                                  int64_t now_ms, struct lm_error *err) LM_MUST_USE;
/* Revokes in journal and registry, without the file (registry.c). */
enum lm_status lm_revoke_row(struct lm_store *store, const char *user, const struct lm_replica *r,
                             int64_t now_ms, struct lm_error *err) LM_MUST_USE;

/* ---- doors that were shut (doors.c) ---- */

/* Notes an account as the row now is, or a token that was revoked. Inside the transaction. */
enum lm_status lm_door_account(struct lm_store *store, const char *name, int64_t now_ms,
                               struct lm_error *err) LM_MUST_USE;
enum lm_status lm_door_token(struct lm_store *store, const uint8_t hash[LM_HASH_BYTES],
                             int64_t now_ms, struct lm_error *err) LM_MUST_USE;
/* Accounts that doors.log does not name, or only before lines that cannot be read: noted as they
 * are, but none is opened that the file has shut. */
enum lm_status lm_doors_note(struct lm_store *store, int64_t now_ms,
                             struct lm_error *err) LM_MUST_USE;
/* Makes accounts and tokens of this database what doors.log says, but opens none. Inside a
 * transaction. */
enum lm_status lm_doors_again(struct lm_store *store, int64_t now_ms,
                              struct lm_error *err) LM_MUST_USE;

/* ---- journal (journal.c) ---- */

enum lm_jentry_kind { LM_J_CHANGE = 0, LM_J_LATER = 1 };
/* What a later verdict is for; number stored in its body [what, position, user, text, text]. */
enum lm_later {
    LM_LATER_REDRIVE = 1,
    LM_LATER_RELEASE = 2,
    LM_LATER_REVOKE = 3,
    LM_LATER_SETTLE = 4,
    LM_LATER_REFUSE = 6,  /* a person says no to what waits: position, user, a = why */
    LM_LATER_CATALOG = 5, /* a catalogue comes into force: position = its number, text = its hash */
    LM_LATER_DIFFERENT = 10,  /* a pair of possible doubles is none: user, a, b */
    LM_LATER_LOOKED = 9,      /* a person looked into a station's alarms: user, station, why */
    LM_LATER_READMIT = 13,    /* position: the replica; a: its station */
    LM_LATER_MERGED = 14,     /* villages merged: user, a = "from into day", b = why */
    LM_LATER_INCARNATION = 12 /* position: the counter that begins, or the rival seen; a: why */
};
/* Why of the latter: nothing begins. */
#define LM_INCARNATION_RIVAL "rival"

struct lm_jentry {
    uint64_t pos;
    int kind;
    uint64_t replica, branch, seq;
    const char *station, *type; /* type "" when it could not be read */
    char record[40];            /* "" when it could not be read */
    uint64_t hlc;
    const uint8_t *body;
    size_t body_len;
    enum lm_verdict verdict;
    const char *code;   /* "" = none */
    const char *reason; /* JSON or NULL */
    uint64_t rank;
    int64_t received_ms, offset_ms;
    uint32_t catalog; /* number of the hub's catalogue when it was judged */
    unsigned by;      /* one bit of enum lm_author */
    uint8_t mark[LM_HASH_BYTES];
};
/* Appends as position head + 1, filling pos and mark, and moves state.head. */
enum lm_status lm_journal_append(struct lm_store *store, struct lm_jentry *entry,
                                 struct lm_error *err) LM_MUST_USE;
void lm_journal_mark(const uint8_t before[LM_HASH_BYTES], const struct lm_jentry *entry,
                     uint8_t out[LM_HASH_BYTES]);
/* A row of LM_Q_JOURNAL_AT, _OF or _RANGE; texts and body are copied into arena. */
enum lm_status lm_journal_row(struct sqlite3_stmt *stmt, struct lm_arena *arena,
                              struct lm_jentry *out) LM_MUST_USE;
enum lm_status lm_journal_at(struct lm_store *store, uint64_t pos, struct lm_arena *arena,
                             struct lm_jentry *out) LM_MUST_USE;
/* The entry of a change by identity, with the verdict, code, reason and rank that stand now.
 * LM_ERR_NOT_FOUND. */
enum lm_status lm_journal_find(struct lm_store *store, struct lm_arena *arena, const char *record,
                               struct lm_version version, struct lm_jentry *out) LM_MUST_USE;
/* When the author made it, by the hub's clock as far as it is known. */
int64_t lm_jentry_made_ms(const struct lm_jentry *e, const struct lm_change *change);
/* Members of a row for people. */
void lm_row_text(json_t *row, const char *name, const char *text);
void lm_row_time(json_t *row, const char *name, int64_t ms);
void lm_row_number(json_t *row, const char *name, uint64_t number);
/* {field: value} of a change, decimals scaled as the catalogue says; fields not known here as they
 * are. NULL when out of memory. */
json_t *lm_row_fields(const struct lm_type *type, const struct lm_value *fields);
void lm_later_pack(struct lm_buf *buf, enum lm_later what, uint64_t pos, const char *user,
                   const char *a, const char *b);
/* Appends an act that is about no change. The caller sets entry's received_ms and by, and its type
 * and record where it has them; the rest is set here, and body is empty afterwards. */
enum lm_status lm_journal_later(struct lm_store *store, struct lm_jentry *entry, enum lm_later what,
                                uint64_t pos, const char *user, const char *a, const char *b,
                                struct lm_error *err) LM_MUST_USE;
bool lm_later_read(const struct lm_jentry *entry, struct lm_arena *arena, enum lm_later *what,
                   uint64_t *pos, const char **user, const char **a, const char **b);

struct lm_branch_row {
    uint64_t replica, branch, first_seq, last_seq, pos_first, hlc;
    uint8_t before[LM_HASH_BYTES], after[LM_HASH_BYTES];
};
/* The newest stretch of a branch; none: seq 0 and the chain's start. */
enum lm_status lm_branch_last(struct lm_store *store, uint64_t replica, uint64_t branch,
                              struct lm_branch_row *out, struct lm_error *err) LM_MUST_USE;
/* Adds a stretch, or lengthens the last one when the positions go on without a gap. */
enum lm_status lm_branch_add(struct lm_store *store, const struct lm_branch_row *row,
                             struct lm_error *err) LM_MUST_USE;
/* Chain hash after seq (≤ last). */
enum lm_status lm_branch_hash(struct lm_store *store, uint64_t replica, uint64_t branch,
                              uint64_t seq, uint8_t out[LM_HASH_BYTES],
                              struct lm_error *err) LM_MUST_USE;

/* ---- judging (judge.c, redrive.c, effects.c) ---- */

struct lm_judge_in {
    struct lm_jentry entry; /* replica, branch, seq, station, body, received_ms, offset_ms, by; the
                               rest is filled */
    uint64_t hlc_floor;     /* HLC of the change before it in its branch */
    uint64_t
        hlc_known; /* highest HLC journaled of this replica: above it nothing can be a repetition */
    uint64_t hlc_highest; /* of this replica's changes that were let through: its own last one */
    bool offset_given;  /* offset_ms is to be used as it is (replay, the hub); else the change's own
                           when it knows one */
    bool held_internal; /* journal it as held "internal" without trying */
};
struct lm_judge_out {
    enum lm_verdict verdict;
    struct lm_error reason;
    uint64_t hlc;
    struct lm_record *record; /* as stored, in store->arena; NULL when nothing was */
};
/* One change of a branch: verdict, journal entry, effects. Does not move the branch's head. */
enum lm_status lm_judge(struct lm_store *store, struct lm_judge_in *in, struct lm_judge_out *out,
                        struct lm_error *err) LM_MUST_USE;
/* A held change again. *changed_out false: still held for the same reason, nothing was journaled.
 */
enum lm_status lm_judge_again(struct lm_store *store, uint64_t pos, enum lm_later what,
                              const char *user, const char *why, int64_t now_ms, bool *changed_out,
                              struct lm_error *err) LM_MUST_USE;
/* Judges again what waits for what became available, within a bound; the rest stays noted for the
 * next call. */
enum lm_status lm_judge_redrive(struct lm_store *store, int64_t now_ms,
                                struct lm_error *err) LM_MUST_USE;
/* A person says that a pair of possible doubles (a, b in any order) is none. */
enum lm_status lm_judge_dismiss(struct lm_store *store, const char *user, const char *a,
                                const char *b, int64_t now_ms, struct lm_error *err) LM_MUST_USE;
/* Closes a conflict whose standing value is to stay, where no change can say so. */
enum lm_status lm_judge_settle(struct lm_store *store, const char *user, const char *record,
                               const char *type, const char *group, int64_t now_ms,
                               struct lm_error *err) LM_MUST_USE;
/* {"code","field","zh","en","waits_for"} of a reason; NULL for code "". In arena. */
const char *lm_reason_text(struct lm_arena *arena, const struct lm_error *reason,
                           const char *waits_for);
void lm_reason_read(const char *text, struct lm_error *out, char waits_for[96]);

/* What a stored record, or a change without one, leaves in feed, returns, held, conflicts and
 * duplicates. */
struct lm_effect {
    const struct lm_jentry *entry;  /* at whose position it counts */
    const struct lm_change *change; /* NULL: could not be read */
    const struct lm_record *before; /* NULL: new */
    struct lm_merge_out *merge;
    uint64_t target; /* position of the change's own entry */
};
enum lm_status lm_effect_apply(struct lm_store *store, const struct lm_effect *effect,
                               struct lm_error *err) LM_MUST_USE;
/* The scopes whose feed holds the record: 0 = every station's. */
enum { LM_SCOPES_MAX = 12 };
struct lm_scopes {
    int64_t code[LM_SCOPES_MAX];
    size_t n;
};
void lm_scopes_of(const struct lm_record *rec, struct lm_scopes *out); /* adds to out */
/* ---- what changed (kept_figures.c) ---- */

/* From now on the tables that this connection changes are noted. */
void lm_changes_watch(struct lm_store *store);
/* Notes a table that SQLite's hook is silent about; a name that lives as long as the program. */
void lm_changes_note(struct lm_store *store, const char *table);
/* Before a COMMIT: raises the numbers of what changed in this transaction. */
enum lm_status lm_changes_flush(struct lm_store *store, struct lm_error *err) LM_MUST_USE;
void lm_kept_figures_free(struct lm_store *store);
/* A read transaction ended: what the next one sees may be newer. */
void lm_kept_figures_moved(struct lm_store *store);

/* The scopes' sums follow a record that is stored (digests.c). before NULL: new. */
enum lm_status lm_scope_sums_move(struct lm_store *store, const struct lm_record *before,
                                  const struct lm_record *after, struct lm_error *err) LM_MUST_USE;
/* Of all that a station sees. */
enum lm_status lm_scope_sum(struct lm_store *store, const char *station, uint64_t *out,
                            struct lm_error *err) LM_MUST_USE;
/* At opening for writing: makes the sums where they have never been kept, in a transaction. */
enum lm_status lm_scope_sums_upgrade(struct lm_store *store, struct lm_error *err) LM_MUST_USE;
/* Whether the station's replicas see the record at all. */
bool lm_in_scope(const struct lm_record *rec, const char *station);
/* Without what does not leave the hub (dup_key): a shallow copy in arena. */
struct lm_record *lm_record_for_feed(struct lm_arena *arena, const struct lm_record *rec);
/* Notes a waits_for key that is there now; judged at the end of the batch. */
enum lm_status lm_redrive_note(struct lm_store *store, const char *key) LM_MUST_USE;

/* dup_key of a person, after every merge (duplicates.c). */
enum lm_status lm_dup_key_fill(struct lm_store *store, struct lm_record *rec,
                               struct lm_arena *arena) LM_MUST_USE;
/* Statuses that end a commit rather than a change. */
bool lm_is_fatal(enum lm_status status);
/* Feed rows for every scope that sees the effect (effects.c). */
enum lm_status lm_effect_feed(struct lm_store *store, const struct lm_effect *effect,
                              struct lm_error *err) LM_MUST_USE;
/* New siblings, and conflicts that this change ends (conflicts.c). */
enum lm_status lm_effect_conflicts(struct lm_store *store, const struct lm_effect *effect,
                                   struct lm_error *err) LM_MUST_USE;
/* A fork of old, whose row now says what is true; held: counter of the lease shown (alarms.c). */
enum lm_status lm_alarm_went_back(struct lm_store *store, const struct lm_replica *old,
                                  const struct lm_replica *now, uint64_t held,
                                  struct lm_error *err) LM_MUST_USE;
/* A notice that mends itself: closed from the start. */
enum lm_status lm_alarm_notice(struct lm_store *store, const char *kind, const char *station,
                               uint64_t replica, int64_t now_ms, struct lm_error *err) LM_MUST_USE;
/* Fills r->abandoned. */
enum lm_status lm_alarm_abandoned(struct lm_store *store, struct lm_replica *r) LM_MUST_USE;
/* Pairs a stored record with others of its key, or ends its pairs (duplicates.c). */
enum lm_status lm_effect_duplicates(struct lm_store *store, const struct lm_effect *effect,
                                    struct lm_error *err) LM_MUST_USE;
/* A text field by name, "" when it is null or not there (list.c). */
const char *lm_text_of(const struct lm_record *rec, const char *field);
/* A sibling's stored value (review.c). */
enum lm_status lm_sibling_read(const void *data, size_t n, struct lm_arena *arena,
                               struct lm_value *out) LM_MUST_USE;
/* Codes of refusals that are about who asks, not about what is asked (own.c). */
bool lm_denied_code(const char *code);
/* Opens a read transaction unless there is one; *own_out says whether lm_read_leave has to end it.
 */
enum lm_status lm_read_enter(struct lm_store *store, bool *own_out,
                             struct lm_error *err) LM_MUST_USE;
void lm_read_leave(struct lm_store *store, bool own);

/* ---- salvage (salvage.c; the judging in push.c) ---- */

/* Branches from here on hold what a person accepted of a revoked installation's bundle. */
#define LM_SALVAGE_BRANCH ((uint64_t)1 << 62)
/* One change at the end of such a branch. */
enum lm_status lm_push_salvaged(struct lm_store *store, const struct lm_replica *replica,
                                uint64_t branch, const uint8_t *body, size_t n, int64_t now_ms,
                                struct lm_error *err) LM_MUST_USE;

/* ---- what nodes give back after the hub went back (recover.c, recover_accept.c) ---- */

/* A bit of lm_jentry.by: the change was made out of what a node gave back; who first made it had
 * other bytes, which may still come. Nobody but the hub sets it. */
#define LM_BY_RECOVERED 8u
/* Branches from here to LM_SALVAGE_BRANCH hold them, one for each time that a person accepts. */
#define LM_RECOVER_BRANCH ((uint64_t)1 << 61)
/* Files one body: a row for each version in it that is not known. *added_out: rows. */
enum lm_status lm_recovered_file(struct lm_store *store, const char *id, uint64_t replica,
                                 const char *station, const uint8_t *body, size_t n, int64_t now_ms,
                                 size_t *added_out, struct lm_error *err) LM_MUST_USE;

/* ---- moves that wait for the town (moves.c) ---- */

bool lm_is_residency(const struct lm_record *rec);
/* A claim that names nobody's file yet: its own village's, and the town's to see. */
bool lm_residency_is_open_claim(const struct lm_record *rec);
/* Notes the files whose state may follow from this effect. */
enum lm_status lm_moves_note(struct lm_store *store, const struct lm_effect *f) LM_MUST_USE;
void lm_moves_forget(struct lm_store *store);
/* Makes the noted files active or transferring, as changes of the program. Before COMMIT. */
enum lm_status lm_moves_settle(struct lm_store *store, struct lm_error *err) LM_MUST_USE;
/* The one file with this name and ID number outside the village that claims. LM_ERR_NOT_FOUND: not
 * exactly one; why says what then. */
enum lm_status lm_moves_match(struct lm_store *store, const char *name, const char *id_no,
                              const char *to, char id[40], struct lm_error *why,
                              struct lm_error *err) LM_MUST_USE;

/* ---- locked reporting periods (periods.c) ---- */

struct lm_period {
    char id[40], from[16], to[16];
};
/* Whether a record, stored as after, says something in a locked period that it did not say there
 * before (NULL: it is new); out: the lock. A correction does not. */
enum lm_status lm_period_enters(struct lm_store *store, const struct lm_record *before,
                                const struct lm_record *after, struct lm_period *out, bool *enters,
                                struct lm_error *err) LM_MUST_USE;
/* Notes what an effect changed of locks, or within one. */
enum lm_status lm_periods_note(struct lm_store *store, const struct lm_effect *f) LM_MUST_USE;
void lm_periods_forget(struct lm_store *store);
/* Locks and opens what was noted, as changes of the program; before COMMIT. */
enum lm_status lm_periods_settle(struct lm_store *store, struct lm_error *err) LM_MUST_USE;

/* ---- what a verified change of residence does (residency.c) ---- */

/* Whether the event is verified or locked. */
enum lm_status lm_residency_in_force(struct lm_store *store, const char *id, bool *out) LM_MUST_USE;
/* Puts into set what the town's verification of an event says without words: who confirms it, and
 * for a claim whose file is meant and where it is. before: NULL for a creation. LM_ERR_INVALID: it
 * is a claim and nobody can be put in; why is in out's issues and err. */
enum lm_status lm_residency_fill(struct lm_store *store, const struct lm_act *act,
                                 const struct lm_type *type, const struct lm_record *before,
                                 struct lm_fieldset *set, struct lm_arena *arena,
                                 struct lm_act_result *out, struct lm_error *err) LM_MUST_USE;
/* The consequences of an event that is in force again because a person accepted what nodes gave
 * back, unless a later event of that person is in force as well. Inside the caller's SAVEPOINT. */
enum lm_status lm_residency_recovered(struct lm_store *store, const char *user, const char *id,
                                      int64_t now_ms, struct lm_error *err) LM_MUST_USE;

/* Makes the consequences of the event, which has just become verified. Inside the SAVEPOINT of that
 * act, which the caller undoes when this fails; why is in out's issues and err. */
enum lm_status lm_residency_follow(struct lm_store *store, const char *user, const char *id,
                                   int64_t now_ms, struct lm_act_result *out,
                                   struct lm_error *err) LM_MUST_USE;

/* ---- what a change request does that the town agrees to (request.c) ---- */

/* Whether the request is verified or locked, and agreed to. */
enum lm_status lm_request_agreed(struct lm_store *store, const char *id, bool *out) LM_MUST_USE;
/* Writes the new value; inside the SAVEPOINT of the act that agreed, which the caller undoes when
 * this fails; why is in out's issues and err. A record that holds the new value stays as it is. */
enum lm_status lm_request_follow(struct lm_store *store, const char *user, const char *id,
                                 int64_t now_ms, struct lm_act_result *out,
                                 struct lm_error *err) LM_MUST_USE;
/* Of a request that is agreed to again because a person accepted what nodes gave back: writes the
 * new value where the old one stands and nothing that was given back says more. */
enum lm_status lm_request_recovered(struct lm_store *store, const char *user, const char *id,
                                    int64_t now_ms, struct lm_error *err) LM_MUST_USE;
/* Refuses what an act made of a request that was agreed to before it: that is done. */
enum lm_status lm_request_stays(struct lm_store *store, const struct lm_record *before,
                                struct lm_act_result *out, struct lm_error *err) LM_MUST_USE;

/* What goes with a person's file, whoever moves it; visits and the like stay where they happened.
 */
extern const char *const lm_file_types[];
extern const size_t lm_n_file_types;

/* ---- villages merged (mergers.c) ---- */

/* The village that code is today, having been merged or not; code itself when it is none. */
enum lm_status lm_merger_now(struct lm_store *store, const char *code, char out[16],
                             struct lm_error *err) LM_MUST_USE;
/* After a record was stored: whether it says that villages merged, or is a merged village's and has
 * to move. */
enum lm_status lm_mergers_note(struct lm_store *store, const struct lm_record *rec, int64_t now_ms,
                               struct lm_error *err) LM_MUST_USE;
/* Before COMMIT: moves what was stored for merged villages. What a rule keeps there stays until
 * something of that village is stored again; only what ends a commit fails. */
enum lm_status lm_mergers_settle(struct lm_store *store, struct lm_error *err) LM_MUST_USE;
/* After something was rolled back. */
void lm_mergers_forget(struct lm_store *store);

/* ---- the hub's own changes (own.c) ---- */

/* The audit log into a backup's file, and what a staged backup has of it and the log beside it has
 * not (audit_kept.c). The log is never made shorter; one that is damaged is left out of the backup,
 * which is said, and is set aside by the restore, which begins it anew from the backup. */
void lm_audit_into_copy(const struct lm_datadir *dir, const char *copy);
enum lm_status lm_audit_out_of_copy(struct lm_store *staged, const char *path, int64_t now_ms,
                                    struct lm_error *err) LM_MUST_USE;
/* A free name in the directory: BASE-20261127T094500Z, with a number behind it when that is taken
 * (backup.c). */
enum lm_status lm_aside_name(const struct lm_datadir *dir, const char *base, int64_t now_ms,
                             char name[96], char path[PATH_MAX], struct lm_error *err) LM_MUST_USE;

/* Rules of the town's own records beyond the catalogue (rules.c). Whether the type has any; what
 * bars an act before it is made; and what bars the record as it stands after it, or warns (issues
 * nullable; act NULL: nobody's act here, only what is true of any record is asked). LM_ERR_INVALID
 * or LM_ERR_DENIED with the reason. */
bool lm_rules_has(const char *type);
enum lm_status lm_rules_before(struct lm_store *store, const struct lm_act *act,
                               struct lm_error *err) LM_MUST_USE;
enum lm_status lm_rules_after(struct lm_store *store, const struct lm_act *act, const char *id,
                              struct lm_issues *issues, struct lm_error *err) LM_MUST_USE;

struct lm_own {
    const char *user, *station; /* station: village_code of a new record; NULL = the town's */
    enum lm_author by;
    enum lm_op op;
};
/* Makes, journals and merges one change of the hub. before NULL: creation of id. */
enum lm_status lm_own_change(struct lm_store *store, const struct lm_own *own,
                             const struct lm_type *type, const char *id,
                             const struct lm_record *before, struct lm_fieldset *set,
                             int64_t now_ms, struct lm_act_result *out,
                             struct lm_error *err) LM_MUST_USE;

/* views.c: the views that other programs read. Inside the caller's transaction. */
enum lm_status lm_views_make(struct lm_db *db, const struct lm_catalog *catalog,
                             struct lm_error *err) LM_MUST_USE;

#endif
