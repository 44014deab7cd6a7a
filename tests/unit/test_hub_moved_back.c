/* The hub went back to before a record moved to another village, by a transfer or because villages
 * merged (P4, P7): what the new village has written since waits for that move and is not sent back;
 * and what nodes gave back of it can be accepted in one go. Nobody gets at another's record that
 * way, nor fills the list of what waits (P11, P12). */
#include "tests/unit/went_back_world.h"

#include "hub/counts.h"
#include "hub/store/store_internal.h"
#include "proto/feed.h"

#define PROOF "01932f00-1111-7222-8333-444444444444"
#define DAY_MS 86400000LL

static const struct lm_version nothing = {0, 0};

/* ---- what people and PCs do ---- */

static void town_act(struct world *w, const char *id, const char *type, const char *station,
                     json_t *fields, char out_id[40])
{
    const struct lm_act act = {.user = "李职员",
                               .type = id ? NULL : type,
                               .id = id,
                               .station = station,
                               .fields = fields,
                               .op = id ? LM_OP_EDIT : LM_OP_CREATE};
    struct lm_act_result out;

    world_begin(w);
    OK(lm_store_act(w->store, &act, w->now, &out, &err_));
    world_commit(w);
    w->now += 1000;
    if (out_id) {
        (void)snprintf(out_id, 40, "%s", out.id);
    }
    json_decref(fields);
}

static void release(struct world *w, const char *person, char id[40])
{
    json_t *fields = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "person_id", person, "kind",
                               "transfer", "event_on", "2026-09-10", "from_village", VILLAGE_A,
                               "to_village", VILLAGE_B, "proof", PROOF, "state", "submitted");

    new_id(w, id);
    (void)pc_add(w, &w->a, "residency_event", id, LM_OP_CREATE, fields, nothing);
    json_decref(fields);
    push_all(w, &w->a);
}

static void confirm(struct world *w, const char *event)
{
    town_act(w, event, NULL, NULL, json_pack("{s:s}", "state", "verified"), NULL);
}

static void merge_villages(struct world *w)
{
    const struct lm_merge_villages act = {.user = "admin",
                                          .code = VILLAGE_A,
                                          .into = VILLAGE_B,
                                          .on = "2026-09-20",
                                          .reason = "民发〔2026〕1号"};
    json_t *out = NULL;

    world_begin(w);
    OK(lm_store_merge_villages(w->store, &act, w->now, &out, &err_));
    world_commit(w);
    w->now += 1000;
    json_decref(out);
}

/* An edit with the bases that a node's program gives it over a copy of the record as it is here. */
static void pc_edits(struct world *w, struct pc *pc, const char *type, const char *id,
                     const char *field, const char *value)
{
    const struct lm_record *rec = get(w, type, id);
    struct lm_change change = {.type = type,
                               .op = LM_OP_EDIT,
                               .user = "李明",
                               .catalog = w->catalog->number,
                               .offset_known = true};
    struct lm_buf *buf = &pc->outbox[pc->n];
    struct lm_fieldset set = {.n = 0};
    json_t *fields = json_pack("{s:s}", field, value);
    uint64_t highest = 0;

    assert_non_null(rec);
    assert_true(pc->n < OUTBOX_MAX);
    (void)snprintf(change.id, sizeof change.id, "%s", id);
    OK(lm_value_from_json(&w->arena, fields, &change.fields));
    lm_fieldset_put(&set, lm_type_field(rec->type, field)->index,
                    lm_value_text(lm_arena_text(&w->arena, value, strlen(value))));
    OK(lm_change_see(rec->type, rec, &set, &change, &w->arena, &highest));
    change.hlc = lm_hlc_next(pc->hlc, highest, w->now);
    change.wall_delta_ms = w->now - lm_hlc_ms(change.hlc);
    pc->hlc = change.hlc;
    lm_buf_init(buf, LM_CHANGE_BYTES_MAX);
    lm_change_pack(buf, &change);
    assert_int_equal(buf->status, LM_OK);
    pc->n++;
    json_decref(fields);
}

/* ---- what waits ---- */

static json_t *held_rows(struct world *w)
{
    struct rows rows = {.all = json_array()};

    OK(lm_store_held(w->store, collect, &rows, &err_));
    return rows.all;
}

static const char *member(const json_t *row, const char *name)
{
    const char *value = json_string_value(json_object_get(row, name));

    return value ? value : "";
}

