/* The counts of a model that knows no SQL (P10). What each save and each act said is kept as the
 * person entered it. At rest every record of the journal is put together again: which change stands
 * in which group is the journal model's word (journal_model.h), what that change said is the
 * person's own, or, for what a program made by itself, the change's. Then the rows are counted here
 * by hand, persons with one ID number (or one name and birth) once, and compared with the hub's
 * figures, whole, by village, for one village and for a period.
 *
 * And what `count` says of completeness: of a station that is called complete no save may be
 * missing that is older than the time through which the town is. */
#include "tests/sim/sim.h"

#include "hub/counts.h"
#include "hub/store/store_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEPT_MAX = SIM_SAVES_MAX,
    ROWS_MAX = SIM_RECORDS_MAX + 2000,
    APART_MAX = 64,
    BASES_DEEP = 64,
    KEY_MAX = 200,
};

struct kept {
    struct lm_version version;
    char record[40];
    char station[16];
    enum lm_op op;
    json_t *fields; /* as entered; or NULL */
};
static struct kept kept[KEPT_MAX];
static size_t n_kept;
static char apart[APART_MAX][2][40]; /* said to be two persons */
static size_t n_apart;

/* One record as the model has it. */
struct row {
    char id[40];
    const struct lm_type *type;
    char village[16], state[24], on[16];
    int64_t items;     /* consultation */
    char key[KEY_MAX]; /* person: what makes two files one */
    char one[KEY_MAX]; /* and as what it is counted */
    bool invalid;      /* against the catalogue's rules: not counted */
};
static struct row rows[ROWS_MAX];
static size_t n_rows;

void sim_ledger_reset(void)
{
    for (size_t i = 0; i < n_kept; i++) {
        json_decref(kept[i].fields);
    }
    n_kept = n_apart = n_rows = 0;
}

void sim_ledger_keep(struct lm_version version, const char *record, const char *station,
                     enum lm_op op, const json_t *fields)
{
    struct kept *k = &kept[n_kept];

    if (n_kept == KEPT_MAX) {
        return;
    }
    k->version = version;
    k->op = op;
    (void)snprintf(k->record, sizeof k->record, "%s", record);
    (void)snprintf(k->station, sizeof k->station, "%s", station);
    k->fields = fields ? json_deep_copy(fields) : NULL;
    n_kept++;
}

void sim_ledger_keep_act(uint64_t before, const struct lm_act *what, const char *id)
{
    struct lm_mark head;
    struct lm_jentry entry;
    struct lm_arena arena;

    lm_arena_init(&arena, 1024 * 1024);
    if (lm_store_head(sim->hub.store, &head) == LM_OK && head.position == before + 1 &&
        lm_journal_at(sim->hub.store, head.position, &arena, &entry) == LM_OK) {
        sim_ledger_keep((struct lm_version){entry.hlc, entry.replica}, id,
                        what->station ? what->station : "", what->op, what->fields);
    }
    lm_arena_free(&arena);
}

void sim_ledger_apart(const char *a, const char *b)
{
    if (n_apart < APART_MAX) {
        (void)snprintf(apart[n_apart][0], sizeof apart[0][0], "%s", a);
        (void)snprintf(apart[n_apart++][1], sizeof apart[0][1], "%s", b);
    }
}

/* The one save of this version, or NULL when there are several: a PC that was set back may give
 * out an HLC again. */
static const struct kept *find(const char *record, struct lm_version v)
{
    const struct kept *found = NULL;
    uint64_t former = v.replica;

    for (int i = 0; i < sim->n_nodes; i++) {
        if (sim->nodes[i].key.replica == v.replica && sim->nodes[i].former != 0) {
            former = sim->nodes[i].former;
        }
    }

    for (size_t i = 0; i < n_kept; i++) {
        if (kept[i].version.hlc != v.hlc ||
            (kept[i].version.replica != v.replica && kept[i].version.replica != former) ||
            strcmp(kept[i].record, record) != 0) {
            continue;
        }
        if (found) {
            return NULL;
        }
        found = &kept[i];
    }
    return found;
}

