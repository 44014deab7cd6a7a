/* Every indicator of what there is on a day: rows that count, beside rows that must not. Each "+"
 * row brings its own traps along: the same as a draft, sent back, cancelled, merged, invalid,
 * deleted, and as a correction that nobody verified. */
#include "tests/unit/hub_counts_world.h"

#define V1 "999999101201"
#define V2 "999999101202"
#define V3 "999999101203"
#define V4 "999999101204"

#define STATION(v, more)                                                                           \
    {                                                                                              \
        ' ', "station", v,                                                                         \
            "area_code=" v ";level=village;has_office=true;has_fulltime=true;has_rules=true;" more \
    }

static void test_stations(void **state)
{
    static const struct given given[] = {
        {'+', "station", V1,
         "area_code=" V1 ";level=village;has_office=true;has_fulltime=true;has_rules=true;"
         "established_on=2019-06-01"},
        {' ', "station", V2,
         "area_code=" V2 ";level=village;has_office=true;has_fulltime=false;has_rules=false"},
        STATION(V3, "established_on=2026-12-01"),
        STATION(V4, "closed_on=2025-12-31"),
        {' ', "area_unit", PREFIX "205",
         "code=" PREFIX "205;level=village;name=撤并村;parent_code=" PREFIX
         "901;valid_from=2000-01-01;valid_to=2021-12-31"},
        {' ', "area_unit", PREFIX "206",
         "code=" PREFIX "206;level=village;name=草稿村;parent_code=" PREFIX
         "901;valid_from=2000-01-01;state=draft"},
    };
    static const struct asked asked[] = {
        {"I01", "2 2"},
        {"I01 by=village", "2 2 | 201=1 202=1"},
        {"I01 by=office", "2 2 | 901=2"},
        {"I01 to=2025-06-30", "3 3"},
        {"I01 to=2025-12-31", "3 3"},
        {"I01 to=2026-01-01", "2 2"},
        {"I01v", "4 4"},
        {"I01v by=office", "4 4 | 000=1 901=2 902=1"},
        {"I01v to=2021-12-31", "5 5"},
        {"I01r", "50 50%"},
        {"I01r by=office", "50 50% | 000=0 901=100 902=0"},
        {"I03n", "2 2"},
        {"I03n by=village", "2 2 | 201=1 202=1"},
        {"I03", "100 100%"},
        {"I03 by=office", "100 100% | 901=100"},
        {"I04n", "1 1"},
        {"I04", "50 50%"},
        {"I04 by=village", "50 50% | 201=100 202=0"},
        {"I04n by=office", "1 1 | 901=1"},
        {"I05n", "1 1"},
        {"I05", "50 50%"},
        {"I05n by=village", "1 1 | 201=1"},
        {"I05 by=office", "50 50% | 901=50"},
    };

    CHECK(*state, given, asked);
}

static void test_assessments(void **state)
{
#define FIVE                                                                                       \
    "has_org=true;has_establishment=true;has_staff=true;has_budget=true;has_guarantee=true;"
    static const struct given given[] = {
        STATION(V1, "established_on=2019-06-01"),
        STATION(V2, "established_on=2019-06-01"),
        {'+', "station_assessment", V1, FIVE "year=2025;assessed_on=2025-11-20"},
        {' ', "station_assessment", V2,
         FIVE "year=2025;assessed_on=2025-11-21;has_establishment=false"},
        {' ', "station_assessment", V2, FIVE "year=2024;assessed_on=2024-11-20"},
        {' ', "station_assessment", TOWN, FIVE "year=2025;assessed_on=2025-11-20"},
    };
    static const struct asked asked[] = {
        {"I02n", "1 1"},
        {"I02n by=village", "1 1 | 201=1"},
        {"I02n by=office", "1 1 | 901=1"},
        {"I02d", "2 2"},
        {"I02d by=village", "2 2 | 201=1 202=1"},
        {"I02d by=office", "2 2 | 901=2"},
        {"I02", "50 50%"},
        {"I02 by=village", "50 50% | 201=100 202=0"},
        {"I02 by=office", "50 50% | 901=50"},
        {"I02n to=2025-10-01 by=village", "1 1 | 202=1"},
        {"I02d to=2025-10-01", "1 1"}, /* as of then the older one was the latest */
    };

    CHECK(*state, given, asked);
}

