/* A hub's store in a temporary directory and village PCs that exist only as their outboxes: what
 * the tests of the store share. */
#ifndef LM_TESTS_HUB_STORE_WORLD_H
#define LM_TESTS_HUB_STORE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/util.h"
#include "hub/store.h"
#include "proto/idnumber.h"

#include <dirent.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOWN "999999101000"
#define VILLAGE_A "999999101201"
#define VILLAGE_B "999999101202"
#define T0 1790000000000LL /* 2026-09-21 */
#define OUTBOX_MAX 256

struct pc {
    struct lm_replica replica;
    uint64_t branch;
    uint64_t hlc;
    struct lm_buf outbox[OUTBOX_MAX]; /* seq 1 is outbox[0] */
    uint64_t n;
};
struct world {
    char path[64];
    struct lm_datadir dir;
    struct lm_catalog *catalog;
    uint32_t made_with; /* catalogue that the PCs' changes name; 0 = the hub's first */
    struct lm_store *store;
    struct lm_arena arena;
    struct lm_rand rnd;
    int64_t now;
    struct pc a, b;
    struct lm_push_result pushed;
};

#define OK(call) assert_ok((call), &err_, #call, __LINE__)
static struct lm_error err_;

static inline void assert_ok(enum lm_status status, const struct lm_error *err, const char *what,
                             int line)
{
    if (status != LM_OK) {
        fail_msg("line %d: %s: %s (%s %s %s)", line, what, lm_status_name(status), err->code,
                 err->field, err->en);
    }
}

static inline void remove_dir(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    char name[512];

    while (dir && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
            (void)unlink(name);
        }
    }
    if (dir) {
        (void)closedir(dir);
    }
    (void)rmdir(path);
}

static char made_[64];

static inline void made_remove(void)
{
    remove_dir(made_);
}

/* lm_store_create in w's directory. Made once for a program and copied after that: the first
 * account's argon2id alone takes longer than most tests. */
static inline void world_create(struct world *w, const struct lm_store_init *init)
{
    struct lm_datadir dir;
    char from[128], to[128], *bytes = NULL;
    size_t n = 0;

    if (made_[0] == '\0') {
        (void)snprintf(made_, sizeof made_, "/tmp/lm-hub-made-XXXXXX");
        assert_non_null(mkdtemp(made_));
        assert_int_equal(atexit(made_remove), 0);
        OK(lm_datadir_open(made_, true, &dir, &err_));
        OK(lm_store_create(&dir, w->catalog, init, &err_));
        lm_datadir_close(&dir);
    }
    (void)snprintf(from, sizeof from, "%s/hub.db", made_);
    (void)snprintf(to, sizeof to, "%s/hub.db", w->path);
    OK(lm_file_read(from, 64 * 1024 * 1024, &bytes, &n, &err_));
    OK(lm_file_write(to, bytes, n, 0600, &err_));
    free(bytes);
}

static inline void world_open(struct world *w)
{
    static const uint8_t key[32] = {7};

    OK(lm_store_open(&w->dir, w->catalog, LM_STORE_WRITE, &w->store, &err_));
    lm_store_set_dup_key(w->store, key);
}

static inline void world_begin(struct world *w)
{
    OK(lm_store_begin(w->store, &err_));
}

static inline void world_commit(struct world *w)
{
    OK(lm_store_commit(w->store, &err_));
}

static inline void enrol_pc(struct world *w, struct pc *pc, const char *station, uint8_t seed)
{
    struct lm_kit_row kit = {.made_ms = w->now, .expires_ms = w->now + 1000000};
    struct lm_msg_enrol enrol = {.machine = "m", .program = "lastmile-node 0.1.0"};

    (void)snprintf(kit.station, sizeof kit.station, "%s", station);
    memset(kit.public_key, 0x80 + seed, 32);
    memset(enrol.public_key, seed, 32);
    memset(enrol.nonce, seed, 16);
    world_begin(w);
    OK(lm_store_kit_add(w->store, &kit, &err_));
    OK(lm_store_kit_by_key(w->store, kit.public_key, &kit));
    OK(lm_store_enrol(w->store, kit.id, &enrol, w->now, &pc->replica, &err_));
    world_commit(w);
    pc->branch = 1;
}

