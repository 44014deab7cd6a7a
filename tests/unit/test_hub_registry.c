/* The registry: kits, keys, users, replicas and their alarms. What it and the hub's own entry
 * refuse: kits of a station that was shut out, and second records under one natural key, whatever
 * village they are entered for; and what a fork leaves open. */
#include "tests/unit/hub_store_world.h"

#include "hub/keys.h"

static void test_kits(void **state)
{
    struct world *w = *state;
    struct lm_kit_row kit = {.made_ms = w->now, .expires_ms = w->now + 1000};
    struct lm_msg_enrol enrol = {.machine = "", .program = ""};
    struct lm_replica r, again;

    (void)snprintf(kit.station, sizeof kit.station, VILLAGE_A);
    memset(kit.public_key, 0x91, 32);
    memset(enrol.public_key, 0x11, 32);
    world_begin(w);
    OK(lm_store_kit_add(w->store, &kit, &err_));
    OK(lm_store_kit_by_key(w->store, kit.public_key, &kit));
    assert_int_equal(lm_store_enrol(w->store, kit.id, &enrol, w->now + 2000, &r, &err_),
                     LM_ERR_DENIED);
    assert_string_equal(err_.code, "kit_expired");
    OK(lm_store_enrol(w->store, kit.id, &enrol, w->now, &r, &err_));
    assert_true(r.number == lm_replica_of(enrol.public_key));
    OK(lm_store_enrol(w->store, kit.id, &enrol, w->now + 5000, &again,
                      &err_)); /* the answer was lost */
    assert_true(again.number == r.number);
    enrol.nonce[0] = 1;
    assert_int_equal(lm_store_enrol(w->store, kit.id, &enrol, w->now, &again, &err_),
                     LM_ERR_DENIED);
    assert_string_equal(err_.code, "kit_used");
    memset(kit.public_key, 0x92, 32);
    OK(lm_store_kit_add(w->store, &kit, &err_));
    OK(lm_store_kit_by_key(w->store, kit.public_key, &kit));
    assert_int_equal(lm_store_enrol(w->store, kit.id, &enrol, w->now, &again, &err_),
                     LM_ERR_DENIED);
    assert_string_equal(err_.code, "key_known");
    world_commit(w);
}

static void test_revoke(void **state)
{
    struct world *w = *state;
    char id[40], path[128];
    size_t n = 0;
    struct lm_replica r;
    struct stat st;

    pc_person(w, &w->a, "王建国", 1, id);
    world_begin(w);
    OK(lm_store_revoke(w->store, "admin", VILLAGE_A, 0, w->now, &n, &err_));
    assert_int_equal(n, 1);
    OK(lm_store_revoke(w->store, "admin", VILLAGE_A, 0, w->now, &n, &err_));
    assert_int_equal(n, 0);
    assert_int_equal(lm_store_revoke(w->store, "admin", "999999101299", 0, w->now, &n, &err_),
                     LM_ERR_NOT_FOUND);
    world_commit(w);
    OK(lm_store_replica_get(w->store, w->a.replica.number, &r));
    assert_true(r.revoked_ms != 0);
    (void)snprintf(path, sizeof path, "%s/revoked.log", w->path);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > 0);
    push(w, &w->a, 1, 1);
    assert_int_equal(w->pushed.outcome, LM_TAKE_BAD);
    assert_null(get(w, "person", id));
    assert_int_equal(verify(w), 0);
}

