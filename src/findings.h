/* SPDX-License-Identifier: MIT
 *
 * What scan found beside the imports, as text and as JSON.
 */
#ifndef GREENIFY_FINDINGS_H
#define GREENIFY_FINDINGS_H

#include "patcher.h"
#include "report.h"

/* A line each, without -v only for those that wait, or may. */
void findings_print(const struct report *report, const struct patch_scan *scan);

/* The array "findings". */
json_t *findings_json(struct report *report, const struct patch_scan *scan);

/* How many redirection cannot reach though they wait, guesses left out. */
size_t findings_unreachable(const struct patch_scan *scan);

/* "NAME", "function at 0xADDRESS" for a function without a name, or "0xADDRESS" where none is
 * known, into `text`, cut to `size`. Returns `text`. */
const char *findings_place(const char *function, uint64_t start, uint64_t address, char *text,
                           size_t size);

#endif
