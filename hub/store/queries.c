/* Every statement of the store in one table, and the little that running one takes. */
#include "hub/store/store_internal.h"

#include <string.h>

#define JOURNAL_COLUMNS                                                                            \
    "pos, kind, replica, branch, seq, station, type, record, hlc, body, verdict, code, reason, "   \
    "rank, received_ms, "                                                                          \
    "offset_ms, catalog, author, mark"
#define REPLICA_COLUMNS                                                                            \
    "number, station, public_key, enrolled_ms, revoked_ms, machine, program, branch, head_seq, "   \
    "head_hash, as_of_ms, "                                                                        \
    "complete_ms, contact_ms, clock_offset_ms, clock_known, issued_counter, issued_random, "       \
    "confirmed_counter, "                                                                          \
    "confirmed_random, hlc_known, in_doubt, possible_gap, clone_ms, twins, "                       \
    "branch = settled_branch AND head_seq <= settled_seq, backs, hub_key, hub_spoke"
#define KIT_COLUMNS "id, station, public_key, made_ms, expires_ms, used_ms, void_ms, replica, nonce"
#define RETURN_COLUMNS                                                                             \
    "pos, replica, hlc, record, type, station, verdict, code, field, zh, en, user, at_ms"
#define HELD_COLUMNS "pos, replica, hlc, record, type, station, code, zh, en, waits_for, at_ms"

/* Whether a row of held was judged again behind this position of the journal: it may have been held
 * for something else before. */
#define JUDGED_SINCE(through)                                                                      \
    "EXISTS(SELECT 1 FROM journal AS j WHERE j.record = held.record AND j.record <> x''"           \
    " AND j.kind = 1 AND j.pos > " through " AND j.replica = held.replica AND j.hlc = held.hlc)"

/* Whether its author sent what a row of recovered (r) holds: nothing is missing then, although the
 * row waits until the next decision closes it. */
#define CAME_BY_ITSELF                                                                             \
    "EXISTS(SELECT 1 FROM journal AS j WHERE j.record = r.record AND j.record <> x''"              \
    " AND j.replica = r.replica AND j.hlc = r.hlc)"

