/* Who is there: the hub and the PCs, made from two templates; starting, crashing, going back. A
 * crash loses what the process had in memory and what it was about to write; the disk stays. */
#include "tests/sim/sim.h"

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOWN_CODE "999999101000"

const char *sim_station_code(int station)
{
    static char codes[SIM_STATIONS_MAX][16];

    (void)snprintf(codes[station], sizeof codes[station], "999999101%03d", 201 + station);
    return codes[station];
}

/* ---- files ---- */

static void path_of(char out[PATH_MAX], const char *a, const char *b)
{
    int n = snprintf(out, PATH_MAX, "%s/%s", a, b);

    LM_CHECK(n > 0 && n < PATH_MAX);
}

bool sim_copy_file(const char *from, const char *to)
{
    char buffer[65536];
    FILE *in = fopen(from, "rb"), *out = in ? fopen(to, "wb") : NULL;
    bool good = out != NULL;
    size_t n;

    while (good && (n = fread(buffer, 1, sizeof buffer, in)) > 0) {
        good = fwrite(buffer, 1, n, out) == n;
    }
    if (in) {
        (void)fclose(in);
    }
    return out && fclose(out) == 0 && good;
}

/* Copies the database of `name` and what its WAL holds. */
bool sim_copy_database(const char *from_dir, const char *to_dir, const char *from_name,
                       const char *to_name)
{
    static const char *const ends[] = {"", "-wal"};
    char from[PATH_MAX], to[PATH_MAX], name[64];
    bool good = true;

    for (int i = 0; i < 2; i++) {
        (void)snprintf(name, sizeof name, "%s%s", from_name, ends[i]);
        path_of(from, from_dir, name);
        (void)snprintf(name, sizeof name, "%s%s", to_name, ends[i]);
        path_of(to, to_dir, name);
        (void)unlink(to);
        if (access(from, F_OK) == 0) {
            good = good && sim_copy_file(from, to);
        }
    }
    (void)snprintf(name, sizeof name, "%s-shm", to_name);
    path_of(to, to_dir, name);
    (void)unlink(to);
    return good;
}

static void remove_dir(const char *path)
{
    char file[PATH_MAX];
    DIR *dir = opendir(path);
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            path_of(file, path, entry->d_name);
            (void)unlink(file);
        }
    }
    if (dir) {
        (void)closedir(dir);
    }
    (void)rmdir(path);
}

/* ---- templates: made once a process, since tables for forty types take their time ---- */

static char templates[PATH_MAX];

static void remove_templates(void)
{
    char path[PATH_MAX];

    if (!templates[0]) {
        return;
    }
    path_of(path, templates, "t-hub");
    remove_dir(path);
    path_of(path, templates, "t-node");
    remove_dir(path);
    (void)rmdir(templates);
}

/* One value that the hub's tables do not bear, as a fault of the program would be: the statement
 * fails, the transaction goes on. */
static bool add_poison(const char *dir)
{
    char path[PATH_MAX], sql[400];
    sqlite3 *db = NULL;
    bool good;

    path_of(path, dir, "hub.db");
    (void)snprintf(
        sql, sizeof sql,
        "CREATE TRIGGER sim_poison BEFORE INSERT ON r_consultation WHEN NEW.item_count = "
        "%d BEGIN SELECT RAISE(ABORT, 'poison'); END",
        SIM_POISON);
    good = sqlite3_open(path, &db) == SQLITE_OK &&
           sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
    return sqlite3_close(db) == SQLITE_OK && good;
}

static bool make_hub_template(const struct lm_catalog *catalog, const char *path,
                              struct lm_error *err)
{
    struct lm_datadir dir = {.lock_fd = -1};
    struct lm_hub_keys keys;
    struct lm_store *store = NULL;
    const struct lm_store_init init = {.town_name = "示例镇",
                                       .town_code = TOWN_CODE,
                                       .admin_name = "admin",
                                       .admin_password = "not a secret",
                                       .now_ms = 1790000000000};
    bool good = lm_datadir_open(path, false, &dir, err) == LM_OK &&
                lm_hub_keys_make(&dir, &keys, err) == LM_OK &&
                lm_store_create(&dir, catalog, &init, err) == LM_OK &&
                lm_store_open(&dir, catalog, LM_STORE_WRITE, &store, err) == LM_OK;

