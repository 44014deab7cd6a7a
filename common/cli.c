/* Command lines of both programs: shared options, options of one command, NDJSON, JSON and errors.
 *
 * Option texts are borrowed from argv. Nothing here touches stdin, stdout or exit(). */
#include "common/cli.h"

#include "common/base/util.h"
#include "proto/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- options ---- */

static enum lm_status fail_usage(struct lm_error *err, const char *zh, const char *en,
                                 const char *what)
{
    /* what comes from the command line and may be no text at all */
    char shown[128];
    size_t n = strnlen(what, sizeof(shown) - 1);

    memcpy(shown, what, n);
    shown[n] = '\0';
    while (n > 0 && !lm_utf8_valid(shown, n, NULL)) {
        shown[--n] = '\0';
    }
    /* Both formats get all three texts; each leaves out the other language's. */
    return lm_fail(err, LM_ERR_INVALID, "usage", "", "%s%.0s：%s", "%.0s%s: %s", zh, en, shown);
}

/* Is argv[i] this option? Takes its value, also from "--opt=value"; *i moves over what was taken.
 */
static bool take_value(int argc, char **argv, int *i, const char *name, const char **value,
                       bool *missing)
{
    size_t n = strlen(name);
    const char *arg = argv[*i];

    if (strncmp(arg, name, n) != 0 || (arg[n] != '\0' && arg[n] != '=')) {
        return false;
    }
    if (arg[n] == '=') {
        *value = arg + n + 1;
    } else if (*i + 1 < argc) {
        *value = argv[++*i];
    } else {
        *missing = true;
    }
    return true;
}

enum lm_status lm_cli_parse(int argc, char **argv, struct lm_cli *cli, struct lm_error *err)
{
    const char *value = NULL;
    bool missing = false, raw = false;
    int kept = 0;

    cli->data = getenv("LASTMILE_DATA");
    cli->user = "";
    cli->uid = getuid();
    cli->json = false;
    cli->n_rows = 0;
    for (int i = 0; i < argc; i++) {
        int at = i;

        if (!raw && strcmp(argv[i], "--") == 0) {
            raw = true;
            argv[kept++] = argv[i];
        } else if (raw) {
            argv[kept++] = argv[i];
        } else if (strcmp(argv[i], "--json") == 0) {
            cli->json = true;
        } else if (take_value(argc, argv, &i, "--data", &value, &missing)) {
            cli->data = value;
        } else if (take_value(argc, argv, &i, "--user", &value, &missing)) {
            cli->user = value;
        } else {
            argv[kept++] = argv[i];
        }
        if (missing) {
            return fail_usage(err, "选项缺少值", "This option needs a value", argv[at]);
        }
    }
    if (cli->data && !cli->data[0]) {
        cli->data = NULL;
    }
    if (!cli->user) {
        cli->user = "";
    }
    cli->argc = kept;
    cli->argv = argv;
    return LM_OK;
}

/* *taken_out: argv[*i] was this option. */
static enum lm_status take_option(struct lm_cli *cli, int *i, const struct lm_cli_option *option,
                                  bool *taken_out, struct lm_error *err)
{
    const char *value = NULL;
    bool missing = false;

    *taken_out = false;
    if (option->flag) {
        if (strcmp(cli->argv[*i], option->name) == 0) {
            *option->flag = true;
            *taken_out = true;
        }
        return LM_OK;
    }
    if (!take_value(cli->argc, cli->argv, i, option->name, &value, &missing)) {
        return LM_OK;
    }
    *taken_out = true;
    if (missing) {
        return fail_usage(err, "选项缺少值", "This option needs a value", option->name);
    }
    if (option->many) {
        if (*option->n_many >= option->max_many) {
            return fail_usage(err, "选项重复太多次", "This option is given too often",
                              option->name);
        }
        option->many[(*option->n_many)++] = value;
    } else if (option->value) {
        *option->value = value;
    }
    return LM_OK;
}

