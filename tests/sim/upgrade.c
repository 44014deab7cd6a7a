/* The town's catalogue changes while people work: a field, then a code, a type, a required field
 * and a retired one. PCs learn of it when they come; meanwhile old and new ones write the same
 * records, and a hub that goes back has the older one again, until a person imports the newer one
 * once more. check.c and ledger.c want every value of it kept, and the same at both ends. */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

enum { NEXT = 2, FILES_MAX = 100 };

static struct lm_catalog *next[NEXT]; /* numbered after the program's own */

/* ---- the next catalogues: edits of the program's own files ---- */

static json_t *named(json_t *list, const char *name)
{
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, "name")), name) == 0) {
            return item;
        }
    }
    return NULL;
}

static json_t *text_field(const char *name, bool required)
{
    json_t *field = json_pack("{s:s,s:s,s:s,s:s,s:i,s:i,s:[s,s]}", "name", name, "zh", "新字段",
                              "en", "New field", "type", "text", "max_chars", 40, "sensitivity", 0,
                              "edit_by", "village", "town");

    if (required) {
        (void)json_object_set_new(field, "required", json_true());
    }
    return field;
}

static void edit(const char *name, json_t *root, int step)
{
    if (strcmp(name, "catalog.json") == 0) {
        (void)json_object_set_new(root, "number",
                                  json_integer((json_int_t)sim->catalog->number + step));
        if (step == NEXT) {
            (void)json_array_append_new(json_object_get(root, "types"), json_string("drill"));
        }
    } else if (strcmp(name, "types/consultation.json") == 0) {
        json_t *fields = json_object_get(root, "fields");

        (void)json_array_append_new(fields, text_field("mood", false));
        if (step == NEXT) {
            (void)json_array_append_new(fields, text_field("why", true));
        }
    } else if (strcmp(name, "types/facility.json") == 0 && step == NEXT) {
        (void)json_object_set_new(named(json_object_get(root, "fields"), "area_sqm"), "retired",
                                  json_true());
    } else if (strcmp(name, "lists.json") == 0 && step == NEXT) {
        json_t *list = named(json_object_get(root, "lists"), "channel");

        (void)json_array_append_new(
            json_object_get(list, "codes"),
            json_pack("{s:s,s:s,s:s}", "code", "pigeon", "zh", "信鸽", "en", "Pigeon"));
    }
}

static bool make(int step, struct lm_catalog **out)
{
    struct lm_catalog_file files[FILES_MAX];
    char *texts[FILES_MAX] = {0};
    struct lm_error err = {0};
    size_t n = 0, total;
    const struct lm_catalog_file *own = lm_catalog_embedded(&total);
    bool good = total + 1 < FILES_MAX;

    for (size_t i = 0; good && i < total; i++) {
        json_t *root = json_loadb(own[i].data, own[i].size, 0, NULL);

        LM_CHECK(root);
        edit(own[i].name, root, step);
        texts[n] = json_dumps(root, JSON_COMPACT);
        files[n] = (struct lm_catalog_file){own[i].name, texts[n], strlen(texts[n])};
        n++;
        if (step == NEXT && strcmp(own[i].name, "types/facility.json") == 0) {
            (void)json_object_set_new(root, "name", json_string("drill"));
            texts[n] = json_dumps(root, JSON_COMPACT);
            files[n] = (struct lm_catalog_file){"types/drill.json", texts[n], strlen(texts[n])};
            n++;
        }
        json_decref(root);
    }
    good = good && lm_catalog_load(files, n, out, &err) == LM_OK;
    if (!good) {
        (void)fprintf(stderr, "sim: catalogue +%d: %s\n", step, err.en);
    }
    for (size_t i = 0; i < n; i++) {
        free(texts[i]);
    }
    return good;
}

bool sim_upgrade_prepare(void)
{
    sim->newest = sim->catalog;
    if (!(sim->plan.faults & 1u << F_UPGRADE)) {
        return true;
    }
    for (int i = 0; i < NEXT; i++) {
        if (!next[i] && !make(1 + i, &next[i])) {
            return false;
        }
    }
    sim->newest = next[NEXT - 1];
    return true;
}

/* ---- the town imports one ---- */

void sim_upgrade_act(void)
{
    struct lm_error err = {0};
    uint32_t number = sim->hub_up ? lm_store_catalog(sim->hub.store)->number : 0;
    const struct lm_catalog *c;
    bool again = false;
    enum lm_status st;

    if (number == 0 || number >= sim->newest->number) {
        return;
    }
    c = next[number - sim->catalog->number];
    sim->actor = -1;
    st = lm_store_begin(sim->hub.store, &err);
    if (st == LM_OK) {
        st = lm_store_catalog_import(sim->hub.store, "技术员", c->packed, c->packed_len,
                                     sim->now_ms, NULL, NULL, &again, &err);
    }
    if (st == LM_OK) {
        st = lm_store_commit(sim->hub.store, &err);
    }
    if (st != LM_OK) {
        lm_store_rollback(sim->hub.store);
    }
    sim_note("catalogue %u: %s %s", (unsigned)c->number, lm_status_name(st), err.code);
    if (sim_disk_dead(DISK_HUB) || lm_store_broken(sim->hub.store)) {
        sim_hub_crash("died in an import");
    } else if (st == LM_OK) {
        sim_check_hub();
        lm_server_catalog(sim->server);
        lm_server_news(sim->server);
    } else if (st == LM_ERR_INVALID) {
        sim_fail("P6 no value disappears", "catalogue %u cannot follow: %s", (unsigned)c->number,
                 err.en);
    }
    sim->actor = -2;
}

/* ---- people use it ---- */

void sim_upgrade_words(const struct lm_catalog *catalog, const char *type, json_t *fields)
{
    char text[20];

    if (catalog->number <= sim->catalog->number || strcmp(type, "consultation") != 0) {
        return;
    }
    (void)snprintf(text, sizeof text, "词%d", (int)sim_own_below(F_UPGRADE, 1000));
    if (sim_own_below(F_UPGRADE, 2)) {
        (void)json_object_set_new(fields, "mood", json_string(text));
    }
    if (catalog->number > sim->catalog->number + 1) {
        (void)json_object_set_new(fields, "why", json_string(text));
        if (sim_own_below(F_UPGRADE, 4) == 0) {
            (void)json_object_set_new(fields, "channel", json_string("pigeon"));
        }
    }
}
