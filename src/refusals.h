/* SPDX-License-Identifier: MIT
 *
 * Files of a package that were left alone, counted by reason.
 */
#ifndef GREENIFY_REFUSALS_H
#define GREENIFY_REFUSALS_H

#include "report.h"

#include <stdbool.h>
#include <stddef.h>

struct settings;

enum { REFUSALS_CODES = 64 };

/* Plain data, zero to begin with. */
struct refusals {
    size_t counts[REFUSALS_CODES]; /* by enum patch_code */
    size_t total;
};

/* Whether all must fail for this: the failure is none of the file's kind but of the system, or
 * --strict was given. What is never patched by rule, as the runtime itself, fails nothing. */
bool refusals_fail_all(const struct settings *settings, const struct patch_error *error);

/* Counts it; under -v, or when it fails all, says it. */
void refusals_take(struct refusals *refusals, const struct settings *settings, const char *file,
                   const struct patch_error *error);

/* A line for each reason, and the member "refused". */
void refusals_report(struct report *report, const struct refusals *refusals);

#endif
