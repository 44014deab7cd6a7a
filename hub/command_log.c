/* Commands in the audit log: one row for each that changes something, with its outcome, and one,
 * before it prints, for each that shows what people are covered for on the page. Passwords and kits
 * never stand on a command line; numbers of persons on it are covered.
 *
 * Commands of accounts, keys and tokens write rows of their own, inside their transaction. Between
 * the end of any other and its row the process may be killed: what records it changed is in the
 * journal all the same. */
#include "common/base/log.h"
#include "hub/api/api.h"
#include "hub/program.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

/* The words that the page's acts have in the log, where it has the same act. */
static const struct {
    const char *command, *what;
} words[] = {
    {"backup-noted", "backup"},
    {"restore-adopt", "restore"},
    {"user add", "account_add"},
    {"user disable", "account_disable"},
    {"station revoke", "revoke"},
    {"station settle", "settle"},
    {"enrol", "kit"},
    {"held release", "release"},
    {"held refuse", "refuse"},
    {"conflicts resolve", "resolve"},
    {"duplicates merge", "merge"},
    {"duplicates unmerge", "unmerge"},
    {"duplicates dismiss", "dismiss"},
    {"recovered accept", "decide"},
    {"recovered dismiss", "decide"},
    {"salvaged accept", "decide"},
    {"salvaged dismiss", "decide"},
    {"bundle import", "bundle"},
};

static bool logs_itself(const struct lm_hub_command *command)
{
    return strncmp(command->name, "account ", 8) == 0 || strncmp(command->name, "key ", 4) == 0 ||
           strncmp(command->name, "token ", 6) == 0;
}

/* A backup is made beside the hub before it is noted, and holds no more than the database does: a
 * damaged log is no reason to be without one. */
static bool may_lack_log(const struct lm_hub_command *command)
{
    return strcmp(command->name, "backup-noted") == 0;
}

/* Prints records, or values of them, uncovered. */
static bool shows(const struct lm_hub_command *command)
{
    static const char *const names[] = {
        "records",         "history",        "returned",       "held",      "conflicts",
        "duplicates list", "transfers list", "recovered list", "recovered", "salvaged"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(command->name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void what_of(const struct lm_hub_command *command, char out[64])
{
    (void)snprintf(out, 64, "%s", shows(command) ? "view" : command->name);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i].command, command->name) == 0) {
            (void)snprintf(out, 64, "%s", words[i].what);
        }
    }
    for (char *p = out; *p; p++) {
        *p = *p == ' ' || *p == '-' ? '_' : *p;
    }
}

/* What no log takes is not text: an argument is any bytes. */
static void put(char *out, size_t size, const char *text)
{
    size_t at = strlen(out), n = strnlen(text, size - 1 - at);

    memcpy(out + at, text, n);
    out[at + n] = '\0';
    if (lm_utf8_valid(out + at, n, NULL)) {
        return;
    }
    for (char *p = out + at; *p; p++) {
        *p = ((unsigned char)*p & 0x80) != 0 ? '?' : *p;
    }
}

/* Its first word that is no option, nor (as far as can be told) an option's value. */
static const char *object_of(const struct lm_hub_command *command, const struct lm_cli *cli)
{
    for (int i = strchr(command->name, ' ') ? 2 : 1; i < cli->argc; i++) {
        if (strncmp(cli->argv[i], "--", 2) != 0) {
            return cli->argv[i];
        }
        i += strchr(cli->argv[i], '=') ? 0 : 1;
    }
    return "";
}

static void os_user(unsigned uid, char out[64])
{
    const struct passwd *entry = getpwuid(uid);

    out[0] = '\0';
    if (entry) {
        put(out, 64, entry->pw_name);
    } else {
        (void)snprintf(out, 64, "uid %u", uid);
    }
}

enum lm_status lm_hub_log(const struct lm_hub *hub, const struct lm_hub_command *command,
                          const struct lm_cli *cli, const char *outcome, struct lm_error *err)
{
    char what[64], os[64], user[4 * LM_USER_CHARS_MAX + 1] = "", object[512] = "",
                                                        detail[4 * LM_AUDIT_TEXT_MAX + 1] = "";
    struct lm_audit_entry entry = {.at_ms = lm_clock_wall_ms(),
                                   .user = user,
                                   .role = "command",
                                   .what = what,
                                   .object = object,
                                   .detail = detail};
    struct lm_audit *audit = NULL;
    enum lm_status status = lm_audit_open(&hub->dir, &audit, err);

    what_of(command, what);
    os_user(cli->uid, os);
    put(user, sizeof user, cli->user[0] ? cli->user : os);
    put(object, sizeof object, object_of(command, cli));
    (void)snprintf(detail, sizeof detail, "%s (%s):", outcome, os);
    for (int i = 0; i < cli->argc; i++) {
        put(detail, sizeof detail, " ");
        put(detail, sizeof detail, cli->argv[i]);
    }
    (void)lm_town_cover_numbers(object, false);
    (void)lm_town_cover_numbers(detail, false);
    if (status == LM_OK) {
        status = lm_audit_add(audit, &entry, err);
    }
    lm_audit_close(&audit);
    return status;
}

int lm_hub_run(struct lm_hub *hub, const struct lm_hub_command *command, struct lm_cli *cli)
{
    bool changes = command->needs == LM_NEEDS_WRITE || command->needs == LM_NEEDS_WRITE_ANYWAY;
    struct lm_audit *audit = NULL;
    struct lm_error err = {0};
    enum lm_status status = LM_OK;
    int code;

    if (shows(command)) {
        status = lm_hub_log(hub, command, cli, "shown", &err);
    } else if (changes && !logs_itself(command) &&
               !may_lack_log(command)) { /* what could not be logged is not done */
        status = lm_audit_open(&hub->dir, &audit, &err);
        lm_audit_close(&audit);
    }
    if (status != LM_OK) {
        return lm_hub_fail(cli, &err);
    }
    code = command->run(hub, cli);
    return changes ? lm_hub_ran(hub, command, cli, code) : code;
}

int lm_hub_ran(struct lm_hub *hub, const struct lm_hub_command *command, struct lm_cli *cli,
               int code)
{
    struct lm_error err = {0};

    if (code == LM_EXIT_USAGE || logs_itself(command)) {
        return code;
    }
    if (lm_hub_log(hub, command, cli, code == LM_EXIT_OK ? "done" : "failed", &err) == LM_OK) {
        return code;
    }
    if (may_lack_log(command)) {
        lm_log(LM_LOG_WARN, "log", "the audit log does not have this backup: %s", err.en);
        return code;
    }
    return lm_hub_fail(cli, &err);
}
