/* People who move to another village: the town confirms it, the file leaves one village's PCs and
 * comes to the other's, whatever either of them writes meanwhile; by a release of the old village
 * or a claim of the new one, each entered on its behalf. check.c wants it gone there and whole
 * here, ledger.c counts it in the new village. */
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

/* Some of what is entered is not decided in this run: the person is transferring till the end. */
static bool is_confirmed(const char *from, const char *to, const struct lm_record *person)
{
    bool claimed = sim_own_below(F_MOVES, 2) == 0, decided = sim_own_below(F_MOVES, 4) != 0;
    struct lm_act act = {.user = "李职员", .op = LM_OP_CREATE, .type = "residency_event"};
    char id[40] = "";
    json_t *fields;
    bool done;

    act.station = claimed ? to : from;
    fields = json_pack("{s:s,s:s,s:s,s:s}", "kind", "transfer", "event_on", "2026-03-01",
                       "to_village", to, "proof", "01932f00-1111-7222-8333-444444444444");
    if (claimed) {
        const struct lm_value *id_no = lm_record_get(person, "id_no");

        (void)json_object_set_new(fields, "claim_name",
                                  json_string(lm_record_get(person, "name")->text));
        if (id_no && id_no->kind == LM_TEXT) {
            (void)json_object_set_new(fields, "claim_id_no", json_string(id_no->text));
        }
    } else {
        (void)json_object_set_new(fields, "person_id", json_string(person->id));
        (void)json_object_set_new(fields, "from_village", json_string(from));
    }
    act.fields = fields;
    done = sim_staff_act(&act, id);
    json_decref(fields);
    if (done && !decided) {
        done = false;
    } else if (done && sim->hub_up) {
        struct lm_act confirm = {.user = "李职员", .op = LM_OP_EDIT, .id = id};

        fields = json_pack("{s:s}", "state", "verified");
        if (claimed) { /* the clerk says who is meant: doubles may have the same number */
            (void)json_object_set_new(fields, "person_id", json_string(person->id));
        }
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
    if (from >= 0 && from != to) {
        char code[16];

        (void)snprintf(code, sizeof code, "%s", sim_station_code(from));
        if (is_confirmed(code, sim_station_code(to), person)) {
            sim_note("a person moves from %d to %d", from, to);
            rec->station = to;
        }
    }
    lm_arena_free(&arena);
    sim->actor = -2;
}
