/* bundle import FILE… [--reply FILE|FOLDER] and bundle salvage FILE…, at whoever has the files:
 * they are put in order, given to the command one by one (here or through the server's socket), and
 * the replies are written.
 *
 * A reply is written only after what it acks is committed; when it cannot be written, importing the
 * same file again makes it anew. */
#include "hub/bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILES_MAX 50
#define INCOMPLETE (-1) /* taken in, but not all of its export is here */

struct file {
    const char *path;
    struct lm_bundle_head head; /* as far as it could be read: for the order only */
};
struct job {
    struct lm_hub *hub;
    const struct lm_hub_command *command;
    struct lm_cli *cli;
    int (*run)(struct lm_hub *hub, const struct lm_hub_command *command, struct lm_cli *cli);
    struct file files[FILES_MAX];
    size_t n;
    const char *reply; /* NULL: none wanted */
    bool to_folder;
    json_t *rows;
    FILE *out; /* the caller's */
};

static enum lm_status read_arguments(struct job *job, struct lm_error *err)
{
    static const char prefix[] = "--reply=";
    struct lm_cli *cli = job->cli;
    struct stat info;

    for (int i = 2; i < cli->argc; i++) {
        const char *word = cli->argv[i];

        if (strcmp(word, "--reply") == 0 && i + 1 < cli->argc) {
            job->reply = cli->argv[++i];
        } else if (strncmp(word, prefix, sizeof prefix - 1) == 0) {
            job->reply = word + sizeof prefix - 1;
        } else if (word[0] == '-' && word[1]) {
            return lm_fail(err, LM_ERR_INVALID, "usage", "", "没有这个选项:%s",
                           "no such option: %s", word);
        } else if (job->n == FILES_MAX) {
            return lm_fail(err, LM_ERR_LIMIT, "usage", "", "一次最多导入 %d 个文件",
                           "at most %d files at a time", FILES_MAX);
        } else {
            job->files[job->n++].path = word;
        }
    }
    if (job->n == 0) {
        return lm_fail(err, LM_ERR_INVALID, "usage", "", "缺少数据包文件", "a bundle is missing");
    }
    job->to_folder = job->reply && stat(job->reply, &info) == 0 && S_ISDIR(info.st_mode);
    return LM_OK;
}

/* The header alone, unproven: it only says in which order to take the files. */
static void peek(struct file *file)
{
    uint8_t head[LM_BUNDLE_HEAD_BYTES];
    FILE *f = fopen(file->path, "rbe");
    size_t n = f ? fread(head, 1, sizeof head, f) : 0;

    if (n == sizeof head) {
        lm_bundle_head_peek(head, &file->head);
    }
    if (f) {
        (void)fclose(f);
    }
}

static int compare(const void *a, const void *b)
{
    const struct lm_bundle_head *x = &((const struct file *)a)->head,
                                *y = &((const struct file *)b)->head;
    int keys = memcmp(x->key, y->key, sizeof x->key);

    if (keys != 0) {
        return keys;
    }
    if (x->number != y->number) {
        return x->number < y->number ? -1 : 1;
    }
    return x->part < y->part ? -1 : x->part > y->part;
}

static bool flag(const json_t *row, const char *name)
{
    return json_is_true(json_object_get(row, name));
}

static long long number(const json_t *row, const char *name)
{
    return (long long)json_integer_value(json_object_get(row, name));
}

static const char *text(const json_t *row, const char *name)
{
    const char *t = json_string_value(json_object_get(row, name));

    return t ? t : "";
}

static enum lm_status write_reply(struct job *job, json_t *row, const uint8_t *data, size_t n,
                                  struct lm_error *err)
{
    char path[PATH_MAX];
    bool enrolment = strcmp(text(row, "kind"), "enrolment") == 0;
    int len = job->to_folder ? snprintf(path, sizeof path, "%s/lm-%s-%s%lld.lmb", job->reply,
                                        text(row, "station"), enrolment ? "enrolled-" : "reply-",
                                        number(row, "export"))
                             : snprintf(path, sizeof path, "%s", job->reply);
    enum lm_status status;

    if (len < 0 || (size_t)len >= sizeof path) {
        return lm_fail(err, LM_ERR_LIMIT, "path_too_long", "", "路径过长", "the path is too long");
    }
    status = lm_file_write(path, data, n, 0600, err);
    if (status == LM_OK) {
        (void)json_object_set_new(row, "reply", json_string(path));
    }
    return status;
}

static void print_bundle(FILE *out, const json_t *row)
{
    fprintf(out, "%s:服务站 %s 第 %lld 次导出,新收 %lld 条 / export %lld, %lld new\n",
            text(row, "file"), text(row, "station"), number(row, "export"), number(row, "new"),
            number(row, "export"), number(row, "new"));
    if (flag(row, "part_missing") || !flag(row, "complete")) {
        if (flag(row, "diverged")) {
            fprintf(out,
                    "  这台电脑的数据与已收到的不一致(退回过旧备份,或有两台在用):请把回复带回去,"
                    "再导出一次 / its log is another than what is here (it went back in time, "
                    "or there are two of it): take the reply back and export again\n");
        } else {
            fprintf(out,
                    "  还缺这次导出的其他文件(共 %lld 个),请一起导入 / other files of this "
                    "export (%lld in all) are missing: import them too\n",
                    number(row, "parts"), number(row, "parts"));
        }
    }
    if (json_object_get(row, "reply")) {
        fprintf(out, "  回复 / reply: %s\n", text(row, "reply"));
    }
}

