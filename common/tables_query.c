/* Typed tables: lists, natural keys and look-ups.
 *
 * A statement that is cached may be in use when a visitor asks the same again (an expression that
 * looks up through another): then a statement of its own is made for that call. */
#include "common/tables_internal.h"

#include "common/base/util.h"
#include "proto/caldate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef bool (*record_visit)(void *arg, const struct lm_record *rec);

enum {
    ROW_ARENA_BYTES = 4 * 1024 * 1024, /* one row, when the caller gives no arena */
    DAY_MS = 86400000,
    UTC8_MS = 8 * 3600000,
};

/* ---- rows ---- */

/* Runs a bound statement. Without an arena each record lives only while it is visited. */
static enum lm_status visit_rows(struct lm_tables *t, sqlite3_stmt *stmt, struct lm_arena *arena,
                                 const struct lm_type *type, record_visit visit, void *arg,
                                 struct lm_error *err)
{
    struct lm_arena own;
    struct lm_record *rec;
    enum lm_status st = LM_OK;
    bool more = true;
    int rc = SQLITE_DONE;

    lm_arena_init(&own, ROW_ARENA_BYTES);
    while (st == LM_OK && more && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        st = tb_read_row(t, stmt, arena ? arena : &own, type, &rec);
        if (st == LM_OK) {
            more = visit(arg, rec);
        } else {
            st = lm_fail(err, st, lm_status_name(st), "", "读取表 r_%s 的一行失败（%s）。",
                         "A row of r_%s could not be read (%s).", type->name, lm_status_name(st));
        }
        if (!arena) {
            lm_arena_reset(&own);
        }
    }
    if (st == LM_OK) {
        st = lm_db_status(t->db, rc, "read records", err);
    }
    lm_arena_free(&own);
    return st;
}

static void put_select(struct lm_buf *sql, const struct lm_type *type)
{
    lm_buf_reset(sql);
    lm_buf_text(sql, "SELECT ");
    tb_put_columns(sql, type);
    lm_buf_text(sql, " FROM ");
    tb_put_table(sql, type);
    lm_buf_text(sql, " AS \"r\" WHERE ");
}

/* "r"."field" = ?at, or any item of a list. */
static void put_equals(struct lm_buf *sql, const struct lm_field *field, int at)
{
    if (tb_is_json(field)) {
        lm_buf_text(sql, "EXISTS (SELECT 1 FROM json_each(");
        tb_put_column(sql, "r", field->name);
        lm_buf_printf(sql, ") AS \"j\" WHERE \"j\".\"value\" = ?%d)", at);
    } else {
        tb_put_column(sql, "r", field->name);
        lm_buf_printf(sql, " = ?%d", at);
    }
}

static enum lm_status fail_value(struct lm_error *err, const struct lm_field *field)
{
    return lm_fail(err, LM_ERR_INVALID, "bad_value", field->name, "“%s”不能按这个值筛选。",
                   "\"%s\" can't be searched for this value.", field->name);
}

static bool parse_int(const char *text, int64_t *out)
{
    char *end = NULL;

    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' &&
           (text[0] == '-' || (text[0] >= '0' && text[0] <= '9'));
}

static bool parse_decimal(const char *text, double *out)
{
    char *end = NULL;
    int64_t scaled = 0;
    double d;

    if (strspn(text, "0123456789.-") != strlen(text)) {
        return false;
    }
    d = strtod(text, &end);
    if (end == text || *end != '\0' || !tb_scale(d, &scaled)) {
        return false;
    }
    *out = (double)scaled / LM_DECIMAL_SCALE; /* as stored */
    return true;
}

