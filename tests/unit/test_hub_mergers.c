/* Villages merged (撤并): what becomes the other village's, what stays, and what comes late (P4,
 * P5, P6, P10). All of it or nothing, and `verify` finds the journal to say the same. */
#include "common/tables.h"
#include "hub/counts.h"
#include "hub/quality.h"
#include "tests/unit/hub_store_world.h"

#define VILLAGE_C "999999101203"
#define POST "01932f00-1111-7222-8333-444444444444"
#define DAY_BEFORE "2026-09-20"

static const struct lm_version nothing = {0, 0};

static void town(struct world *w, const char *type, const char *station, json_t *fields,
                 char id[40])
{
    const struct lm_act act = {
        .user = "admin", .type = type, .station = station, .fields = fields, .op = LM_OP_CREATE};
    struct lm_act_result out;

    memset(&err_, 0, sizeof err_);
    world_begin(w);
    OK(lm_store_act(w->store, &act, w->now, &out, &err_));
    world_commit(w);
    w->now += 1000;
    (void)snprintf(id, 40, "%s", out.id);
    json_decref(fields);
}

static enum lm_status merge(struct world *w, const char *code, const char *into, const char *on,
                            const char *reason)
{
    const struct lm_merge_villages act = {
        .user = "admin", .code = code, .into = into, .on = on, .reason = reason};
    json_t *out = NULL;
    enum lm_status status;

    memset(&err_, 0, sizeof err_);
    world_begin(w);
    status = lm_store_merge_villages(w->store, &act, w->now, &out, &err_);
    if (status == LM_OK) {
        world_commit(w);
    } else {
        lm_store_rollback(w->store);
    }
    json_decref(out);
    w->now += 1000;
    return status;
}

static json_t *preview(struct world *w)
{
    const struct lm_merge_villages act = {.code = VILLAGE_A, .into = VILLAGE_B, .on = DAY_BEFORE};
    json_t *out = NULL;

    world_begin(w);
    OK(lm_store_merge_villages_preview(w->store, &act, w->now, &out, &err_));
    lm_store_rollback(w->store);
    return out;
}

static int moving(const json_t *found, const char *type)
{
    size_t i;
    json_t *row;

    json_array_foreach(json_object_get(found, "moves"), i, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "type")), type) == 0) {
            return (int)json_integer_value(json_object_get(row, "n"));
        }
    }
    return 0;
}

static int kind_in_feed(struct world *w, struct pc *pc, const char *id)
{
    struct lm_msg_feed *page = lm_arena_alloc(&w->arena, sizeof *page);
    struct lm_cursor cursor = {0, ""};
    int found = -1;

    pc->replica.branch = pc->branch;
    do {
        OK(lm_store_feed(w->store, &pc->replica, &cursor, 0, &w->arena, page, &err_));
        for (size_t i = 0; i < page->n_entries; i++) {
            found = strcmp(page->entries[i].id, id) == 0 ? (int)page->entries[i].kind : found;
        }
        cursor = page->next;
    } while (!page->done);
    return found;
}

static const char *village(struct world *w, const char *type, const char *id)
{
    return text(get(w, type, id), "village_code");
}

static bool take_station(void *arg, const struct lm_record *rec)
{
    const struct lm_record **out = arg;

    *out = rec;
    return true;
}

static const struct lm_record *station_of(struct world *w, const char *code)
{
    const struct lm_where at = {.field = "area_code", .value = code};
    const struct lm_record *out = NULL;

    OK(lm_store_list(w->store, &w->arena, "station", NULL, &at, 1, take_station, &out, &err_));
    assert_non_null(out);
    return out;
}

static const char *closed_on(struct world *w, const char *code)
{
    return text(station_of(w, code), "closed_on");
}

static json_t *secretary(struct world *w, const char *from_on)
{
    return json_pack("{s:s,s:s,s:s,s:b,s:b,s:b,s:s}", "holder_name", "书记甲", "post",
                     "branch_secretary", "station_id_post", station_of(w, VILLAGE_A)->id,
                     "full_time", 1, "concurrent", 1, "is_veteran", 1, "from_on", from_on);
}

