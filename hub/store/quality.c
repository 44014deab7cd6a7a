/* What is not right in the records, for a clerk to mend: counted, and listed. Checks are made from
 * the catalogue where it says enough (required fields, references), the rest are the town's.
 * Drafts and what was sent back are still their authors'; deleted and merged records are past. */
#include "hub/quality.h"

#include "common/base/util.h"
#include "hub/store/store_internal.h"

#include <stdio.h>
#include <string.h>

#define SQL_MAX 2048
#define PAST "'draft', 'returned', 'cancelled', 'merged', 'withdrawn', 'moved_out', 'deceased'"
#define LIVE "r.deleted_at IS NULL AND r._invalid = 0 AND ifnull(r.state, '') NOT IN (" PAST ")"
#define PLAIN_ID(column) "lower(hex(" column "))"

/* A merged village's, which the merger could not take along (a number that the other village has
 * too): nobody else would come upon it. */
#define IN_MERGED                                                                                  \
    "r.village_code IN (SELECT code FROM r_area_unit WHERE end_kind = 'merged' AND deleted_at IS " \
    "NULL AND _invalid = 0)"

/* ?1 = today as YYYY-MM-DD in UTC+8. */
static const struct {
    const char *check, *type, *where;
} own_checks[] = {
    /* pairs that people said are different are none */
    {"near_duplicate", "person",
     "(r.name, r.birth_on) IN (SELECT name, birth_on FROM r_person WHERE deleted_at IS NULL AND"
     " _invalid = 0 AND ifnull(state, '') NOT IN (" PAST ") AND birth_on IS NOT NULL"
     " GROUP BY name, birth_on HAVING count(*) > 1)"
     " AND replace(r.id, '-', '') NOT IN (SELECT " PLAIN_ID(
         "a") " FROM duplicates WHERE open = 2 UNION SELECT " PLAIN_ID("b") " FROM duplicates"
                                                                            " WHERE open = 2)"},
    {"age_100", "person", "r.birth_on <= date(?1, '-100 years')"},
    {"no_plaque", "person",
     "r.state = 'active' AND NOT EXISTS (SELECT 1 FROM r_plaque p WHERE p.village_code ="
     " r.village_code AND p.household_no = r.household_no AND p.deleted_at IS NULL"
     " AND p._invalid = 0)"},
    /* a card has no expiry in the catalogue: what is late is its making */
    {"card_late", "pref_card",
     "r.state <> 'issued' AND substr(r.created_at, 1, 10) < date(?1, '-90 days')"},
    {"in_merged", "person", IN_MERGED},
    {"in_merged", "plaque", IN_MERGED},
    {"in_merged", "facility", IN_MERGED},
    {"in_merged", "pref_card", IN_MERGED},
    {"in_merged", "benefit", IN_MERGED},
};

/* ---- one check as a WHERE ---- */

static bool is_reference(const struct lm_store *store, const struct lm_field *f)
{
    return f->ftype == LM_F_UUID && f->ref && strcmp(f->ref, "attachment") != 0 &&
           lm_catalog_type(store->catalog, f->ref);
}

static void missing_where(const struct lm_field *f, char out[SQL_MAX])
{
    (void)snprintf(out, SQL_MAX, "r.\"%s\" IS NULL", f->name);
}

static void dangling_where(const struct lm_field *f, char out[SQL_MAX])
{
    if (f->is_list) {
        (void)snprintf(out, SQL_MAX,
                       "EXISTS (SELECT 1 FROM json_each(r.\"%s\") j WHERE NOT EXISTS (SELECT 1 FROM"
                       " \"r_%s\" x WHERE x.id = j.value AND x.deleted_at IS NULL))",
                       f->name, f->ref);
    } else {
        (void)snprintf(out, SQL_MAX,
                       "r.\"%s\" IS NOT NULL AND NOT EXISTS (SELECT 1 FROM \"r_%s\" x WHERE x.id ="
                       " r.\"%s\" AND x.deleted_at IS NULL)",
                       f->name, f->ref, f->name);
    }
}

/* False: there is no such check. */
static bool where_of(const struct lm_store *store, const char *check, const struct lm_type *type,
                     const char *field, char out[SQL_MAX])
{
    const struct lm_field *f = lm_type_field(type, field);

    for (size_t i = 0; i < sizeof own_checks / sizeof *own_checks; i++) {
        if (strcmp(own_checks[i].check, check) == 0 &&
            strcmp(own_checks[i].type, type->name) == 0) {
            (void)snprintf(out, SQL_MAX, "%s", own_checks[i].where);
            return true;
        }
    }
    if (f && !f->common && strcmp(check, "missing") == 0 && f->required == LM_REQUIRED) {
        missing_where(f, out);
        return true;
    }
    if (f && !f->common && strcmp(check, "dangling") == 0 && is_reference(store, f)) {
        dangling_where(f, out);
        return true;
    }
    return false;
}

