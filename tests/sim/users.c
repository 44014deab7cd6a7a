/* What people do: village secretaries enter and edit, town staff approve, send back, edit and
 * resolve. Only what was answered with success counts as saved. */
#include "tests/sim/sim.h"

#include <string.h>

static const char *const types[] = {"consultation", "person", "facility"};

static uint64_t below(uint64_t n)
{
    return lm_rand_below(&sim->rnd, n);
}

/* ---- made-up records ---- */

static json_t *consultation_fields(void)
{
    char day[16];

    (void)snprintf(day, sizeof day, "2026-0%d-%02d", 1 + (int)below(9), 1 + (int)below(28));
    return json_pack("{s:s,s:s,s:s,s:i}", "on", day, "channel", "phone", "topic", "policy",
                     "item_count", 1 + (int)below(5));
}

json_t *sim_person(int station, const char *name, const char *household)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:s,s:s,s:s}", "name", name, "id_status",
                     "missing", "id_status_reason", "未办理", "sex", "1", "birth_on", "1953-08-01",
                     "household_village", sim_station_code(station), "is_resident", 1,
                     "household_no", household, "difficulty", "none", "notice_at", "2026-01-01");
}

static json_t *person_fields(int station)
{
    char name[40], household[20];
    json_t *fields;

    (void)snprintf(name, sizeof name, "测试%d", (int)below(100000));
    (void)snprintf(household, sizeof household, "H%d", (int)below(1000));
    fields = sim_person(station, name, household);
    (void)json_object_set_new(fields, "sex", json_string(below(2) ? "1" : "2"));
    return sim_turn(F_DOUBLES, 2) ? sim_double_fields(fields) : fields;
}

static json_t *edit_fields(const char *type)
{
    char text[40];

    (void)snprintf(text, sizeof text, "改%d", (int)below(1000));
    if (strcmp(type, "consultation") == 0) {
        return below(2) ? json_pack("{s:i}", "item_count", 1 + (int)below(9))
                        : json_pack("{s:s}", "channel", below(2) ? "window" : "phone");
    }
    if (strcmp(type, "person") == 0) {
        switch (below(3)) {
        case 0:
            return json_pack("{s:s}", "residence_text", text);
        case 1:
            return json_pack("{s:s}", "household_no", text);
        default:
            return json_pack("{s:s}", "phone", below(2) ? "13900000001" : "13900000002");
        }
    }
    return json_pack("{s:s}", "opened_on", below(2) ? "2020-01-02" : "2020-01-03");
}

/* ---- villages ---- */

static void note_save(struct sim_node *node, const struct lm_me *before,
                      const struct lm_entry *entry, const char *id)
{
    struct lm_error err = {0};
    struct lm_me me;

    if (lm_nstore_me(node->store, &me, &err) != LM_OK) {
        sim_fail("P1 saved means saved", "pc %d: its row is gone after a save: %s", node->index,
                 err.en);
        return;
    }
    if (me.head.seq == before->head.seq || sim->n_saves == SIM_SAVES_MAX) {
        return; /* nothing was changed by it */
    }
    sim->saves[sim->n_saves++] = (struct sim_save){
        .replica = me.replica, .hlc = me.hlc, .node = node->index, .at_ms = sim->now_ms};
    sim_ledger_keep((struct lm_version){me.hlc, me.replica}, id, sim_station_code(node->station),
                    entry->op, entry->fields);
}

static bool save(struct sim_node *node, const struct lm_entry *entry, char id_out[40])
{
    struct lm_node_saver saver;
    struct lm_entry_result result;
    struct lm_error err = {0};
    struct lm_me before;
    enum lm_status st;

    sim->actor = node->index;
    memset(&result, 0, sizeof result);
    lm_issues_init(&result.issues);
    st = lm_nstore_me(node->store, &before, &err);
    lm_node_saver_init(&saver, node->store, node->dir.path, "王秘书");
    if (st == LM_OK) {
        st = lm_node_save(&saver, entry, &result, &err);
    }
    if (st == LM_OK) {
        st = lm_node_saver_flush(&saver, &err);
    }
    if (st == LM_OK) {
        note_save(node, &before, entry, result.id); /* now: this is what the page tells a person */
    }
    lm_node_saver_free(&saver);
    sim_note("pc %d saves %s: %s %s", node->index, entry->type ? entry->type : "edit",
             lm_status_name(st), err.code);
    if (st == LM_OK) {
        (void)snprintf(id_out, 40, "%s", result.id);
    }
    sim->actor = -2;
    if (sim_disk_dead(node->index)) {
        sim_node_crash(node, "died while saving");
    }
    return st == LM_OK;
}

