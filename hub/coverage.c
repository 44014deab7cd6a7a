/* Coverage: which stations' data is complete, and through what time (P10).
 *
 * A replica is complete through the last moment at which it named a head that the hub has acked
 * since. A station is as complete as its least complete replica. It is not complete, whatever its
 * time, while a change of it is held, or a replica's branch or lease is in doubt; nor while
 * something of it is known to be missing here: what was salvaged of a revoked PC and waits for a
 * person, and what one of its PCs gave back, after this database went back, of the town's or of
 * another PC, until that one has sent it itself (it may be scrap) or a person decides. Revoked
 * replicas no longer hold a station back; what they may have kept is a possible gap, shown until a
 * person closes it.
 *
 * A village that was merged (撤并) is waited for through its last day, or the day on which that was
 * entered when it is later: once its PCs have handed in all that they named then, or are revoked
 * without a gap, it is none of the villages counted. A period that ends before counts it like any
 * other. */
#include "hub/counts.h"
#include "hub/store/counts_internal.h"

#include "common/base/util.h"

#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000LL
#define UTC8_MS 28800000LL

struct station_state {
    struct lm_store *store;
    bool any, contacted, in_doubt, gap;
    bool by_clock;       /* the least complete one's time is by its own clock */
    int64_t complete_ms; /* least of the replicas that are in use; INT64_MAX when there is none */
    int64_t revoked_ms_best; /* most complete of the revoked ones */
    bool revoked_by_clock;   /* that one's time is by its own clock */
    int64_t now_ms, silent_ms;
};

static bool take_replica(void *arg, const struct lm_replica *r)
{
    struct station_state *s = arg;
    bool behind = r->head.seq > r->acked.seq;
    bool silent = s->now_ms - r->last_contact_ms > s->silent_ms;
    s->any = true;
    /* A time still to come was told under a clock that was set back since: it says nothing. */
    int64_t complete_ms = r->complete_ms <= s->now_ms ? r->complete_ms : 0;
    s->contacted = s->contacted || r->complete_ms > 0 || r->as_of_ms > 0;
    /* At a revocation the store notes the gap, and a person may close it; one that is only silent
     * may still speak. */
    s->gap =
        s->gap || r->possible_gap || (r->revoked_ms == 0 && behind && silent && !r->gap_settled);
    if (r->revoked_ms != 0) {
        if (complete_ms > s->revoked_ms_best) {
            s->revoked_ms_best = complete_ms;
            s->revoked_by_clock = lm_store_by_station_clock(s->store, r);
        }
        return true;
    }
    s->in_doubt = s->in_doubt || lm_replica_in_doubt(r);
    if (complete_ms < s->complete_ms) {
        s->complete_ms = complete_ms;
        s->by_clock = lm_store_by_station_clock(s->store, r);
    }
    return true;
}

struct coverage_run {
    struct lm_store *store;
    struct lm_error *err;
    enum lm_status status;
    int64_t now_ms, needed_ms, fresh_ms, stale_ms; /* stale_ms: how long one may be silent */
    json_t *held_stations, *stale, *never, *gaps, *by_clock, *villages;
    const struct lm_merger *mergers;
    size_t n_mergers;
    bool of_period;                             /* asked for a day, not for now */
    int64_t n_villages, n_complete, through_ms; /* through_ms 0: nobody yet */
    bool town_complete;
    int64_t town_through_ms;
};

static bool take_held(void *arg, const json_t *row)
{
    const char *station = json_string_value(json_object_get(row, "station"));
    if (station) {
        json_object_set_new(arg, station, json_true());
    }
    return true;
}

static void take_missed(void *arg, const char *station)
{
    json_object_set_new(arg, station, json_true());
}

static void take_town(struct coverage_run *run, const struct station_state *s, bool held)
{
    /* What town staff enter at the hub is there at once; a PC of the town station counts like a
     * village's. */
    bool none = s->complete_ms == INT64_MAX;
    run->town_through_ms = none ? run->now_ms : s->complete_ms;
    run->town_complete = !held && !s->in_doubt && run->town_through_ms >= run->needed_ms;
}

/* *needed_ms: through when a merged village's data have to be there. True: nothing of it is awaited
 * any more. */
static bool is_over(const struct coverage_run *run, const struct lm_station *station,
                    const struct station_state *s, bool held, int64_t *needed_ms)
{
    const struct lm_merger *m = lm_merger_find(run->mergers, run->n_mergers, station->code);
    int64_t day, end_ms;
    bool in_use = s->complete_ms != INT64_MAX;

    if (!m || !lm_date_parse(m->on, strlen(m->on), &day)) {
        return false;
    }
    end_ms = (day + 1) * DAY_MS - 8 * 3600000LL;
    /* What its PCs had saved by then is known once they were heard of after it was entered. */
    end_ms = m->entered_ms > end_ms ? m->entered_ms : end_ms;
    if (end_ms >= (run->of_period ? run->needed_ms : run->now_ms)) {
        return false; /* it was a village then */
    }
    *needed_ms = end_ms;
    return !held && !s->in_doubt && !s->gap && (!in_use || s->complete_ms >= end_ms);
}