const char *const lm_query_sql[LM_Q_COUNT] = {
    [LM_Q_SAVEPOINT_PUSH] = "SAVEPOINT push",
    [LM_Q_RELEASE_PUSH] = "RELEASE push",
    [LM_Q_BACK_PUSH] = "ROLLBACK TO push",
    [LM_Q_SAVEPOINT_ACT] = "SAVEPOINT act",
    [LM_Q_RELEASE_ACT] = "RELEASE act",
    [LM_Q_BACK_ACT] = "ROLLBACK TO act",
    [LM_Q_SAVEPOINT_ONE] = "SAVEPOINT one",
    [LM_Q_RELEASE_ONE] = "RELEASE one",
    [LM_Q_BACK_ONE] = "ROLLBACK TO one",
    [LM_Q_META_GET] = "SELECT value FROM meta WHERE name = ?1",
    [LM_Q_META_PUT] =
        "INSERT INTO meta(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = ?2",

    [LM_Q_JOURNAL_ADD] =
        "INSERT INTO journal(" JOURNAL_COLUMNS ") "
        "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19)",
    [LM_Q_JOURNAL_HEAD] = "SELECT pos, mark FROM journal ORDER BY pos DESC LIMIT 1",
    [LM_Q_JOURNAL_AT] = "SELECT " JOURNAL_COLUMNS " FROM journal WHERE pos = ?1",
    [LM_Q_JOURNAL_OF] =
        "SELECT " JOURNAL_COLUMNS " FROM journal WHERE record = ?1 AND record <> x'' ORDER BY pos",
    [LM_Q_JOURNAL_FIND] = "SELECT " JOURNAL_COLUMNS
                          " FROM journal WHERE record = ?1 AND record <> x'' AND replica = ?2"
                          " AND hlc = ?3 ORDER BY pos",
    [LM_Q_JOURNAL_HAS] = "SELECT 1 FROM journal WHERE record = ?1 AND record <> x'' LIMIT 1",
    [LM_Q_JOURNAL_RANGE] = "SELECT " JOURNAL_COLUMNS " FROM journal WHERE pos > ?1 ORDER BY pos",
    [LM_Q_JOURNAL_BODIES] = "SELECT body FROM journal WHERE pos BETWEEN ?1 AND ?2 ORDER BY pos",
    [LM_Q_JOURNAL_TOTALS] =
        "SELECT (SELECT ifnull(max(pos), 0) FROM journal),"
        " (SELECT count(*) FROM returns WHERE open = 1), (SELECT count(*) FROM held),"
        " (SELECT count(*) FROM conflicts WHERE open = 1),"
        " (SELECT count(*) FROM duplicates WHERE open = 1), (SELECT count(*) FROM redrive)",
    [LM_Q_JOURNAL_TYPE] =
        "SELECT type FROM journal WHERE record = ?1 AND record <> x'' AND kind = 0"
        " AND (verdict < 5 OR ?2) ORDER BY (verdict = 5), pos LIMIT 1",

    [LM_Q_BRANCH_ADD] =
        "INSERT INTO branches(replica, branch, first_seq, last_seq, pos_first, hash_before,"
        " hash_after, hlc) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
    [LM_Q_BRANCH_EXTEND] = "UPDATE branches SET last_seq = ?4, hash_after = ?5, hlc = ?6"
                           " WHERE replica = ?1 AND branch = ?2 AND first_seq = ?3",
    [LM_Q_BRANCH_LAST] =
        "SELECT first_seq, last_seq, pos_first, hash_before, hash_after, hlc FROM branches"
        " WHERE replica = ?1 AND branch = ?2 ORDER BY first_seq DESC LIMIT 1",
    [LM_Q_BRANCH_AT] =
        "SELECT first_seq, last_seq, pos_first, hash_before, hash_after, hlc FROM branches"
        " WHERE replica = ?1 AND branch = ?2 AND first_seq <= ?3 ORDER BY first_seq DESC LIMIT 1",
    [LM_Q_BRANCH_HIGHEST] = "SELECT max(branch) FROM branches WHERE replica = ?1",

    [LM_Q_BRANCH_HLC] = "SELECT ifnull(max(hlc), 0) FROM branches WHERE replica = ?1",

    /* A record's own type outlives what a refused change called it. */
    [LM_Q_FEED_PUT] = "INSERT INTO feed(scope, record, type, pos) VALUES(?1,?2,?3,?4)"
                      " ON CONFLICT(scope, record) DO UPDATE SET pos = ?4,"
                      " type = CASE WHEN ?5 THEN ?3 ELSE type END",
    [LM_Q_FEED_PAGE] =
        "SELECT pos, record, type FROM feed WHERE scope = ?1 AND (pos, record) > (?2, ?3)"
        " ORDER BY pos, record LIMIT ?4",

    [LM_Q_FEED_IDS] =
        "SELECT record, type FROM feed WHERE scope = ?1 AND record > ?2 ORDER BY record LIMIT ?3",
    [LM_Q_SCOPE_SUM_GET] = "SELECT n, sum FROM scope_sums WHERE scope = ?1",
    [LM_Q_SCOPE_SUM_PUT] = "INSERT INTO scope_sums(scope, n, sum) VALUES(?1,?2,?3)"
                           " ON CONFLICT(scope) DO UPDATE SET n = ?2, sum = ?3",

    [LM_Q_RETURN_PUT] = "INSERT INTO returns(" RETURN_COLUMNS
                        ", open) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,1)"
                        " ON CONFLICT(pos) DO UPDATE SET verdict = ?7, code = ?8, field = ?9, zh = "
                        "?10, en = ?11, open = 1",
    [LM_Q_RETURN_CLOSE_VALID] =
        "UPDATE returns SET open = 0 WHERE record = ?1 AND open = 1 AND verdict = 3",
    [LM_Q_RETURN_CLOSE_STATION] = "UPDATE returns SET open = 0 WHERE record = ?1 AND open = 1 AND "
                                  "verdict = 3 AND station = ?2"
                                  " AND pos <> ?3",
    [LM_Q_RETURN_CLOSE_REFUSED] = "UPDATE returns SET open = 0 WHERE record = ?1 AND open = 1 AND "
                                  "verdict = 5 AND replica = ?2"
                                  " AND pos < ?3",
    [LM_Q_RETURN_OF] =
        "SELECT " RETURN_COLUMNS " FROM returns WHERE record = ?1 AND open = 1 ORDER BY pos",
    [LM_Q_RETURN_LIST] =
        "SELECT " RETURN_COLUMNS
        " FROM returns WHERE open = 1 AND (?1 IS NULL OR station = ?1) ORDER BY pos",

    [LM_Q_RETURN_COUNTS] = "SELECT station, count(*) FROM returns WHERE open = 1 GROUP BY station",

    [LM_Q_HELD_PUT] =
        "INSERT INTO held(" HELD_COLUMNS ") VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)"
        " ON CONFLICT(pos) DO UPDATE SET code = ?7, zh = ?8, en = ?9, waits_for = ?10",
    [LM_Q_HELD_DELETE] = "DELETE FROM held WHERE pos = ?1",
    [LM_Q_HELD_WAITING] =
        "SELECT pos FROM held WHERE waits_for = ?1 AND pos > ?2 ORDER BY pos LIMIT ?3",
    [LM_Q_HELD_OF] = "SELECT " HELD_COLUMNS " FROM held WHERE record = ?1 ORDER BY pos",
    [LM_Q_HELD_LIST] = "SELECT " HELD_COLUMNS " FROM held ORDER BY pos",
    [LM_Q_HELD_MOVED] = "SELECT count(*) FROM (SELECT 1 FROM held WHERE code = 'moved'"
                        " AND station = ?1 LIMIT ?2)",
    /* With one min() the other columns are those of its row: the group's first. */
    [LM_Q_HELD_GROUPS] = "SELECT min(pos), station, code, zh, en, at_ms, count(*),"
                         " (SELECT max(pos) FROM journal) FROM held"
                         " GROUP BY station, code ORDER BY station, code",
    [LM_Q_HELD_OF_GROUP] = "SELECT pos FROM held WHERE station = ?1 AND code = ?2 AND pos > ?3"
                           " AND pos <= ?4 AND NOT " JUDGED_SINCE("?4") " ORDER BY pos LIMIT ?5",
    [LM_Q_HELD_UNSEEN] = "SELECT count(*) FROM held WHERE station = ?1 AND code = ?2"
                         " AND (pos > ?3 OR " JUDGED_SINCE("?3") ")",
    [LM_Q_HELD_AT] = "SELECT waits_for, code FROM held WHERE pos = ?1",
    [LM_Q_HELD_KEYS] = "SELECT DISTINCT waits_for FROM held WHERE waits_for GLOB 'type:*' OR "
                       "waits_for GLOB 'catalog*'"
                       " ORDER BY waits_for",
    [LM_Q_REDRIVE_PUT] = "INSERT OR IGNORE INTO redrive(waits_for) VALUES(?1)",
    [LM_Q_REDRIVE_DELETE] = "DELETE FROM redrive WHERE waits_for = ?1",
    [LM_Q_REDRIVE_LIST] = "SELECT waits_for FROM redrive LIMIT 1000",

    [LM_Q_CONFLICT_OPEN] = "SELECT pos, grp FROM conflicts WHERE record = ?1 AND open = 1",
    [LM_Q_CONFLICT_OF] =
        "SELECT s.hlc, group_concat(DISTINCT s.grp) FROM conflicts AS c JOIN siblings AS s ON "
        "s.pos = "
        "c.pos AND s.grp = c.grp WHERE c.record = ?1 AND c.open = 1 GROUP BY s.hlc ORDER BY s.hlc",
    [LM_Q_CONFLICT_ADD] =
        "INSERT INTO conflicts(pos, record, type, grp, at_ms, open) VALUES(?1,?2,?3,?4,?5,1)"
        " ON CONFLICT(pos, grp) DO NOTHING",
    [LM_Q_CONFLICT_CLOSE] = "UPDATE conflicts SET open = 0 WHERE pos = ?1 AND grp = ?2",
    [LM_Q_CONFLICT_LIST] =
        "SELECT pos, record, type, grp, at_ms FROM conflicts WHERE open = 1 ORDER BY pos, grp",
    [LM_Q_CONFLICT_ALL_OF] = "SELECT pos, record, type, grp, at_ms, open FROM conflicts WHERE "
                             "record = ?1 ORDER BY pos DESC, grp LIMIT 50",
    [LM_Q_CONFLICT_GET] =
        "SELECT pos, record, type, grp, open FROM conflicts WHERE pos = ?1 AND grp = ?2",
    [LM_Q_SIBLING_PUT] =
        "INSERT INTO siblings(pos, grp, n, hlc, replica, value) VALUES(?1,?2,?3,?4,?5,?6)",
    [LM_Q_SIBLING_LIST] =
        "SELECT n, hlc, replica, value FROM siblings WHERE pos = ?1 AND grp = ?2 ORDER BY n",
    [LM_Q_SIBLING_NEXT] =
        "SELECT ifnull(max(n), 0), ifnull(max(hlc = ?3 AND replica = ?4), 0) FROM siblings"
        " WHERE pos = ?1 AND grp = ?2",

    [LM_Q_DUPLICATE_PUT] = "INSERT INTO duplicates(a, b, type, pos, open) VALUES(?1,?2,?3,?4,1)"
                           " ON CONFLICT(a, b) DO UPDATE SET open = 1, pos = excluded.pos"
                           " WHERE open = 0",
    [LM_Q_DUPLICATE_DISMISS] =
        "UPDATE duplicates SET open = 2 WHERE a = ?1 AND b = ?2 AND open = 1",
    [LM_Q_DUPLICATE_LIST] =
        "SELECT a, b, type, pos FROM duplicates WHERE open = 1 ORDER BY pos, a, b",
    [LM_Q_CHANGED] = "INSERT INTO changed(name, number) VALUES(?1, 1)"
                     " ON CONFLICT(name) DO UPDATE SET number = number + 1",
    [LM_Q_DUPLICATE_CLOSE] = "UPDATE duplicates SET open = 0 WHERE (a = ?1 OR b = ?1) AND open = 1",
    [LM_Q_DUPLICATE_PERSON] =
        "SELECT id FROM r_person WHERE dup_key = ?1 AND id <> ?2 AND deleted_at IS NULL"
        " AND state NOT IN ('cancelled', 'merged', 'withdrawn') ORDER BY id LIMIT 100",

    [LM_Q_SAVE_GET] = "SELECT id, hash FROM saves WHERE key = ?1",
    [LM_Q_SAVE_PUT] = "INSERT INTO saves(key, id, hash) VALUES(?1,?2,?3)",

    [LM_Q_STATION_PUT] =
        "INSERT INTO stations(code, name, level, office_code, office_name) VALUES(?1,?2,?3,?4,?5)"
        " ON CONFLICT(code) DO UPDATE SET name = ?2, level = ?3, office_code = ?4, office_name = "
        "?5",
    [LM_Q_STATION_GET] =
        "SELECT code, name, level, office_code, office_name FROM stations WHERE code = ?1",
    [LM_Q_STATION_LIST] =
        "SELECT code, name, level, office_code, office_name FROM stations ORDER BY code",

    [LM_Q_REPLICA_ADD] =
        "INSERT INTO replicas(number, station, public_key, enrolled_ms, machine, program)"
        " VALUES(?1,?2,?3,?4,?5,?6)",
    [LM_Q_REPLICA_GET] = "SELECT " REPLICA_COLUMNS " FROM replicas WHERE number = ?1",
    [LM_Q_REPLICA_BY_KEY] = "SELECT " REPLICA_COLUMNS " FROM replicas WHERE public_key = ?1",
    [LM_Q_REPLICA_LIST] =
        "SELECT " REPLICA_COLUMNS " FROM replicas WHERE ?1 IS NULL OR station = ?1"
        " ORDER BY station, enrolled_ms, number",
    [LM_Q_REPLICA_HELLO] =
        "UPDATE replicas SET program = ?2, branch = ?3, head_seq = ?4, head_hash = ?5, as_of_ms = "
        "?6,"
        " complete_ms = ?7, contact_ms = ?8, clock_offset_ms = ?9, clock_known = ?10,"
        " issued_counter = ?11, issued_random = ?12, in_doubt = ?13, possible_gap = ?14,"
        " confirmed_counter = ?15, confirmed_random = ?16, backs = backs + ?17 WHERE number = ?1",
    [LM_Q_REPLICA_PUSHED] =
        "UPDATE replicas SET branch = ?2, head_seq = ?3, head_hash = ?4, as_of_ms = ?5,"
        " complete_ms = ?6, contact_ms = ?7, hlc_known = ?8, in_doubt = ?9 WHERE number = ?1",
    [LM_Q_REPLICA_LEASE] =
        "UPDATE replicas SET confirmed_counter = ?2, confirmed_random = ?3 WHERE number = ?1",
    [LM_Q_REPLICA_HUB_KEY] = "UPDATE replicas SET hub_key = ?2 WHERE number = ?1",
    [LM_Q_REPLICA_SPOKE] = "UPDATE replicas SET hub_spoke = ?2 WHERE number = ?1",
    [LM_Q_REPLICA_SETTLE] =
        "UPDATE replicas SET possible_gap = 0, clone_ms = 0, twins = 0, settled_branch = branch,"
        " settled_seq = head_seq,"
        " issued_counter = iif(clone_ms = 0, issued_counter,"
        " max(issued_counter, confirmed_counter) + 1),"
        " issued_random = iif(clone_ms = 0, issued_random, ?2),"
        " confirmed_counter = iif(clone_ms = 0, confirmed_counter,"
        " max(issued_counter, confirmed_counter) + 1),"
        " confirmed_random = iif(clone_ms = 0, confirmed_random, ?2)"
        " WHERE station = ?1",
    [LM_Q_REPLICA_CLONE] = "UPDATE replicas SET clone_ms = ?2 WHERE number = ?1",
    [LM_Q_REPLICA_TWIN] =
        "UPDATE replicas SET twins = twins + 1, possible_gap = 1 WHERE number = ?1 AND ?2 > 0",
    [LM_Q_REPLICA_DOUBT] = "UPDATE replicas SET in_doubt = 1 WHERE number = ?1 AND ?2 = 0",
    [LM_Q_REPLICA_CLOCK] =
        "UPDATE replicas SET as_of_ms = CASE WHEN as_of_ms > ?1 THEN 0 ELSE as_of_ms END,"
        " complete_ms = CASE WHEN complete_ms > ?1 THEN 0 ELSE complete_ms END,"
        " contact_ms = min(contact_ms, ?1) WHERE max(as_of_ms, complete_ms, contact_ms) > ?1",
    [LM_Q_ALARM_ADD] = "INSERT INTO alarms(station, replica, kind, at_ms, branch, low, high,"
                       " closed_ms, closed_by, note) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,'','')",
    [LM_Q_ALARM_TRIM] = "DELETE FROM alarms WHERE replica = ?1 AND closed_ms <> 0 AND id NOT IN"
                        " (SELECT id FROM alarms WHERE replica = ?1 ORDER BY id DESC LIMIT ?2)",
    [LM_Q_ALARM_RANGES] = "SELECT low, high FROM alarms WHERE replica = ?1 AND kind = 'went_back'"
                          " AND high > low ORDER BY id DESC LIMIT ?2",
    [LM_Q_ALARM_LIST] =
        "SELECT station, replica, kind, at_ms, branch, low, high, closed_ms, closed_by, note"
        " FROM alarms WHERE (?1 IS NULL OR station = ?1) AND (?2 = 0 OR closed_ms = 0)"
        " ORDER BY id DESC",
    [LM_Q_ALARM_CLOSE] = "UPDATE alarms SET closed_ms = ?2, closed_by = ?3, note = ?4"
                         " WHERE station = ?1 AND closed_ms = 0",
    [LM_Q_REPLICA_REVOKE] =
        "UPDATE replicas SET revoked_ms = ?2, possible_gap = ?3 WHERE number = ?1",

    [LM_Q_KIT_ADD] = "INSERT INTO kits(station, public_key, made_ms, expires_ms, used_ms, void_ms)"
                     " VALUES(?1,?2,?3,?4,?5,?6)",
    [LM_Q_KIT_GET] = "SELECT " KIT_COLUMNS " FROM kits WHERE id = ?1",
    [LM_Q_KIT_BY_KEY] = "SELECT " KIT_COLUMNS " FROM kits WHERE public_key = ?1",
    [LM_Q_KIT_LIST] = "SELECT " KIT_COLUMNS " FROM kits ORDER BY id",
    [LM_Q_KIT_VOID] =
        "UPDATE kits SET void_ms = ?2 WHERE station = ?1 AND used_ms = 0 AND void_ms = 0",
    [LM_Q_KIT_VOID_ALL] = "UPDATE kits SET void_ms = ?1 WHERE used_ms = 0 AND void_ms = 0",
    [LM_Q_BRANCH_SAFE] =
        "SELECT min(last_seq, first_seq + ?3 - pos_first) FROM branches"
        " WHERE replica = ?1 AND branch = ?2 AND pos_first <= ?3 ORDER BY first_seq DESC LIMIT 1",
    [LM_Q_KIT_USE] = "UPDATE kits SET used_ms = ?2, replica = ?3, nonce = ?4 WHERE id = ?1",

    [LM_Q_USER_ADD] = "INSERT INTO users(name, id, role, password, disabled, created_ms, "
                      "must_change, person) VALUES(?1,?2,?3,?4,0,?5,?6,?7)",
    [LM_Q_USER_GET] = "SELECT name, id, role, password, disabled, created_ms, must_change, person "
                      "FROM users WHERE name = ?1",
    [LM_Q_USER_PERSON] = "UPDATE users SET person = ?2 WHERE name = ?1",
    [LM_Q_USER_PASSWORD] = "UPDATE users SET password = ?2, must_change = ?3 WHERE name = ?1",
    [LM_Q_USER_DISABLE] = "UPDATE users SET disabled = ?2 WHERE name = ?1",
    [LM_Q_USER_SHUT] = "UPDATE users SET role = ?2, password = ?3, disabled = ?4, must_change = "
                       "?5 WHERE name = ?1",
    [LM_Q_PERIOD_OVER] = "SELECT id, from_on, to_on FROM r_period_lock WHERE state = 'verified'"
                         " AND deleted_at IS NULL AND _invalid = 0 AND ?1 BETWEEN from_on AND"
                         " to_on"
                         " ORDER BY from_on, id LIMIT 1",
    [LM_Q_TOKEN_ADD] = "INSERT INTO tokens(name, hash, user, made_ms) VALUES(?1,?2,?3,?4)",
    [LM_Q_TOKEN_DROP] = "DELETE FROM tokens WHERE name = ?1",
    [LM_Q_TOKEN_SHUT] = "DELETE FROM tokens WHERE hash = ?1",
    [LM_Q_TOKEN_HASH] = "SELECT hash FROM tokens WHERE name = ?1",
    [LM_Q_TOKEN_GET] = "SELECT name FROM tokens WHERE hash = ?1",
    [LM_Q_TOKEN_LIST] = "SELECT name, user, made_ms FROM tokens ORDER BY made_ms, name",
    [LM_Q_FILTERS_GET] = "SELECT filters FROM filters WHERE user = ?1",
    [LM_Q_FILTERS_PUT] = "INSERT INTO filters(user, filters) VALUES(?1,?2)"
                         " ON CONFLICT(user) DO UPDATE SET filters = excluded.filters",
    [LM_Q_USER_LIST] =
        "SELECT name, id, role, password, disabled, created_ms, must_change, person FROM users "
        "ORDER BY created_ms, name",

    [LM_Q_CATALOG_ADD] = "INSERT INTO catalogs(number, hash, packed, pos, at_ms, user)"
                         " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [LM_Q_CATALOG_TOP] = "SELECT number, hash FROM catalogs ORDER BY number DESC LIMIT 1",
    [LM_Q_CATALOG_FIRST] = "SELECT number, hash FROM catalogs ORDER BY number LIMIT 1",
    [LM_Q_CATALOG_GET] = "SELECT hash, packed FROM catalogs WHERE number = ?1",
    [LM_Q_CATALOG_LIST] =
        "SELECT number, hash, length(packed), pos, at_ms, user FROM catalogs ORDER BY number",
    [LM_Q_CATALOG_SEEN] = "INSERT INTO replica_catalogs(replica, number, hash) VALUES(?1, ?2, ?3)"
                          " ON CONFLICT(replica) DO UPDATE SET number = ?2, hash = ?3 WHERE number "
                          "<> ?2 OR hash <> ?3",
    [LM_Q_CATALOG_SEEN_LIST] =
        "SELECT c.number, c.hash, count(*) FROM replica_catalogs AS c JOIN replicas AS r"
        " ON r.number = c.replica WHERE r.revoked_ms = 0 GROUP BY c.number, c.hash"
        " ORDER BY c.number, c.hash",

    [LM_Q_USB_NOTE] = "INSERT INTO usb(replica, export, at_ms, complete_ms) VALUES(?1,?2,?3,?4)"
                      " ON CONFLICT(replica) DO UPDATE SET export = max(export, ?2), at_ms = ?3,"
                      " complete_ms = CASE WHEN ?4 > 0 THEN ?4 ELSE complete_ms END",
    [LM_Q_USB_GET] = "SELECT complete_ms FROM usb WHERE replica = ?1",
    [LM_Q_SALVAGE_PUT] =
        "INSERT OR IGNORE INTO salvage(replica, branch, seq, station, record, type, hlc, user,"
        " body, hash, at_ms) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
    [LM_Q_SALVAGE_LIST] = "SELECT id, replica, branch, seq, station, record, type, hlc, user, body"
                          " FROM salvage WHERE state = 0 AND (?1 = 0 OR id = ?1)"
                          " ORDER BY replica, hlc",
    [LM_Q_SALVAGE_MISSED] = "SELECT DISTINCT station FROM salvage WHERE state = 0",
    [LM_Q_SALVAGE_CLOSE] =
        "UPDATE salvage SET state = ?2, decided_by = ?3, decided_ms = ?4 WHERE id = ?1",
    [LM_Q_RECOVERED_SAME] = "SELECT id, state, body, station FROM recovered WHERE record = ?1 AND"
                            " replica = ?2 AND hlc = ?3 ORDER BY n",
    [LM_Q_RECOVERED_OPEN] =
        "SELECT 1 FROM recovered WHERE record = ?1 AND state = 0 AND hlc <> 0 LIMIT 1",
    [LM_Q_RECOVERED_PUT] =
        "INSERT INTO recovered(record, type, replica, hlc, n, body, from_replica, station, at_ms)"
        " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)",
    [LM_Q_RECOVERED_FROM] = "UPDATE recovered SET from_replica = ?2, station = ?3 WHERE id = ?1",
    [LM_Q_RECOVERED_SECOND] = "UPDATE recovered SET seconded = 1 WHERE id = ?1",
    [LM_Q_RECOVERED_GROW] = "UPDATE recovered SET body = ?2, seconded = 0 WHERE id = ?1",
    [LM_Q_RECOVERED_LIST] =
        "SELECT r.id, r.record, r.type, r.replica, r.hlc, r.n, r.body, r.from_replica, r.station,"
        " r.at_ms, r.why,"
        " EXISTS (SELECT 1 FROM recovered AS s WHERE s.record = r.record AND s.replica = r.replica"
        "  AND s.hlc = r.hlc AND s.n <> r.n AND s.state = 0),"
        " r.replica <> 0 AND EXISTS (SELECT 1 FROM replicas AS p WHERE p.number = r.replica"
        "  AND p.revoked_ms = 0), r.seconded,"
        " (SELECT p.station FROM replicas AS p WHERE p.number = r.replica),"
        " r.hlc <> 0 AND " CAME_BY_ITSELF
        " FROM recovered AS r WHERE r.state = 0 AND (?1 = 0 OR r.id = ?1)"
        " AND (r.hlc, r.id) > (?2, ?3) ORDER BY r.hlc, r.id",
    [LM_Q_RECOVERED_CLOSE] = "UPDATE recovered SET state = ?2, decided_by = ?3, decided_ms = ?4"
                             " WHERE id = ?1",
    [LM_Q_RECOVERED_WHY] = "UPDATE recovered SET why = ?2 WHERE id = ?1",
    [LM_Q_RECOVERED_LOAD] = "SELECT count(*), ifnull(sum(length(body)), 0) FROM recovered"
                            " WHERE state = 0 AND from_replica = ?1",
    [LM_Q_RECOVERED_MISSED] =
        "SELECT DISTINCT r.station, r.type FROM recovered AS r WHERE r.state = 0"
        " AND NOT " CAME_BY_ITSELF,
};

