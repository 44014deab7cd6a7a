/* A whole town of 64 villages: figures as the annual summary prints them, with what must not count
 * among the rows. {v} is the village's number, {i} the row's number within it, @ its code. */
#include "tests/unit/hub_counts_world.h"

#define EACH 1, 64

struct many {
    const char *type;
    int first, last; /* villages; 0, 0: the town */
    int rows;
    const char *spec;
};

static const struct many town[] = {
    {"area_unit", 5, 64, 1,
     "code=@;level=village;parent_code=" PREFIX "902;valid_from=2000-01-01;name=示例村{v}"},
    {"area_unit", 65, 65, 1,
     "code=@;level=village;parent_code=" PREFIX
     "902;valid_from=2000-01-01;valid_to=2021-12-31;end_kind=merged"},
    {"station", EACH, 1,
     "area_code=@;level=village;has_office=true;has_fulltime=true;has_rules=true;established_on="
     "2019-06-01"},
    {"staff_post", EACH, 1,
     "post=head;holder_name=书记{v};full_time=false;concurrent=true;from_on=2021-01-01"},
    {"staff_post", 1, 18, 1,
     "post=branch_secretary;holder_name=书记{v};full_time=false;is_veteran=true;from_on=2021-01-"
     "01"},
    {"staff_post", 19, 64, 1,
     "post=branch_secretary;holder_name=书记{v};full_time=false;is_veteran=false;from_on=2021-01-"
     "01"},
    {"staff_post", 19, 20, 1,
     "post=branch_secretary;holder_name=前书记{v};full_time=false;is_veteran=true;from_on=2018-01-"
     "01;to_on=2020-12-31"},
    {"staff_post", 21, 23, 1,
     "post=committee;holder_name=委员{v};full_time=false;is_veteran=true;from_on=2021-01-01"},
    {"staff_post", 0, 0, 3, "post=full;holder_name=镇专职{i};full_time=true;from_on=2019-05-01"},
    {"staff_post", 0, 0, 1,
     "post=full;holder_name=前专职;full_time=true;from_on=2019-05-01;to_on=2022-12-31"},
    {"staff_post", EACH, 1, "post=full;holder_name=村专职{v};full_time=true;from_on=2021-01-01"},
    {"person", EACH, 40,
     "id=p{v}-{i};state=active;dup_key={v}-{i};household_no=H{i};birth_on=1955-03-02"},
    {"person", 2, 2, 1, "state=active;dup_key=1-1;household_no=H99"},
    {"person", 3, 3, 5, "state=submitted;dup_key=s-{i};household_no=S{i}"},
    {"person_identity", EACH, 40, "person_id=p{v}-{i};code=02"},
    {"visit", EACH, 1, "visit_on=2025-01-25;occasion=spring;persons=p{v}-1"},
    {"visit", 1, 20, 1, "visit_on=2025-07-30;occasion=army_day;persons=p{v}-1,p{v}-2"},
    {"visit", 1, 11, 1, "visit_on=2025-09-29;occasion=national;persons=p{v}-1,p{v}-2"},
    {"visit", 30, 30, 1, "visit_on=2025-07-30;occasion=army_day;persons=p{v}-1,p{v}-2;state=draft"},
    {"visit", 31, 31, 1,
     "visit_on=2025-07-30;occasion=army_day;persons=p{v}-1,p{v}-2;state=returned"},
    {"visit", 32, 32, 1,
     "visit_on=2025-07-30;occasion=army_day;persons=p{v}-1;deleted_at=2025-08-02T00:00:00.000Z"},
    {"visit", EACH, 1, "visit_on=2025-05-12;occasion=daily;persons=p{v}-1"},
    {"aid_case", 1, 20, 1,
     "state=paid;type=one_off;situation=s4;applied_on=2025-03-03;paid_on=2025-04-15;amount_paid_"
     "fen=300000"},
    {"aid_case", 21, 24, 1,
     "state=closed;type=one_off;situation=s2;applied_on=2025-03-03;paid_on=2025-05-20;amount_paid_"
     "fen=200000"},
    {"aid_case", 25, 26, 1, "state=approved;type=one_off;situation=s2;applied_on=2025-10-03"},
    {"aid_case", 30, 30, 1,
     "state=paid;type=other;situation=s5;applied_on=2025-02-03;paid_on=2025-03-03;amount_paid_fen="
     "50000"},
    {"aid_case", 40, 44, 1,
     "state=paid;type=serious_illness;situation=s4;applied_on=2025-01-10;paid_on=2025-03-21;amount_"
     "paid_fen=800000"},
    {"opening_balance", 0, 0, 1, "indicator=I17;area_code=@;as_of=2024-12-31;value=300"},
    {"reception", 0, 0, 150,
     "at=2025-03-10T01:30:00.000Z;level=town;head_count=1;matter_kind=policy"},
    {"reception", 0, 0, 24,
     "at=2025-06-10T01:30:00.000Z;level=town;head_count=2;matter_kind=benefit"},
    {"reception", 0, 0, 6,
     "at=2025-08-31T17:30:00.000Z;level=town;head_count=6;matter_kind=conflict"},
    {"reception", EACH, 1,
     "at=2025-04-10T02:00:00.000Z;level=village;head_count=2;matter_kind=policy"},
    {"reception", 0, 0, 1,
     "at=2024-11-05T01:30:00.000Z;level=town;head_count=4;matter_kind=policy"},
    {"opening_balance", 0, 0, 1, "indicator=I19;area_code=@;as_of=2024-12-31;value=1500"},
    {"consultation", 0, 0, 60, "on=2025-04-01;channel=window;topic=policy;item_count=7"},
    {"consultation", 0, 0, 49, "on=2025-09-01;channel=phone;topic=card;item_count=3"},
    {"consultation", EACH, 1, "on=2025-05-01;channel=home;topic=policy;item_count=2"},
    {"petition", 0, 0, 4,
     "state=resolved;received_on=2024-02-01;channel=visit;is_backlog=true;outcome=resolved;"
     "resolved_on=2025-03-15"},
    {"petition", 0, 0, 3,
     "state=archived;received_on=2024-02-01;channel=letter;is_backlog=true;outcome=resolved;"
     "resolved_on=2025-06-15"},
    {"petition", 0, 0, 1,
     "state=resolved;received_on=2025-02-01;channel=visit;is_backlog=false;outcome=resolved;"
     "resolved_on=2025-03-15"},
    {"opening_balance", 0, 0, 1, "indicator=I25;area_code=@;as_of=2024-12-31;value=600"},
    {"activity", 0, 0, 28, "on=2025-08-01;kind=performance;session_count=4;is_voluntary=true"},
    {"activity", 0, 0, 1, "on=2025-08-02;kind=performance;session_count=5;is_voluntary=false"},
    {"station_assessment", 1, 60, 1,
     "year=2025;assessed_on=2025-11-20;has_org=true;has_establishment=true;has_staff=true;has_"
     "budget=true;has_guarantee=true"},
    {"station_assessment", 61, 64, 1,
     "year=2025;assessed_on=2025-11-20;has_org=true;has_establishment=false;has_staff=true;has_"
     "budget=true;has_guarantee=true"},
    {"station_assessment", 61, 64, 1,
     "year=2024;assessed_on=2024-11-20;has_org=true;has_establishment=true;has_staff=true;has_"
     "budget=true;has_guarantee=true"},
    {"service_item", 1, 40, 1,
     "state=closed;notice_given_at=2025-03-01T02:00:00.000Z;mode=onestop;place=village;trip_count="
     "1;result=granted;closed_on=2025-03-05"},
    {"service_item", 1, 10, 1,
     "state=closed;notice_given_at=2025-03-01T02:00:00.000Z;mode=tolerant;place=home;trip_count=2;"
     "result=granted;closed_on=2025-03-25"},
    {"pref_card", EACH, 30, "person_id=p{v}-{i};state=issued;issued_on=2025-06-01"},
    {"plaque", EACH, 40, "household_no=H{i};hung_on=2020-07-28"},
    {"benefit", EACH, 5, "person_id=p{v}-{i};code=b11;start_on=2020-01-01"},
    {"annual_confirm", EACH, 4, "person_id=p{v}-{i};year=2026;result=ok;confirmed_on=2026-03-01"},
    {"annual_confirm", EACH, 5, "person_id=p{v}-{i};year=2025;result=ok;confirmed_on=2025-03-01"},
    {"contact_plan", 1, 10, 1, "person_id=p{v}-3;frequency=quarter;start_on=2025-01-01"},
    {"contact_plan", 11, 20, 1, "person_id=p{v}-3;frequency=year;start_on=2026-01-01"},
};

