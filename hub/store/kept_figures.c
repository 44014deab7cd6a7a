/* Figures that were counted are kept while nothing that they were counted from changes.
 *
 * The writer notes, in the transaction that changes it, that a table changed (`changed`: a number a
 * table, one higher with each commit that touched it); SQLite's update hook tells which. Who counts
 * lets SQLite's authorizer tell which tables the statements of a figure read, and keeps the figure
 * with their numbers. Asked again, it is the same figure as long as the numbers are the same. So
 * nothing has to be known about indicators here, and a table that was forgotten cannot be: what is
 * read and has no number is never kept. What the checks of data quality find is kept the same way,
 * a type's checks as one figure's groups (quality.c).
 *
 * The hook says nothing of tables WITHOUT ROWID (SQLite, sqlite3_update_hook): the one of them that
 * figures read, `duplicates`, is told by those who write it (lm_changes_note). */
#include "hub/store/counts_internal.h"
#include "hub/store/store_internal.h"

#include <stdlib.h>
#include <string.h>

#define FIGURES_MAX 320     /* the longest unused goes */
#define GROUPS_KEPT_MAX 512 /* of one figure: 64 villages, some years of months */
#define KEY_CHARS 256
#define ALL "*" /* its number counts for every table */

/* ---- what changed ---- */

static bool is_watched(const char *table)
{
    return strncmp(table, "r_", 2) == 0 || strcmp(table, "duplicates") == 0;
}

/* The number of a table in list, NULL when it is not there. */
static struct lm_changed *find(struct lm_changed_list *list, const char *table)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i].table, table) == 0) {
            return &list->items[i];
        }
    }
    return NULL;
}

/* Adds a table once; one too many, or with too long a name, is noted as "more". */
static void add(struct lm_changed_list *list, const char *table, int64_t number)
{
    if (find(list, table)) {
        return;
    }
    if (list->n == LM_CHANGED_MAX || strlen(table) >= sizeof list->items[0].table) {
        list->more = true;
        return;
    }
    (void)snprintf(list->items[list->n].table, sizeof list->items[0].table, "%s", table);
    list->items[list->n++].number = number;
}

void lm_changes_note(struct lm_store *store, const char *table)
{
    struct lm_changed_list *list = &store->changes;

    if (list->n == 0 || strcmp(list->items[list->n - 1].table, table) != 0) {
        add(list, table, 0);
    }
}

static void on_update(void *arg, int op, const char *database, const char *table, sqlite3_int64 row)
{
    (void)op;
    (void)database;
    (void)row;
    if (is_watched(table)) {
        lm_changes_note(arg, table);
    }
}

void lm_changes_watch(struct lm_store *store)
{
    (void)sqlite3_update_hook(store->sql, on_update, store);
}

enum lm_status lm_changes_flush(struct lm_store *store, struct lm_error *err)
{
    enum lm_status status = LM_OK;

    if (store->changes.more) { /* which it was is not known */
        store->changes.n = 0;
        add(&store->changes, ALL, 0);
    }
    for (size_t i = 0; i < store->changes.n && status == LM_OK; i++) {
        struct sqlite3_stmt *stmt = lm_query(store, LM_Q_CHANGED, err);

        if (!stmt) {
            return LM_ERR_IO;
        }
        lm_bind_text(stmt, 1, store->changes.items[i].table);
        status = lm_query_run(store, stmt, err);
    }
    if (status == LM_OK) {
        store->changes.n = 0;
        store->changes.more = false;
    }
    return status;
}

/* ---- what is kept ---- */

struct figure {
    char key[KEY_CHARS];
    struct lm_changed_list from; /* the tables it was counted from, with their numbers then */
    struct lm_counted counted;   /* owns its groups */
    uint64_t used;
};
struct lm_kept_figures {
    struct figure items[FIGURES_MAX];
    size_t n;
    uint64_t clock, hits;
    struct lm_changed_list now; /* as this read transaction sees it, */
    bool known;                 /* when it was read */
    struct lm_changed_list heard;
    bool strange; /* a table was read that has no number */
};

enum lm_status lm_store_keep_figures(struct lm_store *store, struct lm_error *err)
{
    if (!store->kept) {
        store->kept = calloc(1, sizeof *store->kept);
    }
    return store->kept ? LM_OK
                       : lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足", "Out of memory");
}

void lm_kept_figures_free(struct lm_store *store)
{
    for (size_t i = 0; store->kept && i < store->kept->n; i++) {
        lm_count_groups_free(&store->kept->items[i].counted.groups);
    }
    free(store->kept);
    store->kept = NULL;
}

uint64_t lm_store_figures_kept(const struct lm_store *store)
{
    return store->kept ? store->kept->hits : 0;
}

void lm_kept_figures_moved(struct lm_store *store)
{
    if (store->kept) {
        store->kept->known = false;
    }
}

static bool read_changed(struct lm_store *store)
{
    struct lm_kept_figures *kept = store->kept;
    sqlite3_stmt *stmt = NULL;
    int rc = SQLITE_ERROR;

    kept->now.n = 0;
    kept->now.more = false;
    if (lm_db_prepare(store->db, "SELECT name,number FROM changed", &stmt, NULL) == LM_OK) {
        while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
            add(&kept->now, lm_column_str(stmt, 0), sqlite3_column_int64(stmt, 1));
        }
    }
    (void)sqlite3_finalize(stmt);
    /* Without a transaction the next look may see another moment. */
    kept->known = rc == SQLITE_DONE && store->reading > 0;
    return rc == SQLITE_DONE && !kept->now.more;
}

