/* SPDX-License-Identifier: MIT
 *
 * What has to stand between the release of a lock and a look at who waits for it: a store with
 * release semantics does not keep a later load behind it.
 */
#ifndef GREEN_ARCH_BARRIER_H
#define GREEN_ARCH_BARRIER_H

#include <stdatomic.h>

static inline void barrier_after_release(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}

#endif
