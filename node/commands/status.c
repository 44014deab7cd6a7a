/* status: what is pending, what was returned, and how the link is. */
#include "common/base/util.h"
#include "node/program.h"

#include <string.h>
#include <unistd.h>

/* Whether some process (serve, sync) holds the link now: else what it noted last is history. */
static bool link_held(const struct lm_node *node)
{
    struct lm_datadir dir = node->dir;
    struct lm_error ignored;
    enum lm_status st;

    dir.lock_fd = -1;
    st = lm_datadir_lock(&dir, LM_NODE_LOCK, &ignored);
    if (st == LM_OK) {
        lm_datadir_close(&dir);
    }
    return st == LM_ERR_BUSY;
}

json_t *lm_node_status_json(const struct lm_me *me, size_t pending_records, size_t returned,
                            size_t held, size_t conflicts)
{
    char at[LM_TIME_TEXT + 8],
        replica[24]; /* as text: 63 bits are more than many readers of JSON keep */
    json_t *doc;

    (void)snprintf(replica, sizeof replica, "%llu", (unsigned long long)me->replica);
    doc = json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "station", me->station, "name",
                    me->name, "replica", replica, "branch", (json_int_t)me->branch, "pending",
                    (json_int_t)(me->head.seq - me->acked.seq), "acked", (json_int_t)me->acked.seq,
                    "safe", (json_int_t)me->safe_seq, "returned", (json_int_t)returned, "held",
                    (json_int_t)held, "conflicts", (json_int_t)conflicts, "cursor",
                    (json_int_t)me->cursor.position);

    if (!doc) {
        return NULL;
    }
    (void)json_object_set_new(doc, "pending_records", json_integer((json_int_t)pending_records));
    lm_time_format(me->last_contact_ms, at);
    (void)json_object_set_new(doc, "last_contact",
                              me->last_contact_ms ? json_string(at) : json_null());
    (void)json_object_set_new(doc, "clock_offset_ms",
                              me->offset_known ? json_integer(me->offset_ms) : json_null());
    (void)json_object_set_new(doc, "state", json_string(me->state));
    (void)json_object_set_new(doc, "state_code", json_string(me->state_code));
    (void)json_object_set_new(doc, "state_text", json_string(me->state_zh));
    (void)json_object_set_new(doc, "state_text_en", json_string(me->state_en));
    return doc;
}

static void print_text(FILE *out, const struct lm_me *me, size_t returned, size_t held,
                       size_t conflicts)
{
    char at[LM_TIME_TEXT + 8] = "—";

    if (me->last_contact_ms) {
        lm_time_format(me->last_contact_ms, at);
    }
    fprintf(out, "服务站 / station:      %s %s\n", me->station, me->name);
    fprintf(out, "待上传 / pending:      %llu\n",
            (unsigned long long)(me->head.seq - me->acked.seq));
    fprintf(out, "退回 / returned:       %zu\n", returned);
    fprintf(out, "等待 / held:           %zu\n", held);
    fprintf(out, "冲突 / conflicts:      %zu\n", conflicts);
    fprintf(out, "最近联系 / contact:    %s\n", at);
    fprintf(out, "状态 / state:          %s: %s / %s\n", me->state, me->state_zh, me->state_en);
}

/* hub_catalog: null while it is ours too, as far as is known. */
static void add_catalog(json_t *doc, const struct lm_me *me, const struct lm_hub_catalog *hub)
{
    json_t *row = json_null();

    if (hub->number) {
        row = json_pack("{s:I,s:s,s:s,s:s}", "number", (json_int_t)hub->number, "code", hub->code,
                        "text", hub->zh, "text_en", hub->en);
    }
    (void)json_object_set_new(doc, "catalog", json_integer((json_int_t)me->catalog));
    (void)json_object_set_new(doc, "hub_catalog", row);
    (void)json_object_set_new(doc, "needs_upgrade", json_integer((json_int_t)hub->later));
}

static void print_catalog(FILE *out, const struct lm_me *me, const struct lm_hub_catalog *hub)
{
    fprintf(out, "业务目录 / catalogue:  %u\n", (unsigned)me->catalog);
    if (hub->code[0]) {
        fprintf(out, "  %s / %s\n", hub->zh, hub->en);
    }
    if (hub->later) {
        fprintf(out, "需升级 / need upgrade:  %zu\n", hub->later);
    }
}

int lm_node_cmd_status(struct lm_node *node, struct lm_cli *cli)
{
    struct lm_error err = {0};
    struct lm_me me;
    struct lm_hub_catalog hub;
    size_t n = 0, waiting = 0, returned = 0, held = 0, conflicts = 0;
    const char *positional[1];
    enum lm_status st = lm_cli_options(cli, NULL, 0, positional, 0, &n, &err);

    if (st == LM_OK) {
        st = lm_nstore_me(node->store, &me, &err);
    }
    if (st == LM_OK) {
        st = lm_nstore_count_pending(node->store, &me, &waiting, &err);
    }
    if (st == LM_OK) {
        st = lm_nstore_returned(node->store, NULL, NULL, &returned, &err);
    }
    if (st == LM_OK) {
        st = lm_nstore_count_open(node->store, LM_V_HELD, &held, &err);
    }
    if (st == LM_OK) {
        st = lm_nstore_count_conflicts(node->store, &conflicts, &err);
    }
    if (st == LM_OK) {
        st = lm_nstore_hub_catalog(node->store, &hub, &err);
    }
    if (st != LM_OK) {
        return lm_node_fail(cli, &err);
    }
    if (strcmp(me.state, "online") == 0 && !link_held(node)) {
        (void)snprintf(me.state, sizeof me.state, "offline");
        (void)snprintf(me.state_code, sizeof me.state_code, "not_running");
        (void)snprintf(me.state_zh, sizeof me.state_zh,
                       "后台同步没有运行（lastmile-node serve）。");
        (void)snprintf(me.state_en, sizeof me.state_en,
                       "No server runs here (lastmile-node serve).");
    }
    if (cli->json) {
        json_t *doc = lm_node_status_json(&me, waiting, returned, held, conflicts);

        add_catalog(doc, &me, &hub);
        if (doc) {
            lm_json_print(cli->out, doc);
        }
        json_decref(doc);
    } else {
        print_text(cli->out, &me, returned, held, conflicts);
        print_catalog(cli->out, &me, &hub);
    }
    return LM_EXIT_OK;
}
