/* See http_world.h. What must hold of every answer: there is exactly one; it is valid UTF-8 and,
 * where it says so, JSON; an error says what is wrong; the server's own failure (5xx) only where
 * openapi.json has it; the headers that keep other sites out are there, and none of them is broken
 * up by what was asked; without a session nothing is told but what anybody may know; GET writes
 * nothing. */
#include "tests/fuzz/http_world.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PAIRS_MAX = 40, HEADERS_MAX = 24, ROUTES_MAX = 96, REQUESTS_MAX = 24 };

struct pair {
    const char *name, *value;
};
struct MHD_Response {
    void *data;
    size_t n;
    bool owned, freed;
    MHD_ContentReaderFreeCallback free_stream;
    void *stream;
    struct pair headers[HEADERS_MAX];
    size_t n_headers;
};
struct MHD_Connection {
    struct pair headers[PAIRS_MAX], arguments[PAIRS_MAX];
    size_t n_headers, n_arguments;
    unsigned status; /* 0 = not answered */
    struct MHD_Response response;
    struct MHD_Response *answer;
};

/* ---- in place of libmicrohttpd ---- */

static struct MHD_Response *made; /* by the request at hand; one is enough */

static struct MHD_Response *make(void *data, size_t n, bool owned)
{
    LM_CHECK(!made);
    made = calloc(1, sizeof *made);
    LM_CHECK(made);
    made->data = data;
    made->n = n;
    made->owned = owned;
    return made;
}

struct MHD_Response *MHD_create_response_from_buffer(size_t size, void *buffer,
                                                     enum MHD_ResponseMemoryMode mode)
{
    return make(buffer, size, mode == MHD_RESPMEM_MUST_FREE);
}

struct MHD_Response *MHD_create_response_from_callback(uint64_t size, size_t block_size,
                                                       MHD_ContentReaderCallback crc, void *crc_cls,
                                                       MHD_ContentReaderFreeCallback crfc)
{
    struct MHD_Response *r = make(NULL, 0, false);

    (void)size;
    (void)block_size;
    (void)crc;
    r->free_stream = crfc;
    r->stream = crc_cls;
    return r;
}

enum MHD_Result MHD_add_response_header(struct MHD_Response *response, const char *header,
                                        const char *content)
{
    LM_CHECK(response->n_headers < HEADERS_MAX && header[0] && content[0]);
    LM_CHECK(!strpbrk(header, "\r\n\t ") && !strpbrk(content, "\r\n"));
    response->headers[response->n_headers++] = (struct pair){strdup(header), strdup(content)};
    return MHD_YES;
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *connection, unsigned int status_code,
                                   struct MHD_Response *response)
{
    LM_CHECK(connection->status == 0 && response == made);
    connection->status = status_code;
    connection->answer = response;
    return MHD_YES;
}

void MHD_destroy_response(struct MHD_Response *response)
{
    LM_CHECK(response == made && !response->freed);
    response->freed = true; /* the connection has it until it is sent */
}

static const char *look_up(const struct pair *pairs, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++) {
        if (strcasecmp(pairs[i].name, key) == 0) {
            return pairs[i].value;
        }
    }
    return NULL;
}

const char *MHD_lookup_connection_value(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                                        const char *key)
{
    return kind == MHD_HEADER_KIND ? look_up(connection->headers, connection->n_headers, key)
                                   : look_up(connection->arguments, connection->n_arguments, key);
}

int MHD_get_connection_values(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                              MHD_KeyValueIterator iterator, void *iterator_cls)
{
    LM_CHECK(kind == MHD_GET_ARGUMENT_KIND);
    for (size_t i = 0; i < connection->n_arguments; i++) {
        if (iterator(iterator_cls, kind, connection->arguments[i].name,
                     connection->arguments[i].value) == MHD_NO) {
            break;
        }
    }
    return (int)connection->n_arguments;
}

/* ---- passwords take no time here ---- */

int crypto_pwhash_str(char out[crypto_pwhash_STRBYTES], const char *const passwd,
                      unsigned long long passwdlen, unsigned long long opslimit, size_t memlimit)
{
    uint8_t hash[16];

    (void)opslimit;
    (void)memlimit;
    (void)crypto_generichash(hash, sizeof hash, (const uint8_t *)passwd, passwdlen, NULL, 0);
    (void)sodium_bin2hex(out, crypto_pwhash_STRBYTES, hash, sizeof hash);
    return 0;
}

int crypto_pwhash_str_verify(const char str[crypto_pwhash_STRBYTES], const char *const passwd,
                             unsigned long long passwdlen)
{
    char other[crypto_pwhash_STRBYTES];

    return crypto_pwhash_str(other, passwd, passwdlen, 0, 0) == 0 && strcmp(str, other) == 0 ? 0
                                                                                             : -1;
}

