/* openapi.json against a table of routes, both ways: what is served is described, and what is
 * described is served. Only for unit/test_node_api.c and unit/test_hub_api.c. */
#ifndef LM_TESTS_OPENAPI_H
#define LM_TESTS_OPENAPI_H

#include "common/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

/* The program's, set before the tests run. */
static const struct lm_api_route *routes;
static size_t n_routes;
static const char *document, *document_end;

static int load(void **state)
{
    *state = json_loadb(document, (size_t)(document_end - document), JSON_REJECT_DUPLICATES, NULL);
    return *state ? 0 : 1;
}

static int unload(void **state)
{
    json_decref(*state);
    return 0;
}

static const json_t *operation(const json_t *doc, const char *path, const char *method)
{
    const json_t *methods = json_object_get(json_object_get(doc, "paths"), path);
    const char *name;
    json_t *op;

    json_object_foreach((json_t *)(uintptr_t)methods, name, op)
    {
        if (strcasecmp(name, method) == 0) {
            return op;
        }
    }
    return NULL;
}

static void test_every_route_is_described(void **state)
{
    for (size_t i = 0; i < n_routes; i++) {
        const struct lm_api_route *r = &routes[i];
        const json_t *op = operation(*state, r->path, r->method);
        const json_t *security = json_object_get(op, "security");

        if (!op) {
            fail_msg("%s %s is not in openapi.json", r->method, r->path);
        }
        /* "security": [] says that no login is needed; nothing else may say so. */
        assert_int_equal(security && json_array_size(security) == 0, r->who == LM_API_ANYONE);
    }
}

static void test_every_description_is_served(void **state)
{
    const char *path, *method;
    json_t *methods, *op;

    json_object_foreach(json_object_get(*state, "paths"), path, methods)
    {
        json_object_foreach(methods, method, op)
        {
            bool served = false;

            for (size_t i = 0; i < n_routes; i++) {
                served = served || (strcmp(routes[i].path, path) == 0 &&
                                    strcasecmp(routes[i].method, method) == 0);
            }
            if (!served) {
                fail_msg("%s %s is not served", method, path);
            }
            assert_true(json_object_size(json_object_get(op, "responses")) > 0);
        }
    }
}

/* Each {name} of a path is a parameter of its operations. */
static void test_path_parameters(void **state)
{
    for (size_t i = 0; i < n_routes; i++) {
        const struct lm_api_route *r = &routes[i];
        const json_t *parameters =
            json_object_get(operation(*state, r->path, r->method), "parameters");

        for (const char *at = strchr(r->path, '{'); at; at = strchr(at + 1, '{')) {
            size_t n = strcspn(at + 1, "}"), k;
            json_t *p;
            bool found = false;

            json_array_foreach((json_t *)(uintptr_t)parameters, k, p)
            {
                const char *name = json_string_value(json_object_get(p, "name"));

                found = found || (strlen(name) == n && strncmp(name, at + 1, n) == 0);
            }
            assert_true(found);
        }
    }
}

static int openapi_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_route_is_described, load, unload),
        cmocka_unit_test_setup_teardown(test_every_description_is_served, load, unload),
        cmocka_unit_test_setup_teardown(test_path_parameters, load, unload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
