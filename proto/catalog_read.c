/* Strict reading of the catalogue's JSON: unknown keys, wrong kinds, empty texts and lengths are
 * failures that name file and place. Pure; texts are copied into the catalogue's arena. */
#include "proto/catalog_internal.h"

#include "common/base/util.h"

#include <stdio.h>
#include <string.h>

void cat_at(struct cat_loader *l, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    if (vsnprintf(l->place, sizeof(l->place), fmt, args) < 0) {
        l->place[0] = 0;
    }
    va_end(args);
}

static void fail(struct cat_loader *l, enum lm_status status, const char *code, const char *zh,
                 const char *en, const char *detail)
{
    const char *file = l->file ? l->file : "-";
    const char *open = detail ? " (" : "";
    const char *close = detail ? ")" : "";

    if (l->status != LM_OK) {
        return;
    }
    /* One argument list serves both languages: "%.0s" passes over the other one's text. */
    l->status = lm_fail(l->err, status, code, l->place, "业务目录 %s，%s：%s%.0s%s%s%s。",
                        "Catalogue %s, %s: %.0s%s%s%s%s.", file, l->place, zh, en, open,
                        detail ? detail : "", close);
}

void cat_bad(struct cat_loader *l, const char *zh, const char *en, const char *detail)
{
    fail(l, LM_ERR_INVALID, "bad_catalog", zh, en, detail);
}

/* A sentence without its full stop, which the sentence around it brings. */
static void drop_stop(char *text, const char *stop)
{
    size_t n = strlen(text);
    size_t m = strlen(stop);

    if (n >= m && strcmp(text + n - m, stop) == 0) {
        text[n - m] = 0;
    }
}

void cat_wrap(struct cat_loader *l, enum lm_status status, const struct lm_error *inner)
{
    struct lm_error words = *inner;

    drop_stop(words.zh, "。");
    drop_stop(words.en, ".");
    fail(l, status, status == LM_ERR_INVALID ? "bad_catalog" : words.code, words.zh, words.en,
         NULL);
}

void *cat_alloc(struct cat_loader *l, size_t n, size_t size)
{
    void *p;

    if (l->status != LM_OK) {
        return NULL;
    }
    if (size && n > CAT_ARENA_BYTES / size) {
        fail(l, LM_ERR_LIMIT, "too_large", "目录太大", "the catalogue is too large", NULL);
        return NULL;
    }
    p = lm_arena_alloc(&l->cat->arena, n * size);
    if (!p) {
        fail(l, LM_ERR_MEMORY, "memory", "内存不足", "out of memory", NULL);
    }
    return p;
}

bool cat_object(struct cat_loader *l, const json_t *obj, const char *const *keys)
{
    const char *key;
    json_t *value;

    if (l->status != LM_OK) {
        return false;
    }
    if (!json_is_object(obj)) {
        cat_bad(l, "这里应当是一个对象", "an object is expected here", NULL);
        return false;
    }
    json_object_foreach((json_t *)(uintptr_t)obj, key, value)
    {
        size_t i = 0;

        while (keys[i] && strcmp(keys[i], key) != 0) {
            i++;
        }
        if (!keys[i]) {
            cat_bad(l, "没有这个项目", "there is no such key", key);
            return false;
        }
    }
    return true;
}

/* The member, NULL when absent or null. */
static const json_t *member(struct cat_loader *l, const json_t *obj, const char *key, bool required)
{
    const json_t *v;

    if (l->status != LM_OK) {
        return NULL;
    }
    v = json_object_get(obj, key);
    if (json_is_null(v)) {
        v = NULL;
    }
    if (!v && required) {
        cat_bad(l, "缺少项目", "a key is missing", key);
    }
    return v;
}

static const char *copy_text(struct cat_loader *l, const json_t *v, const char *key, size_t max)
{
    size_t n;
    char *out;

    if (!json_is_string(v)) {
        cat_bad(l, "这里应当是文字", "a text is expected here", key);
        return NULL;
    }
    n = json_string_length(v);
    if (n == 0 || n > max || lm_utf8_has_control(json_string_value(v), n)) {
        cat_bad(l, "文字为空、太长或含有控制字符",
                "the text is empty, too long or holds control characters", key);
        return NULL;
    }
    out = cat_alloc(l, n + 1, 1);
    if (out) {
        memcpy(out, json_string_value(v), n);
    }
    return out;
}

const char *cat_text(struct cat_loader *l, const json_t *obj, const char *key, bool required,
                     size_t max)
{
    const json_t *v = member(l, obj, key, required);

    return v ? copy_text(l, v, key, max) : NULL;
}

