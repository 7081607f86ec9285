/* SPDX-License-Identifier: MIT
 *
 * Messages, lines and the JSON object.
 */
#include "report.h"

#include "settings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- text ------------------------------------------------------------------------------------- */

/* Names come from hostile files and folders: they must not forge lines or drive the terminal. */
static void print_escaped(FILE *stream, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte < ' ' || byte == 0x7f)
            fprintf(stream, "\\%03o", byte);
        else
            putc(byte, stream);
    }
}

static void print_line(FILE *stream, const char *format, va_list arguments)
{
    char *text;

    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    print_escaped(stream, text != NULL ? text : "out of memory");
    putc('\n', stream);
    free(text);
}

void message(const char *file, const char *format, ...)
{
    va_list arguments;

    fflush(
        stdout); /* keeps the order of both streams where they meet; report_flush() sees errors */
    fputs("greenify: ", stderr);
    if (file != NULL) {
        print_escaped(stderr, file);
        fputs(": ", stderr);
    }
    va_start(arguments, format);
    print_line(stderr, format, arguments);
    va_end(arguments);
}

void message_failure(const char *file, const struct patch_error *error)
{
    char text[512];

    patch_error_format(error, text, sizeof(text));
    message(file, "%s [%s]", text, patch_code_name(error->code));
}

static bool wants_text(const struct report *report, int verbosity)
{
    return !report->json && report->verbosity >= verbosity;
}

void report_line(const struct report *report, const char *format, ...)
{
    va_list arguments;

    if (!wants_text(report, 0))
        return;
    va_start(arguments, format);
    print_line(stdout, format, arguments);
    va_end(arguments);
}

void report_detail(const struct report *report, const char *format, ...)
{
    va_list arguments;

    if (!wants_text(report, 1))
        return;
    va_start(arguments, format);
    print_line(stdout, format, arguments);
    va_end(arguments);
}

/* --- JSON ------------------------------------------------------------------------------------- */

void report_put(struct report *report, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        report->exhausted = true;
}

void report_add(struct report *report, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        report->exhausted = true;
}

json_t *report_file(struct report *report, const char *name)
{
    json_t *object;

    if (!report->json)
        return NULL;
    object = json_object();
    report_put(report, object, "file", report_string(name));
    report_append(report, "files", object);
    return object;
}

void report_append(struct report *report, const char *key, json_t *value)
{
    json_t *array = json_object_get(report->root, key);

    if (array == NULL) {
        report_put(report, report->root, key, json_array());
        array = json_object_get(report->root, key);
    }
    report_add(report, array, value);
}

/* The length of the UTF-8 sequence at `text`, by jansson's own judgement; 0 where there is none. */
static size_t sequence_length(const char *text)
{
    for (size_t length = 1; length <= strnlen(text, 4); length++) {
        json_t *string = json_stringn(text, length);

        json_decref(string);
        if (string != NULL)
            return length;
    }
    return 0;
}

static json_t *repaired_string(const char *text)
{
    static const char replacement[] = "\xef\xbf\xbd";
    char *repaired = malloc(strlen(text) * (sizeof(replacement) - 1) + 1);
    char *end = repaired;
    json_t *string;

    if (repaired == NULL)
        return NULL;
    while (*text != '\0') {
        size_t length = sequence_length(text);

        if (length == 0) {
            end = stpcpy(end, replacement);
            text++;
            continue;
        }
        end = mempcpy(end, text, length);
        text += length;
    }
    *end = '\0';
    string = json_string(repaired);
    free(repaired);
    return string;
}

json_t *report_string(const char *text)
{
    json_t *string;

    if (text == NULL)
        return json_null();
    string = json_string(text);
    return string != NULL ? string : repaired_string(text);
}

json_t *report_strings(char *const *texts, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(array, report_string(texts[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

json_t *report_failure(const struct patch_error *error)
{
    char text[512];
    json_t *object;

    patch_error_format(error, text, sizeof(text));
    object = json_pack("{s:s, s:o, s:o, s:o}", "code", patch_code_name(error->code), "message",
                       report_string(text), "table",
                       report_string(error->table[0] != '\0' ? error->table : NULL), "reason",
                       report_string(error->reason));
    if (object == NULL)
        return NULL;
    json_object_set_new(object, "offset",
                        error->has_offset ? json_integer((json_int_t)error->offset) : json_null());
    json_object_set_new(object, "errno",
                        error->system_error != 0 ? json_integer(error->system_error) : json_null());
    return object;
}

bool report_stop(struct report *report, const char *file, enum patch_code code, const char *format,
                 ...)
{
    struct patch_error error = {.code = code};
    va_list arguments;
    json_t *object;

    va_start(arguments, format);
    vsnprintf(error.reason, sizeof(error.reason), format, arguments);
    va_end(arguments);
    message_failure(file, &error);
    if (!report->json || json_object_get(report->root, "error") != NULL)
        return false;
    object = report_failure(&error);
    report_put(report, object, "file", report_string(file));
    report_put(report, report->root, "error", object);
    return false;
}

void report_unread(struct report *report, const char *file, const struct patch_error *error)
{
    json_t *object = report_file(report, file);

    message_failure(file, error);
    if (!report->json)
        return;
    report_put(report, object, "outcome", json_string("failed"));
    report_put(report, object, "error", report_failure(error));
}

/* --- the report ------------------------------------------------------------------------------- */

void report_init(struct report *report, const char *verb, const struct settings *settings)
{
    *report = (struct report){.json = settings->json, .verbosity = settings->verbosity};
    if (!report->json)
        return;
    report->root = json_object();
    report_put(report, report->root, "version", json_integer(1));
    report_put(report, report->root, "verb", json_string(verb));
}

enum exit_status report_finish(struct report *report, enum exit_status status)
{
    if (report->json) {
        report_put(report, report->root, "status", json_integer((json_int_t)status));
        if (report->exhausted) {
            message(NULL, "out of memory for the report");
            status = STATUS_FAULT;
        } else {
            json_dumpf(report->root, stdout, JSON_INDENT(2));
            putchar('\n');
        }
        json_decref(report->root);
    }
    return report_flush(status);
}

enum exit_status report_flush(enum exit_status status)
{
    bool failed = ferror(stdout) != 0;

    errno = 0;
    if (fflush(stdout) == 0 && !failed)
        return status;
    message(NULL, "standard output: %s", errno != 0 ? strerror(errno) : "write error");
    return STATUS_FAULT;
}
