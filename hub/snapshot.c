/* See snapshot.h. The text's second line ("! …": period and coverage) is the program's: it is
 * written anew whenever the figures are taken. */
#include "hub/snapshot.h"

#include "common/base/util.h"
#include "hub/acts.h"
#include "hub/settings.h"
#include "hub/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES (16 * 1024 * 1024)
#define TEXT_BYTES_MAX 16384

static const char snapshot_type[] = "report_snapshot";

static enum lm_status find(struct lm_store *store, struct lm_arena *arena, const char *id,
                           struct lm_record **out, struct lm_error *err)
{
    enum lm_status st = lm_store_get(store, arena, snapshot_type, id, out);

    return st == LM_ERR_NOT_FOUND ? lm_fail(err, st, "not_found", "id", "没有这一版总结。",
                                            "There is no such version.")
                                  : st;
}

static const char *text_of(const struct lm_record *rec, const char *field)
{
    const struct lm_value *v = lm_record_get(rec, field);

    return v && v->kind == LM_TEXT ? v->text : "";
}

static long long number_of(const struct lm_record *rec, const char *field)
{
    json_t *row = lm_record_to_json(rec);
    long long n = json_integer_value(json_object_get(json_object_get(row, "fields"), field));

    json_decref(row);
    return n;
}

/* 0: since the beginning. */
static int year_of(const struct lm_record *rec)
{
    int64_t at = 0;
    char day[16];
    const char *as_of = text_of(rec, "as_of");

    if (strcmp(text_of(rec, "period_kind"), "year") != 0 ||
        !lm_time_parse(as_of, strlen(as_of), &at)) {
        return 0;
    }
    lm_date_format(lm_day_utc8(at), day);
    return (int)strtol(day, NULL, 10);
}

/* ---- acts ---- */

static enum lm_status act(struct lm_store *store, const char *user, const char *id, json_t *fields,
                          bool by_system, int64_t now_ms, char id_out[40], struct lm_error *err)
{
    const struct lm_act a = {.user = user,
                             .type = id ? NULL : snapshot_type,
                             .id = id,
                             .fields = fields,
                             .op = id ? LM_OP_EDIT : LM_OP_CREATE,
                             .by_system = by_system};
    struct lm_act_result done;
    enum lm_status st;

    memset(&done, 0, sizeof done);
    lm_issues_init(&done.issues);
    st = fields ? lm_store_act(store, &a, now_ms, &done, err) : LM_ERR_MEMORY;
    if (st != LM_OK && lm_issues_first_refusal(&done.issues) && !err->code[0]) {
        *err = *lm_issues_first_refusal(&done.issues);
    }
    if (st == LM_OK && id_out) {
        (void)snprintf(id_out, 40, "%s", done.id);
    }
    json_decref(fields);
    return st;
}

/* ---- figures as they are kept ---- */

/* A decimal as a change carries it: in ten thousandths. */
static json_t *decimal(double value)
{
    return json_integer((json_int_t)(value * 10000.0 + (value < 0 ? -0.5 : 0.5)));
}

/* A share keeps percent, money fen: as the count's document has them. */
static json_t *kept_values(const json_t *counts, int year)
{
    json_t *out = json_array(), *figure;
    const char *id;

    json_object_foreach(json_object_get(counts, "indicators"), id, figure)
    {
        const json_t *value = json_object_get(figure, "value"),
                     *opening = json_object_get(figure, "opening");
        char query[80];
        json_t *row;

        (void)snprintf(query, sizeof query, "counts?indicators=%.8s&p=%d", id, year);
        /* members in the catalogue's order */
        row = json_pack("{s:s}", "indicator", id);
        if (json_is_number(value)) {
            (void)json_object_set_new(row, "value", decimal(json_number_value(value)));
        }
        if (json_is_number(value) && json_is_number(opening)) {
            (void)json_object_set_new(row, "opening", decimal(json_number_value(opening)));
            (void)json_object_set_new(
                row, "live", decimal(json_number_value(value) - json_number_value(opening)));
        }
        (void)json_object_set(row, "display", json_object_get(figure, "display"));
        (void)json_object_set_new(row, "query", json_string(query));
        (void)json_array_append_new(out, row);
    }
    return out;
}

static enum lm_status put_figures(struct lm_store *store, const char *user, const char *id,
                                  const json_t *counts, int year, int version, int64_t now_ms,
                                  struct lm_error *err)
{
    const json_t *complete = json_object_get(json_object_get(counts, "coverage"), "complete");
    json_t *fields =
        json_pack("{s:I,s:o,s:i}", "synced_stations", (json_int_t)json_integer_value(complete),
                  "values", kept_values(counts, year), "version", version);

