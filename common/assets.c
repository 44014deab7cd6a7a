/* See assets.h. */
#include "common/assets.h"

#include "common/base/util.h"

#include <string.h>

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

/* ---- a document with the first answers in it ---- */

/* JSON has < in texts only, and there it may be written so: nothing ends the block before its end.
 */
static void add_inert(struct lm_buf *out, const void *bytes, size_t n)
{
    const char *json = bytes, *end = json + n;

    while (json < end) {
        const char *sign = memchr(json, '<', (size_t)(end - json));

        lm_buf_add(out, json, (size_t)((sign ? sign : end) - json));
        if (!sign) {
            return;
        }
        lm_buf_text(out, "\\u003c");
        json = sign + 1;
    }
}

/* True: nobody is logged in. */
static bool add_first(const struct lm_http_route *route, const char *name,
                      const struct lm_http_request *request, struct lm_buf *out, bool *any)
{
    struct lm_http_request asked = *request;
    struct lm_http_response answer = {.status = 200};
    bool outside;

    asked.method = "GET";
    asked.path = route->path;
    lm_buf_init(&answer.body, LM_PAGE_FIRST_BYTES_MAX);
    route->handler(route->arg, &asked, &answer);
    outside = answer.status == 401 && strcmp(name, "session") == 0;
    if (answer.body.status == LM_OK && !answer.encoding && !answer.fixed &&
        (outside || (answer.status == 200 && answer.body.len > 0))) {
        lm_buf_printf(out, "%s\"%s\":", *any ? "," : "", name);
        *any = true;
        if (outside) {
            lm_buf_text(out, "null");
        } else {
            add_inert(out, answer.body.data, answer.body.len);
        }
    }
    lm_buf_free(&answer.body);
    return outside;
}

static void handle_page(void *arg, const struct lm_http_request *request,
                        struct lm_http_response *response)
{
    const struct lm_page *page = arg;
    struct lm_buf *out = &response->body;
    bool any = false, outside = false;

    response->content_type = "text/html; charset=utf-8";
    lm_buf_add(out, page->text, (size_t)(page->rest - page->text));
    lm_buf_text(out, "<script type=\"application/json\" id=\"first\">{");
    for (size_t i = 0; i < page->n; i++) {
        if (outside || !page->first[i].outside_only) {
            outside |= add_first(&page->routes[i], page->first[i].name, request, out, &any);
        }
    }
    lm_buf_text(out, "}</script>");
    lm_buf_text(out, page->rest + strlen(LM_PAGE_MARK));
}

struct lm_http_route lm_page_route(struct lm_page *page, const struct lm_asset *document,
                                   const char *base, const struct lm_page_first *first,
                                   const struct lm_http_route *routes, size_t n_routes)
{
    size_t base_n = strlen(base);

    *page = (struct lm_page){.text = document->text};
    LM_CHECK(page->text);
    page->rest = strstr(page->text, LM_PAGE_MARK);
    LM_CHECK(page->rest);
    for (; first->name; first++) {
        size_t i = 0;

        while (i < n_routes && (strcmp(routes[i].method, "GET") != 0 ||
                                strncmp(routes[i].path, base, base_n) != 0 ||
                                strcmp(routes[i].path + base_n, first->name) != 0)) {
            i++;
        }
        LM_CHECK(i < n_routes && page->n < LM_PAGE_FIRST_MAX);
        page->routes[page->n] = routes[i];
        page->first[page->n++] = *first;
    }
    return (struct lm_http_route){
        .method = "GET", .path = document->path, .handler = handle_page, .arg = page};
}
