/* SPDX-License-Identifier: MIT
 *
 * Errors: a code, the place in the file and one clause of text.
 */
#include "error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[] = {
#define PATCH_ERROR(code, name) [PATCH_##code] = name,
#include "errors.def"
#undef PATCH_ERROR
};

const char *patch_code_name(enum patch_code code)
{
    size_t count = sizeof(code_names) / sizeof(code_names[0]);
    return (size_t)code < count ? code_names[code] : "unknown";
}

void patch_error_format(const struct patch_error *error, char *text, size_t size)
{
    bool table = error->table[0] != '\0';
    char place[32] = "";

    if (error->has_offset)
        snprintf(place, sizeof(place), "%sat 0x%" PRIx64, table ? " " : "", error->offset);
    snprintf(text, size, "%s%s%s%s", error->table, place, table || place[0] != '\0' ? ": " : "",
             error->reason);
}

static void fill(struct patch_error *error, enum patch_code code, const char *format,
                 va_list arguments)
{
    memset(error, 0, sizeof(*error));
    error->code = code;
    vsnprintf(error->reason, sizeof(error->reason), format, arguments);
}

bool error_set(struct patch_error *error, enum patch_code code, const char *format, ...)
{
    va_list arguments;

    if (error == NULL)
        return false;
    va_start(arguments, format);
    fill(error, code, format, arguments);
    va_end(arguments);
    return false;
}

bool error_set_at(struct patch_error *error, enum patch_code code, const char *table,
                  uint64_t offset, const char *format, ...)
{
    va_list arguments;

    if (error == NULL)
        return false;
    va_start(arguments, format);
    fill(error, code, format, arguments);
    va_end(arguments);
    snprintf(error->table, sizeof(error->table), "%s", table);
    error->has_offset = true;
    error->offset = offset;
    return false;
}

bool error_set_entry(struct patch_error *error, enum patch_code code, const char *table,
                     uint64_t index, uint64_t offset, const char *format, ...)
{
    va_list arguments;

    if (error == NULL)
        return false;
    va_start(arguments, format);
    fill(error, code, format, arguments);
    va_end(arguments);
    snprintf(error->table, sizeof(error->table), "%s[%" PRIu64 "]", table, index);
    error->has_offset = true;
    error->offset = offset;
    return false;
}

bool error_system(struct patch_error *error, const char *what)
{
    int number = errno;

    error_set(error, PATCH_SYSTEM, "%s: %s", what, strerror(number));
    if (error != NULL)
        error->system_error = number;
    return false;
}

bool error_memory(struct patch_error *error)
{
    return error_set(error, PATCH_MEMORY, "out of memory");
}
