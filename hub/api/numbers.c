/* Numbers of persons in what people typed. A field that the catalogue calls sensitive is covered as
 * a whole (mask.c); but somebody writes an ID number into a remark, a title, a reason, and from
 * there it gets into labels, lists, errors and the audit log. So every text on its way out is
 * looked through: a run of 15 digits or more (ID numbers old and new, also mistyped; bank cards),
 * with an X behind 17, and mobile numbers; also in full-width digits, and in groups with a space or
 * a dash between them when what they make together is one (18 with a birth date in it; 11 as people
 * write them). Division codes (12), dates, times, ids of records and hashes stay. */
#include "hub/api/api.h"

#include <stdlib.h>
#include <string.h>

#define GROUPS_MAX 32     /* of digits that are looked at together */
#define HASH_CHARS_MIN 32 /* a hex word of so many is no number */
#define NUMBER_DIGITS_MAX                                                                          \
    64 /* of a run that are looked at for what it is; the rest goes with it                        \
        */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The bytes of a digit, "7" or "７"; 0: none. */
static size_t digit_at(const char *p, char *out)
{
    if (is_digit(p[0])) {
        *out = p[0];
        return 1;
    }
    if (p[0] == '\xef' && p[1] == '\xbc' && (unsigned char)p[2] >= 0x90 &&
        (unsigned char)p[2] <= 0x99) {
        *out = (char)('0' + ((unsigned char)p[2] - 0x90));
        return 3;
    }
    return 0;
}

static size_t x_at(const char *p)
{
    if ((p[0] == 'X' || p[0] == 'x') && !is_word(p[1])) {
        return 1;
    }
    return strncmp(p, "Ｘ", 3) == 0 || strncmp(p, "ｘ", 3) == 0 ? 3 : 0;
}

/* What may stand between two groups of one number. */
static size_t gap_at(const char *p)
{
    static const char *const gaps[] = {" ", "-", "　", "－", "–", "\xc2\xa0"};

    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++) {
        if (strncmp(p, gaps[i], strlen(gaps[i])) == 0) {
            return strlen(gaps[i]);
        }
    }
    return 0;
}

/* The bytes of a word that no person's number is: a UUID, a hash. 0: none begins here. */
static size_t machine_word(const char *p)
{
    size_t n = 0;
    bool letter = false;

    while (n < 36 && (n == 8 || n == 13 || n == 18 || n == 23 ? p[n] == '-' : is_hex(p[n]))) {
        n++;
    }
    if (n == 36 && !is_word(p[36])) {
        return 36;
    }
    for (n = 0; is_hex(p[n]); n++) {
        letter = letter || !is_digit(p[n]);
    }
    return letter && n >= HASH_CHARS_MIN && !is_word(p[n]) ? n : 0;
}

struct group {
    const char *at, *end; /* its bytes */
    size_t n;             /* its digits */
    size_t first;         /* its first in digits[] */
};
struct run {
    struct group groups[GROUPS_MAX];
    size_t n_groups, n_digits;
    char digits[GROUPS_MAX * NUMBER_DIGITS_MAX];
    bool x; /* an X follows the last group */
    const char *end;
};

/* Groups of digits from p on, a gap between each two. */
static void take_run(const char *p, struct run *run)
{
    size_t step, gap = 0;
    char c;

    run->n_groups = run->n_digits = 0;
    do {
        struct group *g = &run->groups[run->n_groups++];

        p += gap;
        g->at = p;
        g->first = run->n_digits;
        for (g->n = 0; (step = digit_at(p, &c)) > 0; p += step) {
            if (g->n < NUMBER_DIGITS_MAX) {
                run->digits[run->n_digits++] = c;
                g->n++;
            }
        }
        g->end = p;
        gap = gap_at(p);
    } while (run->n_groups < GROUPS_MAX && gap > 0 && digit_at(p + gap, &c) > 0);
    run->x = x_at(p) > 0;
    run->end = p;
}