/* The newest held change waits for the record to move here, and says so to both sides. */
static uint64_t waits_for_move(struct world *w, struct pc *pc, const char *id, size_t n)
{
    json_t *rows = held_rows(w), *row;
    uint64_t position;

    assert_int_equal(json_array_size(rows), n);
    row = json_array_get(rows, n - 1);
    position = (uint64_t)json_integer_value(json_object_get(row, "position"));
    assert_string_equal(member(row, "code"), "moved");
    assert_string_equal(member(row, "id"), id);
    assert_string_equal(member(row, "station"), pc->replica.station);
    assert_non_null(strstr(member(row, "text"), "恢复"));
    json_decref(rows);
    return position;
}

static void as_of_village_b(struct world *w, const char *type, const char *id)
{
    assert_string_equal(text(get(w, type, id), "village_code"), VILLAGE_B);
}

static void is_left(struct world *w, size_t conflicts)
{
    struct lm_store_totals t = totals(w);

    assert_int_equal(t.held, 0);
    assert_int_equal(t.returned, 0);
    assert_int_equal(t.conflicts, conflicts);
    assert_int_equal(verify(w), 0);
}

/* ---- transfers ---- */

struct moved {
    char person[40], event[40];
    struct lm_buf file, move; /* as village B has them */
};

/* A person moves to village B, which goes on with the file; then the hub goes back to before. */
static struct moved lost_transfer(struct world *w)
{
    struct moved m;

    (void)pc_person(w, &w->a, "王建国", 1, m.person);
    push_all(w, &w->a);
    release(w, m.person, m.event);
    keep(w);
    town_act(w, m.person, NULL, NULL, json_pack("{s:s}", "residence_text", "镇里更正"), NULL);
    confirm(w, m.event);
    /* All that this one builds on is known here, only that the record moved is not. */
    pc_edits(w, &w->b, "person", m.person, "phone", "13800000001");
    push_all(w, &w->b);
    assert_string_equal(text(get(w, "person", m.person), "phone"), "13800000001");
    pc_edits(w, &w->b, "person", m.person, "residence_text", "西溪村三组"); /* over the town's */
    m.file = body_of(w, "person", m.person);
    m.move = body_of(w, "residency_event", m.event);
    go_back(w);
    push_all(w, &w->b);
    return m;
}

static void moved_free(struct moved *m)
{
    lm_buf_free(&m->file);
    lm_buf_free(&m->move);
}

static void a_lost_transfer_is_waited_for(void **state)
{
    struct world *w = *state;
    struct moved m = lost_transfer(w);
    struct lm_recovered_result out;

    (void)waits_for_move(w, &w->b, m.person, 2);
    assert_int_equal(totals(w).returned, 0);
    assert_string_equal(text(get(w, "person", m.person), "village_code"), VILLAGE_A);
    assert_string_equal(text(get(w, "person", m.person), "phone"), "");
    assert_int_equal(verify(w), 0);

    /* The file first: it is another's as long as the move is not back. */
    offer(w, &w->b, m.person, &m.file);
    out = accept_all(w);
    assert_int_equal(out.n, 0);
    assert_true(out.left > 0);
    assert_string_equal(text(get(w, "person", m.person), "village_code"), VILLAGE_A);
    offer(w, &w->b, m.event, &m.move);
    out = accept_all(w); /* what gives records away is made up easily: one alone does not do */
    assert_int_equal(out.n, 0);
    assert_string_equal(text(get(w, "person", m.person), "village_code"), VILLAGE_A);
    offer(w, &w->a, m.event, &m.move);
    out = accept_all(w); /* moves first, then what could not be before */
    assert_int_equal(out.left, 0);
    as_of_village_b(w, "person", m.person);
    assert_string_equal(text(get(w, "person", m.person), "phone"), "13800000001");
    assert_string_equal(text(get(w, "person", m.person), "residence_text"), "西溪村三组");
    is_left(w, 0);
    moved_free(&m);
}

