/* Moves between villages that wait for the town: a release, which the village that is left has
 * entered about a file of its own, or a claim (申请转入), by which the village moved to names
 * somebody whose file it does not have.
 *
 * A claim names no record, and nobody but the town and the claiming village sees it before it is in
 * force (lm_scopes_of): its own record stays as it was sent until the town decides, whether it
 * means somebody or nobody, so that a village learns nothing about another one's people by asking.
 *
 * A person on the register about whom a move waits is "transferring", else "active". Nobody sets
 * that: it follows from the submitted events and the file, and is looked at again, before each
 * COMMIT, for every file that something in this transaction may have changed it for. The hub
 * journals it as its own change, so a verification replays it and does not decide it anew. Only the
 * writer's thread comes here. */
#include "hub/store/store_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NOTED_MAX =
        65536, /* files to look at in one transaction: a batch and what it redrives is less */
    WAITING_MAX = 5000, /* submitted transfers of the town; those beyond change nobody's state */
    SHOWN_BY_ID = 10,   /* files shown beside a claim */
    SHOWN_BY_NAME = 20,
    MOVES_ARENA_MAX = 16 * 1024 * 1024,
};

/* ---- which files to look at ---- */

bool lm_is_residency(const struct lm_record *rec)
{
    return strcmp(rec->type->name, "residency_event") == 0;
}

bool lm_residency_is_open_claim(const struct lm_record *rec)
{
    return lm_text_of(rec, "claim_name")[0] && !lm_text_of(rec, "person_id")[0];
}

/* what: 'p' a person's id, 'n' an ID number that a claim names, 'm' one that a file has. */
static enum lm_status note(struct lm_store *store, char what, const char *key)
{
    if (!key[0] || store->n_moves == NOTED_MAX) {
        return LM_OK;
    }
    if (store->n_moves == store->size_moves) {
        size_t size = store->size_moves ? 2 * store->size_moves : 64;
        void *grown = realloc(store->moves, size * sizeof *store->moves);

        if (!grown) {
            return LM_ERR_MEMORY;
        }
        store->moves = grown;
        store->size_moves = size;
    }
    (void)snprintf(store->moves[store->n_moves++], sizeof *store->moves, "%c%.40s", what, key);
    return LM_OK;
}

static enum lm_status note_event(struct lm_store *store, const struct lm_record *event)
{
    enum lm_status status = LM_OK;

    if (event && strcmp(lm_text_of(event, "kind"), "transfer") == 0) {
        status = note(store, 'p', lm_text_of(event, "person_id"));
        status = status == LM_OK ? note(store, 'n', lm_text_of(event, "claim_id_no")) : status;
    }
    return status;
}

static bool text_differs(const struct lm_record *a, const struct lm_record *b, const char *field)
{
    return strcmp(lm_text_of(a, field), lm_text_of(b, field)) != 0;
}

/* Whether what a claim finds a file by, or what makes it wait, is another now. */
static bool file_changed(const struct lm_record *before, const struct lm_record *rec)
{
    return !before || lm_record_deleted(before) != lm_record_deleted(rec) ||
           text_differs(before, rec, "state") || text_differs(before, rec, "village_code") ||
           text_differs(before, rec, "id_no") || text_differs(before, rec, "name") ||
           strcmp(lm_record_text(rec, LM_C_STATE), "transferring") == 0;
}

enum lm_status lm_moves_note(struct lm_store *store, const struct lm_effect *f)
{
    const struct lm_record *rec = f->merge->record;
    enum lm_status status = LM_OK;

    if (!rec || store->replaying) {
        return LM_OK;
    }
    if (lm_is_residency(rec)) {
        status = note_event(store, f->before);
        status = status == LM_OK ? note_event(store, rec) : status;
    } else if (strcmp(rec->type->name, "person") == 0 && file_changed(f->before, rec)) {
        status = note(store, 'p', rec->id);
        status = status == LM_OK ? note(store, 'm', lm_text_of(rec, "id_no")) : status;
        if (status == LM_OK && f->before) {
            status = note(store, 'm', lm_text_of(f->before, "id_no"));
        }
    } else {
        return LM_OK;
    }
    if (f->entry->received_ms > store->moves_ms) {
        store->moves_ms = f->entry->received_ms;
    }
    return status;
}

void lm_moves_forget(struct lm_store *store)
{
    store->n_moves = 0;
    store->moves_ms = 0;
}

