/* Every indicator of what happened in a period: rows that count, beside rows that must not. Each
 * "+" row brings its own traps along: the same as a draft, sent back, cancelled, merged, invalid,
 * deleted, and as a correction that nobody verified. */
#include "tests/unit/hub_counts_world.h"

#define V1 "999999101201"
#define V2 "999999101202"
#define V3 "999999101203"
#define V4 "999999101204"

static void test_visits(void **state)
{
    static const struct given given[] = {
        {'+', "visit", V1,
         "visit_on=2025-01-25;occasion=spring;persons=p1,p2;category_at_visit=01/b11,/b03"},
        {'+', "visit", V2, "visit_on=2025-07-30;occasion=army_day;persons=p1"},
        {' ', "visit", V3,
         "visit_on=2025-09-30;occasion=national;persons=p3;category_at_visit=02/"},
        {' ', "visit", TOWN,
         "visit_on=2025-10-01;occasion=national;persons=p9;category_at_visit=/"},
        {'+', "visit", V1,
         "visit_on=2025-05-12;occasion=daily;persons=p1,p2;category_at_visit=01/,02/"},
        {'+', "visit", V1, "visit_on=2025-05-13;occasion=illness;persons=p1;category_at_visit=01/"},
        {' ', "visit", V2, "visit_on=2025-06-13;occasion=death;persons=p4;category_at_visit=/b03"},
        {' ', "visit", V1, "visit_on=2027-01-25;occasion=spring;persons=p1,p2"},
        {' ', "opening_balance", TOWN,
         "indicator=I12c;area_code=" TOWN ";as_of=2024-12-31;value=7"},
    };
    static const struct asked asked[] = {
        {"I12", "5 5"},
        {"I12 by=village", "5 5 | 000=1 201=2 202=1 203=1"},
        {"I12 by=office", "5 5 | 000=1 901=3 902=1"},
        {"I12 by=month", "5 5 | 2025-01=2 2025-07=1 2025-09=1 2025-10=1"},
        {"I12 by=category", "5 5 | 01=1 02=1 b03=1 none=2"},
        {"I12 from=2025-07-30 to=2025-09-30", "2 2"},
        {"I12 from=2025-07-31 to=2025-09-29", "0 0"},
        {"I12 from=2025-09-30 to=2025-09-30 by=village", "1 1 | 203=1"},
        {"I12 station=" V1, "2 2"},
        {"I12 station=" V1 " by=month", "2 2 | 2025-01=2"},
        {"I12 to=2024-12-31", "0 0"},
        {"I12b", "2 2"},
        {"I12b by=village", "2 2 | 201=1 202=1"},
        {"I12b by=office", "2 2 | 901=2"},
        {"I12b by=month", "2 2 | 2025-05=1 2025-06=1"},
        {"I12b by=category", "2 2 | 01=1 b03=1"},
        {"I12c", "2 2"},
        {"I12c by=village", "2 2 | 201=2"},
        {"I12c by=office", "2 2 | 901=2"},
        {"I12c by=month", "2 2 | 2025-05=2"},
        {"I12c by=category", "2 2 | 01=1 02=1"},
    };

    CHECK(*state, given, asked);
}

