/* What follows when the town verifies a change of residence (人户变动): the file moves to another
 * village, leaves the town, is closed by a death, or comes back. Each consequence is a change of
 * the hub, journaled like any other, in one SAVEPOINT with the verification: all of it, or nothing.
 *
 * Events (visits, receptions, consultations …) keep the village that had them; what belongs to the
 * file itself moves. A second verification of the same event changes nothing. */
#include "hub/store/store_internal.h"

#include "common/label.h"

#include <stdio.h>
#include <string.h>

enum {
    FOLLOW_ARENA_MAX = 64 * 1024 * 1024,
    CHILDREN_MAX = 500, /* rows of one type that belong to one file */
};

struct follow {
    struct lm_store *store;
    const char *user;
    const struct lm_record *event, *person;
    const char *kind, *on, *to;
    int64_t now_ms;
    struct lm_arena *arena;
    struct lm_act_result *out; /* of the verification */
    struct lm_error *err;
};

static enum lm_status refuse(struct follow *f, const char *code, const char *field, const char *zh,
                             const char *en)
{
    lm_issue_add(&f->out->issues, LM_REFUSE, code, field, zh, en);
    return lm_fail(f->err, LM_ERR_INVALID, code, field, "%s%.0s", "%.0s%s", zh, en);
}

/* fields is taken over. */
static enum lm_status edit(struct follow *f, const char *id, bool by_system, json_t *fields,
                           struct lm_error *err)
{
    const struct lm_act act = {
        .user = f->user, .id = id, .fields = fields, .op = LM_OP_EDIT, .by_system = by_system};
    struct lm_act_result out;
    enum lm_status status =
        fields ? lm_store_act(f->store, &act, f->now_ms, &out, err) : LM_ERR_MEMORY;

    json_decref(fields);
    return status;
}

/* ---- the rows that belong to the file ---- */

struct children {
    char id[CHILDREN_MAX][40];
    char state[CHILDREN_MAX][32];
    bool open[CHILDREN_MAX]; /* no end_on */
    size_t n;
    bool too_many;
};

static bool gather(void *arg, const struct lm_record *rec)
{
    struct children *c = arg;

    if (c->n == CHILDREN_MAX) {
        c->too_many = true;
        return false;
    }
    (void)snprintf(c->id[c->n], sizeof c->id[c->n], "%s", rec->id);
    (void)snprintf(c->state[c->n], sizeof c->state[c->n], "%s", lm_record_text(rec, LM_C_STATE));
    c->open[c->n++] = lm_text_of(rec, "end_on")[0] == '\0';
    return true;
}

static enum lm_status children_of(struct follow *f, const char *type_name, struct children **out)
{
    const struct lm_type *type = lm_catalog_type(f->store->catalog, type_name);
    const struct lm_where where = {.field = "person_id", .value = f->person->id};
    struct children *c = lm_arena_alloc(f->arena, sizeof *c);
    enum lm_status status = LM_OK;

    *out = c;
    if (!c) {
        return LM_ERR_MEMORY;
    }
    memset(c, 0, sizeof *c);
    if (type && lm_type_field(type, "person_id")) {
        status =
            lm_tables_list(f->store->tables, NULL, type, NULL, &where, 1, false, gather, c, f->err);
    }
    if (status == LM_OK && c->too_many) {
        status = refuse(f, "too_many", "person_id", "这份档案下的记录太多，请联系技术员",
                        "Too many rows belong to this file: ask the technician");
    }
    return status;
}

/* What goes with the file. Visits, receptions and the like stay where they happened. */
const char *const lm_file_types[] = {"person_identity", "service_history", "family_member",
                                     "contact_plan",    "benefit",         "pref_card",
                                     "annual_confirm"};
const size_t lm_n_file_types = sizeof lm_file_types / sizeof lm_file_types[0];

static bool aid_is_over(const char *state)
{
    static const char *const over[] = {"closed", "withdrawn", "rejected"};

    for (size_t i = 0; i < sizeof over / sizeof over[0]; i++) {
        if (strcmp(state, over[i]) == 0) {
            return true;
        }
    }
    return false;
}

static enum lm_status move_rows(struct follow *f, const char *type)
{
    struct children *c;
    enum lm_status status = children_of(f, type, &c);
    bool aid = strcmp(type, "aid_case") == 0;

