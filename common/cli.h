/* What both programs' command lines share: options that every command has, NDJSON in, errors out.
 */
#ifndef LM_COMMON_CLI_H
#define LM_COMMON_CLI_H

#include "common/base/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum { LM_EXIT_OK = 0, LM_EXIT_FAILED = 1, LM_EXIT_USAGE = 2 };

/* A command reads in, prints results to out and messages to err; the same code runs in its own
 * process and inside the server (through the control socket), so it never touches stdin, stdout or
 * exit(). */
struct lm_cli {
    FILE *in, *out, *err;
    const char *data; /* --data, else LASTMILE_DATA, or NULL */
    const char *user; /* --user, else "" */
    unsigned uid;     /* of the user whose process it is; in a server, of the one who asks it */
    bool json;
    size_t n_rows; /* lm_cli_row's */
    int argc;      /* what is left after the shared options: argv[0] = the command's name */
    char **argv;
};
/* Takes --data D, --user N, --json (also --opt=value) out of argv wherever they stand before "--";
 * keeps the rest. */
enum lm_status lm_cli_parse(int argc, char **argv, struct lm_cli *cli,
                            struct lm_error *err) LM_MUST_USE;

/* Options of one command: {"--by", &by} takes a value, {"--offline", NULL, &flag} does not;
 * repeated value options use lm_cli_many. Positional arguments go to positional[] (≤ max). Unknown
 * options: LM_ERR_INVALID with the command's usage. */
struct lm_cli_option {
    const char *name;
    const char **value;
    bool *flag;
    const char **many;
    size_t *n_many;
    size_t max_many;
};
enum lm_status lm_cli_options(struct lm_cli *cli, const struct lm_cli_option *options,
                              size_t n_options, const char **positional, size_t max_positional,
                              size_t *n_positional, struct lm_error *err) LM_MUST_USE;

/* One line of NDJSON, without its newline, into *line (malloc'ed buffer reused; free at the end).
 * Lines over LM_LINE_BYTES_MAX are skipped to their end and reported as LM_ERR_LIMIT.
 * LM_ERR_NOT_FOUND at the end. A NUL byte: LM_ERR_INVALID. */
enum lm_status lm_ndjson_line(FILE *in, char **line, size_t *size, size_t *n_out,
                              struct lm_error *err) LM_MUST_USE;
/* Strict JSON object: UTF-8, no duplicate keys, depth ≤ LM_DEPTH_MAX, nothing after it. New
 * reference. */
enum lm_status lm_json_object(const char *text, size_t n, json_t **out,
                              struct lm_error *err) LM_MUST_USE;
/* One JSON document and a newline. */
void lm_json_print(FILE *out, const json_t *json);
/* A command's output of many rows: one JSON object a line; with --json one document, an array of
 * them. After the last row of a command that went well, lm_cli_rows_end(). */
void lm_cli_row(struct lm_cli *cli, const json_t *row);
void lm_cli_rows_end(struct lm_cli *cli);
/* {"code","field","text"(zh),"text_en"}: the error object of the contract. New reference. */
json_t *lm_error_json(const struct lm_error *error);
/* "lastmile-hub: 中文 / English (code)" on err; returns LM_EXIT_FAILED, or LM_EXIT_USAGE for code
 * "usage". */
int lm_cli_fail(struct lm_cli *cli, const char *program, const struct lm_error *error);

#endif
