/* Certificates, and the two numbers that are made from keys. Pure; PROTOCOL.md "Certificate".
 * The kit is in kit.c. */
#include "proto/credential.h"

#include "common/base/util.h"
#include "proto/pack.h"
#include "proto/prescan.h"

#include <sodium.h>
#include <string.h>

static const char certificate_kind[] = "lastmile-cert-1";
static const char certificate_prefix[] = "lastmile-cert-";
enum { SIGNED_ELEMENTS = 7, ELEMENTS = 8 };

void lm_hub_id_of(const uint8_t sign_public[LM_SIGN_PUBLIC_BYTES], uint8_t out[16])
{
    uint8_t hash[LM_HASH_BYTES];
    lm_hash(hash, sign_public, LM_SIGN_PUBLIC_BYTES, NULL, 0, NULL, 0);
    memcpy(out, hash, 16);
}

uint64_t lm_replica_of(const uint8_t public_key[32])
{
    uint8_t hash[LM_HASH_BYTES];
    uint64_t replica = 0;
    lm_hash(hash, public_key, 32, NULL, 0, NULL, 0);
    for (int i = 7; i >= 0; i--) {
        replica = replica << 8 | hash[i];
    }
    replica &= (uint64_t)INT64_MAX;
    return replica ? replica : 1;
}

static void pack_certificate(struct lm_buf *buf, const struct lm_certificate *c, size_t elements)
{
    lm_pack_array(buf, elements);
    lm_pack_text(buf, certificate_kind, sizeof certificate_kind - 1);
    lm_pack_bin(buf, c->hub_id, sizeof c->hub_id);
    lm_pack_text(buf, c->station, strlen(c->station));
    lm_pack_text(buf, c->level, strlen(c->level));
    lm_pack_uint(buf, c->replica);
    lm_pack_bin(buf, c->public_key, sizeof c->public_key);
    lm_pack_int(buf, c->issued_ms);
}

void lm_certificate_make(struct lm_buf *out, const struct lm_certificate *certificate,
                         const uint8_t sign_secret[LM_SIGN_SECRET_BYTES])
{
    struct lm_certificate c = *certificate;
    uint8_t sign_public[LM_SIGN_PUBLIC_BYTES];
    uint8_t signature[crypto_sign_BYTES];
    struct lm_buf text;
    crypto_sign_ed25519_sk_to_pk(sign_public, sign_secret);
    lm_hub_id_of(sign_public, c.hub_id);
    lm_buf_init(&text, LM_CERTIFICATE_BYTES_MAX);
    pack_certificate(&text, &c, SIGNED_ELEMENTS);
    if (text.status == LM_OK) {
        crypto_sign_detached(signature, NULL, text.data, text.len, sign_secret);
        pack_certificate(out, &c, ELEMENTS);
        lm_pack_bin(out, signature, sizeof signature);
    } else if (out->status == LM_OK) {
        out->status = text.status;
    }
    lm_buf_free(&text);
}

static enum lm_status not_a_certificate(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_INVALID, "not_a_certificate", "certificate",
                   "这不是有效的站点证书。", "This is not a station certificate.");
}

static enum lm_status tampered(struct lm_error *err)
{
    return lm_fail(err, LM_ERR_CORRUPT, "certificate_tampered", "certificate",
                   "站点证书与本镇的签名不符，可能被改动过。",
                   "The certificate does not bear this hub's signature, or was changed.");
}

/* LM_OK: out and signature are filled with well-formed values. */
static enum lm_status read_certificate(const uint8_t *data, size_t n, struct lm_certificate *out,
                                       uint8_t signature[crypto_sign_BYTES], struct lm_error *err)
{
    struct lm_reader reader;
    char kind[32];
    size_t elements;
    if (n > LM_CERTIFICATE_BYTES_MAX || lm_prescan(data, n, LM_NODES_MAX, NULL) != LM_OK) {
        return not_a_certificate(err);
    }
    lm_reader_init(&reader, data, n);
    lm_read_array(&reader, &elements);
    if (!lm_read_text_copy(&reader, kind, sizeof kind) ||
        strncmp(kind, certificate_prefix, sizeof certificate_prefix - 1) != 0) {
        return not_a_certificate(err);
    }
    if (strcmp(kind, certificate_kind) != 0) {
        return lm_fail(err, LM_ERR_VERSION, "certificate_newer", "certificate",
                       "站点证书由更新版本的程序签发，请先升级。",
                       "The certificate was made by a newer program: upgrade first.");
    }
    lm_read_bin_exact(&reader, out->hub_id, sizeof out->hub_id);
    lm_read_text_copy(&reader, out->station, sizeof out->station);
    lm_read_text_copy(&reader, out->level, sizeof out->level);
    lm_read_uint(&reader, &out->replica);
    lm_read_bin_exact(&reader, out->public_key, sizeof out->public_key);
    lm_read_int(&reader, &out->issued_ms);
    lm_read_bin_exact(&reader, signature, crypto_sign_BYTES);
    if (elements != ELEMENTS || !lm_reader_done(&reader) ||
        strspn(out->station, "0123456789") != 12 ||
        (strcmp(out->level, "village") != 0 && strcmp(out->level, "town") != 0)) {
        return not_a_certificate(err);
    }
    return LM_OK;
}

enum lm_status lm_certificate_check(const uint8_t *data, size_t n,
                                    const uint8_t sign_public[LM_SIGN_PUBLIC_BYTES],
                                    struct lm_certificate *out, struct lm_error *err)
{
    struct lm_certificate c = {0};
    uint8_t signature[crypto_sign_BYTES];
    uint8_t hub_id[16];
    struct lm_buf text;
    *out = c;
    enum lm_status status = read_certificate(data, n, &c, signature, err);
    if (status != LM_OK) {
        return status;
    }
    lm_buf_init(&text, LM_CERTIFICATE_BYTES_MAX);
    pack_certificate(&text, &c, SIGNED_ELEMENTS);
    lm_hub_id_of(sign_public, hub_id);
    if (text.status != LM_OK) {
        status = lm_fail(err, text.status, "memory", "certificate", "内存不足。", "Out of memory.");
    } else if (crypto_sign_verify_detached(signature, text.data, text.len, sign_public) != 0 ||
               memcmp(hub_id, c.hub_id, sizeof hub_id) != 0 ||
               lm_replica_of(c.public_key) != c.replica) {
        status = tampered(err);
    } else {
        *out = c;
    }
    lm_buf_free(&text);
    return status;
}

void lm_readmit_key(const uint8_t hub_id[16], const uint8_t hub_public_key[32],
                    uint8_t public_out[32], uint8_t secret_out[32])
{
    static const char label[] = "lastmile readmit";

    lm_hash(secret_out, label, sizeof(label) - 1, hub_id, 16, hub_public_key, 32);
    (void)crypto_scalarmult_base(public_out, secret_out);
}