/* Nothing came back of it; the clerk simply confirms once more. */
static void a_transfer_made_again(void **state)
{
    struct world *w = *state;
    struct moved m = lost_transfer(w);
    uint64_t position;

    confirm(w, m.event);
    as_of_village_b(w, "person", m.person);
    assert_string_equal(text(get(w, "person", m.person), "phone"), "13800000001");
    /* The other one builds on what nobody gave back: a person lets it through. */
    json_t *rows = held_rows(w);
    assert_int_equal(json_array_size(rows), 1);
    assert_string_equal(member(json_array_get(rows, 0), "code"), "base");
    position = (uint64_t)json_integer_value(json_object_get(json_array_get(rows, 0), "position"));
    json_decref(rows);
    world_begin(w);
    OK(lm_store_release(w->store, "李职员", position, w->now, &err_));
    world_commit(w);
    assert_string_equal(text(get(w, "person", m.person), "residence_text"), "西溪村三组");
    assert_int_equal(totals(w).held, 0);
    assert_int_equal(verify(w), 0);
    moved_free(&m);
}

/* The file moves in one change: what waited for it is judged by all of the move, not between the
 * village and the household that goes with it, whose change would then be written over unseen. */
static void a_transfer_is_one_change(void **state)
{
    struct world *w = *state;
    const struct lm_type *type = lm_catalog_type(w->catalog, "person");
    const struct lm_record *rec;
    struct lm_version made;
    char person[40], event[40];

    made = pc_person(w, &w->a, "王建国", 1, person);
    push_all(w, &w->a);
    release(w, person, event);
    keep(w);
    confirm(w, event);
    go_back(w);
    (void)pc_set(w, &w->b, "person", person, "household_village", TOWN, made);
    push_all(w, &w->b);
    (void)waits_for_move(w, &w->b, person, 1);
    confirm(w, event);
    rec = get(w, "person", person);
    as_of_village_b(w, "person", person);
    assert_string_equal(text(rec, "household_village"), VILLAGE_B);
    assert_int_equal(rec->stamps[LM_GROUP_ORIGIN].version.hlc,
                     rec->stamps[lm_type_field(type, "household_village")->group].version.hlc);
    is_left(w, 1); /* both values are kept, and a person chooses */
}

/* So is one for whose record it waited first, and a new process knows it as well. */
static void the_record_comes_after_its_edit(void **state)
{
    struct world *w = *state;
    char person[40], event[40];
    struct lm_buf move;

    keep(w);
    (void)pc_person(w, &w->a, "王建国", 1, person);
    push_all(w, &w->a);
    release(w, person, event);
    confirm(w, event);
    pc_edits(w, &w->b, "person", person, "phone", "13800000001");
    move = body_of(w, "residency_event", event);
    go_back(w);
    push_all(w, &w->b);
    assert_int_equal(totals(w).held, 1);
    lm_store_close(&w->store);
    world_open(w);
    push_all(w, &w->a);
    (void)waits_for_move(w, &w->b, person, 1);
    offer(w, &w->a, event, &move);
    offer(w, &w->b, event, &move);
    assert_int_equal(accept_all(w).left, 0);
    as_of_village_b(w, "person", person);
    assert_string_equal(text(get(w, "person", person), "phone"), "13800000001");
    is_left(w, 0);
    lm_buf_free(&move);
}

/* The old village gives a claim back first, which is none of its business here; then the village
 * does that claimed. */
static void given_back_by_who_may_speak(void **state)
{
    struct world *w = *state;
    char person[40], event[40], number[19];
    struct lm_buf move;
    struct lm_recovered_result out;
    json_t *fields;

    (void)pc_person(w, &w->a, "王建国", 1, person);
    push_all(w, &w->a);
    idno(1, number);
    fields = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "claim_name", "王建国", "claim_id_no",
                       number, "kind", "transfer", "event_on", "2026-09-10", "to_village",
                       VILLAGE_B, "proof", PROOF, "state", "submitted");
    new_id(w, event);
    (void)pc_add(w, &w->b, "residency_event", event, LM_OP_CREATE, fields, nothing);
    json_decref(fields);
    push_all(w, &w->b);
    keep(w);
    confirm(w, event);
    move = body_of(w, "residency_event", event);
    go_back(w);
    offer(w, &w->a, event, &move);
    out = accept_all(w);
    assert_int_equal(out.n, 0);
    assert_int_equal(out.left, 1);
    offer(w, &w->b, event, &move);
    out = accept_all(w);
    assert_int_equal(out.n, 1);
    assert_int_equal(out.left, 0);
    as_of_village_b(w, "person", person);
    is_left(w, 0);
    lm_buf_free(&move);
}

/* ---- villages merged ---- */

static bool take_id(void *arg, const struct lm_record *rec)
{
    (void)snprintf(arg, 40, "%s", rec->id);
    return false;
}

