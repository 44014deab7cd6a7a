/* The hub's tables, as numbered migrations: never edited once released, only added to. The record
 * tables r_<type> are made from the catalogue by common/tables.
 *
 * Ids are 16 bytes, scopes are division codes as numbers (0 = every station): they are in every
 * key, and a merge pays for keys. What `verify` can rebuild from the journal is marked (R); the
 * rest is told by people and machines, once. */
#include "hub/store/store_internal.h"

static const char journal[] =
    /* One value a name: town, code, incarnation. */
    "CREATE TABLE meta("
    "  name TEXT PRIMARY KEY,"
    "  value TEXT NOT NULL) STRICT, WITHOUT ROWID;"

    /* The journal: every change ever received and every later verdict, append-only. */
    "CREATE TABLE journal("
    "  pos INTEGER PRIMARY KEY," /* position, from 1 without gaps; the feed's positions are these */
    "  kind INTEGER NOT NULL,"   /* 0 a change; 1 a later verdict on the entry that body names */
    "  replica INTEGER NOT NULL,"     /* author; 0 the hub */
    "  branch INTEGER NOT NULL,"      /* the author's log; 0 for kind 1 */
    "  seq INTEGER NOT NULL,"         /* place in that log; 0 for kind 1 */
    "  station TEXT NOT NULL,"        /* the author's station at that time */
    "  type TEXT NOT NULL,"           /* record type as the change says; '' when unreadable */
    "  record BLOB NOT NULL,"         /* record id; empty when unreadable */
    "  hlc INTEGER NOT NULL,"         /* with replica: the change's identity */
    "  body BLOB NOT NULL,"           /* the exact bytes received */
    "  verdict INTEGER NOT NULL,"     /* enum lm_verdict */
    "  code TEXT NOT NULL,"           /* why, for programs; '' = applied */
    "  reason TEXT,"                  /* why, for people: JSON {code,field,zh,en,waits_for} */
    "  rank INTEGER NOT NULL,"        /* decides between concurrent versions */
    "  received_ms INTEGER NOT NULL," /* hub clock at receipt */
    "  offset_ms INTEGER NOT NULL,"   /* hub clock minus the author's, as used */
    "  catalog INTEGER NOT NULL,"     /* number of the catalogue it was judged with */
    "  author INTEGER NOT NULL,"      /* enum lm_author: 1 village, 2 town, 4 system */
    "  mark BLOB NOT NULL) STRICT;"   /* BLAKE2b-256 of the mark before and every column of this row
                                       */
    "CREATE INDEX journal_record ON journal(record) WHERE record <> x'';"

    /* (R) Stretches of branches whose changes lie at contiguous positions: seq s is at pos_first +
       s - first_seq. */
    "CREATE TABLE branches("
    "  replica INTEGER NOT NULL,"
    "  branch INTEGER NOT NULL,"
    "  first_seq INTEGER NOT NULL,"
    "  last_seq INTEGER NOT NULL,"
    "  pos_first INTEGER NOT NULL," /* journal position of first_seq */
    "  hash_before BLOB NOT NULL,"  /* chain hash before first_seq */
    "  hash_after BLOB NOT NULL,"   /* chain hash after last_seq */
    "  hlc INTEGER NOT NULL,"       /* highest HLC of the branch up to last_seq */
    "  PRIMARY KEY(replica, branch, first_seq)) STRICT, WITHOUT ROWID;"

    /* (R) Each record once a scope, at the position where it last changed for that scope. */
    "CREATE TABLE feed("
    "  scope INTEGER NOT NULL," /* division code as a number; 0 = every station */
    "  record BLOB NOT NULL,"
    "  type TEXT NOT NULL,"
    "  pos INTEGER NOT NULL,"
    "  PRIMARY KEY(scope, record)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX feed_pos ON feed(scope, pos, record);"

    /* (R) Changes sent back to their authors: invalid and refused ones. */
    "CREATE TABLE returns("
    "  pos INTEGER PRIMARY KEY," /* of the change's own entry */
    "  replica INTEGER NOT NULL,"
    "  hlc INTEGER NOT NULL,"
    "  record BLOB NOT NULL,"
    "  type TEXT NOT NULL,"
    "  station TEXT NOT NULL,"
    "  verdict INTEGER NOT NULL,"
    "  code TEXT NOT NULL,"
    "  field TEXT NOT NULL,"
    "  zh TEXT NOT NULL,"
    "  en TEXT NOT NULL,"
    "  user TEXT NOT NULL,"            /* who made the change, as the change says */
    "  at_ms INTEGER NOT NULL,"        /* received */
    "  open INTEGER NOT NULL) STRICT;" /* 1 until a later change mends it */
    "CREATE INDEX returns_record ON returns(record) WHERE open = 1;"
    "CREATE INDEX returns_station ON returns(station, pos) WHERE open = 1;"

    /* (R) Changes that wait for something. */
    "CREATE TABLE held("
    "  pos INTEGER PRIMARY KEY," /* of the change's own entry */
    "  replica INTEGER NOT NULL,"
    "  hlc INTEGER NOT NULL,"
    "  record BLOB NOT NULL,"
    "  type TEXT NOT NULL,"
    "  station TEXT NOT NULL,"
    "  code TEXT NOT NULL,"
    "  zh TEXT NOT NULL,"
    "  en TEXT NOT NULL,"
    "  waits_for TEXT NOT NULL," /* 'record:…', 'base:…', 'moved:…', 'type:…', '' = a person */
    "  at_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX held_waits ON held(waits_for, pos);"
    "CREATE INDEX held_record ON held(record);"
    /* What became available while more waited for it than one commit judges again. */
    "CREATE TABLE redrive("
    "  waits_for TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;"

    /* (R) Concurrent edits of one merge group of one record: siblings are all kept, one stands. */
    "CREATE TABLE conflicts("
    "  pos INTEGER NOT NULL," /* where it was found */
    "  record BLOB NOT NULL,"
    "  type TEXT NOT NULL,"
    "  grp TEXT NOT NULL,"
    "  at_ms INTEGER NOT NULL,"
    "  open INTEGER NOT NULL,"
    "  PRIMARY KEY(pos, grp)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX conflicts_record ON conflicts(record) WHERE open = 1;"
    "CREATE TABLE siblings("
    "  pos INTEGER NOT NULL," /* the conflict's */
    "  grp TEXT NOT NULL,"
    "  n INTEGER NOT NULL,"   /* from 1, as people name it */
    "  hlc INTEGER NOT NULL," /* version: the change that set it */
    "  replica INTEGER NOT NULL,"
    "  value BLOB NOT NULL," /* msgpack map of the group's fields */
    "  PRIMARY KEY(pos, grp, n)) STRICT, WITHOUT ROWID;"

    /* (R) Pairs of records with the same natural key, a < b. */
    "CREATE TABLE duplicates("
    "  a BLOB NOT NULL,"
    "  b BLOB NOT NULL,"
    "  type TEXT NOT NULL,"
    "  pos INTEGER NOT NULL,"  /* where it was found */
    "  open INTEGER NOT NULL," /* 1 to be looked at; 0 over; 2 a person said that they differ */
    "  PRIMARY KEY(a, b)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX duplicates_b ON duplicates(b);";