/* ---- one value ---- */

struct said {
    char text[200]; /* "" = nothing */
    int64_t number;
    bool known;
};

static void take_json(const json_t *v, struct said *out)
{
    out->known = true;
    if (json_is_integer(v)) {
        out->number = json_integer_value(v);
    }
    (void)snprintf(out->text, sizeof out->text, "%s",
                   json_is_string(v) ? json_string_value(v) : "");
}

static void take_value(const struct lm_value *v, struct said *out)
{
    out->known = true;
    out->number = v->kind == LM_INT ? v->i : 0;
    out->text[0] = '\0';
    if (v->kind == LM_TEXT) {
        (void)snprintf(out->text, sizeof out->text, "%.*s", (int)v->len, v->text);
    }
}

/* What the newest change of the group that speaks of the field said, from version on backwards. */
static struct said look_up(struct lm_arena *arena, const char *record, const char *group,
                           const char *field, struct lm_version v)
{
    struct said out = {.known = false};

    for (int i = 0; i < BASES_DEEP && v.hlc != 0; i++) {
        const struct kept *k = find(record, v);
        const json_t *entered = k ? json_object_get(k->fields, field) : NULL;
        const struct lm_value *sent;
        struct lm_change change;
        const uint8_t *body;
        size_t n;

        if (!journal_model_body(sim->model, record, v, &body, &n) ||
            lm_change_read(body, n, arena, &change, NULL) != LM_OK) {
            sim_fail("P6 no value disappears",
                     "version %" PRIu64 "/%" PRIu64 " of %s stands and is not in the journal",
                     v.hlc, v.replica, record);
            return out;
        }
        sent = lm_value_member(&change.fields, field);
        if (entered) {
            struct said other = {.known = false};

            take_json(entered, &out);
            if (sent) {
                take_value(sent, &other);
            }
            if (sent && (strcmp(out.text, other.text) != 0 || out.number != other.number)) {
                sim_fail("P1 saved means saved",
                         "%s of %s was entered as %s %" PRId64 ", and sent as %s %" PRId64, field,
                         record, out.text, out.number, other.text, other.number);
            }
            return out;
        }
        if (sent) {
            take_value(sent, &out);
            return out;
        }
        if (change.op == LM_OP_CREATE) {
            break;
        }
        if (strcmp(field, "state") == 0) { /* it moved the state without a word of it: a village's
                                              correction of what was sent back is sent again */
            (void)snprintf(out.text, sizeof out.text, "submitted");
            out.known = true;
            return out;
        }
        v = lm_change_base(&change, group);
    }
    return out;
}

struct putting {
    struct lm_arena arena;
};

static struct said value_of(struct putting *p, const struct journal_record *r, const char *field)
{
    const struct lm_field *f = lm_type_field(r->type, field);
    struct said nothing = {.known = false};

    return f ? look_up(&p->arena, r->id, r->type->groups[f->group].name, field, r->stands[f->group])
             : nothing;
}

/* Whose village a record without a word of its own about that is: its author's. */
static const char *station_of(const char *record, struct lm_version v)
{
    const struct kept *k = find(record, v);

    for (int i = 0; !k && i < sim->n_nodes; i++) {
        if (sim->nodes[i].key.replica == v.replica) {
            return sim_station_code(sim->nodes[i].station);
        }
    }
    return k ? k->station : "";
}

static bool is_deleted(struct putting *p, const struct journal_record *r)
{
    struct lm_version v = r->stands[LM_GROUP_DELETED];
    struct lm_change change;
    const uint8_t *body;
    size_t n;

    return journal_model_body(sim->model, r->id, v, &body, &n) &&
           lm_change_read(body, n, &p->arena, &change, NULL) == LM_OK && change.op == LM_OP_DELETE;
}

