/* See node_world.h. */
#include "tests/unit/node_world.h"

#include <ftw.h>

void nw_open_store(struct nw *w)
{
    struct lm_error err = {0};

    if (lm_nstore_open(&w->dir, w->catalog, true, &w->store, &err) != LM_OK) {
        fail_msg("store: %s", err.en);
    }
    lm_node_saver_init(&w->saver, w->store, w->dir.path, "王秘书");
}

void nw_close_store(struct nw *w)
{
    lm_node_saver_free(&w->saver);
    lm_nstore_close(&w->store);
}

int nw_setup(void **state)
{
    struct nw *w = calloc(1, sizeof *w);
    char path[] = "/tmp/lm-node-XXXXXX";
    struct lm_error err = {0};

    assert_non_null(w);
    assert_non_null(mkdtemp(path));
    assert_int_equal(lm_catalog_load_embedded(&w->catalog, &err), LM_OK);
    assert_int_equal(lm_datadir_open(path, true, &w->dir, &err), LM_OK);
    lm_arena_init(&w->arena, 64 * 1024 * 1024);
    nw_open_store(w);
    assert_int_equal(lm_nstore_begin(w->store, &err), LM_OK);
    assert_int_equal(
        lm_nstore_me_make(w->store, NW_REPLICA, NW_STATION, "village", "一村服务站", &err), LM_OK);
    assert_int_equal(lm_nstore_commit(w->store, &err), LM_OK);
    *state = w;
    return 0;
}

static int nw_remove(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info;
    (void)kind;
    (void)ftw;
    return remove(path);
}

int nw_teardown(void **state)
{
    struct nw *w = *state;

    nw_close_store(w);
    (void)nftw(w->dir.path, nw_remove, 8, FTW_DEPTH | FTW_PHYS);
    lm_arena_free(&w->arena);
    lm_datadir_close(&w->dir);
    lm_catalog_destroy(&w->catalog);
    free(w);
    return 0;
}

json_t *nw_json(const char *text)
{
    char *copy = strdup(text);
    json_error_t why;
    json_t *json;

    assert_non_null(copy);
    for (char *p = copy; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    json = json_loads(copy, 0, &why);
    if (!json) {
        fail_msg("%s: %s", why.text, copy);
    }
    free(copy);
    return json;
}

enum lm_status nw_save_entry(struct nw *w, enum lm_op op, const char *type, const char *id,
                             const char *key, const char *fields)
{
    json_t *json = nw_json(fields);
    const struct lm_entry entry = {.op = op, .type = type, .id = id, .key = key, .fields = json};
    enum lm_status st;

    memset(&w->result, 0, sizeof w->result);
    memset(&w->err, 0, sizeof w->err);
    lm_issues_init(&w->result.issues);
    st = lm_node_save(&w->saver, &entry, &w->result, &w->err);
    if (st != LM_OK && !w->err.code[0] && lm_issues_first_refusal(&w->result.issues)) {
        w->err = *lm_issues_first_refusal(&w->result.issues);
    }
    json_decref(json);
    return st;
}

void nw_flush(struct nw *w)
{
    struct lm_error err = {0};

    if (lm_node_saver_flush(&w->saver, &err) != LM_OK) {
        fail_msg("flush: %s", err.en);
    }
}

void nw_save(struct nw *w, enum lm_op op, const char *type, const char *id, const char *fields,
             char *id_out)
{
    if (nw_save_entry(w, op, type, id, NULL, fields) != LM_OK) {
        fail_msg("save: %s %s: %s", w->err.code, w->err.field, w->err.en);
    }
    nw_flush(w);
    if (id_out) {
        memcpy(id_out, w->result.id, 40);
    }
}

void nw_create(struct nw *w, const char *type, const char *fields, char id_out[40])
{
    nw_save(w, LM_OP_CREATE, type, NULL, fields, id_out);
}

struct lm_me nw_me(struct nw *w)
{
    struct lm_me me;
    struct lm_error err = {0};

    assert_int_equal(lm_nstore_me(w->store, &me, &err), LM_OK);
    return me;
}

struct lm_record *nw_get(struct nw *w, const char *type, const char *id)
{
    struct lm_record *rec = NULL;
    const struct lm_type *t = lm_catalog_type(w->catalog, type);
    enum lm_status st;

    assert_non_null(t);
    st = lm_tables_get(lm_nstore_tables(w->store), &w->arena, t, id, &rec);
    assert_true(st == LM_OK || st == LM_ERR_NOT_FOUND);
    return rec;
}

const char *nw_text(const struct lm_record *rec, const char *field)
{
    const struct lm_value *v = lm_record_get(rec, field);

    assert_non_null(v);
    return v->kind == LM_TEXT ? v->text : "";
}

struct nw_walk {
    uint8_t hash[LM_HASH_BYTES];
    uint64_t n;
};

static enum lm_status nw_walk_one(void *arg, uint32_t i, const uint8_t *body, size_t n)
{
    struct nw_walk *walk = arg;

    (void)i;
    lm_chain_next(walk->hash, body, n, walk->hash);
    walk->n++;
    return LM_OK;
}

void nw_check_chain(struct nw *w)
{
    struct lm_me me = nw_me(w);
    struct nw_walk walk = {.n = 0};
    struct lm_batch batch;
    struct lm_buf packed;
    struct lm_error err = {0};

    lm_batch_init(&batch);
    lm_buf_init(&packed, LM_FRAME_BYTES_MAX);
    lm_chain_start(me.replica, me.branch, walk.hash);
    while (walk.n < me.head.seq) {
        struct lm_node_batch out;

        assert_int_equal(lm_nstore_read_batch(w->store, walk.n + 1, 64, LM_BATCH_BYTES_MAX, &batch,
                                              &packed, &out, &err),
                         LM_OK);
        assert_true(out.count > 0);
        assert_int_equal(out.first_seq, walk.n + 1);
        assert_memory_equal(out.before, walk.hash, LM_HASH_BYTES);
        assert_int_equal(lm_batch_unpack(out.packed, out.packed_len, out.raw_bytes, out.count,
                                         &w->arena, nw_walk_one, &walk, &err),
                         LM_OK);
        assert_int_equal(out.last.seq, walk.n);
        assert_memory_equal(out.last.hash, walk.hash, LM_HASH_BYTES);
    }
    assert_memory_equal(me.head.hash, walk.hash, LM_HASH_BYTES);
    lm_batch_free(&batch);
    lm_buf_free(&packed);
}
