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

/* Reads what was written as if it came from disk: sound, nothing left to redirect, and the record
 * leads back to `image`. A file whose tables lie across its headers can come out as nonsense; it is
 * refused. */
PATCH_MUST_CHECK bool rewrite_check(const struct image *image, const struct patch_options *options,
                                    const uint8_t *bytes, uint64_t size, struct patch_error *error);

#endif
