/* One act on many records: what waits is verified, or takes one step of its life, each as it was
 * seen; what cannot is left and named. */
#include "common/tables.h"
#include "hub/acts.h"
#include "hub/api/api.h"
#include "proto/caldate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct many {
    const char *user, *type, *from, *to, *note;
    const json_t *ids, *revs; /* by id, as each was seen */
    int64_t n;
    json_t *left;
    size_t done;
};

/* What an act leaves alone, with the reason. */
static enum lm_status leave(json_t *left, const char *id, const struct lm_error *why)
{
    json_t *row = lm_error_json(why);

    (void)json_object_set_new(row, "id", json_string(id));
    return json_array_append_new(left, row) == 0 ? LM_OK : LM_ERR_MEMORY;
}

static enum lm_status approve(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct many *a = arg;
    enum lm_status st = LM_OK;

    for (size_t i = 0; st == LM_OK && i < json_array_size(a->ids); i++) {
        const char *id = json_string_value(json_array_get(a->ids, i));

        memset(err, 0, sizeof *err);
        st =
            lm_town_unchanged(hub->store, id, json_string_value(json_object_get(a->revs, id)), err);
        if (st == LM_ERR_EXISTS || st == LM_ERR_NOT_FOUND) {
            st = leave(a->left, id, err);
        } else if (st == LM_OK) {
            st = lm_approve_one(hub->store, a->user, a->to, id, lm_clock_wall_ms(), a->left,
                                &a->done, err);
        }
    }
    return st;
}

/* The records of a bulk act: 1 to LM_TOWN_BULK_MAX ids, and in "revs" as what each was seen: a
 * clerk decides about what is on the screen, not about what a village or another clerk made of it
 * since. */
static enum lm_status take_ids(struct lm_api_call *call, struct many *a)
{
    const json_t *ids = a->ids = json_object_get(call->body, "ids");
    json_t *id;
    size_t i;
    enum lm_status st = LM_OK;

    a->revs = json_object_get(call->body, "revs");
    if (json_array_size(ids) == 0 || json_array_size(ids) > LM_TOWN_BULK_MAX) {
        return lm_fail(&call->err, LM_ERR_INVALID, "bad_list", "ids", "一次办理 1 至 %d 条。",
                       "1 to %d records at a time.", LM_TOWN_BULK_MAX);
    }
    json_array_foreach(ids, i, id)
    {
        const char *text = json_string_value(id);

        if (st == LM_OK && (!text || !lm_uuid_valid(text, strlen(text)))) {
            st = lm_fail(&call->err, LM_ERR_INVALID, "bad_uuid", "ids", "编号不对。", "Not an id.");
        }
        if (st == LM_OK && !json_is_string(json_object_get(a->revs, text))) {
            st = lm_fail(&call->err, LM_ERR_INVALID, "required", "revs",
                         "请写明办理时看到的是哪一版（每个编号一个“rev”）。",
                         "\"revs\" says by id how each was seen: the record's \"rev\".");
        }
    }
    return st;
}

/* POST review/approve {"type","ids":[…],"revs":{id:rev}} → {"approved":n,"left":[…]} */
enum lm_status lm_town_approve(struct lm_api_call *call)
{
    struct many a = {.user = call->session->user};
    const struct lm_type *type = NULL;
    const char *name;
    char detail[80];
    enum lm_status st = lm_api_text(call, "type", true, &name);

    if (st == LM_OK) {
        type = lm_catalog_shown(lm_store_catalog(call->api->store), name);
        a.to = type ? lm_approved_state(type) : NULL;
    }
    if (st == LM_OK && !a.to) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "not_approvable", "type", "%.40s 不能批量核定。",
                     "%.40s is not verified in bulk.", type ? type->zh : name);
    }
    st = st == LM_OK ? take_ids(call, &a) : st;
    if (st != LM_OK) {
        return st;
    }
    a.left = json_array();
    st = lm_server_do(call->api->server, approve, &a, &call->err);
    if (st == LM_OK) {
        (void)snprintf(detail, sizeof detail, "%zu/%zu", a.done, json_array_size(a.ids));
        st = lm_town_log(call, "approve", type->name, "", detail);
    }
    call->answer = json_pack("{s:I,s:o}", "approved", (json_int_t)a.done, "left", a.left);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

