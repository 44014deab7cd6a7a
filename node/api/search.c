/* One search box over the people of the village: name, pinyin and its initials, tail of the ID
 * number, phone, household number; and, when asked, over the words in other records.
 *
 * The index is in memory and made anew when the database has changed: 1,500 people take some
 * milliseconds, and nothing can be out of step with the tables. */
#include "node/api/api.h"

#include "common/base/util.h"
#include "common/pinyin.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define HITS_MAX 50
#define OTHERS_MAX 20      /* records of other types in an answer, */
#define OTHERS_OF_TYPE 5   /* of each type */
#define OTHERS_CHARS_MIN 2 /* one character is in everything */
#define INDEX_BYTES_MAX (64 * 1024 * 1024)

struct person_row {
    const char *id, *name, *syllables, *joined, *initials, *id_no, *phone, *dialled, *household,
        *state, *birth_on;
};
struct lm_api_search {
    struct lm_pinyin *pinyin;
    struct lm_arena arena; /* of the rows */
    struct person_row *rows;
    size_t n, size;
    uint64_t version; /* of the database when it was made */
    bool made, full;
};

void lm_api_search_free(struct lm_api_search **search)
{
    if (*search) {
        lm_pinyin_close(&(*search)->pinyin);
        lm_arena_free(&(*search)->arena);
        free((*search)->rows);
        free(*search);
        *search = NULL;
    }
}

static const char *keep(struct lm_api_search *s, const char *text)
{
    const char *copy = lm_arena_text(&s->arena, text, strlen(text));

    s->full = s->full || !copy;
    return copy ? copy : "";
}

static const char *field(const struct lm_record *rec, const char *name)
{
    const struct lm_field *f = lm_type_field(rec->type, name);

    return f ? lm_record_text(rec, f->index) : "";
}

/* "zhang san" → "zhangsan": what people type without spaces. */
static void join(const char *syllables, char *out)
{
    for (; *syllables; syllables++) {
        if (*syllables != ' ') {
            *out++ = *syllables;
        }
    }
    *out = '\0';
}

/* "0555-123 4567" is dialled and typed with or without what stands between. */
static void only_digits(const char *from, char *out, size_t n)
{
    size_t at = 0;

    for (; *from && at + 1 < n; from++) {
        if (*from >= '0' && *from <= '9') {
            out[at++] = *from;
        }
    }
    out[at] = '\0';
}

static bool add_person(void *arg, const struct lm_record *rec)
{
    struct lm_api_search *s = arg;
    char syllables[400], joined[400], initials[200], phone[64];
    struct person_row *row;

    if (s->n == s->size) {
        size_t size = s->size ? 2 * s->size : 1024;
        struct person_row *rows = realloc(s->rows, size * sizeof *rows);

        if (!rows) {
            s->full = true;
            return false;
        }
        s->rows = rows;
        s->size = size;
    }
    row = &s->rows[s->n++];
    lm_pinyin_of(s->pinyin, field(rec, "name"), syllables, sizeof syllables);
    lm_pinyin_initials(syllables, initials, sizeof initials);
    join(syllables, joined);
    only_digits(field(rec, "phone"), phone, sizeof phone);
    *row = (struct person_row){.id = keep(s, rec->id),
                               .name = keep(s, field(rec, "name")),
                               .syllables = keep(s, syllables),
                               .joined = keep(s, joined),
                               .initials = keep(s, initials),
                               .id_no = keep(s, field(rec, "id_no")),
                               .phone = keep(s, field(rec, "phone")),
                               .dialled = keep(s, phone),
                               .household = keep(s, field(rec, "household_no")),
                               .state = keep(s, lm_record_text(rec, LM_C_STATE)),
                               .birth_on = keep(s, field(rec, "birth_on"))};
    return !s->full;
}

static enum lm_status refresh(struct lm_api_call *call)
{
    struct lm_api *api = call->api;
    struct lm_api_search *s = api->search;
    const struct lm_type *person = lm_catalog_type(lm_nstore_catalog(api->store), "person");
    uint64_t version = 0;
    enum lm_status st = lm_nstore_version(api->store, &version, &call->err);

    if (st == LM_OK && !s) {
        s = api->search = calloc(1, sizeof *s);
        if (!s) {
            return lm_api_no_memory(call);
        }
        lm_arena_init(&s->arena, INDEX_BYTES_MAX);
        st = lm_pinyin_open(&s->pinyin, &call->err);
    }
    if (st != LM_OK || !person || (s->made && s->version == version)) {
        return st;
    }
    lm_arena_reset(&s->arena);
    s->n = 0;
    s->made = s->full = false;
    st = lm_tables_list(lm_nstore_tables(api->store), NULL, person, NULL, NULL, 0, false,
                        add_person, s, &call->err);
    if (st == LM_OK && s->full) {
        return lm_api_no_memory(call);
    }
    s->made = st == LM_OK;
    s->version = version;
    return st;
}

