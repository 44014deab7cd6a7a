/* A small hub for the tests of merge: records, a journal and authors in memory, and changes made
 * the way programs make them. Every verdict is reached twice and must come out the same, and a
 * change that is applied as sent must leave the hub with exactly what its author made locally. Only
 * for unit/test_merge*.c. */
#ifndef LM_TESTS_MERGE_WORLD_H
#define LM_TESTS_MERGE_WORLD_H

#include "proto/merge.h"

/* cmocka wants these before its own header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T0 1767600000000LL /* 2026-01-05T08:00:00Z */
#define MINUTE 60000LL

static const struct lm_merge_author A = {11, LM_BY_VILLAGE, "999999101201"};
static const struct lm_merge_author A2 = {12, LM_BY_VILLAGE, "999999101201"};
static const struct lm_merge_author B = {21, LM_BY_VILLAGE, "999999101202"};
static const struct lm_merge_author TOWN = {0, LM_BY_TOWN, "999999101000"};
static const struct lm_merge_author SYSTEM = {0, LM_BY_SYSTEM, "999999101000"};

struct entry {
    struct lm_merge_author author;
    struct lm_change change;
    enum lm_verdict verdict;
    uint64_t rank;
};
struct world {
    struct lm_catalog *catalog;
    struct lm_arena arena;
    struct lm_record *records[64];
    size_t n_records;
    struct entry journal[512];
    size_t n_journal;
    int64_t last_ms;
    bool broken; /* look-ups fail */
};

/* What a test says of a change; the rest is filled in. */
struct send {
    const struct lm_merge_author *by;
    enum lm_op op;
    const char *type, *id, *fields;
    const struct lm_record *view; /* what the author saw; NULL: what is there */
    int64_t at_ms;                /* author's clock; 0: a minute after the last change */
    int64_t received_ms;          /* 0: at_ms */
    int64_t went_back_ms;         /* the hub's history began then; 0: it never went back */
    int catalog;                  /* difference to the hub's number */
    bool released, creation_refused, blind; /* blind: without bases and seen */
    int64_t wall_delta_ms, offset_ms;
    bool offset_known;
    const char *type_of_id;
};

static inline struct lm_record *world_find(const struct world *w, const char *id)
{
    for (size_t i = 0; i < w->n_records; i++) {
        if (strcmp(w->records[i]->id, id) == 0) {
            return w->records[i];
        }
    }
    return NULL;
}

/* The record, which must be there. */
static inline struct lm_record *world_there(const struct world *w, const char *id)
{
    struct lm_record *rec = world_find(w, id);

    if (rec == NULL) {
        fail_msg("no record %s", id);
        abort(); /* fail_msg does not return, which the compiler is not told */
    }
    return rec;
}

static inline enum lm_status world_get(void *ctx, struct lm_arena *arena, const char *type,
                                       const char *id, struct lm_record **out)
{
    struct world *w = ctx;
    struct lm_record *rec = world_find(w, id);

    if (w->broken) {
        return LM_ERR_IO;
    }
    if (rec == NULL || strcmp(rec->type->name, type) != 0) {
        return LM_ERR_NOT_FOUND;
    }
    *out = lm_record_copy(arena, rec);
    return *out == NULL ? LM_ERR_MEMORY : LM_OK;
}

static inline enum lm_status world_each(void *ctx, struct lm_arena *arena, const char *type,
                                        const char *field, const char *value,
                                        bool (*visit)(void *, const struct lm_record *), void *arg)
{
    struct world *w = ctx;

    (void)arena;
    if (w->broken) {
        return LM_ERR_IO;
    }
    for (size_t i = 0; i < w->n_records; i++) {
        const struct lm_record *rec = w->records[i];
        const struct lm_value *v = lm_record_get(rec, field);
        if (strcmp(rec->type->name, type) == 0 && !lm_record_deleted(rec) && v != NULL &&
            lm_value_is(v, value) && !visit(arg, rec)) {
            break;
        }
    }
    return LM_OK;
}

static inline const char *world_level(void *ctx, const char *code)
{
    (void)ctx;
    return strcmp(code + 9, "000") == 0 ? "town" : "village";
}

static inline enum lm_status world_known(void *ctx, struct lm_arena *arena, const char *id,
                                         struct lm_version version, struct lm_known_change *out)
{
    struct world *w = ctx;

    (void)arena;
    for (size_t i = 0; i < w->n_journal; i++) {
        const struct entry *e = &w->journal[i];
        if (e->change.hlc == version.hlc && e->author.replica == version.replica &&
            strcmp(e->change.id, id) == 0) {
            *out = (struct lm_known_change){e->verdict, e->rank, e->change};
            return LM_OK;
        }
    }
    return LM_ERR_NOT_FOUND;
}