static bool take_station(void *arg, const struct lm_station *station)
{
    struct coverage_run *run = arg;
    struct station_state s = {.store = run->store,
                              .complete_ms = INT64_MAX,
                              .now_ms = run->now_ms,
                              .silent_ms = run->stale_ms};
    run->status = lm_store_replicas(run->store, station->code, take_replica, &s, run->err);
    if (run->status != LM_OK) {
        return false;
    }
    bool held = json_object_get(run->held_stations, station->code) != NULL;
    if (strcmp(station->level, "village") != 0) {
        take_town(run, &s, held);
        return true;
    }
    bool revoked = s.complete_ms == INT64_MAX;
    int64_t through = revoked ? s.revoked_ms_best : s.complete_ms;
    bool sound = through > 0 && !held && !s.in_doubt;
    int64_t needed_ms = run->needed_ms;
    if (is_over(run, station, &s, held, &needed_ms)) {
        return true;
    }
    run->n_villages++;
    if (revoked ? s.revoked_by_clock : s.by_clock) {
        json_array_append_new(run->by_clock, json_string(station->code));
    }
    if (s.gap) {
        json_array_append_new(run->gaps, json_string(station->code));
    }
    json_object_set_new(run->villages, station->code,
                        json_boolean(sound && through >= run->fresh_ms));
    if (!s.any || !s.contacted) {
        json_array_append_new(run->never, json_string(station->code));
        return true;
    }
    if (through > 0 && (run->through_ms == 0 || through < run->through_ms)) {
        run->through_ms = through;
    }
    if (sound && through >= needed_ms) {
        run->n_complete++;
    } else {
        json_array_append_new(run->stale, json_string(station->code));
    }
    return true;
}

static json_t *time_json(int64_t ms)
{
    char text[40];
    if (ms <= 0) {
        return json_null();
    }
    lm_time_format(ms, text);
    return json_string(text);
}

void lm_coverage_time(const char *through, char out[40])
{
    int64_t ms;

    out[0] = '\0';
    if (through && lm_time_parse(through, strlen(through), &ms)) {
        lm_time_format(ms + UTC8_MS, out);
        out[10] = ' ';
        out[16] = '\0';
    }
}

/* The indicator of freshness says its days in its name: no setting changes them. */
static int64_t fresh_days(const struct lm_catalog *catalog)
{
    for (size_t i = 0; i < catalog->n_indicators; i++) {
        if (catalog->indicators[i].measure == LM_M_STATIONS_WITHIN) {
            return catalog->indicators[i].arg_number;
        }
    }
    return 7;
}

enum lm_status lm_coverage_villages(struct lm_store *store, const char *to, int64_t now_ms,
                                    json_t **out, json_t **villages_out, struct lm_error *err)
{
    struct coverage_run run = {.store = store,
                               .err = err,
                               .now_ms = now_ms,
                               .held_stations = json_object(),
                               .stale = json_array(),
                               .never = json_array(),
                               .gaps = json_array(),
                               .by_clock = json_array(),
                               .villages = json_object(),
                               .town_complete = true,
                               .town_through_ms = now_ms};
    struct lm_store_totals totals;
    struct lm_merger *mergers = calloc(LM_MERGERS_MAX, sizeof *mergers);
    int64_t day, days_ms = lm_count_setting(store, "complete_days", 7) * DAY_MS;
    int64_t fresh_ms = fresh_days(lm_store_catalog(store)) * DAY_MS;
    memset(&totals, 0, sizeof totals);
    run.needed_ms = now_ms - days_ms;
    run.stale_ms = days_ms;
    run.fresh_ms = now_ms - fresh_ms;
    if (to && lm_date_parse(to, strlen(to), &day)) {
        run.of_period = true;
        run.needed_ms = (day + 1) * DAY_MS - 8 * 3600000LL; /* the end of that day in UTC+8 */
        run.fresh_ms = run.needed_ms < now_ms ? run.needed_ms - fresh_ms : run.fresh_ms;
    }
    run.mergers = mergers;
    enum lm_status status =
        mergers ? lm_store_mergers(store, mergers, LM_MERGERS_MAX, &run.n_mergers, err)
                : LM_ERR_MEMORY;
    if (status == LM_OK) {
        status = lm_store_held(store, take_held, run.held_stations, err);
    }
    if (status == LM_OK) {
        status = lm_recovered_missed(store, take_missed, run.held_stations, err);
    }
    if (status == LM_OK) {
        status = lm_salvaged_missed(store, take_missed, run.held_stations, err);
    }
    if (status == LM_OK) {
        status = lm_store_stations(store, take_station, &run, err);
    }
    if (status == LM_OK) {
        status = run.status;
    }
    if (status == LM_OK) {
        status = lm_store_totals(store, &totals);
    }
    if (status == LM_OK) {
        *out =
            json_pack("{s:I,s:I,s:O,s:O,s:O,s:O,s:o,s:I,s:I,s:I,s:{s:i,s:i,s:o}}", "stations",
                      (json_int_t)run.n_villages, "complete", (json_int_t)run.n_complete, "stale",
                      run.stale, "never", run.never, "possible_gap", run.gaps, "by_station_clock",
                      run.by_clock, "complete_through", time_json(run.through_ms), "held",
                      (json_int_t)totals.held, "returned", (json_int_t)totals.returned, "conflicts",
                      (json_int_t)totals.conflicts, "town", "stations", 1, "complete",
                      (int)run.town_complete, "complete_through", time_json(run.town_through_ms));
        *villages_out = json_incref(run.villages);
        status = *out ? LM_OK : LM_ERR_MEMORY;
    }
    free(mergers);
    json_decref(run.held_stations);
    json_decref(run.stale);
    json_decref(run.never);
    json_decref(run.gaps);
    json_decref(run.by_clock);
    json_decref(run.villages);
    return status;
}

enum lm_status lm_coverage(struct lm_store *store, const char *to, int64_t now_ms, json_t **out,
                           struct lm_error *err)
{
    json_t *villages = NULL;
    enum lm_status status = lm_coverage_villages(store, to, now_ms, out, &villages, err);
    json_decref(villages);
    return status;
}
