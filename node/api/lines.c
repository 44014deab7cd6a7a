/* Many saves in one request, each by itself: what `add` takes as lines, for the page's import
 * (common/lines.h).
 *
 * Good lines share one transaction, which is on disk before the answer (P1); a refused line leaves
 * nothing and says why. What an ID number says of birth and sex is filled in where the line does
 * not say it. */
#include "common/lines.h"
#include "node/api/api.h"
#include "node/save.h"
#include "proto/idnumber.h"

#include <string.h>

#define ARENA_BYTES (16 * 1024 * 1024)

struct lines {
    struct lm_api_call *call;
    struct lm_import import; /* id NULL: of none */
    bool noted;              /* in this transaction */
    enum lm_status broken;   /* of noting it: the request ends */
    struct lm_node_saver saver;
    struct lm_lines all;
};

/* Nobody gives the type birth_on who has no field of that name. */
static void set_absent(const struct lm_type *type, json_t *fields, const char *name,
                       const char *value)
{
    const json_t *there = json_object_get(fields, name);

    if (lm_type_field(type, name) && (!there || json_is_null(there))) {
        (void)json_object_set_new(fields, name, json_string(value));
    }
}

static void derive(const struct lm_type *type, json_t *fields)
{
    const char *number = json_string_value(json_object_get(fields, "id_no"));
    char birth[11], sex;

    if (type && number && lm_idno_check(number, strlen(number), birth, &sex) == LM_IDNO_OK) {
        set_absent(type, fields, "birth_on", birth);
        set_absent(type, fields, "sex", (const char[]){sex, '\0'});
    }
}

/* In the transaction of the row itself: what an import brought is known as soon as it is there. A
 * row that was there before is none of it: undoing would delete what was worked on since. */
static enum lm_status note(struct lines *l, const struct lm_entry *entry,
                           const struct lm_entry_result *result, const char *rev,
                           struct lm_error *err)
{
    struct lm_nstore *store = l->call->api->store;
    enum lm_status st = LM_OK;

    if (!l->import.id || !l->all.keep || entry->op != LM_OP_CREATE || result->repeated) {
        return LM_OK;
    }
    if (!l->noted) {
        l->import.type = entry->type;
        st = lm_nstore_import_note(store, &l->import, err);
        l->noted = st == LM_OK;
    }
    st = st == LM_OK ? lm_nstore_import_row(store, l->import.id, result->id, rev, err) : st;
    l->broken = st;
    return st;
}

/* The import that the lines are of, if they are of one. */
static enum lm_status read_import(struct lines *l)
{
    struct lm_api_call *call = l->call;
    const json_t *of = json_object_get(call->body, "import");

    if (!of) {
        return LM_OK;
    }
    l->import = (struct lm_import){.id = json_string_value(json_object_get(of, "id")),
                                   .file = json_string_value(json_object_get(of, "file")),
                                   .source = json_string_value(json_object_get(of, "source")),
                                   .user = call->session->user,
                                   .at_ms = lm_clock_wall_ms()};
    return l->import.id && l->import.file && l->import.source
               ? lm_nstore_import_check(&l->import, &call->err)
               : lm_fail(&call->err, LM_ERR_INVALID, "bad_type", "import",
                         "“import”应有 id、file、source 三段文字。",
                         "\"import\" must have the texts id, file and source.");
}

/* What an import brought and its undo deleted is a new import's to bring, under another id: the
 * page is told apart what a person deleted. */
static enum lm_status there(struct lm_nstore *store, const struct lm_record *rec,
                            struct lm_error *err)
{
    bool undone = false;
    enum lm_status st = LM_OK;

    if (lm_record_deleted(rec)) {
        st = lm_nstore_import_undid(store, rec->id, &undone, err);
    }
    if (st == LM_OK && undone) {
        return lm_fail(err, LM_ERR_INVALID, "undone", "id",
                       "这一行导入过，那次导入已撤销。",
                       "This line was imported before, and that import was undone.");
    }
    return st == LM_OK ? lm_lines_there(rec, err) : st;
}

/* The rev is the one by which a deletion undoes it. */
static enum lm_status add_good(struct lines *l, const struct lm_entry *entry,
                               const struct lm_entry_result *result, struct lm_error *err)
{
    struct lm_nstore *store = l->call->api->store;
    const struct lm_type *type = lm_nstore_type_of(store, result->id);
    struct lm_record *rec = NULL;
    struct lm_arena arena;
    char rev[LM_REV_TEXT + 1];
    enum lm_status st;

    lm_arena_init(&arena, ARENA_BYTES);
    st = type ? lm_tables_get(lm_nstore_tables(store), &arena, type, result->id, &rec)
              : LM_ERR_NOT_FOUND;
    if (st == LM_ERR_NOT_FOUND) {
        st = lm_fail(err, LM_ERR_INVALID, "gone", "id",
                     "这一行先前导入过，那条记录已不在本站（转到别的村了，或镇里没有收）。要用就新增"
                     "一条。",
                     "This line was saved before, and its record is not this station's any more: it "
                     "moved to another village, or the town did not take it in. Enter it anew if "
                     "it is wanted.");
    }
    if (st == LM_OK && entry->op == LM_OP_CREATE) {
        st = there(store, rec, err);
    }
    if (st == LM_OK) {
        lm_node_rev(rec, rev);
        st = note(l, entry, result, rev, err);
    }
    if (st == LM_OK) {
        lm_lines_good(&l->all, result->id, rev, result->repeated, &result->issues);
    }
    lm_arena_free(&arena);
    return st;
}

/* Not LM_OK: the request as a whole ends. */
static enum lm_status run_line(struct lines *l, const json_t *row)
{
    struct lm_entry entry = {0};
    struct lm_entry_result result;
    struct lm_error err = {0};
    enum lm_status st;

    memset(&result, 0, sizeof result);
    lm_issues_init(&result.issues);
    st = lm_lines_entry(row, &entry, &err);
    if (st == LM_OK && entry.op == LM_OP_CREATE) {
        derive(lm_catalog_type(l->call->api->node->catalog, entry.type), entry.fields);
    }
    if (st == LM_OK) {
        st = lm_node_save(&l->saver, &entry, &result, &err);
    }
    if (st == LM_OK) {
        st = add_good(l, &entry, &result, &err);
    }
    if (l->saver.broken != LM_OK || l->broken != LM_OK || st == LM_ERR_MEMORY) {
        l->call->err = err;
    } else if (st != LM_OK) {
        lm_lines_bad(&l->all, &result.issues, &err);
        st = LM_OK;
    }
    json_decref(entry.fields);
    return st;
}

enum lm_status lm_api_lines(struct lm_api_call *call)
{
    struct lines l = {.call = call};
    enum lm_status st = lm_lines_read(call, &l.all);
    size_t i;
    json_t *row;

    lm_node_saver_init(&l.saver, call->api->store, call->api->node->dir.path, call->session->user);
    if (st == LM_OK) {
        st = read_import(&l);
    }
    if (st == LM_OK) {
        json_array_foreach(l.all.rows, i, row)
        {
            st = run_line(&l, row);
            if (st != LM_OK) {
                break;
            }
        }
    }
    if (st == LM_OK && l.all.keep) {
        st = lm_node_saver_flush(&l.saver, &call->err);
    }
    lm_node_saver_free(&l.saver); /* rolls back what was not flushed */
    if (st == LM_OK) {
        st = lm_lines_answer(call, &l.all);
    }
    lm_lines_free(&l.all);
    return st;
}
