/* Many saves in one request, each by itself: what `add` takes as lines, for the page's import.
 *
 * A line creates ({"type","id","fields"}) or deletes ({"id","delete":true,"reason","rev"}). Good
 * lines share one transaction, which is on disk before the answer (P1); a refused line leaves
 * nothing and says why. With "keep" false all of them are judged as a save would judge them, one
 * after the other, and nothing stays. A creation brings its own id, so that a request repeated
 * after a lost answer is the same save (P3). What an ID number says of birth and sex is filled in
 * where the line does not say it. */
#include "node/api/api.h"

#include "node/save.h"
#include "proto/idnumber.h"

#include <string.h>

#define ARENA_BYTES (16 * 1024 * 1024)

struct lines {
    struct lm_api_call *call;
    struct lm_node_saver saver;
    json_t *rows; /* of the body, borrowed */
    bool keep;
    json_t *answers; /* in the order of rows */
};

static enum lm_status read_body(struct lines *l)
{
    struct lm_api_call *call = l->call;
    const json_t *keep = json_object_get(call->body, "keep");
    size_t i;
    json_t *row;

    if (!json_is_boolean(keep)) {
        return lm_fail(&call->err, LM_ERR_INVALID, "bad_type", "keep",
                       "“keep”应为 true（保存）或 false（只检查）。",
                       "\"keep\" must be true (save) or false (judge only).");
    }
    l->keep = json_is_true(keep);
    l->rows = json_object_get(call->body, "lines");
    if (!json_is_array(l->rows) || json_array_size(l->rows) == 0) {
        return lm_fail(&call->err, LM_ERR_INVALID, "required", "lines",
                       "“lines”应为至少一行的列表。",
                       "\"lines\" must be a list of at least one line.");
    }
    if (json_array_size(l->rows) > LM_API_ROWS_MAX) {
        return lm_fail(&call->err, LM_ERR_LIMIT, "limit", "lines", "一次最多 %d 行，请分几次。",
                       "At most %d lines in one request.", LM_API_ROWS_MAX);
    }
    json_array_foreach(l->rows, i, row)
    {
        if (!json_is_object(row)) {
            return lm_fail(&call->err, LM_ERR_INVALID, "bad_type", "lines",
                           "“lines”的第 %zu 项应为对象。",
                           "Item %zu of \"lines\" must be an object.", i + 1);
        }
    }
    return LM_OK;
}

/* Nobody gives the type birth_on who has no field of that name. */
static void set_absent(const struct lm_type *type, json_t *fields, const char *name,
                       const char *value)
{
    const json_t *there = json_object_get(fields, name);

    if (lm_type_field(type, name) && (!there || json_is_null(there))) {
        (void)json_object_set_new(fields, name, json_string(value));
    }
}

static void derive(const struct lm_type *type, json_t *fields)
{
    const char *number = json_string_value(json_object_get(fields, "id_no"));
    char birth[11], sex;

    if (type && number && lm_idno_check(number, strlen(number), birth, &sex) == LM_IDNO_OK) {
        set_absent(type, fields, "birth_on", birth);
        set_absent(type, fields, "sex", (const char[]){sex, '\0'});
    }
}

static enum lm_status text_of(const json_t *row, const char *name, bool required, const char **out,
                              struct lm_error *err)
{
    const json_t *value = json_object_get(row, name);

    *out = json_string_value(value);
    if (*out ? (*out)[0] != '\0' : !value && !required) {
        return LM_OK;
    }
    return lm_fail(err, LM_ERR_INVALID, value ? "bad_text" : "required", name, "“%s”应为一段文字。",
                   "\"%s\" must be a text.", name);
}

/* *made_out: fields of the line's own making, to be released. */
static enum lm_status read_line(struct lines *l, json_t *row, struct lm_entry *out,
                                json_t **made_out, struct lm_error *err)
{
    struct lm_api *api = l->call->api;
    const char *reason;
    enum lm_status st = text_of(row, "id", true, &out->id, err);

    if (st != LM_OK) {
        return st;
    }
    if (json_is_true(json_object_get(row, "delete"))) {
        out->op = LM_OP_DELETE;
        st = text_of(row, "reason", true, &reason, err);
        if (st == LM_OK) {
            st = text_of(row, "rev", false, &out->rev, err);
        }
        *made_out = st == LM_OK ? json_pack("{s:s}", "delete_reason", reason) : NULL;
    } else {
        out->op = LM_OP_CREATE;
        st = text_of(row, "type", true, &out->type, err);
        if (st == LM_OK && !json_is_object(json_object_get(row, "fields"))) {
            st = lm_fail(err, LM_ERR_INVALID, "required", "fields", "缺少“fields”。",
                         "\"fields\" is missing.");
        }
        *made_out = st == LM_OK ? json_copy(json_object_get(row, "fields")) : NULL;
        if (*made_out) {
            derive(lm_catalog_type(api->node->catalog, out->type), *made_out);
        }
    }
    out->fields = *made_out;
    return st != LM_OK || *made_out ? st : lm_api_no_memory(l->call);
}