static void test_aid(void **state)
{
    static const struct given given[] = {
        {'+', "aid_case", V1,
         "type=one_off;situation=s4;state=paid;applied_on=2025-03-01;paid_on=2025-03-11;amount_"
         "paid_fen=300050"},
        {'+', "aid_case", V2,
         "type=one_off;situation=s2;state=closed;applied_on=2025-03-01;paid_on=2025-04-01;amount_"
         "paid_fen=200000"},
        {' ', "aid_case", V2, "type=one_off;situation=s2;state=approved;applied_on=2025-03-01"},
        {' ', "aid_case", V2,
         "type=one_off;situation=s2;state=approved;applied_on=2025-03-01;paid_on=2025-04-01;amount_"
         "paid_fen=1"},
        {' ', "aid_case", V2, "type=one_off;situation=s2;state=rejected;applied_on=2025-03-01"},
        {' ', "aid_case", V2,
         "type=one_off;situation=s2;state=withdrawn;applied_on=2025-03-01;paid_on=2025-04-01"},
        {' ', "aid_case", V2, "type=one_off;situation=s2;state=paid;applied_on=2025-03-01"},
        {' ', "aid_case", V3,
         "type=other;situation=s5;state=paid;applied_on=2025-04-30;paid_on=2025-05-01;amount_paid_"
         "fen=50000"},
        {'+', "aid_case", V3,
         "type=serious_illness;situation=s4;state=paid;applied_on=2025-01-01;paid_on=2025-01-21;"
         "amount_paid_fen=800000"},
        {' ', "aid_case", V3,
         "type=serious_illness;situation=s4;state=reported;applied_on=2025-01-01"},
    };
    static const struct asked asked[] = {
        {"I14", "2 2"},
        {"I14 by=village", "2 2 | 201=1 202=1"},
        {"I14 by=office", "2 2 | 901=2"},
        {"I14 by=month", "2 2 | 2025-03=1 2025-04=1"},
        {"I14 by=category", "2 2 | s2=1 s4=1"},
        {"I14a", "500050 5000.50"},
        {"I14a by=village", "500050 5000.50 | 201=300050 202=200000"},
        {"I14a by=office", "500050 5000.50 | 901=500050"},
        {"I14a by=month", "500050 5000.50 | 2025-03=300050 2025-04=200000"},
        {"I14a by=category", "500050 5000.50 | s2=200000 s4=300050"},
        {"I14 from=2025-04-01", "1 1"},
        {"I14 to=2025-03-31", "1 1"},
        {"I15", "1 1"},
        {"I15 by=village", "1 1 | 203=1"},
        {"I15 by=office", "1 1 | 902=1"},
        {"I15 by=month", "1 1 | 2025-01=1"},
        {"I15a", "800000 8000.00"},
        {"I15a by=village", "800000 8000.00 | 203=800000"},
        {"I15a by=office", "800000 8000.00 | 902=800000"},
        {"I15a by=month", "800000 8000.00 | 2025-01=800000"},
        {"I16", "15 15"},
        {"I16 from=2025-03-01", "10 10"},
        {"I16 by=category", "15 15 | one_off=20.5 other=1 serious_illness=20"},
        {"I16 by=village", "15 15 | 201=10 202=31 203=10.5"},
        {"I16 by=office", "15 15 | 901=20.5 902=10.5"},
        {"I16 by=month", "15 15 | 2025-01=20 2025-03=10 2025-04=31 2025-05=1"},
        {"I16 from=2025-03-01 to=2025-04-30", "20.5 20.5"},
        {"I16 from=2026-09-01", "- —"},
    };

    CHECK(*state, given, asked);
}

static void test_receptions(void **state)
{
    static const struct given given[] = {
        {'+', "reception", TOWN,
         "at=2025-03-10T01:30:00.000Z;level=town;head_count=3;matter_kind=policy"},
        {'+', "reception", TOWN,
         "at=2025-08-31T17:30:00.000Z;level=town;head_count=6;matter_kind=conflict"},
        {' ', "reception", TOWN,
         "at=2025-12-31T16:00:00.000Z;level=town;head_count=1;matter_kind=policy"},
        {'+', "reception", V1,
         "at=2025-04-30T15:59:59.999Z;level=village;head_count=2;matter_kind=policy"},
        {' ', "reception", V3, "at=2025-04-30T16:00:00.000Z;level=village;head_count=4"},
    };
    static const struct asked asked[] = {
        {"I17", "10 10"},
        {"I17 by=month", "10 10 | 2025-03=3 2025-09=6 2026-01=1"},
        {"I17 by=category", "10 10 | conflict=6 policy=4"},
        {"I17 to=2025-12-31", "9 9"},
        {"I17 from=2026-01-01", "1 1"},
        {"I17 from=2025-09-01 to=2025-09-30", "6 6"},
        {"I17 from=2025-08-01 to=2025-08-31", "0 0"},
        {"I17a", "3 3"},
        {"I17a by=month", "3 3 | 2025-03=1 2025-09=1 2026-01=1"},
        {"I17a by=category", "3 3 | conflict=1 policy=2"},
        {"I18", "6 6"},
        {"I18 by=village", "6 6 | 201=2 203=4"},
        {"I18 by=office", "6 6 | 901=2 902=4"},
        {"I18 by=month", "6 6 | 2025-04=2 2025-05=4"},
        {"I18 by=category", "6 6 | none=4 policy=2"},
        {"I18a", "2 2"},
        {"I18a by=village", "2 2 | 201=1 203=1"},
        {"I18a by=office", "2 2 | 901=1 902=1"},
        {"I18a by=month", "2 2 | 2025-04=1 2025-05=1"},
        {"I18a by=category", "2 2 | none=1 policy=1"},
        {"I17 by=village", "error cannot_group: I17 cannot be grouped by village"},
    };

    CHECK(*state, given, asked);
}

