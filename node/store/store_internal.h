/* What the files of node/store share. Nobody else includes this. */
#ifndef LM_NODE_STORE_INTERNAL_H
#define LM_NODE_STORE_INTERNAL_H

#include "node/store.h"

#include <sqlite3.h>

#define NS_RECORD_ARENA_BYTES (8 * 1024 * 1024)

/* One entry a statement, in the order of ns_sql[]. */
enum ns_query {
    NS_ME,
    NS_ME_ADD,
    NS_ME_HEAD,
    NS_ME_FORK,
    NS_ME_RENEW,
    NS_RENEW_NEXT,
    NS_RENEW_RECORD,
    NS_RENEW_BODY,
    NS_RENEW_HASH,
    NS_ME_WELCOME,
    NS_ME_ACKED,
    NS_CHECK_LIST,
    NS_CHECK_PUT,
    NS_CHECK_DROP,
    NS_CHECK_CUT,
    NS_ME_CURSOR,
    NS_ME_PROOF,
    NS_ME_STATE,
    NS_ME_CATALOG,
    NS_ME_OFFSET,
    NS_ME_HUB_KEYS,
    NS_OUT_ADD,
    NS_OUT_FROM,
    NS_OUT_HASH,
    NS_OUT_RECORD,
    NS_OUT_UNACKED,
    NS_OUT_HISTORY,
    NS_PAST_WANT,
    NS_PAST_OLDEST,
    NS_PAST_DROP,
    NS_PAST_DROP_OF,
    NS_PAST_NEXT,
    NS_PAST_WANTED,
    NS_PAST_STATE,
    NS_PAST_PUT,
    NS_PAST_TOLD,
    NS_PAST_FORGET,
    NS_PAST_FORGET_OF,
    NS_PAST_LIST,
    NS_OUT_COPY,
    NS_OUT_CLOSED,
    NS_OUT_AT,
    NS_WANT_ADD,
    NS_WANT_DROP,
    NS_WANT_LIST,
    NS_WANT_COUNT,
    NS_WANT_GONE,
    NS_GONE_PUT,
    NS_GONE_DROP,
    NS_GONE_TRIM,
    NS_VERDICT_PUT,
    NS_VERDICT_HINT,
    NS_VERDICT_CLOSE,
    NS_VERDICT_OF,
    NS_VERDICT_RECORD,
    NS_VERDICT_LIST,
    NS_VERDICT_COUNT,
    NS_CONFLICT_COUNT,
    NS_CONFLICT_RECORDS,
    NS_CONFLICT_GROUPS,
    NS_CONFLICT_OF,
    NS_SAID,
    NS_VERDICT_DROP,
    NS_SAVED,
    NS_SAVE_KEY,
    NS_OUT_PENDING,
    NS_OUT_PENDING_COUNT,
    NS_ACCOUNT_ADD,
    NS_ACCOUNT_GET,
    NS_ACCOUNT_LIST,
    NS_ACCOUNT_COUNT,
    NS_ACCOUNT_PASSWORD,
    NS_ACCOUNT_DISABLE,
    NS_ACCOUNT_FAILURES,
    NS_ACCOUNT_MUST,
    NS_TOWN_ACCOUNT_PUT,
    NS_TOWN_ACCOUNT_END,
    NS_DRAFT_TAKE,
    NS_DRAFT_PUT,
    NS_DRAFT_GET,
    NS_DRAFT_LIST,
    NS_DRAFT_DROP,
    NS_DRAFT_COUNT,
    NS_IMPORT_ADD,
    NS_IMPORT_ROW_ADD,
    NS_IMPORT_PRUNE,
    NS_IMPORT_PRUNE_ROWS,
    NS_IMPORT_LIST,
    NS_IMPORT_GET,
    NS_IMPORT_ROWS,
    NS_IMPORT_UNDONE,
    NS_IMPORT_UNDID,
    NS_REVEAL_ADD,
    NS_REVEAL_TRIM,
    NS_REVEAL_LIST,
    NS_BACKUP_PUT,
    NS_BACKUP_GET,
    NS_EXPORT_LAST,
    NS_EXPORT_TAKEN,
    NS_EXPORT_GET,
    NS_EXPORT_ADD,
    NS_EXPORT_PRUNE,
    NS_EXPORT_TAKE,
    NS_USB_WELCOME,
    NS_USB_RESTART,
    NS_CATALOG_PUT,
    NS_CATALOG_TRIM,
    NS_IN_STATE,
    NS_IN_ADD,
    NS_IN_PARTS,
    NS_IN_DROP,
    NS_HUB_CATALOG_PUT,
    NS_HUB_CATALOG_GET,
    NS_HUB_CATALOG_DROP,
    NS_LATER_PUT,
    NS_LATER_DROP,
    NS_LATER_NEXT,
    NS_LATER_GET,
    NS_LATER_COUNT,
    NS_OFFER_PUT,
    NS_OFFER_LIST,
    NS_OFFER_SENT,
    NS_OFFER_AGAIN,
    NS_OFFER_LATER,
    NS_OFFER_PROOF_PUT,
    NS_OFFER_PROOF_GET,
    NS_COUNT
};

