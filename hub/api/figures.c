/* Figures with their coverage, the rows behind them, and how the stations stand. */
#include "common/catalog_json.h"
#include "common/tables.h"
#include "hub/api/api.h"
#include "hub/counts.h"
#include "hub/docx.h"
#include "hub/settings.h"
#include "hub/snapshot_annex.h"
#include "hub/summary.h"
#include "proto/caldate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INDICATORS_MAX 64
#define INDICATORS_TEXT_MAX 1024
#define LABELS_ARENA_BYTES (16 * 1024 * 1024)

extern const char lm_hub_openapi[], lm_hub_openapi_end[];

/* ---- counts ---- */

/* by, from, to, station of the query. */
static struct lm_count_query take_query(const struct lm_http_request *request)
{
    return (struct lm_count_query){.by = request->query(request, "by"),
                                   .from = request->query(request, "from"),
                                   .to = request->query(request, "to"),
                                   .station = request->query(request, "station"),
                                   .now_ms = lm_clock_wall_ms()};
}

/* GET counts?indicators=I12,I13&by=village&from=…&to=…&station=… */
enum lm_status lm_town_counts(struct lm_api_call *call)
{
    struct lm_count_query query = take_query(call->request);
    const char *list = call->request->query(call->request, "indicators");
    const char *names[INDICATORS_MAX];
    char text[INDICATORS_TEXT_MAX], *at, *rest = NULL;

    query.indicators = names;
    if (list) {
        if (strlen(list) >= sizeof text) {
            return lm_fail(&call->err, LM_ERR_LIMIT, "too_many", "indicators", "指标太多。",
                           "Too many indicators.");
        }
        (void)snprintf(text, sizeof text, "%s", list);
        for (at = strtok_r(text, ",", &rest); at; at = strtok_r(NULL, ",", &rest)) {
            if (query.n_indicators == INDICATORS_MAX) {
                return lm_fail(&call->err, LM_ERR_LIMIT, "too_many", "indicators", "指标太多。",
                               "Too many indicators.");
            }
            names[query.n_indicators++] = at;
        }
    }
    return lm_counts(call->api->store, &query, &call->answer, &call->err);
}

static json_t *row_json(void *arg, const struct lm_record *rec)
{
    struct lm_town_labels *labels = arg;

    lm_town_add_labels(labels, rec);
    return lm_town_record(labels->api->store, rec, labels->sight);
}

/* GET counts/I12/rows?by=village&key=999999101201&from=…: the same question as the figure's. */
enum lm_status lm_town_count_rows(struct lm_api_call *call)
{
    struct lm_count_query query = take_query(call->request);
    const char *name = call->request->params[0], *key = call->request->query(call->request, "key");
    struct lm_town_labels labels = {.api = call->api, .sight = lm_town_sight(call)};
    int64_t limit = 0, offset = 0;
    enum lm_status st =
        lm_api_number(call, "limit", 1, LM_TOWN_ROWS_MAX, LM_TOWN_ROWS_DEFAULT, &limit);

    if (st == LM_OK) {
        st = lm_api_number(call, "offset", 0, 10000000, 0, &offset);
    }
    query.indicators = &name;
    query.n_indicators = 1;
    if (st == LM_OK && key && !query.by) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "required", "by", "写了 key 就要写 by。",
                     "\"key\" needs \"by\".");
    }
    if (st != LM_OK) {
        return st;
    }
    labels.into = json_object();
    lm_arena_init(&labels.arena, LABELS_ARENA_BYTES);
    st = lm_count_rows(call->api->store, &query, key, (size_t)offset, (size_t)limit, row_json,
                       &labels, &call->answer, &call->err);
    lm_arena_free(&labels.arena);
    if (st != LM_OK) {
        json_decref(labels.into);
    } else {
        (void)json_object_set_new(call->answer, "labels", labels.into);
    }
    return st;
}

/* The paper that is asked for with format=html or format=docx; NULL: the document itself. */
const char *lm_town_paper(struct lm_api_call *call)
{
    const char *format = call->request->query(call->request, "format");

    return !format                       ? NULL
           : strcmp(format, "html") == 0 ? "html"
           : strcmp(format, "docx") == 0 ? "docx"
                                         : NULL;
}

