/* Tables that were imported on the page: which records each brought, as they were when it did, so
 * that a whole one is undone another day and in another browser; and when this PC was last backed
 * up. A batch is written down in the transaction that saves its rows. */
#include "node/store/store_internal.h"

#include "common/base/util.h"

#include <string.h>

static enum lm_status check_text(const char *name, const char *text, size_t max,
                                 struct lm_error *err)
{
    size_t n = strlen(text), chars = 0;

    if (n > 0 && lm_utf8_valid(text, n, &chars) && chars <= max) {
        return LM_OK;
    }
    return lm_fail(err, LM_ERR_INVALID, "bad_text", name, "“%s”应为 1 至 %zu 个字。",
                   "\"%s\" has 1 to %zu characters.", name, max);
}

/* The oldest go, with their rows. */
static enum lm_status prune(struct lm_nstore *store, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_IMPORT_PRUNE);
    enum lm_status st;

    (void)sqlite3_bind_int64(q, 1, LM_IMPORTS_MAX);
    st = ns_run(store, q, "forget old imports", err);
    return st == LM_OK
               ? ns_run(store, ns_stmt(store, NS_IMPORT_PRUNE_ROWS), "forget old imports", err)
               : st;
}

enum lm_status lm_nstore_import_check(const struct lm_import *import, struct lm_error *err)
{
    enum lm_status st = check_text("id", import->id, LM_IMPORT_ID_MAX, err);

    if (st == LM_OK) {
        st = check_text("file", import->file, LM_IMPORT_FILE_MAX, err);
    }
    if (st == LM_OK) {
        st = check_text("source", import->source, LM_IMPORT_FILE_MAX + 100, err);
    }
    return st;
}

enum lm_status lm_nstore_import_note(struct lm_nstore *store, const struct lm_import *import,
                                     struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_IMPORT_ADD);
    enum lm_status st;

    ns_bind_text(q, 1, import->id);
    ns_bind_text(q, 2, import->type);
    ns_bind_text(q, 3, import->file);
    ns_bind_text(q, 4, import->source);
    ns_bind_text(q, 5, import->user);
    (void)sqlite3_bind_int64(q, 6, import->at_ms);
    st = ns_run(store, q, "note an import", err);
    return st == LM_OK ? prune(store, err) : st;
}

enum lm_status lm_nstore_import_row(struct lm_nstore *store, const char *id, const char *record,
                                    const char *rev, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_IMPORT_ROW_ADD);

    ns_bind_text(q, 1, id);
    ns_bind_text(q, 2, record);
    ns_bind_text(q, 3, rev);
    return ns_run(store, q, "note an imported row", err);
}

static const char *text_at(sqlite3_stmt *q, int at)
{
    const unsigned char *text = sqlite3_column_text(q, at);

    return text ? (const char *)text : "";
}

enum lm_status lm_nstore_imports(struct lm_nstore *store,
                                 bool (*visit)(void *arg, const struct lm_import *import),
                                 void *arg, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_IMPORT_LIST);
    enum lm_status st;

    while ((st = ns_row(store, q, "read the imports", err)) == LM_OK) {
        const struct lm_import import = {.id = text_at(q, 0),
                                         .type = text_at(q, 1),
                                         .file = text_at(q, 2),
                                         .source = text_at(q, 3),
                                         .user = text_at(q, 4),
                                         .at_ms = sqlite3_column_int64(q, 5),
                                         .undone_ms = sqlite3_column_int64(q, 6),
                                         .rows = sqlite3_column_int64(q, 7)};

        if (!visit(arg, &import)) {
            break;
        }
    }
    ns_done(q);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

static enum lm_status there(struct lm_nstore *store, const char *id, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_IMPORT_GET);
    enum lm_status st;

    ns_bind_text(q, 1, id);
    st = ns_row(store, q, "read an import", err);
    if (st == LM_OK) {
        ns_done(q);
    }
    return st == LM_ERR_NOT_FOUND
               ? lm_fail(err, LM_ERR_NOT_FOUND, "not_found", "id",
                         "没有这次导入；程序只记最近 %d 次。",
                         "There is no such import; the last %d are kept.", LM_IMPORTS_MAX)
               : st;
}

enum lm_status lm_nstore_import_rows(struct lm_nstore *store, const char *id,
                                     bool (*visit)(void *arg, const char *record, const char *rev),
                                     void *arg, struct lm_error *err)
{
    sqlite3_stmt *q;
    enum lm_status st = there(store, id, err);

    if (st != LM_OK) {
        return st;
    }
    q = ns_stmt(store, NS_IMPORT_ROWS);
    ns_bind_text(q, 1, id);
    while ((st = ns_row(store, q, "read the rows of an import", err)) == LM_OK) {
        if (!visit(arg, text_at(q, 0), text_at(q, 1))) {
            break;
        }
    }
    ns_done(q);
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

enum lm_status lm_nstore_import_undid(struct lm_nstore *store, const char *record, bool *out,
                                      struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_IMPORT_UNDID);
    enum lm_status st;

    ns_bind_text(q, 1, record);
    st = ns_row(store, q, "read who brought a record", err);
    *out = st == LM_OK;
    if (st == LM_OK) {
        ns_done(q);
    }
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

/* One statement in a transaction of its own. */
static enum lm_status alone(struct lm_nstore *store, enum ns_query query, const char *id,
                            int64_t ms, const char *doing, struct lm_error *err)
{
    sqlite3_stmt *q;
    enum lm_status st = lm_nstore_begin(store, err);

    if (st != LM_OK) {
        return st;
    }
    q = ns_stmt(store, query);
    (void)sqlite3_bind_int64(q, 1, ms);
    if (id) {
        ns_bind_text(q, 2, id);
    }
    st = ns_run(store, q, doing, err);
    if (st == LM_OK) {
        st = lm_nstore_commit(store, err);
    }
    if (st != LM_OK) {
        lm_nstore_rollback(store);
    }
    return st;
}

enum lm_status lm_nstore_import_undone(struct lm_nstore *store, const char *id, int64_t now_ms,
                                       struct lm_error *err)
{
    enum lm_status st = there(store, id, err);

    return st == LM_OK ? alone(store, NS_IMPORT_UNDONE, id, now_ms, "close an import", err) : st;
}

/* ---- backups ---- */

enum lm_status lm_nstore_backed_up(struct lm_nstore *store, int64_t now_ms, struct lm_error *err)
{
    struct lm_me me;
    enum lm_status st = lm_nstore_me(store, &me, err);

    if (st == LM_OK && me.offset_known) {
        now_ms += me.offset_ms;
    }
    return st == LM_OK ? alone(store, NS_BACKUP_PUT, NULL, now_ms, "note a backup", err) : st;
}

enum lm_status lm_nstore_last_backup(struct lm_nstore *store, int64_t *ms_out, struct lm_error *err)
{
    sqlite3_stmt *q = ns_stmt(store, NS_BACKUP_GET);
    enum lm_status st = ns_row(store, q, "read the last backup", err);

    *ms_out = 0;
    if (st == LM_OK) {
        *ms_out = sqlite3_column_int64(q, 0);
        ns_done(q);
    }
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}
