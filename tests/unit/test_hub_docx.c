/* The summary as a Word document: whatever stands in it the file stays whole, XML stays XML, and
 * what is too long is said. How it is laid out: tests/e2e/test_town.py, with a reader of XML. */
#include "hub/docx.h"
#include "hub/ooxml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

static uint32_t number_at(const uint8_t *p, int bytes)
{
    uint32_t n = 0;

    for (int i = bytes; i-- > 0;) {
        n = (n << 8) | p[i];
    }
    return n;
}

/* A part of a zip, inflated, as text; the caller frees it. The check sum must be right. */
static char *part_of(const struct lm_buf *zip, const char *name)
{
    const uint8_t *p = zip->data;

    while (number_at(p, 4) == 0x04034b50u) {
        uint32_t crc = number_at(p + 14, 4), packed = number_at(p + 18, 4),
                 n = number_at(p + 22, 4), name_n = number_at(p + 26, 2);
        union {
            const uint8_t *in;
            uint8_t *out;
        } data = {.in = p + 30 + name_n};

        if (name_n == strlen(name) && memcmp(p + 30, name, name_n) == 0) {
            char *text = calloc(1, n + 1);
            z_stream z;

            assert_non_null(text);
            memset(&z, 0, sizeof z);
            assert_int_equal(inflateInit2(&z, -15), Z_OK);
            z.next_in = data.out;
            z.avail_in = packed;
            z.next_out = (uint8_t *)text;
            z.avail_out = n;
            assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
            assert_int_equal(z.total_out, n);
            (void)inflateEnd(&z);
            assert_int_equal(crc32(0, (const uint8_t *)text, n), crc);
            return text;
        }
        p += 30 + name_n + packed;
        assert_true(p < zip->data + zip->len);
    }
    fail_msg("no part %s", name);
    return NULL;
}

static json_t *summary_with(const char *text)
{
    return json_pack("{s:i,s:s,s:[{s:s,s:[{s:s}]},{s:s,s:[{s:s},{s:s,s:s}]}]}", "year", 2026,
                     "as_of", "2026-11-30T00:00:00.000Z", "parts", "kind", "title", "pieces",
                     "text", text, "kind", "text", "pieces", "text", text, "indicator", "I12",
                     "display", "120余");
}

static void test_text_stays_text(void **state)
{
    json_t *doc = summary_with("<b>&\"𠮷\x01\x1f\xef\xbf\xbf\t]]>完");
    struct lm_buf out;
    char *xml, *core;

    (void)state;
    lm_buf_init(&out, 4 * 1024 * 1024);
    lm_summary_docx(doc, "<镇>&", &out);
    assert_int_equal(out.status, LM_OK);
    xml = part_of(&out, "word/document.xml");
    core = part_of(&out, "docProps/core.xml");
    assert_non_null(strstr(xml, ">&lt;b&gt;&amp;&quot;𠮷\t]]&gt;完</w:t>"));
    assert_non_null(strstr(xml, ">120余</w:t>"));
    assert_non_null(strstr(xml, "&lt;镇&gt;&amp;"));
    assert_non_null(strstr(core, "&lt;b&gt;&amp;&quot;𠮷\t]]&gt;完</dc:title>"));
    assert_null(strstr(xml, "<b>"));
    assert_null(strchr(xml, 1));
    free(xml);
    free(core);
    lm_buf_free(&out);
    json_decref(doc);
}

static void test_too_long_is_said(void **state)
{
    const size_t n = LM_DOCX_XML_BYTES_MAX / 2;
    char *text = malloc(n + 1);
    struct lm_buf out;
    json_t *doc;

    (void)state;
    assert_non_null(text);
    memset(text, '&', n); /* five bytes each */
    text[n] = '\0';
    doc = summary_with(text);
    lm_buf_init(&out, 4 * 1024 * 1024);
    lm_summary_docx(doc, "镇", &out);
    assert_int_equal(out.status, LM_ERR_LIMIT);
    lm_buf_free(&out);
    json_decref(doc);

    doc = summary_with("短"); /* and a file that has less room than it needs */
    lm_buf_init(&out, 1000);
    lm_summary_docx(doc, "镇", &out);
    assert_int_equal(out.status, LM_ERR_LIMIT);
    lm_buf_free(&out);
    json_decref(doc);
    free(text);
}

static void test_same_words_same_bytes(void **state)
{
    json_t *doc = summary_with("一样");
    struct lm_buf a, b;

    (void)state;
    lm_buf_init(&a, 4 * 1024 * 1024);
    lm_buf_init(&b, 4 * 1024 * 1024);
    lm_summary_docx(doc, "镇", &a);
    lm_summary_docx(doc, "镇", &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    lm_buf_free(&a);
    lm_buf_free(&b);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_stays_text),
        cmocka_unit_test(test_too_long_is_said),
        cmocka_unit_test(test_same_words_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
