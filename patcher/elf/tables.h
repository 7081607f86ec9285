/* SPDX-License-Identifier: MIT
 *
 * The second half of image_parse(): what PT_DYNAMIC leads to.
 */
#ifndef PATCHER_TABLES_H
#define PATCHER_TABLES_H

#include "elf/image.h"

/* Fills in everything from dynamic_offset on; the headers of `image` stand already. */
PATCH_MUST_CHECK bool tables_find(struct image *image, struct patch_error *error);

#endif
