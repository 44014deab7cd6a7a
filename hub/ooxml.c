/* Zip as APPNOTE.TXT 4.3.7 describes it; deflate (RFC 1951) and CRC-32 are zlib's. */
#include "hub/ooxml.h"

#include "common/base/status.h"

#include <string.h>
#include <zlib.h>

#define STORED 0
#define DEFLATED 8
#define RAW_WINDOW (-15) /* zlib's way to ask for deflate without a head and a foot */
#define MEMORY_LEVEL 8

struct entry {
    uint32_t crc, packed_n, n, at;
    int method;
};

static void put(struct lm_buf *out, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        const uint8_t byte = (uint8_t)(value >> (8 * i));

        lm_buf_add(out, &byte, 1);
    }
}

/* The fields that a local header and the directory have in common. */
static void put_facts(struct lm_buf *out, const struct entry *e, const char *name)
{
    put(out, 20, 2); /* version needed */
    put(out, 0, 2);  /* flags */
    put(out, (uint32_t)e->method, 2);
    put(out, 0, 2);
    put(out, 0x21, 2); /* 1980-01-01 */
    put(out, e->crc, 4);
    put(out, e->packed_n, 4);
    put(out, e->n, 4);
    put(out, (uint32_t)strlen(name), 2);
    put(out, 0, 2); /* no extra */
}

static void deflate_part(const struct lm_ooxml_part *part, struct lm_buf *packed)
{
    union {
        const void *in;
        void *out; /* only read: zlib's next_in has no const */
    } data = {.in = part->data};
    z_stream z;
    uint8_t chunk[8192];
    int rc;

    memset(&z, 0, sizeof z);
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, RAW_WINDOW, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        packed->status = LM_ERR_MEMORY;
        return;
    }
    z.next_in = data.out;
    z.avail_in = (uInt)part->n;
    do {
        z.next_out = chunk;
        z.avail_out = sizeof chunk;
        rc = deflate(&z, Z_FINISH);
        lm_buf_add(packed, chunk, sizeof chunk - z.avail_out);
    } while (rc == Z_OK && packed->status == LM_OK);
    (void)deflateEnd(&z);
}

static void put_part(const struct lm_ooxml_part *part, bool pack, struct entry *e,
                     struct lm_buf *out)
{
    struct lm_buf packed;

    lm_buf_init(&packed, out->max);
    if (pack) {
        deflate_part(part, &packed);
    }
    *e = (struct entry){.crc = (uint32_t)crc32(0, part->data, (uInt)part->n),
                        .n = (uint32_t)part->n,
                        .packed_n = (uint32_t)(pack ? packed.len : part->n),
                        .at = (uint32_t)out->len,
                        .method = pack ? DEFLATED : STORED};
    put(out, 0x04034b50u, 4);
    put_facts(out, e, part->name);
    lm_buf_text(out, part->name);
    lm_buf_add(out, pack ? packed.data : part->data, e->packed_n);
    if (packed.status != LM_OK) {
        out->status = packed.status;
    }
    lm_buf_free(&packed);
}

void lm_ooxml_zip(const struct lm_ooxml_part *parts, size_t n, bool pack, struct lm_buf *out)
{
    struct entry entries[LM_OOXML_PARTS_MAX];
    size_t start, size;

    LM_CHECK(n <= LM_OOXML_PARTS_MAX);
    for (size_t i = 0; i < n; i++) {
        put_part(&parts[i], pack, &entries[i], out);
    }
    start = out->len;
    for (size_t i = 0; i < n; i++) {
        put(out, 0x02014b50u, 4);
        put(out, 20, 2); /* version made by */
        put_facts(out, &entries[i], parts[i].name);
        put(out, 0, 2); /* comment */
        put(out, 0, 2); /* disk */
        put(out, 0, 2);
        put(out, 0, 4);
        put(out, entries[i].at, 4);
        lm_buf_text(out, parts[i].name);
    }
    size = out->len - start;
    put(out, 0x06054b50u, 4);
    put(out, 0, 4);
    put(out, (uint32_t)n, 2);
    put(out, (uint32_t)n, 2);
    put(out, (uint32_t)size, 4);
    put(out, (uint32_t)start, 4);
    put(out, 0, 2);
}

void lm_ooxml_text(struct lm_buf *out, const char *text)
{
    for (; *text; text++) {
        const char *instead = *text == '&'   ? "&amp;"
                              : *text == '<' ? "&lt;"
                              : *text == '>' ? "&gt;"
                              : *text == '"' ? "&quot;"
                                             : NULL;

        if (strncmp(text, "\xef\xbf\xbe", 3) == 0 || strncmp(text, "\xef\xbf\xbf", 3) == 0) {
            text += 2; /* U+FFFE, U+FFFF */
        } else if (instead) {
            lm_buf_text(out, instead);
        } else if ((unsigned char)*text >= 0x20 || *text == '\n' || *text == '\t') {
            lm_buf_add(out, text, 1);
        }
    }
}