enum lm_status lm_cli_options(struct lm_cli *cli, const struct lm_cli_option *options,
                              size_t n_options, const char **positional, size_t max_positional,
                              size_t *n_positional, struct lm_error *err)
{
    bool raw = false;

    *n_positional = 0;
    for (int i = 1; i < cli->argc; i++) {
        const char *arg = cli->argv[i];
        bool taken = false;

        if (!raw && strcmp(arg, "--") == 0) {
            raw = true;
            continue;
        }
        for (size_t k = 0; !raw && !taken && k < n_options; k++) {
            enum lm_status st = take_option(cli, &i, &options[k], &taken, err);

            if (st != LM_OK) {
                return st;
            }
        }
        if (taken) {
            continue;
        }
        if (!raw && arg[0] == '-' && arg[1] != '\0') { /* "-" alone is standard input */
            return fail_usage(err, "不认识的选项，用 --help 查看用法", "Unknown option, see --help",
                              arg);
        }
        if (*n_positional >= max_positional) {
            return fail_usage(err, "多余的参数，用 --help 查看用法",
                              "Too many arguments, see --help", arg);
        }
        positional[(*n_positional)++] = arg;
    }
    return LM_OK;
}

/* ---- lines ---- */

static bool grow(char **line, size_t *size, size_t need)
{
    size_t n = *size ? *size : 1024;
    char *data;

    if (*line && need <= *size) {
        return true;
    }
    while (n < need) {
        n *= 2;
    }
    data = realloc(*line, n);
    if (!data) {
        return false;
    }
    *line = data;
    *size = n;
    return true;
}

enum lm_status lm_ndjson_line(FILE *in, char **line, size_t *size, size_t *n_out,
                              struct lm_error *err)
{
    bool nul = false, any = false, over = false;
    size_t n = 0;
    int c;

    *n_out = 0;
    flockfile(in);
    while ((c = getc_unlocked(in)) != EOF) {
        any = true;
        if (c == '\n') {
            break;
        }
        nul = nul || c == '\0';
        over = over || n >= LM_LINE_BYTES_MAX;
        if (over) {
            continue;
        }
        if (!grow(line, size, n + 2)) {
            funlockfile(in);
            return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
        }
        (*line)[n++] = (char)c;
    }
    funlockfile(in);
    if (ferror(in)) {
        return lm_fail(err, LM_ERR_IO, "io_error", "", "读取输入时出错。",
                       "The input could not be read.");
    }
    if (!any) {
        return LM_ERR_NOT_FOUND;
    }
    if (over) {
        return lm_fail(err, LM_ERR_LIMIT, "line_too_long", "", "这一行过长，最多 %d 字节。",
                       "This line is too long: at most %d bytes.", LM_LINE_BYTES_MAX);
    }
    if (nul) {
        return lm_fail(err, LM_ERR_INVALID, "bad_json", "", "这一行含有 NUL 字节。",
                       "This line holds a NUL byte.");
    }
    if (!grow(line, size, n + 1)) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    if (n > 0 && (*line)[n - 1] == '\r') { /* a file written on Windows */
        n--;
    }
    (*line)[n] = '\0';
    *n_out = n;
    return LM_OK;
}

/* ---- JSON ---- */

/* Nesting of brackets outside strings, before the parser sees the text: jansson itself recurses up
 * to 2,048 levels. */
static bool depth_ok(const char *text, size_t n)
{
    bool string = false;
    int depth = 0;

    for (size_t i = 0; i < n; i++) {
        char c = text[i];

        if (string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                string = false;
            }
        } else if (c == '"') {
            string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > LM_DEPTH_MAX) {
                return false;
            }
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return true;
}

/* What Chinese input methods and word processors put where JSON needs ASCII: the fault that people
 * can't see. */
static bool has_wide_marks(const char *text, size_t n)
{
    static const char *const marks[] = {"“", "”", "：", "，", "｛", "｝"};
    bool string = false;

    for (size_t i = 0; i < n; i++) {
        if (string) {
            if (text[i] == '\\') {
                i++;
            } else if (text[i] == '"') {
                string = false;
            }
        } else if (text[i] == '"') {
            string = true;
        } else {
            for (size_t k = 0; k < sizeof marks / sizeof *marks; k++) {
                if (n - i >= 3 && memcmp(text + i, marks[k], 3) == 0) {
                    return true;
                }
            }
        }
    }
    return false;
}

