/* openapi.json against the table of routes, both ways: what is served is described, and what is
 * described is served. */
#include "node/api/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

extern const char lm_node_openapi[], lm_node_openapi_end[];

static int load(void **state)
{
    *state = json_loadb(lm_node_openapi, (size_t)(lm_node_openapi_end - lm_node_openapi),
                        JSON_REJECT_DUPLICATES, NULL);
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
    for (size_t i = 0; i < lm_api_n_routes; i++) {
        const struct lm_api_route *r = &lm_api_routes[i];
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

            for (size_t i = 0; i < lm_api_n_routes; i++) {
                served = served || (strcmp(lm_api_routes[i].path, path) == 0 &&
                                    strcasecmp(lm_api_routes[i].method, method) == 0);
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
    for (size_t i = 0; i < lm_api_n_routes; i++) {
        const struct lm_api_route *r = &lm_api_routes[i];
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_route_is_described, load, unload),
        cmocka_unit_test_setup_teardown(test_every_description_is_served, load, unload),
        cmocka_unit_test_setup_teardown(test_path_parameters, load, unload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
