/* The hub goes back in time: restored from a backup of any age, or set back in silence as by a
 * virtual machine's snapshot. What must hold (P7): nothing that a PC still has is lost. What the
 * PCs have is noted when it happens, version by version, and looked for when all is at rest. */
#include "hub/store/store_internal.h"
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { IMAGES_MAX = 4, LOST_MAX = 20000 };

struct lost {
    char record[40];
    uint64_t replica, hlc;
    int node; /* who has it */
};

static struct {
    int n_images;
    int64_t image_ms[IMAGES_MAX];
    bool has_backup[IMAGES_MAX];
    bool distrusted[SIM_NODES_MAX], looked[SIM_NODES_MAX];
    uint64_t lease[SIM_NODES_MAX];
    bool went_back;
    unsigned times;
    struct lost lost[LOST_MAX];
    size_t n_lost;
} back;

void sim_hub_back_reset(void)
{
    memset(&back, 0, sizeof back);
}

bool sim_hub_distrusted(const struct sim_node *node, const struct lm_me *me)
{
    int i = node->index;

    if (back.distrusted[i] && !back.looked[i]) {
        back.looked[i] = true;
        back.lease[i] = me->lease.counter;
    } else if (back.distrusted[i] && me->lease.counter != back.lease[i]) {
        back.distrusted[i] = false; /* it has stored a WELCOME of the hub as it is now */
    }
    return back.distrusted[i];
}

unsigned sim_hub_times_back(void)
{
    return back.times;
}

void sim_hub_distrust(const struct sim_node *node)
{
    back.distrusted[node->index] = true;
    back.looked[node->index] = false;
}

/* Two of the hub may be alive, as far as it can tell: a technician says that it is the one. */
bool sim_hub_raise(void)
{
    struct lm_error err = {0};
    enum lm_status st;

    if (!sim->hub_up || lm_store_town(sim->hub.store)->rival == 0) {
        return false;
    }
    sim->actor = -1;
    st = lm_store_new_incarnation(sim->hub.store, "技术员", "raised", sim->now_ms, &err);
    sim_note("incarnation raised: %s", lm_status_name(st));
    if (sim_disk_dead(DISK_HUB) || lm_store_broken(sim->hub.store)) {
        sim_hub_crash("died while its incarnation was raised");
    }
    sim->actor = -2;
    return st == LM_OK;
}

/* ---- images ---- */

static void name_of(char out[PATH_MAX], const char *kind, int image)
{
    (void)snprintf(out, PATH_MAX, "%.4000s/%s%d", sim->hub.dir.path, kind, image);
}

static void keep_image(void)
{
    struct lm_error err = {0};
    struct lm_backup done;
    char path[PATH_MAX], log[PATH_MAX], name[32];
    int at = back.n_images < IMAGES_MAX ? back.n_images : (int)lm_rand_below(&sim->rnd, IMAGES_MAX);

    if (!sim->hub_up) {
        return;
    }
    sim->actor = -1;
    name_of(path, "backup", at);
    (void)unlink(path);
    back.has_backup[at] = false;
    if (lm_store_backup(sim->hub.store, path, &done, &err) != LM_OK ||
        lm_store_backup_note(sim->hub.store, &done.head, sim->now_ms, &err) != LM_OK) {
        sim_note("no backup: %s", err.code);
        if (sim_disk_dead(DISK_HUB) || lm_store_broken(sim->hub.store)) {
            sim_hub_crash("died in a backup");
        }
        (void)unlink(path);
        return;
    }
    back.has_backup[at] = true;
    (void)snprintf(name, sizeof name, "image%d", at);
    (void)snprintf(log, sizeof log, "%.4000s/incarnations.log", sim->hub.dir.path);
    name_of(path, "incarnations", at);
    (void)unlink(path);
    if (!sim_copy_database(sim->hub.dir.path, sim->hub.dir.path, "hub.db", name) ||
        (access(log, F_OK) == 0 && !sim_copy_file(log, path))) {
        sim_fail("sim", "no image of the hub");
    }
    back.image_ms[at] = sim->now_ms;
    back.n_images += at == back.n_images;
    sim_note("hub image %d", at);
}

static bool put_back(int image)
{
    char name[32], from[PATH_MAX], to[PATH_MAX];

    (void)snprintf(name, sizeof name, "image%d", image);
    name_of(from, "incarnations", image);
    (void)snprintf(to, sizeof to, "%.4000s/incarnations.log", sim->hub.dir.path);
    (void)unlink(to);
    return sim_copy_database(sim->hub.dir.path, sim->hub.dir.path, name, "hub.db") &&
           (access(from, F_OK) != 0 || sim_copy_file(from, to));
}

