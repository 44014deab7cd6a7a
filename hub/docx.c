/* See docx.h. Sizes: fonts in half points, everything else in twentieths of a point (1 mm = 56.7).
 *
 * Fonts are those that every Chinese Windows has (宋体 黑体 仿宋): one that is missing makes WPS
 * ask questions. No field but PAGE and NUMPAGES, which are set whenever a page is laid out: others
 * make Word ask whether to update them. */
#include "hub/docx.h"

#include "common/base/util.h"
#include "hub/ooxml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XML "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
#define W_NS "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\""
#define R_NS "xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\""
#define OFFICE "application/vnd.openxmlformats-officedocument.wordprocessingml."
#define REL "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
#define TEXT_WIDTH 8845 /* 156 mm */
#define COLUMNS_MAX 16

static const char types[] =
    XML "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">"
        "<Default Extension=\"rels\" "
        "ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>"
        "<Default Extension=\"xml\" ContentType=\"application/xml\"/>"
        "<Override PartName=\"/word/document.xml\" ContentType=\"" OFFICE "document.main+xml\"/>"
        "<Override PartName=\"/word/styles.xml\" ContentType=\"" OFFICE "styles+xml\"/>"
        "<Override PartName=\"/word/settings.xml\" ContentType=\"" OFFICE "settings+xml\"/>"
        "<Override PartName=\"/word/footer1.xml\" ContentType=\"" OFFICE "footer+xml\"/>"
        "<Override PartName=\"/docProps/core.xml\" "
        "ContentType=\"application/vnd.openxmlformats-package.core-properties+xml\"/></Types>";

static const char package_rels[] =
    XML "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"
        "<Relationship Id=\"rId1\" Type=\"" REL "officeDocument\" Target=\"word/document.xml\"/>"
        "<Relationship Id=\"rId2\" Type=\"http://schemas.openxmlformats.org/package/2006/"
        "relationships/metadata/core-properties\" Target=\"docProps/core.xml\"/></Relationships>";

static const char document_rels[] =
    XML "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"
        "<Relationship Id=\"rId1\" Type=\"" REL "styles\" Target=\"styles.xml\"/>"
        "<Relationship Id=\"rId2\" Type=\"" REL "settings\" Target=\"settings.xml\"/>"
        "<Relationship Id=\"rId3\" Type=\"" REL "footer\" Target=\"footer1.xml\"/></Relationships>";

static const char settings[] =
    XML "<w:settings " W_NS "><w:zoom w:percent=\"100\"/><w:defaultTabStop w:val=\"420\"/>"
        "<w:characterSpacingControl w:val=\"compressPunctuation\"/><w:compat>"
        "<w:compatSetting w:name=\"compatibilityMode\" "
        "w:uri=\"http://schemas.microsoft.com/office/word\" w:val=\"15\"/></w:compat>"
        "<w:themeFontLang w:val=\"en-US\" w:eastAsia=\"zh-CN\"/></w:settings>";

#define FIELD(name)                                                                                \
    "<w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText "                            \
    "xml:space=\"preserve\"> " name " </w:instrText></w:r><w:r><w:fldChar "                        \
    "w:fldCharType=\"separate\"/></w:r><w:r><w:t>1</w:t></w:r>"                                    \
    "<w:r><w:fldChar w:fldCharType=\"end\"/></w:r>"
#define RUN(text) "<w:r><w:t>" text "</w:t></w:r>"
static const char footer[] =
    XML "<w:ftr " W_NS "><w:p><w:pPr><w:pStyle w:val=\"Footer\"/></w:pPr>" RUN("第") FIELD("PAGE")
        RUN("页/共") FIELD("NUMPAGES") RUN("页") "</w:p></w:ftr>";

#define FONT(name)                                                                                 \
    "<w:rFonts w:ascii=\"" name "\" w:hAnsi=\"" name "\" w:eastAsia=\"" name "\" w:cs=\"" name     \
    "\"/>"
#define SIZE(half_points) "<w:sz w:val=\"" half_points "\"/><w:szCs w:val=\"" half_points "\"/>"
#define STYLE(id, name, paragraph, run)                                                            \
    "<w:style w:type=\"paragraph\" w:customStyle=\"1\" w:styleId=\"" id "\"><w:name w:val=\"" name \
    "\"/><w:basedOn w:val=\"Normal\"/><w:qFormat/><w:pPr>" paragraph "</w:pPr><w:rPr>" run         \
    "</w:rPr></w:style>"