static void test_consultations(void **state)
{
    static const struct given given[] = {
        {'+', "consultation", TOWN, "on=2025-04-01;channel=window;topic=policy;item_count=7"},
        {' ', "consultation", TOWN, "on=2025-09-01;channel=phone;topic=card;item_count=3"},
        {'+', "consultation", V1, "on=2025-05-01;channel=home;topic=policy;item_count=2"},
        {' ', "consultation", V3, "on=2025-06-01;channel=home;topic=job;item_count=5"},
    };
    static const struct asked asked[] = {
        {"I19", "10 10"},
        {"I19 by=month", "10 10 | 2025-04=7 2025-09=3"},
        {"I19 by=category", "10 10 | card=3 policy=7"},
        {"I19v", "7 7"},
        {"I19v by=village", "7 7 | 201=2 203=5"},
        {"I19v by=office", "7 7 | 901=2 902=5"},
        {"I19v by=month", "7 7 | 2025-05=2 2025-06=5"},
        {"I19v by=category", "7 7 | job=5 policy=2"},
        {"I19v from=2025-05-02 to=2025-06-01", "5 5"},
    };

    CHECK(*state, given, asked);
}

static void test_petitions(void **state)
{
    static const struct given given[] = {
        {'+', "petition", TOWN,
         "state=resolved;received_on=2024-02-01;channel=visit;is_backlog=true;outcome=resolved;"
         "resolved_on=2025-03-15"},
        {' ', "petition", V1,
         "state=archived;received_on=2024-02-01;channel=letter;is_backlog=true;outcome=resolved;"
         "resolved_on=2025-06-15"},
        {' ', "petition", V1,
         "state=resolved;received_on=2025-02-01;channel=visit;is_backlog=false;outcome=resolved;"
         "resolved_on=2025-03-15"},
        {' ', "petition", V1,
         "state=handling;received_on=2024-02-01;channel=visit;is_backlog=true;resolved_on=2025-03-"
         "15"},
        {' ', "petition", V1,
         "state=archived;received_on=2024-02-01;channel=net;is_backlog=true;outcome=transferred;"
         "final_on=2025-02-01"},
        {' ', "petition", V1,
         "state=resolved;received_on=2024-02-01;channel=net;is_backlog=true;outcome=resolved"},
        /* accepted: due and answered in time by the reply, by the resolution, late, not at all,
           withdrawn, not due yet */
        {'+', "petition", V2,
         "state=replied;received_on=2025-01-01;accepted_on=2025-01-02;finish_due=2025-03-03;"
         "replied_on=2025-03-03"},
        {' ', "petition", V2,
         "state=resolved;received_on=2025-01-01;accepted_on=2025-01-02;finish_due=2025-03-03;"
         "replied_on=2025-04-01;resolved_on=2025-03-01;outcome=resolved"},
        {' ', "petition", V3,
         "state=replied;received_on=2025-01-01;accepted_on=2025-01-02;finish_due=2025-04-03;"
         "replied_on=2025-04-04"},
        {'+', "petition", V3,
         "state=extended;received_on=2025-01-01;accepted_on=2025-01-02;finish_due=2025-04-03"},
        {' ', "petition", V3,
         "state=withdrawn;received_on=2025-01-01;accepted_on=2025-01-02;finish_due=2025-04-03"},
        {' ', "petition", V3,
         "state=handling;received_on=2026-08-01;accepted_on=2026-08-02;finish_due=2026-10-01"},
        {'+', "petition", V2, "state=registered;received_on=2026-09-01;accept_due=2026-09-16"},
        {' ', "petition", V2, "state=registered;received_on=2026-09-06;accept_due=2026-09-21"},
        {' ', "petition", V2, "state=recheck;received_on=2025-09-06;finish_due=2025-12-01"},
    };
    static const struct asked asked[] = {
        {"I20", "2 2"},
        {"I20 by=village", "2 2 | 000=1 201=1"},
        {"I20 by=office", "2 2 | 000=1 901=1"},
        {"I20 by=month", "2 2 | 2025-03=1 2025-06=1"},
        {"I20 by=category", "2 2 | letter=1 visit=1"},
        {"I21d", "4 4"},
        {"I21d by=village", "4 4 | 202=2 203=2"},
        {"I21d by=month", "4 4 | 2025-03=2 2025-04=2"},
        {"I21n", "2 2"},
        {"I21n by=office", "2 2 | 901=2"},
        {"I21", "50 50%"},
        {"I21n by=village", "2 2 | 202=2"},
        {"I21n by=month", "2 2 | 2025-03=2"},
        {"I21d by=office", "4 4 | 901=2 902=2"},
        {"I21 by=month", "50 50% | 2025-03=100 2025-04=0"},
        {"I21 by=village", "50 50% | 202=100 203=0"},
        {"I21 by=office", "50 50% | 901=100 902=0"},
        {"I21 from=2026-01-01", "- —"},
        {"I22", "6 6"},
        {"I22 by=village", "6 6 | 201=1 202=3 203=2"},
        {"I22 by=office", "6 6 | 901=4 902=2"},
        {"I22 to=2026-08-31", "4 4"},
        {"I22a", "1 1"},
        {"I22a by=village", "1 1 | 203=1"},
        {"I22a by=office", "1 1 | 902=1"},
        {"I22b", "1 1"},
        {"I22b by=village", "1 1 | 202=1"},
        {"I22b by=office", "1 1 | 901=1"},
        {"I22b to=2026-09-16", "0 0"},
    };

    CHECK(*state, given, asked);
}

