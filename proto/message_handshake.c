/* Messages that open a session: ENROL, ENROLLED, HELLO, WELCOME; and NEWS, ERROR. Pure.
 * PROTOCOL.md "Messages" has the table of each: elements here stand in its order. */
#include "proto/message_in.h"
#include "proto/version.h"

#include <string.h>

enum {
    PROTOCOL_MAX = 65535,
    PROGRAM_CHARS_MAX = 64,
    MACHINE_CHARS_MAX = 64,
    STATION_NAME_CHARS_MAX = 200,
    CERTIFICATE_BYTES_MAX = 256,
    CODE_BYTES_MAX = 31,
    ERROR_TEXT_BYTES_MAX = 399,
    RETRY_S_MAX = 86400,
};

const char *lm_verdict_name(enum lm_verdict verdict)
{
    switch (verdict) {
    case LM_V_APPLIED:
        return "applied";
    case LM_V_CONCURRENT:
        return "concurrent";
    case LM_V_INVALID:
        return "invalid";
    case LM_V_HELD:
        return "held";
    case LM_V_REFUSED:
        return "refused";
    case LM_V_DUPLICATE:
        return "duplicate";
    }
    return "unknown";
}

static void read_protocols(struct lm_in *in, uint64_t *min, uint64_t *max)
{
    *min = lm_in_uint(in, "protocol_min", 1, PROTOCOL_MAX);
    *max = lm_in_uint(in, "protocol_max", *min, PROTOCOL_MAX);
}

static const char *read_text(struct lm_in *in, const char *element, size_t chars_max)
{
    return lm_in_text(in, element, 4 * chars_max, chars_max);
}

/* ---- ENROL ---- */

void lm_enrol_pack(struct lm_buf *buf, const struct lm_msg_enrol *m)
{
    lm_pack_array(buf, 6);
    lm_pack_uint(buf, m->protocol_min);
    lm_pack_uint(buf, m->protocol_max);
    lm_pack_bin(buf, m->public_key, sizeof m->public_key);
    lm_pack_bin(buf, m->nonce, sizeof m->nonce);
    lm_out_text(buf, m->machine);
    lm_out_text(buf, m->program);
}

enum lm_status lm_enrol_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                             struct lm_msg_enrol *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_enrol){.machine = "", .program = ""};
    if (lm_in_begin(&in, "enrol", data, n, LM_FRAME_BYTES_MAX, 6, arena, err)) {
        read_protocols(&in, &m->protocol_min, &m->protocol_max);
        lm_in_bytes(&in, "public_key", m->public_key, sizeof m->public_key);
        lm_in_bytes(&in, "nonce", m->nonce, sizeof m->nonce);
        m->machine = read_text(&in, "machine", MACHINE_CHARS_MAX);
        m->program = read_text(&in, "program", PROGRAM_CHARS_MAX);
    }
    return lm_in_end(&in, err);
}

/* ---- ENROLLED ---- */

void lm_enrolled_pack(struct lm_buf *buf, const struct lm_msg_enrolled *m)
{
    lm_pack_array(buf, 6);
    lm_pack_uint(buf, m->replica);
    lm_out_text(buf, m->station);
    lm_out_text(buf, m->station_name);
    lm_out_text(buf, m->level);
    lm_pack_bin(buf, m->certificate, m->certificate_len);
    lm_pack_int(buf, m->hub_time_ms);
}

static const char *read_station(struct lm_in *in)
{
    const char *station = lm_in_text(in, "station", 12, 12);
    if (lm_in_ok(in) && strspn(station, "0123456789") != 12) {
        lm_in_fail(in, "station", LM_ERR_INVALID);
    }
    return station;
}

static const char *read_level(struct lm_in *in)
{
    const char *level = lm_in_name(in, "level", false);
    if (lm_in_ok(in) && strcmp(level, "village") != 0 && strcmp(level, "town") != 0) {
        lm_in_fail(in, "level", LM_ERR_INVALID);
    }
    return level;
}

enum lm_status lm_enrolled_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                                struct lm_msg_enrolled *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_enrolled){.station = "", .station_name = "", .level = ""};
    if (lm_in_begin(&in, "enrolled", data, n, LM_FRAME_BYTES_MAX, 6, arena, err)) {
        m->replica = lm_in_uint(&in, "replica", 1, LM_IN_NUMBER_MAX);
        m->station = read_station(&in);
        m->station_name = read_text(&in, "station_name", STATION_NAME_CHARS_MAX);
        m->level = read_level(&in);
        m->certificate = lm_in_bin(&in, "certificate", CERTIFICATE_BYTES_MAX, &m->certificate_len);
        m->hub_time_ms = lm_in_int(&in, "hub_time_ms", 0, LM_IN_TIME_MAX);
    }
    return lm_in_end(&in, err);
}

/* ---- HELLO ---- */

