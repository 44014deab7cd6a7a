/* The verdicts of merge on creations, authors, bases and values, on the catalogue that is built in.
 * test_merge_state.c goes on with states, deletion and references; test_merge_order.c shows
 * convergence. */
#include "merge_cases.h"

/* ---- creation and shape ---- */

static void creation_fills_origin(void **state)
{
    struct lm_record *rec = person();
    char id[LM_UUID_TEXT + 1];

    (void)state;
    assert_field(rec, "village_code", A.station);
    assert_field(rec, "station", A.station);
    assert_field(rec, "state", "submitted");
    assert_field(rec, "difficulty", "none");
    lm_user_id(A.station, "secretary", id);
    assert_field(rec, "created_by", id);
    lm_user_id(B.station, "secretary", id);
    assert_string_not_equal(lm_record_text(rec, LM_C_CREATED_BY), id);
    for (size_t g = 0; g < rec->type->n_groups; g++) {
        assert_true(lm_version_equal(rec->stamps[g].version, rec->stamps[0].version));
        assert_true(rec->stamps[g].rank == rec->stamps[0].rank);
    }
    assert_int_equal(rec->stamps[0].version.replica, A.replica);
}

static void created_at_is_corrected_and_bounded(void **state)
{
    struct lm_merge_out out;

    (void)state;
    /* A clock that runs two hours behind, and says so. */
    out = SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "person", .id = id_of(1),
               .fields = PERSON_FIELDS, .at_ms = T0 - 120 * MINUTE, .received_ms = T0 + 5 * MINUTE,
               .offset_ms = 121 * MINUTE, .offset_known = true, .wall_delta_ms = -250);
    assert_verdict(out, LM_V_APPLIED, "");
    assert_field(out.record, "created_at", "2026-01-05T08:00:59.750Z");
    assert_true(out.as_sent);
    /* The hub knew better than the node: not as sent. */
    out = SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "person", .id = id_of(2),
               .fields = PERSON_FIELDS, .at_ms = T0 + MINUTE, .received_ms = T0 + 5 * MINUTE,
               .offset_ms = MINUTE);
    assert_verdict(out, LM_V_APPLIED, "");
    assert_field(out.record, "created_at", "2026-01-05T08:02:00.000Z");
    assert_false(out.as_sent);
    /* A clock a year ahead: never later than the receipt. */
    out = SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "person", .id = id_of(3),
               .fields = PERSON_FIELDS, .at_ms = T0 + 365 * 24 * 60 * MINUTE,
               .received_ms = T0 + 6 * MINUTE);
    assert_verdict(out, LM_V_APPLIED, "");
    assert_field(out.record, "created_at", "2026-01-05T08:06:00.000Z");
    assert_false(out.as_sent);
    assert_true(out.rank == lm_hlc_of_ms(T0 + 6 * MINUTE));
    /* Absurd clocks stay within what a date-time can say. */
    out = SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "person", .id = id_of(4),
               .fields = PERSON_FIELDS, .received_ms = T0 + 7 * MINUTE, .wall_delta_ms = INT64_MIN,
               .offset_ms = INT64_MIN);
    assert_field(out.record, "created_at", "1970-01-01T00:00:00.000Z");
}

