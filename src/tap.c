/* SPDX-License-Identifier: MIT
 *
 * Printing tests. Names of files must not look like directives, nor like lines of their own.
 */
#include "tap.h"

#include "report.h"

#include <stdio.h>
#include <stdlib.h>

static void print_text(const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte < ' ' || byte == 0x7f)
            printf("\\%03o", byte);
        else if (byte == '#' || byte == '\\')
            printf("\\%c", byte);
        else
            putchar(byte);
    }
}

/* A JSON string is a YAML scalar. */
static void print_member(const char *key, const char *value)
{
    json_t *string = report_string(value);
    char *text = string != NULL ? json_dumps(string, JSON_ENCODE_ANY) : NULL;

    printf("  %s: %s\n", key, text != NULL ? text : "\"\"");
    free(text);
    json_decref(string);
}

void tap_begin(struct tap *tap)
{
    *tap = (struct tap){0};
    puts("TAP version 13");
}

void tap_check(struct tap *tap, const char *file, const char *name, enum patch_verdict verdict,
               const char *detail)
{
    printf("%s %zu - ", verdict == PATCH_FAULT ? "not ok" : "ok", ++tap->count);
    print_text(file);
    printf(": %s", name);
    if (verdict == PATCH_SKIPPED) {
        fputs(" # SKIP ", stdout);
        print_text(detail);
    }
    putchar('\n');
    if (verdict != PATCH_FAULT)
        return;
    puts("  ---");
    print_member("file", file);
    print_member("check", name);
    print_member("message", detail);
    puts("  ...");
}

void tap_bail_out(const char *file, const struct patch_error *error)
{
    char text[512];

    patch_error_format(error, text, sizeof(text));
    fputs("Bail out! ", stdout);
    print_text(file);
    fputs(": ", stdout);
    print_text(text);
    printf(" [%s]\n", patch_code_name(error->code));
}

void tap_end(const struct tap *tap)
{
    printf("1..%zu\n", tap->count);
}
