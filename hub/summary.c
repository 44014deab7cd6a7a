/* See summary.h. The template's lines: "# " title, "! " note, "## " chapter, "= " paragraph; in
 * braces an indicator, or town, period, coverage. */
#include "hub/summary.h"
#include "hub/settings.h"

#include "common/base/util.h"
#include "hub/store/counts_internal.h"

#include <stdlib.h>
#include <string.h>

#define YEAR_MIN 1949
#define YEAR_MAX 9999

extern const char lm_summary_template[], lm_summary_template_end[];

/* The annex: columns that can be told by village. */
static const char *const columns[] = {"I09", "I10", "I12", "I14", "I15", "I18", "I19v", "I25"};
#define N_COLUMNS (sizeof columns / sizeof *columns)

struct summary {
    struct lm_store *store;
    int year;
    char town[200], period[200], coverage[400], from[16], to[16];
    const json_t *counts;
    json_t *parts;
    bool strict; /* a figure that there is not is a mistake of who wrote the text */
    struct lm_error *err;
};

/* ---- words ---- */

static void say_period(struct summary *s, const char *until)
{
    if (s->year == 0) {
        (void)snprintf(s->period, sizeof s->period, "服务站成立以来，截至%s", until);
    } else {
        (void)snprintf(s->period, sizeof s->period, "%d年1月1日至%s", s->year, until);
    }
}

/* "2026年11月27日" */
static void day_text(const char *date, char out[40])
{
    (void)snprintf(out, 40, "%d年%d月%d日", (int)strtol(date, NULL, 10),
                   (int)strtol(date + 5, NULL, 10), (int)strtol(date + 8, NULL, 10));
}

/* Figures with opening balances that no second person has verified. */
static int count_unverified(const json_t *counts)
{
    json_t *figure;
    const char *id;
    int n = 0;

    json_object_foreach(json_object_get(counts, "indicators"), id, figure)
    {
        n += json_object_get(figure, "opening_unverified") != NULL;
    }
    return n;
}

static void say_coverage(struct summary *s, const json_t *coverage)
{
    int unverified = count_unverified(s->counts);
    long long complete = json_integer_value(json_object_get(coverage, "complete")),
              stations = json_integer_value(json_object_get(coverage, "stations")),
              returned = json_integer_value(json_object_get(coverage, "returned")),
              held = json_integer_value(json_object_get(coverage, "held"));
    const char *through = json_string_value(json_object_get(coverage, "complete_through"));
    char day[40] = "", there[40];

    lm_coverage_time(through, there);
    if (there[0]) {
        day_text(there, day);
    }
    (void)snprintf(s->coverage, sizeof s->coverage, "%lld个村站中%lld个已报全%s%s", stations,
                   complete, day[0] ? "，数据完整至" : "", day);
    if (returned + held > 0) {
        size_t at = strlen(s->coverage);

        (void)snprintf(s->coverage + at, sizeof s->coverage - at,
                       "，另有%lld条退回、%lld条待处理未计入", returned, held);
    }
    if (unverified > 0) {
        size_t at = strlen(s->coverage);

        (void)snprintf(s->coverage + at, sizeof s->coverage - at,
                       "，%d项数字含未经另一人核定的期初数", unverified);
    }
}

/* ---- pieces ---- */

static json_t *figure_piece(const struct summary *s, const char *id)
{
    const json_t *f = json_object_get(json_object_get(s->counts, "indicators"), id);
    json_t *piece;

    if (!f) {
        return NULL;
    }
    piece = json_pack("{s:s,s:O,s:O,s:O,s:O,s:O}", "indicator", id, "display",
                      json_object_get(f, "display"), "unit", json_object_get(f, "unit"), "value",
                      json_object_get(f, "value"), "opening", json_object_get(f, "opening"),
                      "reported", json_object_get(f, "reported"));
    return piece;
}

