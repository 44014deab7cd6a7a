/* Figures as the page reads them (through one index, place by place, added up without sorting)
 * against the same figures written plainly: a scan of the table, each condition looked up row by
 * row. Random rows of all kinds, random questions; again after they were changed. */
#include "tests/unit/hub_counts_world.h"

enum { ROUNDS = 6, ROWS = 400, CHANGES = 150, QUESTIONS = 60 };

#define SETTLED "('verified','locked','approved','paid','closed','rejected')"
#define LEVEL                                                                                      \
    "(SELECT x.level FROM r_area_unit x WHERE x.code=t.village_code AND x.deleted_at IS NULL "     \
    "ORDER BY x.valid_from DESC LIMIT 1)"

static const struct plain {
    const char *id, *type, *day, *number, *filter, *category;
} plain[] = {
    {"I19v", "consultation", "t.\"on\"", "coalesce(t.item_count,0)", LEVEL "='village'", "t.topic"},
    {"I19", "consultation", "t.\"on\"", "coalesce(t.item_count,0)", LEVEL "='town'", "t.topic"},
    {"I12c", "visit", "t.visit_on", "json_array_length(t.persons)", "t.occasion='daily'", NULL},
    {"I12b", "visit", "t.visit_on", "json_array_length(t.persons)",
     "t.occasion IN ('illness','trouble','merit','death')", NULL},
    {"I17", "reception", "date(t.at,'+8 hours')", "t.head_count", "t.level='town'",
     "t.matter_kind"},
    {"I18a", "reception", "date(t.at,'+8 hours')", "1", "t.level='village'", "t.matter_kind"},
    {"I14a", "aid_case", "t.paid_on", "coalesce(t.amount_paid_fen,0)",
     "t.type='one_off' AND t.state IN ('paid','closed') AND t.paid_on IS NOT NULL", "t.situation"},
};
enum { N_PLAIN = sizeof plain / sizeof *plain };

static const char *const places[] = {PREFIX "201", PREFIX "202", PREFIX "203",
                                     PREFIX "204", PREFIX "299", TOWN}; /* 299: no area knows it */

static uint64_t below(struct world *w, uint64_t n)
{
    return lm_rand_next(&w->rnd) % n;
}

