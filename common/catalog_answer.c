/* See catalog_answer.h. */
#include "common/catalog_answer.h"

#include <string.h>
#include <zlib.h>

#define JSON_BYTES_MAX ((size_t)16 * 1024 * 1024) /* a catalogue is at most 4 MiB */
#define GZIP_WINDOW (15 + 16)                     /* zlib's way to ask for gzip's head and foot */

static int add_bytes(const char *bytes, size_t n, void *out)
{
    lm_buf_add(out, bytes, n);
    return 0;
}

static enum lm_status pack(const struct lm_buf *in, struct lm_buf *out)
{
    uint8_t piece[16384];
    z_stream z;
    int rc;

    memset(&z, 0, sizeof z);
    if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 9, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        return LM_ERR_MEMORY;
    }
    z.next_in = in->data;
    z.avail_in = (uInt)in->len;
    do {
        z.next_out = piece;
        z.avail_out = sizeof piece;
        rc = deflate(&z, Z_FINISH);
        lm_buf_add(out, piece, sizeof piece - z.avail_out);
    } while (rc == Z_OK && out->status == LM_OK);
    (void)deflateEnd(&z);
    return rc == Z_STREAM_END ? out->status : LM_ERR_MEMORY;
}

static enum lm_status make_anew(struct lm_catalog_answer *kept, const struct lm_catalog *catalog,
                                json_t *(*make)(const struct lm_catalog *catalog))
{
    uint8_t hash[LM_HASH_BYTES];
    char hex[2 * LM_HASH_BYTES + 1];
    json_t *doc = make(catalog);
    enum lm_status st = doc ? LM_OK : LM_ERR_MEMORY;

    lm_catalog_answer_free(kept);
    lm_buf_init(&kept->plain, JSON_BYTES_MAX);
    lm_buf_init(&kept->packed, JSON_BYTES_MAX);
    if (st == LM_OK) {
        (void)json_dump_callback(doc, add_bytes, &kept->plain, JSON_COMPACT);
        lm_buf_text(&kept->plain, "\n");
        st = kept->plain.status;
    }
    json_decref(doc);
    if (st == LM_OK) {
        st = pack(&kept->plain, &kept->packed);
    }
    if (st == LM_OK) {
        /* Of the text and not of the catalogue: another program may tell more of the same one.
         * Weak: both encodings are the same document. */
        lm_hash(hash, kept->plain.data, kept->plain.len, NULL, 0, NULL, 0);
        lm_hex_encode(hash, 16, hex);
        (void)snprintf(kept->etag, sizeof kept->etag, "W/\"%s\"", hex);
        memcpy(kept->of, catalog->hash, sizeof kept->of);
        kept->made = true;
    } else {
        lm_catalog_answer_free(kept);
    }
    return st;
}

/* Whether the browser said that it unpacks gzip, and not "gzip;q=0". */
static bool takes_gzip(const struct lm_http_request *request)
{
    const char *accepts = request->header(request, "Accept-Encoding");
    const char *at = accepts ? strstr(accepts, "gzip") : NULL;

    return at && !strstr(at, "q=0") && (at == accepts || at[-1] == ' ' || at[-1] == ',');
}

enum lm_status lm_catalog_answer(struct lm_api_call *call, struct lm_catalog_answer *kept,
                                 const struct lm_catalog *catalog,
                                 json_t *(*make)(const struct lm_catalog *catalog))
{
    const struct lm_buf *body;

    if ((!kept->made || memcmp(kept->of, catalog->hash, sizeof kept->of) != 0) &&
        make_anew(kept, catalog, make) != LM_OK) {
        return lm_api_no_memory(call);
    }
    body = &kept->plain;
    if (takes_gzip(call->request)) {
        body = &kept->packed;
        call->response->encoding = "gzip";
    }
    (void)snprintf(call->response->etag, sizeof call->response->etag, "%s", kept->etag);
    lm_buf_add(&call->response->body, body->data, body->len);
    return LM_OK;
}

void lm_catalog_answer_free(struct lm_catalog_answer *kept)
{
    lm_buf_free(&kept->plain);
    lm_buf_free(&kept->packed);
    kept->made = false;
}