/* Binds a value given as text in the form that the column stores. */
static enum lm_status bind_as(struct lm_tables *t, sqlite3_stmt *stmt, int at,
                              const struct lm_field *field, const char *value, struct lm_error *err)
{
    char time[LM_TIME_TEXT + 8];
    int64_t number;
    double real;
    int rc;

    switch (field->ftype) {
    case LM_F_INT:
        if (!parse_int(value, &number)) {
            return fail_value(err, field);
        }
        rc = sqlite3_bind_int64(stmt, at, number);
        break;
    case LM_F_DECIMAL:
        if (!parse_decimal(value, &real)) {
            return fail_value(err, field);
        }
        rc = sqlite3_bind_double(stmt, at, real);
        break;
    case LM_F_BOOL:
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0) {
            return fail_value(err, field);
        }
        rc = sqlite3_bind_int(stmt, at, value[0] == 't');
        break;
    case LM_F_MAP:
        return fail_value(err, field);
    case LM_F_DATETIME:
        if (!lm_time_parse(value, strlen(value), &number)) {
            return fail_value(err, field);
        }
        lm_time_format(number, time);
        rc = sqlite3_bind_text(stmt, at, time, -1, SQLITE_TRANSIENT);
        break;
    case LM_F_TEXT:
    case LM_F_CODE:
    case LM_F_CHAR:
    case LM_F_DATE:
    case LM_F_UUID:
    case LM_F_REF:
    case LM_F_FILE:
    case LM_F_HEX:
    default:
        rc = sqlite3_bind_text(stmt, at, value, -1, SQLITE_STATIC);
        break;
    }
    return lm_db_status(t->db, rc, "bind a value", err);
}

/* ---- list ---- */

static enum lm_status put_where(struct lm_tables *t, const struct lm_type *type,
                                const struct lm_where *where, size_t n, struct lm_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const struct lm_field *field = lm_type_field(type, where[i].field);

        if (!field) {
            return lm_fail(err, LM_ERR_INVALID, "unknown_field", where[i].field,
                           "“%s”没有字段“%s”。", "\"%s\" has no field \"%s\".", type->name,
                           where[i].field);
        }
        lm_buf_text(&t->sql, " AND ");
        if (where[i].value[0]) {
            put_equals(&t->sql, field, (int)i + 2);
        } else {
            tb_put_column(&t->sql, "r", field->name);
            lm_buf_text(&t->sql, " IS NULL");
        }
    }
    return LM_OK;
}

enum lm_status lm_tables_list(struct lm_tables *t, struct lm_arena *arena,
                              const struct lm_type *type, const char *village,
                              const struct lm_where *where, size_t n_where, bool with_deleted,
                              record_visit visit, void *arg, struct lm_error *err)
{
    /* The list of all is kept: a node goes through all types whenever it compares its sum. */
    sqlite3_stmt **kept =
        village || n_where > 0 || !with_deleted ? NULL : &tb_table_of(t, type)->all;
    struct lm_buf *sql = &t->sql;
    sqlite3_stmt *stmt = NULL;
    enum lm_status st;

    if (kept && *kept && !sqlite3_stmt_busy(*kept)) {
        st = visit_rows(t, *kept, arena, type, visit, arg, err);
        (void)sqlite3_reset(*kept);
        return st;
    }
    put_select(sql, type);
    lm_buf_text(sql, with_deleted ? "1" : "\"r\".\"deleted_at\" IS NULL");
    if (village) {
        lm_buf_text(sql, " AND \"r\".\"village_code\" = ?1");
    }
    st = put_where(t, type, where, n_where, err);
    if (st != LM_OK) {
        return st;
    }
    lm_buf_text(sql, " ORDER BY ");
    if (type->reporting_date >= 0) {
        tb_put_column(sql, "r", type->fields[type->reporting_date].name);
        lm_buf_text(sql, ", ");
    }
    lm_buf_text(sql, "\"r\".\"id\"");
    st = tb_prepare(t, &stmt, err);
    if (st == LM_OK && village) {
        st = lm_db_status(t->db, sqlite3_bind_text(stmt, 1, village, -1, SQLITE_STATIC),
                          "bind a village", err);
    }
    for (size_t i = 0; st == LM_OK && i < n_where; i++) {
        if (where[i].value[0]) {
            st = bind_as(t, stmt, (int)i + 2, lm_type_field(type, where[i].field), where[i].value,
                         err);
        }
    }
    if (st == LM_OK) {
        st = visit_rows(t, stmt, arena, type, visit, arg, err);
    }
    if (kept && !*kept && stmt) {
        (void)sqlite3_reset(stmt);
        *kept = stmt;
    } else {
        (void)sqlite3_finalize(stmt);
    }
    return st;
}

