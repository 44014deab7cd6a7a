/* The verdicts of merge on states, deletion and references, on the catalogue that is built in. */
#include "merge_cases.h"

/* ---- state ---- */

static void verification_fills_registered_on(void **state)
{
    const struct lm_record *rec;
    char day[16];

    (void)state;
    active_person();
    rec = world_there(&w, P);
    assert_field(rec, "state", "active");
    lm_date_format(lm_day_utc8(w.last_ms), day);
    assert_field(rec, "registered_on", day);
    assert_int_equal(stamp(rec, "registered_on")->version.replica, 0);
    assert_true(
        lm_version_equal(stamp(rec, "registered_on")->version, stamp(rec, "state")->version));
}

static void rules_refuse_the_town_and_mark_a_village(void **state)
{
    struct lm_merge_out out;

    (void)state;
    person();
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = P, .fields = "{\"state\":\"active\"}");
    assert_verdict(out, LM_V_REFUSED, "no_identity");
    assert_field(world_there(&w, P), "state", "submitted");
    out =
        SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = P, .fields = "{\"birth_on\":\"1850-01-01\"}");
    assert_verdict(out, LM_V_REFUSED, "too_old");
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .fields = "{\"birth_on\":\"1850-01-01\"}");
    assert_verdict(out, LM_V_INVALID, "too_old");
    assert_true(out.record->invalid);
    assert_string_equal(out.record->issue_code, "too_old");
    assert_string_equal(out.record->issue_field, "birth_on");
    assert_non_null(out.record->issue_zh);
    /* Another field of a record that is still wrong. */
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .fields = "{\"phone\":\"13900000000\"}");
    assert_verdict(out, LM_V_INVALID, "too_old");
    /* The town may work on it, but not take it further. */
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = P, .fields = "{\"phone\":\"13900000001\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_true(out.record->invalid);
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = P, .fields = "{\"state\":\"active\"}");
    assert_int_equal(out.verdict, LM_V_REFUSED);
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = P,
               .fields = "{\"state\":\"returned\",\"return_note\":\"出生日期有误\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    /* Mended. */
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P,
               .fields = "{\"birth_on\":\"1951-01-01\",\"state\":\"submitted\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_false(out.record->invalid);
    assert_string_equal(out.record->issue_code, "");
    assert_false(out.as_sent); /* the flag must travel */
}

static void a_date_ahead_of_the_hub_is_invalid(void **state)
{
    struct lm_merge_out out;

    (void)state;
    person();
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .fields = "{\"notice_at\":\"2026-03-01\"}",
               .at_ms = T0 + 60LL * 24 * 60 * MINUTE, .received_ms = T0 + 5 * MINUTE);
    assert_verdict(out, LM_V_INVALID, "not_future");
}

static void frozen_fields(void **state)
{
    struct lm_merge_out out;

    (void)state;
    active_person();
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .fields = "{\"name\":\"测试改\"}");
    assert_verdict(out, LM_V_REFUSED, "frozen_field");
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = P, .fields = "{\"name\":\"测试改\"}");
    assert_verdict(out, LM_V_APPLIED, "");
}

static void frozen_since_stays_and_the_rest_is_taken(void **state)
{
    struct lm_record *saw;
    struct lm_merge_out out;

    (void)state;
    active_person();
    /* The village's view: as the person was created. */
    saw = lm_record_copy(&w.arena, world_there(&w, P));
    for (size_t g = 0; g < saw->type->n_groups; g++) {
        saw->stamps[g] = saw->stamps[LM_GROUP_ORIGIN];
    }
    saw->fields[LM_C_STATE] = lm_value_text("submitted");
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .view = saw,
               .fields = "{\"phone\":\"13900000000\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_field(out.record, "state", "active");
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .view = saw,
               .fields = "{\"name\":\"测试改\",\"residence_text\":\"某村1号\"}");
    assert_verdict(out, LM_V_CONCURRENT, "");
    assert_field(out.record, "name", "测试甲");
    assert_field(out.record, "residence_text", "某村1号");
    assert_int_equal(out.n_conflicts, 1);
    assert_false(out.conflicts[0].change_stands);
    assert_true(lm_value_is(lm_value_member(&out.conflicts[0].change_value, "name"), "测试改"));
}

