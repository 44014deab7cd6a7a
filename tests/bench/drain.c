/* Drains queued changes of many stations into a running hub and says how fast, and what they cost
 * on the wire.
 *
 *   drain KITS_DIR CHANGES_PER_NODE [BATCH] [SEED]     KITS_DIR holds one enrolment kit a station
 * (*.kit)
 *
 * Real CURVE, real sockets, real protocol: every node enrols, says HELLO, and pushes what was made
 * and packed beforehand, four pushes under way, until its last change is acked (so: durable at the
 * hub). Prints one JSON document. tests/bench/run.py starts the hub. */
#include "common/base/util.h"
#include "common/datadir.h"
#include "common/transport.h"
#include "proto/change.h"
#include "proto/credential.h"
#include "proto/idnumber.h"
#include "proto/message.h"

#include <dirent.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MAX 256

struct node {
    struct lm_kit kit;
    struct lm_keypair keys;
    struct lm_dealer *dealer;
    uint64_t replica;
    struct lm_buf *pushes; /* packed PUSH bodies */
    uint64_t *last_seq;    /* of each */
    size_t n_pushes, next, acked;
    uint64_t total;
};

static struct lm_rand rnd;
static struct lm_arena kit_arena;
static uint64_t raw_bytes, wire_bytes;

static void die(const char *what)
{
    fprintf(stderr, "drain: %s\n", what);
    exit(1);
}

/* ---- made-up records: no references, so that any order is complete -----------------------------
 */

static const char *pick(const char *const *words, size_t n)
{
    return words[lm_rand_below(&rnd, n)];
}
#define PICK(words) pick(words, sizeof(words) / sizeof *(words))

static const char *const texts[] = {"询问优待证办理进度,已说明还需补交的材料和时限",
                                    "反映住房漏雨,已联系村委会核实并协助申报维修",
                                    "咨询六十周岁农村籍退役士兵待遇,核对入伍和退役时间",
                                    "来电了解大病报销流程,告知需准备发票和出院小结",
                                    "请求协助查找退役档案,已记录并转交县局",
                                    "反映邻里宅基地纠纷,约定下周三现场调解"};
static const char *const replies[] = {"已当场答复,本人表示满意", "已登记转办,五个工作日内回复",
                                      "已一次性告知所需材料", "约定时间上门办理"};
static const char *const places[] = {"村文化广场", "镇文化站", "敬老院", "村小学操场"};
static const char *const surnames[] = {"测", "试", "样", "例", "示", "范"};

struct fields {
    struct lm_pair pairs[32];
    uint32_t n;
};

static void put(struct fields *f, const char *key, struct lm_value value)
{
    f->pairs[f->n].key = key;
    f->pairs[f->n].key_len = (uint32_t)strlen(key);
    f->pairs[f->n++].value = value;
}
static void put_text(struct fields *f, const char *key, const char *text)
{
    put(f, key, lm_value_text(text));
}

static const char *date_text(char out[16], int64_t first_day, uint64_t span)
{
    lm_date_format(first_day + (int64_t)lm_rand_below(&rnd, span), out);
    return out;
}

struct scratch {
    char a[64], b[64], c[64], d[32], e[32], f[64];
    struct fields fields;
};