struct lm_nstore {
    const struct lm_catalog *catalog;  /* in force: as `me` says */
    const struct lm_catalog *embedded; /* the program's own; the caller's */
    /* Loaded ones: [0] is in force unless that is the program's, [1] was before it: who looked at
     * it last may still hold something of it. */
    struct lm_catalog *loaded[2];
    struct lm_db *db;
    struct lm_tables *tables;
    sqlite3_stmt *stmts[NS_COUNT];
};

extern const struct lm_migration ns_migrations[];
extern const int ns_n_migrations;
extern const char *const ns_sql[NS_COUNT];

/* The statement, reset and without bindings. */
sqlite3_stmt *ns_stmt(struct lm_nstore *s, enum ns_query q);
/* Runs one that gives no row, and resets it. */
enum lm_status ns_run(struct lm_nstore *s, sqlite3_stmt *stmt, const char *doing,
                      struct lm_error *err);
/* LM_OK with a row; LM_ERR_NOT_FOUND at the end (err untouched), after which it is reset. */
enum lm_status ns_row(struct lm_nstore *s, sqlite3_stmt *stmt, const char *doing,
                      struct lm_error *err);
void ns_done(sqlite3_stmt *stmt);
void ns_bind_text(sqlite3_stmt *stmt, int at, const char *text);
void ns_bind_u64(sqlite3_stmt *stmt, int at, uint64_t u);
void ns_bind_blob(sqlite3_stmt *stmt, int at, const void *data, size_t n);
void ns_column_text(sqlite3_stmt *stmt, int at, char *out, size_t n);
void ns_column_hash(sqlite3_stmt *stmt, int at, uint8_t out[LM_HASH_BYTES]);
uint64_t ns_column_u64(sqlite3_stmt *stmt, int at);
/* Remembers where the journal and the cursor stand, inside a transaction (sync.c). */
enum lm_status ns_checkpoint_add(struct lm_nstore *s, const struct lm_mark *mark,
                                 const struct lm_cursor *cursor, struct lm_error *err);
/* Forgets those above position (sync.c). */
enum lm_status ns_checkpoints_cut(struct lm_nstore *s, uint64_t position, struct lm_error *err);
enum lm_status ns_wanted_count(struct lm_nstore *s, uint64_t *out, struct lm_error *err);

/* What changed here behind this position is asked for by name (sync.c). */
enum lm_status ns_want_newer(struct lm_nstore *s, uint64_t position, struct lm_error *err);
/* What the hub told of records' pasts was of a history that is gone: told anew when the hub is
 * asked. In the caller's transaction. */
