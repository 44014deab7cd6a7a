/* Several new records of one type in one save: a festival's visits, one record a person.
 *
 * All of them or none (P1): they share one transaction, and the first answer comes after it. The
 * key is made by who asks when the form is opened; the same batch again, after an answer that was
 * lost, is the same save (P3), and another batch under that key is refused. Row n is saved under
 * the key "KEY/n", the batch itself under "batch:KEY" with the hash of all its rows. */
#include "node/api/api.h"

#include "node/save.h"

#include <string.h>

#define KEY_CHARS_MAX 64 /* leaves room for "/n" within LM_KEY_CHARS_MAX */
#define ARENA_BYTES (16 * 1024 * 1024)
#define FAULTS_MAX 50 /* rows that are explained; the rest are counted */

struct batch {
    struct lm_api_call *call;
    const char *type, *key;
    json_t *rows;  /* of the body, borrowed */
    json_t *made;  /* {"id","issues","rev"} in the order of rows */
    json_t *wrong; /* {"row","error","issues"}, at most FAULTS_MAX */
    size_t n_wrong;
};

static bool good_key(const char *key)
{
    size_t n = strlen(key);

    return n >= 8 && n <= KEY_CHARS_MAX &&
           strspn(key, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") == n;
}

static enum lm_status read_body(struct batch *b)
{
    struct lm_api_call *call = b->call;
    enum lm_status st = lm_api_text(call, "key", true, &b->key);
    size_t i;
    json_t *row;

    if (st != LM_OK) {
        return st;
    }
    if (!good_key(b->key)) {
        return lm_fail(&call->err, LM_ERR_INVALID, "bad_text", "key",
                       "“key”应为 8 至 %d 个字母、数字或连字符。",
                       "\"key\" must be 8 to %d letters, digits or hyphens.", KEY_CHARS_MAX);
    }
    b->rows = json_object_get(call->body, "records");
    if (!json_is_array(b->rows) || json_array_size(b->rows) == 0) {
        return lm_fail(&call->err, LM_ERR_INVALID, "required", "records",
                       "“records”应为至少一条的列表。",
                       "\"records\" must be a list of at least one record.");
    }
    if (json_array_size(b->rows) > LM_API_ROWS_MAX) {
        return lm_fail(&call->err, LM_ERR_LIMIT, "limit", "records",
                       "一次最多 %d 条，请分几次保存。", "At most %d records in one save.",
                       LM_API_ROWS_MAX);
    }
    json_array_foreach(b->rows, i, row)
    {
        if (!json_is_object(row)) {
            return lm_fail(&call->err, LM_ERR_INVALID, "bad_type", "records",
                           "“records”的第 %zu 项应为对象。",
                           "Item %zu of \"records\" must be an object.", i + 1);
        }
    }
    return LM_OK;
}

/* What is wrong with the row. The first of them is the answer's error. */
static void note_fault(struct batch *b, size_t i, const struct lm_error *err,
                       const struct lm_entry_result *result)
{
    const struct lm_error *first = lm_issues_first_refusal(&result->issues);

    if (first && !err->code[0]) {
        err = first;
    }
    if (b->n_wrong == 0) {
        b->call->err = *err;
    }
    if (b->n_wrong++ < FAULTS_MAX) {
        (void)json_array_append_new(b->wrong, json_pack("{s:I,s:o,s:o}", "row", (json_int_t)i,
                                                        "error", lm_error_json(err), "issues",
                                                        lm_api_issues_of(b->call->api, result)));
    }
}

/* Every row goes in, so that all that is wrong is said at once. A status that ends the batch ends
 * it; a row's own refusal is noted. */
static enum lm_status save_rows(struct batch *b, struct lm_node_saver *saver)
{
    char key[KEY_CHARS_MAX + 16];
    size_t i;
    json_t *row;

    json_array_foreach(b->rows, i, row)
    {
        struct lm_entry entry = {.op = LM_OP_CREATE, .type = b->type, .key = key, .fields = row};
        struct lm_entry_result result;
        struct lm_error err = {0};
        enum lm_status st;

        memset(&result, 0, sizeof result);
        lm_issues_init(&result.issues);
        (void)snprintf(key, sizeof key, "%s/%zu", b->key, i);
        st = lm_node_save(saver, &entry, &result, &err);
        if (saver->broken != LM_OK || st == LM_ERR_DENIED) {
            b->call->err = err;
            return st;
        }
        if (st != LM_OK) {
            note_fault(b, i, &err, &result);
        } else {
            (void)json_array_append_new(b->made,
                                        json_pack("{s:s,s:o}", "id", result.id, "issues",
                                                  lm_api_issues_of(b->call->api, &result)));
        }
    }
    return b->n_wrong ? LM_ERR_INVALID : LM_OK;
}

/* Inside the rows' transaction: the batch as a whole is new, or the very same. */
static enum lm_status save_key(struct batch *b)
{
    struct lm_nstore *store = b->call->api->store;
    json_t *all = json_pack("{s:O}", "records", b->rows);
    const char *first = json_string_value(json_object_get(json_array_get(b->made, 0), "id"));
    char key[KEY_CHARS_MAX + 16], id[40];
    uint8_t hash[32], known[32];
    enum lm_status st = all && first ? lm_entry_hash(b->type, NULL, all, hash) : LM_ERR_MEMORY;

    json_decref(all);
    if (st != LM_OK) {
        return lm_api_no_memory(b->call);
    }
    (void)snprintf(key, sizeof key, "batch:%s", b->key);
    st = lm_nstore_saved(store, key, id, known, &b->call->err);
    if (st == LM_ERR_NOT_FOUND) {
        return lm_nstore_save_key(store, key, first, hash, &b->call->err);
    }
    if (st == LM_OK && memcmp(known, hash, sizeof known) != 0) {
        return lm_fail(&b->call->err, LM_ERR_EXISTS, "key_reused", "key",
                       "这个 key 已用于内容不同的一批，没有保存。",
                       "This key was used for a batch with other content; nothing was saved.");
    }
    return st;
}

/* What was saved, as it can be undone: each record's rev. */
static enum lm_status add_revs(struct batch *b)
{
    struct lm_nstore *store = b->call->api->store;
    struct lm_arena arena;
    enum lm_status st = LM_OK;
    size_t i;
    json_t *made;

    lm_arena_init(&arena, ARENA_BYTES);
    json_array_foreach(b->made, i, made)
    {
        const char *id = json_string_value(json_object_get(made, "id"));
        const struct lm_type *type = lm_nstore_type_of(store, id);
        struct lm_record *rec = NULL;
        char rev[LM_REV_TEXT + 1];

        lm_arena_reset(&arena);
        st = type ? lm_tables_get(lm_nstore_tables(store), &arena, type, id, &rec)
                  : LM_ERR_NOT_FOUND;
        if (st != LM_OK) {
            break;
        }
        lm_node_rev(rec, rev);
        (void)json_object_set_new(made, "rev", json_string(rev));
    }
    lm_arena_free(&arena);
    return st;
}

enum lm_status lm_api_batch(struct lm_api_call *call)
{
    struct batch b = {.call = call,
                      .type = call->request->params[0],
                      .made = json_array(),
                      .wrong = json_array()};
    struct lm_node_saver saver;
    enum lm_status st = b.made && b.wrong ? read_body(&b) : lm_api_no_memory(call);

    lm_node_saver_init(&saver, call->api->store, call->api->node->dir.path, call->session->user);
    if (st == LM_OK) {
        st = save_rows(&b, &saver);
    }
    if (st == LM_OK) {
        st = save_key(&b);
    }
    if (st == LM_OK) {
        st = lm_node_saver_flush(&saver, &call->err);
    }
    lm_node_saver_free(&saver); /* rolls back what was not flushed */
    if (st == LM_OK) {
        st = add_revs(&b);
    }
    if (st == LM_OK) {
        call->response->status = 201;
        call->answer = json_pack("{s:O}", "records", b.made);
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    } else if (b.n_wrong) {
        call->more = json_pack("{s:O,s:I}", "rows", b.wrong, "wrong", (json_int_t)b.n_wrong);
    }
    json_decref(b.made);
    json_decref(b.wrong);
    return st;
}
