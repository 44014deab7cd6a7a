/* Reading this PC's changes out of a database that SQLite does not open any more, or finds damaged:
 * its header gone, pages overwritten, cut short. The file is read page by page, as the format's
 * description has it (sqlite.org/fileformat2.html: b-tree leaf pages, varints, records, overflow
 * chains, the write-ahead log's frames); a leaf cell that reads as a row of `outbox` is told of.
 * Nothing of the file is believed: every length is checked, and who asks judges each row by itself
 * (mend.c). Nothing is written.
 *
 * Nobody has the database open meanwhile: closing these descriptors would drop SQLite's locks. */
#include "node/store/damaged.h"

#include "common/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PAGE_BYTES_LEAST = 512,
    PAGE_BYTES_MOST = 65536,
    LEAF = 0x0d, /* of a table */
    COLUMNS = 8,
    WAL_HEAD = 32,
    FRAME_HEAD = 24,
    PAYLOAD_MAX = LM_CHANGE_BYTES_MAX + 2048, /* of a row of outbox */
    FRAMES_MAX = 1 << 20,
};

struct raw {
    int fd, wal; /* -1: not there */
    size_t page_bytes;
    uint64_t n_pages;
    uint32_t *frames; /* page numbers of the log's committed frames */
    size_t n_frames;
    uint8_t *page, *other, *payload;
};

static uint64_t big(const uint8_t *p, size_t n)
{
    uint64_t u = 0;

    for (size_t i = 0; i < n; i++) {
        u = u << 8 | p[i];
    }
    return u;
}

/* Whole, or false: a sector that cannot be read costs its page only. */
static bool read_at(int fd, uint64_t at, uint8_t *out, size_t n)
{
    size_t have = 0;

    while (have < n) {
        ssize_t got = pread(fd, out + have, n - have, (off_t)(at + have));

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        have += (size_t)got;
    }
    return true;
}

static bool power_of_two(uint64_t n)
{
    return n >= PAGE_BYTES_LEAST && n <= PAGE_BYTES_MOST && (n & (n - 1)) == 0;
}

bool ns_header_is_whole(const char *path, uint32_t application_id)
{
    static const char magic[16] = "SQLite format 3";
    uint8_t head[100];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && read_at(fd, 0, head, sizeof head) &&
              memcmp(head, magic, sizeof magic) == 0 && big(head + 68, 4) == application_id;

    if (fd >= 0) {
        (void)close(fd);
    }
    return ok && power_of_two(big(head + 16, 2) == 1 ? PAGE_BYTES_MOST : big(head + 16, 2));
}

/* ---- pages ---- */

/* The newest of a page: the log's before the file's. */
static bool read_page(const struct raw *r, uint64_t number, uint8_t *out)
{
    if (number == 0) {
        return false;
    }
    for (size_t i = r->n_frames; i-- > 0;) {
        if (r->frames[i] == number) {
            return read_at(r->wal, WAL_HEAD + i * (FRAME_HEAD + r->page_bytes) + FRAME_HEAD, out,
                           r->page_bytes);
        }
    }
    return number <= r->n_pages && read_at(r->fd, (number - 1) * r->page_bytes, out, r->page_bytes);
}

/* The frames up to the last commit: what stands behind it was never answered as saved. */
static void read_frames(struct raw *r)
{
    uint8_t head[WAL_HEAD], frame[FRAME_HEAD];
    size_t n = 0, room = 0;

    if (r->wal < 0 || !read_at(r->wal, 0, head, sizeof head)) {
        return;
    }
    while (n < FRAMES_MAX &&
           read_at(r->wal, WAL_HEAD + n * (FRAME_HEAD + r->page_bytes), frame, sizeof frame) &&
           memcmp(frame + 8, head + 16, 8) == 0) { /* the salts: else it is of an older round */
        if (n == room) {
            uint32_t *more = realloc(r->frames, (room + 1024) * sizeof *more);

            if (!more) {
                break;
            }
            r->frames = more;
            room += 1024;
        }
        r->frames[n++] = (uint32_t)big(frame, 4);
        if (big(frame + 4, 4) != 0) {
            r->n_frames = n;
        }
    }
}

