/* Command lines, NDJSON, JSON from outside, and the data directory. */
#include "common/cli.h"

#include "common/base/util.h"
#include "common/datadir.h"
#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- options ---- */

static void test_parse(void **state)
{
    char a0[] = "count", a1[] = "--data=/d d", a2[] = "I12", a3[] = "--json", a4[] = "--by",
         a5[] = "month", a6[] = "--user", a7[] = "王五", a8[] = "--", a9[] = "--json",
         a10[] = "--dataset";
    char *argv[] = {a0, a1, a2, a10, a3, a4, a5, a6, a7, a8, a9, NULL};
    struct lm_cli cli = {0};
    struct lm_error err;

    (void)state;
    unsetenv("LASTMILE_DATA");
    assert_int_equal(lm_cli_parse(11, argv, &cli, &err), LM_OK);
    assert_string_equal(cli.data, "/d d");
    assert_string_equal(cli.user, "王五");
    assert_true(cli.json);
    assert_int_equal(cli.argc, 7);
    assert_string_equal(cli.argv[0], "count");
    assert_string_equal(cli.argv[2], "--dataset");
    assert_string_equal(cli.argv[5], "--");
    assert_string_equal(cli.argv[6], "--json");
}

static void test_parse_defaults(void **state)
{
    char a0[] = "status", a1[] = "--data", a2[] = "--user=";
    char *argv[] = {a0, NULL}, *short_argv[] = {a0, a1, NULL}, *empty_argv[] = {a0, a2, NULL};
    struct lm_cli cli = {0};
    struct lm_error err;

    (void)state;
    unsetenv("LASTMILE_DATA");
    assert_int_equal(lm_cli_parse(1, argv, &cli, &err), LM_OK);
    assert_null(cli.data);
    assert_string_equal(cli.user, "");
    assert_false(cli.json);
    setenv("LASTMILE_DATA", "/env", 1);
    assert_int_equal(lm_cli_parse(2, empty_argv, &cli, &err), LM_OK);
    assert_string_equal(cli.data, "/env");
    assert_string_equal(cli.user, "");
    unsetenv("LASTMILE_DATA");
    assert_int_equal(lm_cli_parse(2, short_argv, &cli, &err), LM_ERR_INVALID);
    assert_string_equal(err.code, "usage");
    assert_non_null(strstr(err.zh, "--data"));
    assert_non_null(strstr(err.en, "--data"));
    assert_null(strstr(err.en, "选项"));
}

static enum lm_status options(int argc, char **argv, const char **by, bool *flag,
                              const char **where, size_t *n_where, const char **pos, size_t *n_pos,
                              struct lm_error *err)
{
    struct lm_cli cli = {.argc = argc, .argv = argv};
    const struct lm_cli_option list[] = {
        {.name = "--by", .value = by},
        {.name = "--offline", .flag = flag},
        {.name = "--where", .many = where, .n_many = n_where, .max_many = 2},
    };

    *n_where = 0;
    return lm_cli_options(&cli, list, 3, pos, 2, n_pos, err);
}

static void test_options(void **state)
{
    char a0[] = "count", a1[] = "I1", a2[] = "--by=village", a3[] = "--offline", a4[] = "--where",
         a5[] = "a=b", a6[] = "--where=c=d", a7[] = "-", unknown[] = "--bye", dashes[] = "--",
         by[] = "--by";
    char *argv[] = {a0, a1, a2, a3, a4, a5, a6, a7};
    char *bad[] = {a0, unknown}, *raw[] = {a0, dashes, unknown}, *many[] = {a0, a6, a6, a6};
    char *extra[] = {a0, a1, a1, a1}, *missing[] = {a0, by}, *flag_value[] = {a0, NULL};
    char offline_value[] = "--offline=yes";
    const char *value = NULL, *where[2], *pos[2];
    bool flag = false;
    size_t n_where, n_pos;
    struct lm_error err;

    (void)state;
    assert_int_equal(options(8, argv, &value, &flag, where, &n_where, pos, &n_pos, &err), LM_OK);
    assert_string_equal(value, "village");
    assert_true(flag);
    assert_int_equal(n_where, 2);
    assert_string_equal(where[0], "a=b");
    assert_string_equal(where[1], "c=d");
    assert_int_equal(n_pos, 2);
    assert_string_equal(pos[0], "I1");
    assert_string_equal(pos[1], "-");
    assert_int_equal(options(2, bad, &value, &flag, where, &n_where, pos, &n_pos, &err),
                     LM_ERR_INVALID);
    assert_string_equal(err.code, "usage");
    assert_int_equal(options(3, raw, &value, &flag, where, &n_where, pos, &n_pos, &err), LM_OK);
    assert_string_equal(pos[0], "--bye");
    assert_int_equal(options(4, many, &value, &flag, where, &n_where, pos, &n_pos, &err),
                     LM_ERR_INVALID);
    assert_int_equal(options(4, extra, &value, &flag, where, &n_where, pos, &n_pos, &err),
                     LM_ERR_INVALID);
    assert_int_equal(options(2, missing, &value, &flag, where, &n_where, pos, &n_pos, &err),
                     LM_ERR_INVALID);
    flag_value[1] = offline_value;
    assert_int_equal(options(2, flag_value, &value, &flag, where, &n_where, pos, &n_pos, &err),
                     LM_ERR_INVALID);
}