/* ---- files ---- */

/* On the register, or on the way there: only such a file can be moved. */
static bool lives(const struct lm_record *person)
{
    static const char *const states[] = {"submitted", "returned", "active", "transferring"};
    const char *state = lm_record_text(person, LM_C_STATE);

    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(state, states[i]) == 0) {
            return true;
        }
    }
    return false;
}

struct matching {
    const char *name, *to;
    size_t there; /* files outside the village that claims */
    size_t here;  /* and in it */
    char id[40], village[16];
};

static bool match_one(void *arg, const struct lm_record *person)
{
    struct matching *m = arg;
    const char *village = lm_record_text(person, LM_C_VILLAGE_CODE);

    if (!lives(person) || strcmp(lm_text_of(person, "name"), m->name) != 0) {
        return true;
    }
    if (strcmp(village, m->to) == 0) {
        m->here++;
    } else if (m->there++ == 0) {
        (void)snprintf(m->id, sizeof m->id, "%s", person->id);
        (void)snprintf(m->village, sizeof m->village, "%s", village);
    }
    return true;
}

/* ID number and name must both agree: one digit mistyped may be somebody else's number. */
static enum lm_status match(struct lm_store *store, const char *id_no, struct matching *m,
                            struct lm_error *err)
{
    const struct lm_where where = {.field = "id_no", .value = id_no};

    m->there = m->here = 0;
    return id_no[0] ? lm_store_list(store, NULL, "person", NULL, &where, 1, match_one, m, err)
                    : LM_OK;
}

enum lm_status lm_moves_match(struct lm_store *store, const char *name, const char *id_no,
                              const char *to, char id[40], struct lm_error *why,
                              struct lm_error *err)
{
    struct matching m = {.name = name, .to = to};
    enum lm_status status = match(store, id_no, &m, err);

    if (status != LM_OK) {
        return status;
    }
    if (m.there == 1) {
        (void)snprintf(id, 40, "%s", m.id);
        return LM_OK;
    }
    if (m.there > 1) {
        return lm_fail(why, LM_ERR_NOT_FOUND, "choose_person", "person_id",
                       "不止一份档案与申请相符，请选定是哪一份",
                       "More than one file fits the claim: say which one is meant");
    }
    if (m.here > 0) {
        return lm_fail(why, LM_ERR_NOT_FOUND, "already_here", "person_id",
                       "该对象已在转入村，请退回这份申请",
                       "The person is in that village already: send the claim back");
    }
    return lm_fail(why, LM_ERR_NOT_FOUND, "no_match", "person_id",
                   "没有姓名、身份号码都与申请相符的档案，请核对后选定，或退回",
                   "No file has both the name and the ID number of the claim: choose the one that "
                   "is meant, or send it back");
}

/* ---- what waits ---- */

struct waiting {
    char person[40], id_no[24], name[256], from[16], to[16];
};

struct settling {
    struct lm_store *store;
    struct waiting *list;
    size_t n;
    struct lm_error *err;
    enum lm_status status;
    struct lm_arena arena;
};

static bool gather(void *arg, const struct lm_record *event)
{
    struct settling *s = arg;
    struct waiting *w = &s->list[s->n];

    if (event->invalid) {
        return true; /* its village mends it first */
    }
    (void)snprintf(w->person, sizeof w->person, "%s", lm_text_of(event, "person_id"));
    (void)snprintf(w->id_no, sizeof w->id_no, "%s", lm_text_of(event, "claim_id_no"));
    (void)snprintf(w->name, sizeof w->name, "%s", lm_text_of(event, "claim_name"));
    (void)snprintf(w->from, sizeof w->from, "%s", lm_text_of(event, "from_village"));
    (void)snprintf(w->to, sizeof w->to, "%s", lm_text_of(event, "to_village"));
    return ++s->n < WAITING_MAX;
}

static const struct lm_where transfers[] = {{.field = "state", .value = "submitted"},
                                            {.field = "kind", .value = "transfer"}};

static enum lm_status waits_for(struct settling *s, const struct lm_record *person, bool *out)
{
    const char *village = lm_record_text(person, LM_C_VILLAGE_CODE);
    const char *id_no = lm_text_of(person, "id_no"), *name = lm_text_of(person, "name");