    return act(store, user, id, fields, true, now_ms, NULL, err);
}

/* The text with its note line of now, the rest as it is. */
static void with_note(const char *text, size_t n, const char *town, const char *period,
                      const char *coverage, struct lm_buf *out)
{
    const char *end = text + n;

    for (const char *line = text; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t len = stop ? (size_t)(stop - line) : (size_t)(end - line);

        if (len > 1 && line[0] == '!') {
            lm_buf_printf(out, "! %s。%s。\n", period, coverage);
        } else if (len > 8 && line[0] == '#' && memcmp(line, "# {town}", 8) == 0) {
            lm_buf_printf(out, "# %s%.*s\n", town, (int)len - 8, line + 8);
        } else {
            lm_buf_add(out, line, len);
            lm_buf_text(out, "\n");
        }
        line += len + 1;
    }
}

/* ---- versions ---- */

struct newest {
    const char *kind;
    int year;
    long long version;
    char text[TEXT_BYTES_MAX];
};

static bool look_at(void *arg, const struct lm_record *rec)
{
    struct newest *n = arg;
    long long version;

    if (lm_record_deleted(rec) || strcmp(text_of(rec, "period_kind"), n->kind) != 0 ||
        year_of(rec) != n->year) {
        return true;
    }
    version = number_of(rec, "version");
    if (version > n->version) {
        n->version = version;
        (void)snprintf(n->text, sizeof n->text, "%s", text_of(rec, "text"));
    }
    return true;
}

static int64_t end_of(int year)
{
    int64_t at = 0;
    char text[40];

    (void)snprintf(text, sizeof text, "%04d-12-31T15:59:59.000Z", year);
    return lm_time_parse(text, strlen(text), &at) ? at : INT64_MAX;
}

enum lm_status lm_snapshot_make(struct lm_store *store, const char *user, int year, int64_t now_ms,
                                char id_out[40], struct lm_error *err)
{
    struct newest *last = calloc(1, sizeof *last);
    char period[200], coverage[400], as_of[LM_TIME_TEXT + 8];
    char town[LM_TOWN_NAME_BYTES];
    json_t *counts = NULL;
    struct lm_buf text;
    size_t n;
    const char *from = lm_summary_template_text(&n);
    enum lm_status st =
        last ? lm_summary_figures(store, year, now_ms, &counts, period, coverage, err)
             : LM_ERR_MEMORY;

    lm_buf_init(&text, TEXT_BYTES_MAX);
    if (st == LM_OK) {
        last->kind = year ? "year" : "since";
        last->year = year;
        st = lm_store_list(store, NULL, snapshot_type, NULL, NULL, 0, look_at, last, err);
    }
    if (st == LM_OK) {
        int64_t at = year && end_of(year) < now_ms ? end_of(year) : now_ms;

        lm_time_format(at, as_of);
        if (last->version > 0) {
            from = last->text;
            n = strlen(last->text);
        }
        lm_town_name(store, town);
        with_note(from, n, town, period, coverage, &text);
        st = text.status;
    }
    if (st == LM_OK) {
        st = act(store, user, NULL,
                 json_pack("{s:s,s:s,s:s%,s:s}", "period_kind", last->kind, "as_of", as_of, "text",
                           (const char *)text.data, text.len, "state", "draft"),
                 false, now_ms, id_out, err);
    }
    if (st == LM_OK) {
        st = put_figures(store, user, id_out, counts, year, (int)last->version + 1, now_ms, err);
    }
    lm_buf_free(&text);
    json_decref(counts);
    free(last);
    return st;
}

/* ---- a version as a document ---- */

#define REV_TEXT 16

static void rev_of(const struct lm_record *rec, char out[REV_TEXT + 1])
{
    (void)snprintf(out, REV_TEXT + 1, "%016" PRIx64, lm_record_digest(rec));
}

static json_t *figures_of(struct lm_store *store, const json_t *fields)
{
    const struct lm_catalog *catalog = lm_store_catalog(store);
    json_t *out = json_object(), *row;
    size_t i;

    json_array_foreach(json_object_get(fields, "values"), i, row)
    {
        const char *id = json_string_value(json_object_get(row, "indicator"));
        const json_t *value = json_object_get(row, "value");
        const char *zh = "", *unit = "";

        for (size_t k = 0; id && k < catalog->n_indicators; k++) {
            if (strcmp(catalog->indicators[k].id, id) == 0) {
                zh = catalog->indicators[k].zh;
                unit = catalog->indicators[k].unit;
            }
        }
        (void)json_object_set_new(
            out, id ? id : "",
            json_pack("{s:s,s:s,s:O,s:O?,s:O?,s:b}", "label", zh, "unit", unit, "display",
                      json_object_get(row, "display"), "value", value, "opening",
                      json_object_get(row, "opening"), "reported",
                      strcmp(json_string_value(json_object_get(row, "display")), "(未填报)") != 0));
    }
    return out;
}

