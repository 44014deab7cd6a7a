/* enrol: from a kit to a data directory that can save and synchronise.
 *
 * Order, so that a power cut at any point leaves an enrolment that the same command finishes: the
 * new key and the nonce are on disk before the hub hears of them; the database is whole before the
 * key file says that the enrolment is answered. */
#include "node/enrol.h"
#include "common/base/util.h"
#include "node/program.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_S_DEFAULT 30
#define TIMEOUT_S_MAX 3600
#define ARENA_BYTES (2 * 1024 * 1024)

static bool same_kit(const struct lm_node_key *key, const struct lm_kit *kit)
{
    uint8_t public_key[LM_KEY_BYTES];

    return strcmp(key->station, kit->station) == 0 &&
           memcmp(key->hub_id, kit->hub_id, sizeof key->hub_id) == 0 &&
           lm_key_from_z85(kit->enrol_public_key, public_key) &&
           memcmp(key->kit_public_key, public_key, sizeof public_key) == 0;
}

static enum lm_status bad_kit(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_INVALID, "not_a_kit", "", "入网文件的内容不合规则。",
                   "The kit's content breaks the rules.");
}

/* A fresh pending enrolment by this kit. */
static enum lm_status new_key(const struct lm_kit *kit, struct lm_node_key *key,
                              struct lm_error *err)
{
    memset(key, 0, sizeof *key);
    lm_keypair_make(&key->own);
    randombytes_buf(key->nonce, sizeof key->nonce);
    memcpy(key->hub_id, kit->hub_id, sizeof key->hub_id);
    memcpy(key->hub_sign_key, kit->hub_sign_key, sizeof key->hub_sign_key);
    (void)snprintf(key->endpoint, sizeof key->endpoint, "%s", kit->endpoint);
    (void)snprintf(key->town, sizeof key->town, "%s", kit->town);
    (void)snprintf(key->station, sizeof key->station, "%s", kit->station);
    (void)snprintf(key->level, sizeof key->level, "%s", kit->level);
    (void)snprintf(key->station_name, sizeof key->station_name, "%s", kit->station_name);
    if (!lm_key_from_z85(kit->hub_public_key, key->hub_public_key) ||
        !lm_key_from_z85(kit->enrol_public_key, key->kit.public_key) ||
        !lm_key_from_z85(kit->enrol_secret_key, key->kit.secret_key)) {
        return bad_kit(err);
    }
    memcpy(key->kit_public_key, key->kit.public_key, LM_KEY_BYTES);
    return LM_OK;
}

static enum lm_status check_station(const struct lm_kit *kit, const struct lm_node_key *old,
                                    struct lm_error *err)
{
    if (strcmp(old->station, kit->station) != 0 ||
        memcmp(old->hub_id, kit->hub_id, sizeof old->hub_id) != 0) {
        return lm_fail(err, LM_ERR_DENIED, "other_station", "",
                       "入网文件是服务站 %s 的，本机数据属于服务站 %s：不能换发。",
                       "The kit is for station %s, and the data here belong to station %s: it "
                       "can't take their place.",
                       kit->station, old->station);
    }
    return LM_OK;
}

/* answered: just now, so that the hub's clock is known. */
static enum lm_status make_database(struct lm_node *node, const struct lm_kit *kit,
                                    const struct lm_node_key *key, bool answered,
                                    struct lm_error *err)
{
    enum lm_status st = lm_nstore_open(&node->dir, node->catalog, true, &node->store, err);

