/* SPDX-License-Identifier: MIT
 *
 * Where the code of an image calls its imports from: through a PLT stub, or through the slot itself
 * (-fno-plt).
 */
#ifndef PATCHER_CALLSITES_H
#define PATCHER_CALLSITES_H

#include "image.h"
#include "imports.h"

struct call_site {
    size_t import;        /* index in the imports */
    uint64_t address;     /* of the instruction */
    const char *kind;     /* "call", "jump", "load" */
    const char *function; /* in the image; NULL where no symbol covers the address */
};

struct call_sites {
    struct call_site *items; /* by import, then by address */
    size_t count;
    size_t capacity;
};

/* None where the machine's code is not decoded: image->arch->code == NULL. */
PATCH_MUST_CHECK bool callsites_find(const struct image *image, const struct imports *imports,
                                     struct call_sites *sites, struct patch_error *error);
void callsites_finish(struct call_sites *sites);

#endif