/* ---- a cell ---- */

/* A varint of SQLite: at most 9 bytes. 0: cut short. */
static size_t varint(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
    uint64_t u = 0;

    for (size_t i = 0; i < 9 && p + i < end; i++) {
        if (i == 8) {
            *out = u << 8 | p[i];
            return 9;
        }
        u = u << 7 | (p[i] & 0x7f);
        if (!(p[i] & 0x80)) {
            *out = u;
            return i + 1;
        }
    }
    return 0;
}

/* Bytes of a column with this serial type; SIZE_MAX: there is no such type. */
static size_t column_bytes(uint64_t serial)
{
    static const uint8_t fixed[] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0};

    if (serial < sizeof fixed) {
        return fixed[serial];
    }
    return serial < 12 || serial > 2 * PAYLOAD_MAX ? SIZE_MAX : (size_t)(serial - 12) / 2;
}

static bool is_number(uint64_t serial)
{
    return (serial >= 1 && serial <= 6) || serial == 8 || serial == 9;
}

static uint64_t number_of(const uint8_t *p, uint64_t serial)
{
    return serial >= 8 ? serial - 8 : big(p, column_bytes(serial));
}

static bool take_text(const uint8_t *p, uint64_t serial, char *out, size_t n)
{
    size_t bytes = column_bytes(serial);

    if (serial < 13 || serial % 2 == 0 || bytes >= n || memchr(p, 0, bytes)) {
        return false;
    }
    memcpy(out, p, bytes);
    out[bytes] = '\0';
    return true;
}

/* branch, seq, record, type, hlc, user, body, hash. */
static bool read_row(const uint8_t *p, size_t n, struct ns_raw_row *out)
{
    const uint8_t *end = p + n, *columns[COLUMNS];
    uint64_t head = 0, serial[COLUMNS];
    size_t at = varint(p, end, &head), from;

    if (at == 0 || head > n || head > 64) {
        return false;
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        size_t step = varint(p + at, p + head, &serial[i]);

        if (step == 0) {
            return false;
        }
        at += step;
    }
    if (at != head) {
        return false;
    }
    from = (size_t)head;
    for (size_t i = 0; i < COLUMNS; i++) {
        size_t bytes = column_bytes(serial[i]);

        if (bytes > n - from) {
            return false;
        }
        columns[i] = p + from;
        from += bytes;
    }
    memset(out, 0, sizeof *out);
    if (from != n || !is_number(serial[0]) || !is_number(serial[1]) || !is_number(serial[4]) ||
        serial[6] < 14 || serial[6] % 2 != 0 || serial[7] != 12 + 2 * LM_HASH_BYTES ||
        !take_text(columns[2], serial[2], out->record, sizeof out->record) ||
        !take_text(columns[3], serial[3], out->type, sizeof out->type)) {
        return false;
    }
    out->branch = number_of(columns[0], serial[0]);
    out->seq = number_of(columns[1], serial[1]);
    out->hlc = number_of(columns[4], serial[4]);
    out->body = columns[6];
    out->len = column_bytes(serial[6]);
    memcpy(out->hash, columns[7], LM_HASH_BYTES);
    return out->branch > 0 && out->branch <= INT64_MAX && out->seq > 0 && out->seq <= INT64_MAX &&
           out->hlc > 0 && out->hlc <= INT64_MAX;
}

/* How many bytes of a payload lie in the leaf itself. */
static size_t local_bytes(size_t payload, size_t usable)
{
    size_t most = usable - 35, least = (usable - 12) * 32 / 255 - 23, some;

    if (payload <= most) {
        return payload;
    }
    some = least + (payload - least) % (usable - 4);
    return some <= most ? some : least;
}

