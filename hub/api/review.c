/* What waits for the town, and what is done about it. Each act is one job of the writer, and in the
 * audit log with who did it. */
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
    char label[400];

    lm_arena_reset(&r->arena);
    if (type && id && lm_store_get(r->api->store, &r->arena, type->name, id, &rec) == LM_OK) {
        lm_town_label(rec, r->sight, label, sizeof label);
        (void)json_object_set_new(row, "label", json_string(label));
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

/* GET review/returned|held|conflicts|duplicates|transfers|salvaged|recovered, at most
 * LM_TOWN_ROWS_MAX rows.
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
    } else if (strcmp(kind, "conflicts") == 0) {
        st = lm_store_conflicts(store, add_row, &r, err);
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
    const json_t *ids;
    const char *state;
    int64_t n;
    json_t *left;
    size_t done;
};

static enum lm_status approve(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct act *a = arg;
    enum lm_status st = LM_OK;

    for (size_t i = 0; st == LM_OK && i < json_array_size(a->ids); i++) {
        st = lm_approve_one(hub->store, a->user, a->state,
                            json_string_value(json_array_get(a->ids, i)), lm_clock_wall_ms(),
                            a->left, &a->done, err);
    }
    return st;
}

/* POST review/approve {"type","ids":[…]} → {"approved":n,"left":[…]} */
enum lm_status lm_town_approve(struct lm_api_call *call)
{
    struct act a = {.user = call->session->user, .ids = json_object_get(call->body, "ids")};
    const struct lm_type *type = NULL;
    const char *name;
    json_t *id;
    size_t i;
    char detail[80];
    enum lm_status st = lm_api_text(call, "type", true, &name);

    if (st == LM_OK) {
        type = lm_catalog_shown(lm_store_catalog(call->api->store), name);
        a.state = type ? lm_approved_state(type) : NULL;
    }
    if (st == LM_OK && !a.state) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "not_approvable", "type", "%.40s 不能批量核定。",
                     "%.40s is not verified in bulk.", type ? type->zh : name);
    }
    if (st == LM_OK && (json_array_size(a.ids) == 0 || json_array_size(a.ids) > LM_TOWN_BULK_MAX)) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_list", "ids", "一次核定 1 至 %d 条。",
                     "1 to %d records at a time.", LM_TOWN_BULK_MAX);
    }
    json_array_foreach(a.ids, i, id)
    {
        const char *text = json_string_value(id);

        if (st == LM_OK && (!text || !lm_uuid_valid(text, strlen(text)))) {
            st = lm_fail(&call->err, LM_ERR_INVALID, "bad_uuid", "ids", "编号不对。", "Not an id.");
        }
    }
    if (st != LM_OK) {
        return st;
    }
    a.left = json_array();
    st = lm_server_do(call->api->server, approve, &a, &call->err);
    if (st == LM_OK) {
        (void)snprintf(detail, sizeof detail, "%zu/%zu", a.done, json_array_size(a.ids));
        st = lm_town_log(call, "approve", type->name, "", detail);
    }
    for (i = 0; st == LM_OK && i < json_array_size(a.ids); i++) {
        st = lm_town_lock_follows(call, json_string_value(json_array_get(a.ids, i)));
    }
    call->answer = json_pack("{s:I,s:o}", "approved", (json_int_t)a.done, "left", a.left);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

static enum lm_status send_back(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct act *a = arg;

    return lm_send_back(hub->store, a->user, a->id, a->text, lm_clock_wall_ms(), err);
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

static enum lm_status resolve(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct act *a = arg;
    struct lm_act_result done;

    begin(&done);
    return finish(
        lm_store_resolve(hub->store, a->user, a->id, (int)a->n, lm_clock_wall_ms(), &done, err),
        &done, err);
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

    begin(&done);
    return finish(
        lm_store_merge(hub->store, a->user, a->id, a->other, lm_clock_wall_ms(), &done, err), &done,
        err);
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

/* POST records/{id}/return {"note"} */
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
        st = run(call, send_back, &a, "send_back");
    }
    return st == LM_OK ? lm_town_lock_follows(call, id) : st;
}

/* POST review/conflicts/{id}/resolve {"keep":n} */
enum lm_status lm_town_resolve(struct lm_api_call *call)
{
    const json_t *keep = json_object_get(call->body, "keep");
    struct act a = {.id = call->request->params[0], .n = json_integer_value(keep)};

    if (!json_is_integer(keep) || a.n < 1 || a.n > 1000000) {
        return lm_fail(&call->err, LM_ERR_INVALID, "bad_number", "keep", "请选择保留哪一个。",
                       "Say which one to keep.");
    }
    return run(call, resolve, &a, "resolve");
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

enum lm_status lm_town_merge(struct lm_api_call *call)
{
    struct act a = {0};
    enum lm_status st = two_ids(call, "into", &a);

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
