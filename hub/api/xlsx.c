/* One sheet as XLSX (ECMA-376): five small parts in a zip without compression, texts inline, so
 * that nothing can be a formula. */
#include "hub/api/xlsx.h"

#include "hub/ooxml.h"

#include <stdio.h>
#include <string.h>

#define PARTS 5
#define SHEET_BYTES_MAX (64 * 1024 * 1024)

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
                lm_ooxml_text(out, text ? text : "");
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
    struct lm_ooxml_part parts[PARTS] = {
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
        lm_ooxml_zip(parts, PARTS, false, out);
    } else {
        out->status = sheet.status;
    }
    lm_buf_free(&sheet);
}