static bool restore(int image)
{
    struct lm_error err = {0};
    struct lm_restored done;
    char path[PATH_MAX], aside[96], name[PATH_MAX];
    static const char *const ends[] = {"", "-wal", "-shm"};

    name_of(path, "backup", image);
    if (lm_store_restore_stage(&sim->hub.dir, sim->catalog, sim->hub.keys.hub_id, "技术员", path,
                               sim->now_ms, &done, &err) != LM_OK ||
        lm_store_restore_adopt(&sim->hub.dir, done.staged, sim->now_ms, aside, &err) != LM_OK) {
        sim_fail("P7 the hub goes back", "a backup cannot be restored: %s", err.en);
        return false;
    }
    for (int i = 0; i < 3; i++) {
        (void)snprintf(name, sizeof name, "%.4000s/%.90s%s", sim->hub.dir.path, aside, ends[i]);
        (void)unlink(name);
    }
    return true;
}

/* ---- what the PCs have ---- */

struct noting {
    struct sim_node *node;
    struct lm_arena arena;
};

static bool is_known(const char *record, struct lm_version v)
{
    struct lm_jentry entry;
    struct lm_arena arena;
    bool known;

    lm_arena_init(&arena, 8 * 1024 * 1024);
    known = lm_journal_find(sim->hub.store, &arena, record, v, &entry) == LM_OK;
    lm_arena_free(&arena);
    return known;
}

static bool note_record(void *arg, const struct lm_record *rec)
{
    struct noting *n = arg;

    for (size_t g = 0; g < rec->type->n_groups && rec->position > 0; g++) {
        struct lm_version v = rec->stamps[g].version;
        struct lost *l = &back.lost[back.n_lost];
        bool before = v.hlc == 0 || v.replica == n->node->key.replica;

        for (size_t i = 0; i < g && !before; i++) {
            before = lm_version_equal(rec->stamps[i].version, v);
        }
        if (before || back.n_lost == LOST_MAX || is_known(rec->id, v)) {
            continue;
        }
        (void)snprintf(l->record, sizeof l->record, "%s", rec->id);
        l->replica = v.replica;
        l->hlc = v.hlc;
        l->node = n->node->index;
        back.n_lost++;
    }
    return true;
}

/* A PC that goes back itself may not have it any more. */
void sim_hub_back_forget(const struct sim_node *node)
{
    size_t kept = 0;

    for (size_t i = 0; i < back.n_lost; i++) {
        if (back.lost[i].node != node->index) {
            back.lost[kept++] = back.lost[i];
        }
    }
    back.n_lost = kept;
    if (back.went_back) { /* its image may be of a history that is gone */
        sim_hub_distrust(node);
    }
}

static void note_what_is_left(void)
{
    static const char *const types[] = {"consultation", "person", "facility"};
    struct lm_error err = {0};
    size_t before = back.n_lost;

    for (int i = 0; i < sim->n_nodes; i++) {
        struct noting n = {.node = &sim->nodes[i]};

        if (n.node->retired || !n.node->up) {
            continue;
        }
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            if (lm_tables_list(lm_nstore_tables(n.node->store), NULL,
                               lm_catalog_type(lm_nstore_catalog(n.node->store), types[t]),
                               sim_station_code(n.node->station), NULL, 0, true, note_record, &n,
                               &err) != LM_OK) {
                sim_note("pc %d cannot be looked at", i);
            }
        }
    }
    sim_note("%zu versions are left at PCs only", back.n_lost - before);
}

static void go_back(bool silent)
{
    int image = (int)lm_rand_below(&sim->rnd, (uint64_t)back.n_images);

    silent = silent || !back.has_backup[image];
    sim_hub_crash(silent ? "to be set back" : "to be restored");
    sim_disk_heal(DISK_HUB); /* a fault may have been meant for the process that was down */
    sim->actor = -1;
    if (silent ? !put_back(image) : !restore(image)) {
        sim_fail("sim", "the hub does not go back");
        return;
    }
    for (int i = 0; i < sim->n_nodes; i++) {
        back.distrusted[i] = true;
        back.looked[i] = false;
    }
    back.went_back = true;
    back.times++;
    sim_note("hub went back %" PRId64 " s%s", (sim->now_ms - back.image_ms[image]) / 1000,
             silent ? " in silence" : "");
    sim_hub_start();
    if (sim->hub_up) {
        note_what_is_left();
    }
    sim->actor = -2;
}