static enum lm_status prepare(struct lm_store *store, const char *what, const char *type,
                              const char *where, int64_t now_ms, struct sqlite3_stmt **out,
                              struct lm_error *err)
{
    char sql[SQL_MAX + 512], today[16];
    enum lm_status st;

    (void)snprintf(sql, sizeof sql, "SELECT %s FROM \"r_%s\" r WHERE " LIVE " AND %s", what, type,
                   where);
    st = lm_db_prepare(store->db, sql, out, err);
    if (st == LM_OK) {
        lm_date_format(lm_day_utc8(now_ms), today);
        (void)sqlite3_bind_text(*out, 1, today, -1, SQLITE_TRANSIENT);
    }
    return st;
}

static enum lm_status count(struct lm_store *store, const char *type, const char *where,
                            int64_t now_ms, int64_t *n_out, struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    enum lm_status st = prepare(store, "count(*)", type, where, now_ms, &stmt, err);

    if (st == LM_OK) {
        st = lm_query_step(store, stmt, err);
        *n_out = st == LM_OK ? sqlite3_column_int64(stmt, 0) : 0;
    }
    (void)sqlite3_finalize(stmt);
    return st;
}

/* ---- all of them ---- */

static enum lm_status tell(struct lm_store *store, const char *check, const struct lm_type *type,
                           const char *field, int64_t now_ms, lm_row_visit visit, void *arg,
                           struct lm_error *err)
{
    char where[SQL_MAX];
    int64_t n = 0;
    json_t *row;
    enum lm_status st;

    if (!where_of(store, check, type, field, where)) {
        return LM_OK;
    }
    st = count(store, type->name, where, now_ms, &n, err);
    if (st == LM_OK && n > 0) {
        row = json_pack("{s:s,s:s,s:s,s:I}", "check", check, "type", type->name, "field", field,
                        "n", (json_int_t)n);
        (void)visit(arg, row);
        json_decref(row);
    }
    return st;
}

enum lm_status lm_store_quality(struct lm_store *store, int64_t now_ms, lm_row_visit visit,
                                void *arg, struct lm_error *err)
{
    const struct lm_catalog *catalog = store->catalog;
    enum lm_status st = LM_OK;

    for (size_t i = 0; st == LM_OK && i < sizeof own_checks / sizeof *own_checks; i++) {
        const struct lm_type *type = lm_catalog_type(catalog, own_checks[i].type);

        st = type ? tell(store, own_checks[i].check, type, "", now_ms, visit, arg, err) : LM_OK;
    }
    for (size_t i = 0; st == LM_OK && i < catalog->n_types; i++) {
        const struct lm_type *type = &catalog->types[i];

        for (size_t k = 0; lm_type_shown(type) && st == LM_OK && k < type->n_fields; k++) {
            st = tell(store, "missing", type, type->fields[k].name, now_ms, visit, arg, err);
            if (st == LM_OK) {
                st = tell(store, "dangling", type, type->fields[k].name, now_ms, visit, arg, err);
            }
        }
    }
    return st;
}

/* ---- the rows of one ---- */

enum lm_status lm_store_quality_rows(struct lm_store *store, struct lm_arena *arena,
                                     const char *check, const char *type, const char *field,
                                     int64_t now_ms, size_t offset, size_t limit,
                                     bool (*visit)(void *arg, const struct lm_record *rec),
                                     void *arg, size_t *total_out, struct lm_error *err)
{
    const struct lm_type *found = lm_catalog_shown(store->catalog, type);
    struct sqlite3_stmt *stmt = NULL;
    char where[SQL_MAX], paged[SQL_MAX + 96];
    int64_t n = 0;
    enum lm_status st;

    *total_out = 0;
    if (!found || !where_of(store, check, found, field, where)) {
        return lm_fail(err, LM_ERR_NOT_FOUND, "unknown_check", "check", "没有这项检查",
                       "There is no such check");
    }
    st = count(store, type, where, now_ms, &n, err);
    *total_out = (size_t)n;
    if (st == LM_OK) {
        /* those that are alike stand together */
        (void)snprintf(paged, sizeof paged, "%s ORDER BY %s r.id LIMIT %zu OFFSET %zu", where,
                       strcmp(check, "near_duplicate") == 0 ? "r.name, r.birth_on," : "", limit,
                       offset);
        st = prepare(store, "r.id", type, paged, now_ms, &stmt, err);
    }
    while (st == LM_OK && (st = lm_query_step(store, stmt, err)) == LM_OK) {
        char id[40];
        struct lm_record *rec = NULL;

        lm_column_copy(stmt, 0, id, sizeof id);
        st = lm_tables_get(store->tables, arena, found, id, &rec);
        if (st == LM_OK && !visit(arg, rec)) {
            break;
        }
    }
    (void)sqlite3_finalize(stmt);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}