static const char registry[] =
    /* Saves by id and by key, so that a repeated one is the same one. */
    "CREATE TABLE saves("
    "  key TEXT PRIMARY KEY," /* 'id:UUID' or 'key:TEXT' */
    "  id TEXT NOT NULL,"
    "  hash BLOB NOT NULL) STRICT, WITHOUT ROWID;"

    /* Stations in the order of their codes. */
    "CREATE TABLE stations("
    "  code TEXT PRIMARY KEY,"
    "  name TEXT NOT NULL,"
    "  level TEXT NOT NULL," /* 'village' or 'town' */
    "  office_code TEXT NOT NULL,"
    "  office_name TEXT NOT NULL) STRICT, WITHOUT ROWID;"

    /* Enrolled installations. */
    "CREATE TABLE replicas("
    "  number INTEGER PRIMARY KEY,"
    "  station TEXT NOT NULL,"
    "  public_key BLOB NOT NULL UNIQUE,"
    "  enrolled_ms INTEGER NOT NULL,"
    "  revoked_ms INTEGER NOT NULL DEFAULT 0,"
    "  machine TEXT NOT NULL DEFAULT '',"
    "  program TEXT NOT NULL DEFAULT '',"
    "  branch INTEGER NOT NULL DEFAULT 0,"   /* highest it named */
    "  head_seq INTEGER NOT NULL DEFAULT 0," /* newest it named, of that branch */
    "  head_hash BLOB NOT NULL DEFAULT x'',"
    "  as_of_ms INTEGER NOT NULL DEFAULT 0," /* hub time at which it named that head */
    "  complete_ms INTEGER NOT NULL DEFAULT 0,"
    "  contact_ms INTEGER NOT NULL DEFAULT 0,"
    "  clock_offset_ms INTEGER NOT NULL DEFAULT 0,"
    "  clock_known INTEGER NOT NULL DEFAULT 0,"
    "  issued_counter INTEGER NOT NULL DEFAULT 0,"
    "  issued_random INTEGER NOT NULL DEFAULT 0,"
    "  confirmed_counter INTEGER NOT NULL DEFAULT 0,"
    "  confirmed_random INTEGER NOT NULL DEFAULT 0,"
    "  hlc_known INTEGER NOT NULL DEFAULT 0," /* highest HLC of it in the journal */
    "  in_doubt INTEGER NOT NULL DEFAULT 0,"
    "  possible_gap INTEGER NOT NULL DEFAULT 0,"
    "  clone_ms INTEGER NOT NULL DEFAULT 0,"       /* a second installation was refused; 0 no */
    "  twins INTEGER NOT NULL DEFAULT 0,"          /* abandoned leases shown, not settled */
    "  backs INTEGER NOT NULL DEFAULT 0,"          /* how often it went back */
    "  settled_branch INTEGER NOT NULL DEFAULT 0," /* a person has looked into its gap up to here */
    "  settled_seq INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX replicas_station ON replicas(station);"

    /* What the town is to know of stations' PCs. */
    "CREATE TABLE alarms("
    "  id INTEGER PRIMARY KEY,"
    "  station TEXT NOT NULL,"
    "  replica INTEGER NOT NULL,"
    "  kind TEXT NOT NULL," /* clone, twin, went_back */
    "  at_ms INTEGER NOT NULL,"
    "  branch INTEGER NOT NULL,"    /* opened by a fork; else the newest then */
    "  low INTEGER NOT NULL,"       /* lease shown */
    "  high INTEGER NOT NULL,"      /* newest lease then: went_back gave up those between */
    "  closed_ms INTEGER NOT NULL," /* 0 = a person must look */
    "  closed_by TEXT NOT NULL,"
    "  note TEXT NOT NULL) STRICT;"
    "CREATE INDEX alarms_replica ON alarms(replica, id);"

    /* Enrolment kits given out. */
    "CREATE TABLE kits("
    "  id INTEGER PRIMARY KEY,"
    "  station TEXT NOT NULL,"
    "  public_key BLOB NOT NULL UNIQUE," /* the kit's one-time CURVE key */
    "  made_ms INTEGER NOT NULL,"
    "  expires_ms INTEGER NOT NULL,"
    "  used_ms INTEGER NOT NULL,"
    "  void_ms INTEGER NOT NULL,"
    "  replica INTEGER NOT NULL DEFAULT 0,"      /* whom it enrolled */
    "  nonce BLOB NOT NULL DEFAULT x'') STRICT;" /* of that enrolment */

    /* Accounts at the hub. */
    "CREATE TABLE users("
    "  name TEXT PRIMARY KEY,"
    "  id TEXT NOT NULL,"
    "  role TEXT NOT NULL,"
    "  password TEXT NOT NULL," /* argon2id */
    "  disabled INTEGER NOT NULL,"
    "  created_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