    for (size_t i = 0; status == LM_OK && i < c->n; i++) {
        if (!aid || !aid_is_over(c->state[i])) { /* who still waits for aid gets it there */
            status = edit(f, c->id[i], true, json_pack("{s:s}", "village_code", f->to), f->err);
        }
    }
    return status;
}

static enum lm_status move_file(struct follow *f)
{
    enum lm_status status = LM_OK;

    for (size_t i = 0; status == LM_OK && i < lm_n_file_types; i++) {
        status = move_rows(f, lm_file_types[i]);
    }
    return status == LM_OK ? move_rows(f, "aid_case") : status;
}

/* ---- what ends with it ---- */

/* The row as it is now, or NULL with its reason in *status. */
static struct lm_record *child(struct follow *f, const char *type, const char *id,
                               enum lm_status *status)
{
    struct lm_record *rec = NULL;

    *status = lm_tables_get(f->store->tables, f->arena, lm_catalog_type(f->store->catalog, type),
                            id, &rec);
    return *status == LM_OK ? rec : NULL;
}

/* One that cannot be closed (its dates contradict) stops all of it: who confirms closes that one
 * by hand, and confirms again. It is named as the lists name it, without what they cover. fields is
 * taken over. */
static enum lm_status close_one(struct follow *f, const char *type, const char *id, json_t *fields)
{
    const struct lm_type *t = lm_catalog_type(f->store->catalog, type);
    struct lm_error why = {0};
    enum lm_status status = edit(f, id, false, fields, &why);
    struct lm_record *rec;
    char label[120] = "", zh[480], en[480];

    if (status == LM_OK || lm_is_fatal(status)) {
        return status;
    }
    rec = child(f, type, id, &status);
    if (!rec) {
        return status;
    }
    lm_label_record(f->store->tables, f->store->catalog, false, rec, 1, label, sizeof label);
    (void)snprintf(zh, sizeof zh,
                   "这个人的%s（%s）不能自动结束：%.150s请先在这条记录里处理，再来核定。", t->zh,
                   label, why.zh);
    (void)snprintf(en, sizeof en,
                   "This person's %s (%s) can't be closed: %.150s See to that record first, then "
                   "verify again.",
                   t->en, label, why.en);
    return refuse(f, "not_closed", "person_id", zh, en);
}

/* What has no end yet gets the day; reason: of a benefit. */
static enum lm_status close_open(struct follow *f, const char *type, const char *reason)
{
    struct children *c;
    enum lm_status status = children_of(f, type, &c);

    for (size_t i = 0; status == LM_OK && i < c->n; i++) {
        if (c->open[i]) {
            status = close_one(f, type, c->id[i],
                               json_pack("{s:s,s:s*}", "end_on", f->on, "end_reason", reason));
        }
    }
    return status;
}

/* The stage and its day belong to the state. A card that went on after the death, for nobody knew,
 * is cancelled on the day of its last stage: days do not fall, and no stage is made undone. The
 * note has the day of the death. */
static json_t *cancelled_card(const struct follow *f, const struct lm_record *card)
{
    json_t *row = lm_record_to_json(card),
           *stages = json_deep_copy(json_object_get(json_object_get(row, "fields"), "stage_dates")),
           *last;
    const char *on = f->on, *was;
    char note[80];

    stages = stages ? stages : json_array();
    last = json_array_get(stages, json_array_size(stages) - 1);
    was = json_string_value(json_object_get(last, "on"));
    on = was && strcmp(was, on) > 0 ? was : on;
    (void)json_array_append_new(stages, json_pack("{s:s,s:s}", "stage", "cancelled", "on", on));
    (void)snprintf(note, sizeof note, "持证人去世（%.10s）", f->on);
    json_decref(row);
    return json_pack("{s:s,s:o,s:s}", "state", "cancelled", "stage_dates", stages, "close_note",
                     note);
}

static enum lm_status cancel_cards(struct follow *f)
{
    const struct lm_type *type = lm_catalog_type(f->store->catalog, "pref_card");
    struct children *c;
    enum lm_status status = children_of(f, "pref_card", &c);

    for (size_t i = 0; status == LM_OK && i < c->n; i++) {
        struct lm_record *card;

        if (lm_type_transition(type, c->state[i], "cancelled", LM_BY_TOWN)) {
            card = child(f, "pref_card", c->id[i], &status);
            status = card ? close_one(f, "pref_card", card->id, cancelled_card(f, card)) : status;
        }
    }
    return status;
}

/* A card is good in the whole country and goes along with who moves; aid that was applied for is
 * decided by people, also for the family of who died. */