static const char *pick(struct world *w, const char *const *words, size_t n)
{
    return words[below(w, n)];
}
#define PICK(w, ...)                                                                               \
    pick((w), (const char *const[]){__VA_ARGS__},                                                  \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* Around the ends of months and of the year, where a day in UTC and in the town differ. */
static void random_day(struct world *w, char out[16])
{
    (void)snprintf(out, 16, "%s-%s-%s", PICK(w, "2024", "2025", "2026"),
                   PICK(w, "01", "02", "06", "07", "12"), PICK(w, "01", "02", "15", "27", "28"));
}

/* One row of a random kind; its word is what a later correction may name. */
static void add(struct world *w, char words[4][40])
{
    static const char *const types[] = {"consultation", "visit", "reception", "aid_case"};
    size_t kind = below(w, 4);
    char day[16], spec[512], more[256] = "", word[40];
    const char *event =
        PICK(w, "draft", "submitted", "returned", "verified", "locked", "cancelled");
    size_t at = 0;

    random_day(w, day);
    if (below(w, 5) == 0) {
        at += (size_t)snprintf(more + at, sizeof more - at, ";deleted_at=%sT00:00:00.000Z", day);
    }
    if (below(w, 7) == 0) {
        at += (size_t)snprintf(more + at, sizeof more - at, ";invalid=1");
    }
    if (below(w, 5) == 0 && words[kind][0]) {
        (void)snprintf(more + at, sizeof more - at, ";correction_of=%s", words[kind]);
    }
    (void)snprintf(word, sizeof word, "row%d", ++counter_);
    if (kind == 0) {
        (void)snprintf(spec, sizeof spec, "on=%s;topic=%s;item_count=%d;state=%s", day,
                       PICK(w, "policy", "pension", ""), (int)below(w, 5), event);
    } else if (kind == 1) {
        (void)snprintf(spec, sizeof spec, "visit_on=%s;occasion=%s;persons=%s;state=%s", day,
                       PICK(w, "daily", "illness", "trouble", "spring"),
                       PICK(w, "p1", "p1,p2", "p1,p2,p3"), event);
    } else if (kind == 2) {
        (void)snprintf(spec, sizeof spec,
                       "at=%sT%s.000Z;level=%s;head_count=%d;matter_kind=%s;state=%s", day,
                       PICK(w, "00:00:00", "15:59:59", "16:00:00", "23:59:59"),
                       PICK(w, "town", "village"), (int)below(w, 9), PICK(w, "policy", ""), event);
    } else {
        (void)snprintf(spec, sizeof spec,
                       "type=%s;situation=%s;applied_on=%s;paid_on=%s;amount_paid_fen=%d;state=%s",
                       PICK(w, "one_off", "other"), PICK(w, "s2", "s4"), day,
                       below(w, 4) ? day : "", (int)below(w, 5000),
                       PICK(w, "approved", "paid", "closed", "rejected", "returned"));
    }
    (void)snprintf(spec + strlen(spec), sizeof spec - strlen(spec), "%s;id=%s", more, word);
    row(w, types[kind], places[below(w, sizeof places / sizeof *places)], spec);
    (void)snprintf(words[kind], sizeof words[kind], "%s", word);
}

/* What a merge, a move, a deletion or a correction may do to a row. */
static void change(struct world *w)
{
    static const char *const acts[] = {
        "state='verified'",
        "state='returned'",
        "state='locked'",
        "deleted_at=CASE WHEN deleted_at IS NULL THEN '2026-01-01T00:00:00.000Z' END",
        "_invalid=1-_invalid",
        "village_code='" PREFIX "203'",
        "village_code='" TOWN "'",
        "correction_of=NULL",
    };
    const char *type = plain[below(w, N_PLAIN)].type;
    char sql[512];

    (void)snprintf(sql, sizeof sql,
                   "UPDATE r_%s SET %s WHERE rowid=(SELECT rowid FROM r_%s LIMIT 1 OFFSET %d)",
                   type, acts[below(w, sizeof acts / sizeof *acts)], type, (int)below(w, ROWS / 6));
    OK(lm_db_exec(w->store->db, sql, &err_));
}

struct question {
    const struct plain *of;
    const char *by, *station;
    char from[16], to[16];
};

static void ask_at_random(struct world *w, struct question *q)
{
    *q = (struct question){.of = &plain[below(w, N_PLAIN)]};
    q->by = PICK(w, "", "village", "office", "month", "category");
    if ((strcmp(q->by, "category") == 0 && !q->of->category) ||
        (strcmp(q->by, "village") == 0 && strcmp(q->of->id, "I19") == 0) ||
        (q->by[0] && q->by[0] != 'm' && strcmp(q->of->id, "I17") == 0)) {
        q->by = "month";
    }
    q->by = q->by[0] == 'o' && strcmp(q->of->id, "I19") == 0 ? "month" : q->by;
    q->station = below(w, 4) ? NULL : places[below(w, 3)];
    random_day(w, q->to);
    if (below(w, 2)) {
        random_day(w, q->from);
        if (strcmp(q->from, q->to) > 0) {
            char day[16];

            (void)snprintf(day, sizeof day, "%s", q->from);
            (void)snprintf(q->from, sizeof q->from, "%s", q->to);
            (void)snprintf(q->to, sizeof q->to, "%s", day);
        }
    }
}

/* {"key": number}, "" for the whole; with rows, how many there are instead. */
static json_t *plainly(struct world *w, const struct question *q, const char *by, bool rows)
{
    char sql[4096], key[512];
    sqlite3_stmt *stmt = NULL;
    json_t *out = json_object();

    (void)snprintf(key, sizeof key, "%s", "''");
    if (strcmp(by, "village") == 0) {
        (void)snprintf(key, sizeof key, "t.village_code");
    } else if (strcmp(by, "month") == 0) {
        (void)snprintf(key, sizeof key, "substr(%s,1,7)", q->of->day);
    } else if (strcmp(by, "category") == 0) {
        (void)snprintf(key, sizeof key, "coalesce(%s,'none')", q->of->category);
    } else if (strcmp(by, "office") == 0) {
        (void)snprintf(key, sizeof key,
                       "CASE t.village_code WHEN '" PREFIX "201' THEN '" PREFIX "901' WHEN '" PREFIX
                       "202' THEN '" PREFIX "901' WHEN '" PREFIX "203' THEN '" PREFIX
                       "902' ELSE '" TOWN "' END");
    }
    (void)snprintf(
        sql, sizeof sql,
        "SELECT %s,sum(%s) FROM r_%s t WHERE t.deleted_at IS NULL AND t._invalid=0 AND t.state NOT "
        "IN ('draft','returned','cancelled','merged') AND (t.correction_of IS NULL OR t.state "
        "IN " SETTLED
        ") AND NOT EXISTS (SELECT 1 FROM r_%s k WHERE k.correction_of=t.id AND k.id<>t.id "
        "AND k.deleted_at IS NULL AND k._invalid=0 AND k.state IN " SETTLED
        ") AND (%s) AND %s<='%s' "
        "AND %s>='%s' AND (%d OR t.village_code='%s') GROUP BY 1",
        key, rows ? "1" : q->of->number, q->of->type, q->of->type, q->of->filter, q->of->day, q->to,
        q->of->day, q->from[0] ? q->from : "0000", q->station == NULL,
        q->station ? q->station : "");
    assert_int_equal(sqlite3_prepare_v2(w->store->sql, sql, -1, &stmt, NULL), SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        (void)json_object_set_new(out, (const char *)sqlite3_column_text(stmt, 0),
                                  json_integer(sqlite3_column_int64(stmt, 1)));
    }
    (void)sqlite3_finalize(stmt);
    return out;
}

static json_t *no_row(void *arg, const struct lm_record *rec)
{
    (void)arg;
    return json_string(rec->id);
}

static size_t rows_behind(struct world *w, const struct question *q, const char *key)
{
    const char *names[1] = {q->of->id};
    struct lm_count_query query = {.indicators = names,
                                   .n_indicators = 1,
                                   .by = key ? q->by : NULL,
                                   .from = q->from[0] ? q->from : NULL,
                                   .to = q->to,
                                   .station = q->station,
                                   .now_ms = NOW_MS};
    json_t *doc = NULL, *seen = json_object(), *id;
    size_t total = 0, i;

    for (size_t offset = 0; offset == 0 || offset < total; offset += 7) {
        OK(lm_count_rows(w->store, &query, key, offset, 7, no_row, NULL, &doc, &err_));
        total = (size_t)json_integer_value(json_object_get(doc, "total"));
        json_array_foreach(json_object_get(doc, "records"), i, id)
        {
            (void)json_object_set_new(seen, json_string_value(id), json_true());
        }
        json_decref(doc);
    }
    assert_int_equal(json_object_size(seen), total); /* page after page: each once, none left out */
    json_decref(seen);
    return total;
}

static json_int_t at(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void compare(struct world *w, const struct question *q)
{
    const char *names[1] = {q->of->id}, *key = NULL;
    struct lm_count_query query = {.indicators = names,
                                   .n_indicators = 1,
                                   .by = q->by[0] ? q->by : NULL,
                                   .from = q->from[0] ? q->from : NULL,
                                   .to = q->to,
                                   .station = q->station,
                                   .now_ms = NOW_MS};
    json_t *doc = NULL, *figure, *group, *whole = plainly(w, q, "", false),
           *groups = plainly(w, q, q->by, false), *counts = plainly(w, q, q->by, true), *number;
    size_t i, n = 0, expected = 0;

    OK(lm_counts(w->store, &query, &doc, &err_));
    figure = json_object_get(json_object_get(doc, "indicators"), q->of->id);
    assert_int_equal(at(figure, "value"), at(whole, ""));
    json_array_foreach(json_object_get(figure, "groups"), i, group)
    {
        key = json_string_value(json_object_get(group, "key"));
        assert_int_equal(at(group, "value"), at(groups, key));
        n++;
    }
    const char *name;
    json_object_foreach(groups, name, number)
    {
        expected += q->by[0] && json_integer_value(number) != 0;
    }
    assert_int_equal(n, expected);
    if (key) {
        assert_int_equal(rows_behind(w, q, key), at(counts, key));
    }
    json_decref(counts);
    counts = plainly(w, q, "", true);
    assert_int_equal(rows_behind(w, q, NULL), at(counts, ""));
    json_decref(counts);
    json_decref(whole);
    json_decref(groups);
    json_decref(doc);
}

static void test_the_same_as_plainly(void **state)
{
    struct world *w = *state;
    char words[4][40] = {{0}};
    struct question q;

    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < ROWS / ROUNDS; i++) {
            add(w, words);
        }
        for (int i = 0; i < CHANGES / ROUNDS; i++) {
            change(w);
        }
        for (int i = 0; i < QUESTIONS; i++) {
            ask_at_random(w, &q);
            compare(w, &q);
        }
    }
}

