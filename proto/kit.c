/* The enrolment kit as a JSON file, signed by the hub. Pure; PROTOCOL.md "Kit".
 *
 * The signature is over the members' texts as they stand in the file, so reading never depends on
 * how a value would be written again. No member may hold a control character: a line break in one
 * can't pass for the next member's line. */
#include "proto/credential.h"

#include "common/base/util.h"
#include "proto/limits.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { BASE64 = sodium_base64_VARIANT_ORIGINAL, RECORD_BYTES_MAX = 64 * 1024 };

/* The text members in the order in which they are signed, between lastmile_kit and records. */
enum member {
    M_HUB_ID,
    M_TOWN,
    M_ENDPOINT,
    M_HUB_PUBLIC_KEY,
    M_HUB_SIGN_KEY,
    M_STATION,
    M_STATION_NAME,
    M_LEVEL,
    M_ENROL_PUBLIC_KEY,
    M_ENROL_SECRET_KEY,
    M_EXPIRES,
    M_COUNT
};
static const char *const member_names[M_COUNT] = {
    "hub_id",       "town",  "endpoint",         "hub_public_key",   "hub_sign_key", "station",
    "station_name", "level", "enrol_public_key", "enrol_secret_key", "expires",
};

static enum lm_status not_a_kit(struct lm_error *err, const char *member)
{
    return lm_fail(err, LM_ERR_INVALID, "not_a_kit", member,
                   "这不是接入包文件，或内容不完整（%s）。",
                   "This is not an enrolment kit, or not a whole one (%s).", member);
}

static enum lm_status tampered(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_CORRUPT, "kit_tampered", "signature",
                   "接入包与镇站签名不符，可能损坏或被改动过，请重新领取。",
                   "The kit does not fit its signature: damaged or changed. Ask for a new one.");
}

static enum lm_status no_memory(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足。", "Out of memory.");
}

/* ---- the text that is signed ---- */

static void canonical_text(struct lm_buf *buf, const char *const texts[M_COUNT],
                           const char *const *records, size_t n_records)
{
    lm_buf_printf(buf, "lastmile_kit=%d\n", LM_KIT_VERSION);
    for (int m = 0; m < M_COUNT; m++) {
        lm_buf_printf(buf, "%s=%s\n", member_names[m], texts[m]);
    }
    lm_buf_text(buf, "records=");
    for (size_t i = 0; i < n_records; i++) {
        lm_buf_text(buf, i ? "," : "");
        lm_buf_text(buf, records[i]);
    }
}

/* ---- rules of the members ---- */

static bool is_text(const char *text)
{
    size_t chars = 0;
    size_t n = strlen(text);
    return n > 0 && lm_utf8_valid(text, n, &chars) && chars <= LM_KIT_TEXT_CHARS_MAX &&
           !lm_utf8_has_control(text, n) && !strpbrk(text, "\n\t");
}

static bool is_z85_key(const char *text)
{
    static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   ".-:+=^!/*?&<>()[]{}@%$#";
    return strlen(text) == LM_Z85_KEY_CHARS && strspn(text, alphabet) == LM_Z85_KEY_CHARS;
}

/* The first member that breaks a rule, or NULL. */
static const char *bad_member(const struct lm_kit *kit)
{
    if (!kit->town || !is_text(kit->town)) {
        return "town";
    }
    if (!kit->endpoint || !is_text(kit->endpoint) || strncmp(kit->endpoint, "tcp://", 6) != 0) {
        return "endpoint";
    }
    if (!is_z85_key(kit->hub_public_key)) {
        return "hub_public_key";
    }
    if (strspn(kit->station, "0123456789") != 12) {
        return "station";
    }
    if (!kit->station_name || !is_text(kit->station_name)) {
        return "station_name";
    }
    if (strcmp(kit->level, "village") != 0 && strcmp(kit->level, "town") != 0) {
        return "level";
    }
    if (!is_z85_key(kit->enrol_public_key)) {
        return "enrol_public_key";
    }
    if (!is_z85_key(kit->enrol_secret_key)) {
        return "enrol_secret_key";
    }
    if (kit->n_records > LM_KIT_RECORDS_MAX) {
        return "records";
    }
    for (size_t i = 0; i < kit->n_records; i++) {
        if (kit->records[i].len == 0 || kit->records[i].len > RECORD_BYTES_MAX) {
            return "records";
        }
    }
    return NULL;
}