static json_t *aid(const char *person, const char *state, const char *paid_on)
{
    json_t *fields =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "type", "one_off", "person_id", person, "situation",
                  "s1", "reason", "家庭困难", "applied_on", "2026-02-01", "state", state);

    if (paid_on) {
        (void)json_object_update_new(fields,
                                     json_pack("{s:s,s:s,s:i,s:i,s:s}", "paid_on", paid_on,
                                               "county_doc_no", "批1", "amount_approved_fen", 50000,
                                               "amount_paid_fen", 50000, "form", "money"));
    }
    return fields;
}

static json_t *plaque(const char *household)
{
    return json_pack("{s:s,s:s,s:s,s:s}", "household_no", household, "hung_on", "2026-01-20",
                     "signed_by", "王建国", "change_kind", "new");
}

static void test_what_moves_and_what_stays(void **state)
{
    struct world *w = *state;
    char person[40], theirs[40], visit[40], open_aid[40], paid[40], post[40], plan[40], mine[40],
        other[40];
    json_t *fields, *found;

    (void)pc_person(w, &w->a, "王建国", 1, person);
    (void)pc_set(w, &w->a, "person", person, "household_no", "H1",
                 (struct lm_version){w->a.hlc, w->a.replica.number});
    (void)pc_person(w, &w->b, "李玉兰", 2, theirs);
    push_all(w, &w->b);
    new_id(w, visit);
    fields = visit_json(person);
    (void)pc_add(w, &w->a, "visit", visit, LM_OP_CREATE, fields, nothing);
    json_decref(fields);
    push_all(w, &w->a);
    town(w, "plaque", VILLAGE_A, plaque("H1"), mine);
    town(w, "plaque", VILLAGE_B, plaque("H1"), other); /* another household of that number */
    town(w, "aid_case", VILLAGE_A, aid(person, "applied", NULL), open_aid);
    town(w, "aid_case", VILLAGE_A, aid(person, "paid", "2026-03-01"), paid);
    town(w, "contact_plan", VILLAGE_A,
         json_pack("{s:s,s:s,s:s,s:s}", "person_id", person, "owner", POST, "frequency", "quarter",
                   "start_on", "2020-01-01"),
         plan);
    town(w, "staff_post", VILLAGE_A, secretary(w, "2020-01-01"), post);

    found = preview(w);
    assert_int_equal(moving(found, "person"), 1);
    assert_int_equal(moving(found, "aid_case"), 1);
    assert_int_equal(moving(found, "contact_plan"), 1);
    assert_int_equal(moving(found, "plaque"), 1);
    assert_int_equal(moving(found, "visit"), 0);
    assert_int_equal(json_integer_value(json_object_get(found, "posts")), 1);
    assert_int_equal(json_integer_value(json_object_get(found, "renumbered")), 2);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(found, "waits"), "pcs")),
                     1);
    json_decref(found);
    assert_string_equal(village(w, "person", person), VILLAGE_A); /* a preview */

    OK(merge(w, VILLAGE_A, VILLAGE_B, DAY_BEFORE, "民发〔2026〕1号"));
    assert_string_equal(village(w, "person", person), VILLAGE_B);
    assert_string_equal(text(get(w, "person", person), "household_village"), VILLAGE_B);
    assert_string_equal(text(get(w, "person", person), "household_no"), "201-H1");
    assert_string_equal(text(get(w, "plaque", mine), "household_no"), "201-H1");
    assert_string_equal(village(w, "plaque", mine), VILLAGE_B);
    assert_string_equal(text(get(w, "plaque", other), "household_no"), "H1");
    assert_string_equal(village(w, "aid_case", open_aid), VILLAGE_B);
    assert_string_equal(village(w, "contact_plan", plan), VILLAGE_B);
    assert_string_equal(village(w, "aid_case", paid), VILLAGE_A);
    assert_string_equal(village(w, "visit", visit), VILLAGE_A);
    assert_string_equal(text(get(w, "staff_post", post), "to_on"), DAY_BEFORE);
    assert_string_equal(closed_on(w, VILLAGE_A), DAY_BEFORE);
    assert_string_equal(closed_on(w, VILLAGE_B), "");
    assert_int_equal(kind_in_feed(w, &w->a, person), LM_ENTRY_GONE);
    assert_int_equal(kind_in_feed(w, &w->b, person), LM_ENTRY_BODY);
    assert_int_equal(kind_in_feed(w, &w->b, open_aid), LM_ENTRY_BODY);
    assert_int_equal(verify(w), 0);
}

