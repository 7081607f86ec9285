/* SPDX-License-Identifier: MIT
 *
 * The functions that an image defines, by address: from .symtab where that was not stripped, and
 * from .dynsym.
 */
#ifndef PATCHER_FUNCTIONS_H
#define PATCHER_FUNCTIONS_H

#include "image.h"

struct function {
    uint64_t start;
    uint64_t end;
    const char *name; /* in the image */
};

struct functions {
    struct function *items; /* by start */
    size_t count;
};

PATCH_MUST_CHECK bool functions_load(const struct image *image, struct functions *functions,
                                     struct patch_error *error);
void functions_finish(struct functions *functions);

/* Name of the function that covers `address`, or NULL. */
const char *functions_at(const struct functions *functions, uint64_t address);

#endif
