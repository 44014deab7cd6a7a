/* Files of a page, gzipped and built into the program (common/web/embed.mjs). */
#ifndef LM_COMMON_ASSETS_H
#define LM_COMMON_ASSETS_H

#include "common/http.h"

#define LM_PAGE_FIRST_MAX 4
#define LM_PAGE_FIRST_BYTES_MAX 16384 /* of one answer; a longer one is left out */

struct lm_asset {
    const char *path; /* "/" for index.html, "/assets/index-….js" */
    const char *content_type;
    const char *start, *end; /* gzipped */
    bool immutable;          /* its name bears a hash of its content */
    const char *text;        /* of a document: as it was before it was gzipped; or NULL */
};
/* The route that serves it. Browsers without gzip are none that we serve. */
struct lm_http_route lm_asset_route(const struct lm_asset *asset);

/* A page's document with the answers to what its script asks first, so that nothing of it waits
 * for a second request: a block of JSON, which is no script, where the document says LM_PAGE_MARK.
 * Each answer is what the route gives to this very request, with its cookie, its lock and its
 * rights; a route that does not answer 200 is left out, session is null when it says 401. Like
 * every answer it may not be kept (no-store) and no other origin can read it. */
#define LM_PAGE_MARK "<!--first-->"
struct lm_page_first {
    const char *name;  /* what is behind the API's base in the path of its route */
    bool outside_only; /* asked when "session", which comes first, says that nobody is logged in */
};
struct lm_page {
    const char *text, *rest; /* the document before the mark, and from it */
    struct lm_page_first first[LM_PAGE_FIRST_MAX];
    struct lm_http_route routes[LM_PAGE_FIRST_MAX];
    size_t n;
};
/* The document's route, instead of lm_asset_route; page lives as long as it. Each of first (the
 * last has no name) is among routes, below base. */
struct lm_http_route lm_page_route(struct lm_page *page, const struct lm_asset *document,
                                   const char *base, const struct lm_page_first *first,
                                   const struct lm_http_route *routes, size_t n_routes);

#endif