enum lm_status lm_town_put_paper(struct lm_api_call *call, const char *format, const char *id,
                                 const char *name, json_t *doc)
{
    struct lm_http_response *r = call->response;
    enum lm_status st = LM_OK;

    if (strcmp(format, "docx") == 0) {
        st = lm_snapshot_annex(call->api->store, id, doc, &call->err);
    }
    if (st == LM_OK) {
        lm_town_cover_json(doc, lm_town_sight(call) == LM_SIGHT_LEADER);
        if (strcmp(format, "docx") == 0) {
            char town[LM_TOWN_NAME_BYTES];

            lm_town_name(call->api->store, town); /* as the text says it */
            lm_summary_docx(doc, town, &r->body);
            r->content_type = LM_DOCX_TYPE;
        } else {
            lm_summary_html(doc, &r->body);
            r->content_type = "text/html; charset=utf-8";
        }
        (void)snprintf(r->disposition, sizeof r->disposition,
                       "attachment; filename=\"summary-%s.%s\"; filename*=UTF-8''"
                       "%%E5%%B7%%A5%%E4%%BD%%9C%%E6%%80%%BB%%E7%%BB%%93-%s.%s",
                       name, format, name, format);
        st = r->body.status == LM_OK ? LM_OK : lm_api_no_memory(call);
    }
    return st;
}

/* GET summary?year=2025: the work summary, or its paper with format=html or docx. */
enum lm_status lm_town_summary(struct lm_api_call *call)
{
    const char *format = lm_town_paper(call);
    int64_t year = 0;
    json_t *doc = NULL;
    char text[32];
    enum lm_status st = lm_api_number(call, "year", 0, 9999, 0, &year);

    if (st == LM_OK && format) { /* before it leaves */
        (void)snprintf(text, sizeof text, "%s %lld", format, (long long)year);
        st = lm_town_log(call, "export", "summary", "", text);
    }
    if (st == LM_OK) {
        st = lm_summary(call->api->store, (int)year, lm_clock_wall_ms(), &doc, &call->err);
    }
    if (st == LM_OK && format) {
        (void)snprintf(text, sizeof text, "%lld", (long long)year);
        st = lm_town_put_paper(call, format, NULL, text, doc);
        json_decref(doc);
    } else {
        call->answer = doc;
    }
    return st;
}

/* ---- targets ---- */

struct targets {
    int64_t year;
    const char *town;
    json_t *rows;
};

static bool add_target(void *arg, const struct lm_record *rec)
{
    struct targets *t = arg;
    json_t *row = lm_record_to_json(rec), *fields = json_object_get(row, "fields");
    const char *state = lm_record_text(rec, LM_C_STATE);
    const char *area = json_string_value(json_object_get(fields, "area_code"));

    if (!lm_record_deleted(rec) && area && strcmp(area, t->town) == 0 &&
        (strcmp(state, "submitted") == 0 || strcmp(state, "verified") == 0) &&
        json_integer_value(json_object_get(fields, "year")) == t->year) {
        (void)json_object_set(t->rows, json_string_value(json_object_get(fields, "indicator")),
                              json_object_get(fields, "value"));
    }
    json_decref(row);
    return true;
}

/* GET targets?year=2026: the town's own, {"targets":{"I12":500}}: shares in percent, money in yuan.
 */
enum lm_status lm_town_targets(struct lm_api_call *call)
{
    struct targets t = {.town = lm_store_town(call->api->store)->code, .rows = json_object()};
    enum lm_status st = lm_api_number(call, "year", 1949, 9999, 0, &t.year);

