/* What of a record somebody sees. The catalogue says how sensitive each field is: 0 open, 1
 * personal (names, phones, birth dates), 2 what harms when it gets out. */
#include "hub/api/api.h"

#include "common/base/util.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COVER "＊＊＊"
#define ARENA_BYTES (8 * 1024 * 1024)
#define UTC8_MS 28800000LL

enum lm_town_sight lm_town_sight(const struct lm_api_call *call)
{
    const char *role = call->session ? call->session->role : "";

    return strcmp(role, "clerk") == 0 ? LM_SIGHT_STAFF : LM_SIGHT_LEADER;
}

static bool covered(const struct lm_field *f, enum lm_town_sight sight)
{
    return sight == LM_SIGHT_LEADER ? f->sensitivity >= 1
                                    : sight == LM_SIGHT_STAFF && f->sensitivity >= 2;
}

/* The bytes of the first character. */
static size_t first_char(const char *text)
{
    size_t n = text[0] ? 1 : 0;

    while (((unsigned char)text[n] & 0xc0) == 0x80) {
        n++;
    }
    return n;
}

/* "张**"; "138****1234"; "1301***********34": enough to tell two apart, not to know one. */
static json_t *cover_text(const struct lm_field *f, const char *text)
{
    char out[80];
    size_t n = strlen(text);
    const char *format = f->format ? f->format : "";

    if (strcmp(format, "name") == 0 || strcmp(f->name, "name") == 0) {
        (void)snprintf(out, sizeof out, "%.*s＊＊", (int)first_char(text), text);
    } else if (strcmp(format, "idno") == 0 && n >= 15 && n <= 18) {
        (void)snprintf(out, sizeof out, "%.4s%.*s%s", text, (int)n - 6, "****************",
                       text + n - 2);
    } else if (strcmp(format, "phone") == 0 && n >= 7 && n <= 20) {
        (void)snprintf(out, sizeof out, "%.3s****%s", text, text + n - 2);
    } else if (f->ftype == LM_F_DATE && n == 10) {
        (void)snprintf(out, sizeof out, "%.4s", text);
    } else {
        (void)snprintf(out, sizeof out, "%s", COVER);
    }
    return json_string(out);
}

/* Codes, references and amounts of level 1 are what leaders' lists are made of; free text, names,
 * dates of birth and everything of level 2 is covered. */
static json_t *cover(const struct lm_field *f, const json_t *value)
{
    if (json_is_string(value)) {
        bool open = f->sensitivity < 2 &&
                    (f->ftype == LM_F_CODE || f->ftype == LM_F_UUID || f->ftype == LM_F_REF);

        return open ? NULL : cover_text(f, json_string_value(value));
    }
    if (json_is_array(value) && f->sensitivity < 2 &&
        (f->ftype == LM_F_CODE || f->ftype == LM_F_UUID || f->ftype == LM_F_REF)) {
        return NULL;
    }
    if ((json_is_integer(value) || json_is_boolean(value)) && f->sensitivity < 2) {
        return NULL;
    }
    return json_is_null(value) ? NULL : json_string(COVER);
}

/* What is open may have numbers in it that somebody typed; a field for a number that everybody may
 * know (a station's phone) keeps it. */
static bool cover_open(const struct lm_field *f, json_t *value, enum lm_town_sight sight)
{
    bool phones = sight == LM_SIGHT_LEADER && !(f->format && strcmp(f->format, "phone") == 0);
    bool any = false;
    json_t *item;
    size_t i;

    if (f->ftype != LM_F_TEXT && f->ftype != LM_F_CHAR) {
        return false;
    }
    any = lm_town_cover_string(value, phones);
    json_array_foreach(value, i, item)
    {
        any = lm_town_cover_string(item, phones) || any;
    }
    return any;
}

static bool mask(const struct lm_type *type, json_t *fields, enum lm_town_sight sight)
{
    const char *name;
    json_t *value;
    void *next;
    bool any = false;

    json_object_foreach_safe(fields, next, name, value)
    {
        const struct lm_field *f = type ? lm_type_field(type, name) : NULL;
        json_t *instead = NULL;

        if (sight == LM_SIGHT_FULL) {
            continue;
        }
        if (f && !covered(f, sight)) {
            any = cover_open(f, value, sight) || any;
            continue;
        }
        /* A field that this catalogue does not know may be anything. */
        instead = f ? cover(f, value) : json_string(COVER);
        if (instead) {
            any = true;
            (void)json_object_set_new(fields, name, instead);
        }
    }
    return any;
}

void lm_town_mask_fields(const struct lm_type *type, json_t *fields, enum lm_town_sight sight)
{
    (void)mask(type, fields, sight);
}