/* 三号 16 pt, a line every 28.95 pt: 22 of them in 225 mm, 28 characters in 156 mm */
static const char styles_base[] =
    XML "<w:styles " W_NS "><w:docDefaults><w:rPrDefault><w:rPr>" FONT("仿宋")
        SIZE("32") "<w:lang w:val=\"en-US\" "
                   "w:eastAsia=\"zh-CN\"/></w:rPr></w:rPrDefault><w:pPrDefault><w:pPr>"
                   "<w:spacing w:after=\"0\" w:line=\"579\" "
                   "w:lineRule=\"exact\"/></w:pPr></w:pPrDefault>"
                   "</w:docDefaults>"
                   "<w:style w:type=\"paragraph\" w:default=\"1\" w:styleId=\"Normal\"><w:name "
                   "w:val=\"Normal\"/>"
                   "<w:qFormat/><w:pPr><w:jc w:val=\"both\"/></w:pPr></w:style>"
                   "<w:style w:type=\"paragraph\" w:styleId=\"Title\"><w:name "
                   "w:val=\"Title\"/><w:basedOn "
                   "w:val=\"Normal\"/><w:qFormat/><w:pPr><w:keepNext/><w:spacing w:before=\"240\" "
                   "w:after=\"240\" "
                   "w:line=\"700\" w:lineRule=\"exact\"/><w:jc "
                   "w:val=\"center\"/></w:pPr><w:rPr>" FONT("宋体") "<w:b/><w:bCs/>" SIZE(
                       "44") "</w:rPr></w:style>"
                             "<w:style w:type=\"paragraph\" w:styleId=\"Heading1\"><w:name "
                             "w:val=\"heading 1\"/>"
                             "<w:basedOn w:val=\"Normal\"/><w:next "
                             "w:val=\"BodyText\"/><w:qFormat/><w:pPr><w:keepNext/>"
                             "<w:ind w:firstLineChars=\"200\" w:firstLine=\"640\"/><w:outlineLvl "
                             "w:val=\"0\"/></w:pPr>"
                             "<w:rPr>" FONT(
                                 "黑体") "</w:rPr></w:style>"
                                         "<w:style w:type=\"paragraph\" "
                                         "w:styleId=\"BodyText\"><w:name w:val=\"Body Text\"/>"
                                         "<w:basedOn w:val=\"Normal\"/><w:qFormat/><w:pPr><w:ind "
                                         "w:firstLineChars=\"200\" "
                                         "w:firstLine=\"640\"/></w:pPr></w:style>";
static const char styles_ours[] =
    "<w:style w:type=\"paragraph\" w:styleId=\"Footer\"><w:name w:val=\"footer\"/><w:basedOn "
    "w:val=\"Normal\"/><w:pPr><w:spacing w:line=\"240\" w:lineRule=\"auto\"/><w:jc "
    "w:val=\"center\"/>"
    "</w:pPr><w:rPr>" FONT("宋体") SIZE("28") "</w:rPr></w:style>" STYLE(
        "LmNote", "说明",
        "<w:spacing w:after=\"240\" w:line=\"400\" w:lineRule=\"exact\"/>"
        "<w:jc w:val=\"center\"/>",
        FONT("仿宋") SIZE("24")) STYLE("LmSign", "签署",
                                       "<w:keepNext/><w:keepLines/><w:ind w:leftChars=\"1100\" "
                                       "w:left=\"3520\"/><w:jc w:val=\"left\"/>",
                                       FONT("仿宋"))
        STYLE("LmAnnex", "附件", "<w:keepNext/><w:pageBreakBefore/><w:jc w:val=\"left\"/>",
              FONT("黑体")) STYLE("LmAnnexTitle", "附件标题",
                                  "<w:keepNext/><w:spacing w:before=\"120\" w:after=\"240\" "
                                  "w:line=\"600\" w:lineRule=\"exact\"/><w:jc w:val=\"center\"/>",
                                  FONT("宋体") "<w:b/><w:bCs/>" SIZE("36"))
            STYLE("LmPart", "小标题",
                  "<w:keepNext/><w:spacing w:before=\"240\" w:after=\"60\" "
                  "w:line=\"400\" w:lineRule=\"exact\"/>",
                  FONT("黑体") SIZE("24"))
                STYLE("LmSmall", "附注",
                      "<w:spacing w:after=\"60\" w:line=\"360\" w:lineRule=\"exact\"/>",
                      FONT("仿宋") SIZE("24"))
                    STYLE("LmCell", "表格",
                          "<w:spacing w:line=\"300\" w:lineRule=\"exact\"/><w:jc "
                          "w:val=\"center\"/>",
                          FONT("宋体")
                              SIZE("18")) "<w:style w:type=\"table\" w:default=\"1\" "
                                          "w:styleId=\"TableNormal\"><w:name w:val=\"Normal "
                                          "Table\"/><w:tblPr><w:tblInd w:w=\"0\" "
                                          "w:type=\"dxa\"/><w:tblCellMar><w:left w:w=\"60\" "
                                          "w:type=\"dxa\"/><w:right w:w=\"60\" "
                                          "w:type=\"dxa\"/></w:tblCellMar></w:tblPr></w:style>"
                                          "</w:styles>";

