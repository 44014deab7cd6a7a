/* Records: lists of one type, one record with what belongs to it, its history; and what is covered,
 * shown for a reason. */
#include "common/tables.h"
#include "hub/api/api.h"
#include "proto/idnumber.h"

#include <stdio.h>
#include <string.h>

#define WHERE_MAX 8
#define ARENA_BYTES (32 * 1024 * 1024)
#define FILTER_BYTES_MAX 200

/* ---- what rows refer to ---- */

static void add_label(struct lm_town_labels *l, const char *type, const char *id)
{
    struct lm_record *rec = NULL;
    char label[400];

    if (json_object_get(l->into, id) || strcmp(type, "attachment") == 0 ||
        lm_store_get(l->api->store, &l->arena, type, id, &rec) != LM_OK) {
        return;
    }
    lm_town_label(l->api->store, rec, l->sight, label, sizeof label);
    (void)json_object_set_new(l->into, id, json_string(label));
}

/* "type:id" */
static void add_named(struct lm_town_labels *l, const char *ref)
{
    const char *colon = strchr(ref, ':');
    char type[48];

    if (colon && (size_t)(colon - ref) < sizeof type) {
        (void)snprintf(type, sizeof type, "%.*s", (int)(colon - ref), ref);
        add_label(l, type, colon + 1);
    }
}

void lm_town_add_labels(struct lm_town_labels *l, const struct lm_record *rec)
{
    for (size_t i = 0; i < rec->type->n_fields; i++) {
        const struct lm_field *f = &rec->type->fields[i];
        const struct lm_value *v = &rec->fields[i];

        if (f->ftype == LM_F_REF && v->kind == LM_TEXT) {
            add_named(l, v->text);
        }
        if (f->ftype != LM_F_UUID || !f->ref || lm_value_is_null(v)) {
            continue;
        }
        if (!f->is_list) {
            add_label(l, f->ref, lm_record_text(rec, (int)i));
        }
        for (size_t k = 0; f->is_list && v->kind == LM_LIST && k < v->len; k++) {
            if (v->items[k].kind == LM_TEXT) {
                add_label(l, f->ref, v->items[k].text);
            }
        }
    }
}

/* ---- a list ---- */

struct listing {
    struct lm_town_labels labels;
    json_t *rows;
    const char *filter;    /* a part of the label or of any text that is not covered */
    const char *month;     /* YYYY-MM of its reporting date, in UTC+8 */
    const char *from, *to; /* days of it, both included; NULL: open */
    size_t offset, limit, seen;
    bool failed;
};

static bool contains(const json_t *row, const char *part)
{
    const char *name;
    json_t *value;

    if (strstr(json_string_value(json_object_get(row, "label")), part)) {
        return true;
    }
    json_object_foreach(json_object_get(row, "fields"), name, value)
    {
        if (json_is_string(value) && strstr(json_string_value(value), part)) {
            return true;
        }
    }
    return false;
}

/* By the type's date; what has none is in no month and between no days. */
static bool dated_in(const struct lm_record *rec, const struct listing *l)
{
    int date = rec->type->reporting_date;
    const char *text = date >= 0 ? lm_record_text(rec, date) : "";
    char day[16];
    int64_t ms;

    if (strlen(text) > 10 && lm_time_parse(text, strlen(text), &ms)) {
        lm_date_format(lm_day_utc8(ms), day);
        text = day;
    }
    return (!l->month || strncmp(text, l->month, strlen(l->month)) == 0) &&
           (!l->from || (text[0] && strcmp(text, l->from) >= 0)) &&
           (!l->to || (text[0] && strcmp(text, l->to) <= 0));
}

/* Names can be found by whoever may see them: what is covered is not searched, so that nobody tries
 * out an ID number digit by digit. */
static bool take_row(void *arg, const struct lm_record *rec)
{
    struct listing *l = arg;
    json_t *row = NULL;
    bool wanted = true;

    if (!dated_in(rec, l)) {
        return true;
    }
    if (l->filter || (l->seen >= l->offset && l->seen < l->offset + l->limit)) {
        row = lm_town_record(l->labels.api->store, rec, l->labels.sight);
        l->failed = !row;
        lm_town_request(l->labels.api, rec, l->labels.sight, row);
        wanted = row && (!l->filter || contains(row, l->filter));
    }
    if (wanted && l->seen >= l->offset && l->seen < l->offset + l->limit && row) {
        (void)json_array_append(l->rows, row);
        lm_town_add_labels(&l->labels, rec);
    }
    l->seen += wanted;
    json_decref(row);
    return !l->failed;
}

