/* Stamps of a record to and from msgpack.
 *
 *     stamps = array of entries
 *     entry  = [hlc, replica, names]  or, with ranks,  [hlc, replica, rank, names]
 *     names  = nil in the first entry: all groups that no later entry names; else an array of group
 * names
 *
 * The stamp of group "origin" stands first, so that a record never edited has one entry, and a
 * group that a newer catalogue adds takes it, on every side alike. Later entries and their names
 * follow the order of the type's groups. Names not known here are kept with their stamps
 * (rec->unknown_stamps) and written again: what a record is, and its digests, do not depend on
 * which catalogue its holder has. */
#include "proto/record.h"

#include "proto/pack.h"
#include "proto/prescan.h"

#include <string.h>

static bool same_stamp(const struct lm_stamp *a, const struct lm_stamp *b, bool with_rank)
{
    return lm_version_equal(a->version, b->version) && (!with_rank || a->rank == b->rank);
}

static size_t count_same(const struct lm_record *rec, size_t group, bool with_rank)
{
    size_t n = 0;
    for (size_t i = 0; i < rec->type->n_groups; i++) {
        n += same_stamp(&rec->stamps[group], &rec->stamps[i], with_rank);
    }
    return n;
}

/* The first group whose stamp is this one's. */
static size_t first_same(const struct lm_record *rec, size_t group, bool with_rank)
{
    size_t i = 0;
    while (!same_stamp(&rec->stamps[group], &rec->stamps[i], with_rank)) {
        i++;
    }
    return i;
}

static void pack_stamp(struct lm_buf *buf, const struct lm_stamp *stamp, bool with_rank)
{
    lm_pack_array(buf, with_rank ? 4 : 3);
    lm_pack_uint(buf, stamp->version.hlc);
    lm_pack_uint(buf, stamp->version.replica);
    if (with_rank) {
        lm_pack_uint(buf, stamp->rank);
    }
}

static void pack_names(struct lm_buf *buf, const struct lm_record *rec, size_t first,
                       bool with_rank)
{
    const struct lm_group *groups = rec->type->groups;

    lm_pack_array(buf, count_same(rec, first, with_rank));
    for (size_t i = first; i < rec->type->n_groups; i++) {
        if (same_stamp(&rec->stamps[first], &rec->stamps[i], with_rank)) {
            lm_pack_text(buf, groups[i].name, strlen(groups[i].name));
        }
    }
}

void lm_stamps_pack(struct lm_buf *buf, const struct lm_record *rec, bool with_rank)
{
    size_t n = rec->type->n_groups, entries = 0;

    for (size_t i = 0; i < n; i++) {
        entries += first_same(rec, i, with_rank) == i;
    }
    for (size_t i = 0; n && i < rec->n_unknown_stamps; i++) {
        entries += !same_stamp(&rec->unknown_stamps[i].stamp, &rec->stamps[0], with_rank);
    }
    lm_pack_array(buf, entries);
    if (!entries) {
        return;
    }
    pack_stamp(buf, &rec->stamps[LM_GROUP_ORIGIN], with_rank);
    lm_pack_nil(buf);
    for (size_t i = 1; i < n; i++) {
        if (first_same(rec, i, with_rank) == i) {
            pack_stamp(buf, &rec->stamps[i], with_rank);
            pack_names(buf, rec, i, with_rank);
        }
    }
    for (size_t i = 0; i < rec->n_unknown_stamps; i++) {
        const struct lm_unknown_stamp *u = &rec->unknown_stamps[i];

        if (!same_stamp(&u->stamp, &rec->stamps[LM_GROUP_ORIGIN], with_rank)) {
            pack_stamp(buf, &u->stamp, with_rank);
            lm_pack_array(buf, 1);
            lm_pack_text(buf, u->group, strlen(u->group));
        }
    }
}

