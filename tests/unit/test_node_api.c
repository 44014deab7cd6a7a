/* The node's openapi.json against its routes. */
#include "node/api/api.h"
#include "openapi.h"

extern const char lm_node_openapi[], lm_node_openapi_end[];

int main(void)
{
    routes = lm_api_routes;
    n_routes = lm_api_n_routes;
    document = lm_node_openapi;
    document_end = lm_node_openapi_end;
    return openapi_tests();
}