/* ---- one request's bytes ---- */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* As libmicrohttpd decodes: %XX where it is one, else as it stands. */
static void unescape(char *text, bool plus)
{
    char *to = text;

    for (const char *p = text; *p; p++) {
        if (*p == '%' && hex(p[1]) >= 0 && hex(p[2]) >= 0) {
            *to++ = (char)(hex(p[1]) * 16 + hex(p[2]));
            p += 2;
        } else {
            *to++ = plus && *p == '+' ? ' ' : *p;
        }
    }
    *to = '\0';
}

static void arguments(struct MHD_Connection *c, char *query)
{
    for (char *part = query, *next; part && *part && c->n_arguments < PAIRS_MAX; part = next) {
        char *value;

        next = strchr(part, '&');
        if (next) {
            *next++ = '\0';
        }
        value = strchr(part, '=');
        if (value) {
            *value++ = '\0';
            unescape(value, true);
        }
        unescape(part, true);
        c->arguments[c->n_arguments++] = (struct pair){part, value};
    }
}

static char *line_of(char **at)
{
    char *line = *at, *end = strchr(line, '\n');

    if (end) {
        *end = '\0';
        *at = end + 1;
    } else {
        *at += strlen(line);
    }
    return line;
}

static void add_header(struct MHD_Connection *c, const char *name, const char *value)
{
    if (c->n_headers < PAIRS_MAX) {
        c->headers[c->n_headers++] = (struct pair){name, value};
    }
}

/* ---- what must hold ---- */

static bool any_session(const struct http_world *w, const char *cookie)
{
    for (size_t i = 0; cookie && i < w->n_cookies; i++) {
        if (strstr(cookie, w->cookies[i])) {
            return true;
        }
    }
    return false;
}

static const char *header_of(const struct MHD_Response *r, const char *name)
{
    return look_up(r->headers, r->n_headers, name);
}

/* The document's operation for a path, or NULL. */
static const json_t *operation_of(const struct http_world *w, const char *method, const char *path)
{
    const char *template;
    json_t *methods;
    char lower[8] = "";

    for (size_t i = 0; i < 7 && method[i]; i++) {
        lower[i] = (char)(method[i] | 0x20);
    }
    json_object_foreach(json_object_get(w->document, "paths"), template, methods)
    {
        const char *t = template, *p = path;

        while (*t && *p) {
            if (*t == '{') {
                t += strcspn(t, "}") + 1;
                p += strcspn(p, "/");
            } else if (*t++ != *p++) {
                p = "/";
                t = "";
            }
        }
        if (!*t && !*p) {
            return json_object_get(methods, strcmp(lower, "head") == 0 ? "get" : lower);
        }
    }
    return NULL;
}

static void check_json(const struct MHD_Connection *c)
{
    json_t *doc = json_loadb(c->answer->data, c->answer->n, JSON_ALLOW_NUL, NULL);
    const json_t *error = json_object_get(doc, "error");

    LM_CHECK(doc);
    LM_CHECK(c->status < 400 || (json_string_length(json_object_get(error, "code")) > 0 &&
                                 json_string_length(json_object_get(error, "text")) > 0));
    json_decref(doc);
}

static void check(const struct http_world *w, const struct MHD_Connection *c, const char *method,
                  const char *path)
{
    static const char *const always[] = {"Content-Security-Policy", "X-Content-Type-Options",
                                         "Cache-Control"};
    const struct MHD_Response *r = c->answer;
    const char *type = header_of(r, "Content-Type"), *cookie = header_of(r, "Set-Cookie");
    const json_t *operation = operation_of(w, method, path);
    char status[8];

    LM_CHECK(c->status >= 200 && c->status < 600);
    (void)snprintf(status, sizeof status, "%u", c->status);
    if (c->status >= 500) {
        LM_CHECK(json_object_get(json_object_get(operation, "responses"), status));
    }
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        LM_CHECK(header_of(r, always[i]));
    }
    LM_CHECK(type);
    if (strstr(type, "json") && r->n > 0) {
        LM_CHECK(lm_utf8_valid(r->data, r->n, NULL));
        check_json(c);
    }
    LM_CHECK(!cookie || (strstr(cookie, "HttpOnly") && strstr(cookie, "SameSite=Strict")));
    if (!any_session(w, look_up(c->headers, c->n_headers, "Cookie")) && c->status < 300) {
        const json_t *security = json_object_get(operation, "security");

        LM_CHECK(security && json_array_size(security) == 0);
    }
}

