/* What waits for the town, and what is done about one of it (about many: many.c). Each act is one
 * job of the writer, and in the audit log with who did it. */
#include "hub/acts.h"
#include "hub/api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists ---- */

struct review {
    struct lm_api *api;
    enum lm_town_sight sight;
    json_t *rows;
    struct lm_arena arena;
    bool failed;
};

/* The type of what a row is about: its own "type", or what its id is known as. */
static const struct lm_type *type_of(struct review *r, const json_t *row)
{
    const char *name = json_string_value(json_object_get(row, "type"));

    return name ? lm_catalog_type(lm_store_catalog(r->api->store), name) : NULL;
}

static void add_label(struct review *r, json_t *row, const char *id)
{
    const struct lm_type *type = type_of(r, row);
    struct lm_record *rec = NULL;
    char label[400], rev[LM_REV_TEXT + 1];

    lm_arena_reset(&r->arena);
    if (type && id && lm_store_get(r->api->store, &r->arena, type->name, id, &rec) == LM_OK) {
        lm_town_label(r->api->store, rec, r->sight, label, sizeof label);
        (void)json_object_set_new(row, "label", json_string(label));
        lm_town_request(r->api, rec, r->sight, row);
        lm_town_rev(rec, rev);
        (void)json_object_set_new(row, "rev", json_string(rev));
        (void)json_object_set_new(row, "village_code",
                                  json_string(lm_record_text(rec, LM_C_VILLAGE_CODE)));
    }
}

static bool add_row(void *arg, const json_t *row)
{
    struct review *r = arg;
    json_t *copy = json_deep_copy(row), *sibling, *file;
    const struct lm_type *type = type_of(r, row);
    const char *id = json_string_value(json_object_get(row, "record"));
    size_t i;

    id = id ? id : json_string_value(json_object_get(row, "id"));
    lm_town_mask_fields(type, json_object_get(copy, "fields"), r->sight);
    json_array_foreach(json_object_get(copy, "siblings"), i, sibling)
    {
        lm_town_mask_fields(type, json_object_get(sibling, "value"), r->sight);
    }
    json_array_foreach(json_object_get(copy, "records"), i, file)
    {
        add_label(r, file, NULL);
    }
    if (id && strlen(id) == LM_UUID_TEXT) {
        add_label(r, copy, id);
    }
    r->failed = !copy || json_array_append_new(r->rows, copy) != 0;
    return !r->failed && json_array_size(r->rows) < LM_TOWN_ROWS_MAX;
}

/* GET review/returned|held|held-groups|conflicts|duplicates|transfers|salvaged|recovered, at most
 * LM_TOWN_ROWS_MAX rows. conflicts?record=…: all of that record, also those that are settled.
 */
enum lm_status lm_town_review(struct lm_api_call *call)
{
    const char *kind = call->request->params[0];
    struct lm_store *store = call->api->store;
    struct review r = {.api = call->api, .sight = lm_town_sight(call), .rows = json_array()};
    struct lm_error *err = &call->err;
    enum lm_status st;

    lm_arena_init(&r.arena, 4 * 1024 * 1024);
    if (strcmp(kind, "returned") == 0) {
        st = lm_store_returned(store, call->request->query(call->request, "station"), add_row, &r,
                               err);
    } else if (strcmp(kind, "held") == 0) {
        st = lm_store_held(store, add_row, &r, err);
    } else if (strcmp(kind, "held-groups") == 0) {
        st = lm_store_held_groups(store, add_row, &r, err);
    } else if (strcmp(kind, "conflicts") == 0) {
        const char *record = call->request->query(call->request, "record");

        st = record && lm_uuid_valid(record, strlen(record))
                 ? lm_store_conflicts_of(store, record, add_row, &r, err)
                 : lm_store_conflicts(store, add_row, &r, err);
    } else if (strcmp(kind, "transfers") == 0) {
        st = lm_store_transfers(store, add_row, &r, err);
    } else if (strcmp(kind, "duplicates") == 0) {
        st = lm_store_duplicates(store, add_row, &r, err);
    } else if (strcmp(kind, "salvaged") == 0) {
        st = lm_store_salvaged(store, add_row, &r, err);
    } else if (strcmp(kind, "recovered") == 0) {
        st = lm_store_recovered(store, add_row, &r, err);
    } else {
        st = lm_fail(err, LM_ERR_NOT_FOUND, "unknown_list", "kind", "没有这个清单：%.40s。",
                     "There is no such list: %.40s.", kind);
    }
    lm_arena_free(&r.arena);
    call->answer = json_pack("{s:o}", "rows", r.rows);
    return st != LM_OK ? st : r.failed || !call->answer ? lm_api_no_memory(call) : LM_OK;
}

