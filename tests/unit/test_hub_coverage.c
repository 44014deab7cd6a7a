/* Coverage: which stations' data is complete, through what time, and what stands in the way. */
#include "tests/unit/hub_counts_world.h"

#define V1 "999999101201"
#define V2 "999999101202"
#define V3 "999999101203"
#define V4 "999999101204"
#define DAY 86400000LL

static uint8_t seed_;

/* An installation of the station as the registry knows it after its last contact. behind: its head
 * is not acked. */
static uint64_t replica(struct world *w, const char *station, int64_t complete_ms,
                        int64_t contact_ms, bool behind)
{
    struct pc pc = {0};

    /* enrol_pc has a transaction of its own; the test's is open already */
    struct lm_kit_row kit = {.made_ms = w->now, .expires_ms = w->now + DAY};
    struct lm_msg_enrol enrol = {.machine = "m", .program = "lastmile-node 0.1.0"};

    seed_++;
    (void)snprintf(kit.station, sizeof kit.station, "%s", station);
    memset(kit.public_key, 0x80, 32);
    memset(enrol.public_key, 0x40, 32);
    kit.public_key[0] = enrol.public_key[0] = enrol.nonce[0] = seed_;
    OK(lm_store_kit_add(w->store, &kit, &err_));
    OK(lm_store_kit_by_key(w->store, kit.public_key, &kit));
    OK(lm_store_enrol(w->store, kit.id, &enrol, w->now, &pc.replica, &err_));
    pc.replica.branch = contact_ms ? 1 : 0;
    pc.replica.head.seq = behind ? 5 : 0;
    pc.replica.complete_ms = complete_ms;
    pc.replica.as_of_ms =
        behind ? contact_ms
               : complete_ms; /* when it named the head; complete as soon as that is acked */
    pc.replica.last_contact_ms = contact_ms;
    OK(lm_store_replica_hello(w->store, &pc.replica, pc.replica.lease_issued, &err_));
    return pc.replica.number;
}

static void put_list(char *out, size_t n, size_t *at, const char *name, const json_t *list)
{
    size_t i;
    json_t *item;

    *at += (size_t)snprintf(out + *at, n - *at, " %s", name);
    json_array_foreach(list, i, item)
    {
        *at += (size_t)snprintf(out + *at, n - *at, " %s", json_string_value(item) + 9);
    }
}

/* "COMPLETE/STATIONS stale … never … gap … through DAY town COMPLETE" */
static void covers(struct world *w, const char *to, const char *expected)
{
    json_t *doc = NULL, *town;
    char text[512];
    size_t at;
    const char *through;

    OK(lm_coverage(w->store, to, w->now, &doc, &err_));
    at = (size_t)snprintf(text, sizeof text, "%lld/%lld",
                          (long long)json_integer_value(json_object_get(doc, "complete")),
                          (long long)json_integer_value(json_object_get(doc, "stations")));
    put_list(text, sizeof text, &at, "stale", json_object_get(doc, "stale"));
    put_list(text, sizeof text, &at, "never", json_object_get(doc, "never"));
    put_list(text, sizeof text, &at, "gap", json_object_get(doc, "possible_gap"));
    through = json_string_value(json_object_get(doc, "complete_through"));
    town = json_object_get(doc, "town");
    (void)snprintf(text + at, sizeof text - at, " through %.10s town %lld", through ? through : "-",
                   (long long)json_integer_value(json_object_get(town, "complete")));
    assert_int_equal(json_integer_value(json_object_get(town, "stations")), 1);
    assert_true(json_is_string(json_object_get(town, "complete_through")));
    assert_int_equal(json_integer_value(json_object_get(doc, "stations")),
                     json_integer_value(json_object_get(doc, "complete")) +
                         (json_int_t)json_array_size(json_object_get(doc, "stale")) +
                         (json_int_t)json_array_size(json_object_get(doc, "never")));
    json_decref(doc);
    assert_string_equal(text, expected);
}

