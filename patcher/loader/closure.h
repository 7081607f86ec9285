/* SPDX-License-Identifier: MIT
 *
 * The walk behind patch_closure_find(), with the cache file named, so that tests can bring theirs.
 */
#ifndef PATCHER_CLOSURE_H
#define PATCHER_CLOSURE_H

#include "patcher.h"

#define CLOSURE_CACHE "/etc/ld.so.cache"

PATCH_MUST_CHECK bool closure_find(const char *input, const struct patch_options *options,
                                   const char *cache_path, struct patch_closure **closure,
                                   struct patch_error *error);

#endif
