/* What the town's consent to a change request (变更申请) does: the new value stands in the record
 * that it is about, in the same transaction; or nothing does, and who agreed is told why. `verify`
 * finds the journal to say the same, and a hub that went back is given back both. */
#include "tests/unit/hub_store_world.h"

#include "proto/feed.h"

static const struct lm_version nothing = {0, 0};

static enum lm_status act_op(struct world *w, const char *id, const char *type, enum lm_op op,
                             json_t *fields, char out_id[40])
{
    const struct lm_act a = {.user = "王芳",
                             .type = type,
                             .id = id,
                             .station = type ? VILLAGE_A : NULL,
                             .fields = fields,
                             .op = op};
    struct lm_act_result out;
    enum lm_status status;

    memset(&err_, 0, sizeof err_);
    world_begin(w);
    status = lm_store_act(w->store, &a, w->now, &out, &err_);
    world_commit(w);
    w->now += 1000;
    if (out_id) {
        (void)snprintf(out_id, 40, "%s", out.id);
    }
    json_decref(fields);
    return status;
}

static enum lm_status edit(struct world *w, const char *id, json_t *fields)
{
    return act_op(w, id, NULL, LM_OP_EDIT, fields, NULL);
}

static enum lm_status agree(struct world *w, const char *id)
{
    return edit(w, id, json_pack("{s:s,s:s}", "decision", "approved", "state", "verified"));
}

static void set_text(struct world *w, const char *id, const char *field, const char *value)
{
    OK(edit(w, id, json_pack("{s:s}", field, value)));
}

/* A file on the register: what identifies a person there is not the village's to change. */
static void on_register(struct world *w, const char *name, int order, char id[40])
{
    (void)pc_person(w, &w->a, name, order, id);
    push_all(w, &w->a);
    OK(act_op(w, NULL, "person_identity", LM_OP_CREATE,
              json_pack("{s:s,s:s}", "person_id", id, "code", "04"), NULL));
    OK(edit(w, id,
            json_pack("{s:s,s:s,s:s,s:s}", "household_no", "H1", "notice_at", "2025-01-05",
                      "legal_basis", "duty", "state", "active")));
}

/* What the village hands in, without a word about whether it is taken. */
static struct lm_version hand_in(struct world *w, const char *person, const char *field,
                                 const char *old, const char *new, char id[40])
{
    char target[64];
    json_t *fields;
    struct lm_version made;

    (void)snprintf(target, sizeof target, "person:%s", person);
    fields = json_pack("{s:s,s:s,s:s,s:s,s:s}", "target", target, "field", field, "new_value", new,
                       "reason", "户口本上写错了", "state", "submitted");
    if (old) {
        (void)json_object_set_new(fields, "old_value", json_string(old));
    }
    new_id(w, id);
    made = pc_add(w, &w->a, "change_request", id, LM_OP_CREATE, fields, nothing);
    json_decref(fields);
    push_all(w, &w->a);
    return made;
}

static const char *of(struct world *w, const char *type, const char *id, const char *field)
{
    return text(get(w, type, id), field);
}

static void ask_good(struct world *w, const char *person, const char *field, const char *old,
                     const char *new, char id[40])
{
    (void)hand_in(w, person, field, old, new, id);
    assert_false(get(w, "change_request", id)->invalid);
    assert_string_equal(of(w, "change_request", id, "state"), "submitted");
}

static int kind_in_feed(struct world *w, struct pc *pc, const char *id)
{
    struct lm_msg_feed *page = lm_arena_alloc(&w->arena, sizeof *page);
    struct lm_cursor cursor = {0, ""};

    pc->replica.branch = pc->branch;
    do {
        OK(lm_store_feed(w->store, &pc->replica, &cursor, 0, &w->arena, page, &err_));
        for (size_t i = 0; i < page->n_entries; i++) {
            if (strcmp(page->entries[i].id, id) == 0) {
                return (int)page->entries[i].kind;
            }
        }
        cursor = page->next;
    } while (!page->done);
    return -1;
}

