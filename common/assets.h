/* Files of a page, gzipped and built into the program (common/web/embed.mjs). */
#ifndef LM_COMMON_ASSETS_H
#define LM_COMMON_ASSETS_H

#include "common/http.h"

struct lm_asset {
    const char *path; /* "/" for index.html, "/assets/index-….js" */
    const char *content_type;
    const char *start, *end; /* gzipped */
    bool immutable;          /* its name bears a hash of its content */
};
/* The route that serves it. Browsers without gzip are none that we serve. */
struct lm_http_route lm_asset_route(const struct lm_asset *asset);

#endif
