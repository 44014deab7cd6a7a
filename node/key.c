/* Reading and writing node.key. The certificate is checked at every load: a file put together from
 * two is found out. */
#include "node/key.h"

#include "common/base/util.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "node.key"
#define NEW_FILE_NAME "node.key.new"
#define FILE_BYTES_MAX 32768

/* A database without its key speaks for nobody, and a new key beside it would not fit. But another
 * folder's enrolment takes it over like any backup, with what it has not sent. */
static enum lm_status damaged(struct lm_error *err, const struct lm_datadir *dir, const char *path)
{
    if (!lm_node_has_database(dir)) {
        return lm_fail(err, LM_ERR_CORRUPT, "bad_key_file", "",
                       "密钥文件 %s 已损坏。请镇里另发入网文件，登记到一个新文件夹。",
                       "The key file %s is damaged: ask the town for a new kit, and enrol into a "
                       "new folder.",
                       path);
    }
    return lm_fail(
        err, LM_ERR_CORRUPT, "bad_key_file", "",
        "密钥文件已损坏，数据还在，没上报的也在。请镇里另发入网文件，登记到新文件夹，再运行 "
        "lastmile-node restore %s/node.db --data 新文件夹",
        "The key file is damaged; the data are there, also what is unsent. With a new "
        "kit enrol into a new folder, then run `lastmile-node restore %s/node.db --data "
        "NEWFOLDER`.",
        dir->path);
}

static enum lm_status not_enrolled(struct lm_error *err, const char *dir)
{
    return lm_fail(err, LM_ERR_NOT_FOUND, "not_enrolled", "",
                   "数据目录 %s 还没有入网，请先运行 lastmile-node enrol。",
                   "%s is not enrolled yet: run `lastmile-node enrol KIT` first.", dir);
}

static enum lm_status no_key(struct lm_error *err, const struct lm_datadir *dir)
{
    if (!lm_node_has_database(dir)) {
        return not_enrolled(err, dir->path);
    }
    return lm_fail(
        err, LM_ERR_CORRUPT, "key_lost", "",
        "密钥文件 node.key 不见了，数据还在，没上报的也在。请镇里另发入网文件，登记到新文件夹，"
        "再运行 lastmile-node restore %s/node.db --data 新文件夹",
        "The key file node.key is gone; the data are there, also what is unsent. With a "
        "new kit enrol into a new folder, then run `lastmile-node restore %s/node.db "
        "--data NEWFOLDER`.",
        dir->path);
}

bool lm_node_has_database(const struct lm_datadir *dir)
{
    char path[PATH_MAX];
    struct stat info;

    return lm_datadir_path(dir, "node.db", path, sizeof path) == LM_OK && stat(path, &info) == 0 &&
           info.st_size > 0;
}

static bool get_text(const json_t *doc, const char *name, char *out, size_t n)
{
    const char *text = json_string_value(json_object_get(doc, name));

    if (!text || !text[0] || strlen(text) >= n) {
        return false;
    }
    memcpy(out, text, strlen(text) + 1);
    return true;
}

static bool get_key(const json_t *doc, const char *name, uint8_t out[LM_KEY_BYTES])
{
    const char *text = json_string_value(json_object_get(doc, name));

    return text && strlen(text) == LM_Z85_KEY_CHARS && lm_key_from_z85(text, out);
}

static bool get_hex(const json_t *doc, const char *name, uint8_t *out, size_t n)
{
    const char *text = json_string_value(json_object_get(doc, name));

    return text && lm_hex_decode(text, out, n);
}

/* The secret half must make the public one. */
static bool pair_fits(const struct lm_keypair *pair)
{
    uint8_t derived[LM_KEY_BYTES];

    return crypto_scalarmult_base(derived, pair->secret_key) == 0 &&
           memcmp(derived, pair->public_key, sizeof derived) == 0;
}

static bool read_certificate(const json_t *doc, struct lm_node_key *key)
{
    const char *text = json_string_value(json_object_get(doc, "certificate"));
    size_t n = text ? strlen(text) / 2 : 0;
    struct lm_certificate certificate;

    if (n == 0 || n > sizeof key->certificate || !lm_hex_decode(text, key->certificate, n) ||
        lm_certificate_check(key->certificate, n, key->hub_sign_key, &certificate, NULL) != LM_OK ||
        memcmp(certificate.public_key, key->own.public_key, LM_KEY_BYTES) != 0 ||
        strcmp(certificate.station, key->station) != 0) {
        return false;
    }
    key->certificate_len = n;
    key->replica = certificate.replica;
    return true;
}

static bool read_document(const json_t *doc, struct lm_node_key *key)
{
    uint8_t id[16];

    if (!get_key(doc, "public_key", key->own.public_key) ||
        !get_key(doc, "secret_key", key->own.secret_key) ||
        !get_key(doc, "hub_public_key", key->hub_public_key) ||
        !get_hex(doc, "hub_id", key->hub_id, 16) ||
        !get_hex(doc, "hub_sign_key", key->hub_sign_key, LM_SIGN_PUBLIC_BYTES) ||
        !get_text(doc, "endpoint", key->endpoint, sizeof key->endpoint) ||
        !get_text(doc, "town", key->town, sizeof key->town) ||
        !get_text(doc, "station", key->station, sizeof key->station) ||
        !get_text(doc, "level", key->level, sizeof key->level) ||
        !get_text(doc, "station_name", key->station_name, sizeof key->station_name) ||
        !get_key(doc, "kit_public_key", key->kit_public_key) || !pair_fits(&key->own)) {
        return false;
    }
    lm_hub_id_of(key->hub_sign_key, id);
    if (memcmp(id, key->hub_id, sizeof id) != 0) {
        return false;
    }
    key->enrolled = json_object_get(doc, "certificate") != NULL;
    if (key->enrolled) {
        return read_certificate(doc, key);
    }
    memcpy(key->kit.public_key, key->kit_public_key, LM_KEY_BYTES);
    return get_key(doc, "kit_secret_key", key->kit.secret_key) &&
           get_hex(doc, "nonce", key->nonce, 16) && pair_fits(&key->kit);
}