static void test_fail(void **state)
{
    struct lm_cli cli = {0};
    struct lm_error err;
    char *text = NULL;
    size_t n = 0;
    json_t *json;

    (void)state;
    cli.err = open_memstream(&text, &n);
    assert_non_null(cli.err);
    (void)lm_fail(&err, LM_ERR_INVALID, "required", "name", "请填写姓名", "Fill in the name");
    assert_int_equal(lm_cli_fail(&cli, "lastmile-hub", &err), LM_EXIT_FAILED);
    fclose(cli.err);
    assert_string_equal(text, "lastmile-hub: 请填写姓名 / Fill in the name (required)\n");
    free(text);
    json = lm_error_json(&err);
    assert_string_equal(json_string_value(json_object_get(json, "code")), "required");
    assert_string_equal(json_string_value(json_object_get(json, "field")), "name");
    assert_string_equal(json_string_value(json_object_get(json, "text")), "请填写姓名");
    assert_string_equal(json_string_value(json_object_get(json, "text_en")), "Fill in the name");
    json_decref(json);
    cli.err = fopen("/dev/null", "w");
    strcpy(err.code, "usage");
    assert_int_equal(lm_cli_fail(&cli, "lastmile-hub", &err), LM_EXIT_USAGE);
    fclose(cli.err);
}

/* ---- lines and JSON ---- */

static FILE *file_of(const void *data, size_t n)
{
    FILE *file = tmpfile();

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    rewind(file);
    return file;
}

static void test_lines(void **state)
{
    static const char text[] = "one\r\n\nn\0l\nlast";
    FILE *in = file_of(text, sizeof(text) - 1);
    char *line = NULL;
    size_t size = 0, n = 9;
    struct lm_error err;

    (void)state;
    assert_int_equal(lm_ndjson_line(in, &line, &size, &n, &err), LM_OK);
    assert_string_equal(line, "one");
    assert_int_equal(n, 3);
    assert_int_equal(lm_ndjson_line(in, &line, &size, &n, &err), LM_OK);
    assert_int_equal(n, 0);
    assert_int_equal(lm_ndjson_line(in, &line, &size, &n, &err), LM_ERR_INVALID);
    assert_int_equal(lm_ndjson_line(in, &line, &size, &n, &err), LM_OK);
    assert_string_equal(line, "last");
    assert_int_equal(lm_ndjson_line(in, &line, &size, &n, &err), LM_ERR_NOT_FOUND);
    fclose(in);
    free(line);
}

static void test_long_lines(void **state)
{
    enum { MAX = LM_LINE_BYTES_MAX };
    char *text = malloc(2 * MAX + 100), *line = NULL;
    size_t size = 0, n = 0;
    struct lm_error err;
    FILE *in;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 2 * MAX + 100);
    text[MAX] = '\n';         /* exactly as long as it may be */
    text[2 * MAX + 2] = '\n'; /* one more */
    text[2 * MAX + 4] = '\n';
    in = file_of(text, 2 * MAX + 5);
    assert_int_equal(lm_ndjson_line(in, &line, &size, &n, &err), LM_OK);
    assert_int_equal(n, MAX);
    assert_int_equal(lm_ndjson_line(in, &line, &size, &n, &err), LM_ERR_LIMIT);
    assert_string_equal(err.code, "line_too_long");
    assert_int_equal(lm_ndjson_line(in, &line, &size, &n, &err), LM_OK);
    assert_string_equal(line, "x");
    assert_int_equal(lm_ndjson_line(in, &line, &size, &n, &err), LM_ERR_NOT_FOUND);
    fclose(in);
    free(line);
    free(text);
}

