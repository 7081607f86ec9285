/* SPDX-License-Identifier: MIT
 *
 * The undefined functions of one image that are wanted or redirected already, each with the
 * relocations that write its address.
 */
#ifndef PATCHER_IMPORTS_H
#define PATCHER_IMPORTS_H

#include "elf/image.h"

struct import_relocation {
    const char *kind;
    uint64_t address; /* of the slot */
    size_t import;    /* index of the import that it follows */
};

struct import {
    char *name;                                  /* without the prefix */
    uint32_t symbol;                             /* index in .dynsym */
    bool redirected;                             /* the symbol has the prefix */
    bool wanted;                                 /* among options->functions */
    const struct import_relocation *relocations; /* in imports.relocations */
    size_t relocation_count;
};

struct imports {
    struct import *items; /* in the order of .dynsym */
    size_t count;
    struct import_relocation *relocations; /* of all, grouped by import */
    size_t relocation_count;
    size_t pending;         /* wanted, not redirected */
    size_t redirected;      /* redirected, wanted or not */
    bool exports_prefix;    /* the file defines a function with the prefix: it is the runtime */
    bool runtime_needed;    /* options->runtime is a DT_NEEDED */
    const char *other_libc; /* a needed C library that is not glibc, in the image; or NULL */
};

PATCH_MUST_CHECK bool imports_collect(const struct image *image,
                                      const struct patch_options *options, struct imports *imports,
                                      struct patch_error *error);
/* The same without their relocations and exports_prefix. */
PATCH_MUST_CHECK bool imports_collect_symbols(const struct image *image,
                                              const struct patch_options *options,
                                              struct imports *imports, struct patch_error *error);
void imports_finish(struct imports *imports);

#endif