static void test_agreed(void **state)
{
    struct world *w = *state;
    char person[40], id[40];
    struct rows rows = {.all = json_array()};
    const json_t *last;

    on_register(w, "张建国", 1, person);
    ask_good(w, person, "name", "张建国", "张建军", id);
    assert_string_equal(of(w, "person", person, "name"), "张建国"); /* not on its word alone */
    OK(agree(w, id));
    assert_string_equal(of(w, "change_request", id, "state"), "verified");
    assert_string_equal(of(w, "person", person, "name"), "张建军");
    assert_int_equal(kind_in_feed(w, &w->a, person), LM_ENTRY_BODY);

    OK(lm_store_history(w->store, person, collect, &rows, &err_));
    last = json_array_get(rows.all, json_array_size(rows.all) - 1);
    assert_string_equal(json_string_value(json_object_get(last, "user")), "王芳"); /* who agreed */
    assert_string_equal(json_string_value(json_object_get(json_object_get(last, "fields"), "name")),
                        "张建军");
    json_decref(rows.all);

    OK(agree(w, id)); /* the same again: nothing more */
    assert_int_equal(verify(w), 0);
}

static void test_agreed_stays(void **state)
{
    struct world *w = *state;
    char person[40], id[40];
    struct lm_version made;

    on_register(w, "张建国", 1, person);
    made = hand_in(w, person, "name", "张建国", "张建军", id);
    OK(agree(w, id));
    assert_int_equal(
        edit(w, id, json_pack("{s:s,s:s}", "state", "returned", "return_note", "有误")),
        LM_ERR_INVALID);
    assert_string_equal(err_.code, "in_force");
    assert_int_equal(edit(w, id, json_pack("{s:s}", "new_value", "张建民")), LM_ERR_INVALID);
    assert_string_equal(err_.code, "in_force");
    assert_string_equal(of(w, "change_request", id, "new_value"), "张建军");

    /* What the village wrote before it knew opens the request again, and what it asked for stays.
     */
    (void)pc_set(w, &w->a, "change_request", id, "reason", "身份证上是建军", made);
    push_all(w, &w->a);
    assert_string_equal(of(w, "person", person, "name"), "张建军");
    if (strcmp(of(w, "change_request", id, "state"), "submitted") == 0) {
        OK(agree(w, id)); /* the file holds it already */
    }
    assert_string_equal(of(w, "change_request", id, "state"), "verified");
    assert_string_equal(of(w, "person", person, "name"), "张建军");
    assert_int_equal(verify(w), 0);
}

static void test_not_agreed(void **state)
{
    struct world *w = *state;
    char person[40], id[40];

    on_register(w, "张建国", 1, person);
    ask_good(w, person, "name", "张建国", "张建军", id);
    assert_int_equal(
        edit(w, id, json_pack("{s:s,s:s}", "decision", "refused", "state", "verified")),
        LM_ERR_INVALID);
    assert_string_equal(err_.code, "say_why");
    OK(edit(w, id,
            json_pack("{s:s,s:s,s:s}", "decision", "refused", "state", "verified", "return_note",
                      "身份证上是张建国")));
    assert_string_equal(of(w, "change_request", id, "state"), "verified");
    assert_string_equal(of(w, "change_request", id, "return_note"), "身份证上是张建国");
    assert_string_equal(of(w, "person", person, "name"), "张建国");
    assert_int_equal(kind_in_feed(w, &w->a, id), LM_ENTRY_BODY);
    assert_int_equal(verify(w), 0);
}

/* Not agreed to, for that reason, and nothing is half done; it can be sent back. */
static void cannot(struct world *w, const char *id, const char *code)
{
    assert_int_equal(agree(w, id), LM_ERR_INVALID);
    assert_string_equal(err_.code, code);
    assert_string_equal(of(w, "change_request", id, "state"), "submitted");
    assert_string_equal(of(w, "change_request", id, "decision"), "");
    OK(edit(w, id, json_pack("{s:s,s:s}", "state", "returned", "return_note", "请核对")));
    assert_string_equal(of(w, "change_request", id, "state"), "returned");
}

