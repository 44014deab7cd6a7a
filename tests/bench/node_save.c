/* One durable save at a node beside one bare SQLite transaction of two rows, alternating in one
 * run.
 *
 *   node_save NODE_DIR N     NODE_DIR is an enrolled node's data directory; N saves of each are
 * timed
 *
 * A save is all of it: rules, natural keys, typed row, stamps, outbox row with its chain, COMMIT
 * with synchronous=FULL. Prints medians and their ratio as one JSON document. */
#include "common/base/util.h"
#include "node/save.h"

#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BODY_BYTES 255

static void die(const char *what)
{
    fprintf(stderr, "node_save: %s\n", what);
    exit(1);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1000.0 + (double)t.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *times, int n, int percent)
{
    qsort(times, (size_t)n, sizeof *times, compare);
    return times[(size_t)n * (size_t)percent / 100];
}

static double bare_save(sqlite3 *db, sqlite3_stmt *record, sqlite3_stmt *log)
{
    uint8_t body[BODY_BYTES], id[16];
    randombytes_buf(body, sizeof body);
    randombytes_buf(id, sizeof id);
    double from = now_ms();
    sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    sqlite3_bind_blob(record, 1, id, sizeof id, SQLITE_STATIC);
    sqlite3_bind_blob(record, 2, body, sizeof body, SQLITE_STATIC);
    sqlite3_bind_blob(log, 1, body, sizeof body, SQLITE_STATIC);
    if (sqlite3_step(record) != SQLITE_DONE || sqlite3_step(log) != SQLITE_DONE ||
        sqlite3_reset(record) != SQLITE_OK || sqlite3_reset(log) != SQLITE_OK ||
        sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
        die(sqlite3_errmsg(db));
    }
    return now_ms() - from;
}

static double node_save(struct lm_node_saver *saver, int i)
{
    char day[16];
    struct lm_entry_result result;
    struct lm_error err = {0};
    lm_date_format(20089 + i % 300, day);
    json_t *fields =
        json_pack("{s:s,s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "at", "2025-03-10T01:30:00Z",
                  "head_count", 1, "visitor_name", "来访人", "matter_kind", "policy", "appeal",
                  "询问优待证办理进度", "reply", "已说明所需材料", "outcome", "done",
                  "satisfaction", "3", "handler", "01900000-0000-7000-8000-000000000001");
    struct lm_entry entry = {.op = LM_OP_CREATE, .type = "reception", .fields = fields};
    char at[40];
    lm_time_format(1735689600000LL + (int64_t)i * 60000, at);
    json_object_set_new(fields, "at", json_string(at));
    memset(&result, 0, sizeof result);
    lm_issues_init(&result.issues);
    double from = now_ms();
    if (lm_node_save(saver, &entry, &result, &err) != LM_OK ||
        lm_node_saver_flush(saver, &err) != LM_OK) {
        const struct lm_error *first = lm_issues_first_refusal(&result.issues);
        die(first ? first->en : err.en);
    }
    double took = now_ms() - from;
    json_decref(fields);
    return took;
}

int main(int argc, char **argv)
{
    struct lm_datadir dir;
    struct lm_catalog *catalog = NULL;
    struct lm_nstore *store = NULL;
    struct lm_node_saver saver;
    struct lm_error err = {0};
    sqlite3 *db = NULL;
    sqlite3_stmt *record = NULL, *log = NULL;
    char path[4096];
    int n = argc == 3 ? atoi(argv[2]) : 0;
    double *node = calloc((size_t)(n > 0 ? n : 1), sizeof *node);
    double *bare = calloc((size_t)(n > 0 ? n : 1), sizeof *bare);
    if (n < 10 || n > 100000 || !node || !bare || sodium_init() < 0) {
        fprintf(stderr, "usage: node_save NODE_DIR N (10 to 100000)\n");
        return 2;
    }
    snprintf(path, sizeof path, "%s/bare.db", argv[1]);
    if (lm_catalog_load_embedded(&catalog, &err) != LM_OK ||
        lm_datadir_open(argv[1], true, &dir, &err) != LM_OK ||
        lm_nstore_open(&dir, catalog, false, &store, &err) != LM_OK) {
        die(err.en);
    }
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                     "CREATE TABLE record(id BLOB PRIMARY KEY, body BLOB) STRICT;"
                     "CREATE TABLE log(pos INTEGER PRIMARY KEY, body BLOB) STRICT",
                     NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "INSERT INTO record VALUES(?1,?2)", -1, &record, NULL) !=
            SQLITE_OK ||
        sqlite3_prepare_v2(db, "INSERT INTO log(body) VALUES(?1)", -1, &log, NULL) != SQLITE_OK) {
        die(sqlite3_errmsg(db));
    }
    lm_node_saver_init(&saver, store, argv[1], "bench");
    for (int i = 0; i < n; i++) {
        node[i] = node_save(&saver, i);
        bare[i] = bare_save(db, record, log);
    }
    double node_ms = quantile(node, n, 50), bare_ms = quantile(bare, n, 50);
    printf(
        "{\"saves\":%d,\"node_ms\":%.3f,\"node_p99_ms\":%.3f,\"bare_ms\":%.3f,\"bare_p99_ms\":%.3f,"
        "\"ratio\":%.2f}\n",
        n, node_ms, quantile(node, n, 99), bare_ms, quantile(bare, n, 99), node_ms / bare_ms);
    sqlite3_finalize(record);
    sqlite3_finalize(log);
    sqlite3_close(db);
    lm_node_saver_free(&saver);
    lm_nstore_close(&store);
    lm_datadir_close(&dir);
    lm_catalog_destroy(&catalog);
    free(node);
    free(bare);
    return 0;
}