static const char *make_fields(struct scratch *s, const char *station, const char *handler,
                               uint64_t i)
{
    struct fields *f = &s->fields;
    uint64_t dice = lm_rand_below(&rnd, 10);
    f->n = 0;
    if (dice < 4) {
        lm_time_format(1735689600000LL + (int64_t)lm_rand_below(&rnd, 30000000) * 1000, s->a);
        put_text(f, "state", "submitted");
        put_text(f, "at", s->a);
        put(f, "head_count", lm_value_int(1));
        snprintf(s->b, sizeof s->b, "%s%s", PICK(surnames), PICK(surnames));
        put_text(f, "visitor_name", s->b);
        static const char *const kinds[] = {"policy", "benefit", "medical", "card", "aid"};
        put_text(f, "matter_kind", PICK(kinds));
        put_text(f, "appeal", PICK(texts));
        put_text(f, "reply", PICK(replies));
        put_text(f, "outcome", "done");
        put_text(f, "handler", handler);
        put_text(f, "satisfaction", "3");
        return "reception";
    }
    if (dice < 7) {
        put_text(f, "state", "submitted");
        snprintf(s->a, sizeof s->a, "%s%s%s", PICK(surnames), PICK(surnames), PICK(surnames));
        put_text(f, "name", s->a);
        date_text(s->d, -8000, 9000);
        snprintf(s->b, sizeof s->b, "999999%.4s%.2s%.2s%03" PRIu64, s->d, s->d + 5, s->d + 8,
                 lm_rand_below(&rnd, 1000));
        int odd = (s->b[16] - '0') % 2;
        size_t n = strlen(s->b);
        s->b[n] = lm_idno_check_char(s->b);
        s->b[n + 1] = '\0';
        put_text(f, "id_status", "valid");
        put_text(f, "id_no", s->b);
        put_text(f, "sex", odd ? "1" : "2");
        put_text(f, "birth_on", s->d);
        put_text(f, "ethnic", "01");
        put_text(f, "politics", lm_rand_below(&rnd, 2) ? "01" : "13");
        put_text(f, "household_village", station);
        put(f, "is_resident", lm_value_bool(true));
        snprintf(s->c, sizeof s->c, "H%" PRIu64, i);
        put_text(f, "household_no", s->c);
        snprintf(s->f, sizeof s->f, "139%08" PRIu64, lm_rand_below(&rnd, 100000000));
        put_text(f, "phone", s->f);
        put_text(f, "difficulty", "none");
        put_text(f, "notice_at", date_text(s->e, 19000, 1000));
        return "person";
    }
    if (dice < 9) {
        put_text(f, "state", "submitted");
        put_text(f, "on", date_text(s->d, 20089, 300));
        static const char *const channels[] = {"window", "phone", "home", "im"};
        put_text(f, "channel", PICK(channels));
        static const char *const topics[] = {"policy", "benefit", "card", "medical", "job"};
        put_text(f, "topic", PICK(topics));
        put(f, "item_count", lm_value_int(1 + (int64_t)lm_rand_below(&rnd, 4)));
        return "consultation";
    }
    put_text(f, "state", "submitted");
    put_text(f, "on", date_text(s->d, 20089, 300));
    put_text(f, "kind", "talk");
    put(f, "session_count", lm_value_int(1));
    put(f, "is_voluntary", lm_value_bool(true));
    put_text(f, "place_text", PICK(places));
    put(f, "audience", lm_value_int((int64_t)lm_rand_below(&rnd, 200)));
    return "activity";
}

/* Packs all pushes of a node before the clock starts. */
static void make_pushes(struct node *node, uint64_t changes, uint32_t batch_size)
{
    uint8_t hash[LM_HASH_BYTES], before[LM_HASH_BYTES];
    struct lm_batch batch;
    struct lm_buf body, packed;
    struct scratch *s = malloc(sizeof *s);
    char handler[40];
    uint64_t hlc = lm_hlc_of_ms(lm_clock_wall_ms() - 3600000), first = 1;
    size_t max_pushes = changes / batch_size + changes / 100 + 2;
    node->pushes = calloc(max_pushes, sizeof *node->pushes);
    node->last_seq = calloc(max_pushes, sizeof *node->last_seq);
    if (!s || !node->pushes || !node->last_seq) {
        die("out of memory");
    }
    lm_uuid_v7(&rnd, lm_clock_wall_ms(), handler);
    lm_batch_init(&batch);
    lm_buf_init(&body, LM_CHANGE_BYTES_MAX);
    lm_buf_init(&packed, LM_FRAME_BYTES_MAX);
    lm_chain_start(node->replica, 1, hash);
    memcpy(before, hash, sizeof before);
    for (uint64_t seq = 1; seq <= changes; seq++) {
        struct lm_change change;
        memset(&change, 0, sizeof change);
        change.type = make_fields(s, node->kit.station, handler, seq);
        lm_uuid_v7(&rnd, lm_hlc_ms(hlc), change.id);
        change.hlc = hlc;
        hlc += 65536 * (1 + lm_rand_below(&rnd, 30));
        change.user = "村支书";
        change.catalog = 1;
        change.offset_known = true;
        change.offset_ms = 12;
        change.fields.kind = LM_MAP;
        change.fields.len = s->fields.n;
        change.fields.pairs = s->fields.pairs;
        lm_buf_reset(&body);
        lm_change_pack(&body, &change);
        raw_bytes += body.len;
        if (body.status != LM_OK || !lm_batch_add(&batch, body.data, body.len)) {
            die("a change does not fit");
        }
        lm_chain_next(hash, body.data, body.len, hash);
        if (batch.count == batch_size || batch.raw.len > LM_BATCH_BYTES_MAX - 8192 ||
            seq == changes) {
            struct lm_msg_push push;
            memset(&push, 0, sizeof push);
            lm_buf_reset(&packed);
            if (lm_batch_pack(&batch, &packed) != LM_OK) {
                die("a batch does not pack");
            }
            push.branch = 1;
            push.first_seq = first;
            memcpy(push.before, before, sizeof before);
            push.count = batch.count;
            push.raw_bytes = (uint32_t)batch.raw.len;
            push.packed = packed.data;
            push.packed_len = packed.len;
            push.head.seq = seq;
            memcpy(push.head.hash, hash, sizeof hash);
            struct lm_buf *out = &node->pushes[node->n_pushes];
            lm_buf_init(out, LM_FRAME_BYTES_MAX + 4096);
            lm_push_pack(out, &push);
            node->last_seq[node->n_pushes++] = seq;
            first = seq + 1;
            memcpy(before, hash, sizeof before);
            lm_batch_free(&batch);
            lm_batch_init(&batch);
        }
    }
    node->total = changes;
    lm_batch_free(&batch);
    lm_buf_free(&body);
    lm_buf_free(&packed);
    free(s);
}

