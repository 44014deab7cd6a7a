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
    text = doc ? json_dumps(doc, JSON_INDENT(2)) : NULL;
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
    randombytes_buf(out->sign_seed, sizeof out->sign_seed);
    randombytes_buf(out->dup_key, sizeof out->dup_key);
    derive(out);
    status = write_keys(path, out, err);
    if (status != LM_OK) {
        lm_hub_keys_wipe(out);
    }
    return status;
}

enum lm_status lm_hub_keys_load(const struct lm_datadir *dir, struct lm_hub_keys *out,
                                struct lm_error *err)
{
    char path[PATH_MAX], id[33];
    const char *public_key, *secret_key, *seed, *dup, *stored_id;
    char *text = NULL;
    size_t n = 0;
    json_t *doc = NULL;
    uint8_t derived[32];
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
    public_key = json_string_value(json_object_get(doc, "curve_public"));
    secret_key = json_string_value(json_object_get(doc, "curve_secret"));
    seed = json_string_value(json_object_get(doc, "sign_seed"));
    dup = json_string_value(json_object_get(doc, "dup_key"));
    stored_id = json_string_value(json_object_get(doc, "hub_id"));
    status = LM_OK;
    if (!public_key || !secret_key || !seed || !dup || !stored_id ||
        !lm_key_from_z85(public_key, out->curve.public_key) ||
        !lm_key_from_z85(secret_key, out->curve.secret_key) ||
        !lm_hex_decode(seed, out->sign_seed, 32) || !lm_hex_decode(dup, out->dup_key, 32)) {
        status = not_a_key(err, path);
    } else {
        derive(out);
        lm_hex_encode(out->hub_id, 16, id);
        (void)crypto_scalarmult_base(derived, out->curve.secret_key);
        if (strcmp(id, stored_id) != 0 || memcmp(derived, out->curve.public_key, 32) != 0) {
            status = not_a_key(err, path);
        }
    }
    json_decref(doc);
    if (status != LM_OK) {
        lm_hub_keys_wipe(out);
    }
    return status;
}

void lm_hub_keys_wipe(struct lm_hub_keys *keys)
{
    if (keys) {
        sodium_memzero(keys, sizeof *keys);
    }
}
