/* See assets.h. */
#include "common/assets.h"

static void handle(void *arg, const struct lm_http_request *request,
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

struct lm_http_route lm_asset_route(const struct lm_asset *asset)
{
    union {
        const struct lm_asset *in;
        void *out; /* only read */
    } arg = {.in = asset};

    return (struct lm_http_route){
        .method = "GET", .path = asset->path, .handler = handle, .arg = arg.out};
}
