/* serve: the hub's loop. One thread, the writer, owns store, router and sessions.
 *
 * A round: take messages while there are any (within bounds), let each session step, put every
 * PUSH, HELLO and ENROL of the round into one transaction; COMMIT; only then tell sessions and
 * peers (P2). Then tell NEWS to whoever sees what changed, answer PULLs from committed state, then
 * run one command from the control socket. A COMMIT that fails for I/O or space ends the process
 * without an answer. */
#ifndef LM_HUB_SERVER_H
#define LM_HUB_SERVER_H

#include "common/control.h"
#include "common/http.h"
#include "common/transport.h"
#include "hub/gate.h"
#include "hub/program.h"
#include "proto/hub_session.h"

#include <pthread.h>
#include <stdatomic.h>

#define LM_GATHER_MS 2 /* a round waits this long for more, once it has something to commit */
#define LM_ROUND_MS                                                                                \
    500 /* a round takes no further message after this: what waits for its ack waits no longer */
#define LM_GATHER_MESSAGES 256
#define LM_GATHER_CHANGES 60000
#define LM_PEERS_MAX 4096 /* sessions in memory; the idle ones go first */
#define LM_READS_MAX 512  /* PULLs and WANTs that wait for the end of a round */

/* One connected replica. */
struct lm_hub_peer {
    struct lm_hub_session session;
    struct lm_replica row; /* as committed */
    struct lm_peer last;   /* where its last accepted HELLO came from */
    /* this round: */
    uint32_t n_pushes;
    struct lm_push_result result;
    enum lm_push_outcome outcome; /* the gravest, of pushes of this branch: */
    uint64_t push_branch;
    bool hello_waits, touched;
    uint64_t common; /* of that HELLO: what the journal holds of what the node has seen */
    bool proof_held;
    struct lm_peer hello_from;
    bool offer_waits, recovered; /* RECOVER: to be answered; whether it was kept, up to: */
    char recovered_id[40];
};
struct lm_hub_read {
    struct lm_hub_peer *peer;
    bool bodies;
    bool digests, past;
    struct lm_msg_compare compare; /* digests */
    struct lm_msg_past_ask ask;    /* past */
    struct lm_cursor cursor;
    uint32_t max_bytes;
    size_t n_ids;
    char (*ids)[40];
};
struct lm_hub_enrolled { /* ENROL and READMIT answers that wait for the commit */
    struct lm_peer to;
    struct lm_replica row;
    bool readmitted;
};

/* What the HTTP thread asks of the writer: runs on the writer's thread, in a transaction that is
 * committed when it gives LM_OK. */
typedef enum lm_status (*lm_server_job)(struct lm_hub *hub, void *arg, struct lm_error *err);
struct lm_server_desk {
    pthread_mutex_t mutex;
    pthread_cond_t done;
    int fd; /* eventfd: readable when a job waits */
    lm_server_job job;
    void *arg;
    struct lm_error *err;
    enum lm_status status;
    bool closed;
};

struct lm_api;
struct lm_server {
    struct lm_hub *hub;
    struct lm_gate *gate;
    struct lm_context *context;
    struct lm_router *router;
    struct lm_control *control;
    struct lm_http *http;
    char *backups;                     /* folder that --backups names, its real path; NULL: none */
    struct lm_api *api;                /* hub/api; the HTTP thread's */
    _Atomic unsigned store_generation; /* another database was put in place */
    struct lm_server_desk desk;
    struct lm_hub_peer **peers; /* sorted by replica */
    size_t n_peers;
    struct lm_hub_effects fx;
    struct lm_arena message_arena, read_arena, round_arena;
    struct lm_rand rnd;
    bool in_round; /* the round's transaction is open */
    uint32_t round_changes;
    struct lm_hub_read reads[LM_READS_MAX];
    size_t n_reads;
    struct lm_hub_enrolled enrolled[LM_GATHER_MESSAGES];
    size_t n_enrolled;
    uint64_t rival; /* shown in this round: an incarnation that is not ours; 0 = none */
    bool went_back; /* shown in this round: our journal was set back */
    bool stop, failed;
    /* for the HTTP thread */
    int64_t started_ms;
    int sync_port;         /* set before the HTTP thread begins */
    int64_t anchor_at_ms;  /* monotonic: when the audit log's newest row is to be noted next */
    int64_t wall_ahead_ms; /* wall clock minus monotonic at the last tick: shows a clock set back */
    _Atomic int64_t ticked_mono_ms;
    pthread_mutex_t metrics_mutex;
    struct {
        uint64_t commits, changes, duplicates_or_gaps, messages, hostile, feed_pages, enrolments,
            errors;
        uint64_t journal_entries, returned, held, conflicts, sessions;
    } metrics;
};

