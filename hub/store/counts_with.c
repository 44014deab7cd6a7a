/* The common tables of a counting statement: what stands in for a typed table, what rows are left
 * aside, places, areas and openings. counts_sql.c writes the rest.
 *
 * A common table may bear the name of a typed table: within the statement, filters included, it
 * then stands in for it. Everything looked up for each row is a join with a common table (SQLite
 * indexes those by itself), never a sub-select of its own. */
#include "hub/store/counts_internal.h"
#include "hub/store/store_internal.h"

#include <string.h>

#define UNCOUNTED "('draft','returned','cancelled','merged')"
/* Town staff (or the county, through them) have settled what a record in these states says. */
#define SETTLED                                                                                    \
    "('verified','locked','active','transferring','moved_out','deceased','approved','paid','"      \
    "closed','rejected','replied',"                                                                \
    "'resolved','transferred','not_accepted','final','archived','issued','reissue')"

/* An id as text, of a column that holds its 16 bytes. */
#define UUID(column)                                                                               \
    "lower(substr(hex(" column "),1,8)||'-'||substr(hex(" column "),9,4)||'-'||substr(hex(" column \
    "),13,4)||'-'||substr(hex(" column "),17,4)||'-'||substr(hex(" column "),21))"
#define SEEN "json_insert(w.seen,'$[#]',json_array(w.id,w.one))"

static bool is_type(const struct lm_indicator *ind, const char *name)
{
    return strcmp(ind->type->name, name) == 0;
}

/* The day by which a stock's row is there: its reporting date, where people enter one. */
const struct lm_field *lm_count_since(const struct lm_indicator *ind)
{
    const struct lm_field *field =
        ind->type->reporting_date >= 0 ? &ind->type->fields[ind->type->reporting_date] : NULL;

    return !ind->flow && field && field->fill == LM_FILL_USER && field->ftype == LM_F_DATE ? field
                                                                                           : NULL;
}

/* What happened, wherever it was, is read place by place. */
bool lm_count_by_place(const struct lm_count_sql *in)
{
    bool one = in->scope->station || (in->key && in->scope->by == LM_BY_VILLAGE_CODE);

    return in->ind->flow && !one && strcmp(lm_count_place(in->ind->type), "village_code") == 0;
}

bool lm_count_is_plan(const struct lm_indicator *ind)
{
    return is_type(ind, "contact_plan");
}

bool lm_count_asks_level(const struct lm_indicator *ind)
{
    return strcmp(lm_count_place(ind->type), "village_code") == 0 && ind->filter_text &&
           strstr(ind->filter_text, "area.level");
}

bool lm_count_needs_areas(const struct lm_count_sql *in)
{
    return in->scope->by == LM_BY_OFFICE || lm_count_asks_level(in->ind);
}

bool lm_count_is_covered(const struct lm_count_sql *in)
{
    return in->covered && lm_count_openings(in->ind, in->scope);
}

/* A correction counts, and what it corrects no longer does, once it is settled. */
void lm_count_put_stands(struct lm_buf *sql, const struct lm_type *type, const char *alias)
{
    lm_buf_printf(sql, "%s.rowid NOT IN (SELECT rid FROM \"_aside_%s\")", alias, type->name);
}

/* ---- common tables ---- */

static void begin_with(struct lm_buf *sql, bool *any)
{
    lm_buf_text(sql, *any ? ",\n" : "WITH RECURSIVE ");
    *any = true;
}

/* Every column of a type but one, which is given as an expression. */
static void put_columns(struct lm_buf *sql, const struct lm_type *type, const char *alias,
                        const char *column, const char *expr)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const char *name = type->fields[i].name;

        if (strcmp(name, column) == 0) {
            lm_buf_printf(sql, "%s AS \"%s\",", expr, name);
        } else {
            lm_buf_printf(sql, "%s.\"%s\",", alias, name);
        }
    }
    lm_buf_printf(sql, "%s._invalid", alias);
}

/* Who was merged, and into whom at last. */
static void put_merged(struct lm_buf *sql)
{
    lm_buf_text(
        sql, "\"_hop\"(id,target,n) AS (SELECT id,merged_into,1 FROM main.r_person WHERE "
             "merged_into IS NOT NULL AND "
             "deleted_at IS NULL UNION ALL SELECT h.id,p.merged_into,h.n+1 FROM \"_hop\" h JOIN "
             "main.r_person p ON "
             "p.id=h.target WHERE p.merged_into IS NOT NULL AND p.deleted_at IS NULL AND h.n<8),\n"
             "\"_merged\"(id,target,n) AS MATERIALIZED (SELECT id,target,max(n) FROM \"_hop\" "
             "GROUP BY id)");
}

