/* Filters: evaluation on a record in memory. Same answers as the SQL text of expr_sql.c on the same
 * rows.
 *
 * A reference to a deleted or unknown record reads as null, one to a merged record as the one that
 * it was merged into. Children and rivals (has, latest, same_holder) count only when they would
 * count in a filter that does not name a state. Pure: other records come through lm_lookup. */
#include "proto/expr_internal.h"

#include "common/base/util.h"
#include "proto/caldate.h"

#include <stdio.h>
#include <string.h>

struct eval {
    const struct lm_expr_env *env;
    struct lm_arena *arena;
    int depth;
    bool found; /* of the look-up in hand */
    enum lm_status status;
};

/* A value read for comparing; text of dates and date-times as stored. */
struct scalar {
    enum ex_class cls;
    struct lm_value v;
};

static enum lm_status eval_expr(const struct lm_expr *expr, const struct lm_record *rec,
                                const struct lm_expr_env *env, struct lm_arena *arena, int depth,
                                bool *out);

/* ---- values ---- */

/* The record that id names; *out stays NULL when there is none, or a deleted one. */
static enum lm_status get_live(const struct lm_expr_env *env, struct lm_arena *arena,
                               const struct lm_type *type, const struct lm_value *id,
                               struct lm_record **out)
{
    struct lm_record *rec = NULL;
    enum lm_status st;

    if (id->kind != LM_TEXT || !env->lookup || !env->lookup->get) {
        return LM_OK;
    }
    st = env->lookup->get(env->lookup->ctx, arena, type->name, id->text, &rec);
    if (st == LM_OK && rec && !lm_record_deleted(rec)) {
        *out = rec;
    }
    return st == LM_ERR_NOT_FOUND ? LM_OK : st;
}

/* Through a reference, and on to the record that its target was merged into. */
static enum lm_status load_ref(const struct ex_path *path, const struct lm_record *rec,
                               const struct lm_expr_env *env, struct lm_arena *arena,
                               struct lm_value *out)
{
    const struct lm_value *id = &rec->fields[path->field->index];
    const struct lm_field *merged = lm_type_field(path->ref_type, "merged_into");
    struct lm_record *target = NULL;
    enum lm_status st = get_live(env, arena, path->ref_type, id, &target);

    for (int hops = 0; st == LM_OK && target && merged && hops < EX_MERGED_HOPS_MAX; hops++) {
        struct lm_record *next = NULL;

        st = get_live(env, arena, path->ref_type, &target->fields[merged->index], &next);
        if (!next) {
            break;
        }
        target = next;
    }
    if (st == LM_OK && target) {
        *out = target->fields[path->ref_field->index];
    }
    return st;
}

static enum lm_status load_path(const struct ex_path *path, const struct lm_record *rec,
                                const struct lm_expr_env *env, struct lm_arena *arena,
                                struct lm_value *out)
{
    *out = lm_value_null();
    if (!path->field) {
        const char *code = lm_record_text(rec, LM_C_VILLAGE_CODE);
        const char *level = NULL;

        if (*code && env->lookup && env->lookup->area_level) {
            level = env->lookup->area_level(env->lookup->ctx, code);
        }
        if (level) {
            *out = lm_value_text(level);
        }
        return LM_OK;
    }
    if (path->ref_field) {
        return load_ref(path, rec, env, arena, out);
    }
    *out = rec->fields[path->field->index];
    return LM_OK;
}

static enum lm_status load_primary(const struct ex_primary *p, const struct lm_record *rec,
                                   const struct lm_expr_env *env, struct lm_arena *arena,
                                   struct scalar *out)
{
    out->cls = p->cls;
    switch (p->source) {
    case EX_LITERAL:
        out->v = p->literal;
        if (out->cls == EX_DATETIME) {
            out->cls = EX_DATE;
        }
        break;
    case EX_AS_OF:
        out->v = lm_value_text(env->as_of);
        break;
    case EX_TODAY:
        out->v = lm_value_text(env->today);
        break;
    case EX_YEAR:
        out->v = lm_value_int(env->year);
        break;
    case EX_PATH:
        return load_path(&p->path, rec, env, arena, &out->v);
    }
    return LM_OK;
}

static bool is_day(enum ex_class cls)
{
    return cls == EX_DATE || cls == EX_DATETIME;
}

static struct lm_value day_value(struct lm_arena *arena, int64_t day)
{
    char text[16];
    char *copy;

    lm_date_format(day, text);
    copy = lm_arena_text(arena, text, strlen(text));
    return copy ? lm_value_text(copy) : lm_value_null();
}

static int64_t as_decimal(const struct scalar *s)
{
    int64_t out;

    if (s->cls == EX_DECIMAL) {
        return s->v.i;
    }
    if (__builtin_mul_overflow(s->v.i, (int64_t)LM_DECIMAL_SCALE, &out)) {
        return s->v.i < 0 ? INT64_MIN : INT64_MAX;
    }
    return out;
}

