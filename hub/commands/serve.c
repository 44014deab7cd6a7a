/* serve: opens sockets, prints the ready line, runs rounds until told to stop. */
#include "common/base/log.h"
#include "hub/server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define TICK_MS 1000
#define ANCHOR_MS (24 * 3600 * 1000LL)
#define FILES_WANTED 8192
#define CLOCK_BACK_MS 1000 /* less is slewing */

static int open_signals(struct lm_error *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    int fd = sigprocmask(SIG_BLOCK, &set, NULL) == 0
                 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)
                 : -1;
    if (fd < 0) {
        (void)lm_fail(err, LM_ERR_INTERNAL, "internal", "", "无法接收信号",
                      "cannot receive signals");
    }
    return fd;
}

/* Shells give 1,024; each connection takes three. What the system allows is taken, up to what they
 * can need. */
static void open_more_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_WANTED) {
        files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void handle_message(struct lm_server *server, const struct lm_incoming *in)
{
    struct lm_error err = {0};
    struct lm_hub_event event;
    server->metrics.messages++;
    if (in->hostile || in->user_id[0] == '\0') {
        server->metrics.hostile++;
        if (in->user_id[0] != '\0') {
            lm_server_send_error(server, &in->peer, "malformed", "a message has two frames", 0);
        }
        return;
    }
    unsigned long long number = strtoull(in->user_id + 1, NULL, 10);
    if (in->user_id[0] == 'k') {
        lm_server_enrol(server, (int64_t)number, in);
        return;
    }
    if (in->user_id[0] == 'a') {
        lm_server_readmit(server, in);
        return;
    }
    struct lm_hub_peer *peer = lm_server_peer(server, number, &err);
    if (!peer) {
        lm_server_send_error(server, &in->peer, err.code, err.en, 30);
        return;
    }
    memset(&event, 0, sizeof event);
    event.kind = LM_HE_MESSAGE;
    for (size_t i = 0; i < in->peer.n && i < 8; i++) {
        event.message.peer = event.message.peer << 8 | in->peer.id[i];
    }
    event.message.kind = in->kind;
    event.message.body = in->body;
    event.message.n = in->n;
    lm_arena_reset(&server->message_arena);
    event.message.arena = &server->message_arena;
    event.message.former_gone = in->kind == LM_MSG_HELLO && peer->session.state == LM_HS_LIVE &&
                                peer->session.peer != event.message.peer &&
                                !lm_server_reaches(server, peer);
    lm_server_step(server, peer, &event, &in->peer);
}

/* Large rounds are what makes a drain fast: a page that many changes touch is written once. A lone
 * message is committed at once. */
void lm_server_gather(struct lm_server *server)
{
    int64_t until = lm_clock_mono_ms() + LM_ROUND_MS;
    for (int n = 0; n < LM_GATHER_MESSAGES && !server->failed; n++) {
        struct lm_incoming in;
        int wait_ms = server->in_round && n > 1 ? LM_GATHER_MS : 0;
        if (server->round_changes >= LM_GATHER_CHANGES || lm_clock_mono_ms() > until ||
            lm_router_receive(server->router, wait_ms, &in) != LM_OK) {
            break;
        }
        handle_message(server, &in);
        lm_incoming_release(&in);
    }
}

/* Their next message is answered with "HELLO first". */
static void drop_peers(struct lm_server *server)
{
    while (server->n_peers > 0) {
        lm_server_drop_peer(server, server->peers[server->n_peers - 1]);
    }
}

/* So that they hear of another key now: news makes them pull, and without a session they greet. */
static void greet_anew(struct lm_server *server)
{
    struct lm_mark head;

    if (lm_store_head(server->hub->store, &head) == LM_OK) {
        for (size_t i = 0; i < server->n_peers; i++) {
            struct lm_hub_event event = {.kind = LM_HE_NEWS, .position = head.position};

            lm_server_step(server, server->peers[i], &event, NULL);
        }
    }
    drop_peers(server);
}

static void open_readmission(struct lm_server *server)
{
    const struct lm_hub_keys *keys = &server->hub->keys;
    uint8_t public_key[32], secret_key[32];

    lm_readmit_key(keys->hub_id, keys->curve.public_key, public_key, secret_key);
    lm_gate_set_readmit(server->gate, public_key);
}

/* The sync port under the key that is in force now, at the same address. With a context of its own:
 * ending the former one waits until its sockets are gone. What was on its way is asked for again.
 */
static void change_port(struct lm_server *server)
{
    struct lm_error err = {0};
    char endpoint[300];
    enum lm_status status;

    (void)snprintf(endpoint, sizeof endpoint, "%s", lm_router_endpoint(server->router));
    lm_router_close(&server->router);
    lm_context_destroy(&server->context);
    open_readmission(server);
    status = lm_context_new(&server->context);
    if (status == LM_OK) {
        status = lm_router_open(server->context, endpoint, &server->hub->keys.curve, lm_gate_allow,
                                server->gate, &server->router, &err);
    }
    if (status != LM_OK) { /* the next start has the key too */
        lm_log(LM_LOG_ERROR, "serve", "cannot open %s under the new key: %s; ending", endpoint,
               err.en);
        server->failed = true;
    }
}

static enum lm_status reopen(struct lm_server *server, struct lm_error *err)
{
    struct lm_hub *hub = server->hub;
    enum lm_status status =
        lm_store_open(&hub->dir, hub->catalog, LM_STORE_WRITE, &hub->store, err);

    if (status != LM_OK) {
        return status;
    }
    lm_store_set_dup_key(hub->store, hub->keys.dup_key);
    /* An older database learns the key that is in force. */
    status = lm_store_line_key(hub->store, hub->keys.number, hub->keys.curve.public_key, true, err);
    if (status != LM_OK) {
        return status;
    }
    drop_peers(server);
    return lm_gate_reload(server->gate, hub->store, err);
}

/* restore-adopt FILE STAGED POSITION INCARNATION KITS: the database is changed under the server. */
static int adopt(struct lm_server *server, struct lm_cli *cli)
{
    struct lm_error err = {0};
    struct lm_restored r = {.staged = ""};
    const char *words[5];
    char aside[96];
    size_t n = 0;
    enum lm_status status = lm_hub_options(cli, NULL, 0, words, 5, &n, &err);

    if (status == LM_OK && n != 5) {
        return lm_cmd_restore_adopt(server->hub, cli);
    }
    if (status == LM_OK) {
        r.position = strtoull(words[2], NULL, 10);
        r.incarnation = strtoull(words[3], NULL, 10);
        r.kits_void = strtoull(words[4], NULL, 10);
        struct lm_error old = {0}; /* of a database that may be damaged */
        if (lm_store_beside_note(server->hub->store, lm_clock_wall_ms(), &old) != LM_OK) {
            lm_log(LM_LOG_WARN, "serve", "who was shut out cannot be noted again: %s", old.en);
        }
        lm_store_checkpoint(server->hub->store);
        lm_store_close(&server->hub->store);
        status =
            lm_store_restore_adopt(&server->hub->dir, words[1], lm_clock_wall_ms(), aside, &err);
        struct lm_error again = {0};
        atomic_fetch_add(&server->store_generation, 1);
        if (reopen(server, &again) != LM_OK) {
            lm_log(LM_LOG_ERROR, "serve", "the database cannot be opened again: %s; ending",
                   again.en);
            server->failed = true;
            if (status == LM_OK) {
                status = LM_ERR_IO;
                err = again;
            }
        }
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    lm_hub_restored(cli, words[0], &r, aside);
    return LM_EXIT_OK;
}

static void run_command(struct lm_server *server, struct lm_control_request *request)
{
    struct lm_error err = {0};
    struct lm_cli cli;
    memset(&cli, 0, sizeof cli);
    enum lm_status status = lm_cli_parse(request->argc, request->argv, &cli, &err);
    cli.in = request->in;
    cli.out = request->out;
    cli.err = request->err;
    cli.uid = request->uid;
    const struct lm_hub_command *command =
        status == LM_OK ? lm_hub_command_find(cli.argc, cli.argv) : NULL;
    int code = LM_EXIT_USAGE;
    if (status != LM_OK) {
        code = lm_hub_fail(&cli, &err);
    } else if (!command ||
               (command->needs != LM_NEEDS_WRITE && command->needs != LM_NEEDS_WRITE_ANYWAY)) {
        fprintf(cli.err, "%s: 服务器不执行这个命令 / the server does not run this command\n",
                LM_HUB_NAME);
    } else if (command->needs == LM_NEEDS_WRITE &&
               lm_store_may_write(server->hub->store, &err) != LM_OK) {
        code = lm_hub_fail(&cli, &err);
    } else if (strcmp(command->name, "restore-adopt") == 0) {
        code = lm_hub_ran(server->hub, command, &cli, adopt(server, &cli));
    } else {
        server->hub->registry_changed = false;
        server->hub->catalog_changed = false;
        server->hub->keys_changed = false;
        server->hub->keys_switched = false;
        code = lm_hub_run(server->hub, command, &cli);
        if (server->hub->registry_changed &&
            lm_gate_reload(server->gate, server->hub->store, &err) != LM_OK) {
            lm_log(LM_LOG_ERROR, "serve", "cannot reload the registry: %s", err.en);
        }
        if (server->hub->registry_changed) {
            for (size_t i = 0; i < server->n_peers;
                 i++) { /* a revocation holds from the next message on */
                struct lm_hub_peer *peer = server->peers[i];
                if (lm_store_replica_get(server->hub->store, peer->row.number, &peer->row) !=
                    LM_OK) {
                    lm_log(LM_LOG_ERROR, "serve", "a replica's row cannot be read");
                }
            }
        }
        if (server->hub->catalog_changed) {
            lm_server_catalog(server);
        }
        if (server->hub->keys_changed) {
            greet_anew(server);
        }
        if (server->hub->keys_switched) {
            change_port(server);
        }
        lm_server_news(server);
    }
    lm_control_finish(request, code);
    if (server->hub->store && lm_store_broken(server->hub->store)) {
        lm_log(LM_LOG_ERROR, "serve", "a command's COMMIT failed for I/O; ending");
        server->failed = true;
    }
}

/* A wall clock that was set back makes times known from before lie in the future: they must not
 * pass for knowledge when that time comes (P10). force: at the start nobody knows what was before.
 */
static void watch_clock(struct lm_server *server, bool force)
{
    struct lm_error err = {0};
    int64_t wall_ms = lm_clock_wall_ms(), ahead_ms = wall_ms - lm_clock_mono_ms();
    bool back = ahead_ms < server->wall_ahead_ms - CLOCK_BACK_MS;
    size_t n = 0;
    server->wall_ahead_ms = ahead_ms;
    if ((!back && !force) || !lm_server_round(server)) {
        return;
    }
    if (lm_store_clock_back(server->hub->store, wall_ms, &n, &err) != LM_OK) {
        lm_log(LM_LOG_ERROR, "serve", "cannot take back what lies in the future: %s", err.en);
        server->failed = true;
    }
    if (n > 0) {
        lm_log(LM_LOG_WARN, "serve",
               "the clock was set back: what was known of %zu PCs lies in the future and does not "
               "count until they are heard again",
               n);
        for (size_t i = 0; i < server->n_peers; i++) {
            server->peers[i]->touched = true; /* their rows are read again */
        }
    }
}

/* Once a day, and soon after the start: behind that, a cut audit log shows. */
static void anchor_audit(struct lm_server *server)
{
    struct lm_error err = {0};
    int64_t now_ms = lm_clock_mono_ms();

    if (now_ms < server->anchor_at_ms || server->failed ||
        lm_store_may_write(server->hub->store, &err) != LM_OK) {
        return;
    }
    server->anchor_at_ms = now_ms + ANCHOR_MS;
    if (lm_store_audit_anchor(server->hub->store, lm_clock_wall_ms(), &err) != LM_OK) {
        lm_log(LM_LOG_WARN, "serve", "the audit log could not be anchored: %s", err.en);
    }
    if (lm_store_broken(server->hub->store)) {
        server->failed = true;
    }
}

void lm_server_tick(struct lm_server *server)
{
    struct lm_store_totals totals;
    struct lm_error err = {0};
    bool more;
    watch_clock(server, false);
    for (size_t i = server->n_peers; i-- > 0;) {
        struct lm_hub_event event;
        struct lm_hub_peer *peer = server->peers[i];
        memset(&event, 0, sizeof event);
        event.kind = LM_HE_TICK;
        lm_server_step(server, peer, &event, NULL);
        for (size_t k = 0; k < server->fx.n; k++) {
            if (server->fx.items[k].kind == LM_HX_CLOSE && !peer->touched) {
                lm_server_drop_peer(server, peer);
                break;
            }
        }
    }
    lm_server_end_round(server);
    anchor_audit(server);
    if (!server->failed &&
        lm_store_periods_more(server->hub->store, lm_clock_wall_ms(), &more, &err) != LM_OK) {
        lm_log(LM_LOG_ERROR, "serve", "cannot go on with the records of a locked period: %s",
               err.en);
        server->failed = server->failed || lm_store_broken(server->hub->store);
    }
    pthread_mutex_lock(&server->metrics_mutex);
    if (lm_store_totals(server->hub->store, &totals) == LM_OK) {
        server->metrics.journal_entries = totals.journal_entries;
        server->metrics.returned = totals.returned;
        server->metrics.held = totals.held;
        server->metrics.conflicts = totals.conflicts;
    }
    server->metrics.sessions = server->n_peers;
    pthread_mutex_unlock(&server->metrics_mutex);
}

static void serve(struct lm_server *server, int signals)
{
    int64_t next_tick = lm_clock_mono_ms() + TICK_MS;
    watch_clock(server, true);
    lm_server_end_round(server);
    while (!server->stop && !server->failed) {
        int fds[3] = {signals, lm_control_fd(server->control), server->desk.fd};
        bool ready[3] = {false, false, false}, message = false;
        int64_t wait = next_tick - lm_clock_mono_ms();
        enum lm_status status =
            lm_router_wait(server->router, fds, 3, ready, wait < 0 ? 0 : (int)wait, &message);
        if (status != LM_OK && status != LM_ERR_TIMEOUT) {
            lm_log(LM_LOG_ERROR, "serve", "waiting failed: %s", lm_status_name(status));
            server->failed = true;
        }
        if (ready[0]) {
            struct signalfd_siginfo info;
            while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
                server->stop = server->stop || info.ssi_signo != SIGHUP;
            }
        }
        if (message) {
            lm_server_gather(server);
            lm_server_end_round(server);
        }
        struct lm_control_request *request =
            server->failed ? NULL : lm_control_next(server->control);
        if (request) {
            run_command(server, request);
        }
        if (ready[2] && !server->failed) {
            lm_server_desk_run(server);
        }
        int64_t now = lm_clock_mono_ms();
        atomic_store(&server->ticked_mono_ms, now);
        if (now >= next_tick && !server->failed) {
            lm_server_tick(server);
            next_tick = now + TICK_MS;
        }
    }
}

static enum lm_status write_serving(struct lm_server *server, struct lm_error *err)
{
    char path[PATH_MAX];
    enum lm_status status = lm_datadir_path(&server->hub->dir, "serving.json", path, sizeof path);
    char started[LM_TIME_TEXT + 8];
    lm_time_format(server->started_ms, started);
    json_t *doc =
        json_pack("{s:I,s:s,s:s,s:s}", "pid", (json_int_t)getpid(), "started", started, "sync",
                  lm_router_endpoint(server->router), "http", lm_http_address(server->http));
    char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    if (status == LM_OK) {
        status = text ? lm_file_write(path, text, strlen(text), 0600, err) : LM_ERR_MEMORY;
    }
    free(text);
    json_decref(doc);
    return status;
}

enum lm_status lm_server_init(struct lm_server *server, struct lm_hub *hub, struct lm_error *err)
{
    server->hub = hub;
    server->started_ms = lm_clock_wall_ms();
    atomic_store(&server->ticked_mono_ms, lm_clock_mono_ms());
    pthread_mutex_init(&server->metrics_mutex, NULL);
    lm_rand_seed_system(&server->rnd);
    lm_hub_effects_init(&server->fx);
    lm_arena_init(&server->message_arena, 16 * 1024 * 1024);
    lm_arena_init(&server->read_arena, 64 * 1024 * 1024);
    lm_arena_init(&server->round_arena, 64 * 1024 * 1024);
    server->peers = calloc(LM_PEERS_MAX, sizeof *server->peers);
    server->gate = lm_gate_new();
    server->desk.fd = -1;
    if (!server->peers || !server->gate) {
        return lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足", "out of memory");
    }
    open_readmission(server);
    return lm_server_desk_open(server, err);
}

void lm_server_free(struct lm_server *server)
{
    for (size_t i = 0; i < server->n_peers; i++) {
        free(server->peers[i]);
    }
    free(server->peers);
    free(server->backups);
    lm_gate_destroy(&server->gate);
    lm_hub_effects_free(&server->fx);
    lm_arena_free(&server->message_arena);
    lm_arena_free(&server->read_arena);
    lm_arena_free(&server->round_arena);
    lm_server_desk_free(server);
    pthread_mutex_destroy(&server->metrics_mutex);
}

/* Where the page's backups go: a folder that is there, and may be written. */
static enum lm_status take_backups(struct lm_server *server, const char *path, struct lm_error *err)
{
    struct stat info;

    server->backups = realpath(path, NULL);
    if (!server->backups || stat(server->backups, &info) != 0 || !S_ISDIR(info.st_mode) ||
        access(server->backups, W_OK | X_OK) != 0) {
        return lm_fail(
            err, LM_ERR_INVALID, "no_folder", "", "备份文件夹不能用：%s（要先建好，程序能写）",
            "The folder for backups cannot be used: %s (it must be there, and writable)", path);
    }
    return LM_OK;
}

int lm_cmd_serve(struct lm_hub *hub, struct lm_cli *cli)
{
    const char *sync = "tcp://127.0.0.1:5800", *http = "127.0.0.1:5880", *backups = NULL;
    const char *positional[1];
    const struct lm_cli_option options[] = {{.name = "--sync", .value = &sync},
                                            {.name = "--http", .value = &http},
                                            {.name = "--backups", .value = &backups}};
    struct lm_error err = {0};
    size_t n = 0;
    char path[PATH_MAX];
    struct lm_server *server = calloc(1, sizeof *server);
    if (!server) {
        return LM_EXIT_FAILED;
    }
    int signals = -1;
    open_more_files();
    enum lm_status status = lm_server_init(server, hub, &err);
    if (status == LM_OK) {
        status = lm_hub_options(cli, options, 3, positional, 1, &n, &err);
    }
    if (status == LM_OK && backups) {
        status = take_backups(server, backups, &err);
    }
    if (status == LM_OK && (signals = open_signals(&err)) < 0) {
        status = LM_ERR_INTERNAL;
    }
    if (status == LM_OK) {
        status = lm_gate_reload(server->gate, hub->store, &err);
    }
    if (status == LM_OK) {
        status = lm_context_new(&server->context);
    }
    if (status == LM_OK) {
        status = lm_router_open(server->context, sync, &hub->keys.curve, lm_gate_allow,
                                server->gate, &server->router, &err);
    }
    if (status == LM_OK) {
        const char *port = strrchr(lm_router_endpoint(server->router), ':');

        server->sync_port = port ? (int)strtol(port + 1, NULL, 10) : 0;
    }
    if (status == LM_OK) {
        status = lm_control_open(hub->dir.path, &server->control, &err);
    }
    if (status == LM_OK) {
        status = lm_server_http_start(server, http, &err);
    }
    if (status == LM_OK) {
        lm_store_sweep(&hub->dir);
        status = write_serving(server, &err);
    }
    if (status == LM_OK) {
        fprintf(cli->out, "ready sync=%s http=%s\n", lm_router_endpoint(server->router),
                lm_http_address(server->http));
        fflush(cli->out);
        serve(server, signals);
    }
    int code = status != LM_OK  ? lm_hub_fail(cli, &err)
               : server->failed ? LM_EXIT_FAILED
                                : LM_EXIT_OK;
    lm_control_close(&server->control); /* first: a backup of the page may wait for its answer */
    lm_server_http_stop(server);
    lm_router_close(&server->router);
    lm_context_destroy(&server->context);
    if (status == LM_OK && lm_datadir_path(&hub->dir, "serving.json", path, sizeof path) == LM_OK) {
        (void)unlink(path);
    }
    lm_server_free(server);
    if (signals >= 0) {
        close(signals);
    }
    free(server);
    return code;
}