/* ---- acts ---- */

struct act {
    const char *user, *id, *other, *text;
    const char *rev, *other_rev;
    int64_t n;
    bool again;
};

static enum lm_status send_back(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct act *a = arg;
    enum lm_status st = lm_town_unchanged(hub->store, a->id, a->rev, err);

    return st == LM_OK ? lm_send_back(hub->store, a->user, a->id, a->text, lm_clock_wall_ms(), err)
                       : st;
}

/* A store's act: what a rule has against it becomes the error. */
static enum lm_status finish(enum lm_status st, const struct lm_act_result *done,
                             struct lm_error *err)
{
    const struct lm_error *first = lm_issues_first_refusal(&done->issues);

    if (st != LM_OK && first && !err->code[0]) {
        *err = *first;
    }
    return st;
}

static void begin(struct lm_act_result *done)
{
    memset(done, 0, sizeof *done);
    lm_issues_init(&done->issues);
}

/* The record as its chooser saw it must still stand: a state is chosen with all that it says. */
static enum lm_status resolve(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct act *a = arg;
    struct lm_act_result done;
    enum lm_status st = lm_town_unchanged(hub->store, a->other, a->rev, err);

    begin(&done);
    if (st == LM_OK) {
        st = a->again ? lm_store_choose_again(hub->store, a->user, a->id, (int)a->n,
                                              lm_clock_wall_ms(), &done, err)
                      : lm_store_resolve(hub->store, a->user, a->id, (int)a->n, lm_clock_wall_ms(),
                                         &done, err);
    }
    if (st == LM_OK && strcmp(done.id, a->other) != 0) {
        st = lm_fail(err, LM_ERR_INVALID, "bad_uuid", "record", "这不是这条记录的冲突。",
                     "That is no conflict of this record.");
    }
    return finish(st, &done, err);
}

static enum lm_status release(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct act *a = arg;

    return lm_store_release(hub->store, a->user, (uint64_t)a->n, lm_clock_wall_ms(), err);
}

static enum lm_status refuse(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct act *a = arg;

    return lm_store_refuse(hub->store, a->user, (uint64_t)a->n, a->text, lm_clock_wall_ms(), err);
}

static enum lm_status merge(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct act *a = arg;
    struct lm_act_result done;
    enum lm_status st = lm_town_unchanged(hub->store, a->id, a->rev, err);

    begin(&done);
    if (st == LM_OK) {
        st = lm_town_unchanged(hub->store, a->other, a->other_rev, err);
    }
    if (st == LM_OK) {
        st = lm_store_merge(hub->store, a->user, a->id, a->other, lm_clock_wall_ms(), &done, err);
    }
    return finish(st, &done, err);
}

static enum lm_status unmerge(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct act *a = arg;
    struct lm_act_result done;

    begin(&done);
    return finish(lm_store_unmerge(hub->store, a->user, a->id, lm_clock_wall_ms(), &done, err),
                  &done, err);
}

static enum lm_status dismiss(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct act *a = arg;

    return lm_store_dismiss(hub->store, a->user, a->id, a->other, lm_clock_wall_ms(), err);
}