/* P6: what a field says that came with a later catalogue is what the change said that stands. */
static void check_new_fields(struct putting *p, const struct journal_record *r,
                             const struct lm_record *master)
{
    static const char *const names[] = {"mood", "why"};

    for (size_t i = 0; i < sizeof names / sizeof *names && !sim->failure[0]; i++) {
        const struct lm_field *f = lm_type_field(master->type, names[i]);
        struct said said;
        const char *here;

        if (!f) {
            continue;
        }
        here = master->fields[f->index].kind == LM_TEXT ? lm_record_text(master, f->index) : "";
        said = look_up(&p->arena, r->id, names[i], names[i], master->stamps[f->group].version);
        if (strcmp(said.text, here) != 0) {
            sim_fail("P6 no value disappears", "%s of %s is \"%s\", and was said to be \"%s\"",
                     names[i], r->id, here, said.text);
        }
    }
}

/* Left out: what is deleted. */
static bool put_row(void *arg, const struct journal_record *r)
{
    struct putting *p = arg;
    struct row *row = &rows[n_rows];
    struct lm_record *master = NULL;
    struct said said;

    lm_arena_reset(&p->arena);
    if (n_rows == ROWS_MAX || sim->failure[0] || is_deleted(p, r)) {
        return n_rows < ROWS_MAX && !sim->failure[0];
    }
    if (lm_store_get(sim->hub.store, &p->arena, r->type->name, r->id, &master) != LM_OK) {
        sim_fail("P6 no value disappears", "%s %s is not in the master", r->type->name, r->id);
        return false;
    }
    memset(row, 0, sizeof *row);
    row->invalid = master->invalid;
    (void)snprintf(row->id, sizeof row->id, "%s", r->id);
    row->type = r->type;
    said = value_of(p, r, "village_code");
    (void)snprintf(row->village, sizeof row->village, "%.15s",
                   said.known ? said.text : station_of(r->id, r->stands[LM_GROUP_ORIGIN]));
    said = value_of(p, r, "state");
    (void)snprintf(row->state, sizeof row->state, "%.23s",
                   said.known ? said.text : r->type->default_state);
    if (strcmp(r->type->name, "consultation") == 0) {
        (void)snprintf(row->on, sizeof row->on, "%.15s", value_of(p, r, "on").text);
        row->items = value_of(p, r, "item_count").number;
        check_new_fields(p, r, master);
    } else if (strcmp(r->type->name, "person") == 0) {
        struct said id_no = value_of(p, r, "id_no");

        if (id_no.text[0]) {
            (void)snprintf(row->key, sizeof row->key, "id %.50s", id_no.text);
        } else {
            struct said name = value_of(p, r, "name");

            (void)snprintf(row->key, sizeof row->key, "name %.150s, %.15s", name.text,
                           value_of(p, r, "birth_on").text);
        }
    }
    n_rows++;
    return !sim->failure[0];
}

/* ---- doubles ---- */

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->id, ((const struct row *)b)->id);
}

static bool said_apart(const char *a, const char *b)
{
    for (size_t i = 0; i < n_apart; i++) {
        if ((strcmp(apart[i][0], a) == 0 && strcmp(apart[i][1], b) == 0) ||
            (strcmp(apart[i][0], b) == 0 && strcmp(apart[i][1], a) == 0)) {
            return true;
        }
    }
    return false;
}

static bool takes_part(const struct row *r)
{
    return r->key[0] && strcmp(r->state, "merged") != 0 && strcmp(r->state, "cancelled") != 0;
}

/* In the order of ids each file joins the first class of its key in which nobody is said to be
 * another person, or begins one. */
