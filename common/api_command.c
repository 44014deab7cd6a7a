/* A handler that runs a command in the server's own loop. */
#include "common/api.h"
#include "common/cli.h"
#include "common/control.h"

#include <string.h>

/* A command's error line, "lastmile-node: 中文 / English (code)", as an error. */
static enum lm_status fail_as(struct lm_api_call *call, char *line)
{
    char *zh = strstr(line, ": "), *en, *code, *end = strpbrk(line, "\n");

    if (end) {
        *end = '\0';
    }
    zh = zh ? zh + 2 : line;
    en = strstr(zh, " / ");
    if (en) {
        *en = '\0';
        en += 3;
    }
    code = en ? strrchr(en, '(') : NULL;
    if (code) {
        *code++ = '\0';
        code[strcspn(code, ")")] = '\0';
    }
    return lm_fail(&call->err, LM_ERR_INVALID, code ? code : "failed", "", "%s%.0s", "%.0s%s", zh,
                   en ? en : zh);
}

static void read_back(FILE *file, struct lm_buf *out)
{
    char chunk[4096];
    size_t n;

    rewind(file);
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0) {
        lm_buf_add(out, chunk, n);
    }
}

enum lm_status lm_api_command(struct lm_api_call *call, const char *dir, int argc, char **argv,
                              FILE *in, int wait_s, struct lm_buf *out)
{
    FILE *answer = tmpfile(), *words = tmpfile();
    struct lm_buf said;
    int code = LM_EXIT_FAILED;
    enum lm_status st = answer && words ? LM_OK
                                        : lm_fail(&call->err, LM_ERR_IO, "io_error", "",
                                                  "无法建立临时文件。", "No temporary file.");

    lm_buf_init(&said, 16384);
    if (st == LM_OK) {
        st = lm_control_call_to(dir, argc, argv, in, wait_s, answer, words, &code, &call->err);
    }
    if (st == LM_OK && code == LM_EXIT_OK) {
        read_back(answer, out);
        st = out->status == LM_OK ? LM_OK : lm_api_no_memory(call);
    } else if (st == LM_OK) {
        read_back(words, &said);
        lm_buf_add(&said, "", 1);
        st = said.status == LM_OK ? fail_as(call, (char *)said.data) : lm_api_no_memory(call);
    }
    lm_buf_free(&said);
    if (answer) {
        (void)fclose(answer);
    }
    if (words) {
        (void)fclose(words);
    }
    return st;
}