static enum lm_status run(struct lm_api_call *call, lm_server_job job, struct act *a,
                          const char *what)
{
    enum lm_status st;

    a->user = call->session->user;
    st = lm_server_do(call->api->server, job, a, &call->err);
    if (st == LM_OK) {
        st = lm_town_log(call, what, a->id, a->text, a->other);
    }
    if (st == LM_OK) {
        call->answer = json_pack("{s:s}", "id", a->id);
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    return st;
}

/* Locks of periods are opened by leaders, and leaders send nothing else back. */
static enum lm_status may_send_back(struct lm_api_call *call, const char *id)
{
    bool leader = strcmp(call->session->role, "leader") == 0;

    if (leader == lm_is_lock_in_force(call->api->store, id)) {
        return LM_OK;
    }
    return leader ? lm_fail(&call->err, LM_ERR_DENIED, "not_allowed", "id",
                            "领导只解锁报告期；退回记录请由业务人员办理。",
                            "Leaders open locked periods; records are sent back by clerks.")
                  : lm_fail(&call->err, LM_ERR_DENIED, "leader_opens", "id",
                            "锁定已生效，要由领导在“设置”页写明原因解锁。",
                            "This lock is in force: a leader opens it on the settings page.");
}

/* POST records/{id}/return {"note","rev"} */
enum lm_status lm_town_send_back(struct lm_api_call *call)
{
    char id[LM_UUID_TEXT + 1];
    struct act a = {.id = id};
    enum lm_status st = lm_api_id(call, 0, id);

    if (st == LM_OK) {
        st = lm_api_text(call, "note", true, &a.text);
    }
    if (st == LM_OK && a.text[0] == '\0') {
        st = lm_fail(&call->err, LM_ERR_INVALID, "required", "note", "请写明退回的原因。",
                     "Say why it is sent back.");
    }
    if (st == LM_OK) {
        st = lm_api_text(call, "rev", true, &a.rev);
    }
    if (st == LM_OK) {
        st = may_send_back(call, id);
    }
    if (st == LM_OK) {
        st = run(call, send_back, &a, "send_back");
    }
    return st;
}

/* POST review/conflicts/{id}/resolve {"keep":n,"record","rev","again"?}: by who saw that record so.
 * again: another choice in a conflict that was settled. */
enum lm_status lm_town_resolve(struct lm_api_call *call)
{
    const json_t *keep = json_object_get(call->body, "keep");
    struct act a = {.id = call->request->params[0],
                    .n = json_integer_value(keep),
                    .again = json_is_true(json_object_get(call->body, "again"))};
    enum lm_status st;

    if (!json_is_integer(keep) || a.n < 1 || a.n > 1000000) {
        return lm_fail(&call->err, LM_ERR_INVALID, "bad_number", "keep", "请选择保留哪一个。",
                       "Say which one to keep.");
    }
    st = lm_api_text(call, "rev", true, &a.rev);
    if (st == LM_OK) {
        st = lm_api_text(call, "record", true, &a.other);
    }
    if (st == LM_OK && !lm_uuid_valid(a.other, strlen(a.other))) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_uuid", "record", "编号不对。", "Not an id.");
    }
    return st == LM_OK ? run(call, resolve, &a, "resolve") : st;
}

static enum lm_status take_position(struct lm_api_call *call, struct act *a)
{
    const char *text = call->request->params[0];
    char *end = NULL;

    a->id = text;
    a->n = strlen(text) <= 18 ? strtoll(text, &end, 10) : 0;
    if (!end || *end || a->n < 1) {
        return lm_fail(&call->err, LM_ERR_NOT_FOUND, "not_found", "position", "没有这一条。",
                       "There is no such entry.");
    }
    return LM_OK;
}

/* POST review/held/{position}/release */
enum lm_status lm_town_release(struct lm_api_call *call)
{
    struct act a = {0};
    enum lm_status st = take_position(call, &a);

    return st == LM_OK ? run(call, release, &a, "release") : st;
}

/* POST review/held/{position}/refuse {"note"} */
enum lm_status lm_town_refuse(struct lm_api_call *call)
{
    struct act a = {0};
    enum lm_status st = take_position(call, &a);

    if (st == LM_OK) {
        st = lm_api_text(call, "note", true, &a.text);
    }
    return st == LM_OK ? run(call, refuse, &a, "refuse") : st;
}

struct refuse_many {
    struct lm_refuse_many act;
    struct lm_refused_many out;
};

static enum lm_status refuse_many(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct refuse_many *r = arg;

    return lm_store_refuse_many(hub->store, &r->act, lm_clock_wall_ms(), &r->out, err);
}

static enum lm_status take_number(struct lm_api_call *call, const char *name, bool needed,
                                  uint64_t *out)
{
    const json_t *value = json_object_get(call->body, name);

    *out = (uint64_t)json_integer_value(value);
    return (value || needed) && (!json_is_integer(value) || json_integer_value(value) < 0)
               ? lm_fail(&call->err, LM_ERR_INVALID, "bad_number", name, "%s 应为序号。",
                         "%s is a position.", name)
               : LM_OK;
}

/* POST review/held/refuse {"station","code","note","through","after"?}
 * → {"refused","kept","left","next"}: one commit of at most LM_REFUSE_MANY_MAX; next 0: that was
 * all */
enum lm_status lm_town_refuse_many(struct lm_api_call *call)
{
    struct refuse_many r = {.act = {.user = call->session->user}};
    char detail[96];
    enum lm_status st = lm_api_text(call, "station", true, &r.act.station);