static void print_row(struct job *job, const json_t *row)
{
    const char *kind = text(row, "kind");

    if (strcmp(kind, "enrolment") == 0) {
        fprintf(job->out,
                "%s:服务站 %s 已入网,请把回复带回去 / enrolled; take the reply back: %s\n",
                text(row, "file"), text(row, "station"), text(row, "reply"));
    } else if (strcmp(kind, "salvage") == 0) {
        fprintf(job->out,
                "%s:%lld 条待审,用 salvaged 查看 / %lld changes wait for a decision: see "
                "`salvaged`\n",
                text(row, "file"), number(row, "to_review"), number(row, "to_review"));
    } else {
        print_bundle(job->out, row);
    }
}

/* What the command printed: a line of JSON, then the reply. */
static int take_output(struct job *job, const struct file *file, FILE *from)
{
    struct lm_error err = {0};
    struct lm_buf all;
    uint8_t chunk[65536];
    size_t n, line;
    json_t *row;
    int code = LM_EXIT_OK;

    lm_buf_init(&all, LM_BUNDLE_BYTES_MAX + 65536);
    rewind(from);
    while ((n = fread(chunk, 1, sizeof chunk, from)) > 0) {
        lm_buf_add(&all, chunk, n);
    }
    for (line = 0; line < all.len && all.data[line] != '\n'; line++) {
    }
    row = all.status == LM_OK && line < all.len ? json_loadb((const char *)all.data, line, 0, NULL)
                                                : NULL;
    if (!row) {
        (void)lm_fail(&err, LM_ERR_INTERNAL, "internal", "", "服务器的应答读不懂",
                      "the server's answer could not be read");
        lm_buf_free(&all);
        return lm_hub_fail(job->cli, &err);
    }
    (void)json_object_set_new(row, "file", json_string(file->path));
    if (job->reply && all.len > line + 1 &&
        write_reply(job, row, all.data + line + 1, all.len - line - 1, &err) != LM_OK) {
        code = lm_hub_fail(job->cli, &err);
        fprintf(job->cli->err, "数据已收下,只是回复没写成:请再导入一次 / the data is in; only the "
                               "reply was not written: import again\n");
    }
    if (strcmp(text(row, "kind"), "bundle") == 0 && !flag(row, "complete")) {
        code = code == LM_EXIT_OK ? INCOMPLETE : code;
    }
    if (!job->cli->json) {
        print_row(job, row);
    }
    (void)json_array_append_new(job->rows, row);
    lm_buf_free(&all);
    return code;
}

static int one_file(struct job *job, const struct file *file)
{
    static char bundle[] = "bundle", import[] = "import", salvage[] = "salvage", dash[] = "-";
    char *argv[] = {bundle, strstr(job->command->name, "salvage") ? salvage : import, dash};
    struct lm_error err = {0};
    struct lm_cli cli = *job->cli;
    int code;

    cli.argc = 3;
    cli.argv = argv;
    cli.in = strcmp(file->path, "-") == 0 ? stdin : fopen(file->path, "rbe");
    cli.out = tmpfile();
    if (!cli.in || !cli.out) {
        (void)lm_fail(&err, LM_ERR_IO, "no_file", "", "打不开文件 %s:%s", "cannot open %s: %s",
                      file->path, strerror(errno));
        code = lm_hub_fail(job->cli, &err);
    } else {
        code = job->run(job->hub, job->command, &cli);
        if (code == LM_EXIT_OK) {
            code = take_output(job, file, cli.out);
        } else {
            fprintf(job->cli->err, "  (%s)\n", file->path);
        }
    }
    if (cli.in && cli.in != stdin) {
        (void)fclose(cli.in);
    }
    if (cli.out) {
        (void)fclose(cli.out);
    }
    return code;
}

/* Of the parts of an export only the last one tells whether all is here: from it back to the first.
 */
static void settle_codes(const struct job *job, int *codes)
{
    for (size_t i = job->n; i-- > 1;) {
        const struct lm_bundle_head *a = &job->files[i - 1].head, *b = &job->files[i].head;

        if (codes[i - 1] == INCOMPLETE && codes[i] == LM_EXIT_OK && a->number == b->number &&
            memcmp(a->key, b->key, sizeof a->key) == 0) {
            codes[i - 1] = LM_EXIT_OK;
        }
    }
}

int lm_hub_bundle_files(struct lm_hub *hub, const struct lm_hub_command *command,
                        struct lm_cli *cli,
                        int (*run)(struct lm_hub *hub, const struct lm_hub_command *command,
                                   struct lm_cli *cli))
{
    struct job job = {.hub = hub, .command = command, .cli = cli, .run = run, .out = cli->out};
    struct lm_error err = {0};
    int codes[FILES_MAX], code = LM_EXIT_OK;

    if (read_arguments(&job, &err) != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    for (size_t i = 0; i < job.n; i++) {
        peek(&job.files[i]);
    }
    qsort(job.files, job.n, sizeof *job.files, compare);
    job.rows = json_array();
    for (size_t i = 0; i < job.n; i++) {
        codes[i] = one_file(&job, &job.files[i]);
    }
    settle_codes(&job, codes);
    for (size_t i = 0; i < job.n; i++) {
        code = codes[i] == LM_EXIT_OK ? code : LM_EXIT_FAILED;
    }
    if (cli->json) {
        json_t *doc = json_pack("{s:O}", "files", job.rows);

        lm_json_print(cli->out, doc);
        json_decref(doc);
    }
    json_decref(job.rows);
    return code;
}