static int two(const char *digits)
{
    return (digits[0] - '0') * 10 + (digits[1] - '0');
}

/* Whether an ID number of 18 has a date of birth where it belongs. */
static bool has_birth(const char *digits)
{
    int century = two(digits + 6), month = two(digits + 10), day = two(digits + 12);

    return century >= 18 && century <= 20 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

static bool is_mobile(const char *digits, size_t n)
{
    if (n == 13 && memcmp(digits, "86", 2) == 0) {
        digits += 2;
        n -= 2;
    } else if (n == 15 && memcmp(digits, "0086", 4) == 0) {
        digits += 4;
        n -= 4;
    }
    return n == 11 && digits[0] == '1' && digits[1] >= '3';
}

static bool in_fours(const struct run *run, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (run->groups[i].n != 4) {
            return false;
        }
    }
    return run->groups[to].n <= 4;
}

enum kind { NO_NUMBER, ID_NUMBER, MOBILE };

/* What the groups from..to make together. */
static enum kind kind_of(const struct run *run, size_t from, size_t to)
{
    const struct group *a = &run->groups[from], *b = &run->groups[to];
    const char *digits = run->digits + a->first;
    size_t n = b->first + b->n - a->first;
    bool x = run->x && to + 1 == run->n_groups;

    if (from == to) {
        return is_mobile(digits, n) ? MOBILE : n >= 15 ? ID_NUMBER : NO_NUMBER;
    }
    if ((n == 18 || (n == 17 && x)) && has_birth(digits)) {
        return ID_NUMBER;
    }
    /* As it stands on a card: fours, the last may be shorter; not a row of years. */
    if (n >= 16 && n <= 19 && digits[0] >= '3' && in_fours(run, from, to)) {
        return ID_NUMBER;
    }
    /* 1949-10-01 123 has eleven digits too */
    return to - from < 3 && (a->n == 3 || a->n == 7) && is_mobile(digits, n) ? MOBILE : NO_NUMBER;
}

/* The longest number that begins at group `from`. */
static enum kind find_number(const struct run *run, size_t from, size_t *to_out)
{
    for (size_t to = run->n_groups; to-- > from;) {
        enum kind kind = kind_of(run, from, to);

        if (kind != NO_NUMBER) {
            *to_out = to;
            return kind;
        }
    }
    return NO_NUMBER;
}

static size_t put(char *out, size_t at, const char *text, size_t n)
{
    memmove(out + at, text, n); /* in place: out is behind what is read, or at it */
    return at + n;
}

/* As mask.c covers the fields that are made for them: "1301************34", "138****34". Never
 * longer than what it stands for. */
static size_t put_covered(char *out, size_t at, const struct run *run, size_t from, size_t to,
                          enum kind kind, size_t x)
{
    static const char stars[] = "****************************************************************";
    const char *digits = run->digits + run->groups[from].first;
    size_t n = run->groups[to].first + run->groups[to].n - run->groups[from].first;
    size_t head = kind == MOBILE ? 3 : 4, tail = x > 0 ? 1 : 2;

    at = put(out, at, digits, head);
    at = put(out, at, stars, kind == MOBILE ? 4 : n - head - tail);
    at = put(out, at, digits + n - tail, tail);
    return x > 0 ? put(out, at, "X", 1) : at;
}

/* One run of groups and what stands between them. Moves *p_inout behind it. */
static size_t cover_run(char *out, size_t at, const char **p_inout, bool phones, bool *any)
{
    struct run run;
    const char *copied = *p_inout;

    take_run(copied, &run);
    for (size_t from = 0; from < run.n_groups; from++) {
        size_t to = from, x;
        enum kind kind = find_number(&run, from, &to);

        if (kind == ID_NUMBER || (kind == MOBILE && phones)) {
            at = put(out, at, copied, (size_t)(run.groups[from].at - copied));
            copied = run.groups[to].end;
            x = kind == ID_NUMBER && run.x && to + 1 == run.n_groups ? x_at(copied) : 0;
            at = put_covered(out, at, &run, from, to, kind, x);
            copied += x;
            *any = true;
        }
        from = to;
    }
    *p_inout = copied < run.end ? run.end : copied;
    return copied < run.end ? put(out, at, copied, (size_t)(run.end - copied)) : at;
}

