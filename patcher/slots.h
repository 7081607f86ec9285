/* SPDX-License-Identifier: MIT
 *
 * Entries of .dynamic that can become others. The section never grows: it stands among others, in
 * what becomes read-only.
 */
#ifndef PATCHER_SLOTS_H
#define PATCHER_SLOTS_H

#include "plan.h"

/* Makes the next entry that is free for it {tag, value}; *name, unless it is NULL, tells what that
 * was, in static storage. PATCH_NO_DYNAMIC_SLOT when there is none, with `purpose` in the reason.
 */
PATCH_MUST_CHECK bool slots_use(const struct image *image, int64_t tag, uint64_t value,
                                const char *purpose, struct plan *plan, const char **name,
                                struct patch_error *error);

/* Makes `slot` itself {tag, value}. */
PATCH_MUST_CHECK bool slots_set(const struct image *image, const Elf64_Dyn *slot, int64_t tag,
                                uint64_t value, struct plan *plan, struct patch_error *error);

#endif