/* Files with one duplicate key are one person, but for pairs that a person said to differ. Those of
 * such a key are walked in the order of their ids: each joins the first class in which nobody
 * differs from it, or begins one. "one" is the id that began it; seen lists [id, one] of those
 * before. Files that are deleted, merged or cancelled take no part: they may not make one person of
 * two others. */
static void put_one(struct lm_buf *sql)
{
    lm_buf_text(
        sql,
        "\"_apart\"(x,y) AS MATERIALIZED (SELECT " UUID("a") "," UUID(
            "b") " FROM main.duplicates WHERE type='person' AND open=2),\n"
                 "\"_same\"(key,id) AS MATERIALIZED (SELECT p.dup_key,p.id FROM main.r_person p "
                 "WHERE p.deleted_at IS NULL AND p.state NOT IN ('merged','cancelled','withdrawn') "
                 "AND p.dup_key IN (SELECT f.dup_key FROM \"_apart\" a JOIN main.r_person f ON "
                 "f.id=a.x JOIN main.r_person g ON g.id=a.y AND g.dup_key=f.dup_key)),\n"
                 "\"_walk\"(key,id,one,seen) AS (SELECT key,min(id),min(id),json_array() FROM "
                 "\"_same\" GROUP BY key UNION ALL SELECT w.key,n.id,coalesce((SELECT j.value->>1 "
                 "FROM json_each(" SEEN
                 ") j LEFT JOIN \"_apart\" a ON a.x=j.value->>0 AND a.y=n.id "
                 "GROUP BY 1 HAVING count(a.x)=0 ORDER BY 1 LIMIT 1),n.id)," SEEN
                 " FROM \"_walk\" w JOIN \"_same\" n ON n.key=w.key AND n.id=(SELECT min(o.id) "
                 "FROM "
                 "\"_same\" o WHERE o.key=w.key AND o.id>w.id)),\n"
                 "\"_one\"(id,one) AS MATERIALIZED (SELECT id,one FROM \"_walk\")");
}

/* A plan's next day follows from the visits of that person, whenever those came in: the stored one
 * may be older than they are. */
static void put_due(struct lm_buf *sql, const struct lm_type *plan)
{
    static const char due[] =
        "CASE WHEN p.start_on IS NOT NULL THEN "
        "min(date(max(p.start_on,coalesce(w.day,p.start_on)),'+'||f.months||' months'),"
        "date(max(p.start_on,coalesce(w.day,p.start_on)),'start of month','+'||(f.months+1)||' "
        "months','-1 day')) END";

    lm_buf_text(sql,
                "\"_visited\"(person,day) AS MATERIALIZED (SELECT "
                "coalesce(m.target,j.value),max(v.visit_on) FROM main.r_visit "
                "v JOIN json_each(v.persons) AS j LEFT JOIN \"_merged\" m ON m.id=j.value WHERE "
                "v.deleted_at IS NULL AND "
                "v._invalid=0 AND v.state NOT IN " UNCOUNTED " AND v.visit_on<=:to GROUP BY 1),\n"
                "\"_every\"(frequency,months) AS "
                "(VALUES('month',1),('quarter',3),('half',6),('year',12)),\n");
    lm_buf_printf(sql, "\"r_%s\" AS MATERIALIZED (SELECT ", plan->name);
    put_columns(sql, plan, "p", "next_due", due);
    lm_buf_printf(sql,
                  " FROM main.\"r_%s\" p LEFT JOIN \"_every\" f ON f.frequency=p.frequency LEFT "
                  "JOIN \"_merged\" m ON "
                  "m.id=p.person_id LEFT JOIN \"_visited\" w ON "
                  "w.person=coalesce(m.target,p.person_id) WHERE ",
                  plan->name);
    lm_count_put_stands(sql, plan, "p");
    lm_buf_text(sql, ")");
}

/* What belongs to a person who was merged belongs to the other one. The few rows that moved stand
 * apart, so that the rest is still found through the table's own index. */
static void put_children(struct lm_buf *sql, const struct lm_type *child, bool merged)
{
    if (merged) {
        lm_buf_text(sql, "\"_moved\" AS MATERIALIZED (SELECT ");
        put_columns(sql, child, "i", "person_id", "m.target");
        lm_buf_printf(sql, " FROM \"_merged\" m JOIN main.\"r_%s\" AS i ON i.person_id=m.id WHERE ",
                      child->name);
        lm_count_put_stands(sql, child, "i");
        lm_buf_text(sql, "),\n");
    }
    lm_buf_printf(sql, "\"r_%s\" AS NOT MATERIALIZED (SELECT ", child->name);
    put_columns(sql, child, "i", "", "");
    lm_buf_printf(sql, " FROM main.\"r_%s\" AS i WHERE ", child->name);
    lm_count_put_stands(sql, child, "i");
    lm_buf_text(sql, merged ? " UNION ALL SELECT * FROM \"_moved\")" : ")");
}