/* ---- talking ------------------------------------------------------------------------------------
 */

static struct lm_dealer *open_dealer(struct lm_context *context, const struct node *node,
                                     const struct lm_keypair *keys)
{
    uint8_t hub_key[32];
    struct lm_dealer *dealer = NULL;
    struct lm_error err = {0};
    if (!lm_key_from_z85(node->kit.hub_public_key, hub_key) ||
        lm_dealer_open(context, node->kit.endpoint, hub_key, keys, &dealer, &err) != LM_OK) {
        die(err.en);
    }
    return dealer;
}

static void send_wait(struct lm_dealer *dealer, uint8_t kind, const struct lm_buf *body)
{
    int64_t until = lm_clock_mono_ms() + 20000;
    while (lm_dealer_send(dealer, kind, body->data, body->len) != LM_OK) {
        struct lm_incoming in;
        if (lm_clock_mono_ms() > until) {
            die("cannot send");
        }
        if (lm_dealer_receive(dealer, 5, &in) == LM_OK) {
            lm_incoming_release(&in);
        }
    }
}

static void expect(struct lm_dealer *dealer, uint8_t kind, struct lm_incoming *in)
{
    if (lm_dealer_receive(dealer, 20000, in) != LM_OK) {
        die("no answer");
    }
    if (in->kind != kind) {
        struct lm_arena arena;
        struct lm_msg_error error;
        lm_arena_init(&arena, 65536);
        if (in->kind == LM_MSG_ERROR &&
            lm_error_read(in->body, in->n, &arena, &error, NULL) == LM_OK) {
            die(error.text);
        }
        die("another answer than expected");
    }
}

static void enrol(struct lm_context *context, struct node *node)
{
    struct lm_keypair once;
    struct lm_msg_enrol enrol;
    struct lm_msg_enrolled enrolled;
    struct lm_incoming in;
    struct lm_arena arena;
    struct lm_buf body;
    memset(&enrol, 0, sizeof enrol);
    lm_keypair_make(&node->keys);
    if (!lm_key_from_z85(node->kit.enrol_public_key, once.public_key) ||
        !lm_key_from_z85(node->kit.enrol_secret_key, once.secret_key)) {
        die("bad kit");
    }
    enrol.protocol_min = enrol.protocol_max = 1;
    memcpy(enrol.public_key, node->keys.public_key, 32);
    randombytes_buf(enrol.nonce, sizeof enrol.nonce);
    enrol.machine = "bench";
    enrol.program = "bench";
    lm_buf_init(&body, 65536);
    lm_enrol_pack(&body, &enrol);
    struct lm_dealer *dealer = open_dealer(context, node, &once);
    send_wait(dealer, LM_MSG_ENROL, &body);
    expect(dealer, LM_MSG_ENROLLED, &in);
    lm_arena_init(&arena, 1024 * 1024);
    if (lm_enrolled_read(in.body, in.n, &arena, &enrolled, NULL) != LM_OK) {
        die("bad ENROLLED");
    }
    node->replica = enrolled.replica;
    lm_incoming_release(&in);
    lm_arena_free(&arena);
    lm_dealer_close(&dealer);
    lm_buf_free(&body);
}

static void hello(struct lm_context *context, struct node *node)
{
    struct lm_msg_hello hello;
    struct lm_incoming in;
    struct lm_buf body;
    memset(&hello, 0, sizeof hello);
    hello.protocol_min = hello.protocol_max = 1;
    hello.branch = 1;
    hello.head.seq = node->total;
    hello.catalog = 1;
    hello.wall_ms = lm_clock_wall_ms();
    hello.program = "bench";
    lm_buf_init(&body, 65536);
    lm_hello_pack(&body, &hello);
    node->dealer = open_dealer(context, node, &node->keys);
    send_wait(node->dealer, LM_MSG_HELLO, &body);
    expect(node->dealer, LM_MSG_WELCOME, &in);
    lm_incoming_release(&in);
    lm_buf_free(&body);
}