/* A number that has no room for the village's digits stays, and who merges is told which: as far as
 * the other village has it too, two households would be taken for one. */
static void test_numbers_that_are_too_long(void **state)
{
    static const char longest[] = "东头一组东头一组东头一组一二三四", /* 16 with the digits: 20 */
        longer[] = "东头一组东头一组东头一组一二三四五";
    struct world *w = *state;
    char fits[40], same[40], alone[40], theirs[40];
    struct pc *a = &w->a, *b = &w->b;
    json_t *found, *kept;

    (void)pc_set(w, a, "person", fits, "household_no", longest, pc_person(w, a, "王建国", 1, fits));
    (void)pc_set(w, a, "person", same, "household_no", longer, pc_person(w, a, "赵大山", 3, same));
    (void)pc_set(w, a, "person", alone, "household_no", "12345678901234567",
                 pc_person(w, a, "孙小海", 5, alone));
    push_all(w, a);
    (void)pc_set(w, b, "person", theirs, "household_no", longer,
                 pc_person(w, b, "李玉兰", 2, theirs));
    push_all(w, b);
    found = preview(w);
    kept = json_object_get(found, "kept");
    assert_int_equal(json_integer_value(json_object_get(found, "renumbered")), 1);
    assert_int_equal(json_integer_value(json_object_get(found, "kept_n")), 2);
    assert_int_equal(json_array_size(kept), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = json_array_get(kept, i);
        bool is_same = strcmp(json_string_value(json_object_get(row, "id")), same) == 0;

        assert_string_equal(json_string_value(json_object_get(row, "type")), "person");
        assert_string_equal(json_string_value(json_object_get(row, "household_no")),
                            is_same ? longer : "12345678901234567");
        assert_int_equal(json_is_true(json_object_get(row, "taken")), is_same);
    }
    json_decref(found);
    OK(merge(w, VILLAGE_A, VILLAGE_B, DAY_BEFORE, "批复"));
    assert_int_equal(strncmp(text(get(w, "person", fits), "household_no"), "201-", 4), 0);
    assert_string_equal(text(get(w, "person", same), "household_no"), longer);
    assert_string_equal(village(w, "person", same), VILLAGE_B);
    assert_int_equal(verify(w), 0);
}

