/* What the town must know of a station's PCs: a second installation under one key, one that may be
 * a second, one that went back in time. Registry state like the rest of replicas: verify does not
 * replay it; that a person looked into it is journaled.
 *
 * Invariants: a row is open (closed_ms 0) until a person settles it, but for "went_back", which
 * mends itself; a replica keeps at most ALARMS_KEPT closed rows. */
#include "hub/store/store_internal.h"

#include <sodium.h>
#include <string.h>

enum { ALARMS_KEPT = 200 };

static enum lm_status add(struct lm_store *store, const struct lm_alarm *alarm,
                          struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_ALARM_ADD, err);
    enum lm_status status;

    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, alarm->station);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)alarm->replica);
    lm_bind_text(stmt, 3, alarm->kind);
    (void)sqlite3_bind_int64(stmt, 4, alarm->at_ms);
    (void)sqlite3_bind_int64(stmt, 5, (int64_t)alarm->branch);
    (void)sqlite3_bind_int64(stmt, 6, (int64_t)alarm->low);
    (void)sqlite3_bind_int64(stmt, 7, (int64_t)alarm->high);
    (void)sqlite3_bind_int64(stmt, 8, alarm->closed_ms);
    status = lm_query_run(store, stmt, err);
    stmt = status == LM_OK ? lm_query(store, LM_Q_ALARM_TRIM, err) : NULL;
    if (!stmt) {
        return status == LM_OK ? LM_ERR_IO : status;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)alarm->replica);
    (void)sqlite3_bind_int(stmt, 2, ALARMS_KEPT);
    return lm_query_run(store, stmt, err);
}

enum lm_status lm_alarm_notice(struct lm_store *store, const char *kind, const char *station,
                               uint64_t replica, int64_t now_ms, struct lm_error *err)
{
    struct lm_alarm alarm = {.replica = replica, .at_ms = now_ms, .closed_ms = now_ms};

    (void)snprintf(alarm.kind, sizeof alarm.kind, "%s", kind);
    (void)snprintf(alarm.station, sizeof alarm.station, "%s", station);
    return add(store, &alarm, err);
}

static enum lm_status mark(struct lm_store *store, enum lm_query query, uint64_t replica,
                           int64_t now_ms, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, query, err);

    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)replica);
    (void)sqlite3_bind_int64(stmt, 2, now_ms);
    return lm_query_run(store, stmt, err);
}

enum lm_status lm_store_note_clone(struct lm_store *store, const struct lm_replica *replica,
                                   struct lm_lease held, int64_t now_ms, struct lm_error *err)
{
    struct lm_alarm alarm = {.replica = replica->number,
                             .kind = "clone",
                             .at_ms = now_ms,
                             .branch = replica->branch,
                             .low = held.counter,
                             .high = replica->lease_issued.counter};
    enum lm_status status = mark(store, LM_Q_REPLICA_CLONE, replica->number, now_ms, err);

    (void)snprintf(alarm.station, sizeof alarm.station, "%s", replica->station);
    return status == LM_OK ? add(store, &alarm, err) : status;
}

enum lm_status lm_store_note_twin(struct lm_store *store, const struct lm_replica *replica,
                                  struct lm_lease held, int64_t now_ms, struct lm_error *err)
{
    struct lm_alarm alarm = {.replica = replica->number,
                             .kind = "twin",
                             .at_ms = now_ms,
                             .branch = replica->branch,
                             .low = held.counter,
                             .high = replica->lease_issued.counter};
    enum lm_status status = mark(store, LM_Q_REPLICA_TWIN, replica->number, now_ms, err);

    (void)snprintf(alarm.station, sizeof alarm.station, "%s", replica->station);
    return status == LM_OK ? add(store, &alarm, err) : status;
}

enum lm_status lm_store_note_back(struct lm_store *store, uint64_t replica, struct lm_error *err)
{
    return mark(store, LM_Q_REPLICA_DOUBT, replica, 0, err);
}

/* A node that went back has opened its new branch: the leases above the one that it came back with,
 * up to the newest, are given up by it. */
enum lm_status lm_alarm_went_back(struct lm_store *store, const struct lm_replica *old,
                                  const struct lm_replica *now, uint64_t held, struct lm_error *err)
{
    struct lm_alarm alarm = {.replica = old->number,
                             .kind = "went_back",
                             .at_ms = now->last_contact_ms,
                             .closed_ms = now->last_contact_ms,
                             .branch = now->branch,
                             .low = held,
                             .high = old->lease_issued.counter};

    (void)snprintf(alarm.station, sizeof alarm.station, "%s", old->station);
    if (alarm.low > alarm.high) {
        alarm.low = alarm.high; /* it showed the newest: nothing is given up */
    }
    alarm.closed_ms = alarm.closed_ms > 0 ? alarm.closed_ms : 1;
    return add(store, &alarm, err);
}

