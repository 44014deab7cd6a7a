/* An installation that was enrolled after the moment to which this database went back: it shows the
 * certificate that this hub signed for it. Revocations win: they are kept beside the database. */
#include "hub/store/store_internal.h"

#include "common/base/break.h"
#include "common/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static enum lm_status note(struct lm_store *store, const struct lm_certificate *c, int64_t now_ms,
                           struct lm_error *err)
{
    struct lm_jentry act = {.received_ms = now_ms, .by = LM_BY_SYSTEM};
    enum lm_status status =
        lm_journal_later(store, &act, LM_LATER_READMIT, c->replica, "", c->station, "", err);

    return status == LM_OK
               ? lm_alarm_notice(store, "readmitted", c->station, c->replica, now_ms, err)
               : status;
}

/* Its records are the town's own, and come back with RECOVER. */
static enum lm_status put_station(struct lm_store *store, const struct lm_certificate *c,
                                  struct lm_error *err)
{
    struct lm_station known;
    struct sqlite3_stmt *stmt;
    enum lm_status status = lm_store_station_get(store, c->station, &known);

    if (status != LM_ERR_NOT_FOUND) {
        return status;
    }
    stmt = lm_query(store, LM_Q_STATION_PUT, err);
    if (!stmt) {
        return LM_ERR_IO;
    }
    lm_bind_text(stmt, 1, c->station);
    lm_bind_text(stmt, 2, c->station);
    lm_bind_text(stmt, 3, c->level);
    lm_bind_text(stmt, 4, "");
    lm_bind_text(stmt, 5, "");
    lm_log(LM_LOG_WARN, "store", "station %s is not registered any more: registered by its code",
           c->station);
    return lm_query_run(store, stmt, err);
}

static enum lm_status add(struct lm_store *store, const struct lm_certificate *c, int64_t now_ms,
                          struct lm_error *err)
{
    struct sqlite3_stmt *stmt;
    enum lm_status status = put_station(store, c, err);

    stmt = status == LM_OK ? lm_query(store, LM_Q_REPLICA_ADD, err) : NULL;
    if (!stmt) {
        return status == LM_OK ? LM_ERR_IO : status;
    }
    (void)sqlite3_bind_int64(stmt, 1, (int64_t)c->replica);
    lm_bind_text(stmt, 2, c->station);
    lm_bind_blob(stmt, 3, c->public_key, 32);
    (void)sqlite3_bind_int64(stmt, 4, c->issued_ms);
    lm_bind_text(stmt, 5, "");
    lm_bind_text(stmt, 6, "");
    status = lm_query_run(store, stmt, err);
    return status == LM_OK ? note(store, c, now_ms, err) : status;
}

enum lm_status lm_store_readmit(struct lm_store *store, const struct lm_certificate *certificate,
                                int64_t now_ms, struct lm_replica *out, struct lm_error *err)
{
    bool revoked = false;
    enum lm_status status = lm_store_was_revoked(store, certificate->replica, &revoked);

    revoked = revoked && !LM_BREAK(REVOKED_READMITTED);
    if (status == LM_OK && !revoked) {
        status = lm_store_replica_get(store, certificate->replica, out);
        revoked = status == LM_OK && out->revoked_ms != 0;
    }
    if (revoked) {
        return lm_fail(err, LM_ERR_DENIED, "revoked", "", "这台电脑已被停用",
                       "This installation was revoked");
    }
    if (status != LM_ERR_NOT_FOUND) {
        return status;
    }
    status = add(store, certificate, now_ms, err);
    if (status != LM_OK) {
        return status;
    }
    lm_log(LM_LOG_WARN, "store", "replica %" PRIu64 " of %s is readmitted by its certificate",
           certificate->replica, certificate->station);
    return lm_store_replica_get(store, certificate->replica, out);
}