/* ---- words ---- */

static bool has_words(const struct lm_field *field)
{
    return field->ftype == LM_F_TEXT && !field->is_list && !field->common &&
           field->sensitivity < LM_SENSITIVITY_SECRET;
}

enum lm_status lm_tables_like(struct lm_tables *t, const struct lm_type *type, const char *pattern,
                              record_visit visit, void *arg, struct lm_error *err)
{
    struct lm_buf *sql = &t->sql;
    sqlite3_stmt *stmt = NULL;
    enum lm_status st;
    size_t n = 0;

    put_select(sql, type);
    lm_buf_text(sql, "\"r\".\"deleted_at\" IS NULL AND (");
    for (size_t i = 0; i < type->n_fields; i++) {
        if (has_words(&type->fields[i])) {
            lm_buf_text(sql, n++ ? " OR " : "");
            tb_put_column(sql, "r", type->fields[i].name);
            lm_buf_text(sql, " LIKE ?1 ESCAPE '\\'");
        }
    }
    lm_buf_text(sql, ") ORDER BY ");
    if (n == 0) {
        return LM_OK;
    }
    if (type->reporting_date >= 0) {
        tb_put_column(sql, "r", type->fields[type->reporting_date].name);
        lm_buf_text(sql, " DESC, ");
    }
    lm_buf_text(sql, "\"r\".\"id\"");
    st = tb_prepare(t, &stmt, err);
    if (st == LM_OK) {
        st = lm_db_status(t->db, sqlite3_bind_text(stmt, 1, pattern, -1, SQLITE_STATIC),
                          "bind a pattern", err);
    }
    if (st == LM_OK) {
        st = visit_rows(t, stmt, NULL, type, visit, arg, err);
    }
    (void)sqlite3_finalize(stmt);
    return st;
}

/* ---- natural keys ---- */

/* Parameters: 1 the id, 2 the village, 3 + 2k and 4 + 2k for part k; then :as_of, :year and :today.
 */
enum { KEY_ID = 1, KEY_VILLAGE = 2, KEY_PARTS = 3 };

/* A part that narrows the search through an index of its own; else the village's index must serve.
 */
static bool key_narrows(const struct lm_type *type)
{
    for (size_t i = 0; i < type->n_natural_key; i++) {
        const struct lm_field *field = &type->fields[type->natural_key[i]];

        if (field->ftype == LM_F_UUID && field->ref && !field->is_list) {
            return true;
        }
    }
    return type->key_mode == LM_KEY_UNIQUE;
}

static void put_key_part(struct lm_buf *sql, const struct lm_field *field, int at)
{
    lm_buf_text(sql, " AND ");
    if (tb_is_json(field)) {
        lm_buf_text(sql, "EXISTS (SELECT 1 FROM json_each(");
        tb_put_column(sql, "r", field->name);
        lm_buf_printf(
            sql, ") AS \"j\" WHERE \"j\".\"value\" IN (SELECT \"value\" FROM json_each(?%d)))", at);
        return;
    }
    tb_put_column(sql, "r", field->name);
    if (field->ftype == LM_F_DATETIME) { /* the same day in UTC+8, as a range for the index */
        lm_buf_printf(sql, " >= ?%d AND ", at);
        tb_put_column(sql, "r", field->name);
        lm_buf_printf(sql, " < ?%d", at + 1);
    } else {
        lm_buf_printf(sql, " = ?%d", at);
    }
}

