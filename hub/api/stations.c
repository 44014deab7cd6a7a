/* What an administrator does about stations: adds one, gives out a kit, revokes a PC. Through the
 * same commands as the technician's, in the server's loop. */
#include "hub/api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_S 30
#define ARGUMENT_BYTES 512
#define KIT_BYTES_MAX (1024 * 1024)

/* An argument that a person gave: never an option. */
static enum lm_status take(struct lm_api_call *call, const char *name, bool required,
                           char out[ARGUMENT_BYTES])
{
    const char *text;
    enum lm_status st = lm_api_text(call, name, required, &text);

    out[0] = '\0';
    if (st == LM_OK && text &&
        (text[0] == '-' || text[0] == '\0' || strlen(text) >= ARGUMENT_BYTES ||
         lm_utf8_has_control(text, strlen(text)) || strpbrk(text, "\n\t"))) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_text", name, "“%s”不能这样写。",
                     "\"%s\" cannot be that.", name);
    }
    if (st == LM_OK && text) {
        (void)snprintf(out, ARGUMENT_BYTES, "%s", text);
    }
    return st;
}

static enum lm_status take_code(struct lm_api_call *call, const char *text,
                                char out[ARGUMENT_BYTES])
{
    if (strlen(text) != 12 || strspn(text, "0123456789") != 12) {
        return lm_fail(&call->err, LM_ERR_INVALID, "bad_code", "code", "区划代码是 12 位数字。",
                       "A division code has 12 digits.");
    }
    (void)snprintf(out, ARGUMENT_BYTES, "%s", text);
    return LM_OK;
}

static enum lm_status run(struct lm_api_call *call, int argc, char **argv, struct lm_buf *out)
{
    static char json[] = "--json";
    char user[ARGUMENT_BYTES];
    char *all[16];

    for (int i = 0; i < argc; i++) {
        all[i] = argv[i];
    }
    (void)snprintf(user, sizeof user, "--user=%s", call->session->user);
    all[argc++] = user;
    all[argc++] = json;
    return lm_api_command(call, call->api->server->hub->dir.path, argc, all, NULL, WAIT_S, out);
}

static enum lm_status answer(struct lm_api_call *call, int argc, char **argv)
{
    struct lm_buf text;
    enum lm_status st;

    lm_buf_init(&text, 65536);
    st = run(call, argc, argv, &text);
    if (st == LM_OK) {
        call->answer = json_loadb((const char *)text.data, text.len, 0, NULL);
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    lm_buf_free(&text);
    return st;
}

/* POST stations {"code","name","office"} */
enum lm_status lm_town_station_add(struct lm_api_call *call)
{
    static char station[] = "station", add[] = "add", option[] = "--office";
    char code[ARGUMENT_BYTES], name[ARGUMENT_BYTES], office[ARGUMENT_BYTES];
    char *argv[] = {station, add, code, name, option, office};
    enum lm_status st = take(call, "code", true, code);

    if (st == LM_OK) {
        st = take_code(call, json_string_value(json_object_get(call->body, "code")), code);
    }
    if (st == LM_OK) {
        st = take(call, "name", true, name);
    }
    if (st == LM_OK) {
        st = take(call, "office", false, office);
    }
    if (st == LM_OK) {
        st = answer(call, office[0] ? 6 : 4, argv);
    }
    if (st == LM_OK) {
        call->response->status = 201;
        st = lm_town_log(call, "station_add", code, "", name);
    }
    return st;
}

/* tcp://ADDRESS:PORT, as PCs can connect to. */
static bool is_endpoint(const char *text)
{
    static const char scheme[] = "tcp://";
    const char *host = text + sizeof scheme - 1, *colon = strrchr(text, ':');
    size_t digits;

    if (strncmp(text, scheme, sizeof scheme - 1) != 0 || colon <= host || strchr(host, '/') ||
        strchr(host, ' ')) {
        return false;
    }
    digits = strspn(colon + 1, "0123456789");
    return digits >= 1 && digits <= 5 && colon[1 + digits] == '\0' && atoi(colon + 1) >= 1 &&
           atoi(colon + 1) <= 65535;
}

/* What the command would say in the words of a command line. */
static enum lm_status check_kit(struct lm_api_call *call, const char *code, const char *endpoint)
{
    struct lm_station station;

    if (!is_endpoint(endpoint)) {
        return lm_fail(&call->err, LM_ERR_INVALID, "bad_format", "endpoint",
                       "连接地址应写成 tcp://地址:端口，例如 tcp://192.168.1.10:5800。",
                       "The address is written like tcp://192.168.1.10:5800.");
    }
    return lm_store_station_get(call->api->store, code, &station) == LM_OK
               ? LM_OK
               : lm_fail(&call->err, LM_ERR_INVALID, "unknown_station", "code",
                         "没有登记服务站 %.12s，请先在“村站”里登记。",
                         "No station %.12s: add it on the stations' page first.", code);
}

/* POST stations/{code}/kit {"endpoint":"tcp://…"}: a one-time kit, as a file. */
enum lm_status lm_town_station_kit(struct lm_api_call *call)
{
    static char enrol[] = "enrol", out[] = "--out=-";
    char code[ARGUMENT_BYTES], endpoint[ARGUMENT_BYTES], option[ARGUMENT_BYTES + 16];
    char *argv[] = {enrol, code, out, option};
    enum lm_status st = take_code(call, call->request->params[0], code);