static const char section[] =
    "<w:sectPr><w:footerReference w:type=\"default\" r:id=\"rId3\"/>"
    "<w:pgSz w:w=\"11906\" w:h=\"16838\"/>"
    "<w:pgMar w:top=\"2098\" w:right=\"1474\" w:bottom=\"1984\" w:left=\"1587\" w:header=\"851\" "
    "w:footer=\"1304\" w:gutter=\"0\"/></w:sectPr>";

/* ---- pieces ---- */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

static void begin(struct lm_buf *out, const char *style)
{
    lm_buf_printf(out, "<w:p><w:pPr><w:pStyle w:val=\"%s\"/></w:pPr>", style);
}

static void run(struct lm_buf *out, const char *text)
{
    lm_buf_text(out, "<w:r><w:t xml:space=\"preserve\">");
    lm_ooxml_text(out, text);
    lm_buf_text(out, "</w:t></w:r>");
}

static void end(struct lm_buf *out)
{
    lm_buf_text(out, "</w:p>\n");
}

static void paragraph(struct lm_buf *out, const char *style, const char *text)
{
    begin(out, style);
    run(out, text);
    end(out);
}

/* "2026年1月5日", of the town's day; "" of no time. */
static void day_text(const char *time, char out[40])
{
    int64_t ms = 0;
    char day[16];

    out[0] = '\0';
    if (lm_time_parse(time, strlen(time), &ms)) {
        lm_date_format(lm_day_utc8(ms), day);
        (void)snprintf(out, 40, "%d年%d月%d日", (int)strtol(day, NULL, 10),
                       (int)strtol(day + 5, NULL, 10), (int)strtol(day + 8, NULL, 10));
    }
}

/* ---- tables ---- */

struct table {
    struct lm_buf *out;
    int widths[COLUMNS_MAX];
    size_t n, at; /* columns, the next cell's */
};

static void table_begin(struct table *t)
{
    static const char *const sides[] = {"top", "left", "bottom", "right", "insideH", "insideV"};

    lm_buf_printf(t->out, "<w:tbl><w:tblPr><w:tblW w:w=\"%d\" w:type=\"dxa\"/><w:tblBorders>",
                  TEXT_WIDTH);
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        lm_buf_printf(t->out,
                      "<w:%s w:val=\"single\" w:sz=\"4\" w:space=\"0\" w:color=\"000000\"/>",
                      sides[i]);
    }
    lm_buf_text(t->out, "</w:tblBorders><w:tblLayout w:type=\"fixed\"/></w:tblPr><w:tblGrid>");
    for (size_t i = 0; i < t->n; i++) {
        lm_buf_printf(t->out, "<w:gridCol w:w=\"%d\"/>", t->widths[i]);
    }
    lm_buf_text(t->out, "</w:tblGrid>\n");
}

/* head: stands again on every page that the table goes on to. A row is not cut by a page's end. */
static void row_begin(struct table *t, bool head)
{
    lm_buf_printf(t->out, "<w:tr><w:trPr><w:cantSplit/>%s</w:trPr>", head ? "<w:tblHeader/>" : "");
    t->at = 0;
}

static void cell(struct table *t, const char *text)
{
    lm_buf_printf(t->out,
                  "<w:tc><w:tcPr><w:tcW w:w=\"%d\" w:type=\"dxa\"/><w:vAlign "
                  "w:val=\"center\"/></w:tcPr>",
                  t->widths[t->at++]);
    paragraph(t->out, "LmCell", text);
    lm_buf_text(t->out, "</w:tc>");
}

