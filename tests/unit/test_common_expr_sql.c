/* Filters mean the same in memory and as SQL: every filter, condition and rule of the catalogue,
 * and some more, on random records of every type, evaluated both ways. A seed makes each run the
 * same. */
#include "common/base/util.h"
#include "proto/expr.h"
#include "tests/support/records.h"

#include <inttypes.h>
#include <jansson.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS 16 /* of each type */

static struct fx fx;
static sqlite3 *db;
static struct lm_rand rnd;
static size_t n_compared, n_true;

static const char *const villages[] = {"999999100201", "999999100202", "999999100000"};
static const char *const texts[] = {"十佳“兵书记”", "兵 书记", "赵甲",   "钱乙",
                                    "12",           "1",       "O'Neil", "person:x"};

static void record_id(const struct lm_type *type, uint64_t row, char out[LM_UUID_TEXT + 1])
{
    snprintf(out, LM_UUID_TEXT + 1, "018f0000-0000-7000-8000-%012" PRIx64,
             (uint64_t)type->index * 4096 + row);
}

static struct lm_value keep(const char *text)
{
    char *copy = lm_arena_text(&fx.arena, text, strlen(text));

    assert_non_null(copy);
    return lm_value_text(copy);
}

/* Days cluster so that equal ones and month ends occur. */
static struct lm_value random_date(bool time)
{
    static const char *const days[] = {"2024-02-29", "2025-12-31", "2026-01-31", "2026-06-30",
                                       "2026-06-29", "2026-07-01", "1950-03-15", "2026-03-02"};
    static const char *const hours[] = {"T00:00:00.000Z", "T15:59:59.999Z", "T16:00:00.000Z"};
    char text[40];

    snprintf(text, sizeof(text), "%s%s", days[lm_rand_below(&rnd, 8)],
             time ? hours[lm_rand_below(&rnd, 3)] : "");
    return keep(text);
}

static struct lm_value random_item(const struct lm_type *type, const struct lm_field *f)
{
    const struct lm_list *list = f->index == LM_C_STATE && f->common ? type->states : f->list;
    char id[LM_UUID_TEXT + 1];
    char ref[80];

    switch (f->ftype) {
    case LM_F_CODE:
        return list && list->n_codes
                   ? lm_value_text(list->codes[lm_rand_below(&rnd, list->n_codes)].code)
                   : lm_value_null();
    case LM_F_CHAR:
        return lm_value_text(villages[lm_rand_below(&rnd, 3)]);
    case LM_F_INT:
        return lm_value_int(lm_rand_below(&rnd, 2) ? (int64_t)lm_rand_below(&rnd, 4)
                                                   : 2024 + (int64_t)lm_rand_below(&rnd, 4));
    case LM_F_DECIMAL:
        return lm_value_int((int64_t)lm_rand_below(&rnd, 5) * 5000);
    case LM_F_BOOL:
        return lm_value_bool(lm_rand_below(&rnd, 2));
    case LM_F_DATE:
    case LM_F_DATETIME:
        return random_date(f->ftype == LM_F_DATETIME);
    case LM_F_UUID:
        if (f->ref && lm_catalog_type(fx.catalog, f->ref)) {
            /* now and then one that is not there */
            record_id(lm_catalog_type(fx.catalog, f->ref), lm_rand_below(&rnd, ROWS + 2), id);
            return keep(id);
        }
        return lm_value_null();
    case LM_F_REF:
        record_id(lm_catalog_type(fx.catalog, "person"), lm_rand_below(&rnd, ROWS), id);
        snprintf(ref, sizeof(ref), "%s:%s", lm_rand_below(&rnd, 2) ? "person" : "station", id);
        return keep(ref);
    case LM_F_TEXT:
        return lm_value_text(texts[lm_rand_below(&rnd, 8)]);
    case LM_F_FILE:
    case LM_F_HEX:
    case LM_F_MAP:
        break;
    }
    return lm_value_null();
}

static struct lm_value random_value(const struct lm_type *type, const struct lm_field *f)
{
    struct lm_value list = {.kind = LM_LIST};

