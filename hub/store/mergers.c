/* Villages merged (撤并): village A is abolished into village B on a day.
 *
 * What says so is A's area_unit row (valid_to, end_kind merged, successor_code); all else follows
 * from it, each consequence a change of the hub like any other: A's station row closes, its open
 * posts end, and what lives on becomes B's, with its history: the files of persons (as a transfer
 * takes them along, residency.c), plaques, facilities, and what is not settled yet. What has taken
 * place (visits, paid aid, receptions …) stays A's, so that figures of periods past do not move;
 * service items too, which count from the day on which they were begun: one moved would be counted
 * beside A's opening balance that holds it.
 *
 * A's PCs stay enrolled until a person revokes them: what they had not sent may come weeks later.
 * Whatever is stored for a merged village (pushed, brought by a stick, salvaged, released, entered
 * on behalf) is noted as a stray and moved before the COMMIT that holds it: there is no state in
 * between, and nothing to resume.
 *
 * Here: which villages are merged, and what comes late. merger_moves.c moves the rows,
 * merger_act.c is the act and its preview. */
#include "hub/store/merger_internal.h"

#include <stdio.h>
#include <string.h>

enum {
    HOPS_MAX = 16,  /* A into B into C … */
    ROUNDS_MAX = 4, /* strays that make strays */
};

/* ---- which villages are merged ---- */

struct reading {
    struct lm_merger *out;
    size_t max, n;
};

static bool in_force(const struct lm_record *rec)
{
    const char *state = lm_record_text(rec, LM_C_STATE);

    return !rec->invalid && strcmp(state, "draft") != 0 && strcmp(state, "returned") != 0;
}

static bool take_unit(void *arg, const struct lm_record *rec)
{
    struct reading *r = arg;

    if (r->n < r->max && in_force(rec) && strcmp(lm_text_of(rec, "level"), "village") == 0 &&
        lm_text_of(rec, "valid_to")[0]) {
        struct lm_merger *m = &r->out[r->n++];

        (void)snprintf(m->code, sizeof m->code, "%.12s", lm_text_of(rec, "code"));
        (void)snprintf(m->into, sizeof m->into, "%.12s", lm_text_of(rec, "successor_code"));
        (void)snprintf(m->on, sizeof m->on, "%.10s", lm_text_of(rec, "valid_to"));
        m->entered_ms =
            lm_hlc_ms(rec->stamps[lm_type_field(rec->type, "end_kind")->group].version.hlc);
    }
    return r->n < r->max;
}

enum lm_status lm_store_mergers(struct lm_store *store, struct lm_merger *out, size_t max,
                                size_t *n_out, struct lm_error *err)
{
    struct reading r = {.out = out, .max = max};
    const struct lm_where merged = {.field = "end_kind", .value = "merged"};
    const struct lm_type *type = lm_catalog_type(store->catalog, "area_unit");
    enum lm_status status = type ? lm_tables_list(store->tables, NULL, type, NULL, &merged, 1,
                                                  false, take_unit, &r, err)
                                 : LM_OK;

    *n_out = r.n;
    return status;
}

const struct lm_merger *lm_merger_find(const struct lm_merger *all, size_t n, const char *code)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].code, code) == 0) {
            return &all[i];
        }
    }
    return NULL;
}

/* The writer's own list: read again after an area_unit was stored. */
static enum lm_status known(struct lm_store *store, struct lm_error *err)
{
    enum lm_status status = LM_OK;

    if (!store->mergers_known) {
        status = lm_store_mergers(store, store->mergers, LM_MERGERS_MAX, &store->n_mergers, err);
        store->mergers_known = status == LM_OK;
    }
    return status;
}

enum lm_status lm_merger_now(struct lm_store *store, const char *code, char out[16],
                             struct lm_error *err)
{
    enum lm_status status = known(store, err);
    const struct lm_merger *m;

