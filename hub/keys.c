/* The hub's key file. Made once, read at every start; secrets leave memory when they are no longer
 * needed. */
#include "hub/keys.h"

#include "common/base/util.h"

#include <jansson.h>
#include <limits.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_FILE "hub.key"
#define KEY_FILE_BYTES_MAX 8192

static enum lm_status not_a_key(struct lm_error *err, const char *path)
{
    return lm_fail(err, LM_ERR_CORRUPT, "bad_key_file", "", "密钥文件 %s 已损坏，请从备份恢复它",
                   "The key file %s is damaged: restore it from its backup", path);
}

static void derive(struct lm_hub_keys *keys)
{
    (void)crypto_sign_seed_keypair(keys->sign_public, keys->sign_secret, keys->sign_seed);
    lm_hub_id_of(keys->sign_public, keys->hub_id);
}

/* A pair as members "public" and "secret" of an object of its own; NULL without memory. */
static json_t *pair_json(const struct lm_keypair *pair)
{
    char public_key[LM_KEY_Z85], secret_key[LM_KEY_Z85];
    json_t *doc = NULL;

    if (lm_key_to_z85(pair->public_key, public_key) &&
        lm_key_to_z85(pair->secret_key, secret_key)) {
        doc = json_pack("{s:s,s:s}", "public", public_key, "secret", secret_key);
    }
    sodium_memzero(secret_key, sizeof secret_key);
    return doc;
}

static bool add_others(json_t *doc, const struct lm_hub_keys *keys)
{
    json_t *old, *row;
    bool ok = json_object_set_new(doc, "number", json_integer(keys->number)) == 0 &&
              json_object_set_new(doc, "since_ms", json_integer(keys->since_ms)) == 0;

    if (ok && keys->has_next) {
        row = pair_json(&keys->next);
        ok = row && json_object_set_new(row, "made_ms", json_integer(keys->next_ms)) == 0 &&
             json_object_set(doc, "next", row) == 0;
        json_decref(row);
    }
    if (!ok || keys->n_old == 0) {
        return ok;
    }
    old = json_array();
    for (size_t i = 0; i < keys->n_old && ok; i++) {
        row = pair_json(&keys->old[i].pair);
        ok = row &&
             json_object_set_new(row, "until_ms", json_integer(keys->old[i].until_ms)) == 0 &&
             json_array_append(old, row) == 0;
        json_decref(row);
    }
    return json_object_set_new(doc, "old", old) == 0 && ok;
}

static enum lm_status write_keys(const char *path, const struct lm_hub_keys *keys,
                                 struct lm_error *err)
{
    char public_key[LM_KEY_Z85], secret_key[LM_KEY_Z85], seed[65], dup[65], id[33];
    char *text = NULL;
    json_t *doc;
    enum lm_status status;

    if (!lm_key_to_z85(keys->curve.public_key, public_key) ||
        !lm_key_to_z85(keys->curve.secret_key, secret_key)) {
        return LM_ERR_INTERNAL;
    }
    lm_hex_encode(keys->sign_seed, 32, seed);
    lm_hex_encode(keys->dup_key, 32, dup);
    lm_hex_encode(keys->hub_id, 16, id);
    doc =
        json_pack("{s:i,s:s,s:s,s:s,s:s,s:s}", "lastmile_hub_key", 1, "hub_id", id, "curve_public",
                  public_key, "curve_secret", secret_key, "sign_seed", seed, "dup_key", dup);
    text = doc && add_others(doc, keys) ? json_dumps(doc, JSON_INDENT(2)) : NULL;
    status = text ? lm_file_write(path, text, strlen(text), 0600, err) : LM_ERR_MEMORY;
    if (text) {
        sodium_memzero(text, strlen(text));
        free(text);
    }
    json_decref(doc);
    sodium_memzero(secret_key, sizeof secret_key);
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(dup, sizeof dup);
    return status;
}

enum lm_status lm_hub_keys_make(const struct lm_datadir *dir, struct lm_hub_keys *out,
                                struct lm_error *err)
{
    char path[PATH_MAX];
    enum lm_status status = lm_datadir_path(dir, KEY_FILE, path, sizeof path);

