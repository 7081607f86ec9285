/* SPDX-License-Identifier: MIT
 *
 * The table of checks, and how a check says what it found. What image_parse() refuses cannot get
 * here.
 */
#include "check/verify.h"
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct verify_check verify_checks[] = {
#define CHECK(name, function, purpose) {name, purpose, function},
#include "check/checks.def"
#undef CHECK
    {NULL, NULL, NULL},
};

const struct verify_check verify_load_checks[] = {
    {"load", "the dynamic loader loads it", NULL},
    {"bind", "each redirected slot holds an address inside the runtime", NULL},
    {NULL, NULL, NULL},
};

#define SAY(verdict)                                                                               \
    va_list arguments;                                                                             \
    va_start(arguments, format);                                                                   \
    vsnprintf(detail, VERIFY_DETAIL, format, arguments);                                           \
    va_end(arguments);                                                                             \
    return verdict

enum patch_verdict verify_fault(char *detail, const char *format, ...)
{
    SAY(PATCH_FAULT);
}

enum patch_verdict verify_skip(char *detail, const char *format, ...)
{
    SAY(PATCH_SKIPPED);
}

enum patch_verdict verify_pass(char *detail, const char *format, ...)
{
    SAY(PATCH_PASS);
}

enum patch_verdict verify_unreadable(char *detail, const struct patch_error *error)
{
    patch_error_format(error, detail, VERIFY_DETAIL);
    return PATCH_FAULT;
}

bool patch_check_describe(size_t index, const char **name, const char **purpose)
{
    const struct verify_check *const tables[] = {verify_checks, verify_load_checks};

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct verify_check *check = tables[i]; check->name != NULL; check++) {
            if (index-- != 0)
                continue;
            *name = check->name;
            *purpose = check->purpose;
            return true;
        }
    }
    return false;
}