static enum lm_status close_file(struct follow *f, const char *benefit_reason)
{
    enum lm_status status = close_open(f, "contact_plan", NULL);

    if (status == LM_OK) {
        status = close_open(f, "benefit", benefit_reason);
    }
    return status == LM_OK && strcmp(f->kind, "death") == 0 ? cancel_cards(f) : status;
}

/* ---- by kind ---- */

static bool person_in(const struct follow *f, const char *state)
{
    return strcmp(lm_record_text(f->person, LM_C_STATE), state) == 0;
}

static bool gone(const struct follow *f)
{
    return person_in(f, "deceased") || person_in(f, "moved_out");
}

static bool known_village(struct follow *f)
{
    struct lm_station there;

    return lm_store_station_get(f->store, f->to, &there) == LM_OK &&
           strcmp(there.level, "village") == 0;
}

static enum lm_status no_village(struct follow *f)
{
    return refuse(f, "no_station", "to_village", "没有登记这个村级服务站",
                  "No such village station");
}

/* In one change, or what waits for the move would be judged on half of it. also: more of the same
 * change, taken over; or NULL. */
static enum lm_status move_person(struct follow *f, json_t *also)
{
    json_t *fields = also ? also : json_object();
    const char *village = lm_record_text(f->person, LM_C_VILLAGE_CODE);
    bool ok = fields && json_object_set_new(fields, "village_code", json_string(f->to)) == 0;

    if (ok && strcmp(f->kind, "transfer") == 0 &&
        strcmp(lm_text_of(f->person, "household_village"), village) == 0) {
        ok = json_object_set_new(fields, "household_village", json_string(f->to)) == 0;
    }
    if (!ok) {
        json_decref(fields);
        return LM_ERR_MEMORY;
    }
    return edit(f, f->person->id, true, fields, f->err);
}

static enum lm_status transfer(struct follow *f)
{
    const char *village = lm_record_text(f->person, LM_C_VILLAGE_CODE);
    enum lm_status status;

    if (!known_village(f)) {
        return no_village(f);
    }
    if (person_in(f, "merged")) {
        return refuse(f, "merged", "person_id", "这份档案已并入另一份，请按保留的那一份办理",
                      "This file was merged into another: the one that is kept is moved");
    }
    if (person_in(f, "cancelled")) {
        return refuse(f, "not_on_register", "person_id", "该对象的档案已注销，不能转移",
                      "The person's file was cancelled: it is not moved");
    }
    if (gone(f)) {
        return refuse(f, "not_on_register", "person_id",
                      "该对象已迁出或去世，不能转移；请先登记“恢复”",
                      "The person has left or died: enter a restoration first");
    }
    if (strcmp(village, f->to) != 0) {
        /* The village that the event names may have been merged since it was entered. */
        char from[16];

        status = lm_merger_now(f->store, lm_text_of(f->event, "from_village"), from, f->err);
        if (status != LM_OK) {
            return status;
        }
        if (strcmp(village, from) != 0) {
            return refuse(f, "other_village", "from_village", "转出村不是该对象现在所属的村",
                          "The village left is not the person's present one");
        }
        status = move_person(f, NULL);
        if (status != LM_OK) {
            return status;
        }
    }
    return move_file(f);
}

static enum lm_status leave(struct follow *f, const char *state, const char *benefit_reason)
{
    enum lm_status status = LM_OK;

    if (!person_in(f, state)) {
        const struct lm_type *type = f->person->type;

        if (!lm_type_transition(type, lm_record_text(f->person, LM_C_STATE), state, LM_BY_SYSTEM)) {
            return refuse(f, "not_on_register", "person_id", "该对象现在不在册，请先核对档案",
                          "The person is not on the register: check the file first");
        }
        status = edit(f, f->person->id, true,
                      json_pack("{s:s,s:s}", "state", state, "left_on", f->on), f->err);
    }
    return status == LM_OK ? close_file(f, benefit_reason) : status;
}

/* Moved in, or restored: a file that had left comes back; a new one is verified like any other. */
static enum lm_status come(struct follow *f)
{
    json_t *back = NULL;
    enum lm_status status;

    if (!known_village(f)) {
        return no_village(f);
    }
    if (gone(f)) {
        back = json_pack("{s:s,s:n}", "state", "active", "left_on");
        if (!back) {
            return LM_ERR_MEMORY;
        }
    }
    if (strcmp(lm_record_text(f->person, LM_C_VILLAGE_CODE), f->to) != 0) {
        status = move_person(f, back);
        return status == LM_OK ? move_file(f) : status;
    }
    return back ? edit(f, f->person->id, true, back, f->err) : LM_OK;
}

