/* Lines as `add` takes them, through a sink that keeps nothing: every line has one answer, and what
 * reaches the sink has the shape that the header promises. */
#include "common/entry.h"
#include "proto/limits.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum lm_status save(void *ctx, const struct lm_entry *entry, struct lm_entry_result *result,
                           struct lm_error *err)
{
    unsigned *n = ctx;
    uint8_t hash[32];

    LM_CHECK(json_is_object(entry->fields) || entry->op == LM_OP_UNDELETE);
    LM_CHECK((entry->op == LM_OP_CREATE) == (entry->type != NULL));
    LM_CHECK(entry->op == LM_OP_CREATE || entry->id);
    LM_CHECK(!entry->station || strlen(entry->station) == 12);
    if (entry->op == LM_OP_CREATE) {
        (void)!lm_entry_hash(entry->type, entry->station, entry->fields, hash);
    }
    if (++*n % 3 == 0) {
        return lm_fail(err, LM_ERR_INVALID, "required", "name", "不行。", "No.");
    }
    (void)snprintf(result->id, sizeof(result->id), "01932f00-1111-7222-8333-%012x", *n);
    return LM_OK;
}

static enum lm_status flush(void *ctx, struct lm_error *err)
{
    (void)ctx;
    (void)err;
    return LM_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = NULL;
    size_t len = 0;
    unsigned n = 0;
    struct lm_entry_sink sink = {.ctx = &n, .save = save, .flush = flush, .batch = 3};
    struct lm_cli cli = {0};

    if (size < 2) {
        return 0;
    }
    sink.with_station = data[0] & 1;
    cli.json = data[0] & 2;
    cli.user = "fuzz";
    cli.in = fmemopen((void *)(uintptr_t)(data + 1), size - 1, "r");
    cli.out = open_memstream(&text, &len);
    cli.err = fopen("/dev/null", "w");
    LM_CHECK(cli.in && cli.out && cli.err);
    int code = lm_entry_run(&cli, "fuzz", &sink);
    LM_CHECK(code == LM_EXIT_OK || code == LM_EXIT_FAILED || code == LM_EXIT_USAGE);
    fclose(cli.in);
    fclose(cli.out);
    fclose(cli.err);
    LM_CHECK(len == 0 || text[len - 1] == '\n');
    free(text);
    return 0;
}
