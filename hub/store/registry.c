/* Stations, replicas and kits: what the hub knows of who may speak to it. Registry state
 * is not replayed by verify, but what an administrator does to a station is journaled (revocations
 * here, station rows through act.c). */
#include "hub/store/store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- stations: the registry rows (their records are made in stations.c)
 * ------------------------------------------------------------ */

static void station_row(struct sqlite3_stmt *stmt, struct lm_station *out)
{
    memset(out, 0, sizeof *out);
    lm_column_copy(stmt, 0, out->code, sizeof out->code);
    lm_column_copy(stmt, 1, out->name, sizeof out->name);
    lm_column_copy(stmt, 2, out->level, sizeof out->level);
    lm_column_copy(stmt, 3, out->office_code, sizeof out->office_code);
    lm_column_copy(stmt, 4, out->office_name, sizeof out->office_name);
}

enum lm_status lm_store_station_get(struct lm_store *store, const char *code,
                                    struct lm_station *out)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_STATION_GET, NULL);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, code);
    status = lm_query_step(store, stmt, NULL);
    if (status == LM_OK) {
        station_row(stmt, out);
    }
    (void)sqlite3_reset(stmt);
    return status;
}

/* The store's own statement; while it is in use (what visit does may list again) one for this time.
 */
static enum lm_status list_open(struct lm_store *store, enum lm_query query,
                                struct sqlite3_stmt **out, struct lm_error *err)
{
    if (store->stmt[query] && sqlite3_stmt_busy(store->stmt[query])) {
        return lm_db_prepare(store->db, lm_query_sql[query], out, err);
    }
    *out = lm_query(store, query, err);
    return *out ? LM_OK : LM_ERR_IO;
}

static enum lm_status list_end(struct lm_store *store, enum lm_query query,
                               struct sqlite3_stmt *stmt, enum lm_status status)
{
    if (stmt && stmt == store->stmt[query]) {
        (void)sqlite3_reset(stmt);
    } else {
        (void)sqlite3_finalize(stmt);
    }
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

enum lm_status lm_store_stations(struct lm_store *store,
                                 bool (*visit)(void *arg, const struct lm_station *station),
                                 void *arg, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    struct lm_station row;
    enum lm_status status = list_open(store, LM_Q_STATION_LIST, &stmt, err);

    while (status == LM_OK && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        station_row(stmt, &row);
        if (!visit(arg, &row)) {
            break;
        }
    }
    return list_end(store, LM_Q_STATION_LIST, stmt, status);
}

/* ---- replicas ---- */

static enum lm_status fill_safe(struct lm_store *store, struct lm_replica *r)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_BRANCH_SAFE, NULL);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)r->number);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)r->branch);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)store->backup_position);
    status = lm_query_step(store, stmt, NULL);
    if (status == LM_OK) {
        r->safe_seq = (uint64_t)sqlite3_column_int64(stmt, 0);
    }
    (void)sqlite3_reset(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static enum lm_status fill_acked(struct lm_store *store, struct lm_replica *r)
{
    struct lm_branch_row last;
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_BRANCH_HIGHEST, NULL);
    uint64_t highest = 0;
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)r->number);
    status = lm_query_step(store, stmt, NULL);
    if (status == LM_OK) {
        highest = (uint64_t)sqlite3_column_int64(stmt, 0);
    }
    (void)sqlite3_reset(stmt);
    if (status != LM_OK) {
        return status;
    }
    r->branch = highest > r->branch ? highest : r->branch;
    if (r->branch == 0) {
        return LM_OK;
    }
    status = lm_branch_last(store, r->number, r->branch, &last, NULL);
    r->acked.seq = last.last_seq;
    memcpy(r->acked.hash, last.after, LM_HASH_BYTES);
    return status == LM_OK && store->backup_position > 0 ? fill_safe(store, r) : status;
}

