/* Typed tables: one row to and from a record. This is the inner loop of a merge: statements are
 * prepared once per type, scalars go straight between columns and values, only lists pass through
 * JSON text.
 *
 * Parameters and result columns have fixed places: field i at i (parameters count from 1), then
 * _stamps, _unknown, _invalid, _issue, _pos. Bound text is borrowed from the record until the step
 * is done. */
#include "common/tables_internal.h"

#include "proto/prescan.h"

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
        if (!table->each || !table->indexed) {
            goto memory;
        }
        tb_mark_indexed(table->type, table->indexed);
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
    (void)sqlite3_finalize(table->exists);
    (void)sqlite3_finalize(table->insert);
    (void)sqlite3_finalize(table->update);
    (void)sqlite3_finalize(table->update_plain);
    (void)sqlite3_finalize(table->same_key[0]);
    (void)sqlite3_finalize(table->same_key[1]);
    for (size_t i = 0; table->each && i < table->type->n_fields; i++) {
        (void)sqlite3_finalize(table->each[i]);
    }
    free(table->each);
    free(table->indexed);
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

/* ---- lists as JSON text ---- */

static void put_json_text(struct lm_buf *out, const char *text, size_t n)
{
    size_t from = 0;

    lm_buf_text(out, "\"");
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        lm_buf_add(out, text + from, i - from);
        if (c < 0x20) {
            lm_buf_printf(out, "\\u%04x", c);
        } else {
            lm_buf_printf(out, "\\%c", c);
        }
        from = i + 1;
    }
    lm_buf_add(out, text + from, n - from);
    lm_buf_text(out, "\"");
}

/* Ten-thousandths as the shortest exact decimal. */
static void put_json_decimal(struct lm_buf *out, int64_t v)
{
    uint64_t size = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    char part[8];
    size_t n;

    lm_buf_printf(out, "%s%llu", v < 0 ? "-" : "", (unsigned long long)(size / LM_DECIMAL_SCALE));
    if (size % LM_DECIMAL_SCALE == 0) {
        return;
    }
    (void)sqlite3_snprintf(sizeof(part), part, "%04d", (int)(size % LM_DECIMAL_SCALE));
    n = strlen(part);
    while (part[n - 1] == '0') {
        n--;
    }
    lm_buf_text(out, ".");
    lm_buf_add(out, part, n);
}

static const struct lm_field *member_of(const struct lm_field *field, const char *key, size_t n)
{
    for (size_t i = 0; field && i < field->n_members; i++) {
        const char *name = field->members[i].name;

        if (strlen(name) == n && memcmp(name, key, n) == 0) {
            return &field->members[i];
        }
    }
    return NULL;
}

/* field: what describes v, or NULL for a member that this catalogue does not know. */
static void put_json(struct lm_buf *out, const struct lm_field *field, const struct lm_value *v)
{
    switch (v->kind) {
    case LM_NULL:
        lm_buf_text(out, "null");
        break;
    case LM_BOOL:
        lm_buf_text(out, v->b ? "true" : "false");
        break;
    case LM_INT:
        if (field && field->ftype == LM_F_DECIMAL) {
            put_json_decimal(out, v->i);
        } else {
            lm_buf_printf(out, "%lld", (long long)v->i);
        }
        break;
    case LM_TEXT:
        put_json_text(out, v->text, v->len);
        break;
    case LM_LIST:
        lm_buf_text(out, "[");
        for (uint32_t i = 0; i < v->len; i++) {
            lm_buf_text(out, i ? "," : "");
            put_json(out, field, &v->items[i]);
        }
        lm_buf_text(out, "]");
        break;
    case LM_MAP:
        lm_buf_text(out, "{");
        for (uint32_t i = 0; i < v->len; i++) {
            const struct lm_pair *pair = &v->pairs[i];

            lm_buf_text(out, i ? "," : "");
            put_json_text(out, pair->key, pair->key_len);
            lm_buf_text(out, ":");
            put_json(out, member_of(field, pair->key, pair->key_len), &pair->value);
        }
        lm_buf_text(out, "}");
        break;
    }
}