    if (st == LM_OK) {
        st = lm_store_list(call->api->store, NULL, "target", NULL, NULL, 0, add_target, &t,
                           &call->err);
    }
    call->answer = json_pack("{s:o}", "targets", t.rows);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

/* ---- how it stands ---- */

static json_t *time_or_null(int64_t ms)
{
    char text[LM_TIME_TEXT + 8];

    if (ms == 0) {
        return json_null();
    }
    lm_time_format(ms, text);
    return json_string(text);
}

static bool count_row(void *arg, const json_t *row)
{
    (void)row;
    (*(size_t *)arg)++;
    return true;
}

/* Counted no further: whoever has so many need not know how many more, and the page asks often. */
#define WAITING_MAX 500
#define PETITION_DAYS                                                                              \
    7 /* before its limit a petition is near it; the page's list says the same                     \
       */

struct waiting {
    size_t n, seen;
    char until[16]; /* petitions alone: those with a limit by this day; "" = all */
};

static bool is_waiting(void *arg, const struct lm_record *rec)
{
    struct waiting *w = arg;
    bool registered = strcmp(lm_record_text(rec, LM_C_STATE), "registered") == 0;
    const struct lm_field *due =
        w->until[0] ? lm_type_field(rec->type, registered ? "accept_due" : "finish_due") : NULL;
    const char *on = due ? lm_record_text(rec, due->index) : "";

    w->n += !lm_record_deleted(rec) && (!w->until[0] || (on[0] && strcmp(on, w->until) <= 0));
    return ++w->seen < 8 * WAITING_MAX && w->n < WAITING_MAX;
}

/* Files to verify, and petitions whose next limit is near or past: what nothing else in the numbers
 * has. */
static enum lm_status count_waiting(struct lm_api_call *call, size_t *files, size_t *petitions)
{
    static const char *const open[] = {"registered", "accepted", "handling", "extended"};
    struct lm_where where = {.field = "state", .value = "submitted"};
    struct waiting w = {0};
    enum lm_status st = lm_store_list(call->api->store, NULL, "person", NULL, &where, 1, is_waiting,
                                      &w, &call->err);

    *files = w.n;
    w = (struct waiting){0};
    lm_date_format(lm_day_utc8(lm_clock_wall_ms()) + PETITION_DAYS, w.until);
    for (size_t i = 0; st == LM_OK && i < sizeof open / sizeof *open && w.n < WAITING_MAX; i++) {
        where.value = open[i];
        st = lm_store_list(call->api->store, NULL, "petition", NULL, &where, 1, is_waiting, &w,
                           &call->err);
    }
    *petitions = w.n;
    return st;
}

static bool goes(const struct lm_type *type, const char *from, const char *to)
{
    for (size_t i = 0; i < type->n_transitions; i++) {
        const struct lm_transition *t = &type->transitions[i];

        if (t->from && strcmp(t->from, from) == 0 && (!to || strcmp(t->to, to) == 0) &&
            (t->by & LM_BY_TOWN)) {
            return true;
        }
    }
    return false;
}

/* Rows of every type that somebody verifies, cases at a step that is the town's, moves between
 * villages: what the page's list has, no more and no less (inbox.tsx). */
static enum lm_status count_work(struct lm_api_call *call, size_t *out)
{
    static const char *const steps[][6] = {
        {"aid_case", "village_checked", "town_reviewed", "publicity", "reported", "approved"},
        {"pref_card", "accepted", "review", "making", "received", "reissue"},
        {"service_item", "accepted", "tolerant", "handling", NULL, NULL}};
    struct lm_store *store = call->api->store;
    const struct lm_catalog *catalog = lm_store_catalog(store);
    enum lm_status st = lm_store_transfers(store, count_row, out, &call->err);
    size_t n;

    for (size_t i = 0; st == LM_OK && i < catalog->n_types; i++) {
        const struct lm_type *type = &catalog->types[i];

        if (goes(type, "submitted", "verified") || goes(type, "submitted", "active")) {
            st = lm_store_in_state(store, type, "submitted", &n, &call->err);
            *out += n;
        }
    }
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const struct lm_type *type = lm_catalog_type(catalog, steps[i][0]);

        for (size_t k = 1; type && k < 6 && steps[i][k] && st == LM_OK; k++) {
            if (goes(type, steps[i][k], NULL)) {
                st = lm_store_in_state(store, type, steps[i][k], &n, &call->err);
                *out += n;
            }
        }
    }
    return st;
}