static bool turn(struct node *node)
{
    struct lm_incoming in;
    struct lm_arena arena;
    bool busy = false;
    lm_arena_init(&arena, 1024 * 1024);
    while (node->next < node->n_pushes && node->next - node->acked < LM_WINDOW_MAX) {
        struct lm_buf *push = &node->pushes[node->next];
        if (lm_dealer_send(node->dealer, LM_MSG_PUSH, push->data, push->len) != LM_OK) {
            break;
        }
        wire_bytes += push->len + 2 + 9 + 2 * 17; /* kind and body frames, ZMTP and CURVE heads */
        node->next++;
        busy = true;
    }
    while (lm_dealer_receive(node->dealer, 0, &in) == LM_OK) {
        struct lm_msg_ack ack;
        busy = true;
        if (in.kind == LM_MSG_ERROR) {
            struct lm_msg_error error;
            die(lm_error_read(in.body, in.n, &arena, &error, NULL) == LM_OK ? error.text : "ERROR");
        }
        if (in.kind == LM_MSG_ACK && lm_ack_read(in.body, in.n, &arena, &ack, NULL) == LM_OK) {
            if (ack.n_verdicts > 0) {
                fprintf(stderr, "drain: a change was not applied: %s\n", ack.verdicts[0].code);
                exit(1);
            }
            while (node->acked < node->next && node->last_seq[node->acked] <= ack.acked.seq) {
                node->acked++;
            }
        }
        lm_incoming_release(&in);
        lm_arena_reset(&arena);
    }
    lm_arena_free(&arena);
    return busy;
}

static size_t load_kits(const char *dir, struct node *nodes)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    size_t n = 0;
    if (!d) {
        die("no such folder of kits");
    }
    while ((entry = readdir(d)) && n < NODES_MAX) {
        char path[4096], *text = NULL;
        size_t size = 0, len = strlen(entry->d_name);
        struct lm_error err = {0};
        if (len < 4 || strcmp(entry->d_name + len - 4, ".kit") != 0) {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (lm_file_read(path, LM_KIT_BYTES_MAX, &text, &size, &err) != LM_OK ||
            lm_kit_read(text, size, &kit_arena, &nodes[n].kit, &err) != LM_OK) {
            die(err.en);
        }
        free(text);
        n++;
    }
    closedir(d);
    return n;
}

int main(int argc, char **argv)
{
    static struct node nodes[NODES_MAX];
    struct lm_context *context = NULL;
    if (argc < 3 || sodium_init() < 0) {
        fprintf(stderr, "usage: drain KITS_DIR CHANGES_PER_NODE [BATCH] [SEED]\n");
        return 2;
    }
    uint64_t changes = strtoull(argv[2], NULL, 10);
    uint32_t batch = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1000;
    lm_rand_seed(&rnd, argc > 4 ? strtoull(argv[4], NULL, 10) : 1);
    lm_arena_init(&kit_arena, 512 * 1024 * 1024);
    if (batch < 1 || batch > LM_BATCH_CHANGES_MAX || lm_context_new(&context) != LM_OK) {
        die("bad batch size, or no context");
    }
    size_t n = load_kits(argv[1], nodes);
    for (size_t i = 0; i < n; i++) {
        enrol(context, &nodes[i]);
        make_pushes(&nodes[i], changes, batch);
    }
    for (size_t i = 0; i < n; i++) {
        hello(context, &nodes[i]);
    }
    int64_t started = lm_clock_mono_ms();
    for (size_t done = 0; done < n;) {
        bool busy = false;
        done = 0;
        for (size_t i = 0; i < n; i++) {
            busy = turn(&nodes[i]) || busy;
            done += nodes[i].acked == nodes[i].n_pushes;
        }
        if (!busy && done < n) {
            bool ready;
            if (lm_dealer_wait(nodes[0].dealer, NULL, 0, NULL, 1, &ready) != LM_OK) {
                continue;
            }
        }
    }
    int64_t took = lm_clock_mono_ms() - started;
    double total = (double)changes * (double)n;
    printf("{\"nodes\":%zu,\"changes\":%.0f,\"batch\":%u,\"seconds\":%.3f,\"changes_per_s\":%.0f,"
           "\"raw_bytes_per_change\":%.1f,"
           "\"wire_bytes_per_change\":%.1f}\n",
           n, total, batch, (double)took / 1000.0, total * 1000.0 / (double)(took ? took : 1),
           (double)raw_bytes / total, (double)wire_bytes / total);
    for (size_t i = 0; i < n; i++) {
        lm_dealer_close(&nodes[i].dealer);
    }
    lm_context_destroy(&context);
    return 0;
}
