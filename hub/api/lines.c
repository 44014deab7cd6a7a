/* Opening balances (期初) from a table: POST lines, as common/lines.h has it. All lines of a
 * request are one job of the writer; a refused line leaves nothing and says why. What is entered
 * waits for another person (acts.h), like what the form enters. A deletion undoes an import: by
 * rev, so that what somebody verified or changed since stays. */
#include "common/lines.h"

#include "hub/acts.h"
#include "hub/api/api.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ARENA_BYTES (8 * 1024 * 1024)
#define IMPORTED "opening_balance" /* the one type that the town imports */

struct lines {
    struct lm_lines all;
    const char *user;
    struct lm_arena arena;
    size_t good;
    json_t *gone; /* [[id, reason]] of what was deleted, for the audit log */
};

static enum lm_status check_type(struct lm_store *store, const struct lm_entry *entry,
                                 struct lm_error *err)
{
    const char *type = entry->op == LM_OP_CREATE ? entry->type : lm_store_type_of(store, entry->id);

    return type && strcmp(type, IMPORTED) == 0
               ? LM_OK
               : lm_fail(err, LM_ERR_INVALID, "not_imported", "type",
                         "镇里从表格导入的只有期初数，不含 %.40s。",
                         "Only opening balances are imported from a table here, not %.40s.",
                         type ? type : entry->id);
}

static enum lm_status read(struct lines *l, struct lm_store *store, const char *id,
                           char rev[LM_REV_TEXT + 1], struct lm_record **out, struct lm_error *err)
{
    enum lm_status st;

    lm_arena_reset(&l->arena);
    st = lm_store_get(store, &l->arena, IMPORTED, id, out);
    if (st == LM_OK) {
        lm_town_rev(*out, rev);
    }
    return st == LM_ERR_NOT_FOUND
               ? lm_fail(err, st, "not_found", "id", "没有这条记录。", "There is no such record.")
               : st;
}

static enum lm_status save(struct lines *l, struct lm_store *store, const struct lm_entry *entry,
                           struct lm_act_result *done, struct lm_error *err)
{
    const struct lm_act act = {.user = l->user,
                               .type = entry->type,
                               .id = entry->id,
                               .fields = entry->fields,
                               .op = entry->op};
    struct lm_record *rec = NULL;
    char rev[LM_REV_TEXT + 1];
    enum lm_status st = check_type(store, entry, err);

    if (st == LM_OK && entry->op == LM_OP_DELETE) {
        st = read(l, store, entry->id, rev, &rec, err);
        if (st == LM_OK && !entry->rev) {
            st = lm_fail(err, LM_ERR_INVALID, "required", "rev", "缺少“rev”。",
                         "\"rev\" is missing.");
        }
        if (st == LM_OK && strcmp(entry->rev, rev) != 0 && !lm_record_deleted(rec)) {
            st = lm_fail(err, LM_ERR_EXISTS, "changed_meanwhile", "rev",
                         "这条记录后来改过或核定了，没有删除。",
                         "The record was changed or verified since; it is not deleted.");
        }
    }
    if (st == LM_OK) {
        st = lm_town_act(store, &act, NULL, done, err);
    }
    if (st == LM_OK) {
        st = read(l, store, done->id, rev, &rec, err);
    }
    if (st == LM_OK && entry->op == LM_OP_CREATE) {
        st = lm_lines_there(rec, err);
    }
    if (st == LM_OK) {
        lm_lines_good(&l->all, done->id, rev, done->repeated, &done->issues);
        l->good += entry->op == LM_OP_CREATE;
        if (entry->op == LM_OP_DELETE &&
            json_array_append_new(
                l->gone, json_pack("[s,O]", done->id,
                                   json_object_get(entry->fields, "delete_reason"))) != 0) {
            st = LM_ERR_MEMORY;
        }
    }
    return st;
}

static bool of_line(enum lm_status st)
{
    return st == LM_ERR_INVALID || st == LM_ERR_DENIED || st == LM_ERR_EXISTS ||
           st == LM_ERR_NOT_FOUND || st == LM_ERR_LIMIT;
}

/* On the writer's thread. What is only judged is undone with the job's transaction. */
static enum lm_status job(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    struct lines *l = arg;
    enum lm_status st = LM_OK;
    size_t i;
    json_t *row;

    json_array_foreach(l->all.rows, i, row)
    {
        struct lm_entry entry = {0};
        struct lm_act_result done;
        struct lm_error why = {0};

        memset(&done, 0, sizeof done);
        lm_issues_init(&done.issues);
        st = lm_lines_entry(row, &entry, &why);
        if (st == LM_OK) {
            st = save(l, hub->store, &entry, &done, &why);
        }
        json_decref(entry.fields);
        if (of_line(st)) {
            lm_lines_bad(&l->all, &done.issues, &why);
        } else if (st != LM_OK) {
            *err = why;
            return st;
        }
    }
    return l->all.keep ? LM_OK
                       : lm_fail(err, LM_ERR_DENIED, "judged", "", "只检查。", "Judged only.");
}

/* An import is one entry of the audit log, each deletion one of its own. */
static enum lm_status note(struct lm_api_call *call, const struct lines *l)
{
    size_t i, asked = json_array_size(l->all.rows);
    json_t *row;
    char detail[80];
    enum lm_status st = LM_OK;

    json_array_foreach(l->all.rows, i, row)
    {
        asked -= json_is_true(json_object_get(row, "delete"));
    }
    if (asked > 0) {
        (void)snprintf(detail, sizeof detail, "%zu/%zu", l->good, asked);
        st = lm_town_log(call, "import", IMPORTED, "", detail);
    }
    json_array_foreach(l->gone, i, row)
    {
        if (st == LM_OK) {
            st = lm_town_log(call, "delete", json_string_value(json_array_get(row, 0)),
                             json_string_value(json_array_get(row, 1)), IMPORTED);
        }
    }
    return st;
}

/* POST lines {"keep":bool,"lines":[…]}, at most LM_LINES_MAX */
enum lm_status lm_town_lines(struct lm_api_call *call)
{
    struct lines l = {.user = call->session->user, .gone = json_array()};
    enum lm_status st = l.gone ? lm_lines_read(call, &l.all) : lm_api_no_memory(call);

    lm_arena_init(&l.arena, ARENA_BYTES);
    if (st == LM_OK) {
        st = lm_server_do(call->api->server, job, &l, &call->err);
        if (st == LM_ERR_DENIED && !l.all.keep && strcmp(call->err.code, "judged") == 0) {
            call->err = (struct lm_error){0};
            st = LM_OK;
        }
    }
    if (st == LM_OK && l.all.keep) {
        st = note(call, &l);
    }
    if (st == LM_OK) {
        st = lm_lines_answer(call, &l.all);
    }
    lm_arena_free(&l.arena);
    lm_lines_free(&l.all);
    json_decref(l.gone);
    return st;
}
