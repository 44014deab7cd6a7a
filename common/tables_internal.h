/* What tables_schema.c, tables.c and tables_query.c share. Nobody else includes this. */
#ifndef LM_COMMON_TABLES_INTERNAL_H
#define LM_COMMON_TABLES_INTERNAL_H

#include "common/tables.h"

#include "common/base/buf.h"

#include <sqlite3.h>

/* Columns after the fields', in this order in every statement. */
enum { TB_STAMPS, TB_UNKNOWN, TB_INVALID, TB_ISSUE, TB_POS, TB_TAIL_COUNT };
extern const char *const tb_tail_names[TB_TAIL_COUNT];

enum { TB_SQL_BYTES_MAX = 256 * 1024, TB_JSON_BYTES_MAX = 4 * 1024 * 1024 };

/* The statements of one type, each NULL until first used. */
struct tb_table {
    const struct lm_type *type;
    sqlite3_stmt *get, *all, *exists, *insert, *update;
    sqlite3_stmt *update_plain;   /* leaves the indexed columns alone */
    sqlite3_stmt *update_counted; /* leaves the keyed columns alone: one index is written anew */
    sqlite3_stmt *same_key[2];    /* everywhere; in one village */
    sqlite3_stmt **each;          /* [n_fields] */
    bool *indexed;                /* [n_fields]: part of some index */
    bool *keyed; /* [n_fields]: part of another than the one that the hub counts by */
};

struct lm_tables {
    struct lm_db *db;
    const struct lm_catalog *catalog;
    struct tb_table *tables;         /* [catalog->n_types] */
    struct lm_buf json, stamps, sql; /* scratch */
    const struct lm_type *area_type; /* area_unit, or NULL */
    const struct lm_list *levels;
    int area_code, area_level, area_from; /* field indexes, -1 when missing */
    sqlite3_stmt *area_stmt;
};

/* ---- tables_schema.c ---- */

/* "name", doubled quotation marks inside. */
void tb_put_name(struct lm_buf *sql, const char *name);
void tb_put_table(struct lm_buf *sql, const struct lm_type *type); /* "r_<type>" */
void tb_put_column(struct lm_buf *sql, const char *alias, const char *name);
/* True for values kept as JSON text. */
bool tb_is_json(const struct lm_field *field);
/* Marks every field that some index of this type speaks of, at a node or at the hub; keyed: those
 * of another than the one that the hub counts by. */
void tb_mark_indexed(const struct lm_catalog *catalog, const struct lm_type *type, bool *keyed,
                     bool *indexed);

/* ---- tables_json.c ---- */

/* field: what describes v, or NULL for a member that this catalogue does not know. */
void tb_put_json(struct lm_buf *out, const struct lm_field *field, const struct lm_value *v);
void tb_put_json_text(struct lm_buf *out, const char *text, size_t n);
enum lm_status tb_read_json(struct lm_arena *arena, const struct lm_field *field,
                            const json_t *json, int depth, struct lm_value *out);

/* ---- tables_read.c and tables.c ---- */

struct tb_table *tb_table_of(struct lm_tables *tables, const struct lm_type *type);
/* "r"."id", …, "r"."_pos": what tb_read_row reads. */
void tb_put_columns(struct lm_buf *sql, const struct lm_type *type);
/* The current row of a statement that selects tb_put_columns. */
enum lm_status tb_read_row(struct lm_tables *tables, sqlite3_stmt *stmt, struct lm_arena *arena,
                           const struct lm_type *type, struct lm_record **out);
/* Binds one field's value at parameter at; text is borrowed until the statement is reset. */
enum lm_status tb_bind_value(struct lm_tables *tables, sqlite3_stmt *stmt, int at,
                             const struct lm_field *field, const struct lm_value *v,
                             struct lm_error *err);
/* A decimal column or JSON number as ten-thousandths, rounded half away from zero; false beyond
 * ±9e14. */
bool tb_scale(double real, int64_t *out);
/* A statement of its own, from tables->sql. */
enum lm_status tb_prepare(struct lm_tables *tables, sqlite3_stmt **out, struct lm_error *err);
void tb_release(sqlite3_stmt *stmt); /* reset and unbind; accepts NULL */

#endif