/* A list of people in hardship, or of aid by situation, is a clerk's daily work: what is chosen
 * from a list may be asked for, though it is covered in the rows. Numbers and texts may not, for
 * they could be tried out; and to who is not staff it would tell what is covered. */
static bool may_filter(const struct lm_field *f, enum lm_town_sight sight)
{
    return f->sensitivity < 2 ||
           (sight != LM_SIGHT_LEADER && (f->ftype == LM_F_CODE || f->ftype == LM_F_BOOL));
}

static enum lm_status take_where(struct lm_api_call *call, const struct lm_type *type,
                                 struct lm_where *where, size_t *n_out)
{
    char name[80];

    *n_out = 0;
    for (size_t i = 0; i < type->n_fields; i++) {
        const char *value;

        (void)snprintf(name, sizeof name, "f.%s", type->fields[i].name);
        value = call->request->query(call->request, name);
        if (!value) {
            continue;
        }
        if (!may_filter(&type->fields[i], lm_town_sight(call))) {
            return lm_fail(&call->err, LM_ERR_DENIED, "not_allowed", type->fields[i].name,
                           "“%s%.0s”不能用来筛选。", "%.0s\"%s\" is no filter.", type->fields[i].zh,
                           type->fields[i].en);
        }
        if (*n_out == WHERE_MAX) {
            return lm_fail(&call->err, LM_ERR_LIMIT, "too_many", "", "筛选条件太多。",
                           "Too many filters.");
        }
        where[(*n_out)++] = (struct lm_where){.field = type->fields[i].name, .value = value};
    }
    return LM_OK;
}

#define IDNO_TEXT 19

struct found_id {
    char id[40];
};

static bool take_id(void *arg, const struct lm_record *rec)
{
    struct found_id *f = arg;

    (void)snprintf(f->id, sizeof f->id, "%s", rec->id);
    return false;
}

/* A clerk with somebody's card before him looks for its number, all of it: a whole, right number is
 * no trying out digit by digit. *is_out: q was one, and `where` finds its person; the log has who
 * asked and whom that found, before anybody sees it, and never the number. To everybody else a
 * number finds nothing, whether it is there or not. */
static enum lm_status by_id_number(struct lm_api_call *call, const char *q, char number[IDNO_TEXT],
                                   struct lm_where *where, bool *is_out)
{
    struct found_id found = {.id = ""};
    char birth[11], sex;
    size_t n = 0;
    enum lm_status st;

    *is_out = false;
    for (; *q; q++) { /* as it is read out or pasted */
        if (*q == ' ' || *q == '-') {
            continue;
        }
        if (n == IDNO_TEXT - 1) {
            return LM_OK;
        }
        number[n++] = *q == 'x' ? 'X' : *q;
    }
    number[n] = '\0';
    if (strcmp(call->session->role, "clerk") != 0 || n != IDNO_TEXT - 1 ||
        lm_idno_check(number, n, birth, &sex) != LM_IDNO_OK) {
        return LM_OK;
    }
    *where = (struct lm_where){.field = "id_no", .value = number};
    *is_out = true;
    st = lm_store_list(call->api->store, NULL, "person", NULL, where, 1, take_id, &found,
                       &call->err);
    return st == LM_OK ? lm_town_log(call, "view", found.id[0] ? found.id : "person", "",
                                     found.id[0] ? "by id number: found" : "by id number: none")
                       : st;
}

/* month, from, to of the query. */
static enum lm_status take_days(struct lm_api_call *call, struct listing *l)
{
    const struct lm_http_request *request = call->request;
    const char *days[2] = {request->query(request, "from"), request->query(request, "to")};
    int64_t day;

    l->month = request->query(request, "month");
    if (l->month && (strlen(l->month) != 7 || strspn(l->month, "0123456789-") != 7)) {
        return lm_fail(&call->err, LM_ERR_INVALID, "bad_date", "month", "月份应为 YYYY-MM。",
                       "A month is YYYY-MM.");
    }
    for (int i = 0; i < 2; i++) {
        days[i] = days[i] && days[i][0] ? days[i] : NULL;
        if (days[i] && !lm_date_parse(days[i], strlen(days[i]), &day)) {
            return lm_fail(&call->err, LM_ERR_INVALID, "bad_date", i ? "to" : "from",
                           "日期不对：%.40s（应为 YYYY-MM-DD）。",
                           "Not a date: %.40s (YYYY-MM-DD).", days[i]);
        }
    }
    l->from = days[0];
    l->to = days[1];
    return LM_OK;
}