static enum lm_status prepare_same_key(struct lm_tables *t, const struct lm_type *type,
                                       bool in_village, sqlite3_stmt **out)
{
    struct lm_buf *sql = &t->sql;
    enum lm_status st = LM_OK;

    put_select(sql, type);
    lm_buf_printf(
        sql,
        "\"r\".\"id\" <> ?%d AND \"r\".\"deleted_at\" IS NULL AND COALESCE(\"r\".\"state\", '') "
        "NOT IN ('cancelled', 'merged', 'withdrawn')",
        KEY_ID);
    if (in_village) {
        /* The plus keeps SQLite from reading a whole village where the key's own index finds one
         * row. */
        lm_buf_printf(sql, " AND %s\"r\".\"village_code\" = ?%d", key_narrows(type) ? "+" : "",
                      KEY_VILLAGE);
    }
    for (size_t i = 0; i < type->n_natural_key; i++) {
        put_key_part(sql, &type->fields[type->natural_key[i]], KEY_PARTS + 2 * (int)i);
    }
    if (type->key_when) {
        lm_buf_text(sql, " AND (");
        st = lm_expr_sql(type->key_when, t->catalog, type, "r", NULL, sql);
        lm_buf_text(sql, ")");
    }
    return st == LM_OK ? tb_prepare(t, out, NULL) : st;
}

static enum lm_status bind_day(struct lm_tables *t, sqlite3_stmt *stmt, int at,
                               const struct lm_value *v)
{
    char from[LM_TIME_TEXT + 8], to[LM_TIME_TEXT + 8];
    int64_t ms, start;
    int rc;

    if (v->kind != LM_TEXT || !lm_time_parse(v->text, v->len, &ms)) {
        return LM_ERR_CORRUPT;
    }
    start = lm_day_utc8(ms) * DAY_MS - UTC8_MS;
    lm_time_format(start, from);
    lm_time_format(start + DAY_MS, to);
    rc = sqlite3_bind_text(stmt, at, from, -1, SQLITE_TRANSIENT);
    rc = rc == SQLITE_OK ? sqlite3_bind_text(stmt, at + 1, to, -1, SQLITE_TRANSIENT) : rc;
    return lm_db_status(t->db, rc, "bind a day", NULL);
}

static enum lm_status bind_key(struct lm_tables *t, sqlite3_stmt *stmt, const struct lm_record *rec,
                               const char *village, const struct lm_expr_env *env)
{
    const struct lm_type *type = rec->type;
    const char *names[3] = {":as_of", ":today", ":year"};
    const char *texts[2] = {env->as_of, env->today};
    int rc = sqlite3_bind_text(stmt, KEY_ID, rec->id, -1, SQLITE_STATIC);
    enum lm_status st;

    if (rc == SQLITE_OK && village) {
        rc = sqlite3_bind_text(stmt, KEY_VILLAGE, village, -1, SQLITE_STATIC);
    }
    for (int i = 0; rc == SQLITE_OK && i < 3; i++) {
        int at = sqlite3_bind_parameter_index(stmt, names[i]);

        if (at > 0) {
            rc = i < 2 ? sqlite3_bind_text(stmt, at, texts[i], -1, SQLITE_STATIC)
                       : sqlite3_bind_int(stmt, at, env->year);
        }
    }
    st = lm_db_status(t->db, rc, "bind a key", NULL);
    for (size_t i = 0; st == LM_OK && i < type->n_natural_key; i++) {
        int index = type->natural_key[i], at = KEY_PARTS + 2 * (int)i;
        const struct lm_field *field = &type->fields[index];

        st = field->ftype == LM_F_DATETIME && !field->is_list
                 ? bind_day(t, stmt, at, &rec->fields[index])
                 : tb_bind_value(t, stmt, at, field, &rec->fields[index], NULL);
    }
    return st;
}

/* Whether the key speaks of this record at all. */
static enum lm_status key_applies(struct lm_arena *arena, const struct lm_record *rec,
                                  const struct lm_expr_env *env, bool *out)
{
    const struct lm_type *type = rec->type;

    *out = false;
    if (type->n_natural_key == 0 || type->natural_key[0] == LM_C_ID) {
        return LM_OK;
    }
    for (size_t i = 0; i < type->n_natural_key; i++) {
        if (lm_value_is_null(&rec->fields[type->natural_key[i]])) {
            return LM_OK;
        }
    }
    *out = true;
    return type->key_when ? lm_expr_eval(type->key_when, rec, env, arena, out) : LM_OK;
}