/* What waits for the town, in numbers, and what the technician has to know. */
enum lm_status lm_town_status(struct lm_api_call *call)
{
    struct lm_store *store = call->api->store;
    const struct lm_town *town = lm_store_town(store);
    struct lm_store_totals totals;
    int64_t backup_ms = 0, now = lm_clock_wall_ms();
    size_t salvaged = 0, recovered = 0, files = 0, petitions = 0, work = 0;
    char name[LM_TOWN_NAME_BYTES];
    json_t *coverage = NULL;
    enum lm_status st = lm_store_totals(store, &totals);

    if (st == LM_OK) {
        st = lm_store_backup_ms(store, &backup_ms, &call->err);
    }
    if (st == LM_OK) {
        st = lm_store_salvaged(store, count_row, &salvaged, &call->err);
    }
    if (st == LM_OK) {
        st = lm_store_recovered(store, count_row, &recovered, &call->err);
    }
    if (st == LM_OK && strcmp(call->session->role, "clerk") == 0) {
        st = count_waiting(call, &files, &petitions);
        st = st == LM_OK ? count_work(call, &work) : st;
        work += petitions + salvaged + recovered + (size_t)totals.held + (size_t)totals.conflicts +
                (size_t)totals.duplicates;
    }
    if (st == LM_OK) {
        st = lm_coverage(store, NULL, now, &coverage, &call->err);
    }
    if (st != LM_OK) {
        return st;
    }
    lm_town_name(store, name);
    call->answer = json_pack(
        "{s:s,s:s,s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:b,s:o,s:i}", "town", name,
        "code", town->code, "now", time_or_null(now), "returned", (json_int_t)totals.returned,
        "held", (json_int_t)totals.held, "conflicts", (json_int_t)totals.conflicts, "duplicates",
        (json_int_t)totals.duplicates, "salvaged", (json_int_t)salvaged, "recovered",
        (json_int_t)recovered, "to_verify", (json_int_t)files, "petitions_due",
        (json_int_t)petitions, "waiting", (json_int_t)work, "journal",
        (json_int_t)totals.journal_entries, "backup_age_s",
        backup_ms > 0 ? json_integer((now - backup_ms) / 1000) : json_null(), "read_only",
        (int)(town->rival != 0), "coverage", coverage, "sync_port", call->api->server->sync_port);
    return call->answer ? LM_OK : lm_api_no_memory(call);
}

/* ---- stations ---- */

struct board {
    struct lm_store *store;
    struct lm_merger *mergers;
    size_t n_mergers;
    json_t *stations, *by_code;
    bool failed;
};

static bool add_station(void *arg, const struct lm_station *s)
{
    struct board *board = arg;
    const struct lm_merger *m = lm_merger_find(board->mergers, board->n_mergers, s->code);
    json_t *merged = m ? json_pack("{s:s,s:s}", "into", m->into, "on", m->on) : json_null();
    json_t *row = json_pack("{s:s,s:s,s:s,s:s,s:s,s:o,s:i,s:[],s:[]}", "code", s->code, "name",
                            s->name, "level", s->level, "office", s->office_code, "office_name",
                            s->office_name, "merged", merged, "returned", 0, "replicas", "alarms");

    board->failed = board->failed || !row || json_object_set(board->by_code, s->code, row) != 0 ||
                    json_array_append_new(board->stations, row) != 0;
    return !board->failed;
}

static bool add_replica(void *arg, const struct lm_replica *r)
{
    struct board *board = arg;
    char number[24];
    json_t *row;
    int64_t lag = r->head.seq > r->acked.seq ? (int64_t)(r->head.seq - r->acked.seq) : 0;

    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)r->number);
    row = json_pack("{s:s,s:o,s:o,s:I,s:I,s:o,s:s,s:b,s:b,s:b,s:b}", "replica", number,
                    "last_contact", time_or_null(r->last_contact_ms), "complete_through",
                    time_or_null(r->complete_ms), "acked", (json_int_t)r->acked.seq, "lag",
                    (json_int_t)lag, "clock_offset_ms",
                    r->clock_known ? json_integer(r->clock_offset_ms) : json_null(), "program",
                    r->program, "revoked", (int)(r->revoked_ms != 0), "in_doubt",
                    (int)lm_replica_in_doubt(r), "possible_gap", (int)r->possible_gap,
                    "by_station_clock", (int)lm_store_by_station_clock(board->store, r));
    board->failed =
        board->failed || !row ||
        json_array_append_new(
            json_object_get(json_object_get(board->by_code, r->station), "replicas"), row) != 0;
    return !board->failed;
}

