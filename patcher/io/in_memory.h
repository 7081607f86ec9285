/* SPDX-License-Identifier: MIT
 *
 * The same as patch and revert do to a file, with small files in memory: for tests and fuzzing.
 */
#ifndef PATCHER_IN_MEMORY_H
#define PATCHER_IN_MEMORY_H

#include "elf/image.h"
#include "plan.h"
#include "undo.h"

/* The new file, checked. The caller frees *bytes. */
PATCH_MUST_CHECK bool in_memory_patch(const struct image *image,
                                      const struct patch_options *options, const struct plan *plan,
                                      uint8_t **bytes, uint64_t *size, struct patch_error *error);

/* The original. The caller frees *bytes. */
PATCH_MUST_CHECK bool in_memory_restore(const struct image *image, const struct undo *undo,
                                        uint8_t **bytes, uint64_t *size, struct patch_error *error);

/* Renews the checksum of what was added, over a record that was changed; false when it makes no
 * sense any more. */
bool in_memory_seal(uint8_t *bytes, uint64_t size, uint64_t record);

#endif