/* ---- writing ---- */

struct kit_texts {
    char hub_id[2 * 16 + 1];
    char hub_sign_key[sodium_base64_ENCODED_LEN(LM_SIGN_PUBLIC_BYTES, BASE64)];
    char expires[LM_TIME_TEXT + 8];
    char *records[LM_KIT_RECORDS_MAX];
};

static enum lm_status encode_records(const struct lm_kit *kit, struct kit_texts *texts)
{
    for (size_t i = 0; i < kit->n_records; i++) {
        size_t size = sodium_base64_ENCODED_LEN(kit->records[i].len, BASE64);
        texts->records[i] = malloc(size);
        if (!texts->records[i]) {
            return LM_ERR_MEMORY;
        }
        sodium_bin2base64(texts->records[i], size, kit->records[i].body, kit->records[i].len,
                          BASE64);
    }
    return LM_OK;
}

/* Adds the file's text to out. LM_ERR_MEMORY also for a limit of jansson's own, which has none
 * here. */
static enum lm_status dump(const char *const members[M_COUNT], char *const *records,
                           size_t n_records, const char *signature, struct lm_buf *out)
{
    enum lm_status status = LM_ERR_MEMORY;
    char *text = NULL;
    json_t *list = json_array();
    json_t *root = json_object();
    int failed = json_object_set_new(root, "lastmile_kit", json_integer(LM_KIT_VERSION));
    for (int m = 0; m < M_COUNT; m++) {
        failed |= json_object_set_new(root, member_names[m], json_string(members[m]));
    }
    for (size_t i = 0; i < n_records; i++) {
        failed |= json_array_append_new(list, json_string(records[i]));
    }
    failed |= json_object_set(root, "records", list);
    failed |= json_object_set_new(root, "signature", json_string(signature));
    if (failed == 0 && (text = json_dumps(root, JSON_INDENT(2))) != NULL) {
        lm_buf_text(out, text);
        lm_buf_text(out, "\n");
        status = out->status;
    }
    free(text);
    json_decref(list);
    json_decref(root);
    return status;
}

enum lm_status lm_kit_write(const struct lm_kit *kit,
                            const uint8_t sign_secret[LM_SIGN_SECRET_BYTES], struct lm_buf *out,
                            struct lm_error *err)
{
    struct kit_texts texts = {.records = {NULL}};
    uint8_t sign_public[LM_SIGN_PUBLIC_BYTES];
    uint8_t hub_id[16];
    uint8_t signature[crypto_sign_BYTES];
    char signature_text[sodium_base64_ENCODED_LEN(crypto_sign_BYTES, BASE64)];
    struct lm_buf canonical;
    const char *bad = bad_member(kit);
    if (bad) {
        return not_a_kit(err, bad);
    }
    crypto_sign_ed25519_sk_to_pk(sign_public, sign_secret);
    lm_hub_id_of(sign_public, hub_id);
    lm_hex_encode(hub_id, sizeof hub_id, texts.hub_id);
    sodium_bin2base64(texts.hub_sign_key, sizeof texts.hub_sign_key, sign_public,
                      sizeof sign_public, BASE64);
    lm_time_format(kit->expires_ms, texts.expires);
    const char *const members[M_COUNT] = {
        texts.hub_id,          kit->town,          kit->endpoint,
        kit->hub_public_key,   texts.hub_sign_key, kit->station,
        kit->station_name,     kit->level,         kit->enrol_public_key,
        kit->enrol_secret_key, texts.expires,
    };
    lm_buf_init(&canonical, 4 * LM_KIT_BYTES_MAX);
    enum lm_status status = encode_records(kit, &texts);
    if (status == LM_OK) {
        canonical_text(&canonical, members, (const char *const *)texts.records, kit->n_records);
        status = canonical.status;
    }
    if (status == LM_OK && canonical.len > LM_KIT_BYTES_MAX / 2) {
        status =
            LM_ERR_LIMIT; /* room for quotation marks and escapes: what is written can be read */
    }
    if (status == LM_OK) {
        crypto_sign_detached(signature, NULL, canonical.data, canonical.len, sign_secret);
        sodium_bin2base64(signature_text, sizeof signature_text, signature, sizeof signature,
                          BASE64);
        status = dump(members, texts.records, kit->n_records, signature_text, out);
    }
    if (status != LM_OK) {
        status = status == LM_ERR_LIMIT ? lm_fail(err, status, "too_large", "records",
                                                  "接入包过大。", "The kit is too large.")
                                        : no_memory(err);
    }
    for (size_t i = 0; i < LM_KIT_RECORDS_MAX; i++) {
        free(texts.records[i]);
    }
    if (canonical.data) {
        sodium_memzero(canonical.data, canonical.len); /* it held the one-time secret key */
    }
    lm_buf_free(&canonical);
    return status;
}

