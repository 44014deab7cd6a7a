/* Typed tables made from the catalogue: one STRICT table r_<type> per record type, used by both
 * programs.
 *
 * Columns: "id" TEXT unique, then every field by its name (text, code, date, datetime, uuid: TEXT;
 * bool, int: INTEGER; decimal: REAL; lists and maps: JSON as TEXT), then "_stamps" BLOB
 * (lm_stamps_pack with ranks), "_unknown" BLOB,
 * "_invalid" INTEGER 0/1, "_issue" TEXT (JSON {code,field,zh,en} or null), "_pos" INTEGER (journal
 * position of the last change). Rows are never deleted by users: "deleted_at" marks them. Migration
 * is additive: a new type makes a table, a new field a column; nothing is dropped. */
#ifndef LM_COMMON_TABLES_H
#define LM_COMMON_TABLES_H

#include "common/db.h"
#include "proto/catalog.h"
#include "proto/expr.h"
#include "proto/record.h"

struct lm_tables;

/* Makes missing tables, columns and indexes: (village_code, reporting date) for each type that has
 * one; every single LM_F_UUID field with a ref; the natural key's fields for types whose key is
 * unique; for_hub adds dup_key, and to (village_code, reporting date) what indicators of the type
 * read, but for lists and long texts. Inside the caller's transaction or its own. */
enum lm_status lm_tables_migrate(struct lm_db *db, const struct lm_catalog *catalog, bool for_hub,
                                 struct lm_error *err) LM_MUST_USE;
/* Statements are prepared at first use per type and kept. catalog and db must outlive it. */
enum lm_status lm_tables_open(struct lm_db *db, const struct lm_catalog *catalog,
                              struct lm_tables **out, struct lm_error *err) LM_MUST_USE;
void lm_tables_close(struct lm_tables **tables);

/* LM_ERR_NOT_FOUND when there is no row (err untouched). Deleted rows are found. */
enum lm_status lm_tables_get(struct lm_tables *tables, struct lm_arena *arena,
                             const struct lm_type *type, const char *id,
                             struct lm_record **out) LM_MUST_USE;
bool lm_tables_exists(struct lm_tables *tables, const struct lm_type *type, const char *id);
/* Insert or replace by id (fresh = true: the caller knows that there is no row yet). Inside the
 * caller's transaction. */
enum lm_status lm_tables_put(struct lm_tables *tables, const struct lm_record *rec, bool fresh,
                             struct lm_error *err) LM_MUST_USE;

/* The same for a row that is there, when its stored state is at hand: where no indexed column
 * changes, the indexes are left alone. LM_ERR_NOT_FOUND when there is no such row. */
enum lm_status lm_tables_update(struct lm_tables *tables, const struct lm_record *before,
                                const struct lm_record *rec, struct lm_error *err) LM_MUST_USE;

/* After a catalogue grew: in every row, values that were unknown become fields where they fit.
 * Inside the caller's transaction. *n_out (nullable): rows changed. */
enum lm_status lm_tables_adopt(struct lm_tables *tables, uint64_t *n_out,
                               struct lm_error *err) LM_MUST_USE;

/* One clause of a --where: exact match on a field's canonical text ("true", "3", "2025-01-01"; "" =
 * is null). */
struct lm_where {
    const char *field;
    const char *value;
};
/* Calls visit for each row in order of reporting date and id, until it returns false. village NULL
 * = all. arena NULL: each record lives only while it is visited; else as long as the arena, which
 * then holds them all. On a list field a clause matches when any item does. Deleted rows only when
 * with_deleted. LM_ERR_INVALID: no such field, or no value of that kind. */
enum lm_status lm_tables_list(struct lm_tables *tables, struct lm_arena *arena,
                              const struct lm_type *type, const char *village,
                              const struct lm_where *where, size_t n_where, bool with_deleted,
                              bool (*visit)(void *arg, const struct lm_record *rec), void *arg,
                              struct lm_error *err) LM_MUST_USE;
/* The newest rows, not deleted, in whose own texts (single values that people type, secret ones
 * left out) the pattern of LIKE with \ as its escape is found; until visit returns false. Each
 * record lives only while it is visited. */
enum lm_status lm_tables_like(struct lm_tables *tables, const struct lm_type *type,
                              const char *pattern,
                              bool (*visit)(void *arg, const struct lm_record *rec), void *arg,
                              struct lm_error *err) LM_MUST_USE;
/* Other rows (not deleted, id differs, key_when holds, state not cancelled/merged/withdrawn) with
 * the same natural key as rec. Nothing is visited when a part of the key is null. A list field in
 * the key (visit.persons) matches when any item is shared. village NULL = everywhere. Date-times
 * are compared by their day in UTC+8. Nothing is visited either when key_when does not hold for
 * rec. arena NULL as above. */
enum lm_status lm_tables_same_key(struct lm_tables *tables, struct lm_arena *arena,
                                  const struct lm_record *rec, const char *village,
                                  bool (*visit)(void *arg, const struct lm_record *other),
                                  void *arg) LM_MUST_USE;
/* Whether a village has a row of the type, not deleted nor a draft, cancelled or merged, that is of
 * a month ("2026-11", UTC+8) by its reporting date. LM_ERR_INVALID: that is no month. */
enum lm_status lm_tables_in_month(struct lm_tables *tables, const struct lm_type *type,
                                  const char *village, const char *month, bool *out) LM_MUST_USE;
/* A lookup over these tables (get, each, area_level by r_area_unit). Valid as long as tables. each:
 * arena NULL as above. */
struct lm_lookup lm_tables_lookup(struct lm_tables *tables);

#endif
