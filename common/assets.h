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
/* A handler for lm_http: arg is a struct lm_asset. Browsers without gzip are none that we serve. */
void lm_asset_handle(void *arg, const struct lm_http_request *request,
                     struct lm_http_response *response);

#endif