static enum lm_status load(const struct lm_datadir *dir, const char *name, struct lm_node_key *out,
                           struct lm_error *err)
{
    char path[PATH_MAX], *text = NULL;
    size_t n = 0;
    json_t *doc;
    enum lm_status st = lm_datadir_path(dir, name, path, sizeof path);

    memset(out, 0, sizeof *out);
    if (st != LM_OK) {
        return lm_fail(err, st, "path_too_long", "", "数据目录的路径太长。",
                       "The data directory's path is too long.");
    }
    st = lm_file_read(path, FILE_BYTES_MAX, &text, &n, err);
    if (st == LM_ERR_NOT_FOUND) {
        return no_key(err, dir);
    }
    if (st != LM_OK) {
        return st == LM_ERR_LIMIT ? damaged(err, dir, path) : st;
    }
    doc = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    sodium_memzero(text, n);
    free(text);
    st = json_is_object(doc) && read_document(doc, out) ? LM_OK : damaged(err, dir, path);
    json_decref(doc);
    if (st != LM_OK) {
        lm_node_key_wipe(out);
    }
    return st;
}

enum lm_status lm_node_key_load(const struct lm_datadir *dir, struct lm_node_key *out,
                                struct lm_error *err)
{
    return load(dir, FILE_NAME, out, err);
}

enum lm_status lm_node_key_load_new(const struct lm_datadir *dir, struct lm_node_key *out,
                                    struct lm_error *err)
{
    return load(dir, NEW_FILE_NAME, out, err);
}

enum lm_status lm_node_key_enrolled(const struct lm_datadir *dir, struct lm_node_key *out,
                                    struct lm_error *err)
{
    enum lm_status st = lm_node_key_load(dir, out, err);

    if (st == LM_OK && !out->enrolled) {
        lm_node_key_wipe(out);
        st = not_enrolled(err, dir->path);
    }
    return st;
}

static bool set_key(json_t *doc, const char *name, const uint8_t key[LM_KEY_BYTES])
{
    char text[LM_KEY_Z85];
    bool ok = lm_key_to_z85(key, text) && json_object_set_new(doc, name, json_string(text)) == 0;

    sodium_memzero(text, sizeof text);
    return ok;
}

static bool set_hex(json_t *doc, const char *name, const uint8_t *data, size_t n)
{
    char text[2 * LM_CERTIFICATE_BYTES_MAX + 1];

    lm_hex_encode(data, n, text);
    return json_object_set_new(doc, name, json_string(text)) == 0;
}

static json_t *make_document(const struct lm_node_key *key)
{
    json_t *doc = json_pack("{s:i,s:s,s:s,s:s,s:s,s:s}", "lastmile_node_key", 1, "town", key->town,
                            "endpoint", key->endpoint, "station", key->station, "level", key->level,
                            "station_name", key->station_name);
    bool ok = doc && set_key(doc, "public_key", key->own.public_key) &&
              set_key(doc, "secret_key", key->own.secret_key) &&
              set_key(doc, "hub_public_key", key->hub_public_key) &&
              set_hex(doc, "hub_id", key->hub_id, sizeof key->hub_id) &&
              set_hex(doc, "hub_sign_key", key->hub_sign_key, sizeof key->hub_sign_key) &&
              set_key(doc, "kit_public_key", key->kit_public_key);

    if (ok && key->enrolled) {
        ok = set_hex(doc, "certificate", key->certificate, key->certificate_len);
    } else if (ok) {
        ok = set_key(doc, "kit_secret_key", key->kit.secret_key) &&
             set_hex(doc, "nonce", key->nonce, sizeof key->nonce);
    }
    if (!ok) {
        json_decref(doc);
        doc = NULL;
    }
    return doc;
}

static enum lm_status save(const struct lm_datadir *dir, const char *name,
                           const struct lm_node_key *key, struct lm_error *err)
{
    char path[PATH_MAX];
    json_t *doc = make_document(key);
    char *text = doc ? json_dumps(doc, JSON_INDENT(2)) : NULL;
    enum lm_status st = lm_datadir_path(dir, name, path, sizeof path);

    if (st != LM_OK) {
        st = lm_fail(err, st, "path_too_long", "", "数据目录的路径太长。",
                     "The data directory's path is too long.");
    } else if (!text) {
        st = lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
    } else {
        st = lm_file_write(path, text, strlen(text), 0600, err);
    }
    if (text) {
        sodium_memzero(text, strlen(text));
        free(text);
    }
    json_decref(doc);
    return st;
}

enum lm_status lm_node_key_save(const struct lm_datadir *dir, const struct lm_node_key *key,
                                struct lm_error *err)
{
    return save(dir, FILE_NAME, key, err);
}

enum lm_status lm_node_key_save_new(const struct lm_datadir *dir, const struct lm_node_key *key,
                                    struct lm_error *err)
{
    return save(dir, NEW_FILE_NAME, key, err);
}

void lm_node_key_drop_new(const struct lm_datadir *dir)
{
    char path[PATH_MAX];

    if (lm_datadir_path(dir, NEW_FILE_NAME, path, sizeof path) == LM_OK) {
        (void)unlink(path);
    }
}

void lm_node_key_wipe(struct lm_node_key *key)
{
    if (key) {
        sodium_memzero(key, sizeof *key);
    }
}