static void replica_row(struct sqlite3_stmt *stmt, struct lm_replica *out)
{
    memset(out, 0, sizeof *out);
    out->number = (uint64_t)sqlite3_column_int64(stmt, 0);
    lm_column_copy(stmt, 1, out->station, sizeof out->station);
    lm_column_bytes(stmt, 2, out->public_key, sizeof out->public_key);
    out->enrolled_ms = sqlite3_column_int64(stmt, 3);
    out->revoked_ms = sqlite3_column_int64(stmt, 4);
    lm_column_copy(stmt, 5, out->machine, sizeof out->machine);
    lm_column_copy(stmt, 6, out->program, sizeof out->program);
    out->branch = (uint64_t)sqlite3_column_int64(stmt, 7);
    out->head.seq = (uint64_t)sqlite3_column_int64(stmt, 8);
    lm_column_bytes(stmt, 9, out->head.hash, LM_HASH_BYTES);
    out->as_of_ms = sqlite3_column_int64(stmt, 10);
    out->complete_ms = sqlite3_column_int64(stmt, 11);
    out->last_contact_ms = sqlite3_column_int64(stmt, 12);
    out->clock_offset_ms = sqlite3_column_int64(stmt, 13);
    out->clock_known = sqlite3_column_int(stmt, 14) != 0;
    out->lease_issued.counter = (uint64_t)sqlite3_column_int64(stmt, 15);
    out->lease_issued.random = (uint64_t)sqlite3_column_int64(stmt, 16);
    out->lease_confirmed.counter = (uint64_t)sqlite3_column_int64(stmt, 17);
    out->lease_confirmed.random = (uint64_t)sqlite3_column_int64(stmt, 18);
    out->hlc_known = (uint64_t)sqlite3_column_int64(stmt, 19);
    out->possible_gap = sqlite3_column_int(stmt, 21) != 0;
    out->clone_ms = sqlite3_column_int64(stmt, 22);
    out->twins = (uint32_t)sqlite3_column_int(stmt, 23);
    out->gap_settled = sqlite3_column_int(stmt, 24) != 0;
    out->n_abandoned = sqlite3_column_int(stmt, 25) > 0; /* filled by one_replica */
    out->in_doubt = sqlite3_column_int(stmt, 20) != 0;
    out->hub_key_known = sqlite3_column_bytes(stmt, 26) == (int)sizeof out->hub_key;
    if (out->hub_key_known) {
        lm_column_bytes(stmt, 26, out->hub_key, sizeof out->hub_key);
    }
    out->hub_spoke_known = sqlite3_column_bytes(stmt, 27) == (int)sizeof out->hub_spoke;
    if (out->hub_spoke_known) {
        lm_column_bytes(stmt, 27, out->hub_spoke, sizeof out->hub_spoke);
    }
}

bool lm_replica_in_doubt(const struct lm_replica *r)
{
    return r->in_doubt || r->clone_ms != 0 || r->lease_issued.counter > r->lease_confirmed.counter;
}

static enum lm_status one_replica(struct lm_store *store, struct sqlite3_stmt *stmt,
                                  struct lm_replica *out)
{
    enum lm_status status = lm_query_step(store, stmt, NULL);

    if (status == LM_OK) {
        replica_row(stmt, out);
    }
    (void)sqlite3_reset(stmt);
    if (status == LM_OK && out->n_abandoned > 0) {
        status = lm_alarm_abandoned(store, out);
    }
    return status == LM_OK ? fill_acked(store, out) : status;
}

enum lm_status lm_store_replica_get(struct lm_store *store, uint64_t number, struct lm_replica *out)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_REPLICA_GET, NULL);

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)number);
    return one_replica(store, stmt, out);
}

enum lm_status lm_store_replica_by_key(struct lm_store *store, const uint8_t public_key[32],
                                       struct lm_replica *out)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_REPLICA_BY_KEY, NULL);

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_blob(stmt, 1, public_key, 32);
    return one_replica(store, stmt, out);
}

