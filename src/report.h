/* SPDX-License-Identifier: MIT
 *
 * Everything that the command prints: messages to stderr, and one report to stdout, either text as
 * it comes or one JSON object at the end. Control characters in names are never printed as they
 * are.
 */
#ifndef GREENIFY_REPORT_H
#define GREENIFY_REPORT_H

#include "command.h"
#include "patcher.h"

#include <jansson.h>
#include <stdbool.h>

struct settings;

/* "greenify: FILE: TEXT" on stderr, in one line; `file` may be NULL. */
void message(const char *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for a failure of the patcher, with its stable name in brackets. */
void message_failure(const char *file, const struct patch_error *error);

/* Plain data; between report_init() and report_finish(). */
struct report {
    bool json;
    int verbosity;  /* as in struct settings */
    bool exhausted; /* memory ran out while the object was built */
    json_t *root;
};

/* Begins the report of `verb`. */
void report_init(struct report *report, const char *verb, const struct settings *settings);

/* Prints the JSON object, with `status` in it, and flushes. Returns `status`, or STATUS_FAULT and a
 * message when the report could not be written. */
enum exit_status report_finish(struct report *report, enum exit_status status);

/* One line of text to stdout; nothing under --json and -q. The second: only under -v. */
void report_line(const struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void report_detail(const struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Sets object[key]; takes the reference to `value`. A NULL value counts as memory that ran out. */
void report_put(struct report *report, json_t *object, const char *key, json_t *value);

/* Appends to `array`; takes the reference to `value`, NULL as above. */
void report_add(struct report *report, json_t *array, json_t *value);

/* A new object {"file": NAME} in root.files, borrowed; NULL unless JSON is wanted. */
json_t *report_file(struct report *report, const char *name);

/* Appends to the array root[key], which the first call makes; takes the reference to `value`. */
void report_append(struct report *report, const char *key, json_t *value);

/* Says why the call ends before it looked at its files: a message about `file` (or NULL), and the
 * member "error" of the report. Returns false. */
bool report_stop(struct report *report, const char *file, enum patch_code code, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));

/* The same for a file that could not be read, in "files". */
void report_unread(struct report *report, const char *file, const struct patch_error *error);

/* Any bytes as a JSON string: what is no UTF-8 becomes U+FFFD. NULL becomes JSON null. */
json_t *report_string(const char *text);
json_t *report_strings(char *const *texts, size_t count);
json_t *report_failure(const struct patch_error *error);

/* Flushes stdout, for output that is no report. Returns as report_finish() does. */
enum exit_status report_flush(enum exit_status status);

#endif