    memset(out, 0, sizeof *out);
    if (status != LM_OK) {
        return lm_fail(err, status, "path_too_long", "", "数据目录的路径太长",
                       "The data directory's path is too long");
    }
    if (sodium_init() < 0) {
        return lm_fail(err, LM_ERR_INTERNAL, "no_random", "", "系统没有可用的随机数",
                       "The system gives no random numbers");
    }
    if (access(path, F_OK) == 0) {
        return lm_fail(err, LM_ERR_EXISTS, "key_exists", "", "密钥文件 %s 已存在，不会被覆盖",
                       "The key file %s is there already and is not overwritten", path);
    }
    lm_keypair_make(&out->curve);
    out->number = 1;
    randombytes_buf(out->sign_seed, sizeof out->sign_seed);
    randombytes_buf(out->dup_key, sizeof out->dup_key);
    derive(out);
    status = write_keys(path, out, err);
    if (status != LM_OK) {
        lm_hub_keys_wipe(out);
    }
    return status;
}

/* The secret half must make the public one. */
static bool pair_fits(const struct lm_keypair *pair)
{
    uint8_t derived[LM_KEY_BYTES];

    return crypto_scalarmult_base(derived, pair->secret_key) == 0 &&
           memcmp(derived, pair->public_key, sizeof derived) == 0;
}

static bool read_pair(const json_t *row, const char *public_name, const char *secret_name,
                      struct lm_keypair *out)
{
    const char *public_key = json_string_value(json_object_get(row, public_name));
    const char *secret_key = json_string_value(json_object_get(row, secret_name));

    return public_key && secret_key && lm_key_from_z85(public_key, out->public_key) &&
           lm_key_from_z85(secret_key, out->secret_key) && pair_fits(out);
}

/* What files from before there were next keys have not. */
static bool read_others(const json_t *doc, struct lm_hub_keys *out)
{
    const json_t *number = json_object_get(doc, "number"), *next = json_object_get(doc, "next"),
                 *old = json_object_get(doc, "old");
    json_int_t n = number ? json_integer_value(number) : 1;

    if (n < 1 || n > INT32_MAX || (old && !json_is_array(old)) ||
        json_array_size(old) > LM_HUB_KEYS_OLD_MAX) {
        return false;
    }
    out->number = (uint32_t)n;
    out->since_ms = json_integer_value(json_object_get(doc, "since_ms"));
    out->has_next = next != NULL;
    if (next && !read_pair(next, "public", "secret", &out->next)) {
        return false;
    }
    out->next_ms = json_integer_value(json_object_get(next, "made_ms"));
    for (size_t i = 0; i < json_array_size(old); i++) {
        const json_t *row = json_array_get(old, i);

        if (!read_pair(row, "public", "secret", &out->old[i].pair)) {
            return false;
        }
        out->old[i].until_ms = json_integer_value(json_object_get(row, "until_ms"));
    }
    out->n_old = json_array_size(old);
    return true;
}

enum lm_status lm_hub_keys_load(const struct lm_datadir *dir, struct lm_hub_keys *out,
                                struct lm_error *err)
{
    char path[PATH_MAX], id[33];
    const char *seed, *dup, *stored_id;
    char *text = NULL;
    size_t n = 0;
    json_t *doc = NULL;
    enum lm_status status = lm_datadir_path(dir, KEY_FILE, path, sizeof path);

    memset(out, 0, sizeof *out);
    if (status != LM_OK) {
        return lm_fail(err, status, "path_too_long", "", "数据目录的路径太长",
                       "The data directory's path is too long");
    }
    status = lm_file_read(path, KEY_FILE_BYTES_MAX, &text, &n, err);
    if (status == LM_ERR_NOT_FOUND) {
        return lm_fail(err, status, "no_key_file", "", "没有密钥文件 %s，请从备份恢复它",
                       "There is no key file %s: restore it from its backup", path);
    }
    if (status == LM_ERR_LIMIT) {
        return not_a_key(err, path);
    }
    if (status != LM_OK) {
        return status;
    }
    doc = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    sodium_memzero(text, n);
    free(text);
    seed = json_string_value(json_object_get(doc, "sign_seed"));
    dup = json_string_value(json_object_get(doc, "dup_key"));
    stored_id = json_string_value(json_object_get(doc, "hub_id"));
    status = LM_OK;
    if (!seed || !dup || !stored_id ||
        !read_pair(doc, "curve_public", "curve_secret", &out->curve) || !read_others(doc, out) ||
        !lm_hex_decode(seed, out->sign_seed, 32) || !lm_hex_decode(dup, out->dup_key, 32)) {
        status = not_a_key(err, path);
    } else {
        derive(out);
        lm_hex_encode(out->hub_id, 16, id);
        if (strcmp(id, stored_id) != 0) {
            status = not_a_key(err, path);
        }
    }
    json_decref(doc);
    if (status != LM_OK) {
        lm_hub_keys_wipe(out);
    }
    return status;
}