    *out = false;
    for (size_t i = 0; i < s->n && !*out; i++) {
        const struct waiting *w = &s->list[i];

        if (strcmp(w->to, village) == 0) {
            continue; /* done already: what waits is only to be noted as such */
        }
        if (w->person[0]) {
            *out = strcmp(w->person, person->id) == 0 && strcmp(w->from, village) == 0;
        } else if (id_no[0] && strcmp(w->id_no, id_no) == 0 && strcmp(w->name, name) == 0) {
            struct matching m = {.name = name, .to = w->to};
            enum lm_status status = match(s->store, id_no, &m, s->err);

            if (status != LM_OK) {
                return status;
            }
            *out = m.there == 1; /* with two files nobody knows yet which one is meant */
        }
    }
    return LM_OK;
}

/* A rule against it (a file that a village has made invalid meanwhile) leaves the state as it is;
 * the change that mends the file comes here again. */
static enum lm_status settle(struct settling *s, const struct lm_record *person)
{
    const char *state = lm_record_text(person, LM_C_STATE);
    bool moving = strcmp(state, "transferring") == 0, waits = false;
    struct lm_act act = {.user = "", .id = person->id, .op = LM_OP_EDIT, .by_system = true};
    struct lm_act_result out;
    struct lm_error ignored = {0};
    json_t *fields;
    enum lm_status status;

    if (lm_record_deleted(person) || (!moving && strcmp(state, "active") != 0)) {
        return LM_OK;
    }
    status = waits_for(s, person, &waits);
    if (status != LM_OK || waits == moving) {
        return status;
    }
    fields = json_pack("{s:s}", "state", waits ? "transferring" : "active");
    act.fields = fields;
    status =
        fields ? lm_store_act(s->store, &act, s->store->moves_ms, &out, &ignored) : LM_ERR_MEMORY;
    json_decref(fields);
    return lm_is_fatal(status) ? status : LM_OK;
}

static enum lm_status settle_person(struct settling *s, const char *id)
{
    struct lm_record *person = NULL;
    enum lm_status status;

    lm_arena_reset(&s->arena);
    status = lm_store_get(s->store, &s->arena, "person", id, &person);
    if (status != LM_OK) {
        return status == LM_ERR_NOT_FOUND ? LM_OK : status;
    }
    return settle(s, person);
}

struct ids {
    char id[SHOWN_BY_ID][40];
    size_t n;
};

static bool take_id(void *arg, const struct lm_record *person)
{
    struct ids *ids = arg;

    (void)snprintf(ids->id[ids->n++], sizeof ids->id[0], "%s", person->id);
    return ids->n < SHOWN_BY_ID;
}

/* Every file with that ID number: a claim came or ended, or another file of the same number. */
static enum lm_status settle_number(struct settling *s, const char *id_no, bool any)
{
    const struct lm_where where = {.field = "id_no", .value = id_no};
    struct ids ids = {.n = 0};
    enum lm_status status = LM_OK;

    for (size_t i = 0; i < s->n && !any; i++) {
        any = strcmp(s->list[i].id_no, id_no) == 0;
    }
    if (any) {
        status = lm_store_list(s->store, NULL, "person", NULL, &where, 1, take_id, &ids, s->err);
    }
    for (size_t i = 0; i < ids.n && status == LM_OK; i++) {
        status = settle_person(s, ids.id[i]);
    }
    return status;
}

enum lm_status lm_moves_settle(struct lm_store *store, struct lm_error *err)
{
    struct settling s = {.store = store, .err = err};
    size_t n = store->n_moves;
    enum lm_status status = LM_OK;

    if (n == 0 || !lm_catalog_type(store->catalog, "residency_event") ||
        !lm_catalog_type(store->catalog, "person")) {
        lm_moves_forget(store);
        return LM_OK;
    }
    lm_arena_init(&s.arena, MOVES_ARENA_MAX);
    s.list = calloc(WAITING_MAX, sizeof *s.list);
    status =
        s.list ? lm_store_list(store, NULL, "residency_event", NULL, transfers, 2, gather, &s, err)
               : LM_ERR_MEMORY;
    /* What is set here is noted in its turn, and needs no second look. */
    for (size_t i = 0; i < n && status == LM_OK; i++) {
        char key[48];

        (void)snprintf(key, sizeof key, "%s", store->moves[i]); /* the list may move */
        status =
            key[0] == 'p' ? settle_person(&s, key + 1) : settle_number(&s, key + 1, key[0] == 'n');
    }
    free(s.list);
    lm_arena_free(&s.arena);
    lm_moves_forget(store);
    return lm_is_fatal(status) || status == LM_OK ? status : LM_ERR_IO;
}

