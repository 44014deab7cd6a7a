/* Releases and claims of persons, and the clerk's decision on them: what test_hub_claims.c and
 * test_hub_claims_back.c share. */
#ifndef LM_TESTS_UNIT_CLAIMS_WORLD_H
#define LM_TESTS_UNIT_CLAIMS_WORLD_H

#include "tests/unit/hub_store_world.h"

#include "proto/feed.h"

#define VILLAGE_C "999999101203"
#define PROOF "01932f00-1111-7222-8333-444444444444"

static const struct lm_version nothing = {0, 0};

static inline enum lm_status act(struct world *w, const char *id, enum lm_op op, const char *type,
                                 const char *station, json_t *fields, char out_id[40])
{
    const struct lm_act a = {.user = "李职员",
                             .type = id ? NULL : type,
                             .id = id,
                             .station = station,
                             .fields = fields,
                             .op = op};
    struct lm_act_result out;
    enum lm_status status;

    memset(&err_, 0, sizeof err_);
    world_begin(w);
    status = lm_store_act(w->store, &a, w->now, &out, &err_);
    world_commit(w);
    w->now += 1000;
    if (out_id) {
        (void)snprintf(out_id, 40, "%s", out.id);
    }
    json_decref(fields);
    return status;
}

static inline enum lm_status edit(struct world *w, const char *id, json_t *fields)
{
    return act(w, id, LM_OP_EDIT, NULL, NULL, fields, NULL);
}

/* The clerk confirms. person NULL: whom the record names, or the one that fits. */
static inline enum lm_status confirm(struct world *w, const char *event, const char *person)
{
    json_t *fields = json_pack("{s:s}", "state", "verified");

    if (person) {
        (void)json_object_set_new(fields, "person_id", json_string(person));
    }
    return edit(w, event, fields);
}

static inline void refused(struct world *w, const char *event, const char *person, const char *code)
{
    assert_int_equal(confirm(w, event, person), LM_ERR_INVALID);
    assert_string_equal(err_.code, code);
    assert_string_equal(text(get(w, "residency_event", event), "state"), "submitted");
}

static inline enum lm_status send_back(struct world *w, const char *event)
{
    return edit(w, event, json_pack("{s:s,s:s}", "state", "returned", "return_note", "请核对"));
}

/* On the register, in that village. */
static inline void person_on_register(struct world *w, const char *name, int order,
                                      const char *village, char id[40])
{
    json_t *fields = person_json(name, order, village);

    (void)json_object_update_new(fields,
                                 json_pack("{s:s,s:s,s:s,s:s}", "state", "active", "household_no",
                                           "H1", "notice_at", "2025-01-05", "legal_basis", "duty"));
    OK(act(w, NULL, LM_OP_CREATE, "person", village, fields, id));
    assert_string_equal(text(get(w, "person", id), "state"), "active");
}

static inline void pc_event(struct world *w, struct pc *pc, json_t *fields, char id[40])
{
    new_id(w, id);
    (void)pc_add(w, pc, "residency_event", id, LM_OP_CREATE, fields, nothing);
    json_decref(fields);
    push_all(w, pc);
    assert_string_equal(text(get(w, "residency_event", id), "state"), "submitted");
    assert_false(get(w, "residency_event", id)->invalid);
}

static inline void release(struct world *w, struct pc *pc, const char *person, const char *to,
                           char id[40])
{
    pc_event(w, pc,
             json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "person_id", person, "kind", "transfer",
                       "event_on", "2026-09-10", "from_village", pc->replica.station, "to_village",
                       to, "proof", PROOF, "state", "submitted"),
             id);
}

/* from: where the village believes that the person comes from. order < 0: no ID number. */
static inline void claim(struct world *w, struct pc *pc, const char *name, int order,
                         const char *from, char id[40])
{
    json_t *fields = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "claim_name", name, "kind", "transfer",
                               "event_on", "2026-09-10", "to_village", pc->replica.station, "proof",
                               PROOF, "state", "submitted");
    char number[19];

    if (order >= 0) {
        idno(order, number);
        (void)json_object_set_new(fields, "claim_id_no", json_string(number));
    }
    if (from) {
        (void)json_object_set_new(fields, "from_village", json_string(from));
    }
    pc_event(w, pc, fields, id);
}

static inline void stands(struct world *w, const char *person, const char *village,
                          const char *state)
{
    assert_string_equal(text(get(w, "person", person), "village_code"), village);
    assert_string_equal(text(get(w, "person", person), "state"), state);
}

/* What the feed tells this PC of the record, NULL for nothing. */
static inline const struct lm_feed_entry *in_feed(struct world *w, struct pc *pc, const char *id)
{
    struct lm_cursor cursor = {0, ""};

    pc->replica.branch = pc->branch;
    for (;;) {
        struct lm_msg_feed *page = lm_arena_alloc(&w->arena, sizeof *page);

        OK(lm_store_feed(w->store, &pc->replica, &cursor, 0, &w->arena, page, &err_));
        for (size_t i = 0; i < page->n_entries; i++) {
            if (strcmp(page->entries[i].id, id) == 0) {
                return &page->entries[i];
            }
        }
        if (page->done) {
            return NULL;
        }
        cursor = page->next;
    }
}

static inline int kind_in_feed(struct world *w, struct pc *pc, const char *id)
{
    const struct lm_feed_entry *entry = in_feed(w, pc, id);

    return entry ? (int)entry->kind : -1;
}

static inline void village_c(struct world *w, struct pc *c)
{
    struct lm_station station = {.level = "village", .code = VILLAGE_C, .name = "南溪村"};

    world_begin(w);
    OK(lm_store_station_add(w->store, "admin", &station, w->now, &err_));
    world_commit(w);
    enrol_pc(w, c, VILLAGE_C, 3);
}

static inline void free_pc(struct pc *pc)
{
    for (size_t i = 0; i < OUTBOX_MAX; i++) {
        lm_buf_free(&pc->outbox[i]);
    }
}

#endif