bool tb_scale(double real, int64_t *out)
{
    if (!(real > -9e14 && real < 9e14)) { /* not a number fails as well */
        return false;
    }
    real *= LM_DECIMAL_SCALE;
    *out = (int64_t)(real < 0 ? real - 0.5 : real + 0.5);
    return true;
}

static enum lm_status read_json(struct lm_arena *arena, const struct lm_field *field,
                                const json_t *json, int depth, struct lm_value *out);

static enum lm_status read_json_map(struct lm_arena *arena, const struct lm_field *field,
                                    const json_t *json, int depth, struct lm_value *out)
{
    size_t n = json_object_size(json), i = 0;
    struct lm_pair *pairs = lm_arena_alloc(arena, n * sizeof(*pairs));
    enum lm_status st = pairs ? LM_OK : lm_arena_status(arena, n * sizeof(*pairs));
    const char *key;
    json_t *item;
    /* jansson's iterator takes no const; nothing is changed. */
    union {
        const json_t *in;
        json_t *out;
    } object = {.in = json};

    json_object_foreach(object.out, key, item)
    {
        size_t len = strlen(key);

        if (st != LM_OK) {
            break;
        }
        pairs[i].key = lm_arena_text(arena, key, len);
        pairs[i].key_len = (uint32_t)len;
        st = pairs[i].key
                 ? read_json(arena, member_of(field, key, len), item, depth + 1, &pairs[i].value)
                 : lm_arena_status(arena, len + 1);
        i++;
    }
    *out = (struct lm_value){.kind = n ? LM_MAP : LM_NULL, .len = (uint32_t)n, .pairs = pairs};
    return st;
}

static enum lm_status read_json_list(struct lm_arena *arena, const struct lm_field *field,
                                     const json_t *json, int depth, struct lm_value *out)
{
    size_t n = json_array_size(json);
    struct lm_value *items = lm_arena_alloc(arena, n * sizeof(*items));
    enum lm_status st = items ? LM_OK : lm_arena_status(arena, n * sizeof(*items));

    for (size_t i = 0; st == LM_OK && i < n; i++) {
        st = read_json(arena, field, json_array_get(json, i), depth + 1, &items[i]);
    }
    *out = (struct lm_value){.kind = n ? LM_LIST : LM_NULL, .len = (uint32_t)n, .items = items};
    return st;
}

/* The inverse of put_json: pairs keep their stored order, which is the canonical one they were
 * written in. */
static enum lm_status read_json(struct lm_arena *arena, const struct lm_field *field,
                                const json_t *json, int depth, struct lm_value *out)
{
    bool decimal = field && field->ftype == LM_F_DECIMAL;
    int64_t scaled;
    char *text;

    *out = lm_value_null();
    if (depth > LM_DEPTH_MAX) {
        return LM_ERR_CORRUPT;
    }
    switch (json_typeof(json)) {
    case JSON_NULL:
        return LM_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = lm_value_bool(json_is_true(json));
        return LM_OK;
    case JSON_INTEGER:
        *out = lm_value_int(json_integer_value(json));
        if (decimal && __builtin_mul_overflow(out->i, (int64_t)LM_DECIMAL_SCALE, &out->i)) {
            return LM_ERR_CORRUPT;
        }
        return LM_OK;
    case JSON_REAL:
        if (!decimal || !tb_scale(json_real_value(json), &scaled)) {
            return LM_ERR_CORRUPT;
        }
        *out = lm_value_int(scaled);
        return LM_OK;
    case JSON_STRING:
        text = lm_arena_text(arena, json_string_value(json), json_string_length(json));
        if (!text) {
            return lm_arena_status(arena, json_string_length(json) + 1);
        }
        *out = lm_value_textn(text, json_string_length(json));
        return LM_OK;
    case JSON_ARRAY:
        return read_json_list(arena, field, json, depth, out);
    case JSON_OBJECT:
        return read_json_map(arena, field, json, depth, out);
    }
    return LM_ERR_CORRUPT;
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
    put_json(&t->json, field, v);
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
        put_json_text(&t->json, text, strlen(text));
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
    enum lm_status st;

    LM_CHECK(before->type == rec->type);
    for (size_t i = LM_C_ID + 1; i < rec->type->n_fields; i++) {
        if (table->indexed[i] && !lm_value_equal(&before->fields[i], &rec->fields[i])) {
            return lm_tables_put(t, rec, false, err);
        }
    }
    st = table->update_plain ? LM_OK
                             : prepare_update(t, table, table->indexed, &table->update_plain, err);
    if (st == LM_OK) {
        st = run_put(t, table->update_plain, rec, table->indexed, err);
    }
    if (st == LM_OK && sqlite3_changes(lm_db_handle(t->db)) == 0) {
        st = lm_fail(err, LM_ERR_NOT_FOUND, "not_found", "", "没有这条记录：%s",
                     "There is no such record: %s", rec->id);
    }
    return st;
}