/* ---- change ---- */

/* Puts `after` in the file and in *keys. A write that failed may have been done all the same (the
 * rename, and not the directory's fsync): *keys follows what is there. */
static enum lm_status replace(const struct lm_datadir *dir, struct lm_hub_keys *keys,
                              struct lm_hub_keys *after, struct lm_error *err)
{
    char path[PATH_MAX];
    struct lm_hub_keys there;
    enum lm_status status = lm_datadir_path(dir, KEY_FILE, path, sizeof path);

    if (status != LM_OK) {
        status = lm_fail(err, status, "path_too_long", "", "数据目录的路径太长",
                         "The data directory's path is too long");
    } else {
        status = write_keys(path, after, err);
    }
    if (status == LM_OK) {
        *keys = *after;
    } else if (lm_hub_keys_load(dir, &there, NULL) == LM_OK) {
        *keys = there;
        lm_hub_keys_wipe(&there);
    }
    lm_hub_keys_wipe(after);
    return status;
}

static enum lm_status no_next(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_NOT_FOUND, "no_next_key", "",
                   "还没有预告下一把密钥，请先运行 lastmile-hub key next",
                   "no next key is announced: run `lastmile-hub key next` first");
}

enum lm_status lm_hub_keys_next(const struct lm_datadir *dir, struct lm_hub_keys *keys,
                                int64_t now_ms, struct lm_error *err)
{
    struct lm_hub_keys after = *keys;

    if (keys->has_next) {
        lm_hub_keys_wipe(&after);
        return lm_fail(err, LM_ERR_EXISTS, "next_key_exists", "",
                       "已经预告了下一把密钥：key switch 启用它，key withdraw 撤回它",
                       "a next key is announced already: `key switch` takes it into use, `key "
                       "withdraw` withdraws it");
    }
    lm_keypair_make(&after.next);
    after.has_next = true;
    after.next_ms = now_ms;
    return replace(dir, keys, &after, err);
}

enum lm_status lm_hub_keys_withdraw(const struct lm_datadir *dir, struct lm_hub_keys *keys,
                                    struct lm_error *err)
{
    struct lm_hub_keys after = *keys;

    if (!keys->has_next) {
        lm_hub_keys_wipe(&after);
        return no_next(err);
    }
    after.has_next = false;
    after.next_ms = 0;
    sodium_memzero(&after.next, sizeof after.next);
    return replace(dir, keys, &after, err);
}

enum lm_status lm_hub_keys_switch(const struct lm_datadir *dir, struct lm_hub_keys *keys,
                                  bool keep_old, int64_t now_ms, struct lm_error *err)
{
    struct lm_hub_keys after = *keys;

    if (!keys->has_next) {
        lm_hub_keys_wipe(&after);
        return no_next(err);
    }
    sodium_memzero(after.old, sizeof after.old);
    after.n_old = 0;
    if (keep_old) {
        after.old[after.n_old++] =
            (struct lm_hub_old_key){.pair = keys->curve, .until_ms = now_ms + LM_HUB_KEYS_OLD_MS};
        for (size_t i = 0; i < keys->n_old && after.n_old < LM_HUB_KEYS_OLD_MAX; i++) {
            if (keys->old[i].until_ms > now_ms) {
                after.old[after.n_old++] = keys->old[i];
            }
        }
    }
    after.curve = keys->next;
    after.number++;
    after.since_ms = now_ms;
    after.has_next = false;
    after.next_ms = 0;
    sodium_memzero(&after.next, sizeof after.next);
    return replace(dir, keys, &after, err);
}

enum lm_status lm_hub_keys_forget(const struct lm_datadir *dir, struct lm_hub_keys *keys,
                                  size_t *n_out, struct lm_error *err)
{
    struct lm_hub_keys after = *keys;

    *n_out = keys->n_old;
    sodium_memzero(after.old, sizeof after.old);
    after.n_old = 0;
    return replace(dir, keys, &after, err);
}

void lm_hub_keys_wipe(struct lm_hub_keys *keys)
{
    if (keys) {
        sodium_memzero(keys, sizeof *keys);
    }
}
