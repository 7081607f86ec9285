/* SPDX-License-Identifier: MIT
 *
 * The folder that a library is told to look into for what it needs, before all others.
 */
#ifndef PATCHER_RUNPATH_H
#define PATCHER_RUNPATH_H

#include "image.h"
#include "patcher.h"

/* Whether options->runpath is asked for and not the first folder already. */
bool runpath_wanted(const struct image *image, const struct patch_options *options);

/* The entry that the loader goes by: DT_RUNPATH, else DT_RPATH, else NULL. */
const Elf64_Dyn *runpath_entry(const struct image *image);

/* The new list: options->runpath in front of the old. The caller frees it; NULL: no memory. */
char *runpath_value(const struct image *image, const struct patch_options *options);

#endif
