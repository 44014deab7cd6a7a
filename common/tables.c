/* Typed tables: one row to and from a record. This is the inner loop of a merge: statements are
 * prepared once per type, scalars go straight between columns and values, only lists pass through
 * JSON text.
 *
 * Parameters and result columns have fixed places: field i at i (parameters count from 1), then
 * _stamps, _unknown, _invalid, _issue, _pos. Bound text is borrowed from the record until the step
 * is done. */
#include "common/tables_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

static void open_area(struct lm_tables *t)
{
    const struct lm_field *level;

    t->area_code = t->area_level = t->area_from = -1;
    t->area_type = lm_catalog_type(t->catalog, "area_unit");
    if (!t->area_type) {
        return;
    }
    level = lm_type_field(t->area_type, "level");
    if (level && lm_type_field(t->area_type, "code") && lm_type_field(t->area_type, "valid_from")) {
        t->levels = level->list;
        t->area_level = level->index;
        t->area_code = lm_type_field(t->area_type, "code")->index;
        t->area_from = lm_type_field(t->area_type, "valid_from")->index;
    }
}

enum lm_status lm_tables_open(struct lm_db *db, const struct lm_catalog *catalog,
                              struct lm_tables **out, struct lm_error *err)
{
    struct lm_tables *t = calloc(1, sizeof(*t));

    *out = NULL;
    if (t) {
        t->tables = calloc(catalog->n_types ? catalog->n_types : 1, sizeof(*t->tables));
    }
    if (!t || !t->tables) {
        goto memory;
    }
    t->db = db;
    t->catalog = catalog;
    lm_buf_init(&t->json, TB_JSON_BYTES_MAX);
    lm_buf_init(&t->stamps, TB_JSON_BYTES_MAX);
    lm_buf_init(&t->sql, TB_SQL_BYTES_MAX);
    for (size_t i = 0; i < catalog->n_types; i++) {
        struct tb_table *table = &t->tables[i];

        table->type = &catalog->types[i];
        table->each = calloc(table->type->n_fields, sizeof(*table->each));
        table->indexed = calloc(table->type->n_fields, sizeof(*table->indexed));
        table->keyed = calloc(table->type->n_fields, sizeof(*table->keyed));
        if (!table->each || !table->indexed || !table->keyed) {
            goto memory;
        }
        tb_mark_indexed(catalog, table->type, table->keyed, table->indexed);
    }
    open_area(t);
    *out = t;
    return LM_OK;
memory:
    lm_tables_close(&t);
    return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
}

static void close_table(struct tb_table *table)
{
    (void)sqlite3_finalize(table->get);
    (void)sqlite3_finalize(table->all);
    (void)sqlite3_finalize(table->exists);
    (void)sqlite3_finalize(table->insert);
    (void)sqlite3_finalize(table->update);
    (void)sqlite3_finalize(table->update_plain);
    (void)sqlite3_finalize(table->update_counted);
    (void)sqlite3_finalize(table->same_key[0]);
    (void)sqlite3_finalize(table->same_key[1]);
    for (size_t i = 0; table->each && i < table->type->n_fields; i++) {
        (void)sqlite3_finalize(table->each[i]);
    }
    free(table->each);
    free(table->indexed);
    free(table->keyed);
}

void lm_tables_close(struct lm_tables **tables)
{
    struct lm_tables *t = tables ? *tables : NULL;

    if (!t) {
        return;
    }
    for (size_t i = 0; t->tables && t->catalog && i < t->catalog->n_types; i++) {
        close_table(&t->tables[i]);
    }
    (void)sqlite3_finalize(t->area_stmt);
    lm_buf_free(&t->json);
    lm_buf_free(&t->stamps);
    lm_buf_free(&t->sql);
    free(t->tables);
    free(t);
    *tables = NULL;
}

struct tb_table *tb_table_of(struct lm_tables *t, const struct lm_type *type)
{
    LM_CHECK(type->index >= 0 && (size_t)type->index < t->catalog->n_types);
    LM_CHECK(t->tables[type->index].type == type);
    return &t->tables[type->index];
}

enum lm_status tb_prepare(struct lm_tables *t, sqlite3_stmt **out, struct lm_error *err)
{
    if (t->sql.status != LM_OK) {
        return lm_fail(err, t->sql.status, lm_status_name(t->sql.status), "",
                       "查询语句过长或内存不足。", "A statement is too long, or memory is short.");
    }
    return lm_db_prepare(t->db, (const char *)t->sql.data, out, err);
}