/* ---- reading ---- */

struct parsed {
    const char *members[M_COUNT]; /* borrowed from the JSON document */
    const char *records[LM_KIT_RECORDS_MAX];
    size_t n_records;
    const char *signature;
};

static bool is_plain(const char *text)
{
    return !lm_utf8_has_control(text, strlen(text)) && !strpbrk(text, "\n\t");
}

/* Shapes only: every member there and of its kind. */
static enum lm_status take_members(const json_t *root, struct parsed *p, struct lm_error *err)
{
    const json_t *version = json_object_get(root, "lastmile_kit");
    if (!json_is_integer(version) || json_integer_value(version) < 1) {
        return not_a_kit(err, "lastmile_kit");
    }
    if (json_integer_value(version) > LM_KIT_VERSION) {
        return lm_fail(err, LM_ERR_VERSION, "kit_newer", "lastmile_kit",
                       "接入包由更新版本的程序生成，请先升级本机程序。",
                       "The kit was made by a newer program: upgrade this one first.");
    }
    for (int m = 0; m < M_COUNT; m++) {
        p->members[m] = json_string_value(json_object_get(root, member_names[m]));
        if (!p->members[m] || !is_plain(p->members[m])) {
            return not_a_kit(err, member_names[m]);
        }
    }
    const json_t *records = json_object_get(root, "records");
    if (!json_is_array(records) || json_array_size(records) > LM_KIT_RECORDS_MAX) {
        return not_a_kit(err, "records");
    }
    p->n_records = json_array_size(records);
    for (size_t i = 0; i < p->n_records; i++) {
        p->records[i] = json_string_value(json_array_get(records, i));
        if (!p->records[i] || !is_plain(p->records[i]) || strchr(p->records[i], ',')) {
            return not_a_kit(err, "records");
        }
    }
    p->signature = json_string_value(json_object_get(root, "signature"));
    if (!p->signature) {
        return not_a_kit(err, "signature");
    }
    /* What is not signed has no place in it. */
    return json_object_size(root) == M_COUNT + 3 ? LM_OK : tampered(err);
}

/* Exactly n bytes of base64. */
static bool decode_exact(const char *text, uint8_t *out, size_t n)
{
    size_t len = 0;
    return sodium_base642bin(out, n, text, strlen(text), NULL, &len, NULL, BASE64) == 0 && len == n;
}

static enum lm_status verify(const struct parsed *p, struct lm_kit *kit, struct lm_error *err)
{
    uint8_t signature[crypto_sign_BYTES];
    uint8_t hub_id[16];
    struct lm_buf canonical;
    if (!decode_exact(p->members[M_HUB_SIGN_KEY], kit->hub_sign_key, sizeof kit->hub_sign_key) ||
        !decode_exact(p->signature, signature, sizeof signature) ||
        !lm_hex_decode(p->members[M_HUB_ID], kit->hub_id, sizeof kit->hub_id)) {
        return tampered(err);
    }
    lm_hub_id_of(kit->hub_sign_key, hub_id);
    if (memcmp(hub_id, kit->hub_id, sizeof hub_id) != 0) {
        return tampered(err);
    }
    lm_buf_init(&canonical, 4 * LM_KIT_BYTES_MAX);
    canonical_text(&canonical, p->members, p->records, p->n_records);
    enum lm_status status = LM_OK;
    if (canonical.status != LM_OK) {
        status = no_memory(err);
    } else if (crypto_sign_verify_detached(signature, canonical.data, canonical.len,
                                           kit->hub_sign_key) != 0) {
        status = tampered(err);
    }
    if (canonical.data) {
        sodium_memzero(canonical.data, canonical.len);
    }
    lm_buf_free(&canonical);
    return status;
}

