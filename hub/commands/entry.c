/* add, approve, send-back: what town staff do to records. Each is a journaled change of replica 0.
 */
#include "common/entry.h"
#include "common/base/util.h"
#include "common/tables.h"
#include "hub/acts.h"
#include "hub/program.h"

#include <stdlib.h>
#include <string.h>

#define WHERE_MAX 16
#define BATCH_LINES 200
#define APPROVE_MAX 200000

/* ---- add --------------------------------------------------------------------------------------
 */

struct add_run {
    struct lm_hub *hub;
    const char *user;
    bool open;             /* a transaction is open */
    enum lm_status broken; /* what ended the batch; its flush fails with it */
    struct lm_error why;
};

static enum lm_status break_batch(struct add_run *run, enum lm_status status,
                                  const struct lm_error *err)
{
    lm_store_rollback(run->hub->store);
    run->open = false;
    run->broken = status;
    run->why = *err;
    return status;
}

static enum lm_status add_save(void *ctx, const struct lm_entry *entry,
                               struct lm_entry_result *result, struct lm_error *err)
{
    struct add_run *run = ctx;
    struct lm_act act = {.user = run->user,
                         .type = entry->type,
                         .id = entry->id,
                         .key = entry->key,
                         .station = entry->station,
                         .fields = entry->fields,
                         .op = entry->op};
    struct lm_act_result done;
    enum lm_status status = LM_OK;
    memset(&done, 0, sizeof done);
    lm_issues_init(&done.issues);
    if (!run->open) {
        if ((status = lm_store_begin(run->hub->store, err)) != LM_OK) {
            return break_batch(run, status, err);
        }
        run->open = true;
    }
    status = lm_store_act(run->hub->store, &act, lm_clock_wall_ms(), &done, err);
    snprintf(result->id, sizeof result->id, "%s", done.id);
    result->issues = done.issues;
    if (status == LM_ERR_IO || status == LM_ERR_FULL || status == LM_ERR_MEMORY ||
        status == LM_ERR_CORRUPT) {
        return break_batch(run, status, err);
    }
    return status;
}

static enum lm_status add_flush(void *ctx, struct lm_error *err)
{
    struct add_run *run = ctx;
    if (run->broken != LM_OK) {
        *err = run->why;
        return run->broken;
    }
    if (!run->open) {
        return LM_OK;
    }
    enum lm_status status = lm_store_commit(run->hub->store, err);
    run->open = false;
    if (status != LM_OK) {
        (void)break_batch(run, status, err);
    }
    return status;
}

int lm_cmd_add(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    const char *positional[1];
    size_t n = 0;
    if (lm_hub_options(cli, NULL, 0, positional, 1, &n, &err) != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    struct add_run run = {.hub = hub, .user = cli->user};
    const struct lm_entry_sink sink = {.ctx = &run,
                                       .save = add_save,
                                       .flush = add_flush,
                                       .batch = BATCH_LINES,
                                       .with_station = true};
    return lm_entry_run(cli, LM_HUB_NAME, &sink);
}

/* ---- approve ----------------------------------------------------------------------------------
 */

static enum lm_status parse_where(const char *const *texts, size_t n, struct lm_where *where,
                                  char storage[][512], struct lm_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *equals = strchr(texts[i], '=');
        if (!equals || equals == texts[i] || strlen(texts[i]) >= sizeof storage[i]) {
            return lm_fail(err, LM_ERR_INVALID, "usage", "where", "--where 应写成 字段=值:%.80s",
                           "--where takes FIELD=VALUE: %.80s", texts[i]);
        }
        snprintf(storage[i], sizeof storage[i], "%s", texts[i]);
        storage[i][equals - texts[i]] = '\0';
        where[i].field = storage[i];
        where[i].value = storage[i] + (equals - texts[i]) + 1;
    }
    return LM_OK;
}

struct candidate {
    char id[40], village[16], name[200]; /* name: a person's, else "" */
};
struct ids {
    struct candidate *items;
    size_t n, size;
    bool out_of_memory;
};

static bool take_id(void *arg, const struct lm_record *rec)
{
    struct ids *ids = arg;
    if (ids->n == ids->size) {
        size_t size = ids->size ? ids->size * 2 : 256;
        void *grown = realloc(ids->items, size * sizeof *ids->items);
        if (!grown) {
            ids->out_of_memory = true;
            return false;
        }
        ids->items = grown;
        ids->size = size;
    }
    const struct lm_value *name = lm_record_get(rec, "name");
    struct candidate *c = &ids->items[ids->n++];
    snprintf(c->id, sizeof c->id, "%s", rec->id);
    snprintf(c->village, sizeof c->village, "%s", lm_record_text(rec, LM_C_VILLAGE_CODE));
    snprintf(c->name, sizeof c->name, "%s", name && name->kind == LM_TEXT ? name->text : "");
    return ids->n < APPROVE_MAX;
}

/* The state that verifying brings a submitted record to, or NULL when this type is not verified in
 * bulk. */

struct approve_run {
    struct lm_hub *hub;
    struct lm_cli *cli;
    const char *state;
    size_t approved;
    json_t *left;
};

