/* One person who is registered twice: under the same ID number, or under the same name and birth,
 * in two villages or by two PCs of one that had not heard of each other. Staff makes one file of
 * two, undoes that, or says that they are two persons. ledger.c counts them. */
#include "tests/sim/sim.h"

#include "proto/idnumber.h"

#include <string.h>

json_t *sim_double_fields(json_t *person)
{
    char id_no[19], birth[16], text[40];
    unsigned who = (unsigned)sim_own_below(F_DOUBLES, 5);

    (void)snprintf(birth, sizeof birth, "1950-0%u-11", 1 + who);
    (void)snprintf(text, sizeof text, "重名%u", who);
    (void)json_object_set_new(person, "name", json_string(text));
    (void)json_object_set_new(person, "birth_on", json_string(birth));
    if (who % 2 == 0) {
        (void)snprintf(id_no, sizeof id_no, "9999991950%02u11%03u0", 1 + who, 2 * who + 1);
        id_no[17] = lm_idno_check_char(id_no);
        (void)json_object_set_new(person, "sex", json_string("1"));
        (void)json_object_set_new(person, "id_no", json_string(id_no));
        (void)json_object_set_new(person, "id_status", json_string("valid"));
        (void)json_object_del(person, "id_status_reason");
    }
    return person;
}

struct pair {
    char id[2][40];
};

static struct pair merged; /* the last one */

void sim_doubles_reset(void)
{
    memset(&merged, 0, sizeof merged);
}

static bool take_pair(void *arg, const json_t *row)
{
    struct pair *p = arg;
    const json_t *two = json_object_get(row, "records");

    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(p->id[i], sizeof p->id[i], "%s",
                       json_string_value(json_object_get(json_array_get(two, i), "id")));
    }
    return sim_own_below(F_DOUBLES, 2) != 0; /* some of the first ones */
}

void sim_doubles_act(void)
{
    struct pair p = {{"", ""}};
    struct lm_act_result out;
    struct lm_error err = {0};
    uint64_t what = sim_own_below(F_DOUBLES, 4);
    bool forgets = sim->plan.faults & (1u << F_HUB_RESTORE | 1u << F_HUB_BACK), apart = false;
    enum lm_status st;

    if (!sim->hub_up) {
        return;
    }
    sim->actor = -1;
    if (lm_store_duplicates(sim->hub.store, take_pair, &p, &err) != LM_OK || !p.id[0][0]) {
        sim->actor = -2;
        return;
    }
    st = lm_store_begin(sim->hub.store, &err);
    if (st == LM_OK && what == 0 && merged.id[0][0]) {
        st = lm_store_unmerge(sim->hub.store, "李职员", merged.id[0], sim->now_ms, &out, &err);
    } else if (st == LM_OK && what == 1 && !forgets) { /* the word of who is gone with the hub */
        apart = true;
        st = lm_store_dismiss(sim->hub.store, "李职员", p.id[0], p.id[1], sim->now_ms, &err);
    } else if (st == LM_OK) {
        merged = p;
        st = lm_store_merge(sim->hub.store, "李职员", p.id[0], p.id[1], sim->now_ms, &out, &err);
    }
    if (st == LM_OK) {
        st = lm_store_commit(sim->hub.store, &err);
    }
    if (st != LM_OK) {
        lm_store_rollback(sim->hub.store);
    }
    sim_note("staff looks at a double: %s %s", lm_status_name(st), err.code);
    if (sim_disk_dead(DISK_HUB) || lm_store_broken(sim->hub.store)) {
        sim_hub_crash("died in an act");
    } else if (st == LM_OK) {
        if (apart) {
            sim_ledger_apart(p.id[0], p.id[1]);
        }
        sim_check_hub();
        lm_server_news(sim->server);
    }
    sim->actor = -2;
}