/* A table that never changed since numbers are kept has 0. */
static int64_t number_of(struct lm_kept_figures *kept, const char *table)
{
    const struct lm_changed *found = find(&kept->now, table), *all = find(&kept->now, ALL);

    return (found ? found->number : 0) + (all ? all->number : 0);
}

static bool put_key(const struct lm_store *store, const struct lm_indicator *ind,
                    const struct lm_count_scope *scope, char key[KEY_CHARS])
{
    const struct lm_dimension *category = scope->by == LM_BY_CATEGORY ? scope->category : NULL;
    int n =
        snprintf(key, KEY_CHARS, "%s %d %s.%s %s %s %s %s %s %d", ind->id, (int)scope->by,
                 category && category->child ? category->child : "",
                 category && category->field ? category->field : "", scope->from ? scope->from : "",
                 scope->to, scope->station ? scope->station : "", scope->today, scope->town,
                 (int)store->catalog->number);

    return n > 0 && n < KEY_CHARS;
}

/* The figure of that key, whatever it was counted from. */
static struct figure *look_up(struct lm_kept_figures *kept, const char *key)
{
    for (size_t i = 0; i < kept->n; i++) {
        if (strcmp(kept->items[i].key, key) == 0) {
            return &kept->items[i];
        }
    }
    return NULL;
}

static bool copy(const struct lm_counted *from, struct lm_counted *to)
{
    size_t n = from->groups.n;
    struct lm_count_group *items = n ? malloc(n * sizeof *items) : NULL;

    if (n && !items) {
        return false;
    }
    if (n) {
        memcpy(items, from->groups.items, n * sizeof *items);
    }
    *to = *from;
    to->groups = (struct lm_count_groups){.items = items, .n = n, .size = n};
    return true;
}

bool lm_kept_find(struct lm_store *store, const char *key, struct lm_counted *out)
{
    struct lm_kept_figures *kept = store->kept;
    struct figure *figure;

    if (!kept || (!kept->known && !read_changed(store))) {
        return false;
    }
    figure = look_up(kept, key);
    for (size_t i = 0; figure && i < figure->from.n; i++) {
        const struct lm_changed *table = &figure->from.items[i];

        if (number_of(kept, table->table) != table->number) {
            return false;
        }
    }
    if (!figure || !copy(&figure->counted, out)) {
        return false;
    }
    figure->used = ++kept->clock;
    kept->hits++;
    return true;
}

bool lm_kept_figures_find(struct lm_store *store, const struct lm_indicator *ind,
                          const struct lm_count_scope *scope, struct lm_counted *out)
{
    char key[KEY_CHARS];

    return put_key(store, ind, scope, key) && lm_kept_find(store, key, out);
}

/* Tables of the statements that are being prepared. Functions of tables have none of their own. */
static int on_read(void *arg, int action, const char *table, const char *column,
                   const char *database, const char *inside)
{
    struct lm_kept_figures *kept = arg;

    (void)column;
    (void)database;
    (void)inside;
    if (action == SQLITE_READ && table && strncmp(table, "json_", 5) != 0) {
        if (is_watched(table)) {
            add(&kept->heard, table, 0);
        } else {
            kept->strange = true;
        }
    }
    return SQLITE_OK;
}

void lm_kept_figures_listen(struct lm_store *store)
{
    if (store->kept) {
        store->kept->heard = (struct lm_changed_list){.n = 0};
        store->kept->strange = false;
        (void)sqlite3_set_authorizer(store->sql, on_read, store->kept);
    }
}

/* A free place, or that of the longest unused; its old figure is gone. */
static struct figure *place_for(struct lm_kept_figures *kept, const char *key)
{
    struct figure *figure = look_up(kept, key);

    if (!figure && kept->n < FIGURES_MAX) {
        figure = &kept->items[kept->n++];
    } else if (!figure) {
        figure = &kept->items[0];
        for (size_t i = 1; i < kept->n; i++) {
            if (kept->items[i].used < figure->used) {
                figure = &kept->items[i];
            }
        }
    }
    lm_count_groups_free(&figure->counted.groups);
    memset(figure, 0, sizeof *figure);
    return figure;
}

void lm_kept_keep(struct lm_store *store, const char *key, const struct lm_counted *counted)
{
    struct lm_kept_figures *kept = store->kept;
    struct figure *figure;

    if (!kept) {
        return;
    }
    (void)sqlite3_set_authorizer(store->sql, NULL, NULL);
    if (!counted || !key[0] || kept->strange || kept->heard.more || !kept->known ||
        counted->groups.n > GROUPS_KEPT_MAX || strlen(key) >= KEY_CHARS) {
        return;
    }
    figure = place_for(kept, key);
    if (!copy(counted, &figure->counted)) {
        return; /* its key is empty: nobody finds it */
    }
    (void)snprintf(figure->key, sizeof figure->key, "%s", key);
    figure->from = kept->heard;
    for (size_t i = 0; i < figure->from.n; i++) {
        figure->from.items[i].number = number_of(kept, figure->from.items[i].table);
    }
    figure->used = ++kept->clock;
}

void lm_kept_figures_keep(struct lm_store *store, const struct lm_indicator *ind,
                          const struct lm_count_scope *scope, const struct lm_counted *counted)
{
    char key[KEY_CHARS];

    /* without a key it is only that nobody listens any more */
    lm_kept_keep(store, put_key(store, ind, scope, key) ? key : "", counted);
}
