/* catalog show, list, check, import, export: which record types, fields and code lists are in force
 * in the town, and which are to be. */
#include "common/base/util.h"
#include "hub/program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static enum lm_status number_of(const char *text, uint32_t otherwise, uint32_t *out,
                                struct lm_error *err)
{
    char *end = NULL;
    unsigned long value;

    *out = otherwise;
    if (!text) {
        return LM_OK;
    }
    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || !text[0] || *end || text[0] == '-' || value == 0 || value > UINT32_MAX) {
        return lm_fail(err, LM_ERR_INVALID, "usage", "number", "目录编号应为正整数：%.40s",
                       "a catalogue's number is a positive whole number: %.40s", text);
    }
    *out = (uint32_t)value;
    return LM_OK;
}

static json_t *hash_json(const uint8_t hash[LM_HASH_BYTES])
{
    char hex[2 * LM_HASH_BYTES + 1];

    lm_hex_encode(hash, LM_HASH_BYTES, hex);
    return json_string(hex);
}

/* ---- show ---- */

static size_t retired_fields(const struct lm_type *type)
{
    size_t n = 0;

    for (size_t i = 0; i < type->n_fields; i++) {
        n += type->fields[i].retired;
    }
    return n;
}

static json_t *types_json(const struct lm_catalog *c)
{
    json_t *types = json_array();

    for (size_t i = 0; types && i < c->n_types; i++) {
        const struct lm_type *t = &c->types[i];

        (void)json_array_append_new(types, json_pack("{s:s,s:s,s:s,s:i,s:i}", "name", t->name, "zh",
                                                     t->zh, "en", t->en, "fields",
                                                     (int)(t->n_fields - LM_C_COUNT), "retired",
                                                     (int)retired_fields(t)));
    }
    return types;
}

static void show(struct lm_cli *cli, const struct lm_catalog *c)
{
    json_t *out = json_pack("{s:I,s:o,s:I,s:I,s:I,s:o}", "number", (json_int_t)c->number, "hash",
                            hash_json(c->hash), "grammar", (json_int_t)c->grammar, "lists",
                            (json_int_t)c->n_lists, "indicators", (json_int_t)c->n_indicators,
                            "types", types_json(c));

    if (cli->json) {
        lm_json_print(cli->out, out);
    } else {
        fprintf(cli->out, "目录 %u / catalogue %u  %.16s…\n%zu 种记录，%zu 个代码表，%zu 个指标\n",
                (unsigned)c->number, (unsigned)c->number,
                json_string_value(json_object_get(out, "hash")), c->n_types, c->n_lists,
                c->n_indicators);
        for (size_t i = 0; i < c->n_types; i++) {
            const struct lm_type *t = &c->types[i];
            size_t retired = retired_fields(t);

            fprintf(cli->out, "  %-20s %s  %zu 个字段", t->name, t->zh, t->n_fields - LM_C_COUNT);
            if (retired) {
                fprintf(cli->out, "（停用 %zu 个）", retired);
            }
            fprintf(cli->out, "\n");
        }
    }
    json_decref(out);
}

/* A stored catalogue's packed form, in arena. */
static enum lm_status stored(struct lm_hub *hub, const char *text, struct lm_arena *arena,
                             const uint8_t **packed, size_t *n, struct lm_error *err)
{
    uint32_t number;
    enum lm_status status = number_of(text, lm_store_catalog(hub->store)->number, &number, err);

    return status == LM_OK ? lm_store_catalog_packed(hub->store, number, arena, packed, n, err)
                           : status;
}

int lm_cmd_catalog_show(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    struct lm_catalog *c = NULL;
    const char *positional[1] = {NULL};
    const uint8_t *packed = NULL;
    struct lm_arena arena;
    size_t n = 0, len = 0;
    enum lm_status status = lm_hub_options(cli, NULL, 0, positional, 1, &n, &err);

    lm_arena_init(&arena, 2 * LM_CATALOG_PACKED_BYTES_MAX);
    if (status == LM_OK) {
        status = stored(hub, n ? positional[0] : NULL, &arena, &packed, &len, &err);
    }
    if (status == LM_OK) {
        status = lm_catalog_load_packed(packed, len, &c, &err);
    }
    if (status == LM_OK) {
        show(cli, c);
    }
    lm_catalog_destroy(&c);
    lm_arena_free(&arena);
    return status == LM_OK ? LM_EXIT_OK : lm_hub_fail(cli, &err);
}