enum lm_status ns_past_forget(struct lm_nstore *s, struct lm_error *err) LM_MUST_USE;
void ns_set_time(json_t *row, const char *key, int64_t ms);
/* {field: value} of a change, for people. */
json_t *ns_fields_json(const struct lm_type *type, const struct lm_value *fields);
/* What a fork left behind was acked by a hub that has gone back since, and WELCOME tells of the
 * open branch only: when a closed one holds anything, a new branch is opened that carries all that
 * any holds, and it is sent once more. What the hub has comes back as duplicates. In the caller's
 * transaction; me: its branch, head and acked move. */
enum lm_status ns_carry_closed(struct lm_nstore *s, struct lm_me *me,
                               struct lm_error *err) LM_MUST_USE;
/* The hub went back to before `common`: sets aside what was taken in behind that, to be offered to
 * it. me: as it was before. Inside the transaction that stores the WELCOME (offers.c). */
enum lm_status ns_offers_keep(struct lm_nstore *s, uint64_t common, const struct lm_me *me,
                              struct lm_error *err) LM_MUST_USE;

/* ---- backup and restore (backup.c) ---- */

/* A backup as this PC's: of the same station, under this PC's number. LM_ERR_DENIED
 * "other_station". */
enum lm_status ns_make_ours(struct lm_nstore *old, uint64_t replica, const char *station,
                            struct lm_restore_done *done, struct lm_error *err) LM_MUST_USE;
/* What must not go back although the rest does: as it was before. Inside a transaction. */
enum lm_status ns_keep_highest(struct lm_nstore *s, const struct lm_me *before,
                               struct lm_error *err) LM_MUST_USE;
/* Repeats the changes in temp.since(hlc, body), in their order. Inside a transaction. */
enum lm_status ns_repeat_since(struct lm_nstore *s, struct lm_restore_done *done,
                               struct lm_error *err) LM_MUST_USE;
/* ---- the town's accounts (town_accounts.c) ---- */

/* The record is a station's account as it stands now: the table of accounts follows, in the same
 * transaction, unless the town has said something newer about it before (a hub that went back says
 * older things again: who was shut out stays out, who has an account keeps it). Other types:
 * nothing to do. */
enum lm_status ns_town_account_take(struct lm_nstore *s, const struct lm_record *rec,
                                    struct lm_error *err) LM_MUST_USE;
/* The record left this station. */
enum lm_status ns_town_account_end(struct lm_nstore *s, const char *id,
                                   struct lm_error *err) LM_MUST_USE;
/* All that are stored: after a restore, whose feed may go on behind them. */
enum lm_status ns_town_accounts_all(struct lm_nstore *s, struct lm_error *err) LM_MUST_USE;

/* ---- catalogues (catalogs.c, catalogs_incoming.c) ---- */

/* Chooses the catalogue in force and brings the tables to it: the stored one, or the program's when
 * that is newer and may follow, or when there is none yet. */
enum lm_status ns_catalog_open(struct lm_nstore *s, struct lm_error *err) LM_MUST_USE;
/* Another process has put another one into force: takes it over. Inside any transaction. */
enum lm_status ns_catalog_refresh(struct lm_nstore *s, struct lm_error *err) LM_MUST_USE;
void ns_catalog_close(struct lm_nstore *s);
/* Brings next into force: begins with the open transaction, and ends it. made (taken): the new one,
 * or NULL when next is the program's own. */
enum lm_status ns_catalog_finish(struct lm_nstore *s, const struct lm_catalog *next,
                                 struct lm_catalog *made, struct lm_error *err) LM_MUST_USE;
/* Keeps a record that can't be read yet, and forgets one. */
enum lm_status ns_later_put(struct lm_nstore *s, const char *id, const char *type,
                            const uint8_t *body, size_t n, struct lm_error *err) LM_MUST_USE;
enum lm_status ns_later_drop(struct lm_nstore *s, const char *id, struct lm_error *err) LM_MUST_USE;
/* Takes in what was kept and can be read now (feed.c). */
enum lm_status ns_later_take(struct lm_nstore *s, struct lm_error *err) LM_MUST_USE;

#endif