static void test_service_items(void **state)
{
    static const struct given given[] = {
        {' ', "matter", TOWN, "id=m1;name=优待证申领;version=1"},
        {'+', "service_item", V1,
         "state=closed;matter_id=m1;notice_given_at=2025-02-28T16:00:00.000Z;mode=onestop;place="
         "village;trip_count=1;result=granted;closed_on=2025-03-05"},
        {' ', "service_item", V1,
         "state=closed;matter_id=m1;notice_given_at=2025-03-01T02:00:00.000Z;mode=onestop;place="
         "home;trip_count=0;result=granted;closed_on=2025-03-06"},
        {' ', "service_item", V2,
         "state=closed;matter_id=m2;notice_given_at=2025-03-01T02:00:00.000Z;mode=tolerant;place="
         "home;trip_count=2;result=granted;closed_on=2025-04-25"},
        {' ', "service_item", V2,
         "state=closed;matter_id=m2;notice_given_at=2025-03-01T02:00:00.000Z;mode=tolerant;place="
         "town;trip_count=1;result=refused;closed_on=2025-04-25"},
        {' ', "service_item", V3,
         "state=closed;matter_id=m2;notice_given_at=2025-03-01T02:00:00.000Z;mode=sink;place=town;"
         "trip_count=1;result=withdrawn;closed_on=2025-04-25"},
        {' ', "service_item", V3,
         "state=handling;matter_id=m1;notice_given_at=2025-03-01T02:00:00.000Z;mode=sink;place="
         "home;trip_count=1"},
    };
    static const struct asked asked[] = {
        {"I23n", "2 2"},
        {"I23n by=village", "2 2 | 201=2"},
        {"I23n by=office", "2 2 | 901=2"},
        {"I23n by=month", "2 2 | 2025-03=2"},
        {"I23d", "4 4"},
        {"I23d by=village", "4 4 | 201=2 202=2"},
        {"I23d by=month", "4 4 | 2025-03=2 2025-04=2"},
        {"I23d by=office", "4 4 | 901=4"},
        {"I23", "50 50%"},
        {"I23 by=village", "50 50% | 201=100 202=0"},
        {"I23 by=month", "50 50% | 2025-03=100 2025-04=0"},
        {"I23 by=office", "50 50% | 901=50"},
        {"I24", "6 6"},
        {"I24 by=category", "6 6 | onestop=2 sink=2 tolerant=2"},
        {"I24 by=month", "6 6 | 2025-03=6"},
        {"I24 by=village", "6 6 | 201=2 202=2 203=2"},
        {"I24 by=office", "6 6 | 901=4 902=2"},
        {"I24h", "3 3"},
        {"I24h by=category", "3 3 | onestop=1 sink=1 tolerant=1"},
        {"I24h by=village", "3 3 | 201=1 202=1 203=1"},
        {"I24h by=office", "3 3 | 901=2 902=1"},
        {"I24h by=month", "3 3 | 2025-03=3"},
    };
    struct world *w = *state;
    json_t *doc = NULL, *group;
    char id[16], matter[40];
    size_t i, named = 0;

    CHECK(w, given, asked);
    lm_uuid_of("m1", 2, matter);
    OK(ask(w, "I23n by=category", &doc, id));
    json_array_foreach(
        json_object_get(json_object_get(json_object_get(doc, "indicators"), "I23n"), "groups"), i,
        group)
    {
        if (strcmp(json_string_value(json_object_get(group, "key")), matter) == 0) {
            assert_string_equal(json_string_value(json_object_get(group, "label")), "优待证申领");
            assert_int_equal(json_integer_value(json_object_get(group, "value")), 2);
            named++;
        }
    }
    assert_int_equal(named, 1);
    json_decref(doc);
}

