/* key, key next, key withdraw, key switch, key forget, key accept: the hub's CURVE key changes
 * without new kits (PROTOCOL.md "Change of the hub's key"). The audit log first says who did it. */
#include "common/base/util.h"
#include "hub/audit.h"
#include "hub/program.h"

#include <string.h>

/* What is asked about the installations. */
enum asked {
    KNOWS_NEXT,  /* while one is announced: who has pinned it */
    SPEAKS,      /* else: who has spoken under the one in force. Pinned is not gone over: a PC that
                    lives on sticks seals for the former key until it has read a reply under this */
    CAN_GO_OVER, /* before a switch that drops the former key: who has pinned the next one and is on
                    the line. What a stick brings is sealed for the one that is dropped */
};
struct looking {
    struct lm_hub *hub;
    enum asked asked;
    int64_t now_ms;
    json_t *left_out, *kits;
    json_int_t active, confirmed;
    bool failed;
};

static bool is_key(bool known, const uint8_t key[32], const struct lm_keypair *pair)
{
    return known && memcmp(key, pair->public_key, 32) == 0;
}

/* By its newest word it comes by stick. */
static bool on_stick(struct lm_store *store, const struct lm_replica *r)
{
    return r->lease_issued.counter == 0 || lm_store_by_station_clock(store, r);
}

static bool is_over(const struct looking *l, const struct lm_replica *r, bool pinned)
{
    const struct lm_hub_keys *keys = &l->hub->keys;

    switch (l->asked) {
    case KNOWS_NEXT:
        return pinned;
    case CAN_GO_OVER:
        return pinned && !on_stick(l->hub->store, r);
    case SPEAKS:
        break;
    }
    /* There was never another one, and it knows of none. */
    return is_key(r->hub_spoke_known, r->hub_spoke, &keys->curve) ||
           (keys->number == 1 && !r->hub_spoke_known && (!r->hub_key_known || pinned));
}

static json_t *time_or_null(int64_t ms)
{
    char text[LM_TIME_TEXT + 8];

    if (ms == 0) {
        return json_null();
    }
    lm_time_format(ms, text);
    return json_string(text);
}

static bool look_at_replica(void *arg, const struct lm_replica *r)
{
    struct looking *l = arg;
    const struct lm_hub_keys *keys = &l->hub->keys;
    bool pinned = is_key(r->hub_key_known, r->hub_key, keys->has_next ? &keys->next : &keys->curve);
    struct lm_station station = {.name = ""};
    char number[24];

    if (r->revoked_ms != 0) {
        return true;
    }
    l->active++;
    if (is_over(l, r, pinned)) {
        l->confirmed++;
        return true;
    }
    (void)!lm_store_station_get(l->hub->store, r->station, &station);
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)r->number);
    l->failed =
        json_array_append_new(l->left_out,
                              json_pack("{s:s,s:s,s:s,s:b,s:b,s:o}", "station", r->station, "name",
                                        station.name, "replica", number, "pinned", pinned, "stick",
                                        on_stick(l->hub->store, r), "last_contact",
                                        time_or_null(r->last_contact_ms))) != 0 ||
        l->failed;
    return true;
}

/* Kits that hold a key which is not, or will not be, in force when they are used. */
static bool look_at_kit(void *arg, const struct lm_kit_row *kit)
{
    struct looking *l = arg;
    const struct lm_hub_keys *keys = &l->hub->keys;

    if (kit->used_ms != 0 || kit->void_ms != 0 || kit->expires_ms <= l->now_ms ||
        (!keys->has_next && kit->made_ms >= keys->since_ms)) {
        return true;
    }
    l->failed =
        json_array_append_new(l->kits, json_pack("{s:s,s:o}", "station", kit->station, "expires",
                                                 time_or_null(kit->expires_ms))) != 0 ||
        l->failed;
    return true;
}

static enum lm_status look(struct lm_hub *hub, enum asked asked, struct looking *l,
                           struct lm_error *err)
{
    enum lm_status status;

    *l = (struct looking){.hub = hub,
                          .now_ms = lm_clock_wall_ms(),
                          .asked = asked,
                          .left_out = json_array(),
                          .kits = json_array()};
    status = lm_store_replicas(hub->store, NULL, look_at_replica, l, err);
    if (status == LM_OK) {
        status = lm_store_kits(hub->store, look_at_kit, l, err);
    }
    if (status == LM_OK && (l->failed || !l->left_out || !l->kits)) {
        status = lm_fail(err, LM_ERR_MEMORY, "memory", "", "内存不足", "out of memory");
    }
    return status;
}

static void look_end(struct looking *l)
{
    json_decref(l->left_out);
    json_decref(l->kits);
}

