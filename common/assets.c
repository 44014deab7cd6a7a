/* See assets.h. */
#include "common/assets.h"

void lm_asset_handle(void *arg, const struct lm_http_request *request,
                     struct lm_http_response *response)
{
    const struct lm_asset *asset = arg;

    (void)request;
    response->content_type = asset->content_type;
    response->encoding = "gzip";
    response->immutable = asset->immutable;
    response->fixed = asset->start;
    response->fixed_n = (size_t)(asset->end - asset->start);
}