static json_t *piece_of(const struct summary *s, const char *name)
{
    const char *text = strcmp(name, "town") == 0       ? s->town
                       : strcmp(name, "period") == 0   ? s->period
                       : strcmp(name, "coverage") == 0 ? s->coverage
                                                       : NULL;

    return text ? json_pack("{s:s}", "text", text) : figure_piece(s, name);
}

/* One line of the template into its pieces. */
static enum lm_status add_part(struct summary *s, const char *kind, const char *line, size_t n)
{
    json_t *pieces = json_array();
    char name[32];

    for (size_t at = 0; at < n;) {
        const char *open = memchr(line + at, '{', n - at);
        size_t before = open ? (size_t)(open - line) - at : n - at;
        const char *close;
        json_t *piece;

        if (before > 0) {
            (void)json_array_append_new(pieces, json_pack("{s:s%}", "text", line + at, before));
        }
        at += before;
        if (!open) {
            break;
        }
        close = memchr(open, '}', n - at);
        if (!close || (size_t)(close - open) > sizeof name) {
            json_decref(pieces);
            return lm_fail(s->err, LM_ERR_INVALID, "unknown_token", "text",
                           "正文里的“{”没有配对的“}”。", "A brace in the text is not closed.");
        }
        (void)snprintf(name, sizeof name, "%.*s", (int)(close - open) - 1, open + 1);
        piece = piece_of(s, name);
        if (!piece && s->strict) {
            json_decref(pieces);
            return lm_fail(s->err, LM_ERR_INVALID, "unknown_token", "text", "没有这个指标：%.20s。",
                           "There is no such figure: %.20s.", name);
        }
        if (!piece) { /* an indicator that this town's catalogue does not have */
            piece = json_pack("{s:s}", "text", "(未填报)");
        }
        (void)json_array_append_new(pieces, piece);
        at = (size_t)(close - line) + 1;
    }
    return json_array_append_new(s->parts,
                                 json_pack("{s:s,s:o}", "kind", kind, "pieces", pieces)) == 0
               ? LM_OK
               : LM_ERR_MEMORY;
}

const char *lm_summary_template_text(size_t *n_out)
{
    *n_out = (size_t)(lm_summary_template_end - lm_summary_template);
    return lm_summary_template;
}

static enum lm_status fill(struct summary *s, const char *line, size_t bytes)
{
    enum lm_status status = LM_OK;
    const char *end = line + bytes;

    while (status == LM_OK && line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t n = stop ? (size_t)(stop - line) : (size_t)(end - line);

        if (s->strict && n > 0 && (n < 3 || !strchr("#!=", line[0]))) {
            return lm_fail(s->err, LM_ERR_INVALID, "bad_text", "text",
                           "正文每一段要以“= ”、“# ”或“## ”开头。",
                           "Each line of the text begins with \"= \", \"# \" or \"## \".");
        }
        if (n > 3 && memcmp(line, "## ", 3) == 0) {
            status = add_part(s, "heading", line + 3, n - 3);
        } else if (n > 2) {
            status = add_part(s,
                              line[0] == '#'   ? "title"
                              : line[0] == '!' ? "note"
                                               : "text",
                              line + 2, n - 2);
        }
        line += n + 1;
    }
    return status;
}

/* ---- the villages ---- */

struct villages {
    struct summary *s;
    const json_t *counts; /* by village */
    const json_t *stale, *never;
    json_t *rows;
};

static bool has(const json_t *codes, const char *code)
{
    size_t i;
    json_t *item;

    json_array_foreach((json_t *)(uintptr_t)codes, i, item)
    {
        if (strcmp(json_string_value(item), code) == 0) {
            return true;
        }
    }
    return false;
}

