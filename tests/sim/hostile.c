/* What no honest program sends: a PC whose program was changed writes records of another village
 * (P11); and what no program foresaw: a change that breaks the transaction it is taken in with
 * (P4). Both lie in the outbox like any change, with a right chain, and the hub is to judge them.
 */
#include "tests/sim/sim.h"

#include "proto/merge.h"

#include <string.h>

#define NEW_FIELD "a_new_field"

enum { ARENA_BYTES = 8 * 1024 * 1024, NEWER_MAX = 64 };

static struct newer {
    char id[40];
    struct lm_version version;
} newer[NEWER_MAX];
static size_t n_newer;

void sim_hostile_reset(void)
{
    n_newer = 0;
}

/* Appends a change past the program's own checks. base: as the author saw it, or NULL: creation.
 * extra: the value of a field of the next catalogue, or NULL. */
static bool append(struct sim_node *node, const struct lm_type *type, const char *id,
                   const struct lm_record *base, const struct lm_fieldset *set, const char *extra,
                   struct lm_arena *arena, struct lm_version *version_out)
{
    struct lm_change change = {.type = type->name, .user = "王秘书"};
    struct lm_error err = {0};
    struct lm_me me;
    struct lm_buf body;
    uint64_t highest = 0;
    enum lm_status st;

    (void)snprintf(change.id, sizeof change.id, "%s", id);
    change.op = base ? LM_OP_EDIT : LM_OP_CREATE;
    change.catalog = lm_nstore_catalog(node->store)->number + (extra ? 1 : 0);
    sim->actor = node->index;
    change.fields.pairs = lm_arena_alloc(arena, (set->n + 1) * sizeof *change.fields.pairs);
    LM_CHECK(change.fields.pairs);
    change.fields.kind = LM_MAP;
    for (size_t i = 0; i < set->n; i++) {
        const char *name = type->fields[set->index[i]].name;

        change.fields.pairs[change.fields.len++] = (struct lm_pair){
            .key = name, .key_len = (uint32_t)strlen(name), .value = set->value[i]};
    }
    if (extra) {
        change.fields.pairs[change.fields.len++] = (struct lm_pair){
            .key = NEW_FIELD, .key_len = sizeof NEW_FIELD - 1, .value = lm_value_text(extra)};
    }
    st = lm_change_see(type, base, set, &change, arena, &highest);
    if (st == LM_OK) {
        st = lm_nstore_begin(node->store, &err);
    }
    if (st == LM_OK) {
        st = lm_nstore_me(node->store, &me, &err);
    }
    lm_buf_init(&body, LM_CHANGE_BYTES_MAX);
    if (st == LM_OK) {
        change.hlc = lm_hlc_next(me.hlc, highest, lm_clock_wall_ms());
        change.wall_delta_ms = lm_clock_wall_ms() - lm_hlc_ms(change.hlc);
        change.offset_known = me.offset_known;
        change.offset_ms = me.offset_ms;
        *version_out = (struct lm_version){change.hlc, me.replica};
        lm_change_pack(&body, &change);
        st = body.status == LM_OK
                 ? lm_nstore_append(node->store, &me, &change, body.data, body.len, &err)
                 : body.status;
        st = st == LM_OK ? lm_nstore_commit(node->store, &err) : st;
        if (st != LM_OK) {
            lm_nstore_rollback(node->store);
        }
    }
    lm_buf_free(&body);
    sim->actor = -2;
    sim_note("pc %d appends %s: %s", node->index, type->name, lm_status_name(st));
    if (sim_disk_dead(node->index)) {
        sim_node_crash(node, "died while appending");
    }
    return st == LM_OK;
}

static struct sim_node *somebody(enum sim_fault fault)
{
    struct sim_node *node = &sim->nodes[sim_own_below(fault, (uint64_t)sim->n_nodes)];

    return node->up && !node->retired ? node : NULL;
}