    if (good) {
        lm_store_set_dup_key(store, keys.dup_key);
        good = lm_store_begin(store, err) == LM_OK;
    }
    for (int i = 0; good && i < SIM_STATIONS_MAX; i++) {
        struct lm_station s = {.level = "village"};

        (void)snprintf(s.code, sizeof s.code, "%s", sim_station_code(i));
        (void)snprintf(s.name, sizeof s.name, "示例村%d", i + 1);
        good = lm_store_station_add(store, "", &s, init.now_ms, err) == LM_OK;
    }
    good = good && lm_store_commit(store, err) == LM_OK;
    if (store) {
        lm_store_close(&store);
    }
    lm_datadir_close(&dir);
    return good && add_poison(path);
}

static bool make_node_template(const struct lm_catalog *catalog, const char *path,
                               struct lm_error *err)
{
    struct lm_datadir dir = {.lock_fd = -1};
    struct lm_nstore *store = NULL;
    bool good = lm_datadir_open(path, false, &dir, err) == LM_OK &&
                lm_nstore_open(&dir, catalog, true, &store, err) == LM_OK;

    if (store) {
        lm_nstore_close(&store);
    }
    lm_datadir_close(&dir);
    return good;
}

static bool make_templates(const struct lm_catalog *catalog, struct lm_error *err)
{
    char path[PATH_MAX];

    if (templates[0]) {
        return true;
    }
    (void)snprintf(templates, sizeof templates, "%s/lm-sim.%d",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
    if (mkdir(templates, 0700) != 0) {
        (void)lm_fail(err, LM_ERR_IO, "sim", "", "%s", "%s", templates);
        return false;
    }
    (void)atexit(remove_templates);
    path_of(path, templates, "t-hub");
    if (!make_hub_template(catalog, path, err)) {
        return false;
    }
    path_of(path, templates, "t-node");
    return make_node_template(catalog, path, err);
}

/* ---- the hub ---- */

void sim_hub_start(void)
{
    struct lm_error err = {0};
    enum lm_status st;

    sim_disk_heal(DISK_HUB);
    sim->actor = -1;
    sim->hub_mute = false;
    sim->hub_crash = CRASH_NONE;
    sim->server = calloc(1, sizeof *sim->server);
    LM_CHECK(sim->server);
    sim->hub_opened++;
    st = lm_store_open(&sim->hub.dir, sim->catalog, LM_STORE_WRITE, &sim->hub.store, &err);
    if (st == LM_OK) {
        lm_store_set_dup_key(sim->hub.store, sim->hub.keys.dup_key);
        st = lm_server_init(sim->server, &sim->hub, &err);
    }
    if (st == LM_OK) {
        st = lm_gate_reload(sim->server->gate, sim->hub.store, &err);
    }
    if (st == LM_OK) {
        st = lm_router_open(NULL, "", &sim->hub.keys.curve, lm_gate_allow, sim->server->gate,
                            &sim->server->router, &err);
    }
    if (st != LM_OK) {
        sim_fail("P2 acked means durable", "the hub does not start after a crash: %s", err.en);
        return;
    }
    sim->hub_up = true;
    sim->hub_tick_ms = sim->now_ms + 1000;
    sim_note("hub up");
    sim_check_step(); /* what nodes believe of it, before they hear of it again */
    sim->actor = -1;
}

/* Ends the process as a power cut would. */
void sim_hub_crash(const char *why)
{
    if (!sim->hub_up) {
        return;
    }
    sim_note("hub down: %s", why);
    sim_disk_die_after(DISK_HUB, 0);
    sim->hub_up = false;
    lm_router_close(&sim->server->router);
    lm_server_free(sim->server);
    free(sim->server);
    sim->server = NULL;
    lm_store_close(&sim->hub.store);
    sim_disk_heal(DISK_HUB);
    sim->hub_restart_ms =
        sim->now_ms + 500 + (int64_t)lm_rand_below(&sim->rnd, sim->calm ? 1000 : 40000);
}

/* ---- PCs ---- */

static void keep_certificate(struct sim_node *node, const struct lm_replica *row)
{
    struct lm_certificate c = {.level = "village", .replica = row->number};
    struct lm_buf out;

    (void)snprintf(c.station, sizeof c.station, "%.12s", row->station);
    memcpy(c.public_key, row->public_key, sizeof c.public_key);
    c.issued_ms = row->enrolled_ms;
    lm_buf_init(&out, LM_CERTIFICATE_BYTES_MAX);
    lm_certificate_make(&out, &c, sim->hub.keys.sign_secret);
    LM_CHECK(out.status == LM_OK);
    memcpy(node->key.certificate, out.data, out.len);
    node->key.certificate_len = out.len;
    lm_buf_free(&out);
}

bool sim_node_enrol(struct sim_node *node)
{
    struct lm_error err = {0};
    struct lm_kit_row kit = {.made_ms = sim->now_ms, .expires_ms = sim->now_ms + 86400000};
    struct lm_msg_enrol request = {
        .protocol_min = 1, .protocol_max = 1, .machine = "sim", .program = "sim"};
    struct lm_replica row;
    struct lm_store *store = sim->hub.store;
    struct lm_kit_row stored;
    bool good;

    randombytes_buf(kit.public_key, sizeof kit.public_key);
    (void)snprintf(kit.station, sizeof kit.station, "%s", sim_station_code(node->station));
    memcpy(request.public_key, node->key.own.public_key, sizeof request.public_key);
    randombytes_buf(request.nonce, sizeof request.nonce);
    good = lm_store_begin(store, &err) == LM_OK && lm_store_kit_add(store, &kit, &err) == LM_OK &&
           lm_store_kit_by_key(store, kit.public_key, &stored) == LM_OK &&
           lm_store_enrol(store, stored.id, &request, sim->now_ms, &row, &err) == LM_OK &&
           lm_store_commit(store, &err) == LM_OK;
    if (!good) {
        lm_store_rollback(store);
        sim_note("enrolment failed: %s %s", err.code, err.en);
        return false;
    }
    node->key.replica = row.number;
    keep_certificate(node, &row);
    return lm_gate_reload(sim->server->gate, store, &err) == LM_OK;
}

int sim_node_add(int station)
{
    struct sim_node *node = &sim->nodes[sim->n_nodes];
    struct lm_error err = {0};
    char template[PATH_MAX];

    if (sim->n_nodes == SIM_NODES_MAX || !sim->hub_up) {
        return -1;
    }
    memset(node, 0, sizeof *node);
    node->index = sim->n_nodes;
    node->station = station;
    node->dir.lock_fd = -1;
    (void)snprintf(node->path, sizeof node->path, "%.4000s/n%d", sim->work, node->index);
    path_of(template, templates, "t-node");
    sim_disk_heal(node->index);
    lm_keypair_make(&node->key.own);
    memcpy(node->key.hub_id, sim->hub.keys.hub_id, sizeof node->key.hub_id);
    memcpy(node->key.hub_public_key, sim->hub.keys.curve.public_key,
           sizeof node->key.hub_public_key);
    memcpy(node->key.hub_sign_key, sim->hub.keys.sign_public, sizeof node->key.hub_sign_key);
    node->key.enrolled = true;
    if (!sim_node_enrol(node) || lm_datadir_open(node->path, false, &node->dir, &err) != LM_OK ||
        !sim_copy_database(template, node->path, "node.db", "node.db")) {
        return -1;
    }
    node->made = true;
    sim->n_nodes++;
    sim_note("pc %d of station %d", node->index, station);
    sim_node_start(node);
    return node->index;
}

void sim_node_start(struct sim_node *node)
{
    struct lm_error err = {0};
    struct lm_me me;
    enum lm_status st;

    sim_disk_heal(node->index);
    sim->actor = node->index;
    node->opened++;
    st = lm_nstore_open(&node->dir, sim->catalog, false, &node->store, &err);
    if (st == LM_OK && lm_nstore_me(node->store, &me, &err) == LM_ERR_NOT_FOUND) {
        st = lm_nstore_begin(node->store, &err);
        if (st == LM_OK) {
            st = lm_nstore_me_make(node->store, node->key.replica, sim_station_code(node->station),
                                   "village", "示例村", &err);
        }
        if (st == LM_OK) {
            st = lm_nstore_commit(node->store, &err);
        }
    }
    if (st == LM_OK) {
        st = lm_link_open(&node->link, node->store, &node->key, &err);
    }
    sim->actor = -2;
    if (st != LM_OK) {
        sim_fail("P1 saved means saved", "pc %d does not start: %s", node->index, err.en);
        return;
    }
    node->up = true;
    node->tick_ms = sim->now_ms + (int64_t)lm_rand_below(&sim->rnd, 500);
}

void sim_node_crash(struct sim_node *node, const char *why)
{
    if (!node->up) {
        return;
    }
    sim_note("pc %d down: %s", node->index, why);
    sim_disk_die_after(node->index, 0);
    sim->actor = node->index;
    lm_link_close(&node->link);
    lm_nstore_close(&node->store);
    sim->actor = -2;
    sim_disk_heal(node->index);
    node->up = false;
    node->restart_ms =
        sim->now_ms + 200 + (int64_t)lm_rand_below(&sim->rnd, sim->calm ? 1000 : 60000);
}

/* An image of the disk as it is now, as a backup or a virtual machine keeps one. */
void sim_node_keep_image(struct sim_node *node)
{
    char name[32];
    bool up = node->up;

    if (node->images == SIM_IMAGES_MAX) {
        return;
    }
    if (up && sim_chance(2)) {
        sim_node_crash(node, "to take an image");
        node->restart_ms = sim->now_ms + 200;
    } else {
        sim_note("pc %d image %d", node->index, node->images); /* as it runs, in mid-session */
    }
    (void)snprintf(name, sizeof name, "image%d.db", node->images);
    if (sim_copy_database(node->path, node->path, "node.db", name)) {
        node->images++;
    }
}

/* Saves that only this disk had are lost with it: no program can promise otherwise. */
static void excuse_unacked(const struct sim_node *node)
{
    for (size_t i = 0; i < sim->n_saves; i++) {
        struct sim_save *s = &sim->saves[i];

        if (s->node == node->index) {
            s->excused = true; /* those that the hub has acked are held against it in check.c */
        }
    }
}

void sim_node_go_back(struct sim_node *node)
{
    char name[32];
    int image;

    if (node->images == 0) {
        return;
    }
    image = (int)lm_rand_below(&sim->rnd, (uint64_t)node->images);
    sim_node_crash(node, "to go back");
    (void)snprintf(name, sizeof name, "image%d.db", image);
    excuse_unacked(node);
    if (!sim_copy_database(node->path, node->path, name, "node.db")) {
        sim_fail("sim", "an image cannot be copied");
    }
    node->times_back++;
    node->images = image + 1; /* the later ones are of another history */
    sim_hub_back_forget(node);
    sim_note("pc %d went back to image %d", node->index, image);
}

/* ---- life ---- */

/* A forked process works in a directory of its own; its parent's is the parent's to remove. */
void sim_templates_forget(void)
{
    templates[0] = '\0';
}

bool sim_templates(void)
{
    struct lm_error err = {0};

    if (!make_templates(sim->catalog, &err)) {
        (void)fprintf(stderr, "sim: cannot make the templates: %s\n", err.en);
        return false;
    }
    return true;
}

bool sim_world_open(void)
{
    struct lm_error err = {0};
    char from[PATH_MAX], to[PATH_MAX], dir[PATH_MAX];

    sim->hub.dir.lock_fd = -1;
    (void)snprintf(sim->work, sizeof sim->work, "%s", templates);
    sim_net_reset();
    path_of(dir, sim->work, "hub");
    path_of(from, templates, "t-hub");
    if (lm_datadir_open(dir, false, &sim->hub.dir, &err) != LM_OK ||
        !sim_copy_database(from, dir, "hub.db", "hub.db")) {
        sim_fail("sim", "no directory for the hub: %s", err.en);
        return false;
    }
    path_of(from, templates, "t-hub/hub.key");
    path_of(to, dir, "hub.key");
    if (!sim_copy_file(from, to) || chmod(to, 0600) != 0 ||
        lm_hub_keys_load(&sim->hub.dir, &sim->hub.keys, &err) != LM_OK) {
        sim_fail("sim", "no keys for the hub: %s", err.en);
        return false;
    }
    sim->hub.catalog = sim->catalog;
    sim_hub_back_reset();
    sim_hub_start();
    for (int i = 0; sim->hub_up && i < sim->plan.stations; i++) {
        (void)sim_node_add(i);
        if (sim->plan.faults & 1u << F_TWO_PCS && sim_chance(2)) {
            (void)sim_node_add(i);
        }
    }
    return sim->failure[0] == '\0' && sim->n_nodes > 0;
}

void sim_world_close(void)
{
    char path[PATH_MAX];

    for (int i = 0; i < sim->n_nodes; i++) {
        struct sim_node *node = &sim->nodes[i];

        sim_node_crash(node, "end");
        lm_datadir_close(&node->dir);
        remove_dir(node->path);
    }
    sim_hub_crash("end");
    lm_datadir_close(&sim->hub.dir);
    path_of(path, sim->work, "hub");
    remove_dir(path);
    sim_net_reset();
}
