/* The catalogue as JSON for pages. */
#ifndef LM_COMMON_CATALOG_JSON_H
#define LM_COMMON_CATALOG_JSON_H

#include "proto/catalog.h"

#include <jansson.h>

/* {"number","types":[…],"lists":{…}}: what the pages' openapi.json calls Catalog. by: LM_BY_VILLAGE
 * or LM_BY_TOWN, whose fields "entered" and types "kept" are told. New reference, NULL: no memory.
 */
/* Without the types that no page is about (lm_type_shown). */
json_t *lm_catalog_json(const struct lm_catalog *catalog, enum lm_author by);

#endif