void tb_release(sqlite3_stmt *stmt)
{
    if (stmt) {
        (void)sqlite3_reset(stmt);
        (void)sqlite3_clear_bindings(stmt);
    }
}

/* ---- binding ---- */

static int bind_borrowed(sqlite3_stmt *stmt, int at, const char *text, size_t n)
{
    return sqlite3_bind_text64(stmt, at, text, n, SQLITE_STATIC, SQLITE_UTF8);
}

static enum lm_status bind_json(struct lm_tables *t, sqlite3_stmt *stmt, int at,
                                const struct lm_field *field, const struct lm_value *v,
                                struct lm_error *err)
{
    lm_buf_reset(&t->json);
    tb_put_json(&t->json, field, v);
    if (t->json.status != LM_OK) {
        return lm_fail(err, t->json.status, lm_status_name(t->json.status), field->name,
                       "列表过长，没有保存。", "The list is too long and was not saved.");
    }
    return lm_db_status(t->db,
                        sqlite3_bind_text64(stmt, at, (const char *)t->json.data, t->json.len,
                                            SQLITE_TRANSIENT, SQLITE_UTF8),
                        "bind a list", err);
}

enum lm_status tb_bind_value(struct lm_tables *t, sqlite3_stmt *stmt, int at,
                             const struct lm_field *field, const struct lm_value *v,
                             struct lm_error *err)
{
    int rc = SQLITE_MISMATCH;

    if (v->kind == LM_NULL) {
        return LM_OK; /* parameters are null unless bound */
    }
    if (tb_is_json(field)) {
        if (v->kind == LM_LIST || v->kind == LM_MAP) {
            return bind_json(t, stmt, at, field, v, err);
        }
    } else if (field->ftype == LM_F_BOOL) {
        rc = v->kind == LM_BOOL ? sqlite3_bind_int(stmt, at, v->b ? 1 : 0) : rc;
    } else if (field->ftype == LM_F_INT) {
        rc = v->kind == LM_INT ? sqlite3_bind_int64(stmt, at, v->i) : rc;
    } else if (field->ftype == LM_F_DECIMAL) {
        rc =
            v->kind == LM_INT ? sqlite3_bind_double(stmt, at, (double)v->i / LM_DECIMAL_SCALE) : rc;
    } else if (v->kind == LM_TEXT) {
        rc = bind_borrowed(stmt, at, v->text, v->len);
    }
    if (rc == SQLITE_MISMATCH) {
        return lm_fail(err, LM_ERR_INTERNAL, "bad_kind", field->name,
                       "字段“%s”的值类型不对，没有保存。",
                       "The value of \"%s\" is of the wrong kind and was "
                       "not saved.",
                       field->name);
    }
    return rc == SQLITE_OK ? LM_OK : lm_db_status(t->db, rc, "bind a value", err);
}

static int bind_issue(struct lm_tables *t, sqlite3_stmt *stmt, int at, const struct lm_record *rec)
{
    const char *keys[4] = {"code", "field", "zh", "en"};
    const char *texts[4] = {rec->issue_code, rec->issue_field, rec->issue_zh, rec->issue_en};

    if (!rec->issue_code[0] && !rec->issue_zh && !rec->issue_en) {
        return SQLITE_OK;
    }
    lm_buf_reset(&t->json);
    for (int i = 0; i < 4; i++) {
        const char *text = texts[i] ? texts[i] : "";

        lm_buf_printf(&t->json, "%s\"%s\":", i ? "," : "{", keys[i]);
        tb_put_json_text(&t->json, text, strlen(text));
    }
    lm_buf_text(&t->json, "}");
    return t->json.status != LM_OK
               ? SQLITE_NOMEM
               : sqlite3_bind_text64(stmt, at, (const char *)t->json.data, t->json.len,
                                     SQLITE_TRANSIENT, SQLITE_UTF8);
}

static int bind_unknown(struct lm_tables *t, sqlite3_stmt *stmt, int at,
                        const struct lm_record *rec)
{
    if (rec->unknown.kind == LM_NULL) {
        return SQLITE_OK;
    }
    lm_buf_reset(&t->json);
    lm_value_pack(&t->json, &rec->unknown);
    return t->json.status != LM_OK
               ? SQLITE_NOMEM
               : sqlite3_bind_blob64(stmt, at, t->json.data, t->json.len, SQLITE_TRANSIENT);
}

