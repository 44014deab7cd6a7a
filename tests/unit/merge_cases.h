/* What the scenarios of unit/test_merge.c and unit/test_merge_state.c start from. */
#ifndef LM_TESTS_MERGE_CASES_H
#define LM_TESTS_MERGE_CASES_H

#include "merge_world.h"

static struct lm_catalog *catalog;
static struct world w;

static inline int load(void **state)
{
    struct lm_error err;

    (void)state;
    if (lm_catalog_load_embedded(&catalog, &err) != LM_OK) {
        print_error("%s: %s\n", err.code, err.en);
        return -1;
    }
    return 0;
}

static inline int unload(void **state)
{
    (void)state;
    lm_catalog_destroy(&catalog);
    return 0;
}

static inline int fresh(void **state)
{
    (void)state;
    world_init(&w, catalog);
    return 0;
}

static inline int done(void **state)
{
    (void)state;
    world_free(&w);
    return 0;
}

/* ---- what the scenarios start from ---- */

static char P[40], M[40]; /* a person and a family member of village A */

static inline struct lm_record *person(void)
{
    struct lm_merge_out out;

    (void)snprintf(P, sizeof(P), "%s", id_of(1));
    out =
        SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "person", .id = P, .fields = PERSON_FIELDS);
    assert_verdict(out, LM_V_APPLIED, "");
    assert_true(out.as_sent);
    return out.record;
}

static inline void member(void)
{
    char fields[200];
    struct lm_merge_out out;

    person();
    (void)snprintf(M, sizeof(M), "%s", id_of(2));
    (void)snprintf(fields, sizeof(fields),
                   "{\"name\":\"家属甲\",\"kin\":\"1\",\"person_id\":\"%s\"}", P);
    out =
        SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "family_member", .id = M, .fields = fields);
    assert_verdict(out, LM_V_APPLIED, "");
    assert_true(out.as_sent);
}

static inline void active_person(void)
{
    char fields[120];
    struct lm_merge_out out;

    person();
    (void)snprintf(fields, sizeof(fields), "{\"person_id\":\"%s\",\"code\":\"04\"}", P);
    out = SEND(&w, .by = &A, .op = LM_OP_CREATE, .type = "person_identity", .id = id_of(3),
               .fields = fields);
    assert_verdict(out, LM_V_APPLIED, "");
    out = SEND(&w, .by = &TOWN, .op = LM_OP_EDIT, .id = P, .fields = "{\"state\":\"active\"}");
    assert_verdict(out, LM_V_APPLIED, "");
}

static inline const struct lm_stamp *stamp(const struct lm_record *rec, const char *group)
{
    return &rec->stamps[lm_type_group(rec->type, group, strlen(group))];
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fresh, done)

#endif
