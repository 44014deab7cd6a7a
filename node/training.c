/* See training.h. Making it is a database from nothing: whose account is there is whole, for it is
 * added last; without one (the power went) it is made again. */
#include "node/training.h"

#include "common/assets.h"
#include "common/base/util.h"
#include "node/save.h"
#include "proto/feed.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES (16 * 1024 * 1024)
#define SEED_BYTES_MAX (256 * 1024)
#define ASSETS_MAX 32
#define PATH_CHARS 96

extern const struct lm_asset lm_node_assets[];
extern const size_t lm_node_assets_n;
extern const char lm_training_people[], lm_training_people_end[];

struct lm_training {
    struct lm_node node; /* its own directory; no store of it is another thread's */
    struct lm_api *real, *api;
    struct lm_api_route table[LM_TRAINING_ROUTES_MAX];
    struct lm_api_binding bindings[LM_TRAINING_ROUTES_MAX];
    char paths[LM_TRAINING_ROUTES_MAX][PATH_CHARS];
    char asset_paths[ASSETS_MAX][PATH_CHARS];
    struct lm_page page;
};

/* ---- what is in it ---- */

/* Villages by name, so that forms look as they do in earnest. */
struct villages {
    struct lm_nstore *into;
    const char *level;
    struct lm_error *err;
    enum lm_status st;
};

static bool copy_village(void *arg, const struct lm_record *rec)
{
    struct villages *v = arg;
    struct lm_buf body;

    lm_buf_init(&body, LM_CHANGE_BYTES_MAX * 2);
    lm_body_pack(&body, rec);
    v->st = body.status;
    if (v->st == LM_OK) {
        v->st = lm_nstore_put_kit_record(v->into, body.data, body.len, v->level, v->err);
    }
    lm_buf_free(&body);
    return v->st == LM_OK;
}

/* The station is called and numbered as the real one; its replica is nobody's. */
static enum lm_status make_station(struct lm_training *t, struct lm_error *err)
{
    struct lm_nstore *store = t->api->store;
    const struct lm_type *area = lm_catalog_type(lm_nstore_catalog(t->real->store), "area_unit");
    struct lm_me me;
    enum lm_status st = lm_nstore_me(t->real->store, &me, err);
    struct villages v = {.into = store, .level = me.level, .err = err};

