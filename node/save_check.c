/* References and natural keys, judged by what is at this node. */
#include "node/save_check.h"

#include "common/base/util.h"
#include "node/label.h"
#include "proto/period.h"
#include "proto/request.h"

#include <stdio.h>
#include <string.h>

/* ---- references ---- */

struct references {
    struct lm_nstore *store;
    const char *self;
    struct lm_issues *issues;
};

static void complain(struct references *r, enum lm_level level, const char *code,
                     const struct lm_field *field, const char *zh, const char *en)
{
    char text_zh[400], text_en[400];

    (void)snprintf(text_zh, sizeof text_zh, "“%s”%s", field->zh, zh);
    (void)snprintf(text_en, sizeof text_en, "\"%s\" %s", field->en, en);
    lm_issue_add(r->issues, level, code, field->name, text_zh, text_en);
}

static void check_one(struct references *r, const struct lm_field *field, const char *type_name,
                      const char *id)
{
    const struct lm_type *type = lm_catalog_type(lm_nstore_catalog(r->store), type_name);
    const struct lm_type *other;

    if (strcmp(id, r->self) == 0) {
        complain(r, LM_REFUSE, "bad_reference", field, "不能指向本记录。",
                 "cannot name the record itself.");
        return;
    }
    if (!type || lm_tables_exists(lm_nstore_tables(r->store), type, id)) {
        return;
    }
    other = lm_nstore_type_of(r->store, id);
    if (other) {
        complain(r, LM_REFUSE, "bad_reference", field, "所指的不是应有的一类记录。",
                 "names a record of the wrong type.");
    } else if (type->feed == LM_FEED_OWN) {
        complain(r, LM_REFUSE, "unknown_reference", field, "所指的记录在本站不存在，请先登记。",
                 "names a record that is not at this station: enter it first.");
    } else {
        complain(r, LM_WARN, "unknown_reference", field, "所指的记录本站还没有收到。",
                 "names a record that has not arrived at this station yet.");
    }
}

static void check_value(struct references *r, const struct lm_field *field,
                        const struct lm_value *v)
{
    char text[128], *colon;

    if (v->kind == LM_MAP) {
        for (size_t i = 0; i < field->n_members; i++) {
            const struct lm_value *member = lm_value_member(v, field->members[i].name);

            if (member) {
                check_value(r, &field->members[i], member);
            }
        }
        return;
    }
    if (v->kind != LM_TEXT || v->len >= sizeof text) {
        return;
    }
    memcpy(text, v->text, v->len);
    text[v->len] = '\0';
    if (field->ftype == LM_F_UUID && field->ref) {
        check_one(r, field, field->ref, text);
    } else if (field->ftype == LM_F_REF && (colon = strchr(text, ':')) != NULL) {
        *colon = '\0';
        check_one(r, field, text, colon + 1);
    }
}

static bool was_there(const struct lm_value *before, const struct lm_value *v)
{
    for (uint32_t i = 0; before && before->kind == LM_LIST && i < before->len; i++) {
        if (lm_value_equal(&before->items[i], v)) {
            return true;
        }
    }
    return before && lm_value_equal(before, v);
}

enum lm_status lm_node_check_references(struct lm_nstore *store, const struct lm_type *type,
                                        const struct lm_record *before,
                                        const struct lm_fieldset *set, const char *id,
                                        struct lm_issues *issues)
{
    struct references r = {.store = store, .self = id, .issues = issues};

    for (size_t i = 0; i < set->n; i++) {
        const struct lm_field *field = &type->fields[set->index[i]];
        const struct lm_value *v = &set->value[i];
        const struct lm_value *old = before ? &before->fields[set->index[i]] : NULL;

        if (v->kind == LM_LIST) {
            for (uint32_t k = 0; k < v->len; k++) {
                if (!was_there(old, &v->items[k])) {
                    check_value(&r, field, &v->items[k]);
                }
            }
        } else if (!was_there(old, v)) {
            check_value(&r, field, v);
        }
    }
    return LM_OK;
}

/* ---- locked reporting periods ---- */

struct covering {
    const char *day, *was; /* was "": it said nothing anywhere before */
    char from[16], to[16];
    bool is, had;
};

static bool take_lock(void *arg, const struct lm_record *lock)
{
    struct covering *c = arg;
    const struct lm_field *from = lm_type_field(lock->type, "from_on"),
                          *to = lm_type_field(lock->type, "to_on");
    const char *first = from ? lm_record_text(lock, from->index) : "",
               *last = to ? lm_record_text(lock, to->index) : "";

    if (strcmp(c->day, first) >= 0 && strcmp(c->day, last) <= 0 && !c->is) {
        c->is = true;
        (void)snprintf(c->from, sizeof c->from, "%.10s", first);
        (void)snprintf(c->to, sizeof c->to, "%.10s", last);
    }
    c->had = c->had || (c->was[0] && strcmp(c->was, first) >= 0 && strcmp(c->was, last) <= 0);
    return true;
}

