/* The node's tables as numbered migrations, never edited once released, and its statements. The
 * record tables r_<type> are made from the catalogue by common/tables. */
#include "node/store/store_internal.h"

static const char first[] =
    /* Who this replica is and how far it has come; one row. */
    "CREATE TABLE me("
    "  one INTEGER PRIMARY KEY CHECK(one = 1),"
    "  replica INTEGER NOT NULL,"   /* 63 bits of the public key's hash */
    "  station TEXT NOT NULL,"      /* 12-digit division code */
    "  level TEXT NOT NULL,"        /* village, town */
    "  name TEXT NOT NULL,"         /* the station's */
    "  branch INTEGER NOT NULL,"    /* the open branch of the log */
    "  head_seq INTEGER NOT NULL,"  /* its newest change; 0 = empty */
    "  head_hash BLOB NOT NULL,"    /* chain hash after it */
    "  acked_seq INTEGER NOT NULL," /* what the hub has made durable of it */
    "  acked_hash BLOB NOT NULL,"
    "  safe_seq INTEGER NOT NULL,"   /* and what lies in a backup of the hub */
    "  hlc INTEGER NOT NULL,"        /* highest HLC made here or known to the hub as ours */
    "  cursor_pos INTEGER NOT NULL," /* the feed up to here has been taken in */
    "  cursor_id TEXT NOT NULL,"
    "  lease_counter INTEGER NOT NULL," /* last lease held */
    "  lease_random INTEGER NOT NULL,"
    "  inc_counter INTEGER NOT NULL," /* the hub's incarnation last seen */
    "  inc_random INTEGER NOT NULL,"
    "  seen_pos INTEGER NOT NULL," /* highest journal position ever seen and its mark */
    "  seen_hash BLOB NOT NULL,"
    "  proof_pos INTEGER NOT NULL," /* what the hub signed in its last WELCOME, with inc_* */
    "  proof_hash BLOB NOT NULL,"
    "  proof_sig BLOB NOT NULL,"
    "  offset_ms INTEGER,"        /* hub clock minus this PC's; null = not known */
    "  last_contact_ms INTEGER,"  /* hub time of its last answer */
    "  state TEXT NOT NULL,"      /* online, offline, refused */
    "  state_code TEXT NOT NULL," /* the session's word for it */
    "  state_zh TEXT NOT NULL,"
    "  state_en TEXT NOT NULL,"
    "  catalog INTEGER NOT NULL," /* catalogue that the feed was taken in with */
    "  catalog_hash BLOB NOT NULL) STRICT;"

    /* Places in the hub's journal to go back to when the hub went back (proto/checkpoint.h). */
    "CREATE TABLE checkpoint("
    "  position INTEGER PRIMARY KEY," /* the journal stood here, */
    "  hash BLOB NOT NULL,"           /* with this mark, */
    "  cursor_pos INTEGER NOT NULL,"  /* when the feed was taken in up to here */
    "  cursor_id TEXT NOT NULL) STRICT;"

    /* Every change made here, in its exact bytes. */
    "CREATE TABLE outbox("
    "  branch INTEGER NOT NULL,"
    "  seq INTEGER NOT NULL," /* from 1 without gaps */
    "  record TEXT NOT NULL," /* record id */
    "  type TEXT NOT NULL,"
    "  hlc INTEGER NOT NULL," /* the change's identity: the same in another branch is the same
                                 change */
    "  user TEXT NOT NULL,"
    "  body BLOB NOT NULL," /* msgpack as sent and hashed */
    "  hash BLOB NOT NULL," /* chain hash after it */
    "  PRIMARY KEY(branch, seq)) STRICT;"
    "CREATE INDEX outbox_record ON outbox(record, branch, seq);"

    /* Records whose digest differed from the hub's: to be asked for. */
    "CREATE TABLE wanted("
    "  id TEXT PRIMARY KEY,"
    "  n INTEGER NOT NULL) STRICT;" /* order of arrival; asked again = to the end */
    "CREATE INDEX wanted_n ON wanted(n);"

    /* What the hub did with changes of ours that it did not apply as sent. */
    "CREATE TABLE verdicts("
    "  hlc INTEGER PRIMARY KEY," /* which change */
    "  record TEXT NOT NULL,"
    "  type TEXT NOT NULL,"
    "  verdict INTEGER NOT NULL," /* enum lm_verdict */
    "  code TEXT NOT NULL,"
    "  field TEXT NOT NULL,"
    "  zh TEXT NOT NULL,"
    "  en TEXT NOT NULL,"
    "  open INTEGER NOT NULL) STRICT;" /* 1 until a later change mends it */
    "CREATE INDEX verdicts_record ON verdicts(record) WHERE open = 1;"

    /* Saves that may be repeated. */
    "CREATE TABLE saves("
    "  key TEXT PRIMARY KEY," /* id:UUID or key:TEXT */
    "  id TEXT NOT NULL,"     /* the record made */
    "  hash BLOB NOT NULL"    /* of what was to be saved */
    ") STRICT, WITHOUT ROWID;";