/* The digits of a number as it is written, "+86 555-1234"; "" when q is something else. */
static const char *number_of(const char *q, char out[LM_API_QUERY_BYTES + 1])
{
    out[0] = '\0';
    if (q[strspn(q, "+-()0123456789")] == '\0') {
        only_digits(q, out, LM_API_QUERY_BYTES + 1);
    }
    return out;
}

/* How well a row fits, 0 = not at all. digits: number_of(q). */
static int score(const struct person_row *row, const char *q, const char *digits)
{
    size_t n = strlen(q), id = strlen(row->id_no);

    if (strcmp(row->name, q) == 0) {
        return 100;
    }
    if (strncmp(row->name, q, n) == 0) {
        return 90;
    }
    if (id >= n && n >= 3 && strcasecmp(row->id_no + id - n, q) == 0) {
        return 85;
    }
    if (strcmp(row->initials, q) == 0) {
        return 80;
    }
    if (strncmp(row->initials, q, n) == 0 || strncmp(row->joined, q, n) == 0) {
        return 70;
    }
    if (strstr(row->name, q)) {
        return 60;
    }
    if (strlen(digits) >= 3 && (strstr(row->dialled, digits) || strstr(row->id_no, digits))) {
        return 50;
    }
    if (strcasecmp(row->household, q) == 0) {
        return 75;
    }
    return strncmp(row->syllables, q, n) == 0 || (n >= 2 && strstr(row->initials, q)) ? 40 : 0;
}

struct hit {
    const struct person_row *row;
    int score;
};

static int by_score(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;

    return x->score != y->score ? y->score - x->score : strcmp(x->row->joined, y->row->joined);
}

/* The best HITS_MAX: a worse one gives way. */
static void take_hit(struct hit *hits, size_t *n, struct hit hit)
{
    size_t worst = 0;

    if (*n < HITS_MAX) {
        hits[(*n)++] = hit;
        return;
    }
    for (size_t i = 1; i < HITS_MAX; i++) {
        worst = hits[i].score < hits[worst].score ? i : worst;
    }
    if (hit.score > hits[worst].score) {
        hits[worst] = hit;
    }
}

