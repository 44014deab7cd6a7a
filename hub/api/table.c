/* GET tables/{token}/counts.csv: figures for a spreadsheet to refresh from, without a login.
 * Whoever has the address sees what a leader's first page shows, no names and no rows; each line
 * says how complete its figure is. UTF-8 with a mark, as Excel wants it. */
#include "hub/api/api.h"
#include "hub/counts.h"

#include <string.h>

/* A cell: quoted where it must be; what a spreadsheet would take for a formula gets a quote mark.
 */
static void cell(struct lm_buf *out, const char *text, bool last)
{
    bool formula =
        strchr("=+-@\t\r", text[0]) && text[0] && strspn(text, "+-.0123456789") != strlen(text);
    bool quoted = formula || strpbrk(text, "\",\r\n");

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

static void number(struct lm_buf *out, const json_t *value, const char *unit)
{
    bool money = strcmp(unit, "元") == 0;
    char text[48] = "";

    if (json_is_number(value)) {
        double n = json_number_value(value);

        (void)snprintf(text, sizeof text,
                       money                    ? "%.2f"
                       : json_is_integer(value) ? "%.0f"
                                                : "%.4f",
                       money ? n / 100 : n);
    }
    cell(out, text, false);
}

struct lines {
    struct lm_buf *out;
    const json_t *counts;
    char complete[24], stations[24];
    const char *through;
};

static void line(struct lines *l, const char *id, const json_t *figure, const char *group,
                 const json_t *value, const char *display)
{
    const char *unit = json_string_value(json_object_get(figure, "unit"));
    const char *from = json_string_value(json_object_get(l->counts, "from"));

    cell(l->out, id, false);
    cell(l->out, json_string_value(json_object_get(figure, "label")), false);
    cell(l->out, group, false);
    number(l->out, value, unit);
    cell(l->out, unit, false);
    cell(l->out, display, false);
    cell(l->out, from ? from : "", false);
    cell(l->out, json_string_value(json_object_get(l->counts, "to")), false);
    cell(l->out, l->complete, false);
    cell(l->out, l->stations, false);
    cell(l->out, l->through, true);
}

static void put_lines(struct lines *l)
{
    const char *id;
    json_t *figure, *group;
    size_t i;

    lm_buf_text(l->out,
                "\xef\xbb\xbf指标,名称,分组,数值,单位,显示,起,止,已报全村数,村数,数据完整至\r\n");
    json_object_foreach(json_object_get(l->counts, "indicators"), id, figure)
    {
        line(l, id, figure, "", json_object_get(figure, "value"),
             json_string_value(json_object_get(figure, "display")));
        json_array_foreach(json_object_get(figure, "groups"), i, group)
        {
            line(l, id, figure, json_string_value(json_object_get(group, "label")),
                 json_object_get(group, "value"), "");
        }
    }
}

enum lm_status lm_town_table(struct lm_api_call *call)
{
    const struct lm_http_request *request = call->request;
    struct lm_count_query query = {.by = request->query(request, "by"),
                                   .from = request->query(request, "from"),
                                   .to = request->query(request, "to"),
                                   .now_ms = lm_clock_wall_ms()};
    const char *only = request->query(request, "indicator");
    struct lines l = {.out = &call->response->body};
    json_t *counts = NULL;
    const json_t *coverage;
    char name[260];
    enum lm_status st = lm_store_token_name(call->api->store, request->params[0], name, &call->err);

    if (st == LM_ERR_NOT_FOUND) {
        return lm_fail(&call->err, st, "not_found", "", "地址无效或已作废。",
                       "The address is not valid, or was revoked.");
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
        coverage = json_object_get(counts, "coverage");
        l.counts = counts;
        (void)snprintf(l.complete, sizeof l.complete, "%lld",
                       (long long)json_integer_value(json_object_get(coverage, "complete")));
        (void)snprintf(l.stations, sizeof l.stations, "%lld",
                       (long long)json_integer_value(json_object_get(coverage, "stations")));
        l.through = json_string_value(json_object_get(coverage, "complete_through"));
        l.through = l.through ? l.through : "";
        put_lines(&l);
        call->response->content_type = "text/csv; charset=utf-8";
    }
    json_decref(counts);
    return st;
}
