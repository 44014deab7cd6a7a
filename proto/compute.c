/* What programs fill in: defaults of a new record, computed fields, a person's birth and sex from
 * the ID number, the categories of those visited. Both sides compute the same from the same record.
 * Pure. */
#include "proto/validate_internal.h"

#include "common/base/util.h"
#include "proto/caldate.h"
#include "proto/idnumber.h"

#include <string.h>

#define ACCEPT_DAYS                                                                                \
    15 /* 信访工作条例: accepted within 15 days of receipt, answered within 60 of acceptance */
#define FINISH_DAYS 60

static enum lm_status text_value(struct lm_arena *arena, const char *text, struct lm_value *out)
{
    char *copy = lm_arena_text(arena, text, strlen(text));

    if (!copy) {
        return LM_ERR_LIMIT;
    }
    *out = lm_value_text(copy);
    return LM_OK;
}

static enum lm_status day_value(struct lm_arena *arena, int64_t day, struct lm_value *out)
{
    char text[16];

    lm_date_format(day, text);
    return text_value(arena, text, out);
}

/* States whose visits, identities and benefits do not count. */
static bool counts(const struct lm_record *rec)
{
    static const char *const out[] = {"draft", "returned", "cancelled", "merged"};
    const char *state = lm_record_text(rec, LM_C_STATE);

    for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
        if (strcmp(state, out[i]) == 0) {
            return false;
        }
    }
    return !rec->invalid && !lm_record_deleted(rec);
}

/* ---- defaults ---- */

static enum lm_status fill_presets(struct lm_record *rec, struct lm_arena *arena)
{
    const struct lm_type *type = rec->type;

    if (rec->fields[LM_C_STATE].kind == LM_NULL && type->default_state) {
        rec->fields[LM_C_STATE] = lm_value_text(type->default_state);
    }
    for (size_t i = 0; i < type->n_fields; i++) {
        if (rec->fields[i].kind == LM_NULL && type->fields[i].preset.kind != LM_NULL) {
            enum lm_status st = lm_value_copy(arena, &type->fields[i].preset, &rec->fields[i]);

            if (st != LM_OK) {
                return st;
            }
        }
    }
    return LM_OK;
}

/* Birth and sex follow from a valid ID number; what a person typed stands and is compared later. */
static enum lm_status fill_person(struct lm_record *rec, struct lm_arena *arena)
{
    const struct lm_field *id = lm_type_field(rec->type, "id_no");
    const struct lm_field *birth = lm_type_field(rec->type, "birth_on");
    const struct lm_field *sex = lm_type_field(rec->type, "sex");
    const struct lm_value *v;
    char of_birth[11];
    char of_sex[2] = "";
    enum lm_status st = LM_OK;

    if (!id || !birth || !sex) {
        return LM_OK;
    }
    v = &rec->fields[id->index];
    if (v->kind != LM_TEXT || lm_idno_check(v->text, v->len, of_birth, of_sex) != LM_IDNO_OK) {
        return LM_OK;
    }
    if (rec->fields[birth->index].kind == LM_NULL) {
        st = text_value(arena, of_birth, &rec->fields[birth->index]);
    }
    if (st == LM_OK && rec->fields[sex->index].kind == LM_NULL) {
        st = text_value(arena, of_sex, &rec->fields[sex->index]);
    }
    return st;
}

/* ---- computed fields ---- */

/* date field + days (+ another field's days), or null without the date. */
static enum lm_status days_after(const struct lm_record *rec, const char *from, int64_t days,
                                 const char *more, struct lm_arena *arena, struct lm_value *out)
{
    const struct lm_value *extra = more ? lm_record_get(rec, more) : NULL;
    int64_t day;

    *out = lm_value_null();
    if (!lm_value_day(lm_record_get(rec, from), &day)) {
        return LM_OK;
    }
    if (extra && extra->kind == LM_INT && extra->i > 0 && extra->i < 100000) {
        days += extra->i;
    }
    return day_value(arena, day + days, out);
}

struct last_visit {
    const char *person;
    int64_t day;
};

