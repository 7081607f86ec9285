/* SPDX-License-Identifier: MIT
 *
 * Results for a test harness: Test Anything Protocol, version 13, on stdout.
 */
#ifndef GREENIFY_TAP_H
#define GREENIFY_TAP_H

#include "patcher.h"

#include <stddef.h>

struct tap {
    size_t count; /* tests so far */
};

void tap_begin(struct tap *tap);

/* One test: check `name` of `file`. A fault comes with a YAML block. */
void tap_check(struct tap *tap, const char *file, const char *name, enum patch_verdict verdict,
               const char *detail);

/* Nothing may be printed afterwards, not even tap_end(). */
void tap_bail_out(const char *file, const struct patch_error *error);

/* The plan. */
void tap_end(const struct tap *tap);

#endif