static enum lm_status follow(struct follow *f)
{
    if (strcmp(f->kind, "transfer") == 0) {
        return transfer(f);
    }
    if (strcmp(f->kind, "death") == 0) {
        return leave(f, "deceased", "death");
    }
    if (strcmp(f->kind, "out") == 0) {
        return leave(f, "moved_out", "moved");
    }
    return strcmp(f->kind, "in") == 0 || strcmp(f->kind, "restore") == 0 ? come(f) : LM_OK;
}

enum lm_status lm_residency_follow(struct lm_store *store, const char *user, const char *id,
                                   int64_t now_ms, struct lm_act_result *out, struct lm_error *err)
{
    const struct lm_type *events = lm_catalog_type(store->catalog, "residency_event"),
                         *persons = lm_catalog_type(store->catalog, "person");
    struct lm_record *event = NULL, *person = NULL;
    struct lm_arena arena;
    enum lm_status status;

    lm_arena_init(&arena, FOLLOW_ARENA_MAX);
    status = lm_tables_get(store->tables, &arena, events, id, &event);
    if (status == LM_OK) {
        status =
            lm_tables_get(store->tables, &arena, persons, lm_text_of(event, "person_id"), &person);
    }
    if (status == LM_OK) {
        char to[16] = "";
        struct follow f = {.store = store,
                           .user = user,
                           .event = event,
                           .person = person,
                           .kind = lm_text_of(event, "kind"),
                           .on = lm_text_of(event, "event_on"),
                           .to = to,
                           .now_ms = now_ms,
                           .arena = &arena,
                           .out = out,
                           .err = err};

        status = lm_merger_now(store, lm_text_of(event, "to_village"), to, err);
        status = status != LM_OK ? status
                 : lm_record_deleted(person)
                     ? refuse(&f, "deleted", "person_id", "该对象的档案已删除",
                              "The person's file is deleted")
                     : follow(&f);
    } else if (status == LM_ERR_NOT_FOUND) {
        status = lm_fail(err, LM_ERR_INVALID, "no_such_record", "person_id", "没有这份服务对象档案",
                         "There is no such person");
    }
    lm_arena_free(&arena);
    return status;
}

/* ---- verified again after the hub went back ---- */

struct later {
    const struct lm_record *event;
    bool found;
};

static bool is_later(void *arg, const struct lm_record *other)
{
    struct later *l = arg;
    const char *state = lm_record_text(other, LM_C_STATE);
    uint64_t mine = l->event->stamps[LM_GROUP_STATE].version.hlc,
             theirs = other->stamps[LM_GROUP_STATE].version.hlc;

    l->found = strcmp(other->id, l->event->id) != 0 && theirs > mine &&
               (strcmp(state, "verified") == 0 || strcmp(state, "locked") == 0);
    return !l->found;
}

enum lm_status lm_residency_recovered(struct lm_store *store, const char *user, const char *id,
                                      int64_t now_ms, struct lm_error *err)
{
    const struct lm_type *type = lm_catalog_type(store->catalog, "residency_event");
    struct later later = {.found = false};
    struct lm_record *event = NULL;
    struct lm_act_result out;
    struct lm_arena arena;
    enum lm_status status;

    memset(&out, 0, sizeof out);
    lm_issues_init(&out.issues);
    lm_arena_init(&arena, FOLLOW_ARENA_MAX);
    status = lm_tables_get(store->tables, &arena, type, id, &event);
    if (status == LM_OK) {
        const struct lm_where where = {.field = "person_id",
                                       .value = lm_text_of(event, "person_id")};

        later.event = event;
        status = lm_tables_list(store->tables, NULL, type, NULL, &where, 1, false, is_later, &later,
                                err);
    }
    if (status == LM_OK && !later.found) {
        status = lm_residency_follow(store, user, id, now_ms, &out, err);
    }
    lm_arena_free(&arena);
    return status;
}

/* ---- what a verification says without words ---- */

enum lm_status lm_residency_in_force(struct lm_store *store, const char *id, bool *out)
{
    const struct lm_type *type = lm_catalog_type(store->catalog, "residency_event");
    struct lm_record *rec = NULL;
    struct lm_arena arena;
    enum lm_status status;