/* ---- for the clerk: both sides ---- */

struct showing {
    struct lm_store *store;
    json_t *rows;
};

static bool take_event(void *arg, const struct lm_record *event)
{
    struct showing *s = arg;
    json_t *row = lm_record_to_json(event);

    return row && json_array_append_new(s->rows, row) == 0 &&
           json_array_size(s->rows) < WAITING_MAX;
}

struct siding {
    json_t *sides;
    const char *id_no, *name;
    size_t max;
};

static bool take_side(void *arg, const struct lm_record *person)
{
    struct siding *s = arg;
    const char *state = lm_record_text(person, LM_C_STATE), *id_no = lm_text_of(person, "id_no");
    json_t *side;

    if (strcmp(state, "draft") == 0 || strcmp(state, "cancelled") == 0) {
        return true;
    }
    side =
        json_pack("{s:s,s:s,s:s,s:s,s:b,s:b}", "id", person->id, "name", lm_text_of(person, "name"),
                  "village_code", lm_record_text(person, LM_C_VILLAGE_CODE), "state", state,
                  "same_number", (int)(s->id_no[0] && strcmp(id_no, s->id_no) == 0), "same_name",
                  (int)(strcmp(lm_text_of(person, "name"), s->name) == 0));
    return side && json_array_append_new(s->sides, side) == 0 && json_array_size(s->sides) < s->max;
}

/* By number; without one, or when nobody has it, by name. */
static enum lm_status sides_of_claim(struct lm_store *store, struct siding *s, struct lm_error *err)
{
    const struct lm_where by_number = {.field = "id_no", .value = s->id_no},
                          by_name = {.field = "name", .value = s->name};
    enum lm_status status = LM_OK;

    if (s->id_no[0]) {
        s->max = SHOWN_BY_ID;
        status = lm_store_list(store, NULL, "person", NULL, &by_number, 1, take_side, s, err);
    }
    if (status == LM_OK && json_array_size(s->sides) == 0) {
        s->max = SHOWN_BY_NAME;
        status = lm_store_list(store, NULL, "person", NULL, &by_name, 1, take_side, s, err);
    }
    return status;
}

static enum lm_status sides_of_release(struct lm_store *store, const char *person, struct siding *s)
{
    struct lm_record *rec = NULL;
    struct lm_arena arena;
    enum lm_status status;

    lm_arena_init(&arena, MOVES_ARENA_MAX);
    status = lm_store_get(store, &arena, "person", person, &rec);
    if (status == LM_OK) {
        s->name = lm_text_of(rec, "name");
        s->id_no = lm_text_of(rec, "id_no");
        s->max = 1;
        (void)take_side(s, rec);
    }
    lm_arena_free(&arena);
    return status == LM_ERR_NOT_FOUND ? LM_OK : status;
}

static const char *text_in(const json_t *fields, const char *name)
{
    const char *text = json_string_value(json_object_get(fields, name));

    return text ? text : "";
}

enum lm_status lm_store_transfers(struct lm_store *store, lm_row_visit visit, void *arg,
                                  struct lm_error *err)
{
    struct showing s = {.store = store, .rows = json_array()};
    enum lm_status status = LM_OK;
    json_t *row;
    size_t i;

    if (lm_catalog_type(store->catalog, "residency_event")) {
        status =
            lm_store_list(store, NULL, "residency_event", NULL, transfers, 2, take_event, &s, err);
    }
    json_array_foreach(s.rows, i, row)
    {
        const json_t *fields = json_object_get(row, "fields");
        const char *person = text_in(fields, "person_id");
        struct siding sides = {.sides = json_array(),
                               .id_no = text_in(fields, "claim_id_no"),
                               .name = text_in(fields, "claim_name")};

        if (status == LM_OK) {
            status = person[0] ? sides_of_release(store, person, &sides)
                               : sides_of_claim(store, &sides, err);
        }
        (void)json_object_set_new(row, "claim", json_boolean(!person[0]));
        (void)json_object_set_new(row, "records", sides.sides);
        if (status != LM_OK || !visit(arg, row)) {
            break;
        }
    }
    json_decref(s.rows);
    return status;
}