static void test_never(void **state)
{
    struct world *w = *state;

    covers(w, NULL, "0/4 stale never 201 202 203 204 gap through - town 1");
    (void)replica(w, V1, 0, 0, false); /* enrolled, and never heard of */
    covers(w, NULL, "0/4 stale never 201 202 203 204 gap through - town 1");
}

static void test_stale_and_complete(void **state)
{
    struct world *w = *state;

    (void)replica(w, V1, w->now - DAY, w->now - DAY, false);
    (void)replica(w, V2, w->now - 8 * DAY, w->now - DAY, false);
    (void)replica(w, V3, w->now - 7 * DAY, w->now - DAY, false);
    (void)replica(w, V4, 0, w->now - DAY, true); /* spoke, and was never complete */
    covers(w, NULL, "2/4 stale 202 204 never gap through 2026-09-13 town 1");
    row(w, "setting", TOWN, "key=complete_days;value=10");
    covers(w, NULL, "3/4 stale 204 never gap through 2026-09-13 town 1");
}

/* The end of a day in UTC+8 is 16:00 UTC. Now is 2026-09-21 22:13 in UTC+8. */
static void test_through_the_day(void **state)
{
    struct world *w = *state;
    int64_t end;

    assert_true(lm_time_parse("2026-09-20T16:00:00.000Z", 24, &end));
    (void)replica(w, V1, end, w->now, false);
    (void)replica(w, V2, end - 1, w->now, false);
    (void)replica(w, V3, w->now, w->now, false);
    covers(w, "2026-09-20", "2/4 stale 202 never 204 gap through 2026-09-20 town 1");
    covers(w, "2026-09-19", "3/4 stale never 204 gap through 2026-09-20 town 1");
    covers(
        w, "2026-09-21",
        "0/4 stale 201 202 203 never 204 gap through 2026-09-20 town 0"); /* the day is not over */
    w->now = end + DAY;
    covers(w, "2026-09-21", "0/4 stale 201 202 203 never 204 gap through 2026-09-20 town 1");
    w->now = NOW_MS;
}

static void test_two_replicas(void **state)
{
    struct world *w = *state;

    (void)replica(w, V1, w->now - DAY, w->now - DAY, false);
    (void)replica(w, V1, w->now - 9 * DAY, w->now - 9 * DAY, false);
    covers(w, NULL, "0/4 stale 201 never 202 203 204 gap through 2026-09-12 town 1");
    (void)replica(w, V2, w->now - DAY, w->now - DAY, false);
    (void)replica(w, V2, 0, 0, false); /* the new PC has not spoken yet */
    covers(w, NULL, "0/4 stale 201 202 never 203 204 gap through 2026-09-12 town 1");
}

static void test_revoked(void **state)
{
    struct world *w = *state;
    uint64_t lost = replica(w, V1, w->now - 20 * DAY, w->now - 20 * DAY, true);
    uint64_t done = replica(w, V2, w->now - DAY, w->now - DAY, false);
    size_t n = 0;

    (void)replica(w, V1, w->now - DAY, w->now - DAY, false);
    OK(lm_store_revoke(w->store, "admin", V1, lost, w->now, &n, &err_));
    OK(lm_store_revoke(w->store, "admin", V2, done, w->now, &n, &err_));
    covers(w, NULL, "2/4 stale never 203 204 gap 201 through 2026-09-20 town 1");
    assert_int_equal(n, 1);
}

static void test_silent_behind(void **state)
{
    struct world *w = *state;

    (void)replica(w, V1, w->now - 9 * DAY, w->now - 8 * DAY, true);
    (void)replica(w, V2, w->now - 2 * DAY, w->now - DAY, true); /* only busy */
    covers(w, NULL, "1/4 stale 201 never 203 204 gap 201 through 2026-09-12 town 1");
}

/* Silence is judged by the setting by which staleness is. */
static void test_silence_is_as_long_as_the_town_says(void **state)
{
    struct world *w = *state;

    (void)replica(w, V1, w->now - 9 * DAY, w->now - 8 * DAY, true);
    row(w, "setting", TOWN, "key=complete_days;value=10");
    covers(w, NULL, "1/4 stale never 202 203 204 gap through 2026-09-12 town 1");
    w->now += 3 * DAY;
    covers(w, NULL, "0/4 stale 201 never 202 203 204 gap 201 through 2026-09-12 town 1");
    w->now = NOW_MS;
}

