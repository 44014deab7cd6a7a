/* NDJSON entry. See entry.h. Answers of a batch are kept until its flush: nothing is called saved
 * before it is. */
#include "common/entry.h"

#include "common/base/util.h"
#include "proto/limits.h"

#include <ctype.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define REFS_MAX 100000

struct run {
    struct lm_cli *cli;
    const struct lm_entry_sink *sink;
    json_t *refs;     /* name -> id */
    json_t *unknown;  /* field of this line -> the "@name" in it that no line has */
    json_t **waiting; /* answers of this batch */
    size_t n_waiting;
    bool any_failed;
    size_t line_no;
};

enum lm_status lm_entry_hash(const char *type, const char *station, const json_t *fields,
                             uint8_t out[32])
{
    char *text = json_dumps(fields, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text) {
        return LM_ERR_MEMORY;
    }
    char head[128];
    int n = snprintf(head, sizeof head, "%s|%s|", type, station ? station : "");
    lm_hash(out, head, (size_t)n < sizeof head ? (size_t)n : sizeof head - 1, text, strlen(text),
            NULL, 0);
    free(text);
    return LM_OK;
}

static enum lm_status unknown_ref(const char *field, const char *text, struct lm_error *err)
{
    return lm_fail(err, LM_ERR_INVALID, "unknown_ref", field,
                   "“%s”所指的行不存在或未保存成功，请先写带 \"ref\" 的那一行。",
                   "\"%s\" names no earlier saved line with that \"ref\".", text);
}

/* Replaces "@name" texts by ids, in place. */
static enum lm_status resolve(struct run *run, json_t *node, const char *field, int depth,
                              struct lm_error *err);

static enum lm_status resolved_text(struct run *run, const char *text, const char *field,
                                    json_t **out)
{
    *out = NULL;
    const char *at = text[0] == '@' ? text : NULL;
    const char *colon = strchr(text, ':');
    if (!at && colon && colon[1] == '@' && colon - text <= 40) {
        at = colon + 1;
        for (const char *c = text; c < colon; c++) {
            if (!((*c >= 'a' && *c <= 'z') || *c == '_')) {
                return LM_OK; /* ordinary prose with ":@" in it */
            }
        }
    }
    if (!at || !at[1]) {
        return LM_OK;
    }
    const json_t *id = json_object_get(run->refs, at + 1);
    if (!id) {
        /* In a text it is only a text ("@所有人"); where an id is needed, the store refuses it and
         * the answer tells of the name. */
        return json_object_set_new(run->unknown, field, json_string(text)) == 0 ? LM_OK
                                                                                : LM_ERR_MEMORY;
    }
    char full[128];
    snprintf(full, sizeof full, "%.*s%s", (int)(at - text), text, json_string_value(id));
    *out = json_string(full);
    return *out ? LM_OK : LM_ERR_MEMORY;
}

static enum lm_status resolve(struct run *run, json_t *node, const char *field, int depth,
                              struct lm_error *err)
{
    if (depth > LM_DEPTH_MAX) {
        return lm_fail(err, LM_ERR_LIMIT, "too_deep", field, "嵌套太深", "nested too deeply");
    }
    json_t *fresh = NULL;
    enum lm_status status = LM_OK;
    if (json_is_object(node)) {
        const char *key;
        json_t *value;
        json_object_foreach(node, key, value)
        {
            const char *where = depth == 0 ? key : field;
            if (json_is_string(value)) {
                status = resolved_text(run, json_string_value(value), where, &fresh);
                if (status == LM_OK && fresh && json_object_set_new(node, key, fresh) != 0) {
                    status = LM_ERR_MEMORY;
                }
            } else {
                status = resolve(run, value, where, depth + 1, err);
            }
            if (status != LM_OK) {
                return status;
            }
        }
    } else if (json_is_array(node)) {
        for (size_t i = 0; i < json_array_size(node); i++) {
            json_t *value = json_array_get(node, i);
            if (json_is_string(value)) {
                status = resolved_text(run, json_string_value(value), field, &fresh);
                if (status == LM_OK && fresh && json_array_set_new(node, i, fresh) != 0) {
                    status = LM_ERR_MEMORY;
                }
            } else {
                status = resolve(run, value, field, depth + 1, err);
            }
            if (status != LM_OK) {
                return status;
            }
        }
    }
    return LM_OK;
}

static enum lm_status text_member(const json_t *line, const char *name, size_t max_chars,
                                  const char **out, struct lm_error *err)
{
    *out = NULL;
    const json_t *value = json_object_get(line, name);
    if (!value || json_is_null(value)) {
        return LM_OK;
    }
    size_t chars = 0;
    if (!json_is_string(value) ||
        !lm_utf8_valid(json_string_value(value), json_string_length(value), &chars) || chars == 0 ||
        chars > max_chars) {
        return lm_fail(err, LM_ERR_INVALID, "bad_type", name, "“%s”应为 1 至 %d 个字的文本",
                       "\"%s\" must be a text of 1 to %d characters", name, (int)max_chars);
    }
    *out = json_string_value(value);
    return LM_OK;
}