void sim_stranger_act(void)
{
    struct sim_node *node = somebody(F_STRANGER);
    const struct sim_record *rec =
        sim->n_records ? &sim->records[sim_own_below(F_STRANGER, sim->n_records)] : NULL;
    const struct lm_type *type =
        rec && sim->hub_up ? lm_catalog_type(lm_store_catalog(sim->hub.store), rec->type) : NULL;
    const struct lm_field *field =
        type ? lm_type_field(type, strcmp(type->name, "consultation") == 0 ? "item_count"
                                   : strcmp(type->name, "person") == 0     ? "residence_text"
                                                                           : "opened_on")
             : NULL;
    struct lm_record *seen = NULL;
    struct lm_arena arena;

    if (!node || !field || rec->station == node->station || !sim->hub_up) {
        return;
    }
    lm_arena_init(&arena, ARENA_BYTES);
    sim->actor = -1;
    if (lm_store_get(sim->hub.store, &arena, type->name, rec->id, &seen) == LM_OK) {
        struct lm_fieldset set = {.n = 0};
        struct lm_version version;

        lm_fieldset_put(&set, field->index,
                        field->ftype == LM_F_INT ? lm_value_int(99) : lm_value_text("2019-09-09"));
        (void)append(node, type, rec->id, seen, &set, NULL, &arena, &version);
    }
    sim->actor = -2;
    lm_arena_free(&arena);
}

static bool append_consultation(struct sim_node *node, enum sim_fault fault, int64_t items,
                                const char *extra, char id[LM_UUID_TEXT + 1],
                                struct lm_version *version_out)
{
    const struct lm_type *type = lm_catalog_type(lm_nstore_catalog(node->store), "consultation");
    struct lm_fieldset set = {.n = 0};
    struct lm_arena arena;
    bool good;

    lm_arena_init(&arena, ARENA_BYTES);
    lm_uuid_v7(&sim->own[fault], sim->now_ms, id);
    lm_fieldset_put(&set, lm_type_field(type, "on")->index, lm_value_text("2026-05-05"));
    lm_fieldset_put(&set, lm_type_field(type, "channel")->index, lm_value_text("phone"));
    lm_fieldset_put(&set, lm_type_field(type, "topic")->index, lm_value_text("policy"));
    lm_fieldset_put(&set, lm_type_field(type, "item_count")->index, lm_value_int(items));
    good = append(node, type, id, NULL, &set, extra, &arena, version_out);
    lm_arena_free(&arena);
    return good;
}

void sim_poison_act(void)
{
    struct sim_node *node = somebody(F_POISON);
    struct lm_version version;
    char id[LM_UUID_TEXT + 1];

    if (node) {
        (void)append_consultation(node, F_POISON, SIM_POISON, NULL, id, &version);
    }
}

void sim_newer_act(void)
{
    struct sim_node *node = somebody(F_NEWER);
    struct newer *made = &newer[n_newer];
    char id[LM_UUID_TEXT + 1];

    if (node && n_newer < NEWER_MAX &&
        append_consultation(node, F_NEWER, 1, "新", id, &made->version)) {
        (void)snprintf(made->id, sizeof made->id, "%s", id);
        n_newer++;
    }
}

/* P6: what nobody else can read yet is kept all the same. (That PCs have it too follows from the
 * digests, which it is a part of: check_scope.) */
void sim_check_newer(void)
{
    struct lm_arena arena;

    lm_arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < n_newer && !sim->failure[0]; i++) {
        const struct newer *n = &newer[i];
        int verdict = journal_model_verdict(sim->model, n->id, n->version.replica, n->version.hlc);
        const struct lm_value *value;
        struct lm_record *rec = NULL;

        if (verdict != LM_V_APPLIED && verdict != LM_V_CONCURRENT) {
            continue;
        }
        lm_arena_reset(&arena);
        value = lm_store_get(sim->hub.store, &arena, "consultation", n->id, &rec) == LM_OK
                    ? lm_value_member(&rec->unknown, NEW_FIELD)
                    : NULL;
        if (!value || value->kind != LM_TEXT || value->len != strlen("新")) {
            sim_fail("P6 no value disappears",
                     "a field of a newer catalogue of consultation %s is not kept", n->id);
        }
    }
    lm_arena_free(&arena);
}