enum lm_status lm_snapshot_doc(struct lm_store *store, const char *id, json_t **out,
                               struct lm_error *err)
{
    struct lm_record *rec = NULL;
    char town[LM_TOWN_NAME_BYTES];
    struct lm_arena arena;
    json_t *row = NULL, *fields, *counts = NULL, *parts = NULL;
    const char *text;
    char rev[REV_TEXT + 1];
    enum lm_status st;

    *out = NULL;
    lm_arena_init(&arena, ARENA_BYTES);
    st = find(store, &arena, id, &rec, err);
    if (st == LM_OK) {
        row = lm_record_to_json(rec);
        fields = json_object_get(row, "fields");
        counts = json_pack("{s:o}", "indicators", figures_of(store, fields));
        text = text_of(rec, "text");
        lm_town_name(store, town);
        st = lm_summary_parts(counts, town, "", "", text, strlen(text), false, &parts, err);
    }
    if (st == LM_OK) {
        rev_of(rec, rev);
        *out = json_pack("{s:s,s:s,s:i,s:O?,s:s,s:s,s:s,s:s,s:O?,s:o,s:O}", "id", id, "rev", rev,
                         "year", year_of(rec), "version", json_object_get(fields, "version"),
                         "state", lm_record_text(rec, LM_C_STATE), "as_of", text_of(rec, "as_of"),
                         "text", text, "signed_by", text_of(rec, "signed_by"), "synced_stations",
                         json_object_get(fields, "synced_stations"), "parts", parts, "figures",
                         json_object_get(counts, "indicators"));
        st = *out ? LM_OK : LM_ERR_MEMORY;
    }
    json_decref(row);
    json_decref(counts);
    lm_arena_free(&arena);
    return st;
}

static bool add_row(void *arg, const struct lm_record *rec)
{
    json_t *rows = arg;

    return lm_record_deleted(rec) ||
           json_array_insert_new(
               rows, 0,
               json_pack("{s:s,s:i,s:I,s:s,s:s,s:s}", "id", rec->id, "year", year_of(rec),
                         "version", (json_int_t)number_of(rec, "version"), "state",
                         lm_record_text(rec, LM_C_STATE), "as_of", text_of(rec, "as_of"),
                         "signed_by", text_of(rec, "signed_by"))) == 0;
}

enum lm_status lm_snapshot_list(struct lm_store *store, json_t **out, struct lm_error *err)
{
    json_t *rows = json_array();
    enum lm_status st =
        lm_store_list(store, NULL, snapshot_type, NULL, NULL, 0, add_row, rows, err);

    *out = json_pack("{s:o}", "rows", rows);
    return st != LM_OK || *out ? st : LM_ERR_MEMORY;
}

/* ---- a draft is edited, and signed ---- */

static enum lm_status must_be_draft(const struct lm_record *rec, struct lm_error *err)
{
    return strcmp(lm_record_text(rec, LM_C_STATE), "draft") == 0
               ? LM_OK
               : lm_fail(err, LM_ERR_DENIED, "signed", "state",
                         "已签发的总结不能再改，请另做新的一版",
                         "A signed summary never changes: make another version");
}

struct saved {
    char user[264], at[40]; /* 64 characters of a name, whole */
};

static bool note_saved(void *arg, const json_t *row)
{
    struct saved *s = arg;
    const char *user = json_string_value(json_object_get(row, "user")),
               *at = json_string_value(json_object_get(row, "at"));
    char day[16];
    int64_t ms = 0;

    if (user && at && lm_time_parse(at, strlen(at), &ms)) {
        const int64_t minute = (ms + 8 * 3600000) / 60000 % 1440; /* of the town's day */

        lm_date_format(lm_day_utc8(ms), day);
        (void)snprintf(s->user, sizeof s->user, "%s", user);
        (void)snprintf(s->at, sizeof s->at, "%s %02d:%02d", day, (int)(minute / 60),
                       (int)(minute % 60));
    }
    return true;
}