static void test_what_comes_late(void **state)
{
    struct world *w = *state;
    char person[40], late[40], visit[40];
    struct lm_station third = {.code = VILLAGE_C, .name = "南溪村", .level = "village"};
    struct lm_version made = pc_person(w, &w->a, "王建国", 1, person);
    json_t *fields;

    push_all(w, &w->a);
    /* Offline from here on. */
    (void)pc_set(w, &w->a, "person", person, "phone", "13800000001", made);
    (void)pc_person(w, &w->a, "赵大山", 3, late);
    new_id(w, visit);
    fields = visit_json(late);
    (void)pc_add(w, &w->a, "visit", visit, LM_OP_CREATE, fields, nothing);
    json_decref(fields);

    OK(merge(w, VILLAGE_A, VILLAGE_B, DAY_BEFORE, "批复"));
    push_all(w, &w->a);
    assert_string_equal(text(get(w, "person", person), "phone"), "13800000001");
    assert_string_equal(village(w, "person", person), VILLAGE_B);
    assert_string_equal(village(w, "person", late), VILLAGE_B);
    assert_string_equal(text(get(w, "person", late), "household_village"), VILLAGE_B);
    assert_string_equal(village(w, "visit", visit), VILLAGE_A);
    assert_int_equal(kind_in_feed(w, &w->b, late), LM_ENTRY_BODY);
    assert_int_equal(totals(w).returned + totals(w).held, 0);

    /* And when the other one is merged in turn: from both. */
    world_begin(w);
    OK(lm_store_station_add(w->store, "admin", &third, w->now, &err_));
    world_commit(w);
    OK(merge(w, VILLAGE_B, VILLAGE_C, DAY_BEFORE, "批复"));
    assert_string_equal(village(w, "person", late), VILLAGE_C);
    (void)pc_person(w, &w->a, "孙小海", 5, late);
    push_all(w, &w->a);
    assert_string_equal(village(w, "person", late), VILLAGE_C);

    /* A new database knows it from the journal alone, a new process from the table. */
    assert_int_equal(verify(w), 0);
    lm_store_close(&w->store);
    world_open(w);
    (void)pc_person(w, &w->a, "周水生", 7, late);
    push_all(w, &w->a);
    assert_string_equal(village(w, "person", late), VILLAGE_C);
    assert_int_equal(verify(w), 0);
}

static void test_a_transfer_entered_before(void **state)
{
    struct world *w = *state;
    char person[40], event[40];
    struct lm_station third = {.code = VILLAGE_C, .name = "南溪村", .level = "village"};
    json_t *fields = json_pack("{s:s}", "state", "verified");
    struct lm_act act = {.user = "clerk", .id = event, .fields = fields, .op = LM_OP_EDIT};
    struct lm_act_result out;

    world_begin(w);
    OK(lm_store_station_add(w->store, "admin", &third, w->now, &err_));
    world_commit(w);
    (void)pc_person(w, &w->a, "王建国", 1, person);
    push_all(w, &w->a);
    town(w, "residency_event", VILLAGE_A,
         json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "person_id", person, "kind", "transfer",
                   "event_on", "2026-09-10", "from_village", VILLAGE_A, "to_village", VILLAGE_C,
                   "proof", POST, "state", "submitted"),
         event);
    OK(merge(w, VILLAGE_A, VILLAGE_B, DAY_BEFORE, "批复"));
    world_begin(w);
    OK(lm_store_act(w->store, &act, w->now, &out, &err_));
    world_commit(w);
    json_decref(fields);
    assert_string_equal(village(w, "person", person), VILLAGE_C);
    assert_int_equal(verify(w), 0);
}

/* Fields that say that a village was merged are not set by an edit, whoever makes it. */
static void by_hand(struct world *w, const char *id, json_t *fields)
{
    const struct lm_act act = {.user = "clerk", .id = id, .fields = fields, .op = LM_OP_EDIT};
    struct lm_act_result out;

    world_begin(w);
    assert_int_equal(lm_store_act(w->store, &act, w->now, &out, &err_), LM_ERR_DENIED);
    assert_string_equal(err_.code, "use_merger");
    lm_store_rollback(w->store);
    json_decref(fields);
}