/* skip (nullable): fields that the statement does not speak of. */
static enum lm_status bind_record(struct lm_tables *t, sqlite3_stmt *stmt,
                                  const struct lm_record *rec, const bool *skip,
                                  struct lm_error *err)
{
    int n = (int)rec->type->n_fields;
    int tail = n + 1;
    enum lm_status st = LM_OK;
    int rc;

    rc = bind_borrowed(stmt, LM_C_ID + 1, rec->id, strlen(rec->id));
    for (int i = LM_C_ID + 1; st == LM_OK && i < n; i++) {
        if (rec->fields[i].kind != LM_NULL && !(skip && skip[i])) {
            st = tb_bind_value(t, stmt, i + 1, &rec->type->fields[i], &rec->fields[i], err);
        }
    }
    if (st != LM_OK) {
        return st;
    }
    lm_buf_reset(&t->stamps);
    lm_stamps_pack(&t->stamps, rec, true);
    rc = rc != SQLITE_OK ? rc : t->stamps.status != LM_OK ? SQLITE_NOMEM : SQLITE_OK;
    rc = rc != SQLITE_OK ? rc
                         : sqlite3_bind_blob64(stmt, tail + TB_STAMPS, t->stamps.data,
                                               t->stamps.len, SQLITE_STATIC);
    rc = rc != SQLITE_OK ? rc : bind_unknown(t, stmt, tail + TB_UNKNOWN, rec);
    rc = rc != SQLITE_OK ? rc : sqlite3_bind_int(stmt, tail + TB_INVALID, rec->invalid ? 1 : 0);
    rc = rc != SQLITE_OK ? rc : bind_issue(t, stmt, tail + TB_ISSUE, rec);
    rc = rc != SQLITE_OK ? rc : sqlite3_bind_int64(stmt, tail + TB_POS, rec->position);
    return rc == SQLITE_OK ? LM_OK : lm_db_status(t->db, rc, "bind a record", err);
}

/* ---- storing ---- */

static enum lm_status prepare_insert(struct lm_tables *t, struct tb_table *table,
                                     struct lm_error *err)
{
    const struct lm_type *type = table->type;

    lm_buf_reset(&t->sql);
    lm_buf_text(&t->sql, "INSERT INTO ");
    tb_put_table(&t->sql, type);
    lm_buf_text(&t->sql, " (");
    for (size_t i = 0; i < type->n_fields; i++) {
        tb_put_name(&t->sql, type->fields[i].name);
        lm_buf_text(&t->sql, ", ");
    }
    for (int i = 0; i < TB_TAIL_COUNT; i++) {
        lm_buf_text(&t->sql, i ? ", " : "");
        tb_put_name(&t->sql, tb_tail_names[i]);
    }
    lm_buf_text(&t->sql, ") VALUES (");
    for (size_t i = 0; i < type->n_fields + TB_TAIL_COUNT; i++) {
        lm_buf_printf(&t->sql, "%s?%d", i ? ", " : "", (int)i + 1);
    }
    lm_buf_text(&t->sql, ")");
    return tb_prepare(t, &table->insert, err);
}

static enum lm_status prepare_update(struct lm_tables *t, struct tb_table *table, const bool *skip,
                                     sqlite3_stmt **out, struct lm_error *err)
{
    const struct lm_type *type = table->type;

    lm_buf_reset(&t->sql);
    lm_buf_text(&t->sql, "UPDATE ");
    tb_put_table(&t->sql, type);
    lm_buf_text(&t->sql, " SET ");
    for (size_t i = LM_C_ID + 1; i < type->n_fields; i++) {
        if (skip && skip[i]) {
            continue;
        }
        tb_put_name(&t->sql, type->fields[i].name);
        lm_buf_printf(&t->sql, " = ?%d, ", (int)i + 1);
    }
    for (int i = 0; i < TB_TAIL_COUNT; i++) {
        if (skip == table->indexed && i == TB_INVALID) {
            continue; /* the hub's index of what counts holds it */
        }
        lm_buf_text(&t->sql, i ? ", " : "");
        tb_put_name(&t->sql, tb_tail_names[i]);
        lm_buf_printf(&t->sql, " = ?%d", (int)type->n_fields + 1 + i);
    }
    lm_buf_text(&t->sql, " WHERE \"id\" = ?1");
    return tb_prepare(t, out, err);
}

static enum lm_status run_put(struct lm_tables *t, sqlite3_stmt *stmt, const struct lm_record *rec,
                              const bool *skip, struct lm_error *err)
{
    enum lm_status st = bind_record(t, stmt, rec, skip, err);

    if (st == LM_OK) {
        st = lm_db_status(t->db, sqlite3_step(stmt), "store a record", err);
    }
    tb_release(stmt);
    return st;
}