    if (f->ftype == LM_F_MAP || lm_rand_below(&rnd, 4) == 0) {
        return lm_value_null();
    }
    if (!f->is_list) {
        return random_item(type, f);
    }
    list.len = 1 + (uint32_t)lm_rand_below(&rnd, 3);
    list.items = lm_arena_alloc(&fx.arena, list.len * sizeof(*list.items));
    assert_non_null(list.items);
    for (uint32_t i = 0; i < list.len; i++) {
        list.items[i] = random_item(type, f);
        if (list.items[i].kind == LM_NULL) {
            return lm_value_null();
        }
    }
    return list;
}

static void add_random(const struct lm_type *type)
{
    for (uint64_t row = 0; row < ROWS; row++) {
        char id[LM_UUID_TEXT + 1];
        struct lm_record *rec;

        record_id(type, row, id);
        rec = fx_add(&fx, type->name, id, "{}");
        for (size_t i = 0; i < type->n_fields; i++) {
            if (i != LM_C_ID) {
                rec->fields[i] = random_value(type, &type->fields[i]);
            }
        }
        rec->fields[LM_C_DELETED_AT] =
            lm_rand_below(&rnd, 6) ? lm_value_null() : lm_value_text("2026-01-01T00:00:00.000Z");
        rec->invalid = lm_rand_below(&rnd, 6) == 0;
    }
}

/* The levels that the look-up of the fixture knows, as rows. */
static void add_areas(void)
{
    fx_add(&fx, "area_unit", FX_ID("a1"),
           "{'code':'999999100000','level':'town','valid_from':'2000-01-01'}");
    fx_add(&fx, "area_unit", FX_ID("a2"),
           "{'code':'999999100201','level':'village','valid_from':'2000-01-01'}");
    fx_add(&fx, "area_unit", FX_ID("a3"),
           "{'code':'999999100202','level':'village','valid_from':'2000-01-01'}");
}

static void run(const char *sql)
{
    char *err = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &err) != SQLITE_OK) {
        fail_msg("%s: %s", err, sql);
    }
}

static const char *column_type(const struct lm_field *f)
{
    if (f->is_list || f->ftype == LM_F_MAP) {
        return "TEXT";
    }
    return f->ftype == LM_F_INT || f->ftype == LM_F_BOOL ? "INTEGER"
           : f->ftype == LM_F_DECIMAL                    ? "REAL"
                                                         : "TEXT";
}

static void create_table(const struct lm_type *type)
{
    struct lm_buf sql;

    lm_buf_init(&sql, 64 * 1024);
    lm_buf_printf(&sql, "CREATE TABLE \"r_%s\" (", type->name);
    for (size_t i = 0; i < type->n_fields; i++) {
        lm_buf_printf(&sql, "\"%s\" %s, ", type->fields[i].name, column_type(&type->fields[i]));
    }
    lm_buf_text(&sql, "\"_invalid\" INTEGER NOT NULL) STRICT");
    assert_int_equal(sql.status, LM_OK);
    run((const char *)sql.data);
    lm_buf_free(&sql);
}

static void bind(sqlite3_stmt *stmt, int at, const struct lm_field *f, const struct lm_value *v)
{
    json_t *json;
    char *text;

    switch (v->kind) {
    case LM_NULL:
        sqlite3_bind_null(stmt, at);
        return;
    case LM_BOOL:
        sqlite3_bind_int(stmt, at, v->b);
        return;
    case LM_INT:
        if (f->ftype == LM_F_DECIMAL) {
            sqlite3_bind_double(stmt, at, (double)v->i / LM_DECIMAL_SCALE);
        } else {
            sqlite3_bind_int64(stmt, at, v->i);
        }
        return;
    case LM_TEXT:
        sqlite3_bind_text(stmt, at, v->text, (int)v->len, SQLITE_TRANSIENT);
        return;
    case LM_LIST:
    case LM_MAP:
        json = lm_value_to_json(v);
        text = json_dumps(json, JSON_COMPACT);
        assert_non_null(text);
        sqlite3_bind_text(stmt, at, text, -1, SQLITE_TRANSIENT);
        free(text);
        json_decref(json);
        return;
    }
}