/* A station that is closed is out of both halves of a share. */
static void test_closed_stations(void **state)
{
    static const struct given given[] = {
        STATION(V1, "established_on=2019-06-01"),
        STATION(V2, "established_on=2019-06-01;closed_on=2026-03-31"),
        {'+', "station_assessment", V1, FIVE "year=2025;assessed_on=2025-11-20"},
        {' ', "station_assessment", V2, FIVE "year=2025;assessed_on=2025-11-21"},
    };
    static const struct asked asked[] = {
        {"I01", "1 1"},
        {"I02n", "1 1"},
        {"I02d by=village", "1 1 | 201=1"},
        {"I02", "100 100%"},
        {"I02 by=office", "100 100% | 901=100"},
        {"I02n to=2026-03-31 by=village", "2 2 | 201=1 202=1"},
        {"I02 to=2026-03-31", "100 100%"},
    };

    CHECK(*state, given, asked);
}

/* 未填报 is no 0 %: of a village, of an office, and of all of them. */
static void test_never_assessed(void **state)
{
    static const struct given given[] = {
        STATION(V1, "established_on=2019-06-01"), STATION(V2, "established_on=2019-06-01"),
        STATION(V3, "established_on=2019-06-01"), STATION(V4, "established_on=2019-06-01")};
    static const struct given one[] = {
        {' ', "station_assessment", V1,
         FIVE "year=2025;assessed_on=2025-11-20;has_establishment=false"}};
    static const struct asked none[] = {
        {"I02", "- (未填报)"},
        {"I02 by=village", "- (未填报) | 201=- 202=- 203=- 204=-"},
        {"I02 by=office", "- (未填报) | 000=- 901=- 902=-"},
        {"I03 by=village",
         "100 100% | 201=100 202=100 203=100 204=100"}, /* the station's own row says it */
    };
    static const struct asked some[] = {
        {"I02", "0 0%"},
        {"I02 by=village", "0 0% | 201=0 202=- 203=- 204=-"},
        {"I02 by=office", "0 0% | 000=- 901=0 902=-"},
        {"I02 station=" V2, "- (未填报)"},
    };

    CHECK(*state, given, none);
    CHECK(*state, one, some);
}

static void test_posts(void **state)
{
#define POST "full_time=false;is_veteran=false;concurrent=false;from_on=2021-01-01;"
    static const struct given given[] = {
        STATION(V1, ""),
        STATION(V2, ""),
        STATION(V3, ""),
        STATION(V4, ""),
        {'+', "staff_post", V1, POST "post=head;holder_name=书记1;concurrent=true;is_veteran=true"},
        {' ', "staff_post", V1, POST "post=branch_secretary;holder_name=书记1;is_veteran=true"},
        {' ', "staff_post", V2, POST "post=head;holder_name=书记2;concurrent=true"},
        {' ', "staff_post", V2, POST "post=branch_secretary;holder_name=王五;is_veteran=true"},
        {' ', "staff_post", V2,
         POST "post=branch_secretary;holder_name=书记2;is_veteran=true;state=draft"},
        {' ', "staff_post", V2, POST "post=committee;holder_name=委员;is_veteran=true"},
        {' ', "staff_post", V3,
         POST "post=head;holder_name=张三;concurrent=true;holder_person_id=p3"},
        {' ', "staff_post", V3,
         POST "post=branch_secretary;holder_name=张三(兼);holder_person_id=p3"},
        {' ', "staff_post", V4, POST "post=head;holder_name=赵六;concurrent=true"},
        {' ', "staff_post", V4,
         POST "post=branch_secretary;holder_name=赵六;is_veteran=true;to_on=2025-12-31"},
        {' ', "staff_post", TOWN, POST "post=branch_secretary;holder_name=镇书记;is_veteran=true"},
        {'+', "staff_post", TOWN, POST "post=full;full_time=true;holder_name=镇专职{n}"},
        {'+', "staff_post", TOWN, POST "post=full;full_time=true;holder_name=镇专职{n}"},
        {' ', "staff_post", TOWN,
         POST "post=full;full_time=true;holder_name=前专职;to_on=2022-12-31"},
        {' ', "staff_post", TOWN, POST "post=part;full_time=false;holder_name=镇兼职"},
        {' ', "staff_post", V1, POST "post=full;full_time=true;holder_name=村专职"},
        {' ', "staff_post", V1, POST "post=head;full_time=true;holder_name=村专职"},
        {' ', "person", V1, "state=active;dup_key=a"},
        {' ', "person", V1, "state=active;dup_key=b"},
        {' ', "person", V1, "state=active;dup_key=c"},
        {' ', "person", V1, "state=active;dup_key=d"},
        {' ', "person", V1, "state=active;dup_key=e"},
        {' ', "person", V2, "state=active;dup_key=f"},
        {' ', "setting", TOWN, "key=staff_ratio;value=2"},
        {' ', "setting", TOWN, "key=staff_ratio;value=1;state=draft"},
    };
    static const struct asked asked[] = {
        {"I06n", "2 2"},
        {"I06n by=village", "2 2 | 201=1 203=1"},
        {"I06n by=office", "2 2 | 901=1 902=1"},
        {"I06", "50 50%"},
        {"I06 by=office", "50 50% | 000=0 901=50 902=100"},
        {"I06n to=2025-06-30", "3 3"},
        {"I07", "2 2"},
        {"I07 to=2022-12-31", "3 3"},
        {"I08s", "3 3"},
        {"I08s by=village", "3 3 | 000=2 201=1"},
        {"I08s by=office", "3 3 | 000=2 901=1"},
        {"I09", "6 6"},
        {"I08", "0 0"},
        {"I08 by=village", "0 0 | 201=2 202=1"},
        {"I08 by=office", "0 0 | 901=2"},
        {"I26", "2 2"},
        {"I26 by=village", "2 2 | 201=1 202=1"},
        {"I26 to=2025-06-30", "3 3"},
        {"I26 by=office", "2 2 | 901=2"},
        {"I26p", "50 50%"},
        {"I26p by=office", "50 50% | 000=0 901=100 902=0"},
    };

    CHECK(*state, given, asked);
}