static const char catalogues[] =
    /* Every catalogue that was ever in force here; the highest number is in force. */
    "CREATE TABLE catalogs("
    "  number INTEGER PRIMARY KEY,"
    "  hash BLOB NOT NULL,"   /* of its files */
    "  packed BLOB NOT NULL," /* the files, as they are sent to nodes */
    "  pos INTEGER NOT NULL," /* journal entry of its import; 0 = the first */
    "  at_ms INTEGER NOT NULL,"
    "  user TEXT NOT NULL) STRICT;" /* '' = came with the program */

    /* Which one each installation last said it has. */
    "CREATE TABLE replica_catalogs("
    "  replica INTEGER PRIMARY KEY,"
    "  number INTEGER NOT NULL,"
    "  hash BLOB NOT NULL) STRICT;";

static const char usb[] =
    /* Installations that sent something by USB stick. */
    "CREATE TABLE usb("
    "  replica INTEGER PRIMARY KEY,"
    "  export INTEGER NOT NULL,"     /* highest number seen */
    "  at_ms INTEGER NOT NULL,"      /* last import */
    "  complete_ms INTEGER NOT NULL" /* replicas.complete_ms as a bundle left it: while they are
                                        equal it is by the station's clock */
    ") STRICT;"

    /* Changes of revoked installations that wait for a person, and what was decided. */
    "CREATE TABLE salvage("
    "  id INTEGER PRIMARY KEY,"
    "  replica INTEGER NOT NULL,"
    "  branch INTEGER NOT NULL," /* where they stood in its log */
    "  seq INTEGER NOT NULL,"
    "  station TEXT NOT NULL,"
    "  record BLOB NOT NULL,"
    "  type TEXT NOT NULL,"
    "  hlc INTEGER NOT NULL,"
    "  user TEXT NOT NULL,"
    "  body BLOB NOT NULL," /* the exact bytes */
    "  hash BLOB NOT NULL," /* of them: the same change is here once */
    "  at_ms INTEGER NOT NULL,"
    "  state INTEGER NOT NULL DEFAULT 0," /* 0 waits, 1 accepted, 2 dismissed */
    "  decided_by TEXT NOT NULL DEFAULT '',"
    "  decided_ms INTEGER NOT NULL DEFAULT 0,"
    "  UNIQUE(replica, hash)) STRICT;"
    "CREATE INDEX salvage_open ON salvage(replica, hlc) WHERE state = 0;";