static void test_stale(void **state)
{
    struct world *w = *state;
    char person[40], id[40], second[40];

    on_register(w, "张建国", 1, person);
    ask_good(w, person, "name", "张建国", "张建军", id);
    set_text(w, person, "name", "张国建");
    cannot(w, id, "stale_value");
    assert_string_equal(of(w, "person", person, "name"), "张国建");

    /* Two for one field: the first is agreed to, the other speaks of what was. */
    ask_good(w, person, "name", "张国建", "张建军", id);
    ask_good(w, person, "name", "张国建", "张建民", second);
    OK(agree(w, id));
    cannot(w, second, "stale_value");
    assert_string_equal(of(w, "person", person, "name"), "张建军");

    /* And one that asks for what stands there by now is done. */
    ask_good(w, person, "name", "张建军", "张军", id);
    ask_good(w, person, "name", "张建军", "张军", second);
    OK(agree(w, id));
    OK(agree(w, second));
    assert_string_equal(of(w, "person", person, "name"), "张军");
    assert_int_equal(verify(w), 0);
}

static void test_target_gone(void **state)
{
    struct world *w = *state;
    char person[40], kept[40], moved[40], id[40];
    struct lm_act system = {.user = "", .op = LM_OP_EDIT, .by_system = true, .id = moved};
    struct lm_act_result out;
    json_t *to = json_pack("{s:s}", "village_code", VILLAGE_B);

    on_register(w, "张建国", 1, person);
    ask_good(w, person, "name", "张建国", "张建军", id);
    OK(act_op(w, person, NULL, LM_OP_DELETE, json_pack("{s:s}", "delete_reason", "重复"), NULL));
    cannot(w, id, "deleted");
    OK(act_op(w, person, NULL, LM_OP_UNDELETE, NULL, NULL));

    on_register(w, "张建国", 2, kept);
    ask_good(w, person, "name", "张建国", "张建军", id);
    world_begin(w);
    OK(lm_store_merge(w->store, "王芳", person, kept, w->now, &out, &err_));
    world_commit(w);
    w->now += 1000;
    cannot(w, id, "merged");
    assert_string_equal(of(w, "person", kept, "name"), "张建国");

    on_register(w, "李玉兰", 3, moved);
    ask_good(w, moved, "name", "李玉兰", "李玉芳", id);
    system.fields = to;
    world_begin(w);
    OK(lm_store_act(w->store, &system, w->now, &out, &err_));
    world_commit(w);
    w->now += 1000;
    json_decref(to);
    cannot(w, id, "other_village");
    assert_string_equal(of(w, "person", moved, "name"), "李玉兰");
    assert_int_equal(verify(w), 0);
}

/* An ID number brings the date of birth and the sex that it says; one that another file of the
 * village has is not written. */
static void test_id_number(void **state)
{
    struct world *w = *state;
    char person[40], other[40], id[40], mine[19], theirs[19], good[19] = "99999919530901001";

    idno(1, mine);
    idno(2, theirs);
    good[17] = lm_idno_check_char(good);
    good[18] = '\0';
    on_register(w, "张建国", 1, person);
    on_register(w, "李玉兰", 2, other);
    ask_good(w, person, "id_no", mine, theirs, id);
    cannot(w, id, "not_unique");
    assert_string_equal(of(w, "person", person, "id_no"), mine);
    assert_string_equal(of(w, "person", person, "sex"), "1");

    ask_good(w, person, "id_no", mine, good, id);
    OK(agree(w, id));
    assert_string_equal(of(w, "person", person, "id_no"), good);
    assert_string_equal(of(w, "person", person, "birth_on"), "1953-09-01");
    assert_int_equal(verify(w), 0);
}

static void refused_at(struct world *w, const char *person, const char *field, const char *old,
                       const char *new, const char *at, const char *code)
{
    char id[40];
    const struct lm_record *rec;

    (void)hand_in(w, person, field, old, new, id);
    rec = get(w, "change_request", id);
    assert_non_null(rec);
    assert_true(rec->invalid);
    assert_string_equal(rec->issue_field, at);
    assert_string_equal(rec->issue_code, code);
    if (strcmp(code, "needless") != 0) { /* nobody agrees to what is wrong by itself */
        assert_int_not_equal(agree(w, id), LM_OK);
    }
    assert_string_equal(of(w, "person", person, "name"), "张建国");
    OK(edit(w, id,
            json_pack("{s:s,s:s,s:s}", "decision", "refused", "state", "verified", "return_note",
                      "填错了")));
}

