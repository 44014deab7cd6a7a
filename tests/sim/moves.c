/* People who move to another village: the town confirms it, the file leaves one village's PCs and
 * comes to the other's, whatever either of them writes meanwhile. check.c wants it gone there and
 * whole here, ledger.c counts it in the new village. */
#include "tests/sim/sim.h"

#include <string.h>

static int station_with(const char *code)
{
    for (int i = 0; i < sim->plan.stations; i++) {
        if (strcmp(sim_station_code(i), code) == 0) {
            return i;
        }
    }
    return -1;
}

static bool is_confirmed(const char *from, const char *to, const char *person)
{
    struct lm_act act = {.user = "李职员", .op = LM_OP_CREATE, .type = "residency_event"};
    char id[40] = "";
    json_t *fields;
    bool done;

    act.station = from;
    fields = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "person_id", person, "kind", "transfer",
                       "event_on", "2026-03-01", "from_village", from, "to_village", to, "proof",
                       "01932f00-1111-7222-8333-444444444444");
    act.fields = fields;
    done = sim_staff_act(&act, id);
    json_decref(fields);
    if (done && sim->hub_up) {
        struct lm_act confirm = {.user = "李职员", .op = LM_OP_EDIT, .id = id};

        fields = json_pack("{s:s}", "state", "verified");
        confirm.fields = fields;
        done = sim_staff_act(&confirm, id);
        json_decref(fields);
    }
    return done;
}

void sim_moves_act(void)
{
    struct sim_record *rec =
        sim->n_records ? &sim->records[sim_own_below(F_MOVES, sim->n_records)] : NULL;
    int to = (int)sim_own_below(F_MOVES, (uint64_t)sim->plan.stations), from = -1;
    struct lm_record *person = NULL;
    struct lm_arena arena;

    if (!rec || !sim->hub_up || strcmp(rec->type, "person") != 0) {
        return;
    }
    sim->actor = -1;
    lm_arena_init(&arena, 1024 * 1024);
    if (lm_store_get(sim->hub.store, &arena, "person", rec->id, &person) == LM_OK) {
        from = station_with(lm_record_text(person, LM_C_VILLAGE_CODE));
    }
    lm_arena_free(&arena);
    if (from >= 0 && from != to) {
        char code[16];

        (void)snprintf(code, sizeof code, "%s", sim_station_code(from));
        if (is_confirmed(code, sim_station_code(to), rec->id)) {
            sim_note("a person moves from %d to %d", from, to);
            rec->station = to;
        }
    }
    sim->actor = -2;
}
