/* SPDX-License-Identifier: MIT
 *
 * The folder that a library is told to look into for what it needs, before all others.
 */
#ifndef PATCHER_RUNPATH_H
#define PATCHER_RUNPATH_H

#include "elf/image.h"
#include "patcher.h"

/* Whether options->runpath is asked for and not the first folder already. */
bool runpath_wanted(const struct image *image, const struct patch_options *options);

/* The entry that the loader goes by: DT_RUNPATH, else DT_RPATH, else NULL. */
const Elf64_Dyn *runpath_entry(const struct image *image);

/* The new list: options->runpath in front of the old. The caller frees it; NULL: no memory. */
char *runpath_value(const struct image *image, const struct patch_options *options);

/* What an earlier patch put in front of the original's list: *folder, which the caller frees, or
 * NULL for nothing. */
PATCH_MUST_CHECK bool runpath_added(const struct image *patched, const struct image *original,
                                    char **folder, struct patch_error *error);

#endif
