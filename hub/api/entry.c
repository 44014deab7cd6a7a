/* What staff enter in the page: records on behalf of a village (代录) and the town's own (targets,
 * opening balances, notices, nil reports), corrections, and steps of a case. Each save is one job
 * of the writer, judged by the catalogue like any change, and in the audit log.
 *
 * Signed summaries have routes of their own (snapshots.c): their figures are nobody's to type. */
#include "common/tables.h"
#include "hub/acts.h"
#include "hub/api/api.h"

#include <stdio.h>
#include <string.h>

#define ARENA_BYTES (8 * 1024 * 1024)

struct save {
    struct lm_act act;
    const json_t *was;
    const char *rev; /* the record as its author saw it, or NULL */
    bool judged;     /* said what there is against it, and nothing is kept */
    enum lm_town_sight sight;
    struct lm_act_result done;
    json_t *after;
};

static enum lm_status read(struct lm_store *store, struct lm_arena *arena, const char *id,
                           struct lm_record **out)
{
    const char *type = lm_store_type_of(store, id);

    return type ? lm_store_get(store, arena, type, id, out) : LM_ERR_NOT_FOUND;
}

/* What its author saw of the fields that are changed must still stand. */
static enum lm_status still_stands(const json_t *was, const struct lm_record *rec,
                                   struct lm_error *err)
{
    json_t *row = lm_record_to_json(rec), *seen;
    const char *name;
    enum lm_status st = LM_OK;

    json_object_foreach((json_t *)(uintptr_t)was, name, seen)
    {
        const json_t *now = json_object_get(json_object_get(row, "fields"), name);

        if (strcmp(name, "state") == 0) {
            now = json_object_get(row, "state");
        }
        if (st == LM_OK && !json_equal(now, seen) && !(!now && json_is_null(seen))) {
            st = lm_fail(err, LM_ERR_EXISTS, "changed_meanwhile", name,
                         "这条记录刚刚被改过，请重新打开再改。",
                         "The record was changed meanwhile: open it again.");
        }
    }
    json_decref(row);
    return st;
}

/* What was shown covered is not written back over what it stands for. */
static enum lm_status not_covered(const json_t *fields, const struct lm_record *rec,
                                  struct lm_error *err)
{
    json_t *row = lm_record_to_json(rec), *value;
    const char *name;
    enum lm_status st = LM_OK;

    json_object_foreach((json_t *)(uintptr_t)fields, name, value)
    {
        const json_t *now = json_object_get(json_object_get(row, "fields"), name);

        if (st == LM_OK) {
            st = lm_town_not_covered(name, json_string_value(value), json_string_value(now), err);
        }
    }
    json_decref(row);
    return st;
}

enum lm_status lm_town_act(struct lm_store *store, const struct lm_act *act, const json_t *was,
                           struct lm_act_result *done, struct lm_error *err)
{
    struct lm_arena arena;
    struct lm_record *rec = NULL;
    const char *to = json_string_value(json_object_get(act->fields, "state"));
    enum lm_status st = LM_OK;

    memset(done, 0, sizeof *done);
    lm_issues_init(&done->issues);
    lm_arena_init(&arena, ARENA_BYTES);
    if (act->id && act->op != LM_OP_CREATE) {
        st = read(store, &arena, act->id, &rec);
        if (st == LM_OK && strcmp(lm_record_text(rec, LM_C_STATE), "locked") == 0) {
            st = lm_fail(err, LM_ERR_DENIED, "locked", "state",
                         "所在的报告期已锁定，不能再改；请先解锁，或另录一条更正。",
                         "Its reporting period is locked: open it first, or enter a correction.");
        }
        st = st == LM_OK && was ? still_stands(was, rec, err) : st;
        st = st == LM_OK ? not_covered(act->fields, rec, err) : st;
        st = st == LM_OK ? lm_verified_stands(rec, act, err) : st;
    }
    /* A warning to others (a technician takes over what was verified elsewhere): the page's
     * accounts are persons. */
    if (st == LM_OK && to && strcmp(to, "verified") == 0 && act->op == LM_OP_CREATE &&
        strcmp(act->type, "opening_balance") == 0) {
        st = lm_fail(err, LM_ERR_DENIED, "second_person", "state", "期初数要由另一人核定，先提交。",
                     "An opening balance is verified by another person: submit it first.");
    }
    if (st == LM_OK) {
        st = lm_store_act(store, act, lm_clock_wall_ms(), done, err);
    }
    lm_arena_free(&arena);
    return st;
}