/* A line that was saved before, whose record somebody has put into the recycle bin since. */
static enum lm_status check_there(const struct lm_record *rec, struct lm_error *err)
{
    return lm_record_deleted(rec)
               ? lm_fail(err, LM_ERR_INVALID, "deleted", "id",
                         "这一行导入过，后来删除了。需要时请到回收站恢复。",
                         "This line was saved before and deleted since: bring it back from the "
                         "recycle bin if it is wanted.")
               : LM_OK;
}

/* {"good":true,"id","rev","issues"}; rev is the one by which a deletion undoes it. */
static enum lm_status add_good(struct lines *l, const struct lm_entry *entry,
                               const struct lm_entry_result *result, struct lm_error *err)
{
    struct lm_nstore *store = l->call->api->store;
    const struct lm_type *type = lm_nstore_type_of(store, result->id);
    struct lm_record *rec = NULL;
    struct lm_arena arena;
    char rev[LM_REV_TEXT + 1];
    enum lm_status st;

    lm_arena_init(&arena, ARENA_BYTES);
    st = type ? lm_tables_get(lm_nstore_tables(store), &arena, type, result->id, &rec)
              : LM_ERR_NOT_FOUND;
    if (st == LM_OK && entry->op == LM_OP_CREATE) {
        st = check_there(rec, err);
    }
    if (st == LM_OK) {
        lm_node_rev(rec, rev);
        (void)json_array_append_new(l->answers, json_pack("{s:b,s:s,s:s,s:o}", "good", 1, "id",
                                                          result->id, "rev", rev, "issues",
                                                          lm_api_issues(&result->issues)));
    }
    lm_arena_free(&arena);
    return st;
}

static void add_bad(struct lines *l, const struct lm_entry_result *result,
                    const struct lm_error *err)
{
    const struct lm_error *first = lm_issues_first_refusal(&result->issues);

    (void)json_array_append_new(l->answers,
                                json_pack("{s:b,s:o,s:o}", "good", 0, "error",
                                          lm_error_json(first && !err->code[0] ? first : err),
                                          "issues", lm_api_issues(&result->issues)));
}

/* Not LM_OK: the request as a whole ends. */
static enum lm_status run_line(struct lines *l, json_t *row)
{
    struct lm_entry entry = {0};
    struct lm_entry_result result;
    struct lm_error err = {0};
    json_t *made = NULL;
    enum lm_status st;

    memset(&result, 0, sizeof result);
    lm_issues_init(&result.issues);
    st = read_line(l, row, &entry, &made, &err);
    if (st == LM_OK) {
        st = lm_node_save(&l->saver, &entry, &result, &err);
    }
    if (st == LM_OK) {
        st = add_good(l, &entry, &result, &err);
    }
    if (l->saver.broken != LM_OK || st == LM_ERR_MEMORY) {
        l->call->err = err;
    } else if (st != LM_OK) {
        add_bad(l, &result, &err);
        st = LM_OK;
    }
    json_decref(made);
    return st;
}

enum lm_status lm_api_lines(struct lm_api_call *call)
{
    struct lines l = {.call = call, .answers = json_array()};
    enum lm_status st = l.answers ? read_body(&l) : lm_api_no_memory(call);
    size_t i;
    json_t *row;

    lm_node_saver_init(&l.saver, call->api->store, call->api->node->dir.path, call->session->user);
    if (st == LM_OK) {
        json_array_foreach(l.rows, i, row)
        {
            st = run_line(&l, row);
            if (st != LM_OK) {
                break;
            }
        }
    }
    if (st == LM_OK && l.keep) {
        st = lm_node_saver_flush(&l.saver, &call->err);
    }
    lm_node_saver_free(&l.saver); /* rolls back what was not flushed */
    if (st == LM_OK) {
        call->answer = json_pack("{s:O}", "lines", l.answers);
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    json_decref(l.answers);
    return st;
}