static void shape_and_type(void **state)
{
    static const struct {
        const char *type, *fields, *type_of_id, *id;
        int catalog;
        enum lm_verdict verdict;
        const char *code, *waits;
    } cases[] = {
        {"dragon", "{}", NULL, NULL, 0, LM_V_REFUSED, "unknown_type", ""},
        {"dragon", "{}", NULL, NULL, -1, LM_V_REFUSED, "unknown_type", ""},
        {"dragon", "{}", NULL, NULL, 1, LM_V_HELD, "catalogue", "type:dragon"},
        {"person", PERSON_FIELDS, "visit", NULL, 0, LM_V_REFUSED, "other_type", ""},
        {"person", PERSON_FIELDS, NULL, "019b8f00-0000-4000-8000-000000000001", 0, LM_V_REFUSED,
         "bad_uuid", ""},
        {"person", "{\"name\":7}", NULL, NULL, 0, LM_V_REFUSED, "bad_type", ""},
        {"person", "{\"name\":7}", NULL, NULL, 1, LM_V_REFUSED, "bad_type", ""},
        {"person", "{\"sex\":\"77\"}", NULL, NULL, 0, LM_V_REFUSED, "bad_code", ""},
        {"person", "{\"sex\":\"77\"}", NULL, NULL, 1, LM_V_HELD, "catalogue", ""},
        {"person", "{\"shoe_size\":43}", NULL, NULL, 0, LM_V_REFUSED, "unknown_field", ""},
        {"person", "{\"state\":\"active\"}", NULL, NULL, 0, LM_V_REFUSED, "not_allowed", ""},
        {"person", "{\"state\":\"deceased\"}", NULL, NULL, 0, LM_V_REFUSED, "bad_transition", ""},
        {"person", "{\"bank_account\":\"123\"}", NULL, NULL, 0, LM_V_REFUSED, "town_field", ""},
        {"person", "{\"registered_on\":\"2026-01-01\"}", NULL, NULL, 0, LM_V_REFUSED,
         "system_field", ""},
        {"person", "{\"village_code\":\"999999101202\"}", NULL, NULL, 0, LM_V_REFUSED,
         "system_field", ""},
        {"person", "{\"deleted_at\":\"2026-01-01T00:00:00.000Z\"}", NULL, NULL, 0, LM_V_REFUSED,
         "system_field", ""},
        {"petition", "{\"accept_due\":\"2026-01-01\"}", NULL, NULL, 0, LM_V_REFUSED, "system_field",
         ""},
        {"benefit", "{}", NULL, NULL, 0, LM_V_REFUSED, "not_your_type", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lm_merge_out out =
            SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = cases[i].type, .fields = cases[i].fields,
                 .id = cases[i].id != NULL ? cases[i].id : id_of(1), .catalog = cases[i].catalog,
                 .type_of_id = cases[i].type_of_id);
        assert_verdict(out, cases[i].verdict, cases[i].code);
        assert_string_equal(out.waits_for, cases[i].waits);
    }
    assert_int_equal(w.n_records, 0);
}

static void unknown_fields_of_a_newer_catalogue_are_kept(void **state)
{
    struct lm_merge_out out;
    const struct lm_value *v;

    (void)state;
    person();
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .catalog = 1,
               .fields = "{\"zeta\":\"z\",\"shoe_size\":43,\"phone\":\"13900000000\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_true(out.as_sent);
    v = lm_value_member(&out.record->unknown, "shoe_size");
    assert_non_null(v);
    assert_int_equal(v->i, 43);
    assert_int_equal(out.record->unknown.len, 2);
    assert_memory_equal(out.record->unknown.pairs[0].key, "shoe_size", 9);
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .catalog = 1,
               .fields = "{\"zeta\":null,\"shoe_size\":44}");
    assert_int_equal(out.record->unknown.len, 1);
    assert_int_equal(out.record->unknown.pairs[0].value.i, 44);
}

static void older_catalogue_lacks_fields_without_fault(void **state)
{
    const char *lacking =
        "{\"name\":\"测试乙\",\"id_status\":\"missing\",\"id_status_reason\":\"证件遗失\","
        "\"birth_on\":\"1950-01-01\",\"household_village\":\"999999101201\","
        "\"is_resident\":true}";
    struct lm_merge_out out;

    (void)state;
    out =
        SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "person", .id = id_of(1), .fields = lacking);
    assert_verdict(out, LM_V_INVALID, "required");
    assert_string_equal(out.reason.field, "sex");
    out = SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "person", .id = id_of(2),
               .fields = lacking, .catalog = -1);
    assert_verdict(out, LM_V_APPLIED, "");
    assert_false(out.record->invalid);
}

/* ---- who ---- */