struct merged {
    char person[40], area[40];
    struct lm_buf file, unit;
};

static struct merged lost_merger(struct world *w)
{
    const struct lm_where at = {.field = "code", .value = VILLAGE_A};
    struct merged m = {.area = ""};

    (void)pc_person(w, &w->a, "王建国", 1, m.person);
    (void)pc_set(w, &w->a, "person", m.person, "household_no", "H1",
                 (struct lm_version){w->a.hlc, w->a.replica.number});
    push_all(w, &w->a);
    keep(w);
    town_act(w, m.person, NULL, NULL, json_pack("{s:s}", "residence_text", "镇里更正"), NULL);
    merge_villages(w);
    pc_edits(w, &w->b, "person", m.person, "phone", "13800000001");
    push_all(w, &w->b);
    assert_string_equal(text(get(w, "person", m.person), "phone"), "13800000001");
    pc_edits(w, &w->b, "person", m.person, "household_no", "B7"); /* over the merger's */
    OK(lm_store_list(w->store, &w->arena, "area_unit", NULL, &at, 1, take_id, m.area, &err_));
    m.file = body_of(w, "person", m.person);
    m.unit = body_of(w, "area_unit", m.area);
    go_back(w);
    push_all(w, &w->b);
    return m;
}

static void a_lost_merger_is_waited_for(void **state)
{
    struct world *w = *state;
    struct merged m = lost_merger(w);

    (void)waits_for_move(w, &w->b, m.person, 2);
    assert_int_equal(totals(w).returned, 0);
    assert_string_equal(text(get(w, "person", m.person), "village_code"), VILLAGE_A);
    assert_string_equal(text(get(w, "person", m.person), "phone"), "");
    assert_int_equal(verify(w), 0);
    offer(w, &w->b, m.person, &m.file);
    offer(w, &w->b, m.area, &m.unit);
    assert_true(accept_all(w).left > 0);
    assert_string_equal(text(get(w, "person", m.person), "village_code"), VILLAGE_A);
    offer(w, &w->a, m.area, &m.unit);
    assert_int_equal(accept_all(w).left, 0);
    as_of_village_b(w, "person", m.person);
    assert_string_equal(text(get(w, "person", m.person), "phone"), "13800000001");
    assert_string_equal(text(get(w, "person", m.person), "residence_text"), "镇里更正");
    assert_string_equal(text(get(w, "person", m.person), "household_no"), "B7");
    is_left(w, 0); /* done again, a merger leaves the number that the village has given since */
    lm_buf_free(&m.file);
    lm_buf_free(&m.unit);
}

static void a_merger_entered_again(void **state)
{
    struct world *w = *state;
    struct merged m = lost_merger(w);

    merge_villages(w);
    as_of_village_b(w, "person", m.person);
    assert_string_equal(text(get(w, "person", m.person), "phone"), "13800000001");
    offer(w, &w->b, m.person, &m.file); /* and with it what the other one builds on */
    assert_int_equal(accept_all(w).left, 0);
    assert_string_equal(text(get(w, "person", m.person), "household_no"), "B7");
    is_left(w, 0);
    lm_buf_free(&m.file);
    lm_buf_free(&m.unit);
}

/* A clerk took the file over before the merger, with the number that the lost one had given. */
static void a_number_is_given_once(void **state)
{
    struct world *w = *state;
    struct merged m = lost_merger(w);

    town_act(w, m.person, NULL, NULL, json_pack("{s:s}", "household_no", "201-H1"), NULL);
    merge_villages(w);
    as_of_village_b(w, "person", m.person);
    assert_string_equal(text(get(w, "person", m.person), "household_no"), "201-H1");
    lm_buf_free(&m.file);
    lm_buf_free(&m.unit);
}

/* ---- a PC that is forgotten ---- */

static bool complete(struct world *w, const char *village)
{
    json_t *doc = NULL, *villages = NULL;
    bool stale = false;
    json_t *code;
    size_t i;

    OK(lm_coverage_villages(w->store, NULL, w->now, &doc, &villages, &err_));
    json_array_foreach(json_object_get(doc, "stale"), i, code)
    {
        stale = stale || strcmp(json_string_value(code), village) == 0;
    }
    json_decref(doc);
    json_decref(villages);
    return !stale;
}

/* Enrolled after the backup, it is not known here; what the other PC of its village gives back
 * shows that there was one, and that the village's data are not all here (P10). */