static inline void world_init(struct world *w, struct lm_catalog *catalog)
{
    memset(w, 0, sizeof(*w));
    w->catalog = catalog;
    w->last_ms = T0;
    lm_arena_init(&w->arena, (size_t)1 << 30);
}

static inline void world_free(struct world *w)
{
    lm_arena_free(&w->arena);
}

static inline struct lm_value world_fields(struct world *w, const char *text)
{
    struct lm_value out = lm_value_null();
    json_t *json;

    if (text == NULL) {
        return out;
    }
    json = json_loads(text, 0, NULL);
    assert_non_null(json);
    assert_int_equal(lm_value_from_json(&w->arena, json, &out), LM_OK);
    json_decref(json);
    return out;
}

static inline void world_set(struct world *w, const struct lm_change *change,
                             struct lm_fieldset *set)
{
    const struct lm_type *type = lm_catalog_type(w->catalog, change->type);
    struct lm_issues issues;

    memset(set, 0, sizeof(*set));
    lm_issues_init(&issues);
    if (type != NULL) {
        assert_int_equal(
            lm_fields_check(w->catalog, type, &change->fields, &w->arena, set, &issues), LM_OK);
    }
}

/* The change as the author's program makes it. */
static inline struct lm_change world_change(struct world *w, const struct send *s)
{
    const struct lm_record *view = s->view != NULL ? s->view : world_find(w, s->id);
    struct lm_change change = {.type = s->type, .op = s->op, .user = "secretary"};
    const struct lm_type *type;
    struct lm_fieldset set;
    uint64_t highest = 0;
    int64_t at = s->at_ms != 0 ? s->at_ms : w->last_ms + MINUTE;

    if (change.type == NULL) {
        change.type = world_there(w, s->id)->type->name;
    }
    type = lm_catalog_type(w->catalog, change.type);
    (void)snprintf(change.id, sizeof(change.id), "%s", s->id);
    change.catalog = w->catalog->number + (uint32_t)s->catalog;
    change.wall_delta_ms = s->wall_delta_ms;
    change.offset_known = s->offset_known;
    change.offset_ms = s->offset_ms;
    change.fields = world_fields(w, s->fields);
    world_set(w, &change, &set);
    if (type != NULL && !s->blind && s->op != LM_OP_CREATE) {
        assert_int_equal(lm_change_see(type, view, &set, &change, &w->arena, &highest), LM_OK);
    }
    change.hlc = lm_hlc_next(0, highest, at);
    return change;
}

static inline void assert_same_out(const struct lm_merge_out *a, const struct lm_merge_out *b)
{
    assert_int_equal(a->verdict, b->verdict);
    assert_string_equal(a->reason.code, b->reason.code);
    assert_string_equal(a->waits_for, b->waits_for);
    assert_int_equal(a->as_sent, b->as_sent);
    assert_true(a->rank == b->rank);
    assert_int_equal(a->n_conflicts, b->n_conflicts);
    assert_int_equal(a->record == NULL, b->record == NULL);
    if (a->record != NULL) {
        assert_true(lm_record_digest(a->record) == lm_record_digest(b->record));
    }
}

/* What the author's program holds after its own change. */
static inline struct lm_record *world_local(struct world *w, const struct lm_change *change,
                                            struct lm_merge_author author,
                                            const struct lm_record *view)
{
    struct lm_lookup lookup = {w, world_get, world_each, world_level};
    struct lm_record *local = NULL;
    struct lm_fieldset set;

    world_set(w, change, &set);
    assert_int_equal(
        lm_change_apply_local(w->catalog, view, change, &set, author, &w->arena, &local), LM_OK);
    assert_int_equal(lm_compute(w->catalog, local, view == NULL,
                                world_level(NULL, lm_record_text(local, LM_C_VILLAGE_CODE)),
                                &lookup, &w->arena),
                     LM_OK);
    return local;
}