    if (st == LM_OK) {
        st = take(call, "endpoint", true, endpoint);
    }
    if (st == LM_OK) {
        st = check_kit(call, code, endpoint);
    }
    if (st != LM_OK) {
        return st;
    }
    (void)snprintf(option, sizeof option, "--endpoint=%s", endpoint);
    st = lm_town_log(call, "kit", code, "", endpoint); /* before it is there */
    if (st == LM_OK) {
        st = run(call, 4, argv, &call->response->body);
    }
    if (st == LM_OK) {
        call->response->content_type = "application/octet-stream";
        (void)snprintf(call->response->disposition, sizeof call->response->disposition,
                       "attachment; filename=\"%.12s.kit\"", code);
    }
    return st;
}

/* POST stations/{code}/revoke {"replica":"…"} */
enum lm_status lm_town_station_revoke(struct lm_api_call *call)
{
    static char station[] = "station", revoke[] = "revoke";
    char code[ARGUMENT_BYTES], replica[ARGUMENT_BYTES], option[ARGUMENT_BYTES + 16];
    char *argv[] = {station, revoke, code, option};
    enum lm_status st = take_code(call, call->request->params[0], code);

    if (st == LM_OK) {
        st = take(call, "replica", true, replica);
    }
    if (st == LM_OK) {
        (void)snprintf(option, sizeof option, "--replica=%s", replica);
        st = answer(call, 4, argv);
    }
    return st == LM_OK ? lm_town_log(call, "revoke", code, "", replica) : st;
}

/* POST stations/{code}/settle {"note":"…"}: alarms and possible gaps are closed by who looked into
 * them. */
enum lm_status lm_town_station_settle(struct lm_api_call *call)
{
    static char station[] = "station", settle[] = "settle";
    char code[ARGUMENT_BYTES], note[ARGUMENT_BYTES], option[ARGUMENT_BYTES + 16];
    char *argv[16] = {station, settle, code, option};
    enum lm_status st = take_code(call, call->request->params[0], code);

    if (st == LM_OK) {
        st = take(call, "note", true, note);
    }
    if (st == LM_OK) {
        (void)snprintf(option, sizeof option, "--note=%s", note);
        st = answer(call, 4, argv);
    }
    return st == LM_OK ? lm_town_log(call, "settle", code, note, "") : st;
}

/* GET stations/{code}/merger?into=…&on=…: what merging would do: the writer does it and takes it
 * back. */
enum lm_status lm_town_merger(struct lm_api_call *call)
{
    static char station[] = "station", merge[] = "merge", preview[] = "--preview";
    const char *into = call->request->query(call->request, "into"),
               *on = call->request->query(call->request, "on");
    char code[ARGUMENT_BYTES], other[ARGUMENT_BYTES];
    char option[2][ARGUMENT_BYTES + 16];
    char *argv[16] = {station, merge, code, option[0], option[1], preview};
    enum lm_status st = take_code(call, call->request->params[0], code);

    if (st == LM_OK && (!into || !on)) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "required", into ? "on" : "into",
                     "请选并入哪个村和撤并日期。",
                     "Name the village that it is merged into, and the day.");
    }
    if (st == LM_OK) {
        st = take_code(call, into, other);
    }
    if (st == LM_OK && strlen(on) > 10) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "bad_date", "on", "撤并日期应写成 2026-01-31 这样",
                     "The day of the merger is written like 2026-01-31");
    }
    if (st != LM_OK) {
        return st;
    }
    (void)snprintf(option[0], sizeof option[0], "--into=%s", other);
    (void)snprintf(option[1], sizeof option[1], "--on=%s", on);
    return answer(call, 6, argv);
}

/* POST stations/{code}/merger {"into","on","reason"} */
enum lm_status lm_town_merger_make(struct lm_api_call *call)
{
    static char station[] = "station", merge[] = "merge";
    char code[ARGUMENT_BYTES], into[ARGUMENT_BYTES], on[ARGUMENT_BYTES], reason[ARGUMENT_BYTES];
    char option[3][ARGUMENT_BYTES + 16], detail[2 * ARGUMENT_BYTES + 16];
    char *argv[16] = {station, merge, code, option[0], option[1], option[2]};
    enum lm_status st = take_code(call, call->request->params[0], code);

    if (st == LM_OK) {
        st = take(call, "into", true, into);
    }
    if (st == LM_OK) {
        st = take_code(call, json_string_value(json_object_get(call->body, "into")), into);
    }
    if (st == LM_OK) {
        st = take(call, "on", true, on);
    }
    if (st == LM_OK) {
        st = take(call, "reason", true, reason);
    }
    if (st != LM_OK) {
        return st;
    }
    (void)snprintf(option[0], sizeof option[0], "--into=%s", into);
    (void)snprintf(option[1], sizeof option[1], "--on=%s", on);
    (void)snprintf(option[2], sizeof option[2], "--reason=%s", reason);
    (void)snprintf(detail, sizeof detail, "%s %s", into, on);
    st = answer(call, 6, argv);
    return st == LM_OK ? lm_town_log(call, "station_merge", code, reason, detail) : st;
}