/* On the writer's thread. */
static enum lm_status save_job(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct save *s = arg;
    struct lm_arena arena;
    struct lm_record *rec = NULL;
    enum lm_status st = s->rev ? lm_town_unchanged(hub->store, s->act.id, s->rev, err) : LM_OK;

    lm_issues_init(&s->done.issues);
    if (st == LM_OK) {
        st = lm_town_act(hub->store, &s->act, s->was, &s->done, err);
    }
    lm_arena_init(&arena, ARENA_BYTES);
    if (st == LM_OK && read(hub->store, &arena, s->done.id, &rec) == LM_OK) {
        s->after = lm_town_record(hub->store, rec, s->sight);
    }
    lm_arena_free(&arena);
    return st == LM_OK && s->judged
               ? lm_fail(err, LM_ERR_DENIED, "judged", "", "只检查。", "Judged only.")
               : st;
}

static enum lm_status save(struct lm_api_call *call, struct save *s, const char *what, int status)
{
    enum lm_status st;

    s->act.user = call->session->user;
    s->sight = lm_town_sight(call);
    s->judged = json_is_false(json_object_get(call->body, "keep"));
    st = lm_server_do(call->api->server, save_job, s, &call->err);
    if (s->judged && st == LM_ERR_DENIED && strcmp(call->err.code, "judged") == 0) {
        call->err = (struct lm_error){0};
        status = 200;
        st = LM_OK;
    }
    if (st == LM_ERR_NOT_FOUND) {
        st = lm_fail(&call->err, st, "not_found", "id", "没有这条记录。",
                     "There is no such record.");
    }
    if (st == LM_ERR_INVALID || st == LM_ERR_DENIED || st == LM_ERR_EXISTS) {
        const struct lm_error *first = lm_issues_first_refusal(&s->done.issues);

        if (first && !call->err.code[0]) {
            call->err = *first;
        }
        if (s->done.issues.n > 0) {
            call->more = json_pack("{s:o}", "issues", lm_api_issues(&s->done.issues));
        }
    }
    if (st == LM_OK && !s->judged) {
        st =
            lm_town_log(call, what, s->done.id, "",
                        s->act.type ? s->act.type : lm_store_type_of(call->api->store, s->done.id));
    }
    if (st == LM_OK) {
        call->response->status = (unsigned)status;
        call->answer = s->after;
        s->after = NULL;
        if (call->answer && s->done.issues.n > 0) {
            (void)json_object_set_new(call->answer, "issues", lm_api_issues(&s->done.issues));
        }
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    json_decref(s->after);
    return st;
}

static enum lm_status own_routes(struct lm_api_call *call, const char *type)
{
    return type && strcmp(type, "report_snapshot") == 0
               ? lm_fail(&call->err, LM_ERR_DENIED, "not_allowed", "type",
                         "总结请在“工作总结”页里做。", "Summaries are made on their own page.")
               : LM_OK;
}

/* The first of the fields that the registry keeps and that these would change, or NULL. */
static const char *changes_registry(struct lm_store *store, const char *type, const char *id,
                                    const json_t *fields)
{
    static const char *const own[] = {"code",        "area_code", "level",
                                      "parent_code", "closed_on", "end_kind",
                                      "valid_from",  "valid_to",  "successor_code"};
    const char *changed = NULL;
    struct lm_record *rec = NULL;
    struct lm_arena arena;
    json_t *row = NULL;

    lm_arena_init(&arena, ARENA_BYTES);
    if (lm_store_get(store, &arena, type, id, &rec) == LM_OK) {
        row = lm_record_to_json(rec);
    }
    for (size_t i = 0; !changed && i < sizeof own / sizeof *own; i++) {
        const json_t *value = json_object_get(fields, own[i]),
                     *now = json_object_get(json_object_get(row, "fields"), own[i]);

        changed = value && !json_equal(value, now) && (now || !json_is_null(value)) ? own[i] : NULL;
    }
    json_decref(row);
    lm_arena_free(&arena);
    return changed;
}

/* What a station is, where it lies and when it ended is the registry's: an administrator adds,
 * merges and mends. The rest of its row (since when, rooms, phone, rules on the wall) is anybody's
 * work: adding a station does not ask for it. id NULL, or
 * fields NULL: the row comes, goes or comes back. */
static enum lm_status registrys_own(struct lm_api_call *call, const char *type, const char *id,
                                    const json_t *fields)
{
    const char *field;

    if (!type || (strcmp(type, "station") != 0 && strcmp(type, "area_unit") != 0) ||
        strcmp(call->session->role, "admin") == 0) {
        return LM_OK;
    }
    field = id && fields ? changes_registry(call->api->store, type, id, fields) : "type";
    return !field ? LM_OK
                  : lm_fail(&call->err, LM_ERR_DENIED, "use_registry", field,
                            "服务站和区划的登记请由管理员在“村站”里办理。",
                            "Stations and areas are registered by an administrator, on the "
                            "stations' page.");
}

/* POST types/{type}/records {"fields":{…},"id"?,"station"?,"keep"?}: station: on whose behalf. keep
 * false, here and in PATCH: judged only; the answer's issues say what its author should know. */
enum lm_status lm_town_create(struct lm_api_call *call)
{
    struct save s = {.act = {.op = LM_OP_CREATE, .type = call->request->params[0]}};
    enum lm_status st = lm_api_text(call, "id", false, &s.act.id);