static const char pages[] =
    /* Who may use this PC's pages. Its passwords never leave it. */
    "CREATE TABLE accounts("
    "  name TEXT PRIMARY KEY,"
    "  role TEXT NOT NULL," /* secretary, admin */
    "  hash TEXT NOT NULL," /* argon2id */
    "  created_ms INTEGER NOT NULL,"
    "  disabled INTEGER NOT NULL," /* 1 = may not log in; what was done under it stays */
    "  failures INTEGER NOT NULL," /* wrong passwords in a row */
    "  failed_ms INTEGER NOT NULL" /* when the last was, by this PC's clock */
    ") STRICT, WITHOUT ROWID;"

    /* What was typed and not saved yet: survives a power cut. */
    "CREATE TABLE drafts("
    "  key TEXT NOT NULL," /* the page's name for the form */
    "  user TEXT NOT NULL,"
    "  body TEXT NOT NULL," /* JSON, the page's */
    "  saved_ms INTEGER NOT NULL,"
    "  PRIMARY KEY(user, key)) STRICT, WITHOUT ROWID;";

static const char usb[] =
    /* What was written to a stick, the last of them: from which state, and whether it was answered.
     */
    "CREATE TABLE exports("
    "  number INTEGER PRIMARY KEY,"
    "  branch INTEGER NOT NULL,"
    "  lease_counter INTEGER NOT NULL,"
    "  lease_random INTEGER NOT NULL,"
    "  inc_counter INTEGER NOT NULL,"
    "  inc_random INTEGER NOT NULL,"
    "  seen_pos INTEGER NOT NULL,"
    "  seen_hash BLOB NOT NULL,"
    "  cursor_pos INTEGER NOT NULL,"
    "  cursor_id TEXT NOT NULL,"
    "  made_ms INTEGER NOT NULL,"
    "  taken INTEGER NOT NULL DEFAULT 0) STRICT;"; /* 1 its reply is being taken in, 2 it was */

static const char catalogues[] =
    /* Catalogues that were in force here; which is, says me. */
    "CREATE TABLE catalogs("
    "  number INTEGER PRIMARY KEY,"
    "  hash BLOB NOT NULL,"           /* of its files */
    "  packed BLOB NOT NULL) STRICT;" /* its files */

    /* One that is on its way: parts of its packed form, without gaps from 0 on. */
    "CREATE TABLE incoming("
    "  at INTEGER PRIMARY KEY," /* byte at which the part begins */
    "  number INTEGER NOT NULL,"
    "  hash BLOB NOT NULL,"
    "  total INTEGER NOT NULL,"
    "  bytes BLOB NOT NULL) STRICT;"

    /* What the hub has in force when it is another, and why it is not ours; one row at most. */
    "CREATE TABLE hub_catalog("
    "  one INTEGER PRIMARY KEY CHECK(one = 1),"
    "  number INTEGER NOT NULL,"
    "  hash BLOB NOT NULL,"
    "  code TEXT NOT NULL,"
    "  zh TEXT NOT NULL,"
    "  en TEXT NOT NULL) STRICT;"

    /* Records that this catalogue can't read, in the hub's bytes, until it can. */
    "CREATE TABLE later("
    "  id TEXT PRIMARY KEY,"
    "  type TEXT NOT NULL,"
    "  body BLOB NOT NULL) STRICT, WITHOUT ROWID;";

static const char offers[] =
    /* Records as they were in a history of the hub that is gone, until the hub has them. */
    "CREATE TABLE offers("
    "  id TEXT NOT NULL,"
    "  n INTEGER NOT NULL,"    /* 0; higher: set aside again, when the hub went back once more */
    "  body BLOB NOT NULL,"    /* proto/feed.h */
    "  sent INTEGER NOT NULL," /* 1 = the hub has it, and waits for a person; should it go back
                                  again, it is offered again */
    "  PRIMARY KEY(id, n)) STRICT, WITHOUT ROWID;"

    /* The hub's word that it told us of that history; the oldest one while anything is left. */
    "CREATE TABLE offer_proof("
    "  one INTEGER PRIMARY KEY CHECK(one = 1),"
    "  counter INTEGER NOT NULL,"
    "  random INTEGER NOT NULL,"
    "  pos INTEGER NOT NULL,"
    "  hash BLOB NOT NULL,"
    "  sig BLOB NOT NULL) STRICT;";

static const char own_branches[] =
    /* Branches below it are of a replica that this PC was before it was enrolled anew: their
     * changes are not this one's to send. Of a PC from before this column nothing earlier is. */
    "ALTER TABLE me ADD COLUMN first_branch INTEGER NOT NULL DEFAULT 1;"
    "UPDATE me SET first_branch = branch;";