/* commands/serve.c. What one round is made of; also the simulation's (tests/sim), which brings its
 * own sockets. server is zeroed; after lm_server_init the caller opens router, control and http as
 * it needs them, and closes them before lm_server_free. */
enum lm_status lm_server_init(struct lm_server *server, struct lm_hub *hub,
                              struct lm_error *err) LM_MUST_USE;
void lm_server_free(struct lm_server *server);
/* Takes what waits, within the bounds of a round; lm_server_end_round follows. */
void lm_server_gather(struct lm_server *server);
/* Once a second: time-outs of sessions, figures for /metrics. Ends a round of its own. */
void lm_server_tick(struct lm_server *server);

/* peers.c */
struct lm_hub_peer *lm_server_peer(struct lm_server *server, uint64_t replica,
                                   struct lm_error *err);
void lm_server_drop_peer(struct lm_server *server, struct lm_hub_peer *peer);
void lm_server_step(struct lm_server *server, struct lm_hub_peer *peer, struct lm_hub_event *event,
                    const struct lm_peer *from);
/* False when the peer of the last accepted HELLO is known to be gone. */
bool lm_server_reaches(struct lm_server *server, const struct lm_hub_peer *peer);
/* Ends the round: COMMIT, then COMMITTED and HELLO_STORED to the sessions, ENROLLED to new
 * replicas, then the reads. */
void lm_server_end_round(struct lm_server *server);
/* Opens the round's transaction when it is not open; false: failed, server->failed is set. */
bool lm_server_round(struct lm_server *server);
/* Tells every replica in whose scope something was committed that it did not make itself. */
void lm_server_news(struct lm_server *server);
/* Another catalogue is in force: tells every session. */
void lm_server_catalog(struct lm_server *server);
/* enrolment.c */
void lm_server_enrol(struct lm_server *server, int64_t kit, const struct lm_incoming *in);
/* READMIT over the readmission key: by a certificate of this hub, unless it was revoked. */
void lm_server_readmit(struct lm_server *server, const struct lm_incoming *in);
void lm_server_answer_enrolments(struct lm_server *server);
void lm_server_send_error(struct lm_server *server, const struct lm_peer *to, const char *code,
                          const char *text, uint32_t retry_s);
/* desk.c. One job at a time, from the HTTP thread, which waits for it: rounds are short
 * (LM_ROUND_MS and a commit). LM_ERR_BUSY while the server ends; "read_only" while another hub may
 * be alive. */
enum lm_status lm_server_do(struct lm_server *server, lm_server_job job, void *arg,
                            struct lm_error *err) LM_MUST_USE;
enum lm_status lm_server_desk_open(struct lm_server *server, struct lm_error *err) LM_MUST_USE;
/* The writer's side: runs what waits. */
void lm_server_desk_run(struct lm_server *server);
/* No further job is taken; who waits is told. */
void lm_server_desk_close(struct lm_server *server);
void lm_server_desk_free(struct lm_server *server);
/* server_http.c */
enum lm_status lm_server_http_start(struct lm_server *server, const char *address,
                                    struct lm_error *err);
void lm_server_http_stop(struct lm_server *server);

#endif
