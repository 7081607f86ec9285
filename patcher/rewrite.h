/* SPDX-License-Identifier: MIT
 *
 * Makes the recipe of the new file from a plan. Takes no decisions.
 */
#ifndef PATCHER_REWRITE_H
#define PATCHER_REWRITE_H

#include "elf/image.h"
#include "io/recipe.h"
#include "plan.h"

/* Over image->reader; borrows from `plan`, the caller finishes *recipe. The checksums of the undo
 * record are not in it. */
PATCH_MUST_CHECK bool rewrite_recipe(const struct image *image, const struct plan *plan,
                                     struct recipe *recipe, struct patch_error *error);

/* Reads what is to be written as if it came from disk: sound, nothing left to redirect, and the
 * record leads back to `image`. A file whose tables lie across its headers can come out as
 * nonsense; it is refused. */
PATCH_MUST_CHECK bool rewrite_check(const struct image *image, const struct patch_options *options,
                                    const struct plan *plan, const struct reader *patched,
                                    struct patch_error *error);

/* Puts the checksums into the record of the new file, which `fd` holds and `recipe` told to write;
 * `original` has gone over the original. */
PATCH_MUST_CHECK bool rewrite_seal(const struct image *image, const struct plan *plan,
                                   const struct recipe *recipe, const struct sum *original, int fd,
                                   struct patch_error *error);

#endif
