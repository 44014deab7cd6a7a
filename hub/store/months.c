/* Months and villages: see months.h. Rows are counted through the index that figures use, without a
 * look at the rows themselves; when they were entered is only in those, and is asked for a cell of
 * the table at a time, which the first row in time answers. */
#include "hub/months.h"

#include "hub/store/counts_internal.h"
#include "hub/store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SQL_MAX 4096
#define DUE_DAYS 5

struct months {
    struct lm_store *store;
    struct lm_error *err;
    const struct lm_type *type;
    const struct lm_field *date;
    char from[16], to[16], today[16], begun[16]; /* begun: when the hub's journal began */
    int64_t due_days;
    json_t *cells;  /* "CODE MONTH" → {"rows","nil","nil_on"} */
    json_t *closed; /* CODE → day */
    json_t *names, *villages;
    sqlite3_stmt *in_time; /* was a row of this place and month entered by its due day? */
    bool failed;
};

#define LIVE                                                                                       \
    "t.deleted_at IS NULL AND t._invalid=0 AND t.state NOT IN "                                    \
    "('draft','returned','cancelled','merged')"

static enum lm_status each(struct months *m, const char *sql, bool of_type,
                           void (*take)(struct months *m, sqlite3_stmt *stmt))
{
    sqlite3_stmt *stmt = NULL;
    enum lm_status status = lm_db_prepare(m->store->db, sql, &stmt, m->err);
    int rc = SQLITE_DONE;

    if (status == LM_OK) {
        int at = sqlite3_bind_parameter_index(stmt, ":from");

        if (at > 0) {
            (void)sqlite3_bind_text(stmt, at, m->from, -1, SQLITE_STATIC);
            (void)sqlite3_bind_text(stmt, sqlite3_bind_parameter_index(stmt, ":to"), m->to, -1,
                                    SQLITE_STATIC);
        }
        if (of_type) {
            (void)sqlite3_bind_text(stmt, sqlite3_bind_parameter_index(stmt, ":type"),
                                    m->type->name, -1, SQLITE_STATIC);
        }
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            take(m, stmt);
        }
        status = lm_db_status(m->store->db, rc, "read the months", m->err);
    }
    (void)sqlite3_finalize(stmt);
    return status;
}

static json_t *cell(struct months *m, const char *code, const char *month)
{
    char key[40];
    json_t *found;

    (void)snprintf(key, sizeof key, "%.12s %.7s", code, month);
    found = json_object_get(m->cells, key);
    if (!found) {
        found = json_object();
        if (json_object_set_new(m->cells, key, found) != 0) {
            m->failed = true;
        }
    }
    return found;
}

static void take_nil(struct months *m, sqlite3_stmt *stmt)
{
    json_t *c = cell(m, lm_column_str(stmt, 0), lm_column_str(stmt, 1));

    (void)json_object_set_new(c, "nil", json_string(lm_column_str(stmt, 2)));
    (void)json_object_set_new(c, "nil_on", json_string(lm_column_str(stmt, 3)));
}

static void take_closed(struct months *m, sqlite3_stmt *stmt)
{
    (void)json_object_set_new(m->closed, lm_column_str(stmt, 0),
                              json_string(lm_column_str(stmt, 1)));
}

static void take_begun(struct months *m, sqlite3_stmt *stmt)
{
    lm_date_format(lm_day_utc8(sqlite3_column_int64(stmt, 0)), m->begun);
}

/* "CODE MONTH" and how many rows, of villages. */
static enum lm_status count_rows(struct months *m, const char *day)
{
    struct lm_count_groups groups = {0};
    char sql[SQL_MAX];
    sqlite3_stmt *stmt = NULL;
    int rc;
    enum lm_status status;