static const char past[] =
    /* Records whose history a person wanted to see, and how much of it the hub has told. */
    "CREATE TABLE past_of("
    "  record TEXT PRIMARY KEY,"
    "  wanted INTEGER NOT NULL,"    /* 1 = the hub is to be asked */
    "  after INTEGER NOT NULL,"     /* journal position up to which it is here */
    "  asked_ms INTEGER NOT NULL,"  /* when a person last asked */
    "  fetched_ms INTEGER NOT NULL" /* hub time; 0 = never to its end */
    ") STRICT, WITHOUT ROWID;"

    /* Entries of the hub's journal about them (proto/message.h, struct lm_past). */
    "CREATE TABLE past("
    "  record TEXT NOT NULL,"
    "  pos INTEGER NOT NULL,"
    "  of INTEGER NOT NULL,"
    "  replica INTEGER NOT NULL,"
    "  hlc INTEGER NOT NULL,"
    "  station TEXT NOT NULL,"
    "  user TEXT NOT NULL,"
    "  op TEXT NOT NULL,"
    "  at_ms INTEGER NOT NULL,"
    "  verdict INTEGER NOT NULL,"
    "  code TEXT NOT NULL,"
    "  zh TEXT NOT NULL,"
    "  en TEXT NOT NULL,"
    "  body BLOB NOT NULL,"
    "  PRIMARY KEY(record, pos)) STRICT, WITHOUT ROWID;";

/* 1 = the password is somebody else's: the first thing to do is to choose another. */
static const char first_passwords[] =
    "ALTER TABLE accounts ADD COLUMN must_change INTEGER NOT NULL DEFAULT 0;";

static const char gone[] =
    /* Records that left this station's scope: a hub that goes back to before that says nothing of
     * them by itself, since in its history they have not changed. */
    "CREATE TABLE gone("
    "  id TEXT PRIMARY KEY,"
    "  position INTEGER NOT NULL" /* in the hub's journal */
    ") STRICT, WITHOUT ROWID;";

/* Accounts that the town made (record type station_account) stand among the local ones. */
static const char town_accounts[] =
    "ALTER TABLE accounts ADD COLUMN record TEXT;" /* the town's; null = made here */
    "ALTER TABLE accounts ADD COLUMN given TEXT;"  /* the town's verifier that hash was taken from
                                                      or chosen after */
    "ALTER TABLE accounts ADD COLUMN shown TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE accounts ADD COLUMN said INTEGER NOT NULL DEFAULT 0;"; /* HLC of the town's last
                                                                           word on it */

/* Keys of the hub beyond the one in node.key: PROTOCOL.md "Change of the hub's key". */
static const char hub_keys[] =
    "ALTER TABLE me ADD COLUMN hub_kit BLOB;"     /* node.key's when these were stored: with another
                                                     (a new kit) they do not count. null = none */
    "ALTER TABLE me ADD COLUMN hub_first BLOB;"   /* the one in force */
    "ALTER TABLE me ADD COLUMN hub_second BLOB;"; /* announced as the next; null = none */

static const char imports[] =
    /* Tables that were imported on the page, so that a whole one can be undone. */
    "CREATE TABLE imports("
    "  id TEXT PRIMARY KEY,"  /* the page's */
    "  type TEXT NOT NULL,"   /* of its records */
    "  file TEXT NOT NULL,"   /* what the file was called */
    "  source TEXT NOT NULL," /* by which the page knows the same file */
    "  user TEXT NOT NULL,"
    "  at_ms INTEGER NOT NULL,"
    "  undone_ms INTEGER NOT NULL DEFAULT 0" /* 0 = it was not */
    ") STRICT, WITHOUT ROWID;"

    /* The records that one brought, as they were then. */
    "CREATE TABLE import_rows("
    "  import TEXT NOT NULL,"
    "  record TEXT NOT NULL,"
    "  rev TEXT NOT NULL,"
    "  PRIMARY KEY(import, record)) STRICT, WITHOUT ROWID;"

    /* When the page last wrote a backup; one row. */
    "CREATE TABLE backups("
    "  one INTEGER PRIMARY KEY CHECK(one = 1),"
    "  at_ms INTEGER NOT NULL) STRICT;";

static const char reveals[] =
    /* Who looked at whole numbers (ID, bank account), and at whose. The newest LM_REVEALS_MAX stay,
       whatever the clock says. */
    "CREATE TABLE reveals("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  at_ms INTEGER NOT NULL,"
    "  user TEXT NOT NULL,"
    "  record TEXT NOT NULL) STRICT;";

const struct lm_migration ns_migrations[] = {
    {.sql = first},  {.sql = pages},         {.sql = usb},      {.sql = catalogues},
    {.sql = offers}, {.sql = own_branches},  {.sql = past},     {.sql = first_passwords},
    {.sql = gone},   {.sql = town_accounts}, {.sql = hub_keys}, {.sql = imports},
    {.sql = reveals}};
const int ns_n_migrations = sizeof ns_migrations / sizeof *ns_migrations;

#define ACCOUNT_COLUMNS                                                                            \
    "name, role, hash, created_ms, disabled, failures, failed_ms, must_change, record, shown"

#define EXPORT_COLUMNS                                                                             \
    "number, branch, lease_counter, lease_random, inc_counter, inc_random, seen_pos, seen_hash, "  \
    "cursor_pos, cursor_id, taken"

