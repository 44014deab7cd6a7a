/* summary: the annual work summary. */
#include "hub/summary.h"

#include "common/base/util.h"
#include "hub/docx.h"
#include "hub/program.h"
#include "hub/settings.h"
#include "hub/snapshot_annex.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SUMMARY_BYTES_MAX (4 * 1024 * 1024)

/* By the name's end: a Word document, else a page. */
static bool ends_in(const char *path, const char *end)
{
    const size_t n = strlen(path), k = strlen(end);

    return n > k && strcasecmp(path + n - k, end) == 0;
}

static bool is_docx(const char *path)
{
    return ends_in(path, ".docx");
}

int lm_cmd_summary(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *year = NULL, *path = NULL, *positional[1];
    const struct lm_cli_option options[] = {{.name = "--year", .value = &year},
                                            {.name = "--out", .value = &path}};
    struct lm_error err = {0};
    struct lm_buf text;
    json_t *doc = NULL;
    size_t n = 0;
    enum lm_status status = lm_hub_options(cli, options, 2, positional, 0, &n, &err);

    if (status == LM_OK && year && (strlen(year) != 4 || strspn(year, "0123456789") != 4)) {
        status = lm_fail(&err, LM_ERR_INVALID, "usage", "year", "--year 应是四位年份",
                         "--year takes a year of four digits");
    }
    if (status == LM_OK && path && !is_docx(path) && !ends_in(path, ".html") &&
        !ends_in(path, ".htm")) {
        status =
            lm_fail(&err, LM_ERR_INVALID, "usage", "out", "--out 的文件名应以 .docx 或 .html 结尾",
                    "--out takes a name that ends in .docx or .html");
    }
    if (status == LM_OK) {
        status = lm_summary(hub->store, year ? (int)strtol(year, NULL, 10) : 0, lm_clock_wall_ms(),
                            &doc, &err);
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    lm_buf_init(&text, SUMMARY_BYTES_MAX);
    if (path && is_docx(path)) {
        status = lm_snapshot_annex(hub->store, NULL, doc, &err);
    }
    if (status == LM_OK && path) {
        if (is_docx(path)) {
            char town[LM_TOWN_NAME_BYTES];

            lm_town_name(hub->store, town); /* as the text says it */
            lm_summary_docx(doc, town, &text);
        } else {
            lm_summary_html(doc, &text);
        }
        status = text.status == LM_OK
                     ? lm_file_write(path, text.data, text.len, 0644, &err)
                     : lm_fail(&err, text.status, "memory", "", "内存不足。", "Out of memory.");
    }
    if (status == LM_OK && cli->json) {
        lm_json_print(cli->out, doc);
    } else if (status == LM_OK && path) {
        fprintf(cli->out, "%s: 已生成,可用浏览器、Word 或 WPS 打开 / made\n", path);
    } else if (status == LM_OK) {
        lm_summary_text(doc, &text);
        fwrite(text.data, 1, text.len, cli->out);
    }
    lm_buf_free(&text);
    json_decref(doc);
    return status == LM_OK ? LM_EXIT_OK : lm_hub_fail(cli, &err);
}
