/* A town with rows put straight into its typed tables, and figures written as one line of text:
 * what the tests of the counts share.
 *
 * A row is written "field=value;field=value". Lists are separated by commas; what refers to a
 * record is a word, made into an id; an item of category_at_visit is "identity/benefit". {n}
 * becomes a number that no other row has. A figure reads "VALUE DISPLAY[ +OPENING][ | KEY=VALUE …]"
 * with "-" for null and the town's prefix left off the keys. */
#ifndef LM_TESTS_HUB_COUNTS_WORLD_H
#define LM_TESTS_HUB_COUNTS_WORLD_H

#include "tests/unit/hub_store_world.h"

#include "hub/counts.h"
#include "hub/store/store_internal.h"

#define NOW_MS 1790000000000LL /* 2026-09-21 in UTC+8 */
#define PREFIX "999999101"

static int counter_;

static inline struct lm_value parse_one(struct world *w, const struct lm_field *field,
                                        const char *text)
{
    char id[40], *copy = NULL;

    switch (field->ftype) {
    case LM_F_BOOL:
        return lm_value_bool(strcmp(text, "true") == 0);
    case LM_F_INT:
        return lm_value_int(atoll(text));
    case LM_F_DECIMAL:
        return lm_value_int((int64_t)(atof(text) * LM_DECIMAL_SCALE + 0.5));
    case LM_F_UUID:
    case LM_F_FILE:
        lm_uuid_of(text, strlen(text), id);
        copy = lm_arena_text(&w->arena, id, strlen(id));
        break;
    case LM_F_TEXT:
    case LM_F_CODE:
    case LM_F_CHAR:
    case LM_F_DATE:
    case LM_F_DATETIME:
    case LM_F_REF:
    case LM_F_HEX:
    case LM_F_MAP:
        copy = lm_arena_text(&w->arena, text, strlen(text));
        break;
    }
    assert_non_null(copy);
    return lm_value_text(copy);
}

/* "identity/benefit" */
static inline struct lm_value parse_category(struct world *w, const char *text)
{
    const char *slash = strchr(text, '/');
    char *identity = lm_arena_text(&w->arena, text, (size_t)(slash - text));
    char *benefit = lm_arena_text(&w->arena, slash + 1, strlen(slash + 1));
    struct lm_pair *pairs = lm_arena_alloc(&w->arena, 3 * sizeof *pairs);
    struct lm_value map = {.kind = LM_MAP};

    if (*identity) {
        pairs[map.len++] = (struct lm_pair){"identity", 8, lm_value_text(identity)};
    }
    if (*benefit) {
        pairs[map.len++] = (struct lm_pair){"benefit", 7, lm_value_text(benefit)};
    }
    pairs[map.len++] = (struct lm_pair){"difficulty", 10, lm_value_text("none")};
    map.pairs = pairs;
    return map;
}

static inline struct lm_value parse_list(struct world *w, const struct lm_field *field, char *text)
{
    struct lm_value list = {.kind = LM_LIST,
                            .items = lm_arena_alloc(&w->arena, 64 * sizeof(struct lm_value))};
    char *rest = NULL;

    for (char *item = strtok_r(text, ",", &rest); item; item = strtok_r(NULL, ",", &rest)) {
        assert_true(list.len < 64);
        list.items[list.len++] =
            field->ftype == LM_F_MAP ? parse_category(w, item) : parse_one(w, field, item);
    }
    return list;
}

/* spec with {n} filled in, a later field over an earlier one. invalid=1 marks the row. Returns the
 * row's id (in the arena). */