/* A card's stages have their days, the step's is today's; and what is issued has its day of issue.
 */
static void add_stage(const json_t *has, const char *to, const char *today, json_t *fields)
{
    json_t *stages = json_deep_copy(json_object_get(has, "stage_dates"));

    stages = stages ? stages : json_array();
    (void)json_array_append_new(stages, json_pack("{s:s,s:s}", "stage", to, "on", today));
    (void)json_object_set_new(fields, "stage_dates", stages);
    if (strcmp(to, "issued") == 0) {
        (void)json_object_set_new(fields, "issued_on", json_string(today));
    }
}

/* Days of steps that are not called like the step (accepted_on, paid_on are); and the step before,
 * than which a day is older that was written before the record was sent back. */
static const struct {
    const char *type, *to, *field, *after, *ends;
} step_days[] = {
    {"aid_case", "town_reviewed", "town_reviewed_on", "village_checked_on", NULL},
    {"aid_case", "publicity", "publicity_from", "town_reviewed_on", "publicity_to"},
    {"petition", "withdrawn", "final_on", NULL, NULL},
};

static bool older(const json_t *has, const char *day, const char *after)
{
    const char *d = json_string_value(json_object_get(has, day)),
               *a = json_string_value(json_object_get(has, after));

    return d && a && strcmp(d, a) < 0;
}

/* The step's day is today's where the record has a place for it that is empty, or was filled when
 * the step was taken before. */
static void add_day(const struct lm_type *type, const json_t *has, const char *to,
                    const char *today, json_t *fields)
{
    const struct lm_field *day;
    bool again = false;
    char name[64];

    (void)snprintf(name, sizeof name, "%s_on", to);
    for (size_t i = 0; i < sizeof step_days / sizeof *step_days; i++) {
        if (strcmp(type->name, step_days[i].type) == 0 && strcmp(to, step_days[i].to) == 0) {
            (void)snprintf(name, sizeof name, "%s", step_days[i].field);
            again = step_days[i].after && older(has, name, step_days[i].after);
            if (again && step_days[i].ends && json_object_get(has, step_days[i].ends)) {
                (void)json_object_set_new(fields, step_days[i].ends, json_null());
            }
        }
    }
    day = lm_type_field(type, name);
    if (day && day->ftype == LM_F_DATE && (again || !json_object_get(has, name))) {
        (void)json_object_set_new(fields, name, json_string(today));
    }
}

/* What a step says beside the state: its day, why something ends, and that a petition ended because
 * it was withdrawn. */
static void add_of_step(struct lm_store *store, const struct lm_type *type, const char *id,
                        const struct many *a, json_t *fields)
{
    struct lm_record *rec = NULL;
    struct lm_arena arena;
    json_t *row, *has;
    char today[16];

    lm_date_format(lm_day_utc8(lm_clock_wall_ms()), today);
    lm_arena_init(&arena, 4 * 1024 * 1024);
    if (lm_store_get(store, &arena, type->name, id, &rec) == LM_OK) {
        row = lm_record_to_json(rec);
        has = json_object_get(row, "fields");
        add_day(type, has, a->to, today, fields);
        if (lm_type_field(type, "stage_dates")) {
            add_stage(has, a->to, today, fields);
        }
        if (a->note && a->note[0]) {
            (void)json_object_set_new(fields, "close_note", json_string(a->note));
        }
        if (strcmp(type->name, "petition") == 0 && strcmp(a->to, "withdrawn") == 0) {
            (void)json_object_set_new(fields, "outcome", json_string("withdrawn"));
        }
        json_decref(row);
    }
    lm_arena_free(&arena);
}