static void an_edit_takes_back_a_verification_it_had_not_seen(void **state)
{
    struct lm_record *saw;
    struct lm_merge_out out;

    (void)state;
    member();
    saw = world_there(&w, M);
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = M, .fields = "{\"state\":\"verified\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = M, .fields = "{\"birth_year\":1960}");
    assert_verdict(out, LM_V_REFUSED, "locked_state");
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = M, .view = saw,
               .fields = "{\"birth_year\":1960}");
    assert_verdict(out, LM_V_CONCURRENT, "");
    assert_field(out.record, "state", "submitted");
    assert_int_equal(lm_record_get(out.record, "birth_year")->i, 1960);
    assert_int_equal(stamp(out.record, "state")->version.replica, A.replica);
    /* The author's next edit builds on that one, and is judged by what it saw then: submitted. */
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = M, .view = saw,
               .fields = "{\"is_serving\":true}");
    assert_verdict(out, LM_V_APPLIED, "");
    /* Where nothing changes, nothing is taken back. */
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = M, .fields = "{\"state\":\"verified\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = M, .view = saw,
               .fields = "{\"birth_year\":1960}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_field(out.record, "state", "verified");
}

static void a_locked_record_takes_nothing(void **state)
{
    char fields[300];
    struct lm_record *saw;
    struct lm_merge_out out;

    (void)state;
    person();
    (void)snprintf(fields, sizeof(fields),
                   "{\"visit_on\":\"2026-01-04\",\"occasion\":\"%s\",\"occasion_year\":2026,"
                   "\"persons\":[\"%s\"],"
                   "\"category_at_visit\":[{\"difficulty\":\"none\"}],\"visitors\":\"甲\","
                   "\"visitor_level\":\"village\"}",
                   lm_catalog_list(catalog, "occasion")->codes[0].code, P);
    out = SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "visit", .id = id_of(5), .fields = fields);
    assert_verdict(out, LM_V_APPLIED, "");
    saw = world_there(&w, id_of(5));
    SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = id_of(5), .fields = "{\"state\":\"verified\"}");
    out = SEND(&w, .by = &SYSTEM, .op = LM_OP_EDIT, .id = id_of(5),
               .fields = "{\"state\":\"locked\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = id_of(5), .view = saw,
               .fields = "{\"visitors\":\"乙\"}");
    assert_verdict(out, LM_V_REFUSED, "locked_state");
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = id_of(5), .fields = "{\"visitors\":\"乙\"}");
    assert_verdict(out, LM_V_REFUSED, "locked_state");
}

static void transitions_from_a_state_left_meanwhile(void **state)
{
    struct lm_record *saw;
    struct lm_merge_out out;

    (void)state;
    active_person();
    saw = lm_record_copy(&w.arena, world_there(&w, P));
    for (size_t g = 0; g < saw->type->n_groups; g++) {
        saw->stamps[g] = saw->stamps[LM_GROUP_ORIGIN];
    }
    saw->fields[LM_C_STATE] = lm_value_text("submitted");
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P, .view = saw,
               .fields = "{\"state\":\"draft\"}");
    assert_verdict(out, LM_V_REFUSED, "wrong_state");
    assert_non_null(strstr(out.reason.zh, "草稿"));
    /* By two at once: the same. */
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = P, .view = saw,
               .fields = "{\"state\":\"active\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_int_equal(out.n_conflicts, 0);
    /* Allowed from where it is now: applied, and flagged. */
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = P, .view = saw,
               .fields = "{\"state\":\"cancelled\",\"close_note\":\"重复登记\"}");
    assert_verdict(out, LM_V_CONCURRENT, "");
    assert_field(out.record, "state", "cancelled");
    /* Not a way at all. */
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = P, .fields = "{\"state\":\"draft\"}");
    assert_verdict(out, LM_V_REFUSED, "bad_transition");
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = P, .fields = "{\"state\":null}");
    assert_verdict(out, LM_V_REFUSED, "bad_transition");
}

static void a_transition_over_a_guarded_edit_waits(void **state)
{
    struct lm_record *saw;
    struct lm_merge_out out;

    (void)state;
    member();
    saw = world_there(&w, M);
    SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = M, .fields = "{\"birth_year\":1960}");
    /* Nothing guarded has changed: it stands, and a person sees that something else had. */
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = M, .view = saw,
               .fields = "{\"state\":\"verified\"}");
    assert_verdict(out, LM_V_CONCURRENT, "");
    assert_field(out.record, "state", "verified");

    world_free(&w);
    world_init(&w, catalog);
    member();
    saw = world_there(&w, M);
    SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = M, .fields = "{\"name\":\"家属乙\"}");
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = M, .view = saw,
               .fields = "{\"state\":\"verified\"}");
    assert_verdict(out, LM_V_HELD, "confirm");
    assert_string_equal(out.waits_for, "");
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = M, .view = saw,
               .fields = "{\"state\":\"verified\"}", .released = true);
    assert_verdict(out, LM_V_CONCURRENT, "");
    assert_field(out.record, "state", "verified");
}