static struct sim_node *some_node(void)
{
    for (int tries = 0; tries < 8; tries++) {
        struct sim_node *node = &sim->nodes[below((uint64_t)sim->n_nodes)];

        if (node->up && !node->retired) {
            return node;
        }
    }
    return NULL;
}

static struct sim_record *some_record(int station)
{
    for (int tries = 0; sim->n_records > 0 && tries < 8; tries++) {
        struct sim_record *rec = &sim->records[below(sim->n_records)];

        if (station < 0 || rec->station == station) {
            return rec;
        }
    }
    return NULL;
}

static void create(struct sim_node *node)
{
    const char *type = types[below(sizeof types / sizeof *types)];
    char id[40] = "";
    struct lm_entry entry = {.op = LM_OP_CREATE, .type = type};

    if (sim_turn(F_UPGRADE, 8) &&
        lm_nstore_catalog(node->store)->number > sim->catalog->number + 1) {
        entry.type = type = "drill";
    }
    entry.fields = strcmp(type, "consultation") == 0 ? consultation_fields()
                   : strcmp(type, "person") == 0
                       ? person_fields(node->station)
                       : json_pack("{s:s,s:s}", "kind", "window", "opened_on", "2020-01-01");
    sim_upgrade_words(lm_nstore_catalog(node->store), type, entry.fields);
    if (save(node, &entry, id) && sim->n_records < SIM_RECORDS_MAX) {
        struct sim_record *rec = &sim->records[sim->n_records++];

        rec->type = type;
        rec->station = node->station;
        rec->deleted = false;
        (void)snprintf(rec->id, sizeof rec->id, "%s", id);
    }
    json_decref(entry.fields);
}

static void change(struct sim_node *node, struct sim_record *rec)
{
    struct lm_entry entry = {.op = LM_OP_EDIT, .id = rec->id};
    char id[40];
    unsigned kind = (unsigned)below(10);

    if (kind == 0) {
        entry.op = LM_OP_DELETE;
        entry.fields = json_pack("{s:s}", "delete_reason", "重复录入");
    } else if (kind == 1) {
        entry.op = LM_OP_UNDELETE;
    } else {
        entry.fields = edit_fields(rec->type);
        sim_upgrade_words(lm_nstore_catalog(node->store), rec->type, entry.fields);
    }
    (void)save(node, &entry, id);
    json_decref(entry.fields);
}

static void village_acts(void)
{
    struct sim_node *node = some_node();
    struct sim_record *rec = node && below(100) < 60 ? some_record(node->station) : NULL;

    if (rec) {
        change(node, rec);
    } else if (node) {
        create(node);
    }
}

/* A whole table of people at once: more than one message holds. */
static void burst(void)
{
    struct sim_node *node = &sim->nodes[sim_own_below(F_BURST, (uint64_t)sim->n_nodes)];
    char id[40], text[400];

    for (size_t i = 0; i + 4 < sizeof text; i += 3) {
        memcpy(text + i, "田", 4);
    }
    text[360] = '\0'; /* 120 characters */
    for (int i = 0; i < 64 && node->up && !node->retired; i++) {
        struct lm_entry entry = {.op = LM_OP_CREATE, .type = "person"};
        char name[40];

        (void)snprintf(name, sizeof name, "导入%d", (int)sim_own_below(F_BURST, 1000000));
        entry.fields = sim_person(node->station, name, "H1");
        (void)json_object_set_new(entry.fields, "residence_text", json_string(text));
        (void)save(node, &entry, id);
        json_decref(entry.fields);
    }
}

/* ---- the town ---- */

