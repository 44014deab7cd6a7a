/* One sheet as XLSX (ECMA-376): five small parts in a zip without compression (APPNOTE.TXT 4.3.7),
 * texts inline, so that nothing can be a formula. */
#include "hub/api/xlsx.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PARTS 5
#define SHEET_BYTES_MAX (64 * 1024 * 1024)

static uint32_t crc32_of(const uint8_t *data, size_t n)
{
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++) {
            crc = (crc >> 1) ^ ((crc & 1u) ? 0xedb88320u : 0u);
        }
    }
    return ~crc;
}

static void put(struct lm_buf *out, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        const uint8_t byte = (uint8_t)(value >> (8 * i));

        lm_buf_add(out, &byte, 1);
    }
}

struct part {
    const char *name;
    const void *data;
    size_t n, at;
    uint32_t crc;
};

/* The fields that a local header and the directory have in common. */
static void put_facts(struct lm_buf *out, const struct part *p)
{
    put(out, 20, 2); /* version needed */
    put(out, 0, 2);  /* flags */
    put(out, 0, 2);  /* stored */
    put(out, 0, 2);
    put(out, 0x21, 2); /* 1980-01-01 */
    put(out, p->crc, 4);
    put(out, (uint32_t)p->n, 4);
    put(out, (uint32_t)p->n, 4);
    put(out, (uint32_t)strlen(p->name), 2);
    put(out, 0, 2); /* no extra */
}

static void zip(struct part *parts, size_t n, struct lm_buf *out)
{
    size_t start;

    for (size_t i = 0; i < n; i++) {
        struct part *p = &parts[i];

        p->at = out->len;
        p->crc = crc32_of(p->data, p->n);
        put(out, 0x04034b50u, 4);
        put_facts(out, p);
        lm_buf_text(out, p->name);
        lm_buf_add(out, p->data, p->n);
    }
    start = out->len;
    for (size_t i = 0; i < n; i++) {
        put(out, 0x02014b50u, 4);
        put(out, 20, 2); /* version made by */
        put_facts(out, &parts[i]);
        put(out, 0, 2); /* comment */
        put(out, 0, 2); /* disk */
        put(out, 0, 2);
        put(out, 0, 4);
        put(out, (uint32_t)parts[i].at, 4);
        lm_buf_text(out, parts[i].name);
    }
    {
        size_t size = out->len - start;

        put(out, 0x06054b50u, 4);
        put(out, 0, 4);
        put(out, (uint32_t)n, 2);
        put(out, (uint32_t)n, 2);
        put(out, (uint32_t)size, 4);
        put(out, (uint32_t)start, 4);
        put(out, 0, 2);
    }
}

/* What XML may not hold (XML 1.0, 2.2) is left out: a workbook with it in is called damaged. */
static void put_text(struct lm_buf *out, const char *text)
{
    for (; *text; text++) {
        if (strncmp(text, "\xef\xbf\xbe", 3) == 0 || strncmp(text, "\xef\xbf\xbf", 3) == 0) {
            text += 2; /* U+FFFE, U+FFFF */
            continue;
        }
        const char *instead = *text == '&'   ? "&amp;"
                              : *text == '<' ? "&lt;"
                              : *text == '>' ? "&gt;"
                                             : NULL;

        if (instead) {
            lm_buf_text(out, instead);
        } else if ((unsigned char)*text >= 0x20 || *text == '\n' || *text == '\t') {
            lm_buf_add(out, text, 1);
        }
    }
}

static void put_sheet(struct lm_buf *out, const json_t *rows)
{
    size_t i, k;
    json_t *row, *cell;

    lm_buf_text(out, "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<worksheet "
                     "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">"
                     "<sheetData>");
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        lm_buf_text(out, "<row>");
        json_array_foreach(row, k, cell)
        {
            if (json_is_number(cell)) {
                lm_buf_printf(out, "<c><v>%.10g</v></c>", json_number_value(cell));
            } else {
                const char *text = json_string_value(cell);

                lm_buf_text(out, "<c t=\"inlineStr\"><is><t xml:space=\"preserve\">");
                put_text(out, text ? text : "");
                lm_buf_text(out, "</t></is></c>");
            }
        }
        lm_buf_text(out, "</row>");
    }
    lm_buf_text(out, "</sheetData></worksheet>");
}

void lm_xlsx(const char *name, const json_t *rows, struct lm_buf *out)
{
    static const char types[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<Types "
        "xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default "
        "Extension=\"rels\" "
        "ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default "
        "Extension=\"xml\" ContentType=\"application/xml\"/><Override "
        "PartName=\"/xl/workbook.xml\" "
        "ContentType=\"application/"
        "vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/>"
        "<Override PartName=\"/xl/worksheets/sheet1.xml\" "
        "ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml\"/"
        ">"
        "</Types>";
    static const char rels[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<Relationships "
        "xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship "
        "Id=\"rId1\" "
        "Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
        "officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>";
    static const char book_text[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<workbook "
        "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" "
        "xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets>"
        "<sheet name=\"%.60s\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>";
    static const char book_rels[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<Relationships "
        "xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship "
        "Id=\"rId1\" "
        "Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" "
        "Target=\"worksheets/sheet1.xml\"/></Relationships>";
    char book[sizeof book_text + 60];
    const int book_n = snprintf(book, sizeof book, book_text, name);
    struct lm_buf sheet;
    struct part parts[PARTS] = {
        {.name = "[Content_Types].xml", .data = types, .n = sizeof types - 1},
        {.name = "_rels/.rels", .data = rels, .n = sizeof rels - 1},
        {.name = "xl/workbook.xml", .data = book, .n = (size_t)book_n},
        {.name = "xl/_rels/workbook.xml.rels", .data = book_rels, .n = sizeof book_rels - 1},
        {.name = "xl/worksheets/sheet1.xml"}};

    lm_buf_init(&sheet, SHEET_BYTES_MAX);
    put_sheet(&sheet, rows);
    parts[PARTS - 1].data = sheet.data;
    parts[PARTS - 1].n = sheet.len;
    if (sheet.status == LM_OK) {
        zip(parts, PARTS, out);
    } else {
        out->status = sheet.status;
    }
    lm_buf_free(&sheet);
}