/* One step of one record, or what is against it. */
static enum lm_status step_one(struct lm_store *store, const struct many *a, const char *id,
                               const char *rev, struct lm_error *err)
{
    json_t *fields = json_pack("{s:s}", "state", a->to),
           *was = json_pack("{s:s}", "state", a->from);
    const struct lm_act act = {.user = a->user, .id = id, .fields = fields, .op = LM_OP_EDIT};
    const char *type = lm_store_type_of(store, id);
    struct lm_act_result done;
    enum lm_status st;

    memset(err, 0, sizeof *err);
    if (!type || strcmp(type, a->type) != 0) {
        st = lm_fail(err, LM_ERR_NOT_FOUND, "not_found", "id", "没有这条记录。",
                     "There is no such record.");
    } else if ((st = lm_town_unchanged(store, id, rev, err)) != LM_OK) {
        /* left as it is: nobody has seen what it is now */
    } else if (strcmp(a->to, "returned") == 0) {
        st = lm_send_back(store, a->user, id, a->note, lm_clock_wall_ms(), err);
    } else {
        add_of_step(store, lm_catalog_type(lm_store_catalog(store), type), id, a, fields);
        st = lm_town_act(store, &act, was, &done, err);
        if (st != LM_OK && lm_issues_first_refusal(&done.issues) && !err->code[0]) {
            *err = *lm_issues_first_refusal(&done.issues);
        }
    }
    json_decref(fields);
    json_decref(was);
    return st;
}

static enum lm_status step(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct many *a = arg;
    const char *id = json_string_value(json_array_get(a->ids, (size_t)a->n));
    const char *rev = json_string_value(json_object_get(a->revs, id));
    enum lm_status st = step_one(hub->store, a, id, rev, err);

    a->done += st == LM_OK;
    return st;
}

/* POST review/step {"type","ids":[…],"revs":{id:rev},"from","to","note"?} → {"done":n,"left":[…]}:
 * the same step of many records, or all sent back with one note. Each is a job of its own: what a
 * rule has against one takes nothing of the others back, and villages' pushes go in between. */
enum lm_status lm_town_step(struct lm_api_call *call)
{
    struct many a = {.user = call->session->user};
    const struct lm_type *type = NULL;
    char detail[120];
    enum lm_status st = lm_api_text(call, "type", true, &a.type);

    if (st == LM_OK) {
        st = lm_api_text(call, "from", true, &a.from);
    }
    if (st == LM_OK) {
        st = lm_api_text(call, "to", true, &a.to);
    }
    if (st == LM_OK) {
        st = lm_api_text(call, "note", false, &a.note);
    }
    if (st == LM_OK) {
        type = lm_catalog_shown(lm_store_catalog(call->api->store), a.type);
        if (!type || strcmp(a.type, "period_lock") == 0 || strcmp(a.type, "report_snapshot") == 0 ||
            !lm_type_transition(type, a.from, a.to, LM_BY_TOWN)) {
            st = lm_fail(&call->err, LM_ERR_INVALID, "no_transition", "to",
                         "没有这一步可以批量办理。", "There is no such step to take in bulk.");
        }
    }
    if (st == LM_OK && strcmp(a.to, "returned") == 0 && (!a.note || !a.note[0])) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "required", "note", "请写明退回的原因。",
                     "Say why it is sent back.");
    }
    st = st == LM_OK ? take_ids(call, &a) : st;
    if (st != LM_OK) {
        return st;
    }
    a.left = json_array();
    for (size_t i = 0; st == LM_OK && i < json_array_size(a.ids); i++) {
        a.n = (int64_t)i;
        memset(&call->err, 0, sizeof call->err);
        st = lm_server_do(call->api->server, step, &a, &call->err);
        if (st == LM_ERR_INVALID || st == LM_ERR_DENIED || st == LM_ERR_EXISTS ||
            st == LM_ERR_NOT_FOUND) {
            st = leave(a.left, json_string_value(json_array_get(a.ids, i)), &call->err);
        }
    }
    if (st == LM_OK) {
        (void)snprintf(detail, sizeof detail, "%.30s → %.30s %zu/%zu", a.from, a.to, a.done,
                       json_array_size(a.ids));
        st = lm_town_log(call, strcmp(a.to, "returned") == 0 ? "send_back" : "step", a.type, a.note,
                         detail);
    }
    call->answer = json_pack("{s:I,s:o}", "done", (json_int_t)a.done, "left", a.left);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}
