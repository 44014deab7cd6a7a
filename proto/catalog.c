/* The catalogue as a whole: loading its files, its hash, and the look-ups.
 *
 * Loading reads lists, types and indicators in this order (catalog_field.c, catalog_type.c,
 * catalog_indicator.c), checks soundness (catalog_check.c) and compiles the expressions. The result
 * is immutable: any thread may read it. Everything it points to lives in its arena, so that
 * destroying it is one call. */
#include "proto/catalog_internal.h"

#include "common/base/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- look-ups ---- */

/* Lists, codes, fields, groups, types and indicators all begin with the text they are found by. */
static const char *text_at(const void *items, size_t stride, size_t i)
{
    return *(const char *const *)(const void *)((const char *)items + i * stride);
}

static int compare(const char *a, const char *b, size_t b_len)
{
    int order = strncmp(a, b, b_len);

    return order ? order : a[b_len] != 0;
}

/* Position of the text, or -1. Without an index (a structure made by hand) it looks at each. */
static int find(const void *items, size_t stride, size_t n, const uint16_t *order, const char *text,
                size_t len)
{
    size_t low = 0, high = n;

    if (!items || !text || memchr(text, 0, len)) {
        return -1;
    }
    if (!order) {
        for (size_t i = 0; i < n; i++) {
            if (compare(text_at(items, stride, i), text, len) == 0) {
                return (int)i;
            }
        }
        return -1;
    }
    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = compare(text_at(items, stride, order[middle]), text, len);

        if (c == 0) {
            return order[middle];
        }
        if (c < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return -1;
}

const struct lm_type *lm_catalog_type(const struct lm_catalog *catalog, const char *name)
{
    int i = name ? find(catalog->types, sizeof(*catalog->types), catalog->n_types,
                        catalog->types_by_name, name, strlen(name))
                 : -1;

    return i < 0 ? NULL : &catalog->types[i];
}

bool lm_type_shown(const struct lm_type *type)
{
    return type && type->sensitivity_max < LM_SENSITIVITY_SECRET;
}

const struct lm_type *lm_catalog_shown(const struct lm_catalog *catalog, const char *name)
{
    const struct lm_type *type = lm_catalog_type(catalog, name);

    return lm_type_shown(type) ? type : NULL;
}

const struct lm_list *lm_catalog_list(const struct lm_catalog *catalog, const char *name)
{
    int i = name ? find(catalog->lists, sizeof(*catalog->lists), catalog->n_lists,
                        catalog->lists_by_name, name, strlen(name))
                 : -1;

    return i < 0 ? NULL : &catalog->lists[i];
}

const struct lm_indicator *lm_catalog_indicator(const struct lm_catalog *catalog, const char *id)
{
    int i = id ? find(catalog->indicators, sizeof(*catalog->indicators), catalog->n_indicators,
                      catalog->indicators_by_id, id, strlen(id))
               : -1;

    return i < 0 ? NULL : &catalog->indicators[i];
}

const struct lm_code *lm_list_code(const struct lm_list *list, const char *code)
{
    int i = list && code ? find(list->codes, sizeof(*list->codes), list->n_codes, list->by_code,
                                code, strlen(code))
                         : -1;

    return i < 0 ? NULL : &list->codes[i];
}

const struct lm_field *lm_type_fieldn(const struct lm_type *type, const char *name, size_t n)
{
    int i =
        find(type->fields, sizeof(*type->fields), type->n_fields, type->fields_by_name, name, n);

    return i < 0 ? NULL : &type->fields[i];
}

const struct lm_field *lm_type_field(const struct lm_type *type, const char *name)
{
    return name ? lm_type_fieldn(type, name, strlen(name)) : NULL;
}

int lm_type_group(const struct lm_type *type, const char *name, size_t n)
{
    return find(type->groups, sizeof(*type->groups), type->n_groups, type->groups_by_name, name, n);
}

const struct lm_transition *lm_type_transition(const struct lm_type *type, const char *from,
                                               const char *to, unsigned author)
{
    for (size_t i = 0; to && i < type->n_transitions; i++) {
        const struct lm_transition *t = &type->transitions[i];
        bool same = t->from && from ? strcmp(t->from, from) == 0 : !t->from && !from;

        if (same && (t->by & author) && strcmp(t->to, to) == 0) {
            return t;
        }
    }
    return NULL;
}

/* ---- indexes ---- */

struct sort_item {
    const char *text;
    uint16_t position;
};

static int by_text(const void *a, const void *b)
{
    const struct sort_item *x = a, *y = b;

    return strcmp(x->text, y->text);
}

const uint16_t *cat_index(struct cat_loader *l, const void *items, size_t n, size_t stride)
{
    uint16_t *order = cat_alloc(l, n, sizeof(*order));
    struct sort_item *sorted;

    if (!order || !n) {
        return order;
    }
    LM_CHECK(n <= UINT16_MAX);
    sorted = cat_alloc(l, n, sizeof(*sorted));
    if (!sorted) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        sorted[i] = (struct sort_item){.text = text_at(items, stride, i), .position = (uint16_t)i};
    }
    qsort(sorted, n, sizeof(*sorted), by_text);
    for (size_t i = 0; i < n; i++) {
        order[i] = sorted[i].position;
        if (i && strcmp(sorted[i].text, sorted[i - 1].text) == 0) {
            cat_bad(l, "重复", "it is there twice", sorted[i].text);
            return NULL;
        }
    }
    return order;
}