/* A stock's rows as of the day: filters that look at other rows of the type (latest, same_holder)
 * see no others either. */
static void put_stock(struct lm_buf *sql, const struct lm_indicator *ind)
{
    const struct lm_field *since = lm_count_since(ind);

    lm_buf_printf(sql, "\"r_%s\" AS NOT MATERIALIZED (SELECT * FROM main.\"r_%s\" AS s WHERE ",
                  ind->type->name, ind->type->name);
    if (since) {
        lm_buf_printf(sql, "(s.\"%s\" IS NULL OR s.\"%s\"<=:to) AND ", since->name, since->name);
    }
    lm_count_put_stands(sql, ind->type, "s");
    lm_buf_text(sql, ")");
}

/* Rows that do not stand: corrections that nobody has settled, and what a settled one replaces. */
static void put_aside(struct lm_buf *sql, const struct lm_type *type)
{
    lm_buf_printf(
        sql,
        "\"_aside_%s\"(rid) AS MATERIALIZED (SELECT rowid FROM main.\"r_%s\" WHERE correction_of "
        "IS NOT NULL AND coalesce(state,'') NOT IN " SETTLED
        " UNION SELECT c.rowid FROM main.\"r_%s\" AS k JOIN main.\"r_%s\" AS c ON "
        "c.id=k.correction_of WHERE k.correction_of IS NOT NULL AND k.id<>c.id AND k.deleted_at IS "
        "NULL AND k._invalid=0 AND k.state IN " SETTLED ")",
        type->name, type->name, type->name, type->name);
}

/* Every place that rows of the type name, from one to the next through the index; NULL is among
 * them. */
static void put_places(struct lm_buf *sql, const struct lm_type *type)
{
    lm_buf_printf(sql,
                  "\"_place\"(code) AS (SELECT '' UNION ALL SELECT (SELECT min(village_code) FROM "
                  "main.\"r_%s\" WHERE village_code>p.code) FROM \"_place\" AS p WHERE p.code IS "
                  "NOT NULL)",
                  type->name);
}

static void put_areas(struct lm_buf *sql)
{
    lm_buf_text(sql, "\"_area\"(code,level,parent,since) AS MATERIALIZED (SELECT "
                     "code,level,parent_code,max(valid_from) FROM "
                     "main.r_area_unit WHERE deleted_at IS NULL GROUP BY code)");
}

/* The newest day that an opening holds, for each area that lies inside the opening's. */
static void put_cover(struct lm_buf *sql)
{
    lm_buf_printf(sql,
                  "\"_up\"(code,area) AS (SELECT code,code FROM \"_area\" UNION SELECT "
                  "u.code,a.parent FROM \"_up\" u JOIN "
                  "\"_area\" a ON a.code=u.area WHERE a.parent IS NOT NULL),\n"
                  "\"_cover\"(code,day) AS MATERIALIZED (SELECT u.code,max(o.as_of) FROM "
                  "main.r_opening_balance o JOIN \"_up\" u "
                  "ON u.area=o.area_code WHERE %s GROUP BY u.code)",
                  lm_count_opening_live);
}

void lm_count_put_with(struct lm_buf *sql, const struct lm_count_sql *in)
{
    const struct lm_indicator *ind = in->ind;
    bool any = false, plan = lm_count_is_plan(ind), covered = lm_count_is_covered(in);

    begin_with(sql, &any);
    put_aside(sql, ind->type);
    if (in->child) {
        begin_with(sql, &any);
        put_aside(sql, in->child);
    }
    if (lm_count_by_place(in)) {
        begin_with(sql, &any);
        put_places(sql, ind->type);
    }

    if (in->merged || plan) {
        begin_with(sql, &any);
        put_merged(sql);
    }
    if (in->apart) {
        begin_with(sql, &any);
        put_one(sql);
    }
    if (in->child) {
        begin_with(sql, &any);
        put_children(sql, in->child, in->merged);
    }
    if (plan) {
        begin_with(sql, &any);
        put_due(sql, ind->type);
    } else if (!ind->flow) {
        begin_with(sql, &any);
        put_stock(sql, ind);
    }
    if (lm_count_needs_areas(in) || covered) {
        begin_with(sql, &any);
        put_areas(sql);
    }
    if (covered) {
        begin_with(sql, &any);
        put_cover(sql);
    }
    lm_buf_text(sql, any ? "\n" : "");
}