/* There is no undoing; but the village may be made to exist again, and people moved one by one. */
static void test_the_village_exists_again(void **state)
{
    struct world *w = *state;
    char person[40], late[40], event[40], former[40];
    const struct lm_where at = {.field = "code", .value = VILLAGE_A};
    const struct lm_record *area = NULL;
    json_t *none = json_pack("{s:n,s:n,s:n}", "valid_to", "end_kind", "successor_code");
    struct lm_act act = {.user = "clerk", .fields = none, .op = LM_OP_EDIT};
    struct lm_act_result out;

    (void)pc_person(w, &w->a, "王建国", 1, person);
    push_all(w, &w->a);
    OK(merge(w, VILLAGE_A, VILLAGE_B, DAY_BEFORE, "批复"));
    OK(lm_store_list(w->store, &w->arena, "area_unit", NULL, &at, 1, take_station, &area, &err_));
    act.id = area->id;
    by_hand(w, area->id, json_pack("{s:s}", "successor_code", VILLAGE_C));
    by_hand(w, area->id, json_pack("{s:s}", "valid_to", "2026-01-01"));
    world_begin(w);
    OK(lm_store_act(w->store, &act, w->now, &out, &err_));
    world_commit(w);
    json_decref(none);
    by_hand(w, area->id,
            json_pack("{s:s,s:s,s:s}", "valid_to", DAY_BEFORE, "end_kind", "merged",
                      "successor_code", VILLAGE_B));
    town(w, "area_unit", VILLAGE_B,
         json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "parent_code", "999999101000", "code",
                   "999999101299", "name", "从前的村", "level", "village", "valid_from",
                   "2000-01-01", "valid_to", "2010-12-31", "end_kind", "merged", "successor_code",
                   VILLAGE_B),
         former);
    by_hand(w, former, json_pack("{s:s}", "code", VILLAGE_A));
    (void)pc_person(w, &w->a, "赵大山", 3, late);
    push_all(w, &w->a);
    assert_string_equal(village(w, "person", late), VILLAGE_A);
    town(w, "residency_event", VILLAGE_B,
         json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "person_id", person, "kind", "transfer",
                   "event_on", "2026-09-21", "from_village", VILLAGE_B, "to_village", VILLAGE_A,
                   "proof", POST, "state", "submitted"),
         event);
    none = json_pack("{s:s}", "state", "verified");
    act.id = event;
    act.fields = none;
    world_begin(w);
    OK(lm_store_act(w->store, &act, w->now, &out, &err_));
    world_commit(w);
    json_decref(none);
    assert_string_equal(village(w, "person", person), VILLAGE_A);
    assert_int_equal(verify(w), 0);
}

static bool take_check(void *arg, const json_t *row)
{
    if (strcmp(json_string_value(json_object_get(row, "check")), "in_merged") == 0) {
        assert_string_equal(json_string_value(json_object_get(row, "type")), "plaque");
        *(json_int_t *)arg += json_integer_value(json_object_get(row, "n"));
    }
    return true;
}

/* What comes late and clashes with what the other village has stays, and is found. */
static void test_what_stays_behind_is_found(void **state)
{
    struct world *w = *state;
    json_int_t n = 0;
    char theirs[40], late[40];

    town(w, "plaque", VILLAGE_B,
         json_pack("{s:s,s:s,s:s}", "household_no", "201-12", "hung_on", "2025-01-20", "signed_by",
                   "乙"),
         theirs);
    OK(merge(w, VILLAGE_A, VILLAGE_B, DAY_BEFORE, "批复"));
    OK(lm_store_quality(w->store, w->now, take_check, &n, &err_));
    assert_int_equal(n, 0);
    town(w, "plaque", VILLAGE_A,
         json_pack("{s:s,s:s,s:s}", "household_no", "12", "hung_on", "2025-01-20", "signed_by",
                   "甲"),
         late);
    assert_string_equal(village(w, "plaque", late), VILLAGE_A);
    OK(lm_store_quality(w->store, w->now, take_check, &n, &err_));
    assert_int_equal(n, 1);
    assert_int_equal(verify(w), 0);
}

static void refused(struct world *w, enum lm_status expected, const char *code, const char *name,
                    const char *into, const char *on, const char *reason)
{
    assert_int_equal(merge(w, code, into, on, reason), expected);
    assert_string_equal(err_.code, name);
}