static json_t *key_json(const uint8_t key[32], const char *name, int64_t ms)
{
    char text[LM_KEY_Z85];

    return lm_key_to_z85(key, text) ? json_pack("{s:s,s:o}", "key", text, name, time_or_null(ms))
                                    : NULL;
}

static json_t *describe(const struct lm_hub *hub, const struct looking *l)
{
    const struct lm_hub_keys *keys = &hub->keys;
    json_t *doc = key_json(keys->curve.public_key, "since", keys->since_ms), *old = json_array();

    for (size_t i = 0; i < keys->n_old; i++) {
        json_array_append_new(
            old, key_json(keys->old[i].pair.public_key, "until", keys->old[i].until_ms));
    }
    json_object_set_new(doc, "number", json_integer(keys->number));
    json_object_set_new(doc, "next",
                        keys->has_next ? key_json(keys->next.public_key, "made", keys->next_ms)
                                       : json_null());
    json_object_set_new(doc, "old", old);
    json_object_set_new(doc, "active", json_integer(l->active));
    json_object_set_new(doc, "confirmed", json_integer(l->confirmed));
    json_object_set(doc, "left_out", l->left_out);
    json_object_set(doc, "kits", l->kits);
    return doc;
}

static void print_left_out(FILE *out, const struct looking *l)
{
    const json_t *row;
    size_t i;

    json_array_foreach(l->left_out, i, row)
    {
        const char *contact = json_string_value(json_object_get(row, "last_contact"));

        fprintf(out, "  %s %s  电脑 / PC %s  上次联系 / last contact %s%s%s\n",
                json_string_value(json_object_get(row, "station")),
                json_string_value(json_object_get(row, "name")),
                json_string_value(json_object_get(row, "replica")),
                contact ? contact : "从未 / never",
                json_is_true(json_object_get(row, "stick")) ? "  用U盘 / by stick" : "",
                json_is_true(json_object_get(row, "pinned"))
                    ? "  已记下,还没用新密钥联系过 / has pinned it, has not spoken under it yet"
                    : "");
    }
    json_array_foreach(l->kits, i, row)
    {
        fprintf(out,
                "  %s  没用过的入网文件(到 %s)会失效,请重新生成 / its unused kit will not do\n",
                json_string_value(json_object_get(row, "station")),
                json_string_value(json_object_get(row, "expires")));
    }
}

static void print_keys(const struct lm_hub *hub, const struct looking *l, FILE *out)
{
    const struct lm_hub_keys *keys = &hub->keys;
    char text[LM_KEY_Z85], at[LM_TIME_TEXT + 8];

    if (lm_key_to_z85(keys->curve.public_key, text)) {
        fprintf(out, "密钥 / key %u: %s\n", keys->number, text);
    }
    if (keys->has_next && lm_key_to_z85(keys->next.public_key, text)) {
        lm_time_format(keys->next_ms, at);
        fprintf(out, "已预告 / announced next (%s): %s\n", at, text);
    }
    for (size_t i = 0; i < keys->n_old; i++) {
        lm_time_format(keys->old[i].until_ms, at);
        if (lm_key_to_z85(keys->old[i].pair.public_key, text)) {
            fprintf(out, "旧密钥,U盘文件用到 / former, for USB files until %s: %s\n", at, text);
        }
    }
    if (keys->has_next || keys->number > 1 || json_array_size(l->left_out) > 0) {
        fprintf(out, "%s: %lld / %lld\n",
                keys->has_next ? "已记下下一把密钥的电脑 / PCs that have the next key"
                               : "已用新密钥联系过的电脑 / PCs that have spoken under the new key",
                (long long)l->confirmed, (long long)l->active);
        print_left_out(out, l);
        if (!keys->has_next && json_array_size(l->left_out) > 0) {
            fprintf(out,
                    "  没换的:导出U盘数据包拿来导入,再把回复导入;或发新的入网文件,在那台电脑上"
                    "运行 lastmile-node enrol 文件 --renew\n"
                    "  those: a USB file there and back, or a new kit and `lastmile-node enrol "
                    "KIT --renew`\n");
        }
    }
}

static int show(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    struct looking l;
    enum lm_status status = look(hub, hub->keys.has_next ? KNOWS_NEXT : SPEAKS, &l, &err);

    if (status == LM_OK && cli->json) {
        json_t *doc = describe(hub, &l);

        lm_json_print(cli->out, doc);
        json_decref(doc);
    } else if (status == LM_OK) {
        print_keys(hub, &l, cli->out);
    }
    look_end(&l);
    return status == LM_OK ? LM_EXIT_OK : lm_hub_fail(cli, &err);
}

