/* The catalogue as pages get it: some 200 KB of JSON that change about once a year, and that every
 * page asks for as it opens. It is made, packed and hashed once a catalogue, and a browser that has
 * it is told so (304) by its ETag. */
#ifndef LM_COMMON_CATALOG_ANSWER_H
#define LM_COMMON_CATALOG_ANSWER_H

#include "common/api.h"
#include "proto/catalog.h"

#include <stdbool.h>

/* What is kept between two requests; begins zeroed. One thread's. */
struct lm_catalog_answer {
    bool made;
    uint8_t of[LM_HASH_BYTES];   /* the catalogue's hash */
    struct lm_buf plain, packed; /* the JSON, and the same in gzip */
    char etag[LM_HTTP_ETAG_BYTES];
};
/* Answers call->request with the catalogue's JSON, made by `make` (new reference, NULL: no memory)
 * when `catalog` is not the one of last time. */
enum lm_status lm_catalog_answer(struct lm_api_call *call, struct lm_catalog_answer *kept,
                                 const struct lm_catalog *catalog,
                                 json_t *(*make)(const struct lm_catalog *catalog)) LM_MUST_USE;
void lm_catalog_answer_free(struct lm_catalog_answer *kept);

#endif
