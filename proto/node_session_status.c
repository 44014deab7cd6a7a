/* The node's session: what it tells people. The texts are static; a status is told when its code
 * changes. */
#include "proto/node_session_internal.h"

#include <string.h>

/* What a person reads. */
static const struct lm_node_status statuses[] = {
    {.code = "connecting", .zh = "正在连接镇服务器。", .en = "Connecting to the town's server."},
    {.code = "syncing", .zh = "已连接，正在同步。", .en = "Connected; synchronising."},
    {.code = "synced",
     .zh = "已同步，数据与镇服务器一致。",
     .en = "In step with the town's server."},
    {.code = "no_answer",
     .zh = "镇服务器没有应答，稍后自动重试；录入不受影响。",
     .en =
         "The town's server does not answer; trying again later. Records can be entered as usual."},
    {.code = "lost",
     .zh = "与镇服务器的连接中断，稍后自动重试；录入不受影响。",
     .en = "The connection was lost; trying again later. Records can be entered as usual."},
    {.code = "resync",
     .zh = "正在与镇服务器重新核对。",
     .en = "Comparing anew with the town's server."},
    {.code = "busy",
     .zh = "镇服务器繁忙，稍后自动重试。",
     .en = "The town's server is busy; trying again later."},
    {.code = "bad_answer",
     .zh = "收到无法识别的应答，稍后自动重试。",
     .en = "The answer was not understood; trying again later."},
    {.code = "key_unproven",
     .zh = "对方用的是镇里预告过的新密钥，却拿不出镇里的启用签名，没有交换任何数据；稍后自动重试。"
           "一直这样请联系镇服务站。",
     .en = "The server has the key that the town announced, but not the town's word that it is in "
           "force: nothing was exchanged; trying again later. If it stays so, call the town "
           "station."},
    {.code = "hub_unproven",
     .zh = "应答的一方拿不出镇服务器的签名，没有采用它的任何数据；稍后自动重试，录入不受影响。"
           "一直这样请联系镇服务站：可能有人冒充镇服务器。",
     .en = "Who answered has not the signature of the town's server: nothing of it was taken; "
           "trying again later. Records can be entered as usual. If it stays so, call the town "
           "station: somebody may pass himself off as its server."},
    {.code = "forking",
     .zh = "发现本机数据曾被还原，正在自动修复，未上传的记录会保留。",
     .en = "This PC's data went back in time; mending. Unsent records are kept."},
    {.code = "store_failed",
     .zh = "本机数据库写入失败（磁盘可能已满），稍后自动重试。",
     .en = "This PC's database could not be written (the disk may be full); trying again later."},
    {.code = "stopped", .zh = "同步已停止。", .en = "Synchronisation has been stopped."},
    {.code = "revoked",
     .zh = "本机的登记已被镇服务站撤销，请联系镇服务站。记录仍保存在本机。",
     .en = "The town has revoked this PC's enrolment: please call the town station. Records stay "
           "on this PC.",
     .person_needed = true},
    {.code = "unknown",
     .zh = "镇服务器不认识本机，请联系镇服务站重新登记。",
     .en =
         "The town's server does not know this PC: please ask the town station to enrol it again.",
     .person_needed = true},
    {.code = "clone",
     .zh = "另一台电脑在使用同一份登记，本机不能同步。请镇服务站发一个新的入网文件，在本机运行 "
           "lastmile-node enrol 文件 --renew，未上传的记录会一并带上。",
     .en = "Another PC uses the same enrolment, so this one can't synchronise. Ask the town for a "
           "new kit and run `lastmile-node enrol KIT --renew` here: unsent records go with it.",
     .person_needed = true},
    {.code = "protocol",
     .zh = "本机程序与镇服务器的版本不相容，请升级。",
     .en = "This program and the town's server have no version in common: please upgrade.",
     .person_needed = true},
    {.code = "catalogue",
     .zh = "本机的目录版本与镇服务器不相容，请升级。",
     .en = "This PC's catalogue does not fit the town's server: please upgrade.",
     .person_needed = true},
    {.code = "other_hub",
     .zh = "应答的不是本机登记的镇服务器，请联系镇服务站。",
     .en = "Another server answered than the one this PC is enrolled at: please call the town "
           "station.",
     .person_needed = true},
    {.code = "hub_older",
     .zh = "镇服务器用的是旧的数据（可能有两台在运行），请联系镇服务站。",
     .en = "The town's server runs on older data (perhaps two are running): please call the town "
           "station.",
     .person_needed = true},
    {.code = "hub_read_only",
     .zh =
         "镇服务器现在什么都不收，要镇里的技术员先处理（lastmile-hub status 里写着怎么办），请告诉"
         "镇服务站。录入不受影响，记录都在本机。",
     .en = "The town's server takes nothing in until its technician acts (`lastmile-hub status` "
           "says how): please tell the town station. Records can be entered as usual and are kept "
           "here.",
     .person_needed = true},
    {.code = "fork_loop",
     .zh = "自动修复没有成功，请联系镇服务站。记录仍保存在本机。",
     .en = "Mending did not succeed: please call the town station. Records stay on this PC.",
     .person_needed = true},
};

const struct lm_node_status *lm_ns_find_status(const char *code)
{
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (strcmp(statuses[i].code, code) == 0) {
            return &statuses[i];
        }
    }
    return NULL;
}

void lm_ns_set_status(struct lm_ns_step *st, const char *code)
{
    struct lm_node_session *s = st->s;
    const struct lm_node_status *found = lm_ns_find_status(code);

    LM_CHECK(found != NULL);
    /* What a person must mend stays shown through the retries, until a WELCOME says that it is
     * mended. */
    if (s->status.person_needed && !found->person_needed && s->state != LM_NS_LIVE &&
        s->state != LM_NS_STOPPED) {
        return;
    }
    if (s->status.code != found->code) {
        s->status = *found;
        s->status.state = s->state;
        lm_ns_add(st, LM_NX_STATUS)->status = s->status;
    }
    s->status.state = s->state;
}