static void test_persons(void **state)
{
    static const struct given given[] = {
        {' ', "person", V1, "id=p1;state=active;dup_key=a;household_no=H1"},
        {' ', "person_identity", V1, "person_id=p1;code=02"},
        {' ', "person_identity", V1, "person_id=p1;code=07"},
        {' ', "person", V1, "id=p2;state=transferring;dup_key=b;household_no=H1"},
        {' ', "person_identity", V1, "person_id=p2;code=04"},
        {' ', "person_identity", V1, "person_id=p2;code=02;state=draft"},
        {' ', "person", V2, "id=p1b;state=active;dup_key=a;household_no=H9"},
        {' ', "person_identity", V2, "person_id=p1b;code=02"},
        {' ', "person", V2, "id=p3;state=submitted;dup_key=c;household_no=H3"},
        {' ', "person_identity", V2, "person_id=p3;code=02"},
        {' ', "person", V3, "id=p4;state=returned;dup_key=d;household_no=H4"},
        {' ', "person", V3, "state=draft;dup_key=e"},
        {' ', "person", V3, "state=cancelled;dup_key=f"},
        {' ', "person", V3, "state=moved_out;dup_key=g"},
        {' ', "person", V3, "state=deceased;dup_key=h"},
        {' ', "person", V3, "state=active;dup_key=i;invalid=1"},
        {' ', "person", V3, "state=active;dup_key=j;deleted_at=2025-01-01T00:00:00.000Z"},
        {' ', "person", V2, "id=old;state=merged;dup_key=k;merged_into=p1"},
        {' ', "person_identity", V2, "person_id=old;code=08"},
        {' ', "person", V2, "id=older;state=merged;dup_key=l;merged_into=old"},
        {' ', "person", V3, "id=p5;state=active;household_no=H5"},
        {' ', "person_identity", V3, "person_id=p5;code=12"},
        {' ', "person", V3, "id=p6;state=active;household_no=H6"},
        {' ', "person_identity", V3, "person_id=p6;code=08"},
        {' ', "person_identity", V3, "person_id=p6;code=05;invalid=1"},
        {' ', "person_identity", V3, "person_id=p6;code=05;deleted_at=2025-01-01T00:00:00.000Z"},
        {' ', "person_identity", V3, "person_id=p6;code=01;correction_of=something"},
        {'+', "pref_card", V1, "person_id=p1;state=issued;issued_on=2025-06-01"},
        {' ', "pref_card", V2, "person_id=old;state=reissue;issued_on=2025-06-01"},
        {' ', "pref_card", V2, "person_id=older;state=issued;issued_on=2025-06-01"},
        {' ', "pref_card", V1, "person_id=p2;state=accepted"},
        {' ', "pref_card", V3, "person_id=p5;state=cancelled;issued_on=2025-06-01"},
        {'+', "plaque", V1, "household_no=H1;hung_on=2020-07-28;change_kind=new"},
        {' ', "plaque", V1, "household_no=H1;hung_on=2024-07-28;change_kind=damage"},
        {' ', "plaque", V2, "household_no=H1;hung_on=2020-07-28;change_kind=new"},
        {'+', "plaque", V3, "household_no=H{n};hung_on=2020-07-28"},
        {' ', "plaque", V3, "household_no=H8;hung_on=2020-07-28;change_kind=cancel"},
        {'+', "annual_confirm", V1, "person_id=p1;year=2026;result=ok;confirmed_on=2026-03-01"},
        {' ', "annual_confirm", V2, "person_id=old;year=2026;result=ok;confirmed_on=2026-03-01"},
        {' ', "annual_confirm", V1, "person_id=p2;year=2025;result=lost;confirmed_on=2025-03-01"},
        {'+', "benefit", V1, "person_id=p1;code=b11;start_on=2020-01-01"},
        {' ', "benefit", V1, "person_id=p1;code=b09;start_on=2020-01-01"},
        {' ', "benefit", V1, "person_id=p2;code=b11;start_on=2020-01-01;end_on=2024-12-31"},
        {'+', "benefit", V3, "person_id=p{n};code=b11;start_on=2020-01-01"},
        {' ', "benefit", V3, "person_id=p6;code=b11;start_on=2026-12-01"},
    };
    static const struct asked asked[] = {
        {"I09", "4 4"},
        {"I09 by=village", "4 4 | 201=2 202=1 203=2"},
        {"I09 by=office", "4 4 | 901=2 902=2"},
        {"I09 by=category", "4 4 | 02=1 04=1 07=1 08=2 12=1"},
        {"I09 station=" V2, "1 1"},
        {"I10d", "6 6"},
        {"I10d by=village", "6 6 | 201=2 202=2 203=3"},
        {"I10d by=office", "6 6 | 901=3 902=3"},
        {"I10", "66.6667 67%"},
        {"I10 by=village", "66.6667 67% | 201=100 202=50 203=66.6667"},
        {"I10 by=office", "66.6667 67% | 901=66.6667 902=66.6667"},
        {"I10 by=category", "66.6667 67% | 02=50 04=100 07=100 08=100 12=100"},
        {"I30ad", "1 1"},
        {"I30ad by=village", "1 1 | 201=1 202=1"},
        {"I30ad by=office", "1 1 | 901=1"},
        {"I30an", "1 1"},
        {"I30an by=village", "1 1 | 201=1 202=1"},
        {"I30an by=office", "1 1 | 901=1"},
        {"I30a", "100 100%"},
        {"I30a by=village", "100 100% | 201=100 202=100"},
        {"I30a by=office", "100 100% | 901=100"},
        {"I30bn", "3 3"},
        {"I30bn by=village", "3 3 | 201=1 202=1 203=1"},
        {"I30bn by=office", "3 3 | 901=2 902=1"},
        {"I30bd", "3 3"},
        {"I30bd by=village", "3 3 | 201=1 202=1 203=1"},
        {"I30bd by=office", "3 3 | 901=2 902=1"},
        {"I30b", "100 100%"},
        {"I30b by=office", "100 100% | 901=100 902=100"},
        {"I30cn", "1 1"},
        {"I30cn by=category", "1 1 | ok=1"},
        {"I30cn to=2025-12-31 by=category", "1 1 | lost=1"},
        {"I30cn by=village", "1 1 | 201=1 202=1"},
        {"I30cn by=office", "1 1 | 901=1"},
        {"I30cd", "2 2"},
        {"I30cd by=village", "2 2 | 201=1 203=1"},
        {"I30cd by=office", "2 2 | 901=1 902=1"},
        {"I30cd to=2024-12-31", "3 3"},
        {"I30c", "50 50%"},
        {"I30c by=village", "50 50% | 201=100 202=- 203=-"},
        {"I30c by=office", "50 50% | 901=100 902=-"},
    };

    CHECK(*state, given, asked);
}

