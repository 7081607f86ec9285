/* SPDX-License-Identifier: MIT
 *
 * Records that are used often begin at a cache line, so that what they use first shares one.
 */
#ifndef GREEN_CACHELINE_H
#define GREEN_CACHELINE_H

#include <stdlib.h>

enum { CACHE_LINE = 64 }; /* bytes; on x86-64, and on AArch64 but for few machines */

/* For free(). NULL with ENOMEM. */
static inline void *cacheline_alloc(size_t size)
{
    return aligned_alloc(CACHE_LINE, (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
}

#endif