enum lm_status lm_store_replicas(struct lm_store *store, const char *station,
                                 bool (*visit)(void *arg, const struct lm_replica *replica),
                                 void *arg, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    struct lm_replica row;
    enum lm_status status = list_open(store, LM_Q_REPLICA_LIST, &stmt, err);

    if (status == LM_OK) {
        lm_bind_text(stmt, 1, station);
    }
    while (status == LM_OK && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        replica_row(stmt, &row);
        status = fill_acked(store, &row);
        if (status == LM_OK && !visit(arg, &row)) {
            break;
        }
    }
    return list_end(store, LM_Q_REPLICA_LIST, stmt, status);
}

enum lm_status lm_store_replica_hello(struct lm_store *store, const struct lm_replica *replica,
                                      struct lm_lease held, struct lm_error *err)
{
    struct sqlite3_stmt *stmt;
    struct lm_branch_row last;
    struct lm_replica old;
    int64_t complete = replica->complete_ms, as_of = replica->as_of_ms;
    bool gap = replica->possible_gap, forked;
    struct lm_lease confirmed;
    enum lm_status status = lm_branch_last(store, replica->number, replica->branch, &last, err);

    if (status == LM_OK) {
        status = lm_store_replica_get(store, replica->number, &old);
    }
    if (status == LM_ERR_NOT_FOUND) {
        return lm_fail(err, LM_ERR_NOT_FOUND, "no_replica", "", "没有登记这台电脑",
                       "No such installation is enrolled");
    }
    if (status != LM_OK) {
        return status;
    }
    confirmed = old.lease_confirmed;
    if (held.counter > confirmed.counter && held.counter == old.lease_issued.counter &&
        held.random == old.lease_issued.random) {
        confirmed = held; /* who shows it has it */
    }
    forked = old.branch != 0 && replica->branch > old.branch;
    if (!forked && replica->branch == old.branch && replica->head.seq < old.head.seq) {
        /* The same branch, shorter than it was named: what was named and did not come is gone. */
        gap = gap || old.head.seq > old.acked.seq;
        as_of = 0;
    }
    if (forked) {
        /* A fork: what the node named by an as_of before speaks of a branch that is closed, and
         * what it had named beyond acked may be lost with the state it went back from (P10). */
        gap = gap || old.head.seq > old.acked.seq;
        as_of = 0;
    }
    if (as_of > complete && last.last_seq >= replica->head.seq) {
        complete = as_of; /* what it has is here already */
    }
    stmt = lm_query(store, LM_Q_REPLICA_HELLO, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)replica->number);
    lm_bind_text(stmt, 2, replica->program);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)replica->branch);
    (void)sqlite3_bind_int64(stmt, 4, (int64_t)replica->head.seq);
    lm_bind_blob(stmt, 5, replica->head.hash, LM_HASH_BYTES);
    (void)sqlite3_bind_int64(stmt, 6, as_of);
    (void)sqlite3_bind_int64(stmt, 7, complete);
    (void)sqlite3_bind_int64(stmt, 8, replica->last_contact_ms);
    (void)sqlite3_bind_int64(stmt, 9, replica->clock_offset_ms);
    (void)sqlite3_bind_int(stmt, 10, replica->clock_known);
    (void)sqlite3_bind_int64(stmt, 11, (int64_t)replica->lease_issued.counter);
    (void)sqlite3_bind_int64(stmt, 12, (int64_t)replica->lease_issued.random);
    (void)sqlite3_bind_int(stmt, 13, replica->in_doubt);
    (void)sqlite3_bind_int(stmt, 14, gap);
    (void)sqlite3_bind_int64(stmt, 15, (int64_t)confirmed.counter);
    (void)sqlite3_bind_int64(stmt, 16, (int64_t)confirmed.random);
    (void)sqlite3_bind_int(stmt, 17, forked);
    status = lm_query_run(store, stmt, err);
    return status == LM_OK && forked ? lm_alarm_went_back(store, &old, replica, held.counter, err)
                                     : status;
}