struct sqlite3_stmt *lm_query(struct lm_store *store, enum lm_query query, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = store->stmt[query];

    if (!stmt) {
        int rc = sqlite3_prepare_v3(store->sql, lm_query_sql[query], -1, SQLITE_PREPARE_PERSISTENT,
                                    &store->stmt[query], NULL);
        if (rc != SQLITE_OK) {
            (void)lm_db_status(store->db, rc, "prepare a statement of the store", err);
            return NULL;
        }
        return store->stmt[query];
    }
    (void)sqlite3_reset(stmt);
    return stmt;
}

enum lm_status lm_query_run(struct lm_store *store, struct sqlite3_stmt *stmt, struct lm_error *err)
{
    int rc = sqlite3_step(stmt);
    enum lm_status status = lm_db_status(store->db, rc, "write to the store", err);

    (void)sqlite3_reset(stmt);
    return status;
}

enum lm_status lm_query_step(struct lm_store *store, struct sqlite3_stmt *stmt,
                             struct lm_error *err)
{
    int rc = sqlite3_step(stmt);

    if (rc == SQLITE_ROW) {
        return LM_OK;
    }
    return rc == SQLITE_DONE ? LM_ERR_NOT_FOUND
                             : lm_db_status(store->db, rc, "read from the store", err);
}

