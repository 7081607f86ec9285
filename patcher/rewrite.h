/* SPDX-License-Identifier: MIT
 *
 * Applies a plan to an image: the bytes of the new file. Takes no decisions.
 */
#ifndef PATCHER_REWRITE_H
#define PATCHER_REWRITE_H

#include "image.h"
#include "plan.h"

/* The caller frees *bytes. */
PATCH_MUST_CHECK bool rewrite_apply(const struct image *image, const struct plan *plan,
                                    uint8_t **bytes, uint64_t *size, struct patch_error *error);

#endif
