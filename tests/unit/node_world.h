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

/* Opens the store as `serve` does; closes it without a flush. */
void nw_open_store(struct nw *w);
void nw_close_store(struct nw *w);

/* For cmocka: *state is a struct nw. */
int nw_setup(void **state);
int nw_teardown(void **state);

/* JSON with ' for ". */
json_t *nw_json(const char *text);

/* One save without flush. type NULL: an edit of id. */
enum lm_status nw_save_entry(struct nw *w, enum lm_op op, const char *type, const char *id,
                             const char *key, const char *fields);
void nw_flush(struct nw *w);

/* Saves and flushes; fails the test when the save is refused. id_out (nullable): 40 bytes. */
void nw_save(struct nw *w, enum lm_op op, const char *type, const char *id, const char *fields,
             char *id_out);
void nw_create(struct nw *w, const char *type, const char *fields, char id_out[40]);
struct lm_me nw_me(struct nw *w);

/* NULL: no such record. It lies in w->arena. */
struct lm_record *nw_get(struct nw *w, const char *type, const char *id);

/* "" where the field is empty. */
const char *nw_text(const struct lm_record *rec, const char *field);

/* Reads the branch as PUSH does and hashes it anew: it must end at me's head without a gap. */
void nw_check_chain(struct nw *w);

#endif
