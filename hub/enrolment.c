/* ENROL and READMIT: ENROL over a kit's one-time key. The answer waits for the round's COMMIT, like
 * every answer. */
#include "common/base/log.h"
#include "hub/server.h"

#include <string.h>

void lm_server_send_error(struct lm_server *server, const struct lm_peer *to, const char *code,
                          const char *text, uint32_t retry_s)
{
    struct lm_buf body;
    lm_buf_init(&body, 4096);
    lm_error_message(&body, code, text, retry_s);
    if (body.status == LM_OK &&
        lm_router_send(server->router, to, LM_MSG_ERROR, body.data, body.len) != LM_OK) {
        lm_log(LM_LOG_DEBUG, "serve", "an error message could not be sent");
    }
    server->metrics.errors++;
    lm_buf_free(&body);
}

void lm_server_enrol(struct lm_server *server, int64_t kit, const struct lm_incoming *in)
{
    struct lm_error err = {0};
    struct lm_msg_enrol enrol;
    if (in->kind != LM_MSG_ENROL) {
        lm_server_send_error(server, &in->peer, "enrol_only", "a kit's key may only enrol", 0);
        return;
    }
    lm_arena_reset(&server->message_arena);
    if (lm_enrol_read(in->body, in->n, &server->message_arena, &enrol, &err) != LM_OK) {
        lm_server_send_error(server, &in->peer, "malformed", err.en, 0);
        return;
    }
    if (enrol.protocol_min > LM_PROTOCOL_MAX || enrol.protocol_max < LM_PROTOCOL_MIN) {
        lm_server_send_error(server, &in->peer, "protocol", "no protocol version in common", 0);
        return;
    }
    if (lm_store_may_write(server->hub->store, NULL) != LM_OK) {
        lm_server_send_error(server, &in->peer, "busy", "read-only until a technician acts", 300);
        return;
    }
    if (server->n_enrolled == LM_GATHER_MESSAGES || !lm_server_round(server)) {
        lm_server_send_error(server, &in->peer, "busy", "try again", 5);
        return;
    }
    struct lm_hub_enrolled *done = &server->enrolled[server->n_enrolled];
    enum lm_status status =
        lm_store_enrol(server->hub->store, kit, &enrol, lm_clock_wall_ms(), &done->row, &err);
    if (status == LM_ERR_IO || status == LM_ERR_FULL || status == LM_ERR_MEMORY) {
        lm_log(LM_LOG_ERROR, "serve", "cannot store an enrolment: %s", err.en);
        server->failed = true;
        return;
    }
    if (status != LM_OK) {
        lm_server_send_error(server, &in->peer, err.code, err.zh, 0);
        return;
    }
    done->to = in->peer;
    done->readmitted = false;
    server->n_enrolled++;
}

void lm_server_readmit(struct lm_server *server, const struct lm_incoming *in)
{
    struct lm_error err = {0};
    struct lm_msg_readmit m;
    struct lm_certificate certificate;
    if (in->kind != LM_MSG_READMIT) {
        lm_server_send_error(server, &in->peer, "readmit_only", "this key may only ask for that",
                             0);
        return;
    }
    lm_arena_reset(&server->message_arena);
    if (lm_readmit_read(in->body, in->n, &server->message_arena, &m, &err) != LM_OK ||
        lm_certificate_check(m.certificate, m.certificate_len, server->hub->keys.sign_public,
                             &certificate, &err) != LM_OK) {
        lm_server_send_error(server, &in->peer, "unknown", "no certificate of this hub", 300);
        return;
    }
    if (lm_store_may_write(server->hub->store, NULL) != LM_OK) {
        lm_server_send_error(server, &in->peer, "busy", "read-only until a technician acts", 300);
        return;
    }
    if (server->n_enrolled == LM_GATHER_MESSAGES || !lm_server_round(server)) {
        lm_server_send_error(server, &in->peer, "busy", "try again", 5);
        return;
    }
    struct lm_hub_enrolled *done = &server->enrolled[server->n_enrolled];
    enum lm_status status =
        lm_store_readmit(server->hub->store, &certificate, lm_clock_wall_ms(), &done->row, &err);
    if (status == LM_ERR_DENIED) {
        lm_server_send_error(server, &in->peer, err.code, err.zh, 300);
        return;
    }
    if (status != LM_OK) {
        lm_log(LM_LOG_ERROR, "serve", "cannot store a readmission: %s", err.en);
        server->failed = true;
        return;
    }
    done->to = in->peer;
    done->readmitted = true;
    server->n_enrolled++;
}

static enum lm_status pack_answer(struct lm_hub *hub, const struct lm_hub_enrolled *done,
                                  struct lm_buf *body)
{
    struct lm_msg_readmitted m = {.replica = done->row.number};

    if (!done->readmitted) {
        return lm_hub_enrolled_pack(hub, &done->row, body);
    }
    lm_readmitted_pack(body, &m);
    return body->status;
}

enum lm_status lm_hub_enrolled_pack(struct lm_hub *hub, const struct lm_replica *row,
                                    struct lm_buf *body)
{
    struct lm_station station;
    struct lm_certificate certificate;
    struct lm_msg_enrolled answer;
    struct lm_buf signed_bytes;
    enum lm_status status = lm_store_station_get(hub->store, row->station, &station);

    if (status != LM_OK) {
        return status;
    }
    lm_buf_init(&signed_bytes, LM_CERTIFICATE_BYTES_MAX);
    memset(&certificate, 0, sizeof certificate);
    memset(&answer, 0, sizeof answer);
    snprintf(certificate.station, sizeof certificate.station, "%.12s", station.code);
    snprintf(certificate.level, sizeof certificate.level, "%.7s", station.level);
    certificate.replica = row->number;
    memcpy(certificate.public_key, row->public_key, 32);
    certificate.issued_ms = row->enrolled_ms;
    lm_certificate_make(&signed_bytes, &certificate, hub->keys.sign_secret);
    answer.replica = row->number;
    answer.station = station.code;
    answer.station_name = station.name;
    answer.level = station.level;
    answer.certificate = signed_bytes.data;
    answer.certificate_len = signed_bytes.len;
    answer.hub_time_ms = lm_clock_wall_ms();
    lm_enrolled_pack(body, &answer);
    status = signed_bytes.status == LM_OK ? body->status : signed_bytes.status;
    lm_buf_free(&signed_bytes);
    return status;
}

void lm_server_answer_enrolments(struct lm_server *server)
{
    struct lm_error err = {0};
    if (server->n_enrolled == 0) {
        return;
    }
    /* The new key must be let in before the node hears of it and connects with it. */
    if (lm_gate_reload(server->gate, server->hub->store, &err) != LM_OK) {
        lm_log(LM_LOG_ERROR, "serve", "cannot reload the registry: %s", err.en);
    }
    for (size_t i = 0; i < server->n_enrolled; i++) {
        const struct lm_hub_enrolled *done = &server->enrolled[i];
        struct lm_buf body;
        lm_buf_init(&body, LM_FRAME_BYTES_MAX);
        if (pack_answer(server->hub, done, &body) == LM_OK &&
            lm_router_send(server->router, &done->to,
                           done->readmitted ? LM_MSG_READMITTED : LM_MSG_ENROLLED, body.data,
                           body.len) == LM_OK) {
            server->metrics.enrolments++;
            lm_log(LM_LOG_INFO, "serve", "station %s %s replica %llu", done->row.station,
                   done->readmitted ? "shows a certificate of" : "enrolled",
                   (unsigned long long)done->row.number);
        }
        lm_buf_free(&body);
    }
    server->n_enrolled = 0;
}