static void column_text(struct lm_store *store, const struct lm_field *f, const json_t *value,
                        char *out, size_t n)
{
    const char *text = json_string_value(value);
    int64_t at_ms;

    out[0] = '\0';
    if (text && f->ftype == LM_F_DATETIME && lm_time_parse(text, strlen(text), &at_ms)) {
        char day[LM_TIME_TEXT + 8]; /* the town's day and clock, as the page has them */

        lm_time_format(at_ms + UTC8_MS, day);
        (void)snprintf(out, n, "%.10s %.5s", day, day + 11);
    } else if (text) {
        lm_store_words(store, f, text, out, n);
    } else if (json_is_integer(value) && strlen(f->name) > 4 &&
               strcmp(f->name + strlen(f->name) - 4, "_fen") == 0) {
        (void)snprintf(out, n, "%lld.%02lld元", (long long)json_integer_value(value) / 100,
                       (long long)json_integer_value(value) % 100);
    } else if (json_is_integer(value)) {
        (void)snprintf(out, n, "%lld", (long long)json_integer_value(value));
    }
}

static void label_of(struct lm_store *store, const struct lm_record *rec, const json_t *fields,
                     char *out, size_t n)
{
    const struct lm_field *name = lm_type_field(rec->type, "name");
    const struct lm_field *title = name ? name : lm_type_field(rec->type, "title");
    const char *text = title ? json_string_value(json_object_get(fields, title->name)) : NULL;
    char part[200];
    size_t parts = 0;

    (void)snprintf(out, n, "%s", text ? text : "");
    for (size_t i = 0; !text && i < rec->type->n_list_columns && parts < 3; i++) {
        const struct lm_field *f = &rec->type->fields[rec->type->list_columns[i]];
        size_t at = strlen(out);

        column_text(store, f, json_object_get(fields, f->name), part, sizeof part);
        if (part[0]) {
            (void)snprintf(out + at, n - at, "%s%s", at ? " · " : "", part);
            parts++;
        }
    }
    if (!out[0]) {
        (void)snprintf(out, n, "%s", rec->type->zh);
    }
}

void lm_town_rev(const struct lm_record *rec, char out[LM_REV_TEXT + 1])
{
    (void)snprintf(out, LM_REV_TEXT + 1, "%016" PRIx64, lm_record_digest(rec));
}

enum lm_status lm_town_unchanged(struct lm_store *store, const char *id, const char *rev,
                                 struct lm_error *err)
{
    const char *type = lm_store_type_of(store, id);
    struct lm_record *rec = NULL;
    struct lm_arena arena;
    char now[LM_REV_TEXT + 1] = "";
    enum lm_status st;

    lm_arena_init(&arena, ARENA_BYTES);
    st = type ? lm_store_get(store, &arena, type, id, &rec) : LM_ERR_NOT_FOUND;
    if (st == LM_OK) {
        lm_town_rev(rec, now);
    }
    lm_arena_free(&arena);
    if (st == LM_ERR_NOT_FOUND) {
        return lm_fail(err, st, "not_found", "id", "没有这条记录。", "There is no such record.");
    }
    return st != LM_OK || (rev && strcmp(rev, now) == 0)
               ? st
               : lm_fail(err, LM_ERR_EXISTS, "changed_meanwhile", "rev",
                         "您看过以后又被改过，没有办。请看一下现在的内容再办。",
                         "The record was changed meanwhile, and nothing was done: open it again "
                         "and read what it says now.");
}

json_t *lm_town_record(struct lm_store *store, const struct lm_record *rec,
                       enum lm_town_sight sight)
{
    json_t *row = lm_record_to_json(rec), *fields = json_object_get(row, "fields");
    char rev[LM_REV_TEXT + 1], label[400];

    if (!row) {
        return NULL;
    }
    if (mask(rec->type, fields, sight)) {
        (void)json_object_set_new(row, "masked", json_true());
    }
    label_of(store, rec, fields, label, sizeof label);
    lm_town_rev(rec, rev);
    (void)json_object_set_new(row, "rev", json_string(rev));
    (void)json_object_set_new(row, "label", json_string(label));
    if (lm_record_deleted(rec)) {
        (void)json_object_set_new(row, "deleted", json_true());
    }
    return row;
}

void lm_town_label(struct lm_store *store, const struct lm_record *rec, enum lm_town_sight sight,
                   char *out, size_t n)
{
    json_t *row = lm_town_record(store, rec, sight);

    (void)snprintf(out, n, "%s", row ? json_string_value(json_object_get(row, "label")) : "");
    json_decref(row);
}