    *out = false;
    lm_arena_init(&arena, FOLLOW_ARENA_MAX);
    status = lm_tables_get(store->tables, &arena, type, id, &rec);
    if (status == LM_OK) {
        const char *state = lm_record_text(rec, LM_C_STATE);

        *out = strcmp(state, "verified") == 0 || strcmp(state, "locked") == 0;
    }
    lm_arena_free(&arena);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

struct filling {
    struct lm_store *store;
    const struct lm_type *type;
    const struct lm_record *before; /* NULL: a creation */
    struct lm_fieldset *set;
    struct lm_arena *arena;
};

/* The value as the act leaves it, "" for none. */
static const char *becomes(const struct filling *f, const char *name)
{
    const struct lm_field *field = lm_type_field(f->type, name);
    const struct lm_value *value = field ? lm_fieldset_get(f->set, field->index) : NULL;

    if (value) {
        return value->kind == LM_TEXT ? value->text : "";
    }
    return f->before ? lm_text_of(f->before, name) : "";
}

static enum lm_status put(struct filling *f, const char *name, const char *text)
{
    const struct lm_field *field = lm_type_field(f->type, name);
    char *kept = field ? lm_arena_text(f->arena, text, strlen(text)) : NULL;

    if (!kept) {
        return field ? LM_ERR_MEMORY : LM_OK;
    }
    lm_fieldset_put(f->set, field->index, lm_value_text(kept));
    return LM_OK;
}

/* Whom a claim means: the file that the clerk chose, or the one that fits; and where that file is
 * now, whatever the claim said. */
static enum lm_status fill_claim(struct filling *f, struct lm_act_result *out, struct lm_error *err)
{
    const struct lm_type *persons = lm_catalog_type(f->store->catalog, "person");
    const char *to = becomes(f, "to_village"), *village;
    struct lm_record *person = NULL;
    struct lm_error why = {0};
    char id[40];
    enum lm_status status = LM_OK;

    (void)snprintf(id, sizeof id, "%s", becomes(f, "person_id"));
    if (!id[0]) {
        status = lm_moves_match(f->store, becomes(f, "claim_name"), becomes(f, "claim_id_no"), to,
                                id, &why, err);
        status = status == LM_OK ? put(f, "person_id", id) : status;
    }
    if (status == LM_OK) {
        status = lm_tables_get(f->store->tables, f->arena, persons, id, &person);
        if (status == LM_ERR_NOT_FOUND) {
            return LM_OK; /* the merge says that there is no such person */
        }
    }
    if (status == LM_OK) {
        village = lm_record_text(person, LM_C_VILLAGE_CODE);
        if (strcmp(village, to) == 0 && !(f->before && lm_text_of(f->before, "person_id")[0])) {
            status = lm_fail(&why, LM_ERR_NOT_FOUND, "already_here", "person_id",
                             "该对象已在转入村，请退回这份申请",
                             "The person is in that village already: send the claim back");
        } else if (strcmp(village, to) != 0) {
            status = put(f, "from_village", village);
        }
    }
    if (status == LM_ERR_NOT_FOUND) {
        lm_issue_add(&out->issues, LM_REFUSE, why.code, why.field, why.zh, why.en);
        if (err) {
            *err = why;
        }
        return LM_ERR_INVALID;
    }
    return status;
}

enum lm_status lm_residency_fill(struct lm_store *store, const struct lm_act *act,
                                 const struct lm_type *type, const struct lm_record *before,
                                 struct lm_fieldset *set, struct lm_arena *arena,
                                 struct lm_act_result *out, struct lm_error *err)
{
    struct filling f = {.store = store, .type = type, .before = before, .set = set, .arena = arena};
    const struct lm_value *state = lm_fieldset_get(set, LM_C_STATE);
    char id[LM_UUID_TEXT + 1];
    enum lm_status status = LM_OK;

    if (strcmp(type->name, "residency_event") != 0 || act->by_system || !state ||
        state->kind != LM_TEXT || strcmp(state->text, "verified") != 0 ||
        (before && lm_record_deleted(before))) {
        return LM_OK;
    }
    if (becomes(&f, "claim_name")[0]) {
        status = fill_claim(&f, out, err);
    }
    if (status == LM_OK && !becomes(&f, "confirmed_by")[0]) {
        lm_user_id(store->town.code, act->user ? act->user : "", id);
        status = put(&f, "confirmed_by", id);
    }
    return status;
}
