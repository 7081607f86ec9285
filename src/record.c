/* SPDX-License-Identifier: MIT
 *
 * Comma separated values, as Python's csv module writes them: a field with a comma or a quote in it
 * is quoted, and quotes in it are doubled.
 */
#include "record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 3 };

/* --- reading ---------------------------------------------------------------------------------- */

/* Reads one field at `text`, ended by a comma or `end`; NULL when its quotes are wrong or memory
 * ran out. *next is where it ended. */
static char *parse_field(const char *text, const char *end, const char **next)
{
    char *field = malloc((size_t)(end - text) + 1);
    bool quoted = text < end && *text == '"';
    char *to = field;

    if (field == NULL)
        return NULL;
    text += quoted;
    while (text < end && (quoted || *text != ',')) {
        if (quoted && *text == '"' && (text + 1 == end || text[1] != '"'))
            break;
        text += quoted && *text == '"'; /* the first of two */
        *to++ = *text++;
    }
    *to = '\0';
    *next = text + quoted;
    if ((quoted && text == end) || (*next < end && **next != ',')) {
        free(field);
        return NULL;
    }
    return field;
}

static bool is_number(const char *text)
{
    return text[strspn(text, "0123456789")] == '\0';
}

/* One line without its end. Returns what is wrong with it, or NULL. */
static const char *parse_row(struct record_row *row, const char *text, const char *end)
{
    char **fields[FIELDS] = {&row->path, &row->hash, &row->size};

    for (size_t i = 0; i < FIELDS; i++) {
        *fields[i] = parse_field(text, end, &text);
        if (*fields[i] == NULL)
            return "a quote is wrong";
        if ((i + 1 < FIELDS) != (text < end))
            return "there are not three fields";
        text++;
    }
    if (row->path[0] == '\0')
        return "the path is empty";
    if (row->hash[0] != '\0' && strchr(row->hash, '=') == NULL)
        return "the hash has no algorithm";
    return is_number(row->size) ? NULL : "the size is no number";
}

static struct record_row *append(struct record *record)
{
    if (record->count == record->capacity) {
        size_t larger = record->capacity * 2 + 64;
        struct record_row *rows = realloc(record->rows, larger * sizeof(*rows));

        if (rows == NULL)
            return NULL;
        record->rows = rows;
        record->capacity = larger;
    }
    record->rows[record->count] = (struct record_row){0};
    return &record->rows[record->count++];
}

static const char *line_end(const char *text, size_t size)
{
    if (size > 1 && memcmp(text + size - 2, "\r\n", 2) == 0)
        return "\r\n";
    return size > 0 && text[size - 1] == '\n' ? "\n" : "";
}

static const char *parse_line(struct record *record, const char *text, size_t size)
{
    struct record_row *row = append(record);
    size_t length = size;

    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
        length--;
    if (row == NULL)
        return "out of memory";
    if (length == 0) {
        record->count--;
        return NULL;
    }
    row->end = line_end(text, size);
    row->line = strndup(text, size);
    if (row->line == NULL)
        return "out of memory";
    return parse_row(row, text, text + length);
}

/* --- finding ---------------------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b, void *rows)
{
    const struct record_row *x = (const struct record_row *)rows + *(const size_t *)a;
    const struct record_row *y = (const struct record_row *)rows + *(const size_t *)b;

    return strcmp(x->path, y->path);
}

static const char *sort(struct record *record)
{
    record->order = calloc(record->count + 1, sizeof(*record->order));
    if (record->order == NULL)
        return "out of memory";
    for (size_t i = 0; i < record->count; i++)
        record->order[i] = i;
    record->sorted = record->count;
    qsort_r(record->order, record->sorted, sizeof(*record->order), compare_places, record->rows);
    for (size_t i = 1; i < record->sorted; i++)
        if (compare_places(&record->order[i - 1], &record->order[i], record->rows) == 0)
            return "a path stands there twice";
    return NULL;
}

struct record_row *record_find(const struct record *record, const char *path)
{
    size_t low = 0;
    size_t high = record->sorted;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct record_row *row = &record->rows[record->order[middle]];
        int order = strcmp(path, row->path);

        if (order == 0)
            return row;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

bool record_parse(struct record *record, const char *text, size_t size, char *reason,
                  size_t reason_size)
{
    const char *whole = memchr(text, '\0', size) != NULL ? "it contains a NUL byte" : NULL;
    const char *wrong = NULL;
    size_t line = 0;

    *record = (struct record){0};
    for (size_t at = 0; whole == NULL && wrong == NULL && at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end != NULL ? (size_t)(end - text) + 1 - at : size - at;

        line++;
        wrong = parse_line(record, text + at, length);
        at += length;
    }
    if (whole == NULL && wrong == NULL)
        whole = sort(record);
    if (whole == NULL && wrong == NULL)
        return true;
    if (wrong != NULL)
        snprintf(reason, reason_size, "line %zu: %s", line, wrong);
    else
        snprintf(reason, reason_size, "%s", whole);
    record_finish(record);
    return false;
}

void record_finish(struct record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        free(record->rows[i].path);
        free(record->rows[i].hash);
        free(record->rows[i].size);
        free(record->rows[i].line);
    }
    free(record->rows);
    free(record->order);
    *record = (struct record){0};
}

/* --- writing ---------------------------------------------------------------------------------- */

bool record_set(struct record_row *row, const char *hash, uint64_t size)
{
    char *new_hash = strdup(hash);
    char *new_size;

    if (asprintf(&new_size, "%" PRIu64, size) < 0)
        new_size = NULL;
    if (new_hash == NULL || new_size == NULL) {
        free(new_hash);
        free(new_size);
        return false;
    }
    free(row->hash);
    free(row->size);
    free(row->line);
    row->hash = new_hash;
    row->size = new_size;
    row->line = NULL;
    return true;
}

bool record_add(struct record *record, const char *path, const char *hash, uint64_t size)
{
    struct record_row *row = append(record);

    if (row == NULL)
        return false;
    row->path = strdup(path);
    row->end = "\n";
    return row->path != NULL && record_set(row, hash, size);
}

static void write_field(FILE *stream, const char *text)
{
    if (strpbrk(text, ",\"") == NULL) {
        fputs(text, stream);
        return;
    }
    putc('"', stream);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putc('"', stream);
        putc(*text, stream);
    }
    putc('"', stream);
}

static void write_row(FILE *stream, const struct record_row *row, bool last)
{
    if (row->line != NULL) {
        fputs(row->line, stream);
    } else {
        write_field(stream, row->path);
        putc(',', stream);
        write_field(stream, row->hash);
        fprintf(stream, ",%s%s", row->size, row->end);
    }
    if (!last && row->end[0] == '\0')
        putc('\n', stream);
}

char *record_write(const struct record *record, size_t *size)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, size);

    if (stream == NULL)
        return NULL;
    for (size_t i = 0; i < record->count; i++)
        if (!record->rows[i].dropped)
            write_row(stream, &record->rows[i], i + 1 == record->count);
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}