static void villages_write_their_own_records(void **state)
{
    struct lm_merge_out out;

    (void)state;
    person();
    out = SEND(&w, .by = &B, .op = LM_OP_EDIT, .id = P, .fields = "{\"phone\":\"13900000000\"}");
    assert_verdict(out, LM_V_REFUSED, "not_your_record");
    out =
        SEND(&w, .by = &B, .op = LM_OP_CREATE, .type = "person", .id = P, .fields = PERSON_FIELDS);
    assert_verdict(out, LM_V_REFUSED, "not_your_record");
    out = SEND(&w, .by = &B, .op = LM_OP_DELETE, .id = P, .fields = "{\"delete_reason\":\"重复\"}");
    assert_verdict(out, LM_V_REFUSED, "not_your_record");
    /* Another PC of the same station may. */
    out = SEND(&w, .by = &A2, .op = LM_OP_EDIT, .id = P, .fields = "{\"phone\":\"13900000000\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_true(out.as_sent);
    /* What is there already, said again, is no fault. */
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P,
               .fields = "{\"legal_basis\":\"duty\",\"phone\":\"13900000001\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_false(out.as_sent);
}

static void town_enters_for_a_village(void **state)
{
    struct lm_merge_out out;

    (void)state;
    out = SEND(
        &w, .by = &TOWN, .op = LM_OP_CREATE, .type = "station", .id = id_of(1),
        .fields =
            "{\"village_code\":\"999999101202\",\"area_code\":\"999999101202\",\"level\":"
            "\"village\","
            "\"name\":\"测试村站\",\"has_office\":true,\"has_fulltime\":false,\"has_rules\":true}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_field(out.record, "village_code", "999999101202");
    assert_field(out.record, "station", TOWN.station);
    out = SEND(&w, .by = &B, .op = LM_OP_EDIT, .id = id_of(1),
               .fields = "{\"phone\":\"0531-1234567\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    out = SEND(&w, .by = &B, .op = LM_OP_EDIT, .id = id_of(1), .fields = "{\"name\":\"别名\"}");
    assert_verdict(out, LM_V_REFUSED, "town_field");
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = id_of(1),
               .fields = "{\"phone\":\"0531-1234568\"}");
    assert_verdict(out, LM_V_REFUSED, "not_your_record");
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = id_of(1),
               .fields = "{\"village_code\":\"999999101201\"}");
    assert_verdict(out, LM_V_REFUSED, "system_field");
}

static void a_transferred_person_takes_edits_made_before(void **state)
{
    struct lm_record *saw;
    struct lm_merge_out out;

    (void)state;
    active_person();
    saw = world_there(&w, P);
    out = SEND(&w, .by = &SYSTEM, .op = LM_OP_EDIT, .id = P,
               .fields = "{\"state\":\"transferring\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    out = SEND(&w, .by = &SYSTEM, .op = LM_OP_EDIT, .id = P,
               .fields = "{\"state\":\"active\",\"village_code\":\"999999101202\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_field(out.record, "village_code", "999999101202");
    /* Before the old village could know. */
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .view = saw,
               .fields = "{\"phone\":\"13900000000\"}");
    assert_verdict(out, LM_V_CONCURRENT, "");
    assert_field(out.record, "phone", "13900000000");
    assert_field(out.record, "village_code", "999999101202");
    /* Once it has seen the move, or when the record never was its own. */
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .fields = "{\"phone\":\"13900000001\"}");
    assert_verdict(out, LM_V_REFUSED, "not_your_record");
    out = SEND(&w, .by = &(struct lm_merge_author){31, LM_BY_VILLAGE, "999999101203"},
               .op = LM_OP_EDIT, .id = P, .view = saw, .fields = "{\"phone\":\"13900000001\"}");
    assert_verdict(out, LM_V_REFUSED, "not_your_record");
    out = SEND(&w, .by = &B, .op = LM_OP_EDIT, .id = P, .fields = "{\"phone\":\"13900000002\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    /* A state that the old village has not seen is no way back in once it has seen the move. */
    saw = out.record;
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = P,
               .fields = "{\"state\":\"cancelled\",\"close_note\":\"重复登记\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .view = saw,
               .fields = "{\"phone\":\"13900000003\"}");
    assert_verdict(out, LM_V_REFUSED, "not_your_record");
}