bool lm_api_query(const char *from, char out[LM_API_QUERY_BYTES + 1])
{
    const unsigned char *p = (const unsigned char *)from;
    size_t n = 0;

    while (*p) {
        unsigned c = *p, width = 1;

        if (p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x80) { /* U+3000 */
            c = ' ';
            width = 3;
        } else if (p[0] == 0xef && (p[1] == 0xbc || p[1] == 0xbd) && p[2] >= 0x80) {
            unsigned wide = (p[1] - 0xbcu) * 64 + (p[2] - 0x80u); /* from U+FF00 on */

            if (wide >= 1 && wide <= 0x5e) {
                c = wide + 0x20;
                width = 3;
            }
        }
        p += width;
        if (c == ' ' || c == '\t') {
            continue;
        }
        if (n == LM_API_QUERY_BYTES) {
            return false;
        }
        out[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    out[n] = '\0';
    return n > 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum lm_status lm_api_people(struct lm_api_call *call, const char *q, const char ***ids_out,
                             size_t *n_out)
{
    char number[LM_API_QUERY_BYTES + 1];
    const char *digits = number_of(q, number);
    enum lm_status st = refresh(call);
    size_t all = st == LM_OK ? call->api->search->n : 0;

    *n_out = 0;
    *ids_out = calloc(all + 1, sizeof **ids_out);
    if (!*ids_out) {
        return lm_api_no_memory(call);
    }
    for (size_t i = 0; i < all; i++) {
        const struct person_row *row = &call->api->search->rows[i];

        if (score(row, q, digits) > 0) {
            (*ids_out)[(*n_out)++] = row->id;
        }
    }
    qsort(*ids_out, *n_out, sizeof **ids_out, by_text);
    return st;
}

/* ---- words in other records ---- */

/* LIKE takes %, _ and its escape for signs of its own. */
static bool like_pattern(const char *text, char *out, size_t n)
{
    size_t at = 0;

    out[at++] = '%';
    for (; *text; text++) {
        if (at + 4 > n) {
            return false;
        }
        if (strchr("%_\\", *text)) {
            out[at++] = '\\';
        }
        out[at++] = *text;
    }
    out[at++] = '%';
    out[at] = '\0';
    return true;
}

struct others {
    struct lm_api_call *call;
    json_t *rows;
    struct lm_me me;
    size_t of_type;
};

/* Whom a record is about, by the index: the first of several; "" nobody known here. */
static const char *person_of(const struct lm_api_search *s, const struct lm_record *rec)
{
    for (size_t i = LM_C_COUNT; i < rec->type->n_fields; i++) {
        const struct lm_field *f = &rec->type->fields[i];
        const struct lm_value *v = &rec->fields[i];

        if (f->ftype != LM_F_UUID || !f->ref || strcmp(f->ref, "person") != 0) {
            continue;
        }
        v = v->kind == LM_LIST && v->len > 0 ? &v->items[0] : v;
        for (size_t k = 0; v->kind == LM_TEXT && k < s->n; k++) {
            if (strcmp(s->rows[k].id, v->text) == 0) {
                return s->rows[k].name;
            }
        }
    }
    return "";
}

static bool add_other(void *arg, const struct lm_record *rec)
{
    struct others *o = arg;
    const char *date =
        rec->type->reporting_date >= 0 ? lm_record_text(rec, rec->type->reporting_date) : "";
    char label[LM_LABEL_BYTES];

    if (!lm_api_is_for(rec, o->me.station)) {
        return true;
    }
    lm_node_label(o->call->api->store, o->call->api->english, rec, label);
    (void)json_array_append_new(
        o->rows, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "id", rec->id, "type", rec->type->name,
                           "label", label, "person", person_of(o->call->api->search, rec), "on",
                           date, "state", lm_record_text(rec, LM_C_STATE)));
    return ++o->of_type < OTHERS_OF_TYPE && json_array_size(o->rows) < OTHERS_MAX;
}

/* The newest records whose own texts have the words, of all types but persons. */
static enum lm_status find_others(struct lm_api_call *call, const char *q, json_t *rows)
{
    const struct lm_catalog *catalog = lm_nstore_catalog(call->api->store);
    struct others o = {.call = call, .rows = rows};
    char pattern[2 * LM_API_QUERY_BYTES + 4];
    size_t chars = 0;
    enum lm_status st = LM_OK;

    if (!lm_utf8_valid(q, strlen(q), &chars) || chars < OTHERS_CHARS_MIN ||
        !like_pattern(q, pattern, sizeof pattern)) {
        return LM_OK;
    }
    st = lm_nstore_me(call->api->store, &o.me, &call->err);
    for (size_t t = 0; st == LM_OK && t < catalog->n_types && json_array_size(rows) < OTHERS_MAX;
         t++) {
        const struct lm_type *type = &catalog->types[t];

        if (!lm_type_shown(type) || strcmp(type->name, "person") == 0) {
            continue;
        }
        o.of_type = 0;
        st = lm_tables_like(lm_nstore_tables(call->api->store), type, pattern, add_other, &o,
                            &call->err);
    }
    return st;
}

enum lm_status lm_api_search(struct lm_api_call *call)
{
    const char *text = call->request->query(call->request, "q");
    const char *others = call->request->query(call->request, "others");
    char q[LM_API_QUERY_BYTES + 1];
    struct hit hits[HITS_MAX];
    size_t n = 0, total = 0;
    json_t *rows = json_array();
    enum lm_status st = LM_OK;
    char number[LM_API_QUERY_BYTES + 1];
    const char *digits;

    if (!rows || !text || !lm_api_query(text, q)) {
        json_decref(rows);
        return lm_fail(&call->err, LM_ERR_INVALID, "bad_query", "q", "请输入要查找的内容。",
                       "Enter what to search for.");
    }
    st = refresh(call);
    digits = number_of(q, number);
    for (size_t i = 0; st == LM_OK && i < call->api->search->n; i++) {
        struct hit hit = {.row = &call->api->search->rows[i]};

        hit.score = score(hit.row, q, digits);
        if (hit.score > 0) {
            total++;
            take_hit(hits, &n, hit);
        }
    }
    qsort(hits, n, sizeof *hits, by_score);
    for (size_t i = 0; st == LM_OK && i < n; i++) {
        const struct person_row *r = hits[i].row;

        (void)json_array_append_new(
            rows, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "id", r->id, "type", "person",
                            "label", r->name, "id_no", r->id_no, "phone", r->phone, "household_no",
                            r->household, "birth_on", r->birth_on, "state", r->state));
    }
    call->answer = json_pack("{s:o,s:I}", "hits", rows, "total", (json_int_t)total);
    if (st == LM_OK && call->answer && others && strcmp(others, "1") == 0) {
        json_t *found = json_array();

        st = find_others(call, q, found);
        (void)json_object_set_new(call->answer, "others", found);
    }
    return st != LM_OK || call->answer ? st : lm_api_no_memory(call);
}