static enum lm_status no_words(struct lm_cli *cli, const struct lm_cli_option *options,
                               size_t n_options, struct lm_error *err)
{
    const char *words[1];
    size_t n = 0;

    return lm_hub_options(cli, options, n_options, words, 0, &n, err);
}

/* The file is read beside whoever serves. */
int lm_cmd_key(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    enum lm_status status = no_words(cli, NULL, 0, &err);

    if (status == LM_OK) {
        status = lm_hub_keys_load(&hub->dir, &hub->keys, &err);
    }
    return status == LM_OK ? show(hub, cli) : lm_hub_fail(cli, &err);
}

/* Durable before it is done. */
static enum lm_status audit(struct lm_hub *hub, const struct lm_cli *cli, const char *what,
                            const char *detail, struct lm_error *err)
{
    struct lm_audit *log = NULL;
    enum lm_status status = lm_audit_open(&hub->dir, &log, err);

    if (status == LM_OK) {
        const struct lm_audit_entry entry = {.at_ms = lm_clock_wall_ms(),
                                             .user = cli->user,
                                             .role = "command",
                                             .what = what,
                                             .object = "",
                                             .reason = "",
                                             .detail = detail};

        status = lm_audit_add(log, &entry, err);
    }
    lm_audit_close(&log);
    return status;
}

static bool same_keys(const struct lm_hub_keys *a, const struct lm_hub_keys *b)
{
    return a->number == b->number && a->has_next == b->has_next && a->n_old == b->n_old &&
           memcmp(&a->curve, &b->curve, sizeof a->curve) == 0 &&
           (!a->has_next || memcmp(&a->next, &b->next, sizeof a->next) == 0);
}

/* What memory holds now may differ from before also when the command failed: see keys.h. Where it
 * does not, as after a command that was refused, nobody's session has to end. */
static int end(struct lm_hub *hub, struct lm_cli *cli, struct lm_hub_keys *before,
               enum lm_status status, const struct lm_error *err)
{
    hub->keys_changed = !same_keys(before, &hub->keys);
    hub->keys_switched = hub->keys.number != before->number;
    lm_hub_keys_wipe(before);
    return status == LM_OK ? show(hub, cli) : lm_hub_fail(cli, err);
}

int lm_cmd_key_next(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    struct lm_hub_keys before = hub->keys;
    enum lm_status status = no_words(cli, NULL, 0, &err);

    if (status == LM_OK) {
        status = audit(hub, cli, "key_next", "", &err);
    }
    if (status == LM_OK) {
        status = lm_hub_keys_next(&hub->dir, &hub->keys, lm_clock_wall_ms(), &err);
    }
    return end(hub, cli, &before, status, &err);
}

int lm_cmd_key_withdraw(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    struct lm_hub_keys before = hub->keys;
    enum lm_status status = no_words(cli, NULL, 0, &err);

    if (status == LM_OK) {
        status = audit(hub, cli, "key_withdraw", "", &err);
    }
    if (status == LM_OK) {
        status = lm_hub_keys_withdraw(&hub->dir, &hub->keys, &err);
    }
    return end(hub, cli, &before, status, &err);
}

/* LM_ERR_DENIED with the names on stderr when somebody would be left out. */
static enum lm_status may_switch(struct lm_hub *hub, struct lm_cli *cli, bool leave_out,
                                 bool drop_old, char *detail, size_t n, struct lm_error *err)
{
    struct looking l;
    enum lm_status status = look(hub, drop_old ? CAN_GO_OVER : KNOWS_NEXT, &l, err);
    size_t pcs = json_array_size(l.left_out), kits = json_array_size(l.kits);

    (void)snprintf(detail, n, "%lld/%lld", (long long)l.confirmed, (long long)l.active);
    if (status == LM_OK && hub->keys.has_next && !leave_out && pcs + kits > 0) {
        print_left_out(cli->err, &l);
        status =
            drop_old
                ? lm_fail(err, LM_ERR_DENIED, "left_out", "",
                          "还有 %zu 台电脑没有记下新密钥或只用U盘、%zu "
                          "个入网文件没用(见上):旧密钥马上作废,它们给旧密钥封的U盘文件"
                          "也打不开了,要用新入网文件重新登记。不急的先不加 --drop-old "
                          "换,等它们用新密钥联系过再 key forget;一定要马上作废,加 "
                          "--leave-out",
                          "%zu PCs have not pinned the next key or live on sticks, and "
                          "%zu kits are unused (above): the former key would be dropped "
                          "at once, their USB files for it would open no more, and they "
                          "would need a new kit. If there is time, switch without "
                          "--drop-old and run `key forget` when they have spoken under "
                          "the new key; to drop it all the same, add --leave-out",
                          pcs, kits)
                : lm_fail(
                      err, LM_ERR_DENIED, "left_out", "",
                      "还有 %zu 台电脑没有记下新密钥、%zu 个入网文件没用(见上),换了以后它们连不上。"
                      "等它们同步(或交换一次U盘),或加 --leave-out 照换:没记下的用U盘交换一次、"
                      "或用新入网文件重新登记即可",
                      "%zu PCs have not pinned the next key and %zu kits are unused (above): "
                      "they would not reach this hub. Wait until they have synchronised (or "
                      "exchanged a USB file), or switch all the same with --leave-out: a USB "
                      "file there and back, or a new kit, then brings them over",
                      pcs, kits);
    }
    look_end(&l);
    return status;
}

