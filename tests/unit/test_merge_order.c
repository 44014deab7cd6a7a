/* Convergence (P5, P6): the same changes with the same receipt times, in any order that keeps each
 * replica's own, end in the same values, stamps and ranks. Seeded: a failure names its seed. */
#include "merge_world.h"

#define SEEDS 250
#define REPLICAS 3
#define STEPS 12 /* changes of each replica */

static struct lm_catalog *catalog;

static int load(void **state)
{
    struct lm_error err;

    (void)state;
    return lm_catalog_load_embedded(&catalog, &err) == LM_OK ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    lm_catalog_destroy(&catalog);
    return 0;
}

struct planned {
    struct lm_change change;
    struct lm_merge_author author;
    int64_t received_ms;
};
struct plan {
    struct planned items[REPLICAS][STEPS + 1];
    size_t n[REPLICAS];
};

static const char *const NAMES[] = {"phone", "residence_text", "name", "household_no"};

/* Random edits, most of them of few fields and few values, so that equal and concurrent ones both
 * come up often. */
static void random_fields(struct lm_rand *rnd, char *out, size_t size)
{
    size_t a = lm_rand_below(rnd, 4), b = lm_rand_below(rnd, 4);
    const char *values[] = {"13900000000", "某村1号", "测试甲", "H"};
    unsigned x = (unsigned)lm_rand_below(rnd, 3), y = (unsigned)lm_rand_below(rnd, 3);
    const char *tail[] = {"", "1", "2"};
    const char *han[] = {"", "乙", "丙"};

    /* A telephone keeps 11 digits: its values differ in the last one. */
#define VALUE(i, n)                                                                                \
    (i) == 0 ? "1390000000" : values[i], (i) == 0   ? ((n) == 0 ? "0" : tail[n])                   \
                                         : (i) == 2 ? han[n]                                       \
                                                    : tail[n]
    if (a == b || lm_rand_below(rnd, 3) == 0) {
        (void)snprintf(out, size, "{\"%s\":\"%s%s\"}", NAMES[a], VALUE(a, x));
    } else {
        (void)snprintf(out, size, "{\"%s\":\"%s%s\",\"%s\":\"%s%s\"}", NAMES[a], VALUE(a, x),
                       NAMES[b], VALUE(b, y));
    }
#undef VALUE
}

/* Three PCs of one station work offline on one person: each builds on its own changes, now and then
 * on what another had made up to then, and their clocks differ by hours. */
static void make_plan(struct world *w, struct lm_rand *rnd, const struct lm_record *start,
                      struct plan *plan)
{
    static const struct lm_merge_author who[REPLICAS] = {{11, LM_BY_VILLAGE, "999999101201"},
                                                         {12, LM_BY_VILLAGE, "999999101201"},
                                                         {13, LM_BY_VILLAGE, "999999101201"}};
    int64_t skew[REPLICAS], received[REPLICAS];
    uint64_t last[REPLICAS] = {0};
    const struct lm_record *view[REPLICAS];

    memset(plan, 0, sizeof(*plan));
    for (int r = 0; r < REPLICAS; r++) {
        skew[r] = ((int64_t)lm_rand_below(rnd, 600) - 300) * MINUTE;
        received[r] = w->last_ms + 600 * MINUTE;
        view[r] = start;
    }
    for (int i = 0; i < STEPS * REPLICAS; i++) {
        size_t r = lm_rand_below(rnd, REPLICAS);
        struct planned *item = &plan->items[r][plan->n[r]];
        struct lm_fieldset set;
        char fields[300];
        uint64_t highest;

        if (plan->n[r] >= STEPS) {
            continue;
        }
        if (lm_rand_below(rnd, 4) ==
            0) { /* looks at another PC's screen: the groups of that one that are newer */
            const struct lm_record *other = view[lm_rand_below(rnd, REPLICAS)];
            struct lm_record *mixed = lm_record_copy(&w->arena, view[r]);
            for (size_t f = LM_C_COUNT; f < other->type->n_fields; f++) {
                int g = other->type->fields[f].group;
                if (lm_version_compare(other->stamps[g].version, view[r]->stamps[g].version) > 0) {
                    mixed->fields[f] = other->fields[f];
                    mixed->stamps[g] = other->stamps[g];
                }
            }
            view[r] = mixed;
        }
        random_fields(rnd, fields, sizeof(fields));
        item->author = who[r];
        item->change.type = "person";
        item->change.op = LM_OP_EDIT;
        item->change.user = "secretary";
        item->change.catalog = w->catalog->number;
        (void)snprintf(item->change.id, sizeof(item->change.id), "%s", start->id);
        item->change.fields = world_fields(w, fields);
        world_set(w, &item->change, &set);
        assert_int_equal(
            lm_change_see(start->type, view[r], &set, &item->change, &w->arena, &highest), LM_OK);
        item->change.hlc = last[r] =
            lm_hlc_next(last[r], highest, w->last_ms + skew[r] + i * 10 * MINUTE);
        received[r] += (int64_t)lm_rand_below(rnd, 90) * MINUTE; /* often the same: one batch */
        item->received_ms = received[r];
        view[r] = world_local(w, &item->change, who[r], view[r]);
        plan->n[r]++;
    }
}

