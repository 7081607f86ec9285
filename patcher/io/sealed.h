/* SPDX-License-Identifier: MIT
 *
 * Files whose bytes somebody else vouches for: after a change that would be a lie. Such a change is
 * refused; nothing is forged.
 */
#ifndef PATCHER_SEALED_H
#define PATCHER_SEALED_H

#include "elf/image.h"
#include "io/file.h"

/* By what stands in the file. PATCH_PRELINKED: prelink's own record for its undoing, and the sums
 * that prelinked programs compare, speak of the file as it is. PATCH_SIGNED: a note holds a sum
 * that the library computes anew when it starts (options->allow_signed). */
PATCH_MUST_CHECK bool sealed_check_image(const struct image *image,
                                         const struct patch_options *options,
                                         struct patch_error *error);

/* By what stands around it. PATCH_SIGNED: its sum in a file beside it, as FIPS libraries have; a
 * signature in security.ima; fs-verity. `name` is the path that it was asked for by. */
PATCH_MUST_CHECK bool sealed_check_file(const struct file *file, const char *name,
                                        const struct image *image,
                                        const struct patch_options *options,
                                        struct patch_error *error);

#endif