enum lm_status lm_tables_same_key(struct lm_tables *t, struct lm_arena *arena,
                                  const struct lm_record *rec, const char *village,
                                  record_visit visit, void *arg)
{
    struct tb_table *table = tb_table_of(t, rec->type);
    struct lm_lookup lookup = lm_tables_lookup(t);
    struct lm_expr_env env = {.catalog = t->catalog, .lookup = &lookup};
    sqlite3_stmt **cached = &table->same_key[village ? 1 : 0];
    sqlite3_stmt *stmt = NULL;
    struct lm_arena own;
    enum lm_status st;
    bool applies;

    lm_date_format(lm_day_utc8(lm_clock_wall_ms()), env.today);
    memcpy(env.as_of, env.today, sizeof(env.as_of));
    env.year = atoi(env.today);
    lm_arena_init(&own, ROW_ARENA_BYTES);
    st = key_applies(arena ? arena : &own, rec, &env, &applies);
    if (st != LM_OK || !applies) {
        goto out;
    }
    if (!*cached || sqlite3_stmt_busy(*cached)) {
        st = prepare_same_key(t, rec->type, village != NULL, &stmt);
        if (st == LM_OK && !*cached) {
            *cached = stmt;
        }
    } else {
        stmt = *cached;
    }
    if (st == LM_OK) {
        st = bind_key(t, stmt, rec, village, &env);
    }
    if (st == LM_OK) {
        st = visit_rows(t, stmt, arena, rec->type, visit, arg, NULL);
    }
out:
    if (stmt && stmt != *cached) {
        (void)sqlite3_finalize(stmt);
    } else {
        tb_release(stmt);
    }
    lm_arena_free(&own);
    return st;
}

/* ---- months ---- */

/* The first day of a month, or of the one `later` after it, as the column of the date has it. */
static void month_begins(const struct lm_field *field, int64_t first, int later,
                         char out[LM_TIME_TEXT + 8])
{
    int64_t day = lm_day_add_months(first, later);

    if (field->ftype == LM_F_DATETIME) {
        lm_time_format(day * DAY_MS - UTC8_MS, out);
    } else {
        lm_date_format(day, out);
    }
}

enum lm_status lm_tables_in_month(struct lm_tables *t, const struct lm_type *type,
                                  const char *village, const char *month, bool *out)
{
    const struct lm_field *field = &type->fields[type->reporting_date];
    char bounds[2][LM_TIME_TEXT + 8], first[16];
    const char *const given[] = {village, bounds[0], bounds[1]};
    sqlite3_stmt *stmt = NULL;
    enum lm_status st;
    int64_t day;
    int rc = SQLITE_OK;

    *out = false;
    (void)snprintf(first, sizeof first, "%.7s-01", month);
    if (!lm_date_parse(first, strlen(first), &day)) {
        return LM_ERR_INVALID;
    }
    month_begins(field, day, 0, bounds[0]);
    month_begins(field, day, 1, bounds[1]);
    lm_buf_reset(&t->sql);
    lm_buf_text(&t->sql, "SELECT 1 FROM ");
    tb_put_table(&t->sql, type);
    lm_buf_text(&t->sql, " AS \"r\" WHERE \"r\".\"village_code\" = ?1 AND ");
    tb_put_column(&t->sql, "r", field->name);
    lm_buf_text(&t->sql, " >= ?2 AND ");
    tb_put_column(&t->sql, "r", field->name);
    lm_buf_text(&t->sql,
                " < ?3 AND \"r\".\"deleted_at\" IS NULL AND COALESCE(\"r\".\"state\", '') NOT "
                "IN ('draft', 'cancelled', 'merged') LIMIT 1");
    st = tb_prepare(t, &stmt, NULL);
    if (st != LM_OK) {
        return st;
    }
    for (int i = 0; rc == SQLITE_OK && i < 3; i++) {
        rc = sqlite3_bind_text(stmt, i + 1, given[i], -1, SQLITE_STATIC);
    }
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    *out = rc == SQLITE_ROW;
    st = lm_db_status(t->db, *out ? SQLITE_DONE : rc, "look into a month", NULL);
    (void)sqlite3_finalize(stmt);
    return st;
}

