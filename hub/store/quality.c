/* What is not right in the records, for a clerk to mend: counted, and listed. Checks are made from
 * the catalogue where it says enough (required fields, references), the rest are the town's.
 * Drafts and what was sent back are still their authors'; deleted and merged records are past.
 *
 * What a type's checks found is kept while no table that they read changes (kept_figures.c): at a
 * million records all of them take half a second, which nobody else on this thread should wait for
 * twice. */
#include "hub/quality.h"

#include "common/base/util.h"
#include "hub/store/counts_internal.h"
#include "hub/store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SQL_MAX 2048
#define PAST "'draft', 'returned', 'cancelled', 'merged', 'withdrawn', 'moved_out', 'deceased'"
#define LIVE "r.deleted_at IS NULL AND r._invalid = 0 AND ifnull(r.state, '') NOT IN (" PAST ")"
#define PLAIN_ID(column) "lower(hex(" column "))"

/* Persons m, one of each household (the one entered first) that is entitled to a plaque and has
 * none in place: who counts is said as by the indicators I30bd and I30bn. Few are left of many by
 * what an index answers, so that little is sorted. */
#define NO_PLAQUE                                                                                  \
    "r.id IN (SELECT min(m.id) FROM r_person m WHERE m.state IN ('active', 'transferring') AND"    \
    " m.deleted_at IS NULL AND m._invalid = 0 AND NOT EXISTS (SELECT 1 FROM r_plaque p WHERE"      \
    " p.village_code = m.village_code AND p.household_no = m.household_no AND p.deleted_at IS"     \
    " NULL AND p._invalid = 0 AND ifnull(p.change_kind, '') <> 'cancel' AND ifnull(p.state, '')"   \
    " NOT IN (" PAST ")) AND EXISTS (SELECT 1 FROM r_person_identity i WHERE i.person_id = m.id"   \
    " AND i.code IN ('01', '02', '03', '05', '06', '07', '09', '10', '11', '12') AND"              \
    " i.deleted_at IS NULL AND i._invalid = 0 AND ifnull(i.state, '') NOT IN (" PAST "))"          \
    " GROUP BY m.village_code, ifnull(m.household_no, m.id))"

/* A merged village's, which the merger could not take along (a number that the other village has
 * too): nobody else would come upon it. */
#define IN_MERGED                                                                                  \
    "r.village_code IN (SELECT code FROM r_area_unit WHERE end_kind = 'merged' AND deleted_at IS " \
    "NULL AND _invalid = 0)"

/* ?1 = today as YYYY-MM-DD in UTC+8. */
static const struct {
    const char *check, *type, *where;
    const char *needs; /* a field that the town's catalogue may not have yet; NULL: none */
} own_checks[] = {
    /* pairs that people said are different are none */
    {"near_duplicate", "person",
     "(r.name, r.birth_on) IN (SELECT name, birth_on FROM r_person WHERE deleted_at IS NULL AND"
     " _invalid = 0 AND ifnull(state, '') NOT IN (" PAST ") AND birth_on IS NOT NULL"
     " GROUP BY name, birth_on HAVING count(*) > 1)"
     " AND replace(r.id, '-', '') NOT IN (SELECT " PLAIN_ID(
         "a") " FROM duplicates WHERE open = 2 UNION SELECT " PLAIN_ID("b") " FROM duplicates"
                                                                            " WHERE open = 2)",
     NULL},
    {"age_100", "person", "r.birth_on <= date(?1, '-100 years')", NULL},
    {"no_plaque", "person", NO_PLAQUE, NULL},
    {"card_late", "pref_card",
     "r.state <> 'issued' AND substr(r.created_at, 1, 10) < date(?1, '-90 days')", NULL},
    /* in the holder's hands, and past the last day printed on it; one that is made anew is on its
     * way */
    {"card_expired", "pref_card", "r.state = 'issued' AND r.valid_to < ?1", "valid_to"},
    /* figures count these rows, coverage the stations that are registered */
    {"registry", "station",
     "r.closed_on IS NULL AND (NOT EXISTS (SELECT 1 FROM stations s WHERE s.code = r.area_code) OR"
     " NOT EXISTS (SELECT 1 FROM r_area_unit a WHERE a.code = r.area_code AND a.deleted_at IS"
     " NULL))",
     NULL},
    {"registry", "area_unit",
     "r.level = 'village' AND r.valid_to IS NULL AND EXISTS (SELECT 1 FROM stations s WHERE s.code"
     " = r.code) AND NOT EXISTS (SELECT 1 FROM r_station t WHERE t.area_code = r.code AND"
     " t.deleted_at IS NULL)",
     NULL},
    {"in_merged", "person", IN_MERGED, NULL},
    {"in_merged", "plaque", IN_MERGED, NULL},
    {"in_merged", "facility", IN_MERGED, NULL},
    {"in_merged", "pref_card", IN_MERGED, NULL},
    {"in_merged", "benefit", IN_MERGED, NULL},
};