/* ---- loading ---- */

const json_t *cat_file(struct cat_loader *l, const char *name)
{
    if (l->status != LM_OK) {
        return NULL;
    }
    for (size_t i = 0; i < l->n_files; i++) {
        if (strcmp(l->files[i].name, name) == 0) {
            l->file = l->files[i].name;
            return l->roots[i];
        }
    }
    l->file = name;
    cat_at(l, "-");
    cat_bad(l, "缺少这个文件", "the file is missing", NULL);
    l->file = NULL; /* name may be the caller's buffer */
    return NULL;
}

static enum lm_status no_memory(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足，无法读入业务目录。",
                   "Not enough memory for the catalogue.");
}

static void parse_files(struct cat_loader *l)
{
    for (size_t i = 0; i < l->n_files && l->status == LM_OK; i++) {
        const struct lm_catalog_file *file = &l->files[i];
        json_error_t error;
        char where[64];

        l->file = file->name;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(l->files[k].name, file->name) == 0) {
                cat_at(l, "-");
                cat_bad(l, "文件重复", "the file is there twice", NULL);
            }
        }
        l->roots[i] = json_loadb(file->data, file->size, JSON_REJECT_DUPLICATES, &error);
        /* jansson says nothing at all when most of its allocations fail. */
        if (!l->roots[i] && !error.text[0]) {
            l->status = no_memory(l->err);
        } else if (!l->roots[i]) {
            snprintf(where, sizeof(where), "%d:%d", error.line, error.column);
            cat_at(l, "%s", where);
            cat_bad(l, "不是正确的 JSON", "it is not proper JSON", error.text);
        }
    }
}

/* A file that nothing reads would be a type that nobody listed. */
static void check_files(struct cat_loader *l)
{
    static const char *const known[] = {"catalog.json", "common.json", "indicators.json",
                                        "lists.json", NULL};

    for (size_t i = 0; i < l->n_files && l->status == LM_OK; i++) {
        const char *name = l->files[i].name;
        size_t n = strlen(name);
        bool found = false;

        for (size_t k = 0; known[k] && !found; k++) {
            found = strcmp(known[k], name) == 0;
        }
        if (!found && n > 11 && strncmp(name, "types/", 6) == 0 &&
            strcmp(name + n - 5, ".json") == 0) {
            found = find(l->cat->types, sizeof(*l->cat->types), l->cat->n_types,
                         l->cat->types_by_name, name + 6, n - 11) >= 0;
        }
        if (!found) {
            l->file = name;
            cat_at(l, "-");
            cat_bad(l, "catalog.json 没有列出这个文件", "catalog.json does not list this file",
                    NULL);
        }
    }
}