/* jansson quotes the text near the fault, which may be personal: only the place is told. */
static enum lm_status bad_json(const char *text, size_t n, enum json_error_code code,
                               const json_error_t *detail, struct lm_error *err)
{
    if (code == json_error_duplicate_key) {
        return lm_fail(err, LM_ERR_INVALID, "duplicate_key", "",
                       "同一个键出现了两次（第 %d 个字附近），请删去一个。",
                       "One key occurs twice (near character %d): leave one of them out.",
                       detail->column);
    }
    if (code == json_error_numeric_overflow) {
        return lm_fail(err, LM_ERR_INVALID, "bad_json", "", "数字太大（第 %d 个字附近），请核对。",
                       "A number is too large (near character %d): check it.", detail->column);
    }
    if (has_wide_marks(text, n)) {
        return lm_fail(
            err, LM_ERR_INVALID, "bad_json", "",
            "JSON 格式有误：引号、冒号、逗号和括号要用英文（半角）的，这里有中文（全角）"
            "的。",
            "The JSON is malformed: quotation marks, colons, commas and brackets must be "
            "ASCII, and here some are full-width.");
    }
    return lm_fail(err, LM_ERR_INVALID, "bad_json", "",
                   "JSON 格式有误（第 %d 个字附近），请检查引号、逗号和括号。",
                   "The JSON is malformed (near character %d): check quotation marks, commas and "
                   "brackets.",
                   detail->column);
}

enum lm_status lm_json_object(const char *text, size_t n, json_t **out, struct lm_error *err)
{
    json_error_t detail;
    json_t *json;

    *out = NULL;
    if (!lm_utf8_valid(text, n, NULL)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_utf8", "",
                       "内容不是 UTF-8 编码。请把文件另存为 UTF-8 后重试。",
                       "The text is not UTF-8. Save the file as UTF-8 and try again.");
    }
    if (!depth_ok(text, n)) {
        return lm_fail(err, LM_ERR_LIMIT, "too_deep", "", "JSON 嵌套过深，最多 %d 层。",
                       "The JSON is nested too deeply: at most %d levels.", LM_DEPTH_MAX);
    }
    if (n >= 3 &&
        memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark, as Windows editors write */
        text += 3;
        n -= 3;
    }
    json = json_loadb(text, n, JSON_REJECT_DUPLICATES, &detail);
    if (!json) {
        enum json_error_code code = json_error_code(&detail);

        if (code == json_error_out_of_memory) {
            return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
        }
        return bad_json(text, n, code, &detail, err);
    }
    if (!json_is_object(json)) {
        json_decref(json);
        return lm_fail(err, LM_ERR_INVALID, "bad_json", "", "应当是一个 JSON 对象 {…}。",
                       "A JSON object {…} is needed.");
    }
    *out = json;
    return LM_OK;
}

static int write_chunk(const char *data, size_t n, void *arg)
{
    return fwrite(data, 1, n, arg) == n ? 0 : -1;
}

void lm_json_print(FILE *out, const json_t *json)
{
    (void)json_dump_callback(json, write_chunk, out,
                             JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    (void)fputc('\n', out);
}

void lm_cli_row(struct lm_cli *cli, const json_t *row)
{
    if (cli->json) {
        (void)fputs(cli->n_rows == 0 ? "[" : ",", cli->out);
    }
    cli->n_rows++;
    lm_json_print(cli->out, row);
}

void lm_cli_rows_end(struct lm_cli *cli)
{
    if (cli->json) {
        (void)fputs(cli->n_rows == 0 ? "[]\n" : "]\n", cli->out);
    }
    cli->n_rows = 0;
}

json_t *lm_error_json(const struct lm_error *error)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "code", error->code, "field", error->field, "text",
                     error->zh, "text_en", error->en);
}

int lm_cli_fail(struct lm_cli *cli, const char *program, const struct lm_error *error)
{
    (void)fprintf(cli->err, "%s: %s / %s (%s)\n", program, error->zh, error->en, error->code);
    return strcmp(error->code, "usage") == 0 ? LM_EXIT_USAGE : LM_EXIT_FAILED;
}