/* a ± b; null when either is. */
static enum lm_status load_operand(const struct ex_operand *o, const struct lm_record *rec,
                                   const struct lm_expr_env *env, struct lm_arena *arena,
                                   struct scalar *out)
{
    struct scalar b;
    int64_t day;
    int64_t x;
    int64_t y;
    enum lm_status st = load_primary(&o->a, rec, env, arena, out);

    if (st != LM_OK || !o->sign) {
        return st;
    }
    st = load_primary(&o->b, rec, env, arena, &b);
    if (st != LM_OK) {
        return st;
    }
    if (b.v.kind != LM_INT) {
        out->v = lm_value_null();
    } else if (is_day(out->cls)) {
        int64_t n = b.v.i > 4000000 ? 4000000 : b.v.i < -4000000 ? -4000000 : b.v.i;

        n *= o->sign;
        if (!lm_value_day(&out->v, &day)) {
            out->v = lm_value_null();
        } else if (o->unit == EX_DAYS) {
            out->v = day_value(arena, day + n);
        } else {
            out->v = day_value(arena, lm_day_add_months(day, o->unit == EX_YEARS ? n * 12 : n));
        }
    } else if (out->v.kind == LM_INT) {
        x = o->cls == EX_DECIMAL ? as_decimal(out) : out->v.i;
        y = o->cls == EX_DECIMAL ? as_decimal(&b) : b.v.i;
        if (o->sign > 0 ? __builtin_add_overflow(x, y, &x) : __builtin_sub_overflow(x, y, &x)) {
            out->v = lm_value_null();
        } else {
            out->v = lm_value_int(x);
        }
    }
    out->cls = o->cls;
    return LM_OK;
}

static int text_compare(const struct lm_value *a, const struct lm_value *b)
{
    size_t n = a->len < b->len ? a->len : b->len;
    int c = memcmp(a->text, b->text, n);

    return c ? c : (a->len > b->len) - (a->len < b->len);
}

/* False when the two cannot be compared (one is null or not of its class). */
static bool compare(const struct scalar *a, const struct scalar *b, int *out)
{
    int64_t x;
    int64_t y;

    if (a->v.kind == LM_NULL || b->v.kind == LM_NULL || a->v.kind != b->v.kind) {
        return false;
    }
    if (a->v.kind == LM_BOOL) {
        *out = (int)a->v.b - (int)b->v.b;
        return true;
    }
    if (a->v.kind == LM_INT) {
        x = a->cls == b->cls ? a->v.i : as_decimal(a);
        y = a->cls == b->cls ? b->v.i : as_decimal(b);
        *out = (x > y) - (x < y);
        return true;
    }
    if (a->v.kind != LM_TEXT) {
        return false;
    }
    if (is_day(a->cls) && is_day(b->cls) && a->cls != b->cls) {
        if (!lm_value_day(&a->v, &x) || !lm_value_day(&b->v, &y)) {
            return false;
        }
        *out = (x > y) - (x < y);
        return true;
    }
    *out = text_compare(&a->v, &b->v);
    return true;
}

/* ---- clauses ---- */

static enum lm_status contains(const struct lm_value *text, const struct lm_value *part,
                               struct lm_arena *arena, bool *out)
{
    size_t n;
    size_t m;
    char *a;
    char *b;

    *out = false;
    if (text->kind == LM_LIST) {
        for (uint32_t i = 0; i < text->len && !*out; i++) {
            *out = lm_value_equal(&text->items[i], part);
        }
        return LM_OK;
    }
    if (text->kind != LM_TEXT || part->kind != LM_TEXT) {
        return LM_OK;
    }
    a = ex_unquote(arena, text->text, text->len, &n);
    b = ex_unquote(arena, part->text, part->len, &m);
    if (!a || !b) {
        return LM_ERR_MEMORY;
    }
    *out = m == 0 || memmem(a, n, b, m) != NULL;
    return LM_OK;
}

static enum lm_status eval_compare(const struct ex_clause *c, const struct lm_record *rec,
                                   struct eval *ev, bool *out)
{
    struct scalar left = {.cls = c->path.cls};
    struct scalar right;
    int order;
    enum lm_status st = load_path(&c->path, rec, ev->env, ev->arena, &left.v);

