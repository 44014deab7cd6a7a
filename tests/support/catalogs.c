#include "tests/support/catalogs.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void copy_init(struct copy *c)
{
    const struct lm_catalog_file *files = lm_catalog_embedded(&c->n);

    memset(c->owned, 0, sizeof(c->owned));
    assert_true(c->n < FILES_MAX - 1);
    memcpy(c->files, files, c->n * sizeof(*files));
}

void copy_free(struct copy *c)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        free(c->owned[i]);
    }
}

size_t copy_find(const struct copy *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->files[i].name, name) == 0) {
            return i;
        }
    }
    fail_msg("no file %s", name);
    return 0;
}

void copy_put(struct copy *c, size_t i, const char *name, char *text)
{
    free(c->owned[i]);
    c->owned[i] = text;
    c->files[i] = (struct lm_catalog_file){name, text, strlen(text)};
}

/* One step of a path: a key, a number, or "key=value[,key=value]" that picks the first such element
 * of an array. */
static bool element_fits(const json_t *item, const char *step)
{
    char buf[128];
    char *save = NULL;

    assert_true(strlen(step) < sizeof(buf));
    strcpy(buf, step);
    for (char *part = strtok_r(buf, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(part, '=');
        const char *have;

        assert_non_null(equals);
        *equals = 0;
        have = json_string_value(json_object_get(item, part));
        if (!have || strcmp(have, equals + 1) != 0) {
            return false;
        }
    }
    return true;
}

static size_t element_index(const json_t *array, const char *step)
{
    size_t i = 0;

    if (!strchr(step, '=')) {
        return (size_t)atoi(step);
    }
    while (i < json_array_size(array) && !element_fits(json_array_get(array, i), step)) {
        i++;
    }
    if (i == json_array_size(array)) {
        fail_msg("no element %s", step);
    }
    return i;
}

static void edit_json(json_t *root, const char *path, enum op op, const char *value)
{
    json_t *at = root;
    json_t *made = value ? json_loads(value, JSON_DECODE_ANY, NULL) : NULL;
    char buf[256];
    char *save = NULL;
    char *step, *next;

    assert_true(!value || made);
    assert_true(strlen(path) < sizeof(buf));
    strcpy(buf, path);
    step = strtok_r(buf, "/", &save);
    while (step && (next = strtok_r(NULL, "/", &save))) {
        at = json_is_array(at) ? json_array_get(at, element_index(at, step))
                               : json_object_get(at, step);
        assert_non_null(at);
        step = next;
    }
    if (op == APPEND) {
        at = json_is_array(at) ? json_array_get(at, element_index(at, step))
                               : json_object_get(at, step);
        assert_int_equal(json_array_append_new(at, made), 0);
    } else if (json_is_array(at)) {
        size_t i = element_index(at, step);

        assert_int_equal(op == DELETE ? json_array_remove(at, i) : json_array_set_new(at, i, made),
                         0);
    } else {
        assert_int_equal(
            op == DELETE ? json_object_del(at, step) : json_object_set_new(at, step, made), 0);
    }
}

void copy_edit(struct copy *c, const char *file, const char *path, enum op op, const char *value)
{
    size_t i;
    json_t *root;
    json_error_t error;

    if (op == ADD_FILE) {
        copy_put(c, c->n++, file, strdup(value));
        return;
    }
    i = copy_find(c, file);
    if (op == DROP_FILE) {
        free(c->owned[i]);
        c->n--;
        c->files[i] = c->files[c->n];
        c->owned[i] = c->owned[c->n];
        c->owned[c->n] = NULL;
        return;
    }
    if (op == RAW) {
        copy_put(c, i, file, strdup(value));
        return;
    }
    root = json_loadb(c->files[i].data, c->files[i].size, 0, &error);
    assert_non_null(root);
    edit_json(root, path, op, value);
    copy_put(c, i, file, json_dumps(root, 0));
    json_decref(root);
}

/* A new type of the shape of facility. */
static void add_drill(struct copy *c)
{
    size_t i = copy_find(c, "types/facility.json");
    json_t *root = json_loadb(c->files[i].data, c->files[i].size, 0, NULL);

    assert_non_null(root);
    json_object_set_new(root, "name", json_string("drill"));
    json_object_set_new(root, "zh", json_string("演练"));
    json_object_set_new(root, "en", json_string("Drill"));
    copy_put(c, c->n++, "types/drill.json", json_dumps(root, 0));
    json_decref(root);
    copy_edit(c, "catalog.json", "/types", APPEND, "\"drill\"");
}

static struct lm_catalog *load(struct copy *c, uint32_t number)
{
    char text[16];
    struct lm_catalog *out = NULL;
    struct lm_error err = {0};

    (void)snprintf(text, sizeof text, "%u", (unsigned)number);
    copy_edit(c, "catalog.json", "/number", SET, text);
    if (lm_catalog_load(c->files, c->n, &out, &err) != LM_OK) {
        fail_msg("%s: %s", err.field, err.en);
    }
    copy_free(c);
    return out;
}

struct lm_catalog *catalog_edited(uint32_t number, const struct edit *edits, size_t n)
{
    struct copy c;

    copy_init(&c);
    for (size_t i = 0; i < n; i++) {
        copy_edit(&c, edits[i].file, edits[i].path, edits[i].op, edits[i].value);
    }
    return load(&c, number);
}

#define CONSULTATION "types/consultation.json"

static void edit_next(struct copy *c)
{
    copy_edit(
        c, CONSULTATION, "/fields", APPEND,
        "{\"name\":\"mood\",\"zh\":\"情绪\",\"en\":\"Mood\",\"type\":\"text\",\"max_chars\":40,"
        "\"sensitivity\":0,\"edit_by\":[\"village\",\"town\"]}");
    copy_edit(c, CONSULTATION, "/fields", APPEND,
              "{\"name\":\"urgency\",\"zh\":\"缓急\",\"en\":\"Urgency\",\"type\":\"code\","
              "\"codes\":\"urgency\","
              "\"required\":true,\"sensitivity\":0,\"edit_by\":[\"village\",\"town\"]}");
    copy_edit(c, CONSULTATION, "/fields/name=reception_id/retired", SET, "true");
    copy_edit(c, "lists.json", "/lists", APPEND,
              "{\"name\":\"urgency\",\"codes\":[{\"code\":\"low\",\"zh\":\"缓\",\"en\":\"low\"},"
              "{\"code\":\"high\",\"zh\":\"急\",\"en\":\"high\"}]}");
    copy_edit(c, "lists.json", "/lists/name=channel/codes", APPEND,
              "{\"code\":\"pigeon\",\"zh\":\"飞鸽\",\"en\":\"pigeon\"}");
    copy_edit(c, "lists.json", "/lists/name=channel/codes/code=im/retired", SET, "true");
    add_drill(c);
}

struct lm_catalog *catalog_next(void)
{
    struct copy c;

    copy_init(&c);
    edit_next(&c);
    return load(&c, CATALOG_NEXT);
}

struct lm_catalog *catalog_after(void)
{
    struct copy c;

    copy_init(&c);
    edit_next(&c);
    copy_edit(&c, CONSULTATION, "/fields", APPEND,
              "{\"name\":\"weather\",\"zh\":\"天气\",\"en\":\"Weather\",\"type\":\"text\",\"max_"
              "chars\":20,"
              "\"sensitivity\":0,\"edit_by\":[\"village\",\"town\"]}");
    return load(&c, CATALOG_AFTER);
}

struct lm_catalog *catalog_published(uint32_t number)
{
    static uint8_t packed[LM_CATALOG_PACKED_BYTES_MAX];
    struct lm_catalog *out = NULL;
    struct lm_error err = {0};
    char path[512];
    size_t n;
    FILE *file;

    (void)snprintf(path, sizeof path, LM_SOURCE_DIR "/tests/golden/catalog-%u.packed",
                   (unsigned)number);
    file = fopen(path, "rb");
    assert_non_null(file);
    n = fread(packed, 1, sizeof packed, file);
    (void)fclose(file);
    if (lm_catalog_load_packed(packed, n, &out, &err) != LM_OK) {
        fail_msg("%s: %s", path, err.en);
    }
    assert_int_equal(out->number, number);
    return out;
}