const char *const ns_sql[NS_COUNT] = {
    [NS_ME] =
        "SELECT replica, station, level, name, branch, head_seq, head_hash, acked_seq, "
        "acked_hash, safe_seq, hlc,"
        " cursor_pos, cursor_id, lease_counter, lease_random, inc_counter, inc_random, "
        "seen_pos, seen_hash,"
        " offset_ms, last_contact_ms, state, state_code, state_zh, state_en, catalog, "
        "catalog_hash, proof_pos, proof_hash, proof_sig, hub_kit, hub_first, hub_second FROM me",
    [NS_OUT_CLOSED] =
        "SELECT seq, record, type, hlc, user, body FROM outbox AS o WHERE branch < ?1 AND "
        "branch >= (SELECT first_branch FROM me) AND NOT EXISTS (SELECT 1 FROM outbox AS n WHERE "
        "n.record = o.record AND n.hlc = o.hlc AND n.branch > o.branch) ORDER BY hlc",
    [NS_ME_ADD] =
        "INSERT INTO me VALUES(1, ?1, ?2, ?3, ?4, 1, 0, ?5, 0, ?5, 0, 0, 0, '', 0, 0, 0, 0, 0, "
        "zeroblob(32), 0, x'', x'',"
        " NULL, NULL, 'offline', 'not_started', '尚未开始同步。', 'Not synchronised yet.', ?6, ?7, "
        "1, NULL, NULL, NULL)"
        " ON CONFLICT(one) DO NOTHING",
    [NS_ME_HEAD] = "UPDATE me SET head_seq = ?1, head_hash = ?2, hlc = max(hlc, ?3)",
    /* What the hub said to the former replica is not said to this one: the feed starts over. */
    [NS_ME_RENEW] =
        "UPDATE me SET replica = ?1, branch = ?2, first_branch = ?2, head_seq = ?3, head_hash = ?4,"
        " acked_seq = 0, acked_hash = ?5, safe_seq = 0, cursor_pos = 0, cursor_id = '',"
        " lease_counter = 0, lease_random = 0, hub_kit = NULL, hub_first = NULL,"
        " hub_second = NULL, state = 'offline',"
        " state_code = 'not_started', state_zh = '已换发登记，尚未同步。',"
        " state_en = 'Enrolled anew; not synchronised yet.'",
    [NS_RENEW_NEXT] = "SELECT min(record) FROM outbox WHERE branch = ?1 AND seq > ?2 AND record > "
                      "?3 HAVING min(record) IS NOT NULL",
    [NS_RENEW_RECORD] = "SELECT seq, body FROM outbox WHERE record = ?1 AND branch = ?2 AND seq > "
                        "?3 ORDER BY seq",
    [NS_RENEW_BODY] = "SELECT body FROM outbox WHERE branch = ?1 AND seq = ?2",
    [NS_RENEW_HASH] = "UPDATE outbox SET hash = ?3 WHERE branch = ?1 AND seq = ?2",
    [NS_ME_FORK] = "UPDATE me SET branch = ?1, head_seq = ?2, head_hash = ?3, acked_seq = 0, "
                   "acked_hash = ?4, safe_seq = 0",
    [NS_ME_WELCOME] = "UPDATE me SET lease_counter = ?1, lease_random = ?2, inc_counter = ?3, "
                      "inc_random = ?4, acked_seq = ?5,"
                      " acked_hash = ?6, safe_seq = ?7, hlc = max(hlc, ?8), seen_pos = ?9, "
                      "seen_hash = ?10, cursor_pos = ?11,"
                      " cursor_id = ?12, offset_ms = ?13, last_contact_ms = ?14, proof_pos = ?15, "
                      "proof_hash = ?16, proof_sig = ?17",
    [NS_CHECK_LIST] =
        "SELECT position, hash, cursor_pos, cursor_id FROM checkpoint ORDER BY position",
    [NS_CHECK_PUT] =
        "INSERT INTO checkpoint(position, hash, cursor_pos, cursor_id) VALUES(?1, ?2, "
        "?3, ?4) ON CONFLICT(position) DO UPDATE SET hash = excluded.hash, cursor_pos = "
        "excluded.cursor_pos, cursor_id = excluded.cursor_id",
    [NS_CHECK_DROP] = "DELETE FROM checkpoint WHERE position = ?1",
    [NS_CHECK_CUT] = "DELETE FROM checkpoint WHERE position > ?1",
    [NS_ME_ACKED] =
        "UPDATE me SET acked_seq = ?2, acked_hash = ?3, safe_seq = ?4, last_contact_ms = ?5"
        " WHERE branch = ?1 AND acked_seq <= ?2",
    [NS_ME_CURSOR] = "UPDATE me SET cursor_pos = ?1, cursor_id = ?2, last_contact_ms = ?5,"
                     " seen_hash = CASE WHEN ?3 > seen_pos THEN ?4 ELSE seen_hash END, seen_pos = "
                     "max(seen_pos, ?3)",
    [NS_ME_PROOF] = "UPDATE me SET proof_pos = ?1, proof_hash = ?2, proof_sig = ?3"
                    " WHERE proof_pos < ?1 AND length(proof_sig) > 0",
    [NS_ME_STATE] = "UPDATE me SET state = ?1, state_code = ?2, state_zh = ?3, state_en = ?4",
    [NS_ME_CATALOG] = "UPDATE me SET catalog = ?1, catalog_hash = ?2",
    [NS_ME_HUB_KEYS] = "UPDATE me SET hub_kit = ?1, hub_first = ?2, hub_second = ?3",
    [NS_ME_OFFSET] = "UPDATE me SET offset_ms = ?1",
    [NS_OUT_ADD] = "INSERT INTO outbox(branch, seq, record, type, hlc, user, body, hash) "
                   "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [NS_OUT_FROM] =
        "SELECT seq, body, hash FROM outbox WHERE branch = ?1 AND seq >= ?2 ORDER BY seq",
    [NS_OUT_HASH] = "SELECT hash FROM outbox WHERE branch = ?1 AND seq = ?2",
    [NS_OUT_RECORD] =
        "SELECT body FROM outbox WHERE record = ?1 AND branch = ?2 AND seq > ?3 ORDER BY seq",
    [NS_OUT_UNACKED] =
        "SELECT 1 FROM outbox WHERE record = ?1 AND branch = ?2 AND seq > ?3 LIMIT 1",
    /* A change carried over a fork stands in two branches: the newer place counts. */
    [NS_OUT_HISTORY] =
        "SELECT o.branch, o.seq, o.user, o.body, v.verdict, v.code, v.field, v.zh, v.en, v.open "
        "FROM outbox AS o"
        " LEFT JOIN verdicts AS v ON v.hlc = o.hlc AND v.record = o.record WHERE o.record = ?1 AND "
        "NOT EXISTS (SELECT 1 "
        "FROM outbox"
        " AS n WHERE n.record = ?1 AND n.hlc = o.hlc AND n.branch > o.branch) ORDER BY o.hlc",
    [NS_PAST_WANT] =
        "INSERT INTO past_of(record, wanted, after, asked_ms, fetched_ms) VALUES(?1, 1, "
        "0, ?2, 0) ON CONFLICT(record) DO UPDATE SET wanted = 1, asked_ms = ?2",
    [NS_PAST_OLDEST] = "SELECT record FROM past_of WHERE wanted = 0 ORDER BY asked_ms DESC LIMIT 1 "
                       "OFFSET ?1",
    [NS_PAST_DROP] = "DELETE FROM past WHERE record = ?1",
    [NS_PAST_DROP_OF] = "DELETE FROM past_of WHERE record = ?1",
    [NS_PAST_NEXT] = "SELECT record, after FROM past_of WHERE wanted = 1 ORDER BY asked_ms LIMIT 1",
    [NS_PAST_WANTED] =
        "SELECT record, after FROM past_of WHERE wanted = 1 ORDER BY asked_ms LIMIT ?1",
    [NS_PAST_STATE] = "SELECT wanted, fetched_ms, after FROM past_of WHERE record = ?1",
    [NS_PAST_PUT] =
        "INSERT OR REPLACE INTO past(record, pos, of, replica, hlc, station, user, op, "
        "at_ms, verdict, code, zh, en, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
        "?10, ?11, ?12, ?13, ?14)",
    [NS_PAST_TOLD] = "UPDATE past_of SET after = max(after, ?2), wanted = ?3, fetched_ms = CASE ?3 "
                     "WHEN 0 THEN ?4 ELSE fetched_ms END WHERE record = ?1",
    [NS_PAST_FORGET] = "DELETE FROM past",
    [NS_PAST_FORGET_OF] = "UPDATE past_of SET after = 0, wanted = 1, fetched_ms = 0",
    /* What this PC sent is told from its own outbox. */
    [NS_PAST_LIST] =
        "SELECT pos, of, replica, hlc, station, user, op, at_ms, verdict, code, zh, en, body FROM "
        "past AS p WHERE record = ?1 AND NOT EXISTS (SELECT 1 FROM outbox AS o WHERE o.record = "
        "?1 AND o.hlc = p.hlc AND o.body = p.body) ORDER BY pos",
    [NS_OUT_COPY] = "SELECT seq, record, type, hlc, user, body FROM outbox WHERE branch = ?1 AND "
                    "seq > ?2 ORDER BY seq",
    [NS_OUT_AT] = "SELECT hlc, record, type FROM outbox WHERE branch = ?1 AND seq = ?2",
    [NS_WANT_ADD] =
        "INSERT INTO wanted(id, n) VALUES(?1, (SELECT coalesce(max(n), 0) + 1 FROM wanted))"
        " ON CONFLICT(id) DO UPDATE SET n = excluded.n",
    [NS_WANT_GONE] =
        "INSERT INTO wanted(id, n) SELECT id, (SELECT coalesce(max(n), 0) FROM wanted) + "
        "row_number() OVER (ORDER BY position) FROM gone WHERE position > ?1 "
        "ON CONFLICT(id) DO NOTHING",
    [NS_GONE_PUT] = "INSERT OR REPLACE INTO gone(id, position) VALUES(?1, ?2)",
    [NS_GONE_DROP] = "DELETE FROM gone WHERE id = ?1",
    /* A hub that goes back behind all checkpoints is asked for everything. */
    [NS_GONE_TRIM] = "DELETE FROM gone WHERE position <= (SELECT min(position) FROM checkpoint)",
    [NS_WANT_DROP] = "DELETE FROM wanted WHERE id = ?1",
    [NS_WANT_LIST] = "SELECT id FROM wanted ORDER BY n LIMIT ?1",
    [NS_WANT_COUNT] = "SELECT count(*) FROM wanted",
    /* Two PCs may use one HLC. What became of this PC's change is kept before the versions of a
     * conflict (verdict 2), which may be another's. */
    [NS_VERDICT_PUT] =
        "INSERT INTO verdicts(hlc, record, type, verdict, code, field, zh, en, open)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1) ON CONFLICT(hlc) DO UPDATE SET "
        "record = excluded.record, type = excluded.type, verdict = excluded.verdict,"
        " code = excluded.code, field = excluded.field, zh = excluded.zh, en = excluded.en, open = "
        "1"
        " WHERE excluded.verdict <> 2 OR verdicts.open = 0 OR (verdicts.verdict = 2 AND "
        "verdicts.record = excluded.record)",
    [NS_VERDICT_HINT] =
        "INSERT INTO verdicts(hlc, record, type, verdict, code, field, zh, en, open)"
        " VALUES(?1, ?2, ?3, ?4, ?5, '', '', '', 1) ON CONFLICT(hlc) DO NOTHING",
    /* A hint about a change that the page did not know of yet stays. */
    [NS_VERDICT_CLOSE] =
        "UPDATE verdicts SET open = 0 WHERE record = ?1 AND open = 1 AND NOT EXISTS (SELECT 1 FROM "
        "outbox AS o"
        " WHERE o.record = ?1 AND o.hlc = verdicts.hlc AND o.branch = ?2 AND o.seq > ?3)",
    [NS_VERDICT_OF] = "SELECT 1 FROM verdicts WHERE hlc = ?1 AND verdict = 5 AND open = 1",
    [NS_VERDICT_RECORD] =
        "SELECT 1 FROM verdicts WHERE record = ?1 AND verdict = 5 AND open = 1 LIMIT 1",
    [NS_VERDICT_LIST] = "SELECT hlc, record, type, verdict, code, field, zh, en FROM verdicts "
                        "WHERE open = 1 AND verdict = 5"
                        " ORDER BY hlc",
    [NS_VERDICT_COUNT] = "SELECT count(*) FROM verdicts WHERE open = 1 AND verdict = ?1",
    [NS_CONFLICT_COUNT] =
        "SELECT count(DISTINCT record) FROM verdicts WHERE open = 1 AND verdict = 2",
    [NS_CONFLICT_RECORDS] = "SELECT record, min(type) FROM verdicts WHERE open = 1 AND verdict = 2 "
                            "GROUP BY record ORDER BY max(hlc) DESC LIMIT ?1",
    [NS_CONFLICT_GROUPS] =
        "SELECT field FROM verdicts WHERE record = ?1 AND open = 1 AND verdict = 2",
    [NS_CONFLICT_OF] =
        "SELECT hlc, field FROM verdicts WHERE record = ?1 AND open = 1 AND verdict = 2 ORDER BY "
        "hlc",
    [NS_SAID] = "SELECT coalesce((SELECT o.body FROM outbox AS o WHERE o.record = ?1 AND o.hlc = "
                "?2 LIMIT 1), p.body), p.at_ms, coalesce(p.station, '') FROM (SELECT 1) LEFT JOIN "
                "(SELECT body, at_ms, station FROM past WHERE record = ?1 AND hlc = ?2 AND of = 0 "
                "LIMIT 1) AS p",
    [NS_VERDICT_DROP] = "UPDATE verdicts SET open = 0 WHERE record = ?1",
    [NS_SAVED] = "SELECT id, hash FROM saves WHERE key = ?1",
    [NS_SAVE_KEY] = "INSERT INTO saves(key, id, hash) VALUES(?1, ?2, ?3)",
    [NS_OUT_PENDING] = "SELECT record, type, count(*), user, max(hlc) FROM outbox WHERE branch = "
                       "?1 AND seq > ?2 GROUP BY record ORDER BY max(seq) DESC LIMIT ?3",
    [NS_OUT_PENDING_COUNT] = "SELECT count(DISTINCT record) FROM outbox WHERE branch = ?1 AND "
                             "seq > ?2",
    [NS_ACCOUNT_ADD] = "INSERT INTO accounts(name, role, hash, created_ms, disabled, failures, "
                       "failed_ms) VALUES(?1, ?2, ?3, ?4, 0, 0, 0) ON CONFLICT(name) DO NOTHING",
    [NS_ACCOUNT_GET] = "SELECT " ACCOUNT_COLUMNS " FROM accounts WHERE name = ?1",
    [NS_ACCOUNT_LIST] = "SELECT " ACCOUNT_COLUMNS " FROM accounts ORDER BY name",
    [NS_ACCOUNT_COUNT] = "SELECT count(*) FROM accounts WHERE record IS NULL",
    [NS_ACCOUNT_PASSWORD] = "UPDATE accounts SET hash = ?2, failures = 0, must_change = ?3 WHERE "
                            "name = ?1",
    [NS_ACCOUNT_DISABLE] = "UPDATE accounts SET disabled = ?2, failures = 0 "
                           "WHERE name = ?1",
    [NS_ACCOUNT_FAILURES] = "UPDATE accounts SET failures = ?2, failed_ms = ?3 WHERE name = ?1",
    [NS_ACCOUNT_MUST] = "UPDATE accounts SET must_change = 1 WHERE name = ?1",
    /* Taken over with its local password as long as the town gives no other. A local account of the
     * same name becomes the town's: the town's word on who may log in stands. An older word changes
     * nothing. */
    [NS_TOWN_ACCOUNT_PUT] =
        "INSERT INTO accounts(name, role, hash, created_ms, disabled, failures, failed_ms, "
        "must_change, record, given, shown, said) VALUES(?1, ?2, ?3, ?4, ?5, 0, 0, 1, ?6, ?3, ?7, "
        "?8) ON CONFLICT(name) DO UPDATE SET role = excluded.role, record = excluded.record, shown "
        "= excluded.shown, disabled = excluded.disabled, given = excluded.given, said = "
        "excluded.said, hash = CASE WHEN given IS excluded.given THEN hash ELSE excluded.hash END, "
        "must_change = CASE WHEN given IS excluded.given THEN must_change ELSE 1 END, failures = "
        "CASE WHEN given IS excluded.given THEN failures ELSE 0 END WHERE "
        "excluded.said > accounts.said",
    /* A hub that goes back to before the record left may say the same word once more. */
    [NS_TOWN_ACCOUNT_END] = "UPDATE accounts SET disabled = 1, said = "
                            "said - 1 WHERE record = ?1 AND disabled = 0",
    [NS_DRAFT_TAKE] = "UPDATE OR IGNORE drafts SET user = ?2 WHERE user = ?1",
    [NS_DRAFT_PUT] = "INSERT INTO drafts(user, key, body, saved_ms) VALUES(?1, ?2, ?3, ?4) "
                     "ON CONFLICT(user, key) DO UPDATE SET body = excluded.body, saved_ms = "
                     "excluded.saved_ms",
    [NS_DRAFT_GET] = "SELECT body, saved_ms FROM drafts WHERE user = ?1 AND key = ?2",
    [NS_DRAFT_LIST] = "SELECT key, body, saved_ms FROM drafts WHERE user = ?1 ORDER BY saved_ms "
                      "DESC",
    [NS_DRAFT_DROP] = "DELETE FROM drafts WHERE user = ?1 AND key = ?2",
    [NS_DRAFT_COUNT] = "SELECT count(*) FROM drafts WHERE user = ?1 AND key <> ?2",
    [NS_IMPORT_ADD] = "INSERT INTO imports(id, type, file, source, user, at_ms) VALUES(?1, ?2, ?3, "
                      "?4, ?5, ?6) ON CONFLICT(id) DO NOTHING",
    [NS_IMPORT_ROW_ADD] = "INSERT INTO import_rows(import, record, rev) VALUES(?1, ?2, ?3) ON "
                          "CONFLICT(import, record) DO NOTHING",
    [NS_IMPORT_PRUNE] =
        "DELETE FROM imports WHERE id NOT IN (SELECT id FROM imports ORDER BY at_ms "
        "DESC, id DESC LIMIT ?1)",
    [NS_IMPORT_PRUNE_ROWS] = "DELETE FROM import_rows WHERE import NOT IN (SELECT id FROM imports)",
    [NS_IMPORT_LIST] =
        "SELECT id, type, file, source, user, at_ms, undone_ms, (SELECT count(*) FROM "
        "import_rows WHERE import = id) FROM imports ORDER BY at_ms DESC, id DESC",
    [NS_IMPORT_GET] = "SELECT 1 FROM imports WHERE id = ?1",
    [NS_IMPORT_ROWS] = "SELECT record, rev FROM import_rows WHERE import = ?1",
    [NS_IMPORT_UNDID] = "SELECT 1 FROM import_rows JOIN imports ON imports.id = import_rows.import "
                        "WHERE record = ?1 AND undone_ms > 0",
    [NS_IMPORT_UNDONE] = "UPDATE imports SET undone_ms = ?1 WHERE id = ?2",
    [NS_REVEAL_ADD] = "INSERT INTO reveals(at_ms, user, record) VALUES(?1, ?2, ?3)",
    [NS_REVEAL_TRIM] = "DELETE FROM reveals WHERE id <= (SELECT max(id) FROM reveals) - ?1",
    [NS_REVEAL_LIST] = "SELECT id, at_ms, user, record FROM reveals WHERE id < ?1 ORDER BY id "
                       "DESC LIMIT ?2",
    [NS_BACKUP_PUT] =
        "INSERT INTO backups(one, at_ms) VALUES(1, ?1) ON CONFLICT(one) DO UPDATE SET "
        "at_ms = excluded.at_ms",
    [NS_BACKUP_GET] = "SELECT at_ms FROM backups",
    [NS_EXPORT_LAST] = "SELECT " EXPORT_COLUMNS " FROM exports ORDER BY number DESC LIMIT 1",
    [NS_EXPORT_TAKEN] =
        "SELECT " EXPORT_COLUMNS " FROM exports WHERE taken = 2 ORDER BY number DESC LIMIT 1",
    [NS_EXPORT_GET] = "SELECT " EXPORT_COLUMNS " FROM exports WHERE number = ?1",
    [NS_EXPORT_ADD] = "INSERT INTO exports(number, branch, lease_counter, lease_random, "
                      "inc_counter, inc_random, seen_pos, seen_hash, cursor_pos, cursor_id, "
                      "made_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [NS_EXPORT_PRUNE] = "DELETE FROM exports WHERE number <= ?1",
    [NS_EXPORT_TAKE] = "UPDATE exports SET taken = ?2 WHERE number = ?1",
    [NS_USB_WELCOME] =
        "UPDATE me SET inc_counter = ?1, inc_random = ?2, acked_seq = ?3, acked_hash = ?4,"
        " safe_seq = ?5, hlc = max(hlc, ?6), seen_pos = ?7, seen_hash = ?8, cursor_pos = ?9,"
        " cursor_id = ?10, offset_ms = ?11, last_contact_ms = ?12, proof_pos = ?13, proof_hash = "
        "?14,"
        " proof_sig = ?15",
    [NS_USB_RESTART] = "UPDATE me SET cursor_pos = 0, cursor_id = ''",
    [NS_CATALOG_PUT] = "INSERT OR REPLACE INTO catalogs(number, hash, packed) VALUES(?1, ?2, ?3)",
    [NS_CATALOG_TRIM] = "DELETE FROM catalogs WHERE number <> ?1 AND number NOT IN"
                        " (SELECT number FROM catalogs ORDER BY number DESC LIMIT 16)",
    [NS_IN_STATE] = "SELECT number, hash, total, (SELECT sum(length(bytes)) FROM incoming)"
                    " FROM incoming WHERE at = 0",
    [NS_IN_ADD] = "INSERT INTO incoming(at, number, hash, total, bytes) VALUES(?1, ?2, ?3, ?4, ?5)",
    [NS_IN_PARTS] = "SELECT bytes FROM incoming ORDER BY at",
    [NS_IN_DROP] = "DELETE FROM incoming",
    [NS_HUB_CATALOG_PUT] = "INSERT OR REPLACE INTO hub_catalog(one, number, hash, code, zh, en)"
                           " VALUES(1, ?1, ?2, ?3, ?4, ?5)",
    [NS_HUB_CATALOG_GET] = "SELECT number, hash, code, zh, en FROM hub_catalog",
    [NS_HUB_CATALOG_DROP] = "DELETE FROM hub_catalog",
    [NS_LATER_PUT] = "INSERT OR REPLACE INTO later(id, type, body) VALUES(?1, ?2, ?3)",
    [NS_LATER_DROP] = "DELETE FROM later WHERE id = ?1",
    [NS_LATER_NEXT] = "SELECT id, type, body FROM later WHERE id > ?1 ORDER BY id LIMIT 1",
    [NS_LATER_GET] = "SELECT type FROM later WHERE id = ?1",
    [NS_LATER_COUNT] = "SELECT count(*) FROM later",
    [NS_OFFER_PUT] = "INSERT INTO offers(id, n, body, sent) SELECT ?1, count(*), ?2, 0 FROM offers"
                     " WHERE id = ?1 HAVING count(*) < ?3 AND NOT EXISTS"
                     " (SELECT 1 FROM offers WHERE id = ?1 AND body = ?2)",
    [NS_OFFER_LIST] =
        "SELECT id, body FROM offers WHERE sent = 0 AND id > ?2 ORDER BY id, n LIMIT ?1",
    [NS_OFFER_SENT] = "UPDATE offers SET sent = 1 WHERE id <= ?1 AND sent = 0",
    [NS_OFFER_AGAIN] = "UPDATE offers SET sent = 0 WHERE sent = 1",
    [NS_OFFER_LATER] =
        "INSERT OR IGNORE INTO offers(id, n, body, sent) SELECT id, 0, body, 0 FROM later",
    [NS_OFFER_PROOF_PUT] = "INSERT INTO offer_proof(one, counter, random, pos, hash, sig)"
                           " VALUES(1, ?1, ?2, ?3, ?4, ?5) ON CONFLICT(one) DO UPDATE SET"
                           " counter = ?1, random = ?2, pos = ?3, hash = ?4, sig = ?5"
                           " WHERE NOT EXISTS (SELECT 1 FROM offers)",
    [NS_OFFER_PROOF_GET] = "SELECT counter, random, pos, hash, sig FROM offer_proof",
};