enum lm_status lm_node_check_period(struct lm_nstore *store, const struct lm_record *before,
                                    const struct lm_record *after, struct lm_issues *issues)
{
    const struct lm_type *lock = lm_catalog_type(lm_nstore_catalog(store), "period_lock");
    const struct lm_where verified = {.field = "state", .value = "verified"};
    char day[16], was[16] = "", zh[400], en[400];
    struct covering c = {.day = day, .was = was};
    const struct lm_field *field;
    enum lm_status st;

    if (!lock || !lm_period_takes(after->type) || !lm_period_speaks(after) ||
        !lm_period_day(after, day)) {
        return LM_OK;
    }
    if (before && lm_period_speaks(before) && lm_period_day(before, was) && strcmp(was, day) == 0) {
        return LM_OK;
    }
    st = lm_tables_list(lm_nstore_tables(store), NULL, lock, NULL, &verified, 1, false, take_lock,
                        &c, NULL);
    if (st == LM_OK && c.is && !c.had) {
        field = &after->type->fields[after->type->reporting_date];
        (void)snprintf(
            zh, sizeof zh,
            "“%s”在镇里已锁定的报告期（%s 至 %s）里：照样保存上报，但要等镇里处理以后才计数。",
            field->zh, c.from, c.to);
        (void)snprintf(en, sizeof en,
                       "\"%s\" is in a reporting period that the town has locked (%s to %s): it "
                       "is saved and sent, but counts only when the town has seen to it.",
                       field->en, c.from, c.to);
        lm_issue_add(issues, LM_WARN, "period_locked", field->name, zh, en);
    }
    return st;
}

/* ---- natural keys ---- */

struct same {
    struct lm_nstore *store;
    const char *corrects; /* a correction resembles what it corrects; NULL: it is none */
    char id[40], label[LM_LABEL_BYTES];
    bool found;
};

static bool take_same(void *arg, const struct lm_record *other)
{
    struct same *same = arg;

    if (same->corrects && strcmp(same->corrects, other->id) == 0) {
        return true;
    }
    (void)snprintf(same->id, sizeof same->id, "%s", other->id);
    lm_node_label(same->store, false, other, same->label);
    same->found = true;
    return false;
}

/* The first one that is not the record itself, and still stands. */
struct namesake {
    const char *self, *station;
    const struct lm_value *birth;
    const struct lm_field *birth_field;
    struct same same;
};

static bool over(const char *state)
{
    return strcmp(state, "cancelled") == 0 || strcmp(state, "merged") == 0 ||
           strcmp(state, "withdrawn") == 0;
}

static bool take_namesake(void *arg, const struct lm_record *other)
{
    struct namesake *n = arg;

    return strcmp(other->id, n->self) == 0 || over(lm_record_text(other, LM_C_STATE)) ||
           strcmp(lm_record_text(other, LM_C_VILLAGE_CODE), n->station) != 0 ||
           !lm_value_equal(&other->fields[n->birth_field->index], n->birth) ||
           take_same(&n->same, other);
}