static void test_refused_whole(void **state)
{
    struct world *w = *state;
    char person[40], post[40];
    json_t *found;

    (void)pc_person(w, &w->a, "王建国", 1, person);
    push_all(w, &w->a);
    refused(w, LM_ERR_NOT_FOUND, "999999101299", "no_station", VILLAGE_B, DAY_BEFORE, "批复");
    refused(w, LM_ERR_INVALID, VILLAGE_A, "no_station", TOWN, DAY_BEFORE, "批复");
    refused(w, LM_ERR_INVALID, VILLAGE_A, "same_village", VILLAGE_A, DAY_BEFORE, "批复");
    refused(w, LM_ERR_INVALID, VILLAGE_A, "future_date", VILLAGE_B, "2026-10-01", "批复");
    refused(w, LM_ERR_INVALID, VILLAGE_A, "bad_date", VILLAGE_B, "2026-02-30", "批复");
    refused(w, LM_ERR_INVALID, VILLAGE_A, "required", VILLAGE_B, DAY_BEFORE, " ");
    town(w, "staff_post", VILLAGE_A, secretary(w, "2026-09-21"),
         post); /* begins after the village's last day: cannot end on it */
    refused(w, LM_ERR_INVALID, VILLAGE_A, "not_moved", VILLAGE_B, DAY_BEFORE, "批复");
    assert_non_null(strstr(err_.en, post));
    found = preview(w); /* says so before */
    assert_int_equal(json_integer_value(json_object_get(found, "left_n")), 1);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(json_object_get(found, "left"), 0), "id")),
        post);
    assert_int_equal(moving(found, "person"), 1);
    json_decref(found);
    assert_string_equal(village(w, "person", person), VILLAGE_A);
    assert_string_equal(closed_on(w, VILLAGE_A), "");

    OK(merge(w, VILLAGE_A, VILLAGE_B, "2026-09-21", "批复"));
    refused(w, LM_ERR_EXISTS, VILLAGE_A, "merged", VILLAGE_B, DAY_BEFORE, "批复");
    refused(w, LM_ERR_INVALID, VILLAGE_B, "merged", VILLAGE_A, DAY_BEFORE, "批复");
    assert_int_equal(verify(w), 0);
}

static void covers(struct world *w, const char *to, int stations, int complete, int stale)
{
    json_t *doc = NULL;

    OK(lm_coverage(w->store, to, w->now, &doc, &err_));
    assert_int_equal(json_integer_value(json_object_get(doc, "stations")), stations);
    assert_int_equal(json_integer_value(json_object_get(doc, "complete")), complete);
    assert_int_equal(json_array_size(json_object_get(doc, "stale")), stale);
    json_decref(doc);
}

static void test_coverage_waits_for_its_last_day(void **state)
{
    struct world *w = *state;
    char person[40];

    (void)pc_person(w, &w->a, "王建国", 1, person);
    push_all(w, &w->a);
    (void)pc_person(w, &w->b, "李玉兰", 2, person);
    push_all(w, &w->b);
    w->now += 10 * 86400000LL; /* 2026-10-01; both were heard of on 09-21 */
    (void)pc_person(w, &w->b, "孙玉梅", 4, person);
    push_all(w, &w->b);
    covers(w, NULL, 2, 1, 1);
    OK(merge(w, VILLAGE_A, VILLAGE_B, "2026-09-30", "批复"));
    covers(w, NULL, 2, 1, 1); /* what it had until then is not known to be here */
    covers(w, "2026-09-20", 2, 2, 0);
    (void)pc_person(w, &w->a, "赵大山", 3, person);
    push_all(w, &w->a);
    covers(w, NULL, 1, 1, 0); /* now it is, and nothing more is awaited */
    w->now += 60 * 86400000LL;
    covers(w, NULL, 1, 0, 1);         /* the other one is silent; the merged one is not missed */
    covers(w, "2026-09-20", 2, 2, 0); /* then it was a village */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_moves_and_what_stays, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_numbers_that_are_too_long, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_what_comes_late, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_a_transfer_entered_before, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_the_village_exists_again, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_refused_whole, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(test_what_stays_behind_is_found, world_setup,
                                        world_teardown),
        cmocka_unit_test_setup_teardown(test_coverage_waits_for_its_last_day, world_setup,
                                        world_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