/* lm_distinct beside count(DISTINCT): texts, numbers, NULL, empty, long, many. */
static void test_distinct(void **state)
{
    static const char sql[] =
        "WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM c WHERE i<?1), v(g,x) AS "
        "(SELECT i%7, CASE i%11 WHEN 0 THEN NULL WHEN 1 THEN i%50 WHEN 2 THEN ''||(i%50) WHEN 3 "
        "THEN '' WHEN 4 THEN hex(zeroblob(i%200)) ELSE 'p'||((i*?2)%5003) END FROM c) SELECT "
        "g,count(DISTINCT x),lm_distinct(x) FROM v GROUP BY g UNION ALL SELECT -1,count(DISTINCT "
        "x),lm_distinct(x) FROM v UNION ALL SELECT -2,count(DISTINCT x),lm_distinct(x) FROM v "
        "WHERE 0";
    struct world *w = *state;
    sqlite3_stmt *stmt = NULL;

    assert_int_equal(sqlite3_prepare_v2(w->store->sql, sql, -1, &stmt, NULL), SQLITE_OK);
    for (int round = 0; round < 8; round++) {
        int n = 0;

        (void)sqlite3_reset(stmt);
        (void)sqlite3_bind_int(stmt, 1, round * round * 400);
        (void)sqlite3_bind_int(stmt, 2, (int)below(w, 1000) + 1);
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            assert_int_equal(sqlite3_column_int64(stmt, 1), sqlite3_column_int64(stmt, 2));
            n++;
        }
        assert_true(n >= 3);
    }
    (void)sqlite3_finalize(stmt);
}