static void test_key_file(void **state)
{
    struct world *w = *state;
    struct lm_hub_keys made, loaded;
    char path[128], *content = NULL;
    size_t n = 0;
    struct stat st;

    assert_int_equal(lm_hub_keys_load(&w->dir, &loaded, &err_), LM_ERR_NOT_FOUND);
    OK(lm_hub_keys_make(&w->dir, &made, &err_));
    (void)snprintf(path, sizeof path, "%s/hub.key", w->path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    OK(lm_hub_keys_load(&w->dir, &loaded, &err_));
    assert_memory_equal(&made, &loaded, sizeof made);
    assert_int_equal(lm_hub_keys_make(&w->dir, &made, &err_), LM_ERR_EXISTS);
    lm_store_close(&w->store);
    world_open(w);
    assert_memory_equal(lm_store_town(w->store)->hub_id, loaded.hub_id, 16);
    /* another seed: the hub's id no longer fits */
    OK(lm_file_read(path, 8192, &content, &n, &err_));
    char *seed = strstr(content, "sign_seed");
    assert_non_null(seed);
    seed += strlen("sign_seed\": \"");
    *seed = *seed == '0' ? '1' : '0';
    OK(lm_file_write(path, content, n, 0600, &err_));
    free(content);
    assert_int_equal(lm_hub_keys_load(&w->dir, &loaded, &err_), LM_ERR_CORRUPT);
    OK(lm_file_write(path, "{}", 2, 0600, &err_));
    assert_int_equal(lm_hub_keys_load(&w->dir, &loaded, &err_), LM_ERR_CORRUPT);
}

static void reload(struct world *w, const struct lm_hub_keys *wanted)
{
    struct lm_hub_keys loaded;
    struct stat st;
    char path[128];

    OK(lm_hub_keys_load(&w->dir, &loaded, &err_));
    assert_memory_equal(&loaded, wanted, sizeof loaded);
    (void)snprintf(path, sizeof path, "%s/hub.key", w->path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* next, withdrawn, next, switched, again: what the file holds is what memory holds, after each. */
static void test_next_key(void **state)
{
    struct world *w = *state;
    struct lm_hub_keys keys, before;
    size_t n = 0;

    OK(lm_hub_keys_make(&w->dir, &keys, &err_));
    assert_int_equal(keys.number, 1);
    assert_int_equal(lm_hub_keys_switch(&w->dir, &keys, true, 1000, &err_), LM_ERR_NOT_FOUND);
    assert_int_equal(lm_hub_keys_withdraw(&w->dir, &keys, &err_), LM_ERR_NOT_FOUND);
    OK(lm_hub_keys_next(&w->dir, &keys, 500, &err_));
    reload(w, &keys);
    before = keys;
    assert_int_equal(lm_hub_keys_next(&w->dir, &keys, 600, &err_), LM_ERR_EXISTS);
    assert_memory_equal(&keys, &before, sizeof keys);
    OK(lm_hub_keys_withdraw(&w->dir, &keys, &err_));
    assert_false(keys.has_next);
    reload(w, &keys);
    OK(lm_hub_keys_next(&w->dir, &keys, 700, &err_));
    assert_memory_not_equal(keys.next.public_key, before.next.public_key, 32);
    before = keys;
    OK(lm_hub_keys_switch(&w->dir, &keys, true, 1000, &err_));
    reload(w, &keys);
    assert_int_equal(keys.number, 2);
    assert_memory_equal(&keys.curve, &before.next, sizeof keys.curve);
    assert_memory_equal(&keys.old[0].pair, &before.curve, sizeof keys.curve);
    assert_true(keys.old[0].until_ms == 1000 + LM_HUB_KEYS_OLD_MS);
    /* Who the hub is, and what it signed, stays. */
    assert_memory_equal(keys.hub_id, before.hub_id, sizeof keys.hub_id);
    assert_memory_equal(keys.sign_secret, before.sign_secret, sizeof keys.sign_secret);
    /* Two former ones at most, the newest first. */
    for (int i = 0; i < 3; i++) {
        OK(lm_hub_keys_next(&w->dir, &keys, 2000, &err_));
        before = keys;
        OK(lm_hub_keys_switch(&w->dir, &keys, true, 3000 + i, &err_));
        assert_memory_equal(&keys.old[0].pair, &before.curve, sizeof keys.curve);
    }
    assert_int_equal(keys.n_old, LM_HUB_KEYS_OLD_MAX);
    reload(w, &keys);
    /* One whose time is over is not carried on. */
    OK(lm_hub_keys_next(&w->dir, &keys, 4000, &err_));
    OK(lm_hub_keys_switch(&w->dir, &keys, true, 4000 + LM_HUB_KEYS_OLD_MS, &err_));
    assert_int_equal(keys.n_old, 1);
    OK(lm_hub_keys_forget(&w->dir, &keys, &n, &err_));
    assert_int_equal(n, 1);
    assert_int_equal(keys.n_old, 0);
    reload(w, &keys);
    /* A stolen one: nothing of it stays. */
    OK(lm_hub_keys_next(&w->dir, &keys, 5000, &err_));
    OK(lm_hub_keys_switch(&w->dir, &keys, false, 5000, &err_));
    assert_int_equal(keys.n_old, 0);
    reload(w, &keys);
}

/* Files of before there were next keys; and damaged ones. */
static void test_key_files_of_other_shapes(void **state)
{
    struct world *w = *state;
    struct lm_hub_keys keys, loaded;
    char path[128], *text = NULL;
    json_t *doc, *next;
    size_t n = 0;

    OK(lm_hub_keys_make(&w->dir, &keys, &err_));
    OK(lm_hub_keys_next(&w->dir, &keys, 500, &err_));
    OK(lm_hub_keys_switch(&w->dir, &keys, true, 600, &err_));
    OK(lm_hub_keys_next(&w->dir, &keys, 700, &err_));
    (void)snprintf(path, sizeof path, "%s/hub.key", w->path);
    OK(lm_file_read(path, 8192, &text, &n, &err_));
    for (int i = 0; i < 6; i++) {
        char *changed;
        enum lm_status wanted = LM_ERR_CORRUPT;

        doc = json_loads(text, 0, NULL);
        next = json_object_get(doc, "next");
        switch (i) {
        case 0:
            json_object_del(doc, "next");
            json_object_del(doc, "old");
            json_object_del(doc, "number");
            json_object_del(doc, "since_ms");
            wanted = LM_OK;
            break;
        case 1:
            json_object_del(next, "secret");
            break;
        case 2: /* another's secret */
            json_object_set(next, "secret", json_object_get(doc, "curve_secret"));
            break;
        case 3:
            json_object_set_new(doc, "number", json_integer(0));
            break;
        case 4: /* more than are ever kept */
            json_array_append(json_object_get(doc, "old"), next);
            json_array_append(json_object_get(doc, "old"), next);
            break;
        default:
            json_object_set_new(doc, "old", json_object());
            break;
        }
        changed = json_dumps(doc, 0);
        OK(lm_file_write(path, changed, strlen(changed), 0600, &err_));
        assert_int_equal(lm_hub_keys_load(&w->dir, &loaded, &err_), wanted);
        if (wanted == LM_OK) {
            assert_false(loaded.has_next);
            assert_int_equal(loaded.number, 1);
            assert_memory_equal(&loaded.curve, &keys.curve, sizeof loaded.curve);
        }
        free(changed);
        json_decref(doc);
    }
    free(text);
}

static void test_users(void **state)
{
    struct world *w = *state;

    world_begin(w);
    assert_int_equal(lm_store_user_add(w->store, "admin", "admin", NULL, "another password", true,
                                       w->now, &err_),
                     LM_ERR_EXISTS);
    assert_int_equal(
        lm_store_user_add(w->store, "x", "king", NULL, "another password", true, w->now, &err_),
        LM_ERR_INVALID);
    assert_int_equal(lm_store_user_add(w->store, "x", "clerk", NULL, "short", true, w->now, &err_),
                     LM_ERR_INVALID);
    OK(lm_store_user_add(w->store, "x", "clerk", NULL, "another password", true, w->now, &err_));
    OK(lm_store_user_disable(w->store, "x", true, &err_));
    assert_int_equal(lm_store_user_disable(w->store, "y", true, &err_), LM_ERR_NOT_FOUND);
    world_commit(w);
}

static void refuses_two(enum lm_status status)
{
    assert_int_equal(status, LM_ERR_DENIED);
    assert_string_equal(err_.code, "two_duties");
    err_ = (struct lm_error){0};
}

/* P11: machines, accounts and the audit log are three persons', by whatever way an account of one
 * of them comes into use. */
static void test_separated_duties(void **state)
{
    struct world *w = *state;
    struct lm_store *s = w->store;
    const char pass[] = "another password";
    char hash[LM_PASSWORD_HASH_BYTES];
    struct lm_user user;

    world_begin(w);
    refuses_two(lm_store_user_add(s, "sec", "security", "admin", pass, true, w->now, &err_));
    OK(lm_store_user_add(s, "sec", "security", "王芳", pass, true, w->now, &err_));
    refuses_two(lm_store_user_add(s, "aud", "auditor", "王 芳", pass, true, w->now, &err_));
    refuses_two(lm_store_user_add(s, "王　芳", "auditor", NULL, pass, true, w->now, &err_));
    /* Another of the same role, a business account, a namesake told apart. */
    OK(lm_store_user_add(s, "sec2", "security", "王芳", pass, true, w->now, &err_));
    OK(lm_store_user_add(s, "wf", "clerk", "王芳", pass, true, w->now, &err_));
    OK(lm_store_user_add(s, "aud", "auditor", "王芳（二组）", pass, true, w->now, &err_));
    refuses_two(lm_store_user_person(s, "aud", "王芳", &err_));
    refuses_two(lm_store_user_person(s, "admin", "王芳", &err_));
    assert_int_equal(lm_store_user_person(s, "nobody", "王芳", &err_), LM_ERR_NOT_FOUND);
    assert_int_equal(lm_store_user_person(s, "aud", " ", &err_), LM_ERR_INVALID);
    /* Closed, she may take over the other duty; then the first account is not opened again. */
    OK(lm_store_user_disable(s, "sec", true, &err_));
    refuses_two(lm_store_user_person(s, "aud", "王芳", &err_));
    OK(lm_store_user_disable(s, "sec2", true, &err_));
    OK(lm_store_user_person(s, "aud", "王芳", &err_));
    refuses_two(lm_store_user_disable(s, "sec", false, &err_));
    OK(lm_store_user_get(s, "aud", &user, hash, &err_));
    assert_string_equal(user.person, "王芳");
    OK(lm_store_user_get(s, "admin", &user, hash, &err_));
    assert_string_equal(user.person, "admin");
    world_commit(w);
    assert_true(lm_same_person("张 三", "张三　"));
    assert_false(lm_same_person("张三", "张三丰"));
    assert_false(lm_same_person("", "张三"));
}

/* P11: who holds a kit that nobody used yet does not come in after the station was revoked. */
static void test_revoking_a_station_voids_its_kits(void **state)
{
    struct world *w = *state;
    struct lm_kit_row kit = {.made_ms = w->now, .expires_ms = w->now + 1000000};
    struct lm_msg_enrol enrol = {
        .protocol_min = 1, .protocol_max = 1, .machine = "", .program = ""};
    struct lm_replica r;
    size_t n = 0;

    (void)snprintf(kit.station, sizeof kit.station, VILLAGE_A);
    memset(kit.public_key, 0xA1, 32);
    memset(enrol.public_key, 0xA2, 32);
    world_begin(w);
    OK(lm_store_kit_add(w->store, &kit, &err_));
    OK(lm_store_kit_by_key(w->store, kit.public_key, &kit));
    OK(lm_store_revoke(w->store, "admin", VILLAGE_A, 0, w->now, &n, &err_));
    assert_int_equal(lm_store_enrol(w->store, kit.id, &enrol, w->now, &r, &err_), LM_ERR_DENIED);
    assert_string_equal(err_.code, "kit_expired");
    world_commit(w);
}

static enum lm_status act(struct world *w, const char *type, const char *station, json_t *fields,
                          char id[40])
{
    struct lm_act_result out;
    struct lm_act doing = {
        .user = "clerk", .type = type, .station = station, .fields = fields, .op = LM_OP_CREATE};
    memset(&out, 0, sizeof out);
    lm_issues_init(&out.issues);
    memset(&err_, 0, sizeof err_);
    enum lm_status status = lm_store_act(w->store, &doing, w->now, &out, &err_);
    if (id) {
        (void)snprintf(id, 40, "%s", out.id);
    }
    json_decref(fields);
    return status;
}

static json_t *station_json(const char *area)
{
    return json_pack("{s:s,s:s,s:s,s:b,s:b,s:b}", "area_code", area, "level", "village", "name",
                     "又一个站", "has_office", 1, "has_fulltime", 1, "has_rules", 1);
}

/* One station a village, for whomever the second is entered: else 服务站覆盖率 is 50 %. */
static void test_one_station_a_village(void **state)
{
    struct world *w = *state;

    world_begin(w);
    assert_int_equal(act(w, "station", NULL, station_json(VILLAGE_A), NULL), LM_ERR_INVALID);
    assert_string_equal(err_.code, "not_unique");
    assert_int_equal(act(w, "station", VILLAGE_B, station_json(VILLAGE_A), NULL), LM_ERR_INVALID);
    assert_string_equal(err_.code, "not_unique");
    world_commit(w);
}

/* Two villages may both know one person: refused within the village, a warning elsewhere. */
static void test_persons_are_unique_in_their_village(void **state)
{
    struct world *w = *state;
    char first[40];

    world_begin(w);
    assert_int_equal(act(w, "person", VILLAGE_A, person_json("测试甲", 1, VILLAGE_A), first),
                     LM_OK);
    assert_int_equal(act(w, "person", VILLAGE_A, person_json("测试乙", 1, VILLAGE_A), NULL),
                     LM_ERR_INVALID);
    assert_string_equal(err_.code, "not_unique");
    assert_non_null(strstr(err_.zh, first));
    assert_int_equal(act(w, "person", VILLAGE_B, person_json("测试甲", 1, VILLAGE_B), NULL), LM_OK);
    world_commit(w);
    assert_int_equal(totals(w).duplicates, 1);
}

/* P10: a PC that went back in time may have lost what it had named; a new, empty branch must not
 * pass for "complete as of then". */
static void test_a_fork_leaves_a_possible_gap(void **state)
{
    struct world *w = *state;
    struct lm_replica r;
    int64_t complete;
    size_t n = 0;

    world_begin(w);
    OK(lm_store_replica_get(w->store, w->a.replica.number, &r));
    complete = r.complete_ms;
    r.branch = 1;
    r.head.seq = 10; /* named, never pushed */
    OK(lm_store_replica_hello(w->store, &r, r.lease_issued, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_false(r.possible_gap);
    r.as_of_ms = w->now; /* as of then it had ten changes */
    OK(lm_store_replica_hello(w->store, &r, r.lease_issued, &err_));
    r.branch = 2;
    r.head.seq = 0;
    OK(lm_store_replica_hello(w->store, &r, r.lease_issued, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_true(r.possible_gap);
    assert_true(r.complete_ms == complete);
    OK(lm_store_settle(w->store, "admin", VILLAGE_A, "looked", w->now, &n, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_false(r.possible_gap);
    world_commit(w);
}

static bool count_alarm(void *arg, const struct lm_alarm *alarm)
{
    struct lm_alarm *last = arg;

    last->low++; /* how many */
    (void)snprintf(last->kind, sizeof last->kind, "%s", alarm->kind);
    (void)snprintf(last->note, sizeof last->note, "%s", alarm->note);
    (void)snprintf(last->closed_by, sizeof last->closed_by, "%s", alarm->closed_by);
    return true;
}

static uint64_t alarms(struct world *w, bool open_only, struct lm_alarm *last)
{
    memset(last, 0, sizeof *last);
    OK(lm_store_alarms(w->store, VILLAGE_A, open_only, count_alarm, last, &err_));
    return last->low;
}

/* P8: a second installation stays marked until a person settles it, with who and why in the
 * journal; and what went back gives up the leases in between. */
static void test_alarms(void **state)
{
    struct world *w = *state;
    struct lm_replica r;
    struct lm_alarm last;
    struct lm_mark before, after;
    size_t n = 0;

    world_begin(w);
    OK(lm_store_replica_get(w->store, w->a.replica.number, &r));
    r.branch = 1;
    r.lease_issued = (struct lm_lease){9, 90};
    OK(lm_store_replica_hello(w->store, &r, (struct lm_lease){0}, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_true(lm_replica_in_doubt(&r)); /* given out, not seen held */
    r.lease_issued = (struct lm_lease){10, 100};
    OK(lm_store_replica_hello(w->store, &r, (struct lm_lease){9, 90}, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_int_equal(r.lease_confirmed.counter, 9); /* who shows it has it */
    OK(lm_store_lease_confirm(w->store, r.number, r.lease_issued, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_false(lm_replica_in_doubt(&r));
    r.branch = 2;
    r.lease_issued = (struct lm_lease){11, 110};
    OK(lm_store_replica_hello(w->store, &r, (struct lm_lease){4, 40}, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_int_equal(r.n_abandoned, 1);
    assert_int_equal(r.abandoned[0].low, 4);
    assert_int_equal(r.abandoned[0].high, 10);
    assert_int_equal(alarms(w, true, &last), 0); /* it mends itself */
    assert_int_equal(alarms(w, false, &last), 1);
    assert_string_equal(last.kind, "went_back");

    OK(lm_store_note_twin(w->store, &r, (struct lm_lease){7, 70}, w->now, &err_));
    OK(lm_store_note_clone(w->store, &r, (struct lm_lease){7, 70}, w->now, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_true(r.clone_ms == w->now && r.twins == 1 && r.possible_gap);
    assert_true(lm_replica_in_doubt(&r));
    assert_int_equal(alarms(w, true, &last), 2);
    world_commit(w);

    OK(lm_store_head(w->store, &before));
    world_begin(w);
    OK(lm_store_settle(w->store, "王技术员", VILLAGE_A, "第二台已换发", w->now, &n, &err_));
    world_commit(w);
    assert_int_equal(n, 2);
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_true(r.clone_ms == 0 && r.twins == 0 && !r.possible_gap);
    assert_int_equal(r.lease_issued.counter, 12); /* nobody's: whoever stays forks and goes on */
    assert_int_equal(r.lease_confirmed.counter, 12);
    assert_true(r.lease_issued.random == r.lease_confirmed.random && r.lease_issued.random != 110);
    assert_false(lm_replica_in_doubt(&r));
    assert_int_equal(alarms(w, true, &last), 0);
    OK(lm_store_head(w->store, &after));
    assert_int_equal(after.position, before.position + 1);
    assert_int_equal(alarms(w, false, &last), 3);
    world_begin(w);
    assert_int_equal(lm_store_settle(w->store, "x", "999999999999", "no such", w->now, &n, &err_),
                     LM_ERR_NOT_FOUND);
    lm_store_rollback(w->store);
}

/* P10: the same branch, shorter than it was named: what was named as of then is gone, and "complete
 * as of then" must not come of it. */
static void test_a_shorter_branch_leaves_a_possible_gap(void **state)
{
    struct world *w = *state;
    struct lm_replica r;
    int64_t complete;

    world_begin(w);
    OK(lm_store_replica_get(w->store, w->a.replica.number, &r));
    complete = r.complete_ms;
    r.branch = 1;
    r.head.seq = r.acked.seq + 10;
    OK(lm_store_replica_hello(w->store, &r, r.lease_issued, &err_));
    r.as_of_ms = w->now;
    OK(lm_store_replica_hello(w->store, &r, r.lease_issued, &err_));
    r.head.seq = r.acked.seq;
    OK(lm_store_replica_hello(w->store, &r, r.lease_issued, &err_));
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_true(r.possible_gap);
    assert_true(r.complete_ms == complete);
    world_commit(w);
}

/* P10: after the hub's clock was set back, times still to come say nothing. */
static void test_clock_back(void **state)
{
    struct world *w = *state;
    struct lm_replica r;
    size_t n = 0;

    world_begin(w);
    OK(lm_store_replica_get(w->store, w->a.replica.number, &r));
    r.as_of_ms = r.complete_ms = w->now + 86400000;
    OK(lm_store_replica_hello(w->store, &r, r.lease_issued, &err_));
    OK(lm_store_clock_back(w->store, w->now, &n, &err_));
    assert_int_equal(n, 1);
    OK(lm_store_replica_get(w->store, r.number, &r));
    assert_true(r.as_of_ms == 0 && r.complete_ms == 0);
    OK(lm_store_clock_back(w->store, w->now, &n, &err_));
    assert_int_equal(n, 0);
    world_commit(w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_kits),
        T(test_revoke),
        T(test_key_file),
        T(test_next_key),
        T(test_key_files_of_other_shapes),
        T(test_users),
        T(test_separated_duties),
        T(test_revoking_a_station_voids_its_kits),
        T(test_one_station_a_village),
        T(test_persons_are_unique_in_their_village),
        T(test_a_fork_leaves_a_possible_gap),
        T(test_alarms),
        T(test_a_shorter_branch_leaves_a_possible_gap),
        T(test_clock_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
