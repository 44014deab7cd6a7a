/* NDJSON entry: the lines that `add` takes at a node and at the hub, parsed, bounded and handed to
 * a store one by one.
 *
 *   {"type":T,"fields":{…}[,"id":UUIDv7][,"key":TEXT][,"ref":NAME][,"station":CODE12]}   creates
 *   {"id":ID,"fields":{…}}   edits      {"id":ID,"delete":true,"reason":TEXT}   deletes
 * {"id":ID,"undelete":true}   brings back
 *
 * "id":"@name" and a field value "@name" (also inside lists, in members of elements, and as
 * "type:@name" in references) stand for the id of an earlier line with "ref":"name". A line answers
 * with {"line","id","warnings"} or {"line","error"} (and "more": what else is
 * wrong with it); bad lines never stop good ones. */
#ifndef LM_COMMON_ENTRY_H
#define LM_COMMON_ENTRY_H

#include "common/cli.h"
#include "proto/change.h"
#include "proto/validate.h"

struct lm_entry {
    enum lm_op op;
    const char *type;    /* creation only */
    const char *id;      /* NULL: a creation without its own id */
    const char *key;     /* NULL or 1 … LM_KEY_CHARS_MAX characters */
    const char *station; /* NULL or 12 digits; only when allowed */
    json_t *fields;      /* an object (owned by the line); for a delete {"delete_reason":…} */
    const json_t *was;   /* edit: values that its author saw, or NULL; another one by now is
                            LM_ERR_EXISTS "changed_meanwhile" */
    const char *rev;     /* edit, delete, undelete at a node: the record's digest that its author
                            saw, 16 hex digits, or NULL; another one by now is the same error */
};
struct lm_entry_result {
    char id[40];
    struct lm_issues issues; /* warnings; the first refusal when save fails with it */
    bool repeated;           /* a creation that was made before, by the same key or id */
    char other[40];          /* the record that "not_unique" or "near_duplicate" is about, or "" */
};
struct lm_entry_sink {
    void *ctx;
    /* Saves one entry durably or inside the batch. Not LM_OK: err (or the first refusal in
     * result->issues) says why, and nothing of this entry stays. LM_ERR_IO, LM_ERR_FULL,
     * LM_ERR_BUSY, LM_ERR_MEMORY end the run. */
    enum lm_status (*save)(void *ctx, const struct lm_entry *entry, struct lm_entry_result *result,
                           struct lm_error *err);
    /* Makes what was saved since the last flush durable; called after `batch` lines and at the end;
     * answers are printed only after it (P1). */
    enum lm_status (*flush)(void *ctx, struct lm_error *err);
    int batch;         /* lines a flush, ≥ 1 */
    bool with_station; /* the hub: "station" is allowed */
};
/* Runs cli->in through sink, answers on cli->out. The exit code: LM_EXIT_OK, or LM_EXIT_FAILED if
 * any line failed. Refs: ≤ 100,000 names a run. */
int lm_entry_run(struct lm_cli *cli, const char *program, const struct lm_entry_sink *sink);

/* BLAKE2b-256 of an entry's meaning (type, station, fields with sorted keys): what "the same save"
 * means. */
enum lm_status lm_entry_hash(const char *type, const char *station, const json_t *fields,
                             uint8_t out[32]) LM_MUST_USE;

#endif