/* The rest of a payload from its chain of overflow pages. */
static bool read_overflow(struct raw *r, uint64_t page, size_t have, size_t all)
{
    while (have < all) {
        size_t n = all - have < r->page_bytes - 4 ? all - have : r->page_bytes - 4;

        if (!read_page(r, page, r->other)) {
            return false;
        }
        memcpy(r->payload + have, r->other + 4, n);
        page = big(r->other, 4);
        have += n;
    }
    return true;
}

static bool read_cell(struct raw *r, size_t at, struct ns_raw_row *out)
{
    const uint8_t *end = r->page + r->page_bytes, *p = r->page + at;
    uint64_t payload = 0, rowid = 0;
    size_t local, step = varint(p, end, &payload);

    if (step == 0 || payload < 40 || payload > PAYLOAD_MAX) {
        return false;
    }
    p += step;
    step = varint(p, end, &rowid);
    if (step == 0) {
        return false;
    }
    p += step;
    local = local_bytes((size_t)payload, r->page_bytes);
    if (local + (local < payload ? 4 : 0) > (size_t)(end - p)) {
        return false;
    }
    memcpy(r->payload, p, local);
    return (local == payload || read_overflow(r, big(p + local, 4), local, (size_t)payload)) &&
           read_row(r->payload, (size_t)payload, out);
}

static enum lm_status scan_page(struct raw *r, size_t head,
                                enum lm_status (*visit)(void *arg, const struct ns_raw_row *row),
                                void *arg)
{
    size_t n = (size_t)big(r->page + head + 3, 2), first = head + 8 + 2 * n;
    enum lm_status st = LM_OK;

    if (r->page[head] != LEAF || first > r->page_bytes) {
        return LM_OK;
    }
    for (size_t i = 0; i < n && st == LM_OK; i++) {
        size_t at = (size_t)big(r->page + head + 8 + 2 * i, 2);
        struct ns_raw_row row;

        if (at >= first && at < r->page_bytes && read_cell(r, at, &row)) {
            st = visit(arg, &row);
        }
    }
    return st;
}

enum lm_status ns_damaged_rows(const char *path, size_t page_bytes,
                               enum lm_status (*visit)(void *arg, const struct ns_raw_row *row),
                               void *arg)
{
    char wal[PATH_MAX + 8];
    struct raw r = {.page_bytes = page_bytes};
    struct stat info;
    enum lm_status st = power_of_two(page_bytes) ? LM_OK : LM_ERR_INVALID;

    (void)snprintf(wal, sizeof wal, "%s-wal", path);
    r.fd = open(path, O_RDONLY | O_CLOEXEC);
    r.wal = open(wal, O_RDONLY | O_CLOEXEC);
    r.page = malloc(PAGE_BYTES_MOST);
    r.other = malloc(PAGE_BYTES_MOST);
    r.payload = malloc(PAYLOAD_MAX + PAGE_BYTES_MOST);
    if (!r.page || !r.other || !r.payload) {
        st = LM_ERR_MEMORY;
    }
    if (st == LM_OK && r.fd >= 0 && fstat(r.fd, &info) == 0) {
        r.n_pages = (uint64_t)info.st_size / page_bytes;
    }
    if (st == LM_OK) {
        read_frames(&r);
    }
    for (uint64_t i = 0; i < r.n_pages && st == LM_OK; i++) {
        if (read_at(r.fd, i * page_bytes, r.page, page_bytes)) {
            st = scan_page(&r, i == 0 ? 100 : 0, visit, arg);
        }
    }
    for (size_t i = 0; i < r.n_frames && st == LM_OK; i++) {
        if (read_at(r.wal, WAL_HEAD + i * (FRAME_HEAD + page_bytes) + FRAME_HEAD, r.page,
                    page_bytes)) {
            st = scan_page(&r, r.frames[i] == 1 ? 100 : 0, visit, arg);
        }
    }
    if (r.fd >= 0) {
        (void)close(r.fd);
    }
    if (r.wal >= 0) {
        (void)close(r.wal);
    }
    free(r.frames);
    free(r.page);
    free(r.other);
    free(r.payload);
    return st;
}