/* Likewise, of the files that open no more. */
static enum lm_status may_forget(struct lm_hub *hub, struct lm_cli *cli, bool leave_out,
                                 char *detail, size_t n, struct lm_error *err)
{
    struct looking l;
    enum lm_status status = look(hub, SPEAKS, &l, err);
    size_t pcs = json_array_size(l.left_out);

    (void)snprintf(detail, n, "%lld/%lld%s", (long long)l.confirmed, (long long)l.active,
                   leave_out ? " --leave-out" : "");
    if (status == LM_OK && hub->keys.n_old > 0 && !leave_out && pcs > 0) {
        print_left_out(cli->err, &l);
        status = lm_fail(err, LM_ERR_DENIED, "left_out", "",
                         "还有 %zu 台电脑没有用现在的密钥联系过(见上):作废旧密钥以后,它们的U盘"
                         "文件打不开,要用新入网文件重新登记。等它们联系过(用U盘的再来一趟)"
                         "再作废,或加 --leave-out 照办",
                         "%zu PCs have not spoken under the present key (above): without the "
                         "former keys their USB files open no more, and they need a new kit. Wait "
                         "until they have (who comes by stick: one trip more), or add --leave-out",
                         pcs);
    }
    look_end(&l);
    return status;
}

int lm_cmd_key_switch(struct lm_hub *hub, struct lm_cli *cli)
{
    bool leave_out = false, drop_old = false;
    const struct lm_cli_option options[] = {{.name = "--leave-out", .flag = &leave_out},
                                            {.name = "--drop-old", .flag = &drop_old}};
    struct lm_error err = {0};
    struct lm_hub_keys before = hub->keys;
    char detail[64] = "", told[96];
    enum lm_status status = no_words(cli, options, 2, &err);

    if (status == LM_OK) {
        status = may_switch(hub, cli, leave_out, drop_old, detail, sizeof detail, &err);
    }
    if (status == LM_OK) {
        (void)snprintf(told, sizeof told, "%s%s%s", detail, leave_out ? " --leave-out" : "",
                       drop_old ? " --drop-old" : "");
        status = audit(hub, cli, "key_switch", told, &err);
    }
    if (status == LM_OK) {
        status = lm_hub_keys_switch(&hub->dir, &hub->keys, !drop_old, lm_clock_wall_ms(), &err);
    }
    if (status == LM_OK) { /* else the next start notes it */
        status = lm_store_line_key(hub->store, hub->keys.number, hub->keys.curve.public_key, false,
                                   &err);
    }
    return end(hub, cli, &before, status, &err);
}

int lm_cmd_key_forget(struct lm_hub *hub, struct lm_cli *cli)
{
    bool leave_out = false;
    const struct lm_cli_option options[] = {{.name = "--leave-out", .flag = &leave_out}};
    struct lm_error err = {0};
    struct lm_hub_keys before = hub->keys;
    char detail[96] = "";
    size_t n = 0;
    enum lm_status status = no_words(cli, options, 1, &err);

    if (status == LM_OK) {
        status = may_forget(hub, cli, leave_out, detail, sizeof detail, &err);
    }
    if (status == LM_OK) {
        status = audit(hub, cli, "key_forget", detail, &err);
    }
    if (status == LM_OK) {
        status = lm_hub_keys_forget(&hub->dir, &hub->keys, &n, &err);
    }
    return end(hub, cli, &before, status, &err);
}

/* The database was opened with the file that is there, which is all that it takes. */
int lm_cmd_key_accept(struct lm_hub *hub, struct lm_cli *cli)
{
    struct lm_error err = {0};
    char detail[32];
    enum lm_status status = no_words(cli, NULL, 0, &err);

    if (status == LM_OK) {
        (void)snprintf(detail, sizeof detail, "%u", hub->keys.number);
        status = audit(hub, cli, "key_accept", detail, &err);
    }
    return status == LM_OK ? show(hub, cli) : lm_hub_fail(cli, &err);
}
