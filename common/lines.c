/* See lines.h. */
#include "common/lines.h"

enum lm_status lm_lines_read(struct lm_api_call *call, struct lm_lines *out)
{
    const json_t *keep = json_object_get(call->body, "keep");
    size_t i;
    json_t *row;

    *out = (struct lm_lines){.answers = json_array()};
    if (!out->answers) {
        return lm_api_no_memory(call);
    }
    if (!json_is_boolean(keep)) {
        return lm_fail(&call->err, LM_ERR_INVALID, "bad_type", "keep",
                       "“keep”应为 true（保存）或 false（只检查）。",
                       "\"keep\" must be true (save) or false (judge only).");
    }
    out->keep = json_is_true(keep);
    out->rows = json_object_get(call->body, "lines");
    if (!json_is_array(out->rows) || json_array_size(out->rows) == 0) {
        return lm_fail(&call->err, LM_ERR_INVALID, "required", "lines",
                       "“lines”应为至少一行的列表。",
                       "\"lines\" must be a list of at least one line.");
    }
    if (json_array_size(out->rows) > LM_LINES_MAX) {
        return lm_fail(&call->err, LM_ERR_LIMIT, "limit", "lines", "一次最多 %d 行，请分几次。",
                       "At most %d lines in one request.", LM_LINES_MAX);
    }
    json_array_foreach(out->rows, i, row)
    {
        if (!json_is_object(row)) {
            return lm_fail(&call->err, LM_ERR_INVALID, "bad_type", "lines",
                           "“lines”的第 %zu 项应为对象。",
                           "Item %zu of \"lines\" must be an object.", i + 1);
        }
    }
    return LM_OK;
}

void lm_lines_free(struct lm_lines *lines)
{
    json_decref(lines->answers);
    lines->answers = NULL;
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

enum lm_status lm_lines_entry(const json_t *row, struct lm_entry *out, struct lm_error *err)
{
    const char *reason = NULL;
    enum lm_status st = text_of(row, "id", true, &out->id, err);

    out->fields = NULL;
    if (st != LM_OK) {
        return st;
    }
    if (json_is_true(json_object_get(row, "delete"))) {
        out->op = LM_OP_DELETE;
        st = text_of(row, "reason", true, &reason, err);
        if (st == LM_OK) {
            st = text_of(row, "rev", false, &out->rev, err);
        }
        out->fields = st == LM_OK ? json_pack("{s:s}", "delete_reason", reason) : NULL;
    } else {
        out->op = LM_OP_CREATE;
        st = text_of(row, "type", true, &out->type, err);
        if (st == LM_OK && !json_is_object(json_object_get(row, "fields"))) {
            st = lm_fail(err, LM_ERR_INVALID, "required", "fields", "缺少“fields”。",
                         "\"fields\" is missing.");
        }
        out->fields = st == LM_OK ? json_copy(json_object_get(row, "fields")) : NULL;
    }
    return st != LM_OK || out->fields
               ? st
               : lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
}

enum lm_status lm_lines_there(const struct lm_record *rec, struct lm_error *err)
{
    return lm_record_deleted(rec)
               ? lm_fail(err, LM_ERR_INVALID, "deleted", "id",
                         "这一行导入过，后来删除了。需要时请到回收站恢复。",
                         "This line was saved before and deleted since: bring it back from the "
                         "recycle bin if it is wanted.")
               : LM_OK;
}

void lm_lines_good(struct lm_lines *lines, const char *id, const char *rev, bool repeated,
                   const struct lm_issues *issues)
{
    (void)json_array_append_new(lines->answers,
                                json_pack("{s:b,s:s,s:s,s:b,s:o}", "good", 1, "id", id, "rev",
                                          rev, "repeated", repeated, "issues",
                                          lm_api_issues(issues)));
}

void lm_lines_bad(struct lm_lines *lines, const struct lm_issues *issues,
                  const struct lm_error *err)
{
    const struct lm_error *first = lm_issues_first_refusal(issues);

    (void)json_array_append_new(lines->answers,
                                json_pack("{s:b,s:o,s:o}", "good", 0, "error",
                                          lm_error_json(first && !err->code[0] ? first : err),
                                          "issues", lm_api_issues(issues)));
}

enum lm_status lm_lines_answer(struct lm_api_call *call, const struct lm_lines *lines)
{
    /* each line has its answer at its place, or none is told */
    if (json_array_size(lines->answers) == json_array_size(lines->rows)) {
        call->answer = json_pack("{s:O}", "lines", lines->answers);
    }
    return call->answer ? LM_OK : lm_api_no_memory(call);
}
