/* One record: reading, saving, checking before saving, deleting, bringing back, its history.
 *
 * A save is answered after its transaction is on disk (P1). A creation brings its own id, made when
 * the form was opened, so that a save repeated after a lost answer is the same save. An edit brings
 * what the form showed ("was"): if a field that it sets has changed meanwhile, nothing is saved and
 * the answer says what stands there now, so that nobody overwrites what he has not seen. Undoing is
 * an ordinary change too: it brings the "rev" that the change to be undone had left. */
#include "node/api/api.h"

#include "node/label.h"
#include "node/save.h"
#include "proto/idnumber.h"

#include <string.h>

#define ARENA_BYTES (16 * 1024 * 1024)

/* ---- reading ---- */

json_t *lm_api_record(struct lm_api *api, const struct lm_me *me, const struct lm_record *rec)
{
    json_t *row = lm_record_to_json(rec);
    const struct lm_version *origin = &rec->stamps[LM_GROUP_ORIGIN].version;
    char rev[LM_REV_TEXT + 1], label[LM_LABEL_BYTES];

    if (!row) {
        return NULL;
    }
    lm_node_rev(rec, rev);
    (void)json_object_set_new(row, "rev", json_string(rev));
    lm_node_label(api->store, api->english, rec, label);
    (void)json_object_set_new(row, "label", json_string(label));
    if (origin->hlc && origin->replica == 0 && (rec->type->kept_by & LM_BY_VILLAGE) &&
        strcmp(lm_record_text(rec, LM_C_VILLAGE_CODE), me->station) == 0) {
        (void)json_object_set_new(row, "origin", json_string("town"));
    }
    if (lm_nstore_unacked(api->store, rec->id, me->branch, me->acked.seq)) {
        (void)json_object_set_new(row, "pending", json_true());
    }
    if (lm_nstore_has_refusal(api->store, rec->id)) {
        (void)json_object_set_new(row, "refused", json_true());
    }
    if (lm_record_deleted(rec)) {
        (void)json_object_set_new(row, "deleted", json_true());
    }
    return row;
}

static enum lm_status not_found(struct lm_api_call *call)
{
    return lm_fail(&call->err, LM_ERR_NOT_FOUND, "not_found", "id", "没有这条记录。",
                   "There is no such record.");
}

static enum lm_status read_record(struct lm_api_call *call, const char *id, struct lm_arena *arena,
                                  struct lm_record **out)
{
    const struct lm_type *type = lm_nstore_type_of(call->api->store, id);
    enum lm_status st;

    if (!lm_type_shown(type)) {
        return not_found(call);
    }
    st = lm_tables_get(lm_nstore_tables(call->api->store), arena, type, id, out);
    return st == LM_ERR_NOT_FOUND ? not_found(call) : st;
}

/* The record as it is now is the answer. */
static enum lm_status answer_record(struct lm_api_call *call, const char *id)
{
    struct lm_arena arena;
    struct lm_record *rec = NULL;
    struct lm_me me;
    enum lm_status st = lm_nstore_me(call->api->store, &me, &call->err);

    lm_arena_init(&arena, ARENA_BYTES);
    if (st == LM_OK) {
        st = read_record(call, id, &arena, &rec);
    }
    if (st == LM_OK) {
        call->answer = lm_api_record(call->api, &me, rec);
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    if (st == LM_OK) {
        json_t *conflicts = json_array();

        lm_nstore_conflicts_of(call->api->store, rec, conflicts);
        if (json_array_size(conflicts) > 0) {
            (void)json_object_set(call->answer, "conflicts", conflicts);
        }
        json_decref(conflicts);
    }
    lm_arena_free(&arena);
    return st;
}

enum lm_status lm_api_get(struct lm_api_call *call)
{
    char id[LM_UUID_TEXT + 1];
    enum lm_status st = lm_api_id(call, 0, id);

