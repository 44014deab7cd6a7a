/* Which of the hub's line keys this database has seen in force, so that an older hub.key that was
 * copied back is not taken for the present one: the villages that went over would find a stranger.
 */
#include "hub/store/store_internal.h"

#include "common/base/util.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char noted_as[] = "line_key"; /* "NUMBER HEX" */

static enum lm_status put(struct lm_store *store, const char *text, struct lm_error *err)
{
    enum lm_status status = lm_store_begin(store, err);

    if (status == LM_OK) {
        status = lm_meta_put(store, noted_as, text, err);
    }
    if (status == LM_OK) {
        status = lm_store_commit(store, err);
    }
    if (status != LM_OK) {
        lm_store_rollback(store);
    }
    return status;
}

enum lm_status lm_store_line_key(struct lm_store *store, uint32_t number, const uint8_t key[32],
                                 bool on_purpose, struct lm_error *err)
{
    char now[96], before[96], hex[65], path[PATH_MAX];
    uint32_t highest = 0;
    enum lm_status status = lm_meta_get(store, noted_as, before, sizeof before, err);

    lm_hex_encode(key, 32, hex);
    (void)snprintf(now, sizeof now, "%" PRIu32 " %s", number, hex);
    if (status != LM_OK || strcmp(now, before) == 0) {
        return status;
    }
    if (before[0] == '\0' || on_purpose ||
        (sscanf(before, "%" SCNu32, &highest) == 1 && number > highest)) {
        return put(store, now, err);
    }
    if (lm_datadir_path(&store->dir, "hub.key", path, sizeof path) != LM_OK) {
        (void)snprintf(path, sizeof path, "hub.key");
    }
    return lm_fail(
        err, LM_ERR_DENIED, "hub_key_older", "",
        "密钥文件 %s 是旧的:里面是第 %" PRIu32 " 把密钥,数据库记得第 %" PRIu32
        " 把%s已启用,已换过去的村认不得这个文件。请把 key switch 之后备份的 hub.key "
        "拷回来。确实找不回来了,运行 lastmile-hub key accept 改用这个文件:"
        "已换过去的村要发新的入网文件,在村里运行 lastmile-node enrol 文件 --renew",
        "the key file %s is an old one: it holds key %" PRIu32
        ", and this database has seen key %" PRIu32
        "%s in force; villages that went over do not know it. Copy back the hub.key that was "
        "backed up after `key switch`. If it is lost, `lastmile-hub key accept` takes this one "
        "into "
        "use on purpose: villages that went over then need a new kit and `lastmile-node enrol KIT "
        "--renew`",
        path, number, highest, number == highest ? "(另一把 / another one)" : "");
}