/* A reader that keeps figures against one that counts them anew: all figures in all groupings,
 * between random changes that are committed, and after what a person said of a pair of files. */
static void same_figures(struct world *w, struct lm_store *keeps,
                         const struct lm_count_query *query)
{
    json_t *kept = NULL, *again = NULL, *counted = NULL;

    OK(lm_counts(w->store, query, &counted, &err_));
    OK(lm_counts(keeps, query, &kept, &err_));
    OK(lm_counts(keeps, query, &again, &err_));
    assert_true(json_equal(kept, counted));
    assert_true(json_equal(again, counted));
    json_decref(kept);
    json_decref(again);
    json_decref(counted);
}

static void test_kept_figures(void **state)
{
    static const char *const groupings[] = {NULL, "village", "office", "month", "category"};
    struct world *w = *state;
    struct lm_store *keeps = NULL;
    char words[4][40] = {{0}};
    const char *p1, *p2;
    uint64_t before;

    OK(lm_store_open(&w->dir, w->catalog, LM_STORE_READ, &keeps, &err_));
    OK(lm_store_keep_figures(keeps, &err_));
    world_begin(w);
    p1 = row(w, "person", PREFIX "201", "id=p1;name=甲;state=active;dup_key=same");
    p2 = row(w, "person", PREFIX "202", "id=p2;name=甲;state=active;dup_key=same");
    world_commit(w);
    for (int round = 0; round < 8; round++) {
        struct lm_count_query query = {.now_ms = NOW_MS, .by = groupings[round % 5]};

        same_figures(w, keeps, &query);
        query.station = PREFIX "201";
        same_figures(w, keeps, &query);
        query.from = "2025-02-01";
        query.to = "2026-06-30";
        same_figures(w, keeps, &query);
        world_begin(w);
        if (round != 5) {
            add(w, words);
            add(w, words);
            change(w);
        } else { /* not in a table that SQLite's hook tells of */
            struct sqlite3_stmt *stmt = lm_query(w->store, LM_Q_DUPLICATE_PUT, &err_);
            bool first = strcmp(p1, p2) < 0;

            assert_non_null(stmt);
            lm_bind_id(stmt, 1, first ? p1 : p2);
            lm_bind_id(stmt, 2, first ? p2 : p1);
            lm_bind_text(stmt, 3, "person");
            (void)sqlite3_bind_int64(stmt, 4, 1);
            OK(lm_query_run(w->store, stmt, &err_));
            world_commit(w);
            same_figures(w, keeps, &query);
            world_begin(w);
            OK(lm_judge_dismiss(w->store, "clerk", p1, p2, NOW_MS, &err_));
        }
        world_commit(w);
        same_figures(w, keeps, &query);
    }
    /* A visit leaves aside what is not counted from visits; and rolled back, it changes nothing. */
    struct lm_count_query query = {.now_ms = NOW_MS};
    same_figures(w, keeps, &query);
    world_begin(w);
    row(w, "visit", PREFIX "201", "occasion=daily;persons=p1;visit_on=2026-01-01;state=verified");
    lm_store_rollback(w->store);
    before = lm_store_figures_kept(keeps);
    same_figures(w, keeps, &query);
    uint64_t all = (lm_store_figures_kept(keeps) - before) / 2;
    assert_true(all > 40);
    world_begin(w);
    row(w, "visit", PREFIX "201", "occasion=daily;persons=p1;visit_on=2026-01-01;state=verified");
    world_commit(w);
    before = lm_store_figures_kept(keeps);
    same_figures(w, keeps, &query);
    before = lm_store_figures_kept(keeps) - before;
    assert_in_range(before, 2 * all - 8, 2 * all - 1); /* visits and contacts due, no other */
    lm_store_close(&keeps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_distinct, counts_begin, counts_rollback),
        cmocka_unit_test_setup_teardown(test_the_same_as_plainly, counts_begin, counts_rollback),
        cmocka_unit_test(test_kept_figures),
    };

    return cmocka_run_group_tests(tests, counts_setup, world_teardown);
}