/* ---- reading ---- */

void tb_put_columns(struct lm_buf *sql, const struct lm_type *type)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        tb_put_column(sql, "r", type->fields[i].name);
        lm_buf_text(sql, ", ");
    }
    for (int i = 0; i < TB_TAIL_COUNT; i++) {
        lm_buf_text(sql, i ? ", " : "");
        tb_put_column(sql, "r", tb_tail_names[i]);
    }
}

static enum lm_status read_text(sqlite3_stmt *stmt, int column, struct lm_arena *arena,
                                struct lm_value *out)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    size_t n = (size_t)sqlite3_column_bytes(stmt, column);
    char *copy;

    if (!text) {
        return LM_ERR_MEMORY;
    }
    copy = lm_arena_text(arena, text, n);
    if (!copy) {
        return lm_arena_status(arena, n + 1);
    }
    *out = lm_value_textn(copy, n);
    return LM_OK;
}

static enum lm_status load_json(sqlite3_stmt *stmt, int column, json_t **out)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);

    if (!text) {
        return LM_ERR_MEMORY;
    }
    *out =
        json_loadb(text, (size_t)sqlite3_column_bytes(stmt, column), JSON_REJECT_DUPLICATES, NULL);
    return *out ? LM_OK : LM_ERR_CORRUPT;
}

static enum lm_status read_field(sqlite3_stmt *stmt, int column, struct lm_arena *arena,
                                 const struct lm_field *field, struct lm_value *out)
{
    json_t *json = NULL;
    enum lm_status st;
    int64_t scaled;

    if (sqlite3_column_type(stmt, column) == SQLITE_NULL) {
        return LM_OK; /* the record starts with nulls */
    }
    if (tb_is_json(field)) {
        st = load_json(stmt, column, &json);
        if (st == LM_OK) {
            st = read_json(arena, field, json, 0, out);
        }
        json_decref(json);
        return st;
    }
    switch (field->ftype) {
    case LM_F_INT:
        *out = lm_value_int(sqlite3_column_int64(stmt, column));
        return LM_OK;
    case LM_F_BOOL:
        *out = lm_value_bool(sqlite3_column_int(stmt, column) != 0);
        return LM_OK;
    case LM_F_DECIMAL:
        if (!tb_scale(sqlite3_column_double(stmt, column), &scaled)) {
            return LM_ERR_CORRUPT;
        }
        *out = lm_value_int(scaled);
        return LM_OK;
    case LM_F_TEXT:
    case LM_F_CODE:
    case LM_F_CHAR:
    case LM_F_DATE:
    case LM_F_DATETIME:
    case LM_F_UUID:
    case LM_F_REF:
    case LM_F_FILE:
    case LM_F_HEX:
    case LM_F_MAP:
        break;
    }
    return read_text(stmt, column, arena, out);
}