static void pair(struct world *w, const char *a, const char *b, int open)
{
    struct sqlite3_stmt *stmt = lm_query(w->store, LM_Q_DUPLICATE_PUT, &err_);
    char ids[2][40];
    size_t low;

    lm_uuid_of(a, strlen(a), ids[0]);
    lm_uuid_of(b, strlen(b), ids[1]);
    low = strcmp(ids[0], ids[1]) > 0;
    assert_non_null(stmt);
    lm_bind_id(stmt, 1, ids[low]);
    lm_bind_id(stmt, 2, ids[!low]);
    lm_bind_text(stmt, 3, "person");
    (void)sqlite3_bind_int64(stmt, 4, 1);
    OK(lm_query_run(w->store, stmt, &err_));
    w->store->state.n_duplicates++;
    if (!open) {
        OK(lm_store_dismiss(w->store, "张主任", ids[0], ids[1], NOW_MS, &err_));
    }
}

/* Persons have no day of their own: their number is the one that stands now, and says so; a share
 * of it and of what follows the day says nothing of a day that is over. */
static void test_what_stands_now(void **state)
{
    static const struct given given[] = {
        {' ', "person", V1, "id=p1;state=active;dup_key=a;household_no=H1"},
        {' ', "person_identity", V1, "person_id=p1;code=02"},
        {' ', "plaque", V1, "household_no=H1;hung_on=2020-07-28;change_kind=new"},
    };
    static const struct asked asked[] = {
        {"I09 to=2020-12-31", "1 1"},
        {"I10 to=2020-12-31", "100 100%"},
        {"I30b", "100 100%"},
        {"I30b by=village", "100 100% | 201=100"},
        {"I30b to=2026-09-21", "100 100%"},
        {"I30bn to=2020-01-01", "0 0"},
        {"I30b to=2020-01-01", "- —"},
        {"I30b to=2020-12-31 by=village", "- — | 201=-"},
    };
    static const struct {
        const char *id;
        bool now;
    } marks[] = {{"I09", true},  {"I10", true},    {"I11", true},   {"I30b", true},
                 {"I08", true},  {"I01", false},   {"I02", false},  {"I12", false},
                 {"I13", false}, {"I30bn", false}, {"I30c", false}, {"I31", false}};
    struct world *w = *state;
    char id[16];

    CHECK(w, given, asked);
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        json_t *doc = NULL, *figure;

        OK(ask(w, marks[i].id, &doc, id));
        figure = json_object_get(json_object_get(doc, "indicators"), marks[i].id);
        if (json_is_true(json_object_get(figure, "now")) != marks[i].now) {
            fail_msg("%s: now", marks[i].id);
        }
        json_decref(doc);
    }
}