static void test_town_life(void **state)
{
#define LONG "某某广播电视台新闻综合频道某某广播电视台新闻综合频道某某广播电视台新闻综合频道"
    static const struct given given[] = {
        {'+', "activity", TOWN, "on=2025-08-01;kind=performance;session_count=4;is_voluntary=true"},
        {' ', "activity", V1, "on=2025-09-01;kind=performance;session_count=1;is_voluntary=true"},
        {' ', "activity", TOWN,
         "on=2025-08-02;kind=performance;session_count=5;is_voluntary=false"},
        {' ', "activity", V1, "on=2025-08-02;kind=talk;session_count=3;is_voluntary=true"},
        {'+', "honor", V3, "title=十佳“兵书记”;level=city;awarded_on=2024-07-30"},
        {' ', "honor", V1, "title=优秀兵“书记”;level=town;awarded_on=2025-07-30"},
        {' ', "honor", TOWN, "title=先进集体;level=county;awarded_on=2024-12-30"},
        {'+', "media_report", TOWN, "outlet=快播{n};published_on=2024-05-01"},
        {' ', "media_report", V1, "outlet=" LONG "甲;channel=新闻综合频道;published_on=2024-08-01"},
        {' ', "media_report", V1, "outlet=" LONG "乙;channel=新闻综合频道;published_on=2024-08-02"},
        {' ', "media_report", V1, "outlet=" LONG "乙;channel=新闻综合频道;published_on=2024-09-02"},
        {'+', "model_case", V2, "title=百岁老兵;published_on=2024-06-01"},
        {' ', "model_case", V2, "title=未发布"},
        {'+', "asset", TOWN, "item=办公桌椅;qty=6;amount_fen=386000;bought_on=2019-06-10"},
        {' ', "asset", TOWN, "item=电脑;qty=2;amount_fen=700000;bought_on=2019-07-12"},
        {'+', "asset", V1, "item=电脑;qty=1;amount_fen=350000;bought_on=2022-06-12"},
        {' ', "asset", V3, "item=电脑;qty=1;amount_fen=150;bought_on=2022-07-12"},
        {'+', "signboard", TOWN, "kind=rule;qty=10"},
        {' ', "signboard", TOWN, "kind=rule;qty=6;hung_on=2025-01-01"},
        {' ', "signboard", TOWN, "kind=rule;qty=6;hung_on=2027-01-01"},
        {' ', "signboard", TOWN, "kind=process;qty=2"},
        {' ', "signboard", V1, "kind=rule;qty=3"},
        {'+', "facility", TOWN, "kind=office"},
        {' ', "facility", TOWN, "kind=office"},
        {' ', "facility", TOWN, "kind=talk_room"},
        {' ', "facility", TOWN, "kind=corridor"},
        {' ', "facility", V1, "kind=veteran_home"},
        {' ', "facility", TOWN, "kind=veteran_home;state=draft"},
    };
    static const struct asked asked[] = {
        {"I25", "5 5"},
        {"I25 by=village", "5 5 | 000=4 201=1"},
        {"I25 by=office", "5 5 | 000=4 901=1"},
        {"I25 by=month", "5 5 | 2025-08=4 2025-09=1"},
        {"I25 by=category", "5 5 | none=5"},
        {"I27", "3 3"},
        {"I27 by=category", "3 3 | city=1 county=1 town=1"},
        {"I27 by=village", "3 3 | 000=1 201=1 203=1"},
        {"I27 by=office", "3 3 | 000=1 901=1 902=1"},
        {"I27 by=month", "3 3 | 2024-07=1 2024-12=1 2025-07=1"},
        {"I27a", "2 2"},
        {"I27a by=category", "2 2 | city=1 town=1"},
        {"I27a by=village", "2 2 | 201=1 203=1"},
        {"I27a by=office", "2 2 | 901=1 902=1"},
        {"I27a by=month", "2 2 | 2024-07=1 2025-07=1"},
        {"I28", "4 4"},
        {"I28 by=village", "4 4 | 000=1 201=3"},
        {"I28 by=office", "4 4 | 000=1 901=3"},
        {"I28 by=month", "4 4 | 2024-05=1 2024-08=2 2024-09=1"},
        {"I28a", "3 3"},
        {"I28a by=month", "3 3 | 2024-05=1 2024-08=2 2024-09=1"},
        {"I28b", "1 1"},
        {"I28b by=village", "1 1 | 202=1"},
        {"I28b by=office", "1 1 | 901=1"},
        {"I28b by=month", "1 1 | 2024-06=1"},
        {"I29", "1086000 1万余"},
        {"I29 by=month", "1086000 1万余 | 2019-06=386000 2019-07=700000"},
        {"I29 to=2019-06-30", "386000 3860.00"},
        {"I29v", "350150 3501.50"},
        {"I29v by=village", "350150 3501.50 | 201=350000 203=150"},
        {"I29v by=office", "350150 3501.50 | 901=350000 902=150"},
        {"I29v by=month", "350150 3501.50 | 2022-06=350000 2022-07=150"},
        {"I29a", "16 16"},
        {"I29a to=2024-12-31", "10 10"},
        {"I29b", "2 2"},
    };
    struct world *w = *state;
    json_t *doc = NULL;
    char id[16];

    CHECK(w, given, asked);
    OK(ask(w, "I28 by=category", &doc,
           id)); /* outlets of the same first 26 characters stay apart */
    assert_int_equal(json_array_size(json_object_get(
                         json_object_get(json_object_get(doc, "indicators"), "I28"), "groups")),
                     3);
    json_decref(doc);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, counts_begin, counts_rollback)
    const struct CMUnitTest tests[] = {
        T(test_visits),    T(test_aid),           T(test_receptions), T(test_consultations),
        T(test_petitions), T(test_service_items), T(test_town_life)};

    return cmocka_run_group_tests(tests, counts_setup, world_teardown);
}