static void put_many(struct world *w, const struct many *m)
{
    char code[32], spec[1024], number[16];

    for (int v = m->first; v <= m->last; v++) {
        (void)snprintf(code, sizeof code, "%s%03d", PREFIX, v ? 200 + v : 0);
        for (int i = 1; i <= m->rows; i++) {
            size_t at = 0;

            for (const char *p = m->spec; *p; p++) {
                bool village = strncmp(p, "{v}", 3) == 0, order = strncmp(p, "{i}", 3) == 0;

                (void)snprintf(number, sizeof number, "%d", village ? v : i);
                at += village || order || *p == '@'
                          ? (size_t)snprintf(spec + at, sizeof spec - at, "%s",
                                             *p == '@' ? code : number)
                          : (size_t)snprintf(spec + at, sizeof spec - at, "%c", *p);
                p += village || order ? 2 : 0;
            }
            row(w, m->type, code, spec);
        }
    }
}

static void test_town(void **state)
{
    static const struct {
        const char *question, *expected;
    } asked[] = {
        {"I01", "64 64"},
        {"I01v", "64 64"},
        {"I01r", "100 100%"},
        {"I02", "93.75 94%"},
        {"I02d", "64 64"},
        {"I03", "100 100%"},
        {"I04", "100 100%"},
        {"I05", "100 100%"},
        {"I06", "100 100%"},
        {"I07", "3 3"},
        {"I26", "18 18"},
        {"I26p", "28.125 28%"},
        {"I09", "2560 2560"},
        {"I10d", "2565 2565"},
        {"I10", "99.8051 99%"},
        {"I08", "0 0"},
        {"I12", "126 120余"},
        {"I14", "24 24"},
        {"I14a", "6800000 68000.00"},
        {"I15", "5 5"},
        {"I17", "534 500余 +300"},
        {"I17 by=month", "534 500余 +300 | opening=300 2025-03=150 2025-06=48 2025-09=36"},
        {"I17 from=2025-01-01", "234 200余"},
        {"I18", "128 128"},
        {"I19", "2067 2000余 +1500"},
        {"I19v", "128 128"},
        {"I20", "7 7"},
        {"I25", "712 700余 +600"},
        {"I23", "80 80%"},
        {"I30a", "75 75%"},
        {"I30c", "80 80%"},
        {"I30cd", "320 320"},
        {"I13", "10 10"},
        {"I16", "43 43"},
        {"I09 station=999999101202", "41 41"},
        {"I30bn", "2560 2560"},
    };
    struct world *w = *state;
    size_t n_wrong = 0;

    for (size_t i = 0; i < sizeof town / sizeof *town; i++) {
        put_many(w, &town[i]);
    }
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        n_wrong += !says(w, asked[i].question, asked[i].expected);
    }
    assert_int_equal(n_wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_town, counts_begin, counts_rollback)};

    return cmocka_run_group_tests(tests, counts_setup, world_teardown);
}