static void copy_member(const json_t *json, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(json, key));

    (void)sqlite3_snprintf((int)size, out, "%s", text ? text : "");
}

static enum lm_status read_issue(sqlite3_stmt *stmt, int column, struct lm_arena *arena,
                                 struct lm_record *rec)
{
    const char *keys[2] = {"zh", "en"};
    const char **texts[2] = {&rec->issue_zh, &rec->issue_en};
    json_t *json = NULL;
    enum lm_status st;

    if (sqlite3_column_type(stmt, column) == SQLITE_NULL) {
        return LM_OK;
    }
    st = load_json(stmt, column, &json);
    if (st != LM_OK) {
        return st;
    }
    copy_member(json, "code", rec->issue_code, sizeof(rec->issue_code));
    copy_member(json, "field", rec->issue_field, sizeof(rec->issue_field));
    for (int i = 0; st == LM_OK && i < 2; i++) {
        const char *text = json_string_value(json_object_get(json, keys[i]));

        *texts[i] = text && *text ? lm_arena_text(arena, text, strlen(text)) : NULL;
        if (text && *text && !*texts[i]) {
            st = lm_arena_status(arena, strlen(text) + 1);
        }
    }
    json_decref(json);
    return st;
}

static enum lm_status read_unknown(sqlite3_stmt *stmt, int column, struct lm_arena *arena,
                                   struct lm_value *out)
{
    const uint8_t *data = sqlite3_column_blob(stmt, column);
    size_t n = (size_t)sqlite3_column_bytes(stmt, column);
    struct lm_reader reader;

    if (!data || n == 0) {
        return LM_OK;
    }
    if (lm_prescan(data, n, LM_NODES_MAX, NULL) != LM_OK) {
        return LM_ERR_CORRUPT;
    }
    lm_reader_init(&reader, data, n);
    if (lm_read_value(&reader, arena, out) && lm_reader_done(&reader)) {
        return LM_OK;
    }
    return reader.status == LM_ERR_INVALID || reader.status == LM_OK ? LM_ERR_CORRUPT
                                                                     : reader.status;
}

enum lm_status tb_read_row(struct lm_tables *t, sqlite3_stmt *stmt, struct lm_arena *arena,
                           const struct lm_type *type, struct lm_record **out)
{
    const char *id = (const char *)sqlite3_column_text(stmt, LM_C_ID);
    int n = (int)type->n_fields;
    struct lm_record *rec = id ? lm_record_new(arena, type, id) : NULL;
    enum lm_status st = LM_OK;

    (void)t;
    *out = NULL;
    if (!rec) {
        return id ? lm_arena_status(arena, sizeof(*rec) + type->n_fields * sizeof(*rec->fields) +
                                               type->n_groups * sizeof(*rec->stamps))
                  : LM_ERR_MEMORY;
    }
    for (int i = LM_C_ID + 1; st == LM_OK && i < n; i++) {
        st = read_field(stmt, i, arena, &type->fields[i], &rec->fields[i]);
    }
    if (st == LM_OK && sqlite3_column_bytes(stmt, n + TB_STAMPS) > 0) {
        st = lm_stamps_unpack(rec, sqlite3_column_blob(stmt, n + TB_STAMPS),
                              (size_t)sqlite3_column_bytes(stmt, n + TB_STAMPS));
        st = st == LM_ERR_INVALID ? LM_ERR_CORRUPT : st;
    }
    if (st == LM_OK) {
        st = read_unknown(stmt, n + TB_UNKNOWN, arena, &rec->unknown);
    }
    if (st == LM_OK) {
        st = read_issue(stmt, n + TB_ISSUE, arena, rec);
    }
    rec->invalid = sqlite3_column_int(stmt, n + TB_INVALID) != 0;
    rec->position = sqlite3_column_int64(stmt, n + TB_POS);
    *out = st == LM_OK ? rec : NULL;
    return st;
}

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