enum lm_status lm_alarm_abandoned(struct lm_store *store, struct lm_replica *r)
{
    struct sqlite3_stmt *stmt = lm_query(store, LM_Q_ALARM_RANGES, NULL);
    enum lm_status status;

    r->n_abandoned = 0;
    if (!stmt) {
        return LM_ERR_IO;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)r->number);
    (void)sqlite3_bind_int(stmt, 2, LM_ABANDONED_MAX);
    while (r->n_abandoned < LM_ABANDONED_MAX &&
           (status = lm_query_step(store, stmt, NULL)) == LM_OK) {
        r->abandoned[r->n_abandoned++] =
            (struct lm_abandoned){.low = (uint64_t)sqlite3_column_int64(stmt, 0),
                                  .high = (uint64_t)sqlite3_column_int64(stmt, 1)};
    }
    (void)sqlite3_reset(stmt);
    return LM_OK;
}

enum lm_status lm_store_alarms(struct lm_store *store, const char *station, bool open_only,
                               bool (*visit)(void *arg, const struct lm_alarm *alarm), void *arg,
                               struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    struct lm_alarm alarm;
    enum lm_status status = lm_db_prepare(store->db, lm_query_sql[LM_Q_ALARM_LIST], &stmt, err);

    if (status == LM_OK) {
        lm_bind_text(stmt, 1, station);
        (void)sqlite3_bind_int(stmt, 2, open_only);
    }
    while (status == LM_OK && (status = lm_query_step(store, stmt, err)) == LM_OK) {
        memset(&alarm, 0, sizeof alarm);
        lm_column_copy(stmt, 0, alarm.station, sizeof alarm.station);
        alarm.replica = (uint64_t)sqlite3_column_int64(stmt, 1);
        lm_column_copy(stmt, 2, alarm.kind, sizeof alarm.kind);
        alarm.at_ms = sqlite3_column_int64(stmt, 3);
        alarm.branch = (uint64_t)sqlite3_column_int64(stmt, 4);
        alarm.low = (uint64_t)sqlite3_column_int64(stmt, 5);
        alarm.high = (uint64_t)sqlite3_column_int64(stmt, 6);
        alarm.closed_ms = sqlite3_column_int64(stmt, 7);
        lm_column_copy(stmt, 8, alarm.closed_by, sizeof alarm.closed_by);
        lm_column_copy(stmt, 9, alarm.note, sizeof alarm.note);
        if (!visit(arg, &alarm)) {
            break;
        }
    }
    (void)sqlite3_finalize(stmt);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

enum lm_status lm_store_settle(struct lm_store *store, const char *user, const char *station,
                               const char *note, int64_t now_ms, size_t *n_out,
                               struct lm_error *err)
{
    struct lm_station there;
    struct lm_jentry act = {.received_ms = now_ms, .by = LM_BY_TOWN};
    struct sqlite3_stmt *stmt;
    enum lm_status status;
    uint64_t random;

    *n_out = 0;
    if (lm_store_station_get(store, station, &there) != LM_OK) {
        return lm_fail(err, LM_ERR_NOT_FOUND, "no_station", "", "没有登记这个服务站：%s",
                       "No such station: %s", station);
    }
    status = lm_journal_later(store, &act, LM_LATER_LOOKED, 0, user, station, note, err);
    stmt = status == LM_OK ? lm_query(store, LM_Q_REPLICA_SETTLE, err) : NULL;
    if (!stmt) {
        return status == LM_OK ? LM_ERR_IO : status;
    }
    lm_bind_text(stmt, 1, station);
    /* Where two used one key, nobody holds the newest lease any more: the one that stays shows an
     * older one, opens a new branch and goes on, whichever history its lease was of. */
    randombytes_buf(&random, sizeof random);
    (void)sqlite3_bind_int64(stmt, 2, (int64_t)(random >> 1));
    status = lm_query_run(store, stmt, err);
    stmt = status == LM_OK ? lm_query(store, LM_Q_ALARM_CLOSE, err) : NULL;
    if (!stmt) {
        return status == LM_OK ? LM_ERR_IO : status;
    }
    lm_bind_text(stmt, 1, station);
    (void)sqlite3_bind_int64(stmt, 2, now_ms);
    lm_bind_text(stmt, 3, user);
    lm_bind_text(stmt, 4, note);
    status = lm_query_run(store, stmt, err);
    *n_out = status == LM_OK ? (size_t)sqlite3_changes(store->sql) : 0;
    return status;
}