static const char doors[] =
    /* A password that somebody else gave must be changed at the first login. */
    "ALTER TABLE users ADD COLUMN must_change INTEGER NOT NULL DEFAULT 0;";

static const char recovered[] =
    /* Versions of records that nodes gave back after this database went back in time, and what a
     * person decided. */
    "CREATE TABLE recovered("
    "  id INTEGER PRIMARY KEY,"
    "  record BLOB NOT NULL,"
    "  type TEXT NOT NULL,"
    "  replica INTEGER NOT NULL,"      /* version: whose change it was, 0 = the town's; */
    "  hlc INTEGER NOT NULL,"          /* 0 = a whole record that could not be read yet */
    "  n INTEGER NOT NULL,"            /* 0; higher when nodes gave back different contents of it */
    "  body BLOB NOT NULL,"            /* a change without bases (a record's body when hlc is 0) */
    "  from_replica INTEGER NOT NULL," /* who gave it back first, */
    "  station TEXT NOT NULL,"         /* of this station */
    "  other INTEGER NOT NULL,"        /* 1 = the record is another station's here */
    "  at_ms INTEGER NOT NULL,"
    "  why TEXT NOT NULL DEFAULT '',"     /* JSON reason why accepting it failed */
    "  state INTEGER NOT NULL DEFAULT 0," /* 0 waits, 1 accepted, 2 dismissed, 3 came by itself */
    "  decided_by TEXT NOT NULL DEFAULT '',"
    "  decided_ms INTEGER NOT NULL DEFAULT 0,"
    "  UNIQUE(record, replica, hlc, n)) STRICT;"
    "CREATE INDEX recovered_open ON recovered(hlc, id) WHERE state = 0;"
    "CREATE INDEX recovered_from ON recovered(from_replica) WHERE state = 0;";

