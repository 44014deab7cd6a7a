/* A handful of records in memory with the look-ups that filters and validation need. For tests
 * only. */
#ifndef LM_TESTS_RECORDS_H
#define LM_TESTS_RECORDS_H

#include "proto/catalog.h"
#include "proto/expr.h"
#include "proto/record.h"

#define FX_RECORDS_MAX 1024
/* UUIDv7 of a small number, as text for JSON. */
#define FX_ID(two_digits) "018f0000-0000-7000-8000-0000000000" two_digits

struct fx {
    struct lm_catalog *catalog;
    struct lm_arena arena;
    struct lm_record *records[FX_RECORDS_MAX];
    size_t n;
    struct lm_lookup lookup;
    enum lm_status fail; /* what every look-up returns, LM_OK = works */
};

/* Loads the embedded catalogue; fails the test when it cannot. */
void fx_open(struct fx *fx);
void fx_close(struct fx *fx);
const struct lm_type *fx_type(const struct fx *fx, const char *type);
/* A record from JSON of canonical values (' stands for "), kept for look-ups. village_code and
 * state default to 999999100201 and the type's default. */
struct lm_record *fx_add(struct fx *fx, const char *type, const char *id, const char *json);
/* The same, not kept. */
struct lm_record *fx_make(struct fx *fx, const char *type, const char *id, const char *json);

#endif
