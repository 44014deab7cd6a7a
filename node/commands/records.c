/* get, list, history, returned: what is here, as NDJSON. */
#include "common/base/util.h"
#include "node/program.h"
#include "node/server.h"

#include <string.h>

#define WHERE_MAX 16
#define WHERE_BYTES_MAX 512
#define FETCH_S 60 /* for the hub's answer; what is here is shown in any case */
#define ARENA_BYTES (64 * 1024 * 1024)

/* One id as the positional argument, in its canonical form. */
static enum lm_status take_id_with(struct lm_cli *cli, const struct lm_cli_option *options,
                                   size_t n_options, char id[LM_UUID_TEXT + 1],
                                   struct lm_error *err)
{
    const char *positional[1];
    size_t n = 0;
    uint8_t bytes[16];
    enum lm_status st = lm_cli_options(cli, options, n_options, positional, 1, &n, err);

    if (st != LM_OK) {
        return st;
    }
    if (n != 1) {
        return lm_node_usage(err, "缺少记录编号", "the record's id is missing");
    }
    if (!lm_uuid_parse(positional[0], strlen(positional[0]), bytes)) {
        return lm_fail(err, LM_ERR_INVALID, "bad_uuid", "id", "不是合法的编号。",
                       "This is not a record's id.");
    }
    lm_uuid_format(bytes, id);
    return LM_OK;
}

static enum lm_status take_id(struct lm_cli *cli, char id[LM_UUID_TEXT + 1], struct lm_error *err)
{
    return take_id_with(cli, NULL, 0, id, err);
}

static enum lm_status not_found(struct lm_error *err, const char *id)
{
    return lm_fail(err, LM_ERR_NOT_FOUND, "not_found", "id", "本站没有这条记录：%s。",
                   "There is no record %s here.", id);
}

/* A record with what this node knows besides: changes not yet acked, a refusal. */
static json_t *record_row(struct lm_nstore *store, const struct lm_me *me,
                          const struct lm_record *rec)
{
    json_t *row = lm_record_to_json(rec);

    if (!row) {
        return NULL;
    }
    if (lm_nstore_unacked(store, rec->id, me->branch, me->acked.seq)) {
        (void)json_object_set_new(row, "pending", json_true());
    }
    if (lm_nstore_has_refusal(store, rec->id)) {
        (void)json_object_set_new(row, "refused", json_true());
    }
    if (lm_record_deleted(rec)) {
        (void)json_object_set_new(row, "deleted", json_true());
    }
    return row;
}

/* A record that is kept but of a catalogue that is not here yet; NULL: there is none. */
static json_t *later_row(struct lm_nstore *store, const char *id)
{
    char type[48];

    return lm_nstore_later(store, id, type)
               ? json_pack("{s:s,s:s,s:b,s:s,s:s}", "id", id, "type", type, "needs_upgrade", 1,
                           "text", "需升级：这种记录要等新的业务目录或新版程序。", "text_en",
                           "Needs an upgrade: records of this type wait for a newer catalogue or "
                           "program.")
               : NULL;
}

