/* bundle export, bundle import: what a person carries on a stick. An import runs where the link is:
 * in the running server, or here under the link lock. */
#include "node/bundle.h"
#include "common/base/util.h"
#include "node/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- export ---- */

static enum lm_status read_export_options(struct lm_cli *cli, const char **path, size_t *max_bytes,
                                          struct lm_error *err)
{
    const char *bytes = NULL, *positional[1];
    const struct lm_cli_option options[] = {{.name = "--max-bytes", .value = &bytes}};
    size_t n = 0;
    char *end = NULL;
    unsigned long long max = LM_BUNDLE_BYTES_MAX;
    struct lm_cli rest = *cli;
    enum lm_status st;

    rest.argc--;
    rest.argv++;
    st = lm_cli_options(&rest, options, 1, positional, 1, &n, err);
    if (st == LM_OK && n != 1) {
        st = lm_node_usage(err, "缺少文件名或U盘上的文件夹",
                           "a file, or a folder on the stick, is missing");
    }
    if (st == LM_OK && bytes) {
        max = strtoull(bytes, &end, 10);
        if (end == bytes || *end || max < LM_EXPORT_BYTES_MIN || max > LM_BUNDLE_BYTES_MAX) {
            st = lm_node_usage(err, "--max-bytes 应为 131072 至 67108864",
                               "--max-bytes takes 131072 to 67108864");
        }
    }
    if (st == LM_OK) {
        *path = positional[0];
        *max_bytes = (size_t)max;
    }
    return st;
}

static void print_export(struct lm_cli *cli, const struct lm_export_done *done)
{
    json_t *files = json_array(), *doc;
    char path[PATH_MAX];

    for (uint16_t part = 1; part <= done->parts; part++) {
        if (lm_node_part_name(done->first, part, path, sizeof path)) {
            (void)json_array_append_new(files, json_string(path));
        }
    }
    if (cli->json) {
        doc = json_pack("{s:I,s:I,s:I,s:I,s:b,s:O}", "export", (json_int_t)done->number, "parts",
                        (json_int_t)done->parts, "changes", (json_int_t)done->changes, "unsent",
                        (json_int_t)done->unsent, "gives_back", (int)done->gives_back, "files",
                        files);
        if (doc) {
            lm_json_print(cli->out, doc);
        }
        json_decref(doc);
    } else {
        size_t i;
        json_t *file;

        fprintf(cli->out,
                "已导出（第 %llu 次，%llu 条改动），请把下列文件全部带到镇里 / exported (number "
                "%llu, %llu changes); bring all of these to the town:\n",
                (unsigned long long)done->number, (unsigned long long)done->changes,
                (unsigned long long)done->number, (unsigned long long)done->changes);
        json_array_foreach(files, i, file)
        {
            fprintf(cli->out, "  %s\n", json_string_value(file));
        }
        if (done->gives_back) {
            fprintf(cli->out, "其中有镇服务器恢复旧备份后缺少的内容，交还给镇里 / what the town's "
                              "server lost with its restore goes back with it\n");
        }
    }
    json_decref(files);
}

static int cmd_export(struct lm_node *node, struct lm_cli *cli)
{
    struct lm_error err = {0};
    struct lm_node_key key;
    struct lm_export_done done;
    const char *path = NULL;
    size_t max_bytes = 0;
    enum lm_status st = read_export_options(cli, &path, &max_bytes, &err);

    memset(&key, 0, sizeof key);
    if (st == LM_OK) {
        st = lm_node_key_enrolled(&node->dir, &key, &err);
    }
    if (st == LM_OK) {
        st = lm_node_export(node->store, &key, path, max_bytes, &done, &err);
    }
    if (st == LM_OK) {
        print_export(cli, &done);
    }
    lm_node_key_wipe(&key);
    return st == LM_OK ? LM_EXIT_OK : lm_node_fail(cli, &err);
}

/* ---- import ---- */

static void print_import(struct lm_cli *cli, const struct lm_import_done *d)
{
    if (cli->json) {
        json_t *doc = json_pack(
            "{s:I,s:s,s:b,s:b,s:b,s:I,s:I,s:I,s:I,s:I}", "export", (json_int_t)d->number, "result",
            d->old     ? "old"
            : d->stale ? "stale"
                       : "taken",
            "more", (int)d->more, "forked", (int)d->forked, "gives_back", (int)d->gives_back,
            "acked", (json_int_t)d->acked_now, "pending", (json_int_t)d->pending, "records",
            (json_int_t)d->records, "catalog", (json_int_t)d->catalog, "histories",
            (json_int_t)d->histories);

        if (doc) {
            lm_json_print(cli->out, doc);
        }
        json_decref(doc);
        return;
    }
    if (d->old) {
        fprintf(cli->out, "这个回复已经收过，或已收过更新的，不必再导入 / this reply, or a newer "
                          "one, was taken before\n");
        return;
    }
    fprintf(cli->out,
            "已收下镇里的回复：新确认 %llu 条，还有 %llu 条待确认，收到 %llu 条记录 / reply taken: "
            "%llu newly acked, %llu to go, %llu records\n",
            (unsigned long long)d->acked_now, (unsigned long long)d->pending,
            (unsigned long long)d->records, (unsigned long long)d->acked_now,
            (unsigned long long)d->pending, (unsigned long long)d->records);
    if (d->stale) {
        fprintf(cli->out, "导出之后本机又与镇里同步过，回复里的记录已经过时，没有采用 / this PC "
                          "has heard from the hub since: the reply's records are out of date\n");
    }
    if (d->catalog > 0) {
        fprintf(cli->out, "业务目录已更新为第 %u 版 / catalogue %u is in force\n", d->catalog,
                d->catalog);
    } else if (d->catalog_refused) {
        fprintf(cli->out, "镇里的业务目录与本机的不同，本机继续使用自己的，原因见 status / the "
                          "town's catalogue is another and was not taken: see `status`\n");
    }
    if (d->histories > 0) {
        fprintf(cli->out, "%llu 条记录的修改经过已取回 / the history of %llu records came\n",
                (unsigned long long)d->histories, (unsigned long long)d->histories);
    }
    if (d->gives_back) {
        fprintf(
            cli->out,
            "镇服务器恢复过旧备份，备份之后镇里办的，本机还有：请再导出一次带到镇里交还 / the "
            "town's server went back to a backup; what the town did since is still here: export "
            "again to give it back\n");
    }
    if (d->forked) {
        fprintf(cli->out, "本机的数据曾退回到旧备份：请再导出一次带到镇里，以补齐 / this PC's data "
                          "had gone back in time: export again\n");
    } else if (d->more) {
        fprintf(cli->out, "镇里还有更多记录没装下：请再导出一次带到镇里 / the town has more for "
                          "this PC: export again\n");
    }
}

