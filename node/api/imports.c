/* Imports of tables: the last of them, what of one can still be undone, and that it was undone. The
 * rows themselves are deleted as lines (lines.c), each with the rev that the import left. */
#include "node/api/api.h"

#include "node/save.h"

#include <string.h>

#define ARENA_BYTES (16 * 1024 * 1024)

static json_t *at_json(int64_t ms)
{
    char at[LM_TIME_TEXT + 8];

    if (!ms) {
        return json_null();
    }
    lm_time_format(ms, at);
    return json_string(at);
}

static bool add_import(void *arg, const struct lm_import *i)
{
    return json_array_append_new(arg, json_pack("{s:s,s:s,s:s,s:s,s:s,s:o,s:o,s:I}", "id", i->id,
                                                "type", i->type, "file", i->file, "source",
                                                i->source, "user", i->user, "at", at_json(i->at_ms),
                                                "undone_at", at_json(i->undone_ms), "rows",
                                                (json_int_t)i->rows)) == 0;
}

enum lm_status lm_api_imports(struct lm_api_call *call)
{
    json_t *rows = json_array();
    enum lm_status st = lm_nstore_imports(call->api->store, add_import, rows, &call->err);

    call->answer = json_pack("{s:o}", "imports", rows);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

/* ---- one of them ---- */

struct rows {
    struct lm_api_call *call;
    struct lm_arena arena;
    json_t *undoable, *stays;
};

/* Whoever reads the rows reads records meanwhile: a statement of its own. */
static bool take_row(void *arg, const char *record, const char *rev)
{
    struct rows *r = arg;
    struct lm_nstore *store = r->call->api->store;
    const struct lm_type *type = lm_nstore_type_of(store, record);
    struct lm_record *rec = NULL;
    char now[LM_REV_TEXT + 1], label[LM_LABEL_BYTES];

    lm_arena_reset(&r->arena);
    if (!type || lm_tables_get(lm_nstore_tables(store), &r->arena, type, record, &rec) != LM_OK) {
        /* It moved to another village with its file. */
        return json_array_append_new(r->stays, json_pack("{s:s,s:s,s:s}", "id", record, "label", "",
                                                         "why", "gone")) == 0;
    }
    lm_node_rev(rec, now);
    if (!lm_record_deleted(rec) && strcmp(now, rev) == 0) {
        return json_array_append_new(r->undoable,
                                     json_pack("{s:s,s:s}", "id", record, "rev", rev)) == 0;
    }
    lm_node_label(store, r->call->api->english, rec, label);
    return json_array_append_new(r->stays,
                                 json_pack("{s:s,s:s,s:s,s:s}", "id", record, "label", label, "why",
                                           lm_record_deleted(rec) ? "deleted" : "changed", "state",
                                           lm_record_text(rec, LM_C_STATE))) == 0;
}

enum lm_status lm_api_import(struct lm_api_call *call)
{
    struct rows r = {.call = call, .undoable = json_array(), .stays = json_array()};
    enum lm_status st;

    lm_arena_init(&r.arena, ARENA_BYTES);
    st =
        lm_nstore_import_rows(call->api->store, call->request->params[0], take_row, &r, &call->err);
    lm_arena_free(&r.arena);
    call->answer =
        st == LM_OK ? json_pack("{s:O,s:O}", "undoable", r.undoable, "stays", r.stays) : NULL;
    json_decref(r.undoable);
    json_decref(r.stays);
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}

enum lm_status lm_api_import_undone(struct lm_api_call *call)
{
    return lm_nstore_import_undone(call->api->store, call->request->params[0], lm_clock_wall_ms(),
                                   &call->err);
}