static void assert_json(const char *text, size_t n, enum lm_status want, const char *code)
{
    struct lm_error err = {0};
    json_t *json = NULL;

    assert_int_equal(lm_json_object(text, n, &json, &err), want);
    assert_string_equal(err.code, code);
    assert_int_equal(json != NULL, want == LM_OK);
    json_decref(json);
}
#define DEEPER "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":{\"h\":{}}}}}}}}}"
#define GOOD(text) assert_json((text), strlen(text), LM_OK, "")
#define BAD(text, code) assert_json((text), strlen(text), LM_ERR_INVALID, (code))

static void test_json(void **state)
{
    static const char nul[] = "{\"a\":\"\0\"}";
    char *deep = malloc(200001);

    (void)state;
    GOOD("{\"a\":[1,\"二\"]} \n");
    GOOD("\xef\xbb\xbf{}");
    GOOD("{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":{}}}}}}}}");
    GOOD("{\"[[[[[[[[[[\":1}");
    assert_json(DEEPER, strlen(DEEPER), LM_ERR_LIMIT, "too_deep");
    BAD("", "bad_json");
    BAD("[1]", "bad_json");
    BAD("\"a\"", "bad_json");
    BAD("{\"a\":1", "bad_json");
    BAD("{} {}", "bad_json");
    BAD("{\"a\":1}x", "bad_json");
    BAD("{\"a\":1,\"a\":2}", "duplicate_key");
    BAD("{\"a\":\"\\u0000\"}", "bad_json");
    BAD("{\"a\":\"\\ud800\"}", "bad_json");
    BAD("{\"a\":\"\xff\"}", "bad_utf8");
    BAD("{\"a\":\"\xed\xa0\x80\"}", "bad_utf8");
    BAD("{\"a\":1e999}", "bad_json");
    assert_json(nul, sizeof(nul) - 1, LM_ERR_INVALID, "bad_json");
    assert_non_null(deep);
    memset(deep, '[', 200000);
    deep[200000] = '\0';
    assert_json(deep, 200000, LM_ERR_LIMIT, "too_deep");
    free(deep);
}

static void assert_says(const char *text, const char *code, const char *part)
{
    json_t *json = NULL;
    struct lm_error err;

    assert_int_equal(lm_json_object(text, strlen(text), &json, &err), LM_ERR_INVALID);
    assert_string_equal(err.code, code);
    if (!strstr(err.zh, part)) {
        fail_msg("%s does not say %s", err.zh, part);
    }
}

static void test_json_sentences(void **state)
{
    (void)state;
    assert_says("{\"type\":\"visit\",“fields”:{}}", "bad_json", "英文");
    assert_says("{\"type\"：\"visit\"}", "bad_json", "英文");
    assert_says("{\"type\":\"“走访”，\",}", "bad_json", "第 ");
    assert_says("{\"a\":99999999999999999999}", "bad_json", "太大");
    assert_says("{\"a\":1,\"a\":2}", "duplicate_key", "两次");
}

static char *rows(bool as_json, size_t n)
{
    struct lm_cli cli = {.json = as_json};
    char *text = NULL;
    size_t size = 0;

    cli.out = open_memstream(&text, &size);
    assert_non_null(cli.out);
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_pack("{s:I}", "n", (json_int_t)i);

        lm_cli_row(&cli, row);
        json_decref(row);
    }
    lm_cli_rows_end(&cli);
    assert_int_equal(fclose(cli.out), 0);
    return text;
}

static void test_rows(void **state)
{
    static const char *const want[2][3] = {
        {"", "{\"n\":0}\n", "{\"n\":0}\n{\"n\":1}\n"},
        {"[]\n", "[{\"n\":0}\n]\n", "[{\"n\":0}\n,{\"n\":1}\n]\n"}};

    (void)state;
    for (size_t n = 0; n < 3; n++) {
        for (int as_json = 0; as_json < 2; as_json++) {
            char *text = rows(as_json, n);

            assert_string_equal(text, want[as_json][n]);
            free(text);
        }
    }
}