bool lm_town_cover_numbers(char *text, bool phones)
{
    const char *p = text;
    size_t at = 0, n;
    bool any = false, in_word = false;
    char c;

    while (*p) {
        n = in_word ? 0 : machine_word(p);
        if (n == 0 && digit_at(p, &c) > 0) {
            at = cover_run(text, at, &p, phones, &any);
            in_word = true;
            continue;
        }
        n = n > 0 ? n : 1;
        in_word = is_word(p[n - 1]);
        at = put(text, at, p, n);
        p += n;
    }
    text[at] = '\0';
    return any;
}

/* ---- in documents ---- */

#define DEPTH_MAX 16 /* of an answer's JSON; ours has eight */

/* Fewer digits than the shortest number has: nothing to look for. */
static bool few_digits(const char *text)
{
    size_t n = 0, step;
    char c;

    for (; *text && n < 11; text += step ? step : 1) {
        step = digit_at(text, &c);
        n += step > 0;
    }
    return n < 11;
}

bool lm_town_cover_string(json_t *value, bool phones)
{
    const char *text = json_string_value(value);
    char *copy;
    bool any;

    if (!text || few_digits(text)) {
        return false;
    }
    copy = strdup(text);
    any = !copy || lm_town_cover_numbers(copy, phones);
    if (any) { /* without memory nothing of it is shown */
        (void)json_string_set(value, copy ? copy : "");
    }
    free(copy);
    return any;
}

enum lm_status lm_town_not_covered(const char *field, const char *text, const char *now,
                                   struct lm_error *err)
{
    json_t *copy;
    bool numbers;

    if (!text || !now || !strstr(text, "****") || strstr(now, "****")) {
        return LM_OK;
    }
    copy = json_string(now);
    numbers = lm_town_cover_string(copy, true);
    json_decref(copy);
    return numbers
               ? lm_fail(err, LM_ERR_INVALID, "covered", field,
                         "里面有遮住的号码（****）。请先查看完整内容再改，或把那几个字删去。",
                         "A number in it is covered (****): see all of it before you change it, "
                         "or take it out.")
               : LM_OK;
}

static bool among(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void cover_value(json_t *value, const char *key, bool phones, int depth)
{
    /* Numbers of machines, which nobody types. */
    static const char *const ours[] = {"rev", "replica", "hlc", "rank", "hash"};
    /* An account may be named by its owner's number; "phone" was judged by its field (mask.c). */
    static const char *const names[] = {"user", "name", "phone"};
    const char *text = json_string_value(value), *name;
    json_t *member;
    size_t i;

    if (text && !(among(ours, sizeof ours / sizeof *ours, key) &&
                  text[strspn(text, "0123456789abcdefABCDEF")] == '\0')) {
        (void)lm_town_cover_string(value,
                                   phones && !among(names, sizeof names / sizeof *names, key));
    }
    if (depth == DEPTH_MAX) {
        (void)json_object_clear(value);
        (void)json_array_clear(value);
    }
    json_array_foreach(value, i, member)
    {
        cover_value(member, key, phones, depth + 1);
    }
    json_object_foreach(value, name, member)
    {
        cover_value(member, name, phones, depth + 1);
    }
}

void lm_town_cover_json(json_t *document, bool phones)
{
    cover_value(document, "", phones, 0);
}

void lm_town_cover(struct lm_api_call *call)
{
    bool phones = lm_town_sight(call) == LM_SIGHT_LEADER;

    if (!call->whole) {
        lm_town_cover_json(call->answer, phones);
    }
    lm_town_cover_json(call->more, phones);
    (void)lm_town_cover_numbers(call->err.zh, phones);
    (void)lm_town_cover_numbers(call->err.en, phones);
}