static void start_world(struct world *w)
{
    struct lm_merge_out out;

    world_init(w, catalog);
    out = SEND(w, .by = &A, .op = LM_OP_CREATE, .type = "person", .id = id_of(1),
               .fields = PERSON_FIELDS);
    assert_int_equal(out.verdict, LM_V_APPLIED);
}

static void deliver(struct world *w, const struct planned *item, struct lm_merge_out *out)
{
    struct send s = {.by = &item->author, .received_ms = item->received_ms};

    *out = world_merge(w, &item->change, &s);
}

/* Delivers the plan in a random order; a held change is driven again whenever another one has come.
 */
static size_t play(struct world *w, const struct plan *plan, struct lm_rand *rnd)
{
    const struct planned *held[REPLICAS * STEPS];
    size_t at[REPLICAS] = {0}, n_held = 0, concurrent = 0, left = 0;

    for (int r = 0; r < REPLICAS; r++) {
        left += plan->n[r];
    }
    while (left > 0) {
        size_t r = lm_rand_below(rnd, REPLICAS);
        const struct planned *item = &plan->items[r][at[r]];
        struct lm_merge_out out;

        if (at[r] >= plan->n[r]) {
            continue;
        }
        at[r]++;
        left--;
        deliver(w, item, &out);
        if (out.verdict == LM_V_HELD) {
            assert_string_equal(out.reason.code, "base");
            held[n_held++] = item; /* not in the journal yet: what it is a base of waits for it */
        } else {
            assert_true(out.verdict == LM_V_APPLIED || out.verdict == LM_V_CONCURRENT);
            concurrent += out.verdict == LM_V_CONCURRENT;
            world_keep(w, &item->change, item->author, &out);
        }
        for (size_t i = 0; i < n_held && out.verdict != LM_V_HELD;) {
            struct lm_merge_out again;
            deliver(w, held[i], &again);
            if (again.verdict == LM_V_HELD) {
                i++;
                continue;
            }
            concurrent += again.verdict == LM_V_CONCURRENT;
            world_keep(w, &held[i]->change, held[i]->author, &again);
            memmove(&held[i], &held[i + 1], (--n_held - i) * sizeof(held[0]));
            i = 0; /* others may have waited for this one */
        }
    }
    assert_int_equal(n_held, 0);
    return concurrent;
}

static void any_order_ends_in_the_same_record(void **state)
{
    size_t concurrent = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world base;
        struct plan plan;
        struct lm_rand rnd;
        struct lm_record *first = NULL;

        lm_rand_seed(&rnd, seed);
        start_world(&base);
        make_plan(&base, &rnd, base.records[0], &plan);
        for (int order = 0; order < 3; order++) {
            struct world w = base;
            const struct lm_record *rec;

            concurrent += play(&w, &plan, &rnd);
            base.arena = w.arena; /* all memory is the first world's, and ends with it */
            rec = w.records[0];
            if (first == NULL) {
                first = w.records[0];
                continue;
            }
            if (lm_record_digest(rec) != lm_record_digest(first)) {
                print_error("seed %" PRIu64 " order %d\n", seed, order);
            }
            assert_true(lm_record_digest(rec) == lm_record_digest(first));
            for (size_t g = 0; g < rec->type->n_groups; g++) {
                assert_true(rec->stamps[g].rank == first->stamps[g].rank);
            }
        }
        world_free(&base);
    }
    assert_true(concurrent > SEEDS); /* the plans do collide */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_order_ends_in_the_same_record)};

    return cmocka_run_group_tests(tests, load, unload);
}
