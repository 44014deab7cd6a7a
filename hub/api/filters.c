/* Filters of the registers that somebody keeps for themselves (常用筛选): at the hub, so that they
 * are there at whatever PC their owner logs in. Nobody sees another's. */
#include "hub/api/api.h"

#include <stdlib.h>
#include <string.h>

#define FILTERS_MAX 20
#define NAME_CHARS_MAX 40
#define TO_CHARS_MAX 400
#define FILTERS_BYTES_MAX (64 * 1024)
static const char place[] = "/list/"; /* what an address begins with: of a register of this page */

/* GET filters */
enum lm_status lm_town_filters(struct lm_api_call *call)
{
    struct lm_buf text;
    json_t *rows = NULL;
    enum lm_status st;

    lm_buf_init(&text, FILTERS_BYTES_MAX);
    st = lm_store_filters(call->api->store, call->session->user, &text, &call->err);
    if (st == LM_OK) {
        rows = text.len ? json_loadb((const char *)text.data, text.len, 0, NULL) : json_array();
        call->answer = json_pack("{s:o}", "filters", rows ? rows : json_array());
        st = call->answer ? LM_OK : lm_api_no_memory(call);
    }
    lm_buf_free(&text);
    return st;
}

static bool is_text(const json_t *value, size_t chars_max)
{
    const char *text = json_string_value(value);
    size_t chars = 0;

    return text && text[0] && strlen(text) == json_string_length(value) &&
           lm_utf8_valid(text, strlen(text), &chars) && chars <= chars_max &&
           !strpbrk(text, "\n\t") && !lm_utf8_has_control(text, strlen(text));
}

/* {"name","to"} alone, so that nothing else is kept. NULL: not one. New reference. */
static json_t *one(const json_t *row)
{
    const json_t *name = json_object_get(row, "name"), *to = json_object_get(row, "to");

    return is_text(name, NAME_CHARS_MAX) && is_text(to, TO_CHARS_MAX) &&
                   strncmp(json_string_value(to), place, sizeof place - 1) == 0
               ? json_pack("{s:s,s:s}", "name", json_string_value(name), "to",
                           json_string_value(to))
               : NULL;
}

struct put {
    const char *user, *text;
};

static enum lm_status put(struct lm_hub *hub, void *arg, struct lm_error *err)
{
    const struct put *p = arg;

    return lm_store_filters_put(hub->store, p->user, p->text, err);
}

/* PUT filters {"filters":[{"name","to"}]}: all of them, in their order. */
enum lm_status lm_town_filters_put(struct lm_api_call *call)
{
    const json_t *given = json_object_get(call->body, "filters");
    struct put p = {.user = call->session->user};
    json_t *rows = json_array(), *row;
    char *text = NULL;
    size_t i;
    enum lm_status st = LM_OK;

    if (!json_is_array(given)) {
        st = lm_fail(&call->err, LM_ERR_INVALID, "required", "filters", "缺少“filters”。",
                     "\"filters\" is missing.");
    } else if (json_array_size(given) > FILTERS_MAX) {
        st = lm_fail(&call->err, LM_ERR_LIMIT, "too_many", "filters",
                     "最多记住 %d 个筛选，请先删掉不用的。",
                     "At most %d filters are kept: drop one first.", FILTERS_MAX);
    }
    json_array_foreach((json_t *)(uintptr_t)given, i, row)
    {
        if (st == LM_OK && json_array_append_new(rows, one(row)) != 0) {
            st = lm_fail(&call->err, LM_ERR_INVALID, "bad_filter", "filters",
                         "筛选的名字应为 1 至 %d 个字，筛选条件不超过 %d 个字。",
                         "A filter has a name of 1 to %d characters, and an address of up to %d.",
                         NAME_CHARS_MAX, TO_CHARS_MAX);
        }
    }
    if (st == LM_OK) {
        text = json_dumps(rows, JSON_COMPACT);
        p.text = text;
        st = text ? lm_server_do(call->api->server, put, &p, &call->err) : lm_api_no_memory(call);
    }
    free(text);
    json_decref(rows);
    return st;
}