static enum lm_status decode_records(const struct parsed *p, struct lm_arena *arena,
                                     struct lm_kit *kit, struct lm_error *err)
{
    if (p->n_records == 0) {
        return LM_OK;
    }
    kit->records = lm_arena_alloc(arena, p->n_records * sizeof *kit->records);
    if (!kit->records) {
        return no_memory(err);
    }
    for (size_t i = 0; i < p->n_records; i++) {
        size_t room = strlen(p->records[i]) / 4 * 3 + 3;
        uint8_t *body = lm_arena_alloc(arena, room);
        if (!body) {
            return no_memory(err);
        }
        if (sodium_base642bin(body, room, p->records[i], strlen(p->records[i]), NULL,
                              &kit->records[i].len, NULL, BASE64) != 0) {
            return not_a_kit(err, "records");
        }
        kit->records[i].body = body;
    }
    kit->n_records = p->n_records;
    return LM_OK;
}

/* What does not fit becomes "", which breaks every rule and so is found by bad_member(). */
static void copy_member(char *out, size_t size, const char *text)
{
    size_t n = strlen(text);
    if (n < size) {
        memcpy(out, text, n + 1);
    } else {
        out[0] = '\0';
    }
}

static enum lm_status fill(const struct parsed *p, struct lm_arena *arena, struct lm_kit *kit,
                           struct lm_error *err)
{
    const char *expires = p->members[M_EXPIRES];
    copy_member(kit->hub_public_key, sizeof kit->hub_public_key, p->members[M_HUB_PUBLIC_KEY]);
    copy_member(kit->station, sizeof kit->station, p->members[M_STATION]);
    copy_member(kit->level, sizeof kit->level, p->members[M_LEVEL]);
    copy_member(kit->enrol_public_key, sizeof kit->enrol_public_key,
                p->members[M_ENROL_PUBLIC_KEY]);
    copy_member(kit->enrol_secret_key, sizeof kit->enrol_secret_key,
                p->members[M_ENROL_SECRET_KEY]);
    kit->town = lm_arena_text(arena, p->members[M_TOWN], strlen(p->members[M_TOWN]));
    kit->endpoint = lm_arena_text(arena, p->members[M_ENDPOINT], strlen(p->members[M_ENDPOINT]));
    kit->station_name =
        lm_arena_text(arena, p->members[M_STATION_NAME], strlen(p->members[M_STATION_NAME]));
    if (!kit->town || !kit->endpoint || !kit->station_name) {
        return no_memory(err);
    }
    if (!lm_time_parse(expires, strlen(expires), &kit->expires_ms)) {
        return not_a_kit(err, "expires");
    }
    enum lm_status status = decode_records(p, arena, kit, err);
    if (status != LM_OK) {
        return status;
    }
    const char *bad = bad_member(kit);
    return bad ? not_a_kit(err, bad) : LM_OK;
}

enum lm_status lm_kit_read(const char *text, size_t n, struct lm_arena *arena, struct lm_kit *kit,
                           struct lm_error *err)
{
    struct parsed parsed = {.n_records = 0};
    struct lm_kit made = {.n_records = 0};
    json_error_t json_error;
    memset(kit, 0, sizeof *kit);
    if (n > LM_KIT_BYTES_MAX) {
        return lm_fail(err, LM_ERR_LIMIT, "too_large", "", "文件过大，不是接入包。",
                       "The file is too large for a kit.");
    }
    /* An editor on a village PC may have put a byte order mark before it. */
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        n -= 3;
    }
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &json_error);
    if (!root) {
        return json_error_code(&json_error) == json_error_out_of_memory ? no_memory(err)
                                                                        : not_a_kit(err, "JSON");
    }
    enum lm_status status = take_members(root, &parsed, err);
    if (status == LM_OK) {
        status = verify(&parsed, &made, err);
    }
    if (status == LM_OK) {
        status = fill(&parsed, arena, &made, err);
    }
    if (status == LM_OK) {
        *kit = made;
    }
    json_decref(root);
    return status;
}