static bool add_village(void *arg, const struct lm_station *station)
{
    struct villages *v = arg;
    char name[256];
    json_t *values;

    if (strcmp(station->level, "village") != 0) {
        return true;
    }
    lm_count_area_label(v->s->store, station->code, name, sizeof name);
    values = json_array();
    for (size_t c = 0; c < N_COLUMNS; c++) {
        const json_t *figure =
            json_object_get(json_object_get(v->counts, "indicators"), columns[c]);
        const json_t *groups = json_object_get(figure, "groups");
        json_t *value = NULL, *group;
        size_t i;

        json_array_foreach((json_t *)(uintptr_t)groups, i, group)
        {
            if (strcmp(json_string_value(json_object_get(group, "key")), station->code) == 0) {
                value = json_object_get(group, "value");
            }
        }
        if (value) {
            (void)json_array_append(values, value);
        } else { /* a village of which there is none, where others have some: 0 */
            bool reported = json_is_true(json_object_get(figure, "reported"));

            (void)json_array_append_new(values, reported ? json_integer(0) : json_null());
        }
    }
    return json_array_append_new(
               v->rows,
               json_pack("{s:s,s:s,s:b,s:o}", "code", station->code, "name", name, "complete",
                         !has(v->stale, station->code) && !has(v->never, station->code), "values",
                         values)) == 0;
}

static enum lm_status add_villages(struct summary *s, const json_t *by_village, json_t *doc)
{
    const json_t *coverage = json_object_get(s->counts, "coverage");
    struct villages v = {.s = s,
                         .counts = by_village,
                         .stale = json_object_get(coverage, "stale"),
                         .never = json_object_get(coverage, "never"),
                         .rows = json_array()};
    json_t *heads = json_array();
    enum lm_status status = lm_store_stations(s->store, add_village, &v, s->err);

    for (size_t c = 0; c < N_COLUMNS; c++) {
        const json_t *f = json_object_get(json_object_get(by_village, "indicators"), columns[c]);

        (void)json_array_append_new(heads, json_pack("{s:s,s:O,s:O,s:O}", "indicator", columns[c],
                                                     "label", json_object_get(f, "label"),
                                                     "label_en", json_object_get(f, "label_en"),
                                                     "unit", json_object_get(f, "unit")));
    }
    (void)json_object_set_new(doc, "villages",
                              json_pack("{s:o,s:o}", "columns", heads, "rows", v.rows));
    return status;
}

/* ---- the document ---- */

static enum lm_status take_year(struct summary *s, int64_t now_ms, struct lm_count_query *query)
{
    char today[16];
    int now_year;

    *query = (struct lm_count_query){.now_ms = now_ms};
    if (s->year == 0) {
        return LM_OK;
    }
    lm_date_format(lm_day_utc8(now_ms), today);
    now_year = (int)strtol(today, NULL, 10);
    if (s->year < YEAR_MIN || s->year > YEAR_MAX || s->year > now_year) {
        return lm_fail(s->err, LM_ERR_INVALID, "bad_year", "year", "没有 %d 年的数据。",
                       "There is nothing of the year %d.", s->year);
    }
    (void)snprintf(s->from, sizeof s->from, "%04d-01-01", s->year);
    query->from = s->from;
    if (s->year < now_year) {
        (void)snprintf(s->to, sizeof s->to, "%04d-12-31", s->year);
        query->to = s->to;
    }
    return LM_OK;
}

static enum lm_status take_figures(struct summary *s, const struct lm_count_query *query,
                                   json_t **counts_out)
{
    char until[40];
    enum lm_status status = lm_counts(s->store, query, counts_out, s->err);

    if (status == LM_OK) {
        s->counts = *counts_out;
        day_text(json_string_value(json_object_get(s->counts, "to")), until);
        say_period(s, until);
        say_coverage(s, json_object_get(s->counts, "coverage"));
    }
    return status;
}

enum lm_status lm_summary_figures(struct lm_store *store, int year, int64_t now_ms,
                                  json_t **counts_out, char period_out[200], char coverage_out[400],
                                  struct lm_error *err)
{
    struct summary s = {.store = store, .year = year, .err = err};
    struct lm_count_query query;
    enum lm_status status = take_year(&s, now_ms, &query);

    *counts_out = NULL;
    if (status == LM_OK) {
        status = take_figures(&s, &query, counts_out);
    }
    memcpy(period_out, s.period, sizeof s.period);
    memcpy(coverage_out, s.coverage, sizeof s.coverage);
    return status;
}