static bool see_visit(void *arg, const struct lm_record *visit)
{
    struct last_visit *last = arg;
    const struct lm_value *persons = lm_record_get(visit, "persons");
    bool there = false;
    int64_t day;

    for (uint32_t i = 0; persons && persons->kind == LM_LIST && i < persons->len; i++) {
        there = there || lm_value_is(&persons->items[i], last->person);
    }
    if (there && counts(visit) && lm_value_day(lm_record_get(visit, "visit_on"), &day) &&
        day > last->day) {
        last->day = day;
    }
    return true;
}

/* One period after the later of the plan's start and the last visit. */
static enum lm_status next_due(const struct lm_record *rec, const struct lm_lookup *lookup,
                               struct lm_arena *arena, struct lm_value *out)
{
    const struct lm_value *frequency = lm_record_get(rec, "frequency");
    const struct lm_value *person = lm_record_get(rec, "person_id");
    struct last_visit last;
    int months;

    *out = lm_value_null();
    if (!frequency || frequency->kind != LM_TEXT ||
        !lm_value_day(lm_record_get(rec, "start_on"), &last.day)) {
        return LM_OK;
    }
    months = lm_value_is(frequency, "quarter") ? 3
             : lm_value_is(frequency, "half")  ? 6
             : lm_value_is(frequency, "year")  ? 12
             : lm_value_is(frequency, "month") ? 1
                                               : 0;
    if (!months) {
        return LM_OK;
    }
    if (person && person->kind == LM_TEXT && lookup && lookup->each) {
        enum lm_status st;

        last.person = person->text;
        st = lookup->each(lookup->ctx, arena, "visit", "persons", person->text, see_visit, &last);
        if (st != LM_OK && st != LM_ERR_NOT_FOUND) {
            return st;
        }
    }
    return day_value(arena, lm_day_add_months(last.day, months), out);
}

static enum lm_status compute_field(struct lm_record *rec, const struct lm_field *f,
                                    const char *station_level, const struct lm_lookup *lookup,
                                    struct lm_arena *arena)
{
    struct lm_value *out = &rec->fields[f->index];

    if (!f->compute) {
        return LM_OK;
    }
    if (strcmp(f->compute, "petition.accept_due") == 0) {
        return days_after(rec, "received_on", ACCEPT_DAYS, NULL, arena, out);
    }
    if (strcmp(f->compute, "petition.finish_due") == 0) {
        return days_after(rec, "accepted_on", FINISH_DAYS, "extended_days", arena, out);
    }
    if (strcmp(f->compute, "contact_plan.next_due") == 0) {
        return next_due(rec, lookup, arena, out);
    }
    if (strcmp(f->compute, "reception.level") == 0) {
        *out = lm_value_null();
        return station_level && *station_level ? text_value(arena, station_level, out) : LM_OK;
    }
    return LM_OK;
}

enum lm_status lm_compute(const struct lm_catalog *catalog, struct lm_record *rec, bool creation,
                          const char *station_level, const struct lm_lookup *lookup,
                          struct lm_arena *arena)
{
    enum lm_status st = LM_OK;

    (void)catalog; /* rules of newer catalogues may need its lists */
    if (creation) {
        st = fill_presets(rec, arena);
    }
    if (st == LM_OK && strcmp(rec->type->name, "person") == 0) {
        st = fill_person(rec, arena);
    }
    for (size_t i = 0; i < rec->type->n_fields && st == LM_OK; i++) {
        if (rec->type->fields[i].fill == LM_FILL_COMPUTED) {
            st = compute_field(rec, &rec->type->fields[i], station_level, lookup, arena);
        }
    }
    return st;
}

/* ---- categories of a visit ---- */

struct lowest {
    const char *end_field; /* rows with a value here are over; NULL = none */
    char code[64];
};