static inline struct lm_merge_out world_merge(struct world *w, const struct lm_change *change,
                                              const struct send *s)
{
    struct lm_lookup lookup = {w, world_get, world_each, world_level};
    struct lm_record *current = world_find(w, change->id);
    struct lm_merge_in in = {
        .catalog = w->catalog,
        .change = change,
        .author = *s->by,
        .current = current,
        .type_of_id = s->type_of_id != NULL ? s->type_of_id
                      : current != NULL     ? current->type->name
                                            : NULL,
        .creation_refused = s->creation_refused,
        .received_ms = s->received_ms != 0 ? s->received_ms : lm_hlc_ms(change->hlc),
        .went_back_ms = s->went_back_ms,
        .offset_used_ms = s->offset_ms,
        .lookup = &lookup,
        .known = world_known,
        .known_ctx = w,
        .released = s->released,
    };
    uint64_t before = current != NULL ? lm_record_digest(current) : 0;
    struct lm_merge_out out, again;

    assert_int_equal(lm_merge(&in, &w->arena, &out), LM_OK);
    assert_int_equal(lm_merge(&in, &w->arena, &again), LM_OK);
    assert_same_out(&out, &again);
    if (current != NULL) { /* what is there was not written */
        assert_true(lm_record_digest(current) == before);
    }
    /* Held and refused changes leave nothing; the others leave a record. */
    assert_int_equal(out.record == NULL, out.verdict == LM_V_HELD || out.verdict == LM_V_REFUSED);
    if (out.verdict == LM_V_APPLIED || out.verdict == LM_V_CONCURRENT) {
        assert_string_equal(out.reason.code, "");
    } else {
        assert_string_not_equal(out.reason.code, "");
        assert_string_not_equal(out.reason.zh, "");
        assert_string_not_equal(out.reason.en, "");
    }
    if (out.as_sent &&
        (current == NULL || s->view == NULL || lm_record_digest(s->view) == before)) {
        struct lm_record *local = world_local(w, change, *s->by, current);
        assert_true(lm_record_digest(local) == lm_record_digest(out.record));
    }
    return out;
}

/* Stores a verdict as the hub would. */
static inline void world_keep(struct world *w, const struct lm_change *change,
                              struct lm_merge_author author, const struct lm_merge_out *out)
{
    assert_true(w->n_journal < sizeof(w->journal) / sizeof(w->journal[0]));
    w->journal[w->n_journal++] = (struct entry){author, *change, out->verdict, out->rank};
    if (out->record == NULL) {
        return;
    }
    for (size_t i = 0; i < w->n_records; i++) {
        if (strcmp(w->records[i]->id, change->id) == 0) {
            w->records[i] = out->record;
            return;
        }
    }
    assert_true(w->n_records < sizeof(w->records) / sizeof(w->records[0]));
    w->records[w->n_records++] = out->record;
}

static inline struct lm_merge_out world_send(struct world *w, struct send s)
{
    struct lm_change change = world_change(w, &s);
    struct lm_merge_out out = world_merge(w, &change, &s);
    int64_t received = s.received_ms != 0 ? s.received_ms : lm_hlc_ms(change.hlc);

    world_keep(w, &change, *s.by, &out);
    if (received > w->last_ms && received < T0 + 400LL * 86400000) {
        w->last_ms = received;
    }
    return out;
}
#define SEND(w, ...) world_send((w), (struct send){__VA_ARGS__})

/* Made-up ids, UUIDv7. */
static inline const char *id_of(int n)
{
    static char ids[8][40];
    static int next;
    char *out = ids[next++ % 8];

    (void)snprintf(out, 40, "019b8f00-0000-7000-8000-%012d", n);
    return out;
}

#define PERSON_FIELDS                                                                                  \
    "{\"name\":\"测试甲\",\"id_status\":\"missing\",\"id_status_reason\":\"证件遗失\",\"sex\":" \
    "\"1\","                                                                                           \
    "\"birth_on\":\"1950-01-01\",\"household_village\":\"999999101201\",\"is_resident\":true,"         \
    "\"household_no\":\"H1\",\"notice_at\":\"2026-01-02\"}"

#define assert_verdict(out, v, word)                                                               \
    do {                                                                                           \
        if ((out).verdict != (v) || strcmp((out).reason.code, (word)) != 0) {                      \
            print_error("verdict %d code \"%s\" field \"%s\" (%s)\n", (int)(out).verdict,          \
                        (out).reason.code, (out).reason.field, (out).reason.en);                   \
        }                                                                                          \
        assert_int_equal((out).verdict, (v));                                                      \
        assert_string_equal((out).reason.code, (word));                                            \
    } while (0)
#define assert_field(rec, name, expected)                                                          \
    do {                                                                                           \
        const struct lm_value *v_ = lm_record_get((rec), (name));                                  \
        assert_non_null(v_);                                                                       \
        assert_int_equal(v_->kind, LM_TEXT);                                                       \
        assert_string_equal(v_->text, (expected));                                                 \
    } while (0)

#endif