static void insert(const struct lm_record *rec)
{
    sqlite3_stmt *stmt = NULL;
    struct lm_buf sql;

    lm_buf_init(&sql, 64 * 1024);
    lm_buf_printf(&sql, "INSERT INTO \"r_%s\" VALUES (", rec->type->name);
    for (size_t i = 0; i < rec->type->n_fields; i++) {
        lm_buf_text(&sql, "?, ");
    }
    lm_buf_text(&sql, "?)");
    assert_int_equal(sqlite3_prepare_v2(db, (const char *)sql.data, -1, &stmt, NULL), SQLITE_OK);
    for (size_t i = 0; i < rec->type->n_fields; i++) {
        bind(stmt, (int)i + 1, &rec->type->fields[i], &rec->fields[i]);
    }
    sqlite3_bind_int(stmt, (int)rec->type->n_fields + 1, rec->invalid);
    assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
    sqlite3_finalize(stmt);
    lm_buf_free(&sql);
}

static void bind_named(sqlite3_stmt *stmt, const struct lm_expr_env *env)
{
    sqlite3_bind_text(stmt, sqlite3_bind_parameter_index(stmt, ":as_of"), env->as_of, -1,
                      SQLITE_STATIC);
    sqlite3_bind_text(stmt, sqlite3_bind_parameter_index(stmt, ":today"), env->today, -1,
                      SQLITE_STATIC);
    sqlite3_bind_int(stmt, sqlite3_bind_parameter_index(stmt, ":year"), env->year);
}

static void compare(const struct lm_type *type, const struct lm_expr *expr, const char *text)
{
    struct lm_expr_env env = {.catalog = fx.catalog, .lookup = &fx.lookup, .year = 2026};
    sqlite3_stmt *stmt = NULL;
    struct lm_buf sql;

    if (!expr) {
        return;
    }
    memcpy(env.as_of, "2026-06-30", 11);
    memcpy(env.today, "2026-07-01", 11);
    lm_buf_init(&sql, 64 * 1024);
    lm_buf_printf(&sql, "SELECT 1 FROM \"r_%s\" AS \"t\" WHERE \"t\".\"id\" = :id AND (",
                  type->name);
    assert_int_equal(lm_expr_sql(expr, fx.catalog, type, "t", NULL, &sql), LM_OK);
    lm_buf_text(&sql, ")");
    if (sqlite3_prepare_v2(db, (const char *)sql.data, -1, &stmt, NULL) != SQLITE_OK) {
        fail_msg("%s: %s\n%s", text, sqlite3_errmsg(db), (const char *)sql.data);
    }
    bind_named(stmt, &env);
    for (size_t i = 0; i < fx.n; i++) {
        const struct lm_record *rec = fx.records[i];
        bool want = false;
        int rc;

        if (rec->type != type) {
            continue;
        }
        assert_int_equal(lm_expr_eval(expr, rec, &env, &fx.arena, &want), LM_OK);
        sqlite3_bind_text(stmt, sqlite3_bind_parameter_index(stmt, ":id"), rec->id, -1,
                          SQLITE_STATIC);
        rc = sqlite3_step(stmt);
        if (rc != (want ? SQLITE_ROW : SQLITE_DONE)) {
            json_t *json = lm_record_to_json(rec);
            char *dump = json_dumps(json, 0);

            fail_msg("%s %s: in memory %d, as SQL %d\n%s\n%s", type->name, text, want, rc,
                     (const char *)sql.data, dump);
        }
        sqlite3_reset(stmt);
        n_compared++;
        n_true += want;
    }
    sqlite3_finalize(stmt);
    lm_buf_free(&sql);
}

static void compare_text(const char *type, const char *text)
{
    const struct lm_type *t = fx_type(&fx, type);
    const struct lm_expr *expr;
    struct lm_error err;

    if (lm_expr_parse(&fx.arena, fx.catalog, t, text, &expr, &err) != LM_OK) {
        fail_msg("%s: %s", text, err.en);
    }
    compare(t, expr, text);
}