enum lm_status lm_store_clock_back(struct lm_store *store, int64_t now_ms, size_t *n_out,
                                   struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_REPLICA_CLOCK, err);
    enum lm_status status;

    *n_out = 0;
    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, now_ms);
    status = lm_query_run(store, stmt, err);
    *n_out = status == LM_OK ? (size_t)sqlite3_changes(store->sql) : 0;
    return status;
}

enum lm_status lm_store_lease_confirm(struct lm_store *store, uint64_t replica,
                                      struct lm_lease lease, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_REPLICA_LEASE, err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)replica);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)lease.counter);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)lease.random);
    return lm_query_run(store, stmt, err);
}

static enum lm_status put_key(struct lm_store *store, enum lm_query query, uint64_t replica,
                              const uint8_t key[32], struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, query, err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)replica);
    lm_bind_blob(stmt, 2, key, 32);
    return lm_query_run(store, stmt, err);
}

enum lm_status lm_store_replica_hub_key(struct lm_store *store, uint64_t replica,
                                        const uint8_t key[32], struct lm_error *err)
{
    return put_key(store, LM_Q_REPLICA_HUB_KEY, replica, key, err);
}

enum lm_status lm_store_replica_spoke(struct lm_store *store, const struct lm_replica *replica,
                                      const uint8_t key[32], struct lm_error *err)
{
    if (replica->hub_spoke_known && memcmp(replica->hub_spoke, key, 32) == 0) {
        return LM_OK;
    }
    return put_key(store, LM_Q_REPLICA_SPOKE, replica->number, key, err);
}

/* ---- revocation ---- */

/* A restore of an older database must not let a revoked installation in again: hence a file of its
 * own, append-only. */
enum lm_status lm_revocation_note(struct lm_store *store, const struct lm_replica *r,
                                  int64_t now_ms, struct lm_error *err)
{
    char line[160];

    (void)snprintf(line, sizeof line, "%" PRId64 " %s %" PRIu64 "\n", now_ms, r->station,
                   r->number);
    return lm_beside_append(store, LM_REVOKED_FILE, line, err);
}

enum lm_status lm_store_revoke_failed(const struct lm_store *store, enum lm_status status,
                                      struct lm_error *err)
{
    if (!store->revoke_logged) {
        return status;
    }
    return lm_fail(
        err, status, "revoked_at_restart", "",
        "停用已记下，但数据库没有写成：服务器下次启动时才生效。请检查磁盘后重启，或再试一次",
        "The revocation is noted, but the database could not be written: it holds from "
        "the hub's next start on. Check the disk and restart it, or try again");
}

enum lm_status lm_revoke_row(struct lm_store *store, const char *user, const struct lm_replica *r,
                             int64_t now_ms, struct lm_error *err)
{
    struct lm_jentry act = {.received_ms = now_ms, .by = LM_BY_TOWN};
    struct sqlite3_stmt *stmt;
    enum lm_status status =
        lm_journal_later(store, &act, LM_LATER_REVOKE, r->number, user, r->station, "", err);

    stmt = status == LM_OK ? lm_query(store, LM_Q_REPLICA_REVOKE, err) : NULL;
    if (!stmt) {
        return status == LM_OK ? LM_ERR_IO : status;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)r->number);
    (void)sqlite3_bind_int64(stmt, 2, now_ms);
    (void)sqlite3_bind_int(stmt, 3, r->possible_gap || r->head.seq > r->acked.seq);
    return lm_query_run(store, stmt, err);
}

static enum lm_status void_kits(struct lm_store *store, const char *station, int64_t now_ms,
                                struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_KIT_VOID, err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, station);
    (void)sqlite3_bind_int64(stmt, 2, now_ms);
    return lm_query_run(store, stmt, err);
}