bool lm_node_touches_key(const struct lm_type *type, const struct lm_fieldset *set)
{
    static const char *const person[] = {"name", "birth_on"};

    for (size_t i = 0; i < set->n; i++) {
        const struct lm_field *field = &type->fields[set->index[i]];

        for (size_t k = 0; k < type->n_natural_key; k++) {
            if (type->natural_key[k] == set->index[i]) {
                return true;
            }
        }
        if (type->key_when && lm_expr_names(type->key_when, field->name)) {
            return true;
        }
        for (size_t k = 0; strcmp(type->name, "person") == 0 && k < 2; k++) {
            if (strcmp(field->name, person[k]) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void refuse_same(const struct lm_type *type, const struct same *same,
                        struct lm_issues *issues)
{
    bool refuses = type->key_mode == LM_KEY_UNIQUE;
    const char *field = type->n_natural_key > 0 ? type->fields[type->natural_key[0]].name : "";
    char zh[400], en[400];

    (void)snprintf(zh, sizeof zh, "本村已有同样的“%s”（%s）%s", type->zh, same->label,
                   refuses ? "，请修改那一条。" : "，请核对是否重复。");
    (void)snprintf(en, sizeof en, "There is such a %s in this village already (%s)%s", type->name,
                   same->label,
                   refuses ? ": edit that one." : ": check that it is not entered twice.");
    lm_issue_add(issues, refuses ? LM_REFUSE : LM_WARN, refuses ? "not_unique" : "near_duplicate",
                 field, zh, en);
}

/* Two persons of one name born on one day are probably one, whatever their ID numbers say. They are
 * looked for by name, which has an index at a node: an import asks once a row. */
static enum lm_status check_namesakes(struct lm_nstore *store, const struct lm_record *rec,
                                      const char *station, struct lm_issues *issues, char other[40])
{
    const struct lm_value *name = lm_record_get(rec, "name"),
                          *birth = lm_record_get(rec, "birth_on");
    struct lm_lookup lookup = lm_tables_lookup(lm_nstore_tables(store));
    struct namesake n = {.self = rec->id,
                         .station = station,
                         .birth = birth,
                         .birth_field = lm_type_field(rec->type, "birth_on"),
                         .same = {.store = store}};
    char zh[400], en[400];
    enum lm_status st;

    if (!name || !birth || name->kind != LM_TEXT || birth->kind != LM_TEXT) {
        return LM_OK;
    }
    st = lookup.each(lookup.ctx, NULL, "person", "name", name->text, take_namesake, &n);
    if (st == LM_OK && n.same.found) {
        (void)snprintf(zh, sizeof zh, "本村已有同名同日出生的人（%s），请核对是否重复登记。",
                       n.same.label);
        (void)snprintf(en, sizeof en,
                       "A person of this name and date of birth is there already (%s): check for a "
                       "double entry.",
                       n.same.label);
        lm_issue_add(issues, LM_WARN, "near_duplicate", "name", zh, en);
        (void)snprintf(other, 40, "%s", n.same.id);
    }
    return st;
}

enum lm_status lm_node_check_key(struct lm_nstore *store, const struct lm_record *rec,
                                 const char *station, struct lm_issues *issues, char other[40])
{
    struct same same = {.store = store};
    enum lm_status st = LM_OK;

    if (over(lm_record_text(rec, LM_C_STATE))) {
        return LM_OK;
    }
    if (rec->type->key_mode == LM_KEY_WARN) {
        same.corrects = lm_record_text(rec, LM_C_CORRECTION_OF);
    }
    if (rec->type->key_mode != LM_KEY_FREE) {
        st = lm_tables_same_key(lm_nstore_tables(store), NULL, rec, station, take_same, &same);
    }
    if (st == LM_OK && same.found) {
        refuse_same(rec->type, &same, issues);
        (void)snprintf(other, 40, "%s", same.id);
    }
    if (st == LM_OK && strcmp(rec->type->name, "person") == 0 &&
        !(same.found && rec->type->key_mode == LM_KEY_UNIQUE)) {
        st = check_namesakes(store, rec, station, issues, other);
    }
    return st;
}

enum lm_status lm_node_check_request(struct lm_nstore *store, const struct lm_validate_in *in,
                                     const char *station, struct lm_arena *arena,
                                     struct lm_issues *issues, char other[40])
{
    char id[LM_UUID_TEXT + 1];
    const struct lm_type *type = lm_request_target(in->catalog, in->after, id);
    const struct lm_value *name = lm_record_get(in->after, "field");
    const struct lm_field *field =
        type && name && name->kind == LM_TEXT ? lm_request_field(type, name->text) : NULL;
    struct lm_record *now = NULL, *would = NULL;
    struct lm_fieldset *set = lm_arena_alloc(arena, sizeof *set);
    struct lm_issues *found = lm_arena_alloc(arena, sizeof *found);
    enum lm_status st;

    if (!field || lm_tables_get(lm_nstore_tables(store), arena, type, id, &now) != LM_OK) {
        return LM_OK; /* said already */
    }
    if (!set || !found) {
        return LM_ERR_MEMORY;
    }
    lm_issues_init(found);
    memset(set, 0, sizeof *set);
    lm_fieldset_put(set, field->index, lm_value_null());
    st = lm_request_judge(in, type, field, now, arena, found, &would);
    if (st != LM_OK || !would || !lm_node_touches_key(type, set)) {
        return st;
    }
    lm_issues_init(found);
    st = lm_node_check_key(store, would, station, found, other);
    for (size_t i = 0; st == LM_OK && i < found->n; i++) {
        const struct lm_issue *one = &found->items[i];

        lm_issue_add(issues, one->level, one->error.code, "new_value", one->error.zh,
                     one->error.en);
    }
    return st;
}