static enum lm_status approve_one(struct approve_run *run, const struct candidate *candidate,
                                  struct lm_error *err)
{
    size_t before = json_array_size(run->left);
    enum lm_status status =
        lm_approve_one(run->hub->store, run->cli->user, run->state, candidate->id,
                       lm_clock_wall_ms(), run->left, &run->approved, err);
    if (status == LM_OK && json_array_size(run->left) > before) {
        json_t *row = json_array_get(run->left, before);
        json_object_set_new(row, "village_code", json_string(candidate->village));
        if (candidate->name[0]) {
            json_object_set_new(row, "name", json_string(candidate->name));
        }
    }
    return status;
}

int lm_cmd_approve(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *station = NULL, *where_text[WHERE_MAX], *positional[1];
    size_t n_where = 0, n = 0;
    const struct lm_cli_option options[] = {
        {.name = "--station", .value = &station},
        {.name = "--where", .many = where_text, .n_many = &n_where, .max_many = WHERE_MAX}};
    struct lm_error err = {0};
    struct lm_where where[WHERE_MAX + 1];
    static char storage[WHERE_MAX][512];
    struct ids ids = {0};
    struct approve_run run = {.hub = hub, .cli = cli, .left = json_array()};
    enum lm_status status = lm_hub_options(cli, options, 2, positional, 1, &n, &err);
    const struct lm_type *type = NULL;
    if (status == LM_OK && n != 1) {
        status =
            lm_fail(&err, LM_ERR_INVALID, "usage", "", "缺少记录类型", "a record type is missing");
    }
    if (status == LM_OK && !(type = lm_catalog_shown(lm_store_catalog(hub->store), positional[0]))) {
        status = lm_fail(&err, LM_ERR_INVALID, "unknown_type", "type", "没有记录类型 %.40s",
                         "no record type %.40s", positional[0]);
    }
    if (status == LM_OK && !(run.state = lm_approved_state(type))) {
        status = lm_fail(&err, LM_ERR_INVALID, "not_approvable", "type",
                         "%s 不能批量核定,请用 add 逐条写 state",
                         "%s is not verified in bulk; use `add` with a state", type->name);
    }
    if (status == LM_OK) {
        status = lm_hub_known_station(hub, station, &err);
    }
    if (status == LM_OK) {
        status = parse_where(where_text, n_where, where, storage, &err);
    }
    if (status == LM_OK) {
        where[n_where] = (struct lm_where){.field = "state", .value = "submitted"};
        status = lm_store_list(hub->store, NULL, type->name, station, where, n_where + 1, take_id,
                               &ids, &err);
        if (status == LM_OK && ids.out_of_memory) {
            status = LM_ERR_MEMORY;
        }
    }
    for (size_t i = 0; status == LM_OK && i < ids.n; i++) {
        if (i % BATCH_LINES == 0) {
            status = lm_store_begin(hub->store, &err);
        }
        if (status == LM_OK) {
            status = approve_one(&run, &ids.items[i], &err);
        }
        if (status == LM_OK && (i % BATCH_LINES == BATCH_LINES - 1 || i + 1 == ids.n)) {
            status = lm_store_commit(hub->store, &err);
        }
    }
    if (status != LM_OK) {
        lm_store_rollback(hub->store);
    }
    int code = LM_EXIT_OK;
    if (status != LM_OK) {
        code = lm_hub_fail(cli, &err);
    } else if (cli->json) {
        json_t *doc = json_pack("{s:s,s:I,s:O}", "type", type->name, "approved",
                                (json_int_t)run.approved, "left", run.left);
        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        fprintf(cli->out, "%s: 已核定 %zu 条,%zu 条未动 / %zu approved, %zu left alone\n", type->zh,
                run.approved, json_array_size(run.left), run.approved, json_array_size(run.left));
        for (size_t i = 0; i < json_array_size(run.left); i++) {
            const json_t *row = json_array_get(run.left, i);
            const char *name = json_string_value(json_object_get(row, "name"));
            fprintf(cli->out, "  %s %s%s%s: %s (%s)\n",
                    json_string_value(json_object_get(row, "village_code")), name ? name : "",
                    name ? " " : "", json_string_value(json_object_get(row, "id")),
                    json_string_value(json_object_get(row, "text")),
                    json_string_value(json_object_get(row, "code")));
        }
    }
    json_decref(run.left);
    free(ids.items);
    return code;
}

/* ---- send-back --------------------------------------------------------------------------------
 */

int lm_cmd_send_back(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *note = NULL, *positional[1];
    size_t n = 0;
    const struct lm_cli_option options[] = {{.name = "--note", .value = &note}};
    struct lm_error err = {0};
    enum lm_status status = lm_hub_options(cli, options, 1, positional, 1, &n, &err);
    if (status == LM_OK && (n != 1 || !note || !note[0])) {
        status = lm_fail(&err, LM_ERR_INVALID, "usage", "", "要写记录编号和 --note 说明",
                         "needs the record's id and --note");
    }
    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
    }
    if (status == LM_OK) {
        status = lm_send_back(hub->store, cli->user, positional[0], note, lm_clock_wall_ms(), &err);
    }
    if (status == LM_OK) {
        status = lm_store_commit(hub->store, &err);
    }
    if (status != LM_OK) {
        lm_store_rollback(hub->store);
        return lm_hub_fail(cli, &err);
    }
    if (cli->json) {
        json_t *doc = json_pack("{s:s,s:s}", "id", positional[0], "state", "returned");
        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        fprintf(cli->out, "%s: 已退回 / sent back\n", positional[0]);
    }
    return LM_EXIT_OK;
}