enum lm_status lm_query_do(struct lm_store *store, enum lm_query query, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = lm_query(store, query, err);

    return stmt ? lm_query_run(store, stmt, err) : LM_ERR_IO;
}

void lm_bind_text(struct sqlite3_stmt *stmt, int index, const char *text)
{
    (void)sqlite3_bind_text(stmt, index, text, -1, SQLITE_STATIC);
}

void lm_bind_blob(struct sqlite3_stmt *stmt, int index, const void *data, size_t n)
{
    if (n == 0) {
        (void)sqlite3_bind_zeroblob(stmt, index, 0);
    } else {
        (void)sqlite3_bind_blob64(stmt, index, data, n, SQLITE_STATIC);
    }
}

void lm_bind_id(struct sqlite3_stmt *stmt, int index, const char *id)
{
    uint8_t bytes[16];

    if (id && lm_uuid_parse(id, strlen(id), bytes)) {
        (void)sqlite3_bind_blob(stmt, index, bytes, 16, SQLITE_TRANSIENT);
    } else {
        (void)sqlite3_bind_zeroblob(stmt, index, 0);
    }
}

void lm_column_id(struct sqlite3_stmt *stmt, int column, char out[40])
{
    const void *data = sqlite3_column_blob(stmt, column);

    out[0] = '\0';
    if (data && sqlite3_column_bytes(stmt, column) == 16) {
        lm_uuid_format(data, out);
    }
}

const char *lm_column_str(struct sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    return text ? text : "";
}

void lm_column_copy(struct sqlite3_stmt *stmt, int column, char *out, size_t n)
{
    const char *text = lm_column_str(stmt, column);
    size_t len = strlen(text);

    if (len >= n) {
        len = n - 1;
    }
    memcpy(out, text, len);
    out[len] = '\0';
}

void lm_column_bytes(struct sqlite3_stmt *stmt, int column, uint8_t *out, size_t n)
{
    const void *data = sqlite3_column_blob(stmt, column);

    if (data && (size_t)sqlite3_column_bytes(stmt, column) == n) {
        memcpy(out, data, n);
    } else {
        memset(out, 0, n);
    }
}