    if (st == LM_OK) {
        st = lm_api_text(call, "station", false, &s.act.station);
    }
    s.act.fields = json_object_get(call->body, "fields");
    if (st == LM_OK && !lm_catalog_shown(lm_store_catalog(call->api->store), s.act.type)) {
        st = lm_fail(&call->err, LM_ERR_NOT_FOUND, "unknown_type", "type", "没有记录类型 %.40s。",
                     "There is no record type %.40s.", s.act.type);
    }
    if (st == LM_OK) {
        st = own_routes(call, s.act.type);
    }
    if (st == LM_OK) {
        st = registrys_own(call, s.act.type, NULL, NULL);
    }
    if (st == LM_OK && !json_is_object(s.act.fields)) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "required", "fields", "缺少“fields”。",
                     "\"fields\" is missing.");
    }
    return st == LM_OK ? save(call, &s, "create", 201) : st;
}

/* PATCH records/{id} {"fields":{…},"was"?:{…},"rev"?} or {"delete_reason","rev"} or
 * {"undelete":true,"rev"?}. A step and a deletion are of what their author saw, all of it: without
 * rev neither is taken. */
enum lm_status lm_town_edit(struct lm_api_call *call)
{
    char id[LM_UUID_TEXT + 1];
    const char *reason = NULL;
    json_t *deleting = NULL;
    struct save s = {.act = {.op = LM_OP_EDIT, .id = id},
                     .was = json_object_get(call->body, "was")};
    bool undelete = json_is_true(json_object_get(call->body, "undelete"));
    enum lm_status st = lm_api_id(call, 0, id);

    if (st == LM_OK) {
        st = lm_api_text(call, "delete_reason", false, &reason);
    }
    if (st == LM_OK) {
        const char *type = lm_store_type_of(call->api->store, id);

        st = own_routes(call, type);
        if (st == LM_OK && type && !lm_catalog_shown(lm_store_catalog(call->api->store), type)) {
            st = lm_fail(&call->err, LM_ERR_NOT_FOUND, "not_found", "id", "没有这条记录。",
                         "There is no such record.");
        }
    }
    s.act.fields = json_object_get(call->body, "fields");
    if (st == LM_OK && (reason != NULL) + (int)undelete + (s.act.fields != NULL) > 1) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "one_of", "fields",
                     "“fields”“delete_reason”“undelete”一次只能有一个。",
                     "Only one of \"fields\", \"delete_reason\" and \"undelete\" at a time.");
    }
    if (st == LM_OK) {
        st = lm_api_text(call, "rev", reason || json_object_get(s.act.fields, "state"), &s.rev);
    }
    if (st == LM_OK) {
        st = registrys_own(call, lm_store_type_of(call->api->store, id), id,
                           reason || undelete ? NULL : s.act.fields);
    }
    if (reason) {
        s.act.op = LM_OP_DELETE;
        s.act.fields = deleting = json_pack("{s:s}", "delete_reason", reason);
    } else if (undelete) {
        s.act.op = LM_OP_UNDELETE;
        s.act.fields = NULL;
    }
    if (st == LM_OK && s.was && !json_is_object(s.was)) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_type", "was", "“was”的格式不对。",
                     "\"was\" must be an object.");
    }
    if (st == LM_OK && s.act.op == LM_OP_EDIT && !json_is_object(s.act.fields)) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "required", "fields", "缺少“fields”。",
                     "\"fields\" is missing.");
    }
    if (st == LM_OK) {
        st = save(call, &s, reason ? "delete" : undelete ? "undelete" : "edit", 200);
    }
    json_decref(deleting);
    return st;
}
