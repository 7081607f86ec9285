/* SPDX-License-Identifier: MIT
 *
 * Where the code of an image calls its imports from, through a PLT stub or through the slot itself
 * (-fno-plt), and where it enters the kernel without them.
 */
#ifndef PATCHER_CALLSITES_H
#define PATCHER_CALLSITES_H

#include "elf/image.h"
#include "imports.h"
#include "scan/functions.h"

struct call_site {
    size_t import;                /* index in the imports, if trap == NULL */
    const struct arch_trap *trap; /* bytes that look like this instruction */
    const char *kind;             /* "call", "jump", "load"; NULL for a trap */
    struct function_place place;
};

struct call_sites {
    struct call_site *items; /* by import, then by address; traps behind */
    size_t count;
    size_t capacity;
    size_t traps; /* how many of them are such */
};

/* None where the machine's code is not decoded: image->arch->code == NULL. */
PATCH_MUST_CHECK bool callsites_find(const struct image *image, const struct imports *imports,
                                     struct call_sites *sites, struct patch_error *error);
void callsites_finish(struct call_sites *sites);

/* The sites of one import: *first is the index of the first. Returns how many. */
size_t callsites_of(const struct call_sites *sites, size_t import, size_t *first);

#endif