static void row_end(struct table *t)
{
    lm_buf_text(t->out, "</w:tr>\n");
}

/* ---- the text ---- */

/* How far this paper may be taken for final. */
static void put_standing(struct lm_buf *out, const json_t *paper)
{
    const char *kind = text_of(paper, "kind");
    char line[200];

    if (strcmp(kind, "live") == 0) {
        paragraph(out, "LmNote", "（数字是下载时的，未经签发；以签发的版本为准）");
    } else if (strcmp(kind, "draft") == 0) {
        (void)snprintf(line, sizeof line, "（第%lld版草稿，未签发）",
                       (long long)json_integer_value(json_object_get(paper, "version")));
        paragraph(out, "LmNote", line);
    }
}

/* Under its title, with which the text begins, the paper says how it stands. */
static void put_parts(struct lm_buf *out, const json_t *summary)
{
    const json_t *paper = json_object_get(summary, "paper");
    bool stands = false;
    size_t i, k;
    json_t *part, *piece;

    json_array_foreach(json_object_get(summary, "parts"), i, part)
    {
        const char *kind = text_of(part, "kind");
        bool top = strcmp(kind, "title") == 0 || strcmp(kind, "note") == 0;

        if (!top && !stands) {
            put_standing(out, paper);
            stands = true;
        }
        begin(out, strcmp(kind, "title") == 0     ? "Title"
                   : strcmp(kind, "heading") == 0 ? "Heading1"
                   : strcmp(kind, "note") == 0    ? "LmNote"
                                                  : "BodyText");
        json_array_foreach(json_object_get(part, "pieces"), k, piece)
        {
            run(out, json_object_get(piece, "text") ? text_of(piece, "text")
                                                    : text_of(piece, "display"));
        }
        end(out);
    }
    if (!stands) {
        put_standing(out, paper);
    }
}

static void put_signature(struct lm_buf *out, const json_t *paper, const char *town)
{
    static const char blank[] = "＿＿＿＿＿＿";
    const json_t *writers = json_object_get(paper, "writers");
    const char *signer = text_of(paper, "user");
    char day[40];
    size_t i;
    json_t *writer;

    day_text(text_of(paper, "at"), day);
    paragraph(out, "LmSign", "");
    begin(out, "LmSign");
    run(out, "编制人：");
    json_array_foreach((json_t *)(uintptr_t)writers, i, writer)
    {
        run(out, i > 0 ? "、" : "");
        run(out, json_string_value(writer));
    }
    run(out, json_array_size(writers) > 0 ? "" : blank);
    end(out);
    begin(out, "LmSign");
    run(out, "审核人：");
    run(out, signer[0] ? signer : blank);
    end(out);
    begin(out, "LmSign");
    run(out, "签发日期：");
    run(out, day[0] ? day : "＿＿＿＿年＿＿月＿＿日");
    end(out);
    begin(out, "LmSign");
    run(out, town);
    run(out, "退役军人服务站");
    end(out);
    /* the last line of the block does not ask to stay with what follows: that is an annex */
    lm_buf_text(out, "<w:p><w:pPr><w:pStyle w:val=\"LmSign\"/><w:keepNext w:val=\"0\"/></w:pPr>");
    run(out, "（盖章处）");
    end(out);
}

/* ---- annexes ---- */

/* number 0: it is the only one. */
static void annex(struct lm_buf *out, int number, const char *title)
{
    char head[40];

    (void)snprintf(head, sizeof head, "附件");
    if (number > 0) {
        (void)snprintf(head, sizeof head, "附件%d", number);
    }
    paragraph(out, "LmAnnex", head);
    paragraph(out, "LmAnnexTitle", title);
}