static const char tokens[] =
    /* Addresses for spreadsheets; the address itself is told once. */
    "CREATE TABLE tokens("
    "  name TEXT PRIMARY KEY,"
    "  hash BLOB NOT NULL UNIQUE,"
    "  user TEXT NOT NULL," /* who made it */
    "  made_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

static const char sums[] =
    /* (R) What each scope holds, so that a node can find out that it holds something else. */
    "CREATE TABLE scope_sums("
    "  scope INTEGER PRIMARY KEY,"     /* as in feed */
    "  n INTEGER NOT NULL,"            /* records */
    "  sum INTEGER NOT NULL) STRICT;"; /* of their digests, modulo 2^64 */

static const char changed[] =
    /* How often a table changed, by commits: figures are kept while what they read has not. */
    "CREATE TABLE changed("
    "  name TEXT PRIMARY KEY,"
    "  number INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

static const char others[] =
    /* Whose a record is may be another before it is decided on: it is looked at then. */
    "ALTER TABLE recovered DROP COLUMN other;"
    /* two stations gave it back alike */
    "ALTER TABLE recovered ADD COLUMN seconded INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX held_moved ON held(station) WHERE code = 'moved';";

static const char hub_keys[] =
    /* The newest key of the hub that this installation is known to have pinned, or is connected
     * under; null = not known. */
    "ALTER TABLE replicas ADD COLUMN hub_key BLOB;";

static const char spoken[] =
    /* The hub's key that this installation last spoke under, on the line or on a stick; null = not
     * known. What is pinned only has not gone over. */
    "ALTER TABLE replicas ADD COLUMN hub_spoke BLOB;";

static const char filters[] =
    /* Filters of the registers that somebody keeps: [{"name","to"}] a user. */
    "CREATE TABLE filters("
    "  user TEXT PRIMARY KEY,"
    "  filters TEXT NOT NULL) STRICT, WITHOUT ROWID;";

static const char persons[] =
    /* Whose account it is; empty = the account's name says it. Accounts of one person are one where
     * two persons are asked for. */
    "ALTER TABLE users ADD COLUMN person TEXT NOT NULL DEFAULT '';"
    /* what became of a record's conflicts */
    "CREATE INDEX conflicts_of ON conflicts(record, pos);";

static const char audit_log[] =
    /* The newest row of the audit log as it was at some times: a log that has not these rows was
       cut or begun anew. */
    "CREATE TABLE audit_anchors("
    "  n INTEGER PRIMARY KEY,"
    "  hash BLOB NOT NULL,"
    "  at_ms INTEGER NOT NULL) STRICT;"
    /* The log as of a backup, in the backup's file; empty in the hub's own. */
    "CREATE TABLE audit_kept("
    "  n INTEGER PRIMARY KEY,"
    "  at_ms INTEGER NOT NULL,"
    "  user TEXT NOT NULL,"
    "  role TEXT NOT NULL,"
    "  what TEXT NOT NULL,"
    "  object TEXT NOT NULL,"
    "  reason TEXT NOT NULL,"
    "  detail TEXT NOT NULL,"
    "  hash BLOB NOT NULL) STRICT;";

const struct lm_migration lm_store_migrations[] = {
    {journal}, {registry}, {catalogues}, {usb},     {doors},  {recovered}, {tokens},   {sums},
    {changed}, {others},   {hub_keys},   {filters}, {spoken}, {persons},   {audit_log}};
const int lm_store_n_migrations = (int)(sizeof lm_store_migrations / sizeof lm_store_migrations[0]);
