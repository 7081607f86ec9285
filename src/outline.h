/* SPDX-License-Identifier: MIT
 *
 * A closure as a reader sees it: an indented tree, or JSON.
 */
#ifndef GREENIFY_OUTLINE_H
#define GREENIFY_OUTLINE_H

#include "patcher.h"
#include "report.h"

/* What stands under a library that was shown before is not shown again. */
void outline_print(const struct report *report, const struct patch_closure *closure);

/* "to patch: libpq.so.5, libcrypto.so.3": the answer for who named another library. */
void outline_print_summary(const struct report *report, const struct patch_closure *closure);

/* The array "members". */
json_t *outline_json(struct report *report, const struct patch_closure *closure);

/* How many chosen functions its members import, those left out that are never patched. */
size_t outline_functions(const struct patch_closure *closure);

#endif
