/* A node's data directory in a temporary place, without a hub: what the tests of saving and of the
 * link share. */
#ifndef LM_TESTS_NODE_WORLD_H
#define LM_TESTS_NODE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/util.h"
#include "node/save.h"
#include "node/store.h"
#include "proto/feed.h"

#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NW_REPLICA 0x1234567890abcdefULL
#define NW_STATION "999999101201"
#define NW_PERSON                                                                                     \
    "{'name':'张测试','id_status':'missing','id_status_reason':'未办理','sex':'1','birth_on':'" \
    "1953-08-01',"                                                                                    \
    "'household_village':'999999101201','is_resident':true,'household_no':'1','difficulty':'none'"    \
    ","                                                                                               \
    "'notice_at':'2026-01-01'}"

struct nw {
    struct lm_catalog *catalog;
    struct lm_datadir dir;
    struct lm_nstore *store;
    struct lm_node_saver saver;
    struct lm_entry_result result; /* of the last save */
    struct lm_error err;           /* likewise */
    struct lm_arena arena;
};

static void nw_open_store(struct nw *w)
{
    struct lm_error err = {0};

    if (lm_nstore_open(&w->dir, w->catalog, true, &w->store, &err) != LM_OK) {
        fail_msg("store: %s", err.en);
    }
    lm_node_saver_init(&w->saver, w->store, w->dir.path, "王秘书");
}

static void nw_close_store(struct nw *w)
{
    lm_node_saver_free(&w->saver);
    lm_nstore_close(&w->store);
}

static int nw_setup(void **state)
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

static int nw_teardown(void **state)
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

/* JSON with ' for ". */
static json_t *nw_json(const char *text)
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

/* One save without flush. type NULL: an edit of id. */
static enum lm_status nw_save_entry(struct nw *w, enum lm_op op, const char *type, const char *id,
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

static void nw_flush(struct nw *w)
{
    struct lm_error err = {0};

    if (lm_node_saver_flush(&w->saver, &err) != LM_OK) {
        fail_msg("flush: %s", err.en);
    }
}

/* Saves and flushes; fails the test when the save is refused. id_out (nullable): 40 bytes. */
static void nw_save(struct nw *w, enum lm_op op, const char *type, const char *id,
                    const char *fields, char *id_out)
{
    if (nw_save_entry(w, op, type, id, NULL, fields) != LM_OK) {
        fail_msg("save: %s %s: %s", w->err.code, w->err.field, w->err.en);
    }
    nw_flush(w);
    if (id_out) {
        memcpy(id_out, w->result.id, 40);
    }
}

static void nw_create(struct nw *w, const char *type, const char *fields, char id_out[40])
{
    nw_save(w, LM_OP_CREATE, type, NULL, fields, id_out);
}

static struct lm_me nw_me(struct nw *w)
{
    struct lm_me me;
    struct lm_error err = {0};

    assert_int_equal(lm_nstore_me(w->store, &me, &err), LM_OK);
    return me;
}

static struct lm_record *nw_get(struct nw *w, const char *type, const char *id)
{
    struct lm_record *rec = NULL;
    const struct lm_type *t = lm_catalog_type(w->catalog, type);
    enum lm_status st;

    assert_non_null(t);
    st = lm_tables_get(lm_nstore_tables(w->store), &w->arena, t, id, &rec);
    assert_true(st == LM_OK || st == LM_ERR_NOT_FOUND);
    return rec;
}

static const char *nw_text(const struct lm_record *rec, const char *field)
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

/* Reads the branch as PUSH does and hashes it anew: it must end at me's head without a gap. */
static void nw_check_chain(struct nw *w)
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

        assert_int_equal(
            lm_nstore_read_batch(w->store, walk.n + 1, 64, LM_BATCH_BYTES_MAX, &batch, &packed, &out, &err), LM_OK);
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

#endif