/* P10: files with the same key count as one person until somebody says that they are two; then as
 * two, whatever their order and however many others share the key. */
static void test_dismissed_pairs_count_as_two(void **state)
{
    static const struct given given[] = {
        {' ', "person", V1, "id=p1;state=active;dup_key=a;household_no=H1"},
        {' ', "person", V2, "id=p2;state=active;dup_key=a;household_no=H2"},
        {' ', "person_identity", V1, "person_id=p1;code=02"},
        {' ', "person_identity", V2, "person_id=p2;code=02"},
        {' ', "person", V1, "state=active;dup_key=b"},
        {' ', "person", V2, "state=active;dup_key=b"},
    };
    static const struct given third[] = {
        {' ', "person", V3, "id=p3;state=active;dup_key=a;household_no=H3"},
        {' ', "person", V3, "id=p0;state=merged;dup_key=a;merged_into=p1"},
        {' ', "person", V3, "id=p9;state=active;dup_key=a;deleted_at=2025-01-01T00:00:00.000Z"},
    };
    static const struct asked one[] = {{"I09", "2 2"}, {"I10d", "2 2"}, {"I30ad", "1 1"}};
    static const struct asked two[] = {{"I09", "3 3"},
                                       {"I09 by=village", "3 3 | 201=2 202=2"},
                                       {"I09 by=office", "3 3 | 901=3"},
                                       {"I09 by=category", "3 3 | 02=2"},
                                       {"I10d", "3 3"},
                                       {"I10", "100 100%"},
                                       {"I30ad", "2 2"}};
    static const struct asked still_two[] = {{"I09", "3 3"},
                                             {"I09 by=village", "3 3 | 201=2 202=2 203=1"}};
    static const struct asked three[] = {{"I09", "4 4"}, {"I10d", "4 4"}};
    struct world *w = *state;

    CHECK(w, given, one);
    pair(w, "p1", "p2", true);
    check(w, NULL, 0, one, 3);
    pair(w, "p1", "p2", false);
    check(w, NULL, 0, two, 7);
    CHECK(w, third, still_two); /* the third is one of the two, nobody has said which */
    pair(w, "p0", "p2", false);
    pair(w, "p9", "p2", false); /* neither one who was merged nor one deleted makes two of others */
    pair(w, "p3", "p1", false);
    check(w, NULL, 0, still_two, 2); /* so it is the second, whichever came first */
    pair(w, "p2", "p3", false);
    check(w, NULL, 0, three, 2);
}