static enum lm_status flag_member(const json_t *line, const char *name, bool *out,
                                  struct lm_error *err)
{
    const json_t *value = json_object_get(line, name);
    if (value && !json_is_boolean(value)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_type", name, "“%s”应为 true 或 false",
                       "\"%s\" must be true or false", name);
    }
    *out = value && json_is_true(value);
    return LM_OK;
}

static enum lm_status check_members(const json_t *line, bool with_station, struct lm_error *err)
{
    static const char *const known[] = {"type",   "id",     "key",      "ref",    "fields",
                                        "delete", "reason", "undelete", "station"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)line, key, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            found = found || (strcmp(key, known[i]) == 0 && (i != 8 || with_station));
        }
        if (!found) {
            return lm_fail(err, LM_ERR_INVALID, "unknown_member", key,
                           "行里有不认识的“%.40s”;字段要写在 \"fields\" 里",
                           "unknown member \"%.40s\"; fields belong inside \"fields\"", key);
        }
    }
    return LM_OK;
}

/* Fills entry from a parsed line. *own_out receives a fields object to be released by the caller.
 */
static enum lm_status parse_entry(struct run *run, const json_t *line, struct lm_entry *entry,
                                  const char **ref_out, json_t **own_out, struct lm_error *err)
{
    const char *reason = NULL;
    bool deleting = false, undeleting = false;
    memset(entry, 0, sizeof *entry);
    enum lm_status status = check_members(line, run->sink->with_station, err);
    if (status != LM_OK || (status = text_member(line, "type", 40, &entry->type, err)) != LM_OK ||
        (status = text_member(line, "id", LM_UUID_TEXT, &entry->id, err)) != LM_OK ||
        (status = text_member(line, "key", LM_KEY_CHARS_MAX, &entry->key, err)) != LM_OK ||
        (status = text_member(line, "ref", LM_KEY_CHARS_MAX, ref_out, err)) != LM_OK ||
        (status = text_member(line, "station", 12, &entry->station, err)) != LM_OK ||
        (status = text_member(line, "reason", 300, &reason, err)) != LM_OK ||
        (status = flag_member(line, "delete", &deleting, err)) != LM_OK ||
        (status = flag_member(line, "undelete", &undeleting, err)) != LM_OK) {
        return status;
    }
    if (entry->id && entry->id[0] == '@' && !entry->type) {
        const json_t *known = json_object_get(run->refs, entry->id + 1);
        if (!known) {
            return unknown_ref("id", entry->id, err);
        }
        entry->id = json_string_value(known);
    }
    if (entry->id && !lm_uuid_valid(entry->id, strlen(entry->id))) {
        return lm_fail(err, LM_ERR_INVALID, "bad_uuid", "id", "“id”不是合法的 UUID",
                       "\"id\" is not a UUID");
    }
    json_t *fields = json_object_get(line, "fields");
    if (fields && !json_is_object(fields)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_type", "fields", "“fields”应为对象 {…}",
                       "\"fields\" must be an object");
    }
    if (!entry->type && !entry->id) {
        return lm_fail(err, LM_ERR_INVALID, "required", "type",
                       "缺少 \"type\"(新增)或 \"id\"(修改)",
                       "neither \"type\" (to create) nor \"id\" (to edit) is there");
    }
    if ((deleting || undeleting) && (entry->type || fields || (deleting && undeleting))) {
        return lm_fail(err, LM_ERR_INVALID, "bad_line", "delete",
                       "删除或恢复的行只能有 \"id\"(删除另加 \"reason\")",
                       "a line that deletes or brings back has only \"id\" (and \"reason\")");
    }
    if (entry->type && entry->key && entry->id) {
        return lm_fail(err, LM_ERR_INVALID, "bad_line", "key", "\"id\" 与 \"key\" 只能有一个",
                       "give \"id\" or \"key\", not both");
    }
    if (entry->station &&
        (strlen(entry->station) != 12 || strspn(entry->station, "0123456789") != 12)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_format", "station",
                       "“station”应为12位数字的区划代码",
                       "\"station\" must be a division code of 12 digits");
    }
    if (!entry->type && (entry->key || entry->station)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_line", entry->key ? "key" : "station",
                       "“%s”只用于新增", "\"%s\" is for creations only",
                       entry->key ? "key" : "station");
    }
    entry->op = entry->type  ? LM_OP_CREATE
                : deleting   ? LM_OP_DELETE
                : undeleting ? LM_OP_UNDELETE
                             : LM_OP_EDIT;
    if (entry->op == LM_OP_CREATE || entry->op == LM_OP_EDIT) {
        if (!fields) {
            return lm_fail(err, LM_ERR_INVALID, "required", "fields", "缺少 \"fields\"",
                           "\"fields\" is missing");
        }
        *own_out = json_incref(fields);
        entry->fields = fields;
        return resolve(run, fields, "fields", 0, err);
    }
    *own_out = json_object();
    entry->fields = *own_out;
    if (!*own_out ||
        (reason && json_object_set_new(*own_out, "delete_reason", json_string(reason)) != 0)) {
        return LM_ERR_MEMORY;
    }
    return LM_OK;
}

