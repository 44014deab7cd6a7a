/* See snapshot_annex.h. Lines of two texts are held against each other as the page does it: a line
 * is there or not, wherever it stands; the note line with period and coverage is the program's. */
#include "hub/snapshot_annex.h"

#include "common/base/util.h"
#include "hub/snapshot.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX 20000 /* a text's longest line, its figures in place */

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

/* ---- the digest ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void hash_line(crypto_hash_sha256_state *state, const char *id, const json_t *figure)
{
    const json_t *value = json_object_get(figure, "value");
    char number[64] = "", line[512];
    int n;

    if (json_is_number(value)) {
        (void)snprintf(number, sizeof number, "%.4f", json_number_value(value));
    }
    n = snprintf(line, sizeof line, "%.60s\t%s\t%.300s\n", id, number, text_of(figure, "display"));
    (void)crypto_hash_sha256_update(state, (const uint8_t *)line, (size_t)n);
}

void lm_snapshot_hash(const json_t *doc, char out[LM_SNAPSHOT_HASH_TEXT])
{
    json_t *figures = json_object_get(doc, "figures"), *figure;
    const char **ids = calloc(json_object_size(figures) + 1, sizeof *ids), *id;
    const char *text = text_of(doc, "text");
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_state state;
    size_t n = 0;

    out[0] = '\0';
    if (!ids) {
        return;
    }
    json_object_foreach(figures, id, figure)
    {
        ids[n++] = id;
    }
    qsort(ids, n, sizeof *ids, by_name);
    (void)crypto_hash_sha256_init(&state);
    (void)crypto_hash_sha256_update(&state, (const uint8_t *)text, strlen(text));
    for (size_t i = 0; i < n; i++) {
        hash_line(&state, ids[i], json_object_get(figures, ids[i]));
    }
    (void)crypto_hash_sha256_final(&state, hash);
    (void)sodium_bin2hex(out, LM_SNAPSHOT_HASH_TEXT, hash, sizeof hash);
    free(ids);
}

/* ---- who ---- */

struct people {
    json_t *writers; /* each once, in their order */
    char signer[200], at[LM_TIME_TEXT + 8];
};

/* As much as fits, in whole characters: half of one is no JSON, and the version would drop out. */
static void put_name(char *out, size_t size, const char *name)
{
    size_t n = strlen(name);

    if (n >= size) {
        for (n = size - 1; n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80; n--) {
        }
    }
    memcpy(out, name, n);
    out[n] = '\0';
}

static bool look_at(void *arg, const json_t *row)
{
    struct people *p = arg;
    const char *user = text_of(row, "user");
    size_t i;
    json_t *known;

    if (strcmp(text_of(json_object_get(row, "fields"), "state"), "locked") == 0) {
        put_name(p->signer, sizeof p->signer, user);
        (void)snprintf(p->at, sizeof p->at, "%s", text_of(row, "at"));
        return true;
    }
    json_array_foreach(p->writers, i, known)
    {
        if (strcmp(json_string_value(known), user) == 0) {
            return true;
        }
    }
    return !user[0] || json_array_size(p->writers) == LM_ANNEX_WRITERS_MAX ||
           json_array_append_new(p->writers, json_string(user)) == 0;
}

/* ---- what differs ---- */

static void add_figures(const json_t *was, const json_t *is, json_t *out, json_int_t *more)
{
    json_t *then = json_object_get(was, "figures"), *now = json_object_get(is, "figures"), *figure;
    const char *id;

    for (int pass = 0; pass < 2; pass++) { /* those of now, then those that are no more */
        json_object_foreach(pass == 0 ? now : then, id, figure)
        {
            const char *a = text_of(json_object_get(then, id), "display"),
                       *b = text_of(json_object_get(now, id), "display");

            if (strcmp(a, b) == 0 || (pass == 1 && json_object_get(now, id))) {
                continue;
            }
            if (json_array_size(out) == LM_ANNEX_FIGURES_MAX) {
                (*more)++;
                continue;
            }
            (void)json_array_append_new(out, json_pack("{s:s,s:s,s:s}", "label",
                                                       text_of(figure, "label"), "was",
                                                       a[0] ? a : "—", "is", b[0] ? b : "—"));
        }
    }
}

/* The line that begins at *at, without its end; NULL: none is left. */
static const char *next_line(const char **at, size_t *n_out)
{
    const char *line = *at, *stop = strchr(line, '\n');

    if (!*line) {
        return NULL;
    }
    *n_out = stop ? (size_t)(stop - line) : strlen(line);
    *at = line + *n_out + (stop ? 1 : 0);
    return line;
}

static bool has_line(const char *text, const char *line, size_t n)
{
    const char *other;
    size_t other_n;

    while ((other = next_line(&text, &other_n)) != NULL) {
        if (other_n == n && memcmp(other, line, n) == 0) {
            return true;
        }
    }
    return false;
}

/* Without its mark, with the figures of its version in place. */
static json_t *readable(const json_t *doc, const char *line, size_t n)
{
    size_t mark = n >= 3 && memcmp(line, "## ", 3) == 0             ? 3
                  : n >= 2 && strchr("#=", *line) && line[1] == ' ' ? 2
                                                                    : 0;
    struct lm_buf out;
    json_t *text;

    lm_buf_init(&out, LINE_BYTES_MAX);
    for (size_t i = mark; i < n;) {
        const char *close = line[i] == '{' ? memchr(line + i, '}', n - i) : NULL;
        char id[32];

        if (close && (size_t)(close - line) - i < sizeof id) {
            (void)snprintf(id, sizeof id, "%.*s", (int)((size_t)(close - line) - i - 1),
                           line + i + 1);
            lm_buf_text(&out,
                        text_of(json_object_get(json_object_get(doc, "figures"), id), "display"));
            i = (size_t)(close - line) + 1;
        } else {
            lm_buf_add(&out, line + i, 1);
            i++;
        }
    }
    text = json_stringn(out.data ? (const char *)out.data : "", out.len);
    lm_buf_free(&out);
    return text;
}