static void test_files(void **state)
{
    static const struct given given[] = {
        {' ', "person", V1, "state=active;ethnic=01;phone=13800000000"},
        {' ', "person", V3, "state=transferring;photo=f;insurance=basic"},
        {' ', "person", V1, "state=active"},
        {' ', "person", V1, "state=submitted;ethnic=01;phone=1"},
        {' ', "person", V1, "state=active;ethnic=01;phone=1;invalid=1"},
    };
    static const struct asked asked[] = {
        {"I11", "13.3333 13%"},
        {"I11 by=village", "13.3333 13% | 201=10 203=20"},
        {"I11 by=office", "13.3333 13% | 901=10 902=20"},
    };
    static const struct given setting[] = {
        {' ', "setting", TOWN, "key=file_fields;value=ethnic, phone、no_such_field"}};
    static const struct asked again[] = {{"I11", "33.3333 33%"},
                                         {"I11 by=village", "33.3333 33% | 201=50 203=0"}};

    CHECK(*state, given, asked);
    CHECK(*state, setting, again);
}

static void test_overdue(void **state)
{
    static const struct given given[] = {
        {' ', "person", V1, "id=p1;state=active"},
        {' ', "person", V1, "id=p2;state=active"},
        {' ', "person", V3, "id=p3;state=transferring"},
        {' ', "person", V3, "id=p4;state=deceased"},
        {' ', "person", V1, "id=old;state=merged;merged_into=p2"},
        {' ', "person", V3, "id=p5;state=active"},
        {'+', "contact_plan", V1,
         "person_id=p1;frequency=quarter;start_on=2026-06-20;next_due=2099-01-01"}, /* due
                                                                                       2026-09-20 */
        {' ', "contact_plan", V1,
         "person_id=p2;frequency=quarter;start_on=2025-01-01"}, /* visited, under another file of
                                                                   his too */
        {' ', "visit", V1, "visit_on=2026-07-01;occasion=daily;persons=p1x,old"},
        {' ', "visit", V1, "visit_on=2026-09-01;occasion=daily;persons=p3;state=draft"},
        {' ', "contact_plan", V3,
         "person_id=p3;frequency=year;start_on=2025-01-01;next_due=2099-01-01"},
        {' ', "contact_plan", V3, "person_id=p4;frequency=year;start_on=2025-01-01"},
        {' ', "contact_plan", V3,
         "person_id=p5;frequency=half;start_on=2025-08-31"}, /* due 2026-02-28 */
        {' ', "contact_plan", V1,
         "person_id=p5;frequency=half;start_on=2024-08-31;end_on=2025-08-30"},
    };
    static const struct asked asked[] = {
        {"I13", "3 3"},
        {"I13 by=village", "3 3 | 201=1 203=2"},
        {"I13 by=office", "3 3 | 901=1 902=2"},
        {"I13 to=2026-09-20", "2 2"},
        {"I13 to=2026-03-01", "3 3"},
        {"I13 to=2026-02-28 by=village", "2 2 | 201=1 203=1"},
    };

    CHECK(*state, given, asked);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, counts_begin, counts_rollback)
    const struct CMUnitTest tests[] = {
        T(test_stations),        T(test_assessments),
        T(test_never_assessed),  T(test_posts),
        T(test_closed_stations), T(test_what_stands_now),
        T(test_persons),         T(test_dismissed_pairs_count_as_two),
        T(test_files),           T(test_overdue)};

    return cmocka_run_group_tests(tests, counts_setup, world_teardown);
}