/* A hub that went back may have forgotten that the record moved to the author's village. */
static void a_lost_move_is_waited_for(void **state)
{
    const int64_t days = 86400000;
    struct lm_merge_out out;
    char waits[96];

    (void)state;
    person();
    (void)snprintf(waits, sizeof(waits), "moved:%s", P);
    out = SEND(&w, .by = &B, .op = LM_OP_EDIT, .id = P, .fields = "{\"phone\":\"13900000000\"}",
               .went_back_ms = T0);
    assert_verdict(out, LM_V_HELD, "moved");
    assert_string_equal(out.waits_for, waits);
    out = SEND(&w, .by = &B, .op = LM_OP_EDIT, .id = P, .fields = "{\"phone\":\"13900000000\"}",
               .went_back_ms = T0, .released = true);
    assert_verdict(out, LM_V_HELD, "moved"); /* nobody may let it through */
    out = SEND(&w, .by = &B, .op = LM_OP_DELETE, .id = P, .fields = "{\"delete_reason\":\"重复\"}",
               .went_back_ms = T0);
    assert_verdict(out, LM_V_HELD, "moved");
    out = SEND(&w, .by = &B, .op = LM_OP_CREATE, .type = "person", .id = P, .fields = PERSON_FIELDS,
               .went_back_ms = T0);
    assert_verdict(out, LM_V_REFUSED, "not_your_record");
    /* By the hub's clock, whatever the author's says. */
    out = SEND(&w, .by = &B, .op = LM_OP_EDIT, .id = P, .fields = "{\"phone\":\"13900000000\"}",
               .went_back_ms = T0, .received_ms = T0 + LM_MOVED_DAYS * days);
    assert_verdict(out, LM_V_HELD, "moved");
    out = SEND(&w, .by = &B, .op = LM_OP_EDIT, .id = P, .fields = "{\"phone\":\"13900000000\"}",
               .went_back_ms = T0, .received_ms = T0 + LM_MOVED_DAYS * days + 1);
    assert_verdict(out, LM_V_REFUSED, "not_your_record");
    /* Its own village, and what is judged by other rules, notice nothing. */
    out = SEND(&w, .by = &B, .op = LM_OP_EDIT, .id = P,
               .fields = "{\"registered_on\":\"2026-01-01\"}", .went_back_ms = T0);
    assert_verdict(out, LM_V_REFUSED, "system_field");
    out = SEND(&w, .by = &A2, .op = LM_OP_EDIT, .id = P, .fields = "{\"phone\":\"13900000001\"}",
               .went_back_ms = T0);
    assert_verdict(out, LM_V_APPLIED, "");
}

/* Who had the record before and has it again in the history that is gone saw a state of that one.
 */
static void a_lost_way_back_is_waited_for(void **state)
{
    struct lm_merge_out out;
    struct lm_record *saw;

    (void)state;
    person();
    out = SEND(&w, .by = &SYSTEM, .op = LM_OP_EDIT, .id = P,
               .fields = "{\"village_code\":\"999999101202\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    saw = lm_record_copy(&w.arena, out.record);
    assert_non_null(saw);
    /* changes that this journal lacks: after the move, and before */
    saw->stamps[LM_GROUP_STATE].version.hlc = saw->stamps[LM_GROUP_ORIGIN].version.hlc + 1000;
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .view = saw,
               .fields = "{\"phone\":\"13900000000\"}");
    assert_verdict(out, LM_V_HELD, "base");
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .view = saw,
               .fields = "{\"phone\":\"13900000000\"}", .went_back_ms = T0,
               .received_ms = T0 + 1000LL * 86400000);
    assert_verdict(out, LM_V_HELD, "moved");
    saw->stamps[LM_GROUP_STATE].version.hlc = saw->stamps[LM_GROUP_ORIGIN].version.hlc - 1000;
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .view = saw,
               .fields = "{\"phone\":\"13900000000\"}", .went_back_ms = T0);
    assert_verdict(out, LM_V_HELD, "base");
}

/* ---- existence and bases ---- */