enum lm_status lm_store_revoke(struct lm_store *store, const char *user, const char *station,
                               uint64_t number, int64_t now_ms, size_t *n_out, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    struct lm_station there;
    struct lm_replica row;
    size_t n_known = 0;
    enum lm_status status;

    *n_out = 0;
    store->revoke_logged = false;
    if (lm_store_station_get(store, station, &there) != LM_OK) {
        return lm_fail(err, LM_ERR_NOT_FOUND, "no_station", "", "没有登记这个服务站：%s",
                       "No such station: %s", station);
    }
    status = list_open(store, LM_Q_REPLICA_LIST, &stmt, err);
    if (status == LM_OK) {
        lm_bind_text(stmt, 1, station);
    }
    while (status == LM_OK && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        replica_row(stmt, &row);
        if (number != 0 && row.number != number) {
            continue;
        }
        n_known++;
        if (row.revoked_ms == 0) {
            status = fill_acked(store, &row);
            if (status == LM_OK) {
                store->revoke_logged = true; /* also when it fails: it may have come to the disk */
                status = lm_revocation_note(store, &row, now_ms, err);
            }
            if (status == LM_OK) {
                status = lm_revoke_row(store, user, &row, now_ms, err);
            }
            *n_out += status == LM_OK;
        }
    }
    status = list_end(store, LM_Q_REPLICA_LIST, stmt, status);
    if (status == LM_OK && number != 0 && n_known == 0) {
        return lm_fail(err, LM_ERR_NOT_FOUND, "no_replica", "", "这个服务站没有这台电脑",
                       "The station has no such installation");
    }
    /* Shutting a whole station out also ends its kits that nobody used yet: who holds one must not
     * come back in. */
    return status == LM_OK && number == 0 ? void_kits(store, station, now_ms, err) : status;
}

/* ---- kits ---- */

static void kit_row(struct sqlite3_stmt *stmt, struct lm_kit_row *out)
{
    memset(out, 0, sizeof *out);
    out->id = sqlite3_column_int64(stmt, 0);
    lm_column_copy(stmt, 1, out->station, sizeof out->station);
    lm_column_bytes(stmt, 2, out->public_key, sizeof out->public_key);
    out->made_ms = sqlite3_column_int64(stmt, 3);
    out->expires_ms = sqlite3_column_int64(stmt, 4);
    out->used_ms = sqlite3_column_int64(stmt, 5);
    out->void_ms = sqlite3_column_int64(stmt, 6);
}

enum lm_status lm_store_kit_add(struct lm_store *store, const struct lm_kit_row *kit,
                                struct lm_error *err)
{
    struct lm_station station;
    struct sqlite3_stmt *stmt;

    if (lm_store_station_get(store, kit->station, &station) != LM_OK) {
        return lm_fail(err, LM_ERR_NOT_FOUND, "no_station", "", "没有登记这个服务站：%s",
                       "No such station: %s", kit->station);
    }
    stmt = lm_query(store, LM_Q_KIT_ADD, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, kit->station);
    lm_bind_blob(stmt, 2, kit->public_key, 32);
    (void)sqlite3_bind_int64(stmt, 3, kit->made_ms);
    (void)sqlite3_bind_int64(stmt, 4, kit->expires_ms);
    (void)sqlite3_bind_int64(stmt, 5, kit->used_ms);
    (void)sqlite3_bind_int64(stmt, 6, kit->void_ms);
    return lm_query_run(store, stmt, err);
}

enum lm_status lm_store_kit_by_key(struct lm_store *store, const uint8_t public_key[32],
                                   struct lm_kit_row *out)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_KIT_BY_KEY, NULL);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_blob(stmt, 1, public_key, 32);
    status = lm_query_step(store, stmt, NULL);
    if (status == LM_OK) {
        kit_row(stmt, out);
    }
    (void)sqlite3_reset(stmt);
    return status;
}