bool sim_staff_act(const struct lm_act *what, char id_out[40])
{
    struct lm_act_result result;
    struct lm_error err = {0};
    struct lm_mark before = {0};
    enum lm_status st = lm_store_head(sim->hub.store, &before);

    if (st == LM_OK) {
        st = lm_store_begin(sim->hub.store, &err);
    }
    if (st == LM_OK) {
        st = lm_store_act(sim->hub.store, what, sim->now_ms, &result, &err);
    }
    if (st == LM_OK) {
        st = lm_store_commit(sim->hub.store, &err);
    }
    if (st != LM_OK) {
        lm_store_rollback(sim->hub.store);
    }
    sim_note("staff %s: %s", what->type ? what->type : "edit", lm_status_name(st));
    if (sim_disk_dead(DISK_HUB) || lm_store_broken(sim->hub.store)) {
        sim_hub_crash("died in an act");
    } else if (st == LM_OK) {
        (void)snprintf(id_out, 40, "%s", result.id);
        sim_ledger_keep_act(before.position, what, result.id);
        sim_check_hub();
        lm_server_news(sim->server);
    }
    return st == LM_OK;
}

static void staff_acts(void)
{
    struct lm_act what = {.user = "李职员", .op = LM_OP_EDIT};
    struct sim_record *rec = some_record(-1);
    json_t *fields = NULL;
    char id[40];

    if (!rec || below(10) == 0) {
        what.op = LM_OP_CREATE;
        what.type = "consultation";
        what.station = sim_station_code((int)below((uint64_t)sim->plan.stations));
        fields = consultation_fields();
        sim_upgrade_words(lm_store_catalog(sim->hub.store), what.type, fields);
    } else if (below(3) == 0) {
        bool person = strcmp(rec->type, "person") == 0;

        what.id = rec->id;
        fields = below(2) ? json_pack("{s:s}", "state", person ? "active" : "verified")
                          : json_pack("{s:s,s:s}", "state", "returned", "return_note", "请核对");
    } else {
        what.id = rec->id;
        fields = edit_fields(rec->type);
        sim_upgrade_words(lm_store_catalog(sim->hub.store), rec->type, fields);
    }
    what.fields = fields;
    (void)sim_staff_act(&what, id);
    json_decref(fields);
}

static bool take_conflict(void *arg, const json_t *row)
{
    (void)snprintf(arg, 40, "%s", json_string_value(json_object_get(row, "id")));
    return below(3) != 0; /* some of the first ones */
}

static void resolve(void)
{
    char id[40] = "";
    struct lm_act_result result;
    struct lm_error err = {0};
    enum lm_status st = lm_store_conflicts(sim->hub.store, take_conflict, id, &err);

    if (st != LM_OK || !id[0]) {
        return;
    }
    st = lm_store_begin(sim->hub.store, &err);
    if (st == LM_OK) {
        st = lm_store_resolve(sim->hub.store, "李职员", id, 1 + (int)below(2), sim->now_ms, &result,
                              &err);
    }
    if (st == LM_OK) {
        st = lm_store_commit(sim->hub.store, &err);
    }
    if (st != LM_OK) {
        lm_store_rollback(sim->hub.store);
    }
    sim_note("staff resolves: %s", lm_status_name(st));
    if (sim_disk_dead(DISK_HUB) || lm_store_broken(sim->hub.store)) {
        sim_hub_crash("died in an act");
    } else if (st == LM_OK) {
        lm_server_news(sim->server);
    }
}

void sim_user_act(void)
{
    sim->actor = -1;
    if (sim->hub_up && sim->plan.faults & 1u << F_RESOLVE && below(12) == 0) {
        resolve();
    } else if (sim->hub_up && sim->plan.faults & 1u << F_STAFF && below(4) == 0) {
        staff_acts();
    } else {
        village_acts();
    }
    sim->actor = -2;
    if (sim_turn(F_DOUBLES, 6)) {
        sim_doubles_act();
    }
    if (sim_turn(F_BURST, 40)) {
        burst();
    }
    if (sim_turn(F_MOVES, 8)) {
        sim_moves_act();
    }
    if (sim_turn(F_USB, 4)) {
        sim_usb_act();
    }
    if (sim_turn(F_CLONE, 15)) {
        sim_clone_act();
    }
    if (sim_turn(F_UPGRADE, 20)) {
        sim_upgrade_act();
    }
    if (sim_turn(F_STRANGER, 10)) {
        sim_stranger_act();
    }
    if (sim_turn(F_NEWER, 12)) {
        sim_newer_act();
    }
    if (sim_turn(F_POISON, 20)) {
        sim_poison_act();
    }
}