static void compare_catalogue(void)
{
    for (size_t i = 0; i < fx.catalog->n_indicators; i++) {
        const struct lm_indicator *ind = &fx.catalog->indicators[i];

        if (ind->type) {
            compare(ind->type, ind->filter, ind->id);
        }
    }
    for (size_t i = 0; i < fx.catalog->n_types; i++) {
        const struct lm_type *type = &fx.catalog->types[i];

        compare(type, type->key_when, "key");
        for (size_t k = 0; k < type->n_rules; k++) {
            compare(type, type->rules[k].when, type->rules[k].code);
            compare(type, type->rules[k].need, type->rules[k].code);
        }
        for (size_t k = 0; k < type->n_fields; k++) {
            for (size_t c = 0; c < type->fields[k].n_conditions; c++) {
                compare(type, type->fields[k].conditions[c].when, type->fields[k].name);
            }
        }
        for (size_t k = 0; k < type->n_transitions; k++) {
            for (size_t r = 0; r < type->transitions[k].n_rules; r++) {
                compare(type, type->transitions[k].rules[r].when, "transition");
                compare(type, type->transitions[k].rules[r].need, "transition");
            }
        }
    }
}

static void same_answers(void **state)
{
    static const char *const more[][2] = {
        {"person", "name != bank_name"},
        {"person", "name ~ 兵书记"},
        {"person", "name ~ bank_name"},
        {"person", "name ~ \"O'Neil\""},
        {"person", "insurance ~ worker_med"},
        {"person", "insurance in (worker_med|resident_pen)"},
        {"person", "insurance is null"},
        {"person", "is_resident != true"},
        {"person", "birth_on in (2026-06-30|2026-07-01)"},
        {"person", "birth_on > notice_at + 1m"},
        {"person", "birth_on <= notice_at - 1m"},
        {"person", "birth_on >= consent_at + 16y"},
        {"person", "birth_on >= consent_at - 1y"},
        {"person", "birth_on <= @as_of - 30d"},
        {"person", "id has person_identity(state = returned)"},
        {"person", "id has service_history(discharge_on is set & person_id->sex = 1)"},
        {"benefit", "person_id has person_identity(person_id has benefit(end_on is null))"},
        {"benefit", "person_id->state != active"},
        {"benefit", "person_id->birth_on < start_on"},
        {"service_item", "closed_on >= notice_given_at"},
        {"service_item", "notice_given_at < 2026-07-01"},
        {"service_item", "notice_given_at = @as_of"},
        {"service_item", "notice_given_at in (2026-06-30|2026-07-01)"},
        {"service_item", "open_at(notice_given_at,closed_on)"},
        {"service_item", "closed_on <= notice_given_at + 1"},
        {"opening_balance", "value = 0.5"},
        {"opening_balance", "value >= 1"},
        {"station_assessment", "latest(village_code;year)"},
        {"station_assessment", "latest(village_code;assessed_on)"},
        {"station_assessment", "year != @year"},
        {"staff_post", "same_holder(branch_secretary)"},
        {"staff_post", "area.level != town"},
        {"asset", "qty < amount_fen - qty"},
        {"petition", "done_by(finish_due;replied_on,resolved_on)"},
    };

    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        lm_rand_seed(&rnd, seed);
        fx_open(&fx);
        assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
        for (size_t i = 0; i < fx.catalog->n_types; i++) {
            create_table(&fx.catalog->types[i]);
            if (strcmp(fx.catalog->types[i].name, "area_unit") != 0) {
                add_random(&fx.catalog->types[i]);
            }
        }
        add_areas();
        for (size_t i = 0; i < fx.n; i++) {
            insert(fx.records[i]);
        }
        compare_catalogue();
        for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
            compare_text(more[i][0], more[i][1]);
        }
        sqlite3_close(db);
        fx_close(&fx);
    }
    /* Both answers must occur often, else nothing has been shown. */
    assert_true(n_compared > 10000);
    assert_true(n_true > n_compared / 20 && n_true < n_compared - n_compared / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_answers)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