/* The whole of in, ≤ a bundle's limit. */
static enum lm_status read_all(FILE *in, uint8_t **out, size_t *n_out, struct lm_error *err)
{
    struct lm_buf buf;
    uint8_t chunk[65536];
    size_t n;
    enum lm_status st;

    lm_buf_init(&buf, LM_BUNDLE_BYTES_MAX + 1);
    while (buf.status == LM_OK && (n = fread(chunk, 1, sizeof chunk, in)) > 0) {
        lm_buf_add(&buf, chunk, n);
    }
    st = buf.status;
    if (st == LM_OK && ferror(in)) {
        st = lm_fail(err, LM_ERR_IO, "io_error", "", "读文件出错（%s）：U盘可能已被拔出，请重试。",
                     "Reading failed (%s): the stick may have been pulled out. Try again.",
                     strerror(errno));
    } else if (st == LM_ERR_LIMIT) {
        st = lm_fail(err, st, "too_large", "", "文件太大，不是本系统的数据包。",
                     "The file is too large for a Lastmile bundle.");
    } else if (st != LM_OK) {
        st = lm_fail(err, st, "memory", "", "内存不足。", "Out of memory.");
    }
    *out = buf.data;
    *n_out = buf.len;
    if (st != LM_OK) {
        lm_buf_free(&buf);
        *out = NULL;
    }
    return st;
}

/* By who holds the link lock. */
int lm_node_bundle_import(struct lm_nstore *store, const struct lm_node_key *key,
                          struct lm_cli *cli)
{
    struct lm_error err = {0};
    struct lm_import_done done;
    uint8_t *data = NULL;
    size_t n = 0;
    enum lm_status st = read_all(cli->in, &data, &n, &err);

    if (st == LM_OK) {
        st = lm_node_import(store, key, data, n, &done, &err);
    }
    if (st == LM_OK) {
        print_import(cli, &done);
    }
    free(data);
    return st == LM_OK ? LM_EXIT_OK : lm_node_fail(cli, &err);
}

static int ask_server(struct lm_node *node, struct lm_cli *cli, const struct lm_error *busy)
{
    static char bundle[] = "bundle", import[] = "import", json[] = "--json";
    char *argv[] = {bundle, import, json};
    struct lm_error err = {0};
    int code = LM_EXIT_FAILED;
    enum lm_status st = lm_control_call_to(node->dir.path, cli->json ? 3 : 2, argv, cli->in, 0,
                                           cli->out, cli->err, &code, &err);

    if (st == LM_OK) {
        return code;
    }
    return lm_node_fail(cli, st == LM_ERR_NOT_FOUND ? busy : &err);
}

static int cmd_import(struct lm_node *node, struct lm_cli *cli)
{
    struct lm_error err = {0};
    struct lm_node_key key;
    FILE *file = NULL, *before = cli->in;
    int code;
    enum lm_status st = LM_OK;

    memset(&key, 0, sizeof key);
    if (cli->argc != 3) {
        st = lm_node_usage(&err, "应给出一个回复文件", "takes one reply file");
    } else if (strcmp(cli->argv[2], "-") != 0) {
        file = fopen(cli->argv[2], "rbe");
        if (!file) {
            st = lm_fail(&err, LM_ERR_NOT_FOUND, "no_file", "", "打不开文件 %s（%s）。",
                         "%s cannot be opened (%s).", cli->argv[2], strerror(errno));
        } else {
            cli->in = file;
        }
    }
    if (st == LM_OK) {
        st = lm_datadir_lock(&node->dir, LM_NODE_LOCK, &err);
    }
    if (st == LM_ERR_BUSY) {
        code = ask_server(node, cli, &err);
    } else {
        if (st == LM_OK) {
            st = lm_node_key_enrolled(&node->dir, &key, &err);
        }
        code =
            st == LM_OK ? lm_node_bundle_import(node->store, &key, cli) : lm_node_fail(cli, &err);
    }
    lm_node_key_wipe(&key);
    cli->in = before;
    if (file) {
        (void)fclose(file);
    }
    return code;
}

int lm_node_cmd_bundle(struct lm_node *node, struct lm_cli *cli)
{
    struct lm_error err = {0};
    const char *word = cli->argc > 1 ? cli->argv[1] : "";

    if (strcmp(word, "export") == 0) {
        return cmd_export(node, cli);
    }
    if (strcmp(word, "import") == 0) {
        return cmd_import(node, cli);
    }
    (void)!lm_node_usage(&err, "应为 bundle export 或 bundle import",
                         "say bundle export or bundle import");
    return lm_node_fail(cli, &err);
}