/* What waits for a person is not here, and nobody will send it again (P10). */
static void test_salvaged_and_given_back(void **state)
{
    struct world *w = *state;
    uint64_t lost = replica(w, V1, w->now - DAY, w->now - DAY, false), n_of;
    size_t n = 0;
    char sql[400];

    (void)replica(w, V1, w->now - DAY, w->now - DAY, false);
    n_of = replica(w, V2, w->now - DAY, w->now - DAY, false);
    (void)replica(w, TOWN, w->now - DAY, w->now - DAY, false);
    OK(lm_store_revoke(w->store, "admin", V1, lost, w->now, &n, &err_));
    covers(w, NULL, "2/4 stale never 203 204 gap through 2026-09-20 town 1");
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO salvage(replica, branch, seq, station, record, type, hlc, user, "
                   "body, hash, at_ms) VALUES(%lld, 1, 2, '" V1 "', zeroblob(16), 'visit', 7, '', "
                   "x'00', x'00', 1)",
                   (long long)lost);
    OK(lm_db_exec(w->store->db, sql, &err_));
    covers(w, NULL, "1/4 stale 201 never 203 204 gap through 2026-09-20 town 1");
    OK(lm_db_exec(w->store->db, "UPDATE salvage SET state = 2", &err_));
    covers(w, NULL, "2/4 stale never 203 204 gap through 2026-09-20 town 1");
    for (int i = 0; i < 4; i++) { /* of a revoked PC, of the town, of one that may be scrap although
                                     nobody revoked it, and what all villages see */
        static const char *const told[] = {
            "1/4 stale 201 never 203 204 gap through 2026-09-20 town 1",
            "1/4 stale 202 never 203 204 gap through 2026-09-20 town 1",
            "1/4 stale 202 never 203 204 gap through 2026-09-20 town 1",
            "2/4 stale never 203 204 gap through 2026-09-20 town 0"};

        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO recovered(record, type, replica, hlc, n, body, from_replica, "
                       "station, at_ms) VALUES(zeroblob(16), '%s', %lld, 8, 0, x'00', 1, '%s', 1)",
                       i == 3 ? "notice" : "visit",
                       i == 0   ? (long long)lost
                       : i == 2 ? (long long)n_of
                                : 0LL,
                       i == 0 ? V1 : V2);
        OK(lm_db_exec(w->store->db, sql, &err_));
        covers(w, NULL, told[i]);
        OK(lm_db_exec(w->store->db, "UPDATE recovered SET state = 2", &err_));
        OK(lm_db_exec(w->store->db, "DELETE FROM recovered", &err_));
        covers(w, NULL, "2/4 stale never 203 204 gap through 2026-09-20 town 1");
    }
}

/* A station whose only PC was revoked is told by that PC's clock as before. */
static void test_by_the_clock_of_a_revoked_one(void **state)
{
    struct world *w = *state;
    uint64_t number = replica(w, V1, w->now - DAY, w->now - DAY, false);
    json_t *doc = NULL;
    size_t n = 0;

    OK(lm_store_usb_note(w->store, number, 1, w->now - DAY, w->now, &err_));
    for (int i = 0; i < 2; i++) {
        OK(lm_coverage(w->store, NULL, w->now, &doc, &err_));
        assert_int_equal(json_array_size(json_object_get(doc, "by_station_clock")), 1);
        json_decref(doc);
        OK(lm_store_revoke(w->store, "admin", V1, number, w->now, &n, &err_));
    }
}

