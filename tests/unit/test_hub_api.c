/* The hub's openapi.json against its routes. */
#include "hub/api/api.h"
#include "openapi.h"

extern const char lm_hub_openapi[], lm_hub_openapi_end[];

int main(void)
{
    routes = lm_town_routes;
    n_routes = lm_town_n_routes;
    document = lm_hub_openapi;
    document_end = lm_hub_openapi_end;
    return openapi_tests();
}