static inline int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct lm_store_init init = {.town_name = "明月镇",
                                 .town_code = TOWN,
                                 .admin_name = "admin",
                                 .admin_password = "a long password",
                                 .now_ms = T0};
    struct lm_station station = {.level = "village"};

    assert_non_null(w);
    assert_true(sodium_init() >= 0);
    w->now = T0;
    lm_rand_seed(&w->rnd, 42);
    lm_arena_init(&w->arena, 64 * 1024 * 1024);
    (void)snprintf(w->path, sizeof w->path, "/tmp/lm-hub-store-XXXXXX");
    assert_non_null(mkdtemp(w->path));
    OK(lm_catalog_load_embedded(&w->catalog, &err_));
    OK(lm_datadir_open(w->path, true, &w->dir, &err_));
    world_create(w, &init);
    world_open(w);
    world_begin(w);
    (void)snprintf(station.code, sizeof station.code, VILLAGE_A);
    (void)snprintf(station.name, sizeof station.name, "东溪村");
    (void)snprintf(station.office_name, sizeof station.office_name, "东片办事处");
    OK(lm_store_station_add(w->store, "admin", &station, w->now, &err_));
    (void)snprintf(station.code, sizeof station.code, VILLAGE_B);
    (void)snprintf(station.name, sizeof station.name, "西溪村");
    station.office_name[0] = '\0';
    OK(lm_store_station_add(w->store, "admin", &station, w->now, &err_));
    world_commit(w);
    enrol_pc(w, &w->a, VILLAGE_A, 1);
    enrol_pc(w, &w->b, VILLAGE_B, 2);
    *state = w;
    return 0;
}

static inline int world_teardown(void **state)
{
    struct world *w = *state;

    lm_store_close(&w->store);
    lm_catalog_destroy(&w->catalog);
    lm_arena_free(&w->arena);
    for (size_t i = 0; i < OUTBOX_MAX; i++) {
        lm_buf_free(&w->a.outbox[i]);
        lm_buf_free(&w->b.outbox[i]);
    }
    lm_datadir_close(&w->dir);
    remove_dir(w->path);
    free(w);
    return 0;
}

static inline struct lm_version pc_add(struct world *w, struct pc *pc, const char *type,
                                       const char *id, enum lm_op op, const json_t *fields,
                                       struct lm_version base)
{
    struct lm_change change = {.type = type,
                               .op = op,
                               .user = "李明",
                               .catalog = w->made_with ? w->made_with : w->catalog->number,
                               .offset_known = true};
    struct lm_buf *buf = &pc->outbox[pc->n];

    assert_true(pc->n < OUTBOX_MAX);
    (void)snprintf(change.id, sizeof change.id, "%s", id);
    OK(lm_value_from_json(&w->arena, fields, &change.fields));
    change.base_all = base;
    change.hlc = lm_hlc_next(pc->hlc, base.hlc, w->now);
    change.wall_delta_ms = w->now - lm_hlc_ms(change.hlc);
    pc->hlc = change.hlc;
    lm_buf_init(buf, LM_CHANGE_BYTES_MAX);
    lm_change_pack(buf, &change);
    assert_int_equal(buf->status, LM_OK);
    pc->n++;
    return (struct lm_version){.hlc = change.hlc, .replica = pc->replica.number};
}

static inline void new_id(struct world *w, char id[40])
{
    lm_uuid_v7(&w->rnd, w->now, id);
}

/* A made-up ID number of an order of its own. */
static inline void idno(int order, char out[19])
{
    (void)snprintf(out, 19, "99999919530801%03d", order % 1000);
    out[17] = lm_idno_check_char(out);
    out[18] = '\0';
}

static inline json_t *person_json(const char *name, int order, const char *village)
{
    char number[19];

    idno(order, number);
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:s}", "name", name, "id_status", "valid",
                     "id_no", number, "sex", order % 2 ? "1" : "2", "birth_on", "1953-08-01",
                     "household_village", village, "is_resident", 1, "state", "submitted");
}

static inline json_t *visit_json(const char *person)
{
    return json_pack("{s:s,s:s,s:i,s:[s],s:[{s:s}],s:s,s:s,s:s}", "visit_on", "2026-09-01",
                     "occasion", "daily", "occasion_year", 2026, "persons", person,
                     "category_at_visit", "difficulty", "none", "visitors", "李明", "visitor_level",
                     "village", "state", "submitted");
}