    return st == LM_OK ? answer_record(call, id) : st;
}

/* ---- saving ---- */

json_t *lm_api_issues_of(struct lm_api *api, const struct lm_entry_result *result)
{
    json_t *rows = lm_api_issues(&result->issues), *row;
    const struct lm_type *type =
        result->other[0] ? lm_nstore_type_of(api->store, result->other) : NULL;
    struct lm_record *rec = NULL;
    struct lm_arena arena;
    char label[LM_LABEL_BYTES] = "";
    size_t i;

    if (!type) {
        return rows;
    }
    lm_arena_init(&arena, ARENA_BYTES);
    if (lm_tables_get(lm_nstore_tables(api->store), &arena, type, result->other, &rec) == LM_OK) {
        lm_node_label(api->store, api->english, rec, label);
    }
    lm_arena_free(&arena);
    json_array_foreach(rows, i, row)
    {
        const char *code = json_string_value(json_object_get(row, "code"));

        if (rec && code &&
            (strcmp(code, "not_unique") == 0 || strcmp(code, "near_duplicate") == 0)) {
            (void)json_object_set_new(row, "other",
                                      json_pack("{s:s,s:s}", "id", result->other, "label", label));
        }
    }
    return rows;
}

/* The refusal and everything else that is wrong or doubtful go into the error's document. */
static void explain(struct lm_api_call *call, const struct lm_entry_result *result)
{
    const struct lm_error *first = lm_issues_first_refusal(&result->issues);

    if (first && !call->err.code[0]) {
        call->err = *first;
    }
    if (result->issues.n > 0) {
        call->more = json_pack("{s:o}", "issues", lm_api_issues_of(call->api, result));
    }
}

/* keep false: everything is checked as for a save, and nothing is kept. *after_out (nullable) is
 * the record as it would be. */
static enum lm_status run_entry(struct lm_api_call *call, const struct lm_entry *entry, bool keep,
                                struct lm_entry_result *result, json_t **after_out)
{
    struct lm_node_saver saver;
    struct lm_arena arena;
    struct lm_record *rec = NULL;
    struct lm_me me;
    enum lm_status st;

    memset(result, 0, sizeof *result);
    lm_issues_init(&result->issues);
    lm_arena_init(&arena, ARENA_BYTES);
    lm_node_saver_init(&saver, call->api->store, call->api->node->dir.path, call->session->user);
    st = lm_node_save(&saver, entry, result, &call->err);
    if (st == LM_OK && keep) {
        st = lm_node_saver_flush(&saver, &call->err);
    }
    if (st == LM_OK && after_out && lm_nstore_me(call->api->store, &me, &call->err) == LM_OK &&
        read_record(call, result->id, &arena, &rec) == LM_OK) {
        *after_out = lm_api_record(call->api, &me, rec);
    }
    lm_node_saver_free(&saver);
    lm_arena_free(&arena);
    return st;
}

static enum lm_status take_fields(struct lm_api_call *call, json_t **out)
{
    *out = json_object_get(call->body, "fields");
    return json_is_object(*out) ? LM_OK
                                : lm_fail(&call->err, LM_ERR_INVALID, "required", "fields",
                                          "缺少“fields”。", "\"fields\" is missing.");
}

static enum lm_status save(struct lm_api_call *call, const struct lm_entry *entry, int status)
{
    struct lm_entry_result result;
    enum lm_status st = run_entry(call, entry, true, &result, NULL);

    if (st != LM_OK) {
        explain(call, &result);
        return st;
    }
    st = answer_record(call, result.id);
    if (st == LM_OK) {
        call->response->status = status;
        (void)json_object_set_new(call->answer, "issues", lm_api_issues_of(call->api, &result));
    }
    return st;
}

enum lm_status lm_api_create(struct lm_api_call *call)
{
    struct lm_entry entry = {.op = LM_OP_CREATE, .type = call->request->params[0]};
    enum lm_status st = lm_api_text(call, "id", true, &entry.id);

    if (st == LM_OK) {
        st = take_fields(call, &entry.fields);
    }
    return st == LM_OK ? save(call, &entry, 201) : st;
}

/* What the ID number says of birth and sex, so that the form can fill them in. */
static json_t *derived_json(const json_t *fields)
{
    const char *number = json_string_value(json_object_get(fields, "id_no"));
    char birth[11], sex;

    if (!number || lm_idno_check(number, strlen(number), birth, &sex) != LM_IDNO_OK) {
        return json_object();
    }
    return json_pack("{s:s,s:s}", "birth_on", birth, "sex", (const char[]){sex, '\0'});
}

/* As a save would be judged; with "id" as an edit of that record. Nothing is kept. */
enum lm_status lm_api_check(struct lm_api_call *call)
{
    struct lm_entry entry = {.op = LM_OP_CREATE, .type = call->request->params[0]};
    struct lm_entry_result result;
    json_t *after = NULL;
    const char *id;
    enum lm_status st = lm_api_text(call, "id", false, &id);