static void an_edit_waits_for_its_record(void **state)
{
    struct lm_change change = {.type = "person",
                               .op = LM_OP_EDIT,
                               .hlc = lm_hlc_of_ms(T0),
                               .user = "x",
                               .catalog = catalog->number};
    struct send s = {.by = &A};
    struct lm_merge_out out;
    char waits[96];

    (void)state;
    (void)snprintf(change.id, sizeof(change.id), "%s", id_of(9));
    change.fields = world_fields(&w, "{\"phone\":\"13900000000\"}");
    out = world_merge(&w, &change, &s);
    assert_verdict(out, LM_V_HELD, "record");
    (void)snprintf(waits, sizeof(waits), "record:%s", id_of(9));
    assert_string_equal(out.waits_for, waits);
    s.creation_refused = true;
    out = world_merge(&w, &change, &s);
    assert_verdict(out, LM_V_REFUSED, "base_refused");
    /* What could never be applied does not wait. */
    change.fields = world_fields(&w, "{\"bank_account\":\"123\"}");
    s.creation_refused = false;
    out = world_merge(&w, &change, &s);
    assert_verdict(out, LM_V_REFUSED, "town_field");
}

static void a_base_not_there_yet_holds(void **state)
{
    struct lm_record *future;
    struct lm_merge_out out;
    char waits[96];
    int g;

    (void)state;
    person();
    future = lm_record_copy(&w.arena, world_there(&w, P));
    g = lm_type_group(future->type, "phone", 5);
    future->stamps[g].version = (struct lm_version){lm_hlc_of_ms(T0 + MINUTE) + 7, A2.replica};
    (void)snprintf(waits, sizeof(waits), "base:%" PRIu64 ":12", future->stamps[g].version.hlc);
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .view = future,
               .fields = "{\"phone\":\"13900000000\"}");
    assert_verdict(out, LM_V_HELD, "base");
    assert_string_equal(out.waits_for, waits);
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .view = future,
               .fields = "{\"phone\":\"13900000000\"}", .released = true);
    assert_verdict(out, LM_V_CONCURRENT, "");
    assert_field(out.record, "phone", "13900000000");
}

/* P8: a copied PC goes on under a new number and sends again what the first had sent. */
static void a_copys_edit_builds_on_the_save_that_both_have(void **state)
{
    const struct lm_merge_author *first[] = {&A, &A2}, *copy[] = {&A2, &A};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct lm_merge_out out;
        struct lm_record *view;

        world_free(&w);
        world_init(&w, catalog);
        out = SEND(&w, .by = first[i], .op = LM_OP_CREATE, .type = "person", .id = P,
                   .fields = PERSON_FIELDS, .at_ms = T0 + MINUTE);
        assert_verdict(out, LM_V_APPLIED, "");
        view = lm_record_copy(&w.arena, out.record);
        for (size_t g = 0; g < view->type->n_groups; g++) {
            view->stamps[g].version.replica = copy[i]->replica;
        }
        out = SEND(&w, .by = copy[i], .op = LM_OP_CREATE, .type = "person", .id = P,
                   .fields = PERSON_FIELDS, .at_ms = T0 + MINUTE, .received_ms = T0 + 3 * MINUTE);
        assert_verdict(out, LM_V_APPLIED, "");
        out = SEND(&w, .by = copy[i], .op = LM_OP_EDIT, .id = P, .view = view,
                   .fields = "{\"phone\":\"13900000009\"}", .at_ms = T0 + 2 * MINUTE,
                   .received_ms = T0 + 3 * MINUTE);
        assert_verdict(out, LM_V_APPLIED, "");
        assert_int_equal(out.n_conflicts, 0);
        assert_field(out.record, "phone", "13900000009");
    }
}

static void creation_of_what_is_there(void **state)
{
    struct lm_merge_out out;

    (void)state;
    person();
    /* The same content under another identity: nothing to tell a person. */
    out =
        SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "person", .id = P, .fields = PERSON_FIELDS);
    assert_verdict(out, LM_V_APPLIED, "");
    assert_false(out.as_sent);
    assert_int_equal(out.n_conflicts, 0);
    out = SEND(&w, .by = &A2, .op = LM_OP_CREATE, .type = "person", .id = P,
               .fields = "{\"name\":\"测试丙\",\"household_no\":\"H1\"}");
    assert_verdict(out, LM_V_CONCURRENT, "");
    assert_int_equal(out.n_conflicts, 1);
    assert_true(out.conflicts[0].change_stands); /* it is later */
    assert_field(out.record, "name", "测试丙");
    assert_field(out.record, "birth_on", "1950-01-01");
}