/* Lines of `of` that `in` has not. */
static void add_lines(const json_t *of, const json_t *in, json_t *out, json_int_t *more)
{
    const char *text = text_of(of, "text"), *line;
    size_t n;

    while ((line = next_line(&text, &n)) != NULL) {
        if (n == 0 || *line == '!' || has_line(text_of(in, "text"), line, n)) {
            continue;
        }
        if (json_array_size(out) == LM_ANNEX_LINES_MAX) {
            (*more)++;
        } else {
            (void)json_array_append_new(out, readable(of, line, n));
        }
    }
}

/* ---- versions ---- */

static enum lm_status add_version(struct lm_store *store, const json_t *doc, const json_t *before,
                                  json_t *versions, struct lm_error *err)
{
    struct people who = {.writers = json_array()};
    bool is_signed = strcmp(text_of(doc, "state"), "locked") == 0;
    json_t *figures = json_array(), *gone = json_array(), *come = json_array();
    char hash[LM_SNAPSHOT_HASH_TEXT] = "";
    json_int_t more = 0;
    enum lm_status st = lm_store_history(store, text_of(doc, "id"), look_at, &who, err);

    if (is_signed) {
        lm_snapshot_hash(doc, hash);
    }
    if (before) {
        add_figures(before, doc, figures, &more);
        add_lines(before, doc, gone, &more);
        add_lines(doc, before, come, &more);
    }
    (void)json_array_append_new(
        versions, json_pack("{s:O,s:b,s:O,s:s,s:s,s:s,s:o,s:o,s:o,s:I}", "version",
                            json_object_get(doc, "version"), "signed", (int)is_signed, "writers",
                            who.writers, "user", who.signer, "at", who.at, "hash", hash, "figures",
                            figures, "gone", gone, "come", come, "more", more));
    json_decref(who.writers);
    return st;
}

static json_int_t version_of(const json_t *row)
{
    return json_integer_value(json_object_get(row, "version"));
}

/* The newest version of the year below `below` that is signed, or is `id`; NULL: none. */
static const json_t *newest(const json_t *list, json_int_t year, const char *id, json_int_t below)
{
    const json_t *found = NULL;
    json_t *row;
    size_t i;

    json_array_foreach(json_object_get(list, "rows"), i, row)
    {
        bool counts = strcmp(text_of(row, "state"), "locked") == 0 ||
                      (id && strcmp(text_of(row, "id"), id) == 0);

        if (counts && json_integer_value(json_object_get(row, "year")) == year &&
            version_of(row) < below && (!found || version_of(row) > version_of(found))) {
            found = row;
        }
    }
    return found;
}

/* docs [max + 1], the newest first; one more than is listed, to be held against. */
static enum lm_status take_docs(struct lm_store *store, const char *id, const json_t *doc,
                                json_t **docs, size_t *n_out, struct lm_error *err)
{
    json_int_t below = id ? version_of(doc) + 1 : INT64_MAX;
    const json_t *row;
    json_t *list = NULL;
    enum lm_status st = lm_snapshot_list(store, &list, err);

    while (st == LM_OK && *n_out < LM_ANNEX_VERSIONS_MAX + 1 &&
           (row = newest(list, json_integer_value(json_object_get(doc, "year")), id, below)) !=
               NULL) {
        below = version_of(row);
        st = lm_snapshot_doc(store, text_of(row, "id"), &docs[*n_out], err);
        *n_out += st == LM_OK;
    }
    json_decref(list);
    return st;
}

enum lm_status lm_snapshot_annex(struct lm_store *store, const char *id, json_t *doc,
                                 struct lm_error *err)
{
    json_t *docs[LM_ANNEX_VERSIONS_MAX + 1] = {NULL}, *versions = json_array(), *mine = NULL;
    size_t n = 0;
    enum lm_status st = take_docs(store, id, doc, docs, &n, err);

    for (size_t i = n < LM_ANNEX_VERSIONS_MAX ? n : LM_ANNEX_VERSIONS_MAX; st == LM_OK && i > 0;
         i--) {
        st = add_version(store, docs[i - 1], i < n ? docs[i] : NULL, versions, err);
    }
    for (size_t i = 0; i < n; i++) {
        json_decref(docs[i]);
    }
    if (id) {
        mine = json_array_get(versions, json_array_size(versions) - 1);
    }
    if (st == LM_OK) {
        json_t *writers = mine ? json_incref(json_object_get(mine, "writers")) : json_array();

        (void)json_object_set_new(
            doc, "paper",
            json_pack("{s:s,s:I,s:o,s:s,s:s}", "kind",
                      !mine                                           ? "live"
                      : json_is_true(json_object_get(mine, "signed")) ? "signed"
                                                                      : "draft",
                      "version", mine ? version_of(mine) : (json_int_t)0, "writers", writers,
                      "user", mine ? text_of(mine, "user") : "", "at",
                      mine ? text_of(mine, "at") : ""));
        st = json_object_set(doc, "versions", versions) == 0 ? LM_OK : LM_ERR_MEMORY;
    }
    json_decref(versions);
    return st;
}