static inline const char *put_row(struct world *w, const char *type_name, const char *place,
                                  const char *spec, const char *more, int n)
{
    const struct lm_type *type = lm_catalog_type(w->catalog, type_name);
    char text[2048], filled[2048], id[40], unique[40], *rest = NULL;
    size_t at = 0;
    struct lm_record *rec;

    assert_non_null(type);
    (void)snprintf(text, sizeof text, "%s;%s", spec, more ? more : "");
    for (const char *p = text; *p; p++) {
        if (strncmp(p, "{n}", 3) == 0) {
            at += (size_t)snprintf(filled + at, sizeof filled - at, "%d", n);
            p += 2;
        } else {
            filled[at++] = *p;
        }
    }
    filled[at] = '\0';
    (void)snprintf(unique, sizeof unique, "row %d", ++counter_);
    lm_uuid_of(unique, strlen(unique), id);
    for (char *p = strstr(filled, "id="); p; p = strstr(p + 1, "id=")) {
        if (p == filled || p[-1] == ';') {
            lm_uuid_of(p + 3, strcspn(p + 3, ";"), id);
        }
    }
    rec = lm_record_new(&w->arena, type, id);
    assert_non_null(rec);
    rec->fields[LM_C_VILLAGE_CODE] = lm_value_text(lm_arena_text(&w->arena, place, strlen(place)));
    rec->fields[LM_C_STATE] = lm_value_text(type->default_state);
    rec->fields[LM_C_CREATED_AT] = lm_value_text("2025-01-01T00:00:00.000Z");
    for (char *item = strtok_r(filled, ";", &rest); item; item = strtok_r(NULL, ";", &rest)) {
        char *equals = strchr(item, '=');
        const struct lm_field *field;

        assert_non_null(equals);
        *equals = '\0';
        if (strcmp(item, "id") == 0) {
            continue;
        }
        if (strcmp(item, "invalid") == 0) {
            rec->invalid = true;
            continue;
        }
        field = lm_type_field(type, item);
        if (!field) {
            fail_msg("%s has no field %s", type_name, item);
            return NULL;
        }
        rec->fields[field->index] = equals[1] == '\0' ? lm_value_null()
                                    : field->is_list || field->ftype == LM_F_MAP
                                        ? parse_list(w, field, equals + 1)
                                        : parse_one(w, field, equals + 1);
    }
    OK(lm_tables_put(w->store->tables, rec, true, &err_));
    return lm_arena_text(&w->arena, id, strlen(id));
}

static inline const char *row(struct world *w, const char *type, const char *place,
                              const char *spec)
{
    return put_row(w, type, place, spec, NULL, ++counter_);
}

/* Villages 201 and 202 under office 901, 203 under 902, 204 straight under the town. */
static inline int counts_setup(void **state)
{
    static const char *const villages[][3] = {{"201", "东溪", "901"},
                                              {"202", "西溪", "901"},
                                              {"203", "南湾", "902"},
                                              {"204", "北山", "000"}};
    struct world *w = calloc(1, sizeof *w);
    struct lm_store_init init = {.town_name = "明月镇",
                                 .town_code = TOWN,
                                 .admin_name = "admin",
                                 .admin_password = "a long password",
                                 .now_ms = NOW_MS - 86400000LL * 900};
    char spec[512], code[16];

    assert_non_null(w);
    assert_true(sodium_init() >= 0);
    w->now = NOW_MS;
    lm_rand_seed(&w->rnd, 42);
    lm_arena_init(&w->arena, 256 * 1024 * 1024);
    (void)snprintf(w->path, sizeof w->path, "/tmp/lm-hub-counts-XXXXXX");
    assert_non_null(mkdtemp(w->path));
    OK(lm_catalog_load_embedded(&w->catalog, &err_));
    OK(lm_datadir_open(w->path, true, &w->dir, &err_));
    world_create(w, &init);
    world_open(w);
    world_begin(w);
    row(w, "area_unit", PREFIX "901",
        "code=" PREFIX "901;level=office;name=东片;parent_code=" TOWN ";valid_from=2000-01-01");
    row(w, "area_unit", PREFIX "902",
        "code=" PREFIX "902;level=office;name=西片;parent_code=" TOWN ";valid_from=2000-01-01");
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(code, sizeof code, PREFIX "%s", villages[i][0]);
        (void)snprintf(spec, sizeof spec,
                       "code=%s;level=village;name=%s村;parent_code=" PREFIX
                       "%s;valid_from=2000-01-01",
                       code, villages[i][1], villages[i][2]);
        row(w, "area_unit", code, spec);
        struct sqlite3_stmt *stmt =
            lm_query(w->store, LM_Q_STATION_PUT, &err_); /* registered, without records */
        assert_non_null(stmt);
        lm_bind_text(stmt, 1, code);
        lm_bind_text(stmt, 2, villages[i][1]);
        lm_bind_text(stmt, 3, "village");
        lm_bind_text(stmt, 4, "");
        lm_bind_text(stmt, 5, "");
        OK(lm_query_run(w->store, stmt, &err_));
    }
    world_commit(w);
    *state = w;
    return 0;
}

/* Every test begins with the areas alone. */
static inline int counts_begin(void **state)
{
    world_begin(*state);
    return 0;
}

static inline int counts_rollback(void **state)
{
    lm_store_rollback(((struct world *)*state)->store);
    return 0;
}