    (void)snprintf(sql, sizeof sql,
                   "SELECT lm_tally(:groups,s.code||' '||substr(%s,1,7),1) FROM stations s CROSS "
                   "JOIN \"r_%s\" t ON t.village_code=s.code WHERE s.level='village' AND "
                   "t.\"%s\">=date(:from,'-1 day') AND t.\"%s\"<date(:to,'+1 day') AND %s BETWEEN "
                   ":from AND :to AND " LIVE,
                   day, m->type->name, m->date->name, m->date->name, day);
    status = lm_db_prepare(m->store->db, sql, &stmt, m->err);
    if (status == LM_OK) {
        lm_count_tally_bind(stmt, &groups);
        (void)sqlite3_bind_text(stmt, sqlite3_bind_parameter_index(stmt, ":from"), m->from, -1,
                                SQLITE_STATIC);
        (void)sqlite3_bind_text(stmt, sqlite3_bind_parameter_index(stmt, ":to"), m->to, -1,
                                SQLITE_STATIC);
        rc = sqlite3_step(stmt);
        status = lm_db_status(m->store->db, rc, "count the months", m->err);
    }
    (void)sqlite3_finalize(stmt);
    for (size_t i = 0; i < groups.n && status == LM_OK; i++) {
        const char *key = groups.items[i].key;

        (void)json_object_set_new(cell(m, key, strchr(key, ' ') + 1), "rows",
                                  json_integer(groups.items[i].value.num));
    }
    lm_count_groups_free(&groups);
    return status;
}

static enum lm_status read_entered(struct months *m)
{
    bool time = m->date->ftype == LM_F_DATETIME;
    char sql[SQL_MAX], day[200];
    enum lm_status status;

    (void)snprintf(day, sizeof day, time ? "date(t.\"%s\",'+8 hours')" : "t.\"%s\"", m->date->name);
    status = count_rows(m, day);
    if (status == LM_OK) {
        (void)snprintf(sql, sizeof sql,
                       "SELECT 1 FROM \"r_%s\" t WHERE t.village_code=?1 AND t.\"%s\">=date(?2,'-1 "
                       "day') AND t.\"%s\"<date(?3,'+1 day') AND %s BETWEEN ?2 AND ?3 AND " LIVE
                       " AND date(t.created_at,'+8 hours')<=?4 LIMIT 1",
                       m->type->name, m->date->name, m->date->name, day);
        status = lm_db_prepare(m->store->db, sql, &m->in_time, m->err);
    }
    if (status == LM_OK) {
        status = each(m,
                      "SELECT village_code,month,id,min(reported_on) FROM r_nil_report WHERE "
                      "record=:type AND month BETWEEN substr(:from,1,7) AND substr(:to,1,7) AND "
                      "deleted_at IS NULL AND _invalid=0 AND state NOT IN "
                      "('draft','returned','cancelled') GROUP BY 1,2",
                      true, take_nil);
    }
    if (status == LM_OK) {
        status = each(m,
                      "SELECT area_code,max(closed_on) FROM r_station WHERE deleted_at IS NULL AND "
                      "_invalid=0 GROUP BY 1 HAVING count(closed_on)=count(*)",
                      false, take_closed);
    }
    return status == LM_OK
               ? each(m, "SELECT received_ms FROM journal ORDER BY pos LIMIT 1", false, take_begun)
               : status;
}

/* ---- judging ---- */

static void month_ends(const char *month, char last[16])
{
    int year = (int)strtol(month, NULL, 10), number = (int)strtol(month + 5, NULL, 10);
    char next[16];
    int64_t day = 0;

    (void)snprintf(next, sizeof next, "%04d-%02d-01", number == 12 ? year + 1 : year,
                   number == 12 ? 1 : number + 1);
    LM_CHECK(lm_date_parse(next, strlen(next), &day));
    lm_date_format(day - 1, last);
}

static void due_of(const struct months *m, const char *last, char due[16])
{
    int64_t day = 0;

    LM_CHECK(lm_date_parse(last, strlen(last), &day));
    lm_date_format(day + m->due_days, due);
}