int lm_node_cmd_get(struct lm_node *node, struct lm_cli *cli)
{
    char id[LM_UUID_TEXT + 1];
    struct lm_error err = {0};
    struct lm_arena arena;
    struct lm_record *rec = NULL;
    struct lm_me me;
    const struct lm_type *type = NULL;
    json_t *row = NULL;
    enum lm_status st = take_id(cli, id, &err);

    lm_arena_init(&arena, ARENA_BYTES);
    if (st == LM_OK) {
        st = lm_nstore_me(node->store, &me, &err);
    }
    if (st == LM_OK && !lm_type_shown(type = lm_nstore_type_of(node->store, id))) {
        row = later_row(node->store, id);
        st = row ? LM_OK : not_found(&err, id);
    }
    if (st == LM_OK && !row) {
        st = lm_tables_get(lm_nstore_tables(node->store), &arena, type, id, &rec);
        if (st != LM_OK) {
            (void)lm_fail(&err, st, lm_status_name(st), "", "读取记录失败。",
                          "The record could not be read.");
        }
    }
    if (st == LM_OK && !row && !(row = record_row(node->store, &me, rec))) {
        st = lm_fail(&err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    if (st == LM_OK) {
        lm_json_print(cli->out, row);
    }
    json_decref(row);
    lm_arena_free(&arena);
    return st == LM_OK ? LM_EXIT_OK : lm_node_fail(cli, &err);
}

/* The end of a command that prints rows. */
static int end_rows(struct lm_cli *cli, enum lm_status st, const struct lm_error *err)
{
    if (st != LM_OK) {
        return lm_node_fail(cli, err);
    }
    lm_cli_rows_end(cli);
    return LM_EXIT_OK;
}

/* ---- list ---- */

struct list_run {
    struct lm_cli *cli;
    struct lm_nstore *store;
    struct lm_me me;
    bool out_of_memory;
};

static bool print_record(void *arg, const struct lm_record *rec)
{
    struct list_run *run = arg;
    json_t *row = record_row(run->store, &run->me, rec);

    if (!row) {
        run->out_of_memory = true;
        return false;
    }
    lm_cli_row(run->cli, row);
    json_decref(row);
    return !ferror(run->cli->out);
}

static enum lm_status parse_where(const char *const *texts, size_t n, struct lm_where *where,
                                  char storage[][WHERE_BYTES_MAX], struct lm_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *equals = strchr(texts[i], '=');

        if (!equals || equals == texts[i] || strlen(texts[i]) >= WHERE_BYTES_MAX) {
            return lm_node_usage(err, "--where 应写成 字段=值", "--where takes FIELD=VALUE");
        }
        memcpy(storage[i], texts[i], strlen(texts[i]) + 1);
        storage[i][equals - texts[i]] = '\0';
        where[i].field = storage[i];
        where[i].value = storage[i] + (equals - texts[i]) + 1;
    }
    return LM_OK;
}

int lm_node_cmd_list(struct lm_node *node, struct lm_cli *cli)
{
    const char *texts[WHERE_MAX], *positional[1];
    size_t n_where = 0, n = 0;
    const struct lm_cli_option options[] = {
        {.name = "--where", .many = texts, .n_many = &n_where, .max_many = WHERE_MAX}};
    struct lm_where where[WHERE_MAX];
    char storage[WHERE_MAX][WHERE_BYTES_MAX];
    struct lm_error err = {0};
    struct list_run run = {.cli = cli, .store = node->store};
    const struct lm_type *type = NULL;
    enum lm_status st = lm_cli_options(cli, options, 1, positional, 1, &n, &err);

    if (st == LM_OK && n != 1) {
        st = lm_node_usage(&err, "缺少记录类型", "a record type is missing");
    }
    if (st == LM_OK && !(type = lm_catalog_shown(lm_nstore_catalog(node->store), positional[0]))) {
        st = lm_fail(&err, LM_ERR_INVALID, "unknown_type", "type", "没有记录类型“%.40s”。",
                     "No record type \"%.40s\".", positional[0]);
    }
    if (st == LM_OK) {
        st = parse_where(texts, n_where, where, storage, &err);
    }
    if (st == LM_OK) {
        st = lm_nstore_me(node->store, &run.me, &err);
    }
    if (st == LM_OK) {
        st = lm_tables_list(lm_nstore_tables(node->store), NULL, type, NULL, where, n_where, false,
                            print_record, &run, &err);
    }
    if (st == LM_OK && run.out_of_memory) {
        st = lm_fail(&err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    if (st != LM_OK && !err.code[0]) {
        (void)lm_fail(&err, st, lm_status_name(st), "", "读取记录失败。",
                      "The records could not be read.");
    }
    return end_rows(cli, st, &err);
}

/* ---- history and returned ---- */

static void print_row(void *arg, json_t *row)
{
    struct lm_cli *cli = arg;

    lm_cli_row(cli, row);
}

/* Asks the hub what others did to the record. */
static enum lm_status fetch(struct lm_node *node, const struct lm_cli *cli, const char *id,
                            int *code, struct lm_error *err)
{
    bool wanted = false;
    int64_t fetched_ms;
    enum lm_status st = lm_nstore_past_want(node->store, id, lm_clock_wall_ms(), err);

    if (st == LM_OK) {
        st = lm_node_sync_quietly(node, cli, FETCH_S, code, err);
    }
    if (st == LM_OK && *code == LM_EXIT_OK) {
        st = lm_nstore_past_state(node->store, id, &wanted, &fetched_ms, err);
    }
    return st == LM_OK && wanted
               ? lm_fail(err, LM_ERR_TIMEOUT, "no_history", "",
                         "镇服务器没有回答修改经过的查询（它的版本可能较旧）；以上只是本机的修改。",
                         "The hub did not answer with the history (it may be an older version): "
                         "above is what was done here.")
               : st;
}

int lm_node_cmd_history(struct lm_node *node, struct lm_cli *cli)
{
    char id[LM_UUID_TEXT + 1];
    struct lm_error err = {0}, far = {0};
    size_t n = 0;
    bool from_hub = false, ask = false;
    int code = LM_EXIT_OK;
    const struct lm_cli_option options[] = {{.name = "--fetch", .flag = &from_hub},
                                            {.name = "--ask", .flag = &ask}};
    enum lm_status st = take_id_with(cli, options, 2, id, &err), fetched = LM_OK;

    if (st == LM_OK && (from_hub || ask)) {
        if (!lm_nstore_type_of(node->store, id)) {
            st = not_found(&err, id);
        } else if (!from_hub) { /* for a station on sticks: with the next export */
            st = lm_nstore_past_want(node->store, id, lm_clock_wall_ms(), &err);
        } else {
            fetched = fetch(node, cli, id, &code, &far);
        }
    }
    if (st == LM_OK) {
        st = lm_nstore_history(node->store, id, print_row, cli, &n, &err);
    }
    if (st == LM_OK && n == 0 && !lm_type_shown(lm_nstore_type_of(node->store, id))) {
        st = not_found(&err, id);
    }
    if (st == LM_OK && fetched != LM_OK) { /* the rows that are here were shown all the same */
        st = fetched;
        err = far;
    }
    return st == LM_OK && code != LM_EXIT_OK ? code : end_rows(cli, st, &err);
}

int lm_node_cmd_returned(struct lm_node *node, struct lm_cli *cli)
{
    struct lm_error err = {0};
    size_t n = 0;
    const char *positional[1];
    enum lm_status st = lm_cli_options(cli, NULL, 0, positional, 0, &n, &err);

    if (st == LM_OK) {
        st = lm_nstore_returned(node->store, print_row, cli, NULL, &err);
    }
    return end_rows(cli, st, &err);
}
