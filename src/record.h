/* SPDX-License-Identifier: MIT
 *
 * RECORD, the list of a Python package's files: path, hash and size, separated by commas (PEP 376
 * and 427). Rows that nobody changes keep their bytes.
 */
#ifndef GREENIFY_RECORD_H
#define GREENIFY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record_row {
    char *path;      /* without quotes */
    char *hash;      /* "sha256=..." or "" */
    char *size;      /* decimal, or "" */
    char *line;      /* as it stood, with its end; NULL once it was changed or is new */
    const char *end; /* of the line: pip writes "\r\n", wheels have "\n"; "" at the end of a file */
    bool dropped;
};

struct record {
    struct record_row *rows;
    size_t count;
    size_t capacity;
    size_t *order; /* places of the rows by path, for record_find() */
    size_t sorted; /* how many rows stand in it */
};

/* False, with the line and what is wrong with it in `reason`, when it is no such list. */
bool record_parse(struct record *record, const char *text, size_t size, char *reason,
                  size_t reason_size);
void record_finish(struct record *record);

/* The row of `path`, or NULL. Rows that were added are not looked at. */
struct record_row *record_find(const struct record *record, const char *path);

/* False when there is no memory. */
bool record_set(struct record_row *row, const char *hash, uint64_t size);
bool record_add(struct record *record, const char *path, const char *hash, uint64_t size);

/* The whole list again, `*size` bytes; the caller frees it. NULL when there is no memory. */
char *record_write(const struct record *record, size_t *size);

#endif