static void value_text(const json_t *value, const char *unit, char out[48])
{
    if (json_is_integer(value)) {
        (void)snprintf(out, 48, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        (void)snprintf(out, 48, "%.0f%s", json_real_value(value),
                       strcmp(unit, "%") == 0 ? "%" : "");
    } else {
        (void)snprintf(out, 48, "—");
    }
}

static void put_villages(struct lm_buf *out, const json_t *villages)
{
    const json_t *heads = json_object_get(villages, "columns");
    struct table t = {.out = out, .n = 1 + json_array_size(heads)};
    size_t i, k;
    json_t *row, *head, *value;
    char text[320];

    if (t.n > COLUMNS_MAX) {
        out->status = LM_ERR_LIMIT;
        return;
    }
    t.widths[0] = TEXT_WIDTH / 5;
    for (i = 1; i < t.n; i++) {
        t.widths[i] = (TEXT_WIDTH - t.widths[0]) / (int)(t.n - 1);
    }
    table_begin(&t);
    row_begin(&t, true);
    cell(&t, "村");
    json_array_foreach((json_t *)(uintptr_t)heads, k, head)
    {
        cell(&t, text_of(head, "label"));
    }
    row_end(&t);
    json_array_foreach(json_object_get(villages, "rows"), i, row)
    {
        row_begin(&t, false);
        (void)snprintf(text, sizeof text, "%.280s%s", text_of(row, "name"),
                       json_is_true(json_object_get(row, "complete")) ? "" : "（未报全）");
        cell(&t, text);
        json_array_foreach(json_object_get(row, "values"), k, value)
        {
            value_text(value, text_of(json_array_get(heads, k), "unit"), text);
            cell(&t, text);
        }
        row_end(&t);
    }
    lm_buf_text(out, "</w:tbl>\n");
}

/* 64 digits in groups of eight: to be compared by eye. */
static void hash_text(const char *hash, char out[80])
{
    size_t n = 0;

    for (size_t i = 0; hash[i] && n < 78; i++) {
        if (i > 0 && i % 8 == 0) {
            out[n++] = ' ';
        }
        out[n++] = hash[i];
    }
    out[n] = '\0';
}

static void version_name(const json_t *version, char out[48])
{
    (void)snprintf(out, 48, "第%lld版%s",
                   (long long)json_integer_value(json_object_get(version, "version")),
                   json_is_true(json_object_get(version, "signed")) ? "" : "（草稿）");
}

static void put_register(struct lm_buf *out, const json_t *versions)
{
    struct table t = {.out = out, .widths = {1200, 1700, 1900, 4045}, .n = 4};
    size_t i;
    json_t *v;
    char text[80];

    table_begin(&t);
    row_begin(&t, true);
    cell(&t, "版本");
    cell(&t, "签发人");
    cell(&t, "签发日期");
    cell(&t, "校验码（SHA-256）");
    row_end(&t);
    json_array_foreach((json_t *)(uintptr_t)versions, i, v)
    {
        row_begin(&t, false);
        version_name(v, text);
        cell(&t, text);
        cell(&t, text_of(v, "user")[0] ? text_of(v, "user") : "—");
        day_text(text_of(v, "at"), text);
        cell(&t, text[0] ? text : "—");
        hash_text(text_of(v, "hash"), text);
        cell(&t, text[0] ? text : "—");
        row_end(&t);
    }
    lm_buf_text(out, "</w:tbl>\n");
}

static void put_lines(struct lm_buf *out, const char *head, const json_t *lines)
{
    size_t i;
    json_t *line;

    json_array_foreach((json_t *)(uintptr_t)lines, i, line)
    {
        begin(out, "LmSmall");
        run(out, head);
        run(out, json_string_value(line));
        end(out);
    }
}

static void put_differences(struct lm_buf *out, const json_t *before, const json_t *version)
{
    const json_t *figures = json_object_get(version, "figures"),
                 *gone = json_object_get(version, "gone"), *come = json_object_get(version, "come");
    json_int_t more = json_integer_value(json_object_get(version, "more"));
    struct table t = {.out = out, .widths = {4445, 2200, 2200}, .n = 3};
    char was[48], is[48], line[120];
    size_t i;
    json_t *figure;

    version_name(before, was);
    version_name(version, is);
    (void)snprintf(line, sizeof line, "%s与%s相比", is, was);
    paragraph(out, "LmPart", line);
    if (json_array_size(figures) + json_array_size(gone) + json_array_size(come) == 0) {
        paragraph(out, "LmSmall", "数字和正文都没有变化。");
        return;
    }
    if (json_array_size(figures) > 0) {
        table_begin(&t);
        row_begin(&t, true);
        cell(&t, "指标");
        cell(&t, was);
        cell(&t, is);
        row_end(&t);
        json_array_foreach((json_t *)(uintptr_t)figures, i, figure)
        {
            row_begin(&t, false);
            cell(&t, text_of(figure, "label"));
            cell(&t, text_of(figure, "was"));
            cell(&t, text_of(figure, "is"));
            row_end(&t);
        }
        lm_buf_text(out, "</w:tbl>\n");
        paragraph(out, "LmSmall", "");
    }
    put_lines(out, "删去：", gone);
    put_lines(out, "增加：", come);
    if (more > 0) {
        (void)snprintf(line, sizeof line, "另有%lld处不同，见系统中的版本对照。", (long long)more);
        paragraph(out, "LmSmall", line);
    }
}

static void put_versions(struct lm_buf *out, const json_t *versions)
{
    put_register(out, versions);
    paragraph(out, "LmSmall", "");
    for (size_t i = 1; i < json_array_size(versions); i++) {
        put_differences(out, json_array_get(versions, i - 1), json_array_get(versions, i));
    }
}

/* ---- the file ---- */

static void put_document(struct lm_buf *out, const json_t *summary, const char *town)
{
    const json_t *paper = json_object_get(summary, "paper"),
                 *villages = json_object_get(summary, "villages"),
                 *versions = json_object_get(summary, "versions");
    bool both = villages && json_array_size(versions) > 0;

    lm_buf_text(out, XML "<w:document " W_NS " " R_NS "><w:body>\n");
    put_parts(out, summary);
    put_signature(out, paper, town);
    if (villages) { /* a version keeps the town's figures only */
        annex(out, both ? 1 : 0, "各村数据（实数）");
        put_villages(out, villages);
        paragraph(out, "LmSmall", "");
    }
    if (json_array_size(versions) > 0) {
        annex(out, both ? 2 : 0, "签发的版本");
        put_versions(out, versions);
    }
    lm_buf_text(out, section);
    lm_buf_text(out, "</w:body></w:document>");
}

/* The file's title and time, as a folder shows them. */
static void put_core(struct lm_buf *out, const json_t *summary)
{
    const char *as_of = text_of(summary, "as_of");
    const json_t *title = json_array_get(json_object_get(summary, "parts"), 0);
    size_t k;
    json_t *piece;

    lm_buf_text(out,
                XML "<cp:coreProperties xmlns:cp=\"http://schemas.openxmlformats.org/package/2006/"
                    "metadata/core-properties\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" "
                    "xmlns:dcterms=\"http://purl.org/dc/terms/\" "
                    "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><dc:title>");
    json_array_foreach(json_object_get(title, "pieces"), k, piece)
    {
        lm_ooxml_text(out, json_object_get(piece, "text") ? text_of(piece, "text")
                                                          : text_of(piece, "display"));
    }
    lm_buf_text(out, "</dc:title><dc:creator>Lastmile</dc:creator>");
    if (as_of[0]) {
        lm_buf_text(out, "<dcterms:created xsi:type=\"dcterms:W3CDTF\">");
        lm_ooxml_text(out, as_of);
        lm_buf_text(out, "</dcterms:created>");
    }
    lm_buf_text(out, "</cp:coreProperties>");
}

void lm_summary_docx(const json_t *summary, const char *town, struct lm_buf *out)
{
    struct lm_buf document, core, styles;

    lm_buf_init(&document, LM_DOCX_XML_BYTES_MAX);
    lm_buf_init(&core, LM_DOCX_XML_BYTES_MAX);
    lm_buf_init(&styles, LM_DOCX_XML_BYTES_MAX);
    put_document(&document, summary, town);
    put_core(&core, summary);
    lm_buf_text(&styles, styles_base);
    lm_buf_text(&styles, styles_ours);
    if (document.status == LM_OK && core.status == LM_OK && styles.status == LM_OK) {
        const struct lm_ooxml_part parts[] = {
            {.name = "[Content_Types].xml", .data = types, .n = sizeof types - 1},
            {.name = "_rels/.rels", .data = package_rels, .n = sizeof package_rels - 1},
            {.name = "docProps/core.xml", .data = core.data, .n = core.len},
            {.name = "word/document.xml", .data = document.data, .n = document.len},
            {.name = "word/_rels/document.xml.rels",
             .data = document_rels,
             .n = sizeof document_rels - 1},
            {.name = "word/styles.xml", .data = styles.data, .n = styles.len},
            {.name = "word/settings.xml", .data = settings, .n = sizeof settings - 1},
            {.name = "word/footer1.xml", .data = footer, .n = sizeof footer - 1}};

        lm_ooxml_zip(parts, sizeof parts / sizeof *parts, true, out);
    } else {
        out->status = document.status != LM_OK ? document.status : LM_ERR_MEMORY;
    }
    lm_buf_free(&document);
    lm_buf_free(&core);
    lm_buf_free(&styles);
}