static void a_transition_sets_values_with_it(void **state)
{
    struct lm_merge_out out;

    (void)state;
    person();
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = P,
               .fields = "{\"state\":\"returned\",\"return_note\":\"请补电话\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = P,
               .fields = "{\"state\":\"submitted\",\"phone\":\"13900000000\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_true(out.as_sent);
    assert_field(out.record, "return_note", "请补电话");
}

/* ---- deletion ---- */

static void deletion(void **state)
{
    struct lm_record *saw;
    char at[LM_TIME_TEXT + 8];
    struct lm_merge_out out;

    (void)state;
    member();
    out = SEND(&w, .by = &A, .op = LM_OP_DELETE, .id = M);
    assert_verdict(out, LM_V_INVALID, "required");
    world_free(&w);
    world_init(&w, catalog);
    member();
    saw = world_there(&w, M);
    out = SEND(&w, .by = &A, .op = LM_OP_DELETE, .id = M,
               .fields = "{\"delete_reason\":\"重复登记\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_true(out.as_sent);
    assert_true(lm_record_deleted(out.record));
    assert_field(out.record, "delete_reason", "重复登记");
    /* Twice is once. */
    out = SEND(&w, .by = &A2, .op = LM_OP_DELETE, .id = M, .view = saw,
               .fields = "{\"delete_reason\":\"弄错\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_false(out.as_sent);
    assert_field(out.record, "delete_reason", "重复登记");
    /* An edit by who knew, and by who did not. */
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = M, .fields = "{\"birth_year\":1960}");
    assert_verdict(out, LM_V_REFUSED, "deleted");
    out = SEND(&w, .by = &A2, .op = LM_OP_EDIT, .id = M, .view = saw,
               .fields = "{\"birth_year\":1960}");
    assert_verdict(out, LM_V_CONCURRENT, "");
    assert_true(lm_record_deleted(out.record));
    assert_int_equal(lm_record_get(out.record, "birth_year")->i, 1960);
    assert_int_equal(out.n_conflicts, 1);
    assert_int_equal(out.conflicts[0].group, LM_GROUP_DELETED);
    assert_false(out.conflicts[0].change_stands);
    /* Who saw both says that the deletion is right: it stays what it was, and is stamped anew. */
    (void)snprintf(at, sizeof at, "%s", lm_record_text(out.record, LM_C_DELETED_AT));
    out = SEND(&w, .by = &A, .op = LM_OP_DELETE, .id = M, .fields = "{\"delete_reason\":\"另写\"}");
    assert_verdict(out, LM_V_APPLIED, "");
    assert_true(out.as_sent);
    assert_field(out.record, "delete_reason", "重复登记");
    assert_field(out.record, "deleted_at", at);
    /* Back again. */
    out = SEND(&w, .by = &B, .op = LM_OP_UNDELETE, .id = M);
    assert_verdict(out, LM_V_REFUSED, "not_your_record");
    out = SEND(&w, .by = &A, .op = LM_OP_UNDELETE, .id = M);
    assert_verdict(out, LM_V_APPLIED, "");
    assert_true(out.as_sent);
    assert_false(lm_record_deleted(out.record));
    assert_true(lm_value_is_null(lm_record_get(out.record, "delete_reason")));
}

static void deletion_over_an_unseen_edit(void **state)
{
    struct lm_record *saw;
    struct lm_merge_out out;

    (void)state;
    member();
    saw = world_there(&w, M);
    SEND(&w, .by = &A2, .op = LM_OP_EDIT, .id = M, .fields = "{\"birth_year\":1960}");
    out = SEND(&w, .by = &A, .op = LM_OP_DELETE, .id = M, .view = saw,
               .fields = "{\"delete_reason\":\"重复登记\"}");
    assert_verdict(out, LM_V_CONCURRENT, "");
    assert_false(lm_record_deleted(out.record));
    assert_int_equal(out.n_conflicts, 1);
    assert_int_equal(out.conflicts[0].group, LM_GROUP_DELETED);
    assert_true(
        lm_value_is(lm_value_member(&out.conflicts[0].change_value, "delete_reason"), "重复登记"));
    assert_false(lm_value_is_null(lm_value_member(&out.conflicts[0].change_value, "deleted_at")));
}

/* ---- references ---- */

static void references(void **state)
{
    char fields[400], waits[96];
    const char *occasion = lm_catalog_list(catalog, "occasion")->codes[0].code;
    struct lm_merge_out out;

    (void)state;
    member();
    (void)snprintf(fields, sizeof(fields),
                   "{\"name\":\"家属乙\",\"kin\":\"2\",\"person_id\":\"%s\"}", id_of(77));
    (void)snprintf(waits, sizeof(waits), "record:%s", id_of(77));
    out = SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "family_member", .id = id_of(6),
               .fields = fields);
    assert_verdict(out, LM_V_HELD, "reference");
    assert_string_equal(out.waits_for, waits);
    out = SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "family_member", .id = id_of(6),
               .fields = fields, .released = true);
    assert_verdict(out, LM_V_APPLIED, "");
    /* Only what is newly set is looked for. */
    out = SEND(&w, .by = &A, .op = LM_OP_EDIT, .id = id_of(6), .fields = "{\"birth_year\":1961}");
    assert_verdict(out, LM_V_APPLIED, "");
    (void)snprintf(fields, sizeof(fields),
                   "{\"name\":\"家属丙\",\"kin\":\"2\",\"person_id\":\"%s\"}", M);
    out = SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "family_member", .id = id_of(7),
               .fields = fields);
    assert_verdict(out, LM_V_REFUSED, "bad_reference");
    /* In a list: the one that is not there. */
    (void)snprintf(fields, sizeof(fields),
                   "{\"visit_on\":\"2026-01-04\",\"occasion\":\"%s\",\"occasion_year\":2026,"
                   "\"persons\":[\"%s\",\"%s\"],\"category_at_visit\":[{\"difficulty\":\"none\"},"
                   "{\"difficulty\":\"none\"}],\"visitors\":\"甲\",\"visitor_level\":\"village\"}",
                   occasion, P, id_of(78));
    (void)snprintf(waits, sizeof(waits), "record:%s", id_of(78));
    out = SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "visit", .id = id_of(8), .fields = fields);
    assert_verdict(out, LM_V_HELD, "reference");
    assert_string_equal(out.waits_for, waits);
    /* A record of the wrong type is refused even while another is missing. */
    (void)snprintf(fields, sizeof(fields),
                   "{\"visit_on\":\"2026-01-04\",\"occasion\":\"%s\",\"occasion_year\":2026,"
                   "\"persons\":[\"%s\",\"%s\"],\"category_at_visit\":[{\"difficulty\":\"none\"},"
                   "{\"difficulty\":\"none\"}],\"visitors\":\"甲\",\"visitor_level\":\"village\"}",
                   occasion, id_of(78), M);
    out = SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "visit", .id = id_of(8), .fields = fields);
    assert_verdict(out, LM_V_REFUSED, "bad_reference");
    /* Inside list elements. */
    (void)snprintf(fields, sizeof(fields),
                   "{\"received_on\":\"2026-01-04\",\"channel\":\"%s\",\"petitioners\":[{\"person_"
                   "id\":\"%s\"}],"
                   "\"head_count\":1,\"demand\":\"测试\"}",
                   lm_catalog_list(catalog, "petition_channel")->codes[0].code, id_of(79));
    out = SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "petition", .id = id_of(9),
               .fields = fields);
    assert_verdict(out, LM_V_HELD, "reference");
}