static json_t *answer_error(size_t line_no, const struct lm_error *error)
{
    return json_pack("{s:I,s:o}", "line", (json_int_t)line_no, "error", lm_error_json(error));
}

/* What is no id because its "@name" stands for nothing is said in the writer's words. */
static void name_the_ref(const struct run *run, struct lm_error *error)
{
    const char *field;
    json_t *text;

    if (strcmp(error->code, "bad_uuid") != 0) {
        return;
    }
    json_object_foreach(run->unknown, field, text)
    {
        size_t n = strlen(field);
        if (strncmp(error->field, field, n) == 0 && !isalnum((unsigned char)error->field[n]) &&
            error->field[n] != '_') {
            char path[sizeof error->field];
            snprintf(path, sizeof path, "%s", error->field);
            (void)unknown_ref(path, json_string_value(text), error);
            return;
        }
    }
}

/* What else is wrong with the line, so that a person mends it in one go. */
static void add_others(const struct run *run, json_t *answer, const struct lm_issues *issues,
                       const struct lm_error *told)
{
    json_t *more = json_array();
    for (size_t i = 0; i < issues->n; i++) {
        struct lm_error error = issues->items[i].error;
        if (issues->items[i].level == LM_REFUSE &&
            (strcmp(error.field, told->field) != 0 || strcmp(error.code, told->code) != 0)) {
            name_the_ref(run, &error);
            if (strcmp(error.field, told->field) != 0 || strcmp(error.code, told->code) != 0) {
                json_array_append_new(more, lm_error_json(&error));
            }
        }
    }
    if (json_array_size(more) > 0) {
        (void)json_object_set(answer, "more", more);
    }
    json_decref(more);
}

static json_t *answer_good(size_t line_no, const struct lm_entry_result *result)
{
    json_t *warnings = json_array();
    for (size_t i = 0; i < result->issues.n; i++) {
        if (result->issues.items[i].level == LM_WARN) {
            json_array_append_new(warnings, lm_error_json(&result->issues.items[i].error));
        }
    }
    return json_pack("{s:I,s:s,s:o}", "line", (json_int_t)line_no, "id", result->id, "warnings",
                     warnings);
}

/* "@p1" alone can only be meant as a name, also in a text; "@所有人 请报送" is a text. */
static enum lm_status check_names(const struct run *run, struct lm_error *err)
{
    const char *field;
    json_t *text;

    json_object_foreach(run->unknown, field, text)
    {
        const char *c = json_string_value(text);
        if (*c++ != '@') {
            continue;
        }
        while (isalnum((unsigned char)*c) || *c == '_' || *c == '-') {
            c++;
        }
        if (!*c) {
            return unknown_ref(field, json_string_value(text), err);
        }
    }
    return LM_OK;
}

static bool ends_run(enum lm_status status)
{
    return status == LM_ERR_IO || status == LM_ERR_FULL || status == LM_ERR_BUSY ||
           status == LM_ERR_MEMORY || status == LM_ERR_CORRUPT;
}

static enum lm_status run_line(struct run *run, const char *text, size_t n, json_t **answer)
{
    struct lm_error err = {0};
    json_t *line = NULL, *own = NULL;
    const char *ref = NULL;
    struct lm_entry entry;
    struct lm_entry_result result;
    memset(&result, 0, sizeof result);
    lm_issues_init(&result.issues);
    (void)json_object_clear(run->unknown);
    enum lm_status status = lm_json_object(text, n, &line, &err);
    if (status == LM_OK) {
        status = parse_entry(run, line, &entry, &ref, &own, &err);
    }
    if (status == LM_OK) {
        status = check_names(run, &err);
    }
    if (status == LM_OK && ref && json_object_size(run->refs) >= REFS_MAX) {
        status = lm_fail(&err, LM_ERR_LIMIT, "too_many_refs", "ref", "\"ref\" 太多(最多 %d 个)",
                         "too many \"ref\" names (at most %d)", REFS_MAX);
    }
    if (status == LM_OK) {
        status = run->sink->save(run->sink->ctx, &entry, &result, &err);
    }
    if (status == LM_OK) {
        if (ref) {
            json_object_set_new(run->refs, ref, json_string(result.id));
        }
        *answer = answer_good(run->line_no, &result);
    } else {
        const struct lm_error *first = lm_issues_first_refusal(&result.issues);
        if (!err.code[0] && !first) {
            (void)lm_fail(&err, status, lm_status_name(status), "", "未能保存这一行",
                          "this line could not be saved");
        }
        if (!err.code[0]) {
            err = *first;
        }
        name_the_ref(run, &err);
        *answer = answer_error(run->line_no, &err);
        add_others(run, *answer, &result.issues, &err);
        ref = json_string_value(json_object_get(line, "ref"));
        if (ref) {
            (void)json_object_del(run->refs, ref); /* an earlier line of this name is not meant */
        }
        run->any_failed = true;
    }
    json_decref(own);
    json_decref(line);
    return *answer ? status : LM_ERR_MEMORY;
}