bool sim_hub_accept_all(void)
{
    struct lm_recovered_result out = {0};
    struct lm_error err = {0};
    enum lm_status st;

    if (!back.went_back || !sim->hub_up) {
        return false;
    }
    sim->actor = -1;
    st = lm_store_begin(sim->hub.store, &err);
    if (st == LM_OK) {
        st = lm_store_recovered_decide(sim->hub.store, 0, true, "李职员", sim->now_ms, &out, &err);
    }
    if (st == LM_OK) {
        st = lm_store_commit(sim->hub.store, &err);
    }
    if (st != LM_OK) {
        lm_store_rollback(sim->hub.store);
    }
    sim_note("staff confirms: %s, %zu taken over, %zu left", lm_status_name(st), out.n, out.left);
    if (sim_disk_dead(DISK_HUB) || lm_store_broken(sim->hub.store)) {
        sim_hub_crash("died in an act");
    } else if (st == LM_OK) {
        sim_check_hub();
        lm_server_news(sim->server);
    }
    sim->actor = -2;
    return st == LM_OK && out.n > 0;
}

/* A PC that was set back twice shows a lease that was given up before, as a copy would: a person
 * looks, and says that it is one PC. */
void sim_hub_settle_all(void)
{
    struct lm_error err = {0};

    for (int i = 0; i < sim->n_nodes && sim->hub_up; i++) {
        const struct sim_node *node = &sim->nodes[i];
        struct lm_replica row;
        size_t n = 0;
        enum lm_status st;

        if (node->retired ||
            lm_store_replica_get(sim->hub.store, node->key.replica, &row) != LM_OK ||
            row.clone_ms == 0) {
            continue;
        }
        sim->actor = -1;
        st = lm_store_begin(sim->hub.store, &err);
        if (st == LM_OK) {
            st = lm_store_settle(sim->hub.store, "李职员", row.station, "只有一台", sim->now_ms, &n,
                                 &err);
        }
        if (st == LM_OK) {
            st = lm_store_commit(sim->hub.store, &err);
        }
        lm_store_rollback(sim->hub.store);
        sim_note("staff settles pc %d: %s", i, lm_status_name(st));
        if (sim_disk_dead(DISK_HUB) || lm_store_broken(sim->hub.store)) {
            sim_hub_crash("died in an act");
        }
        for (size_t p = 0; sim->hub_up && p < sim->server->n_peers; p++) { /* as `serve` does */
            struct lm_hub_peer *peer = sim->server->peers[p];

            if (lm_store_replica_get(sim->hub.store, peer->row.number, &peer->row) != LM_OK) {
                sim_note("a replica's row cannot be read");
            }
        }
        sim->actor = -2;
    }
}

void sim_hub_back_strike(bool silent)
{
    uint64_t what = lm_rand_below(&sim->rnd, 6);

    if (back.n_images == 0 || what < 2) {
        keep_image();
    } else if (what == 2) {
        if (!sim_hub_raise()) {
            (void)sim_hub_accept_all();
        }
    } else {
        go_back(silent);
    }
}

/* ---- P7 ---- */

static bool one_row(sqlite3 *db, const char *sql, const struct lost *l)
{
    sqlite3_stmt *q = NULL;
    bool found = false;

    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK) {
        lm_bind_id(q, 1, l->record);
        (void)sqlite3_bind_int64(q, 2, (sqlite3_int64)l->replica);
        (void)sqlite3_bind_int64(q, 3, (sqlite3_int64)l->hlc);
        found = sqlite3_step(q) == SQLITE_ROW;
    }
    (void)sqlite3_finalize(q);
    return found;
}

/* Whether the PC changed the record itself since: what it then had is in that change's history. */
static bool overwritten(const struct lost *l)
{
    const struct sim_node *node = &sim->nodes[l->node];
    char path[PATH_MAX];
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    bool found = false;

    (void)snprintf(path, sizeof path, "%.4000s/node.db", node->path);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT 1 FROM outbox WHERE record = ?1 AND hlc > ?2", -1, &q,
                           NULL) == SQLITE_OK) {
        (void)sqlite3_bind_text(q, 1, l->record, -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(q, 2, (sqlite3_int64)l->hlc);
        found = sqlite3_step(q) == SQLITE_ROW;
    }
    (void)sqlite3_finalize(q);
    (void)sqlite3_close(db);
    return found;
}

void sim_check_given_back(sqlite3 *hub)
{
    for (size_t i = 0; i < back.n_lost && !sim->failure[0]; i++) {
        const struct lost *l = &back.lost[i];

        if (sim->nodes[l->node].retired ||
            one_row(hub, "SELECT 1 FROM journal WHERE record = ?1 AND replica = ?2 AND hlc = ?3",
                    l) ||
            one_row(hub, "SELECT 1 FROM recovered WHERE record = ?1 AND replica = ?2 AND hlc = ?3",
                    l) ||
            overwritten(l)) {
            continue;
        }
        sim_fail("P7 the hub goes back",
                 "version %" PRIu64 "/%" PRIu64 " of %s, which pc %d still had, is lost", l->hlc,
                 l->replica, l->record, l->node);
    }
}
