/* SPDX-License-Identifier: MIT
 *
 * libarchive, loaded when the first wheel is opened: it brings a dozen other libraries along, whose
 * start takes longer than all else that a short run of the command does.
 */
#ifndef GREENIFY_ARCHIVE_LIBRARY_H
#define GREENIFY_ARCHIVE_LIBRARY_H

#include "patcher.h"

#include <archive.h>
#include <archive_entry.h>

/* Its functions by their own names. Valid after archive_load() only; never unloaded. */
struct libarchive {
#define ARCHIVE_FUNCTION(name) __typeof__(&(name)) name;
#include "archive_functions.def"
#undef ARCHIVE_FUNCTION
};
extern struct libarchive libarchive;

/* Once it came back true it does so at once. PATCH_LOAD when the library cannot be loaded. */
PATCH_MUST_CHECK bool archive_load(struct patch_error *error);

#endif