    (void)snprintf(out, 16, "%.12s", code);
    for (int i = 0; status == LM_OK && i < HOPS_MAX; i++) {
        m = lm_merger_find(store->mergers, store->n_mergers, out);
        if (!m) {
            break;
        }
        (void)snprintf(out, 16, "%.12s", m->into);
    }
    return status;
}

/* ---- strays ---- */

void lm_mergers_forget(struct lm_store *store)
{
    store->mergers_known = false;
    store->n_strays = 0;
}

static void add_stray(struct lm_store *store, const char *code, int64_t now_ms)
{
    store->stray_ms = now_ms > store->stray_ms ? now_ms : store->stray_ms;
    for (size_t i = 0; i < store->n_strays; i++) {
        if (strcmp(store->strays[i], code) == 0) {
            return;
        }
    }
    if (store->n_strays < LM_MERGERS_MAX) {
        (void)snprintf(store->strays[store->n_strays++], sizeof store->strays[0], "%.12s", code);
    }
}

enum lm_status lm_mergers_note(struct lm_store *store, const struct lm_record *rec, int64_t now_ms,
                               struct lm_error *err)
{
    const char *village = lm_record_text(rec, LM_C_VILLAGE_CODE);
    enum lm_status status;

    if (store->replaying) {
        return LM_OK; /* a replay finds the moves in the journal */
    }
    if (strcmp(rec->type->name, "area_unit") == 0) {
        store->mergers_known = false;
        if (!lm_record_deleted(rec) && strcmp(lm_text_of(rec, "end_kind"), "merged") == 0) {
            add_stray(store, lm_text_of(rec, "code"), now_ms);
        }
        return LM_OK;
    }
    status = lm_record_deleted(rec) ? LM_OK : known(store, err);
    if (status == LM_OK && store->n_mergers > 0 && !lm_record_deleted(rec) &&
        lm_moves_on(rec->type->name) && lm_merger_find(store->mergers, store->n_mergers, village)) {
        add_stray(store, village, now_ms);
    }
    return status;
}

/* ---- settling ---- */

bool lm_is_village(struct lm_store *store, const char *code, struct lm_station *out)
{
    return lm_store_station_get(store, code, out) == LM_OK && strcmp(out->level, "village") == 0;
}

static enum lm_status settle_one(struct lm_store *store, const char *code, struct lm_error *err)
{
    struct lm_moving m = {.store = store, .user = "", .now_ms = store->stray_ms, .err = err};
    const struct lm_merger *merger;
    struct lm_station there;
    char today[16];
    enum lm_status status = known(store, err);

    merger = status == LM_OK ? lm_merger_find(store->mergers, store->n_mergers, code) : NULL;
    lm_date_format(lm_day_utc8(store->stray_ms), today);
    if (!merger || strcmp(merger->on, today) > 0) {
        return status; /* taken back, or still to come */
    }
    (void)snprintf(m.code, sizeof m.code, "%s", code);
    (void)snprintf(m.on, sizeof m.on, "%s", merger->on);
    status = lm_merger_now(store, code, m.into, err);
    if (status != LM_OK || !lm_is_village(store, m.into, &there) || strcmp(m.into, code) == 0) {
        return status;
    }
    status = lm_moving_begin(&m);
    if (status == LM_OK) {
        status = lm_move_all(&m);
    }
    lm_moving_free(&m);
    return status;
}

enum lm_status lm_mergers_settle(struct lm_store *store, struct lm_error *err)
{
    enum lm_status status = LM_OK;

    for (int round = 0; status == LM_OK && store->n_strays > 0 && round < ROUNDS_MAX; round++) {
        size_t n = store->n_strays;

        for (size_t i = 0; status == LM_OK && i < n; i++) {
            char code[16];

            (void)snprintf(code, sizeof code, "%s", store->strays[i]);
            status = settle_one(store, code, err);
        }
        memmove(store->strays, store->strays + n, (store->n_strays - n) * sizeof store->strays[0]);
        store->n_strays -= n;
    }
    store->n_strays = 0;
    store->stray_ms = 0;
    return lm_is_fatal(status) ? status : LM_OK;
}