/* Before anything else is looked at: a newer grammar may say anything. */
static void check_grammar(struct cat_loader *l)
{
    const json_t *root = cat_file(l, "catalog.json");
    const json_t *grammar = json_object_get(root, "grammar");

    l->cat->grammar = 1;
    if (!grammar || l->status != LM_OK) {
        return;
    }
    cat_at(l, "catalog");
    if (!json_is_integer(grammar) || json_integer_value(grammar) < 1 ||
        json_integer_value(grammar) > UINT32_MAX) {
        cat_bad(l, "这里应当是整数，且在允许的范围内",
                "a whole number within the allowed range is expected here", "grammar");
        return;
    }
    l->cat->grammar = (uint32_t)json_integer_value(grammar);
    if (l->cat->grammar > LM_CATALOG_GRAMMAR) {
        l->status = lm_fail(
            l->err, LM_ERR_VERSION, "newer_grammar", "grammar",
            "业务目录用的是新版格式 %u，本程序只认识到 %d，请先升级程序。",
            "The catalogue is in format %u and this program knows up to %d: upgrade it first.",
            (unsigned)l->cat->grammar, LM_CATALOG_GRAMMAR);
    }
}

static void keep_packed(struct cat_loader *l)
{
    struct lm_buf buf;
    uint8_t *copy;

    if (l->status != LM_OK) {
        return;
    }
    lm_buf_init(&buf, LM_CATALOG_PACKED_BYTES_MAX);
    l->status = lm_catalog_hash(l->files, l->n_files, l->cat->hash);
    if (l->status == LM_OK) {
        l->status = lm_catalog_pack(l->files, l->n_files, &buf);
    }
    if (l->status != LM_OK) {
        l->status = no_memory(l->err);
    }
    copy = cat_alloc(l, buf.len, 1);
    if (copy) {
        memcpy(copy, buf.data, buf.len);
        l->cat->packed = copy;
        l->cat->packed_len = buf.len;
    }
    lm_buf_free(&buf);
}

enum lm_status lm_catalog_load(const struct lm_catalog_file *files, size_t n_files,
                               struct lm_catalog **out, struct lm_error *err)
{
    struct cat_loader *l;
    enum lm_status st;
    size_t total = 0;

    *out = NULL;
    for (size_t i = 0; i < n_files; i++) {
        total += files[i].size < LM_CATALOG_BYTES_MAX ? files[i].size : LM_CATALOG_BYTES_MAX;
        if (total >= LM_CATALOG_BYTES_MAX || n_files > CAT_FILES_MAX ||
            strlen(files[i].name) > 100) {
            return lm_fail(err, LM_ERR_LIMIT, "too_large", "",
                           "业务目录太大（上限4 MiB，%d个文件）。",
                           "The catalogue is too large (limit 4 MiB in %d files).", CAT_FILES_MAX);
        }
    }
    l = calloc(1, sizeof(*l));
    if (l) {
        l->cat = calloc(1, sizeof(*l->cat));
    }
    if (!l || !l->cat) {
        free(l);
        return no_memory(err);
    }
    lm_arena_init(&l->cat->arena, CAT_ARENA_BYTES);
    l->err = err;
    l->files = files;
    l->n_files = n_files;
    parse_files(l);
    check_grammar(l);
    cat_read_lists(l);
    cat_read_types(l);
    if (l->status == LM_OK) {
        check_files(l);
        cat_check_types(l);
        cat_compile(l);
        cat_read_indicators(l);
        keep_packed(l);
    }
    st = l->status;
    for (size_t i = 0; i < n_files; i++) {
        json_decref((json_t *)(uintptr_t)l->roots[i]);
    }
    if (st == LM_OK) {
        *out = l->cat;
    } else {
        lm_catalog_destroy(&l->cat);
    }
    free(l);
    return st;
}

enum lm_status lm_catalog_load_embedded(struct lm_catalog **out, struct lm_error *err)
{
    size_t n;
    const struct lm_catalog_file *files = lm_catalog_embedded(&n);

    return lm_catalog_load(files, n, out, err);
}

void lm_catalog_destroy(struct lm_catalog **catalog)
{
    if (!catalog || !*catalog) {
        return;
    }
    lm_arena_free(&(*catalog)->arena);
    free(*catalog);
    *catalog = NULL;
}