static void test_print(void **state)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    json_t *json = json_pack("{s:s, s:f, s:[i]}", "b", "二", "a", 12.3, "c", 4);

    (void)state;
    lm_json_print(out, json);
    fclose(out);
    assert_string_equal(text, "{\"b\":\"二\",\"a\":12.3,\"c\":[4]}\n");
    free(text);
    json_decref(json);
}

/* ---- data directory ---- */

static void test_datadir(void **state)
{
    char top[] = "/tmp/lm-dir-XXXXXX", path[128], file[PATH_MAX], longest[PATH_MAX + 10];
    struct lm_datadir dir = {.lock_fd = -1}, second = {.lock_fd = -1};
    struct lm_error err;
    struct stat info;
    char pid[32], *data;
    size_t n;

    (void)state;
    assert_non_null(mkdtemp(top));
    unsetenv("LASTMILE_DATA");
    assert_int_equal(lm_datadir_open(NULL, true, &dir, &err), LM_ERR_INVALID);
    assert_string_equal(err.code, "no_data_dir");
    snprintf(path, sizeof(path), "%s/a/b/", top);
    assert_int_equal(lm_datadir_open(path, true, &dir, &err), LM_ERR_NOT_FOUND);
    assert_non_null(strstr(err.en, "init"));
    assert_int_equal(lm_datadir_open(path, false, &dir, &err), LM_OK);
    assert_int_equal(stat(dir.path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    setenv("LASTMILE_DATA", path, 1);
    assert_int_equal(lm_datadir_open(NULL, true, &second, &err), LM_OK);
    unsetenv("LASTMILE_DATA");
    assert_string_equal(second.path, dir.path);
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    struct lm_datadir third;
    assert_int_equal(lm_datadir_open(longest, false, &third, &err), LM_ERR_LIMIT);

    assert_int_equal(lm_datadir_lock(&dir, "serve.lock", &err), LM_OK);
    assert_int_equal(lm_datadir_lock(&second, "serve.lock", &err), LM_ERR_BUSY);
    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    assert_non_null(strstr(err.en, pid));
    lm_datadir_close(&dir);
    assert_int_equal(lm_datadir_lock(&second, "serve.lock", &err), LM_OK);
    lm_datadir_close(&second);

    assert_int_equal(lm_datadir_path(&dir, "x", file, 5), LM_ERR_LIMIT);
    assert_int_equal(lm_datadir_path(&dir, "file", file, sizeof(file)), LM_OK);
    assert_int_equal(lm_file_read(file, 10, &data, &n, &err), LM_ERR_NOT_FOUND);
    assert_int_equal(lm_file_write(file, "0123456789", 10, 0600, &err), LM_OK);
    assert_int_equal(lm_file_write(file, "abcdefghij", 10, 0640, &err), LM_OK);
    assert_int_equal(stat(file, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(lm_file_read(file, 9, &data, &n, &err), LM_ERR_LIMIT);
    assert_null(data);
    assert_int_equal(lm_file_read(file, 10, &data, &n, &err), LM_OK);
    assert_int_equal(n, 10);
    assert_string_equal(data, "abcdefghij");
    free(data);
    assert_int_equal(lm_file_read(dir.path, 10, &data, &n, &err), LM_ERR_IO);
    assert_int_not_equal(lm_file_write("/nonexistent/x", "", 0, 0600, &err), LM_OK);
    assert_int_equal(lm_datadir_open(file, false, &third, &err), LM_ERR_INVALID);
    assert_true(lm_free_bytes(dir.path) > 0);
    assert_int_equal(lm_free_bytes("/nonexistent"), -1);

    (void)unlink(file);
    assert_int_equal(lm_datadir_path(&dir, "serve.lock", file, sizeof(file)), LM_OK);
    (void)unlink(file);
    assert_int_equal(rmdir(dir.path), 0); /* no temporary file is left */
    snprintf(path, sizeof(path), "%s/a", top);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(top), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),   cmocka_unit_test(test_parse_defaults),
        cmocka_unit_test(test_options), cmocka_unit_test(test_fail),
        cmocka_unit_test(test_lines),   cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_json),    cmocka_unit_test(test_print),
        cmocka_unit_test(test_rows),    cmocka_unit_test(test_json_sentences),
        cmocka_unit_test(test_datadir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