/* ---- list ---- */

static bool print_row(void *arg, const struct lm_catalog_row *row)
{
    struct lm_cli *cli = arg;
    char at[LM_TIME_TEXT + 8];
    json_t *out;

    lm_time_format(row->at_ms, at);
    out = json_pack("{s:I,s:o,s:I,s:I,s:s,s:s,s:b}", "number", (json_int_t)row->number, "hash",
                    hash_json(row->hash), "bytes", (json_int_t)row->packed_len, "position",
                    (json_int_t)row->position, "at", at, "user", row->user, "in_force",
                    row->in_force);
    lm_cli_row(cli, out);
    json_decref(out);
    return true;
}

/* What PCs have that the hub has not: a restored hub, or one whose program is older. */
static bool print_seen(void *arg, uint32_t number, const uint8_t hash[LM_HASH_BYTES], size_t n)
{
    struct lm_cli *cli = arg;
    json_t *out = json_pack("{s:I,s:o,s:I}", "number", (json_int_t)number, "hash", hash_json(hash),
                            "replicas", (json_int_t)n);

    lm_cli_row(cli, out);
    json_decref(out);
    return true;
}

int lm_cmd_catalog_list(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    const char *positional[1];
    size_t n = 0;
    enum lm_status status = lm_hub_options(cli, NULL, 0, positional, 0, &n, &err);

    if (status == LM_OK) {
        status = lm_store_catalogs(hub->store, print_row, cli, &err);
    }
    if (status == LM_OK) {
        status = lm_store_catalogs_seen(hub->store, print_seen, cli, &err);
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    lm_cli_rows_end(cli);
    return LM_EXIT_OK;
}

/* ---- check and import ---- */

static enum lm_status read_input(FILE *in, uint8_t **out, size_t *n_out, struct lm_error *err)
{
    uint8_t *data = malloc(LM_CATALOG_PACKED_BYTES_MAX + 1);

    *out = data;
    if (!data) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    *n_out = fread(data, 1, LM_CATALOG_PACKED_BYTES_MAX + 1, in);
    if (ferror(in)) {
        return lm_fail(err, LM_ERR_IO, "io_error", "", "读取失败：%s", "cannot read: %s",
                       strerror(errno));
    }
    return LM_OK;
}

struct breaches {
    struct lm_cli *cli;
    json_t *rows;
};

static void take_breach(void *arg, const struct lm_error *breach)
{
    struct breaches *b = arg;

    if (b->rows) {
        (void)json_array_append_new(b->rows, lm_error_json(breach));
    } else {
        fprintf(b->cli->err, "  %s / %s (%s)\n", breach->zh, breach->en, breach->code);
    }
}

int lm_cmd_catalog_check(struct lm_hub *hub, struct lm_cli *cli)
{
    const struct lm_catalog *now = lm_store_catalog(hub->store);
    struct breaches b = {.cli = cli, .rows = cli->json ? json_array() : NULL};
    struct lm_catalog *next = NULL;
    struct lm_error err = {0};
    const char *positional[1];
    uint8_t *data = NULL;
    size_t n = 0, len = 0, breaches = 0;
    enum lm_status status = lm_hub_options(cli, NULL, 0, positional, 1, &n, &err);

    if (status == LM_OK) {
        status = read_input(cli->in, &data, &len, &err);
    }
    if (status == LM_OK) {
        status = lm_catalog_load_packed(data, len, &next, &err);
    }
    free(data);
    if (status != LM_OK) {
        json_decref(b.rows);
        return lm_hub_fail(cli, &err);
    }
    if (memcmp(now->hash, next->hash, LM_HASH_BYTES) != 0) {
        breaches = lm_catalog_compare(now, next, take_breach, &b);
    }
    if (cli->json) {
        json_t *out = json_pack("{s:I,s:o,s:I,s:b,s:o}", "number", (json_int_t)next->number, "hash",
                                hash_json(next->hash), "in_force", (json_int_t)now->number, "ok",
                                breaches == 0, "breaches", b.rows);
        lm_json_print(cli->out, out);
        json_decref(out);
    } else if (breaches == 0) {
        fprintf(cli->out, "可以导入：目录 %u 能衔接现行目录 %u / catalogue %u may follow %u\n",
                (unsigned)next->number, (unsigned)now->number, (unsigned)next->number,
                (unsigned)now->number);
    } else {
        fprintf(cli->err, "共 %zu 处不能衔接现行目录 %u / %zu breaches against catalogue %u\n",
                breaches, (unsigned)now->number, breaches, (unsigned)now->number);
    }
    lm_catalog_destroy(&next);
    return breaches == 0 ? LM_EXIT_OK : LM_EXIT_FAILED;
}

int lm_cmd_catalog_import(struct lm_hub *hub, struct lm_cli *cli)
{
    struct breaches b = {.cli = cli};
    struct lm_error err = {0};
    const char *positional[1];
    uint8_t *data = NULL;
    size_t n = 0, len = 0;
    bool again = false;
    enum lm_status status = lm_hub_options(cli, NULL, 0, positional, 1, &n, &err);

    if (status == LM_OK) {
        status = read_input(cli->in, &data, &len, &err);
    }
    if (status == LM_OK) {
        status = lm_store_begin(hub->store, &err);
        if (status == LM_OK) {
            /* A person did it: an act without a name is the program's own. */
            status =
                lm_store_catalog_import(hub->store, cli->user[0] ? cli->user : "admin", data, len,
                                        lm_clock_wall_ms(), take_breach, &b, &again, &err);
            if (status == LM_OK) {
                status = lm_store_commit(hub->store, &err);
            } else {
                lm_store_rollback(hub->store);
            }
        }
    }
    free(data);
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    const struct lm_catalog *now = lm_store_catalog(hub->store);
    hub->catalog_changed = !again;
    if (cli->json) {
        json_t *out = json_pack("{s:I,s:o,s:b}", "number", (json_int_t)now->number, "hash",
                                hash_json(now->hash), "again", again);
        lm_json_print(cli->out, out);
        json_decref(out);
    } else {
        fprintf(cli->out,
                again ? "目录 %u 已在使用，没有变化 / catalogue %u is in force already\n"
                      : "目录 %u 已启用，将下发到各村 / catalogue %u is in force and goes to the "
                        "stations\n",
                (unsigned)now->number, (unsigned)now->number);
    }
    return LM_EXIT_OK;
}

/* ---- export ---- */

static bool is_pack_name(const char *path)
{
    size_t n = strlen(path);

    return n > 6 && strcmp(path + n - 6, ".lmcat") == 0;
}

int lm_cmd_catalog_export(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *out = NULL, *positional[1] = {NULL};
    const struct lm_cli_option options[] = {{.name = "--out", .value = &out}};
    const uint8_t *packed = NULL;
    struct lm_error err = {0};
    struct lm_arena arena;
    size_t n = 0, len = 0;
    enum lm_status status = lm_hub_options(cli, options, 1, positional, 1, &n, &err);

    lm_arena_init(&arena, 2 * LM_CATALOG_PACKED_BYTES_MAX);
    if (status == LM_OK && !out) {
        status = lm_fail(&err, LM_ERR_INVALID, "usage", "", "缺少 --out DIR 或 FILE.lmcat",
                         "--out DIR or FILE.lmcat is missing");
    }
    if (status == LM_OK) {
        status = stored(hub, n ? positional[0] : NULL, &arena, &packed, &len, &err);
    }
    if (status == LM_OK) {
        status = is_pack_name(out) ? lm_file_write(out, packed, len, 0644, &err)
                                   : lm_hub_catalog_write_dir(out, packed, len, &err);
    }
    lm_arena_free(&arena);
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    if (cli->json) {
        json_t *doc = json_pack("{s:s}", "out", out);
        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else {
        fprintf(cli->out, "%s\n", out);
    }
    return LM_EXIT_OK;
}