static void print_waiting(struct run *run)
{
    for (size_t i = 0; i < run->n_waiting; i++) {
        lm_cli_row(run->cli, run->waiting[i]);
        json_decref(run->waiting[i]);
    }
    run->n_waiting = 0;
    fflush(run->cli->out);
}

/* A flush that fails undoes the whole batch: each good answer of it becomes the error. */
static enum lm_status flush(struct run *run)
{
    struct lm_error err = {0};
    enum lm_status status = run->sink->flush(run->sink->ctx, &err);
    if (status != LM_OK) {
        run->any_failed = true;
        for (size_t i = 0; i < run->n_waiting; i++) {
            if (json_object_get(run->waiting[i], "id")) {
                json_int_t line = json_integer_value(json_object_get(run->waiting[i], "line"));
                json_decref(run->waiting[i]);
                run->waiting[i] = answer_error((size_t)line, &err);
            }
        }
    }
    print_waiting(run);
    return status;
}

static bool blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') {
            return false;
        }
    }
    return true;
}

/* True when the next line is not there yet. Whoever writes lines one by one waits for their
 * answers, and the store's lock must not be held for as long as a person types. (glibc tells what
 * stdio has read ahead.) */
static bool must_wait(FILE *in)
{
    struct pollfd fd = {.fd = fileno(in), .events = POLLIN};
    return fd.fd >= 0 && in->_IO_read_ptr >= in->_IO_read_end && poll(&fd, 1, 0) == 0;
}

int lm_entry_run(struct lm_cli *cli, const char *program, const struct lm_entry_sink *sink)
{
    struct run run = {.cli = cli, .sink = sink, .refs = json_object(), .unknown = json_object()};
    char *line = NULL;
    size_t size = 0, n = 0;
    enum lm_status fatal = LM_OK;
    struct lm_error err = {0};
    run.waiting = calloc((size_t)sink->batch, sizeof *run.waiting);
    if (!run.refs || !run.unknown || !run.waiting) {
        fatal = LM_ERR_MEMORY;
        goto out;
    }
    for (;;) {
        memset(&err, 0, sizeof err);
        if (run.n_waiting > 0 && must_wait(cli->in) && (fatal = flush(&run)) != LM_OK) {
            break;
        }
        enum lm_status status = lm_ndjson_line(cli->in, &line, &size, &n, &err);
        if (status == LM_ERR_NOT_FOUND) {
            break;
        }
        run.line_no++;
        if (status == LM_OK && blank(line, n)) {
            continue;
        }
        json_t *answer = NULL;
        if (status == LM_OK) {
            status = run_line(&run, line, n, &answer);
        } else {
            run.any_failed = true;
            answer = answer_error(run.line_no, &err);
        }
        if (!answer) {
            fatal = LM_ERR_MEMORY;
            break;
        }
        run.waiting[run.n_waiting++] = answer;
        if (ends_run(status)) {
            fatal = status;
            break;
        }
        if (run.n_waiting == (size_t)sink->batch && (fatal = flush(&run)) != LM_OK) {
            break;
        }
    }
    if (run.n_waiting > 0) {
        enum lm_status status = flush(&run);
        fatal = fatal != LM_OK ? fatal : status;
    }
    lm_cli_rows_end(cli);
out:
    if (fatal != LM_OK) {
        fprintf(cli->err,
                "%s: 第 %zu 行起没有读入:%s / stopped at line %zu: %s; lines answered with an id "
                "are saved\n",
                program, run.line_no + 1, lm_status_name(fatal), run.line_no,
                lm_status_name(fatal));
    }
    free(run.waiting);
    free(line);
    json_decref(run.refs);
    json_decref(run.unknown);
    return fatal != LM_OK || run.any_failed ? LM_EXIT_FAILED : LM_EXIT_OK;
}
