/* lm_tally: an aggregate that adds up by key without sorting. SQLite's GROUP BY sorts every row
 * first, which costs more than reading them; there are few groups and rows of one often follow each
 * other. */
#include "hub/store/counts_internal.h"

#include <sqlite3.h>
#include <string.h>

static const char pointer_type[] = "lm_count_groups";

struct tally {
    struct lm_count_groups *groups;
    size_t last; /* where the row before was added */
    bool failed;
};

static void step(sqlite3_context *context, int n, sqlite3_value **args)
{
    struct tally *t = sqlite3_aggregate_context(context, sizeof *t);
    const char *key;
    struct lm_count_group *group;

    (void)n;
    if (!t || t->failed) {
        return;
    }
    if (!t->groups) {
        t->groups = sqlite3_value_pointer(args[0], pointer_type);
    }
    key = (const char *)sqlite3_value_text(args[1]);
    key = key ? key : "";
    if (t->groups && t->last < t->groups->n && strcmp(t->groups->items[t->last].key, key) == 0) {
        t->groups->items[t->last].value.num += sqlite3_value_int64(args[2]);
        return;
    }
    group = t->groups ? lm_count_group(t->groups, key) : NULL;
    if (!group) {
        t->failed = true;
        sqlite3_result_error_nomem(context);
        return;
    }
    group->value.num += sqlite3_value_int64(args[2]);
    t->last = (size_t)(group - t->groups->items);
}

static void end(sqlite3_context *context)
{
    sqlite3_result_null(context);
}

enum lm_status lm_count_tally_register(struct sqlite3 *db)
{
    return sqlite3_create_function_v2(db, "lm_tally", 3, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL,
                                      NULL, step, end, NULL) == SQLITE_OK
               ? LM_OK
               : LM_ERR_MEMORY;
}

void lm_count_tally_bind(struct sqlite3_stmt *stmt, struct lm_count_groups *groups)
{
    int index = sqlite3_bind_parameter_index(stmt, ":groups");

    if (index > 0) {
        (void)sqlite3_bind_pointer(stmt, index, groups, pointer_type, NULL);
    }
}