static void test_entry(void **state)
{
    struct world *w = *state;
    char person[40], theirs[40], id[40], mine[19];

    idno(1, mine);
    on_register(w, "张建国", 1, person);
    refused_at(w, person, "no_such_field", "张建国", "张建军", "field", "unknown_field");
    refused_at(w, person, "dup_key", NULL, "00", "field", "unknown_field");
    refused_at(w, person, "phone", NULL, "13800000001", "field", "needless");
    refused_at(w, person, "name", "张建", "张建军", "old_value", "stale_value");
    refused_at(w, person, "name", "张建国", "张建国", "new_value", "no_change");
    refused_at(w, person, "birth_on", "1953-08-01", "1953-13-01", "new_value", "bad_date");
    refused_at(w, person, "birth_on", "1953-08-01", "1954-08-01", "new_value", "id_birth_mismatch");
    refused_at(w, person, "sex", "1", "7", "new_value", "bad_code");
    refused_at(w, person, "id_no", mine, "999999195308010014", "new_value", "bad_check_digit");

    /* Town only, and empty so far. */
    ask_good(w, person, "bank_account", NULL, "6222000000000000001", id);
    OK(agree(w, id));
    assert_string_equal(of(w, "person", person, "bank_account"), "6222000000000000001");

    /* Another village's file; and one that nobody has yet waits, as every reference does. */
    (void)pc_person(w, &w->b, "李玉兰", 2, theirs);
    push_all(w, &w->b);
    (void)hand_in(w, theirs, "name", "李玉兰", "李玉芳", id);
    assert_true(get(w, "change_request", id)->invalid);
    assert_string_equal(get(w, "change_request", id)->issue_code, "other_village");
    new_id(w, theirs);
    (void)hand_in(w, theirs, "name", "李玉兰", "李玉芳", id);
    assert_null(get(w, "change_request", id));
    assert_int_equal(totals(w).held, 1);
    assert_int_equal(verify(w), 0);
}

/* ---- a hub that went back ---- */

static void copy_database(const struct world *w, const char *from, const char *to)
{
    char a[128], b[128], *bytes = NULL;
    size_t n = 0;

    (void)snprintf(a, sizeof a, "%s/%s", w->path, from);
    (void)snprintf(b, sizeof b, "%s/%s", w->path, to);
    OK(lm_file_read(a, 64 * 1024 * 1024, &bytes, &n, &err_));
    OK(lm_file_write(b, bytes, n, 0600, &err_));
    free(bytes);
}

static void offer(struct world *w, const char *type, const char *id, const struct lm_record *rec)
{
    struct lm_buf body;
    struct lm_offer item = {0};
    struct lm_msg_offer m = {.items = &item, .n = 1};
    char last[40];
    (void)type;

    lm_buf_init(&body, LM_FRAME_BYTES_MAX);
    lm_body_pack(&body, rec);
    assert_int_equal(body.status, LM_OK);
    item.body = body.data;
    item.len = body.len;
    (void)snprintf(item.id, sizeof item.id, "%s", id);
    world_begin(w);
    OK(lm_store_recover(w->store, &w->a.replica, &m, w->now, last, &err_));
    world_commit(w);
    lm_buf_free(&body);
}