static bool add_alarm(void *arg, const struct lm_alarm *alarm)
{
    struct board *board = arg;
    json_t *row = lm_alarm_json(alarm);

    board->failed =
        board->failed || !row ||
        json_array_append_new(
            json_object_get(json_object_get(board->by_code, alarm->station), "alarms"), row) != 0;
    return !board->failed;
}

static bool add_returned(void *arg, const char *station, int64_t n)
{
    struct board *board = arg;
    json_t *row = json_object_get(board->by_code, station);

    board->failed = board->failed ||
                    (row && json_object_set_new(row, "returned", json_integer((json_int_t)n)) != 0);
    return !board->failed;
}

enum lm_status lm_town_stations(struct lm_api_call *call)
{
    struct lm_store *store = call->api->store;
    struct board board = {.store = store, .stations = json_array(), .by_code = json_object()};
    json_t *coverage = NULL;
    enum lm_status st;

    board.mergers = calloc(LM_MERGERS_MAX, sizeof *board.mergers);
    st = board.mergers
             ? lm_store_mergers(store, board.mergers, LM_MERGERS_MAX, &board.n_mergers, &call->err)
             : lm_api_no_memory(call);
    if (st == LM_OK) {
        st = lm_store_stations(store, add_station, &board, &call->err);
    }
    free(board.mergers);
    if (st == LM_OK) {
        st = lm_store_replicas(store, NULL, add_replica, &board, &call->err);
    }
    if (st == LM_OK) {
        st = lm_store_alarms(store, NULL, true, add_alarm, &board, &call->err);
    }
    if (st == LM_OK) {
        st = lm_store_returned_counts(store, add_returned, &board, &call->err);
    }
    if (st == LM_OK) {
        st = lm_coverage(store, NULL, lm_clock_wall_ms(), &coverage, &call->err);
    }
    json_decref(board.by_code);
    if (st != LM_OK || board.failed) {
        json_decref(board.stations);
        return st != LM_OK ? st : lm_api_no_memory(call);
    }
    call->answer = json_pack("{s:o,s:o}", "stations", board.stations, "coverage", coverage);
    return call->answer ? LM_OK : lm_api_no_memory(call);
}

/* ---- what does not change ---- */

static json_t *catalog_of_towns(const struct lm_catalog *catalog)
{
    json_t *indicators = json_array(), *out = lm_catalog_json(catalog, LM_BY_TOWN);

    for (size_t i = 0; i < catalog->n_indicators; i++) {
        const struct lm_indicator *ind = &catalog->indicators[i];
        json_t *by = json_array();

        for (size_t d = 0; d < ind->n_dimensions; d++) {
            (void)json_array_append_new(by, json_string(ind->dimensions[d].name));
        }
        (void)json_array_append_new(
            indicators, json_pack("{s:s,s:s,s:s,s:s,s:b,s:s?,s:o}", "id", ind->id, "zh", ind->zh,
                                  "en", ind->en, "unit", ind->unit, "flow", (int)ind->flow, "type",
                                  ind->type ? ind->type->name : NULL, "by", by));
    }
    (void)json_object_set_new(out, "indicators", indicators);
    return out;
}

enum lm_status lm_town_catalog(struct lm_api_call *call)
{
    return lm_catalog_answer(call, &call->api->catalog, lm_store_catalog(call->api->store),
                             catalog_of_towns);
}

enum lm_status lm_town_openapi(struct lm_api_call *call)
{
    call->response->fixed = lm_hub_openapi;
    call->response->fixed_n = (size_t)(lm_hub_openapi_end - lm_hub_openapi);
    return LM_OK;
}