static void a_forgotten_pc_is_missed(void **state)
{
    struct world *w = *state;
    static struct pc forgotten;
    struct lm_recovered_result out;
    struct lm_version made;
    struct lm_buf file;
    char person[40], other[40];

    made = pc_person(w, &w->a, "王建国", 1, person);
    push_all(w, &w->a);
    keep(w);
    enrol_pc(w, &forgotten, VILLAGE_A, 4);
    (void)pc_set(w, &forgotten, "person", person, "phone", "13800000001", made);
    push_all(w, &forgotten);
    assert_string_equal(text(get(w, "person", person), "phone"), "13800000001");
    file = body_of(w, "person", person);
    go_back(w);
    (void)pc_person(w, &w->a, "赵大山", 3, other);
    push_all(w, &w->a);
    assert_true(complete(w, VILLAGE_A)); /* nothing says otherwise yet */
    offer(w, &w->a, person, &file);
    assert_false(complete(w, VILLAGE_A));
    world_begin(w);
    OK(lm_store_recovered_decide(w->store, 0, false, "李职员", w->now, &out, &err_));
    world_commit(w);
    assert_int_equal(out.n, 1);
    assert_true(complete(w, VILLAGE_A)); /* somebody has looked */
    lm_buf_free(&file);
    for (size_t i = 0; i < OUTBOX_MAX; i++) {
        lm_buf_free(&forgotten.outbox[i]);
    }
    memset(&forgotten, 0, sizeof forgotten);
}

/* ---- strangers ---- */

static int kind_in_feed(struct world *w, struct pc *pc, const char *id, uint8_t *verdict)
{
    struct lm_msg_feed *page = lm_arena_alloc(&w->arena, sizeof *page);
    struct lm_cursor cursor = {0, ""};
    size_t n;
    int kind = -1;

    pc->replica.branch = pc->branch;
    do {
        OK(lm_store_feed(w->store, &pc->replica, &cursor, 0, &w->arena, page, &err_));
        for (size_t i = 0; i < page->n_entries; i++) {
            if (strcmp(page->entries[i].id, id) == 0) {
                kind = (int)page->entries[i].kind;
                n = page->entries[i].n_verdicts;
                *verdict = n ? page->entries[i].verdicts[n - 1].verdict : 0;
            }
        }
        cursor = page->next;
    } while (!page->done);
    return kind;
}

/* A village that never had the record: nothing of it is shown or changed, whatever a clerk presses
 * but a move, and a clerk can turn it down. */
static void a_stranger_gets_nothing(void **state)
{
    struct world *w = *state;
    char person[40];
    uint64_t position;
    uint8_t verdict = 0;

    (void)pc_person(w, &w->a, "王建国", 1, person);
    push_all(w, &w->a);
    pc_edits(w, &w->b, "person", person, "phone", "13800000009");
    push_all(w, &w->b); /* a hub that never went back knows better */
    assert_int_equal(totals(w).held, 0);
    assert_int_equal(totals(w).returned, 1);

    keep(w);
    go_back(w);
    pc_edits(w, &w->b, "person", person, "phone", "13800000008");
    push_all(w, &w->b);
    position = waits_for_move(w, &w->b, person, 1);
    assert_int_equal(kind_in_feed(w, &w->b, person, &verdict), LM_ENTRY_GONE);
    assert_int_equal(verdict, LM_V_HELD);
    world_begin(w);
    assert_int_equal(lm_store_release(w->store, "李职员", position, w->now, &err_), LM_ERR_INVALID);
    assert_string_equal(err_.code, "still_held");
    assert_non_null(strstr(err_.zh, "别的村"));
    lm_store_rollback(w->store);
    /* Work on the record elsewhere does not let it through. */
    town_act(w, person, NULL, NULL, json_pack("{s:s}", "residence_text", "镇里更正"), NULL);
    pc_edits(w, &w->a, "person", person, "household_no", "H2");
    push_all(w, &w->a);
    assert_int_equal(waits_for_move(w, &w->b, person, 1), position);
    assert_string_equal(text(get(w, "person", person), "phone"), "");
    world_begin(w);
    OK(lm_store_refuse(w->store, "李职员", position, "没有转到你村", w->now, &err_));
    world_commit(w);
    assert_int_equal(totals(w).held, 0);
    assert_int_equal(totals(w).returned, 2);
    assert_string_equal(text(get(w, "person", person), "phone"), "");
    assert_int_equal(verify(w), 0);
}