static void find_doubles(void)
{
    qsort(rows, n_rows, sizeof *rows, by_id);
    for (size_t i = 0; i < n_rows; i++) {
        struct row *r = &rows[i];

        (void)snprintf(r->one, sizeof r->one, "%s", r->id);
        for (size_t j = 0; takes_part(r) && j < i; j++) {
            bool free_of = takes_part(&rows[j]) && strcmp(rows[j].key, r->key) == 0 &&
                           strcmp(rows[j].one, rows[j].id) == 0; /* it began a class */

            for (size_t k = j; free_of && k < i; k++) {
                free_of = strcmp(rows[k].one, rows[j].id) != 0 || !said_apart(rows[k].id, r->id);
            }
            if (free_of) {
                (void)snprintf(r->one, sizeof r->one, "%s", rows[j].id);
                break;
            }
        }
    }
}

/* ---- figures ---- */

struct figure {
    const char *id, *type;
    const char *const *states; /* those that count, up to NULL */
    bool persons;
};
static const char *const event_states[] = {"submitted", "verified", "locked", NULL};
static const char *const active_states[] = {"active", "transferring", NULL};
static const char *const known_states[] = {"submitted", "returned", "active", "transferring", NULL};
static const struct figure figures[] = {{"I19v", "consultation", event_states, false},
                                        {"I09", "person", active_states, true},
                                        {"I10d", "person", known_states, true}};

static bool counts_in(const struct figure *f, const struct row *r, const char *village,
                      const char *from, const char *to)
{
    bool in = false;

    for (size_t i = 0; f->states[i]; i++) {
        in = in || strcmp(r->state, f->states[i]) == 0;
    }
    return in && !r->invalid && strcmp(r->type->name, f->type) == 0 &&
           (!village || strcmp(village, r->village) == 0) &&
           (f->persons || ((!from || strcmp(r->on, from) >= 0) && (!to || strcmp(r->on, to) <= 0)));
}

static int64_t figure_of(const struct figure *f, const char *village, const char *from,
                         const char *to)
{
    int64_t sum = 0;

    for (size_t i = 0; i < n_rows; i++) {
        bool before = false;

        if (!counts_in(f, &rows[i], village, from, to)) {
            continue;
        }
        for (size_t j = 0; f->persons && j < i && !before; j++) {
            before =
                counts_in(f, &rows[j], village, from, to) && strcmp(rows[j].one, rows[i].one) == 0;
        }
        sum += before ? 0 : f->persons ? 1 : rows[i].items;
    }
    return sum;
}

static void compare(const struct figure *f, const char *what, const char *village, int64_t want,
                    const json_t *value)
{
    if (json_integer_value(value) != want) {
        sim_fail("P10 counts", "%s %s%s is %" PRId64 ", by the model %" PRId64, f->id, what,
                 village ? village : "", (int64_t)json_integer_value(value), want);
    }
}

static void compare_villages(const struct figure *f, const json_t *groups)
{
    const json_t *group;
    size_t i;
    int64_t sum = 0;

    json_array_foreach(groups, i, group)
    {
        const char *key = json_string_value(json_object_get(group, "key"));

        sum += json_integer_value(json_object_get(group, "value"));
        compare(f, "of ", key, figure_of(f, key, NULL, NULL), json_object_get(group, "value"));
    }
    for (int s = 0; s < sim->plan.stations; s++) { /* groups of 0 may be left out; no others */
        int64_t want = figure_of(f, sim_station_code(s), NULL, NULL);

        sum -= want;
    }
    if (sum != 0) {
        sim_fail("P10 counts", "the villages' %s differ from the model's by %" PRId64, f->id, sum);
    }
}

static void check_query(const struct lm_count_query *query, const char *what)
{
    struct lm_error err = {0};
    json_t *doc = NULL;

    if (sim->failure[0]) {
        return;
    }
    if (lm_counts(sim->hub.store, query, &doc, &err) != LM_OK) {
        sim_fail("P10 counts", "%s: the hub does not count: %s", what, err.en);
        return;
    }
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        const struct figure *f = &figures[i];
        const json_t *one = json_object_get(json_object_get(doc, "indicators"), f->id);

        if (one) {
            compare(f, what, query->station, figure_of(f, query->station, query->from, query->to),
                    json_object_get(one, "value"));
        }
        if (one && query->by) {
            compare_villages(f, json_object_get(one, "groups"));
        }
    }
    json_decref(doc);
}