/* GET types/person/records?station=…&f.state=submitted&month=2026-01&from=…&to=…&q=…&offset=0
 * &limit=100 */
enum lm_status lm_town_list(struct lm_api_call *call)
{
    const struct lm_http_request *request = call->request;
    const struct lm_type *type =
        lm_catalog_shown(lm_store_catalog(call->api->store), request->params[0]);
    struct listing l = {.labels = {.api = call->api, .sight = lm_town_sight(call)},
                        .filter = request->query(request, "q")};
    struct lm_where where[WHERE_MAX];
    char number[IDNO_TEXT];
    bool exact = false;
    size_t n_where = 0;
    int64_t offset = 0, limit = 0;
    enum lm_status st;

    if (!type) {
        return lm_fail(&call->err, LM_ERR_NOT_FOUND, "unknown_type", "type", "没有记录类型 %.40s。",
                       "There is no record type %.40s.", request->params[0]);
    }
    l.filter = l.filter && l.filter[0] ? l.filter : NULL;
    if (l.filter && strlen(l.filter) > FILTER_BYTES_MAX) {
        return lm_fail(&call->err, LM_ERR_LIMIT, "too_long", "q", "要找的文字太长。",
                       "The text to look for is too long.");
    }
    st = lm_api_number(call, "offset", 0, 10000000, 0, &offset);
    if (st == LM_OK) {
        st = lm_api_number(call, "limit", 1, LM_TOWN_ROWS_MAX, LM_TOWN_ROWS_DEFAULT, &limit);
    }
    if (st == LM_OK) {
        st = take_where(call, type, where, &n_where);
    }
    if (st == LM_OK) {
        st = take_days(call, &l);
    }
    if (st == LM_OK && l.filter && n_where < WHERE_MAX && strcmp(type->name, "person") == 0) {
        st = by_id_number(call, l.filter, number, &where[n_where], &exact);
        n_where += exact;
        l.filter = exact ? NULL : l.filter;
    }
    if (st != LM_OK) {
        return st;
    }
    l.offset = (size_t)offset;
    l.limit = (size_t)limit;
    l.rows = json_array();
    l.labels.into = json_object();
    lm_arena_init(&l.labels.arena, ARENA_BYTES);
    st = lm_store_list(call->api->store, NULL, type->name, request->query(request, "station"),
                       where, n_where, take_row, &l, &call->err);
    lm_arena_free(&l.labels.arena);
    call->answer = json_pack("{s:I,s:o,s:o}", "total", (json_int_t)l.seen, "records", l.rows,
                             "labels", l.labels.into);
    return st != LM_OK ? st : l.failed || !call->answer ? lm_api_no_memory(call) : LM_OK;
}

#define HITS_MAX 20

static bool take_hit(void *arg, const struct lm_record *rec)
{
    struct listing *l = arg;
    json_t *row = lm_town_record(l->labels.api->store, rec, l->labels.sight),
           *fields = json_object_get(row, "fields");

    if (row && (!l->filter || contains(row, l->filter))) {
        (void)json_array_append_new(l->rows,
                                    json_pack("{s:s,s:O,s:O?,s:O?}", "id", rec->id, "label",
                                              json_object_get(row, "label"), "birth_on",
                                              json_object_get(fields, "birth_on"), "household_no",
                                              json_object_get(fields, "household_no")));
    }
    json_decref(row);
    return json_array_size(l->rows) < HITS_MAX;
}

/* GET search?q=张: people by what staff may see of them, for a form that names one. */
enum lm_status lm_town_search(struct lm_api_call *call)
{
    struct listing l = {.labels = {.api = call->api, .sight = lm_town_sight(call)},
                        .filter = call->request->query(call->request, "q")};
    char number[IDNO_TEXT];
    struct lm_where where;
    bool exact = false;
    enum lm_status st = LM_OK;

    if (!l.filter || !l.filter[0] || strlen(l.filter) > FILTER_BYTES_MAX) {
        return lm_fail(&call->err, LM_ERR_INVALID, "required", "q", "请写要找的文字。",
                       "Say what to look for.");
    }
    st = by_id_number(call, l.filter, number, &where, &exact);
    if (st != LM_OK) {
        return st;
    }
    l.filter = exact ? NULL : l.filter;
    l.rows = json_array();
    st = lm_store_list(call->api->store, NULL, "person", NULL, &where, exact, take_hit, &l,
                       &call->err);
    call->answer = json_pack("{s:o}", "hits", l.rows);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

/* ---- one record ---- */

static enum lm_status find(struct lm_api_call *call, struct lm_arena *arena, struct lm_record **out)
{
    char id[LM_UUID_TEXT + 1];
    const char *type;
    enum lm_status st = lm_api_id(call, 0, id);

