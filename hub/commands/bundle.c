/* bundle import, bundle salvage, salvaged …: the part that runs where the writer is. It reads one
 * file from its input and prints one line of JSON, behind which the reply's bytes stand
 * (bundle_files.c takes them apart). */
#include "hub/bundle.h"
#include "common/base/util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The whole of in, ≤ a bundle's limit. */
static enum lm_status read_all(FILE *in, struct lm_buf *buf, struct lm_error *err)
{
    uint8_t chunk[65536];
    size_t n;

    while (buf->status == LM_OK && (n = fread(chunk, 1, sizeof chunk, in)) > 0) {
        lm_buf_add(buf, chunk, n);
    }
    if (buf->status == LM_ERR_LIMIT) {
        return lm_fail(err, LM_ERR_LIMIT, "too_large", "", "文件太大,不是本系统的数据包",
                       "the file is too large for a Lastmile bundle");
    }
    if (buf->status != LM_OK) {
        return lm_fail(err, buf->status, "memory", "", "内存不足", "out of memory");
    }
    if (ferror(in)) {
        return lm_fail(err, LM_ERR_IO, "io_error", "", "读文件出错(%s):U盘可能已被拔出,请重试",
                       "reading failed (%s): the stick may have been pulled out; try again",
                       strerror(errno));
    }
    return LM_OK;
}

static json_t *import_json(const struct lm_hub_bundle *b)
{
    char replica[24];

    (void)snprintf(replica, sizeof replica, "%llu", (unsigned long long)b->replica);
    return json_pack("{s:s,s:s,s:s,s:I,s:i,s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:b,s:b,s:b}", "kind",
                     b->enrolled ? "enrolment" : "bundle", "station", b->station, "replica",
                     replica, "export", (json_int_t)b->head.number, "part", (int)b->head.part,
                     "parts", (int)b->head.parts, "new", (json_int_t)b->n_new, "known",
                     (json_int_t)(b->n_sent > b->n_new ? b->n_sent - b->n_new : 0), "told",
                     (json_int_t)b->n_told, "given_back", (json_int_t)b->n_back, "acked",
                     (json_int_t)b->acked_seq, "head", (json_int_t)b->head_seq, "complete",
                     (int)(b->complete || b->enrolled), "part_missing", (int)b->gap, "diverged",
                     (int)b->diverged, "more", (int)b->more);
}

static enum lm_status no_options(struct lm_cli *cli, struct lm_error *err)
{
    const char *positional[1];
    size_t n = 0;

    return lm_hub_options(cli, NULL, 0, positional, 1, &n, err);
}

int lm_cmd_bundle_import(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    struct lm_hub_bundle done;
    struct lm_buf data, reply;
    enum lm_status status = no_options(cli, &err);

    lm_buf_init(&data, LM_BUNDLE_BYTES_MAX + 1);
    lm_buf_init(&reply, LM_BUNDLE_BYTES_MAX);
    if (status == LM_OK) {
        status = read_all(cli->in, &data, &err);
    }
    if (status == LM_OK) {
        status = lm_hub_bundle_take(hub, data.data, data.len, &done, &reply, &err);
    }
    if (status == LM_OK) {
        json_t *doc = import_json(&done);

        lm_json_print(cli->out, doc);
        json_decref(doc);
        if (done.reply) {
            (void)fwrite(reply.data, 1, reply.len, cli->out);
        }
    }
    lm_buf_free(&data);
    lm_buf_free(&reply);
    return status == LM_OK ? LM_EXIT_OK : lm_hub_fail(cli, &err);
}

int lm_cmd_bundle_salvage(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    struct lm_hub_bundle done;
    struct lm_buf data;
    size_t n = 0;
    enum lm_status status = no_options(cli, &err);

    lm_buf_init(&data, LM_BUNDLE_BYTES_MAX + 1);
    if (status == LM_OK) {
        status = read_all(cli->in, &data, &err);
    }
    if (status == LM_OK) {
        status = lm_hub_bundle_salvage(hub, data.data, data.len, &done, &n, &err);
    }
    if (status == LM_OK) {
        json_t *doc = json_pack("{s:s,s:s,s:I}", "kind", "salvage", "station", done.station,
                                "to_review", (json_int_t)n);

        lm_json_print(cli->out, doc);
        json_decref(doc);
    }
    lm_buf_free(&data);
    return status == LM_OK ? LM_EXIT_OK : lm_hub_fail(cli, &err);
}

/* ---- salvaged: list, accept, dismiss ---- */

int lm_cmd_salvaged(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    enum lm_status status = lm_store_salvaged(hub->store, lm_hub_row, cli, &err);

    return lm_hub_rows_end(cli, status, &err);
}

static int decide(struct lm_hub *hub, struct lm_cli *cli, bool accept)
{
    struct lm_error err = {0};
    int64_t id = 0;
    size_t n = 0;
    enum lm_status status = lm_hub_choice(cli, &id, &err);

    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
        if (status == LM_OK) {
            status = lm_store_salvage_decide(hub->store, id, accept, cli->user, lm_clock_wall_ms(),
                                             &n, &err);
        }
        if (status == LM_OK) {
            status = lm_store_commit(hub->store, &err);
        } else {
            lm_store_rollback(hub->store);
        }
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    if (cli->json) {
        json_t *doc = json_pack("{s:I}", accept ? "accepted" : "dismissed", (json_int_t)n);

        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        fprintf(cli->out,
                accept ? "已采用 %zu 条 / %zu accepted\n" : "已舍弃 %zu 条 / %zu dismissed\n", n,
                n);
    }
    return LM_EXIT_OK;
}

int lm_cmd_salvaged_accept(struct lm_hub *hub, struct lm_cli *cli)
{
    return decide(hub, cli, true);
}

int lm_cmd_salvaged_dismiss(struct lm_hub *hub, struct lm_cli *cli)
{
    return decide(hub, cli, false);
}