enum { N_OWN = sizeof own_checks / sizeof *own_checks, SQL_SCAN_MAX = 256 * 1024 };

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

static bool is_check(const char *check)
{
    bool known = strcmp(check, "missing") == 0 || strcmp(check, "dangling") == 0;

    for (size_t i = 0; i < N_OWN; i++) {
        known = known || strcmp(own_checks[i].check, check) == 0;
    }
    return known;
}

/* False: there is no such check. */
static bool where_of(const struct lm_store *store, const char *check, const struct lm_type *type,
                     const char *field, char out[SQL_MAX])
{
    const struct lm_field *f = lm_type_field(type, field);

    for (size_t i = 0; i < N_OWN; i++) {
        if (strcmp(own_checks[i].check, check) == 0 &&
            strcmp(own_checks[i].type, type->name) == 0 &&
            (!own_checks[i].needs || lm_type_field(type, own_checks[i].needs))) {
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

struct found {
    const char *check, *field;
    const struct lm_type *type;
    size_t own; /* its place among own_checks; N_OWN: the catalogue's */
    int64_t n;
};
struct all {
    struct lm_store *store;
    struct found *found; /* [max] */
    size_t n, max;
    struct lm_buf sql;
};

/* Adds a check of the type to the scan, if there is such a one. */
static bool ask(struct all *all, const char *check, const struct lm_type *type, const char *field,
                size_t own)
{
    char where[SQL_MAX];

    if (!where_of(all->store, check, type, field, where)) {
        return true;
    }
    if (all->n == all->max) {
        return false;
    }
    all->found[all->n++] = (struct found){.check = check, .field = field, .type = type, .own = own};
    lm_buf_text(&all->sql, ", count(CASE WHEN ");
    lm_buf_text(&all->sql, where);
    lm_buf_text(&all->sql, " THEN 1 END)");
    return true;
}

/* Under which a check of a type is kept: its place. */
static void name_place(size_t i, char out[16])
{
    (void)snprintf(out, 16, "%05zu", i);
}

static bool take_kept(struct all *all, size_t first, const char *key)
{
    struct lm_counted counted;
    char place[16];

    if (!lm_kept_find(all->store, key, &counted)) {
        return false;
    }
    for (size_t i = first; i < all->n; i++) {
        const struct lm_count_group *group;

        name_place(i - first, place);
        group = lm_count_group(&counted.groups, place);
        all->found[i].n = group ? group->value.num : 0;
    }
    lm_count_groups_free(&counted.groups);
    return true;
}

static void keep(struct all *all, size_t first, const char *key, bool sound)
{
    struct lm_counted counted;
    char place[16];

    memset(&counted, 0, sizeof counted);
    for (size_t i = first; sound && i < all->n; i++) {
        struct lm_count_group *group;

        name_place(i - first, place);
        group = lm_count_group(&counted.groups, place);
        if (group) {
            group->value.num = all->found[i].n;
        }
        sound = group != NULL;
    }
    lm_kept_keep(all->store, key, sound ? &counted : NULL);
    lm_count_groups_free(&counted.groups);
}

/* All checks of a type in one pass over its table: a pass each is ten times as long at a million
 * records. */
static enum lm_status scan(struct all *all, const struct lm_type *type, const char *today,
                           struct lm_error *err)
{
    struct sqlite3_stmt *stmt = NULL;
    size_t first = all->n;
    bool fits = true;
    char key[160];
    enum lm_status st;

    lm_buf_reset(&all->sql);
    lm_buf_text(&all->sql, "SELECT count(*)");
    for (size_t i = 0; fits && i < N_OWN; i++) {
        if (strcmp(own_checks[i].type, type->name) == 0) {
            fits = ask(all, own_checks[i].check, type, "", i);
        }
    }
    for (size_t k = 0; fits && lm_type_shown(type) && k < type->n_fields; k++) {
        fits = ask(all, "missing", type, type->fields[k].name, N_OWN) &&
               ask(all, "dangling", type, type->fields[k].name, N_OWN);
    }
    if (all->n == first) {
        return LM_OK;
    }
    lm_buf_text(&all->sql, " FROM \"r_");
    lm_buf_text(&all->sql, type->name);
    lm_buf_text(&all->sql, "\" r WHERE " LIVE);
    lm_buf_add(&all->sql, "", 1);
    if (!fits || all->sql.status != LM_OK) {
        return lm_fail(err, LM_ERR_LIMIT, "too_many_checks", "", "检查项太多", "Too many checks");
    }
    /* the catalogue says which checks there are, the day how old somebody is */
    (void)snprintf(key, sizeof key, "quality %.100s %s %d", type->name, today,
                   (int)all->store->catalog->number);
    if (take_kept(all, first, key)) {
        return LM_OK;
    }
    lm_kept_figures_listen(all->store);
    st = lm_db_prepare(all->store->db, (const char *)all->sql.data, &stmt, err);
    if (st == LM_OK) {
        (void)sqlite3_bind_text(stmt, 1, today, -1, SQLITE_TRANSIENT);
        st = lm_query_step(all->store, stmt, err);
    }
    for (size_t i = first; st == LM_OK && i < all->n; i++) {
        all->found[i].n = sqlite3_column_int64(stmt, (int)(i - first) + 1);
    }
    (void)sqlite3_finalize(stmt);
    keep(all, first, key, st == LM_OK);
    return st;
}

static bool give(const struct found *found, lm_row_visit visit, void *arg)
{
    json_t *row;
    bool more;

    if (found->n == 0) {
        return true;
    }
    row = json_pack("{s:s,s:s,s:s,s:I}", "check", found->check, "type", found->type->name, "field",
                    found->field, "n", (json_int_t)found->n);
    more = visit(arg, row);
    json_decref(row);
    return more;
}

/* The town's own in their order, then the catalogue's. */
static void give_all(const struct all *all, lm_row_visit visit, void *arg)
{
    bool more = true;

    for (size_t own = 0; more && own <= N_OWN; own++) {
        for (size_t i = 0; more && i < all->n; i++) {
            more = all->found[i].own != own || give(&all->found[i], visit, arg);
        }
    }
}

static enum lm_status scan_all(struct all *all, int64_t now_ms, struct lm_error *err)
{
    const struct lm_catalog *catalog = all->store->catalog;
    char today[16];
    enum lm_status st = LM_OK;

    for (size_t i = 0; i < catalog->n_types; i++) {
        all->max += 2 * catalog->types[i].n_fields;
    }
    all->found = calloc(all->max, sizeof *all->found);
    if (!all->found) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足", "Out of memory");
    }
    lm_date_format(lm_day_utc8(now_ms), today);
    for (size_t i = 0; st == LM_OK && i < catalog->n_types; i++) {
        st = scan(all, &catalog->types[i], today, err);
    }
    return st;
}

enum lm_status lm_store_quality(struct lm_store *store, int64_t now_ms, lm_row_visit visit,
                                void *arg, struct lm_error *err)
{
    struct all all = {.store = store, .max = N_OWN};
    enum lm_status st = lm_store_read_begin(store, err); /* what is kept is of one moment */

    if (st != LM_OK) {
        return st;
    }
    lm_buf_init(&all.sql, SQL_SCAN_MAX);
    st = scan_all(&all, now_ms, err);
    lm_store_read_end(store);
    if (st == LM_OK) {
        give_all(&all, visit, arg);
    }
    lm_buf_free(&all.sql);
    free(all.found);
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
    if (is_check(check) && (!type[0] || found) &&
        (!field[0] || (found && lm_type_field(found, field))) &&
        (!found || !where_of(store, check, found, field, where))) {
        return LM_OK; /* a check that this type or field has not finds nothing in it */
    }
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