static bool find_group(void *arg, const json_t *row)
{
    if (strcmp(member(row, "station"), VILLAGE_B) == 0 &&
        strcmp(member(row, "code"), "moved") == 0) {
        *(json_t **)arg = json_deep_copy(row);
    }
    return true;
}

static struct lm_refused_many refuse_many(struct world *w, const struct lm_refuse_many *act)
{
    struct lm_refused_many out;

    world_begin(w);
    OK(lm_store_refuse_many(w->store, act, w->now, &out, &err_));
    world_commit(w);
    w->now += 1000;
    return out;
}

/* There was no move at all, or nobody knows of it: all of a village's is refused in one act, in
 * commits of a bounded size, up to what was counted; each comes back with the reason. */
static void many_are_refused(void **state)
{
    enum { OVER = 3 };
    struct world *w = *state;
    struct lm_refuse_many act = {
        .user = "李职员", .station = VILLAGE_B, .code = "moved", .why = "没有转到你村"};
    struct lm_refused_many out;
    struct rows returned = {.all = json_array()};
    char person[40], phone[16];
    json_t *group = NULL;

    (void)pc_person(w, &w->a, "王建国", 1, person);
    push_all(w, &w->a);
    keep(w);
    go_back(w);
    for (int i = 0; i < LM_REFUSE_MANY_MAX + OVER; i++) {
        (void)snprintf(phone, sizeof phone, "1380000%04d", i);
        pc_edits(w, &w->b, "person", person, "phone", phone);
    }
    push_all(w, &w->b);
    OK(lm_store_held_groups(w->store, find_group, &group, &err_));
    assert_non_null(group);
    assert_int_equal(json_integer_value(json_object_get(group, "n")), LM_REFUSE_MANY_MAX + OVER);
    act.through = (uint64_t)json_integer_value(json_object_get(group, "through"));
    json_decref(group);
    pc_edits(w, &w->b, "person", person, "phone", "13900000000"); /* nobody has seen this one */
    push_all(w, &w->b);

    world_begin(w);
    act.why = "";
    assert_int_equal(lm_store_refuse_many(w->store, &act, w->now, &out, &err_), LM_ERR_INVALID);
    act.why = "没有转到你村";
    act.station = VILLAGE_A;
    OK(lm_store_refuse_many(w->store, &act, w->now, &out, &err_)); /* nothing of theirs waits */
    assert_int_equal(out.refused, 0);
    act.station = VILLAGE_B;
    lm_store_rollback(w->store);

    out = refuse_many(w, &act);
    assert_int_equal(out.refused, LM_REFUSE_MANY_MAX);
    assert_int_equal(totals(w).held, OVER + 1);
    assert_int_equal(verify(w), 0); /* between the commits too */
    act.after = out.next;
    out = refuse_many(w, &act);
    assert_int_equal(out.refused, OVER);
    assert_int_equal(out.kept, 0);
    assert_int_equal(out.next, 0);
    act.after = 0;
    out = refuse_many(w, &act); /* the same again */
    assert_int_equal(out.refused, 0);
    assert_int_equal(out.next, 0);
    assert_int_equal(totals(w).held, 1);
    OK(lm_store_returned(w->store, VILLAGE_B, collect, &returned, &err_));
    assert_int_equal(json_array_size(returned.all), LM_REFUSE_MANY_MAX + OVER);
    assert_string_equal(member(json_array_get(returned.all, 0), "text"), "没有转到你村");
    json_decref(returned.all);
    assert_string_equal(text(get(w, "person", person), "phone"), "");
    assert_int_equal(verify(w), 0);
}

/* What waited for something else when it was counted, and waits like the others since, was not
 * seen: its place in the journal is before the end of what was counted, and it stays. */