void sim_check_figures(void)
{
    static const char *ids[] = {"I19v", "I09", "I10d"};
    struct putting p;
    struct lm_count_query query = {
        .indicators = ids, .n_indicators = 3, .now_ms = sim->now_ms, .by = "village"};
    size_t doubles = 0;

    n_rows = 0;
    lm_arena_init(&p.arena, 16 * 1024 * 1024);
    journal_model_records(sim->model, put_row, &p);
    lm_arena_free(&p.arena);
    find_doubles();
    for (size_t i = 0; i < n_rows; i++) {
        doubles += strcmp(rows[i].one, rows[i].id) != 0;
    }
    check_query(&query, "by village ");
    query.by = NULL;
    query.n_indicators = 1;
    query.from = "2026-03-01";
    query.to = "2026-06-30";
    check_query(&query, "of the second quarter ");
    query = (struct lm_count_query){.indicators = ids,
                                    .n_indicators = 3,
                                    .now_ms = sim->now_ms,
                                    .station = sim_station_code(0)};
    check_query(&query, "of one village ");
    sim_note("%zu rows counted by the model, %zu doubles", n_rows, doubles);
}

/* ---- completeness ---- */

static bool has(const json_t *list, const char *code)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
    {
        if (strcmp(json_string_value(item), code) == 0) {
            return true;
        }
    }
    return false;
}

void sim_check_completeness(void)
{
    struct lm_error err = {0};
    json_t *doc = NULL, *villages = NULL;
    const json_t *never, *gaps, *stale;
    const char *text;
    int64_t through_ms = 0;

    sim_check_hub(); /* the model may be behind: the hub's process ended after a COMMIT */
    if (sim->failure[0]) {
        return;
    }
    if (lm_coverage_villages(sim->hub.store, NULL, sim->now_ms, &doc, &villages, &err) != LM_OK) {
        sim_fail("P10 coverage", "the hub does not say what is complete: %s", err.en);
        return;
    }
    text = json_string_value(json_object_get(doc, "complete_through"));
    never = json_object_get(doc, "never");
    gaps = json_object_get(doc, "possible_gap");
    stale = json_object_get(doc, "stale");
    if (json_integer_value(json_object_get(doc, "complete")) + (json_int_t)json_array_size(stale) +
            (json_int_t)json_array_size(never) !=
        json_integer_value(json_object_get(doc, "stations"))) {
        sim_fail("P10 coverage", "complete, stale and never are not all stations");
    }
    if (text && !lm_time_parse(text, strlen(text), &through_ms)) {
        sim_fail("P10 coverage", "\"complete_through\" is no time: %s", text);
    }
    for (size_t i = 0; text && i < sim->n_saves && !sim->failure[0]; i++) {
        const struct sim_save *s = &sim->saves[i];
        const char *code = sim_station_code(sim->nodes[s->node].station);
        struct lm_replica row;

        if (s->excused || sim->nodes[s->node].copied ||
            (sim->nodes[s->node].by_stick && sim->plan.faults & 1u << F_CLOCK) ||
            s->at_ms >= through_ms || has(never, code) || has(gaps, code) || has(stale, code) ||
            journal_model_verdict(sim->model, NULL, s->replica, s->hlc) != 0 ||
            journal_model_verdict(sim->model, NULL, sim_other_name(s), s->hlc) != 0) {
            continue;
        }
        if (lm_store_replica_get(sim->hub.store, s->replica, &row) != LM_OK) {
            continue; /* enrolled after the backup that was restored, and not heard of since */
        }
        sim_fail("P10 coverage",
                 "save %zu of pc %d is %" PRId64
                 " ms older than the time through which the town is complete, and not there",
                 i, s->node, through_ms - s->at_ms);
    }
    json_decref(doc);
    json_decref(villages);
}