static void read_checkpoints(struct lm_in *in, struct lm_msg_hello *m)
{
    m->checkpoints = lm_in_items(in, "checkpoints", LM_CHECKPOINTS_MAX, sizeof *m->checkpoints,
                                 &m->n_checkpoints);
    for (size_t i = 0; i < m->n_checkpoints && lm_in_ok(in); i++) {
        lm_in_array_of(in, "checkpoints", 2);
        m->checkpoints[i].position = lm_in_uint(in, "checkpoints", 1, LM_IN_COUNT_MAX);
        lm_in_bytes(in, "checkpoints", m->checkpoints[i].prefix, LM_MARK_PREFIX_BYTES);
    }
}

void lm_hello_pack(struct lm_buf *buf, const struct lm_msg_hello *m)
{
    lm_pack_array(buf, 13);
    lm_pack_uint(buf, m->protocol_min);
    lm_pack_uint(buf, m->protocol_max);
    lm_pack_uint(buf, m->branch);
    lm_out_head(buf, &m->head);
    lm_out_pair(buf, m->lease.counter, m->lease.random);
    lm_out_cursor(buf, &m->cursor);
    lm_out_mark(buf, &m->seen);
    lm_out_proof(buf, &m->proof);
    lm_pack_uint(buf, m->catalog);
    lm_pack_bin(buf, m->catalog_hash, sizeof m->catalog_hash);
    lm_pack_int(buf, m->wall_ms);
    lm_out_text(buf, m->program);
    lm_pack_array(buf, m->n_checkpoints);
    for (size_t i = 0; i < m->n_checkpoints; i++) {
        lm_pack_array(buf, 2);
        lm_pack_uint(buf, m->checkpoints[i].position);
        lm_pack_bin(buf, m->checkpoints[i].prefix, LM_MARK_PREFIX_BYTES);
    }
}

enum lm_status lm_hello_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                             struct lm_msg_hello *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_hello){.program = ""};
    if (lm_in_begin(&in, "hello", data, n, LM_FRAME_BYTES_MAX, 13, arena, err)) {
        read_protocols(&in, &m->protocol_min, &m->protocol_max);
        m->branch = lm_in_uint(&in, "branch", 1, LM_IN_NUMBER_MAX);
        m->head = lm_in_head(&in, "head");
        lm_in_pair(&in, "lease", &m->lease.counter, &m->lease.random);
        m->cursor = lm_in_cursor(&in, "cursor");
        m->seen = lm_in_mark(&in, "seen");
        m->proof = lm_in_proof(&in, "proof");
        m->catalog = (uint32_t)lm_in_uint(&in, "catalog", 0, UINT32_MAX);
        lm_in_bytes(&in, "catalog_hash", m->catalog_hash, sizeof m->catalog_hash);
        m->wall_ms = lm_in_int(&in, "wall_ms", -LM_IN_TIME_MAX, LM_IN_TIME_MAX);
        m->program = read_text(&in, "program", PROGRAM_CHARS_MAX);
        read_checkpoints(&in, m);
    }
    return lm_in_end(&in, err);
}

/* ---- WELCOME ---- */

enum { WELCOME_ELEMENTS = 16 }; /* of protocol 1 */

static void pack_keys(struct lm_buf *buf, const struct lm_key_word *word)
{
    lm_pack_array(buf, 2);
    if (word->has_next) {
        lm_pack_bin(buf, word->next, sizeof word->next);
    } else {
        lm_pack_nil(buf);
    }
    lm_pack_bin(buf, word->signature, sizeof word->signature);
}

static void read_keys(struct lm_in *in, struct lm_key_word *word)
{
    lm_in_array_of(in, "keys", 2);
    word->has_next = !lm_in_nil(in);
    if (word->has_next) {
        lm_in_bytes(in, "keys", word->next, sizeof word->next);
    }
    lm_in_bytes(in, "keys", word->signature, sizeof word->signature);
}

/* Whether the array has the element that protocol 2 adds. The protocol's number, which stands in
 * it, must agree: lm_welcome_read looks. */
static bool is_longer(const uint8_t *data, size_t n)
{
    struct lm_reader reader;
    size_t elements = 0;
    lm_reader_init(&reader, data, n);
    lm_read_array(&reader, &elements);
    return elements == WELCOME_ELEMENTS + 1;
}

void lm_welcome_pack(struct lm_buf *buf, const struct lm_msg_welcome *m)
{
    bool longer = m->protocol >= LM_PROTOCOL_KEYS;
    lm_pack_array(buf, WELCOME_ELEMENTS + longer);
    lm_pack_uint(buf, m->protocol);
    lm_pack_uint(buf, m->session);
    lm_pack_bin(buf, m->hub_id, sizeof m->hub_id);
    lm_out_pair(buf, m->incarnation.counter, m->incarnation.random);
    lm_pack_uint(buf, m->branch);
    lm_out_head(buf, &m->acked);
    lm_pack_uint(buf, m->safe_seq);
    lm_out_pair(buf, m->lease.counter, m->lease.random);
    lm_out_mark(buf, &m->head);
    lm_pack_uint(buf, m->catalog);
    lm_pack_bin(buf, m->catalog_hash, sizeof m->catalog_hash);
    lm_pack_int(buf, m->hub_time_ms);
    lm_pack_uint(buf, m->hlc_known);
    lm_pack_uint(buf, m->credit);
    lm_pack_uint(buf, m->common);
    lm_pack_bin(buf, m->signature, sizeof m->signature);
    if (longer) {
        pack_keys(buf, &m->keys);
    }
}