static bool entered_in_time(struct months *m, const char *code, const char *month, const char *last,
                            const char *due)
{
    char first[16];
    int rc;

    (void)snprintf(first, sizeof first, "%.7s-01", month);
    (void)sqlite3_reset(m->in_time);
    (void)sqlite3_bind_text(m->in_time, 1, code, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(m->in_time, 2, first, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(m->in_time, 3, last, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(m->in_time, 4, due, -1, SQLITE_STATIC);
    rc = sqlite3_step(m->in_time);
    (void)sqlite3_reset(m->in_time);
    m->failed = m->failed || (rc != SQLITE_ROW && rc != SQLITE_DONE);
    return rc == SQLITE_ROW;
}

static const char *judge(struct months *m, const char *code, const char *month, json_t *c)
{
    const char *nil = json_string_value(json_object_get(c, "nil_on")),
               *closed = json_string_value(json_object_get(m->closed, code));
    char last[16], due[16];

    month_ends(month, last);
    due_of(m, last, due);
    if (json_object_get(c, "rows")) {
        if (strcmp(last, m->begun) < 0 || entered_in_time(m, code, month, last, due)) {
            return "reported";
        }
        if (!nil || strcmp(nil, due) > 0) {
            return "late";
        }
    }
    if (nil) {
        return strcmp(nil, due) > 0 ? "nil_late" : "nil";
    }
    if ((closed && strncmp(closed, month, 7) < 0) || strcmp(last, m->begun) < 0) {
        return "none";
    }
    return strcmp(m->today, due) > 0 ? "missing" : "open";
}

static bool add_village(void *arg, const struct lm_station *station)
{
    struct months *m = arg;
    json_t *months = json_array(), *name;
    size_t i;

    if (strcmp(station->level, "village") != 0) {
        json_decref(months);
        return true;
    }
    json_array_foreach(m->names, i, name)
    {
        const char *month = json_string_value(name);
        char key[40];
        json_t *c, *row;

        (void)snprintf(key, sizeof key, "%.12s %.7s", station->code, month);
        c = json_object_get(m->cells, key);
        row = json_pack("{s:s,s:I}", "status", judge(m, station->code, month, c), "rows",
                        (json_int_t)json_integer_value(json_object_get(c, "rows")));
        if (json_object_get(c, "nil")) {
            (void)json_object_set(row, "nil", json_object_get(c, "nil"));
        }
        m->failed = m->failed || json_array_append_new(months, row) != 0;
    }
    m->failed =
        m->failed ||
        json_array_append_new(m->villages, json_pack("{s:s,s:s,s:o}", "code", station->code, "name",
                                                     station->name, "months", months)) != 0;
    return !m->failed;
}

static void name_months(struct months *m, int year)
{
    char month[16];

    for (int i = 1; i <= 12; i++) {
        (void)snprintf(month, sizeof month, "%04d-%02d", year, i);
        if (strncmp(month, m->today, 7) <= 0) {
            (void)json_array_append_new(m->names, json_string(month));
        }
    }
}

static enum lm_status find_type(struct months *m, const char *name)
{
    m->type = lm_catalog_type(m->store->catalog, name);
    m->date =
        m->type && m->type->reporting_date >= 0 ? &m->type->fields[m->type->reporting_date] : NULL;
    if (!m->date || !(m->type->kept_by & LM_BY_VILLAGE) || m->date->fill != LM_FILL_USER ||
        strcmp(m->type->name, "nil_report") == 0) {
        return lm_fail(m->err, LM_ERR_INVALID, "no_months", "type", "“%.40s”不按月报。",
                       "\"%.40s\" is not reported by month.", name);
    }
    return LM_OK;
}

enum lm_status lm_store_months(struct lm_store *store, const char *type, int year, int64_t now_ms,
                               json_t **out, struct lm_error *err)
{
    struct months m = {.store = store, .err = err};
    enum lm_status status = find_type(&m, type);

    *out = NULL;
    if (status != LM_OK) {
        return status;
    }
    m.cells = json_object();
    m.closed = json_object();
    m.names = json_array();
    m.villages = json_array();
    m.due_days = lm_count_setting(store, "report_days", DUE_DAYS);
    lm_date_format(lm_day_utc8(now_ms), m.today);
    (void)snprintf(m.begun, sizeof m.begun, "%s", m.today);
    (void)snprintf(m.from, sizeof m.from, "%04d-01-01", year);
    (void)snprintf(m.to, sizeof m.to, "%04d-12-31", year);
    name_months(&m, year);
    status = lm_store_read_begin(store, err);
    if (status == LM_OK) {
        status = read_entered(&m);
        if (status == LM_OK) {
            status = lm_store_stations(store, add_village, &m, err);
        }
        lm_store_read_end(store);
    }
    if (status == LM_OK && !m.failed) {
        *out = json_pack("{s:s,s:i,s:I,s:O,s:O}", "type", m.type->name, "year", year, "due_days",
                         (json_int_t)m.due_days, "months", m.names, "villages", m.villages);
    }
    (void)sqlite3_finalize(m.in_time);
    json_decref(m.cells);
    json_decref(m.closed);
    json_decref(m.names);
    json_decref(m.villages);
    return status != LM_OK ? status : *out ? LM_OK : LM_ERR_MEMORY;
}