enum lm_status lm_summary_parts(const json_t *counts, const char *town, const char *period,
                                const char *coverage, const char *text, size_t n, bool strict,
                                json_t **parts_out, struct lm_error *err)
{
    struct summary s = {.counts = counts, .parts = json_array(), .strict = strict, .err = err};
    enum lm_status status;

    (void)snprintf(s.town, sizeof s.town, "%s", town);
    (void)snprintf(s.period, sizeof s.period, "%s", period);
    (void)snprintf(s.coverage, sizeof s.coverage, "%s", coverage);
    status = fill(&s, text, n);
    *parts_out = status == LM_OK ? s.parts : NULL;
    if (status != LM_OK) {
        json_decref(s.parts);
    }
    return status;
}

enum lm_status lm_summary(struct lm_store *store, int year, int64_t now_ms, json_t **out,
                          struct lm_error *err)
{
    struct summary s = {.store = store, .year = year, .parts = json_array(), .err = err};
    struct lm_count_query query;
    json_t *counts = NULL, *by_village = NULL, *doc = NULL;
    size_t n;
    const char *text = lm_summary_template_text(&n);
    char town[LM_TOWN_NAME_BYTES];
    enum lm_status status = take_year(&s, now_ms, &query);

    *out = NULL;
    lm_town_name(store, town);
    (void)snprintf(s.town, sizeof s.town, "%s", town);
    if (status == LM_OK) {
        status = take_figures(&s, &query, &counts);
    }
    if (status == LM_OK) {
        query.by = "village";
        query.indicators = (const char **)(uintptr_t)columns;
        query.n_indicators = N_COLUMNS;
        status = lm_counts(store, &query, &by_village, err);
    }
    if (status == LM_OK) {
        status = fill(&s, text, n);
    }
    if (status == LM_OK) {
        doc = json_pack("{s:i,s:O,s:O,s:O,s:O,s:O}", "year", year, "as_of",
                        json_object_get(counts, "as_of"), "from", json_object_get(counts, "from"),
                        "to", json_object_get(counts, "to"), "coverage",
                        json_object_get(counts, "coverage"), "parts", s.parts);
        status = doc ? add_villages(&s, by_village, doc) : LM_ERR_MEMORY;
    }
    json_decref(counts);
    json_decref(by_village);
    json_decref(s.parts);
    if (status != LM_OK) {
        json_decref(doc);
        return status;
    }
    *out = doc;
    return LM_OK;
}

/* ---- as text and as a page ---- */

static const char *kind_of(const json_t *part)
{
    return json_string_value(json_object_get(part, "kind"));
}

void lm_summary_text(const json_t *summary, struct lm_buf *out)
{
    size_t i, k;
    json_t *part, *piece;

    json_array_foreach(json_object_get(summary, "parts"), i, part)
    {
        lm_buf_text(out, strcmp(kind_of(part), "text") == 0 ? "    " : "");
        json_array_foreach(json_object_get(part, "pieces"), k, piece)
        {
            const char *text = json_string_value(json_object_get(piece, "text"));

            lm_buf_text(out, text ? text : json_string_value(json_object_get(piece, "display")));
        }
        lm_buf_text(out, "\n");
    }
}

static void escaped(struct lm_buf *out, const char *text)
{
    for (; *text; text++) {
        const char *instead = *text == '&'   ? "&amp;"
                              : *text == '<' ? "&lt;"
                              : *text == '>' ? "&gt;"
                              : *text == '"' ? "&quot;"
                                             : NULL;

        if (instead) {
            lm_buf_text(out, instead);
        } else {
            lm_buf_add(out, text, 1);
        }
    }
}