static void test_in_doubt_and_held(void **state)
{
    struct world *w = *state;
    struct lm_replica r;
    uint64_t number = replica(w, V1, w->now - DAY, w->now - DAY, false);

    (void)replica(w, V2, w->now - DAY, w->now - DAY, false);
    OK(lm_store_replica_get(w->store, number, &r));
    r.in_doubt = true;
    OK(lm_store_replica_hello(w->store, &r, r.lease_issued, &err_));
    covers(w, NULL, "1/4 stale 201 never 203 204 gap through 2026-09-20 town 1");
    r.in_doubt = false;
    OK(lm_store_replica_hello(w->store, &r, r.lease_issued, &err_));
    covers(w, NULL, "2/4 stale never 203 204 gap through 2026-09-20 town 1");
    OK(lm_db_exec(w->store->db,
                  "INSERT INTO held(pos, replica, hlc, record, type, station, waits_for, code, zh, "
                  "en, at_ms) "
                  "VALUES(900, 5, 1, zeroblob(16), 'visit', '" V2 "', '', 'internal', '', '', 1)",
                  &err_));
    covers(w, NULL, "1/4 stale 202 never 203 204 gap through 2026-09-20 town 1");
}

static void test_town_with_a_node(void **state)
{
    struct world *w = *state;

    (void)replica(w, TOWN, w->now - DAY, w->now - DAY, false);
    covers(w, NULL, "0/4 stale never 201 202 203 204 gap through - town 1");
    (void)replica(w, TOWN, w->now - 9 * DAY, w->now - 9 * DAY, false);
    covers(w, NULL, "0/4 stale never 201 202 203 204 gap through - town 0");
}

static void test_freshness(void **state)
{
    struct world *w = *state;

    row(w, "station", V1, "area_code=" V1 ";level=village;has_office=true");
    row(w, "station", V2, "area_code=" V2 ";level=village;has_office=true");
    row(w, "station", V3, "area_code=" V3 ";level=village;has_office=true");
    row(w, "station", V4, "area_code=" V4 ";level=village;has_office=true");
    (void)replica(w, TOWN, w->now, w->now, false);
    (void)replica(w, V1, w->now - DAY, w->now, false);
    (void)replica(w, V3, w->now - 7 * DAY, w->now, false);
    (void)replica(w, V2, w->now - 8 * DAY, w->now, false);
    SAYS(w, "I31n", "2 2");
    SAYS(w, "I31n by=village", "2 2 | 201=1 203=1");
    SAYS(w, "I31n by=office", "2 2 | 901=1 902=1");
    SAYS(w, "I31n station=" V1, "1 1");
    SAYS(w, "I31n station=" V2, "0 0");
    SAYS(w, "I31", "50 50%");
    SAYS(w, "I31 by=village", "50 50% | 201=100 202=0 203=100 204=0");
    SAYS(w, "I31 by=office", "50 50% | 000=0 901=50 902=100");
    SAYS(w, "I31n to=2026-09-14", "3 3"); /* seven days before the end of that day */
}

/* A village's PC may speak on after its station was closed: it is out of both halves of the share.
 */
static void test_freshness_of_what_stands(void **state)
{
    struct world *w = *state;

    row(w, "station", V1, "area_code=" V1 ";level=village;has_office=true");
    row(w, "station", V3, "area_code=" V3 ";level=village;has_office=true;closed_on=2026-09-18");
    (void)replica(w, TOWN, w->now, w->now, false);
    (void)replica(w, V1, w->now, w->now, false);
    (void)replica(w, V3, w->now, w->now, false);
    SAYS(w, "I31n by=village", "1 1 | 201=1");
    SAYS(w, "I31", "100 100%");
    SAYS(w, "I31 by=office", "100 100% | 901=100");
    SAYS(w, "I31n to=2026-09-18 by=office", "2 2 | 901=1 902=1");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, counts_begin, counts_rollback)
    const struct CMUnitTest tests[] = {T(test_never),
                                       T(test_stale_and_complete),
                                       T(test_through_the_day),
                                       T(test_two_replicas),
                                       T(test_revoked),
                                       T(test_silent_behind),
                                       T(test_silence_is_as_long_as_the_town_says),
                                       T(test_salvaged_and_given_back),
                                       T(test_by_the_clock_of_a_revoked_one),
                                       T(test_in_doubt_and_held),
                                       T(test_town_with_a_node),
                                       T(test_freshness),
                                       T(test_freshness_of_what_stands)};

    return cmocka_run_group_tests(tests, counts_setup, world_teardown);
}