/* Two people who write at the same time: the second one is told, and nobody's words are lost. */
static enum lm_status must_be_as_seen(struct lm_store *store, const struct lm_record *rec,
                                      const char *seen, struct lm_error *err)
{
    struct saved last = {.user = "", .at = ""};
    char rev[REV_TEXT + 1];
    enum lm_status st;

    rev_of(rec, rev);
    if (!seen || strcmp(seen, rev) == 0) {
        return LM_OK;
    }
    st = lm_store_history(store, rec->id, note_saved, &last, err);
    return st != LM_OK
               ? st
               : lm_fail(err, LM_ERR_EXISTS, "changed_meanwhile", "rev",
                         "您打开以后，%s 在 %s 保存过这一版。您的文字还没有保存，请对照后再存。",
                         "Since you opened it, %s saved this version at %s. Your words are not "
                         "saved yet: compare first.",
                         last.user, last.at);
}

enum lm_status lm_snapshot_edit(struct lm_store *store, const char *user, const char *id,
                                const char *seen, const char *text, bool figures, int64_t now_ms,
                                struct lm_error *err)
{
    struct lm_record *rec = NULL;
    char town[LM_TOWN_NAME_BYTES];
    struct lm_arena arena;
    struct lm_buf next;
    json_t *counts = NULL, *row = NULL, *shown = NULL, *parts = NULL;
    char period[200], coverage[400];
    enum lm_status st;

    lm_arena_init(&arena, ARENA_BYTES);
    lm_buf_init(&next, TEXT_BYTES_MAX);
    st = find(store, &arena, id, &rec, err);
    if (st == LM_OK) {
        st = must_be_draft(rec, err);
    }
    if (st == LM_OK) {
        st = must_be_as_seen(store, rec, seen, err);
    }
    if (st == LM_OK && text) {
        row = lm_record_to_json(rec);
        shown = json_pack("{s:o}", "indicators", figures_of(store, json_object_get(row, "fields")));
        st = lm_summary_parts(shown, "", "", "", text, strlen(text), true, &parts, err);
    }
    text = text ? text : st == LM_OK ? text_of(rec, "text") : "";
    if (st == LM_OK && figures) {
        st = lm_summary_figures(store, year_of(rec), now_ms, &counts, period, coverage, err);
        if (st == LM_OK) {
            lm_town_name(store, town);
            with_note(text, strlen(text), town, period, coverage, &next);
            st = put_figures(store, user, id, counts, year_of(rec), (int)number_of(rec, "version"),
                             now_ms, err);
        }
    } else if (st == LM_OK) {
        lm_buf_text(&next, text);
    }
    if (st == LM_OK) {
        st = next.status != LM_OK
                 ? lm_fail(err, LM_ERR_INVALID, "too_long", "text", "正文太长。",
                           "The text is too long.")
                 : act(store, user, id,
                       json_pack("{s:s%}", "text", (const char *)next.data, next.len), false,
                       now_ms, NULL, err);
    }
    json_decref(counts);
    json_decref(shown);
    json_decref(parts);
    json_decref(row);
    lm_buf_free(&next);
    lm_arena_free(&arena);
    return st;
}

enum lm_status lm_snapshot_sign(struct lm_store *store, const char *user, const char *id,
                                const char *seen, int64_t now_ms, struct lm_error *err)
{
    char rev[REV_TEXT + 1];
    bool wrote = false;
    struct lm_record *rec = NULL;
    struct lm_arena arena;
    struct lm_user who;
    char hash[LM_PASSWORD_HASH_BYTES];
    enum lm_status st;

    lm_arena_init(&arena, ARENA_BYTES);
    st = find(store, &arena, id, &rec, err);
    if (st == LM_OK) {
        st = must_be_draft(rec, err);
    }
    if (st == LM_OK) {
        rev_of(rec, rev);
        st = strcmp(seen, rev) == 0
                 ? LM_OK
                 : lm_fail(err, LM_ERR_EXISTS, "changed_meanwhile", "rev",
                           "您打开以后，这一版又改过，没有签发。请重新打开，看过再签。",
                           "It was changed since you opened it, and is not signed: open it again "
                           "and read it first.");
    }
    if (st == LM_OK) {
        st = lm_acted_on(store, user, id, NULL, &wrote, err);
    }
    if (st == LM_OK && wrote) {
        st = lm_fail(err, LM_ERR_DENIED, "second_person", "signed_by",
                     "写这份总结的人不能自己签发（换一个账号也不行）。",
                     "Who wrote it does not sign it, whatever account is used.");
    }
    if (st == LM_OK) {
        st = lm_store_user_get(store, user, &who, hash, err);
    }
    if (st == LM_OK) {
        st = act(store, user, id, json_pack("{s:s,s:s}", "state", "locked", "signed_by", who.id),
                 false, now_ms, NULL, err);
    }
    lm_arena_free(&arena);
    return st;
}