    if (st == LM_OK) {
        st = load_operand(&c->operand, rec, ev->env, ev->arena, &right);
    }
    if (st != LM_OK) {
        return st;
    }
    if (c->op == EX_CONTAINS) {
        return contains(&left.v, &right.v, ev->arena, out);
    }
    if (!compare(&left, &right, &order)) {
        *out = c->op == EX_NE;
        return LM_OK;
    }
    switch (c->op) {
    case EX_EQ:
        *out = order == 0;
        break;
    case EX_NE:
        *out = order != 0;
        break;
    case EX_LT:
        *out = order < 0;
        break;
    case EX_LE:
        *out = order <= 0;
        break;
    case EX_GT:
        *out = order > 0;
        break;
    case EX_GE:
        *out = order >= 0;
        break;
    case EX_CONTAINS:
        break;
    }
    return LM_OK;
}

static bool among(const struct ex_clause *c, const struct scalar *s)
{
    struct scalar word = {.cls = s->cls == EX_DATETIME ? EX_DATE : s->cls};
    int order;

    for (size_t i = 0; i < c->n_words; i++) {
        word.v = c->words[i];
        if (compare(s, &word, &order) && order == 0) {
            return true;
        }
    }
    return false;
}

static bool eval_in(const struct ex_clause *c, const struct lm_value *v)
{
    struct scalar s = {.cls = c->path.cls, .v = *v};

    if (v->kind != LM_LIST) {
        return among(c, &s);
    }
    for (uint32_t i = 0; i < v->len; i++) {
        s.v = v->items[i];
        if (among(c, &s)) {
            return true;
        }
    }
    return false;
}

static bool counts(const struct lm_record *rec, bool any_state)
{
    const char *state = lm_record_text(rec, LM_C_STATE);

    if (rec->invalid || lm_record_deleted(rec)) {
        return false;
    }
    for (size_t i = 0; ex_uncounted_states[i] && !any_state; i++) {
        if (strcmp(state, ex_uncounted_states[i]) == 0) {
            return false;
        }
    }
    return true;
}

struct visit_has {
    struct eval *ev;
    const struct ex_clause *c;
    bool any_state;
};

static bool visit_child(void *arg, const struct lm_record *child)
{
    struct visit_has *v = arg;
    bool holds = false;

    if (counts(child, v->any_state)) {
        v->ev->status =
            eval_expr(v->c->sub, child, v->ev->env, v->ev->arena, v->ev->depth + 1, &holds);
        v->ev->found = holds;
    }
    return !holds && v->ev->status == LM_OK;
}

static enum lm_status each(struct eval *ev, const char *type, const char *field, const char *value,
                           bool (*visit)(void *arg, const struct lm_record *rec), void *arg)
{
    const struct lm_lookup *lookup = ev->env->lookup;
    enum lm_status st;

    ev->found = false;
    ev->status = LM_OK;
    if (!lookup || !lookup->each) {
        return LM_OK;
    }
    st = lookup->each(lookup->ctx, ev->arena, type, field, value, visit, arg);
    return st == LM_OK || st == LM_ERR_NOT_FOUND ? ev->status : st;
}

static enum lm_status eval_has(const struct ex_clause *c, const struct lm_record *rec,
                               struct eval *ev, bool *out)
{
    struct visit_has arg = {.ev = ev, .c = c, .any_state = lm_expr_names(c->sub, "state")};
    struct lm_value id;
    enum lm_status st = load_path(&c->path, rec, ev->env, ev->arena, &id);

    *out = false;
    if (st != LM_OK || id.kind != LM_TEXT) {
        return st;
    }
    st = each(ev, c->child->name, c->child_ref->name, id.text, visit_child, &arg);
    *out = ev->found;
    return st;
}

/* from <= as_of or null, and to >= as_of or null; both ends included. */
static bool open_at(const struct lm_value *from, const struct lm_value *to, const char *as_of)
{
    struct lm_value on = lm_value_text(as_of);
    int64_t at;
    int64_t day;

    if (!lm_value_day(&on, &at)) {
        return false;
    }
    return (!lm_value_day(from, &day) || day <= at) && (!lm_value_day(to, &day) || day >= at);
}

struct visit_latest {
    struct eval *ev;
    const struct lm_record *rec;
    const struct lm_field *order;
};

/* Among equals the row with the higher id is the latest, so that a key counts once. */
static bool visit_later(void *arg, const struct lm_record *other)
{
    struct visit_latest *v = arg;
    struct scalar a = {.cls = EX_OTHER, .v = v->rec->fields[v->order->index]};
    struct scalar b = {.cls = EX_OTHER, .v = other->fields[v->order->index]};
    bool later;
    int order = 0;

    if (strcmp(other->id, v->rec->id) == 0 || !counts(other, false)) {
        return true;
    }
    if (compare(&b, &a, &order) && order != 0) {
        later = order > 0;
    } else if ((a.v.kind == LM_NULL) != (b.v.kind == LM_NULL)) {
        later = a.v.kind == LM_NULL;
    } else {
        later = strcmp(other->id, v->rec->id) > 0;
    }
    v->ev->found = later;
    return !later;
}

