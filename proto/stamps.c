/* Stamps of a record to and from msgpack.
 *
 *     stamps = array of entries
 *     entry  = [hlc, replica, names]  or, with ranks,  [hlc, replica, rank, names]
 *     names  = nil in the first entry: all groups that no later entry names; else an array of group
 * names
 *
 * The stamp that most groups share stands first (of several, that of the group listed first), so
 * that a record never edited has one entry, and a group that a newer catalogue adds takes the
 * commonest stamp. Later entries and their names follow the order of the type's groups. Names not
 * known here are skipped. */
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

void lm_stamps_pack(struct lm_buf *buf, const struct lm_record *rec, bool with_rank)
{
    size_t n = rec->type->n_groups;
    size_t common = 0;
    size_t most = 0;
    size_t entries = 0;
    for (size_t i = 0; i < n; i++) {
        if (first_same(rec, i, with_rank) != i) {
            continue;
        }
        entries++;
        size_t same = count_same(rec, i, with_rank);
        if (same > most) {
            most = same;
            common = i;
        }
    }
    lm_pack_array(buf, entries);
    if (!entries) {
        return;
    }
    pack_stamp(buf, &rec->stamps[common], with_rank);
    lm_pack_nil(buf);
    for (size_t i = 0; i < n; i++) {
        if (i == common || first_same(rec, i, with_rank) != i) {
            continue;
        }
        pack_stamp(buf, &rec->stamps[i], with_rank);
        lm_pack_array(buf, count_same(rec, i, with_rank));
        for (size_t k = i; k < n; k++) {
            if (same_stamp(&rec->stamps[i], &rec->stamps[k], with_rank)) {
                const char *name = rec->type->groups[k].name;
                lm_pack_text(buf, name, strlen(name));
            }
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

enum lm_status lm_stamps_unpack(struct lm_record *rec, const uint8_t *data, size_t n)
{
    /* Made aside: a malformed text leaves the record as it was. */
    struct lm_stamp made[LM_GROUPS_PER_TYPE_MAX];
    bool named[LM_GROUPS_PER_TYPE_MAX] = {false};
    size_t n_groups = rec->type->n_groups;
    struct lm_reader reader;
    struct lm_stamp stamp;
    size_t entries;
    LM_CHECK(n_groups <= LM_GROUPS_PER_TYPE_MAX);
    lm_reader_init(&reader, data, n);
    if (!lm_read_array(&reader, &entries) || entries == 0) {
        return LM_ERR_INVALID;
    }
    read_stamp(&reader, &stamp);
    if (!lm_read_nil(&reader)) {
        return LM_ERR_INVALID;
    }
    for (size_t i = 0; i < n_groups; i++) {
        made[i] = stamp;
    }
    for (size_t e = 1; e < entries && !reader.failed; e++) {
        size_t names;
        read_stamp(&reader, &stamp);
        lm_read_array(&reader, &names);
        for (size_t i = 0; i < names && !reader.failed; i++) {
            const char *name;
            size_t name_len;
            if (!lm_read_text(&reader, &name, &name_len)) {
                break;
            }
            int group = find_group(rec->type, name, name_len);
            if (group < 0) {
                continue;
            }
            if (named[group]) {
                return LM_ERR_INVALID;
            }
            named[group] = true;
            made[group] = stamp;
        }
    }
    if (!lm_reader_done(&reader)) {
        return LM_ERR_INVALID;
    }
    if (n_groups) {
        memcpy(rec->stamps, made, n_groups * sizeof(*made));
    }
    return LM_OK;
}