/* ---- life ---- */

void hw_open(struct http_world *w, const struct lm_api_door *door, const struct lm_api_route *table,
             size_t n, const char *openapi, size_t openapi_n)
{
    static struct lm_api_binding bindings[ROUTES_MAX];
    static struct lm_http_route routes[ROUTES_MAX];

    LM_CHECK(n <= ROUTES_MAX);
    lm_api_bind(door, table, n, bindings, routes);
    w->http.routes = routes;
    w->http.n_routes = n;
    w->http.loopback = true;
    (void)pthread_mutex_init(&w->http.mutex, NULL);
    w->document = json_loadb(openapi, openapi_n, 0, NULL);
    LM_CHECK(w->document);
}

void hw_session(struct http_world *w, struct lm_sessions *sessions, const char *cookie,
                const char *user, const char *role)
{
    char token[LM_SESSION_TOKEN_TEXT];

    LM_CHECK(w->n_cookies < HW_SESSIONS_MAX);
    (void)lm_session_open(sessions, user, role, lm_clock_mono_ms(), token);
    (void)snprintf(w->cookies[w->n_cookies++], sizeof w->cookies[0], "%s=%s", cookie, token);
}

/* text: NUL-terminated after its n bytes; cut up. */
static void request(struct http_world *w, char *text, size_t n)
{
    struct MHD_Connection c = {.n_headers = 0};
    char *at = text, *end = text + n, *line = line_of(&at), *target = strchr(line, ' '), *query;
    const char *method = line;
    void *state = NULL;
    bool cookie = true;
    int64_t before = w->written();
    size_t left, sent = 0, piece;

    if (!target) {
        return;
    }
    *target++ = '\0';
    query = strchr(target, '?');
    if (query) {
        *query++ = '\0';
        arguments(&c, query);
    }
    unescape(target, false);
    for (line = line_of(&at); *line; line = line_of(&at)) {
        char *value = strchr(line, ':');

        if (line[0] == '~') {
            size_t which = (size_t)(line[1] - '0');

            cookie = false;
            if (line[1] >= '0' && which < w->n_cookies) {
                add_header(&c, "Cookie", w->cookies[which]);
            }
        } else if (value) {
            *value++ = '\0';
            add_header(&c, line, value + strspn(value, " "));
        }
    }
    if (!look_up(c.headers, c.n_headers, "Host")) {
        add_header(&c, "Host", "127.0.0.1:5801");
    }
    if (!look_up(c.headers, c.n_headers, "Content-Type")) {
        add_header(&c, "Content-Type", "application/json");
    }
    if (cookie && !look_up(c.headers, c.n_headers, "Cookie")) {
        add_header(&c, "Cookie", w->cookies[0]);
    }
    left = at < end ? (size_t)(end - at) : 0;
    if (lm_http_handle(&w->http, &c, target, method, "HTTP/1.1", NULL, &sent, &state) == MHD_YES) {
        for (; c.status == 0 && left > 0; at += piece, left -= piece) { /* in two pieces */
            piece = left > 1 ? left - left / 2 : left;
            sent = piece;
            LM_CHECK(lm_http_handle(&w->http, &c, target, method, "HTTP/1.1", at, &sent, &state) ==
                     MHD_YES);
        }
        sent = 0;
        LM_CHECK(c.status != 0 || lm_http_handle(&w->http, &c, target, method, "HTTP/1.1", NULL,
                                                 &sent, &state) == MHD_YES);
    }
    LM_CHECK(c.status != 0 && made == c.answer && made->freed);
    check(w, &c, method, target);
    LM_CHECK((strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) || w->written() == before);
    lm_http_finished(&w->http, &c, &state, MHD_REQUEST_TERMINATED_COMPLETED_OK);
    if (made->free_stream) {
        made->free_stream(made->stream);
    }
    for (size_t i = 0; i < made->n_headers; i++) {
        union {
            const char *in;
            char *out;
        } name = {made->headers[i].name}, value = {made->headers[i].value};

        free(name.out);
        free(value.out);
    }
    if (made->owned) {
        free(made->data);
    }
    free(made);
    made = NULL;
}

void hw_requests(struct http_world *w, const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;

    for (int i = 0; i < REQUESTS_MAX && data < end; i++) {
        const uint8_t *stop = memchr(data, 0x1e, (size_t)(end - data));
        size_t n = stop ? (size_t)(stop - data) : (size_t)(end - data);
        char *text = malloc(n + 1);

        LM_CHECK(text);
        memcpy(text, data, n);
        text[n] = '\0';
        request(w, text, n);
        free(text);
        data += n + 1;
    }
}