    if (st != LM_OK) {
        return st;
    }
    type = lm_store_type_of(call->api->store, id);
    st = lm_catalog_shown(lm_store_catalog(call->api->store), type)
             ? lm_store_get(call->api->store, arena, type, id, out)
             : LM_ERR_NOT_FOUND;
    return st == LM_ERR_NOT_FOUND ? lm_fail(&call->err, st, "not_found", "id", "没有这条记录。",
                                            "There is no such record.")
                                  : st;
}

static enum lm_status answer_record(struct lm_api_call *call, const struct lm_record *rec,
                                    struct lm_arena *arena, enum lm_town_sight sight)
{
    struct lm_town_labels l = {
        .api = call->api, .arena = *arena, .sight = sight, .into = json_object()};

    lm_town_add_labels(&l, rec);
    *arena = l.arena;
    call->answer = lm_town_record(call->api->store, rec, sight);
    lm_town_request(call->api, rec, sight, call->answer);
    (void)json_object_set_new(call->answer, "labels", l.into);
    return call->answer ? LM_OK : lm_api_no_memory(call);
}

enum lm_status lm_town_get(struct lm_api_call *call)
{
    struct lm_record *rec = NULL;
    struct lm_arena arena;
    enum lm_status st;

    lm_arena_init(&arena, ARENA_BYTES);
    st = find(call, &arena, &rec);
    if (st == LM_OK) {
        st = answer_record(call, rec, &arena, lm_town_sight(call));
    }
    lm_arena_free(&arena);
    return st;
}

/* POST records/{id}/reveal {"reason"}: all of one record. The log has it before the screen. */
enum lm_status lm_town_reveal(struct lm_api_call *call)
{
    struct lm_record *rec = NULL;
    const char *reason;
    struct lm_arena arena;
    size_t chars = 0;
    enum lm_status st = lm_api_text(call, "reason", true, &reason);

    if (st == LM_OK && (!lm_utf8_valid(reason, strlen(reason), &chars) || chars < 2 ||
                        chars > 200 || lm_utf8_has_control(reason, strlen(reason)))) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_text", "reason",
                     "请写明查看的原因（2 至 200 个字）。", "Say why (2 to 200 characters).");
    }
    lm_arena_init(&arena, ARENA_BYTES);
    if (st == LM_OK) {
        st = find(call, &arena, &rec);
    }
    if (st == LM_OK) {
        st = lm_town_log(call, "reveal", rec->id, reason, rec->type->name);
    }
    if (st == LM_OK) {
        call->whole = true;
        st = answer_record(call, rec, &arena, LM_SIGHT_FULL);
    }
    lm_arena_free(&arena);
    return st;
}

/* ---- history ---- */

struct past {
    const struct lm_catalog *catalog;
    const char *type;
    enum lm_town_sight sight;
    json_t *rows;
    bool failed;
};

static bool add_change(void *arg, const json_t *row)
{
    struct past *p = arg;
    json_t *copy = json_deep_copy(row);

    lm_town_mask_fields(p->type ? lm_catalog_type(p->catalog, p->type) : NULL,
                        json_object_get(copy, "fields"), p->sight);
    p->failed = !copy || json_array_append_new(p->rows, copy) != 0;
    return !p->failed;
}

enum lm_status lm_town_history(struct lm_api_call *call)
{
    char id[LM_UUID_TEXT + 1];
    struct past p = {.catalog = lm_store_catalog(call->api->store),
                     .sight = lm_town_sight(call),
                     .rows = json_array()};
    enum lm_status st = lm_api_id(call, 0, id);

    if (st == LM_OK) {
        p.type = lm_store_type_of(call->api->store, id);
    }
    if (st == LM_OK && p.type && !lm_catalog_shown(p.catalog, p.type)) {
        st = lm_fail(&call->err, LM_ERR_NOT_FOUND, "not_found", "id", "没有这条记录。",
                     "There is no such record.");
    }
    if (st == LM_OK) {
        st = lm_store_history(call->api->store, id, add_change, &p, &call->err);
    }
    call->answer = json_pack("{s:o}", "changes", p.rows);
    return st != LM_OK ? st : p.failed || !call->answer ? lm_api_no_memory(call) : LM_OK;
}