static bool name_valid(const char *name)
{
    size_t n = strlen(name);

    if (n > CAT_NAME_MAX || !(name[0] >= 'a' && name[0] <= 'z')) {
        return false;
    }
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

const char *cat_name(struct cat_loader *l, const json_t *obj, const char *key)
{
    const char *name = cat_text(l, obj, key, true, CAT_NAME_MAX);

    if (name && !name_valid(name)) {
        cat_bad(l, "名称只能用小写字母、数字和下划线，以字母开头",
                "a name takes lower-case letters, digits and underscores and begins with a letter",
                name);
        return NULL;
    }
    return name;
}

void cat_labels(struct cat_loader *l, const json_t *obj, const char **zh, const char **en)
{
    *zh = cat_text(l, obj, "zh", true, CAT_LABEL_MAX);
    *en = cat_text(l, obj, "en", true, CAT_LABEL_MAX);
}

bool cat_flag(struct cat_loader *l, const json_t *obj, const char *key, bool otherwise)
{
    const json_t *v = member(l, obj, key, false);

    if (!v) {
        return otherwise;
    }
    if (!json_is_boolean(v)) {
        cat_bad(l, "这里应当是 true 或 false", "true or false is expected here", key);
        return otherwise;
    }
    return json_is_true(v);
}

int64_t cat_int(struct cat_loader *l, const json_t *obj, const char *key, int64_t min, int64_t max,
                int64_t otherwise)
{
    const json_t *v = member(l, obj, key, false);

    if (!v) {
        return otherwise;
    }
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max) {
        cat_bad(l, "这里应当是整数，且在允许的范围内",
                "a whole number within the allowed range is expected here", key);
        return otherwise;
    }
    return json_integer_value(v);
}

const json_t *cat_array(struct cat_loader *l, const json_t *obj, const char *key, bool required,
                        size_t max)
{
    const json_t *v = member(l, obj, key, required);

    if (!v) {
        return NULL;
    }
    if (!json_is_array(v)) {
        cat_bad(l, "这里应当是一个数组", "an array is expected here", key);
        return NULL;
    }
    if (json_array_size(v) > max) {
        fail(l, LM_ERR_LIMIT, "too_many", "项目太多", "there are too many entries", key);
        return NULL;
    }
    return v;
}

const char **cat_texts(struct cat_loader *l, const json_t *obj, const char *key, bool required,
                       size_t *n_out)
{
    const json_t *array = cat_array(l, obj, key, required, CAT_CODES_MAX);
    size_t n = json_array_size(array);
    const char **out;

    *n_out = 0;
    if (!array) {
        return NULL;
    }
    out = cat_alloc(l, n + 1, sizeof(*out));
    for (size_t i = 0; out && i < n; i++) {
        out[i] = copy_text(l, json_array_get(array, i), key, CAT_LABEL_MAX);
        for (size_t k = 0; out[i] && k < i; k++) {
            if (strcmp(out[i], out[k]) == 0) {
                cat_bad(l, "重复", "it is named twice", out[i]);
            }
        }
        if (l->status != LM_OK) {
            return NULL;
        }
    }
    *n_out = out ? n : 0;
    return out;
}

static int word_of(struct cat_loader *l, const char *text, const char *const *words)
{
    for (int i = 0; text && words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            return i;
        }
    }
    if (text) {
        cat_bad(l, "没有这个取值", "there is no such choice", text);
    }
    return -1;
}

int cat_word(struct cat_loader *l, const json_t *obj, const char *key, const char *const *words,
             int otherwise)
{
    const char *text = cat_text(l, obj, key, otherwise < 0, CAT_LABEL_MAX);
    int found = word_of(l, text, words);

    if (found < 0) {
        return otherwise < 0 ? 0 : otherwise;
    }
    return found;
}

unsigned cat_authors(struct cat_loader *l, const json_t *obj, const char *key)
{
    static const char *const words[] = {"village", "town", "system", NULL};
    static const unsigned bits[] = {LM_BY_VILLAGE, LM_BY_TOWN, LM_BY_SYSTEM};
    unsigned mask = 0;
    size_t n;
    const char **texts = cat_texts(l, obj, key, true, &n);

    for (size_t i = 0; texts && i < n; i++) {
        int found = word_of(l, texts[i], words);

        mask |= found < 0 ? 0 : bits[found];
    }
    if (l->status == LM_OK && !mask) {
        cat_bad(l, "没有写明由谁操作", "nobody is named", key);
    }
    return mask;
}