/* both: the file was given back as well; else only the request, and the file follows from it. */
static void went_back(struct world *w, bool both)
{
    char person[40], id[40];
    struct lm_record *request, *file;
    struct lm_recovered_result out;

    on_register(w, "张建国", 1, person);
    ask_good(w, person, "name", "张建国", "张建军", id);
    lm_store_close(&w->store);
    copy_database(w, "hub.db", "kept.db");
    world_open(w);
    w->now += 60000;
    OK(agree(w, id));
    request = get(w, "change_request", id);
    file = get(w, "person", person);
    file->fields[lm_type_field(file->type, "dup_key")->index] = lm_value_null();
    w->now += 60000;
    lm_store_close(&w->store);
    copy_database(w, "kept.db", "hub.db");
    world_open(w);
    OK(lm_store_new_incarnation(w->store, "", "restored", w->now, &err_));
    assert_string_equal(of(w, "person", person, "name"), "张建国");

    offer(w, "change_request", id, request);
    if (both) {
        offer(w, "person", person, file);
    }
    world_begin(w);
    OK(lm_store_recovered_decide(w->store, 0, true, "李职员", w->now, &out, &err_));
    world_commit(w);
    assert_int_equal(out.left, 0);
    assert_string_equal(of(w, "change_request", id, "state"), "verified");
    assert_string_equal(of(w, "person", person, "name"), "张建军");
    assert_int_equal(totals(w).conflicts, 0);
    assert_int_equal(verify(w), 0);
}

static void test_both_given_back(void **state)
{
    went_back(*state, true);
}

static void test_request_given_back(void **state)
{
    went_back(*state, false);
}

static bool take_row(void *arg, const json_t *row)
{
    return json_array_append(arg, (json_t *)(uintptr_t)row) == 0;
}

/* Of the one open conflict of `id`: the number of the version that does not stand. */
static int other_version(struct world *w, const char *id, char conflict[80])
{
    json_t *rows = json_array(), *sibling;
    int n = 0;
    size_t i;

    OK(lm_store_conflicts(w->store, take_row, rows, &err_));
    assert_int_equal(json_array_size(rows), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "record")), id);
    (void)snprintf(conflict, 80, "%s",
                   json_string_value(json_object_get(json_array_get(rows, 0), "id")));
    json_array_foreach(json_object_get(json_array_get(rows, 0), "siblings"), i, sibling)
    {
        if (!json_is_true(json_object_get(sibling, "stands"))) {
            n = (int)json_integer_value(json_object_get(sibling, "n"));
        }
    }
    json_decref(rows);
    return n;
}

static enum lm_status resolve(struct world *w, const char *conflict, int keep)
{
    struct lm_act_result out;
    enum lm_status status;

    world_begin(w);
    status = lm_store_resolve(w->store, "王芳", conflict, keep, w->now, &out, &err_);
    world_commit(w);
    w->now += 1000;
    return status;
}

/* What a clerk agrees to is what she sees: it does not change under her hand, is not one of two,
 * and no version of it is chosen afterwards. */
static void test_two_sides(void **state)
{
    struct world *w = *state;
    char person[40], id[40], conflict[80];
    struct lm_version made;
    int n;

    on_register(w, "张建国", 1, person);
    made = hand_in(w, person, "name", "张建国", "张建军", id);
    (void)pc_set(w, &w->a, "change_request", id, "new_value", "张建民", made);
    push_all(w, &w->a);
    assert_string_equal(of(w, "change_request", id, "new_value"), "张建军");
    assert_int_equal(w->pushed.verdicts[0].verdict, LM_V_REFUSED);

    OK(edit(w, id, json_pack("{s:s,s:s}", "state", "returned", "return_note", "请核对")));
    made = get(w, "change_request", id)->stamps[LM_GROUP_STATE].version; /* the village sees it */
    set_text(w, id, "new_value", "张国军");
    (void)pc_set(w, &w->a, "change_request", id, "new_value", "张建民", made);
    push_all(w, &w->a);
    n = other_version(w, id, conflict);
    OK(edit(w, id, json_pack("{s:s}", "state", "submitted")));
    assert_int_equal(agree(w, id), LM_ERR_INVALID);
    assert_string_equal(err_.code, "open_conflict");
    assert_string_equal(of(w, "person", person, "name"), "张建国");
    OK(resolve(w, conflict, n));
    OK(agree(w, id));
    assert_string_equal(of(w, "person", person, "name"), of(w, "change_request", id, "new_value"));
    assert_int_equal(verify(w), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_agreed),    T(test_agreed_stays),    T(test_not_agreed),
        T(test_stale),     T(test_target_gone),     T(test_id_number),
        T(test_entry),     T(test_both_given_back), T(test_request_given_back),
        T(test_two_sides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