    if (st == LM_OK) {
        st = lm_nstore_begin(store, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_me_make(store, lm_rand_next(&t->api->rnd) >> 1 | 1, me.station, me.level,
                               me.name, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_set_offset(store, 0, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_set_state(store, "offline", "training", "练习模式：只存在本机，不上报。",
                                 "Training: kept on this PC, never sent.", err);
    }
    if (st == LM_OK && area) {
        st = lm_tables_list(lm_nstore_tables(t->real->store), NULL, area, NULL, NULL, 0, false,
                            copy_village, &v, err);
        st = st == LM_OK ? v.st : st;
    }
    if (st == LM_OK) {
        return lm_nstore_commit(store, err);
    }
    lm_nstore_rollback(store);
    return st;
}

/* people.ndjson with the station's code put in. *out is malloc'ed. */
static enum lm_status read_people(struct lm_training *t, char **out, struct lm_error *err)
{
    static const char mark[] = "STATION";
    struct lm_buf text;
    struct lm_me me;
    const char *at = lm_training_people, *found;
    enum lm_status st = lm_nstore_me(t->api->store, &me, err);

    lm_buf_init(&text, SEED_BYTES_MAX);
    while (st == LM_OK && (found = strstr(at, mark)) != NULL) {
        lm_buf_add(&text, at, (size_t)(found - at));
        lm_buf_text(&text, me.station);
        at = found + sizeof mark - 1;
    }
    lm_buf_add(&text, at, (size_t)(lm_training_people_end - at));
    lm_buf_add(&text, "", 1);
    *out = st == LM_OK && text.status == LM_OK ? strdup((const char *)text.data) : NULL;
    st = st == LM_OK ? text.status : st;
    lm_buf_free(&text);
    if (st == LM_OK && !*out) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    }
    return st;
}

/* Through the very entry that `add` and the page use: what is in it keeps all rules. */
static enum lm_status add_people(struct lm_training *t, struct lm_error *err)
{
    struct lm_node_saver saver;
    const struct lm_entry_sink sink = {
        .ctx = &saver, .save = lm_node_save, .flush = lm_node_saver_flush, .batch = 1000};
    struct lm_cli cli;
    char *people = NULL, *said = NULL;
    const char *why;
    size_t n = 0;
    enum lm_status st = read_people(t, &people, err);

    if (st != LM_OK) {
        return st;
    }
    memset(&cli, 0, sizeof cli);
    cli.user = LM_TRAINING_USER;
    cli.in = fmemopen(people, strlen(people), "r");
    cli.out = cli.err = open_memstream(&said, &n);
    lm_node_saver_init(&saver, t->api->store, t->node.dir.path, cli.user);
    if (!cli.in || !cli.out) {
        st = lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    } else if (lm_entry_run(&cli, LM_NODE_NAME, &sink) != LM_EXIT_OK) {
        (void)fflush(cli.out);
        why = said ? strstr(said, "\"error\"") : NULL;
        st = saver.broken != LM_OK ? saver.broken : LM_ERR_INTERNAL;
        st = lm_fail(err, st, lm_status_name(st), "", "练习用的数据没有做好：%.150s",
                     "The training data could not be made: %.150s", why ? why : "");
    }
    lm_node_saver_free(&saver);
    if (cli.in) {
        (void)fclose(cli.in);
    }
    if (cli.out) {
        (void)fclose(cli.out);
    }
    free(people);
    free(said);
    return st;
}

/* What the town would have done by now: people are registered, but one who waits for it. */
struct town_acts {
    struct lm_nstore *store;
    struct lm_error *err;
    enum lm_status st;
    size_t n;
};

static bool set_state(struct town_acts *a, const struct lm_record *rec, const char *state,
                      const char *note)
{
    struct lm_arena arena;
    struct lm_record *copy;

    lm_arena_init(&arena, ARENA_BYTES);
    copy = lm_record_copy(&arena, rec);
    if (!copy) {
        a->st = LM_ERR_MEMORY;
    } else {
        copy->fields[LM_C_STATE] = lm_value_text(state);
        copy->fields[LM_C_RETURN_NOTE] = lm_value_text(note);
        a->st = lm_tables_put(lm_nstore_tables(a->store), copy, false, a->err);
    }
    lm_arena_free(&arena);
    return a->st == LM_OK;
}

static bool verify_person(void *arg, const struct lm_record *rec)
{
    struct town_acts *a = arg;

    return a->n++ == 0 || set_state(a, rec, "active", "");
}

static bool send_back(void *arg, const struct lm_record *rec)
{
    struct town_acts *a = arg;

    a->n++;
    return set_state(a, rec, "returned", "（练习）件数好像不对，请核对后再报") && false;
}

static enum lm_status act_as_town(struct lm_training *t, struct lm_error *err)
{
    struct lm_nstore *store = t->api->store;
    struct lm_tables *tables = lm_nstore_tables(store);
    const struct lm_catalog *catalog = lm_nstore_catalog(store);
    struct town_acts a = {.store = store, .err = err};
    struct lm_me me;
    enum lm_status st = lm_nstore_begin(store, err);

    if (st == LM_OK) {
        st = lm_tables_list(tables, NULL, lm_catalog_type(catalog, "person"), NULL, NULL, 0, false,
                            verify_person, &a, err);
        st = st == LM_OK ? a.st : st;
    }
    if (st == LM_OK) {
        st = lm_tables_list(tables, NULL, lm_catalog_type(catalog, "consultation"), NULL, NULL, 0,
                            false, send_back, &a, err);
        st = st == LM_OK ? a.st : st;
    }
    if (st == LM_OK) {
        st = lm_nstore_me(store, &me, err);
    }
    if (st == LM_OK) {
        st = lm_nstore_set_acked(store, me.branch, &me.head, me.head.seq, 0, err);
    }
    if (st == LM_OK) {
        return lm_nstore_commit(store, err);
    }
    lm_nstore_rollback(store);
    return st;
}

static enum lm_status add_account(struct lm_training *t, struct lm_error *err)
{
    char hash[LM_PASSWORD_HASH_BYTES];
    enum lm_status st = lm_password_hash(LM_TRAINING_PASSWORD, hash, err);

    return st == LM_OK ? lm_nstore_account_add(t->api->store, LM_TRAINING_USER, "secretary", hash,
                                               false, lm_clock_wall_ms(), err)
                       : st;
}

/* ---- its life ---- */

static void close_store(struct lm_training *t)
{
    lm_api_search_free(&t->api->search);
    lm_nstore_close(t->api->store ? &t->api->store : NULL);
}

static enum lm_status make(struct lm_training *t, struct lm_error *err)
{
    char path[PATH_MAX];
    enum lm_status st = lm_datadir_path(&t->node.dir, LM_TRAINING_DB, path, sizeof path);

    close_store(t);
    if (st == LM_OK) {
        lm_db_remove(path);
        st = lm_nstore_open_training(&t->node.dir, t->node.catalog, true, &t->api->store, err);
    }
    if (st == LM_OK) {
        st = make_station(t, err);
    }
    if (st == LM_OK) {
        st = add_people(t, err);
    }
    if (st == LM_OK) {
        st = act_as_town(t, err);
    }
    if (st == LM_OK) {
        st = add_account(t, err);
    }
    if (st != LM_OK) {
        close_store(t);
    }
    return st;
}

static enum lm_status ready(struct lm_api *api, struct lm_error *err)
{
    struct lm_training *t = api->training;
    struct lm_account account;
    struct lm_error ignored;
    enum lm_status st;

    if (api->store) {
        return lm_nstore_refresh(api->store, err);
    }
    if (!t->node.dir.path[0]) {
        char path[PATH_MAX];

        st = lm_datadir_path(&t->real->node->dir, "training", path, sizeof path);
        st = st == LM_OK ? lm_datadir_open(path, false, &t->node.dir, err)
                         : lm_fail(err, st, "path_too_long", "", "数据目录的路径太长。",
                                   "The data directory's path is too long.");
        if (st != LM_OK) {
            t->node.dir.path[0] = '\0';
            return st;
        }
    }
    st = lm_nstore_open_training(&t->node.dir, t->node.catalog, false, &api->store, &ignored);
    if (st == LM_OK &&
        lm_nstore_account(api->store, LM_TRAINING_USER, &account, &ignored) == LM_OK) {
        return LM_OK;
    }
    return make(t, err); /* none, half of one, or one that cannot be read: nothing in it matters */
}

enum lm_status lm_api_training_reset(struct lm_api_call *call)
{
    if (!call->api->training) {
        return lm_fail(&call->err, LM_ERR_NOT_FOUND, "not_training", "",
                       "这里是正式数据，不能重来。", "This is the real data.");
    }
    return make(call->api->training, &call->err);
}

enum lm_status lm_training_new(struct lm_api *real, struct lm_training **out, struct lm_error *err)
{
    struct lm_training *t = calloc(1, sizeof *t);
    struct lm_me me;
    enum lm_status st =
        t ? lm_nstore_me(real->store, &me, err)
          : lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");

    *out = t;
    if (st == LM_OK) {
        t->real = real;
        t->node.catalog = real->node->catalog;
        t->node.dir.lock_fd = -1;
        st = lm_api_new(&t->node, ready, &t->api, err);
    }
    if (st == LM_OK) {
        t->api->training = t;
        lm_api_name_cookie(t->api, LM_API_TRAINING_COOKIE, me.replica);
    } else {
        lm_training_free(out);
    }
    return st;
}

void lm_training_free(struct lm_training **training)
{
    struct lm_training *t = *training;

    if (!t) {
        return;
    }
    lm_api_close(&t->api);
    free(t);
    *training = NULL;
}

void lm_training_idle(struct lm_training *training, int64_t idle_ms)
{
    training->api->sessions.idle_ms = idle_ms;
}

void lm_training_front(struct lm_training *training, atomic_int *front)
{
    training->api->front = front;
}

/* ---- its door ---- */

/* A stick and the town are for the real data. */
static bool left_out(const struct lm_api_route *route)
{
    return strncmp(route->path, LM_API_V "usb", strlen(LM_API_V "usb")) == 0 ||
           strcmp(route->path, LM_API_V "sync") == 0 || strcmp(route->path, LM_API_V "events") == 0;
}

size_t lm_training_routes(struct lm_training *training, struct lm_http_route *routes)
{
    size_t n = 0;

    LM_CHECK(lm_node_assets_n <= ASSETS_MAX &&
             lm_node_assets_n + lm_api_n_routes <= LM_TRAINING_ROUTES_MAX);
    for (size_t i = 0; i < lm_api_n_routes; i++) {
        if (!left_out(&lm_api_routes[i])) {
            (void)snprintf(training->paths[n], PATH_CHARS, LM_TRAINING_BASE "%s",
                           lm_api_routes[i].path);
            training->table[n] = lm_api_routes[i];
            training->table[n].path = training->paths[n];
            n++;
        }
    }
    lm_api_bind(&training->api->door, training->table, n, training->bindings, routes);
    for (size_t i = 0; i < lm_node_assets_n; i++) {
        const struct lm_asset *asset = &lm_node_assets[i];

        routes[n] = strcmp(asset->path, "/") == 0
                        ? lm_page_route(&training->page, asset, LM_TRAINING_BASE LM_API_V,
                                        lm_api_first, routes, n)
                        : lm_asset_route(asset);
        (void)snprintf(training->asset_paths[i], PATH_CHARS, LM_TRAINING_BASE "%s",
                       lm_node_assets[i].path);
        routes[n].path = training->asset_paths[i];
        n++;
    }
    return n;
}