static bool see_lowest(void *arg, const struct lm_record *row)
{
    struct lowest *low = arg;
    const struct lm_value *code = lm_record_get(row, "code");
    const struct lm_value *end = low->end_field ? lm_record_get(row, low->end_field) : NULL;

    if (!counts(row) || !code || code->kind != LM_TEXT || code->len >= sizeof(low->code) ||
        (end && end->kind != LM_NULL)) {
        return true;
    }
    if (!*low->code || strcmp(code->text, low->code) < 0) {
        memcpy(low->code, code->text, code->len);
        low->code[code->len] = 0;
    }
    return true;
}

static enum lm_status lowest_code(const struct lm_lookup *lookup, struct lm_arena *arena,
                                  const char *type, const char *person, struct lowest *low)
{
    enum lm_status st = LM_OK;

    low->code[0] = 0;
    if (lookup && lookup->each) {
        st = lookup->each(lookup->ctx, arena, type, "person_id", person, see_lowest, low);
    }
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

static enum lm_status difficulty_of(const struct lm_lookup *lookup, struct lm_arena *arena,
                                    const char *id, const char **out)
{
    struct lm_record *person = NULL;
    const struct lm_value *v;
    enum lm_status st;

    *out = "none";
    if (!lookup || !lookup->get) {
        return LM_OK;
    }
    st = lookup->get(lookup->ctx, arena, "person", id, &person);
    if (st != LM_OK || !person) {
        return st == LM_ERR_NOT_FOUND ? LM_OK : st;
    }
    v = lm_record_get(person, "difficulty");
    if (v && v->kind == LM_TEXT) {
        *out = v->text;
    }
    return LM_OK;
}

static enum lm_status category_of(const struct lm_field *field, const struct lm_lookup *lookup,
                                  struct lm_arena *arena, const char *id, struct lm_value *out)
{
    struct lowest identity = {.end_field = NULL};
    struct lowest benefit = {.end_field = "end_on"};
    const char *difficulty;
    struct lm_pair *pairs = lm_arena_alloc(arena, (field->n_members + 1) * sizeof(*pairs));
    uint32_t n = 0;
    enum lm_status st = pairs ? LM_OK : LM_ERR_LIMIT;

    if (st == LM_OK) {
        st = lowest_code(lookup, arena, "person_identity", id, &identity);
    }
    if (st == LM_OK) {
        st = lowest_code(lookup, arena, "benefit", id, &benefit);
    }
    if (st == LM_OK) {
        st = difficulty_of(lookup, arena, id, &difficulty);
    }
    for (size_t m = 0; m < field->n_members && st == LM_OK; m++) {
        const char *name = field->members[m].name;
        const char *code = strcmp(name, "identity") == 0     ? identity.code
                           : strcmp(name, "benefit") == 0    ? benefit.code
                           : strcmp(name, "difficulty") == 0 ? difficulty
                                                             : "";

        if (*code) {
            pairs[n].key = name;
            pairs[n].key_len = (uint32_t)strlen(name);
            st = text_value(arena, code, &pairs[n].value);
            n++;
        }
    }
    *out = (struct lm_value){.kind = LM_MAP, .len = n, .pairs = pairs};
    return st;
}

enum lm_status lm_visit_categories(const struct lm_catalog *catalog, const struct lm_value *persons,
                                   const struct lm_lookup *lookup, struct lm_arena *arena,
                                   struct lm_value *out)
{
    const struct lm_type *visit = lm_catalog_type(catalog, "visit");
    const struct lm_field *field = visit ? lm_type_field(visit, "category_at_visit") : NULL;
    struct lm_value *items;
    enum lm_status st = LM_OK;

    *out = lm_value_null();
    if (!field || !persons || persons->kind != LM_LIST || persons->len == 0) {
        return LM_OK;
    }
    items = lm_arena_alloc(arena, persons->len * sizeof(*items));
    if (!items) {
        return LM_ERR_LIMIT;
    }
    for (uint32_t i = 0; i < persons->len && st == LM_OK; i++) {
        if (persons->items[i].kind != LM_TEXT) {
            return LM_ERR_INVALID;
        }
        st = category_of(field, lookup, arena, persons->items[i].text, &items[i]);
    }
    if (st == LM_OK) {
        *out = (struct lm_value){.kind = LM_LIST, .len = persons->len, .items = items};
    }
    return st;
}