    if (st == LM_OK) {
        st = lm_api_text(call, "code", true, &r.act.code);
    }
    if (st == LM_OK) {
        st = lm_api_text(call, "note", true, &r.act.why);
    }
    if (st == LM_OK) {
        st = take_number(call, "through", true, &r.act.through);
    }
    if (st == LM_OK) {
        st = take_number(call, "after", false, &r.act.after);
    }
    if (st == LM_OK) {
        st = lm_server_do(call->api->server, refuse_many, &r, &call->err);
    }
    if (st == LM_OK) {
        (void)snprintf(detail, sizeof detail, "%.32s %zu/%zu", r.act.code, r.out.refused,
                       r.out.refused + r.out.kept);
        st = lm_town_log(call, "refuse_many", r.act.station, r.act.why, detail);
    }
    if (st == LM_OK) {
        call->answer = json_pack("{s:I,s:I,s:I,s:I}", "refused", (json_int_t)r.out.refused, "kept",
                                 (json_int_t)r.out.kept, "left", (json_int_t)r.out.left, "next",
                                 (json_int_t)r.out.next);
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    return st;
}

struct decision {
    const char *user;
    bool recovered, accept;
    int64_t id;
    size_t done, left;
};

static enum lm_status decide(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct decision *d = arg;
    struct lm_recovered_result result = {0};
    enum lm_status st;

    if (!d->recovered) {
        return lm_store_salvage_decide(hub->store, d->id, d->accept, d->user, lm_clock_wall_ms(),
                                       &d->done, err);
    }
    st = lm_store_recovered_decide(hub->store, d->id, d->accept, d->user, lm_clock_wall_ms(),
                                   &result, err);
    d->done = result.n;
    d->left = result.left;
    return st;
}

/* POST review/salvaged|recovered/decide {"id":n,"accept":true}; id 0: all of them */
enum lm_status lm_town_decide(struct lm_api_call *call)
{
    const char *kind = call->request->params[0];
    const json_t *id = json_object_get(call->body, "id"),
                 *accept = json_object_get(call->body, "accept");
    struct decision d = {.user = call->session->user,
                         .recovered = strcmp(kind, "recovered") == 0,
                         .accept = json_is_true(accept),
                         .id = json_integer_value(id)};
    char detail[80];
    enum lm_status st = LM_OK;

    if (!d.recovered && strcmp(kind, "salvaged") != 0) {
        st = lm_fail(&call->err, LM_ERR_NOT_FOUND, "unknown_list", "kind", "没有这个清单：%.40s。",
                     "There is no such list: %.40s.", kind);
    } else if (!json_is_integer(id) || d.id < 0 || !json_is_boolean(accept)) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_number", "id",
                     "请写明是哪一条，采用还是舍弃。", "Say which one, and whether to accept it.");
    } else {
        st = lm_server_do(call->api->server, decide, &d, &call->err);
    }
    if (st == LM_OK) {
        (void)snprintf(detail, sizeof detail, "%lld %s %zu", (long long)d.id, d.accept ? "+" : "-",
                       d.done);
        st = lm_town_log(call, "decide", kind, "", detail);
    }
    if (st == LM_OK) {
        call->answer =
            json_pack("{s:I,s:I}", "done", (json_int_t)d.done, "left", (json_int_t)d.left);
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    return st;
}

/* "id" and, where a second one is meant, "into" or "other" of the body. */
static enum lm_status two_ids(struct lm_api_call *call, const char *second, struct act *a)
{
    enum lm_status st = lm_api_text(call, "id", true, &a->id);

    if (st == LM_OK && second) {
        st = lm_api_text(call, second, true, &a->other);
    }
    if (st == LM_OK && (!lm_uuid_valid(a->id, strlen(a->id)) ||
                        (second && !lm_uuid_valid(a->other, strlen(a->other))))) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_uuid", "id", "编号不对。", "Not an id.");
    }
    return st;
}

/* POST review/duplicates/merge {"id","rev","into","into_rev"}: as both were seen beside each other
 */
enum lm_status lm_town_merge(struct lm_api_call *call)
{
    struct act a = {0};
    enum lm_status st = two_ids(call, "into", &a);

    if (st == LM_OK) {
        st = lm_api_text(call, "rev", true, &a.rev);
    }
    if (st == LM_OK) {
        st = lm_api_text(call, "into_rev", true, &a.other_rev);
    }
    return st == LM_OK ? run(call, merge, &a, "merge") : st;
}

enum lm_status lm_town_unmerge(struct lm_api_call *call)
{
    struct act a = {0};
    enum lm_status st = two_ids(call, NULL, &a);

    return st == LM_OK ? run(call, unmerge, &a, "unmerge") : st;
}

enum lm_status lm_town_dismiss(struct lm_api_call *call)
{
    struct act a = {0};
    enum lm_status st = two_ids(call, "other", &a);

    return st == LM_OK ? run(call, dismiss, &a, "dismiss") : st;
}
