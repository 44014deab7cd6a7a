/* See validate_world.h. */
#include "tests/unit/validate_world.h"

#include "common/base/util.h"

struct fx fx;
struct lm_issues issues;
struct lm_record *after;
int64_t now_ms;

int validate_setup(void **state)
{
    (void)state;
    fx_open(&fx);
    assert_true(lm_time_parse("2026-06-30T02:00:00Z", 20, &now_ms));
    return 0;
}

int validate_teardown(void **state)
{
    (void)state;
    fx_close(&fx);
    return 0;
}

json_t *object(const char *json)
{
    char *text = lm_arena_text(&fx.arena, json, strlen(json));
    json_error_t err;
    json_t *out;

    assert_non_null(text);
    for (char *p = text; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    out = json_loads(text, 0, &err);
    if (!out) {
        fail_msg("%s: %s", err.text, text);
    }
    return out;
}

void save(const struct save *s)
{
    const struct lm_type *type = fx_type(&fx, s->type);
    json_t *json = object(s->json);
    struct lm_fieldset set;
    struct lm_validate_in in = {.catalog = fx.catalog, .type = type, .before = s->before};

    lm_issues_init(&issues);
    assert_int_equal(lm_fields_from_json(fx.catalog, type, json, &fx.arena, &set, &issues), LM_OK);
    json_decref(json);
    if (s->before) {
        after = lm_record_copy(&fx.arena, s->before);
        assert_non_null(after);
    } else {
        after = fx_make(&fx, s->type, FX_ID("50"), "{}");
        after->fields[LM_C_STATE] = lm_value_null();
    }
    for (size_t i = 0; i < set.n; i++) {
        after->fields[set.index[i]] = set.value[i];
    }
    if (s->deleting) {
        after->fields[LM_C_DELETED_AT] = lm_value_text("2026-06-30T02:00:00.000Z");
    }
    assert_int_equal(lm_compute(fx.catalog, after, !s->before, "village", &fx.lookup, &fx.arena),
                     LM_OK);
    in.after = after;
    in.set = &set;
    in.author = s->author ? s->author : LM_BY_VILLAGE;
    in.deleting = s->deleting;
    in.lookup = &fx.lookup;
    in.now_ms = now_ms;
    in.clock_confirmed = !s->clock_doubtful;
    in.station = s->station;
    assert_int_equal(lm_validate(&in, &fx.arena, &issues), LM_OK);
}

const struct lm_issue *find(const char *code, const char *field)
{
    for (size_t i = 0; i < issues.n; i++) {
        if (strcmp(issues.items[i].error.code, code) == 0 &&
            strcmp(issues.items[i].error.field, field) == 0) {
            return &issues.items[i];
        }
    }
    return NULL;
}

void print_issues(const char *what)
{
    print_message("%s\n", what);
    for (size_t i = 0; i < issues.n; i++) {
        const struct lm_error *e = &issues.items[i].error;

        print_message("  %s %s: %s / %s\n", e->code, e->field, e->zh, e->en);
    }
}

void expect_ok(const char *what)
{
    if (issues.n_refused) {
        print_issues(what);
        fail_msg("%s: refused", what);
    }
}

void expect(enum lm_level level, const char *code, const char *field, const char *what)
{
    const struct lm_issue *issue = find(code, field);

    if (!issue || issue->level != level) {
        print_issues(what);
        fail_msg("%s: no %s about %s", what, code, field);
    }
    assert_true(issue->error.zh[0] && issue->error.en[0]);
    assert_true(lm_utf8_valid(issue->error.zh, strlen(issue->error.zh), NULL));
}

void expect_refused(const char *code, const char *field, const char *what)
{
    expect(LM_REFUSE, code, field, what);
    assert_true(issues.n_refused > 0);
    assert_non_null(lm_issues_first_refusal(&issues));
}