/* ---- values ---- */

static void a_current_base_sets(void **state)
{
    struct lm_merge_out out;

    (void)state;
    person();
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P,
               .fields = "{\"phone\":\"13900000000\",\"health\":null}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_true(out.as_sent);
    assert_true(stamp(out.record, "phone")->version.hlc > stamp(out.record, "name")->version.hlc);
    assert_true(stamp(out.record, "phone")->rank > stamp(out.record, "name")->rank);
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .fields = "{\"phone\":null}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_true(lm_value_is_null(lm_record_get(out.record, "phone")));
}

static void concurrent_values_have_siblings(void **state)
{
    (void)state;
    for (int later_first = 0; later_first < 2; later_first++) {
        struct lm_record *saw;
        struct lm_merge_out out;
        const struct lm_merge_author *first = later_first ? &A2 : &A,
                                     *second = later_first ? &A : &A2;
        const char *codes[2];
        const struct lm_list *list = lm_catalog_list(catalog, "difficulty");
        const struct lm_list *why = lm_catalog_list(catalog, "aid_situation");
        char fields[2][200];

        assert_true(list->n_codes >= 3 && why->n_codes >= 1);
        codes[0] = list->codes[1].code;
        codes[1] = list->codes[2].code;
        for (int i = 0; i < 2; i++) {
            (void)snprintf(fields[i], sizeof(fields[i]),
                           "{\"difficulty\":\"%s\",\"difficulty_reason\":[\"%s\"]}", codes[i],
                           why->codes[0].code);
        }
        if (later_first) {
            world_free(&w);
            world_init(&w, catalog);
        }
        person();
        saw = world_there(&w, P);
        out = SEND(&w, .by = first, .op = LM_OP_EDIT, .id = P, .view = saw,
                   .fields = fields[later_first], .at_ms = T0 + (later_first ? 20 : 10) * MINUTE,
                   .received_ms = T0 + 30 * MINUTE);
        assert_verdict(out, LM_V_APPLIED, "");
        out = SEND(&w, .by = second, .op = LM_OP_EDIT, .id = P, .view = saw,
                   .fields = fields[!later_first], .at_ms = T0 + (later_first ? 10 : 20) * MINUTE,
                   .received_ms = T0 + 31 * MINUTE);
        assert_verdict(out, LM_V_CONCURRENT, "");
        assert_false(out.as_sent);
        assert_int_equal(out.n_conflicts, 1);
        assert_int_equal(out.conflicts[0].change_stands, !later_first);
        assert_string_equal(out.record->type->groups[out.conflicts[0].group].name, "hardship");
        assert_true(lm_value_is(lm_value_member(&out.conflicts[0].change_value, "difficulty"),
                                codes[!later_first]));
        assert_true(lm_value_is(lm_value_member(&out.conflicts[0].current_value, "difficulty"),
                                codes[later_first]));
        assert_non_null(lm_value_member(&out.conflicts[0].change_value, "difficulty_reason"));
        assert_field(out.record, "difficulty", codes[1]); /* the later one, whichever came first */
        assert_int_equal(stamp(out.record, "hardship")->version.replica, A2.replica);
    }
}

static void equal_values_are_no_conflict(void **state)
{
    struct lm_record *saw;
    struct lm_merge_out out;

    (void)state;
    person();
    saw = world_there(&w, P);
    SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .view = saw,
         .fields = "{\"phone\":\"13900000000\"}", .at_ms = T0 + 20 * MINUTE);
    /* Lower rank: the stamp that is there stays. */
    out = SEND(&w, .by = &A2, .op = LM_OP_EDIT, .id = P, .view = saw,
               .fields = "{\"phone\":\"13900000000\"}", .at_ms = T0 + 10 * MINUTE,
               .received_ms = T0 + 21 * MINUTE);
    assert_verdict(out, LM_V_APPLIED, "");
    assert_int_equal(out.n_conflicts, 0);
    assert_false(out.as_sent);
    assert_int_equal(stamp(out.record, "phone")->version.replica, A.replica);
    /* Seen, and said again: a new stamp, as the author has it. */
    out = SEND(&w, .by = &A2, .op = LM_OP_EDIT, .id = P, .fields = "{\"phone\":\"13900000000\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_true(out.as_sent);
    assert_int_equal(stamp(out.record, "phone")->version.replica, A2.replica);
}