static void merged_persons_lead_in_no_circle(void **state)
{
    char fields[120];
    struct lm_merge_out out;

    (void)state;
    person();
    out = SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "person", .id = id_of(40),
               .fields = PERSON_FIELDS);
    assert_verdict(out, LM_V_APPLIED, "");
    (void)snprintf(fields, sizeof(fields), "{\"merged_into\":\"%s\"}", P);
    out = SEND(&w, .by = &SYSTEM, .op = LM_OP_EDIT, .id = P, .fields = fields);
    assert_verdict(out, LM_V_REFUSED, "bad_reference");
    out = SEND(&w, .by = &SYSTEM, .op = LM_OP_EDIT, .id = id_of(40), .fields = fields);
    assert_verdict(out, LM_V_APPLIED, "");
    (void)snprintf(fields, sizeof(fields), "{\"merged_into\":\"%s\"}", id_of(40));
    out = SEND(&w, .by = &SYSTEM, .op = LM_OP_EDIT, .id = P, .fields = fields);
    assert_verdict(out, LM_V_REFUSED, "cycle");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(verification_fills_registered_on),
        CASE(rules_refuse_the_town_and_mark_a_village),
        CASE(a_date_ahead_of_the_hub_is_invalid),
        CASE(frozen_fields),
        CASE(frozen_since_stays_and_the_rest_is_taken),
        CASE(an_edit_takes_back_a_verification_it_had_not_seen),
        CASE(a_locked_record_takes_nothing),
        CASE(transitions_from_a_state_left_meanwhile),
        CASE(a_transition_over_a_guarded_edit_waits),
        CASE(a_transition_sets_values_with_it),
        CASE(deletion),
        CASE(deletion_over_an_unseen_edit),
        CASE(references),
        CASE(merged_persons_lead_in_no_circle),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