enum lm_status lm_store_kits(struct lm_store *store,
                             bool (*visit)(void *arg, const struct lm_kit_row *kit), void *arg,
                             struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    struct lm_kit_row row;
    enum lm_status status = list_open(store, LM_Q_KIT_LIST, &stmt, err);

    while (status == LM_OK && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        kit_row(stmt, &row);
        if (!visit(arg, &row)) {
            break;
        }
    }
    return list_end(store, LM_Q_KIT_LIST, stmt, status);
}

static enum lm_status use_kit(struct lm_store *store, const struct lm_kit_row *kit,
                              const struct lm_msg_enrol *enrol, uint64_t number, int64_t now_ms,
                              struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_REPLICA_ADD, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)number);
    lm_bind_text(stmt, 2, kit->station);
    lm_bind_blob(stmt, 3, enrol->public_key, 32);
    (void)sqlite3_bind_int64(stmt, 4, now_ms);
    lm_bind_text(stmt, 5, enrol->machine ? enrol->machine : "");
    lm_bind_text(stmt, 6, enrol->program ? enrol->program : "");
    status = lm_query_run(store, stmt, err);
    if (status == LM_ERR_EXISTS) {
        return lm_fail(err, LM_ERR_DENIED, "key_known", "", "这台电脑的密钥已经登记过",
                       "This installation's key is enrolled already");
    }
    stmt = status == LM_OK ? lm_query(store, LM_Q_KIT_USE, err) : NULL;
    if (!stmt) {
        return status == LM_OK ? LM_ERR_IO : status;
    }
    (void)sqlite3_bind_int64(stmt, 1, kit->id);
    (void)sqlite3_bind_int64(stmt, 2, now_ms);
    (void)sqlite3_bind_int64(stmt, 3, (int64_t)number);
    lm_bind_blob(stmt, 4, enrol->nonce, sizeof enrol->nonce);
    return lm_query_run(store, stmt, err);
}

enum lm_status lm_store_enrol(struct lm_store *store, int64_t kit_id,
                              const struct lm_msg_enrol *enrol, int64_t now_ms,
                              struct lm_replica *out, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_KIT_GET, err);
    struct lm_kit_row kit = {0};
    uint64_t used_by = 0, number = lm_replica_of(enrol->public_key);
    uint8_t nonce[16] = {0};
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, kit_id);
    status = lm_query_step(store, stmt, err);
    if (status == LM_OK) {
        kit_row(stmt, &kit);
        used_by = (uint64_t)sqlite3_column_int64(stmt, 7);
        lm_column_bytes(stmt, 8, nonce, sizeof nonce);
    }
    (void)sqlite3_reset(stmt);
    if (status == LM_ERR_NOT_FOUND) {
        return lm_fail(err, LM_ERR_NOT_FOUND, "no_kit", "", "没有这个入网文件", "No such kit");
    }
    if (status != LM_OK) {
        return status;
    }
    if (kit.used_ms != 0) {
        if (used_by == number && memcmp(nonce, enrol->nonce, sizeof nonce) == 0) {
            return lm_store_replica_get(store, number, out);
        }
        return lm_fail(err, LM_ERR_DENIED, "kit_used", "", "这个入网文件已经用过，请重新生成",
                       "This kit was used already: make another");
    }
    if (kit.void_ms != 0 || now_ms >= kit.expires_ms) {
        return lm_fail(err, LM_ERR_DENIED, "kit_expired", "", "这个入网文件已经失效，请重新生成",
                       "This kit has expired: make another");
    }
    status = lm_store_replica_by_key(store, enrol->public_key, out);
    if (status == LM_OK) {
        return lm_fail(err, LM_ERR_DENIED, "key_known", "", "这台电脑的密钥已经登记过",
                       "This installation's key is enrolled already");
    }
    status = status == LM_ERR_NOT_FOUND ? use_kit(store, &kit, enrol, number, now_ms, err) : status;
    return status == LM_OK ? lm_store_replica_get(store, number, out) : status;
}
