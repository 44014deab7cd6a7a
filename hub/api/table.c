/* GET tables/{token}/counts.csv and .xlsx: figures for a spreadsheet to refresh from, without a
 * login. Whoever has the address sees what a leader's first page shows, no names and no rows; each
 * line says how complete its figure is. */
#include "hub/api/api.h"
#include "hub/api/xlsx.h"
#include "hub/counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Signs that begin a formula; East Asian editions of spreadsheets take the full-width ones too. */
static bool begins_formula(const char *text)
{
    static const char *const wide[] = {"＝", "＋", "－", "＠"};

    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        if (strncmp(text, wide[i], strlen(wide[i])) == 0) {
            return true;
        }
    }
    return text[0] && strchr("=+-@\t\r\n", text[0]);
}

/* A cell: quoted where it must be. */
static void cell(struct lm_buf *out, const char *text, bool last)
{
    char *end = NULL;
    bool starts = begins_formula(text), formula, quoted;

    if (starts) {
        (void)strtod(text, &end); /* -5 is a number, +1+1 is not */
    }
    formula = starts && (end == text || *end);
    quoted = formula || strpbrk(text, "\",\r\n");

    lm_buf_text(out, quoted ? "\"" : "");
    lm_buf_text(out, formula ? "'" : "");
    for (; *text; text++) {
        lm_buf_add(out, text, 1);
        if (*text == '"') {
            lm_buf_text(out, "\"");
        }
    }
    lm_buf_text(out, quoted ? "\"" : "");
    lm_buf_text(out, last ? "\r\n" : ",");
}

void lm_csv(const json_t *rows, struct lm_buf *out)
{
    size_t i, k;
    json_t *row, *value;
    char number[48];

    lm_buf_text(out, "\xef\xbb\xbf");
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        json_array_foreach(row, k, value)
        {
            const char *text = json_string_value(value);

            if (json_is_number(value)) {
                (void)snprintf(number, sizeof number, "%.10g", json_number_value(value));
                text = number;
            }
            cell(out, text ? text : "", k + 1 == json_array_size(row));
        }
    }
}

/* Money in yuan; nothing where nothing is. */
static json_t *number(const json_t *value, const char *unit)
{
    if (!json_is_number(value)) {
        return json_string("");
    }
    return json_real(json_number_value(value) / (strcmp(unit, "元") == 0 ? 100 : 1));
}

struct lines {
    json_t *rows;
    const json_t *counts;
};

static void line(struct lines *l, const char *id, const json_t *figure, const char *group,
                 const json_t *value, const char *display)
{
    const char *unit = json_string_value(json_object_get(figure, "unit"));
    const json_t *coverage = json_object_get(l->counts, "coverage");
    const char *from = json_string_value(json_object_get(l->counts, "from"));
    char through[40];

    lm_coverage_time(json_string_value(json_object_get(coverage, "complete_through")), through);
    (void)json_array_append_new(
        l->rows, json_pack("[s,O,s,o,s,s,s,O,O,O,s]", id, json_object_get(figure, "label"), group,
                           number(value, unit), unit, display, from ? from : "",
                           json_object_get(l->counts, "to"), json_object_get(coverage, "complete"),
                           json_object_get(coverage, "stations"), through));
}

static json_t *table_of(const json_t *counts)
{
    struct lines l = {.rows = json_array(), .counts = counts};
    const char *id;
    json_t *figure, *group;
    size_t i;

    (void)json_array_append_new(l.rows, json_pack("[s,s,s,s,s,s,s,s,s,s,s]", "指标", "名称", "分组",
                                                  "数值", "单位", "显示", "起", "止", "已报全村数",
                                                  "村数", "数据完整至"));
    json_object_foreach(json_object_get(counts, "indicators"), id, figure)
    {
        line(&l, id, figure, "", json_object_get(figure, "value"),
             json_string_value(json_object_get(figure, "display")));
        json_array_foreach(json_object_get(figure, "groups"), i, group)
        {
            line(&l, id, figure, json_string_value(json_object_get(group, "label")),
                 json_object_get(group, "value"),
                 json_is_false(json_object_get(group, "reported")) ? "(未填报)" : "");
        }
    }
    return l.rows;
}

static enum lm_status table(struct lm_api_call *call, bool xlsx)
{
    const struct lm_http_request *request = call->request;
    struct lm_count_query query = {.by = request->query(request, "by"),
                                   .from = request->query(request, "from"),
                                   .to = request->query(request, "to"),
                                   .now_ms = lm_clock_wall_ms()};
    const char *only = request->query(request, "indicator");
    json_t *counts = NULL;
    char name[260];
    enum lm_status st = lm_store_token_name(call->api->store, request->params[0], name, &call->err);

    if (st == LM_ERR_NOT_FOUND) {
        return lm_fail(&call->err, st, "not_found", "", "地址无效或已作废。",
                       "The address is not valid, or was revoked.");
    }
    if (st == LM_OK && request->query(request, "station")) {
        return lm_fail(&call->err, LM_ERR_INVALID, "unknown_parameter", "station",
                       "这个地址只给全镇的数，不能按站。",
                       "The address gives the town's figures alone.");
    }
    query.indicators = &only;
    query.n_indicators = only ? 1 : 0;
    if (st == LM_OK) {
        st = lm_counts(call->api->store, &query, &counts, &call->err);
    }
    if (st == LM_OK) {
        const struct lm_audit_entry entry = {
            .at_ms = query.now_ms, .user = name, .role = "", .what = "table", .object = only};

        st = lm_audit_add(call->api->audit, &entry, &call->err);
    }
    if (st == LM_OK) {
        json_t *rows = table_of(counts);

        lm_town_cover_json(rows, true);
        if (xlsx) {
            lm_xlsx("指标", rows, &call->response->body);
            call->response->content_type =
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        } else {
            lm_csv(rows, &call->response->body);
            call->response->content_type = "text/csv; charset=utf-8";
        }
        json_decref(rows);
        st = call->response->body.status == LM_OK ? LM_OK : lm_api_no_memory(call);
    }
    json_decref(counts);
    return st;
}

enum lm_status lm_town_table(struct lm_api_call *call)
{
    return table(call, false);
}

enum lm_status lm_town_table_xlsx(struct lm_api_call *call)
{
    return table(call, true);
}