static enum lm_status insert(struct lm_tables *t, struct tb_table *table,
                             const struct lm_record *rec, struct lm_error *err)
{
    enum lm_status st = table->insert ? LM_OK : prepare_insert(t, table, err);

    return st == LM_OK ? run_put(t, table->insert, rec, NULL, err) : st;
}

enum lm_status lm_tables_put(struct lm_tables *t, const struct lm_record *rec, bool fresh,
                             struct lm_error *err)
{
    struct tb_table *table = tb_table_of(t, rec->type);
    enum lm_status st;

    if (fresh) {
        return insert(t, table, rec, err);
    }
    st = table->update ? LM_OK : prepare_update(t, table, NULL, &table->update, err);
    if (st == LM_OK) {
        st = run_put(t, table->update, rec, NULL, err);
    }
    if (st == LM_OK && sqlite3_changes(lm_db_handle(t->db)) == 0) {
        st = insert(t, table, rec, err);
    }
    return st;
}

enum lm_status lm_tables_update(struct lm_tables *t, const struct lm_record *before,
                                const struct lm_record *rec, struct lm_error *err)
{
    struct tb_table *table = tb_table_of(t, rec->type);
    sqlite3_stmt **stmt;
    const bool *skip;
    bool counted = before->invalid != rec->invalid;
    enum lm_status st;

    LM_CHECK(before->type == rec->type);
    for (size_t i = LM_C_ID + 1; i < rec->type->n_fields; i++) {
        if (table->indexed[i] && !lm_value_equal(&before->fields[i], &rec->fields[i])) {
            if (table->keyed[i]) {
                return lm_tables_put(t, rec, false, err);
            }
            counted = true;
        }
    }
    stmt = counted ? &table->update_counted : &table->update_plain;
    skip = counted ? table->keyed : table->indexed;
    st = *stmt ? LM_OK : prepare_update(t, table, skip, stmt, err);
    if (st == LM_OK) {
        st = run_put(t, *stmt, rec, skip, err);
    }
    if (st == LM_OK && sqlite3_changes(lm_db_handle(t->db)) == 0) {
        st = lm_fail(err, LM_ERR_NOT_FOUND, "not_found", "", "没有这条记录：%s",
                     "There is no such record: %s", rec->id);
    }
    return st;
}

/* ---- reading ---- */

enum lm_status lm_tables_get(struct lm_tables *t, struct lm_arena *arena,
                             const struct lm_type *type, const char *id, struct lm_record **out)
{
    struct tb_table *table = tb_table_of(t, type);
    enum lm_status st = LM_OK;
    int rc;

    *out = NULL;
    if (!table->get) {
        lm_buf_reset(&t->sql);
        lm_buf_text(&t->sql, "SELECT ");
        tb_put_columns(&t->sql, type);
        lm_buf_text(&t->sql, " FROM ");
        tb_put_table(&t->sql, type);
        lm_buf_text(&t->sql, " AS \"r\" WHERE \"r\".\"id\" = ?1");
        st = tb_prepare(t, &table->get, NULL);
    }
    if (st != LM_OK) {
        return st;
    }
    rc = bind_borrowed(table->get, 1, id, strlen(id));
    rc = rc == SQLITE_OK ? sqlite3_step(table->get) : rc;
    if (rc == SQLITE_ROW) {
        st = tb_read_row(t, table->get, arena, type, out);
    } else {
        st = rc == SQLITE_DONE ? LM_ERR_NOT_FOUND : lm_db_status(t->db, rc, "read a record", NULL);
    }
    tb_release(table->get);
    return st;
}

bool lm_tables_exists(struct lm_tables *t, const struct lm_type *type, const char *id)
{
    struct tb_table *table = tb_table_of(t, type);
    bool found = false;

    if (!table->exists) {
        lm_buf_reset(&t->sql);
        lm_buf_text(&t->sql, "SELECT 1 FROM ");
        tb_put_table(&t->sql, type);
        lm_buf_text(&t->sql, " WHERE \"id\" = ?1");
        if (tb_prepare(t, &table->exists, NULL) != LM_OK) {
            return false;
        }
    }
    if (bind_borrowed(table->exists, 1, id, strlen(id)) == SQLITE_OK) {
        found = sqlite3_step(table->exists) == SQLITE_ROW;
    }
    tb_release(table->exists);
    return found;
}