/* ---- look-ups of expressions ---- */

static enum lm_status lookup_get(void *ctx, struct lm_arena *arena, const char *type_name,
                                 const char *id, struct lm_record **out)
{
    struct lm_tables *t = ctx;
    const struct lm_type *type = lm_catalog_type(t->catalog, type_name);

    *out = NULL;
    return type ? lm_tables_get(t, arena, type, id, out) : LM_ERR_NOT_FOUND;
}

static enum lm_status prepare_each(struct lm_tables *t, const struct lm_type *type,
                                   const struct lm_field *field, sqlite3_stmt **out)
{
    put_select(&t->sql, type);
    put_equals(&t->sql, field, 1);
    lm_buf_text(&t->sql, " AND \"r\".\"deleted_at\" IS NULL");
    return tb_prepare(t, out, NULL);
}

static enum lm_status lookup_each(void *ctx, struct lm_arena *arena, const char *type_name,
                                  const char *field_name, const char *value, record_visit visit,
                                  void *arg)
{
    struct lm_tables *t = ctx;
    const struct lm_type *type = lm_catalog_type(t->catalog, type_name);
    const struct lm_field *field = type ? lm_type_field(type, field_name) : NULL;
    sqlite3_stmt **cached, *stmt = NULL;
    enum lm_status st = LM_OK;

    if (!field) {
        return LM_ERR_INTERNAL; /* expressions are checked against the catalogue */
    }
    if (!value || !value[0]) {
        return LM_OK; /* nothing equals null */
    }
    cached = &tb_table_of(t, type)->each[field->index];
    if (!*cached || sqlite3_stmt_busy(*cached)) {
        st = prepare_each(t, type, field, &stmt);
        if (st == LM_OK && !*cached) {
            *cached = stmt;
        }
    } else {
        stmt = *cached;
    }
    if (st == LM_OK) {
        st = bind_as(t, stmt, 1, field, value, NULL);
        st = st == LM_OK ? visit_rows(t, stmt, arena, type, visit, arg, NULL)
                         : (st == LM_ERR_INVALID ? LM_OK : st); /* no value of that kind */
    }
    if (stmt && stmt != *cached) {
        (void)sqlite3_finalize(stmt);
    } else {
        tb_release(stmt);
    }
    return st;
}

/* The code of the catalogue's list, so that it outlives the statement. */
static const char *lookup_area_level(void *ctx, const char *code)
{
    struct lm_tables *t = ctx;
    const struct lm_code *level = NULL;

    if (!t->levels || !code || !code[0]) {
        return NULL;
    }
    if (!t->area_stmt) {
        const struct lm_type *type = t->area_type;

        lm_buf_reset(&t->sql);
        lm_buf_text(&t->sql, "SELECT ");
        tb_put_column(&t->sql, "r", type->fields[t->area_level].name);
        lm_buf_text(&t->sql, " FROM ");
        tb_put_table(&t->sql, type);
        lm_buf_text(&t->sql, " AS \"r\" WHERE ");
        put_equals(&t->sql, &type->fields[t->area_code], 1);
        lm_buf_text(&t->sql, " AND \"r\".\"deleted_at\" IS NULL ORDER BY ");
        tb_put_column(&t->sql, "r", type->fields[t->area_from].name);
        lm_buf_text(&t->sql, " DESC LIMIT 1");
        if (tb_prepare(t, &t->area_stmt, NULL) != LM_OK) {
            return NULL;
        }
    }
    if (sqlite3_bind_text(t->area_stmt, 1, code, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_step(t->area_stmt) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(t->area_stmt, 0);

        level = text ? lm_list_code(t->levels, text) : NULL;
    }
    tb_release(t->area_stmt);
    return level ? level->code : NULL;
}

struct lm_lookup lm_tables_lookup(struct lm_tables *tables)
{
    return (struct lm_lookup){
        .ctx = tables, .get = lookup_get, .each = lookup_each, .area_level = lookup_area_level};
}