static void a_fast_clock_gains_nothing(void **state)
{
    struct lm_record *saw;
    struct lm_merge_out out;

    (void)state;
    person();
    saw = world_there(&w, P);
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .view = saw,
               .fields = "{\"phone\":\"13900000000\"}", .at_ms = T0 + 300LL * 24 * 60 * MINUTE,
               .received_ms = T0 + 10 * MINUTE);
    assert_verdict(out, LM_V_APPLIED, "");
    assert_true(out.rank == lm_hlc_of_ms(T0 + 10 * MINUTE));
    out = SEND(&w, .by = &A2, .op = LM_OP_EDIT, .id = P, .view = saw,
               .fields = "{\"phone\":\"13900000001\"}", .at_ms = T0 + 11 * MINUTE);
    assert_verdict(out, LM_V_CONCURRENT, "");
    assert_field(out.record, "phone", "13900000001");
    /* What builds on a change outranks it, however slow the clocks of author and hub. */
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .fields = "{\"phone\":\"13900000002\"}",
               .at_ms = T0 - 1000 * MINUTE, .received_ms = T0 + 2 * MINUTE);
    assert_verdict(out, LM_V_APPLIED, "");
    assert_true(out.rank == lm_hlc_of_ms(T0 + 11 * MINUTE) + 1);
}

static void edits_stacked_on_a_refused_one(void **state)
{
    struct lm_record *saw, *local;
    struct lm_change bad, next, last;
    struct send s = {.by = &A, .op = LM_OP_EDIT, .id = P};
    struct lm_merge_out out;

    (void)state;
    person();
    saw = world_there(&w, P);
    /* Refused as a whole: a field of the town's among the village's. */
    s.view = saw;
    s.fields = "{\"phone\":\"13900000000\",\"bank_account\":\"1\"}";
    bad = world_change(&w, &s);
    local = world_local(&w, &bad, A, saw);
    s.view = local;
    s.at_ms = T0 + 10 * MINUTE;
    s.fields = "{\"phone\":\"13900000001\"}";
    next = world_change(&w, &s);
    local = world_local(&w, &next, A, local);
    s.view = local;
    s.at_ms = T0 + 11 * MINUTE;
    s.fields = "{\"phone\":\"13900000002\"}";
    last = world_change(&w, &s);

    s.view = NULL;
    s.received_ms = T0 + 20 * MINUTE;
    out = world_merge(&w, &bad, &s);
    assert_verdict(out, LM_V_REFUSED, "town_field");
    world_keep(&w, &bad, A, &out);
    out = world_merge(&w, &next, &s);
    assert_verdict(out, LM_V_APPLIED, "");
    assert_int_equal(out.n_conflicts, 0);
    assert_true(out.as_sent);
    world_keep(&w, &next, A, &out);
    out = world_merge(&w, &last, &s);
    assert_verdict(out, LM_V_APPLIED, "");
    assert_field(out.record, "phone", "13900000002");
}

static void a_group_is_completed(void **state)
{
    struct lm_fieldset set = {0};
    const struct lm_record *rec;
    int difficulty;

    (void)state;
    rec = person();
    difficulty = lm_type_field(rec->type, "difficulty")->index;
    lm_fieldset_put(&set, difficulty, lm_value_text("none"));
    lm_fieldset_complete(rec->type, rec, LM_BY_VILLAGE, &set);
    assert_int_equal(set.n, 2);
    assert_non_null(lm_fieldset_get(&set, lm_type_field(rec->type, "difficulty_reason")->index));
}

/* ---- failures that are no verdict ---- */

