/* See rules.h. */
#include "node/villages/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- marks ---- */

int lm_village_mark_take(struct lm_village_marks *marks, const char *folder, bool *changed)
{
    int found = -1;

    *changed = false;
    for (int i = 0; i < LM_VILLAGES_MAX; i++) {
        if (strcmp(marks->at[i], folder) == 0) {
            marks->present[i] = true;
            return i + 1;
        }
    }
    for (int i = 0; found < 0 && i < LM_VILLAGES_MAX; i++) {
        found = marks->at[i][0] ? -1 : i;
    }
    for (int i = 0; found < 0 && i < LM_VILLAGES_MAX; i++) {
        found = marks->present[i] ? -1 : i;
    }
    if (found < 0 || strlen(folder) >= LM_VILLAGE_FOLDER_BYTES) {
        return 0;
    }
    *changed = true;
    (void)snprintf(marks->at[found], LM_VILLAGE_FOLDER_BYTES, "%s", folder);
    marks->present[found] = true;
    return found + 1;
}

void lm_village_mark_leave(struct lm_village_marks *marks, const char *folder)
{
    for (int i = 0; i < LM_VILLAGES_MAX; i++) {
        marks->present[i] = marks->present[i] && strcmp(marks->at[i], folder) != 0;
    }
}

json_t *lm_village_marks_json(const struct lm_village_marks *marks)
{
    json_t *of = json_object(), *doc = json_pack("{s:o}", "marks", of);

    for (int i = 0; doc && i < LM_VILLAGES_MAX; i++) {
        if (marks->at[i][0]) {
            (void)json_object_set_new(of, marks->at[i], json_integer(i + 1));
        }
    }
    return doc;
}

bool lm_village_marks_read(const json_t *doc, struct lm_village_marks *marks)
{
    json_t *of = json_object_get(doc, "marks"), *value;
    bool good = json_is_object(of);
    const char *folder;

    memset(marks, 0, sizeof *marks);
    json_object_foreach(of, folder, value)
    {
        json_int_t mark = json_integer_value(value);

        good = good && mark >= 1 && mark <= LM_VILLAGES_MAX && folder[0] &&
               strlen(folder) < LM_VILLAGE_FOLDER_BYTES && !marks->at[mark - 1][0];
        if (good) {
            (void)snprintf(marks->at[mark - 1], LM_VILLAGE_FOLDER_BYTES, "%s", folder);
        }
    }
    if (!good) {
        memset(marks, 0, sizeof *marks);
    }
    return good;
}

/* ---- how it stands ---- */

enum lm_village_state lm_village_state(bool runs, int64_t started_ms, int64_t heard_ms,
                                       int64_t now_ms)
{
    if (!runs) {
        return LM_VILLAGE_DOWN;
    }
    if (heard_ms && now_ms - heard_ms <= LM_VILLAGE_HEARD_MS) {
        return LM_VILLAGE_UP;
    }
    return !heard_ms && now_ms - started_ms <= LM_VILLAGE_START_MS ? LM_VILLAGE_STARTING
                                                                   : LM_VILLAGE_SILENT;
}

const char *lm_village_state_name(enum lm_village_state state)
{
    switch (state) {
    case LM_VILLAGE_UP:
        return "up";
    case LM_VILLAGE_STARTING:
        return "starting";
    case LM_VILLAGE_SILENT:
        return "silent";
    case LM_VILLAGE_DOWN:
        break;
    }
    return "down";
}

int64_t lm_village_again_ms(unsigned failures)
{
    int64_t ms = failures ? 1000 : 0;

    for (unsigned i = 1; i < failures && ms < LM_VILLAGE_AGAIN_MS_MAX; i++) {
        ms *= 2;
    }
    return ms < LM_VILLAGE_AGAIN_MS_MAX ? ms : LM_VILLAGE_AGAIN_MS_MAX;
}

