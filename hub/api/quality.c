/* What is not right in the records: each check with how many, and its rows; and who has reported
 * which month. */
#include "hub/quality.h"
#include "hub/months.h"

#include "hub/api/api.h"

#define ARENA_BYTES (32 * 1024 * 1024)

static bool add_check(void *arg, const json_t *row)
{
    return json_array_append(arg, (json_t *)(uintptr_t)row) == 0;
}

/* GET quality */
enum lm_status lm_town_quality(struct lm_api_call *call)
{
    json_t *rows = json_array();
    enum lm_status st =
        lm_store_quality(call->api->store, lm_clock_wall_ms(), add_check, rows, &call->err);

    call->answer = json_pack("{s:o}", "checks", rows);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

struct rows {
    struct lm_town_labels labels;
    json_t *rows;
};

static bool add_row(void *arg, const struct lm_record *rec)
{
    struct rows *r = arg;

    lm_town_add_labels(&r->labels, rec);
    return json_array_append_new(r->rows,
                                 lm_town_record(r->labels.api->store, rec, r->labels.sight)) == 0;
}

/* GET quality/missing/rows?type=person&field=phone&offset=0&limit=50 */
enum lm_status lm_town_quality_rows(struct lm_api_call *call)
{
    const struct lm_http_request *request = call->request;
    const char *type = request->query(request, "type"), *field = request->query(request, "field");
    struct rows r = {.labels = {.api = call->api, .sight = lm_town_sight(call)}};
    int64_t offset = 0, limit = 0;
    struct lm_arena arena;
    size_t total = 0;
    enum lm_status st = lm_api_number(call, "offset", 0, 10000000, 0, &offset);

    if (st == LM_OK) {
        st = lm_api_number(call, "limit", 1, LM_TOWN_ROWS_MAX, LM_TOWN_ROWS_DEFAULT, &limit);
    }
    if (st != LM_OK) {
        return st;
    }
    r.rows = json_array();
    r.labels.into = json_object();
    lm_arena_init(&arena, ARENA_BYTES);
    lm_arena_init(&r.labels.arena, ARENA_BYTES);
    st = lm_store_quality_rows(call->api->store, &arena, request->params[0], type ? type : "",
                               field ? field : "", lm_clock_wall_ms(), (size_t)offset,
                               (size_t)limit, add_row, &r, &total, &call->err);
    lm_arena_free(&r.labels.arena);
    lm_arena_free(&arena);
    call->answer = json_pack("{s:I,s:s,s:o,s:o}", "total", (json_int_t)total, "type",
                             type ? type : "", "records", r.rows, "labels", r.labels.into);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

/* GET months?type=visit&year=2026 */
enum lm_status lm_town_months(struct lm_api_call *call)
{
    const char *type = call->request->query(call->request, "type");
    int64_t year = 0;
    enum lm_status st = lm_api_number(call, "year", 1949, 9999, 0, &year);

    if (st == LM_OK && (!type || year == 0)) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "required", type ? "year" : "type",
                     "请写记录类型和年份。", "Say which record type and which year.");
    }
    return st == LM_OK ? lm_store_months(call->api->store, type, (int)year, lm_clock_wall_ms(),
                                         &call->answer, &call->err)
                       : st;
}