static void failures_decide_nothing(void **state)
{
    struct lm_lookup lookup = {&w, world_get, world_each, world_level};
    struct lm_merge_in in = {.catalog = catalog,
                             .author = A,
                             .received_ms = T0,
                             .lookup = &lookup,
                             .known = world_known,
                             .known_ctx = &w};
    struct send s = {.by = &A, .op = LM_OP_CREATE, .type = "family_member", .id = id_of(50)};
    struct lm_change change;
    struct lm_merge_out out;
    char fields[120];
    size_t cap = 0;
    enum lm_status status;

    (void)state;
    person();
    (void)snprintf(fields, sizeof(fields),
                   "{\"name\":\"家属甲\",\"kin\":\"1\",\"person_id\":\"%s\"}", P);
    s.fields = fields;
    change = world_change(&w, &s);
    in.change = &change;
    w.broken = true;
    assert_int_equal(lm_merge(&in, &w.arena, &out), LM_ERR_IO);
    assert_null(out.record);
    w.broken = false;
    /* Every amount of memory gives a status or the one verdict, never another. */
    do {
        struct lm_arena arena;
        lm_arena_init(&arena, cap);
        status = lm_merge(&in, &arena, &out);
        if (status == LM_OK) {
            assert_verdict(out, LM_V_APPLIED, "");
        } else {
            assert_true(status == LM_ERR_MEMORY || status == LM_ERR_LIMIT);
        }
        lm_arena_free(&arena);
        cap += 256;
        assert_true(cap < ((size_t)1 << 20));
    } while (status != LM_OK);
}

static void bases_are_written_as_seen(void **state)
{
    struct lm_record *rec;
    struct lm_change change = {.type = "family_member", .op = LM_OP_EDIT};
    struct lm_fieldset set = {0};
    uint64_t highest;
    const struct lm_type *type = lm_catalog_type(catalog, "family_member");

    (void)state;
    member();
    SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = M, .fields = "{\"birth_year\":1960}");
    rec = world_there(&w, M);
    lm_fieldset_put(&set, lm_type_field(type, "birth_year")->index, lm_value_int(1961));
    assert_int_equal(lm_change_see(type, rec, &set, &change, &w.arena, &highest), LM_OK);
    assert_int_equal(change.n_bases, 1);
    assert_string_equal(change.bases[0].group, "birth_year");
    assert_true(highest == stamp(rec, "birth_year")->version.hlc);
    assert_false(change.has_seen);
    for (size_t g = 0; g < 3; g++) {
        assert_true(lm_version_equal(lm_change_base(&change, type->groups[g].name),
                                     rec->stamps[g].version));
    }
    lm_fieldset_put(&set, LM_C_STATE, lm_value_text("verified"));
    assert_int_equal(lm_change_see(type, rec, &set, &change, &w.arena, NULL), LM_OK);
    assert_true(change.has_seen);
    assert_true(change.seen == lm_record_seen(rec));
    for (size_t g = 0; g < type->n_groups; g++) {
        bool listed = false;
        for (size_t i = 0; i < change.n_bases; i++) {
            listed = listed || strcmp(change.bases[i].group, type->groups[g].name) == 0;
        }
        assert_true(listed || !type->groups[g].guarded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(creation_fills_origin),
        CASE(created_at_is_corrected_and_bounded),
        CASE(shape_and_type),
        CASE(unknown_fields_of_a_newer_catalogue_are_kept),
        CASE(older_catalogue_lacks_fields_without_fault),
        CASE(villages_write_their_own_records),
        CASE(town_enters_for_a_village),
        CASE(a_transferred_person_takes_edits_made_before),
        CASE(a_lost_move_is_waited_for),
        CASE(a_lost_way_back_is_waited_for),
        CASE(an_edit_waits_for_its_record),
        CASE(a_base_not_there_yet_holds),
        CASE(creation_of_what_is_there),
        CASE(a_copys_edit_builds_on_the_save_that_both_have),
        CASE(a_current_base_sets),
        CASE(concurrent_values_have_siblings),
        CASE(equal_values_are_no_conflict),
        CASE(a_fast_clock_gains_nothing),
        CASE(edits_stacked_on_a_refused_one),
        CASE(a_group_is_completed),
        CASE(failures_decide_nothing),
        CASE(bases_are_written_as_seen),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