    if (st == LM_OK) {
        st = take_fields(call, &entry.fields);
    }
    if (st != LM_OK) {
        return st;
    }
    if (id && lm_nstore_type_of(call->api->store, id)) {
        entry = (struct lm_entry){.op = LM_OP_EDIT, .id = id, .fields = entry.fields};
    }
    st = run_entry(call, &entry, false, &result, &after);
    if (st == LM_ERR_INVALID || st == LM_ERR_EXISTS) { /* that is what was asked */
        if (!result.issues.n) {
            lm_issue_add(&result.issues, LM_REFUSE, call->err.code, call->err.field, call->err.zh,
                         call->err.en);
        }
        st = LM_OK;
    }
    if (st == LM_OK) {
        call->answer = json_pack("{s:b,s:o,s:o,s:o}", "good", result.issues.n_refused == 0,
                                 "issues", lm_api_issues_of(call->api, &result), "derived",
                                 derived_json(entry.fields), "after", after ? after : json_null());
        after = NULL;
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    json_decref(after);
    return st;
}

/* For an edit that came too late: what stands now in the fields that it sets. */
static void show_present(struct lm_api_call *call, const char *id)
{
    if (answer_record(call, id) == LM_OK) {
        json_decref(call->more);
        call->more = json_pack("{s:o}", "present", call->answer);
        call->answer = NULL;
    }
}

enum lm_status lm_api_edit(struct lm_api_call *call)
{
    char id[LM_UUID_TEXT + 1];
    struct lm_entry entry = {.op = LM_OP_EDIT, .id = id};
    enum lm_status st = lm_api_id(call, 0, id);

    if (st == LM_OK) {
        st = take_fields(call, &entry.fields);
    }
    if (st != LM_OK) {
        return st;
    }
    st = lm_api_text(call, "rev", false, &entry.rev);
    if (st != LM_OK) {
        return st;
    }
    entry.was = json_object_get(call->body, "was");
    if (entry.was && !json_is_object(entry.was)) {
        return lm_fail(&call->err, LM_ERR_INVALID, "bad_type", "was", "“was”应为对象。",
                       "\"was\" must be an object.");
    }
    st = save(call, &entry, 200);
    if (st == LM_ERR_EXISTS) {
        struct lm_error why = call->err;

        show_present(call, id);
        call->err = why;
    }
    return st;
}

enum lm_status lm_api_delete(struct lm_api_call *call)
{
    char id[LM_UUID_TEXT + 1];
    struct lm_entry entry = {.op = LM_OP_DELETE, .id = id};
    const char *reason = NULL;
    json_t *fields;
    enum lm_status st = lm_api_id(call, 0, id);

    if (st == LM_OK) {
        st = lm_api_text(call, "reason", true, &reason);
    }
    if (st == LM_OK) {
        st = lm_api_text(call, "rev", false, &entry.rev);
    }
    fields = st == LM_OK ? json_pack("{s:s}", "delete_reason", reason) : NULL;
    if (st == LM_OK) {
        entry.fields = fields;
        st = fields ? save(call, &entry, 200) : lm_api_no_memory(call);
    }
    json_decref(fields);
    return st;
}

enum lm_status lm_api_undelete(struct lm_api_call *call)
{
    char id[LM_UUID_TEXT + 1];
    struct lm_entry entry = {.op = LM_OP_UNDELETE, .id = id};
    enum lm_status st = lm_api_id(call, 0, id);

    if (st == LM_OK) {
        st = lm_api_text(call, "rev", false, &entry.rev);
    }
    return st == LM_OK ? save(call, &entry, 200) : st;
}

/* ---- history ---- */

static void add_row(void *arg, json_t *row)
{
    (void)json_array_append(arg, row);
}

enum lm_status lm_api_history(struct lm_api_call *call)
{
    char id[LM_UUID_TEXT + 1], at[LM_TIME_TEXT + 8] = "";
    json_t *rows = json_array();
    bool wanted = false;
    int64_t fetched_ms = 0;
    enum lm_status st = lm_api_id(call, 0, id);

    if (st == LM_OK && !lm_type_shown(lm_nstore_type_of(call->api->store, id))) {
        st = not_found(call);
    }
    if (st == LM_OK) {
        st = lm_nstore_history(call->api->store, id, add_row, rows, NULL, &call->err);
    }
    if (st == LM_OK) {
        st = lm_nstore_past_state(call->api->store, id, &wanted, &fetched_ms, &call->err);
    }
    if (fetched_ms > 0) {
        lm_time_format(fetched_ms, at);
    }
    call->answer = json_pack("{s:o,s:b,s:s}", "changes", rows, "asked", wanted, "fetched_at", at);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

/* What others did to it, from the hub, as soon as it can be reached. */
enum lm_status lm_api_history_fetch(struct lm_api_call *call)
{
    char id[LM_UUID_TEXT + 1];
    enum lm_status st = lm_api_id(call, 0, id);

    if (st == LM_OK && !lm_type_shown(lm_nstore_type_of(call->api->store, id))) {
        st = not_found(call);
    }
    if (st == LM_OK) {
        st = lm_nstore_past_want(call->api->store, id, lm_clock_wall_ms(), &call->err);
    }
    return st == LM_OK ? lm_api_sync(call) : st;
}