static void what_was_judged_again_is_left(void **state)
{
    struct world *w = *state;
    struct lm_refuse_many act = {
        .user = "李职员", .station = VILLAGE_B, .code = "moved", .why = "没有转到你村"};
    struct lm_refused_many out;
    char person[40], later[40];
    struct lm_version made;
    json_t *group = NULL;

    (void)pc_person(w, &w->a, "王建国", 1, person);
    push_all(w, &w->a);
    keep(w);
    go_back(w);
    made = pc_person(w, &w->a, "赵秀英", 2, later); /* on its way; the new village has it already */
    (void)pc_set(w, &w->b, "person", later, "phone", "13800000001", made);
    pc_edits(w, &w->b, "person", person, "phone", "13800000002");
    push_all(w, &w->b);
    assert_int_equal(totals(w).held, 2);
    OK(lm_store_held_groups(w->store, find_group, &group, &err_));
    assert_non_null(group);
    assert_int_equal(json_integer_value(json_object_get(group, "n")), 1);
    act.through = (uint64_t)json_integer_value(json_object_get(group, "through"));
    json_decref(group);
    push_all(w, &w->a);
    OK(lm_store_held_groups(w->store, find_group, &group, &err_));
    assert_int_equal(json_integer_value(json_object_get(group, "n")), 2);
    out = refuse_many(w, &act);
    assert_int_equal(out.refused, 1);
    assert_int_equal(out.left, 1);
    assert_int_equal(totals(w).held, 1);
    act.through = (uint64_t)json_integer_value(json_object_get(group, "through")); /* seen now */
    json_decref(group);
    out = refuse_many(w, &act);
    assert_int_equal(out.refused, 1);
    assert_int_equal(out.left, 0);
    assert_int_equal(totals(w).held, 0);
    assert_int_equal(verify(w), 0);
}

/* After three months villages have learnt of it; what still builds on what is not here may wait. */
static void not_for_ever(void **state)
{
    struct world *w = *state;
    char person[40];

    (void)pc_person(w, &w->a, "王建国", 1, person);
    push_all(w, &w->a);
    keep(w);
    town_act(w, person, NULL, NULL, json_pack("{s:s}", "residence_text", "镇里更正"), NULL);
    pc_edits(w, &w->b, "person", person, "residence_text", "丢了的历史");
    go_back(w);
    w->now += 91 * DAY_MS;
    pc_edits(w, &w->b, "person", person, "phone", "13800000009");
    push_all(w, &w->b);
    (void)waits_for_move(w, &w->b, person, 1);
    assert_int_equal(totals(w).returned, 1);
    assert_string_equal(text(get(w, "person", person), "phone"), "");
    assert_int_equal(verify(w), 0);
}

/* Nobody else's record is created or given away, and no village fills the list. */
static void bounded(void **state)
{
    struct world *w = *state;
    char person[40], sql[256], *said = NULL;
    json_t *fields;

    (void)pc_person(w, &w->a, "王建国", 1, person);
    push_all(w, &w->a);
    keep(w);
    go_back(w);
    fields = person_json("冒名", 3, VILLAGE_B);
    (void)pc_add(w, &w->b, "person", person, LM_OP_CREATE, fields, nothing);
    json_decref(fields);
    push_all(w, &w->b);
    assert_int_equal(totals(w).held, 0);
    assert_int_equal(totals(w).returned, 1);
    (void)snprintf(sql, sizeof sql,
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
                   "INSERT INTO held SELECT 1000000 + i, 1, i, x'00', 'person', '%s', 'moved', '-',"
                   " '-', 'moved:x', 1 FROM n",
                   LM_HELD_MOVED_MAX - 1, VILLAGE_B);
    if (sqlite3_exec(w->store->sql, sql, NULL, NULL, &said) != SQLITE_OK) {
        fail_msg("%s", said);
    }
    lm_store_close(&w->store);
    world_open(w);
    pc_edits(w, &w->b, "person", person, "phone", "13800000001");
    push_all(w, &w->b);
    assert_int_equal(totals(w).held, LM_HELD_MOVED_MAX);
    pc_edits(w, &w->b, "person", person, "phone", "13800000002");
    push_all(w, &w->b);
    assert_int_equal(totals(w).held, LM_HELD_MOVED_MAX);
    assert_int_equal(totals(w).returned, 2);
    assert_string_equal(w->pushed.verdicts[0].code, "too_many_held");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lost_transfer_is_waited_for),
        TEST(a_transfer_made_again),
        TEST(a_transfer_is_one_change),
        TEST(the_record_comes_after_its_edit),
        TEST(given_back_by_who_may_speak),
        TEST(a_lost_merger_is_waited_for),
        TEST(a_merger_entered_again),
        TEST(a_number_is_given_once),
        TEST(a_forgotten_pc_is_missed),
        TEST(a_stranger_gets_nothing),
        TEST(many_are_refused),
        TEST(what_was_judged_again_is_left),
        TEST(not_for_ever),
        TEST(bounded),
    };

    return cmocka_run_group_tests_name("moved back", tests, NULL, NULL);
}