static void copy_part(char *out, size_t max, const char *from, size_t n)
{
    n = n < max - 1 ? n : max - 1;
    while (n > 0 && (from[n] & 0xc0) == 0x80) { /* not in the midst of a character */
        n--;
    }
    memcpy(out, from, n);
    out[n] = '\0';
}

bool lm_village_why(const char *line, struct lm_error *err)
{
    static const char head[] = LM_NODE_NAME ": ", between[] = " / ";
    const char *zh = line + sizeof head - 1, *en, *code, *end = line + strlen(line);

    if (strncmp(line, head, sizeof head - 1) != 0 || !(en = strstr(zh, between)) ||
        end[-1] != ')' || !(code = strrchr(en, '('))) {
        return false;
    }
    memset(err, 0, sizeof *err);
    copy_part(err->zh, sizeof err->zh, zh, (size_t)(en - zh));
    en += sizeof between - 1;
    copy_part(err->en, sizeof err->en, en, (size_t)(code - en) - (code > en && code[-1] == ' '));
    copy_part(err->code, sizeof err->code, code + 1, (size_t)(end - code) - 2);
    return err->zh[0] && err->en[0] && err->code[0];
}

/* ---- what is told ---- */

int lm_village_port(const char *address)
{
    const char *colon = address ? strrchr(address, ':') : NULL;
    char *end = NULL;
    long port = colon && colon[1] >= '0' && colon[1] <= '9' ? strtol(colon + 1, &end, 10) : 0;

    return end && !*end && port <= 65535 ? (int)port : 0;
}

/* Texts of a state in which it has not said anything itself. */
static void say(const struct lm_village_facts *f, const char **zh, const char **en)
{
    switch (f->state) {
    case LM_VILLAGE_UP:
        *zh = *en = "";
        break;
    case LM_VILLAGE_STARTING:
        *zh = "正在启动，请稍等。";
        *en = "Starting; please wait.";
        break;
    case LM_VILLAGE_SILENT:
        *zh = "程序在运行，但没有回应；可能正忙（恢复备份等），请稍等。一直这样请重新启动电脑。";
        *en =
            "It runs but does not answer; it may be busy (a restore). If it stays so, restart the "
            "PC.";
        break;
    case LM_VILLAGE_DOWN:
        *zh = f->why->code[0] ? f->why->zh : "程序意外停止，正在重新启动。";
        *en = f->why->code[0] ? f->why->en : "It stopped by itself and is being started again.";
        break;
    }
}

json_t *lm_village_json(const struct lm_village_facts *f)
{
    static const char *const figures[] = {"pending", "returned", "conflicts"};
    static const char *const words[] = {"state", "state_text", "state_text_en", "last_contact"};
    static const char *const as[] = {"link", "link_text", "link_text_en", "last_contact"};
    bool up = f->state == LM_VILLAGE_UP;
    json_t *word = up && f->word ? json_loads(f->word, 0, NULL) : NULL, *value, *out;
    const char *name = json_string_value(json_object_get(word, "name")), *zh = "", *en = "";
    const char *station = json_string_value(json_object_get(word, "station"));

    say(f, &zh, &en);
    out = json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:s,s:o}", "mark", f->mark, "folder", f->folder,
                    "station", station ? station : f->station, "name", name ? name : f->name,
                    "state", lm_village_state_name(f->state), "text", zh, "text_en", en, "port",
                    up && f->port ? json_integer(f->port) : json_null());
    for (size_t i = 0; out && i < sizeof figures / sizeof *figures; i++) {
        value = json_object_get(word, i ? figures[i] : "pending_records");
        value = value ? value : json_object_get(word, figures[i]); /* a program before 2026-12 */
        (void)json_object_set(out, figures[i], json_is_integer(value) ? value : json_null());
    }
    for (size_t i = 0; out && i < sizeof words / sizeof *words; i++) {
        value = json_object_get(word, words[i]);
        (void)json_object_set(out, as[i], json_is_string(value) ? value : json_null());
    }
    json_decref(word);
    return out;
}