static void value_text(struct lm_buf *out, const json_t *value, const char *unit)
{
    if (json_is_integer(value)) {
        lm_buf_printf(out, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        lm_buf_printf(out, "%.0f%s", json_real_value(value), strcmp(unit, "%") == 0 ? "%" : "");
    } else {
        lm_buf_text(out, "—");
    }
}

static void html_villages(struct lm_buf *out, const json_t *villages)
{
    const json_t *heads = json_object_get(villages, "columns");
    size_t i, k;
    json_t *row, *head, *value;

    lm_buf_text(out, "<h2>附：各村数据（实数）</h2>\n<table>\n<thead><tr><th>村</th>");
    json_array_foreach((json_t *)(uintptr_t)heads, k, head)
    {
        lm_buf_text(out, "<th>");
        escaped(out, json_string_value(json_object_get(head, "label")));
        lm_buf_text(out, "</th>");
    }
    lm_buf_text(out, "</tr></thead>\n<tbody>\n");
    json_array_foreach(json_object_get(villages, "rows"), i, row)
    {
        bool complete = json_is_true(json_object_get(row, "complete"));

        lm_buf_text(out, "<tr><td>");
        escaped(out, json_string_value(json_object_get(row, "name")));
        lm_buf_text(out, complete ? "</td>" : "（未报全）</td>");
        json_array_foreach(json_object_get(row, "values"), k, value)
        {
            lm_buf_text(out, "<td>");
            value_text(out, value,
                       json_string_value(json_object_get(json_array_get(heads, k), "unit")));
            lm_buf_text(out, "</td>");
        }
        lm_buf_text(out, "</tr>\n");
    }
    lm_buf_text(out, "</tbody>\n</table>\n");
}

void lm_summary_html(const json_t *summary, struct lm_buf *out)
{
    static const char head[] =
        "<!doctype html>\n<html lang=\"zh-CN\">\n<head>\n<meta charset=\"utf-8\">\n<title>工作总结"
        "</title>\n<style>\n"
        "@page{size:A4;margin:25mm 22mm}"
        "body{font-family:FangSong,\"仿宋\",\"Noto Serif CJK "
        "SC\",serif;font-size:16pt;line-height:1.8;"
        "max-width:180mm;margin:0 auto}"
        "h1{font-family:SimSun,\"宋体\",serif;font-size:22pt;text-align:center}"
        "h2{font-family:SimHei,\"黑体\",sans-serif;font-size:16pt;font-weight:normal}"
        "p{text-indent:2em;margin:0}.note{font-size:12pt;text-align:center;text-indent:0}"
        "table{border-collapse:collapse;width:100%;font-size:10.5pt;line-height:1.3}"
        "th,td{border:1px solid #000;padding:2pt "
        "4pt;text-align:center}thead{display:table-header-group}"
        "tr{page-break-inside:avoid}\n</style>\n</head>\n<body>\n";
    size_t i, k;
    json_t *part, *piece;

    lm_buf_text(out, head);
    json_array_foreach(json_object_get(summary, "parts"), i, part)
    {
        const char *kind = kind_of(part);
        const char *tag = strcmp(kind, "title") == 0     ? "h1"
                          : strcmp(kind, "heading") == 0 ? "h2"
                                                         : "p";

        lm_buf_printf(out, "<%s%s>", tag, strcmp(kind, "note") == 0 ? " class=\"note\"" : "");
        json_array_foreach(json_object_get(part, "pieces"), k, piece)
        {
            const char *text = json_string_value(json_object_get(piece, "text"));
            const char *id = json_string_value(json_object_get(piece, "indicator"));

            if (id) {
                lm_buf_text(out, "<span data-indicator=\"");
                escaped(out, id);
                lm_buf_text(out, "\">");
            }
            escaped(out, text ? text : json_string_value(json_object_get(piece, "display")));
            lm_buf_text(out, id ? "</span>" : "");
        }
        lm_buf_printf(out, "</%s>\n", tag);
    }
    if (json_object_get(summary, "villages")) { /* a signed version keeps the town's figures only */
        html_villages(out, json_object_get(summary, "villages"));
    }
    lm_buf_text(out, "</body>\n</html>\n");
}