enum lm_status lm_welcome_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                               struct lm_msg_welcome *m, struct lm_error *err)
{
    struct lm_in in;
    bool longer = n <= LM_FRAME_BYTES_MAX && is_longer(data, n);
    *m = (struct lm_msg_welcome){0};
    if (lm_in_begin(&in, "welcome", data, n, LM_FRAME_BYTES_MAX, WELCOME_ELEMENTS + longer, arena,
                    err)) {
        m->protocol = lm_in_uint(&in, "protocol", 1, PROTOCOL_MAX);
        if (lm_in_ok(&in) && longer != (m->protocol >= LM_PROTOCOL_KEYS)) {
            lm_in_fail(&in, "protocol", LM_ERR_INVALID);
        }
        m->session = lm_in_uint(&in, "session", 0, UINT64_MAX);
        lm_in_bytes(&in, "hub_id", m->hub_id, sizeof m->hub_id);
        lm_in_pair(&in, "incarnation", &m->incarnation.counter, &m->incarnation.random);
        m->branch = lm_in_uint(&in, "branch", 1, LM_IN_NUMBER_MAX);
        m->acked = lm_in_head(&in, "acked");
        m->safe_seq = lm_in_uint(&in, "safe_seq", 0, LM_IN_NUMBER_MAX);
        lm_in_pair(&in, "lease", &m->lease.counter, &m->lease.random);
        m->head = lm_in_mark(&in, "head");
        m->catalog = (uint32_t)lm_in_uint(&in, "catalog", 0, UINT32_MAX);
        lm_in_bytes(&in, "catalog_hash", m->catalog_hash, sizeof m->catalog_hash);
        m->hub_time_ms = lm_in_int(&in, "hub_time_ms", 0, LM_IN_TIME_MAX);
        m->hlc_known = lm_in_uint(&in, "hlc_known", 0, LM_HLC_TOP - 1);
        m->credit = (uint32_t)lm_in_uint(&in, "credit", 1, LM_WINDOW_MAX);
        m->common = lm_in_uint(&in, "common", 0, LM_IN_COUNT_MAX);
        lm_in_bytes(&in, "signature", m->signature, sizeof m->signature);
        if (longer) {
            read_keys(&in, &m->keys);
        }
    }
    return lm_in_end(&in, err);
}

/* ---- KEY ---- */

void lm_key_pack(struct lm_buf *buf, const struct lm_msg_key *m)
{
    lm_pack_array(buf, 2);
    lm_pack_uint(buf, m->session);
    lm_pack_bin(buf, m->key, sizeof m->key);
}

enum lm_status lm_key_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                           struct lm_msg_key *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_key){0};
    if (lm_in_begin(&in, "key", data, n, LM_FRAME_BYTES_MAX, 2, arena, err)) {
        m->session = lm_in_uint(&in, "session", 0, UINT64_MAX);
        lm_in_bytes(&in, "key", m->key, sizeof m->key);
    }
    return lm_in_end(&in, err);
}

/* ---- NEWS, ERROR ---- */

void lm_news_pack(struct lm_buf *buf, const struct lm_msg_news *m)
{
    lm_pack_array(buf, 1);
    lm_pack_uint(buf, m->position);
}

enum lm_status lm_news_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                            struct lm_msg_news *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_news){0};
    if (lm_in_begin(&in, "news", data, n, LM_FRAME_BYTES_MAX, 1, arena, err)) {
        m->position = lm_in_uint(&in, "position", 0, LM_IN_COUNT_MAX);
    }
    return lm_in_end(&in, err);
}

void lm_error_pack(struct lm_buf *buf, const struct lm_msg_error *m)
{
    lm_pack_array(buf, 3);
    lm_out_text(buf, m->code);
    lm_out_text(buf, m->text);
    lm_pack_uint(buf, m->retry_after_s);
}

enum lm_status lm_error_read(const uint8_t *data, size_t n, struct lm_arena *arena,
                             struct lm_msg_error *m, struct lm_error *err)
{
    struct lm_in in;
    *m = (struct lm_msg_error){.code = "", .text = ""};
    if (lm_in_begin(&in, "error", data, n, LM_FRAME_BYTES_MAX, 3, arena, err)) {
        m->code = lm_in_name(&in, "code", false);
        if (lm_in_ok(&in) && strlen(m->code) > CODE_BYTES_MAX) {
            lm_in_fail(&in, "code", LM_ERR_LIMIT);
        }
        m->text = lm_in_text(&in, "text", ERROR_TEXT_BYTES_MAX, ERROR_TEXT_BYTES_MAX);
        m->retry_after_s = (uint32_t)lm_in_uint(&in, "retry_after_s", 0, RETRY_S_MAX);
    }
    return lm_in_end(&in, err);
}