    if (st == LM_OK) {
        st = lm_nstore_begin(node->store, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_me_make(node->store, key->replica, key->station, key->level,
                               key->station_name, err);
    }
    if (st == LM_OK && answered) {
        st = lm_nstore_set_offset(node->store, key->hub_offset_ms, err);
    }
    for (size_t i = 0; st == LM_OK && i < kit->n_records; i++) {
        st = lm_nstore_put_kit_record(node->store, kit->records[i].body, kit->records[i].len,
                                      key->level, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_commit(node->store, err);
    }
    if (node->store) {
        lm_nstore_rollback(node->store);
    }
    return st;
}

/* Whether an enrolled PC has lost its database: there is none, or one that was being made when the
 * power failed. A damaged one is for `restore`. */
static bool database_is_lost(struct lm_node *node)
{
    struct lm_nstore *store = NULL;
    struct lm_error ignored;
    struct lm_me me;
    bool lost = !lm_node_has_database(&node->dir);

    if (!lost && lm_nstore_open(&node->dir, node->catalog, false, &store, &ignored) == LM_OK) {
        lost = lm_nstore_me(store, &me, &ignored) == LM_ERR_NOT_FOUND;
    }
    lm_nstore_close(&store);
    return lost;
}

/* SQLite throws away the log of a database that begins anew; the last changes may be in it. */
static enum lm_status set_log_aside(const struct lm_datadir *dir, char name[64],
                                    struct lm_error *err)
{
    char from[PATH_MAX], to[PATH_MAX];

    name[0] = '\0';
    if (lm_node_has_database(dir) || lm_datadir_path(dir, "node.db-wal", from, sizeof from) ||
        access(from, F_OK) != 0) {
        return LM_OK;
    }
    (void)snprintf(name, 64, "node.db.lost-%lld-wal", (long long)lm_clock_wall_ms());
    return lm_datadir_path(dir, name, to, sizeof to) == LM_OK && rename(from, to) == 0
               ? LM_OK
               : lm_fail(err, LM_ERR_IO, "io_error", "", "无法给 %s 改名。",
                         "%s could not be renamed.", from);
}

/* The key is there, the database is not: an empty one, which the hub fills, from what a kit says of
 * the station. The hub hears nothing of it, and the kit is not used up. */
static enum lm_status remake_database(struct lm_node *node, const struct lm_kit *kit,
                                      const struct lm_node_key *key, struct lm_cli *cli,
                                      struct lm_error *err)
{
    char aside[64];
    enum lm_status st = check_station(kit, key, err);

    if (st == LM_OK) {
        st = set_log_aside(&node->dir, aside, err);
    }
    if (st == LM_OK) {
        st = make_database(node, kit, key, false, err);
    }
    lm_nstore_close(&node->store);
    if (st != LM_OK || cli->json) {
        return st;
    }
    fprintf(
        cli->out,
        "数据库不见了，已新建一个空的，联网同步后镇里有的都会发回来。有备份的，现在就运行 "
        "lastmile-node restore 备份文件，没上报的才找得回来。 / the database was gone; an empty "
        "one was made, and the next sync fills it. If there is a backup run `lastmile-node "
        "restore FILE` now: only that brings back what was not sent.\n");
    if (aside[0]) {
        fprintf(cli->out, "原数据库的日志另存为 / the former database's log is kept as: %s\n",
                aside);
    }
    return LM_OK;
}

/* The pending enrolment that is to take the place of `old`, saved beside it. */
static enum lm_status prepare_renewal(struct lm_node *node, const struct lm_kit *kit,
                                      const struct lm_node_key *old, struct lm_node_key *key,
                                      struct lm_error *err)
{
    struct lm_error ignored;
    enum lm_status st = check_station(kit, old, err);

    if (st != LM_OK) {
        return st;
    }
    st = lm_node_key_load_new(&node->dir, key, &ignored);
    if (st == LM_OK && same_kit(key, kit)) {
        return LM_OK; /* begun before */
    }
    st = new_key(kit, key, err);
    return st == LM_OK ? lm_node_key_save_new(&node->dir, key, err) : st;
}

/* What is in the directory already, or a new pending enrolment, saved. *renewing: it takes the
 * place of another, and lies beside it. */
static enum lm_status prepare(struct lm_node *node, const struct lm_kit *kit, bool renew,
                              struct lm_node_key *key, bool *renewing, struct lm_cli *cli,
                              struct lm_error *err)
{
    struct lm_error ignored;
    enum lm_status st = lm_node_key_load(&node->dir, key, &ignored);

    if (st != LM_OK && st != LM_ERR_NOT_FOUND) {
        *err = ignored;
        return st;
    }
    if (st == LM_OK && key->enrolled && database_is_lost(node)) {
        st = remake_database(node, kit, key, cli, err);
        if (st != LM_OK || !renew) {
            return st;
        }
    }
    if (st == LM_OK && key->enrolled && !same_kit(key, kit)) {
        struct lm_node_key old = *key;

        if (!renew) {
            lm_node_key_wipe(&old);
            return lm_fail(err, LM_ERR_EXISTS, "already_enrolled", "",
                           "数据目录 %s 已入网（服务站 "
                           "%s），请换一个目录；若镇里为本机换发了入网文件，请加 --renew。",
                           "%s is enrolled already (station %s): use another directory; or, if the "
                           "town made this kit to enrol this PC anew, add --renew.",
                           node->dir.path, key->station);
        }
        *renewing = true;
        st = prepare_renewal(node, kit, &old, key, err);
        lm_node_key_wipe(&old);
        return st;
    }
    if (st == LM_OK && same_kit(key, kit)) {
        return LM_OK; /* asked before, answered or not: the same key and nonce again */
    }
    st = new_key(kit, key, err);
    return st == LM_OK ? lm_node_key_save(&node->dir, key, err) : st;
}

/* The database goes over to the answered enrolment, then the key file: a power cut between the two
 * is found out when the link opens, and the same command goes on from there. */
static enum lm_status take_over(struct lm_node *node, const struct lm_node_key *key,
                                uint64_t *n_out, struct lm_error *err)
{
    enum lm_status st = lm_nstore_open(&node->dir, node->catalog, false, &node->store, err);

    if (st == LM_OK) {
        st = lm_nstore_renew(node->store, key->replica, n_out, err);
    }
    if (st == LM_OK) {
        st = lm_node_key_save(&node->dir, key, err);
    }
    if (st == LM_OK) {
        lm_node_key_drop_new(&node->dir);
    }
    return st;
}

struct options {
    const char *kit, *out, *finish; /* finish: the answer; no kit then */
    bool offline, renew;
    int timeout_ms;
};

static enum lm_status read_options(struct lm_cli *cli, struct options *o, struct lm_error *err)
{
    const char *seconds = NULL, *positional[1];
    const struct lm_cli_option options[] = {{.name = "--timeout", .value = &seconds},
                                            {.name = "--offline", .flag = &o->offline},
                                            {.name = "--out", .value = &o->out},
                                            {.name = "--finish", .value = &o->finish},
                                            {.name = "--renew", .flag = &o->renew}};
    size_t n = 0;
    char *end = NULL;
    long s = TIMEOUT_S_DEFAULT;
    enum lm_status st = lm_cli_options(cli, options, 5, positional, 1, &n, err);

    if (st == LM_OK && (o->finish != NULL) == (n == 1)) {
        st = lm_node_usage(err, "应给出入网文件，或用 --finish 给出镇里的答复",
                           "takes the kit, or with --finish the town's answer");
    }
    if (st == LM_OK && (o->offline != (o->out != NULL) || (o->finish && o->offline))) {
        st = lm_node_usage(err, "--offline 与 --out 应一起使用", "--offline and --out go together");
    }
    if (st == LM_OK && o->renew && (o->offline || o->finish)) {
        st = lm_node_usage(err, "--renew 只能通过网络", "--renew goes by network only");
    }
    if (st == LM_OK && seconds) {
        s = strtol(seconds, &end, 10);
        if (end == seconds || *end || s < 1 || s > TIMEOUT_S_MAX) {
            st = lm_node_usage(err, "--timeout 应为 1 至 3600 秒",
                               "--timeout takes 1 to 3600 seconds");
        }
    }
    if (st == LM_OK) {
        o->kit = n == 1 ? positional[0] : NULL;
        o->timeout_ms = (int)s * 1000;
    }
    return st;
}

/* ---- by USB stick ---- */

static void print_done(struct lm_cli *cli, const struct lm_node_key *key);

/* The kit stays here until the answer comes: its rows go into the database then. */
static enum lm_status kept_kit(struct lm_node *node, char *out, size_t n, struct lm_error *err)
{
    enum lm_status st = lm_datadir_path(&node->dir, "enrol.kit", out, n);

    return st == LM_OK ? st
                       : lm_fail(err, st, "path_too_long", "", "数据目录的路径太长。",
                                 "The data directory's path is too long.");
}

static enum lm_status ask_by_stick(struct lm_node *node, const struct lm_node_key *key,
                                   const char *kit, size_t n, const char *out, struct lm_cli *cli,
                                   struct lm_error *err)
{
    char path[PATH_MAX];
    enum lm_status st = kept_kit(node, path, sizeof path, err);

    if (st == LM_OK) {
        st = lm_file_write(path, kit, n, 0600, err);
    }
    if (st == LM_OK) {
        st = lm_node_enrol_request(key, LM_NODE_NAME " " LM_PROGRAM_VERSION, out, err);
    }
    if (st == LM_OK && cli->json) {
        json_t *doc = json_pack("{s:s,s:s}", "request", out, "station", key->station);

        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else if (st == LM_OK) {
        fprintf(
            cli->out,
            "入网申请已写好，请带到镇里；拿到答复后运行 lastmile-node enrol --finish 文件 / the "
            "request is written; bring it to the town, then run `enrol --finish FILE`: %s\n",
            out);
    }
    return st;
}

static enum lm_status finish(struct lm_node *node, struct lm_node_key *key, const char *answer,
                             struct lm_error *err)
{
    char path[PATH_MAX], *text = NULL;
    size_t n = 0;
    struct lm_arena arena;
    struct lm_kit kit;
    enum lm_status st = lm_node_key_load(&node->dir, key, err);

    if (st != LM_OK || key->enrolled) {
        return st;
    }
    lm_arena_init(&arena, ARENA_BYTES);
    st = kept_kit(node, path, sizeof path, err);
    if (st == LM_OK) {
        st = lm_file_read(path, LM_KIT_BYTES_MAX, &text, &n, err);
    }
    if (st == LM_OK) {
        st = lm_kit_read(text, n, &arena, &kit, err);
    }
    if (st == LM_OK && !same_kit(key, &kit)) {
        st = bad_kit(err);
    }
    if (st == LM_OK) {
        st = lm_node_enrol_answer(key, answer, err);
    }
    if (st == LM_OK) {
        st = make_database(node, &kit, key, true, err);
    }
    if (st == LM_OK) {
        st = lm_node_key_save(&node->dir, key, err);
    }
    if (st == LM_OK) {
        (void)unlink(path);
    }
    if (text) {
        sodium_memzero(text, n);
        free(text);
    }
    lm_arena_free(&arena);
    return st;
}

static int cmd_finish(struct lm_node *node, struct lm_cli *cli, const char *answer)
{
    struct lm_error err = {0};
    struct lm_node_key key;
    enum lm_status st;

    memset(&key, 0, sizeof key);
    st = lm_datadir_open(cli->data, true, &node->dir, &err);
    if (st == LM_OK) {
        st = lm_datadir_lock(&node->dir, LM_NODE_LOCK, &err);
    }
    if (st == LM_OK) {
        st = finish(node, &key, answer, &err);
    }
    if (st == LM_OK) {
        print_done(cli, &key);
    }
    lm_node_key_wipe(&key);
    return st == LM_OK ? LM_EXIT_OK : lm_node_fail(cli, &err);
}

/* The hub's id in groups of four, as the town's printed steps have it: people compare the two. */
static void put_hub_id(const struct lm_node_key *key, char out[41])
{
    char hex[33];

    lm_hex_encode(key->hub_id, 16, hex);
    for (int i = 0; i < 8; i++) {
        (void)snprintf(out + 5 * i, 6, "%.4s%s", hex + 4 * i, i < 7 ? " " : "");
    }
}

static void print_done(struct lm_cli *cli, const struct lm_node_key *key)
{
    char hub[41];

    put_hub_id(key, hub);
    if (cli->json) {
        char replica[24], hex[33];
        json_t *doc;

        lm_hex_encode(key->hub_id, 16, hex);
        (void)snprintf(replica, sizeof replica, "%llu", (unsigned long long)key->replica);
        doc = json_pack("{s:s,s:s,s:s,s:s}", "station", key->station, "replica", replica, "name",
                        key->station_name, "hub_id", hex);

        if (doc) {
            lm_json_print(cli->out, doc);
        }
        json_decref(doc);
    } else {
        fprintf(cli->out,
                "已入网 / enrolled: %s %s\n镇里编号（和步骤单上的对一对） / hub id, to be compared "
                "with the printed steps: %s\n",
                key->station, key->station_name, hub);
    }
}

int lm_node_cmd_enrol(struct lm_node *node, struct lm_cli *cli)
{
    struct options options = {0};
    char *text = NULL;
    size_t n = 0;
    bool asked = false, renewing = false;
    uint64_t carried = 0;
    struct lm_error err = {0};
    struct lm_arena arena;
    struct lm_kit kit;
    struct lm_node_key key;
    enum lm_status st = read_options(cli, &options, &err);

    if (st == LM_OK && options.finish) {
        return cmd_finish(node, cli, options.finish);
    }

    memset(&kit, 0, sizeof kit);
    memset(&key, 0, sizeof key);
    lm_arena_init(&arena, ARENA_BYTES);
    if (st == LM_OK) {
        st = lm_file_read(options.kit, LM_KIT_BYTES_MAX, &text, &n, &err);
    }
    if (st == LM_OK) {
        st = lm_kit_read(text, n, &arena, &kit, &err);
    }
    if (st == LM_OK) {
        st = lm_datadir_open(cli->data, false, &node->dir, &err);
    }
    if (st == LM_OK) {
        st = lm_datadir_lock(&node->dir, LM_NODE_LOCK, &err);
        if (st ==
            LM_ERR_BUSY) { /* serve runs: it is enrolled, and only the answer is wanted again */
            st = lm_node_key_enrolled(&node->dir, &key, &err) == LM_OK && same_kit(&key, &kit)
                     ? LM_OK
                     : LM_ERR_BUSY;
        } else if (st == LM_OK) {
            st = prepare(node, &kit, options.renew, &key, &renewing, cli, &err);
        }
    }
    if (st == LM_OK && !key.enrolled && options.offline) {
        asked = true;
        st = ask_by_stick(node, &key, text, n, options.out, cli, &err);
    } else if (st == LM_OK && !key.enrolled) {
        if (kit.expires_ms < lm_clock_wall_ms()) {
            fprintf(cli->err,
                    "%s: 按本机时钟，入网文件已过期；以镇服务器为准 / by this PC's clock the kit "
                    "has expired; the hub decides\n",
                    LM_NODE_NAME);
        }
        st = lm_node_enrol_ask(&key, LM_NODE_NAME " " LM_PROGRAM_VERSION, options.timeout_ms, &err);
        if (st == LM_OK && renewing) {
            st = lm_node_key_save_new(&node->dir, &key, &err);
        } else if (st == LM_OK) {
            st = make_database(node, &kit, &key, true, &err);
            if (st == LM_OK) {
                st = lm_node_key_save(&node->dir, &key, &err);
            }
        }
    }
    if (st == LM_OK && renewing) {
        st = take_over(node, &key, &carried, &err);
    }
    if (st == LM_OK && !asked) {
        print_done(cli, &key);
        if (renewing && !cli->json) {
            fprintf(cli->out, "带上未上传的修改 / unsent changes carried over: %llu\n",
                    (unsigned long long)carried);
        }
    }
    if (text) {
        sodium_memzero(text, n);
        free(text);
    }
    sodium_memzero(&kit, sizeof kit);
    lm_node_key_wipe(&key);
    lm_arena_free(&arena);
    return st == LM_OK ? LM_EXIT_OK : lm_node_fail(cli, &err);
}