static inline struct lm_version pc_person(struct world *w, struct pc *pc, const char *name,
                                          int order, char id[40])
{
    json_t *fields = person_json(name, order, pc->replica.station);
    struct lm_version version;

    new_id(w, id);
    version = pc_add(w, pc, "person", id, LM_OP_CREATE, fields, (struct lm_version){0, 0});
    json_decref(fields);
    return version;
}

/* One field set to a text (NULL: emptied). */
static inline struct lm_version pc_set(struct world *w, struct pc *pc, const char *type,
                                       const char *id, const char *field, const char *text,
                                       struct lm_version base)
{
    json_t *fields = json_object();
    struct lm_version version;

    json_object_set_new(fields, field, text ? json_string(text) : json_null());
    version = pc_add(w, pc, type, id, LM_OP_EDIT, fields, base);
    json_decref(fields);
    return version;
}

static inline void chain_at(const struct pc *pc, uint64_t seq, uint8_t out[LM_HASH_BYTES])
{
    lm_chain_start(pc->replica.number, pc->branch, out);
    for (uint64_t i = 0; i < seq; i++) {
        lm_chain_next(out, pc->outbox[i].data, pc->outbox[i].len, out);
    }
}

/* Pushes seqs first … last inside the caller's transaction; w->pushed tells. */
static inline enum lm_status push_raw(struct world *w, struct pc *pc, uint64_t first, uint64_t last)
{
    struct lm_msg_push push = {.branch = pc->branch, .first_seq = first};
    struct lm_batch batch;
    struct lm_buf packed;
    enum lm_status status;

    lm_batch_init(&batch);
    lm_buf_init(&packed, LM_FRAME_BYTES_MAX);
    for (uint64_t seq = first; seq <= last; seq++) {
        assert_true(lm_batch_add(&batch, pc->outbox[seq - 1].data, pc->outbox[seq - 1].len));
    }
    OK(lm_batch_pack(&batch, &packed));
    chain_at(pc, first - 1, push.before);
    push.count = batch.count;
    push.raw_bytes = (uint32_t)batch.raw.len;
    push.packed = packed.data;
    push.packed_len = packed.len;
    push.head.seq = pc->n;
    chain_at(pc, pc->n, push.head.hash);
    push.as_of_ms = w->now;
    status = lm_store_push(w->store, &pc->replica, &push, w->now, &w->pushed, &err_);
    lm_buf_free(&packed);
    lm_batch_free(&batch);
    return status;
}

static inline void push(struct world *w, struct pc *pc, uint64_t first, uint64_t last)
{
    world_begin(w);
    OK(push_raw(w, pc, first, last));
    world_commit(w);
    w->now += 1000;
}

/* Everything not acked yet. */
static inline void push_all(struct world *w, struct pc *pc)
{
    struct lm_replica now;

    OK(lm_store_replica_get(w->store, pc->replica.number, &now));
    push(w, pc, (now.branch == pc->branch ? now.acked.seq : 0) + 1, pc->n);
    assert_int_equal(w->pushed.outcome, LM_TAKE_TAKEN);
}

static inline struct lm_record *get(struct world *w, const char *type, const char *id)
{
    struct lm_record *rec = NULL;
    enum lm_status status = lm_store_get(w->store, &w->arena, type, id, &rec);

    assert_true(status == LM_OK || status == LM_ERR_NOT_FOUND);
    return rec;
}

static inline const char *text(const struct lm_record *rec, const char *field)
{
    const struct lm_value *value = lm_record_get(rec, field);

    assert_non_null(value);
    return value->kind == LM_TEXT ? value->text : "";
}

static inline struct lm_store_totals totals(struct world *w)
{
    struct lm_store_totals t;

    OK(lm_store_totals(w->store, &t));
    return t;
}

struct rows {
    json_t *all;
};

static inline bool collect(void *arg, const json_t *row)
{
    json_array_append(((struct rows *)arg)->all, (json_t *)(uintptr_t)row);
    return true;
}

static inline void print_difference(void *arg, const char *difference)
{
    (void)arg;
    print_message("    %s\n", difference);
}

static inline size_t verify(struct world *w)
{
    size_t n = 0;

    OK(lm_store_verify(w->store, print_difference, NULL, &n, &err_));
    return n;
}

#endif
