/* SPDX-License-Identifier: MIT
 *
 * The runtime and what it needs, to be put beside patched libraries.
 */
#ifndef GREENIFY_VENDOR_H
#define GREENIFY_VENDOR_H

#include "patcher.h"

#include <stdbool.h>
#include <stddef.h>

struct settings;

/* Whether every system brings this library itself: libc and its parts, the loader. */
bool vendor_is_platform(const char *soname);

/* The runtime for the libraries of `closure`: --runtime-file, where the loader finds it, or where
 * it stands beside this command. The first member is the runtime, and what it needs follows. NULL,
 * after a message, when there is none. The caller destroys it. */
struct patch_closure *vendor_find(const struct patch_closure *closure,
                                  const struct settings *settings);

/* The path of the runtime beside this command, as built or as installed; false where there is none.
 */
bool vendor_find_beside(char *path, size_t size);

#endif