static int find_group(const struct lm_type *type, const char *name, size_t n)
{
    for (size_t i = 0; i < type->n_groups; i++) {
        const char *known = type->groups[i].name;
        if (strlen(known) == n && memcmp(known, name, n) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static void read_stamp(struct lm_reader *reader, struct lm_stamp *stamp)
{
    size_t n;
    *stamp = (struct lm_stamp){0};
    if (!lm_read_array(reader, &n) || (n != 3 && n != 4)) {
        lm_reader_fail(reader);
        return;
    }
    lm_read_uint(reader, &stamp->version.hlc);
    lm_read_uint(reader, &stamp->version.replica);
    if (n == 4) {
        lm_read_uint(reader, &stamp->rank);
    }
}

/* What is read, made aside: a malformed text leaves the record as it was. */
struct made {
    struct lm_stamp stamps[LM_GROUPS_PER_TYPE_MAX];
    bool named[LM_GROUPS_PER_TYPE_MAX];
    struct lm_unknown_stamp *unknown; /* in the arena, grown by doubling */
    size_t n_unknown, size_unknown;
};

static enum lm_status keep_unknown(struct made *made, struct lm_arena *arena, const char *name,
                                   size_t n, struct lm_stamp stamp)
{
    for (size_t i = 0; i < made->n_unknown; i++) {
        const char *known = made->unknown[i].group;

        if (strlen(known) == n && memcmp(known, name, n) == 0) {
            return LM_ERR_INVALID;
        }
    }
    if (n == 0 || n > LM_NAME_BYTES_MAX || memchr(name, 0, n) ||
        made->n_unknown == LM_UNKNOWN_STAMPS_MAX) {
        return LM_ERR_INVALID;
    }
    if (made->n_unknown == made->size_unknown) {
        size_t size = made->size_unknown ? 2 * made->size_unknown : 4;
        struct lm_unknown_stamp *grown = lm_arena_alloc(arena, size * sizeof *grown);

        if (!grown) {
            return lm_arena_status(arena, size * sizeof *grown);
        }
        if (made->n_unknown) {
            memcpy(grown, made->unknown, made->n_unknown * sizeof *grown);
        }
        made->unknown = grown;
        made->size_unknown = size;
    }
    struct lm_unknown_stamp *u = &made->unknown[made->n_unknown++];
    memcpy(u->group, name, n);
    u->group[n] = '\0';
    u->stamp = stamp;
    return LM_OK;
}

static enum lm_status read_entry(struct lm_reader *reader, const struct lm_type *type,
                                 struct made *made, struct lm_arena *arena)
{
    struct lm_stamp stamp;
    size_t names = 0;

    read_stamp(reader, &stamp);
    lm_read_array(reader, &names);
    for (size_t i = 0; i < names && !reader->failed; i++) {
        enum lm_status status = LM_OK;
        const char *name;
        size_t n;

        if (!lm_read_text(reader, &name, &n)) {
            break;
        }
        int group = find_group(type, name, n);
        if (group < 0) {
            status = keep_unknown(made, arena, name, n, stamp);
        } else if (made->named[group]) {
            status = LM_ERR_INVALID;
        } else {
            made->named[group] = true;
            made->stamps[group] = stamp;
        }
        if (status != LM_OK) {
            return status;
        }
    }
    return LM_OK;
}

enum lm_status lm_stamps_unpack(struct lm_record *rec, const uint8_t *data, size_t n,
                                struct lm_arena *arena)
{
    struct made made = {.named = {false}};
    size_t n_groups = rec->type->n_groups, entries;
    enum lm_status status = LM_OK;
    struct lm_reader reader;
    struct lm_stamp first;

    LM_CHECK(n_groups <= LM_GROUPS_PER_TYPE_MAX);
    lm_reader_init(&reader, data, n);
    if (!lm_read_array(&reader, &entries) || entries == 0) {
        return LM_ERR_INVALID;
    }
    read_stamp(&reader, &first);
    if (!lm_read_nil(&reader)) {
        return LM_ERR_INVALID;
    }
    for (size_t i = 0; i < n_groups; i++) {
        made.stamps[i] = first;
    }
    for (size_t e = 1; e < entries && !reader.failed && status == LM_OK; e++) {
        status = read_entry(&reader, rec->type, &made, arena);
    }
    if (status != LM_OK) {
        return status;
    }
    if (!lm_reader_done(&reader)) {
        return LM_ERR_INVALID;
    }
    if (n_groups) {
        memcpy(rec->stamps, made.stamps, n_groups * sizeof(*made.stamps));
    }
    rec->unknown_stamps = made.unknown;
    rec->n_unknown_stamps = made.n_unknown;
    return LM_OK;
}