/* "I12 by=village from=2025-01-01 to=… station=…", asked on 2026-09-21. */
static inline enum lm_status ask(struct world *w, const char *question, json_t **doc, char id[16])
{
    struct lm_count_query query = {.now_ms = NOW_MS};
    const char *names[1] = {id};
    char text[256], *rest = NULL;

    (void)snprintf(text, sizeof text, "%s", question);
    id[0] = '\0';
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');

        if (!value) {
            (void)snprintf(id, 16, "%s", word);
            query.indicators = names;
            query.n_indicators = 1;
        } else if (strncmp(word, "by=", 3) == 0) {
            query.by = value + 1;
        } else if (strncmp(word, "from=", 5) == 0) {
            query.from = value + 1;
        } else if (strncmp(word, "to=", 3) == 0) {
            query.to = value + 1;
        } else if (strncmp(word, "station=", 8) == 0) {
            query.station = value + 1;
        }
    }
    return lm_counts(w->store, &query, doc, &err_);
}

static inline size_t put_number(char *out, size_t n, const json_t *value)
{
    return (size_t)(json_is_null(value) ? snprintf(out, n, "-")
                    : json_is_real(value)
                        ? snprintf(out, n, "%g", json_real_value(value))
                        : snprintf(out, n, "%lld", (long long)json_integer_value(value)));
}

static inline void figure_text(const json_t *figure, char *out, size_t n)
{
    size_t at = put_number(out, n, json_object_get(figure, "value")), i;
    json_t *group, *groups = json_object_get(figure, "groups");
    long long opening = json_integer_value(json_object_get(figure, "opening"));

    at += (size_t)snprintf(out + at, n - at, " %s",
                           json_string_value(json_object_get(figure, "display")));
    if (opening) {
        at += (size_t)snprintf(out + at, n - at, " +%lld", opening);
    }
    if (groups) {
        at += (size_t)snprintf(out + at, n - at, " |");
    }
    json_array_foreach(groups, i, group)
    {
        const char *key = json_string_value(json_object_get(group, "key"));

        assert_non_null(json_string_value(json_object_get(group, "label")));
        key += strncmp(key, PREFIX, 9) == 0 && strlen(key) == 12 ? 9 : 0;
        at += (size_t)snprintf(out + at, n - at, " %s=", key);
        at += put_number(out + at, n - at, json_object_get(group, "value"));
    }
}

/* The figure, and whether it says what was expected. */
static inline bool says(struct world *w, const char *question, const char *expected)
{
    json_t *doc = NULL;
    char id[16], text[1024] = "";
    enum lm_status status = ask(w, question, &doc, id);

    if (status == LM_OK) {
        figure_text(json_object_get(json_object_get(doc, "indicators"), id), text, sizeof text);
    } else {
        (void)snprintf(text, sizeof text, "error %s: %s", err_.code, err_.en);
    }
    json_decref(doc);
    if (strcmp(text, expected) != 0) {
        print_message("    %s\n      expected %s\n      got      %s\n", question, expected, text);
    }
    return strcmp(text, expected) == 0;
}

#define SAYS(w, question, expected) assert_true(says((w), (question), (expected)))

/* ---- rows and questions as tables ---- */

struct given {
    char how; /* '+' counts and brings traps; ' ' any other row */
    const char *type, *place, *spec;
};
struct asked {
    const char *question, *expected;
};

static inline void put_traps(struct world *w, const struct given *g)
{
    static const char *const states[] = {"draft", "returned", "cancelled", "merged"};
    const struct lm_type *type = lm_catalog_type(w->catalog, g->type);
    char more[64];

    for (size_t i = 0; i < 4; i++) {
        if (lm_list_code(type->states, states[i])) {
            (void)snprintf(more, sizeof more, "state=%s", states[i]);
            put_row(w, g->type, g->place, g->spec, more, ++counter_);
        }
    }
    put_row(w, g->type, g->place, g->spec, "deleted_at=2025-08-02T00:00:00.000Z", ++counter_);
    put_row(w, g->type, g->place, g->spec, "invalid=1", ++counter_);
    if (strcmp(type->states->name, "state_event") == 0) {
        put_row(w, g->type, g->place, g->spec, "correction_of=something;state=submitted",
                ++counter_);
    }
}

static inline void check(struct world *w, const struct given *given, size_t n_given,
                         const struct asked *asked, size_t n_asked)
{
    size_t n_wrong = 0;

    for (size_t i = 0; i < n_given; i++) {
        row(w, given[i].type, given[i].place, given[i].spec);
        if (given[i].how == '+') {
            put_traps(w, &given[i]);
        }
    }
    for (size_t i = 0; i < n_asked; i++) {
        n_wrong += !says(w, asked[i].question, asked[i].expected);
    }
    assert_int_equal(n_wrong, 0);
}
#define CHECK(w, given, asked)                                                                     \
    check((w), (given), sizeof(given) / sizeof *(given), (asked), sizeof(asked) / sizeof *(asked))

#endif
