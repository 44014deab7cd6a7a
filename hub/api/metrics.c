/* What /metrics says of the data, beside the process's own figures (hub/server_http.c): how far
 * behind each village is, how many are, what waits, how old the newest backup is. Read from this
 * thread's store, as the page reads it.
 *
 * No names and no persons: whoever reaches the server may read it. Bounded: three figures for each
 * of the first LM_METRIC_STATIONS_MAX villages; how many more there are is told. */
#include "common/base/util.h"
#include "hub/api/api.h"
#include "hub/counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LM_METRIC_STATIONS_MAX 64

struct village {
    char code[16];
    bool in_use;         /* a PC of it that is not revoked is enrolled */
    int64_t complete_ms; /* of the least complete PC; 0: never */
    int64_t contact_ms;  /* of the last one heard of; 0: never */
    uint64_t pending;
};
struct board {
    struct village villages[LM_METRIC_STATIONS_MAX];
    size_t n, left_out;
    uint64_t pending; /* of all PCs in use */
};

static bool add_station(void *arg, const struct lm_station *s)
{
    struct board *b = arg;

    if (strcmp(s->level, "village") != 0) {
        return true;
    }
    if (b->n == LM_METRIC_STATIONS_MAX) {
        b->left_out++;
        return true;
    }
    b->villages[b->n] = (struct village){.in_use = false};
    (void)snprintf(b->villages[b->n].code, sizeof b->villages[b->n].code, "%s", s->code);
    b->n++;
    return true;
}

static bool add_replica(void *arg, const struct lm_replica *r)
{
    struct board *b = arg;
    uint64_t pending = r->head.seq > r->acked.seq ? r->head.seq - r->acked.seq : 0;

    if (r->revoked_ms != 0) {
        return true;
    }
    b->pending += pending;
    for (size_t i = 0; i < b->n; i++) {
        struct village *v = &b->villages[i];

        if (strcmp(v->code, r->station) == 0) {
            v->complete_ms =
                !v->in_use || r->complete_ms < v->complete_ms ? r->complete_ms : v->complete_ms;
            v->contact_ms = r->last_contact_ms > v->contact_ms ? r->last_contact_ms : v->contact_ms;
            v->pending += pending;
            v->in_use = true;
        }
    }
    return true;
}

/* Seconds; a time to come, told under a clock that was set back since, is now. */
static double age_s(int64_t now_ms, int64_t at_ms)
{
    return at_ms < now_ms ? (double)((now_ms - at_ms) / 1000) : 0;
}

enum which { COMPLETE, CONTACT, PENDING };

/* A family stays together: all villages of one figure, then the next. What never was has no age. */
static void put_villages(struct lm_buf *out, const struct board *b, enum which which,
                         int64_t now_ms)
{
    static const char *const names[] = {"complete_age_seconds", "contact_age_seconds", "pending"};
    static const char *const help[] = {
        "Since the time through which this village's data are complete, by its PCs in use",
        "Since a PC of this village was heard of",
        "Changes that this village's PCs named and the hub has not"};

    for (size_t i = 0; i < b->n; i++) {
        const struct village *v = &b->villages[i];
        int64_t at_ms = which == COMPLETE ? v->complete_ms : v->contact_ms;
        char name[96];

        if (!v->in_use || (which != PENDING && at_ms <= 0)) {
            continue;
        }
        (void)snprintf(name, sizeof name, "lastmile_hub_station_%s{station=\"%s\"}", names[which],
                       v->code);
        lm_metric(out, name, "gauge", help[which],
                  which == PENDING ? (double)v->pending : age_s(now_ms, at_ms));
    }
}

static void put_states(struct lm_buf *out, const json_t *coverage)
{
    static const char help[] = "Villages: fresh = complete through a week ago (a setting), stale = "
                               "not, never = not heard of yet";
    size_t stale = json_array_size(json_object_get(coverage, "stale")),
           never = json_array_size(json_object_get(coverage, "never"));

    lm_metric(out, "lastmile_hub_stations{state=\"fresh\"}", "gauge", help,
              (double)json_integer_value(json_object_get(coverage, "complete")));
    lm_metric(out, "lastmile_hub_stations{state=\"stale\"}", "gauge", help, (double)stale);
    lm_metric(out, "lastmile_hub_stations{state=\"never\"}", "gauge", help, (double)never);
}

static enum lm_status read_all(struct lm_store *store, struct board *board, json_t **coverage,
                               int64_t *backup_ms, int64_t now_ms, struct lm_error *err)
{
    enum lm_status st = lm_store_stations(store, add_station, board, err);

    if (st == LM_OK) {
        st = lm_store_replicas(store, NULL, add_replica, board, err);
    }
    if (st == LM_OK) {
        st = lm_coverage(store, NULL, now_ms, coverage, err);
    }
    if (st == LM_OK) {
        st = lm_store_backup_ms(store, backup_ms, err);
    }
    return st;
}

void lm_town_metrics(struct lm_api *api, struct lm_buf *out)
{
    struct board *board = calloc(1, sizeof *board);
    json_t *coverage = NULL;
    int64_t backup_ms = 0, now_ms = lm_clock_wall_ms();
    struct lm_error ignored = {0};
    enum lm_status st = board ? api->door.before(api, &ignored) : LM_ERR_MEMORY;

    if (st == LM_OK) {
        st = read_all(api->store, board, &coverage, &backup_ms, now_ms, &ignored);
    }
    lm_metric(out, "lastmile_hub_store_readable", "gauge",
              "1 when the figures of the data could be read", st == LM_OK);
    lm_metric(out, "lastmile_hub_page_sessions", "gauge", "Logins to the page that have not ended",
              (double)lm_sessions_open(&api->sessions, lm_clock_mono_ms()));
    if (st == LM_OK) {
        put_states(out, coverage);
        lm_metric(out, "lastmile_hub_pending", "gauge",
                  "Changes that PCs named and the hub has not", (double)board->pending);
        if (backup_ms > 0) {
            lm_metric(out, "lastmile_hub_backup_age_seconds", "gauge",
                      "Since the newest verified backup", age_s(now_ms, backup_ms));
        }
        put_villages(out, board, COMPLETE, now_ms);
        put_villages(out, board, CONTACT, now_ms);
        put_villages(out, board, PENDING, now_ms);
        lm_metric(out, "lastmile_hub_stations_left_out", "gauge",
                  "Villages that have no figures of their own here", (double)board->left_out);
    }
    json_decref(coverage);
    free(board);
}