static enum lm_status eval_latest(const struct ex_clause *c, const struct lm_record *rec,
                                  struct eval *ev, bool *out)
{
    struct visit_latest arg = {.ev = ev, .rec = rec, .order = c->args[1]};
    const struct lm_value *key = &rec->fields[c->args[0]->index];
    enum lm_status st;

    *out = true;
    if (key->kind != LM_TEXT) {
        return LM_OK;
    }
    st = each(ev, rec->type->name, c->args[0]->name, key->text, visit_later, &arg);
    *out = !ev->found;
    return st;
}

struct visit_holder {
    struct eval *ev;
    const struct lm_record *rec;
    const struct lm_value *post;
    struct ex_holder h;
};

static bool visit_same_holder(void *arg, const struct lm_record *other)
{
    struct visit_holder *v = arg;
    const struct lm_value *a = &v->rec->fields[v->h.person->index];
    const struct lm_value *b = &other->fields[v->h.person->index];

    if (strcmp(other->id, v->rec->id) == 0 || !counts(other, false) ||
        !lm_value_equal(&other->fields[v->h.post->index], v->post) ||
        !open_at(&other->fields[v->h.from->index], &other->fields[v->h.to->index],
                 v->ev->env->as_of)) {
        return true;
    }
    if (a->kind == LM_NULL || b->kind == LM_NULL) {
        a = &v->rec->fields[v->h.name->index];
        b = &other->fields[v->h.name->index];
    }
    v->ev->found = a->kind == LM_TEXT && lm_value_equal(a, b);
    return !v->ev->found;
}

static enum lm_status eval_same_holder(const struct ex_clause *c, const struct lm_record *rec,
                                       struct eval *ev, bool *out)
{
    struct visit_holder arg = {.ev = ev, .rec = rec, .post = &c->words[0]};
    const char *village = lm_record_text(rec, LM_C_VILLAGE_CODE);
    enum lm_status st;

    ex_holder_of(rec->type, &arg.h);
    *out = false;
    if (!*village) {
        return LM_OK;
    }
    st = each(ev, rec->type->name, rec->type->fields[LM_C_VILLAGE_CODE].name, village,
              visit_same_holder, &arg);
    *out = ev->found;
    return st;
}

/* The earliest set date is <= due exactly when any of them is. */
static bool done_by(const struct ex_clause *c, const struct lm_record *rec)
{
    int64_t due;
    int64_t day;

    if (!lm_value_day(&rec->fields[c->args[0]->index], &due)) {
        return false;
    }
    for (size_t i = 1; i < c->n_args; i++) {
        if (lm_value_day(&rec->fields[c->args[i]->index], &day) && day <= due) {
            return true;
        }
    }
    return false;
}

static enum lm_status eval_clause(const struct ex_clause *c, const struct lm_record *rec,
                                  struct eval *ev, bool *out)
{
    struct lm_value v;
    enum lm_status st;

    *out = false;
    switch (c->kind) {
    case EX_COMPARE:
        return eval_compare(c, rec, ev, out);
    case EX_IN:
    case EX_SET:
    case EX_NULL:
        st = load_path(&c->path, rec, ev->env, ev->arena, &v);
        if (st == LM_OK) {
            *out = c->kind == EX_IN ? eval_in(c, &v) : (v.kind == LM_NULL) == (c->kind == EX_NULL);
        }
        return st;
    case EX_HAS:
        return eval_has(c, rec, ev, out);
    case EX_OPEN_AT:
        *out = open_at(&rec->fields[c->args[0]->index], &rec->fields[c->args[1]->index],
                       ev->env->as_of);
        return LM_OK;
    case EX_LATEST:
        return eval_latest(c, rec, ev, out);
    case EX_SAME_HOLDER:
        return eval_same_holder(c, rec, ev, out);
    case EX_DONE_BY:
        *out = done_by(c, rec);
        return LM_OK;
    }
    return LM_ERR_INTERNAL;
}

static enum lm_status eval_expr(const struct lm_expr *expr, const struct lm_record *rec,
                                const struct lm_expr_env *env, struct lm_arena *arena, int depth,
                                bool *out)
{
    *out = true;
    if (!expr) {
        return LM_OK;
    }
    LM_CHECK(expr->type == rec->type && depth <= EX_DEPTH_MAX);
    for (size_t i = 0; i < expr->n_clauses && *out; i++) {
        struct eval ev = {.env = env, .arena = arena, .depth = depth};
        enum lm_status st = eval_clause(&expr->clauses[i], rec, &ev, out);

        if (st != LM_OK) {
            *out = false;
            return st;
        }
    }
    return LM_OK;
}

enum lm_status lm_expr_eval(const struct lm_expr *expr, const struct lm_record *rec,
                            const struct lm_expr_env *env, struct lm_arena *arena, bool *out)
{
    return eval_expr(expr, rec, env, arena, 0, out);
}
